"""One whole training step of a 2-16-16-1 tanh MLP, beside the peers that are installed.

    python benchmarks/training_step.py

Batch 100, float32, mean squared error, plain SGD. The contestants take turns in every round, and
the smallest time of all rounds counts, so that what disturbs the machine disturbs all of them.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable

import numpy as np

import autograd_mini as am

SIZES = [2, 16, 16, 1]
BATCH = 100
RATE = 0.01
ROUNDS, STEPS = 60, 50

Step = Callable[[], object]


def weights() -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [
        (rng.normal(0, m**-0.5, (m, n)).astype("f4"), np.zeros(n, "f4"))
        for m, n in zip(SIZES, SIZES[1:], strict=False)
    ]


def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(BATCH, SIZES[0])).astype("f4")
    return x, np.sin(x.sum(axis=1, keepdims=True))


def by_hand() -> Step:
    """Return the step in plain NumPy, the gradient written out."""
    layers = [list(pair) for pair in weights()]
    x, target = data()

    def step() -> object:
        values = [x]
        for i, (w, b) in enumerate(layers):
            z = values[-1] @ w + b
            values.append(np.tanh(z) if i + 1 < len(layers) else z)
        error = values[-1] - target
        g = error * np.float32(2 / error.size)
        for i in range(len(layers) - 1, -1, -1):
            w, b = layers[i]
            back = g @ w.T * (1 - values[i] ** 2) if i else None
            layers[i] = [w - RATE * (values[i].T @ g), b - RATE * g.sum(axis=0)]
            g = back
        return (error * error).mean()

    return step


def ours() -> Step:
    """Return the step with this library's model, loss and optimizer."""
    model = am.nn.MLP(SIZES, activation="tanh", seed=0, dtype="float32")
    for p, value in zip(model.parameters(), [v for pair in weights() for v in pair], strict=True):
        p.assign(value)
    optimizer = am.optim.SGD(model.parameters(), lr=RATE)
    x, target = data()

    def step() -> object:
        optimizer.zero_grad()
        loss = ((model(x) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.data

    return step


def torch_eager() -> Step:
    import torch

    layers: list[torch.nn.Module] = []
    for w, _ in weights():
        layer = torch.nn.Linear(*w.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(w.T))
            layer.bias.zero_()
        layers += [layer, torch.nn.Tanh()]
    model = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    x, target = map(torch.tensor, data())

    def step() -> object:
        optimizer.zero_grad()
        loss = ((model(x) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def hips_autograd() -> Step:
    import autograd
    import autograd.numpy as anp

    layers = weights()
    x, target = data()

    def loss(layers: list[tuple[np.ndarray, np.ndarray]]) -> object:
        h = x
        for w, b in layers[:-1]:
            h = anp.tanh(anp.dot(h, w) + b)
        w, b = layers[-1]
        return anp.mean((anp.dot(h, w) + b - target) ** 2)

    both = autograd.value_and_grad(loss)

    def step() -> object:
        nonlocal layers
        value, gradients = both(layers)
        layers = [
            (w - RATE * gw, b - RATE * gb)
            for (w, b), (gw, gb) in zip(layers, gradients, strict=True)
        ]
        return value

    return step


def mygrad() -> Step:
    import mygrad as mg

    layers = [(mg.tensor(w), mg.tensor(b)) for w, b in weights()]
    x, target = data()

    def step() -> object:
        h = x
        for w, b in layers[:-1]:
            h = mg.tanh(mg.matmul(h, w) + b)
        w, b = layers[-1]
        loss = mg.mean((mg.matmul(h, w) + b - target) ** 2)
        loss.backward()
        for pair in layers:
            for p in pair:
                p.data -= RATE * p.grad
        return loss.data

    return step


def jax_jit() -> Step:
    import jax
    import jax.numpy as jnp

    layers = [(jnp.asarray(w), jnp.asarray(b)) for w, b in weights()]
    x, target = map(jnp.asarray, data())

    def loss(layers: object) -> object:
        h = x
        for w, b in layers[:-1]:
            h = jnp.tanh(h @ w + b)
        w, b = layers[-1]
        return jnp.mean((h @ w + b - target) ** 2)

    @jax.jit
    def update(layers: object) -> object:
        value, gradients = jax.value_and_grad(loss)(layers)
        return value, jax.tree.map(lambda p, g: p - RATE * g, layers, gradients)

    def step() -> object:
        nonlocal layers
        value, layers = update(layers)
        return value.block_until_ready()

    return step


CONTESTANTS: list[tuple[str, str | None, Callable[[], Step]]] = [
    ("autograd_mini", None, ours),
    ("NumPy by hand", None, by_hand),
    ("PyTorch eager", "torch", torch_eager),
    ("HIPS autograd", "autograd", hips_autograd),
    ("MyGrad", "mygrad", mygrad),
    ("JAX jit", "jax", jax_jit),
]


def main() -> None:
    steps: dict[str, Step] = {}
    for name, package, make in CONTESTANTS:
        try:
            version = importlib.metadata.version(package) if package else ""
        except importlib.metadata.PackageNotFoundError:
            print(f"{name}: not installed, left out")
            continue
        steps[f"{name} {version}".strip()] = make()
    for name, step in steps.items():
        losses = [float(step()) for _ in range(100)]
        print(f"{name:24} first loss {losses[0]:.6f}, after 100 steps {losses[-1]:.6f}")

    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(STEPS):
                step()
            times[name].append((time.perf_counter() - start) / STEPS * 1e6)
    load = os.getloadavg()[0]
    print(
        f"\nPython {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores, "
        f"load {load:.1f}; {ROUNDS} rounds of {STEPS} steps"
    )
    print(f"{'':24} {'min µs':>8} {'median µs':>10} {'ours / it, min':>15} {'median':>8}")
    own = times["autograd_mini"]
    for name, values in times.items():
        ratios = min(own) / min(values), float(np.median(np.divide(own, values)))
        print(
            f"{name:24} {min(values):8.1f} {np.median(values):10.1f} "
            f"{ratios[0]:15.2f} {ratios[1]:8.2f}"
        )


if __name__ == "__main__":
    main()
