"""Gradients as people write them: pairs, dicts, dataclasses, SciPy's conventions, generators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.errors import ArgumentError

RNG = np.random.default_rng(4)
X = RNG.normal(size=(5, 3))
Y = RNG.normal(size=5)
W, B = RNG.normal(size=3), RNG.normal(size=())
PARAMS = {"w": W, "b": B}


def fails(f: Any, *inputs: Any, **options: Any) -> str:
    report = am.gradcheck(f, *inputs, raises=False, **options)
    assert not report.ok
    return str(report)


def loss(p: Any) -> Any:
    return 0.5 * np.sum((X @ p["w"] + p["b"] - Y) ** 2)


def slopes(p: Any) -> Any:
    r = X @ p["w"] + p["b"] - Y
    return {"w": X.T @ r, "b": r.sum()}


# ── value and gradient ───────────────────────────────────────────────────────────────────────
def test_loss_with_a_dict_of_gradients_is_checked() -> None:
    report = am.gradcheck(lambda p: (loss(p), slopes(p)), PARAMS, jac=True)
    assert [p.name for p in report.parts] == ["p['b']", "p['w']"]
    spoiled = {"w": 1.0, "b": -1.0}
    text = fails(
        lambda p: (loss(p), {k: g * spoiled[k] for k, g in slopes(p).items()}), PARAMS, jac=True
    )
    assert "p['b']" in text and "sign" in text


def test_dict_in_another_order_is_matched_by_keys() -> None:
    def grad(p: Any) -> Any:
        return {"v": np.ones(3), "u": 2 * p["u"]}

    assert am.gradcheck(lambda p: np.sum(p["u"] ** 2 + p["v"]), {"u": W, "v": W}, grad=grad).ok


@pytest.mark.parametrize("names", [("dw", "db"), ("b", "w2"), ("w",), ("w", "b", "c")])
def test_gradient_with_other_keys_is_an_error_that_names_both(names: Any) -> None:
    text = fails(loss, PARAMS, grad=lambda p: dict.fromkeys(names, W))
    assert "a dict of " + ", ".join(map(repr, names)) in text
    assert "expected its own structure, a dict of 'w', 'b'" in text


@pytest.mark.parametrize("given", [(W, B), [W, B], [B, W], None, 3.0])
def test_gradient_of_a_dict_is_not_taken_by_position(given: Any) -> None:
    assert "expected" in fails(loss, PARAMS, grad=lambda p: given)


def test_gradient_may_leave_out_what_is_not_differentiated() -> None:
    params = {"n": 2, "w": W}
    assert am.gradcheck(lambda p: p["n"] * p["w"].sum(), params, grad=lambda p: {"w": 0 * W + 2}).ok
    text = fails(lambda p: p["n"] * p["w"].sum(), params, grad=lambda p: {"n": 1.0})
    assert "a dict of 'n' for p" in text


def test_lists_of_another_length_are_refused() -> None:
    pair = [W, W + 1]
    assert am.gradcheck(lambda p: np.sum(p[0] * p[1]), pair, grad=lambda p: (p[1], p[0])).ok
    text = fails(lambda p: np.sum(p[0] * p[1]), pair, grad=lambda p: ([p[1], p[0], W],))
    assert "a list of 3 for p; expected its own structure, a list of 2" in text


@pytest.mark.parametrize(
    "f",
    [
        lambda p: (loss(p), slopes(p)),
        lambda p: [loss(p), slopes(p)],
    ],
)
def test_forgotten_jac_true_is_named(f: Any) -> None:
    with pytest.raises(ArgumentError, match="jac=True to compare it.* jac=False"):
        am.gradcheck(f, PARAMS)
    assert am.gradcheck(f, PARAMS, jac=True).ok


def test_forgotten_jac_true_of_arrays_and_numbers_is_named() -> None:
    for f, x in [(lambda x: (x @ x, 2 * x), W), (lambda x: (x**2, 2 * x), 1.5)]:
        with pytest.raises(ArgumentError, match="jac=True"):
            am.gradcheck(f, x)
        assert am.gradcheck(f, x, jac=True).ok and am.gradcheck(f, x, jac=False).ok
    with pytest.raises(ArgumentError, match="something in the shape of x, y"):
        am.gradcheck(lambda x, y: (x @ y, (y, x)), W, W + 1)


def test_two_results_with_a_rule_of_their_own_stay_possible() -> None:
    def vjp(g: Any, x: Any) -> Any:
        return (2 * x * g[0] + 2 * g[1],)

    assert am.gradcheck(lambda x: (x @ x, 2 * x), W, vjp=vjp).ok
    assert am.gradcheck(lambda x: (x.sum(), x[:2]), W).ok
    assert am.gradcheck(lambda x: (2 * x, x.sum()), W).ok
    assert am.gradcheck(lambda x: {"a": x.sum(), "b": x * 2}, W).ok


# ── SciPy ────────────────────────────────────────────────────────────────────────────────────
def test_function_with_further_arguments_names_argnums() -> None:
    def f(x: Any, *args: Any) -> Any:
        return args[0] * np.sum((x - args[1]) ** 2), 2 * args[0] * (x - args[1])

    assert am.gradcheck(f, W, 2.0, W + 1, jac=True, argnums=0).checked == 3
    assert "argnums=0 if they are only for x" in fails(f, W, 2.0, W + 1, jac=True)


def test_none_for_an_input_names_argnums() -> None:
    text = fails(lambda x, y: np.sum(x * y), W, W + 1, grad=lambda x, y: (y, None))
    assert "None for y" in text and "argnums=0 leaves it out" in text
    text = fails(
        lambda x, y, z: np.sum(x * y * z), W, W + 1, W, grad=lambda x, y, z: (None, x * z, x * y)
    )
    assert "argnums=(1, 2) leaves it out" in text


def residuals(x: Any) -> Any:
    return np.array([x[0] ** 2 - x[1], np.sin(x[2]), x[0] * x[2], x[1]])


def jacobian(x: Any) -> Any:
    rows = [[2 * x[0], -1, 0], [0, 0, np.cos(x[2])], [x[2], 0, x[0]], [0, 1, 0]]
    return np.array(rows)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_array", "coo_matrix", "lil_array"])
def test_sparse_jacobians_of_residuals_are_checked(form: str) -> None:
    sparse = getattr(pytest.importorskip("scipy.sparse"), form)
    assert am.gradcheck(residuals, W, jac=lambda x: sparse(jacobian(x))).ok
    assert "sign" in fails(residuals, W, jac=lambda x: sparse(-jacobian(x)))


def test_jacobians_as_operators_are_checked_both_ways() -> None:
    linalg = pytest.importorskip("scipy.sparse.linalg")

    def operator(x: Any, forward: float = 1, backward: float = 1) -> Any:
        j = jacobian(x)
        return linalg.LinearOperator(
            j.shape, matvec=lambda t: forward * j @ t, rmatvec=lambda g: backward * j.T @ g
        )

    assert am.gradcheck(residuals, W, jac=operator).ok
    assert am.gradcheck(residuals, W, jac=lambda x: linalg.aslinearoperator(jacobian(x))).ok
    assert "sign" in fails(residuals, W, jac=lambda x: operator(x, -1, -1))
    assert "matvec and an rmatvec that differ" in fails(
        residuals, W, jac=lambda x: operator(x, 1, 2)
    )
    only = lambda x: linalg.LinearOperator((4, 3), matvec=lambda t: jacobian(x) @ t)
    assert am.gradcheck(residuals, W, jac=only).ok


# ── dataclasses ──────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Params:
    w: Any
    b: Any
    name: str = "linear"


@dataclass
class Outer:
    inner: Params
    scale: Any


def linear(p: Params) -> Any:
    assert p.name == "linear"
    return loss({"w": p.w, "b": p.b})


def test_dataclasses_are_inputs() -> None:
    params = Params(W, B)
    report = am.gradcheck(linear, params)
    assert [p.name for p in report.parts] == ["p.w", "p.b"]

    def grad(p: Params, sign: float = 1) -> Params:
        found = slopes({"w": p.w, "b": p.b})
        return Params(sign * found["w"], found["b"])

    assert am.gradcheck(linear, params, grad=grad).ok
    assert am.gradcheck(linear, params, grad=lambda p: vars(grad(p)) | {"name": None}).ok
    assert am.gradcheck(linear, params, grad=lambda p: slopes({"w": p.w, "b": p.b})).ok
    text = fails(linear, params, grad=lambda p: grad(p, -1))
    assert "p.w" in text and "sign" in text
    text = fails(linear, params, grad=lambda p: {"dw": W, "b": B})
    assert "a dict of 'dw', 'b' for p; expected its own structure, Params(w, b, name)" in text
    assert np.array_equal(params.w, W)


def test_dataclasses_in_containers_and_in_dataclasses_are_taken_apart() -> None:
    outer = Outer(Params(W, B), 2.0)
    report = am.gradcheck(lambda o: o.scale * linear(o.inner), outer)
    assert [p.name for p in report.parts] == ["o.inner.w", "o.inner.b", "o.scale"]
    listed = am.gradcheck(
        lambda ps: linear(ps[0]) + linear(ps[1]["a"]), [outer.inner, {"a": outer.inner}]
    )
    assert [p.name for p in listed.parts][2:] == ["ps[1]['a'].w", "ps[1]['a'].b"]


# ── random numbers ───────────────────────────────────────────────────────────────────────────
def noisy(x: Any, rng: Any) -> Any:
    return x * rng.normal(size=x.shape)


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_generator_as_an_input_draws_the_same_numbers_each_time(make: Any) -> None:
    rng = make(7)
    vjp = lambda g, x, rng: (g * rng.normal(size=x.shape), None)
    assert am.gradcheck(noisy, W, rng, vjp=vjp).ok
    assert np.array_equal(rng.normal(size=3), make(7).normal(size=3))
    assert am.gradcheck(lambda x: noisy(x, make(7)), W).ok
