"""Entries: one derivative each, and all entries of one input together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...core.visible import show_text
from ..numeric.verdicts import CODES, Verdict

UNCHECKED = -1
"""The code of an entry that was not checked alone."""

SEVERITY = (Verdict.WRONG, Verdict.UNRESOLVED, Verdict.KINK, Verdict.RIGHT)
"""The verdicts, the worst first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the gradient of one input.

    Attributes:
        input: name of the input.
        index: index of the entry; for a complex input, the last index is 0 for the real part and
            1 for the imaginary part.
        analytic: the given derivative, recorded or hand-written.
        numeric: the numeric derivative.
        error: the error bar of `numeric`.
        step: the step of the difference that gave it.
        verdict: the verdict on the given derivative.
        reason: the reason, if the values do not show it.
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
        """The difference divided by the larger of both; 0 if they are equal."""
        size = max(abs(self.analytic), abs(self.numeric))
        return self.absolute / size if self.absolute and size else self.absolute

    @property
    def place(self) -> str:
        """The input and index, such as `x[0, 2]` or `z[0].imag`."""
        index = self.index[:-1] if self.complex else self.index
        part = (".real", ".imag")[self.index[-1]] if self.complex else ""
        return f"{self.input}[{', '.join(map(str, index))}]{part}" if index else self.input + part

    def to_dict(self) -> dict[str, object]:
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
        """Return the entry as the cells of a table row."""
        numbers = (f"{self.analytic + 0.0:.9g}", f"{self.numeric + 0.0:.9g}", f"{self.error:.1e}")
        place = show_text(self.place, one_line=True)
        return (self.verdict, place, *numbers, f"{self.relative:.1e}", self.reason)


@dataclass(frozen=True, slots=True)
class Part:
    """The results for one input: arrays of its shape; a complex input has a last axis of 2.

    Attributes:
        name: the name of the input.
        complex: whether it is complex; the last axis is then (real, imaginary).
        given: the given gradient.
        numeric: the numeric gradient; NaN where it was not computed.
        error: its error bars.
        step: the steps of the differences.
        verdict: codes, which are positions in `list(Verdict)`; -1 for an entry that was not
            checked alone.
        reasons: reasons by flat index, where the values do not show them.
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
        """Which entries have this verdict?"""
        return self.verdict == CODES[verdict]

    def entry(self, flat: int) -> Entry:
        """Return one entry by its flat index."""
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


def severity_key(entry: Entry) -> tuple[int, float]:
    """Return a sort key: by verdict, then by the size of the difference; NaN comes first."""
    size = entry.absolute
    return SEVERITY.index(entry.verdict), -np.inf if np.isnan(size) else -size


def worst_places(part: Part, count: int, only: tuple[Verdict, ...]) -> list[int]:
    """Return the flat indices of the worst entries of an input, among some verdicts."""
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
