"""Order, quantiles and reductions around NaN: what their gradients are, ties, edges, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am
from autograd_mini.ops.order import ALPHA_BETA, STEPS

METHODS = [*STEPS, *ALPHA_BETA]
X = np.random.default_rng(0).normal(size=(3, 5))
HOLES = np.array([[0, 1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], bool)


def leaf(value: Any) -> Any:
    return am.tensor(value, requires_grad=True)


@pytest.mark.parametrize("method", METHODS)
def test_quantiles_equal_numpy_at_every_step(method: str) -> None:
    generator = np.random.default_rng(1)
    for n in range(1, 12):
        x = generator.normal(size=n)
        with_holes = generator.permutation(np.concatenate([x, [np.nan, np.nan]]))
        for q in (np.linspace(0, 1, 21), np.arange(2 * n + 1) / (2 * n), generator.random(5)):
            expected = np.quantile(x, q, method=method)
            found = np.quantile(am.tensor(x), q, method=method)
            assert_allclose(found.data, expected, rtol=1e-10)
            found = np.nanquantile(am.tensor(with_holes), q, method=method)
            assert_allclose(found.data, expected, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_quantile_has_a_gradient_by_what_is_asked(method: str) -> None:
    for q in (0.13, np.array([0.07, 0.43, 0.81])):
        assert am.gradcheck(lambda x, q: np.quantile(x, q, 1, method=method), X, q).ok
        assert am.gradcheck(lambda x, q: np.nanquantile(x, q, 1, method=method), X, q).ok


AROUND_NAN = [
    np.nansum,
    np.nanprod,
    np.nanmean,
    np.nanmax,
    np.nanmin,
    np.nanvar,
    np.nanstd,
    np.nanmedian,
    lambda x, axis=None: np.nanquantile(x, 0.3, axis),
    lambda x, axis=None: np.nanpercentile(x, [30, 80], axis, method="hazen"),
    np.nancumsum,
    np.nancumprod,
    lambda x, axis=None: np.sort(x, axis) if axis is not None else 0.0 * np.nansum(x),
]


@pytest.mark.parametrize("function", AROUND_NAN)
def test_gradients_around_nan_equal_finite_differences(function: Any) -> None:
    for axis in (None, 1):

        def with_holes(x: Any, f: Any = function, axis: Any = axis) -> Any:
            y = f(np.where(HOLES, np.nan, x), axis=axis)
            return np.where(np.isnan(y), 0, y)

        x = X.copy()
        assert am.gradcheck(with_holes, x).ok
        t = leaf(np.where(HOLES, np.nan, X))
        y = function(t, axis=axis)
        np.where(np.isnan(y), 0, y).sum().backward()
        if "<lambda>" not in function.__name__:
            assert_array_equal(t.grad[HOLES], 0)


def test_nothing_but_nan_gives_nan() -> None:
    x = leaf([[np.nan, np.nan], [1.0, 2.0]])
    for function in (np.nanmax, np.nanmin, np.nanmedian, lambda x, a: np.nanquantile(x, 0.3, a)):
        y = function(x, 1)
        assert_array_equal(np.isnan(y).data, [True, False])
    with pytest.warns(RuntimeWarning):
        assert_array_equal(np.isnan(np.nanmean(x, 1)).data, [True, False])
    assert np.nansum(x[0]).item() == 0
    assert np.nanmax(x, 1, initial=0.5).data.tolist() == [0.5, 2]


def test_nan_spreads_through_medians_and_quantiles() -> None:
    x = leaf([[np.nan, 1.0, 2.0], [1.0, 5.0, 2.0]])
    assert_array_equal(np.median(x, 1).data, [np.nan, 2])
    assert_array_equal(np.quantile(x, 0.5, 1, method="lower").data, [np.nan, 2])
    assert np.isnan(np.percentile(x, 50).item())
    x = leaf([np.nan, 1.0, 2.0])
    with pytest.warns(RuntimeWarning):
        assert np.isnan(np.nanvar(leaf([np.nan, 1.0]), ddof=1).item())


def test_the_middle_of_an_even_number_is_shared() -> None:
    x = leaf([4.0, 1.0, 3.0, 2.0])
    np.median(x).backward()
    assert_array_equal(x.grad, [0, 0, 0.5, 0.5])


def test_medians_and_quantiles_of_infinite_elements() -> None:
    for x in ([1.0, np.inf, np.inf, 2.0, np.inf], [-np.inf, 1.0, 2.0, 3.0], [np.inf] * 4):
        assert np.median(am.tensor(x)).item() == np.median(x)
    y = np.quantile(am.tensor([1.0, 2.0, np.inf]), [0.0, 0.5])
    assert_array_equal(y.data, [1, 2])


def test_edges_of_quantiles() -> None:
    with pytest.raises(am.OperandError, match="complex numbers have no order"):
        np.quantile(am.tensor([1j, 2.0]), 0.5)
    with pytest.raises(am.ShapeError, match="no elements over axis"):
        np.quantile(am.tensor(np.ones((2, 0))), 0.5, axis=1)
    with pytest.raises(am.ArgumentError, match="q must be from 0 to 1"):
        np.quantile(leaf(X), 1.5)
    with pytest.raises(am.ArgumentError, match="q must be from 0 to 100"):
        np.percentile(leaf(X), [-1, 50])
    with pytest.raises(am.ArgumentError, match="'cubic' is not known; expected one of linear"):
        np.quantile(leaf(X), 0.5, method="cubic")
    with pytest.raises(am.ArgumentError, match="weights go with method='inverted_cdf'"):
        np.quantile(leaf(X), 0.5, weights=np.ones_like(X))
    with pytest.raises(am.ArgumentError, match="must not be negative"):
        np.quantile(leaf(X), 0.5, weights=-np.ones_like(X), method="inverted_cdf")
    with pytest.warns(RuntimeWarning):
        assert np.isnan(np.median(am.tensor(np.ones((0,)))).item())


def test_partition_puts_the_element_in_its_place() -> None:
    x = leaf(X)
    y = np.partition(x, 2, 1)
    assert_array_equal(y.data[:, 2], np.sort(X, 1)[:, 2])
    y[:, 2].sum().backward()
    assert_array_equal(x.grad, np.sort(X, 1)[:, 2:3] == X)


def test_float32_stays_float32() -> None:
    x = leaf(np.float32(X))
    for function in (
        np.median,
        np.nanmedian,
        lambda x: np.quantile(x, 0.3),
        lambda x: np.nanpercentile(x, 30, 1, keepdims=True),
        np.nanstd,
        np.nanmax,
        np.nanprod,
    ):
        y = function(x)
        assert y.dtype == np.float32
        y.sum().backward()
    assert x.grad.dtype == np.float32


def test_vmap_takes_order_and_nan_functions_at_once() -> None:
    for function in (
        np.median,
        np.nanmedian,
        np.nanstd,
        np.nanmax,
        np.sort,
        lambda x: np.quantile(x, [0.2, 0.7]),
        lambda x: np.nanquantile(x, 0.2),
        np.maximum.accumulate,
    ):
        x = np.where(HOLES, np.nan, X) if function is not np.maximum.accumulate else X
        assert_allclose(am.vmap(function)(x), [function(row) for row in x], rtol=1e-12)
