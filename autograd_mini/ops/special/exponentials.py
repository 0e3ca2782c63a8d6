"""SciPy's exponentials near 0, their integrals, hypergeometric and logistic ones, and entropies."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ...core.arrays import Array, Numbers, scalar_if_0d
from ...core.contexts import run_quietly
from ...core.primitive import Primitive, case, elementwise
from ...core.record import check_operand, scope
from ...core.table import Axis
from .. import activations
from ..activations import shift
from ..conversion import stop_gradient
from ..elementwise import LN10
from ..selection import where
from .dtypes import Refusal, times

exp10 = elementwise(
    special.exp10, "10^", "10ˣ.  ∂x: y·ln 10", vjp=(lambda g, y, x: g * (y * LN10),)
)
cosm1 = elementwise(
    special.cosm1, "cos−1", "cos x − 1.  ∂x: −sin x", vjp=(lambda g, y, x: -g * np.sin(x),)
)
exprel = elementwise(
    special.exprel,
    "exprel",
    "(eˣ − 1)/x, 1 at 0.  ∂x: (eˣ − y)/x as ½·₁F₁(2; 3; x), which is exact at 0 too",
    vjp=(lambda g, y, x: g * (0.5 * hyp1f1(2, 3, x)),),
)
exp1 = elementwise(
    special.exp1,
    "E₁",
    "∫ₓ^∞ e⁻ᵗ/t dt.  ∂x: −e⁻ˣ/x",
    vjp=(lambda g, y, x: -g * (np.exp(-x) / x),),
    domain=(0.3, 3.0),
)
expi = elementwise(
    special.expi,
    "Ei",
    "∫ eᵗ/t dt from −∞ to x.  ∂x: eˣ/x",
    vjp=(lambda g, y, x: g * (np.exp(x) / x),),
    domain=(0.3, 3.0),
)
hyp0f1: Primitive = elementwise(
    special.hyp0f1,
    "₀F₁",
    "The confluent hypergeometric limit ₀F₁(; v; z).  ∂z: ₀F₁(; v + 1; z)/v",
    vjp=(
        Refusal("hyp0f1", "the parameter v"),
        lambda g, y, v, z: g * (hyp0f1(v + 1, z) / v),
    ),
    samples=(case(2, (3, 4)), case(1.5, ())),
)
hyp1f1: Primitive = elementwise(
    special.hyp1f1,
    "₁F₁",
    "The confluent hypergeometric ₁F₁(a; b; z).  ∂z: a/b·₁F₁(a + 1; b + 1; z)",
    vjp=(
        Refusal("hyp1f1", "the parameter a"),
        Refusal("hyp1f1", "the parameter b"),
        lambda g, y, a, b, z: g * times(a / b, hyp1f1(a + 1, b + 1, z)),
    ),
    samples=(case(2, 3, (3, 4)), case(0.5, 1.5, ())),
)
hyp2f1: Primitive = elementwise(
    special.hyp2f1,
    "₂F₁",
    "Gauss' hypergeometric ₂F₁(a, b; c; z).  ∂z: a·b/c·₂F₁(a + 1, b + 1; c + 1; z)",
    vjp=(
        Refusal("hyp2f1", "the parameter a"),
        Refusal("hyp2f1", "the parameter b"),
        Refusal("hyp2f1", "the parameter c"),
        lambda g, y, a, b, c, z: g * times(a * b / c, hyp2f1(a + 1, b + 1, c + 1, z)),
    ),
    samples=(case(*map(np.float32, (1, 2, 3)), (3, 4)), case(*map(np.float32, (0.5, 1, 1.5)), ())),
    domain=(-0.7, 0.7),
)


MOST = 80.0
"""Where a weight is 0, larger exponents are cut: e⁸⁰ is finite in float32 too."""


def logsumexp(
    a: Numbers,
    axis: Axis = None,
    b: Numbers | None = None,
    keepdims: bool = False,
    return_sign: bool = False,
) -> Any:
    """Compute ln Σ b·eᵃ over `axis`.  ∂a: b·eᵃ⁻ʸ  ∂b: eᵃ⁻ʸ.

    With `return_sign` the result is the pair of ln |Σ b·eᵃ| and the sign of the sum; without it a
    negative sum is NaN.

    >>> logsumexp([1000.0, 1000.0]).round(4)
    np.float64(1000.6931)
    """
    if not np.ndim(a) and axis in ((0,), (-1,)):  # SciPy gives numbers an axis
        axis = 0
    if b is None and not return_sign:
        return activations.logsumexp(a, axis=axis, keepdims=keepdims)
    return _weighted_logsumexp(
        check_operand(a), axis, 1 if b is None else check_operand(b), keepdims, return_sign
    )


@scope("logsumexp")
def _weighted_logsumexp(a: Array, axis: Axis, b: Any, keepdims: bool, return_sign: bool) -> Any:
    """Compute ln Σ b·eᵃ, shifted by the largest a whose weight is not 0."""
    nothing = np.equal(b, 0)
    highest = shift(where(nothing, -np.inf, stop_gradient(a)), axis)
    above = a - highest
    terms = b * np.exp(where(nothing, np.minimum(above, MOST), above))
    total = np.sum(terms, axis=axis, keepdims=True)
    size = np.abs(total) if return_sign else total
    y = run_quietly(lambda: np.log(size) + highest)
    results = (y, np.sign(total)) if return_sign else (y,)
    if not keepdims:
        results = tuple(scalar_if_0d(np.squeeze(x, axis=axis)) for x in results)
    return results if return_sign else results[0]


def softmax(x: Numbers, axis: Axis = None) -> Any:
    """Compute eˣ / Σ eˣ over `axis`, by default all elements.  ∂x: y·(g − Σ y·g)."""
    return activations.softmax(x, axis=axis)


def log_softmax(x: object, axis: Axis = None) -> Any:
    """Compute x − ln Σ eˣ over `axis`, by default all elements.  ∂x: g − eʸ·Σ g."""
    return activations.log_softmax(x, axis=axis)


def _log_of_ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute ln(a/b), also where a/b overflows; −inf where a is 0."""
    ratio = np.where(np.equal(a, 0), 0, a / b)
    extreme = np.isinf(ratio) | ((ratio == 0) & np.not_equal(a, 0))
    return np.where(extreme, np.log(a) - np.log(b), np.log(ratio))[()]


