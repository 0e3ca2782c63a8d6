"""Sampled functions: linspace and its kin; differences, gradients, integrals, interpolation.

The ends of a range may be tensors.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.primitive import Rule, case, general, implements
from ..core.record import check_operand, result_dtype, scope, value_of
from ..core.table import Axis, numpy_functions
from ..core.tensor import Tensor
from ..errors import ArgumentError, OperandError, ShapeError, UnsupportedError
from .checks import axis_of, implements_by_name, places_of, single_axis, slice_along
from .conversion import astype, convert_operand
from .products import floating, tensor_like
from .rearranging import plain_value, take
from .reductions import cumprod, cumsum
from .selection import where
from .shapes import common_shape, moveaxis

# NumPy's stubs want a literal retstep and known dtypes.
plain_linspace: Any = np.linspace
plain_logspace: Any = np.logspace
plain_geomspace: Any = np.geomspace


def places(name: str, start: Numbers, stop: Numbers, num: int, endpoint: bool) -> np.ndarray:
    """Return how far each number lies from start to stop, 0 to 1, along a new first axis.

    Raises:
        ArgumentError: for a negative number of numbers.
    """
    if num < 0:
        raise ArgumentError(f"{name}: the number of samples is {num}; expected 0 or more")
    axes = len(common_shape(name, (start, stop)))
    kind = result_dtype(start, stop, 1.0)
    t = np.arange(num) / max(num - 1 if endpoint else num, 1)
    return np.reshape(t, (num, *(1,) * axes)).astype(np.empty(0, kind).real.dtype)


def _lay_axis(
    y: Array, dtype: np.typing.DTypeLike | None = None, axis: int = 0, device: object = None
) -> Array:
    """Put the first axis where it is wanted, and convert."""
    y = moveaxis(y, 0, axis) if axis else y
    return y if dtype is None or np.dtype(dtype) == y.dtype else convert_operand(y, dtype)


def _of_integers(dtype: np.typing.DTypeLike | None) -> bool:
    """Whether the results are to be integers, which carry no gradient."""
    return dtype is not None and np.dtype(dtype).kind not in "fc"


@implements_by_name(np.linspace)
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, **line: Any
) -> Array | tuple[Array, Array]:
    """Return numbers at equal distances, t = 0, …, 1 of the way.  ∂start: 1 − t  ∂stop: t."""
    if _of_integers(line.get("dtype")):
        ends: Any = [plain_value("np.linspace", x) for x in (start, stop)]
        return plain_linspace(*ends, num, endpoint, **line)
    start, stop, num = check_operand(start), check_operand(stop), operator.index(num)
    t = places("linspace", start, stop, num, endpoint)
    retstep = line.pop("retstep", False)
    y = _lay_axis(start * (1 - t) + stop * t, **line)
    steps = num - 1 if endpoint else num
    return (y, (stop - start) * (1 / steps if steps > 0 else math.nan)) if retstep else y


@implements_by_name(np.logspace)
def logspace(
    start: Any, stop: Any, base: Any = 10.0, dtype: Any = None, axis: int = 0, **number: Any
) -> Array:
    """Return powers of base, with exponents from linspace.  ∂: as of power and linspace."""
    if _of_integers(dtype):
        ends: Any = [plain_value("np.logspace", x) for x in (start, stop)]
        base = plain_value("np.logspace", base)
        return plain_logspace(*ends, base=base, dtype=dtype, axis=axis, **number)
    start, stop, base = check_operand(start), check_operand(stop), check_operand(base)
    axes = len(common_shape("logspace", (start, stop, base)))
    if np.ndim(base):  # its axes are those of the results, counted from the end
        start, stop = (
            np.reshape(x, (1,) * (axes - np.ndim(x)) + np.shape(x)) for x in (start, stop)
        )
    return _lay_axis(np.power(base, linspace(start, stop, **number)), dtype, axis)


@implements(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Array:
    """Return numbers at equal ratios, t = 0, …, 1 of the way.

    ∂start: (1 − t)·y/start  ∂stop: t·y/stop.

    Raises:
        ArgumentError: for an end that is 0.
    """
    if _of_integers(dtype):
        ends: Any = [plain_value("np.geomspace", x) for x in (start, stop)]
        return plain_geomspace(*ends, num, endpoint, dtype, axis)
    start, stop, num = check_operand(start), check_operand(stop), operator.index(num)
    if not np.all(np.logical_and(value_of(start), value_of(stop))):
        raise ArgumentError("geomspace: an end is 0, and no ratio leads from 0 to another number")
    kind = result_dtype(start, stop, np.float64)  # NumPy's choice
    start, stop = convert_operand(start, kind), convert_operand(stop, kind)
    t = places("geomspace", start, stop, num, endpoint)
    y = start * np.power(stop / start, t)
    return _lay_axis(where(t == 1, stop, y), dtype, axis)  # the end itself, without rounding


def part(x: Array, axis: int, start: int | None, stop: int | None) -> Array:
    """Return a range along one axis."""
    return x[slice_along(axis, start, stop)]


def steps(x: Array, axis: int) -> Array:
    """Return each element less the one before; for booleans, whether they differ."""
    later, earlier = part(x, axis, 1, None), part(x, axis, None, -1)
    return later != earlier if x.dtype.kind == "b" else later - earlier


def border(x: object, a: Array, axis: int) -> Array:
    """Return the values to put before or after a; a number is repeated to one slice."""
    x = tensor_like(x)
    return x if x.ndim else np.broadcast_to(x, (*a.shape[:axis], 1, *a.shape[axis + 1 :]))


@implements(np.diff)
@scope("diff")
def diff(
    a: Numbers, n: int = 1, axis: int = -1, prepend: object = None, append: object = None
) -> Array:
    """Subtract from each element the one before, n times.  ∂a: the differences of g, negative."""
    a, times = tensor_like(a), index(n)
    if times < 0:
        raise ArgumentError(f"diff: the number of times must be 0 or more, got {times}")
    if not times:
        return a
    axis = axis_of("diff", a, axis)
    ends = [None if x is None else border(x, a, axis) for x in (prepend, append)]
    parts = [x for x in (ends[0], a, ends[1]) if x is not None]
    x = np.concatenate(parts, axis=axis) if len(parts) > 1 else a
    for _ in range(times):
        x = steps(x, axis)
    return x


@implements(np.ediff1d)
@scope("ediff1d")
def ediff1d(ary: Numbers, to_end: object = None, to_begin: object = None) -> Array:
    """Differences of all elements in order, between two borders.  ∂ary: those of g, negative.

    Raises:
        OperandError: if a border has values that the dtype of the elements does not hold.
    """
    x = np.ravel(tensor_like(ary))
    inner = part(x, 0, 1, None) - part(x, 0, None, -1)
    parts = [*_border_values(to_begin, x.dtype), inner, *_border_values(to_end, x.dtype)]
    return np.concatenate(parts) if len(parts) > 1 else inner


def _border_values(given: object, dtype: np.dtype[np.generic]) -> list[object]:
    """Return a border's values in the dtype of the differences; nothing for None."""
    if given is None:
        return []
    values = np.ravel(tensor_like(given))
    if not np.can_cast(values.dtype, dtype, "same_kind"):
        raise OperandError(f"ediff1d: {values.dtype} values do not fit {dtype} differences")
    return [values if values.dtype == dtype else astype(values, dtype)]


