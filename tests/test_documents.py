"""The documents hold no placeholder and no dead link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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
