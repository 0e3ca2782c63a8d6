"""Operations of your own behave like those of the table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

X = np.array([0.5, -1.5, 2.0])


@am.primitive(symbol="x³")
def cube(x: Any) -> Any:
    """Cube."""
    return x**3


@cube.vjp
def cube_vjp(g: Any, y: Any, x: Any) -> Any:
    return g * 3 * x**2


@am.primitive(elementwise=True)
def scaled_product(a: Any, b: Any, *, scale: float = 1.0) -> Any:
    return scale * a * b


scaled_product.vjp(
    lambda g, y, a, b, scale=1.0: g * scale * b, lambda g, y, a, b, scale=1.0: g * scale * a
)


@am.primitive(multiple=True)
def polar(x: Any, y: Any) -> Any:
    return np.hypot(x, y), np.arctan2(y, x)


@polar.vjp
def polar_vjp(g: Any, y: Any, a: Any, b: Any) -> Any:
    (gr, gt), r2 = g, a * a + b * b
    return gr * a / np.sqrt(r2) - gt * b / r2, gr * b / np.sqrt(r2) + gt * a / r2


@pytest.mark.parametrize("function", [cube, scaled_product, polar])
def test_gradient_and_second_order_are_right(function: Any) -> None:
    xs = [X, X + 0.25][: 1 if function is cube else 2]
    assert am.gradcheck(function, *xs).ok
    assert am.gradcheck(lambda *ts: am.vjp(function, *ts)[1](function(*ts))[0], *xs).ok


def test_broadcast_operands_of_an_elementwise_one_are_summed() -> None:
    assert am.gradcheck(lambda a, b: scaled_product(a, b, scale=2.0), np.ones((2, 3)), X).ok


@pytest.mark.parametrize("function", [cube, polar])
def test_forward_mode_follows_from_the_reverse_rule(function: Any) -> None:
    xs = (X,) if function is cube else (X, X + 0.25)
    ts = tuple(np.array([1.0, 0.5, -2.0]) * (i + 1) for i in range(len(xs)))
    _, moved = am.jvp(function, xs, ts)
    _, back = am.vjp(function, *xs)
    gs = moved if isinstance(moved, tuple) else (moved,)
    pulled = back(moved)
    assert_allclose(
        sum(np.sum(g * g) for g in gs), sum(np.sum(p * t) for p, t in zip(pulled, ts, strict=True))
    )


def test_a_jvp_of_its_own_is_used() -> None:
    calls = []

    @am.primitive
    def double(x: Any) -> Any:
        return 2 * x

    double.vjp(lambda g, y, x: 2 * g)
    double.jvp(lambda ts, y, x: calls.append(1) or 2 * ts[0])
    assert am.jvp(double, (3.0,), (1.0,)) == (6.0, 2.0)
    assert calls == [1]
    assert am.grad(double)(3.0) == 2.0


def test_vmap_takes_it_example_by_example() -> None:
    assert_array_equal(am.vmap(cube)(X), X**3)
    assert_array_equal(am.vmap(am.grad(cube))(X), 3 * X**2)


def test_it_is_one_vertex_with_its_symbol_scope_and_parameters() -> None:
    with am.scope("block"):
        y = scaled_product(am.tensor(X, requires_grad=True), 2.0, scale=3.0)
    assert (y.op.type, y.op.scope, y.op.params) == ("scaled_product", "block", {"scale": 3.0})
    assert cube(am.tensor(1.0)).op.primitive.symbol == "x³"
    assert cube.__doc__ == "Cube."


def test_plain_arrays_stay_plain() -> None:
    assert type(cube(X)) is np.ndarray


def test_without_a_rule_the_gradient_is_an_error() -> None:
    @am.primitive
    def lost(x: Any) -> Any:
        return x + 1

    with pytest.raises(am.GradientError, match=r"lost has no gradient yet.*@lost\.vjp"):
        am.grad(lost)(1.0)


def test_wrong_number_of_cotangents_is_named() -> None:
    @am.primitive
    def product(a: Any, b: Any) -> Any:
        return a * b

    product.vjp(lambda g, y, a, b: (g * b,))
    with pytest.raises(am.GradientError, match=r"product.*1 cotangents for 2 inputs"):
        am.grad(product)(1.0, 2.0)


def test_wrong_shape_of_a_cotangent_names_the_input() -> None:
    @am.primitive
    def total(a: Any) -> Any:
        return np.sum(a)

    total.vjp(lambda g, y, a: g)
    with pytest.raises(am.ShapeError, match=r"total.*shape \(\) for input 0 of shape \(3,\)"):
        am.grad(total)(X)


def test_wrong_declarations_are_named() -> None:
    with pytest.raises(am.ArgumentError, match="multiple=True"):
        am.primitive(lambda x: (x, x))(am.tensor(1.0))
    with pytest.raises(am.ArgumentError, match="2 rules.*1 inputs"):
        scaled_product(am.tensor(1.0))
    with pytest.raises(am.OperandError, match="scale is a tensor"):
        scaled_product(am.tensor(1.0), 2.0, scale=am.tensor(1.0))
    with pytest.raises(am.OperandError, match="decorates a function"):
        am.primitive("cube")
    with pytest.raises(am.OperandError, match="not an array of numbers"):
        am.primitive(lambda x: "text")(am.tensor(1.0))


def test_neither_inputs_nor_cotangents_can_be_written_into() -> None:
    @am.primitive
    def inplace(x: Any) -> Any:
        x *= 2
        return x

    with pytest.raises(am.ArgumentError, match="read-only"):
        inplace(am.tensor(X))

    @am.primitive
    def triple(x: Any) -> Any:
        return x * 3

    @triple.vjp
    def triple_vjp(g: Any, y: Any, x: Any) -> Any:
        g *= 3
        return g

    with pytest.raises(ValueError, match="read-only"):
        am.grad(lambda x: triple(x).sum())(X)


def test_lists_become_arrays_and_an_input_that_is_returned_is_copied() -> None:
    assert_array_equal(am.primitive(lambda x: x * 2)([1.0, 2.0]), [2, 4])
    x = np.ones(3)
    y = am.primitive(lambda x: x)(x)
    y[0] = 5.0
    assert x[0] == 1.0
