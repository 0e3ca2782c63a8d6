"""From a finished SVG to a PDF or PNG file, by Typst, whose wheel needs no program on the machine.

Typst draws an SVG as browsers do: opacity, dashes, style sheets with classes. It embeds the letters
that a PDF uses, so they stay text that can be searched and copied. It takes Helvetica, Arial or
Liberation Sans from the machine, in that order, and for other characters any font that has them.
The same SVG and the same fonts give the same bytes: no date is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Final, Literal

from ..errors import LayoutError

EXTRA: Final = "pip install 'autograd-mini[pictures]'"
"""The command that installs what this module and moving pictures need."""
PIXELS_PER_INCH: Final = 144.0
"""Two pixels in a point, as in the PNG of the layout program."""
POINTS_PER_INCH: Final = 72.0
Ground = Literal["none", "white"]


@cache
def can_convert() -> bool:
    """Is Typst installed?"""
    return find_spec("typst") is not None


def convert_to_pdf(svg: str, title: str, description: str) -> bytes:
    """Return a PDF of one page, as large as the picture, on the ground of the picture.

    Args:
        svg: the text of an SVG file.
        title: of the document.
        description: the picture in words, for screen readers.

    Raises:
        LayoutError: if Typst is not installed, or fails.
    """
    image = f"#image(bytes({_quote(svg)}), format: {_quote('svg')}, alt: {_quote(description)})"
    head = f"#set document(title: {_quote(title)}, date: none)\n{_page('none')}"
    found = _compile(f"{head}{image}", "a PDF", format="pdf")
    assert isinstance(found, bytes)
    return found


def convert_to_pngs(
    svgs: Sequence[str], what: str, ground: Ground = "white", most: float | None = None
) -> Iterator[bytes]:
    """Yield a PNG for each SVG, all of one resolution: two pixels for each point.

    Args:
        svgs: the texts of SVG files.
        what: the words for them in an error, as "a GIF".
        ground: behind the picture.
        most: the most pixels of the longer side; larger pictures are drawn smaller.

    Raises:
        LayoutError: if Typst is not installed, or fails.
    """
    for svg in svgs:
        source = f"{_page(ground)}#image(bytes({_quote(svg)}), format: {_quote('svg')})"
        found = _compile(source, what, format="png", ppi=_resolution(svg, most))
        yield found[0] if isinstance(found, list) else found


def _page(ground: Ground) -> str:
    """Return the line that makes the page as large as the picture."""
    return f"#set page(width: auto, height: auto, margin: 0pt, fill: {ground})\n"


def _resolution(svg: str, most: float | None) -> float:
    """Return the pixels per inch at which the longer side of an SVG has at most so many pixels."""
    from xml.etree import ElementTree

    if most is None:
        return PIXELS_PER_INCH
    root = ElementTree.fromstring(svg)
    inches = max(float(root.get(side, "0")) for side in ("width", "height")) / 96
    return min(PIXELS_PER_INCH, most / inches) if inches else PIXELS_PER_INCH


def _quote(text: str) -> str:
    """Write a text as a string of Typst."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _compile(source: str, what: str, **options: Any) -> bytes | list[bytes]:
    """Compile the source of a document."""
    try:
        import typst
    except ImportError as error:
        raise LayoutError(
            f"{what} needs the package typst, and it is not installed; install it with {EXTRA}, "
            "or save as .svg"
        ) from error
    try:
        found: bytes | list[bytes] = typst.compile(source.encode(), **options)
    except RuntimeError as error:
        raise LayoutError(f"typst cannot make {what}: {error!s:.500}; save as .svg") from error
    return found
