"""Functions of functions: grad and value_and_grad, vjp and jvp."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, overload

import numpy as np

from ..errors import GradientError
from .cotangents import swap_convention
from .linearization import Linearization, tangents_for
from .tensor import Tensor
from .tree import flatten, split_aux

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .arrays import Array

P = ParamSpec("P")
"""The parameters of a function, which its gradient has too."""


def argument_places(argnums: int | Sequence[int]) -> tuple[int, ...]:
    """Return `argnums` as a tuple.

    Raises:
        GradientError: if they are not different integers.
    """
    chosen = tuple(argnums) if isinstance(argnums, Iterable) else (argnums,)
    if not chosen or not all(isinstance(i, int) for i in chosen) or len({*chosen}) < len(chosen):
        raise GradientError(f"argnums must be different integers, got {argnums!r}")
    return chosen


def linearize_at(
    function: Callable[..., Any],
    chosen: tuple[int, ...],
    args: tuple[object, ...],
    kwargs: Mapping[str, object],
) -> Linearization:
    """Record a function of its chosen positional arguments, the others being fixed.

    Raises:
        GradientError: if there is no such argument.
    """
    if not all(-len(args) <= i < len(args) for i in chosen):
        raise GradientError(
            f"argnums {chosen if len(chosen) > 1 else chosen[0]} of a call with {len(args)} "
            "positional arguments"
        )

    def partial(*values: object) -> Any:
        full = list(args)
        for i, value in zip(chosen, values, strict=True):
            full[i] = value
        return function(*full, **kwargs)

    return Linearization(partial, [args[i] for i in chosen])


@overload  # type checkers know one of a ufunc's many forms only
def value_and_grad(
    function: np.ufunc,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., tuple[Any, Any]]: ...
@overload
def value_and_grad(
    function: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, tuple[Any, Any]]: ...
def value_and_grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Make the function that returns both the value and the gradient of a scalar function.

    Args:
        function: of tensors, or nested containers of them; returns a scalar.
        argnums: which positional arguments to differentiate; a sequence gives a tuple.
        has_aux: whether it returns (scalar, anything else).
        holomorphic: whether it is a complex function with a derivative f′(z) to return. Otherwise
            the value is real, and the gradient with respect to z = x + iy is ∂f/∂x + i·∂f/∂y.

    Returns:
        A function of the same arguments that returns `(value, gradient)`, or
        `((value, aux), gradient)`. Arrays give arrays, tensors give tensors; so does a function
        that depends on other tensors that require a gradient, since its gradient then does too.

    Raises:
        GradientError: if the value is not a scalar.

    >>> value_and_grad(lambda x: x * x)(3.0)
    (np.float64(9.0), np.float64(6.0))
    >>> value_and_grad(lambda z: z * z, holomorphic=True)(1j)
    (np.complex128(-1+0j), np.complex128(2j))
    """
    chosen = argument_places(argnums)

    @wraps(function)
    def call_gradient(*args: object, **kwargs: object) -> tuple[object, ...]:
        recording = linearize_at(function, chosen, args, kwargs)
        value, aux = split_aux(recording.result, has_aux)
        recording.of(value)
        if holomorphic:
            leaves, rebuild = flatten(recording(_check_scalar_result(value)))
            gradients = rebuild([swap_convention(g) for g in leaves])
        else:
            gradients = recording()
        value = recording.value(value)
        answer = (value, recording.beside(aux)) if has_aux else value
        return answer, gradients[0] if isinstance(argnums, int) else gradients

    return call_gradient


def _check_scalar_result(value: Tensor) -> Array:
    """Return the cotangent 1 of a complex scalar.

    Raises:
        GradientError: for another value.
    """
    if np.size(value) != 1 or not np.iscomplexobj(value):
        raise GradientError(
            f"holomorphic=True is for a complex scalar, got {value!r:.60}; leave it out for real "
            "values, use am.jacobian(f, holomorphic=True) for arrays"
        )
    return np.ones(np.shape(value), value.dtype if isinstance(value, Tensor) else complex)[()]


@overload
def grad(
    function: np.ufunc,
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]: ...
@overload
def grad(
    function: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]: ...
def grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Make the function that returns the gradient of a scalar function.

    Arguments as in `value_and_grad`; with `has_aux` the result is `(gradient, aux)`.

    >>> import numpy as np
    >>> grad(np.tanh)(0.0)
    np.float64(1.0)
    >>> grad(grad(lambda x: x**3))(2.0)
    np.float64(12.0)
    """
    both = value_and_grad(function, argnums, has_aux, holomorphic)

    @wraps(function)
    def gradient(*args: object, **kwargs: object) -> Any:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def vjp(function: Callable[..., Any], *arguments: object) -> tuple[Any, Callable[..., Any]]:
    """Evaluate a function and return its vector–Jacobian product.

    Returns:
        the value, and a function of a cotangent of the value's structure and shapes that returns
        the tuple of the arguments' cotangents. It can be called many times.

    >>> y, back = vjp(lambda x, w: x * w, 3.0, 4.0)
    >>> y, back(1.0)
    (np.float64(12.0), (np.float64(4.0), np.float64(3.0)))
    """
    recording = Linearization(function, arguments, copy=True)
    recording.of(recording.result)
    return _copy_if_array(recording.value(recording.result)), recording


def jvp(
    function: Callable[..., Any], arguments: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    """Evaluate a function and its derivative in a direction, by forward mode.

    Args:
        function: of tensors, or nested containers of them; returns such, too.
        arguments: where, a tuple with one entry per argument.
        tangents: in which direction, each of its argument's structure and shapes.

    Returns:
        the value and its tangent: Σ ∂f/∂xᵢ · tᵢ, of the value's structure and shapes.

    Raises:
        GradientError: if the tangents do not fit the arguments.

    >>> jvp(lambda x, w: x * w, (3.0, 4.0), (1.0, 0.0))
    (np.float64(12.0), np.float64(4.0))
    """
    for name, given in (("arguments", arguments), ("tangents", tangents)):
        if not isinstance(given, tuple | list):
            raise GradientError(
                f"jvp takes its {name} as a tuple, one entry per argument, got {given!r:.60}; "
                "write am.jvp(f, (x,), (t,))"
            )
    recording = Linearization(function, arguments)
    recording.of(recording.result)
    moved = recording.push(tangents_for(recording, tangents))
    return _copy_if_array(recording.value(recording.result)), recording.structure(moved)


def _copy_if_array(value: object) -> Any:
    """Copy the plain arrays of a result, which may share memory with an argument."""
    leaves, rebuild = flatten(value)
    return rebuild([x.copy() if isinstance(x, np.ndarray) else x for x in leaves])
