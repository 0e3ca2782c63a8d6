"""Compare this library with its peers: whole training steps, start-up, memory, growth.

    python benchmarks/compare.py                     # everything that is installed
    python benchmarks/compare.py --only small moons
    python benchmarks/compare.py --write             # the results go into docs/benchmarks.md
    python benchmarks/compare.py --peers numpy torch jax --quick

Every contestant runs in a process of its own, from the same weights and data; its losses are
compared with the reference before it is timed. Then the processes take turns. Each library keeps
its default number of threads.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import growth
import report
import tables
from contestants import BY_HAND, COMPILED, CONTESTANTS, EAGER, JAX, TORCH, Contestant
from peaks import peaks
from turns import QUICK, SLOW, Effort, race
from workloads import DEEP, WORKLOADS, Workload

DOCUMENTS = Path(__file__).parents[1] / "docs"
PICTURE = "growth.svg"
NAMES = [*(w.name for w in WORKLOADS), "memory", "growth"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="WORKLOAD")
    parser.add_argument("--peers", nargs="*", metavar="PACKAGE", help="only these, and ourselves")
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it runs")
    parser.add_argument(
        "--write", action="store_true", help="put what was measured into docs/benchmarks.md"
    )
    options = parser.parse_args()
    if options.write and (options.quick or options.peers is not None):
        parser.error("--write is for whole measurements: leave out --peers and --quick")
    if options.write and importlib.util.find_spec("matplotlib") is None:
        parser.error("--write draws with matplotlib, which is not installed")
    return options


def chosen(peers: list[str] | None) -> list[Contestant]:
    """Return this library's contestants, and those of the packages."""
    wanted = None if peers is None else {"autograd-mini", *peers}
    return [c for c in CONTESTANTS if wanted is None or wanted & set(c.package.split("|"))]


def raced(workload: Workload, contestants: list[Contestant], quick: bool) -> list[str]:
    """Run a race and print it; return its section."""
    print(f"\n{workload.name}: {workload.title}", flush=True)
    effort = SLOW if workload.kind == "moons" else Effort()
    entries = race(workload, contestants, QUICK if quick else effort)
    print(tables.plain(tables.race_rows(entries)))
    tell(tables.left_out(entries))
    return report.race_section(workload, entries)


def remembered(contestants: list[Contestant]) -> list[str]:
    """Measure the memory and print it; return its section."""
    print(f"\nmemory: {DEEP.title}", flush=True)
    found = peaks(DEEP, [c for c in (COMPILED, EAGER, TORCH, JAX, BY_HAND) if c in contestants])
    print(tables.plain(report.peak_rows(found)))
    tell([f"{p.contestant.name}: {p.reason}" for p in found if p.reason])
    return report.peak_section(DEEP, found)


def grown(contestants: list[Contestant], quick: bool, write: bool) -> list[str]:
    """Measure the growth and print it, draw it if it is to be written; return its section."""
    rounds, seconds = (1, 0.002) if quick else (5, 0.02)
    curves, left_out = growth.measure(contestants, rounds, seconds)
    for place, axis in enumerate(growth.AXES):
        print(f"\ngrowth: {axis.title}, {axis.label}")
        print(tables.plain(growth.rows(curves, place)))
    tell(left_out)
    if write:
        growth.draw(curves, DOCUMENTS / PICTURE)
    return report.growth_section(PICTURE, left_out)


def tell(left_out: list[str]) -> None:
    """Print who is left out, and why."""
    for line in left_out:
        print(f"left out: {line}")


def measured(options: argparse.Namespace) -> Iterator[list[str]]:
    """Measure what is asked for; yield the paragraphs of each section."""
    contestants = chosen(options.peers)
    for workload in WORKLOADS:
        if workload.name in options.only:
            yield raced(workload, contestants, options.quick)
    if "memory" in options.only:
        yield remembered(contestants)
    if "growth" in options.only:
        yield grown(contestants, options.quick, options.write)


def main() -> None:
    options = arguments()
    print(tables.machine())
    for title, *paragraphs in measured(options):
        if options.write:
            paragraphs.append(tables.machine() + ".")
            report.write(DOCUMENTS / "benchmarks.md", title, paragraphs)


if __name__ == "__main__":
    main()
