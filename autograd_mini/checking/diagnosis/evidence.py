"""Evidence: the facts about a wrong gradient that a diagnosis uses.

`Evidence` holds the facts. A `View` shows the wrong entries of one input under one or two
cotangents. With one cotangent, every wrong gradient of a single number is off by some factor; the
second cotangent shows which mistakes fit both. `unsummed_gradient` undoes the sum over broadcast
axes.

`condition_of` describes which entries are wrong. A condition must fit. It holds for all wrong
entries, and for no right entry with a nonzero derivative. Where the derivative is 0, a wrong factor
is invisible, although a wrong term is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Any

import numpy as np

from ..inputs import from_coordinates

MOST_COLUMNS = 48
"""For one input, columns of the Jacobian are computed for at most this many entries."""


@dataclass(frozen=True)
class Evidence:
    """The facts. Arrays are in real coordinates, one for each input or output.

    Attributes:
        names: the names of the inputs.
        xs: the values of the inputs.
        given: the given gradient.
        numeric: the numeric gradient; NaN where it is unknown.
        error: the error bars of the numeric gradient.
        wrong: which entries were judged wrong.
        complex, complex_outputs: which arrays are complex; their last axis is (real, imaginary).
        outputs: the results at the point.
        weights: the cotangent of the results.
        others: names and values of the arguments that are not differentiated.
        column: computes numeric derivatives of all outputs by one entry; costs evaluations.
        regradient: computes the given gradient for another cotangent; may raise.
        rtol: the relative tolerance of the check.
        kink: which entries were judged to be at a kink, which has several derivatives.
        function: the function of natural values; None if it does not use NumPy arrays.
        rewritten: makes a copy of the function that does not write into arrays, or None.
    """

    names: list[str]
    xs: list[np.ndarray]
    given: list[np.ndarray]
    numeric: list[np.ndarray]
    error: list[np.ndarray]
    wrong: list[np.ndarray]
    complex: list[bool]
    complex_outputs: list[bool]
    outputs: list[np.ndarray]
    weights: list[np.ndarray]
    others: list[tuple[str, Any]]
    column: Callable[[int, tuple[int, ...]], list[np.ndarray]]
    regradient: Callable[[list[np.ndarray]], list[np.ndarray]]
    rtol: float
    kink: list[np.ndarray] | None = None
    function: Callable[[list[Any]], Any] | None = None
    rewritten: Callable[[], Callable[[list[Any]], Any] | None] | None = None

    def refresh(self) -> None:
        """Call the function at the point again, so that its caches hold arrays again."""
        if self.function is not None:
            pairs = zip(self.xs, self.complex, strict=True)
            self.function([np.array(from_coordinates(x, c))[()] for x, c in pairs])

    def smooth(self, position: int) -> np.ndarray:
        """Which entries of an input are not at a kink?"""
        if self.kink is None:
            return np.ones(self.xs[position].shape, bool)
        return ~self.kink[position]

    def suspects(self) -> list[int]:
        """Return the inputs that have wrong entries."""
        return [i for i, wrong in enumerate(self.wrong) if np.any(wrong)]

    def derivatives(self, position: int, index: tuple[int, ...]) -> list[np.ndarray]:
        """Return the derivatives of all outputs by one entry; computed once."""
        at = position, tuple(int(i) for i in index)
        if at not in self._columns:
            self._columns[at] = self.column(*at)
        return self._columns[at]

    @cached_property
    def _columns(self) -> dict[tuple[int, tuple[int, ...]], list[np.ndarray]]:
        return {}

    @property
    def most_columns(self) -> int:
        """The largest number of columns to compute; smaller for large outputs."""
        size = sum(y.size for y in self.outputs)
        return min(MOST_COLUMNS, 4 + 500_000 // max(1, size))

    def tolerance(self, position: int) -> np.ndarray:
        """Return how far an explanation may be from the numeric gradient of an input."""
        size = np.maximum(np.abs(self.numeric[position]), np.abs(self.given[position]))
        return 4 * self.error[position] + 10 * self.rtol * size

    def slack(self, position: int) -> np.ndarray:
        """Return how far each number of the numeric gradient may be from the true one."""
        size = np.abs(self.numeric[position])
        top = np.max(size, where=np.isfinite(size), initial=0.0)
        return 4 * self.error[position] + 10 * self.rtol * size + 1e-12 * top

    def explains(self, position: int, candidate: np.ndarray, slack: np.ndarray) -> bool:
        """Is a candidate the given gradient, and much closer to it where entries are wrong?"""
        off = np.abs(self.given[position] - candidate)
        wrong = self.wrong[position]
        before = np.abs(self.given[position] - self.numeric[position])[wrong]
        return bool(np.all(off <= slack) and np.all(off[wrong] <= 0.1 * before))

    def known_entries(self, position: int) -> np.ndarray:
        """Which entries have a numeric derivative that is certain enough to use?"""
        with np.errstate(invalid="ignore"):
            size = np.max(
                np.abs(self.numeric[position]), where=np.isfinite(self.numeric[position]), initial=0
            )
            return np.isfinite(self.numeric[position]) & (self.error[position] <= 1e-2 * size)

    @cached_property
    def other_weights(self) -> list[np.ndarray]:
        """Another cotangent, with other sizes and signs."""
        generator = np.random.default_rng(99)
        return [
            generator.uniform(0.4, 1.6, g.shape) * generator.choice([-1.0, 1.0], g.shape)
            for g in self.weights
        ]

    @cached_property
    def first_given(self) -> list[np.ndarray] | None:
        """The given gradient, computed again; None if that fails."""
        return self.given_for(self.weights)

    @cached_property
    def other_given(self) -> list[np.ndarray] | None:
        """The given gradient for the other cotangent; None if that fails."""
        return self.given_for(self.other_weights)

    def given_for(self, weights: list[np.ndarray]) -> list[np.ndarray] | None:
        """Return the given gradient for a cotangent; None if that fails."""
        try:
            found = self.regradient([g.copy() for g in weights])
        except Exception:  # a wrong rule may fail for another cotangent
            return None
        return [np.asarray(g, float) for g in found]


@dataclass(frozen=True, slots=True)
class View:
    """Some wrong entries of one input as flat arrays, one row for each cotangent.

    Attributes:
        position: the position of the input.
        places: the flat indices of the entries.
        given, numeric: the gradients, one row for each cotangent.
        tolerance: how far equal entries may be apart.
        columns: the derivatives of all outputs, one row for each entry; None if not computed.
    """

    position: int
    places: np.ndarray
    given: np.ndarray
    numeric: np.ndarray
    tolerance: np.ndarray
    columns: np.ndarray | None

    def matches(self, prediction: np.ndarray) -> bool:
        """Does a prediction equal the given gradient at every entry?"""
        with np.errstate(all="ignore"):
            scale = np.clip(np.abs(prediction) / self.size, 1.0, 1e3)  # multiples: wider bars
            slack = self.tolerance * scale
            return bool(np.all(np.abs(self.given - prediction) <= slack))

    @property
    def size(self) -> np.ndarray:
        """The sizes of the entries; a tiny entry counts as a small share of the largest."""
        sizes = np.maximum(np.abs(self.numeric), np.abs(self.given))
        return np.maximum(sizes, 1e-12 * np.max(sizes, initial=0.0) + 1e-300)


def view_wrong_entries(evidence: Evidence, position: int, everywhere: bool = False) -> View | None:
    """View all wrong entries with a known derivative; None if there are none.

    Args:
        evidence: the facts.
        position: the position of the input.
        everywhere: whether to include right entries.
    """
    known = evidence.known_entries(position)
    known &= evidence.smooth(position) if everywhere else evidence.wrong[position]
    places = np.flatnonzero(known)
    if not len(places):
        return None
    given, numeric, tolerance = _first_row(evidence, position, places)
    return View(position, places, given[None], numeric[None], tolerance[None], None)


def _first_row(evidence: Evidence, position: int, places: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the given and numeric gradient at some places, and their tolerance."""
    arrays = (evidence.given[position], evidence.numeric[position], evidence.tolerance(position))
    return tuple(values.ravel()[places] for values in arrays)


