"""Faults: a mistake made on purpose at one step of a recorded formula, to see what it gives.

A fault changes what one operation passes back to one operand. What that changes in the gradient of
an input, along a direction, is the product of the change with the operand's tangent: one look at a
step tells whether a fault there may be the cause. Those that may are carried back in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...core.forward import Values, key_of
from ...core.tensor import Tensor
from ..causes import Kind
from .evidence import Evidence
from .formula import Alter, Edge, Formula

MOST_SLICES = 32
"""Slices of an input along its first axis that are followed apart, at most."""

Made = Callable[[Formula, "Step"], Iterator["Fault"]]
"""What yields faults of one step."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, and what it passes back to one operand.

    Attributes:
        vertex: the operation.
        position: which of its operands.
        x: the operand.
        g: the cotangent of the result.
        gx: what is passed back.
    """

    vertex: Any
    position: int
    x: Tensor
    g: Any
    gx: Any

    @property
    def edge(self) -> Edge:
        """Where it is."""
        return self.vertex.serial, self.position


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake at some edges of a formula.

    Attributes:
        kind: of the mistake.
        text: it, with {name} for the input, as a sentence.
        edges: where it is made.
        alter: what it makes of a cotangent there.
        factor: by which it multiplies, if it does.
    """

    kind: Kind
    text: str
    edges: frozenset[Edge]
    alter: Alter
    factor: float | None = None


def alter_operand_cotangent(move: Callable[[Any], Any]) -> Alter:
    """Return what changes a cotangent that is passed back."""
    return lambda vertex, position, g, gx: move(gx)


def alter_result_cotangent(move: Callable[[Any], Any]) -> Alter:
    """Return what passes back something that is made of the cotangent of the result."""
    return lambda vertex, position, g, gx: move(g)


def multiply_by(value: Any) -> Callable[[Any], Any]:
    """Return the product with a value."""
    return lambda g: g * value


