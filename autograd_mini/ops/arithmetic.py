"""Arithmetic and the elementary functions, element by element."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..operation import value_of
from ..primitives import elementwise, implements
from .conversion import converted
from .selection import where

LN2 = float(np.log(2))
LN10 = float(np.log(10))


def power_base(g: Any, y: Any, a: Any, b: Any) -> Any:
    """∂a: b·aᵇ⁻¹, exact for integer b at 0 and below; 0 where b is 0."""
    if type(b) in (int, float):
        if b == 2:
            return g * (2 * a)
        return g * (b * a ** (b - 1)) if b else g * np.zeros_like(a)
    return g * where(b == 0, 0, b * a ** where(b == 0, 1, b - 1))


def power_exponent(g: Any, y: Any, a: Any, b: Any) -> Any:
    """∂b: aᵇ·ln a; 0 at a = 0, NaN for a negative base."""
    return g * where(a == 0, 0, y * np.log(where(a == 0, 1, a)))


def hypot_ratio(g: Any, y: Any, a: Any) -> Any:
    """Divide a by y, which is a's length; 0 where y is 0."""
    return g * (a / where(y == 0, 1, y))


def squared_length(a: Any, b: Any) -> Any:
    """Return a² + b², with 1 in place of 0."""
    squares = a * a + b * b
    return where(squares == 0, 1, squares)


