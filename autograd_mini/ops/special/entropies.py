"""Logistic functions, and logarithms times a number: entropies and divergences."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ...core.primitive import Primitive, case, elementwise


def _log_of_ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute ln(a/b), also where a/b overflows; −inf where a is 0."""
    ratio = np.where(np.equal(a, 0), 0, a / b)
    extreme = np.isinf(ratio) | ((ratio == 0) & np.not_equal(a, 0))
    return np.where(extreme, np.log(a) - np.log(b), np.log(ratio))[()]


def logit_slope(x: Any) -> Any:
    """Compute 1/(x·(1 − x))."""
    return 1 / (x * (1 - x))


expit: Primitive = elementwise(
    special.expit,
    "σ",
    "Logistic sigmoid 1/(1 + e⁻ˣ).  ∂x: σ(x)·σ(−x), with full precision in both tails",
    vjp=(lambda g, y, x: g * (y * expit(-x)),),
)
log_expit = elementwise(
    special.log_expit,
    "ln σ",
    "ln σ(x).  ∂x: σ(−x)",
    vjp=(lambda g, y, x: g * expit(-x),),
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
