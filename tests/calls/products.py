"""Calls of einsum and the other products, and of convolution."""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import GENERATOR, INTS, Call, M, S, V, X, calls_where_installed

Z = GENERATOR.normal(size=(3, 4)) + 1j * GENERATOR.normal(size=(3, 4))
W = Z[0] * 1j
Q = GENERATOR.normal(size=(4, 4))
F = M.astype(np.float32)
SEQUENCES = (
    Call(V, M[0, :3]), Call(M[0, :3], V), Call(V, V, "same"), Call(V, M[1, :2], mode="same"),
    Call(M[1, :3], V, "same"), Call(M[1, :2], V, mode="same"), Call(V, M[0, :2], "valid"),
    Call(M[0, :2], V, "valid"), Call(W, V[:2], "full"), Call(V[:3], W, "same"),
    Call(INTS[0], INTS[1, :2], "full"), Call([1.0, 2.0], V, "full"),
    Call(F[0], F[1, :2], "full"),
)  # fmt: skip

CALLS: dict[Any, tuple[Call, ...]] = {
    np.einsum: (
        Call("ij,jk->ik", M, Q), Call("ij,jk", M, Q), Call("ba", M), Call("ii", Q),
        Call("ii->i", Q), Call("ij->", M), Call("ij->j", M),
        Call("i,j->ji", V, M[:, 0]), Call("->", S),
        Call(" i j , j -> i ", M, V), Call("...j,j...->...", X, V), Call("i...->...i", X),
        Call("...,...", X, M), Call("i...i->...", Q), Call("...ij,...jk", X, Q[None]),
        Call(M, [0, 1], Q, [1, 2], [0, 2]), Call(M, [1, 0]), Call(Q, [0, 0]),
        Call(X, [Ellipsis, 3], V, [3], [Ellipsis]), Call(M, [30, 2], V, [2]),
        Call("ij,jk,k->i", M, Q, V, optimize=True), Call("ij,jk,k", M, Q, V, optimize="optimal"),
        Call("ij,jk,kl->il", M, Q, Q, optimize=["einsum_path", (0, 1), (0, 1)]),
        Call("ij,ij->i", M, M[:1]), Call("ij,ij->i", M[:, :1], M, optimize=True),
        Call("iij,k,i->jk", np.broadcast_to(Q[:3, :3, None], (3, 3, 2)), V, V[:3]),
        Call("ij,jk->ik", F, F.T), Call("ij,j->i", INTS, INTS[0]), Call("ij,j->i", INTS, V),
        Call("ij,j->i", Z, W), Call("ij,j->i", Z, V), Call("ij->i", F, dtype=np.float64),
        Call("ij->i", M, dtype=np.float32, casting="same_kind"), Call("i,i,i->i", V, V, V),
        Call("ij,jk->ik", M[:, :0], Q[:0]), Call("ij->ji", M, order="F"), Call("i,", V, S),
    ),
    np.einsum_path: (Call("ij,jk,k->i", M, Q, V), Call(M, [0, 1], V, [1], optimize="optimal")),
    np.tensordot: (
        Call(X, X.transpose(1, 2, 0)), Call(M, Q, 1), Call(V, M, 0),
        Call(X, M, axes=([1, 2], [0, 1])),
        Call(X, Q, axes=(-1, 1)), Call(X, M, ((2, 1), (1, 0))), Call(V, V, 1), Call(S, M, 0),
        Call(Z, W, 1), Call(M[:, :0], Q[:0], 1), Call(F, F, 2), Call(INTS, INTS), Call(M, 2.0, 0),
    ),
    np.inner: (Call(M, Q), Call(V, V), Call(X, M), Call(2.0, M), Call(M, S), Call(Z, W)),
    np.outer: (Call(V, M[0, :3]), Call(M, V), Call(S, V), Call(Z[0, :2], V), Call(F[0], 2.0)),
    np.vdot: (Call(V, M[0]), Call(M, M), Call(S, 2.0), Call(Z, M), Call(W, W), Call(M, Z)),
    np.vecdot: (Call(M, V), Call(X, M), Call(Z, W), Call(V, W), Call(INTS, INTS)),
    **calls_where_installed(
        "matvec", Call(M, V), Call(X, V), Call(Q, X), Call(Z, W), Call(INTS, INTS[0]),
    ),
    **calls_where_installed(
        "vecmat", Call(V, Q), Call(M, Q), Call(W, Q), Call(V, X.transpose(0, 2, 1)),
    ),
    np.kron: (
        Call(V, M[0, :2]), Call(M, Q[:2, :2]), Call(M, V), Call(V, M), Call(S, M), Call(X, M),
        Call(S, 2.0), Call(Z, V[:2]), Call(INTS, INTS[0]),
    ),
    np.cross: (
        Call(V[:3], M[0, :3]), Call(M[:, :3], V[:3]), Call(M, M[::-1], axis=0),
        Call(M[:, :3], M[:, 1:], axisc=0),
        Call(M.T[:3], M[:, 1:], 1, 0), Call(Z[:, :3], V[:3]), Call(INTS[:, :3], INTS[:, 1:]),
        Call(M[:, :3], M[:, 1:], axisa=0, axisb=0, axisc=-1),
    ),
    np.convolve: SEQUENCES + (Call(2.0, V), Call(S, V)),
    np.correlate: SEQUENCES + (Call(V, V), Call(W, Z[0, :2]), Call(Z[0, :2], W, "full")),
}  # fmt: skip
