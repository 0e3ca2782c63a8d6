"""Values at kinks, ties and edges: one test for each row of the conventions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am


def gradient(function: Any, *xs: Any) -> Any:
    """Return the gradient of the sum of a function's outputs with respect to its arguments."""
    found = am.grad(lambda *ts: np.sum(function(*ts)), argnums=tuple(range(len(xs))))(*xs)
    return found[0] if len(xs) == 1 else found


def test_relu_at_zero_is_zero() -> None:
    assert_array_equal(gradient(am.relu, np.array([-1.0, 0.0, 2.0])), [0, 0, 1])


@pytest.mark.parametrize("function", [np.abs, np.fabs])
def test_abs_at_zero_is_zero(function: Any) -> None:
    assert_array_equal(gradient(function, np.array([-1.0, 0.0, 2.0])), [-1, 0, 1])


@pytest.mark.parametrize("function", [np.sign, np.floor, np.ceil, np.rint, np.trunc, np.round])
def test_steps_have_gradient_zero(function: Any) -> None:
    x = np.array([-1.5, 0.0, 2.0])
    assert_array_equal(gradient(lambda t: function(t) + 0 * t, x), [0, 0, 0])


@pytest.mark.parametrize("function", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_tie_of_two_gives_half_each(function: Any) -> None:
    a, b = gradient(function, np.array([1.0, 3.0]), np.array([1.0, 3.0]))
    assert_array_equal(a, [0.5, 0.5])
    assert_array_equal(b, [0.5, 0.5])


def test_maximum_with_zero_at_zero_is_a_half_while_relu_is_zero() -> None:
    assert gradient(lambda x: np.maximum(x, 0), 0.0) == 0.5
    assert gradient(am.relu, 0.0) == 0.0


@pytest.mark.parametrize("function", [np.max, np.min])
def test_ties_over_an_axis_are_split_evenly(function: Any) -> None:
    x = np.array([[2.0, 2.0, 2.0], [1.0, 5.0, 5.0]])
    third = [1 / 3] * 3
    extreme = [0, 0.5, 0.5] if function is np.max else [1, 0, 0]
    assert_allclose(gradient(lambda t: function(t, axis=1), x), [third, extreme])


def test_clip_at_its_bounds_is_zero() -> None:
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert_array_equal(gradient(lambda t: np.clip(t, -1.0, 1.0), x), [0, 0, 1, 0, 0])


def test_sqrt_at_zero_is_infinite_without_a_warning() -> None:
    assert_array_equal(gradient(np.sqrt, np.array([0.0, 4.0])), [np.inf, 0.25])


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_std_of_a_constant_is_zero(axis: int | None) -> None:
    x = np.full((3, 4), 0.1)
    assert_array_equal(gradient(lambda t: np.std(t, axis=axis), x), np.zeros((3, 4)))


def test_zero_to_the_power_zero_is_zero_for_base_and_exponent() -> None:
    assert gradient(np.power, 0.0, 0.0) == (0.0, 0.0)
    a, b = gradient(np.power, np.array([0.0, 0.0]), np.array([0.0, 2.0]))
    assert_array_equal(a, [0, 0])
    assert_array_equal(b, [0, 0])


@pytest.mark.parametrize(("n", "expected"), [(0, 0), (1, 1), (2, 0), (3, 0)])
def test_integer_power_at_zero_is_exact(n: int, expected: float) -> None:
    for exponent in (n, float(n), np.float64(n), np.array(n), np.int64(n)):
        assert gradient(lambda x, e=exponent: x**e, 0.0) == expected
        assert_array_equal(gradient(lambda x, e=exponent: x**e, np.zeros(2)), [expected] * 2)


@pytest.mark.parametrize(("n", "expected"), [(0, 0), (1, 1), (2, -4), (3, 12), (-1, -0.25)])
def test_integer_power_of_a_negative_base_is_exact(n: int, expected: float) -> None:
    for exponent in (n, float(n), np.float64(n), np.array(float(n))):
        assert gradient(lambda x, e=exponent: x**e, -2.0) == expected


def test_second_derivative_of_integer_powers_at_zero_is_exact() -> None:
    for n, expected in ((0, 0), (1, 0), (2, 2), (3, 0)):
        assert am.grad(am.grad(lambda x, n=n: x**n))(0.0) == expected


def test_exponent_of_a_negative_base_is_nan() -> None:
    assert np.isnan(gradient(lambda b: np.float64(-2.0) ** b, 2.0))


def test_exponent_of_base_zero_is_zero() -> None:
    assert gradient(lambda b: np.float64(0.0) ** b, 2.0) == 0.0


@pytest.mark.parametrize("bad", [np.log, np.sqrt, lambda x: 1 / x, np.log1p, np.arccos])
def test_untaken_branch_is_exactly_zero(bad: Any) -> None:
    x = np.array([-2.0, 0.0, 3.0, -1.0])
    with np.errstate(all="ignore"):
        got = gradient(lambda t: np.where(t > 100, bad(t), t * 2), x)
    assert_array_equal(got, [2, 2, 2, 2])


def test_untaken_branch_is_exactly_zero_through_several_operations() -> None:
    x = np.array([-4.0, 0.0, 4.0])
    with np.errstate(all="ignore"):
        got = gradient(lambda t: np.where(t > 0, np.exp(np.log(np.sqrt(t)) / 3) * 2, 0.0), x)
        alone = gradient(lambda t: np.exp(np.log(np.sqrt(t)) / 3) * 2, x[2:])
    assert_array_equal(got, [0, 0, alone[0]])


def test_untaken_branch_is_exactly_zero_in_second_order() -> None:
    x = np.array([0.0, 4.0])

    def f(t: Any) -> Any:
        return np.sum(np.where(t > 0, np.sqrt(t), 0.0))

    with np.errstate(all="ignore"):
        got = gradient(am.grad(f), x)
    assert_allclose(got, [0, -0.25 * 4**-1.5])


def test_untaken_branch_is_exactly_zero_for_a_scalar() -> None:
    with np.errstate(all="ignore"):
        assert am.grad(lambda t: np.where(t > 0, np.log(t), 0.0))(0.0) == 0.0
        assert am.grad(am.grad(lambda t: np.where(t > 0, np.log(t), 0.0)))(0.0) == 0.0


@pytest.mark.parametrize(
    ("x", "expected"),
    [([2.0, 3.0, 4.0], [12, 8, 6]), ([0.0, 3.0, 4.0], [12, 0, 0]), ([0.0, 0.0, 4.0], [0, 0, 0])],
)
def test_prod_with_zeros_is_exact(x: list[float], expected: list[float]) -> None:
    assert_array_equal(gradient(np.prod, np.array(x)), expected)


@pytest.mark.parametrize("x", [[2.0, 0.0, 3.0, 4.0], [0.0, 0.0, 3.0, 4.0]])
def test_cumprod_with_zeros_is_exact(x: list[float]) -> None:
    a, b, c, d = x
    expected = [1 + b + b * c + b * c * d, a + a * c + a * c * d, a * b + a * b * d, a * b * c]
    assert_array_equal(gradient(np.cumprod, np.array(x)), expected)


@pytest.mark.parametrize("function", [np.arctan2, np.hypot])
def test_angle_and_length_at_the_origin_are_zero(function: Any) -> None:
    assert gradient(function, 0.0, 0.0) == (0.0, 0.0)


def test_repeated_index_is_summed() -> None:
    x = np.array([1.0, 2.0, 3.0])
    assert_array_equal(gradient(lambda t: t[[0, 2, 0, 0]], x), [3, 0, 1])
    assert_array_equal(gradient(lambda t: np.take(t, [1, 1]), x), [0, 2, 0])


@pytest.mark.parametrize("function", [lambda x: x * x, lambda x: np.dot(x, x), lambda x: x @ x])
def test_same_tensor_twice_is_summed(function: Any) -> None:
    x = am.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = function(x)
    assert len(y.op.inputs) == 2
    y.sum().backward()
    assert_array_equal(x.grad, [2, 4, 6])


def test_logsumexp_and_softmax_are_finite_at_large_values() -> None:
    x = np.array([1000.0, 1000.0, -1000.0])
    assert_allclose(gradient(am.logsumexp, x), [0.5, 0.5, 0])
    assert_allclose(gradient(lambda t: am.softmax(t)[0], x), [0.25, -0.25, 0], atol=1e-15)


def test_sigmoid_and_softplus_are_finite_in_the_tails() -> None:
    x = np.array([-800.0, 0.0, 800.0])
    assert_array_equal(gradient(am.sigmoid, x), [0, 0.25, 0])
    assert_array_equal(gradient(am.softplus, x), [0, 0.5, 1])
