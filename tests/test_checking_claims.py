"""What a diagnosis claims is true: of numbers of mixed sizes, of sums, of places, of conditions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.checking import Cause, Kind

GENERATOR = np.random.default_rng(3)
X = GENERATOR.normal(size=(3, 4))
B = GENERATOR.normal(size=4)
SQUARE = GENERATOR.normal(size=(4, 4))


def cause(f: Any, *inputs: Any, **kwargs: Any) -> Cause:
    """Return the first cause of a check that fails."""
    report = am.gradcheck(f, *inputs, raises=False, **kwargs)
    assert not report.ok
    first: Cause = (*report.problems, *report.causes)[0]
    return first


def softmax(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)


def centred(x: Any) -> Any:
    return x - x.mean(axis=1, keepdims=True)


def layer_norm(x: Any) -> Any:
    return centred(x) / x.std(axis=1, keepdims=True)


def layer_norm_rule(g: Any, x: Any, mean: float = 1, along: float = 1) -> Any:
    y = layer_norm(x)
    sums = mean * g.mean(axis=1, keepdims=True) + along * y * (g * y).mean(axis=1, keepdims=True)
    return (g - sums) / x.std(axis=1, keepdims=True)


# ── numbers of mixed sizes ───────────────────────────────────────────────────────────────────
SIZES = np.array([1e8, 1.0, 2.0, 1e8])
OFF = np.array([0.0, 4.0, 5.0, 0.0])


def test_large_numbers_do_not_hide_that_small_ones_are_not_reversed() -> None:
    found = cause(lambda x: (SIZES * x).sum(), B, grad=lambda x: SIZES + OFF)
    assert found.kind is Kind.UNKNOWN
    found = cause(lambda x: (SIZES * x).sum(), B, grad=lambda x: (SIZES + OFF)[::-1])
    assert found.kind is Kind.UNKNOWN


def test_large_numbers_do_not_hide_that_small_ones_are_not_exchanged() -> None:
    found = cause(
        lambda a, b: (SIZES * (a + b)).sum(), B, B + 1, grad=lambda a, b: (SIZES + OFF, SIZES - OFF)
    )
    assert found.kind is not Kind.SWAPPED


@pytest.mark.long
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([3, 4, 6, 9]), st.booleans())
def test_what_has_no_usual_reason_is_not_given_one_at_any_scale(
    seed: int, length: int, whole: bool
) -> None:
    generator = np.random.default_rng(seed)
    sizes, x = 10.0 ** generator.uniform(-6, 6, length), generator.normal(size=length)
    off = 1 + generator.normal(size=length) * 10.0 ** generator.uniform(-1, 1, length)
    if whole:
        report = am.gradcheck(
            lambda x: (sizes * x).sum(), x, grad=lambda x: sizes * off, raises=False
        )
    else:
        report = am.gradcheck(
            lambda x: sizes * x, x, vjp=lambda g, x: g * sizes * off, raises=False
        )
    wrong = report.count(am.checking.Verdict.WRONG)
    assert all(c.kind is Kind.UNKNOWN for c in report.causes) or wrong < 3


def test_two_entries_do_not_make_any_number_a_coefficient() -> None:
    generator = np.random.default_rng(25502)
    x, noise = generator.normal(size=2), generator.normal(size=2)
    assert cause(np.tanh, x, vjp=lambda g, x: g * noise).kind is Kind.UNKNOWN


# ── conditions ───────────────────────────────────────────────────────────────────────────────
def test_cotangent_that_is_ignored_in_some_places() -> None:
    found = cause(np.sin, X, vjp=lambda g, x: np.where(x < 0, 1, g) * np.cos(x))
    assert (found.kind, found.condition) == (Kind.COTANGENT, "x < 0")
    assert "is the same for any cotangent of the result where x < 0 (" in found.text


def test_threshold_is_as_round_as_it_can_be() -> None:
    x = np.linspace(-1.03, 1.1, 12)
    found = cause(lambda x: np.clip(x, -0.5, 0.5), x, vjp=lambda g, x: g)
    assert (found.kind, found.condition) == (Kind.TERM, "|x| >= 0.5")
    found = cause(np.exp, x, vjp=lambda g, x: np.where(x > 0.3, -1, 1) * g * np.exp(x))
    assert found.kind is Kind.SIGN
    bound = float(found.condition.removeprefix("x >= "))
    assert np.array_equal(x >= bound, x > 0.3)


@pytest.mark.parametrize(
    ("rows", "condition"),
    [
        (slice(0, 3), "the first 3 along axis 0 of x"),
        (slice(4, 6), "the last 2 along axis 0 of x"),
        (slice(2, 4), "indices 2 to 3 along axis 0 of x"),
    ],
)
def test_neighbouring_rows(rows: slice, condition: str) -> None:
    x = np.random.default_rng(8).normal(size=(6, 3))

    def rule(g: Any, x: Any) -> Any:
        found = g * np.cos(x)
        found[rows] = 0
        return found

    found = cause(np.sin, x, vjp=rule)
    assert (found.kind, found.condition) == (Kind.ZERO, condition)
    assert f"for {condition}" in found.text


# ── places ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("move", "text"),
    [
        (lambda c: c[::-1, ::-1], "reversed along the axes 0 and 1"),
        (lambda c: np.rot90(c), "turned by a quarter, as by rot90"),
        (lambda c: np.rot90(c, -1), "as by rot90 the other way round"),
        (lambda c: np.roll(c, -1, 1), "shifted by -1 along axis 1"),
    ],
)
@pytest.mark.parametrize("unit", [1.0, 1j])
def test_gradient_in_other_places(move: Any, text: str, unit: complex) -> None:
    x = SQUARE if unit == 1.0 else SQUARE + unit
    found = cause(np.sin, x, vjp=lambda g, x: move(g * np.conj(np.cos(x))))
    assert found.kind is Kind.MOVED
    assert text in found.text


@pytest.mark.long
@settings(max_examples=8, deadline=None)
@given(st.integers(1, 39), st.integers(0, 10**6))
def test_shift_by_any_number_of_places(shift: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=40)
    found = cause(np.sin, x, vjp=lambda g, x: np.roll(g * np.cos(x), shift))
    assert found.kind is Kind.MOVED
    assert found.text.endswith(f"shifted by {shift if shift <= 20 else shift - 40}")


# ── complex factors ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("factor", "text"),
    [(1j, "by i"), (-1j, "by −i"), (2j, "by 2i"), (2 + 1j, "by 2 + 1i"), (0.5 - 3j, "by 0.5 − 3i")],
)
def test_complex_factor(factor: complex, text: str) -> None:
    found = cause(np.exp, X + 1j, vjp=lambda g, x: factor * g * np.conj(np.exp(x)))
    assert found.kind is Kind.FACTOR
    assert found.text == f"the gradient of x is multiplied {text}"


# ── sums ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("f", "rule", "kind", "text"),
    [
        (
            softmax, lambda g, x: softmax(x) * (g - (g * softmax(x)).sum()),
            Kind.TERM, "the derivative of the result of divide",
        ),
        (
            centred, lambda g, x: g - g.sum(axis=1, keepdims=True),
            Kind.FACTOR, "is multiplied by 4 by mistake (a sum where a mean is meant?)",
        ),
        (
            layer_norm, lambda g, x: layer_norm_rule(g, x, mean=0),
            Kind.TERM, "lacks the path through mean, subtract, divide",
        ),
        (
            layer_norm, lambda g, x: layer_norm_rule(g, x, along=0),
            Kind.TERM, "lacks the path through std, divide",
        ),
        (
            layer_norm, lambda g, x: layer_norm_rule(g, x, 0, 0),
            Kind.TERM, "what comes back through std, divide",
        ),
    ],
)  # fmt: skip
def test_sum_that_is_left_out_or_wrong(f: Any, rule: Any, kind: Kind, text: str) -> None:
    found = cause(f, X, vjp=rule)
    assert found.kind is kind
    assert text in found.text


def test_sum_over_the_whole_input() -> None:
    def unit(x: Any) -> Any:
        return x / np.sqrt((x**2).sum())

    found = cause(
        unit, B, vjp=lambda g, x: (g + unit(x) * (g * unit(x)).sum()) / np.sqrt((x**2).sum())
    )
    assert found.kind is Kind.SIGN
    assert found.text.startswith("the sign of what comes back through power, sum, sqrt, divide")


@pytest.mark.long
@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([(2,), (3,), (4,), (2, 2), (2, 3), (3, 4), (2, 2, 3), (7,)]),
    st.sampled_from([np.tanh, softmax, np.cumsum, np.sum]),
)
def test_numbers_at_random_are_no_sums(seed: int, shape: Any, f: Any) -> None:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=shape)
    matrix = generator.normal(size=(x.size, np.size(f(x))))
    found = cause(f, x, vjp=lambda g, x: (matrix @ np.ravel(g)).reshape(shape))
    assert found.kind is Kind.UNKNOWN
