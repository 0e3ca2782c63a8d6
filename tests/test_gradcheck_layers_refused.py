"""Layers that cannot be checked, and forms of inputs and results."""

from __future__ import annotations

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
    TwoLists,
    W,
    X,
    stored,
)

import autograd_mini as am
from autograd_mini.checking import layer as check
from autograd_mini.errors import ArgumentError


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
