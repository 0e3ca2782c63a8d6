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
    assert [p.name for p in check(Views(), X, gradients={"W": lambda v: v.dvector[:6].reshape(3, 2), "b": lambda v: v.dvector[6:]}, parameters=["W", "b"]).parts] == ["x", "W", "b"]