def logit_slope(x: Array) -> Array:
    """Compute 1/(x·(1 − x))."""
    return 1 / (x * (1 - x))


expit: Primitive = elementwise(
    special.expit,
    "σ",
    "Logistic sigmoid 1/(1 + e⁻ˣ).  ∂x: σ(x)·σ(−x), with full precision in both tails",
    vjp=(lambda g, y, x: g * (y * expit(-x)),),
)
log_expit = elementwise(
    special.log_expit, "ln σ", "ln σ(x).  ∂x: σ(−x)", vjp=(lambda g, y, x: g * expit(-x),)
)
logit = elementwise(
    special.logit,
    "logit",
    "ln(x/(1 − x)).  ∂x: 1/(x·(1 − x)), inf at 0 and 1",
    vjp=(lambda g, y, x: g * slope_of_logit(x),),
    domain=(0.1, 0.9),
)
slope_of_logit: Primitive = elementwise(
    logit_slope,
    "logit′",
    "1/(x·(1 − x)).  ∂x: (2x − 1)·y², ∓inf at 0 and 1",
    name="logit_slope",
    vjp=(lambda g, y, x: g * ((2 * x - 1) * (y * y)),),
    domain=(0.1, 0.9),
)
ratio: Primitive = elementwise(
    lambda a, b: np.where(np.equal(a, 0), 0, a / np.where(np.equal(a, 0), 1, b))[()],
    "÷",
    "a/b, 0 where a is 0, over 0 too.  ∂a: 1/b  ∂b: −y/b, 0 where a is 0",
    name="ratio",
    vjp=(lambda g, y, a, b: g / b, lambda g, y, a, b: -g * ratio(y, b)),
    domain=(0.5, 2.0),
)
log_ratio = elementwise(
    _log_of_ratio,
    "ln(a/b)",
    "ln(a/b), −inf where a is 0.  ∂a: 1/a  ∂b: −1/b",
    name="log_ratio",
    vjp=(lambda g, y, a, b: g / a, lambda g, y, a, b: -g / b),
    domain=(0.3, 3.0),
)
log_weight: Primitive = elementwise(
    lambda a, b: np.log(np.where(np.equal(a, 0) & np.equal(b, 0), 1, b))[()],
    "ln b",
    "ln b, 0 at (0, 0).  ∂b: 1/b; none to a",
    name="log_weight",
    vjp=(None, lambda g, y, a, b: g / b),
    samples=(case(np.float32(0.5), (3, 4)), case(np.float32(0.0), ())),
    domain=(0.3, 3.0),
)
log1p_weight: Primitive = elementwise(
    lambda a, b: np.log1p(np.where(np.equal(a, 0) & np.equal(b, -1), 0, b))[()],
    "ln(1+b)",
    "ln(1 + b), 0 at (0, −1).  ∂b: 1/(1 + b); none to a",
    name="log1p_weight",
    vjp=(None, lambda g, y, a, b: g / (1 + b)),
    samples=(case(np.float32(0.5), (3, 4)), case(np.float32(0.0), ())),
    domain=(-0.6, 3.0),
)
xlogy: Primitive = elementwise(
    special.xlogy,
    "a·ln b",
    "a·ln b, 0 where a is 0.  ∂a: ln b, 0 at (0, 0)  ∂b: a/b, 0 where a is 0  ∂a∂b: 1/b, inf at "
    "b = 0",
    vjp=(
        lambda g, y, a, b: g * log_weight(a, b),
        lambda g, y, a, b: g * ratio(a, b),
    ),
    domain=(0.3, 3.0),
)
xlog1py: Primitive = elementwise(
    special.xlog1py,
    "a·ln(1+b)",
    "a·ln(1 + b), 0 where a is 0.  ∂a: ln(1 + b), 0 at (0, −1)  ∂b: a/(1 + b), 0 where a is 0  "
    "∂a∂b: 1/(1 + b), inf at b = −1",
    vjp=(
        lambda g, y, a, b: g * log1p_weight(a, b),
        lambda g, y, a, b: g * ratio(a, 1 + b),
    ),
    domain=(-0.6, 3.0),
)
entr = elementwise(
    special.entr,
    "−x·ln x",
    "−x·ln x, 0 at 0.  ∂x: −1 − ln x, inf at 0  ∂x²: −1/x, −inf at 0",
    vjp=(lambda g, y, x: g * (-1 - np.log(x)),),
    domain=(0.2, 3.0),
)
rel_entr = elementwise(
    special.rel_entr,
    "a·ln(a/b)",
    "a·ln(a/b), 0 where a is 0.  ∂a: ln(a/b) + 1, −inf at a = 0  ∂b: −a/b, 0 where a is 0  "
    "∂a²: 1/a, inf at 0  ∂a∂b: −1/b, −inf at b = 0",
    vjp=(
        lambda g, y, a, b: g * (log_ratio(a, b) + 1),
        lambda g, y, a, b: -g * ratio(a, b),
    ),
    domain=(0.3, 3.0),
)
kl_div = elementwise(
    special.kl_div,
    "a·ln(a/b)−a+b",
    "a·ln(a/b) − a + b, b where a is 0.  ∂a: ln(a/b), −inf at a = 0  ∂b: 1 − a/b, 1 where a is 0  "
    "∂a²: 1/a, inf at 0  ∂a∂b: −1/b, −inf at b = 0",
    vjp=(
        lambda g, y, a, b: g * log_ratio(a, b),
        lambda g, y, a, b: g * (1 - ratio(a, b)),
    ),
    domain=(0.3, 3.0),
)
