"""The elementary functions, element by element: exponentials, logarithms, roots, angles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.primitive import Primitive, elementwise

LN2 = math.log(2)
LN10 = math.log(10)
DEGREE = math.pi / 180


def root_of_sum(x: Any) -> Any:
    """Return √(x² + 1), also where x² overflows."""
    return np.sqrt(x * x + 1) if x.dtype.kind == "c" else np.hypot(x, 1)


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
    np.sqrt, "√", "√x.  ∂x: 1/(2y), inf at 0  ∂x²: −inf at 0", vjp=(lambda g, y, x: g / (2 * y),),
    domain=(0.2, 3.0),
)  # fmt: skip
cbrt = elementwise(
    np.cbrt, "cbrt", "∛x.  ∂x: 1/(3y²), inf at 0  ∂x²: ∓inf at ±0",
    vjp=(lambda g, y, x: g * cbrt_slope(x),), domain=(0.2, 3.0),
)  # fmt: skip
logaddexp = elementwise(
    np.logaddexp,
    "log(e^a+e^b)",
    "ln(eᵃ + eᵇ).  ∂a: eᵃ⁻ʸ  ∂b: eᵇ⁻ʸ",
    vjp=(lambda g, y, a, b: g * np.exp(a - y), lambda g, y, a, b: g * np.exp(b - y)),
)
logaddexp2 = elementwise(
    np.logaddexp2,
    "log₂(2^a+2^b)",
    "log₂(2ᵃ + 2ᵇ).  ∂a: 2ᵃ⁻ʸ  ∂b: 2ᵇ⁻ʸ",
    vjp=(lambda g, y, a, b: g * np.exp2(a - y), lambda g, y, a, b: g * np.exp2(b - y)),
)
sin = elementwise(np.sin, "sin", "sin x.  ∂x: cos x", vjp=(lambda g, y, x: g * np.cos(x),))
cos = elementwise(np.cos, "cos", "cos x.  ∂x: −sin x", vjp=(lambda g, y, x: -g * np.sin(x),))
tan = elementwise(
    np.tan, "tan", "tan x.  ∂x: 1 + y²", vjp=(lambda g, y, x: g * (1 + y * y),), domain=(-1.2, 1.2)
)
arcsin = elementwise(
    np.arcsin, "asin", "arcsin x.  ∂x: 1/√(1 − x²), inf at −1 and 1  ∂x²: ±inf at ±1",
    vjp=(lambda g, y, x: g * arcsin_slope(x),), domain=(-0.8, 0.8),
)  # fmt: skip
arccos = elementwise(
    np.arccos, "acos", "arccos x.  ∂x: −1/√(1 − x²), −inf at −1 and 1  ∂x²: ∓inf at ±1",
    vjp=(lambda g, y, x: -g * arcsin_slope(x),), domain=(-0.8, 0.8),
)  # fmt: skip
arctan = elementwise(
    np.arctan, "atan", "arctan x.  ∂x: 1/(1 + x²)", vjp=(lambda g, y, x: g / (1 + x * x),)
)
sinh = elementwise(np.sinh, "sinh", "sinh x.  ∂x: cosh x", vjp=(lambda g, y, x: g * np.cosh(x),))
cosh = elementwise(np.cosh, "cosh", "cosh x.  ∂x: sinh x", vjp=(lambda g, y, x: g * np.sinh(x),))
tanh = elementwise(
    np.tanh, "tanh", "Hyperbolic tangent.  ∂x: 1 − y²", vjp=(lambda g, y, x: g * (1 - y * y),)
)
arcsinh = elementwise(
    np.arcsinh, "asinh", "arcsinh x.  ∂x: 1/√(x² + 1)", vjp=(lambda g, y, x: g / root_of_sum(x),)
)
arccosh = elementwise(
    np.arccosh, "acosh", "arccosh x.  ∂x: 1/(√(x − 1)·√(x + 1)), inf at 1  ∂x²: −inf at 1",
    vjp=(lambda g, y, x: g * arccosh_slope(x),), domain=(1.2, 3.0),
)  # fmt: skip
arctanh = elementwise(
    np.arctanh, "atanh", "arctanh x.  ∂x: 1/(1 − x²), inf at −1 and 1",
    vjp=(lambda g, y, x: g * arctanh_slope(x),), domain=(-0.8, 0.8),
)  # fmt: skip
deg2rad = elementwise(np.deg2rad, "°→rad", "x·π/180.  ∂x: π/180", vjp=(lambda g, y, x: g * DEGREE,))
radians = elementwise(np.radians, "°→rad", "x·π/180.  ∂x: π/180", vjp=(lambda g, y, x: g * DEGREE,))
rad2deg = elementwise(np.rad2deg, "rad→°", "x·180/π.  ∂x: 180/π", vjp=(lambda g, y, x: g / DEGREE,))
degrees = elementwise(np.degrees, "rad→°", "x·180/π.  ∂x: 180/π", vjp=(lambda g, y, x: g / DEGREE,))

# Slopes that are infinite at an end of the domain. As separate operations they have their
# derivative in one formula, infinite there too; in steps it would be 0·∞ in reverse mode.
cbrt_slope: Primitive = elementwise(
    lambda x: (1 / 3) / np.square(np.cbrt(x)), "cbrt′", "1/(3·∛x²).  ∂x: −⅔·y/x, ∓inf at ±0",
    name="cbrt_slope", vjp=(lambda g, y, x: g * ((-2 / 3) * y / x),), domain=(0.2, 3.0),
)  # fmt: skip
arcsin_slope: Primitive = elementwise(
    lambda x: 1 / np.sqrt((1 - x) * (1 + x)), "asin′", "1/√(1 − x²).  ∂x: x·y³, ±inf at ±1",
    name="arcsin_slope", vjp=(lambda g, y, x: g * (x * (y * y * y)),), domain=(-0.8, 0.8),
)  # fmt: skip
arccosh_slope: Primitive = elementwise(
    lambda x: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)), "acosh′",
    "1/(√(x − 1)·√(x + 1)).  ∂x: −x·y³, −inf at 1",
    name="arccosh_slope", vjp=(lambda g, y, x: -g * (x * (y * y * y)),), domain=(1.2, 3.0),
)  # fmt: skip
arctanh_slope: Primitive = elementwise(
    lambda x: 1 / ((1 - x) * (1 + x)), "atanh′", "1/(1 − x²).  ∂x: 2x·y², ±inf at ±1",
    name="arctanh_slope", vjp=(lambda g, y, x: g * (2 * x * (y * y)),), domain=(-0.8, 0.8),
)  # fmt: skip
