"""Measure how many wrong gradients each checker catches, and how many right ones it refuses.

    python -m benchmarks.mutants                        # this library and installed peers
    python -m benchmarks.mutants --peers                # this library alone
    python -m benchmarks.mutants --write                # the tables go into docs/gradcheck.md
    python -m benchmarks.mutants --details found.txt    # every failure, line by line

Run it from the repository. Every checker runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from . import tables
from .checkers import CHECKERS, OURS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "gradcheck.md"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutants", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--peers", nargs="*", metavar="PACKAGE", help="only these beside ourselves")
    parser.add_argument("--every", type=int, default=1, help="only each n-th mutant, to see it run")
    parser.add_argument(
        "--write", action="store_true", help="put the tables into docs/gradcheck.md"
    )
    parser.add_argument("--details", type=Path, metavar="FILE", help="list every failure there")
    return parser.parse_args()


def judged(name: str, every: int) -> list[tables.Row]:
    """Let a checker judge everything in a process of its own.

    Raises:
        SystemExit: if the process fails.
    """
    command = [sys.executable, "-m", f"{__package__}.worker", name, str(every)]
    with tempfile.TemporaryFile("w+") as errors:  # what libraries print about callbacks
        run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
        if run.returncode:
            errors.seek(0)
            raise SystemExit(f"{name} failed:\n{errors.read()[-2000:]}")
    return [json.loads(line) for line in run.stdout.splitlines()]


def main() -> None:
    """Measure, print, and write what was asked for."""
    options = arguments()
    results = {OURS: judged(OURS, options.every)}
    missing = []
    for checker in CHECKERS:
        if options.peers is not None and checker.package not in options.peers:
            continue
        if checker.missing:
            missing.append(checker.name)
            results[checker.name] = []
        else:
            print(f"{checker.name} …", file=sys.stderr, flush=True)
            results[checker.name] = judged(checker.name, checker.every * options.every)
    text = tables.section(results, missing)
    print(text)
    if options.details:
        options.details.write_text(tables.details(results), encoding="utf-8")
    if options.write:
        tables.write(PAGE, text)


if __name__ == "__main__":
    main()
