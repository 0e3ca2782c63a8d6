"""Fold what repeats: twelve blocks become one box "block ×12", and so does a loop of 200 rounds.

Parts are alike if they consist of the same operations. They are joined only if their operations
follow each other without others in between, so that no path leads out of a box and back into it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from autograd_mini.core.record import Scope

from ..texts import clean_text, operation_symbol
from .parts import Part
from .scopes import Branch

LONGEST_PERIOD: Final = 40
"""A round of a loop has no more parts than this."""
FEWEST_ROUNDS: Final = 3
"""Fewer rounds than this are not joined."""
MANY_SCOPES: Final = 8
"""This many alike scopes become one box even if there is room for all."""
MOST_NAMES: Final = 4
"""A box names no more parts of its round than this."""
NUMBER: Final = re.compile(r"[_\-. ]?\d+$")


@dataclass(frozen=True, slots=True)
class Run:
    """Rounds of `period` parts each, from the part at `start` on."""

    start: int
    period: int
    rounds: int

    @property
    def end(self) -> int:
        """The place after its last part."""
        return self.start + self.period * self.rounds


def fold_repeats(parts: list[Part], limit: int, *, crowded: bool) -> list[Part]:
    """Return the parts with runs of alike ones as one part each.

    Args:
        parts: of the picture, in order.
        limit: how many boxes fit.
        crowded: whether there are more parts than that; if not, only many alike scopes are joined.
    """
    if not crowded and len(parts) < MANY_SCOPES:
        return parts
    found: list[Part] = []
    place = 0
    for run in _find_runs(signatures(parts), LONGEST_PERIOD if crowded else 1):
        if _is_worth_joining(parts, run, crowded):
            inner = _without_ends(run, limit) if parts[run.start].kind == "operation" else run
            found += parts[place : inner.start]
            found.append(_join_run(parts, inner))
            place = inner.end
    return [*found, *parts[place:]]


def _without_ends(run: Run, limit: int) -> Run:
    """Return a run of operations without its first and last round if they are short.

    These two rounds are then drawn.
    """
    if run.rounds < FEWEST_ROUNDS + 2 or 2 * run.period > limit // 3:
        return run
    return Run(run.start + run.period, run.period, run.rounds - 2)


def signatures(parts: list[Part]) -> np.ndarray:
    """Return a number for each part, equal for parts that are alike and stand in one scope."""
    numbers: dict[tuple[object, ...], int] = {}
    return np.array([numbers.setdefault(_signature(part), len(numbers)) for part in parts])


def _signature(part: Part) -> tuple[object, ...]:
    """Return the signature of a part: scope, name without number, operations."""
    name = NUMBER.sub("", part.branch.caption) if part.kind == "scope" else ""
    return (part.around, part.kind, name, *(operation.type for operation in part.operations))


def _find_runs(kinds: np.ndarray, longest: int) -> list[Run]:
    """Return the runs in order; short periods win, and no run overlaps another."""
    best: dict[int, Run] = {}
    covered = np.zeros(len(kinds), bool)
    for period in range(1, min(longest, len(kinds) // FEWEST_ROUNDS) + 1):
        same = np.concatenate([[False], kinds[:-period] == kinds[period:], [False]])
        edges = np.flatnonzero(same[1:] != same[:-1]).reshape(-1, 2)
        long = edges[:, 1] - edges[:, 0] >= period * (FEWEST_ROUNDS - 1)
        for first, last in edges[long]:
            rounds = int(last - first) // period + 1
            end = int(first) + period * rounds
            if not covered[first:end].any():
                covered[first:end] = True
                best[int(first)] = Run(int(first), period, rounds)
    return [best[start] for start in sorted(best)]


def _is_worth_joining(parts: list[Part], run: Run, crowded: bool) -> bool:
    """Return whether a run becomes one box.

    Its operations must follow each other without others in between, and the box must save enough.
    """
    members = parts[run.start : run.end]
    if members[0].kind == "earlier" or len(members) < FEWEST_ROUNDS:
        return False
    if not crowded and (members[0].kind != "scope" or run.rounds < MANY_SCOPES):
        return False
    following = parts[run.end : run.end + 1]
    return all(
        one.operations[-1].serial < two.operations[0].serial
        for one, two in pairwise([*parts[max(run.start - 1, 0) : run.start], *members, *following])
    )


def _join_run(parts: list[Part], run: Run) -> Part:
    """Join a run to one part; its caption names the parts of a round and counts the rounds."""
    members = parts[run.start : run.end]
    first = members[0]
    names = [_part_name(part) for part in members[: run.period]]
    round_text = clean_text(
        "  ".join(names[:MOST_NAMES]) + ("  …" if len(names) > MOST_NAMES else "")
    )
    times = f"×{run.rounds:,}".replace(",", "\N{NO-BREAK SPACE}")
    caption = f"{round_text} {times}" if first.kind == "scope" else f"{round_text}\n{times}"
    branch = Branch(Scope(caption, None), first.around)
    operations = [operation for part in members for operation in part.operations]
    return Part("scope", branch, operations, members)


def _part_name(part: Part) -> str:
    """Return the name of a part in the caption of a round."""
    if part.kind == "scope":
        return NUMBER.sub("", part.branch.caption) or part.branch.caption
    return operation_symbol(part.operations[0])
