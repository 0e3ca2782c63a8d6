"""Facts: everything known about a box, as labels and texts. A page shows them on hover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from autograd_mini.core.absent import Absent
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..reading import is_number, operands, scope_of, scope_path
from ..stepping.captions import describe_statistics
from ..texts import (
    NUMBERS,
    clean_text,
    format_count,
    format_number,
    format_shape,
    join_list,
    mean_and_deviation,
    norm,
    operation_label,
    with_counts,
)
from .operations import OperationsView
from .scopes import Part

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array

Facts = list[tuple[str, str]]
LONGEST: Final = 300
LONGEST_LIST: Final = 240
MOST_RESULTS: Final = 6
"""If an operation has more results, the others are only counted."""
MOST_SYMBOLS: Final = 2000
"""The operations of a scope with more of them are counted by type, which is faster."""


def tensor_facts(tensor: Tensor, gradient: Array | None = None) -> Facts:
    """Return shape, dtype and statistics of a tensor or array, of its gradient, and of `.grad`.

    The gradient is the derivative of the drawn outputs; `.grad` is the sum that backward() made.
    """
    value = tensor._value if isinstance(tensor, Tensor) else tensor
    found = [
        ("shape", format_shape(value) or "a number"),
        ("dtype", str(getattr(value, "dtype", ""))),
    ]
    if type(value) is not Absent:
        found.append(("value", describe_statistics(value)))
        found += [("mean", text) for text in [_mean_text(value)] if text]
    if gradient is not None:
        found.append(("gradient", describe_statistics(gradient)))
    if isinstance(tensor, Tensor) and isinstance(tensor.grad, np.ndarray | np.generic):
        found.append((".grad", describe_statistics(tensor.grad)))
    return [(label, clean_text(text, LONGEST)) for label, text in found if text]


def _mean_text(value: Array) -> str:
    """Return mean and deviation of real numbers, empty for others."""
    array = np.asarray(value)
    if array.size < 2 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        return ""
    return " ± ".join(map(format_number, mean_and_deviation(array)))


def operation_facts(operation: Operation, results: bool = True) -> Facts:
    """Return type, scope, parameters, formula and source line of an operation, and its result."""
    row = operation.primitive
    found = [("operation", operation.type)]
    path = scope_path(scope_of(operation))
    found += [("scope", path)] if path else []
    operand_texts = (
        str(x) if is_number(x) else format_shape(x) or "a number" for x in operands(operation)
    )
    taken = " , ".join(operand_texts)
    found += [("takes", taken)] if taken else []
    params = [f"{k}={v!r}" for k, v in operation.params.items() if " at 0x" not in repr(v)]
    found += [("parameters", ", ".join(params))] if params else []
    value, _, rules = row.doc.partition("  ∂")
    found.append(("formula", value))
    found += [("derivatives", f"∂{rules}".replace("  ∂", ", ∂"))] if rules else []
    found += [("recorded at", operation.line)] if operation.line else []
    if results:
        found += _result_facts(operation.outputs)
    return [(label, clean_text(text, LONGEST)) for label, text in found]


def _result_facts(made: tuple[Tensor, ...]) -> Facts:
    """Return the facts about the result of an operation; of several results, a line for each."""
    if len(made) == 1:
        return tensor_facts(made[0])
    found = [(f"result :{y.index}", _result_text(y)) for y in made[:MOST_RESULTS]]
    rest = len(made) - len(found)
    return [*found, ("more results", f"{rest}")] if rest else found


def _result_text(y: Tensor) -> str:
    """Write statistics and dtype of a result, or its shape where there are no values."""
    value = y._value
    text = (
        format_shape(value) or "a number" if type(value) is Absent else describe_statistics(value)
    )
    return f"{text}, {y.dtype}"


def part_facts(part: Part) -> Facts:
    """Return the facts about a part: one operation, or the operations of a fold."""
    if part.kind == "operation":
        return operation_facts(part.operations[0])
    few = len(part.operations) <= MOST_SYMBOLS
    types = Counter(operation_label(x) if few else x.type for x in part.operations)
    type_counts = [f"{name} ×{n}" if n > 1 else name for name, n in types.most_common()]
    found = [("holds", format_count(len(part.operations), "operation"))]
    if part.kind == "scope":
        found.append(("scope", scope_path(part.branch.scope)))
    found.append(("operations", join_list(type_counts, LONGEST_LIST)))
    leaves = _part_parameters(part)
    if leaves:
        size = sum(leaf.size for leaf in leaves)
        sizes = f"{format_count(len(leaves), 'tensor')}, {format_count(size, 'number')}"
        found.append(("parameters", _count_with_names(sizes, [leaf.name or "" for leaf in leaves])))
        grads = [leaf.grad for leaf in leaves if isinstance(leaf.grad, np.ndarray | np.generic)]
        grads = [g for g in grads if g.dtype.kind in NUMBERS]
        if grads:
            found.append(
                (".grad", f"norm {format_number(np.hypot.reduce([norm(g) for g in grads]))}")
            )
    return [(label, clean_text(text, LONGEST)) for label, text in found]


def view_facts(view: OperationsView) -> dict[str, Facts]:
    """Return the facts about each box of a view of operations, by id."""
    found = {box: part_facts(part) for part, box in view.box_of_part.items()}
    return found | other_facts(view, found)


def other_facts(view: OperationsView, of_parts: dict[str, Facts]) -> dict[str, Facts]:
    """Return the facts about leaves, outputs and listed leaves, parameters left out."""
    found = {box: tensor_facts(source.value) for source, box in view.box_of_source.items()}
    found |= {box: tensor_facts(y) for y, box in view.box_of_output}
    return found | {
        box: of_parts.get(box, []) + list_facts(lists) for box, lists in view.builder.lists.items()
    }


def list_facts(lists: dict[str, list[str]]) -> Facts:
    """Return the facts about the leaves that a box lists, without parameters."""
    return [
        (label, _count_with_names(format_count(len(names), "tensor"), names))
        for label, names in lists.items()
        if label != "parameters"
    ]


def _count_with_names(count: str, names: Sequence[str]) -> str:
    """Write a count and then the names, as many as fit; leaves without a name are counted."""
    known = [clean_text(name, lines=1) for name in names if name]
    rest = len(names) - len(known)
    known = with_counts(known)
    known += [f"{rest} without a name"] if known and rest else []
    return f"{count}: {join_list(known, LONGEST_LIST)}" if known else count


def _part_parameters(part: Part) -> list[Tensor]:
    """Return the trainable leaves that the operations of a part take, each once."""
    found = {
        x.serial: x
        for operation in part.operations
        for x in operands(operation)
        if isinstance(x, Tensor) and x.is_leaf and x.requires_grad
    }
    return list(found.values())
