"""NumPy with the gradient written out; every buffer is allocated once and written with `out=`.

∂loss/∂z of a layer is held in one buffer a layer; tanh' = 1 − h² is taken from the output.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from workloads import Step, Workload


def training(workload: Workload) -> Step:
    """Return the training step."""
    layers = workload.weights()
    x, target = workload.data()
    outputs = [np.empty((workload.batch, n), "f4") for n in workload.sizes[1:]]
    errors = [np.empty_like(h) for h in outputs]
    slopes = [np.empty_like(h) for h in outputs]
    steps = [(np.empty_like(w), np.empty_like(b)) for w, b in layers]
    inputs = [x, *outputs[:-1]]
    forward = [(h, w, b, y) for h, (w, b), y in zip(inputs, layers, outputs, strict=True)]
    backward = [
        (h.T, w, w.T, b, g, dw, db, before, slope)
        for h, (w, b), g, (dw, db), before, slope in zip(
            inputs, layers, errors, steps, [None, *errors], [None, *slopes], strict=False
        )
    ][::-1]
    last, rate = outputs[-1], workload.rate
    loss_of = squared_error if workload.loss == "squared error" else cross_entropy
    loss = loss_of(last, target, errors[-1])
    hidden = [True] * (len(layers) - 1) + [False]
    forward = [(*row, tanh) for row, tanh in zip(forward, hidden, strict=True)]
    dot, add, multiply, subtract, tanh = np.dot, np.add, np.multiply, np.subtract, np.tanh
    total = np.add.reduce

    def step() -> Any:
        for h, w, b, y, is_hidden in forward:
            dot(h, w, out=y)
            add(y, b, out=y)
            if is_hidden:
                tanh(y, out=y)
        value = loss()
        for h, w, back, b, g, dw, db, before, slope in backward:
            dot(h, g, out=dw)
            total(g, axis=0, out=db)
            if before is not None:
                dot(g, back, out=before)
                y = h.T
                multiply(y, y, out=slope)
                subtract(1.0, slope, out=slope)
                multiply(before, slope, out=before)
            multiply(dw, rate, out=dw)
            subtract(w, dw, out=w)
            multiply(db, rate, out=db)
            subtract(b, db, out=b)
        return value

    return step


def squared_error(y: np.ndarray, target: np.ndarray, g: np.ndarray) -> Step:
    """Return what computes the mean squared error of y and writes its gradient to g."""
    flat, scale = g.reshape(-1), 2 / g.size
    subtract, multiply, dot = np.subtract, np.multiply, np.dot

    def loss() -> Any:
        subtract(y, target, out=g)
        value = dot(flat, flat) / flat.size
        multiply(g, scale, out=g)
        return value

    return loss


def cross_entropy(z: np.ndarray, labels: np.ndarray, g: np.ndarray) -> Step:
    """Return what computes the mean of ln Σ eᶻ − z[label] and writes softmax − one-hot to g."""
    samples, classes = z.shape
    largest, total = np.empty((samples, 1), "f4"), np.empty((samples, 1), "f4")
    chosen, places = np.empty(samples, "f4"), np.arange(samples) * classes + labels
    flat, flat_total, scale = g.reshape(-1), total.reshape(-1), 1 / samples
    ones, logarithms = np.ones(samples, "f4"), np.empty(samples, "f4")

    def loss() -> Any:
        np.maximum.reduce(z, axis=1, keepdims=True, out=largest)
        np.subtract(z, largest, out=g)
        flat.take(places, out=chosen)
        np.exp(g, out=g)
        np.add.reduce(g, axis=1, keepdims=True, out=total)
        np.log(flat_total, out=logarithms)
        np.subtract(logarithms, chosen, out=logarithms)
        np.divide(g, total, out=g)
        flat[places] -= 1.0
        np.multiply(g, scale, out=g)
        return np.dot(ones, logarithms) * scale

    return loss


def prediction(workload: Workload) -> Step:
    """Return the forward pass."""
    layers, (x, _) = workload.weights(), workload.data()
    outputs = [np.empty((workload.batch, n), "f4") for n in workload.sizes[1:]]

    def step() -> Any:
        h = x
        for (w, b), y in zip(layers, outputs, strict=True):
            np.dot(h, w, out=y)
            np.add(y, b, out=y)
            if y is not outputs[-1]:
                np.tanh(y, out=y)
            h = y
        return h

    return step
