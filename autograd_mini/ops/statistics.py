"""Statistics over axes: variance, standard deviation, weighted means, covariances, histograms.

The counts of a histogram are plain: they jump where a value crosses an edge. The edges have
gradients: to the ends of the sample, or to the given edges. A density divides the counts by the
widths of the bins, so it carries the gradient of the edges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers
from ..core.contexts import function_scope
from ..core.primitive import Rule, case, general, implements
from ..core.record import check_operand, scope, value_of
from ..core.table import Axis
from ..core.tensor import Tensor
from ..errors import ArgumentError, ShapeError, UnsupportedError
from .checks import axes_of, places_of, require
from .conversion import astype, convert_operand, stop_gradient
from .nondifferentiable import plain
from .products import conjugate_if_complex
from .reductions import (
    OVER,
    count,
    count_elements,
    inverse,
    mask_elements,
    max,
    mean,
    min,
    restore,
    subject,
    sum,
)
from .selection import where as chosen


def _std_rule(
    g: Array, y: Array, x: Array, *, axis: tuple[int, ...], keepdims: bool, correction: float
) -> Array:
    """∂x: conj(x − mean) / ((n − correction)·y); 0 where all elements are equal."""
    if not x.size:  # nothing has no largest element
        return x * 0
    constant = np.max(x, axis=axis, keepdims=True) == np.min(x, axis=axis, keepdims=True)
    length = chosen(constant, 1, restore(y, axis, keepdims))
    centred = x - np.mean(x, axis=axis, keepdims=True)
    share = restore(g, axis, keepdims) * inverse(count(x, axis) - correction)
    return chosen(constant, 0, share / length) * conjugate_if_complex(centred)


std_ = general(
    lambda x, *, axis, keepdims, correction: np.std(
        x, axis=axis, keepdims=keepdims, ddof=correction
    ),
    "std",
    "Standard deviation over axes.  ∂x: (x − mean)/((n − correction)·y), 0 for equal elements",
    name="std",
    vjp=(_std_rule,),
    samples=(
        case((3, 4), axis=(0, 1), keepdims=False, correction=0),
        case((3, 4), axis=(1,), keepdims=True, correction=1),
    ),
    params=(*OVER, "correction"),
    distinct=True,
)


def _degrees_taken(name: str, ddof: float, correction: float | None) -> float:
    """Return the number subtracted from the count of elements: `ddof`, or `correction`.

    Raises:
        ArgumentError: if both are given.
    """
    if correction is None:
        return ddof
    if ddof:
        raise ArgumentError(
            f"{name}: ddof={ddof} and correction={correction} are two names of the same number; "
            "give one"
        )
    return correction


def _squared_sum(
    name: str, x: Array, axes: tuple[int, ...], where: Numbers, average: Numbers | None
) -> tuple[Array, int | Array]:
    """Return the sum of the squared distances from the mean, and how many they are."""
    if average is None:
        average = mean(x, axis=axes, keepdims=True, where=where)
    centred = mask_elements(name, x - check_operand(average), where, 0)
    if centred.dtype.kind == "c":
        squares = np.real(centred) ** 2 + np.imag(centred) ** 2
    else:
        squares = centred * centred
    return sum(squares, axis=axes, keepdims=True), count_elements(x, where, axes, keepdims=True)


def without(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    """Remove the reduced axes, which have length 1, unless they are kept."""
    return x if keepdims or not axes else np.squeeze(x, axis=axes)


def _freedom(n: int | Array, correction: float, dtype: np.typing.DTypeLike) -> float | Array:
    """Return n − correction, 0 at least, as what divides values of a dtype."""
    if isinstance(n, int):
        return n - correction if n > correction else 0
    return astype(np.maximum(n - correction, 0), dtype)


def _spread_function(function: Callable[..., object], root: bool, doc: str) -> Rule:
    """Make the variance, or its square root, and enter it in the table."""
    name = function.__name__

    @implements(function)
    def spread(
        a: Numbers,
        axis: Axis = None,
        dtype: object = None,
        out: None = None,
        ddof: float = 0,
        keepdims: bool = False,
        *,
        where: Numbers = True,
        mean: Numbers | None = None,
        correction: float | None = None,
    ) -> Array:
        x = subject(a, dtype)
        axes = axes_of(name, x, axis)
        less = _degrees_taken(name, ddof, correction)
        if root and where is True and mean is None:
            return std_(x, axis=axes, keepdims=bool(keepdims), correction=less)
        with function_scope(name):
            total, n = _squared_sum(name, x, axes, where, mean)
            over = _freedom(n, less, total.dtype)
            if not root:
                return without(total / over, axes, keepdims)
            constant = total == 0
            if mean is None:
                constant = constant | equal(x, axes, where)
            constant = constant & (over != 0)  # else it is 0/0, as NumPy has it
            variance = chosen(constant, 1, total) / over
            return without(chosen(constant, 0, np.sqrt(variance)), axes, keepdims)

    spread.__name__, spread.__doc__ = name, doc
    return spread


var = _spread_function(
    np.var,
    False,
    """Compute the mean squared distance from the mean over axes, over n − ddof.

    ∂x: 2·(x − mean)/(n − ddof).
    """,
)
std = _spread_function(
    np.std,
    True,
    """Compute the square root of the variance over axes.

    ∂x: (x − mean)/((n − ddof)·y), 0 for equal elements, second ones too.
    """,
)


def equal(x: Array, axes: tuple[int, ...], where: Numbers) -> Array:
    """Tell where all elements along axes are equal, where the mask is true."""
    low, high = (-np.inf, np.inf) if x.dtype.kind in "fc" else (0, 0)
    largest = max(mask_elements("std", x, where, low), axes, keepdims=True)
    return largest == min(mask_elements("std", x, where, high), axes, keepdims=True)


def weights_over(a: Array, weights: Array, axis: Axis) -> Array:
    """Return weights that broadcast to `a`: of its shape, or of the shape of the axes only.

    Raises:
        ShapeError: if they have another shape.
    """
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise ShapeError(
            f"average: weights of shape {weights.shape} for values of shape {a.shape} need an axis"
        )
    places = places_of("average", a, axis)
    if weights.shape != tuple(a.shape[i] for i in places):
        raise ShapeError(
            f"average: weights of shape {weights.shape} do not fit axis {axis} of the shape "
            f"{a.shape}"
        )
    ordered = np.transpose(weights, tuple(int(i) for i in np.argsort(places)))
    return np.reshape(ordered, tuple(n if i in places else 1 for i, n in enumerate(a.shape)))


@implements(np.average)
@scope("average")
def average(
    a: Numbers,
    axis: Axis = None,
    weights: Numbers | None = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Array | tuple[Array, Array]:
    """Compute the weighted mean over axes, with `returned` also the sum of the weights.

    ∂a: w/Σw  ∂w: (a − y)/Σw.

    Raises:
        ZeroDivisionError: if the weights add up to 0; a program that is replayed divides by it.
    """
    x = subject(a)
    axes = axes_of("average", x, axis)
    if weights is None:
        y = mean(x, axes, keepdims=keepdims)
        total = np.full(y.shape, count(x, axes), y.dtype)[()]
        return (y, total) if returned else y
    w = weights_over(x, subject(weights), axis)
    dtype = np.result_type(x.dtype, w.dtype, *([np.float64] if x.dtype.kind in "biu" else []))
    w = np.broadcast_to(astype(w, dtype), x.shape)
    total = sum(w, axes, keepdims=keepdims)
    if np.any(value_of(total) == 0):
        raise ZeroDivisionError("average: the weights add up to 0, so they cannot be normalized")
    y = sum(x * w, axes, keepdims=keepdims) / total
    return (y, total) if returned else y


def _observations(name: str, m: object, y: object, rowvar: bool, dtype: object) -> Array:
    """Return the variables as rows of one matrix.

    Raises:
        ShapeError: if there are more than two axes.
    """
    rows = []
    for i, part in enumerate([m] if y is None else [m, y]):
        x = subject(part)
        if x.ndim > 2:
            raise ShapeError(f"{name}: expected at most two axes, got the shape {x.shape}")
        given = np.atleast_2d(x)
        turned = not rowvar and (given.shape[0] != 1 if i else x.ndim == 2)
        rows.append(np.transpose(given) if turned else given)
    kind = dtype or np.result_type(*(x.dtype for x in rows), np.float64)
    return np.concatenate([convert_operand(x, kind) for x in rows], axis=0)


def _frequency(name: str, weights: object, n: int) -> Array:
    """Return weights of the observations in float64: one for each, and not negative.

    Raises:
        ShapeError, ArgumentError: if they are not.
    """
    w = convert_operand(weights, np.float64)
    if w.shape != (n,):
        raise ShapeError(f"cov: {name} of shape {w.shape} for {n} observations; give one for each")
    require(lambda w: np.logical_not(w < 0), w, f"cov: {name} must not be negative")
    return w


def _combined_weights(
    fweights: Numbers | None, aweights: Numbers | None, n: int, less: int
) -> tuple[Array | None, float | Array]:
    """Return the product of both weights (None if no weights) and the divisor of the sums."""
    if fweights is None and aweights is None:
        return None, n - less
    counts: Any = None if fweights is None else _frequency("fweights", fweights, n)
    if counts is not None:
        require(lambda n: n == np.round(n), counts, "cov: fweights are counts, expected integers")
    if aweights is None:
        return counts, np.sum(counts) - less
    given = _frequency("aweights", aweights, n)
    w = given if counts is None else counts * given
    total = np.sum(w)
    return w, total - less * np.sum(w * given) / total


@implements(np.cov)
@scope("cov")
def cov(
    m: Numbers,
    y: Numbers | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Numbers | None = None,
    aweights: Numbers | None = None,
    *,
    dtype: object = None,
) -> Array:
    """Compute the covariance matrix of variables, the rows of m (and y).

    The product of the centred rows, over the weights' sum less ddof.  ∂m: (ḡ + ḡᵀ)·centred rows.
    """
    if ddof is not None and ddof != int(ddof):
        raise ArgumentError(f"cov: ddof must be an integer, got {ddof}")
    x = _observations("cov", m, y, rowvar, dtype)
    if not x.shape[0]:
        return np.zeros((0, 0))
    less = (0 if bias else 1) if ddof is None else ddof
    w, over = _combined_weights(fweights, aweights, x.shape[1], less)
    centred = astype(x - np.reshape(average(x, 1, w), (-1, 1)), x.dtype)
    weighted = centred if w is None else centred * w
    product = np.matmul(weighted, conjugate_if_complex(np.transpose(centred)))
    return np.squeeze(product / convert_operand(np.maximum(over, 0), np.real(product).dtype))


@implements(np.corrcoef)
@scope("corrcoef")
def corrcoef(
    x: Numbers, y: Numbers | None = None, rowvar: bool = True, *, dtype: object = None
) -> Tensor:
    """Compute the correlations of variables: covariances over deviations.

    ∂x: as of cov and of that quotient, also where rounding is cut off at −1 and 1.
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.real(np.diagonal(c)))
    r = c / np.reshape(deviation, (-1, 1)) / deviation
    if r.dtype.kind != "c":
        return _clip_rounding(r)
    return _clip_rounding(np.real(r)) + 1j * _clip_rounding(np.imag(r))


