"""Subjects: a function and its gradient, recorded or written by hand, behind one interface.

A subject evaluates a function at real coordinates, and returns the gradient that is checked.
`Recorded` uses the recorded graph; the hand-written ones are a NumPy function with a vjp, jvp,
gradient or Jacobian; `adapters` use other frameworks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.record import no_grad
from ..core.tensor import Tensor, leaf
from ..core.transforms import jvp as recorded_jvp
from ..core.transforms import vjp as recorded_vjp
from ..core.tree import LEAVES, flatten
from ..errors import ArgumentError, GradientError, OperandError
from .inputs import Arrays, Inputs, Problem, coordinates, from_coordinates, leaf_array, problem
from .report import Kind, fit_cause

if TYPE_CHECKING:
    from ..core.arrays import Array

Function = Callable[..., Any]
SIGNS = np.array([-1.0, 1.0])


def output_arrays(outputs: object) -> Arrays:
    """Copy the leaves of a result to arrays.

    Raises:
        OperandError: for a result that is not a number, an array or a container of them.
    """
    found = []
    for y in [outputs] if isinstance(outputs, LEAVES) else flatten(outputs)[0]:
        if not isinstance(y, LEAVES):
            raise OperandError(f"gradcheck: the function returned {y!r:.60}; expected numbers")
        array = np.array(y._value if isinstance(y, Tensor) else y)
        if array.dtype.kind not in "biufc":
            raise OperandError(
                f"gradcheck: the function returned {array.dtype} values; expected numbers"
            )
        found.append(array)
    if not found:
        raise OperandError(
            f"gradcheck: the function returned {outputs!r:.60}, which contains no number; does "
            "it lack a return?"
        )
    return found


def copy_arrays(values: Arrays) -> Arrays:
    """Copy arrays, so that writes by a function do not reach the originals."""
    return [np.array(x)[()] for x in values]


class Subject:
    """A function and its gradient. The base class calls plain NumPy functions.

    Attributes:
        what: the name of the gradient in messages.
        unsteady: the message for a function that returns another result when called again.
        none_is_zero: whether a gradient of None means 0.
        takes_cotangent: whether the gradient depends on a cotangent.
        costly: whether the gradient needs one call for every entry.
        may_be_pair: whether two results may be a value and its gradient.
        missing: names of the inputs whose gradient was None.
        results, complex_outputs, output_shapes: the results at the point, and facts about them.
        epsilon: the rounding unit of the coarsest result, at least that of float64.
        seconds: the time of one call.
    """

    what = "the gradient"
    unsteady = (
        "the function gives another result when called again; fix its random numbers (a seed "
        "inside the function) or its state"
    )
    none_is_zero = False
    costly = False
    takes_cotangent = True
    may_be_pair = False

    def __init__(self, function: Function, gradient: Function | None, inputs: Inputs) -> None:
        self.function = function
        self.given: Any = gradient
        self.inputs = inputs
        self.missing: list[str] = []
        self.complex_outputs: list[bool] = []
        self.output_shapes: list[tuple[int, ...]] = []
        self.results: Arrays = []
        self.seconds = 0.0
        self.epsilon = float(np.finfo(np.float64).eps)

    @property
    def name(self) -> str:
        """The name of the function."""
        found = getattr(self.function, "__name__", None) or getattr(self.function, "name", None)
        return found if isinstance(found, str) else type(self.function).__name__

    # ── the function ──────────────────────────────────────────────────────────────────────────
    def call(self, values: Arrays) -> object:
        """Call the function with natural values, one for each differentiated leaf."""
        return self.function(*self.inputs.fill_arguments(values))

    def outputs(self, values: Arrays) -> Arrays:
        """Return the outputs for natural values as arrays."""
        return output_arrays(self.call(values))

    def evaluate(self, arrays: Arrays) -> Arrays:
        """Return the real coordinates of the outputs, as new arrays."""
        outputs = self.call(self.inputs.values(arrays))
        if type(outputs) is np.float64:
            return [np.array(outputs)]
        return [coordinates(y) for y in output_arrays(outputs)]

    def evaluate_rows(self, arrays: Arrays, position: int, rows: np.ndarray) -> Arrays | None:
        """Evaluate with each of many rows in place of one input; None if this is not possible.

        Rows and outputs have one additional axis in front.
        """
        return None

    def at_point(self) -> Arrays:
        """Evaluate at the point, and check that the function can be checked there.

        Raises:
            Problem: if the function or an input is not finite, or if the function changes an
                input or is not deterministic.
        """
        inputs = self.inputs
        for x, name in zip(inputs.arrays, inputs.names, strict=True):
            if not np.isfinite(x).all():
                text = f"input {name} is not finite; there is no derivative at such a point"
                raise problem(Kind.DOMAIN, text, name)
        values, before = copy_arrays(inputs.values(inputs.arrays)), inputs.values(inputs.arrays)
        result = self.call(values)
        outputs = output_arrays(result)
        if self.may_be_pair:
            self._refuse_pair(result, outputs)
        _refuse_mutation(values, before, inputs.names, "the function")
        started = perf_counter()
        again = output_arrays(self.call(copy_arrays(before)))
        self.seconds = perf_counter() - started
        if not all(np.isfinite(y).all() for y in outputs):
            text = "the function is not finite at this point; choose one inside its domain"
            raise problem(Kind.DOMAIN, text)
        if len(outputs) != len(again) or not all(map(same_numbers, outputs, again)):
            raise problem(Kind.NOT_DETERMINISTIC, self.unsteady)
        self.complex_outputs = [y.dtype.kind == "c" for y in outputs]
        self.output_shapes = [y.shape for y in outputs]
        self.results = outputs
        units = [np.finfo(y.dtype).eps for y in outputs if y.dtype.kind in "fc"]
        self.epsilon = float(max([*units, self.epsilon]))
        return [np.asarray(coordinates(y), np.float64) for y in outputs]

    def _refuse_pair(self, result: object, outputs: Arrays) -> None:
        """Refuse a function without `jac=` that seems to return its value and gradient.

        Raises:
            ArgumentError: in that case; `jac=False` says that both are results.
        """
        shapes = [y.shape for y in outputs]
        inputs = [np.shape(x) for x in self.inputs.values(self.inputs.arrays)]
        if self.is_pair(result) and shapes == [(), *inputs] and outputs[0].dtype.kind == "f":
            names = ", ".join(self.inputs.names)
            raise ArgumentError(
                f"gradcheck: {self.name} returns a number, and something in the shape of {names}. "
                "If that is the gradient, give jac=True to compare it; if both are results of "
                "which the derivatives are checked, give jac=False"
            )

    def is_pair(self, result: object) -> bool:
        """Does a result have two parts?"""
        return isinstance(result, (tuple, list)) and len(result) == 2

    def time_again(self, times: int) -> None:
        """Call the function a few more times, and keep the shortest time."""
        for _ in range(times):
            started = perf_counter()
            self.evaluate(self.inputs.arrays)
            self.seconds = min(self.seconds, perf_counter() - started)

    # ── its gradient ──────────────────────────────────────────────────────────────────────────
    def weights(self, outputs: Arrays, generator: np.random.Generator) -> Arrays:
        """Draw a random cotangent: no entry is small, none is 1, and signs vary."""
        return [
            generator.uniform(0.5, 1.5, y.shape) * SIGNS[generator.integers(0, 2, y.shape)]
            for y in outputs
        ]

    def natural_weights(self, weights: Arrays) -> Arrays:
        """Return a cotangent in the form that the gradient function receives."""
        return [from_coordinates(g, c) for g, c in zip(weights, self.complex_outputs, strict=True)]

    def gradient(self, weights: Arrays, point: Arrays | None = None) -> Arrays:
        """Return the real coordinates of the cotangent of each differentiated input.

        Args:
            weights: the cotangent of the outputs.
            point: the coordinates of the inputs; by default those of the check.

        Raises:
            Problem: if the number, shape or dtype of the cotangents is wrong, or if an argument
                was changed.
        """
        inputs = self.inputs
        point = inputs.arrays if point is None else point
        before, cotangents = inputs.values(point), self.natural_weights(weights)
        values, gs = copy_arrays(before), copy_arrays(cotangents)
        found = self.pull_back(values, gs)
        _refuse_mutation(values, before, inputs.names, self.what)
        _refuse_mutation(gs, cotangents, ["the cotangent"] * len(gs), self.what)
        self._refuse_exchanged(found, before)
        return [
            self.check_cotangent(g, x, i)
            for i, (g, x) in enumerate(zip(found, before, strict=True))
        ]

    def _refuse_exchanged(self, found: list[object], values: Arrays) -> None:
        """Refuse two cotangents that have each other's shape."""
        if len(found) < 2:
            return
        got, expected = [np.shape(leaf_array(g)) for g in found], [np.shape(x) for x in values]
        for i, j in combinations(range(len(got)), 2):
            crossed = (got[i], got[j]) == (expected[j], expected[i])
            if crossed and got[i] != got[j]:
                first, second = self.inputs.names[i], self.inputs.names[j]
                text = (
                    f"{self.what} returned shapes {got[i]} for {first} and {got[j]} for {second}: "
                    "they have exchanged gradients"
                )
                raise problem(Kind.SWAPPED, text, first)

    def pull_back(self, values: Arrays, weights: Arrays) -> list[object]:
        """Compute the gradient for natural values and natural cotangents."""
        raise NotImplementedError

    def push_forward(self, values: Arrays, tangents: Arrays) -> Arrays | None:
        """Push tangents through the subject's own forward mode; None without one.

        Raises:
            Problem: if a forward rule of the user fails.
        """
        return None

    def gradient_subject(self) -> Subject | None:
        """Return the gradient as a subject: a function of cotangents and then leaves."""
        return None

    def gradient_inputs(self) -> Inputs:
        """Return the inputs of the gradient: cotangents of the outputs, then the leaves."""
        rows = zip(self.output_shapes, self.complex_outputs, strict=True)
        zeros = [np.zeros((*shape, 2) if is_complex else shape) for shape, is_complex in rows]
        gs = self.natural_weights(self.weights(zeros, np.random.default_rng(len(zeros))))
        values = copy_arrays(self.inputs.values(self.inputs.arrays))
        return Inputs((gs, *values), ["cotangent", *self.inputs.names])

    def given_slope(self, position: int, direction: np.ndarray, weights: Arrays) -> float:
        """Return the given derivative along a direction in one input, by forward mode."""
        raise NotImplementedError

    def restore_structure(self, values: Arrays, weights: Arrays) -> object:
        """Put a cotangent into the structure of the result.

        This calls the function at these values, so that a gradient can use what the function
        stored.
        """
        return flatten(self.call(copy_arrays(values)))[1](weights)

    def check_cotangent(self, value: object, x: Array, position: int) -> np.ndarray:
        """Return the coordinates of a cotangent of this input, or raise a problem."""
        name, is_complex = self.inputs.names[position], self.inputs.complex[position]
        if value is None and self.none_is_zero:
            self.missing.append(name)
            return np.zeros_like(self.inputs.arrays[position])
        array = self.numeric(value, name)
        shape = np.shape(x)
        if array.shape != shape:
            text = f"{self.what} returned"
            raise Problem(fit_cause(text, name, array.shape, shape, self.output_shapes))
        if array.dtype.kind == "c" and not is_complex:
            text = f"{self.what} returned {array.dtype} for {name}, which is real"
            raise problem(Kind.DTYPE, text, name)
        self._refuse_narrow_dtype(array, x, name)
        real = array.astype(np.complex128) if is_complex else array
        return coordinates(real)

    def numeric(self, value: object, name: str) -> np.ndarray:
        """Return a cotangent as an array of numbers."""
        try:
            array = np.asarray(leaf_array(value))
            fits = array.dtype.kind in "biufc"
        except ValueError:
            fits = False
        if not fits:
            hint = self._argnums_hint(name) if value is None else ""
            text = (
                f"{self.what} returned {value!r:.60} for {name}; expected an array of numbers{hint}"
            )
            raise problem(Kind.SHAPE, text, name)
        return array

    def _argnums_hint(self, name: str) -> str:
        """Suggest how to leave an input out, if it is one of several whole arguments."""
        inputs = self.inputs
        if name not in inputs.arguments or len(inputs.moving) < 2:
            return ""
        others = [i for i in inputs.moving if i != inputs.arguments.index(name)]
        chosen = others[0] if len(others) == 1 else tuple(others)
        return f"; argnums={chosen} leaves it out"

    def _refuse_narrow_dtype(self, array: np.ndarray, x: Array, name: str) -> None:
        """Refuse a cotangent whose dtype is narrower than that of the input and the results."""
        if array.dtype.kind not in "fc" or not isinstance(x, (np.ndarray, np.generic)):
            return
        coarse = max(float(np.finfo(x.dtype).eps), self.epsilon)
        if float(np.finfo(array.dtype).eps) > coarse:
            text = (
                f"{self.what} returned {array.dtype} for {name}, which is {x.dtype}: its rounding "
                "hides small errors"
            )
            raise problem(Kind.DTYPE, text, name)


