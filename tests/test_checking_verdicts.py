"""No right gradient is called wrong, and no wrong one right: functions that are hard to check."""

from __future__ import annotations

from math import erf, exp, pi, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as am


def state(f: Any, *inputs: Any, **kwargs: Any) -> str:
    """Return what a check says as a whole."""
    return am.gradcheck(f, *inputs, raises=False, **kwargs).state


def scaled(derivative: Any, factor: float = 1.0) -> Any:
    """Return the vjp of an elementwise function with this derivative, times a factor."""
    return lambda g, x: (factor * g * derivative(x),)


# ── stairs: cancellation, and few digits inside ──────────────────────────────────────────────
normal = np.vectorize(lambda x: 1 + erf(x / sqrt(2)), otypes=[float])
density = np.vectorize(lambda x: exp(-x * x / 2) / sqrt(2 * pi), otypes=[float])


def gelu(x: Any) -> Any:
    return 0.5 * x * normal(x)


def gelu_slope(x: Any) -> Any:
    return 0.5 * normal(x) + x * density(x)


@settings(max_examples=25, deadline=None)
@given(st.floats(-9.5, -4.0))
def test_cancellation_far_out_is_no_mistake(x: float) -> None:
    assert state(gelu, np.array([x]), vjp=scaled(gelu_slope)) != "FAILED"
    assert state(gelu, np.array([x, 1.0]), vjp=scaled(gelu_slope)) == "ok"


@settings(max_examples=15, deadline=None)
@given(st.floats(-6.5, 3.0), st.sampled_from([-1.0, 0.0, 1.1]))
def test_mistakes_beside_cancellation_are_seen(x: float, factor: float) -> None:
    if abs(gelu_slope(x)) > 1e-9:
        assert state(gelu, np.array([x]), vjp=scaled(gelu_slope, factor)) == "FAILED"


def bfloat16(x: Any) -> Any:
    bits = np.asarray(x, np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


def float16(x: Any) -> Any:
    return np.asarray(x, np.float16).astype(np.float64)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([bfloat16, float16]), st.integers(1, 6))
def test_few_digits_inside_are_no_mistake(seed: int, digits: Any, count: int) -> None:
    x = np.random.default_rng(seed).normal(size=count)
    assert state(digits, x, vjp=scaled(np.ones_like)) != "FAILED"
    assert (
        state(lambda x: digits(np.tanh(digits(x))), x, vjp=scaled(lambda x: 1 / np.cosh(x) ** 2))
        != "FAILED"
    )
    assert state(lambda x: np.sum(digits(x) ** 2), x, grad=lambda x: 2 * x) != "FAILED"


@pytest.mark.parametrize("digits", [bfloat16, float16])
def test_a_sign_is_seen_through_few_digits(digits: Any) -> None:
    x = np.random.default_rng(0).normal(size=5)
    assert state(lambda x: digits(x) ** 2, x, vjp=scaled(lambda x: -2 * x)) == "FAILED"


@pytest.mark.parametrize("size", range(4, 14))
def test_a_matrix_that_is_nearly_singular_has_no_wrong_inverse(size: int) -> None:
    rows = np.arange(size)
    hilbert = 1 / (rows[:, None] + rows + 1.0)
    function: Any = lambda a: np.linalg.slogdet(a)[1]  # noqa: E731
    found = state(function, hilbert, grad=lambda a: np.linalg.inv(a).T)
    assert found == "ok" if size < 8 else found != "FAILED"


@settings(max_examples=15, deadline=None)
@given(st.floats(-1e3, 1e3), st.integers(0, 1000))
def test_a_shift_that_batch_norm_takes_away_is_0(bias: float, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(8, 3))

    def normalized(b: Any) -> Any:
        h = x + b
        return (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-5)

    b = np.full(3, bias)
    assert state(normalized, b, vjp=lambda g, b: (np.zeros(3),)) != "FAILED"
    assert state(normalized, b, vjp=lambda g, b: (g.sum(axis=0),)) == "FAILED"


# ── results that differ in size ──────────────────────────────────────────────────────────────
def rows(x: Any, size: float) -> Any:
    return np.array([size * x[0] * x[1], np.sin(x[0]), x[1] ** 2])


