"""Logistic functions, and logarithms times a number: entropies and divergences."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ...primitives import Primitive, elementwise
from ..selection import where


def log_unless(edge: Any, g: Any, log: Any) -> Any:
    """Return g·log; 0 at the edge where 0 meets the logarithm of 0."""
    return g * where(edge, 0, log)


def ratio(a: Any, b: Any) -> Any:
    """Return a/b; 0 where a is 0, also over 0."""
    return a / where(a == 0, 1, b)


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
    "ln(x/(1 − x)).  ∂x: 1/(x·(1 − x))",
    vjp=(lambda g, y, x: g / (x * (1 - x)),),
    domain=(0.1, 0.9),
)
xlogy: Primitive = elementwise(
    special.xlogy,
    "a·ln b",
    "a·ln b, 0 where a is 0.  ∂a: ln b, 0 at (0, 0)  ∂b: a/b, 0 where a is 0",
    vjp=(
        lambda g, y, a, b: log_unless((a == 0) & (b == 0), g, np.log(b)),
        lambda g, y, a, b: g * ratio(a, b),
    ),
    domain=(0.3, 3.0),
)
xlog1py: Primitive = elementwise(
    special.xlog1py,
    "a·ln(1+b)",
    "a·ln(1 + b), 0 where a is 0.  ∂a: ln(1 + b), 0 at (0, −1)  ∂b: a/(1 + b), 0 where a is 0",
    vjp=(
        lambda g, y, a, b: log_unless((a == 0) & (b == -1), g, np.log1p(b)),
        lambda g, y, a, b: g * ratio(a, 1 + b),
    ),
    domain=(-0.6, 3.0),
)
entr = elementwise(
    special.entr,
    "−x·ln x",
    "−x·ln x, 0 at 0.  ∂x: −1 − ln x, inf at 0",
    vjp=(lambda g, y, x: g * (-1 - np.log(x)),),
    domain=(0.2, 3.0),
)
rel_entr = elementwise(
    special.rel_entr,
    "a·ln(a/b)",
    "a·ln(a/b), 0 where a is 0.  ∂a: ln(a/b) + 1, −inf at a = 0  ∂b: −a/b, 0 where a is 0",
    vjp=(
        lambda g, y, a, b: g * (np.log(a / b) + 1),
        lambda g, y, a, b: -g * ratio(a, b),
    ),
    domain=(0.3, 3.0),
)
kl_div = elementwise(
    special.kl_div,
    "a·ln(a/b)−a+b",
    "a·ln(a/b) − a + b, b where a is 0.  ∂a: ln(a/b), −inf at a = 0  ∂b: 1 − a/b, 1 where a is 0",
    vjp=(
        lambda g, y, a, b: g * np.log(a / b),
        lambda g, y, a, b: g * (1 - ratio(a, b)),
    ),
    domain=(0.3, 3.0),
)
