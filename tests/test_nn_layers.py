"""Layers: initialisation, forward values, gradients by finite differences, dtype, dropout."""

from __future__ import annotations

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.nn import MLP, Dense, Dropout, Sequential

X = np.random.default_rng(0).normal(size=(7, 3))


def differences(function, parameter, step=1e-6):
    """Return the numeric gradient of a scalar function with respect to a parameter's elements."""
    start = np.array(parameter.data)
    numeric = np.zeros_like(start)
    for place in np.ndindex(start.shape):
        values = []
        for sign in (1, -1):
            moved = start.copy()
            moved[place] += sign * step
            parameter.assign(moved)
            values.append(function().item())
        numeric[place] = (values[0] - values[1]) / (2 * step)
    parameter.assign(start)
    return numeric


@pytest.mark.parametrize(
    "activation", ["linear", None, "tanh", "sigmoid", "relu", "softplus", "softmax", np.sin]
)
def test_gradients_of_a_dense_layer_are_those_of_finite_differences(activation):
    layer = Dense(3, 4, activation, seed=0)
    weights = np.random.default_rng(1).normal(size=(7, 4))

    def loss():
        return (layer(X) * weights).sum()

    loss().backward()
    for parameter in layer.parameters():
        np.testing.assert_allclose(parameter.grad, differences(loss, parameter), atol=1e-7)


def test_dense_is_x_times_weight_plus_bias():
    layer = Dense(3, 2, seed=0)
    layer.bias.assign([1.0, 2.0])
    np.testing.assert_allclose(layer(X).data, X @ layer.weight.data + [1, 2])
    assert Dense(3, 2, bias=False).bias is None


def test_dense_takes_lists_single_samples_and_more_axes():
    layer = Dense(3, 2, seed=0)
    assert layer([1, 2, 3]).shape == (2,)
    assert layer(np.zeros((4, 5, 3))).shape == (4, 5, 2)


def test_a_wrong_number_of_features_names_the_layer_and_both_numbers():
    with pytest.raises(am.ShapeError, match=r"dense_1: got an input of shape \(7, 3\).*\(…, 2\)"):
        MLP([2, 4, 1])(X)


def test_an_unknown_activation_lists_the_known_ones():
    with pytest.raises(am.ArgumentError, match=r"'tnah'.*tanh.*softmax"):
        Dense(2, 2, "tnah")


@pytest.mark.parametrize("size", [0, -1, 2.5, "3", True, None])
def test_a_size_must_be_a_positive_integer(size):
    with pytest.raises(am.ArgumentError, match="expected an integer of at least 1"):
        Dense(size, 2)


def test_the_activation_can_be_changed_later():
    model = MLP([3, 4, 1], "tanh", seed=0)
    model.layers[0].activation = None
    first, last = model.layers
    collapsed = first.weight.data @ last.weight.data
    np.testing.assert_allclose(model(X).data, X @ collapsed)


def test_the_same_seed_gives_the_same_weights_and_none_gives_others():
    same = [MLP([3, 4, 2], seed=5).predict(X) for _ in range(2)]
    assert np.array_equal(*same)
    assert not np.array_equal(MLP([3, 4, 2], seed=6).predict(X), same[0])
    assert not np.array_equal(MLP([3, 4, 2]).predict(X), MLP([3, 4, 2]).predict(X))


def test_a_generator_as_seed_is_drawn_from():
    rng = np.random.default_rng(0)
    assert not np.array_equal(Dense(3, 3, seed=rng).weight.data, Dense(3, 3, seed=rng).weight.data)


def test_layers_of_an_mlp_start_differently():
    first, second = MLP([4, 4, 4], seed=0).layers
    assert not np.array_equal(first.weight.data, second.weight.data)


def test_initial_weights_have_the_documented_spread():
    glorot = Dense(300, 200, "tanh", seed=0).weight.data
    assert np.abs(glorot).max() <= np.sqrt(6 / 500)
    assert glorot.std() == pytest.approx(np.sqrt(2 / 500), rel=0.02)
    he = Dense(300, 200, "relu", seed=0).weight.data
    assert he.std() == pytest.approx(np.sqrt(2 / 300), rel=0.02)
    assert not Dense(3, 2).bias.data.any()


