"""tinygrad: lazy tensors realized every step, and the step under TinyJit."""

from __future__ import annotations

from typing import Any

from tinygrad import Tensor, TinyJit
from tinygrad.helpers import Context
from tinygrad.nn.optim import SGD
from workloads import Step, Workload


def train_step(workload: Workload) -> Any:
    """Return the function that trains, on the data that it holds."""
    layers = [(Tensor(w).realize(), Tensor(b).realize()) for w, b in workload.weights()]
    for p in (p for pair in layers for p in pair):
        p.requires_grad = True
    optimizer = SGD([p for pair in layers for p in pair], lr=workload.rate)
    x, target = workload.data()
    inputs, targets = Tensor(x).realize(), Tensor(target).realize()

    def train() -> Any:
        h = inputs
        for w, b in layers[:-1]:
            h = (h @ w + b).tanh()
        w, b = layers[-1]
        y = h @ w + b
        squared = workload.loss == "squared error"
        loss = (y - targets).square().mean() if squared else y.cross_entropy(targets)
        optimizer.zero_grad()
        loss.backward()
        return loss.realize(*optimizer.schedule_step())

    return train


def stepping(train: Any) -> Step:
    """Return the step in training mode, its loss as an array."""

    def step() -> Any:
        with Context(TRAINING=1):
            return train().numpy()

    return step


def training(workload: Workload) -> Step:
    """Return the training step."""
    return stepping(train_step(workload))


def jitted_training(workload: Workload) -> Step:
    """Return the training step under TinyJit."""
    return stepping(TinyJit(train_step(workload)))
