"""A program as a user would type it: type checkers find nothing wrong with it, strictly.

`tests/test_typing.py` runs it, and lets mypy and pyright read it as a user's file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import autograd_mini as am
import viz
from autograd_mini.special import logsumexp

Array = NDArray[np.float64]


# ── differentiate ────────────────────────────────────────────────────────────────────────────
def energy(x: Any, scale: float = 1.0, *, power: int = 2) -> Any:
    """Return a number that depends on x."""
    return scale * np.sum(np.sin(x) ** power)


def differentiate(x: Array) -> list[Any]:
    """Take derivatives of every kind."""
    value, slope = am.value_and_grad(energy)(x, 0.5, power=2)
    found = [value, slope, am.grad(energy)(x, scale=2.0), am.grad(np.tanh)(0.5)]
    found += [
        am.grad(am.grad(energy))(0.3),
        am.vmap(am.grad(energy))(np.eye(2)),
        am.vmap(np.sin)(x),
    ]
    y, back = am.vjp(energy, x)
    found += [back(1.0), *am.jvp(energy, (x,), (x,)), am.jacobian(np.sin)(x), am.hessian(energy)(x)]
    return [y, *found, am.hvp(energy)(x, x), logsumexp(x, axis=0), am.special.erf(x), am.relu(x)]


# ── an operation, and blocks ─────────────────────────────────────────────────────────────────
@am.primitive
def cube(x: Any, shift: float = 0.0) -> Any:
    """Return x³ + shift."""
    return x**3 + shift


@cube.vjp
def cube_vjp(g: Any, y: Any, x: Any, **parameters: float) -> Any:
    """Return the cotangent of x."""
    return g * 3 * x**2


@am.primitive(symbol="2x", elementwise=True)
def twice(x: Any) -> Any:
    """Return 2x."""
    return 2 * x


twice.vjp(lambda g, y, x: 2 * g)


@am.no_grad()
def measure(x: Array, count: int) -> float:
    """Return a plain number."""
    return float(np.mean(x)) * count


@am.scope("block")
def block(t: am.Tensor) -> am.Tensor:
    """Return a tensor, recorded in a scope."""
    return (t * 2 + 1).tanh()


# ── a model ──────────────────────────────────────────────────────────────────────────────────
class Wave(am.nn.Module):
    """A layer of sines."""

    def __init__(self, width: int) -> None:
        self.inner = am.nn.Dense(2, width, "tanh", seed=0)
        self.outer = am.nn.Dense(width, 1, seed=1)
        self.scale = am.tensor(1.0, requires_grad=True, name="scale")

    def __call__(self, x: Any) -> Any:
        """Return one number an example."""
        return self.outer(np.sin(self.inner(x) * self.scale))


def train(x: Array, y: Array) -> tuple[am.nn.Module, float]:
    """Train by hand, by a compiled step and by `fit`."""
    model = Wave(4)
    optimizer = am.optim.Adam(model.parameters(), lr=0.05)

    def step(x: Array, y: Array) -> am.Tensor:
        optimizer.zero_grad()
        loss: am.Tensor = am.nn.mse(model(x), y)
        loss.backward()
        am.optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        return loss

    compiled = am.compile(step)
    losses = [step(x, y).item(), *(compiled(x, y).item() for _ in range(4))]
    compiled.save("step.py")
    schedule = am.optim.Cosine(0.05, 20)
    history = model.fit(x, y, epochs=2, batch_size=8, seed=0, verbose=False, schedule=schedule)
    return model, min(*losses, *history.loss)


@am.compile
def doubled(x: am.Tensor, times: int = 1) -> am.Tensor:
    """Return a tensor."""
    return x * 2 * times


@am.compile(keep_grads=True)
def squared(x: am.Tensor) -> am.Tensor:
    """Return a tensor."""
    return x * x


class Filter:
    """A compiled method."""

    @am.compile
    def apply(self, x: am.Tensor, gain: float) -> am.Tensor:
        """Return a tensor."""
        return x * gain


# ── checks and pictures ──────────────────────────────────────────────────────────────────────
def check(x: Array) -> bool:
    """Check gradients."""
    report = am.gradcheck(energy, x, 0.5)
    by_hand = am.gradcheck(np.sin, x, vjp=lambda g, x: (g * np.cos(x),), raises=False)
    kinds: list[am.checking.Verdict] = [entry.verdict for entry in report.entries]
    return report.ok and by_hand.ok and bool(kinds)


def draw(folder: Path, t: am.Tensor, model: am.nn.Module) -> Path:
    """Draw pictures."""
    graph = am.Graph(t)
    names: list[str] = [op.type for op in graph.operations]
    drawing: viz.Drawing = am.viz.draw(graph, title=", ".join(names))
    drawing.save(folder / "graph.svg")
    return viz.render(model, folder / "model.svg")


def main(folder: Path) -> None:
    """Run everything."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 2)), rng.normal(size=(16, 1))
    t = am.tensor(x, requires_grad=True, name="x")
    model, loss = train(x, y)
    network = am.nn.MLP([2, 3, 1], seed=0)
    assert model.predict(x).shape == network.predict(x).shape
    doubled_twice = doubled(t, times=2)
    assert_type(doubled_twice, am.Tensor)
    assert_type(Filter().apply(t, 0.5), am.Tensor)
    assert_type(measure(x, 2), float)
    assert_type(block(t), am.Tensor)
    loss_of_block = (squared(block(t)) + cube(t, shift=1.0) + twice(t)).sum()
    loss_of_block.backward()
    print(t.grad.shape, loss, len(differentiate(x)), check(x[0]), draw(folder, t * 2, network))


if __name__ == "__main__":
    main(Path())
