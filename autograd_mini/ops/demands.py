"""Demands: what must still hold of the numbers when a program is replayed.

A function that looks at values, to raise an error or to know a shape, does so while it is traced
only. What it found is recorded by a row with an effect, which looks again at each call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.extraction import tracing
from ..core.primitive import nonlinear
from ..core.record import context, record
from ..core.tensor import Tensor
from ..errors import ArgumentError


def check_demands(holds: Any, *, message: str) -> Any:
    """Return True, or raise if something does not hold."""
    if not np.all(holds):
        raise ArgumentError(message)
    return np.True_


demanded: Final = nonlinear(
    check_demands,
    "holds?",
    "True; an error with this message if a condition does not hold.  No gradient",
    name="demanded",
    vjp=None,
    samples=(),
    params=("message",),
    effect=True,
)


def demand(condition: Callable[[], Any], message: str) -> None:
    """Record a condition for the replays of a program; elsewhere the caller has looked by now.

    Args:
        condition: computes booleans by recorded operations.
        message: of the ArgumentError if one does not hold.
    """
    trace = tracing.get()
    if trace is not None and trace.effects:
        holds = condition()
        if isinstance(holds, Tensor):
            (context.get()[0] or record)(demanded, (holds,), {"message": message})
