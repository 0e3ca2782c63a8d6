"""Conditions: describe which entries of an input are wrong.

A condition must fit. It holds for all wrong entries, and for no right entry with a nonzero
derivative. Where the derivative is 0, a wrong factor is invisible, although a wrong term is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import comb

import numpy as np

from ..inputs import from_coordinates
from .evidence import Evidence

MANY_WAYS = 40
"""A bound is named only if it separates the entries in one of at least this many ways."""

Condition = tuple[str, np.ndarray]
"""The text of a condition, and where it holds."""


def condition_of(evidence: Evidence, position: int, zeros: bool = False) -> str:
    """Return what the wrong entries of an input have in common; empty if all are wrong.

    Args:
        evidence: the facts.
        position: the position of the input.
        zeros: whether the mistake is visible where the derivative is 0, as a term is.
    """
    wrong, right = evidence.wrong[position], _telling_right_entries(evidence, position, zeros)
    if not evidence.complex[position]:
        return _common_condition(evidence, position, wrong, right)
    if not np.any(np.any(wrong, axis=-1) & np.any(right, axis=-1)):  # both parts, or neither
        return _common_condition(evidence, position, np.any(wrong, axis=-1), np.any(right, axis=-1))
    for part, word in enumerate(("real", "imaginary")):
        if not np.any(wrong[..., 1 - part]):
            found = _common_condition(evidence, position, wrong[..., part], right[..., part])
            whole = f"the {word} part of {evidence.names[position]}"
            return f"{whole}, {found}" if found else whole
    return f"{np.count_nonzero(wrong)} of {wrong.size} real and imaginary parts"


def where_wrong(evidence: Evidence, position: int, zeros: bool = False) -> tuple[str, str]:
    """Return the condition of the wrong entries, and the same as the end of a sentence."""
    condition = condition_of(evidence, position, zeros)
    if not condition:
        return "", ""
    wrong = evidence.wrong[position]
    if evidence.complex[position]:
        wrong = np.any(wrong, axis=-1)
    count = f" ({np.count_nonzero(wrong)} of {wrong.size} entries)" if _is_clause(condition) else ""
    return condition, _condition_phrase(condition) + count


def _telling_right_entries(evidence: Evidence, position: int, zeros: bool) -> np.ndarray:
    """Which entries are right, and would be wrong if the mistake were made there?"""
    numeric, wrong = evidence.numeric[position], evidence.wrong[position]
    given = evidence.given[position]
    if not np.any(np.isfinite(given[wrong])):  # infinite values are visible everywhere
        return np.asarray(np.isfinite(given) & ~wrong)
    with np.errstate(invalid="ignore"):
        scale = np.nanmax(np.abs(numeric), initial=0.0)
        telling = evidence.known_entries(position) & (zeros | (np.abs(numeric) > 1e-9 * scale))
    return np.asarray(telling & ~wrong)


def _common_condition(
    evidence: Evidence, position: int, wrong: np.ndarray, right: np.ndarray
) -> str:
    """Return the first condition that holds for every wrong entry and for no right entry."""
    if not np.any(right):
        return ""
    count = int(np.count_nonzero(wrong))
    if count == 1:
        return _entry_text(evidence.names[position], np.argwhere(wrong)[0])
    for text, holds in _conditions(evidence, position, wrong, right):
        if np.all(holds[wrong]) and not np.any(holds[right]):
            return text
    return f"{count} of {wrong.size} entries"


def _condition_phrase(condition: str) -> str:
    """Write a condition as the end of a sentence."""
    if _is_clause(condition):
        return f" where {condition}"
    place = condition.startswith(("on ", "off ", "above ", "below ", "between "))
    return f" {condition}" if place else f" for {condition}"


def _is_clause(condition: str) -> bool:
    """Is a condition a statement about entries, rather than a name of them?"""
    return any(sign in condition for sign in ("<", ">", "=", " is "))


def _entry_text(name: str, index: np.ndarray) -> str:
    """Write an entry of an input."""
    places = [str(int(i)) for i in index]
    return f"{name}[{', '.join(places)}]" if places else name


def _conditions(
    evidence: Evidence, position: int, wrong: np.ndarray, right: np.ndarray
) -> Iterator[Condition]:
    """Yield conditions, the simplest first."""
    name = evidence.names[position]
    x = from_coordinates(evidence.xs[position], evidence.complex[position])
    yield from _sign_conditions(name, x)
    yield from _index_conditions(evidence, x.shape)
    yield from _place_conditions(name, x.shape)
    for other, values in _other_values(evidence, position, x.shape):
        yield from _sign_conditions(other, values)
    if x.dtype.kind != "c":
        yield from _extreme_conditions(name, x)
        yield from _threshold_conditions(name, x, wrong, right)
    yield from _run_conditions(name, wrong)


def _sign_conditions(name: str, x: np.ndarray) -> Iterator[Condition]:
    """Yield conditions on the sign and size of values."""
    if x.dtype.kind == "b":
        yield f"{name} is True", x
        yield f"{name} is False", ~x
        return
    if x.dtype.kind == "c":
        for part, values in (("real", x.real), ("imaginary", x.imag)):
            yield f"the {part} part of {name} is negative", values < 0
            yield f"the {part} part of {name} is positive", values > 0
            yield f"the {part} part of {name} is 0", values == 0
    else:
        yield f"{name} < 0", x < 0
        yield f"{name} > 0", x > 0
        yield f"{name} <= 0", x <= 0
        yield f"{name} >= 0", x >= 0
    yield f"{name} == 0", x == 0
    yield f"{name} is not 0", x != 0
    yield f"|{name}| > 1", np.abs(x) > 1
    yield f"|{name}| < 1", np.abs(x) < 1


def _other_values(
    evidence: Evidence, position: int, shape: tuple[int, ...]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield other values with the shape of an input, or that broadcast to it."""
    inputs = zip(evidence.names, evidence.xs, evidence.complex, strict=True)
    rows = [(n, from_coordinates(x, c)) for i, (n, x, c) in enumerate(inputs) if i != position]
    rows += [(n, v) for n, v in evidence.others if np.asarray(v).dtype.kind in "biuf"]
    for name, arrays in (("the result", evidence.outputs), ("the cotangent", evidence.weights)):
        pairs = zip(arrays, evidence.complex_outputs, strict=True)
        rows += [(name, from_coordinates(y, c)) for y, c in pairs]
    for name, values in rows:
        values = np.asarray(values)
        if values.ndim and values.ndim <= len(shape):
            try:
                yield name, np.broadcast_to(values, shape)
            except ValueError:
                continue