def _clip_rounding(r: Tensor) -> Tensor:
    """Bring what rounding has put outside of [−1, 1] back, a constant: np.clip cuts derivatives."""
    return r + stop_gradient(np.clip(r, -1, 1) - r)


# NumPy's stubs want literals where ours are variables.
numpy_histogram: Any = np.histogram
numpy_edges: Any = np.histogram_bin_edges
numpy_histogramdd: Any = np.histogramdd


def _plain_weights(name: str, weights: object) -> Array | None:
    """Return weights as NumPy takes them.

    Raises:
        UnsupportedError: if they require a gradient.
    """
    if isinstance(weights, Tensor) and weights.requires_grad:
        raise UnsupportedError(
            f"np.{name} would lose the gradient of weights; np.bincount(places, weights=w), with "
            "the number of each value's bin, adds them up and records; if a constant is "
            "meant, give weights.data"
        )
    return plain(weights, f"np.{name}")


def _ends_of(sample: Array, limits: Sequence[Numbers] | None) -> tuple[Array, Array]:
    """Return the first and last edge: of the range, or of the sample."""
    if limits is not None:
        first, last = (check_operand(x) for x in limits)
    elif math.prod(np.shape(sample)):
        first, last = min(sample), max(sample)
    else:
        first, last = 0.0, 1.0
    if first == last:  # NumPy makes room for one bin
        return first - 0.5, last + 0.5
    return first, last


