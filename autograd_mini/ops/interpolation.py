"""Piecewise linear interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.primitive import implements
from ..core.record import scope, value_of
from ..errors import ArgumentError, ShapeError
from .conversion import astype
from .linalg import tensor_like
from .picking import take
from .selection import where


@implements(np.interp)
@scope("interp")
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """Interpolate between points (xp, fp); outside it is constant, `left` and `right`, or periodic.

    ∂x: the slope  ∂fp: the weights of both neighbours  ∂xp: −slope, weighted. At a point the slope
    is the smaller of both sides, 0 if they differ in sign; the outside has slope 0.

    Raises:
        ShapeError: if xp and fp are no vectors of one length, or have no points.
    """
    x, xp, fp = wide(x), wide(xp), wide(fp)
    if xp.ndim != 1 or xp.shape != fp.shape or not xp.size:
        raise ShapeError(
            f"interp: xp and fp are vectors of one length, at least 1; got {xp.shape}, {fp.shape}"
        )
    if period is not None:
        x, xp, fp = repeat_period(x, xp, fp, np.abs(wide(period)))
        left = right = None
    y = between(x, xp, fp)
    if left is not None:
        y = where(x < xp[0], wide(left), y)
    return y if right is None else where(x > xp[-1], wide(right), y)


def wide(x: Any) -> Any:
    """Return an operand in float64 or complex128, in which NumPy interpolates."""
    x = tensor_like(x)
    kind = np.dtype(complex if x.dtype.kind == "c" else float)
    return x if x.dtype == kind else astype(x, kind)


def repeat_period(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """Bring all into one period, in order, with one point more at either end."""
    if period.ndim or not value_of(period):
        raise ArgumentError(f"interp: the period is a number other than 0, got {period!r}")
    x, xp = np.remainder(x, period), np.remainder(xp, period)
    order = np.argsort(xp)
    xp, fp = take(xp, order), take(fp, order)
    xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, np.concatenate([fp[-1:], fp, fp[:1]])


def between(x: Any, xp: Any, fp: Any) -> Any:
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
    slope = where(from_base == 0, milder(before, after), take(slopes, place + 1))
    outside = (x < xp[0]) | (x > xp[-1])
    return take(fp, base) + slope * where(outside, 0, from_base)


def milder(before: Any, after: Any) -> Any:
    """Return the smaller of two slopes, 0 if they differ in sign; of complex ones the mean."""
    if before.dtype.kind == "c":
        return (before + after) / 2
    smaller = where(np.abs(before) < np.abs(after), before, after)
    return where(before * after > 0, smaller, 0)
