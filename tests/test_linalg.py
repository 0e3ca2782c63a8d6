"""Determinants, norms and inverses: exact where they are singular, and NumPy's errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am
from autograd_mini.errors import ArgumentError, MatrixError, ShapeError

GENERATOR = np.random.default_rng(5)
A = GENERATOR.normal(size=(3, 3)) + 2 * np.eye(3)
B = GENERATOR.normal(size=(3, 3))
W = GENERATOR.normal(size=(3, 3))
TALL = GENERATOR.normal(size=(5, 3))


# ── determinants ─────────────────────────────────────────────────────────────────────────────


def minors(x: Any) -> Any:
    """Return the cofactors by their definition."""
    n = len(x)
    rows = [[np.delete(np.delete(x, i, 0), j, 1) for j in range(n)] for i in range(n)]
    return np.array(
        [[(-1) ** (i + j) * np.linalg.det(rows[i][j]) for j in range(n)] for i in range(n)]
    )


@pytest.mark.parametrize("rank", [0, 1, 2, 3, 4])
def test_gradient_of_det_is_the_adjugate_at_every_rank(rank: int) -> None:
    generator = np.random.default_rng(rank)
    x = generator.normal(size=(4, rank)) @ generator.normal(size=(rank, 4))
    assert_allclose(am.grad(np.linalg.det)(x), minors(x), rtol=1e-9, atol=1e-12)
    stack = np.stack([x, np.eye(4), np.diag([1.0, 2.0, 0.0, 3.0])])[None]
    expected = np.stack([minors(part) for part in stack[0]])[None]
    assert_allclose(am.grad(lambda x: np.sum(np.linalg.det(x)))(stack), expected, atol=1e-12)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_second_derivative_of_det_is_exact_at_every_rank(rank: int) -> None:
    generator = np.random.default_rng(rank)
    x = generator.normal(size=(3, rank)) @ generator.normal(size=(rank, 3))
    stack = np.stack([x, A])
    assert am.gradcheck(am.grad(lambda x: np.sum(np.linalg.det(x) * [1.0, 2.0])), stack).ok


def test_complex_gradient_of_det_is_the_adjugate() -> None:
    x = (A + 1j * B) @ np.diag([1.0, 1.0, 0.0]) @ (B - 1j * W)
    g = am.tensor(x, requires_grad=True)
    np.linalg.det(g).backward(np.complex128(1))
    assert_allclose(g.grad, minors(x).conj(), rtol=1e-9)
    assert am.gradcheck(
        lambda a, b: np.abs(np.linalg.det(a + 1j * b) + 1) ** 2, x.real.copy(), x.imag.copy()
    ).ok


def test_third_derivative_of_det() -> None:
    def third(x: Any) -> Any:
        def second(x: Any) -> Any:
            return np.sum(am.grad(lambda x: np.linalg.det(x))(x) * W)

        return np.sum(am.grad(second)(x) * B)

    assert am.gradcheck(lambda x: am.grad(lambda x: np.sum(am.grad(np.linalg.det)(x) * W))(x), A).ok
    with pytest.raises(am.GradientError, match="singular"):
        am.grad(third)(np.ones((3, 3)))


def test_slogdet_of_a_singular_matrix_is_an_error_unless_it_does_not_count() -> None:
    stack = np.stack([A, np.ones((3, 3))])
    with pytest.raises(am.GradientError, match="singular"):
        am.grad(lambda x: np.sum(np.linalg.slogdet(x)[1]))(stack)
    g = am.grad(lambda x: np.linalg.slogdet(x)[1][0])(stack)
    assert_allclose(g[0], np.linalg.inv(A).T)
    assert_array_equal(g[1], 0)


# ── norms ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("order", [None, 1, 2, 3, 3.5, 0.5, 0, -1, -2.5, np.inf, -np.inf])
def test_gradient_of_a_vector_norm_of_zero_is_zero(order: Any) -> None:
    with np.errstate(divide="ignore"):
        g = am.grad(lambda x: np.sum(np.linalg.norm(x, order, axis=0)))(np.zeros((3, 2)))
    if order == 0:
        g = g * 1
    assert_array_equal(g, 0)


@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_gradient_of_a_matrix_norm_of_zero_is_zero(order: Any) -> None:
    assert_array_equal(am.grad(lambda x: np.linalg.norm(x, order))(np.zeros((3, 2))), 0)


def test_power_norm_with_a_zero_among_others_is_exact() -> None:
    x = np.array([0.0, 3.0, -4.0])
    for order in (1.5, 3, 3.5):
        assert am.gradcheck(lambda x, p=order: np.linalg.norm(x, p), x).ok
    for order in (0.5, -1, -2.5):
        with np.errstate(divide="ignore"):
            assert np.all(np.isfinite(am.grad(lambda x, p=order: np.linalg.norm(x, p))(x)))


def test_second_derivative_of_the_length() -> None:
    assert am.gradcheck(am.grad(np.linalg.norm), A).ok
    hessian = am.hessian(lambda x: np.linalg.norm(x, 3.5))(np.array([1.0, -2.0, 0.5]))
    assert np.all(np.isfinite(hessian))


def test_nuclear_norm_of_a_flat_matrix_has_the_least_subgradient() -> None:
    flat = np.outer([1.0, 2.0, 2.0], [3.0, 0.0, 4.0])
    assert_allclose(am.grad(lambda x: np.linalg.norm(x, "nuc"))(flat), flat / 15, atol=1e-12)


def test_condition_number_of_a_singular_matrix_is_infinite() -> None:
    for order in (None, 2, 1, "fro", np.inf):
        y = np.linalg.cond(am.tensor(np.diag([1.0, 0.0])), order)
        assert y.data == np.inf
    y = np.linalg.cond(am.tensor(np.stack([np.diag([1.0, 0.0]), np.eye(2)])), 1)
    assert_array_equal(y.data, [np.inf, 1])


# ── inverses ─────────────────────────────────────────────────────────────────────────────────


def test_pinv_keeps_the_rank() -> None:
    flat = TALL[:, :2] @ W[:2]

    def function(x: Any) -> Any:
        return np.linalg.pinv(x[:, :2] @ W[:2])

    assert_allclose(function(TALL), np.linalg.pinv(flat))
    assert am.gradcheck(function, TALL[:, :2]).ok
    assert am.gradcheck(lambda x: np.linalg.pinv(x[:, :2] @ x[:2]), A).ok


def test_pinv_that_cuts_a_singular_value_off_is_an_error() -> None:
    with pytest.raises(am.GradientError, match="cut off"):
        am.grad(lambda x: np.sum(np.linalg.pinv(x, 0.5)))(np.diag([1.0, 2.0, 5.0]))


def test_lstsq_of_dependent_columns_is_the_shortest_solution() -> None:
    def function(x: Any) -> Any:
        return np.linalg.lstsq(x[:, [0, 1, 0]], TALL[:, 0])[0]

    assert np.linalg.lstsq(TALL[:, [0, 1, 0]], TALL[:, 0])[2] == 2
    assert am.gradcheck(function, TALL).ok


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda x: np.linalg.inv(x * 0), MatrixError),
        (lambda x: np.linalg.solve(x * 0, x), MatrixError),
        (lambda x: np.linalg.cholesky(-x @ x.T), MatrixError),
        (lambda x: np.linalg.inv(x[0]), MatrixError),
        (lambda x: np.linalg.det(x[:2]), MatrixError),
        (lambda x: np.linalg.matrix_power(x[:2], 2), MatrixError),
        (lambda x: np.linalg.tensorsolve(x, x[0, :2]), MatrixError),
        (lambda x: np.linalg.lstsq(x, x[:2]), MatrixError),
        (lambda x: np.linalg.cond(x[:0]), MatrixError),
        (lambda x: np.linalg.multi_dot([x, x[0], x]), MatrixError),
        (lambda x: np.linalg.multi_dot([x]), ArgumentError),
        (lambda x: np.linalg.solve(x, x[:2]), ShapeError),
        (lambda x: np.linalg.outer(x, x), ShapeError),
        (lambda x: np.linalg.cross(x[:2], x[:2], axis=0), ShapeError),
        (lambda x: np.linalg.norm(x, "nuclear"), ArgumentError),
        (lambda x: np.linalg.norm(x, 3), ArgumentError),
        (lambda x: np.linalg.norm(x[0], "fro"), ArgumentError),
        (lambda x: np.linalg.norm(x[None], 2), ShapeError),
        (lambda x: np.linalg.norm(x, axis=(0, 0)), ShapeError),
        (lambda x: np.linalg.norm(x, axis=2), ShapeError),
        (lambda x: np.linalg.norm(x, axis="rows"), am.OperandError),
        (lambda x: np.linalg.matrix_power(x, 0.5), am.OperandError),
        (lambda x: np.linalg.pinv(x, 1e-3, rtol=1e-3), ArgumentError),
        (lambda x: np.linalg.tensorinv(x, 0), ArgumentError),
        (lambda x: np.linalg.eigh(x, "M"), ArgumentError),
        (lambda x: np.linalg.qr(x, "raw"), am.UnsupportedError),
        (lambda x: np.linalg.qr(x, "thin"), ArgumentError),
        (lambda x: np.linalg.inv(x.astype(np.float16)), am.OperandError),
    ],
)
def test_errors_are_ours_and_numpys(call: Any, error: Any) -> None:
    with pytest.raises(error):
        call(am.tensor(A, requires_grad=True))
    with pytest.raises((np.linalg.LinAlgError, ValueError, TypeError)):
        if error is not am.UnsupportedError:
            call(A)
        else:
            raise TypeError


def test_failed_cholesky_is_caught_as_by_numpys_error() -> None:
    x = am.tensor(np.diag([1.0, -1.0]), requires_grad=True)
    try:
        np.linalg.cholesky(x)
    except np.linalg.LinAlgError as error:
        assert "cholesky" in str(error)
        y = np.linalg.cholesky(x + 2 * np.eye(2))
    assert y.requires_grad
