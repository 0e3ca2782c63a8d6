"""The layout program: found wherever it was installed, run with a time limit, its errors explained.

`graphviz-pure` comes as a wheel with this package and needs no Graphviz on the machine;
`engine="dot"` asks for the system's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final, Literal

from .errors import LayoutError

Engine = Literal["graphviz-pure", "dot"]
SECONDS: Final = 60.0
PIXELS_PER_INCH: Final = 144
"""Twice the size of a point, so that a PNG is sharp on a slide."""


@cache
def program(engine: Engine) -> str:
    """Return the path of the layout program.

    Raises:
        LayoutError: if it is not installed; the message says how to install it.
    """
    if engine == "dot":
        found = shutil.which("dot")
        if found is None:
            raise LayoutError(
                "a PDF and engine='dot' need Graphviz, and there is no `dot` on the PATH; "
                "install it (apt install graphviz, brew install graphviz), or save as "
                ".svg without engine="
            )
        return found
    name = "graphviz-pure" + (".exe" if os.name == "nt" else "")
    beside = Path(sys.executable).parent / name  # also in an environment that is not activated
    if beside.is_file():
        return str(beside)
    found = _installed(name) or shutil.which(name)
    if found is None:
        raise LayoutError(
            "the layout program graphviz-pure is missing; install it with "
            "`pip install graphviz-pure`, or use engine='dot' with a system Graphviz"
        )
    return found


def _installed(name: str) -> str | None:
    """Look the program up in the files of its installed distribution."""
    from importlib.metadata import PackageNotFoundError, files

    try:
        recorded = files("graphviz-pure") or []
    except PackageNotFoundError:
        return None
    paths = (Path(str(file.locate())) for file in recorded if file.name == name)
    return next((str(path.resolve()) for path in paths if path.is_file()), None)


def lay_out(
    source: str, kind: Literal["svg", "png", "pdf"], *, placed: bool, engine: Engine
) -> bytes:
    """Turn DOT text into an SVG, PNG or PDF file.

    Args:
        source: the DOT text.
        kind: the format.
        placed: whether the nodes have positions, which are kept.
        engine: which program to use.

    Raises:
        LayoutError: if the program is missing, fails or takes more than a minute.
    """
    command = [program(engine), f"-T{kind}"]
    if placed:
        command += ["-Kneato", "-n2"]
    if kind == "png":
        command.append(f"-Gdpi={PIXELS_PER_INCH}")
        if "bgcolor=transparent" in source[:200]:  # the option would replace a theme's ground
            command.append("-Gbgcolor=white")
    try:
        done = subprocess.run(
            command, input=source.encode(), capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise LayoutError(
            f"{engine} took more than {SECONDS:.0f} s for {source.count('->')} arrows; draw less "
            "with limit=, or save as .dot"
        ) from error
    except OSError as error:
        raise LayoutError(f"{engine} cannot be run: {error}; reinstall it") from error
    # Its standard error also tells of letters whose width it estimates; only a failure counts.
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[:500]
        raise LayoutError(f"{engine} failed with code {done.returncode}: {said or 'no output'}")
    return done.stdout