def _are_derivatives(
    columns: np.ndarray, weights: list[np.ndarray], numeric: np.ndarray, tolerance: np.ndarray
) -> bool:
    """Do derivatives of all outputs add up to the numeric gradient, up to noise?"""
    g = np.concatenate([part.ravel() for part in weights])
    off, size = np.abs(columns @ g - numeric), np.abs(columns) @ np.abs(g)
    return bool(np.all(off <= tolerance + 1e-3 * size))


def view_closer(evidence: Evidence, seen: View) -> View:
    """View some of the entries for each output, and for another cotangent if possible."""
    other, position = evidence.other_given, seen.position
    chosen = np.linspace(0, len(seen.places), evidence.most_columns, endpoint=False).astype(int)
    places = seen.places[np.unique(chosen)]
    if other is None and sum(y.size for y in evidence.outputs) == 1:
        return seen
    shape = evidence.xs[position].shape
    indices = zip(*np.unravel_index(places, shape), strict=True) if shape else [()]
    columns = np.array(
        [
            np.concatenate([np.ravel(c) for c in evidence.derivatives(position, index)])
            for index in indices
        ]
    )
    if not np.all(np.isfinite(columns)):
        return seen
    row, numeric, tolerance = _first_row(evidence, position, places)
    if not _are_derivatives(columns, evidence.weights, numeric, tolerance):
        return seen
    if other is None:
        return View(position, places, row[None], numeric[None], tolerance[None], columns)
    weights = np.concatenate([g.ravel() for g in evidence.other_weights])
    second, given = columns @ weights, other[position].ravel()[places]
    size = 10 * evidence.rtol * np.maximum(np.abs(second), np.abs(given))
    size += 1e-8 * (np.abs(columns) @ np.abs(weights))
    slack = 4 * evidence.error[position].ravel()[places] + size
    pairs = (row, given), (numeric, second), (tolerance, slack)
    one, two, three = (np.array(pair) for pair in pairs)
    return View(position, places, one, two, three, columns)


