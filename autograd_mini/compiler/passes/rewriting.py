"""What a rule of rewriting may answer, and the values that stand for each other."""

from __future__ import annotations

from collections.abc import Callable

from ...core.primitive import PRIMITIVES
from ..program import Instruction, Operand, Value
from .facts import Facts

Rewriting = Value | Instruction | list[Instruction] | None
"""The value that is the result already; an instruction, or several, that compute it; or nothing."""

Rule = Callable[[Instruction, Facts], Rewriting]


def has_same_kind(x: Operand, y: Value) -> bool:
    """Tell whether an operand has the shape and dtype of a result, so that it can stand for it."""
    return (
        type(x) is Value
        and x.shape == y.shape
        and (x.dtype is y.dtype or x.dtype == y.dtype)
        and x.weak is y.weak
    )


def stand_in_for(x: Operand, step: Instruction) -> Rewriting:
    """Return an operand whose elements are the result's, repeated to its shape if need be."""
    y = step.results[0]
    if has_same_kind(x, y):
        return x  # type: ignore[return-value]  # is_same_kind says that it is a value
    if type(x) is Value and not x.weak and x.dtype == y.dtype and len(x.shape) <= len(y.shape):
        return replace_operation(step, "broadcast_to", (x,), shape=y.shape)
    return None


def replace_operation(
    step: Instruction, name: str, operands: tuple[Operand, ...], **params: object
) -> Instruction:
    """Return an instruction with the same results, from a row of the table."""
    return Instruction(PRIMITIVES[name], operands, params, step.results, step.scope, step.line)
