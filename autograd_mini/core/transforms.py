"""Functions of functions: grad and value_and_grad, vjp and jvp, jacobian, hessian and hvp.

A Jacobian is made of products with the vectors of a basis, all at once as `vmap` does it: tangents
pushed forward where there are fewer inputs than outputs, cotangents pulled back otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, overload

import numpy as np

from ..errors import ArgumentError, GradientError
from .linearization import Linearization, refuse_discrete, tangents_for
from .reverse import swap_convention
from .tensor import Tensor
from .tree import flatten, split_aux
from .vmap import OneExample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .arrays import Array, Numbers

P = ParamSpec("P")
"""The parameters of a function, which its gradient has too."""
Argnums = int | Sequence[int]


def argument_places(argnums: Argnums) -> tuple[int, ...]:
    """Return `argnums` as a tuple.

    Raises:
        GradientError: if they are not different integers.
    """
    chosen = tuple(argnums) if isinstance(argnums, Iterable) else (argnums,)
    if not chosen or not all(isinstance(i, int) for i in chosen) or len({*chosen}) < len(chosen):
        raise GradientError(f"argnums must be different integers, got {argnums!r}")
    return chosen


def linearize_at(
    function: Callable[..., object],
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

    def partial(*values: object) -> object:
        full = list(args)
        for i, value in zip(chosen, values, strict=True):
            full[i] = value
        return function(*full, **kwargs)

    return Linearization(partial, [args[i] for i in chosen])


@overload  # type checkers know one of a ufunc's many forms only
def value_and_grad(
    function: np.ufunc, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., tuple[Any, Any]]: ...
@overload
def value_and_grad(
    function: Callable[P, object],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, tuple[Any, Any]]: ...
def value_and_grad(
    function: Callable[..., object],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., object]:
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
    function: np.ufunc, argnums: Argnums = 0, has_aux: bool = False, holomorphic: bool = False
) -> Callable[..., Any]: ...
@overload
def grad(
    function: Callable[P, object],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[P, Any]: ...
def grad(
    function: Callable[..., object],
    argnums: Argnums = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Callable[..., object]:
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
    def gradient(*args: object, **kwargs: object) -> object:
        value, result = both(*args, **kwargs)
        return (result, value[1]) if has_aux else result

    return gradient


def vjp(function: Callable[..., object], *arguments: object) -> tuple[Any, Callable[..., Any]]:
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
    function: Callable[..., object], arguments: Sequence[object], tangents: Sequence[object]
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


def _copy_if_array(value: object) -> object:
    """Copy the plain arrays of a result, which may share memory with an argument."""
    leaves, rebuild = flatten(value)
    return rebuild([x.copy() if isinstance(x, np.ndarray) else x for x in leaves])


Mode = Literal["auto", "forward", "reverse"]

MOST_BYTES = 1 << 28
"""How much the values of a part of the basis may take; the larger the part, the faster."""


def jacobian(
    function: Callable[..., object],
    argnums: Argnums = 0,
    mode: Mode = "auto",
    holomorphic: bool = False,
) -> Callable[..., Any]:
    """Make the function that returns all partial derivatives of a function.

    Args:
        function: of tensors, or nested containers of them; returns such, too.
        argnums: which positional arguments to differentiate; a sequence gives a tuple.
        mode: "forward" costs a walk per input, "reverse" one per output; "auto" takes the fewer.
        holomorphic: whether it is a complex function of complex arguments with a derivative.

    Returns:
        A function of the same arguments. For a result of shape (m…) and an argument of shape (n…)
        it returns an array of shape (m…, n…); for containers, those of the result, with those of
        the argument in place of each leaf. Tensors give tensors, so Jacobians nest.

    Raises:
        GradientError: if complex arguments are not holomorphic, or for integer results.

    >>> import numpy as np
    >>> jacobian(lambda x: np.cumsum(x * x))(np.array([1.0, 2.0, 3.0]))
    array([[2., 0., 0.],
           [2., 4., 0.],
           [2., 4., 6.]])
    """
    chosen = argument_places(argnums)
    if mode not in ("auto", "forward", "reverse"):
        raise ArgumentError(f"mode {mode!r} is not known; expected auto, forward or reverse")

    @wraps(function)
    def call_derivative(*args: object, **kwargs: object) -> object:
        recording = linearize_at(function, chosen, args, kwargs)
        recording.of(recording.result)
        check(recording, mode, holomorphic)
        inputs, outputs = sizes(recording.inputs), sizes(recording.outputs)
        forward = mode == "forward" or (mode == "auto" and sum(inputs) <= sum(outputs))
        if mode == "auto" and any(map(np.iscomplexobj, recording.outputs)) and not holomorphic:
            forward = True  # a real cotangent would see the real part alone
        rows = _columns_of(recording) if forward else _rows_of(recording)
        if not forward and holomorphic:
            rows = [[swap_convention(block) for block in row] for row in rows]
        return _nest_blocks(recording, rows, isinstance(argnums, int))

    return call_derivative


def sizes(values: Sequence[Array]) -> list[int]:
    """Return how many numbers each value has."""
    return [prod(np.shape(x)) for x in values]


def check(recording: Linearization, mode: Mode, holomorphic: bool) -> None:
    """Refuse what has no Jacobian, or a different one than would be computed."""
    refuse_discrete(recording.outputs, every=True)
    complex_input = any(x.dtype.kind == "c" for x in recording.inputs)
    complex_output = any(map(np.iscomplexobj, recording.outputs))
    if holomorphic and not (complex_input and complex_output):
        raise GradientError(
            "holomorphic=True is for complex arguments and results; leave it out for real ones"
        )
    if complex_input and not holomorphic:
        raise GradientError(
            "the Jacobian of complex arguments is that of a holomorphic function only: say "
            "holomorphic=True if it is one, else differentiate with respect to real and imaginary "
            "part as two arguments"
        )
    if complex_output and not holomorphic and mode == "reverse":
        raise GradientError(
            "a complex result of real arguments has its Jacobian in forward mode: leave mode out"
        )


def _parts_of(values: Sequence[Array]) -> list[slice]:
    """Return where the numbers of each value stand among those of all."""
    return [slice(a, b) for a, b in pairwise(accumulate(sizes(values), initial=0))]


def basis(values: Sequence[Array]) -> list[Array]:
    """Return the unit vectors of some values together: an array (n, …) for each."""
    count = sum(sizes(values))
    found: list[Array] = []
    for x, part in zip(values, _parts_of(values), strict=True):
        dtype = x.dtype if x.dtype.kind in "fc" else float
        block = np.eye(count, part.stop - part.start, -part.start, dtype)
        found.append(block.reshape(count, *x.shape))
    return found


def _at_once(
    recording: Linearization, walk: Callable[..., list[Array]], vectors: Sequence[Array]
) -> list[Array]:
    """Walk for all vectors of a basis, in parts that fit the memory.

    Returns:
        for each result of the walk an array with an axis for the vectors in front.
    """
    count = len(vectors[0])
    if not count:
        return [
            np.zeros((0, *y.shape), y.dtype)
            for y in walk(*(np.zeros(v.shape[1:], v.dtype)[()] for v in vectors))
        ]
    recorded = recording.gives_tensors
    example = OneExample(walk, [v[0] for v in vectors])
    part = max(1, min(count, MOST_BYTES // max(1, example.nbytes)))
    parts: list[list[Any]] = []
    for start in range(0, count, part):
        some = [v[start : start + part] for v in vectors]
        found = example.spread(some, len(some[0]), recorded=recorded)
        parts.append(example.fill_outputs(found, len(some[0]), recorded))
    if len(parts) == 1:
        return parts[0]
    return [np.concatenate(blocks) for blocks in zip(*parts, strict=True)]


def _columns_of(recording: Linearization) -> list[list[Array]]:
    """Push the basis of the inputs forward; a list of blocks (m…, n…) for each output."""
    recorded, inputs = recording.gives_tensors, recording.inputs

    def push(*ts: object) -> list[Array]:
        return recording.push_forward(ts, recorded=recorded, exact=True)

    return [
        [
            np.moveaxis(block[part], 0, -1).reshape((*block.shape[1:], *x.shape))
            for x, part in zip(inputs, _parts_of(inputs), strict=True)
        ]
        for block in _at_once(recording, push, basis(inputs))
    ]


def _rows_of(recording: Linearization) -> list[list[Array]]:
    """Pull the basis of the outputs back; a list of blocks (m…, n…) for each output."""
    recorded = recording.gives_tensors
    outputs = [y if isinstance(y, Tensor) else np.asarray(y)[()] for y in recording.outputs]

    def pull(*gs: object) -> list[Array]:
        return recording.pull_back(gs, recorded=recorded, exact=True)

    pulled = _at_once(recording, pull, basis(outputs))
    return [
        [block[part].reshape((*y.shape, *block.shape[1:])) for block in pulled]
        for y, part in zip(outputs, _parts_of(outputs), strict=True)
    ]


def _nest_blocks(recording: Linearization, rows: list[list[Array]], single: bool) -> object:
    """Put the blocks into the containers of the arguments, and these into the result's."""
    answers = []
    for row in rows:
        left = iter(row)
        arguments = []
        for stand_ins, rebuild in recording.arguments:
            own = [next(left) for _ in stand_ins]
            if recording.tensors:
                own = [recording.outside(block) for block in own]
            arguments.append(rebuild(own))
        answers.append(arguments[0] if single else tuple(arguments))
    return recording.structure(answers)


def hessian(function: Callable[..., object], argnums: Argnums = 0) -> Callable[..., Any]:
    """Make the function that returns all second derivatives of a scalar function.

    It is the Jacobian of the gradient, pushed forward. For an argument of shape (n…) the result has
    the shape (n…, n…); for containers see `jacobian`.

    >>> import numpy as np
    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]))
    array([[10.,  6.],
           [ 6.,  0.]])
    """
    return jacobian(grad(function, argnums), argnums, mode="forward")


def hvp(function: Callable[..., object]) -> Callable[..., Any]:
    """Make the function `(x, v, *others)` that returns the Hessian times v, without the Hessian.

    `x` is the first argument of the scalar function, `v` has its structure and shapes. It costs a
    few times as much as the function: a tangent is pushed along its gradient. SciPy's `hessp`.

    >>> import numpy as np
    >>> hvp(lambda x: x[0] ** 2 * x[1])(np.array([3.0, 5.0]), np.array([1.0, 0.0]))
    array([10.,  6.])
    """

    @wraps(function)
    def product(x: Numbers, v: Numbers, *others: object, **kwargs: object) -> Array:
        slope = grad(function)
        return jvp(lambda at: slope(at, *others, **kwargs), (x,), (v,))[1]

    return product
