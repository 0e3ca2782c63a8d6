"""Early stopping: patience, and the way back to the best epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..ops.conversion import assign_all
from .history import History

if TYPE_CHECKING:
    from .module import Module


class Watch:
    """Looks at the monitored loss after each epoch: val_loss, or loss without validation.

    Without patience it does nothing.
    """

    def __init__(self, model: Module, patience: int | None, restore_best: bool) -> None:
        self._tensors = [t for _, t in model.named_tensors()]
        self._patience = patience
        self._restore = restore_best and patience is not None
        self._lowest = math.inf
        self._waited = 0
        self._best: list[Any] | None = None

    def stops(self, history: History) -> bool:
        """Take note of the last epoch, and say whether patience is at its end."""
        if self._patience is None:
            return False
        loss = history.monitored_value(-1)
        if loss < self._lowest:
            self._lowest, self._waited = loss, 0
            # `assign` binds new arrays and never writes into old ones: references are enough.
            self._best = [t.data for t in self._tensors]
        else:
            self._waited += 1
        return self._waited >= self._patience

    def restore(self, history: History) -> None:
        """Give the model the parameters and buffers of its best epoch."""
        if self._restore and self._best is not None:
            assign_all(self._tensors, self._best)
            history.restored = True
