"""How values and functions are written in Python source that has `import numpy as np`."""

from __future__ import annotations

import builtins
import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np

Code = Callable[..., str | None]
"""From operands as `Written` and parameters by keyword to source; None where it does not apply."""
Statements = Callable[..., list[str] | None]
"""Likewise, but for the array of the result in front of the operands."""


@dataclass(frozen=True, slots=True)
class Written:
    """An operand of a program: its name in the source, and its known properties.

    Attributes:
        text: a variable, or a Python number.
        shape, dtype: of the value; a Python number has no dtype.
        number: the Python number that it is, or None.
    """

    text: str
    shape: tuple[int, ...] = ()
    dtype: np.dtype[Any] | None = None
    number: Any = None

    def __str__(self) -> str:
        return self.text if self.text.isidentifier() else f"({self.text})"


def literal(value: object) -> str | None:
    """Write a value; None if no text makes an equal one."""
    writer = WRITERS.get(type(value))
    if writer is not None:
        return writer(value)
    if isinstance(value, np.dtype):
        text = dtype_text(value)
        return text if text.startswith("np.dtype") else f"np.dtype({text})"
    if isinstance(value, np.generic) and value.dtype.kind in "biufc":
        return f"{dtype_text(value.dtype)}({literal(value.item())})" if _is_exact(value) else None
    if isinstance(value, np.ndarray):
        return _array_text(value)
    found = reference(value)
    return found[0] if found and not found[1] else None


def _is_exact(value: np.generic) -> bool:
    """Whether a NumPy scalar becomes a Python number without loss; a long double does not."""
    return type(value.item()) in WRITERS and value.dtype.itemsize <= 16


def _float_text(value: float) -> str:
    """Write a float as source text; NaN and infinity too."""
    if math.isfinite(value):
        return repr(value)
    return "np.nan" if value != value else "np.inf" if value > 0 else "-np.inf"


def _complex_text(value: complex) -> str:
    """Write a complex number with the signs of its zeros."""
    return f"complex({_float_text(value.real)}, {_float_text(value.imag)})"


def dtype_text(value: np.dtype[np.generic]) -> str:
    """Write what NumPy takes for a dtype, as np.float32."""
    native = np.dtype(value.type) == value and getattr(np, value.type.__name__, None) is value.type
    return f"np.{value.type.__name__}" if native else f"np.dtype({value.str!r})"


def _array_text(value: np.ndarray) -> str | None:
    """Write an array of at most 16 numbers."""
    if value.size > 16 or value.dtype.kind not in "biufc" or value.dtype.itemsize > 16:
        return None
    if not value.size:
        return f"np.zeros({value.shape}, {dtype_text(value.dtype)})"
    return f"np.array({literal(value.tolist())}, {dtype_text(value.dtype)})"


def _slice_text(value: slice) -> str | None:
    """Write a slice object."""
    parts = [literal(part) for part in (value.start, value.stop, value.step)]
    return None if None in parts else f"slice({', '.join(map(str, parts))})"


def _sequence_text(opening: str, closing: str, value: tuple[int, ...]) -> str | None:
    """Write a list or tuple."""
    parts = [literal(part) for part in value]
    if None in parts:
        return None
    comma = "," if opening == "(" and len(parts) == 1 else ""
    return f"{opening}{', '.join(map(str, parts))}{comma}{closing}"


def _dict_text(value: dict[object, object]) -> str | None:
    """Write a dict."""
    parts = [(literal(k), literal(v)) for k, v in value.items()]
    if any(k is None or v is None for k, v in parts):
        return None
    return "{" + ", ".join(f"{k}: {v}" for k, v in parts) + "}"


WRITERS: Final[dict[type, Callable[[Any], str | None]]] = {
    int: repr,
    bool: repr,
    str: repr,
    bytes: repr,
    type(None): repr,
    type(Ellipsis): lambda _: "...",
    float: _float_text,
    complex: _complex_text,
    slice: _slice_text,
    range: repr,
    tuple: partial(_sequence_text, "(", ")"),
    list: partial(_sequence_text, "[", "]"),
    dict: _dict_text,
}
"""How a value of an exact class is written."""

PLACES: Final = (
    ("np", "numpy", ""),
    ("np.linalg", "numpy.linalg", ""),
    ("np.fft", "numpy.fft", ""),
    ("scipy.special", "scipy.special", "import scipy.special"),
)
"""Where functions are looked for: how a program names the module, its name, and its import."""


def reference(value: object) -> tuple[str, str] | None:
    """Return how a program names a function or class of NumPy or SciPy, and the import it needs.

    The import is "" for NumPy. None for anything else.
    """
    name = getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    owner = getattr(value, "__self__", None)
    if isinstance(owner, np.ufunc):
        found = reference(owner)
        return found and (f"{found[0]}.{name}", found[1])
    if getattr(builtins, name, None) is value:
        return name, ""
    for text, module, needed in PLACES:
        if getattr(sys.modules.get(module), name, None) is value:
            return f"{text}.{name}", needed
    return None


def subscript(part: object) -> str:
    """Write one part of an index as it stands between brackets: `1:3`, `None`, `...`."""
    if isinstance(part, slice):
        ends = ["" if p is None else str(operator.index(p)) for p in (part.start, part.stop)]
        step = "" if part.step is None else f":{operator.index(part.step)}"
        return f"{ends[0]}:{ends[1]}{step}"
    return str(literal(part))