@implements(np.gradient)
@scope("gradient")
def gradient(
    f: Numbers, *varargs: object, axis: Axis = None, edge_order: int = 1
) -> Array | tuple[Array, ...]:
    """Slopes along axes from neighbours, one tensor an axis; of spacings or coordinates.

    ∂f: the transposed differences of g  ∂spacing: as of the quotients; coordinates too.

    Raises:
        ShapeError, ArgumentError: if spacings do not fit, or too few elements for the edges.
    """
    x = floating(f)
    axes = tuple(range(x.ndim)) if axis is None else places_of("gradient", x, axis)
    if edge_order not in (1, 2):
        raise ArgumentError(f"gradient: the order at the edges must be 1 or 2, got {edge_order!r}")
    found = []
    for i, spacing in zip(axes, _spacings(x, axes, varargs), strict=True):
        if x.shape[i] <= edge_order:
            raise ShapeError(
                f"gradient: {x.shape[i]} elements along axis {i} of the shape {x.shape} are too "
                f"few; expected at least {edge_order + 1}"
            )
        slope = _slopes(x, i, spacing, edge_order)
        found.append(slope if slope.dtype == x.dtype else astype(slope, x.dtype))
    return found[0] if len(found) == 1 else tuple(found)


def _spacings(x: Array, axes: tuple[int, ...], given: tuple[Any, ...]) -> list[object]:
    """Return for each axis the distance between elements, or a vector of all distances."""
    if not given:
        return [1.0] * len(axes)
    if len(given) == 1 and not np.ndim(given[0]):
        return list(given) * len(axes)
    if len(given) != len(axes):
        raise OperandError(
            f"gradient: {len(given)} spacings for {len(axes)} axes; give one, or one for each axis"
        )
    return [_distances(x, i, d) for i, d in zip(axes, given, strict=True)]


