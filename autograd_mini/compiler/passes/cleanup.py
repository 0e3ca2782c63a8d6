"""Cleanup: dead code, common subexpressions and constants.

These passes need no mathematics. They ask which operations are pure: computed once instead of
twice, or now instead of at each call, a pure operation gives the same.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Final

import numpy as np

from ...core.arrays import Array, scalar_if_0d
from ...core.contexts import run_quietly
from ...core.primitive import PRIMITIVES, Primitive
from ...ops.matrices import RAISING
from ..fused_ops import add_n
from ..program import Instruction, Operand, Program, Value, has_shape_and_dtype_of, primitives_named

COMMUTATIVE: Final = frozenset(
    primitives_named("add multiply equal not_equal gcd lcm bitwise_and bitwise_or bitwise_xor")
    + primitives_named("logical_and logical_or logical_xor")
)
"""Primitives whose two operands may change places, bit for bit. `maximum` does not belong here: of
0.0 and −0.0 it takes the one that its loop happens to prefer."""
NUMERIC: Final = frozenset({"true_divide", "divide", "floor_divide", "remainder", "power"})
"""Operations of Python numbers that raise for some."""
GROWTH: Final = 4
"""How much larger than its operands a folded result may be."""
SMALL: Final = 1024
"""Bytes that any folded result may take."""


# ── dead code ─────────────────────────────────────────────────────────────────────────────────────
def eliminate_dead_code(program: Program) -> Program:
    """Drop instructions, constants and leaves that no output, update or effect needs.

    Instructions with an effect, and those that may raise, stay in their order. Inputs stay, since a
    call gives them.
    """
    needed: set[Value] = set(program.ends())
    kept: list[Instruction] = []
    for step in reversed(program.instructions):
        results = step.results
        wanted = results[0] in needed if len(results) == 1 else not needed.isdisjoint(results)
        if wanted or _has_effect(step.primitive) or _may_raise(step):
            kept.append(step)
            needed.update(step.values)
    kept.reverse()
    needed.update(leaf for leaf, _ in program.updates)
    leaves = {v: tensor for v, tensor in program.leaves.items() if v in needed}
    constants = {v: array for v, array in program.constants.items() if v in needed}
    dropped = len(program.instructions) - len(kept) + len(program.leaves) - len(leaves)
    if not dropped and len(constants) == len(program.constants):
        return program
    return program.with_instructions(kept, leaves=leaves, constants=constants)


# ── common subexpressions, and equal constants ────────────────────────────────────────────────────
def eliminate_common_subexpressions(program: Program) -> Program:
    """Compute equal operations of equal operands once, and hold equal constants once.

    Parameters are compared by value, numbers with their type and the sign of zero, constants by
    dtype, shape, memory order and bytes. Operations with effects and a user's own are left alone.
    """
    stand_ins = _find_equal_constants(program.constants)
    pure: dict[Primitive, bool] = {}
    seen: dict[Hashable, tuple[Value, ...]] = {}
    kept: list[Instruction] = []
    for step in program.instructions:
        primitive = step.primitive
        if stand_ins:
            step = with_stand_ins(step, stand_ins)
        if primitive not in pure:
            pure[primitive] = is_pure(primitive)
        if pure[primitive]:
            first = seen.setdefault(_instruction_key(step), step.results)
            if first is not step.results:
                stand_ins.update(zip(step.results, first, strict=True))
                continue
        kept.append(step)
    if not stand_ins:
        return program
    constants = {v: array for v, array in program.constants.items() if v not in stand_ins}
    return program.substitute(kept, stand_ins).with_instructions(kept, constants=constants)


def _instruction_key(step: Instruction) -> Hashable:
    """Return what instructions that compute the same have in common, and no others."""
    operands = step.operands
    if len(operands) == 2 and step.primitive in COMMUTATIVE and _is_swapped(*operands, step):
        operands = operands[::-1]
    key = (step.primitive, *[x if type(x) is Value else _number_key(x) for x in operands])
    return (key, _param_key(step.params)) if step.params else key


def _is_swapped(a: Operand, b: Operand, step: Instruction) -> bool:
    """Tell whether commuting operands change places in a key, where numbers come first.

    A complex product adds its parts in an order that depends on which operand is first.
    """
    if step.results[0].dtype.kind == "c":
        return False
    return type(b) is not Value or (type(a) is Value and id(a) > id(b))


def _number_key(number: Operand) -> Hashable:
    """Return a number's type and text: 1, 1.0 and True differ, and so do 0.0 and −0.0."""
    return type(number), repr(number)


