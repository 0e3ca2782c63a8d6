"""The view of a network as neurons: circles in columns, weights as coloured lines.

The positions are computed, as textbooks place them; the layout program only draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from ..colours import mix_with_white
from ..picture import Arrow, Box, Picture, Point, Role
from ..style import BLUE, ORANGE
from ..texts import format_number
from .mlp import DenseLayer, Network

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array

MOST_NEURONS: Final = 16
"""If a column has more neurons than this, only those at its ends are shown."""
SHOWN_AT_ENDS: Final = 6
"""This many neurons are shown at each end of such a column."""
ROW_HEIGHT: Final = 40.0
COLUMN_WIDTH: Final = 120.0
"""The distance between columns; each row of the tallest column adds `COLUMN_PER_ROW` to it."""
COLUMN_PER_ROW: Final = 5.0
DOT_GAP: Final = 0.22
"""The distance between the three dots, in rows."""
BLACK: Final = "#000000"
SUBSCRIPTS: Final = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of neurons as drawn.

    Attributes:
        boxes: neuron's number → id of its box.
        bias: the id of the "+1" at its end, if the next layer has a bias.
    """

    boxes: dict[int, str]
    bias: str | None


def neuron_picture(
    network: Network, *, title: str | None = None, limit: int | None = 40
) -> Picture:
    """Draw a network of dense layers.

    Args:
        network: its layers.
        title: for screen readers.
        limit: None to draw every neuron of every layer.
    """
    sizes = " → ".join(map(str, network.sizes))
    picture = Picture(title or f"Neural network {sizes}", "LR")
    most = None if limit is None else min(MOST_NEURONS, limit)
    tallest = max(len(_shown_neurons(size, most)) for size in network.sizes)
    top = tallest / 2 * ROW_HEIGHT + 0.5 * ROW_HEIGHT
    width = COLUMN_WIDTH + COLUMN_PER_ROW * tallest
    columns = [
        _add_column(picture, network, place, most, (place * width, top))
        for place in range(len(network.sizes))
    ]
    signs = {colour for one in range(len(columns)) for colour in _value_colours(network, one)}
    for layer, before, after in zip(network.layers, columns, columns[1:], strict=False):
        signs |= _add_weights(picture, layer, before, after)
    bottom = min(box.position[1] for box in picture.boxes if box.position) - ROW_HEIGHT
    _add_legend(picture, signs, (width * (len(columns) - 1) / 2, bottom))
    return picture


