"""Refine one doubtful slope with more and more care, until the numbers decide.

Rounds of steps go from the usual step to wider and narrower ones. Before a gradient is called
wrong, the noise of the function is measured. If it is still open, the function is computed in long
double, or its slope is confirmed by a complex step, if it accepts complex numbers (Squire and Trapp
1998, "Using complex variables to estimate derivatives of real functions").
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..inputs import Arrays, coordinates
from ..report import Verdict
from .estimates import Estimate, Judge, estimate
from .lines import NOISE, Level, Line, Probe, long_double_probe
from .noise import (
    CROWD,
    NARROW_TREAD,
    SINGLE,
    WIDE_TREAD,
    find_stair,
    measure_noise,
    rounding_of_inputs,
    slope_over_treads,
)

ROUNDING = 16.0
"""A right gradient may also be off by this many rounding units of φ, per unit of length."""

STAIR = 1e-6
"""A step, per unit, that is shorter than a stair of float32."""

UNEVEN = 6.180339887498949e-4
"""A narrow step, as a share of the usual one, that no oscillation fits together with it."""

COARSE_STEPS = (0.004, 0.012, 0.03)
"""Steps, per unit, that are wider than the treads of float16 and bfloat16."""

SCATTERED = 3.0
"""A slope this many times as far from the given one as the estimate lies beyond both."""

CALM = 1e-9
"""The largest rounding error of a function whose numbers are not large."""

LOST = 1e4
"""An error bar of this many rounding units of the function is accepted if all else fails."""


def usual_step(epsilon: float, unit: float) -> float:
    """Return the step at which truncation h² and rounding eps/h are about equal."""
    return float(epsilon ** (1 / 3)) * unit


def _rounds_of_steps(line: Line, epsilon: float, step: float | None) -> Iterator[list[float]]:
    """Yield the steps to try, round by round."""
    usual = step or usual_step(epsilon, line.unit)
    yield [64 * usual, 8 * usual, usual, UNEVEN * usual]
    near = usual_step(epsilon, line.near)
    yield [usual / 8, usual / 64, *([64 * near, 8 * near, near] if line.near != line.unit else [])]
    yield [s for s in (512 * usual, 4096 * usual) if s < line.unit] + [0.2 * line.unit]
    yield [usual / 8**k for k in range(3, 12)]
    if not line.size:
        yield [usual / 30**k for k in range(7, 17)]


ALIKE = 0.1
"""The gap of a kink may differ by this share from step to step."""

CLEAR = 8.0
"""A gap of this many times the noise is one."""

KINK_REACHES = 60.0
"""The widest step at which a kink has its slopes must be this many times the narrowest."""


class SlopeRefinement:
    """The slope along an entry or direction, refined until there is a verdict.

    Attributes:
        estimate: the estimate of the derivative.
        verdict: the verdict on the given value.
    """

    def __init__(
        self, probe: Probe, line: Line, given: float, judge: Judge, step: float | None = None
    ) -> None:
        """Refine until there is a verdict; `step` replaces the usual first step."""
        self._probe, self._line, self.given = probe, line, given
        self._moving = probe.moving(line)
        rounding = ROUNDING * probe.epsilon * self._moving / line.unit
        seen = max(self._moving, min(probe.scale, 1.0))
        unseen = probe.epsilon**2 * seen / line.unit
        self._judge = replace(judge, rounding=rounding, unseen=unseen)
        self._levels: dict[float, Level] = {}
        self._leaps: list[Level] = []
        self._noise: float | None = None
        self._on_stairs = False
        self.estimate: Estimate
        self.verdict = Verdict.UNRESOLVED
        self._refine(step)
        if self.verdict is Verdict.WRONG:
            self._take_back()
        elif self.verdict is Verdict.RIGHT and not self._on_stairs:
            self._look_beyond_the_tread()

    def _take_back(self) -> None:
        """Leave a conviction open if a stair, scattered slopes or a fading kink explain it."""
        doubts = (
            self._is_on_a_stair,
            self._scatters,
            self._repeats_a_rounding,
            self._is_on_cancelling_stairs,
        )
        if any(is_doubtful() for is_doubtful in doubts):
            self.verdict = Verdict.UNRESOLVED
            self.estimate = replace(self.estimate, rough=True)
        e = self.estimate
        if e.sides is not None and not e.jumps and e.step in self._levels:
            self._is_steady_kink()

    @property
    def noise(self) -> float:
        """The noise of φ; 0 if it was not measured."""
        return self._noise or 0.0

    def _refine(self, step: float | None) -> None:
        """Try step after step until the verdict is certain."""
        for number, steps in enumerate(_rounds_of_steps(self._line, self._probe.unit, step)):
            fresh = self._add_levels(steps)
            if number == 0 and self.verdict is not Verdict.RIGHT:
                continue  # too wide a step can be certain and wrong
            if all(level.flat for level in self._levels.values()):
                continue  # so can a step that jumps over a narrow feature
            sure = fresh and not self._is_open() and self._confirm()
            if self._on_stairs:
                return
            if sure and not self._drop_leaps() and not self._is_open():
                return
        while self._drop_leaps():
            self._judge_levels()
        if self.verdict is not Verdict.RIGHT and self._noise is None:
            self._confirm()
        if self._on_stairs:
            return
        if self.estimate.jumps:
            self._judge_beside_jump()
        elif self.estimate.sides is None and self.verdict is Verdict.UNRESOLVED:
            self._use_more_digits()
            if self.verdict is Verdict.UNRESOLVED:
                self._allow_hidden_rounding()

    def _add_levels(self, steps: list[float]) -> bool:
        """Take differences at further steps and judge; return whether any step is new."""
        fresh = [s for s in steps if s >= self._line.least and s not in self._levels]
        for step in fresh:
            self._levels[step] = self._probe.level(self._line, step, self._moving)
        if fresh or not hasattr(self, "estimate"):
            self._judge_levels()
        return bool(fresh)

    def _judge_levels(self) -> None:
        levels = sorted(self._levels.values(), key=lambda level: level.step)
        self.estimate = estimate(levels, self.noise)
        if self.estimate.jumps:
            self.estimate = self._beyond_rounding(levels)
        self.verdict = self._judge.verdict(self.given, self.estimate)

    def _beyond_rounding(self, levels: list[Level]) -> Estimate:
        """Return the estimate of wider steps, if a jump is no higher than rounding."""
        found, small = self.estimate, rounding_of_inputs(self._probe)
        if all(level.rise <= small for level in levels):
            widest = levels[-1]  # only rounding
            error = widest.noise(self.noise) + small / widest.step
            return Estimate(widest.central, error, widest.step)
        while found.jumps:
            low = [x for x in levels if x.step <= found.step]
            levels = levels[len(low) :]
            if not low or len(levels) < 3:
                return self.estimate
            narrow, wide = low[-1], levels[0]  # equal rises are jumps, the others slopes
            jumps = narrow.rise > 0.5 * wide.rise
            if (narrow.rise if jumps else narrow.gap * narrow.step) > small:
                return self.estimate
            found = estimate(levels, self.noise)
        return found

    def _confirm(self) -> bool:
        """Confirm a verdict: a kink at narrower steps, a wrong value against the noise.

        If steps contradict each other, the narrow ones may lie on a single stair.
        """
        certain = self.verdict.passes and not self.estimate.conflict
        if not certain and self._noise is None:
            self._noise = measure_noise(self._probe, self._line)
            self._judge_levels()
        if self.estimate.sides is not None and not self._kink_stands():
            return self.verdict is not Verdict.UNRESOLVED and self._confirm()
        if self._reach_both_sides():
            return not self._is_open() and self._confirm()
        if self.verdict is Verdict.WRONG and not self._is_convicted():
            return self.verdict.passes
        return not self._is_open()

    def _is_convicted(self) -> bool:
        """Does a smooth slope really contradict the given one? If not, update the verdict."""
        self._add_levels(list(self._narrow_steps()))
        if self.verdict is not Verdict.WRONG:
            return False
        if self.estimate.sides is not None:
            return self._is_steady_kink()
        if self._is_rough() or not self._settle() or not self._is_smooth():
            self.verdict = Verdict.UNRESOLVED
            return False
        return not self._is_on_stairs()

    def _narrow_steps(self) -> Iterator[float]:
        """Yield narrow steps, which show whether a wide step jumped over a feature."""
        usual = usual_step(self._probe.unit, self._line.unit)
        while usual > self._narrowest:
            usual /= 8
            yield usual

    def _is_steady_kink(self) -> bool:
        """Are the one-sided slopes equally far apart at many steps?"""
        level = self._levels[self.estimate.step]
        steps = [
            x.step
            for x in self._levels.values()
            if abs(x.gap - level.gap) <= ALIKE * level.gap and x.gap > CLEAR * x.noise(self.noise)
        ]
        if steps and max(steps) >= KINK_REACHES * min(steps):
            return True
        self.estimate = replace(self.estimate, sides=None, uneven=True)
        self.verdict = Verdict.UNRESOLVED
        return False

    def _is_smooth(self) -> bool:
        """Do the one-sided slopes approach each other at narrower steps, up to noise?"""
        levels = sorted(self._levels.values(), key=lambda level: -level.step)
        small = rounding_of_inputs(self._probe)
        rows = [
            level.gap
            for level in levels
            if level.step <= self.estimate.step
            and level.gap > 25 * level.noise(self.noise) + small / level.step
        ]
        apart = abs(self.given - self.estimate.value)
        grows = len(rows) > 2 and rows[-1] > 1.5 * rows[-2] > 2.25 * rows[-3]
        if grows or any(b >= a and b > apart for a, b in pairwise(rows)):
            self.estimate = replace(self.estimate, uneven=True)
            return False
        return True

    def _is_on_stairs(self) -> bool:
        """Judge again over many treads, if φ has stairs that only rounding explains."""
        found = self._estimate_over_treads(self._probe, self._line, self.estimate)
        if found is None:
            return False
        verdict = self._judge.verdict(self.given, found)
        if verdict is Verdict.WRONG and abs(found.value - self.estimate.value) <= found.error:
            return False  # the same result, with fewer digits
        self._on_stairs, self.estimate, self.verdict = True, found, verdict
        return True

    def _look_beyond_the_tread(self) -> None:
        """Judge again over many treads where a right value holds on a single one only.

        A part of the function that rounds inside is constant at narrow steps, so they would confirm
        a gradient without that part. Jumps as low and as near to each other as the rounding of
        float32 show that it is wrong. Those of float16 may also be meant, as in np.round; and
        jumps that are further apart are meant.
        """
        e, levels = self.estimate, [*self._leaps, *self._levels.values()]
        wide = estimate([level for level in levels if level.step > e.step], self.noise)
        verdict, slope = self._judge.verdict(self.given, wide), wide.value
        if verdict is Verdict.UNRESOLVED or self._probe.coarse:
            levels = [self._probe.level(self._line, k * self._line.unit) for k in COARSE_STEPS]
            wide = replace(estimate(levels, self.noise), jumps=False, sides=None)
            verdict, slope = self._judge.verdict(self.given, wide), levels[-1].central
        if not (verdict is Verdict.WRONG or self._probe.coarse) or not np.isfinite(slope):
            return
        small, largest = rounding_of_inputs(self._probe), self._largest_result()
        tread, height = find_stair(self._probe, self._line, e, slope, small, largest)
        if not height:
            return
        found = slope_over_treads(self._probe, self._line, tread, height)
        width = height / abs(found.value - e.value) * self._line.count**0.5
        per_unit = width / self._line.unit
        if per_unit <= WIDE_TREAD and self._judge.verdict(self.given, found) is Verdict.WRONG:
            single = (
                height <= max(small, SINGLE[1] * largest) and max(width, per_unit) <= NARROW_TREAD
            )
            self.estimate, self._on_stairs = found, True
            self.verdict = Verdict.WRONG if single else Verdict.UNRESOLVED

    def _largest_result(self) -> float:
        """Return the size of the largest result that may move; each has its own stairs."""
        rows = zip(self._probe.weights, self._probe.base, strict=True)
        largest = max(float(np.max(np.abs(g * y), initial=0.0)) for g, y in rows)
        return min(largest, self._moving)

    def _estimate_over_treads(self, probe: Probe, line: Line, e: Estimate) -> Estimate | None:
        """Return the slope over many treads; None if no stair explains the given slope."""
        small = rounding_of_inputs(self._probe)
        tread, height = find_stair(probe, line, e, self.given, small, self._largest_result())
        if not height and probe.stairs:  # a wide step over few stairs can be wrong
            tread, height = STAIR * line.unit, probe.stairs
        return slope_over_treads(probe, line, tread, height) if height else None

    def _is_on_a_stair(self) -> bool:
        """Is φ constant to the last bit, so that the given value may be right?

        Either the given value is 0, on a stair much wider than rounding explains. Or it is so small
        that the rounding of numbers as large as the inputs would hide it.
        """
        if not self.given:
            steps = [STAIR * k * self._line.unit for k in (1.0, 1e-2, 1e-4, 1e-6, 1e-8)]
            beside = [self._probe.level(self._line, s) for s in steps if s >= self._line.least]
            rise = abs(self.estimate.value) * steps[0]
            hidden = NOISE * self._probe.epsilon * self._moving
            return bool(beside) and rise > hidden and all(level.flat for level in beside)
        flat = all(level.flat for level in self._levels.values())
        widest = max(self._levels, default=0.0)
        return flat and abs(self.given) * widest <= rounding_of_inputs(self._probe)

    def _is_on_cancelling_stairs(self) -> bool:
        """Are there stairs that rounding explains in terms that cancel at the point?"""
        e, small = self.estimate, rounding_of_inputs(self._probe)
        if e.sides is not None or not np.isfinite(e.value) or self._line.count >= CROWD:
            return False
        largest, spread = self._largest_result(), self._probe.spread
        if spread <= largest:
            return False  # lower stairs were looked for before
        tread, height = find_stair(self._probe, self._line, e, self.given, small, largest, spread)
        if height <= small:
            return False
        found = slope_over_treads(self._probe, self._line, tread, height)
        return abs(found.value - self.given) <= found.error

    def _drop_leaps(self) -> bool:
        """Drop steps that narrower steps contradict; return whether there were any."""
        if self.verdict is not Verdict.RIGHT or not self._is_contradicted():
            return False
        if self._noise is None:
            self._noise = measure_noise(self._probe, self._line)
            self._judge_levels()
        if self.verdict is not Verdict.RIGHT or not self._is_contradicted():
            return False
        widest = self.estimate.step
        self._leaps += [level for s, level in self._levels.items() if s >= widest]
        self._levels = {s: level for s, level in self._levels.items() if s < widest}
        return True

    def _is_contradicted(self) -> bool:
        e = self.estimate
        if e.sides is not None or not np.isfinite(e.value):
            return False
        narrower = [x for x in self._levels.values() if x.step < e.step and np.isfinite(x.central)]
        allowed = self._judge.allowed_difference(self.given, e.value, e.error) + 2 * e.error
        return any(abs(x.central - e.value) > allowed + 4 * x.noise(self.noise) for x in narrower)

    def _is_open(self) -> bool:
        return self.verdict is Verdict.UNRESOLVED

    def _reach_both_sides(self) -> bool:
        """Try narrower steps before a one-sided slope counts as wrong; return if both sides work.

        The edge of the domain may be very close to the point.
        """
        if self.verdict is not Verdict.WRONG or not self.estimate.one_sided:
            return False
        step = min(self._levels) / 8
        while step >= self._line.least and self._add_levels([step]):
            if np.isfinite(self._levels[step].central):
                narrower = [step / 8**k for k in range(1, 5)]
                self._add_levels([s for s in narrower if s >= self._line.least])
                return True
            step /= 8
        return False

    def _kink_stands(self) -> bool:
        """Try narrower steps as far as noise permits: the kink may be next to the point."""
        while self.estimate.sides is not None:
            narrow = min(self._levels)
            level, step = self._levels[narrow], narrow / 8
            if step < self._narrowest or 8 * level.noise() > 0.04 * level.gap:
                return True
            self._add_levels([step])
        return False

    def _is_rough(self) -> bool:
        """Does φ change as much between neighbouring numbers as anywhere, like sin at 1e15?"""
        share = max(1e-3, 100 * self._probe.epsilon)
        sizes = [level.size for level in self._levels.values() if np.isfinite(level.size)]
        noise = self.noise
        rough = noise > share * max([self._probe.scale, *sizes]) or self._is_too_steep(share)
        rough = rough and not self._is_constant()
        if rough:
            self.estimate = replace(self.estimate, rough=True)
        return rough

    def _scatters(self) -> bool:
        """Do wide steps confirm the given value, while narrower ones lie far on any side?

        That is rounding of many entries inside φ. The slopes of a narrow feature lie between the
        two values.
        """
        e = self.estimate
        levels = [*self._leaps, *self._levels.values()]
        far = SCATTERED * abs(e.value - self.given)
        scattered = [
            x.step for x in levels if abs(x.central - self.given) > far + x.noise(self.noise)
        ]
        if self._line.count >= CROWD:
            settled = self._settles_below(e.step)
        else:
            settled = not scattered or self._settles_below(min(scattered) / 64)
        if settled:
            return False
        usual = max(e.step, usual_step(self._probe.unit, self._line.unit))
        found = estimate([level for level in levels if level.step > usual], self.noise)
        apart, near = abs(found.value - self.given) + found.error, 0.1 * abs(e.value - self.given)
        if not apart <= near:
            return False
        self.estimate = replace(found, rough=True)
        return True

    def _settles_below(self, step: float) -> bool:
        """Do all slopes at narrower steps, as far as noise permits, agree with the estimate?"""
        gap = abs(self.estimate.value - self.given)
        rows = [(x.central, x.noise(self.noise)) for x in self._levels.values() if x.step <= step]
        clear = [(slope, noise) for slope, noise in rows if noise < 0.25 * gap]
        agree = [abs(s - self.estimate.value) <= 0.5 * gap + noise for s, noise in clear]
        return len(agree) > 1 and all(agree)

    def _repeats_a_rounding(self) -> bool:
        """Do the slopes agree only because all steps have the same digits?

        Steps far longer than the entry itself are multiples by powers of 2, so a part with few
        digits rounds them all alike. Steps with other digits show it.
        """
        e = self.estimate
        if e.sides is not None or e.jumps or not e.step > 10 * self._line.size:
            return False
        levels = [self._probe.level(self._line, share * e.step) for share in (0.61, 0.37, 0.23)]
        found = estimate(levels, self.noise)
        allowed = 0.5 * abs(e.value - self.given) + 4 * levels[-1].noise(self.noise)
        return bool(abs(found.value - e.value) > allowed)

    def _is_constant(self) -> bool:
        """Is φ constant up to rounding, although the given slope would change it a lot?"""
        rises = [level.rise for level in self._levels.values()]
        small, step = rounding_of_inputs(self._probe), max(self._levels)
        return small < CALM and max(rises) <= small and abs(self.given) * step > 1e3 * small

    def _is_too_steep(self, share: float) -> bool:
        """Is φ rough, and the given slope steeper than its numbers can follow?"""
        rises = [level.rise for level in self._levels.values()]
        largest = max([rise for rise in rises if np.isfinite(rise)], default=0.0)
        least = max(share * largest, rounding_of_inputs(self._probe))
        return self.noise > least and abs(self.given) * self._line.least > largest

    def _settle(self) -> bool:
        """Try narrower steps while they disagree; return whether they agree in the end."""
        while self.verdict is Verdict.WRONG:
            narrower = [self._levels[step] for step in self._levels if step < self.estimate.step]
            if not any(self._contradicts(level) for level in narrower):
                return True
            step = min(self._levels) / 8
            if step < self._narrowest or not self._add_levels([step]):
                return False
        return True

    @property
    def _narrowest(self) -> float:
        """The shortest step worth trying."""
        return max(self._line.least, 1e-12 * min(self._line.near, self._line.unit))

    def _contradicts(self, level: Level) -> bool:
        """Do differences at a narrower step move from the estimate to the given value?"""
        value = self.estimate.value
        noise = 4 * level.noise(self.noise) + 2 * self.estimate.error
        noise += rounding_of_inputs(self._probe) / level.step
        nearer = abs(level.central - self.given) < 0.95 * abs(value - self.given)
        return bool(abs(level.central - value) > noise and nearer)

    def _judge_beside_jump(self) -> None:
        """Judge at a jump by the slopes next to it."""
        found = [self._slopes_beside(self.estimate.step * k) for k in (1.0, 8.0)]
        near, far = found
        if near is None or far is None:
            return
        margin = max(abs(n - f) for n, f in zip(near[:2], far[:2], strict=True))
        if (
            margin
            > self._judge.allowed_difference(*near[:2]) + 1e-3 * max(map(abs, near[:2])) + near[4]
        ):
            return
        low, high, left, right, noise = near
        sides = (low - margin - noise, high + margin + noise)
        self.estimate = replace(self.estimate, sides=sides, left=left, right=right)
        self.verdict = self._judge.verdict(self.given, self.estimate)
        if self.verdict is Verdict.WRONG:
            self._is_on_stairs()

    def _slopes_beside(self, step: float) -> tuple[float, float, float, float, float] | None:
        """Return the least, greatest, left and right slopes next to a jump, and their noise."""
        sides: list[list[Arrays]] = []
        for direction in (-1.0, 1.0):
            near, first = self._line.at(direction * step)
            far, second = self._line.at(3 * direction * step)
            rows = zip(self._probe.weights, far, near, strict=True)
            slopes = [g * (b - a) / (second - first) for g, b, a in rows]
            if all(np.all(np.isfinite(s)) for s in slopes):
                sides.append(slopes)
        if not sides:
            return None
        left, right = sides[0], sides[-1]
        low = sum(float(np.sum(np.minimum(a, b))) for a, b in zip(left, right, strict=True))
        high = sum(float(np.sum(np.maximum(a, b))) for a, b in zip(left, right, strict=True))
        to_left, to_right = (float(sum(np.sum(s) for s in side)) for side in (left, right))
        return low, high, to_left, to_right, 8 * self._probe.epsilon * self._probe.scale / step

    def _allow_hidden_rounding(self) -> None:
        """Accept a difference that rounding hides even at the best step: a share of φ per unit.

        The share is of φ, or of larger terms of φ that cancel, which the noise shows.
        """
        lenient = unseen_slope(self._probe, self.noise) / self._line.unit
        rounding = max(self._judge.rounding, ROUNDING * lenient / LOST)
        judge = replace(self._judge, rounding=rounding)
        if judge.verdict(self.given, self.estimate, lenient) is Verdict.RIGHT:
            self.verdict = Verdict.RIGHT

    # ── more digits ───────────────────────────────────────────────────────────────────────────
    def _use_more_digits(self) -> None:
        """Compute an unresolved slope in long double, or confirm it by a complex step."""
        probe = long_double_probe(self._probe, 1e3 * self.noise)
        if probe is not None:
            line = self._line.along(probe)
            steps = [usual_step(probe.epsilon, line.unit) * 8**k for k in (6, 5, 4, 2, 1, 0, -1)]
            steps += [usual_step(probe.epsilon, line.near) * 8**k for k in (6, 5, 4, 2, 1, 0)]
            moving = probe.moving(line)
            levels = [probe.level(line, s, moving) for s in sorted(set(steps)) if s >= line.least]
            found = estimate(levels, measure_noise(probe, line))
            if found.error < self.estimate.error or not np.isfinite(self.estimate.value):
                verdict, before = self._judge.verdict(self.given, found), self.estimate
                unsure = before.rough or found.sides is not None or _are_apart(found, before)
                unsure = unsure or all(level.flat for level in levels)
                unsure = unsure or (
                    _is_two_sided(self._levels.values()) and not _is_two_sided(levels)
                )
                if verdict is Verdict.WRONG and not unsure:  # parts may have fewer digits
                    found = self._estimate_over_treads(probe, line, found) or found
                    verdict = self._judge.verdict(self.given, found)
                self.verdict = Verdict.UNRESOLVED if unsure and not verdict.passes else verdict
                self.estimate = replace(found, rough=before.rough or found.rough)
        if self.verdict is Verdict.UNRESOLVED and np.isfinite(self.estimate.value):
            self._try_complex_step()

    def _try_complex_step(self) -> None:
        """Take the imaginary part of f(x + ih)/h: without a difference, nothing cancels.

        It is the derivative of analytic functions only. So it may confirm a gradient within the
        error bar of the differences, but never shows that one is wrong.
        """
        slope = _complex_slope(self._probe, self._line)
        if slope is None or not np.isfinite(slope):
            return
        close = abs(slope - self.estimate.value) <= 2 * self.estimate.error
        if close and abs(self.given - slope) <= self._judge.allowed_difference(self.given, slope):
            error = abs(self.given - slope)
            self.estimate = replace(self.estimate, value=slope, error=error, step=1e-30)
            self.verdict = Verdict.RIGHT


def unseen_slope(probe: Probe, noise: float) -> float:
    """Return the slope, per unit, that rounding may hide even at the best step.

    Args:
        probe: the function at the point.
        noise: the noise of φ. It shows how large the cancelling terms of φ are, if it is within
            the rounding of terms of size 1; more noise is not used.
    """
    rounding = probe.epsilon * probe.scale
    if noise <= 1e3 * probe.epsilon * max(probe.scale, 1.0):
        rounding = max(rounding, noise)
    return LOST * rounding


def _is_two_sided(levels: Iterable[Level]) -> bool:
    """Is the function finite on both sides at some step?"""
    return any(np.isfinite(level.central) for level in levels)


def _are_apart(a: Estimate, b: Estimate) -> bool:
    """Are two estimates further apart than their error bars allow?"""
    return bool(abs(a.value - b.value) > 2 * (a.error + b.error))


def _complex_slope(probe: Probe, line: Line) -> float | None:
    """Return Im Σ g·f(x + ih·v)/h; None if the function does not accept complex numbers."""
    subject, step = probe.subject, 1e-30
    if any(subject.inputs.complex) or any(subject.complex_outputs):
        return None
    rows = zip(subject.inputs.arrays, line.tangents(), strict=True)
    moved = [(x + 1j * step * t)[()] if np.any(t) else x[()] for x, t in rows]
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")  # casts to real numbers only warn
            outputs = subject.outputs(moved)
    except Exception:  # the function may not support complex numbers
        return None
    if [y.shape for y in outputs] != [g.shape for g in probe.weights]:
        return None
    slope = 0.0
    for y, g in zip(outputs, probe.weights, strict=True):
        if y.dtype.kind == "c":
            slope += float(np.vdot(g, coordinates(y)[..., 1])) / step
    return slope
