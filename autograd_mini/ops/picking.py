"""Pick elements by place, all through indexing: take, repeat, choose, compress.

An index computed from a tensor is an operand, so that it is part of the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.arrays import plain_array
from ..core.extraction import read_value
from ..core.primitive import implements
from ..core.record import check_operand, result_dtype, value_of
from ..core.tensor import Tensor
from ..errors import ArgumentError, IndexingError, OperandError, ShapeError
from .axes import axis_of, is_scalar_axis
from .checks import demand
from .conversion import convert_operand
from .index_batching import ARRAY
from .indexing import getitem_function, scatter
from .shapes import common_shape

if TYPE_CHECKING:
    from ..core.arrays import Array, Numbers


@implements(np.take)
def take(
    a: Numbers, indices: Numbers, axis: int | None = None, out: None = None, mode: str = "raise"
) -> Array:
    """Return the elements at integer indices along an axis, or of the flattened tensor.

    ∂a: g added where each element came from.
    """
    a = check_operand(a)
    if axis is None or is_scalar_axis(a, axis):
        a, axis = np.ravel(a), 0
    axis = axis_of("take", a, axis)
    indices = _wrap_indices(
        indices if isinstance(indices, Tensor) else plain_array(indices), a, axis, mode
    )
    return getitem_function(a, (*(slice(None),) * axis, indices))


def _wrap_indices(indices: Array, a: Any, axis: int, mode: str) -> Any:
    """Bring indices into the length of an axis: 'clip' and 'wrap' as np.take; 'raise' leaves them.

    Raises:
        ArgumentError: for another mode.
    """
    if mode == "raise":
        return indices
    n = a.shape[axis]
    if mode == "clip":
        return np.clip(indices, 0, n - 1)
    if mode == "wrap":
        return np.mod(indices, n)
    raise ArgumentError(f"mode {mode!r} is not known; expected 'raise', 'wrap' or 'clip'")


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Match each index with the slice of the same place along an axis; other axes broadcast.

    ∂arr: g added where each element came from.

    Raises:
        ShapeError: if the indices do not have as many axes as the array.
        IndexingError: if they are not integers, or out of range.
    """
    arr = check_operand(arr)
    indices = indices if isinstance(indices, Tensor) else plain_array(indices)
    if indices.dtype.kind not in "iu":
        raise IndexingError(f"take_along_axis: indices must be integers, got {indices.dtype}")
    if axis is None:
        arr, axis = np.ravel(arr), 0
        if indices.ndim != 1:
            raise ShapeError(
                f"take_along_axis: with axis=None the indices have one axis, got the shape "
                f"{indices.shape}"
            )
    axis = axis_of("take_along_axis", arr, axis)
    if indices.ndim != arr.ndim:
        raise ShapeError(
            f"take_along_axis: the array of shape {arr.shape} has {arr.ndim} axes, the indices of "
            f"shape {indices.shape} have {indices.ndim}; expected equal numbers (length 1 repeats)"
        )
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in arr.shape)])
    grid[axis] = indices
    return getitem_function(arr, tuple(grid))


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element, or each slice along an axis.  ∂a: g summed over the repeats.

    The result's shape depends on the counts, so a tensor of counts is read and not recorded.
    """
    a = check_operand(a)
    if axis is None or is_scalar_axis(a, axis):
        a, axis = np.ravel(a), 0
    axis = axis_of("repeat", a, axis)
    counts = read_value(repeats, "np.repeat") if isinstance(repeats, Tensor) else repeats
    try:
        places = np.repeat(np.arange(a.shape[axis]), counts)
    except (ValueError, TypeError) as error:
        raise ArgumentError(
            f"repeat: {counts!r:.60} are no counts for the {a.shape[axis]} elements of axis {axis} "
            f"of the shape {a.shape}: {error}"
        ) from error
    return take(a, places, axis)


@implements(np.compress)
def compress(condition: Numbers, a: Numbers, axis: int | None = None, out: None = None) -> Tensor:
    """Return the slices along an axis where a one-dimensional condition holds.  ∂a: g there.

    Raises:
        ShapeError: if the condition has other than one axis.
        IndexingError: if it holds behind the end.
    """
    a = check_operand(a)
    a = a if isinstance(a, Tensor) else plain_array(a)
    if axis is None or is_scalar_axis(a, axis):
        a, axis = np.ravel(a), 0
    axis = axis_of("compress", a, axis)
    holds = condition if isinstance(condition, Tensor) else plain_array(condition)
    if holds.ndim != 1:
        raise ShapeError(f"compress: the condition has one axis, got the shape {holds.shape}")
    if not isinstance(holds, Tensor):
        return take(a, np.flatnonzero(holds), axis)
    n = min(holds.shape[0], a.shape[axis])
    if np.any(value_of(holds)[n:]):
        raise IndexingError(
            f"compress: the condition of length {holds.shape[0]} holds behind the end of axis "
            f"{axis} of the shape {a.shape}"
        )
    before = (slice(None),) * axis
    return getitem_function(a[(*before, slice(n))], (*before, holds[:n] != 0))


@implements(np.extract)
def extract(condition: Numbers, arr: Numbers) -> Tensor:
    """Return the elements where a condition holds, along one axis.  ∂arr: g there, 0 elsewhere."""
    return compress(np.ravel(condition), np.ravel(arr))


@implements(np.bincount)
def bincount(x: object, /, weights: Any = None, minlength: int = 0) -> Any:
    """Count each number, or add up its weights.  ∂weights: g at the number.

    The result's length depends on the numbers, so a tensor of them is read.
    """
    numbers = plain_array(read_value(x, "np.bincount") if isinstance(x, Tensor) else x)
    if not isinstance(weights, Tensor):
        return np.bincount(numbers, weights, minlength)
    length = np.bincount(numbers, minlength=minlength).size
    if weights.dtype.kind == "c":
        raise OperandError("bincount: weights are real numbers; add up t.real and t.imag")
    if weights.shape != numbers.shape:
        raise ShapeError(
            f"bincount: weights of shape {weights.shape} for numbers of shape {numbers.shape}"
        )
    return scatter(convert_operand(weights, float), numbers, shape=(length,), index=(ARRAY,))


@implements(np.choose)
def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Tensor:
    """Pick, place by place, from the choice whose number stands in `a`.  ∂choices: g where picked.

    Raises:
        ArgumentError: for a number that no choice has; `mode` may 'clip' or 'wrap' it.
    """
    shape = common_shape("choose", (a, *choices))
    kind = result_dtype(
        *(c if type(c) in (int, float, complex) else check_operand(c) for c in choices)
    )
    joined = np.stack([np.broadcast_to(convert_operand(c, kind), shape) for c in choices])
    numbers = a if isinstance(a, Tensor) else plain_array(a)
    numbers = numbers.astype(int) if numbers.dtype.kind == "b" else numbers
    numbers = _wrap_indices(np.broadcast_to(numbers, shape), joined, 0, mode)
    values, last = value_of(numbers), len(choices) - 1
    if values.size and (values.min() < 0 or values.max() > last):
        raise ArgumentError(
            f"choose: the numbers lie from {values.min()} to {values.max()}, those of the choices "
            f"from 0 to {last}; mode='clip' or 'wrap' brings them inside"
        )
    demand(
        lambda: (numbers >= 0) & (numbers <= last),
        f"choose: a number lies outside of the choices, 0 to {last}; mode='clip' or 'wrap' brings "
        "it inside",
    )
    return take_along_axis(joined, numbers[None], 0)[0]
