"""Operands for the sample cases of a row: inside its domain, away from its kink."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import Case
from .primitive import Primitive

MARGIN = 0.02
"""How far from its kink a sample stays: much more than a step of a finite difference."""

ATTEMPTS = 1000
"""Draws that may come too near to the kink."""


def is_shape(operand: Any) -> bool:
    """Tell a shape in a case from an operand that is passed as it is."""
    return isinstance(operand, tuple)


def differentiable(primitive: Primitive, position: int) -> bool:
    """Whether a gradient flows to an operand."""
    if not isinstance(primitive.vjp, tuple):
        return True
    rule = primitive.vjp[position]
    return rule is not None and not refuses(rule)


def refuses(rule: Any) -> bool:
    """Whether a rule is an error, as for the order of a Bessel function."""
    return getattr(rule, "refuses", False)


def drawn_operands(primitive: Primitive, case: Case) -> tuple[int, ...]:
    """Return the places of the operands of a case that are drawn and have a gradient."""
    places = enumerate(case.operands)
    return tuple(i for i, x in places if is_shape(x) and differentiable(primitive, i))


def constants(
    primitive: Primitive, position: int, shape: tuple[int, ...], generator: np.random.Generator
) -> Any:
    """Draw an operand to which no gradient flows: an order or, as for `where`, a condition."""
    if isinstance(primitive.vjp, tuple) and refuses(primitive.vjp[position]):
        return generator.integers(2, 4, shape).astype(np.float32)[()]
    return generator.random(shape) < 0.5


def values(primitive: Primitive, shape: tuple[int, ...], generator: np.random.Generator) -> Any:
    """Draw an array inside the domain of a primitive."""
    low, high = primitive.domain
    if not primitive.distinct:
        return generator.uniform(low, high, shape)[()]
    size = int(np.prod(shape))
    ladder = np.linspace(low, high, size + 2)[1:-1]
    return generator.permutation(ladder).reshape(shape)[()]


def operands_of(
    primitive: Primitive, case: Case, generator: np.random.Generator, attempts: int = ATTEMPTS
) -> tuple[Any, ...]:
    """Draw operands for a case, away from the kink; fixed operands are passed on.

    Raises:
        ArithmeticError: if every draw comes too near to the kink.
    """
    for _ in range(attempts):
        found = tuple(
            values(primitive, x, generator)
            if is_shape(x) and differentiable(primitive, i)
            else constants(primitive, i, x, generator)
            if is_shape(x)
            else x
            for i, x in enumerate(case.operands)
        )
        if primitive.kink is None or np.all(np.abs(primitive.kink(*found)) > MARGIN):
            return found
    raise ArithmeticError(f"no operands of {primitive} away from its kink in {attempts} draws")
