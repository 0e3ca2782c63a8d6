"""Which leaf each result of an update stands for: a weight after its first update is that weight.

A program assigns the last value only, so those before it are found on the way there.
"""

from __future__ import annotations

from typing import Final

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..reading import Key, is_assignment, key

JOINING: Final = "flat"
DIVIDING: Final = "parts"
"""The names of the operations that lay tensors into one row, and take them out of it."""
Leaves = frozenset[Key]
NONE: Final[Leaves] = frozenset()


def updated_leaves(graph: Graph) -> dict[Key, Tensor]:
    """Return the leaf for each result of an update that is its new value, the last ones too."""
    updates = [x for x in graph.operations if x.phase == "update" and not is_assignment(x)]
    possible = find_possible(updates)
    makers = {operation.outputs[0].serial: operation for operation in updates}
    found: dict[Key, Tensor] = {}
    for operation in graph.operations:
        if is_assignment(operation):
            leaf, new = operation.inputs
            on_the_way = find_ancestors(new, makers)
            found |= {x: leaf for x in on_the_way if key(leaf) in possible.get(x, NONE)}
            found[key(new)] = leaf
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
