"""Themes of your own: the colours of a lecture's slides, and their font.

A theme is checked when it is made. Each text must be readable on what lies beneath it, and each
border must be seen on the ground; if not, the error names both colours, their contrast and the
nearest colour that is enough. The thresholds are those of WCAG 2.2, level AA: 4.5 for texts
(1.4.3), 3 for borders (1.4.11).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from .colours import channels, contrast, luminance
from .errors import PictureError
from .style import (
    BLUE,
    CHANGED,
    DARK,
    FONT,
    FONT_FAMILY,
    GREEN,
    GROUND,
    INK,
    LINE,
    MOST_TINTS,
    ORANGE,
    OUTSIDE,
    PALE,
    PURPLE,
    RULE,
    VERMILION,
    WEIGHT,
    WHITE,
    replace_colours,
)

LEAST_TEXT: Final = 4.5
LEAST_BORDER: Final = 3.0
TINT: Final = 0.09
"""The share of a role's colour in the fill of its boxes, if the theme does not say the fill."""
SCOPE_TINT: Final = ("#6e7781", 0x14 / 255)
"""The colour that open scopes lay over what is beneath, and how much of it."""
MIDDLE: Final = 0.18
"""A ground of less luminance than this is dark."""
HEX: Final = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)
MEASURED: Final = ("helvetica", "arial", "times", "courier", "dejavu sans")
"""Fonts whose letters the layout program can measure."""
WIDE: Final = "DejaVu Sans"
"""The measures for other fonts: few are wider, so texts fit into their boxes."""
FAMILY: Final = re.compile(r"[\w ,'\-]+")


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours and the font of a picture. What is left out suits the ground.

    Colours are hexadecimal: "#1b4332". The fill of a role is a tint of its colour.

    Attributes:
        ground: of the picture.
        text: of the labels.
        quiet: of what stands outside of boxes: arrows, headings, captions, legends.
        line: the borders of operations.
        box: the fill of operations.
        data: inputs.
        parameter: what is trained, and what an optimizer does.
        result: outputs, and operations that failed.
        gradient: what belongs to the backward pass.
        font: a family, or several as in CSS: "Georgia, serif". It is asked for in SVG, and must be
            installed where the picture is read. A PNG has the fonts of the layout program.

    Raises:
        PictureError: for a value that is not a colour, and where a contrast is too small.

    >>> Theme(ground="#fffdf5", parameter="#7a1f5c").data
    '#009e73'
    >>> Theme(ground="#ffffff", text="#999999")
    Traceback (most recent call last):
    viz.errors.PictureError: theme: text='#999999' on box='#ffffff' has a contrast of 2.8, ...
    """

    ground: str = WHITE
    text: str = ""
    quiet: str = ""
    line: str = ""
    box: str = ""
    data: str = ""
    parameter: str = ""
    result: str = ""
    gradient: str = ""
    font: str = ""

    def __post_init__(self) -> None:
        """Fill in what is left out, and check everything."""
        object.__setattr__(self, "ground", _read_colour("ground", self.ground))
        if not isinstance(self.font, str) or (self.font and not FAMILY.fullmatch(self.font)):
            raise PictureError(
                f"theme: font={self.font!r:.60} is not a family of fonts; expected letters and "
                'commas, as "Georgia, serif"'
            )
        given = {name: getattr(self, name) for name in USUAL}
        for name, usual in USUAL.items():
            colour = given[name]
            colour = _read_colour(name, colour) if colour else DARK[usual] if self.dark else usual
            object.__setattr__(self, name, colour)
        for name in USUAL:
            for where, beneath, least in self._needs(name):
                if given[name]:
                    self._check(name, where, beneath, least)
                else:
                    suited = _nearest_readable(getattr(self, name), beneath, least)
                    object.__setattr__(self, name, suited)

    @property
    def dark(self) -> bool:
        """Whether the ground is dark."""
        return luminance(self.ground) < MIDDLE

    @property
    def family(self) -> str:
        """The families of fonts for an SVG."""
        return f"{self.font}, {FONT_FAMILY}" if self.font else FONT_FAMILY

    @property
    def colours(self) -> dict[str, str]:
        """Colour of the light theme → colour of this one."""
        usual = DARK if self.dark else {}
        found = {colour: usual.get(colour, colour) for colour in DARK}
        found |= {usual: getattr(self, name) for name, usual in USUAL.items()}
        found |= {fill: self._tint(name) for fill, name in FILLS.items()}
        found[PALE] = mix(self.ground, self.line, TINT)
        found[RULE] = mix(self.ground, self.line, 0.35)
        changed = self.result
        for ground in (found[fill] for fill in FILLS):
            changed = _nearest_readable(changed, ground, LEAST_TEXT)
        found[CHANGED] = _nearest_readable(changed, self.ground, LEAST_TEXT)
        return found

    def apply(self, source: str) -> str:
        """Return the DOT text in the colours and the font of this theme.

        The colours of weights say a sign, so they are those of the library's themes.
        """
        colours = self.colours
        weights = {x: DARK.get(x, x) if self.dark else x for x in (BLUE, ORANGE)}
        lines = []
        for line in source.split("\n"):
            is_weight = " -> " in line and WEIGHT.search(line)
            line = replace_colours(line, weights if is_weight else colours)
            lines.append(line.replace(GROUND, f'bgcolor="{self.ground}"'))
        return "\n".join(lines).replace(f"fontname={FONT}", f'fontname="{self._measured_font()}"')

    def _measured_font(self) -> str:
        """Return the font that the layout program measures letters with."""
        first = self.font.split(",")[0].strip().strip("'")
        if not first:
            return FONT
        return first if first.lower().startswith(MEASURED) else WIDE

    def _tint(self, name: str) -> str:
        """Return the fill of a role."""
        return mix(self.ground, getattr(self, name), TINT if not self.dark else 2 * TINT)

    def _needs(self, name: str) -> list[tuple[str, str, float]]:
        """Return what lies beneath a colour, in words and as a colour, and the contrast it needs.

        The fills that texts lie on are tints of colours that are settled before.
        """
        if name == "box":
            return []
        layers = {f"ground={self.ground!r}": self.ground}
        if name in ("line", "data", "parameter", "result"):
            return [(where, fill, LEAST_BORDER) for where, fill in layers.items()]
        fills = {f"the fill of {field}": self._tint(field) for field in FILLS.values()}
        fills["the fill of intermediate results"] = mix(self.ground, self.line, TINT)
        beneath = self.ground
        for depth in range(1, MOST_TINTS + 1):
            beneath = mix(beneath, *SCOPE_TINT)
            layers[f"{depth} open scopes" if depth > 1 else "an open scope"] = beneath
        boxes = {f"box={self.box!r}": self.box}
        under = {
            "gradient": {**layers, **boxes, **fills},
            "text": {**boxes, **fills},
            "quiet": {**layers, **boxes},
        }
        return [(where, fill, LEAST_TEXT) for where, fill in under[name].items()]

    def _check(self, name: str, where: str, beneath: str, least: float) -> None:
        """Refuse a colour whose contrast on another one is too small."""
        colour = getattr(self, name)
        found = contrast(colour, beneath)
        if found < least:
            better = _nearest_readable(colour, beneath, least)
            raise PictureError(
                f"theme: {name}={colour!r} on {where} has a contrast of {found:.1f}, and "
                f"{least:g} is needed to {'read' if least == LEAST_TEXT else 'see'} it; "
                f"{better!r} has {contrast(better, beneath):.1f}"
            )


USUAL: Final = {
    "box": WHITE,
    "line": LINE,
    "data": GREEN,
    "parameter": BLUE,
    "result": VERMILION,
    "gradient": PURPLE,
    "text": INK,
    "quiet": OUTSIDE,
}
"""Field of a theme → the colour of the light theme in its place; texts come last."""
FILLS: Final = {
    "#e6f5f0": "data",
    "#e5f1f8": "parameter",
    "#fcefe6": "result",
    "#f8eef3": "gradient",
}
"""Fill of the light theme → the field that it is a tint of."""


def mix(one: str, other: str, share: float) -> str:
    """Mix two colours; `share` is that of the second one.

    >>> mix("#ffffff", "#000000", 0.2)
    '#cccccc'
    """
    pairs = zip(channels(one), channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _read_colour(name: str, given: object) -> str:
    """Return a colour in six digits.

    Raises:
        PictureError: if it is none.
    """
    if not isinstance(given, str) or not HEX.fullmatch(given):
        raise PictureError(
            f"theme: {name}={given!r:.40} is not a colour; expected hexadecimal digits, as "
            "'#1b4332'"
        )
    digits = given[1:].lower()
    return "#" + ("".join(2 * x for x in digits) if len(digits) == 3 else digits)


def _nearest_readable(colour: str, beneath: str, least: float) -> str:
    """Return the colour itself, or the nearest one towards black or white with this contrast."""
    if contrast(colour, beneath) >= least:
        return colour
    steps = (mix(colour, end, i / 50) for i in range(1, 51) for end in ("#000000", "#ffffff"))
    return next(x for x in steps if contrast(x, beneath) >= least)
