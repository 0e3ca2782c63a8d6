"""Which operations may be computed once instead of twice, or now instead of at each call."""

from __future__ import annotations

from typing import Final

from ...core.primitive import PRIMITIVES, Primitive
from ...ops.matrices import RAISING
from ..program import Instruction
from ..rows import add_n

NUMERIC: Final = frozenset({"true_divide", "divide", "floor_divide", "remainder", "power"})
"""Operations of Python numbers that raise for some."""


def has_effect(primitive: Primitive) -> bool:
    """Tell whether running it changes more than its results, as a random draw does."""
    return getattr(primitive, "effect", False)


def may_raise(step: Instruction) -> bool:
    """Tell whether it raises for some values: matrix functions, and divisions of Python numbers.

    A reverse walk computes again with what the function has computed before.
    """
    if step.in_walk:
        return False
    number = step.row in NUMERIC and step.results[0].weak
    return number or step.primitive.forward in RAISING


def is_pure(primitive: Primitive) -> bool:
    """Tell whether equal operands are known to give equal results.

    A user's own primitive may print, count or draw, so only the rows of the table are trusted.
    """
    known = primitive is add_n or PRIMITIVES.get(primitive.name) is primitive
    return known and not has_effect(primitive)
