"""np.pad: the values around an array, by mode.

Modes that repeat elements are one gather; a constant is one assignment; what is computed from the
elements goes on one axis after the other, as in NumPy.
"""

from __future__ import annotations

from operator import index as integer
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.arrays import plain_array
from ..core.primitive import implements
from ..core.record import scope
from ..core.tensor import Tensor
from ..errors import ArgumentError, ShapeError, UnsupportedError
from .conversion import convert_operand
from .index_batching import ARRAY
from .indexing import getitem, replace
from .joining import slice_along
from .rearranging import plain_value
from .reductions import subject

if TYPE_CHECKING:
    from ..core.arrays import Array, Numbers

Widths = list[tuple[int, int]]

OPTIONS = {
    "constant": ("constant_values",),
    "edge": (),
    "linear_ramp": ("end_values",),
    "maximum": ("stat_length",),
    "mean": ("stat_length",),
    "median": ("stat_length",),
    "minimum": ("stat_length",),
    "reflect": ("reflect_type",),
    "symmetric": ("reflect_type",),
    "wrap": (),
}
"""Mode → the keywords that it takes."""

STATISTICS: dict[str, Any] = {
    "maximum": np.max,
    "minimum": np.min,
    "mean": np.mean,
    "median": np.median,
}


def _widths(x: Any, pad_width: Any) -> Widths:
    """Return how much is put before and behind, for each axis.

    Raises:
        ArgumentError: for widths that are negative or no integers.
        ShapeError: if they are for another number of axes.
    """
    pad_width = plain_value("np.pad", pad_width)
    if isinstance(pad_width, dict):
        given: Any = [(0, 0)] * x.ndim
        for axis, width in pad_width.items():
            given[axis] = width if np.iterable(width) else (width, width)
        pad_width = given
    try:
        pairs = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).tolist()
    except ValueError as error:
        raise ShapeError(
            f"pad: the widths {pad_width!r:.60} do not fit the {x.ndim} axes of the shape {x.shape}"
        ) from error
    try:
        found = [(integer(before), integer(after)) for before, after in pairs]
    except TypeError as error:
        raise ArgumentError(f"pad: widths must be integers, got {pad_width!r:.60}") from error
    if any(n < 0 for pair in found for n in pair):
        raise ArgumentError(f"pad: widths must be 0 or more, got {pad_width!r:.60}; slice instead")
    return found


def _join_nested(values: object) -> Array:
    """Return nested sequences that contain tensors as one tensor."""
    if isinstance(values, (list, tuple)):
        return np.stack(np.broadcast_arrays(*map(_join_nested, values)))
    return values if isinstance(values, Tensor) else plain_array(values)


def _pairs_of(name: str, values: object, x: Any) -> Array:
    """Return values for before and behind of each axis, in the dtype of x.

    Raises:
        ShapeError: if they are for another number of axes.
    """
    given = _join_nested(values)
    try:
        pairs = np.broadcast_to(given, (x.ndim, 2))
    except (ValueError, ShapeError) as error:
        raise ShapeError(
            f"pad: {name} of shape {np.shape(given)} do not fit the {x.ndim} axes of the shape "
            f"{x.shape}; give one, a pair, or a pair for each axis"
        ) from error
    return convert_operand(pairs, x.dtype)


def _repeating(x: Any, width: Widths, mode: str) -> Tensor:
    """Put elements around again: each of the result is one of x's."""
    places = []
    for n, pair in zip(x.shape, width, strict=True):
        if not n and any(pair):
            raise ShapeError(f"pad: there is nothing to repeat in the shape {x.shape}")
        places.append(np.pad(np.arange(n), pair, mode=mode) if n else np.arange(0))  # type: ignore[call-overload]
    return getitem(x, *np.ix_(*places), index=(ARRAY,) * x.ndim)


def around(x: Any, axis: int, before: Any, after: Any) -> Any:
    """Join the non-empty parts before and after along an axis."""
    parts = [part for part in (before, x, after) if part.shape[axis]]
    return np.concatenate(parts, axis=axis) if len(parts) > 1 else x


def _repeat_axis(x: Any, axis: int, n: int) -> Any:
    """Repeat what has length 1 along an axis."""
    return np.broadcast_to(x, tuple(n if i == axis else m for i, m in enumerate(x.shape)))


def constant(x: Any, width: Widths, values: Numbers) -> Any:
    """Put a constant around."""
    pairs = _pairs_of("constant_values", values, x)
    if not isinstance(pairs, Tensor):
        border = np.pad(np.zeros(x.shape, x.dtype), width, constant_values=pairs)
        inside = tuple(slice(a, a + n) for (a, _), n in zip(width, x.shape, strict=True))
        return replace(border, x, index=inside)
    for axis, (before, after) in enumerate(width):
        one = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
        ends = [np.broadcast_to(pairs[axis, end], one) for end in (0, 1)]
        x = around(x, axis, _repeat_axis(ends[0], axis, before), _repeat_axis(ends[1], axis, after))
    return x


