"""Program: a function as a list of instructions on values of known shape and dtype; facts about it.

A program is a recorded function without its numbers. It has inputs, the leaf tensors that it reads
and changes, captured arrays, and one instruction for each operation, in order. A pass takes a
program and returns another one that computes the same. What a pass may know of a program while it
walks over it, and what a rule of it may answer, stands at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Final, TypeGuard

import numpy as np

from ..core.arrays import Array
from ..core.contexts import ScopePath, run_quietly
from ..core.primitive import PRIMITIVES, Primitive
from ..core.tensor import Tensor
from ..core.visible import show_text
from .fused_ops import FUSED_OPS, add_n

Shape = tuple[int, ...]
Params = dict[str, Any]
"""The parameters of an operation, by name."""


# Value and Instruction are no dataclasses: a trace makes them, and an observer would take their
# `__init__`, which a dataclass makes of a text, for code of the user.
class Value:
    """One array of a program, known by shape and dtype; compared by identity.

    Attributes:
        shape, dtype: of the array.
        name: after the user's variable, or None.
        weak: whether it is a Python number, which leaves the dtype of others as it is.
    """

    __slots__ = ("dtype", "name", "shape", "weak")

    def __init__(
        self, shape: Shape, dtype: np.dtype[np.generic], name: str | None = None, weak: bool = False
    ) -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = dtype
        self.name = name
        self.weak = weak

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

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
        params: Params,
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

    def with_operands(self, *operands: Operand) -> Instruction:
        """Return the same operation of other operands."""
        return Instruction(
            self.primitive, operands, self.params, self.results, self.scope, self.line
        )

    def with_operation(
        self,
        primitive: Primitive | str,
        *operands: Operand,
        to: Value | tuple[Value, ...] | None = None,
        **params: object,
    ) -> Instruction:
        """Return another operation in this one's place, with the same results or with others.

        Args:
            primitive: of the operation, or its name in the table.
            operands, params: of the operation.
            to: its result or its results, if they are other values.
        """
        if isinstance(primitive, str):
            primitive = PRIMITIVES[primitive]
        results = (to,) if isinstance(to, Value) else self.results if to is None else to
        return Instruction(primitive, operands, params, results, self.scope, self.line)

    def compute(
        self, values: dict[Value, Any], function: Callable[..., object] | None = None
    ) -> None:
        """Add the results to the values, among which the operands are.

        Args:
            values: by what stands for them.
            function: what computes them, by default the primitive's forward.
        """
        arrays = [values[x] if type(x) is Value else x for x in self.operands]
        results: Any = (function or self.primitive.forward)(*arrays, **self.params)
        values.update(
            zip(self.results, results if self.primitive.multiple else (results,), strict=True)
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
    def is_draw(self) -> bool:
        """Whether it draws random numbers."""
        return self.operation_name == "draw" and "generator" in self.params

    @property
    def values(self) -> list[Value]:
        """The operands that are values."""
        return [x for x in self.operands if type(x) is Value]

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

    def start(self, inputs: Iterable[object]) -> dict[Value, Any]:
        """Return the values that are there when a call begins."""
        values: dict[Value, Any] = dict(zip(self.inputs, inputs, strict=True))
        return values | {v: tensor._value for v, tensor in self.leaves.items()} | self.constants

    def interpret(self, inputs: Iterable[object]) -> dict[Value, Any]:
        """Compute one instruction after the other; return all values. Nothing is changed."""
        values = self.start(inputs)

        def run() -> None:
            for step in self.instructions:
                step.compute(values)

        run_quietly(run, all="ignore")
        return values

    def evaluate(self, inputs: Iterable[object]) -> tuple[list[object], list[object]]:
        """Interpret the program; return its outputs, and the new values of the updated leaves.

        Tests compare with this.
        """
        values = self.interpret(inputs)
        outputs = [values[y] if type(y) is Value else y for y in self.outputs]
        return outputs, [values[new] for _, new in self.updates]

    def makers(self) -> dict[Value, Instruction]:
        """Return the instruction that computes each value."""
        return {y: step for step in self.instructions for y in step.results}

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


DEPTH: Final = 8
"""How many operations back the sign of a zero is traced."""


class Facts:
    """Constants with one value everywhere, and which instruction made each value so far.

    Attributes:
        makers: the instruction that computes a value.
        uniform: the number that all elements of a constant are.
    """

    __slots__ = ("makers", "uniform")

    def __init__(self, program: Program) -> None:
        self.makers: dict[Value, Instruction] = {}
        numbers = {value: _uniform_number(x) for value, x in program.constants.items()}
        self.uniform = {value: number for value, number in numbers.items() if number is not None}

    def number(self, x: Operand) -> complex | None:
        """Return the number that an operand is everywhere, None if it is not known to be one."""
        return self.uniform.get(x) if isinstance(x, Value) else x

    def maker(self, x: Operand, *primitives: Primitive) -> Instruction | None:
        """Return the instruction that computed a value, if it is one of these operations."""
        step = self.makers.get(x) if type(x) is Value else None
        return step if step is not None and step.primitive in primitives else None

    def never_minus_zero(self, x: Operand, depth: int = DEPTH) -> bool:
        """Tell whether no element can be −0.0, so that adding 0.0 changes nothing."""
        if type(x) is Value and x.dtype.kind in "biu":
            return True
        number = self.number(x)
        if number is not None:
            return not is_minus_zero(number)
        step = self.makers.get(x) if type(x) is Value else None
        if step is None or not depth:
            return False
        rule = POSITIVE_ZEROS.get(step.primitive)
        return bool(rule and rule(step.operands, lambda y: self.never_minus_zero(y, depth - 1)))


def _uniform_number(array: Array) -> complex | None:
    """Return the number that all elements are, bit for bit, or None. NaN counts as none."""
    if not isinstance(array, np.ndarray):
        number: Any = array.item() if isinstance(array, np.generic) else array
        return number if number == number else None
    if not array.size:
        return None
    first = array.flat[0]
    if first != array.flat[-1] or not (array == first).all():
        return None
    if first == 0 and array.dtype.kind in "fc" and _is_mixed_zero(array):
        return None
    return first.item()


def _is_mixed_zero(zeros: np.ndarray) -> bool:
    """Tell whether zeros differ in sign."""
    parts = (zeros.real, zeros.imag) if zeros.dtype.kind == "c" else (zeros,)
    signs = [np.signbit(part) for part in parts]
    return any(sign.any() and not sign.all() for sign in signs)


def is_minus_zero(number: complex) -> bool:
    """Tell whether a number is −0.0, or a complex number with such a part."""
    if isinstance(number, complex):
        return is_minus_zero(number.real) or is_minus_zero(number.imag)
    return number == 0 and str(number).startswith("-")


def is_plus_zero(number: complex | None) -> bool:
    """Tell whether a number is 0, 0.0 or False, and not −0.0 or None."""
    return number is not None and number == 0 and not is_minus_zero(number)


def primitives_named(names: str) -> tuple[Primitive, ...]:
    """Return the primitives of the table with these names, which spaces separate."""
    return tuple(PRIMITIVES[name] for name in names.split())


ZERO_RULES: Final[dict[str, Callable[..., bool]]] = {
    "add": lambda xs, never: any(map(never, xs)),  # −0.0 only if all terms are
    "subtract": lambda xs, never: never(xs[0]),
    "square absolute exp sigmoid": lambda xs, never: True,
    "multiply": lambda xs, never: type(xs[0]) is Value and xs[0] is xs[1],
    "where": lambda xs, never: never(xs[1]) and never(xs[2]),
    "maximum minimum": lambda xs, never: never(xs[0]) and never(xs[1]),
    "relu alias copy stop_gradient": lambda xs, never: never(xs[0]),
    "reshape transpose expand_dims squeeze broadcast_to": lambda xs, never: never(xs[0]),
}
"""When a real result has no −0.0, by the operands and a question about each of them."""
POSITIVE_ZEROS: Final = {
    primitive: rule for names, rule in ZERO_RULES.items() for primitive in primitives_named(names)
} | {add_n: ZERO_RULES["add"]}


# ── makers and users of values ────────────────────────────────────────────────────────────────────
class Uses:
    """Who makes each value, and how often it is used.

    Attributes:
        constants: further ones, which a pass wants.
    """

    def __init__(self, program: Program) -> None:
        self.makers = program.makers()
        self.constants: dict[Value, Any] = {}
        self.counts = Counter(program.ends())
        for step in program.instructions:
            self.counts.update(step.values)

    def only(self, x: Operand, *names: str) -> Instruction | None:
        """Return the instruction that makes x, if x has one use and the name is one of these."""
        if type(x) is not Value or self.counts[x] != 1:
            return None
        step = self.makers.get(x)
        return step if step is not None and step.operation_name in names else None

    def replace(self, step: Instruction, *others: Instruction) -> None:
        """Note that others stand in an instruction's place."""
        self.counts.subtract(step.values)
        for other in others:
            self.makers[other.results[0]] = other
            self.counts.update(other.values)


