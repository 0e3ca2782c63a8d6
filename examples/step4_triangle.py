"""Step 4: the triangle, solved by four logistic regressions, which are the simplest network.

Positives lie inside a triangle, negatives around it: no line separates them. Three logistic
regressions, each fitted to one side, give three predictions. Those are new coordinates, in which a
fourth one separates the classes. Together they are a network with three hidden neurons, so the same
network is then trained as a whole, and its gradients are checked against finite differences.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import autograd_mini as am
import viz

try:  # only the plots need it
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from mpl_toolkits.mplot3d.art3d import Poly3DCollection
except ModuleNotFoundError:
    plt = None

BLUE, VERMILION, INK = "#0072B2", "#D55E00", "#1f2328"
TINTS = ["#fbe3d3", "#d3e8f5"]
CORNERS = np.array([[0.0, 1.0], [-0.866, -0.5], [0.866, -0.5]])


# ── the data ─────────────────────────────────────────────────────────────────────────────────────
def triangle(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw 200 points in a disc, half of them inside of the triangle.

    Returns:
        x of shape (200, 2); target of shape (200, 1), 1 inside; and for each of the three sides, of
        shape (200, 3), 1 on its inner side.
    """
    rng = np.random.default_rng(seed)
    radius, angle = 1.6 * np.sqrt(rng.random(2000)), 2 * np.pi * rng.random(2000)
    x = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    distance = x @ CORNERS.T + 0.5  # from each side, positive towards the inside
    depth = distance.min(axis=1)
    chosen = np.concatenate(
        [np.flatnonzero(depth > 0.05)[:100], np.flatnonzero(depth < -0.05)[:100]]
    )
    return x[chosen], 1.0 * (depth[chosen, None] > 0), 1.0 * (distance[chosen] > 0)


# ── training ─────────────────────────────────────────────────────────────────────────────────────
def train(model: am.nn.Module, x: np.ndarray, target: np.ndarray, steps: int) -> list[float]:
    """Minimise the logistic loss, and return it after each step."""
    optimizer = am.optim.Adam(model.parameters(), lr=0.1)
    losses = []
    for _ in range(steps):
        loss = am.nn.binary_cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def probability(model: am.nn.Module, x: np.ndarray) -> np.ndarray:
    return am.sigmoid(model.predict(x))


def accuracy(model: am.nn.Module, x: np.ndarray, target: np.ndarray) -> float:
    return np.mean((probability(model, x) > 0.5) == target)


def joined(sides: list[am.nn.Dense], fourth: am.nn.Dense) -> am.nn.MLP:
    """Put the four regressions into one network of 2 inputs, 3 hidden neurons and 1 output."""
    network = am.nn.MLP([2, 3, 1], activation="sigmoid")
    hidden, output = network.layers
    hidden.weight.assign(np.concatenate([side.weight.data for side in sides], axis=1))
    hidden.bias.assign(np.concatenate([side.bias.data for side in sides]))
    output.weight.assign(fourth.weight.data)
    output.bias.assign(fourth.bias.data)
    return network


def check_gradients(network: am.nn.MLP, x: np.ndarray, target: np.ndarray):
    """Compare the gradient of the loss by every weight and bias with finite differences."""

    def loss(parameters):
        return am.nn.binary_cross_entropy(network.with_parameters(parameters)(x), target)

    return am.gradcheck(loss, dict(network.named_parameters()))


# ── pictures ─────────────────────────────────────────────────────────────────────────────────────
def draw_network(network: am.nn.MLP, x: np.ndarray, target: np.ndarray, pictures: Path) -> None:
    points, labels = am.tensor(x, name="points"), am.tensor(target, name="target")
    loss = am.nn.binary_cross_entropy(network(points), labels)
    loss.name = "loss"
    viz.render(loss, pictures / "triangle_graph.svg", title="The triangle network and its loss")
    viz.render(network, pictures / "triangle_neurons.svg", title="The trained triangle network")


def scatter(axes, x: np.ndarray, target: np.ndarray, **options) -> None:
    for value, colour, marker in ((1, BLUE, "o"), (0, VERMILION, "X")):
        axes.scatter(*x[target[:, 0] == value].T, s=30, c=colour, marker=marker,
                     edgecolors="white", linewidths=0.5, **options)  # fmt: skip


def show_plane(axes, model: am.nn.Module, x, target, title: str) -> None:
    """Plot the points and the region that a model holds for the triangle."""
    side = np.linspace(-1.75, 1.75, 71)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    logit = model.predict(grid.reshape(-1, 2)).reshape(71, 71)
    axes.contourf(side, side, logit, levels=[-1e9, 0, 1e9], colors=TINTS)
    axes.contour(side, side, logit, levels=[0], colors=INK, linewidths=2)
    scatter(axes, x, target)
    axes.set(aspect="equal", xlabel="x₁", ylabel="x₂", title=title,
             xlim=(-1.75, 1.75), ylim=(-1.75, 1.75))  # fmt: skip


def show_lines(axes, hidden: am.nn.Dense) -> None:
    """Plot where each neuron of the hidden layer answers one half."""
    for w, b in zip(hidden.weight.data.T, hidden.bias.data, strict=True):
        normal = w / np.linalg.norm(w)
        foot, along = -b / np.linalg.norm(w) * normal, np.array([-normal[1], normal[0]])
        axes.plot(
            *np.transpose([foot - 5 * along, foot + 5 * along]), "--", color=INK, linewidth=1.6
        )


