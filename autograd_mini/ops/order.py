"""Order along an axis: sort and partition, medians and quantiles.

The gradient follows the elements: what a quantile lies between is picked, the two are blended.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.contexts import run_quietly
from ..core.primitive import Rule
from ..core.record import check_operand, result_dtype, scope, value_of
from ..core.table import Axis
from ..core.tensor import Tensor
from ..errors import ArgumentError, OperandError, ShapeError
from .checks import axes_of, axis_of, demand, implements_by_name, require
from .conversion import astype
from .indexing import getitem_function
from .rearranging import take_along_axis
from .reductions import subject
from .selection import where as chosen
from .shapes import moveaxis
from .statistics import weights_over


def _along(a: object, axis: int | None) -> tuple[Array, int]:
    """Return a tensor, flattened for None, and the axis."""
    x = subject(a)
    return (np.ravel(x), 0) if axis is None else (x, axis_of("sort", x, axis))


@implements_by_name(np.sort)
def sort(a: Numbers, axis: int | None = -1, **how: Any) -> Array:
    """Sort along an axis.  ∂x: g, each element's own."""
    x, axis = _along(a, axis)
    return take_along_axis(x, np.argsort(x, axis, **how), axis)


@implements_by_name(np.partition)
def partition(a: Numbers, kth: Any, axis: int | None = -1, **how: Any) -> Array:
    """Put the element of rank `kth` in its place, smaller ones before it.  ∂x: each one's own g."""
    x, axis = _along(a, axis)
    return take_along_axis(x, np.argpartition(x, kth, axis, **how), axis)


