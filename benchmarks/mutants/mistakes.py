"""Mistakes: those that people make in a gradient, each made on purpose, and what each is called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd_mini.checking.report import Kind

from .changes import (
    Changes,
    Mutation,
    changed,
    dropped_term,
    listed,
    moved,
    negative_inputs,
    not_summed,
    one_entry,
    simple,
    swapped,
    transposed,
)
from .functions import Function


@dataclass(frozen=True, slots=True)
class Mistake:
    """One way to be wrong.

    Attributes:
        name: in tables.
        kind: what a cause has to say.
        make: yields the wrong gradients of a function and operand.
        always: whether it counts however little it changes.
        large: whether samples of about 1,000 entries are tried as well.
        condition: what the cause has to name beside the kind: "entry", "negative" or nothing.
    """

    name: str
    kind: Kind
    make: Mutation
    always: bool = False
    large: bool = False
    condition: str = ""


def changes_cotangent(function: Function, position: int) -> Changes:
    """Double the cotangent in place, after the right gradient is computed."""

    def vjp(g: Any, *xs: Any) -> tuple[Any, ...]:
        found = function.vjp(g, *xs)
        for h in listed(function, g):
            h *= 2
        return found

    if position == 0 and all(np.ndim(y) for y in function.outputs(*function.arrays)):
        yield vjp


def changes_input(function: Function, position: int) -> Changes:
    """Double an input in place, after the right gradient is computed."""

    def vjp(g: Any, *xs: Any) -> tuple[Any, ...]:
        found = function.vjp(g, *xs)
        x = xs[position]
        x *= 2
        return found

    if np.ndim(function.arrays[position]):
        yield vjp


def ignores_cotangent(function: Function, position: int) -> Changes:
    """Use ones in place of the cotangent."""

    def vjp(g: Any, *xs: Any) -> tuple[Any, ...]:
        ones = function.structured([np.ones_like(h) for h in listed(function, g)])
        found = list(function.vjp(g, *xs))
        found[position] = function.vjp(ones, *xs)[position]
        return tuple(found)

    yield vjp


def conjugated(function: Function, position: int) -> Changes:
    """Conjugate the gradient of a complex operand."""
    if np.iscomplexobj(function.arrays[position]):
        yield changed(function, position, np.conj)


def narrowed(c: Any) -> Any:
    """Return a gradient in float32, a complex one in complex64."""
    return c.astype(np.complex64 if np.iscomplexobj(c) else np.float32)


MISTAKES = (
    Mistake("sign flipped", Kind.SIGN, simple(lambda c: -c)),
    Mistake("factor 2", Kind.FACTOR, simple(lambda c: 2 * c)),
    Mistake("off by a thousandth", Kind.FACTOR, simple(lambda c: c * (1 + 1e-3))),
    Mistake("a term dropped", Kind.TERM, dropped_term),
    Mistake("transposed", Kind.TRANSPOSED, transposed),
    Mistake("reversed or shifted", Kind.MOVED, moved),
    Mistake("not summed over a broadcast axis", Kind.SUM, not_summed),
    Mistake("two arguments swapped", Kind.SWAPPED, swapped),
    Mistake("0 in one entry", Kind.ZERO, one_entry(lambda c: 0 * c), large=True, condition="entry"),
    Mistake("wrong sign where x < 0", Kind.SIGN, negative_inputs, condition="negative"),
    Mistake("NaN in one entry", Kind.NOT_FINITE, one_entry(lambda c: np.nan), True, True, "entry"),
    Mistake("conjugated", Kind.CONJUGATED, conjugated),
    Mistake("cotangent ignored", Kind.COTANGENT, ignores_cotangent),
    Mistake("cotangent changed in place", Kind.MUTATION, changes_cotangent, always=True),
    Mistake("input changed in place", Kind.MUTATION, changes_input, always=True),
    Mistake("rounded to float32", Kind.DTYPE, simple(narrowed), always=True),
)
"""The mistakes at first order."""
