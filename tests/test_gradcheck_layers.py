"""Layers with `forward` and `backward`, as courses, books and small frameworks write them."""

from __future__ import annotations

import copy
import pickle
import random
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.checking import layer as check
from autograd_mini.errors import ArgumentError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 3))
W = RNG.normal(size=(3, 2))
B = RNG.normal(size=2)


class Base:
    """A dense layer; each style says where its parameters and gradients are. `off` spoils one."""

    def __init__(self, off: float = 1.0) -> None:
        self.off = off
        self.build(W.copy(), B.copy())

    def build(self, w: Any, b: Any) -> None:
        self.W, self.b = w, b

    def weights(self) -> tuple[Any, Any]:
        return self.W, self.b

    def forward(self, x: Any) -> Any:
        w, b = self.weights()
        self.x = x
        return np.tanh(x @ w + b)

    def slopes(self, g: Any) -> tuple[Any, Any, Any]:
        w, b = self.weights()
        d = g * (1 - np.tanh(self.x @ w + b) ** 2)
        return d @ w.T, self.off * (self.x.T @ d), d.sum(0)

    def backward(self, g: Any) -> Any:
        dx, dw, db = self.slopes(g)
        self.leave(dw, db)
        return dx

    def leave(self, dw: Any, db: Any) -> None:
        self.dW, self.db = dw, db


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


class TwoDicts(Base):
    def build(self, w: Any, b: Any) -> None:
        self.params, self.grads = {"W": w, "b": b}, {}

    def weights(self) -> tuple[Any, Any]:
        return self.params["W"], self.params["b"]

    def leave(self, dw: Any, db: Any) -> None:
        self.grads = {"W": dw, "b": db}


class Parameters(TwoDicts):
    def build(self, w: Any, b: Any) -> None:
        self.parameters = {"W": w, "b": b}
        self.gradients = {"W": np.zeros_like(w), "b": np.zeros_like(b)}

    def weights(self) -> tuple[Any, Any]:
        return self.parameters["W"], self.parameters["b"]

    def leave(self, dw: Any, db: Any) -> None:
        self.gradients["W"] += dw
        self.gradients["b"] += db


class TwoLists(Base):
    def build(self, w: Any, b: Any) -> None:
        self.params = [w, b]
        self.grads = [np.zeros_like(w), np.zeros_like(b)]

    def weights(self) -> tuple[Any, Any]:
        return self.params[0], self.params[1]

    def leave(self, dw: Any, db: Any) -> None:
        self.grads[0][...] = dw
        self.grads[1][...] = db


class Parameter:
    def __init__(self, data: Any) -> None:
        self.data, self.grad = data, np.zeros_like(data)


class Objects(Base):
    def build(self, w: Any, b: Any) -> None:
        self.W, self.b = Parameter(w), Parameter(b)

    def weights(self) -> tuple[Any, Any]:
        return self.W.data, self.b.data

    def leave(self, dw: Any, db: Any) -> None:
        self.W.grad += dw
        self.b.grad += db


class Slots:
    __slots__ = ("grad", "value")

    def __init__(self, value: Any) -> None:
        self.value, self.grad = value, None


class SlotObjects(Base):
    def build(self, w: Any, b: Any) -> None:
        self.W, self.b = Slots(w), Slots(b)

    def weights(self) -> tuple[Any, Any]:
        return self.W.value, self.b.value

    def leave(self, dw: Any, db: Any) -> None:
        self.W.grad, self.b.grad = dw, db


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


def stored(owner: Any) -> bytes:
    return pickle.dumps(vars(owner))


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
class Relu:
    def forward(self, x: Any) -> Any:
        self.mask = x > 0
        return x * self.mask

    def backward(self, g: Any) -> Any:
        return g * self.mask


class Affine(Base):
    def __init__(self, w: Any, b: Any, off: float = 1.0) -> None:
        self.W, self.b, self.off = w, b, off

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W + self.b

    def slopes(self, g: Any) -> tuple[Any, Any, Any]:
        return g @ self.W.T, self.off * (self.x.T @ g), g.sum(0)


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


def affine(inside: int, outside: int, off: float = 1.0) -> Affine:
    generator = np.random.default_rng(inside + outside)
    return Affine(generator.normal(size=(inside, outside)), generator.normal(size=outside), off)


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


class Net:
    """A network whose dict of parameters shares the arrays of its layers."""

    def __init__(self, off: float = 1.0) -> None:
        first, second = affine(3, 4), affine(4, 2, off)
        self.params = {"W1": first.W, "b1": first.b, "W2": second.W, "b2": second.b}
        self.layers = OrderedDict(one=first, relu=Relu(), two=second)

    def forward(self, x: Any) -> Any:
        for part in self.layers.values():
            x = part.forward(x)
        return x

    def backward(self, g: Any) -> Any:
        for part in reversed(list(self.layers.values())):
            g = part.backward(g)
        return g


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