add = elementwise(
    np.add,
    "+",
    "a + b.  ∂a: 1  ∂b: 1",
    eager=operator.add,
    vjp=(lambda g, y, a, b: g, lambda g, y, a, b: g),
)
subtract = elementwise(
    np.subtract,
    "−",
    "a − b.  ∂a: 1  ∂b: −1",
    eager=operator.sub,
    vjp=(lambda g, y, a, b: g, lambda g, y, a, b: -g),
)
multiply = elementwise(
    np.multiply,
    "×",
    "a·b.  ∂a: b  ∂b: a",
    eager=operator.mul,
    vjp=(lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
)
divide = elementwise(
    np.divide,
    "÷",
    "a / b.  ∂a: 1/b  ∂b: −y/b",
    eager=operator.truediv,
    vjp=(lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b),
    domain=(0.5, 2.0),
)
remainder = elementwise(
    np.remainder,
    "mod",
    "a mod b, with the sign of b.  ∂a: 1  ∂b: −⌊a/b⌋",
    eager=operator.mod,
    vjp=(lambda g, y, a, b: g, lambda g, y, a, b: -g * np.floor_divide(a, b)),
    domain=(0.5, 2.0),
    kink=lambda a, b: np.minimum(np.remainder(a, b), b - np.remainder(a, b)),
)
power = elementwise(
    np.power,
    "^",
    "aᵇ.  ∂a: b·aᵇ⁻¹  ∂b: aᵇ·ln a.  At 0⁰ both are 0; ∂b is 0 at a = 0, NaN below it",
    eager=operator.pow,
    vjp=(power_base, power_exponent),
    domain=(0.5, 2.0),
)
arctan2 = elementwise(
    np.arctan2,
    "atan2",
    "Angle of the point (b, a).  ∂a: b/(a² + b²)  ∂b: −a/(a² + b²); 0, 0 at the origin",
    vjp=(
        lambda g, y, a, b: g * (b / squared_length(a, b)),
        lambda g, y, a, b: g * (-a / squared_length(a, b)),
    ),
    domain=(0.5, 2.0),
)
hypot = elementwise(
    np.hypot,
    "hypot",
    "√(a² + b²).  ∂a: a/y  ∂b: b/y; 0, 0 at the origin",
    vjp=(lambda g, y, a, b: hypot_ratio(g, y, a), lambda g, y, a, b: hypot_ratio(g, y, b)),
    domain=(0.5, 2.0),
)
logaddexp = elementwise(
    np.logaddexp,
    "log(e^a+e^b)",
    "ln(eᵃ + eᵇ).  ∂a: eᵃ⁻ʸ  ∂b: eᵇ⁻ʸ",
    vjp=(lambda g, y, a, b: g * np.exp(a - y), lambda g, y, a, b: g * np.exp(b - y)),
)
negative = elementwise(
    np.negative, "neg", "−x.  ∂x: −1", eager=operator.neg, vjp=(lambda g, y, x: -g,)
)
positive = elementwise(
    np.positive, "pos", "+x.  ∂x: 1", eager=operator.pos, vjp=(lambda g, y, x: g,)
)
absolute = elementwise(
    np.absolute,
    "|x|",
    "|x|.  ∂x: sign x, 0 at 0",
    eager=operator.abs,
    vjp=(lambda g, y, x: g * np.sign(x),),
    kink=lambda x: x,
)
exp = elementwise(np.exp, "exp", "eˣ.  ∂x: y", vjp=(lambda g, y, x: g * y,))
exp2 = elementwise(np.exp2, "2^", "2ˣ.  ∂x: y·ln 2", vjp=(lambda g, y, x: g * (y * LN2),))
expm1 = elementwise(np.expm1, "expm1", "eˣ − 1.  ∂x: y + 1", vjp=(lambda g, y, x: g * (y + 1),))
log = elementwise(np.log, "ln", "ln x.  ∂x: 1/x", vjp=(lambda g, y, x: g / x,), domain=(0.2, 3.0))
log2 = elementwise(
    np.log2, "log₂", "log₂ x.  ∂x: 1/(x·ln 2)", vjp=(lambda g, y, x: g / (x * LN2),),
    domain=(0.2, 3.0),
)  # fmt: skip
log10 = elementwise(
    np.log10, "log₁₀", "log₁₀ x.  ∂x: 1/(x·ln 10)", vjp=(lambda g, y, x: g / (x * LN10),),
    domain=(0.2, 3.0),
)  # fmt: skip
log1p = elementwise(
    np.log1p, "log1p", "ln(1 + x).  ∂x: 1/(1 + x)", vjp=(lambda g, y, x: g / (1 + x),),
    domain=(-0.7, 3.0),
)  # fmt: skip
sqrt = elementwise(
    np.sqrt, "√", "√x.  ∂x: 1/(2y), inf at 0", vjp=(lambda g, y, x: g / (2 * y),),
    domain=(0.2, 3.0),
)  # fmt: skip
square = elementwise(np.square, "x²", "x².  ∂x: 2x", vjp=(lambda g, y, x: g * (2 * x),))
reciprocal = elementwise(
    np.reciprocal, "1/x", "1/x.  ∂x: −y²", vjp=(lambda g, y, x: -g * (y * y),), domain=(0.3, 3.0)
)
sin = elementwise(np.sin, "sin", "sin x.  ∂x: cos x", vjp=(lambda g, y, x: g * np.cos(x),))
cos = elementwise(np.cos, "cos", "cos x.  ∂x: −sin x", vjp=(lambda g, y, x: -g * np.sin(x),))
tan = elementwise(
    np.tan, "tan", "tan x.  ∂x: 1 + y²", vjp=(lambda g, y, x: g * (1 + y * y),), domain=(-1.2, 1.2)
)
arcsin = elementwise(
    np.arcsin, "asin", "arcsin x.  ∂x: 1/√(1 − x²)",
    vjp=(lambda g, y, x: g / np.sqrt(1 - x * x),), domain=(-0.8, 0.8),
)  # fmt: skip
arccos = elementwise(
    np.arccos, "acos", "arccos x.  ∂x: −1/√(1 − x²)",
    vjp=(lambda g, y, x: -g / np.sqrt(1 - x * x),), domain=(-0.8, 0.8),
)  # fmt: skip
arctan = elementwise(
    np.arctan, "atan", "arctan x.  ∂x: 1/(1 + x²)", vjp=(lambda g, y, x: g / (1 + x * x),)
)
sinh = elementwise(np.sinh, "sinh", "sinh x.  ∂x: cosh x", vjp=(lambda g, y, x: g * np.cosh(x),))
cosh = elementwise(np.cosh, "cosh", "cosh x.  ∂x: sinh x", vjp=(lambda g, y, x: g * np.sinh(x),))
tanh = elementwise(
    np.tanh, "tanh", "Hyperbolic tangent.  ∂x: 1 − y²", vjp=(lambda g, y, x: g * (1 - y * y),)
)


@implements(np.float_power)
def float_power(a: Any, b: Any) -> Any:
    """Compute aᵇ in float64 at least."""
    wide = np.result_type(value_of(a), value_of(b), np.float64)
    return power.call(converted(a, wide), converted(b, wide))


@implements(np.fabs)
def fabs(x: Any) -> Any:
    """Compute |x| in floating point."""
    return absolute.call(converted(x, np.result_type(value_of(x), np.float16)))
