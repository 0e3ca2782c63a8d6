"""Numbers that users choose, checked: rates, coefficients in a range, lengths."""

from __future__ import annotations

import math

from ..core.arrays import as_array
from ..errors import ArgumentError, OperandError


def checked_rate(lr: object) -> float:
    """Return a learning rate as a float.

    Raises:
        ArgumentError: if it is not a number of at least 0.
    """
    try:
        value = as_array(lr)
    except OperandError as error:
        cure = (
            ". Give a schedule to the training, as model.fit(x, y, schedule=…), or set "
            "optimizer.lr = schedule(optimizer.steps) before each step"
        )
        raise ArgumentError(
            f"the learning rate is {lr!r:.60}; expected one number{cure if callable(lr) else ''}"
        ) from error
    if value.ndim:
        raise ArgumentError(f"the learning rate has shape {value.shape}; expected one number")
    if value.dtype.kind == "c":
        raise ArgumentError(f"the learning rate is {lr!r}; expected one real number")
    return within("the learning rate", float(value), math.inf)


def within(name: str, value: float, end: float) -> float:
    """Return a value as a float.

    Raises:
        ArgumentError: if it is not in [0, end).
    """
    try:
        inside = bool(0 <= value < end)
    except (TypeError, ValueError):  # text, None, several numbers
        inside = False
    if not inside:
        expected = "at least 0 and finite" if end == math.inf else f"in [0, {end:g})"
        raise ArgumentError(f"{name} is {value!r:.60}; expected a number {expected}")
    return float(value)


def positive(name: str, value: float, unit: str = "") -> float:
    """Return a number above 0, as it is.

    Raises:
        ArgumentError: for anything else; its text says "a number of steps" with that unit.
    """
    try:
        above = bool(value > 0)
    except (TypeError, ValueError):  # text, None, several numbers
        above = False
    if not above:
        counted = f"a number of {unit}" if unit else "a number"
        raise ArgumentError(f"{name} is {value!r:.60}; expected {counted} above 0")
    return value
