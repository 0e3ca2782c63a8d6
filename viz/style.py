"""Style: what each role looks like, and the themes.

Colour, shape and border together tell a role, so that no meaning depends on colour alone. The
colours are those of Okabe and Ito, which colour-blind readers can tell apart.

Everything is drawn in the colours of the light theme first; a theme then replaces the colours in
the DOT text, and `DARK` maps each colour to the one on a dark page. In DOT text a colour always
stands between quotation marks. A label cannot contain a quotation mark without a backslash before
it, so no label is mistaken for a colour.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from .colours import grey
from .picture import Change, Role

FONT: Final = "Helvetica"
"""The font whose metrics the layout program knows; SVG gets the whole `FONT_FAMILY`."""
FONT_FAMILY: Final = "Helvetica, Arial, 'Liberation Sans', sans-serif"

GREEN: Final = "#009e73"
BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
ORANGE: Final = "#e69f00"
PURPLE: Final = "#9c3f73"  # the palette's #CC79A7, darkened until text in it is readable
INK: Final = "#1f2328"
LINE: Final = "#57606a"
OUTSIDE: Final = "#59636e"
"""Texts outside of boxes: contrast 6.1 : 1 on white, 4.9 : 1 on the innermost tint of scopes."""
CHANGED: Final = "#a84a00"  # vermilion, darkened until text in it is readable
RULE: Final = "#d0d7de"
WHITE: Final = "#ffffff"
PALE: Final = "#f3f4f6"

NONFINITE: Final = "#000000"
ON_NONFINITE: Final = "#fffffe"
"""The origin of NaN or infinity, and the text on it: the strongest contrast on either page."""
REACHED: Final = "#c8c8c8"
ON_REACHED: Final = "#20242a"
"""Boxes that NaN or infinity reaches, and their text: fainter than its origin, on either page."""

ZERO: Final = "#fbfcfe"
ON_ZERO: Final = "#20242b"
"""A gradient of 0, which has no place on a logarithmic scale: it looks like the page."""

DARK: Final[dict[str, str]] = {
    INK: "#e6edf3",
    LINE: "#adbac7",
    OUTSIDE: "#acb9c6",
    CHANGED: "#f0843c",
    RULE: "#444c56",
    "#afb8c1": "#57606b",
    "#8c959f": "#768390",
    GREEN: "#2fc79c",
    BLUE: "#56b4e9",
    VERMILION: "#f0843c",
    PURPLE: "#e3a3c6",
    WHITE: "#22272e",
    PALE: "#2d333b",
    "#e6f5f0": "#0d3a2f",
    "#e5f1f8": "#0c3046",
    "#fcefe6": "#47230b",
    "#f8eef3": "#3d2131",
    NONFINITE: "#ffffff",
    ON_NONFINITE: "#000001",
    REACHED: "#4b535d",
    ON_REACHED: "#e6edf2",
    ZERO: "#0d1118",
    ON_ZERO: "#e6edf4",
}
"""Colour on a light page → colour on a dark one."""


def _role_attributes(
    shape: str, edge: str, fill: str, style: str = "filled", **more: str
) -> dict[str, str]:
    """Return the Graphviz attributes of a role."""
    return {"shape": shape, "color": edge, "fillcolor": fill, "style": style, **more}


def _neuron_attributes(edge: str, fill: str, style: str = "filled", **more: str) -> dict[str, str]:
    """Return the Graphviz attributes of a neuron; all neurons have one size."""
    size = {"fixedsize": "true", "width": "0.4", "fontsize": "11", "margin": "0"}
    return _role_attributes("circle", edge, fill, style, **size, **more)


PORT: Final = {
    "shape": "point",
    "color": "transparent",
    "fillcolor": "transparent",
    "width": "0.01",
}
BOX: Final[dict[Role, dict[str, str]]] = {
    "input": _role_attributes("box", GREEN, "#e6f5f0", penwidth="2.5"),
    "parameter": _role_attributes("box", BLUE, "#e5f1f8", "rounded,filled", penwidth="1.5"),
    "operation": _role_attributes(
        "box", LINE, WHITE, fontsize="14", height="0.36", margin="0.1,0.04"
    ),
    "gradient": _role_attributes(
        "box",
        PURPLE,
        WHITE,
        "filled,dashed",
        fontsize="14",
        height="0.36",
        margin="0.1,0.04",
        penwidth="1.3",
    ),
    "update": _role_attributes(
        "box", BLUE, WHITE, fontsize="14", height="0.36", margin="0.1,0.04", penwidth="1.3"
    ),
    "updated": _role_attributes(
        "box", BLUE, "#e5f1f8", "rounded,filled", penwidth="1.2", peripheries="2"
    ),
    "scope": _role_attributes("box3d", LINE, WHITE, margin="0.2,0.1"),
    "gradient_value": _role_attributes(
        "box", PURPLE, "#f8eef3", "rounded,filled,dashed", penwidth="1.3"
    ),
    "gradient_scope": _role_attributes("box3d", PURPLE, WHITE, "filled,dashed", margin="0.2,0.1"),
    "update_scope": _role_attributes("box3d", BLUE, WHITE, margin="0.2,0.1"),
    "output": _role_attributes("box", VERMILION, "#fcefe6", peripheries="2", penwidth="1.2"),
    "failed": _role_attributes(
        "box", VERMILION, "#fcefe6", fontsize="14", height="0.36", margin="0.1,0.04", penwidth="2.5"
    ),
    "error": {"shape": "plain", "fontcolor": CHANGED},
    "scalar_operation": _role_attributes(
        "ellipse", LINE, WHITE, height="0.36", width="0.36", margin="0.03,0.02"
    ),
    "tensor": _role_attributes("box", LINE, PALE),
    "earlier": _role_attributes("box", OUTSIDE, WHITE, "rounded,filled,dashed", fontcolor=OUTSIDE),
    "feature": _neuron_attributes(GREEN, "#e6f5f0", penwidth="2.2"),
    "neuron": _neuron_attributes(LINE, WHITE),
    "prediction": _neuron_attributes(VERMILION, "#fcefe6", peripheries="2"),
    "bias": _neuron_attributes(LINE, PALE, "filled,dashed"),
    "dot": _neuron_attributes(OUTSIDE, OUTSIDE) | {"width": "0.055", "height": "0.055"},
    "heading": {"shape": "plain", "fontcolor": OUTSIDE, "fontsize": "13"},
    "input_name": {"shape": "plain", "fontcolor": OUTSIDE, "fontsize": "12"},
    "class_name": {"shape": "plain", "fontcolor": OUTSIDE, "fontsize": "12"},
    "legend": {"shape": "plain", "fontcolor": OUTSIDE, "fontsize": "11"},
    "scale": {"shape": "plain", "fontcolor": OUTSIDE, "fontsize": "11"},
    "anchor": {"shape": "point", "style": "invis", "width": "0.01"},
    "entry": PORT,
    "exit": PORT,
}
"""Graphviz attributes of each role's box."""