def rows_jacobian(x: Any, size: float, factor: float) -> Any:
    return np.array([[size * x[1], size * x[0]], [factor * np.cos(x[0]), 0], [0, 2 * x[1]]])


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 15), st.integers(0, 10**6), st.sampled_from([1.0, 1.01, -1.0, 0.0]))
def test_large_results_hide_no_mistake_in_small_ones(
    power: float, seed: int, factor: float
) -> None:
    x, size = np.random.default_rng(seed).uniform(0.3, 1.2, 2), 10.0**power
    expected = "ok" if factor == 1 else "FAILED"
    f: Any = lambda x: rows(x, size)  # noqa: E731
    assert state(f, x, jac=lambda x: rows_jacobian(x, size, factor)) == expected
    assert state(f, x, vjp=lambda g, x: (g @ rows_jacobian(x, size, factor),)) == expected


def test_results_without_a_slope_are_not_blown_up() -> None:
    def distances(x: Any) -> Any:
        return ((x[:, None] - x[None]) ** 2).sum(axis=-1)

    def rule(g: Any, x: Any) -> Any:
        g = g + g.T
        return (2 * (g.sum(axis=1)[:, None] * x - g @ x),)

    x = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    assert state(distances, x, vjp=rule) == "ok"


# ── steep and fast functions ─────────────────────────────────────────────────────────────────
@settings(max_examples=30, deadline=None)
@given(st.floats(3, 9), st.sampled_from([0.0, 1e-9]), st.sampled_from([1.0, 1.01, -1.0, 0.0]))
def test_steep_and_fast_functions_are_resolved(power: float, at: float, factor: float) -> None:
    speed = 10.0**power
    expected = "ok" if factor == 1 else "FAILED"
    tanh = state(
        lambda x: np.tanh(speed * x), np.array([at]),
        vjp=scaled(lambda x: speed / np.cosh(speed * x) ** 2, factor),
    )  # fmt: skip
    assert tanh == expected
    sine = state(
        lambda x: np.sin(speed * x), np.array([at]),
        vjp=scaled(lambda x: speed * np.cos(speed * x), factor),
    )  # fmt: skip
    assert sine == expected


@pytest.mark.parametrize("ratio", range(1, 12))
def test_swings_in_step_with_the_differences_are_seen(ratio: int) -> None:
    step = np.finfo(np.float64).eps ** (1 / 3)
    speed = np.pi * ratio * 1000 / step  # sin is 0 at the first step, and at a thousandth of it
    function: Any = lambda x: x + 1e-3 * np.sin(speed * x) / speed * 1e3  # noqa: E731
    assert state(function, np.array([0.0]), vjp=scaled(np.ones_like)) == "FAILED"
    right = scaled(lambda x: 1 + np.cos(speed * x))
    assert state(function, np.array([0.0]), vjp=right) == "ok"


def test_a_steep_place_is_not_called_a_jump() -> None:
    report = am.gradcheck(
        lambda x: np.tanh(1e8 * x), np.zeros(1), vjp=scaled(lambda x: 1.01e8), raises=False
    )
    assert not report.entries[0].reason
    assert report.entries[0].numeric == pytest.approx(1e8)


# ── corners ──────────────────────────────────────────────────────────────────────────────────
def spread(a: Any) -> Any:
    return np.max(a) + np.min(a)


@pytest.mark.parametrize(
    ("values", "expected"),
    [((2 / 3,) * 3, "ok"), ((1, 1, 0), "ok"), ((1, 0.5, 0.5), "ok"), ((2, 0, 0), "UNDECIDED"),
     ((1, 1, 1), "FAILED"), ((0, 0, 0), "FAILED"), ((1, 0, 0), "FAILED")],
)  # fmt: skip
def test_maximum_and_minimum_of_equal_numbers(values: Any, expected: str) -> None:
    assert state(spread, np.ones(3), grad=lambda a: np.array(values)) == expected


