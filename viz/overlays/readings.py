"""Readings: what an overlay says about one box, and which results leave a box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..graphs.scopes import Part
from ..reading import Key, key, operands

Mark = Literal["origin", "reached", ""]


@dataclass(frozen=True, slots=True)
class Reading:
    """What an overlay says about a box.

    Attributes:
        text: one line or several.
        value: the value on the scale, None for a box without colour.
        tooltip: what the lines leave out.
        mark: "origin" of NaN or infinity, "reached" by it, or "".
        begins: "value", "gradient" or both, if it is not finite here first.
        bars: the heights of a small histogram, from 0 to 1.
    """

    text: str = ""
    value: float | None = None
    tooltip: str = ""
    mark: Mark = ""
    begins: tuple[str, ...] = ()
    bars: tuple[float, ...] = ()


class Overlay:
    """A measure of a graph.

    Attributes:
        title: the title of the legend.
        scale: how values spread over the colours; "" for no colours.
        notes: sentences about the whole measure.
    """

    title: ClassVar[str] = ""
    scale: ClassVar[Literal["", "linear", "log"]] = ""
    notes: tuple[str, ...] = ()

    def __init__(self, graph: Graph) -> None:
        """Measure a graph.

        Raises:
            PictureError: if it has nothing to measure.
        """
        self.graph = graph

    def read_part(self, part: Part) -> Reading | None:
        """Return the reading for a part, None if there is nothing to say."""
        raise NotImplementedError

    def read_leaf(self, leaf: object) -> Reading | None:
        """Return the reading for a leaf, a tensor or a plain array; None if there is none."""
        return None

    def off_scale_label(self, value: float) -> str:
        """Return the name of a value without a place on a logarithmic scale, "" for others."""
        if self.scale != "log" or (isfinite(value) and value > 0):
            return ""
        return "0" if value == 0 else "NaN or infinity"

    def format_value(self, value: float) -> str:
        """Write a value of the scale, with its unit."""
        raise NotImplementedError


class Leaving:
    """Finds the results that leave a box of several operations."""

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
        """Return the results of a part that other operations take, or that are outputs, in order.

        They are the tensors as the users hold them, with their names.
        """
        return list(self._leaving(part))

    def _leaving(self, part: Part) -> Iterator[Tensor]:
        inside = {operation.serial for operation in part.operations}
        for operation in part.operations:
            for y in operation.outputs:
                users = self._users.get(key(y), ())
                if key(y) in self._outputs or not inside.issuperset(users):
                    yield self._names[key(y)]
