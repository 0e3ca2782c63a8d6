"""The picture of a network as neurons: circles in centred columns, and a line for each weight.

The positions of the neurons are computed, as textbooks place them; the layout program only draws.
Heads stand one above the other, right of what they share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..colours import mix_with_white
from ..errors import PictureError
from ..picture import Arrow, Box, Picture, Point, Role
from ..style import BLUE, ORANGE
from ..texts import clean_text, format_number
from ..wording.language import label_of, say
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
LONGEST_IN_CIRCLE: Final = 8
"""Names of inputs with more letters than this stand beside their circles."""
LONGEST_BESIDE: Final = 28
"""The most letters of a name beside a circle."""
NAME_GAP: Final = 22.0
"""From the middle of a circle to the name beside it."""
NAME_LETTER: Final = 6.6
"""The width of a letter of such a name, in points."""
HEAD_GAP: Final = 0.6
"""The distance between two heads, in rows."""
HEADING_LINE: Final = 15.0
"""The height of a line of a heading."""
Names = Sequence[str] | None
"""What `inputs=` takes."""
Classes = Sequence[str] | Sequence[Sequence[str]] | Mapping[str, Sequence[str]] | None
"""What `classes=` takes: names, or those of each head."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of neurons as drawn.

    Attributes:
        boxes: neuron's number → id of its box.
        bias: the id of the "+1" at its end, if a next layer has a bias.
    """

    boxes: dict[int, str]
    bias: str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column stands, and what it shows.

    Attributes:
        kind: "input", "hidden" or "output".
        size: how many neurons it has.
        layer: that makes its values, None for the inputs.
        following: the layers that take its values.
        head: the number of its head among the outputs, 0 without heads.
        x: of its middle.
        middle: the y of its middle.
        heading: the y of its heading, above it; below it for the lower heads, whose weights
            come from above.
    """

    kind: str
    size: int
    layer: DenseLayer | None
    following: tuple[DenseLayer, ...]
    head: int
    x: float
    middle: float
    heading: float


def name_neurons(network: Network, inputs: Names = None, classes: Classes = None) -> Network:
    """Return a network with these names of inputs and classes.

    Args:
        network: the network.
        inputs: a name for each input.
        classes: a name for each output; for several heads, a list for each, or by their names.

    Raises:
        PictureError: if their number is not that of the inputs or outputs.
    """
    if inputs is not None:
        chosen = _check_names("inputs", inputs, network.sizes[0])
        network = replace(network, input_names=chosen)
    if classes is None:
        return network
    sizes = network.output_sizes
    heads = network.heads or (network.layers,)
    if isinstance(classes, Mapping):
        known = [head[-1].name for head in heads]
        unknown = [name for name in classes if name not in known]
        if unknown or isinstance(classes, str):
            raise PictureError(
                f"classes= names the head {unknown[0]!r:.40}; the heads of the network are "
                f"{', '.join(map(repr, known))}"
            )
        lists: list[Any] = [classes.get(name) for name in known]
    elif network.heads:
        lists = list(classes)
        if len(lists) != len(sizes) or any(isinstance(x, str) for x in lists):
            raise PictureError(
                f"classes= of a network with {len(sizes)} heads is a list of names for each of "
                f"them, or a mapping by their names; got {classes!r:.60}"
            )
    else:
        lists = [classes]
    named = tuple(
        () if names is None else _check_names("classes", names, size)
        for names, size in zip(lists, sizes, strict=True)
    )
    return replace(network, class_names=named)


def _check_names(option: str, names: Any, size: int) -> tuple[str, ...]:
    """Return names as texts.

    Raises:
        PictureError: if they are not one text for each of `size` neurons.
    """
    listed = [names] if isinstance(names, str) or not hasattr(names, "__iter__") else list(names)
    if len(listed) != size or not all(isinstance(name, str) for name in listed):
        noun = "inputs" if option == "inputs" else "outputs"
        raise PictureError(
            f"{option}={names!r:.60}: the network has {size} {noun}; expected a list of {size} "
            "texts, one for each"
        )
    return tuple(listed)


def neuron_picture(
    network: Network, *, title: str | None = None, limit: int | None = 40
) -> Picture:
    """Draw a network of dense layers.

    Args:
        network: its layers.
        title: for screen readers.
        limit: None to draw every neuron of every layer.
    """
    sizes = " → ".join(map(str, [*network.sizes, *_head_sizes(network)]))
    picture = Picture(title or say("Neural network {sizes}", sizes=sizes), "LR")
    most = None if limit is None else min(MOST_NEURONS, limit)
    columns: dict[Place, Column] = {}
    signs: set[str] = set()
    for before, place in _place_columns(network, most):
        column = columns[place] = _add_column(picture, network, place, most)
        made = network.sample if place.layer is None else place.layer.made
        signs |= set() if made is None else {_sign_colour(float(x)) for x in np.ravel(made)}
        if before is not None and place.layer is not None:
            signs |= _add_weights(picture, place.layer, columns[before], column)
    _add_legend(picture, signs)
    return picture


