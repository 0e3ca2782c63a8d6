"""Norms of gradients: where they vanish and where they explode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..backward_pass import find_stale, gradient_notes, visits
from ..errors import PictureError
from ..graphs.parts import Part
from ..measures import norm
from ..reading import Key, has_values, key
from ..texts import NUMBERS, format_number, format_rough, operation_label
from .readings import Leaving, Overlay, Reading


class Gradients(Overlay):
    """The norm of the gradient of each result and each parameter, by one reverse pass.

    The pass starts from the sum of the outputs and changes no `.grad`.
    """

    title = "norm of the gradient"
    scale = "log"

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.leaving = Leaving(graph)
        self.results: dict[Key, float] = {}
        leaves: dict[Key, Any] = {}
        stale = find_stale(graph)
        if stale is not None:
            raise PictureError(
                f"overlay='gradients': {'; '.join(gradient_notes(graph))}, and "
                f"{operation_label(stale)} needs its former value; compute the result again "
                "after the change"
            )
        self.notes = tuple(gradient_notes(graph))
        if has_values(graph):
            for visit in visits(graph):
                arriving = zip(visit.operation.outputs, visit.arriving, strict=True)
                self.results |= {key(y): norm(g) for y, g in arriving if g is not None}
                for one in visit.contributions:
                    if one.operand.is_leaf:
                        leaves[key(one.operand)] = one.total
        self.leaves = {name: norm(g) for name, g in leaves.items()}
        if not self.results:
            raise PictureError(
                "overlay='gradients' needs values and a result that requires a gradient: pass a "
                "loss computed from am.tensor(…, requires_grad=True), not a compiled program"
            )

    def read_part(self, part: Part) -> Reading | None:
        """Return the norm for the results of an operation, or for those that leave a fold."""
        one = part.kind == "operation"
        made = part.operations[0].outputs if one else self.leaving.results(part)
        found = [self.results[key(y)] for y in made if key(y) in self.results]
        return self.reading(float(np.hypot.reduce(found))) if found else None

    def read_leaf(self, leaf: Any) -> Reading | None:
        """Return the norm of the gradient of a parameter."""
        found = self.leaves.get(key(leaf)) if isinstance(leaf, Tensor) else None
        if found is None:
            return None
        reading = self.reading(found)
        held = leaf.grad
        if isinstance(held, np.ndarray | np.generic) and held.dtype.kind in NUMBERS:
            size = self.format_value(norm(held))
            if size != self.format_value(found):  # calls of backward() add up there
                return replace(reading, text=f"{reading.text}; .grad {size}")
        return reading

    def reading(self, size: float) -> Reading:
        """Return the reading for a norm."""
        return Reading(
            f"‖∂‖ {self.format_value(size)}", size, f"norm of the gradient {format_number(size)}"
        )

    def format_value(self, value: float) -> str:
        """Write a norm in two digits."""
        return format_rough(value)
