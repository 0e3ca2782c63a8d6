"""Reductions that ignore NaN: the ordinary reduction, with a mask of the numbers.

An element that is NaN gets the gradient 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.primitive import implements
from ..core.record import scope
from ..core.table import Axis, table
from .axes import axes_of, is_scalar_axis, lenient_axes
from .nondifferentiable import enter
from .reductions import count_elements, subject
from .reductions import max as largest
from .reductions import min as smallest
from .selection import where as chosen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.arrays import Numbers
    from ..core.tensor import Tensor

enter(np.nanargmax, "axis", "out", "keepdims")
enter(np.nanargmin, "axis", "out", "keepdims")


def numbers(x: Any, where: Any = True) -> Any:
    """Return the mask of the elements that are not NaN, within another mask; True means all."""
    if x.dtype.kind in "biu":
        return where
    known = np.logical_not(np.isnan(x))
    return known if where is True else np.logical_and(known, where)


def _fill_nan(x: Any, value: float) -> Any:
    """Put a value in place of NaN."""
    return x if x.dtype.kind in "biu" else chosen(np.isnan(x), x.dtype.type(value), x)


def _ignoring(function: Any, of: object, neutral: int) -> Any:
    """Make the function that sums or multiplies the elements that are not NaN."""

    @implements(function)
    @scope(function.__name__)
    def reduce(
        a: Any,
        axis: Axis = None,
        dtype: Any = None,
        out: None = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Tensor:
        given = {"keepdims": keepdims, "initial": initial, "where": where}
        return table[of](_fill_nan(subject(a), neutral), axis, dtype, **given)

    reduce.__name__ = function.__name__
    return reduce


nansum = _ignoring(np.nansum, np.sum, 0)
nansum.__doc__ = "Sum non-NaN elements over axes.  ∂x: g repeated, 0 at NaN."
nanprod = _ignoring(np.nanprod, np.prod, 1)
nanprod.__doc__ = "Multiply non-NaN elements over axes.  ∂xᵢ: the product of the others, 0 at NaN."


@implements(np.nancumsum)
@scope("nancumsum")
def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Sum so far, NaN counting as 0.  ∂x: the running sum of g from the end, 0 at NaN."""
    return np.cumsum(_fill_nan(subject(a), 0), axis, dtype)


@implements(np.nancumprod)
@scope("nancumprod")
def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: None = None) -> Any:
    """Product so far, NaN counting as 1.  ∂x: as cumprod, 0 at NaN."""
    return np.cumprod(_fill_nan(subject(a), 1), axis, dtype)


@implements(np.nanmean)
@scope("nanmean")
def nanmean(
    a: Numbers,
    axis: Axis = None,
    dtype: object = None,
    out: None = None,
    keepdims: bool = False,
    *,
    where: object = True,
) -> Tensor:
    """Compute the mean of the non-NaN elements.  ∂x: g/n, 0 at NaN."""
    x = subject(a)
    axis = () if x.dtype.kind in "fc" and is_scalar_axis(x, axis) else axis
    return table[np.mean](x, axis, dtype, None, keepdims, where=numbers(x, where))


def _extreme_of_numbers(
    name: str,
    of: Callable[..., object],
    a: object,
    axis: Axis,
    keepdims: bool,
    initial: float | None,
    where: bool,
    worst: float,
) -> Any:
    """Take the largest or smallest number, ignoring NaN; NaN where all are NaN."""
    x = subject(a)
    if x.dtype.kind in "biu":
        return of(x, axis, None, keepdims, initial, where)
    if initial is None and where is True:
        axes = lenient_axes(name, x, axis)
        y = of(_fill_nan(x, worst), axes, None, keepdims)
        return chosen(
            count_elements(x, numbers(x), axes, bool(keepdims)) == 0, x.dtype.type(np.nan), y
        )
    return of(x, axis, None, keepdims, initial, numbers(x, where))


@implements(np.nanmax)
@scope("nanmax")
def nanmax(
    a: object,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Tensor:
    """Take the largest non-NaN element.  ∂x: g at the largest, split evenly among ties."""
    return _extreme_of_numbers("nanmax", largest, a, axis, keepdims, initial, where, -np.inf)


@implements(np.nanmin)
@scope("nanmin")
def nanmin(
    a: object,
    axis: Axis = None,
    out: None = None,
    keepdims: bool = False,
    initial: Any = None,
    where: Any = True,
) -> Tensor:
    """Take the smallest non-NaN element.  ∂x: g at the smallest, split evenly among ties."""
    return _extreme_of_numbers("nanmin", smallest, a, axis, keepdims, initial, where, np.inf)


def _spread_of_numbers(function: Any, of: object, doc: str) -> Any:
    """Make the variance or standard deviation that ignores NaN."""

    @implements(function)
    @scope(function.__name__)
    def reduce(
        a: Any,
        axis: Axis = None,
        dtype: Any = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        where: Any = True,
        mean: Any = None,
        correction: float | None = None,
    ) -> Tensor:
        x = subject(a)
        axis = () if x.dtype.kind in "fc" and is_scalar_axis(x, axis) else axis
        mask = numbers(x, where)
        given = {"where": mask, "mean": mean, "correction": correction}
        y = table[of](x, axis, dtype, None, ddof, keepdims, **given)
        n = count_elements(x, mask, axes_of(function.__name__, x, axis), bool(keepdims))
        few = n <= (ddof if correction is None else correction)
        return y if few is False else chosen(few, y.dtype.type(np.nan), y)

    reduce.__name__, reduce.__doc__ = function.__name__, doc
    return reduce


nanvar = _spread_of_numbers(
    np.nanvar, np.var, "Variance of the non-NaN elements.  ∂x: 2·(x − mean)/(n − ddof), 0 at NaN."
)
nanstd = _spread_of_numbers(
    np.nanstd,
    np.std,
    "Standard deviation of the non-NaN elements.  ∂x: (x − mean)/((n − ddof)·y), 0 at NaN.",
)