def _record_edges(name: str, sample: Any, bins: Any, limits: Any, edges: Array) -> Array:
    """Return NumPy's edges, as a tensor if they were made of tensors."""
    if isinstance(bins, Tensor) and bins.ndim:
        return bins
    if np.ndim(bins):
        return edges
    sources = [sample] if limits is None else list(limits)
    if not any(isinstance(x, Tensor) for x in sources):
        return edges
    first, last = (convert_operand(x, edges.dtype) for x in _ends_of(sample, limits))
    with scope(name):
        y = np.linspace(first, last, len(edges))
        return y + stop_gradient(edges - y)  # to the last digit, as the counts follow NumPy's


def _density_over(counts: Array, edges: list[Array]) -> Array:
    """Divide counts by the widths of their bins along each axis, and by their sum, in float64."""
    y = counts / np.sum(counts)
    for i, e in enumerate(edges):
        widths = convert_operand(np.real(np.diff(e)), float)
        y = y / np.reshape(widths, (-1, *(1,) * (len(edges) - i - 1)))
    return y


@implements(np.histogram_bin_edges)
def histogram_bin_edges(
    a: Any, bins: Any = 10, range: Sequence[Numbers] | None = None, weights: object = None
) -> Array:
    """Return the edges of bins.

    ∂a: the share of the smallest and of the largest element in each edge, split evenly among ties
    ∂bins: g, if they are edges.
    """
    name = "histogram_bin_edges"
    given = [plain(x, f"np.{name}") for x in (a, bins, range, weights)]
    return _record_edges(name, a, bins, range, numpy_edges(*given))


