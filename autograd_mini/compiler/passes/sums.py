"""Chains and trees of additions as one sum of many terms."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import Final

from ...primitives import PRIMITIVES
from ..program import Instruction, Operand, Program, Value
from ..rows import add_n

ADDING: Final = (PRIMITIVES["add"], add_n)
LARGEST: Final = 1024
"""Bytes of a term up to which terms are collected. A sum of many terms keeps all of them until its
end; with larger ones, adding each as soon as it is there takes less memory and stays in cache."""


def flattened(program: Program) -> Program:
    """Make one `add_n` of additions of one shape and dtype whose partial sums are used only there.

    A sum of two terms stays `add`. `add_n` adds from left to right, so a chain, the accumulation of
    cotangents for one, is bit for bit what it was: its terms are listed from its innermost addition
    outwards. Where two partial sums of several terms meet, the right one's terms follow the left
    one's, and the result agrees within (n − 1)·eps·Σ|terms| for n terms.
    """
    sums = {
        step.results[0]: step
        for step in program.instructions
        if step.primitive in ADDING and is_plain(step)
    }
    if len(sums) < 2:
        return program
    inner = inner_sums(program, sums)
    if not inner:
        return program
    kept: list[Instruction] = []
    for step in program.instructions:
        result = step.results[0] if step.results else None
        if result in inner:
            continue
        if result in sums and not inner.isdisjoint(step.operands):
            terms = terms_of(step, sums, inner)
            step = Instruction(add_n, terms, {}, step.results, step.scope, step.line)
        kept.append(step)
    return program.replaced(kept)


def is_plain(step: Instruction) -> bool:
    """Tell whether all terms are small arrays of the result's shape and dtype."""
    y = step.results[0]
    shape, dtype = y.shape, y.dtype
    for x in step.operands:
        if type(x) is not Value or x.weak or x.shape != shape:
            return False
        if x.dtype is not dtype and x.dtype != dtype:
            return False
    return not shape or y.nbytes <= LARGEST


def inner_sums(program: Program, sums: dict[Value, Instruction]) -> set[Value]:
    """Find the sums whose only use is as a term of another sum of their kind."""
    uses = Counter(chain.from_iterable(step.operands for step in program.instructions))
    uses.update(program.ends())
    return {
        x
        for step in sums.values()
        for x in step.operands
        if type(x) is Value and x in sums and uses[x] == 1
    }


def terms_of(
    step: Instruction, sums: dict[Value, Instruction], inner: set[Value]
) -> tuple[Operand, ...]:
    """List the terms of a sum in the order in which `add_n` must add them, without recursion.

    Two operands may change places bit for bit, so a partial sum goes before a single term.
    """
    terms: list[Operand] = []
    waiting: list[Operand] = list(step.operands[::-1])
    if len(waiting) == 2 and waiting[0] in inner and waiting[1] not in inner:
        waiting.reverse()
    while waiting:
        x = waiting.pop()
        if x not in inner:
            terms.append(x)
            continue
        found = sums[x].operands
        if len(found) == 2 and found[1] in inner and found[0] not in inner:
            waiting += found  # the second is taken first
        else:
            waiting += found[::-1]
    return tuple(terms)
