"""Scattering: what is added at a few places of an array is added there, not everywhere.

The gradient of indexing is an array of zeros with the cotangent added at the index. Where it is
added to something else, the zeros need not be made. If no place is named twice, which is seen where
a captured array counts the rows, the result is the same bit for bit; so it is otherwise, up to the
order of the additions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..program import Instruction, Program, Value
from ..rows import added_at
from .dead import pruned
from .uses import Uses


def scattered(program: Program) -> Program:
    """Add what is scattered into zeros to the other operand at once."""
    uses = Uses(program)
    changed: dict[Value, Instruction] = {}
    for step in program.instructions:
        if step.primitive.name != "add" or len(step.operands) != 2:
            continue
        for other, x in (step.operands, step.operands[::-1]):
            scatter = uses.only(x, "scatter")
            y = step.results[0]
            if scatter is None or type(other) is not Value or other.shape != y.shape:
                continue
            if scatter.results[0].shape != y.shape or other.dtype != y.dtype:
                continue
            g, *arrays = scatter.operands
            params = {"index": scatter.params["index"], "unique": is_unique(arrays, program)}
            changed[y] = Instruction(
                added_at, (other, g, *arrays), params, step.results, step.scope, step.line
            )
            break
    if not changed:
        return program
    return pruned(
        program.replaced(
            [changed.get(s.results[0], s) if s.results else s for s in program.instructions]
        )
    )


def is_unique(arrays: list[Any], program: Program) -> bool:
    """Whether captured indices show that no place is named twice."""
    if any(type(x) is not Value for x in arrays):
        return False
    if any(x.dtype.kind == "b" for x in arrays):
        return len(arrays) == 1
    shape = np.broadcast_shapes(*(x.shape for x in arrays)) if arrays else ()
    for x in arrays:
        rows = program.constants.get(x)
        if rows is not None and rows.size == int(np.prod(shape)):
            # A negative index may name a place that another one names, too.
            return bool((rows >= 0).all()) and np.unique(rows).size == rows.size
    return False
