"""The layout program: found wherever it was installed, run with a time limit, its errors explained.

`graphviz-pure` comes as a wheel with this package and needs no Graphviz on the machine;
`engine="dot"` asks for the system's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import Final, Literal

from ..errors import LayoutError, SlowLayoutError

Engine = Literal["graphviz-pure", "dot"]
SECONDS: Final = 10.0
"""For a careful layout; a simpler one behind it has four times as long."""
SIMPLER: Final = (
    "-Gnslimit=1",
    "-Gnslimit1=1",
    "-Gmclimit=0.05",
    "-Gsplines=line",
)
"""Few rounds against crossings and long edges, and straight arrows."""
PIXELS_PER_INCH: Final = 144
"""Twice the size of a point, so that a PNG is sharp on a slide."""


@cache
def find_program(engine: Engine) -> str:
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
    found = _find_installed(name) or shutil.which(name)
    if found is None:
        raise LayoutError(
            "the layout program graphviz-pure is missing; install it with "
            "`pip install graphviz-pure`, or use engine='dot' with a system Graphviz"
        )
    return found


def _find_installed(name: str) -> str | None:
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

    Warns if the careful layout took longer than `SECONDS` and a simpler one is drawn.

    Raises:
        LayoutError: if the program is missing or fails.
        SlowLayoutError: if it takes too long even for a simpler layout.
    """
    command = [find_program(engine), f"-T{kind}"]
    if placed:
        command += ["-Kneato", "-n2", "-Gsplines=line"]
    if kind == "png":
        command.append(f"-Gdpi={PIXELS_PER_INCH}")
        if "bgcolor=transparent" in source[:200]:  # the option would replace a theme's ground
            command.append("-Gbgcolor=white")
    try:
        done = run_program(command, source, engine)
    except OSError as error:
        raise LayoutError(f"{engine} cannot be run: {error}; reinstall it") from error
    # Its standard error also tells of letters whose width it estimates; only a failure counts.
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[:500]
        raise LayoutError(f"{engine} failed with code {done.returncode}: {said or 'no output'}")
    return done.stdout


def run_program(
    command: list[str], source: str, engine: Engine
) -> subprocess.CompletedProcess[bytes]:
    """Run the layout program; if it takes too long, once more with less care."""
    text = source.encode()
    try:
        return subprocess.run(
            command, input=text, capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        cure = f"{source.count('->')} arrows; draw less with limit=, or save as .dot"
    whole = 5 * SECONDS
    try:
        done = subprocess.run(
            [*command, *SIMPLER], input=text, capture_output=True, timeout=4 * SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise SlowLayoutError(f"{engine} took more than {whole:.0f} s for {cure}") from error
    warnings.warn(
        f"{engine} took more than {SECONDS:.0f} s for a careful layout, so a simpler one is "
        f"drawn, of {cure}",
        UserWarning,
        stacklevel=2,
    )
    return done
