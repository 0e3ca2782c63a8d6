"""Check a function of another framework's tensors through the interface of a subject.

A `Framework` converts between arrays and its tensors. A `FrameworkSubject` calls the function with
tensors, and asks the framework for the gradient. `framework_of` finds the framework that a function
belongs to, and `adapt_function` makes the subject of its check.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, Protocol, SupportsFloat, TypeGuard
from warnings import catch_warnings, simplefilter

import numpy as np

from ...core.tree import flatten
from ...errors import ArgumentError
from ..inputs import Arrays, Inputs, Problem, argument_names, coordinates, problem
from ..report import Kind
from ..subjects import Function, Subject, copy_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping


class Foreign(Protocol):
    """Something of another framework, such as a tensor; its attributes are not known here."""

    def __getattr__(self, name: str, /) -> Any: ...


class LeafSlot:
    """Marks the place of a differentiated leaf."""

    def __init__(self, position: int) -> None:
        self.position = position


class HiddenValue:
    """Hides a value from the check: it is passed to the function unchanged."""

    def __init__(self, value: object) -> None:
        self.value = value


class Framework:
    """What a check needs to know about a framework. Creating one imports the framework.

    Attributes:
        title: its name in messages.
    """

    title: str

    def owns(self, value: object) -> TypeGuard[Foreign]:
        """Is a value one of the framework's tensors?"""
        raise NotImplementedError

    def array(self, tensor: Foreign) -> np.ndarray:
        """Return the values of a tensor as an array."""
        raise NotImplementedError

    def tensor(self, value: object, like: object = None) -> Foreign:
        """Convert an array to a tensor; `like` is the tensor that the user gave for this input."""
        raise NotImplementedError

    def wide(self, tensor: Foreign) -> Foreign:
        """Convert a floating-point tensor to double precision."""
        raise NotImplementedError

    def has_changed(self, tensor: Foreign, value: np.ndarray) -> bool:
        """Did the function write into a tensor, in a way that its array does not show?"""
        return False

    def foreign_unit(self, tensor: Foreign) -> float:
        """Return the rounding unit of a tensor whose dtype NumPy lacks; 0 for any other."""
        raise NotImplementedError

    def function(self, f: Function) -> Function:
        """Return the callable form of a function."""
        return f

    def wide_function(self, f: Function) -> Function:
        """Return the function with its parameters in double precision, if possible."""
        return f

    def declaring_function(self, f: Function) -> Function:
        """Return the function whose signature names the inputs."""
        return f

    def open_containers(
        self, f: Function, arguments: Sequence[object]
    ) -> tuple[Function, Sequence[object]]:
        """Rewrite a function and its arguments so that only standard containers remain."""
        return f, arguments

    def with_parameters(self, f: object) -> tuple[Function, dict[str, Foreign]] | None:
        """Return a function of the parameters of an object and of its inputs, and the parameters.

        Returns None for a function without parameters.
        """
        return None

    def precision(self, wide: bool) -> AbstractContextManager[object]:
        """Return the context in which tensors are created and used."""
        return nullcontext()

    def subject(
        self, f: Function, inputs: Inputs, arguments: Sequence[object], wide: bool
    ) -> FrameworkSubject:
        """Return the subject for a function; `arguments` are the user's."""
        raise NotImplementedError


