"""Reductions: sums, means, extremes, products, spread, and running sums and products.

The primitives take `axis` as a sorted tuple of non-negative ints (one int for running ones).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import as_array
from ..operation import scope
from ..primitives import Primitive, case, implements, linear, nonlinear
from ..table import Axis
from ..tensors import Tensor
from .axes import axes_of, axis_of
from .conversion import astype
from .selection import where
from .shapes import broadcast_to, expand_dims

add_reduce: Any = np.add.reduce  # NumPy's stubs want a literal keepdims
OVER = ("axis", "keepdims")


def spread(g: Any, x: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Repeat g, or an output, along the axes that were reduced."""
    return broadcast_to(restore(g, axis, keepdims), shape=x.shape)


def restore(g: Any, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Give back the reduced axes, with length 1; a scalar broadcasts as it is."""
    return g if keepdims or not axis or not g.ndim else expand_dims(g, axis=axis)


def count(x: Any, axis: tuple[int, ...]) -> int:
    """Count the elements that one output is made of."""
    return math.prod(x.shape[i] for i in axis)


def inverse(n: float) -> float:
    """Return 1/n: g · (1/n) keeps a float16 g, where g / n is 0 from n = 65,520 (its inf) on."""
    return 1 / n if n else math.inf


def share_among_ties(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """∂x: g at the extreme, split evenly among ties."""
    tied = x == restore(y, axis, keepdims)
    ties = np.sum(tied, axis=axis, keepdims=True, dtype=g.dtype)
    return where(tied, restore(g, axis, keepdims) / ties, 0)


def mean_forward(x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """Compute the mean; twice as fast as np.mean where its wider accumulator is not needed."""
    if x.dtype.char in "fd":
        return add_reduce(x, axis=axis, keepdims=keepdims) / count(x, axis)
    return np.mean(x, axis=axis, keepdims=keepdims)


def std_rule(
    g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool, correction: float
) -> Any:
    """∂x: (x − mean) / ((n − correction)·y); 0 where all elements are equal."""
    if not x.size:  # nothing has no largest element
        return x * 0
    constant = np.max(x, axis=axis, keepdims=True) == np.min(x, axis=axis, keepdims=True)
    length = where(constant, 1, restore(y, axis, keepdims))
    centred = x - np.mean(x, axis=axis, keepdims=True)
    share = restore(g, axis, keepdims) * inverse(count(x, axis) - correction)
    return where(constant, 0, share / length) * centred


def flipped(x: Any, axis: int) -> Any:
    """Reverse the order along an axis."""
    return x[(slice(None),) * axis + (slice(None, None, -1),)]


def exclusive(products: Any, axis: int) -> Any:
    """Shift running products by one: the product of all elements before each."""
    before = (slice(None),) * axis
    ones = np.ones_like(products[(*before, slice(0, 1))])
    return np.concatenate([ones, products[(*before, slice(None, -1))]], axis=axis)


def cumprod_rule(g: Any, y: Any, x: Any, *, axis: int) -> Any:
    """∂xᵢ: (∏ₖ₍ₖ₌₀…ᵢ₋₁₎ xₖ)·sᵢ with sᵢ = gᵢ + xᵢ₊₁·sᵢ₊₁: no division, so zeros are exact."""
    if not x.size:
        return g
    g_rows, x_rows = np.moveaxis(g, axis, 0), np.moveaxis(x, axis, 0)
    total = g_rows[-1]
    totals = [total]
    for i in range(x.shape[axis] - 1, 0, -1):
        total = g_rows[i - 1] + x_rows[i] * total
        totals.append(total)
    return exclusive(y, axis) * np.stack(totals[::-1], axis=axis)


def prod_rule(g: Any, y: Any, x: Any, *, axis: tuple[int, ...], keepdims: bool) -> Any:
    """∂xᵢ: the product of the others, from running products of both sides: zeros are exact."""
    if not x.size or not axis:
        return spread(g, x, axis, keepdims)
    kept = tuple(i for i in range(x.ndim) if i not in axis)
    order = kept + axis
    rows = np.reshape(np.transpose(x, order), (*(x.shape[i] for i in kept), count(x, axis)))
    last = len(kept)
    before = exclusive(np.cumprod(rows, axis=last), last)
    after = flipped(exclusive(np.cumprod(flipped(rows, last), axis=last), last), last)
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
    mean_forward,
    "mean",
    "Mean over axes.  ∂x: g/n repeated",
    name="mean",
    vjp=(lambda g, y, x, axis, keepdims: spread(g * inverse(count(x, axis)), x, axis, keepdims),),
    samples=SAMPLES,
    params=OVER,
)
max_ = nonlinear(
    np.maximum.reduce,
    "max",
    "Largest over axes.  ∂x: g at the largest, split evenly among ties",
    name="max",
    vjp=(share_among_ties,),
    samples=SAMPLES,
    params=OVER,
    distinct=True,
)
min_ = nonlinear(
    np.minimum.reduce,
    "min",
    "Smallest over axes.  ∂x: g at the smallest, split evenly among ties",
    name="min",
    vjp=(share_among_ties,),
    samples=SAMPLES,
    params=OVER,
    distinct=True,
)
prod_ = nonlinear(
    np.multiply.reduce,
    "Π",
    "Product over axes.  ∂xᵢ: the product of the others, exact with zeros",
    name="prod",
    vjp=(prod_rule,),
    samples=(*SAMPLES, case((2, 0), axis=(1,), keepdims=False)),
    params=OVER,
)
std_ = nonlinear(
    lambda x, *, axis, keepdims, correction: np.std(
        x, axis=axis, keepdims=keepdims, ddof=correction
    ),
    "std",
    "Standard deviation over axes.  ∂x: (x − mean)/((n − correction)·y), 0 for equal elements",
    name="std",
    vjp=(std_rule,),
    samples=(
        case((3, 4), axis=(0, 1), keepdims=False, correction=0),
        case((3, 4), axis=(1,), keepdims=True, correction=1),
    ),
    params=(*OVER, "correction"),
    distinct=True,
)
cumsum_: Primitive = linear(
    np.cumsum,
    "cumsum",
    "Running sum along an axis.  ∂x: the running sum of g from the end",
    vjp=(lambda g, y, x, axis: flipped(cumsum_(flipped(g, axis), axis=axis), axis),),
    samples=(case((3, 4), axis=0), case((5,), axis=0), case((2, 0), axis=1)),
    params=("axis",),
)
cumprod_ = nonlinear(
    np.cumprod,
    "cumprod",
    "Running product along an axis.  ∂x: exact with zeros",
    vjp=(cumprod_rule,),
    samples=(case((3, 4), axis=0), case((2, 3), axis=1), case((0,), axis=0)),
    params=("axis",),
)


def reduction(primitive: Primitive, *functions: Any) -> Any:
    """Make the lenient function over a reduction and enter it in the table."""

    @implements(*functions)
    def function(
        a: Any, axis: Axis = None, dtype: Any = None, out: None = None, keepdims: bool = False
    ) -> Any:
        x = a if isinstance(a, Tensor) else as_array(a)
        if dtype is not None:
            x = astype(x, dtype)
        return primitive(x, axis=axes_of(primitive.name, x, axis), keepdims=bool(keepdims))

    function.__name__, function.__doc__ = primitive.name, primitive.doc
    return function


sum = reduction(sum_, np.sum)
mean = reduction(mean_, np.mean)
prod = reduction(prod_, np.prod)


def extreme(primitive: Primitive, *functions: Any) -> Any:
    """Make the lenient function over max or min, which take no dtype."""

    @implements(*functions)
    def function(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
        x = a if isinstance(a, Tensor) else as_array(a)
        return primitive(x, axis=axes_of(primitive.name, x, axis), keepdims=bool(keepdims))

    function.__name__, function.__doc__ = primitive.name, primitive.doc
    return function


max = extreme(max_, np.max, np.amax)
min = extreme(min_, np.min, np.amin)


@implements(np.ptp)
def ptp(a: Any, axis: Axis = None, out: None = None, keepdims: bool = False) -> Any:
    """Largest minus smallest over axes."""
    return max(a, axis, keepdims=keepdims) - min(a, axis, keepdims=keepdims)


@implements(np.var)
@scope("var")
def var(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Mean squared distance from the mean over axes, over n − ddof."""
    x = a if dtype is None else astype(a, dtype)
    axes = axes_of("var", x, axis)
    centred = x - mean(x, axis=axes, keepdims=True)
    freedom = count(x, axes) - (ddof if correction is None else correction)
    return sum(centred * centred, axis=axes, keepdims=keepdims) / freedom


@implements(np.std)
def std(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: None = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Square root of the variance over axes; its gradient is 0 for equal elements."""
    x = a if dtype is None else astype(a, dtype)
    freedom = ddof if correction is None else correction
    return std_(x, axis=axes_of("std", x, axis), keepdims=bool(keepdims), correction=freedom)


@implements(np.cumsum)
def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running sum along an axis, or of all elements in order."""
    x = a if dtype is None else astype(a, dtype)
    x = np.ravel(x) if axis is None else x
    return cumsum_(x, axis=axis_of("cumsum", x, axis or 0))


@implements(np.cumprod)
def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Running product along an axis, or of all elements in order."""
    x = a if dtype is None else astype(a, dtype)
    x = np.ravel(x) if axis is None else x
    return cumprod_(x, axis=axis_of("cumprod", x, axis or 0))
