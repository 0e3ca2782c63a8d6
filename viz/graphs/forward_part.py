"""The forward of a graph: a training step without its backward and its update."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from autograd_mini.core.absent import Absent
from autograd_mini.core.contexts import Phase, serials
from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Record, lines
from autograd_mini.core.tensor import Tensor, leaf
from autograd_mini.ops.conversion import set_leaf

from ..reading import Key, is_assignment, key, scope_of
from ..texts import ordinal
from ..wording.language import label_of, say

USED_FOR: Final[dict[frozenset[Phase], str]] = {
    frozenset({"backward"}): "{name} for the gradients",
    frozenset({"update"}): "{name} for the update",
    frozenset({"backward", "update"}): "{name} for the gradients and the update",
}
"""Phases → the words for a result that they use and the function does not return."""
JOINING: Final = "flat"
DIVIDING: Final = "parts"
"""The operation that joins flat tensors into one row, and the one that divides the row again."""
Leaves = frozenset[Key]
NO_LEAVES: Final[Leaves] = frozenset()


def extract_forward(graph: Graph) -> Graph:
    """Return the forward of a graph; without a training step that is the whole graph.

    Outputs that are computed from gradients are left out.
    """
    if all(_is_forward(operation) for operation in graph.operations):
        return graph
    return ForwardMaker(graph).build()


def _is_forward(operation: Operation) -> bool:
    """Return whether an operation belongs to the forward."""
    return operation.primitive is not set_leaf and operation.phase == "forward"


class ForwardMaker:
    """Copies the vertices of the forward; what they take from other phases becomes leaves."""

    def __init__(self, whole: Graph) -> None:
        self.whole = whole
        self.vertices: dict[int, Any] = {}
        self.whole_of: dict[int, int] = {}
        self.leaves: dict[Key, Tensor] = {}
        self.ends: dict[int, Any] = {}
        self.users = _phases_of_users(whole)
        self.updated = _updated_leaves(whole)

    def build(self) -> Graph:
        """Return the graph."""
        for operation in filter(_is_forward, self.whole.operations):
            self._copy_vertex(operation._record)
        kept = [self._copy_tensor(y) for y in self.whole.outputs if self._is_kept(y)]
        for y in kept:
            self.ends.pop(y.serial, None)
        return Graph(*kept, *_number_equal_names(list(map(self._make_output, self.ends.values()))))

    def _is_kept(self, y: Tensor) -> bool:
        """Return whether an output of the whole graph is an output of the forward."""
        return y.is_leaf or y.serial in self.vertices

    def _copy_vertex(self, vertex: Any) -> None:
        """Copy a vertex of the forward; it is an end until another vertex takes its result."""
        made: Any = Record() if type(vertex) is Record else Tensor()
        for name in ("_primitive", "_params", "_scope", "_requires_grad"):
            setattr(made, name, getattr(vertex, name))
        made._operands = tuple(map(self._copy_operand, vertex._operands))
        made.serial = next(serials)
        if type(vertex) is Record:
            made.arrays = vertex.arrays
        else:
            made._value, made.name, made.grad = vertex._value, vertex.name, None
        if vertex.serial in lines:
            lines.attach(made, lines[vertex.serial])
        self.vertices[vertex.serial] = self.ends[made.serial] = made
        self.whole_of[made.serial] = vertex.serial

    def _copy_operand(self, x: object) -> Any:
        """Return the copy of an operand; the vertex that made it is no longer an end."""
        if type(x) is not Tensor or not x.serial:
            return x
        found = self._copy_tensor(x)
        self.ends.pop(found.serial, None)
        return found

    def _copy_tensor(self, x: Tensor) -> Tensor:
        """Return the copy of a tensor of the whole graph."""
        if x.is_leaf:
            return x
        vertex = self.vertices.get(x.serial)
        if vertex is None:
            return self._make_leaf(x)
        if type(vertex) is not Record:
            return vertex
        found = vertex.output(x.index)
        found.name = x.name
        return found

    def _make_leaf(self, x: Tensor) -> Tensor:
        """Return the leaf for a tensor that another phase makes; its name says which phase."""
        name = x.serial, x.index
        if name not in self.leaves:
            old, count = self.updated.get(name, (None, 0))
            value = x._value
            assert x.op is not None  # leaves of the whole stay as they are
            before, told = x.name or "", f"{{name}} after the {x.op.phase}"
            if old is not None:
                before = old.name or ""
                told = "{name} after the update" if count == 1 else "{name} after the {nth} update"
            self.leaves[name] = leaf(
                Absent(value.shape, value.dtype),
                requires_grad=old is not None and old.requires_grad,
                name=say(told, name=label_of(before), nth=ordinal(count)).strip(),
            )
        return self.leaves[name]

    def _make_output(self, vertex: Any) -> Tensor:
        """Return a result that only other phases take; its name says which."""
        found: Tensor = vertex.output(0) if type(vertex) is Record else vertex
        users = self.users.get(self.whole_of[vertex.serial], set())
        told = USED_FOR.get(frozenset(users & {"backward", "update"}))
        if told is not None:
            found.name = say(told, name=label_of(found.name or "")).strip()
        return found


def _number_equal_names(ends: list[Tensor]) -> list[Tensor]:
    """Number the ends that have equal names."""
    names = Counter(y.name for y in ends)
    seen: Counter[str] = Counter()
    for y in ends:
        if y.name and names[y.name] > 1:
            seen[y.name] += 1
            y.name = f"{y.name}, {seen[y.name]}"
    return ends


def _phases_of_users(graph: Graph) -> dict[int, set[Phase]]:
    """Return, for each operation, the phases whose operations take its results."""
    found: dict[int, set[Phase]] = {}
    for operation in graph.operations:
        phase: Phase = "update" if operation.primitive is set_leaf else operation.phase
        for x in operation.inputs:
            if x.serial and not x.is_leaf:
                found.setdefault(x.serial, set()).add(phase)
    return found


def _updated_leaves(graph: Graph) -> dict[Key, tuple[Tensor, int]]:
    """Return, for each new value of a leaf, that leaf and the number of the update.

    An optimizer opens a scope for each step; so the updates of one leaf have different scopes.
    """
    updates = [x for x in graph.operations if x.phase == "update" and not is_assignment(x)]
    possible = _find_possible_leaves(updates)
    makers = {operation.outputs[0].serial: operation for operation in updates}
    found: dict[Key, tuple[Tensor, int]] = {}
    for operation in graph.operations:
        if is_assignment(operation):
            leaf, new = operation.inputs
            ancestors = _find_ancestors(new, makers)
            versions = sorted(x for x in ancestors if key(leaf) in possible.get(x, NO_LEAVES))
            scopes = [scope_of(makers[serial]) for serial, _ in versions]
            steps = list(dict.fromkeys(map(id, scopes)))  # the scopes live as long as this list
            found[key(new)] = leaf, max(len(steps), 1)
            for x, scope in zip(versions, scopes, strict=True):
                found[x] = leaf, steps.index(id(scope)) + 1
    return found


def _find_possible_leaves(updates: list[Operation]) -> dict[Key, Leaves]:
    """Return, for each result of an update, the leaves of its shape that it was computed from."""
    found: dict[Key, Leaves] = {}
    rows: dict[Key, list[Leaves]] = {}
    for operation in updates:
        known = [
            frozenset([key(x)]) if x.is_leaf else found.get(key(x), NO_LEAVES)
            for x in operation.inputs
        ]
        joined = [rows[key(x)] for x in operation.inputs if key(x) in rows]
        for y in operation.outputs:
            if operation.type == JOINING:
                rows[key(y)] = known
            elif operation.type == DIVIDING and joined:
                found[key(y)] = joined[0][y.index]
            elif joined:
                rows[key(y)] = [NO_LEAVES.union(*parts) for parts in zip(*joined, strict=True)]
            else:
                alike = zip(operation.inputs, known, strict=True)
                found[key(y)] = NO_LEAVES.union(*(one for x, one in alike if x.shape == y.shape))
    return found


def _find_ancestors(new: Tensor, makers: dict[int, Operation]) -> set[Key]:
    """Return the tensors that a new value was computed from, by operations of updates only."""
    found: set[Key] = set()
    waiting = [new]
    while waiting:
        x = waiting.pop()
        if key(x) not in found:
            found.add(key(x))
            waiting += makers[x.serial].inputs if x.serial in makers else ()
    return found
