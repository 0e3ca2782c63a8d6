"""Reductions over axes, and running ones: sum, mean, prod, max (ties share); those without NaN.

The primitives take `axis` as a sorted tuple of non-negative ints. A mask (`where=`) puts in front
of them the value that changes nothing, and `initial=` follows as one more operand. The functions
that ignore NaN are the ordinary ones with a mask of the numbers; an element that is NaN gets 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers, as_array
from ..core.primitive import Primitive, Rule, case, general, implements, linear
from ..core.record import check_operand, scope
from ..core.source_text import Written
from ..core.table import Axis, table
from ..core.tensor import Tensor
from ..errors import ArgumentError, ShapeError
from .checks import (
    axes_of,
    axis_of,
    flatten_without_axis,
    implements_by_name,
    is_scalar_axis,
    lenient_axes,
    slice_along,
    without_gradient,
)
from .conversion import astype, convert_operand
from .selection import where as chosen
from .shapes import broadcast_to, expand_dims

add_reduce: Any = np.add.reduce  # NumPy's stubs want a literal keepdims
OVER = ("axis", "keepdims")


def spread(g: Array, x: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Repeat g, or an output, along the axes that were reduced."""
    return broadcast_to(restore(g, axis, keepdims), shape=x.shape)


def restore(g: Array, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Give back the reduced axes, with length 1; a scalar broadcasts as it is."""
    return g if keepdims or not axis or not g.ndim else expand_dims(g, axis=axis)


def count(x: Array | Written, axis: tuple[int, ...]) -> int:
    """Count the elements that one output is made of."""
    return math.prod(x.shape[i] for i in axis)


def inverse(n: float) -> float:
    """Return 1/n: g · (1/n) keeps a float16 g, where g / n is 0 from n = 65,520 (its inf) on."""
    return 1 / n if n else math.inf


def _share_among_ties(
    g: Array, y: Array, x: Array, *, axis: tuple[int, ...], keepdims: bool
) -> Array:
    """∂x: g at the extreme, split evenly among ties."""
    tied = x == restore(y, axis, keepdims)
    ties = np.sum(tied, axis=axis, keepdims=True, dtype=g.dtype)
    return chosen(tied, restore(g, axis, keepdims) / ties, 0)


def _mean_forward(x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """Compute the mean; twice as fast as np.mean where its wider accumulator is not needed."""
    if x.dtype.char in "fd":
        return add_reduce(x, axis=axis, keepdims=keepdims) / count(x, axis)
    return np.mean(x, axis=axis, keepdims=keepdims)


def _mean_code(x: Written, axis: tuple[int, ...], keepdims: bool) -> str | None:
    """Write the sum and its division by a number; as a call where the result is an array."""
    if x.dtype is None or x.dtype.char not in "fd":
        return None
    total = f"np.add.reduce({x}, axis={axis}, keepdims={keepdims})"
    n = count(x, axis)
    number = len(axis) == len(x.shape) and not keepdims
    return f"{total} / {n}" if number else f"np.divide({total}, {n})"


def _prod_rule(g: Array, y: Array, x: Array, *, axis: tuple[int, ...], keepdims: bool) -> Array:
    """∂xᵢ: the product of the others, from running products of both sides: zeros are exact."""
    if not x.size or not axis:
        return spread(g, x, axis, keepdims)
    kept = tuple(i for i in range(x.ndim) if i not in axis)
    order = kept + axis
    rows = np.reshape(np.transpose(x, order), (*(x.shape[i] for i in kept), count(x, axis)))
    last = len(kept)
    before = exclusive(np.cumprod(rows, axis=last), last)
    after = _flip_axis(exclusive(np.cumprod(_flip_axis(rows, last), axis=last), last), last)
    others = np.reshape(before * after, tuple(x.shape[i] for i in order))
    back = tuple(int(i) for i in np.argsort(order))
    return restore(g, axis, keepdims) * np.transpose(others, back)


SAMPLES = (
    case((3, 4), axis=(0, 1), keepdims=False),
    case((3, 4), axis=(0,), keepdims=True),
    case((2, 3, 2), axis=(0, 2), keepdims=False),
    case((), axis=(), keepdims=False),
)

sum_ = linear(
    np.add.reduce,
    "Σ",
    "Sum over axes.  ∂x: g repeated",
    name="sum",
    vjp=(lambda g, y, x, axis, keepdims: spread(g, x, axis, keepdims),),
    samples=(*SAMPLES, case((0, 2), axis=(0,), keepdims=False)),
    params=OVER,
)
mean_ = linear(
    _mean_forward,
    "mean",
    "Mean over axes.  ∂x: g/n repeated",
    name="mean",
    vjp=(lambda g, y, x, axis, keepdims: spread(g * inverse(count(x, axis)), x, axis, keepdims),),
    samples=SAMPLES,
    params=OVER,
    code=_mean_code,
)
max_, min_ = (
    general(
        ufunc.reduce,
        name,
        f"{size} over axes.  ∂x: g at the {size.lower()}, split evenly among ties",
        name=name,
        vjp=(_share_among_ties,),
        samples=SAMPLES,
        params=OVER,
        distinct=True,
    )
    for ufunc, name, size in ((np.maximum, "max", "Largest"), (np.minimum, "min", "Smallest"))
)
prod_ = general(
    np.multiply.reduce,
    "Π",
    "Product over axes.  ∂xᵢ: the product of the others, exact with zeros",
    name="prod",
    vjp=(_prod_rule,),
    samples=(*SAMPLES, case((2, 0), axis=(1,), keepdims=False)),
    params=OVER,
)


def subject(a: object, dtype: object = None) -> Array:
    """Return the operand of a reduction as a tensor or array, in the requested dtype."""
    x = a if isinstance(a, Tensor) else as_array(a)
    return x if dtype is None else astype(x, dtype)


def mask_elements(name: str, x: Array, mask: Numbers, neutral: Numbers) -> Array:
    """Put a value that changes nothing where a mask (`where=`) does not hold; True takes all.

    Raises:
        ShapeError: if the mask has other axes than x.
    """
    if mask is True:
        return x
    mask = check_operand(mask)
    fits = np.ndim(mask) <= x.ndim and all(
        n in (1, m) for n, m in zip(np.shape(mask)[::-1], x.shape[::-1], strict=False)
    )
    if not fits:
        raise ShapeError(
            f"{name}: the mask `where` of shape {np.shape(mask)} does not repeat to the shape "
            f"{x.shape}; give one that broadcasts to it"
        )
    return chosen(mask, x, convert_operand(neutral, x.dtype))


def count_elements(
    x: Array, mask: Numbers, axis: tuple[int, ...], keepdims: bool = False
) -> int | Array:
    """Count the elements where a mask holds: an int if it holds everywhere."""
    if mask is True:
        return count(x, axis)
    return np.sum(np.broadcast_to(mask, x.shape) != 0, axis=axis, keepdims=keepdims)


def first(name: str, initial: Numbers, dtype: object) -> Array:
    """Return the value to start with in the dtype of the result.

    Raises:
        ShapeError: if it is not a single number.
    """
    if np.ndim(initial):
        raise ShapeError(
            f"{name}: `initial` must be one number, got shape {np.shape(initial)}; combine the "
            "result with an array afterwards"
        )
    return convert_operand(initial, dtype)


def reduction(primitive: Primitive, function: object, combined: Any, neutral: int) -> Rule:
    """Make the lenient function over sum or prod and enter it in the table."""
    name = primitive.name

    @implements(function)
    def reduce(
        a: Array,
        axis: Axis = None,
        dtype: Numbers | None = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Array:
        x = subject(a, dtype)
        axes = lenient_axes(name, x, axis)
        y = primitive(mask_elements(name, x, where, neutral), axis=axes, keepdims=bool(keepdims))
        if dtype is not None and y.dtype != dtype:  # NumPy adds small integers as int64 unasked
            y = astype(y, dtype)
        return y if initial is None else combined(y, first(name, initial, y.dtype))

    reduce.__name__, reduce.__doc__ = name, primitive.doc
    return reduce


sum = reduction(sum_, np.sum, np.add, 0)
prod = reduction(prod_, np.prod, np.multiply, 1)


@implements(np.mean)
def mean(
    a: Numbers,
    axis: Axis = None,
    dtype: object = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: Numbers = True,
) -> Array:
    """Compute the mean over axes, of the elements where a mask holds.  ∂x: g/n repeated."""
    x = subject(a, dtype)
    axes = axes_of("mean", x, axis)
    if where is True:
        return mean_(x, axis=axes, keepdims=bool(keepdims))
    total = sum(mask_elements("mean", x, where, 0), axis=axes, keepdims=keepdims)
    n = count_elements(x, where, axes, keepdims)
    return total / (n if total.dtype.kind in "biu" else astype(n, total.dtype))


def extreme(primitive: Primitive, combined: Any, *functions: object) -> Rule:
    """Make the lenient function over max or min, which take no dtype."""
    name = primitive.name

    @implements(*functions)
    def reduce(
        a: Array,
        axis: Axis = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Array:
        x = subject(a)
        axes = lenient_axes(name, x, axis)
        if initial is None and where is not True:
            raise ArgumentError(
                f"{name}: with a mask `where` there may be nothing to take the {name} of; give the "
                f"value to start with, as initial={'-np.inf' if name == 'max' else 'np.inf'}"
            )
        if initial is None:
            return primitive(x, axis=axes, keepdims=bool(keepdims))
        start = first(name, initial, x.dtype)
        if not count(x, axes):
            shape = np.sum(np.empty(x.shape, bool), axis=axes, keepdims=bool(keepdims)).shape
            return np.broadcast_to(start, shape)
        x = mask_elements(name, x, where, start)
        return combined(primitive(x, axis=axes, keepdims=bool(keepdims)), start)

    reduce.__name__, reduce.__doc__ = name, primitive.doc
    return reduce


max = extreme(max_, np.maximum, np.max, np.amax)
min = extreme(min_, np.minimum, np.min, np.amin)


@implements(np.ptp)
def ptp(a: Numbers, axis: Axis = None, out: None = None, keepdims: bool = False) -> Tensor:
    """Subtract the smallest from the largest over axes.  ∂x: g at the largest, −g at the least."""
    x = subject(a)
    return max(x, axis, keepdims=keepdims) - min(x, axis, keepdims=keepdims)


def _flip_axis(x: Array, axis: int) -> Array:
    """Reverse the order along an axis."""
    return x[(slice(None),) * axis + (slice(None, None, -1),)]


def exclusive(products: Array, axis: int) -> Array:
    """Shift running products by one: the product of all elements before each."""
    ones = np.ones_like(products[slice_along(axis, 0, 1)])
    return np.concatenate([ones, products[slice_along(axis, None, -1)]], axis=axis)


def earlier(x: Array, axis: int, steps: int) -> Array:
    """Move everything towards the front by some steps; zeros come in at the end."""
    zeros = np.zeros_like(x[slice_along(axis, 0, steps)])
    return np.concatenate([x[slice_along(axis, steps, None)], zeros], axis=axis)


def _cumprod_rule(g: Array, y: Array, x: Array, *, axis: int) -> Array:
    """∂xᵢ: (∏ₖ₍ₖ₌₀…ᵢ₋₁₎ xₖ)·sᵢ with sᵢ = gᵢ + xᵢ₊₁·sᵢ₊₁: no division, so zeros are exact.

    The recurrence is solved by doubling: each pass joins every sum with the one behind it, and
    `reach` is the product of the x between the two.
    """
    if not x.size:
        return g
    total, reach = g, earlier(x, axis, 1)
    steps, n = 1, x.shape[axis]
    while steps < n:
        total = total + reach * earlier(total, axis, steps)
        reach = reach * earlier(reach, axis, steps)
        steps *= 2
    return exclusive(y, axis) * total


cumsum_: Primitive = linear(
    np.cumsum,
    "cumsum",
    "Running sum along an axis.  ∂x: the running sum of g from the end",
    vjp=(lambda g, y, x, axis: _flip_axis(cumsum_(_flip_axis(g, axis), axis=axis), axis),),
    samples=(case((3, 4), axis=0), case((5,), axis=0), case((2, 0), axis=1)),
    params=("axis",),
)
cumprod_ = general(
    np.cumprod,
    "cumprod",
    "Running product along an axis.  ∂x: exact with zeros",
    vjp=(_cumprod_rule,),
    samples=(case((3, 4), axis=0), case((2, 5), axis=1), case((0,), axis=0)),
    params=("axis",),
)


def running(primitive: Primitive, function: object) -> Rule:
    """Make the lenient function over a running sum or product and enter it in the table."""

    @implements(function)
    def reduce(
        a: Numbers, axis: int | None = None, dtype: object = None, out: None = None
    ) -> Tensor:
        x = subject(a, dtype)
        x, axis = flatten_without_axis(primitive.name, x, axis)
        return primitive(x, axis=axis)

    reduce.__name__, reduce.__doc__ = primitive.name, primitive.doc
    return reduce


cumsum = running(cumsum_, np.cumsum)
cumprod = running(cumprod_, np.cumprod)


EXTREMES = {"maximum": np.maximum, "minimum": np.minimum}


def _place_forward(x: np.ndarray, *, extreme: str, latest: bool, axis: int) -> np.ndarray:
    """Find where the extreme so far stands: the latest of equal ones, or the first."""
    best = EXTREMES[extreme].accumulate(x, axis=axis)
    shown = (x == best) | ((x != x) & (best != best))  # NaN is its own record
    if not latest:  # where the record is broken
        later = slice_along(axis, 1, None)
        new, old = best[later], best[slice_along(axis, None, -1)]
        shown = np.zeros(x.shape, bool)
        both_nan = (new != new) & (old != old)
        shown[later] = (new != old) & ~both_nan
    places = np.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return np.maximum.accumulate(np.where(shown, places, 0), axis=axis)


running_place = without_gradient(
    _place_forward,
    "running place",
    "Where the extreme so far along an axis stands.  No gradient",
    name="running_place",
    params=("extreme", "latest", "axis"),
)


@implements("running_extreme")
def running_extreme(a: object, axis: int = 0, *, extreme: str = "maximum") -> Tensor:
    """Return the largest or smallest element so far along an axis.

    ∂x: the g of each output at the element that it shows; of equal ones half at the first and half
    at the last.
    """
    x: Any = subject(a)
    axis = axis_of(f"{extreme}.accumulate", x, axis)
    first = running_place(x, extreme=extreme, latest=False, axis=axis)
    last = running_place(x, extreme=extreme, latest=True, axis=axis)
    shown = np.take_along_axis(x, last, axis)
    return chosen(first == last, shown, 0.5 * np.take_along_axis(x, first, axis) + 0.5 * shown)


def numbers(x: Array, where: Numbers = True) -> Numbers:
    """Return the mask of the elements that are not NaN, within another mask; True means all."""
    if x.dtype.kind in "biu":
        return where
    known = np.logical_not(np.isnan(x))
    return known if where is True else np.logical_and(known, where)


def _fill_nan(x: Array, value: float) -> Array:
    """Put a value in place of NaN."""
    return x if x.dtype.kind in "biu" else chosen(np.isnan(x), x.dtype.type(value), x)


def _ignoring(function: Callable[..., object], of: Rule, neutral: int, doc: str) -> Rule:
    """Make the function that sums or multiplies the elements that are not NaN."""

    @implements_by_name(function)
    @scope(function.__name__)
    def reduce(a: Numbers, **given: object) -> Array:
        return of(_fill_nan(subject(a), neutral), **given)

    reduce.__name__, reduce.__doc__ = function.__name__, doc
    return reduce


nansum = _ignoring(np.nansum, sum, 0, "Sum non-NaN elements over axes.  ∂x: g repeated, 0 at NaN.")
nanprod = _ignoring(
    np.nanprod,
    prod,
    1,
    "Multiply non-NaN elements over axes.  ∂xᵢ: the product of the others, 0 at NaN.",
)
nancumsum = _ignoring(
    np.nancumsum,
    cumsum,
    0,
    "Sum so far, NaN counting as 0.  ∂x: the running sum of g from the end, 0 at NaN.",
)
nancumprod = _ignoring(
    np.nancumprod, cumprod, 1, "Product so far, NaN counting as 1.  ∂x: as cumprod, 0 at NaN."
)


def _axis_of_numbers(x: Array, axis: Axis) -> Axis:
    """Return the axis; none for the axis 0 or −1 of a 0-d value that may be NaN."""
    return () if x.dtype.kind in "fc" and is_scalar_axis(x, axis) else axis


@implements_by_name(np.nanmean)
@scope("nanmean")
def nanmean(a: Numbers, axis: Axis = None, where: Numbers = True, **given: object) -> Array:
    """Compute the mean of the non-NaN elements.  ∂x: g/n, 0 at NaN."""
    x = subject(a)
    return mean(x, _axis_of_numbers(x, axis), where=numbers(x, where), **given)


def _extreme_of_numbers(function: Callable[..., object], of: Rule, worst: float, doc: str) -> Rule:
    """Make the function of the largest or smallest number, ignoring NaN; NaN where all are NaN."""
    name = function.__name__

    @implements_by_name(function)
    @scope(name)
    def reduce(
        a: Numbers, axis: Axis = None, keepdims: bool = False, where: Numbers = True, **rest: object
    ) -> Array:
        x = subject(a)
        if x.dtype.kind in "biu":
            return of(x, axis, None, keepdims, where=where, **rest)
        if rest.get("initial") is None and where is True:
            axes = lenient_axes(name, x, axis)
            y = of(_fill_nan(x, worst), axes, None, keepdims)
            none = count_elements(x, numbers(x), axes, bool(keepdims)) == 0
            return chosen(none, x.dtype.type(np.nan), y)
        return of(x, axis, None, keepdims, where=numbers(x, where), **rest)

    reduce.__name__, reduce.__doc__ = name, doc
    return reduce


EVENLY = "split evenly among ties."
nanmax = _extreme_of_numbers(
    np.nanmax, max, -np.inf, f"Take the largest non-NaN element.  ∂x: g at the largest, {EVENLY}"
)
nanmin = _extreme_of_numbers(
    np.nanmin, min, np.inf, f"Take the smallest non-NaN element.  ∂x: g at the smallest, {EVENLY}"
)


def _spread_of_numbers(function: Callable[..., object], of: object, doc: str) -> Rule:
    """Make the variance or standard deviation that ignores NaN."""
    name = function.__name__

    @implements_by_name(function)
    @scope(name)
    def reduce(
        a: Numbers, axis: Axis = None, ddof: float = 0, where: Numbers = True, **given: Any
    ) -> Array:
        x = subject(a)
        axis, mask = _axis_of_numbers(x, axis), numbers(x, where)
        y = table[of](x, axis, ddof=ddof, where=mask, **given)
        n = count_elements(x, mask, axes_of(name, x, axis), bool(given.get("keepdims")))
        correction = given.get("correction")
        few = n <= (ddof if correction is None else correction)
        return y if few is False else chosen(few, y.dtype.type(np.nan), y)

    reduce.__name__, reduce.__doc__ = name, doc
    return reduce


nanvar = _spread_of_numbers(
    np.nanvar, np.var, "Variance of the non-NaN elements.  ∂x: 2·(x − mean)/(n − ddof), 0 at NaN."
)
nanstd = _spread_of_numbers(
    np.nanstd,
    np.std,
    "Standard deviation of the non-NaN elements.  ∂x: (x − mean)/((n − ddof)·y), 0 at NaN.",
)
