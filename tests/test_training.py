"""fit, predict, evaluate: real training, stopping, Ctrl-C, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.nn import MLP, Dense, Dropout, Module, Sequential
from autograd_mini.optim import SGD, Adam, Cosine


def moons(count=200, seed=0):
    """Return two interleaved half circles with noise, and 0 or 1 for which."""
    rng = np.random.default_rng(seed)
    angle, label = rng.uniform(0, np.pi, count), rng.integers(0, 2, count)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x[label == 1] = [1, 0.5] - x[label == 1]
    return x + rng.normal(0, 0.1, x.shape), label[:, None]


X, Y = moons()


def values(model):
    return [np.array(t.data) for _, t in model.named_tensors()]


def equal(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def fitted(epochs=3, dtype="float64", **options):
    model = MLP([2, 8, 1], seed=0, dtype=dtype)
    options = {"loss": "binary_cross_entropy", "seed": 0, "optimizer": adam} | options
    return model, model.fit(X, Y, epochs=epochs, **options)


def adam(model):
    return Adam(model, lr=0.02)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_small_mlp_learns_two_moons(dtype):
    model = MLP([2, 16, 16, 1], seed=0, dtype=dtype)
    history = model.fit(
        X, Y, epochs=60, loss="binary_cross_entropy", optimizer=adam, metrics="accuracy", seed=0
    )
    unseen = model.evaluate(*moons(500, 1), loss="binary_cross_entropy", metrics="accuracy")
    assert unseen["accuracy"] >= 0.99
    assert history["accuracy"][-1] >= 0.99 and history.loss[-1] < 0.1 * history.loss[0]
    assert {p.dtype for p in model.parameters()} == {np.dtype(dtype)}
    assert model.predict(X).dtype == dtype


def test_classes_and_hinge_learn_too():
    model = MLP([2, 16, 2], seed=0)
    model.fit(X, Y[:, 0], epochs=60, loss="cross_entropy", optimizer=adam, seed=0)
    assert model.evaluate(X, Y[:, 0], loss="cross_entropy", metrics="accuracy")["accuracy"] > 0.98
    model = MLP([2, 16, 1], "relu", seed=0)
    model.fit(X, 2 * Y - 1, epochs=60, loss="hinge", optimizer=adam, seed=0)
    assert model.evaluate(X, 2 * Y - 1, loss="hinge", metrics="accuracy")["accuracy"] > 0.98


def test_one_full_batch_epoch_is_one_step_of_gradient_descent():
    model = Dense(2, 1, seed=0)
    weight, bias = model.weight.data, model.bias.data
    error = X @ weight + bias - Y
    history = model.fit(X, Y, epochs=1, batch_size=None, optimizer=lambda m: SGD(m, lr=0.1))
    np.testing.assert_allclose(model.weight.data, weight - 0.2 * X.T @ error / len(X))
    np.testing.assert_allclose(model.bias.data, bias - 0.2 * error.mean(axis=0))
    assert history.loss == [pytest.approx((error**2).mean())]


def test_the_same_seed_trains_the_same_and_another_does_not():
    assert equal(values(fitted()[0]), values(fitted()[0]))
    assert not equal(values(fitted()[0]), values(fitted(seed=1)[0]))


def test_without_shuffling_batches_come_in_order():
    seen = []

    def loss(prediction, target):
        seen.append(target[:, 0].tolist())
        return am.nn.mse(prediction, target)

    y = np.arange(10.0)[:, None]
    Dense(1, 1, seed=0).fit(y, y, epochs=1, batch_size=4, shuffle=False, loss=loss)
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


def test_every_sample_is_used_once_an_epoch():
    seen = []

    def loss(prediction, target):
        seen.extend(target[:, 0].tolist())
        return am.nn.mse(prediction, target)

    y = np.arange(10.0)[:, None]
    Dense(1, 1, seed=0).fit(y, y, epochs=1, batch_size=4, seed=0, loss=loss)
    assert sorted(seen) == list(range(10)) != seen


def test_the_epochs_loss_is_the_mean_over_samples_also_with_a_smaller_last_batch():
    model = Dense(1, 1, seed=0)
    y = np.arange(10.0)[:, None]
    expected = model.evaluate(y, y)["loss"]
    history = model.fit(y, y, epochs=1, batch_size=4, optimizer=lambda m: SGD(m, lr=0.0))
    assert history.loss[0] == pytest.approx(expected)


def test_a_model_with_a_branch_trains_eagerly_and_says_why():
    class Branching(am.nn.Module):
        def __init__(self):
            self.dense = am.nn.Dense(2, 1, seed=0)

        def forward(self, x):
            y = self.dense(x)
            return y if y.sum() > 0 else y * 1.0

    options = {"epochs": 3, "loss": "binary_cross_entropy", "seed": 0}
    model, other = Branching(), Branching()
    history = model.fit(X, Y, **options)
    assert "np.where" in history.eager
    wanted = other.fit(X, Y, **options, compile=False)
    assert wanted.eager == "compile=False" and history.rows == wanted.rows
    with pytest.raises(am.ConversionError, match=r"np\.where"):
        Branching().fit(X, Y, **options, compile=True)


def test_a_loss_that_counts_is_trained_with_the_right_numbers():
    def make():
        count = []

        def loss(prediction, target):
            count.append(1)
            return am.nn.binary_cross_entropy(prediction, target) * (1.0 / len(count))

        return loss

    def train(compile):
        return MLP([2, 4, 1], seed=0).fit(X, Y, epochs=4, loss=make(), seed=0, compile=compile)

    with pytest.warns(RuntimeWarning, match="runs as it is.*1.0 in the first, 0.5 in"):
        histories = [train(None), train(False)]
    assert "argument" in histories[0].eager
    np.testing.assert_allclose(histories[0].loss, histories[1].loss)


def test_compiled_training_is_that_of_eager():
    for clip in (None, 0.05):
        options = {"epochs": 5, "loss": "binary_cross_entropy", "metrics": "accuracy", "seed": 0}
        options |= {"clip_norm": clip, "schedule": am.optim.Cosine(0.1, 100), "batch_size": 7}
        models = [MLP([2, 8, 1], "relu", seed=0) for _ in range(2)]
        found = models[0].fit(X, Y, **options, compile=True)
        wanted = models[1].fit(X, Y, **options, compile=False)
        assert found.eager is None
        for name in ("loss", "accuracy", "lr"):
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-9)
        for p, q in zip(values(models[0]), values(models[1]), strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-8, atol=1e-12)


def test_training_goes_on_with_the_same_optimizer():
    model = MLP([2, 8, 1], seed=0)
    optimizer, rng = Adam(model, lr=0.02), np.random.default_rng(0)
    for _ in range(2):
        model.fit(X, Y, epochs=2, loss="binary_cross_entropy", optimizer=optimizer, seed=rng)
    for found, wanted in zip(values(model), values(fitted(4)[0]), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-10)
    assert optimizer.steps == 4 * math.ceil(len(X) / 32)


def test_history_has_a_row_an_epoch():
    _, history = fitted(3, metrics=["accuracy"], validation=(X[:50], Y[:50]))
    assert history.names == ["loss", "accuracy", "val_loss", "val_accuracy", "lr"]
    assert len(history) == len(history.loss) == len(history.val_loss) == 3
    assert history.metrics.keys() == {"accuracy", "val_accuracy"}
    assert history.stopped == "completed" and history.best_epoch == 2
    text = repr(history)
    assert text.startswith("History: 3 epochs, completed") and "val_accuracy" in text
    assert "best epoch 3" in text  # epochs are shown from 1, as in errors
    with pytest.raises(KeyError, match="the history has loss, accuracy"):
        history["auc"]


def test_no_epochs_change_nothing():
    model, history = fitted(0)
    assert equal(values(model), values(MLP([2, 8, 1], seed=0)))
    assert history.loss == [] and history.best_epoch is None and "0 epochs" in repr(history)


def test_a_fraction_is_set_aside_for_validation():
    x = np.arange(10.0)[:, None]
    seen = []

    def loss(prediction, target):
        if isinstance(prediction, am.Tensor):
            seen.extend(target[:, 0].tolist())
        return am.nn.mse(prediction, target)

    options = {"epochs": 1, "loss": loss, "validation": 0.3}
    Dense(1, 1).fit(x, x, shuffle=False, **options)
    assert seen == list(range(7))
    seen.clear()
    Dense(1, 1).fit(x, x, seed=0, **options)
    assert len(set(seen)) == 7 and set(seen) != set(range(7))


def test_metrics_are_functions_names_or_a_dict():
    def largest(prediction, target):
        return np.abs(prediction - target).max()

    _, history = fitted(1, metrics=[largest, "accuracy"])
    assert {"largest", "accuracy"} <= set(history.names)
    _, history = fitted(1, metrics={"far": largest})
    assert "far" in history.names
    with pytest.raises(am.ArgumentError, match="unknown metric 'auc'"):
        fitted(1, metrics=["auc"])


def test_a_sigmoid_before_a_loss_of_logits_is_refused_before_anything_changes():
    model = MLP([2, 8, 1], output_activation="sigmoid", seed=0)
    with pytest.raises(am.ArgumentError, match="output of a sigmoid"):
        model.fit(X, Y, epochs=1, loss="binary_cross_entropy")
    assert equal(values(model), values(MLP([2, 8, 1], seed=0)))
    assert model.fit(X, Y, epochs=1, loss="mse").stopped == "completed"


def test_the_advice_on_labels_of_one_axis_can_be_followed():
    flat = Y[:60, 0]
    with pytest.raises(am.ShapeError) as caught:
        Dense(2, 1).fit(X[:60], flat)
    advice = str(caught.value).partition("target.reshape")[2]
    assert advice == "((-1, 1))"
    Dense(2, 1).fit(X[:60], flat.reshape((-1, 1)), epochs=1)


def test_what_accuracy_means_follows_from_the_loss():
    model = Sequential(Dense(1, 1, "sigmoid", seed=0))
    model.layers[0].weight.assign([[1.0]])
    x, y = np.array([[-1.0], [1.0]]), np.array([[0], [1]])
    assert model.evaluate(x, y, metrics="accuracy")["accuracy"] == 1.0
    with pytest.raises(am.ArgumentError, match="logits or probabilities"):
        model.evaluate(x, y, loss=lambda p, t: am.nn.mse(p, t), metrics="accuracy")


def test_patience_stops_and_restores_the_best_epoch():
    model = MLP([2, 8, 1], seed=0)
    kept = []
    history = model.fit(
        X, Y, epochs=200, loss="binary_cross_entropy", optimizer=lambda m: Adam(m, lr=0.5),
        validation=moons(50, 3), patience=3, seed=0, callback=lambda h: kept.append(values(model)),
    )  # fmt: skip
    assert history.stopped == "early" and history.restored and len(history) < 200
    assert history.best_epoch == len(history) - 4
    assert equal(values(model), kept[history.best_epoch])
    assert not equal(kept[-1], kept[history.best_epoch])


def test_without_restoring_the_last_epoch_stays():
    model = MLP([2, 8, 1], seed=0)
    kept = []
    history = model.fit(
        X, Y, epochs=200, loss="binary_cross_entropy", optimizer=lambda m: Adam(m, lr=0.5),
        validation=moons(50, 3), patience=3, restore_best=False, seed=0,
        callback=lambda h: kept.append(values(model)),
    )  # fmt: skip
    assert not history.restored and equal(values(model), kept[-1])


def test_a_schedule_sets_the_rate_of_each_step():
    steps = 2 * math.ceil(len(X) / 32)
    _, history = fitted(2, schedule=Cosine(0.1, steps - 1))
    assert history["lr"][-1] == pytest.approx(0.0, abs=1e-12)


def test_clipping_limits_each_step():
    model = Dense(2, 1, seed=0)
    before = model.weight.data
    model.fit(
        1e3 * X, Y, epochs=1, batch_size=None, clip_norm=1.0, optimizer=lambda m: SGD(m, lr=0.1)
    )
    assert np.linalg.norm(model.weight.data - before) <= 0.1 + 1e-12


def test_ctrl_c_after_an_epoch_returns_the_history():
    def callback(history):
        if len(history) == 2:
            raise KeyboardInterrupt

    model, history = fitted(5, callback=callback)
    assert history.stopped == "interrupted" and len(history) == 2
    assert equal(values(model), values(fitted(2)[0]))


def test_ctrl_c_within_an_epoch_leaves_the_last_completed_step():
    calls, kept = [], []
    model = MLP([2, 8, 1], seed=0)
    optimizer = Adam(model, lr=0.02)

    def loss(prediction, target):
        calls.append(None)
        kept.append(values(model))
        if len(calls) == 10:
            raise KeyboardInterrupt
        return am.nn.binary_cross_entropy(prediction, target)

    history = model.fit(
        X, Y, epochs=5, loss=loss, optimizer=optimizer, seed=0, patience=1, compile=False
    )
    assert history.stopped == "interrupted" and len(history) == 1
    assert equal(values(model), kept[-1]) and optimizer.steps == 9
    assert all(p.grad is None for p in model.parameters())
    model.fit(X, Y, epochs=1, loss="binary_cross_entropy", optimizer=optimizer)


def test_a_diverging_loss_names_epoch_and_batch_and_keeps_the_parameters():
    kept = []
    model = MLP([2, 8, 1], "relu", seed=0)

    def loss(prediction, target):
        kept.append(values(model))
        return am.nn.mse(prediction, target)

    with pytest.raises(
        am.NonFiniteError, match=r"epoch \d+, batch \d+, with learning rate 1000; .*Lower the"
    ):
        model.fit(X, Y, epochs=50, loss=loss, optimizer=lambda m: SGD(m, lr=1e3), seed=0)
    assert equal(values(model), kept[-1])
    assert all(np.isfinite(v).all() for v in values(model))


def test_a_gradient_that_is_not_finite_names_the_parameter():
    class Root(Module):
        def __init__(self):
            self.w = am.tensor([[0.0]], requires_grad=True)

        def forward(self, x):
            return np.sqrt(np.abs(x) * self.w)

    model = Root()
    with pytest.raises(am.NonFiniteError, match=r"gradient of w got 1 NaN or infinite in epoch 1"):
        model.fit(np.ones((4, 1)), np.ones((4, 1)), epochs=1, batch_size=4)
    assert model.w.item() == 0.0


def test_large_finite_gradients_are_no_error():
    model = Dense(1, 1, seed=0)
    model.fit(np.full((4, 1), 1e150), np.zeros((4, 1)), loss=lambda p, t: am.nn.mse(p, t) * 1e-200,
              epochs=1, optimizer=lambda m: SGD(m, lr=0.0))  # fmt: skip


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"y": Y[:5]}, am.ShapeError, "x has 200 samples, but y has 5"),
        ({"x": X[:0], "y": Y[:0]}, am.ArgumentError, "are empty"),
        ({"x": 3.0}, am.ShapeError, "x is a scalar"),
        ({"x": "abc"}, am.OperandError, "not an array of numbers"),
        ({"x": [[1, 2], [3]]}, am.OperandError, "not an array of numbers"),
        ({"x": np.where(X > 1.9, np.nan, X)}, am.NonFiniteError, r"at x\[\d+, \d\]"),
        ({"y": np.full_like(X[:, :1], np.inf)}, am.NonFiniteError, r"y has 200 .* at y\[0, 0\]"),
        ({"y": Y[:, 0]}, am.ShapeError, r"\(32, 1\) and the target \(32,\); .*\(\(-1, 1\)\)"),
        ({"x": X[:, :1]}, am.ShapeError, "dense_1: got an input"),
        ({"batch_size": 0}, am.ArgumentError, "batch_size is 0"),
        ({"batch_size": 2.5}, am.ArgumentError, "batch_size is 2.5"),
        ({"epochs": -1}, am.ArgumentError, "epochs is -1"),
        ({"patience": 0}, am.ArgumentError, "patience is 0"),
        ({"loss": "mae"}, am.ArgumentError, "unknown loss 'mae'; expected one of mse"),
        ({"loss": lambda p, t: 0.5}, am.OperandError, "returned float; expected a tensor"),
        ({"loss": lambda p, t: p - t}, am.ArgumentError, r"the loss has shape \(32, 1\)"),
        ({"optimizer": 0.1}, am.OperandError, "the optimizer is float 0.1"),
        ({"optimizer": lambda m: Adam(MLP([2, 1]))}, am.ArgumentError, "none of the model's"),
        ({"validation": 1.0}, am.ArgumentError, "expected a fraction"),
        ({"validation": 0.001}, am.ArgumentError, "leaves none"),
        ({"validation": (X, Y[:3])}, am.ShapeError, "validation x has 200"),
        ({"validation": (X, Y[:, 0])}, am.ShapeError, r"\(200, 1\) and the target \(200,\)"),
        ({"validation": "last"}, am.ArgumentError, "validation is str"),
    ],
)
def test_bad_input_is_a_clear_error_and_changes_nothing(options, error, match):
    model = MLP([2, 4, 1], seed=0).eval()
    before = values(model)
    arguments = {"x": X, "y": Y, "epochs": 2, "seed": 0} | options
    with pytest.raises(error, match=match):
        model.fit(**arguments)
    assert equal(values(model), before)
    assert not any(module.training for module in model.modules())


def test_fit_restores_modes_and_forgets_gradients():
    model = Sequential(Dense(2, 4, seed=0), Dropout(0.5, seed=0).eval(), Dense(4, 1, seed=1))
    model.fit(X, Y, epochs=1)
    assert [m.training for m in model.modules()] == [True, True, False, True]
    assert all(p.grad is None for p in model.parameters())


def test_predict_is_in_use_mode_records_nothing_and_restores():
    model = Sequential(Dense(2, 4, seed=0), Dropout(0.5, seed=0), Dense(4, 1, seed=1))
    first = model.predict(X)
    assert type(first) is np.ndarray and np.array_equal(first, model.predict(X))
    assert all(module.training for module in model.modules())
    assert am.is_recording()


def test_predict_in_batches_is_the_same():
    model = MLP([2, 8, 1], seed=0)
    np.testing.assert_allclose(model.predict(X, batch_size=7), model.predict(X), rtol=1e-12)
    assert model.predict(X[:0]).shape == (0, 1)
    assert model.predict(X.tolist()).shape == (200, 1)


def test_predict_of_something_else_than_a_tensor_says_so():
    class Two(Module):
        def forward(self, x):
            return x, x

    with pytest.raises(am.OperandError, match="Two returned tuple"):
        Two().predict(X)


def test_integers_reach_the_model_as_they_are():
    class Embedding(Module):
        def __init__(self):
            self.table = am.tensor(np.zeros((5, 1), "f4"), requires_grad=True)

        def forward(self, x):
            return self.table[x]

    model = Embedding()
    model.fit(np.array([0, 1, 1]), np.ones((3, 1)), epochs=300, optimizer=lambda m: SGD(m, lr=0.5))
    np.testing.assert_allclose(model.table.data[:, 0], [1, 1, 0, 0, 0], atol=1e-3)
    assert model.table.dtype == np.float32


def test_a_progress_bar_is_shown_only_where_asked_for(capsys):
    fitted(2)
    assert capsys.readouterr().err == ""
    fitted(2, verbose=True)
    shown = capsys.readouterr().err
    assert "2/2" in shown and "loss=" in shown


def test_frozen_layers_stay_while_the_others_train():
    model = MLP([2, 8, 1], seed=0)
    model.layers[0].requires_grad_(False)
    first, last = model.layers[0].weight.data, model.layers[1].weight.data
    model.fit(X, Y, epochs=1, loss="binary_cross_entropy")
    assert np.array_equal(model.layers[0].weight.data, first)
    assert not np.array_equal(model.layers[1].weight.data, last)


def test_an_optimizer_class_and_a_missing_return_are_named():
    class Forgetful(am.nn.Module):
        def __init__(self):
            self.dense = Dense(2, 1)

        def forward(self, x):
            self.dense(x)

    with pytest.raises(am.OperandError, match=r"class SGD.*am\.optim\.SGD\(model, lr="):
        Dense(2, 1).fit(X, Y, optimizer=SGD)
    with pytest.raises(am.OperandError, match="without a return"):
        Forgetful().fit(X, Y)
