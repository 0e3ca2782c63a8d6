"""Algebra: operations that change nothing are dropped, by one rule for each primitive.

Examples: x·1, x − 0, −(−x), x², where(True, x, y). Each rule is exact for NaN, infinities and the
sign of zero, so 0·x, x − x and x + 0.0 stay. Complex numbers keep their products:
(∞ + 0i)·1 is ∞ + NaN·i. The rules of shapes and dtypes are in `shapes`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...core.primitive import PRIMITIVES, Primitive
from ..program import Instruction, Operand, Program, Value
from .cleanup import with_stand_ins
from .facts import (
    DEPTH,
    Facts,
    Rewriting,
    Rule,
    has_same_kind,
    is_minus_zero,
    is_plus_zero,
    operand_of_same_kind,
    replace_operation,
    stand_in_for,
)
from .shapes import NOTING, SHAPE_RULES, Repetitions


def simplify_algebra(program: Program) -> Program:
    """Drop or replace operations that change nothing, or that a simpler one computes.

    Everything is exact, NaN and the sign of zero included, with three exceptions. x² of scalars may
    differ by one unit in the last place. The sum of a repeated x is n·x and its mean is x: they
    agree within n·eps and up to the sign of a zero. A later reduction may add in another order,
    since the memory order may change. A result may be an operand now: a program that returns it
    must copy it.
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
        found = _rewrite_instruction(step, facts, repetitions)
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