ALPHA_BETA = {
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
"""Hyndman and Fan, Sample quantiles in statistical packages (1996), types 4 to 9 without 7."""


def _round_up_strictly(v: Array, at_integers: Array) -> Array:
    """Round up; use another value where the number is already an integer."""
    return chosen(v == np.floor(v), at_integers, np.ceil(v))


STEPS: dict[str, Any] = {
    "linear": lambda n, q: q * (n - 1),
    "lower": lambda n, q: np.floor(q * (n - 1)),
    "higher": lambda n, q: np.ceil(q * (n - 1)),
    "nearest": lambda n, q: np.rint(q * (n - 1)),
    "midpoint": lambda n, q: 0.5 * (np.floor(q * (n - 1)) + np.ceil(q * (n - 1))),
    "inverted_cdf": lambda n, q: np.ceil(q * n - 1),
    "averaged_inverted_cdf": lambda n, q: _round_up_strictly(q * n - 1, q * n - 0.5),
    "closest_observation": lambda n, q: _round_up_strictly(
        q * n - 1.5, 2 * np.floor(q * n / 2 - 0.75) + 1
    ),
}
PICKING = {"lower", "higher", "nearest", "inverted_cdf", "closest_observation"}
"""Methods whose quantiles are elements, which are not blended."""


def position(method: str, n: int, q: Array) -> Array:
    """Return where among n sorted elements the quantile q lies, between 0 and n − 1.

    Raises:
        ArgumentError: for another method.
    """
    if method in STEPS:
        v = STEPS[method](n, q)
    elif method in ALPHA_BETA:
        alpha, beta = ALPHA_BETA[method]
        v = n * q + (alpha + q * (1 - alpha - beta)) - 1
    else:
        raise ArgumentError(
            f"quantile: method {method!r} is not known; expected one of "
            f"{', '.join([*STEPS, *ALPHA_BETA])}"
        )
    return v if method == "linear" else np.clip(v, 0, n - 1)  # whose bounds have the slope 0


def _rows_of(x: Array, axes: tuple[int, ...]) -> Array:
    """Return x with the axes that are reduced as one, the last."""
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    moved = x if kept + axes == tuple(range(x.ndim)) else np.transpose(x, kept + axes)
    n = math.prod(x.shape[i] for i in axes)
    return np.reshape(moved, (*(x.shape[i] for i in kept), n))


def _reduced_shape(x: Array, axes: tuple[int, ...], keepdims: bool) -> tuple[int, ...]:
    """Return the shape of x without the axes that are reduced, or with 1 for each."""
    return tuple(1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes)


def _not_a_number(rows: Array, result: Array) -> Array:
    """Put NaN where the sorted values contain one: it sorts to the end."""
    if rows.dtype.kind not in "fc":
        return result
    last = rows[..., -1:]
    return chosen(np.isnan(last), astype(last, result.dtype), result)


def _probabilities(name: str, q: Any, highest: int) -> Array:
    """Return the requested quantiles as numbers between 0 and 1.

    Raises:
        ArgumentError: if one lies outside.
    """
    q = check_operand(q)
    given = value_of(q)
    if np.any(np.less(given, 0) | np.greater(given, highest)):
        raise ArgumentError(f"{name}: q must be from 0 to {highest}, got {given!r:.60}")
    demand(
        lambda: np.logical_not((q < 0) | (q > highest)), f"{name}: q must be from 0 to {highest}"
    )
    return q if highest == 1 else q / highest


def _weighted_places(weights: Array, q: Array) -> Array:
    """Return the first places at which the share of the weights so far reaches q."""
    sums = np.cumsum(weights, -1, np.float64)
    share = sums / sums[..., -1:]
    share = chosen(share == 0, -1, share)
    places = np.sum(np.expand_dims(share, -2) < np.reshape(q, (-1, 1)), axis=-1)
    return np.minimum(places, weights.shape[-1] - 1)


def _take_last_axis(rows: Array, places: Array) -> Array:
    """Return the elements at places along the last axis, which are the same for all rows or not."""
    places = astype(places, np.intp)
    if places.ndim != 1:
        return take_along_axis(rows, places, -1)
    return getitem_function(rows, (..., places))


def _blend_neighbours(rows: Array, v: Array, dtype: object) -> Array:
    """Return what lies at the positions v of sorted rows, between two elements.

    ∂rows: 1 − γ below and γ above, where γ is the fraction of v  ∂v: the difference of the two.
    """
    low = np.floor(v)
    below = _take_last_axis(rows, low)
    if not isinstance(v, Tensor) and np.all(v == low):
        return astype(below, dtype)
    share = astype(v - low, dtype)
    if isinstance(v, Tensor) and v.requires_grad:
        slope = _slope_at(rows, low, share, below)
        return below + share * chosen((share == 0) & ~np.isfinite(slope), 0, slope)
    between = below + share * (_take_last_axis(rows, np.ceil(v)) - below)
    return chosen(share == 0, below, between)


def _slope_at(rows: Array, low: Array, share: Array, below: Array) -> Array:
    """Return how much sorted rows rise behind the place `low`.

    At an element it is the smaller rise of both sides; at the first and last that of the only one.
    """
    last = rows.shape[-1] - 1
    above, under = (
        _take_last_axis(rows, np.minimum(low + 1, last)),
        _take_last_axis(rows, np.maximum(low - 1, 0)),
    )
    after, before = run_quietly(  # between infinities
        lambda: (above - below, below - under), invalid="ignore"
    )
    smaller = chosen(before < after, before, after)
    at_end = (low == last) | np.isnan(after)  # behind the last number there may be NaN
    at_element = chosen(at_end, before, chosen(low == 0, after, smaller))
    return chosen(share == 0, at_element, after)


def _quantiles(
    name: str,
    a: Numbers,
    q: Array | float,
    axis: Axis,
    ignore: bool,
    method: str = "linear",
    keepdims: bool = False,
    weights: Numbers | None = None,
) -> Array:
    """Compute quantiles over axes; their own axes come first.

    Raises:
        OperandError: for complex numbers, which have no order, and for booleans.
        ShapeError: if there is nothing to take a quantile of.
        ArgumentError: for weights with another method than "inverted_cdf".
    """
    x = subject(a)
    if x.dtype.kind == "c":
        raise OperandError(f"{name}: complex numbers have no order; take t.real, t.imag or np.abs")
    axes = axes_of(name, x, axis)
    rows = _rows_of(x, axes)
    n = rows.shape[-1]
    if not n:
        raise ShapeError(f"{name}: the shape {x.shape} has no elements over axis {axis}")
    whole = method == "linear" and result_dtype(q).kind in "iu"
    if x.dtype.kind == "b" and np.size(q) and not whole and method not in PICKING:
        raise OperandError(f"{name}: there is nothing between booleans; give x.astype(float)")
    dtype = x.dtype if method in PICKING or whole else result_dtype(x.dtype, q, 0.5)
    asked = np.reshape(q, (-1,))
    if weights is not None:
        if method != "inverted_cdf":
            raise ArgumentError(f"{name}: weights go with method='inverted_cdf', not {method!r}")
        w = _rows_of(np.broadcast_to(weights_over(x, subject(weights), axis), x.shape), axes)
        require(lambda w: np.logical_not(w < 0), w, f"{name}: weights must not be negative")
        w = chosen(np.isnan(rows), 0, w) if ignore and x.dtype.kind == "f" else w
        ranks = np.argsort(rows, -1)
        rows = take_along_axis(rows, ranks, -1)
        v = _weighted_places(take_along_axis(w, ranks, -1), asked)
    elif ignore and x.dtype.kind == "f":
        rows = sort(rows)
        v = position(method, np.sum(np.isnan(rows) == False, -1, keepdims=True), asked)  # noqa: E712
    else:
        v = position(method, n, asked)
        rows = sort(rows) if isinstance(v, Tensor) else _partition_around(rows, v)
    y = _take_last_axis(rows, v) if method in PICKING else _blend_neighbours(rows, v, dtype)
    y = y if ignore else _not_a_number(rows, y)
    shape = _reduced_shape(x, axes, bool(keepdims))
    if not np.ndim(q):
        return np.reshape(y, shape)
    return np.reshape(moveaxis(y, -1, 0), (*np.shape(q), *shape))


def _partition_around(rows: Array, v: Array) -> Array:
    """Sort just enough for the elements around positions v, and the last, to be in their places."""
    around = {int(i) for i in (*np.floor(v).ravel(), *np.ceil(v).ravel(), rows.shape[-1] - 1)}
    return partition(rows, sorted(around), -1)


def _quantile_function(function: Any, highest: int, ignore: bool, doc: str) -> Rule:
    """Make one of NumPy's quantile functions and enter it in the table."""
    name = function.__name__

    @implements_by_name(function)
    @scope(name)
    def quantile(
        a: Numbers, q: Numbers, axis: Axis = None, overwrite_input: bool = False, **given: Any
    ) -> Array:
        return _quantiles(name, a, _probabilities(name, q, highest), axis, ignore, **given)

    quantile.__name__, quantile.__doc__ = name, doc
    return quantile


RULE = (
    "  ∂x: g at the element, shared by the two that it lies between  ∂q: the slope there; at an "
    "element the smaller one of both sides"
)
quantile = _quantile_function(np.quantile, 1, False, f"Quantiles over axes.{RULE}")
percentile = _quantile_function(np.percentile, 100, False, f"Percentiles over axes.{RULE}")
nanquantile = _quantile_function(np.nanquantile, 1, True, f"Quantiles of non-NaN elements.{RULE}")
nanpercentile = _quantile_function(
    np.nanpercentile, 100, True, f"Percentiles of non-NaN elements.{RULE}"
)


@implements_by_name(np.median)
@scope("median")
def median(
    a: Numbers, axis: Axis = None, overwrite_input: bool = False, keepdims: bool = False
) -> Array:
    """Take the middle element over axes, the mean of the two if their number is even.

    ∂x: g at the middle element, ½ each at two.
    """
    x = subject(a)
    axes = axes_of("median", x, axis)
    rows = _rows_of(x, axes)
    n = rows.shape[-1]
    if not n:
        return np.mean(x, axis=axes, keepdims=keepdims)
    low, high = (n - 1) // 2, n // 2
    rows = partition(rows, sorted({low, high, n - 1}), -1)
    y = np.mean(rows[..., low : high + 1], axis=-1, keepdims=True)
    return np.reshape(_not_a_number(rows, y), _reduced_shape(x, axes, bool(keepdims)))


@implements_by_name(np.nanmedian)
@scope("nanmedian")
def nanmedian(
    a: Numbers, axis: Axis = None, overwrite_input: bool = False, keepdims: bool = False
) -> Array:
    """Take the median along axes, ignoring NaN; NaN where no number is left.

    ∂x: g at the middle element, ½ each at two.
    """
    x = subject(a)
    if x.dtype.kind != "f" or not x.size:
        return median(x, axis, keepdims=keepdims)
    return _quantiles("nanmedian", x, 0.5, axis, True, keepdims=keepdims)
