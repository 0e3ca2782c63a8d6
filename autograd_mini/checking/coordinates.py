"""Real coordinates: a complex array is a real one with a last axis of 2, real and imaginary part.

Everything that is numeric in a check works on them, so complex numbers need no rules of their own:
with ∂L/∂x + i·∂L/∂y for the gradient of x + iy, and Re(conj(g)·y) for what a cotangent g makes of
an output y, coordinates of gradients and cotangents are those of the arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def coordinates(value: Any) -> np.ndarray:
    """Return the real coordinates of an array, at least in float64."""
    array = np.asarray(value)
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    return array if array.dtype == np.longdouble else array.astype(np.float64)


def natural(values: Any, is_complex: bool) -> Any:
    """Return the array of which these are the coordinates: a copy if it is complex."""
    if not is_complex:
        return values[()]
    array = np.asarray(values)
    return (array[..., 0] + 1j * array[..., 1])[()]


def sizes_of(x: np.ndarray) -> np.ndarray:
    """Return the sizes of entries, for moving them by a share: those of 0 as large as the largest.

    If all are 0 they are 1.
    """
    sizes = np.abs(x)
    return np.where(x != 0, sizes, sizes.max(initial=0.0) or 1.0)


def norm(*arrays: np.ndarray) -> float:
    """Return the Euclidean norm of all entries together, also where their squares overflow."""
    size = max((float(np.max(np.abs(x), initial=0.0)) for x in arrays), default=0.0)
    if not 0 < size < np.inf:
        return size
    return size * float(np.sqrt(sum(np.sum((x / size) ** 2) for x in arrays)))
