"""Bessel functions of any order, and the faster ones of the orders 0 and 1.

The derivative by the argument is a combination of the neighbouring orders; that by the order has no
such formula, and is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from ...core.arrays import Array
from ...core.primitive import Primitive, Rule, case, elementwise
from .dtypes import Refusal

ORDERS = (case(0, (3, 4)), case(2, ()), case(0.5, (3,)), case(1, (2, 0)))
RIGHT = (0.4, 3.0)


def _half_difference(function: Callable[..., Array], g: Array, v: Array, z: Array) -> Array:
    """∂z: half the difference of the neighbouring orders."""
    return g * (0.5 * (function(v - 1, z) - function(v + 1, z)))


def _half_sum(function: Callable[..., Array], g: Array, v: Any, z: Array) -> Array:
    """∂z: half the sum of the neighbouring orders."""
    return g * (0.5 * (function(v - 1, z) + function(v + 1, z)))


def _iv_with_limit(v: int, z: np.ndarray) -> np.ndarray:
    """Compute Iᵥ(z), at 0 with the sign of its infinity, which SciPy does not have."""
    y = special.iv(v, z)
    infinite = np.equal(z, 0) & np.less(v, 0) & np.not_equal(np.mod(v, 1), 0)
    if not np.any(infinite):
        return y
    return np.where(infinite, np.copysign(np.real(y), special.gammasgn(v + 1)), y)[()]


def _signed_ive_forward(v: int, z: np.ndarray) -> np.ndarray:
    """Compute sign z·Iᵉᵥ(z) of real numbers."""
    if np.iscomplexobj(z):
        raise TypeError("it is defined for real numbers")
    return np.sign(z) * special.ive(v, z)


def _damped_slope(g: Array, y: Array, v: Array, z: Array) -> Array:
    """∂z of Iᵥ(z)·e^−|Re z|; for complex z the damping's part is real, as Re z is."""
    inner = _half_sum(ive, g, v, z)
    if z.dtype.kind == "c":
        return inner - np.sign(np.real(z)) * np.real(g * y)
    return inner - g * signed_ive(v, z)


def _damped_tangent(t: Array, y: Array, v: object, z: Array) -> Array:
    """The tangent of the same."""
    inner = _half_sum(ive, t, v, z)
    if z.dtype.kind == "c":
        return inner - np.sign(np.real(z)) * np.real(t) * y
    return inner - t * signed_ive(v, z)


def _of_order(
    function: Callable[..., object], symbol: str, doc: str, slope: Rule, name: str | None = None
) -> Primitive:
    """Declare a Bessel function of the order v and the argument z, by which it has this slope."""
    of = (name or function.__name__).rpartition("_")[2]  # SciPy's name
    return elementwise(
        function,
        symbol,
        doc,
        name=name,
        vjp=(Refusal(of, "the order v"), slope),
        samples=ORDERS,
        domain=RIGHT,
    )


