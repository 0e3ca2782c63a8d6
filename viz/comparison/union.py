"""One graph of two: what matches is there once, and each use of a tensor says whose it is.

A matching operation takes the operands of the second graph, and after them those of the first that
are others. So its operands are more than its primitive takes: the union is for drawing, not for
computing. Everything is a copy; the two graphs stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final

import numpy as np

from autograd_mini.core.absent import Absent
from autograd_mini.core.contexts import PhaseScope, Scope, serials
from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Record
from autograd_mini.core.tensor import Tensor

from ..picture import Change
from ..reading import (
    Key,
    has_changed,
    has_values,
    is_assignment,
    is_number,
    key,
    operands,
    scope_of,
)
from ..texts import clean_text, format_number, format_shape, norm, operation_label
from .matching import Matching, describe_leaf, freeze, match_graphs

NOT_COMPARED: Final = "numbers are not compared"
MISSING: Final = object()
"""Stands for an operand that one of two operations does not have."""


Originals = tuple[Operation | None, Operation | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a thing of both graphs compares.

    Attributes:
        change: "same", "changed", "new" or "gone".
        details: what changed, a line each: "× 2 → × 3".
    """

    change: Change
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """One operand of an operation of the union.

    Attributes:
        change: whether both graphs have it.
        place: which operand it is in its own graph, from 1, plain numbers not counted.
        tensor: the operand as it is in its own graph.
    """

    change: Change
    place: int
    tensor: Any


@dataclass(slots=True)
class Ending:
    """An output: the tensor that is drawn, and the other maker in the first graph, if there is one.

    Attributes:
        tensor: of the union.
        verdict: how it compares.
        before: the tensor that was the output, where another operation makes it now.
        maker_change: of the arrow to it.
    """

    tensor: Tensor
    verdict: Verdict
    before: Tensor | None
    maker_change: Change


@dataclass(slots=True)
class Union:
    """Both graphs as one.

    Attributes:
        graph: the operations of both.
        originals: serial in the union → the operations as they were recorded in the first and in
            the second graph; None where there is none.
        operations: serial in the union → how the operation compares.
        uses: (serial, position) → the operand.
        leaves: leaf → how it compares.
        endings: the outputs, in order; first come those of the second graph.
        shows_numbers: whether the numbers of results are compared, so that they may be drawn.
        notes: sentences about the whole.
    """

    graph: Graph
    originals: dict[int, Originals] = field(default_factory=dict)
    operations: dict[int, Verdict] = field(default_factory=dict)
    uses: dict[tuple[int, int], Use] = field(default_factory=dict)
    leaves: dict[Key, Verdict] = field(default_factory=dict)
    endings: list[Ending] = field(default_factory=list)
    shows_numbers: bool = True
    notes: list[str] = field(default_factory=list)

    def original(self, serial: int) -> Operation:
        """Return an operation as it was recorded, in the second graph where it is there."""
        before, after = self.originals[serial]
        found = after or before
        assert found is not None
        return found


def unite_graphs(
    first: Graph, second: Graph, *, values: bool | None = None, results: bool = True
) -> Union:
    """Match two graphs and return both as one.

    Args:
        first: the graph before.
        second: the graph after.
        values: whether numbers are compared, too, where both graphs hold them. By default those of
            inputs, parameters and outputs are, those between them only if all operations match.
        results: whether those of results are; if not, only those of leaves.
    """
    matching = match_graphs(first, second)
    alike = len(matching.same) == len(matching.first) == len(matching.second)
    between = bool(values) or (values is None and alike)
    uniter = _Uniter(first, second, matching, values is not False, results, between)
    union = uniter.unite()
    known = [has_values(graph) for graph in (first, second)]
    if any(known) and not all(known):  # only one of them would be drawn
        union.shows_numbers = False
        union.notes.append(NOT_COMPARED)
    elif all(known) and not uniter.results:
        union.shows_numbers = uniter.ends
        told = "of inputs and outputs" if uniter.ends else "of parameters" if uniter.values else ""
        union.notes.append(f"only numbers {told} are compared" if told else NOT_COMPARED)
    return union


