"""What `import autograd_mini` adds to `import numpy`, in fresh processes taking turns.

    python benchmarks/import_time.py

Byte code is written to a temporary cache first, as an installation does.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

PROGRAM = """
import time
started = time.perf_counter()
import {}
print(time.perf_counter() - started)
"""
ROUNDS = 15


def once(module: str, cache: str) -> float:
    """Return the import's time in milliseconds, in a new process."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module)],
        env=environment | {"PYTHONPYCACHEPREFIX": cache},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout) * 1e3


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        once("autograd_mini", cache)
        pairs = [(once("numpy", cache), once("autograd_mini", cache)) for _ in range(ROUNDS)]
    numpy, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    least = [min(column) for column in zip(*pairs, strict=True)]
    print(f"median of {ROUNDS}: numpy {numpy:.1f} ms, autograd_mini {ours:.1f} ms, ", end="")
    print(f"{ours - numpy:+.1f} ms; minimum {least[1] - least[0]:+.1f} ms")


if __name__ == "__main__":
    main()
