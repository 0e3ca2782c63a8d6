"""Shapes: reshape, transpose, broadcasting, axes added and removed. All of them are linear."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..core.arrays import Array, Numbers, plain_array
from ..core.batch_rules import prepend_to_axes, prepend_to_shape, to_shape
from ..core.extraction import refuse_in_a_program
from ..core.primitive import Primitive, Rule, case, implements, linear
from ..core.record import check_operand, value_of
from ..core.table import Axis
from ..core.tensor import Tensor
from ..errors import ArgumentError, ShapeError
from .checks import axis_of, is_scalar_axis, places_of


def _broadcast_forward(x: Array, *, shape: tuple[int, ...]) -> np.ndarray:
    """Repeat x into a new array; 5 times faster than np.broadcast_to on small arrays."""
    if x.ndim > len(shape):
        raise ValueError(f"{x.shape} has more axes than {shape}")
    result = np.empty(shape, x.dtype)
    result[...] = x
    return result


def _expand_forward(x: Array, *, axis: tuple[int, ...]) -> Array:
    """Insert axes of length 1; 4 times faster than np.expand_dims."""
    sizes = iter(x.shape)
    return x.reshape([1 if i in axis else next(sizes) for i in range(x.ndim + len(axis))])


def summed_to(x: Array, shape: tuple[int, ...]) -> Array:
    """Sum the axes along which `shape` would have been repeated to x's shape."""
    extra = x.ndim - len(shape)
    stretched = tuple(i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1)
    if type(x) is Tensor:
        if extra:
            x = np.sum(x, axis=tuple(range(extra)))
            stretched = tuple(i - extra for i in stretched)
        return np.sum(x, axis=stretched, keepdims=True) if stretched else x
    axes = tuple(range(extra)) + stretched
    total = np.add.reduce(x, axis=axes, keepdims=True) if stretched else np.add.reduce(x, axis=axes)
    return total.reshape(shape) if stretched else total


