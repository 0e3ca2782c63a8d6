"""What the calls are made of: a call, and the arrays and argument forms that many share."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini.core.table import numpy_functions


def is_installed(version: str) -> bool:
    """Whether NumPy is of a version, as `2.4`, or of a later one."""
    return bool(np.lib.NumpyVersion(np.__version__) >= f"{version}.0")


GENERATOR = np.random.default_rng(7)
X = GENERATOR.normal(size=(2, 3, 4))
M = GENERATOR.normal(size=(3, 4))
V = GENERATOR.normal(size=4)
S = np.float64(0.75)
INTS = GENERATOR.integers(1, 9, size=(3, 4))
FLAGS = np.array([[True, False, True, True]] * 3)
P = GENERATOR.uniform(0.1, 0.9, size=(3, 4))


class Call:
    """One form of a call: positional and keyword arguments, and the NumPy that first takes them."""

    def __init__(self, *args: Any, since: str = "2.0", **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs
        self.installed = is_installed(since)

    def __repr__(self) -> str:
        return ", ".join(
            [*map(written, self.args), *(f"{k}={written(v)}" for k, v in self.kwargs.items())]
        )


def written(value: Any) -> str:
    """Write an argument shortly, and in every process the same way."""
    if isinstance(value, np.ndarray):
        return str(value.shape)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(written, value)) + "]"
    return getattr(value, "__name__", None) or repr(value)


def calls_where_installed(name: str, *calls: Call) -> dict[Any, tuple[Call, ...]]:
    """Return the calls of a NumPy function, and none where the installed NumPy is older."""
    return {function: calls for function in numpy_functions(name)}


AXES = (
    Call(X), Call(X, 1), Call(X, axis=-1), Call(X, axis=(0, 2)), Call(X, axis=(-1, 0)),
    Call(X, axis=None, keepdims=True), Call(X, axis=1, keepdims=True), Call(S), Call(X, axis=()),
)  # fmt: skip
TYPED = (*AXES, Call(M, dtype=np.float32), Call(INTS, axis=0))
RUNNING = (Call(X), Call(X, 1), Call(X, axis=-1), Call(INTS, axis=0), Call(S))
ONES = np.ones((3, 4), int)
UNARY = (Call(P), Call(ONES), Call(S), Call(P.astype(np.float32)), Call(P[::2, ::-1]))
BINARY = (Call(P, P.T[:4, :1].T * 0 + 0.5), Call(P, 2.0), Call(0.5, P), Call(P, V), Call(S, 2),
          Call(P.astype(np.float32), 2), Call(INTS, 2), Call(P, INTS))  # fmt: skip
BITS = (Call(INTS, 2), Call(INTS, INTS))
MAPPED = (Call(P), Call(X), Call(S))
