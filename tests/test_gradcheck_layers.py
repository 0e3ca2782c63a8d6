"""Layers with `forward` and `backward`, as courses, books and small frameworks write them."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import pytest
from checked_layers import (
    RNG,
    Affine,
    B,
    Base,
    Net,
    Objects,
    Parameters,
    Relu,
    SlotObjects,
    TwoDicts,
    TwoLists,
    W,
    X,
    affine,
    stored,
)

from autograd_mini.checking import layer as check
from autograd_mini.errors import ArgumentError


class Underscore(Base):
    def leave(self, dw: Any, db: Any) -> None:
        self.d_W, self.d_b = dw, db


class GradFirst(Base):
    def leave(self, dw: Any, db: Any) -> None:
        self.grad_W, self.grad_b = dw, db


class GradLast(Base):
    def leave(self, dw: Any, db: Any) -> None:
        self.W_grad, self.b_grad = dw, db


class LowerCase(Base):
    def leave(self, dw: Any, db: Any) -> None:
        self.dw, self.db = dw, db


class PrivateNames(Base):
    def build(self, w: Any, b: Any) -> None:
        self._W, self._b = w, b

    def weights(self) -> tuple[Any, Any]:
        return self._W, self._b

    def leave(self, dw: Any, db: Any) -> None:
        self._dW, self._db = dw, db


class GradsDict(Base):
    def leave(self, dw: Any, db: Any) -> None:
        self.grads = {"W": dw, "b": db}


class PrefixedDict(Base):
    def leave(self, dw: Any, db: Any) -> None:
        self.grads = {"dW": dw, "db": db}


class Book(Base):
    """The result in `output`, the input's gradient in `dinputs`, nothing returned."""

    def build(self, w: Any, b: Any) -> None:
        self.weights_, self.biases = w, b.reshape(1, -1)

    def weights(self) -> tuple[Any, Any]:
        return self.weights_, self.biases

    def forward(self, inputs: Any) -> None:
        self.output = super().forward(inputs)

    def backward(self, dvalues: Any) -> None:
        self.dinputs, self.dweights_, db = self.slopes(dvalues)
        self.dbiases = db.reshape(1, -1)


class Views(Base):
    """All parameters in one vector."""

    def build(self, w: Any, b: Any) -> None:
        self.vector = np.concatenate([w.ravel(), b])
        self.W, self.b = self.vector[:6].reshape(3, 2), self.vector[6:]

    def leave(self, dw: Any, db: Any) -> None:
        self.dvector = np.concatenate([dw.ravel(), db])


STYLES = [
    *(Base, Underscore, GradFirst, GradLast, LowerCase, PrivateNames, GradsDict, PrefixedDict),
    *(TwoDicts, Parameters, TwoLists, Objects, SlotObjects, Book),
]


@pytest.mark.parametrize("style", STYLES)
def test_gradients_are_found_in_every_style(style: Any) -> None:
    report = check(style(), X)
    assert report.checked == X.size + W.size + B.size
    assert len(report.parts) == 3


@pytest.mark.parametrize("style", STYLES)
def test_wrong_gradient_of_one_parameter_is_named(style: Any) -> None:
    report = check(style(off=-1.0), X, raises=False)
    (cause,) = report.causes
    assert cause.kind == "sign"
    assert cause.input == report.parts[1].name
    assert [p.is_("wrong").any() for p in report.parts] == [False, True, False]


@pytest.mark.parametrize("style", STYLES)
def test_layer_that_was_used_before_is_checked_alike_and_left_as_it_was(style: Any) -> None:
    used = style()
    used.forward(X + 1)
    used.backward(np.ones((4, 2)))
    before, arrays = stored(used), [id(w) for w in used.weights()]
    assert check(used, X).ok
    assert stored(used) == before
    assert [id(w) for w in used.weights()] == arrays
    assert not check(style(off=2.0), X, raises=False).ok
    assert stored(used) == before


def test_parameters_have_the_names_that_the_layer_gives_them() -> None:
    names = {s: [p.name for p in check(s(), X).parts] for s in (Base, TwoDicts, TwoLists, Objects)}
    assert names[Base] == names[TwoDicts] == names[Objects] == ["x", "W", "b"]
    assert names[TwoLists] == ["x", "params[0]", "params[1]"]


