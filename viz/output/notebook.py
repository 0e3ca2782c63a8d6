"""Pictures in a notebook: part of its page, so that they scale, are read aloud and fit its theme.

A picture in an `<img>`, as exporters of notebooks write it, has no alternative text, and it turns
dark with the system, whatever the notebook looks like. So the picture stands in the page itself,
and its dark colours hang on the marks by which pages say that they are dark.
"""

from __future__ import annotations

import re
from typing import Final

DARK_PAGES: Final = (
    '[data-jp-theme-light="false"]',  # JupyterLab, and what nbconvert exports
    ".vscode-dark",
    ".vscode-high-contrast:not(.vscode-high-contrast-light)",
    'html[theme="dark"]',  # Colab
    '[data-theme="dark"]',  # Sphinx themes
    '[data-bs-theme="dark"]',  # Bootstrap
    ".quarto-dark",
    "html.dark",
    "body.dark",
)
"""Selectors of pages that are dark."""
MEDIA: Final = "@media (prefers-color-scheme: dark){"


def notebook_bundle(svg: str, text: str) -> dict[str, object]:
    """Return what a notebook's cell shows: the picture in its page, the file, and a text."""
    return {"text/html": follow_page(svg), "image/svg+xml": svg, "text/plain": text}


def follow_page(svg: str) -> str:
    """Return an SVG whose dark colours follow the page around it and not the system.

    >>> follow_page("<style>" + MEDIA + "#a b{fill:red}}</style>").partition(") ")[2]
    '#a b{fill:red}</style>'
    """
    return re.sub(
        r"(?<=<style>)(.*?)(?=</style>)",
        lambda found: _hang_on_page(found.group()),
        svg,
        flags=re.S,
    )


def _hang_on_page(rules: str) -> str:
    """Return a style sheet whose rules for dark readers are rules for dark pages."""
    before, media, rest = rules.partition(MEDIA)
    if not media:
        return rules
    depth, end = 1, 0
    while depth:
        depth += {"{": 1, "}": -1}.get(rest[end], 0)
        end += 1
    around = f":where({','.join(DARK_PAGES)})"  # adds no weight, so the order of rules holds
    dark = re.sub(r"([^{}]+)\{", lambda rule: f"{around} {rule.group(1)}{{", rest[: end - 1])
    return before + dark + _hang_on_page(rest[end:])