def _head_sizes(network: Network) -> list[str]:
    """Return the sizes of the layers of each head, as one text for all of them."""
    chains = [" → ".join(str(np.shape(x.weight)[1]) for x in head) for head in network.heads]
    return [" | ".join(chains)] if chains else []


def _place_columns(network: Network, most: int | None) -> list[tuple[Place | None, Place]]:
    """Return the columns, each with the one before it, in the order in which they are drawn."""
    sizes = list(network.sizes)
    every = [*sizes, *(np.shape(x.weight)[1] for head in network.heads for x in head)]
    tallest = max(_count_rows(size, most) for size in every)
    width = COLUMN_WIDTH + COLUMN_PER_ROW * tallest
    bands = [max(_count_rows(np.shape(x.weight)[1], most) for x in head) for head in network.heads]
    room = [
        rows + 1.5 + any(x.bias is not None for x in head[1:])
        for rows, head in zip(bands, network.heads, strict=True)
    ]
    whole = sum(room) + HEAD_GAP * max(len(room) - 1, 0)
    shared = max(_count_rows(size, most) for size in sizes)
    top = (shared / 2 + 0.5) * ROW_HEIGHT
    found: list[tuple[Place | None, Place]] = []
    last: Place | None = None
    firsts = tuple(head[0] for head in network.heads)
    for number, size in enumerate(sizes):
        ends = number == len(network.layers)
        kind = "input" if not number else "output" if ends and not firsts else "hidden"
        following = firsts if ends else (network.layers[number],)
        layer = network.layers[number - 1] if number else None
        place = Place(kind, size, layer, following, 0, number * width, 0.0, top)
        found.append((last, place))
        last = place
    start, edge = last, whole / 2
    for number, head in enumerate(network.heads):
        height = bands[number]
        below = edge - room[number] / 2 < 0
        biased = any(x.bias is not None for x in head[1:])
        middle = (edge - height / 2 - (0 if below else 1)) * ROW_HEIGHT
        outside = -height / 2 - 0.5 - biased if below else height / 2 + 0.5
        last = start
        for depth, layer in enumerate(head):
            ends = depth + 1 == len(head)
            place = Place(
                "output" if ends else "hidden",
                int(np.shape(layer.weight)[1]),
                layer,
                () if ends else (head[depth + 1],),
                number,
                (len(sizes) + depth) * width,
                middle,
                middle + outside * ROW_HEIGHT,
            )
            found.append((last, place))
            last = place
        edge -= room[number] + HEAD_GAP
    return found


def _count_rows(size: int, most: int | None) -> int:
    """Count the rows of a column of this size."""
    return len(_shown_neurons(size, most))


