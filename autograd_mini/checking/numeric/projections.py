"""Check large gradients by random projections, and locate wrong entries by halving.

Along a direction v with independent normal entries, a gradient with the error vector e is off by Σ
e·v. This is normal with standard deviation ‖e‖, so it is less than δ with a probability of about
0.8·δ/‖e‖. So a few directions notice an error of any pattern, and the report can say how large it
would have to be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from ..causes import Cause, Kind
from ..inputs import Arrays, norm
from ..reporting.report import Coverage
from .all_entries import Findings, empty_findings, refine_entry
from .estimates import estimate
from .lines import DirectionLine, Probe
from .refinement import SlopeRefinement, usual_step
from .verdicts import Judge, Tolerances, Verdict

DIRECTIONS = 6
"""Random directions for each input."""

SAMPLE = 8
"""Entries that are checked before halving."""

FOUND = 8
"""Halving stops after this many wrong entries."""

PATIENCE = 60.0
"""Seconds that halving may take for one input."""

POWER = 0.01
"""If an error of a larger share of the norm could be missed, the check is undecided."""

SHARE = 0.1
"""The tolerance of the norm, as a share of that of an entry, because rounding averages out."""

MISSED = 1.25 * 1e-6 ** (1 / DIRECTIONS)
"""All directions together miss an error below this share of its norm with probability 1e-6."""

Slope = Callable[[int, np.ndarray], float]


@dataclass(slots=True)
class ProjectionSearch:
    """The projections of one input, the number of wrong entries, and the measured noise."""

    probe: Probe
    position: int
    findings: Findings
    slope: Slope
    tolerances: Tolerances
    wrong: int = 0
    noise: float = 0.0
    started: float = field(default_factory=perf_counter)

    def _given_along(self, direction: np.ndarray) -> tuple[float, float]:
        """Return the given derivative along a direction, and its tolerance."""
        given = self.slope(self.position, direction)
        entries = self.findings.given.reshape(direction.shape) * direction
        size = norm(entries) if np.all(np.isfinite(entries)) else abs(given)
        absolute, relative = self.tolerances.absolute, self.tolerances.relative
        return given, absolute * norm(direction) + SHARE * relative * size

    def along(self, direction: np.ndarray) -> tuple[float, SlopeRefinement]:
        """Judge the derivative along a direction; also return the error it could not notice."""
        given, allowed = self._given_along(direction)
        line = DirectionLine(self.probe, self.position, direction)
        judge = Judge(Tolerances(0.0, allowed), 10 * allowed)
        found = SlopeRefinement(self.probe, line, given, judge)
        self.noise = max(self.noise, found.noise)
        e = found.estimate
        width = e.sides[1] - e.sides[0] if e.sides is not None else 2 * e.error
        return allowed + width, found

    def suspect(self, direction: np.ndarray, step: float) -> float | None:
        """Compare the derivative along a direction at the step used for all entries.

        Returns:
            None where it agrees; else the largest error that could be missed.
        """
        difference, error = self.difference(direction, step)
        allowed = self._given_along(direction)[1]
        return None if abs(difference) <= allowed + error else allowed + 2 * error

    def locate(self, scale: float, step: float, generator: np.random.Generator) -> bool:
        """Find a single wrong entry by the digits of its index; return whether this worked.

        Along ±1 in all entries, an entry that is off by e changes the result by ±e. Along the same
        direction times the digits of the indices, it changes by e times its digit. The ratio is the
        digit.
        """
        shape, size = self.probe.point[self.position].shape, self.findings.given.size
        signs = scale * generator.choice([-1.0, 1.0], size)
        whole, error = self.difference(signs.reshape(shape), step)
        if not abs(whole) > 20 * error:
            return False
        base = min(1000, max(2, int(abs(whole) / (8 * error)) if error else 1000))
        place, unit, rest = 0, 1, np.arange(size)
        while unit < size:
            digits = rest % base
            part, _ = self.difference((signs * digits / base).reshape(shape), step)
            digit = part / whole * base
            if not (np.isfinite(digit) and abs(digit - round(digit)) < 0.3):
                return False  # several entries are wrong
            place, unit, rest = place + unit * round(digit), unit * base, rest // base
        if not 0 <= place < size:
            return False
        self._investigate(place)
        return self.wrong > 0

    def difference(self, direction: np.ndarray, step: float) -> tuple[float, float]:
        """Return the error of the given derivative along a direction, and its error bar."""
        line = DirectionLine(self.probe, self.position, direction)
        e = estimate([self.probe.level(line, s) for s in (8 * step, step)], self.noise)
        return self._given_along(direction)[0] - e.value, e.error

    def sample(self, generator: np.random.Generator) -> None:
        """Check a few entries: an error in many entries needs no halving."""
        count = self.findings.given.size
        for place in generator.choice(count, min(count, SAMPLE), replace=False):
            self._investigate(int(place))

    def _halve(self, flat: np.ndarray, direction: np.ndarray, step: float) -> None:
        """Search for wrong entries by halving a set of entries."""
        if self.wrong >= FOUND or perf_counter() - self.started > PATIENCE:
            return
        if len(flat) == 1:
            self._investigate(int(flat[0]))
            return
        for half in (flat[: len(flat) // 2], flat[len(flat) // 2 :]):
            part = np.zeros_like(direction)
            part.flat[half] = direction.flat[half]
            if self.suspect(part, step) is not None:
                self._halve(half, part, step)

    def _investigate(self, place: int) -> None:
        """Refine one entry; compute its given value if only slopes are known."""
        if np.isnan(self.findings.given[place]):
            unit = np.zeros(self.probe.point[self.position].shape)
            unit.flat[place] = 1.0
            self.findings.given[place] = self.slope(self.position, unit)
        verdict = refine_entry(self.probe, self.findings, self.position, place, self.tolerances)
        self.wrong += verdict is Verdict.WRONG


def check_projections(
    probe: Probe, given: Arrays, slope: Slope, tolerances: Tolerances, seed: int
) -> tuple[list[Findings], list[Cause], Coverage]:
    """Check every input along random directions, and find the wrong entries.

    Returns:
        the findings of the checked entries, the problems that no single entry explains, and the
        coverage of the directions.
    """
    generator = np.random.default_rng([seed, 2])
    findings, problems, sensitivity, count, complete = [], [], 0.0, 0, True
    for position, x in enumerate(probe.point):
        found = empty_findings(given[position].ravel().copy())
        findings.append(found)
        if not x.size:
            continue
        scale = norm(x) / np.sqrt(x.size) or 1.0
        search = ProjectionSearch(probe, position, found, slope, tolerances)
        unseen: list[float] = []
        for _ in range(DIRECTIONS):
            direction = scale * generator.normal(size=x.shape)
            count += 1
            step = usual_step(probe.unit, 1.0)
            if not unseen:
                hidden = search.suspect(direction, step)
                if hidden is not None and search.locate(scale, step, generator):
                    unseen.append(hidden / scale)  # the entry alone proves the error
                    break
            seen, investigation = search.along(direction)
            unseen.append(seen / scale)
            if investigation.verdict.passes:
                continue
            step = investigation.estimate.step
            if not search.locate(scale, step, generator):
                search.sample(generator)
            if not search.wrong:
                search._halve(np.arange(x.size), direction, step)
            if not search.wrong:
                problems.append(_unlocated_cause(probe, position, investigation))
            break
        complete = complete and not search.wrong
        sensitivity = max(sensitivity, float(np.median(unseen)) / MISSED)
    total = norm(*given)
    entries = sum(x.size for x in probe.point)
    known = np.isfinite(total) and total > 0
    if complete and not problems and known and not sensitivity <= POWER * total:
        text = (
            f"random directions would not see an error of {sensitivity:.1e}, and the gradient has "
            f"the norm {total:.1e}: there are kinks at many entries, or too much rounding"
        )
        problems = [Cause(Kind.DOMAIN, text)]
    return findings, problems, Coverage(entries, count, sensitivity, total, complete)


def _unlocated_cause(probe: Probe, position: int, found: SlopeRefinement) -> Cause:
    """Return the cause for a wrong or unresolved direction without a wrong entry."""
    name, e = probe.subject.inputs.names[position], found.estimate
    if found.verdict is Verdict.UNRESOLVED:
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
