"""Real data: a multilayer perceptron reads handwritten digits.

1797 pictures of 8 × 8 pixels (scikit-learn's digits set, Alpaydin & Kaynak 1998), ten classes: the
output layer has ten neurons, and the largest one is the answer.
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
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
except ModuleNotFoundError:
    raise SystemExit('this example needs: pip install -e ".[examples]"') from None

INK, VERMILION = "#1f2328", "#D55E00"


def plot(history, x: np.ndarray, labels: np.ndarray, answers: np.ndarray, path: Path) -> None:
    """Plot the training, and digits that were read, all the wrong ones first."""
    figure = plt.figure(figsize=(10.6, 4.6))
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.15))
    axes = left.subplots()
    axes.plot(history["accuracy"], label="training")
    axes.plot(history["val_accuracy"], "--", label="test")
    axes.set(title="The share that is read right", xlabel="epochs", ylim=(0.8, 1.005))
    axes.legend(loc="lower right")
    right.suptitle("What it read; the wrong ones first, with the truth", fontsize=12)
    order = np.argsort(answers == labels, kind="stable")[:24]
    for panel, i in zip(right.subplots(4, 6).flat, order, strict=True):
        panel.imshow(x[i].reshape(8, 8), cmap="gray_r", interpolation="nearest")
        wrong = answers[i] != labels[i]
        text = f"{answers[i]} (is {labels[i]})" if wrong else str(answers[i])
        panel.set_title(text, fontsize=10, color=VERMILION if wrong else INK, pad=3)
        panel.axis("off")
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    plt.style.use(Path(__file__).with_name("lesson.mplstyle"))
    data = load_digits()
    x, x_test, labels, labels_test = train_test_split(
        data.data / 16, data.target, test_size=0.25, random_state=0, stratify=data.target
    )
    model = am.nn.MLP([64, 48, 10], activation="relu", seed=0)
    print(model, "\n")
    history = model.fit(
        x,
        labels,
        epochs=40,
        loss="cross_entropy",
        optimizer=am.optim.Adam(model.parameters(), lr=0.003),
        metrics="accuracy",
        validation=(x_test, labels_test),
        seed=0,
        verbose=False,
    )
    print(history)
    answers = np.argmax(model.predict(x_test), axis=1)
    print(f"test accuracy: {np.mean(answers == labels_test):.2%} of {len(labels_test)}")
    plot(history, x_test, labels_test, answers, pictures / "digits.svg")
    viz.render(model, pictures / "digits_neurons.svg", title="The network that reads digits")
    print(f"pictures: {pictures}/digits.svg, digits_neurons.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
