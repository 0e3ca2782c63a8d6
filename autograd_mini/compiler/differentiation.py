"""The gradient of a compiled function that somebody differentiates with the tensors it captured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..containers import flatten
from ..cotangents import conjugated
from ..operation import record, recording_anyway
from ..reverse import dependents, walk
from ..tensors import Tensor
from .rows import row
from .variant import Variant


def differentiable(
    function: Callable[..., Any],
    variant: Variant,
    values: Sequence[Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Sequence[Any]:
    """Run a program and record that as one operation of the tensors which it reads.

    Its gradient calls the function itself, eagerly: the program has the forward only.
    """
    leaves = [x for x in variant.program.leaves.values() if x._requires_grad]

    def forward(*arrays: Any) -> Any:
        return tuple(variant(values))

    def pulled(g: Sequence[Any], y: Any, *xs: Any) -> list[Any]:
        recorded = any(type(v) is Tensor for v in (*g, *xs))
        with recording_anyway():
            found, _ = flatten(function(*args, **kwargs))
        outputs = [x for x in found if isinstance(x, (Tensor, np.ndarray, np.generic))]
        ends, seeds = [], []
        for x, h in zip(outputs, g, strict=True):
            if isinstance(x, Tensor) and x._requires_grad:
                ends.append(x)
                seeds.append(conjugated(h))
        needed, _ = dependents(ends, {x.serial for x in leaves})
        reached = {
            x.serial: conjugated(h) for x, h in walk(ends, seeds, needed=needed, recorded=recorded)
        }
        return [reached.get(x.serial, np.zeros_like(x._value)[()]) for x in leaves]

    replay = row(
        variant.program.name, forward, "compiled", "A compiled function.", vjp=pulled, multiple=True
    )
    results: Sequence[Any] = record(replay, tuple(leaves), {})
    return results
