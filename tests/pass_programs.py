"""Programs before and after a pass, and how tests compare them."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_mini.compiler.program import Instruction, Operand, Program, Value
from autograd_mini.core.primitive import PRIMITIVES, Primitive
from autograd_mini.core.tensor import leaf


class Builder:
    """Makes a program by computing it, which gives each value its shape and dtype."""

    def __init__(self) -> None:
        self.arrays: dict[Value, Any] = {}
        self.program = Program("f", [], {}, {}, [], [])

    def _value(self, array: Any, weak: bool = False) -> Value:
        value = Value(np.shape(array), np.asarray(array).dtype, None, weak)
        self.arrays[value] = array
        return value

    def input(self, array: Any) -> Value:
        value = self._value(array, type(array) is float)
        self.program.inputs.append(value)
        return value

    def constant(self, array: Any) -> Value:
        value = self._value(array)
        self.program.constants[value] = array
        return value

    def leaf(self, array: Any) -> Value:
        value = self._value(array)
        self.program.leaves[value] = leaf(array)
        return value

    def apply(self, primitive: str | Primitive, *operands: Operand, **params: Any) -> Any:
        if isinstance(primitive, str):
            primitive = PRIMITIVES[primitive]
        arrays = [self.arrays[x] if type(x) is Value else x for x in operands]
        with np.errstate(all="ignore"):
            found = primitive.forward(*arrays, **params)
        results = tuple(map(self._value, found if primitive.multiple else (found,)))
        self.program.instructions.append(Instruction(primitive, operands, params, results))
        return results if primitive.multiple else results[0]

    def returning(self, *outputs: Operand) -> Program:
        self.program.outputs = list(outputs)
        return self.program

    @property
    def inputs(self) -> list[Any]:
        return [self.arrays[x] for x in self.program.inputs]


def names(program: Program) -> list[str]:
    return [step.primitive.name for step in program.instructions]


def is_identical(a: Any, b: Any) -> bool:
    """Whether two arrays agree bit for bit, up to which NaN it is."""
    a, b = np.asarray(a), np.asarray(b)
    if a.dtype != b.dtype or a.shape != b.shape or not np.array_equal(a, b, equal_nan=True):
        return False
    if a.dtype.kind == "c":
        return is_identical(a.real, b.real) and is_identical(a.imag, b.imag)
    known = a == a
    return a.dtype.kind != "f" or bool((np.signbit(a) == np.signbit(b))[known].all())


def assert_same(before: Program, after: Program, inputs: list[Any]) -> None:
    old, new = before.evaluate(inputs), after.evaluate(inputs)
    for a, b in zip(old[0] + old[1], new[0] + new[1], strict=True):
        assert is_identical(a, b), (a, b, str(before), str(after))
