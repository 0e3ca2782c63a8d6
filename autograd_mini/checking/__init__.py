"""Checking gradients: numeric derivatives against recorded or hand-written ones.

A check evaluates a function along lines through a point (`lines`), makes derivatives with error
bars of what it sees (`estimates`, `investigation`), judges the given gradient by them (`verdicts`),
looks for a cause (`diagnosis`, `blame`) and says what it found (`report`). `subjects` makes one
interface of recorded functions, hand-written gradients and those of other frameworks. `searching`
looks for inputs at which a gradient is wrong; `strategies` has what tests of gradients draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import GradcheckError, UndecidedError
from .causes import Cause, Kind
from .check import gradcheck
from .counterexamples import explore, search
from .layers import layer
from .numeric.verdicts import Verdict
from .reporting.entries import Entry
from .reporting.report import Report

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
"""Without `strategies`, which need hypothesis: `import *` must not depend on it."""


def __dir__() -> list[str]:
    """List what is public, with the strategies where hypothesis is installed."""
    from importlib.util import find_spec

    optional = ["strategies"] if find_spec("hypothesis") is not None else []
    return sorted([*__all__, *optional, *(name for name in globals() if name.startswith("__"))])


if not TYPE_CHECKING:  # they would take any name for one of ours

    def __getattr__(name: str) -> Any:
        """Import the strategies, which need hypothesis, where they are first used."""
        if name == "strategies":
            from importlib import import_module

            return import_module(f"{__name__}.strategies")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
