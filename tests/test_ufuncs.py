"""Ufuncs at kinks and edges, on complex numbers, and with several results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am
from autograd_mini.core.table import table

UFUNCS = dict.fromkeys(u for u in vars(np).values() if isinstance(u, np.ufunc))
Z = np.array([1 + 2j, -0.5 + 0.3j, -2 - 1j, 0.4 - 1.5j])
HOLOMORPHIC = [
    u for u in UFUNCS
    if u in table and u.nin == 1 and u.nout == 1
    and "D->D" in u.types and u not in (np.conjugate, np.sign, np.rint)
]  # fmt: skip


def gradient(function: Any, x: Any) -> Any:
    """Return the derivative of each element of a function's result by that of x."""
    with np.errstate(all="ignore"):
        return am.grad(lambda x: np.sum(function(x)))(np.asarray(x))


def test_every_ufunc_is_in_the_table() -> None:
    assert [u.__name__ for u in UFUNCS if u not in table] == ["isnat"]  # of dates


@pytest.mark.parametrize("ufunc", HOLOMORPHIC, ids=lambda u: u.__name__)
def test_holomorphic_function_has_the_derivative_along_both_axes(ufunc: Any) -> None:
    step = 1e-6
    expected = (ufunc(Z + step) - ufunc(Z - step)) / (2 * step)
    found = am.grad(lambda z: np.sum(ufunc(z)), holomorphic=True)(Z)
    assert_allclose(found, expected, rtol=1e-7)
    assert_allclose((ufunc(Z + 1j * step) - ufunc(Z - 1j * step)) / (2j * step), found, rtol=1e-7)


def test_complex_absolute_sign_and_angle_are_zero_at_zero() -> None:
    zero = np.array([0j])
    for f in (np.abs, lambda z: np.real(np.sign(z)), np.angle):
        assert_array_equal(gradient(f, zero), 0)


def test_complex_absolute_has_the_gradient_of_pytorch() -> None:
    assert_allclose(gradient(np.abs, Z), Z / np.abs(Z))
    assert_allclose(gradient(np.angle, Z), 1j * Z / np.abs(Z) ** 2)


def test_angle_of_real_numbers_has_no_slope() -> None:
    assert_array_equal(gradient(np.angle, [-2.0, 0.0, 3.0]), 0)


def test_sign_of_real_numbers_carries_no_gradient() -> None:
    assert not np.sign(am.tensor([1.0], requires_grad=True)).requires_grad


def test_power_with_complex_exponents_of_negative_and_zero_bases() -> None:
    def f(a: Any, re: Any, im: Any) -> Any:
        y = a ** (re + 1j * im)
        return [np.real(y), np.imag(y)]

    re, im = np.array([0.5, 2.0, 3.0]), np.array([0.3, -1.0, 0.0])
    assert am.gradcheck(f, np.array([-1.5, 2.0, -0.7]), re, im).ok
    base = am.tensor(np.zeros(2), requires_grad=True)
    exponent = am.tensor(np.array([2 + 0j, 3 + 0j]), requires_grad=True)
    np.sum(np.real(base**exponent)).backward()
    assert_array_equal(base.grad, 0)
    assert_array_equal(exponent.grad, 0)


def test_copysign_is_flat_at_zero_and_heaviside_passes_its_value_there() -> None:
    assert_array_equal(gradient(lambda x: np.copysign(x, -1.0), [-2.0, 0.0, 3.0]), [1, 0, -1])
    assert_array_equal(gradient(lambda h: np.heaviside([-1.0, 0.0, 2.0], h), [5.0] * 3), [0, 1, 0])


def test_roots_and_inverse_functions_at_their_edges() -> None:
    assert gradient(np.cbrt, 0.0) == np.inf
    assert gradient(np.arccosh, 1.0) == np.inf
    assert gradient(np.arctanh, 1.0) == np.inf
    assert_allclose(gradient(np.arcsinh, [1e200, -1e200, 0.0]), [1e-200, 1e-200, 1])
    assert_allclose(gradient(np.cbrt, -8.0), 1 / 12)


def test_logaddexp2_of_far_operands_and_of_minus_infinity() -> None:
    a, b = np.array([0.0, 2000.0, -np.inf]), np.array([2000.0, 0.0, 1.0])
    ga, gb = am.grad(lambda a, b: np.sum(np.logaddexp2(a, b)), argnums=(0, 1))(a, b)
    assert_array_equal(ga, [0, 1, 0])
    assert_array_equal(gb, [1, 0, 1])


def test_fmod_and_remainder_of_both_signs() -> None:
    a = np.array([5.3, -5.3, 5.3, -5.3, 6.25, 0.1])
    b = np.array([2.0, 2.0, -2.0, -2.0, 0.1, 7.0])
    for f in (np.fmod, np.remainder, lambda a, b: np.divmod(a, b)[1]):
        assert am.gradcheck(f, a, b).ok


def test_parts_of_a_number_carry_their_gradients() -> None:
    x = am.tensor(np.array([2.5, -0.3, 12.0]), requires_grad=True)
    mantissa, exponent = np.frexp(x)
    assert_array_equal(np.ldexp(mantissa, exponent).data, x.data)
    assert not exponent.requires_grad
    mantissa.sum().backward()
    assert_array_equal(x.grad, [1 / 4, 2, 1 / 16])
    x.grad = None
    fraction, whole = np.modf(x)
    (fraction * 3 + whole * 5).sum().backward()
    assert_array_equal(x.grad, [3, 3, 3])


def test_modf_and_frexp_of_infinity_and_zero_are_as_in_numpy() -> None:
    x = np.array([np.inf, -np.inf, 0.0, -0.0, 5e-324])
    for f in (np.modf, np.frexp):
        for y, expected in zip(f(am.tensor(x)), f(x), strict=True):
            assert_array_equal(y.data, expected)


def test_fabs_refuses_complex_numbers_as_numpy_does() -> None:
    with pytest.raises(TypeError, match=r"np\.abs"):
        np.fabs(am.tensor(Z))


def test_imaginary_unit_times_a_number_is_a_tensor_of_numpy() -> None:
    x = am.tensor(0.5, requires_grad=True)
    y = 1j * x
    assert type(y.data) is np.complex128
    np.abs(np.exp(y)).backward()
