"""NumPy's functions on tensors give what they give on arrays, for every form of their arguments."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from calls import CALLS, FUNCTIONS
from calls.forms import FLAGS, Call, M
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

SHAPED = {np.trim_zeros, np.unique, np.unique_values, np.intersect1d, np.setdiff1d, np.setxor1d}
"""The shape of their result depends on values, so that finite differences may not exist."""
FILES = {np.save, np.savetxt, np.savez, np.savez_compressed}


def wrapped(value: Any) -> Any:
    """Replace the arrays and NumPy scalars of an argument by tensors."""
    if isinstance(value, (np.ndarray, np.float64)):
        return am.tensor(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, np.ndarray) for v in value):
        return type(value)(map(wrapped, value))
    return value


def assert_same(result: Any, expected: Any, exact: bool) -> None:
    """Compare what came from tensors with what came from arrays, dtypes too."""
    if isinstance(expected, (tuple, list)):
        assert len(result) == len(expected)
        for r, e in zip(result, expected, strict=True):
            assert_same(r, e, exact)
        return
    value = result.data if isinstance(result, am.Tensor) else result
    if isinstance(expected, (np.ndarray, np.generic)):
        assert value.dtype == expected.dtype
        assert value.shape == expected.shape
        if exact:
            assert_array_equal(value, expected)
        else:
            single = value.dtype in (np.float32, np.complex64)
            assert_allclose(value, expected, rtol=1e-6 if single else 1e-12)
    else:
        assert value == expected


def test_every_function_of_the_table_has_calls() -> None:
    assert [f.__name__ for f in FUNCTIONS if f not in CALLS and f not in FILES] == []


FORMS = [
    pytest.param(function, call, id=f"{function.__name__}({call})")
    for function, calls in CALLS.items()
    for call in calls
]


@pytest.mark.parametrize(("function", "call"), FORMS)
def test_function_of_tensors_equals_numpy(function: Any, call: Call) -> None:
    expected = function(*call.args, **call.kwargs)
    result = function(*map(wrapped, call.args), **call.kwargs)
    assert_same(result, expected, exact=False)


def complex_parts(value: Any) -> list[Any]:
    """Return the numbers in a result as real ones: complex ones as two."""
    if isinstance(value, (list, tuple)):
        return [part for v in value for part in complex_parts(v)]
    if isinstance(value, am.Tensor) and value.dtype.kind in "fc":
        return [np.real(value), np.imag(value)] if value.dtype.kind == "c" else [value]
    return []


class Differentiated:
    """A call as a function of the real numbers in its arguments: complex arrays count as two."""

    def __init__(self, function: Any, call: Call) -> None:
        self.function, self.call = function, call
        self.numbers: list[Any] = []
        self.visit(call.args, self.collect), self.visit(call.kwargs, self.collect)

    def visit(self, value: Any, seen: Any) -> Any:
        if isinstance(value, dict):
            return {k: self.visit(v, seen) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.visit(v, seen) for v in value)
        floating = isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fc"
        return seen(value) if floating else value

    def collect(self, value: Any) -> Any:
        parts = (value.real, value.imag) if value.dtype.kind == "c" else (value,)
        self.numbers += [np.array(part, float)[()] for part in parts]
        return value

    def __call__(self, *numbers: Any) -> Any:
        left = iter(numbers)

        def taken(value: Any) -> Any:
            return next(left) + 1j * next(left) if value.dtype.kind == "c" else next(left)

        args, kwargs = (self.visit(v, taken) for v in (self.call.args, self.call.kwargs))
        with np.errstate(all="ignore"):
            return complex_parts(self.function(*args, **kwargs))


@pytest.mark.parametrize(("function", "call"), FORMS)
def test_gradient_of_a_function_equals_finite_differences(function: Any, call: Call) -> None:
    differentiated = Differentiated(function, call)
    numbers = differentiated.numbers
    if not numbers or function in SHAPED or not all(np.isfinite(x).all() for x in numbers):
        return  # tests/test_order.py and test_rearranging.py differentiate these
    outputs = differentiated(*(am.tensor(x, requires_grad=True) for x in numbers))
    if any(y.requires_grad for y in outputs):
        assert am.gradcheck(differentiated, *numbers, jac=False).ok


@pytest.mark.parametrize(("function", "call"), FORMS)
def test_function_of_tensors_that_require_a_gradient_equals_numpy(
    function: Any, call: Call
) -> None:
    def tracked(value: Any) -> Any:
        t = wrapped(value)
        for part in t if isinstance(t, (list, tuple)) else [t]:
            if isinstance(part, am.Tensor) and part.dtype.kind == "f":
                part.requires_grad = True
        return t

    expected = function(*call.args, **call.kwargs)
    assert_same(function(*map(tracked, call.args), **call.kwargs), expected, exact=False)


def test_saving_functions_write_the_values(tmp_path: Any) -> None:
    t = am.tensor(M, requires_grad=True)
    np.save(tmp_path / "a.npy", t)
    np.savez(tmp_path / "b.npz", t=t)
    np.savez_compressed(tmp_path / "c.npz", t=t)
    np.savetxt(tmp_path / "d.txt", t)
    assert_array_equal(np.load(tmp_path / "a.npy"), M)
    assert_array_equal(np.load(tmp_path / "b.npz")["t"], M)
    assert_array_equal(np.load(tmp_path / "c.npz")["t"], M)
    assert_allclose(np.loadtxt(tmp_path / "d.txt"), M)


def test_where_with_a_condition_alone_gives_indices() -> None:
    assert_same(np.where(am.tensor(FLAGS)), np.where(FLAGS), exact=True)


def test_dtype_keyword_of_a_ufunc_converts_the_result() -> None:
    y = np.add(am.tensor(M), 1.0, dtype=np.float32)
    assert y.dtype == np.float32


def test_dtype_keyword_decides_what_the_ufunc_computes_in() -> None:
    t = am.tensor(np.array([200, 100], np.uint8))
    assert_same(np.add(t, t, dtype=np.int64), np.add(t.data, t.data, dtype=np.int64), exact=True)


def test_array_on_the_left_of_an_operator_records() -> None:
    t = am.tensor(M, requires_grad=True)
    for y in (M + t, M - t, M * t, M / t, 2.0**t, M.T @ t, np.float64(2) * t):
        assert type(y) is am.Tensor
        assert y.requires_grad


def test_array_on_the_left_of_a_comparison_records() -> None:
    t = am.tensor(M)
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        y = compare(M, t)
        assert type(y) is am.Tensor
        assert_array_equal(y.data, compare(M, M))


def test_in_place_operator_of_an_array_with_a_tensor_refuses() -> None:
    a = M.copy()
    with pytest.raises(am.UnsupportedError):
        a += am.tensor(M, requires_grad=True)
    assert_array_equal(a, M)


@pytest.mark.parametrize("function", [np.sin, np.add, np.sum, np.mean, np.concatenate, np.clip])
def test_functions_of_plain_arrays_stay_plain(function: Any) -> None:
    call = CALLS[function][0]
    assert type(function(*call.args, **call.kwargs)) is not am.Tensor


@given(data=st.data())
def test_indexing_equals_numpy_and_gradients_are_added_where_they_came_from(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    array = np.arange(float(np.prod(shape))).reshape(shape)
    index = data.draw(
        hnp.basic_indices(shape, allow_newaxis=True)
        | hnp.integer_array_indices(shape)
        | hnp.arrays(bool, shape)
        | st.tuples(st.just(Ellipsis), st.integers(-shape[-1], shape[-1] - 1))
        | st.lists(st.integers(-shape[0], shape[0] - 1), min_size=1, max_size=4)
    )
    x = am.tensor(array, requires_grad=True)
    y = x[index]
    expected = array[index]
    assert_same(y, expected, exact=True)
    g = np.random.default_rng(0).normal(size=np.shape(expected))
    y.backward(g)
    scattered = np.zeros(shape)
    np.add.at(scattered, index, g)
    assert_allclose(x.grad, scattered, rtol=1e-12)


def test_index_made_of_tensors_is_part_of_the_graph() -> None:
    i = am.tensor([2, 0, 2], name="i")
    x = am.tensor(M, requires_grad=True)
    y = x[i]
    assert_array_equal(y.data, M[[2, 0, 2]])
    assert any(t is i for t in y.op.inputs)
    y.sum().backward()
    assert_array_equal(x.grad, [[1] * 4, [0] * 4, [2] * 4])
    assert_array_equal(x[x > 0].data, M[M > 0])
    assert_array_equal(x[am.tensor(1), am.tensor(2)].data, M[1, 2])
