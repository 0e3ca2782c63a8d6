"""What an import loads: the parts of the library stand on their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import autograd_mini as am

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


# ── parts that stand alone ───────────────────────────────────────────────────────────────────
ROOT = Path(am.__file__).parent.parent
ENGINE = ("core", "ops", "errors.py")
TESTS = ("test_graph.py", "test_hooks.py", "test_contexts.py", "test_debugging.py")


def peel(folder: Path, *parts: str) -> None:
    """Copy some parts of the package, with an `__init__.py` of what they export."""
    package = folder / "autograd_mini"
    package.mkdir()
    for part in parts:
        copy = shutil.copytree if (ROOT / "autograd_mini" / part).is_dir() else shutil.copy
        copy(ROOT / "autograd_mini" / part, package / part)
    lines = (ROOT / "autograd_mini" / "__init__.py").read_text(encoding="utf-8").splitlines()
    own = [line for line in lines if re.match(r"from \.(core|ops|errors)\b|from \. import ", line)]
    (package / "__init__.py").write_text("\n".join(own) + "\n", encoding="utf-8")


def run_alone(folder: Path, *command: str) -> str:
    """Run Python in a folder, where it finds the parts that were copied there."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_the_engine_alone_passes_its_tests(tmp_path: Path) -> None:
    peel(tmp_path, *ENGINE)
    for name in (*TESTS, "conftest.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    said = run_alone(tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    assert re.search(r"[1-9]\d passed", said)


def test_engine_and_pictures_need_nothing_else(tmp_path: Path) -> None:
    peel(tmp_path, *ENGINE, "files.py")
    shutil.copytree(ROOT / "viz", tmp_path / "viz")
    program = (
        "import numpy as np, autograd_mini as am, viz\n"
        "w = am.tensor(np.ones((3, 2)), requires_grad=True, name='w')\n"
        "loss = np.mean(np.tanh(np.ones((4, 3)) @ w) ** 2)\n"
        "viz.render(loss, 'loss.svg', view='backward', overlay='gradients')\n"
        "print(viz.draw(loss), am.__file__)"
    )
    said = run_alone(tmp_path, "-c", program)
    assert "boxes" in said
    assert str(tmp_path) in said


def test_engine_and_checker_need_nothing_else(tmp_path: Path) -> None:
    peel(tmp_path, *ENGINE, "files.py", "checking")
    program = (
        "import numpy as np, autograd_mini as am\n"
        "from autograd_mini.checking import gradcheck\n"
        "print(gradcheck(np.sin, np.ones(3)).ok, am.__file__)\n"
        "print(gradcheck(np.sin, np.ones(3), vjp=lambda g, x: (g,), raises=False))"
    )
    said = run_alone(tmp_path, "-c", program)
    assert "True" in said
    assert "FAILED" in said
    assert str(tmp_path) in said


# ── the graph of imports ─────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def house() -> Any:
    """Return the program that measures the structure."""
    spec = spec_from_file_location("house", ROOT / ".ci" / "house.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_modules_import_each_other_in_a_circle(house: Any) -> None:
    """Imports in functions, for types and by a name count too."""
    graph = house.without_doors(house.import_graph())
    assert len(graph) > 100
    assert house.largest_cycle(graph) == 0
    assert house.largest_cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == 3


def test_imports_go_one_way_between_the_parts(house: Any) -> None:
    """The core and the operations know no part above them; no part but the doors knows viz."""
    below = ("autograd_mini.core.", "autograd_mini.ops.")
    above = ("viz", *(f"autograd_mini.{part}" for part in (*LATER, "cli")))
    for name, others in house.without_doors(house.import_graph()).items():
        if name.startswith(below):
            assert not [x for x in others if x.startswith(above)], name
        if name.startswith("autograd_mini."):
            assert not [x for x in others if x.partition(".")[0] == "viz"], name


def test_nothing_but_the_command_line_imports_the_package_itself(house: Any) -> None:
    """It imports its parts by name where they are first used; the other way would be a circle."""
    graph = house.import_graph()
    above = {name for name, others in graph.items() if "autograd_mini" in others}
    assert {x for x in above if x.startswith("autograd_mini.")} <= {"autograd_mini.cli.command"}
