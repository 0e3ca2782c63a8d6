"""Calls of SciPy's ufuncs, where SciPy is installed; the library does not need it otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini.core.table import table

from .forms import FLAGS, INTS, Call, M, P, S

try:
    from scipy import special

    import autograd_mini.ops.special  # noqa: F401  # fills the table
except ModuleNotFoundError:
    special = None

C = P + 1j * (P[::-1] - 0.5)
REAL = (Call(P), Call(S), Call(P.astype(np.float32)), Call(P[::2, ::-1]), Call(P[:0]))
UNARY = (*REAL, Call(INTS), Call(FLAGS), Call(P.astype(np.float16)))
BINARY = (
    Call(P, 1.1 * P[1]), Call(P, 2.0), Call(0.5, P), Call(S, 2), Call(P.astype(np.float32), 2.0),
    Call(INTS, P), Call([0.5, 1.5, 0.5, 1.0], P),
)  # fmt: skip
ORDERED = (Call(2, P), Call(0.5, P), Call(INTS[0], P), Call(1, S), Call(1.0, P[::-1, ::2]))
SINGLE = Call(2, P.astype(np.float32))
OF_ONE = (
    "erf", "erfc", "erfcx", "erfi", "ndtr", "log_ndtr", "gamma", "gammaln", "loggamma", "rgamma",
    "psi", "gammasgn", "expit", "log_expit", "entr", "exprel", "cosm1", "exp10", "exp1", "expi",
    "j0", "j1", "y0", "y1", "i0", "i0e", "i1", "i1e", "k0", "k0e", "k1", "k1e",)  # fmt: skip
AS_NUMPYS = ("expm1", "log1p", "exp2", "cbrt", "round")
OF_PROBABILITIES = ("erfinv", "erfcinv", "ndtri", "logit")
OF_COMPLEX = (
    "erf", "erfc", "erfcx", "erfi", "ndtr", "log_ndtr", "loggamma", "exp1", "expi",
)  # fmt: skip
OF_TWO = ("beta", "betaln", "xlogy", "xlog1py", "rel_entr", "kl_div")
OF_ORDERS = ("jv", "yv", "iv", "ive", "kv", "kve", "gammainc", "gammaincc", "hyp0f1")


def calls() -> dict[Any, tuple[Call, ...]]:
    """Return the calls of every ufunc of the table that is SciPy's."""
    found: dict[Any, tuple[Call, ...]] = {getattr(special, name): UNARY for name in OF_ONE}
    found |= {getattr(special, name): REAL for name in (*OF_PROBABILITIES, *AS_NUMPYS)}
    found |= {getattr(special, name): BINARY for name in OF_TWO}
    found |= {getattr(special, name): ORDERED for name in OF_ORDERS}
    for name in OF_COMPLEX:
        found[getattr(special, name)] += (Call(C),)
    for name in ("jv", "yv", "iv", "ive", "kv", "kve"):
        found[getattr(special, name)] += (Call(1, C), SINGLE)
    found[special.xlogy] += (Call(C, P), Call(P, C), Call(0.0, M))
    found[special.yn] = found[special.kn] = (Call(2, P), Call(0, S), Call(INTS[0], P))
    found[special.betainc] = (Call(2, 3, P), Call(0.5, INTS[0], P), Call(INTS[0], 2, S))
    found[special.hyp1f1] = (Call(2, 3, P), Call(0.5, 1.5, M), Call(1, 2, C))
    found[special.hyp2f1] = (Call(1, 2, 3, P), Call(0.5, 1.5, 2, P[0]), Call(1, 2, 3, S))
    for ufunc in (special.psi, special.gamma):
        found[ufunc] += (Call(M),)
    hurwitz = getattr(special._ufuncs, "_zeta", None)
    if hurwitz in table:
        found[hurwitz] = (Call(2, P), Call(1.5, P[0]), Call(INTS[0] + 1, S))
    return found


CALLS: dict[Any, tuple[Call, ...]] = calls() if special else {}
