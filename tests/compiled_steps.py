"""A compiled training step, as several tests of pictures draw it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import autograd_mini as am


def train_compiled(predict: Callable[[Any], Any], trained: Any, x: np.ndarray) -> Any:
    """Return a compiled step that minimizes the mean square of a prediction.

    It has been called twice, so that its program is there.

    Args:
        predict: a function of an input, such as a model.
        trained: what the optimizer changes: a model, or a list of tensors.
        x: the input of both calls.
    """
    optimizer = am.optim.SGD(trained, lr=0.1)

    @am.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = np.mean(predict(x) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    for _ in range(2):
        step(x)
    return step
