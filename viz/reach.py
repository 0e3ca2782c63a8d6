"""Which operations a cotangent reaches, and what keeps their gradients from being told.

A picture computes gradients and changes nothing: it calls no hook of the user's, and tells no
gradient once a leaf was assigned. Where that makes a difference the picture says so in these words.
"""

from __future__ import annotations

from autograd_mini.core.graph import Graph
from autograd_mini.core.notes import hooks
from autograd_mini.core.record import Operation
from autograd_mini.core.reverse import current_values
from autograd_mini.core.tensor import Tensor
from autograd_mini.errors import StaleGraphError

from .reading import has_changed, has_values, key, operands
from .texts import clean_text, format_count


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
    """Whether a cotangent flows to an operand of an operation."""
    x = operands(operation)[position]
    if not isinstance(x, Tensor) or not x.requires_grad:
        return False
    if not any(y.requires_grad for y in operation.outputs):
        return False
    rules = operation.primitive.vjp
    return not isinstance(rules, tuple) or rules[position] is not None


def find_stale(graph: Graph) -> Operation | None:
    """Return an operation on the way of the gradients that used what was changed since, if any."""
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


def count_hooks(graph: Graph) -> int:
    """Count the hooks on the way of the gradients."""
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
    """Return what a picture with gradients says of all of them: that they are unknown, or hooks."""
    stale = find_stale(graph)
    if stale is not None:
        taken = (x for x in operands(stale) if isinstance(x, Tensor) and has_changed(x, stale))
        changed = next(taken, None)
        name = clean_text(changed.name) if changed is not None and changed.name else "an operand"
        return [f"gradients are not known: {name} changed since this was recorded"]
    count = count_hooks(graph)
    return [f"gradients before hooks: {format_count(count, 'hook')} not called"] if count else []