class _Uniter:
    """Copies the operations of both graphs, in one order that suits both."""

    def __init__(
        self,
        first: Graph,
        second: Graph,
        matching: Matching,
        values: bool,
        results: bool,
        between: bool,
    ) -> None:
        self.first, self.second = first, second
        self.matching = matching
        self.values = values
        self.ends = values and results
        self.results = self.ends and between
        self.same = set(matching.same)
        self.union = Union(Graph())
        self.made: tuple[dict[int, Any], dict[int, Any]] = ({}, {})
        self.leaf_of = self._unite_leaves()
        self.scopes: dict[Scope, Scope] = {}

    def unite(self) -> Union:
        """Return the union."""
        self._map_scopes()
        for before, after in self._in_order():
            if before is not None and after is not None:
                same = (before, after) in self.same
                self._add_pair(self.matching.first[before], self.matching.second[after], same)
            elif after is not None:
                self._add_single(self.matching.second[after], 1, "new")
            elif before is not None:
                self._add_single(self.matching.first[before], 0, "gone")
        ends = list(self._unite_outputs())
        extra = [x.before for x in ends if x.before is not None]
        self.union.endings = ends
        self.union.graph = Graph(*(x.tensor for x in ends), *extra)
        return self.union

    def _in_order(self) -> Iterator[tuple[int | None, int | None]]:
        """Yield the places of all operations: those of the first graph before those of the second,
        between two matches."""
        i = j = 0
        ends = (len(self.matching.first), len(self.matching.second))
        for a, b in [*sorted(self.matching.same + self.matching.changed), ends]:
            yield from ((place, None) for place in range(i, a))
            yield from ((None, place) for place in range(j, b))
            if a < ends[0]:
                yield a, b
            i, j = a + 1, b + 1

    # ── leaves ───────────────────────────────────────────────────────────────────────────────
    def _unite_leaves(self) -> tuple[dict[Key, Tensor], dict[Key, Tensor]]:
        """Return, for the leaves of each graph, the leaf of the union; say how they compare."""
        ours = {key(x): x for x in (*self.first.inputs, *self.first.parameters)}
        theirs = {key(x): x for x in (*self.second.inputs, *self.second.parameters)}
        pairs = self.matching.leaves
        found: dict[Key, Tensor] = {}
        for name, x in ours.items():
            other = theirs.get(pairs[name]) if name in pairs else None
            found[name] = x if other is None else other
            if other is None:
                self.union.leaves[name] = Verdict("gone")
            else:
                self.union.leaves[key(other)] = self._compare_leaves(x, other)
        for name in theirs:
            self.union.leaves.setdefault(name, Verdict("new"))
        return found, theirs

    def _compare_leaves(self, x: Tensor, y: Tensor) -> Verdict:
        """Return how two matching leaves compare."""
        details = []
        if x.requires_grad != y.requires_grad:
            details.append(f"was {'a parameter' if x.requires_grad else 'an input'}")
        details += _compare_results(x, y, drawn=True)
        if not details and self.values and _has_numbers(x) and _has_numbers(y):
            stale = [_is_stale(one, g) for one, g in ((x, self.first), (y, self.second))]
            if any(stale):
                details.append("assigned since")
            elif x is not y:
                details += _compare_values(x._value, y._value, drawn=True)
        assert details or describe_leaf(x) == describe_leaf(y)
        return Verdict("changed" if details else "same", tuple(details))

    # ── operations ───────────────────────────────────────────────────────────────────────────
    def _map_scopes(self) -> None:
        """Let the scopes of the first graph be those of the second in which its matches are."""
        for i, j in (*self.matching.same, *self.matching.changed):
            ours = scope_of(self.matching.first[i])
            theirs = scope_of(self.matching.second[j])
            while ours is not None and theirs is not None and ours not in self.scopes:
                self.scopes[ours] = theirs
                ours, theirs = ours.parent, theirs.parent
        self._map_other_scopes()

    def _map_other_scopes(self) -> None:
        """Let the other scopes of the first graph be namesakes in the same place, in order."""
        free: dict[tuple[Scope | None, type, str], list[Scope]] = {}
        taken = set(self.scopes.values())
        for scope in _list_scopes(self.matching.second):
            if scope not in taken:
                free.setdefault((scope.parent, type(scope), scope.name), []).append(scope)
        for scope in _list_scopes(self.matching.first):
            around = self.scopes.get(scope.parent) if scope.parent else None
            namesakes = free.get((around, type(scope), scope.name))
            if scope not in self.scopes and namesakes and (around or not scope.parent):
                self.scopes[scope] = namesakes.pop(0)

    def _scope_in_union(self, scope: Scope | None) -> Scope | None:
        """Return the scope of an operation of the first graph; inside a shared one, a copy."""
        missing = []
        while scope is not None and scope not in self.scopes:
            missing.append(scope)
            scope = scope.parent
        found = None if scope is None else self.scopes[scope]
        for one in reversed(missing):
            whole = type(one) is PhaseScope or found is one.parent
            found = self.scopes[one] = one if whole else Scope(one.name, found)
        return found

    def _add_pair(self, before: Operation, after: Operation, same: bool) -> None:
        """Add two operations that stand for each other."""
        details = [] if same else list(_compare_operations(before, after))
        if self.results:
            for x, y in zip(before.outputs, after.outputs, strict=False):
                alike = x.shape == y.shape and x.dtype == y.dtype
                if alike and _has_numbers(x) and _has_numbers(y):
                    details += _compare_values(x._value, y._value)
        found = list(self._unite_operands(before, after))
        vertex = self._copy(after, [x for x, _ in found], 1)
        self.made[0][before.serial] = vertex
        self._note(vertex, (before, after), [use for _, use in found])
        change: Change = "changed" if details or not same else "same"
        self.union.operations[vertex.serial] = Verdict(change, tuple(dict.fromkeys(details)))

    def _unite_operands(self, before: Operation, after: Operation) -> Iterator[tuple[Any, Use]]:
        """Yield the operands of the second of two operations, then the others of the first."""
        gone = []
        old, new = list(self._operands(before, 0)), list(self._operands(after, 1))
        for a, b in zip_longest(old, new, fillvalue=(MISSING, 0, None)):
            change = self._compare_operands(a[0], b[0])
            if b[0] is not MISSING:
                yield b[0], Use(change, b[1], b[2])
            if change == "new" and a[0] is not MISSING and not is_number(a[0]):
                gone.append((a[0], Use("gone", a[1], a[2])))
        yield from gone

    def _operands(self, operation: Operation, side: int) -> Iterator[tuple[Any, int, Any]]:
        """Yield each operand of an operation: in the union, its place, and in its own graph."""
        place = 0
        for x in operands(operation):
            place += not is_number(x)
            yield self._in_union(x, side), place, x

    def _in_union(self, x: Any, side: int) -> Any:
        """Return an operand of one of the graphs as it is in the union."""
        if type(x) is not Tensor:
            return x
        if x.is_leaf:
            return self.leaf_of[side][key(x)]
        vertex = self.made[side][x.serial]
        if type(vertex) is not Record:
            return vertex
        found = vertex.output(x.index)
        found.name = x.name
        return found

    def _compare_operands(self, x: Any, y: Any) -> Change:
        """Return how the same operand of two operations compares."""
        if type(x) is Tensor and type(y) is Tensor:
            return "same" if key(x) == key(y) and x.name == y.name else "new"
        if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.shape == y.shape:
            if x.dtype != y.dtype:
                return "new"
            return "changed" if self.values and _compare_values(x, y) else "same"
        return "same" if x is not MISSING and is_number(x) and is_number(y) else "new"

    def _add_single(self, operation: Operation, side: int, change: Change) -> None:
        """Add an operation of one graph only."""
        found = list(self._operands(operation, side))
        vertex = self._copy(operation, [x for x, *_ in found], side)
        pair: Originals = (None, operation) if side else (operation, None)
        self._note(vertex, pair, [Use(change, place, x) for _, place, x in found])
        self.union.operations[vertex.serial] = Verdict(change)

    def _note(self, vertex: Any, originals: Originals, uses: list[Use]) -> None:
        """Remember where a copy comes from, and whose its operands are."""
        self.union.originals[vertex.serial] = originals
        self.union.uses |= {(vertex.serial, i): use for i, use in enumerate(uses)}

    def _copy(self, operation: Operation, taken: list[Any], side: int) -> Any:
        """Return a copy of an operation that takes these operands."""
        vertex: Any = operation._record
        made: Any = Record() if type(vertex) is Record else Tensor()
        for name in ("_primitive", "_params", "_requires_grad"):
            setattr(made, name, getattr(vertex, name))
        scope = scope_of(operation)
        made._scope = scope if side else self._scope_in_union(scope)
        if is_assignment(operation):
            taken = [self._in_union(vertex._operands[0], side), *taken]
        made._operands = tuple(taken)
        made.serial = next(serials)
        if type(vertex) is Record:
            made.arrays = vertex.arrays
        else:
            made._value, made.name, made.grad = vertex._value, vertex.name, None
        self.made[side][vertex.serial] = made
        return made

    # ── outputs ──────────────────────────────────────────────────────────────────────────────
    def _unite_outputs(self) -> Iterator[Ending]:
        """Yield the outputs: those of the second graph, then those that are gone."""
        pairs = self._pair_outputs()
        for j, y in enumerate(self.second.outputs):
            after = self._in_union(y, 1)
            i = pairs.get(j)
            if i is None:
                yield Ending(after, Verdict("new"), None, "new")
                continue
            x = self.first.outputs[i]
            before = self._in_union(x, 0)
            verdict = self._compare_outputs(x, y)
            if key(before) == key(after):
                yield Ending(after, verdict, None, "same")
            else:
                yield Ending(after, verdict, before, "new")
        kept = set(pairs.values())
        for i, x in enumerate(self.first.outputs):
            if i not in kept:
                yield Ending(self._in_union(x, 0), Verdict("gone"), None, "gone")

    def _pair_outputs(self) -> dict[int, int]:
        """Return place of an output of the second graph → place of the one of the first.

        The outputs of one name are paired in order, then the others in order.
        """
        found: dict[int, int] = {}
        for by_name in (True, False):
            waiting: dict[Any, list[int]] = {}
            for i, x in enumerate(self.first.outputs):
                if i not in found.values():
                    waiting.setdefault(self._output_name(x, 0, by_name), []).append(i)
            for j, y in enumerate(self.second.outputs):
                name = self._output_name(y, 1, by_name)
                if j not in found and waiting.get(name):
                    found[j] = waiting[name].pop(0)
        return found

    def _output_name(self, y: Tensor, side: int, by_name: bool) -> Any:
        """Return what two outputs must agree in to be paired; what a step assigns stays apart."""
        origin = (self.first, self.second)[side].origins.get(key(y)) if by_name else None
        return is_assignment(y.op), origin or (y.name if by_name else None)

    def _compare_outputs(self, x: Tensor, y: Tensor) -> Verdict:
        """Return how two outputs compare."""
        details = _compare_results(x, y, drawn=True)
        if not details and self.ends and _has_numbers(x) and _has_numbers(y):
            details += _compare_values(x._value, y._value, drawn=True)
        return Verdict("changed" if details else "same", tuple(details))