def cut(v: np.ndarray, c: float) -> np.ndarray:
    """Return the corners, in order, of the polygon where v·p + c = 0 cuts the unit cube."""
    corners = []
    for axis in range(3):  # each edge of the cube: two coordinates are 0 or 1, the third is solved
        others = [i for i in range(3) if i != axis]
        for ends in np.ndindex(2, 2):
            point = np.zeros(3)
            point[others] = ends
            point[axis] = -(c + v[others] @ point[others]) / v[axis]
            if 0 <= point[axis] <= 1:
                corners.append(point)
    middle = np.mean(corners, axis=0)
    across = np.cross(v / np.linalg.norm(v), corners[0] - middle)
    angles = [
        np.arctan2((p - middle) @ across, (p - middle) @ (corners[0] - middle)) for p in corners
    ]
    return np.array(corners)[np.argsort(angles)]


def plot_cube(predictions: np.ndarray, target: np.ndarray, fourth: am.nn.Dense, path: Path) -> None:
    """Plot the points in their new coordinates, and the plane of the fourth regression."""
    figure = plt.figure(figsize=(5.6, 5.2))
    axes = figure.add_subplot(projection="3d")
    plane = cut(fourth.weight.data[:, 0], fourth.bias.data[0])
    axes.add_collection3d(Poly3DCollection([plane], color="#57606a", alpha=0.3))
    scatter(axes, predictions, target, depthshade=False)
    axes.set(xlim=(0, 1), xticks=(0, 0.5, 1), xlabel="side 1")
    axes.set(ylim=(0, 1), yticks=(0.5, 1), ylabel="side 2")
    axes.set(zlim=(0, 1), zticks=(0, 0.5, 1), zlabel="side 3")
    axes.xaxis.labelpad = axes.yaxis.labelpad = 9
    axes.set_title("In the new coordinates one plane separates them", y=1.02)
    axes.view_init(elev=18, azim=-34)
    axes.set_box_aspect(None, zoom=0.92)
    save(figure, path)


def plot_sides(x, target, single: am.nn.Dense, by_hand: am.nn.MLP, path: Path) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.8), sharey=True)
    show_plane(left, single, x, target, "No line separates the triangle")
    show_plane(right, by_hand, x, target, "Three sides, and a fourth on them, do")
    show_lines(right, by_hand.layers[0])
    save(figure, path)


def plot_loss(losses: list[float], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(4.8, 4.5))
    axes.plot(losses)
    axes.set(
        title="Trained as a whole, the loss falls", xlabel="steps", ylabel="loss", ylim=(0, None)
    )
    save(figure, path)


def plot_boundary(x, target, network: am.nn.MLP, path: Path) -> None:
    figure, axes = plt.subplots(figsize=(4.8, 4.8))
    show_plane(axes, network, x, target, "The network finds the sides by itself")
    show_lines(axes, network.layers[0])
    save(figure, path)


def save(figure, path: Path) -> None:
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    x, target, inner = triangle()

    print("one by one")
    single = am.nn.Dense(2, 1, seed=0)
    train(single, x, target, 500)
    print(f"  a single logistic regression: {accuracy(single, x, target):.1%} right")
    sides = [am.nn.Dense(2, 1, seed=k) for k in range(3)]
    for k, side in enumerate(sides):
        train(side, x, inner[:, k : k + 1], 500)
        w, b = side.weight.data[:, 0], side.bias.data[0]
        right = accuracy(side, x, inner[:, k : k + 1])
        print(f"  side {k + 1}: {w[0]:+.2f}·x1 {w[1]:+.2f}·x2 {b:+.2f} > 0, {right:.1%} right")
    predictions = np.concatenate([probability(side, x) for side in sides], axis=1)
    fourth = am.nn.Dense(3, 1, seed=3)
    train(fourth, predictions, target, 1000)
    print(f"  a fourth one on their predictions: {accuracy(fourth, predictions, target):.1%} right")
    by_hand = joined(sides, fourth)
    difference = np.abs(probability(by_hand, x) - probability(fourth, predictions)).max()
    print(f"  joined into one 2-3-1 network, the outputs differ by {difference:.1e}")

    print("as a whole")
    network = am.nn.MLP([2, 3, 1], activation="sigmoid", seed=0)
    losses = train(network, x, target, 800)
    print(f"  loss {losses[0]:.4f} → {losses[-1]:.4f}, {accuracy(network, x, target):.1%} right")
    print(check_gradients(network, x, target))

    draw_network(network, x, target, pictures)
    if plt is None:
        print('matplotlib is not installed, so there are no plots: pip install -e ".[examples]"')
    else:
        plt.style.use(Path(__file__).with_name("lesson.mplstyle"))
        plot_sides(x, target, single, by_hand, pictures / "triangle_sides.svg")
        plot_cube(predictions, target, fourth, pictures / "triangle_cube.svg")
        plot_loss(losses, pictures / "triangle_loss.svg")
        plot_boundary(x, target, network, pictures / "triangle_boundary.svg")
    print("pictures")
    for path in sorted(pictures.glob("triangle_*.svg")):
        print(f"  {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
