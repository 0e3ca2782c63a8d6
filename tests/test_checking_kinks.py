"""gradcheck where derivatives are hard to take: kinks, jumps, edges, noise, many scales."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.checking import Report, Verdict

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=5)


def checked(f: Any, *inputs: Any, **kwargs: Any) -> Report:
    return am.gradcheck(f, *inputs, raises=False, **kwargs)


RIGHT = {
    "relu at 0": (am.relu, np.array([0.0, 1.0, -1.0])),
    "abs at 0": (np.abs, np.array([0.0, -0.0, 2.0])),
    "sign at 0": (np.sign, np.array([0.0, 1.0])),
    "floor at integers": (np.floor, np.array([1.0, 0.5, -2.0])),
    "ceil at integers": (np.ceil, np.array([1.0, 0.5])),
    "rint at halves": (np.rint, np.array([0.5, 1.5, 0.2])),
    "trunc at integers": (np.trunc, np.array([0.0, 1.0, -1.0])),
    "maximum of equals": (np.maximum, np.array([1.0, 2.0]), np.array([1.0, 3.0])),
    "minimum of equals": (np.minimum, np.array([1.0, 2.0]), np.array([1.0, 3.0])),
    "maximum with 0": (lambda x: np.maximum(x, 0), np.array([0.0, 1.0])),
    "max with ties": (lambda x: np.max(x, axis=0), np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 2.0]])),
    "sort with ties": (np.sort, np.array([1.0, 1.0, 0.0])),
    "median with ties": (np.median, np.array([1.0, 1.0, 0.0, 3.0])),
    "clip at its bounds": (lambda x: np.clip(x, -1, 1), np.array([-1.0, 0.0, 1.0])),
    "sqrt at 0": (np.sqrt, np.array([0.0, 1.0])),
    "cbrt at 0": (np.cbrt, np.array([0.0, 1.0])),
    "norm at 0": (np.linalg.norm, np.zeros(3)),
    "std of a constant": (np.std, np.full(4, 2.0)),
    "0 to the 0": (lambda a, b: a**b, 0.0, 0.0),
    "square at 0": (lambda x: x**2, np.array([0.0, -1.0])),
    "cube of negative": (lambda x: x**3.0, np.array([0.0, -1.0])),
    "untaken branch": (lambda x: np.where(x > 0, np.log(x), 0), np.array([-1.0, 1.0, 2.0])),
    "prod with a zero": (np.prod, np.array([0.0, 1.0, 2.0])),
    "prod with zeros": (np.prod, np.array([0.0, 0.0, 2.0])),
    "cumprod with zeros": (np.cumprod, np.array([0.0, 0.0, 2.0])),
    "sinc at 0": (np.sinc, np.array([0.0, 1.0])),
    "arctan2 at the origin": (np.arctan2, 0.0, 0.0),
    "hypot at the origin": (np.hypot, 0.0, 0.0),
    "det of rank 1": (np.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]])),
    "det of zeros": (np.linalg.det, np.zeros((2, 2))),
    "repeated index": (lambda x: x[[0, 0, 1]] * 2, np.array([1.0, 2.0])),
    "repeated eigenvalues": (np.linalg.eigvalsh, np.eye(3)),
    "repeated singular values": (lambda a: np.linalg.svd(a, compute_uv=False), np.eye(2)),
    "arcsin at 1": (np.arcsin, np.array([1.0, 0.5])),
    "arccosh at 1": (np.arccosh, np.array([1.0, 2.0])),
    "next to a kink": (am.relu, np.array([1e-7, -1e-9, 1e-12, 1e-300])),
    "next to a kink at ½": (lambda x: am.relu(x - 0.5), np.array([0.5 + 1e-9, 0.5 - 1e-7])),
    "saturated": (np.tanh, np.array([20.0, -30.0, 5.0])),
    "saturated alone": (np.tanh, 20.0),
    "saturated sigmoid": (am.sigmoid, np.array([40.0, -40.0, -700.0, 700.0])),
    "range of exp": (np.exp, np.array([-30.0, 0.0, 1e-8, 100.0])),
    "cancellation": (lambda x: (1e8 + x) - 1e8, np.array([1.0, 2.0])),
    "large constant": (lambda x: 1e12 + np.sum(np.tanh(x)), np.array([1.0, 2.0])),
    "float32 result": (lambda x: np.sin(x).astype(np.float32), X),
    "float32 inside": (lambda x: np.tanh(x.astype(np.float32) * 3).astype(np.float64), X),
    "many magnitudes": (lambda x: x * np.array([1e12, 1.0, 1e-6, 1e-12]), np.ones(4)),
    "magnitudes of results": (lambda x: np.array([1e12, 1.0, 1e-6]) * np.sum(np.sin(x)), X),
    "unused entries": (lambda x: np.sum(x[:2]) + 5.0, np.ones(50)),
    "derivative 0": (np.cos, np.zeros(6)),
    "derivative nearly 0": (np.cos, np.array([1e-8])),
    "constant": (lambda x: x * 0 + 3.0, np.ones(3)),
    "essential singularity": (lambda x: x * np.sin(1 / x), np.array([1e-3, 0.01, 1.0])),
    "narrow peak": (lambda x: np.exp(-((x / 1e-6) ** 2)), np.array([1e-6, 2e-6, 1.0])),
    "1/x far out": (lambda x: 1 / x, np.array([1e-12, 1e12])),
    "roots far out": (lambda x: x**0.5, np.array([1e-20, 1e20])),
    "softmax of large values": (am.softmax, np.array([1000.0, 0.0, -1000.0])),
    "logsumexp of large values": (am.logsumexp, np.array([1000.0, 999.0, -1000.0])),
    "sin far out": (np.sin, np.array([1e5, 1e8, 1e10])),
    "complex": (lambda z: np.exp(z) * np.abs(z), X + 1j * X[::-1]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_gradients_pass(name: str) -> None:
    f, *inputs = RIGHT[name]
    report = checked(f, *inputs)
    assert report.ok, report


WRONG = {
    "kinks that cancel": (lambda x: am.relu(x) - am.relu(-x), np.array([0.0]), None),
    "slope of neither side": (np.abs, np.array([0.0]), lambda g, x: 3 * g),
    "half next to a kink": (am.relu, np.array([1e-7]), lambda g, x: g * 0.5),
    "cancellation": (lambda x: (1e8 + x) - 1e8, np.array([1.0, 2.0]), lambda g, x: 1.01 * g),
    "large constant": (
        lambda x: 1e12 + np.sum(np.tanh(x)), np.array([1.0, 2.0]),
        lambda g, x: 2 * g * (1 - np.tanh(x) ** 2),
    ),
    "float32 result": (
        lambda x: np.sin(x).astype(np.float32), X, lambda g, x: 1.01 * g * np.cos(x),
    ),
    "straight-through": (np.round, np.array([0.3, 1.2]), lambda g, x: g),
    "zero beside a constant": (lambda x: 1e12 + x, np.array([1.0, 2.0]), lambda g, x: 0 * g),
    "saturated": (np.tanh, 20.0, lambda g, x: 1e-3 * g),
    "infinite where smooth": (np.sin, np.array([1.0]), lambda g, x: g * np.inf),
    "finite at a vertical slope": (np.cbrt, np.array([0.0, 1.0]), lambda g, x: 7 * g),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients_fail(name: str) -> None:
    f, x, vjp = WRONG[name]
    assert not checked(f, x, vjp=vjp).ok


UNRESOLVED = {
    "power of a negative base": (lambda a, b: a**b, (-1.5, 2.0), "finite"),
    "rough": (lambda x: np.sin(x) + 0 * (x > 0), (1e15,), "rounding inside the function"),
    "log at the edge": (lambda x: x * np.log(x + 1e-300), (0.0,), ""),
}


@pytest.mark.parametrize("name", UNRESOLVED)
def test_what_numbers_cannot_tell_is_unresolved(name: str) -> None:
    f, inputs, why = UNRESOLVED[name]
    report = checked(f, *inputs)
    assert report.count(Verdict.UNRESOLVED) == 1, report
    assert report.count(Verdict.WRONG) == 0
    assert why in str(report)


def test_kink_shows_both_slopes() -> None:
    report = checked(np.abs, np.array([0.0]), vjp=lambda g, x: 0 * g)
    (entry,) = report.entries
    assert entry.verdict is Verdict.KINK
    assert "to the left" in entry.reason
    assert "to the right" in entry.reason


def test_outputs_whose_kinks_cancel_in_the_sum_are_told_apart() -> None:
    for seed in range(8):
        assert checked(lambda x: np.stack([am.relu(x), am.relu(-x)]), 0.0, seed=seed).ok


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_narrow_inputs_are_kept_where_that_is_asked_for(dtype: Any) -> None:
    seen = []

    def f(x: Any) -> Any:
        seen.append(x.dtype)
        return np.tanh(x * dtype(3))

    def vjp(g: Any, x: Any) -> Any:
        return g * 3 * (1 - np.tanh(3 * x) ** 2)

    assert checked(f, X.astype(dtype), vjp=vjp, keep_dtype=True).ok
    assert set(seen) == {np.dtype(dtype)}


@pytest.mark.parametrize("distance", [1e-9, 1e-11, 1e-12, 3e-13])
@pytest.mark.parametrize(("f", "edge", "side"), [(np.arccosh, 1, 1), (np.arcsin, 1, -1)])
def test_slopes_close_to_the_edge_of_the_domain_are_right(
    f: Any, edge: float, side: float, distance: float
) -> None:
    assert checked(f, np.array([edge + side * distance])).ok


def test_noise_of_a_right_formula_is_not_called_wrong() -> None:
    report = checked(lambda x: (np.exp(x) - 1) / x, np.array([1e-6, 3e-7, 2e-8]))
    assert report.count(Verdict.WRONG) == 0
    assert "rounding inside the gradient" in str(report)
