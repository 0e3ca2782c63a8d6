"""Networks with several heads, layers with names, and networks of single numbers, as neurons."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_mini as am
import viz
from viz.networks.mlp import read_network


class Neuron:
    """A neuron as micrograd writes it."""

    def __init__(self, inputs: int, act: Callable[[Any], Any] | None = np.tanh) -> None:
        numbers = [random.uniform(-1, 1) for _ in range(inputs + 1)]
        self.w = [am.tensor(x, requires_grad=True) for x in numbers[:-1]]
        self.b = am.tensor(numbers[-1], requires_grad=True)
        self.act = act

    def __call__(self, x: Any) -> Any:
        z = sum((w * xi for w, xi in zip(self.w, x, strict=True)), self.b)
        return z if self.act is None else self.act(z)


class Layer:
    def __init__(self, inputs: int, outputs: int, act: Callable[[Any], Any] | None) -> None:
        self.neurons = [Neuron(inputs, act) for _ in range(outputs)]

    def __call__(self, x: Any) -> list[Any]:
        return [neuron(x) for neuron in self.neurons]


class ScalarMLP:
    """The network of micrograd's lecture: 3 → 4 → 4 → 1, 41 parameters."""

    def __init__(self, act: Callable[[Any], Any] | None = np.tanh) -> None:
        random.seed(0)
        sizes = [3, 4, 4, 1]
        self.layers = [Layer(i, o, act) for i, o in zip(sizes, sizes[1:], strict=False)]

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x[0]


def words(picture: viz.Picture, role: str) -> list[str]:
    return [box.words for box in picture.boxes if box.role == role]


def test_a_scalar_mlp_is_drawn_as_neurons() -> None:
    model = ScalarMLP()
    picture = viz.draw(model).picture
    assert words(picture, "heading") == [
        "input 3",
        "hidden 4 · tanh",
        "hidden 4 · tanh",
        "output 1 · tanh",
    ]
    weights = [arrow for arrow in picture.arrows if arrow.tooltip.startswith("weight")]
    assert len(weights) == 41
    network = read_network(model)
    held = [[w.item() for w in neuron.w] for neuron in model.layers[0].neurons]
    assert np.array_equal(network.layers[0].weight, np.array(held).T)
    assert np.array_equal(network.layers[2].bias, [model.layers[2].neurons[0].b.item()])


def test_a_scalar_mlp_shows_the_values_for_a_sample() -> None:
    model, sample = ScalarMLP(), [2.0, 3.0, -1.0]
    network = read_network(model, sample)
    assert network.layers[-1].made.item() == pytest.approx(model(sample).item())
    assert "ŷ = " in viz.draw(model, sample=sample).svg
    with pytest.raises(viz.PictureError, match="a layer takes 3 values, and gets 2"):
        viz.draw(model, sample=[1.0, 2.0])


@pytest.mark.parametrize(
    ("act", "name"),
    [
        (None, ""),
        (am.relu, "relu"),
        (lambda z: np.maximum(z, 0.0), "relu"),
        (am.sigmoid, "σ"),
        (np.sin, "sin"),
    ],
)
def test_the_activation_of_a_scalar_neuron_is_found(act: Any, name: str) -> None:
    assert [layer.activation for layer in read_network(ScalarMLP(act)).layers] == [name] * 3


class Value:
    """A number of micrograd itself: its data, and the operation that made it."""

    def __init__(self, data: float, op: str = "") -> None:
        self.data, self._op = data, op


def test_the_objects_of_micrograd_itself_are_read() -> None:
    class Own:
        def __init__(self, nonlin: bool) -> None:
            self.w, self.b, self.nonlin = [Value(1.0), Value(-2.0)], Value(0.5), nonlin

        def __call__(self, x: list[float]) -> Value:
            z = sum(w.data * xi for w, xi in zip(self.w, x, strict=True)) + self.b.data
            return Value(max(z, 0.0), "ReLU") if self.nonlin else Value(z, "+")

    layers = [
        SimpleNamespace(neurons=[Own(True), Own(True)]),
        SimpleNamespace(neurons=[Own(False)]),
    ]
    network = read_network(SimpleNamespace(layers=layers), [1.0, 2.0])
    assert [layer.activation for layer in network.layers] == ["relu", ""]
    assert network.sizes == (2, 2, 1)
    assert network.layers[0].made.tolist() == [[0.0, 0.0]]


def test_a_neuron_that_cannot_be_called_says_its_activation_itself() -> None:
    silent = SimpleNamespace(w=[1.0, 2.0], b=0.0, nonlin=True)
    named = SimpleNamespace(w=[1.0], b=None, activation=np.tanh)
    network = read_network([SimpleNamespace(neurons=[silent]), SimpleNamespace(neurons=[named])])
    assert [layer.activation for layer in network.layers] == ["relu", "tanh"]
    assert network.layers[1].bias is None
    with pytest.raises(viz.PictureError, match="cannot be applied to the sample"):
        read_network([SimpleNamespace(neurons=[silent])], [1.0, 2.0])


@pytest.mark.parametrize(
    ("neurons", "match"),
    [
        ([SimpleNamespace(w=[1.0], b=0.0), SimpleNamespace(w=[1.0, 2.0], b=0.0)], r"take \[1, 2\]"),
        ([SimpleNamespace(w=["a"], b=0.0)], "holds str 'a' among its weights"),
        ([SimpleNamespace(w=[], b=0.0)], r"take \[0\] numbers"),
        (
            [SimpleNamespace(w=[1.0], b=0.0, activation="tanh"), SimpleNamespace(w=[1.0], b=0.0)],
            "several activations, none, tanh",
        ),
    ],
)
def test_neurons_that_are_no_layer_are_refused(neurons: Any, match: str) -> None:
    with pytest.raises(viz.PictureError, match=match):
        viz.draw([SimpleNamespace(neurons=neurons)])


