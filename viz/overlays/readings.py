"""`Overlay`, the base of all overlays: what one says about a box, and the legend of its colours."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import ClassVar, Final, Literal

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..colours import CIVIDIS, Scale, scale_of
from ..graphs.scopes import Part
from ..picture import Box, Picture
from ..reading import Key, key, operands
from ..style import NONFINITE, REACHED, ZERO
from ..wording.language import say

Mark = Literal["origin", "reached", ""]


OFF_SCALE: Final = "NaN or infinity"


@dataclass(frozen=True, slots=True)
class Reading:
    """What an overlay says about a box.

    Attributes:
        text: one line or several.
        value: the value on the scale, None for a box without colour.
        tooltip: what the lines leave out.
        mark: "origin" of NaN or infinity, "reached" by it, or "".
        begins: "value", "gradient" or both, if it is not finite here first.
        bars: the heights of a small histogram, from 0 to 1.
    """

    text: str = ""
    value: float | None = None
    tooltip: str = ""
    mark: Mark = ""
    begins: tuple[str, ...] = ()
    bars: tuple[float, ...] = ()


class Overlay:
    """A measure of a graph.

    Attributes:
        title: the title of the legend.
        scale: how values spread over the colours; "" for no colours.
        notes: sentences about the whole measure.
    """

    title: ClassVar[str] = ""
    scale: ClassVar[Literal["", "linear", "log"]] = ""
    notes: tuple[str, ...] = ()

    def __init__(self, graph: Graph) -> None:
        """Measure a graph.

        Raises:
            PictureError: if it has nothing to measure.
        """
        self.graph = graph

    def read_part(self, part: Part) -> Reading | None:
        """Return the reading for a part, None if there is nothing to say."""
        raise NotImplementedError

    def read_leaf(self, leaf: object) -> Reading | None:
        """Return the reading for a leaf, a tensor or a plain array; None if there is none."""
        return None

    def off_scale_label(self, value: float) -> str:
        """Return the name of a value without a place on a logarithmic scale, "" for others."""
        if self.scale != "log" or (isfinite(value) and value > 0):
            return ""
        return "0" if value == 0 else OFF_SCALE

    def format_value(self, value: float) -> str:
        """Write a value of the scale, with its unit."""
        raise NotImplementedError


class Leaving:
    """Finds the results that leave a box of several operations."""

    def __init__(self, graph: Graph) -> None:
        self._outputs = {key(y) for y in graph.outputs}
        self._users: dict[Key, list[int]] = {}
        self._names: dict[Key, Tensor] = {}
        for operation in graph.operations:
            for x in operands(operation):
                if isinstance(x, Tensor) and not x.is_leaf:
                    self._users.setdefault(key(x), []).append(operation.serial)
                    self._names[key(x)] = x
        self._names |= {key(y): y for y in graph.outputs}

    def results(self, part: Part) -> list[Tensor]:
        """Return the results of a part that other operations take, or that are outputs, in order.

        They are the tensors as the users hold them, with their names.
        """
        return list(self._leaving(part))

    def _leaving(self, part: Part) -> Iterator[Tensor]:
        inside = {operation.serial for operation in part.operations}
        for operation in part.operations:
            for y in operation.outputs:
                users = self._users.get(key(y), ())
                if key(y) in self._outputs or not inside.issuperset(users):
                    yield self._names[key(y)]


FILLS: Final = {"origin": NONFINITE, "reached": REACHED}
"""Mark → the fill of its box."""
OUTSIDE_FILLS: Final = {"0": ZERO, OFF_SCALE: NONFINITE}
"""Values without a place on a logarithmic scale → the fill of their boxes."""
MEANING: Final = {"origin": "where NaN or infinity arises", "reached": "what it reaches"}


def apply_overlays(
    picture: Picture,
    subjects: dict[str, object],
    overlays: list[Overlay],
    shared: Sequence[float] = (),
    first: bool = True,
) -> Picture:
    """Return a picture with the readings of some overlays.

    Args:
        picture: the operations.
        subjects: id of a box → the part, tensor or array that it stands for.
        overlays: each adds a line; the first one with a scale gives the colours.
        shared: values of other pictures that have the same scale.
        first: whether the place where a reader looks first can be in this picture.
    """
    readings = [_read_overlay(overlay, subjects) for overlay in overlays]
    coloured = next((i for i, o in enumerate(overlays) if o.scale), None)
    scale = None
    values: list[float] = []
    if coloured is not None:
        values = [x.value for x in readings[coloured].values() if x.value is not None]
        values += shared
        scale = scale_of(values, overlays[coloured].scale)
    boxes = []
    for box in picture.boxes:
        for place, found in enumerate(readings):
            if box.id in found:
                box = _add_reading(box, found[box.id])
                if place == coloured:
                    box = _fill_box(box, found[box.id], overlays[place], scale)
        boxes.append(box)
    origins = _first_origins(picture, readings) if first else set()
    boxes = [replace(box, first=True) if box.id in origins else box for box in boxes]
    marks = {x.mark for found in readings for x in found.values() if x.mark}
    if scale is not None and coloured is not None:
        boxes.append(_scale_legend(f"n{len(boxes)}", overlays[coloured], scale))
    if coloured is not None:
        looks = {x for x in map(overlays[coloured].off_scale_label, values) if x}
        boxes += [_off_scale_legend(f"n{len(boxes)}", looks)] if looks else []
    if marks:
        boxes.append(_mark_legend(f"n{len(boxes)}", marks))
    said = {box.words for box in boxes if box.role == "legend"}
    for note in dict.fromkeys(note for overlay in overlays for note in overlay.notes):
        if note not in said:
            boxes.append(Box(f"n{len(boxes)}", "legend", (note,)))
    return replace(picture, boxes=boxes)


def scaled_values(subjects: dict[str, object], overlays: list[Overlay]) -> list[float]:
    """Return the values of the overlay that gives the colours, of what these boxes stand for."""
    coloured = next((overlay for overlay in overlays if overlay.scale), None)
    if coloured is None:
        return []
    found = _read_overlay(coloured, subjects).values()
    return [reading.value for reading in found if reading.value is not None]


def _first_origins(picture: Picture, readings: list[dict[str, Reading]]) -> set[str]:
    """Return the boxes of the first value and the first gradient that are not finite.

    Gradients run from the result back, so the first of them is the last in the picture.
    """
    found = set()
    for one in readings:
        marked = [(box.id, one[box.id].begins) for box in picture.boxes if box.id in one]
        found.update([name for name, begins in marked if "value" in begins][:1])
        found.update([name for name, begins in marked if "gradient" in begins][-1:])
    return found


def _read_overlay(overlay: Overlay, subjects: dict[str, object]) -> dict[str, Reading]:
    """Return the readings of an overlay: id of a box → reading."""
    found = {}
    for box, subject in subjects.items():
        one = (
            overlay.read_part(subject) if isinstance(subject, Part) else overlay.read_leaf(subject)
        )
        if one is not None:
            found[box] = one
    return found


def _fill_box(box: Box, reading: Reading, overlay: Overlay, scale: Scale | None) -> Box:
    """Return a box in the colour of its value, or in the fill for values off the scale."""
    if reading.value is None or reading.mark:
        return box
    look = overlay.off_scale_label(reading.value)
    if look:
        return replace(box, fill=OUTSIDE_FILLS[look])
    return box if scale is None else replace(box, fill=scale.colour(reading.value))


def _add_reading(box: Box, reading: Reading) -> Box:
    """Return a box with the lines of a reading and the fill of its mark."""
    fill = FILLS[reading.mark] if reading.mark else box.fill
    return replace(
        box,
        lines=(*box.lines, *filter(None, reading.text.split("\n"))),
        tooltip="\n".join(filter(None, (box.tooltip, reading.tooltip))),
        fill=fill,
        bars=reading.bars or box.bars,
    )


def _scale_legend(name: str, overlay: Overlay, scale: Scale) -> Box:
    """Return the box that explains the colours: the measure and the ends of the scale."""
    ends = (overlay.format_value(scale.low), overlay.format_value(scale.high))
    return Box(name, "scale", (say(overlay.title), *ends), swatches=CIVIDIS)


def _off_scale_legend(name: str, looks: Container[str]) -> Box:
    """Return the box that explains the fills of values off the scale."""
    shown = [look for look in OUTSIDE_FILLS if look in looks]
    fills = tuple(OUTSIDE_FILLS[look] for look in shown)
    words = [say(look) if look == OFF_SCALE else look for look in shown]
    return Box(name, "scale", (say("outside of the scale"), *words), swatches=fills)


def _mark_legend(name: str, marks: Container[str]) -> Box:
    """Return the box that explains the marks of the picture."""
    shown = [mark for mark in FILLS if mark in marks]
    words = [say(MEANING[mark]) for mark in shown]
    return Box(name, "scale", (say("not finite"), *words), swatches=tuple(FILLS[x] for x in shown))
