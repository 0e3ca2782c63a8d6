"""Compiling: a training step that was written once becomes a NumPy program that can be read.

The network of the digits trains twice from the same weights: operation by operation, and as the
program that `am.compile` makes of the same step. The losses agree; the times are a ratio.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import autograd_mini as am
import viz

try:
    from sklearn.datasets import load_digits
except ModuleNotFoundError:
    raise SystemExit('this example needs: pip install -e ".[examples]"') from None

EPOCHS, BATCH = 20, 32
SHOWN = 20


def training_step():
    """Return a training step of a new network, the same one at each call, and its parameters."""
    model = am.nn.MLP([64, 48, 10], activation="tanh", seed=0, dtype="float32")
    optimizer = am.optim.Adam(model, lr=0.003)

    def step(x, labels):
        optimizer.zero_grad()
        loss = am.nn.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return loss

    return step, list(model.parameters())


def train(step, batches) -> tuple[list[float], float]:
    """Take a step for each batch; return the losses, and the seconds of a usual epoch."""
    losses, seconds = [], []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        losses += [step(x, labels).item() for x, labels in batches]
        seconds.append(time.perf_counter() - start)
    return losses, float(np.median(seconds))


def main(pictures: Path) -> None:
    pictures.mkdir(parents=True, exist_ok=True)
    digits = load_digits()
    x, labels = (digits.data / 16).astype(np.float32), digits.target
    order = np.random.default_rng(0).permutation(len(x))
    places = np.split(order[: len(x) // BATCH * BATCH], len(x) // BATCH)
    batches = [(x[place], labels[place]) for place in places]

    eager, eager_parameters = training_step()
    step, parameters = training_step()
    step = am.compile(step)
    eager_losses, eager_seconds = train(eager, batches)
    losses, seconds = train(step, batches)

    apart = max(
        np.abs(p.data - q.data).max() for p, q in zip(parameters, eager_parameters, strict=True)
    )
    print(f"{len(losses)} steps of a 64-48-10 network, batches of {BATCH}, float32, Adam")
    print(f"  eager     loss {eager_losses[0]:.4f} → {eager_losses[-1]:.4f}")
    print(f"  compiled  loss {losses[0]:.4f} → {losses[-1]:.4f}")
    print(f"  the parameters differ by {apart:.1e} at most")
    print(f"  compiled takes {seconds / eager_seconds:.2f} of the time of eager")

    before, after = len(step.recorded_graph), len(step.graph)
    print(f"\n{before} operations were recorded, {after} are left; {step.memory:,} bytes of memory")
    lines = step.source.splitlines()
    start = next(i for i, line in enumerate(lines) if line.lstrip().startswith("def step("))
    print(f"lines {start + 1} to {start + SHOWN} of {len(lines)}:\n")
    print("\n".join(lines[start : start + SHOWN]))

    program = Path(tempfile.mkdtemp(prefix="compile_training_")) / "step.py"
    step.save(program)
    print(f"\nthe whole program, which needs NumPy alone: {program}")
    viz.render(step.recorded, pictures / "compile_before.svg", title="The step as it was recorded")
    viz.render(step, pictures / "compile_after.svg", title="The step as it runs")
    print(f"pictures: {pictures}/compile_before.svg, compile_after.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "output")
