"""The steps of a page whose scopes open and fold: a list for each level.

The page puts the steps of a scope in place of the one step of its folded box. So the order of all
operations is fixed, whatever is open: that of the levels, one inside the other. The terms of a
parameter's gradient are summed in this order, once for all levels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any, Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..backward_pass import Contribution, Visit, visits
from ..graphs.levels import Level
from ..graphs.scopes import Part
from ..picture import Picture
from ..reading import Key, has_values, key
from ..stepping.captions import Step, describe_statistics, short_name
from ..stepping.part_steps import (
    GRADIENT_MARK,
    NO_BREAK,
    PartSteps,
    Sum,
    accumulated_gradient,
    write_gradient,
)
from ..texts import norm, operation_label
from ..wording.language import say

PLACE: Final = 8
"""The place for a gradient is as long as its longest text, rounded up to so many letters."""


@dataclass(frozen=True, slots=True)
class Partial:
    """The gradient of a leaf after one of its terms: as a line of a box, and in a caption."""

    line: str
    words: str


class History:
    """The reverse pass in the order of a page's steps.

    Attributes:
        visits: serial of an operation → its visit.
        places: serial of an operation → its place in the order.
        partial: (serial, leaf) → the gradient of the leaf after this operation.
        seeds: the leaves that are outputs → their gradient at the start.
        longest: leaf → the letters of its longest text.
        last: leaf → the text of its whole gradient.
        sums: leaf → its gradient.
    """

    def __init__(self, graph: Graph, order: Iterable[Operation]) -> None:
        known = has_values(graph) and any(y.requires_grad for y in graph.outputs)
        self.visits: dict[int, Visit] = {}
        if known:
            self.visits = {visit.operation.serial: visit for visit in visits(graph)}
        self.places = {operation.serial: place for place, operation in enumerate(order)}
        self.partial: dict[tuple[int, Key], Partial] = {}
        self.seeds: dict[Key, Partial] = {}
        self.longest: Counter[Key] = Counter()
        self.last: dict[Key, str] = {}
        self.sums: dict[Key, Sum] = {}
        if self.visits:
            self._add_up(graph)

    def sort(self, operations: Iterable[Operation]) -> list[Visit]:
        """Return the visits of some operations in order."""
        found = [self.visits[x.serial] for x in operations if x.serial in self.visits]
        return sorted(found, key=lambda visit: self.places[visit.operation.serial])

    def _add_up(self, graph: Graph) -> None:
        """Add up the terms of each leaf."""
        seeds = [y for y in graph.outputs if y.is_leaf and y.requires_grad]
        terms = Counter(key(y) for y in seeds)
        for visit in self.visits.values():
            terms.update(key(x.operand) for x in visit.contributions if x.operand.is_leaf)
        self.sums = {leaf: Sum(count) for leaf, count in terms.items()}
        for y in seeds:
            self.seeds[key(y)] = self._add_term(y, np.ones(y.shape))
        for serial in sorted(self.visits, key=self.places.__getitem__):
            for x in self.visits[serial].contributions:
                if x.operand.is_leaf:
                    found = self._add_term(x.operand, x.amount)
                    self.partial[serial, key(x.operand)] = found

    def _add_term(self, leaf: Tensor, amount: Any) -> Partial:
        """Add a term, and describe the sum so far."""
        found = self.sums[key(leaf)]
        found.add(amount)
        line = write_gradient(norm(found.value)) + found.progress
        if found.count == found.terms:
            line += accumulated_gradient(leaf, found.value)
        self.last[key(leaf)] = line
        self.longest[key(leaf)] = max(self.longest[key(leaf)], len(line))
        return Partial(line, f"{describe_statistics(found.value)}{found.progress}")


@dataclass(frozen=True, slots=True)
class LevelStep:
    """One step of a level.

    Attributes:
        step: what happens in it; its writings are those of boxes that stand for operations.
        leaves: leaf → the new text of its gradient, in all its boxes.
    """

    step: Step
    leaves: dict[Key, str]


class LevelSteps(PartSteps):
    """Makes the steps of one level.

    Attributes:
        forward: the steps of the forward; the first level begins with what is given.
        backward: the steps of the backward; the first level begins with its start.
    """

    def __init__(self, level: Level, history: History) -> None:
        self.level = level
        self.history = history
        self.forward: list[LevelStep] = []
        self.backward: list[LevelStep] = []
        self._known: dict[Key, Partial] = {}
        super().__init__(level.view)

    def build_picture(self) -> Picture:
        """Return the picture of the level, which is there already."""
        return self.level.picture

    def results_by_part(self) -> dict[Part, dict[Key, Tensor]]:
        """Return the tensors of each part that others take, here or outside."""
        found = super().results_by_part()
        for part in self.outline.parts if self.outline.leaving else ():
            for operation in part.operations:
                for y in operation.outputs:
                    if key(y) in self.outline.leaving:
                        found[part].setdefault(key(y), y)
        return found

    def label(self, tensor: Tensor) -> str:
        """Return the name of a tensor, or words for what made it."""
        outside = self.outline.part_of(tensor) is None and tensor.op is not None
        if outside and not tensor.name and tensor.op is not None:
            return say(
                "result{index} of {name}", index="", name=short_name(operation_label(tensor.op))
            )
        return super().label(tensor)

    def forward_steps(self) -> list[Step]:
        """Return a step for each part, in the first level after what is given."""
        steps = super().forward_steps()[0 if self.level.part is None else 1 :]
        self.forward = [LevelStep(step, {}) for step in steps]
        return steps

    def backward_steps(self) -> list[Step]:
        """Return a step for each part of the reverse pass, in the first level after its start."""
        if not self.history.visits:
            return []
        if self.level.part is None:
            seeds = {leaf: found.line for leaf, found in self.history.seeds.items()}
            self.backward.append(LevelStep(self.first_backward_step(), seeds))
        for part in reversed(self.outline.parts):
            group = self.history.sort(part.operations)
            if group:
                self._known = self._partial_sums(group)
                step = self.backward_step(part, group)
                lines = {leaf: found.line for leaf, found in self._known.items()}
                self.backward.append(LevelStep(step, lines))
        return [found.step for found in self.backward]

    def _partial_sums(self, group: list[Visit]) -> dict[Key, Partial]:
        """Return the gradients of the leaves after these visits."""
        return {
            key(x.operand): self.history.partial[visit.operation.serial, key(x.operand)]
            for visit in group
            for x in visit.contributions
            if x.operand.is_leaf
        }

    def add_term(self, leaf: Tensor, amount: Any) -> list[Any]:
        """Return no writing: the gradients of leaves are written in the boxes of all levels."""
        return []

    def describe_gradient(self, passed: Contribution) -> str:
        """Write the gradient of an operand, and for a leaf, how many of its terms are there."""
        found = self._known.get(key(passed.operand))
        if found is None:
            return super().describe_gradient(passed)
        return f"∂L/∂({self.label(passed.operand)}) = {found.words}"

    def add_gradient_lines(self) -> None:
        """Give each box with a gradient a line, as long as the longest text that it will hold.

        The page writes the texts; so alike scopes have one drawing.
        """
        longest: Counter[str] = Counter()
        for found in self.backward:
            for writing in found.step.writings:
                longest[writing.box] = max(longest[writing.box], len(writing.text))
        for leaf, boxes in self.boxes_of_leaf.items():
            for box in boxes if leaf in self.history.sums else ():
                longest[box] = self.history.longest[leaf]
        self.picture.boxes = [
            replace(box, lines=(*box.lines, _empty_line(longest[box.id])))
            if box.id in longest
            else box
            for box in self.picture.boxes
        ]
        self.gradient_lines = set(longest)


def _empty_line(length: int) -> str:
    """Return a line for a gradient of some letters."""
    digits = ceil((length - len(GRADIENT_MARK)) / PLACE) * PLACE
    return f"{GRADIENT_MARK}{NO_BREAK}{'0' * max(digits - 1, 1)}"