def _distances(x: Array, axis: int, given: Array) -> Array:
    """Return a spacing as it is, or the distances between coordinates.

    Equal ones of plain coordinates become one number, as NumPy does.
    """
    places = floating(given)
    if not places.ndim:
        return given
    if places.shape != (x.shape[axis],):
        raise ShapeError(
            f"gradient: coordinates of shape {places.shape} for {x.shape[axis]} elements along "
            f"axis {axis}; expected one for each element"
        )
    found = steps(places, 0)
    if not isinstance(found, Tensor) and found.size and (found == found[0]).all():
        return found[0]
    return found


def _slopes(x: Array, axis: int, spacing: Any, edge_order: int) -> Array:
    """Return the slopes along one axis: of parabolas inside, of lines or parabolas at the ends."""
    after = (-1, *(1,) * (x.ndim - axis - 1))
    inside = x.shape[axis] > 2
    if not np.ndim(spacing):
        rise = part(x, axis, 1, None) - part(x, axis, None, -1)
        lines = rise / spacing
        middle = (part(x, axis, 2, None) - part(x, axis, None, -2)) / (2.0 * spacing)
        first, last = part(lines, axis, None, 1), part(lines, axis, -1, None)
        if edge_order == 2:
            first = 2.0 * first - part(middle, axis, None, 1)
            last = 2.0 * last - part(middle, axis, -1, None)
        return np.concatenate([first, middle, last] if inside else [first, last], axis=axis)
    lines = steps(x, axis) / np.reshape(spacing, after)
    left, right = np.reshape(spacing[:-1], after), np.reshape(spacing[1:], after)
    bend = (part(lines, axis, 1, None) - part(lines, axis, None, -1)) / (left + right)
    middle = part(lines, axis, None, -1) + left * bend
    first, last = part(lines, axis, None, 1), part(lines, axis, -1, None)
    if edge_order == 2:
        first = first - part(left * bend, axis, None, 1)
        last = last + part(right * bend, axis, -1, None)
    return np.concatenate([first, middle, last] if inside else [first, last], axis=axis)


@implements(np.trapezoid)
@scope("trapezoid")
def trapezoid(y: Numbers, x: Numbers | None = None, dx: Numbers = 1.0, axis: int = -1) -> Tensor:
    """Integrate by trapezia along an axis.  ∂y: half the distances to both neighbours, times g."""
    y = tensor_like(y)
    given, axis, width = axis, axis_of("trapezoid", y, axis), dx
    if x is not None:
        x = tensor_like(x)
        if x.ndim == 1:
            width = np.reshape(steps(x, 0), (-1, *(1,) * (y.ndim - axis - 1)))
        else:
            width = steps(x, axis_of("trapezoid", x, given))
    total = width * (part(y, axis, 1, None) + part(y, axis, None, -1)) / 2.0
    return np.sum(total, axis=axis)


def _cumulative(function: Callable[..., object], running: Rule, neutral: int, doc: str) -> Rule:
    """Make a running total along an axis, with the starting value in front if asked."""
    name = function.__name__

    @implements_by_name(function)
    def cumulative(
        x: Numbers, axis: int | None = None, dtype: object = None, include_initial: bool = False
    ) -> Array:
        x = tensor_like(x)
        if axis is None:
            if x.ndim > 1:
                raise ShapeError(f"{name}: name the axis of the shape {x.shape} with axis=…")
            axis = 0
        x = np.atleast_1d(x)
        axis = axis_of(name, x, single_axis(axis))
        total = running(x, axis=axis, dtype=dtype)
        if not include_initial:
            return total
        start = np.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), neutral, total.dtype)
        return np.concatenate([start, total], axis=axis)

    cumulative.__name__, cumulative.__doc__ = name, doc
    return cumulative


for function in numpy_functions("cumulative_sum"):  # NumPy 2.1
    doc = "Running sum along an axis, with a 0 in front if asked.  ∂x: sums of g from the end."
    _cumulative(function, cumsum, 0, doc)
for function in numpy_functions("cumulative_prod"):  # NumPy 2.1
    doc = "Running product along an axis, with a 1 in front if asked.  ∂x: exact with zeros."
    _cumulative(function, cumprod, 1, doc)


