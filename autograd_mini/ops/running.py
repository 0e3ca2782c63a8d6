"""Running reductions along an axis: sums, products, and the extremes so far.

The primitives take `axis` as a non-negative int.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import as_array
from ..core.primitive import Primitive, case, implements, linear, nonlinear
from ..core.tensor import Tensor
from .axes import axis_of, is_scalar_axis
from .conversion import astype
from .selection import where


def flip_axis(x: Any, axis: int) -> Any:
    """Reverse the order along an axis."""
    return x[(slice(None),) * axis + (slice(None, None, -1),)]


def exclusive(products: Any, axis: int) -> Any:
    """Shift running products by one: the product of all elements before each."""
    before = (slice(None),) * axis
    ones = np.ones_like(products[(*before, slice(0, 1))])
    return np.concatenate([ones, products[(*before, slice(None, -1))]], axis=axis)


def earlier(x: Any, axis: int, steps: int) -> Any:
    """Move everything towards the front by some steps; zeros come in at the end."""
    before = (slice(None),) * axis
    zeros = np.zeros_like(x[(*before, slice(0, steps))])
    return np.concatenate([x[(*before, slice(steps, None))], zeros], axis=axis)


def cumprod_rule(g: Any, y: Any, x: Any, *, axis: int) -> Any:
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
    vjp=(lambda g, y, x, axis: flip_axis(cumsum_(flip_axis(g, axis), axis=axis), axis),),
    samples=(case((3, 4), axis=0), case((5,), axis=0), case((2, 0), axis=1)),
    params=("axis",),
)
cumprod_ = nonlinear(
    np.cumprod,
    "cumprod",
    "Running product along an axis.  ∂x: exact with zeros",
    vjp=(cumprod_rule,),
    samples=(case((3, 4), axis=0), case((2, 5), axis=1), case((0,), axis=0)),
    params=("axis",),
)


def running(primitive: Primitive, function: Any) -> Any:
    """Make the lenient function over a running sum or product and enter it in the table."""

    @implements(function)
    def reduce(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
        x = a if isinstance(a, Tensor) else as_array(a)
        x = x if dtype is None else astype(x, dtype)
        if axis is None or is_scalar_axis(x, axis):
            x, axis = np.ravel(x), 0
        return primitive(x, axis=axis_of(primitive.name, x, axis))

    reduce.__name__, reduce.__doc__ = primitive.name, primitive.doc
    return reduce


cumsum = running(cumsum_, np.cumsum)
cumprod = running(cumprod_, np.cumprod)


EXTREMES = {"maximum": np.maximum, "minimum": np.minimum}


def place_forward(x: Any, *, extreme: str, latest: bool, axis: int) -> Any:
    """Find where the extreme so far stands: the latest of equal ones, or the first."""
    best = EXTREMES[extreme].accumulate(x, axis=axis)
    shown = (x == best) | ((x != x) & (best != best))  # NaN is its own record
    if not latest:  # where the record is broken
        new = best[(slice(None),) * axis + (slice(1, None),)]
        old = best[(slice(None),) * axis + (slice(None, -1),)]
        shown = np.zeros(x.shape, bool)
        shown[(slice(None),) * axis + (slice(1, None),)] = (new != old) & ~(
            (new != new) & (old != old)
        )
    places = np.arange(x.shape[axis]).reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    return np.maximum.accumulate(np.where(shown, places, 0), axis=axis)


running_place = nonlinear(
    place_forward,
    "running place",
    "Where the extreme so far along an axis stands.  No gradient",
    name="running_place",
    vjp=None,
    samples=(),
    params=("extreme", "latest", "axis"),
)


@implements("running_extreme")
def running_extreme(a: Any, axis: int = 0, *, extreme: str = "maximum") -> Any:
    """Return the largest or smallest element so far along an axis.

    ∂x: the g of each output at the element that it shows; of equal ones half at the first and half
    at the last.
    """
    x = a if isinstance(a, Tensor) else as_array(a)
    axis = axis_of(f"{extreme}.accumulate", x, axis)
    first, last = (
        running_place(x, extreme=extreme, latest=end, axis=axis) for end in (False, True)
    )
    shown = np.take_along_axis(x, last, axis)
    return where(first == last, shown, 0.5 * np.take_along_axis(x, first, axis) + 0.5 * shown)
