"""Hand-written gradients: a NumPy function with a vjp, jvp, gradient or Jacobian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.tree import flatten
from ..errors import GradientError
from .causes import Kind
from .inputs import Arrays, Inputs, coordinates, leaf_array, problem
from .subjects import Function, Subject, copy_arrays

if TYPE_CHECKING:
    from ..core.arrays import Array


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

    def pull_back(self, values: Arrays, weights: Arrays) -> list[Any]:
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

    def pull_back(self, values: Arrays, weights: Arrays) -> list[Any]:
        """Call the hand-written gradient."""
        return self.pick_gradients(self.given(*self.inputs.fill_arguments(values)))


class ByJac(Handwritten):
    """A NumPy function with `jac(*inputs)`: arrays with the output's shape, then the input's.

    `scipy.optimize` uses this form. Sparse matrices and linear operators are accepted too.
    """

    what = "jac"

    def pull_back(self, values: Arrays, weights: Arrays) -> list[Any]:
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
        return found

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

    def pull_back(self, values: Arrays, weights: Arrays) -> list[Any]:
        """Call the rule once for each entry and weight the column of the Jacobian.

        The tangent is 0.75 in one entry, so that a rule that ignores its tangent is noticed.
        """
        size = 0.75
        found = []
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

    def push_forward(self, values: Arrays, tangents: Arrays) -> list[Any]:
        """Push one tangent forward."""
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

    def value(*xs: object) -> Any:
        return _refuse_other_than_pair(both(*xs))[0]

    value.__name__ = getattr(both, "__name__", "f")
    return value


def _gradient_of_pair(both: Function) -> Function:
    """Return a function that takes the gradient from the pair that `both` gives."""

    def gradient(*xs: object) -> Any:
        return _refuse_other_than_pair(both(*xs))[1]

    return gradient


def _refuse_other_than_pair(result: object) -> Any:
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
