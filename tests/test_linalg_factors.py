"""Factors, eigenvalues and singular values: complex ones, repeated ones, arbitrary bases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

GENERATOR = np.random.default_rng(5)
A = GENERATOR.normal(size=(3, 3)) + 2 * np.eye(3)
B = GENERATOR.normal(size=(3, 3))
W = GENERATOR.normal(size=(3, 3))
TALL = GENERATOR.normal(size=(5, 3))
PARTS = {
    (m, n): (GENERATOR.normal(size=(m, n)), GENERATOR.normal(size=(m, n)))
    for m, n in ((3, 3), (5, 3), (3, 5), (4, 2))
}
ORTHOGONAL = np.linalg.qr(A)[0]
REPEATED = ORTHOGONAL @ np.diag([1.0, 1.0, 3.0]) @ ORTHOGONAL.T


def check_complex(function: Callable[[Any], Any], shape: tuple[int, int] = (3, 3)) -> None:
    """Compare the gradient of a real function of a complex matrix with finite differences."""
    assert am.gradcheck(lambda re, im: function(re + 1j * im), *PARTS[shape]).ok


# ── complex inputs: losses without a gauge ───────────────────────────────────────────────────


@pytest.mark.parametrize("UPLO", ["L", "U"])
def test_complex_eigh_of_what_does_not_depend_on_phases(UPLO: str) -> None:
    def loss(x: Any) -> Any:
        w, v = np.linalg.eigh(x, UPLO)
        return np.sum(np.abs(v) ** 2 * W) + np.sum(w**3) + np.abs(v[0, 0] * np.conj(v[1, 0]) + 1)

    check_complex(loss)


def test_complex_cholesky_reads_the_lower_triangle() -> None:
    def loss(x: Any) -> Any:
        lower = np.linalg.cholesky(x + 8 * np.eye(3))
        return np.sum(np.real(lower * (W + 1j * B)))

    check_complex(loss)


@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("full", [False, True])
def test_complex_svd_of_what_does_not_depend_on_phases(shape: tuple[int, int], full: bool) -> None:
    weights = np.random.default_rng(0).normal(size=shape)

    def loss(x: Any) -> Any:
        u, s, vh = np.linalg.svd(x, full_matrices=full)
        polar = u[:, :3] @ vh[:3]
        return np.sum(np.real(polar * weights)) + np.sum(s**3) + np.sum(np.abs(u[:, 0]) ** 4)

    check_complex(loss, shape)


@pytest.mark.parametrize("mode", ["reduced", "r"])
@pytest.mark.parametrize("shape", [(3, 3), (5, 3), (3, 5)])
def test_complex_qr(shape: tuple[int, int], mode: Any) -> None:
    def loss(x: Any) -> Any:
        parts = np.linalg.qr(x, mode)
        parts = (parts,) if mode == "r" else parts
        return sum(np.sum(np.cos(np.real(p)) + np.imag(p) ** 3) for p in parts)

    check_complex(loss, shape)


def test_complex_eig_of_what_does_not_depend_on_phases() -> None:
    def loss(x: Any) -> Any:
        w, v = np.linalg.eig(x)
        return np.sum(np.abs(w) ** 3) + np.sum(np.abs(v) ** 4 * np.abs(w))

    check_complex(loss)


def test_eig_of_a_real_matrix_with_complex_eigenvalues() -> None:
    turning = np.array([[0.3, -1.0, 0.2], [1.1, 0.1, 0.4], [0.2, 0.3, 2.0]])

    def loss(x: Any) -> Any:
        w, v = np.linalg.eig(x)
        return np.sum(np.abs(v) ** 4 * np.abs(w)) + np.sum(np.real(w) ** 2)

    assert np.linalg.eigvals(turning).dtype.kind == "c"
    assert am.gradcheck(loss, turning).ok


def polar(x: Any) -> Any:
    u, _, vh = np.linalg.svd(x, full_matrices=False)
    return u @ vh


def rest(x: Any) -> Any:
    n = np.linalg.svd(x[:, :2])[0][:, 2:]
    return n @ np.conj(n.mT)


SECOND: dict[str, Any] = {
    "eigh": lambda x: np.abs(np.linalg.eigh(x)[1]) ** 2,
    "eig": lambda x: np.abs(np.linalg.eig(x)[1]) ** 4,
    "svd": lambda x: np.abs(np.linalg.svd(x)[0]) ** 4,
    "polar": polar,
    "rest": rest,
    "qr": lambda x: np.linalg.qr(x)[0],
    "cholesky": lambda x: np.linalg.cholesky(x @ np.conj(x.mT)),
    "pinv": lambda x: np.linalg.pinv(x[:, :2]),
    "nuclear": lambda x: np.linalg.norm(x, "nuc"),
    "norm": lambda x: np.linalg.norm(x, 3.5, axis=1),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_derivatives_of_complex_factors_equal_finite_differences(name: str) -> None:
    def loss(re: Any, im: Any) -> Any:
        y = SECOND[name](re + 1j * im)
        weights = np.arange(1.0, y.size + 1).reshape(y.shape)
        return np.sum(np.real(y) ** 2 * weights) + np.sum(np.imag(y) * weights)

    assert am.gradcheck(am.grad(loss, argnums=(0, 1)), *PARTS[3, 3]).ok


@pytest.mark.parametrize("function", [np.linalg.inv, np.linalg.det, np.linalg.slogdet])
def test_complex_second_order_equals_finite_differences(function: Any) -> None:
    def scalar(re: Any, im: Any) -> Any:
        y = function(re + 1j * im)
        parts = y if isinstance(y, tuple) else (y,)
        return sum(np.sum(np.real(p) ** 2 + np.imag(p)) for p in parts)

    assert am.gradcheck(am.grad(scalar, argnums=(0, 1)), *PARTS[3, 3]).ok


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: np.sum(np.real(np.linalg.eigh(x)[1])),
        lambda x: np.sum(np.imag(np.linalg.eig(x)[1])),
        lambda x: np.sum(np.real(np.linalg.svd(x)[0])),
    ],
)
def test_dependence_on_an_arbitrary_phase_is_an_error(loss: Any) -> None:
    x = am.tensor(PARTS[3, 3][0] + 1j * PARTS[3, 3][1], requires_grad=True)
    with pytest.raises(am.GradientError, match="phase"):
        loss(x).backward()


# ── one triangle ─────────────────────────────────────────────────────────────────────────────


def test_gradient_of_the_triangle_that_is_not_read_is_zero() -> None:
    for function in (np.linalg.eigvalsh, lambda x: np.linalg.cholesky(x + 5 * np.eye(3))):
        g = am.grad(lambda x, f=function: np.sum(f(x) ** 3))(A)
        assert_array_equal(np.triu(g, 1), 0)
        assert np.all(g[np.tril_indices(3)] != 0)


def test_gradient_along_symmetric_directions_is_that_of_the_symmetric_matrix() -> None:
    g = am.grad(lambda x: np.sum(np.linalg.eigvalsh(x) ** 3))(A @ A.T)
    assert_allclose(g + g.T, 3 * (A @ A.T @ A @ A.T) * 2, rtol=1e-10)


# ── repeated values ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("matrix", [np.eye(3), np.zeros((3, 3)), REPEATED])
def test_repeated_eigenvalues_share_their_derivative(matrix: Any) -> None:
    g = am.grad(lambda x: np.sum(np.linalg.eigvalsh(x)))(matrix)
    assert_allclose(g, np.eye(3), atol=1e-12)
    g = am.grad(lambda x: np.linalg.eigh(x)[0][0])(matrix)
    assert np.trace(g) == pytest.approx(1)


def test_smallest_of_three_equal_eigenvalues_has_a_third_of_the_trace() -> None:
    assert_allclose(am.grad(lambda x: np.linalg.eigvalsh(x)[0])(np.eye(3)), np.eye(3) / 3)
    assert_allclose(am.grad(lambda x: np.real(np.linalg.eigvals(x)[0]))(np.eye(3)), np.eye(3) / 3)
    assert_allclose(am.grad(lambda x: np.linalg.svdvals(x)[0])(ORTHOGONAL), ORTHOGONAL / 3)
    assert_allclose(am.grad(lambda x: np.linalg.norm(x, 2))(ORTHOGONAL), ORTHOGONAL / 3)


def test_smooth_functions_of_repeated_eigenvalues_are_exact() -> None:
    for values in (np.linalg.eigvalsh, np.linalg.svdvals, np.linalg.eigvals):
        g = am.grad(lambda x, f=values: np.sum(np.real(f(x) ** 2)))(REPEATED)
        assert_allclose(g + g.T, 4 * REPEATED, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("matrix", [np.eye(3), REPEATED])
@pytest.mark.parametrize(
    "vectors",
    [
        lambda x: np.linalg.eigh(x)[1],
        lambda x: np.real(np.linalg.eig(x)[1]),
        lambda x: np.linalg.svd(x)[0],
        lambda x: np.linalg.svd(x)[2],
    ],
)
def test_vectors_of_repeated_values_are_an_error(matrix: Any, vectors: Any) -> None:
    with pytest.raises(am.GradientError, match="repeated"):
        am.grad(lambda x: np.sum(vectors(x) * W))(matrix)


@pytest.mark.parametrize("factors", [np.linalg.eigh, np.linalg.eig, np.linalg.svd])
def test_vectors_of_repeated_values_that_are_not_used_do_no_harm(factors: Any) -> None:
    def loss(x: Any) -> Any:
        parts = factors(x)
        values, vectors = parts[1 if factors is np.linalg.svd else 0], parts[0]
        return np.sum(np.real(values)) + np.sum(0 * np.real(vectors))

    assert_allclose(am.grad(loss)(REPEATED).trace(), 3)


def test_vector_of_a_simple_eigenvalue_next_to_repeated_ones_has_a_gradient() -> None:
    def loss(x: Any) -> Any:
        v = np.linalg.eigh(x)[1][:, 2]
        return v @ W @ v

    assert am.gradcheck(loss, REPEATED).ok


def test_vmap_of_a_gradient_finds_the_repeated_eigenvalues_of_a_later_example() -> None:
    stack = np.stack([A @ A.T, np.eye(3)])
    gradient = am.vmap(am.grad(lambda x: np.sum(np.linalg.eigh(x)[1] * W)))
    with pytest.raises(am.GradientError, match="repeated"):
        gradient(stack)


def test_defective_matrix_is_an_error() -> None:
    jordan = np.array([[1.0, 1.0], [0.0, 1.0]])
    with pytest.raises(am.GradientError, match="singular"):
        am.grad(lambda x: np.real(np.linalg.eigvals(x)[0]))(jordan)


# ── bases that are not determined ────────────────────────────────────────────────────────────


def test_projector_on_the_rest_of_the_space_has_a_gradient() -> None:
    def by_svd(x: Any) -> Any:
        rest = np.linalg.svd(x)[0][:, 3:]
        return np.sum(rest @ rest.T * np.arange(25.0).reshape(5, 5))

    def by_qr(x: Any) -> Any:
        rest = np.linalg.qr(x, "complete")[0][:, 3:]
        return np.sum(rest @ rest.T * np.arange(25.0).reshape(5, 5))

    assert am.gradcheck(by_svd, TALL).ok
    assert am.gradcheck(by_qr, TALL).ok
    assert am.gradcheck(am.grad(by_qr), TALL).ok


@pytest.mark.parametrize("first", [lambda x: np.linalg.svd(x)[0],
                                   lambda x: np.linalg.qr(x, "complete")[0]])  # fmt: skip
def test_basis_of_the_rest_of_the_space_is_an_error(first: Any) -> None:
    with pytest.raises(am.GradientError, match="rest of the space"):
        am.grad(lambda x: np.sum(first(x) ** 3))(TALL)


def test_full_svd_without_the_rest_equals_the_reduced_one() -> None:
    def loss(x: Any, full: bool) -> Any:
        u, s, vh = np.linalg.svd(x, full_matrices=full)
        return np.sum((u[:, :3] * s) @ vh * TALL) + np.sum(u[:, 0] ** 3)

    assert_allclose(am.grad(loss)(TALL, True), am.grad(loss)(TALL, False), rtol=1e-9)


def test_singular_vectors_of_zero_are_an_error_and_other_vectors_are_not() -> None:
    flat = TALL[:, :2] @ W[:2]
    with pytest.raises(am.GradientError, match="or of 0"):
        am.grad(lambda x: np.sum(np.linalg.svd(x, False)[0][:, 2] ** 3))(flat)
    assert am.gradcheck(lambda x: np.sum(np.linalg.svd(x, False)[0][:, 0] ** 3), flat).ok


def test_qr_of_dependent_columns_is_an_error() -> None:
    with pytest.raises(am.GradientError, match="singular"):
        am.grad(lambda x: np.sum(np.linalg.qr(x)[1]))(np.ones((3, 2)))
