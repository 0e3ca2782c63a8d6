"""Moving pictures for slides and documents: GIF, and APNG with all colours, by Pillow."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any, Final, Literal

from ..errors import LayoutError
from .conversion import EXTRA

MovingFormat = Literal["gif", "apng"]
MOST_PIXELS: Final = 1920.0
"""The longer side has at most so many pixels, those of a slide on a full screen."""
COLOURS: Final = 256
"""A GIF has at most so many colours in a frame."""


def join_frames(pngs: Iterable[bytes], kind: MovingFormat, seconds: float) -> bytes:
    """Return a file that plays the frames again and again.

    Args:
        pngs: the frames as PNG files, all of one size.
        kind: "gif" or "apng".
        seconds: how long each frame stays. A GIF counts hundredths.

    Raises:
        LayoutError: if Pillow is not installed.
    """
    images = [_read_frame(png, kind) for png in pngs]
    options: dict[str, Any] = {"save_all": True, "append_images": images[1:], "loop": 0}
    options["duration"] = round(1000 * seconds)
    if kind == "gif":
        options |= {"format": "GIF", "disposal": 1, "optimize": False}
    else:
        options |= {"format": "PNG", "default_image": False}
    file = BytesIO()
    images[0].save(file, **options)
    return file.getvalue()


def _read_frame(png: bytes, kind: MovingFormat) -> Any:
    """Return a frame as an image in the colours of its format."""
    try:
        from PIL import Image
    except ImportError as error:
        raise LayoutError(
            f"a moving picture needs Pillow, and it is not installed; install it with {EXTRA}, or "
            "save as .svg"
        ) from error
    image = Image.open(BytesIO(png)).convert("RGB")
    if kind == "apng":
        return image
    return image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
