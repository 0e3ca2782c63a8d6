"""Calls of numpy.linalg: factors, eigenvalues, inverses, determinants, norms."""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import Call, M, S, V, X

GENERATOR = np.random.default_rng(11)
Q = GENERATOR.normal(size=(3, 3)) + 2 * np.eye(3)
QS = GENERATOR.normal(size=(2, 3, 3)) + 2 * np.eye(3)
C = GENERATOR.normal(size=(3, 3)) + 1j * GENERATOR.normal(size=(3, 3)) + 2 * np.eye(3)
B = GENERATOR.normal(size=(3, 2))
R = GENERATOR.normal(size=(5, 2))
T = GENERATOR.normal(size=(5, 3))
SPD = Q @ Q.T
HPD = C @ C.conj().T
REAL = SPD @ np.diag([1.0, 2.0, 4.0])  # not symmetric, its eigenvalues real
SINGLE = Q.astype(np.float32)
COMPLEX_ROWS = GENERATOR.normal(size=(3, 4)) + 1j * GENERATOR.normal(size=(3, 4))
INTEGERS = np.array([[2, 1], [1, 3]])
EMPTY = np.zeros((0, 0))
NONE = np.zeros((0, 3, 3))
SQUARE = (Call(Q), Call(QS), Call(C), Call(QS[:, ::-1].mT), Call(INTEGERS), Call(SINGLE),
          Call(Q[:1, :1]), Call(NONE))  # fmt: skip
