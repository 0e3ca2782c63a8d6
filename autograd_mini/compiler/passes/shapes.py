"""Shapes and dtypes that change nothing, and repetitions that broadcasting makes needless.

Every rule keeps the elements. The memory order may change, and with it the order in which NumPy
adds in a later reduction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, Final

import numpy as np

from ...core.primitive import PRIMITIVES, Primitive
from ..program import Instruction, Operand, Value
from .cleanup import is_pure
from .facts import (
    Facts,
    Rewriting,
    Rule,
    has_same_kind,
    operand_of_same_kind,
    primitives_named,
    replace_operation,
    stand_in_for,
)

RESHAPING: Final = primitives_named("reshape", "expand_dims", "squeeze")


CASTING: Final = primitives_named("cast", "truncate")


(BROADCAST,) = primitives_named("broadcast_to")


(TRANSPOSE,) = primitives_named("transpose")


def _simplify_cast(step: Instruction, facts: Facts) -> Rewriting:
    """A cast to the dtype that is there is nothing; one of a lossless cast starts before it."""
    x, y = step.operands[0], step.results[0]
    if has_same_kind(x, y):
        return x  # type: ignore[return-value]
    inner = facts.maker(x, *CASTING)
    if inner is None:
        return None
    source = inner.operands[0]
    if type(source) is not Value or not _is_lossless(source.dtype, inner.results[0].dtype):
        return None
    if has_same_kind(source, y):
        return source
    return Instruction(step.primitive, (source,), step.params, step.results, step.scope, step.line)


def _is_lossless(narrow: np.dtype[Any], wide: np.dtype[Any]) -> bool:
    """Tell whether a real dtype can hold every number of another."""
    if narrow.kind not in "biuf" or wide.kind not in "iuf":
        return False
    if narrow.kind in "iu" and wide.kind == "f":
        return 8 * narrow.itemsize <= np.finfo(wide).nmant
    return np.can_cast(narrow, wide, "safe")


def _simplify_reshape(step: Instruction, facts: Facts) -> Rewriting:
    """The same shape is nothing; a shape of a shape is the last one."""
    x, y = step.operands[0], step.results[0]
    if has_same_kind(x, y):
        return x  # type: ignore[return-value]
    inner = facts.maker(x, *RESHAPING)
    if inner is None:
        return None
    source = inner.operands[0]
    if has_same_kind(source, y):
        return source  # type: ignore[return-value]
    return replace_operation(step, "reshape", (source,), shape=y.shape)


def _simplify_transpose(step: Instruction, facts: Facts) -> Rewriting:
    """Axes in their own order are nothing; an order of an order is one."""
    x, axes = step.operands[0], tuple(step.params["axes"])
    if axes == tuple(range(len(axes))):
        return stand_in_for(x, step)
    inner = facts.maker(x, TRANSPOSE)
    if inner is None:
        return None
    source, first = inner.operands[0], inner.params["axes"]
    composed = tuple(first[i] for i in axes)
    if composed == tuple(range(len(axes))):
        return stand_in_for(source, step)
    return replace_operation(step, "transpose", (source,), axes=composed)


def _simplify_broadcast(step: Instruction, facts: Facts) -> Rewriting:
    """The same shape is nothing; a repetition of a repetition is the last one."""
    x, y = step.operands[0], step.results[0]
    if has_same_kind(x, y):
        return x  # type: ignore[return-value]
    inner = facts.maker(x, BROADCAST)
    if inner is None:
        return None
    return replace_operation(step, "broadcast_to", inner.operands, shape=y.shape)


def _simplify_reduction(step: Instruction, facts: Facts) -> Rewriting:
    """A reduction over axes of length 1 only takes them away."""
    x, y = step.operands[0], step.results[0]
    if type(x) is not Value or x.weak or x.dtype != y.dtype or step.params["axis"] is None:
        return None
    if prod(x.shape[i] for i in step.params["axis"]) != 1:
        return None
    # A sum starts from 0, and −0.0 + 0 is 0.0.
    if step.primitive in SUMMING and not facts.never_minus_zero(x):
        return None
    return x if x.shape == y.shape else replace_operation(step, "reshape", (x,), shape=y.shape)


def _simplify_sum_or_mean(step: Instruction, facts: Facts) -> Rewriting:
    """The sum of n equal terms is n·x, and their mean is x."""
    inner = facts.maker(step.operands[0], BROADCAST)
    if inner is None or step.params["axis"] is None:
        return _simplify_reduction(step, facts)
    x, repeated, y = inner.operands[0], inner.results[0], step.results[0]
    axis = step.params["axis"]
    # float16 holds neither a large n nor the wider partial sums that NumPy adds in.
    if type(x) is not Value or x.dtype != y.dtype or not axis or y.dtype.char == "e":
        return _simplify_reduction(step, facts)
    extra = len(repeated.shape) - len(x.shape)
    sizes = (1,) * extra + x.shape
    count = prod(repeated.shape[i] for i in axis)
    if not count or any(sizes[i] != 1 for i in axis):
        return _simplify_reduction(step, facts)
    kept = tuple(n for i, n in enumerate(sizes) if i not in axis)
    return _multiply_repeated_terms(step, x, 1 if step.primitive is MEAN else count, kept)


def _multiply_repeated_terms(
    step: Instruction, x: Value, count: int, kept: tuple[int, ...]
) -> list[Instruction]:
    """Compute count·x, with the axes that are `kept`, in the shape of the result."""
    y = step.results[0]
    shape = _shape_before_repetition(y.shape, step, kept)
    steps: list[Instruction] = []
    for name, params, made in (
        ("multiply", {}, x.shape if count != 1 else None),
        ("reshape", {"shape": shape}, shape),
        ("broadcast_to", {"shape": y.shape}, y.shape),
    ):
        if made is None:
            continue
        operands = (x, count) if name == "multiply" else (x,)
        x = Value(made, y.dtype)
        steps.append(
            Instruction(PRIMITIVES[name], operands, dict(params), (x,), step.scope, step.line)
        )
    steps[-1] = Instruction(
        steps[-1].primitive, steps[-1].operands, steps[-1].params, (y,), step.scope, step.line
    )
    return steps


def _shape_before_repetition(
    shape: tuple[int, ...], step: Instruction, kept: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the shape before repetition: with length 1 at reduced axes that are kept."""
    if not step.params["keepdims"]:
        return kept
    others = iter(kept)
    axis = step.params["axis"]
    return tuple(1 if i in axis else next(others) for i in range(len(shape)))


