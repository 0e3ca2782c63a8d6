"""Growth: how a training step's cost grows with width, depth, batch and number of operations."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path

from contestants import BY_HAND, COMPILED, EAGER, JAX, TORCH, Contestant
from tables import duration
from turns import PAUSE, Failure, Process
from workloads import Workload


@dataclass(frozen=True)
class Axis:
    """One quantity that grows: the workload of each of its values."""

    title: str
    label: str
    workloads: dict[int, Workload]


def network(sizes: tuple[int, ...], batch: int) -> Workload:
    """Return the workload of a network."""
    return Workload("growth", "training", sizes, batch)


AXES = [
    Axis(
        "Width",
        "neurons a layer (3 layers, batch 64)",
        {n: network((n,) * 4, 64) for n in (8, 16, 32, 64, 128, 256, 512)},
    ),
    Axis(
        "Depth",
        "layers (64 wide, batch 64)",
        {n: network((64,) * (n + 1), 64) for n in (1, 2, 4, 8, 16, 32)},
    ),
    Axis(
        "Batch",
        "samples (3 layers, 64 wide)",
        {n: network((64,) * 4, n) for n in (1, 8, 64, 512, 4096)},
    ),
    Axis(
        "Number of operations",
        "layers of 4 neurons, batch 4",
        {n: network((4,) * (n + 1), 4) for n in (4, 16, 64, 128)},
    ),
]
LINES: list[tuple[Contestant, str]] = [
    (EAGER, "#4c9be8"),
    (COMPILED, "#0b3d91"),
    (TORCH, "#e4572e"),
    (JAX, "#7a5195"),
    (BY_HAND, "#8a8a8a"),
]

Curves = dict[str, list[dict[int, float]]]
"""For each contestant and each axis: a quantity's value → the seconds of a step,
of the fastest turn."""


def measure(contestants: list[Contestant], rounds: int, seconds: float) -> tuple[Curves, list[str]]:
    """Return the curves, and who has none and why; each contestant has one process for all."""
    running, left_out = start(contestants)
    curves: Curves = {c.name: [{} for _ in AXES] for c in running}
    for place, axis in enumerate(AXES):
        for value, workload in axis.workloads.items():
            steps = {c: prepared(c, running, workload, seconds, left_out) for c in list(running)}
            found: dict[Contestant, list[float]] = {c: [] for c in running}
            for _ in range(rounds):
                for contestant, process in running.items():
                    time.sleep(PAUSE)
                    found[contestant].append(process.ask("turn", steps[contestant]))
            for contestant, times in found.items():
                curves[contestant.name][place][value] = min(times)
    for process in running.values():
        process.end()
    return curves, left_out


def start(contestants: list[Contestant]) -> tuple[dict[Contestant, Process], list[str]]:
    """Start the processes of those that are installed."""
    wanted = [c for c, _ in LINES if c in contestants]
    installed = [c for c in wanted if c.version()]
    missing = [f"{c.name}: not installed" for c in wanted if c not in installed]
    return {c: Process(c) for c in installed}, missing


def prepared(
    contestant: Contestant,
    running: dict[Contestant, Process],
    workload: Workload,
    seconds: float,
    left_out: list[str],
) -> int:
    """Make the step and return how many fill a turn; a contestant that fails is stopped."""
    process = running[contestant]
    try:
        process.ask("make", dataclasses.asdict(workload))
        first = process.ask("first", 6)["seconds"]
    except Failure as failure:
        left_out.append(f"{contestant.name}: {failure}")
        running.pop(contestant).end()
        return 0
    return max(1, round(seconds / min(first[3:])))


def rows(curves: Curves, place: int) -> list[list[str]]:
    """Return a row a contestant: the step's time for each value of the axis."""
    values = list(AXES[place].workloads)
    return [["contestant", *map(str, values)]] + [
        [name, *(duration(points[place][value]) for value in values)]
        for name, points in curves.items()
    ]


def draw(curves: Curves, path: Path) -> None:
    """Write the picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    style = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    with plt.rc_context({**style, "svg.fonttype": "path", "svg.hashsalt": "growth"}):
        figure, grid = plt.subplots(2, 2, figsize=(8.4, 6.4), sharey=True, layout="constrained")
        for place, (axis, plot) in enumerate(zip(AXES, grid.flat, strict=True)):
            for contestant, color in LINES:
                if contestant.name in curves:
                    points = curves[contestant.name][place]
                    plot.plot(points.keys(), [s * 1e3 for s in points.values()], "o-", color=color,
                              markersize=3, linewidth=1.6, label=contestant.name)  # fmt: skip
            values = list(axis.workloads)
            plot.set_xscale("log", base=2)
            plot.set_xticks(values, map(str, values))
            plot.minorticks_off()
            plot.set_yscale("log")
            plot.set_title(axis.title, loc="left", fontweight="bold")
            plot.set_xlabel(axis.label)
            plot.grid(axis="y", color="#e6e6e6", linewidth=0.7)
            plot.set_axisbelow(True)
        for plot in grid[:, 0]:
            plot.set_ylabel("a training step, ms")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)