def has_arrays(program: Program) -> bool:
    """Whether more than one result in a hundred is an array: for fewer it is not worth a look."""
    arrays = sum(bool(y.shape) for step in program.instructions for y in step.results)
    return 100 * arrays > len(program.instructions)


REGULAR: Final = frozenset(
    {
        "add",
        "subtract",
        "multiply",
        "maximum",
        "minimum",
        "negative",
        "square",
        "tanh",
        "exp",
        "sin",
    }
    | {"cos", "sigmoid", "softplus", "where", "cast", "greater", "greater_equal", "less"}
    | {"equal", "less_equal", "not_equal", "matmul", "sum", "reshape", "transpose", "expand_dims"}
    | {
        "squeeze",
        "broadcast_to",
        "getitem",
        "scatter",
        "add_n",
        "affine",
        "accumulated",
        "column_sums",
    }
    | {"dot", "row_sums", "added_at", "flat", "parts", "copy", "draw"}
)
"""Operations with finite results for finite numbers, unless they overflow."""


def singular_scopes(program: Program) -> frozenset[str]:
    """Return the scopes of backward passes with operations that are not finite everywhere."""
    makers = program.makers()

    def is_regular(step: Instruction) -> bool:
        name = step.operation_name
        if name != "divide":
            return name in REGULAR
        divisor = step.operands[1]
        total = makers.get(divisor) if isinstance(divisor, Value) else None
        if total is None or total.operation_name not in ("sum", "row_sums", "column_sums"):
            return False
        terms = makers.get(total.values[0])  # of a softmax, whose sum is 1 at least
        return terms is not None and terms.operation_name == "exp"

    return frozenset(
        step.scope for step in program.instructions if step.in_walk and not is_regular(step)
    )


