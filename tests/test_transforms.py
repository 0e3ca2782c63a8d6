"""grad, value_and_grad and vjp, of any order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

X = np.array([0.5, -1.0, 2.0])


def test_arrays_give_arrays_and_numbers_give_numbers() -> None:
    assert type(am.grad(lambda x: (x * x).sum())(X)) is np.ndarray
    assert type(am.grad(lambda x: x * x)(3.0)) is np.float64
    assert type(am.grad(lambda x: x * x)(np.float32(3.0))) is np.float32


def test_tensors_give_tensors() -> None:
    x = am.tensor(X, requires_grad=True)
    g = am.grad(lambda t: (t**3).sum())(x)
    assert type(g) is am.Tensor
    assert g.requires_grad
    g.sum().backward()
    assert_allclose(x.grad, 6 * X)


def test_integers_are_differentiated_as_float64() -> None:
    assert am.grad(lambda x: x * x)(3) == 6.0
    assert_array_equal(am.grad(lambda x: (x * x).sum())(np.array([1, 2])), [2.0, 4.0])


def test_differentiated_argument_is_not_confused_with_the_tensor_passed() -> None:
    x = am.tensor(X, requires_grad=True)
    g = am.grad(lambda y: (y * x).sum())(x)
    assert_array_equal(g.data, X)
    assert am.grad(lambda y: y * 3.0)(am.tensor(2.0)).item() == 3.0


def test_gradient_of_y_times_x_at_x_can_be_differentiated_again() -> None:
    x = am.tensor(2.0, requires_grad=True)
    am.grad(lambda y: y * y * x)(x).backward()
    assert x.grad == 8.0  # d(2·x·x)/dx


def test_same_argument_twice_counts_each_place_alone() -> None:
    x = am.tensor(3.0)
    a, b = am.grad(lambda p, q: p * p * q, argnums=(0, 1))(x, x)
    assert (a.item(), b.item()) == (18.0, 9.0)


def test_unused_argument_gets_zeros_of_its_shape_and_dtype() -> None:
    x32 = X.astype(np.float32)
    a, b = am.grad(lambda x, y: (x * x).sum(), argnums=(0, 1))(X, x32)
    assert_array_equal(b, np.zeros(3))
    assert b.dtype == np.float32
    assert_array_equal(a, 2 * X)


def test_constant_function_gets_zeros() -> None:
    assert am.grad(lambda x: 3.0)(2.0) == 0.0
    assert_array_equal(am.grad(lambda x: np.sum(x > 0) * 1.0)(X), np.zeros(3))


def test_argnums_choose_arguments() -> None:
    def f(a: Any, b: Any, c: Any) -> Any:
        return a * b * c

    assert am.grad(f)(2.0, 3.0, 4.0) == 12.0
    assert am.grad(f, argnums=2)(2.0, 3.0, 4.0) == 6.0
    assert am.grad(f, argnums=-1)(2.0, 3.0, 4.0) == 6.0
    assert am.grad(f, argnums=(2, 0))(2.0, 3.0, 4.0) == (6.0, 12.0)
    assert am.grad(f, argnums=[1])(2.0, 3.0, 4.0) == (8.0,)


def test_keyword_arguments_are_passed_on() -> None:
    assert am.grad(lambda x, *, n: x**n)(2.0, n=3) == 12.0


def test_aux_comes_along_as_plain_values() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        return (y * y).sum(), {"y": y, "note": "ok"}

    (value, aux), g = am.value_and_grad(f, has_aux=True)(X)
    assert_allclose(value, np.sum(np.sin(X) ** 2))
    assert type(aux["y"]) is np.ndarray
    assert aux["note"] == "ok"
    g2, aux2 = am.grad(f, has_aux=True)(X)
    assert_array_equal(g, g2)
    assert_array_equal(aux["y"], aux2["y"])


class Layer(NamedTuple):
    w: Any
    b: Any


def test_nested_containers_keep_their_structure() -> None:
    params = {"layers": [Layer(np.ones((3, 2)), np.zeros(2)), Layer(np.ones((2, 1)), np.zeros(1))]}

    def loss(p: Any) -> Any:
        h = X[None]
        for layer in p["layers"]:
            h = np.tanh(h @ layer.w + layer.b)
        return (h * h).sum()

    value, g = am.value_and_grad(loss)(params)
    assert type(g["layers"][0]) is Layer
    assert g["layers"][0].w.shape == (3, 2)
    assert g["layers"][1].b.shape == (1,)
    assert value == loss(params)
    assert am.gradcheck(loss, params).ok


def test_vjp_takes_and_returns_structures() -> None:
    y, back = am.vjp(lambda p: {"s": p[0] * p[1], "t": np.sin(p[0])}, (2.0, 3.0))
    assert y["s"] == 6.0
    ((a, b),) = back({"s": 1.0, "t": 0.0})
    assert (a, b) == (3.0, 2.0)


def test_vjp_can_be_called_many_times() -> None:
    y, back = am.vjp(lambda x: x**2, X)
    jacobian = np.stack([back(e)[0] for e in np.eye(3)])
    assert_array_equal(y, X**2)
    assert_array_equal(jacobian, np.diag(2 * X))
    assert_array_equal(back(np.ones(3))[0], back(np.ones(3))[0])


def test_vjp_of_multi_output_operations() -> None:
    _, back = am.vjp(lambda x: np.split(x, [1]), X)
    assert_array_equal(back([np.array([5.0]), np.array([6.0, 7.0])])[0], [5, 6, 7])


def test_vjp_gradients_do_not_share_memory_with_the_cotangent() -> None:
    _, back = am.vjp(lambda x, y: x + y, X, X)
    g = np.ones(3)
    a, b = back(g)
    a[0] = 7.0
    assert_array_equal(b, [1, 1, 1])
    assert_array_equal(g, [1, 1, 1])


def test_vjp_of_the_identity_does_not_return_the_input() -> None:
    y, back = am.vjp(lambda x: x, X)
    (g,) = back(X)
    assert_array_equal(y, X)
    assert not np.shares_memory(g, X)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_higher_derivatives_of_a_scalar_function(order: int) -> None:
    f: Any = np.sin
    expected = [np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin][order - 1](0.7)
    for _ in range(order):
        f = am.grad(f)
    assert_allclose(f(0.7), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("f", "third"),
    [(lambda x: x**4, lambda x: 24 * x), (np.exp, np.exp), (np.log, lambda x: 2 / x**3),
     (np.tanh, lambda x: -2 * (1 - np.tanh(x) ** 2) * (1 - 3 * np.tanh(x) ** 2))],
)  # fmt: skip
def test_third_derivatives(f: Any, third: Any) -> None:
    assert_allclose(am.grad(am.grad(am.grad(f)))(0.6), third(0.6), rtol=1e-10)


def test_hessian_vector_product_is_symmetric() -> None:
    generator = np.random.default_rng(0)
    a, u, v = generator.normal(size=(3, 3)), *generator.normal(size=(2, 3))

    def f(x: Any) -> Any:
        return np.sum(np.tanh(x @ a) ** 2) * np.exp(x).sum()

    def times(direction: Any) -> Any:
        return am.grad(lambda x: (am.grad(f)(x) * direction).sum())(X)

    assert_allclose(u @ times(v), v @ times(u), rtol=1e-10)
    assert am.gradcheck(lambda x: am.grad(f)(x), X).ok


def test_second_order_through_backward() -> None:
    x = am.tensor(2.0, requires_grad=True)
    am.grad(lambda t: t**3)(x).backward()
    assert x.grad == 12.0


def test_vjp_is_differentiable_in_its_cotangent() -> None:
    def f(g: Any) -> Any:
        _, back = am.vjp(np.sin, X)
        return (back(g)[0] ** 2).sum()

    g = np.array([1.0, 2.0, 3.0])
    assert_allclose(am.grad(f)(g), 2 * g * np.cos(X) ** 2)


def test_grad_works_inside_no_grad() -> None:
    x = am.tensor(X, requires_grad=True)
    with am.no_grad():
        assert_array_equal(am.grad(lambda t: (t * t).sum())(X), 2 * X)
        g = am.grad(lambda t: (t * t).sum())(x)
        assert not am.is_recording()
    assert type(g) is am.Tensor
    assert not g.requires_grad
    assert_array_equal(g.data, 2 * X)


def test_nested_grad_works_inside_no_grad() -> None:
    with am.no_grad():
        assert am.grad(am.grad(lambda t: t**3))(2.0) == 12.0


def test_gradient_that_depends_on_outer_parameters_is_a_tensor() -> None:
    w = am.tensor(3.0, requires_grad=True)
    g = am.grad(lambda x: x * x * w)(2.0)
    assert type(g) is am.Tensor
    assert g.item() == 12.0
    g.backward()
    assert w.grad == 4.0


def test_numbers_give_numbers_through_nested_functions() -> None:
    got = am.grad(lambda x: am.grad(lambda y: y * y * x)(2.0))(3.0)
    assert type(got) is np.float64
    assert got == 4.0


def test_gradient_of_tensors_that_need_none_converts_to_a_number() -> None:
    value, g = am.value_and_grad(lambda t: t * t)(am.tensor(3.0))
    assert (float(value), float(g)) == (9.0, 6.0)
    assert not value.requires_grad
    assert not g.requires_grad
    assert g.op is not None


def test_tensors_give_tensors_where_nothing_is_computed() -> None:
    x, unused = am.tensor(3.0), am.tensor([1.0, 2.0])
    a, b = am.grad(lambda t, u: t, argnums=(0, 1))(x, unused)
    c = am.grad(lambda t: 2.0 * t)(x)
    assert [type(g) for g in (a, b, c)] == [am.Tensor] * 3
    assert (a.item(), b.tolist(), c.item()) == (1.0, [0.0, 0.0], 2.0)


def test_outer_parameters_get_no_gradient_from_grad() -> None:
    w = am.tensor(3.0, requires_grad=True)
    am.grad(lambda x: x * w)(2.0)
    assert w.grad is None


def test_gradient_penalty_reaches_the_parameters() -> None:
    w = am.tensor(X, requires_grad=True)

    def penalty() -> Any:
        g = am.grad(lambda x: np.sum(np.tanh(x * w)))(np.ones(3))
        return (g * g).sum()

    penalty().backward()
    step = 1e-6
    for i in range(3):
        values = []
        for sign in (1, -1):
            moved = X.copy()
            moved[i] += sign * step
            values.append(np.sum((moved * (1 - np.tanh(moved) ** 2)) ** 2))
        assert_allclose(w.grad[i], (values[0] - values[1]) / (2 * step), rtol=1e-6, atol=1e-9)


def test_stop_gradient_and_detach_end_the_path() -> None:
    assert am.grad(lambda x: x * am.stop_gradient(x))(3.0) == 3.0
    assert am.grad(lambda x: x * x.detach())(3.0) == 3.0


def test_wrapped_function_keeps_its_name() -> None:
    def loss(x: Any) -> Any:
        """Say what it is."""
        return x

    assert am.grad(loss).__name__ == "loss"
    assert am.value_and_grad(loss).__doc__ == "Say what it is."


def test_non_scalar_function_is_refused() -> None:
    with pytest.raises(am.GradientError, match=r"not a scalar.*\.sum\(\)"):
        am.grad(lambda x: x * 2)(X)


@pytest.mark.parametrize("value", ["text", 1 + 2j, None, [1.0, "a"]])
def test_argument_that_cannot_be_differentiated_is_refused(value: Any) -> None:
    with pytest.raises(am.AutogradError):
        am.grad(lambda x: x)(value)


def test_result_that_is_no_tensor_is_refused() -> None:
    with pytest.raises(am.OperandError, match="returned str"):
        am.grad(lambda x: "text")(1.0)


def test_argnums_out_of_range_is_refused() -> None:
    with pytest.raises(am.GradientError, match="argnums 3"):
        am.grad(lambda x: x, argnums=3)(1.0)


def test_wrong_cotangents_are_refused() -> None:
    _, back = am.vjp(lambda x: (x, x * 2), X)
    with pytest.raises(am.GradientError, match="1 cotangents for 2 outputs"):
        back(np.ones(3))
    with pytest.raises(am.GradientError, match=r"shape \(2,\), expected \(3,\)"):
        back((np.ones(3), np.ones(2)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_gradient_has_the_dtype_of_its_argument(dtype: Any) -> None:
    x = X.astype(dtype)
    g = am.grad(lambda t: np.sum(np.tanh(t) * np.ones(3)))(x)
    assert g.dtype == dtype


def test_mixed_dtypes_promote_as_numpy_and_come_back() -> None:
    a, b = np.float32(2.0), np.float64(3.0)
    y, back = am.vjp(lambda p, q: p * q, a, b)
    ga, gb = back(1.0)
    assert y.dtype == np.float64
    assert (ga.dtype, gb.dtype) == (np.float32, np.float64)
