"""Places where a gradient could get lost or go wrong without a word."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.core.record import record, recorder


def leaf(value):
    return am.tensor(value, requires_grad=True)


@pytest.mark.parametrize(
    "function, point, order, expected",
    [
        (lambda x: np.where(x > -5, (x - 1) ** 2, 0.0), 1.0, 2, 2.0),
        (lambda x: np.where(abs(x) < 1, 0.5 * x**2, abs(x) - 0.5), 0.0, 2, 1.0),
        (lambda x: (x - 1) ** np.float64(3.0), 1.0, 3, 6.0),
        (lambda x: np.arctan2((x - 1) ** 2, x), 1.0, 3, -6.0),
        (lambda x: np.where(x > 0, x * x, 0.0), 0.0, 2, 0.0),
    ],
)
def test_a_zero_cotangent_behind_where_keeps_higher_orders(function, point, order, expected):
    for _ in range(order):
        function = am.grad(function)
    assert function(point) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("wrap", [float, am.tensor, leaf])
def test_an_output_that_is_part_of_another_counts_for_both(wrap):
    def function(x):
        h = np.sin(x)
        return h, h * 2

    _, back = am.vjp(function, wrap(1.0))
    for cotangents, factor in (((0.0, 1.0), 2), ((1.0, 1.0), 3)):
        (found,) = back(cotangents)
        assert found.item() == pytest.approx(factor * np.cos(1.0))


def test_a_pullback_is_shared_by_threads():
    _, back = am.vjp(lambda x: np.sin(x) * x, am.tensor(1.0))
    expected = back(1.0)[0].item()
    found = []

    def work():
        found.extend(back(1.0)[0].item() for _ in range(300))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {expected}


def test_a_condition_that_requires_a_gradient_gets_none():
    x = leaf([1.0, 0.0, 2.0])
    np.where(x, x * 2, 3.0).sum().backward()
    assert x.grad.tolist() == [2, 0, 2]


def test_another_recorder_leaves_comparisons_without_gradient():
    x = leaf([1.0, -2.0])
    with recorder(lambda primitive, operands, params: record(primitive, operands, params)):
        y = (x * np.sign(x)).sum()
        assert not (x > 0).requires_grad
    y.backward()
    assert x.grad.tolist() == [1, -1]


def test_masked_arrays_do_not_swallow_a_gradient():
    t = leaf([1.0, 2.0, 3.0])
    with pytest.raises(am.ConversionError):
        np.ma.exp(t)
    with pytest.raises(am.AutogradError):
        np.ma.array([1.0, 2.0, 3.0]) * t


def test_full_like_passes_the_gradient_of_its_value():
    gradient = am.grad(lambda x: np.sum(np.full_like(x, np.sum(x))) + np.sum(x))(np.ones(3))
    assert gradient.tolist() == [4, 4, 4]
    np.testing.assert_array_equal(np.full_like(am.tensor([1, 2]), 2.7), np.full_like([1, 2], 2.7))


@pytest.mark.parametrize(
    "function",
    [
        lambda w: np.histogram([0.1, 0.2, 0.3], weights=w),
        lambda w: np.histogram2d([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], weights=w),
    ],
)
def test_functions_of_values_refuse_an_argument_that_requires_a_gradient(function):
    with pytest.raises(am.UnsupportedError, match="would lose the gradient"):
        function(leaf([3.0, 1.0, 2.0]))
    function(am.tensor([3.0, 1.0, 2.0]))


def test_the_imaginary_part_has_its_gradient():
    assert am.grad(lambda x: np.imag(x * 1j) + x)(2.0) == 2
    assert am.grad(lambda x: np.imag(x) + x)(2.0) == 1


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_result_cannot_be_copied_into_a_new_parameter(copied):
    y = leaf(2.0) * 3
    with pytest.raises(am.ConversionError, match="copying or pickling"):
        copied(y)
    copied(y.detach())


def test_a_pullback_does_not_see_later_changes_of_what_it_took_and_gave():
    y, back = am.vjp(np.exp, np.ones(2))
    y += 1
    np.testing.assert_allclose(back(np.ones(2))[0], np.e)
    x = np.arange(4.0)
    _, back = am.vjp(lambda x: x * x, x)
    x[:] = 100
    assert back(np.ones(4))[0].tolist() == [0, 2, 4, 6]
    y, _ = am.vjp(lambda x: x.reshape(2, 2), x)
    y[:] = 9
    assert x[0] == 100


def test_writing_through_data_changes_neither_detached_nor_assigned_tensors():
    w, p, target = leaf([1.0, 2.0]), leaf([1.0, 1.0]), leaf([0.0, 0.0])
    detached = w.detach()
    target.assign(w)
    z = (detached * p).sum()
    w.data -= 10.0
    z.backward()
    assert w.data.tolist() == [-9, -8]
    assert p.grad.tolist() == [1, 2]
    assert target.data.tolist() == [1, 2]


def test_a_constant_seen_through_inputs_cannot_require_a_gradient():
    y = leaf([1.0, 2.0]) * 3.0
    with pytest.raises(am.UnsupportedError, match="a constant seen through op.inputs"):
        y.op.inputs[1].requires_grad = True


def test_functions_that_return_something_else_are_named():
    with pytest.raises(am.GradientError, match="does it lack a return"):
        am.vjp(lambda x: None, 1.0)
    with pytest.raises(am.OperandError, match="does it lack a return"):
        am.gradcheck(lambda x: None, 1.0)
    with pytest.raises(am.OperandError, match="expects a function"):
        am.gradcheck(3, 1.0)
    with pytest.raises(am.GradientError, match="returned NoneType None"):
        am.grad(lambda x: None)(1.0)
    with pytest.raises(am.GradientError, match="returned tuple"):
        am.grad(lambda x: (x, x))(1.0)
    with pytest.raises(am.GradientError, match="has_aux=True the function returns"):
        am.grad(lambda x: x * x, has_aux=True)(1.0)
    for argnums in ("x", (), (0, 0), 1.5):
        with pytest.raises(am.GradientError, match="argnums must be different integers"):
            am.grad(lambda x: x, argnums=argnums)
    with pytest.raises(am.GradientError, match="complex"):
        (leaf([1.0]) * 2).backward(np.array([1j]))


def test_names_are_strings():
    with pytest.raises(am.OperandError, match="must be a string, got 3"):
        am.tensor(1.0, name=3)


def test_a_missing_function_points_to_numpy():
    with pytest.raises(AttributeError, match="use np.tanh, which records"):
        am.tanh  # noqa: B018
    assert not hasattr(am, "no_such_thing")
