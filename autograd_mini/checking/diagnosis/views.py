"""Views: the wrong entries of an input under more than one cotangent.

With one cotangent, every wrong gradient of a single number is off by some factor. A second one
tells which mistakes keep it: the numeric gradient for it comes from the columns of the Jacobian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .evidence import Evidence


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
