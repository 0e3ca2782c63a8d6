"""Products of several matrices, matrix_power and multi_dot, and the Array API's names in linalg."""

from __future__ import annotations

from operator import index
from typing import Any

import numpy as np

from ..core.primitive import implements
from ..core.record import check_operand, scope
from ..core.table import table
from ..errors import ArgumentError, MatrixError, OperandError, ShapeError, UnsupportedError
from .products import matmul
from .selection import where


@implements(np.linalg.matrix_power)
@scope("matrix_power")
def matrix_power(a: Any, n: int) -> Any:
    """Multiply each matrix n times with itself, by squaring; of the inverse for a negative n.

    ∂x: Σₖ (xᵀ)ᵏ·g·(xᵀ)ⁿ⁻¹⁻ᵏ; 0 for n = 0, the identity.
    """
    a = check_operand(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise MatrixError(f"matrix_power: expected square matrices, got the shape {a.shape}")
    try:
        n = index(n)
    except TypeError as error:
        raise OperandError(f"matrix_power: the exponent must be an integer, got {n!r}") from error
    if n == 0:
        return where(np.zeros((1, 1), bool), a, np.eye(a.shape[-1], dtype=a.dtype))
    if n < 0:
        a, n = np.linalg.inv(a), -n
    if n == 1:
        return np.copy(a)
    square, result = a, None
    while True:
        if n % 2:
            result = square if result is None else matmul(result, square)
        n //= 2
        if not n:
            return result
        square = matmul(square, square)


def _cheapest(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Return where to cut each run of a chain of matrices; the i-th is sizes[i] × sizes[i + 1].

    The classic dynamic program over the number of multiplications, O(n³).
    """
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    cut = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            choices = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            cut[i, j] = min(choices, key=choices.__getitem__)
            cost[i, j] = choices[cut[i, j]]
    return cut


@implements(np.linalg.multi_dot)
@scope("multi_dot")
def multi_dot(arrays: Any, *, out: None = None) -> Any:
    """Multiply matrices in the cheapest order; the first and last may be vectors.

    ∂xᵢ: (the product before)ᵀ·g·(the product behind)ᵀ.
    """
    if out is not None:
        raise UnsupportedError("multi_dot: out= is not recorded; write y = np.linalg.multi_dot(…)")
    parts = [check_operand(a) for a in arrays]
    if len(parts) < 2:
        raise ArgumentError(f"multi_dot: expected two matrices or more, got {len(parts)}")
    for i, part in enumerate(parts):
        if part.ndim != 2 and not (part.ndim == 1 and i in (0, len(parts) - 1)):
            raise MatrixError(
                f"multi_dot: expected matrices, and vectors at the ends only; operand {i} has the "
                f"shape {part.shape}"
            )
    rows = 1 if parts[0].ndim == 1 else parts[0].shape[0]
    inner = [part.shape[0] for part in parts[1:]]
    cut = _cheapest([rows, *inner, 1 if parts[-1].ndim == 1 else parts[-1].shape[1]])

    def product(i: int, j: int) -> Any:
        k = cut.get((i, j))
        return parts[i] if k is None else matmul(product(i, k), product(k + 1, j))

    return product(0, len(parts) - 1)


@implements(np.linalg.matmul)
def linalg_matmul(x1: object, x2: object, /) -> Any:
    """Multiply matrices, as `x1 @ x2`.  ∂x1: g·x2ᵀ  ∂x2: x1ᵀ·g."""
    return matmul(x1, x2)


@implements(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """Swap the last two axes.  ∂x: gᵀ."""
    return np.matrix_transpose(x)


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Return the diagonal of each matrix in the last two axes.  ∂x: g on that diagonal."""
    return np.diagonal(x, offset, axis1=-2, axis2=-1)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sum the diagonal of each matrix in the last two axes.  ∂x: g on that diagonal."""
    return np.trace(x, offset, axis1=-2, axis2=-1, dtype=dtype)


@implements(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    """Multiply each element of one vector with each of another.  ∂x1: g·x2  ∂x2: gᵀ·x1."""
    x1, x2 = check_operand(x1), check_operand(x2)
    if np.ndim(x1) != 1 or np.ndim(x2) != 1:
        raise ShapeError(f"outer: expected vectors, got {np.shape(x1)} and {np.shape(x2)}")
    return table[np.outer](x1, x2)


@implements(np.linalg.cross)
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the vector product over an axis of length 3.  ∂x1: x2 × g  ∂x2: g × x1."""
    x1, x2 = check_operand(x1), check_operand(x2)
    if np.shape(x1)[axis] != 3 or np.shape(x2)[axis] != 3:
        raise ShapeError(
            f"cross: expected length 3 along axis {axis}, got {np.shape(x1)} and {np.shape(x2)}"
        )
    return table[np.cross](x1, x2, axis=axis)


@implements(np.linalg.vecdot)
def vecdot(x1: object, x2: object, /, *, axis: int = -1) -> Any:
    """Sum x̄1·x2 over an axis.  ∂x1: ḡ·x2  ∂x2: g·x1."""
    return table[np.vecdot](x1, x2, axis=axis)


@implements(np.linalg.tensordot)
def tensordot(x1: object, x2: object, /, *, axes: object = 2) -> Any:
    """Sum products over axes of both.  ∂: g times the other operand over its other axes."""
    return table[np.tensordot](x1, x2, axes=axes)
