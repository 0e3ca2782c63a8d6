"""What users choose, checked where it is given: sizes, dtypes, seeds, functions."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..random import Generator

Seed = int | np.random.Generator | Generator | None


def whole(what: str, value: Any, least: int) -> int:
    """Return an integer of at least `least`.

    Raises:
        ArgumentError: for anything else.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise ArgumentError(f"{what} is {value!r}; expected an integer of at least {least}")
    return number


def floating(dtype: Any) -> np.dtype[Any]:
    """Return a floating-point dtype, in this machine's byte order.

    Raises:
        ArgumentError: for any other, and for what is no dtype.
    """
    try:
        kind = np.dtype(dtype)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"dtype is {dtype!r:.60}; expected float32 or float64") from error
    if kind.kind != "f":
        raise ArgumentError(f"dtype is {kind}; expected float32 or float64")
    return kind if kind.isnative else np.dtype(kind.type)


def generator(seed: Seed) -> np.random.Generator:
    """Return NumPy's generator of a seed; that of a generator is its own.

    Raises:
        ArgumentError: for what NumPy takes for no seed.
    """
    return Generator(seed).numpy


def check_function(what: str, value: Any, expected: str) -> None:
    """Look whether a value is None or can be called.

    Raises:
        ArgumentError: if it is neither.
    """
    if value is not None and not callable(value):
        raise ArgumentError(f"{what} is {value!r:.60}; expected {expected}")
