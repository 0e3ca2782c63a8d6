"""A transformer in plain NumPy: it learns to write a number backwards.

`4 7 1 9 | 9 1 7 4`: the network reads the digits one by one and says which comes next. One block
of causal self-attention with two heads and a small perceptron, as Vaswani et al. 2017 describe it,
with the normalization before each of them. Every line is NumPy on tensors; scopes name the parts,
and the picture folds by them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import autograd_mini as am
import viz

DIGITS, BAR, LENGTH = 10, 10, 4
WIDTH, HEADS, HIDDEN = 32, 2, 64
STEPS, BATCH = 300, 64


class Transformer:
    """The weights of one block, in a dict by name, and what is computed with them."""

    def __init__(self, rng: np.random.Generator) -> None:
        positions = 2 * LENGTH
        shapes = {
            "embedding": (DIGITS + 1, WIDTH),
            "position": (positions, WIDTH),
            "attention.query": (WIDTH, WIDTH),
            "attention.key": (WIDTH, WIDTH),
            "attention.value": (WIDTH, WIDTH),
            "attention.output": (WIDTH, WIDTH),
            "mlp.first": (WIDTH, HIDDEN),
            "mlp.second": (HIDDEN, WIDTH),
            "head": (WIDTH, DIGITS),
        }
        self.weights = {
            name: am.tensor(values / np.sqrt(len(values)), name=name, requires_grad=True)
            for name, values in ((name, rng.normal(size=shape)) for name, shape in shapes.items())
        }
        for name in ("norm_1", "norm_2", "norm_3"):
            ones = am.tensor(np.ones(WIDTH), name=f"{name}.scale", requires_grad=True)
            self.weights[f"{name}.scale"] = ones

    def __call__(self, tokens: np.ndarray) -> am.Tensor:
        """Return the logits of the next digit at each position: (batch, position, digit)."""
        w = self.weights
        with am.scope("embed"):
            h = w["embedding"][tokens] + w["position"][: tokens.shape[1]]
        with am.scope("block"):
            h = h + self.attention(self.norm(h, "norm_1"))
            h = h + self.mlp(self.norm(h, "norm_2"))
        with am.scope("predict"):
            return self.norm(h, "norm_3") @ w["head"]

    def norm(self, h: am.Tensor, name: str) -> am.Tensor:
        """Return each vector with mean 0 and deviation 1, times a scale that is trained."""
        with am.scope(name):
            centred = h - np.mean(h, axis=-1, keepdims=True)
            deviation = np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
            return centred / deviation * self.weights[f"{name}.scale"]

    def attention(self, h: am.Tensor) -> am.Tensor:
        """Let each position look at those before it: softmax(q·kᵀ/√d)·v for each head."""
        with am.scope("attention"):
            q, k, v = (
                self.heads(h @ self.weights[f"attention.{name}"])
                for name in ("query", "key", "value")
            )
            scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(WIDTH / HEADS)
            later = np.triu(np.ones(scores.shape[-2:], bool), 1)
            looked = am.softmax(np.where(later, -1e9, scores)) @ v
            joined = np.reshape(np.swapaxes(looked, 1, 2), h.shape)
            return joined @ self.weights["attention.output"]

    def heads(self, x: am.Tensor) -> am.Tensor:
        """Return (batch, position, width) as (batch, head, position, width of a head)."""
        batch, positions, _ = x.shape
        return np.swapaxes(np.reshape(x, (batch, positions, HEADS, WIDTH // HEADS)), 1, 2)

    def mlp(self, h: am.Tensor) -> am.Tensor:
        """Apply a perceptron with one hidden layer at each position."""
        with am.scope("mlp"):
            return am.relu(h @ self.weights["mlp.first"]) @ self.weights["mlp.second"]


def sequences(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return numbers, a bar, and the same numbers backwards: (count, 2·LENGTH + 1)."""
    digits = rng.integers(0, DIGITS, (count, LENGTH))
    return np.hstack([digits, np.full((count, 1), BAR), digits[:, ::-1]])


def loss_of(model: Transformer, rows: np.ndarray) -> am.Tensor:
    """Return the cross-entropy of the digits after the bar."""
    logits = model(rows[:, :-1])[:, LENGTH:]
    with am.scope("loss"):
        loss = am.nn.cross_entropy(np.reshape(logits, (-1, DIGITS)), rows[:, LENGTH + 1 :].ravel())
    loss.name = "loss"
    return loss


def written(model: Transformer, digits: np.ndarray) -> np.ndarray:
    """Let the model write on, one digit after the other, the likeliest each time."""
    rows = np.hstack([digits, np.full((len(digits), 1), BAR)])
    with am.no_grad():
        for _ in range(LENGTH):
            following = np.argmax(model(rows).data[:, -1], axis=-1)
            rows = np.hstack([rows, following[:, None]])
    return rows[:, LENGTH + 1 :]


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    model = Transformer(rng)
    optimizer = am.optim.Adam(list(model.weights.values()), lr=0.003)
    count = sum(w.size for w in model.weights.values())
    print(f"{count:,} weights, {STEPS} steps of {BATCH} numbers")
    for step in range(STEPS + 1):
        loss = loss_of(model, sequences(rng, BATCH))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 100 == 0:
            print(f"step {step:3}: loss {loss.item():.4f}")
    digits = rng.integers(0, DIGITS, (500, LENGTH))
    answers = written(model, digits)
    right = np.mean(np.all(answers == digits[:, ::-1], axis=1))
    for question, answer in zip(digits[:3], answers, strict=False):
        print(f"{''.join(map(str, question))} backwards: {''.join(map(str, answer))}")
    print(f"right: {right:.1%} of {len(digits)} numbers")
    loss = loss_of(model, sequences(rng, 2))
    viz.render(loss, pictures / "transformer.svg", title="A transformer")
    viz.render(
        loss,
        pictures / "transformer_attention.svg",
        open="block/attention",
        title="Its self-attention, opened",
    )
    print(f"pictures: {pictures}/transformer.svg, transformer_attention.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
