"""Einsum, the other products and convolution at their edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

GENERATOR = np.random.default_rng(3)
A = GENERATOR.normal(size=(3, 4))
B = GENERATOR.normal(size=(4, 2))
C = GENERATOR.normal(size=(3, 3)) + 1j * GENERATOR.normal(size=(3, 3))


def test_einsum_gradient_of_a_letter_that_is_summed_out_is_repeated() -> None:
    g = am.grad(lambda a: np.einsum("ij,k->", a, np.ones(2)))(A)
    assert_array_equal(g, np.full((3, 4), 2.0))


def test_einsum_gradient_of_a_diagonal_is_zero_beside_it() -> None:
    g = am.grad(lambda a: np.einsum("iii->", a))(np.ones((2, 2, 2)))
    assert_array_equal(np.argwhere(g), [[0, 0, 0], [1, 1, 1]])


def test_einsum_gradient_of_an_axis_of_length_one_is_summed() -> None:
    assert am.gradcheck(lambda a, b: np.einsum("ij,ij->i", a, b), A, A[:, :1]).ok
    assert am.gradcheck(lambda a, b: np.einsum("i,i->", a, b), A[0], A[0, :1]).ok
    assert am.gradcheck(lambda a: np.einsum("ii,i->i", a, A[0]), A[:1, :1]).ok


def test_einsum_of_one_tensor_twice_keeps_both_gradients() -> None:
    assert am.gradcheck(lambda a: np.einsum("ij,kj->ik", a, a), A).ok


def test_einsum_second_derivatives_with_diagonals_and_an_explicit_path() -> None:
    path = ["einsum_path", (0, 1), (0, 1)]

    def f(a: Any, b: Any) -> Any:
        return np.einsum("ii,ij,jk->k", a, a, b, optimize=path)

    square = GENERATOR.normal(size=(3, 3))
    assert am.gradcheck(am.grad(lambda a: (f(a, A) ** 2).sum()), square).ok


def test_einsum_of_size_zero() -> None:
    x = am.tensor(np.zeros((0, 3)), requires_grad=True)
    y = np.einsum("ij,ij->j", x, x)
    assert_array_equal(y.data, np.zeros(3))
    y.sum().backward()
    assert x.grad.shape == (0, 3)


def test_einsum_maps_over_examples() -> None:
    stack = GENERATOR.normal(size=(5, 3, 3))
    f = am.vmap(lambda a: np.einsum("ii,ij,jk->ik", a, a, A))
    assert_allclose(f(stack), np.stack([np.einsum("ii,ij,jk->ik", a, a, A) for a in stack]))


def test_einsum_of_complex_operands_has_the_gradient_of_the_same_matmul() -> None:
    def loss(product: Any) -> Any:
        return lambda z: np.sum(np.abs(product(z)) ** 2)

    by_letters = am.grad(loss(lambda z: np.einsum("ij,jk->ik", z, C)))(C.T)
    assert_allclose(by_letters, am.grad(loss(lambda z: z @ C))(C.T), rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("ij,jk->ik", A), "terms"),
        (("ijk->i", A), "names 3 axes"),
        (("ij->ik", A), "must stand there once"),
        (("ij->ii", A), "must stand there once"),
        (("i...->i", A), "no ellipsis"),
        (("i1", A), "more than letters"),
        ((A, [0, "b"]), "does not name axes"),
        ((A, 3), "does not name axes"),
    ],
)
def test_einsum_says_what_is_wrong_with_subscripts(arguments: Any, what: str) -> None:
    with pytest.raises(am.AutogradError, match=what):
        np.einsum(*(am.tensor(x) if isinstance(x, np.ndarray) else x for x in arguments))


def test_einsum_refuses_out_and_unsafe_casts() -> None:
    x = am.tensor(A)
    with pytest.raises(am.UnsupportedError, match="out"):
        np.einsum("ij", x, out=np.zeros((3, 4)))
    with pytest.raises(TypeError, match="casting"):
        np.einsum("ij", x, dtype=np.float32)


def test_einsum_operands_of_different_lengths_are_an_error() -> None:
    with pytest.raises(ValueError, match="einsum"):
        np.einsum("ij,jk", am.tensor(A), am.tensor(A))


def test_tensordot_names_axes_that_differ() -> None:
    with pytest.raises(am.ShapeError, match="differ in length"):
        np.tensordot(am.tensor(A), am.tensor(A), 1)
    with pytest.raises(am.ShapeError, match="no 3 axes"):
        np.tensordot(am.tensor(A), am.tensor(A), 3)
    with pytest.raises(
        am.ShapeError, match=r"axes \(0,\) of a and axes \(0, 1\) of b differ in number"
    ):
        np.tensordot(am.tensor(A), am.tensor(A), ([0], [0, 1]))
    with pytest.raises(am.ArgumentError, match="not known"):
        np.tensordot(am.tensor(A), am.tensor(A), 1.5)


def test_products_with_a_tensor_second_and_a_plain_first() -> None:
    plain = am.tensor(B, requires_grad=True)
    results = (np.tensordot(A, plain, 1), np.inner(A, plain.T), np.outer(A, plain))
    for y in (*results, np.kron(A, plain), np.einsum("ij,jk", A, plain), np.vdot(B, plain)):
        assert type(y) is am.Tensor
        assert y.requires_grad


def test_vdot_conjugates_its_first_operand_and_the_gradient_is_that_of_pytorch() -> None:
    a, b = am.tensor(C[0], requires_grad=True), am.tensor(C[1], requires_grad=True)
    y = np.vdot(a, b)
    assert_allclose(y.data, np.vdot(C[0], C[1]))
    y.real.backward()
    assert_allclose(a.grad, C[1])
    assert_allclose(b.grad, C[0])


def test_vecdot_along_an_axis() -> None:
    stacks = GENERATOR.normal(size=(2, 3, 4))
    check = am.gradcheck(lambda a, b: np.vecdot(a, b), stacks, stacks[::-1])
    assert check.ok
    with pytest.raises(am.ShapeError, match="vectors of one length"):
        np.vecdot(am.tensor(A), am.tensor(A.T))


@pytest.mark.skipif(not hasattr(np, "matvec"), reason="came with NumPy 2.2")
def test_matvec_of_a_number_is_refused() -> None:
    with pytest.raises(am.ShapeError, match="vectors"):
        np.matvec(am.tensor(A), am.tensor(1.0))


def test_cross_of_the_plane_is_as_in_numpy() -> None:
    flat, space = A[:, :2], A[:, 1:]
    for a, b in ((flat, flat[::-1]), (flat, space), (space, flat)):
        if np.lib.NumpyVersion(np.__version__) >= "2.5.0":
            with pytest.raises(am.ShapeError, match="3-dimensional vectors"):
                np.cross(am.tensor(a), am.tensor(b))
            continue
        with pytest.warns(DeprecationWarning):
            expected = np.cross(a, b)
        with pytest.warns(DeprecationWarning):
            result = np.cross(am.tensor(a), am.tensor(b))
        assert_allclose(result.data, expected, rtol=1e-12)
    with pytest.raises(am.ShapeError, match="3 elements"):
        np.cross(am.tensor(A), am.tensor(A))


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("lengths", [(1, 1), (1, 4), (4, 1), (5, 3), (3, 6), (4, 4), (2, 7)])
@pytest.mark.parametrize("function", [np.convolve, np.correlate])
def test_convolution_of_all_lengths(function: Any, mode: str, lengths: tuple[int, int]) -> None:
    a, v = (GENERATOR.normal(size=n) for n in lengths)
    y = function(am.tensor(a), am.tensor(v), mode)
    assert_allclose(y.data, function(a, v, mode), rtol=1e-12, atol=1e-15)
    assert am.gradcheck(lambda a, v: function(a, v, mode), a, v).ok
    assert am.gradcheck(am.grad(lambda a, v: (function(a, v, mode) ** 3).sum()), a, v).ok


def test_convolution_names_wrong_arguments() -> None:
    x = am.tensor(A[0])
    with pytest.raises(am.ArgumentError, match="mode 'fill'"):
        np.convolve(x, x, "fill")
    for bad in (am.tensor(A), am.tensor(np.zeros(0))):
        with pytest.raises(am.ShapeError, match="one axis, not empty"):
            np.convolve(x, bad)
    with pytest.raises(am.ShapeError, match="one axis"):
        np.correlate(x, am.tensor(2.0))
