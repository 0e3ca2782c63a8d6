"""Steps and captions: what changes from frame to frame, in words, numbers and the chain rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

import numpy as np

from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor
from autograd_mini.core.visible import replace_hidden

from ..backward_pass import Contribution, Visit
from ..reading import has_changed, is_number, operands
from ..texts import (
    NUMBERS,
    clean_text,
    format_constant,
    format_number,
    format_shape,
    norm,
    operation_symbol,
)
from ..wording.language import say, say_count

Field = Literal["data", "gradient"]
MOST_LINES: Final = 5
"""The most lines of a caption."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A text that replaces the text of a field in a box."""

    box: str
    field: Field
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", replace_hidden(self.text))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the forward or the backward.

    Attributes:
        phase: "forward" or "backward".
        caption: what happens, line by line.
        boxes: the ids of the boxes that glow.
        arrows: the places of the arrows that glow.
        writings: the texts that appear.
    """

    phase: Literal["forward", "backward"]
    caption: tuple[str, ...]
    boxes: tuple[str, ...] = ()
    arrows: tuple[int, ...] = ()
    writings: tuple[Writing, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "caption", tuple(map(replace_hidden, self.caption)))


def join_steps(steps: list[Step], most: int) -> list[Step]:
    """Return at most about `most` steps; neighbours of one phase are joined."""
    if len(steps) <= most:
        return steps
    together = ceil(len(steps) / max(most - 2, 1))
    found: list[Step] = []
    group: list[Step] = []
    for step in steps:
        if group and (len(group) == together or group[0].phase != step.phase):
            found.append(_join_group(group))
            group = []
        group.append(step)
    return [*found, _join_group(group)]


def _join_group(group: list[Step]) -> Step:
    """Join several steps to one; its caption has the first line of each, as many as fit."""
    if len(group) == 1:
        return group[0]
    lines = [step.caption[0] for step in group]
    if len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES + 1
        lines = [*lines[: MOST_LINES - 1], say_count("… and {n} more step", rest)]
    return Step(
        group[0].phase,
        tuple(lines),
        tuple(dict.fromkeys(box for step in group for box in step.boxes)),
        tuple(dict.fromkeys(arrow for step in group for arrow in step.arrows)),
        tuple(writing for step in group for writing in step.writings),
    )


INFIX: Final = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "matmul": "@"}
FORMS: Final = {
    "negative": "−{}",
    "positive": "{}",
    "square": "{}²",
    "reciprocal": "1/{}",
    "sqrt": "√{}",
    "power": "{}^{}",
}
"""Operations that are written neither infix nor as a function call."""
LONGEST_NAME: Final = 24
"""The most letters of a name in a caption."""
LONGEST_RULE: Final = 90
Naming = Callable[[Tensor], str]


def _format_expression(operation: Operation, arguments: Sequence[str]) -> str:
    """Write an operation on some arguments as a formula.

    Arguments that begin with a minus get parentheses where they need them.
    """
    if operation.type in INFIX and len(arguments) == 2:
        left, right = arguments
        return f"{left} {INFIX[operation.type]} {_add_parentheses(right)}"
    form = FORMS.get(operation.type)
    if form is not None and form.count("{}") == len(arguments):
        return form.format(*map(_add_parentheses, arguments))
    sign = operation_symbol(operation)
    if operation.type == "absolute":
        return f"|{', '.join(arguments)}|"
    name = sign if len(sign) == 1 or sign.isalnum() else short_name(operation.type)
    return f"{name}({', '.join(arguments)})"


def _add_parentheses(text: str) -> str:
    """Put parentheses around a text that begins with a minus or is a sum."""
    return f"({text})" if text.startswith("−") or " " in text else text


def short_name(name: str) -> str:
    """Return a name on one line, and short enough for a caption."""
    return clean_text(name, LONGEST_NAME, lines=1)


def describe_operation(operation: Operation, name: Naming) -> tuple[str, ...]:
    """Write how numbers are computed: `z = w × x = 0.5 × 2 = 1`."""
    taken = operands(operation)
    letters = _format_expression(operation, [_operand_text(x, name) for x in taken])
    changed = [x for x in taken if isinstance(x, Tensor) and has_changed(x, operation)]
    numbers = (
        letters if changed else _format_expression(operation, [_operand_digits(x) for x in taken])
    )
    results = ", ".join(format_number(y.data) for y in operation.outputs)
    names = ", ".join(name(y) for y in operation.outputs)
    middle = f" = {numbers}" if numbers not in (letters, results) else ""
    changes = dict.fromkeys(say("{name} changed since", name=name(x)) for x in changed)
    return (", ".join((f"{names} = {letters}{middle} = {results}", *changes)),)


def _operand_text(operand: object, name: Naming) -> str:
    """Return the name of a tensor, or the number or shape of another operand."""
    return name(operand) if isinstance(operand, Tensor) else _operand_digits(operand)


def _operand_digits(operand: object) -> str:
    """Return an operand's number, or its shape where it has axes."""
    if not isinstance(operand, Tensor) and is_number(operand):
        return format_constant(operand)
    value = operand._value if isinstance(operand, Tensor) else operand
    return format_number(value) if is_number(value) else format_shape(value)


