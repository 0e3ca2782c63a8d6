"""Which operations may be computed once instead of twice, or now instead of at each call."""

from __future__ import annotations

from ...primitives import PRIMITIVES, Primitive
from ..rows import add_n


def has_effect(primitive: Primitive) -> bool:
    """Tell whether running it changes more than its results, as a random draw does."""
    return getattr(primitive, "effect", False)


def is_pure(primitive: Primitive) -> bool:
    """Tell whether equal operands are known to give equal results.

    A user's own primitive may print, count or draw, so only the rows of the table are trusted.
    """
    known = primitive is add_n or PRIMITIVES.get(primitive.name) is primitive
    return known and not has_effect(primitive)
