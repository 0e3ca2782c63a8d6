"""Large gradients by random projections, and halving where they show an error.

Along a direction v of independent normal entries, a gradient that is off by a vector e is off by
Σ e·v, which is normal with the deviation ‖e‖: less than δ with a probability of about 0.8·δ/‖e‖.
So few directions see an error of any pattern, and the report can say of which size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .causes import Cause, Kind
from .first import Findings, empty
from .inputs import Arrays
from .investigation import Investigation
from .judgement import look_at
from .lines import DirectionLine, Probe
from .report import Coverage
from .verdicts import Judge, Tolerances, Verdict

DIRECTIONS = 6
"""Random directions an input."""

FOUND = 8
"""Wrong entries after which halving stops."""

PATIENCE = 600
"""Directions that halving may try."""

MISSED = 1.25 * 1e-6 ** (1 / DIRECTIONS)
"""The share t of an error's norm that all directions miss with a probability of 1e-6 together."""

Slope = Callable[[int, np.ndarray], float]


@dataclass(slots=True)
class Search:
    """Projections of one input, and what they led to."""

    probe: Probe
    position: int
    findings: Findings
    slope: Slope
    tolerances: Tolerances
    tried: int = 0
    wrong: int = 0

    def along(self, direction: np.ndarray) -> tuple[Verdict, float, Investigation]:
        """Judge the derivative along a direction; also return what it could not have seen."""
        self.tried += 1
        given = self.slope(self.position, direction)
        entries = self.findings.given.reshape(direction.shape) * direction
        norm = float(np.linalg.norm(entries)) if np.all(np.isfinite(entries)) else abs(given)
        size = float(np.linalg.norm(direction))
        allowed = self.tolerances.absolute * size + self.tolerances.relative * norm
        judge = Judge(Tolerances(0.0, allowed), 10 * allowed)
        line = DirectionLine(self.probe, self.position, direction)
        found = Investigation(self.probe, line, given, judge)
        e = found.estimate
        width = e.sides[1] - e.sides[0] if e.sides is not None else 2 * e.error
        return found.verdict, allowed + width, found

    def halve(self, flat: np.ndarray, direction: np.ndarray) -> bool:
        """Look for what is wrong among some entries; tell whether an entry was found."""
        if self.wrong >= FOUND or self.tried >= PATIENCE:
            return True
        if len(flat) == 1:
            place = int(flat[0])
            self.know(place)
            row = (self.probe, self.findings, self.position, place, self.tolerances)
            verdict = look_at(*row)
            self.wrong += verdict is Verdict.WRONG
            return not verdict.passes
        located = False
        for half in (flat[: len(flat) // 2], flat[len(flat) // 2 :]):
            part = np.zeros_like(direction)
            part.flat[half] = direction.flat[half]
            verdict, _, found = self.along(part)
            if not verdict.passes:
                located = self.halve(half, part) or located
        return located

    def know(self, place: int) -> None:
        """Compute the given value of one entry, if only slopes are known."""
        if np.isnan(self.findings.given[place]):
            unit = np.zeros(self.probe.point[self.position].shape)
            unit.flat[place] = 1.0
            self.findings.given[place] = self.slope(self.position, unit)


def projected(
    probe: Probe, given: Arrays, slope: Slope, tolerances: Tolerances, seed: int
) -> tuple[list[Findings], list[Cause], Coverage]:
    """Check every input along random directions, and find the entries that are wrong.

    Returns:
        what is known of the entries that were looked at; problems that could not be traced to an
        entry; and what the directions cover.
    """
    generator = np.random.default_rng([seed, 2])
    findings, problems, sensitivity, count = [], [], 0.0, 0
    for position, x in enumerate(probe.point):
        found = empty(given[position].ravel().copy())
        findings.append(found)
        if not x.size:
            continue
        scale = float(np.sqrt(np.mean(x**2))) or 1.0
        search = Search(probe, position, found, slope, tolerances)
        unseen = []
        for _ in range(DIRECTIONS):
            direction = scale * generator.normal(size=x.shape)
            verdict, seen, investigation = search.along(direction)
            unseen.append(seen / scale)
            count += 1
            if not verdict.passes and not search.wrong:
                before = search.tried
                if not search.halve(np.arange(x.size), direction) or search.tried - before == 0:
                    problems.append(spread(probe, position, verdict, investigation))
                    break
        sensitivity = max(sensitivity, float(np.median(unseen)) / MISSED)
    norm = float(np.sqrt(sum(np.sum(g**2) for g in given)))
    entries = sum(x.size for x in probe.point)
    return findings, problems, Coverage(entries, count, sensitivity, norm)


def spread(probe: Probe, position: int, verdict: Verdict, found: Investigation) -> Cause:
    """Return the cause for a direction that is wrong, or unresolved, without a single entry."""
    name, e = probe.subject.inputs.names[position], found.estimate
    if verdict is Verdict.UNRESOLVED:
        text = (
            f"along a random direction the derivative by {name} is only known to ±{e.error:.1e}: "
            f"{e.value:.6g}, and {found.given:.6g} was given"
        )
        return Cause(Kind.DOMAIN, text, name)
    text = (
        f"along a random direction the derivative by {name} is {e.value:.9g} ± {e.error:.1e}, and "
        f"{found.given:.9g} was given; no single entry explains it"
    )
    return Cause(Kind.UNKNOWN, text, name)
