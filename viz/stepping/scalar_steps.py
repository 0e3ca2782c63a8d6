"""The steps of a graph of scalars: each value as it is computed, each gradient as it arrives."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Final

from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..backward_pass import Visit, visits
from ..graphs.scalars import ScalarView, number_cell
from ..picture import Box, Cell, Picture
from ..reading import Key, changed_leaves, key, operands
from ..texts import clean_text, format_number, join_list
from ..wording.language import label_of, say, say_count
from .captions import MOST_LINES, Step, Writing, describe_chain_rule, describe_operation, short_name
from .part_steps import LEFT_OUT

SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
MOST_GIVEN: Final = 12
"""The first caption names at most this many leaves."""
LONGEST_CAPTION: Final = 140
"""The most letters of a list in a caption."""


class ScalarSteps:
    """Makes the steps of a scalar view.

    Attributes:
        picture: the boxes, each with a name and with room for its longest text.
        steps: in order.
    """

    def __init__(self, view: ScalarView) -> None:
        self.graph = view.outline.graph
        self.parts = view.outline.parts
        self.names = _name_tensors(view)
        view.names |= self.names
        self.picture: Picture = view.picture()
        self.boxes: dict[Key, str] = view.boxes
        self.roles = {box.id: box.role for box in self.picture.boxes}
        self.entering: dict[str, list[int]] = defaultdict(list)
        for place, arrow in enumerate(self.picture.arrows):
            self.entering[arrow.head].append(place)
        outputs = self.graph.outputs
        self.loss = self.name(outputs[0]) if len(outputs) == 1 else "Σ"
        self.steps = [self._first_step(), *self.forward_steps(), *self.backward_steps()]
        self._widen()

    def name(self, tensor: Tensor) -> str:
        """Return the name of a tensor in captions."""
        return short_name(label_of(self.names[key(tensor)]))

    def _first_step(self) -> Step:
        """Return the first step, in which only the leaves have values."""
        leaves = [x for x in (*self.graph.inputs, *self.graph.parameters) if key(x) in self.boxes]
        changed = changed_leaves(self.graph)
        values = [f"{self.name(x)} = {format_number(x.data)}" for x in leaves[:MOST_GIVEN]]
        values = [
            say("{value} (changed since)", value=text) if key(x) in changed else text
            for text, x in zip(values, leaves, strict=False)
        ]
        rest = len(leaves) - len(values)
        values += [say("… and {rest} more", rest=rest)] if rest else []
        given = ", ".join(values)
        caption = say("given: {what}", what=given) if leaves else say("nothing is given")
        return Step("forward", (caption,), writings=tuple(map(self._value_writing, leaves)))

    def forward_steps(self) -> list[Step]:
        """Return a step for each operation; left-out operations share one step."""
        steps = []
        for part in self.parts:
            operation = part.operations[0]
            if part.kind == "earlier":
                box = self.boxes[key(operation.outputs[0])]
                caption_text = say_count(LEFT_OUT[part.follows], len(part.operations))
                steps.append(Step("forward", (caption_text,), (box,), tuple(self.entering[box])))
            else:
                results = [y for y in operation.outputs if key(y) in self.boxes]
                arrows = self._arrows_of_operation(operation)
                caption = describe_operation(operation, self.name)
                looked = self._boxes_of_operation(operation)
                writings = tuple(map(self._value_writing, results))
                steps.append(Step("forward", caption, looked, arrows, writings))
        return steps

    def backward_steps(self) -> list[Step]:
        """Return the start at the outputs, then a step for each operation of the reverse pass."""
        ends = [y for y in self.graph.outputs if y.requires_grad]
        found = [visit for visit in visits(self.graph) if not self._is_left_out(visit.operation)]
        if not ends or not found:
            return []
        boxes = tuple(self.boxes[key(y)] for y in ends)
        writings = tuple(self._gradient_writing(y, 1.0) for y in ends)
        one = len(self.graph.outputs) == 1
        what = self.loss if one else say("the sum of the outputs, Σ,")
        caption = (
            say("backward starts at the end: how does {what} change with each number?", what=what),
            join_list([f"∂{self.loss}/∂{self.name(y)} = 1" for y in ends], LONGEST_CAPTION, "; "),
        )
        return [Step("backward", caption, boxes, (), writings), *map(self.backward_step, found)]

    def backward_step(self, visit: Visit) -> Step:
        """Return the step of one operation in the backward."""
        caption = describe_chain_rule(visit, self.name, self.loss)
        if len(caption) > MOST_LINES:
            rest = len(caption) - MOST_LINES + 1
            caption = (*caption[: MOST_LINES - 1], say_count("… {n} more line", rest))
        shown = [x for x in visit.contributions if not self._is_earlier(self.boxes[key(x.operand)])]
        writings = tuple(self._gradient_writing(x.operand, x.total) for x in shown)
        looked = self._boxes_of_operation(visit.operation)
        return Step(
            "backward", caption, looked, self._arrows_of_operation(visit.operation), writings
        )

    def _is_earlier(self, box: str) -> bool:
        """Return whether a box stands for left-out operations."""
        return self.roles[box] == "earlier"

    def _is_left_out(self, operation: Operation) -> bool:
        """Return whether an operation is not drawn."""
        return any(
            key(y) not in self.boxes or self._is_earlier(self.boxes[key(y)])
            for y in operation.outputs
        )

    def _circle_of(self, operation: Operation) -> str:
        """Return the id of an operation's circle."""
        (place, *_) = self.entering[self.boxes[key(operation.outputs[0])]]
        return self.picture.arrows[place].tail

    def _boxes_of_operation(self, operation: Operation) -> tuple[str, ...]:
        """Return the circle of an operation and the boxes of its results."""
        results = (self.boxes[key(y)] for y in operation.outputs)
        return (self._circle_of(operation), *results)

    def _arrows_of_operation(self, operation: Operation) -> tuple[int, ...]:
        """Return the places of the arrows into an operation's circle and out of it."""
        circle, *results = self._boxes_of_operation(operation)
        places = [place for box in (circle, *results) for place in self.entering[box]]
        return tuple(dict.fromkeys(places))

    def _value_writing(self, tensor: Tensor) -> Writing:
        """Return the text of a tensor's value for its box."""
        return Writing(self.boxes[key(tensor)], "data", number_cell("data", tensor.data).text)

    def _gradient_writing(self, tensor: Tensor, value: object) -> Writing:
        """Return the text of a gradient for the box of its tensor."""
        return Writing(self.boxes[key(tensor)], "gradient", number_cell("grad", value).text)

    def _widen(self) -> None:
        """Give each box room for the longest text of its gradient."""
        longest: dict[str, str] = {}
        for step in self.steps:
            for writing in step.writings:
                if writing.field == "gradient":
                    longest[writing.box] = max(longest.get(writing.box, ""), writing.text, key=len)
        self.picture.boxes = [
            _widen_box(box, longest.get(box.id, "")) for box in self.picture.boxes
        ]


def _widen_box(box: Box, text: str) -> Box:
    """Return a box with this text as its gradient, if it is longer than the present one."""
    if not box.cells or len(box.cells[-1].text) >= len(text):
        return box
    if box.cells[-1].kind not in ("gradient", "nonfinite"):
        return box
    return replace(box, cells=(*box.cells[:-1], Cell(text, box.cells[-1].kind)))


def _name_tensors(view: ScalarView) -> dict[Key, str]:
    """Return a name for each tensor: its name, or v₁, v₂… in order of creation; L for the end."""
    tensors = list(view.outline.graph.inputs + view.outline.graph.parameters)
    for operation in view.outline.graph.operations:
        tensors += [x for x in operands(operation) if isinstance(x, Tensor)]
        tensors += operation.outputs
    tensors += view.outline.graph.outputs
    found = {key(x): clean_text(x.name) for x in tensors if x.name}
    if len(view.outline.graph.outputs) == 1 and "L" not in found.values():
        found.setdefault(key(view.outline.graph.outputs[0]), "L")
    taken, count = set(found.values()), 0
    for x in tensors:
        while key(x) not in found:
            count += 1
            name = f"v{str(count).translate(SUBSCRIPTS)}"
            if name not in taken:
                found[key(x)] = name
    return found
