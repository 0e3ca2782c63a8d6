"""Hints for the layout program: the computation is a straight line, with parameters at its sides.

A leaf that only one operation takes stands on the rank of that operation, at its left or right
according to the order of operands. That saves a rank for each parameter. It also keeps the order of
operands inside clusters, where the layout program does not keep it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final, Literal

from ..picture import OPERATIONS, Arrow, Box, Picture

Side = Literal["left", "right"]
MOST_OPERANDS: Final = 3
"""The leaves of an operation with more operands than this stand in one row above it."""
LONGEST_ROW: Final = 8
"""If more leaves than this changed, each stands where its value is ready, not in a row."""
LEAVES: Final = frozenset({"input", "parameter"})


def find_sides(picture: Picture) -> dict[Arrow, Side]:
    """Return the arrows whose tail stands at the side of their head, and which side it is."""
    boxes = {box.id: box for box in picture.boxes}
    leaving = Counter(arrow.tail for arrow in picture.arrows)
    entering: dict[str, list[Arrow]] = {}
    for arrow in picture.arrows:
        if boxes[arrow.head].role in OPERATIONS:
            entering.setdefault(arrow.head, []).append(arrow)
    sides: dict[Arrow, Side] = {}
    for head, arrows in entering.items():
        if len(arrows) <= MOST_OPERANDS:
            leaves = [boxes[x.tail] if leaving[x.tail] == 1 else None for x in arrows]
            close = [_can_stand_beside(leaf, boxes[head]) for leaf in leaves]
            anywhere = [_can_stand_beside(leaf, boxes[head], data=True) for leaf in leaves]
            line = boxes[arrows[_first_from_above(anywhere)].tail]
            if leaving[line.id] > 1:  # an array would stand between two branches
                roles = [boxes[x.tail].role for x in arrows]
                close = [c and role == "parameter" for c, role in zip(close, roles, strict=True)]
            wide = leaving[line.id] == 1 and line.role not in LEAVES and picture.direction == "TB"
            sides |= _sides_of_line(arrows, close, anywhere if wide else close)
    return sides


def _sides_of_line(arrows: list[Arrow], left: list[bool], right: list[bool]) -> dict[Arrow, Side]:
    """Return the neighbours of the first operand from above, if they can stand at its sides.

    Only the first and the last operand can, or another one would come in between. A leaf from
    outside of the scope can stand only at the right, where the layout program puts it anyway.
    """
    above = _first_from_above(right)
    sides: dict[Arrow, Side] = {}
    if above == 1 and left[0]:
        sides[arrows[0]] = "left"
    if above + 2 == len(arrows) and right[above + 1]:
        sides[arrows[above + 1]] = "right"
    return sides


def _first_from_above(can: list[bool]) -> int:
    """Return the place of the first operand that comes from above."""
    return can.index(False) if False in can else 0


def _can_stand_beside(leaf: Box | None, head: Box, data: bool = False) -> bool:
    """Return whether a leaf may stand next to its only user.

    It may in the same scope. With `data`, an input may also stand outside of that scope.
    """
    if leaf is None or leaf.role not in LEAVES:
        return False
    return leaf.cluster == head.cluster or (data and leaf.role == "input")


@dataclass(frozen=True, slots=True)
class End:
    """How an arrow ends, so that readers see the order of operands.

    Attributes:
        port: the point of the head where it ends, empty for any.
        start: the point of the tail where it starts, empty for any.
        mark: the place of the operand as text, where the points cannot show the order.
    """

    port: str = ""
    start: str = ""
    mark: str = ""


PORTS: Final = {
    "TB": {"left": "w", "right": "e", 2: ("nw", "ne"), 3: ("nw", "n", "ne")},
    "LR": {"left": "n", "right": "s", 2: ("nw", "sw"), 3: ("nw", "w", "sw")},
}
"""The points of a box, from left to right or from top to bottom: for leaves at its sides, and for
two or three operands from above."""


OPPOSITE: Final[dict[Side, Side]] = {"left": "right", "right": "left"}


def arrow_ends(picture: Picture) -> list[End]:
    """Return how each arrow ends. If the order of operands does not matter, an end is empty.

    Up to three operands end from left to right, wherever the layout program puts the boxes that
    they come from. More operands, and several in one arrow, are numbered by text.
    """
    sides = find_sides(picture)
    ports = PORTS[picture.direction]
    entering: dict[str, list[int]] = {}
    for place, arrow in enumerate(picture.arrows):
        if arrow.operand:
            entering.setdefault(arrow.head, []).append(place)
    found = [End()] * len(picture.arrows)
    for places in entering.values():
        arrows = [picture.arrows[place] for place in places]
        if len(places) > MOST_OPERANDS or any(arrow.count > 1 for arrow in arrows):
            for place, arrow in zip(places, arrows, strict=True):
                found[place] = End(mark=arrow.operand)
            continue
        from_above = [x for x, arrow in zip(places, arrows, strict=True) if arrow not in sides]
        for place, arrow in zip(places, arrows, strict=True):
            if arrow in sides:
                found[place] = End(str(ports[sides[arrow]]), str(ports[OPPOSITE[sides[arrow]]]))
            elif len(from_above) > 1:
                found[place] = End(ports[len(from_above)][from_above.index(place)])
    return found


def move_arrays_outside(picture: Picture) -> Picture:
    """Return a picture whose arrays stand outside of scopes, unless they are next to their user.

    Inside, an array would need another row above the first operation of the scope.
    """
    staying = {arrow.tail for arrow in find_sides(picture)}
    boxes = [
        box if box.role != "input" or box.id in staying else replace(box, cluster=None)
        for box in picture.boxes
    ]
    return replace(picture, boxes=boxes)


def cluster_entrances(picture: Picture) -> dict[str, list[str]]:
    """Return, for each cluster that an arrow enters from above, the boxes right of its caption.

    The first one is the head of the highest arrow. The others are as high as it, since they take
    the same tensors and leaves. A box with a leaf at its left is already far from the caption.
    """
    boxes = {box.id: box for box in picture.boxes}
    left = {arrow.head: arrow.tail for arrow, side in find_sides(picture).items() if side == "left"}
    entering: dict[str, list[str]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(arrow.tail)
    found: dict[str, list[str]] = {}
    for arrow in _sort_arrows_by_height(picture):
        head = boxes[arrow.head]
        if head.cluster is None or boxes[arrow.tail].cluster == head.cluster:
            continue
        heads = found.setdefault(head.cluster, [])
        made = {tail for tail in entering[head.id] if tail in entering}
        as_high = made and made <= set(entering[heads[0]]) if heads else True
        if as_high and head.id not in heads:
            heads.append(head.id)
    return {
        cluster: [heads[0], *(left.get(head, head) for head in heads[1:])]
        for cluster, heads in found.items()
        if heads[0] not in left
    }


def _sort_arrows_by_height(picture: Picture) -> list[Arrow]:
    """Return the arrows sorted by the height of their heads, the highest first.

    Arrows from leaves come last, because a leaf is drawn just above its user.
    """
    roles = {box.id: box.role for box in picture.boxes}
    depths: dict[str, int] = {}
    entering: dict[str, list[str]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(arrow.tail)
    for box in picture.boxes:  # each comes after what enters it
        depths[box.id] = max((depths.get(x, 0) + 1 for x in entering.get(box.id, ())), default=0)
    return sorted(
        picture.arrows, key=lambda arrow: (roles[arrow.tail] in LEAVES, depths[arrow.head])
    )


def rows_of_updates(picture: Picture) -> list[list[str]]:
    """Return rows of boxes: the changed leaves of each scope, unless they are many."""
    found: dict[str | None, list[str]] = {}
    for box in picture.boxes:
        if box.role == "updated":
            found.setdefault(box.cluster, []).append(box.id)
    return [row for row in found.values() if 1 < len(row) <= LONGEST_ROW]
