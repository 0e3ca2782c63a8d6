"""The mode of a module: whether it behaves as in training, and that it does not while in use."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

using: Final[ContextVar[bool]] = ContextVar("autograd_mini_using", default=False)
"""Whether models predict in this thread or task; then all are in evaluation mode."""


class Mode:
    """The attribute `training`: what was set, True at first; False while a model predicts.

    No module is changed for a prediction, so that threads may predict, and train, side by side.
    """

    def __get__(self, module: Any, kind: type | None = None) -> bool:
        if module is None:
            return True
        return not using.get() and bool(vars(module).get("training", module.starts_in_training))

    def __set__(self, module: Any, training: bool) -> None:
        vars(module)["training"] = training
