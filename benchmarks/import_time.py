"""What an import costs: `import autograd_mini` beside `import numpy` and the installed peers.

    python benchmarks/import_time.py

Every import happens in a fresh process; the modules take turns. Byte code is written to a temporary
cache first, as an installation does.
"""

from __future__ import annotations

import importlib.util
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
MODULES = ["numpy", "autograd_mini", "autograd", "mygrad", "tinygrad", "jax", "torch", "tensorflow"]
ROUNDS = 9


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
    return float(run.stdout.split()[-1]) * 1e3


def main() -> None:
    found = [m for m in MODULES if importlib.util.find_spec(m)]
    times: dict[str, list[float]] = {module: [] for module in found}
    with tempfile.TemporaryDirectory() as cache:
        for module in found:
            once(module, cache)
        for _ in range(ROUNDS):
            for module in found:
                times[module].append(once(module, cache))
    for module in MODULES:
        if module not in times:
            print(f"{module:14} not installed")
            continue
        beyond = [t - n for t, n in zip(times[module], times["numpy"], strict=True)]
        print(
            f"{module:14} median {statistics.median(times[module]):7.1f} ms, "
            f"beyond numpy {statistics.median(beyond):+7.1f} ms"
        )


if __name__ == "__main__":
    main()
