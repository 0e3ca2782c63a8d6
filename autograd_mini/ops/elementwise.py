"""Elementwise operations: arithmetic, powers, abs, sign, exp, log, trigonometry, sinc, Bessel's i0.

A function that NumPy lacks also gets a name for users in `functions.py`, as `am.relu`.

`np.sinc` and `np.i0` have all their derivatives, exact at 0.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.batch_rules import call_unchanged
from ..core.primitive import Primitive, case, elementwise, general, implements
from ..core.record import check_operand, value_of
from ..core.source_text import Written
from ..core.table import table
from ..core.tensor import Tensor
from ..errors import OperandError
from .conversion import convert_operand
from .selection import where


def _power_base(g: Array, y: Array, a: Array, b: Any) -> Array:
    """∂a: b·aᵇ⁻¹, exact for integer b at 0 and below; 0 where b is 0."""
    if type(b) in (int, float):
        if b == 2:
            return g * (2 * a)
        return g * (b * a ** (b - 1)) if b else g * np.zeros_like(a)
    return g * power_slope(a, b)


def _power_slope_forward(a: Array, b: Array) -> Array:
    """Compute b·aᵇ⁻¹; 0 at 0⁰, where it would be 0·∞."""
    origin = np.equal(a, 0) & np.equal(b, 0)
    return np.where(origin, 0, b * a ** np.where(origin, 1, b - 1))[()]


def _power_log_forward(a: Array, b: object) -> Array:
    """Compute aᵇ·ln a; 0 at a = 0."""
    y, zero = a**b, np.equal(a, 0)
    return np.where(zero, 0, y * np.log(np.where(zero, 1, a).astype(y.dtype)))[()]


def _natural_log(a: Array, b: Array) -> Array:
    """Return ln a: the complex one if a or the exponent b is complex, else NaN below 0."""
    kinds = [np.result_type(value_of(x)).kind for x in (a, b)]
    return np.log(a + 0j if kinds == ["f", "c"] else a)


def _power_mixed(a: Array, b: Array) -> Array:
    """∂a∂b of aᵇ: aᵇ⁻¹·(1 + b·ln a).  At a = 0 its limit, which is 0 above b = 1; 0 at 0⁰."""
    edge = (a == 0) & ((b == 0) | (np.real(b) > 1))
    base = where(edge, 1, a)
    return where(edge, 0, base ** (b - 1) * (1 + b * _natural_log(base, b)))


def _power_curvature(a: Array, b: Array) -> Array:
    """∂a² of aᵇ: b·(b − 1)·aᵇ⁻².  0 at 0⁰."""
    origin = (a == 0) & (b == 0)
    return where(origin, 0, b * power_slope(where(origin, 1, a), b - 1))


def _power_log_squared(y: Array, a: Array, b: Array) -> Array:
    """∂b² of aᵇ, given y = aᵇ·ln a: y·ln a; 0 at a = 0."""
    zero = a == 0
    return where(zero, 0, y * _natural_log(where(zero, 1, a), b))


def _absolute_rule(g: Array, y: Array, x: Array) -> Array:
    """∂x: sign x; for complex numbers x̄/|x|; 0 at 0."""
    return g * (np.sign(x) if x.dtype.kind != "c" else over(np.conjugate(x), y))


def _angle_rule(g: Array, y: Array, x: Array) -> Array:
    """∂x: −i/x; 0 at 0, and for real numbers."""
    if np.result_type(value_of(x)).kind != "c":
        return g * 0
    return g * where(x == 0, 0, -1j / where(x == 0, 1, x))


def _over_square(x: Array, a: Array, b: Array) -> Array:
    """Return x/(a² + b²); 0 at the origin."""
    length = np.hypot(a, b)  # the squares of small numbers would be 0
    return over(over(x, length), length)


def _power_code(a: Written, b: Written) -> str | None:
    """Write aᵇ; Python's operator takes other functions than `np.power` for some numbers b."""
    if b.shape or a.number is not None:
        return None
    kind = "" if a.dtype is None else a.dtype.kind
    known = {2: "square", 0.5: "sqrt", -1: "reciprocal"}.get(b.number) if kind == "f" else None
    return f"np.{known}({a})" if known else f"{a} ** {b}"


