"""Calls of the ufuncs whose operands may be complex, integers or of two kinds."""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import BITS, INTS, UNARY, Call, M, P, S, V
from .products import F, W, Z

COMPLEX = (Call(Z), Call(W[::-1]))
PAIRS = (Call(P, V), Call(P, 0.5), Call(0.5, P), Call(P.astype(np.float32), 2), Call(P, INTS))

CALLS: dict[Any, tuple[Call, ...]] = {
    np.angle: (*COMPLEX, Call(Z, True), Call(M), Call(M, deg=True), Call(S), Call(INTS)),
    np.absolute: (*UNARY, *COMPLEX, Call(INTS)),
    np.sign: (*UNARY, *COMPLEX, Call(Z.astype(np.complex64)), Call(INTS)),
    np.sqrt: (*UNARY, *COMPLEX),
    np.square: (*UNARY, *COMPLEX),
    np.reciprocal: (*UNARY, *COMPLEX),
    np.negative: (*UNARY, *COMPLEX),
    np.positive: (*UNARY, *COMPLEX),
    np.exp: (*UNARY, *COMPLEX),
    np.exp2: (*UNARY, *COMPLEX),
    np.expm1: (*UNARY, *COMPLEX),
    np.log: (*UNARY, *COMPLEX),
    np.log2: (*UNARY, *COMPLEX),
    np.log10: (*UNARY, *COMPLEX),
    np.log1p: (*UNARY, *COMPLEX),
    np.sin: (*UNARY, *COMPLEX),
    np.cos: (*UNARY, *COMPLEX),
    np.tan: (*UNARY, *COMPLEX),
    np.arcsin: (*UNARY[:1], *UNARY[3:], *COMPLEX),
    np.arccos: (*UNARY[:1], *UNARY[3:], *COMPLEX),
    np.arctan: (*UNARY, *COMPLEX),
    np.sinh: (*UNARY, *COMPLEX),
    np.cosh: (*UNARY, *COMPLEX),
    np.tanh: (*UNARY, *COMPLEX),
    np.arcsinh: (*UNARY, *COMPLEX),
    np.arccosh: (Call(P + 1), Call(INTS + 1), Call(S + 1), Call(F * F + 2), *COMPLEX),
    np.arctanh: (Call(P), Call(S), Call(P.astype(np.float32)), *COMPLEX),
    np.power: (
        Call(P, V), Call(P, 2.0), Call(0.5, P), Call(S, 2), Call(INTS, 2), Call(P, INTS),
        Call(P.astype(np.float32), 2), Call(Z, 2), Call(Z, V), Call(Z, W), Call(P, Z),
        Call(-P, Z), Call(Z.astype(np.complex64), 3), Call(-P, 3),
    ),
    np.float_power: (Call(P, V), Call(F * F, 2), Call(INTS, 2), Call(S, 2), Call(Z, W)),
    np.multiply: (Call(M, V), Call(Z, V), Call(M, W), Call(Z, 1j), Call(F, 2)),
    np.divide: (Call(M, P), Call(Z, P), Call(M, W), Call(1j, Z), Call(F, 2)),
    np.heaviside: (*PAIRS, Call(M, 0.5), Call(np.array([-1.0, 2.0]), V[:2])),
    np.copysign: (*PAIRS, Call(M, M[::-1])),
    np.ldexp: (Call(M, 3), Call(M, INTS), Call(F, INTS), Call(S, -2)),
    np.nextafter: (Call(M, 3.0), Call(M, V), Call(F, np.float32(0))),
    np.spacing: (Call(M), Call(F), Call(S)),
    np.gcd: BITS,
    np.lcm: BITS,
    np.bitwise_count: (Call(INTS),),
    np.modf: (Call(M), Call(3 * F), Call(S), Call(INTS)),
    np.frexp: (Call(M), Call(9 * F), Call(S), Call(np.array([3.0, 2.5]))),
    np.divmod: (Call(M, 0.7), Call(3.1, P), Call(INTS, 3), Call(F, 0.3)),
}  # fmt: skip
