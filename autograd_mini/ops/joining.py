"""Joining tensors and taking them apart: concatenate and stack, split and unstack; np.pad.

The modes of `np.pad` that repeat elements are one gather; a constant is one assignment; what is
computed from the elements goes on one axis after the other, as in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import index
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers, plain_array
from ..core.primitive import Rule, case, implements, linear
from ..core.record import check_operand, scope, value_of
from ..core.source_text import Written
from ..core.table import numpy_functions
from ..core.tensor import Tensor
from ..errors import ArgumentError, OperandError, ShapeError, UnsupportedError
from .checks import axis_of, slice_along, whole_number
from .conversion import convert_operand
from .indexing import ARRAY, getitem, replace
from .rearranging import plain_value
from .reductions import subject
from .shapes import moveaxis


def _concatenate_rule(g: Array, y: Array, *xs: Array, axis: int) -> list[Array]:
    """∂xᵢ: the part of g that came from xᵢ."""
    ends = np.cumsum([x.shape[axis] for x in xs])
    return [
        g[slice_along(axis, int(end) - x.shape[axis], int(end))]
        for x, end in zip(xs, ends, strict=True)
    ]


concatenate = linear(
    lambda *xs, axis: np.concatenate(xs, axis=axis),
    "concat",
    "Tensors joined along an axis.  ∂xᵢ: its part of g",
    name="concatenate",
    vjp=_concatenate_rule,
    samples=(case((2, 3), (1, 3), axis=0), case((2, 1), (2, 0), (2, 2), axis=1)),
    params=("axis",),
)
stack = linear(
    lambda *xs, axis: np.stack(xs, axis=axis),
    "stack",
    "Tensors of one shape joined along a new axis.  ∂xᵢ: its slice of g",
    name="stack",
    vjp=lambda g, y, *xs, axis: [g[(*(slice(None),) * axis, i)] for i in range(len(xs))],
    samples=(case((2, 3), (2, 3), axis=1), case((), (), (), axis=0)),
    params=("axis",),
)


def _split_code(x: Written, places: tuple[int, ...], axis: int) -> str | None:
    """Write the parts as slices, for places in order."""
    ends = (0, *places)
    if any(a > b for a, b in zip(ends, ends[1:], strict=False)):
        return None
    before = ":, " * axis
    stops = [*map(str, places), ""]
    starts = ["", *map(str, places)]
    parts = [f"{x}[{before}{a}:{b}]" for a, b in zip(starts, stops, strict=True)]
    return f"({', '.join(parts)},)"


split = linear(
    lambda x, *, places, axis: tuple(np.split(x, places, axis=axis)),
    "split",
    "Consecutive parts along an axis.  ∂x: the cotangents of the parts, joined",
    name="split",
    vjp=(lambda g, y, x, places, axis: concatenate(*g, axis=axis),),
    samples=(case((5, 2), places=(2, 3), axis=0), case((2, 4), places=(4,), axis=1)),
    params=("places", "axis"),
    multiple=True,
    view=True,
    code=_split_code,
)
unstack = linear(
    lambda x, *, axis: tuple(np.moveaxis(x, axis, 0)),  # np.unstack came with NumPy 2.1
    "unstack",
    "The slices along an axis.  ∂x: the cotangents of the slices, stacked",
    name="unstack",
    vjp=(lambda g, y, x, axis: stack(*g, axis=axis) if g else np.zeros_like(x),),
    samples=(case((3, 2), axis=0), case((2, 3), axis=1)),
    params=("axis",),
    multiple=True,
    view=True,
    code=lambda x, axis: f"tuple({x})" if len(x.shape) == 1 else None,
)


def _common_axis(name: str, arrays: Sequence[object], axis: int, extra: int = 0) -> int:
    """Check that there is something to join, and normalise the axis."""
    if not arrays:
        raise ShapeError(f"{name}: expected at least one tensor, got none")
    return axis_of(name, np.asarray(value_of(arrays[0])), axis, extra)


def _cast_to(parts: list[Array], dtype: Any = None, casting: Any = "same_kind") -> list[Array]:
    """Convert the parts to the requested dtype, if one is given.

    Raises:
        OperandError: if the casting rule forbids it.
    """
    if dtype is None:
        return parts
    for part in parts:
        if not np.can_cast(np.result_type(value_of(part)), dtype, casting):
            raise OperandError(
                f"joining: {np.result_type(value_of(part))} does not become {np.dtype(dtype)} by "
                f"the rule {casting!r}; convert it with .astype, or give casting='unsafe'"
            )
    return [convert_operand(part, dtype) for part in parts]


@implements(np.concatenate, np.concat)
def concatenate_function(
    arrays: Iterable[object], /, axis: int | None = 0, out: None = None, **cast: Any
) -> Array:
    """Join tensors along an axis; None flattens them first.  ∂arrays: each its part of g."""
    parts = [check_operand(a) for a in arrays]
    if axis is None:
        parts, axis = [np.ravel(a) for a in parts], 0
    parts = _cast_to(parts, **cast)
    return concatenate(*parts, axis=_common_axis("concatenate", parts, axis))


@implements(np.stack)
def stack_function(arrays: Iterable[object], axis: int = 0, out: None = None, **cast: Any) -> Array:
    """Join tensors of one shape along a new axis.  ∂arrays: each its slice of g."""
    parts = _cast_to([check_operand(a) for a in arrays], **cast)
    return stack(*parts, axis=_common_axis("stack", parts, axis, 1))


@implements(np.vstack)
def vstack(tup: Iterable[object], **cast: object) -> Array:
    """Join along the first axis, vectors as rows.  ∂: each its part of g."""
    rows = [np.atleast_2d(check_operand(a)) for a in tup]
    return concatenate_function(rows, 0, **cast)


@implements(np.hstack)
def hstack(tup: Iterable[object], **cast: object) -> Array:
    """Join along the second axis, vectors along their only one.  ∂: each its part of g."""
    parts = [np.atleast_1d(check_operand(a)) for a in tup]
    return concatenate_function(parts, 0 if parts and parts[0].ndim == 1 else 1, **cast)


@implements(np.dstack)
def dstack(tup: Iterable[object]) -> Array:
    """Join along the third axis, which is made where there are two.  ∂: each its part of g."""
    return concatenate_function([np.atleast_3d(check_operand(a)) for a in tup], 2)


@implements(np.column_stack)
def column_stack(tup: Iterable[object]) -> Array:
    """Join along the second axis, vectors as columns.  ∂: each its part of g."""
    parts = [check_operand(a) for a in tup]
    return concatenate_function([a if np.ndim(a) > 1 else np.reshape(a, (-1, 1)) for a in parts], 1)


def _ascending(places: Any, size: int) -> tuple[int, ...]:
    """Return the places of cuts, which must not fall, counted from the start and inside.

    NumPy's parts of falling places overlap, so that no rule could join their cotangents.
    """
    message = "split: places must be integers, got {!r:.60}"
    found = [whole_number(i, message, ShapeError) for i in places]
    inside = tuple(min(max(i + size if i < 0 else i, 0), size) for i in found)
    if list(inside) != sorted(inside):
        raise ShapeError(
            f"split: the places {found} of an axis of length {size} do not ascend, so the parts "
            "would overlap; slice the tensor instead"
        )
    return inside


def _number_of_parts(sections: Any) -> int:
    """Return how many parts are wanted."""
    message = "split: the number of parts must be an int, got {!r}"
    parts = whole_number(sections, message, ShapeError)
    if parts < 1:
        raise ShapeError(f"split: the number of parts must be positive, got {parts}")
    return parts


@implements(np.split)
def split_function(
    ary: Array, indices_or_sections: int | Sequence[int], axis: int = 0
) -> list[Array]:
    """Cut into equal parts (an int) or at these places (a sequence).  ∂: the parts' g, joined."""
    ary = check_operand(ary)
    size = ary.shape[axis_of("split", ary, axis)]
    if not np.ndim(indices_or_sections) and size % _number_of_parts(indices_or_sections):
        raise ShapeError(
            f"split: {size} rows do not divide into {indices_or_sections} equal parts; "
            "use np.array_split"
        )
    return array_split(ary, indices_or_sections, axis)


