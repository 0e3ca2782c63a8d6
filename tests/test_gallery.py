"""The gallery shows everything that there is, and is drawn the same each time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from viz.drawing import VIEWS
from viz.formats import FORMATS
from viz.overlays import OVERLAYS
from viz.style import THEMES

pytest.importorskip("sklearn")  # one of the examples behind it reads scikit-learn's digits
ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "docs" / "gallery.py"
VOLATILE = {"time.svg"}
SHEET = "sheet.png"  # docs/picture_sizes.py draws it


def run(*arguments: str, seed: str = "0") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONHASHSEED": seed}
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        capture_output=True,
        encoding="utf-8",
        env=environment,
    )


def test_the_page_is_what_its_program_writes() -> None:
    done = run("--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "names",
    [
        [f'view="{name}"' for name in VIEWS if name != "neurons"],  # models are drawn so by default
        [f'"{name}"' for name in OVERLAYS],
        [f'"{name}"' for name in THEMES],
        [".svg", ".png", ".dot", ".tex", ".html", ".mmd", ".json", '"model-explorer"'],
    ],
)
def test_it_names_everything_that_there_is(names: list[str]) -> None:
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert [name for name in names if name not in page] == []
    assert len(FORMATS) == 9


def test_every_text_can_be_read_on_a_slide() -> None:
    script = ROOT / "docs" / "picture_sizes.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout
    assert "transformer.svg            1600     900" in done.stdout


@pytest.mark.slow
def test_it_is_drawn_the_same_in_another_process(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, seed in zip(folders, ("1", "2"), strict=True):
        done = run(str(folder), seed=seed)
        assert done.returncode == 0, done.stderr
    names = {path.name for path in folders[0].iterdir()}
    kept = {path.name for path in (ROOT / "docs" / "gallery").iterdir()}
    assert names | {SHEET} == kept
    for name in names - VOLATILE:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    for path in folders[0].glob("*.svg"):
        ElementTree.parse(path)
