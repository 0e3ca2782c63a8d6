"""Values as Python source, in scripts that import `numpy as np` and `autograd_mini as am`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ...core.source_text import dtype_text, literal
from ...core.tensor import Tensor

USUAL: Final = (np.float64, np.complex128, np.bool_, np.int64)
"""Dtypes that NumPy finds for numbers as they are written."""

MOST = 2000
"""Numbers in an array that is written."""

WIDE = 90
"""A longer array is written row by row."""


def value_text(value: Any) -> str | None:
    """Write a value; None if no text makes an equal one."""
    if isinstance(value, Tensor):
        text = value_text(np.asarray(value._value))
        return text and f"am.tensor({text}, requires_grad={value.requires_grad})"
    if type(value) is np.ndarray:
        return array_text(value)
    if type(value) is complex:
        return complex_text(value)
    if type(value) in (list, tuple, dict):
        return container_text(value)
    return literal(value)


def container_text(value: Any) -> str | None:
    """Write a list, tuple or dict."""
    if isinstance(value, dict):
        keys, texts = [literal(key) for key in value], [value_text(x) for x in value.values()]
        if None in keys or None in texts:
            return None
        return "{" + ", ".join(f"{k}: {x}" for k, x in zip(keys, texts, strict=True)) + "}"
    texts = [value_text(x) for x in value]
    if None in texts:
        return None
    inner = ", ".join(map(str, texts))
    if isinstance(value, list):
        return f"[{inner}]"
    return f"({inner},)" if len(texts) == 1 else f"({inner})"


def array_text(x: Any) -> str | None:
    """Write an array."""
    if x.size > MOST or x.dtype.kind not in "biufc" or x.dtype.itemsize > 16:
        return None
    dtype = "" if x.dtype.type in USUAL and x.dtype.isnative else f", {dtype_text(x.dtype)}"
    if not x.any() and x.size != 1 and x.dtype.kind != "b" and not np.signbit(x.real).any():
        kept = "" if x.dtype == np.float64 else f", {dtype_text(x.dtype)}"
        return f"np.zeros({x.shape}{kept})"
    text = nested_text(x, number_text(x.dtype))
    if len(text) > WIDE and x.ndim > 1:
        rows = "".join(f"\n    {nested_text(row, number_text(x.dtype))}," for row in x)
        text = f"[{rows}\n]"
    return f"np.array({text}{dtype})"


def nested_text(x: Any, number: Callable[[Any], str]) -> str:
    """Write an array as nested lists."""
    if x.ndim == 0:
        return number(x[()])
    return f"[{', '.join(nested_text(np.asarray(part), number) for part in x)}]"


def number_text(dtype: np.dtype[Any]) -> Callable[[Any], str]:
    """Return how numbers of a dtype are written: those of narrow dtypes with few digits."""
    if dtype.kind == "c":
        narrow = dtype.itemsize // 2
        return lambda z: complex_text(
            complex(shortest_float(z.real, narrow), shortest_float(z.imag, narrow))
        )
    if dtype.kind == "f":
        return lambda x: str(literal(shortest_float(x, dtype.itemsize)))
    return lambda x: str(literal(x.item()))


def shortest_float(x: Any, size: int) -> float:
    """Return the float with the fewest digits that is x in its own dtype."""
    return float(x) if size == 8 else float(str(x.dtype.type(x)))


def complex_text(z: complex) -> str:
    """Write a complex number, with the signs of its zeros."""
    plain = math.isfinite(abs(z)) and all(p or math.copysign(1, p) > 0 for p in (z.real, z.imag))
    return repr(z).strip("()") if plain else str(literal(z))