def test_parameters_that_are_views_of_one_vector_move_with_it() -> None:
    cut = {"W": lambda v: v.dvector[:6].reshape(3, 2), "b": lambda v: v.dvector[6:]}
    report = check(Views(), X, parameters=["W", "b"], gradients=cut)
    assert [p.name for p in report.parts] == ["x", "W", "b"]
    assert check(Views(), X, parameters=["vector"]).checked == X.size + 8
    assert check(Views(off=2.0), X, parameters=["vector"], raises=False).count("wrong") == 6


# ── networks ─────────────────────────────────────────────────────────────────────────────────
class Loss:
    """Half the squares, with a `backward` that is called without a cotangent."""

    def forward(self, y: Any) -> Any:
        self.y = y
        return 0.5 * np.sum(y**2)

    def backward(self) -> Any:
        return self.y


class LossOfOne(Loss):
    def backward(self, dout: float = 1) -> Any:
        return self.y * 1.0


def test_list_of_layers_is_a_network() -> None:
    report = check([affine(3, 5), Relu(), affine(5, 2)], X)
    names = ["x", "layers[0].W", "layers[0].b", "layers[2].W", "layers[2].b"]
    assert [p.name for p in report.parts] == names
    spoiled = check([affine(3, 5), Relu(), affine(5, 2, off=-1)], X, raises=False)
    assert spoiled.causes[0].input == "layers[2].W"


@pytest.mark.parametrize("loss", [Loss, LossOfOne])
def test_loss_at_the_end_needs_no_cotangent(loss: Any) -> None:
    report = check([affine(3, 5), Relu(), affine(5, 2), loss()], X)
    assert report.ok and not report.weighted
    assert check(loss(), X).ok
    assert not check([affine(3, 5, off=0.5), loss()], X, raises=False).ok


def test_arrays_that_two_objects_share_are_one_parameter() -> None:
    assert [p.name for p in check(Net(), X).parts] == ["x", "W1", "b1", "W2", "b2"]
    assert check(Net(off=3.0), X, raises=False).causes[0].input == "W2"


def test_parameter_of_two_layers_needs_word_of_how_its_gradients_join() -> None:
    w, b = RNG.normal(size=(3, 3)), np.zeros(3)
    layers = [Affine(w, b.copy()), Affine(w, b.copy())]
    with pytest.raises(ArgumentError, match=r"two gradients of layers\[0\].W, layers\[0\].dW and"):
        check(layers, X)
    added = {"layers[0].W": lambda ls: ls[0].dW + ls[1].dW}
    assert check(layers, X, gradients=added).ok
    half = {"layers[0].W": lambda ls: ls[0].dW}
    assert not check(layers, X, gradients=half, raises=False).ok


# ── state ────────────────────────────────────────────────────────────────────────────────────
class BatchNorm:
    def __init__(self, training: bool = True) -> None:
        self.gamma, self.beta = np.array([1.0, 2.0, 0.5]), np.array([0.1, 0.2, 0.3])
        self.running_mean, self.running_var = np.zeros(3), np.ones(3)
        self.training, self.steps, self.history = training, 0, []

    def forward(self, x: Any) -> Any:
        mean, var = x.mean(0), x.var(0)
        if self.training:
            self.running_mean *= 0.9
            self.running_mean += 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var
            self.steps += 1
            self.history.append(mean)
        else:
            mean, var = self.running_mean, self.running_var
        self.scale = 1 / np.sqrt(var + 1e-5)
        self.z = (x - mean) * self.scale
        return self.gamma * self.z + self.beta

    def backward(self, g: Any) -> Any:
        self.dgamma, self.dbeta = (g * self.z).sum(0), g.sum(0)
        d = g * self.gamma
        if self.training:
            d = d - d.mean(0) - self.z * (d * self.z).mean(0)
        return d * self.scale