def _shown_neurons(size: int, most: int | None) -> list[int | None]:
    """Return the neurons that are shown, with None where the three dots stand."""
    if most is None or size <= most:
        return list(range(size))
    ends = min(SHOWN_AT_ENDS, max((most - 1) // 2, 1))
    return [*range(ends), None, *range(size - ends, size)]


def _add_column(picture: Picture, network: Network, place: Place, most: int | None) -> Column:
    """Add the heading, the neurons with their names, and the bias node of one column."""
    heading = _column_heading(place)
    lift = (len(heading) - 1) * HEADING_LINE / 2
    lift = lift if place.heading > place.middle else -lift
    _add_box(picture, "heading", heading, (place.x, place.heading + lift))
    shown = _shown_neurons(place.size, most)
    values = network.sample if place.layer is None else place.layer.made
    names = _names_beside(network, place)
    boxes: dict[int, str] = {}
    y = place.middle + (len(shown) - 1) / 2 * ROW_HEIGHT
    for neuron in shown:
        if neuron is None:
            for shift in (DOT_GAP, 0.0, -DOT_GAP):  # as a glyph, ⋮ is missing from many fonts
                _add_box(picture, "dot", (), (place.x, y + shift * ROW_HEIGHT))
        else:
            role, label = _role_and_label(network, place, neuron)
            lines = (label,) if label else ()
            boxes[neuron] = _add_box(
                picture, role, lines, (place.x, y), _bias_text(place.layer, neuron)
            )
            if values is not None:
                _fill_neuron(picture, np.ravel(values), neuron, label)
            if names:
                _add_name(picture, names, neuron, place, y)
        y -= ROW_HEIGHT
    if all(layer.bias is None for layer in place.following):
        return Column(boxes, None)
    bias = _add_box(picture, "bias", ("+1",), (place.x, y), say("bias: always 1"))
    return Column(boxes, bias)


def _names_beside(network: Network, place: Place) -> tuple[str, ...]:
    """Return the names that stand beside the circles of a column; none if they fit inside."""
    if place.kind == "input":
        names = tuple(clean_text(label_of(x), LONGEST_BESIDE, 1) for x in network.input_names)
        return names if any(len(x) > LONGEST_IN_CIRCLE for x in names) else ()
    if place.kind != "output" or place.head >= len(network.class_names):
        return ()
    chosen = network.class_names[place.head]
    return tuple(clean_text(label_of(x), LONGEST_BESIDE, 1) for x in chosen)


def _add_name(
    picture: Picture, names: tuple[str, ...], neuron: int, place: Place, y: float
) -> None:
    """Write the name of a neuron beside its circle: left of an input, right of an output."""
    if neuron >= len(names):
        return
    width = max(map(len, names)) * NAME_LETTER
    side = -1 if place.kind == "input" else 1
    role: Role = "input_name" if place.kind == "input" else "class_name"
    x = place.x + side * (NAME_GAP + width / 2)
    box = Box(picture.next_id(), role, (names[neuron],), position=(x, y), width=width)
    picture.boxes.append(box)


def _add_box(
    picture: Picture, role: Role, lines: tuple[str, ...], position: Point, tooltip: str = ""
) -> str:
    """Add a box at a position and return its id."""
    box = Box(picture.next_id(), role, lines, tooltip=tooltip, position=position)
    picture.boxes.append(box)
    return box.id


def _column_heading(place: Place) -> tuple[str, ...]:
    """Return the lines above a column: its name, if it has one; its kind, size and activation."""
    what = say(f"{place.kind} {{size}}", size=place.size)
    if place.layer is None:
        return (what,)
    activation = label_of(place.layer.activation)
    named = (clean_text(label_of(place.layer.name), lines=1),) if place.layer.name else ()
    return (*named, f"{what} · {activation}" if activation else what)


def _role_and_label(network: Network, place: Place, neuron: int) -> tuple[Role, str]:
    """Return the role and the label of a neuron."""
    subscript = str(neuron + 1).translate(SUBSCRIPTS) if place.size > 1 else ""
    if place.kind == "input":
        names = network.input_names
        inside = neuron < len(names) and not _names_beside(network, place)
        label = label_of(names[neuron]) if inside else label_of(f"x{subscript}")
        return "feature", clean_text(label, LONGEST_IN_CIRCLE, 1)
    if place.kind == "output":
        return "prediction", clean_text(label_of(f"ŷ{subscript}"), LONGEST_IN_CIRCLE, 1)
    return "neuron", ""


def _fill_neuron(picture: Picture, values: np.ndarray, neuron: int, name: str) -> None:
    """Write the value of the last box into it, and colour it by sign and size in its column."""
    value, box = float(values[neuron]), picture.boxes[-1]
    number = format_number(value)
    sizes = np.abs(values[np.isfinite(values)])
    size = abs(value) / (sizes.max(initial=0.0) or 1.0) if np.isfinite(value) else 1.0
    lines = (
        f"{name} = {number}" if name else say("value {value}", value=number),
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


def _bias_text(layer: DenseLayer | None, neuron: int) -> str:
    """Write the bias of a neuron."""
    if layer is None:
        return ""
    if layer.bias is None:
        return say("no bias")
    return say("bias {value}", value=format_number(layer.bias[neuron]))


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
            tooltip=say("weight {value}", value=format_number(value)),
            colour=f"{colour}{opacity:02x}",
            width=0.5 + 1.9 * size,
        )
    )
    return colour


def _add_legend(picture: Picture, colours: set[str]) -> None:
    """Explain the colours that occur, in one row below the neurons."""
    placed = [box.position for box in picture.boxes if box.position]
    bottom = min(y for _, y in placed) - ROW_HEIGHT
    ends = [x for box, (x, _) in zip(picture.boxes, placed, strict=True) if not box.width]
    filled = any(box.fill for box in picture.boxes)  # values have the colours of weights too
    known = (
        (BLUE, say("positive") if filled else say("positive weight")),
        (ORANGE, say("negative") if filled else say("negative weight")),
        (BLACK, say("NaN or infinite")),
    )
    entries = [(colour, words) for colour, words in known if colour in colours]
    x = (min(ends) + max(ends)) / 2 - 130 * (len(entries) - 1) / 2
    for colour, words in entries:
        left, right = (_add_box(picture, "anchor", (), (x + side, bottom)) for side in (-60, -40))
        picture.arrows.append(Arrow(left, right, colour=f"{colour}ff", width=2.4))
        _add_box(picture, "legend", (words,), (x + 8, bottom))
        x += 130