@pytest.mark.parametrize("x", [np.ones(3), np.array([0.0, 1.0, 1.0, 1.0, 2.0]), np.zeros(7)])
def test_median_of_equal_numbers(x: Any) -> None:
    tied = x == np.median(x)
    first = np.eye(len(x))[np.argmax(tied)]
    assert state(np.median, x, grad=lambda a: tied / tied.sum()) == "ok"
    assert state(np.median, x, grad=lambda a: first) == "ok"
    assert state(np.median, x, grad=lambda a: 1.0 * tied) == "FAILED"
    assert state(np.median, x, grad=lambda a: 0.0 * tied) == "FAILED"


def test_equal_numbers_of_a_smooth_function_are_no_corner() -> None:
    x = np.zeros(6)
    assert state(lambda x: np.sum(np.exp(x)) ** 2, x, grad=lambda x: 12 * np.exp(x)) == "ok"
    assert state(lambda x: np.sum(np.exp(x)) ** 2, x, grad=lambda x: 6 * np.exp(x)) == "FAILED"


# ── slopes without bound, zeros, and numbers whose squares overflow ──────────────────────────
def times_log(x: Any) -> Any:
    return np.where(x > 0, x * np.log(np.where(x > 0, x, 1)), 0 * x)


@pytest.mark.parametrize("x", [[0.0], [0.0, 0.5, 2.0]])
def test_a_slope_that_grows_like_a_logarithm_is_infinite(x: Any) -> None:
    with np.errstate(all="ignore"):
        assert state(times_log, np.array(x), vjp=scaled(lambda x: np.log(x) + 1)) == "ok"
        wrong = scaled(lambda x: np.abs(np.log(x)) + 1)
        assert state(times_log, np.array(x), vjp=wrong) != "ok"


@pytest.mark.parametrize("power", [3, 5, 7])
def test_odd_powers_are_flat_at_0(power: int) -> None:
    assert state(lambda x: x**power, np.zeros(1), vjp=scaled(np.zeros_like)) == "ok"
    assert state(lambda x: x**power + 1e-9 * x, np.zeros(1), vjp=scaled(np.zeros_like)) == "FAILED"


@pytest.mark.parametrize("f", [np.sqrt, lambda x: abs(x) ** 1.5])
def test_a_second_derivative_that_does_not_exist_is_undecided(f: Any) -> None:
    report = am.gradcheck(f, np.array([0.0, 1.0]), order=2, raises=False)
    assert report.state == "UNDECIDED"
    assert not report.causes


@settings(max_examples=20, deadline=None)
@given(st.floats(140, 300), st.sampled_from(["full", "projections"]), st.booleans())
def test_numbers_whose_squares_overflow(power: float, coverage: str, by: bool) -> None:
    size = 10.0**power
    a = np.array([[0.3, -1.2], [0.7, 0.4]])
    x = np.array([1.0, -0.5])
    f, x = ((lambda x: a @ x), size * x) if by else ((lambda x: size * (a @ x)), x)
    slope = a if by else size * a
    assert state(f, x, vjp=lambda g, x: (g @ slope,), coverage=coverage) == "ok"
    assert state(f, x, vjp=lambda g, x: (1.01 * g @ slope,), coverage=coverage) == "FAILED"


# ── what others have found ───────────────────────────────────────────────────────────────────
def accumulating() -> Any:
    total = np.zeros(6)

    def vjp(g: Any, x: Any) -> Any:
        nonlocal total
        total = total + g * np.cos(x)
        return (total,)

    return vjp


def right_once() -> Any:
    calls = iter([1.0])
    return lambda g, x: (g * np.cos(x) * next(calls, 0.0),)


@pytest.mark.parametrize("make", [accumulating, right_once])
def test_a_gradient_that_is_another_at_the_second_call(make: Any) -> None:
    report = am.gradcheck(np.sin, np.linspace(-1, 1, 6), vjp=make(), raises=False)
    assert report.state == "FAILED"
    assert "another result when called again" in str(report)


