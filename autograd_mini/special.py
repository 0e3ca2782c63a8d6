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

from typing import TYPE_CHECKING

from .core.arrays import Numbers
from .functions import function_of as _function_of
from .ops import special as _rows
from .ops.special import log_softmax as log_softmax
from .ops.special import logsumexp as logsumexp
from .ops.special import multigammaln as multigammaln
from .ops.special import softmax as softmax

__all__: list[str] = []
__all__ += _rows.__all__


def __dir__() -> list[str]:
    """List what is public."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


if not TYPE_CHECKING:  # they would take any name for one of ours

    def __getattr__(name: str) -> object:
        return _rows.__getattr__(name)  # raises, and says what there is instead


# The parameters that the functions have, by name.
def _of_x(x: Numbers) -> object: ...
def _of_a_b(a: Numbers, b: Numbers) -> object: ...
def _of_v_z(v: Numbers, z: Numbers) -> object: ...
def _of_n_x(n: Numbers, x: Numbers) -> object: ...
def _of_a_x(a: Numbers, x: Numbers) -> object: ...
def _of_a_b_x(a: Numbers, b: Numbers, x: Numbers) -> object: ...
def _of_a_b_z(a: Numbers, b: Numbers, z: Numbers) -> object: ...
def _of_a_b_c_z(a: Numbers, b: Numbers, c: Numbers, z: Numbers) -> object: ...
def _of_x_q(x: Numbers, q: Numbers) -> object: ...


beta = _function_of(_rows.beta, "beta", _of_a_b)
betainc = _function_of(_rows.betainc, "betainc", _of_a_b_x)
betaln = _function_of(_rows.betaln, "betaln", _of_a_b)
cosm1 = _function_of(_rows.cosm1, "cosm1", _of_x)
digamma = _function_of(_rows.digamma, "digamma", _of_x)
entr = _function_of(_rows.entr, "entr", _of_x)
erf = _function_of(_rows.erf, "erf", _of_x)
erfc = _function_of(_rows.erfc, "erfc", _of_x)
erfcinv = _function_of(_rows.erfcinv, "erfcinv", _of_x)
erfcx = _function_of(_rows.erfcx, "erfcx", _of_x)
erfi = _function_of(_rows.erfi, "erfi", _of_x)
erfinv = _function_of(_rows.erfinv, "erfinv", _of_x)
exp1 = _function_of(_rows.exp1, "exp1", _of_x)
exp10 = _function_of(_rows.exp10, "exp10", _of_x)
expi = _function_of(_rows.expi, "expi", _of_x)
expit = _function_of(_rows.expit, "expit", _of_x)
exprel = _function_of(_rows.exprel, "exprel", _of_x)
gamma = _function_of(_rows.gamma, "gamma", _of_x)
gammainc = _function_of(_rows.gammainc, "gammainc", _of_a_x)
gammaincc = _function_of(_rows.gammaincc, "gammaincc", _of_a_x)
gammaln = _function_of(_rows.gammaln, "gammaln", _of_x)
gammasgn = _function_of(_rows.gammasgn, "gammasgn", _of_x)
hyp0f1 = _function_of(_rows.hyp0f1, "hyp0f1", _of_v_z)
hyp1f1 = _function_of(_rows.hyp1f1, "hyp1f1", _of_a_b_z)
hyp2f1 = _function_of(_rows.hyp2f1, "hyp2f1", _of_a_b_c_z)
i0 = _function_of(_rows.i0, "i0", _of_x)
i0e = _function_of(_rows.i0e, "i0e", _of_x)
i1 = _function_of(_rows.i1, "i1", _of_x)
i1e = _function_of(_rows.i1e, "i1e", _of_x)
iv = _function_of(_rows.iv, "iv", _of_v_z)
ive = _function_of(_rows.ive, "ive", _of_v_z)
j0 = _function_of(_rows.j0, "j0", _of_x)
j1 = _function_of(_rows.j1, "j1", _of_x)
jn = _function_of(_rows.jn, "jn", _of_v_z)
jv = _function_of(_rows.jv, "jv", _of_v_z)
k0 = _function_of(_rows.k0, "k0", _of_x)
k0e = _function_of(_rows.k0e, "k0e", _of_x)
k1 = _function_of(_rows.k1, "k1", _of_x)
k1e = _function_of(_rows.k1e, "k1e", _of_x)
kl_div = _function_of(_rows.kl_div, "kl_div", _of_a_b)
kn = _function_of(_rows.kn, "kn", _of_n_x)
kv = _function_of(_rows.kv, "kv", _of_v_z)
kve = _function_of(_rows.kve, "kve", _of_v_z)
log_expit = _function_of(_rows.log_expit, "log_expit", _of_x)
log_ndtr = _function_of(_rows.log_ndtr, "log_ndtr", _of_x)
loggamma = _function_of(_rows.loggamma, "loggamma", _of_x)
logit = _function_of(_rows.logit, "logit", _of_x)
ndtr = _function_of(_rows.ndtr, "ndtr", _of_x)
ndtri = _function_of(_rows.ndtri, "ndtri", _of_x)
polygamma = _function_of(_rows.polygamma, "polygamma", _of_n_x)
psi = _function_of(_rows.psi, "psi", _of_x)
rel_entr = _function_of(_rows.rel_entr, "rel_entr", _of_a_b)
rgamma = _function_of(_rows.rgamma, "rgamma", _of_x)
xlog1py = _function_of(_rows.xlog1py, "xlog1py", _of_a_b)
xlogy = _function_of(_rows.xlogy, "xlogy", _of_a_b)
y0 = _function_of(_rows.y0, "y0", _of_x)
y1 = _function_of(_rows.y1, "y1", _of_x)
yn = _function_of(_rows.yn, "yn", _of_n_x)
yv = _function_of(_rows.yv, "yv", _of_v_z)
zeta = _function_of(_rows.zeta, "zeta", _of_x_q)
