"""Which operation of a recorded function a failed check blames."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_mini as am
from autograd_mini.checking import Report

GENERATOR = np.random.default_rng(0)


def checked(f: Any, *inputs: Any, **kwargs: Any) -> Report:
    report = am.gradcheck(f, *inputs, raises=False, **kwargs)
    assert not report.ok
    return report


def wrong_cube() -> Any:
    @am.primitive
    def cube(x: Any) -> Any:
        return x**3

    cube.vjp(lambda g, y, x: 2 * g * x * x)
    return cube


def test_wrong_rule_is_named_with_its_line() -> None:
    cube = wrong_cube()

    def f(x: Any, w: Any) -> Any:
        h = np.tanh(x @ w)
        h = cube(h)  # the line to blame
        return np.sum(h * h)

    report = checked(f, GENERATOR.normal(size=(4, 3)), GENERATOR.normal(size=(3, 2)))
    assert report.blame.type == "cube"
    with open(__file__) as file:
        number = 1 + [line.rstrip()[-17:] for line in file].index("the line to blame")
    assert report.blame.line.endswith(f"test_checking_blame.py:{number}")
    assert str(report.blame) in str(report)
    assert report.to_dict()["blame"]["type"] == "cube"


def test_wrong_rule_of_a_large_operation_is_named() -> None:
    cube = wrong_cube()
    report = checked(lambda x: np.sum(np.sin(cube(x))), GENERATOR.normal(size=500))
    assert report.blame.type == "cube"


def test_kinks_that_do_not_add_up_are_named() -> None:
    report = checked(lambda x: am.relu(x) - am.relu(-x), np.zeros(2))
    assert report.blame.operation == ""
    assert report.blame.type == "relu"
    assert "is at a kink" in str(report)


def test_stopped_gradient_is_named() -> None:
    report = checked(lambda x: x * am.stop_gradient(x), np.ones(2))
    assert report.blame.type == "stop_gradient"
    assert "stops the gradient" in str(report)


def test_value_that_leaves_the_graph_is_suspected() -> None:
    report = checked(lambda x: x * x.data, np.ones(2))
    assert "the one rule is right; perhaps a value leaves the graph" in str(report)


def test_right_function_has_nobody_to_blame() -> None:
    assert am.gradcheck(np.tanh, np.ones(2)).blame is None
