"""A picture of an explanation: the graph with one path lit, and the local derivatives along it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from autograd_mini.core.graph import Graph

from .graphs.graph_views import graph_picture
from .graphs.scopes import Open
from .picture import Direction, Picture
from .reading import key
from .texts import format_number

if TYPE_CHECKING:
    from autograd_mini.explanation import Explanation, Step


def path_picture(
    explained: Explanation,
    limit: int | None,
    direction: Direction,
    title: str | None,
    open: Open = None,
) -> Picture:
    """Draw the graph of an output, with the first path of an explanation lit.

    An arrow of the path carries the local derivative where one number moves one number.

    Args:
        explained: what `am.explain` returns.
        limit: about how many boxes to draw at most.
        direction: top to bottom or left to right.
        title: for screen readers.
        open: which scopes are open, as in `draw`.
    """
    title = title or f"The chain rule for {explained.element}"
    picture, view = graph_picture(
        Graph(explained.output), "operations", limit, direction, title, open
    )
    if not explained.paths:
        return picture
    box_of = {op.serial: box for part, box in view.box_of_part.items() for op in part.operations}
    made, steps = explained.tensor.op, explained.paths[0].steps
    if made is not None:
        first = box_of.get(made.serial)
    else:  # a shared leaf may be drawn several times
        leaf = view.box_of_leaf.get(key(explained.tensor))
        drawn = {box.id for box in picture.boxes if leaf and leaf in (box.id, box.copy_of)}
        head = box_of.get(steps[0].operation.serial) if steps else None
        near = (a.tail for a in picture.arrows if a.head == head and a.tail in drawn)
        first = next(near, leaf)
    crossed: dict[tuple[str | None, str | None], Step] = {}
    boxes, before = {first}, first
    for step in steps:
        box = box_of.get(step.operation.serial)
        boxes.add(box)
        if box != before:
            crossed.setdefault((before, box), step)
        before = box
    results = {(before, box) for _, box in view.box_of_output}
    seen: Counter[tuple[str, str]] = Counter()
    for place, arrow in enumerate(picture.arrows):
        ends = arrow.tail, arrow.head
        through = crossed.get(ends)
        if ends in results:
            picture.arrows[place] = replace(arrow, lit="path")
        elif through is not None and seen[ends] == _place_among_equals(through):
            known = through.factor
            label = arrow.label if known is None else f"× {format_number(known)}"
            picture.arrows[place] = replace(arrow, lit="path", label=label)
        seen[ends] += 1
    for place, one in enumerate(picture.boxes):
        if one.id in boxes:
            picture.boxes[place] = replace(one, lit=True)
    return picture


def _place_among_equals(step: Step) -> int:
    """Return how many earlier operands of a step are the same tensor: each has an arrow."""
    taken = step.operation.inputs
    return sum(key(x) == key(taken[step.operand]) for x in taken[: step.operand])
