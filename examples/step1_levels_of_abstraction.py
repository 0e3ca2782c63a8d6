"""Step 1: the same small network at three levels of abstraction.

(a) NumPy by hand: the formulas and their derivatives. (b) Automatic differentiation: you write the
graph of the computation, the gradients come by themselves. (c) A ready model: data in, predictions
out. From the same initial weights, all three have the same losses.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import autograd_mini as am

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    raise SystemExit('this example needs: pip install -e ".[examples]"') from None

BLUE, VERMILION, INK = "#0072B2", "#D55E00", "#1f2328"
EPOCHS, RATE = 400, 1.0


def by_hand(x, target, W1, b1, W2, b2):
    """(a) NumPy alone: every derivative worked out on paper."""
    losses = []
    for _ in range(EPOCHS):
        hidden = np.tanh(x @ W1 + b1)
        logit = hidden @ W2 + b2
        losses.append(np.mean(np.log1p(np.exp(logit)) - target * logit))
        d_logit = (1 / (1 + np.exp(-logit)) - target) / len(x)
        d_W2, d_b2 = hidden.T @ d_logit, d_logit.sum(axis=0)
        d_before = d_logit @ W2.T * (1 - hidden**2)
        d_W1, d_b1 = x.T @ d_before, d_before.sum(axis=0)
        W1, b1 = W1 - RATE * d_W1, b1 - RATE * d_b1
        W2, b2 = W2 - RATE * d_W2, b2 - RATE * d_b2
    return losses


def with_gradients(x, target, *initial):
    """(b) Automatic differentiation: only the forward computation is written."""
    W1, b1, W2, b2 = parameters = [am.tensor(value, requires_grad=True) for value in initial]
    losses = []
    for _ in range(EPOCHS):
        logit = np.tanh(x @ W1 + b1) @ W2 + b2
        loss = np.mean(np.log1p(np.exp(logit)) - target * logit)
        losses.append(loss.item())
        loss.backward()
        for parameter in parameters:
            parameter.data -= RATE * parameter.grad
            parameter.zero_grad()
    return losses


def ready_model(x, target, model):
    """(c) A ready model: say what, not how."""
    return model.fit(
        x, target, epochs=EPOCHS, batch_size=len(x), shuffle=False, loss="binary_cross_entropy",
        optimizer=am.optim.SGD(model.parameters(), lr=RATE), verbose=False,
    ).loss  # fmt: skip


def plot(levels: dict[str, list[float]], model, x, target, path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.4))
    looks = (("#9ecae6", 9, "-"), (VERMILION, 4, "-"), (INK, 1.4, "--"))
    for (name, losses), (colour, width, style) in zip(levels.items(), looks, strict=True):
        left.plot(losses, style, color=colour, linewidth=width, label=name)
    left.set(title="Three levels, one curve", xlabel="epochs", ylabel="loss", ylim=(0, None))
    left.legend()
    side = np.linspace(-2, 2, 81)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    logit = model.predict(grid).reshape(81, 81)
    right.contourf(side, side, logit, levels=[-1e9, 0, 1e9], colors=["#fbe3d3", "#d3e8f5"])
    right.contour(side, side, logit, levels=[0], colors=INK)
    for value, colour, marker in ((1, BLUE, "o"), (0, VERMILION, "X")):
        right.scatter(*x[target[:, 0] == value].T, s=34, c=colour, marker=marker,
                      edgecolors="white", linewidths=0.6)  # fmt: skip
    right.set(aspect="equal", title="What all three have learned", xlabel="x₁", ylabel="x₂")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    plt.style.use(Path(__file__).with_name("lesson.mplstyle"))
    x = np.random.default_rng(0).uniform(-2, 2, size=(120, 2))
    target = (x[:, :1] * x[:, 1:] > 0).astype(float)  # opposite quadrants are of one class
    model = am.nn.MLP([2, 6, 1], activation="tanh", seed=3)
    initial = [parameter.data.copy() for parameter in model.parameters()]

    levels = {
        "a  NumPy by hand": by_hand(x, target, *initial),
        "b  automatic differentiation": with_gradients(x, target, *initial),
        "c  ready model": ready_model(x, target, model),
    }
    print("epoch " + "".join(f"{name:>30}" for name in levels))
    for epoch in (0, 1, 10, 100, EPOCHS - 1):
        print(f"{epoch:5d} " + "".join(f"{losses[epoch]:30.15f}" for losses in levels.values()))
    difference = np.ptp(np.array(list(levels.values())), axis=0).max()
    print(f"largest difference between the levels over {EPOCHS} epochs: {difference:.1e}")
    plot(levels, model, x, target, pictures / "step1_levels.svg")
    print(f"picture: {pictures / 'step1_levels.svg'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
