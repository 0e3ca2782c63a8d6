"""Fourier transforms: transposes, inverses, parity of lengths, and wrong arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

GENERATOR = np.random.default_rng(11)
X = GENERATOR.normal(size=(3, 6))
Z = GENERATOR.normal(size=(3, 5)) + 1j * GENERATOR.normal(size=(3, 5))
NORMS = [None, "backward", "ortho", "forward"]


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 7, 8, 11])
@pytest.mark.parametrize("function", [np.fft.rfft, np.fft.ihfft, np.fft.fft, np.fft.ifft])
def test_transforms_of_real_numbers_for_every_length(function: Any, n: int, norm: Any) -> None:
    def parts(x: Any) -> list[Any]:
        y = function(x, n, norm=norm)
        return [np.real(y), np.imag(y)]

    assert am.gradcheck(parts, X).ok


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 10, 13])
@pytest.mark.parametrize("function", [np.fft.irfft, np.fft.hfft])
def test_transforms_to_real_numbers_for_every_length(function: Any, n: int, norm: Any) -> None:
    assert am.gradcheck(lambda a, b: function(a + 1j * b, n, norm=norm), Z.real, Z.imag).ok


@pytest.mark.parametrize("n", [6, 7])
def test_irfft_ignores_what_it_does_not_read(n: int) -> None:
    def f(z: Any) -> Any:
        return np.sum(np.fft.irfft(z, n) * np.arange(1.0, n + 1))

    g = am.grad(f)(Z[0, : n // 2 + 1])
    assert g[0].imag == 0
    assert (g[-1].imag == 0) == (n % 2 == 0)


def test_gradient_of_a_power_spectrum_is_real_for_real_signals() -> None:
    x = am.tensor(X[0], requires_grad=True)
    np.sum(np.abs(np.fft.fft(x)) ** 2).backward()
    assert x.grad.dtype == np.float64
    assert_allclose(x.grad, 2 * 6 * X[0], rtol=1e-12)  # Parseval: 6·Σ x²


def test_gradient_of_a_complex_signal_is_that_of_pytorch() -> None:
    z = am.tensor(Z[0], requires_grad=True)
    np.sum(np.abs(np.fft.fft(z)) ** 2).backward()
    assert_allclose(z.grad, 2 * 5 * Z[0], rtol=1e-12)


def test_a_transform_and_its_inverse_pass_the_cotangent_on() -> None:
    g = GENERATOR.normal(size=X.shape)
    for there, back in ((np.fft.rfft, np.fft.irfft), (np.fft.ihfft, np.fft.hfft)):
        _, pull = am.vjp(lambda x, there=there, back=back: back(there(x)), X)
        assert_allclose(pull(g)[0] if isinstance(pull(g), tuple) else pull(g), g, atol=1e-12)
    _, pull = am.vjp(lambda x: np.fft.irfft2(np.fft.rfft2(x)), X)
    assert_allclose(np.reshape(pull(g), X.shape), g, atol=1e-12)


def test_single_precision_stays_and_second_derivatives_exist() -> None:
    x = am.tensor(X.astype(np.float32), requires_grad=True)
    y = np.fft.rfftn(x, (4, 4), axes=(0, 1))
    assert y.dtype == np.complex64
    np.sum(np.abs(y) ** 2).backward()
    assert x.grad.dtype == np.float32

    def energy(x: Any) -> Any:
        return np.sum(np.abs(np.fft.rfft(x, 5)) ** 4)

    assert am.gradcheck(am.grad(energy), X[0]).ok


def test_strided_and_read_only_signals() -> None:
    wide = np.repeat(X, 2, axis=1)
    wide.flags.writeable = False
    strided = am.grad(lambda x: np.sum(np.abs(np.fft.rfft(x[:, ::-2], axis=0))))(wide)
    expected = am.grad(lambda x: np.sum(np.abs(np.fft.rfft(x, axis=0))))(X[:, ::-1].copy())
    assert_allclose(strided[:, ::-2], expected, rtol=1e-12)
    assert_array_equal(strided[:, ::2], 0)


def test_an_axis_named_twice_is_transformed_twice() -> None:
    y = np.fft.fftn(am.tensor(X), axes=(1, 1))
    assert_allclose(y.data, np.fft.fftn(X, axes=(1, 1)), atol=1e-12)


def test_transforms_map_over_examples() -> None:
    for f in (lambda x: np.fft.rfft(x, 8), lambda x: np.fft.fftshift(np.fft.fft2(x[None]))):
        assert_allclose(am.vmap(f)(X), np.stack([f(x) for x in X]), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda t: np.fft.fft(t, 0), "at least one point"),
        (lambda t: np.fft.fft(t, 2.5), "must be an int"),
        (lambda t: np.fft.fft(t, norm="unit"), "norm 'unit'"),
        (lambda t: np.fft.fft(t, axis=2), "axis 2"),
        (lambda t: np.fft.fftn(t, (2, 2), (0,)), "2 numbers of points"),
        (lambda t: np.fft.irfft(t[:, :1]), "at least one point"),
        (lambda t: np.fft.rfft(t * 1j), "rfft"),
        (lambda t: np.fft.fft(t[0, 0]), "axis"),
        (lambda t: np.fft.fft(t, out=np.zeros(3)), "out"),
        (lambda t: np.fft.fftshift(t, 5), "axis 5"),
    ],
)
def test_transforms_name_wrong_arguments(call: Any, what: str) -> None:
    with pytest.raises(am.AutogradError, match=what):
        call(am.tensor(X))
