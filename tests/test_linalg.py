"""Conventions, edges and errors of numpy.linalg that the table's properties do not reach."""

from __future__ import annotations

from collections.abc import Callable
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
PARTS = {
    (m, n): (GENERATOR.normal(size=(m, n)), GENERATOR.normal(size=(m, n)))
    for m, n in ((3, 3), (5, 3), (3, 5), (4, 2))
}
ORTHOGONAL = np.linalg.qr(A)[0]
REPEATED = ORTHOGONAL @ np.diag([1.0, 1.0, 3.0]) @ ORTHOGONAL.T


def check_complex(function: Callable[[Any], Any], shape: tuple[int, int] = (3, 3)) -> None:
    """Compare the gradient of a real function of a complex matrix with finite differences."""
    assert am.gradcheck(lambda re, im: function(re + 1j * im), *PARTS[shape]).ok


def symmetric(x: Any) -> Any:
    return x + np.conj(x.mT)


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
    assert_allclose(am.grad(lambda x: np.linalg.eigvals(x)[0])(np.eye(3)), np.eye(3) / 3)
    assert_allclose(am.grad(lambda x: np.linalg.svdvals(x)[0])(ORTHOGONAL), ORTHOGONAL / 3)
    assert_allclose(am.grad(lambda x: np.linalg.norm(x, 2))(ORTHOGONAL), ORTHOGONAL / 3)


def test_smooth_functions_of_repeated_eigenvalues_are_exact() -> None:
    for values in (np.linalg.eigvalsh, np.linalg.svdvals, np.linalg.eigvals):
        g = am.grad(lambda x, f=values: np.sum(f(x) ** 2))(REPEATED)
        assert_allclose(g + g.T, 4 * REPEATED, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("matrix", [np.eye(3), REPEATED])
@pytest.mark.parametrize(
    "vectors",
    [
        lambda x: np.linalg.eigh(x)[1],
        lambda x: np.linalg.eig(x)[1],
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
        return np.sum(parts[1 if factors is np.linalg.svd else 0]) + np.sum(0 * parts[0])

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
    re, im = PARTS[3, 3]
    x = (re + 1j * im) @ np.diag([1.0, 1.0, 0.0]) @ (im - 1j * re)
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


# ── forward mode, batches, edges ─────────────────────────────────────────────────────────────

FUNCTIONS: dict[str, Any] = {
    "inv": np.linalg.inv,
    "pinv": lambda x: np.linalg.pinv(x[:, :2]),
    "det": np.linalg.det,
    "slogdet": lambda x: np.linalg.slogdet(x)[1],
    "solve": lambda x: np.linalg.solve(x, x[0]),
    "lstsq": lambda x: np.linalg.lstsq(x[:, :2], x[:, 2])[0],
    "cholesky": lambda x: np.linalg.cholesky(x @ x.mT),
    "qr": lambda x: np.linalg.qr(x)[0],
    "svd": lambda x: np.linalg.svd(x)[0],
    "svdvals": np.linalg.svdvals,
    "eigh": lambda x: np.linalg.eigh(x)[1],
    "eigvalsh": np.linalg.eigvalsh,
    "eig": lambda x: np.linalg.eig(x @ x.mT)[1],
    "eigvals": lambda x: np.linalg.eigvals(x @ x.mT),
    "norm": lambda x: np.linalg.norm(x, axis=0),
    "nuclear": lambda x: np.linalg.norm(x, "nuc"),
    "cond": np.linalg.cond,
    "matrix_power": lambda x: np.linalg.matrix_power(x, 3),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_forward_mode_equals_reverse_mode(name: str) -> None:
    function = FUNCTIONS[name]
    y, t = am.jvp(function, (A,), (B,))
    g = np.random.default_rng(0).normal(size=np.shape(y))
    back = am.vjp(function, A)[1](g)[0]
    assert_allclose(np.sum(g * t), np.sum(back * B), rtol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vmap_equals_a_loop(name: str) -> None:
    function = FUNCTIONS[name]
    stack = np.stack([A, A.T, A + np.diag([0.0, 1.0, 2.0])])
    expected = np.stack([function(x) for x in stack])
    assert_allclose(am.vmap(function)(stack), expected, rtol=1e-9)
    gradient = am.grad(lambda x: np.sum(function(x) ** 3))
    expected = np.stack([gradient(x) for x in stack])
    assert_allclose(am.vmap(gradient)(stack), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_read_only_and_strided_inputs(name: str) -> None:
    function = FUNCTIONS[name]
    gradient = am.grad(lambda x: np.sum(function(x) ** 3))
    wide = np.repeat(A, 2, axis=1)[:, ::2]
    wide.flags.writeable = False
    assert_allclose(gradient(wide), gradient(A), rtol=1e-10)


def test_solve_with_a_plain_matrix_and_a_tensor() -> None:
    assert am.gradcheck(lambda b: np.linalg.solve(A, b), B[0]).ok
    assert am.gradcheck(lambda a: np.linalg.solve(a, B), A).ok


def test_results_are_numpys_named_tuples() -> None:
    x = am.tensor(A, requires_grad=True)
    assert type(np.linalg.eigh(x)) is type(np.linalg.eigh(A))
    assert np.linalg.svd(x).S.requires_grad
    assert np.linalg.slogdet(x).logabsdet.requires_grad
    assert np.linalg.qr(x).Q.shape == (3, 3)
    assert np.linalg.eig(x).eigenvalues.shape == (3,)


def test_power_zero_has_a_gradient_of_zero() -> None:
    assert_array_equal(am.grad(lambda x: np.sum(np.linalg.matrix_power(x, 0)))(A), 0)


def test_rank_reads_the_values() -> None:
    assert np.linalg.matrix_rank(am.tensor(np.ones((3, 3)), requires_grad=True)) == 1


def test_gaussian_likelihood_equals_finite_differences() -> None:
    def loss(x: Any) -> Any:
        covariance = x @ x.T + np.eye(3)
        lower = np.linalg.cholesky(covariance)
        z = np.linalg.solve(lower, B[0])
        return np.sum(z**2) + 2 * np.sum(np.log(np.diagonal(lower)))

    assert am.gradcheck(loss, A).ok
    assert am.gradcheck(am.grad(loss), A).ok
