"""Edges of reductions and statistics: masks, starts, equal elements, complex numbers, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am


def leaf(value: Any, dtype: Any = None) -> Any:
    return am.tensor(value, requires_grad=True, dtype=dtype)


def gradient(function: Any, *values: Any) -> Any:
    tensors = [leaf(v) for v in values]
    function(*tensors).sum().backward()
    return tensors[0].grad if len(tensors) == 1 else [t.grad for t in tensors]


def test_masked_elements_get_no_gradient_even_when_they_are_nan() -> None:
    x, mask = [1.0, np.nan, 3.0], [True, False, True]
    for function, expected in (
        (np.sum, [1, 0, 1]),
        (np.prod, [3, 0, 1]),
        (np.mean, [0.5, 0, 0.5]),
        (np.var, [-1, 0, 1]),
        (np.std, [-0.5, 0, 0.5]),
    ):
        assert_allclose(gradient(lambda t, f=function: f(t, where=mask), x), expected)


def test_a_mask_may_be_a_tensor_and_a_start_may_carry_a_gradient() -> None:
    x = leaf([1.0, -2.0, 3.0])
    np.sum(x, where=x > 0).backward()
    assert_array_equal(x.grad, [1, 0, 1])
    gx, gs = gradient(lambda x, s: np.prod(x, initial=s), [2.0, 3.0], 4.0)
    assert_array_equal(gx, [12, 8])
    assert gs == 6
    gx, gs = gradient(lambda x, s: np.max(x, initial=s), [2.0, 3.0], 4.0)
    assert_array_equal(gx, [0, 0])
    assert gs == 1
    gx, gs = gradient(lambda x, s: np.max(x, axis=1, initial=s), np.zeros((2, 0)), 4.0)
    assert gs == 2


def test_masked_extremes_need_a_start() -> None:
    with pytest.raises(am.ArgumentError, match=r"initial=-np.inf"):
        np.max(leaf([1.0, 2.0]), where=[True, False])
    assert np.min(leaf([1.0, 2.0]), where=[False, True], initial=np.inf).item() == 2


def test_a_mask_and_a_start_must_fit() -> None:
    x = leaf([1.0, 2.0, 3.0])
    with pytest.raises(am.ShapeError, match="the mask `where` of shape"):
        np.sum(x, where=np.ones((2, 3), bool))
    with pytest.raises(am.ShapeError, match="`initial` must be one number"):
        np.sum(x, initial=[1.0, 2.0])
    with pytest.raises(am.ArgumentError, match="two names of the same number"):
        np.var(x, ddof=1, correction=1)


def test_std_of_equal_elements_has_gradient_zero_in_every_form() -> None:
    x = [0.1, 0.1, 0.1]
    assert_array_equal(gradient(np.std, x), [0, 0, 0])
    assert_array_equal(gradient(lambda t: np.std(t, where=[True, True, False]), x), [0, 0, 0])
    y = [0.1, 0.1, 5.0]
    assert_array_equal(gradient(lambda t: np.std(t, where=[True, True, False]), y), [0, 0, 0])
    m = np.array([0.1])
    assert_array_equal(gradient(lambda t: np.std(t, mean=m), x), [0, 0, 0])


def test_a_mean_that_is_a_tensor_gets_its_gradient() -> None:
    x, m = np.array([1.0, 2.0, 4.0]), np.array([1.5])
    assert am.gradcheck(lambda x, m: np.var(x, mean=m, keepdims=True), x, m).ok
    assert am.gradcheck(lambda x, m: np.std(x, mean=m, ddof=1, keepdims=True), x, m).ok


def test_too_many_degrees_of_freedom_give_what_numpy_gives() -> None:
    x = am.tensor([1.0, 2.0])
    with pytest.warns(RuntimeWarning):
        assert np.var(x, ddof=3).item() == np.inf
    with pytest.warns(RuntimeWarning):
        assert np.isnan(np.var(x[:1], ddof=1).item())


def test_extremes_of_complex_numbers_are_split_among_ties() -> None:
    x = np.array([1 + 2j, 3.0, 3.0, -1j])
    t = leaf(x)
    np.real(np.max(t)).backward()
    assert_array_equal(t.grad, [0, 0.5, 0.5, 0])


def test_products_of_complex_numbers_are_exact_with_zeros() -> None:
    for function in (np.prod, np.cumprod, np.std, np.var):

        def parts(a: Any, b: Any, f: Any = function) -> Any:
            y = f(a + 1j * b)
            return np.real(y), np.imag(y)

        assert am.gradcheck(parts, np.array([1.0, 0.0, 3.0]), np.array([2.0, 0.0, -1.0])).ok


def test_cumprod_with_zeros_is_exact_in_second_order() -> None:
    for x in ([2.0, 0.0, 3.0, 4.0], [0.0, 2.0, 0.0, 3.0, 0.0], [1e-200, 1e-200, 2.0]):

        def first(x: Any) -> Any:
            return am.grad(lambda x: np.sum(np.cumprod(x) * np.arange(1.0, x.size + 1)))(x)

        assert am.gradcheck(np.cumprod, np.array(x)).ok
        assert am.gradcheck(first, np.array(x)).ok


def test_average_names_weights_that_do_not_fit() -> None:
    x = leaf(np.ones((2, 3)))
    with pytest.raises(am.ShapeError, match="need an axis"):
        np.average(x, weights=[1, 2, 3])
    with pytest.raises(am.ShapeError, match="do not fit axis 0"):
        np.average(x, axis=0, weights=[1, 2, 3])
    with pytest.raises(ZeroDivisionError):
        np.average(x, axis=1, weights=[1, -1, 0])


def test_weights_of_plain_values_get_their_gradient() -> None:
    values = np.array([1.0, 2.0, 4.0])
    assert am.gradcheck(lambda w: np.average(values, weights=w), np.array([1.0, 2.0, 3.0])).ok
    m = np.arange(12.0).reshape(3, 4) ** 2
    assert am.gradcheck(lambda w: np.cov(m, aweights=w), np.array([1.0, 2.0, 3.0, 1.5])).ok


def test_cov_names_what_it_does_not_take() -> None:
    x = leaf(np.ones((2, 3)))
    with pytest.raises(am.ShapeError, match="at most two axes"):
        np.cov(leaf(np.ones((1, 2, 3))))
    with pytest.raises(am.ShapeError, match="for 3 observations"):
        np.cov(x, aweights=[1, 2])
    with pytest.raises(am.ArgumentError, match="must not be negative"):
        np.cov(x, aweights=[1, 2, -1])
    with pytest.raises(am.ArgumentError, match="fweights are counts"):
        np.cov(x, fweights=[1, 2, 1.5])
    with pytest.raises(am.ArgumentError, match="ddof must be an integer"):
        np.cov(x, ddof=1.5)


def test_correlation_of_dependent_variables_is_one_with_gradient_zero() -> None:
    x = np.array([1.0, 2.0, 4.0])
    assert_allclose(gradient(lambda t: np.corrcoef(t, 3 * t + 1), x), 0, atol=1e-12)
    assert gradient(np.corrcoef, x).tolist() == [0, 0, 0]


def test_float32_stays_float32_with_masks_and_starts() -> None:
    x = leaf(np.ones((2, 3), np.float32), np.float32)
    mask = np.array([True, False, True])
    for y in (
        np.sum(x, where=mask, initial=2.0),
        np.mean(x, axis=1, where=mask),
        np.var(x, axis=1, where=mask),
        np.std(x, where=mask, mean=np.float32([[0.5]])),
        np.max(x, initial=0.5, where=mask),
        np.average(x, weights=np.float32([1, 2, 3]), axis=1),
    ):
        assert y.dtype == np.float32
        y.sum().backward()
    assert x.grad.dtype == np.float32


METHODS = [
    lambda x: np.add.reduce(x),
    lambda x: np.add.reduce(x, axis=(0, 2), keepdims=True),
    lambda x: np.maximum.reduce(x, 1, initial=0.0, where=np.arange(4)[:, None] > 1),
    lambda x: np.multiply.reduce(x, axis=None),
    lambda x: np.minimum.reduce(x),
    lambda x: np.subtract.reduce(x, 1),
    lambda x: np.logaddexp.reduce(x, axis=-1, keepdims=True),
    lambda x: np.hypot.reduce(x, initial=2.0),
    lambda x: np.maximum.accumulate(x, 1),
    lambda x: np.minimum.accumulate(x),
    lambda x: np.add.accumulate(x, 2),
    lambda x: np.multiply.accumulate(x),
    lambda x: np.divide.accumulate(x, 0),
    lambda x: np.add.reduceat(x, [0, 2, 1], axis=1),
    lambda x: np.multiply.outer(x, x[0]),
    lambda x: np.subtract.outer(2.0, x),
    lambda x: np.maximum.outer(np.ones((2, 2)) * 0.1, x),
    lambda x: np.add.reduce(x, dtype=np.float32) * 1.0,
]


@pytest.mark.parametrize("method", METHODS)
def test_methods_of_ufuncs_equal_numpy(method: Any) -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 2))
    y = method(am.tensor(x))
    assert type(y) is am.Tensor
    assert y.dtype == method(x).dtype
    assert_allclose(y.data, method(x), rtol=1e-6)
    if method is not METHODS[-1]:
        assert am.gradcheck(method, x).ok


def test_methods_of_ufuncs_on_flags_and_empty_arrays() -> None:
    flags = am.tensor([[True, False], [True, True]])
    assert_array_equal(np.logical_and.reduce(flags).data, [True, False])
    assert np.logical_or.reduce(flags, axis=None).item() is True
    assert_array_equal(np.hypot.reduce(am.tensor(np.ones((0, 2)))), [0, 0])
    with pytest.raises(am.ShapeError, match="there is nothing along axis"):
        np.arctan2.reduce(am.tensor(np.ones((0, 2))))


def test_equal_running_extremes_share_between_the_first_and_the_last() -> None:
    x = [1.0, 3.0, 3.0, 3.0, 2.0, 5.0]
    assert_array_equal(gradient(np.maximum.accumulate, x), [1, 2.5, 0.5, 1, 0, 1])
    y = np.maximum.accumulate(leaf([1.0, np.nan, 3.0]))
    assert_array_equal(y.data, [1, np.nan, np.nan])


def test_methods_of_ufuncs_that_cannot_be_recorded_name_the_cure() -> None:
    t = leaf([1.0, 2.0])
    for target, value in ((t, 1.0), (np.ones(2), t)):
        with pytest.raises(am.UnsupportedError, match=r"am.set_at\(a, index, np.add\(a\[index\]"):
            np.add.at(target, 0, value)
    with pytest.raises(am.UnsupportedError, match=r"write y = np.add.reduce"):
        np.add.reduce(t, out=np.empty(()))
    with pytest.raises(am.ShapeError, match="goes along one axis"):
        np.subtract.reduce(leaf(np.ones((2, 2))), axis=None)
    with pytest.raises(am.UnsupportedError, match="takes no mask `where`"):
        np.subtract.reduce(t, where=[True, False])


@pytest.mark.parametrize("function", [np.sum, np.prod])
@pytest.mark.parametrize("values", [[1, 2, 3], [True, False], [100, 100, 100]])
def test_small_integers_asked_for_are_given(function: Any, values: Any) -> None:
    for dtype in (np.int8, np.int32, np.uint16):
        found = function(am.tensor(values), dtype=dtype)
        expected = function(np.array(values), dtype=dtype)
        assert found.dtype == expected.dtype
        assert found.data == expected