def _list_scopes(listed: list[Operation]) -> list[Scope]:
    """Return the scopes of operations, each once, outer ones before inner ones."""
    found: dict[Scope, None] = {}
    for operation in listed:
        around = []
        scope = scope_of(operation)
        while scope is not None and scope not in found:
            around.append(scope)
            scope = scope.parent
        found |= dict.fromkeys(reversed(around))
    return list(found)


# ── what differs, in words ───────────────────────────────────────────────────────────────────
def _compare_operations(before: Operation, after: Operation) -> Iterator[str]:
    """Yield what differs between two operations of one primitive in one scope."""
    labels = operation_label(before), operation_label(after)
    if labels[0] != labels[1]:
        yield f"was {labels[0]}"
    old, new = before.params, after.params
    for name in sorted(old | new):
        one, other = old.get(name), new.get(name)
        if labels[0] == labels[1] and freeze(one) != freeze(other):
            yield clean_text(f"{name}: {one} → {other}", lines=1)
    results = list(zip_longest(before.outputs, after.outputs))
    if len(before.outputs) != len(after.outputs):
        yield f"{len(before.outputs)} → {len(after.outputs)} results"
        return
    made = [text for x, y in results for text in _compare_results(x, y)]
    yield from made
    if made:
        return
    for x, y in zip(operands(before), operands(after), strict=False):
        if not is_number(x) and not is_number(y):
            kinds = [f"{_shape_of(one)} {one.dtype}" for one in (x, y)]
            if kinds[0] != kinds[1]:
                yield f"takes {kinds[0]} → {kinds[1]}"


