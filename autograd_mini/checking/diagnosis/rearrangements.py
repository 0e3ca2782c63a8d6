"""Rearrangements: gradients with the right numbers in wrong places, or averaged by mistake."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations, permutations
from typing import Any

import numpy as np

from ..causes import Kind
from .evidence import Evidence, View, view_closer, view_wrong_entries
from .patterns import Pattern

MOST_SHIFTED = 32
"""Larger shifts are not tried."""

MOST_AXES = 4
"""With more axes, not all orders are tried."""

SAMPLED = 64
"""Number of entries that are compared first."""

Move = tuple[Pattern, Callable[[np.ndarray], np.ndarray]]
"""A rearrangement: its pattern, and the function on arrays."""


def rearrangement_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which the right numbers are in wrong places."""
    shape, is_complex = evidence.xs[seen.position].shape, evidence.complex[seen.position]
    return next(_moves_that_explain(evidence, seen, _rearrangements(shape, is_complex)), (None,))[0]


def averaged_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which entries are sums or means of the right ones.

    It must hold for a second cotangent, and most entries must be nonzero. With a single nonzero
    entry, the others would copy it, which need not be a sum.
    """
    position, numeric = seen.position, evidence.numeric[seen.position]
    if evidence.complex[position] or 2 * np.count_nonzero(numeric) <= numeric.size:
        return None
    whole = view_wrong_entries(evidence, position, everywhere=True)
    if whole is None or len(whole.places) != evidence.xs[position].size:
        return None
    shape, close = evidence.xs[position].shape, view_closer(evidence, whole)
    for pattern, move in _moves_that_explain(evidence, seen, _averages(shape)):
        if len(close.places) < len(whole.places):
            return pattern
        rows = np.array([np.ravel(move(np.reshape(row, shape))) for row in close.numeric])
        if close.matches(rows):
            return pattern
    return None


def _moves_that_explain(evidence: Evidence, seen: View, tried: Iterator[Move]) -> Iterator[Move]:
    """Yield moves that turn the numeric gradient into the given one: at a few entries, then all."""
    position = seen.position
    given, numeric = evidence.given[position], evidence.numeric[position]
    if given.ndim == 0 or not np.all(np.isfinite(numeric + evidence.error[position])):
        return
    slack = evidence.slack(position)
    chosen = np.linspace(0, len(seen.places), SAMPLED, endpoint=False).astype(int)
    some = np.unravel_index(seen.places[chosen], given.shape)
    wanted, most = given[some], np.max(slack) * max(given.shape)
    for pattern, move in tried:
        candidate = move(numeric)
        if np.any(np.abs(wanted - candidate[some]) > most):
            continue
        if evidence.explains(position, candidate, move(slack)):  # error bars move with the numbers
            yield pattern, move


def _rearrangements(shape: tuple[int, ...], is_complex: bool) -> Iterator[Move]:
    """Yield rearrangements, the simplest first; real and imaginary parts stay together."""
    last = len(shape) - is_complex
    if last <= MOST_AXES:
        yield from _axis_orders(shape, last)
    if last > 1 and not is_complex:
        how = "written column by column, where rows are meant"
        yield _whole_pattern(Kind.TRANSPOSED, how), _write_by_columns
    for axis in range(last):
        along = f" along axis {axis}" if last > 1 else ""
        yield _whole_pattern(Kind.MOVED, f"reversed{along}"), partial(np.flip, axis=axis)
        for shift in _shifts(shape[axis]):
            pattern = _whole_pattern(Kind.MOVED, f"shifted by {shift}{along}")
            yield pattern, partial(np.roll, shift=shift, axis=axis)
    if last <= MOST_AXES:
        yield from _reversals(shape, last)


def _whole_pattern(kind: Kind, how: str) -> Pattern:
    """Return a pattern that describes the whole gradient."""
    return Pattern(kind, f"the gradient of {{name}} is {how}", None, True)


def _axis_orders(shape: tuple[int, ...], last: int) -> Iterator[Move]:
    """Yield other orders of the axes; the numbers are read by rows if the shape differs."""
    tail = tuple(range(last, len(shape)))
    for axes in permutations(range(last)):
        if axes == tuple(range(last)):
            continue
        how = "transposed" if last == 2 else f"transposed, its axes are {axes}"
        if tuple(shape[i] for i in axes) != shape[:last]:
            how += ", and read row by row"
        yield _whole_pattern(Kind.TRANSPOSED, how), partial(_reorder_axes, axes=(*axes, *tail))


def _reorder_axes(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Put axes in another order, and keep the shape."""
    return x.transpose(axes).reshape(x.shape)


def _write_by_columns(x: np.ndarray) -> np.ndarray:
    """Write numbers by columns that were read by rows."""
    return x.ravel().reshape(x.shape, order="F")


def _shifts(length: int) -> Iterator[int]:
    """Yield possible shifts along an axis, the smallest first."""
    for n in range(1, min(length // 2, MOST_SHIFTED) + 1):
        yield n
        if 2 * n < length:
            yield -n


def _averages(shape: tuple[int, ...]) -> Iterator[Move]:
    """Yield moves that replace entries by sums or means along an axis, or in groups."""
    for axis, length in enumerate(shape):
        for size in range(length, 1, -1):
            if length % size:
                continue
            group = f" in groups of {size}" if size < length else ""
            for verb, reduce in (("summed", np.sum), ("averaged", np.mean)):
                how = f"{verb} over axis {axis} by mistake{group}, and each entry has the result"
                move = partial(_average_groups, axis=axis, size=size, reduce=reduce)
                yield _whole_pattern(Kind.SUM, how), move


def _average_groups(x: np.ndarray, axis: int, size: int, reduce: Callable[..., Any]) -> np.ndarray:
    """Sum or average groups of neighbours along an axis, and give the result to each."""
    parts = x.reshape(*x.shape[:axis], -1, size, *x.shape[axis + 1 :])
    whole = reduce(parts, axis=axis + 1, keepdims=True)
    return np.asarray(np.broadcast_to(whole, parts.shape).reshape(x.shape))


def _reversals(shape: tuple[int, ...], last: int) -> Iterator[Move]:
    """Yield reversals along several axes, and quarter turns of squares."""
    for count in range(2, last + 1):
        for axes in combinations(range(last), count):
            how = f"reversed along the axes {' and '.join(map(str, axes))}"
            yield _whole_pattern(Kind.MOVED, how), partial(np.flip, axis=axes)
    if last > 1 and shape[last - 2] == shape[last - 1]:
        for quarters, way in ((1, ""), (-1, " the other way round")):
            how = f"turned by a quarter, as by rot90{way}"
            turn = partial(np.rot90, k=quarters, axes=(last - 2, last - 1))
            yield _whole_pattern(Kind.MOVED, how), turn
