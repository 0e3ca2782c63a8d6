"""The documents hold no placeholder and no dead link."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograd_mini.core.table import numpy_functions

ROOT = Path(__file__).parents[1]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "examples").glob("*.md"),
    *(ROOT / "benchmarks").glob("*.md"),
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_document_is_whole(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^[A-Z]{3,}$", text, flags=re.MULTILINE)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)", prose) + re.findall(r'src="([^"]+)"', prose)
    for link in links:
        if not link.startswith(("http:", "https:", "mailto:")):
            assert (path.parent / link).exists(), link


@pytest.mark.skipif(
    not numpy_functions("matvec"), reason="the reference has the functions of NumPy 2.2 and later"
)
def test_the_reference_of_operations_is_what_the_table_says():
    pytest.importorskip("scipy")
    finished = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "operations.py"), "--check"],
        capture_output=True,
        encoding="utf-8",
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_map_of_modules_is_what_their_docstrings_say():
    finished = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "modules.py"), "--check"],
        capture_output=True,
        encoding="utf-8",
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_reference_names_every_function_and_no_derivative_is_left_out():
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(("| `", "| ("))]
    rows = [line.strip("| ").split(" | ") for line in rows]
    assert [cells[0] for cells in rows if len(cells) == 7 and not cells[3].strip()] == []
    for name in ("np.tanh", "np.linalg.svd", "np.fft.fft", "scipy.special.erf", "np.putmask"):
        assert f"`{name}`" in page