over: Primitive = elementwise(
    lambda m, d: np.where(np.equal(d, 0), 0, m / np.where(np.equal(d, 0), 1, d))[()],
    "÷",
    "m/d, 0 where d is 0.  ∂m: 1/d  ∂d: −y/d; 0, 0 where d is 0",
    name="over",
    vjp=(lambda g, y, m, d: over(g, d), lambda g, y, m, d: -over(g * y, d)),
    domain=(0.5, 2.0),
)
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
fmod = elementwise(
    np.fmod,
    "fmod",
    "a mod b, with the sign of a.  ∂a: 1  ∂b: −(a/b without its fraction)",
    vjp=(lambda g, y, a, b: g, lambda g, y, a, b: -g * np.rint((a - y) / b)),
    domain=(0.5, 2.0),
    kink=lambda a, b: np.minimum(np.remainder(a, b), b - np.remainder(a, b)),
)
power = elementwise(
    np.power,
    "^",
    "aᵇ.  ∂a: b·aᵇ⁻¹  ∂b: aᵇ·ln a.  At 0⁰ both are 0, second ones too; ∂b is 0 at a = 0, NaN below "
    "it; ∂a∂b at a = 0: −inf for 0 < b ≤ 1, 0 above",
    eager=operator.pow,
    vjp=(_power_base, lambda g, y, a, b: g * power_log(a, b)),
    domain=(0.5, 2.0),
    code=_power_code,
)
power_slope: Primitive = elementwise(
    _power_slope_forward,
    "b·a^(b−1)",
    "b·aᵇ⁻¹, the derivative of a power; 0 at 0⁰.  ∂a: b·(b − 1)·aᵇ⁻²  ∂b: aᵇ⁻¹·(1 + b·ln a); at "
    "a = 0 their limits, 0 at 0⁰",
    name="power_slope",
    vjp=(
        lambda g, y, a, b: g * _power_curvature(a, b),
        lambda g, y, a, b: g * _power_mixed(a, b),
    ),
    domain=(0.5, 2.0),
)
power_log: Primitive = elementwise(
    _power_log_forward,
    "a^b·ln a",
    "aᵇ·ln a, 0 at a = 0.  ∂a: aᵇ⁻¹·(1 + b·ln a)  ∂b: y·ln a; at a = 0 their limits, 0 at 0⁰",
    name="power_log",
    vjp=(
        lambda g, y, a, b: g * _power_mixed(a, b),
        lambda g, y, a, b: g * _power_log_squared(y, a, b),
    ),
    domain=(0.5, 2.0),
)
arctan2 = elementwise(
    np.arctan2,
    "atan2",
    "Angle of the point (b, a).  ∂a: b/(a² + b²)  ∂b: −a/(a² + b²); 0 at the origin, second ones "
    "too",
    vjp=(
        lambda g, y, a, b: g * _over_square(b, a, b),
        lambda g, y, a, b: -g * _over_square(a, a, b),
    ),
    domain=(0.5, 2.0),
)
hypot = elementwise(
    np.hypot,
    "hypot",
    "√(a² + b²).  ∂a: a/y  ∂b: b/y; 0 at the origin, second ones too",
    vjp=(lambda g, y, a, b: g * over(a, y), lambda g, y, a, b: g * over(b, y)),
    domain=(0.5, 2.0),
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
    "|x|.  ∂x: sign x, for complex numbers x̄/|x|; 0 at 0, second ones too",
    eager=operator.abs,
    vjp=(_absolute_rule,),
    kink=lambda x: x,
)
sign_of_real = elementwise(
    np.sign, "sign", "Sign of a real number.  No gradient: it is 0 wherever it exists", vjp=(None,),
    samples=(),
)  # fmt: skip
square = elementwise(
    np.square,
    "x²",
    "x².  ∂x: 2x",
    vjp=(lambda g, y, x: g * (2 * x),),
    code=lambda x: f"{x} * {x}" if x.dtype and x.dtype.kind == "f" and not x.shape else None,
)
reciprocal = elementwise(
    np.reciprocal, "1/x", "1/x.  ∂x: −y²", vjp=(lambda g, y, x: -g * (y * y),), domain=(0.3, 3.0)
)
copysign = elementwise(
    np.copysign,
    "copysign",
    "|a| with the sign of b.  ∂a: sign a · sign b, 0 at 0; none to b",
    vjp=(lambda g, y, a, b: g * (np.sign(a) * np.copysign(1.0, b)), None),
    samples=(case((3, 2), np.array([-1, 2], np.int8)), case((), -1.0)),
    kink=lambda a, b: a,
)
heaviside = elementwise(
    np.heaviside,
    "step",
    "0 below 0, 1 above, b at 0.  ∂b: 1 where a is 0; none to a",
    vjp=(None, lambda g, y, a, b: g * np.equal(a, 0)),
    samples=(case(np.array([-1, 0, 2], np.int8), (2, 3)), case(0.0, ())),
)
ldexp = elementwise(
    np.ldexp,
    "·2^",
    "a·2ᵇ with integers b.  ∂a: 2ᵇ",
    vjp=(lambda g, y, a, b: np.ldexp(g, b), None),
    samples=(case((3, 2), np.array([-3, 2])), case((), 4)),
)
nextafter = elementwise(
    np.nextafter,
    "next",
    "The next floating-point number after a, towards b.  ∂a: 1; none to b",
    vjp=(lambda g, y, a, b: g, None),
    samples=(case((3, 2), np.array([-3, 2], np.int8)), case((), 4.0)),
)
modf = general(
    np.modf,
    "modf",
    "Fraction and whole part of x.  ∂x: 1 of the fraction, 0 of the whole part",
    vjp=(lambda g, y, x: g[0],),
    samples=(case((3, 4)), case(()), case((0, 2))),
    kink=lambda x: x - np.rint(x),
    batch=call_unchanged,
    multiple=True,
)
exponent = elementwise(
    lambda x: np.frexp(x)[1],
    "exponent",
    "The power of 2 above x.  No gradient: it is 0 wherever it exists",
    name="exponent",
    vjp=(None,),
    samples=(),
)
angle = elementwise(
    np.angle,
    "angle",
    "Angle of a complex number.  ∂x: −i/x; 0 at 0, and for real numbers",
    vjp=(_angle_rule,),
    kink=lambda x: x,
)

