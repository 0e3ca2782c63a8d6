"""Names of tensors, arguments, scopes and functions never break a saved program."""

from __future__ import annotations

import builtins
import json
import keyword
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autograd_mini as am

RUNNER = """
import json, runpy, sys
sys.modules["autograd_mini"] = None
import numpy as np
for line in sys.stdin:
    step, state = runpy.run_path(line.strip())["load"]()
    found = [float(step(np.arange(4.0), np.ones(4))) for _ in range(2)]
    print(json.dumps([found, sorted(state)]), flush=True)
"""
WORDS = """
file allow_pickle run state path np numpy load step build saved name changed zip results memory
pathlib _saved __file__ product packed packed_places_0 state_ run_ results_ constant leaf
x x0 value one two scale ones rng all_parameters dot_dot dot_of affine_bias multiply_product
prepare_product file_update multiply_2 w_copy
"""
TAKEN = [
    *re.findall(r"\S+", WORDS),
    *("", " ", "\0", "a\0b", "/", "a/b", "..", "é", "漢字", "\ud800", "\ufffe", "\u202e", "\n"),
    *('"', "'", '"""', "\\", "# x", "{}", "{0}", "%s", "n" * 5000, "1", "1a", "a b", "a-b"),
    *keyword.kwlist,
    *keyword.softkwlist,
    *dir(builtins),
]
names = st.sampled_from(TAKEN) | st.text(max_size=12) | st.text("ab_1 \0é/", max_size=4)


@pytest.fixture(scope="module")
def runner() -> Iterator[Any]:
    """Yield a function that runs a saved program twice in a process without this library."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None

    def run(path: Path) -> Any:
        print(path, file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())  # type: ignore[union-attr]

    yield run
    process.stdin.close()
    process.stdout.close()
    process.wait()


def training_step(tensors: list[str], arguments: list[str], scope: str) -> Any:
    """Return a training step with these names, compiled and called three times, and its inputs."""
    w, b, m = (
        am.tensor(np.full(shape, 0.5), requires_grad=True, name=name)
        for name, shape in zip(tensors, [(4,), (), (4, 4)], strict=True)
    )
    optimizer = am.optim.Adam([w, b, m], lr=0.1)
    order = np.array([2, 0, 1, 3])

    def step(first: Any, second: Any) -> Any:
        optimizer.zero_grad()
        with am.scope(scope or "scope"):
            hidden = am.softplus((first[arguments[0]] * w + b)[None] @ m)
        scalar = b
        for _ in range(12):  # many numbers, which are packed
            scalar = np.tanh(scalar * b + 0.1)
        loss = np.sum((hidden - second[arguments[1]])[:, order] ** 2) + scalar
        loss.backward()
        optimizer.step()
        return loss

    return am.compile(step), {arguments[0]: np.arange(4.0)}, {arguments[1]: np.ones(4)}


@pytest.mark.long
@example(tensors=["file", "file", "file"], arguments=["file", "file"], scope="file")
@example(tensors=["run", "state", "results"], arguments=["state", "run"], scope="load")
@example(tensors=["a\0", "a", "a_"], arguments=["\0", ""], scope="\0")
@example(tensors=["n" * 5000, "n" * 5001, "x"], arguments=["n" * 5000, "n"], scope="s(" * 2500)
@given(
    tensors=st.lists(names, min_size=3, max_size=3),
    arguments=st.lists(names, min_size=2, max_size=2),
    scope=names,
)
def test_any_names_make_a_program_that_is_saved_and_loaded(tensors, arguments, scope, runner):
    step, first, second = training_step(tensors, arguments, scope)
    for _ in range(3):
        step(first, second)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "saved.py")
        step.save(path)
        found, state = runner(path)
    np.testing.assert_allclose(found, [step(first, second).item() for _ in range(2)], rtol=1e-9)
    assert all(name.isidentifier() and name.isascii() and len(name) < 80 for name in state)


@pytest.mark.parametrize("name", ["f" * 5000, 'f"""', "f\n", "f\\", "é", "\ud800", "<lambda>", ""])
def test_a_function_of_any_name_is_saved(name, runner, tmp_path):
    step, first, second = training_step(["w", "b", "m"], ["x", "y"], "layer")
    step.name = step.__name__ = name
    for _ in range(3):
        step(first, second)
    step.save(tmp_path / "saved.py")
    found, _ = runner(tmp_path / "saved.py")
    np.testing.assert_allclose(found, [step(first, second).item() for _ in range(2)], rtol=1e-9)


@pytest.mark.long
def test_names_that_a_program_makes_for_itself_are_not_those_of_tensors(runner, tmp_path):
    step, first, second = training_step(["w", "b", "m"], ["x", "y"], "layer")
    for _ in range(3):
        step(first, second)
    own = sorted(set(re.findall(r"[A-Za-z]\w*", step.source)))
    for start in range(0, len(own), 5):
        taken = [*own[start : start + 5], *own[:5]][:5]
        step, first, second = training_step(taken[:3], taken[3:], "layer")
        for _ in range(3):
            step(first, second)
        step.save(tmp_path / "saved.py")
        found, _ = runner(tmp_path / "saved.py")
        right = [step(first, second).item() for _ in range(2)]
        np.testing.assert_allclose(found, right, rtol=1e-9, err_msg=str(taken))


def test_names_that_are_usual_stay_as_they_are(tmp_path):
    step, first, second = training_step(["weight", "bias", "matrix"], ["x", "y"], "layer")
    for _ in range(3):
        step(first, second)
    step.save(tmp_path / "saved.py")
    text = (tmp_path / "saved.py").read_text()
    assert "def build(weight, matrix" in text and "run, commit, changed = build(state[" in text
    assert "def step(first_x, second_y):" in text and "# layer" in text
