"""Real data: logistic regression tells malignant from benign tumours.

569 tumours, 30 measurements of each (scikit-learn's breast-cancer set, Wolberg et al. 1995). One
neuron is enough, and since it has one weight a measurement, one can look at what it learned.
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
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split
except ModuleNotFoundError:
    raise SystemExit('this example needs: pip install -e ".[examples]"') from None

BLUE, ORANGE, VERMILION = "#0072B2", "#E69F00", "#D55E00"


def plot(names: np.ndarray, weights: np.ndarray, p: np.ndarray, target: np.ndarray, path: Path):
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.6), width_ratios=(1.1, 1))
    order = np.argsort(weights)
    shown = np.concatenate([order[:6], order[-6:]])
    left.barh(names[shown], weights[shown], color=np.where(weights[shown] > 0, BLUE, ORANGE))
    left.axvline(0, color="#57606a", linewidth=0.8)
    left.set(
        title="The measurements that speak loudest",
        xlabel="←  malignant      weight      benign  →",
    )
    bins = np.linspace(0, 1, 21)
    looks = ((1, "benign", BLUE, ""), (0, "malignant", VERMILION, "///"))
    for value, name, colour, hatch in looks:
        right.hist(p[target == value], bins, color=colour, alpha=0.75, hatch=hatch,
                   edgecolor="white", label=name)  # fmt: skip
    right.set(title="Tumours it has not seen",
              xlabel="p, the probability of benign", ylabel="tumours")  # fmt: skip
    right.legend()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    plt.style.use(Path(__file__).with_name("lesson.mplstyle"))
    data = load_breast_cancer()
    x, x_test, target, target_test = train_test_split(
        data.data, data.target[:, None], test_size=0.25, random_state=0, stratify=data.target
    )
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    x, x_test = (x - mean) / deviation, (x_test - mean) / deviation

    model = am.nn.Dense(30, 1, seed=0)
    optimizer = am.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    history = model.fit(x, target, epochs=60, batch_size=32, loss="binary_cross_entropy",
                        optimizer=optimizer, seed=0, verbose=False)  # fmt: skip
    print(f"loss {history.loss[0]:.4f} → {history.loss[-1]:.4f} in {len(history)} epochs")
    for name, points, labels in (("training", x, target), ("test", x_test, target_test)):
        right = am.nn.accuracy(model.predict(points), labels)
        print(f"{name} accuracy: {right:.1%} of {len(points)}")
    p = am.sigmoid(model.predict(x_test))[:, 0]
    missed = np.sum((p > 0.5) & (target_test[:, 0] == 0))
    print(
        f"malignant tumours of the test set called benign: {missed} of {np.sum(target_test == 0)}"
    )
    path = pictures / "breast_cancer.svg"
    plot(data.feature_names, model.weight.data[:, 0], p, target_test[:, 0], path)
    print(f"picture: {path}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
