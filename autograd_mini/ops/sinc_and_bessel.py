"""np.sinc and np.i0 (modified Bessel), each with all its derivatives, exact at 0.

Each member is exact at 0, so the derivatives of `i0` and `sinc` there are too, of any order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.arrays import Array
from ..core.batch_rules import call_unchanged
from ..core.primitive import Primitive, case, elementwise, general, implements

LARGEST = 750.0
"""Beyond it I₀ is infinite in float64 (from 713.98 on)."""
SAMPLES = tuple(case(shape, order=n) for shape, n in (((3, 4), 1), ((), 2), ((2, 0), 1), ((3,), 4)))


def _wide(x: Array) -> np.ndarray:
    """Return an array in float64 or complex128 at least."""
    return np.asarray(x, np.result_type(x, np.float64))


def narrow(y: Any, x: Any) -> Array:
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
