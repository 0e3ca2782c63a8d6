"""Products of matrices and vectors."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..core.extraction import tracing
from ..core.primitive import case, implements, multilinear
from ..core.record import operand
from ..core.table import table
from ..core.tensor import Tensor
from .arithmetic import multiply
from .shapes import reshape, reshape_function


def rows(x: Any) -> Any:
    """Return a batch of matrices as one tall matrix; sizes written out, as −1 fails for size 0."""
    return np.reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def matmul_left(g: Any, y: Any, a: Any, b: Any) -> Any:
    """∂a: g·bᵀ, with a vector standing for a row (a) or a column (b)."""
    if b.ndim == 1:
        return g * b if a.ndim == 1 else g[..., None] * b
    if a.ndim == 1:
        return (b @ g[..., None])[..., 0]
    return g @ (b.T if b.ndim == 2 else b.mT)


def matmul_right(g: Any, y: Any, a: Any, b: Any) -> Any:
    """∂b: aᵀ·g, with a vector standing for a row (a) or a column (b)."""
    if a.ndim == 1:
        return g * a if b.ndim == 1 else a[:, None] * g[..., None, :]
    if b.ndim == 1:
        return (g[..., None, :] @ a)[..., 0, :]
    if a.ndim == 2:
        return a.T @ g
    if b.ndim == 2:  # one product of tall matrices instead of a sum over the batch
        return rows(a).T @ rows(g)
    return a.mT @ g


matmul = multilinear(
    np.matmul,
    "@",
    "(…, m, k) @ (…, k, n) → (…, m, n); vectors as rows and columns.  ∂a: g·bᵀ  ∂b: aᵀ·g",
    eager=operator.matmul,
    vjp=(matmul_left, matmul_right),
    samples=(
        case((3, 4), (4, 2)),
        case((4,), (4,)),
        case((4,), (4, 2)),
        case((3, 4), (4,)),
        case((2, 3, 4), (4, 2)),
        case((3, 4), (2, 4, 2)),
        case((2, 1, 3, 4), (5, 4, 2)),
        case((4,), (2, 4, 3)),
        case((2, 3, 4), (4,)),
        case((2, 0), (0, 3)),
        case((2, 3, 0), (0, 4)),
        case((2, 3, 4), (4, 0)),
    ),
    broadcasts=True,
)
table[np.matmul] = matmul.call


def tensor_like(x: Any) -> Any:
    """Return an operand that has a shape: a plain number becomes a NumPy one, as NumPy does.

    So does what stands for a number in a trace.
    """
    x = operand(x)
    trace = tracing.get()
    if trace is not None and type(x) is Tensor and trace.is_number(x):
        return reshape(x, shape=())
    return x if hasattr(x, "dtype") else np.asarray(x)[()]


@implements(np.dot)
def dot(a: Any, b: Any, out: None = None) -> Any:
    """Product over a's last axis and b's last but one, or its only one.  ∂a: g·bᵀ  ∂b: aᵀ·g."""
    a, b = operand(a), operand(b)
    if not np.ndim(a) or not np.ndim(b):  # a plain number is a NumPy one here, as in np.dot
        return multiply(tensor_like(a), tensor_like(b))
    if np.ndim(b) <= 2:
        return matmul(a, b)
    moved = np.moveaxis(b, -2, 0)
    flat = matmul(a, reshape_function(moved, (moved.shape[0], math.prod(moved.shape[1:]))))
    return reshape_function(flat, (*a.shape[:-1], *moved.shape[1:]))
