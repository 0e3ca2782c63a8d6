"""A user's text as it is shown in errors, reports, terminals and pictures.

A name may hold characters that a terminal carries out, that XML forbids, or that turn the text
around them. `show_text` writes them as Python does, `\\x1b`; a picture has `�` in their place.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # these control a terminal; tab and line break stay
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # these turn the direction of writing
    "\u2028\u2029\ufff9-\ufffb"  # other line breaks, and marks of annotations
    "\ud800-\udfff\ufffe\uffff]"  # not characters: neither UTF-8 nor XML has them
)


def show_text(text: str, *, one_line: bool = False, longest: int | None = None) -> str:
    r"""Write what cannot be seen, and could do harm, as escape sequences.

    Args:
        text: from a user.
        one_line: whether tabs and line breaks are escaped too.
        longest: this many characters are shown; a longer text ends in "…".

    >>> print(show_text("\x1b[31mred\n"))
    \x1b[31mred
    <BLANKLINE>
    >>> print(show_text("a\nb", one_line=True), show_text("a" * 9, longest=4))
    a\nb aaa…
    """
    if longest is not None and len(text) > longest:
        text = f"{text[: longest - 1]}…"
    if one_line:
        text = re.sub(r"[\t\n]", _escape, text)
    return HIDDEN.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]


def replace_hidden(text: str) -> str:
    """Put one `�` in the place of each character that cannot be seen and could do harm."""
    return HIDDEN.sub("�", text)
