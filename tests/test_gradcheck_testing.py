"""Checks in tests: a failing one shows the report, and nothing of the library."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.checking import testing

X = np.array([0.5, -1.2, 2.0])


class Half:
    def forward(self, x: Any) -> Any:
        return x / 2

    def backward(self, g: Any) -> Any:
        return g


def test_failing_check_is_the_report_without_a_trace() -> None:
    with pytest.raises(pytest.fail.Exception) as caught:
        testing.gradcheck(np.sin, X, vjp=lambda g, x: -g * np.cos(x))
    assert not caught.value.pytrace
    text = str(caught.value)
    assert text.startswith("gradcheck of sin(x): FAILED") and "sign" in text
    with pytest.raises(pytest.fail.Exception, match="x is 2 times too large"):
        testing.layer(Half(), X)


def test_passing_check_returns_its_report() -> None:
    assert testing.gradcheck(np.sin, X, vjp=lambda g, x: g * np.cos(x)).checked == 3
    assert not testing.layer(Half(), X, raises=False).ok
    assert inspect.signature(testing.gradcheck) == inspect.signature(am.gradcheck)


@pytest.mark.parametrize(
    "check",
    [
        lambda: am.gradcheck(np.sin, X, vjp=lambda g, x: g),
        lambda: am.checking.layer(Half(), X),
    ],
)
def test_frames_of_the_library_are_hidden_from_pytest(check: Any) -> None:
    with pytest.raises(am.GradcheckError) as caught:
        check()
    frames = [
        t for t in caught.traceback if "autograd_mini" in str(t.path) and "checking/" in str(t.path)
    ]
    assert frames and all(t.frame.f_locals.get("__tracebackhide__") for t in frames)


def test_signs_of_a_cotangent_are_those_of_choice() -> None:
    """Reports with a seed stay what they were."""
    from autograd_mini.checking.inputs import Inputs
    from autograd_mini.checking.subjects import Subject

    subject = Subject(np.sin, None, Inputs((X,), ["x"]))
    generator = np.random.default_rng(5)
    expected = generator.uniform(0.5, 1.5, (2, 3)) * generator.choice([-1.0, 1.0], (2, 3))
    (drawn,) = subject.weights([np.zeros((2, 3))], np.random.default_rng(5))
    np.testing.assert_array_equal(drawn, expected)
