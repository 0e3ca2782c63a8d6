"""Who makes each value of a program, and how often it is used."""

from __future__ import annotations

from typing import Any

from ..program import Instruction, Operand, Program, Value


class Uses:
    """Who makes each value, and how often it is used.

    Attributes:
        constants: further ones, which a pass wants.
    """

    def __init__(self, program: Program) -> None:
        self.makers: dict[Value, Instruction] = {}
        self.counts: dict[Value, int] = {}
        self.constants: dict[Value, Any] = {}
        for step in program.instructions:
            for y in step.results:
                self.makers[y] = step
            for x in step.values:
                self.counts[x] = self.counts.get(x, 0) + 1
        for y in program.ends():
            self.counts[y] = self.counts.get(y, 0) + 1

    def only(self, x: Operand, *names: str) -> Instruction | None:
        """Return the instruction, of rows of these names, that makes x for this one use."""
        if type(x) is not Value or self.counts.get(x) != 1:
            return None
        step = self.makers.get(x)
        return step if step is not None and step.row in names else None

    def replace(self, step: Instruction, *others: Instruction) -> None:
        """Note that others stand in an instruction's place."""
        for x in step.values:
            self.counts[x] -= 1
        for other in others:
            self.makers[other.results[0]] = other
            for x in other.values:
                self.counts[x] = self.counts.get(x, 0) + 1


def has_arrays(program: Program) -> bool:
    """Whether more than one result in a hundred is an array: for fewer it is not worth a look."""
    arrays = sum(bool(y.shape) for step in program.instructions for y in step.results)
    return 100 * arrays > len(program.instructions)