def natural_shape(shape: tuple[int, ...], is_complex: bool) -> tuple[int, ...]:
    """Return the shape of an array from the shape of its real coordinates."""
    return shape[:-1] if is_complex else shape


def is_stretched(shape: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Does a shape broadcast to a different shape of a result?"""
    try:
        return shape != result and np.broadcast_shapes(shape, result) == result
    except ValueError:
        return False


def sum_to_shape(full: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum over the axes that broadcasting from a shape adds or stretches."""
    extra = full.ndim - len(shape)
    found = full.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and found.shape[i] != 1)
    return np.asarray(found.sum(axis=axes, keepdims=True)) if axes else np.asarray(found)


def unsummed_gradient(
    evidence: Evidence, position: int, weights: Sequence[np.ndarray]
) -> np.ndarray | None:
    """Return the gradient of an input before it is summed over broadcast axes.

    It has one number for each element of the single result, in real coordinates. For elementwise
    operations this is what a rule computes before it sums. Returns None for several results, and
    for inputs with too many columns.
    """
    x, is_complex = evidence.xs[position], evidence.complex[position]
    if len(evidence.outputs) != 1 or x.size > evidence.most_columns:
        return None
    shape = natural_shape(evidence.outputs[0].shape, evidence.complex_outputs[0])
    found = np.zeros((*shape, 2) if is_complex else shape)
    for index in np.ndindex(x.shape):
        terms = evidence.derivatives(position, index)[0] * weights[0]
        if evidence.complex_outputs[0]:
            terms = terms.sum(axis=-1)
        if is_complex:
            found[..., index[-1]] += terms
        else:
            found += terms
    return found if np.all(np.isfinite(found)) else None


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