# ── what a rule may answer ────────────────────────────────────────────────────────────────────────
Rewriting = Value | Instruction | list[Instruction] | None
"""The value that is the result already; an instruction, or several, that compute it; or nothing."""


Rule = Callable[[Instruction, Facts], Rewriting]


def has_same_kind(x: Operand, y: Value) -> TypeGuard[Value]:
    """Tell whether an operand has the shape and dtype of a result, so that it can stand for it."""
    return has_shape_and_dtype_of(x, y) and x.weak is y.weak


def has_shape_and_dtype_of(x: Operand, y: Value | np.ndarray | np.generic) -> TypeGuard[Value]:
    """Tell whether an operand is an array with the shape and dtype of another."""
    return type(x) is Value and x.shape == y.shape and (x.dtype is y.dtype or x.dtype == y.dtype)


def operand_of_same_kind(step: Instruction, facts: Facts) -> Rewriting:
    """Return the operand if it has the dtype of the result: +x, or `real` of a real x."""
    x = step.operands[0]
    return x if has_same_kind(x, step.results[0]) else None


def stand_in_for(x: Operand, step: Instruction) -> Rewriting:
    """Return an operand whose elements are the result's, repeated to its shape if need be."""
    y = step.results[0]
    if has_same_kind(x, y):
        return x
    if type(x) is Value and not x.weak and x.dtype == y.dtype and len(x.shape) <= len(y.shape):
        return step.with_operation("broadcast_to", x, shape=y.shape)
    return None
