"""Hints for the layout of a graph of operations: the computation is a straight line, and the
parameters stand beside it.

A leaf that only one operation takes is put on the rank of that operation, left or right of it as
the order of operands says. That saves a rank for each parameter, and keeps the order of operands
where the layout program does not keep it by itself, which is inside of clusters.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal

from .picture import Arrow, Picture

Side = Literal["left", "right"]
MOST_OPERANDS: Final = 3
"""The leaves of an operation with more operands than this stand in one row above it."""


def beside(picture: Picture) -> dict[Arrow, Side]:
    """Return the arrows whose tail stands beside their head, and on which side."""
    boxes = {box.id: box for box in picture.boxes}
    leaving = Counter(arrow.tail for arrow in picture.arrows)
    entering: dict[str, list[Arrow]] = {}
    for arrow in picture.arrows:
        if boxes[arrow.head].role == "operation":
            entering.setdefault(arrow.head, []).append(arrow)
    sides: dict[Arrow, Side] = {}
    for head, arrows in entering.items():
        if len(arrows) > MOST_OPERANDS:
            continue
        can = [
            boxes[arrow.tail].role in ("input", "parameter")
            and leaving[arrow.tail] == 1
            and boxes[arrow.tail].cluster == boxes[head].cluster
            for arrow in arrows
        ]
        above = can.index(False) if False in can else 0
        if above and can[above - 1]:
            sides[arrows[above - 1]] = "left"
        if above + 1 < len(arrows) and can[above + 1]:
            sides[arrows[above + 1]] = "right"
    return sides


def entrances(picture: Picture) -> dict[str, str]:
    """Return, for each cluster that an arrow enters from above, the box where the first one ends.

    A box with a leaf at its left is far enough from the caption already.
    """
    boxes = {box.id: box for box in picture.boxes}
    sides = beside(picture)
    taken = {arrow.head for arrow, side in sides.items() if side == "left"}
    found: dict[str, str] = {}
    for arrow in picture.arrows:
        head = boxes[arrow.head]
        if head.cluster is not None and boxes[arrow.tail].cluster != head.cluster:
            found.setdefault(head.cluster, head.id)
    return {cluster: head for cluster, head in found.items() if head not in taken}