# ── what is refused ──────────────────────────────────────────────────────────────────────────
def test_layer_without_backward_says_what_it_has() -> None:
    class Half:
        def forward(self, x: Any) -> Any:
            return x

        def gradient(self, g: Any) -> Any:
            return g

    with pytest.raises(ArgumentError, match="Half has no method 'backward': it has forward, grad"):
        check(Half(), X)
    assert check(Half(), X, backward="gradient").ok
    assert check(Half(), X, backward=lambda half, g: half.gradient(g)).ok
    with pytest.raises(ArgumentError, match=r"recorded: am.gradcheck\(layer, x\)"):
        check(am.nn.Dense(3, 2), X)


def test_forgotten_gradient_is_an_error_that_names_what_there_is() -> None:
    class Forgetful(Base):
        def leave(self, dw: Any, db: Any) -> None:
            self.slope, self.db = dw, db

    with pytest.raises(ArgumentError, match="leaves no gradient of it: it left x, slope, db"):
        check(Forgetful(), X)
    assert check(Forgetful(), X, gradients={"W": "slope"}).ok
    assert check(Forgetful(), X, gradients={"W": lambda f: f.slope}).ok
    assert check(Forgetful(), X, parameters=["b"]).checked == X.size + B.size
    with pytest.raises(ArgumentError, match="no 'slop': Forgetful has .*slope"):
        check(Forgetful(), X, gradients={"W": "slop"})
    with pytest.raises(ArgumentError, match="there is no parameter 'V'"):
        check(Forgetful(), X, gradients={"V": "slope"})


def test_stale_gradient_is_not_taken_for_a_new_one() -> None:
    class Lazy(Base):
        def leave(self, dw: Any, db: Any) -> None:
            self.db = db

    lazy = Lazy()
    lazy.forward(X)
    lazy.dW = lazy.slopes(np.ones((4, 2)))[1]
    report = check(lazy, X, raises=False)
    assert report.causes[0].kind == "zero" and report.causes[0].input == "W"


def test_parameter_that_forward_forgets_is_wrong() -> None:
    class NoBias(Affine):
        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.W

    report = check(NoBias(W.copy(), B.copy()), X, raises=False)
    assert [p.is_("wrong").any() for p in report.parts] == [False, False, True]


def test_two_gradients_that_differ_are_an_error() -> None:
    class Double(Base):
        def leave(self, dw: Any, db: Any) -> None:
            super().leave(dw, db)
            self.grads = {"W": 2 * dw, "b": db}

    with pytest.raises(ArgumentError, match=r"two gradients of W, dW and grads\['W'\]"):
        check(Double(), X)
    assert check(Double(), X, gradients={"W": "dW"}).ok
    assert not check(Double(), X, gradients={"W": "grads['W']"}, raises=False).ok


def test_values_that_backward_returns_are_told_apart_by_position() -> None:
    class Tuple(Base):
        def backward(self, g: Any) -> Any:
            return self.slopes(g)

    with pytest.raises(ArgumentError, match="returned 3 values, and there are 1 inputs"):
        check(Tuple(), X)
    assert check(Tuple(), X, gradients={"x": 0, "W": 1, "b": 2}).checked == 20
    wrong = check(Tuple(), X, gradients={"x": 0, "W": 1, "b": 1}, raises=False)
    assert wrong.problems[0].input == "b"


def test_dict_that_backward_returns_is_read_by_names() -> None:
    class Named(Base):
        def backward(self, g: Any) -> Any:
            dx, dw, db = self.slopes(g)
            return {"dx": dx, "dW": dw, "b": db}

    assert check(Named(), X).checked == 20
    assert check(Named(off=-1.0), X, raises=False).causes[0].input == "W"


def test_backward_that_updates_is_checked_by_its_learning_rate() -> None:
    class Updating(Base):
        def backward(self, g: Any, learning_rate: float) -> Any:
            dx, dw, db = self.slopes(g)
            self.W -= learning_rate * dw
            self.b = self.b - learning_rate * db
            return dx

    with pytest.raises(ArgumentError, match="takes g, learning_rate; .* give learning_rate=1.0"):
        check(Updating(), X)
    updating = Updating()
    assert check(updating, X, learning_rate=0.1).checked == 20
    assert np.array_equal(updating.W, W) and np.array_equal(updating.b, B)
    assert check(Updating(off=2), X, learning_rate=0.1, raises=False).causes[0].input == "W"


