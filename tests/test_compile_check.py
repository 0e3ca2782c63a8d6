"""Checked calls: a program and its function compute the same call, and what differs is told."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_mini as am

X = np.arange(1.0, 4.0)
DIFFERENT = "computed different results"


class Outside:
    """A number in a file, where no guard looks."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_CREAT)
        self.write(1)

    def write(self, value: int) -> None:
        os.pwrite(self.file, bytes([value]), 0)


@pytest.fixture
def outside(tmp_path: Path) -> Any:
    made = Outside(tmp_path / "number")
    yield made
    os.close(made.file)


def file_reader(outside: Outside) -> Any:
    """Return a function that depends on a file: its descriptor is all that is guarded."""
    file = outside.file

    def f(x: Any) -> Any:
        factor = os.pread(file, 1, 0)[0]
        return np.tanh(x) * factor

    return f


def warned(call: Any) -> list[str]:
    """Call, and return the messages of warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(w.message) for w in caught]


@pytest.mark.parametrize(("change_after", "found_at"), [(2, 3), (3, 12), (12, 102)])
def test_some_replays_are_compared(outside: Outside, change_after: int, found_at: int) -> None:
    """The first replay, the 10th and the 100th are the calls 3, 12 and 102."""
    f = file_reader(outside)
    compiled = am.compile(f)
    for call in range(1, 130):
        if call == change_after + 1:
            outside.write(3)
        told = warned(lambda: compiled(X))
        assert any(DIFFERENT in text for text in told) == (call == found_at), (call, told)
        if call >= found_at:
            np.testing.assert_array_equal(compiled(X), 3 * np.tanh(X))


def test_each_call_is_compared_if_one_asks_for_it(outside: Outside) -> None:
    f = file_reader(outside)
    compiled = am.compile(f, check=True)
    for _ in range(7):
        compiled(X)
    assert compiled.program
    outside.write(3)
    (told,) = warned(lambda: np.testing.assert_array_equal(compiled(X), 3 * np.tanh(X)))
    assert DIFFERENT in told and "multiply at " in told and "test_compile_check.py:" in told
    assert "output 0" in told
    assert warned(lambda: compiled(X)) == []  # once


def test_a_decorator_takes_the_option_too() -> None:
    @am.compile(check=True)
    def f(x: Any) -> Any:
        return np.exp(x)

    for _ in range(5):
        np.testing.assert_array_equal(f(X), np.exp(X))


def test_a_new_value_of_a_leaf_is_compared(outside: Outside) -> None:
    w = am.tensor(np.ones(3), name="w")
    read = file_reader(outside)

    def step(x: Any) -> None:
        w.assign(w + read(x))

    compiled = am.compile(step, check=True)
    for _ in range(5):
        compiled(X)
    outside.write(2)
    before = w.data.copy()
    (told,) = warned(lambda: compiled(X))
    assert "w becomes" in told
    np.testing.assert_array_equal(w.data, before + 2 * np.tanh(X))


def test_a_checked_call_draws_once() -> None:
    def trained(check: bool) -> list[Any]:
        generator = am.random.Generator(3)
        call = am.compile(lambda x: x + generator.normal(size=3), check=check)
        return [call(X) for _ in range(20)]

    theirs = np.random.default_rng(3).normal(size=(20, 3)) + X
    np.testing.assert_array_equal(trained(True), theirs)
    np.testing.assert_array_equal(trained(False), theirs)


def test_other_draws_than_recorded_are_told(outside: Outside) -> None:
    generator = am.random.Generator(3)
    file = outside.file

    def f(x: Any) -> Any:
        if os.pread(file, 1, 0)[0] > 1:
            generator.normal()
        return x + 0 * generator.normal()

    compiled = am.compile(f, check=True)
    for _ in range(4):
        compiled(X)
    outside.write(2)
    (told,) = warned(lambda: compiled(X))
    assert "they draw differently" in told


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_checked_training_is_training(name: str) -> None:
    def trained(check: bool | None) -> list[Any]:
        model = am.nn.MLP([3, 5, 1], seed=0)
        made = {"momentum": am.optim.SGD, "adam": am.optim.Adam}[name]
        optimizer = made(model, lr=0.1, **({"momentum": 0.9} if name == "momentum" else {}))

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = np.mean(model(x) ** 2)
            loss.backward()
            optimizer.step()
            return loss

        call = step if check is None else am.compile(step, check=check)
        losses = [call(X[None]).item() for _ in range(25)]
        assert optimizer.steps == 25
        return [losses, *(p.data for p in model.parameters())]

    eager, checked, usual = trained(None), trained(True), trained(False)
    for a, b, c in zip(eager, checked, usual, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)
        np.testing.assert_allclose(a, c, rtol=1e-9)


def test_effects_of_python_happen_in_traced_and_checked_calls(tmp_path: Path) -> None:
    file = os.open(tmp_path / "calls", os.O_CREAT | os.O_WRONLY)

    def f(x: Any) -> Any:
        os.write(file, b".")
        return x * 2

    compiled = am.compile(f)
    seen = []
    for _ in range(1002):
        compiled(X)
        seen.append(os.fstat(file).st_size)
    os.close(file)
    happened = [call + 1 for call in range(1002) if seen[call] > ([0, *seen])[call]]
    assert happened == [1, 2, 3, 12, 102, 1002]


def test_an_error_of_the_function_in_a_checked_call_is_the_users(outside: Outside) -> None:
    file = outside.file

    def f(x: Any) -> Any:
        if os.pread(file, 1, 0)[0] > 1:
            raise KeyError("mine")
        return x * 2

    compiled = am.compile(f, check=True)
    for _ in range(4):
        compiled(X)
    outside.write(2)
    with pytest.raises(KeyError, match="mine"):
        compiled(X)
    outside.write(1)
    np.testing.assert_array_equal(compiled(X), X * 2)
