"""`am.special`: the functions of `scipy.special`, as users call and read them.

`scipy.special.erf(t)` is recorded, like every ufunc of the table. SciPy's functions that are not
ufuncs (`logsumexp`, `polygamma`, …) convert their arguments to arrays, which a tensor refuses; they
are here under the same names, with the same arguments. Nothing of this is imported before it is
needed, so that the library itself depends on NumPy alone.

What they compute, and their derivatives, is declared in `ops/special`; here they are functions.

>>> import numpy as np, autograd_mini as am
>>> am.grad(am.special.gammaln)(1.0).round(4)
np.float64(-0.5772)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .core.arrays import Numbers
from .functions import documented as _documented
from .ops import special as _rows
from .ops.special import log_softmax as log_softmax
from .ops.special import logsumexp as logsumexp
from .ops.special import multigammaln as multigammaln
from .ops.special import softmax as softmax

if TYPE_CHECKING:
    pass

__all__ = [
    "beta",
    "betainc",
    "betaln",
    "cosm1",
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcinv",
    "erfcx",
    "erfi",
    "erfinv",
    "exp1",
    "exp10",
    "expi",
    "expit",
    "exprel",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammaln",
    "gammasgn",
    "hyp0f1",
    "hyp1f1",
    "hyp2f1",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "iv",
    "ive",
    "j0",
    "j1",
    "jn",
    "jv",
    "k0",
    "k0e",
    "k1",
    "k1e",
    "kl_div",
    "kn",
    "kv",
    "kve",
    "log_expit",
    "log_ndtr",
    "log_softmax",
    "loggamma",
    "logit",
    "logsumexp",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "rel_entr",
    "rgamma",
    "softmax",
    "xlog1py",
    "xlogy",
    "y0",
    "y1",
    "yn",
    "yv",
    "zeta",
]


def __dir__() -> list[str]:
    """List what is public."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


if not TYPE_CHECKING:  # they would take any name for one of ours

    def __getattr__(name: str) -> Any:
        return _rows.__getattr__(name)  # raises, and says what there is instead


@_documented(_rows.beta)
def beta(a: Numbers, b: Numbers) -> Any:
    return _rows.beta(a, b)


@_documented(_rows.betainc)
def betainc(a: Numbers, b: Numbers, x: Numbers) -> Any:
    return _rows.betainc(a, b, x)


@_documented(_rows.betaln)
def betaln(a: Numbers, b: Numbers) -> Any:
    return _rows.betaln(a, b)


@_documented(_rows.cosm1)
def cosm1(x: Numbers) -> Any:
    return _rows.cosm1(x)


@_documented(_rows.digamma)
def digamma(x: Numbers) -> Any:
    return _rows.digamma(x)


@_documented(_rows.entr)
def entr(x: Numbers) -> Any:
    return _rows.entr(x)


@_documented(_rows.erf)
def erf(x: Numbers) -> Any:
    return _rows.erf(x)


@_documented(_rows.erfc)
def erfc(x: Numbers) -> Any:
    return _rows.erfc(x)


@_documented(_rows.erfcinv)
def erfcinv(x: Numbers) -> Any:
    return _rows.erfcinv(x)


@_documented(_rows.erfcx)
def erfcx(x: Numbers) -> Any:
    return _rows.erfcx(x)


@_documented(_rows.erfi)
def erfi(x: Numbers) -> Any:
    return _rows.erfi(x)


@_documented(_rows.erfinv)
def erfinv(x: Numbers) -> Any:
    return _rows.erfinv(x)


@_documented(_rows.exp1)
def exp1(x: Numbers) -> Any:
    return _rows.exp1(x)


@_documented(_rows.exp10)
def exp10(x: Numbers) -> Any:
    return _rows.exp10(x)


@_documented(_rows.expi)
def expi(x: Numbers) -> Any:
    return _rows.expi(x)


@_documented(_rows.expit)
def expit(x: Numbers) -> Any:
    return _rows.expit(x)


@_documented(_rows.exprel)
def exprel(x: Numbers) -> Any:
    return _rows.exprel(x)


@_documented(_rows.gamma)
def gamma(x: Numbers) -> Any:
    return _rows.gamma(x)


@_documented(_rows.gammainc)
def gammainc(a: Numbers, x: Numbers) -> Any:
    return _rows.gammainc(a, x)


@_documented(_rows.gammaincc)
def gammaincc(a: Numbers, x: Numbers) -> Any:
    return _rows.gammaincc(a, x)


@_documented(_rows.gammaln)
def gammaln(x: Numbers) -> Any:
    return _rows.gammaln(x)


@_documented(_rows.gammasgn)
def gammasgn(x: Numbers) -> Any:
    return _rows.gammasgn(x)


