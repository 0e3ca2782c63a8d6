"""Error functions and the normal distribution."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from ...core.primitive import Primitive, elementwise
from ..selection import where

SQRT_PI = math.sqrt(math.pi)
SQRT_2 = math.sqrt(2)
SQRT_2PI = math.sqrt(2 * math.pi)
FAR = 50.0
"""From here on 2x·erfcx(x) and 2/√π have too many digits in common to be subtracted."""


def erfcx_slope(g: Any, y: Any, x: Any) -> Any:
    """∂x: 2x·y − 2/√π; far to the right its asymptotic series, in u = 1/(2x²)."""
    far = np.real(x) > FAR
    outside = where(far, x, FAR)
    u = 0.5 / (outside * outside)
    series = u * (-2 / SQRT_PI) * (1 - u * (3 - u * (15 - u * 105)))
    inside = where(far, 0, x)
    return g * where(far, series, 2 * inside * where(far, 0, y) - 2 / SQRT_PI)


def normal_density(x: Any) -> Any:
    """Compute the density of the standard normal distribution."""
    return np.exp(-0.5 * (x * x)) / SQRT_2PI


def log_ndtr_slope(g: Any, y: Any, x: Any) -> Any:
    """∂x: φ(x)/Φ(x), in the left tail as √(2/π)/erfcx(−x/√2), where both vanish."""
    left = np.real(x) < 0
    tail = (2 / SQRT_2PI) / erfcx(where(left, x, 0) * (-1 / SQRT_2))
    body = where(left, 0, x)
    return g * where(left, tail, normal_density(body) / ndtr(body))


erf = elementwise(
    special.erf,
    "erf",
    "2/√π ∫₀ˣ e⁻ᵗ² dt.  ∂x: 2/√π·e⁻ˣ²",
    vjp=(lambda g, y, x: g * (np.exp(-x * x) * (2 / SQRT_PI)),),
)
erfc = elementwise(
    special.erfc,
    "erfc",
    "1 − erf x.  ∂x: −2/√π·e⁻ˣ²",
    vjp=(lambda g, y, x: g * (np.exp(-x * x) * (-2 / SQRT_PI)),),
)
erfcx: Primitive = elementwise(
    special.erfcx,
    "erfcx",
    "eˣ²·erfc x.  ∂x: 2x·y − 2/√π, without cancellation for large x",
    vjp=(erfcx_slope,),
)
erfi = elementwise(
    special.erfi,
    "erfi",
    "2/√π ∫₀ˣ eᵗ² dt.  ∂x: 2/√π·eˣ²",
    vjp=(lambda g, y, x: g * (np.exp(x * x) * (2 / SQRT_PI)),),
)
erfinv = elementwise(
    special.erfinv,
    "erf⁻¹",
    "The x with erf x equal to the argument.  ∂x: √π/2·eʸ²; inf at −1 and 1",
    vjp=(lambda g, y, x: g * (np.exp(y * y) * (SQRT_PI / 2)),),
    domain=(-0.9, 0.9),
)
erfcinv = elementwise(
    special.erfcinv,
    "erfc⁻¹",
    "The x with erfc x equal to the argument.  ∂x: −√π/2·eʸ²; −inf at 0 and 2",
    vjp=(lambda g, y, x: g * (np.exp(y * y) * (-SQRT_PI / 2)),),
    domain=(0.1, 1.9),
)
ndtr: Primitive = elementwise(
    special.ndtr,
    "Φ",
    "Φ(x), the distribution function of the standard normal.  ∂x: φ(x) = e^(−x²/2)/√(2π)",
    vjp=(lambda g, y, x: g * normal_density(x),),
)
log_ndtr = elementwise(
    special.log_ndtr,
    "ln Φ",
    "ln Φ(x).  ∂x: φ(x)/Φ(x), exact in both tails",
    vjp=(log_ndtr_slope,),
)
ndtri = elementwise(
    special.ndtri,
    "Φ⁻¹",
    "The quantile of the standard normal.  ∂x: 1/φ(y); inf at 0 and 1",
    vjp=(lambda g, y, x: g * (np.exp(0.5 * (y * y)) * SQRT_2PI),),
    domain=(0.05, 0.95),
)
