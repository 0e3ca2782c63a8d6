"""This library: eager, and compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from workloads import DECAY, Step, Workload, moons, moons_rate, neurons

import autograd_mini as am


def plain(y: Any) -> Any:
    """Return a result's array."""
    return y.data if isinstance(y, am.Tensor) else y


def network(workload: Workload) -> am.nn.Module:
    """Return the workload's network."""
    model = am.nn.MLP(list(workload.sizes), activation="tanh", seed=0, dtype="float32")
    values = [value for pair in workload.weights() for value in pair]
    for p, value in zip(model.parameters(), values, strict=True):
        p.assign(value)
    return model


def train_step(workload: Workload) -> Any:
    """Return the function that trains on a batch."""
    model = network(workload)
    optimizer = am.optim.SGD(model.parameters(), lr=workload.rate)
    losses = {"squared error": am.nn.mse, "cross-entropy": am.nn.cross_entropy}
    loss_of = losses[workload.loss]

    def train(x: Any, target: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return train


def training(workload: Workload) -> Step:
    """Return the training step, recorded anew each time."""
    train, (x, target) = train_step(workload), workload.data()
    return lambda: plain(train(x, target))


def compiled_training(workload: Workload) -> Step:
    """Return the compiled training step."""
    train, (x, target) = am.compile(train_step(workload)), workload.data()

    def step() -> Any:
        return plain(train(x, target))

    step.program = train
    return step


def prediction(workload: Workload) -> Step:
    """Return `model.predict`."""
    model, (x, _) = network(workload), workload.data()
    return lambda: model.predict(x)


def compiled_forward(workload: Workload) -> Step:
    """Return the compiled model without gradients."""
    model, (x, _) = network(workload), workload.data()
    forward = am.compile(model.forward)

    def step() -> Any:
        with am.no_grad():
            return plain(forward(x))

    return step


def moons_train_step(workload: Workload) -> tuple[Any, am.optim.SGD]:
    """Return the function that trains a network of scalars on points, and its optimizer."""
    layers = [
        [([am.tensor(w, requires_grad=True) for w in ws], am.tensor(0.0, requires_grad=True))
         for ws in layer]
        for layer in neurons(workload.sizes)
    ]  # fmt: skip
    parameters = [p for layer in layers for ws, b in layer for p in (*ws, b)]
    optimizer = am.optim.SGD(parameters, lr=1.0)

    def score(point: Any) -> Any:
        values = point
        for layer in layers:
            sums = [sum((w * v for w, v in zip(ws, values, strict=True)), b) for ws, b in layer]
            values = sums if layer is layers[-1] else [am.relu(z) for z in sums]
        return values[0]

    def train(points: Any, labels: Any) -> Any:
        scores = [score(point) for point in points]
        losses = [am.relu(1 - y * z) for y, z in zip(labels, scores, strict=True)]
        loss = sum(losses) * (1.0 / len(losses)) + DECAY * sum(p * p for p in parameters)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    return train, optimizer


def moons_step(train: Any, optimizer: am.optim.SGD, x: Any, y: Any) -> Step:
    """Return a step that lets the learning rate fall."""
    count = 0

    def step() -> Any:
        nonlocal count
        optimizer.lr = moons_rate(count)
        count += 1
        return plain(train(x, y))

    return step


def scalar_moons(workload: Workload) -> Step:
    """Return the step of the two moons, recorded anew each time; points are Python numbers."""
    x, y = moons(workload.batch)
    return moons_step(*moons_train_step(workload), x.tolist(), y.tolist())


def compiled_moons(workload: Workload) -> Step:
    """Return the compiled step of the two moons; points come in arrays."""
    train, optimizer = moons_train_step(workload)
    compiled = am.compile(train)
    step = moons_step(compiled, optimizer, *map(np.asarray, moons(workload.batch)))
    step.program = compiled
    return step
