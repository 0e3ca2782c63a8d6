"""Entries: one derivative of one input each, and all those of an input together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...core.visible import show_text
from ..numeric.verdicts import CODES, Verdict

UNCHECKED = -1
"""The code of an entry that was not looked at on its own."""

SEVERITY = (Verdict.WRONG, Verdict.UNRESOLVED, Verdict.KINK, Verdict.RIGHT)
"""Verdicts, the worst first."""


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
        return self.absolute / size if self.absolute and size else self.absolute

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
        place = show_text(self.place, one_line=True)
        return (self.verdict, place, *numbers, f"{self.relative:.1e}", self.reason)


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


def rank(entry: Entry) -> tuple[int, float]:
    """Order entries by verdict, then by the size of the difference, not a number first."""
    size = entry.absolute
    return SEVERITY.index(entry.verdict), -np.inf if np.isnan(size) else -size


def worst_places(part: Part, count: int, only: tuple[Verdict, ...]) -> list[int]:
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