def _shown_neurons(size: int, most: int | None) -> list[int | None]:
    """Return the neurons that are shown, with None where the three dots stand."""
    if most is None or size <= most:
        return list(range(size))
    ends = min(SHOWN_AT_ENDS, max((most - 1) // 2, 1))
    return [*range(ends), None, *range(size - ends, size)]


def _add_column(
    picture: Picture, network: Network, place: int, most: int | None, head: Point
) -> Column:
    """Add the heading, the neurons and the bias node of one column."""
    size = network.sizes[place]
    x = head[0]
    layer = network.layers[place - 1] if place else None
    _add_box(picture, "heading", _column_heading(network, place), head)
    shown = _shown_neurons(size, most)
    boxes: dict[int, str] = {}
    y = (len(shown) - 1) / 2 * ROW_HEIGHT
    for neuron in shown:
        if neuron is None:
            for shift in (DOT_GAP, 0.0, -DOT_GAP):  # as a glyph, ⋮ is missing from many fonts
                _add_box(picture, "dot", "", (x, y + shift * ROW_HEIGHT))
        else:
            role, label = _role_and_label(network, place, neuron)
            boxes[neuron] = _add_box(picture, role, label, (x, y), _bias_text(layer, neuron))
            values = network.values(place)
            if values is not None:
                _fill_neuron(picture, np.ravel(values), neuron, label)
        y -= ROW_HEIGHT
    following = network.layers[place] if place < len(network.layers) else None
    if following is None or following.bias is None:
        return Column(boxes, None)
    return Column(boxes, _add_box(picture, "bias", "+1", (x, y), "bias: always 1"))


def _add_box(picture: Picture, role: Role, label: str, position: Point, tooltip: str = "") -> str:
    """Add a box at a position and return its id."""
    lines = (label,) if label else ()
    box = Box(picture.next_id(), role, lines, tooltip=tooltip, position=position)
    picture.boxes.append(box)
    return box.id


def _fill_neuron(picture: Picture, values: np.ndarray, neuron: int, name: str) -> None:
    """Write the value of the last box into it, and colour it by sign and size in its column."""
    value, box = float(values[neuron]), picture.boxes[-1]
    sizes = np.abs(values[np.isfinite(values)])
    size = abs(value) / (sizes.max(initial=0.0) or 1.0) if np.isfinite(value) else 1.0
    lines = (
        f"{name} = {format_number(value)}" if name else f"value {format_number(value)}",
        box.tooltip,
    )
    picture.boxes[-1] = replace(
        box,
        lines=(_format_short(value),),
        tooltip="\n".join(filter(None, lines)),
        fill=mix_with_white(_sign_colour(value), 0.06 + 0.74 * size)
        if np.isfinite(value)
        else BLACK,
    )


def _format_short(value: float) -> str:
    """Write a number in so few letters that it fits into a circle."""
    if not np.isfinite(value) or abs(value) >= 1e4:
        return (
            format_number(value) if not np.isfinite(value) else f"{value:.0e}".replace("e+0", "e")
        )
    whole = len(str(int(abs(value))))
    return format_number(float(f"{value:.{max(0, 2 - whole) + (abs(value) < 1)}f}"))


def _sign_colour(value: float) -> str:
    """Return the colour for the sign of a number."""
    return (ORANGE if value < 0 else BLUE) if np.isfinite(value) else BLACK


def _value_colours(network: Network, place: int) -> set[str]:
    """Return the colours of the values of a column."""
    values = network.values(place)
    return set() if values is None else {_sign_colour(float(x)) for x in np.ravel(values)}


def _column_heading(network: Network, place: int) -> str:
    """Return the words above a column: its kind, its true size, its activation."""
    if place == 0:
        return f"input {network.sizes[0]}"
    kind = "output" if place == len(network.layers) else "hidden"
    activation = network.layers[place - 1].activation
    return f"{kind} {network.sizes[place]}" + (f" · {activation}" if activation else "")


def _role_and_label(network: Network, place: int, neuron: int) -> tuple[Role, str]:
    """Return the role and the label of a neuron."""
    several = network.sizes[place] > 1
    subscript = str(neuron + 1).translate(SUBSCRIPTS) if several else ""
    if place == 0:
        names = network.input_names
        return "feature", names[neuron] if neuron < len(names) else f"x{subscript}"
    if place == len(network.layers):
        return "prediction", f"ŷ{subscript}"
    return "neuron", ""


def _bias_text(layer: DenseLayer | None, neuron: int) -> str:
    """Write the bias of a neuron."""
    if layer is None:
        return ""
    return "no bias" if layer.bias is None else f"bias {format_number(layer.bias[neuron])}"


def _add_weights(picture: Picture, layer: DenseLayer, before: Column, after: Column) -> set[str]:
    """Add the lines of one layer; return the colours that occur."""
    biases = () if layer.bias is None else np.ravel(layer.bias)
    finite = [abs(w) for w in chain(np.ravel(layer.weight), biases) if np.isfinite(w)]
    largest = float(max(finite, default=0.0)) or 1.0
    colours = set()
    for j, head in after.boxes.items():
        for i, tail in before.boxes.items():
            colours.add(_add_weight(picture, tail, head, layer.weight[i, j], largest))
        if before.bias is not None and layer.bias is not None:
            colours.add(_add_weight(picture, before.bias, head, layer.bias[j], largest))
    return colours


def _add_weight(picture: Picture, tail: str, head: str, weight: Array, largest: float) -> str:
    """Add one line, as wide and as opaque as its weight is large; return its colour."""
    value = float(weight)
    size = abs(value) / largest if np.isfinite(value) else 1.0
    colour = _sign_colour(value)
    opacity = round(255 * (0.12 + 0.83 * size))
    picture.arrows.append(
        Arrow(
            tail,
            head,
            tooltip=f"weight {format_number(value)}",
            colour=f"{colour}{opacity:02x}",
            width=0.5 + 1.9 * size,
        )
    )
    return colour


def _add_legend(picture: Picture, colours: set[str], centre: Point) -> None:
    """Explain the colours that occur, in one row."""
    of = "" if any(box.fill for box in picture.boxes) else " weight"  # values have them too
    known = ((BLUE, f"positive{of}"), (ORANGE, f"negative{of}"), (BLACK, "NaN or infinite"))
    entries = [(colour, words) for colour, words in known if colour in colours]
    x = centre[0] - 130 * (len(entries) - 1) / 2
    for colour, words in entries:
        left, right = (
            _add_box(picture, "anchor", "", (x + side, centre[1])) for side in (-60, -40)
        )
        picture.arrows.append(Arrow(left, right, colour=f"{colour}ff", width=2.4))
        _add_box(picture, "legend", words, (x + 8, centre[1]))
        x += 130