NODE: Final = {
    "fontname": FONT,
    "fontsize": "12",
    "fontcolor": INK,
    "margin": "0.13,0.06",
    "height": "0.3",
    "width": "0.42",
}
EDGE: Final = {
    "fontname": FONT,
    "fontsize": "10",
    "fontcolor": OUTSIDE,
    "color": OUTSIDE,
    "arrowsize": "0.6",
}
GRAPH: Final = {
    "bgcolor": "transparent",
    "fontname": FONT,
    "nodesep": "0.25",
    "ranksep": "0.4",
    "newrank": "true",
    "pad": "0.1",
    "outputorder": "edgesfirst",
}
MOST_TINTS: Final = 3
"""Deeper scopes are not tinted any darker, so that the texts in them stay readable."""
CLUSTER: Final = {
    "style": "rounded,filled",
    "color": "#6e778166",
    "fillcolor": "#6e778114",
    "fontcolor": OUTSIDE,
    "fontsize": "11",
    "labeljust": "l",
    "labelloc": "t",
    "margin": "10",
}


CHANGES: Final[dict[Change, str]] = {
    "same": LINE,
    "changed": BLUE,
    "new": GREEN,
    "gone": VERMILION,
}
"""How a thing of two graphs compares → its colour."""
CHANGED_BOX: Final[dict[Change, dict[str, str]]] = {
    "same": {"color": "#afb8c1", "fillcolor": WHITE, "fontcolor": OUTSIDE, "penwidth": "1"},
    "changed": {"color": BLUE, "fillcolor": "#e5f1f8", "penwidth": "1.3", "peripheries": "2"},
    "new": {"color": GREEN, "fillcolor": "#e6f5f0", "penwidth": "3"},
    "gone": {"color": VERMILION, "fillcolor": "#fcefe6", "penwidth": "1.5"},
}
"""What it changes in the look of a box; what is gone is dashed, too."""
CHANGED_ARROW: Final[dict[Change, dict[str, str]]] = {
    "same": {"color": "#8c959f"},
    "changed": {"color": BLUE, "penwidth": "1.5"},
    "new": {"color": GREEN, "penwidth": "2.5"},
    "gone": {"color": VERMILION, "penwidth": "1.5", "style": "dashed"},
}