def _refuse_mutation(after: Arrays, before: Arrays, names: Sequence[str], what: str) -> None:
    """Refuse a function that writes into its arguments."""
    for a, b, name in zip(after, before, names, strict=True):
        if not same_numbers(a, b):
            text = f"{what} changed {name} in place; it must work on a copy"
            raise problem(Kind.MUTATION, text, name)


SMALL = 1024
"""Arrays up to this many bytes are compared as bytes, which takes a tenth of the time."""


def same_bytes(a: object, b: object) -> bool:
    """Are two small arrays equal byte by byte? False also if they are too large to compare so."""
    kinds = (np.ndarray, np.generic)
    if not isinstance(a, kinds) or not isinstance(b, kinds) or a.nbytes > SMALL:
        return False
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def same_numbers(a: Array, b: Array) -> bool:
    """Do two arrays hold the same numbers? NaN equals NaN."""
    return same_bytes(a, b) or np.array_equal(a, b, equal_nan=True)


class Recorded(Subject):
    """A function of tensors, with the gradient of the recorded graph."""

    what = "the recorded gradient"

    def call(self, values: Arrays) -> object:
        """Call the function with tensors, without recording."""
        with no_grad():
            return self.function(*self.inputs.fill_arguments([leaf(x) for x in values]))

    def call_with_leaves(self, *leaves: object) -> object:
        """Call the function with these values in place of the differentiated leaves."""
        return self.function(*self.inputs.fill_arguments(leaves))

    def pull_back(self, values: Arrays, weights: Arrays) -> list[object]:
        """Differentiate the recorded graph in reverse mode."""
        y, back = recorded_vjp(self.call_with_leaves, *values)
        structure = flatten(y)[1]
        return [leaf_array(x) for x in back(structure(weights))]

    def push_forward(self, values: Arrays, tangents: Arrays) -> Arrays | None:
        """Push tangents through the recorded graph."""
        moved = recorded_jvp(self.call_with_leaves, tuple(values), tuple(tangents))[1]
        return [leaf_array(t) for t in flatten(moved)[0]]

    def gradient_subject(self) -> Subject | None:
        """Return the recorded gradient as a function that is recorded again."""

        def gradient(gs: Sequence[object], *leaves: object) -> object:
            y, back = recorded_vjp(self.call_with_leaves, *leaves)
            return back(flatten(y)[1](gs))

        gradient.__name__ = f"gradient of {self.name}"
        return Recorded(gradient, None, self.gradient_inputs())


