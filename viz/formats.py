"""The formats of files, a row each, and their suffixes; their writers are in `drawing.WRITERS`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from .errors import PictureError

FORMATS: Final[dict[str, tuple[str, ...]]] = {
    "svg": (".svg",),
    "png": (".png",),
    "dot": (".dot", ".gv"),
    "pdf": (".pdf",),
    "tikz": (".tikz", ".tex"),
    "mermaid": (".mmd",),
    "json": (".json",),
    "html": (".html",),
    "model-explorer": (),
}
"""Format → suffixes. Model Explorer's JSON has none: ask for it with `format="model-explorer"`."""
MOVING: Final = (".gif", ".apng")
"""Suffixes of moving pictures, which `Frames.animation` writes."""
SUFFIXES: Final = {suffix: name for name, found in FORMATS.items() for suffix in found}


def check_path(path: str | os.PathLike[str], format: str | None = None) -> tuple[Path, str]:
    """Return the path and the format if a picture can be written there.

    Raises:
        PictureError: for an unknown format or suffix, or if the directory does not exist.
    """
    if not isinstance(path, str | os.PathLike):
        raise PictureError(
            f"cannot draw into {type(path).__name__} {path!r:.60}: expected the path of a file, as "
            "'graph.svg'; viz.draw(...) draws without a file"
        )
    target = Path(path)
    found = SUFFIXES.get(target.suffix.lower()) if format is None else format
    moving = target.suffix.lower() if format is None else f".{format}".lower()
    if moving in MOVING:
        raise PictureError(
            f"cannot draw {str(target)!r}: a {moving} moves, and one picture stands still; write "
            f"viz.frames(subject).animation({str(target)!r}), or save as .png"
        )
    if found is None:
        raise PictureError(
            f"cannot draw {str(target)!r}: the suffix {target.suffix!r} names no format; "
            f"expected one of {', '.join(SUFFIXES)}, or format="
        )
    if found not in FORMATS:
        raise PictureError(f"format={found!r} is not known; expected one of {', '.join(FORMATS)}")
    if not target.parent.is_dir():
        raise PictureError(
            f"cannot draw {str(target)!r}: there is no directory {str(target.parent)!r}; create "
            "it first, with Path(...).mkdir(parents=True)"
        )
    return target, found
