"""Faults in loops and segments: mistakes at a line that runs several times, or in several steps.

A loop is, for example, a recurrence. A segment is a part of a formula with one input value, such as
a sigmoid in several steps. People write the derivative of such a part as one expression. They may
leave it out, evaluate it at another value, or use the derivative of another function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.forward import Values, key_of
from ...core.tensor import Tensor
from ..report import Kind
from .array_faults import indexing_faults, operand_faults, reshape_faults
from .formula import (
    Edge,
    Formula,
    Vertex,
    add_cotangent,
    apply_rules,
    line_of,
    name_of,
    place_of,
)
from .reductions import simple_factors
from .step_faults import (
    BackwardStep,
    Fault,
    FaultTrial,
    alter_operand_cotangent,
    apply_rules_with,
    array_of,
    factor_phrase,
    has_several_operands,
    missing_derivative_faults,
    multiply_by,
)

if TYPE_CHECKING:
    from ...core.arrays import Array

LoopFaultMaker = Callable[[FaultTrial, "Loop"], Iterator[Fault]]
"""Yields faults of all steps of a loop."""


@dataclass(frozen=True, slots=True)
class Loop:
    """The steps of one operation at one source line and one operand, in recording order."""

    steps: list[BackwardStep]

    @property
    def edges(self) -> frozenset[tuple[int, int]]:
        """The edges of all steps."""
        return frozenset(step.edge for step in self.steps)

    def describe(self, formula: Formula) -> str:
        """Name the operation and its line."""
        step = self.steps[0]
        operand = f", by its operand {step.position + 1}," if has_several_operands(step) else ""
        return f"{step.vertex._primitive.name}{operand} ({place_of(formula, step.vertex)})"


def _loops(trial: FaultTrial) -> list[Loop]:
    """Group the steps that were recorded at the same place of a program."""
    found: dict[Any, list[BackwardStep]] = {}
    for step in sorted(trial.steps, key=lambda step: step.vertex.serial):
        place = trial.formula.sites.get(step.vertex.serial)
        name = step.vertex._primitive.name
        for at in (id(place), line_of(trial.formula, step.vertex), ""):
            found.setdefault((at, name, step.position, step.x.shape), []).append(step)
    rows = {tuple(map(id, steps)): steps for steps in found.values() if len(steps) > 1}
    return [Loop(steps) for steps in rows.values()]


def find_loop_fault(trial: FaultTrial, makers: tuple[LoopFaultMaker, ...]) -> Fault | None:
    """Return the first fault at all steps of a loop that is confirmed."""
    found = _loops(trial)
    for make in makers:
        for loop in found:
            for fault in make(trial, loop):
                if trial.formula.budget.is_spent:
                    return None
                if trial.may_be_looped(fault, loop.steps) and trial.confirms(fault):
                    return fault
    return None


def _skipped_turn_faults(trial: FaultTrial, loop: Loop) -> Iterator[Fault]:
    """Yield faults in which some loop steps pass nothing back, or a wrong factor."""
    told, edges = loop.describe(trial.formula), [step.edge for step in loop.steps]

    def nothing(v: Tensor, p: int, g: Array, gx: Array) -> np.ndarray:
        return np.zeros_like(gx)

    what = f"the gradient of {{name}} is as if the path through {told}"
    for text, chosen in (
        (f"{what} were missing in all {len(edges)} steps: treated as constant", edges),
        (f"{what} were missing in all steps but the last: only the last step counts", edges[:-1]),
        (f"{what} were missing in the last step: the last step is dropped", edges[-1:]),
        (f"{what} were missing in the first step: the first step is dropped", edges[:1]),
        (f"{what} were missing in all steps but the first: only the first counts", edges[1:]),
    ):
        yield Fault(Kind.TERM, text, frozenset(chosen), nothing, 0.0)
    what = f"in the gradient of {{name}}, what comes back through {told} is"
    text = f"{what} of the wrong sign in all {len(edges)} steps: the sign is flipped"
    yield Fault(Kind.SIGN, text, loop.edges, alter_operand_cotangent(multiply_by(-1.0)), -1.0)
    for factor in (2.0, 0.5, float(len(edges)), 1 / len(edges)):
        text = f"{what} {factor_phrase(trial.formula, factor)} in all {len(edges)} steps"
        yield Fault(
            Kind.FACTOR, text, loop.edges, alter_operand_cotangent(multiply_by(factor)), factor
        )


def _overwriting_faults(trial: FaultTrial, loop: Loop) -> Iterator[Fault]:
    """Yield faults in which overlapping parts overwrite each other instead of adding up."""
    if loop.steps[0].vertex._primitive.name != "getitem":
        return
    if any(step.x is not loop.steps[0].x for step in loop.steps):  # one depends on another
        return
    masks = {}
    for step in loop.steps:
        masks[step.vertex.serial] = apply_rules(step.vertex, np.ones_like(step.g))[0] != 0
    for order in (loop.steps, loop.steps[::-1]):
        kept, taken = {}, np.zeros(loop.steps[0].x.shape, bool)
        for step in reversed(order):
            mask = masks[step.vertex.serial]
            kept[step.vertex.serial], taken = mask & ~taken, taken | mask
        alter = lambda v, p, g, gx, kept=kept: np.where(kept[v.serial], gx, 0)
        told = loop.describe(trial.formula)
        text = f"where parts overlap, {told}, they overwrite each other (= in place of +=)"
        text = f"{text} in the gradient of {{name}}: they are not summed"
        yield Fault(Kind.TERM, text, loop.edges, alter)


def _repeated_rule_faults(trial: FaultTrial, loop: Loop) -> Iterator[Fault]:
    """Yield faults of single steps, made at all steps of a loop."""
    for make in (missing_derivative_faults, indexing_faults, operand_faults, reshape_faults):
        rows = [list(make(trial.formula, step)) for step in loop.steps]
        for faults in zip(*rows, strict=False):
            alters = {next(iter(f.edges))[0]: f.alter for f in faults}
            alter = lambda v, p, g, gx, a=alters: a[v.serial](v, p, g, gx)
            text = f"{faults[0].text} (and in the other steps of the loop)"
            yield Fault(faults[0].kind, text, loop.edges, alter, faults[0].factor)


def other_turn_faults(trial: FaultTrial, loop: Loop) -> Iterator[Fault]:
    """Yield faults in which a rule uses the value of another loop step, or another value."""
    formula, first = trial.formula, loop.steps[0]
    name, count = first.vertex._primitive.name, len(loop.steps)
    if first.vertex._primitive.kind == "linear" or type(first.vertex._operands) is not tuple:
        return
    by_linear = first.vertex._primitive.kind == "multilinear" or name in ("multiply", "divide")
    for place in range(len(first.vertex._operands) + 1):
        if place == first.position and by_linear:
            continue
        used = [(*step.vertex._operands, step.vertex)[place] for step in loop.steps]
        if np.ndim(array_of(used[-1])) == 0 and first.x.ndim:
            continue
        for said, values in _replacements(formula, used, count):
            alters = {step.vertex.serial: v for step, v in zip(loop.steps, values, strict=True)}
            alter = lambda v, p, g, gx, a=alters, i=place: apply_rules_with(
                v, g, i, array_of(a[v.serial])
            )[p]
            text = (
                f"{said.format(name=name_of(used[-1], formula))} in the derivative of "
                f"{loop.describe(formula)} in the gradient of {{name}}, at each step of the loop"
            )
            yield Fault(Kind.TERM, text, loop.edges, alter)


def _replacements(
    formula: Formula, used: list[object], count: int
) -> Iterator[tuple[str, list[object]]]:
    """Yield replacements of the values that are used at each loop step."""
    if len({id(x) for x in used}) > 1:
        yield "{name} of the next step (off by one, shifted) is taken", [*used[1:], used[-1]]
        yield "{name} of the step before (off by one, shifted) is taken", [used[0], *used[:-1]]
        yield "{name} of the last step is taken at all steps, not its own,", [used[-1]] * count
        yield "{name} of the first step is taken at all steps, not its own,", [used[0]] * count
        yield "{name} is taken in reversed order of the steps (flipped),", used[::-1]
    shape = np.shape(array_of(used[-1]))
    rows: dict[Any, list[Any]] = {}
    for vertex in formula.vertices:
        if type(vertex) is Tensor and vertex.shape == shape:
            key = id(formula.sites.get(vertex.serial)), vertex._primitive.name
            rows.setdefault(key, []).append(vertex)
    for vertices in rows.values():
        if any(a is b for a, b in zip(vertices, used, strict=False)):
            continue
        if len(vertices) > 1 and any(a is b for a, b in zip(vertices, used[1:], strict=False)):
            other = "the value of the next step (off by one, as h[t] for h[t−1])"
        else:
            other = name_of(vertices[-1], formula)
        if len(vertices) == count and any(a is b for a, b in zip(vertices, used[1:], strict=False)):
            last = "the final value, after the last step,"
            yield f"{last} stands in the place of {{name}}", [vertices[-1]] * count
        if len(vertices) == count:
            yield f"{other} stands in the place of {{name}}", vertices
        if len(vertices) == count + 1:
            yield f"{other} stands in the place of {{name}}", vertices[1:]


LOOP_MAKERS: tuple[LoopFaultMaker, ...] = (
    _skipped_turn_faults,
    _overwriting_faults,
    _repeated_rule_faults,
)
"""Generators of loop faults that are tried first; `other_turn_faults` costs more."""


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

    def __call__(self, vertex: Vertex, position: int, g: object, gx: object) -> Array:
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


def _operations_behind(end: Tensor, vertices: list[Tensor]) -> list[Tensor]:
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
    back = partial(_pull_back_through, formula, segment)
    yield Kind.TERM, twice, lambda g: back(back(g))


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
        yield Kind.TERM, text, partial(_softmax_vjp, y=y, axis=axis)
    if y.ndim > 1:
        text = f"{what} has its sum over all axes, the wrong ones, {where}"
        yield Kind.TERM, text, partial(_softmax_vjp, y=y, axis=None)