@pytest.mark.parametrize("scale", [1e-12, 1e-14, 1e-18, 1e-24, 1e-30])
@pytest.mark.parametrize("count", [2, 3])
def test_equal_entries_of_a_small_scale_are_no_ties(scale: float, count: int) -> None:
    x = np.full(count, scale)
    f = lambda x: np.tanh(x / scale).sum()
    right = lambda x: (1 - np.tanh(x / scale) ** 2) / scale
    assert am.gradcheck(f, x, grad=right).ok
    for factor in (0.0, 0.9):
        wrong = lambda x, factor=factor: factor * right(x)
        assert am.gradcheck(f, x, grad=wrong, raises=False).state == "FAILED"


@pytest.mark.parametrize("seed", range(6))
def test_values_that_nearly_tie_are_no_ties(seed: int) -> None:
    x = 1e-12 * np.random.default_rng(seed).normal(size=4)

    def vjp(g: Any, x: Any) -> Any:
        d = g.copy()
        d[np.argmax(x)] -= g.sum()
        return (d,)

    assert am.gradcheck(lambda x: x - x.max(), x, vjp=vjp).ok


@pytest.mark.parametrize("width", [1e-7, 1e-9, 1e-10, 1e-13])
def test_a_feature_that_both_sides_leap_over_alike(width: float) -> None:
    f = lambda x: np.exp(-((x / width) ** 2)) + 0.3 * x
    slope = lambda x: -2 * x / width**2 * np.exp(-((x / width) ** 2)) + 0.3
    assert am.gradcheck(f, width, grad=slope).ok
    assert am.gradcheck(f, width, grad=lambda x: 0.3, raises=False).state == "FAILED"


@pytest.mark.parametrize("scale", [1e-27, 1e-28, 1e-29])
def test_a_zero_where_steps_overflow(scale: float) -> None:
    report = am.gradcheck(lambda x: np.exp(-x / scale), scale, grad=lambda x: 0.0, raises=False)
    assert report.state == "FAILED"
    assert "nan" not in str(report)  # a derivative is known


def test_a_function_that_is_constant_but_for_rounding() -> None:
    x = np.random.default_rng(0).normal(size=5)
    f = lambda x: (x - x.mean()).sum()
    assert am.gradcheck(f, x, grad=lambda x: 0 * x).ok
    assert am.gradcheck(f, x, grad=np.ones_like, raises=False).state == "FAILED"


