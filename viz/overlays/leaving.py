"""Which results leave a box of several operations: those that others take, and the outputs."""

from __future__ import annotations

from collections.abc import Iterator

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..graphs.parts import Part
from ..reading import Key, key, operands


class Leaving:
    """Who takes each result of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._outputs = {key(y) for y in graph.outputs}
        self._users: dict[Key, list[int]] = {}
        self._names: dict[Key, Tensor] = {}
        for operation in graph.operations:
            for x in operands(operation):
                if isinstance(x, Tensor) and not x.is_leaf:
                    self._users.setdefault(key(x), []).append(operation.serial)
                    self._names[key(x)] = x
        self._names |= {key(y): y for y in graph.outputs}

    def results(self, part: Part) -> list[Tensor]:
        """Return the results of a part that leave it, in order; as they are taken, with names."""
        return list(self._leaving(part))

    def _leaving(self, part: Part) -> Iterator[Tensor]:
        inside = {operation.serial for operation in part.operations}
        for operation in part.operations:
            for y in operation.outputs:
                users = self._users.get(key(y), ())
                if key(y) in self._outputs or not inside.issuperset(users):
                    yield self._names[key(y)]
