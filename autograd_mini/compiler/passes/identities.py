"""Dropping operations that change nothing, one rule a row of the table."""

from __future__ import annotations

from typing import Final

from ...core.primitive import Primitive
from ..program import Instruction, Program, Value
from .arithmetic import RULES as ARITHMETIC
from .facts import Facts
from .layouts import RULES as LAYOUTS
from .renaming import with_stand_ins
from .repetition import NOTING, Repetitions
from .rewriting import Rule

RULES: Final[dict[Primitive, Rule]] = ARITHMETIC | LAYOUTS


def simplify_algebra(program: Program) -> Program:
    """Drop or replace operations that change nothing, or that a simpler one computes.

    All of it is exact, NaN and the sign of zero included, but for these: x² of scalars may differ
    by one unit in the last place; the sum of a repeated x is n·x, and its mean is x, which agree
    within n·eps and up to the sign of a zero; and a later reduction may add in another order, since
    the memory order may be another. Results may be operands: whoever returns them must copy.
    """
    facts, repetitions = Facts(program), Repetitions()
    scalars = repetitions.scalars_of(program.constants, facts.uniform)
    facts.uniform |= {value: number.item() for value, number in scalars.items()}
    stand_ins: dict[Value, Value] = {}
    kept: list[Instruction] = []
    changed = False
    makers = facts.makers
    for old in program.instructions:
        step = with_stand_ins(old, stand_ins) if stand_ins else old
        found = rewrite_instruction(step, facts, repetitions)
        if isinstance(found, Value):
            stand_ins[step.results[0]] = found
            continue
        changed = changed or found is not old
        for step in found if isinstance(found, list) else (found,):
            kept.append(step)
            if step.primitive in NOTING:
                repetitions.note(step)
            for y in step.results:
                makers[y] = step
    if not changed and not stand_ins:
        return program
    constants = program.constants | scalars if scalars else program.constants
    return program.substitute(kept, stand_ins).with_instructions(kept, constants=constants)


def rewrite_instruction(
    step: Instruction, facts: Facts, repetitions: Repetitions
) -> Value | Instruction | list[Instruction]:
    """Return what an instruction may be replaced by, itself if nothing is simpler."""
    if repetitions.sources:
        smaller = repetitions.without(step)
        if isinstance(smaller, list):
            return smaller
        step = smaller or step
    rule = RULES.get(step.primitive)
    found = None if rule is None else rule(step, facts)
    return step if found is None else found