def test_learning_rate_is_given_to_those_layers_that_take_one() -> None:
    class Updating(Base):
        def backward(self, g: Any, lr: float = 0.5) -> Any:
            dx, dw, db = self.slopes(g)
            self.W, self.b = self.W - lr * dw, self.b - lr * db
            return dx

    report = check([Updating(), Relu()], X, learning_rate=0.1)
    assert [p.name for p in report.parts] == ["x", "layers[0].W", "layers[0].b"]


def test_backward_that_changes_a_parameter_is_refused() -> None:
    class Sneaky(Base):
        def leave(self, dw: Any, db: Any) -> None:
            super().leave(dw, db)
            self.W = self.W - 0.1 * dw

    report = check(Sneaky(), X, raises=False)
    assert report.problems[0].kind == "mutation"
    assert "backward changed W itself" in str(report)


def test_forward_that_changes_a_parameter_is_refused() -> None:
    class Clipping(Base):
        def forward(self, x: Any) -> Any:
            self.W *= 0.5
            return super().forward(x)

    report = check(Clipping(), X, raises=False)
    assert "forward changed W itself" in str(report)


def test_state_with_a_gradient_is_told_from_parameters_by_name() -> None:
    class Carrying(Base):
        def build(self, w: Any, b: Any) -> None:
            super().build(w, b)
            self.h = np.ones((4, 2))

        def forward(self, x: Any) -> Any:
            self.before, self.h = self.h, super().forward(x) + 0.5 * self.h
            return self.h

        def leave(self, dw: Any, db: Any) -> None:
            super().leave(dw, db)
            self.dh = np.ones((4, 2))

    assert "forward changed h itself; if it is state" in str(check(Carrying(), X, raises=False))
    assert check(Carrying(), X, parameters=["W", "b"]).checked == 20


def test_missing_gradient_of_an_input_is_named() -> None:
    class First(Base):
        def backward(self, g: Any) -> Any:
            super().backward(g)

    assert "no gradient of x; return it" in str(check(First(), X, raises=False))
    assert check(First(), X, argnums=()).checked == W.size + B.size
    with pytest.raises(ArgumentError, match=r"layers\[1\] \(First\) returned None"):
        check([Relu(), First()], X)


def test_methods_of_a_layer_are_a_function_and_its_vjp() -> None:
    layer = Base()
    assert am.gradcheck(layer.forward, X, vjp=lambda g, x: layer.backward(g)).ok


def test_parameters_that_the_first_call_makes_are_asked_for() -> None:
    class Lazy(Base):
        def build(self, w: Any, b: Any) -> None:
            self.W = self.b = None
            self.seen: list[Any] = []

        def forward(self, x: Any) -> Any:
            if self.W is None:
                self.W, self.b = W.copy(), B.copy()
            self.seen.append(x)
            return super().forward(x)

    lazy = Lazy()
    with pytest.raises(ArgumentError, match="made by the first call of forward; call forward once"):
        check(lazy, X)
    assert lazy.W is None and lazy.seen == []
    lazy.forward(X)
    assert check(lazy, X).checked == 20


def test_layers_that_a_call_makes_anew_are_no_second_owners() -> None:
    class Unrolled:
        def __init__(self) -> None:
            self.params, self.steps = [W.copy(), B.copy()], []
            self.grads = [np.zeros_like(W), np.zeros_like(B)]

        def forward(self, x: Any) -> Any:
            self.steps = [Affine(*self.params) for _ in range(2)]
            return sum(step.forward(k * x) for k, step in enumerate(self.steps, 1))

        def backward(self, g: Any) -> Any:
            dx = sum(k * step.backward(g) for k, step in enumerate(self.steps, 1))
            self.grads = [sum(s.dW for s in self.steps), sum(s.db for s in self.steps)]
            return dx

    unrolled = Unrolled()
    unrolled.forward(X + 1)
    unrolled.backward(np.ones((4, 2)))
    assert [p.name for p in check(unrolled, X).parts] == ["x", "params[0]", "params[1]"]


def test_loss_of_a_whole_network_is_given_by_functions() -> None:
    class Whole(Net):
        def loss(self, x: Any) -> Any:
            return np.sum(self.forward(x) ** 2)

        def gradient(self, x: Any) -> Any:
            self.backward(2 * self.forward(x))
            one, two = self.layers["one"], self.layers["two"]
            return {"W1": one.dW, "b1": one.db, "W2": two.dW, "b2": two.db}

    report = check(Whole(), X, forward="loss", backward=lambda n: n.gradient(X), argnums=())
    assert [p.name for p in report.parts] == ["W1", "b1", "W2", "b2"]
    spoiled = check(
        Whole(off=2), X, forward="loss", backward=lambda n: n.gradient(X), argnums=(), raises=False
    )
    assert spoiled.causes[0].input == "W2"