unwrap_ = general(
    np.unwrap,
    "unwrap",
    "Angles without their jumps by whole periods along an axis.  ∂p: 1",
    vjp=(lambda g, y, p, discont, axis, period: g,),
    samples=(
        case((5,), discont=None, axis=0, period=1.0),
        case((4, 3), discont=0.8, axis=0, period=0.9),
        case((2, 0), discont=None, axis=1, period=2 * math.pi),
    ),
    params=("discont", "axis", "period"),
    jvp=(lambda t, y, p, discont, axis, period: t,),
)


@implements(np.unwrap)
def unwrap(
    p: Numbers, discont: object = None, axis: int = -1, *, period: Numbers = 2 * np.pi
) -> Tensor:
    """Add whole periods to angles where they jump along an axis.  ∂p: 1.

    Raises:
        UnsupportedError: for a period or a least jump whose gradient would be lost.
    """
    for name, given in (("period", period), ("discont", discont)):
        if isinstance(given, Tensor) and given.requires_grad:
            raise UnsupportedError(
                f"unwrap would lose the gradient of {name}; if a constant is meant, give "
                f"float({name}.data)"
            )
    p = tensor_like(p)
    plain = [x.data if isinstance(x, Tensor) else x for x in (discont, period)]
    return unwrap_(p, discont=plain[0], axis=axis_of("unwrap", p, axis), period=plain[1])


@implements(np.interp)
@scope("interp")
def interp(
    x: Numbers,
    xp: Numbers,
    fp: Numbers,
    left: Numbers | None = None,
    right: Numbers | None = None,
    period: Numbers | None = None,
) -> Array:
    """Interpolate between points (xp, fp); outside it is constant, `left` and `right`, or periodic.

    ∂x: the slope  ∂fp: the weights of both neighbours  ∂xp: −slope, weighted. At a point the slope
    is the smaller of both sides, 0 if they differ in sign; the outside has slope 0.

    Raises:
        ShapeError: if xp and fp are no vectors of one length, or have no points.
    """
    x, xp, fp = _wide(x), _wide(xp), _wide(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ShapeError(
            f"interp: xp and fp are vectors of one length, at least 1; got {xp.shape}, {fp.shape}"
        )
    if period is not None:
        x, xp, fp = _repeat_period(x, xp, fp, np.abs(_wide(period)))
        left = right = None
    y = between(x, xp, fp)
    if left is not None:
        y = where(x < xp[0], _wide(left), y)
    return y if right is None else where(x > xp[-1], _wide(right), y)


def _wide(x: object) -> Array:
    """Return an operand in float64 or complex128, in which NumPy interpolates."""
    x = tensor_like(x)
    kind = np.dtype(complex if x.dtype.kind == "c" else float)
    return x if x.dtype == kind else astype(x, kind)


def _repeat_period(x: Array, xp: Array, fp: Array, period: Array) -> tuple[Array, Array, Array]:
    """Bring all into one period, in order, with one point more at either end."""
    if period.ndim or not value_of(period):
        raise ArgumentError(f"interp: the period must not be 0, got {period!r}")
    x, xp = np.remainder(x, period), np.remainder(xp, period)
    order = np.argsort(xp)
    xp, fp = take(xp, order), take(fp, order)
    xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, np.concatenate([fp[-1:], fp, fp[:1]])


def between(x: Array, xp: Array, fp: Array) -> Array:
    """Interpolate, constant outside."""
    last = xp.shape[0] - 1
    widths = xp[1:] - xp[:-1]
    degenerate = widths == 0
    inner = where(degenerate, 0, (fp[1:] - fp[:-1]) / where(degenerate, 1, widths))
    flat = np.zeros(1, fp.dtype)
    slopes = np.concatenate([flat, inner, flat])  # slopes[j]: before point j
    place = np.searchsorted(xp, x, side="right") - 1
    base = np.clip(place, 0, last)
    from_base = x - take(xp, base)
    before, after = take(slopes, base), take(slopes, base + 1)
    slope = where(from_base == 0, _milder(before, after), take(slopes, place + 1))
    outside = (x < xp[0]) | (x > xp[-1])
    return take(fp, base) + slope * where(outside, 0, from_base)


def _milder(before: Array, after: Array) -> Array:
    """Return the smaller of two slopes, 0 if they differ in sign; of complex ones the mean."""
    if before.dtype.kind == "c":
        return (before + after) / 2
    smaller = where(np.abs(before) < np.abs(after), before, after)
    return where(before * after > 0, smaller, 0)
