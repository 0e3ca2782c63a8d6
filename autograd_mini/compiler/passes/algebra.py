"""Algebra: one rule for each primitive drops or simplifies it, if the result is exactly the same.

Examples: x·1, x − 0, −(−x), x², where(True, x, y), a reshape to the same shape, a repetition that
broadcasting makes needless. Each rule is exact for NaN, infinities and the sign of zero, so 0·x,
x − x and x + 0.0 stay. Complex numbers keep their products: (∞ + 0i)·1 is ∞ + NaN·i.

The rules of shapes and dtypes keep the elements. The memory order may change, and with it the order
in which NumPy adds in a later reduction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any, Final

import numpy as np

from ...core.primitive import PRIMITIVES, Primitive
from ..program import Instruction, Operand, Program, Value
from .cleanup import is_pure, with_stand_ins
from .facts import (
    DEPTH,
    Facts,
    Rewriting,
    Rule,
    has_same_kind,
    is_minus_zero,
    is_plus_zero,
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
