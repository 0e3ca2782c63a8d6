"""Functions of yours along axes or on parts of the elements: each call is recorded."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import plain_array
from ..core.primitive import implements
from ..core.record import scope
from ..core.tensor import Tensor
from ..errors import ArgumentError, ShapeError
from .axes import axis_of
from .conversion import convert_operand
from .indexing import set_at
from .reductions import subject


@implements(np.apply_along_axis)
@scope("apply_along_axis")
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function of one-dimensional slices and join what it returns.  ∂arr: the function's.

    Raises:
        ShapeError: if there are no slices.
    """
    x = subject(arr)
    axis = axis_of("apply_along_axis", x, axis)
    outer = tuple(n for i, n in enumerate(x.shape) if i != axis)
    slices = np.reshape(np.moveaxis(x, axis, -1), (-1, x.shape[axis])) if x.size else x[:0]
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
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
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
                f"{axis} of {x.shape}; expected one axis less, or as many"
            )
        x = y
    return x


@implements(np.piecewise)
@scope("piecewise")
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    """Put on the elements of each condition what its function returns for them.

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
            f"piecewise: {len(functions)} functions for {len(conditions)} conditions; expected as "
            "many, or one more for the rest"
        )
    y = np.zeros_like(x)
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
