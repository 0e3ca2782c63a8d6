"""Exponentials and cosine near 0, exponential integrals, and the hypergeometric functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from ...core.arrays import scalar_if_0d
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

if TYPE_CHECKING:
    from ...core.arrays import Array, Numbers

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