class FrameworkSubject(Subject):
    """A function of a framework's tensors, with the gradient that the framework computes.

    Attributes:
        likes: the value that the user gave for each differentiated leaf.
        wide: whether everything runs in double precision.
        coarsest: the rounding unit of results in a dtype that NumPy lacks.
    """

    none_is_zero = True

    def __init__(
        self,
        framework: Framework,
        f: Function,
        inputs: Inputs,
        arguments: Sequence[object],
        wide: bool,
    ) -> None:
        super().__init__(framework.function(f), None, inputs)
        self._pair = False
        self.what = f"the gradient of {framework.title}"
        self.framework, self.wide = framework, wide
        self.coarsest = 0.0
        filled = inputs.fill_arguments([LeafSlot(i) for i in range(len(inputs.arrays))])
        leaves, self._rebuild = flatten(list(filled))
        given = flatten(list(arguments))[0]
        self._arrays_only = not any(framework.owns(x) for x in given)
        self._slots = [x.position if isinstance(x, LeafSlot) else None for x in leaves]
        self._rest = [self._passed_on(x) for x in given]
        self.likes = [x for x, i in zip(given, self._slots, strict=True) if i is not None]

    def _passed_on(self, value: object) -> object:
        """Return a value that is not differentiated, in the form that the function receives."""
        framework = self.framework
        with self.precision():
            if self._arrays_only and isinstance(value, np.ndarray):
                value = framework.tensor(np.array(value))
            return framework.wide(value) if self.wide and framework.owns(value) else value

    def precision(self) -> AbstractContextManager[object]:
        """Return the context in which the function is called."""
        return self.framework.precision(self.wide)

    def call_with_tensors(self, *tensors: object) -> object:
        """Call the function with these tensors in place of the differentiated leaves."""
        rows = zip(self._slots, self._rest, strict=True)
        filled = [x if i is None else tensors[i] for i, x in rows]
        return self.function(*self._rebuild(filled))

    def tensors(self, values: Sequence[object]) -> list[Foreign]:
        """Convert the values of the differentiated leaves to tensors."""
        rows = zip(values, self.likes, strict=True)
        return [self.framework.tensor(x, like) for x, like in rows]

    def leaves(self, outputs: object) -> list[object]:
        """Return the leaves of a result."""
        return flatten(outputs)[0]

    def arrays(self, outputs: object) -> Arrays:
        """Return the leaves of a result as arrays; other values stay unchanged."""
        framework, leaves = self.framework, self.leaves(outputs)
        units = [framework.foreign_unit(y) for y in leaves if framework.owns(y)]
        self.coarsest = max([self.coarsest, *units])
        return [framework.array(y) if framework.owns(y) else y for y in leaves]

    def call_for_values(self, tensors: list[Foreign]) -> object:
        """Call the function when only its values are needed."""
        return self.call_with_tensors(*tensors)

    def call(self, values: Arrays) -> Any:
        """Call the function with tensors.

        Raises:
            Problem: if it writes into one.
        """
        with self.precision():
            tensors = self.tensors(values)
            outputs = self.call_for_values(tensors)
            found = self.arrays(outputs)
            self._pair = super().is_pair(outputs)
            for tensor, value, name in zip(tensors, values, self.inputs.names, strict=True):
                if self.framework.has_changed(tensor, value):
                    text = f"the function changed {name} in place; it must work on a copy"
                    raise problem(Kind.MUTATION, text, name)
        return found or outputs

    def is_pair(self, result: object) -> bool:
        """Did the function's last result consist of two parts?"""
        return self._pair

    def evaluate_rows(self, arrays: Arrays, position: int, rows: np.ndarray) -> Arrays | None:
        """Evaluate many rows in place of one input, in one batched call; None if impossible."""
        values = self.inputs.values(arrays)
        values[position] = self.inputs.natural_value(position, rows)
        try:
            with self.precision(), catch_warnings(), np.errstate(all="ignore"):
                simplefilter("ignore")  # some warn that they run a slow loop
                outputs = self.call_batched(self.tensors(values), position)
                return None if outputs is None else [coordinates(y) for y in self.arrays(outputs)]
        except Exception:  # not everything can be batched
            return None

    def call_batched(self, tensors: list[Foreign], position: int) -> object:
        """Call the function for each row of one tensor at once; None if this is not possible."""
        return None

    def at_point(self) -> Arrays:
        """Evaluate at the point, and use the rounding unit of dtypes that NumPy lacks."""
        found = super().at_point()
        self.epsilon = max(self.epsilon, self.coarsest)
        return found

    def pull_back(self, values: Arrays, weights: Arrays) -> list[object]:
        """Ask the framework for the gradient.

        Raises:
            Problem: if it raises.
        """
        try:
            with self.precision():
                return self.reverse(values, weights)
        except Problem:
            raise
        except Exception as error:  # the function ran, so any error is the rule's
            raise problem(*_describe_refusal(self.what, error)) from error

    def reverse(self, values: Arrays, weights: Sequence[np.ndarray | None]) -> list[object]:
        """Return the gradient: one array, or None, for each differentiated leaf."""
        gs = [None if g is None else self.framework.tensor(g) for g in weights]
        found = self.run_backward(self.tensors(values), gs)
        return [None if g is None else self.framework.array(g) for g in found]

    def run_backward(
        self, tensors: Sequence[Foreign], gs: Sequence[Foreign | None]
    ) -> Sequence[Foreign | None]:
        """Return the gradient as tensors; None for a leaf that no output depends on."""
        raise NotImplementedError

    def push_forward(self, values: Arrays, tangents: Arrays) -> Arrays | None:
        """Push tangents forward; None if an operation has no forward rule."""
        try:
            with self.precision(), catch_warnings():
                simplefilter("ignore")  # frameworks warn about their forward mode
                return self.forward(values, tangents)
        except Exception as error:
            if not _is_from_user_rule(error):
                return None  # no forward mode: nothing to compare
            kind, text = Kind.FORWARD, _describe_refusal("the forward rule", error)[1]
            raise problem(kind, text) from error

    def forward(self, values: Arrays, tangents: Arrays) -> list[np.ndarray | None]:
        """Return the tangents of the outputs; None for a constant output."""
        raise NotImplementedError

    # ── the gradient as a function ────────────────────────────────────────────────────────────
    def differentiable_gradient(self, gs: list[Foreign], *tensors: Foreign) -> Sequence[object]:
        """Return the gradient as tensors that the framework can differentiate again."""
        return self.run_backward(tensors, gs)

    def gradient_subject(self) -> Subject:
        """Return the gradient as a subject: a function of cotangents and leaves."""

        def gradient(gs: list[Foreign], *tensors: Foreign) -> Sequence[object]:
            return self.differentiable_gradient(gs, *tensors)

        gradient.__name__ = f"gradient of {self.name}"
        inputs = self.gradient_inputs()
        values = inputs.fill_arguments(inputs.values(inputs.arrays))
        found: FrameworkSubject = type(self)(self.framework, gradient, inputs, values, self.wide)
        found.likes = [None] * (len(found.likes) - len(self.likes)) + self.likes
        found.coarsest = self.epsilon
        return found

    def gradient_inputs(self) -> Inputs:
        """Return the inputs of the gradient, in the dtypes of results and leaves."""
        zeros = [np.zeros((*y.shape, 2) if y.dtype.kind == "c" else y.shape) for y in self.results]
        gs = self.natural_weights(self.weights(zeros, np.random.default_rng(len(zeros))))
        if not self.wide:
            rows = zip(gs, self.results, strict=True)
            gs = [np.asarray(g, y.dtype) if y.dtype.kind in "fc" else g for g, y in rows]
        values = copy_arrays(self.inputs.values(self.inputs.arrays))
        return Inputs((gs, *values), ["cotangent", *self.inputs.names], keep_dtype=not self.wide)

    # ── whether it runs ───────────────────────────────────────────────────────────────────────
    def try_run(self) -> int:
        """Return how much runs: 0 nothing, 1 the function, 2 its gradient as well."""
        values = self.inputs.values(self.inputs.arrays)
        try:
            outputs = [np.asarray(y) for y in self.call(copy_arrays(values))]
        except Problem:
            return 1
        except Exception:  # the function may not support these tensors
            return 0
        try:
            found = self.pull_back(copy_arrays(values), [np.ones_like(y) for y in outputs])
        except Exception:
            return 1
        rows = zip(found, values, strict=True)
        return 1 if any(_is_narrower(g, x) for g, x in rows if g is not None) else 2


