"""Norm, mean and standard deviation of arrays, for all pictures.

They are computed in float64, after a division by a power of two near the largest number. So no
square overflows or underflows, whatever the dtype of the array is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Numbers


def norm(value: Numbers) -> float:
    """Return the Euclidean length of all elements.

    >>> norm(np.array([3.0, 4.0])), 4e200 < norm(np.array([3e200, 4e200])) < 6e200
    (5.0, True)
    """
    with np.errstate(all="ignore"):
        lengths, exponent = _scale_down(_flatten_to_float64(value))
        return float(np.ldexp(np.sqrt(np.sum(np.square(lengths))), exponent))


def mean_and_deviation(value: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation of one real number or more.

    >>> mean_and_deviation(np.array([1e200, 3e200]))
    (2e+200, 1e+200)
    """
    with np.errstate(all="ignore"):
        numbers, exponent = _scale_down(_flatten_to_float64(value))
        mean, deviation = np.mean(numbers), np.std(numbers)
        return float(np.ldexp(mean, exponent)), float(np.ldexp(deviation, exponent))


def _flatten_to_float64(value: object) -> np.ndarray:
    """Return the elements as a 1-d float64 array; a complex number gives its two parts."""
    row = np.ravel(np.asarray(value))
    if row.dtype.kind == "c":
        return row.astype(np.complex128).view(np.float64)
    return row.astype(np.float64)


def _scale_down(numbers: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the numbers divided by a power of two, all below 1, and its exponent."""
    largest = np.max(np.abs(numbers), initial=0.0)
    if largest == 0 or not np.isfinite(largest):
        return numbers, 0
    exponent = int(np.frexp(largest)[1])
    return np.ldexp(numbers, -exponent), exponent