def _compare_results(x: Tensor, y: Tensor, *, drawn: bool = False) -> list[str]:
    """Return what differs between two tensors, but for their values.

    Where those of the second are drawn, only what they were is told.
    """
    found = []
    if x.name != y.name:
        found.append(f"was {clean_text(x.name, lines=1)}" if x.name else "had no name")
    if x.shape != y.shape:
        was = f"was {_shape_of(x)}"
        found.append(was if drawn else f"{_shape_of(x)} → {_shape_of(y)}")
    if x.dtype != y.dtype:
        found.append(f"{x.dtype} → {y.dtype}")
    return found


def _shape_of(x: Any) -> str:
    """Write a shape, also that of a number."""
    return format_shape(x) or "a number"


def _compare_values(x: Any, y: Any, *, drawn: bool = False) -> list[str]:
    """Return how far the numbers of two arrays of one shape and type are apart; none if equal.

    Where a number of the second is drawn, only what it was is told.
    """
    if x.tobytes() == y.tobytes():  # ten times as quick as comparing numbers
        return []
    a, b = np.asarray(x), np.asarray(y)
    number = a.dtype.kind in "fc"
    equal = (a == b) | ((a != a) & (b != b)) if number else a == b
    if np.all(equal):
        return []
    if a.size == 1:
        return [_describe_step(a.item(), b.item(), drawn and not a.ndim)]
    if a.dtype.kind not in "iufc":
        return [f"{np.size(equal) - np.count_nonzero(equal)} of {a.size} differ"]
    with np.errstate(all="ignore"):
        length, moved = norm(a), norm(np.subtract(b, a, dtype=np.result_type(a, np.float64)))
    if not np.isfinite(moved) or not np.isfinite(length):
        return [f"{a.size - np.count_nonzero(equal)} of {a.size} differ, not all finite"]
    if not length:
        return [f"all 0 → norm {format_number(moved)}"]
    return [f"differs by {_format_percent(moved / length)}"]


def _describe_step(a: Any, b: Any, drawn: bool) -> str:
    """Write a number before and after; two that look alike, with their difference."""
    texts = format_number(a), format_number(b)
    if texts[0] != texts[1]:
        return f"was {texts[0]}" if drawn else " → ".join(texts)
    return f"{texts[0]}, differs by {format_number(abs(b - a))}"


def _format_percent(share: float) -> str:
    """Write a share in two digits: 12 %, 0.05 %, 250 %.

    >>> _format_percent(0.123), _format_percent(2.5), _format_percent(1e-9)
    ('12 %', '250 %', '1e−07 %')
    """
    percent = float(f"{100 * share:.2g}")
    return f"{format_number(int(percent) if percent >= 10 else percent)} %"


def _has_numbers(x: Tensor) -> bool:
    """Does a tensor hold its value?"""
    return type(x._value) is not Absent


def _is_stale(leaf: Tensor, graph: Graph) -> bool:
    """Was a leaf assigned after an operation of a graph used it?"""
    return any(has_changed(leaf, operation) for operation in graph.consumers(leaf))
