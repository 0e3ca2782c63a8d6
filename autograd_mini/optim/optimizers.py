"""The rules: SGD, Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.tensor import Tensor
from ..errors import ArgumentError
from .numbers import within
from .optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent: p ← p − lr·g, with momentum (Polyak 1964) or Nesterov's.

    v ← momentum·v + g and p ← p − lr·v; Nesterov's looks ahead: p ← p − lr·(g + momentum·v).

    Args:
        parameters: a model, an iterable of tensors, or a tensor.
        lr: the learning rate.
        momentum: in [0, 1); 0 keeps no velocity.
        nesterov: whether to look ahead; needs momentum.
        weight_decay: adds weight_decay·p to each gradient.

    Raises:
        ArgumentError: for values outside their range, or no parameters.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor] | Any,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.momentum = within("momentum", momentum, 1.0)
        self.weight_decay = within("weight_decay", weight_decay, math.inf)
        self.nesterov = nesterov
        if nesterov and not momentum:
            raise ArgumentError("nesterov=True needs momentum, such as momentum=0.9")
        super().__init__(parameters, lr, ("velocity",) if momentum else ())

    def rule(self, lr: Any, p: Any, g: Any, *state: Any) -> tuple[Any, ...]:
        """Return p − lr·g, or p and the velocity."""
        if self.weight_decay:
            g = g + self.weight_decay * p
        if not state:
            return (p - lr * g,)
        velocity = self.momentum * state[0] + g
        ahead = g + self.momentum * velocity if self.nesterov else velocity
        return p - lr * ahead, velocity


class Adam(Optimizer):
    """Steps scaled by running moments of the gradient (Kingma & Ba 2015, algorithm 1).

    m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − lr·m̂ / (√v̂ + eps), where m̂ and v̂ are
    m / (1 − β₁ᵗ) and v / (1 − β₂ᵗ) after t steps of this optimizer.

    Args:
        parameters: a model, an iterable of tensors, or a tensor.
        lr: the learning rate.
        betas: how much of each moment is kept, both in [0, 1).
        eps: added to the root, so that a gradient of 0 divides nothing by 0.
        weight_decay: adds weight_decay·p to each gradient, 0 by default (in AdamW:
            lr·weight_decay·p is taken off each parameter instead, 0.01 by default).

    Raises:
        ArgumentError: for values outside their range, or no parameters.
    """

    decoupled = False
    usual_decay = 0.0

    def __init__(
        self,
        parameters: Iterable[Tensor] | Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | None = None,
    ) -> None:
        decay = self.usual_decay if weight_decay is None else weight_decay
        try:
            first, second = betas
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                f"betas is {betas!r:.60}; expected two numbers in [0, 1), such as (0.9, 0.999)"
            ) from error
        self.betas = within("betas[0]", first, 1.0), within("betas[1]", second, 1.0)
        self.eps = within("eps", eps, math.inf)
        self.weight_decay = within("weight_decay", decay, math.inf)
        super().__init__(parameters, lr, ("mean", "square"))

    def coefficients(self, lr: Any, count: Any) -> tuple[Any, ...]:
        """Return lr, lr / (1 − β₁ᵗ) and √(1 − β₂ᵗ)."""
        first, second = self.betas
        return lr, lr / (1 - first**count), (1 - second**count) ** 0.5

    def rule(
        self, lr: Any, size: Any, correction: Any, p: Any, g: Any, mean: Any, square: Any
    ) -> tuple[Any, ...]:
        """Return the new p, mean and square."""
        first, second = self.betas
        if self.weight_decay and self.decoupled:
            p = p - (lr * self.weight_decay) * p
        elif self.weight_decay:
            g = g + self.weight_decay * p
        mean = first * mean + (1 - first) * g
        square = second * square + (1 - second) * (g * g)
        return p - size * mean / (np.sqrt(square) / correction + self.eps), mean, square


class AdamW(Adam):
    """Adam whose weight decay bypasses the moments (Loshchilov & Hutter 2019); 0.01 by default."""

    decoupled = True
    usual_decay = 0.01
