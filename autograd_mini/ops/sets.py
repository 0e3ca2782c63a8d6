"""Values as sets: which are different, which are common; each is picked from its first place.

How many there are depends on the values, which are read. The gradient of each value goes to the
first of the equal elements.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.primitive import implements
from ..core.record import scope
from .axes import axis_of
from .picking import take
from .rearranging import plain_value
from .reductions import subject


class UniqueAll(NamedTuple):
    """What np.unique_all returns."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCounts(NamedTuple):
    """What np.unique_counts returns."""

    values: Any
    counts: Any


class UniqueInverse(NamedTuple):
    """What np.unique_inverse returns."""

    values: Any
    inverse_indices: Any


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """Return the different elements, or slices along an axis.  ∂ar: g at the first of each."""
    x = subject(ar)
    values = plain_value("np.unique", x)
    asked: Any = (True, return_inverse, return_counts, axis)
    # NumPy sorts wherever it is asked for the first places, and knew no `sorted` before 2.3.
    _, first, *rest = np.unique(values, *asked, equal_nan=equal_nan)
    y = take(x, first) if axis is None else take(x, first, axis_of("unique", x, axis))
    found = [y, *([first] if return_index else []), *rest]
    return tuple(found) if len(found) > 1 else y


@implements(np.unique_values)
def unique_values(x: Any) -> Any:
    """Return the different elements, NaN each for itself.  ∂x: g at the first of each."""
    return unique(x, equal_nan=False, sorted=False)


@implements(np.unique_counts)
def unique_counts(x: Any) -> Any:
    """Return the different elements and how often each is there.  ∂x: g at the first of each."""
    return UniqueCounts(*unique(x, return_counts=True, equal_nan=False))


@implements(np.unique_inverse)
def unique_inverse(x: Any) -> Any:
    """Return the different elements and the number of each element.  ∂x: g at the first of each."""
    return UniqueInverse(*unique(x, return_inverse=True, equal_nan=False))


@implements(np.unique_all)
def unique_all(x: Any) -> Any:
    """Return the different elements, their places, numbers and counts.  ∂x: g at the first."""
    return UniqueAll(*unique(x, True, True, True, equal_nan=False))


@implements(np.union1d)
@scope("union1d")
def union1d(ar1: Any, ar2: Any) -> Any:
    """Return the different elements of both.  ∂: g at the first of each."""
    return unique(np.concatenate([np.ravel(subject(ar1)), np.ravel(subject(ar2))]))


@implements(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    """Return the elements that both have.  ∂ar1: g at the first of each  ∂ar2: 0."""
    x, other = subject(ar1), subject(ar2)
    _, first, second = np.intersect1d(
        plain_value("np.intersect1d", x), plain_value("np.intersect1d", other), assume_unique, True
    )
    y = take(x, first).astype(np.result_type(x.dtype, other.dtype))
    return (y, first, second) if return_indices else y


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Return the elements that only the first has.  ∂ar1: g at the first of each."""
    x = np.ravel(subject(ar1)) if assume_unique else unique(ar1)
    inside = np.isin(plain_value("np.setdiff1d", x), plain_value("np.setdiff1d", subject(ar2)))
    return take(x, np.flatnonzero(~inside))


@implements(np.setxor1d)
@scope("setxor1d")
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    """Return the elements that only one of both has.  ∂: g at the first of each."""
    x, other = (np.ravel(subject(a)) if assume_unique else unique(a) for a in (ar1, ar2))
    return unique(np.concatenate([setdiff1d(x, other, True), setdiff1d(other, x, True)]))
