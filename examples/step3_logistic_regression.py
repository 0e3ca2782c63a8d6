"""Step 3: logistic regression, the sigmoid in place of the sign.

The sigmoid turns the signed length into confidence: σ(0) = ½, the positive class has probability p
and the negative one 1 − p. The sign could not be trained: its derivative is 0 wherever it has one,
so the gradient says nothing about where to go. The sigmoid is smooth.
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
    from matplotlib.colors import LinearSegmentedColormap
except ModuleNotFoundError:
    raise SystemExit('this example needs: pip install -e ".[examples]"') from None

BLUE, VERMILION, INK = "#0072B2", "#D55E00", "#1f2328"
CONFIDENCE = LinearSegmentedColormap.from_list("confidence", ["#f4b681", "#ffffff", "#85bfe3"])


def clouds(seed: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Draw 40 points of each class, somewhat mixed: x of shape (80, 2), labels +1 and −1."""
    rng = np.random.default_rng(seed)
    positive = rng.normal((0.9, 0.7), 0.75, size=(40, 2))
    negative = rng.normal((-0.9, -0.7), 0.75, size=(40, 2))
    return np.concatenate([positive, negative]), np.repeat([1.0, -1.0], 40)


def log_loss(w, x, labels):  # w: w1, w2 and b
    """Mean of −log of the probability given to the true class: σ(combination · label)."""
    return -np.mean(np.log(am.sigmoid(labels * (x @ w[:2] + w[2]))))


def sign_loss(w, x, labels):
    """Mean squared error of the signs: 4 × the share of points on the wrong side."""
    return np.mean((np.sign(x @ w[:2] + w[2]) - labels) ** 2)


def train(loss, x: np.ndarray, labels: np.ndarray, steps: int = 200) -> np.ndarray:
    """Descend from the same poor line, and return it, trained."""
    w = np.array([-0.5, 0.5, 0.5])
    for _ in range(steps):
        w = w - 0.5 * am.grad(loss)(w, x, labels)
    return w


def plot_functions(path: Path) -> None:
    s = np.linspace(-6, 6, 241)
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6))
    names = (("sigmoid σ(s)", am.sigmoid, BLUE, "-"), ("sign(s)", np.sign, VERMILION, "--"))
    for name, function, colour, style in names:
        slope = am.grad(lambda t, function=function: np.sum(function(t)))(s)
        panels[0].plot(s, function(s), style, color=colour, label=name)
        panels[1].plot(s, slope, style, color=colour, label=f"{name[: name.index('(')]}′(s)")
    panels[0].set(
        title="Both tell the class …", xlabel="s, the combination", yticks=(-1, 0, 0.5, 1)
    )
    panels[1].set(title="… but only the sigmoid has a slope", xlabel="s, the combination",
                  yticks=(0, 0.25), ylim=(-0.02, 0.3))  # fmt: skip
    for axes in panels:
        axes.legend(loc="upper left")
        axes.grid(color="#d0d7de", linewidth=0.6)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def plot_confidence(x: np.ndarray, labels: np.ndarray, w: np.ndarray, path: Path) -> None:
    side = np.linspace(-3, 3, 61)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    figure, axes = plt.subplots(figsize=(6.4, 5.2))
    levels = [0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1]
    p = am.sigmoid(grid @ w[:2] + w[2])
    filled = axes.contourf(side, side, p, levels=levels, cmap=CONFIDENCE)
    axes.contour(side, side, p, levels=[0.5], colors=INK, linewidths=2)
    for sign, colour, marker in ((1, BLUE, "o"), (-1, VERMILION, "X")):
        axes.scatter(*x[labels == sign].T, s=48, c=colour, marker=marker, edgecolors="white",
                     linewidths=0.7, label=f"y = {sign:+d}".replace("-", "−"))  # fmt: skip
    axes.set(aspect="equal", xlabel="x₁", ylabel="x₂",
             title="Far from the line the model is sure, on it p = ½")  # fmt: skip
    axes.legend(loc="upper right", frameon=True)
    figure.colorbar(filled, label="p, the probability of y = +1", ticks=levels, spacing="uniform")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    plt.style.use(Path(__file__).with_name("lesson.mplstyle"))
    x, labels = clouds()

    print("s      sign(s)  its derivative   σ(s)    its derivative")
    for s in (-2.0, -0.1, 0.0, 0.1, 2.0):
        print(f"{s:4.1f}{np.sign(s):10.0f}{am.grad(np.sign)(s):14.3f}"
              f"{am.sigmoid(s):12.3f}{am.grad(am.sigmoid)(s):14.3f}")  # fmt: skip

    print("\nthe gradients at the first line, checked against finite differences:")
    w = am.tensor([-0.5, 0.5, 0.5], name="w")
    for loss in (sign_loss, log_loss):
        report = am.gradcheck(loss, w, x, labels, argnums=0)
        print(str(report).splitlines()[0])
        print(f"  d {loss.__name__} / dw = {am.grad(loss)(w.data, x, labels).round(4)}")

    print("\nafter 200 steps of gradient descent from that line:")
    for loss in (sign_loss, log_loss):
        trained = train(loss, x, labels)
        right = np.mean(np.sign(x @ trained[:2] + trained[2]) == labels)
        print(f"  {loss.__name__:<9} w = {trained.round(3)}, right: {right:.1%}")
    p = am.sigmoid(x[0] @ trained[:2] + trained[2])
    print(f"the first point is positive with p = {p:.3f}, negative with 1 − p = {1 - p:.3f}")

    plot_functions(pictures / "step3_sign_and_sigmoid.svg")
    plot_confidence(x, labels, trained, pictures / "step3_confidence.svg")
    print(f"pictures: {pictures}/step3_sign_and_sigmoid.svg, step3_confidence.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
