"""Where NaN and infinity arise, in the values and in the gradients."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..contributions import visits
from ..errors import PictureError
from ..graphs.builder import changed_leaves
from ..graphs.outline import Part
from ..reach import gradient_notes
from ..reading import has_values, key, operands
from ..texts import clean, join_list
from .readings import Overlay, Reading

Mark = Literal["origin", "reached", ""]
LONGEST_NOTE: Final = 40
RANK: Final = {"origin": 0, "": 1, "reached": 2}


class Nonfinite(Overlay):
    """Marks operations whose result is not finite: those that made it so, and those it reached.

    Where all values are finite, the same is told of the gradients. Of a leaf that was assigned
    since, only the present value is known: it has no mark, and neither has a result that it may
    have reached.
    """

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        if not has_values(graph):
            raise PictureError("overlay='nonfinite' needs values, and a compiled program has none")
        self.marks: dict[int, tuple[Mark, str]] = {}
        self.leaves: dict[Any, tuple[Mark, str]] = {}
        self.changed = changed_leaves(graph)
        for leaf in (*graph.inputs, *graph.parameters):
            kind = kind_of(leaf._value)
            if kind:
                self.leaves[key(leaf)] = (
                    ("", kind) if key(leaf) in self.changed else ("origin", kind)
                )
        for operation in graph.operations:
            kind = next(filter(None, (kind_of(y._value) for y in operation.outputs)), "")
            if kind:
                self.marks[operation.serial] = self.mark(operation), kind
        self.notes = self.doubts()
        if not self.marks and not self.leaves:
            self.look_at_gradients()

    def mark(self, operation: Operation) -> Mark:
        """Return whether what is not finite arises in an operation; "" where that is not known."""
        taken = operands(operation)
        known = [x for x in taken if not isinstance(x, Tensor) or key(x) not in self.changed]
        values = (x._value if isinstance(x, Tensor) else x for x in known)
        if any(map(kind_of, values)):
            return "reached"
        return "origin" if len(known) == len(taken) else ""

    def doubts(self) -> tuple[str, ...]:
        """Tell of the leaves that were assigned since, where they make a difference."""
        leaves = (*self.graph.inputs, *self.graph.parameters)
        changed = [x for x in leaves if key(x) in self.changed]
        if not self.marks:
            changed = [x for x in changed if key(x) in self.leaves]
        if not changed:
            return ()
        names = join_list([clean(x.name or "a leaf", lines=1) for x in changed], LONGEST_NOTE)
        values = "its former value is" if len(changed) == 1 else "their former values are"
        return (f"{names} changed since this was recorded: {values} not known",)

    def look_at_gradients(self) -> None:
        """Mark where a cotangent that is not finite arises, and where it arrives."""
        self.backwards = True
        self.notes += tuple(gradient_notes(self.graph))
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
        return Reading(kind if mark else f"{kind}, origin not known", mark=mark)

    def of_leaf(self, leaf: Any) -> Reading | None:
        """Return the mark of a leaf."""
        if isinstance(leaf, Tensor):
            found = self.leaves.get(key(leaf))
            if found is None:
                return None
            mark, kind = found
            return Reading(kind if mark else f"{kind} now", mark=mark)
        kind = kind_of(leaf)
        return Reading(kind, mark="origin") if kind else None


def kind_of(value: Any) -> str:
    """Return `NaN` or `Inf` for numbers that hold some, else nothing."""
    array = np.asarray(value)
    if array.dtype.kind not in "fc" or np.all(np.isfinite(array)):
        return ""
    return "NaN" if np.any(np.isnan(array)) else "Inf"
