"""Faults: a mistake made on purpose at one step of a recorded formula, to see what it gives.

A fault changes what one operation passes back to one operand. What that changes in the gradient of
an input, along a direction, is the product of the change with the operand's tangent: one look at a
step tells whether a fault there may be the cause. Those that may are carried back in full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ...forward import Values, key_of
from ...tensors import Tensor
from ..causes import Kind
from .evidence import Evidence
from .formula import Alter, Edge, Formula

PATIENCE = 1.0
"""Seconds after which no further fault is looked at."""

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


def moved(move: Callable[[Any], Any]) -> Alter:
    """Return what changes a cotangent that is passed back."""
    return lambda vertex, position, g, gx: move(gx)


def taken(move: Callable[[Any], Any]) -> Alter:
    """Return what passes back something that is made of the cotangent of the result."""
    return lambda vertex, position, g, gx: move(g)


def times_value(value: Any) -> Callable[[Any], Any]:
    """Return the product with a value."""
    return lambda g: g * value


class Trial:
    """What is compared for one input: its residual, and the tangents along two directions.

    Attributes:
        formula: of the function.
        position: of the input.
        steps: what each operation passes back, for the cotangent of the check.
        residual: the given gradient less the right one.
    """

    def __init__(self, formula: Formula, position: int) -> None:
        self.formula, self.position = formula, position
        evidence = formula.evidence
        self.exact, cotangents = formula.pulled(evidence.weights)
        self.smooth = evidence.smooth(position)
        off = evidence.given[position] - self.exact[position]
        self.residual = np.where(self.smooth, off, 0.0)
        generator = np.random.default_rng(7)
        shape = self.residual.shape
        directions = [generator.uniform(0.5, 1.5, shape) * self.smooth for _ in range(2)]
        directions = [d * generator.choice([-1.0, 1.0], shape) for d in directions]
        self.wanted = np.array([np.sum(self.residual * d) for d in directions])
        self.tangents = [formula.tangents(position, d) for d in directions]
        size = sum(float(np.sum(np.abs(v))) for v in (self.residual, self.exact[position]))
        self.allowed = 1e-6 * np.abs(self.wanted) + 1e-9 * size
        self.cotangents = cotangents
        self.steps = list(self._steps(cotangents))

    def _steps(self, cotangents: Values) -> Iterator[Step]:
        for vertex in self.formula.vertices:
            for place, x, gx, g in self.formula.steps(vertex, cotangents):
                if key_of(x) in self.tangents[0]:
                    yield Step(vertex, place, x, g, gx)

    def along(self, x: Tensor, change: Any) -> np.ndarray:
        """Return what a change of what is passed back to a tensor does along the directions."""
        rows = [t[key_of(x)] for t in self.tangents]
        return np.array([float(np.real(np.sum(change * row))) for row in rows])

    def promising(self, fault: Fault, step: Step) -> bool:
        """Whether a fault at one step may be the cause."""
        try:
            with np.errstate(all="ignore"):
                changed = fault.alter(step.vertex, step.position, step.g, step.gx)
        except Exception:  # operands that do not fit each other
            return False
        if np.shape(changed) != step.x.shape:
            return False
        change = self.along(step.x, changed - step.gx)
        return bool(np.all(np.abs(change - self.wanted) <= self.allowed))

    def confirmed(self, fault: Fault) -> bool:
        """Whether a fault gives every number, for two cotangents if the gradient takes one."""
        evidence = self.formula.evidence
        other = evidence.other_given
        rows = [(evidence.weights, evidence.given)]
        if other is not None:
            rows.append((evidence.other_weights, other))
        for weights, given in rows:
            try:
                with np.errstate(all="ignore"):
                    found, _ = self.formula.pulled(weights, fault.edges, fault.alter)
            except Exception:  # operands that do not fit each other
                return False
            if not self.same(found[self.position], given[self.position]):
                return False
        return True

    def same(self, found: np.ndarray, given: np.ndarray) -> bool:
        """Whether a prediction is the given gradient, but for rounding."""
        off = np.abs(found - given)[self.smooth]
        size = np.maximum(np.abs(found), np.abs(given))[self.smooth]
        wrong = np.abs(self.residual).max(initial=0.0)
        slack = 1e-7 * size + 1e-10 * np.max(size, initial=0.0) + 1e-6 * wrong * (size > 0)
        return bool(np.all(off <= np.minimum(slack, 1e-3 * wrong)))


def search(trial: Trial, makers: tuple[Made, ...]) -> Fault | None:
    """Return the first fault of single steps that is the cause."""
    for make in makers:
        for step in trial.steps:
            if perf_counter() - trial.formula.started > PATIENCE:
                return None
            for fault in make(trial.formula, step):
                if trial.promising(fault, step) and trial.confirmed(fault):
                    return fault
    return None


def suspicious(evidence: Evidence, position: int) -> bool:
    """Whether there is enough to tell one fault from another."""
    return bool(np.all(np.isfinite(evidence.given[position])))