table[np.modf] = modf.call


@implements(np.sign)
def sign(x: Numbers) -> Tensor:
    """Sign of a real number; x/|x| of a complex one, with the gradients of both.

    ∂x: 0 for real numbers, and at 0.
    """
    if np.result_type(value_of(x)).kind != "c":
        return sign_of_real(x)
    length = absolute.call(x)
    return where(length == 0, 0, x / where(length == 0, 1, length))


@implements(np.angle)
def angle_function(z: Numbers, deg: bool = False) -> Tensor:
    """Angle of a complex number, in radians or degrees.  ∂z: −i/z; 0 at 0."""
    radians = angle.call(check_operand(z))
    return radians * (180 / np.pi) if deg else radians


@implements(np.divmod)
def divide_with_remainder(a: Numbers, b: Numbers) -> tuple[object, object]:
    """Return ⌊a/b⌋, without a gradient, and a mod b.  Of the latter ∂a: 1  ∂b: −⌊a/b⌋."""
    return np.floor_divide(a, b), remainder.call(a, b)


@implements(np.frexp)
def frexp(x: Numbers) -> tuple[object, object]:
    """Return m and integers e with x = m·2ᵉ.  ∂x: 2⁻ᵉ of m, none of e."""
    power_of_two = exponent.call(x)
    return ldexp.call(x, -power_of_two), power_of_two


@implements(np.float_power)
def float_power(a: object, b: object) -> Tensor:
    """Compute aᵇ in float64 at least.  ∂a: b·aᵇ⁻¹  ∂b: aᵇ·ln a; at a = 0 as np.power."""
    a, b = check_operand(a), check_operand(b)
    wide = np.result_type(value_of(a), value_of(b), np.float64)
    return power.call(convert_operand(a, wide), convert_operand(b, wide))


@implements(np.fabs)
def fabs(x: Numbers) -> Array:
    """Compute |x| in floating point.  ∂x: sign x, 0 at 0.

    Raises:
        OperandError: for complex numbers, as NumPy; np.abs takes them.
    """
    kind = np.result_type(value_of(x))
    if kind.kind == "c":
        raise OperandError(f"fabs: {kind} values are complex; use np.abs")
    return absolute.call(convert_operand(x, np.result_type(kind, np.float16)))


LN2 = math.log(2)
LN10 = math.log(10)
DEGREE = math.pi / 180


def _root_of_sum(x: np.ndarray) -> np.ndarray:
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
    np.arcsinh, "asinh", "arcsinh x.  ∂x: 1/√(x² + 1)", vjp=(lambda g, y, x: g / _root_of_sum(x),)
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


