"""Bad input: errors of our own that name what was wrong and what to do, and change nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import autograd_mini as am

M = np.arange(6.0).reshape(2, 3)


def parameter(value: Any = M, name: str | None = "w") -> am.Tensor:
    return am.tensor(value, requires_grad=True, name=name)


def test_every_error_is_ours_and_the_builtin_a_user_expects() -> None:
    expected = {
        am.OperandError: TypeError, am.ShapeError: ValueError, am.ConversionError: TypeError,
        am.UnsupportedError: TypeError, am.StaleGraphError: RuntimeError,
        am.GradientError: ValueError, am.WeightsError: ValueError,
        am.MatrixError: np.linalg.LinAlgError,
        am.NonFiniteError: FloatingPointError, am.GradcheckError: AssertionError,
    }  # fmt: skip
    for ours, builtin in expected.items():
        assert issubclass(ours, am.AutogradError)
        assert issubclass(ours, builtin)


# ── making tensors ───────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "value",
    ["text", ["a", "b"], [[1.0, 2.0], [3.0]], None, object(), [1, None], {"a": 1}, b"bytes",
     np.datetime64("2024-01-01"), {1, 2}, lambda: 1, [np.ones(2), np.ones(3)]],

)  # fmt: skip
def test_value_that_is_no_array_of_numbers(value: Any) -> None:
    with pytest.raises(am.OperandError, match="not an array of numbers"):
        am.tensor(value)


@pytest.mark.parametrize("value", ["text", [[1.0, 2.0], [3.0]], object(), [1, None]])
@pytest.mark.parametrize("make", [lambda t, v: t + v, lambda t, v: v * t, np.maximum])
def test_operand_that_is_no_array_of_numbers(make: Any, value: Any) -> None:
    t = parameter()
    with pytest.raises((am.OperandError, am.ShapeError)):
        make(t, value)


def test_none_as_an_operand() -> None:
    with pytest.raises(am.AutogradError):
        parameter() + None


def test_integers_cannot_require_a_gradient() -> None:
    with pytest.raises(am.OperandError, match="int64.*floating-point"):
        am.tensor([1, 2]).requires_grad = True


def test_integer_leaf_cannot_be_asked_for_a_gradient() -> None:
    t = am.tensor([1, 2])
    with pytest.raises(am.OperandError, match=r"int64.*astype\(float\)"):
        t.requires_grad = True
    assert not t.requires_grad


def test_requires_grad_of_a_result_cannot_be_set() -> None:
    y = parameter() * 2
    with pytest.raises(am.UnsupportedError, match=r"multiply.*set it on a leaf.*detach"):
        y.requires_grad = False


def test_copying_a_tensor_that_requires_a_gradient() -> None:
    with pytest.raises(am.ConversionError, match=r"am\.tensor\(t\).*lose the gradient"):
        am.tensor(parameter() * 2)
    assert_array_equal(am.tensor(am.tensor(M)).data, M)


def test_tensor_is_final() -> None:
    with pytest.raises(TypeError, match="final"):
        type("Mine", (am.Tensor,), {})


# ── losing the gradient ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "convert",
    [float, int, complex, math.exp, math.sin, math.floor, np.asarray, np.array,
     lambda t: np.array([t, t]), lambda t: np.float64(t), lambda t: np.asarray([t])],
)  # fmt: skip
def test_conversion_that_would_lose_the_gradient(convert: Any) -> None:
    t = parameter(2.0)
    with pytest.raises(am.ConversionError, match=r"'w'.*t\.item\(\).*np\.stack"):
        convert(t)


@pytest.mark.parametrize("value", [2.0, [1.0, 2.0], [1, 2]])
def test_tensor_that_is_no_index(value: Any) -> None:
    with pytest.raises(am.ConversionError, match="is not an index; expected one integer"):
        range(am.tensor(value))


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
def test_tensor_put_into_an_array(shape: tuple[int, ...]) -> None:
    t = parameter(np.ones(shape))
    a = np.zeros((2, *shape))
    with pytest.raises((am.ConversionError, ValueError)) as caught:
        a[0] = t
    # For one element NumPy raises a ValueError of its own, with ours as its cause.
    ours = caught.value if shape else caught.value.__cause__
    assert isinstance(ours, am.ConversionError)
    assert "lose the gradient" in str(ours)
    assert_array_equal(a, np.zeros((2, *shape)))


def test_array_made_of_tensors() -> None:
    t = parameter(np.ones(2))
    with pytest.raises(am.ConversionError, match=r"np\.stack"):
        np.array([t, t])
    with pytest.raises(am.ConversionError, match=r"np\.stack"):
        am.tensor([t, t])


def test_tensor_without_a_gradient_goes_into_arrays() -> None:
    a = np.zeros(2)
    a[0] = am.tensor(3.0)
    assert_array_equal(np.array([am.tensor(1.0), am.tensor(2.0)]), [1.0, 2.0])
    assert a[0] == 3.0


# ── changing values ──────────────────────────────────────────────────────────────────────────
def test_writing_an_element() -> None:
    t = parameter()
    with pytest.raises(am.UnsupportedError, match=r"am\.set_at.*np\.where"):
        t[0] = 1.0
    assert_array_equal(t.data, M)


@pytest.mark.parametrize("symbol", ["+=", "-=", "*=", "/=", "**=", "//=", "%="])
def test_in_place_operator_on_a_parameter_while_recording(symbol: str) -> None:
    t = parameter()
    with pytest.raises(am.UnsupportedError, match=r"'w'.*am\.no_grad"):
        exec(f"t {symbol} 2.0", {"t": t})
    assert_array_equal(t.data, M)


@pytest.mark.parametrize(
    ("value", "error"),
    [(np.ones((3, 2)), am.ShapeError), (1.0, am.ShapeError), ("text", am.OperandError),
     (M + 1j, am.OperandError), ([[1.0], [1.0, 2.0]], am.OperandError)],
)  # fmt: skip
def test_assigned_value_that_does_not_fit(value: Any, error: Any) -> None:
    t = parameter()
    y = (t * t).sum()
    with pytest.raises(error):
        t.assign(value)
    assert_array_equal(t.data, M)
    y.backward()
    assert_array_equal(t.grad, 2 * M)


def test_assigning_a_result() -> None:
    y = parameter() * 2
    with pytest.raises(am.UnsupportedError, match="only leaves can be assigned"):
        y.assign(M)


def test_set_at_refuses_a_place_named_twice() -> None:
    with pytest.raises(am.ShapeError, match="twice"):
        am.set_at(parameter(np.zeros(3)), [0, 0], [1.0, 2.0])


# ── shapes ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda t: t + np.ones(4), r"add: .*\(2, 3\).*\(4,\)"),
        (lambda t: t @ np.ones((2, 3)), r"matmul: .*\(2, 3\).*\(2, 3\)"),
        (lambda t: np.reshape(t, (4, 2)), r"reshape: 6 elements of shape \(2, 3\).*\(4, 2\)"),
        (lambda t: t.reshape(-1, -1), "reshape"),
        (lambda t: t.reshape("a"), "reshape: 'a' is not a shape"),
        (lambda t: np.split(t, 0), "must be positive"),
        (lambda t: t.sum(axis=2), r"axis 2 .*\(2, 3\)"),
        (lambda t: t.sum(axis=(0, 0)), "axis"),
        (lambda t: t.cumsum(axis=5), r"axis 5 .*\(2, 3\)"),
        (lambda t: np.transpose(t, (0, 0)), r"transpose: .*\(0, 0\).*\(2, 3\)"),
        (lambda t: np.swapaxes(t, 0, 7), "swapaxes"),
        (lambda t: np.concatenate([t, np.ones(3)]), "concatenate"),
        (lambda t: np.concatenate([]) if t is None else np.stack([t, t[0]]), "stack"),
        (lambda t: np.split(t, 4, axis=1), "split: 3 .*4 equal parts"),
        (lambda t: np.broadcast_to(t, (2, 4)), "broadcast_to"),
        (lambda t: np.broadcast_to(t, (3,)), "broadcast_to"),
        (lambda t: np.squeeze(t, axis=0), "squeeze"),
        (lambda t: np.expand_dims(t, 5), "expand_dims"),
        (lambda t: np.where(np.ones(4, bool), t, 0.0), "where"),
        (lambda t: np.dot(t, t), "matmul"),
    ],
)
def test_shapes_that_do_not_fit(make: Any, name: str) -> None:
    with pytest.raises(am.ShapeError, match=name):
        make(parameter())


@pytest.mark.parametrize("index", [(5,), (0, 0, 0), 7, "a", 1.5, np.array([0.5]), [9], (0, 9)])
def test_index_that_does_not_fit(index: Any) -> None:
    with pytest.raises((am.AutogradError, IndexError)):
        parameter()[index]


def test_index_error_names_the_operation() -> None:
    with pytest.raises(IndexError) as caught:
        parameter()[7]
    assert "getitem" in " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])


# ── derivatives that are not defined as asked ────────────────────────────────────────────────
def test_backward_on_a_non_scalar_without_a_cotangent() -> None:
    w = parameter()
    with pytest.raises(am.GradientError, match=r"multiply.*\(2, 3\).*\.sum\(\).*cotangent"):
        (w * 2).backward()
    assert w.grad is None


def test_backward_with_a_cotangent_of_another_shape() -> None:
    w = parameter()
    with pytest.raises(am.GradientError, match=r"\(3, 2\), expected \(2, 3\)"):
        (w * 2).backward(np.ones((3, 2)))
    assert w.grad is None


def test_backward_with_a_cotangent_that_is_text() -> None:
    with pytest.raises(am.OperandError):
        (parameter() * 2).backward("text")


def test_backward_where_nothing_requires_a_gradient() -> None:
    with pytest.raises(am.GradientError, match=r"requires a gradient.*requires_grad=True"):
        (am.tensor(2.0) * 3).backward()
    with am.no_grad():
        y = parameter() * 2
    with pytest.raises(am.GradientError, match="no_grad"):
        y.sum().backward()


def test_backward_through_a_comparison() -> None:
    with pytest.raises(am.GradientError, match="depends on no tensor"):
        (parameter(2.0) > 1.0).backward()


# ── NumPy functions and arguments ────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: np.add.at(t, [0], 1.0), "set_at"),
        (lambda t: np.histogram(t, weights=t), "weights"),
        (lambda t: np.add(t, 1.0, out=np.zeros((2, 3))), r"out=.*write y = np\.add"),
        (lambda t: np.sin(t, out=np.zeros((2, 3))), "out="),
        (lambda t: np.sum(t, out=np.zeros(())), "out="),
        (lambda t: np.clip(t, 0, 1, out=np.zeros((2, 3))), "out="),
        (lambda t: np.add(t, 1.0, where=t > 0), r"where.*np\.where"),
        (lambda t: np.add(t, 1.0, casting="unsafe"), "casting"),
        (lambda t: np.add(t, 1.0, dtype=int), "dtype=int64.*astype"),
    ],
)
def test_form_of_numpy_that_is_not_recorded(call: Any, message: str) -> None:
    t = parameter()
    with pytest.raises(am.UnsupportedError, match=message):
        call(t)
    assert_array_equal(t.data, M)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.sum(out=np.zeros(())),
        lambda t: t.max(out=np.zeros(())),
        lambda t: t.mean(0, None, np.zeros(3)),
        lambda t: t.cumsum(0, None, np.zeros((2, 3))),
        lambda t: t.clip(0, 1, out=np.zeros((2, 3))),
        lambda t: t.take([0], 0, np.zeros((1, 3))),
        lambda t: np.sum(t, 0, None, np.zeros(3)),
        lambda t: np.concatenate([t, t], 0, np.zeros((4, 3))),
        lambda t: np.stack([t, t], 0, np.zeros((2, 2, 3))),
        lambda t: np.dot(t, np.ones(3), np.zeros(2)),
        lambda t: t.round(1, np.zeros((2, 3))),
        lambda t: t.argmax(0, np.zeros(3, int)),
    ],
)
def test_out_is_never_ignored(call: Any) -> None:
    with pytest.raises((am.UnsupportedError, TypeError)):
        call(parameter())


def test_out_that_is_a_tensor() -> None:
    t = parameter()
    with pytest.raises(am.UnsupportedError, match="out="):
        np.add(M, M, out=t)
    assert_array_equal(t.data, M)


def test_error_in_a_forward_keeps_what_numpy_said() -> None:
    with pytest.raises(am.ShapeError, match="matmul: .*mismatch") as caught:
        parameter() @ np.ones((4, 2))
    assert isinstance(caught.value.__cause__, ValueError)


def test_error_in_a_rule_names_the_operation() -> None:
    from autograd_mini.core.primitive import PRIMITIVES, case, general

    broken = general(
        lambda x: x * 2, "?", "A wrong rule", name="broken_rule",
        vjp=(lambda g, y, x: np.ones(7),), samples=(case((2,)),),
    )  # fmt: skip
    w = parameter()
    try:
        y = broken(w)
        with pytest.raises(am.ShapeError, match=r"broken_rule.*\(7,\).*\(2, 3\)"):
            y.backward(M)
        assert w.grad is None
    finally:
        del PRIMITIVES["broken_rule"]


def test_two_rows_cannot_share_a_name() -> None:
    from autograd_mini.core.primitive import general

    with pytest.raises(ValueError, match="tanh"):
        general(lambda x: x, "?", "", name="tanh", vjp=None, samples=())
