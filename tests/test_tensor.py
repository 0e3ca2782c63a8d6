"""A tensor behaves as the NumPy array that it holds."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import autograd_mini as am

M = np.array([[3.0, -1.0, 2.0], [0.5, 4.0, -2.5]])
INTS = np.array([[3, 1, 2], [0, 4, 2]])

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "argpartition": ((1,), {}),
    "astype": ((np.float32,), {}),
    "choose": (([10.0, 20.0, 30.0, 40.0, 50.0],), {}),
    "clip": ((-1.0, 1.0), {}),
    "compress": (([True, False],), {"axis": 0}),
    "dot": ((np.ones(3),), {}),
    "item": ((2,), {}),
    "repeat": ((2,), {}),
    "reshape": ((3, 2), {}),
    "searchsorted": ((0.5,), {}),
    "swapaxes": ((0, 1), {}),
    "take": (([0, 1],), {}),
}
"""Arguments of the methods that need some."""

OF_MEMORY = {"base", "ctypes", "strides", "flags", "data"}
REFUSED = {
    "byteswap", "dump", "dumps", "fill", "getfield", "partition", "put", "resize", "setfield",
    "setflags", "sort", "to_device", "tofile", "view",
}  # fmt: skip
REMOVED = {"itemset", "newbyteorder", "ptp", "tostring"}
"""What NumPy took away, and lists in some versions still."""
PUBLIC = [name for name in dir(np.ndarray) if not name.startswith("_") and name not in REMOVED]
METHODS = [name for name in PUBLIC if name not in REFUSED | OF_MEMORY]


FORMS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("sum", (0, None, None, True, 1.0), {"where": M > 0}),
    ("prod", (), {"axis": 1, "initial": 2.0}),
    ("max", (1,), {"initial": 1.0, "where": M > 0}),
    ("min", (0, None, True), {"initial": 1.0}),
    ("mean", (0,), {"where": M > -2, "keepdims": True}),
    ("var", (1, None, None, 1), {"where": M > -2}),
    ("std", (), {"axis": 1, "mean": M.mean(1, keepdims=True), "ddof": 1}),
    ("all", (0,), {"where": M > 0}),
    ("any", (), {"axis": 1, "keepdims": True, "where": M > 2}),
    ("trace", (1, 0, 1, np.float32), {}),
    ("compress", ([True, False, True], 1), {}),
    ("take", ([5, -7],), {"mode": "wrap"}),
    ("reshape", (-1,), {"order": "F"}),
    ("argmax", (), {"axis": 0, "keepdims": True}),
    ("cumsum", (0, np.float32), {}),
    ("repeat", ([1, 2], 0), {}),
    ("round", (1,), {}),
    ("clip", (), {"max": 1.0}),
    ("ravel", (), {"order": "F"}),
    ("__rpow__", (2.0,), {}),
]
"""Further forms of the methods' arguments."""


@pytest.mark.parametrize(("name", "args", "kwargs"), FORMS)
def test_method_takes_the_arguments_of_ndarray(name: str, args: Any, kwargs: Any) -> None:
    expected = getattr(M, name)(*args, **kwargs)
    result = getattr(am.tensor(M, requires_grad=True), name)(*args, **kwargs)
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result.data, expected, rtol=1e-6)


def test_every_public_attribute_of_ndarray_is_there() -> None:
    assert [name for name in PUBLIC if not hasattr(am.tensor(M), name)] == []


def test_the_array_api_finds_numpy() -> None:
    t = am.tensor(M, requires_grad=True)
    assert t.__array_namespace__() is np
    assert t.__array_namespace__(api_version="2024.12").permute_dims(t, (1, 0)).requires_grad
    assert_array_equal(np.from_dlpack(am.tensor(M)), M)
    with pytest.raises(am.ConversionError, match="from_dlpack"):
        np.from_dlpack(t)


