"""Differences, interpolation, polynomials and the special functions at kinks and edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

GENERATOR = np.random.default_rng(5)
V = GENERATOR.normal(size=6)
M = GENERATOR.normal(size=(4, 3))
GRID = np.array([0.0, 1.0, 2.0, 3.0])


def derivatives(function: Any, x: float, count: int) -> list[float]:
    """Return the derivatives of orders 0 to `count`, each by the reverse walk of the last."""
    found, f = [], function
    for _ in range(count + 1):
        found.append(float(f(x)))
        f = am.grad(f)
    return found


# ── sinc and i0 ──────────────────────────────────────────────────────────────────────────────
def test_sinc_is_exact_at_zero_in_every_order() -> None:
    expected = [1, 0, -(math.pi**2) / 3, 0, math.pi**4 / 5, 0, -(math.pi**6) / 7]
    assert_allclose(derivatives(np.sinc, 0.0, 6), expected, rtol=1e-14, atol=1e-14)


def test_sinc_has_no_step_where_series_and_recurrence_meet() -> None:
    for order in range(1, 5):
        place = (order + 1) / math.pi
        below, above = (derivatives(np.sinc, place + h, order)[order] for h in (-1e-12, 1e-12))
        assert_allclose(below, above, rtol=1e-9, atol=1e-9)


def test_i0_is_exact_at_zero_in_every_order() -> None:
    expected = [1, 0, 1 / 2, 0, 3 / 8, 0, 5 / 16]
    assert_allclose(derivatives(np.i0, 0.0, 6), expected, rtol=1e-15, atol=1e-300)


def test_i1_equals_a_precise_reference() -> None:
    # mpmath's besseli(1, x) is not installed here; these are ∑ (x/2)²ᵏ⁺¹/(k!·(k+1)!) by fractions.
    from fractions import Fraction

    for x in (1e-8, 0.3, 2.0, 7.9, 8.1, 25.0, 60.0):
        half, total, term = Fraction(x) / 2, Fraction(0), Fraction(x) / 2
        for k in range(150):
            total += term
            term = term * half * half / ((k + 1) * (k + 2))
        assert_allclose(am.grad(np.i0)(x), float(total), rtol=1e-14)
        assert_allclose(am.grad(np.i0)(-x), -float(total), rtol=1e-14)


def test_i0_of_large_numbers() -> None:
    with np.errstate(over="ignore"):
        slope = am.grad(lambda x: np.sum(np.i0(x)))(np.array([700.0, 1000.0]))
    assert_allclose(slope[0] / np.i0(700.0), 1 - 1 / 1400 - 1 / (8 * 700**2), rtol=1e-9)
    assert np.isinf(slope[1])


# ── interpolation ────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("heights", "slope"),
    [([0, 1, 3, 0], 1), ([0, 2, 3, 0], 1), ([0, 2, 1, 0], 0), ([0, 2, 2, 5], 0)],
)
def test_interp_at_a_point_has_the_smaller_slope(heights: list[float], slope: float) -> None:
    fp = np.array(heights, float)
    assert am.grad(lambda x: np.interp(x, GRID, fp))(1.0) == slope


def test_interp_at_its_ends_and_outside_has_slope_zero() -> None:
    f = am.grad(lambda x: np.sum(np.interp(x, GRID, np.array([1.0, 2.0, 0.0, 5.0]))))
    assert_array_equal(f(np.array([-np.inf, -1.0, 0.0, 3.0, 9.0, np.inf])), np.zeros(6))


def test_interp_at_a_point_gives_all_to_its_height() -> None:
    g = am.grad(lambda fp: np.interp(2.0, GRID, fp))(np.array([1.0, 4.0, 2.0, 8.0]))
    assert_array_equal(g, [0, 0, 1, 0])


def test_interp_outside_goes_to_the_given_values() -> None:
    def f(x: Any, left: Any, right: Any) -> Any:
        return np.sum(np.interp(x, GRID, GRID**2, left, right))

    x = np.array([-1.0, 0.5, 7.0, 8.0])
    gx, left, right = am.grad(f, argnums=(0, 1, 2))(x, -3.0, 3.0)
    assert_array_equal(gx, [0, 1, 0, 0])
    assert (left, right) == (1, 2)


def test_interp_of_nan_is_nan_and_of_nothing_is_nothing() -> None:
    assert np.isnan(np.interp(am.tensor(np.nan), GRID, GRID).data)
    assert np.interp(am.tensor(np.zeros(0)), GRID, GRID).shape == (0,)


def test_interp_maps_over_examples() -> None:
    xs = GENERATOR.uniform(-1, 4, size=(5, 3))
    fps = GENERATOR.normal(size=(5, 4))
    f = am.vmap(lambda x, fp: np.interp(x, GRID, fp, period=2.5))
    assert_allclose(
        f(xs, fps), [np.interp(x, GRID, fp, period=2.5) for x, fp in zip(xs, fps, strict=True)]
    )


def test_interp_names_wrong_points() -> None:
    with pytest.raises(am.ShapeError, match="vectors of one length"):
        np.interp(am.tensor(1.0), GRID, GRID[1:])
    with pytest.raises(am.ShapeError, match="at least 1"):
        np.interp(am.tensor(1.0), GRID[:0], GRID[:0])
    with pytest.raises(am.ArgumentError, match="must not be 0"):
        np.interp(am.tensor(1.0), GRID, GRID, period=0.0)


# ── differences and integrals ────────────────────────────────────────────────────────────────
def test_gradient_with_coordinates_that_require_a_gradient() -> None:
    for x in (GRID, np.array([0.0, 1.0, 2.5, 2.7])):
        for edge in (1, 2):
            f = V[:4]
            assert am.gradcheck(lambda f, x, e=edge: np.gradient(f, x, edge_order=e), f, x).ok


def test_gradient_names_wrong_spacings() -> None:
    t = am.tensor(M)
    with pytest.raises(am.OperandError, match="3 spacings for 2 axes"):
        np.gradient(t, 1, 2, 3)
    with pytest.raises(am.ShapeError, match="coordinates of shape"):
        np.gradient(t, GRID, GRID)
    with pytest.raises(am.ShapeError, match="at least 3"):
        np.gradient(t[:2], axis=0, edge_order=2)
    with pytest.raises(am.ArgumentError, match="1 or 2"):
        np.gradient(t, edge_order=3)


def test_diff_names_wrong_arguments() -> None:
    with pytest.raises(am.ArgumentError, match="0 or more"):
        np.diff(am.tensor(V), -1)
    with pytest.raises(am.ShapeError, match="axis"):
        np.diff(am.tensor(1.0))


def test_ediff1d_refuses_borders_that_do_not_fit() -> None:
    with pytest.raises(am.OperandError, match="complex128 values do not fit"):
        np.ediff1d(am.tensor(V), 1j)


def test_trapezoid_with_tensors_in_every_place() -> None:
    x = np.sort(V)
    assert am.gradcheck(lambda y, x: np.trapezoid(y, x), V, x).ok
    assert am.gradcheck(lambda x: np.trapezoid(V, x), x).ok
    assert am.gradcheck(lambda y, dx: np.trapezoid(y, dx=dx), V, 0.5).ok


def test_unwrap_passes_the_cotangent_on_and_refuses_to_lose_that_of_the_period() -> None:
    p = np.array([0.0, 3.0, 6.2, 9.1, 0.1])
    assert_array_equal(am.grad(lambda p: np.sum(np.unwrap(p) * V[:5]))(p), V[:5])
    with pytest.raises(am.UnsupportedError, match="period"):
        np.unwrap(am.tensor(p), period=am.tensor(6.0, requires_grad=True))


@pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="came with NumPy 2.1")
def test_cumulative_sum_of_a_matrix_needs_an_axis() -> None:
    with pytest.raises(am.ShapeError, match="axis=…"):
        np.cumulative_sum(am.tensor(M))
    with pytest.raises(am.UnsupportedError, match="out"):
        np.cumulative_prod(am.tensor(V), out=np.zeros(6))


# ── polynomials ──────────────────────────────────────────────────────────────────────────────
def test_polyval_of_a_list_with_tensors_records_them() -> None:
    a = am.tensor(2.0, requires_grad=True)
    y = np.polyval([a, 1.0, a], am.tensor(3.0))
    y.backward()
    assert (float(y.data), float(a.grad)) == (23.0, 10.0)


def test_roots_of_a_polynomial_with_leading_and_trailing_zeros() -> None:
    p = np.array([0.0, 2.0, -6.0, 4.0, 0.0])
    x = am.tensor(p, requires_grad=True)
    y = np.roots(x)
    assert_allclose(y.data, np.roots(p))
    y[0].backward()  # 2, the largest
    assert_allclose(x.grad, [0, *(-(2.0 ** np.arange(3, -1, -1)) / (6 * 4 - 12 * 2 + 4))])


def test_roots_that_are_multiple_have_no_derivative() -> None:
    x = am.tensor(np.array([1.0, 0.0, 0.0]), requires_grad=True)
    with pytest.raises(am.GradientError, match="multiple"):
        np.sum(np.roots(x)).backward()


def test_roots_of_complex_coefficients() -> None:
    def f(re: Any, im: Any) -> Any:
        y = np.roots(re + 1j * im)
        return [np.real(y), np.imag(y)]

    assert am.gradcheck(f, V[:4], V[2:]).ok


def test_poly_of_conjugate_pairs_is_real() -> None:
    zeros = np.array([1 + 2j, 1 - 2j, 3.0])
    z = am.tensor(zeros, requires_grad=True)
    y = np.poly(z)
    assert y.dtype == float
    assert_allclose(y.data, np.poly(zeros))
    y.sum().backward()
    assert z.grad.shape == (3,)
    assert np.poly(am.tensor(np.zeros(0))) == 1.0


def test_real_if_close_drops_small_imaginary_parts() -> None:
    for a, tol in ((M + 0j, 100), (M + 1e-10j, 1e8), (M + 1e-3j, 0.1), (M + 1e-3j, 1e3)):
        expected = np.real_if_close(a, tol)
        z = am.tensor(a, requires_grad=True)
        y = np.real_if_close(z, tol)
        assert_array_equal(y.data, expected)
        assert y.dtype == expected.dtype
        np.sum(np.real(y)).backward()
        assert_array_equal(z.grad, np.ones((4, 3)))


def test_polyfit_differentiates_through_points_values_and_weights() -> None:
    x, w = np.linspace(-1, 1, 6) ** 3, np.linspace(1, 2, 6)
    assert am.gradcheck(lambda x, y, w: np.polyfit(x, y, 2, w=w), x, V, w).ok
    with pytest.warns(np.exceptions.RankWarning):
        np.polyfit(np.ones(3), am.tensor(V[:3]), 1)
    with pytest.raises(am.ShapeError, match="polyfit"):
        np.polyfit(x, am.tensor(V[:3]), 1)


def test_polynomials_name_wrong_arguments() -> None:
    with pytest.raises(am.ShapeError, match="vector"):
        np.polyder(am.tensor(M))
    with pytest.raises(am.ArgumentError, match="0 or more"):
        np.polyint(am.tensor(V), -1)
    with pytest.raises(am.ShapeError, match="2 constants for 3"):
        np.polyint(am.tensor(V), 3, k=[1.0, 2.0])
    with pytest.raises(am.OperandError, match="poly1d"):
        np.polyval(np.poly1d([1.0, 2.0]), am.tensor(V))
    with pytest.raises(am.ShapeError, match="vector"):
        np.vander(am.tensor(M))


def test_vander_of_zero_has_exact_derivatives() -> None:
    g = am.grad(lambda x: np.sum(np.vander(x, 4) * np.array([1.0, 10.0, 100.0, 1000.0])))
    assert_array_equal(g(np.array([0.0])), [100.0])


def test_kaiser_says_that_beta_would_lose_its_gradient() -> None:
    with pytest.raises(am.AutogradError):
        np.kaiser(8, am.tensor(2.0, requires_grad=True))
