"""Evidence: what is known of a wrong gradient, for those who look for its cause."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..coordinates import natural

MOST_COLUMNS = 48
"""Entries whose derivatives of all outputs are taken, at most, for one input."""


@dataclass(frozen=True)
class Evidence:
    """What is known; arrays are in real coordinates, one an input or output.

    Attributes:
        names: of the inputs.
        xs: their values.
        given: the gradient that was given.
        numeric: the numeric one, NaN where it is not known.
        error: its error bars.
        wrong: where it was judged wrong.
        complex, complex_outputs: which are complex: their last axis is (real, imaginary).
        outputs: the results at the point.
        weights: their cotangent.
        others: names and values of the arguments that are not differentiated.
        column: numeric derivatives of all outputs by one entry: costs evaluations.
        regradient: the given gradient for another cotangent; it may raise.
        rtol: the relative tolerance of the check.
        kink: where it was judged to stand at a kink, which has several derivatives.
        function: the function of natural values, None if it is not one of NumPy arrays.
        rewritten: makes a copy of it that writes into no array, None if there is none.
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
        """Call the function at the point again, so that what it keeps for later is of arrays."""
        if self.function is not None:
            pairs = zip(self.xs, self.complex, strict=True)
            self.function([np.array(natural(x, c))[()] for x, c in pairs])

    def smooth(self, position: int) -> np.ndarray:
        """Tell which entries of an input do not stand at a kink."""
        if self.kink is None:
            return np.ones(self.xs[position].shape, bool)
        return ~self.kink[position]

    def suspects(self) -> list[int]:
        """Return the inputs that have wrong entries."""
        return [i for i, wrong in enumerate(self.wrong) if np.any(wrong)]

    def derivatives(self, position: int, index: tuple[int, ...]) -> list[np.ndarray]:
        """Return the derivatives of all outputs by one entry, computed once."""
        at = position, tuple(int(i) for i in index)
        if at not in self._columns:
            self._columns[at] = self.column(*at)
        return self._columns[at]

    @cached_property
    def _columns(self) -> dict[tuple[int, tuple[int, ...]], list[np.ndarray]]:
        return {}

    @property
    def most_columns(self) -> int:
        """How many entries' derivatives are taken, at most: fewer of large outputs."""
        size = sum(y.size for y in self.outputs)
        return min(MOST_COLUMNS, 4 + 500_000 // max(1, size))

    def tolerance(self, position: int) -> np.ndarray:
        """Return how far the numeric gradient of an input may be from one that explains it."""
        size = np.maximum(np.abs(self.numeric[position]), np.abs(self.given[position]))
        return 4 * self.error[position] + 10 * self.rtol * size

    def slack(self, position: int) -> np.ndarray:
        """Return how far each number of a numeric gradient may be from the one it stands for."""
        size = np.abs(self.numeric[position])
        top = np.max(size, where=np.isfinite(size), initial=0.0)
        return 4 * self.error[position] + 10 * self.rtol * size + 1e-12 * top

    def explains(self, position: int, candidate: np.ndarray, slack: np.ndarray) -> bool:
        """Whether a candidate is the given gradient, and by far closer to it where it is wrong."""
        off = np.abs(self.given[position] - candidate)
        wrong = self.wrong[position]
        before = np.abs(self.given[position] - self.numeric[position])[wrong]
        return bool(np.all(off <= slack) and np.all(off[wrong] <= 0.1 * before))

    def known_entries(self, position: int) -> np.ndarray:
        """Tell which entries of an input have a numeric derivative that says something."""
        with np.errstate(invalid="ignore"):
            size = np.max(
                np.abs(self.numeric[position]), where=np.isfinite(self.numeric[position]), initial=0
            )
            return np.isfinite(self.numeric[position]) & (self.error[position] <= 1e-2 * size)

    @cached_property
    def other_weights(self) -> list[np.ndarray]:
        """Another cotangent, of other sizes and signs."""
        generator = np.random.default_rng(99)
        return [
            generator.uniform(0.4, 1.6, g.shape) * generator.choice([-1.0, 1.0], g.shape)
            for g in self.weights
        ]

    @cached_property
    def first_given(self) -> list[np.ndarray] | None:
        """The given gradient, computed again, None if it cannot be had."""
        return self.given_for(self.weights)

    @cached_property
    def other_given(self) -> list[np.ndarray] | None:
        """The given gradient for the other cotangent, None if it cannot be had."""
        return self.given_for(self.other_weights)

    def given_for(self, weights: list[np.ndarray]) -> list[np.ndarray] | None:
        """Return the given gradient for a cotangent, None if it cannot be had."""
        try:
            found = self.regradient([g.copy() for g in weights])
        except Exception:  # whatever a wrong rule does with another cotangent
            return None
        return [np.asarray(g, float) for g in found]


@dataclass(frozen=True, slots=True)
class View:
    """Flat arrays, one number for each wrong entry that was looked at, and each cotangent.

    Attributes:
        position: of the input.
        places: flat places of the entries, once.
        given, numeric: the gradients, a row a cotangent.
        tolerance: how far the two may be apart where they are the same.
        columns: the derivatives of all outputs, one flat row an entry, None if not taken.
    """

    position: int
    places: np.ndarray
    given: np.ndarray
    numeric: np.ndarray
    tolerance: np.ndarray
    columns: np.ndarray | None

    def matches(self, prediction: np.ndarray) -> bool:
        """Whether a prediction of the given gradient holds at every entry."""
        with np.errstate(all="ignore"):
            scale = np.clip(np.abs(prediction) / self.size, 1.0, 1e3)  # error bars of a multiple
            slack = self.tolerance * scale
            return bool(np.all(np.abs(self.given - prediction) <= slack))

    @property
    def size(self) -> np.ndarray:
        """The sizes of the gradients, of which none is nothing beside the largest."""
        sizes = np.maximum(np.abs(self.numeric), np.abs(self.given))
        return np.maximum(sizes, 1e-12 * np.max(sizes, initial=0.0) + 1e-300)


def view_wrong_entries(evidence: Evidence, position: int, everywhere: bool = False) -> View | None:
    """Look at all wrong entries of an input whose derivative is known; None if there are none.

    Args:
        evidence: what is known.
        position: of the input.
        everywhere: whether to look at right entries too.
    """
    known = evidence.known_entries(position)
    known &= evidence.smooth(position) if everywhere else evidence.wrong[position]
    places = np.flatnonzero(known)
    if not len(places):
        return None
    given, numeric, tolerance = first_row(evidence, position, places)
    return View(position, places, given[None], numeric[None], tolerance[None], None)


def first_row(evidence: Evidence, position: int, places: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the given and numeric gradient at some places, and how far they may be apart."""
    arrays = (evidence.given[position], evidence.numeric[position], evidence.tolerance(position))
    return tuple(values.ravel()[places] for values in arrays)


def are_derivatives(
    columns: np.ndarray, weights: list[np.ndarray], numeric: np.ndarray, tolerance: np.ndarray
) -> bool:
    """Whether derivatives of all outputs add up to the numeric gradient, but for their noise."""
    g = np.concatenate([part.ravel() for part in weights])
    off, size = np.abs(columns @ g - numeric), np.abs(columns) @ np.abs(g)
    return bool(np.all(off <= tolerance + 1e-3 * size))


def view_closer(evidence: Evidence, seen: View) -> View:
    """Look at some of the entries through each output, and if possible with another cotangent."""
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
    row, numeric, tolerance = first_row(evidence, position, places)
    if not are_derivatives(columns, evidence.weights, numeric, tolerance):
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
    """Return the shape of an array whose real coordinates have this one."""
    return shape[:-1] if is_complex else shape


def is_stretched(shape: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Whether a shape is another one once it is broadcast to a result's."""
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
    """Return the gradient of an input at each element of the one result, in real coordinates.

    For a result that is elementwise in inputs that are broadcast, this is what a rule computes
    before it sums. None for several results, and for inputs too large to take all their columns.
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
