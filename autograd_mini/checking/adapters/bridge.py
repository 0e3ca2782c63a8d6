"""Hand-written gradients of another framework's functions, as functions of NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .choice import map_leaves
from .foreign import Framework

Function = Callable[..., Any]


def bridge_function(
    framework: Framework,
    f: Function,
    arguments: Sequence[Any],
    rules: dict[str, Any],
    keep_dtype: bool,
) -> tuple[Function, list[Any], dict[str, Any]]:
    """Return a function, its arguments and its rules, with arrays in the places of tensors."""

    def plain(x: Any) -> Any:
        return framework.array(x) if framework.owns(x) else x

    def tensor(x: Any) -> Any:
        return framework.tensor(x) if isinstance(x, (np.ndarray, np.floating)) else x

    def over_arrays(function: Function) -> Function:
        def call_over_arrays(*xs: Any) -> Any:
            with framework.precision(not keep_dtype):
                return map_leaves(plain, [function(*map_leaves(tensor, xs))])[0]

        call_over_arrays.__name__ = str(getattr(function, "__name__", type(function).__name__))
        return call_over_arrays

    taken = {k: over_arrays(rule) if callable(rule) else rule for k, rule in rules.items()}
    return over_arrays(framework.function(f)), map_leaves(plain, arguments), taken
