"""Frontier: the vertices that the reverse walk has reached and not yet visited."""

from __future__ import annotations

from heapq import heappush
from typing import Any

from .record import Record
from .tensor import Tensor


class Frontier:
    """The vertices that have received a cotangent and wait to be visited, latest first."""

    __slots__ = ("heap", "waiting", "leaves")

    def __init__(self) -> None:
        self.heap: list[int] = []
        self.leaves: dict[int, list[Any]] = {}  # serial → [leaf, g]: no order, so no heap
        self.waiting: dict[int, list[Any]] = {}  # serial → [vertex, cotangents, selected]

    def receive(self, tensor: Tensor, g: Any, selected: bool) -> None:
        """Add a cotangent to what a tensor has received."""
        serial = tensor.serial
        if tensor._primitive is None:
            entry = self.leaves.get(serial)
            if entry is None:
                self.leaves[serial] = [tensor, g]
            else:
                entry[1] = entry[1] + g
            return
        entry = self.waiting.get(serial)
        if entry is None:
            heappush(self.heap, -serial)
            if type(tensor._operands) is not Record:
                self.waiting[serial] = [tensor, g, selected]
                return
            shared = tensor._operands
            entry = self.waiting[serial] = [shared, [None] * len(shared.arrays), selected]
        if type(entry[0]) is Record:
            held = entry[1][tensor._index]
            entry[1][tensor._index] = g if held is None else held + g
        else:
            entry[1] = entry[1] + g
        if selected:
            entry[2] = True
