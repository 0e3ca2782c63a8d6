"""Truths: which kinds of mistakes a wrong gradient is, as far as numbers can tell.

Every gradient of a 0-d operand that is wrong is wrong by a factor; reversed and transposed are one
for two entries. So a kind is true of a mutant if it is that of its mistake, or if it describes the
numbers exactly, at the point, for each of three cotangents.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd_mini.checking.report import Kind

from .functions import Function, Vjp

Pair = tuple[tuple[Any, ...], tuple[Any, ...]]
"""The right gradients of all operands, and the wrong ones."""

SEEDS = (1, 2, 3)
"""Of the cotangents."""

PLAIN = (Kind.MUTATION, Kind.DTYPE, Kind.NOT_FINITE)
"""Kinds that nothing else describes."""


def truths(function: Function, position: int, vjp: Vjp, kind: Kind) -> frozenset[Kind]:
    """Return the kind of a mistake in one operand, and the others that describe it exactly."""
    if kind in PLAIN:
        return frozenset((kind,))
    pairs: list[Pair] = []
    for seed in SEEDS:
        g = function.drawn(seed)
        pairs.append((function.vjp(g, *function.arrays), vjp(g, *function.arrays)))
    if any(np.shape(a) != np.shape(b) for pair in pairs for a, b in zip(*pair, strict=True)):
        return frozenset((kind,))
    own = [(np.asarray(right[position]), np.asarray(found[position])) for right, found in pairs]
    return frozenset((kind, *by_entries(pairs), *by_places(own), *by_sums(function, position, own)))


def by_entries(pairs: list[Pair]) -> Iterator[Kind]:
    """Yield what holds of the entries that are wrong, in all operands."""
    flat = [[np.concatenate([np.ravel(c) for c in side]) for side in pair] for pair in pairs]
    wrong = [~np.isclose(b, a, rtol=1e-9, atol=0) for a, b in flat]
    right = np.concatenate([a[w] for (a, _), w in zip(flat, wrong, strict=True)])
    found = np.concatenate([b[w] for (_, b), w in zip(flat, wrong, strict=True)])
    if not found.size:
        return
    if np.all(found == 0):
        yield Kind.ZERO
        return
    with np.errstate(all="ignore"):
        ratios = found / right
    if np.allclose(ratios, ratios[0], rtol=1e-7, atol=0):
        yield Kind.SIGN if np.isclose(ratios[0], -1, rtol=1e-7) else Kind.FACTOR
    if np.iscomplexobj(found) and np.allclose(found, np.conj(right), rtol=1e-9):
        yield Kind.CONJUGATED


def by_places(own: list[tuple[Any, Any]]) -> Iterator[Kind]:
    """Yield whether the entries are right but for their places."""
    shape = own[0][0].shape
    axes = range(len(shape))
    if any(
        all(np.allclose(np.swapaxes(a, i, j), b, rtol=1e-9) for a, b in own)
        for i in axes
        for j in range(i)
        if shape[i] == shape[j]
    ):
        yield Kind.TRANSPOSED
    if any(
        all(np.allclose(np.flip(a, i), b, rtol=1e-9) for a, b in own)
        or any(all(np.allclose(np.roll(a, k, i), b, rtol=1e-9) for a, b in own) for k in shifts(n))
        for i, n in enumerate(shape)
    ):
        yield Kind.MOVED


def shifts(count: int) -> range:
    """Return the shifts of an axis that are tried."""
    return range(1, min(count, 8))


def by_sums(function: Function, position: int, own: list[tuple[Any, Any]]) -> Iterator[Kind]:
    """Yield whether each gradient is a slice of what should be summed over broadcast axes."""
    rules, shape = function.primitive.vjp, own[0][0].shape
    for seed, (_, found) in zip(SEEDS, own, strict=True):
        whole = function.cotangents(rules, function.drawn(seed), function.arrays)[position]
        if whole.shape == shape:
            return
        extra = whole.ndim - len(shape)
        padded = (1,) * extra + shape
        axes = tuple(i for i, n in enumerate(padded) if n == 1 and whole.shape[i] != 1)
        slices = np.moveaxis(whole, axes, range(len(axes))).reshape(-1, *shape)
        if not any(np.allclose(s, found, rtol=1e-9) for s in slices):
            return
    yield Kind.SUM
