"""What each operation passes back to its operands: the reverse walk, one operation after the other.

The walk of the library returns sums. A learner wants to see how a sum came about, so here every
contribution is kept, with the sum that it led to and the derivative of the operation alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop
from typing import Any

import numpy as np

from autograd_mini.core.cotangents import swap_convention
from autograd_mini.core.frontier import Frontier
from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Record
from autograd_mini.core.reverse import visit
from autograd_mini.core.tensor import Tensor

from .reach import find_stale
from .reading import Key, key


@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """What one operand receives from one operation.

    Attributes:
        operand: who receives it.
        amount: how much, of the operand's shape.
        total: what the operand has received so far, this one included.
        before: what it had before, None if this is the first.
        local: the derivative of the operation's result by the operand, for real numbers only.
    """

    operand: Tensor
    amount: Any
    total: Any
    before: Any = None
    local: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One operation on the way back.

    Attributes:
        operation: which one.
        arriving: the gradient of its result; of its results, None for what nothing reaches.
        contributions: what it passes on, in the order of its operands.
    """

    operation: Operation
    arriving: tuple[Any, ...]
    contributions: list[Contribution] = field(default_factory=list)


class Ledger(Frontier):
    """A frontier that notes what it receives."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Contribution] = []

    def receive(self, tensor: Tensor, g: Any, selected: bool) -> None:
        """Add a cotangent to what a tensor has received, and note it."""
        before = self.sum_so_far(tensor)
        super().receive(tensor, g, selected)
        total = swap_convention(self.sum_so_far(tensor))
        earlier = None if before is None else swap_convention(before)
        self.entries.append(Contribution(tensor, swap_convention(g), total, earlier))

    def sum_so_far(self, tensor: Tensor) -> Any:
        """Return what a tensor has received so far, None for nothing."""
        entry = (self.leaves if tensor.is_leaf else self.waiting).get(tensor.serial)
        if entry is None:
            return None
        return entry[1][tensor.index] if type(entry[0]) is Record else entry[1]


def visits(graph: Graph) -> Iterator[Visit]:
    """Walk back from the sum of a graph's outputs, and yield each operation's contributions.

    Nothing is yielded if no output requires a gradient, or a leaf was assigned since. Hooks are not
    called; `gradient_notes` says so.
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
            visit(vertex, g, selected, ledger, None, False, None)
        arriving = tuple(g) if type(vertex) is Record else (g,)
        arriving = tuple(None if x is None else swap_convention(x) for x in arriving)
        locals_ = local_derivatives(vertex, selected)
        entries = ledger.entries
        if len(locals_) == len(entries):
            entries = [
                Contribution(x.operand, x.amount, x.total, x.before, local)
                for x, local in zip(entries, locals_, strict=True)
            ]
        yield Visit(Operation(vertex), arriving, entries)


def compute_gradients(graph: Graph) -> dict[Key, Any]:
    """Return d(sum of outputs)/d(tensor) for every tensor that it reaches; hooks are not called.

    There is none if a leaf was assigned since.
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


def local_derivatives(vertex: Any, selected: bool) -> list[Any]:
    """Return the derivatives of a real number by the real numbers it was computed from."""
    if type(vertex) is Record or np.ndim(vertex._value) or vertex._value.dtype.kind == "c":
        return []
    alone = Ledger()
    with np.errstate(all="ignore"):
        visit(vertex, np.ones((), vertex._value.dtype)[()], selected, alone, None, False, None)
    return [entry.amount for entry in alone.entries]
