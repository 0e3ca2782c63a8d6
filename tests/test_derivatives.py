"""jvp, jacobian, hessian, hvp and vmap: structures, modes, nesting, errors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

GENERATOR = np.random.default_rng(3)
W = GENERATOR.normal(size=(4, 3))
X = GENERATOR.normal(size=(5, 4))
V = X[0]


def layer(x: Any) -> Any:
    return np.tanh(x @ W)


def energy(x: Any) -> Any:
    return np.sum(np.tanh(x @ W) ** 2) * np.std(x)


def numeric(f: Any, x: Any) -> Any:
    steps = 1e-6 * np.eye(x.size).reshape(x.size, *x.shape)
    return np.stack([(f(x + h) - f(x - h)) / 2e-6 for h in steps], -1).reshape(
        *np.shape(f(x)), *x.shape
    )


# ── jvp ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("modes", ["rrrrr", "fffff", "frfrf", "rrfff"])
def test_fifth_derivative_of_tanh_is_exact(modes: str) -> None:
    function: Any = np.tanh
    for mode in modes:
        before = function
        if mode == "r":
            function = am.grad(before)
        else:
            function = lambda x, f=before: am.jvp(f, (x,), (1.0,))[1]  # noqa: E731
    for x in (-1.2, 0.0, 0.3, 2.0):
        t = np.tanh(x)
        assert abs(function(x) - (16 - 136 * t**2 + 240 * t**4 - 120 * t**6)) < 1e-9


def test_jvp_takes_containers_and_returns_the_results_structure() -> None:
    def f(p: Any, s: Any) -> Any:
        return {"y": p["a"] * p["b"], "n": [s * s]}

    y, t = am.jvp(f, ({"a": V, "b": 2.0}, 3.0), ({"a": V, "b": 1.0}, 0.5))
    assert_allclose(t["y"], V * 2 + V)
    assert t["n"] == [3.0]
    assert_allclose(y["y"], 2 * V)


def test_jvp_of_what_does_not_move_is_zero() -> None:
    y, t = am.jvp(lambda x: (np.floor(x), np.ones(2), 1.0), (V,), (V,))
    assert_array_equal(t[0], np.zeros(4))
    assert_array_equal(t[1], np.zeros(2))
    assert t[2] == 0


def test_tangents_that_do_not_fit_are_named() -> None:
    with pytest.raises(am.GradientError, match=r"shape \(3,\), expected \(4,\)"):
        am.jvp(layer, (V,), (V[:3],))
    with pytest.raises(am.GradientError, match="as a tuple"):
        am.jvp(layer, V, V)
    with pytest.raises(am.GradientError, match="2 tangents for 1"):
        am.jvp(layer, (V,), (V, V))
    with pytest.raises(am.GradientError, match="complex"):
        am.jvp(layer, (V,), (V * 1j,))
    with pytest.raises(am.GradientError, match="structure"):
        am.jvp(lambda p: p["a"], ({"a": 1.0},), ({"a": 1.0, "b": 2.0},))


def test_tangents_and_arguments_are_not_shared_with_results() -> None:
    t = np.ones(4)
    y, moved = am.jvp(lambda x: x, (V,), (t,))
    assert not np.shares_memory(y, V)
    assert not np.shares_memory(moved, t)


def test_a_directional_derivative_is_differentiable_by_parameters() -> None:
    w = am.tensor(W, requires_grad=True)
    _, moved = am.jvp(lambda x: np.sum(np.tanh(x @ w)), (V,), (X[1],))
    moved.backward()
    found = numeric(lambda v: am.jvp(lambda x: np.sum(np.tanh(x @ v)), (V,), (X[1],))[1], W)
    assert_allclose(w.grad, found, atol=1e-8)


# ── jacobian, hessian, hvp ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize("f", [layer, energy, lambda x: np.outer(x, x)])
def test_jacobian_equals_finite_differences(f: Any, mode: Any) -> None:
    assert_allclose(am.jacobian(f, mode=mode)(V), numeric(f, V), atol=1e-8)


def test_jacobian_of_containers() -> None:
    def f(p: Any, s: Any) -> Any:
        return {"u": p["a"] * p["b"] * s, "v": p["b"] ** 2}

    first, second = am.jacobian(f, argnums=(0, 1))({"a": V, "b": 2.0}, 3.0)["u"]
    assert_allclose(first["a"], 6 * np.eye(4))
    assert_allclose(first["b"], 3 * V)
    assert_allclose(second, 2 * V)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_off_its_diagonal_is_zero_beside_an_infinite_slope(mode: Any) -> None:
    found = am.jacobian(np.sqrt, mode=mode)(np.array([0.0, 4.0]))
    assert_array_equal(found, [[np.inf, 0], [0, 0.25]])


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_the_empty_and_of_numbers(mode: Any) -> None:
    assert am.jacobian(np.sin, mode=mode)(np.zeros(0)).shape == (0, 0)
    assert am.jacobian(np.cumsum, mode=mode)(np.zeros((0, 3))).shape == (0, 0, 3)
    assert am.jacobian(np.sin, mode=mode)(0.0) == 1.0


def test_jacobian_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = am.jacobian(layer)(V)
    monkeypatch.setattr("autograd_mini.core.transforms.MOST_BYTES", 100)
    assert_array_equal(am.jacobian(layer)(V), expected)


def test_third_order_tensor_of_derivatives() -> None:
    third = am.jacobian(am.jacobian(am.jacobian(lambda x: np.sum(x**4))))(V)
    places = np.arange(4)
    assert_allclose(third[places, places, places], 24 * V)
    assert np.count_nonzero(third) == 4


def test_hessian_is_symmetric_and_equals_hvp() -> None:
    hessian = am.hessian(energy)(V)
    assert_allclose(hessian, hessian.T, atol=1e-12)
    assert_allclose(hessian @ X[1], am.hvp(energy)(V, X[1]), atol=1e-12)
    assert_allclose(hessian, numeric(am.grad(energy), V), atol=1e-7)


def test_hessian_penalty_reaches_parameters() -> None:
    w = am.tensor(W, requires_grad=True)
    np.sum(am.hessian(lambda x: np.sum(np.tanh(x @ w)))(V) ** 2).backward()

    def penalty(v: Any) -> Any:
        return np.sum(am.hessian(lambda x: np.sum(np.tanh(x @ v)))(V) ** 2)

    assert_allclose(w.grad, numeric(penalty, W), rtol=1e-6, atol=1e-7)


def test_holomorphic_functions_have_complex_derivatives() -> None:
    z = np.array([0.3 + 0.4j, -1.0 + 0.2j])
    for mode in ("forward", "reverse"):
        found = am.jacobian(np.exp, mode=mode, holomorphic=True)(z)  # type: ignore[arg-type]
        assert_allclose(found, np.diag(np.exp(z)))
    assert_allclose(am.grad(np.sin, holomorphic=True)(1j), np.cos(1j))
    assert_allclose(am.jacobian(lambda x: np.exp(1j * x))(0.5), 1j * np.exp(0.5j))


def test_complex_jacobians_that_are_not_defined_are_refused() -> None:
    with pytest.raises(am.GradientError, match="holomorphic=True if it is one"):
        am.jacobian(np.exp)(1j)
    with pytest.raises(am.GradientError, match="for complex arguments"):
        am.jacobian(np.exp, holomorphic=True)(1.0)
    with pytest.raises(am.GradientError, match="leave mode out"):
        am.jacobian(lambda x: np.exp(1j * x), mode="reverse")(0.5)
    with pytest.raises(am.GradientError, match="value is complex"):
        am.grad(np.exp)(1j)
    with pytest.raises(am.GradientError, match="complex scalar"):
        am.grad(np.sin, holomorphic=True)(1.0)
    with pytest.raises(am.ArgumentError, match="mode 'backward'"):
        am.jacobian(np.exp, mode="backward")  # type: ignore[arg-type]


def test_gradient_of_a_real_loss_of_complex_numbers_points_uphill() -> None:
    z = am.tensor(1 + 2j, requires_grad=True)
    (np.abs(z) ** 2).backward()
    assert_allclose(z.grad, 2 * (1 + 2j))
    assert_allclose(am.grad(lambda z: np.angle(z))(1 + 2j), 1j * (1 + 2j) / 5)
    assert_allclose(am.grad(lambda z: np.real(z * z) + np.imag(np.conj(z)))(1 + 2j), 2 - 5j)


# ── vmap ─────────────────────────────────────────────────────────────────────────────────────
def test_vmap_of_grad_and_grad_of_vmap() -> None:
    per_example = am.vmap(am.grad(energy))(X)
    assert_allclose(per_example, np.stack([am.grad(energy)(x) for x in X]))
    total = am.grad(lambda w: np.sum(am.vmap(lambda x: np.tanh(x @ w))(X)))(W)
    assert_allclose(total, am.grad(lambda w: np.sum(np.tanh(X @ w)))(W))
    assert_allclose(am.vmap(am.hessian(energy))(X)[2], am.hessian(energy)(X[2]), atol=1e-12)


def test_vmap_nests_and_takes_axes_and_containers() -> None:
    table = am.vmap(lambda a: am.vmap(lambda b: a * b)(X[:, 0]))(X[:, 1])
    assert_allclose(table, np.outer(X[:, 1], X[:, 0]))
    found = am.vmap(lambda p, s: {"y": p["x"] * s, "s": s}, in_axes=({"x": 1}, None), out_axes=-1)(
        {"x": X}, 2.0
    )
    assert_allclose(found["y"], 2 * X)
    assert_array_equal(found["s"], [2.0] * 4)
    assert_array_equal(am.vmap(lambda x, i: x[i])(X, np.array([0, 1, 2, 3, 0])),
                       X[range(5), [0, 1, 2, 3, 0]])  # fmt: skip


def test_vmap_of_nothing_has_the_right_shape() -> None:
    assert am.vmap(layer)(X[:0]).shape == (0, 3)


def test_vmap_gives_arrays_for_arrays_and_tensors_for_tensors() -> None:
    assert type(am.vmap(layer)(X)) is np.ndarray
    y = am.vmap(layer)(am.tensor(X, requires_grad=True))
    assert y.requires_grad
    result = am.vmap(lambda x: x)(X)
    assert not np.shares_memory(result, X)
    w = am.tensor(W, requires_grad=True)
    am.vmap(lambda x: np.sum(x @ w))(X).sum().backward()
    assert_allclose(w.grad, np.repeat(X.sum(0)[:, None], 3, 1))


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x if x[0] > 0 else -x,
        lambda x: x * float(x[0]),
        lambda x: x * x[0].item(),
        lambda x: x * x.data,
        lambda x: x * np.asarray(x),
        lambda x: np.zeros(3)[int(x[0])],
        lambda x: x.sum().backward(),
        lambda x: x[np.flatnonzero(x)],
        lambda x: np.repeat(x, (x > 0).astype(int)),
        lambda x: np.unique(x),
        lambda x: x[x > 0],
    ],
)
def test_looking_at_a_value_that_differs_between_examples_is_an_error(look: Any) -> None:
    with pytest.raises((am.ConversionError, am.ShapeError)):
        am.vmap(look)(X)


def test_values_that_are_the_same_for_all_examples_may_be_looked_at() -> None:
    scale = am.tensor(2.0)
    assert_array_equal(am.vmap(lambda x: x * 2 if scale > 1 else x)(X), 2 * X)


def test_vmap_under_no_grad_and_with_no_grad_inside() -> None:
    @am.no_grad()
    def constant(x: Any) -> Any:
        return np.tanh(x)

    with am.no_grad():
        assert_allclose(am.vmap(am.grad(lambda x: np.sum(x**3)))(X), 3 * X**2)
    assert_allclose(am.vmap(constant)(X), np.tanh(X))
    assert_allclose(am.vmap(lambda x: x.detach() * x)(X), X * X)
    slope = am.vmap(am.grad(lambda x: np.sum(am.stop_gradient(x) * x)))(X)
    assert_allclose(slope, X)


def test_axes_that_do_not_fit_are_named() -> None:
    with pytest.raises(am.ShapeError, match="4, 5"):
        am.vmap(lambda a, b: a)(X, W)
    with pytest.raises(am.ShapeError, match="no axis 0"):
        am.vmap(layer)(1.0)
    with pytest.raises(am.ShapeError, match="maps no argument"):
        am.vmap(layer, in_axes=None)(X)
    with pytest.raises(am.OperandError, match="in_axes"):
        am.vmap(layer, in_axes=(0, 1))(X)


# ── vmap around transforms of plain values ───────────────────────────────────────────────────
def test_a_mapped_value_that_comes_by_closure_is_not_baked_in() -> None:
    x = np.array([1.0, 2.0])
    assert_allclose(am.vmap(lambda x: am.grad(lambda y: x * y**2)(1.0))(x), 2 * x)
    assert_allclose(am.vmap(lambda x: am.vjp(lambda y: y**3, 2.0)[1](x)[0])(x), 12 * x)
    assert_allclose(am.vmap(lambda x: am.jvp(lambda y: y**3, (2.0,), (x,))[1])(x), 12 * x)
    assert_allclose(am.vmap(lambda x: am.jacobian(lambda y: x * y**2)(1.0))(x), 2 * x)
    assert_allclose(am.vmap(lambda x: am.hessian(lambda y: x * y**3)(1.0))(x), 6 * x)
    assert_allclose(am.vmap(lambda x: am.hvp(lambda y: x * y**3)(1.0, 2.0))(x), 12 * x)
    twice = am.grad(lambda z: am.vmap(lambda x: am.grad(lambda y: x * y**2)(1.0))(z).sum())(x)
    assert_allclose(twice, [2, 2])
    _, back = am.vjp(lambda y: y**3, 2.0)
    assert_allclose(am.vmap(lambda g: back(g)[0])(x), 12 * x)


def test_what_comes_beside_a_result_keeps_its_gradient_to_outer_variables() -> None:
    def aux(x: Any) -> Any:
        return am.grad(lambda y: (y**3, y * x), has_aux=True)(2.0)[1]

    assert am.grad(aux)(3.0) == 2.0
    assert am.jvp(aux, (3.0,), (1.0,))[1] == 2.0
    p = am.tensor(3.0, requires_grad=True)
    gradient, beside = am.grad(lambda y: (y**3, {"p": p * p, "n": "text"}), has_aux=True)(2.0)
    assert type(gradient) is np.float64
    assert beside["p"].requires_grad
    assert beside["n"] == "text"


def test_a_mask_of_an_outer_vmap_is_not_baked_in() -> None:
    x = np.array([[1.0, -2.0, 3.0], [-1.0, 2.0, 0.5]])
    found = am.vmap(am.jacobian(lambda x: am.set_at(x, x > 0, 0.0)))(x)
    assert_array_equal(found, [np.diag([0, 1, 0]), np.diag([1, 0, 0])])
    with pytest.raises(am.ConversionError, match="index of booleans"):
        am.vmap(lambda x: am.vmap(lambda t: (x * t)[x > 0].sum())(np.arange(1.0, 3)))(x)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_copies_inside_vmap_are_refused(copied: Any) -> None:
    with pytest.raises(am.ConversionError, match="copying"):
        am.vmap(lambda x: x * len(copied(x).shape))(X)


def test_out_axes_of_none_is_for_results_that_are_the_same() -> None:
    assert am.vmap(lambda x: 3.0, out_axes=None)(X) == 3.0
    with pytest.raises(am.ShapeError, match="out_axes is None"):
        am.vmap(lambda x: x, out_axes=None)(X)
    assert_array_equal(am.vmap(lambda a, b: a * b, in_axes=[0, None])(X[0], 2.0), 2 * X[0])
    with pytest.raises(am.OperandError, match="integers or None"):
        am.vmap(lambda x: x, in_axes=True)(X)
