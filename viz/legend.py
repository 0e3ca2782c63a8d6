"""The legend of roles: the kinds of boxes in a picture, in plain words, on demand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from .picture import Box, Picture, Role
from .wording.language import say

MEANINGS: Final[dict[Role, str]] = {
    "input": "data, given",
    "parameter": "parameter, trained",
    "feature": "input",
    "neuron": "hidden neuron",
    "prediction": "output neuron",
    "bias": "bias, always 1",
    "operation": "operation",
    "scalar_operation": "operation",
    "scope": "several operations, folded",
    "tensor": "result in between",
    "output": "result",
    "failed": "operation that failed",
    "gradient": "step of the backward pass",
    "gradient_scope": "backward pass of a fold",
    "gradient_value": "gradient",
    "update": "operation of the optimizer",
    "update_scope": "operations of the optimizer, folded",
    "updated": "new value of a parameter",
    "earlier": "operations that are not drawn",
}
"""Role → what it stands for, in the order of a legend."""
ROW_HEIGHT: Final = 17.0
"""The height of a line of a legend, in points."""
GAP: Final = 26.0
"""Between the picture and its legend, where positions are computed."""


def add_legend(picture: Picture, inside: Iterable[Role] = ()) -> Picture:
    """Return a picture with one more box, which explains the roles that occur in it, or `inside`.

    The roles `inside` are those of boxes that appear in the picture later, as scopes open.
    """
    present = {box.role for box in picture.boxes}.union(inside)
    roles = tuple(role for role in MEANINGS if role in present)
    if not roles:
        return picture
    words: list[str] = []
    looks: list[Role] = []
    for role in roles:
        word = say(MEANINGS[role])
        if word not in words:
            words.append(word)
            looks.append(role)
    placed = [box.position for box in picture.boxes if box.position]
    position = None
    if placed:
        xs, ys = zip(*placed, strict=True)
        below = min(ys) - GAP - len(words) * ROW_HEIGHT / 2
        position = ((min(xs) + max(xs)) / 2, below)
    box = Box(picture.next_id(), "legend", tuple(words), position=position, looks=tuple(looks))
    return replace(picture, boxes=[*picture.boxes, box])
