"""Operands passing to their stand-ins, without touching instructions that keep theirs."""

from __future__ import annotations

from collections.abc import Mapping

from ..program import Instruction, Operand, Value


def with_stand_ins(step: Instruction, stand_ins: Mapping[Value, Value]) -> Instruction:
    """Return the instruction with operands replaced, itself if there is nothing to replace."""
    for x in step.operands:
        if type(x) is Value and x in stand_ins:
            return step.with_operands(tuple(stand_in(y, stand_ins) for y in step.operands))
    return step


def stand_in(x: Operand, stand_ins: Mapping[Value, Value]) -> Operand:
    """Return what takes the place of an operand."""
    return stand_ins.get(x, x) if type(x) is Value else x