def test_bits_change_by_assignment_as_for_arrays() -> None:
    t = old = am.tensor(INTS)
    t &= 6
    t |= 8
    t ^= 1
    t <<= 2
    t >>= 1
    assert_array_equal(t.data, (((INTS & 6) | 8) ^ 1) << 1)
    assert_array_equal(old.data, INTS)


@pytest.mark.parametrize("name", METHODS)
def test_method_of_ndarray_gives_what_numpy_gives(name: str) -> None:
    array = np.array([0.1, 0.7, 2.0]) if name == "searchsorted" else M
    array = INTS if name == "choose" else array
    args, kwargs = CALLS.get(name, ((), {}))
    expected = getattr(array, name)
    result = getattr(am.tensor(array), name)
    if callable(expected):
        expected, result = expected(*args, **kwargs), result(*args, **kwargs)
    if name == "flat":
        expected = list(expected)
    if isinstance(expected, (np.ndarray, np.generic)):
        assert result.dtype == expected.dtype
    if isinstance(expected, (bytes, str, list, int)):
        assert_array_equal(result.data if isinstance(result, am.Tensor) else result, expected)
    else:
        assert_array_equal(np.asarray(result), np.asarray(expected))


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_method_that_writes_or_leaves_the_numbers_refuses(name: str) -> None:
    t = am.tensor(M)
    with pytest.raises(am.UnsupportedError, match=f"{name}.*use "):
        getattr(t, name)()
    assert_array_equal(t.data, M)


@pytest.mark.parametrize(
    ("method", "args"),
    [
        ("sum", (0,)), ("sum", ((0, 1),)), ("mean", (-1,)), ("max", (1,)), ("min", ()),
        ("prod", (0,)), ("var", (1,)), ("std", (0,)), ("cumsum", (1,)), ("cumprod", (0,)),
        ("argmax", (1,)), ("argmin", (0,)), ("argsort", (0,)), ("reshape", ((3, 2),)),
        ("reshape", (-1,)), ("reshape", (3, 2)), ("transpose", (1, 0)), ("transpose", ((1, 0),)),
        ("transpose", ()), ("ravel", ("F",)), ("round", (1,)), ("take", (4,)), ("trace", (1,)),
        ("diagonal", (1,)), ("repeat", (2, 0)), ("squeeze", ()), ("clip", (None, 1.0)),
        ("all", (0,)), ("any", (1,)),
    ],
)  # fmt: skip
def test_method_takes_positional_arguments_as_numpy(method: str, args: tuple[Any, ...]) -> None:
    expected = getattr(M, method)(*args)
    result = getattr(am.tensor(M, requires_grad=True), method)(*args)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result.data, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "function"),
    [("sigmoid", am.sigmoid), ("relu", am.relu), ("softplus", am.softplus),
     ("softmax", am.softmax), ("log_softmax", am.log_softmax), ("logsumexp", am.logsumexp),
     ("tanh", np.tanh), ("exp", np.exp), ("sqrt", np.sqrt), ("log", np.log)],
)  # fmt: skip
def test_activation_is_a_method_too(name: str, function: Any) -> None:
    t = am.tensor(np.abs(M))
    assert_array_equal(getattr(t, name)().data, function(t).data)


def test_attributes_are_those_of_the_array() -> None:
    t = am.tensor(M)
    assert (t.shape, t.ndim, t.size, t.dtype) == (M.shape, 2, 6, M.dtype)
    assert (t.nbytes, t.itemsize, len(t)) == (48, 8, 2)
    assert_array_equal(t.T.data, M.T)
    assert_array_equal(t.mT.data, M.T)


def test_tensor_copies_its_data() -> None:
    source = M.copy()
    t = am.tensor(source)
    source[0, 0] = 99.0
    assert t.data[0, 0] == 3.0


def test_scalar_tensor_holds_a_numpy_scalar() -> None:
    assert type(am.tensor(2.0).data) is np.float64
    assert type(am.tensor(np.array(2.0, np.float32)).data) is np.float32
    assert am.tensor(2.0).shape == ()


