"""Faults in loops: mistakes at a line that runs several times, such as a step of a recurrence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.tensor import Tensor
from ..causes import Kind
from .array_faults import indexing_faults, operand_faults, reshape_faults
from .faults import BackwardStep, Fault, FaultTrial, alter_operand_cotangent, multiply_by
from .formula import Formula, apply_rules, line_of, name_of, place_of
from .step_faults import array_of, factor_phrase, has_several_operands, missing_derivative_faults

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    if loop.steps[0].vertex._primitive.name != "getitem" or not _is_additive(loop):
        return
    masks = {}
    for step in loop.steps:
        masks[step.vertex.serial] = apply_rules(step.vertex, np.ones_like(step.g))[0] != 0
    for order in (loop.steps, loop.steps[::-1]):
        kept, taken = {}, np.zeros(loop.steps[0].x.shape, bool)
        for step in reversed(order):
            mask = masks[step.vertex.serial]
            kept[step.vertex.serial], taken = mask & ~taken, taken | mask

        def alter(v: Any, p: int, g: Array, gx: Any, kept: Any = kept) -> np.ndarray:
            return np.where(kept[v.serial], gx, 0)

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

            def alter(v: Any, p: int, g: object, gx: Any, a: Any = alters) -> Array:
                return a[v.serial](v, p, g, gx)

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
        used = [_operand_at(step, place) for step in loop.steps]
        if np.ndim(array_of(used[-1])) == 0 and first.x.ndim:
            continue
        for said, values in _replacements(formula, used, count):
            alters = {step.vertex.serial: v for step, v in zip(loop.steps, values, strict=True)}

            def alter(
                v: Tensor,
                p: int,
                g: np.ndarray,
                gx: np.ndarray,
                a: Mapping[object, object] = alters,
                i: int = place,
            ) -> np.ndarray:
                xs = [array_of(x) for x in v._operands]
                new = array_of(a[v.serial])
                if i == len(xs):
                    return apply_rules(v, g, xs, new)[p]
                xs[i] = new
                return apply_rules(v, g, xs)[p]

            text = (
                f"{said.format(name=name_of(used[-1], formula))} in the derivative of "
                f"{loop.describe(formula)} in the gradient of {{name}}, at each step of the loop"
            )
            yield Fault(Kind.TERM, text, loop.edges, alter)


def _operand_at(step: BackwardStep, place: int) -> Any:
    """Return an operand of a step, or its result."""
    operands = step.vertex._operands
    return operands[place] if place < len(operands) else step.vertex


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


def _is_additive(loop: Loop) -> bool:
    """Do all steps of a loop pass back to the same value, so that none depends on another?"""
    return len({id(step.x) for step in loop.steps}) == 1


LOOP_MAKERS: tuple[LoopFaultMaker, ...] = (
    _skipped_turn_faults,
    _overwriting_faults,
    _repeated_rule_faults,
)
"""Generators of loop faults that are tried first; `other_turn_faults` costs more."""
