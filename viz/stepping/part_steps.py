"""The steps of a graph of operations: what each box computes, and the gradient that comes back.

A folded scope is one step, so the number of steps is that of the boxes.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any, Final

import numpy as np

from autograd_mini.tensors import Tensor

from ..contributions import Contribution, Visit, visits
from ..graphs.operations import OperationsView
from ..graphs.outline import Part
from ..picture import Picture
from ..reading import Key, has_values, key, operands
from ..texts import clean, counted, number, symbol
from .captions import called, norm, rule, statistics
from .steps import MOST_LINES, Step, Writing

MARK: Final = "‖grad‖"
MOST_TOLD: Final = 3
"""A caption tells of no more tensors than this."""


class PartSteps:
    """Reads the steps off a view of operations.

    Attributes:
        picture: the boxes, with a further line where a gradient will appear.
        steps: in order.
    """

    def __init__(self, view: OperationsView) -> None:
        self.view = view
        self.outline = view.outline
        self.graph = view.outline.graph
        self.picture: Picture = view.picture()
        self.boxes: dict[Part, str] = view.box_of_part
        self.ends = [box.id for box in self.picture.boxes if box.role == "output"]
        self.words = {box.id: box.words for box in self.picture.boxes}
        self.entering: dict[str, list[int]] = defaultdict(list)
        self.leaving: dict[str, list[int]] = defaultdict(list)
        for place, arrow in enumerate(self.picture.arrows):
            self.entering[arrow.head].append(place)
            self.leaving[arrow.tail].append(place)
        self.taken = self.results()
        self.steps = [*self.forward(), *self.backward()]
        self.make_room()

    def results(self) -> dict[Part, dict[Key, Tensor]]:
        """Return the tensors of each part that others take, or that are outputs."""
        found: dict[Part, dict[Key, Tensor]] = defaultdict(dict)
        for part in self.outline.parts:
            for operation in part.operations:
                for x in operands(operation):
                    before = self.outline.part_of(x) if isinstance(x, Tensor) else None
                    if before is not None and before is not part:
                        found[before][key(x)] = x
        for y in self.graph.outputs:
            maker = self.outline.part_of(y)
            if maker is not None:
                found[maker][key(y)] = y
        return found

    def forward(self) -> list[Step]:
        """Return the leaves as the first step, then a step for each part."""
        leaves = {"input": self.graph.inputs, "parameter": self.graph.parameters}
        told = [counted(len(found), noun) for noun, found in leaves.items() if found]
        steps = [Step("forward", (f"given: {' and '.join(told) or 'numbers'}",))]
        for part in self.outline.parts:
            box = self.boxes[part]
            lines = [f"{self.label(x)} = {statistics(x._value)}" for x in self.first(part)]
            caption = (
                (self.headline(part), *lines) if has_values(self.graph) else (self.headline(part),)
            )
            steps.append(Step("forward", caption, (box,), tuple(self.entering[box])))
        return steps

    def first(self, part: Part) -> list[Tensor]:
        """Return the first few results of a part."""
        return list(self.taken.get(part, {}).values())[:MOST_TOLD]

    def headline(self, part: Part) -> str:
        """Return what a part is called: an operation with its row, or a scope with its size."""
        if part.kind == "operation":
            (operation,) = part.operations
            doc = operation.primitive.doc.split("  ∂")[0]
            return clean(f"{called(symbol(operation))}: {doc}", 90, lines=1)
        count = counted(len(part.operations), "operation")
        if part.kind == "earlier":
            return f"{count} come first"
        return f"{called(part.branch.caption)}: {count}"

    def label(self, tensor: Tensor) -> str:
        """Return a tensor's name, or what made it."""
        if tensor.name:
            return called(tensor.name)
        part = self.outline.part_of(tensor)
        if part is None:
            return "parameter" if tensor.requires_grad else "input"
        if part.kind == "operation":
            return f"result of {called(symbol(part.operations[0]))}"
        return f"result of {called(part.branch.caption or 'what comes first')}"

    def backward(self) -> list[Step]:
        """Return the start at the outputs, and a step for each part on the way back."""
        if not has_values(self.graph) or not any(y.requires_grad for y in self.graph.outputs):
            return []
        groups: dict[Part, list[Visit]] = {}
        for visit in visits(self.graph):
            part = self.outline.part_of(visit.operation.outputs[0])
            if part is not None:
                groups.setdefault(part, []).append(visit)
        if not groups:
            return []
        start = "backward starts at the end: ∂L/∂L = 1, L being the sum of the outputs"
        writings = tuple(Writing(box, "gradient", gradient_text(1)) for box in self.ends)
        opening = Step("backward", (start,), tuple(self.ends), (), writings)
        order = sorted(groups, key=lambda part: -part.operations[-1].serial)
        return [opening, *(self.link(part, groups[part]) for part in order)]

    def link(self, part: Part, group: list[Visit]) -> Step:
        """Return the step of one part on the way back."""
        box = self.boxes[part]
        inside = {operation.serial for operation in part.operations}
        passed: dict[Key, Contribution] = {}
        for visit in group:
            for x in visit.contributions:
                maker = x.operand.op
                if maker is None or maker.serial not in inside:
                    passed[key(x.operand)] = x
        arriving = self.arriving(part, group)
        told = list(passed.values())
        lines = [f"∂L/∂({self.label(x.operand)}) = {statistics(x.total)}" for x in told[:MOST_TOLD]]
        if len(told) > MOST_TOLD:
            lines.append(f"… and {len(told) - MOST_TOLD} more")
        caption = (self.origin(part, group, arriving), *lines)[:MOST_LINES]
        writings = [] if arriving is None else [Writing(box, "gradient", gradient_text(arriving))]
        for x in told:
            target = self.source_box(part, x.operand)
            if target is not None:
                writings.append(Writing(target, "gradient", gradient_text(norm(x.total))))
        arrows = (*self.entering[box], *self.leaving[box])
        return Step("backward", caption, (box,), arrows, tuple(writings))

    def arriving(self, part: Part, group: list[Visit]) -> float | None:
        """Return the length of the gradient of everything that a part returns."""
        wanted = {serial for serial, _ in self.taken.get(part, {})}
        parts = [
            np.ravel(g)
            for visit in group
            if visit.operation.serial in wanted
            for g in visit.arriving
            if g is not None
        ]
        return norm(np.concatenate(parts)) if parts else None

    def origin(self, part: Part, group: list[Visit], arriving: float | None) -> str:
        """Return the first line: where the gradient comes in and by which rule it goes on."""
        size = "" if arriving is None else f" a gradient of norm {number(arriving)} arrives;"
        if part.kind == "operation":
            return clean(
                f"{called(symbol(part.operations[0]))}:{size} {rule(part.operations[0])}", 140, 1
            )
        name = called(part.branch.caption or "what comes first")
        return f"{name}:{size} it goes through {counted(len(group), 'operation')}"

    def source_box(self, part: Part, leaf: Tensor) -> str | None:
        """Return the box of a leaf that a part takes, None for one that is not drawn."""
        source = self.view.sources.get((part, key(leaf)))
        return None if source is None else self.view.box_of_source.get(source)

    def make_room(self) -> None:
        """Give each box that will have a gradient a line for the longest of its texts."""
        longest: dict[str, str] = {}
        for step in self.steps:
            for writing in step.writings:
                longest[writing.box] = max(longest.get(writing.box, ""), writing.text, key=len)
        self.picture.boxes = [
            replace(box, lines=(*box.lines, longest[box.id])) if box.id in longest else box
            for box in self.picture.boxes
        ]


def gradient_text(length: Any) -> str:
    """Return the line that a box gets: the length of its gradient."""
    return f"{MARK} {number(length)}"