@pytest.mark.parametrize("seed", range(4))
def test_few_digits_inside_are_no_lack_of_linearity(seed: int) -> None:
    def short(x: Any) -> Any:  # as bfloat16 has them
        bits = np.asarray(x, np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
        return bits.view(np.float32).astype(float)

    x = np.random.default_rng(seed).normal(size=6)
    vjp = lambda g, x: (short(short(g) * 2 * short(x)),)
    report = am.gradcheck(lambda x: short(short(x) ** 2), x, vjp=vjp, raises=False)
    assert report.state != "FAILED", str(report)


@pytest.mark.parametrize("x", [5e-324, 1e-310, 2.2e-308, 1e-200])
def test_tiny_coordinates_take_no_endless_steps(x: float) -> None:
    rng = np.random.default_rng(0)
    rows, weights = rng.normal(size=(6, 1)), rng.normal(size=(6, 1))
    calls = 0

    def normalized(b: Any) -> Any:
        nonlocal calls
        calls += 1
        z = rows + b
        return np.sum(weights * (z - z.mean()) / np.sqrt(z.var() + 1e-5))

    assert am.gradcheck(normalized, np.full(1, x), grad=lambda b: 0 * b).ok
    assert calls < 5_000


@pytest.mark.parametrize("curvature", [10.0, 9e3, 3e4, 1e5, 3e5])
def test_a_tie_beside_strong_curvature_adds_up(curvature: float) -> None:
    x, bent = np.full(3, 0.5), np.array([0.0, 0.0, curvature])

    def f(u: Any) -> Any:
        return np.max(u) + np.sum(bent * (u - x) ** 2)

    shares = {(1, 0, 0): "ok", (0.25, 0.25, 0.5): "ok", (0.5, 0.5, 0.5): "FAILED"}
    for w, expected in shares.items():
        assert state(f, x, grad=lambda u, w=w: np.asarray(w) + 2 * bent * (u - x)) == expected


@pytest.mark.parametrize(("size", "curvature", "power"), [(1e6, 1e-4, 4), (1e3, 3e3, 3)])
def test_a_tie_beside_a_steep_power_adds_up(size: float, curvature: float, power: int) -> None:
    def f(x: Any) -> Any:
        return np.max(x) + curvature * np.sum(np.abs(x - size) ** power)

    x = np.full(2, size)
    for share in ([1.0, 1.0], [0.0, 0.0], [0.7, 0.7]):
        assert state(f, x, grad=lambda x, share=share: np.asarray(share)) == "FAILED"
    assert state(f, x, grad=lambda x: np.array([1.0, 0.0])) == "ok"


def test_one_kink_among_bends_is_no_tie() -> None:
    assert am.gradcheck(lambda x: np.abs(x[0]) + x[1] ** 2, np.array([0.0, 1e-5])).ok
    assert am.gradcheck(lambda x, y: np.abs(x) + y**2, 0.0, 1e-5).ok


# ── a part in few digits beside a smooth part ────────────────────────────────────────────────
def float32(x: Any) -> Any:
    return np.asarray(x, np.float32).astype(np.float64)


@settings(max_examples=25, deadline=None)
@given(
    digits=st.sampled_from([float32, float16, bfloat16]),
    size=st.sampled_from([1, 5, 40]),
    seed=st.integers(0, 10_000),
    mean=st.booleans(),
)
def test_a_missing_part_in_few_digits_is_seen(
    digits: Any, size: int, seed: int, mean: bool
) -> None:
    x, share = np.random.default_rng(seed).normal(size=size), 1 / size if mean else 1.0

    def f(x: Any) -> Any:
        return share * (np.sum(digits(np.tanh(digits(x)))) + np.sum(np.cos(x)))

    slope = share * (1 - np.tanh(x) ** 2)
    if np.min(slope) > 0.1 * share:  # else the part hardly counts
        assert state(f, x, grad=lambda x: -share * np.sin(x)) != "ok"
    if digits is float32 or np.min(slope) > 0.1 * share:
        assert state(f, x, grad=lambda x: slope - share * np.sin(x)) != "FAILED"


def test_a_missing_part_in_few_digits_cannot_cancel_in_all_directions() -> None:
    """The parts of two entries cancel where both move the same way."""

    def f(x: Any) -> Any:
        return np.sum(bfloat16(np.array([1.0, -1.0, 1.0, -1.0]) * bfloat16(x))) + np.sum(np.cos(x))

    x = np.array([0.7, 0.7, -1.3, -1.3])
    assert state(f, x, grad=lambda x: -np.sin(x)) != "ok"


def test_a_tread_of_float32_hides_no_slope_beside_rounding() -> None:
    """A smooth part changes by its rounding on a tread; that is not the nearest jump."""
    x = np.random.default_rng(80_123).normal(size=40)

    def f(x: Any) -> Any:
        return (np.sum(float32(np.tanh(float32(x)))) + np.sum(np.cos(x))) / 40

    slope = (1 - np.tanh(x) ** 2 - np.sin(x)) / 40
    assert state(f, x, grad=lambda x: slope) != "FAILED"


@settings(max_examples=15, deadline=None)
@given(size=st.sampled_from([300, 3_000, 30_000]), seed=st.integers(0, 10_000), wide=st.booleans())
def test_many_entries_in_float32_along_a_direction(size: int, seed: int, wide: bool) -> None:
    x = np.random.default_rng(seed).normal(size=size)

    def f(x: Any) -> Any:
        return float(np.sum(np.sin(x.astype(np.float32)), dtype=np.float64 if wide else None))

    def wrong(x: Any) -> Any:
        slopes = np.cos(x)
        slopes[size // 2] += 7.0
        return slopes

    assert state(f, x, grad=np.cos, coverage="projections") != "FAILED"
    assert state(f, x, grad=wrong, coverage="projections") != "ok"


def calls_and_state(f: Any, x: Any, gradient: Any, **kwargs: Any) -> tuple[int, str]:
    """Return how often a check calls the function, and what it says."""
    calls = [0]

    def counted(x: Any) -> Any:
        calls[0] += 1
        return f(x)

    said = state(counted, x, grad=gradient, **kwargs)
    return calls[0], said


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([1, 4, 50, 200]),
    st.integers(0, 10_000),
    st.sampled_from([np.floor, np.round, lambda x: x > 0.5]),
    st.floats(0.5, 20.0),
)
def test_jumps_that_are_meant_are_not_rounding(
    size: int, seed: int, jump: Any, often: float
) -> None:
    x = np.random.default_rng(seed).normal(size=size)

    def f(x: Any) -> Any:
        return np.mean(x**2) + 0.1 * np.mean(jump(often * x))

    near = 1e-3 * (1 + np.abs(x))
    if np.any(jump(often * (x + near)) != jump(often * (x - near))):
        return  # a jump so near leaves an entry open
    found = state(f, x, grad=lambda x: 2 * x / size)
    crowded = often * np.max(np.abs(x), initial=1.0) > 30  # as near as those of bfloat16
    assert found == "ok" or (crowded and found == "UNDECIDED")
    assert state(f, x, grad=lambda x: 2.2 * x / size) != "ok"


@pytest.mark.parametrize("distance", [0.001, 0.006, 0.009, -0.009, -0.02])
def test_a_zero_near_a_jump_is_right(distance: float) -> None:
    x = np.linspace(-2.0, 2.0, 12)
    x[5] = 1.0 + distance
    assert state(lambda x: np.sum(np.abs(x) < 1.0) + 0.0, x, grad=np.zeros_like) == "ok"
    wrong = np.zeros(12)
    wrong[5] = 0.1
    assert state(lambda x: np.sum(np.abs(x) < 1.0) + 0.0, x, grad=lambda x: wrong) != "ok"


def test_a_jump_at_one_entry_does_not_make_a_check_slow() -> None:
    x = np.random.default_rng(0).normal(size=1000)
    calls, said = calls_and_state(
        lambda x: np.mean(x**2) + np.mean(x > 0.5), x, lambda x: 2 * x / x.size
    )
    assert said == "ok"
    assert calls < 10_000


@pytest.mark.parametrize("width", [1e-4, 1e-5, 1e-6, 1e-7, 1e-8])
def test_a_narrow_feature_may_be_steeper_beside_the_point(width: float) -> None:
    def f(x: Any) -> Any:
        s = (x - 0.8) / width
        return np.sum(x + width * (0.05 * s + 5 * s**3) * np.exp(-s * s))

    x = np.array([0.8])
    assert state(f, x, grad=lambda x: 1.05 * np.ones(1)) == "ok"
    assert state(f, x, grad=lambda x: np.ones(1)) == "FAILED"


def test_a_mistake_in_a_rule_of_few_entries_of_many_is_named() -> None:
    def f(x: Any) -> Any:
        return np.sum(x**2) + np.exp(x[0]) * np.sin(x[1]) * np.tanh(x[2])

    def without_tanh(x: Any) -> Any:
        slopes = 2 * x
        slopes[0] += np.exp(x[0]) * np.sin(x[1]) * np.tanh(x[2])
        slopes[1] += np.exp(x[0]) * np.cos(x[1])
        slopes[2] += np.exp(x[0]) * np.sin(x[1]) / np.cosh(x[2]) ** 2
        return slopes

    x = np.random.default_rng(0).normal(size=15_000)
    assert "tanh" in str(am.gradcheck(f, x, grad=without_tanh, raises=False))


@pytest.mark.parametrize("turned", [False, True])
def test_a_jump_in_one_input_does_not_hide_few_digits_in_another(turned: bool) -> None:
    x = np.array([0.18905338])  # in the middle of a tread
    z = np.random.default_rng(0).normal(size=7)

    def f(x: Any, z: Any) -> Any:
        few = np.sum(bfloat16(np.tanh(bfloat16(x))))
        return few + np.sum(np.cos(x)) + np.sum(z**2 + 0.01 * np.round(5 * z))

    if turned:
        said = state(lambda z, x: f(x, z), z, x, grad=lambda z, x: (2 * z, -np.sin(x)))
    else:
        said = state(f, x, z, grad=lambda x, z: (-np.sin(x), 2 * z))
    assert said != "ok"
