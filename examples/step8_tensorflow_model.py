"""Step 8: TensorFlow's model, and its classic first program.

A graph's vertices are operations; an operation's inputs and outputs are sets of tensors. The input
data, the weights and the error of the prediction are all tensors. The program has one neuron,
y = w·x, and teaches it to answer 0 to 1.
"""

from __future__ import annotations

import sys
from pathlib import Path

import autograd_mini as am
import viz

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
except ModuleNotFoundError:
    raise SystemExit('this example needs: pip install -e ".[examples]"') from None

RATE = 0.025


def program() -> tuple[am.Tensor, am.Tensor, am.Tensor, am.Tensor]:
    """Return the tensors x, w, y and the loss."""
    x = am.tensor(1.0, name="x")
    w = am.tensor(0.8, name="w", requires_grad=True)
    target = am.tensor(0.0, name="target")
    with am.scope("model"):
        y = w * x
    with am.scope("loss"):
        loss = (y - target) ** 2
    y.name, loss.name = "y", "loss"
    return x, w, y, loss


def label(tensor: am.Tensor) -> str:
    """Return a tensor's name; without one, the operation it comes from, or its number."""
    return tensor.name or (tensor.op.name if tensor.op else f"{tensor.item():g}")


def plot(outputs: list[float], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(6.2, 3.6))
    axes.plot(outputs, label="y after each step")
    formula = [0.8 * 0.95**n for n in range(0, len(outputs), 10)]
    axes.plot(range(0, len(outputs), 10), formula, "o", label="0.8 · 0.95ⁿ")
    axes.axhline(0, color="#57606a", linewidth=0.8, linestyle="--")
    axes.set(title="Every step takes 5 % of the error away", xlabel="steps", ylabel="output y",
             ylim=(-0.03, 0.85))  # fmt: skip
    axes.legend()
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    plt.style.use(Path(__file__).with_name("lesson.mplstyle"))
    x, w, y, loss = program()
    graph = am.Graph(loss)
    print(graph, "\n")
    for operation in graph.operations:
        print(f"{operation.name}")
        print(f"  inputs  {', '.join(map(label, operation.inputs))}")
        print(f"  outputs {', '.join(map(label, operation.outputs))}")
    viz.render(loss, pictures / "step8_operations.svg", view="operations",
               title="y = w·x and its loss: operations and tensors")  # fmt: skip
    viz.render(
        loss, pictures / "step8_values.svg", title="The same graph with values and gradients"
    )

    loss.backward()
    print(f"\nthe first gradient: {w.grad:.4g}")
    w.assign(w.data - RATE * w.grad)
    print(f"the weight after one step: {w.item():.4g}")
    outputs = [y.item(), (w * x).item()]
    for _ in range(100):
        gradient = am.grad(lambda w: (w * x - 0.0) ** 2)(w.data)
        w.assign(w.data - RATE * gradient)
        outputs.append((w * x).item())
    print(f"the output after 101 steps: {outputs[101]:.4f}, 0.8·0.95^101 = {0.8 * 0.95**101:.4f}")
    plot(outputs, pictures / "step8_training.svg")
    print(f"pictures: {pictures}/step8_operations.svg, step8_values.svg, step8_training.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