VECTORS = (None, 0, 1, 2, 3, 3.5, 0.5, -1, -2.5, np.inf, -np.inf)
MATRICES = (None, "fro", "f", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
ONE_TRIANGLE = (Call(SPD), Call(Q), Call(Q, "U"), Call(QS, UPLO="l"), Call(Q.T), Call(INTEGERS),
                Call(SINGLE), Call(EMPTY))  # fmt: skip

CALLS: dict[Any, tuple[Call, ...]] = {
    np.linalg.norm: (
        Call(X), Call(M), Call(V), Call(S), Call(M, keepdims=True), Call(COMPLEX_ROWS),
        Call(M.astype(np.float32)), Call(INTEGERS), Call(np.zeros((0, 2))),
        Call(X, None, (0, 2)), Call(X, 2, -1, True), Call(X, ord=1, axis=(2, 0), keepdims=True),
        *(Call(V, p) for p in VECTORS),
        *(Call(X, p, axis=1) for p in VECTORS),
        *(Call(X, p, (-2,), keepdims=True) for p in VECTORS),
        *(Call(COMPLEX_ROWS, p, axis=-1) for p in VECTORS),
        *(Call(M, p) for p in MATRICES),
        *(Call(X, p, (2, 0)) for p in MATRICES),
        *(Call(X, p, axis=(-1, 1), keepdims=True) for p in MATRICES),
        *(Call(COMPLEX_ROWS, p) for p in MATRICES),
    ),
    np.linalg.vector_norm: (
        Call(X), Call(X, axis=1), Call(X, axis=(0, -1), keepdims=True), Call(S), Call(INTEGERS),
        *(Call(X, axis=(2, 0), ord=p) for p in VECTORS[1:]),
        *(Call(M, keepdims=True, ord=p) for p in VECTORS[1:]),
    ),
    np.linalg.matrix_norm: (Call(X), *(Call(X, keepdims=True, ord=p) for p in MATRICES)),
    np.linalg.cond: tuple(Call(Q, p) for p in MATRICES if p != "f")
    + (Call(QS), Call(QS, 1), Call(C), Call(C, "fro", since="2.4"), Call(M),
       Call(INTEGERS, 1)),  # before 2.4, "fro" of a complex matrix was a complex number
    np.linalg.matrix_rank: (Call(M), Call(X), Call(V), Call(M, 0.5), Call(SPD, hermitian=True),
                            Call(M, rtol=0.1)),
    np.linalg.inv: (*SQUARE, Call(EMPTY)),
    np.linalg.pinv: (*SQUARE, Call(M), Call(X), Call(T), Call(COMPLEX_ROWS), Call(M, 1e-12),
                     Call(X, rcond=np.array([1e-10, 1e-12]).tolist()), Call(M, rtol=None),
                     Call(M, rtol=1e-12), Call(Q, hermitian=True), Call(HPD, 1e-12, True),
                     Call(np.zeros((0, 2)))),
    np.linalg.det: (*SQUARE, Call(EMPTY)),
    np.linalg.slogdet: (*SQUARE, Call(EMPTY)),
    np.linalg.solve: (Call(Q, V[:3]), Call(Q, B), Call(QS, V[:3]), Call(QS, B), Call(Q, QS),
                      Call(C, B), Call(Q, C), Call(C, C[0]), Call(INTEGERS, [1, 2]),
                      Call(SINGLE, B.astype(np.float32)), Call(QS[:, None], QS), Call(EMPTY, EMPTY),
                      Call(Q.tolist(), B), Call(Q, B.tolist())),
    np.linalg.lstsq: (Call(T, V.repeat(2)[:5]), Call(T, R), Call(M, V[:3]), Call(M, B, None),
                      Call(Q, B, rcond=-1), Call(T, R[:, :1], 1e-10), Call(COMPLEX_ROWS.T, V),
                      Call(INTEGERS, [1, 2]), Call(np.float32(T), np.arange(5, dtype=np.float32))),
    np.linalg.tensorinv: (Call(Q, 1), Call(np.resize(Q, (2, 2, 4)) + np.eye(4).reshape(2, 2, 4)),
                          Call(np.resize(Q, (4, 2, 2)) + np.eye(4).reshape(4, 2, 2), ind=1)),
    np.linalg.tensorsolve: (
        Call(np.resize(Q, (2, 2, 4)) + np.eye(4).reshape(2, 2, 4), M[:2, :2]),
        Call(np.resize(Q, (4, 2, 2)) + np.eye(4).reshape(4, 2, 2), V),
        Call(np.resize(Q, (2, 4, 2)) + np.eye(4).reshape(2, 4, 2), V, axes=(0, 2)),
    ),
    np.linalg.cholesky: (Call(SPD), Call(np.stack([SPD, SPD + 1])), Call(SPD, upper=True),
                         Call(HPD), Call(HPD, upper=True), Call(np.tril(SPD)), Call(EMPTY),
                         Call(np.triu(SPD), upper=True), Call(INTEGERS),
                         Call(SPD.astype(np.float32))),
    np.linalg.qr: (*SQUARE, Call(T), Call(M), Call(X), Call(X.mT), Call(T[:4], "complete"),
                   Call(T[:4], mode="r"), Call(M, "complete"), Call(M, "r"), Call(COMPLEX_ROWS),
                   Call(COMPLEX_ROWS.T), Call(EMPTY),
                   Call(np.zeros((2, 0)))),
    np.linalg.svd: (Call(Q), Call(QS), Call(M), Call(M.T), Call(M, False), Call(X, False, True),
                    Call(M, compute_uv=False), Call(Q, hermitian=True), Call(SINGLE),
                    Call(Q, compute_uv=False, hermitian=True), Call(C, compute_uv=False),
                    Call(HPD, True, False, True), Call(INTEGERS), Call(EMPTY),
                    Call(np.zeros((0, 2)))),
    np.linalg.svdvals: (*SQUARE, Call(M), Call(X), Call(COMPLEX_ROWS), Call(EMPTY)),
    np.linalg.eigh: ONE_TRIANGLE,
    np.linalg.eigvalsh: (*ONE_TRIANGLE, Call(HPD), Call(C, "U"), Call(NONE)),
    np.linalg.eig: (Call(REAL), Call(np.stack([REAL, REAL.T])), Call(INTEGERS), Call(EMPTY)),
    np.linalg.eigvals: (*SQUARE, Call(REAL), Call(SPD), Call(EMPTY)),
    np.linalg.matrix_power: tuple(Call(Q, n) for n in (-3, -1, 0, 1, 2, 3, 5, 6))
    + (Call(QS, 3), Call(C, 2), Call(INTEGERS, 4), Call(QS, 0)),
    np.linalg.multi_dot: (Call([M, M.T]), Call([M, M.T, Q, B]), Call((V, M.T, B)),
                          Call([V[:3], Q, M, V]), Call([T, Q, B, B.T, M]), Call([V, V])),
    np.linalg.matmul: (Call(Q, M), Call(QS, B), Call(V, V)),
    np.linalg.matrix_transpose: (Call(X), Call(M)),
    np.linalg.diagonal: (Call(X), Call(M, offset=1), Call(X, offset=-1)),
    np.linalg.trace: (Call(X), Call(M, offset=-1), Call(X, dtype=np.float32)),
    np.linalg.outer: (Call(V, V[:3]), Call(C[0], V)),
    np.linalg.cross: (Call(Q, QS), Call(Q, Q.T, axis=0), Call(Q[0], Q[1])),
    np.linalg.vecdot: (Call(X, M), Call(C, Q), Call(Q, C, axis=0)),
    np.linalg.tensordot: (Call(X, M.T, axes=1), Call(X, X.transpose(1, 2, 0)),
                          Call(Q, QS, axes=((1,), (2,)))),
}  # fmt: skip
