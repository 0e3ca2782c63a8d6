"""Where NaN and infinity arise, in the values and in the gradients."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np

from autograd_mini.graph import Graph
from autograd_mini.tensors import Tensor

from ..contributions import visits
from ..errors import PictureError
from ..graphs.outline import Part
from ..reach import gradient_notes
from ..reading import has_values, key, operands
from .readings import Overlay, Reading

Mark = Literal["origin", "reached"]
RANK: Final = {"origin": 0, "reached": 1}


class Nonfinite(Overlay):
    """Marks operations whose result is not finite: those that made it so, and those it reached.

    Where all values are finite, the same is told of the gradients.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        if not has_values(graph):
            raise PictureError("overlay='nonfinite' needs values, and a compiled program has none")
        self.marks: dict[int, tuple[Mark, str]] = {}
        self.leaves: dict[Any, tuple[Mark, str]] = {}
        for leaf in (*graph.inputs, *graph.parameters):
            kind = kind_of(leaf._value)
            if kind:
                self.leaves[key(leaf)] = ("origin", kind)
        for operation in graph.operations:
            kind = next(filter(None, (kind_of(y._value) for y in operation.outputs)), "")
            if kind:
                taken = (x._value if isinstance(x, Tensor) else x for x in operands(operation))
                mark: Mark = "reached" if any(map(kind_of, taken)) else "origin"
                self.marks[operation.serial] = mark, kind
        if not self.marks and not self.leaves:
            self.look_at_gradients()

    def look_at_gradients(self) -> None:
        """Mark where a cotangent that is not finite arises, and where it arrives."""
        self.backwards = True
        self.notes = tuple(gradient_notes(self.graph))
        for visit in visits(self.graph):
            arriving = any(kind_of(g) for g in visit.arriving if g is not None)
            passed = [(x, kind_of(x.amount)) for x in visit.contributions]
            kind = next((kind for _, kind in passed if kind), "")
            if kind:
                mark: Mark = "reached" if arriving else "origin"
                self.marks[visit.operation.serial] = mark, f"∂ {kind}"
            for x, found in passed:
                if found and x.operand.is_leaf:
                    self.leaves[key(x.operand)] = "reached", f"∂ {found}"

    def of_part(self, part: Part) -> Reading | None:
        """Return the mark of an operation, or the worst of several."""
        found = [self.marks[op.serial] for op in part.operations if op.serial in self.marks]
        if not found:
            return None
        mark, kind = min(found, key=lambda one: RANK[one[0]])
        return Reading(kind, mark=mark)

    def of_leaf(self, leaf: Any) -> Reading | None:
        """Return the mark of a leaf."""
        if isinstance(leaf, Tensor):
            found = self.leaves.get(key(leaf))
            return None if found is None else Reading(found[1], mark=found[0])
        kind = kind_of(leaf)
        return Reading(kind, mark="origin") if kind else None


def kind_of(value: Any) -> str:
    """Return `NaN` or `Inf` for numbers that hold some, else nothing."""
    array = np.asarray(value)
    if array.dtype.kind not in "fc" or np.all(np.isfinite(array)):
        return ""
    return "NaN" if np.any(np.isnan(array)) else "Inf"
