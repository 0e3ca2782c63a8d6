"""The steps of a graph of operations: each box computes, then each box passes its gradient back.

A folded scope is one box, so each pass has one step for it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from autograd_mini.core.tensor import Tensor

from ..backward_pass import Contribution, Visit, gradient_notes, visits
from ..graphs.builder import output_index, part_caption
from ..graphs.operations import OperationsView, part_label
from ..graphs.scopes import Part
from ..picture import Picture
from ..reading import Key, has_values, key, operands
from ..texts import NUMBERS, clean_text, format_count, format_number, norm
from ..wording.language import label_of, say, say_count, say_list
from .captions import MOST_LINES, Step, Writing, describe_statistics, rule_text, short_name

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array

GRADIENT_MARK: Final = "‖grad‖"
NO_BREAK: Final = "\N{NO-BREAK SPACE}"
LEFT_OUT: Final = {True: "{n} operation is not drawn", False: "{n} operation comes first"}
"""Whether left-out operations follow others that are drawn → what is said of them."""
MOST_TENSORS: Final = 3
"""A caption describes at most this many tensors."""


class PartSteps:
    """Makes the steps of a view of operations.

    Attributes:
        picture: the boxes, with a further line if a gradient will appear in it.
        steps: in order.
    """

    def __init__(self, view: OperationsView) -> None:
        self.view = view
        self.outline = view.outline
        self.graph = view.outline.graph
        self.picture: Picture = self.build_picture()
        self.boxes: dict[Part, str] = view.box_of_part
        self.boxes_of_leaf: dict[Key, list[str]] = defaultdict(list)
        for source, box in view.box_of_source.items():
            if isinstance(source.value, Tensor):
                self.boxes_of_leaf[key(source.value)].append(box)
        self.sums: dict[Key, Sum] = {}
        self.words = {box.id: box.words for box in self.picture.boxes}
        self.entering: dict[str, list[int]] = defaultdict(list)
        self.leaving: dict[str, list[int]] = defaultdict(list)
        for place, arrow in enumerate(self.picture.arrows):
            self.entering[arrow.head].append(place)
            self.leaving[arrow.tail].append(place)
        self.taken = self.results_by_part()
        self.steps = [*self.forward_steps(), *self.backward_steps()]
        self.add_gradient_lines()

    def build_picture(self) -> Picture:
        """Return the picture of the view, with the notes about its gradients."""
        if has_values(self.graph):
            self.view.builder.notes += gradient_notes(self.graph)
        return self.view.picture()

    def results_by_part(self) -> dict[Part, dict[Key, Tensor]]:
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

    def forward_steps(self) -> list[Step]:
        """Return the leaves as the first step, then a step for each part."""
        leaves = {"input": self.graph.inputs, "parameter": self.graph.parameters}
        counts = [format_count(len(found), noun) for noun, found in leaves.items() if found]
        given = say("given: {what}", what=say_list(counts) or say("numbers"))
        steps = [Step("forward", (given,))]
        for part in self.outline.parts:
            box = self.boxes[part]
            results = list(self.taken.get(part, {}).values())
            shown = results[: MOST_TENSORS if len(results) > MOST_TENSORS + 1 else None]
            lines = [f"{self.label(x)} = {describe_statistics(x._value)}" for x in shown]
            rest = len(results) - len(shown)
            lines += [say_count("… and {n} more result", rest)] if rest else []
            caption = (
                (self._headline(part), *lines)
                if has_values(self.graph)
                else (self._headline(part),)
            )
            steps.append(Step("forward", caption, (box,), tuple(self.entering[box])))
        return steps

    def _headline(self, part: Part) -> str:
        """Return the first line of a caption: operation and formula, or scope and size."""
        if part.kind == "operation":
            (operation,) = part.operations
            doc = operation.primitive.doc.split("  ∂")[0]
            return clean_text(f"{short_name(part_label(part))}: {doc}", 90, lines=1)
        count = len(part.operations)
        if part.kind == "earlier":
            return say_count(LEFT_OUT[part.follows], count)
        return f"{short_name(part_caption(part))}: {format_count(count, 'operation')}"

    def label(self, tensor: Tensor) -> str:
        """Return the name of a tensor, or words for what made it."""
        if tensor.name:
            return short_name(label_of(tensor.name))
        part = self.outline.part_of(tensor)
        if part is None:
            return say("parameter") if tensor.requires_grad else say("input")
        if part.kind == "operation":
            index = output_index(tensor, tensor.op)
            name = short_name(part_label(part))
            return say("result{index} of {name}", index=index, name=name)
        return say("result{index} of {name}", index="", name=self.name(part))

    def name(self, part: Part) -> str:
        """Return the name of a scope, or words for left-out operations."""
        left_out = "what is not drawn" if part.follows else "what comes first"
        return short_name(part_caption(part) or say(left_out))

    def backward_steps(self) -> list[Step]:
        """Return the start at the outputs, then a step for each part of the reverse pass."""
        if not has_values(self.graph) or not any(y.requires_grad for y in self.graph.outputs):
            return []
        groups: dict[Part, list[Visit]] = {}
        terms: Counter[Key] = Counter()
        for visit in visits(self.graph):
            part = self.outline.part_of(visit.operation.outputs[0])
            if part is not None:
                groups.setdefault(part, []).append(visit)
                terms.update(key(x.operand) for x in visit.contributions if x.operand.is_leaf)
        if not groups:
            return []
        self.sums = {name: Sum(count) for name, count in terms.items()}
        parts = [part for part in reversed(self.outline.parts) if part in groups]
        return [
            self.first_backward_step(),
            *(self.backward_step(part, groups[part]) for part in parts),
        ]

    def first_backward_step(self) -> Step:
        """Return the first step of the backward, which gives each output the gradient 1."""
        start = say("backward starts at the end: ∂L/∂L = 1, L being the sum of the outputs")
        ends = [(y, box) for y, box in self.view.box_of_output if y.requires_grad]
        writings = [
            Writing(box, "gradient", write_gradient(norm(np.ones(y.shape)))) for y, box in ends
        ]
        for y in self.graph.outputs:
            if y.requires_grad and y.is_leaf:
                found = self.sums.setdefault(key(y), Sum(0))
                found.terms += 1
                writings += self.add_term(y, np.ones(y.shape))
        boxes = tuple(box for _, box in ends)
        return Step("backward", (start,), boxes, (), tuple(writings))

    def backward_step(self, part: Part, group: list[Visit]) -> Step:
        """Return the step of one part in the backward."""
        box = self.boxes[part]
        inside = {operation.serial for operation in part.operations}
        passed: dict[Key, Contribution] = {}
        writings: dict[str, Writing] = {}
        for visit in group:
            for x in visit.contributions:
                if x.operand.is_leaf:
                    writings |= {w.box: w for w in self.add_term(x.operand, x.amount)}
                if x.operand.op is None or x.operand.op.serial not in inside:
                    passed[key(x.operand)] = x
        arriving = self.arriving_norm(part, group)
        received = list(passed.values())
        lines = [self.describe_gradient(x) for x in received[:MOST_TENSORS]]
        if len(received) > MOST_TENSORS:
            lines.append(say("… and {rest} more", rest=len(received) - MOST_TENSORS))
        caption = (self._backward_headline(part, group, arriving), *lines)[:MOST_LINES]
        if arriving is not None:
            writings[box] = Writing(box, "gradient", write_gradient(arriving))
        writings |= {w.box: w for visit in group for w in self._output_writings(visit)}
        arrows = (*self.entering[box], *self.leaving[box])
        return Step("backward", caption, (box,), arrows, tuple(writings.values()))

    def add_term(self, leaf: Tensor, amount: Array) -> list[Writing]:
        """Add a term to the gradient of a leaf; return the new texts of all its boxes."""
        found = self.sums[key(leaf)]
        found.add(amount)
        text = write_gradient(norm(found.value)) + found.progress
        if found.count == found.terms:
            text += accumulated_gradient(leaf, found.value)
        return [Writing(box, "gradient", text) for box in self.boxes_of_leaf.get(key(leaf), ())]

    def describe_gradient(self, passed: Contribution) -> str:
        """Write the gradient of an operand, and for a leaf, how many of its terms are there."""
        x = passed.operand
        found = self.sums.get(key(x))
        value = passed.total if found is None else found.value
        progress = "" if found is None else found.progress
        return f"∂L/∂({self.label(x)}) = {describe_statistics(value)}{progress}"

    def _output_writings(self, visit: Visit) -> list[Writing]:
        """Return the texts of the gradients of outputs that an operation made."""
        known = zip(visit.operation.outputs, visit.arriving, strict=True)
        arrived = {key(y): g for y, g in known if g is not None}
        return [
            Writing(box, "gradient", write_gradient(norm(arrived[key(y)])))
            for y, box in self.view.box_of_output
            if key(y) in arrived
        ]

    def arriving_norm(self, part: Part, group: list[Visit]) -> float | None:
        """Return the norm of the gradient of all results of a part, None if there is none."""
        wanted = {serial for serial, _ in self.taken.get(part, {})}
        parts = [
            np.ravel(g)
            for visit in group
            if visit.operation.serial in wanted
            for g in visit.arriving
            if g is not None
        ]
        return norm(np.concatenate(parts)) if parts else None

    def _backward_headline(self, part: Part, group: list[Visit], arriving: float | None) -> str:
        """Return the first line of a caption: the gradient that arrives, and the rule it meets."""
        size = ""
        if arriving is not None:
            size = say(" a gradient of norm {norm} arrives;", norm=format_number(arriving))
        if part.kind == "operation":
            (operation,) = part.operations
            name = short_name(part_label(part))
            return clean_text(f"{name}:{size} {rule_text(operation)}", 140, 1)
        through = say_count("it goes through {n} operation", len(group))
        return f"{self.name(part)}:{size} {through}"

    def add_gradient_lines(self) -> None:
        """Give each box with a gradient one more line: its last text, as wide as the widest."""
        last: dict[str, str] = {}
        for step in self.steps:
            for writing in step.writings:
                longest = len(last.get(writing.box, ""))
                last[writing.box] = writing.text.ljust(longest, NO_BREAK)
        self.picture.boxes = [
            replace(box, lines=(*box.lines, last[box.id])) if box.id in last else box
            for box in self.picture.boxes
        ]


class Sum:
    """The gradient of a leaf while its terms arrive, one for each use.

    Attributes:
        terms: how many terms there will be.
        count: how many have arrived.
        value: their sum.
    """

    def __init__(self, terms: int) -> None:
        self.terms = terms
        self.count = 0
        self.value: Any = None

    def add(self, amount: Array) -> None:
        """Add a term."""
        with np.errstate(all="ignore"):
            self.value = amount if self.value is None else self.value + amount
        self.count += 1

    @property
    def progress(self) -> str:
        """How many terms have arrived, "" for a sum of one term."""
        if self.terms == 1:
            return ""
        if self.count == self.terms:
            return f", {say_count('sum of {n} term', self.terms)}"
        return f", {say_count('{here} of {n} term', self.terms, here=self.count)}"


def accumulated_gradient(leaf: Tensor, gradient: Array) -> str:
    """Write the norm of `.grad` if it differs, since calls of backward() add up there."""
    held = leaf.grad
    if not isinstance(held, np.ndarray | np.generic) or held.dtype.kind not in NUMBERS:
        return ""
    size = format_number(norm(held))
    return "" if size == format_number(norm(gradient)) else f"; .grad {size}"


def write_gradient(length: float) -> str:
    """Write the norm of a gradient, as a line of its box."""
    return f"{GRADIENT_MARK} {format_number(length)}"
