"""One training step, and an epoch of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..errors import ArgumentError, NonFiniteError, OperandError
from ..optim import Adam, Optimizer, Schedule, clip_grad_norm
from .data import Pair
from .inference import call_metrics, number
from .losses import Loss
from .metrics import Metric
from .replay import Replay


@dataclass(slots=True, eq=False)
class Trainer:
    """What the steps of one training have in common.

    Attributes:
        parameters: path and tensor of what the model trains.
        compiled: whether steps are replayed; None where that is possible.
        replay: who does that, made for the first step.
    """

    model: Callable[[Any], Any]
    parameters: tuple[tuple[str, Tensor], ...]
    loss: Loss
    optimizer: Optimizer
    metrics: Mapping[str, Metric]
    schedule: Schedule | None
    clip_norm: float | None
    compiled: bool | None = None
    replay: Replay | None = None
    guarded_attributes = ("model", "parameters", "loss", "optimizer", "clip_norm")

    def epoch(self, data: Pair, places: Iterable[Any], epoch: int) -> dict[str, float]:
        """Take a step for each batch; return the means of loss and metrics over the samples."""
        x, y = data
        totals: dict[str, float] = {}
        for batch, place in enumerate(places):
            inputs, targets = x[place], y[place]
            row = self.step(inputs, targets, f"epoch {epoch + 1}, batch {batch + 1}")
            for name, value in row.items():
                totals[name] = totals.get(name, 0.0) + value * len(inputs)
        return {name: total / len(x) for name, total in totals.items()}

    def step(self, x: Any, y: Any, where: str) -> dict[str, float]:
        """Compute loss and gradients of a batch and update the parameters.

        Raises:
            NonFiniteError: if loss or gradients are not finite; nothing is updated then.
        """
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(self.optimizer.steps)
        if self.replay is None:
            self.replay = Replay(self, self.compiled)
        loss, prediction = self.replay.step(x, y) or self.eager(x, y, where)
        row = {"loss": number("the loss", loss)}
        if self.metrics:
            plain = prediction.data if isinstance(prediction, Tensor) else prediction
            found = call_metrics(self.metrics, plain, y)
            row |= {name: number(name, metric) for name, metric in found.items()}
        return row

    def eager(self, x: Any, y: Any, where: str) -> tuple[Any, Any]:
        """Take the step operation by operation; return loss and prediction."""
        self.forget()
        prediction = self.model(x)
        loss = self.scalar(self.loss(prediction, y))
        value = number("the loss", loss)
        if not math.isfinite(value):
            raise NonFiniteError(self._advice(f"the loss became {value} in {where}"))
        loss.backward()
        self.check_gradients(where)
        if self.clip_norm is not None:
            clip_grad_norm(self.optimizer.parameters, self.clip_norm)
        self.optimizer.step()
        return loss, prediction

    def forget(self) -> None:
        """Forget all gradients, also of parameters that the optimizer does not hold."""
        for _, p in self.parameters:
            p.grad = None
        self.optimizer.zero_grad()

    def scalar(self, loss: Any) -> Tensor:
        """Return what the loss function returned.

        Raises:
            OperandError: if it is no tensor.
            ArgumentError: if it is no single number.
        """
        if not isinstance(loss, Tensor):
            raise OperandError(
                f"the loss function returned {type(loss).__name__}; expected a tensor computed "
                "from the prediction with recorded operations (np.* and am.*)"
            )
        if loss.size != 1:
            number("the loss", loss)
        return loss

    def check_gradients(self, where: str) -> None:
        """Look whether the gradients are finite.

        Raises:
            NonFiniteError: naming the parameter.
        """
        for path, p in self.parameters:
            # The sum first: 1.3 µs instead of 2.2; only if it overflowed are elements looked at.
            if p.grad is None or math.isfinite(np.add.reduce(p.grad, axis=None)):
                continue
            bad = int(np.size(p.grad) - np.isfinite(p.grad).sum())
            if bad:
                raise NonFiniteError(
                    self._advice(f"the gradient of {path} got {bad} NaN or infinite in {where}")
                )

    def _advice(self, what: str) -> str:
        return (
            f"{what}, with learning rate {self.optimizer.lr:g}; the parameters are those before "
            "that step. Lower the learning rate, limit the gradients (clip_norm=1.0), scale the "
            "inputs to about −1 … 1, or look for extreme values in the data"
        )


def optimizer_of(
    given: Optimizer | Callable[[Any], Optimizer] | None, model: Any, parameters: Iterable[Tensor]
) -> Optimizer:
    """Return the optimizer: as given, as the given function makes it, or Adam.

    Raises:
        OperandError: if it is none.
        ArgumentError: if it trains none of the model's parameters.
    """
    made = given
    if made is None:
        made = Adam(model)
    elif not isinstance(made, Optimizer) and callable(made):
        made = made(model)
    if not isinstance(made, Optimizer):
        raise OperandError(
            f"the optimizer is {type(made).__name__} {made!r:.60}; expected one of am.optim, as "
            "am.optim.SGD(model, lr=0.1), or a function that makes one of the model"
        )
    own = {p.serial for p in parameters}
    if not any(p.serial in own for p in made.parameters):
        raise ArgumentError(
            "the optimizer holds none of the model's parameters; make it of this model: "
            "am.optim.Adam(model)"
        )
    return made
