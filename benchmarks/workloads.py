"""Workloads: what every contestant computes, from the same initial weights and data.

A training workload is one whole step of stochastic gradient descent: forward, loss, backward,
update. Everything that a contestant needs is drawn here, with NumPy, from fixed seeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Step = Callable[[], Any]
"""What a contestant makes of a workload: one call is one step, and returns something that `float`
takes: the loss, or for a prediction the sum of the outputs."""

Kind = Literal["training", "moons", "prediction"]


@dataclass(frozen=True)
class Workload:
    """What is computed.

    Attributes:
        name: for `--only`.
        kind: "training" and "prediction" are tanh networks on arrays in float32, "moons" is the
            network of scalars in float64.
        sizes: of the layers, the inputs first.
        batch: how many samples a step sees.
        loss: of training.
        rate: the learning rate of training.
        tolerance: how far the contestants' losses may differ, relatively.
    """

    name: str
    kind: Kind
    sizes: tuple[int, ...]
    batch: int
    loss: Literal["squared error", "cross-entropy"] = "squared error"
    rate: float = 0.01
    tolerance: float = 1e-4

    @property
    def title(self) -> str:
        """What it is, in a line."""
        width, *others = self.sizes
        network = "-".join(map(str, self.sizes))
        if len(others) > 4 and {*others} == {width}:
            network = f"{len(others)} layers of {width}"
        if self.kind == "moons":
            return f"two moons with scalars: {network} relu, {self.batch} samples, hinge + L2"
        if self.kind == "prediction":
            return f"prediction: {network} tanh, {self.batch} row"
        return f"training step: {network} tanh, batch {self.batch}, {self.loss}"

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return weight (inputs, outputs) and bias (outputs,) of each layer, in float32."""
        rng = np.random.default_rng(0)
        return [
            (rng.normal(0, m**-0.5, (m, n)).astype("f4"), np.zeros(n, "f4"))
            for m, n in zip(self.sizes, self.sizes[1:], strict=False)
        ]

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs, and targets of the outputs' shape in float32 or integer labels."""
        rng = np.random.default_rng(1)
        x = rng.normal(size=(self.batch, self.sizes[0])).astype("f4")
        if self.loss == "cross-entropy":
            return x, rng.integers(0, self.sizes[-1], self.batch)
        places = np.arange(self.sizes[-1], dtype="f4")
        return x, np.sin(x.sum(axis=1, keepdims=True) + places)


RATE_STEPS = 100
DECAY = 1e-4


def moons(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (samples, 2) and their labels, -1.0 or 1.0."""
    from sklearn.datasets import make_moons

    x, y = make_moons(samples, noise=0.1, random_state=1)
    return x, 2.0 * y - 1.0


def neurons(sizes: tuple[int, ...]) -> list[list[list[float]]]:
    """Return the initial weights of each neuron of each layer; biases begin at 0."""
    draw = random.Random(1337)
    return [
        [[draw.uniform(-1, 1) for _ in range(m)] for _ in range(n)]
        for m, n in zip(sizes, sizes[1:], strict=False)
    ]


def moons_rate(step: int) -> float:
    """Return the learning rate of a step of the two moons, which falls from 1 to 0.1."""
    return 1.0 - 0.9 * min(step, RATE_STEPS) / RATE_STEPS


WORKLOADS = [
    Workload("small", "training", (2, 16, 16, 1), 100),
    Workload("middle", "training", (64, 64, 64, 10), 32, "cross-entropy"),
    Workload("large", "training", (784, 512, 512, 10), 128, "cross-entropy"),
    Workload("moons", "moons", (2, 16, 16, 1), 100, tolerance=1e-6),
    Workload("prediction", "prediction", (784, 128, 10), 1),
]
DEEP = Workload("memory", "training", (512,) * 11, 1024)
