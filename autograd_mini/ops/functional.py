"""Functions of functions: ufunc.reduce, accumulate, outer; apply_along_axis; piecewise.

Sums, products and extremes are the functions of those names; other ufuncs are folded over the rows,
one operation each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers, plain_array
from ..core.primitive import implements
from ..core.record import check_operand, scope
from ..core.table import Axis, table
from ..core.tensor import Tensor
from ..errors import ArgumentError, ShapeError, UnsupportedError
from .checks import axes_of, axis_of, is_scalar_axis, single_axis, slice_along
from .conversion import convert_operand, stop_gradient
from .indexing import set_at
from .norms import length
from .reductions import max as largest
from .reductions import running_extreme, subject
from .selection import where as chosen
from .shapes import moveaxis
from .unsupported import CURE

WHOLE: dict[Any, Any] = {
    np.add: np.sum,
    np.multiply: np.prod,
    np.maximum: np.max,
    np.minimum: np.min,
    np.logical_and: np.all,
    np.logical_or: np.any,
}
"""The functions that the method `reduce` of these ufuncs is."""


def _fold_rows(
    ufunc: Callable[..., object], x: Array, axis: int, initial: Array | None = None
) -> list[Array]:
    """Return the results so far of a ufunc over the rows along an axis."""
    rows = list(table["unstack"](x, axis=axis)) if x.shape[axis] else []
    if initial is not None:
        rows.insert(0, initial)
    results = rows[:1]
    for row in rows[1:]:
        results.append(table[ufunc](results[-1], row))
    return results


def _reduce_ufunc(
    ufunc: np.ufunc,
    array: Tensor,
    axis: Axis = 0,
    dtype: np.typing.DTypeLike | None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: object = True,
) -> Array:
    """Compute `ufunc.reduce`.  ∂x: as of the ufunc, step by step."""
    x = subject(array, dtype)
    if ufunc in WHOLE:
        given = {"keepdims": keepdims, "where": where}
        if initial is not None and ufunc not in (np.logical_and, np.logical_or):
            given["initial"] = initial
        return table[WHOLE[ufunc]](x, axis=axis, **given)
    name = f"{ufunc.__name__}.reduce"
    if where is not True:
        raise UnsupportedError(
            f"np.{name} of a tensor takes no mask `where`; use np.where on the tensor first"
        )
    if is_scalar_axis(x, axis):
        return x if initial is None else table[ufunc](initial, x)
    axes = axes_of(name, x, axis)
    if len(axes) != 1:
        raise ShapeError(
            f"np.{name} of a tensor goes along one axis, got axis={axis} for the shape {x.shape}; "
            "reduce one axis after the other"
        )
    if initial is None and not x.shape[axes[0]] and ufunc.identity is not None:
        initial = np.asarray(ufunc.identity, x.dtype)[()]
    if ufunc is np.hypot and initial is None and x.shape[axes[0]] > 1 and x.dtype.kind == "f":
        return _scaled_length(x, axes, bool(keepdims))
    results = _fold_rows(ufunc, x, axes[0], initial)
    if not results:
        raise ShapeError(f"np.{name}: there is nothing along axis {axis} of the shape {x.shape}")
    kept = tuple(n for i, n in enumerate(x.shape) if i != axes[0])
    y = np.broadcast_to(results[-1], kept) if np.shape(results[-1]) != kept else results[-1]
    return np.expand_dims(y, axes) if keepdims else y


def _scaled_length(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Compute the Euclidean length, without overflow; step by step it has a kink at each 0."""
    size = stop_gradient(largest(np.abs(x), axes, keepdims=True))
    size = chosen((size == 0) | ~np.isfinite(size), 1, size)
    y = size * length(x / size, axis=axes, keepdims=True)
    return y if keepdims else np.squeeze(y, axis=axes)


def _accumulate_ufunc(
    ufunc: Callable[..., object], array: Tensor, axis: int = 0, dtype: object = None
) -> Array:
    """Compute `ufunc.accumulate`.  ∂x: as of the ufunc, step by step."""
    x = subject(array, dtype)
    axis = axis_of(f"{ufunc.__name__}.accumulate", x, single_axis(axis))
    if ufunc in (np.add, np.multiply):
        return table[np.cumsum if ufunc is np.add else np.cumprod](x, axis)
    if ufunc in (np.maximum, np.minimum):
        return running_extreme(x, axis, extreme=ufunc.__name__)
    return np.stack(_fold_rows(ufunc, x, axis), axis=axis) if x.shape[axis] else x


def _reduced_at(
    ufunc: np.ufunc, array: object, indices: Any, axis: int = 0, dtype: object = None
) -> Array:
    """Compute `ufunc.reduceat`: reduce from each place to the next one, or take the one there."""
    x = subject(array, dtype)
    axis = axis_of(f"{ufunc.__name__}.reduceat", x, axis)
    places = [int(i) for i in indices]
    ends = [*places[1:], x.shape[axis]]
    parts = [
        _reduce_ufunc(ufunc, x[slice_along(axis, start, end)], axis)
        if start < end
        else table[np.take](x, start, axis)
        for start, end in zip(places, ends, strict=True)
    ]
    return np.stack(parts, axis=axis)