LARGEST = 750.0
"""Beyond it I₀ is infinite in float64 (from 713.98 on)."""
SAMPLES = tuple(case(shape, order=n) for shape, n in (((3, 4), 1), ((), 2), ((2, 0), 1), ((3,), 4)))


def _wide(x: Array) -> np.ndarray:
    """Return an array in float64 or complex128 at least."""
    return np.asarray(x, np.result_type(x, np.float64))


def narrow(y: Array, x: Array) -> Array:
    """Return a result in the dtype of x if x is floating-point."""
    return y.astype(x.dtype if x.dtype.kind in "fc" else y.dtype)[()]


def _bessel_forward(x: Array, *, order: int) -> Array:
    """Compute Iₙ = I₀·r₁·…·rₙ with rₖ = Iₖ/Iₖ₋₁ = x/(2k + x·rₖ₊₁), from a k where r is negligible.

    All terms are of one sign, so each step keeps the precision (DLMF 10.33.1, 10.29.1). What is
    left out at k falls as exp(−k²/x): 2·√(40·x) steps and a constant leave nothing in float64.
    """
    u = _wide(x)
    bounded = np.clip(u, -LARGEST, LARGEST)
    steps = order + 20 + int(2 * math.sqrt(40 * np.max(np.abs(bounded), initial=0, where=u == u)))
    ratio = np.zeros_like(u)
    result = np.i0(u)
    for k in range(steps, 0, -1):
        ratio = bounded / (2 * k + bounded * ratio)
        if k <= order:
            result = result * ratio
    return narrow(result, x)


def _bessel_rule(g: Array, y: Array, x: Array, *, order: int) -> Array:
    """∂x: (Iₙ₋₁ + Iₙ₊₁)/2."""
    below = i0(x) if order == 1 else bessel(x, order=order - 1)
    return g * (0.5 * (below + bessel(x, order=order + 1)))


def _sinc_forward(x: Array, *, order: int) -> Array:
    """Compute the n-th derivative of sin(πx)/(πx).

    With u = πx and s = sin u/u it is πⁿ·s⁽ⁿ⁾(u). From u·s = sin u, n times differentiated,
    u·s⁽ⁿ⁾ + n·s⁽ⁿ⁻¹⁾ = sin(u + nπ/2): a recurrence that is stable for |u| > n. Below, the series
    s⁽ⁿ⁾ = Σ (−1)ᵏ u²ᵏ⁻ⁿ/((2k + 1)·(2k − n)!) over 2k ≥ n.
    """
    u = math.pi * _wide(x)
    near = np.abs(u) < order + 1
    small, large = np.where(near, u, 0), np.where(near, order + 1, u)
    series = np.zeros_like(u)
    for k in range((order + 1) // 2, 14 + 4 * order):
        power = 2 * k - order
        series += (-1) ** k * small**power / ((2 * k + 1) * math.factorial(power))
    far = np.sin(large) / large
    for n in range(1, order + 1):
        far = (np.sin(large + n * math.pi / 2) - n * far) / large
    return narrow(math.pi**order * np.where(near, series, far), x)


bessel: Primitive = general(
    _bessel_forward,
    "Iₙ",
    "Modified Bessel function of the first kind, of order n.  ∂x: (Iₙ₋₁ + Iₙ₊₁)/2",
    name="bessel",
    vjp=(_bessel_rule,),
    jvp=(_bessel_rule,),
    samples=SAMPLES,
    params=("order",),
    batch=call_unchanged,
)
sinc_derivative: Primitive = general(
    _sinc_forward,
    "sinc⁽ⁿ⁾",
    "The n-th derivative of sinc.  ∂x: the next one",
    name="sinc_derivative",
    vjp=(lambda g, y, x, order: g * sinc_derivative(x, order=order + 1),),
    jvp=(lambda t, y, x, order: t * sinc_derivative(x, order=order + 1),),
    samples=SAMPLES,
    params=("order",),
    batch=call_unchanged,
)
i0 = elementwise(
    np.i0,
    "I₀",
    "Modified Bessel function of the first kind, of order 0.  ∂x: I₁",
    eager=lambda x: np.i0(x)[()],
    vjp=(lambda g, y, x: g * bessel(x, order=1),),
)
sinc = elementwise(
    np.sinc,
    "sinc",
    "sin(πx)/(πx), 1 at 0.  ∂x: (cos πx − y)/x, 0 at 0",
    vjp=(lambda g, y, x: g * sinc_derivative(x, order=1),),
)
implements(np.i0)(i0.call)
implements(np.sinc)(sinc.call)
