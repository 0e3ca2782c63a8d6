"""Dropping what nothing needs."""

from __future__ import annotations

from ..program import Instruction, Program, Value
from .effects import has_effect, may_raise


def eliminate_dead_code(program: Program) -> Program:
    """Drop instructions, constants and leaves that no output, update or effect needs.

    Instructions with an effect stay, and stay in order, as do those that may raise. Inputs stay,
    since a call gives them.
    """
    needed: set[Value] = set(program.ends())
    kept: list[Instruction] = []
    for step in reversed(program.instructions):
        results = step.results
        wanted = results[0] in needed if len(results) == 1 else not needed.isdisjoint(results)
        if wanted or has_effect(step.primitive) or may_raise(step):
            kept.append(step)
            for x in step.operands:
                if type(x) is Value:
                    needed.add(x)
    kept.reverse()
    needed.update(leaf for leaf, _ in program.updates)
    leaves = {v: tensor for v, tensor in program.leaves.items() if v in needed}
    constants = {v: array for v, array in program.constants.items() if v in needed}
    before = (len(program.instructions), len(program.leaves), len(program.constants))
    if (len(kept), len(leaves), len(constants)) == before:
        return program
    return program.with_instructions(kept, leaves=leaves, constants=constants)
