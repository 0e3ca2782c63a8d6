"""Statistics of results, leaves and gradients: where they vanish or explode, where NaN arises."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..backward_pass import find_stale, gradient_notes, visits
from ..errors import PictureError
from ..graphs.builder import output_index
from ..graphs.scopes import Part
from ..reading import Key, changed_leaves, has_values, is_number, key, operands
from ..texts import (
    LONGEST_TOOLTIP,
    NUMBERS,
    clean_text,
    format_number,
    format_rough,
    join_list,
    mean_and_deviation,
    norm,
    operation_label,
    operation_symbol,
)
from ..wording.language import label_of, say, say_count
from .readings import Leaving, Mark, Overlay, Reading

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array


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
        if not found:
            return None
        whole = self.reading(float(np.hypot.reduce(found)))
        return self._with_rounds(whole, part) if part.count else whole

    def _with_rounds(self, whole: Reading, part: Part) -> Reading:
        """Return the reading of a repetition, with a curve of the norms over its rounds."""
        norms = []
        for operations in part.rounds():
            made = self.leaving.results(Part("scope", part.branch, operations))
            sizes = [self.results[key(y)] for y in made if key(y) in self.results]
            norms.append(float(np.hypot.reduce(sizes)) if sizes else 0.0)
        ends = f"{self.format_value(norms[0])} … {self.format_value(norms[-1])}"
        line = say("‖∂‖ by round: {ends}", ends=ends)
        tooltip = f"{whole.tooltip}\n" + say("{line}, on a logarithmic scale", line=line)
        return replace(whole, text=line, tooltip=tooltip, bars=_curve(norms))

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
            f"‖∂‖ {self.format_value(size)}",
            size,
            say("norm of the gradient {norm}", norm=format_number(size)),
        )

    def format_value(self, value: float) -> str:
        """Write a norm in two digits."""
        return format_rough(value)


MOST_POINTS: Final = 24
"""Of more rounds than this, these are shown, at equal distances."""
LOWEST_BAR: Final = 0.08
"""The height of the bar of the smallest norm; 0 and what is not finite has none."""


def _curve(norms: list[float]) -> tuple[float, ...]:
    """Return the heights of norms on a logarithmic scale, from 0 to 1."""
    places = np.linspace(0, len(norms) - 1, min(len(norms), MOST_POINTS)).round().astype(int)
    shown = np.array(norms)[places]
    known = np.isfinite(shown) & (shown > 0)
    if not known.any():
        return ()
    logs = np.log(np.where(known, shown, 1.0))
    low, high = logs[known].min(), logs[known].max()
    heights = LOWEST_BAR + (1 - LOWEST_BAR) * (logs - low) / ((high - low) or 1.0)
    return tuple(np.where(known, heights, 0.0).round(2).tolist())


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
        now = {
            name: say("now {value}", value=text)
            for name, text in (("text", found.text), ("tooltip", found.tooltip))
        }
        return replace(found, **now)  # type: ignore[arg-type]  # both are texts


def _result_name(y: Tensor, one: bool) -> str:
    """Return the name of a result: its index, or in a fold, its name or that of its operation."""
    assert y.op is not None  # it is a result
    if one:
        return f":{y.index}"
    made = f"{operation_symbol(y.op)}{output_index(y, y.op)}"
    return clean_text(label_of(y.name) if y.name else made, LONGEST_PART)


def _combine_readings(known: list[tuple[str, Reading]]) -> Reading | None:
    """Return the statistics of several results, a line for each; the tooltip has all of them."""
    if not known:
        return None
    lines = [f"{name} {reading.text}" for name, reading in known[:MOST_RESULTS]]
    rest = len(known) - len(lines)
    lines += [say("… and {rest} more", rest=rest)] if rest else []
    all_lines = [" ".join(filter(None, (name, x.text, x.tooltip))) for name, x in known]
    return Reading("\n".join(lines), tooltip=join_list(all_lines, LONGEST_TOOLTIP, "\n"))


def _read_statistics(value: Array) -> Reading | None:
    """Return the statistics of real numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.size == 0:
        return None
    if array.size == 1:
        return Reading(say("value {value}", value=format_number(array.item())))
    numbers = array[np.isfinite(array)].astype(np.float64)
    lost = array.size - numbers.size
    if not numbers.size:
        return Reading(say("not finite"))
    mean, deviation = mean_and_deviation(numbers)
    low, high = format_number(numbers.min()), format_number(numbers.max())
    ends = say("from {low} to {high}", low=low, high=high)
    tooltip = say("{values}, {lost} not finite", values=ends, lost=lost) if lost else ends
    return Reading(
        say("mean {mean} ± {sd}", mean=format_rough(mean), sd=format_rough(deviation)),
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


Told = tuple[Mark, str]
"""A mark, and "NaN" or "Inf"."""
LONGEST_NOTE: Final = 40
GRADIENT_NOTE: Final = "∂: in the gradient, which runs from the result back"
RANK: Final = {"origin": 0, "": 1, "reached": 2}


class Nonfinite(Overlay):
    """Marks where a value or gradient is not finite: the origin, and what it reaches.

    Values and gradients have separate marks, because an infinity may be intended, as in a mask, and
    would hide a gradient that is wrong. If a leaf was assigned after the recording, only its new
    value is known; then neither the leaf nor a result that it may have reached has a mark.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        if not has_values(graph):
            raise PictureError(
                "overlay='nonfinite' needs values, and a compiled program has none; draw what the "
                "function returns without am.compile"
            )
        self.marks: dict[int, Told] = {}
        self.leaves: dict[Any, Told] = {}
        self.given: dict[int, Told] = {}
        self.gradients: dict[int, Told] = {}
        self.gradients_of_leaves: dict[Any, str] = {}
        self.changed = changed_leaves(graph)
        for leaf in (*graph.inputs, *graph.parameters):
            kind = _nonfinite_kind(leaf._value)
            if kind:
                self.leaves[key(leaf)] = (
                    ("", kind) if key(leaf) in self.changed else ("origin", kind)
                )
        for operation in graph.operations:
            self._mark_values(operation)
        self.notes = self._notes_on_changed()
        self._mark_gradients()

    def _mark_values(self, operation: Operation) -> None:
        """Mark an operation if a result is not finite; remember if a plain array is not finite."""
        kind = next(filter(None, (_nonfinite_kind(y._value) for y in operation.outputs)), "")
        if kind:
            self.marks[operation.serial] = self._find_mark(operation), kind
            plain = (x for x in operands(operation) if not isinstance(x, Tensor))
            given = max(map(_nonfinite_kind, plain), default="")
            if given:
                self.given[operation.serial] = "origin", given

    def _find_mark(self, operation: Operation) -> Mark:
        """Return "origin" or "reached" for an operation, "" if that is not known."""
        taken = operands(operation)
        known = [x for x in taken if not isinstance(x, Tensor) or key(x) not in self.changed]
        plain = [x for x in known if not isinstance(x, Tensor)]
        if any(is_number(x) and _nonfinite_kind(x) for x in plain):
            return "origin"
        values = (x._value if isinstance(x, Tensor) else x for x in known)
        if any(map(_nonfinite_kind, values)):
            return "reached"
        return "origin" if len(known) == len(taken) else ""

    def _notes_on_changed(self) -> tuple[str, ...]:
        """Return a note on the leaves assigned after the recording, if they make a difference."""
        leaves = (*self.graph.inputs, *self.graph.parameters)
        changed = [x for x in leaves if key(x) in self.changed]
        if not self.marks:
            changed = [x for x in changed if key(x) in self.leaves]
        if not changed:
            return ()
        names = [
            clean_text(label_of(x.name) if x.name else say("a leaf"), lines=1) for x in changed
        ]
        return (
            say_count(
                "{names} changed since this was recorded: its former value is not known",
                len(changed),
                names=join_list(names, LONGEST_NOTE),
            ),
        )

    def _mark_gradients(self) -> None:
        """Mark the origin of each cotangent that is not finite, and where it arrives."""
        self.notes += tuple(gradient_notes(self.graph))
        for visit in visits(self.graph):
            arriving = any(_nonfinite_kind(g) for g in visit.arriving if g is not None)
            passed = [(x, _nonfinite_kind(x.amount)) for x in visit.contributions]
            kinds = {kind for _, kind in passed if kind}
            if kinds:
                mark: Mark = "reached" if arriving else "origin"
                self.gradients[visit.operation.serial] = mark, max(kinds)
            for x, _ in passed:
                found = _nonfinite_kind(x.total)
                if found and x.operand.is_leaf:
                    self.gradients_of_leaves[key(x.operand)] = found
        if self.gradients:
            self.notes += (say(GRADIENT_NOTE),)

    def read_part(self, part: Part) -> Reading | None:
        """Return the marks of an operation, or the worst marks of several."""
        serials = [operation.serial for operation in part.operations]
        values = [self.marks[serial] for serial in serials if serial in self.marks]
        values += self._marks_inside(part) if part.kind != "operation" else []
        return _worst_reading(values, [self.gradients[x] for x in serials if x in self.gradients])

    def _marks_inside(self, part: Part) -> list[Told]:
        """Return the marks of constants and parameters inside a fold that are not finite."""
        found: list[Told] = []
        for operation in part.operations:
            if operation.serial in self.given:
                found.append(self.given[operation.serial])
            for x in operands(operation):
                if isinstance(x, Tensor) and x.is_leaf and key(x) in self.leaves:
                    found += [self.leaves[key(x)]] if x.requires_grad else []
        return found

    def read_leaf(self, leaf: object) -> Reading | None:
        """Return the marks of a leaf."""
        if not isinstance(leaf, Tensor):
            return _worst_reading(
                [("origin", _nonfinite_kind(leaf))] if _nonfinite_kind(leaf) else [], []
            )
        found = self.leaves.get(key(leaf))
        reached = self.gradients_of_leaves.get(key(leaf))
        gradient: list[Told] = [("reached", reached)] if reached else []
        if found is not None and not found[0]:
            return replace(
                _worst_reading([], gradient) or Reading(), text=say("{kind} now", kind=found[1])
            )
        return _worst_reading([found] if found else [], gradient)


def _worst_reading(values: list[Told], gradients: list[Told]) -> Reading | None:
    """Return the reading for the worst mark of some values and of some gradients."""
    if not values and not gradients:
        return None
    lines = []
    value: Mark = ""
    gradient: Mark = ""
    if values:
        value, kind = min(values, key=lambda one: RANK[one[0]])
        lines.append(kind if value else say("{kind}, origin not known", kind=kind))
    if gradients:
        gradient, kind = min(gradients, key=lambda one: RANK[one[0]])
        begins_here = gradient == "origin"
        lines.append(say("gradient: {kind} begins here", kind=kind) if begins_here else f"∂ {kind}")
    marks = {value, gradient}
    worst: Mark = "origin" if "origin" in marks else "reached" if "reached" in marks else ""
    begins = [what for what, mark in (("value", value), ("gradient", gradient)) if mark == "origin"]
    return Reading("\n".join(lines), mark=worst, begins=tuple(begins))


def _nonfinite_kind(value: object) -> str:
    """Return "NaN" or "Inf" if some number is not finite, else ""."""
    array = np.asarray(value)
    if array.dtype.kind not in "fc" or np.all(np.isfinite(array)):
        return ""
    return "NaN" if np.any(np.isnan(array)) else "Inf"
