"""Double precision: wide arrays in the places of a layer's narrow ones, while it is checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from .state import FUNCTIONS, Place, State

WIDE = {"e": np.float64, "f": np.float64, "F": np.complex128}
"""The dtype that stands in for each narrow one, by its character."""


def widen(state: State) -> None:
    """Replace narrow arrays and numbers by copies in double precision, in every place.

    An array stays as it is if it shares memory with another one, or if a place cannot be written.
    `state.restore` puts the narrow ones back.
    """
    groups: dict[int, list[Place]] = {}
    arrays: dict[int, np.ndarray] = {}
    for place in state.places:
        if isinstance(place.value, np.ndarray):
            arrays[id(place.value)] = place.value
        if is_narrow(place.value):
            groups.setdefault(id(place.value), []).append(place)
    for places in groups.values():
        value = places[0].value
        if all(map(can_be_written, places)) and stands_alone(value, arrays):
            wide = widen_value(value)
            for place in places:
                place.write(wide)


def is_narrow(value: Any) -> bool:
    """Whether a value is in less than double precision."""
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype.char in WIDE


def widen_value(value: Any) -> Any:
    """Return an array or number in double precision."""
    return value.astype(WIDE[value.dtype.char]) if is_narrow(value) else value


def can_be_written(place: Place) -> bool:
    """Whether another value can be put in a place."""
    if isinstance(place.owner, (dict, list)):
        return True
    usual = isinstance(place.key, str) and not isinstance(place.owner, FUNCTIONS)
    return usual and hasattr(place.owner, place.key)


def stands_alone(value: Any, arrays: dict[int, np.ndarray]) -> bool:
    """Whether no other array has the same memory."""
    if not isinstance(value, np.ndarray):
        return True
    return not any(np.may_share_memory(value, a) for i, a in arrays.items() if i != id(value))
