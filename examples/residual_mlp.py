"""Why shortcuts: twelve blocks that can be trained, and twelve that cannot.

A deep network of small weights reads handwritten digits. Without shortcuts the values shrink from
block to block, and so does the gradient on its way back: nothing is learned. With `h + block(h)`
it arrives everywhere (He et al. 2016). The pictures show the norm of the gradient at the first
step, as a colour.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import autograd_mini as am
import viz

try:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
except ModuleNotFoundError:
    raise SystemExit('this example needs: pip install -e ".[examples]"') from None

BLOCKS, WIDTH, GAIN = 12, 32, 0.6
EPOCHS, BATCH = 8, 32


class DeepNetwork:
    """A layer in, twelve blocks of two layers, a layer out."""

    def __init__(self, shortcuts: bool, seed: int = 0) -> None:
        self.shortcuts = shortcuts
        self.rng = np.random.default_rng(seed)
        self.weights: dict[str, am.Tensor] = {}
        self.layer("stem", 64, WIDTH)
        for i in range(1, BLOCKS + 1):
            self.layer(f"block_{i}.first", WIDTH, WIDTH)
            self.layer(f"block_{i}.second", WIDTH, WIDTH)
        self.layer("head", WIDTH, 10)

    def layer(self, name: str, inputs: int, outputs: int) -> None:
        """Draw a weight, and a bias of zeros."""
        weight = GAIN * self.rng.normal(size=(inputs, outputs)) / np.sqrt(inputs)
        for part, values in (("weight", weight), ("bias", np.zeros(outputs))):
            full = f"{name}.{part}"
            self.weights[full] = am.tensor(values, name=full, requires_grad=True)

    def applied(self, name: str, h: am.Tensor) -> am.Tensor:
        """Apply a layer without its activation."""
        return h @ self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def __call__(self, x: np.ndarray) -> am.Tensor:
        """Return the logits of the ten classes."""
        with am.scope("stem"):
            h = np.tanh(self.applied("stem", am.tensor(x, name="pixels")))
        for i in range(1, BLOCKS + 1):
            with am.scope(f"block_{i}"):
                inner = np.tanh(self.applied(f"block_{i}.first", h))
                change = self.applied(f"block_{i}.second", inner)
                h = h + change if self.shortcuts else np.tanh(change)
        with am.scope("head"):
            return self.applied("head", h)


def loss_of(network: DeepNetwork, x: np.ndarray, labels: np.ndarray) -> am.Tensor:
    """Return the cross-entropy."""
    loss = am.nn.cross_entropy(network(x), labels)
    loss.name = "loss"
    return loss


def trained(network: DeepNetwork, x: np.ndarray, labels: np.ndarray) -> DeepNetwork:
    """Train by Adam, and return the network."""
    rng = np.random.default_rng(1)
    optimizer = am.optim.Adam(list(network.weights.values()), lr=0.002)
    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for start in range(0, len(x) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            optimizer.zero_grad()
            loss_of(network, x[rows], labels[rows]).backward()
            optimizer.step()
    return network


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    data = load_digits()
    x, x_test, labels, labels_test = train_test_split(
        data.data / 16, data.target, test_size=0.25, random_state=0, stratify=data.target
    )
    for shortcuts in (False, True):
        network = DeepNetwork(shortcuts)
        name = "with shortcuts" if shortcuts else "without shortcuts"
        loss = loss_of(network, x[:64], labels[:64])
        loss.backward()
        size = np.linalg.norm(network.weights["block_1.first.weight"].grad)
        print(f"{name}: the gradient of the first block has the norm {size:.1e}")
        viz.render(
            loss,
            pictures / f"residual_{'with' if shortcuts else 'without'}.svg",
            overlay="gradients",
            open=0,
            title=f"The gradient of a deep network {name}",
        )
        trained(network, x, labels)
        with am.no_grad():
            right = np.mean(np.argmax(network(x_test).data, axis=1) == labels_test)
        print(f"{name}: {right:.1%} of {len(x_test)} digits read right after {EPOCHS} epochs")
    viz.render(loss, pictures / "residual.svg", title="A residual network of twelve blocks")
    names = "residual.svg, residual_without.svg, residual_with.svg"
    print(f"pictures: {pictures}/{names}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
