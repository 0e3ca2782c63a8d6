"""Causes from a function's own formula: a mistake in one step, which gives every number."""

from typing import Any

import numpy as np
import pytest

import autograd_mini as am

RNG = np.random.default_rng(5)
X, W, V = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))


def said(f: Any, *inputs: Any, **options: Any) -> str:
    """Return the first cause of a gradient that is wrong."""
    report = am.gradcheck(f, *inputs, raises=False, progress=False, **options)
    assert not report.ok
    return str(report.causes[0])


def layer(x: Any, w: Any, v: Any) -> Any:
    h = np.tanh(x @ w)
    return x + h @ v


def layer_rule(g: Any, x: Any, w: Any, v: Any, mistake: str) -> Any:
    h = np.tanh(x @ w)
    slope = {"slope": 1.0, "result": 1 - np.tanh(h) ** 2}.get(mistake, 1 - h**2)
    dz = (g @ (v if mistake == "transpose" else v.T)) * slope
    dx = dz @ w.T + (0 if mistake == "skip" else g)
    return dx, x.T @ dz, h.T @ g


@pytest.mark.parametrize(
    ("mistake", "text"),
    [
        ("skip", "the gradient of x lacks the path through add"),
        ("slope", "as if the derivative of tanh were missing"),
        ("result", "the derivative of tanh is evaluated at its result"),
        ("transpose", "v is transposed in the derivative of matmul"),
    ],
)
def test_one_step_of_a_layer(mistake: str, text: str) -> None:
    found = said(layer, X, W, V, vjp=lambda g, *xs: layer_rule(g, *xs, mistake=mistake))
    assert text in found
    assert "test_checking_causes.py:" in found


def standard(x: Any) -> Any:
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.1)


def standard_rule(g: Any, x: Any, eps: float, through_mean: bool) -> Any:
    s = np.sqrt(x.var(axis=0) + eps)
    y = (x - x.mean(axis=0)) / s
    return (g - through_mean * g.mean(axis=0) - y * (g * y).mean(axis=0)) / s


def test_paths_through_statistics() -> None:
    found = said(standard, X, vjp=lambda g, x: standard_rule(g, x, 0.1, False))
    assert "lacks the path through mean" in found
    found = said(standard, X, vjp=lambda g, x: standard_rule(g, x, 0.0, True))
    assert "as if 0.1 were left out, 0 in its place" in found


def scan(x: Any, a: Any) -> Any:
    h = 0 * x[0]
    for t in range(len(x)):
        h = a * h + x[t]
    return h


@pytest.mark.parametrize(
    ("carry", "text"), [(0.0, "is 0 for all but"), (-1.0, "the sign"), (2.0, "multiplied by 2")]
)
def test_steps_of_a_recurrence(carry: float, text: str) -> None:
    def rule(g: Any, x: Any, a: Any) -> Any:
        dx, hs = np.zeros_like(x), [0 * x[0]]
        for row in x:
            hs.append(a * hs[-1] + row)
        right, da = g, np.zeros_like(a)
        for t in reversed(range(len(x))):
            dx[t], da = g, da + right * hs[t]
            g, right = carry * g * a, right * a
        return dx, da

    assert text in said(scan, X, np.array([0.7, -1.2, 0.4]), vjp=rule)


def test_loss_that_is_returned_with_a_gradient_of_assignments() -> None:
    labels = np.array([0, 2, 1, 1])

    def loss(w: Any) -> Any:
        h = np.tanh(X @ w)
        value = np.sum(h[np.arange(4), labels])
        dh = np.zeros_like(h)
        dh[np.arange(4), labels] = 1
        return value, X.T @ dh  # without the slope of tanh

    assert "the derivative of tanh were missing" in said(loss, W, jac=True)


def test_causes_that_are_not_true_are_not_named() -> None:
    def product(x: Any) -> Any:
        return np.cumprod(x)

    x = np.array([1.5, 0.0, 2.0, -1.0, 0.5])
    own = lambda g, x: g * np.concatenate([[1.0], np.cumprod(x)[:-1]])  # noqa: E731
    assert "J·g" not in said(product, x, vjp=own)

    def looked_up(table: Any, i: Any) -> Any:
        return table[i]

    def assigned(g: Any, table: Any, i: Any) -> Any:
        found = np.zeros_like(table)
        found[i] = g
        return found, None

    index = np.array([0, 0, 2])
    assert "J·g" not in said(looked_up, W, index, vjp=assigned)


def test_factors_are_written_with_the_digits_they_need() -> None:
    found = said(np.sin, X, vjp=lambda g, x: 1.00001 * g * np.cos(x))
    assert "1e-05 of it: 1.00001 times" in found
    found = said(np.sin, X, vjp=lambda g, x: 6.022e20 * g * np.cos(x))
    assert "6.02e+20 times too large" in found
    found = said(lambda x: 1e28 * x, X, vjp=lambda g, x: g)
    assert "is 0" not in found
