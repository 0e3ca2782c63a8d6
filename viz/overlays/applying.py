"""Write the readings of overlays into a picture: lines, colours, and the legend."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Final

from ..colours import CIVIDIS, Scale, scale_of
from ..graphs.scopes import Part
from ..picture import Box, Picture
from ..style import NONFINITE, REACHED, ZERO
from .readings import Overlay, Reading

FILLS: Final = {"origin": NONFINITE, "reached": REACHED}
"""Mark → the fill of its box."""
OUTSIDE_FILLS: Final = {"0": ZERO, "NaN or infinity": NONFINITE}
"""Values without a place on a logarithmic scale → the fill of their boxes."""
MEANING: Final = {"origin": "where NaN or infinity arises", "reached": "what it reaches"}


def apply_overlays(
    picture: Picture, subjects: dict[str, object], overlays: list[Overlay]
) -> Picture:
    """Return a picture with the readings of some overlays.

    Args:
        picture: the operations.
        subjects: id of a box → the part, tensor or array that it stands for.
        overlays: each adds a line; the first one with a scale gives the colours.
    """
    readings = [_read_overlay(overlay, subjects) for overlay in overlays]
    coloured = next((i for i, o in enumerate(overlays) if o.scale), None)
    scale = None
    if coloured is not None:
        values = [x.value for x in readings[coloured].values() if x.value is not None]
        scale = scale_of(values, overlays[coloured].scale)
    boxes = []
    for box in picture.boxes:
        for place, found in enumerate(readings):
            if box.id in found:
                box = _add_reading(box, found[box.id])
                if place == coloured:
                    box = _fill_box(box, found[box.id], overlays[place], scale)
        boxes.append(box)
    first = _first_origins(picture, readings)
    boxes = [replace(box, first=True) if box.id in first else box for box in boxes]
    marks = {x.mark for found in readings for x in found.values() if x.mark}
    if scale is not None and coloured is not None:
        boxes.append(_scale_legend(f"n{len(boxes)}", overlays[coloured], scale))
    if coloured is not None:
        values = [x.value for x in readings[coloured].values() if x.value is not None]
        looks = {x for x in map(overlays[coloured].off_scale_label, values) if x}
        boxes += [_off_scale_legend(f"n{len(boxes)}", looks)] if looks else []
    if marks:
        boxes.append(_mark_legend(f"n{len(boxes)}", marks))
    said = {box.words for box in boxes if box.role == "legend"}
    for note in dict.fromkeys(note for overlay in overlays for note in overlay.notes):
        if note not in said:
            boxes.append(Box(f"n{len(boxes)}", "legend", (note,)))
    return replace(picture, boxes=boxes)


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
    return Box(name, "scale", (overlay.title, *ends), swatches=CIVIDIS)


def _off_scale_legend(name: str, looks: Container[str]) -> Box:
    """Return the box that explains the fills of values off the scale."""
    shown = [look for look in OUTSIDE_FILLS if look in looks]
    fills = tuple(OUTSIDE_FILLS[look] for look in shown)
    return Box(name, "scale", ("outside of the scale", *shown), swatches=fills)


def _mark_legend(name: str, marks: Container[str]) -> Box:
    """Return the box that explains the marks of the picture."""
    shown = [mark for mark in FILLS if mark in marks]
    words = [MEANING[mark] for mark in shown]
    return Box(name, "scale", ("not finite", *words), swatches=tuple(FILLS[x] for x in shown))
