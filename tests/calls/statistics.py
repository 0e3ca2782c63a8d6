"""Calls of reductions and statistics: sums, products, extremes, spread, covariances."""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import AXES, FLAGS, INTS, RUNNING, TYPED, Call, M, S, V, X

GENERATOR = np.random.default_rng(3)
C = GENERATOR.normal(size=(3, 4)) + 1j * GENERATOR.normal(size=(3, 4))
MASK = GENERATOR.random((2, 3, 4)) < 0.7
FULL = FLAGS | ~FLAGS[:, ::-1] | np.eye(3, 4, 1, dtype=bool)
SINGLE = M.astype(np.float32)
EMPTY = np.empty((2, 0))

SUMMED = (
    *TYPED, Call(X, where=MASK), Call(X, 1, where=MASK), Call(X, where=MASK[0]),
    Call(X, axis=(0, 2), keepdims=True, where=MASK, initial=2), Call(X, 0, initial=S),
    Call(C), Call(C, 0), Call(C, axis=1, where=FLAGS, initial=1j), Call(EMPTY, 1, initial=3.0),
    Call(SINGLE, 1, initial=S), Call(INTS, initial=2), Call(FLAGS, axis=0, where=FLAGS),
    Call(SINGLE, where=FLAGS), Call(EMPTY), Call(X[::-1, :, ::2], axis=-1),
)  # fmt: skip
"""For sum and prod."""

AVERAGED = (
    *TYPED, Call(X, where=MASK), Call(X, axis=(0, 2), where=MASK[:1], keepdims=True),
    Call(SINGLE, 0, where=FULL), Call(INTS, 0, where=FULL), Call(C), Call(C, 1),
    Call(C, where=FLAGS), Call(FLAGS, axis=0),
)  # fmt: skip

EXTREME = (
    *AXES[:-1], Call(X, 1, initial=0.3), Call(X, (0, 2), initial=S, where=MASK),
    Call(EMPTY, axis=1, initial=-1.5), Call(EMPTY, axis=1, initial=2.5, keepdims=True),
    Call(SINGLE, initial=0.25, axis=0), Call(C), Call(C, axis=0), Call(INTS, initial=5, axis=0),
    Call(INTS, initial=5, axis=0, where=FLAGS), Call(EMPTY, axis=0), Call(FLAGS, axis=0),
)  # fmt: skip

SPREAD = (
    *AXES[:-1], Call(X, ddof=1), Call(X, axis=0, correction=1), Call(X, 1, where=MASK),
    Call(X, (0, 2), None, None, 1, True, where=MASK), Call(M, mean=np.array([[0.3]])),
    Call(X, axis=1, mean=X.mean(1, keepdims=True), ddof=1), Call(C), Call(C, 1, ddof=1),
    Call(C, axis=0, where=FULL), Call(SINGLE), Call(SINGLE, 0, where=FULL), Call(INTS, axis=1),
    Call(INTS, dtype=np.float32), Call(M, dtype=np.float32, axis=0, keepdims=True),
)  # fmt: skip

WEIGHTS = GENERATOR.uniform(0.5, 1.5, (2, 3, 4))
COUNTS = np.array([1, 2, 1, 3])
AWEIGHTS = GENERATOR.uniform(0.5, 1.5, 4)
OBSERVED = (
    Call(M), Call(V), Call(M, M * M), Call(M, V), Call(M, V**2, rowvar=True),
    Call(M.T, None, False), Call(M, M[::-1] ** 2, False), Call(V, V**2, rowvar=False), Call(C),
    Call(C, M), Call(INTS), Call(SINGLE, dtype=np.float32), Call(M.T, V[:3], rowvar=True),
)  # fmt: skip

CALLS: dict[Any, tuple[Call, ...]] = {
    np.sum: SUMMED,
    np.prod: SUMMED,
    np.mean: AVERAGED,
    np.max: EXTREME,
    np.min: EXTREME,
    np.amax: EXTREME,
    np.amin: EXTREME,
    np.ptp: (*AXES[:4], Call(X, keepdims=True), Call(INTS, 1)),
    np.var: SPREAD,
    np.std: SPREAD,
    np.cumsum: (*RUNNING, Call(C, 0), Call(M, 1, np.float32), Call(EMPTY, 1)),
    np.cumprod: (*RUNNING, Call(C, 0), Call(M, 1, np.float32), Call(EMPTY, 1)),
    np.average: (
        Call(X), Call(X, 1), Call(X, axis=(0, 2), keepdims=True), Call(X, weights=WEIGHTS),
        Call(X, 1, WEIGHTS[0, :, 0]), Call(X, -1, weights=AWEIGHTS, returned=True),
        Call(X, (0, 2), WEIGHTS[:, 0], keepdims=True), Call(X, (2, 0), WEIGHTS[:, 0].T),
        Call(M, 0, M * M, True), Call(M, returned=True), Call(INTS, 0), Call(INTS, weights=INTS),
        Call(SINGLE, 1, weights=AWEIGHTS.astype(np.float32)), Call(C, 1, weights=AWEIGHTS),
        Call(SINGLE, 1, weights=[1, 2, 3, 4]), Call(S), Call(M, weights=FLAGS, axis=0 or None),
    ),
    np.cov: (
        *OBSERVED, Call(M, bias=True), Call(M, ddof=0), Call(M, None, True, False, 2),
        Call(M, fweights=COUNTS), Call(M, aweights=AWEIGHTS), Call(M, aweights=AWEIGHTS, ddof=0),
        Call(M, fweights=COUNTS, aweights=AWEIGHTS), Call(M, M, fweights=[1, 1, 2, 2], bias=True),
        Call(C, aweights=AWEIGHTS), Call(V, aweights=AWEIGHTS), Call(np.empty((0, 3))),
    ),
    np.corrcoef: OBSERVED,
}  # fmt: skip
