"""Histograms: values of NumPy to the last digit, edges with gradients, counts without."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

X = np.array([1.0, 2.0, 4.0])


def value_of(x: Any) -> Any:
    return x.data if isinstance(x, am.Tensor) else x


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: np.sum(np.histogram(x)[1]), [5.5, 0, 5.5]),
        (lambda x: np.sum(np.histogram_bin_edges(x)), [5.5, 0, 5.5]),
        (lambda x: np.sum(np.histogram(x, 4)[1]), [2.5, 0, 2.5]),
        (lambda x: np.sum(np.histogram2d(x, X)[1]), [5.5, 0, 5.5]),
        (lambda x: np.sum(np.histogram2d(X, x)[2]), [5.5, 0, 5.5]),
        (lambda x: np.sum(np.histogram2d(x, X)[2]) + x[0], [1, 0, 0]),
        (lambda x: np.sum(np.histogramdd(np.stack([x, X], 1), [10, 2])[1][0]), [5.5, 0, 5.5]),
        (lambda x: np.sum(np.histogram(np.arange(5.0), x)[1] ** 2), 2 * X),
        (lambda x: np.histogram(x, 2)[1][1], [0.5, 0, 0.5]),
        (lambda x: np.sum(np.histogram(np.concatenate([x, x]))[1]), [5.5, 0, 5.5]),
    ],
)
def test_edges_of_a_histogram_have_a_gradient(function: Any, expected: Any) -> None:
    assert_allclose(am.grad(function)(X), expected)
    assert_allclose(am.jvp(function, (X,), (np.ones(3),))[1], np.sum(expected))


def test_a_density_has_the_gradient_of_its_widths() -> None:
    def density(x: Any) -> Any:
        return np.sum(np.histogram(x, 2, density=True)[0] * [1.0, 3.0])

    # counts 2 and 1, so 1·(2/3 + 3·1/3)·2/(b − a)
    width = X[2] - X[0]
    assert_allclose(density(X), (2 + 3) / 3 * 2 / width)
    assert_allclose(am.grad(density)(X), np.array([1, 0, -1]) * (2 + 3) / 3 * 2 / width**2)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
@pytest.mark.parametrize(
    "form",
    [
        {}, {"bins": 5}, {"bins": "auto"}, {"range": (-2, 3)}, {"density": True},
        {"bins": 4, "density": True, "weights": np.arange(1.0, 18)}, {"bins": [-1.0, 0, 0.5, 2]},
    ],
)  # fmt: skip
def test_a_histogram_of_tensors_is_that_of_numpy(dtype: Any, form: dict[str, Any]) -> None:
    x = np.random.default_rng(0).normal(scale=4, size=17).astype(dtype)
    counts, edges = np.histogram(x, **form)
    for t in (am.tensor(x), am.tensor(x, requires_grad=x.dtype.kind == "f")):
        found, borders = map(value_of, np.histogram(t, **form))
        assert_allclose(found, counts, rtol=1e-2 if dtype == np.float16 else 1e-6)
        assert found.dtype == counts.dtype
        assert_array_equal(borders, edges)
        assert borders.dtype == edges.dtype


def test_a_histogram_of_one_value_has_room_for_one_bin() -> None:
    counts, edges = np.histogram(am.tensor([2.0, 2.0], requires_grad=True), 2)
    assert_array_equal(counts, [0, 2])
    assert_array_equal(edges.data, [1.5, 2.0, 2.5])


def test_weights_that_require_a_gradient_are_refused_with_what_records_them() -> None:
    w = am.tensor([1.0, 2.0, 3.0], requires_grad=True)
    with pytest.raises(am.UnsupportedError, match=r"np\.bincount.*constant"):
        np.histogram(X, weights=w)