def outer(ufunc: object, a: object, b: object, dtype: object = None) -> Array:
    """Compute `ufunc.outer`: each element of a with each of b.  ∂: as of the ufunc, summed."""
    a, b = (check_operand(x) if dtype is None else convert_operand(x, dtype) for x in (a, b))
    return table[ufunc](np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b)


METHODS: dict[str, Any] = {
    "reduce": _reduce_ufunc,
    "accumulate": _accumulate_ufunc,
    "reduceat": _reduced_at,
    "outer": outer,
}


def call_method(
    ufunc: Any, method: str, inputs: tuple[object, ...], kwargs: dict[str, Any]
) -> Array:
    """Call a method of a ufunc, or say what to write instead."""
    name = f"np.{ufunc.__name__}"
    if method == "at":
        raise UnsupportedError(
            f"{name}.at(a, index, b) changes an array in place, which is not recorded; write "
            f"a = am.set_at(a, index, {name}(a[index], b)) if each place is named once, and "
            "np.bincount(index, weights=b) or a sum for repeated ones"
        )
    if ufunc not in table or ufunc.nin != 2 or ufunc.nout != 1:
        raise UnsupportedError(f"{name}.{method} of a tensor is not recorded; {CURE}")
    if any(given is not None for given in kwargs.pop("out", None) or ()):
        raise UnsupportedError(
            f"{name}.{method}(…, out=…) of a tensor is not recorded; write y = {name}.{method}(…)"
        )
    return METHODS[method](ufunc, *inputs, **kwargs)


@implements(np.apply_along_axis)
@scope("apply_along_axis")
def apply_along_axis(
    func1d: Callable[..., Array], axis: int, arr: object, *args: object, **kwargs: object
) -> Array:
    """Call a function of one-dimensional slices and join what it returns.  ∂arr: the function's.

    Raises:
        ShapeError: if there are no slices.
    """
    x = subject(arr)
    axis = axis_of("apply_along_axis", x, axis)
    outer = tuple(n for i, n in enumerate(x.shape) if i != axis)
    slices = np.reshape(moveaxis(x, axis, -1), (-1, x.shape[axis])) if x.size else x[:0]
    if not len(slices):
        raise ShapeError(f"apply_along_axis: there are no slices in the shape {x.shape}")
    results = [func1d(row, *args, **kwargs) for row in slices]
    results = [r if isinstance(r, Tensor) else np.asarray(r) for r in results]
    inner = results[0].shape
    joined = np.reshape(np.stack(results), outer + inner)
    if not inner:
        return joined
    places = range(axis, axis + len(inner))
    return np.moveaxis(joined, range(len(outer), joined.ndim), places)


@implements(np.apply_over_axes)
@scope("apply_over_axes")
def apply_over_axes(func: Callable[..., Array], a: Numbers, axes: int | Sequence[int]) -> Array:
    """Call `func(a, axis)` for one axis after the other.  ∂a: the function's.

    Raises:
        ShapeError: if the function returns another number of axes.
    """
    x = subject(a)
    ndim = x.ndim
    for axis in np.ravel(axes).tolist():
        y = func(x, axis_of("apply_over_axes", x, axis))
        y = y if np.ndim(y) == ndim else np.expand_dims(y, axis)
        if np.ndim(y) != ndim:
            raise ShapeError(
                f"apply_over_axes: the function returned the shape {np.shape(y)} for the axis "
                f"{axis} of {x.shape}; expected one axis less, or the same number"
            )
        x = y
    return x


@implements(np.piecewise)
@scope("piecewise")
def piecewise(x: Numbers, condlist: Any, funclist: Any, *args: object, **kw: object) -> Array:
    """Apply each function to the elements that meet its condition.

    Each function sees its own elements only. ∂x: that of the function.

    Raises:
        ArgumentError: if there are not as many functions as conditions, or one more.
    """
    x = subject(x)
    single = not np.ndim(condlist) if not isinstance(condlist, (list, tuple)) else not condlist
    single = single or (x.ndim != 0 and not np.ndim(condlist[0]))
    conditions = [condlist] if single else list(condlist)
    conditions = [c if isinstance(c, Tensor) else plain_array(c) for c in conditions]
    conditions = [c if c.dtype.kind == "b" else c.astype(bool) for c in conditions]
    functions = list(funclist)
    if len(functions) == len(conditions) + 1:
        taken = conditions[0]
        for condition in conditions[1:]:
            taken = np.logical_or(taken, condition)
        conditions.append(np.logical_not(taken))
    if len(functions) != len(conditions):
        raise ArgumentError(
            f"piecewise: {len(functions)} functions for {len(conditions)} conditions; expected "
            "equal numbers, or one more function for the rest"
        )
    y: Array = np.zeros_like(x)
    for condition, function in zip(conditions, functions, strict=True):
        mask = np.broadcast_to(condition, x.shape)
        value: Any = function
        if callable(function):
            own = x[mask]
            if not own.size:
                continue
            value = function(own, *args, **kw)
        tracked = isinstance(value, Tensor) and value.requires_grad  # set_at refuses to cut it off
        y = set_at(y, mask, value if tracked else convert_operand(value, x.dtype))
    return y
