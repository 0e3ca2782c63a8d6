"""Faults: insert a mistake at one step of a recorded formula, and compare its effect.

A fault changes the cotangent that one operation passes back to one operand. Along a direction, its
effect on the gradient of an input is the product of that change with the tangent of the operand. So
one look at a step tells whether a fault there is possible. Possible faults are then carried back in
full.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.forward import Values, key_of
from ...core.tensor import Tensor
from ..causes import Kind
from .formula import Alter, Edge, Formula

if TYPE_CHECKING:
    from ...core.arrays import Array

MOST_SLICES = 32
"""An input with more slices along its first axis is not split into slices."""

ArrayMove = Callable[[Any], "Array"]
"""Computes an array from another one."""

FaultMaker = Callable[[Formula, "BackwardStep"], Iterator["Fault"]]
"""Yields faults of one step."""


@dataclass(frozen=True, slots=True)
class BackwardStep:
    """One operation, and the cotangent that it passes back to one operand.

    Attributes:
        vertex: the operation.
        position: the position of the operand.
        x: the operand.
        g: the cotangent of the result.
        gx: the cotangent that is passed back.
    """

    vertex: Any
    position: int
    x: Tensor
    g: Any
    gx: Any

    @property
    def edge(self) -> Edge:
        """The edge of the graph: operation and operand."""
        return self.vertex.serial, self.position


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake at some edges of a formula.

    Attributes:
        kind: the kind of mistake.
        text: the mistake as a sentence, with {name} for the input.
        edges: the edges where it is made.
        alter: computes the wrong cotangent at an edge.
        factor: the factor, if it multiplies by a constant.
    """

    kind: Kind
    text: str
    edges: frozenset[Edge]
    alter: Alter
    factor: float | None = None


def alter_operand_cotangent(move: ArrayMove) -> Alter:
    """Return a fault function that changes the cotangent passed back."""
    return lambda vertex, position, g, gx: move(gx)


def alter_result_cotangent(move: ArrayMove) -> Alter:
    """Return a fault function that passes back a function of the result's cotangent."""
    return lambda vertex, position, g, gx: move(g)


def multiply_by(value: object) -> ArrayMove:
    """Return a function that multiplies by a value."""
    return lambda g: g * value


LONE = 1e-4
"""A mistake at a step makes at least this share of as many entries wrong."""


class FaultTrial:
    """Compares faults for one input: its residual, and the tangents along two directions.

    Attributes:
        formula: the formula of the function.
        position: the position of the input.
        steps: all steps between the input and the results, for the cotangent of the check.
        largest: the size of the largest value between them.
        residual: the given gradient minus the right one.
        direction: the first direction.
        stacked: the tangents of each tensor along both directions, as rows.
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

    def _steps(self, cotangents: Values) -> Iterator[BackwardStep]:
        for vertex in self.formula.vertices:
            for place, x, gx, g in self.formula.steps(vertex, cotangents):
                if key_of(x) in self.tangents[0]:
                    yield BackwardStep(vertex, place, x, g, gx)

    def along(self, x: Tensor, change: Array) -> np.ndarray:
        """Return the effect, along the directions, of changing a cotangent passed back."""
        found = self.stacked[key_of(x)] @ np.ravel(change)
        return np.asarray(found.real if found.dtype.kind == "c" else found)

    def _is_promising(self, fault: Fault, step: BackwardStep) -> bool:
        """May a fault at one step be the cause?"""
        self.formula.budget.spend(2, step.x.size)
        try:
            with np.errstate(all="ignore"):
                changed = fault.alter(step.vertex, step.position, step.g, step.gx)
        except Exception:  # the shapes may not fit
            return False
        if np.shape(changed) != step.x.shape:
            return False
        change = self.along(step.x, changed - step.gx)
        return bool(np.all(np.abs(change - self.wanted) <= self.allowed))

    def may_be_looped(self, fault: Fault, steps: list[BackwardStep]) -> bool:
        """May a fault at several steps of a loop be the cause, judged by single steps?

        If no step depends on another, their effects add up. Otherwise slices of the input are used
        that move at most one of the steps.
        """
        steps = [step for step in steps if step.edge in fault.edges]
        rows: list[tuple[list[BackwardStep], Values, float]] = []
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
            except Exception:  # the shapes may not fit
                return False
            if not abs(found - wanted) <= 1e-6 * abs(wanted) + size:
                return False
        return True

    def drop_wide_steps(self) -> None:
        """Forget steps that act on so many entries that a mistake there is unlikely."""
        sizes = np.abs(self.residual)
        wrong = np.count_nonzero(sizes > 1e-6 * sizes.max(initial=0.0))
        self.steps = [step for step in self.steps if LONE * step.x.size <= wrong]

    @cached_property
    def slices(self) -> list[tuple[Values, float]]:
        """The tangents and the residual along each slice of the input, the last slice first."""
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
        """Does a fault give every number, for two cotangents if possible?"""
        evidence = self.formula.evidence
        other = evidence.other_given
        rows = [(evidence.weights, evidence.given)]
        if other is not None:
            rows.append((evidence.other_weights, other))
        for weights, given in rows:
            try:
                with np.errstate(all="ignore"):
                    found = self.pull_back(weights, fault.edges, fault.alter)
            except Exception:  # the shapes may not fit
                return False
            if not self.same(found, given[self.position]):
                return False
        return True

    def pull_back(
        self, weights: list[np.ndarray], edges: frozenset[Edge], alter: Alter
    ) -> np.ndarray:
        """Carry a cotangent back to the input, with a mistake at some edges."""
        formula = self.formula
        formula.budget.spend(len(self.steps), self.largest)
        found, _ = formula.pull_back(weights, edges, alter, only=self.tangents[0])
        return found[self.position]

    def same(self, found: np.ndarray, given: np.ndarray) -> bool:
        """Is a prediction the given gradient, up to rounding?"""
        off = np.abs(found - given)[self.smooth]
        size = np.maximum(np.abs(found), np.abs(given))[self.smooth]
        wrong = np.abs(self.residual).max(initial=0.0)
        slack = 1e-7 * size + 1e-10 * np.max(size, initial=0.0) + 1e-6 * wrong * (size > 0)
        return bool(np.all(off <= np.minimum(slack, 1e-3 * wrong)))


def find_single_fault(trial: FaultTrial, makers: tuple[FaultMaker, ...]) -> Fault | None:
    """Return the first fault at a single step that is confirmed."""
    for make in makers:
        for step in trial.steps:
            if trial.formula.budget.is_spent:
                return None
            for fault in make(trial.formula, step):
                if trial._is_promising(fault, step) and trial.confirms(fault):
                    return fault
    return None
