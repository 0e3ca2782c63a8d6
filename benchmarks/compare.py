"""Compare this library with its peers: whole training steps, start-up, memory, growth.

    python benchmarks/compare.py                     # everything that is installed
    python benchmarks/compare.py --only small moons
    python benchmarks/compare.py --peers numpy torch jax --quick

Every contestant runs in a process of its own, from the same weights and data; its losses are
compared with the reference before it is timed. Then the processes take turns. Each library keeps
its default number of threads.
"""

from __future__ import annotations

import argparse

import tables
from contestants import CONTESTANTS, Contestant
from turns import QUICK, SLOW, Effort, race
from workloads import WORKLOADS


def arguments() -> argparse.Namespace:
    names = [w.name for w in WORKLOADS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="WORKLOAD")
    parser.add_argument("--peers", nargs="*", metavar="PACKAGE", help="only these, and ourselves")
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it runs")
    return parser.parse_args()


def chosen(peers: list[str] | None) -> list[Contestant]:
    """Return this library's contestants, and those of the packages."""
    wanted = None if peers is None else {"autograd-mini", *peers}
    return [c for c in CONTESTANTS if wanted is None or wanted & set(c.package.split("|"))]


def main() -> None:
    options = arguments()
    print(tables.machine())
    for workload in WORKLOADS:
        if workload.name in options.only:
            print(f"\n{workload.name}: {workload.title}", flush=True)
            effort = SLOW if workload.kind == "moons" else Effort()
            entries = race(workload, chosen(options.peers), QUICK if options.quick else effort)
            print(tables.plain(tables.race_rows(entries)))
            for line in tables.left_out(entries):
                print(f"left out: {line}", flush=True)


if __name__ == "__main__":
    main()
