"""The plainest layout there is, for pictures that the layout program does not finish in time.

Every box stands on the row of its longest path from the inputs, in the order of creation; arrows
are straight, and scopes are not drawn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..picture import Box, Picture

LETTER: Final = 7.5
"""The width of a letter, in points."""
GAP: Final = 24.0
LINE: Final = 16.0
"""The height of a line of text."""
BETWEEN: Final = 44.0
"""Between two rows."""


def place_in_rows(picture: Picture) -> Picture:
    """Return a picture with a position for each box.

    >>> from ..picture import Arrow
    >>> boxes = [Box("n0", "input", ("x",)), Box("n1", "operation", ("+",))]
    >>> placed = layered(Picture("", "TB", boxes=boxes, arrows=[Arrow("n0", "n1")]))
    >>> [box.position[1] for box in placed.boxes]
    [-16.0, -92.0]
    """
    rows: dict[int, list[Box]] = {}
    for box, rank in zip(picture.boxes, longest_paths(picture), strict=True):
        rows.setdefault(rank, []).append(box)
    places: dict[str, tuple[float, float]] = {}
    away = 0.0
    across = 0 if picture.direction == "TB" else 1
    for rank in sorted(rows):
        sizes = [box_extent(box) for box in rows[rank]]
        depth = max(size[1 - across] for size in sizes)
        along = -sum(size[across] + GAP for size in sizes) / 2
        away += depth / 2
        for box, size in zip(rows[rank], sizes, strict=True):
            along += (size[across] + GAP) / 2
            places[box.id] = (along, -away) if picture.direction == "TB" else (away, -along)
            along += (size[across] + GAP) / 2
        away += depth / 2 + BETWEEN
    boxes = [replace(box, position=places[box.id], cluster=None) for box in picture.boxes]
    return replace(picture, boxes=boxes, clusters=[], ties=[])


def box_extent(box: Box) -> tuple[float, float]:
    """Return about how wide and high a box is."""
    lines = box.lines or (" ".join(cell.text for cell in box.cells),)
    return LETTER * max(map(len, lines), default=1) + 20, LINE * len(lines) + 16


def longest_paths(picture: Picture) -> list[int]:
    """Return the length of the longest path to each box; each comes after what enters it.

    What the backward carries counts as going forward: its boxes stand beside those of the forward.
    """
    place = {box.id: i for i, box in enumerate(picture.boxes)}
    entering: dict[str, list[str]] = {box.id: [] for box in picture.boxes}
    for arrow in picture.arrows:
        tail, head = (arrow.head, arrow.tail) if arrow.backward else (arrow.tail, arrow.head)
        entering[head].append(tail)
    waiting = {box.id: len(entering[box.id]) for box in picture.boxes}
    leaving: dict[str, list[str]] = {box.id: [] for box in picture.boxes}
    for head, tails in entering.items():
        for tail in tails:
            leaving[tail].append(head)
    found = [0] * len(picture.boxes)
    ready = [box.id for box in picture.boxes if not waiting[box.id]]
    while ready:
        tail = ready.pop()
        for head in leaving[tail]:
            found[place[head]] = max(found[place[head]], found[place[tail]] + 1)
            waiting[head] -= 1
            if not waiting[head]:
                ready.append(head)
    return found