def test_read_only_arrays_are_constants_and_refused_as_parameters() -> None:
    class Scaled(Base):
        def build(self, w: Any, b: Any) -> None:
            super().build(w, b)
            self.scale = np.broadcast_to(2.0, (4, 2))

        def forward(self, x: Any) -> Any:
            return super().forward(x) * self.scale

        def backward(self, g: Any) -> Any:
            return super().backward(g * self.scale)

    scaled = Scaled()
    assert [p.name for p in check(scaled, X).parts] == ["x", "W", "b"]
    scaled.W.flags.writeable = False
    with pytest.raises(ArgumentError, match="W is read-only; give the layer a copy"):
        check(scaled, X)


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"Base is a class; give an object of it, Base\(...\)"):
        check(Base, X)
    with pytest.raises(ArgumentError, match="the list of layers is empty"):
        check([], X)
    with pytest.raises(ArgumentError, match="0 inputs do not fit the function"):
        check(Base())


def test_missing_result_is_named() -> None:
    class Silent(Base):
        def forward(self, x: Any) -> Any:
            super().forward(x)

    with pytest.raises(ArgumentError, match="forward of Silent returned None"):
        check(Silent(), X)


# ── inputs and results ───────────────────────────────────────────────────────────────────────
def test_indices_are_passed_on() -> None:
    class Embedding:
        def __init__(self) -> None:
            self.table = RNG.normal(size=(5, 2))

        def forward(self, indices: Any) -> Any:
            self.indices = indices
            return self.table[indices]

        def backward(self, g: Any) -> None:
            self.dtable = np.zeros_like(self.table)
            np.add.at(self.dtable, self.indices, g)

    assert check(Embedding(), np.array([1, 3, 1])).checked == 10


def test_several_inputs_and_results_are_taken_in_order() -> None:
    class Cell:
        def __init__(self) -> None:
            self.w = 0.7

        def forward(self, h: Any, c: Any) -> Any:
            self.h, self.c = h, c
            return h * c, self.w * c

        def backward(self, dh: Any, dc: Any) -> Any:
            self.dw = np.sum(dc * self.c)
            return dh * self.c, dh * self.h + self.w * dc

    report = check(Cell(), B, B + 1)
    assert [p.name for p in report.parts] == ["h", "c", "w"]
    assert report.parts[2].given.shape == ()


def test_labels_are_left_out_by_argnums() -> None:
    class CrossEntropy:
        def forward(self, x: Any, t: Any) -> Any:
            e = np.exp(x - x.max(1, keepdims=True))
            self.p, self.t = e / e.sum(1, keepdims=True), t
            return -np.sum(t * np.log(self.p)) / len(x)

        def backward(self, dout: float = 1) -> Any:
            return (self.p - self.t) / len(self.p)

    onehot = np.eye(3)[[0, 2, 1, 1]]
    assert check(CrossEntropy(), X, onehot, argnums=0).checked == X.size
    assert "no gradient of t" in str(check(CrossEntropy(), X, onehot, raises=False))


@pytest.mark.parametrize("style", [Base, TwoLists, Objects, SlotObjects, Parameters])
def test_float32_layers_are_checked_in_double_precision(style: Any) -> None:
    narrow = style()
    narrow.build(W.astype(np.float32), B.astype(np.float32))
    before = stored(narrow)
    report = check(narrow, X.astype(np.float32))
    assert report.rtol == 1e-6
    assert stored(narrow) == before and narrow.weights()[0].dtype == np.float32


def test_layer_that_computes_in_float32_gets_wider_bars() -> None:
    class Narrow(Base):
        def forward(self, x: Any) -> Any:
            return super().forward(x).astype(np.float32)

        def leave(self, dw: Any, db: Any) -> None:
            super().leave(dw.astype(np.float32), db.astype(np.float32))

    assert check(Narrow(), X).rtol > 1e-6
    assert not check(Narrow(off=1.01), X, raises=False).ok


def test_float32_parameters_that_cannot_be_replaced_are_kept() -> None:
    class Frozen(Base):
        def build(self, w: Any, b: Any) -> None:
            self.params = (w.astype(np.float32), b.astype(np.float32))

        def weights(self) -> tuple[Any, Any]:
            return self.params[0], self.params[1]

        def leave(self, dw: Any, db: Any) -> None:
            self.grads = [dw.astype(np.float32), db.astype(np.float32)]

    assert check(Frozen(), X.astype(np.float32)).ok
    assert not check(Frozen(off=1.1), X.astype(np.float32), raises=False).ok
