"""How well one colour is read on another: the contrast of WCAG 2, from 1 to 21.

Source: Web Content Accessibility Guidelines 2.2, "relative luminance" and "contrast ratio".
"""

from __future__ import annotations

from typing import Final

from .heat import channels

ENOUGH: Final = 4.6
"""What a text needs, a little more than the 4.5 of level AA, so that rounded colours do too."""


def luminance(colour: str) -> float:
    """Return how light a colour is, from 0 to 1.

    >>> luminance("#000000"), luminance("#ffffff")
    (0.0, 1.0)
    """
    parts = (x / 255 for x in channels(colour))
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours.

    >>> round(contrast("#000000", "#ffffff"))
    21
    """
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def grey(colour: str) -> str:
    """Return the grey that is as light as a colour, so that texts on it are read as well.

    >>> grey("#0072b2")
    '#6d6d6d'
    """
    light = luminance(colour)
    value = 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
    return "#" + f"{round(255 * value):02x}" * 3