@implements(np.array_split)
def array_split(ary: Array, indices_or_sections: Numbers, axis: int = 0) -> list[Array]:
    """Cut into nearly equal parts, longer ones first, or at places.  ∂: the parts' g, joined."""
    ary = check_operand(ary)
    axis = axis_of("split", ary, axis)
    if np.ndim(indices_or_sections):
        places = _ascending(indices_or_sections, ary.shape[axis])
    else:
        size, parts = ary.shape[axis], _number_of_parts(indices_or_sections)
        lengths = [size // parts + (i < size % parts) for i in range(parts)]
        places = tuple(int(i) for i in np.cumsum(lengths)[:-1])
    return list(split(ary, places=places, axis=axis))


@implements("unstack", *numpy_functions("unstack"))
def unstack_function(x: Numbers, /, *, axis: int = 0) -> tuple[Array, ...]:
    """Return the slices along an axis: one operation.  ∂x: the slices' g, stacked."""
    return unstack(x, axis=axis_of("unstack", x, axis))


def _split_along(function: Callable[..., object], axis: int, fewest: int) -> Rule:
    """Make a function that cuts along one axis and enter it in the table."""
    name = function.__name__

    @implements(function)
    def cut(ary: Array, indices_or_sections: int | Sequence[int]) -> Array:
        ary = check_operand(ary)
        if np.ndim(ary) < fewest:
            raise ShapeError(f"{name}: expected {fewest} axes or more, got the shape {ary.shape}")
        return split_function(ary, indices_or_sections, axis if np.ndim(ary) > 1 else 0)

    cut.__name__, cut.__doc__ = name, f"Cut along axis {axis}.  ∂: the parts' g, joined."
    return cut


hsplit = _split_along(np.hsplit, 1, 1)
vsplit = _split_along(np.vsplit, 0, 2)
dsplit = _split_along(np.dsplit, 2, 3)


def _depth_of(arrays: Any) -> tuple[int, int]:
    """Return how deep lists are nested, and the largest number of axes of their items.

    Raises:
        ShapeError: if the lists are nested unevenly, or one is empty.
    """
    if not isinstance(arrays, list):
        return 0, np.ndim(arrays)
    found = [_depth_of(a) for a in arrays]
    if len({depth for depth, _ in found}) != 1:
        raise ShapeError("block: the lists are nested unevenly, or one is empty")
    return found[0][0] + 1, max(ndim for _, ndim in found)


@implements(np.block)
@scope("block")
def block(arrays: object) -> Array:
    """Put a matrix together from blocks: innermost lists join along the last axis, and so on.

    ∂arrays: each its part of g.
    """
    depth, most = _depth_of(arrays)
    ndim = max(depth, most)

    def join(part: Any, level: int) -> Array:
        if level == depth:
            x = check_operand(part)
            return np.reshape(x, (1,) * (ndim - np.ndim(x)) + np.shape(x))
        return concatenate_function([join(p, level + 1) for p in part], level - depth)

    return join(arrays, 0)


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


def _widths(x: Array, pad_width: Any) -> Widths:
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
            f"pad: the widths {pad_width!r:.60} do not fit the shape {x.shape}; give one width, a "
            "pair, or a pair for each axis"
        ) from error
    try:
        found = [(index(before), index(after)) for before, after in pairs]
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


