"""`render`: from a subject to a file in any of the formats."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from autograd_mini.files import write_file

from .drawing import draw
from .errors import PictureError
from .formats import check_path
from .pages.webpage import page


def render(
    subject: Any, path: str | os.PathLike[str], *, format: str | None = None, **options: Any
) -> Path:
    """Draw a subject into a file, and return its path.

    The suffix names the format: .svg, .png, .pdf, .tikz or .tex (for LaTeX), .dot or .gv, .mmd
    (Mermaid), .json or .html (a page to look around in). The file is written whole or not at all.

    Args:
        subject: what `draw` takes.
        path: of the file.
        format: "svg", "png", "pdf", "tikz", "dot", "mermaid", "json", "html" or "model-explorer",
            where the suffix does not say it.
        options: those of `draw`; for a page those of `page`.

    Raises:
        PictureError: for another format, a directory that does not exist, or a subject that cannot
            be drawn.
        LayoutError: if a program that the format needs is missing or fails.
        OSError: if the file cannot be written.
    """
    target, kind = check_path(path, format)
    if kind == "html":
        if options.pop("theme", "auto") not in ("auto", None):
            raise PictureError("a page follows its reader's theme; leave theme= out")
        if options.pop("fit", None) is not None:
            raise PictureError("a page fits its window by itself; leave fit= out")
        write_file(target, page(subject, **options))
        return target
    return draw(subject, **options).save(target, format=kind)
