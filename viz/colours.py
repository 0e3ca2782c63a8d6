"""Colours: the scale for values, and the contrast of two colours.

The scale is cividis, which colour-blind readers see as others do. Source: Nuñez, Anderton and
Renslow 2018, "Optimizing colormaps with consideration for color vision deficiency to enable
accurate interpretation of scientific data".

The contrast is that of WCAG 2, from 1 to 21. Source: Web Content Accessibility Guidelines 2.2,
"relative luminance" and "contrast ratio".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite, log
from typing import Final, Literal

CIVIDIS: Final = (
    "#00224e", "#123570", "#3b496c", "#575d6d", "#707173",
    "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838",
)  # fmt: skip
"""At equal distances, from low to high."""
ENOUGH_CONTRAST: Final = 4.6
"""The contrast that a text needs: a little over the 4.5 of level AA, since colours are rounded."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale of colours from the smallest to the largest value."""

    low: float
    high: float
    kind: Literal["", "linear", "log"]

    def place(self, value: float) -> float:
        """Return the place of a value between 0 and 1; 0, NaN and infinity are put at an end."""
        if self.kind == "log":
            if value <= 0:
                return 0.0
            if not isfinite(value):
                return 1.0
            span = log(self.high) - log(self.low)
            return (log(value) - log(self.low)) / span if span else 1.0
        span = self.high - self.low
        return (value - self.low) / span if span and isfinite(value) else 1.0

    def colour(self, value: float) -> str:
        """Return the colour of a value."""
        return cividis(self.place(value))


def scale_of(values: Iterable[float], kind: Literal["", "linear", "log"]) -> Scale | None:
    """Return the scale of some values, None if there are none; a linear scale begins at 0."""
    known = [x for x in values if isfinite(x) and (kind == "linear" or x > 0)]
    if not kind or not known:
        return None
    return Scale(min(known) if kind == "log" else 0.0, max(known), kind)


def cividis(place: float) -> str:
    """Return the colour at a place between 0 and 1.

    >>> cividis(0.0), cividis(1.0)
    ('#00224e', '#fee838')
    """
    at = min(max(place, 0.0), 1.0) * (len(CIVIDIS) - 1)
    below = min(int(at), len(CIVIDIS) - 2)
    pairs = zip(channels(CIVIDIS[below]), channels(CIVIDIS[below + 1]), strict=True)
    mixed = [round(a + (b - a) * (at - below)) for a, b in pairs]
    return "#" + "".join(f"{x:02x}" for x in mixed)


def mix_with_white(colour: str, share: float) -> str:
    """Mix a colour with white; `share` is the share of the colour.

    >>> mix_with_white("#0072b2", 1.0), mix_with_white("#0072b2", 0.0)
    ('#0072b2', '#ffffff')
    """
    found = (round(255 + (x - 255) * share) for x in channels(colour))
    return "#" + "".join(f"{x:02x}" for x in found)


def channels(colour: str) -> tuple[int, ...]:
    """Return red, green and blue."""
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, from 0 to 1.

    >>> luminance("#000000"), luminance("#ffffff")
    (0.0, 1.0)
    """
    parts = (x / 255 for x in channels(colour))
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21.

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def grey(colour: str) -> str:
    """Return the grey of the same luminance, so that texts on it stay as readable.

    >>> grey("#0072b2")
    '#6d6d6d'
    """
    light = luminance(colour)
    value = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
    return "#" + f"{round(255 * value):02x}" * 3