class Handwritten(Subject):
    """A NumPy function with a gradient that returns one result for each input."""

    def pick_gradients(self, result: Any) -> list[object]:
        """Pick the gradients of the differentiated leaves.

        Raises:
            Problem: if there are too few or too many.
        """
        inputs, count = self.inputs, len(self.inputs)
        several = isinstance(result, (tuple, list)) and not inputs.is_one_array(result)
        if several and len(result) == count:
            return inputs.select_leaves(result, self.what)
        moving = inputs.moving
        if len(moving) == 1 and (not several or count == 1 or len(result) == 1):
            result = [result[0] if several and count > 1 else result]
        elif not several or len(result) != len(moving):
            raise problem(Kind.SHAPE, self._describe_count(result, several))
        found = [None] * count
        for position, part in zip(moving, result, strict=True):
            found[position] = part
        return inputs.select_leaves(found, self.what)

    def _describe_count(self, result: Any, several: bool) -> str:
        """Say that the number of cotangents does not match the inputs, and suggest a fix."""
        count = len(self.inputs)
        got = f"{len(result)}" if several else type(result).__name__
        first = range(len(result)) if several else (0,)
        fewer = count > len(first) > 0 and all(i in self.inputs.moving for i in first)
        names = ", ".join(self.inputs.arguments[i] for i in first) if fewer else ""
        chosen = 0 if len(first) == 1 else tuple(first)
        hint = f"; argnums={chosen} if they are only for {names}" if fewer else ""
        return (
            f"{self.what} returned {got} for {count} inputs; expected a tuple with one cotangent "
            f"an input{hint}"
        )


