"""Real coordinates: a complex array becomes a real one with a last axis (real, imaginary).

All numeric work of a check uses real coordinates, so complex numbers need no extra rules. The
gradient of x + iy is ∂L/∂x + i·∂L/∂y, and a cotangent g weights an output y as Re(conj(g)·y). With
these conventions the coordinates of gradients and cotangents match those of the arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..core.arrays import Array


def coordinates(value: Array) -> np.ndarray:
    """Return the real coordinates of an array, in float64 or wider."""
    array = np.asarray(value)
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag], axis=-1)
    return array if array.dtype == np.longdouble else array.astype(np.float64)


def from_coordinates(values: Array, is_complex: bool) -> Any:
    """Return the array with these coordinates; a copy if it is complex."""
    if not is_complex:
        return values[()]
    array = np.asarray(values)
    return (array[..., 0] + 1j * array[..., 1])[()]


def sizes_of(x: np.ndarray) -> np.ndarray:
    """Return the size of each entry, as a unit for moving it; an entry of 0 gets the largest size.

    If all entries are 0, the sizes are 1.
    """
    sizes = np.abs(x)
    return np.where(x != 0, sizes, sizes.max(initial=0.0) or 1.0)


def norm(*arrays: np.ndarray) -> float:
    """Return the Euclidean norm of all entries together, even if their squares overflow."""
    square = float(sum(np.vdot(x, x) for x in arrays))
    if 1e-280 < square < 1e280:
        return square**0.5
    size = max((float(np.max(np.abs(x), initial=0.0)) for x in arrays), default=0.0)
    if not 0 < size < np.inf:
        return size
    return size * float(np.sqrt(sum(np.sum((x / size) ** 2) for x in arrays)))
