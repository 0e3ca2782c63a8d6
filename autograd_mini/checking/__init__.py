"""Gradient checks: compare a gradient with numeric derivatives that have error bars.

A check runs in this order. `subjects` gives every function and its gradient one interface, whether
the gradient is recorded, written by hand, or comes from another framework (`adapters`).
`examination` is the driver: it lists the stages of a check. `numeric` estimates each derivative and
its error bar, and judges the given gradient. `diagnosis` looks for the cause of a wrong gradient,
and `check` for the operation with the wrong rule. `report` holds the result, and `display` shows
it.

`counterexamples` searches for inputs at which a gradient is wrong. `layers` checks objects with
`forward` and `backward`. `strategies` generates inputs for property tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import GradcheckError, UndecidedError
from .check import gradcheck
from .counterexamples import explore, search
from .layers import layer
from .report import Cause, Entry, Kind, Report, Verdict

if TYPE_CHECKING:
    from . import strategies as strategies

__all__ = [
    "Cause",
    "Entry",
    "GradcheckError",
    "Kind",
    "Report",
    "UndecidedError",
    "Verdict",
    "explore",
    "gradcheck",
    "layer",
    "search",
]
"""`strategies` is not listed: it needs hypothesis, and `import *` must work without it."""


def __dir__() -> list[str]:
    """List the public names; `strategies` only if hypothesis is installed."""
    from importlib.util import find_spec

    optional = ["strategies"] if find_spec("hypothesis") is not None else []
    return sorted([*__all__, *optional, *(name for name in globals() if name.startswith("__"))])


if not TYPE_CHECKING:  # or type checkers would accept any attribute

    def __getattr__(name: str) -> Any:
        """Import `strategies` on first use, because it needs hypothesis."""
        if name == "strategies":
            from importlib import import_module

            return import_module(f"{__name__}.strategies")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
