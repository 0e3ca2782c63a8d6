"""Losses and accuracy: values, gradients, stability, and what they refuse."""

from __future__ import annotations

import re

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.nn import accuracy, binary_cross_entropy, cross_entropy, hinge, mse

RNG = np.random.default_rng(0)
SCORES = RNG.normal(size=(6, 1))
LOGITS = RNG.normal(size=(6, 4))
LABELS = np.array([0, 3, 1, 1, 2, 0])
CASES = {
    "mse": (mse, SCORES, RNG.normal(size=(6, 1))),
    "binary_cross_entropy": (binary_cross_entropy, SCORES, RNG.random((6, 1))),
    "cross_entropy of classes": (cross_entropy, LOGITS, LABELS),
    "cross_entropy of probabilities": (cross_entropy, LOGITS, RNG.dirichlet(np.ones(4), 6)),
    "hinge": (hinge, SCORES, np.array([[1], [-1], [1], [1], [-1], [-1]])),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(name, reduction):
    loss, prediction, target = CASES[name]
    weights = np.linspace(0.5, 1.5, 6).reshape(loss(prediction, target, "none").shape)

    def scalar(z):
        value = loss(z, target, reduction)
        return np.sum(value * weights) if reduction == "none" else value

    exact = am.grad(scalar)(prediction)
    numeric = np.zeros_like(prediction)
    for place in np.ndindex(prediction.shape):
        step = np.zeros_like(prediction)
        step[place] = 1e-6
        numeric[place] = (scalar(prediction + step) - scalar(prediction - step)) / 2e-6
    np.testing.assert_allclose(exact, numeric, atol=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_reductions_agree(name):
    loss, prediction, target = CASES[name]
    each = loss(prediction, target, "none")
    assert float(loss(prediction, target)) == pytest.approx(each.mean())
    assert float(loss(prediction, target, "sum")) == pytest.approx(each.sum())


@pytest.mark.parametrize("name", CASES)
def test_float32_predictions_give_float32_losses_and_gradients(name):
    loss, prediction, target = CASES[name]
    z = am.tensor(prediction.astype("f4"), requires_grad=True)
    value = loss(z, target)
    value.backward()
    assert value.dtype == z.grad.dtype == np.float32


@pytest.mark.parametrize("name", CASES)
def test_each_runs_in_a_scope_of_its_name(name):
    loss, prediction, target = CASES[name]
    graph = am.Graph(loss(am.tensor(prediction), target))
    assert {op.scope.split("/")[0] for op in graph.operations} == {loss.__name__}


@pytest.mark.parametrize("name", CASES)
def test_an_unknown_reduction_is_refused(name):
    loss, prediction, target = CASES[name]
    with pytest.raises(am.ArgumentError, match="reduction is 'max'"):
        loss(prediction, target, "max")


@pytest.mark.parametrize("loss", [mse, binary_cross_entropy, hinge])
def test_column_against_row_is_an_error_and_never_broadcast(loss):
    with pytest.raises(am.ShapeError, match=r"\(6, 1\).*\(6,\); reshape the target"):
        loss(am.tensor(SCORES), np.ones(6))


@pytest.mark.parametrize(
    ("prediction", "target", "cure"),
    [
        ((6, 1), (6,), r"target.reshape((-1, 1))"),
        ((6,), (6, 1), r"target.reshape((-1,))"),
        ((6, 2, 3), (6, 6), r"target.reshape((-1, 2, 3))"),
        ((2, 3), (3, 2), r"target.reshape((2, 3))"),
        ((0, 1), (0,), r"target.reshape((0, 1))"),
        ((6, 1), (5,), "give them the same shape"),
    ],
)
def test_the_advice_on_shapes_serves_a_batch_and_all_samples(prediction, target, cure):
    with pytest.raises(am.ShapeError, match=re.escape(cure)):
        mse(np.zeros(prediction), np.zeros(target))


def test_a_column_of_class_numbers_says_how_to_flatten():
    with pytest.raises(am.ShapeError, match=r"labels\.reshape\(\(-1,\)\)"):
        cross_entropy(LOGITS, LABELS[:, None])


@pytest.mark.parametrize("labels", [np.zeros((6, 1), int), np.ones((6, 1)), np.zeros(6, int)])
def test_one_score_a_sample_is_no_case_for_classes(labels):
    advice = r"one score per sample.*binary_cross_entropy.*class"
    with pytest.raises(am.ArgumentError, match=advice):
        cross_entropy(am.tensor(SCORES), labels)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
@pytest.mark.parametrize("loss", ["binary_cross_entropy", "cross_entropy"])
@pytest.mark.parametrize("moved", [lambda p: p, lambda p: p.reshape((-1, 2))[:, ::-1], np.squeeze])
def test_probabilities_instead_of_logits_are_refused(activation, loss, moved):
    compute, target = getattr(am.nn, loss), np.tile([1.0, 0.0], (6, 1))
    z = am.tensor(LOGITS[:, :2], requires_grad=True)
    probability = moved(getattr(am, activation)(z))
    match = f"{loss} expects logits, and got the output of a {activation}; .*output_activation=None"
    with pytest.raises(am.ArgumentError, match=match):
        compute(probability, target)


def test_what_only_looks_like_a_probability_passes():
    z = am.tensor(LOGITS, requires_grad=True)
    with am.scope("softmax"):
        logits = z + 1
    cross_entropy(logits, LABELS)
    cross_entropy(am.log_softmax(z), LABELS)
    cross_entropy(am.sigmoid(z) * 4 - 2, LABELS)
    mse(am.sigmoid(z), np.ones((6, 4)))
    assert float(cross_entropy(LOGITS, LABELS)) > 0


@pytest.mark.parametrize("loss", [mse, binary_cross_entropy, hinge])
def test_the_mean_of_no_samples_is_an_error(loss):
    with pytest.raises(am.ArgumentError, match="no samples"):
        loss(np.zeros((0, 1)), np.zeros((0, 1)))


def test_entropies_of_huge_logits_are_exact():
    z = am.tensor([[1000.0], [-1000.0], [1000.0]], requires_grad=True)
    loss = binary_cross_entropy(z, [[1], [0], [0]], "sum")
    loss.backward()
    assert loss.item() == 1000.0
    np.testing.assert_allclose(z.grad, [[0], [0], [1]])
    z = am.tensor([[1000.0, 0.0, -1000.0]], requires_grad=True)
    loss = cross_entropy(z, [2])
    loss.backward()
    assert loss.item() == 2000.0
    np.testing.assert_allclose(z.grad, [[1, 0, -1]])


def test_binary_cross_entropy_is_the_categorical_one_of_two_classes():
    target = np.array([[1], [0], [1], [1], [0], [0]])
    both = np.concatenate([np.zeros((6, 1)), SCORES], axis=1)
    assert float(binary_cross_entropy(SCORES, target)) == pytest.approx(
        float(cross_entropy(both, target[:, 0]))
    )


def test_one_hot_rows_and_class_numbers_agree():
    assert float(cross_entropy(LOGITS, np.eye(4, dtype=int)[LABELS])) == pytest.approx(
        float(cross_entropy(LOGITS, LABELS))
    )


def test_class_numbers_may_be_tensors_single_or_of_more_axes():
    assert float(cross_entropy(LOGITS, am.tensor(LABELS))) == float(cross_entropy(LOGITS, LABELS))
    assert float(cross_entropy(LOGITS[0], 2)) == pytest.approx(
        float(cross_entropy(LOGITS[:1], [2]))
    )
    assert float(cross_entropy(LOGITS.reshape(2, 3, 4), LABELS.reshape(2, 3))) == pytest.approx(
        float(cross_entropy(LOGITS, LABELS))
    )


@pytest.mark.parametrize("odd", [4, -1, 17])
def test_a_label_that_is_no_class_is_named(odd):
    with pytest.raises(am.ArgumentError, match=rf"labels have {odd}; the logits have 4 classes"):
        cross_entropy(LOGITS, np.array([0, 1, odd, 2, 0, 0]))


def test_labels_as_floats_say_how_to_convert():
    with pytest.raises(am.OperandError, match=r"labels\.astype\(int\)"):
        cross_entropy(LOGITS, LABELS.astype(float))


def test_labels_of_another_number_name_both_shapes():
    with pytest.raises(am.ShapeError, match=r"\(5,\) and logits \(6, 4\)"):
        cross_entropy(LOGITS, LABELS[:5])


def test_rows_that_are_no_probabilities_are_refused():
    with pytest.raises(am.ArgumentError, match="must be probabilities, but their values range"):
        cross_entropy(LOGITS, LOGITS)


@pytest.mark.parametrize("odd", [-1, 1.5, float("nan")])
def test_a_binary_target_outside_0_and_1_is_named(odd):
    with pytest.raises(am.ArgumentError, match=f"the target has {odd:g}; expected 0, 1"):
        binary_cross_entropy(np.zeros(2), np.array([1.0, odd]))


def test_hinge_labels_of_0_and_1_say_how_to_convert():
    with pytest.raises(am.ArgumentError, match=r"have 0; expected −1 and 1.*2 \* y - 1"):
        hinge(np.zeros(2), np.array([0, 1]))


def test_the_gradient_of_hinge_at_its_kink_is_0():
    z = am.tensor([1.0], requires_grad=True)
    hinge(z, [1]).backward()
    assert z.grad.tolist() == [0.0]


def test_accuracy_of_classes_one_hot_rows_logits_and_probabilities():
    assert accuracy(LOGITS, LOGITS.argmax(1)) == 1.0
    assert accuracy(LOGITS, np.eye(4)[LOGITS.argmax(1)]) == 1.0
    assert accuracy([[2.0], [-1.0]], [[1], [1]]) == 0.5
    assert accuracy([0.7, 0.4], [1, 0], threshold=0.5) == 1.0
    assert accuracy([0.7, -0.4], [1, -1]) == 1.0
    with pytest.raises(am.ShapeError, match="accuracy"):
        accuracy(SCORES, np.zeros(6))
