"""backward(): gradients are added into the leaves."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from ..errors import GradientError, UnsupportedError
from .contexts import walk_scope
from .cotangents import copy_if_shared, seed
from .extraction import describe, looked_at, tracing
from .record import no_grad
from .reverse import walk
from .table import table
from .tensor import RUN, SET_GRAD, Tensor, leaf


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
    with no_grad() if recorded else nullcontext(), walk_scope() if recorded else nullcontext():
        reached = walk([output], [g], every=retain_grads, recorded=recorded)
        reached = [(x, g) for x, g in reached if x._primitive is None or retain_grads]
        if trace is not None and recorded:
            for tensor, _ in reached:
                refuse_earlier(tensor, trace)
        totals = [
            x.grad + g if x.grad is not None else copy_if_shared(g, shared) for x, g in reached
        ]
        if recorded:  # one that is the same at each call, as that of a plain sum, has no history
            totals = [g if isinstance(g, Tensor) else leaf(g) for g in totals]
    RUN(map(SET_GRAD, [x for x, _ in reached], totals))  # all of them or, interrupted, none


table["backward"] = backward


def refuse_earlier(tensor: Tensor, trace: Any) -> None:
    """Refuse to add, in a trace, to a gradient of before; note that there must be none.

    Raises:
        UnsupportedError: if there is one.
    """
    if tensor.grad is None:
        trace.depends(tensor, ["grad"])
    elif not isinstance(tensor.grad, Tensor):
        raise trace.note_refusal(
            UnsupportedError(
                f"backward: {describe(tensor)} has a gradient of before the compiled function, "
                "which cannot be part of its program; call optimizer.zero_grad() in the function, "
                "before backward()"
            )
        )
