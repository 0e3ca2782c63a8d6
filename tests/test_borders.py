"""What an import loads: the parts of the library stand on their own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LATER = ("compiler", "checking", "nn", "optim", "random")
"""Parts that are loaded when they are used."""


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a statement loads in a new interpreter."""
    program = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("package", ["autograd_mini", "viz"])
def test_an_import_loads_no_part_that_is_used_later(package: str) -> None:
    loaded = loaded_by(f"import {package}")
    assert package in loaded
    assert not [part for part in LATER if f"autograd_mini.{part}" in loaded]


def test_the_engine_does_not_load_the_pictures() -> None:
    assert "viz" not in loaded_by("import autograd_mini")


def test_pictures_of_tensors_need_no_compiler_and_no_layers() -> None:
    loaded = loaded_by(
        "import autograd_mini as am, viz\n"
        "x = am.tensor(2.0, requires_grad=True)\n"
        "viz.draw(x * x).svg\n"
        "viz.draw(x * x, view='backward').svg"
    )
    assert not [part for part in LATER if f"autograd_mini.{part}" in loaded]


def test_checks_need_no_compiler_and_no_pictures() -> None:
    loaded = loaded_by("import autograd_mini as am\nam.gradcheck(lambda x: x * x, 2.0)")
    assert not [part for part in ("compiler", "nn", "optim") if f"autograd_mini.{part}" in loaded]
    assert "viz" not in loaded
