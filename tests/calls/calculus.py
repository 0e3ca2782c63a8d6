"""Calls of differences, integrals, interpolation, polynomials and the special functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import FLAGS, GENERATOR, INTS, Call, M, S, V, X, calls_where_installed
from .products import F, W, Z

PLACES = np.array([0.0, 0.4, 1.5, 1.9])
EVEN = np.array([0.0, 0.5, 1.0, 1.5])
GRID = np.array([0.0, 1.0, 2.5, 4.0, 4.5])
HEIGHTS = GENERATOR.normal(size=5)
AT = np.array([[-0.5, 0.3, 2.2], [3.9, 4.2, 5.0]])
ANGLES = np.cumsum(GENERATOR.uniform(1.0, 2.8, size=(3, 6)), axis=1) % (2 * np.pi)
POINTS = np.linspace(-1, 1, 7)
SAMPLED = GENERATOR.normal(size=(7, 2))
WEIGHTS = GENERATOR.uniform(0.5, 1.5, size=7)
SERIES = (Call(V), Call(M[:, 0]), Call(F[0]), Call(INTS[0]), Call(W))

CALLS: dict[Any, tuple[Call, ...]] = {
    np.diff: (
        Call(V), Call(X, 2), Call(X, axis=0), Call(X, 1, 1), Call(M, n=0), Call(M, 5), Call(INTS),
        Call(M, prepend=0.5), Call(M, append=M[:, :2]), Call(M, 1, 0, V[None], 2.0), Call(F),
        Call(FLAGS), Call(Z), Call(M, axis=0, prepend=M[:1], append=M),
    ),
    np.ediff1d: (
        Call(V), Call(X), Call(V, 1.5), Call(V, V, M), Call(M, to_begin=S), Call(F, F[0], F[1]),
        Call(INTS), Call(INTS, 3), Call(F, 2.0), Call(Z, V), Call(V[:1]), Call(V[:0], V),
    ),
    np.gradient: (
        Call(V), Call(X), Call(V, 0.5), Call(V, S), Call(X, 2.0, axis=1), Call(V, PLACES),
        Call(V, PLACES, edge_order=2), Call(V, EVEN), Call(V, 0.3, edge_order=2), Call(INTS),
        Call(M, 2.0, PLACES), Call(M, axis=(1, 0)), Call(M, S, 0.5, axis=(0, -1)), Call(F, 0.5),
        Call(M, PLACES, axis=1, edge_order=2), Call(V, np.array([0, 2, 3, 7])), Call(Z, 2.0),
        Call(V[:2]), Call(V[:2], PLACES[:2]), Call(X[:, :, :3], edge_order=1),
        Call(F, np.float64(2)),
    ),
    np.trapezoid: (
        Call(V), Call(X), Call(V, PLACES), Call(X, dx=0.5), Call(M, PLACES), Call(M, M, axis=0),
        Call(X, PLACES[:3], axis=1), Call(V, dx=S), Call(Z, PLACES), Call(INTS), Call(F),
        Call(X, M, axis=-1), Call(V[:1]), Call(V[:0]),
    ),
    **calls_where_installed(
        "cumulative_sum", Call(V), Call(M, axis=0),
        Call(M, axis=-1, include_initial=True), Call(INTS, axis=1),
        Call(S), Call(V, include_initial=True), Call(M, axis=1, dtype=np.float32), Call(Z, axis=0),
    ),
    **calls_where_installed(
        "cumulative_prod", Call(V), Call(M, axis=0),
        Call(M, axis=-1, include_initial=True), Call(INTS, axis=1),
        Call(S), Call(V, include_initial=True), Call(M, axis=1, dtype=np.float32),
    ),
    np.unwrap: (
        Call(ANGLES), Call(ANGLES, axis=0), Call(ANGLES, 4.0), Call(ANGLES, discont=3.5, axis=0),
        Call(ANGLES[0]), Call(ANGLES, period=2.5), Call(INTS, period=4), Call(F, period=0.5),
    ),
    np.interp: (
        Call(AT, GRID, HEIGHTS), Call(2.1, GRID, HEIGHTS), Call(S, GRID, HEIGHTS),
        Call(AT, GRID, HEIGHTS, -1.0, 7.0), Call(AT, GRID, HEIGHTS, left=S, right=HEIGHTS[0]),
        Call(AT * 3 - 4, GRID, HEIGHTS, period=6.0),
        Call(AT, GRID[[2, 0, 1]], HEIGHTS[:3], period=-3),
        Call(AT, GRID, INTS.ravel()[:5]), Call(AT.astype(np.float32), GRID, HEIGHTS),
        Call(AT, GRID[:1], HEIGHTS[:1]), Call(AT, GRID, HEIGHTS * 1j + GRID),
        Call([0.3], GRID, HEIGHTS),
        Call(AT, np.array([0.0, 1.0, 1.0, 4.0, 6.0]), HEIGHTS),
    ),
    np.i0: (Call(M), Call(9 * M), Call(S), Call(INTS), Call(F), Call(np.zeros(2))),
    np.sinc: (Call(M), Call(X), Call(S), Call(INTS), Call(F), Call(np.zeros(2)), Call(Z)),
    np.polyval: (
        Call(V, M), Call(V, S), Call([1.0, -2.0, 0.5], M), Call(V, 2.0), Call(W, M), Call(V, Z),
        Call(INTS[0], INTS), Call(V[:0], M), Call(F[0], F), Call([1, 2], F), Call(V, [1.0, 2.0]),
    ),
    np.polyder: (*SERIES, Call(V, 2), Call(V, m=0), Call(V, 5)),
    np.polyint: (*SERIES, Call(V, 2), Call(V, m=0), Call(V, 2, 0.5), Call(V, 2, k=M[0]),
                 Call(V, 1, [S])),
    np.polyadd: (Call(V, M[0, :2]), Call(M[0, :2], V), Call(V, V), Call(V, 2.0), Call(INTS[0], V)),
    np.polysub: (Call(V, M[0, :2]), Call(M[0, :2], V), Call(V, V), Call(V, 2.0), Call(INTS[0], V)),
    np.polymul: (Call(V, M[0, :2]), Call(M[0, :2], V), Call(V, 2.0), Call([0.0, 0.0, S], V),
                 Call(W, V)),
    np.polydiv: (Call(V, M[0, :2]), Call(M[0, :2], V), Call(V, 2.0), Call(HEIGHTS, V),
                 Call(INTS[0], np.array([1, 2])),
                 Call(np.array([1.0, 3.0, 2.0]), np.array([1.0, 1]))),
    np.vander: (Call(V), Call(V, 3), Call(V, 2, True), Call(V, increasing=True), Call(INTS[0]),
                Call(W, 3), Call(V, 0), Call(V, 1), Call(np.array([0.0, 2.0]), 4)),
    np.poly: (Call(V), Call(V[:2]), Call(W), Call(INTS[0]),
              Call(M[:3, :3]), Call(V[:1])),
    np.roots: (Call(V), Call(HEIGHTS), Call(np.array([0, 2, -6, 4])), Call(W),
               Call(np.array([1.0, -3.0, 2.0, 0.0])), Call(V[:1]), Call(V[:2]),
               Call(np.array([2, -6, 4]))),
    np.polyfit: (
        Call(POINTS, SAMPLED[:, 0], 2), Call(POINTS, SAMPLED, 3), Call(POINTS, SAMPLED[:, 1], 0),
        Call(POINTS, SAMPLED, 2, w=WEIGHTS), Call(POINTS, SAMPLED[:, 0], 2, w=WEIGHTS),
        Call(POINTS, SAMPLED[:, 0], 1, cov=True), Call(POINTS, SAMPLED, 1, cov="unscaled"),
        Call(POINTS, SAMPLED, 1, cov=True), Call(POINTS, SAMPLED[:, 0], 2, full=True),
        Call(np.arange(7), SAMPLED[:, 0], 2), Call(POINTS, SAMPLED[:, 0], 2, 1e-10),
    ),
    np.real_if_close: (Call(M), Call(Z), Call(S), Call(INTS)),
    np.sort_complex: (Call(M), Call(Z), Call(INTS), Call(W), Call(INTS.astype(np.int16))),
}  # fmt: skip