jv: Primitive = _of_order(
    special.jv,
    "J",
    "Bessel function of the first kind, order v.  ∂z: ½(Jᵥ₋₁ − Jᵥ₊₁)",
    lambda g, y, v, z: _half_difference(jv, g, v, z),
)
yv: Primitive = _of_order(
    special.yv,
    "Y",
    "Bessel function of the second kind, order v.  ∂z: ½(Yᵥ₋₁ − Yᵥ₊₁)",
    lambda g, y, v, z: _half_difference(yv, g, v, z),
)
iv: Primitive = _of_order(
    special.iv,
    "I",
    "Modified Bessel function of the first kind, order v.  ∂z: ½(Iᵥ₋₁ + Iᵥ₊₁)",
    lambda g, y, v, z: _half_sum(limit_iv, g, v, z),
)
limit_iv: Primitive = _of_order(
    _iv_with_limit,
    "I",
    "Iᵥ, infinite at 0 for orders below 0 that are no integers.  ∂z: ½(Iᵥ₋₁ + Iᵥ₊₁)",
    lambda g, y, v, z: _half_sum(limit_iv, g, v, z),
    name="limit_iv",
)
ive: Primitive = elementwise(
    special.ive,
    "Iᵉ",
    "Iᵥ(z)·e^−|Re z|.  ∂z: ½(Iᵉᵥ₋₁ + Iᵉᵥ₊₁) − sign z·y, without the last term at 0  ∂z²: at 0 its "
    "limit, 0 where the sides differ",
    vjp=(Refusal("ive", "the order v"), _damped_slope),
    jvp=(Refusal("ive", "the order v"), _damped_tangent),
    samples=ORDERS,
    domain=RIGHT,
)
signed_ive: Primitive = _of_order(
    _signed_ive_forward,
    "±Iᵉ",
    "sign z·Iᵉᵥ(z) of real z.  ∂z: ½·sign z·(Iᵉᵥ₋₁ + Iᵉᵥ₊₁) − Iᵉᵥ, its limit at 0",
    lambda g, y, v, z: np.sign(z) * _half_sum(ive, g, v, z) - g * ive(v, z),
    name="signed_ive",
)
kv: Primitive = _of_order(
    special.kv,
    "K",
    "Modified Bessel function of the second kind, order v.  ∂z: −½(Kᵥ₋₁ + Kᵥ₊₁)",
    lambda g, y, v, z: _half_sum(kv, -g, v, z),
)
kve: Primitive = _of_order(
    special.kve,
    "Kᵉ",
    "Kᵥ(z)·eᶻ.  ∂z: y − ½(Kᵉᵥ₋₁ + Kᵉᵥ₊₁)",
    lambda g, y, v, z: g * y - _half_sum(kve, g, v, z),
)
j0 = elementwise(special.j0, "J₀", "jv(0, x).  ∂x: −J₁(x)", vjp=(lambda g, y, x: -g * j1(x),))
j1: Primitive = elementwise(
    special.j1,
    "J₁",
    "jv(1, x).  ∂x: ½(J₀(x) − J₂(x))",
    vjp=(lambda g, y, x: g * (0.5 * (j0(x) - jv(2, x))),),
)
y0 = elementwise(
    special.y0, "Y₀", "yv(0, x).  ∂x: −Y₁(x)", vjp=(lambda g, y, x: -g * y1(x),), domain=RIGHT
)
y1: Primitive = elementwise(
    special.y1,
    "Y₁",
    "yv(1, x).  ∂x: ½(Y₀(x) − Y₂(x))",
    vjp=(lambda g, y, x: g * (0.5 * (y0(x) - yv(2, x))),),
    domain=RIGHT,
)
i1: Primitive = elementwise(
    special.i1,
    "I₁",
    "iv(1, x).  ∂x: ½(I₀(x) + I₂(x))",
    vjp=(lambda g, y, x: g * (0.5 * (iv(0, x) + iv(2, x))),),
)
i0: Primitive = elementwise(
    special.i0, "I₀", "iv(0, x).  ∂x: I₁(x)", vjp=(lambda g, y, x: g * i1(x),), name="bessel_i0"
)
i0e: Primitive = elementwise(
    special.i0e,
    "I₀ᵉ",
    "I₀(x)·e^−|x|.  ∂x: I₁ᵉ(x) − sign x·y, without the last term at 0  ∂x²: 1½ at 0",
    vjp=(lambda g, y, x: g * (i1e(x) - signed_ive(0, x)),),
    kink=lambda x: x,
)
i1e: Primitive = elementwise(
    special.i1e,
    "I₁ᵉ",
    "I₁(x)·e^−|x|.  ∂x: ½(I₀ᵉ(x) + I₂ᵉ(x)) − sign x·y  ∂x²: 0 at 0",
    vjp=(lambda g, y, x: g * (0.5 * (i0e(x) + ive(2, x)) - np.sign(x) * y),),
    kink=lambda x: x,
)
k0 = elementwise(
    special.k0, "K₀", "kv(0, x).  ∂x: −K₁(x)", vjp=(lambda g, y, x: -g * k1(x),), domain=RIGHT
)
k1: Primitive = elementwise(
    special.k1,
    "K₁",
    "kv(1, x).  ∂x: −½(K₀(x) + K₂(x))",
    vjp=(lambda g, y, x: -g * (0.5 * (k0(x) + kv(2, x))),),
    domain=RIGHT,
)
k0e = elementwise(
    special.k0e,
    "K₀ᵉ",
    "K₀(x)·eˣ.  ∂x: y − K₁ᵉ(x)",
    vjp=(lambda g, y, x: g * (y - k1e(x)),),
    domain=RIGHT,
)
k1e: Primitive = elementwise(
    special.k1e,
    "K₁ᵉ",
    "K₁(x)·eˣ.  ∂x: y − ½(K₀ᵉ(x) + K₂ᵉ(x))",
    vjp=(lambda g, y, x: g * (y - 0.5 * (k0e(x) + kve(2, x))),),
    domain=RIGHT,
)
