"""Everything that is known of a box, for those who point at it: labels and texts in order."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import numpy as np

from autograd_mini.absent import Absent
from autograd_mini.operation import Operation
from autograd_mini.tensors import Tensor

from ..reading import operands, scope_of, scope_path
from ..stepping.captions import norm, statistics
from ..texts import NUMBERS, clean, counted, number, shape, symbol
from .operations import OperationsView
from .outline import Part

Facts = list[tuple[str, str]]
LONGEST: Final = 300
MOST_TYPES: Final = 12
MOST_SYMBOLS: Final = 2000
"""The operations of a scope with more of them are counted by type, which is faster."""


def of_tensor(tensor: Any, gradient: Any = None) -> Facts:
    """Tell shape, dtype and statistics of a tensor or array, of its gradient, and of `.grad`.

    The gradient is the derivative of what is drawn; `.grad` holds what backward() has added up.
    """
    value = tensor._value if isinstance(tensor, Tensor) else tensor
    found = [("shape", shape(value) or "a number"), ("dtype", str(getattr(value, "dtype", "")))]
    if type(value) is not Absent:
        found.append(("value", statistics(value)))
        found += [("mean", text) for text in [mean(value)] if text]
    if gradient is not None:
        found.append(("gradient", statistics(gradient)))
    if isinstance(tensor, Tensor) and isinstance(tensor.grad, np.ndarray | np.generic):
        found.append((".grad", statistics(tensor.grad)))
    return [(label, clean(text, LONGEST)) for label, text in found if text]


def mean(value: Any) -> str:
    """Return mean and deviation of real numbers, empty for others."""
    array = np.asarray(value)
    if array.size < 2 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        return ""
    with np.errstate(all="ignore"):  # of large numbers both may be infinite
        return f"{number(array.mean())} ± {number(array.std())}"


def of_operation(operation: Operation, results: bool = True) -> Facts:
    """Tell type, scope, parameters, formula and source line of an operation, and its result."""
    row = operation.primitive
    found = [("operation", operation.type)]
    path = scope_path(scope_of(operation))
    found += [("scope", path)] if path else []
    taken = " , ".join(shape(x) or "a number" for x in operands(operation))
    found += [("takes", taken)] if taken else []
    params = [f"{k}={v!r}" for k, v in operation.params.items() if " at 0x" not in repr(v)]
    found += [("parameters", ", ".join(params))] if params else []
    value, _, rules = row.doc.partition("  ∂")
    found.append(("formula", value))
    found += [("derivatives", f"∂{rules}".replace("  ∂", ", ∂"))] if rules else []
    found += [("recorded at", operation.line)] if operation.line else []
    if results:
        for y in operation.outputs[:2]:
            found += of_tensor(y)
    return [(label, clean(text, LONGEST)) for label, text in found]


def of_part(part: Part) -> Facts:
    """Tell what a box of the view of operations stands for."""
    if part.kind == "operation":
        return of_operation(part.operations[0])
    few = len(part.operations) <= MOST_SYMBOLS
    types = Counter(symbol(x) if few else x.type for x in part.operations)
    told = [f"{name} ×{n}" if n > 1 else name for name, n in types.most_common(MOST_TYPES)]
    rest = len(types) - len(told)
    what = ", ".join(told) + (f", … {rest} more" if rest else "")
    found = [("holds", counted(len(part.operations), "operation"))]
    if part.kind == "scope":
        found.append(("scope", scope_path(part.branch.scope)))
    found.append(("operations", what))
    leaves = parameters(part)
    if leaves:
        size = sum(leaf.size for leaf in leaves)
        sizes = f"{counted(len(leaves), 'tensor')}, {counted(size, 'number')}"
        names = [clean(leaf.name, lines=1) for leaf in leaves if leaf.name]
        found.append(("parameters", ": ".join(filter(None, (sizes, ", ".join(names))))))
        grads = [leaf.grad for leaf in leaves if isinstance(leaf.grad, np.ndarray | np.generic)]
        grads = [g for g in grads if g.dtype.kind in NUMBERS]
        if grads:
            found.append((".grad", f"norm {number(np.hypot.reduce([norm(g) for g in grads]))}"))
    return [(label, clean(text, LONGEST)) for label, text in found]


def of_view(view: OperationsView) -> dict[str, Facts]:
    """Tell what is known of each box of a view of operations, by id."""
    found = {box: of_part(part) for part, box in view.box_of_part.items()}
    return found | beside_parts(view, found)


def beside_parts(view: OperationsView, of_parts: dict[str, Facts]) -> dict[str, Facts]:
    """Tell what is known of leaves, outputs, and of what boxes list, but for parameters."""
    found = {box: of_tensor(source.value) for source, box in view.box_of_source.items()}
    found |= {box: of_tensor(y) for y, box in view.box_of_output}
    return found | {
        box: of_parts.get(box, []) + of_lists(lists) for box, lists in view.builder.lists.items()
    }


def of_lists(lists: dict[str, list[str]]) -> Facts:
    """Tell what a box lists, but for parameters, which the facts of its part tell."""
    return [
        (label, clean(f"{counted(len(names), 'tensor')}: {', '.join(names)}", LONGEST))
        for label, names in lists.items()
        if label != "parameters"
    ]


def parameters(part: Part) -> list[Tensor]:
    """Return the trainable leaves that the operations of a part take, each once."""
    found = {
        x.serial: x
        for operation in part.operations
        for x in operands(operation)
        if isinstance(x, Tensor) and x.is_leaf and x.requires_grad
    }
    return list(found.values())
