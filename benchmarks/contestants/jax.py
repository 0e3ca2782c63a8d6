"""JAX: the whole step is one jitted function, whose parameters' buffers are given back to it."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from workloads import Step, Workload


def forward(layers: Any, x: Any) -> Any:
    """Return the network's output."""
    for w, b in layers[:-1]:
        x = jnp.tanh(x @ w + b)
    w, b = layers[-1]
    return x @ w + b


def training(workload: Workload) -> Step:
    """Return the training step; it waits for the loss, as every other contestant does."""
    layers = [(jnp.asarray(w), jnp.asarray(b)) for w, b in workload.weights()]
    x, target = map(jnp.asarray, workload.data())

    def loss(layers: Any, x: Any, target: Any) -> Any:
        y = forward(layers, x)
        if workload.loss == "squared error":
            return jnp.mean((y - target) ** 2)
        chosen = jnp.take_along_axis(y, target[:, None], axis=1)[:, 0]
        return jnp.mean(jax.nn.logsumexp(y, axis=1) - chosen)

    @partial(jax.jit, donate_argnums=0)
    def update(layers: Any, x: Any, target: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(layers, x, target)
        return value, jax.tree.map(lambda p, g: p - workload.rate * g, layers, gradients)

    def step() -> Any:
        nonlocal layers
        value, layers = update(layers, x, target)
        return value.block_until_ready()

    return step


def prediction(workload: Workload) -> Step:
    """Return the jitted forward pass."""
    layers = [(jnp.asarray(w), jnp.asarray(b)) for w, b in workload.weights()]
    x, jitted = jnp.asarray(workload.data()[0]), jax.jit(forward)
    return lambda: jitted(layers, x).block_until_ready()
