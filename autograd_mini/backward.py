"""backward(): gradients are added into the leaves."""

from __future__ import annotations

from typing import Any

from .cotangents import owned, seed
from .errors import GradientError
from .extraction import describe, looked_at
from .reverse import walk
from .table import table
from .tensors import Tensor


def backward(output: Tensor, gradient: Any = None, *, retain_grads: bool = False) -> None:
    """Add the derivatives of an output into `.grad` of every leaf that requires one.

    The graph is kept, and a second call adds again.

    Args:
        output: where to start.
        gradient: its cotangent, of the same shape; 1 for a scalar by default.
        retain_grads: whether the results of operations get their `.grad` too.

    Raises:
        GradientError: if the output depends on no leaf that requires a gradient, or is no scalar
            and has no cotangent.
        StaleGraphError: if a leaf changed since the output was computed; no `.grad` changes then.
    """
    looked_at(output, "backward()")
    if not output._requires_grad:
        raise GradientError(
            f"backward: {describe(output)} depends on no tensor that requires a gradient; make "
            "one with am.tensor(…, requires_grad=True), outside of no_grad"
        )
    g = seed(output, gradient)
    g = g._value if isinstance(g, Tensor) else g
    shared = {id(g)}
    for tensor, cotangent in walk([output], [g], every=retain_grads):
        if tensor._primitive is None or retain_grads:
            deposit(tensor, cotangent, shared)


table["backward"] = backward


def deposit(tensor: Tensor, g: Any, shared: set[int]) -> None:
    """Add a gradient into `.grad`."""
    tensor.grad = owned(g, shared) if tensor.grad is None else tensor.grad + g