def describe_chain_rule(visit: Visit, name: Naming, loss: str) -> tuple[str, ...]:
    """Write the chain rule at an operation on numbers, a line for each operand with a gradient."""
    result = name(visit.operation.outputs[0])
    lines = [
        _describe_contribution(visit, x, name(x.operand), result, loss) for x in visit.contributions
    ]
    if not lines:
        return (say("{name} passes no gradient on", name=result),)
    return (*lines, rule_text(visit.operation))


def _describe_contribution(visit: Visit, part: Contribution, x: str, z: str, loss: str) -> str:
    """Write one contribution: `∂L/∂w = ∂L/∂z × ∂z/∂w = 2 × 3 = 6`."""
    before = "" if part.before is None else f"{format_number(part.before)} + "
    total = format_number(part.total)
    if part.local is None or len(visit.arriving) != 1:
        return f"∂{loss}/∂{x} = {before}{_add_parentheses(format_number(part.amount))} = {total}"
    arriving = format_number(visit.arriving[0])
    arriving = _add_parentheses(arriving) if before else arriving
    product = f"{arriving} × {_add_parentheses(format_number(part.local))}"
    chain = f"∂{loss}/∂{z} × ∂{z}/∂{x}"
    return f"∂{loss}/∂{x} = {before}{chain} = {before}{product} = {total}"


def rule_text(operation: Operation) -> str:
    """Return the derivatives of an operation as its primitive lists them: `∂a: b, ∂b: a`."""
    doc = operation.primitive.doc
    start = doc.find("∂")
    text = (doc[start:] if start >= 0 else doc).replace("  ∂", ", ∂")
    said = say("rule of {operation}: {rule}", operation=operation.type, rule=text)
    return clean_text(said, LONGEST_RULE, lines=1)


def describe_statistics(value: object) -> str:
    """Describe an array in few words: shape, norm and range; a number is just written.

    >>> describe_statistics(np.array([3.0, 4.0]))
    '(2,), norm 5, from 3 to 4'
    """
    array = np.asarray(value)
    if not array.ndim:
        return format_number(array) if array.dtype.kind in NUMBERS else str(array.dtype)
    extent = format_shape(array)
    if not array.size:
        return say("{shape}, empty", shape=extent)
    if array.dtype.kind not in "fciu":
        return f"{extent}, {array.dtype}"
    ends = array.min(), array.max()  # of real numbers, both are finite only if all are
    known = array.dtype.kind != "c" and np.isfinite(ends).all()
    bad = 0 if known else array.size - int(np.isfinite(array).sum())
    if bad:
        said = "{shape}, {bad} of {all} are NaN or infinite"
        return say(said, shape=extent, bad=bad, all=array.size)
    size = say("{shape}, norm {norm}", shape=extent, norm=format_number(norm(array)))
    if array.dtype.kind == "c":
        return size
    low, high = map(format_number, ends)
    return f"{size}, {say('from {low} to {high}', low=low, high=high)}"