@_documented(_rows.hyp0f1)
def hyp0f1(v: Numbers, z: Numbers) -> Any:
    return _rows.hyp0f1(v, z)


@_documented(_rows.hyp1f1)
def hyp1f1(a: Numbers, b: Numbers, z: Numbers) -> Any:
    return _rows.hyp1f1(a, b, z)


@_documented(_rows.hyp2f1)
def hyp2f1(a: Numbers, b: Numbers, c: Numbers, z: Numbers) -> Any:
    return _rows.hyp2f1(a, b, c, z)


@_documented(_rows.i0)
def i0(x: Numbers) -> Any:
    return _rows.i0(x)


@_documented(_rows.i0e)
def i0e(x: Numbers) -> Any:
    return _rows.i0e(x)


@_documented(_rows.i1)
def i1(x: Numbers) -> Any:
    return _rows.i1(x)


@_documented(_rows.i1e)
def i1e(x: Numbers) -> Any:
    return _rows.i1e(x)


@_documented(_rows.iv)
def iv(v: Numbers, z: Numbers) -> Any:
    return _rows.iv(v, z)


@_documented(_rows.ive)
def ive(v: Numbers, z: Numbers) -> Any:
    return _rows.ive(v, z)


@_documented(_rows.j0)
def j0(x: Numbers) -> Any:
    return _rows.j0(x)


@_documented(_rows.j1)
def j1(x: Numbers) -> Any:
    return _rows.j1(x)


@_documented(_rows.jn)
def jn(v: Numbers, z: Numbers) -> Any:
    return _rows.jn(v, z)


@_documented(_rows.jv)
def jv(v: Numbers, z: Numbers) -> Any:
    return _rows.jv(v, z)


@_documented(_rows.k0)
def k0(x: Numbers) -> Any:
    return _rows.k0(x)


@_documented(_rows.k0e)
def k0e(x: Numbers) -> Any:
    return _rows.k0e(x)


@_documented(_rows.k1)
def k1(x: Numbers) -> Any:
    return _rows.k1(x)


@_documented(_rows.k1e)
def k1e(x: Numbers) -> Any:
    return _rows.k1e(x)


@_documented(_rows.kl_div)
def kl_div(a: Numbers, b: Numbers) -> Any:
    return _rows.kl_div(a, b)


@_documented(_rows.kn)
def kn(n: Numbers, x: Numbers) -> Any:
    return _rows.kn(n, x)


@_documented(_rows.kv)
def kv(v: Numbers, z: Numbers) -> Any:
    return _rows.kv(v, z)


@_documented(_rows.kve)
def kve(v: Numbers, z: Numbers) -> Any:
    return _rows.kve(v, z)


@_documented(_rows.log_expit)
def log_expit(x: Numbers) -> Any:
    return _rows.log_expit(x)


@_documented(_rows.log_ndtr)
def log_ndtr(x: Numbers) -> Any:
    return _rows.log_ndtr(x)


@_documented(_rows.loggamma)
def loggamma(x: Numbers) -> Any:
    return _rows.loggamma(x)


@_documented(_rows.logit)
def logit(x: Numbers) -> Any:
    return _rows.logit(x)


@_documented(_rows.ndtr)
def ndtr(x: Numbers) -> Any:
    return _rows.ndtr(x)


@_documented(_rows.ndtri)
def ndtri(x: Numbers) -> Any:
    return _rows.ndtri(x)


@_documented(_rows.polygamma)
def polygamma(n: Numbers, x: Numbers) -> Any:
    return _rows.polygamma(n, x)


@_documented(_rows.psi)
def psi(x: Numbers) -> Any:
    return _rows.psi(x)


@_documented(_rows.rel_entr)
def rel_entr(a: Numbers, b: Numbers) -> Any:
    return _rows.rel_entr(a, b)


@_documented(_rows.rgamma)
def rgamma(x: Numbers) -> Any:
    return _rows.rgamma(x)


@_documented(_rows.xlog1py)
def xlog1py(a: Numbers, b: Numbers) -> Any:
    return _rows.xlog1py(a, b)


@_documented(_rows.xlogy)
def xlogy(a: Numbers, b: Numbers) -> Any:
    return _rows.xlogy(a, b)


@_documented(_rows.y0)
def y0(x: Numbers) -> Any:
    return _rows.y0(x)


@_documented(_rows.y1)
def y1(x: Numbers) -> Any:
    return _rows.y1(x)


@_documented(_rows.yn)
def yn(n: Numbers, x: Numbers) -> Any:
    return _rows.yn(n, x)


@_documented(_rows.yv)
def yv(v: Numbers, z: Numbers) -> Any:
    return _rows.yv(v, z)


@_documented(_rows.zeta)
def zeta(x: Numbers, q: Numbers) -> Any:
    return _rows.zeta(x, q)
