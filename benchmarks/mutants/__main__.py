"""Measure how many wrong gradients each checker catches, and how many right ones it refuses.

    python -m benchmarks.mutants                        # this library and installed peers
    python -m benchmarks.mutants --peers                # this library alone
    python -m benchmarks.mutants --write                # the tables go into docs/gradcheck.md
    python -m benchmarks.mutants --details found.txt    # every failure, line by line
    python -m benchmarks.mutants --saved folder         # keep results; those kept are not made anew

Run it from the repository. Every checker runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from autograd_mini.files import write_file

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
    parser.add_argument(
        "--saved", type=Path, metavar="FOLDER", help="keep the results of each there"
    )
    return parser.parse_args()


def judged(name: str, every: int, saved: Path | None) -> list[tables.Row]:
    """Return what a checker says of everything, as it is saved, or else as it says now."""
    kept = saved / f"{name}.jsonl" if saved is not None else None
    if kept is None or not kept.exists():
        print(f"{name} …", file=sys.stderr, flush=True)
        lines = output(name, every)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_file(kept, lines)
    else:
        lines = kept.read_text(encoding="utf-8")
    return [json.loads(line) for line in lines.splitlines()]


def output(name: str, every: int) -> str:
    """Let a checker judge everything in a process of its own; return its JSON lines.

    Raises:
        SystemExit: if the process fails.
    """
    command = [sys.executable, "-m", f"{__package__}.worker", name, str(every)]
    with tempfile.TemporaryFile("w+") as errors:  # what libraries print about callbacks
        run = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True)
        if run.returncode:
            errors.seek(0)
            raise SystemExit(f"{name} failed:\n{errors.read()[-2000:]}")
    return run.stdout


def main() -> None:
    """Measure, print, and write what was asked for."""
    options = arguments()
    results = {OURS: judged(OURS, options.every, options.saved)}
    missing = []
    for checker in CHECKERS:
        if options.peers is not None and checker.package not in options.peers:
            continue
        kept = options.saved is not None and (options.saved / f"{checker.name}.jsonl").exists()
        if checker.missing and not kept:
            missing.append(checker.name)
            results[checker.name] = []
        else:
            every = checker.every * options.every
            results[checker.name] = judged(checker.name, every, options.saved)
    text = tables.section(results, missing)
    print(text)
    if options.details:
        write_file(options.details, tables.details(results))
    if options.write:
        tables.write(PAGE, text)


if __name__ == "__main__":
    main()
