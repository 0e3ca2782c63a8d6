"""Twelve models in plain NumPy, from 41 scalars to a GPT block: trained, compiled, drawn.

Each function returns a model: its weights, and a function from the weights to the loss that it is
trained on. Nothing but NumPy stands in them: a convolution is a sum over windows, a recurrent
network is a loop, a Gaussian process is a Cholesky factor. So each one is also a start for a model
of your own.

    python examples/twelve_models.py                    train all, and draw them into a folder
    python examples/twelve_models.py lstm pictures/     train and draw one of them
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as am
import viz

Weights = dict[str, am.Tensor]


@dataclass
class Model:
    """A model to train: its weights by name, the loss of the weights, and a learning rate."""

    weights: Weights
    loss: Callable[[Weights], am.Tensor]
    lr: float = 0.01

    @property
    def size(self) -> int:
        """The count of numbers that are trained."""
        return sum(w.size for w in self.weights.values())


def make_weights(rng: np.random.Generator, **shapes: tuple[int, ...]) -> Weights:
    """Draw weights with the variance 1/(inputs of a unit); what is called `bias…` starts at 0."""
    made = {}
    for name, shape in shapes.items():
        inputs = np.prod(shape[:-1]) if len(shape) < 4 else np.prod(shape[1:])
        values = np.zeros(shape) if "bias" in name else rng.normal(size=shape) / np.sqrt(inputs)
        made[name] = am.tensor(values, name=name, requires_grad=True)
    return made


def cross_entropy(logits: Any, labels: np.ndarray) -> Any:
    """Return −mean log p of the right classes; the largest logit is subtracted first."""
    shifted = logits - np.max(logits, axis=-1, keepdims=True)
    log_p = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return -np.mean(log_p[np.arange(len(labels)), labels])


def sigmoid(x: Any) -> Any:
    """Return 1/(1 + e⁻ˣ)."""
    return 1 / (1 + np.exp(-x))


# ── networks for images ──────────────────────────────────────────────────────────────────────────
def convolve(images: Any, kernel: Any) -> Any:
    """Correlate (batch, channels, h, w) with (out, channels, k, k), without padding."""
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[2:], axis=(2, 3))
    return np.einsum("bchwij,ocij->bohw", windows, kernel)


def pool(images: Any) -> Any:
    """Return the largest of each 2 × 2 pixels."""
    batch, channels, height, width = images.shape
    blocks = np.reshape(images, (batch, channels, height // 2, 2, width // 2, 2))
    return np.max(blocks, axis=(3, 5))


def lenet(rng: np.random.Generator) -> Model:
    """LeNet-5 (LeCun et al. 1998): two convolutions, two poolings, three dense layers."""
    images, labels = rng.normal(size=(8, 1, 28, 28)), rng.integers(0, 10, 8)
    weights = make_weights(
        rng,
        conv1=(6, 1, 5, 5),
        conv2=(16, 6, 5, 5),
        dense1=(256, 120),
        bias1=(120,),
        dense2=(120, 84),
        bias2=(84,),
        dense3=(84, 10),
        bias3=(10,),
    )

    def loss(w: Weights) -> am.Tensor:
        x = pool(np.tanh(convolve(images, w["conv1"])))
        x = pool(np.tanh(convolve(x, w["conv2"])))
        x = np.reshape(x, (len(images), -1))
        x = np.tanh(x @ w["dense1"] + w["bias1"])
        x = np.tanh(x @ w["dense2"] + w["bias2"])
        return cross_entropy(x @ w["dense3"] + w["bias3"], labels)

    return Model(weights, loss)


def unet(rng: np.random.Generator) -> Model:
    """A U-net (Ronneberger et al. 2015) of depth two: down, up, with the skips concatenated."""
    images = rng.normal(size=(2, 1, 16, 16))
    masks = (images > 0.5) * 1.0
    weights = make_weights(
        rng,
        down1=(4, 1, 3, 3),
        down2=(8, 4, 3, 3),
        bottom=(8, 8, 3, 3),
        up2=(4, 16, 3, 3),
        up1=(4, 8, 3, 3),
        last=(1, 4, 1, 1),
    )

    def layer(x: Any, kernel: Any) -> Any:
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        return np.maximum(convolve(padded, kernel), 0)

    def double(x: Any) -> Any:
        return np.repeat(np.repeat(x, 2, axis=2), 2, axis=3)

    def loss(w: Weights) -> am.Tensor:
        first = layer(images, w["down1"])
        second = layer(pool(first), w["down2"])
        lowest = layer(pool(second), w["bottom"])
        x = layer(np.concatenate([double(lowest), second], axis=1), w["up2"])
        x = layer(np.concatenate([double(x), first], axis=1), w["up1"])
        logits = convolve(x, w["last"])
        return np.mean(np.logaddexp(0, logits) - masks * logits)

    return Model(weights, loss)


def vae(rng: np.random.Generator) -> Model:
    """A variational autoencoder (Kingma and Welling 2014), with its noise drawn beforehand."""
    images, noise = rng.random((16, 64)), rng.normal(size=(16, 4))
    weights = make_weights(
        rng,
        encode=(64, 32),
        mean=(32, 4),
        log_variance=(32, 4),
        decode=(4, 32),
        pixels=(32, 64),
    )

    def loss(w: Weights) -> am.Tensor:
        with am.scope("encoder"):
            h = np.tanh(images @ w["encode"])
            mean, log_variance = h @ w["mean"], h @ w["log_variance"]
        with am.scope("sample"):
            z = mean + np.exp(log_variance / 2) * noise
        with am.scope("decoder"):
            logits = np.tanh(z @ w["decode"]) @ w["pixels"]
        with am.scope("bound"):
            error = np.sum(np.logaddexp(0, logits) - images * logits, axis=1)
            divergence = np.sum(mean**2 + np.exp(log_variance) - 1 - log_variance, axis=1) / 2
            return np.mean(error + divergence)

    return Model(weights, loss)


def gan(rng: np.random.Generator) -> Model:
    """Both losses of a GAN (Goodfellow et al. 2014) on points of a ring, one for each player."""
    angles, noise = rng.random(32) * 2 * np.pi, rng.normal(size=(32, 2))
    real = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    weights = make_weights(
        rng, generator1=(2, 16), generator2=(16, 2), critic1=(2, 16), critic2=(16, 1)
    )

    def judge(w: Weights, points: Any) -> Any:
        return np.tanh(points @ w["critic1"]) @ w["critic2"]

    def loss(w: Weights) -> am.Tensor:
        fixed = {name: am.stop_gradient(w[name]) for name in w}
        fake = np.tanh(noise @ w["generator1"]) @ w["generator2"]
        with am.scope("generator"):
            fooled = np.mean(np.logaddexp(0, -judge(fixed, fake)))
        with am.scope("critic"):
            right = np.logaddexp(0, -judge(w, real))
            wrong = np.logaddexp(0, judge(w, am.stop_gradient(fake)))
            told = np.mean(right + wrong)
        return fooled + told

    return Model(weights, loss)


def siamese(rng: np.random.Generator) -> Model:
    """Two pictures, one network: the contrastive loss of Hadsell, Chopra and LeCun 2006."""
    left, right = rng.normal(size=(2, 12, 20))
    same = rng.integers(0, 2, 12)
    weights = make_weights(rng, first=(20, 16), second=(16, 4))

    def embed(w: Weights, x: Any) -> Any:
        with am.scope("embed"):
            return np.tanh(x @ w["first"]) @ w["second"]

    def loss(w: Weights) -> am.Tensor:
        difference = embed(w, left) - embed(w, right)
        distance = np.sqrt(np.sum(difference**2, axis=1) + 1e-9)
        return np.mean(same * distance**2 + (1 - same) * np.maximum(1 - distance, 0) ** 2)

    return Model(weights, loss)


def perceptron(rng: np.random.Generator) -> Model:
    """The perceptron 784-256-128-10 of every first lesson on handwritten digits."""
    images, labels = rng.random((32, 784)), rng.integers(0, 10, 32)
    sizes = (784, 256, 128, 10)
    shapes: dict[str, tuple[int, ...]] = {}
    for i, pair in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        shapes |= {f"weight{i}": pair, f"bias{i}": pair[1:]}
    weights = make_weights(rng, **shapes)

    def loss(w: Weights) -> am.Tensor:
        x: Any = images
        for i in (1, 2, 3):
            with am.scope(f"layer{i}"):
                x = x @ w[f"weight{i}"] + w[f"bias{i}"]
                x = np.maximum(x, 0) if i < 3 else x
        with am.scope("cross_entropy"):
            return cross_entropy(x, labels)

    return Model(weights, loss)


# ── networks for sequences ───────────────────────────────────────────────────────────────────────
def lstm(rng: np.random.Generator) -> Model:
    """An LSTM (Hochreiter and Schmidhuber 1997) over 8 steps, four gates in one product."""
    width, inputs = 12, rng.normal(size=(8, 4, 5))
    targets = np.cumsum(inputs.sum(axis=2), axis=0)[-1]
    weights = make_weights(rng, gates=(5 + width, 4 * width), bias=(4 * width,), head=(width, 1))

    def cell(w: Weights, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
        with am.scope("cell"):
            gates = np.concatenate([x, h], axis=1) @ w["gates"] + w["bias"]
            i, f, o, new = np.split(gates, 4, axis=1)
            c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(new)
            return sigmoid(o) * np.tanh(c), c

    def loss(w: Weights) -> am.Tensor:
        h = c = np.zeros((4, width))
        for x in inputs:
            h, c = cell(w, x, h, c)
        return np.mean(((h @ w["head"])[:, 0] - targets) ** 2)

    return Model(weights, loss)


def gpt_block(rng: np.random.Generator) -> Model:
    """One block of a GPT (Radford et al. 2018) with its embedding and head: four heads, GELU."""
    words, width, heads, length = 20, 16, 4, 8
    text = rng.integers(0, words, (4, length + 1))
    weights = make_weights(
        rng,
        embedding=(words, width),
        position=(length, width),
        query_key_value=(width, 3 * width),
        output=(width, width),
        widen=(width, 4 * width),
        narrow=(4 * width, width),
        head=(width, words),
    )

    def normalize(x: Any) -> Any:
        with am.scope("normalize"):
            centred = x - np.mean(x, axis=-1, keepdims=True)
            return centred / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)

    def attend(w: Weights, x: Any) -> Any:
        with am.scope("attention"):
            shape = (*x.shape[:2], 3, heads, width // heads)
            parts = np.reshape(x @ w["query_key_value"], shape)
            q, k, v = (np.swapaxes(parts[:, :, i], 1, 2) for i in range(3))
            scores = q @ np.swapaxes(k, 2, 3) / np.sqrt(width / heads)
            scores = np.where(np.tri(length, dtype=bool), scores, -1e9)
            scores = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
            shares = scores / np.sum(scores, axis=-1, keepdims=True)
            return np.reshape(np.swapaxes(shares @ v, 1, 2), x.shape) @ w["output"]

    def feed_forward(w: Weights, x: Any) -> Any:
        with am.scope("feed_forward"):
            h = x @ w["widen"]
            h = 0.5 * h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3)))
            return h @ w["narrow"]

    def loss(w: Weights) -> am.Tensor:
        x = w["embedding"][text[:, :-1]] + w["position"]
        with am.scope("block"):
            x = x + attend(w, normalize(x))
            x = x + feed_forward(w, normalize(x))
        logits = np.reshape(normalize(x) @ w["head"], (-1, words))
        with am.scope("cross_entropy"):
            return cross_entropy(logits, text[:, 1:].ravel())

    return Model(weights, loss)


# ── models from outside of deep learning ─────────────────────────────────────────────────────────
def gaussian_process(rng: np.random.Generator) -> Model:
    """The negative log evidence of a Gaussian process, as a function of its hyperparameters."""
    points = np.sort(rng.random(20)) * 6
    values = np.sin(points) + rng.normal(size=20) / 10
    weights = {
        name: am.tensor(value, name=name, requires_grad=True)
        for name, value in (("log_length", 0.0), ("log_scale", 0.0), ("log_noise", -2.0))
    }

    def loss(w: Weights) -> am.Tensor:
        squares = (points[:, None] - points) ** 2
        with am.scope("kernel"):
            kernel = np.exp(w["log_scale"] - squares / 2 * np.exp(-2 * w["log_length"]))
            kernel = kernel + np.exp(w["log_noise"]) * np.eye(len(points))
        with am.scope("evidence"):
            factor = np.linalg.cholesky(kernel)
            half = np.linalg.solve(factor, values)
            return np.sum(half**2) / 2 + np.sum(np.log(np.diagonal(factor)))

    return Model(weights, loss, lr=0.03)


def ode_net(rng: np.random.Generator) -> Model:
    """A neural ODE (Chen et al. 2018): ten steps of Runge-Kutta through a small field."""
    start = rng.normal(size=(16, 2))
    turn = np.array([[np.cos(1), -np.sin(1)], [np.sin(1), np.cos(1)]])
    target = start @ turn
    weights = make_weights(rng, first=(2, 16), bias=(16,), second=(16, 2))

    def field(w: Weights, x: Any) -> Any:
        return np.tanh(x @ w["first"] + w["bias"]) @ w["second"]

    def loss(w: Weights) -> am.Tensor:
        x, step = start, 0.1
        for _ in range(10):
            with am.scope("runge_kutta"):
                k1 = field(w, x)
                k2 = field(w, x + step / 2 * k1)
                k3 = field(w, x + step / 2 * k2)
                k4 = field(w, x + step * k3)
                x = x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return np.mean((x - target) ** 2)

    return Model(weights, loss)


def simulation(rng: np.random.Generator) -> Model:
    """A chain of springs over 200 steps: which stiffness and damping lead to the seen motion?"""
    start = rng.normal(size=8)
    weights = {
        "stiffness": am.tensor(np.full(9, 1.0), name="stiffness", requires_grad=True),
        "damping": am.tensor(0.1, name="damping", requires_grad=True),
    }

    def move(stiffness: Any, damping: Any) -> Any:
        x, speed = start, np.zeros(8)
        for _ in range(200):
            with am.scope("step"):
                stretch = np.diff(x, prepend=0, append=0)
                force = np.diff(stiffness * stretch) - damping * speed
                speed = speed + 0.05 * force
                x = x + 0.05 * speed
        return x

    seen = move(1.5 + rng.random(9), 0.3)

    def loss(w: Weights) -> am.Tensor:
        return np.mean((move(w["stiffness"], w["damping"]) - seen) ** 2)

    return Model(weights, loss, lr=0.02)


def scalar_perceptron(rng: np.random.Generator) -> Model:
    """A perceptron 3-4-4-1 of 41 parameters, each a tensor of its own, as in micrograd."""
    points = rng.normal(size=(2, 3)).tolist()
    targets = [1.0, -1.0]
    sizes = (3, 4, 4, 1)
    weights = {}
    for layer, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
        for j in range(1, outputs + 1):
            for i in range(1, inputs + 1):
                weights[f"w{layer}_{i}{j}"] = float(rng.normal() / np.sqrt(inputs))
            weights[f"b{layer}_{j}"] = 0.0
    made = {name: am.tensor(v, name=name, requires_grad=True) for name, v in weights.items()}

    def network(w: Weights, x: list[Any]) -> Any:
        for layer, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False), 1):
            x = [
                np.tanh(
                    sum(w[f"w{layer}_{i}{j}"] * x[i - 1] for i in range(1, inputs + 1))
                    + w[f"b{layer}_{j}"]
                )
                for j in range(1, outputs + 1)
            ]
        return x[0]

    def loss(w: Weights) -> am.Tensor:
        errors = [(network(w, x) - t) ** 2 for x, t in zip(points, targets, strict=True)]
        return errors[0] + errors[1]

    return Model(made, loss, lr=0.05)


MODELS: dict[str, Callable[[np.random.Generator], Model]] = {
    function.__name__: function
    for function in (
        scalar_perceptron,
        perceptron,
        lenet,
        lstm,
        gpt_block,
        vae,
        gan,
        siamese,
        unet,
        gaussian_process,
        ode_net,
        simulation,
    )
}
"""Every model by its name."""


def train(model: Model, steps: int) -> list[float]:
    """Train with Adam, the step compiled, and return the losses."""
    optimizer = am.optim.Adam(list(model.weights.values()), lr=model.lr)

    def one_step() -> am.Tensor:
        loss = model.loss(model.weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step = am.compile(one_step)
    return [float(step().data) for _ in range(steps)]


def main(names: list[str], pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    for name in names:
        model = MODELS[name](np.random.default_rng(0))
        viz.render(model.loss(model.weights), pictures / f"{name}.svg", fit="16:9")
        start = time.perf_counter()
        losses = train(model, 30)
        seconds = time.perf_counter() - start
        print(
            f"{name:18} {model.size:7,} numbers: loss {losses[0]:.3f} → {losses[-1]:.3f} "
            f"in 30 steps, {seconds:.1f} s with compiling; {name}.svg"
        )


if __name__ == "__main__":
    wanted = [x for x in sys.argv[1:] if x in MODELS]
    folders = [x for x in sys.argv[1:] if x not in MODELS]
    main(wanted or list(MODELS), Path(folders[0]) if folders else Path(__file__).parent / "output")
