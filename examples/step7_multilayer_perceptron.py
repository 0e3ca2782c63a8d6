"""Step 7: the multilayer perceptron, and who chooses which of its numbers.

Dense layers connect every neuron with all of the layer before. The architecture, how many layers
with how many neurons and which activation, is chosen: those are hyperparameters. The weights
between the layers are trained. A model prints both as a table of itself.
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


def spirals(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw two spirals of 60 points each: x of shape (120, 2), target 0 or 1 of shape (120, 1)."""
    rng = np.random.default_rng(seed)
    t = 3 * np.sqrt(rng.uniform(0.05, 1, size=60))
    arm = np.stack([t * np.cos(2.4 * t), t * np.sin(2.4 * t)], axis=1)
    x = np.concatenate([arm, -arm]) + rng.normal(0, 0.06, size=(120, 2))
    return x, np.repeat([1.0, 0.0], 60)[:, None]


def trained(hidden: list[int], x: np.ndarray, target: np.ndarray) -> am.nn.MLP:
    model = am.nn.MLP([2, *hidden, 1], activation="tanh", seed=1)
    model.fit(
        x,
        target,
        epochs=300,
        batch_size=30,
        loss="binary_cross_entropy",
        optimizer=am.optim.Adam(model.parameters(), lr=0.02),
        seed=0,
        verbose=False,
    )
    return model


def plot(models: dict[str, am.nn.MLP], x: np.ndarray, target: np.ndarray, path: Path) -> None:
    side = np.linspace(-3.5, 3.5, 61)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    figure, panels = plt.subplots(1, len(models), figsize=(11.4, 4.1), sharey=True)
    for axes, (name, model) in zip(panels, models.items(), strict=True):
        logit = model.predict(grid).reshape(61, 61)
        axes.contourf(side, side, logit, levels=[-1e9, 0, 1e9], colors=["#fbe3d3", "#d3e8f5"])
        axes.contour(side, side, logit, levels=[0], colors=INK, linewidths=1.6)
        for value, colour, marker in ((1, BLUE, "o"), (0, VERMILION, "X")):
            axes.plot(*x[target[:, 0] == value].T, marker, color=colour, markersize=5.5,
                      markeredgecolor="white", markeredgewidth=0.5)  # fmt: skip
        right = am.nn.accuracy(model.predict(x), target)
        axes.set(aspect="equal", xlabel="x₁", title=f"hidden {name}: {right:.0%} right")
    panels[0].set_ylabel("x₂")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    plt.style.use(Path(__file__).with_name("lesson.mplstyle"))
    x, target = spirals()
    print(am.nn.MLP([2, 16, 16, 1], activation="tanh", seed=1), "\n")

    models = {}
    for hidden in ([2], [8], [16, 16]):
        name = "-".join(map(str, hidden))
        models[name] = model = trained(hidden, x, target)
        weights = sum(parameter.size for parameter in model.parameters())
        right = am.nn.accuracy(model.predict(x), target)
        print(f"hidden {name:<6} {weights:4d} trainable parameters, {right:.1%} right")
    plot(models, x, target, pictures / "step7_hyperparameters.svg")

    before = am.nn.MLP([2, 8, 1], activation="tanh", seed=1)
    viz.render(before, pictures / "step7_before.svg", title="An MLP before training")
    viz.render(models["8"], pictures / "step7_after.svg", title="The same MLP after training")
    print(f"pictures: {pictures}/step7_before.svg, step7_after.svg, step7_hyperparameters.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
