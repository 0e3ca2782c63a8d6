"""A recurrent network, unrolled: it hears a tone and says what comes next.

The same weights are used at each of twenty steps, so each of them gets twenty gradients, which add
up. The input is a sine of random frequency and phase with some noise; the answer its next value.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import autograd_mini as am
import viz

LENGTH, WIDTH = 20, 16
STEPS, BATCH = 400, 64


def tones(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return sines (count, LENGTH) with noise, and the value that follows, without."""
    frequency = rng.uniform(0.2, 0.8, (count, 1))
    phase = rng.uniform(0, 2 * np.pi, (count, 1))
    values = np.sin(frequency * np.arange(LENGTH + 1) + phase)
    return values[:, :-1] + 0.02 * rng.normal(size=(count, LENGTH)), values[:, -1:]


class Recurrent:
    """h ← tanh(x·U + h·W + b) at each step, and the answer h·V + c."""

    def __init__(self, rng: np.random.Generator) -> None:
        shapes = {"U": (1, WIDTH), "W": (WIDTH, WIDTH), "b": (WIDTH,), "V": (WIDTH, 1), "c": (1,)}
        self.weights = {
            name: am.tensor(rng.normal(size=shape) * 0.25, name=name, requires_grad=True)
            for name, shape in shapes.items()
        }

    def __call__(self, x: np.ndarray) -> am.Tensor:
        """Return the answers: (count, 1)."""
        w, heard = self.weights, am.tensor(x, name="x")
        h = am.tensor(np.zeros((len(x), WIDTH)), name="h0")
        for t in range(LENGTH):
            with am.scope(f"step_{t + 1}"):
                h = np.tanh(heard[:, t : t + 1] @ w["U"] + h @ w["W"] + w["b"])
        with am.scope("answer"):
            return h @ w["V"] + w["c"]


def loss_of(model: Recurrent, x: np.ndarray, following: np.ndarray) -> am.Tensor:
    """Return the mean squared error."""
    loss = np.mean((model(x) - following) ** 2)
    loss.name = "loss"
    return loss


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    model = Recurrent(rng)
    optimizer = am.optim.Adam(list(model.weights.values()), lr=0.01)
    for step in range(STEPS + 1):
        loss = loss_of(model, *tones(rng, BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step:3}: mean squared error {loss.item():.4f}")
    x, following = tones(rng, 1000)
    error = loss_of(model, x, following).item()
    print(f"of 1000 new tones: {error:.4f}; repeating the last value: "
          f"{np.mean((x[:, -1:] - following) ** 2):.4f}")  # fmt: skip
    loss = loss_of(model, *tones(rng, 8))
    viz.render(loss, pictures / "recurrent.svg", title="A recurrent network of twenty steps")
    viz.render(
        loss,
        pictures / "recurrent_step.svg",
        open="step_20",
        title="The same, its last step opened",
    )
    print(f"pictures: {pictures}/recurrent.svg, recurrent_step.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
