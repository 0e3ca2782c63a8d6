"""Mutants: wrong gradients that count, with what is true of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import autograd_mini as am
from autograd_mini.checking.report import Kind

from .changes import simple
from .functions import REFUSALS, Function, Vjp
from .hard import HARD_MISTAKES, points
from .mistakes import MISTAKES, Mistake
from .truths import truths

ENOUGH = 1e-4
"""A gradient that is wrong by less of its norm is no mutant."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A wrong gradient of a function, and what is true of it.

    Attributes:
        mistake: which one it is.
        name: its function, operand and number.
        function: whose gradient.
        vjp: the wrong gradient; the right one if only the second order is wrong.
        kinds: what a right cause can say.
        operands: names of the inputs that a right cause can be about.
        marks: texts of which a right condition holds one; empty if any will do.
        recorded: the function of tensors to check at second order.
    """

    mistake: Mistake
    name: str
    function: Function
    vjp: Vjp
    kinds: frozenset[Kind]
    operands: tuple[str, ...]
    marks: tuple[str, ...] = ()
    recorded: Callable[..., Any] | None = None


def mutants(function: Function, only: tuple[Mistake, ...] = MISTAKES) -> Iterator[Mutant]:
    """Make every mutant of a function that counts."""
    for mistake in only:
        for position, name in enumerate(function.names):
            others = function.names[position : position + 2]
            operands = (*others,) if mistake.kind is Kind.SWAPPED else (name, "the cotangent")
            for number, vjp in enumerate(mistake.make(function, position)):
                if mistake.always or counts(function, vjp):
                    yield Mutant(
                        mistake,
                        f"{function.name} {name} {mistake.name} #{number}",
                        function,
                        vjp,
                        truths(function, position, vjp, mistake.kind),
                        operands,
                        marks(mistake, function, position, vjp),
                    )


def counts(function: Function, vjp: Vjp) -> bool:
    """Whether a gradient is wrong by more than 1e-4 of its norm, or in its shape."""
    g = function.drawn(0)
    right = function.vjp(g, *function.arrays)
    try:
        found = vjp(g, *function.arrays)
    except REFUSALS:
        return False  # a rule that breaks gives no gradient
    for a, b in zip(right, found, strict=True):
        if np.shape(a) != np.shape(b):
            return True
        difference, size = np.linalg.norm(np.ravel(a - b)), np.linalg.norm(np.ravel(a))
        if not np.isfinite(difference):
            return False
        if difference > ENOUGH * size:
            return True
    return False


def marks(mistake: Mistake, function: Function, position: int, vjp: Vjp) -> tuple[str, ...]:
    """Return what a condition has to hold one of; nothing if all that is not 0 is wrong."""
    if not mistake.condition:
        return ()
    g, x, name = function.drawn(0), function.arrays[position], function.names[position]
    right = np.asarray(function.vjp(g, *function.arrays)[position])
    wrong = np.argwhere(np.asarray(vjp(g, *function.arrays)[position]) != right)
    if len(wrong) == np.count_nonzero(right) or not right.ndim:
        return ()
    single = [written(name, tuple(map(int, wrong[0])))] if len(wrong) == 1 else []
    if mistake.condition == "entry":
        return tuple(single)
    negative = f"the real part of {name} is negative" if np.iscomplexobj(x) else f"{name} < 0"
    return (negative, *single)


def written(name: str, index: tuple[int, ...]) -> str:
    """Write an entry of an input."""
    return f"{name}[{', '.join(map(str, index))}]"


def hard_mutants() -> Iterator[Mutant]:
    """Make the wrong gradients at hard points."""
    for p in points():
        names = tuple(f"x{i}" for i in range(len(p.arrays)))
        for label, (kind, vjp) in p.wrong.items():
            kinds, name = frozenset({kind}), f"{p.name}: {label}"
            yield Mutant(HARD_MISTAKES[p.group], name, p.function, vjp, kinds, names)


# ── second order ─────────────────────────────────────────────────────────────────────────────
SECOND = Mistake("wrong at second order only", Kind.SECOND_ORDER, simple(lambda c: c), always=True)
"""What is right at first order, and wrong when it is differentiated again."""


def stopped(rule: Any) -> Any:
    """Return a rule in which the output and the inputs are constants, as far as recording goes."""
    if rule is None:
        return None

    def constant(g: Any, y: Any, *xs: Any, **params: Any) -> Any:
        ys = (
            tuple(map(am.stop_gradient, y)) if isinstance(y, (list, tuple)) else am.stop_gradient(y)
        )
        return rule(g, ys, *(am.stop_gradient(x) for x in xs), **params)

    return constant


def second_order(function: Function) -> Iterator[Mutant]:
    """Make the mutant whose rules stop the gradient, if the gradient depends on the operands."""
    rules = function.primitive.vjp
    cut = tuple(map(stopped, rules)) if isinstance(rules, tuple) else stopped(rules)
    row = replace(function.primitive, vjp=cut, jvp=None, listed=False)
    twin = replace(function, primitive=row)
    if depends(function):
        name = f"{function.name} {SECOND.name}"
        kinds, names = frozenset((Kind.SECOND_ORDER,)), tuple(function.names)
        yield Mutant(
            SECOND, name, function, function.vjp, kinds, names, recorded=twin.recorded
        )  # fmt: skip


def depends(function: Function) -> bool:
    """Whether the gradient of the gradient by the operands is not 0."""
    g = function.drawn(0)

    def gradient(*xs: Any) -> Any:
        return am.vjp(function.recorded, *xs)[1](g)

    try:
        y, back = am.vjp(gradient, *function.arrays)
        found = back(tuple(np.ones_like(c.data if isinstance(c, am.Tensor) else c) for c in y))
    except REFUSALS:
        return False
    first = function.vjp(g, *function.arrays)
    size = max(float(np.linalg.norm(np.ravel(c))) for c in first)
    second = max(float(np.linalg.norm(np.ravel(np.asarray(c)))) for c in found)
    return bool(np.isfinite(second) and second > ENOUGH * size)
