"""Transforms inside transforms, for every kind of argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


# ── random nestings ──────────────────────────────────────────────────────────────────────────
Function = Callable[[Any], Any]
RATE = 1.3


def innermost(x: Any) -> Any:
    return np.sin(RATE * x)


def derivative(order: int, x: float) -> float:
    """Return a derivative of the innermost function."""
    return RATE**order * np.sin(RATE * x + order * np.pi / 2)


STEPS: dict[str, tuple[int, Callable[[Function], Function]]] = {
    "grad": (1, am.grad),
    "value_and_grad": (1, lambda f: lambda x: am.value_and_grad(f)(x)[1]),
    "value of value_and_grad": (0, lambda f: lambda x: am.value_and_grad(f)(x)[0]),
    "aux": (0, lambda f: lambda x: am.grad(lambda z: (z * 2.0, f(z)), has_aux=True)(x)[1]),
    "vjp": (1, lambda f: lambda x: am.vjp(f, x)[1](1.0)[0]),
    "value of vjp": (0, lambda f: lambda x: am.vjp(f, x)[0]),
    "jvp": (1, lambda f: lambda x: am.jvp(f, (x,), (1.0,))[1]),
    "value of jvp": (0, lambda f: lambda x: am.jvp(f, (x,), (1.0,))[0]),
    "jacobian": (1, am.jacobian),
    "forward jacobian": (1, lambda f: am.jacobian(f, mode="forward")),
    "reverse jacobian": (1, lambda f: am.jacobian(f, mode="reverse")),
    "hessian": (2, am.hessian),
    "hvp": (2, lambda f: lambda x: am.hvp(f)(x, 1.0)),
    "vmap": (0, lambda f: lambda x: am.vmap(f)(np.stack([x, 2.0 * x]))[0]),
    "vmap of grad": (1, lambda f: lambda x: am.vmap(am.grad(f))(np.stack([2.0 * x, x]))[1]),
    "of two": (1, lambda f: lambda x: am.grad(lambda z, y: f(z) * y / y)(x, f(x))),
    "twice nested": (1, lambda f: lambda x: am.grad(lambda z: z * am.grad(f)(x))(x)),
}
WRAPS: dict[str, Callable[[float], Any]] = {
    "float": float,
    "NumPy number": np.float64,
    "tensor": am.tensor,
    "parameter": lambda x: am.tensor(x, requires_grad=True),
}
CHAINS = st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4)


def nested(chain: list[str]) -> tuple[int, Function]:
    """Return how many derivatives a chain of transforms takes, and the function that it makes."""
    order, function = 0, innermost
    for name in chain:
        taken, transform = STEPS[name]
        order, function = order + taken, transform(function)
    return order, function


def check_kind(result: Any, wrap: str) -> None:
    """Arrays give arrays; tensors give tensors, which require a gradient if the argument does."""
    if wrap in ("float", "NumPy number"):
        assert not isinstance(result, am.Tensor)
    else:
        assert isinstance(result, am.Tensor)
        assert result.requires_grad is (wrap == "parameter")


@pytest.mark.long
@settings(max_examples=150)
@given(CHAINS, st.sampled_from(sorted(WRAPS)))
def test_a_random_nesting_gives_the_derivative_in_the_kind_of_its_argument(
    chain: list[str], wrap: str
) -> None:
    order, function = nested(chain)
    argument = WRAPS[wrap](0.4)
    result = function(argument)
    check_kind(result, wrap)
    assert float(getattr(result, "_value", result)) == pytest.approx(derivative(order, 0.4))
    if wrap == "parameter":
        result.backward()
        assert float(argument.grad) == pytest.approx(derivative(order + 1, 0.4))


@pytest.mark.long
@settings(max_examples=40)
@given(CHAINS, st.sampled_from(["float", "NumPy number", "tensor"]))
def test_a_compiled_nesting_gives_the_same(chain: list[str], wrap: str) -> None:
    order, function = nested(chain)
    program = am.compile(function)
    for x in (0.4, 0.7, -0.3, 0.2):
        result = program(WRAPS[wrap](x))
        check_kind(result, wrap)
        assert float(getattr(result, "_value", result)) == pytest.approx(derivative(order, x))
    assert program.source


@pytest.mark.long
@settings(max_examples=40)
@given(CHAINS, st.booleans())
def test_a_nesting_in_a_training_loop_drags_no_history_along(
    chain: list[str], compiled: bool
) -> None:
    order, function = nested(chain)

    def loss(w: Any) -> Any:
        return np.mean((function(w) - 0.1) ** 2)

    step: Any = am.value_and_grad(loss)
    step = am.compile(step) if compiled else step
    w = 0.3
    for _ in range(4):
        value, slope = step(w)
        assert not isinstance(value, am.Tensor)
        assert not isinstance(slope, am.Tensor)
        f, f1 = derivative(order, float(w)), derivative(order + 1, float(w))
        assert float(value) == pytest.approx((f - 0.1) ** 2)
        assert float(slope) == pytest.approx(2 * (f - 0.1) * f1)
        w = w - 0.001 * np.tanh(slope)  # a small step, since high derivatives are steep


@pytest.mark.parametrize("outer", [am.grad, am.hessian, am.jacobian, am.vmap])
def test_derivatives_at_a_vector_that_requires_no_gradient_require_none(outer: Any):
    x = np.array([0.3, 0.4])

    def function(z: Any) -> Any:
        inner = am.grad(lambda y: np.sum(np.sin(y) * np.cos(z)))(z)
        return np.sum(am.hvp(lambda y: np.sum(y**3 * inner))(z, z))

    expected = outer(function)(x)
    assert not isinstance(expected, am.Tensor)
    result = outer(function)(am.tensor(x))
    assert isinstance(result, am.Tensor)
    assert not result.requires_grad
    np.testing.assert_allclose(result.data, expected)
    assert outer(function)(am.tensor(x, requires_grad=True)).requires_grad


def test_the_second_derivative_at_a_tensor_requires_no_gradient():
    for function in (am.grad(am.grad(np.sin)), am.hessian(np.sin), am.jacobian(am.grad(np.sin))):
        result = function(am.tensor(0.3))
        assert isinstance(result, am.Tensor)
        assert not result.requires_grad
