"""NumPy's functions on tensors give what they give on arrays, for every form of their arguments."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am
from autograd_mini.table import table

GENERATOR = np.random.default_rng(7)
X = GENERATOR.normal(size=(2, 3, 4))
M = GENERATOR.normal(size=(3, 4))
V = GENERATOR.normal(size=4)
S = np.float64(0.75)
INTS = GENERATOR.integers(1, 9, size=(3, 4))
FLAGS = np.array([[True, False, True, True]] * 3)
P = GENERATOR.uniform(0.1, 0.9, size=(3, 4))


class Call:
    """One form of a call: positional and keyword arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs

    def __repr__(self) -> str:
        parts = [str(np.shape(a)) if isinstance(a, np.ndarray) else repr(a) for a in self.args]
        return ", ".join([*parts, *(f"{k}={v}" for k, v in self.kwargs.items())])


AXES = (
    Call(X), Call(X, 1), Call(X, axis=-1), Call(X, axis=(0, 2)), Call(X, axis=(-1, 0)),
    Call(X, axis=None, keepdims=True), Call(X, axis=1, keepdims=True), Call(S), Call(X, axis=()),
)  # fmt: skip
TYPED = (*AXES, Call(M, dtype=np.float32), Call(INTS, axis=0))
RUNNING = (Call(X), Call(X, 1), Call(X, axis=-1), Call(INTS, axis=0), Call(S))
ONES = np.ones((3, 4), int)
UNARY = (Call(P), Call(ONES), Call(S), Call(P.astype(np.float32)), Call(P[::2, ::-1]))
BINARY = (Call(P, P.T[:4, :1].T * 0 + 0.5), Call(P, 2.0), Call(0.5, P), Call(P, V), Call(S, 2),
          Call(P.astype(np.float32), 2), Call(INTS, 2), Call(P, INTS))  # fmt: skip
BITS = (Call(INTS, 2), Call(INTS, INTS))
MAPPED = (Call(P), Call(X), Call(S))