class ByVjp(Handwritten):
    """A NumPy function with `vjp(g, *inputs)`, which returns one cotangent for each input."""

    what = "vjp"

    def pull_back(self, values: Arrays, weights: Arrays) -> list[object]:
        """Call the hand-written rule."""
        g = self.restore_structure(values, weights)
        return self.pick_gradients(self.given(g, *self.inputs.fill_arguments(values)))


class ByGrad(Handwritten):
    """A scalar NumPy function with `grad(*inputs)`."""

    what = "grad"
    takes_cotangent = False

    def weights(self, outputs: Arrays, generator: np.random.Generator) -> Arrays:
        """Return 1, the only cotangent of a plain gradient."""
        if len(outputs) != 1 or outputs[0].size != 1 or any(self.complex_outputs):
            raise problem(
                Kind.SHAPE,
                f"grad= is for a function with one real number as its result, not {len(outputs)} "
                f"of shape {self.output_shapes[0]}; give vjp=, jvp= or jac=",
            )
        return [np.ones_like(outputs[0])]

    def pull_back(self, values: Arrays, weights: Arrays) -> list[object]:
        """Call the hand-written gradient."""
        return self.pick_gradients(self.given(*self.inputs.fill_arguments(values)))


class ByJac(Handwritten):
    """A NumPy function with `jac(*inputs)`: arrays with the output's shape, then the input's.

    `scipy.optimize` uses this form. Sparse matrices and linear operators are accepted too.
    """

    what = "jac"

    def pull_back(self, values: Arrays, weights: Arrays) -> list[object]:
        """Multiply the cotangent by the Jacobian."""
        if len(weights) != 1 or any(self.complex_outputs) or any(self.inputs.complex):
            text = "jac= is for a function of real numbers with one array as its result; give vjp="
            raise problem(Kind.SHAPE, text)
        (g,) = weights
        parts = self.pick_gradients(self.given(*self.inputs.fill_arguments(values)))
        rows = list(zip(parts, values, self.inputs.names, strict=True))
        found = [
            self._weight_jacobian(_to_dense(p), np.asarray(g), np.shape(x), n) for p, x, n in rows
        ]
        for part, product, name in zip(parts, found, self.inputs.names, strict=True):
            if hasattr(part, "rmatvec"):
                self._compare_products(part, np.asarray(g), product, name)
        return list(found)

    def _compare_products(
        self, operator: Any, g: np.ndarray, product: np.ndarray, name: str
    ) -> None:
        """Compare a linear operator's two products with vectors: J·t and Jᵀ·g.

        Raises:
            Problem: if they belong to different matrices.
        """
        try:
            turned = np.asarray(operator.rmatvec(np.atleast_1d(g).ravel()))
        except NotImplementedError:  # only one of the two products
            return
        size = np.max(np.abs(product), initial=1e-300)
        if not np.allclose(turned.ravel(), product.ravel(), rtol=0, atol=1e-8 * size):
            text = f"the operator of {name} has a matvec and an rmatvec that differ"
            raise problem(Kind.FORWARD, text, name)

    def _weight_jacobian(
        self, part: Array, g: np.ndarray, shape: tuple[int, ...], name: str
    ) -> np.ndarray:
        """Return g · J for the Jacobian of one input."""
        jacobian = self.numeric(part, name)
        whole = g.shape + shape
        if jacobian.shape != whole and jacobian.size == g.size * int(np.prod(shape)):
            squeezed = tuple(n for n in jacobian.shape if n != 1)
            if squeezed == tuple(n for n in whole if n != 1):  # (1, n) for one number is a habit
                jacobian = jacobian.reshape(whole)
        if jacobian.shape != whole:
            turned = jacobian.shape == shape + g.shape
            kind, hint = (Kind.TRANSPOSED, ": it is transposed") if turned else (Kind.SHAPE, "")
            text = f"jac returned shape {jacobian.shape} for {name}; expected {whole}{hint}"
            raise problem(kind, text, name)
        return np.tensordot(g, jacobian, g.ndim)


