"""Transforms inside transforms, for every kind of argument."""

from __future__ import annotations

import numpy as np
import pytest

import autograd_mini as am


@pytest.mark.parametrize("wrap", [float, am.tensor, lambda x: am.tensor(x, requires_grad=True)])
def test_orders_agree_for_numbers_tensors_and_parameters(wrap):
    point = wrap(0.3)
    t = np.tanh(0.3)
    expected = [1 - t**2, -2 * t * (1 - t**2), (6 * t**2 - 2) * (1 - t**2)]
    function = np.tanh
    for value in expected:
        function = am.grad(function)
        result = function(point)
        np.testing.assert_allclose(getattr(result, "_value", result), value, rtol=1e-12)


@pytest.mark.parametrize("outer", [2.0, am.tensor(2.0), am.tensor(2.0, requires_grad=True)])
@pytest.mark.parametrize("inner", [3.0, am.tensor(3.0), am.tensor(3.0, requires_grad=True)])
def test_a_mixed_derivative_sees_the_outer_variable(outer, inner):
    mixed = am.grad(lambda y: am.grad(lambda z: z * y * y)(inner))(outer)
    assert float(getattr(mixed, "_value", mixed)) == 4.0


def test_a_tensor_without_gradient_gives_a_result_without_gradient():
    result = am.grad(lambda x: x**3)(am.tensor(2.0))
    assert isinstance(result, am.Tensor)
    assert not result.requires_grad
    assert float(result) == 12.0


def test_the_gradient_at_a_parameter_can_be_differentiated_again():
    x = am.tensor(2.0, requires_grad=True)
    am.grad(lambda x: x**3)(x).backward()
    assert x.grad == 12.0


def test_a_parameter_is_bound_afresh():
    x = am.tensor(5.0, requires_grad=True)
    assert am.grad(lambda y: y * x)(x).data == 5.0


def test_a_pullback_inside_a_gradient():
    assert am.grad(lambda x: am.vjp(lambda y: y**3, x)[1](1.0)[0])(2.0) == 12.0
