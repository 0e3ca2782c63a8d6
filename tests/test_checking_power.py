"""Verdicts have power: what is called right excludes everything else; what cannot be told is open.

Each row says which states a report may have. A right gradient is never FAILED, a wrong one never
ok.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.checking.numeric.perturbations import ArrayPool, SparseChange

THERMAL = 1.38e-23 * 300
ENERGIES = np.linspace(1e-21, 3e-20, 50)


def scaled(factor: Callable[[Any], Any]) -> Callable[[Any, Any], tuple[Any]]:
    """Return the vjp of an elementwise function with this derivative."""
    return lambda g, x: (g * factor(x),)


def boltzmann(energy: Any) -> Any:
    return np.exp(-energy / THERMAL)


def steep(x: Any) -> Any:
    return np.exp(1e8 * x)


def bell(x: Any) -> Any:
    return np.exp(-((x / 1e-9) ** 2))


def odd_bell(x: Any) -> Any:
    return x * np.exp(-((x / 1e-9) ** 2))


def far_odd_bell(x: Any) -> Any:
    return (x - 1) * np.exp(-(((x - 1) / 1e-7) ** 2))


def slope_of(x: Any) -> Any:
    """The derivative of `boltzmann`."""
    return -boltzmann(x) / THERMAL


ELEMENTWISE: dict[str, tuple[str, Any, Any, Any]] = {
    "energies in joules": ("ok", boltzmann, np.array([1e-20]), slope_of),
    "energies in joules, 0": ("FAILED", boltzmann, np.array([1e-20]), lambda x: 0 * x),
    "energies in joules, sign": ("FAILED", boltzmann, np.array([1e-20]), lambda x: -slope_of(x)),
    "many energies": ("ok", boltzmann, ENERGIES, slope_of),
    "many energies, 0": ("FAILED", boltzmann, ENERGIES, lambda x: 0 * x),
    "steep": ("ok", steep, np.array([1e-9]), lambda x: 1e8 * steep(x)),
    "steep, sign": ("FAILED", steep, np.array([1e-9]), lambda x: -1e8 * steep(x)),
    "bell": ("ok", bell, np.array([5e-10]), lambda x: -2e18 * x * bell(x)),
    "bell, 0": ("FAILED", bell, np.array([5e-10]), lambda x: 0 * x),
    "many bells, 0": ("FAILED", bell, np.linspace(1e-10, 9e-10, 40), lambda x: 0 * x),
    "odd bell at 0": ("ok", odd_bell, np.zeros(1), np.ones_like),
    "odd bell at 0, 0": ("FAILED", odd_bell, np.zeros(1), np.zeros_like),
    "many odd bells at 0, 0": ("FAILED", odd_bell, np.zeros(40), np.zeros_like),
    "odd bells at 1": ("ok", far_odd_bell, np.ones(30), np.ones_like),
    "odd bells at 1, 0": ("FAILED", far_odd_bell, np.ones(30), np.zeros_like),
    "constant": ("ok", lambda x: 0 * x + 3, np.ones(3), np.zeros_like),
    "sign": ("ok", np.sign, np.array([0.5, -2.0]), np.zeros_like),
    "dead unit": ("ok", lambda x: np.maximum(x, 0), np.array([-0.5, 2.0]), lambda x: 1.0 * (x > 0)),
    "many dead units": ("ok", lambda x: np.maximum(x, 0), -np.ones(500), np.zeros_like),
    "dead units, 1": ("FAILED", lambda x: np.maximum(x, 0), -np.ones(50), np.ones_like),
    "square at 0": ("ok", np.square, np.zeros(100), lambda x: 2 * x),
    "fourth power at 0": ("ok", lambda x: x**4, np.zeros(100), lambda x: 4 * x**3),
    "cosine at 0": ("ok", np.cos, np.zeros(100), np.zeros_like),
    "beside a constant, 0": ("FAILED", lambda x: 1e12 + x, np.ones(30), np.zeros_like),
}


def bump(x: Any) -> Any:
    """A line with a bump of the width 1e-6, on whose side the points 0, 1 and 5 lie."""
    return x + np.exp(-((1e6 * (x - np.round(x)) - 0.5) ** 2)) / 1e6


ELEMENTWISE |= {
    "bump at the point, 1": ("FAILED", bump, np.array([0.0, 1.0, 5.0]), np.ones_like),
    "exponentials of all sizes": ("ok", np.exp, np.array([0.0, 100.0]), np.exp),
    "one sign of a small one": (
        "FAILED", np.exp, np.array([0.0, 100.0]), lambda x: np.exp(x) * np.array([-1.0, 1.0]),
    ),
    "rounded to 4 digits": (
        "UNDECIDED", lambda x: np.round(x, 4), np.array([0.3, 1.2]), np.zeros_like,
    ),
    "saturated loss": (
        "UNDECIDED", lambda w: np.logaddexp(0, w) - w, np.array([30.0]),
        lambda w: -1 / (1 + np.exp(w)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name: str) -> None:
    state, f, x, derivative = ELEMENTWISE[name]
    report = am.gradcheck(f, x, vjp=scaled(derivative), raises=False)
    assert report.state == state, report


@pytest.mark.parametrize("unit", [1e-30, 1e-20, 1e-10, 1e-3, 1e3, 1e10, 1e20, 1e30])
@pytest.mark.parametrize("factor", [1.0, 0.0, -1.0, 1.01, 1.002])
def test_units(unit: float, factor: float) -> None:
    """Inputs and outputs in any unit; 0.2 % too much is seen everywhere."""
    state = "ok" if factor == 1.0 else "FAILED"
    x = np.linspace(0.3, 2.0, 5)
    report = am.gradcheck(
        lambda x: np.sin(x / unit), unit * x, raises=False,
        vjp=lambda g, x: (factor * g * np.cos(x / unit) / unit,),
    )  # fmt: skip
    assert report.state == state, report
    report = am.gradcheck(
        lambda x: unit * np.sin(x), x, raises=False,
        vjp=lambda g, x: (factor * g * np.cos(x) * unit,),
    )  # fmt: skip
    assert report.state == state, report


# ── ties ─────────────────────────────────────────────────────────────────────────────────────
def pool(x: Any) -> Any:
    return x.reshape(2, 2, 2, 2).max(axis=(1, 3))


def windows(x: Any) -> Any:
    blocks = x.reshape(2, 2, 2, 2)
    return blocks == blocks.max(axis=(1, 3), keepdims=True)


def pool_all(g: Any, x: Any) -> Any:
    return ((windows(x) * g[:, None, :, None]).reshape(4, 4),)


def pool_shared(g: Any, x: Any) -> Any:
    equal = windows(x)
    share = equal / equal.sum(axis=(1, 3), keepdims=True)
    return ((share * g[:, None, :, None]).reshape(4, 4),)


POOLED = np.array([[1.0, 1, 2, 3], [0, 1, 3, 3], [1, 2, 0, 0], [2, 2, 0, 0]])
ONES = np.ones(2)
FIRST = np.arange(3) == 0
TIES: dict[str, tuple[str, Any, tuple[Any, ...], dict[str, Any]]] = {
    "max, all": ("FAILED", np.max, (np.ones(3),), {"grad": lambda x: 1.0 * (x == x.max())}),
    "max, none": ("FAILED", np.max, (np.ones(3),), {"grad": np.zeros_like}),
    "max, first": ("ok", np.max, (np.ones(3),), {"grad": lambda x: 1.0 * FIRST}),
    "max, shared": ("ok", np.max, (np.ones(3),), {"grad": lambda x: (x == x.max()) / 3}),
    "maximum, both": (
        "FAILED", np.maximum, (ONES, ONES), {"vjp": lambda g, a, b: (g * (a >= b), g * (b >= a))},
    ),
    "maximum, neither": (
        "FAILED", np.maximum, (ONES, ONES), {"vjp": lambda g, a, b: (g * (a > b), g * (b > a))},
    ),
    "maximum, first": (
        "ok", np.maximum, (ONES, ONES), {"vjp": lambda g, a, b: (g * (a >= b), g * (b > a))},
    ),
    "maximum, halves": ("ok", np.maximum, (ONES, ONES), {"vjp": lambda g, a, b: (g / 2, g / 2)}),
    "weighted, both": (
        "FAILED", lambda a, b: np.maximum(a, 2 * b), (np.array([2.0]), np.array([1.0])),
        {"vjp": lambda g, a, b: (g, 2 * g)},
    ),
    "weighted, halves": (
        "ok", lambda a, b: np.maximum(a, 2 * b), (np.array([2.0]), np.array([1.0])),
        {"vjp": lambda g, a, b: (g / 2, g)},
    ),
    "pooling, all": ("FAILED", pool, (POOLED,), {"vjp": pool_all}),
    "pooling, shared": ("ok", pool, (POOLED,), {"vjp": pool_shared}),
    "apart": (
        "ok", lambda a, b: np.sum(np.maximum(a, 0)) - np.sum(np.maximum(b, 0)),
        (np.zeros(2), np.zeros(2)), {"vjp": lambda g, a, b: (g * np.zeros(2), -g * np.ones(2) / 2)},
    ),
    "largest size, all": (
        "FAILED", lambda x: np.abs(x).max(), (np.array([2.0, -2.0, 1.0]),),
        {"grad": lambda x: np.array([1.0, -1.0, 0.0])},
    ),
    "largest size, shared": (
        "ok", lambda x: np.abs(x).max(), (np.array([2.0, -2.0, 1.0]),),
        {"grad": lambda x: np.array([0.5, -0.5, 0.0])},
    ),
    "against each other, both": (
        "FAILED", lambda a, b: np.maximum(-a, b), (np.ones(1), -np.ones(1)),
        {"vjp": lambda g, a, b: (-g, g)},
    ),
    "against each other, one": (
        "ok", lambda a, b: np.maximum(-a, b), (np.ones(1), -np.ones(1)),
        {"vjp": lambda g, a, b: (-g, 0 * g)},
    ),
    "twice one, half of it": (
        "FAILED", lambda a, b: np.maximum(2 * a, b), (np.zeros(1), np.zeros(1)),
        {"vjp": lambda g, a, b: (g, 0 * g)},
    ),
    "size of a sum, apart": (
        "FAILED", lambda a, b: np.abs(a + b - 2), (np.ones(1), np.ones(1)),
        {"vjp": lambda g, a, b: (g, -g)},
    ),
    "size of a sum, alike": (
        "ok", lambda a, b: np.abs(a + b - 2), (np.ones(1), np.ones(1)),
        {"vjp": lambda g, a, b: (g, g)},
    ),
    "sorted": (
        "ok", np.sort, (np.array([0.0, 0.0, -1.0]),),
        {"vjp": lambda g, x: (g[np.argsort(np.argsort(x, kind="stable"))],)},
    ),
    "absolute values": (
        "ok", np.abs, (np.zeros(2),), {"vjp": lambda g, x: (g * np.array([0.3, -1.0]),)},
    ),
    "norm at 0": ("ok", lambda x: np.sqrt(np.sum(x * x)), (np.zeros(3),), {"grad": np.zeros_like}),
}  # fmt: skip


@pytest.mark.parametrize("name", TIES)
def test_ties(name: str) -> None:
    """Moved together, tied entries have one slope: one of them gets all of it, or each a share."""
    state, f, inputs, rule = TIES[name]
    report = am.gradcheck(f, *inputs, **rule, raises=False)
    assert report.state == state, report
    if state == "FAILED":
        assert {cause.kind for cause in report.causes} == {"tie"}, report


# ── gradients that are 0 but for rounding ────────────────────────────────────────────────────
RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(20, 4)), RNG.normal(size=20)
SOLUTION = np.linalg.lstsq(A, B, rcond=None)[0]
TARGET = RNG.dirichlet(np.ones(5))


def circle(x: Any) -> Any:
    return np.sin(x) ** 2 + np.cos(x) ** 2


def squares(w: Any) -> Any:
    return np.sum((A @ w - B) ** 2)


def of_layer_norm(x: Any) -> Any:
    return np.sum((x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True))


def of_batch_norm(x: Any) -> Any:
    return np.sum((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5))


def divergence(z: Any) -> Any:
    q = np.exp(z - np.max(z))
    return np.sum(TARGET * (np.log(TARGET) - np.log(q / np.sum(q))))


def divergence_gradient(z: Any) -> Any:
    q = np.exp(z - z.max())
    return q / q.sum() - TARGET


def normed(w: Any, b: Any, x: Any) -> Any:
    z = x @ w + b
    return np.tanh((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5))


ZEROS: dict[str, tuple[Any, tuple[Any, ...], dict[str, Any]]] = {
    "circle": (circle, (RNG.normal(size=4),), {}),
    "sum over a circle": (lambda x: np.sum(circle(x)), (RNG.normal(size=4),), {}),
    "least squares": (squares, (SOLUTION,), {}),
    "least squares by hand": (squares, (SOLUTION,), {"grad": lambda w: 2 * A.T @ (A @ w - B)}),
    "layer norm": (of_layer_norm, (RNG.normal(size=(3, 5)),), {}),
    "layer norm by hand": (of_layer_norm, (RNG.normal(size=(3, 5)),), {"grad": np.zeros_like}),
    "batch norm": (of_batch_norm, (RNG.normal(size=(8, 3)),), {}),
    "batch norm by hand": (of_batch_norm, (RNG.normal(size=(8, 3)),), {"grad": np.zeros_like}),
    "divergence": (divergence, (np.log(TARGET),), {}),
    "divergence by hand": (divergence, (np.log(TARGET),), {"grad": divergence_gradient}),
    "bias before batch norm": (
        normed, (RNG.normal(size=(3, 2)), RNG.normal(size=2), RNG.normal(size=(6, 3))), {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ZEROS)
def test_zero_but_for_rounding(name: str) -> None:
    f, inputs, rule = ZEROS[name]
    report = am.gradcheck(f, *inputs, **rule, raises=False)
    assert report.ok, report


# ── float32 inside ───────────────────────────────────────────────────────────────────────────
def single(x: Any) -> Any:
    return float(np.float32(np.sum(np.sin(x.astype(np.float32)))))


def single_squares(x: Any) -> Any:
    return float(np.mean((x.astype(np.float32) * np.float32(3) - 1) ** 2))


def single_beside_1000(x: Any) -> Any:
    return float(np.float32(1000) + np.float32(np.sum(np.sin(x.astype(np.float32))) * 1e-3))


def single_layer(x: Any) -> Any:
    z = np.tanh(np.float32(A) @ x.astype(np.float32) * np.float32(0.1))
    return float(np.sum(z**2) / np.float32(1000)) / 7


def layer_gradient(x: Any) -> Any:
    z = np.tanh(A @ x * 0.1)
    return A.T @ (2 * z * (1 - z**2)) / 1000 / 7 * 0.1


SINGLES: dict[str, tuple[Any, Any, Any]] = {
    "sines": (single, RNG.normal(size=5), np.cos),
    "many sines": (single, RNG.normal(size=100), np.cos),
    "squares": (single_squares, RNG.normal(size=20), lambda x: 6 * (3 * x - 1) / 20),
    "beside 1000": (single_beside_1000, RNG.normal(size=30), lambda x: 1e-3 * np.cos(x)),
    "layer": (single_layer, RNG.normal(size=4), layer_gradient),
    "loss near 0": (
        lambda x: float(np.mean((np.float32(1) - x.astype(np.float32)) ** 2)),
        1 + 1e-3 * RNG.normal(size=10), lambda x: 2 * (x - 1) / 10,
    ),
}  # fmt: skip


@pytest.mark.parametrize("rtol", [None, 1e-2])
@pytest.mark.parametrize("name", SINGLES)
def test_float32_inside_is_never_called_wrong(name: str, rtol: float | None) -> None:
    f, x, gradient = SINGLES[name]
    report = am.gradcheck(f, x, grad=gradient, rtol=rtol, raises=False)
    assert not report.count("wrong") and report.state in ("ok", "UNDECIDED"), report
    wrong = am.gradcheck(f, x, grad=lambda x: -gradient(x), rtol=rtol, raises=False)
    assert not wrong.ok, wrong


# ── what a report says as a whole ────────────────────────────────────────────────────────────
def test_a_report_is_true_if_it_is_ok() -> None:
    right = am.gradcheck(np.sin, 0.5, vjp=lambda g, x: (g * np.cos(x),), raises=False)
    wrong = am.gradcheck(np.sin, 0.5, vjp=lambda g, x: (g * np.sin(x),), raises=False)
    assert right and right.state == "ok"
    assert not wrong and wrong.state == "FAILED" and not wrong.undecided


def test_undecided_is_neither_ok_nor_failed() -> None:
    def rough(x: Any) -> Any:
        return np.sin(1e13 * x)

    def rough_vjp(g: Any, x: Any) -> Any:
        return (g * 1e13 * np.cos(1e13 * x),)

    report = am.gradcheck(rough, 1.0, vjp=rough_vjp, raises=False)
    assert report.undecided and not report.ok and not report
    assert "UNDECIDED" in str(report).splitlines()[0] and "FAILED" not in str(report)
    assert "check at another point" in str(report)
    assert report.to_dict()["state"] == "UNDECIDED"
    with pytest.raises(am.UndecidedError) as caught:
        am.gradcheck(rough, 1.0, vjp=rough_vjp)
    assert isinstance(caught.value, am.GradcheckError) and caught.value.report.undecided


def test_a_point_outside_of_the_domain_is_undecided() -> None:
    assert am.gradcheck(np.log, -1.0, vjp=lambda g, x: (g / x,), raises=False).undecided
    assert am.gradcheck(np.sin, np.nan, vjp=lambda g, x: (g / x,), raises=False).undecided


# ── one wrong entry among many ───────────────────────────────────────────────────────────────
@pytest.mark.parametrize("wrong", [(0,), (99_999,), (23_457,), (17, 60_000, 60_001)])
def test_wrong_entries_are_located_by_projections(wrong: tuple[int, ...]) -> None:
    x = np.random.default_rng(3).normal(size=100_000)

    def gradient(x: Any) -> Any:
        g = np.cos(x)
        g[list(wrong)] *= 1.5
        return g

    report = am.gradcheck(
        lambda x: np.sum(np.sin(x)), x, grad=gradient, coverage="projections", raises=False
    )
    found = {entry.index[0] for entry in report.entries if entry.verdict == "wrong"}
    assert report.state == "FAILED" and found == set(wrong), report


def test_projections_that_see_nothing_are_undecided() -> None:
    report = am.gradcheck(
        lambda x: np.sum(np.maximum(x, 0)), np.zeros((100, 100)), grad=lambda x: -np.ones_like(x),
        coverage="projections", raises=False,
    )  # fmt: skip
    assert not report.ok, report


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 60), st.integers(1, 60), st.integers(0, 10**6), st.floats(-8.4, -7.0))
def test_what_a_step_leaps_over_is_seen_in_some_entries_of_many(
    count: int, leaping: int, seed: int, exponent: float
) -> None:
    """The slopes of many entries are looked at again all at once, at narrow steps."""
    generator = np.random.default_rng(seed)
    heights = np.zeros(count)
    places = generator.choice(count, min(leaping, count), replace=False)
    heights[places] = generator.choice([-1.0, 1.0], len(places))
    x, width = generator.uniform(0.5, 2.0, count), 10.0**exponent

    def f(y: Any) -> Any:
        swing = heights * width * np.exp(-(((y - x) / width) ** 2)) * (y - x) / width
        return np.sum(np.sin(y) + swing)

    assert not am.gradcheck(f, x, grad=np.cos, raises=False).ok
    assert am.gradcheck(f, x, grad=lambda y: np.cos(y) + heights, raises=False).state != "FAILED"


def test_a_sweep_takes_its_arrays_back() -> None:
    memory = ArrayPool()
    values = memory.take((4, 3))
    seen = SparseChange(values[:, :2], (None,), np.zeros(2))
    memory.give_back([seen], [SparseChange(values.T, (None,), np.zeros(4))])
    assert memory.take((4, 3)) is not values  # something live is a view of it
    memory.give_back([None, seen], [])
    assert memory.take((4, 3)) is values


def narrow_feature(x: Any, at: Any, width: float, reach: Callable[[Any], Any]) -> Any:
    """Return a feature with the slope 3 at a point that ends a width away from it."""
    d = x - at
    return 3 * np.sum(d * np.exp(-reach(d / width)))


@pytest.mark.parametrize("largest", [1.0, 1e4, 1e7, 1e10])
def test_a_large_slope_hides_no_feature_of_other_entries(largest: float) -> None:
    x, slopes = np.linspace(1, 2, 20), np.r_[largest, np.ones(19)]

    def f(y: Any) -> Any:
        return slopes @ (y - x) + narrow_feature(y[1:], x[1:], 1e-6, np.square)

    assert not am.gradcheck(f, x, grad=lambda y: slopes, raises=False).ok


@pytest.mark.parametrize("count", [10, 200, 2000, 5000])
@pytest.mark.parametrize(
    "reach",
    [
        lambda d: np.sum(d**2),  # the other entries must stay in place
        lambda d: np.sum(d) ** 2,
        lambda d: d**2 + 1e9 * (np.count_nonzero(d) > 1),  # no two may move
    ],
)
def test_a_feature_that_ends_where_all_entries_move_is_seen(
    count: int, reach: Callable[[Any], Any]
) -> None:
    x = np.random.default_rng(3).uniform(1, 2, count)

    def f(y: Any) -> Any:
        return np.sum(np.sin(y)) + narrow_feature(y, x, 5e-8, reach)

    assert not am.gradcheck(f, x, grad=np.cos, raises=False).ok
