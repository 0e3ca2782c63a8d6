"""Optimizers, gradient clipping and learning-rate schedules.

>>> import autograd_mini as am
>>> w = am.tensor(0.8, requires_grad=True)
>>> optimizer = am.optim.SGD([w], lr=0.025)
>>> ((w * 1.0 - 0.0) ** 2).backward()
>>> optimizer.step()
>>> round(w.item(), 6)
0.76
"""

from typing import TYPE_CHECKING

from .optimizer import (
    SGD,
    Adam,
    AdamW,
    Constant,
    Cosine,
    Exponential,
    Optimizer,
    Schedule,
    StepDecay,
    Warmup,
    clip_grad_norm,
    clip_grad_value,
)

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Exponential",
    "Optimizer",
    "Schedule",
    "StepDecay",
    "Warmup",
    "clip_grad_norm",
    "clip_grad_value",
]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


if not TYPE_CHECKING:  # it would take any name for one of ours

    def __getattr__(name: str) -> None:
        """Say what another library's name is called here."""
        from ..other_names import unknown_name

        raise unknown_name(__name__, name, __all__)
