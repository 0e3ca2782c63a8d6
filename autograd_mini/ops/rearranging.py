"""Elements in other places: taken, repeated, rolled, rotated, tiled; diagonals and triangles.

The gradient goes back to where each element came from. An index that is computed from a tensor is
an operand, so that it is part of the graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers, plain_array
from ..core.extraction import read_value
from ..core.primitive import Primitive, case, implements, linear
from ..core.record import check_operand, result_dtype, scope, value_of
from ..core.table import Axis
from ..core.tensor import Tensor
from ..errors import ArgumentError, IndexingError, OperandError, ShapeError
from .checks import axes_of, axis_of, demand, flatten_without_axis, places_of
from .conversion import convert_operand
from .indexing import ARRAY, getitem_function, scatter
from .reductions import subject
from .selection import where as chosen
from .shapes import common_shape, moveaxis


@implements(np.take)
def take(
    a: Numbers, indices: Numbers, axis: int | None = None, out: None = None, mode: str = "raise"
) -> Array:
    """Return the elements at integer indices along an axis, or of the flattened tensor.

    ∂a: g added where each element came from.
    """
    a = check_operand(a)
    a, axis = flatten_without_axis("take", a, axis)
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
    a, axis = flatten_without_axis("repeat", a, axis)
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
    a, axis = flatten_without_axis("compress", a, axis)
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
def bincount(x: object, /, weights: Array | None = None, minlength: int = 0) -> Any:
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


rolled: Primitive = linear(
    lambda x, *, shift, axis: np.roll(x, shift, axis),
    "roll",
    "Elements moved along axes; those that leave come in at the other end.  ∂x: g rolled back",
    name="roll",
    vjp=(lambda g, y, x, shift, axis: rolled(g, shift=tuple(-n for n in shift), axis=axis),),
    samples=(
        case((3, 4), shift=(1,), axis=(0,)),
        case((3, 4), shift=(-2, 5), axis=(0, 1)),
        case((0, 2), shift=(1,), axis=(1,)),
    ),
    params=("shift", "axis"),
)


def plain_value(name: str, value: object) -> Any:
    """Return a number or an array that decides a shape or places, of a tensor its value."""
    return read_value(value, name) if isinstance(value, Tensor) else value


@implements(np.roll)
def roll(a: Numbers, shift: Numbers, axis: Axis = None) -> Array:
    """Move elements along axes, or along all of them in order.  ∂x: g rolled back."""
    a, shift = subject(a), plain_value("np.roll", shift)
    if axis is None:
        return np.reshape(rolled(np.ravel(a), shift=(int(np.sum(shift)),), axis=(0,)), a.shape)
    steps, places = np.broadcast_arrays(np.ravel(shift), np.ravel(axis))
    total: dict[int, int] = {}
    for place, n in zip(places, steps, strict=True):
        place = axis_of("roll", a, int(place))
        total[place] = total.get(place, 0) + int(n)
    axes = tuple(sorted(total))
    return rolled(a, shift=tuple(total[i] for i in axes), axis=axes)


@implements(np.flip)
def flip(m: Numbers, axis: Axis = None) -> Array:
    """Reverse the order along axes, by default all.  ∂x: g reversed."""
    m = subject(m)
    chosen = axes_of("flip", m, axis)
    back = slice(None, None, -1)
    return getitem_function(m, tuple(back if i in chosen else slice(None) for i in range(m.ndim)))


@implements(np.flipud)
def flipud(m: object) -> Array:
    """Reverse the order of the rows.  ∂x: g reversed."""
    return flip(m, 0)


@implements(np.fliplr)
def fliplr(m: object) -> Array:
    """Reverse the order of the columns.  ∂x: g reversed."""
    return flip(m, 1)


@implements(np.rot90)
@scope("rot90")
def rot90(m: Numbers, k: int = 1, axes: Sequence[int] = (0, 1)) -> Array:
    """Rotate by k quarter turns, from the first of two axes towards the second.  ∂x: g turned back.

    Raises:
        ShapeError: if these are not two different axes.
    """
    m = subject(m)
    places = places_of("rot90", m, tuple(axes))
    if len(places) != 2:
        raise ShapeError(f"rot90: a rotation needs two axes, got {axes}")
    first, second = places
    turns = k % 4
    if turns == 0:
        return flip(m, ())
    if turns == 2:
        return flip(m, places)
    order = list(range(m.ndim))
    order[first], order[second] = second, first
    if turns == 1:
        return np.transpose(flip(m, second), order)
    return flip(np.transpose(m, order), second)


@implements(np.rollaxis)
def rollaxis(a: Numbers, axis: int, start: int = 0) -> Array:
    """Move an axis in front of another one; np.moveaxis says it better.  ∂x: g moved back.

    Raises:
        ShapeError: if there is no such axis or place.
    """
    a = subject(a)
    axis, place = axis_of("rollaxis", a, axis), start + a.ndim if start < 0 else start
    if not 0 <= place <= a.ndim:
        raise ShapeError(f"rollaxis: start {start} does not fit the shape {a.shape}")
    return moveaxis(a, axis, place - 1 if axis < place else place)


@implements(np.tile)
@scope("tile")
def tile(A: Numbers, reps: Any) -> Array:  # noqa: N803  # NumPy's name
    """Repeat the whole along axes, new ones in front.  ∂x: g summed over the repeats."""
    x = subject(A)
    reps = plain_value("np.tile", reps)
    counts = tuple(int(n) for n in (reps if np.iterable(reps) else (reps,)))
    ndim = max(len(counts), x.ndim)
    counts = (1,) * (ndim - len(counts)) + counts
    shape = (1,) * (ndim - x.ndim) + x.shape
    pairs = [n for pair in zip(counts, shape, strict=True) for n in pair]
    wide = np.broadcast_to(np.reshape(x, [m for n in shape for m in (1, n)]), pairs)
    return np.reshape(wide, tuple(c * n for c, n in zip(counts, shape, strict=True)))


@implements(np.resize)
@scope("resize")
def resize(a: Numbers, new_shape: Any) -> Array:
    """Fill a shape with the elements in order, again from the first.  ∂x: g summed over repeats.

    Raises:
        ShapeError: for a negative size.
    """
    x = np.ravel(subject(a))
    shape = tuple(int(n) for n in (new_shape if np.iterable(new_shape) else (new_shape,)))
    if any(n < 0 for n in shape):
        raise ShapeError(f"resize: sizes must not be negative, got {shape}")
    size = math.prod(shape)
    if not x.size:
        return np.zeros(shape, x.dtype)
    return np.reshape(take(x, np.arange(size) % x.size), shape)


@implements(np.append)
def append(arr: Numbers, values: Numbers, axis: int | None = None) -> Array:
    """Join values at the end of an axis, or both flattened.  ∂arr, ∂values: its part of g."""
    arr, values = subject(arr), subject(values)
    if axis is None:
        arr, values, axis = np.ravel(arr), np.ravel(values), 0
    return np.concatenate([arr, values], axis=axis)


def _places_without(name: str, n: int, obj: Any) -> np.ndarray:
    """Return the places that stay when some are left out."""
    obj = plain_value(name, obj)
    try:
        return np.delete(np.arange(n), obj)
    except (ValueError, IndexError, TypeError) as error:
        raise ArgumentError(f"{name}: {obj!r:.60} are no places among {n}: {error}") from error


@implements(np.delete)
def delete(arr: Numbers, obj: object, axis: int | None = None) -> Tensor:
    """Leave out places along an axis, or of all elements in order.  ∂arr: g at what stays.

    The result's shape depends on the places, so a tensor of places is read and not recorded.
    """
    x = subject(arr)
    x, axis = (np.ravel(x), 0) if axis is None else (x, axis_of("delete", x, axis))
    return take(x, _places_without("np.delete", x.shape[axis], obj), axis)


def _inserted_values(arr: Array, values: Numbers, axis: int, places: Array) -> Array:
    """Return the values that go between, one slice for each place, in the dtype of the array.

    Raises:
        OperandError: if a gradient would end, since the array has integers.
        ShapeError: if there are more or fewer than places.
    """
    x = check_operand(values)
    if isinstance(x, Tensor) and x.requires_grad and arr.dtype.kind in "biu":
        raise OperandError(
            f"insert: values that require a gradient do not go into a {arr.dtype} array, which has "
            "no fractions; convert it with .astype(float)"
        )
    x = convert_operand(x, arr.dtype)
    if x.ndim < arr.ndim:
        x = np.reshape(x, (1,) * (arr.ndim - x.ndim) + x.shape)
    if not places.ndim:  # all values go to one place
        x = moveaxis(x, 0, axis)
    many = x.shape[axis] if places.size == 1 else places.size
    shape = tuple(many if i == axis else n for i, n in enumerate(arr.shape))
    if x.ndim > arr.ndim or any(n not in (1, m) for n, m in zip(x.shape, shape, strict=True)):
        raise ShapeError(
            f"insert: values of shape {np.shape(values)} do not fit {many} places along axis "
            f"{axis} of the shape {arr.shape}"
        )
    return np.broadcast_to(x, shape)


INSERTS_AT_MASKS = bool(np.lib.NumpyVersion(np.__version__) >= "2.2.0")


def _insertion_places(n: int, obj: object) -> np.ndarray:
    """Return the places of an insertion as an array of integers, 0-d for one number."""
    obj = plain_value("np.insert", obj)
    if isinstance(obj, slice):
        return np.arange(*obj.indices(n))
    places = plain_array(obj)
    if places.dtype.kind == "b":  # a mask since NumPy 2.2; before, NumPy took the numbers 0 and 1
        return np.flatnonzero(places) if INSERTS_AT_MASKS else places.astype(int)
    return places if places.size else places.astype(int)


@implements(np.insert)
@scope("insert")
def insert(arr: Numbers, obj: object, values: Numbers, axis: int | None = None) -> Tensor:
    """Put values in front of places along an axis, or among all elements in order.

    ∂arr, ∂values: g where each went.
    """
    x = subject(arr)
    x, axis = (np.ravel(x), 0) if axis is None else (x, axis_of("insert", x, axis))
    n = x.shape[axis]
    places = _insertion_places(n, obj)
    between = _inserted_values(x, values, axis, places)
    numbers = np.arange(n, n + between.shape[axis])
    try:
        order = np.insert(np.arange(n), places, numbers)
    except (ValueError, IndexError, TypeError) as error:
        raise ArgumentError(f"insert: {obj!r:.60} are no places among {n}: {error}") from error
    return take(np.concatenate([x, between], axis=axis), order, axis)


@implements(np.trim_zeros)
def trim_zeros(filt: Numbers, trim: str = "fb", axis: Axis = None) -> Tensor:
    """Leave out zeros in front and behind.  ∂x: g at what stays, 0 at the zeros.

    The result's shape depends on the values, which are read.

    Raises:
        ArgumentError: if `trim` has other letters than f and b.
    """
    x = subject(filt)
    if trim.lower() not in ("f", "b", "fb", "bf"):
        raise ArgumentError(f"trim_zeros: trim {trim!r} is not known; expected 'f', 'b' or 'fb'")
    values = np.asarray(plain_value("np.trim_zeros", x)) != 0
    index: list[Any] = [slice(None)] * x.ndim
    for i in axes_of("trim_zeros", x, axis):
        found = np.flatnonzero(values.any(axis=tuple(j for j in range(x.ndim) if j != i)))
        if not found.size:
            index[i] = slice(0, 0)
            continue
        start = int(found[0]) if "f" in trim.lower() else 0
        index[i] = slice(start, int(found[-1]) + 1 if "b" in trim.lower() else None)
    return getitem_function(x, tuple(index))


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """Return the elements whose places along two axes differ by `offset`.  ∂a: g at these."""
    a = check_operand(a)
    if axis_of("diagonal", a, axis1) == axis_of("diagonal", a, axis2):
        raise ShapeError(
            f"diagonal: {axis1} and {axis2} are the same axis of the shape {a.shape}; give two"
        )
    x = moveaxis(a, (axis1, axis2), (-2, -1))
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
def diagflat(v: object, k: int = 0) -> Array:
    """Put all elements on the diagonal of a matrix.  ∂v: the diagonal of g."""
    return diag(np.ravel(subject(v)), k)


def _keep_where(m: Array, mask: Array) -> Tensor:
    """Keep the elements where a mask is true, and put 0 elsewhere."""
    return chosen(mask, m, m.dtype.type(0))


def _below(name: str, x: Array, k: int) -> np.ndarray:
    """Return the mask of what lies on the diagonal k or below; a vector is repeated as rows.

    Raises:
        ShapeError: for a single number.
    """
    if not x.ndim:
        raise ShapeError(f"{name}: a single number has no triangle; expected one axis or more")
    return np.tri(x.shape[-2] if x.ndim > 1 else x.shape[0], x.shape[-1], k=k, dtype=bool)


@implements(np.tril)
def tril(m: object, k: int = 0) -> Array:
    """Keep the triangle up to the diagonal k, 0 above.  ∂m: g there, 0 above."""
    x = subject(m)
    return _keep_where(x, _below("tril", x, k))


@implements(np.triu)
def triu(m: Numbers, k: int = 0) -> Tensor:
    """Keep the triangle from the diagonal k on, 0 below.  ∂m: g there, 0 below."""
    x = subject(m)
    return _keep_where(x, ~_below("triu", x, k - 1))
