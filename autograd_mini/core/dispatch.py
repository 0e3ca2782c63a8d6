"""NumPy's functions on tensors: what happens when the table has no plain answer.

`np.tanh(t)` and `np.sum(t)` reach a tensor through `__array_ufunc__` and `__array_function__`. The
tensor looks the function up in the table; what remains (keyword arguments, ufunc methods,
functions that are not recorded) ends here, with an error that names the cure.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.conversion import convert_operand
from ..ops.functional import call_method
from ..ops.unsupported import CURE, why
from .arrays import PLAIN, foreign_kind, refuse_special
from .primitive import defers, implements
from .record import value_of
from .table import later, table
from .tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .arrays import Array


def _ufunc_name(ufunc: Callable[..., object]) -> str:
    """Return the full name of a ufunc, such as np.add or scipy.special.erf."""
    name = ufunc.__name__
    if name.startswith("_"):  # a ufunc that a SciPy function calls for some arguments
        return f"scipy.special.{name.removeprefix('_')}"
    scipy = sys.modules.get("scipy.special")
    if getattr(np, name, None) is not ufunc and getattr(scipy, name, None) is ufunc:
        return f"scipy.special.{name}"
    return f"np.{name}"


def _function_name(function: Callable[..., object]) -> str:
    """Return the full name of a function, such as np.linalg.norm."""
    return f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)


def _bring_in_scipy(ufunc: Callable[..., object]) -> None:
    """Fill the table with SciPy's ufuncs when the first unknown one meets a tensor."""
    if ufunc not in table and "scipy.special" in sys.modules:
        later["scipy.special"]()


@implements("__array_ufunc__")
def call_ufunc(
    ufunc: Callable[..., object], method: str, inputs: tuple[object, ...], kwargs: dict[str, Any]
) -> Array:
    """Call a ufunc that was given keywords, or say why it cannot be."""
    if any([defers(x) for x in inputs]):  # a list: each one is looked at
        return NotImplemented
    name = _ufunc_name(ufunc)
    _bring_in_scipy(ufunc)
    if method != "__call__":
        return call_method(ufunc, method, inputs, kwargs)
    if ufunc not in table:
        raise UnsupportedError(f"{name} of a tensor {why(ufunc)}")
    if any(given is not None for given in kwargs.pop("out", ())):
        raise UnsupportedError(
            f"{name}(…, out=…) of a tensor is not recorded; write y = {name}(…), and for an array "
            "a = a * t instead of a *= t"
        )
    where = kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    if kwargs or where is not True:
        given = ", ".join([*kwargs, *(["where"] if where is not True else [])])
        raise UnsupportedError(f"{name} of a tensor does not take {given}; use np.where after it")
    if dtype is not None:
        return _compute_in_dtype(ufunc, np.dtype(dtype), inputs)
    return table[ufunc](*inputs)


def _compute_in_dtype(
    ufunc: Callable[..., object], dtype: np.dtype[np.generic], inputs: tuple[object, ...]
) -> Tensor:
    """Convert the operands first, as NumPy does for `dtype=`, so that the result is exact in it."""
    if dtype.kind == "b":  # the result of a comparison: its operands have a dtype of their own
        return table[ufunc](*inputs).astype(dtype)
    for x in inputs:
        if not np.can_cast(np.result_type(value_of(x)), dtype, "same_kind"):
            raise UnsupportedError(
                f"{_ufunc_name(ufunc)}(…, dtype={dtype}) would drop a part of "
                f"{np.result_type(value_of(x))} values; convert the result with .astype"
            )
    return table[ufunc](*(convert_operand(x, dtype) for x in inputs))


USUAL = frozenset({Tensor, int, bool, str, type(None)}) | PLAIN
"""Classes of arguments that need no look: 0.5 µs less a call."""


@implements("__array_function__")
def call_function(
    function: Callable[..., object],
    types: Iterable[type],
    args: tuple[object, ...],
    kwargs: dict[str, object],
) -> object:
    """Call our counterpart of a NumPy function, or say why it cannot be.

    It returns NotImplemented if an array of another library is to answer (NEP 18).
    """
    for x in args:
        if type(x) not in USUAL:
            refuse_special(x)
    if kwargs:
        for x in kwargs.values():
            if type(x) not in USUAL:
                refuse_special(x)
    for kind in types:
        if kind not in USUAL and foreign_kind(kind):
            return NotImplemented
    ours = table.get(function)
    if ours is None:
        raise UnsupportedError(f"{_function_name(function)} of a tensor {why(function)}")
    try:
        return ours(*args, **kwargs)
    except TypeError as error:
        try:
            inspect.signature(ours).bind(*args, **kwargs)
        except TypeError as mismatch:
            raise UnsupportedError(
                f"{_function_name(function)} of a tensor: {mismatch}; {CURE}"
            ) from error
        raise
