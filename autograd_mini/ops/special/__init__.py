"""The table's rows for `scipy.special`: each function with its derivatives; needs SciPy.

`scipy.special.erf(t)` is recorded, like every ufunc of the table. SciPy's functions that are no
ufuncs (`logsumexp`, `polygamma`, …) convert their arguments to arrays, which a tensor refuses; they
are here under the same names, with the same arguments. Nothing of this is imported before it is
needed, so that the library itself depends on NumPy alone.

>>> import numpy as np, autograd_mini as am
>>> am.grad(am.special.gammaln)(1.0).round(4)
np.float64(-0.5772)
"""

# mypy: implicit-reexport

from __future__ import annotations

from typing import Any

from ...core.arrays import Array

try:
    import scipy.special as _scipy
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "am.special differentiates SciPy's functions and needs it: pip install scipy"
    ) from error

import numpy as _np

from ...core.table import table as _table
from .bessel import i0, i0e, i1, i1e, iv, ive, j0, j1, jv, k0, k0e, k1, k1e, kv, kve, y0, y1, yv
from .dtypes import in_dtypes_of
from .exponentials import (
    cosm1,
    entr,
    exp1,
    exp10,
    expi,
    expit,
    exprel,
    hyp0f1,
    hyp1f1,
    hyp2f1,
    kl_div,
    log_expit,
    log_softmax,
    logit,
    logsumexp,
    rel_entr,
    softmax,
    xlog1py,
    xlogy,
)
from .gammas import (
    beta,
    betainc,
    betaln,
    erf,
    erfc,
    erfcinv,
    erfcx,
    erfi,
    erfinv,
    gamma,
    gammainc,
    gammaincc,
    gammaln,
    gammasgn,
    log_ndtr,
    loggamma,
    multigammaln,
    ndtr,
    ndtri,
    polygamma,
    psi,
    rgamma,
    zeta,
)

digamma = psi
for _own, _ours in (
    (_scipy.yn, yv.call),
    (_scipy.kn, kv.call),
    (_scipy.expm1, _table[_np.expm1]),
    (_scipy.log1p, _table[_np.log1p]),
    (_scipy.exp2, _table[_np.exp2]),
    (_scipy.cbrt, _table[_np.cbrt]),
    (_scipy.round, _table[_np.rint]),
):
    _table[_own] = in_dtypes_of(_own, _ours)
jn = jv
yn = _table[_scipy.yn]
kn = _table[_scipy.kn]

__all__ = [name for name in globals() if not name.startswith("_") and hasattr(_scipy, name)]


def __getattr__(name: str) -> Array:
    """Say what to use instead of a missing function."""
    if hasattr(_np, name):
        raise AttributeError(f"am.special has no {name!r}; use np.{name}, which records")
    known = (
        f"scipy.special.{name}(t.data) is a constant without a gradient; am.primitive makes it an "
        "operation, with the derivative that you give"
    )
    raise AttributeError(
        f"am.special has no {name!r}{'; ' + known if hasattr(_scipy, name) else ''}"
    )
