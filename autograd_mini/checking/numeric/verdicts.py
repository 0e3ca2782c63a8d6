"""Verdicts (right, kink, wrong, unresolved): compare a given derivative with a numeric one.

Equal entries are judged together in `ties`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .estimates import Estimate


class Verdict(StrEnum):
    """The verdict on one entry of a gradient."""

    RIGHT = "right"
    KINK = "kink"
    WRONG = "wrong"
    UNRESOLVED = "unresolved"

    @property
    def passes(self) -> bool:
        """Does an entry with this verdict pass the check?"""
        return self in (Verdict.RIGHT, Verdict.KINK)


KINK = "kink:"
"""Start of the reason of an entry at a kink of the function."""

JUMP = "the function jumps here"
"""Start of the reason of an entry at a jump of the function."""

CODES = {verdict: code for code, verdict in enumerate(Verdict)}
"""The position of each verdict in `list(Verdict)`; arrays of verdicts hold these codes."""

SMALLEST = 1e-290
"""A smaller difference is ignored: numbers lose their digits below 1e-308."""

RESOLUTION = 1e-3
"""An error bar above this share of an entry, and above the tolerance, confirms nothing."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """A difference up to absolute + relative·max(|given|, |numeric|) is accepted."""

    relative: float
    absolute: float

    def allowed_difference(self, given: float, numeric: float) -> float:
        """Return the largest accepted difference."""
        return self.absolute + self.relative * max(abs(given), abs(numeric)) + SMALLEST


@dataclass(frozen=True, slots=True)
class Judge:
    """The rule that judges entries.

    Attributes:
        tolerances: the accepted differences.
        negligible: an error bar up to this size is fine for every entry of the input. It is a share
            of the size of the whole gradient.
        rounding: the possible rounding error of a given value; it is used if the numeric value may
            be 0, or is as small.
        unseen: a difference so far below the rounding of φ that more digits do not show it.
    """

    tolerances: Tolerances
    negligible: float
    rounding: float = 0.0
    unseen: float = 0.0

    def allowed_difference(self, given: float, numeric: float, error: float = 0.0) -> float:
        """Return the largest accepted difference."""
        floor = self.rounding if abs(numeric) <= max(2 * error, self.rounding) else 0.0
        return self.tolerances.allowed_difference(given, numeric) + floor + self.unseen

    def _is_fine(self, error: float, given: float, numeric: float, lenient: float) -> bool:
        """Is an error bar narrow enough to confirm an entry?"""
        size = max(abs(given), abs(numeric))
        share = max(RESOLUTION, self.tolerances.relative) * size
        enough = (self.tolerances.absolute, share, self.negligible, lenient, self.rounding)
        return bool(np.isfinite(error)) and error <= max(enough)

    def verdict(self, given: float, e: Estimate, lenient: float = 0.0) -> Verdict:
        """Judge one entry; an error bar up to `lenient` is accepted too."""
        if not np.isfinite(given):
            return self._judge_infinite(given, e)
        if e.sides is not None:
            low, high = e.sides
            allowed = self.allowed_difference(given, max(abs(low), abs(high)))
            return Verdict.KINK if low - allowed <= given <= high + allowed else Verdict.WRONG
        if not np.isfinite(e.value) or e.jumps:
            return Verdict.UNRESOLVED
        allowed, difference = self.allowed_difference(given, e.value, e.error), abs(given - e.value)
        if difference > allowed + 2 * e.error:
            return Verdict.WRONG
        close = difference <= allowed + e.error
        fine = self._is_fine(e.error, given, e.value, lenient)
        return Verdict.RIGHT if close and fine else Verdict.UNRESOLVED

    def _judge_infinite(self, given: float, e: Estimate) -> Verdict:
        """Judge an entry that is infinite or NaN."""
        if e.vertical and given == e.vertical * np.inf:
            return Verdict.RIGHT
        smooth = np.isfinite(e.value) and not e.jumps and not e.one_sided
        return Verdict.WRONG if smooth else Verdict.UNRESOLVED


def explain_verdict(given: float, e: Estimate, verdict: Verdict) -> str:
    """Explain why an entry did not simply pass."""
    if e.sides is not None:
        what = f"{JUMP}; next to it" if e.jumps else KINK
        return f"{what} {e.left + 0.0:.4g} to the left, {e.right + 0.0:.4g} to the right"
    if verdict is Verdict.RIGHT:
        return "the slope grows without bound" if e.vertical else ""
    if verdict is Verdict.WRONG:
        infinite = not np.isfinite(given)
        return "the gradient is not finite where the function is smooth" if infinite else ""
    if e.vertical:
        return "the slope grows without bound"
    if e.jumps:
        return JUMP
    if not np.isfinite(e.value):
        return "the function is not finite near the point"
    if e.one_sided:
        return "the function is finite on one side of the point only"
    if e.uneven:
        return "the slopes to both sides stay apart at narrower steps"
    if e.rough:
        return "rounding inside the function hides its slope"
    return f"the numeric derivative is only known to ±{e.error:.1e}"
