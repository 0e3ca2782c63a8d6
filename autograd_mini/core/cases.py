"""Samples of a row of the table: what its property tests are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """Sample operands for the property tests: one shape an operand, and the parameters.

    An operand that is no shape (an array, say) is passed as it is.
    """

    operands: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)


def case(*operands: Any, **params: Any) -> Case:
    """Describe one sample: `case((3, 4), (4,), axis=(0,))`."""
    return Case(operands, params)
