"""What the results look like: mean and spread, and a small histogram."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from autograd_mini.graph import Graph
from autograd_mini.tensors import Tensor

from ..errors import PictureError
from ..graphs.outline import Part
from ..reading import has_values
from ..texts import number
from .readings import Overlay, Reading

BARS: Final = 12
"""Bars of a histogram."""
FEWEST: Final = 8
"""Fewer numbers than this have no histogram."""


class Values(Overlay):
    """Mean ± standard deviation of each result and leaf, with a histogram."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        if not has_values(graph):
            raise PictureError("overlay='values' needs values, and a compiled program has none")

    def of_part(self, part: Part) -> Reading | None:
        """Return what the last result of a part looks like."""
        return looks(part.operations[-1].outputs[0]._value)

    def of_leaf(self, leaf: Any) -> Reading | None:
        """Return what a leaf looks like."""
        return looks(leaf._value if isinstance(leaf, Tensor) else leaf)


def looks(value: Any) -> Reading | None:
    """Return the statistics of real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.size == 0:
        return None
    if array.size == 1:
        return Reading(number(array.item())) if array.ndim else None
    numbers = array[np.isfinite(array)].astype(np.float64)
    lost = array.size - numbers.size
    if not numbers.size:
        return Reading("not finite")
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = float(np.mean(numbers)), float(np.std(numbers))
    ends = f"from {number(numbers.min())} to {number(numbers.max())}"
    tooltip = f"{ends}, {lost} not finite" if lost else ends
    return Reading(f"{short(mean)} ± {short(deviation)}", tooltip=tooltip, bars=histogram(numbers))


def histogram(numbers: np.ndarray) -> tuple[float, ...]:
    """Return the heights of the bars, the highest being 1; none for few numbers or equal ones."""
    if numbers.size < FEWEST or numbers.min() == numbers.max():
        return ()
    try:
        counts = np.histogram(numbers, BARS)[0]
    except ValueError:  # too narrow a range for so many bars
        return ()
    return tuple(np.round(counts / counts.max(), 2).tolist())


def short(value: float) -> str:
    """Write a number in two digits."""
    return number(float(f"{value:.2g}"))
