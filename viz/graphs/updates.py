"""Which leaf each result of an update stands for: a weight after its first update is that weight.

A program assigns the last value only, so those before it are found on the way there.
"""

from __future__ import annotations

from typing import Final

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..reading import Key, is_assignment, key, scope_of

JOINING: Final = "flat"
DIVIDING: Final = "parts"
"""The names of the operations that lay tensors into one row, and take them out of it."""
Leaves = frozenset[Key]
NONE: Final[Leaves] = frozenset()


def updated_leaves(graph: Graph) -> dict[Key, tuple[Tensor, int]]:
    """Return the leaf for each result of an update that is its new value, and of which update.

    The updates of one leaf are told apart by the scopes that optimizers open, one for each step.
    """
    updates = [x for x in graph.operations if x.phase == "update" and not is_assignment(x)]
    possible = find_possible(updates)
    makers = {operation.outputs[0].serial: operation for operation in updates}
    found: dict[Key, tuple[Tensor, int]] = {}
    for operation in graph.operations:
        if is_assignment(operation):
            leaf, new = operation.inputs
            ancestors = find_ancestors(new, makers)
            versions = sorted(x for x in ancestors if key(leaf) in possible.get(x, NONE))
            scopes = [scope_of(makers[serial]) for serial, _ in versions]
            steps = list(dict.fromkeys(map(id, scopes)))  # the scopes live as long as this list
            found[key(new)] = leaf, max(len(steps), 1)
            for x, scope in zip(versions, scopes, strict=True):
                found[x] = leaf, steps.index(id(scope)) + 1
    return found


def find_possible(updates: list[Operation]) -> dict[Key, Leaves]:
    """Return the leaves of its shape that each result of an update was computed from."""
    found: dict[Key, Leaves] = {}
    rows: dict[Key, list[Leaves]] = {}
    for operation in updates:
        known = [
            frozenset([key(x)]) if x.is_leaf else found.get(key(x), NONE) for x in operation.inputs
        ]
        joined = [rows[key(x)] for x in operation.inputs if key(x) in rows]
        for y in operation.outputs:
            if operation.type == JOINING:
                rows[key(y)] = known
            elif operation.type == DIVIDING and joined:
                found[key(y)] = joined[0][y.index]
            elif joined:
                rows[key(y)] = [NONE.union(*parts) for parts in zip(*joined, strict=True)]
            else:
                alike = zip(operation.inputs, known, strict=True)
                found[key(y)] = NONE.union(*(one for x, one in alike if x.shape == y.shape))
    return found


def find_ancestors(new: Tensor, makers: dict[int, Operation]) -> set[Key]:
    """Return the tensors from which updates alone lead to a new value."""
    found: set[Key] = set()
    waiting = [new]
    while waiting:
        x = waiting.pop()
        if key(x) not in found:
            found.add(key(x))
            waiting += makers[x.serial].inputs if x.serial in makers else ()
    return found