ThemeName = Literal["auto", "light", "dark", "print"]
THEMES: Final = ("auto", "light", "dark", "print")
DARK_PAGE: Final = "#161b22"
GROUND: Final = "bgcolor=transparent"
WEIGHT: Final = re.compile(r'(?<=[ \[]color=")(#[0-9a-f]{6})([0-9a-f]{2})(?=")')
COLOUR: Final = re.compile(r'(?<==")(#[0-9a-f]{6})([0-9a-f]{2})?(?=")')
INKS: Final = frozenset(
    {INK, LINE, OUTSIDE, GREEN, "#0072b2", VERMILION, CHANGED, PURPLE, ORANGE, ON_REACHED, ON_ZERO}
)
GREYS: Final = frozenset({RULE, "#afb8c1", "#8c959f"})
"""Lines that stay grey on paper."""
MARKS: Final = {NONFINITE: "#000000", ON_NONFINITE: "#ffffff", REACHED: REACHED}
"""NaN and infinity stay black and grey on paper."""


def apply_theme(source: str, theme: ThemeName) -> str:
    """Return the DOT text in the colours of a theme of the library.

    "auto" keeps it, on the ground of its page. "light" has a white ground, "dark" a dark one.
    "print" is black on white: borders and shapes alone show the roles, and a dashed line is a
    negative weight.

    >>> apply_theme('n0 [color="#0072b2" fillcolor="#e5f1f8" label="#0072b2"]', "print")
    'n0 [color="#000000" fillcolor="#ffffff" label="#0072b2"]'
    """
    if theme == "auto":
        return source
    lines = source.split("\n")
    if theme == "light":
        return "\n".join(line.replace(GROUND, "bgcolor=white") for line in lines)
    return "\n".join(map(_darken_line if theme == "dark" else _remove_colours, lines))


def _darken_line(line: str) -> str:
    """Return a line of DOT in the colours of a dark page."""
    line = line.replace(GROUND, f'bgcolor="{DARK_PAGE}"')
    return replace_colours(line, DARK)


def _remove_colours(line: str) -> str:
    """Return a line of DOT in black, white and grey."""
    weight = WEIGHT.search(line)
    if weight and weight.group(1) == ORANGE and " -> " in line:
        line = line.replace("dir=none", "dir=none style=dashed", 1)
    line = line.replace(GROUND, "bgcolor=white")
    pale = {colour: "#ffffff" for colour in DARK if colour not in INKS}
    known = pale | dict.fromkeys(INKS, "#000000") | dict.fromkeys(GREYS, "#808080") | MARKS
    return replace_colours(line, known, grey)


def replace_colours(
    line: str, colours: dict[str, str], other: Callable[[str], str] | None = None
) -> str:
    """Replace the colours of a line and keep their opacity.

    A label may be the text of a colour, as "#0072b2"; it is not replaced.
    """

    def new(found: re.Match[str]) -> str:
        before = line[: found.start()]
        if re.search(r"(?<![a-z])(label|tooltip|id|class)=\"$", before):
            return found.group()
        colour = found.group(1)
        instead = colours.get(colour, other(colour) if other else colour)
        return instead + (found.group(2) or "")

    return COLOUR.sub(new, line)
