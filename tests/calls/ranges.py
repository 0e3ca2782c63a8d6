"""Calls of the functions over numbers between two ends."""

from __future__ import annotations

from typing import Any

import numpy as np

from .forms import INTS, Call, M, P, S, V

F = V.astype(np.float32)
C = P[0] + 1j * P[1]

CALLS: dict[Any, tuple[Call, ...]] = {
    np.linspace: (
        Call(S, 2.0), Call(0.0, S, 5), Call(V, S, 3), Call(V, M, num=4), Call(S, V, 4, False),
        Call(V, M, 3, axis=-1), Call(V, 2.0, 3, axis=1), Call(S, 2.0, 4, retstep=True),
        Call(V, 2.0, 4, False, True), Call(S, 2.0, 1), Call(S, 2.0, 1, False), Call(S, V, 0),
        Call(S, 9.0, 4, dtype=int), Call(S, 9.0, 4, dtype=np.float32),
        Call(F, np.float32(2), 3), Call(C, 1.0, 4), Call(INTS, 3, 3),
    ),
    np.logspace: (
        Call(S, 2.0, 5), Call(V, S, 3), Call(V, P, 3, False), Call(S, 2.0, 4, base=2.0),
        Call(S, 2.0, 4, base=S), Call(V, 1.0, 4, base=P[0]), Call(S, 1.5, 4, base=P[0]),
        Call(V, 1.0, 3, axis=-1), Call(S, 2.0, 3, dtype=int), Call(S, 2.0, 1), Call(F, 1.0, 3),
    ),
    np.geomspace: (
        Call(S, 8.0, 5), Call(P, 2.0, 3), Call(P, P[0], 3, False), Call(-S, -8.0, 4),
        Call(P, 2.0, 3, axis=-1), Call(S, 1000.0, 4, dtype=int), Call(S, 2.0, 1), Call(S, P, 0),
        Call(C, 2.0, 4), Call(C, P[2] - 1j, 3), Call(P.astype(np.float32), np.float32(2), 3),
    ),
}  # fmt: skip
