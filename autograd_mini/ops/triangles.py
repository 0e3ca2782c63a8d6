"""Diagonals and triangles: taken out, put in, and what lies on one side of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.primitive import implements
from ..core.record import check_operand
from ..errors import ShapeError
from .axes import axis_of
from .index_batching import ARRAY
from .indexing import scatter
from .reductions import subject
from .selection import where as chosen

if TYPE_CHECKING:
    from ..core.arrays import Array, Numbers
    from ..core.tensor import Tensor


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Return the elements whose places along two axes differ by `offset`.  ∂a: g at these."""
    a = check_operand(a)
    if axis_of("diagonal", a, axis1) == axis_of("diagonal", a, axis2):
        raise ShapeError(
            f"diagonal: {axis1} and {axis2} are the same axis of the shape {a.shape}; give two"
        )
    x = np.moveaxis(a, (axis1, axis2), (-2, -1))
    n = max(0, min(x.shape[-2] + min(offset, 0), x.shape[-1] - max(offset, 0)))
    rows = np.arange(n) - min(offset, 0)
    return x[..., rows, rows + offset]


@implements(np.trace)
def trace(
    a: object, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
) -> Tensor:
    """Sum the diagonal.  ∂a: g on the diagonal."""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@implements(np.diag)
def diag(v: Numbers, k: int = 0) -> Tensor:
    """Put a vector on the diagonal of a matrix, or take the diagonal out.  ∂v: the diagonal of g.

    Raises:
        ShapeError: for other than one or two axes.
    """
    x = subject(v)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ShapeError(f"diag: expected one or two axes, got the shape {x.shape}")
    n = x.shape[0]
    places, size = np.arange(n), n + abs(k)
    rows, columns = places - min(k, 0), places + max(k, 0)
    return scatter(x, rows, columns, shape=(size, size), index=(ARRAY, ARRAY))


@implements(np.diagflat)
def diagflat(v: object, k: int = 0) -> Any:
    """Put all elements on the diagonal of a matrix.  ∂v: the diagonal of g."""
    return diag(np.ravel(subject(v)), k)


def _keep_where(m: Any, mask: Array) -> Tensor:
    """Keep the elements where a mask is true, and put 0 elsewhere."""
    return chosen(mask, m, m.dtype.type(0))


def _below(name: str, x: Any, k: int) -> np.ndarray:
    """Return the mask of what lies on the diagonal k or below; a vector is repeated as rows.

    Raises:
        ShapeError: for a single number.
    """
    if not x.ndim:
        raise ShapeError(f"{name}: a single number has no triangle; expected one axis or more")
    return np.tri(x.shape[-2] if x.ndim > 1 else x.shape[0], x.shape[-1], k=k, dtype=bool)


@implements(np.tril)
def tril(m: object, k: int = 0) -> Any:
    """Keep the triangle up to the diagonal k, 0 above.  ∂m: g there, 0 above."""
    x = subject(m)
    return _keep_where(x, _below("tril", x, k))


@implements(np.triu)
def triu(m: Numbers, k: int = 0) -> Tensor:
    """Keep the triangle from the diagonal k on, 0 below.  ∂m: g there, 0 below."""
    x = subject(m)
    return _keep_where(x, ~_below("triu", x, k - 1))
