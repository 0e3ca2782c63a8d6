"""The backward pass as pictures show it: one operation after the other, with every contribution.

The reverse pass of the library returns sums. A learner wants to see how a sum came about, so each
contribution is kept here, with the sum so far and the local derivative of the operation.

A picture computes gradients and changes nothing. It calls no hook, and it shows no gradient if a
leaf was assigned after the recording. `gradient_notes` are the sentences that say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Record, hooks
from autograd_mini.core.reverse import Frontier, apply_vjp, current_values, swap_convention
from autograd_mini.core.tensor import Tensor
from autograd_mini.errors import StaleGraphError

from .reading import Key, has_changed, has_values, key, operands
from .texts import clean_text
from .wording.language import label_of, say, say_count

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """The term of a gradient that one operand receives from one operation.

    Attributes:
        operand: the tensor that receives it.
        amount: the term, of the operand's shape.
        total: the sum of the operand's terms so far, with this one.
        before: the sum without this one, None if this is the first.
        local: the derivative of the operation's result by the operand, for real numbers only.
    """

    operand: Tensor
    amount: Any
    total: Any
    before: Any = None
    local: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """The reverse pass at one operation.

    Attributes:
        operation: the operation.
        arriving: the gradient of each of its results, None for a result without one.
        contributions: the terms that it passes on, in the order of its operands.
    """

    operation: Operation
    arriving: tuple[Any, ...]
    contributions: list[Contribution] = field(default_factory=list)


class Ledger(Frontier):
    """A frontier that keeps each term that it receives."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Contribution] = []

    def receive(self, tensor: Tensor, g: Array, selected: bool) -> None:
        """Add a cotangent to the sum of a tensor, and keep it."""
        before = self._sum_so_far(tensor)
        super().receive(tensor, g, selected)
        total = swap_convention(self._sum_so_far(tensor))
        earlier = None if before is None else swap_convention(before)
        self.entries.append(Contribution(tensor, swap_convention(g), total, earlier))

    def _sum_so_far(self, tensor: Tensor) -> Array | None:
        """Return the sum of the cotangents of a tensor so far, None if there are none."""
        entry = (self.leaves if tensor.is_leaf else self.waiting).get(tensor.serial)
        if entry is None:
            return None
        return entry[1][tensor.index] if type(entry[0]) is Record else entry[1]


def visits(graph: Graph) -> Iterator[Visit]:
    """Run the reverse pass from the sum of a graph's outputs; yield the visit of each operation.

    Yields nothing if no output requires a gradient, or if a leaf was assigned after the recording.
    Hooks are not called; `gradient_notes` says so.
    """
    if find_stale(graph) is not None:
        return
    ledger = Ledger()
    for y in graph.outputs:
        if y.requires_grad:
            ledger.receive(y, swap_convention(np.ones(y.shape, y.dtype)[()]), False)
    while ledger.heap:
        vertex, g, selected = ledger.waiting[-heappop(ledger.heap)]
        ledger.entries = []
        with np.errstate(all="ignore"):
            apply_vjp(vertex, g, selected, ledger, None, False, None)
        arriving = tuple(g) if type(vertex) is Record else (g,)
        arriving = tuple(None if x is None else swap_convention(x) for x in arriving)
        locals_ = _local_derivatives(vertex, selected)
        entries = ledger.entries
        if len(locals_) == len(entries):
            entries = [
                Contribution(x.operand, x.amount, x.total, x.before, local)
                for x, local in zip(entries, locals_, strict=True)
            ]
        yield Visit(Operation(vertex), arriving, entries)


def compute_gradients(graph: Graph) -> dict[Key, object]:
    """Return d(sum of outputs)/d(tensor) for every tensor with a gradient; call no hooks.

    Returns nothing if a leaf was assigned after the recording.
    """
    found: dict[Key, Any] = {}
    if find_stale(graph) is None:
        for y in graph.outputs:
            if y.is_leaf and y.requires_grad:
                found[key(y)] = found.get(key(y), 0) + np.ones(y.shape, y.dtype)[()]
    for one in visits(graph):
        arriving = zip(one.operation.outputs, one.arriving, strict=True)
        found |= {key(y): g for y, g in arriving if g is not None}
        found |= {key(x.operand): x.total for x in one.contributions if x.operand.is_leaf}
    return found


def _local_derivatives(vertex: Any, selected: bool) -> list[object]:
    """Return the derivatives of a real number by the real numbers that it was computed from."""
    if type(vertex) is Record or np.ndim(vertex._value) or vertex._value.dtype.kind == "c":
        return []
    alone = Ledger()
    with np.errstate(all="ignore"):
        apply_vjp(vertex, np.ones((), vertex._value.dtype)[()], selected, alone, None, False, None)
    return [entry.amount for entry in alone.entries]


def find_reached(graph: Graph) -> set[int]:
    """Return the serials of the operations to which a cotangent flows from the outputs."""
    waiting = {key(y) for y in graph.outputs if y.requires_grad}
    found = set()
    for operation in reversed(graph.operations):
        if any(y.requires_grad and key(y) in waiting for y in operation.outputs):
            found.add(operation.serial)
            for position, x in enumerate(operands(operation)):
                if passes_gradient(operation, position):
                    waiting.add(key(x))
    return found


def passes_gradient(operation: Operation, position: int) -> bool:
    """Return whether a cotangent flows to an operand of an operation."""
    x = operands(operation)[position]
    if not isinstance(x, Tensor) or not x.requires_grad:
        return False
    if not any(y.requires_grad for y in operation.outputs):
        return False
    rules = operation.primitive.vjp
    return not isinstance(rules, tuple) or rules[position] is not None


def find_stale(graph: Graph) -> Operation | None:
    """Return an operation of the reverse pass with an operand that changed after the recording."""
    if not has_values(graph):
        return None
    reached = find_reached(graph)
    for operation in reversed(graph.operations):
        if operation.serial in reached:
            try:
                current_values(operation._record)
            except StaleGraphError:
                return operation
    return None


def _count_hooks(graph: Graph) -> int:
    """Count the hooks that the reverse pass of the library would call."""
    if not hooks:
        return 0
    reached = find_reached(graph)
    serials = reached | {y.serial for y in graph.outputs if y.requires_grad}
    for operation in graph.operations:
        if operation.serial in reached:
            taken = enumerate(operands(operation))
            serials |= {x.serial for place, x in taken if passes_gradient(operation, place)}
    return sum(len(hooks.get(serial, ())) for serial in serials)


def gradient_notes(graph: Graph) -> list[str]:
    """Return the notes of a picture with gradients: that they are unknown, or before hooks."""
    stale = find_stale(graph)
    if stale is not None:
        taken = (x for x in operands(stale) if isinstance(x, Tensor) and has_changed(x, stale))
        changed = next(taken, None)
        known = "" if changed is None else changed.name or ""
        name = clean_text(label_of(known)) if known else say("an operand")
        return [say("gradients are not known: {name} changed since this was recorded", name=name)]
    count = _count_hooks(graph)
    return [say_count("gradients before hooks: {n} hook not called", count)] if count else []
