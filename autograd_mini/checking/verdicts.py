"""Verdicts: what a numeric derivative says about a given one."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .numeric import Estimate


class Verdict(StrEnum):
    """What is said about one entry of a gradient."""

    RIGHT = "right"
    KINK = "kink"
    WRONG = "wrong"
    UNRESOLVED = "unresolved"

    @property
    def passes(self) -> bool:
        """Whether a check with this verdict is a pass."""
        return self in (Verdict.RIGHT, Verdict.KINK)


RESOLUTION = 0.01
"""An error bar wider than this share of the gradient's size cannot confirm anything."""


@dataclass(frozen=True, slots=True)
class Judge:
    """The rule by which entries are judged.

    Attributes:
        rtol, atol: a difference up to atol + rtol·max(|given|, |numeric|) is none.
        scale: the size of the whole gradient, against which error bars are measured.
        floor: the least error bar, as a share of `scale`. The bar of an estimate knows the rounding
            of the outputs, not that of large values inside which cancel; a difference quotient of
            such a function is off by about eps^(2/3) of its size.
    """

    rtol: float
    atol: float
    scale: float
    floor: float

    def allowed(self, given: float, numeric: float) -> float:
        """Return the difference that counts as none."""
        return self.atol + self.rtol * max(abs(given), abs(numeric))

    def verdict(self, given: float, estimate: Estimate) -> Verdict:
        """Judge one entry."""
        numeric, bar = estimate.value, max(estimate.error, self.floor * self.scale)
        if not np.isfinite(given):
            return Verdict.UNRESOLVED if not np.isfinite(numeric) else Verdict.WRONG
        if not np.isfinite(numeric) or estimate.jumps:
            return Verdict.UNRESOLVED
        allowed = self.allowed(given, numeric)
        difference = abs(given - numeric)
        if estimate.sides is not None:
            low, high = sorted(estimate.sides)
            inside = low - allowed - bar <= given <= high + allowed + bar
            return Verdict.KINK if inside else Verdict.WRONG
        if difference <= allowed:
            return Verdict.RIGHT
        if difference > allowed + bar:
            return Verdict.WRONG
        fine = bar <= max(self.atol, RESOLUTION * self.scale)
        return Verdict.RIGHT if fine else Verdict.UNRESOLVED

    def reason(self, given: float, estimate: Estimate, verdict: Verdict) -> str:
        """Say in words why an entry did not simply pass."""
        if verdict is Verdict.KINK and estimate.sides is not None:
            left, right = estimate.sides
            return f"kink: {left + 0.0:.4g} to the left, {right:.4g} to the right"
        if verdict is Verdict.WRONG and not np.isfinite(given):
            return "the gradient is not finite where the function is smooth"
        if verdict is Verdict.UNRESOLVED and estimate.jumps:
            return "the function jumps here"
        if verdict is Verdict.UNRESOLVED and not np.isfinite(estimate.value):
            return "the function is not finite beside the point"
        if verdict is Verdict.UNRESOLVED:
            return f"the numeric derivative is only known to ±{estimate.error:.1e}"
        return ""
