"""Computing once what is written twice: common subexpressions, and equal constants."""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from ...core.primitive import Primitive
from ..program import Instruction, Operand, Program, Value
from .effects import is_pure
from .facts import rows
from .renaming import with_stand_ins

COMMUTATIVE: Final = frozenset(
    (
        *rows("add", "multiply", "equal", "not_equal", "gcd", "lcm"),
        *rows("bitwise_and", "bitwise_or", "bitwise_xor"),
        *rows("logical_and", "logical_or", "logical_xor"),
    )
)
"""Rows whose two operands may change places, bit for bit. `maximum` is none: of 0.0 and −0.0 it
takes the one that its loop happens to prefer."""


def eliminate_common_subexpressions(program: Program) -> Program:
    """Compute equal operations of equal operands once, and hold equal constants once.

    Parameters are compared by value, numbers with their type and the sign of zero, constants by
    dtype, shape, memory order and bytes. Operations with effects and a user's own are left alone.
    """
    stand_ins = find_equal_constants(program.constants)
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
            first = seen.setdefault(instruction_key(step), step.results)
            if first is not step.results:
                stand_ins.update(zip(step.results, first, strict=True))
                continue
        kept.append(step)
    if not stand_ins:
        return program
    constants = {v: array for v, array in program.constants.items() if v not in stand_ins}
    return program.substitute(kept, stand_ins).with_instructions(kept, constants=constants)


def instruction_key(step: Instruction) -> Hashable:
    """Return what instructions that compute the same have in common, and no others."""
    operands = step.operands
    if len(operands) == 2:
        a, b = operands
        first = a if type(a) is Value else number_key(a)
        second = b if type(b) is Value else number_key(b)
        if step.primitive in COMMUTATIVE and is_swapped(a, b, step):
            first, second = second, first
        key: tuple[Hashable, ...] = (step.primitive, first, second)
    else:
        key = (step.primitive, *(x if type(x) is Value else number_key(x) for x in operands))
    return (key, param_key(step.params)) if step.params else key


def is_swapped(a: Operand, b: Operand, step: Instruction) -> bool:
    """Tell whether commuting operands are in the other order than that of keys: numbers first.

    A complex product adds its parts in an order that depends on which operand is first.
    """
    if step.results[0].dtype.kind == "c":
        return False
    return type(b) is not Value or (type(a) is Value and id(a) > id(b))


def number_key(number: Operand) -> Hashable:
    """Return a number's type and text: 1, 1.0 and True differ, and so do 0.0 and −0.0."""
    return type(number), repr(number)


def param_key(param: Any) -> Hashable:
    """Return a parameter as something that is equal and hashable where its value is equal."""
    kind = type(param)
    if kind is int or kind is str or param is None or isinstance(param, (Value, np.dtype)):
        return kind, param
    if kind is tuple or kind is list:
        return kind, tuple(map(param_key, param))
    if kind is dict:
        return kind, tuple((key, param_key(value)) for key, value in sorted(param.items()))
    if kind is slice:
        return kind, param_key((param.start, param.stop, param.step))
    if isinstance(param, np.ndarray):
        return kind, array_key(param)
    if isinstance(param, (bool, float, complex, np.generic)):
        return kind, repr(param)
    return kind, id(param)  # a function, say: the same object, held by its instruction


def array_key(array: Any) -> Hashable:
    """Return dtype, shape, strides and elements; reductions add in the order of strides."""
    return array.dtype, array.shape, array.strides, blake2b(array.tobytes()).digest()


def find_equal_constants(constants: dict[Value, Any]) -> dict[Value, Value]:
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
            array = constants[value]
            if isinstance(array, np.ndarray):
                key = array_key(array)
            elif isinstance(array, np.generic):
                key = array.tobytes()
            else:
                key = number_key(array)
            first = seen.setdefault(key, value)
            if first is not value:
                stand_ins[value] = first
    return stand_ins
