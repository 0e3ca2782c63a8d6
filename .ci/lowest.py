"""Print constraints that hold every dependency at the lowest version that pyproject.toml allows.

    python .ci/lowest.py > lowest.txt && pip install -c lowest.txt -e ".[test,bench]"

So the stated minimum is what is tested: it stands in pyproject.toml alone.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
COMPANIONS = ("pyparsing<3.3",)  # later ones warn of what matplotlib 3.9 does with them
TOOLS = ("ruff", "mypy", "pyright")  # they check the source, and run with none of it


def lowest(requirements: list[str]) -> Iterator[str]:
    """Yield `name==version` for each `name>=version`, but for the project's own extras."""
    for requirement in requirements:
        if requirement.startswith(("autograd-mini[", *TOOLS)):
            continue
        found = re.fullmatch(r"([\w.-]+)>=([\d.]+)", requirement)
        if found is None:
            sys.exit(f"pyproject.toml: write {requirement!r} as name>=version")
        yield f"{found[1]}=={found[2]}"


def main() -> None:
    """Print the constraints."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    requirements = sum(project["optional-dependencies"].values(), project["dependencies"])
    print(*lowest(requirements), *COMPANIONS, sep="\n")


if __name__ == "__main__":
    main()
