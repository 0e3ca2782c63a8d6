"""The table: a dict from NumPy's functions to ours, which each `np.function(tensor)` looks up.

The primitives behind them are in `primitive.PRIMITIVES`.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

import numpy as np

Axis = int | tuple[int, ...] | None

table: Final[dict[Any, Callable[..., Any]]] = {}
"""NumPy function (or our name, where NumPy has none) → ours; the modules of `ops` fill it."""

later: Final[dict[str, Callable[[], ModuleType]]] = {}
"""Another library's module → what imports our functions for it, and so enters them in the table."""


def numpy_functions(*names: str) -> tuple[Callable[..., object], ...]:
    """Return the NumPy functions of these names that the installed NumPy has.

    A declaration that answers to a new function is entered under these, so that the table has no
    more functions than the NumPy that it stands on.
    """
    return tuple(getattr(np, name) for name in names if hasattr(np, name))
