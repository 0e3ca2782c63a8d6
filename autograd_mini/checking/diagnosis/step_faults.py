"""Faults at one step of a formula: a missing path, a forgotten derivative, a wrong factor.

A fault changes the cotangent that one operation passes back to one operand. Along a direction, its
effect on the gradient of an input is the product of that change with the tangent of the operand. So
one look at a step tells whether a fault there is possible. Possible faults are then carried back in
full.

For factors that are values of the formula, all values are tried at once as the rows of a matrix, so
that a step costs two products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.forward import Values, key_of
from ...core.tensor import Tensor
from ..report import Kind
from .formula import Alter, Edge, Formula, Vertex, apply_rules, name_of, place_of
from .reductions import axes_to_expand

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

    @property
    def edges(self) -> frozenset[Edge]:
        """The same, as the edges of a fault."""
        return frozenset([self.edge])


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


PASSED = ("add", "subtract", "negative", "positive", "alias", "copy", "real", "reshape", "cast")
"""Operations whose derivative is not a factor that can be forgotten."""

CHOOSING = ("maximum", "minimum", "fmax", "fmin", "where", "clip", "relu", "absolute")
"""Operations that pass a cotangent on only in some places, or with a sign."""


POWERS = ((1.0, -1.0), (2.0, -2.0, 0.5, -0.5))
"""Powers of a value, the most common first."""

MOST_ENTRIES = 4_000_000
"""Largest size of the matrix of values."""

ROWS = 16
"""This many values cost about as much as one rule."""


def fitting_factors(trial: FaultTrial) -> Iterator[tuple[float, BackwardStep]]:
    """Yield steps where a factor explains the error along both directions, with the factor."""
    for step in trial.steps:
        along = trial.along(step.x, step.gx)
        if np.any(np.abs(along) <= 1e-12 * np.abs(trial.wanted)) or not np.all(along):
            continue
        ratios = trial.wanted / along
        if abs(ratios[0] - ratios[1]) <= 1e-6 * abs(ratios[0]):
            factor = float(1 + ratios[0])
            yield (0.0 if abs(factor) < 1e-6 else factor), step


def factor_fault(trial: FaultTrial, factor: float, step: BackwardStep) -> Fault:
    """Return the fault of a factor at a step: 0, -1, a length, or any other."""

    def alter(vertex: Tensor, position: int, g: Array, gx: Array) -> np.ndarray:
        return factor * gx if factor else np.zeros_like(gx)

    path, edges = _path_text(trial.formula, step), step.edges
    if factor == 0:
        text = f"the gradient of {{name}} lacks the path through {path}: it is treated as constant"
        return Fault(Kind.TERM, text, edges, alter, factor)
    if abs(factor + 1) < 1e-6:
        text = f"the sign of what comes back through {path} is flipped in the gradient of {{name}}"
        return Fault(Kind.SIGN, text, edges, alter, factor)
    what = f"in the gradient of {{name}}, what comes back through {path} is"
    return Fault(
        Kind.FACTOR, f"{what} {factor_phrase(trial.formula, factor)}", edges, alter, factor
    )


def paired_factor_faults(trial: FaultTrial) -> Iterator[Fault]:
    """Yield faults of simple factors at two steps that pass back to the same value."""
    along = [trial.along(step.x, step.gx) for step in trial.steps]
    for i, first in enumerate(trial.steps):
        for j in range(i):
            second = trial.steps[j]
            if first.x is not second.x:
                continue
            matrix = np.array([along[i], along[j]]).T
            if np.linalg.cond(matrix) > 1e8:
                continue
            factors = 1 + np.linalg.solve(matrix, trial.wanted)
            nice = np.round(2 * factors) / 2 + 0.0  # no −0
            if np.any(np.abs(factors - nice) > 1e-6) or np.any(np.abs(nice) > 2):
                continue
            by_edge = {first.edge: nice[0], second.edge: nice[1]}
            alter = lambda v, p, g, gx, k=by_edge: k[v.serial, p] * gx
            a, b = (_path_text(trial.formula, step) for step in (first, second))
            text = (
                f"in the gradient of {{name}}, what comes back through {a} counts {nice[0]:g} "
                f"times, and what comes back through {b} {nice[1]:g} times, not once each: "
                f"one of two uses is taken for the other, or is missing"
            )
            yield Fault(Kind.TERM, text, frozenset(by_edge), alter)


def factor_phrase(formula: Formula, factor: float) -> str:
    """Write a factor, with the lengths that it may come from."""
    values = [*formula.leaves, *formula.outputs]
    lengths = {n for x in values for n in (*x.shape, x.size) if n > 2}
    for n in sorted(lengths):
        if abs(factor * n - 1) < 1e-6:
            return f"divided by {n} by mistake (a mean where a sum is meant?)"
        if abs(factor / n - 1) < 1e-6:
            return f"multiplied by {n} by mistake (a sum where a mean is meant?)"
    return f"multiplied by {factor:.7g} by mistake"


def _path_text(formula: Formula, step: BackwardStep) -> str:
    """Name the operations after a step, as long as the path does not branch."""
    consumers = formula.consumers
    vertex, types = step.vertex, [step.vertex._primitive.name]
    while len(consumers.get(vertex.serial, ())) == 1 and len(types) < 12:
        (vertex,) = consumers[vertex.serial]
        if vertex._primitive.name not in types:
            types.append(vertex._primitive.name)
    listed = types[0] if len(types) == 1 else ", ".join(types[:4])
    operand = f", by its operand {step.position + 1}" if has_several_operands(step) else ""
    return f"{listed}{operand} ({place_of(formula, step.vertex)})"


def has_several_operands(step: BackwardStep) -> bool:
    """Does an operation have several differentiated operands?"""
    return sum(type(x) is Tensor and x._requires_grad for x in step.vertex._operands) > 1


def missing_derivative_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults in which the derivative of an operation is missing, or applied twice."""
    name, vertex = step.vertex._primitive.name, step.vertex
    if vertex._primitive.kind != "elementwise" or name in PASSED:
        return
    where = f"at {place_of(formula, vertex)}"
    operands = vertex._operands
    if name in ("multiply", "divide") and len(operands) == 2:
        other = name_of(operands[1 - step.position], formula)
        what = f"the factor {other}" if name == "multiply" else f"the division by {other}"
        if name == "divide" and step.position:
            what = f"the derivative of 1/({name_of(operands[1], formula)})"
    elif name in CHOOSING:
        what = f"the mask of {name}, 0 where a branch is not taken,"
    else:
        what = f"the derivative of {name}"
    text = f"the gradient of {{name}} is as if {what} were missing {where}: it is not applied"
    yield Fault(Kind.TERM, text, step.edges, lambda v, p, g, gx: sum_like(g, gx))
    twice = f"the gradient of {{name}} is as if {what} were applied twice {where}"
    yield Fault(Kind.TERM, twice, step.edges, lambda v, p, g, gx: apply_rules(v, gx)[p])
    if name in CHOOSING:
        swapped = f"the gradient of {{name}} is as if the branches of {name} were swapped {where}"
        yield Fault(Kind.TERM, swapped, step.edges, lambda v, p, g, gx: sum_like(g, gx) - gx)


