"""What is known of the values of a program while a pass walks over it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ...core.primitive import PRIMITIVES, Primitive
from ..program import Instruction, Operand, Program, Value
from ..rows import add_n

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
            number = uniform_number(array)
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


def uniform_number(array: Any) -> Any:
    """Return the number that all elements are, bit for bit, or None. NaN counts as none."""
    if not isinstance(array, np.ndarray):
        number = array.item() if isinstance(array, np.generic) else array
        return number if number == number else None
    if not array.size:
        return None
    first = array.flat[0]
    if first != array.flat[-1] or not (array == first).all():
        return None
    if first == 0 and array.dtype.kind in "fc" and is_mixed_zero(array):
        return None
    return first.item()


def is_mixed_zero(zeros: Any) -> bool:
    """Tell whether zeros differ in sign."""
    parts = (zeros.real, zeros.imag) if zeros.dtype.kind == "c" else (zeros,)
    signs = [np.signbit(part) for part in parts]
    return any(sign.any() and not sign.all() for sign in signs)


def is_minus_zero(number: Any) -> bool:
    """Tell −0.0 (or a complex number with such a part) from other numbers."""
    if isinstance(number, complex):
        return is_minus_zero(number.real) or is_minus_zero(number.imag)
    return number == 0 and str(number).startswith("-")


def is_plus_zero(number: Any) -> bool:
    """Tell 0, 0.0 and False from −0.0 and other numbers, None among them."""
    return number is not None and number == 0 and not is_minus_zero(number)


def rows(*names: str) -> tuple[Primitive, ...]:
    """Return the rows of the table with these names."""
    return tuple(PRIMITIVES[name] for name in names)


POSITIVE_ZEROS: Final[dict[Primitive, Any]] = {
    # A sum of floating-point numbers is −0.0 only if all terms are.
    **dict.fromkeys((*rows("add"), add_n), lambda xs, never: any(map(never, xs))),
    **dict.fromkeys(rows("subtract"), lambda xs, never: never(xs[0])),
    **dict.fromkeys(rows("square", "absolute", "exp", "sigmoid"), lambda xs, never: True),
    **dict.fromkeys(rows("multiply"), lambda xs, never: type(xs[0]) is Value and xs[0] is xs[1]),
    **dict.fromkeys(rows("where"), lambda xs, never: never(xs[1]) and never(xs[2])),
    **dict.fromkeys(rows("maximum", "minimum"), lambda xs, never: never(xs[0]) and never(xs[1])),
    **dict.fromkeys(
        rows("relu", "alias", "copy", "stop_gradient", "reshape", "transpose", "expand_dims")
        + rows("squeeze", "broadcast_to"),
        lambda xs, never: never(xs[0]),
    ),
}
"""When a real result has no −0.0, by the operands and a question about each of them."""