def _place_conditions(name: str, shape: tuple[int, ...]) -> Iterator[Condition]:
    """Yield conditions on positions: rows, ends of axes, the diagonal, triangles."""
    for axis, length in enumerate(shape):
        if length < 2:
            continue
        where = np.arange(length).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        along = f"along axis {axis} of {name}" if len(shape) > 1 else f"of {name}"
        yield f"the first {along}", np.broadcast_to(where == 0, shape)
        yield f"the last {along}", np.broadcast_to(where == length - 1, shape)
        if length > 2:
            yield f"all but the first {along}", np.broadcast_to(where > 0, shape)
            yield f"all but the last {along}", np.broadcast_to(where < length - 1, shape)
            ends = (where == 0) | (where == length - 1)
            yield f"the ends {along}", np.broadcast_to(ends, shape)
            yield f"between the ends {along}", np.broadcast_to(~ends, shape)
        if length > 3:
            yield f"every second {along}", np.broadcast_to(where % 2 == 0, shape)
            yield f"every second {along}, from the next", np.broadcast_to(where % 2 == 1, shape)
        for k in range(1, min(length - 1, 64)):
            yield f"index {k} {along}", np.broadcast_to(where == k, shape)
    if len(shape) > 1:
        i, j = np.ogrid[: shape[-2], : shape[-1]]
        for text, holds in (
            ("on the diagonal", i == j), ("off the diagonal", i != j),
            ("above the diagonal", i < j), ("below the diagonal", i > j),
            ("on or above the diagonal", i <= j), ("on or below the diagonal", i >= j),
        ):  # fmt: skip
            yield f"{text} of {name}", np.broadcast_to(holds, shape)


