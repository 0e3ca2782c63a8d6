"""Algebra: one rule for each primitive drops or simplifies it, if the result is exactly the same.

Then a chain of additions becomes one sum, and factors are joined: x + x is 2·x, a·(b·x) is (a·b)·x.
A power of two multiplies without rounding, so the results are the same bit for bit, unless one of
them overflows or is too small to be exact.

Examples: x·1, x − 0, −(−x), x², where(True, x, y), a reshape to the same shape, a repetition that
broadcasting makes needless. Each rule is exact for NaN, infinities and the sign of zero, so 0·x,
x − x and x + 0.0 stay. Complex numbers keep their products: (∞ + 0i)·1 is ∞ + NaN·i.

The rules of shapes and dtypes keep the elements. The memory order may change, and with it the order
in which NumPy adds in a later reduction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from math import prod
from typing import Final

import numpy as np

from ...core.arrays import Array
from ...core.primitive import PRIMITIVES, Primitive
from ..fused_ops import add_n
from ..program import (
    DEPTH,
    Facts,
    Instruction,
    Operand,
    Program,
    Rewriting,
    Rule,
    Uses,
    Value,
    has_same_kind,
    has_shape_and_dtype_of,
    is_minus_zero,
    is_plus_zero,
    operand_of_same_kind,
    primitives_named,
    stand_in_for,
)
from .cleanup import eliminate_dead_code, is_pure, with_stand_ins

RESHAPING: Final = primitives_named("reshape expand_dims squeeze")
CASTING: Final = primitives_named("cast truncate")
SUMMING: Final = primitives_named("sum mean")
BROADCAST, TRANSPOSE, MEAN = primitives_named("broadcast_to transpose mean")
ZERO_KEEPING: Final = primitives_named("negative multiply divide")
NEGATIVE, PRODUCT, _ = ZERO_KEEPING
ADDING: Final = (PRIMITIVES["add"], add_n)


# ── shapes and dtypes ─────────────────────────────────────────────────────────────────────────────


def _simplify_cast(step: Instruction, facts: Facts) -> Rewriting:
    """A cast to the dtype that is there is nothing; one of a lossless cast starts before it."""
    x, y = step.operands[0], step.results[0]
    if has_same_kind(x, y):
        return x
    inner = facts.maker(x, *CASTING)
    if inner is None:
        return None
    source = inner.operands[0]
    if type(source) is not Value or not _is_lossless(source.dtype, inner.results[0].dtype):
        return None
    if has_same_kind(source, y):
        return source
    return step.with_operands(source)


def _is_lossless(narrow: np.dtype, wide: np.dtype) -> bool:
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
        return x
    inner = facts.maker(x, *RESHAPING)
    if inner is None:
        return None
    source = inner.operands[0]
    if has_same_kind(source, y):
        return source
    return step.with_operation("reshape", source, shape=y.shape)


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
    return step.with_operation("transpose", source, axes=composed)


def _simplify_broadcast(step: Instruction, facts: Facts) -> Rewriting:
    """The same shape is nothing; a repetition of a repetition is the last one."""
    x, y = step.operands[0], step.results[0]
    if has_same_kind(x, y):
        return x
    inner = facts.maker(x, BROADCAST)
    return inner and step.with_operation(BROADCAST, *inner.operands, shape=y.shape)


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
    return x if x.shape == y.shape else step.with_operation("reshape", x, shape=y.shape)


def _simplify_sum_or_mean(step: Instruction, facts: Facts) -> Rewriting:
    """The sum of n equal terms is n·x, and their mean is x."""
    inner, axis, y = facts.maker(step.operands[0], BROADCAST), step.params["axis"], step.results[0]
    x = inner.operands[0] if inner else None
    # float16 holds neither a large n nor the wider partial sums that NumPy adds in.
    if not axis or type(x) is not Value or x.dtype != y.dtype or y.dtype.char == "e":
        return _simplify_reduction(step, facts)
    repeated = step.values[0].shape
    sizes = (1,) * (len(repeated) - len(x.shape)) + x.shape
    count = prod(repeated[i] for i in axis)
    if not count or any(sizes[i] != 1 for i in axis):
        return _simplify_reduction(step, facts)
    kept = tuple(n for i, n in enumerate(sizes) if i not in axis)
    return _multiply_repeated_terms(step, x, 1 if step.primitive is MEAN else count, kept)


def _multiply_repeated_terms(
    step: Instruction, x: Value, count: int, kept: tuple[int, ...]
) -> list[Instruction]:
    """Compute count·x, with the axes that are `kept`, in the shape of the result."""
    y, steps = step.results[0], []
    if count != 1:
        product = Value(x.shape, y.dtype)
        steps.append(step.with_operation(PRODUCT, x, count, to=product))
        x = product
    small = Value(_shape_before_repetition(y.shape, step, kept), y.dtype)
    steps.append(step.with_operation("reshape", x, to=small, shape=small.shape))
    return [*steps, step.with_operation(BROADCAST, small, shape=y.shape)]


def _shape_before_repetition(
    shape: tuple[int, ...], step: Instruction, kept: tuple[int, ...]
) -> tuple[int, ...]:
    """Return the shape before repetition: with length 1 at reduced axes that are kept."""
    if not step.params["keepdims"]:
        return kept
    others = iter(kept)
    axis = step.params["axis"]
    return tuple(1 if i in axis else next(others) for i in range(len(shape)))


SHAPE_RULES: Final[dict[Primitive, Rule]] = {
    **dict.fromkeys(primitives_named("alias stop_gradient copy"), operand_of_same_kind),
    **dict.fromkeys(CASTING, _simplify_cast),
    **dict.fromkeys(RESHAPING, _simplify_reshape),
    **dict.fromkeys(primitives_named("max min prod"), _simplify_reduction),
    **dict.fromkeys(SUMMING, _simplify_sum_or_mean),
    TRANSPOSE: _simplify_transpose,
    BROADCAST: _simplify_broadcast,
}
"""The rule of each primitive."""


# ── repetitions ───────────────────────────────────────────────────────────────────────────────────
# Elementwise operations broadcast by themselves, so a repeated operand can be the small one.
SAME_FOR_NUMBERS_AND_VECTORS: Final = frozenset(
    primitives_named("add subtract multiply divide negative absolute sign square sqrt where")
    + primitives_named("isfinite isinf isnan invert logical_not equal not_equal less less_equal")
    + primitives_named("greater greater_equal bitwise_and bitwise_or bitwise_xor logical_and")
    + primitives_named("logical_or logical_xor")
)
"""Primitives whose results are the same whether NumPy loops over numbers or over vectors."""
NOTING: Final = frozenset(primitives_named("broadcast_to expand_dims reshape"))
"""Primitives that may only repeat, or add axes in front."""


class Repetitions:
    """The values that only repeat another value, or add axes of length 1 in front."""

    __slots__ = ("_broadcasting", "sources")

    def __init__(self) -> None:
        self.sources: dict[Value, Value] = {}
        self._broadcasting: dict[Primitive, bool] = {}

    def scalars_of(
        self, constants: Mapping[Value, Array], uniform: Iterable[Value]
    ) -> dict[Value, np.generic]:
        """Take constants with one number everywhere as repetitions; return these numbers."""
        large = [x for x in uniform if x.shape]
        self.sources |= {x: Value((), x.dtype, x.name) for x in large}
        return {self.sources[x]: constants[x][(0,) * len(x.shape)] for x in large}

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
            return step.with_operands(*sources)
        if primitive in SAME_FOR_NUMBERS_AND_VECTORS and prod(shape) < prod(y.shape):
            small = Value(shape, y.dtype)
            first = step.with_operation(primitive, *sources, to=small, **step.params)
            return [first, step.with_operation(BROADCAST, small, shape=y.shape)]
        operands = step.operands
        for i, source in enumerate(sources):
            tried = (*operands[:i], source, *operands[i + 1 :])
            if np.broadcast_shapes(*map(_operand_shape, tried)) == y.shape:
                operands = tried
        return None if operands == step.operands else step.with_operands(*operands)

    def broadcasts(self, primitive: Primitive) -> bool:
        """Tell whether a primitive of the table broadcasts its operands."""
        if primitive not in self._broadcasting:
            elementwise = primitive.broadcasts and primitive.kind == "elementwise"
            self._broadcasting[primitive] = elementwise and is_pure(primitive)
        return self._broadcasting[primitive]


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
    return negated and step.with_operation("add", x, negated.operands[0])


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
    if not y.shape:
        return step.with_operation(PRODUCT, x, x) if exponent == 2 else None
    name = {2: "square", 0.5: "sqrt", -1: "reciprocal"}.get(float(exponent))  # type: ignore[arg-type]  # a number
    return step.with_operation(name, x) if name else None


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


def _simplify_logical(step: Instruction, facts: Facts) -> Rewriting:
    """x ∧ True and x ∨ False are x, x ∧ False is False, x ∨ True is True; x ∧ x, x ∨ x are x."""
    a, b = step.operands
    neutral = step.primitive.name.endswith("and")
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


ARITHMETIC_RULES: Final[dict[Primitive, Rule]] = {
    PRIMITIVES[name]: rule
    for name, rule in dict[str, Rule](
        multiply=_simplify_product,
        divide=_simplify_quotient,
        add=_simplify_sum,
        subtract=_simplify_difference,
        negative=_simplify_negation,
        power=_simplify_power,
        where=_simplify_where,
        bitwise_and=_simplify_logical,
        logical_and=_simplify_logical,
        bitwise_or=_simplify_logical,
        logical_or=_simplify_logical,
        positive=operand_of_same_kind,
        conjugate=_simplify_conjugate,
        real=operand_of_same_kind,
    ).items()
}
"""The rule of each primitive."""


RULES: Final[dict[Primitive, Rule]] = ARITHMETIC_RULES | SHAPE_RULES


# ── sums ──────────────────────────────────────────────────────────────────────────────────────────
LARGEST: Final = 1024
"""Bytes of a term up to which terms are collected. A sum of many terms keeps all of them until its
end; with larger ones, adding each as soon as it is there takes less memory and stays in cache."""


def flatten_sums(program: Program) -> Program:
    """Make one `add_n` of additions of one shape and dtype whose partial sums are used only there.

    A sum of two terms stays `add`, or becomes `subtract`, which is exact, if one was negated for it
    alone. `add_n` adds from left to right, so a chain, the accumulation of cotangents for one, is
    bit for bit what it was: its terms are listed from its innermost addition outwards. Where two
    partial sums of several terms meet, the right one's terms follow the left one's, and the result
    agrees within (n − 1)·eps·Σ|terms| for n terms.
    """
    sums: dict[Value, Instruction] = {}
    negated: dict[Value, Instruction] = {}
    for step in program.instructions:
        if step.primitive in ADDING:
            if _has_small_equal_terms(step):
                sums[step.results[0]] = step
        elif step.primitive is NEGATIVE:
            negated[step.results[0]] = step
    single = _values_used_once(program, sums.keys() | negated.keys())
    inner = {x for step in sums.values() for x in step.operands if x in sums and x in single}
    kept: list[Instruction] = []
    has_differences = False
    for step in program.instructions:
        if step.primitive in ADDING:
            if step.results[0] in inner:
                continue
            if not inner.isdisjoint(step.operands) and step.results[0] in sums:
                step = step.with_operation(add_n, *_terms_of(step, sums, inner))
            elif step.primitive is not add_n and not single.isdisjoint(step.operands):
                difference = _subtract_instead_of_add(step, negated, single)
                has_differences = has_differences or difference is not None
                step = difference or step
        kept.append(step)
    if has_differences:
        return eliminate_dead_code(program.with_instructions(kept))
    return program.with_instructions(kept) if inner else program


def _values_used_once(program: Program, values: Set[Value]) -> set[Value]:
    """Find the values among these that one operand is, and no output or update."""
    once: set[Value] = set()
    again: set[Value] = set(program.ends())
    for step in program.instructions:
        for x in step.values:
            if x in values:
                (again if x in once else once).add(x)
    return once - again


def _subtract_instead_of_add(
    step: Instruction, negated: dict[Value, Instruction], single: set[Value]
) -> Instruction | None:
    """Return a + (−b) or (−b) + a as a − b, if −b is needed for nothing else."""
    a, b = step.operands
    for x, other in ((a, b), (b, a)):
        if type(other) is Value and other in single and other in negated and not other.weak:
            return step.with_operation("subtract", x, negated[other].operands[0])
    return None


def _has_small_equal_terms(step: Instruction) -> bool:
    """Tell whether all terms are small arrays of the result's shape and dtype."""
    y = step.results[0]
    for x in step.operands:
        if not has_shape_and_dtype_of(x, y) or x.weak:
            return False
    return not y.shape or y.nbytes <= LARGEST


