"""A picture of an explanation: the graph with one path lit, and the local derivatives along it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from autograd_mini.core.graph import Graph

from .graphs.graph_views import graph_picture
from .graphs.scopes import Open
from .picture import Direction, Picture
from .reading import is_number, key, operands
from .texts import format_number
from .wording.language import label_of, say

if TYPE_CHECKING:
    from autograd_mini.explanation import Explanation, Step

    from .graphs.operations import OperationsView


def path_picture(
    explained: Explanation,
    limit: int | None,
    direction: Direction,
    title: str | None,
    open: Open = None,
) -> Picture:
    """Draw the graph of an output, with the first path of an explanation lit.

    An arrow of the path carries the local derivative where one number moves one number. An arrow
    into a fold, of which the factors do not show, carries none.

    Args:
        explained: what `am.explain` returns.
        limit: about how many boxes to draw at most.
        direction: top to bottom or left to right.
        title: for screen readers.
        open: which scopes are open, as in `draw`.
    """
    title = title or say("The chain rule for {element}", element=label_of(explained.element))
    picture, view = graph_picture(
        Graph(explained.output), "operations", limit, direction, title, open
    )
    if not explained.paths:
        return picture
    box_of = {op.serial: box for part, box in view.box_of_part.items() for op in part.operations}
    steps = explained.paths[0].steps
    first = _find_first_box(explained, picture, view, box_of)
    part_of = {box: part for part, box in view.box_of_part.items()}
    boxes, before, output = {first}, first, 0
    lit: dict[int, str] = {}
    for step in steps:
        box = box_of.get(step.operation.serial)
        boxes.add(box)
        if box is not None and box != before:
            alone = part_of[box].kind == "operation"
            place = _find_arrow(picture, before, box, output, step if alone else None)
            if place is not None:
                plain = alone and step.factor is not None
                known = picture.arrows[place].label
                label = f"× {format_number(step.factor)}" if plain else known
                lit[place] = f"{known}  {label}" if plain and known.startswith(":") else label
        before, output = box, step.output
    results = {(before, box) for _, box in view.box_of_output}
    for place, arrow in enumerate(picture.arrows):
        if (arrow.tail, arrow.head) in results:
            picture.arrows[place] = replace(arrow, lit="path")
        elif place in lit:
            picture.arrows[place] = replace(arrow, lit="path", label=lit[place])
    share = say(
        "path: {share} of {whole}",
        share=format_number(explained.paths[0].share),
        whole=format_number(explained.derivative),
    )
    ends = {box for _, box in view.box_of_output}
    for place, one in enumerate(picture.boxes):
        if one.id in ends:
            picture.boxes[place] = replace(one, lines=(*one.lines, share))
    for place, one in enumerate(picture.boxes):
        if one.id in boxes:
            picture.boxes[place] = replace(one, lit=True)
    return picture


def _find_first_box(
    explained: Explanation, picture: Picture, view: OperationsView, box_of: dict[int, str]
) -> str | None:
    """Return the box from which the first path starts; None if a fold holds its leaf."""
    made, steps = explained.tensor.op, explained.paths[0].steps
    if made is not None:
        return box_of.get(made.serial)
    leaf = view.box_of_leaf.get(key(explained.tensor))  # a shared leaf may be drawn several times
    drawn = {box.id for box in picture.boxes if leaf and leaf in (box.id, box.copy_of)}
    head = box_of.get(steps[0].operation.serial) if steps else None
    return next((a.tail for a in picture.arrows if a.head == head and a.tail in drawn), None)


def _find_arrow(
    picture: Picture, tail: str | None, head: str, output: int, step: Step | None
) -> int | None:
    """Return the place of the arrow that a path takes into a box; None if that is not sure.

    The arrows into the box of one operation are its operands, in order. Of several arrows into a
    fold, the one that carries the result is taken, if there is only one.

    Args:
        picture: the picture.
        tail: the box from which the path comes.
        head: the box.
        output: the index of the result that the path takes along.
        step: the step into the box of one operation; None for a fold.
    """
    entering = [i for i, arrow in enumerate(picture.arrows) if arrow.head == head]
    between = [i for i in entering if picture.arrows[i].tail == tail]
    if len(between) == 1:
        return between[0]
    if step is not None:
        taken = operands(step.operation)
        shown = [place for place, x in enumerate(taken) if not is_number(x)]
        if len(shown) == len(entering) and step.operand in shown:
            return entering[shown.index(step.operand)]
    same = [i for i in between if picture.arrows[i].output == output]
    return same[0] if len(same) == 1 else None