@pytest.mark.parametrize("name", ["relu", "softplus", "sigmoid", "softmax"])
def test_an_activation_given_as_a_function_is_as_its_name(name):
    given, named = Dense(100, 50, getattr(am, name), seed=0), Dense(100, 50, name, seed=0)
    assert np.array_equal(given.weight.data, named.weight.data)
    assert repr(given) == repr(named) == f"Dense(100, 50, activation={name!r})"
    assert str(given) == str(named)
    assert repr(MLP([2, 3, 1], getattr(am, name))) == repr(MLP([2, 3, 1], name))
    assert f"layers.0 {name}" in str(Sequential(getattr(am, name)))


def test_other_functions_are_named_by_their_own_name_or_class():
    class Swish:
        def __call__(self, x):
            return x * am.sigmoid(x)

    assert repr(Dense(2, 1, np.tanh)) == "Dense(2, 1, activation='tanh')"
    assert repr(Dense(2, 1, Swish())) == "Dense(2, 1, activation='Swish')"


def test_float32_starts_from_the_same_weights_rounded():
    double, single = Dense(3, 2, seed=0), Dense(3, 2, seed=0, dtype="float32")
    assert double.weight.dtype == np.float64
    assert np.array_equal(double.weight.data.astype("f4"), single.weight.data)


def test_float32_is_kept_for_float64_arrays_lists_and_integers():
    model = MLP([3, 4, 2], "relu", seed=0, dtype="float32")
    for x in (X, X.tolist(), np.ones((2, 3), int)):
        assert model(x).dtype == np.float32
    loss = am.nn.mse(model(X), np.ones((7, 2)))
    assert loss.dtype == np.float32
    loss.backward()
    assert {p.grad.dtype for p in model.parameters()} == {np.dtype("f4")}


def test_a_dtype_that_is_not_floating_is_refused():
    with pytest.raises(am.ArgumentError, match="dtype is int64"):
        Dense(2, 2, dtype=int)


def test_an_mlp_needs_two_sizes():
    with pytest.raises(am.ArgumentError, match="at least input and output"):
        MLP([3])


def test_mlp_tells_its_sizes_and_activations():
    model = MLP([3, 4, 5, 2], "relu", output_activation="softmax")
    assert model.sizes == [3, 4, 5, 2]
    assert [layer.activation for layer in model.layers] == ["relu", "relu", "softmax"]
    assert repr(model) == "MLP(3-4-5-2, activation='relu', output_activation='softmax')"
    np.testing.assert_allclose(model.predict(X).sum(axis=1), 1)


def test_sequential_takes_functions_between_modules():
    model = Sequential(Dense(3, 4, seed=0), np.tanh, Dense(4, 1, seed=1))
    np.testing.assert_allclose(
        model(X).data, np.tanh(X @ model[0].weight.data) @ model[2].weight.data
    )
    assert len(model) == 3 and model[1] is np.tanh


def test_sequential_refuses_what_cannot_be_called():
    with pytest.raises(am.ArgumentError, match="layer 1 is int 3"):
        Sequential(Dense(2, 2), 3)


def test_dropout_keeps_the_expected_value_in_training_and_everything_in_use():
    layer, ones = Dropout(0.3, seed=0), np.ones((200, 200))
    dropped = layer(am.tensor(ones)).data
    assert set(np.unique(dropped).round(9)) == {0.0, round(1 / 0.7, 9)}
    assert dropped.mean() == pytest.approx(1, abs=0.01)
    assert np.array_equal(layer.eval()(am.tensor(ones)).data, ones)


def test_dropout_is_seeded_and_draws_anew_each_time():
    one, two = Dropout(0.5, seed=1), Dropout(0.5, seed=1)
    first = one(X)
    assert np.array_equal(first, two(X))
    assert not np.array_equal(first, one(X))


def test_the_gradient_of_dropout_is_its_mask():
    x = am.tensor(np.ones((5, 5), "f4"), requires_grad=True)
    y = Dropout(0.5, seed=0)(x)
    y.sum().backward()
    assert y.dtype == np.float32 and np.array_equal(x.grad, y.data)


@pytest.mark.parametrize("rate", [1.0, -0.1, 2, float("nan")])
def test_a_dropout_rate_outside_its_range_is_refused(rate):
    with pytest.raises(am.ArgumentError, match="Dropout: the rate is"):
        Dropout(rate)
