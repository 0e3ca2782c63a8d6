"""Statistics of results and leaves, and norms of gradients: where they vanish or explode."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..errors import PictureError
from ..graphs.builder import changed_leaves, output_index
from ..graphs.scopes import Part
from ..measures import mean_and_deviation
from ..reading import has_values, key
from ..texts import (
    LONGEST_TOOLTIP,
    clean_text,
    format_number,
    format_rough,
    join_list,
    operation_symbol,
)
from .readings import Leaving, Overlay, Reading

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array


from ..backward_pass import find_stale, gradient_notes, visits
from ..measures import norm
from ..reading import Key
from ..texts import NUMBERS, operation_label


class Gradients(Overlay):
    """The norm of the gradient of each result and each parameter, by one reverse pass.

    The pass starts from the sum of the outputs and changes no `.grad`.
    """

    title = "norm of the gradient"
    scale = "log"

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.leaving = Leaving(graph)
        self.results: dict[Key, float] = {}
        leaves: dict[Key, Any] = {}
        stale = find_stale(graph)
        if stale is not None:
            raise PictureError(
                f"overlay='gradients': {'; '.join(gradient_notes(graph))}, and "
                f"{operation_label(stale)} needs its former value; compute the result again "
                "after the change"
            )
        self.notes = tuple(gradient_notes(graph))
        if has_values(graph):
            for visit in visits(graph):
                arriving = zip(visit.operation.outputs, visit.arriving, strict=True)
                self.results |= {key(y): norm(g) for y, g in arriving if g is not None}
                for one in visit.contributions:
                    if one.operand.is_leaf:
                        leaves[key(one.operand)] = one.total
        self.leaves = {name: norm(g) for name, g in leaves.items()}
        if not self.results:
            raise PictureError(
                "overlay='gradients' needs values and a result that requires a gradient: pass a "
                "loss computed from am.tensor(…, requires_grad=True), not a compiled program"
            )

    def read_part(self, part: Part) -> Reading | None:
        """Return the norm for the results of an operation, or for those that leave a fold."""
        one = part.kind == "operation"
        made = part.operations[0].outputs if one else self.leaving.results(part)
        found = [self.results[key(y)] for y in made if key(y) in self.results]
        return self.reading(float(np.hypot.reduce(found))) if found else None

    def read_leaf(self, leaf: Any) -> Reading | None:
        """Return the norm of the gradient of a parameter."""
        found = self.leaves.get(key(leaf)) if isinstance(leaf, Tensor) else None
        if found is None:
            return None
        reading = self.reading(found)
        held = leaf.grad
        if isinstance(held, np.ndarray | np.generic) and held.dtype.kind in NUMBERS:
            size = self.format_value(norm(held))
            if size != self.format_value(found):  # calls of backward() add up there
                return replace(reading, text=f"{reading.text}; .grad {size}")
        return reading

    def reading(self, size: float) -> Reading:
        """Return the reading for a norm."""
        return Reading(
            f"‖∂‖ {self.format_value(size)}", size, f"norm of the gradient {format_number(size)}"
        )

    def format_value(self, value: float) -> str:
        """Write a norm in two digits."""
        return format_rough(value)


BARS: Final = 12
"""Bars of a histogram."""
FEWEST_NUMBERS: Final = 8
"""Arrays with fewer numbers than this have no histogram."""
MOST_RESULTS: Final = 4
"""A box shows at most this many results; its tooltip shows all."""
LONGEST_PART: Final = 16
"""The most letters in the name of a result of a fold."""


class Values(Overlay):
    """Mean ± standard deviation of each result and leaf; a histogram if the box has one array."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        if not has_values(graph):
            raise PictureError(
                "overlay='values' needs values, and a compiled program has none; draw what the "
                "function returns without am.compile"
            )
        self.leaving = Leaving(graph)
        self.changed = changed_leaves(graph)

    def read_part(self, part: Part) -> Reading | None:
        """Return the statistics of each result of an operation, or of those that leave a fold."""
        one = part.kind == "operation"
        results = list(part.operations[0].outputs) if one else self.leaving.results(part)
        found = [(_result_name(y, one), _read_statistics(y._value)) for y in results]
        known = [(name, reading) for name, reading in found if reading is not None]
        if len(found) == 1:
            return known[0][1] if known else None
        return _combine_readings(known)

    def read_leaf(self, leaf: Any) -> Reading | None:
        """Return the statistics of a leaf; "now" if it was assigned after the recording."""
        if not isinstance(leaf, Tensor):
            return _read_statistics(leaf)
        found = (
            _read_statistics(leaf._value) if leaf.ndim else None
        )  # a number is in the box anyway
        if found is None or key(leaf) not in self.changed:
            return found
        return replace(found, text=f"now {found.text}", tooltip=f"now {found.tooltip}")


def _result_name(y: Tensor, one: bool) -> str:
    """Return the name of a result: its index, or in a fold, its name or that of its operation."""
    assert y.op is not None  # it is a result
    if one:
        return f":{y.index}"
    return clean_text(y.name or f"{operation_symbol(y.op)}{output_index(y, y.op)}", LONGEST_PART)


def _combine_readings(known: list[tuple[str, Reading]]) -> Reading | None:
    """Return the statistics of several results, a line for each; the tooltip has all of them."""
    if not known:
        return None
    lines = [f"{name} {reading.text}" for name, reading in known[:MOST_RESULTS]]
    rest = len(known) - len(lines)
    lines += [f"… and {rest} more"] if rest else []
    all_lines = [" ".join(filter(None, (name, x.text, x.tooltip))) for name, x in known]
    return Reading("\n".join(lines), tooltip=join_list(all_lines, LONGEST_TOOLTIP, "\n"))


def _read_statistics(value: Array) -> Reading | None:
    """Return the statistics of real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.size == 0:
        return None
    if array.size == 1:
        return Reading(format_number(array.item()))
    numbers = array[np.isfinite(array)].astype(np.float64)
    lost = array.size - numbers.size
    if not numbers.size:
        return Reading("not finite")
    mean, deviation = mean_and_deviation(numbers)
    ends = f"from {format_number(numbers.min())} to {format_number(numbers.max())}"
    tooltip = f"{ends}, {lost} not finite" if lost else ends
    return Reading(
        f"{format_rough(mean)} ± {format_rough(deviation)}",
        tooltip=tooltip,
        bars=histogram(numbers),
    )


def histogram(numbers: np.ndarray) -> tuple[float, ...]:
    """Return the heights of the bars, at most 1; none for few numbers or equal ones."""
    if numbers.size < FEWEST_NUMBERS or numbers.min() == numbers.max():
        return ()
    try:
        with np.errstate(all="ignore"):
            counts = np.histogram(numbers, BARS)[0]
    except ValueError:  # too narrow a range for so many bars
        return ()
    return tuple(np.round(counts / counts.max(), 2).tolist())
