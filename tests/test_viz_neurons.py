"""The view of a network as neurons."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import autograd_mini as am
import viz
from viz.networks.columns import neuron_picture
from viz.networks.mlp import DenseLayer, Network, read_network


def network(*sizes, activations=None, bias=True):
    rng = np.random.default_rng(0)
    names = activations or [""] * (len(sizes) - 1)
    layers = [
        DenseLayer(rng.normal(size=(i, o)), rng.normal(size=o) if bias else None, name)
        for i, o, name in zip(sizes, sizes[1:], names, strict=False)
    ]
    return Network(tuple(layers))


def dense(inputs, outputs, activation=None, bias=True):
    return SimpleNamespace(
        weight=am.tensor(np.ones((inputs, outputs)), requires_grad=True),
        bias=am.tensor(np.zeros(outputs), requires_grad=True) if bias else None,
        activation=activation,
    )


def words(picture, role):
    return [box.words for box in picture.boxes if box.role == role]


def test_headings_tell_kind_size_and_activation():
    p = neuron_picture(network(2, 16, 1, activations=["tanh", "σ"]))
    assert words(p, "heading") == ["input 2", "hidden 16 · tanh", "output 1 · σ"]
    assert words(p, "feature") == ["x₁", "x₂"]
    assert words(p, "prediction") == ["ŷ"]
    assert len(words(p, "neuron")) == 16


def test_every_weight_is_a_line_and_a_bias_node_has_no_inputs():
    p = neuron_picture(network(2, 3, 1))
    bias = [box.id for box in p.boxes if box.role == "bias"]
    assert len(bias) == 2
    assert not [a for a in p.arrows if a.head in bias]
    neurons = {b.id for b in p.boxes if b.role in ("neuron", "prediction")}
    assert len([a for a in p.arrows if a.head in neurons]) == 2 * 3 + 3 + 3 + 1


def test_no_bias_no_bias_node():
    assert words(neuron_picture(network(2, 3, 1, bias=False)), "bias") == []


def test_sign_is_the_colour_and_magnitude_the_width():
    layer = DenseLayer(np.array([[1.0, -1.0, 0.1]]))
    lines = neuron_picture(Network((layer,))).arrows
    strong, negative, weak = lines[:3]
    assert strong.colour[:7] == weak.colour[:7] != negative.colour[:7]
    assert strong.width == negative.width > weak.width
    assert int(strong.colour[7:], 16) > int(weak.colour[7:], 16)


def test_columns_are_centred():
    p = neuron_picture(network(2, 5, 1))
    columns: dict[float, list[float]] = {}
    for box in p.boxes:
        if box.role in ("feature", "neuron", "prediction"):
            columns.setdefault(box.position[0], []).append(box.position[1])
    assert len(columns) == 3
    assert all(abs(np.mean(ys)) < 1e-9 for ys in columns.values())


def test_a_wide_layer_shows_its_ends_and_three_dots():
    p = neuron_picture(network(64, 64, 10))
    assert words(p, "heading") == ["input 64", "hidden 64", "output 10"]
    assert len([b for b in p.boxes if b.role == "dot"]) == 6
    assert words(p, "feature")[-1] == "x₆₄"
    assert len(words(p, "neuron")) == 12
    assert len(neuron_picture(network(64, 3), limit=None).arrows) > 64 * 3


def test_a_model_is_read_by_its_attributes():
    model = SimpleNamespace(layers=[dense(2, 3, "tanh"), SimpleNamespace(), dense(3, 1, "sigmoid")])
    found = read_network(model)
    assert found.sizes == (2, 3, 1)
    assert [layer.activation for layer in found.layers] == ["tanh", "σ"]
    assert isinstance(found.layers[0].weight, np.ndarray)


def test_nested_containers_and_activation_layers_are_read():
    model = SimpleNamespace(
        layers=[SimpleNamespace(layers=[dense(2, 4)]), np.tanh, dense(4, 1, bias=False)]
    )
    found = read_network(model)
    assert found.sizes == (2, 4, 1)
    assert found.layers[0].activation == "tanh"
    assert found.layers[1].bias is None


def test_layers_that_do_not_fit_are_a_clear_error():
    with pytest.raises(viz.PictureError, match="3 values and the second takes 4"):
        read_network(SimpleNamespace(layers=[dense(2, 3), dense(4, 1)]))


@pytest.mark.parametrize("subject", ["text", 3, None, SimpleNamespace(layers=[]), [1, 2]])
def test_what_has_no_neurons_is_a_clear_error(subject):
    with pytest.raises(viz.PictureError, match=r"viz\.render\(model\(x\), path\)"):
        viz.draw(subject)


def test_nan_weights_are_black():
    p = neuron_picture(Network((DenseLayer(np.array([[np.nan, 1.0]])),)))
    assert p.arrows[0].colour.startswith("#000000")
    assert "NaN or infinite" in words(p, "legend")


def test_zero_weights_are_drawn():
    svg = viz.draw(Network((DenseLayer(np.zeros((2, 2)), np.zeros(2)),))).svg
    assert "input 2" in svg


def test_an_mlp_of_the_library_is_drawn():
    pytest.importorskip("autograd_mini.nn")
    model = am.nn.MLP([2, 16, 1], activation="tanh", seed=0)
    drawing = viz.draw(model)
    assert words(drawing.picture, "heading") == ["input 2", "hidden 16 · tanh", "output 1"]
    assert "<svg" in drawing.svg
    x = am.tensor(np.zeros((4, 2)), name="x")
    assert viz.draw(model)._repr_mimebundle_()["text/plain"]
    captions = [c.caption for c in viz.draw(model(x)).picture.clusters]
    assert captions[0] == "mlp"


def test_a_model_written_by_the_user_is_drawn():
    nn = pytest.importorskip("autograd_mini.nn")

    class Net(nn.Module):
        def __init__(self):
            self.first = nn.Dense(2, 4, activation=lambda x: x * 2, seed=0)
            self.rest = nn.Sequential(nn.Dense(4, 3, seed=1), np.tanh, nn.Dropout(0.5))
            self.last = nn.Dense(3, 1, activation="sigmoid", seed=2)

        def forward(self, x):
            return self.last(self.rest(self.first(x)))

    found = read_network(Net())
    assert found.sizes == (2, 4, 3, 1)
    assert [layer.activation for layer in found.layers] == ["function", "tanh", "σ"]


class Chain(am.nn.Module):
    """Two layers of one size, whose order only `forward` knows."""

    def __init__(self, forward):
        self.out = am.nn.Dense(4, 4, seed=0)
        self.hidden = am.nn.Dense(4, 4, seed=1)
        self.dropout = am.nn.Dropout(0.5, seed=2)
        self.written = forward

    def forward(self, x):
        return self.written(self, x)


def test_layers_are_drawn_in_the_order_in_which_they_run():
    model = Chain(lambda s, x: s.out(s.hidden(x)))
    found = read_network(model)
    assert np.array_equal(found.layers[0].weight, model.hidden.weight.data)
    assert np.array_equal(found.layers[1].weight, model.out.weight.data)


@pytest.mark.parametrize(
    ("between", "label"),
    [
        (np.tanh, "tanh"),
        (am.sigmoid, "σ"),
        (am.softmax, "softmax"),
        (lambda h: np.maximum(h, 0), "max(x, 0)"),
        (lambda h: np.tanh(am.relu(h)), "relu, tanh"),
    ],
)
def test_activations_written_in_forward_are_drawn(between, label):
    found = read_network(Chain(lambda s, x: s.out(s.dropout(between(s.hidden(x))))))
    assert [layer.activation for layer in found.layers] == [label, ""]


@pytest.mark.parametrize(
    "forward",
    [
        lambda s, x: s.out(x + s.hidden(x)),
        lambda s, x: s.out(x) + s.hidden(x),
        lambda s, x: s.out(2 * x),
        lambda s, x: s.out(s.hidden(x)[:, :1]),
        lambda s, x: s.out(x * np.arange(4.0)),
        lambda s, x: s.out(s.hidden(x) * s.hidden(x)),
        lambda s, x: (s.out(x), x),
        lambda s, x: x @ s.out.weight.T,
        lambda s, x: s.out(x, x),
        lambda s, x: 1 / 0,
    ],
)
def test_a_model_that_is_no_chain_of_layers_is_refused_and_a_notebook_shows_its_text(forward):
    model = Chain(forward)
    with pytest.raises(viz.PictureError, match=r"not a chain of dense layers.*viz\.render\(model"):
        viz.draw(model)
    assert list(viz.mimebundle(model)) == ["text/plain"]


class Held(am.nn.Module):
    """Square weights and a column, of which its `forward` makes what it will."""

    def __init__(self, forward):
        self.w = am.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        self.v = am.tensor([[5.0, 6.0], [7.0, 8.0]], requires_grad=True)
        self.one = am.tensor([[2.0]], requires_grad=True)
        self.column = am.tensor([[5.0], [6.0]], requires_grad=True)
        self.written = forward

    def forward(self, x):
        return self.written(self, x)


@pytest.mark.parametrize(
    ("forward", "sample"),
    [
        (lambda s, x: x + x @ s.w, [1.0, 2.0]),
        (lambda s, x: x @ s.w + x, [1.0, 2.0]),
        (lambda s, x: np.tanh(x @ s.w) @ s.v + x, [1.0, 2.0]),
        (lambda s, x: (x @ s.w + x) @ s.v, [1.0, 2.0]),
        (lambda s, x: (x @ x) @ s.one, [3.0]),
        (lambda s, x: x @ s.w + am.tensor(x.data[0]), [1.0, 2.0]),
        (lambda s, x: x @ s.w + s.column, [1.0, 2.0]),
        (lambda s, x: softened(x @ s.w, x) @ s.v, [1.0, 2.0]),
    ],
)
def test_an_input_is_no_weight_and_a_bias_is_a_row(forward, sample):
    with pytest.raises(viz.PictureError, match="not a chain of dense layers"):
        viz.draw(Held(forward), view="neurons", sample=sample)


@am.scope("softmax")
def softened(z, x):
    return z * x


@pytest.mark.parametrize("shape", [(2,), (1, 2)])
def test_a_bias_may_be_a_row_in_either_shape(shape):
    bias = am.tensor(np.array([5.0, 6.0]).reshape(shape), requires_grad=True)
    model = Held(lambda s, x: s.bias + x @ s.w)
    model.bias = bias
    (layer,) = read_network(model).layers
    assert np.array_equal(layer.bias, [5.0, 6.0])


def test_all_activations_between_two_layers_are_drawn():
    nn = am.nn
    model = nn.Sequential(nn.Dense(2, 3, "relu", seed=0), np.tanh, nn.Dense(3, 1, seed=0))
    assert [layer.activation for layer in read_network(model).layers] == ["relu, tanh", ""]


def test_an_activation_given_as_a_function_has_its_name():
    def swish(h):
        return h * am.sigmoid(h)

    for activation, name in ((swish, "swish"), (am.relu, "relu"), ("softmax", "softmax")):
        (layer,) = read_network(am.nn.Dense(2, 3, activation, seed=0)).layers
        assert layer.activation == name
    model = am.nn.Sequential(am.nn.Dense(2, 3, seed=0), swish, am.nn.Dense(3, 1, seed=0))
    assert read_network(model).layers[0].activation == "swish"


def test_a_layer_hidden_in_a_function_is_refused():
    inner = am.nn.Dense(3, 3, seed=0)
    model = am.nn.Sequential(am.nn.Dense(2, 3, seed=0), lambda h: inner(h), am.nn.Dense(3, 1))
    with pytest.raises(viz.PictureError, match="takes more than one value"):
        read_network(model)


def test_a_layer_written_by_hand_is_drawn():
    class Linear(am.nn.Module):
        def __init__(self):
            self.weight = am.tensor(np.ones((2, 3)), requires_grad=True)
            self.bias = am.tensor(np.zeros(3), requires_grad=True)

        def forward(self, x):
            return am.relu(self.bias + x @ self.weight)

    (layer,) = read_network(Linear()).layers
    assert (layer.weight.shape, layer.bias.shape, layer.activation) == ((2, 3), (3,), "relu")


def test_drawing_leaves_a_model_as_it_was():
    class Counting(Chain):
        calls = 0

        def forward(self, x):
            self.calls += 1
            self.hidden.weight.assign(self.hidden.weight.data + 1)
            return super().forward(x)

    model = Counting(lambda s, x: s.out(s.dropout(s.hidden(x)))).train()
    weights, state = model.hidden.weight.data.copy(), model.dropout.rng.bit_generator.state
    with am.no_grad():
        assert read_network(model).sizes == (4, 4, 4)
    assert model.calls == 0 and model.training and model.dropout.training
    assert np.array_equal(model.hidden.weight.data, weights)
    assert model.dropout.rng.bit_generator.state == state


def test_neurons_run_from_left_to_right_only():
    with pytest.raises(viz.PictureError, match="direction='TB'.*left to right"):
        viz.draw(network(2, 3, 1), direction="TB")
    assert viz.draw(network(2, 3, 1), direction="LR").picture.direction == "LR"


def test_functions_and_classes_are_refused_with_the_cure() -> None:
    def loss(x: object) -> object:
        return x

    with pytest.raises(viz.PictureError, match=r"loss is a function.*viz\.draw\(loss\(x\)\)"):
        viz.draw(loss)
    with pytest.raises(viz.PictureError, match=r"viz\.draw\(f\(x\)\)"):
        viz.draw(lambda x: x)
    with pytest.raises(viz.PictureError, match=r"MLP is a class.*viz\.draw\(MLP\(…\)\)"):
        viz.draw(am.nn.MLP)


@pytest.mark.parametrize("options", [{"overlay": "values"}, {"overlay": "none"}, {"open": "x"}])
def test_options_of_operations_are_not_ignored(options: dict[str, str]) -> None:
    with pytest.raises(viz.PictureError, match="is for views of operations"):
        viz.draw(am.nn.MLP([2, 2]), **options)  # type: ignore[arg-type]
