"""Functions of functions: grad, value_and_grad and vjp.

The differentiated arguments are bound to fresh tensors, so that only their own use counts. The
walk is recorded when somebody may differentiate its result again: when an argument is a tensor, or
when the function also depends on other tensors that require a gradient. Otherwise plain arrays go
in and plain arrays come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from .arrays import as_array
from .errors import GradientError, OperandError
from .operation import context, is_recording, recorder
from .ops.conversion import alias
from .reverse import dependents, owned, seed, walk
from .tensors import Tensor, leaf

Rebuild = Callable[[Sequence[Any]], Any]

LEAVES = (Tensor, np.ndarray, np.generic, float, int, complex)


def bound(argument: Any, *, copy: bool) -> Tensor:
    """Return a fresh tensor that stands for an argument and requires a gradient."""
    if isinstance(argument, Tensor):
        tensor: Tensor = alias(argument)
        data = argument._value
    else:
        data = as_array(argument, copy=copy)
        if data.dtype.kind in "biu":
            data = data.astype(np.float64)
        tensor = leaf(data)
    if data.dtype.kind != "f":
        raise OperandError(
            f"cannot differentiate with respect to {data.dtype} values of shape {data.shape}; "
            "expected real floating-point numbers (x.astype(float))"
        )
    tensor._requires_grad = True
    return tensor


def flatten(tree: Any) -> tuple[list[Any], Rebuild]:
    """Take nested containers apart: their leaves, and the function that puts others in place."""
    if isinstance(tree, LEAVES):
        return [tree], lambda leaves: leaves[0]
    import optree

    leaves, structure = optree.tree_flatten(tree)
    return leaves, lambda new: optree.tree_unflatten(structure, new)


def unwrapped(tree: Any) -> Any:
    """Replace the tensors of nested containers by their arrays."""
    leaves, rebuild = flatten(tree)
    return rebuild([x._value if isinstance(x, Tensor) else x for x in leaves])


class Pullback:
    """A function recorded at a point: its result, and the map of cotangents back to arguments.

    The fresh tensors that stand for the arguments require a gradient only while the function runs,
    so that nobody outside takes them for parameters; the walk follows what it needs by serial.
    """

    def __init__(
        self, function: Callable[..., Any], arguments: Sequence[Any], *, copy: bool = False
    ) -> None:
        """Call the function with fresh tensors in place of the arguments' arrays and tensors.

        With `copy` the arguments may change before the pullback is called.
        """
        self._recording = is_recording()
        self._tensors = False
        self._arguments: list[tuple[list[Tensor], Rebuild]] = []
        self._inner: list[Tensor] = []  # they stand for values that require no gradient themselves
        with recorder(context.get()[0] if self._recording else None):
            for argument in arguments:
                given, rebuild = flatten(argument)
                stand_ins = [bound(x, copy=copy) for x in given]
                for x, stand_in in zip(given, stand_ins, strict=True):
                    self._tensors = self._tensors or isinstance(x, Tensor)
                    if not (isinstance(x, Tensor) and x._requires_grad):
                        self._inner.append(stand_in)
                self._arguments.append((stand_ins, rebuild))
            self.result = function(*(rebuild(bounds) for bounds, rebuild in self._arguments))

    def of(self, outputs: Any) -> Pullback:
        """Say which part of the result is differentiated."""
        self._outputs = flatten(outputs)[0]
        if not self._outputs:
            raise GradientError(
                f"the function returned {outputs!r:.60}, in which there is no number; does it "
                "lack a return?"
            )
        for y in self._outputs:
            if not isinstance(y, LEAVES):
                raise OperandError(
                    f"the function returned {type(y).__name__} {y!r:.60}; expected tensors"
                )
        wanted = {x.serial for bounds, _ in self._arguments for x in bounds}
        tensors = [y for y in self._outputs if isinstance(y, Tensor)]
        self._needed, foreign = dependents(tensors, wanted)
        for x in self._inner:
            x._requires_grad = False
        self._tensors = self._tensors or (foreign and self._recording)
        return self

    def value(self, tree: Any) -> Any:
        """Return a result as the caller wants it: tensors, or plain arrays."""
        if not self._tensors:
            return unwrapped(tree)
        leaves, rebuild = flatten(tree)
        return rebuild([self._outside(x) if isinstance(x, Tensor) else x for x in leaves])

    def _outside(self, x: Any) -> Tensor:
        """Return a tensor that requires a gradient only if it depends on something outside."""
        if not isinstance(x, Tensor):
            return leaf(x)
        if not self._recording:
            return leaf(x._value)
        if x._primitive is not None and x._requires_grad:
            x._requires_grad = dependents([x], ())[1]
        return x

    def __call__(self, cotangents: Any = None) -> tuple[Any, ...]:
        """Carry cotangents of the outputs back to the arguments; unused ones get zeros.

        Raises:
            GradientError: if a cotangent is missing or does not have its output's shape.
        """
        given = [None] if cotangents is None else flatten(cotangents)[0]
        if len(given) != len(self._outputs):
            raise GradientError(
                f"{len(given)} cotangents for {len(self._outputs)} outputs; expected one each"
            )
        tensors = self._tensors or (
            self._recording and any(isinstance(g, Tensor) and g._requires_grad for g in given)
        )
        recorded = tensors and self._recording
        outputs, seeds = [], []
        for y, g in zip(self._outputs, given, strict=True):
            checked = seed(y if isinstance(y, Tensor) else leaf(as_array(y)), g)
            if isinstance(y, Tensor) and y.serial in self._needed:
                outputs.append(y)
                seeds.append(checked if recorded else unwrapped(checked))
        reached = walk(outputs, seeds, needed=self._needed, recorded=recorded)
        shared = {id(g) for g in seeds}
        found = {x.serial: owned(g, shared) for x, g in reached}
        results = []
        for bounds, rebuild in self._arguments:
            parts = [found.get(x.serial, np.zeros_like(x._value)[()]) for x in bounds]
            results.append(rebuild([self._outside(g) for g in parts] if tensors else parts))
        return tuple(results)


def value_and_grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
) -> Callable[..., Any]:
    """Make the function that returns both the value and the gradient of a scalar function.

    Args:
        function: of tensors, or nested containers of them; returns a scalar.
        argnums: which positional arguments to differentiate; a sequence gives a tuple.
        has_aux: whether it returns (scalar, anything else).

    Returns:
        A function of the same arguments that returns `(value, gradient)`, or
        `((value, aux), gradient)`. Arrays give arrays, tensors give tensors; so does a function
        that depends on other tensors that require a gradient, since its gradient then does too.

    Raises:
        GradientError: if the value is no scalar.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (np.float64(9.0), np.float64(6.0))
    """
    chosen = tuple(argnums) if isinstance(argnums, Iterable) else (argnums,)
    if not chosen or not all(isinstance(i, int) for i in chosen) or len({*chosen}) < len(chosen):
        raise GradientError(f"argnums must be different integers, got {argnums!r}")

    @wraps(function)
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        if not all(-len(args) <= i < len(args) for i in chosen):
            raise GradientError(
                f"argnums {argnums} of a call with {len(args)} positional arguments"
            )
        arguments = [args[i] for i in chosen]

        def partial(*values: Any) -> Any:
            full = list(args)
            for i, value in zip(chosen, values, strict=True):
                full[i] = value
            return function(*full, **kwargs)

        pullback = Pullback(partial, arguments)
        value, aux = parts(pullback.result, has_aux)
        gradients = pullback.of(value)()
        value = pullback.value(value)
        answer = (value, pullback.value(aux)) if has_aux else value
        return answer, gradients[0] if isinstance(argnums, int) else gradients

    return differentiated


def parts(result: Any, has_aux: bool) -> tuple[Any, Any]:
    """Return the scalar and what came with it.

    Raises:
        GradientError: if the function did not return what `has_aux` says.
    """
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise GradientError(
                f"with has_aux=True the function returns (scalar, other), got {result!r:.60}"
            )
        return result
    if result is None or isinstance(result, tuple | list | dict):
        raise GradientError(
            f"the function returned {type(result).__name__} {result!r:.60}; expected one scalar "
            "(has_aux=True for a pair of a scalar and something else)"
        )
    return result, None


def grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
) -> Callable[..., Any]:
    """Make the function that returns the gradient of a scalar function.

    Arguments as in `value_and_grad`; with `has_aux` the result is `(gradient, aux)`.

    >>> import numpy as np
    >>> grad(np.tanh)(0.0)
    np.float64(1.0)
    >>> grad(grad(lambda x: x**3))(2.0)
    np.float64(12.0)
    """
    both = value_and_grad(function, argnums, has_aux)

    @wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def vjp(function: Callable[..., Any], *arguments: Any) -> tuple[Any, Callable[..., Any]]:
    """Evaluate a function and return its vector–Jacobian product.

    Returns:
        the value, and a function of a cotangent of the value's structure and shapes that returns
        the tuple of the arguments' cotangents. It can be called many times.

    >>> y, back = vjp(lambda x, w: x * w, 3.0, 4.0)
    >>> y, back(1.0)
    (np.float64(12.0), (np.float64(4.0), np.float64(3.0)))
    """
    pullback = Pullback(function, arguments, copy=True)
    pullback.of(pullback.result)
    leaves, rebuild = flatten(pullback.value(pullback.result))
    value = rebuild([x.copy() if isinstance(x, np.ndarray) else x for x in leaves])
    return value, pullback
