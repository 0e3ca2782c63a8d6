"""Report: what a check found, worst first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

from .verdicts import Verdict

SHOWN = 6
"""Entries in a printed report."""

LISTED = 100
"""Entries in `to_dict`."""

ORDER = {Verdict.WRONG: 0, Verdict.UNRESOLVED: 1, Verdict.KINK: 2, Verdict.RIGHT: 3}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the gradient of one input.

    Attributes:
        input: name of the input.
        index: place of the entry in it.
        analytic: the given derivative, recorded or hand-written.
        numeric: the numeric derivative.
        error: the error bar of `numeric`.
        step: the step of the difference that gave it.
        verdict: what the two say together.
        reason: why, where that is not plain from the values.
    """

    input: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    step: float
    verdict: Verdict
    reason: str = ""

    @property
    def absolute(self) -> float:
        """The absolute difference."""
        return abs(self.analytic - self.numeric)

    @property
    def relative(self) -> float:
        """The difference over the larger of both; 0 where they are equal."""
        size = max(abs(self.analytic), abs(self.numeric))
        return self.absolute / size if self.absolute else 0.0

    @property
    def place(self) -> str:
        """The input and index, as `x[0, 2]`."""
        return f"{self.input}[{', '.join(map(str, self.index))}]" if self.index else self.input

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as plain Python values."""
        return {
            "input": self.input,
            "index": list(self.index),
            "analytic": float(self.analytic),
            "numeric": float(self.numeric),
            "absolute": float(self.absolute),
            "relative": float(self.relative),
            "error": float(self.error),
            "step": float(self.step),
            "verdict": str(self.verdict),
            "reason": self.reason,
        }

    def row(self) -> tuple[str, ...]:
        """Return the entry as the cells of a printed table."""
        numbers = (f"{self.analytic + 0.0:.9g}", f"{self.numeric + 0.0:.9g}")
        errors = (f"{self.absolute:.1e}", f"{self.relative:.1e}", f"{self.step:.1e}")
        return (self.verdict, self.place, *numbers, *errors, self.reason)


HEAD = ("verdict", "entry", "analytic", "numeric", "absolute", "relative", "step", "")


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found.

    Attributes:
        function: how the function is called.
        entries: every entry that was checked, worst first.
        problems: what is wrong with the function or gradient as a whole, as a changed input.
        rtol, atol: the tolerances that were used, None where the check did not come so far.
        seed: of the random cotangent.
        weighted: whether the values are weighted by that cotangent; else they are derivatives.
    """

    function: str
    entries: tuple[Entry, ...]
    problems: tuple[str, ...]
    rtol: float | None
    atol: float | None
    seed: int
    weighted: bool

    @property
    def ok(self) -> bool:
        """Whether there is no problem and every entry is right, or a kink rightly answered."""
        return not self.problems and all(e.verdict.passes for e in self.entries)

    @property
    def checked(self) -> int:
        """The number of entries that were checked."""
        return len(self.entries)

    @property
    def worst(self) -> Entry | None:
        """The entry that is most wrong."""
        return self.entries[0] if self.entries else None

    def count(self, verdict: Verdict) -> int:
        """Count the entries with a verdict."""
        return sum(entry.verdict is verdict for entry in self.entries)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python values, with the worst hundred entries."""
        return {
            "ok": self.ok,
            "function": self.function,
            "checked": self.checked,
            "counts": {str(verdict): self.count(verdict) for verdict in Verdict},
            "problems": list(self.problems),
            "rtol": self.rtol,
            "atol": self.atol,
            "seed": self.seed,
            "weighted": self.weighted,
            "entries": [entry.to_dict() for entry in self.entries[:LISTED]],
        }

    def __str__(self) -> str:
        """Write the verdict, then the problems and the worst entries."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"gradcheck of {self.function}: {'ok' if self.ok else 'FAILED'}, {self._summary()}"
        for problem in self.problems:
            yield f"  {problem}"
        remarkable = [e for e in self.entries if e.verdict is not Verdict.RIGHT]
        shown = remarkable[:SHOWN] or self.entries[:1]
        if shown:
            yield from table([HEAD, *(entry.row() for entry in shown)])
        if len(remarkable) > len(shown):
            yield f"  and {len(remarkable) - len(shown)} more"
        if shown and self.weighted:
            yield f"  (values are weighted by a random cotangent of the result, seed {self.seed})"

    def _summary(self) -> str:
        parts = [f"{self.checked} {'entry' if self.checked == 1 else 'entries'} checked"]
        for verdict in (Verdict.WRONG, Verdict.UNRESOLVED, Verdict.KINK):
            if self.count(verdict):
                parts.append(f"{self.count(verdict)} {verdict}")
        if self.rtol is not None:
            absolute = f", atol {self.atol:.2g}" if self.atol else ""
            parts[-1] += f" (rtol {self.rtol:.2g}{absolute})"
        return ", ".join(parts)


def worst_first(entries: list[Entry]) -> tuple[Entry, ...]:
    """Sort entries by verdict and size of the difference, not a number first."""

    def key(entry: Entry) -> tuple[int, float]:
        size = entry.absolute
        return ORDER[entry.verdict], -float("inf") if isnan(size) else -size

    return tuple(sorted(entries, key=key))


def table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Align the cells of rows in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  " + "  ".join(cells).rstrip()
