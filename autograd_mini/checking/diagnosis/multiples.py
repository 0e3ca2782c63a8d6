"""Multiples: what comes back at a step is multiplied by a value of the formula, or divided by one.

All values of a formula are tried at once, as the rows of a matrix: a step costs two products.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...core.forward import key_of
from ..causes import Kind
from .faults import Fault, FaultTrial, Step, alter_operand_cotangent, multiply_by
from .formula import Formula, name_of, place_of
from .mistakes import array_of, is_factor, sum_like
from .terms import axes_to_expand

POWERS = ((1.0, -1.0), (2.0, -2.0, 0.5, -0.5))
"""Powers of a value, the usual ones first."""

MOST_ENTRIES = 4_000_000
"""Numbers of a matrix of values, at most."""

ROWS = 16
"""Values that cost about as much as one rule."""


def value_factor_faults(trial: FaultTrial) -> Iterator[Fault]:
    """Yield the faults in which a value multiplies or divides once too often, and may be it."""
    for powers in POWERS:
        for step in trial.steps:
            if trial.formula.budget.is_spent:
                return
            for number, power in fitting_values(trial, step, powers):
                yield value_factor_fault(trial.formula, step, trial.formula.values[number], power)


def replaced_factor_faults(trial: FaultTrial) -> Iterator[Fault]:
    """Yield the faults in which another value stands in the place of a factor, and may be it."""
    for powers in POWERS:
        for step in trial.steps:
            if trial.formula.budget.is_spent:
                return
            if is_factor(step) and np.size(array_of(step.vertex._operands[1 - step.position])):
                for number, power in fitting_values(trial, step, powers, whole=True):
                    yield replaced_factor_fault(
                        trial.formula, step, trial.formula.values[number], power
                    )


def fitting_values(
    trial: FaultTrial, step: Step, powers: tuple[float, ...], whole: bool = False
) -> Iterator[tuple[int, float]]:
    """Yield the values and powers that explain what is off along both directions.

    Args:
        trial: what has to be explained.
        step: where.
        powers: of values.
        whole: whether a value multiplies the cotangent of the result, not what is passed back.
    """
    shape = step.vertex.shape if whole else step.x.shape
    numbers, values = values_like(trial.formula, shape)
    if not numbers or step.x.dtype.kind == "c":
        return
    tangents = [np.broadcast_to(t[key_of(step.x)], shape) for t in trial.tangents]
    along = [np.ravel((step.g if whole else step.gx) * t) for t in tangents]
    wanted = trial.wanted + trial.along(step.x, step.gx)
    for power in powers:
        trial.formula.budget.spend(1 + len(numbers) / ROWS, values.shape[1])
        with np.errstate(all="ignore"):
            matrix = values ** abs(power)  # by 1, 2 and 0.5 ten times as fast as by others
            if power < 0:
                np.divide(1.0, matrix, matrix)
            close = np.ones(len(numbers), bool)
            for row, want, allowed in zip(along, wanted, trial.allowed, strict=True):
                close &= np.abs(matrix @ row - want) <= allowed
        yield from ((numbers[k], power) for k in np.flatnonzero(close))


def values_like(formula: Formula, shape: tuple[int, ...]) -> tuple[list[int], np.ndarray]:
    """Return the places of the values that broadcast to a shape, and them as rows of a matrix."""
    key = "values like", shape
    if key not in formula.memo:
        size = int(np.prod(shape))
        numbers: list[int] = []
        rows: list[np.ndarray] = []
        for number, x in enumerate(formula.values):
            whole = broadcast_value(x._value, shape)
            if whole is not None and (len(rows) + 1) * size <= MOST_ENTRIES:
                numbers.append(number)
                rows.append(np.ravel(whole))
        formula.memo[key] = numbers, np.array(rows, float).reshape(-1, size)
    found: tuple[list[int], np.ndarray] = formula.memo[key]
    return found


def broadcast_value(x: Any, shape: tuple[int, ...]) -> Any:
    """Broadcast a real value, perhaps one whose reduced axes are gone, to a shape; None if not."""
    if np.asarray(x).dtype.kind == "c" or np.ndim(x) > len(shape):
        return None
    for own in (np.shape(x), axes_to_expand(np.shape(x), shape)):
        try:
            return np.broadcast_to(np.reshape(x, own), shape)
        except ValueError:
            continue
    return None


def value_factor_fault(formula: Formula, step: Step, other: Any, power: float) -> Fault:
    """Return the fault of a power of a value at a step."""
    named = power_text(name_of(other, formula), abs(power))
    verb, hint = "multiplied", "a division by it"
    if power < 0:
        verb, hint = "divided", "a factor of it"
    text = (
        f"what comes back through {step.vertex._primitive.name} "
        f"({place_of(formula, step.vertex)}) is {verb} by {named} by mistake, or {hint} is "
        "missing, in the gradient of {name}"
    )
    with np.errstate(all="ignore"):
        value = broadcast_value(other._value, step.x.shape) ** power
    return Fault(
        Kind.TERM, text, frozenset([step.edge]), alter_operand_cotangent(multiply_by(value))
    )


def replaced_factor_fault(formula: Formula, step: Step, other: Any, power: float) -> Fault:
    """Return the fault of a power of a value in the place of a factor, or of what divides."""
    vertex, name = step.vertex, step.vertex._primitive.name
    right = name_of(vertex._operands[1 - step.position], formula)
    named = power_text(name_of(other, formula), power if name == "multiply" else -power)
    text = (
        f"{named} stands in the place of {right} in the derivative of {name}, in the gradient of "
        f"{{name}} at {place_of(formula, vertex)}"
    )
    with np.errstate(all="ignore"):
        factor = broadcast_value(other._value, vertex.shape) ** power

    def alter(v: Any, position: int, g: Any, gx: Any) -> Any:
        return sum_like(g * factor, gx)

    return Fault(Kind.TERM, text, frozenset([step.edge]), alter)


def power_text(name: str, power: float) -> str:
    """Write a power of a value."""
    words = {1.0: "", 2.0: "the square of ", 0.5: "the root of "}
    text = words[abs(power)] + name
    return text if power > 0 else f"1/({text})"
