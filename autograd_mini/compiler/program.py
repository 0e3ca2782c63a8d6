"""Program: a function as a list of instructions on values of known shape and dtype.

A program is a recorded function without its numbers. It has inputs, the leaf tensors that it reads
and changes, captured arrays, and one instruction for each operation, in order. A pass takes a
program and returns another one that computes the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.contexts import ScopePath, run_quietly
from ..core.primitive import PRIMITIVES, Primitive
from ..core.tensor import Tensor
from ..core.visible import show_text
from .fused_ops import FUSED_OPS


class Value:
    """One array of a program, known by shape and dtype; compared by identity.

    Attributes:
        shape, dtype: of the array.
        weak: whether it is a Python number, which leaves the dtype of others as it is.
        name: after the user's variable, or None.
    """

    __slots__ = ("dtype", "name", "shape", "weak")

    def __init__(
        self,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        name: str | None = None,
        weak: bool = False,
    ) -> None:
        self.shape = shape
        self.dtype = dtype
        self.name = name
        self.weak = weak

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """The bytes that its elements take."""
        return self.size * self.dtype.itemsize

    def __repr__(self) -> str:
        return f"Value({self.name or '?'}: {self.dtype} {self.shape})"


Operand = Value | int | float | complex | bool | None
"""A value of the program, or a Python number that stands in it."""


class Instruction:
    """One operation of a program: `results = primitive(*operands, **params)`.

    Instructions are not changed; passes make others.

    Attributes:
        primitive: one of the table, or a fused operation, which only programs have.
        operands: values, and plain Python numbers as they were written.
        results: one value, or as many as a `multiple` primitive returns.
        scope: the path of the scope in which it was recorded.
        line: where: something that reads as "file.py:12", or None.
    """

    __slots__ = ("line", "operands", "params", "primitive", "results", "scope")

    def __init__(
        self,
        primitive: Primitive,
        operands: tuple[Operand, ...],
        params: dict[str, Any],
        results: tuple[Value, ...],
        scope: str = "",
        line: object = None,
    ) -> None:
        self.primitive = primitive
        self.operands = operands
        self.params = params
        self.results = results
        self.scope = scope
        self.line = line

    def with_operands(self, operands: tuple[Operand, ...]) -> Instruction:
        """Return the same operation of other operands."""
        return Instruction(
            self.primitive, operands, self.params, self.results, self.scope, self.line
        )

    @property
    def in_walk(self) -> bool:
        """Whether a backward pass recorded it."""
        return type(self.scope) is ScopePath and self.scope.in_walk

    @property
    def operation_name(self) -> str:
        """The name of its primitive; "" for a primitive that the user declared."""
        primitive = self.primitive
        name = primitive.name
        return name if PRIMITIVES.get(name) is primitive or FUSED_OPS.get(name) is primitive else ""

    @property
    def values(self) -> Iterator[Value]:
        """The operands that are values."""
        return (x for x in self.operands if type(x) is Value)

    def __repr__(self) -> str:
        return f"{self.results} = {self.primitive.name}{self.operands}"


@dataclass(slots=True, eq=False)
class Program:
    """A function as instructions.

    Attributes:
        name: of the function.
        inputs: what a call gives, in order.
        leaves: tensors that live outside; their values are read at each call.
        constants: captured arrays, by value.
        instructions: in an order in which each comes after those that it needs.
        outputs: what a call returns: values, or plain Python numbers.
        updates: (leaf, its new value) for what a call changes, each leaf once; the new values are
            computed from the old ones, then all leaves change.
        captured: how many of the inputs, the last ones, are not arguments: arrays from outside.
        rounded: whether a pass has changed the order of sums, so that the last bits may differ.
    """

    name: str
    inputs: list[Value]
    leaves: dict[Value, Tensor]
    constants: dict[Value, Any]
    instructions: list[Instruction]
    outputs: list[Operand]
    updates: list[tuple[Value, Value]] = field(default_factory=list)
    captured: int = 0
    rounded: bool = False

    def with_instructions(self, instructions: list[Instruction], **fields: Any) -> Program:
        """Return a program with other instructions, and with other fields if they are given."""
        return replace(self, instructions=instructions, **fields)

    def ends(self) -> Iterator[Value]:
        """The values that a call needs: outputs and new values of leaves."""
        yield from (y for y in self.outputs if type(y) is Value)
        yield from (new for _, new in self.updates)

    def substitute(
        self, instructions: list[Instruction], stand_ins: Mapping[Value, Operand]
    ) -> Program:
        """Return a program with other instructions, whose outputs and updates are the stand-ins.

        A pass that drops an instruction names in `stand_ins` the value that is its result now. The
        new value of a leaf must be a value of the leaf's shape and dtype; a plain number is not
        allowed.
        """
        outputs = [stand_ins.get(y, y) if type(y) is Value else y for y in self.outputs]
        updates = []
        for leaf, new in self.updates:
            other = stand_ins.get(new, new)
            assert type(other) is Value, "the new value of a leaf must stay a value"
            updates.append((leaf, other))
        return self.with_instructions(instructions, outputs=outputs, updates=updates)

    def evaluate(self, inputs: Sequence[object]) -> tuple[list[Any], list[Any]]:
        """Interpret the program, one instruction after the other. Tests compare with this.

        Returns:
            the outputs, and the new values of the updated leaves, in order. Nothing is changed.
        """
        values: dict[Value, Any] = dict(zip(self.inputs, inputs, strict=True))
        values |= {v: tensor._value for v, tensor in self.leaves.items()}
        values |= self.constants

        def run() -> None:
            for step in self.instructions:
                arrays = [values[x] if type(x) is Value else x for x in step.operands]
                results = step.primitive.forward(*arrays, **step.params)
                if not step.primitive.multiple:
                    results = (results,)
                for value, result in zip(step.results, results, strict=True):
                    values[value] = result

        run_quietly(run, all="ignore")
        outputs = [values[y] if type(y) is Value else y for y in self.outputs]
        return outputs, [values[new] for _, new in self.updates]

    def __str__(self) -> str:
        """List the instructions, one per line."""
        names: dict[Value, str] = {}

        def name_of(x: object) -> str:
            if type(x) is not Value:
                return repr(x)
            if x not in names:
                names[x] = f"{x.name or 'v'}.{len(names)}"
            return f"{names[x]}{list(x.shape)}"

        lines = [f"{self.name}({', '.join(map(name_of, self.inputs))})"]
        for step in self.instructions:
            params = "".join(f", {k}={v!r:.40}" for k, v in step.params.items())
            made = ", ".join(map(name_of, step.results))
            taken = ", ".join(map(name_of, step.operands))
            scope = f"  # {step.scope}" if step.scope else ""
            lines.append(f"  {made} = {step.primitive.name}({taken}{params}){scope}")
        lines += [f"  return {name_of(y)}" for y in self.outputs]
        lines += [f"  {name_of(leaf)} ← {name_of(new)}" for leaf, new in self.updates]
        return show_text("\n".join(lines))
