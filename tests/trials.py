"""Trials of files that are being written: kills, interrupts and full disks, each in a fork.

    python tests/trials.py SCENARIO FOLDER COUNT SEED

It imports everything once and forks for each trial, so that a trial takes some milliseconds. It
prints JSON: for each mode `{"trials": …, "stopped": …, "broken": [what went wrong, …]}`.

SCENARIO says what is written (`SCENARIOS`). There are COUNT trials of each way to stop it:
    kill        SIGKILL after a random time, while one content follows the other
    kill-calls  SIGKILL at a call of a C function within one write, another one in each trial
    interrupt   SIGINT after a random time
    full        no room for the rest of the file, at a random size
"""

from __future__ import annotations

import json
import os
import random
import resource
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import autograd_mini as am
import viz

SIZES = (40, 41)


class Weights:
    """Two sets of weights that are saved in turn."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "weights.npz"
        self.models = [am.nn.MLP([SIZES[0], 30, 1], seed=seed) for seed in (0, 1)]

    def write(self, which: int) -> None:
        self.models[which].save(self.path)

    def read(self) -> int | None:
        """Return which content is there, None for another one."""
        found = am.nn.MLP([SIZES[0], 30, 1], seed=2)
        found.load(self.path)
        for which, model in enumerate(self.models):
            pairs = zip(found.parameters(), model.parameters(), strict=True)
            if all(np.array_equal(a.data, b.data) for a, b in pairs):
                return which
        return None


class Step:
    """Two compiled programs, of other texts and other arrays, that are saved in turn."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "step.py"
        weights = [am.tensor(np.full(400, float(v)), name="w") for v in (3, 5)]
        functions = [lambda x: np.sum(x * weights[0]), lambda x: np.sum(x - weights[1]) * 7]
        self.x = np.arange(400.0)
        self.programs = [am.compile(function) for function in functions]
        for program in self.programs:
            for _ in range(3):
                program(self.x)
        self.right = [program(self.x).item() for program in self.programs]

    def write(self, which: int) -> None:
        self.programs[which].save(self.path)

    def read(self) -> int | None:
        step, _ = runpy.run_path(str(self.path))["load"]()
        found = float(step(self.x))
        return self.right.index(found) if found in self.right else None


class Text:
    """Two texts of a picture's kind that are written in turn by whatever writes such files."""

    def __init__(self, path: Path, write: Callable[[int], Any], contents: list[bytes]) -> None:
        self.path = path
        self.write = write
        self.contents = contents

    def read(self) -> int | None:
        found = self.path.read_bytes()
        return self.contents.index(found) if found in self.contents else None


def picture(folder: Path) -> Text:
    """Return a picture that is drawn once and saved in two titles."""
    x = am.tensor(np.ones(3), name="x")
    drawings = [viz.draw(x * 2, title=title) for title in ("one", "the other")]
    contents = [drawing.svg.encode() for drawing in drawings]
    path = folder / "picture.svg"
    return Text(path, lambda which: drawings[which].save(path), contents)


def report(folder: Path) -> Text:
    """Return a report as a page, as the command line writes it."""
    from autograd_mini.checking.display import page
    from autograd_mini.checking.terminal import write_page

    reports = [am.gradcheck(function, np.ones(3)) for function in (np.sin, np.cos)]
    path = folder / "report.html"
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # for the whole process

    def write(which: int) -> None:
        write_page(str(path), reports[which])

    return Text(path, write, [page(one).encode() for one in reports])


SCENARIOS: dict[str, Callable[[Path], Any]] = {
    "weights": Weights,
    "step": Step,
    "picture": picture,
    "report": report,
}


def forever(scene: Any) -> None:
    """Write one content after the other; for a while, since a finalizer may swallow Ctrl-C."""
    which, end = 1, time.monotonic() + 5
    while time.monotonic() < end:
        scene.write(which)
        which = 1 - which


def counted(action: Callable[[], None]) -> int:
    """Return how many calls of C functions, and returns from them, an action makes."""
    found = 0

    def watch(frame: Any, event: str, argument: Any) -> None:
        nonlocal found
        found += event in ("c_call", "c_return")

    sys.setprofile(watch)
    try:
        action()
    finally:
        sys.setprofile(None)
    return found


def kill_at(left: int) -> None:
    """Kill this process at the n-th call of a C function, or at a return from one."""

    def watch(frame: Any, event: str, argument: Any) -> None:
        nonlocal left
        left -= event in ("c_call", "c_return")
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


def in_fork(action: Callable[[], None], stop: Callable[[int], None]) -> int:
    """Carry an action out in a fork, stop it, and return how it ended: 0 if by itself."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # what runs after a fork loses it
    child = os.fork()
    if not child:
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
            action()
        except (KeyboardInterrupt, OSError):
            os._exit(7)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(9)
        os._exit(0)
    stop(child)
    status = os.waitpid(child, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def one_trial(scene: Any, mode: str, place: int, dice: random.Random) -> int:
    """Stop one write somewhere; return how it ended."""

    def one_write() -> None:
        if mode == "full":
            room = dice.randrange(max(x.stat().st_size for x in scene.path.parent.iterdir()))
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        else:
            kill_at(place)
        scene.write(1)

    def stop(child: int) -> None:
        time.sleep(dice.uniform(0.001, 0.04))
        os.kill(child, signal.SIGKILL if mode == "kill" else signal.SIGINT)

    if mode in ("kill-calls", "full"):
        return in_fork(one_write, lambda child: None)
    return in_fork(lambda: forever(scene), stop)


def found_broken(scene: Any, folder: Path, mode: str) -> str:
    """Say what is wrong after a stop, "" if nothing is: now, and after the next write."""
    try:
        which = scene.read()
    except Exception as error:
        return f"it cannot be read: {error!r}"
    if which is None:
        return "it has another content"
    files = sorted(os.listdir(folder))
    if mode in ("interrupt", "full") and any(name.endswith(".partial") for name in files):
        return f"an error left a file behind: {files}"
    if mode == "full" and len(files) > usual(scene):
        return f"an error left a file behind: {files}"
    scene.write(0)
    if scene.read() != 0:
        return "the next write did not succeed"
    if len(files := sorted(os.listdir(folder))) > usual(scene):
        return f"files are left behind: {files}"
    return ""


def usual(scene: Any) -> int:
    """Return how many files a content has."""
    return 2 if isinstance(scene, Step) else 1


def trials(scene: Any, folder: Path, mode: str, count: int, dice: random.Random) -> dict[str, Any]:
    """Carry out the trials of one mode."""
    stopped, broken = 0, []
    places = range(counted(lambda: scene.write(1)))
    chosen = dice.sample(places, min(count, len(places)))
    for place in chosen if mode == "kill-calls" else range(count):
        scene.write(0)
        ended = one_trial(scene, mode, place, dice)
        stopped += ended != 0
        found = "its process failed" if ended == 9 else found_broken(scene, folder, mode)
        if found:
            broken.append(f"trial {place}: {found}")
    done = len(chosen) if mode == "kill-calls" else count
    return {"trials": done, "stopped": stopped, "broken": broken}


def main(scenario: str, folder: str, count: str, seed: str) -> None:
    """Carry all trials out."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    scene, dice = SCENARIOS[scenario](Path(folder)), random.Random(int(seed))
    scene.write(0)
    modes = ("kill", "kill-calls", "interrupt", "full")
    found = {mode: trials(scene, Path(folder), mode, int(count), dice) for mode in modes}
    print(json.dumps(found), file=sys.__stdout__)


if __name__ == "__main__":
    main(*sys.argv[1:])
