"""The benchmarks compare like with like, and run; what they measure is not tested."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def output_of(script: str, *arguments: str) -> str:
    """Run a script and return what it printed."""
    run = subprocess.run(
        [sys.executable, str(FOLDER / script), *arguments],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return run.stdout


@pytest.mark.parametrize("workload", ["small", "middle", "prediction"])
def test_contestants_agree_before_they_are_timed(workload):
    """A contestant whose losses are not the reference's would be left out, with the reason."""
    printed = output_of("compare.py", "--quick", "--only", workload, "--peers", "numpy")
    assert "left out" not in printed
    lines = printed.splitlines()
    assert [line.split("  ")[0] for line in lines if "µs" in line or " ms" in line][:2] == [
        "autograd_mini compiled",
        "autograd_mini eager",
    ]


@pytest.mark.parametrize("package", ["tinygrad", "mygrad"])
def test_a_contestant_that_cannot_run_is_named_with_the_reason(package):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed")
    printed = output_of("compare.py", "--quick", "--only", "small", "--peers", package)
    assert printed.count("not installed") == (2 if package == "tinygrad" else 1)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts it")
def test_memory_is_measured_beside_what_the_program_plans():
    printed = output_of("compare.py", "--only", "memory", "--peers", "numpy")
    rows = {line.split("  ")[0]: line.split() for line in printed.splitlines()}
    assert float(rows["autograd_mini compiled"][-2]) > 1  # MB planned
    assert rows["autograd_mini eager"][-1] == "–"
    assert "left out" not in printed


def test_growth_is_drawn_for_those_who_ran(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(FOLDER)
    growth = importlib.import_module("growth")
    curves = {"JAX jit": [{n: 1e-4 * n for n in axis.workloads} for axis in growth.AXES]}
    growth.draw(curves, tmp_path / "growth.svg")
    assert "<svg" in (tmp_path / "growth.svg").read_text()
    assert growth.rows(curves, 2)[1][:2] == ["JAX jit", "100 µs"]


def test_a_section_measured_again_takes_the_place_of_the_old_one(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    report, page = importlib.import_module("report"), tmp_path / "page.md"
    for title, text in [("## One", "old"), ("## Two", "b"), ("## One", "new"), ("## Two", "c")]:
        report.write(page, title, [text])
    assert page.read_text() == f"{report.INTRODUCTION}\n## One\n\nnew\n\n## Two\n\nc\n"


@pytest.mark.parametrize("script", ["overhead.py", "memory.py 1000"])
def test_the_script_runs(script):
    printed = output_of(*script.split())
    assert "nan" not in printed
    assert len(printed.splitlines()) > 3