def ramp(x: Any, width: Widths, values: Numbers) -> Any:
    """Go from the element at the edge straight to an end value."""
    pairs = _pairs_of("end_values", values, x)
    if x.dtype.kind == "b":  # what is not 0 is True
        return ramp(convert_operand(x, float), width, convert_operand(pairs, float)) != 0
    whole = x.dtype.kind in "iu"
    for axis, (before, after) in enumerate(width):
        sides = []
        for end, n in ((0, before), (1, after)):
            edge = x[slice_along(axis, 0, 1) if end == 0 else slice_along(axis, -1, None)]  # type: ignore[arg-type]
            share = np.arange(n) / max(n, 1)
            share = np.reshape(
                share if end == 0 else share[::-1], [-1 if i == axis else 1 for i in range(x.ndim)]
            )
            far = pairs[axis, end]
            side = far + (edge - far) * (share if whole else share.astype(np.real(x).dtype))
            sides.append(np.floor(side).astype(x.dtype) if whole else side)
        x = around(x, axis, *sides)
    return x


def _statistic(x: Any, width: Widths, mode: str, stat_length: object) -> Any:
    """Put a statistic of the elements near each edge around."""
    lengths = np.broadcast_to(np.asarray(stat_length, object), (x.ndim, 2))
    for axis, pair in enumerate(width):
        n, sides = x.shape[axis], []
        for end in (0, 1):
            near = n if lengths[axis, end] is None else min(n, integer(lengths[axis, end]))
            if near < 1 and pair[end]:
                raise ArgumentError(
                    f"pad: {mode} of {near} elements along axis {axis} of the shape {x.shape}; "
                    "stat_length is 1 at least"
                )
            part = x[slice_along(axis, 0, near) if end == 0 else slice_along(axis, n - near, n)]
            side = (
                STATISTICS[mode](part, axis=axis, keepdims=True)
                if pair[end]
                else part[slice_along(axis, 0, 1)]
            )
            if x.dtype.kind in "iu" and mode in ("mean", "median"):
                side = np.round(side)
            sides.append(_repeat_axis(convert_operand(side, x.dtype), axis, pair[end]))
        x = around(x, axis, *sides)
    return x


def odd(x: Any, width: Widths, mode: str) -> Any:
    """Reflect through the points at the edges: a matrix along each axis, which NumPy tells us."""
    for axis, pair in enumerate(width):
        if not any(pair):
            continue
        unit = np.eye(x.shape[axis], dtype=x.dtype if x.dtype.kind != "c" else np.real(x).dtype)
        matrix = np.pad(unit, (pair, (0, 0)), mode=mode, reflect_type="odd")  # type: ignore[call-overload]
        x = np.moveaxis(np.matmul(np.moveaxis(x, axis, -1), matrix.T), -1, axis)
    return x


@implements(np.pad)
@scope("pad")
def pad(array: Numbers, pad_width: object, mode: object = "constant", **kwargs: Any) -> Any:
    """Put something around the elements.  ∂array: g at each element, and where it was put again.

    Raises:
        ArgumentError: for an unknown mode, or a keyword that it does not take.
        UnsupportedError: for the mode "empty", and for a function, which would write in place.
    """
    x = subject(array)
    if callable(mode) or mode == "empty":
        raise UnsupportedError(
            f"pad: the mode {mode!r:.40} of a tensor is not recorded; use 'constant', or "
            "np.concatenate with what you compute"
        )
    if mode not in OPTIONS:
        raise ArgumentError(
            f"pad: mode {mode!r} is not known; expected one of {', '.join(OPTIONS)}"
        )
    unknown = kwargs.keys() - set(OPTIONS[mode])
    if unknown:
        raise ArgumentError(f"pad: the mode {mode!r} does not take {', '.join(sorted(unknown))}")
    width = _widths(x, pad_width)
    if not x.ndim or not any(n for pair in width for n in pair):
        return np.copy(x)
    if mode == "constant":
        return constant(x, width, kwargs.get("constant_values", 0))
    if mode == "linear_ramp":
        return ramp(x, width, kwargs.get("end_values", 0))
    if mode in STATISTICS:
        return _statistic(x, width, mode, kwargs.get("stat_length"))
    if kwargs.get("reflect_type", "even") == "odd":
        return odd(x, width, mode)
    return _repeating(x, width, mode)