@pytest.mark.parametrize("value", [2, True, [1, 2], np.int8(3)])
def test_integers_that_require_a_gradient_become_float64(value: Any) -> None:
    assert am.tensor(value, requires_grad=True).dtype == np.float64
    assert am.tensor(value).dtype.kind in "bi"


def test_dtype_is_kept_and_can_be_given() -> None:
    assert am.tensor(np.float32(1)).dtype == np.float32
    assert am.tensor([1, 2], dtype=np.float32, requires_grad=True).dtype == np.float32


def test_item_numpy_detach_and_tolist() -> None:
    t = am.tensor(M, requires_grad=True)
    y = t * 2
    assert am.tensor(2.5).item() == 2.5
    assert type(am.tensor(2.5).item()) is float
    assert y.numpy() is y.data
    assert y.detach().op is None
    assert not y.detach().requires_grad
    assert t.tolist() == M.tolist()


def test_iteration_gives_recorded_slices() -> None:
    t = am.tensor(M, requires_grad=True)
    first, second = t
    (first * 2 + second).sum().backward()
    assert_array_equal(t.grad, [[2.0] * 3, [1.0] * 3])
    assert [op.type for op in am.Graph(first).operations] == ["unstack"]


def test_iterating_and_measuring_a_scalar_is_a_type_error() -> None:
    for function in (iter, len):
        with pytest.raises(TypeError, match="0-d tensor"):
            function(am.tensor(1.0))


def test_copies_and_pickles_are_leaves_with_the_same_value() -> None:
    t = am.tensor(M, requires_grad=True, name="w")
    t.grad = np.ones_like(M)
    for twin in (copy.deepcopy(t), pickle.loads(pickle.dumps(t)), copy.copy(t)):
        assert_array_equal(twin.data, M)
        assert (twin.name, twin.requires_grad, twin.op) == ("w", True, None)
        assert_array_equal(twin.grad, t.grad)
        assert not np.shares_memory(twin.data, t.data)
        assert not np.shares_memory(twin.grad, t.grad)


def test_copy_of_a_computed_tensor_is_a_leaf() -> None:
    y = am.tensor(M) * 2
    twin = pickle.loads(pickle.dumps(y))
    assert twin.op is None
    assert_array_equal(twin.data, y.data)


def test_equality_is_elementwise_and_hash_is_identity() -> None:
    a, b = am.tensor([1.0, 2.0]), am.tensor([1.0, 3.0])
    assert_array_equal((a == b).data, [True, False])
    assert len({a, b, a}) == 2
    assert {a: "x"}[a] == "x"


def test_membership_looks_at_values() -> None:
    assert 3.0 in am.tensor(M)
    assert 7.0 not in am.tensor(M)


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (am.tensor(2.0), "tensor(2.)"),
        (am.tensor([1, 2]), "tensor([1, 2])"),
        (am.tensor(1.5, requires_grad=True, name="w"), "tensor(1.5, name='w', requires_grad=True)"),
        (am.tensor(np.float32(1.5)), "tensor(1.5, dtype=float32)"),
    ],
)
def test_repr_is_readable(t: am.Tensor, text: str) -> None:
    assert repr(t) == text


def test_repr_of_a_result_names_its_operation() -> None:
    y = am.tensor([1.0], requires_grad=True) * 2
    assert repr(y) == f"tensor([2.], op=multiply_{y.serial})"
    assert f"{am.tensor(1.23456):.2f}" == "1.23"
    assert str(am.tensor([1.0, 2.0])) == "[1. 2.]"


def test_values_convert_where_no_gradient_is_lost() -> None:
    t = am.tensor(2.0)
    assert (float(t), int(t), complex(t), bool(t)) == (2.0, 2, 2 + 0j, True)
    assert [10, 20, 30][am.tensor(1)] == 20
    assert_array_equal(np.asarray(am.tensor(M)), M)
    assert bool(am.tensor(2.0, requires_grad=True) > 1.0)


