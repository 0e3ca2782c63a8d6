"""Peaks: how much memory a training step needs beyond its model and data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from contestants import Contestant
from turns import Failure, Process
from workloads import Workload

STEPS = 5
METHOD = (
    f"Bytes above what is resident after imports, model and data: the peak (VmHWM) of the first "
    f"{STEPS} steps, tracing and compiling included, and of {STEPS} later ones, after the "
    "allocator gave back what nobody used. Planned is what the compiled program says of itself."
)


@dataclass
class Peak:
    """A contestant's peaks in bytes, or why there are none."""

    contestant: Contestant
    version: str
    first: int = 0
    later: int = 0
    planned: int | None = None
    reason: str | None = None


def peaks(workload: Workload, contestants: list[Contestant]) -> list[Peak]:
    """Return each contestant's peaks, measured in a process of its own."""
    return [peak_of(c, workload) for c in contestants if workload.kind in c.makers]


def peak_of(contestant: Contestant, workload: Workload) -> Peak:
    """Return the peaks of one."""
    version = contestant.version()
    if version is None:
        return Peak(contestant, "", reason="not installed")
    process = Process(contestant)
    try:
        process.ask("make", dataclasses.asdict(workload))
        return Peak(contestant, version, **process.ask("memory", STEPS))
    except Failure as failure:
        return Peak(contestant, version, reason=str(failure))
    finally:
        process.end()
