"""Branches: operations that choose, as a maximum or `np.where`, and a gradient of another choice.

A condition that is not quite the right one gives some entries the gradient of the other branch, or
of both. Each entry then has one of two values: that, or the right one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..causes import Kind
from .faults import FaultTrial, Step
from .formula import Formula, place_of
from .mistakes import CHOOSING, sum_like
from .patterns import Pattern


def other_branch(trial: FaultTrial) -> Pattern | None:
    """Return the pattern in which each wrong entry has the gradient of another choice."""
    evidence, position = trial.formula.evidence, trial.position
    rows = [(evidence.weights, evidence.given[position])]
    if evidence.other_given is not None:
        rows.append((evidence.other_weights, evidence.other_given[position]))
    wrong = evidence.wrong[position] & trial.smooth
    for steps in choices(trial):
        edges = frozenset(step.edge for step in steps)
        for said, alter in (
            ("the other branch", pass_where_not_chosen),
            ("all branches", pass_everything),
        ):
            if trial.formula.budget.is_spent:
                return None
            found = [(trial.pull_back(weights, edges, alter), given) for weights, given in rows]
            if all(trial.same(np.where(wrong, new, given), given) for new, given in found):
                told = name_choices(trial.formula, steps)
                text = f"the gradient of {{name}} is that of {said} of {told}{{where}}"
                text = f"{text}: the condition, or mask, is not the right one"
                return Pattern(Kind.TERM, text, zeros=True)
    return None


def choices(trial: FaultTrial) -> Iterator[list[Step]]:
    """Yield the steps of each operation that chooses, then those of all of them."""
    found: dict[int, list[Step]] = {}
    for step in trial.steps:
        if step.vertex._primitive.name in CHOOSING:
            found.setdefault(step.vertex.serial, []).append(step)
    yield from found.values()
    if len(found) > 1:
        yield [step for steps in found.values() for step in steps]


def pass_where_not_chosen(vertex: Any, position: int, g: Any, gx: Any) -> Any:
    """Give an operand what it gets where it is not chosen."""
    return sum_like(g, gx) - gx


def pass_everything(vertex: Any, position: int, g: Any, gx: Any) -> Any:
    """Give an operand all that comes back."""
    return sum_like(g, gx)


def name_choices(formula: Formula, steps: list[Step]) -> str:
    """Name the operations that choose."""
    vertices = {step.vertex.serial: step.vertex for step in steps}.values()
    names = list(dict.fromkeys(v._primitive.name for v in vertices))
    first = place_of(formula, steps[0].vertex)
    return f"{' and '.join(names)} ({first})"