def _pairs_of(name: str, values: object, x: Array) -> Array:
    """Return values for before and behind of each axis, in the dtype of x.

    Raises:
        ShapeError: if they are for another number of axes.
    """
    given = _join_nested(values)
    try:
        pairs = np.broadcast_to(given, (x.ndim, 2))
    except (ValueError, ShapeError) as error:
        raise ShapeError(
            f"pad: {name} of shape {np.shape(given)} do not fit the shape {x.shape}; give one, a "
            "pair, or a pair for each axis"
        ) from error
    return convert_operand(pairs, x.dtype)


def _repeating(x: Array, width: Widths, mode: str) -> Array:
    """Put elements around again: each of the result is one of x's."""
    places = []
    for n, pair in zip(x.shape, width, strict=True):
        if not n and any(pair):
            raise ShapeError(f"pad: there is nothing to repeat in the shape {x.shape}")
        places.append(np.pad(np.arange(n), pair, mode=mode) if n else np.arange(0))  # type: ignore[call-overload]
    return getitem(x, *np.ix_(*places), index=(ARRAY,) * x.ndim)


def around(x: Array, axis: int, before: Array, after: Array) -> Array:
    """Join the non-empty parts before and after along an axis."""
    parts = [part for part in (before, x, after) if part.shape[axis]]
    return np.concatenate(parts, axis=axis) if len(parts) > 1 else x


def _repeat_axis(x: Array, axis: int, n: int) -> Array:
    """Repeat what has length 1 along an axis."""
    return np.broadcast_to(x, tuple(n if i == axis else m for i, m in enumerate(x.shape)))


def constant(x: Array, width: Widths, values: Numbers) -> Array:
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


def ramp(x: Array, width: Widths, values: Numbers) -> Array:
    """Go from the element at the edge straight to an end value."""
    pairs = _pairs_of("end_values", values, x)
    if x.dtype.kind == "b":  # what is not 0 is True
        return ramp(convert_operand(x, float), width, convert_operand(pairs, float)) != 0
    whole = x.dtype.kind in "iu"
    for axis, (before, after) in enumerate(width):
        sides = []
        for end, n in ((0, before), (1, after)):
            edge = x[slice_along(axis, 0, 1) if end == 0 else slice_along(axis, -1, None)]
            share = np.arange(n) / max(n, 1)
            share = np.reshape(
                share if end == 0 else share[::-1], [-1 if i == axis else 1 for i in range(x.ndim)]
            )
            far = pairs[axis, end]
            side = far + (edge - far) * (share if whole else share.astype(np.real(x).dtype))
            sides.append(np.floor(side).astype(x.dtype) if whole else side)
        x = around(x, axis, *sides)
    return x


def _statistic(x: Array, width: Widths, mode: str, stat_length: object) -> Array:
    """Put a statistic of the elements near each edge around."""
    lengths = np.broadcast_to(np.asarray(stat_length, object), (x.ndim, 2))
    for axis, pair in enumerate(width):
        n, sides = x.shape[axis], []
        for end in (0, 1):
            near = n if lengths[axis, end] is None else min(n, index(lengths[axis, end]))
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


def odd(x: Array, width: Widths, mode: str) -> Array:
    """Reflect through the points at the edges: a matrix along each axis, which NumPy tells us."""
    for axis, pair in enumerate(width):
        if not any(pair):
            continue
        unit = np.eye(x.shape[axis], dtype=x.dtype if x.dtype.kind != "c" else np.real(x).dtype)
        matrix = np.pad(unit, (pair, (0, 0)), mode=mode, reflect_type="odd")  # type: ignore[call-overload]
        x = moveaxis(np.matmul(moveaxis(x, axis, -1), matrix.T), -1, axis)
    return x


@implements(np.pad)
@scope("pad")
def pad(array: Numbers, pad_width: object, mode: object = "constant", **kwargs: Any) -> Array:
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
