"""Write `modules.md`, the map of all modules, from the first sentence of each.

python docs/modules.py            # rewrites docs/modules.md
python docs/modules.py --check    # says whether it is up to date, for the tests
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from autograd_mini.files import write_file

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("modules.md")
ORDER = ("core", "ops", "nn", "optim", "random", "compiler", "checking", "cli")
HEAD = """\
# Modules

Every module and its first sentence, to find the place of a change. `python docs/modules.py` writes
this page. The engine comes first: nothing in `core` imports the rooms below it except the table of
operations in `ops`. [How it works](how_it_works.md) follows a gradient, a program, a check and a
picture through these modules.
"""


def first_sentence(path: Path) -> str:
    """Return the first sentence of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".").replace("|", "\\|")


def folders() -> list[Path]:
    """Return all folders with modules: the engine first, the pictures last."""
    package = ROOT / "autograd_mini"
    rooms = [package / name for name in ORDER]
    inner = {room: sorted(p.parent for p in room.rglob("*/__init__.py")) for room in rooms}
    ours = [package, *(folder for room in rooms for folder in (room, *inner[room]))]
    viz = ROOT / "viz"
    return [*ours, viz, *sorted(p.parent for p in viz.glob("*/__init__.py"))]


def section(folder: Path) -> str:
    """Return the heading and the table of a folder."""
    lines = [f"## {folder.relative_to(ROOT).as_posix()}", ""]
    about = first_sentence(folder / "__init__.py")
    if about:
        lines += [f"{about}.", ""]
    modules = [p for p in sorted(folder.glob("*.py")) if not p.stem.startswith("__")]
    rows = [f"| `{p.stem}` | {first_sentence(p)} |" for p in modules]
    return "\n".join([*lines, "| module | about |", "|---|---|", *rows, ""] if rows else lines)


def main() -> None:
    """Write the page, or compare it."""
    text = "\n".join([HEAD, *map(section, folders())])
    if "--check" not in sys.argv:
        write_file(PAGE, text)
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit("docs/modules.md is out of date: python docs/modules.py")


if __name__ == "__main__":
    main()
