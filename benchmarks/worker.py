"""One contestant in a process of its own: it makes steps and takes its turns when it is told to.

The parent (see `turns`) writes a JSON list a line: what to do, and its arguments. The answer is one
JSON line. What libraries print goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import numpy as np
import resident
from contestants import CONTESTANTS
from workloads import Step, Workload


class Worker:
    """What a contestant can be asked to do."""

    def __init__(self, name: str) -> None:
        (self.contestant,) = (c for c in CONTESTANTS if c.name == name)
        self.step: Step = lambda: None

    def make(self, workload: dict[str, Any]) -> float:
        """Make the step of a workload; return the seconds that it took, imports included."""
        workload["sizes"] = tuple(workload["sizes"])
        started = time.perf_counter()
        self.step = self.contestant.make(Workload(**workload))
        return time.perf_counter() - started

    def first(self, count: int) -> dict[str, list[float]]:
        """Take the first steps; return their losses and seconds."""
        losses, seconds = [], []
        for _ in range(count):
            started = time.perf_counter()
            loss = self.step()
            seconds.append(time.perf_counter() - started)
            losses.append(float(np.sum(np.asarray(loss), dtype=np.float64)))
        return {"losses": losses, "seconds": seconds}

    def turn(self, steps: int) -> float:
        """Return the mean seconds of a step, after some that fill the caches again."""
        step = self.step
        for _ in range(steps // 10):
            step()
        started = time.perf_counter()
        for _ in range(steps):
            step()
        return (time.perf_counter() - started) / steps

    def memory(self, steps: int) -> dict[str, int | None]:
        """Take some first steps and some later ones; return the peaks of both above the level.

        Returns:
            bytes: "first", the peak of the first steps (tracing and compiling are among them),
            "later", that of the later ones; "planned", what the compiled program says it needs.
        """
        level = resident.now()
        peaks = []
        for _ in range(2):
            resident.reset_peak()
            for _ in range(steps):
                self.step()
            peaks.append(resident.peak() - level)
            resident.give_back()
        program = getattr(self.step, "program", None)
        planned = program.memory if program is not None else None
        return {"first": peaks[0], "later": peaks[1], "planned": planned}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        request, *arguments = json.loads(line)
        try:
            answer = {"answer": getattr(worker, request)(*arguments)}
        except Exception as error:
            reason = str(error).strip() or "no message"
            answer = {"failure": f"{type(error).__name__}: {reason.splitlines()[0]}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
