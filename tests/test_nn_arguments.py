"""Wrong arguments of layers, fit and optimizers: errors of our own, before anything changes."""

from __future__ import annotations

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.nn import MLP, Dense, Dropout, Module
from autograd_mini.optim import SGD, Adam, Cosine, Exponential, StepDecay, Warmup

X = np.random.default_rng(0).normal(size=(60, 2))
Y = (X[:, :1] > 0).astype(float)


def parameters():
    return [am.tensor([1.0], requires_grad=True)]


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: MLP(2), r"MLP: sizes are 2; expected a list.*\[2, 16, 1\]"),
        (lambda: MLP([2, 1], dtype="foo"), "dtype is 'foo'; expected float32 or float64"),
        (lambda: Dense(2, 1, dtype=3), "dtype is 3; expected float32 or float64"),
        (lambda: Dense(2, 1).astype("foo"), "dtype is 'foo'; expected float32 or float64"),
        (lambda: Dense(2, 1).astype(int), "dtype is int64; expected float32 or float64"),
        (lambda: Dense(2, 1, seed="a"), "seed is 'a'; expected an integer of at least 0"),
        (lambda: Dense(2, 1, seed=-1), "seed is -1; expected an integer of at least 0"),
        (lambda: Dropout("a"), r"Dropout: the rate is 'a'; expected a number in \[0, 1\)"),
        (lambda: Dropout(None), "Dropout: the rate is None"),
        (lambda: Dropout(np.zeros(2)), "Dropout: the rate is array"),
        (lambda: SGD(parameters(), 0.1, momentum="a"), "momentum is 'a'; expected a number in"),
        (lambda: Adam(parameters(), betas=0.9), "betas is 0.9; expected two numbers"),
        (lambda: Adam(parameters(), betas=(0.9,)), r"betas is \(0.9,\); expected two numbers"),
        (lambda: Adam(parameters(), betas=(0.9, None)), r"betas\[1\] is None; expected a number"),
        (lambda: Cosine(0.1, "a"), "steps is 'a'; expected a number of steps above 0"),
        (lambda: Warmup(0.1, None), "steps is None; expected a number of steps above 0"),
        (lambda: StepDecay(0.1, every=np.zeros(2)), "every is array"),
        (lambda: Cosine("a", 10), "rate is 'a'; expected a number"),
        (lambda: Exponential(0.1, None), "factor is None; expected a number"),
        (lambda: Warmup("a", 3), "then, which is not a schedule, is 'a'; expected a number"),
        (lambda: am.optim.clip_grad_norm(parameters(), "a"), "max_norm is 'a'"),
        (lambda: am.optim.clip_grad_value(parameters(), None), "max_value is None"),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error_of_our_own(make, match):
    with pytest.raises(am.ArgumentError, match=match):
        make()


@pytest.mark.parametrize("lr", [Cosine(0.1, 10), lambda step: 0.1])
def test_a_schedule_as_the_rate_says_where_it_belongs(lr):
    with pytest.raises(am.ArgumentError, match=r"expected one number.*fit\(.*schedule="):
        SGD(Dense(2, 1), lr=lr)


@pytest.mark.parametrize("lr", ["a", None, 1j, np.zeros(2), -1.0])
def test_a_rate_that_is_no_number_is_refused(lr):
    with pytest.raises(am.AutogradError, match="learning rate"):
        SGD(Dense(2, 1), lr=lr)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"seed": "a"}, "seed is 'a'; expected an integer of at least 0"),
        ({"schedule": 0.1}, r"schedule is 0.1; expected a function.*Cosine"),
        ({"callback": 3}, "callback is 3; expected a function of the history"),
        ({"clip_norm": "a"}, "clip_norm is 'a'; expected a number above 0"),
        ({"clip_norm": 0}, "clip_norm is 0; expected a number above 0"),
        ({"metrics": 3}, "metrics is 3; expected 'accuracy', a function"),
        ({"metrics": None}, "metrics is None; expected 'accuracy', a function"),
        ({"metrics": {"far": 3}}, "the metric 'far' is 3; expected a function"),
    ],
)
def test_fit_checks_its_arguments_before_anything_changes(options, match):
    model = Dense(2, 1, seed=0)
    before = np.array(model.weight.data)
    calls = []

    def loss(prediction, target):
        calls.append(None)
        return am.nn.mse(prediction, target)

    with pytest.raises(am.ArgumentError, match=match):
        model.fit(X, Y, loss=loss, **options)
    assert np.array_equal(model.weight.data, before) and not calls


def test_metrics_may_be_one_function():
    model = Dense(2, 1, seed=0)
    options = {"loss": "binary_cross_entropy", "metrics": am.nn.accuracy}
    assert "accuracy" in model.fit(X, Y, epochs=1, **options).names
    assert set(model.evaluate(X, Y, **options)) == {"loss", "accuracy"}


@pytest.mark.parametrize(
    "value", [np.ones((2, 1)), am.tensor(np.ones((2, 1))), [[1.0], [1.0]], 2.0]
)
@pytest.mark.parametrize("frozen", [False, True])
def test_a_parameter_cannot_be_replaced_by_what_is_not_trained(value, frozen):
    layer = Dense(2, 1, seed=0).requires_grad_(not frozen)
    weight = layer.weight
    with pytest.raises(am.ArgumentError, match=r"weight is a parameter.*weight\.assign\(value\)"):
        layer.weight = value
    assert layer.weight is weight
    assert [path for path, _ in layer.requires_grad_().named_parameters()] == ["weight", "bias"]


def test_a_parameter_can_be_replaced_by_another_by_a_result_or_removed():
    layer = Dense(2, 1, seed=0)
    layer.weight = other = am.tensor(np.ones((2, 1)), requires_grad=True)
    assert dict(layer.named_parameters())["weight"] is other
    layer.bias = None
    assert [path for path, _ in layer.named_parameters()] == ["weight"]
    layer.weight = other * 2
    np.testing.assert_allclose(layer(X).data, 2 * X.sum(axis=1, keepdims=True))


def test_what_was_deleted_first_can_become_anything():
    layer = Dense(2, 1, seed=0)
    del layer.weight
    layer.weight = np.ones((2, 1))
    assert [path for path, _ in layer.named_parameters()] == ["bias"]


def test_buffers_and_plain_attributes_are_replaced_freely():
    class Net(Module):
        def __init__(self):
            self.offset = am.tensor([1.0])
            self.rate = 0.5

    net = Net()
    net.offset, net.rate = np.ones(1), am.tensor(0.5)
    assert [path for path, _ in net.named_tensors()] == ["rate"]


def test_a_copy_with_plain_values_is_still_made():
    layer = Dense(2, 1, seed=0).with_parameters({"weight": np.ones((2, 1))})
    np.testing.assert_allclose(layer(X).data, X.sum(axis=1, keepdims=True))