def test_running_statistics_are_put_back() -> None:
    norm = BatchNorm()
    mean, before = norm.running_mean, stored(norm)
    assert [p.name for p in check(norm, X).parts] == ["x", "gamma", "beta"]
    assert norm.running_mean is mean and stored(norm) == before and norm.history == []


def test_statistics_that_the_result_depends_on_are_asked_about() -> None:
    with pytest.raises(ArgumentError, match="no gradient of it: it left .*dgamma, dbeta"):
        check(BatchNorm(training=False), X)
    assert check(BatchNorm(training=False), X, parameters=["gamma", "beta"]).ok


class Dropout:
    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def forward(self, x: Any) -> Any:
        self.mask = self.draw(x.shape) < 0.5
        return x * self.mask * 2

    def backward(self, g: Any) -> Any:
        return g * self.mask * 2


class OwnGenerator(Dropout):
    def __init__(self) -> None:
        self.rng = np.random.default_rng(5)
        super().__init__(self.rng.random)


SHARED, OWN = np.random.default_rng(0), np.random.default_rng(3)


@pytest.mark.parametrize(
    "make",
    [
        OwnGenerator,
        lambda: Dropout(lambda shape: np.random.rand(*shape)),
        lambda: Dropout(lambda shape: np.full(shape, random.random())),
        lambda: Dropout(np.random.RandomState(3).random_sample),
        lambda: Dropout(lambda shape, rng=OWN: rng.random(shape)),
    ],
)
def test_random_numbers_are_the_same_at_each_call_and_drawn_anew_afterwards(make: Any) -> None:
    dropout = make()
    state = np.random.get_state(legacy=False)["state"]["key"].copy(), random.getstate()
    twin = copy.deepcopy(dropout)
    expected = twin.forward(X) if isinstance(dropout, OwnGenerator) else None
    assert check(dropout, X).ok
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], state[0])
    assert random.getstate() == state[1]
    if expected is not None:
        assert np.array_equal(dropout.forward(X), expected)


def test_numbers_that_are_drawn_beside_the_point_only_are_the_same_too() -> None:
    class Sometimes(Base):
        def forward(self, x: Any) -> Any:
            noise = 0.0 if np.array_equal(x, X) and np.array_equal(self.W, W) else np.random.rand()
            return super().forward(x) + 0 * noise

    state = np.random.get_state(legacy=False)["state"]["pos"]
    assert check(Sometimes(), X).ok
    assert np.random.get_state(legacy=False)["state"]["pos"] == state


def test_numbers_from_a_generator_elsewhere_are_refused_with_the_cure() -> None:
    report = check(Dropout(lambda shape: SHARED.random(shape)), X, raises=False)
    assert "keep it in the layer (self.rng = np.random.default_rng(0))" in str(report)
    fresh = Dropout(lambda shape: np.random.default_rng().random(shape))
    assert check(fresh, X, raises=False).problems[0].kind == "not deterministic"


class Failing(Base):
    def backward(self, g: Any) -> Any:
        self.W *= 0
        self.b = None
        raise KeyboardInterrupt


def test_layer_is_as_it_was_after_an_interrupt() -> None:
    failing = Failing()
    before, w = stored(failing), failing.W
    with pytest.raises(KeyboardInterrupt):
        check(failing, X)
    assert stored(failing) == before and failing.W is w


def test_arrays_of_lists_and_containers_of_all_kinds_come_back() -> None:
    from collections import deque

    class Hoarder(Base):
        def build(self, w: Any, b: Any) -> None:
            super().build(w, b)
            self.seen, self.last, self.cache = set(), deque(maxlen=2), [np.zeros(2)]
            self.object = np.array([[], None], dtype=object)

        def forward(self, x: Any) -> Any:
            self.seen.add(len(self.seen))
            self.last.append(x)
            self.cache[0] += 1
            self.object[0].append(1)
            self.object[1] = self.new = 3
            return super().forward(x)

    hoarder = Hoarder()
    kept = dict(vars(hoarder))
    assert check(hoarder, X).ok
    assert vars(hoarder) == kept and not hoarder.seen and not hoarder.last
    assert hoarder.cache[0].tolist() == [0, 0] and hoarder.object.tolist() == [[], None]