def _to_dense(part: Any) -> Any:
    """Convert a sparse matrix or a linear operator to an array."""
    if hasattr(part, "toarray"):
        return part.toarray()
    return part.matmat(np.eye(part.shape[1])) if hasattr(part, "matmat") else part


class ByJvp(Subject):
    """A NumPy function with `jvp(*tangents, *inputs)`, which returns the output's tangent."""

    what = "jvp"
    costly = True

    def pull_back(self, values: Arrays, weights: Arrays) -> list[object]:
        """Call the rule once for each entry and weight the column of the Jacobian.

        The tangent is 0.75 in one entry, so that a rule that ignores its tangent is noticed.
        """
        size = 0.75
        found: list[object] = []
        for position, x in enumerate(self.inputs.arrays):
            slopes = np.zeros(x.shape)
            for index in np.ndindex(x.shape):
                tangents = [np.zeros(a.shape) for a in self.inputs.arrays]
                tangents[position][index] = size
                slopes[index] = self.slope(tangents, values, weights) / size
            found.append(self.inputs.natural_value(position, slopes))
        return found

    def given_slope(self, position: int, direction: np.ndarray, weights: Arrays) -> float:
        """Push a direction in one input forward."""
        tangents = [np.zeros(x.shape) for x in self.inputs.arrays]
        tangents[position] = 0.75 * direction
        values = copy_arrays(self.inputs.values(self.inputs.arrays))
        return self.slope(tangents, values, self.natural_weights(weights)) / 0.75

    def slope(self, tangents: Arrays, values: Arrays, weights: Arrays) -> float:
        """Return Σ g·J·t for tangents in real coordinates."""
        moved = self.inputs.values(tangents)
        column = self.push_forward(values, moved)
        rows = zip(weights, column, strict=True)
        return sum(float(np.sum(coordinates(g) * coordinates(t))) for g, t in rows)

    def push_forward(self, values: Arrays, tangents: Arrays) -> Arrays:
        """Push the tangents of all inputs forward through the user's jvp."""
        given = self.given(
            *self.inputs.fill_arguments(tangents), *self.inputs.fill_arguments(values)
        )
        parts = flatten(given)[0]
        if len(parts) != len(self.output_shapes):
            count = len(self.output_shapes)
            raise problem(Kind.SHAPE, f"jvp returned {len(parts)} tangents for {count} outputs")
        rows = zip(parts, self.output_shapes, self.complex_outputs, strict=True)
        return [self.tangent(*row) for row in rows]

    def tangent(self, value: Array, shape: tuple[int, ...], is_complex: bool) -> np.ndarray:
        """Return a tangent as an array of the output's shape, or raise a problem."""
        array = self.numeric(leaf_array(value), "an output")
        if array.shape != shape:
            text = f"jvp returned shape {array.shape} for an output of shape {shape}"
            raise problem(Kind.SHAPE, text)
        if array.dtype.kind == "c" and not is_complex:
            text = f"jvp returned {array.dtype} for an output that is real"
            raise problem(Kind.DTYPE, text)
        return array.astype(np.complex128 if is_complex else np.float64)


