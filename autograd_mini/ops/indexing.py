"""Indexing: basic, boolean and integer, with repeats; take, repeat, diagonals and set_at on top.

The primitive `getitem` keeps the index as a parameter in which every array is replaced by `ARRAY`;
the arrays themselves are operands, so that an index computed from data is part of the graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..arrays import as_array
from ..errors import IndexingError, OperandError, ShapeError
from ..operation import operand, value_of
from ..primitives import Primitive, case, implements, nonlinear
from ..table import Axis, table
from ..tensors import Tensor
from .selection import where


class _Array:
    """Stands in an index for an array that is an operand."""

    def __repr__(self) -> str:
        return "ARRAY"


ARRAY = _Array()
Index = tuple[Any, ...]


def filled(index: Index, arrays: tuple[Any, ...]) -> Index:
    """Put the arrays back into an index."""
    if not arrays:
        return index
    values = iter(arrays)
    return tuple(next(values) if part is ARRAY else part for part in index)


def scatter_forward(g: Any, *arrays: Any, shape: tuple[int, ...], index: Index, dtype: Any) -> Any:
    """Add g into zeros at an index, once for each time that a place is named."""
    result = np.zeros(shape, g.dtype)
    full = filled(index, arrays)
    if any(a.dtype.kind != "b" for a in arrays):
        np.add.at(result, full, g)
    else:
        result[full] = g
    return result


getitem: Primitive = nonlinear(
    lambda x, *arrays, index: x[filled(index, arrays)],
    "[ ]",
    "The elements at an index.  ∂x: g added into zeros at that index, repeats summed",
    name="getitem",
    vjp=lambda g, y, x, *arrays, index: (
        scatter(g, *arrays, shape=x.shape, index=index, dtype=x.dtype),
        *(None,) * len(arrays),
    ),
    samples=(
        case((3, 4), index=(1,)),
        case((3, 4), index=(slice(None, None, -2), None, 2)),
        case((3, 4), index=(Ellipsis, slice(1, 3))),
        case((3, 4), np.array([0, 2, 0]), index=(ARRAY,)),
        case((3, 4), np.array([0, 2, 0]), np.array([1, 1, 1]), index=(ARRAY, ARRAY)),
        case((3, 4), np.array([True, False, True]), index=(ARRAY,)),
    ),
    params=("index",),
)
scatter: Primitive = nonlinear(
    scatter_forward,
    "scatter",
    "Zeros with x added at an index.  ∂x: g at that index",
    name="scatter",
    vjp=lambda g, y, x, *arrays, shape, index, dtype: (
        getitem(g, *arrays, index=index),
        *(None,) * len(arrays),
    ),
    samples=(case((4,), shape=(3, 4), index=(1,), dtype=np.dtype("f8")),),
    params=("shape", "index", "dtype"),
)


def set_forward(x: Any, value: Any, *arrays: Any, index: Index) -> Any:
    """Copy x and write the value at an index."""
    result = np.array(x)
    result[filled(index, arrays)] = value
    return result


def set_rule(g: Any, y: Any, x: Any, value: Any, *arrays: Any, index: Index) -> Any:
    """∂x: g outside the index  ∂value: g at the index, summed to its shape by the walk."""
    kept = np.ones(x.shape, bool)
    kept[filled(index, tuple(map(value_of, arrays)))] = False
    return where(kept, g, 0), getitem(g, *arrays, index=index), *(None,) * len(arrays)


replace = nonlinear(
    set_forward,
    "[ ]←",
    "x with a value at an index.  ∂x: g elsewhere  ∂value: g at the index",
    name="set_at",
    vjp=set_rule,
    samples=(
        case((3, 4), (4,), index=(1,)),
        case((3, 4), (), index=(slice(0, 2),)),
        case((3, 4), (2, 4), np.array([0, 2]), index=(ARRAY,)),
    ),
    params=("index",),
    broadcasts=True,
)


def separated(index: Any) -> tuple[Index, tuple[Any, ...]]:
    """Split an index into its static part and the arrays in it.

    Raises:
        IndexingError: for an index that NumPy does not know, as a float.
    """
    static: list[Any] = []
    arrays: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if part is None or part is Ellipsis or type(part) is int:
            static.append(part)
        elif isinstance(part, slice):
            static.append(slice(*(None if s is None else s.__index__() for s in _ends(part))))
        else:
            if not isinstance(part, Tensor):
                try:
                    part = as_array(part)
                except OperandError as error:
                    raise IndexingError(f"not an index: {error}") from error
                if part.size == 0 and part.ndim == 1 and part.dtype.kind == "f":
                    part = part.astype(int)
            if part.dtype.kind not in "biu":
                raise IndexingError(
                    f"an index must be integers, slices or booleans, got {part.dtype} {part!r}"
                )
            if part.ndim == 0 and part.dtype.kind != "b" and not isinstance(part, Tensor):
                static.append(int(part))
            else:
                static.append(ARRAY)
                arrays.append(part)
    return tuple(static), tuple(arrays)


def _ends(part: slice) -> tuple[Any, Any, Any]:
    return part.start, part.stop, part.step


@implements("getitem")
def getitem_function(x: Any, index: Any) -> Any:
    """Return x[index]."""
    if type(index) is int:
        return getitem(x, index=(index,))
    static, arrays = separated(index)
    return getitem(x, *arrays, index=static)


def set_at(x: Any, index: Any, value: Any) -> Any:
    """Return x with `value` at `index`: the recorded form of `x[index] = value`.

    With an index array each place may be named once.

    Raises:
        ShapeError: if the value does not fit, or an index array names a place twice.

    >>> import numpy as np
    >>> set_at(np.zeros(3), 1, 5.0)
    array([0., 5., 0.])
    """
    x = x if isinstance(x, Tensor) else as_array(x)
    static, arrays = separated(index)
    if any(a.dtype.kind != "b" for a in arrays):
        places = np.zeros(x.shape, int)
        np.add.at(places, filled(static, tuple(map(value_of, arrays))), 1)
        if (places > 1).any():
            raise ShapeError("set_at: the index names a place twice, so its value is ambiguous")
    value = value if isinstance(value, Tensor) else as_array(value)
    return replace(x, value, *arrays, index=static)


@implements(np.take)
def take(
    a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise"
) -> Any:
    """Return the elements at integer indices along an axis, or of the flattened tensor."""
    a = operand(a)
    if axis is None:
        a, axis = np.ravel(a), 0
    axis = normalize_axis_index(axis, a.ndim)
    if mode != "raise":
        n = a.shape[axis]
        values = value_of(indices)
        indices = np.clip(values, 0, n - 1) if mode == "clip" else np.mod(values, n)
    if not isinstance(indices, Tensor):
        indices = np.asarray(indices)
    return getitem_function(a, (*(slice(None),) * axis, indices))


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """Match each index with the slice of the same place along an axis."""
    arr = operand(arr)
    if axis is None:
        return np.ravel(arr)[indices]
    axis = normalize_axis_index(axis, arr.ndim)
    grid = list(np.ogrid[tuple(slice(n) for n in np.shape(value_of(indices)))])
    grid[axis] = indices
    return getitem_function(arr, tuple(grid))


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Repeat each element, or each slice along an axis."""
    if axis is None:
        a, axis = np.ravel(a), 0
    return take(a, np.repeat(np.arange(a.shape[axis]), value_of(repeats)), axis)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: int | None = None, out: None = None) -> Any:
    """Return the slices along an axis where a one-dimensional condition holds."""
    return take(a, np.flatnonzero(value_of(condition)), axis)


