"""Gradients that were hard to judge: rounding inside of a function, and kinks beside the point."""

from __future__ import annotations

import numpy as np
import pytest

from autograd_mini.checking import gradcheck


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
