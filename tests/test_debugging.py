"""debug() names the operation, the scope, the line and the inputs."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.core.record import lines


def here(error: Any) -> str:
    return str(error.value)


def test_every_operation_knows_its_line() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    with am.debug():
        y = np.tanh(x) * 2
    assert y.op.line.startswith(f"{__file__}:")
    assert y.op.inputs[0].op.line == y.op.line
    assert (x * 2).op.line is None


def test_infinity_in_forward_names_operation_scope_line_and_inputs() -> None:
    x = am.tensor([1.0, 0.0], requires_grad=True, name="x")
    with am.debug(), am.scope("loss"), pytest.raises(am.NonFiniteError) as error:
        np.log(x)
    text = here(error)
    assert "infinity appears in loss/log_" in text
    assert f"{__file__}:" in text
    assert "x: float64 (2,) from 0 to 1" in text


def test_nan_in_backward_names_the_operation_and_the_input() -> None:
    x = am.tensor([4.0, 0.0], requires_grad=True, name="x")
    with am.debug():
        y = np.sqrt(x) * np.array([1.0, 0.0])
        with pytest.raises(am.NonFiniteError, match="NaN appears in the gradient for input 0"):
            y.sum().backward()
    assert x.grad is None


def test_what_was_not_finite_before_does_not_appear() -> None:
    with am.debug():
        y = am.tensor([-np.inf, 1.0], requires_grad=True) * 2
        am.softmax(y)


def test_infinities_on_purpose_can_be_ignored() -> None:
    x = am.tensor([1.0, 0.0], requires_grad=True)
    with am.debug(nonfinite="ignore"):
        y = np.where(x > 0, np.log(x), 0)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 0])
    assert y.op.line
    with pytest.raises(am.ArgumentError, match="'raise' or 'ignore'"):
        am.debug(nonfinite="warn")


def test_an_error_of_a_rule_has_a_note_with_operation_shapes_and_line() -> None:
    @am.primitive
    def broken(x: Any) -> Any:
        return x * 1.0

    broken.vjp(lambda g, y, x: g @ np.ones((7, 7)))
    x = am.tensor(np.ones(3), requires_grad=True)
    with am.debug():
        y = broken(x).sum()
    with pytest.raises(ValueError, match="matmul") as error:
        y.backward()
    (note,) = error.value.__notes__
    assert "in the gradient of broken_" in note
    assert "((3,))" in note
    assert f"recorded at {__file__}:" in note


def test_debugging_nests_ends_and_forgets() -> None:
    gc.collect()  # notes of what earlier tests left in cycles would go in between
    before = len(lines)
    x = am.tensor(2.0, requires_grad=True)
    with am.debug(), am.debug(nonfinite="ignore"):
        y = x * 3
    assert (x * 3).op.line is None
    assert am.grad(am.grad(lambda t: t**3))(2.0) == 12.0
    with am.debug():
        assert am.grad(am.grad(lambda t: t**3))(2.0) == 12.0
        a, b = np.split(am.tensor([1.0, 2.0]), 2)
        assert a.op.line == b.op.line
    del y, a, b
    assert len(lines) == before


def test_tangents_and_later_examples_are_watched() -> None:
    with am.debug():
        with pytest.raises(am.NonFiniteError, match="infinity appears in the tangent of sqrt"):
            am.jvp(np.sqrt, (0.0,), (1.0,))
        with pytest.raises(am.NonFiniteError, match="infinity appears in an example"):
            am.vmap(np.log)(np.array([1.0, 0.0]))
