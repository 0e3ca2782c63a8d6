"""The same network by hand, here, and in PyTorch, JAX and TensorFlow where they are installed.

Everybody gets the same points and the same initial weights in float64, takes five steps of gradient
descent, and reports the loss before each step and the gradients of the first.
"""

from __future__ import annotations

import os

import numpy as np

import autograd_mini as am

STEPS, RATE = 5, 2.0
NAMES = ("W1", "b1", "W2", "b2")


def by_hand(x, target, parameters):
    """NumPy, with the derivatives worked out on paper."""
    W1, b1, W2, b2 = parameters
    losses, first = [], None
    for _ in range(STEPS):
        hidden = 1 / (1 + np.exp(-(x @ W1 + b1)))
        logit = hidden @ W2 + b2
        losses.append(np.mean(np.log1p(np.exp(logit)) - target * logit))
        d_logit = (1 / (1 + np.exp(-logit)) - target) / len(x)
        d_before = d_logit @ W2.T * hidden * (1 - hidden)
        gradients = (x.T @ d_before, d_before.sum(axis=0), hidden.T @ d_logit, d_logit.sum(axis=0))
        first = first or gradients
        W1, b1, W2, b2 = (p - RATE * g for p, g in zip((W1, b1, W2, b2), gradients, strict=True))
    return losses, first


def in_autograd_mini(x, target, parameters):
    parameters = [am.tensor(p, requires_grad=True) for p in parameters]
    W1, b1, W2, b2 = parameters
    optimizer = am.optim.SGD(parameters, lr=RATE)
    losses, first = [], None
    for _ in range(STEPS):
        logit = am.sigmoid(x @ W1 + b1) @ W2 + b2
        loss = am.nn.binary_cross_entropy(logit, target)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        first = first or [p.grad for p in parameters]
        optimizer.step()
    return losses, first


def in_pytorch(x, target, parameters):
    import torch

    x, target = torch.tensor(x), torch.tensor(target)
    parameters = [torch.tensor(p, requires_grad=True) for p in parameters]
    W1, b1, W2, b2 = parameters
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    losses, first = [], None
    for _ in range(STEPS):
        logit = torch.sigmoid(x @ W1 + b1) @ W2 + b2
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logit, target)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.item())
        first = first or [p.grad.numpy().copy() for p in parameters]
        optimizer.step()
    return losses, first


def in_jax(x, target, parameters):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp

    def loss_of(parameters):
        W1, b1, W2, b2 = parameters
        logit = jax.nn.sigmoid(x @ W1 + b1) @ W2 + b2
        return jnp.mean(jax.nn.softplus(logit) - target * logit)

    both = jax.jit(jax.value_and_grad(loss_of))
    parameters = [jnp.asarray(p) for p in parameters]
    losses, first = [], None
    for _ in range(STEPS):
        loss, gradients = both(parameters)
        losses.append(float(loss))
        first = first or [np.asarray(g) for g in gradients]
        parameters = [p - RATE * g for p, g in zip(parameters, gradients, strict=True)]
    return losses, first


def in_tensorflow(x, target, parameters):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    parameters = [tf.Variable(p) for p in parameters]
    W1, b1, W2, b2 = parameters
    losses, first = [], None
    for _ in range(STEPS):
        with tf.GradientTape() as tape:
            logit = tf.sigmoid(x @ W1 + b1) @ W2 + b2
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(target, logit))
        gradients = tape.gradient(loss, parameters)
        losses.append(float(loss))
        first = first or [g.numpy() for g in gradients]
        for p, g in zip(parameters, gradients, strict=True):
            p.assign_sub(RATE * g)
    return losses, first


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 2))
    target = (x[:, :1] > 0.5 * x[:, 1:] ** 2).astype(float)
    parameters = [rng.normal(size=shape) for shape in ((2, 3), (3,), (3, 1), (1,))]

    found = {}
    for name, run in (
        ("by hand", by_hand),
        ("autograd_mini", in_autograd_mini),
        ("PyTorch", in_pytorch),
        ("JAX", in_jax),
        ("TensorFlow", in_tensorflow),
    ):
        try:
            found[name] = run(x, target, parameters)
        except ImportError as error:
            print(f"{name} is not installed here, so it is left out ({error})")

    print("\nloss before step" + "".join(f"{name:>20}" for name in found))
    for step in range(STEPS):
        print(f"{step + 1:16d}" + "".join(f"{losses[step]:20.15f}" for losses, _ in found.values()))

    print("\nfirst gradient  " + "".join(f"{name:>20}" for name in found))
    for i, parameter in enumerate(NAMES):
        for place in np.ndindex(parameters[i].shape):
            values = [gradients[i][place] for _, gradients in found.values()]
            entry = f"{parameter}[{', '.join(map(str, place))}]"
            print(f"{entry:<16}" + "".join(f"{value:20.15f}" for value in values))

    reference_losses, reference_gradients = found["by hand"]
    print("\nlargest difference from the derivatives by hand")
    for name, (losses, gradients) in found.items():
        loss = np.abs(np.subtract(losses, reference_losses)).max()
        pairs = zip(gradients, reference_gradients, strict=True)
        gradient = max(np.abs(one - two).max() for one, two in pairs)
        agree = "agrees" if max(loss, gradient) < 1e-12 else "DIFFERS"
        print(f"  {name:<14} losses {loss:.1e}, gradients {gradient:.1e}: {agree}")


if __name__ == "__main__":
    main()
