"""What type checkers say of a user's program: nothing of a right one, and of every mistake.

The programs in `typed/` are copied out of the repository, so that the package is to them what it is
to a user: installed, with `py.typed`. The checkers are of the `dev` extra; `.ci/run` requires them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "typed"
REQUIRED = os.environ.get("TYPECHECKERS") == "required"
SETTINGS = {
    "typeCheckingMode": "standard",
    "enableTypeIgnoreComments": False,  # those are mypy's
    "reportUnnecessaryTypeIgnoreComment": "error",
    "reportPrivateImportUsage": "error",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for program in PROGRAMS.glob("*.py"):
        shutil.copy(program, tmp_path)
    return tmp_path


def run(folder: Path, *command: str) -> None:
    """Run a command in a folder, and show what it says if it finds something."""
    done = subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def need(checker: str) -> None:
    if not REQUIRED and find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")


def test_the_typed_program_runs(folder: Path) -> None:
    run(folder, sys.executable, "-W", "error", "program.py")


def test_mypy_is_strictly_content_with_the_program_and_finds_every_mistake(folder: Path) -> None:
    need("mypy")
    run(folder, sys.executable, "-m", "mypy", "--strict", "program.py", "mistakes.py")


def test_pyright_is_content_with_the_program_and_finds_every_mistake(folder: Path) -> None:
    need("pyright")
    version = [sys.executable, "-m", "pyright", "--version"]  # fetches the program at first
    if not REQUIRED and subprocess.run(version, capture_output=True).returncode:
        pytest.skip("pyright cannot be fetched")
    (folder / "pyrightconfig.json").write_text(json.dumps(SETTINGS))
    run(folder, sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "-p", ".")