def _is_narrower(a: object, b: object) -> bool:
    """Does an array have a narrower dtype than another?"""
    first, second = np.asarray(a).dtype, np.asarray(b).dtype
    return first.kind in "fc" and bool(np.finfo(first).eps > np.finfo(second).eps)


def rounding_unit(number: Callable[[float], SupportsFloat]) -> float:
    """Return the distance from 1 to the next number, for a number type that NumPy lacks.

    >>> rounding_unit(np.float16) * 2**10
    1.0
    """
    unit = 1.0
    while float(number(1 + unit / 2)) != 1:
        unit /= 2
    return unit


def _is_from_user_rule(error: Exception) -> bool:
    """Was an error raised inside a user's `jvp`, rather than a package's?"""
    if isinstance(error, NotImplementedError):
        return False
    frames = extract_tb(error.__traceback__)
    return any(x.name == "jvp" and "site-packages" not in x.filename for x in frames)


def _describe_refusal(what: str, error: Exception) -> tuple[Kind, str]:
    """Return the kind and text of the problem when computing a gradient raises an error."""
    said = str(error).strip().split("\n")[0]
    lower = said.lower()
    about_shape = any(word in lower for word in ("shape", "number of", "structure", "tuple"))
    kind = Kind.SHAPE if about_shape else Kind.UNKNOWN
    return kind, f"{what} raises {type(error).__name__}: {said:.200}"


FRAMEWORKS = {
    "torch": ("torch_functions", "Torch"),
    "jax": ("jax_functions", "Jax"),
    "tensorflow": ("tensorflow_functions", "TensorFlow"),
}
"""The adapter of each framework: its module and class."""

PACKAGES = {"torch": "torch", "jax": "jax", "jaxlib": "jax", "tensorflow": "tensorflow"}
"""The framework of each package. A tensor type or a function may be defined in any of them."""


