"""Print how large the pictures of the gallery are, and their smallest texts on a slide.

    python docs/picture_sizes.py            # prints a table
    python docs/picture_sizes.py --sheet    # draws all on gallery/sheet.png too, with Chromium

A slide has 1600 × 900 pixels. A picture is drawn on it as large as it fits. The exit code is 1 if
a text is less than 12 pixels high there.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

FOLDER: Final = Path(__file__).with_name("gallery")
SVG: Final = "{http://www.w3.org/2000/svg}"
SLIDE: Final = (1600.0, 900.0)
SMALLEST: Final = 12.0
"""The least height of a text on a slide, in pixels."""
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
COLUMNS: Final = 4
CELL: Final = (400, 262)
"""The width and height of a picture on the sheet, in pixels."""


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a picture.

    Attributes:
        name: of its file.
        width: in pixels.
        height: in pixels.
        text: the height of its smallest text on a slide, in pixels.
    """

    name: str
    width: float
    height: float
    text: float

    @property
    def is_too_small(self) -> bool:
        """Return whether a text cannot be read on a slide."""
        return self.text < SMALLEST - 0.05


def measure(path: Path) -> Size:
    """Return the size of an SVG file."""
    root = ElementTree.parse(path).getroot()
    width, height = (float(root.attrib[side]) for side in ("width", "height"))
    unit = width / float(root.attrib["viewBox"].split()[2])
    fonts = [float(text.attrib["font-size"]) for text in root.iter(f"{SVG}text")
             if text.get("font-size")]  # fmt: skip
    scale = min(SLIDE[0] / width, SLIDE[1] / height)
    return Size(path.name, width, height, min(fonts) * unit * scale)


def list_pictures() -> list[Path]:
    """Return the pictures of the gallery, in the order of its page."""
    page = FOLDER.with_suffix(".md").read_text(encoding="utf-8")
    return [FOLDER / name for name in re.findall(r"\]\(gallery/(\w+\.svg)\)", page)]


def draw_sheet(paths: list[Path], target: Path) -> None:
    """Draw all pictures on one sheet, each with its name.

    Raises:
        SystemExit: if there is no Chromium.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"no browser for the sheet; expected one of {', '.join(BROWSERS)}")
    width, height = CELL
    cells = "".join(
        f"<figure><img src='{path.as_uri()}'><figcaption>{escape(path.stem)}</figcaption></figure>"
        for path in paths
    )
    rows = -(-len(paths) // COLUMNS)
    text = f"""<!doctype html><meta charset="utf-8"><style>
body {{ margin: 8px; background: #fff; font: 15px sans-serif; display: grid;
        grid-template-columns: repeat({COLUMNS}, {width}px); gap: 14px }}
figure {{ margin: 0; width: {width}px; height: {height}px; display: flex;
          flex-direction: column; align-items: center }}
img {{ max-width: {width}px; height: {height - 24}px; object-fit: contain; border: 1px solid #ddd;
       width: 100% }}
figcaption {{ height: 22px }}</style>{cells}"""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "sheet.html"
        page.write_text(text, encoding="utf-8")
        sides = f"{COLUMNS * (width + 14) + 2},{rows * (height + 14) + 2}"
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--window-size={sides}", f"--screenshot={target}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


def main() -> int:
    """Print the table, draw the sheet if asked, and return the exit code."""
    paths = list_pictures()
    sizes = [measure(path) for path in paths]
    print(f"{'picture':24}{'width':>7}{'height':>8}{'smallest text on a slide':>27}")
    for one in sizes:
        mark = "  < 12 px" if one.is_too_small else ""
        print(f"{one.name:24}{one.width:7.0f}{one.height:8.0f}{one.text:24.1f} px{mark}")
    if "--sheet" in sys.argv[1:]:
        draw_sheet(paths, FOLDER / "sheet.png")
    return int(any(one.is_too_small for one in sizes))


if __name__ == "__main__":
    sys.exit(main())
