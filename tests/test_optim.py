"""Optimizers: their updates, state, what they accept, and that nothing is half-updated."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.core.record import record, recorder
from autograd_mini.optim import SGD, Adam, AdamW


def parameter(value, grad=None, dtype="f8"):
    p = am.tensor(np.asarray(value, dtype), requires_grad=True)
    p.grad = None if grad is None else np.asarray(grad, dtype)
    return p


def pair():
    return [parameter([1.0, 2.0], [0.5, -1.0]), parameter([[3.0]], [[2.0]])]


MAKERS = {
    "sgd": lambda p: SGD(p, lr=0.1),
    "sgd with everything": lambda p: SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda p: Adam(p, lr=0.1),
    "adam with decay": lambda p: Adam(p, lr=0.1, weight_decay=0.1),
    "adamw": lambda p: AdamW(p, lr=0.1),
}


@pytest.fixture(params=MAKERS)
def make(request):
    return MAKERS[request.param]


def test_the_lessons_neuron_goes_from_08_to_00045():
    w = am.tensor(0.8, requires_grad=True, name="w")
    optimizer = SGD([w], lr=0.025)
    for step in range(101):
        optimizer.zero_grad()
        ((w * 1.0 - 0.0) ** 2).backward()
        if step == 0:
            assert w.grad == pytest.approx(1.6)
        optimizer.step()
        if step == 0:
            assert w.item() == pytest.approx(0.76)
    assert w.item() == pytest.approx(0.8 * 0.95**101)


def test_sgd_subtracts_rate_times_gradient():
    p, q = pair()
    SGD([p, q], lr=0.1).step()
    np.testing.assert_allclose(p.data, [0.95, 2.1])
    np.testing.assert_allclose(q.data, [[2.8]])


def test_momentum_sums_earlier_gradients():
    p = parameter([1.0], [1.0])
    optimizer = SGD([p], lr=1.0, momentum=0.5)
    seen = []
    for _ in range(3):
        optimizer.step()
        seen.append(p.item())
    np.testing.assert_allclose(seen, [0.0, -1.5, -3.25])


def test_nesterov_looks_ahead():
    p = parameter([1.0], [1.0])
    optimizer = SGD([p], lr=1.0, momentum=0.5, nesterov=True)
    optimizer.step()
    np.testing.assert_allclose(p.data, [-0.5])
    optimizer.step()
    np.testing.assert_allclose(p.data, [-2.25])


def test_weight_decay_adds_to_the_gradient():
    p = parameter([2.0], [1.0])
    SGD([p], lr=0.1, weight_decay=0.5).step()
    np.testing.assert_allclose(p.data, [2 - 0.1 * (1 + 0.5 * 2)])


def test_adam_follows_the_papers_algorithm():
    rng = np.random.default_rng(0)
    p, x, m, v = parameter([1.0, -2.0]), np.array([1.0, -2.0]), 0.0, 0.0
    optimizer = Adam([p], lr=0.1, betas=(0.8, 0.95), eps=1e-6)
    for t in range(1, 20):
        g = rng.normal(size=2)
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g**2
        x = x - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-6)
        p.grad = g
        optimizer.step()
        np.testing.assert_allclose(p.data, x, rtol=1e-12)
    assert optimizer.steps == 19


def test_the_decay_of_adamw_bypasses_the_moments():
    p, q = parameter([2.0], [1.0]), parameter([2.0], [1.0])
    AdamW([p], lr=0.1, weight_decay=0.5).step()
    Adam([q], lr=0.1).step()
    np.testing.assert_allclose(p.data, q.data - 0.1 * 0.5 * 2)


def test_a_zero_gradient_moves_nothing(make):
    p = parameter([0.0, 0.0], [0.0, 0.0])
    make([p]).step()
    assert p.data.tolist() == [0.0, 0.0]


def test_float32_parameters_and_state_stay_float32(make):
    p, scalar = parameter([1.0, 2.0], [0.5, 0.25], "f4"), parameter(1.0, 0.5, "f4")
    optimizer = make([p, scalar])
    for _ in range(3):
        optimizer.step()
    assert p.dtype == scalar.dtype == np.float32
    assert all(t.dtype == np.float32 for slot in optimizer.state.values() for t in slot)
    assert isinstance(scalar.data, np.float32)


def test_a_float64_gradient_put_there_by_hand_is_cast():
    p = parameter([1.0], dtype="f4")
    p.grad = np.array([0.5])
    SGD([p], lr=0.1).step()
    assert p.dtype == np.float32


def test_a_parameter_without_gradient_is_left_alone(make):
    p, q = pair()
    q.grad = None
    make([p, q]).step()
    assert q.data.tolist() == [[3.0]] and p.data.tolist() != [1.0, 2.0]


def test_nothing_is_updated_if_one_gradient_has_a_wrong_shape(make):
    p, q = pair()
    q.grad = np.ones((2, 1))
    optimizer = make([p, q])
    with pytest.raises(am.ShapeError, match=r"has shape \(2, 1\); expected \(1, 1\)"):
        optimizer.step()
    assert p.data.tolist() == [1.0, 2.0] and q.data.tolist() == [[3.0]]
    assert optimizer.steps == 0
    assert not any(t.data.any() for slot in optimizer.state.values() for t in slot)


def test_a_gradient_that_would_broadcast_is_refused():
    p = parameter(np.ones((3, 2)))
    p.grad = np.ones(2)
    with pytest.raises(am.ShapeError, match="Nothing was updated"):
        SGD([p], lr=0.1).step()


def test_a_step_makes_graphs_recorded_before_it_stale():
    p = parameter([1.0, 2.0])
    loss = (p * p).sum()
    loss.backward()
    SGD([p], lr=0.1).step()
    with pytest.raises(am.StaleGraphError):
        loss.backward()


def test_old_arrays_are_not_written_to(make):
    p, _ = pair()
    old, copy_ = p.data, p.data.copy()
    make([p]).step()
    assert np.array_equal(old, copy_) and p.data is not old


def test_under_a_tracing_recorder_the_update_is_operations_and_assignments(make):
    seen = []

    def trace(primitive, operands, params):
        seen.append(primitive.name)
        return record(primitive, operands, params)

    traced, computed = pair(), pair()
    with recorder(trace):
        optimizer = make(traced)
        optimizer.step()
    plain = make(computed)
    plain.step()
    for one, two in zip(traced, computed, strict=True):
        np.testing.assert_allclose(one.data, two.data, rtol=1e-14)
        assert one.is_leaf
    assert optimizer.steps == 1
    slots = len(optimizer.state)
    assert seen.count("assign") == 1 + 2 * (1 + slots)


def test_accepts_a_model_a_generator_a_tensor_and_counts_duplicates_once():
    model = am.nn.MLP([2, 3, 1])
    assert len(SGD(model, lr=0.1).parameters) == 4
    assert len(SGD((p for p in model.parameters()), lr=0.1).parameters) == 4
    p = parameter([1.0])
    assert SGD(p, lr=0.1).parameters == (p,)
    assert len(Adam([p, p]).parameters) == 1


def test_nothing_to_train_is_an_error():
    used = iter([parameter(1.0)])
    list(used)
    for empty in ([], used, am.nn.Dropout(0.5)):
        with pytest.raises(am.ArgumentError, match="no parameters"):
            SGD(empty, lr=0.1)


def test_what_is_no_parameter_is_named():
    p = parameter([1.0])
    with pytest.raises(am.OperandError, match="parameter 1 is float 3"):
        SGD([p, 3.0], lr=0.1)
    with pytest.raises(am.OperandError, match="got int"):
        SGD(3, lr=0.1)
    with pytest.raises(am.ArgumentError, match="is the result of an operation"):
        SGD([p * 2], lr=0.1)
    with pytest.raises(am.ArgumentError, match="does not require a gradient"):
        SGD([am.tensor([1.0])], lr=0.1)


@pytest.mark.parametrize(
    "make_bad",
    [
        lambda p: SGD(p, lr=-0.1),
        lambda p: SGD(p, lr=float("nan")),
        lambda p: SGD(p, lr=float("inf")),
        lambda p: SGD(p, lr=[0.1, 0.2]),
        lambda p: SGD(p, lr=0.1, momentum=1.0),
        lambda p: SGD(p, lr=0.1, nesterov=True),
        lambda p: SGD(p, lr=0.1, weight_decay=-1),
        lambda p: Adam(p, betas=(0.9, 1.0)),
        lambda p: Adam(p, eps=-1e-8),
    ],
)
def test_values_outside_their_range_are_refused(make_bad):
    with pytest.raises(am.ArgumentError):
        make_bad([parameter([1.0])])


def test_the_rate_can_be_set_and_is_a_tensor():
    p = parameter([1.0], [1.0])
    optimizer = SGD([p], lr=0.1)
    tensor = optimizer.rate
    optimizer.lr *= 2
    assert optimizer.lr == 0.2 and tensor.item() == 0.2
    optimizer.step()
    np.testing.assert_allclose(p.data, [0.8])
    with pytest.raises(am.ArgumentError, match="the learning rate is -1"):
        optimizer.lr = -1.0
    assert optimizer.lr == 0.2


def test_state_goes_through_npz_and_training_goes_on_the_same(make):
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(6, 2))
    p = parameter([1.0, 2.0])
    optimizer = make([p])
    for g in gradients[:3]:
        p.grad = g
        optimizer.step()
    file = io.BytesIO()
    np.savez(file, **optimizer.state_dict())
    file.seek(0)
    q = parameter(p.data)
    resumed = make([q])
    resumed.load_state_dict(np.load(file))
    for g in gradients[3:]:
        p.grad = q.grad = g
        optimizer.step()
        resumed.step()
    assert np.array_equal(p.data, q.data)
    assert resumed.steps == 6


def test_a_state_that_does_not_fit_changes_nothing():
    p = parameter([1.0, 2.0], [1.0, 1.0])
    optimizer = Adam([p], lr=0.5)
    state = optimizer.state_dict()
    with pytest.raises(am.WeightsError, match="lacks square.0"):
        optimizer.load_state_dict({k: v for k, v in state.items() if k != "square.0"})
    with pytest.raises(am.WeightsError, match=r"has no state mean\.0, square\.0"):
        SGD([p], lr=0.1).load_state_dict(state)
    wrong = {**state, "learning_rate": 0.1, "square.0": np.zeros(3)}
    with pytest.raises(am.WeightsError, match=r"cannot take a value of shape \(3,\)"):
        optimizer.load_state_dict(wrong)
    assert optimizer.lr == 0.5


def test_state_dict_is_a_copy():
    p = parameter([1.0], [1.0])
    optimizer = Adam([p])
    state = optimizer.state_dict()
    optimizer.step()
    assert state["step_count"] == 0 and not state["mean.0"].any()


def test_a_copied_model_and_optimizer_still_belong_together():
    model = am.nn.Dense(1, 1, seed=0)
    model, optimizer = copy.deepcopy((model, SGD(model, lr=0.1)))
    model(np.ones((1, 1))).sum().backward()
    before = model.weight.item()
    optimizer.step()
    assert model.weight.item() == pytest.approx(before - 0.1)


def test_non_finite_gradients_are_taken_as_they_are():
    p = parameter([1.0, 2.0], [np.nan, 1.0])
    SGD([p], lr=0.1).step()
    assert np.isnan(p.data[0]) and p.data[1] == 1.9
