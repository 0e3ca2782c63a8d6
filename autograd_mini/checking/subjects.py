"""Subjects: what is checked, behind one interface.

A subject evaluates a function at arrays and gives the gradient that is to be checked. `Recorded`
takes it from the recorded graph, `ByVjp`, `ByJvp` and `ByGrad` from a function that somebody wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..containers import LEAVES, flatten
from ..errors import GradientError, OperandError
from ..operation import no_grad
from ..tensors import Tensor, leaf
from ..transforms import vjp as recorded_vjp
from .inputs import Inputs, Problem
from .numeric import Arrays

Function = Callable[..., Any]


def numbers(outputs: Any) -> list[Any]:
    """Return the leaves of a result as arrays of their own.

    Raises:
        OperandError: for a result that is no number, array or container of them.
    """
    found = []
    for y in flatten(outputs)[0]:
        if not isinstance(y, LEAVES):
            raise OperandError(f"gradcheck: the function returned {y!r:.60}; expected numbers")
        array = np.array(y._value if isinstance(y, Tensor) else y)
        if array.dtype.kind not in "biuf":
            raise OperandError(
                f"gradcheck: the function returned {array.dtype} values; expected real numbers"
            )
        found.append(array)
    if not found:
        raise OperandError(
            f"gradcheck: the function returned {outputs!r:.60}, in which there is no number; does "
            "it lack a return?"
        )
    return found


def copies(values: Arrays) -> Arrays:
    """Copy arrays, so that what a function does to them stays there."""
    return [np.array(x)[()] for x in values]


class Subject:
    """A function and its gradient; the base calls plain NumPy functions."""

    what = "the gradient"

    def __init__(self, function: Function, gradient: Function | None, inputs: Inputs) -> None:
        self.function = function
        self.given: Any = gradient
        self.inputs = inputs

    def call(self, arrays: Arrays) -> Any:
        """Call the function with plain arrays."""
        return self.function(*self.inputs.filled(arrays))

    def evaluate(self, arrays: Arrays) -> Arrays:
        """Return the outputs as float64 arrays."""
        with np.errstate(all="ignore"):
            return [y.astype(np.float64) for y in numbers(self.call(copies(arrays)))]

    def weights(self, outputs: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw a cotangent: no entry is small, none is 1, signs differ."""
        return [
            generator.uniform(0.5, 1.5, y.shape) * generator.choice([-1.0, 1.0], y.shape)
            for y in outputs
        ]

    def gradient(self, weights: Arrays) -> Arrays:
        """Return the cotangent of each differentiated input.

        Raises:
            Problem: if they are too few or many, have a wrong shape, or an argument was changed.
        """
        arrays, cotangents = copies(self.inputs.arrays), copies(weights)
        given = self.pulled_back(arrays, cotangents)
        unchanged(arrays, self.inputs.arrays, self.inputs.names, self.what)
        unchanged(cotangents, weights, ["the cotangent"] * len(weights), self.what)
        return given

    def pulled_back(self, arrays: Arrays, weights: Arrays) -> Arrays:
        """Compute what `gradient` returns."""
        raise NotImplementedError

    def structured(self, arrays: Arrays, weights: Arrays) -> Any:
        """Put a cotangent into the structure of the result."""
        return flatten(self.call(copies(arrays)))[1]([g[()] for g in weights])

    def fitted(self, result: Any) -> Arrays:
        """Check the number and shapes of what a hand-written gradient returned."""
        count = len(self.inputs)
        single = count == 1 and not (isinstance(result, (tuple, list)) and len(result) == 1)
        parts = [result] if single else result
        if not isinstance(parts, (tuple, list)) or len(parts) != count:
            got = f"{len(parts)}" if isinstance(parts, (tuple, list)) else type(parts).__name__
            raise Problem(
                f"{self.what} returned {got} for {count} inputs; expected a tuple with one "
                "cotangent an input"
            )
        found = []
        for value, x, name in zip(
            self.inputs.chosen(parts), self.inputs.arrays, self.inputs.names, strict=True
        ):
            found.append(shaped(value, x.shape, f"{self.what} returned", name))
        return found


def shaped(value: Any, shape: tuple[int, ...], what: str, name: str) -> Any:
    """Return a cotangent as an array of real numbers of this shape, or say what is wrong."""
    try:
        array = np.asarray(value._value if isinstance(value, Tensor) else value)
        numeric = array.dtype.kind in "biuf"
    except ValueError:
        numeric = False
    if not numeric:
        raise Problem(f"{what} {value!r:.60} for {name}; expected an array of real numbers")
    if array.shape != shape:
        advice = ""
        if array.ndim >= len(shape) and array.shape != shape[::-1]:
            advice = " (a broadcast input's cotangent is summed over the broadcast axes)"
        raise Problem(f"{what} shape {array.shape} for {name}; expected {shape}{advice}")
    return array.astype(np.float64)


