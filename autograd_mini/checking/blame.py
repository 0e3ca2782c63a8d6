"""Find the operation with the wrong rule: check every operation of a recorded function alone.

The chain rule is exact. So a wrong gradient has a wrong rule in it. If every rule is right, a value
leaves the graph somewhere, or kinks have values that do not add up.
"""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ..core.debugging import debug
from ..core.graph import Graph
from ..core.record import Operation
from ..core.tensor import Tensor, leaf
from ..core.tree import flatten
from ..core.visible import show_text
from .causes import Cause
from .examination import Options, examine
from .inputs import Inputs
from .numeric.verdicts import Verdict
from .reporting.report import Report
from .subjects import Recorded

PATIENCE = 10.0
"""After this many seconds no further operation is checked."""

SMALL = 64
"""Up to this many entries an operation is checked in full; a larger one by projections."""


@dataclass(frozen=True, slots=True)
class Blame:
    """The operation whose rule is wrong, or why none is.

    Attributes:
        operation: its name in the graph, as `mlp/matmul_3`; empty if no rule is wrong.
        type: the name of its primitive.
        line: where it was recorded, as `file.py:12`.
        text: the finding, in one sentence.
        cause: the mistake in its rule, if a diagnosis found one.
        checked: how many operations were checked.
    """

    operation: str
    type: str
    line: str
    text: str
    cause: Cause | None
    checked: int

    def __str__(self) -> str:
        return show_text(self.text)

    def to_dict(self) -> dict[str, object]:
        """Return the blame as plain Python values."""
        return {
            "operation": self.operation,
            "type": self.type,
            "line": self.line,
            "text": self.text,
            "cause": self.cause.to_dict() if self.cause is not None else None,
            "checked": self.checked,
        }


def locate_fault(subject: Recorded, options: Options) -> Blame | None:
    """Check the operations of a recorded function one by one; None if that tells nothing."""
    inputs = subject.inputs
    leaves = [leaf(x, requires_grad=True) for x in inputs.values(inputs.arrays)]
    with debug("ignore"), np.errstate(all="ignore"):
        outputs = [
            y for y in flatten(subject.call_with_leaves(*leaves))[0] if isinstance(y, Tensor)
        ]
    operations = [
        op
        for op in Graph(*outputs).operations
        if op.type != "stop_gradient" and any(t.requires_grad for t in op.inputs)
    ]
    started, checked, at_kinks = perf_counter(), 0, []
    for operation in operations:
        if perf_counter() - started > PATIENCE:
            return None
        report = _check_operation(operation, options)
        checked += 1
        if report.count(Verdict.WRONG) or _is_wrong_as_whole(report):
            return _fault_in(operation, report, checked)
        if report.count(Verdict.KINK):
            at_kinks.append(operation)
    return _no_fault(outputs, at_kinks, checked)


def _check_operation(operation: Operation, options: Options) -> Report:
    """Check the rule of one operation at its operands."""
    operands, params = list(operation.inputs), operation.params
    moving = [i for i, x in enumerate(operands) if x.requires_grad]

    def apply_operation(*xs: Any) -> Tensor:
        taken = list(operands)
        for i, x in zip(moving, xs, strict=True):
            taken[i] = x
        plain = [x if i in moving else x.data for i, x in enumerate(taken)]
        return operation.primitive(*plain, **params)

    values = [operands[i].data for i in moving]
    names = [f"operand {i + 1}" for i in moving]
    small = sum(np.size(x) for x in values) <= SMALL
    coverage = "full" if small else "projections"
    local = Options(seed=options.seed, coverage=coverage, progress=False)
    return examine(Recorded(apply_operation, None, Inputs(values, names)), local)


def _is_wrong_as_whole(report: Report) -> bool:
    """Is the report wrong beyond single entries, for a reason other than the point?"""
    return any(cause.kind != "domain" for cause in report.problems)


def _fault_in(operation: Operation, report: Report, checked: int) -> Blame:
    """Describe the operation whose rule is wrong."""
    found = (*report.causes, *report.problems)
    cause = found[0] if found else None
    line = _shorten_path(operation.line)
    place = f", recorded at {line}" if line else ""
    why = f": {cause.text}" if cause is not None else ""
    text = f"to blame: {operation.name}{place}{why}"
    return Blame(operation.name, operation.type, line, text, cause, checked)


def _no_fault(
    outputs: Sequence[Tensor],
    at_kinks: Sequence[Operation],
    checked: int,
) -> Blame | None:
    """Explain a wrong gradient whose rules are all right."""
    if at_kinks:
        first = at_kinks[0]
        others = f" and {len(at_kinks) - 1} more" if len(at_kinks) > 1 else ""
        text = (
            f"every rule is right by itself; {first.name}{others} is at a kink, where values "
            "between the slopes need not add up to the derivative of the whole"
        )
        return Blame("", first.type, _shorten_path(first.line), text, None, checked)
    stops = [op for op in Graph(*outputs).operations if op.type == "stop_gradient"]
    what = "perhaps a value leaves the graph (t.data, float(t), a constant made of it)"
    line = ""
    if stops:
        line = _shorten_path(stops[0].line)
        what = f"{stops[0].name} stops the gradient" + (f" at {line}" if line else "")
    rules = "the one rule is right" if checked == 1 else f"all {checked} rules are right"
    text = f"{rules}; {what}"
    return Blame("", "stop_gradient" if stops else "", line, text, None, checked)


def _shorten_path(line: str | None) -> str:
    """Write a source line with a path relative to the current folder, if that is shorter."""
    if not line:
        return ""
    path, _, number = line.rpartition(":")
    try:
        near = os.path.relpath(path)
    except ValueError:  # another drive
        near = path
    return f"{near if len(near) < len(path) else path}:{number}"