def handwritten_subject(
    function: Function,
    inputs: Inputs,
    vjp: Function | None,
    jvp: Function | None,
    grad: Function | None,
    jac: object,
) -> Subject | None:
    """Make the subject for the given rule; None if no rule was given.

    Raises:
        GradientError: if more than one hand-written gradient was given.
    """
    if jac is True:  # as in SciPy: one function returns both
        function, jac = _value_of_pair(function), _gradient_of_pair(function)
    rows: list[tuple[Any, Any]] = [(ByVjp, vjp), (ByJvp, jvp), (ByGrad, grad)]
    given = [(cls, f) for cls, f in [*rows, (ByJac, jac)] if f is not None]
    if len(given) > 1:
        text = "gradcheck: give one of vjp=, jvp=, grad= and jac=, and check them in turn"
        raise GradientError(text)
    if not given:
        return None
    chosen, rule = given[0]
    made: Subject = chosen(function, rule, inputs)
    return made


def _value_of_pair(both: Function) -> Function:
    """Return the function that computes the value of a pair (value, gradient)."""

    def value(*xs: object) -> object:
        return _refuse_other_than_pair(both(*xs))[0]

    value.__name__ = getattr(both, "__name__", "f")
    return value


def _gradient_of_pair(both: Function) -> Function:
    """Return a function that takes the gradient from the pair that `both` gives."""

    def gradient(*xs: object) -> object:
        return _refuse_other_than_pair(both(*xs))[1]

    return gradient


def _refuse_other_than_pair(result: object) -> Sequence[object]:
    """Return a pair (value, gradient).

    Raises:
        GradientError: if the result is not a pair.
    """
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise GradientError(
            "gradcheck: jac=True is for a function that returns a pair of value and gradient, got "
            f"{result!r:.60}; give the gradient as jac= or grad="
        )
    return result
