"""How long each operation takes: its forward, computed again from the values that it had."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..errors import PictureError
from ..graphs.parts import Part
from ..reading import has_values, operands
from .readings import Overlay, Reading

REPEATS: Final = 5
"""Calls of an operation, of which the quickest counts, while there is time."""
ENOUGH: Final = 2.0
"""Seconds for all repeats together; after that each operation is called once."""


class Time(Overlay):
    """Seconds of each forward, the quickest of a few calls, and its share; draws are not timed."""

    title = "time of the forward"
    scale = "linear"

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        if not has_values(graph):
            raise PictureError(
                "overlay='time' needs values, and a compiled program has none; draw what the "
                "function returns without am.compile"
            )
        self.seconds: dict[int, float] = {}
        end = perf_counter() + ENOUGH
        with np.errstate(all="ignore"):
            for operation in graph.operations:
                if operation.primitive.effect:  # a draw would go on with the generator
                    self.seconds[operation.serial] = 0.0
                    continue
                calls = REPEATS if perf_counter() < end else 1
                self.seconds[operation.serial] = min(time_forward(operation) for _ in range(calls))
        self.whole = sum(self.seconds.values())

    def read_part(self, part: Part) -> Reading | None:
        """Return the time of a part, and its share."""
        found = sum(self.seconds[operation.serial] for operation in part.operations)
        share = found / self.whole if self.whole else 0.0
        return Reading(f"{self.format_value(found)} · {share:.0%}", found)

    def format_value(self, value: float) -> str:
        """Write seconds in the unit that suits."""
        for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
            if value * factor >= 1:
                return f"{value * factor:.3g} {unit}"
        return f"{value * 1e9:.3g} ns"


def time_forward(operation: Operation) -> float:
    """Return the seconds of one call of an operation's forward on its recorded operands."""
    taken: list[Any] = [x._value if isinstance(x, Tensor) else x for x in operands(operation)]
    forward, params = operation.primitive.forward, operation.params
    started = perf_counter()
    forward(*taken, **params)
    return perf_counter() - started
