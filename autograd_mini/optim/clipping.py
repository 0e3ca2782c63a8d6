"""Gradient clipping, between `backward()` and `step()`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.extraction import describe
from ..core.tensor import Tensor
from ..errors import NonFiniteError
from ..ops.checks import require_finite
from .numbers import positive
from .optimizer import collect, gradient_of


def clip_grad_norm(parameters: Iterable[Tensor] | Any, max_norm: float) -> float:
    """Scale all gradients together so that their joint Euclidean norm is at most `max_norm`.

    Pascanu, Mikolov & Bengio 2013, section 3.2: the direction stays.

    Args:
        parameters: a model, an iterable of tensors, or a tensor; those without gradient count 0.
        max_norm: the largest norm allowed, above 0.

    Returns:
        the norm before clipping.

    Raises:
        NonFiniteError: if a gradient has NaN or infinity; nothing changes then.

    >>> import numpy as np, autograd_mini as am
    >>> w = am.tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = np.array([3.0, 4.0])
    >>> clip_grad_norm(w, 1.0), w.grad
    (5.0, array([0.6, 0.8]))
    """
    positive("max_norm", max_norm)
    found = gradients(parameters)
    if any(isinstance(g, Tensor) for _, g in found):
        return _clipped_in_a_trace(found, float(max_norm))
    norms = [_norm_of(g) for _, g in found]
    for (p, g), norm in zip(found, norms, strict=True):
        if not math.isfinite(norm):
            bad = int(np.size(g) - np.isfinite(g).sum())
            raise NonFiniteError(
                f"the gradient of {describe(p)} has {bad} values that are NaN or infinite of "
                f"{np.size(g)}; nothing was clipped. Lower the learning rate, and check the data"
            )
    total = math.hypot(*norms)
    if total > max_norm:
        scale = float(max_norm) / total
        for p, g in found:
            p.grad = g * scale
    return total


def _clipped_in_a_trace(found: list[tuple[Tensor, Any]], max_norm: float) -> Any:
    """Do the same with recorded operations; the norm returned is a tensor."""
    require_finite("a gradient", *(g for _, g in found))
    squares = [np.sum(np.abs(g).astype(np.float64) ** 2) for _, g in found]
    total = np.sqrt(sum(squares[1:], squares[0]))
    scale = np.where(total > max_norm, max_norm / np.where(total > 0, total, 1.0), 1.0)
    for p, g in found:
        p.grad = g * scale.astype(g.dtype)
    return total


def clip_grad_value(parameters: Iterable[Tensor] | Any, max_value: float) -> None:
    """Limit every element of the gradients to [−max_value, max_value]; NaN stays NaN.

    >>> import numpy as np, autograd_mini as am
    >>> w = am.tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = np.array([3.0, -4.0])
    >>> clip_grad_value(w, 3.5)
    >>> w.grad
    array([ 3. , -3.5])
    """
    positive("max_value", max_value)
    for p, g in gradients(parameters):
        p.grad = np.clip(g, -float(max_value), float(max_value))


def _norm_of(g: np.ndarray) -> float:
    """Return the Euclidean norm in float64; dividing first keeps the squares from overflowing."""
    values = np.asarray(g, np.float64)
    largest = float(np.max(np.abs(values), initial=0.0))
    if not 1e100 < largest < math.inf:
        return float(np.linalg.norm(values))
    return largest * float(np.linalg.norm(values / largest))


def gradients(parameters: Iterable[Tensor] | Any) -> list[tuple[Tensor, Any]]:
    """Return the parameters that have a gradient, with it."""
    return [(p, gradient_of(p)) for p in collect(parameters) if p.grad is not None]
