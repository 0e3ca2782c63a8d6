"""The step of a training as a compiled program, as long as the model can be compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..errors import NonFiniteError
from ..ops.finiteness import require_finite
from ..optim import clip_grad_norm

if TYPE_CHECKING:
    from .steps import Trainer

WASTED: Final = 8
"""So many traces without a program, and the rest is eager."""


class Replay:
    """Takes the steps of a training by replaying their program.

    Attributes:
        refusal: why the steps are eager, or None.
    """

    guarded_attributes = ("_trainer",)

    def __init__(self, trainer: Trainer, wanted: bool | None) -> None:
        from ..compiler.compiled import CompiledFunction

        self._trainer = trainer
        self._step = CompiledFunction(self.training_step, lenient=wanted is not True)
        self.refusal: str | None = "compile=False" if wanted is False else None

    def training_step(self, x: Any, y: Any) -> Any:
        """Compute loss and gradients, look whether they are finite, and update."""
        trainer = self._trainer
        trainer.forget()
        prediction = trainer.model(x)
        loss = trainer.scalar(trainer.loss(prediction, y))
        loss.backward()
        gradients = [p.grad for _, p in trainer.parameters if p.grad is not None]
        require_finite("the loss or a gradient", loss, *gradients)
        if trainer.clip_norm is not None:
            clip_grad_norm(trainer.optimizer.parameters, trainer.clip_norm)
        trainer.optimizer.step()
        return (loss, prediction) if trainer.metrics else (loss, None)

    def step(self, x: Any, y: Any) -> tuple[Any, Any] | None:
        """Take a step; return loss and prediction (None without metrics).

        None: nothing has happened, and the step is to be taken eagerly. So it is after NaN or
        infinity, since the eager step says where they are.
        """
        if self.refusal is not None:
            return None
        try:
            result: tuple[Any, Any] = self._step(x, y)
        except NonFiniteError:
            return None
        if self._step.refusal is not None:
            self.refusal = str(self._step.refusal)
        elif self._step.given_up is not None:
            self.refusal = self._step.given_up
        elif self._step.wasted_traces > WASTED:
            self.refusal = "the model or the optimizer changes at each step"
        return result
