"""Views: the wrong entries of an input under more than one cotangent.

With one cotangent, every wrong gradient of a single number is off by some factor. A second one
tells which mistakes keep it: the numeric gradient for it comes from the columns of the Jacobian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .evidence import MOST_COLUMNS, Evidence


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
            slack = self.tolerance * np.maximum(1.0, np.abs(prediction) / self.size)
            return bool(np.all(np.abs(self.given - prediction) <= slack))

    @property
    def size(self) -> np.ndarray:
        """The sizes of the numeric gradient, at least tiny."""
        return np.maximum(np.abs(self.numeric), 1e-300)


def view(evidence: Evidence, position: int) -> View | None:
    """Look at the wrong entries of an input whose derivative is known; None if there are none."""
    known = evidence.wrong[position] & evidence.known(position)
    places = np.flatnonzero(known)
    if not len(places):
        return None
    given = evidence.given[position].ravel()[places]
    numeric = evidence.numeric[position].ravel()[places]
    tolerance = evidence.tolerance(position).ravel()[places]
    if len(places) > MOST_COLUMNS or evidence.other_given is None:
        return View(position, places, given[None], numeric[None], tolerance[None], None)
    shape = evidence.xs[position].shape
    columns = np.array(
        [
            np.concatenate([np.ravel(c) for c in evidence.column(position, index)])
            for index in zip(*np.unravel_index(places, shape), strict=True)
        ]
        if shape
        else [np.concatenate([np.ravel(c) for c in evidence.column(position, ())])]
    )
    weights = np.concatenate([g.ravel() for g in evidence.other_weights])
    second = columns @ weights
    size = np.abs(columns) @ np.abs(weights)
    other = evidence.other_given[position].ravel()[places]
    if not np.all(np.isfinite(columns)):
        return View(position, places, given[None], numeric[None], tolerance[None], None)
    slack = 4 * evidence.error[position].ravel()[places] + 10 * evidence.rtol * np.maximum(
        np.abs(second), np.abs(other)
    )
    slack = slack + 1e-8 * size
    return View(
        position,
        places,
        np.array([given, other]),
        np.array([numeric, second]),
        np.array([tolerance, slack]),
        columns,
    )
