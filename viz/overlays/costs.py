"""What a computation costs: memory, trained numbers, time.

The time is that of the forward, computed again from the recorded values.
"""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter
from typing import Any, Final

import numpy as np

from autograd_mini.core.absent import Absent
from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..errors import PictureError
from ..graphs.parts import Part
from ..reading import Key, has_changed, has_values, key, operands
from .readings import Overlay, Reading

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
REPEATS: Final = 5
"""Calls of an operation; the quickest counts. When the time is up, each is called once."""
TIME_BUDGET: Final = 2.0
"""Seconds for all calls of all operations together."""


class Memory(Overlay):
    """Bytes of the results. A result that shares the memory of an operand takes none."""

    title = "memory of the results"
    scale = "linear"

    def read_part(self, part: Part) -> Reading | None:
        """Return the bytes of all results of a part."""
        return self.reading(sum(map(result_bytes, part.operations)))

    def read_leaf(self, leaf: object) -> Reading | None:
        """Return the bytes of a leaf for its tooltip; only results have a colour."""
        size = _byte_size(leaf._value if isinstance(leaf, Tensor) else leaf)
        return Reading(tooltip=f"{self.format_value(size)} of memory")

    def reading(self, size: int) -> Reading:
        """Return the reading for a number of bytes."""
        return Reading(self.format_value(size), float(size))

    def format_value(self, value: float) -> str:
        """Write bytes in the largest unit that suits."""
        power = min(int(np.log2(max(value, 1)) // 10), len(UNITS) - 1)
        return f"{value / 1024**power:.3g} {UNITS[power]}"


def result_bytes(operation: Operation) -> int:
    """Return the bytes of an operation's results; a view of an operand takes none.

    If the values are absent, as in a program, or an operand was assigned after the recording, the
    primitive says which results are views.
    """
    taken = operands(operation)
    values = [x._value if isinstance(x, Tensor) else x for x in taken]
    results = [y._value for y in operation.outputs]
    changed = any(isinstance(x, Tensor) and has_changed(x, operation) for x in taken)
    if changed or any(type(y) is Absent for y in results):
        view = operation.primitive.view
        is_view = view(*values, **operation.params) if callable(view) else view
        return 0 if is_view else sum(map(_byte_size, results))
    arrays = [x for x in values if isinstance(x, np.ndarray)]
    return sum(_byte_size(y) for y in results if not any(np.may_share_memory(y, x) for x in arrays))


def _byte_size(value: Any) -> int:
    """Return the bytes of an array, or of an absent one with this shape and dtype."""
    dtype = getattr(value, "dtype", None)
    itemsize = np.asarray(value).dtype.itemsize if dtype is None else np.dtype(dtype).itemsize
    return int(np.prod(np.shape(value), dtype=np.int64)) * itemsize


class Parameters(Overlay):
    """How many trained numbers an operation or a scope takes as operands."""

    title = "trained numbers"
    scale = "linear"

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.users: dict[tuple[Key, str], list[int]] = defaultdict(list)
        for operation in graph.operations:
            for x in operands(operation):
                if isinstance(x, Tensor) and x.is_leaf:
                    self.users[key(x), operation.phase].append(operation.serial)

    def read_part(self, part: Part) -> Reading | None:
        """Count the numbers of the parameters that a part takes, each once."""
        found = {
            key(x): x.size
            for operation in part.operations
            for x in operands(operation)
            if isinstance(x, Tensor) and x.is_leaf and x.requires_grad
        }
        count = sum(found.values())
        if not count:
            return None
        inside = {operation.serial for operation in part.operations}
        phase = part.operations[0].phase
        shared = sum(
            size
            for name, size in found.items()
            if any(other not in inside for other in self.users[name, phase])
        )
        how_many_shared = f", {self.format_value(shared)} of them" if 0 < shared < count else ","
        return Reading(
            f"{self.format_value(count)}{f'{how_many_shared} shared' if shared else ''}",
            float(count),
            "what is shared is counted in each box that takes it" if shared else "",
        )

    def read_leaf(self, leaf: object) -> Reading | None:
        """Count the numbers of a parameter."""
        if not isinstance(leaf, Tensor) or not leaf.requires_grad:
            return None
        return Reading(self.format_value(leaf.size), float(leaf.size))

    def format_value(self, value: float) -> str:
        """Write a count."""
        return f"{int(value):,}".replace(",", "\N{NO-BREAK SPACE}")


class Time(Overlay):
    """Seconds of each forward, the quickest of a few calls, and its share; random draws have 0."""

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
        end = perf_counter() + TIME_BUDGET
        with np.errstate(all="ignore"):
            for operation in graph.operations:
                if operation.primitive.effect:  # a draw would go on with the generator
                    self.seconds[operation.serial] = 0.0
                    continue
                calls = REPEATS if perf_counter() < end else 1
                self.seconds[operation.serial] = min(_time_forward(operation) for _ in range(calls))
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


def _time_forward(operation: Operation) -> float:
    """Return the seconds of one call of an operation's forward on its recorded operands."""
    taken: list[Any] = [x._value if isinstance(x, Tensor) else x for x in operands(operation)]
    forward, params = operation.primitive.forward, operation.params
    started = perf_counter()
    forward(*taken, **params)
    return perf_counter() - started
