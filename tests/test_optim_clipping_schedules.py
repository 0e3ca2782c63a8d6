"""Gradient clipping and learning-rate schedules."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.optim import (
    SGD,
    Constant,
    Cosine,
    Exponential,
    StepDecay,
    Warmup,
    clip_grad_norm,
    clip_grad_value,
)


def parameters(dtype="f8"):
    p = am.tensor(np.zeros(2, dtype), requires_grad=True, name="p")
    q = am.tensor(np.zeros((1, 1), dtype), requires_grad=True)
    r = am.tensor(np.zeros((), dtype), requires_grad=True)
    p.grad, q.grad = np.array([3.0, 0.0], dtype), np.array([[4.0]], dtype)
    return p, q, r


def test_clipping_scales_all_gradients_together_and_returns_the_norm():
    p, q, r = parameters("f4")
    assert clip_grad_norm([p, q, r], 1.0) == 5.0
    np.testing.assert_allclose(p.grad, [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(q.grad, [[0.8]], rtol=1e-6)
    assert p.grad.dtype == np.float32 and r.grad is None


def test_gradients_within_the_norm_are_untouched():
    p, q, _ = parameters()
    before = p.grad
    assert clip_grad_norm([p, q], 5.0) == 5.0
    assert p.grad is before


def test_the_norm_of_no_gradients_is_0():
    assert clip_grad_norm(am.nn.Dense(1, 1), 1.0) == 0.0


def test_huge_gradients_are_clipped_without_overflow():
    p, _, _ = parameters()
    p.grad = np.array([1e200, 1e200])
    assert clip_grad_norm(p, 1.0) == pytest.approx(1e200 * np.sqrt(2))
    np.testing.assert_allclose(p.grad, [0.5**0.5] * 2)


def test_a_non_finite_gradient_is_named_and_nothing_changes():
    p, q, _ = parameters()
    p.grad = np.array([np.inf, 1.0])
    with pytest.raises(am.NonFiniteError, match=r"leaf 'p'.*1 values.*of 2"):
        clip_grad_norm([q, p], 1.0)
    assert q.grad.tolist() == [[4.0]]


def test_values_are_limited():
    p, q, _ = parameters()
    q.grad = -q.grad
    clip_grad_value([p, q], 3.5)
    assert p.grad.tolist() == [3.0, 0.0] and q.grad.tolist() == [[-3.5]]


@pytest.mark.parametrize("clip", [clip_grad_norm, clip_grad_value])
@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_a_limit_must_be_positive(clip, limit):
    with pytest.raises(am.ArgumentError, match="expected a number above 0"):
        clip(parameters(), limit)


def test_schedules_at_their_marks():
    assert Constant(0.1)(1000) == 0.1
    assert [StepDecay(1.0, 2, 0.5)(i) for i in range(5)] == [1.0, 1.0, 0.5, 0.5, 0.25]
    assert Exponential(1.0, 0.5)(2) == 0.25
    fall = Cosine(1.0, steps=10, final=0.2)
    assert fall(0) == 1.0 and fall(5) == pytest.approx(0.6) and fall(10) == fall(99) == 0.2
    assert [Warmup(0.4, 4)(i) for i in range(6)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4])
    assert Warmup(StepDecay(1.0, 1, 0.5), 2)(3) == 0.5


def test_schedules_only_fall_after_the_rise():
    rise = Warmup(Cosine(1.0, 50), 10)
    rates = [rise(i) for i in range(70)]
    assert np.argmax(rates) in (9, 10) and all(np.diff(rates[10:]) <= 0)


def test_schedules_can_be_pickled_and_read():
    rise = Warmup(Cosine(1.0, 50), 10)
    assert pickle.loads(pickle.dumps(rise)) == rise
    assert repr(Exponential(1.0, 0.5)) == "Exponential(rate=1.0, factor=0.5)"


@pytest.mark.parametrize(
    "make", [lambda: StepDecay(1, 0), lambda: Cosine(1, 0), lambda: Warmup(1, -1)]
)
def test_lengths_must_be_positive(make):
    with pytest.raises(am.ArgumentError, match="above 0"):
        make()


def test_a_schedule_sets_the_rate_of_an_optimizer():
    p = am.tensor(1.0, requires_grad=True)
    optimizer, decay = SGD([p], lr=1.0), Exponential(1.0, 0.5)
    for _ in range(3):
        p.grad = np.float64(1.0)
        optimizer.lr = decay(optimizer.steps)
        optimizer.step()
    assert p.item() == 1 - 1 - 0.5 - 0.25
