"""Step 2: a line between two classes, and what the linear combination measures.

Three coefficients make a line, w1·x1 + w2·x2 + b = 0. The prediction is the sign of that
combination; divided by the length of w it is a length with a sign: how far the point lies from the
line, measured along the line's normal w.
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


def clouds(seed: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Draw 40 points of each class: x of shape (80, 2), labels +1 and −1 of shape (80,)."""
    rng = np.random.default_rng(seed)
    positive = rng.normal((1.1, 0.9), 0.5, size=(40, 2))
    negative = rng.normal((-0.9, -0.7), 0.5, size=(40, 2))
    return np.concatenate([positive, negative]), np.repeat([1.0, -1.0], 40)


def fit(x: np.ndarray, labels: np.ndarray, steps: int = 300) -> tuple[np.ndarray, float]:
    """Find the line that has every point on its side with a margin (the hinge loss)."""
    w = am.tensor([0.0, 0.0], requires_grad=True, name="w")
    b = am.tensor(0.0, requires_grad=True, name="b")
    for _ in range(steps):
        loss = np.mean(np.maximum(1 - labels * (x @ w + b), 0)) + 0.01 * np.sum(w * w)
        loss.backward()
        for parameter in (w, b):
            parameter.data -= 0.2 * parameter.grad
            parameter.zero_grad()
    return w.data, b.item()


def plot(x: np.ndarray, labels: np.ndarray, w: np.ndarray, b: float, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(6.2, 5.4))
    for sign, colour, marker in ((1, BLUE, "o"), (-1, VERMILION, "X")):
        group = x[labels == sign]
        axes.scatter(*group.T, s=48, c=colour, marker=marker, edgecolors="white", linewidths=0.7,
                     label=f"y = {sign:+d}".replace("-", "−"))  # fmt: skip
    normal = w / np.linalg.norm(w)
    along = np.array([-normal[1], normal[0]])
    foot = -b / np.linalg.norm(w) * normal  # the point of the line that is nearest to the origin
    axes.plot(*np.transpose([foot - 5 * along, foot + 5 * along]), color=INK)
    tail = foot - 1.5 * along
    axes.annotate(
        "", tail + normal, tail, arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 2.5}
    )
    axes.annotate(
        "w", tail + normal, (6, 0), textcoords="offset points", fontsize=15, weight="bold"
    )
    positive, negative = x[labels == 1], x[labels == -1]
    for point in (positive[np.argmax(positive @ along)], negative[np.argmin(negative @ along)]):
        length = (point @ w + b) / np.linalg.norm(w)
        near = point - length * normal
        axes.plot(*np.transpose([point, near]), color=INK, linewidth=1.3, linestyle="--")
        text = f"{length:+.2f}".replace("-", "−")
        axes.text(*((near + point) / 2), text, ha="center", va="bottom" if length > 0 else "top",
                  rotation=np.degrees(np.arctan2(*normal[::-1])))  # fmt: skip
    axes.set(xlim=(-2.6, 2.7), ylim=(-2.3, 2.5), aspect="equal", xlabel="x₁", ylabel="x₂",
             title="The sign is the class, the length\nis the distance from the line")  # fmt: skip
    axes.legend(loc="upper left")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    plt.style.use(Path(__file__).with_name("lesson.mplstyle"))
    x, labels = clouds()
    w, b = fit(x, labels)
    combination = x @ w + b
    print(f"the line: {w[0]:+.3f}·x1 {w[1]:+.3f}·x2 {b:+.3f} = 0")
    print(f"right: {np.mean(np.sign(combination) == labels):.0%} of {len(x)} points")
    print("      x1      x2   combination   signed length   sign   label")
    for i in (0, 1, 40, 41):
        length = combination[i] / np.linalg.norm(w)
        print(f"{x[i, 0]:8.3f}{x[i, 1]:8.3f}{combination[i]:14.3f}{length:16.3f}"
              f"{np.sign(combination[i]):+7.0f}{labels[i]:+8.0f}")  # fmt: skip
    plot(x, labels, w, b, pictures / "step2_line.svg")
    print(f"picture: {pictures / 'step2_line.svg'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
