"""Histograms. Their edges have gradients: to the ends of the sample, or to the given edges.

The counts are plain: they jump where a value crosses an edge. A density divides them by the widths
of the bins, so it carries the gradient of the edges.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.primitive import implements
from ..core.record import check_operand, scope
from ..core.tensor import Tensor
from ..errors import UnsupportedError
from .conversion import convert_operand, stop_gradient
from .nondifferentiable import plain
from .reductions import max, min

if TYPE_CHECKING:
    from ..core.arrays import Array, Numbers

# NumPy's stubs want literals where ours are variables.
numpy_histogram: Any = np.histogram
numpy_edges: Any = np.histogram_bin_edges
numpy_histogramdd: Any = np.histogramdd


def _plain_weights(name: str, weights: object) -> np.ndarray:
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


def _ends_of(sample: Tensor, limits: Any) -> tuple[object, object]:
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


def _record_edges(name: str, sample: Any, bins: int, limits: Any, edges: Array) -> Array:
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


def _density_over(counts: np.ndarray, edges: list[Any]) -> Tensor:
    """Divide counts by the widths of their bins along each axis, and by their sum, in float64."""
    y = counts / np.sum(counts)
    for i, e in enumerate(edges):
        widths = convert_operand(np.real(np.diff(e)), float)
        y = y / np.reshape(widths, (-1, *(1,) * (len(edges) - i - 1)))
    return y


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: object = None) -> Any:
    """Return the edges of bins.

    ∂a: the share of the smallest and of the largest element in each edge, split evenly among ties
    ∂bins: g, if they are edges.
    """
    name = "histogram_bin_edges"
    given = [plain(x, f"np.{name}") for x in (a, bins, range, weights)]
    return _record_edges(name, a, bins, range, numpy_edges(*given))


@implements(np.histogram)
def histogram(
    a: object,
    bins: Any = 10,
    range: Any = None,
    density: object = None,
    weights: Numbers | None = None,
) -> tuple[object, object]:
    """Count values in bins, or add up their weights; return this and the edges.

    ∂a: of the edges, as np.histogram_bin_edges; none of the counts.

    Raises:
        UnsupportedError: for weights that require a gradient.
    """
    given = [plain(x, "np.histogram") for x in (a, bins, range)]
    given.append(_plain_weights("histogram", weights))
    counts, plain_edges = numpy_histogram(*given[:3], False, given[3])
    edges = _record_edges("histogram", a, bins, range, plain_edges)
    if not density:
        return counts, edges
    if edges is plain_edges:
        return numpy_histogram(*given[:3], True, given[3])
    return _density_over(counts, [edges]), edges


@implements(np.histogramdd)
def histogramdd(
    sample: object,
    bins: object = 10,
    range: Any = None,
    density: object = None,
    weights: object = None,
) -> tuple[Any, list[Any]]:
    """Count points in boxes, or add up their weights; return this and the edges of each axis.

    ∂sample: of the edges, as np.histogram_bin_edges of each axis; none of the counts.

    Raises:
        UnsupportedError: for weights that require a gradient.
    """
    given = [plain(x, "np.histogramdd") for x in (sample, bins, range)]
    given.append(_plain_weights("histogramdd", weights))
    counts, plain_edges = numpy_histogramdd(*given[:3], False, given[3])
    count = len(plain_edges)
    edges = [
        _record_edges("histogramdd", x, b, None if range is None else range[i], e)
        for i, (x, b, e) in enumerate(
            zip(_columns(sample, count), _each_axis(bins, count), plain_edges, strict=True)
        )
    ]
    if not density:
        return counts, edges
    if all(e is p for e, p in zip(edges, plain_edges, strict=True)):
        return numpy_histogramdd(*given[:3], True, given[3])[0], edges
    return _density_over(counts, edges), edges


def _columns(sample: Any, count: int) -> list[Any]:
    """Return the coordinates of points along each axis, as np.histogramdd takes them."""
    if type(sample) in (list, tuple):
        return [check_operand(x) for x in sample]
    sample = check_operand(sample)
    return [sample] if sample.ndim < 2 else [sample[:, i] for i in np.arange(count)]


def _each_axis(bins: Any, count: int) -> list[Any]:
    """Return the bins of each axis."""
    return list(bins) if np.ndim(bins) or type(bins) in (list, tuple) else [bins] * count


@implements(np.histogram2d)
def histogram2d(
    x: object,
    y: object,
    bins: Any = 10,
    range: object = None,
    density: object = None,
    weights: object = None,
) -> tuple[object, object, object]:
    """Count points of the plane in boxes; return this and the edges of both axes.

    ∂x: of its edges, as np.histogram_bin_edges; none of the counts  ∂y: likewise
    """
    many = (np.ndim(bins) == 1 or type(bins) in (list, tuple)) and len(bins) not in (1, 2)
    counts, edges = histogramdd([x, y], [bins, bins] if many else bins, range, density, weights)
    return counts, edges[0], edges[1]
