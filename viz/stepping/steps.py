"""Steps: the changes in a picture from one frame to the next."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

from autograd_mini.core.visible import replace_hidden

from ..texts import format_count

Field = Literal["data", "gradient"]
MOST_LINES: Final = 5
"""The most lines of a caption."""


@dataclass(frozen=True, slots=True)
class Writing:
    """A text that replaces the text of a field in a box."""

    box: str
    field: Field
    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", replace_hidden(self.text))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the forward or the backward.

    Attributes:
        phase: "forward" or "backward".
        caption: what happens, line by line.
        boxes: the ids of the boxes that glow.
        arrows: the places of the arrows that glow.
        writings: the texts that appear.
    """

    phase: Literal["forward", "backward"]
    caption: tuple[str, ...]
    boxes: tuple[str, ...] = ()
    arrows: tuple[int, ...] = ()
    writings: tuple[Writing, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "caption", tuple(map(replace_hidden, self.caption)))


def join_steps(steps: list[Step], most: int) -> list[Step]:
    """Return at most about `most` steps; neighbours of one phase are joined."""
    if len(steps) <= most:
        return steps
    together = ceil(len(steps) / max(most - 2, 1))
    found: list[Step] = []
    group: list[Step] = []
    for step in steps:
        if group and (len(group) == together or group[0].phase != step.phase):
            found.append(_join_group(group))
            group = []
        group.append(step)
    return [*found, _join_group(group)]


def _join_group(group: list[Step]) -> Step:
    """Join several steps to one; its caption has the first line of each, as many as fit."""
    if len(group) == 1:
        return group[0]
    lines = [step.caption[0] for step in group]
    if len(lines) > MOST_LINES:
        rest = len(lines) - MOST_LINES + 1
        lines = [*lines[: MOST_LINES - 1], f"… and {format_count(rest, 'more step')}"]
    return Step(
        group[0].phase,
        tuple(lines),
        tuple(dict.fromkeys(box for step in group for box in step.boxes)),
        tuple(dict.fromkeys(arrow for step in group for arrow in step.arrows)),
        tuple(writing for step in group for writing in step.writings),
    )
