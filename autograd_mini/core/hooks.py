"""Hooks: functions that read or change the cotangent of a tensor when the reverse walk has it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from ..errors import GradientError, ShapeError
from ..ops.conversion import astype
from .arrays import as_array
from .cotangents import swap_convention
from .extraction import describe, plain_value
from .notes import hooks
from .record import Record
from .table import table
from .tensor import Tensor

keys = count()


class Hook:
    """A registered hook; `remove()` takes it away again."""

    __slots__ = ("_key", "_of_leaf", "_serial")

    def __init__(self, serial: int, key: int, of_leaf: bool) -> None:
        self._serial = serial
        self._key = key
        self._of_leaf = of_leaf

    def remove(self) -> None:
        """Take the hook away; doing it twice does no harm."""
        hooks.get(self._serial, {}).pop(self._key, None)
        hooks.leaf_changes += self._of_leaf


def register_hook(tensor: Tensor, function: Callable[[Any], Any]) -> Hook:
    """Call a function with the whole cotangent of a tensor in every reverse walk that reaches it.

    Raises:
        GradientError: for a tensor that requires no gradient, which no walk reaches.
    """
    if not tensor._requires_grad:
        raise GradientError(f"{describe(tensor)} requires no gradient, so a hook is never called")
    vertex = tensor._operands if type(tensor._operands) is Record else tensor
    key = next(keys)
    hooks.attach(vertex, {**hooks.get(vertex.serial, {}), key: (tensor.index, function)})
    hooks.leaf_changes += tensor.is_leaf
    return Hook(vertex.serial, key, tensor.is_leaf)


table["register_hook"] = register_hook


def after_hooks(vertex: Any, g: Any) -> Any:
    """Return the cotangent of a vertex (a list for several outputs) as its hooks leave it."""
    for index, function in hooks.get(vertex.serial, {}).values():
        if type(g) is list:
            if g[index] is not None:
                g[index] = call_hook(vertex, function, g[index])
        else:
            g = call_hook(vertex, function, g)
    return g


def call_hook(vertex: Any, function: Callable[[Any], Any], g: Any) -> Any:
    """Call one hook with a cotangent of its own; without a result the cotangent stays."""
    shown = swap_convention(g)
    result = function(shown.copy() if type(shown) is np.ndarray else shown)
    if result is None:
        return g
    if np.shape(plain_value(result)) != g.shape:
        raise ShapeError(
            f"a hook returned shape {np.shape(result)} for a cotangent of shape {g.shape}; "
            "expected the same shape, or None to leave it"
        )
    if type(g) is not Tensor or not isinstance(result, Tensor):
        result = as_array(plain_value(result))
    if result.dtype.kind == "c" and g.dtype.kind != "c":
        raise GradientError(
            f"a hook returned complex numbers for a {g.dtype} cotangent; return real ones"
        )
    return swap_convention(result if result.dtype == g.dtype else astype(result, g.dtype))