CALLS: dict[Any, tuple[Call, ...]] = {
    np.sum: TYPED,
    np.mean: TYPED,
    np.prod: TYPED,
    np.max: AXES[:-1],
    np.min: AXES[:-1],
    np.amax: AXES[:-1],
    np.amin: AXES[:-1],
    np.ptp: AXES[:4],
    np.var: (*AXES[:-1], Call(X, ddof=1), Call(X, axis=0, correction=1)),
    np.std: (*AXES[:-1], Call(X, ddof=1), Call(X, axis=0, correction=1)),
    np.cumsum: RUNNING,
    np.cumprod: RUNNING,
    np.all: (Call(FLAGS), Call(FLAGS, 1), Call(FLAGS, axis=0, keepdims=True)),
    np.any: (Call(FLAGS), Call(FLAGS, 1), Call(FLAGS, axis=0, keepdims=True)),
    np.count_nonzero: (Call(FLAGS), Call(FLAGS, 1), Call(FLAGS, axis=0)),
    np.argmax: (Call(X), Call(X, 1), Call(X, axis=-1, keepdims=True)),
    np.argmin: (Call(X), Call(X, 1), Call(X, axis=-1, keepdims=True)),
    np.argsort: (Call(M), Call(M, 0), Call(M, axis=None), Call(M, kind="stable")),
    np.argpartition: (Call(V, 2), Call(M, 1, 0), Call(M, 1, axis=None)),
    np.searchsorted: (Call(np.sort(V), 0.1), Call(np.sort(V), M, side="right"),
                      Call(np.sort(V), M, "right")),
    np.sort: (Call(M), Call(M, 0), Call(M, axis=None), Call(M, kind="stable")),
    np.matmul: (Call(M, M.T), Call(V, V), Call(X, M.T), Call(V, M.T), Call(M, V)),
    np.dot: (Call(M, M.T), Call(V, V), Call(2.0, M), Call(M, S), Call(X, M.T), Call(M, V),
             Call(M, X.transpose(0, 2, 1)), Call(X, V)),
    np.reshape: (Call(X, (4, 6)), Call(X, -1), Call(X, (2, -1)), Call(X, (6, 4), order="F"),
                 Call(X, shape=(24,))),
    np.ravel: (Call(X), Call(X, "F"), Call(S)),
    np.transpose: (Call(X), Call(X, (2, 0, 1)), Call(X, axes=(-1, 0, 1)), Call(S)),
    np.matrix_transpose: (Call(X), Call(M)),
    np.swapaxes: (Call(X, 0, -1), Call(X, 1, 2)),
    np.moveaxis: (Call(X, 0, -1), Call(X, (0, 1), (-1, 0)), Call(X, [0, 2], [1, 0])),
    np.broadcast_to: (Call(V, (3, 4)), Call(S, (2, 2)), Call(S, 3), Call(M, (2, 3, 4))),
    np.broadcast_arrays: (Call(V, M), Call(S, X)),
    np.expand_dims: (Call(M, 0), Call(M, -1), Call(M, (0, 3)), Call(S, axis=0)),
    np.squeeze: (Call(M[None]), Call(M[None, :, None], 0), Call(M[None, :, None], axis=(0, -2))),
    np.atleast_1d: (Call(S), Call(M), Call(S, M)),
    np.atleast_2d: (Call(S), Call(V), Call(X), Call(V, M)),
    np.concatenate: (Call((M, M)), Call([M, M], 1), Call((M, V), axis=None), Call((M, INTS), -1)),
    np.stack: (Call((M, M)), Call([V, V, V], axis=1), Call([S, S]), Call((M, M), axis=-1)),
    np.vstack: (Call((V, M)), Call([V, V])),
    np.hstack: (Call((V, V)), Call([M, M])),
    np.column_stack: (Call((V, V)), Call([M, M])),
    np.split: (Call(M, 3), Call(M, [1, 3], 1), Call(X, 2, axis=-1), Call(V, (1, 1))),
    np.array_split: (Call(M, 2), Call(V, 3), Call(M, [1], axis=-1)),
    np.unstack: (Call(X), Call(X, axis=-1)),
    np.take: (Call(M, 2), Call(M, [0, 2, 0], 0), Call(M, np.array([[1, 1]]), axis=-1),
              Call(V, [5, -9], mode="wrap"), Call(V, [5, -9], mode="clip")),
    np.take_along_axis: (Call(M, np.argsort(M, 1), 1), Call(M, np.argsort(M, 0), axis=0),
                         Call(M, np.argsort(M, axis=None), axis=None)),
    np.repeat: (Call(M, 2), Call(M, 2, 0), Call(M, [1, 0, 2], axis=0)),
    np.compress: (Call([True, False, True], M, 0), Call([False, True], V)),
    np.choose: (Call(np.array([0, 1, 1, 0]), [V, V * 2]),
                Call(np.array([0, 5, 1, -1]), [V, 2.0], mode="clip")),
    np.diagonal: (Call(M), Call(M, 1), Call(X, -1, 1, 2), Call(X, axis1=0, axis2=2)),
    np.trace: (Call(M), Call(M, -1), Call(X, 0, 1, 2)),
    np.flip: (Call(M), Call(M, 0), Call(X, axis=(0, -1))),
    np.clip: (Call(M, -0.5, 0.5), Call(M, None, 0.5), Call(M, 0.0, None), Call(M, min=0.0, max=1.0),
              Call(M, V, 2.0), Call(INTS, 2, 5), Call(INTS, None, 5)),
    np.where: (Call(FLAGS, M, 0.0), Call(FLAGS, 1.0, M), Call(FLAGS, V, M)),
    np.copy: (Call(M), Call(S)),
    np.astype: (Call(M, np.float32), Call(M, int)),
    np.round: (Call(M), Call(M, 2), Call(M, decimals=1)),
    np.real: MAPPED,
    np.imag: MAPPED,
    np.isclose: (Call(M, M + 1e-9), Call(M, 0.1, 0.5), Call(M, V, atol=1.0)),
    np.allclose: (Call(M, M + 1e-9), Call(M, 0.0)),
    np.array_equal: (Call(M, M), Call(M, V)),
    np.array_equiv: (Call(M, M),),
    np.array_repr: (Call(M),),
    np.array_str: (Call(M),),
    np.array2string: (Call(M, precision=2),),
    np.bincount: (Call(INTS[0]), Call(INTS[0], minlength=12)),
    np.digitize: (Call(P, np.array([0.2, 0.5])),),
    np.empty_like: (Call(np.empty((0, 2))),),
    np.zeros_like: (Call(M), Call(M, dtype=int)),
    np.ones_like: (Call(M),),
    np.full_like: (Call(M, 3.0),),
    np.flatnonzero: (Call(INTS),),
    np.nonzero: (Call(FLAGS),),
    np.histogram: (Call(P, bins=3, range=(0.0, 1.0)),),
    np.isin: (Call(INTS, [1, 2]),),
    np.lexsort: (Call(INTS[:2]),),
    np.ndim: (Call(M), Call(S)),
    np.shape: (Call(M), Call(S)),
    np.size: (Call(M), Call(M, 1)),
    np.unique: (Call(INTS), Call(INTS, return_counts=True)),
    np.iscomplex: MAPPED,
    np.iscomplexobj: MAPPED,
    np.isreal: MAPPED,
    np.isrealobj: MAPPED,
    np.can_cast: (Call(np.float32, np.float64),),
    np.result_type: (Call(P, np.float32),),
    np.min_scalar_type: (Call(S),),
    np.may_share_memory: (Call(M, V),),
    np.shares_memory: (Call(M, V),),
}  # fmt: skip
FILES = {np.save, np.savetxt, np.savez, np.savez_compressed}
BITWISE = ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift")
FUNCTIONS = [f for f in table if callable(f)]

for ufunc in FUNCTIONS:
    if isinstance(ufunc, np.ufunc) and ufunc not in CALLS:
        if ufunc.__name__ in BITWISE:
            CALLS[ufunc] = BITS
        elif ufunc is np.invert:
            CALLS[ufunc] = (Call(INTS), Call(FLAGS))
        else:
            CALLS[ufunc] = UNARY if ufunc.nin == 1 else BINARY


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
            assert_allclose(value, expected, rtol=1e-6 if value.dtype == np.float32 else 1e-12)
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
