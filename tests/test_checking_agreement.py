"""What gradcheck asks beside the numbers: order two, forward mode, linearity, dtypes, Jacobians."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.checking import Kind, Report

GENERATOR = np.random.default_rng(1)
X = GENERATOR.normal(size=(3, 4))
V = GENERATOR.normal(size=4)


def kinds(report: Report) -> set[Kind]:
    return {cause.kind for cause in (*report.problems, *report.causes)}


def failing(f: Any, *inputs: Any, **kwargs: Any) -> Report:
    report = am.gradcheck(f, *inputs, raises=False, **kwargs)
    assert not report.ok, report
    return report


def test_second_order_of_right_functions_passes() -> None:
    report = am.gradcheck(lambda x, w: np.tanh(x @ w), X, V, order=2)
    assert report.order == 2
    assert report.checked == 3 + X.size + V.size
    assert am.gradcheck(lambda z: z * np.exp(z), X[0] + 1j * V, order=2).ok
    assert am.gradcheck(lambda p: {"a": p["u"] ** 3, "b": np.sum(p["u"])}, {"u": V}, order=2).ok


def test_rule_that_is_wrong_at_second_order_only_is_named() -> None:
    @am.primitive
    def cube(x: Any) -> Any:
        return x**3

    cube.vjp(lambda g, y, x: 3 * g * am.stop_gradient(x * x))
    assert am.gradcheck(cube, V, raises=False).parts[0].given.shape == (4,)
    report = failing(cube, V, order=2)
    assert Kind.SECOND_ORDER in kinds(report)
    assert "order 2" in str(report)


def test_second_order_of_a_gradient_that_cannot_be_differentiated_is_an_error() -> None:
    with pytest.raises(am.ArgumentError, match="order=2"):
        am.gradcheck(np.sin, V, vjp=lambda g, x: g * np.cos(x), order=2)
    with pytest.raises(am.ArgumentError, match="order must be 1 or 2"):
        am.gradcheck(np.sin, V, order=3)


def test_forward_mode_that_disagrees_is_named() -> None:
    @am.primitive
    def cube(x: Any) -> Any:
        return x**3

    cube.vjp(lambda g, y, x: 3 * g * x * x)
    cube.jvp(lambda ts, y, x: 2 * ts[0] * x * x)
    assert kinds(failing(cube, V)) == {Kind.FORWARD}


def test_gradient_that_is_not_linear_in_the_cotangent_is_named() -> None:
    report = failing(lambda x: 2 * x, V, vjp=lambda g, x: 2 * g if np.max(np.abs(g)) < 1.5 else g)
    assert Kind.COTANGENT in kinds(report) or report.count("wrong")


def test_gradient_that_changes_from_call_to_call_is_named() -> None:
    calls = []

    def vjp(g: Any, x: Any) -> Any:
        calls.append(g)
        return 2 * g * (1 + 1e-4 * (len(calls) > 1))

    assert Kind.NOT_DETERMINISTIC in kinds(failing(lambda x: 2 * x, V, vjp=vjp))


@pytest.mark.parametrize(
    ("vjp", "kind"),
    [
        (lambda g, x: (2 * g).astype(np.float32), Kind.DTYPE),
        (lambda g, x: 2 * g + 0j, Kind.DTYPE),
        (lambda g, x: (2 * g)[:3], Kind.SHAPE),
        (lambda g, x: None, Kind.SHAPE),
    ],
)
def test_wrong_dtype_or_shape_is_named(vjp: Any, kind: Kind) -> None:
    assert kinds(failing(lambda x: 2 * x, V, vjp=vjp)) == {kind}


def test_whole_numbers_are_a_gradient_too() -> None:
    assert am.gradcheck(lambda x: 2 * np.sum(x), V, grad=lambda x: np.full(4, 2)).ok


def test_narrow_gradient_of_a_narrow_function_is_fine() -> None:
    f32 = np.float32
    assert am.gradcheck(
        lambda x: np.sin(x).astype(f32), V, vjp=lambda g, x: (g * np.cos(x)).astype(f32)
    ).ok


# ── Jacobians as SciPy takes them ────────────────────────────────────────────────────────────
def test_jacobian_of_a_vector_function_is_checked() -> None:
    def f(x: Any) -> Any:
        return np.stack([x[0] * x[1], np.sin(x[2])])

    def jac(x: Any) -> Any:
        return np.array([[x[1], x[0], 0.0], [0.0, 0.0, np.cos(x[2])]])

    x = np.array([1.0, 2.0, 3.0])
    assert am.gradcheck(f, x, jac=jac).ok
    assert Kind.TRANSPOSED in kinds(failing(f, x, jac=lambda x: jac(x).T))
    assert failing(f, x, jac=lambda x: 2 * jac(x)).count("wrong") == 3


def test_sparse_and_row_jacobians_are_taken() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    assert am.gradcheck(lambda x: x**2, V, jac=lambda x: sparse.diags(2 * x)).ok
    assert am.gradcheck(lambda x: np.sum(x**2), V, jac=lambda x: 2 * x).ok
    assert am.gradcheck(lambda x: np.sum(x**2), V, jac=lambda x: 2 * x[None]).ok
    assert am.gradcheck(
        lambda x, a: a @ x, V, X, jac=lambda x, a: (a, np.einsum("ij,k->ijk", np.eye(3), x))
    ).ok


def test_function_that_returns_value_and_gradient_is_checked() -> None:
    assert am.gradcheck(lambda x: (np.sum(x**2), 2 * x), V, jac=True).ok
    failing(lambda x: (np.sum(x**2), x), V, jac=True)


# ── large inputs ─────────────────────────────────────────────────────────────────────────────
LARGE = GENERATOR.normal(size=20_000)


def function(x: Any) -> Any:
    return np.sum(np.tanh(x) * np.sin(x))


def gradient(x: Any) -> Any:
    t = np.tanh(x)
    return (1 - t * t) * np.sin(x) + t * np.cos(x)


def test_projections_pass_a_right_gradient_and_say_what_they_saw() -> None:
    report = am.gradcheck(function, LARGE, grad=gradient, coverage="projections")
    assert report.checked == 0
    assert report.coverage is not None
    assert report.coverage.entries == 20_000
    assert report.coverage.sensitivity < 1e-4 * report.coverage.norm
    assert "20,000 entries along 6 random directions" in str(report)
    assert report.to_dict()["coverage"]["projections"] == 6


@pytest.mark.long
def test_one_wrong_entry_among_many_is_found_by_halving() -> None:
    def wrong(x: Any) -> Any:
        found = gradient(x)
        found[12_345] = 0.0
        return found

    report = failing(function, LARGE, grad=wrong, coverage="projections")
    assert [e.place for e in report.first(1)] == ["x[12345]"]
    assert report.count("wrong") == 1


@pytest.mark.long
def test_mistake_in_every_entry_is_found_without_halving() -> None:
    report = failing(function, LARGE, grad=lambda x: 1.0001 * gradient(x), coverage="projections")
    assert report.count("wrong") >= 8
    assert "may be more" in str(report)


@pytest.mark.long
def test_projections_of_a_recorded_function_and_of_a_jvp_pass() -> None:
    assert am.gradcheck(function, LARGE, coverage="projections").ok
    assert am.gradcheck(np.sin, LARGE, jvp=lambda t, x: t * np.cos(x), coverage="projections").ok
    report = failing(
        np.sin, LARGE, jvp=lambda t, x: t * np.where(x == x[7], 1.0, np.cos(x)),
        coverage="projections",
    )  # fmt: skip
    assert report.first(1)[0].place == "x[7]"


def test_unknown_coverage_is_refused() -> None:
    with pytest.raises(am.ArgumentError, match="coverage must be one of"):
        am.gradcheck(np.sin, V, coverage="some")  # type: ignore[arg-type]
