"""The door to `viz`: it is opened when asked, to our package only, and a foreign one is named."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import autograd_mini as am
from autograd_mini import display

ROOT = Path(__file__).parents[1]
SHOWS = {
    "attribute": "am.viz",
    "tensor": "am.tensor(1.0)._repr_mimebundle_()",
    "graph": "am.Graph(am.tensor(1.0) * 2)._repr_mimebundle_()",
    "model": "am.nn.MLP([2, 1])._repr_mimebundle_()",
    "compiled": "am.compile(am.relu)._repr_mimebundle_()",
}


def run(folder: Path, code: str) -> str:
    """Run a program whose own folder stands first on the path, and return what it prints."""
    (folder / "program.py").write_text(f"import sys\nimport autograd_mini as am\n{code}\n")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def foreign(folder: Path, package: bool) -> Path:
    """Write a module that is called viz, and says when it runs."""
    path = folder / "viz" / "__init__.py" if package else folder / "viz.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text("print('the foreign module ran')\nmimebundle = draw = render = None\n")
    return path


def test_importing_the_library_does_not_import_viz_and_asking_does(tmp_path: Path) -> None:
    code = "before = 'viz' in sys.modules\nprint(before, am.viz is sys.modules['viz'])"
    assert run(tmp_path, code) == "False True\n"
    assert run(tmp_path, "import viz\nprint(am.viz is viz)") == "True\n"


@pytest.mark.parametrize("package", [False, True], ids=["file", "package"])
@pytest.mark.parametrize("show", SHOWS)
def test_a_foreign_viz_is_named_with_the_cure_and_never_run(
    tmp_path: Path, show: str, package: bool
) -> None:
    path = foreign(tmp_path, package)
    code = f"try:\n    {SHOWS[show]}\nexcept am.ForeignModuleError as error:\n    print(error)"
    text = run(tmp_path, code)
    assert str(path) in text
    assert str(ROOT / "viz") in text
    assert "rename that file or folder" in text
    assert "foreign module ran" not in text


def test_a_foreign_viz_that_was_imported_before_is_named(tmp_path: Path) -> None:
    path = foreign(tmp_path, False)
    code = "import viz\ntry:\n    am.viz\nexcept ImportError as error:\n    print(error)"
    assert str(path) in run(tmp_path, code)


def test_a_script_called_viz_is_named(tmp_path: Path) -> None:
    code = "import autograd_mini as am\ntry:\n    am.viz\nexcept ImportError as e:\n    print(e)\n"
    (tmp_path / "viz.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "viz.py"], cwd=tmp_path, capture_output=True, encoding="utf-8"
    )
    assert str(tmp_path / "viz.py") in done.stdout, done.stderr


def test_the_command_line_names_a_foreign_viz(tmp_path: Path) -> None:
    path = foreign(tmp_path, False)
    (tmp_path / "net.py").write_text("import autograd_mini as am\nloss = am.tensor(1.0) * 2\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "autograd_mini", "draw", "net.py:loss"],
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        env=environment,
    )
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_called_viz_without_a_module_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "viz").mkdir()
    (tmp_path / "viz" / "data.txt").write_text("mine")
    assert run(tmp_path, "print(am.viz.draw(am.tensor(1.0) * 2))").startswith("<Drawing")


def test_a_foreign_viz_leaves_the_rest_of_the_library_alone(tmp_path: Path) -> None:
    foreign(tmp_path, False)
    assert run(tmp_path, "print('viz' in dir(am), am.grad(am.relu)(2.0))") == "False 1.0\n"


def test_a_missing_viz_is_an_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "viz", None)
    with pytest.raises(am.ForeignModuleError, match="install autograd-mini again"):
        display.import_viz()


def test_viz_is_imported_through_the_door_only() -> None:
    for path in (ROOT / "autograd_mini").rglob("*.py"):
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if line.strip().startswith(("import viz", "from viz"))]
        allowed = ["    import viz as viz"] if path.parent.name + path.name in DOORS else []
        assert found == allowed, path


DOORS = {"autograd_mini__init__.py"}
"""The package names it for type checkers."""
