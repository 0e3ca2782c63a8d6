"""The gamma function and its family: logarithms, derivatives, beta, incomplete integrals, zeta."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from ...core.arrays import Array, Numbers, as_array
from ...core.extraction import tracing
from ...core.primitive import Primitive, case, elementwise
from ...core.record import check_operand, scope, value_of
from ...core.table import table
from ...core.tensor import Tensor
from ...errors import ArgumentError, UnsupportedError
from ..checks import demand
from ..conversion import convert_operand
from ..selection import where
from .dtypes import Refusal, times

TWO, THREE, HALF = map(np.float32, (2, 3, 0.5))  # a plain 2 makes some of SciPy's float64
ORDERS = (case(TWO, (3, 4)), case(THREE, ()), case(TWO, (2, 0)))
POSITIVE = (0.4, 3.0)


def _polygamma_forward(n: int, x: Array) -> Array:
    """Compute SciPy's polygamma in the dtype of x, as the derivative of psi; SciPy's is float64.

    Raises:
        UnsupportedError: for complex x, which SciPy does not compute.
        ArgumentError: for an order that is no whole number from 0 on.
    """
    if np.iscomplexobj(x):
        raise UnsupportedError(
            "polygamma, which is the derivative of psi, is not computed for complex arguments"
        )
    if np.any(np.less(n, 0)) or np.any(np.mod(n, 1)):
        raise ArgumentError(f"polygamma: the order n must be a whole number ≥ 0, got {n!r:.60}")
    wanted = np.result_type(x, np.float32) if np.asarray(x).dtype.kind == "f" else np.float64
    return special.polygamma(n, x).astype(wanted)[()]


def _rgamma_slope(g: Array, y: Array, x: Array) -> Array:
    """∂x: −y·ψ(x); left of ½ by reflection, which is exact where y is 0 and ψ has its poles."""
    left = np.real(x) < 0.5
    mirrored = 1 - where(left, x, 0.5)
    angle = where(left, x, 0.5) * math.pi
    reflected = gamma(mirrored) * (np.cos(angle) - psi(mirrored) * np.sin(angle) / math.pi)
    right = where(left, 1, x)
    return g * where(left, reflected, -psi(right) * where(left, 0, y))


def _gamma_density_forward(n: object, c: Array, x: Array) -> Array:
    """Compute xⁿ·e⁻ˣ⁻ᶜ."""
    return np.exp(special.xlogy(n, x) - x - c)


def _beta_density_forward(m: Array, n: Array, c: Array, x: np.ndarray) -> np.ndarray:
    """Compute xᵐ·(1 − x)ⁿ·e⁻ᶜ."""
    return np.exp(special.xlogy(m, x) + special.xlog1py(n, -x) - c)


polygamma_: Primitive = elementwise(
    special.polygamma,
    "ψ⁽ⁿ⁾",
    "Derivative number n of ψ.  ∂x: ψ⁽ⁿ⁺¹⁾(x)",
    eager=_polygamma_forward,
    vjp=(Refusal("polygamma", "the order n"), lambda g, y, n, x: g * polygamma_(n + 1, x)),
    samples=(case(0, (3, 4)), case(1, ()), case(2, (2, 0))),
    domain=(0.5, 3.0),
)
psi: Primitive = elementwise(
    special.psi,
    "ψ",
    "ψ(x), the derivative of ln Γ.  ∂x: ψ′(x)",
    vjp=(lambda g, y, x: g * polygamma_(1, x),),
    domain=POSITIVE,
)
gamma: Primitive = elementwise(
    special.gamma,
    "Γ",
    "Γ(x).  ∂x: y·ψ(x)",
    vjp=(lambda g, y, x: g * (y * psi(x)),),
    domain=POSITIVE,
)
gammaln: Primitive = elementwise(
    special.gammaln,
    "ln |Γ|",
    "ln |Γ(x)|.  ∂x: ψ(x)",
    vjp=(lambda g, y, x: g * psi(x),),
    domain=POSITIVE,
)
loggamma = elementwise(
    special.loggamma,
    "ln Γ",
    "ln Γ(x), of complex numbers too.  ∂x: ψ(x)",
    vjp=(lambda g, y, x: g * psi(x),),
    domain=POSITIVE,
)
rgamma = elementwise(
    special.rgamma,
    "1/Γ",
    "1/Γ(x).  ∂x: −y·ψ(x), exact at 0, −1, −2, …",
    vjp=(_rgamma_slope,),
    domain=(-2.5, 3.0),
    kink=lambda x: x - 0.5,
)
gammasgn = elementwise(
    special.gammasgn,
    "sgn Γ",
    "The sign of Γ(x).  No gradient: it is 0 wherever it exists",
    vjp=(None,),
    samples=(),
)
beta = elementwise(
    special.beta,
    "B",
    "B(a, b) = Γ(a)Γ(b)/Γ(a + b).  ∂a: y·(ψ(a) − ψ(a + b))  ∂b: y·(ψ(b) − ψ(a + b))",
    vjp=(
        lambda g, y, a, b: g * (y * (psi(a) - psi(a + b))),
        lambda g, y, a, b: g * (y * (psi(b) - psi(a + b))),
    ),
    domain=POSITIVE,
)
betaln = elementwise(
    special.betaln,
    "ln B",
    "ln |B(a, b)|.  ∂a: ψ(a) − ψ(a + b)  ∂b: ψ(b) − ψ(a + b)",
    vjp=(
        lambda g, y, a, b: g * (psi(a) - psi(a + b)),
        lambda g, y, a, b: g * (psi(b) - psi(a + b)),
    ),
    domain=POSITIVE,
)
gammainc = elementwise(
    special.gammainc,
    "P",
    "∫₀ˣ tᵃ⁻¹e⁻ᵗ dt / Γ(a).  ∂x: xᵃ⁻¹·e⁻ˣ/Γ(a)",
    vjp=(
        Refusal("gammainc", "the order a"),
        lambda g, y, a, x: g * gamma_density(a - 1, gammaln(a), x),
    ),
    samples=(*ORDERS, case(HALF, (3,))),
    domain=POSITIVE,
)
gammaincc = elementwise(
    special.gammaincc,
    "Q",
    "∫ₓ^∞ tᵃ⁻¹e⁻ᵗ dt / Γ(a).  ∂x: −xᵃ⁻¹·e⁻ˣ/Γ(a)",
    vjp=(
        Refusal("gammaincc", "the order a"),
        lambda g, y, a, x: -g * gamma_density(a - 1, gammaln(a), x),
    ),
    samples=(*ORDERS, case(HALF, (3,))),
    domain=POSITIVE,
)
betainc = elementwise(
    special.betainc,
    "I",
    "∫₀ˣ tᵃ⁻¹(1 − t)ᵇ⁻¹ dt / B(a, b).  ∂x: xᵃ⁻¹·(1 − x)ᵇ⁻¹/B(a, b)",
    vjp=(
        Refusal("betainc", "the order a"),
        Refusal("betainc", "the order b"),
        lambda g, y, a, b, x: g * beta_density(a - 1, b - 1, betaln(a, b), x),
    ),
    samples=(case(2, 3, (3, 4)), case(0.5, 1.5, ()), case(2, 2, (2, 0))),
    domain=(0.1, 0.9),
)
# As separate operations the densities have a derivative at the ends, where in steps it is 0·∞.
gamma_density: Primitive = elementwise(
    _gamma_density_forward,
    "P′",
    "p(n, c, x) = xⁿ·e⁻ˣ⁻ᶜ.  ∂x: n·p(n − 1, c, x) − y",
    name="gamma_density",
    vjp=(
        Refusal("gammainc", "the order a"),
        Refusal("gammainc", "the order a"),
        lambda g, y, n, c, x: g * (times(n, gamma_density(n - 1, c, x)) - y),
    ),
    samples=(case(TWO, HALF, (3, 4)), case(HALF, HALF, ()), case(np.float32(0), HALF, (3,))),
    domain=POSITIVE,
)
beta_density: Primitive = elementwise(
    _beta_density_forward,
    "I′",
    "p(m, n, c, x) = xᵐ·(1 − x)ⁿ·e⁻ᶜ.  ∂x: m·p(m − 1, n, c, x) − n·p(m, n − 1, c, x)",
    name="beta_density",
    vjp=(
        Refusal("betainc", "the order a"),
        Refusal("betainc", "the order b"),
        Refusal("betainc", "the order a"),
        lambda g, y, m, n, c, x: (
            g * (times(m, beta_density(m - 1, n, c, x)) - times(n, beta_density(m, n - 1, c, x)))
        ),
    ),
    samples=(case(TWO, THREE, HALF, (3, 4)), case(-HALF, HALF, HALF, ())),
    domain=(0.1, 0.9),
)
zeta: Primitive = elementwise(
    special.zeta,
    "ζ",
    "Σ (q + k)⁻ˣ over k = 0, 1, …, Hurwitz' zeta function.  ∂q: −x·ζ(x + 1, q)",
    vjp=(Refusal("zeta", "the exponent x"), lambda g, y, s, q: -g * (s * zeta(s + 1, q))),
    samples=ORDERS,
    domain=(0.5, 3.0),
)
hurwitz = getattr(special._ufuncs, "_zeta", None)
if hurwitz is not None:  # zeta of SciPy calls it when there are two arguments
    table[hurwitz] = zeta.call


def polygamma(n: Numbers, x: Numbers) -> Array:
    """Compute derivative number n of ψ, in float64 for integers n, as SciPy.  ∂x: ψ⁽ⁿ⁺¹⁾(x).

    Raises:
        UnsupportedError: for complex x, which SciPy does not compute.
        ArgumentError: for an order that is no whole number from 0 on.
    """
    x = check_operand(x)
    given = np.result_type(value_of(x))
    if given.kind == "c" or given == np.float64:
        return polygamma_(n, x)
    kind = special.polygamma(np.zeros(0, np.asarray(value_of(n)).dtype), np.zeros(0, given)).dtype
    return polygamma_(n, x if given == kind else convert_operand(x, kind))


@scope("multigammaln")
def multigammaln(a: Numbers, d: int) -> Array:
    """Compute the logarithm of the gamma function of d variables.  ∂a: Σ ψ(a − j/2), j < d.

    Raises:
        ArgumentError: unless every a > (d − 1)/2.
    """
    x = a if isinstance(a, Tensor) else as_array(a)
    least = 0.5 * (d - 1)
    message = f"multigammaln: a must be above (d − 1)/2 = {least}"
    if np.any(np.less_equal(value_of(x), least)):
        raise ArgumentError(message)
    demand(lambda: np.greater(x, least), message)
    if tracing.get() is not None:  # of later examples, or calls, NaN is the only answer
        x = where(np.greater(x, least), x, math.nan)
    total = sum(gammaln(x - 0.5 * j) for j in range(d))
    return total + np.float64(0.25 * d * (d - 1) * math.log(math.pi))  # float64, as in SciPy


SQRT_PI = math.sqrt(math.pi)
SQRT_2 = math.sqrt(2)
SQRT_2PI = math.sqrt(2 * math.pi)
FAR = 50.0
"""From here on 2x·erfcx(x) and 2/√π have too many digits in common to be subtracted."""


def _erfcx_slope(g: Array, y: Array, x: Array) -> Array:
    """∂x: 2x·y − 2/√π; far to the right its asymptotic series, in u = 1/(2x²)."""
    far = np.real(x) > FAR
    outside = where(far, x, FAR)
    u = 0.5 / (outside * outside)
    series = u * (-2 / SQRT_PI) * (1 - u * (3 - u * (15 - u * 105)))
    inside = where(far, 0, x)
    return g * where(far, series, 2 * inside * where(far, 0, y) - 2 / SQRT_PI)


def _normal_density(x: Array) -> Array:
    """Compute the density of the standard normal distribution."""
    return np.exp(-0.5 * (x * x)) / SQRT_2PI


def _log_ndtr_slope(g: Array, y: Array, x: Array) -> Array:
    """∂x: φ(x)/Φ(x), in the left tail as √(2/π)/erfcx(−x/√2), where both vanish."""
    left = np.real(x) < 0
    tail = (2 / SQRT_2PI) / erfcx(where(left, x, 0) * (-1 / SQRT_2))
    body = where(left, 0, x)
    return g * where(left, tail, _normal_density(body) / ndtr(body))


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
    vjp=(_erfcx_slope,),
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
    vjp=(lambda g, y, x: g * _normal_density(x),),
)
log_ndtr = elementwise(
    special.log_ndtr, "ln Φ", "ln Φ(x).  ∂x: φ(x)/Φ(x), exact in both tails", vjp=(_log_ndtr_slope,)
)
ndtri = elementwise(
    special.ndtri,
    "Φ⁻¹",
    "The quantile of the standard normal.  ∂x: 1/φ(y); inf at 0 and 1",
    vjp=(lambda g, y, x: g * (np.exp(0.5 * (y * y)) * SQRT_2PI),),
    domain=(0.05, 0.95),
)
