"""Layers with forward and backward that tests check."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from typing import Any

import numpy as np

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


def stored(owner: Any) -> bytes:
    return pickle.dumps(vars(owner))


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


def affine(inside: int, outside: int, off: float = 1.0) -> Affine:
    generator = np.random.default_rng(inside + outside)
    return Affine(generator.normal(size=(inside, outside)), generator.normal(size=outside), off)


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