def _rewrite_instruction(
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


# ── rules ─────────────────────────────────────────────────────────────────────────────────────────
def _simplify_product(step: Instruction, facts: Facts) -> Rewriting:
    """x·1 is x."""
    a, b = step.operands
    one, other = facts.number(a), facts.number(b)
    if one is None and other is None or step.results[0].dtype.kind == "c":
        return None
    found = stand_in_for(a, step) if other == 1 else None
    return found if found is not None or one != 1 else stand_in_for(b, step)


def _simplify_quotient(step: Instruction, facts: Facts) -> Rewriting:
    """x / 1 is x."""
    x, divisor = step.operands
    if facts.number(divisor) == 1 and step.results[0].dtype.kind != "c":
        return stand_in_for(x, step)
    return None


def _simplify_sum(step: Instruction, facts: Facts) -> Rewriting:
    """x + (−0.0) is x; x + 0 is x where x is never −0.0."""
    a, b = step.operands
    for x, other in ((a, b), (b, a)):
        zero = facts.number(other)
        if zero is None or zero != 0 or step.results[0].dtype.kind == "c":
            continue
        if is_minus_zero(zero) or facts.never_minus_zero(x):
            return stand_in_for(x, step)
    return None


def _simplify_difference(step: Instruction, facts: Facts) -> Rewriting:
    """x − 0.0 is x, and x − (−y) is x + y."""
    x, other = step.operands
    if step.results[0].dtype.kind == "c":
        return None
    if is_plus_zero(facts.number(other)):
        return stand_in_for(x, step)
    negated = facts.maker(other, NEGATIVE)
    return replace_operation(step, "add", (x, negated.operands[0])) if negated else None


def _simplify_negation(step: Instruction, facts: Facts) -> Rewriting:
    """−(−x) is x."""
    inner = facts.maker(step.operands[0], NEGATIVE)
    return stand_in_for(inner.operands[0], step) if inner else None


def _simplify_power(step: Instruction, facts: Facts) -> Rewriting:
    """x¹ is x; x² is `square`, for scalars x·x; √ and 1/x of arrays are what NumPy computes.

    Of scalars, x·x is the product correctly rounded, and x² may be one unit in the last place off.
    """
    x, exponent = step.operands
    y = step.results[0]
    if type(exponent) not in (int, float) or not has_same_kind(x, y) or y.weak:
        return None
    if exponent == 1 and y.dtype.kind != "c":
        return stand_in_for(x, step)
    if y.dtype.kind not in "f":
        return None
    if exponent == 2:
        return (
            replace_operation(step, "square", (x,))
            if y.shape
            else replace_operation(step, "multiply", (x, x))
        )
    name = "sqrt" if exponent == 0.5 else "reciprocal" if exponent == -1 else None
    return replace_operation(step, name, (x,)) if name and y.shape else None


def _simplify_where(step: Instruction, facts: Facts) -> Rewriting:
    """Where(c, x, y) is one of them if c is the same everywhere, or if they are the same."""
    condition, a, b = step.operands
    if a is b or _is_never_true(condition, facts):
        return stand_in_for(b, step)
    holds = facts.number(condition)
    return None if holds is None else stand_in_for(a if holds else b, step)


def _is_never_true(condition: Operand, facts: Facts) -> bool:
    """Tell whether a condition is `(g == 0) & ~isfinite(x)` for an x that is finite where g is 0.

    The backward pass of `where` makes such conditions. They never hold if x is g itself, or −g.
    """
    both = facts.maker(condition, PRIMITIVES["bitwise_and"])
    if both is None:
        return False
    equal = facts.maker(both.operands[0], PRIMITIVES["equal"])
    inverted = facts.maker(both.operands[1], PRIMITIVES["invert"])
    finite = inverted and facts.maker(inverted.operands[0], PRIMITIVES["isfinite"])
    if equal is None or not finite:
        return False
    g, zero = equal.operands
    return facts.number(zero) == 0 and _is_zero_with(finite.operands[0], g, facts)


def _is_zero_with(x: Operand, g: Operand, facts: Facts) -> bool:
    """Tell whether x is 0 wherever g is: g times finite numbers, of any sign."""
    for _ in range(DEPTH):
        if x is g:
            return True
        step = facts.maker(x, *ZERO_KEEPING)
        if step is None:
            return False
        factors = [_is_safe_factor(y, step, facts) for y in step.operands]
        if step.primitive is NEGATIVE or factors[-1]:
            x = step.operands[0]
        elif step.primitive is PRODUCT and factors[0]:
            x = step.operands[1]
        else:
            return False
    return False


def _is_safe_factor(x: Operand, step: Instruction, facts: Facts) -> bool:
    """Tell whether an operand is a number for which 0·x and 0/x are 0."""
    number, dtype = facts.number(x), step.results[0].dtype
    if not isinstance(number, (int, float)) or dtype.kind != "f":
        return False
    limits = np.finfo(dtype)
    return float(limits.tiny) <= abs(number) <= float(limits.max)


def _simplify_and(step: Instruction, facts: Facts) -> Rewriting:
    """x ∧ True is x, x ∧ False is False; x ∧ x is x."""
    return _simplify_logical(step, facts, neutral=True)


def _simplify_or(step: Instruction, facts: Facts) -> Rewriting:
    """x ∨ False is x, x ∨ True is True; x ∨ x is x."""
    return _simplify_logical(step, facts, neutral=False)


def _simplify_logical(step: Instruction, facts: Facts, neutral: bool) -> Rewriting:
    """Pass over a neutral boolean, and stop at an absorbing one."""
    a, b = step.operands
    if not all(type(x) is Value and x.dtype.kind == "b" for x in (a, b)):
        return None
    if a is b:
        return stand_in_for(a, step)
    for x, other in ((a, b), (b, a)):
        known = facts.number(other)
        if known is not None:
            return stand_in_for(x if known is neutral else other, step)
    return None


def _simplify_conjugate(step: Instruction, facts: Facts) -> Rewriting:
    """The operand, if it has no imaginary part."""
    return None if step.results[0].dtype.kind == "c" else operand_of_same_kind(step, facts)


NEGATIVE: Final = PRIMITIVES["negative"]


PRODUCT: Final = PRIMITIVES["multiply"]


ZERO_KEEPING: Final = (NEGATIVE, PRODUCT, PRIMITIVES["divide"])


ARITHMETIC_RULES: Final[dict[Primitive, Rule]] = {
    PRIMITIVES[name]: rule
    for name, rule in dict[str, Any](
        multiply=_simplify_product,
        divide=_simplify_quotient,
        add=_simplify_sum,
        subtract=_simplify_difference,
        negative=_simplify_negation,
        power=_simplify_power,
        where=_simplify_where,
        bitwise_and=_simplify_and,
        logical_and=_simplify_and,
        bitwise_or=_simplify_or,
        logical_or=_simplify_or,
        positive=operand_of_same_kind,
        conjugate=_simplify_conjugate,
        real=operand_of_same_kind,
    ).items()
}
"""The rule of each primitive."""


RULES: Final[dict[Primitive, Rule]] = ARITHMETIC_RULES | SHAPE_RULES