def framework_of(f: object, inputs: Sequence[object], name: str | None = None) -> Framework | None:
    """Return the framework of a function, judged by its inputs and the function itself; or None.

    Args:
        f: the function.
        inputs: the inputs of the function.
        name: the name of the framework, if the caller knows it.

    Raises:
        ArgumentError: if the name is unknown.
        ImportError: if the framework is not installed.
    """
    if name is not None and name not in FRAMEWORKS:
        raise ArgumentError(
            f"gradcheck: framework must be one of {tuple(FRAMEWORKS)}, got {name!r}"
        )
    if name is None:
        leaves = flatten(list(inputs))[0]
        found = (frameworks_of(x) for x in [*leaves, f])
        name = next((name for names in found for name in names), None)
    if name is None and callable(f):
        name = PACKAGES.get(_package_of(getattr(f, "__module__", None)))
    if name is None:
        return None
    module, cls = FRAMEWORKS[name]
    made: Framework = getattr(import_module(f"{__package__}.{module}"), cls)()
    return made


def _package_of(module: object) -> str:
    """Return the top-level package of a module name."""
    return module.partition(".")[0] if isinstance(module, str) else ""


def frameworks_of(value: object) -> list[str]:
    """Return the frameworks in which a type (or the type of a value) or a base class is defined."""
    cls = value if isinstance(value, type) else type(value)
    return [PACKAGES[p] for c in cls.__mro__ if (p := _package_of(c.__module__)) in PACKAGES]


def adapt_function(
    framework: Framework,
    f: Function,
    arguments: Sequence[object],
    names: Sequence[str] | None = None,
    argnums: int | Sequence[int] | None = None,
    keep_dtype: bool = False,
) -> FrameworkSubject:
    """Return the subject for a function of a framework's tensors.

    Everything runs in double precision. If the function or its gradient only runs in the given
    dtypes, these are kept.

    Raises:
        OperandError: if no input is a floating-point tensor.
    """
    written = argument_names(framework.declaring_function(f), len(arguments), names)
    f, arguments = framework.open_containers(f, arguments)
    plain = _convert_arguments(framework, arguments, argnums)
    kept = framework.subject(f, Inputs(plain, written, argnums, True), arguments, False)
    if keep_dtype:
        kept.try_run()
        return kept
    wide = framework.subject(
        framework.wide_function(f), Inputs(plain, written, argnums), arguments, True
    )
    reached = wide.try_run()
    return wide if reached == 2 or reached >= kept.try_run() > 0 else kept


def _convert_arguments(
    framework: Framework, arguments: Sequence[object], argnums: int | Sequence[int] | None
) -> list[object]:
    """Replace tensors by arrays in the arguments.

    Python numbers are differentiated if there are no tensors, or if `argnums` says so. Next to
    tensors they count as options and are passed on.
    """
    leaves = flatten(list(arguments))[0]
    tensors = [x for x in leaves if framework.owns(x) or isinstance(x, np.ndarray)]
    hide = argnums is None and any(_is_differentiable(framework, x) for x in tensors)

    def plain(x: object) -> object:
        if framework.owns(x):
            try:
                return framework.array(x)
            except Exception:  # not numeric, such as a random key or text
                return HiddenValue(x)
        return HiddenValue(x) if hide and isinstance(x, (float, complex)) else x

    return map_leaves(plain, arguments)


def _is_differentiable(framework: Framework, value: object) -> bool:
    """Does a tensor or array hold floating-point or complex numbers?"""
    try:
        array = framework.array(value) if framework.owns(value) else value
    except Exception:  # not numeric, such as a random key or text
        return False
    return isinstance(array, np.ndarray) and array.dtype.kind in "fc"


def map_leaves(function: Callable[[object], object], arguments: Sequence[object]) -> list[object]:
    """Apply a function to every leaf of each argument."""
    found = []
    for argument in arguments:
        leaves, rebuild = flatten(argument)
        found.append(rebuild([function(x) for x in leaves]))
    return found


def bridge_function(
    framework: Framework,
    f: Function,
    arguments: Sequence[object],
    rules: Mapping[str, object],
    keep_dtype: bool,
) -> tuple[Function, list[object], dict[str, object]]:
    """Wrap a function of tensors, its arguments and hand-written rules to work on NumPy arrays."""

    def plain(x: object) -> object:
        return framework.array(x) if framework.owns(x) else x

    def tensor(x: object) -> object:
        return framework.tensor(x) if isinstance(x, (np.ndarray, np.floating)) else x

    def over_arrays(function: Function) -> Function:
        def call_over_arrays(*xs: object) -> object:
            with framework.precision(not keep_dtype):
                return map_leaves(plain, [function(*map_leaves(tensor, xs))])[0]

        call_over_arrays.__name__ = str(getattr(function, "__name__", type(function).__name__))
        return call_over_arrays

    taken = {k: over_arrays(rule) if callable(rule) else rule for k, rule in rules.items()}
    return over_arrays(framework.function(f)), map_leaves(plain, arguments), taken