def unchanged(after: Arrays, before: Arrays, names: Sequence[str], what: str) -> None:
    """Refuse a function that writes into its arguments."""
    for a, b, name in zip(after, before, names, strict=True):
        if not np.array_equal(a, b, equal_nan=True):
            raise Problem(f"{what} changed {name} in place; it must work on a copy")


class Recorded(Subject):
    """A function of tensors; its gradient comes from the recorded graph."""

    what = "the recorded gradient"

    def call(self, arrays: Arrays) -> Any:
        """Call the function with tensors, recording nothing."""
        with no_grad():
            return self.function(*self.inputs.filled([leaf(x) for x in arrays]))

    def pulled_back(self, arrays: Arrays, weights: Arrays) -> Arrays:
        """Walk the graph back."""

        def over(*leaves: Any) -> Any:
            return self.function(*self.inputs.filled(leaves))

        y, back = recorded_vjp(over, *arrays)
        structure = flatten(y)[1]
        found = back(structure([g[()] for g in weights]))
        return [np.asarray(x._value if isinstance(x, Tensor) else x) for x in found]


class ByVjp(Subject):
    """A NumPy function with `vjp(g, *inputs)`, which returns one cotangent an input."""

    what = "vjp"

    def pulled_back(self, arrays: Arrays, weights: Arrays) -> Arrays:
        """Call the hand-written rule."""
        g = self.structured(arrays, weights)
        return self.fitted(self.given(g, *self.inputs.filled(arrays)))


class ByGrad(Subject):
    """A scalar NumPy function with `grad(*inputs)`."""

    what = "grad"

    def weights(self, outputs: Arrays, generator: np.random.Generator) -> Arrays:
        """Return 1, the only cotangent that a gradient knows."""
        if len(outputs) != 1 or outputs[0].size != 1:
            raise Problem(
                f"grad= is for a function with one number as its result, not {len(outputs)} of "
                f"shape {outputs[0].shape if outputs else ()}; give vjp= or jvp="
            )
        return [np.ones_like(outputs[0])]

    def pulled_back(self, arrays: Arrays, weights: Arrays) -> Arrays:
        """Call the hand-written gradient."""
        return self.fitted(self.given(*self.inputs.filled(arrays)))


class ByJvp(Subject):
    """A NumPy function with `jvp(*tangents, *inputs)`, which returns the output's tangent."""

    what = "jvp"

    def pulled_back(self, arrays: Arrays, weights: Arrays) -> Arrays:
        """Call the rule once an entry and weight its column of the Jacobian.

        The tangent is 0.75 in one entry: a rule that ignores its tangent is seen.
        """
        size = 0.75
        found = [np.zeros(x.shape) for x in arrays]
        for position, x in enumerate(arrays):
            for index in np.ndindex(x.shape):
                tangents = [np.zeros(a.shape) for a in arrays]
                tangents[position][index] = size
                column = self.column([t[()] for t in tangents], arrays, weights)
                total = sum(float(np.sum(g * t)) for g, t in zip(weights, column, strict=True))
                found[position][index] = total / size
        return found

    def column(self, tangents: Arrays, arrays: Arrays, weights: Arrays) -> Arrays:
        """Push one tangent forward."""
        given = self.given(*self.inputs.filled(tangents), *self.inputs.filled(arrays))
        parts = flatten(given)[0]
        if len(parts) != len(weights):
            raise Problem(f"jvp returned {len(parts)} tangents for {len(weights)} outputs")
        return [
            shaped(t, g.shape, "jvp returned", "an output")
            for t, g in zip(parts, weights, strict=True)
        ]


def subject(
    function: Function,
    inputs: Inputs,
    vjp: Function | None,
    jvp: Function | None,
    grad: Function | None,
) -> Subject:
    """Choose the subject by what was given.

    Raises:
        GradientError: if more than one hand-written gradient was given.
    """
    given = [(cls, f) for cls, f in ((ByVjp, vjp), (ByJvp, jvp), (ByGrad, grad)) if f is not None]
    if len(given) > 1:
        raise GradientError("gradcheck: give one of vjp=, jvp= and grad=, and check them in turn")
    if not given:
        return Recorded(function, None, inputs)
    chosen, rule = given[0]
    made: Subject = chosen(function, rule, inputs)
    return made
