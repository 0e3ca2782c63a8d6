"""Graphs of many small operations: the steps of the walk that are unrolled for two operands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as am


def neuron(w: Any, x: Any, b: Any) -> Any:
    """Return a scalar of Python's operators, in which every kind of operand occurs."""
    total = sum((wi * xi for wi, xi in zip(w, x, strict=True)), b)
    return am.relu(1 + -total) / (2.0 + w[0] ** 2) - b % 0.3


def leaves(dtype: Any = np.float64) -> list[am.Tensor]:
    return [am.tensor(v, requires_grad=True, dtype=dtype) for v in (0.5, -1.25, 2.0, 0.125)]


def test_gradients_are_those_of_the_recorded_walk_to_the_last_bit() -> None:
    *w, b = leaves()
    neuron(w, [1.5, -0.5, 0.25], b).backward()
    _, pullback = am.vjp(lambda *p: neuron(p[:-1], [1.5, -0.5, 0.25], p[-1]), *w, b)
    recorded = pullback(am.tensor(1.0, requires_grad=True))
    assert [p.grad for p in (*w, b)] == [g.item() for g in recorded]


def test_gradients_are_the_same_under_debug() -> None:
    *w, b = leaves()
    neuron(w, [1.5, -0.5, 0.25], b).backward()
    plain = [p.grad for p in (*w, b)]
    *w, b = leaves()
    with am.debug():
        neuron(w, [1.5, -0.5, 0.25], b).backward()
    assert [p.grad for p in (*w, b)] == plain


def test_gradients_of_float32_scalars_are_float32() -> None:
    *w, b = leaves(np.float32)
    neuron(w, [1.5, -0.5, 0.25], b).backward()
    assert [type(p.grad) for p in (*w, b)] == [np.float32] * 4


def test_a_wider_partner_does_not_widen_a_gradient() -> None:
    x = am.tensor(0.5, requires_grad=True, dtype=np.float32)
    (x * np.float64(3.0)).backward()
    assert type(x.grad) is np.float32 and x.grad == 3


@pytest.mark.parametrize("swap", [False, True])
def test_a_scalar_beside_an_array_gets_the_sum(swap: bool) -> None:
    x = am.tensor(0.5, requires_grad=True)
    a = am.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    y = a * x if swap else x * a
    y.backward(np.ones((2, 2)))
    assert x.grad == 10
    np.testing.assert_array_equal(a.grad, np.full((2, 2), 0.5))


def test_an_empty_array_beside_a_scalar_gives_it_zero() -> None:
    x = am.tensor(0.5, requires_grad=True)
    (x * np.zeros((0, 3))).sum().backward()
    assert x.grad == 0


def test_a_real_scalar_beside_a_complex_one_gets_a_real_gradient() -> None:
    x = am.tensor(0.5, requires_grad=True)
    np.real(x * am.tensor(2 + 1j, requires_grad=True)).backward()
    assert type(x.grad) is np.float64 and x.grad == 2


def test_both_operands_may_be_one_tensor() -> None:
    x = am.tensor(3.0, requires_grad=True)
    (x * x).backward()
    assert x.grad == 6


@pytest.mark.parametrize("position", [0, 1])
def test_a_leaf_changed_at_either_place_is_refused(position: int) -> None:
    pair = [am.tensor(2.0, requires_grad=True), am.tensor(3.0, requires_grad=True)]
    y = pair[0] * pair[1]
    pair[position].data = 1.0
    with pytest.raises(am.StaleGraphError, match="was changed after multiply"):
        y.backward()
    assert [x.grad for x in pair] == [None, None]


def test_a_constant_that_changed_is_refused_too() -> None:
    x, c = am.tensor(2.0, requires_grad=True), am.tensor(3.0)
    y = x * c
    c.data = 1.0
    with pytest.raises(am.StaleGraphError, match="was changed"):
        y.backward()


def test_an_operand_without_a_rule_gets_nothing() -> None:
    x, sign = (am.tensor(v, requires_grad=True) for v in (2.0, -1.0))
    np.copysign(x, sign).backward()
    assert x.grad == -1 and sign.grad is None


def test_a_hook_is_called_within_a_chain_of_scalars() -> None:
    x = am.tensor(2.0, requires_grad=True)
    y = x * 3.0
    y.register_hook(lambda g: g * 10)
    (y * 5.0).backward()
    assert x.grad == 150


def test_the_error_of_a_rule_names_its_operation() -> None:
    @am.primitive
    def product(a: Any, b: Any) -> Any:
        return a * b

    def failing(g: Any, y: Any, a: Any, b: Any) -> Any:
        raise ZeroDivisionError("on purpose")

    product.vjp(failing, failing)
    x = am.tensor(2.0, requires_grad=True)
    with pytest.raises(ZeroDivisionError) as caught:
        product(x, 3.0).backward()
    assert any("in the gradient of product_" in note for note in caught.value.__notes__)
