"""Faults in segments: parts of a formula with one input value, such as a sigmoid in several steps.

People write the derivative of such a part as one expression. They may leave it out, evaluate it at
another value, or use the derivative of another function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ...core.forward import Values, key_of
from ...core.tensor import Tensor
from ..causes import Kind
from .faults import Fault, FaultTrial, multiply_by
from .formula import Edge, Formula, add_cotangent, name_of, place_of
from .terms import simple_factors

Rule = tuple[Kind, str, Callable[[Any], Any]]
"""The kind of a mistake, its text, and the function of the cotangent at the end."""

LONGEST = 24
"""A segment with more operations is not used."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Operations from a value to a result of the same shape, without other moving inputs.

    Attributes:
        start, end: the value and the result.
        edges: the edges at which operations use the value.
        inside: the operations.
    """

    start: Tensor
    end: Tensor
    edges: list[Edge]
    inside: list[Any]


@dataclass(slots=True)
class ReplacedDerivative:
    """A fault function that replaces the derivative of a segment.

    Attributes:
        segment: the segment.
        rule: computes the cotangent of the start from the cotangent of the end.
        cotangents: the cotangents of all tensors, while they are carried back.
    """

    segment: Segment
    rule: Callable[[Any], Any]
    cotangents: Values = field(default_factory=dict)

    def __call__(self, vertex: Any, position: int, g: object, gx: object) -> Any:
        """Give everything to the last edge, and nothing to the others."""
        if (vertex.serial, position) != self.segment.edges[0]:
            return np.zeros_like(gx)
        return self.rule(self.cotangents[key_of(self.segment.end)])


def _segments(formula: Formula) -> Iterator[Segment]:
    """Yield the segments of a formula, for each start the longest first."""
    for start in formula.values:
        inside: dict[Any, Any] = {key_of(start): start}
        found = []
        for vertex in formula.vertices:
            if vertex.serial <= start.serial or type(vertex) is not Tensor:
                continue
            operands = [x for x in vertex._operands if type(x) is Tensor and x._requires_grad]
            if not all(key_of(x) in inside for x in operands) or not operands:
                continue
            inside[key_of(vertex)] = vertex
            if vertex.shape == start.shape and len(inside) > 2:
                found.append((vertex, [v for v in inside.values() if v is not start]))
            if len(inside) > LONGEST:
                break
        for end, vertices in reversed(found):
            needed = _operations_behind(end, vertices)
            edges = [
                (v.serial, p) for v in reversed(needed)
                for p, x in enumerate(v._operands)
                if type(x) is Tensor and key_of(x) == key_of(start)
            ]  # fmt: skip
            if edges and len(needed) > 1:
                yield Segment(start, end, edges, needed)


def _operations_behind(end: Tensor, vertices: list[Any]) -> list[Any]:
    """Return the operations that a result depends on."""
    wanted = {end.serial}
    for vertex in reversed(vertices):
        if vertex.serial in wanted:
            wanted |= {x.serial for x in vertex._operands if type(x) is Tensor}
    return [v for v in vertices if v.serial in wanted]


def find_segment_fault(trial: FaultTrial) -> Fault | None:
    """Return the first fault of a segment that is confirmed; common mistakes come first."""
    rows = []
    for segment in _segments(trial.formula):
        g = trial.cotangents.get(key_of(segment.end))
        if key_of(segment.start) in trial.tangents[0] and g is not None and np.ndim(g):
            rows.append((segment, g, _pull_back_through(trial.formula, segment, g)))
    for make in (_missing_derivatives, _coupled_derivatives, _replaced_derivatives):
        for segment, g, right in rows:
            if trial.formula.budget.is_spent:
                return None
            for kind, text, rule in make(trial.formula, segment):
                trial.formula.budget.spend(1, segment.start.size)
                change = trial.along(segment.start, rule(g) - right)
                if not np.all(np.abs(change - trial.wanted) <= trial.allowed):
                    continue
                fault = Fault(
                    kind, text, frozenset(segment.edges), ReplacedDerivative(segment, rule)
                )
                if trial.confirms(fault):
                    return fault
    return None


def _pull_back_through(formula: Formula, segment: Segment, g: np.ndarray) -> np.ndarray:
    """Carry a cotangent back through a segment to its start."""
    found: Values = {key_of(segment.end): g}
    for vertex in reversed(segment.inside):
        for _, x, gx, _ in formula.steps(vertex, found):
            add_cotangent(found, x, gx)
    return found.get(key_of(segment.start), np.zeros(segment.start.shape))


def _segment_words(formula: Formula, segment: Segment) -> tuple[str, str]:
    """Name the derivative of a segment, and its place."""
    end, start = name_of(segment.end, formula), name_of(segment.start, formula)
    where = f"in the gradient of {{name}} ({place_of(formula, segment.end)})"
    return f"the derivative of {end} by {start}", where


def _missing_derivatives(formula: Formula, segment: Segment) -> Iterator[Rule]:
    """Yield a derivative that is missing, or applied twice."""
    what, where = _segment_words(formula, segment)
    yield Kind.TERM, f"{what} is missing {where}: it is not applied", lambda g: g
    twice = f"{what} is applied twice {where}"
    yield (
        Kind.TERM,
        twice,
        lambda g: _pull_back_through(formula, segment, _pull_back_through(formula, segment, g)),
    )


def _replaced_derivatives(formula: Formula, segment: Segment) -> Iterator[Rule]:
    """Yield simple expressions in place of a derivative."""
    what, where = _segment_words(formula, segment)
    for label, v in simple_factors([("u", segment.start._value), ("y", segment.end._value)]):
        hint = "where u is the input and y the result"
        text = f"{label}, {hint}, stands in the place of {what} {where}"
        yield Kind.TERM, text, multiply_by(v)


def _softmax_vjp(g: np.ndarray, y: np.ndarray, axis: int | None) -> np.ndarray:
    """Carry a cotangent back through a softmax over an axis."""
    return y * (g - np.sum(g * y, axis=axis, keepdims=True))


def _coupled_derivatives(formula: Formula, segment: Segment) -> Iterator[Rule]:
    """Yield mistakes with a derivative that is not elementwise, such as that of a softmax."""
    what, where = _segment_words(formula, segment)
    y = segment.end._value
    if np.iscomplexobj(y):
        return
    slope = _pull_back_through(formula, segment, np.ones_like(y))
    unlike = _pull_back_through(
        formula, segment, np.where(np.arange(y.size).reshape(y.shape) % 2, -1.0, 1.0)
    )
    if np.allclose(np.abs(unlike), np.abs(slope), rtol=1e-9, atol=0):
        return
    diagonal = np.zeros(y.size)
    if y.size <= 64:
        for i in range(y.size):
            unit = np.zeros(y.size)
            unit[i] = 1
            diagonal[i] = _pull_back_through(formula, segment, unit.reshape(y.shape)).flat[i]
        values = diagonal.reshape(y.shape)
        text = f"only the diagonal of the Jacobian counts, {what}, {where}: the sum is missing"
        yield Kind.TERM, text, multiply_by(values)
    text = (
        f"y · g stands in the place of {what} {where}: a sum, as in y · (g − Σ g · y), is missing"
    )
    yield Kind.TERM, text, multiply_by(y)
    for axis in range(y.ndim):
        text = f"{what} has its sum over axis {axis}, the wrong axis, {where}"
        yield (
            Kind.TERM, text,
            partial(_softmax_vjp, y=y, axis=axis),
        )  # fmt: skip
    if y.ndim > 1:
        text = f"{what} has its sum over all axes, the wrong ones, {where}"
        yield Kind.TERM, text, partial(_softmax_vjp, y=y, axis=None)
