"""The benchmarks compare like with like, and run; what they measure is not tested."""

from __future__ import annotations

import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
STEP = runpy.run_path(str(FOLDER / "training_step.py"))


@pytest.mark.parametrize("name, package, make", STEP["CONTESTANTS"])
@pytest.mark.filterwarnings("default")  # of other people's packages
def test_contestants_train_the_same_network(name, package, make):
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    step, by_hand = make(), STEP["by_hand"]()
    losses = np.array([[float(step()), float(by_hand())] for _ in range(20)])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-5)
    assert losses[-1, 0] < losses[0, 0]


@pytest.mark.parametrize("script", ["overhead.py", "memory.py 1000"])
def test_the_script_runs(script):
    name, *arguments = script.split()
    run = subprocess.run(
        [sys.executable, FOLDER / name, *arguments], capture_output=True, text=True, check=True
    )
    assert "nan" not in run.stdout
    assert len(run.stdout.splitlines()) > 3