@implements(np.histogram)
def histogram(
    a: Numbers,
    bins: Any = 10,
    range: Sequence[Numbers] | None = None,
    density: object = None,
    weights: object = None,
) -> tuple[Array, Array]:
    """Count values in bins, or add up their weights; return this and the edges.

    ∂a: of the edges, as np.histogram_bin_edges; none of the counts.

    Raises:
        UnsupportedError: for weights that require a gradient.
    """
    given = [plain(x, "np.histogram") for x in (a, bins, range)]
    count = partial(numpy_histogram, *given, weights=_plain_weights("histogram", weights))
    counts, plain_edges = count()
    edges = _record_edges("histogram", a, bins, range, plain_edges)
    if not density:
        return counts, edges
    if edges is plain_edges:
        return count(density=True)
    return _density_over(counts, [edges]), edges


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: object = None, weights: object = None
) -> tuple[Array, list[Array]]:
    """Count points in boxes, or add up their weights; return this and the edges of each axis.

    ∂sample: of the edges, as np.histogram_bin_edges of each axis; none of the counts.

    Raises:
        UnsupportedError: for weights that require a gradient.
    """
    given = [plain(x, "np.histogramdd") for x in (sample, bins, range)]
    count = partial(numpy_histogramdd, *given, weights=_plain_weights("histogramdd", weights))
    counts, plain_edges = count()
    each = len(plain_edges)
    limits = [None] * each if range is None else range
    sources = zip(_columns(sample, each), _each_axis(bins, each), limits, plain_edges, strict=True)
    edges = [_record_edges("histogramdd", x, b, limit, e) for x, b, limit, e in sources]
    if not density:
        return counts, edges
    if all(e is p for e, p in zip(edges, plain_edges, strict=True)):
        return count(density=True)[0], edges
    return _density_over(counts, edges), edges


def _columns(sample: Any, count: int) -> list[Array]:
    """Return the coordinates of points along each axis, as np.histogramdd takes them."""
    if type(sample) in (list, tuple):
        return [check_operand(x) for x in sample]
    sample = check_operand(sample)
    return [sample] if sample.ndim < 2 else [sample[:, i] for i in np.arange(count)]


def _each_axis(bins: Any, count: int) -> list[object]:
    """Return the bins of each axis."""
    return list(bins) if np.ndim(bins) or type(bins) in (list, tuple) else [bins] * count


@implements(np.histogram2d)
def histogram2d(
    x: Numbers, y: Numbers, bins: Any = 10, *given: object, **named: object
) -> tuple[Array, Array, Array]:
    """Count points of the plane in boxes; return this and the edges of both axes.

    ∂x: of its edges, as np.histogram_bin_edges; none of the counts  ∂y: likewise
    """
    many = (np.ndim(bins) == 1 or type(bins) in (list, tuple)) and len(bins) not in (1, 2)
    counts, edges = histogramdd([x, y], [bins, bins] if many else bins, *given, **named)
    return counts, edges[0], edges[1]