def _terms_of(
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


# ── factors ───────────────────────────────────────────────────────────────────────────────────────
def factor_products(program: Program) -> Program:
    """Multiply by numbers once, where one of them is a power of two."""
    uses = Uses(program)
    changed = False
    kept: list[Instruction] = []
    for step in program.instructions:
        found = _double_instead_of_sum(step) or _join_factors(step, uses, program)
        while found is not None:
            changed = True
            uses.replace(step, found)
            step, found = found, _join_factors(found, uses, program)
        kept.append(step)
    return eliminate_dead_code(program.with_instructions(kept)) if changed else program


def _double_instead_of_sum(step: Instruction) -> Instruction | None:
    """Return 2·x for x + x."""
    if step.operation_name != "add" or step.operands[0] is not step.operands[1]:
        return None
    x, y = step.operands[0], step.results[0]
    if type(x) is not Value or not y.shape or y.dtype.kind != "f" or x.dtype != y.dtype:
        return None
    return step.with_operation(PRODUCT, 2.0, x)


def _join_factors(step: Instruction, uses: Uses, program: Program) -> Instruction | None:
    """Return (a·b)·x for a·(b·x)."""
    outer = _number_and_array(step, program)
    inner_step = uses.only(outer[1], "multiply") if outer else None
    inner = _number_and_array(inner_step, program) if inner_step else None
    if outer is None or inner is None or inner[1].dtype != outer[1].dtype:
        return None
    if not (_is_power_of_two(outer[0]) or _is_power_of_two(inner[0])):
        return None
    kind = outer[1].dtype.type
    return step.with_operation(PRODUCT, (kind(outer[0]) * kind(inner[0])).item(), inner[1])


def _number_and_array(step: Instruction, program: Program) -> tuple[float, Value] | None:
    """Return what an instruction multiplies, if that is a number and an array of floats."""
    y = step.results[0] if step.results else None
    if step.operation_name != "multiply" or y is None or not y.shape or y.dtype.kind != "f":
        return None
    for a, x in (step.operands, step.operands[::-1]):
        number = _number_of(a, program)
        if number is not None and has_shape_and_dtype_of(x, y):
            return number, x
    return None


def _number_of(x: Operand, program: Program) -> float | None:
    """Return the number that an operand is in every call."""
    if type(x) is Value and not x.shape and x in program.constants:
        found: object = program.constants[x].item()
        return found if isinstance(found, float) else None
    return float(x) if isinstance(x, (int, float)) and not isinstance(x, bool) else None


def _is_power_of_two(x: float) -> bool:
    """Whether a number is ±2ⁿ with a small n."""
    return math.isfinite(x) and abs(math.frexp(x)[0]) == 0.5 and 2**-16 <= abs(x) <= 2**16
