"""Numeric derivatives with error bars, and `Judge`, which decides the verdict of an entry.

Differences at several steps are combined. The error of a central difference is O(h²) plus noise/h.
Combining two or three steps removes the h² and h⁴ terms (Richardson). The change that this makes
bounds the remaining error. The most certain combination is used (Ridders 1982, "Accurate
computation of F'(x) and F'(x)F''(x)"). A wide step that jumps over a kink or a singularity can look
certain and be wrong, so it is dropped as soon as narrower steps contradict it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..report import JUMP, KINK, Tolerances, Verdict
from .lines import Level

LONG = 8
"""A slope must grow evenly over this many steps to count as unbounded."""

FURTHEST = 8
"""One-sided steps may be this much wider than two-sided ones: slopes change near an edge."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A numeric derivative.

    Attributes:
        value: the derivative.
        error: its error bar.
        step: the step that gave it.
        sides: at a kink, the interval of slopes in which every given value is valid.
        left, right: the one-sided slopes at a kink.
        jumps: whether the function seems to jump here.
        one_sided: whether the function is finite on one side only.
        vertical: 1 or −1 if the slope grows without bound, with that sign.
        conflict: whether steps contradict each other beyond their error bars.
        rough: whether rounding inside the function hides its slope. Then the function changes from
            one number to the next as much as anywhere, or narrow and wide steps contradict.
        uneven: whether the one-sided slopes stay apart at narrower steps.
    """

    value: float
    error: float
    step: float
    sides: tuple[float, float] | None = None
    left: float = np.nan
    right: float = np.nan
    jumps: bool = False
    one_sided: bool = False
    vertical: int = 0
    conflict: bool = False
    rough: bool = False
    uneven: bool = False


NOTHING = Estimate(np.nan, np.inf, np.nan)


def estimate(levels: Sequence[Level], measured: float = 0.0) -> Estimate:
    """Combine the differences at several steps.

    Args:
        levels: the differences, one level for each step.
        measured: the noise of the function, if it was measured.
    """
    ordered = sorted(levels, key=lambda level: -level.step)
    central = [level for level in ordered if np.isfinite(level.central)]
    if central and all(level.flat for level in central) and len(central) > 2:
        return Estimate(0.0, central[0].noise(measured), central[0].step)
    best = NOTHING
    if central:
        best = _detect_break(
            central, _choose_most_certain(_extrapolate_pairs(central, measured)), measured
        )
    if len(central) == len(ordered) or best.sides is not None or best.jumps:
        return best
    near = FURTHEST * central[0].step if central else np.inf  # the edge of the domain lies beyond
    for side in ("right", "left"):
        half = [x for x in ordered if np.isfinite(getattr(x, side)) and x.step <= near]
        if half:
            best = _more_certain(best, _extrapolate_one_side(half, side, measured))
    return best


def _more_certain(two_sided: Estimate, one: Estimate) -> Estimate:
    """Return the more certain of two estimates; the one-sided one only if it fits the other."""
    if not np.isfinite(two_sided.value):
        return one
    fits = abs(one.value - two_sided.value) <= 2 * (one.error + two_sided.error)
    return replace(one, one_sided=False) if fits and 4 * one.error < two_sided.error else two_sided


def _extrapolate_pairs(levels: Sequence[Level], measured: float) -> list[Estimate]:
    """Extrapolate every two and three neighbouring steps; the widest step comes first."""
    values = [level.central for level in levels]
    noises = [level.noise(measured) for level in levels]
    if len(levels) == 1:
        bend = abs(levels[0].right - levels[0].left)
        return [Estimate(values[0], bend + noises[0], levels[0].step)]
    found, pairs = [], []
    for i in range(len(levels) - 1):
        ratio = np.square(levels[i].step / levels[i + 1].step)
        value = values[i + 1] + (values[i + 1] - values[i]) / (ratio - 1)
        error = max(abs(value - values[i]), abs(value - values[i + 1]))
        pairs.append(value)
        found.append(Estimate(value, error + 2 * noises[i + 1], levels[i + 1].step))
    for i in range(len(pairs) - 1):
        ratio = np.square(levels[i].step / levels[i + 2].step)
        value = pairs[i + 1] + (pairs[i + 1] - pairs[i]) / (ratio - 1)
        error = max(abs(value - pairs[i]), abs(value - pairs[i + 1]))
        found.append(Estimate(value, error + 2 * noises[i + 2], levels[i + 2].step))
    return found


def _choose_most_certain(estimates: Sequence[Estimate]) -> Estimate:
    """Choose the smallest error bar among the estimates that agree with the narrowest step."""
    best, *wider = sorted(estimates, key=lambda e: (e.step, e.error))
    for e in wider:
        if not np.isfinite(best.value):
            best = e
        elif not abs(e.value - best.value) <= 2 * (e.error + best.error):
            return replace(best, conflict=True)
        elif e.error < best.error:
            best = e
    return best


def _detect_break(levels: Sequence[Level], best: Estimate, measured: float) -> Estimate:
    """Detect a kink or a jump by the gap between the one-sided slopes.

    At a smooth point the gap shrinks with the step. At a kink it stays, and at a jump it grows.
    """
    seen = [level for level in levels if _steepest_side(level) > 25 * level.noise(measured)]
    power = _growth_power(
        [_steepest_side(level) for level in seen[-3:]], [level.step for level in seen[-3:]]
    )
    sign = _logarithmic_sign([level.central for level in seen], [level.step for level in seen])
    if power is not None and power > 0.97:
        return _estimate_at_jump(seen[-1], best)
    if power is not None and power > 0.1 and seen[-1].left * seen[-1].right > 0:
        sign = int(np.sign(seen[-1].central))
    if sign:
        return replace(best, value=sign * np.inf, error=np.inf, vertical=sign)
    clear = [level for level in levels if level.gap > 25 * level.noise(measured)]
    wider = [level for level in clear if level.step > 4 * clear[-1].step]
    if not wider:
        return best
    wide, narrow = wider[-1], clear[-1]
    closer = [level for level in levels if level.step < narrow.step]
    if any(50 * level.noise(measured) < narrow.gap for level in closer):  # a kink would show there
        return best
    ratio = wide.step / narrow.step
    if narrow.gap > 0.7 * ratio * wide.gap:
        return _estimate_at_jump(narrow, best)
    if abs(narrow.gap - wide.gap) <= 0.08 * narrow.gap:
        margin = abs(narrow.gap - wide.gap) + narrow.noise(measured)
        sides = (narrow.low - margin, narrow.high + margin)
        return replace(best, sides=sides, left=narrow.left, right=narrow.right, step=narrow.step)
    return best


def _steepest_side(level: Level) -> float:
    """Return the larger size of the one-sided slopes."""
    return max(abs(level.left), abs(level.right))


def _estimate_at_jump(narrow: Level, best: Estimate) -> Estimate:
    """Return the estimate at a jump; the refinement finds the slopes next to it."""
    return replace(best, jumps=True, step=narrow.step, left=narrow.left, right=narrow.right)


def _extrapolate_one_side(levels: Sequence[Level], side: str, measured: float) -> Estimate:
    """Extrapolate slopes on the side where the function is finite, widest step first."""
    slopes = [float(getattr(level, side)) for level in levels]
    steps = [level.step for level in levels]
    power, sign = _growth_power(slopes[-3:], steps[-3:]), _logarithmic_sign(slopes, steps)
    if power is not None and power > 0.97:
        return Estimate(np.sign(slopes[-1]) * np.inf, np.inf, steps[-1], jumps=True, one_sided=True)
    if power is not None and power > 0.1:
        sign = int(np.sign(slopes[-1]))
    if sign:
        return Estimate(sign * np.inf, np.inf, steps[-1], one_sided=True, vertical=sign)
    found, before = [Estimate(slopes[0], np.inf, levels[0].step, one_sided=True)], 0.0
    for i in range(len(slopes) - 1):
        ratio = levels[i].step / levels[i + 1].step
        value = slopes[i + 1] + (slopes[i + 1] - slopes[i]) / (ratio - 1)
        change, noise = abs(slopes[i + 1] - slopes[i]), 4 * levels[i + 1].noise(measured)
        rate = change / np.log(ratio)
        error = change + noise if rate <= 0.8 * before + noise else np.inf  # grows like log x
        before = rate
        found.append(Estimate(value, error, levels[i + 1].step, one_sided=True))
    return min(found, key=lambda e: e.error)


def _growth_power(slopes: Sequence[float], steps: Sequence[float]) -> float | None:
    """Return p if slopes grow like step^−p: ½ for √x at 0, 1 at a jump; otherwise None."""
    if len(slopes) < 3 or any(s == 0 for s in slopes) or len(set(np.sign(slopes))) != 1:
        return None
    powers = [
        np.log(abs(b / a)) / np.log(s / t)
        for a, b, s, t in zip(slopes, slopes[1:], steps, steps[1:], strict=False)
    ]
    return float(min(powers)) if max(powers) - min(powers) < 0.1 else None


def _logarithmic_sign(slopes: Sequence[float], steps: Sequence[float]) -> int:
    """Return the sign of slopes that grow like log step, as for x·log x at 0; otherwise 0."""
    if len(slopes) < LONG:
        return 0
    values, logs = np.array(slopes[-LONG:]), np.log(steps[-LONG:])
    rises = np.diff(values) / -np.diff(logs)
    if not np.all(np.isfinite(rises)) or np.ptp(rises) > 0.01 * np.max(np.abs(rises)):
        return 0
    return int(np.sign(rises[-1]))


RESOLUTION = 1e-3
"""An error bar above this share of an entry, and above the tolerance, confirms nothing."""


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