class FaultTrial:
    """What is compared for one input: its residual, and the tangents along two directions.

    Attributes:
        formula: of the function.
        position: of the input.
        steps: what each operation passes back, for the cotangent of the check.
        largest: how many entries the largest value on the way has.
        residual: the given gradient less the right one.
        direction: the first direction.
        stacked: the tangents of a tensor along both, as rows.
    """

    def __init__(self, formula: Formula, position: int) -> None:
        self.formula, self.position = formula, position
        evidence = formula.evidence
        self.exact, cotangents = formula.pull_back(evidence.weights)
        self.smooth = evidence.smooth(position)
        off = evidence.given[position] - self.exact[position]
        self.residual = np.where(self.smooth, off, 0.0)
        generator = np.random.default_rng(7)
        shape = self.residual.shape
        directions = [generator.uniform(0.5, 1.5, shape) * self.smooth for _ in range(2)]
        directions = [d * generator.choice([-1.0, 1.0], shape) for d in directions]
        self.wanted = np.array([np.sum(self.residual * d) for d in directions])
        self.direction = directions[0]
        self.tangents = [formula.tangents(position, d) for d in directions]
        size = sum(float(np.sum(np.abs(v))) for v in (self.residual, self.exact[position]))
        self.allowed = 1e-6 * np.abs(self.wanted) + 1e-9 * size
        first, second = self.tangents
        self.stacked = {
            key: np.array([np.ravel(first[key]), np.ravel(second[key])]) for key in first
        }
        self.cotangents = cotangents
        self.steps = list(self._steps(cotangents))
        self.largest = max((step.x.size for step in self.steps), default=0)

    def _steps(self, cotangents: Values) -> Iterator[Step]:
        for vertex in self.formula.vertices:
            for place, x, gx, g in self.formula.steps(vertex, cotangents):
                if key_of(x) in self.tangents[0]:
                    yield Step(vertex, place, x, g, gx)

    def along(self, x: Tensor, change: Any) -> np.ndarray:
        """Return what a change of what is passed back to a tensor does along the directions."""
        found = self.stacked[key_of(x)] @ np.ravel(change)
        return np.asarray(found.real if found.dtype.kind == "c" else found)

    def is_promising(self, fault: Fault, step: Step) -> bool:
        """Whether a fault at one step may be the cause."""
        self.formula.budget.spend(2, step.x.size)
        try:
            with np.errstate(all="ignore"):
                changed = fault.alter(step.vertex, step.position, step.g, step.gx)
        except Exception:  # operands that do not fit each other
            return False
        if np.shape(changed) != step.x.shape:
            return False
        change = self.along(step.x, changed - step.gx)
        return bool(np.all(np.abs(change - self.wanted) <= self.allowed))

    def may_be_looped(self, fault: Fault, steps: list[Step]) -> bool:
        """Whether a fault at some turns of a loop may be the cause, by what single turns tell.

        Where no step lies behind another, what they change adds up. Else slices of the input tell
        that move one of the steps, or none.
        """
        steps = [step for step in steps if step.edge in fault.edges]
        rows: list[tuple[list[Step], Values, float]] = []
        if len({key_of(step.x) for step in steps}) == 1:
            rows = [(steps, t, w) for t, w in zip(self.tangents, self.wanted, strict=True)]
        else:
            for tangents, wanted in self.slices:
                moving = [s for s in steps if np.any(tangents.get(key_of(s.x), 0))]
                if len(moving) < 2:
                    rows.append((moving, tangents, wanted))
                if len(rows) == 3:
                    break
        size = float(np.max(self.allowed))
        for chosen, tangents, wanted in rows:
            found = 0.0
            self.formula.budget.spend(len(chosen), steps[0].x.size)
            try:
                with np.errstate(all="ignore"):
                    for s in chosen:
                        change = fault.alter(s.vertex, s.position, s.g, s.gx) - s.gx
                        found += float(np.real(np.sum(change * tangents[key_of(s.x)])))
            except Exception:  # operands that do not fit each other
                return False
            if not abs(found - wanted) <= 1e-6 * abs(wanted) + size:
                return False
        return True

    @cached_property
    def slices(self) -> list[tuple[Values, float]]:
        """The tangents along each slice of the input, and what is off along it, the last first."""
        shape = self.residual.shape
        rows = []
        for k in reversed(range(shape[0] if shape and shape[0] <= MOST_SLICES else 0)):
            direction = np.zeros(shape)
            direction[k] = self.direction[k]
            self.formula.budget.spend(len(self.steps), self.largest)
            tangents = self.formula.tangents(self.position, direction)
            rows.append((tangents, float(np.sum(self.residual * direction))))
        return rows

    def confirms(self, fault: Fault) -> bool:
        """Whether a fault gives every number, for two cotangents if the gradient takes one."""
        evidence = self.formula.evidence
        other = evidence.other_given
        rows = [(evidence.weights, evidence.given)]
        if other is not None:
            rows.append((evidence.other_weights, other))
        for weights, given in rows:
            try:
                with np.errstate(all="ignore"):
                    found = self.pull_back(weights, fault.edges, fault.alter)
            except Exception:  # operands that do not fit each other
                return False
            if not self.same(found, given[self.position]):
                return False
        return True

    def pull_back(
        self, weights: list[np.ndarray], edges: frozenset[Edge], alter: Any
    ) -> np.ndarray:
        """Carry a cotangent back to the input alone, with a mistake at some edges."""
        formula = self.formula
        formula.budget.spend(len(self.steps), self.largest)
        found, _ = formula.pull_back(weights, edges, alter, only=self.tangents[0])
        return found[self.position]

    def same(self, found: np.ndarray, given: np.ndarray) -> bool:
        """Whether a prediction is the given gradient, but for rounding."""
        off = np.abs(found - given)[self.smooth]
        size = np.maximum(np.abs(found), np.abs(given))[self.smooth]
        wrong = np.abs(self.residual).max(initial=0.0)
        slack = 1e-7 * size + 1e-10 * np.max(size, initial=0.0) + 1e-6 * wrong * (size > 0)
        return bool(np.all(off <= np.minimum(slack, 1e-3 * wrong)))


def find_single_fault(trial: FaultTrial, makers: tuple[Made, ...]) -> Fault | None:
    """Return the first fault of single steps that is the cause."""
    for make in makers:
        for step in trial.steps:
            if trial.formula.budget.is_spent:
                return None
            for fault in make(trial.formula, step):
                if trial.is_promising(fault, step) and trial.confirms(fault):
                    return fault
    return None


def suspicious(evidence: Evidence, position: int) -> bool:
    """Whether there is enough to tell one fault from another."""
    return bool(np.all(np.isfinite(evidence.given[position])))
