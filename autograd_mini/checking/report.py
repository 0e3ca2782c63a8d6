"""Report: what a check found, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import GradcheckError
from .causes import Cause
from .verdicts import CODES, Verdict

SHOWN = 6
"""Entries in a printed report."""

LISTED = 100
"""Entries in `to_dict`."""

UNCHECKED = -1
"""The code of an entry that was not looked at on its own."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the gradient of one input.

    Attributes:
        input: name of the input.
        index: place of the entry in it; the last one of a complex input is 0 for the real part
            and 1 for the imaginary one.
        analytic: the given derivative, recorded or hand-written.
        numeric: the numeric derivative.
        error: the error bar of `numeric`.
        step: the step of the difference that gave it.
        verdict: what the two say together.
        reason: why, where that is not plain from the values.
        complex: whether the input is complex.
    """

    input: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    step: float
    verdict: Verdict
    reason: str = ""
    complex: bool = False

    @property
    def absolute(self) -> float:
        """The absolute difference."""
        with np.errstate(invalid="ignore"):
            return float(abs(np.float64(self.analytic) - self.numeric))

    @property
    def relative(self) -> float:
        """The difference over the larger of both; 0 where they are equal."""
        size = max(abs(self.analytic), abs(self.numeric))
        return self.absolute / size if self.absolute else 0.0

    @property
    def place(self) -> str:
        """The input and index, as `x[0, 2]` or `z[0].imag`."""
        index = self.index[:-1] if self.complex else self.index
        part = (".real", ".imag")[self.index[-1]] if self.complex else ""
        return f"{self.input}[{', '.join(map(str, index))}]{part}" if index else self.input + part

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
        numbers = (f"{self.analytic + 0.0:.9g}", f"{self.numeric + 0.0:.9g}", f"{self.error:.1e}")
        return (self.verdict, self.place, *numbers, f"{self.relative:.1e}", self.reason)


HEAD = ("verdict", "entry", "given", "numeric", "±", "relative", "")


@dataclass(frozen=True, slots=True)
class Part:
    """What was found for one input: arrays of its shape, a complex one with a last axis of 2.

    Attributes:
        name: of the input.
        complex: whether it is complex; the last axis is then (real, imaginary).
        given: the given gradient.
        numeric: the numeric one, NaN where it was not taken.
        error: its error bars.
        step: the steps of the differences.
        verdict: codes, places in `list(Verdict)`; -1 where an entry was not looked at on its own.
        reasons: why, of flat places, where that is not plain from the values.
    """

    name: str
    complex: bool
    given: np.ndarray
    numeric: np.ndarray
    error: np.ndarray
    step: np.ndarray
    verdict: np.ndarray
    reasons: Mapping[int, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the input."""
        return self.given.shape[:-1] if self.complex else self.given.shape

    def is_(self, verdict: Verdict) -> np.ndarray:
        """Tell where the verdict is this one."""
        return self.verdict == CODES[verdict]

    def entry(self, flat: int) -> Entry:
        """Return one entry by its place in the flattened input."""
        index = tuple(int(i) for i in np.unravel_index(flat, self.given.shape))
        return Entry(
            input=self.name,
            index=index,
            analytic=float(self.given.flat[flat]),
            numeric=float(self.numeric.flat[flat]),
            error=float(self.error.flat[flat]),
            step=float(self.step.flat[flat]),
            verdict=list(Verdict)[int(self.verdict.flat[flat])],
            reason=self.reasons.get(flat, ""),
            complex=self.complex,
        )


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a large gradient was looked at by random projections.

    Attributes:
        entries: how many the inputs have together.
        projections: how many random directions were tried.
        sensitivity: the norm of an error in the gradient that all projections together miss with a
            probability of less than one in a million.
        norm: the norm of the gradient.
        complete: whether the search for wrong entries came to its end.
    """

    entries: int
    projections: int
    sensitivity: float
    norm: float
    complete: bool = True

    def __str__(self) -> str:
        """Say what was seen and what could have been missed."""
        more = "" if self.complete else "; there may be more wrong entries than these"
        share = f", {self.sensitivity / self.norm:.1e} of its norm" if self.norm > 0 else ""
        return (
            f"{self.entries:,} entries along {self.projections} random directions: an error of "
            f"norm {self.sensitivity:.1e}{share}, would have been seen but for one case in a "
            f"million{more}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain Python values."""
        return {
            "entries": self.entries,
            "projections": self.projections,
            "sensitivity": self.sensitivity,
            "norm": self.norm,
            "complete": self.complete,
        }


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        function: how the function is called.
        parts: what was found for each input.
        problems: what is wrong with the function or gradient as a whole, as a changed input.
        causes: what explains the wrong entries, most telling first.
        blame: the recorded operation that is to blame, if there is one.
        coverage: what random projections covered, None if every entry was checked.
        rtol, atol: the tolerances that were used, None where the check did not come so far.
        seed: of the random cotangent.
        weighted: whether the values are weighted by that cotangent; else they are derivatives.
        order: 1 for the gradient, 2 for the gradient of the gradient.
    """

    function: str
    parts: tuple[Part, ...] = ()
    problems: tuple[Cause, ...] = ()
    causes: tuple[Cause, ...] = ()
    blame: Any = None
    coverage: Coverage | None = None
    rtol: float | None = None
    atol: float | None = None
    seed: int = 0
    weighted: bool = False
    order: int = 1

    @property
    def ok(self) -> bool:
        """Whether there is no problem and every entry is right, or a kink rightly answered."""
        failed = self.count(Verdict.WRONG) + self.count(Verdict.UNRESOLVED)
        return not self.problems and not failed

    @property
    def checked(self) -> int:
        """The number of entries that were checked one by one."""
        return sum(int(np.count_nonzero(p.verdict >= 0)) for p in self.parts)

    @property
    def size(self) -> int:
        """The number of entries that the inputs have together."""
        return sum(p.given.size for p in self.parts)

    def count(self, verdict: Verdict) -> int:
        """Count the entries with a verdict."""
        return sum(int(np.count_nonzero(p.is_(verdict))) for p in self.parts)

    @property
    def worst(self) -> Entry | None:
        """The entry that is most wrong."""
        found = self.first(1)
        return found[0] if found else None

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry that was checked on its own, worst first."""
        return self.first(self.checked)

    def first(self, count: int, only: tuple[Verdict, ...] = tuple(Verdict)) -> tuple[Entry, ...]:
        """Return the worst entries, of these verdicts: by verdict, then by difference."""
        places = [(i, flat) for i, p in enumerate(self.parts) for flat in chosen(p, count, only)]
        found = [self.parts[i].entry(flat) for i, flat in places]
        return tuple(sorted(found, key=rank)[:count])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain Python values, with the worst hundred entries."""
        return {
            "ok": self.ok,
            "function": self.function,
            "order": self.order,
            "checked": self.checked,
            "counts": {str(verdict): self.count(verdict) for verdict in Verdict},
            "problems": [cause.to_dict() for cause in self.problems],
            "causes": [cause.to_dict() for cause in self.causes],
            "blame": self.blame.to_dict() if self.blame is not None else None,
            "coverage": self.coverage.to_dict() if self.coverage is not None else None,
            "rtol": self.rtol,
            "atol": self.atol,
            "seed": self.seed,
            "weighted": self.weighted,
            "entries": [entry.to_dict() for entry in self.first(LISTED)],
        }

    def raised(self) -> Report:
        """Return the report if it is right.

        Raises:
            GradcheckError: if it is not.
        """
        if not self.ok:
            raise GradcheckError(self)
        return self

    def __str__(self) -> str:
        """Write the verdict, then the causes and the worst entries."""
        return "\n".join(self._lines())

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """Show it in a notebook, with a heat map of the errors."""
        from .display import html

        return html(self)

    def _lines(self) -> Iterator[str]:
        order = "" if self.order == 1 else f", order {self.order}"
        state = "ok" if self.ok else "FAILED"
        yield f"gradcheck of {self.function}{order}: {state}, {self._summary()}"
        for cause in (*self.problems, *self.causes):
            yield f"  {cause}"
        if self.blame is not None:
            yield f"  {self.blame}"
        if self.coverage is not None:
            yield f"  {self.coverage}"
        remarkable = tuple(v for v in Verdict if v is not Verdict.RIGHT)
        count = sum(map(self.count, remarkable))
        shown = self.first(SHOWN, remarkable) or self.first(1)
        if shown:
            yield from table([HEAD, *(entry.row() for entry in shown)])
        if count > len(shown):
            yield f"  and {count - len(shown)} more"
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


def rank(entry: Entry) -> tuple[int, float]:
    """Order entries by verdict, then by the size of the difference, not a number first."""
    size = entry.absolute
    return SEVERITY.index(entry.verdict), -np.inf if np.isnan(size) else -size


SEVERITY = (Verdict.WRONG, Verdict.UNRESOLVED, Verdict.KINK, Verdict.RIGHT)


def chosen(part: Part, count: int, only: tuple[Verdict, ...]) -> list[int]:
    """Return the flat places of the worst entries of an input, of these verdicts."""
    found: list[int] = []
    with np.errstate(invalid="ignore"):
        difference = np.abs(part.given - part.numeric).ravel()
    difference[np.isnan(difference)] = np.inf
    for verdict in SEVERITY:
        if verdict in only and len(found) < count:
            places = np.flatnonzero(part.is_(verdict))
            order = np.argsort(-difference[places], kind="stable")
            found += [int(i) for i in places[order][: count - len(found)]]
    return found


def table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Align the cells of rows in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  " + "  ".join(cells).rstrip()
