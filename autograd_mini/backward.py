"""backward(): gradients are added into the leaves."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from .cotangents import owned, seed
from .errors import GradientError, UnsupportedError
from .extraction import describe, looked_at, tracing
from .operation import no_grad, scope
from .reverse import walk
from .table import table
from .tensors import RUN, SET_GRAD, Tensor, leaf


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
    trace = tracing.get()
    recorded = trace is not None and trace.effects
    if not recorded:
        looked_at(output, "backward()")
    if not output._requires_grad:
        raise GradientError(
            f"backward: {describe(output)} depends on no tensor that requires a gradient; make "
            "those that it is computed from with am.tensor(…, requires_grad=True), and compute it "
            "outside of no_grad"
        )
    g = seed(output, gradient)
    if isinstance(g, Tensor) and not recorded:
        g = g._value
    shared = {id(g)}
    with no_grad() if recorded else nullcontext(), scope("gradient") if recorded else nullcontext():
        reached = walk([output], [g], every=retain_grads, recorded=recorded)
        reached = [(x, g) for x, g in reached if x._primitive is None or retain_grads]
        totals = [total_of(x, g, shared, recorded) for x, g in reached]
    RUN(map(SET_GRAD, [x for x, _ in reached], totals))  # all of them or, interrupted, none


table["backward"] = backward


def total_of(tensor: Tensor, g: Any, shared: set[int], recorded: bool) -> Any:
    """Return what `.grad` becomes when a gradient is added.

    Raises:
        UnsupportedError: if it is recorded and would be added to one of before the trace.
    """
    trace = tracing.get()
    if trace is not None and recorded:
        if tensor.grad is not None and not isinstance(tensor.grad, Tensor):
            error = UnsupportedError(
                f"backward: {describe(tensor)} has a gradient of before the compiled function, "
                "which cannot be part of its program; call optimizer.zero_grad() in the function, "
                "before backward()"
            )
            raise trace.refused(error)
        if tensor.grad is None:
            trace.depends(tensor, ["grad"])
    total = owned(g, shared) if tensor.grad is None else tensor.grad + g
    # One that is the same at each call, as that of a plain sum, is an array without a history.
    return leaf(total) if recorded and not isinstance(total, Tensor) else total