MEAN: Final = PRIMITIVES["mean"]


SUMMING: Final = primitives_named("sum", "mean")


SHAPE_RULES: Final[dict[Primitive, Rule]] = {
    **dict.fromkeys(primitives_named("alias", "stop_gradient", "copy"), operand_of_same_kind),
    **dict.fromkeys(CASTING, _simplify_cast),
    **dict.fromkeys(RESHAPING, _simplify_reshape),
    **dict.fromkeys(primitives_named("max", "min", "prod"), _simplify_reduction),
    **dict.fromkeys(SUMMING, _simplify_sum_or_mean),
    TRANSPOSE: _simplify_transpose,
    BROADCAST: _simplify_broadcast,
}
"""The rule of each primitive."""


# ── repetitions ───────────────────────────────────────────────────────────────────────────────────
# Elementwise operations broadcast by themselves, so a repeated operand can be the small one.
SAME_FOR_NUMBERS_AND_VECTORS: Final = frozenset(
    (
        *primitives_named(
            "add", "subtract", "multiply", "divide", "negative", "absolute", "sign", "square"
        ),
        *primitives_named("sqrt", "where", "isfinite", "isinf", "isnan", "invert", "logical_not"),
        *primitives_named("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
        *primitives_named("bitwise_and", "bitwise_or", "bitwise_xor"),
        *primitives_named("logical_and", "logical_or", "logical_xor"),
    )
)
"""Primitives whose results are the same whether NumPy loops over numbers or over vectors."""


NOTING: Final = frozenset(primitives_named("broadcast_to", "expand_dims", "reshape"))
"""Primitives that may only repeat, or add axes in front."""


class Repetitions:
    """The values that only repeat another value, or add axes of length 1 in front."""

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
        shape = np.broadcast_shapes(*map(_operand_shape, sources))
        if shape == y.shape:
            return step.with_operands(sources)
        if primitive in SAME_FOR_NUMBERS_AND_VECTORS and prod(shape) < prod(y.shape):
            small = Value(shape, y.dtype)
            first = Instruction(primitive, sources, step.params, (small,), step.scope, step.line)
            return [first, replace_operation(step, "broadcast_to", (small,), shape=y.shape)]
        operands = list(step.operands)
        for i, source in enumerate(sources):
            tried = [*operands[:i], source, *operands[i + 1 :]]
            if (
                source is not operands[i]
                and np.broadcast_shapes(*map(_operand_shape, tried)) == y.shape
            ):
                operands = tried
        return None if tuple(operands) == step.operands else step.with_operands(tuple(operands))

    def broadcasts(self, primitive: Primitive) -> bool:
        """Tell whether a primitive of the table broadcasts its operands."""
        known = self._broadcasting.get(primitive)
        if known is None:
            known = primitive.broadcasts and primitive.kind == "elementwise" and is_pure(primitive)
            self._broadcasting[primitive] = known
        return known


def _operand_shape(x: Operand) -> tuple[int, ...]:
    """Return the shape of an operand."""
    return x.shape if type(x) is Value else ()
