"""The edges of every function: odd shapes, axes, orders and kinds do what NumPy does, or refuse."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am
from autograd_mini.core.table import table

M = np.arange(12.0).reshape(3, 4)


def parameter(value: Any = M) -> am.Tensor:
    return am.tensor(value, requires_grad=True, name="w")


def types(tensor: am.Tensor) -> list[str]:
    return [op.type for op in am.Graph(tensor).operations]


# ── take_along_axis ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("shape", "indices", "axis"),
    [
        ((3, 4), [[1, 2]], 1),
        ((1, 4), [[1, 2], [0, 0], [3, 1]], 1),
        ((3, 4), [[1, 2, 0, 0]], 0),
        ((2, 3, 4), [[[0], [1], [2]]], -1),
        ((3, 4), [[-1], [2], [0]], -1),
    ],
)
@pytest.mark.parametrize("recorded", [False, True])
def test_take_along_axis_broadcasts_the_other_axes(
    shape: tuple[int, ...], indices: Any, axis: int, recorded: bool
) -> None:
    x = np.arange(float(np.prod(shape))).reshape(shape)
    expected = np.take_along_axis(x, np.array(indices), axis)
    t = parameter(x)
    y = np.take_along_axis(t, am.tensor(indices) if recorded else indices, axis)
    assert_array_equal(y.data, expected)
    y.sum().backward()
    places = np.zeros(shape)
    grid = np.ogrid[tuple(map(slice, shape))]
    grid = [np.array(indices) if i == axis % len(shape) else g for i, g in enumerate(grid)]
    np.add.at(places, tuple(grid), 1)
    assert_array_equal(t.grad, places)


def test_take_along_axis_without_an_axis_reads_the_flattened_tensor() -> None:
    assert_array_equal(np.take_along_axis(parameter(), [5, 0], None).data, [5.0, 0.0])
    with pytest.raises(am.ShapeError, match="one axis"):
        np.take_along_axis(parameter(), [[5, 0]], None)


def test_take_along_axis_refuses_what_numpy_refuses() -> None:
    with pytest.raises(am.ShapeError, match="2 axes.*1"):
        np.take_along_axis(parameter(), [1, 2], 1)
    with pytest.raises(am.IndexingError, match="integers"):
        np.take_along_axis(parameter(), [[True, False]], 1)
    with pytest.raises(am.IndexingError):
        np.take_along_axis(parameter(), [[1.0, 0.0]], 1)
    with pytest.raises(am.IndexingError):
        np.take_along_axis(parameter(), [[1], [2]], 1)
    with pytest.raises(am.ShapeError, match="axis 5"):
        np.take_along_axis(parameter(), [[1]], 5)


# ── memory order ─────────────────────────────────────────────────────────────────────────────
CUTS = (
    (slice(None),) * 3,
    (slice(None, None, -1), slice(None), slice(None, None, 2)),
    (slice(None), slice(0, 1), slice(None, None, -1)),
)


@pytest.mark.parametrize("order", ["C", "F", "A", "K"])
@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("cut", CUTS)
def test_ravel_reads_in_every_order_as_numpy(order: Any, axes: Any, cut: Any) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    t = parameter(x)
    y = np.ravel(np.transpose(t[cut], axes), order)
    assert_array_equal(y.data, np.ravel(np.transpose(x[cut], axes), order))
    (y * y).sum().backward()
    expected = np.zeros(x.shape)
    expected[cut] = 2 * x[cut]
    assert_array_equal(t.grad, expected)


@pytest.mark.parametrize("order", ["C", "F", "A"])
def test_reshape_reads_in_every_order_as_numpy(order: Any) -> None:
    for view in (lambda x: x, lambda x: x.T, lambda x: x[:, ::2].T, lambda x: x[:, 1:2]):
        expected = view(M)
        y = np.reshape(view(parameter()), (expected.size, 1), order=order)
        assert_array_equal(y.data, expected.reshape((expected.size, 1), order=order))


def test_a_scalar_has_one_order() -> None:
    for order in ("C", "F", "A", "K"):
        assert_array_equal(np.ravel(parameter(2.0), order).data, [2.0])  # type: ignore[call-overload]


def test_reshape_refuses_an_order_that_numpy_refuses() -> None:
    for order in ("K", "x", None, 3):
        with pytest.raises(am.ArgumentError, match="order"):
            np.reshape(parameter(), (12,), order=order)  # type: ignore[call-overload]
    with pytest.raises(am.ArgumentError, match="order"):
        np.ravel(parameter(), "x")  # type: ignore[call-overload]


# ── products with empty axes ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3, 0), (0, 4)),
        ((2, 3, 4), (4, 0)),
        ((0, 3, 4), (4, 2)),
        ((2, 0, 4), (4, 2)),
        ((2, 0), (3, 0, 4)),
        ((0, 2), (3, 2, 4)),
        ((2, 3), (0, 3, 4)),
        ((2, 3), (4, 3, 0)),
    ],
)
@pytest.mark.parametrize("function", [np.matmul, np.dot])
def test_products_with_empty_axes_have_gradients(function: Any, a: Any, b: Any) -> None:
    try:
        expected = function(np.ones(a), np.ones(b))
    except ValueError:
        pytest.skip("NumPy refuses it too")
    x, z = parameter(np.ones(a)), parameter(np.ones(b))
    y = function(x, z)
    assert_array_equal(y.data, expected)
    y.sum().backward()
    assert x.grad.shape == a
    assert z.grad.shape == b
    assert np.isfinite(x.grad).all()


# ── set_at ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("shape", [(), (4,), (1,), (1, 4), (1, 1), (1, 1, 4)])
def test_set_at_takes_a_value_with_more_axes_of_length_one(shape: tuple[int, ...]) -> None:
    x, value = parameter(), parameter(np.full(shape, 7.0))
    y = am.set_at(x, 0, value)
    expected = M.copy()
    expected[0] = value.data
    assert_array_equal(y.data, expected)
    y.sum().backward()
    assert_array_equal(value.grad, np.full(shape, 4.0 / value.size))


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (np.zeros(3, int), am.tensor(2.7, requires_grad=True)),
        (np.zeros(3, int), 2.7),
        (np.zeros(3, int), np.array(2.0)),
        (np.zeros(3, bool), 0.5),
        (np.zeros(3, np.uint8), 300),
        (np.zeros(3, np.uint8), -1),
        (np.zeros(3), 1j),
    ],
)
def test_set_at_refuses_a_value_that_the_target_would_cut_off(target: Any, value: Any) -> None:
    with pytest.raises(am.OperandError, match=r"set_at.*astype"):
        am.set_at(target, 0, value)


@pytest.mark.parametrize(
    ("target", "value"),
    [
        (np.zeros(3, np.float32), 2.7),
        (np.zeros(3, np.float32), np.float64(2.5)),
        (np.zeros(3), 2),
        (np.zeros(3, np.uint8), 5),
        (np.zeros(3, np.int8), np.int64(5)),
        (np.zeros(3, bool), True),
        (np.zeros(3, complex), 2.0),
    ],
)
def test_set_at_keeps_the_dtype_of_the_target(target: Any, value: Any) -> None:
    expected = target.copy()
    expected[1] = value
    for given in (target, am.tensor(target)):
        y = am.set_at(given, 1, value)
        assert y.dtype == target.dtype
        assert_array_equal(y.data if isinstance(y, am.Tensor) else y, expected)


# ── errors ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "call",
    [
        lambda t: np.stack([t, t], 5),
        lambda t: np.concatenate([t, t], 5),
        lambda t: np.take(t, [0], 5),
        lambda t: np.sort(t, 5),
        lambda t: np.moveaxis(t, 5, 0),
        lambda t: np.moveaxis(t, 0, 5),
        lambda t: np.moveaxis(t, (0, 0), (0, 1)),
        lambda t: np.moveaxis(t, (0, 1), 0),
        lambda t: np.squeeze(t, 5),
        lambda t: np.squeeze(t, 0),
        lambda t: np.flip(t, 5),
        lambda t: np.flip(t, (0, 0)),
        lambda t: np.flip(t, 0.5),
        lambda t: table["unstack"](t, axis=5),
        lambda t: np.diagonal(t, 0, 0, 5),
        lambda t: np.diagonal(t, 0, 1, 1),
        lambda t: np.trace(t, 0, 1, -1),
        lambda t: np.diagonal(t[0]),
        lambda t: np.split(t, 2, 5),
        lambda t: np.array_split(t, 2, 5),
        lambda t: np.repeat(t, 2, 5),
        lambda t: np.compress([True], t, 5),
        lambda t: np.cumsum(t, 5),
        lambda t: np.sum(t, 5),
        lambda t: np.argsort(t, 5),
        lambda t: np.swapaxes(t, 0, 5),
        lambda t: np.swapaxes(t, 0, -5),
        lambda t: t.swapaxes(0, 1.5),
        lambda t: np.take(t, [0], 0.5),
        lambda t: np.expand_dims(t, 5),
        lambda t: np.transpose(t, (0, 5)),
        lambda t: np.broadcast_arrays(t, np.ones(3)),
    ],
)
def test_an_axis_that_does_not_fit_is_our_error(call: Any) -> None:
    with pytest.raises(am.ShapeError) as caught:
        call(parameter())
    assert "shape" in str(caught.value)


def test_a_slice_of_a_number_that_is_no_integer_is_our_error() -> None:
    t = parameter()
    for index in (slice(2.0), slice("a", None), (0, slice(None, None, 0.5))):
        with pytest.raises(am.IndexingError, match="slice"):
            t[index]
    assert_array_equal(t[am.tensor(1) :].data, M[1:])


FLAGS = np.array([True, False])


@pytest.mark.parametrize(
    ("x", "low", "high"),
    [
        (FLAGS, None, 1),
        (FLAGS, 0, None),
        (FLAGS, False, None),
        (FLAGS, None, 0.5),
        (np.array([1, 5]), None, 2.5),
        (np.array([1, 5], np.int8), None, 2),
        (np.array([1, 5], np.uint8), 2, None),
        (np.array([1, 5], np.int8), np.array([2, 2]), None),
        (np.array([1, 5], np.float32), 2, None),
        (M, None, 3.0),
        (M, M[:1] + 1, None),
    ],
)
def test_clip_with_one_bound_is_numpy_for_every_dtype(x: Any, low: Any, high: Any) -> None:
    expected = np.clip(x, low, high)
    y = np.clip(am.tensor(x), low, high)
    assert y.dtype == expected.dtype
    assert_array_equal(y.data, expected)


def test_clip_of_a_list_at_a_tensor_has_a_gradient() -> None:
    low = parameter(1.5)
    y = np.clip([1.0, 2.0], low, None)
    assert_array_equal(y.data, [1.5, 2.0])
    y.sum().backward()
    assert low.grad == 1.0
    with pytest.raises(am.OperandError):
        np.clip("text", low, None)  # type: ignore[call-overload]
    with pytest.raises(am.UnsupportedError, match="complex"):
        np.clip(am.tensor([1j]), None, 1.0)


@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
@pytest.mark.filterwarnings("ignore:Degrees of freedom", "ignore:invalid value")
def test_the_gradient_of_the_std_of_nothing_is_empty(axis: Any) -> None:
    t = parameter(np.zeros((0, 3)))
    np.std(t, axis=axis).sum().backward()
    assert t.grad.shape == (0, 3)


@pytest.mark.parametrize("places", [[3, 1], [1, 3, 2], [-1, 2], [5, -4]])
def test_split_at_places_that_fall_is_refused_at_the_call(places: list[int]) -> None:
    with pytest.raises(am.ShapeError, match="ascend"):
        np.split(parameter(np.arange(5.0)), places)


@pytest.mark.parametrize("places", [[1, 3], [-2], [2, 2], [7], [3, -1], [-9, 2], [2, 7, 9], []])
def test_split_at_ascending_places_is_numpy(places: list[int]) -> None:
    x = np.arange(5.0)
    t = parameter(x)
    parts = np.split(t, places)
    for part, expected in zip(parts, np.split(x, places), strict=True):
        assert_array_equal(part.data, expected)
    sum(((i + 1) * part).sum() for i, part in enumerate(parts)).backward()
    expected = np.concatenate(
        [np.full(p.shape, i + 1.0) for i, p in enumerate(np.split(x, places))]
    )
    assert_array_equal(t.grad, expected)


def test_split_at_a_place_that_is_no_integer_is_refused() -> None:
    with pytest.raises(am.ShapeError, match="1.5"):
        np.split(parameter(), [1.5])  # type: ignore[list-item]
    for function in (np.split, np.array_split):
        for sections in ("a", None, 1.5, 0, -1):
            with pytest.raises(am.ShapeError, match="number of parts"):
                function(parameter(), sections)  # type: ignore[operator]


@pytest.mark.parametrize("dtype", [str, object, "foo", "M8[s]", "V4", 3])
def test_astype_refuses_what_holds_no_numbers(dtype: Any) -> None:
    with pytest.raises(am.OperandError, match=r"astype.*float"):
        parameter().astype(dtype)


# ── indices are part of the graph ────────────────────────────────────────────────────────────
def test_the_order_of_a_sort_is_an_operand() -> None:
    y = np.sort(parameter([3.0, 1.0, 2.0]))
    assert types(y) == ["argsort", "getitem"]
    assert_array_equal(y.data, [1.0, 2.0, 3.0])
    assert_array_equal(np.sort(parameter(M[::-1]), axis=None).data, np.arange(12.0))
    assert_array_equal(np.sort(parameter(M[::-1]), 0, kind="stable").data, M)


@pytest.mark.parametrize("mode", ["clip", "wrap"])
def test_an_index_tensor_of_take_is_an_operand_in_every_mode(mode: Any) -> None:
    index = am.tensor([7, -3, 1], name="index")
    y = np.take(parameter(), index, 1, mode=mode)
    assert_array_equal(y.data, np.take(M, index.data, 1, mode=mode))
    assert index in am.Graph(y).inputs + am.Graph(y).constants
    assert len(types(y)) == 2
    y.sum().backward()


@pytest.mark.parametrize("mode", ["raise", "clip", "wrap"])
def test_choose_records_the_numbers_that_choose(mode: Any) -> None:
    numbers = np.array([[1, 0, 1, 1], [0, 0, 1, 0], [1, 1, 1, 0]])
    if mode != "raise":
        numbers = numbers * 5 - 2
    chooser = am.tensor(numbers, name="chooser")
    other = parameter(-M)
    y = np.choose(chooser, [M, other], mode=mode)
    assert_array_equal(y.data, np.choose(numbers, [M, -M], mode=mode))
    assert chooser in am.Graph(y).inputs + am.Graph(y).constants
    y.sum().backward()
    assert_array_equal(other.grad, np.choose(numbers, [0 * M, 0 * M + 1], mode=mode))


def test_choose_takes_booleans_and_refuses_a_number_without_a_choice() -> None:
    assert_array_equal(np.choose(FLAGS, [parameter([1.0, 2.0]), 5.0]).data, [5.0, 2.0])
    for number in (-1, 2):
        with pytest.raises(am.ArgumentError, match="choice"):
            np.choose([number], [parameter([1.0]), 5.0])
    with pytest.raises(am.ShapeError):
        np.choose([0, 1], [parameter([1.0, 2.0, 3.0]), 5.0])


# ── numbers ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("x", [np.inf, -np.inf, 0.0, np.array([np.inf, 2.0])])
def test_the_derivative_of_a_power_of_zero_is_zero(x: Any) -> None:
    t = parameter(x)
    (t**0).sum().backward()
    assert_array_equal(t.grad, np.zeros(np.shape(x)))
    assert_array_equal(am.grad(lambda x: (x**0.0).sum())(x), np.zeros(np.shape(x)))
    once = am.grad(lambda x: (x**0).sum())
    assert_array_equal(am.grad(lambda x: once(x).sum())(x), np.zeros(np.shape(x)))
    assert am.grad(lambda x: (x**0).sum())(np.ones(2, np.float32)).dtype == np.float32


def test_trace_computes_in_the_dtype_that_is_asked_for() -> None:
    t = parameter(M[:, :3])
    for y in (np.trace(t, 0, 0, 1, np.float32), np.trace(t, dtype=np.float32)):
        assert y.dtype == np.float32
        assert y.data == 15.0
    y.backward()
    assert_array_equal(t.grad, np.eye(3))
    with pytest.raises(am.UnsupportedError, match="out"):
        np.trace(t, out=np.zeros(()))


def test_the_mean_of_many_half_precision_numbers_has_a_gradient() -> None:
    t = parameter(np.ones(70_000, np.float16))
    np.mean(t).backward()
    assert t.grad.dtype == np.float16
    assert_allclose(t.grad, 1 / 70_000, rtol=0.01)
    spread = parameter(np.tile(np.array([-0.5, 0.5], np.float16), 35_000))
    np.std(spread).backward()
    assert_allclose(spread.grad, np.where(spread.data > 0, 1, -1) / 70_000, rtol=0.01)


def test_the_gradient_of_the_mean_of_nothing_is_empty() -> None:
    t = parameter(np.zeros((0, 3)))
    with np.errstate(invalid="ignore"):
        np.mean(t, axis=0).sum().backward()
    assert t.grad.shape == (0, 3)
