"""Themes: the same picture on a page that follows its reader, on a light or dark one, on paper.

A theme replaces the colours of the DOT text. There a colour always stands between quotation marks,
which no label can hold without a backslash before them, so that no text is taken for a colour.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Literal

from .contrast import grey
from .style import (
    CHANGED,
    DARK,
    GREEN,
    INK,
    LINE,
    NONFINITE,
    ON_NONFINITE,
    ON_REACHED,
    ON_ZERO,
    ORANGE,
    OUTSIDE,
    PURPLE,
    REACHED,
    VERMILION,
)

Theme = Literal["auto", "light", "dark", "print"]
THEMES: Final = ("auto", "light", "dark", "print")
DARK_PAGE: Final = "#161b22"
GROUND: Final = "bgcolor=transparent"
WEIGHT: Final = re.compile(r'(?<=[ \[]color=")(#[0-9a-f]{6})([0-9a-f]{2})(?=")')
COLOUR: Final = re.compile(r'(?<==")(#[0-9a-f]{6})([0-9a-f]{2})?(?=")')
INKS: Final = frozenset(
    {INK, LINE, OUTSIDE, GREEN, "#0072b2", VERMILION, CHANGED, PURPLE, ORANGE, ON_REACHED, ON_ZERO}
)
MARKS: Final = {NONFINITE: "#000000", ON_NONFINITE: "#ffffff", REACHED: REACHED}
"""NaN and infinity stay black and grey on paper."""


def apply_theme(source: str, theme: Theme) -> str:
    """Return the DOT text in the colours of a theme.

    "auto" keeps it, on the ground of its page. "light" has a white ground, "dark" a dark one.
    "print" is black on white, where borders and shapes alone tell the roles, and a dashed line is a
    negative weight.

    >>> themed('n0 [color="#0072b2" fillcolor="#e5f1f8" label="#0072b2"]', "print")
    'n0 [color="#000000" fillcolor="#ffffff" label="#0072b2"]'
    """
    if theme == "auto":
        return source
    lines = source.split("\n")
    if theme == "light":
        return "\n".join(line.replace(GROUND, "bgcolor=white") for line in lines)
    return "\n".join(map(darken_line if theme == "dark" else remove_colours, lines))


def darken_line(line: str) -> str:
    """Return a line of DOT with each colour as it is on a dark page."""
    line = line.replace(GROUND, f'bgcolor="{DARK_PAGE}"')
    return replace_colours(line, DARK)


def remove_colours(line: str) -> str:
    """Return a line of DOT without colour."""
    weight = WEIGHT.search(line)
    if weight and weight.group(1) == ORANGE and " -> " in line:
        line = line.replace("dir=none", "dir=none style=dashed", 1)
    line = line.replace(GROUND, "bgcolor=white")
    pale = {colour: "#ffffff" for colour in DARK if colour not in INKS}
    known = pale | dict.fromkeys(INKS, "#000000") | {"#d0d7de": "#808080"} | MARKS
    return replace_colours(line, known, grey)


def replace_colours(
    line: str, colours: dict[str, str], other: Callable[[str], str] | None = None
) -> str:
    """Replace the colours of a line; opacity stays. A label that is a colour's name is text."""

    def new(found: re.Match[str]) -> str:
        before = line[: found.start()]
        if re.search(r"(?<![a-z])(label|tooltip|id|class)=\"$", before):
            return found.group()
        colour = found.group(1)
        instead = colours.get(colour, other(colour) if other else colour)
        return instead + (found.group(2) or "")

    return COLOUR.sub(new, line)
