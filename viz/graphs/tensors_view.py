"""The view of a graph as operations and tensors: each result has a box of its own."""

from __future__ import annotations

from typing import Any

from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..reading import Key, key
from ..texts import clean_text, format_shape, value_or_shape
from .builder import output_index
from .operations import OperationsView
from .parts import Part


class TensorsView(OperationsView):
    """Collects the picture as the view of operations does, with a box on the way of each result."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.box_of_result: dict[Key, str] = {}

    def arrow_start(
        self, part: Part, operation: Operation, position: int, x: Any
    ) -> tuple[str | None, str]:
        """Return the box of a result, made when somebody takes it first; of others as usual."""
        before = self.outline.part_of(x) if isinstance(x, Tensor) else None
        if before is None or before.kind == "earlier":
            return super().arrow_start(part, operation, position, x)
        return self.result(x, before), ""

    def result(self, x: Tensor, before: Part) -> str:
        """Return the box of a result: its name, if it has one, and its value or shape."""
        found = self.box_of_result.get(key(x))
        if found is None:
            tooltip = f"result, {x.dtype}, shape {x.shape}"
            shown = value_or_shape(x) or format_shape(x)
            found = self.box_of_result[key(x)] = self.builder.add_box(
                "tensor", clean_text(x.name or ""), shown, tooltip=tooltip, inside=before.around
            )
            maker = self.box_of_part[before]
            output = self.output_at(maker, x)
            self.builder.add_arrow(maker, found, output_index(x, x.op), output=output)
        return found
