"""Changes: wrong gradients of a function, one kind a function of this module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .functions import Arrays, Function, Vjp, fitted
from .terms import without_a_term

Changes = Iterator[Vjp]
Mutation = Callable[[Function, int], Changes]
Change = Callable[[Any], Any]


def changed(function: Function, position: int, change: Change) -> Vjp:
    """Return the right gradient with that of one operand changed."""

    def vjp(g: Any, *xs: Any) -> tuple[Any, ...]:
        found = list(function.vjp(g, *xs))
        found[position] = change(found[position])
        return tuple(found)

    return vjp


def simple(change: Change) -> Mutation:
    """Make a mutation of a change of the gradient alone."""

    def mutation(function: Function, position: int) -> Changes:
        yield changed(function, position, change)

    return mutation


def at_index(function: Function, position: int, change: Change) -> Vjp:
    """Return the right gradient with one entry changed."""
    index = telling(function, position)

    def one(c: Any) -> Any:
        c = np.array(c)
        c[index] = change(c[index])
        return c[()]

    return changed(function, position, one)


def telling(function: Function, position: int) -> tuple[int, ...]:
    """Return the index of an entry of middling size among those that are not 0."""
    c = np.abs(function.vjp(function.drawn(0), *function.arrays)[position])
    order = np.argsort(c, axis=None)
    order = order[np.ravel(c)[order] > 0]
    flat = int(order[len(order) // 2]) if order.size else 0
    return tuple(int(i) for i in np.unravel_index(flat, c.shape))


def one_entry(change: Change) -> Mutation:
    """Make a mutation that changes one entry."""

    def mutation(function: Function, position: int) -> Changes:
        yield at_index(function, position, change)

    return mutation


# ── what is computed ─────────────────────────────────────────────────────────────────────────
def dropped_term(function: Function, position: int) -> Changes:
    """Drop one operand of a + or − in the rule; without one, the part of one output element."""
    found = False
    rules = function.primitive.vjp
    place = function.places[position]
    rule = rules[place] if isinstance(rules, tuple) else rules
    for other in without_a_term(rule):
        found = True
        yield by_rule(function, position, other)
    if not found:
        yield without_an_element(function, position)


def by_rule(function: Function, position: int, rule: Any) -> Vjp:
    """Return the gradient with the rule of one operand replaced."""
    rules = function.primitive.vjp
    place = function.places[position]
    others = (
        tuple(rule if i == place else r for i, r in enumerate(rules))
        if isinstance(rules, tuple)
        else rule
    )

    def vjp(g: Any, *xs: Any) -> tuple[Any, ...]:
        found = list(function.vjp(g, *xs))
        found[position] = fitted(function.cotangents(others, g, xs)[position], xs[position])
        return tuple(found)

    return vjp


def without_an_element(function: Function, position: int) -> Vjp:
    """Return the gradient of one operand without what comes from one element of the output."""

    def vjp(g: Any, *xs: Any) -> tuple[Any, ...]:
        gs = [np.array(h) for h in listed(function, g)]
        gs[0].flat[gs[0].size // 2] = 0
        found = list(function.vjp(g, *xs))
        found[position] = function.vjp(function.structured([h[()] for h in gs]), *xs)[position]
        return tuple(found)

    return vjp


def listed(function: Function, g: Any) -> Arrays:
    """Return a cotangent as a list."""
    return list(g) if function.primitive.multiple else [g]


def transposed(function: Function, position: int) -> Changes:
    """Exchange the last two axes; read in the shape of the operand, too, if that is another."""
    shape = np.shape(function.arrays[position])
    if len(shape) >= 2:
        yield changed(function, position, lambda c: np.swapaxes(c, -1, -2).copy())
        if shape[-1] != shape[-2]:
            turned = lambda c: np.swapaxes(c, -1, -2).reshape(shape)
            yield changed(function, position, turned)


def moved(function: Function, position: int) -> Changes:
    """Reverse the entries along the last axis; roll them by one along the first."""
    if np.ndim(function.arrays[position]):
        yield changed(function, position, lambda c: c[..., ::-1].copy())
        yield changed(function, position, lambda c: np.roll(c, 1, axis=0))


def not_summed(function: Function, position: int) -> Changes:
    """Leave a broadcast axis as it is; take one slice of it; average over it."""
    shape = np.shape(function.arrays[position])
    rules = function.primitive.vjp
    c = function.cotangents(rules, function.drawn(0), function.arrays)[position]
    if c.shape == shape:
        return
    extra = c.ndim - len(shape)
    stretched = tuple(i + extra for i, n in enumerate(shape) if n == 1 and c.shape[i + extra] != 1)
    axes = (*range(extra), *stretched)

    def whole(g: Any, *xs: Any) -> Any:
        return function.cotangents(rules, g, xs)[position]

    def replaced(change: Change) -> Vjp:
        def vjp(g: Any, *xs: Any) -> tuple[Any, ...]:
            found = list(function.vjp(g, *xs))
            found[position] = change(whole(g, *xs))
            return tuple(found)

        return vjp

    first = tuple(
        0 if i < extra else slice(0, 1) if i in axes else slice(None) for i in range(c.ndim)
    )
    yield replaced(lambda c: c)
    yield replaced(lambda c: np.array(c[first]).reshape(shape)[()])
    yield replaced(lambda c: np.mean(c, axis=axes).reshape(shape)[()])


def swapped(function: Function, position: int) -> Changes:
    """Exchange the gradients of an operand and the next one; their rules, if shapes differ."""
    if position + 1 >= len(function.places):
        return
    a, b = position, position + 1

    def vjp(g: Any, *xs: Any) -> tuple[Any, ...]:
        found = list(function.vjp(g, *xs))
        found[a], found[b] = found[b], found[a]
        return tuple(found)

    yield vjp
    shapes = [np.shape(x) for x in function.arrays]
    rules = function.primitive.vjp
    if shapes[a] == shapes[b] or not isinstance(rules, tuple) or not function.primitive.broadcasts:
        return
    first, second = function.places[a], function.places[b]
    exchanged = list(rules)
    exchanged[first], exchanged[second] = rules[second], rules[first]

    def by_rules(g: Any, *xs: Any) -> tuple[Any, ...]:
        found = function.cotangents(tuple(exchanged), g, xs)
        return tuple(fitted(c, x) for c, x in zip(found, xs, strict=True))

    yield by_rules


def negative_inputs(function: Function, position: int) -> Changes:
    """Flip the sign where the operand is negative."""

    def vjp(g: Any, *xs: Any) -> tuple[Any, ...]:
        found = list(function.vjp(g, *xs))
        found[position] = np.where(np.real(xs[position]) < 0, -found[position], found[position])[()]
        return tuple(found)

    if np.any(np.real(function.arrays[position]) < 0):
        yield vjp
