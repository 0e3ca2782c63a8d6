"""Alternatives: the given gradient belongs to a slightly different function.

Operands, parameters or whole operations may differ. A constant with a few values, such as targets,
may have had other values. An operation that chooses, such as a maximum or `np.where`, may have
chosen another branch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.forward import key_of, vertex_of
from ...core.tensor import Tensor
from ..report import Kind
from .formula import Formula, Vertex, name_of, place_of
from .patterns import Pattern
from .step_faults import CHOOSING, BackwardStep, FaultTrial, array_of, sum_like

if TYPE_CHECKING:
    pass

PAIRS = {"max": "min", "min": "max", "maximum": "minimum", "minimum": "maximum", "sum": "mean"}
"""Operations that are mistaken for each other."""


MOST_LEVELS = 3
"""A constant with more different values is not tried."""

FEWEST = 3
"""Gradient entries needed for each value that is solved for."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A different function: operands, parameters or primitives of some operations are changed.

    Attributes:
        text: the difference, with {name} for the input.
        operands: replacements of operands, by serial and place.
        params: other parameters, by serial.
        primitives: other primitives, by serial.
        skipped: for skipped operations, the operand that replaces the result, by serial.
    """

    text: str
    operands: dict[tuple[int, int], Any]
    params: dict[int, Any]
    primitives: dict[int, Any]
    skipped: dict[int, int] = field(default_factory=dict)


def other_function(trial: FaultTrial) -> Pattern | None:
    """Return how the function of the given gradient differs; None if nothing fits."""
    formula = trial.formula
    for alternative in _alternatives(formula):
        if formula.budget.is_spent:
            return None
        try:
            with np.errstate(all="ignore"):
                if _gives_gradient(trial, alternative):
                    return Pattern(Kind.TERM, alternative.text)
        except Exception:  # shapes that do not fit, values outside of a domain
            continue
    return None


def _gives_gradient(trial: FaultTrial, alternative: Alternative) -> bool:
    """Is the gradient of a different function the given gradient?"""
    formula, evidence = trial.formula, trial.formula.evidence
    formula.budget.spend(2 * len(formula.vertices), trial.largest)
    other = _recompute_formula(formula, alternative)
    if other is None:
        return False
    rows = [(evidence.weights, evidence.given)]
    if evidence.other_given is not None:
        rows.append((evidence.other_weights, evidence.other_given))
    return all(
        trial.same(other.pull_back(weights)[0][trial.position], given[trial.position])
        for weights, given in rows
    )


def _recompute_formula(formula: Formula, alternative: Alternative) -> Formula | None:
    """Compute a formula again with some changes; None if the result has another shape."""
    results: dict[Any, Any] = {key_of(x): x for x in formula.leaves}
    vertices = []
    for vertex in formula.vertices:
        serial = vertex.serial
        operands = [results.get(key_of(x), x) if type(x) is Tensor else x for x in vertex._operands]
        for place in range(len(operands)):
            if (serial, place) in alternative.operands:
                operands[place] = alternative.operands[serial, place]
        primitive = alternative.primitives.get(serial, vertex._primitive)
        if serial in alternative.skipped:
            results[serial, 0] = operands[alternative.skipped[serial]]
            continue
        found = primitive(*operands, **alternative.params.get(serial, vertex._params))
        for index, y in enumerate(found if isinstance(found, tuple) else (found,)):
            results[serial, index] = y
            if index == 0 and type(y) is Tensor:
                vertices.append(vertex_of(y))
    outputs = [results[key_of(y)] for y in formula.outputs]
    fitting = all(
        type(a) is Tensor and a.shape == b.shape
        for a, b in zip(outputs, formula.outputs, strict=True)
    )
    if not fitting:
        return None
    return Formula(formula.evidence, formula.leaves, outputs, vertices, {}, formula.budget)


def _alternatives(formula: Formula) -> Iterator[Alternative]:
    """Yield different functions: numbers and masks first, then axes, indices and operations."""
    groups: dict[Any, list[Any]] = {}
    for vertex in formula.vertices:
        key = id(formula.sites.get(vertex.serial)), vertex._primitive.name
        groups.setdefault(key, []).append(vertex)
    for vertices in groups.values():
        yield from _other_operands(formula, vertices)
    for vertices in groups.values():
        yield from _other_params(formula, vertices)
    reducing = [v for v in formula.vertices if "axis" in v._params and "keepdims" in v._params]
    if len(reducing) > 1:
        yield from _other_axes(formula, reducing)


def _other_operands(formula: Formula, vertices: list[Vertex]) -> Iterator[Alternative]:
    """Yield functions in which a constant or an input has another value in one place."""
    first = vertices[0]
    where = f"{first._primitive.name} ({place_of(formula, first)})"
    for place, x in enumerate(first._operands):
        if type(x) is Tensor and x._primitive is not None:
            continue
        if type(x) not in (int, float, Tensor, np.ndarray, np.float64):
            continue
        name = name_of(x, formula)
        array = np.asarray(array_of(x))
        if array.dtype.kind not in "fiub":
            continue
        for said, new in _substitutes(name, array):
            text = f"the gradient of {{name}} is as if {said} in {where}"
            yield Alternative(text, {(v.serial, place): new for v in vertices}, {}, {})


def _substitutes(name: str, x: np.ndarray) -> Iterator[tuple[str, object]]:
    """Yield values that an operand may have by mistake."""
    numbers = x.astype(float)
    yield f"{name} were left out, 0 in its place,", np.zeros_like(numbers)[()]
    yield f"{name} were left out, 1 in its place,", np.ones_like(numbers)[()]
    yield f"{name} had the other sign,", -numbers[()]
    yield f"1 − {name} stood in the place of {name}", 1 - numbers[()]
    if not x.ndim:
        for factor in (2.0, 0.5):
            yield f"{factor * numbers:.6g} stood in the place of {name}", factor * numbers[()]
        for other in (numbers + 1, numbers - 1):
            yield f"{other:.6g} stood in the place of {name}", other[()]
    for axis in range(x.ndim):
        yield f"{name} were reversed along axis {axis}", np.flip(numbers, axis)
        if x.shape[axis] > 2:
            for shift in (1, -1):
                text = f"{name} were shifted by {shift} along axis {axis}, off by one,"
                yield text, np.roll(numbers, shift, axis)
    for i, j in combinations(range(x.ndim), 2):
        if x.shape[i] == x.shape[j] > 1:
            how = "transposed" if x.ndim == 2 else f"transposed (axes {i} and {j} swapped)"
            yield f"{name} were {how}", np.swapaxes(numbers, i, j)


def _other_params(formula: Formula, vertices: list[Vertex]) -> Iterator[Alternative]:
    """Yield functions in which an operation has another axis, index or name."""
    first = vertices[0]
    name, params = first._primitive.name, dict(first._params)
    where = f"({place_of(formula, first)})"
    if "axis" in params and "keepdims" in params:
        yield from _other_axes(formula, vertices)
    if name in PAIRS:
        from ...core.primitive import PRIMITIVES

        other = PRIMITIVES[PAIRS[name]]
        text = (
            f"the gradient of {{name}} is as if {PAIRS[name]} stood in the place of {name} {where}"
        )
        yield Alternative(text, {}, {}, {v.serial: other for v in vertices})
    if name in CHOOSING:
        yield from _skipped_operations(vertices, where)
    if name == "getitem":
        length = np.shape(array_of(first._operands[0]))[:1]
        for said, index in _other_indices(params["index"], length[0] if length else 0):
            text = f"the gradient of {{name}} is as if the index were {said} {where}"
            changed = {v.serial: {**v._params, "index": index} for v in vertices}
            yield Alternative(text, {}, changed, {})


def _skipped_operations(vertices: list[Any], where: str) -> Iterator[Alternative]:
    """Yield functions without an operation that chooses."""
    first = vertices[0]
    for place, x in enumerate(first._operands):
        if type(x) is Tensor and x._requires_grad and x.shape == first.shape:
            text = (
                f"the gradient of {{name}} is as if {first._primitive.name} {where} were left out "
                "altogether, with its mask or limit"
            )
            yield Alternative(text, {}, {}, {}, {v.serial: place for v in vertices})


def _other_axes(formula: Formula, vertices: list[Vertex]) -> Iterator[Alternative]:
    """Yield functions whose reductions use another axis, or all axes."""
    first = vertices[0]
    ndim = np.ndim(array_of(first._operands[0]))
    where = f"{first._primitive.name} ({place_of(formula, first)})"
    for axis in [*[(a,) for a in range(ndim)], tuple(range(ndim))]:
        if axis == tuple(first._params["axis"]):
            continue
        chosen = [
            v
            for v in vertices
            if v._params["axis"] == first._params["axis"]
            and np.ndim(array_of(v._operands[0])) == ndim
        ]
        over = f"axis {axis[0]}, the wrong axis," if len(axis) == 1 < ndim else "all axes"
        text = f"the gradient of {{name}} is as if {where} went over {over}"
        changed = {v.serial: {**v._params, "axis": axis} for v in chosen}
        yield Alternative(text, {}, changed, {})


def _other_indices(index: tuple[int, ...], length: int) -> Iterator[tuple[str, object]]:
    """Yield other indices: neighbours of a number, the other side of a slice."""
    parts = index if isinstance(index, tuple) else (index,)
    for place, part in enumerate(parts):
        for other in _other_parts(part, length):
            new = (*parts[:place], other, *parts[place + 1 :])
            said = f"{_index_text(other)}, not {_index_text(part)},"
            yield said, new if isinstance(index, tuple) else new[0]


def _other_parts(part: int, length: int) -> Iterator[int | slice]:
    """Yield replacements of a number or a slice in an index."""
    if isinstance(part, (int, np.integer)) and not isinstance(part, bool):
        yield from (k for k in (0, -1, part + 1, part - 1) if k != part)
    elif isinstance(part, slice) and part.step in (None, 1):
        start, stop = part.start, part.stop
        if start and stop is None:
            yield from (slice(None, start), slice(None, -start))
        if start or stop:
            yield slice(None, None)
        if stop and start is None:
            yield from (slice(stop, None), slice(-stop, None))


def _index_text(part: int | slice) -> str:
    """Write a part of an index."""
    if not isinstance(part, slice):
        return str(part)
    return ":".join("" if x is None else str(x) for x in (part.start, part.stop))


def other_levels(trial: FaultTrial) -> Pattern | None:
    """Return the pattern of a constant with a few values that had other values.

    The gradient is linear in the factor of such a constant. The values are found by least squares,
    one for each value of the constant; then the gradient is computed with them.
    """
    formula = trial.formula
    for vertex, place, constant in _few_valued_constants(trial):
        if formula.budget.is_spent:
            return None
        try:
            with np.errstate(all="ignore"):
                values = np.unique(constant)
                solved = _solve_levels(trial, vertex, place, constant, values)
                if solved is None:
                    continue
                new = solved[np.searchsorted(values, constant)]
                operation = f"{vertex._primitive.name} ({place_of(formula, vertex)})"
                had = ", ".join(f"{b:.6g} for {a:.6g}" for a, b in zip(values, solved, strict=True))
                text = f"the gradient of {{name}} is as if the constant in {operation} had {had}"
                found = Alternative(text, {(vertex.serial, place): new}, {}, {})
                if _gives_gradient(trial, found):
                    return Pattern(Kind.TERM, text)
        except Exception:  # values outside of a domain
            continue
    return None


def _few_valued_constants(trial: FaultTrial) -> Iterator[tuple[Vertex, int, np.ndarray]]:
    """Yield constants with few values, and the operations that use them."""
    for vertex in trial.formula.vertices:
        for place, x in enumerate(vertex._operands):
            array = x._value if type(x) is Tensor and not x._requires_grad else x
            if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
                continue
            count = len(np.unique(array))
            if 1 < count <= MOST_LEVELS and array.size > count * FEWEST:
                yield vertex, place, array


def _solve_levels(
    trial: FaultTrial, vertex: Vertex, place: int, constant: np.ndarray, values: np.ndarray
) -> np.ndarray | None:
    """Return the values whose gradient is closest to the given one; None if unclear."""
    formula, smooth = trial.formula, trial.smooth
    wanted = trial.residual[smooth]
    if wanted.size < FEWEST * len(values):
        return None
    rows = []
    for level in values:
        moved = constant + (constant == level)
        other = _recompute_formula(
            formula, Alternative("", {(vertex.serial, place): moved}, {}, {})
        )
        if other is None:
            return None
        formula.budget.spend(2 * len(formula.vertices), trial.largest)
        found = other.pull_back(formula.evidence.weights)[0][trial.position]
        rows.append((found - trial.exact[trial.position])[smooth])
    change, _, rank, _ = np.linalg.lstsq(np.array(rows).T, wanted, rcond=1e-9)
    solved = np.round(values + change, 12) + 0.0  # no −0
    return solved if rank == len(values) else None


def other_branch(trial: FaultTrial) -> Pattern | None:
    """Return the pattern of wrong entries with the gradient of another choice.

    A wrong condition gives some entries the gradient of the other branch, or of both.
    """
    evidence, position = trial.formula.evidence, trial.position
    rows = [(evidence.weights, evidence.given[position])]
    if evidence.other_given is not None:
        rows.append((evidence.other_weights, evidence.other_given[position]))
    wrong = evidence.wrong[position] & trial.smooth
    for steps in _choices(trial):
        edges = frozenset(step.edge for step in steps)
        for said, alter in (
            ("the other branch", lambda v, p, g, gx: sum_like(g, gx) - gx),
            ("all branches", lambda v, p, g, gx: sum_like(g, gx)),
        ):
            if trial.formula.budget.is_spent:
                return None
            found = [(trial.pull_back(weights, edges, alter), given) for weights, given in rows]
            if all(trial.same(np.where(wrong, new, given), given) for new, given in found):
                told = _name_choices(trial.formula, steps)
                text = f"the gradient of {{name}} is that of {said} of {told}{{where}}"
                text = f"{text}: the condition, or mask, is not the right one"
                return Pattern(Kind.TERM, text, zeros=True)
    return None


def _choices(trial: FaultTrial) -> Iterator[list[BackwardStep]]:
    """Yield the steps of each operation that chooses, then of all of them."""
    found: dict[int, list[BackwardStep]] = {}
    for step in trial.steps:
        if step.vertex._primitive.name in CHOOSING:
            found.setdefault(step.vertex.serial, []).append(step)
    yield from found.values()
    if len(found) > 1:
        yield [step for steps in found.values() for step in steps]


def _name_choices(formula: Formula, steps: list[BackwardStep]) -> str:
    """Name the operations that choose."""
    vertices = {step.vertex.serial: step.vertex for step in steps}.values()
    names = list(dict.fromkeys(v._primitive.name for v in vertices))
    first = place_of(formula, steps[0].vertex)
    return f"{' and '.join(names)} ({first})"
