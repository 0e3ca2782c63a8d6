"""Turns: contestants in processes of their own, which run one after another, round after round.

What disturbs the machine disturbs all of them, and no library's threads or memory are in another's
way. A process that fails is a result too: the reason is kept.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contestants import BY_HAND, MICROGRAD, Contestant
from workloads import Workload

PAUSE = 0.05
"""Seconds between turns, in which the threads of the last one stop spinning."""

LIMIT = 150.0
"""Seconds after which an answer is no longer waited for."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: rounds, the seconds of a turn, the steps before."""

    rounds: int = 15
    seconds: float = 0.1
    first: int = 20


SLOW = Effort(rounds=10, first=11)
"""For steps of a second; those after the tenth are timed."""
QUICK = Effort(rounds=2, seconds=0.005, first=4)


class Failure(Exception):
    """A contestant cannot run; the message is the reason."""


class Process:
    """A worker that answers requests."""

    def __init__(self, contestant: Contestant) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by `end`)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("worker.py")), contestant.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def ask(self, *request: Any) -> Any:
        """Return the answer.

        Raises:
            Failure: if there is none.
        """
        timer = threading.Timer(LIMIT, self.process.kill)
        timer.start()
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            timed_out = not timer.is_alive()
            timer.cancel()
        if not line:
            raise Failure(f"no answer in {LIMIT:.0f} s" if timed_out else self.last_words())
        answer = json.loads(line)
        if "failure" in answer:
            raise Failure(answer["failure"])
        return answer["answer"]

    def last_words(self) -> str:
        """Return the last line that the process wrote before it ended."""
        self.process.wait()
        self.errors.seek(0)
        lines = self.errors.read().strip().splitlines()
        return lines[-1] if lines else f"ended with code {self.process.returncode}"

    def end(self) -> None:
        """Let the process end."""
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.stdout.close()
        self.errors.close()


@dataclass
class Entry:
    """A contestant in a race: what came out, or why nothing did.

    Attributes:
        losses: of the first steps.
        usual: the median seconds of the later half of the first steps.
        startup: seconds of the first three steps beyond three usual ones: tracing, compiling.
        seconds: of a step, the mean of each turn.
        reason: why there are no times.
    """

    contestant: Contestant
    version: str = ""
    losses: list[float] = field(default_factory=list)
    usual: float = 0.0
    startup: float = 0.0
    seconds: list[float] = field(default_factory=list)
    reason: str | None = None

    @property
    def median(self) -> float:
        """The median seconds of a step."""
        return statistics.median(self.seconds)

    def over(self, other: Entry) -> float:
        """Return the median of this one's seconds divided by the other's, round by round."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return statistics.median(a / b for a, b in pairs)


def race(workload: Workload, contestants: list[Contestant], effort: Effort) -> list[Entry]:
    """Time the workload's step by every contestant that has one."""
    entries = [Entry(c, c.version() or "") for c in contestants if workload.kind in c.makers]
    running: list[tuple[Entry, Process]] = []
    for entry in entries:
        if not entry.version:
            entry.reason = "not installed"
            continue
        process = Process(entry.contestant)
        running.append((entry, process))
        attempt(entry, begin, entry, process, workload, effort)
    compare_losses(entries, workload)
    for _ in range(effort.rounds):
        for entry, process in running:
            if entry.reason is None:
                time.sleep(PAUSE)
                attempt(entry, take_turn, entry, process, effort)
    for _, process in running:
        process.end()
    return entries


def attempt(entry: Entry, function: Any, *arguments: Any) -> None:
    """Call a function of an entry; if its contestant fails, note why."""
    try:
        function(*arguments)
    except Failure as failure:
        entry.reason = str(failure)


def begin(entry: Entry, process: Process, workload: Workload, effort: Effort) -> None:
    """Let a contestant take its first steps."""
    process.ask("make", dataclasses.asdict(workload))
    first = process.ask("first", effort.first)
    entry.losses, seconds = first["losses"], first["seconds"]
    entry.usual = statistics.median(seconds[len(seconds) // 2 :])
    entry.startup = max(0.0, sum(seconds[:3]) - 3 * entry.usual)


def take_turn(entry: Entry, process: Process, effort: Effort) -> None:
    """Let a contestant take a turn."""
    steps = max(1, round(effort.seconds / entry.usual))
    entry.seconds.append(process.ask("turn", steps))


def compare_losses(entries: list[Entry], workload: Workload) -> None:
    """Exclude whoever's losses are not those of the reference."""
    found = [e for e in entries if e.reason is None]
    reference = next((e for e in found if e.contestant in (BY_HAND, MICROGRAD)), None)
    for entry in found if reference else []:
        pairs = zip(entry.losses, reference.losses, strict=True)
        far = max(abs(a - b) / max(abs(b), 1e-30) for a, b in pairs)
        if not far <= workload.tolerance:
            entry.reason = (
                f"its losses differ from those of {reference.contestant.name} by {far:.1e}"
            )
