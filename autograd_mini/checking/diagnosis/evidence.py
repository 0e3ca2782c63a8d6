"""Evidence: the facts about a wrong gradient that a diagnosis uses.

`Evidence` holds the facts. A `View` shows the wrong entries of one input under one or two
cotangents. With one cotangent, every wrong gradient of a single number is off by some factor; the
second cotangent shows which mistakes fit both. `unsummed_gradient` undoes the sum over broadcast
axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
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