class ActorCritic(am.nn.Module):
    def __init__(self) -> None:
        self.body = am.nn.Dense(4, 6, "tanh", seed=0)
        self.policy = am.nn.Sequential(am.nn.Dense(6, 5, "relu", seed=1), am.nn.Dense(5, 3, seed=2))
        self.value = am.nn.Dense(6, 1, seed=3)

    def forward(self, x: Any) -> Any:
        h = self.body(x)
        return self.policy(h), self.value(h)


def test_a_network_with_two_heads_parts_after_what_they_share() -> None:
    picture = viz.draw(ActorCritic()).picture
    assert words(picture, "heading") == [
        "input 4",
        "body hidden 6 · tanh",
        "hidden 5 · relu",
        "output 3",
        "value output 1",
    ]
    assert picture.title == "Neural network 4 → 6 → 5 → 3 | 1"
    weights = [x for x in picture.arrows if x.tooltip.startswith("weight")]
    assert len(weights) == (4 + 1) * 6 + (6 + 1) * 5 + (5 + 1) * 3 + (6 + 1) * 1
    assert len(words(picture, "bias")) == 3  # one "+1" serves both heads
    places = [box.position for box in picture.boxes if box.role != "legend"]
    assert len(set(places)) == len(places)  # no box lies on another


def test_the_heads_have_the_numbers_of_the_model() -> None:
    model, sample = ActorCritic(), np.array([1.0, -1.0, 0.5, 2.0])
    network = read_network(model, sample)
    policy, value = model(sample[None])
    assert np.allclose(network.heads[0][-1].made, policy.data)
    assert np.allclose(network.heads[1][-1].made, value.data)
    assert network.sizes == (4, 6) and network.output_sizes == (3, 1)
    assert np.array_equal(network.heads[1][0].weight, model.value.weight.data)
    assert "ŷ₃ = " in viz.draw(model, sample=sample).svg


class Answer(NamedTuple):
    """What a model returns by name."""

    mean: Any
    spread: Any


@pytest.mark.parametrize("made", [dict, Answer])
def test_heads_that_are_returned_by_name_have_it(made: Any) -> None:
    class Net(am.nn.Module):
        def __init__(self) -> None:
            self.one, self.two = am.nn.Dense(2, 2, seed=0), am.nn.Dense(2, 1, seed=1)

        def forward(self, x: Any) -> Any:
            return made(mean=self.one(x), spread=np.exp(self.two(x)))

    picture = viz.draw(Net()).picture
    assert words(picture, "heading") == ["input 2", "mean output 2", "spread output 1 · exp"]
    named = viz.draw(Net(), classes={"mean": ["left", "right"]}).picture
    assert words(named, "class_name") == ["left", "right"]
    both = viz.draw(Net(), classes=[["a", "b"], ["c"]]).picture
    assert words(both, "class_name") == ["a", "b", "c"]
    for wrong in (["a", "b", "c"], [["a", "b"]], {"other": ["a"]}, {"mean": ["a"]}):
        with pytest.raises(viz.PictureError, match="classes="):
            viz.draw(Net(), classes=wrong)


def part_without_a_layer(h: Any) -> Any:
    """Return two results of which the second one has only an activation of its own."""
    return h, np.tanh(h)


@pytest.mark.parametrize(
    "forward",
    [
        lambda s, x: (s.one(x), x),
        lambda s, x: part_without_a_layer(s.one(x)),
        lambda s, x: (s.one(x), "text"),
        lambda s, x: (s.one(x),),
        lambda s, x: [],
        lambda s, x: (s.one(x) + x, s.one(x)),
        lambda s, x: (s.one(np.tanh(x)), s.two(x)),
    ],
)
def test_heads_that_are_no_chains_are_refused(forward: Any) -> None:
    class Net(am.nn.Module):
        def __init__(self) -> None:
            self.one, self.two = am.nn.Dense(2, 2, seed=0), am.nn.Dense(2, 1, seed=1)

        def forward(self, x: Any) -> Any:
            return forward(self, x)

    with pytest.raises(viz.PictureError, match=r"not a chain of dense layers: .*viz\.render"):
        viz.draw(Net())


def test_names_of_layers_stand_above_their_columns() -> None:
    model = am.nn.Sequential(
        am.nn.Dense(2, 3, "tanh", seed=0, name="encoder"), am.nn.Dense(3, 1, seed=1)
    )
    picture = viz.draw(model).picture
    heading = [box.lines for box in picture.boxes if box.role == "heading"]
    assert heading == [("input 2",), ("encoder", "hidden 3 · tanh"), ("output 1",)]
    labelled = viz.draw(model, labels={"encoder": "кодировщик"}).picture
    assert words(labelled, "heading")[1] == "кодировщик hidden 3 · tanh"


def test_an_mlp_takes_a_name() -> None:
    model = am.nn.MLP([2, 3, 1], seed=0, name="critic")
    assert model.name == "critic" and am.nn.MLP([2, 1]).name is None
    made = model(am.tensor(np.ones((4, 2)), name="x"))
    captions = [cluster.caption for cluster in viz.draw(made).picture.clusters]
    assert captions == ["critic", "dense_1", "dense_2"]
