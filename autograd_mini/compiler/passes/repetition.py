"""Repeating an array to a shape, which elementwise operations do by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, Final

import numpy as np

from ...core.primitive import Primitive
from ..program import Instruction, Operand, Value
from .effects import is_pure
from .facts import rows
from .rewriting import replace_operation

EXACT: Final = frozenset(
    (
        *rows("add", "subtract", "multiply", "divide", "negative", "absolute", "sign", "square"),
        *rows("sqrt", "where", "isfinite", "isinf", "isnan", "invert", "logical_not"),
        *rows("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *rows("bitwise_and", "bitwise_or", "bitwise_xor"),
        *rows("logical_and", "logical_or", "logical_xor"),
    )
)
"""Rows whose results do not depend on whether NumPy's loop is over numbers or vectors."""
(BROADCAST,) = rows("broadcast_to")
NOTING: Final = frozenset(rows("broadcast_to", "expand_dims", "reshape"))
"""Rows that may do no more than repeat, or add axes in front."""


class Repetitions:
    """The values that only repeat another one, or give it axes of length 1 in front."""

    __slots__ = ("_broadcasting", "sources")

    def __init__(self) -> None:
        self.sources: dict[Value, Value] = {}
        self._broadcasting: dict[Primitive, bool] = {}

    def scalars_of(
        self, constants: Mapping[Value, Any], uniform: Iterable[Value]
    ) -> dict[Value, Any]:
        """Take constants with one number everywhere as repetitions; return these numbers."""
        scalars: dict[Value, Any] = {}
        for value in uniform:
            if value.shape:
                scalar = Value((), value.dtype, value.name)
                scalars[scalar] = constants[value].flat[0]
                self.sources[value] = scalar
        return scalars

    def note(self, step: Instruction) -> None:
        """Remember what an instruction (of `NOTING`) repeats, if that is all it does."""
        x, y = step.operands[0], step.results[0]
        if type(x) is not Value or x.weak:
            return
        extra = len(y.shape) - len(x.shape)
        if step.primitive is BROADCAST or (extra >= 0 and y.shape == (1,) * extra + x.shape):
            self.sources[y] = self.sources.get(x, x)

    def without(self, step: Instruction) -> Instruction | list[Instruction] | None:
        """Return an elementwise operation on what its operands repeat, None if they must stay."""
        primitive, y = step.primitive, step.results[0]
        if self.sources.keys().isdisjoint(step.operands) or not self.broadcasts(primitive):
            return None
        sources = tuple(self.sources.get(x, x) if type(x) is Value else x for x in step.operands)
        shape = np.broadcast_shapes(*map(shape_of, sources))
        if shape == y.shape:
            return step.with_operands(sources)
        if primitive in EXACT and prod(shape) < prod(y.shape):
            small = Value(shape, y.dtype)
            first = Instruction(primitive, sources, step.params, (small,), step.scope, step.line)
            return [first, replace_operation(step, "broadcast_to", (small,), shape=y.shape)]
        operands = list(step.operands)
        for i, source in enumerate(sources):
            tried = [*operands[:i], source, *operands[i + 1 :]]
            if source is not operands[i] and np.broadcast_shapes(*map(shape_of, tried)) == y.shape:
                operands = tried
        return None if tuple(operands) == step.operands else step.with_operands(tuple(operands))

    def broadcasts(self, primitive: Primitive) -> bool:
        """Tell whether a row of the table broadcasts its operands."""
        known = self._broadcasting.get(primitive)
        if known is None:
            known = primitive.broadcasts and primitive.kind == "elementwise" and is_pure(primitive)
            self._broadcasting[primitive] = known
        return known


def shape_of(x: Operand) -> tuple[int, ...]:
    """Return the shape of an operand."""
    return x.shape if type(x) is Value else ()
