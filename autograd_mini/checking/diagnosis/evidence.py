"""Evidence: what is known of a wrong gradient, for those who look for its cause."""

from __future__ import annotations

from collections.abc import Callable
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
