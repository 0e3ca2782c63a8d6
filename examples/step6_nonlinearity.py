"""Step 6: without a non-linearity the layers multiply out to a single one.

(x W1 + b1) W2 + b2 = x (W1 W2) + (b1 W2 + b2): however many neurons the hidden layer has, the
result is one linear combination of x1 and x2, and its boundary one line. The sigmoid between the
layers is what makes a network more than a line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import autograd_mini as am
import viz

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    raise SystemExit('this example needs: pip install -e ".[examples]"') from None

BLUE, VERMILION, INK = "#0072B2", "#D55E00", "#1f2328"
CORNERS = np.array([[0.0, 1.0], [-0.866, -0.5], [0.866, -0.5]])


def triangle(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw points in a disc: x of shape (240, 2), target 1 inside of the triangle, else 0."""
    rng = np.random.default_rng(seed)
    radius, angle = 1.6 * np.sqrt(rng.random(2000)), 2 * np.pi * rng.random(2000)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    depth = np.min(x @ CORNERS.T + 0.5, axis=1)  # from the nearest side, inwards
    inside, outside = x[depth > 0.04][:120], x[depth < -0.04][:120]
    return np.concatenate([inside, outside]), np.repeat([1.0, 0.0], [120, 120])


def initial(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {"W1": (2, 3), "b1": (3,), "W2": (3, 1), "b2": (1,)}
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def network(p: dict, x, activation=None):
    """Return what comes out of a 2-3-1 network, as a logit."""
    hidden = x @ p["W1"] + p["b1"]
    if activation is not None:
        hidden = activation(hidden)
    return hidden @ p["W2"] + p["b2"]


def collapsed(p: dict) -> tuple[np.ndarray, np.ndarray]:
    """Multiply the two layers out: the weights (2, 1) and the bias (1,) of a single one."""
    return p["W1"] @ p["W2"], p["b1"] @ p["W2"] + p["b2"]


def train(p: dict, x: np.ndarray, target: np.ndarray, activation, steps: int = 3000) -> dict:
    """Minimise the logistic loss by gradient descent."""

    def loss(p):
        logit = network(p, x, activation)[:, 0]
        return np.mean(am.softplus(logit) - target * logit)

    gradient = am.grad(loss)
    for _ in range(steps):
        g = gradient(p)
        p = {name: p[name] - 2.0 * g[name] for name in p}
    return p


def plot(x: np.ndarray, target: np.ndarray, panels: list, path: Path) -> None:
    side = np.linspace(-1.75, 1.75, 71)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    figure, axes_row = plt.subplots(1, len(panels), figsize=(9.4, 4.8), sharey=True)
    for axes, (title, p, activation) in zip(axes_row, panels, strict=True):
        logit = network(p, grid, activation)[..., 0]
        axes.contourf(side, side, logit, levels=[-1e9, 0, 1e9], colors=["#fbe3d3", "#d3e8f5"])
        axes.contour(side, side, logit, levels=[0], colors=INK, linewidths=2)
        for value, colour, marker in ((1, BLUE, "o"), (0, VERMILION, "X")):
            axes.scatter(*x[target == value].T, s=34, c=colour, marker=marker, edgecolors="white",
                         linewidths=0.6)  # fmt: skip
        axes.set(aspect="equal", xlabel="x₁", title=title)
    axes_row[0].set_ylabel("x₂")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def draw_graphs(p: dict, x: np.ndarray, path: Path) -> None:
    """Draw the linear network and what it collapses to, side by side."""
    points = am.tensor(x, name="x")
    leaves = {name: am.tensor(value, name=name, requires_grad=True) for name, value in p.items()}
    with am.scope("two linear layers"):
        deep = network(leaves, points)
    weight, bias = collapsed(p)
    weight = am.tensor(weight, name="W1 W2", requires_grad=True)
    bias = am.tensor(bias, name="b1 W2 + b2", requires_grad=True)
    with am.scope("one layer"):
        flat = points @ weight + bias
    deep.name, flat.name = "output", "the same output"
    viz.render([deep, flat], path, title="Two linear layers and the one that they collapse to")


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    plt.style.use(Path(__file__).with_name("lesson.mplstyle"))
    x, target = triangle()
    p = initial()
    weight, bias = collapsed(p)
    deep, flat = network(p, x), x @ weight + bias
    w1, w2, b = *weight[:, 0], bias[0]
    print(f"13 weights and biases collapse to three: {w1:+.4f}·x1 {w2:+.4f}·x2 {b:+.4f}")
    print("two linear layers    one layer")
    for one, two in zip(deep[:4, 0], flat[:4, 0], strict=True):
        print(f"{one:17.12f}{two:17.12f}")
    print(f"largest difference over {len(x)} points: {np.abs(deep - flat).max():.1e}")

    panels = []
    for name, activation in (("linear", None), ("sigmoid", am.sigmoid)):
        trained = train(p, x, target, activation)
        right = np.mean((network(trained, x, activation)[:, 0] > 0) == target)
        print(f"trained with a {name} hidden layer: {right:.1%} right")
        panels.append((f"{name} hidden layer: {right:.1%} right", trained, activation))
    plot(x, target, panels, pictures / "step6_boundaries.svg")
    draw_graphs(p, x, pictures / "step6_graphs.svg")
    print(f"pictures: {pictures}/step6_graphs.svg, step6_boundaries.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
