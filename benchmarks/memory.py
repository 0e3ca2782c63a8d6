"""A chain of scalar operations: time to build, walk and free it, and bytes an operation.

python benchmarks/memory.py [operations]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
import tracemalloc

import autograd_mini as am


def chain(n: int, trace: bool) -> None:
    x = am.tensor(1.0, requires_grad=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if trace:
        tracemalloc.start()
    started = time.perf_counter()
    y = x
    for _ in range(n):
        y = y * 1.0000001
    built = time.perf_counter()
    y.backward()
    walked = time.perf_counter()
    if trace:
        peak = tracemalloc.get_traced_memory()[1]
        print(f"{n:>9,} operations: {peak / n:.0f} bytes each (traced peak)")
        return
    del y
    freed = time.perf_counter()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(
        f"{n:>9,} operations: build {built - started:.2f} s, backward {walked - built:.2f} s, "
        f"free {freed - walked:.2f} s; peak {grown / n:.0f} bytes each (resident)"
    )


def main() -> None:
    if len(sys.argv) == 3:
        chain(int(sys.argv[1]), sys.argv[2] == "trace")
        return
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for n in (largest // 100, largest // 10, largest):
        subprocess.run([sys.executable, __file__, str(n), "time"], check=True)
    subprocess.run([sys.executable, __file__, str(largest), "trace"], check=True)


if __name__ == "__main__":
    main()
