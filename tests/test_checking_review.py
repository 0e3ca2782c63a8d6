"""Gradients that were hard to judge: rounding inside of a function, and kinks beside the point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autograd_mini.checking import gradcheck
from autograd_mini.errors import ArgumentError, GradientError


@pytest.mark.parametrize("seed", range(6))
def test_cancellation_inside_of_a_function_is_noise(seed: int) -> None:
    x = 1e-4 * np.random.default_rng(seed).uniform(0.5, 5, 4)
    report = gradcheck(
        lambda x: (1 - np.cos(x)) / x**2, x, vjp=lambda g, x: (-g * x / 12,), raises=False
    )
    assert report.count("wrong") == 0


@pytest.mark.parametrize("distance", [1e-6, 1e-8, 1e-10, 1e-12])
def test_a_kink_beside_the_point_is_no_noise(distance: float) -> None:
    x = np.array([1 + distance, 1 - distance, -1 - distance, 0.5, -3.0, 2.0, 7.0])
    assert gradcheck(lambda x: np.clip(x, -1, 1), x, vjp=lambda g, x: (g * (abs(x) <= 1),)).ok


@pytest.mark.parametrize("seed", range(8))
def test_a_missing_gradient_is_seen_beside_rounding_to_float32(seed: int) -> None:
    x = np.random.default_rng(seed).uniform(1, 8, 4)

    def f(x: np.ndarray) -> float:
        return float(np.sum(np.exp(-((x / 10).astype(np.float32) ** 2))))

    def gradient(x: np.ndarray) -> np.ndarray:
        return -x / 50 * np.exp(-((x / 10) ** 2))

    def spoiled(x: np.ndarray) -> np.ndarray:
        return gradient(x) * (np.arange(4) != np.argmax(abs(gradient(x))))

    assert gradcheck(f, x, grad=gradient, raises=False).count("wrong") == 0
    assert not gradcheck(f, x, grad=spoiled, raises=False).ok


@pytest.mark.parametrize("seed", range(6))
def test_rounding_of_the_input_is_noise(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=4)
    report = gradcheck(lambda x: np.sum(np.sin(np.round(x, 6))), x, grad=np.cos, raises=False)
    assert report.count("wrong") == 0


def test_steep_features_are_seen_beside_flat_ones() -> None:
    x = 1 + 1e-6 * np.array([2.0, -2.6, 0.4])

    def gradient(x: np.ndarray) -> np.ndarray:
        return -2e12 * (x - 1) * np.exp(-((1e6 * (x - 1)) ** 2))

    f = lambda x: np.sum(np.exp(-((1e6 * (x - 1)) ** 2)))  # noqa: E731
    assert gradcheck(f, x, grad=gradient).ok
    report = gradcheck(f, x, grad=lambda x: 1.01 * gradient(x), raises=False)
    assert report.count("wrong") == 3


def square(x: Any, *others: Any) -> Any:
    return np.sum(np.asarray(x) ** 2)


@pytest.mark.parametrize("others", [(None,), ("mode",), (np.array([True]),), (2,)])
def test_one_gradient_is_enough_for_the_only_input_that_is_differentiated(others: Any) -> None:
    x = np.array([1.0, 2.0])
    assert gradcheck(square, x, *others, grad=lambda x, *_: 2 * x).ok
    assert gradcheck(square, x, *others, vjp=lambda g, x, *_: (2 * g * x,)).ok
    assert gradcheck(square, x, 3.0, argnums=0, grad=lambda x, _: 2 * x).ok
    assert not gradcheck(square, x, *others, grad=lambda x, *_: (x, x, x), raises=False).ok


def test_gradients_may_be_lists_of_numbers() -> None:
    for shape in [(3,), (1,), (1, 1), (2, 1)]:
        x = np.ones(shape)
        assert gradcheck(square, x, grad=lambda x: (2 * x).tolist()).ok
        assert gradcheck(square, x, vjp=lambda g, x: [2 * g * x]).ok
    assert not gradcheck(square, np.ones(3), grad=lambda x: [2.0, 2.0], raises=False).ok
    assert gradcheck(square, [1.0, 2.0], grad=lambda x: 2 * np.asarray(x)).ok


@pytest.mark.parametrize(
    "wrong",
    [{"rtol": -1}, {"atol": "a"}, {"step": 0}, {"step": np.nan}, {"seed": None}, {"grad": 2.0}],
)
def test_settings_that_mean_nothing_are_refused(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        gradcheck(square, 3.0, **{"grad": lambda x: 2 * x, **wrong})


def test_inputs_that_do_not_fit_the_function_are_refused() -> None:
    with pytest.raises(ArgumentError, match="one by one"):
        gradcheck(lambda x, y: x * y, (2.0, 3.0))
    with pytest.raises(GradientError, match="pair"):
        gradcheck(square, 3.0, jac=True)


@pytest.mark.long
def test_many_entries_beside_noise_are_not_called_wrong() -> None:
    x = np.random.default_rng(0).normal(size=500)

    def f(x: Any) -> float:
        return float(np.sum(np.sin(x.astype(np.float32))))

    assert gradcheck(f, x, grad=np.cos, raises=False).count("wrong") == 0
    assert gradcheck(f, x, grad=lambda x: -np.cos(x), raises=False).count("wrong") > 400


def test_a_coarse_first_bar_does_not_overrule_a_finer_one() -> None:
    x = np.array([-0.03, -7e-8, 4.1e7, 311.0, -52.0, 12.0, 99.0, 17.0])
    report = gradcheck(lambda x: np.sum(x * x), x, grad=lambda x: 2.002 * x, raises=False)
    assert report.parts[0].verdict[2] == 2
