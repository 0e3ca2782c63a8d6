"""Small graphics inside of boxes, built of the table cells that the layout program knows."""

from __future__ import annotations

from html import escape
from typing import Final

from ..picture import Box

BAR: Final = 5
"""The width of a bar, in points."""
HEIGHT: Final = 16
"""The height of a whole bar."""
BARS: Final = "#6e7781"
"""Their colour, readable on both grounds."""
SWATCH: Final = 14
OPEN: Final = '<table border="0" cellborder="0" cellspacing="0" cellpadding="0">'


def histogram_label(box: Box) -> str:
    """Return a label with a histogram beneath its lines."""
    cells = "".join(f'<td valign="bottom">{bar(height)}</td>' for height in box.bars)
    graphic = (
        f'<table border="0" cellborder="0" cellspacing="1" cellpadding="0"><tr>{cells}</tr></table>'
    )
    lines = "".join(f"<tr><td>{escape_cell(line)}</td></tr>" for line in box.lines)
    return f"<{OPEN}{lines}<tr><td>{graphic}</td></tr></table>>"


def bar(height: float) -> str:
    """Return one bar: an empty cell above a filled one."""
    filled = max(1, round(HEIGHT * height)) if height else 0
    rows = ""
    if filled < HEIGHT:
        rows += f'<tr><td fixedsize="true" width="{BAR}" height="{HEIGHT - filled}"></td></tr>'
    if filled:
        rows += (
            f'<tr><td fixedsize="true" width="{BAR}" height="{filled}" bgcolor="{BARS}"></td></tr>'
        )
    return f"{OPEN}{rows}</table>"


def legend_label(box: Box) -> str:
    """Return the label of a legend.

    A scale has its colours in a row between its ends; a few marks have a line each.
    """
    title, *words = map(escape_cell, box.lines)
    if len(box.swatches) > len(words):
        row = "".join(map(swatch, box.swatches))
        ends = f"<td>{words[0]}  </td>{row}<td>  {words[-1]}</td>"
        count = len(box.swatches) + 2
        return f'<{OPEN}<tr><td colspan="{count}">{title}</td></tr><tr>{ends}</tr></table>>'
    rows = "".join(
        f'<tr>{swatch(colour)}<td align="left">  {word}</td></tr>'
        for colour, word in zip(box.swatches, words, strict=False)
    )
    return f"<{OPEN}{rows}</table>>"


def swatch(colour: str) -> str:
    """Return a cell of one colour."""
    return f'<td fixedsize="true" width="{SWATCH}" height="{SWATCH}" bgcolor="{colour}"></td>'


def escape_cell(line: str) -> str:
    """Return a line as text of a table; an empty one keeps its height."""
    return escape(line).replace("\\", "&#92;") or " "
