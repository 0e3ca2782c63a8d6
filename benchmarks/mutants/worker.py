"""A checker in a process of its own: it makes the mutants and right ones anew, and writes JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from zlib import crc32

from .checkers import CHECKERS, OURS, Case, accepted
from .drawing import complex_ones, large, rows, small
from .mistakes import MISTAKES
from .mutants import SECOND, Mutant, hard_mutants, mutants, second_order
from .ours import of_mutant, of_right
from .rights import Right, rights


def all_mutants() -> Iterator[Mutant]:
    """Make the mutants of every row and sample."""
    for primitive in rows():
        functions = list(small(primitive))
        for function in (*functions, *complex_ones(primitive)):
            yield from mutants(function)
        grown = large(primitive)
        if grown is not None:
            yield from mutants(grown, tuple(m for m in MISTAKES if m.large))
        for function in functions[:1]:
            yield from second_order(function)
    yield from hard_mutants()


def peer(name: str) -> tuple[Callable[[Mutant], Any], Callable[[Right], Any]]:
    """Return how a peer judges mutants and right ones; None for what it cannot be asked."""
    (checker,) = (c for c in CHECKERS if c.name == name)
    check = checker.make()

    def mutant(m: Mutant) -> dict[str, Any] | None:
        if m.mistake is SECOND:
            return None
        f = m.function
        ok, said = accepted(check, Case(f.value, m.vjp, f.arrays, f.primitive.multiple))
        return {"caught": not ok, "said": said}

    def right(r: Right) -> dict[str, Any]:
        ok, said = accepted(check, Case(r.value, r.vjp, r.arrays, r.multiple))
        return {"alarm": not ok, "unresolved": False, "said": said}

    return mutant, right


def judged(judge: Callable[[Any], Any], one: Any, group: str) -> None:
    """Ask for a judgement and write it down."""
    started = time.perf_counter()
    try:
        found = judge(one)
    except Exception as error:  # a check that breaks is a result
        broken = f"BROKEN {type(error).__name__}: {error}"[:300]
        found = {
            "caught": False,
            "alarm": True,
            "unresolved": 0,
            "cause": False,
            "condition": False,
            "said": broken,
        }
    if found is not None:
        row = {"group": group, "name": one.name, "seconds": time.perf_counter() - started, **found}
        print(json.dumps(row), flush=True)


def main(name: str, every: int) -> None:
    """Judge one of n right ones and mutants, chosen by their names."""
    mutant, right = (of_mutant, of_right) if name == OURS else peer(name)
    for one in rights():
        if drawn(f"{one.group} {one.name}", every):
            judged(right, one, one.group)
    for wrong in all_mutants():
        if drawn(wrong.name, every):
            judged(mutant, wrong, wrong.mistake.name)


def drawn(name: str, every: int) -> bool:
    """Draw one of n names, always the same."""
    return crc32(name.encode()) % every == 0


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