@implements(np.choose)
def choose(a: Any, choices: Any, out: None = None, mode: str = "raise") -> Any:
    """Pick, place by place, from the choice whose number stands in `a`."""
    shape = np.broadcast_shapes(np.shape(a), *(np.shape(c) for c in choices))
    numbers = np.broadcast_to(value_of(a), shape)
    joined = np.stack([np.broadcast_to(c, shape) for c in choices])
    if mode != "raise":
        top = len(choices)
        numbers = np.clip(numbers, 0, top - 1) if mode == "clip" else np.mod(numbers, top)
    return take_along_axis(joined, numbers[None], 0)[0]


@implements(np.sort)
def sort(a: Any, axis: int | None = -1, *args: Any, **kwargs: Any) -> Any:
    """Sort along an axis; the gradient follows the elements."""
    if axis is None:
        a, axis = np.ravel(a), 0
    return take_along_axis(a, np.argsort(value_of(a), axis, *args, **kwargs), axis)


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the elements whose places along two axes differ by `offset`."""
    x = np.moveaxis(a, (axis1, axis2), (-2, -1))
    n = max(0, min(x.shape[-2] + min(offset, 0), x.shape[-1] - max(offset, 0)))
    rows = np.arange(n) - min(offset, 0)
    return x[..., rows, rows + offset]


@implements(np.trace)
def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, *args: Any) -> Any:
    """Sum the diagonal."""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1)


@implements(np.flip)
def flip(m: Any, axis: Axis = None) -> Any:
    """Reverse the order along axes, by default all."""
    axes = range(m.ndim) if axis is None else np.atleast_1d(np.asarray(axis))
    chosen = {normalize_axis_index(int(i), m.ndim) for i in axes}
    back = slice(None, None, -1)
    return getitem_function(m, tuple(back if i in chosen else slice(None) for i in range(m.ndim)))


table["set_at"] = set_at