def _splits(old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Whether a reshape joins no axes, so that it is a view however the elements lie in memory."""
    sizes = [n for n in new if n != 1]
    for size in (n for n in old if n != 1):
        part = 1
        while sizes and part != size:
            part *= sizes.pop(0)
        if part != size:
            return False
    return not sizes


def _index_of_new_axes(axis: tuple[int, ...]) -> str:
    """Write the index that inserts axes of length 1."""
    return (
        ", ".join("None" if i in axis else ":" for i in range(max(axis, default=-1) + 1)) or "..."
    )


broadcast_to = linear(
    _broadcast_forward,
    "broadcast",
    "x repeated to a shape.  ∂x: g summed over the repeated axes",
    name="broadcast_to",
    vjp=(lambda g, y, x, shape: summed_to(g, x.shape),),
    samples=(case((3, 1), shape=(2, 3, 4)), case((), shape=(2,)), case((1, 0), shape=(2, 0))),
    params=("shape",),
    batch=to_shape,
    code=lambda x, shape: f"np.broadcast_to({x}, {shape}).copy()",
    into=lambda out, x, shape: [f"{out}[...] = {x}"],
)
reshape: Primitive = linear(
    lambda x, *, shape: x.reshape(shape),
    "reshape",
    "The same elements in another shape.  ∂x: g in x's shape",
    name="reshape",
    vjp=(lambda g, y, x, shape: reshape(g, shape=x.shape),),
    samples=(case((3, 4), shape=(2, 6)), case((), shape=(1, 1)), case((0, 2), shape=(0,))),
    params=("shape",),
    batch=prepend_to_shape,
    view=lambda x, shape: _splits(x.shape, shape),
    code=lambda x, shape: (
        f"{x}.reshape({shape})" if _splits(x.shape, shape) else f"{x}.copy().reshape({shape})"
    ),
    into=lambda out, x, shape: [f"{out}.reshape({x.shape})[...] = {x}"],
)
transpose: Primitive = linear(
    lambda x, *, axes: x.transpose(axes),
    "T",
    "Axes in another order.  ∂x: g with the order undone",
    name="transpose",
    vjp=(
        lambda g, y, x, axes: transpose(
            g, axes=tuple(sorted(range(len(axes)), key=axes.__getitem__))
        ),
    ),
    samples=(case((2, 3, 4), axes=(2, 0, 1)), case((3, 2), axes=(1, 0))),
    params=("axes",),
    batch=prepend_to_axes,
    view=True,
    code=lambda x, axes: (
        f"{x}.T" if axes == tuple(range(len(axes)))[::-1] else f"{x}.transpose({axes})"
    ),
)
expand_dims = linear(
    _expand_forward,
    "expand",
    "Axes of length 1 inserted.  ∂x: g in x's shape",
    name="expand_dims",
    vjp=(lambda g, y, x, axis: reshape(g, shape=x.shape),),
    samples=(case((2, 3), axis=(0, 2)), case((), axis=(0,))),
    params=("axis",),
    view=True,
    code=lambda x, axis: f"{x}[{_index_of_new_axes(axis)}]",
)
squeeze = linear(
    np.squeeze,
    "squeeze",
    "Axes of length 1 removed.  ∂x: g in x's shape",
    vjp=(lambda g, y, x, axis: reshape(g, shape=x.shape),),
    samples=(case((2, 1, 3, 1), axis=(1, 3)), case((1,), axis=(0,))),
    params=("axis",),
    view=True,
    code=lambda x, axis: f"{x}.squeeze({axis})",
)


def _resolve_shape(x: Any, shape: Any) -> tuple[int, ...]:
    """Return the target shape as a tuple of ints, with −1 worked out."""
    try:
        sizes = tuple(int(n) for n in shape) if np.iterable(shape) else (int(shape),)
    except (TypeError, ValueError) as error:
        raise ShapeError(f"reshape: {shape!r} is not a shape; expected ints") from error
    unknown = sizes.count(-1)
    known = math.prod(n for n in sizes if n != -1)
    fits = x.size == known if not unknown else known and x.size % known == 0
    if unknown > 1 or not fits:
        raise ShapeError(
            f"reshape: {x.size} elements of shape {x.shape} do not fit the shape {sizes}"
        )
    return tuple(x.size // known if n == -1 else n for n in sizes)


LAYOUT: Final = (
    "how the elements of an array lie in memory, which order='A' and 'K' ask for,",
    "give order='C' or 'F'",
)


@implements(np.reshape)
def reshape_function(
    a: Numbers, /, shape: object, order: str = "C", *, copy: bool | None = None
) -> Any:
    """Return the same elements in another shape; one size may be −1.  ∂a: g in a's shape."""
    if order not in ("C", "F", "A"):
        raise ArgumentError(f"reshape: order {order!r} is not known; expected 'C', 'F' or 'A'")
    if order == "A" and np.ndim(a) > 1:
        refuse_in_a_program(*LAYOUT)
    if order == "F" or (order == "A" and value_of(a).flags.fnc):
        reverse = _resolve_shape(a, shape)[::-1]
        return np.transpose(reshape(np.transpose(a), shape=reverse))
    return reshape(a, shape=_resolve_shape(a, shape))


@implements(np.ravel)
def ravel(a: Array, order: str = "C") -> Tensor:
    """Return all elements along one axis, for 'K' as they lie in memory.  ∂a: g in a's shape."""
    if order == "K":
        if np.ndim(a) > 1:
            refuse_in_a_program(*LAYOUT)
        strides, order = value_of(a).strides, "C"
        axes = sorted(range(a.ndim), key=lambda i: -abs(strides[i]))
        a = a if axes == list(range(a.ndim)) else np.transpose(a, axes)
    return reshape_function(a, (a.size,), order)


@implements(np.transpose, np.permute_dims)
def transpose_function(a: Array, axes: Sequence[int] | None = None) -> Tensor:
    """Put the axes in another order, by default reversed.  ∂a: g with the order undone."""
    if axes is None:
        axes = range(a.ndim)[::-1]
    try:
        return transpose(a, axes=normalize_axis_tuple(axes, a.ndim))
    except (ValueError, TypeError) as error:
        raise ShapeError(f"transpose: axes {axes} do not fit the shape {a.shape}") from error


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Numbers, /) -> Tensor:
    """Swap the last two axes.  ∂x: g with them swapped."""
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: Array, axis1: int, axis2: int) -> Tensor:
    """Exchange two axes.  ∂a: g with them exchanged."""
    first, second = axis_of("swapaxes", a, axis1), axis_of("swapaxes", a, axis2)
    order = list(range(a.ndim))
    order[first], order[second] = second, first
    return transpose(a, axes=tuple(order))


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """Move axes to new places, the others keeping their order.  ∂a: g with them moved back."""
    sources, places = places_of("moveaxis", a, source), places_of("moveaxis", a, destination)
    if len(sources) != len(places):
        raise ShapeError(
            f"moveaxis: {len(sources)} axes {source} cannot move to {len(places)} places "
            f"{destination} in the shape {a.shape}"
        )
    order = [i for i in range(a.ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return transpose(a, axes=tuple(order))


@implements(np.broadcast_to)
def broadcast_to_function(array: object, shape: Sequence[int] | int, subok: bool = False) -> Array:
    """Repeat along new and length-1 axes to a shape.  ∂array: g summed over the repeats."""
    return broadcast_to(array, shape=tuple(shape) if np.iterable(shape) else (int(shape),))


def common_shape(name: str, values: Any) -> tuple[int, ...]:
    """Return the shape to which all values broadcast."""
    shapes = [np.shape(v) for v in values]
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ShapeError(f"{name}: the shapes {shapes} do not broadcast together") from error


@implements(np.broadcast_arrays)
def broadcast_arrays(*arrays: object, subok: bool = False) -> tuple[object, ...]:
    """Repeat all of them to their common shape.  ∂arrays: g summed over the repeats."""
    shape = common_shape("broadcast_arrays", arrays)
    given = (check_operand(a) for a in arrays)
    return tuple(
        broadcast_to_function(a if hasattr(a, "dtype") else np.asarray(a)[()], shape) for a in given
    )


@implements(np.expand_dims)
def expand_dims_function(a: Array, axis: int | tuple[int, ...]) -> Tensor:
    """Insert axes of length 1 at these places of the result.  ∂a: g in a's shape."""
    places = axis if isinstance(axis, tuple) else (axis,)
    try:
        return expand_dims(a, axis=normalize_axis_tuple(places, a.ndim + len(places)))
    except ValueError as error:
        raise ShapeError(
            f"expand_dims: axis {axis} does not fit the shape {a.shape}: {error}"
        ) from error


@implements(np.squeeze)
def squeeze_function(a: Array, axis: Axis = None) -> Tensor:
    """Remove axes of length 1: these, or all of them.  ∂a: g in a's shape."""
    if axis is None:
        return squeeze(a, axis=tuple(i for i, n in enumerate(a.shape) if n == 1))
    return squeeze(a, axis=() if is_scalar_axis(a, axis) else places_of("squeeze", a, axis))


def _with_axes(fewest: int, doc: str, function: Callable[..., Array]) -> Rule:
    """Make a function that gives tensors some axes at least and enter it in the table."""

    @implements(function)
    def reshape_bound(*arys: object) -> Any:
        results = []
        for a in map(check_operand, arys):
            x = a if isinstance(a, Tensor) else plain_array(a)
            shape = tuple(x.shape)
            if fewest == 3 and 0 < len(shape) < 3:  # a vector lies in the middle
                shape = (1, *shape, 1)[len(shape) - 1 :]
            shape = (1,) * (fewest - len(shape)) + shape
            results.append(x if shape == x.shape else reshape_function(x, shape))
        return results[0] if len(results) == 1 else tuple(results)

    reshape_bound.__name__, reshape_bound.__doc__ = (
        function.__name__,
        f"{doc}  ∂: g in the old shape.",
    )
    return reshape_bound


atleast_1d = _with_axes(1, "Give 0-d tensors one axis.", np.atleast_1d)
atleast_2d = _with_axes(2, "Give tensors two axes at least, new ones in front.", np.atleast_2d)
atleast_3d = _with_axes(3, "Give tensors three axes at least, a vector the middle.", np.atleast_3d)


@implements(np.meshgrid)
def meshgrid(
    *xi: Numbers, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[object, ...]:
    """Repeat vectors to a grid, one axis each.  ∂xi: g summed over the other axes.

    Raises:
        ArgumentError: for another indexing than 'xy' and 'ij'.
    """
    if indexing not in ("xy", "ij"):
        raise ArgumentError(f"meshgrid: indexing {indexing!r} is not known; expected 'xy' or 'ij'")
    vectors = [ravel(check_operand(x) if np.ndim(x) else np.reshape(x, (1,))) for x in xi]
    places = list(range(len(vectors)))
    if indexing == "xy" and len(vectors) > 1:
        places[:2] = [1, 0]
    lines = [
        reshape_function(v, tuple(-1 if i == place else 1 for i in range(len(vectors))))
        for v, place in zip(vectors, places, strict=True)
    ]
    return tuple(lines) if sparse else broadcast_arrays(*lines)
