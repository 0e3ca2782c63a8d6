"""Arithmetic that changes nothing: x·1, x − 0, −(−x), x², where(True, x, y).

Each rule is exact for NaN, infinities and the sign of zero, so 0·x, x − x and x + 0.0 stay.
Complex numbers keep their products: (∞ + 0i)·1 is ∞ + NaN·i.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...core.primitive import PRIMITIVES, Primitive
from ..program import Instruction, Operand, Value
from .facts import DEPTH, Facts, is_minus_zero, is_plus_zero
from .rewriting import Rewriting, Rule, is_same_kind, standing_for, using


def product(step: Instruction, facts: Facts) -> Rewriting:
    """x·1 is x."""
    a, b = step.operands
    one, other = facts.number(a), facts.number(b)
    if one is None and other is None or step.results[0].dtype.kind == "c":
        return None
    found = standing_for(a, step) if other == 1 else None
    return found if found is not None or one != 1 else standing_for(b, step)


def quotient(step: Instruction, facts: Facts) -> Rewriting:
    """x / 1 is x."""
    x, divisor = step.operands
    if facts.number(divisor) == 1 and step.results[0].dtype.kind != "c":
        return standing_for(x, step)
    return None


def total(step: Instruction, facts: Facts) -> Rewriting:
    """x + (−0.0) is x; x + 0 is x where x is never −0.0."""
    a, b = step.operands
    for x, other in ((a, b), (b, a)):
        zero = facts.number(other)
        if zero is None or zero != 0 or step.results[0].dtype.kind == "c":
            continue
        if is_minus_zero(zero) or facts.never_minus_zero(x):
            return standing_for(x, step)
    return None


def difference(step: Instruction, facts: Facts) -> Rewriting:
    """x − 0.0 is x, and x − (−y) is x + y."""
    x, other = step.operands
    if step.results[0].dtype.kind == "c":
        return None
    if is_plus_zero(facts.number(other)):
        return standing_for(x, step)
    negated = facts.maker(other, NEGATIVE)
    return using(step, "add", (x, negated.operands[0])) if negated else None


def negation(step: Instruction, facts: Facts) -> Rewriting:
    """−(−x) is x."""
    inner = facts.maker(step.operands[0], NEGATIVE)
    return standing_for(inner.operands[0], step) if inner else None


def power(step: Instruction, facts: Facts) -> Rewriting:
    """x¹ is x; x² is `square`, for scalars x·x; √ and 1/x of arrays are what NumPy computes.

    Of scalars, x·x is the product correctly rounded, and x² may be one unit in the last place off.
    """
    x, exponent = step.operands
    y = step.results[0]
    if type(exponent) not in (int, float) or not is_same_kind(x, y) or y.weak:
        return None
    if exponent == 1 and y.dtype.kind != "c":
        return standing_for(x, step)
    if y.dtype.kind not in "f":
        return None
    if exponent == 2:
        return using(step, "square", (x,)) if y.shape else using(step, "multiply", (x, x))
    name = "sqrt" if exponent == 0.5 else "reciprocal" if exponent == -1 else None
    return using(step, name, (x,)) if name and y.shape else None


def choice(step: Instruction, facts: Facts) -> Rewriting:
    """Where(c, x, y) is one of them if c is the same everywhere, or if they are the same."""
    condition, a, b = step.operands
    if a is b or is_never(condition, facts):
        return standing_for(b, step)
    holds = facts.number(condition)
    return None if holds is None else standing_for(a if holds else b, step)


def is_never(condition: Operand, facts: Facts) -> bool:
    """Tell whether a condition is `(g == 0) & ~isfinite(x)` for an x that is finite where g is 0.

    It is what the reverse walk leaves behind `where`, and says nothing if x is g itself, or −g.
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
    return facts.number(zero) == 0 and is_zero_with(finite.operands[0], g, facts)


def is_zero_with(x: Operand, g: Operand, facts: Facts) -> bool:
    """Tell whether x is 0 wherever g is: g times finite numbers, of any sign."""
    for _ in range(DEPTH):
        if x is g:
            return True
        step = facts.maker(x, *ZERO_KEEPING)
        if step is None:
            return False
        factors = [is_harmless(y, step, facts) for y in step.operands]
        if step.primitive is NEGATIVE or factors[-1]:
            x = step.operands[0]
        elif step.primitive is PRODUCT and factors[0]:
            x = step.operands[1]
        else:
            return False
    return False


def is_harmless(x: Operand, step: Instruction, facts: Facts) -> bool:
    """Tell whether an operand is a number that 0 can be multiplied with, and divided by."""
    number, dtype = facts.number(x), step.results[0].dtype
    if not isinstance(number, (int, float)) or dtype.kind != "f":
        return False
    limits = np.finfo(dtype)
    return float(limits.tiny) <= abs(number) <= float(limits.max)


def conjunction(step: Instruction, facts: Facts) -> Rewriting:
    """x ∧ True is x, x ∧ False is False; x ∧ x is x."""
    return logical(step, facts, neutral=True)


def disjunction(step: Instruction, facts: Facts) -> Rewriting:
    """x ∨ False is x, x ∨ True is True; x ∨ x is x."""
    return logical(step, facts, neutral=False)


def logical(step: Instruction, facts: Facts, neutral: bool) -> Rewriting:
    """Pass over a neutral boolean, and stop at an absorbing one."""
    a, b = step.operands
    if not all(type(x) is Value and x.dtype.kind == "b" for x in (a, b)):
        return None
    if a is b:
        return standing_for(a, step)
    for x, other in ((a, b), (b, a)):
        known = facts.number(other)
        if known is not None:
            return standing_for(x if known is neutral else other, step)
    return None


def unchanged(step: Instruction, facts: Facts) -> Rewriting:
    """The operand, if it has the result's dtype: +x, or what is real already."""
    x: Operand = step.operands[0]
    return x if is_same_kind(x, step.results[0]) else None  # type: ignore[return-value]


def if_real(step: Instruction, facts: Facts) -> Rewriting:
    """The operand, if it has no imaginary part."""
    return None if step.results[0].dtype.kind == "c" else unchanged(step, facts)


NEGATIVE: Final = PRIMITIVES["negative"]
PRODUCT: Final = PRIMITIVES["multiply"]
ZERO_KEEPING: Final = (NEGATIVE, PRODUCT, PRIMITIVES["divide"])
RULES: Final[dict[Primitive, Rule]] = {
    PRIMITIVES[name]: rule
    for name, rule in dict[str, Any](
        multiply=product,
        divide=quotient,
        add=total,
        subtract=difference,
        negative=negation,
        power=power,
        where=choice,
        bitwise_and=conjunction,
        logical_and=conjunction,
        bitwise_or=disjunction,
        logical_or=disjunction,
        positive=unchanged,
        conjugate=if_real,
        real=unchanged,
    ).items()
}
"""The rule of each row."""
