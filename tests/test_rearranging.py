"""Rearranging and picking at their edges: borders, shapes that depend on values, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

M = np.random.default_rng(0).normal(size=(3, 4))


def leaf(value: Any) -> Any:
    return am.tensor(value, requires_grad=True)


def gradient(function: Any, value: Any) -> Any:
    t = leaf(value)
    function(t).sum().backward()
    return t.grad


def error(call: Any, kind: Any, match: str) -> None:
    with pytest.raises(kind, match=match):
        call(leaf(M))


# ── pad ──────────────────────────────────────────────────────────────────────────────────────
def test_a_border_of_tensors_gets_its_gradient() -> None:
    c, pairs = np.float64(0.5), np.array([[1.0, 2.0], [3.0, 4.0]])
    widths = ((1, 2), (0, 3))
    expected = np.pad(M, widths, constant_values=pairs)
    y = np.pad(leaf(M), widths, constant_values=leaf(pairs))
    assert_array_equal(y.data, expected)
    assert am.gradcheck(lambda x, c: np.pad(x, widths, constant_values=c), M, c).ok
    assert am.gradcheck(lambda x, p: np.pad(x, widths, constant_values=p), M, pairs).ok
    mixed = np.pad(leaf(M), 1, constant_values=(leaf(1.0), 2.0))
    assert_array_equal(mixed.data, np.pad(M, 1, constant_values=(1.0, 2.0)))
    ends = np.array([1.0, -2.0])
    assert am.gradcheck(lambda x, e: np.pad(x, widths, "linear_ramp", end_values=e), M, ends).ok


def test_a_padded_element_gets_the_sum_of_its_repeats() -> None:
    assert_array_equal(gradient(lambda t: np.pad(t, 2, "edge"), [1.0, 2.0, 3.0]), [3, 1, 3])
    assert_array_equal(gradient(lambda t: np.pad(t, 4, "wrap"), [1.0, 2.0]), [5, 5])
    assert_array_equal(gradient(lambda t: np.pad(t, 1), [1.0, 2.0]), [1, 1])


def test_pad_names_what_it_does_not_take() -> None:
    error(lambda t: np.pad(t, 1, "empty"), am.UnsupportedError, "'empty' of a tensor")
    error(lambda t: np.pad(t, 1, lambda *a: None), am.UnsupportedError, "np.concatenate")
    error(lambda t: np.pad(t, 1, "cubic"), am.ArgumentError, "expected one of constant, edge")
    error(lambda t: np.pad(t, 1, "edge", end_values=1), am.ArgumentError, "does not take end_v")
    error(lambda t: np.pad(t, -1), am.ArgumentError, "must be 0 or more")
    error(lambda t: np.pad(t, 1.5), am.ArgumentError, "widths must be integers")
    error(lambda t: np.pad(t, (1, 2, 3)), am.ShapeError, r"do not fit the shape \(")
    error(lambda t: np.pad(t, 1, constant_values=(1, 2, 3)), am.ShapeError, "give one, a pair")
    error(lambda t: np.pad(t[:0], 1, "edge"), am.ShapeError, "nothing to repeat")
    error(lambda t: np.pad(t, 1, "mean", stat_length=0), am.ArgumentError, "1 at least")


# ── shapes that depend on values ─────────────────────────────────────────────────────────────
def test_different_values_carry_the_gradient_to_the_first_of_equals() -> None:
    x = [3.0, 1.0, 3.0, 2.0]
    assert_array_equal(gradient(np.unique, x), [1, 1, 0, 1])
    assert_array_equal(gradient(np.unique_values, x), [1, 1, 0, 1])
    assert_array_equal(np.sort(np.unique_values(leaf(x)).data), [1, 2, 3])
    assert_array_equal(gradient(lambda t: np.unique_counts(t).values, x), [1, 1, 0, 1])
    assert_array_equal(gradient(lambda t: np.setdiff1d(t, [1.0]), x), [1, 0, 0, 1])
    assert_array_equal(gradient(lambda t: np.intersect1d(t, [1.0, 3.0]), x), [1, 1, 0, 0])
    assert_array_equal(gradient(lambda t: np.union1d([1.0, 9.0], t), x), [1, 0, 0, 1])
    assert_array_equal(gradient(lambda t: np.setxor1d(t, [1.0, 9.0]), x), [1, 0, 0, 1])
    assert_array_equal(gradient(lambda t: np.trim_zeros(t) * 2, [0.0, 1.0, 0.0, 3.0, 0.0]),
                       [0, 2, 2, 2, 0])  # fmt: skip


def test_counts_of_unique_are_plain() -> None:
    values, places, inverse, counts = np.unique_all(leaf([3.0, 1.0, 3.0]))
    assert isinstance(values, am.Tensor)
    assert_array_equal(places, [1, 0])
    assert_array_equal(inverse, [1, 0, 1])
    assert_array_equal(counts, [1, 2])


def test_a_condition_that_is_a_tensor_is_part_of_the_graph() -> None:
    x = leaf(M)
    y = np.extract(x > 0, x)
    assert_array_equal(y.data, M[M > 0])
    y.sum().backward()
    assert_array_equal(x.grad, M > 0)
    holds = am.tensor([True, False, True])
    assert_array_equal(np.compress(holds, leaf(M), 0).data, M[[0, 2]])
    error(
        lambda t: np.compress(am.tensor([False] * 5 + [True]), t, 1), IndexError, "behind the end"
    )
    with pytest.raises(am.AutogradError, match="different shapes"):
        am.vmap(lambda row: np.extract(row > 0, row))(M)
    with pytest.raises(am.ConversionError, match=r"np\.unique"):
        am.vmap(np.unique)(M)


def test_weights_of_bincount_carry_the_gradient() -> None:
    w = leaf([1.0, 2.0, 4.0])
    y = np.bincount([2, 0, 2], weights=w, minlength=4)
    assert_array_equal(y.data, [2, 0, 5, 0])
    (y * np.array([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert_array_equal(w.grad, [3, 1, 3])
    with pytest.raises(am.ShapeError, match="weights of shape"):
        np.bincount([1, 2], weights=w)
    with pytest.raises(am.OperandError, match="real numbers"):
        np.bincount([1], weights=leaf([1j]))


# ── moving and joining ───────────────────────────────────────────────────────────────────────
def test_values_that_go_between_carry_a_gradient() -> None:
    v = np.array([2.0, 3.0])
    assert am.gradcheck(lambda x, v: np.insert(x, [1, 3], v, axis=1), M, v).ok
    assert am.gradcheck(lambda v: np.insert(M, 0, v[0]), v).ok
    with pytest.raises(am.OperandError, match="values that require a gradient"):
        np.insert(np.arange(3), 0, leaf(2.5))
    assert_array_equal(np.insert(np.arange(3), 0, am.tensor(2.5)), [2, 0, 1, 2])


def test_moving_names_what_does_not_fit() -> None:
    error(lambda t: np.insert(t, 9, 1.0, axis=0), am.ArgumentError, "are no places among 3")
    error(lambda t: np.insert(t, [0, 1], np.ones((3, 4)), axis=0), am.ShapeError, "2 places")
    error(lambda t: np.delete(t, 9, axis=0), am.ArgumentError, "no places among 3")
    error(lambda t: np.roll(t, 1, 5), am.ShapeError, "axis 5 does not fit")
    error(lambda t: np.rot90(t, 1, (0,)), am.ShapeError, "needs two axes")
    error(lambda t: np.rollaxis(t, 0, 5), am.ShapeError, "start 5")
    error(lambda t: np.resize(t, (-1, 2)), am.ShapeError, "must not be negative")
    error(lambda t: np.trim_zeros(t, "x"), am.ArgumentError, "expected 'f', 'b' or 'fb'")
    error(lambda t: np.dsplit(t, 2), am.ShapeError, "expected 3 axes or more")
    error(lambda t: np.block([[t], t]), am.ShapeError, "nested unevenly")
    error(lambda t: np.meshgrid(t, indexing="no"), am.ArgumentError, "expected 'xy' or 'ij'")
    error(lambda t: np.diag(t[None]), am.ShapeError, "one or two axes")
    error(lambda t: np.triu(t[0, 0]), am.ShapeError, "no triangle")
    error(lambda t: np.concatenate([t, t], dtype=int), am.OperandError, "casting='unsafe'")


def test_index_makers_cannot_take_tensors_and_say_what_can() -> None:
    for call in (lambda t: np.r_[t, 1.0], lambda t: np.c_[t, t], lambda t: np.r_["0,2", t]):
        error(call, am.ConversionError, "np.stack / np.concatenate")


def test_conversions_to_arrays_say_what_to_write() -> None:
    for function in (np.asarray, np.asanyarray, np.ascontiguousarray, np.asfortranarray,
                     np.asarray_chkfinite, np.require, np.array):  # fmt: skip
        error(function, am.ConversionError, "would lose the gradient")
    error(lambda t: np.vectorize(abs)(t), am.AutogradError, "would lose the gradient")


# ── functions of yours ───────────────────────────────────────────────────────────────────────
def test_piecewise_functions_see_their_own_elements_only() -> None:
    x = np.array([-1.0, 0.0, 4.0])
    with np.errstate(all="raise"):
        g = gradient(lambda t: np.piecewise(t, [t > 0], [np.log, lambda v: v * 3]), x)
    assert_array_equal(g, [3, 3, 0.25])
    error(lambda t: np.piecewise(t, [t > 0], [1, 2, 3]), am.ArgumentError, "3 functions for 1")
    w = leaf(2.5)
    with pytest.raises(am.OperandError, match="without loss"):
        np.piecewise(am.tensor([1, 2]), [am.tensor([True, False])], [lambda v: v * w])


def test_select_names_what_does_not_fit() -> None:
    error(lambda t: np.select([t > 0], [t, t]), am.ArgumentError, "1 conditions for 2 choices")
    error(lambda t: np.select([t], [t]), am.OperandError, "expected booleans")
    x = leaf([-1.0, 4.0])
    np.select([x > 0], [np.log(np.where(x > 0, x, 1.0))], x * 3).sum().backward()
    assert_array_equal(x.grad, [3, 0.25])


def test_replaced_numbers_get_no_gradient() -> None:
    x = [1.0, np.nan, np.inf, -np.inf, 2.0]
    assert_array_equal(gradient(np.nan_to_num, x), [1, 0, 0, 0, 1])
    z = leaf(np.array([np.nan + 1j, 2.0 - 1j]))
    np.real(np.nan_to_num(z) * (1 + 2j)).sum().backward()
    assert_array_equal(z.grad, [-2j, 1 - 2j])
    error(lambda t: np.nan_to_num(t, copy=False), am.UnsupportedError, "t = np.nan_to_num")


def test_functions_along_axes_may_use_other_tensors() -> None:
    w = np.array([1.0, 2.0, 3.0])
    assert am.gradcheck(lambda x, w: np.apply_along_axis(np.dot, 0, x, w), M, w).ok
    assert am.gradcheck(lambda x: np.apply_over_axes(np.max, x, (0, 1)), M).ok
    error(lambda t: np.apply_along_axis(np.sum, 0, t[:, :0]), am.ShapeError, "no slices")


# ── in place ─────────────────────────────────────────────────────────────────────────────────
IN_PLACE = [
    lambda t: np.copyto(t, 1.0),
    lambda t: np.copyto(np.ones((3, 4)), t),
    lambda t: np.put(t, [0], 1.0),
    lambda t: np.place(t, M > 0, [1.0]),
    lambda t: np.putmask(t, M > 0, 1.0),
    lambda t: np.put_along_axis(t, np.zeros((3, 1), int), 1.0, 1),
    lambda t: np.fill_diagonal(t, 0),
    lambda t: np.add(M, t, out=t),
    lambda t: np.add(M, 1.0, out=t),
    lambda t: np.sum(M, out=t),
    lambda t: np.add.at(t, 0, 1.0),
    lambda t: t.__setitem__(0, 1.0),
    lambda t: t.put([0], 1.0),
    lambda t: t.sort(),
    lambda t: t.partition(1),
    lambda t: t.resize((4, 3)),
]


@pytest.mark.parametrize("call", IN_PLACE)
def test_changing_a_tensor_in_place_is_an_error_and_changes_nothing(call: Any) -> None:
    t = leaf(M)
    with pytest.raises(
        am.UnsupportedError, match="set_at|np.where|write y = |np.sort|np.partition|np.reshape"
    ):
        call(t)
    assert_array_equal(t.data, M)


def test_augmented_assignment_of_elements_is_an_error() -> None:
    t = leaf(M)
    with pytest.raises(am.UnsupportedError, match=r"am.set_at\(t, index, value\)"):
        t[0] += 1.0
    with pytest.raises(am.UnsupportedError, match=r"am.set_at\(t, index, value\)"):
        t[0] = 1.0
    with pytest.raises(am.UnsupportedError, match=r"np.delete"):
        del t[0]
    assert_array_equal(t.data, M)


def test_shuffling_is_an_error_and_changes_nothing() -> None:
    t = leaf(M)
    for shuffle in (np.random.shuffle, np.random.default_rng(0).shuffle):
        with pytest.warns(UserWarning), pytest.raises(am.UnsupportedError, match="set_at"):
            shuffle(t)
    assert_array_equal(t.data, M)
    for permute in (np.random.permutation, np.random.default_rng(0).permutation):
        with pytest.raises(am.ConversionError):
            permute(t)


def test_float32_stays_float32() -> None:
    x = am.tensor(np.float32(M), requires_grad=True)
    for function in (
        lambda t: np.pad(t, 1, "linear_ramp", end_values=0.5),
        lambda t: np.pad(t, 1, "mean"),
        lambda t: np.pad(t, 5, "reflect", reflect_type="odd"),
        lambda t: np.pad(t, 1, constant_values=0.1),
        lambda t: np.insert(t, 0, 0.1),
        lambda t: np.select([t > 0], [t], 0.1),
        lambda t: np.piecewise(t, [t > 0], [np.exp, 0.1]),
        np.nan_to_num,
        np.triu,
        np.unique,
        lambda t: np.roll(t, 1),
    ):
        y = function(x)
        assert y.dtype == np.float32
        y.sum().backward()
    assert x.grad.dtype == np.float32


def test_read_only_and_reversed_arrays_are_taken() -> None:
    x = M[::-1, ::2]
    x.flags.writeable = False
    for function in (
        lambda t: np.pad(t, 1, "wrap"),
        np.triu,
        lambda t: np.roll(t, 1, 0),
        np.unique,
    ):
        t = am.tensor(1.0, requires_grad=True) * x
        assert_allclose(function(t).data, function(x), rtol=1e-12)


def test_vmap_takes_rearranging_functions_at_once() -> None:
    for function in (
        lambda v: np.pad(v, 2, "reflect"),
        lambda v: np.pad(v, 1, "mean"),
        lambda v: np.pad(v, 1, constant_values=np.sum(v)),
        lambda v: np.roll(v, 1),
        np.diag,
        lambda v: np.triu(v),
        lambda v: np.tile(v, (2, 2)),
        lambda v: np.insert(v, 1, v[0]),
        lambda v: np.delete(v, 1),
        lambda v: np.meshgrid(v, v)[0],
        lambda v: np.select([v > 0], [v], -v),
        lambda v: np.linalg.norm(np.trace(np.outer(v, v))),
    ):
        assert_allclose(am.vmap(function)(M), [function(row) for row in M], rtol=1e-12)
