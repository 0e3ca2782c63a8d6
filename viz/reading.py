"""How pictures read a recorded graph. Private attributes of records are read here.

A graph may have 100,000 operations, and no object is made for each of their operands. So operands
are read as they were recorded: tensors, numbers and arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini.core.absent import Absent
from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation, Scope
from autograd_mini.core.tensor import Tensor
from autograd_mini.ops.conversion import set_leaf

Key = tuple[int, int]
"""(serial, index) of one tensor. It is for comparing and sorting and never appears in a picture."""


def operands(operation: Operation) -> tuple[Any, ...]:
    """Return the operands as recorded: tensors, numbers, arrays or None.

    The leaf that an assignment changes is left out, because nothing flows from its old value.
    """
    record = operation._record
    taken: tuple[Any, ...] = record._operands
    for x in taken:
        if type(x) is Tensor and not x.serial:  # a large array, wrapped when it was recorded
            taken = tuple([x._value if type(x) is Tensor and not x.serial else x for x in taken])
            break
    return taken[1:] if record._primitive is set_leaf else taken


def is_assignment(operation: Operation | None) -> bool:
    """Return whether an operation assigns a leaf its new value, as `leaf.data = …` does."""
    return operation is not None and operation.primitive is set_leaf


def has_values(graph: Graph) -> bool:
    """Return whether a graph holds numbers. Only the graphs of compiled programs hold none."""
    leaves = (*graph.inputs, *graph.parameters, *graph.outputs)
    return not any(type(x._value) is Absent for x in leaves)


def key(tensor: Tensor) -> Key:
    """Return the identity of a tensor, also of one that was made anew from its record."""
    return tensor.serial, tensor.index


def scope_of(operation: Operation) -> Scope | None:
    """Return the innermost scope of an operation; each entry of a scope has its own object."""
    return operation._record._scope


def is_number(operand: Any) -> bool:
    """Return whether an operand is a plain number, which the operation's label contains."""
    return not isinstance(operand, Tensor) and (operand is None or np.ndim(operand) == 0)


def has_changed(leaf: Tensor, operation: Operation) -> bool:
    """Return whether a leaf was assigned after the operation used it."""
    return leaf.is_leaf and leaf._assigned > operation.serial


def all_scalar(graph: Graph) -> bool:
    """Return whether every tensor of the graph is 0-d."""
    leaves = (*graph.inputs, *graph.parameters, *graph.outputs)
    if any(x.ndim for x in leaves):
        return False
    return all(
        not any(np.ndim(x._value if isinstance(x, Tensor) else x) for x in operands(op))
        and not any(y.ndim for y in op.outputs)
        for op in graph.operations
    )


def scope_path(scope: Scope | None) -> str:
    """Write the names from the outermost scope to this one; nesting may be deep."""
    names = []
    while scope is not None:
        names.append(scope.name)
        scope = scope.parent
    return "/".join(reversed(names))


def changed_leaves(graph: Graph) -> set[Key]:
    """Find the leaves that were assigned after an operation of the graph used them."""
    return {
        key(x)
        for operation in graph.operations
        for x in operands(operation)
        if isinstance(x, Tensor) and has_changed(x, operation)
    }
