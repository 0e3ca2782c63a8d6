"""What a pass knows of a program while it walks over it, and what a rule may answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...core.primitive import PRIMITIVES, Primitive
from ..fused_ops import add_n
from ..program import Instruction, Operand, Program, Value

if TYPE_CHECKING:
    from ...core.arrays import Array

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
        self.uniform: dict[Value, Any] = {}
        for value, array in program.constants.items():
            number = _uniform_number(array)
            if number is not None:
                self.uniform[value] = number

    def number(self, x: Operand) -> Any:
        """Return the number that an operand is everywhere, None if it is not known to be one."""
        return self.uniform.get(x) if type(x) is Value else x

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
        if rule is None:
            return False
        return rule(step.operands, lambda y: self.never_minus_zero(y, depth - 1))


def _uniform_number(array: Array) -> Any:
    """Return the number that all elements are, bit for bit, or None. NaN counts as none."""
    if not isinstance(array, np.ndarray):
        number = array.item() if isinstance(array, np.generic) else array
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


def is_minus_zero(number: float) -> bool:
    """Tell whether a number is −0.0, or a complex number with such a part."""
    if isinstance(number, complex):
        return is_minus_zero(number.real) or is_minus_zero(number.imag)
    return number == 0 and str(number).startswith("-")


def is_plus_zero(number: float | None) -> bool:
    """Tell whether a number is 0, 0.0 or False, and not −0.0 or None."""
    return number is not None and number == 0 and not is_minus_zero(number)


def primitives_named(*names: str) -> tuple[Primitive, ...]:
    """Return the primitives of the table with these names."""
    return tuple(PRIMITIVES[name] for name in names)


POSITIVE_ZEROS: Final[dict[Primitive, Any]] = {
    # A sum of floating-point numbers is −0.0 only if all terms are.
    **dict.fromkeys((*primitives_named("add"), add_n), lambda xs, never: any(map(never, xs))),
    **dict.fromkeys(primitives_named("subtract"), lambda xs, never: never(xs[0])),
    **dict.fromkeys(
        primitives_named("square", "absolute", "exp", "sigmoid"), lambda xs, never: True
    ),
    **dict.fromkeys(
        primitives_named("multiply"), lambda xs, never: type(xs[0]) is Value and xs[0] is xs[1]
    ),
    **dict.fromkeys(primitives_named("where"), lambda xs, never: never(xs[1]) and never(xs[2])),
    **dict.fromkeys(
        primitives_named("maximum", "minimum"), lambda xs, never: never(xs[0]) and never(xs[1])
    ),
    **dict.fromkeys(
        primitives_named(
            "relu", "alias", "copy", "stop_gradient", "reshape", "transpose", "expand_dims"
        )
        + primitives_named("squeeze", "broadcast_to"),
        lambda xs, never: never(xs[0]),
    ),
}
"""When a real result has no −0.0, by the operands and a question about each of them."""


# ── makers and users of values ────────────────────────────────────────────────────────────────────
class Uses:
    """Who makes each value, and how often it is used.

    Attributes:
        constants: further ones, which a pass wants.
    """

    def __init__(self, program: Program) -> None:
        self.makers: dict[Value, Instruction] = {}
        self.counts: dict[Value, int] = {}
        self.constants: dict[Value, Any] = {}
        for step in program.instructions:
            for y in step.results:
                self.makers[y] = step
            for x in step.values:
                self.counts[x] = self.counts.get(x, 0) + 1
        for y in program.ends():
            self.counts[y] = self.counts.get(y, 0) + 1

    def only(self, x: Operand, *names: str) -> Instruction | None:
        """Return the instruction that makes x, if x has one use and the name is one of these."""
        if type(x) is not Value or self.counts.get(x) != 1:
            return None
        step = self.makers.get(x)
        return step if step is not None and step.operation_name in names else None

    def replace(self, step: Instruction, *others: Instruction) -> None:
        """Note that others stand in an instruction's place."""
        for x in step.values:
            self.counts[x] -= 1
        for other in others:
            self.makers[other.results[0]] = other
            for x in other.values:
                self.counts[x] = self.counts.get(x, 0) + 1


def has_arrays(program: Program) -> bool:
    """Whether more than one result in a hundred is an array: for fewer it is not worth a look."""
    arrays = sum(bool(y.shape) for step in program.instructions for y in step.results)
    return 100 * arrays > len(program.instructions)


# ── what a rule may answer ────────────────────────────────────────────────────────────────────────
Rewriting = Value | Instruction | list[Instruction] | None
"""The value that is the result already; an instruction, or several, that compute it; or nothing."""


Rule = Callable[[Instruction, Facts], Rewriting]


def has_same_kind(x: Operand, y: Value) -> bool:
    """Tell whether an operand has the shape and dtype of a result, so that it can stand for it."""
    return (
        type(x) is Value
        and x.shape == y.shape
        and (x.dtype is y.dtype or x.dtype == y.dtype)
        and x.weak is y.weak
    )


def operand_of_same_kind(step: Instruction, facts: Facts) -> Rewriting:
    """Return the operand if it has the dtype of the result: +x, or `real` of a real x."""
    x: Operand = step.operands[0]
    return x if has_same_kind(x, step.results[0]) else None  # type: ignore[return-value]


def stand_in_for(x: Operand, step: Instruction) -> Rewriting:
    """Return an operand whose elements are the result's, repeated to its shape if need be."""
    y = step.results[0]
    if has_same_kind(x, y):
        return x  # type: ignore[return-value]  # is_same_kind says that it is a value
    if type(x) is Value and not x.weak and x.dtype == y.dtype and len(x.shape) <= len(y.shape):
        return replace_operation(step, "broadcast_to", (x,), shape=y.shape)
    return None


def replace_operation(
    step: Instruction, name: str, operands: tuple[Operand, ...], **params: object
) -> Instruction:
    """Return an instruction of another primitive with the same results."""
    return Instruction(PRIMITIVES[name], operands, params, step.results, step.scope, step.line)