def sum_like(g: np.ndarray, gx: Array) -> Array:
    """Sum a cotangent over the axes that were broadcast."""
    extra = np.ndim(g) - np.ndim(gx)
    found = np.sum(g, axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(np.shape(gx)) if n == 1 and found.shape[i] != 1)
    return np.sum(found, axis=axes, keepdims=True) if axes else found


def _is_factor(step: BackwardStep) -> bool:
    """Is the derivative another operand, or 1 divided by it? All values are tried at once."""
    name = step.vertex._primitive.name
    return name == "multiply" or (name == "divide" and step.position == 0)


def wrong_value_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield faults in which a derivative is taken at another value of the formula."""
    vertex, edges = step.vertex, step.edges
    if type(vertex._operands) is not tuple or vertex._primitive.multiple:
        return
    name = vertex._primitive.name
    if vertex._primitive.kind == "linear":
        return
    values = [x._value if type(x) is Tensor else x for x in vertex._operands]
    where = f"in the gradient of {{name}} at {place_of(formula, vertex)}"
    if vertex._primitive.kind == "elementwise" and len(values) == 1:

        def at_result(v: Tensor, p: int, g: np.ndarray, gx: Array) -> Array:
            return apply_rules(v, g, [v._value], v._primitive.forward(v._value, **v._params))[p]

        text = f"the derivative of {name} is evaluated at its result, not at its input, {where}"
        yield Fault(Kind.TERM, text, edges, at_result)
    places = () if _is_factor(step) else (*vertex._operands, vertex)
    for place, x in enumerate(places):
        if np.ndim(array_of(x)) == 0 and step.x.ndim:
            continue
        for other in _same_shape_values(formula, x):
            if name in ("matmul", "einsum") and place == step.position:
                continue  # it is not used
            alter = lambda v, p, g, gx, i=place, o=other: apply_rules_with(v, g, i, array_of(o))[p]
            said = f"{name_of(other, formula)} stands in the place of {name_of(x, formula)}"
            yield Fault(Kind.TERM, f"{said} in the derivative of {name}, {where}", edges, alter)


def apply_rules_with(vertex: Vertex, g: object, place: int, value: object) -> list[Any]:
    """Apply the rules with another value of one operand, or of the result, which is the last."""
    xs = [array_of(x) for x in vertex._operands]
    if place == len(xs):
        return apply_rules(vertex, g, xs, value)
    xs[place] = value
    return apply_rules(vertex, g, xs)


def array_of(x: object) -> Any:
    """Return the array of a tensor."""
    return x._value if type(x) is Tensor else x


def _same_shape_values(formula: Formula, x: object) -> Iterator[Tensor]:
    """Yield the other values of a formula with the same shape."""
    shape = np.shape(array_of(x))
    for other in formula.values:
        if other is not x and other.shape == shape:
            yield other


def exchanged_operand_faults(formula: Formula, step: BackwardStep) -> Iterator[Fault]:
    """Yield the fault in which an operand gets the cotangent of the other one."""
    vertex = step.vertex
    if len(vertex._operands) != 2 or vertex._primitive.name in ("add",):
        return
    a, b = (name_of(x, formula) for x in vertex._operands)

    def alter(v: Tensor, position: int, g: np.ndarray, gx: Array) -> Array:
        return v._primitive.vjp[1 - position](g, v._value, *map(array_of, v._operands))

    text = (
        f"the gradients of {a} and {b} are exchanged in {{name}}'s at {place_of(formula, vertex)}"
    )
    if isinstance(vertex._primitive.vjp, tuple) and all(vertex._primitive.vjp):
        yield Fault(Kind.SWAPPED, text, step.edges, alter)


def value_factor_faults(trial: FaultTrial) -> Iterator[Fault]:
    """Yield faults with one multiplication or division by a value too many."""
    for powers in POWERS:
        for step in trial.steps:
            if trial.formula.budget.is_spent:
                return
            for number, power in _fitting_values(trial, step, powers):
                yield _value_factor_fault(trial.formula, step, trial.formula.values[number], power)


def replaced_factor_faults(trial: FaultTrial) -> Iterator[Fault]:
    """Yield faults in which another value replaces a factor."""
    for powers in POWERS:
        for step in trial.steps:
            if trial.formula.budget.is_spent:
                return
            if _is_factor(step) and np.size(array_of(step.vertex._operands[1 - step.position])):
                for number, power in _fitting_values(trial, step, powers, whole=True):
                    yield _replaced_factor_fault(
                        trial.formula, step, trial.formula.values[number], power
                    )


def _fitting_values(
    trial: FaultTrial, step: BackwardStep, powers: tuple[float, ...], whole: bool = False
) -> Iterator[tuple[int, float]]:
    """Yield values and powers that explain the error along both directions.

    Args:
        trial: the error to explain.
        step: the step of the fault.
        powers: powers of the values.
        whole: whether a value multiplies the cotangent of the result, rather than that of the
            operand.
    """
    shape = step.vertex.shape if whole else step.x.shape
    numbers, values = _values_like(trial.formula, shape)
    if not numbers or step.x.dtype.kind == "c":
        return
    tangents = [np.broadcast_to(t[key_of(step.x)], shape) for t in trial.tangents]
    along = [np.ravel((step.g if whole else step.gx) * t) for t in tangents]
    wanted = trial.wanted + trial.along(step.x, step.gx)
    for power in powers:
        trial.formula.budget.spend(1 + len(numbers) / ROWS, values.shape[1])
        with np.errstate(all="ignore"):
            matrix = values ** abs(power)  # powers 1, 2 and 0.5 are ten times faster
            if power < 0:
                np.divide(1.0, matrix, matrix)
            close = np.ones(len(numbers), bool)
            for row, want, allowed in zip(along, wanted, trial.allowed, strict=True):
                close &= np.abs(matrix @ row - want) <= allowed
        yield from ((numbers[k], power) for k in np.flatnonzero(close))


def _values_like(formula: Formula, shape: tuple[int, ...]) -> tuple[list[int], np.ndarray]:
    """Return the numbers of the values that broadcast to a shape, and the values as matrix rows."""
    key = "values like", shape
    if key not in formula.memo:
        size = int(np.prod(shape))
        numbers: list[int] = []
        rows: list[np.ndarray] = []
        for number, x in enumerate(formula.values):
            whole = _broadcast_value(x._value, shape)
            if whole is not None and (len(rows) + 1) * size <= MOST_ENTRIES:
                numbers.append(number)
                rows.append(np.ravel(whole))
        formula.memo[key] = numbers, np.array(rows, float).reshape(-1, size)
    found: tuple[list[int], np.ndarray] = formula.memo[key]
    return found


def _broadcast_value(x: Array, shape: tuple[int, ...]) -> Any:
    """Broadcast a real value to a shape, perhaps along reduced axes; None if impossible."""
    if np.asarray(x).dtype.kind == "c" or np.ndim(x) > len(shape):
        return None
    for own in (np.shape(x), axes_to_expand(np.shape(x), shape)):
        try:
            return np.broadcast_to(np.reshape(x, own), shape)
        except ValueError:
            continue
    return None


def _value_factor_fault(formula: Formula, step: BackwardStep, other: Tensor, power: float) -> Fault:
    """Return the fault of an additional power of a value at a step."""
    named = _power_text(name_of(other, formula), abs(power))
    verb, hint = "multiplied", "a division by it"
    if power < 0:
        verb, hint = "divided", "a factor of it"
    text = (
        f"what comes back through {step.vertex._primitive.name} "
        f"({place_of(formula, step.vertex)}) is {verb} by {named} by mistake, or {hint} is "
        "missing, in the gradient of {name}"
    )
    with np.errstate(all="ignore"):
        value = _broadcast_value(other._value, step.x.shape) ** power
    return Fault(Kind.TERM, text, step.edges, alter_operand_cotangent(multiply_by(value)))


def _replaced_factor_fault(
    formula: Formula, step: BackwardStep, other: Tensor, power: float
) -> Fault:
    """Return the fault of a power of a value in place of a factor or divisor."""
    vertex, name = step.vertex, step.vertex._primitive.name
    right = name_of(vertex._operands[1 - step.position], formula)
    named = _power_text(name_of(other, formula), power if name == "multiply" else -power)
    text = (
        f"{named} stands in the place of {right} in the derivative of {name}, in the gradient of "
        f"{{name}} at {place_of(formula, vertex)}"
    )
    with np.errstate(all="ignore"):
        factor = _broadcast_value(other._value, vertex.shape) ** power

    def alter(v: Tensor, position: int, g: np.ndarray, gx: np.ndarray) -> Array:
        return sum_like(g * factor, gx)

    return Fault(Kind.TERM, text, step.edges, alter)


def _power_text(name: str, power: float) -> str:
    """Write a power of a value."""
    words = {1.0: "", 2.0: "the square of ", 0.5: "the root of "}
    text = words[abs(power)] + name
    return text if power > 0 else f"1/({text})"