def _param_key(param: object) -> Hashable:
    """Return a parameter as something that is equal and hashable where its value is equal."""
    kind = type(param)
    if kind is int or kind is str or isinstance(param, (Value, np.dtype, type(None))):
        return kind, param
    if isinstance(param, (tuple, list)):
        return kind, tuple(map(_param_key, param))
    if isinstance(param, dict):
        return kind, tuple((key, _param_key(value)) for key, value in sorted(param.items()))
    if isinstance(param, slice):
        return kind, _param_key((param.start, param.stop, param.step))
    if isinstance(param, np.ndarray):
        return kind, _array_key(param)
    if isinstance(param, np.generic):
        return kind, param.tobytes()
    if isinstance(param, (bool, float, complex)):
        return kind, repr(param)
    return kind, id(param)  # a function, say: the same object, held by its instruction


def _array_key(array: np.ndarray) -> Hashable:
    """Return dtype, shape, strides and elements; reductions add in the order of strides."""
    return array.dtype, array.shape, array.strides, blake2b(array.tobytes()).digest()


def _find_equal_constants(constants: Mapping[Value, Array]) -> dict[Value, Value]:
    """Find for each constant that is held twice the first one like it.

    Elements are read only where shape and dtype agree: a data set may be large.
    """
    groups: dict[Hashable, list[Value]] = {}
    for value in constants:
        groups.setdefault((value.dtype, value.shape, value.weak), []).append(value)
    stand_ins: dict[Value, Value] = {}
    for group in groups.values():
        if len(group) == 1:
            continue
        seen: dict[Hashable, Value] = {}
        for value in group:
            first = seen.setdefault(_param_key(constants[value]), value)
            if first is not value:
                stand_ins[value] = first
    return stand_ins


def with_stand_ins(step: Instruction, stand_ins: Mapping[Value, Value]) -> Instruction:
    """Return the instruction with operands replaced, itself if there is nothing to replace."""
    for x in step.values:
        if x in stand_ins:
            return step.with_operands(*[_stand_in(y, stand_ins) for y in step.operands])
    return step


def _stand_in(x: Operand, stand_ins: Mapping[Value, Value]) -> Operand:
    """Return what takes the place of an operand."""
    return stand_ins.get(x, x) if type(x) is Value else x


# ── constants ─────────────────────────────────────────────────────────────────────────────────────
def fold_constants(program: Program) -> Program:
    """Compute operations of constants and numbers alone, and hold their results as constants.

    An operation stays if its result would be much larger than its operands, as a repeated constant
    would be; if it has an effect; or if it fails, so that it fails at the call as in the function.
    """
    constants = dict(program.constants)
    kept: list[Instruction] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in program.instructions:
            results = None
            if all(x in constants for x in step.values):
                results = run_quietly(partial(_compute_results, step, constants), all="ignore")
            if results is None:
                kept.append(step)
            else:
                constants.update(zip(step.results, results, strict=True))
    if len(kept) == len(program.instructions):
        return program
    return program.with_instructions(kept, constants=constants)


def _compute_results(
    step: Instruction, constants: dict[Value, object]
) -> tuple[object, ...] | None:
    """Compute an instruction on known operands; return None to keep the instruction."""
    if not is_pure(step.primitive):
        return None
    given = sum(x.nbytes for x in step.values)
    if sum(y.nbytes for y in step.results) > max(SMALL, GROWTH * given):
        return None
    values = {x: constants[x] for x in step.values}
    try:
        step.compute(values)
    except Exception:
        return None
    results = tuple(scalar_if_0d(values[y]) for y in step.results)
    fits = all(
        isinstance(x, (np.ndarray, np.generic)) and not y.weak and has_shape_and_dtype_of(y, x)
        for y, x in zip(step.results, results, strict=True)
    )
    return results if fits else None


# ── which operations are pure ─────────────────────────────────────────────────────────────────────
def _has_effect(primitive: Primitive) -> bool:
    """Tell whether an operation changes more than its results, as a random draw does."""
    return getattr(primitive, "effect", False)


def _may_raise(step: Instruction) -> bool:
    """Tell whether an operation raises for some values, as divisions of Python numbers.

    A backward pass computes with values for which the function did not raise.
    """
    if step.in_walk:
        return False
    number = step.operation_name in NUMERIC and step.results[0].weak
    return number or step.primitive.forward in RAISING


def is_pure(primitive: Primitive) -> bool:
    """Tell whether equal operands are known to give equal results.

    A primitive of the user may print, count or draw. So only those of the table are trusted.
    """
    known = primitive is add_n or PRIMITIVES.get(primitive.name) is primitive
    return known and not _has_effect(primitive)
