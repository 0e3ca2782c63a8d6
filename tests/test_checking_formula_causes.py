"""Causes that need more than one step of a formula, and functions that write into arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.checking.diagnosis import formula
from autograd_mini.checking.diagnosis.formula import add_value, rewrite

RNG = np.random.default_rng(11)
X, W, V = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))


def said(f: Any, *inputs: Any, **options: Any) -> str:
    """Return the first cause of a gradient that is wrong."""
    report = am.gradcheck(f, *inputs, raises=False, progress=False, **options)
    assert not report.ok
    return str(report.causes[0])


@pytest.mark.parametrize("factor", [-1.0, 1.01])
def test_a_factor_at_a_narrow_feature(factor: float) -> None:
    def slope(g: Any, x: Any) -> Any:
        return factor * g * 1e8 * np.exp(1e8 * x)

    found = said(lambda x: np.exp(1e8 * x), 1e-8 * np.linspace(-1, 1, 6), vjp=slope)
    assert ("sign" if factor < 0 else "1.01") in found


def softmax_sum(x: Any) -> Any:
    top = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - top).sum(axis=-1)) + top[..., 0]


def test_paths_that_cancel_are_taken_for_constants() -> None:
    def unnormalised(g: Any, x: Any) -> Any:
        return g[:, None] * np.exp(x - x.max(axis=-1, keepdims=True))

    assert "the derivative of log were missing" in said(softmax_sum, X, vjp=unnormalised)


def test_a_power_of_a_value_at_one_step() -> None:
    def unit(x: Any) -> Any:
        return x / np.sqrt(np.sum(x**2, axis=1, keepdims=True))

    def by_length(g: Any, x: Any) -> Any:
        n = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
        return (g - x * np.sum(g * x, axis=1, keepdims=True) / n) / n

    found = said(unit, X, vjp=by_length)
    assert "multiplied by the result of sqrt" in found
    assert "a division by it is missing" in found


def test_another_value_in_the_place_of_a_factor() -> None:
    def gated(x: Any) -> Any:
        a, b = np.split(x, 2, axis=0)
        return a * np.tanh(b)

    def raw(g: Any, x: Any) -> Any:
        a, b = np.split(x, 2, axis=0)
        return np.concatenate([g * b, g * a * (1 - np.tanh(b) ** 2)])

    found = said(gated, X, vjp=raw)
    assert "the result of split" in found
    assert "stands in the place of the result of tanh" in found


def test_the_final_value_at_each_step_of_a_loop() -> None:
    def steps(a: Any, v: Any) -> Any:
        for _ in range(4):
            v = np.tanh(a @ v)
        return v

    def final(g: Any, a: Any, v: Any) -> Any:
        path = [v]
        for _ in range(4):
            path.append(np.tanh(a @ path[-1]))
        da = np.zeros_like(a)
        for t in reversed(range(4)):
            d = g * (1 - path[t + 1] ** 2)
            da += np.outer(d, path[-1])
            g = a.T @ d
        return da, g

    assert "the final value, after the last step" in said(steps, W, X[0], vjp=final)


def test_a_mistake_of_one_input_is_looked_for_first_at_the_others() -> None:
    def layer(x: Any, w: Any, v: Any) -> Any:
        return np.tanh(x @ w) @ v

    def raw(g: Any, x: Any, w: Any, v: Any) -> Any:
        dz = g @ v.T
        return dz @ w.T, x.T @ dz, np.tanh(x @ w).T @ g

    report = am.gradcheck(layer, X, W, V, vjp=raw, raises=False, progress=False)
    assert len(report.causes) == 2
    assert all("derivative of tanh were missing" in str(cause) for cause in report.causes)


def clamped(x: Any) -> Any:
    return np.sum(np.where(np.abs(x) < 0.7, x**2, 1.4 * np.abs(x) - 0.49))


def test_a_condition_that_is_not_the_right_one() -> None:
    def one_sided(x: Any) -> Any:
        return np.where(x < 0.7, 2 * x, 1.4 * np.sign(x))

    found = said(clamped, X, grad=one_sided)
    assert "the other branch of where" in found
    assert "the condition, or mask, is not the right one" in found


def test_a_term_is_not_named_where_right_entries_deny_it() -> None:
    x = np.array([-0.5, -2.0, 0.3, 1.4, -1.5, 0.0, 2.2, 0.8, -1.2, 1.7])
    found = said(lambda x: np.clip(x, -1, 1), x, vjp=lambda g, x: g * (x < 1))
    assert "|x| > 1" not in found  # above 1 the gradient is 0, and right
    assert "clip" in found


def test_a_constant_that_had_other_values() -> None:
    target = np.where(np.arange(12).reshape(4, 3) % 4 == 0, 0.9, 0.05)

    def distance(x: Any) -> Any:
        return np.sum((np.tanh(x) - target) ** 2)

    def hard(x: Any) -> Any:
        return 2 * (np.tanh(x) - (target > 0.5)) * (1 - np.tanh(x) ** 2)

    assert "had 0 for 0.05, 1 for 0.9" in said(distance, X, grad=hard)


def test_an_operation_that_is_left_out() -> None:
    def hinge(x: Any) -> Any:
        return np.sum(np.maximum(0.5 - x, 0) ** 2)

    found = said(hinge, X, grad=lambda x: -2 * (0.5 - x))
    assert "maximum" in found
    assert "left out" in found or "mask" in found


def test_parts_that_are_exchanged() -> None:
    def attention(x: Any) -> Any:
        q, k, v = np.split(x, 3, axis=1)
        return np.tanh(q @ k.T) @ v

    def exchanged(g: Any, x: Any) -> Any:
        q, k, v = np.split(x, 3, axis=1)
        p = np.tanh(q @ k.T)
        ds = (g @ v.T) * (1 - p**2)
        return np.concatenate([ds.T @ q, ds @ k, p.T @ g], axis=1)

    found = said(attention, RNG.normal(size=(4, 6)), vjp=exchanged)
    assert "the parts 0 and 1 are exchanged" in found


@pytest.mark.parametrize(
    ("back", "text"),
    [
        (lambda d: d.T.ravel(), "read column by column, as if transposed"),
        (lambda d: d.ravel()[::-1], "reversed"),
    ],
)
def test_a_shape_that_is_read_in_another_order(back: Callable[[Any], Any], text: str) -> None:
    def flat(w: Any) -> Any:
        return np.tanh(X @ w.reshape(3, 2))

    def rule(g: Any, w: Any) -> Any:
        return back(X.T @ (g * (1 - flat(w) ** 2)))

    assert text in said(flat, RNG.normal(size=6), vjp=rule)


def test_axes_that_are_not_put_back() -> None:
    def heads(x: Any) -> Any:
        return np.tanh(x.reshape(4, 2, 3).transpose(1, 0, 2)) ** 2

    def merged(g: Any, x: Any) -> Any:
        t = np.tanh(x.reshape(4, 2, 3).transpose(1, 0, 2))
        return (g * 2 * t * (1 - t**2)).reshape(4, 6)

    found = said(heads, RNG.normal(size=(4, 6)), vjp=merged)
    assert "not transposed back" in found


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda d: np.full_like(d, d.sum()), "summed over axis 0 by mistake"),
        (lambda d: np.repeat(d.reshape(2, 2).mean(axis=1), 2), "averaged over axis 0"),
    ],
)
def test_sums_that_are_given_to_each_entry(wrong: Callable[[Any], Any], text: str) -> None:
    scale = RNG.normal(size=4)

    def rule(g: Any, b: Any) -> Any:
        return wrong(np.sum(g * X.T, axis=0))

    assert text in said(lambda b: X.T * b, scale, vjp=rule)


def test_one_number_that_each_entry_has_is_no_sum() -> None:
    found = said(np.max, np.array([1.0, 3.0, 2.0]), grad=lambda x: np.ones(3))
    assert "summed over" not in found
    assert "its mask is not applied" in found


def test_a_turned_input_that_enters_at_several_steps() -> None:
    def taps(x: Any, w: Any) -> Any:
        return sum(w[i, j] * x[i : i + 3] ** (j + 1) for i in range(2) for j in range(2))

    def rule(g: Any, x: Any, w: Any) -> Any:
        dx, dw = np.zeros_like(x), np.zeros_like(w)
        for i in range(2):
            for j in range(2):
                part = x[i : i + 3]
                dx[i : i + 3] += g * w[j, i] * (j + 1) * part**j
                dw[i, j] = g @ part ** (j + 1)
        return dx, dw

    x = RNG.uniform(0.5, 2.0, size=4)
    assert "w were transposed" in said(taps, x, RNG.normal(size=(2, 2)), vjp=rule)


def overlapping(x: Any, w: Any) -> Any:
    y = np.zeros(len(x) + 2)
    for t in range(len(x)):
        y[t : t + 3] += x[t] * w
    return y


def test_a_function_that_writes_into_an_array() -> None:
    def flipped(g: Any, x: Any, w: Any) -> Any:
        dx = np.array([g[t : t + 3] @ w[::-1] for t in range(len(x))])
        return dx, sum(x[t] * g[t : t + 3] for t in range(len(x)))

    found = said(overlapping, RNG.normal(size=5), RNG.normal(size=3), vjp=flipped)
    assert "flipped, in reversed order" in found
    assert "test_checking_formula_causes.py:" in found


def counted(table: Any, words: Any, bags: Any) -> Any:
    sums = np.zeros((3, 2))
    np.add.at(sums, bags, table[words])
    return sums / np.bincount(bags)[:, None]


def test_a_function_that_adds_where_indices_repeat() -> None:
    words, bags = np.array([0, 3, 1, 1, 2]), np.array([0, 0, 1, 1, 2])

    def undivided(g: Any, table: Any, words: Any, bags: Any) -> Any:
        d = np.zeros_like(table)
        np.add.at(d, words, g[bags])
        return d, None, None

    table = np.random.default_rng(5).normal(size=(4, 2))
    found = said(counted, table, words, bags, vjp=undivided)
    assert "as if the division by a constant of shape (3, 1) were missing" in found


def test_a_function_of_very_many_operations_is_given_up(monkeypatch: Any) -> None:
    recorded: list[int] = []
    monkeypatch.setattr(formula, "MOST_RECORDED", 50)
    monkeypatch.setattr(formula, "is_right", lambda found: recorded.append(len(found.vertices)))

    def running(x: Any) -> Any:
        y = np.zeros(len(x))
        for i in range(len(x)):
            y[i] = y[i - 1] + np.sin(x[i])
        return y[-1]

    for size in (5, 40):
        found = said(running, RNG.normal(size=size), grad=lambda x: np.cos(x) + x)
        assert "has a term x too many" in found
    assert len(recorded) == 1


def written(x: Any, *, scale: float = 2.0) -> Any:
    y, z = np.empty(3), np.ones(3)
    y[0], y[1:] = scale * x[0], x[1:]
    z *= 3
    return y + _doubled(z)


def _doubled(z: Any) -> Any:
    out = np.zeros_like(z)
    np.subtract.at(out, [0, 0, 2], z)
    return out


def test_a_copy_without_writes_computes_the_same() -> None:
    copied = rewrite(written)
    assert copied is not None and copied is not written
    x = np.array([1.5, -2.0, 0.5])
    np.testing.assert_array_equal(copied(x), written(x))
    np.testing.assert_array_equal(copied(am.tensor(x)).data, written(x))
    np.testing.assert_array_equal(copied(x, scale=3.0), written(x, scale=3.0))
    assert rewrite(np.sin) is None


def test_adding_keeps_an_array_and_makes_a_tensor() -> None:
    x, index = np.zeros(3), np.array([0, 0, 2])
    assert add_value(x, index, np.ones(3)) is x
    found = add_value(np.zeros(3), index, am.tensor(np.ones(3)))
    np.testing.assert_array_equal(found.data, x)


def test_the_work_of_a_diagnosis_is_counted() -> None:
    work = formula.Budget(100.0)
    work.share(4)
    work.spend(59)
    assert not work.is_spent
    work.spend(2)
    assert work.is_spent
    work.share(1)
    assert not work.is_spent
    work.spend(10, 10 * formula.SMALL)
    assert work.is_spent


# ── what a diagnosis may not do ──────────────────────────────────────────────────────────────
def test_an_error_of_the_diagnosis_leaves_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(evidence: Any) -> Any:
        raise IndexError("three")

    monkeypatch.setattr("autograd_mini.checking.examination.diagnose", fail)
    report = am.gradcheck(np.sin, np.array([0.5, 1.0]), vjp=lambda g, x: (g,), raises=False)
    assert report.state == "FAILED"
    assert "IndexError: three" in str(report)


def test_a_gradient_that_is_off_by_little_is_not_called_one_times_the_right_one() -> None:
    x = np.array([0.3, 1.2, 2.0])
    grad = lambda x: np.cos(x) * (1 + 1e-5 * x**3)
    report = am.gradcheck(lambda x: np.sum(np.sin(x)), x, grad=grad, raises=False)
    assert report.state == "FAILED"
    assert "1 times" not in str(report)
    assert "between 1 and 1" not in str(report)


@pytest.mark.parametrize("seed", range(12))
def test_bounds_that_separate_few_entries_by_accident_are_no_cause(seed: int) -> None:
    words, bags = np.array([0, 3, 1, 1, 2]), np.array([0, 0, 1, 1, 2])

    def undivided(g: Any, table: Any, words: Any, bags: Any) -> Any:
        d = np.zeros_like(table)
        np.add.at(d, words, g[bags])
        return d, None, None

    table = np.random.default_rng(seed).normal(size=(4, 2))
    found = said(counted, table, words, bags, vjp=undivided)
    assert "as if the division by a constant of shape (3, 1) were missing" in found
