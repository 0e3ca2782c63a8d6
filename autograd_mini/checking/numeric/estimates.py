"""Numeric derivatives with error bars, from differences at several steps.

A central difference is off by O(h²) and by noise/h. Two or three steps together take the h² and h⁴
out (Richardson); what that changes bounds what remains, and the most certain combination counts
(Ridders 1982, "Accurate computation of F'(x) and F'(x)F''(x)"). A wide step that leaps over a kink
or a singularity can look certain and be wrong: it is out as soon as it contradicts narrower ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .lines import Level

LONG = 8
"""Steps over which a slope has to go on growing evenly to grow without bound."""

FURTHEST = 8
"""Steps to one side may be so much wider than any to both: slopes change near an edge."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A numeric derivative.

    Attributes:
        value: the derivative.
        error: its error bar.
        step: the step that gave it.
        sides: the slopes between which a given value is as good as the derivative, at a kink.
        left, right: the slopes to both sides there.
        jumps: whether the function itself seems to jump here.
        one_sided: whether it is finite on one side only.
        vertical: 1 or −1 where the slope grows without bound, with that sign.
        conflict: whether steps contradict each other, beyond their error bars.
        rough: whether rounding inside of the function hides its slope: it changes from one number
            to the next as much as at all, or narrow steps contradict a slope that wide ones have.
        uneven: whether the slopes to both sides do not come closer at narrower steps.
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
    """Combine the differences of several steps.

    Args:
        levels: one a step.
        measured: the noise of the function, where it was measured.
    """
    ordered = sorted(levels, key=lambda level: -level.step)
    central = [level for level in ordered if np.isfinite(level.central)]
    if central and all(level.flat for level in central) and len(central) > 2:
        return Estimate(0.0, central[0].noise(measured), central[0].step)
    best = NOTHING
    if central:
        best = detect_break(
            central, choose_most_certain(extrapolate_pairs(central, measured)), measured
        )
    if len(central) == len(ordered) or best.sides is not None or best.jumps:
        return best
    near = FURTHEST * central[0].step if central else np.inf  # beyond it lies the edge
    for side in ("right", "left"):
        half = [x for x in ordered if np.isfinite(getattr(x, side)) and x.step <= near]
        if half:
            best = more_certain(best, extrapolate_one_side(half, side, measured))
    return best


def more_certain(two_sided: Estimate, one: Estimate) -> Estimate:
    """Return the more certain of two estimates, the one-sided only if it fits the other."""
    if not np.isfinite(two_sided.value):
        return one
    fits = abs(one.value - two_sided.value) <= 2 * (one.error + two_sided.error)
    return replace(one, one_sided=False) if fits and 4 * one.error < two_sided.error else two_sided


def extrapolate_pairs(levels: Sequence[Level], measured: float) -> list[Estimate]:
    """Extrapolate every two and three neighbouring steps, given widest first."""
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


def choose_most_certain(estimates: Sequence[Estimate]) -> Estimate:
    """Choose the least error bar among the estimates that continue the narrowest one."""
    best, *wider = sorted(estimates, key=lambda e: (e.step, e.error))
    for e in wider:
        if not np.isfinite(best.value):
            best = e
        elif not abs(e.value - best.value) <= 2 * (e.error + best.error):
            return replace(best, conflict=True)
        elif e.error < best.error:
            best = e
    return best


def detect_break(levels: Sequence[Level], best: Estimate, measured: float) -> Estimate:
    """Tell a kink or a jump from the gap between the one-sided slopes.

    In a smooth place the gap shrinks with the step; at a kink it stays; at a jump it grows.
    """
    seen = [level for level in levels if steepest_side(level) > 25 * level.noise(measured)]
    power = growth_power(
        [steepest_side(level) for level in seen[-3:]], [level.step for level in seen[-3:]]
    )
    sign = logarithmic_sign([level.central for level in seen], [level.step for level in seen])
    if power is not None and power > 0.97:
        return estimate_at_jump(seen[-1], best)
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
    if any(50 * level.noise(measured) < narrow.gap for level in closer):  # it would be seen there
        return best
    ratio = wide.step / narrow.step
    if narrow.gap > 0.7 * ratio * wide.gap:
        return estimate_at_jump(narrow, best)
    if abs(narrow.gap - wide.gap) <= 0.08 * narrow.gap:
        margin = abs(narrow.gap - wide.gap) + narrow.noise(measured)
        sides = (narrow.low - margin, narrow.high + margin)
        return replace(best, sides=sides, left=narrow.left, right=narrow.right, step=narrow.step)
    return best


def steepest_side(level: Level) -> float:
    """Return the greater size of the slopes to both sides."""
    return max(abs(level.left), abs(level.right))


def estimate_at_jump(narrow: Level, best: Estimate) -> Estimate:
    """Return what is known at a jump; slopes beside it are for the investigation to find."""
    return replace(best, jumps=True, step=narrow.step, left=narrow.left, right=narrow.right)


def extrapolate_one_side(levels: Sequence[Level], side: str, measured: float) -> Estimate:
    """Extrapolate slopes on the one side on which the function is finite, widest step first."""
    slopes = [float(getattr(level, side)) for level in levels]
    steps = [level.step for level in levels]
    power, sign = growth_power(slopes[-3:], steps[-3:]), logarithmic_sign(slopes, steps)
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
        error = change + noise if rate <= 0.8 * before + noise else np.inf  # it goes on, like log x
        before = rate
        found.append(Estimate(value, error, levels[i + 1].step, one_sided=True))
    return min(found, key=lambda e: e.error)


def growth_power(slopes: Sequence[float], steps: Sequence[float]) -> float | None:
    """Return p if slopes grow like step^−p: ½ for √x at 0, 1 at a jump; None if they do not."""
    if len(slopes) < 3 or any(s == 0 for s in slopes) or len(set(np.sign(slopes))) != 1:
        return None
    powers = [
        np.log(abs(b / a)) / np.log(s / t)
        for a, b, s, t in zip(slopes, slopes[1:], steps, steps[1:], strict=False)
    ]
    return float(min(powers)) if max(powers) - min(powers) < 0.1 else None


def logarithmic_sign(slopes: Sequence[float], steps: Sequence[float]) -> int:
    """Return the sign with which slopes grow like log step, as those of x·log x at 0; 0 if not."""
    if len(slopes) < LONG:
        return 0
    values, logs = np.array(slopes[-LONG:]), np.log(steps[-LONG:])
    rises = np.diff(values) / -np.diff(logs)
    if not np.all(np.isfinite(rises)) or np.ptp(rises) > 0.01 * np.max(np.abs(rises)):
        return 0
    return int(np.sign(rises[-1]))
