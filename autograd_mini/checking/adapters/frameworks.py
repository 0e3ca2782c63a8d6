"""Find the framework that a function belongs to, and make the subject of its check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

from ...core.tree import flatten
from ...errors import ArgumentError
from ..inputs import Inputs, argument_names
from ..subjects import Function
from .foreign import Framework, FrameworkSubject, HiddenValue

if TYPE_CHECKING:
    from collections.abc import Mapping

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
