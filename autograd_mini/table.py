"""The table by NumPy function: what every operator, method and `np.function(tensor)` looks up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Axis = int | tuple[int, ...] | None

table: Final[dict[Any, Callable[..., Any]]] = {}
"""NumPy function (or our name, where NumPy has none) → ours; the modules of `ops` fill it."""
