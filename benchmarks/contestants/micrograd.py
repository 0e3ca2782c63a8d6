"""micrograd: its own network of scalar values, on the two moons."""

from __future__ import annotations

from typing import Any

from micrograd.engine import Value
from micrograd.nn import MLP
from workloads import DECAY, Step, Workload, moons_rate, neurons
from workloads import moons as points_and_labels


def network(workload: Workload) -> Any:
    """Return the model with the workload's weights."""
    model = MLP(workload.sizes[0], list(workload.sizes[1:]))
    for layer, rows in zip(model.layers, neurons(workload.sizes), strict=True):
        for neuron, row in zip(layer.neurons, rows, strict=True):
            for w, value in zip(neuron.w, row, strict=True):
                w.data = value
    return model


def moons(workload: Workload) -> Step:
    """Return the step of the two moons."""
    model, (x, y) = network(workload), points_and_labels(workload.batch)
    points, labels, count = x.tolist(), y.tolist(), 0

    def step() -> Any:
        nonlocal count
        scores = [model([Value(v) for v in point]) for point in points]
        losses = [(1 + -label * z).relu() for label, z in zip(labels, scores, strict=True)]
        decay = DECAY * sum(p * p for p in model.parameters())
        loss = sum(losses) * (1.0 / len(losses)) + decay
        model.zero_grad()
        loss.backward()
        rate = moons_rate(count)
        for p in model.parameters():
            p.data -= rate * p.grad
        count += 1
        return loss.data

    return step
