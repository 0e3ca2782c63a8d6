"""Levels: a constant of a formula that has a few values, as targets have, and had others.

The gradient depends linearly on what such a constant multiplies. The values that it must have had
are solved for, one for each of its own; then the gradient is computed with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ...core.tensor import Tensor
from ..causes import Kind
from .alternatives import Alternative, gives_gradient, recompute_formula
from .faults import FaultTrial
from .formula import place_of
from .patterns import Pattern

MOST_LEVELS = 3
"""Different values of a constant, at most."""

FEWEST = 3
"""Entries of a gradient for each value that is solved for, at least."""


def other_levels(trial: FaultTrial) -> Pattern | None:
    """Return the pattern in which a constant of few values had other ones."""
    formula = trial.formula
    for vertex, place, constant in few_valued_constants(trial):
        if formula.budget.is_spent:
            return None
        try:
            with np.errstate(all="ignore"):
                values = np.unique(constant)
                solved = solve_levels(trial, vertex, place, constant, values)
                if solved is None:
                    continue
                new = solved[np.searchsorted(values, constant)]
                operation = f"{vertex._primitive.name} ({place_of(formula, vertex)})"
                had = ", ".join(f"{b:.6g} for {a:.6g}" for a, b in zip(values, solved, strict=True))
                text = f"the gradient of {{name}} is as if the constant in {operation} had {had}"
                found = Alternative(text, {(vertex.serial, place): new}, {}, {})
                if gives_gradient(trial, found):
                    return Pattern(Kind.TERM, text)
        except Exception:  # values outside of a domain
            continue
    return None


def few_valued_constants(trial: FaultTrial) -> Iterator[tuple[Any, int, np.ndarray]]:
    """Yield the constants of few values, and where they are operands."""
    for vertex in trial.formula.vertices:
        for place, x in enumerate(vertex._operands):
            array = x._value if type(x) is Tensor and not x._requires_grad else x
            if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
                continue
            count = len(np.unique(array))
            if 1 < count <= MOST_LEVELS and array.size > count * FEWEST:
                yield vertex, place, array


def solve_levels(
    trial: FaultTrial, vertex: Any, place: int, constant: np.ndarray, values: np.ndarray
) -> np.ndarray | None:
    """Return the values with which the gradient is nearest to the given one, None if unclear."""
    formula, smooth = trial.formula, trial.smooth
    wanted = trial.residual[smooth]
    if wanted.size < FEWEST * len(values):
        return None
    rows = []
    for level in values:
        moved = constant + (constant == level)
        other = recompute_formula(formula, Alternative("", {(vertex.serial, place): moved}, {}, {}))
        if other is None:
            return None
        formula.budget.spend(2 * len(formula.vertices), trial.largest)
        found = other.pull_back(formula.evidence.weights)[0][trial.position]
        rows.append((found - trial.exact[trial.position])[smooth])
    change, _, rank, _ = np.linalg.lstsq(np.array(rows).T, wanted, rcond=1e-9)
    solved = np.round(values + change, 12) + 0.0  # no −0
    return solved if rank == len(values) else None
