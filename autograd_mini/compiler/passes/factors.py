"""Factors: x + x is 2·x, and one multiplication does for two by numbers.

A power of two multiplies without rounding, so that the results are the same bit for bit, unless one
of them overflows or is too small to be exact.
"""

from __future__ import annotations

import math
from typing import Any

from ...core.primitive import PRIMITIVES
from ..program import Instruction, Operand, Program, Value
from .dead import eliminate_dead_code
from .uses import Uses, has_arrays


def factor_products(program: Program) -> Program:
    """Multiply by numbers once, where one of them is a power of two."""
    if not has_arrays(program):
        return program
    uses = Uses(program)
    changed = False
    kept: list[Instruction] = []
    for step in program.instructions:
        found: Instruction | None = double_instead_of_sum(step) or join_factors(step, uses, program)
        while found is not None:
            changed = True
            uses.replace(step, found)
            step, found = found, join_factors(found, uses, program)
        kept.append(step)
    return eliminate_dead_code(program.with_instructions(kept)) if changed else program


def double_instead_of_sum(step: Instruction) -> Instruction | None:
    """Return 2·x for x + x."""
    if step.row != "add" or step.operands[0] is not step.operands[1]:
        return None
    x, y = step.operands[0], step.results[0]
    if type(x) is not Value or not y.shape or y.dtype.kind != "f" or x.dtype != y.dtype:
        return None
    return multiply_by_number(step, 2.0, x)


def join_factors(step: Instruction, uses: Uses, program: Program) -> Instruction | None:
    """Return (a·b)·x for a·(b·x)."""
    outer = number_and_array(step, program)
    if outer is None:
        return None
    inner_step = uses.only(outer[1], "multiply")
    inner = number_and_array(inner_step, program) if inner_step is not None else None
    if inner is None or inner[1].dtype != outer[1].dtype:
        return None
    if not (is_power_of_two(outer[0]) or is_power_of_two(inner[0])):
        return None
    kind = outer[1].dtype.type
    return multiply_by_number(step, (kind(outer[0]) * kind(inner[0])).item(), inner[1])


def number_and_array(step: Instruction, program: Program) -> tuple[float, Value] | None:
    """Return what an instruction multiplies, if that is a number and an array of floats."""
    y = step.results[0] if step.results else None
    if step.row != "multiply" or y is None or not y.shape or y.dtype.kind != "f":
        return None
    for a, x in (step.operands, step.operands[::-1]):
        number = number_of(a, program)
        if number is not None and type(x) is Value and x.shape == y.shape and x.dtype == y.dtype:
            return number, x
    return None


def number_of(x: Operand, program: Program) -> float | None:
    """Return the number that an operand is in every call."""
    if type(x) is Value and not x.shape and x in program.constants:
        found: Any = program.constants[x].item()
        return found if type(found) is float else None
    return float(x) if type(x) in (int, float) else None  # type: ignore[arg-type]  # a number


def is_power_of_two(x: float) -> bool:
    """Whether a number is ±2ⁿ with a small n."""
    return math.isfinite(x) and abs(math.frexp(x)[0]) == 0.5 and 2**-16 <= abs(x) <= 2**16


def multiply_by_number(step: Instruction, number: float, x: Value) -> Instruction:
    """Return an instruction with the same result that multiplies an array by a number."""
    multiply = PRIMITIVES["multiply"]
    return Instruction(multiply, (number, x), {}, step.results, step.scope, step.line)