def test_truth_of_many_elements_is_an_error_as_in_numpy() -> None:
    with pytest.raises(ValueError, match="ambiguous"):
        bool(am.tensor(M))


def test_in_place_operators_assign_a_leaf_under_no_grad() -> None:
    w = am.tensor([2.0, 3.0], requires_grad=True)
    same = w
    with am.no_grad():
        w += 1.0
        w *= 2.0
        w -= 2.0
        w /= 2.0
        w **= 2
        w //= 2
        w %= 3
    assert w is same
    assert_array_equal(w.data, ((np.array([2.0, 3.0]) + 1 - 1) ** 2 // 2) % 3)


def test_in_place_operator_on_a_result_makes_a_new_tensor() -> None:
    x = am.tensor([2.0], requires_grad=True)
    y = first = x * 3
    y += 1.0
    assert y is not first
    assert_array_equal(first.data, [6.0])
    y.backward()
    assert_array_equal(x.grad, [3.0])


def test_in_place_operator_on_data_that_needs_no_gradient_rebinds() -> None:
    x = kept = am.tensor([2.0])
    x *= am.tensor([3.0], requires_grad=True)
    assert x is not kept
    assert x.requires_grad
    assert_array_equal(kept.data, [2.0])


def test_assign_keeps_shape_and_dtype() -> None:
    w = am.tensor(np.zeros(2, np.float32), requires_grad=True)
    assert w.assign([1.0, 2.0]) is w
    assert w.dtype == np.float32
    w.data = np.array([3.0, 4.0])
    assert_array_equal(w.data, np.float32([3.0, 4.0]))


def test_assigned_value_is_a_copy() -> None:
    w = am.tensor(np.zeros(2), requires_grad=True)
    value = np.ones(2)
    w.assign(value)
    value[0] = 9.0
    assert_array_equal(w.data, [1.0, 1.0])


def test_divmod_and_round() -> None:
    t = am.tensor([7.0, -3.0])
    for got, expected in zip(divmod(t, 2.0), divmod(t.data, 2.0), strict=True):
        assert_array_equal(got.data, expected)
    for got, expected in zip(divmod(2.0, t), divmod(2.0, t.data), strict=True):
        assert_array_equal(got.data, expected)
    assert_array_equal(round(am.tensor([1.26]), 1).data, [1.3])


def test_float32_survives_python_numbers() -> None:
    t = am.tensor(np.float32([1.5, 2.5]), requires_grad=True)
    for y in (
        t + 1,
        2.0 * t,
        t**2,
        1 / t,
        t**0.5,
        np.maximum(t, 0.0),
        np.where(t > 2, t, 0.0),
        am.sigmoid(t),
        am.softmax(t),
        t.mean(),
        t.std(),
        am.logsumexp(t),
        t.var(),
    ):
        assert y.dtype == np.float32
        (y if y.ndim == 0 else y.sum()).backward()
        assert t.grad.dtype == np.float32
        t.zero_grad()


def test_float32_scalar_survives_python_numbers() -> None:
    t = am.tensor(np.float32(1.5), requires_grad=True)
    for y in (
        t + 1,
        2.0 * t,
        t**2,
        1 / t,
        t**0.5,
        np.tanh(t),
        am.sigmoid(t),
        am.relu(t),
        am.softplus(t),
        np.clip(t, 0.0, 1.0),
        abs(t),
        np.log(t),
    ):
        assert y.dtype == np.float32
        y.backward()
        assert t.grad.dtype == np.float32
        t.zero_grad()


@pytest.mark.parametrize("function", [am.sigmoid, am.relu, am.softplus, am.softmax, am.logsumexp])
def test_our_functions_take_plain_numbers_and_lists(function: Any) -> None:
    expected = function(am.tensor([0.5, -1.0])).data
    result = function([0.5, -1.0])
    assert type(result) is type(expected)
    assert_array_equal(result, expected)
