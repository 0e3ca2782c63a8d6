"""The benchmarks compare like with like, and run; what they measure is not tested."""

from __future__ import annotations

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


@pytest.mark.parametrize("script", ["overhead.py", "memory.py 1000"])
def test_the_script_runs(script):
    printed = output_of(*script.split())
    assert "nan" not in printed
    assert len(printed.splitlines()) > 3
