"""Exponentials and cosine near 0, exponential integrals, and the hypergeometric functions."""

from __future__ import annotations

import numpy as np
from scipy import special

from ...core.primitive import Primitive, case, elementwise
from ..elementary import LN10
from .refusals import Refusal, times

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
