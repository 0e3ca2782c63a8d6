"""Faults at one step of a formula: a missing path, a forgotten derivative, a wrong factor.

For factors that are values of the formula, all values are tried at once as the rows of a matrix, so
that a step costs two products.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.forward import key_of
from ...core.tensor import Tensor
from ..causes import Kind
from .faults import BackwardStep, Fault, FaultTrial, alter_operand_cotangent, multiply_by
from .formula import Edge, Formula, Vertex, apply_rules, name_of, place_of
from .terms import axes_to_expand

if TYPE_CHECKING:
    from ...core.arrays import Array

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

    path, edges = _path_text(trial.formula, step), frozenset([step.edge])
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

            def alter(
                v: Vertex, p: int, g: object, gx: Array, k: Mapping[Edge, float] = by_edge
            ) -> Array:
                return k[v.serial, p] * gx

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

    def pass_on(vertex: Tensor, position: int, g: np.ndarray, gx: Array) -> Array:
        return sum_like(g, gx)

    def again(vertex: Tensor, position: int, g: np.ndarray, gx: Array) -> Array:
        return apply_rules(vertex, gx)[position]

    yield Fault(Kind.TERM, text, frozenset([step.edge]), pass_on)
    twice = f"the gradient of {{name}} is as if {what} were applied twice {where}"
    yield Fault(Kind.TERM, twice, frozenset([step.edge]), again)
    if name in CHOOSING:
        swapped = f"the gradient of {{name}} is as if the branches of {name} were swapped {where}"
        yield Fault(
            Kind.TERM, swapped, frozenset([step.edge]), lambda v, p, g, gx: sum_like(g, gx) - gx
        )


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
    vertex, edges = step.vertex, frozenset([step.edge])
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

            def alter(
                v: Tensor, p: int, g: np.ndarray, gx: Array, i: int = place, o: Tensor = other
            ) -> Array:
                xs = [array_of(o) if k == i else a for k, a in enumerate(values)]
                y = array_of(o) if i == len(values) else None
                return apply_rules(v, g, xs, y)[p]

            said = f"{name_of(other, formula)} stands in the place of {name_of(x, formula)}"
            yield Fault(Kind.TERM, f"{said} in the derivative of {name}, {where}", edges, alter)


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
        yield Fault(Kind.SWAPPED, text, frozenset([step.edge]), alter)


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
    return Fault(
        Kind.TERM, text, frozenset([step.edge]), alter_operand_cotangent(multiply_by(value))
    )


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

    return Fault(Kind.TERM, text, frozenset([step.edge]), alter)


def _power_text(name: str, power: float) -> str:
    """Write a power of a value."""
    words = {1.0: "", 2.0: "the square of ", 0.5: "the root of "}
    text = words[abs(power)] + name
    return text if power > 0 else f"1/({text})"
