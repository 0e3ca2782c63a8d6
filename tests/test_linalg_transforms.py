"""Matrix functions in forward mode and batches, of empty and strided arrays, in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

GENERATOR = np.random.default_rng(5)
A = GENERATOR.normal(size=(3, 3)) + 2 * np.eye(3)
B = GENERATOR.normal(size=(3, 3))


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
    "eig": lambda x: np.real(np.linalg.eig(x @ x.mT)[1]),  # complex since NumPy 2.5
    "eigvals": lambda x: np.real(np.linalg.eigvals(x @ x.mT)),
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


def test_rank_of_a_batch_is_that_of_each_example() -> None:
    stack = np.stack([np.ones((3, 3)), np.eye(3)])
    rank = am.vmap(lambda x: np.linalg.lstsq(x, x[:, 0])[2])(stack)
    assert_array_equal(rank, [1, 3])
    with pytest.raises(am.ConversionError, match="vmap"):
        am.vmap(np.linalg.matrix_rank)(stack)


def test_condition_numbers_of_a_batch_with_a_singular_example() -> None:
    stack = np.stack([np.ones((3, 3)), np.eye(3)])
    assert_array_equal(am.vmap(lambda x: np.linalg.cond(x, 1))(stack), [np.inf, 1])


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 0), (0, 0)])
def test_gradients_of_nothing_are_empty(shape: tuple[int, ...]) -> None:
    linalg = np.linalg
    functions = (
        linalg.inv, linalg.pinv, linalg.det, linalg.slogdet, linalg.cholesky, linalg.qr,
        linalg.svd, linalg.svdvals, linalg.eigh, linalg.eigvalsh, linalg.eig, linalg.eigvals,
    )  # fmt: skip
    for function in functions:

        def loss(x: Any, f: Any = function) -> Any:
            y = f(x)
            return sum(np.sum(np.real(part)) for part in (y if isinstance(y, tuple) else (y,)))

        assert am.grad(loss)(np.zeros(shape)).shape == shape


def test_gaussian_likelihood_equals_finite_differences() -> None:
    def loss(x: Any) -> Any:
        covariance = x @ x.T + np.eye(3)
        lower = np.linalg.cholesky(covariance)
        z = np.linalg.solve(lower, B[0])
        return np.sum(z**2) + 2 * np.sum(np.log(np.diagonal(lower)))

    assert am.gradcheck(loss, A).ok
    assert am.gradcheck(am.grad(loss), A).ok