def _extreme_conditions(name: str, x: np.ndarray) -> Iterator[Condition]:
    """Yield where values are the largest, the smallest, or repeated."""
    if not x.size:
        return
    for axis in (None, *range(x.ndim if x.ndim > 1 else 0)):
        along = "" if axis is None else f" along axis {axis}"
        yield f"the largest of {name}{along}", x == np.max(x, axis=axis, keepdims=True)
        yield f"the smallest of {name}{along}", x == np.min(x, axis=axis, keepdims=True)
    values, counts = np.unique(x, return_counts=True)
    yield f"values that occur more than once in {name}", np.isin(x, values[counts > 1])


def _index_conditions(evidence: Evidence, shape: tuple[int, ...]) -> Iterator[Condition]:
    """Yield where integer arguments point: once, repeatedly or never."""
    for name, value in evidence.others:
        indices = np.asarray(value)
        if indices.dtype.kind not in "iu" or not indices.ndim:
            continue
        for axis, length in enumerate(shape):
            if np.any(indices >= length) or np.any(indices < -length):
                continue
            counts = np.bincount(indices.ravel() % length, minlength=length)
            row = counts.reshape([-1 if i == axis else 1 for i in range(len(shape))])
            yield f"repeated indices in {name}", np.broadcast_to(row > 1, shape)
            yield f"indices in {name}", np.broadcast_to(row > 0, shape)
            yield f"what {name} leaves out", np.broadcast_to(row == 0, shape)


def _threshold_conditions(
    name: str, x: np.ndarray, wrong: np.ndarray, right: np.ndarray
) -> Iterator[Condition]:
    """Yield bounds of the wrong values, as round as the right values allow.

    Bounds are named only if there are many entries, so that they hardly separate others by chance.
    """
    count, others = int(np.count_nonzero(wrong)), int(np.count_nonzero(right))
    ways = comb(count + others, others)
    if count < 4 or ways < MANY_WAYS:
        return
    for text, values in ((name, x), (f"|{name}|", np.abs(x))):
        low, high = (
            _round_lower_bound(values, wrong, right),
            -_round_lower_bound(-values, wrong, right),
        )
        yield f"{text} >= {low!r}", values >= low
        yield f"{text} <= {high!r}", values <= high
        if ways >= MANY_WAYS * others:
            yield f"{low!r} <= {text} <= {high!r}", (values >= low) & (values <= high)


def _round_lower_bound(x: np.ndarray, wrong: np.ndarray, right: np.ndarray) -> float:
    """Return a lower bound of wrong values, with as few digits as the right values allow."""
    least = float(np.min(x[wrong]))
    below = float(np.max(x, where=right & (x < least), initial=-np.inf))
    for digits in range(1, 17):
        for near in (least, (max(below, least - abs(least)) + least) / 2):
            rounded = float(f"{near:.{digits}g}")
            if below < rounded <= least:
                return rounded
    return least


def _run_conditions(name: str, wrong: np.ndarray) -> Iterator[Condition]:
    """Yield the first, the last or neighbouring places along each axis."""
    for axis in range(wrong.ndim):
        length = wrong.shape[axis]
        others = tuple(i for i in range(wrong.ndim) if i != axis)
        held = np.flatnonzero(np.any(wrong, axis=others))
        low, high = int(held[0]), int(held[-1])
        where = np.arange(length).reshape([-1 if i == axis else 1 for i in range(wrong.ndim)])
        holds = np.broadcast_to((where >= low) & (where <= high), wrong.shape)
        along = f"along axis {axis} of {name}" if wrong.ndim > 1 else f"of {name}"
        if low == 0:
            yield f"the first {high + 1} {along}", holds
        elif high == length - 1:
            yield f"the last {length - low} {along}", holds
        else:
            yield f"indices {low} to {high} {along}", holds
