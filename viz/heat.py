"""Colours for values: cividis, which colour-blind readers see as others do.

Source of the colours: Nuñez, Anderton and Renslow 2018, "Optimizing colormaps with consideration
for color vision deficiency to enable accurate interpretation of scientific data".
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


@dataclass(frozen=True, slots=True)
class Scale:
    """Where values lie between the least and the greatest."""

    low: float
    high: float
    kind: Literal["", "linear", "log"]

    def place(self, value: float) -> float:
        """Return a place between 0 and 1; what a logarithm cannot place is at the end."""
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
    """Return the scale of some values, None if there are none; a linear one begins at 0."""
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
    """Return a colour in white.

    >>> mixed("#0072b2", 1.0), mixed("#0072b2", 0.0)
    ('#0072b2', '#ffffff')
    """
    found = (round(255 + (x - 255) * share) for x in channels(colour))
    return "#" + "".join(f"{x:02x}" for x in found)


def channels(colour: str) -> tuple[int, ...]:
    """Return red, green and blue."""
    return tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
