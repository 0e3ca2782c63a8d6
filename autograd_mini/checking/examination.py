"""Examination: the driver of a check. It asks everything about one subject, in order.

Large gradients are checked by random projections, and wrong entries are located by halving. Along a
direction v with independent normal entries, a gradient with the error vector e is off by Σ e·v.
This is normal with standard deviation ‖e‖, so it is less than δ with a probability of about
0.8·δ/‖e‖. So a few directions notice an error of any pattern, and the report can say how large it
would have to be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from time import perf_counter

import numpy as np

from .agreement import excuse_rounding, find_disagreements, telling_cotangent
from .diagnosis import Evidence, diagnose
from .diagnosis.formula import rewrite
from .inputs import Arrays, Problem, norm
from .numeric.all_entries import (
    MANY,
    Findings,
    empty_findings,
    estimate_all,
    refine_doubtful,
    refine_entry,
)
from .numeric.estimates import Judge, estimate
from .numeric.lines import DirectionLine, Probe
from .numeric.noise import SINGLE, float32_stairs, measure_rounding
from .numeric.refinement import SlopeRefinement, unseen_slope, usual_step
from .numeric.ties import TIED, judge_corners, refuse_ties
from .report import CODES, LONG, Bar, Cause, Coverage, Kind, Part, Report, Tolerances, Verdict
from .subjects import Subject

DIRECTIONS = 6
"""Random directions for each input."""

SAMPLE = 8
"""Entries that are checked before halving."""

FOUND = 8
"""Halving stops after this many wrong entries."""

MOST_SECONDS = 60.0
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
        if self.wrong >= FOUND or perf_counter() - self.started > MOST_SECONDS:
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


CALLS, CALLS_FOR_A_NUMBER = 4, 2
"""Calls for an entry that looks right: one to each side, and two at a narrow step.

Where the result is one number, many entries take the narrow steps together."""

AFFORDABLE = 20.0
"""Seconds that a full check may take; otherwise projections are used."""

STALLED, PATIENCE = 20.0, 0.2
"""A busy machine may slow calls down by this factor, and for this many seconds."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a check is done; see `gradcheck`."""

    rtol: float | None = None
    atol: float | None = None
    step: float | None = None
    seed: int = 0
    coverage: str = "auto"
    progress: bool | None = None


def examine(subject: Subject, options: Options) -> Report:
    """Check a subject and return the report, right or wrong.

    The caller silences NumPy's floating-point warnings.
    """
    call = f"{subject.name}({', '.join(subject.inputs.arguments)})"
    try:
        return _examine_twice(subject, options, call)
    except Problem as problem:
        problems = (problem.cause,)
    return Report(call, problems=problems, seed=options.seed)


def _examine_twice(subject: Subject, options: Options, call: str) -> Report:
    """Check with a random cotangent; if it hides small results, check with another one."""
    examination = Examination(subject, options)
    report = examination.report(call)
    if not report.ok or not examination.known:
        return report
    rtol = examination.tolerances.relative
    telling = telling_cotangent(examination.probe, subject, examination.drawn, rtol)
    if telling is None:
        return report
    second = Examination(subject, options, telling).report(call)
    return second if second.count(Verdict.WRONG) else report


class Examination:
    """One subject with its cotangent and the gradient that it gave.

    Raises:
        Problem: if the function or gradient as a whole cannot be checked.
    """

    def __init__(self, subject: Subject, options: Options, drawn: Arrays | None = None) -> None:
        """Evaluate at the point; `drawn` is the cotangent, random by default."""
        self.subject, self.options = subject, options
        self.outputs = subject.at_point()
        generator = np.random.default_rng(options.seed)
        self.drawn = subject.weights(self.outputs, generator) if drawn is None else drawn
        self.seconds = self._estimate_seconds()
        self.full = options.coverage != "projections" and (
            options.coverage == "full" or self.seconds <= AFFORDABLE
        )
        self.known = self.full or not subject.costly
        if self.known:
            self.given = subject.gradient(self.drawn)
        else:  # it would take too long to compute in full
            self.given = [np.full(x.shape, np.nan) for x in subject.inputs.arrays]
        self.weighted = [y.size for y in self.outputs] != [1]
        scale = 1.0 if self.weighted else self.drawn[0].item()  # scalar: plain derivatives
        self.weights = [g / scale for g in self.drawn]
        self.shown = [g / scale for g in self.given]
        self.scale = scale
        self.noisy = False
        self.corners: list[Cause] = []
        self.probe = Probe(subject, self.outputs, self.weights)
        if not subject.costly and subject.epsilon < SINGLE[0]:
            self.probe.stairs = float32_stairs(self.probe, generator)
        self.tolerances = Tolerances(self._relative_tolerance(), options.atol or 0.0)

    def _relative_tolerance(self) -> float:
        """Return the relative tolerance: the user's, or one that fits the function's digits."""
        if self.options.rtol is not None:
            return self.options.rtol
        return float(max(1e-6, 10 * self.subject.epsilon ** (2 / 3)))

    def _estimate_seconds(self) -> float:
        """Return roughly how long a full check takes.

        On a busy machine a single timing is unreliable. So a long estimate is measured again, and
        an estimate that would change the coverage is measured many times.
        """
        subject = self.subject
        entries = sum(x.size for x in subject.inputs.arrays)
        together = entries >= MANY and [y.size for y in self.outputs] == [1]
        calls = (CALLS_FOR_A_NUMBER if together else CALLS) * entries
        if calls * subject.seconds > LONG and subject.seconds < 0.1:
            subject.time_again(3)
        started = perf_counter()
        while AFFORDABLE < calls * subject.seconds < STALLED * AFFORDABLE:
            if perf_counter() - started > PATIENCE:
                break
            subject.time_again(1)
        return calls * subject.seconds

    def report(self, call: str) -> Report:
        """Run all stages of the check and return the report."""
        problems: list[Cause] = []
        ties: list[Cause] = []
        coverage: Coverage | None = None
        apart = True  # is anything wrong besides ties?
        if self.full:
            findings = self._judge_entries()
            apart = any(map(_has_wrong_alone, findings))
            ties = [*self.corners, *refuse_ties(self.probe, findings, self.tolerances)]
        else:
            findings, problems, coverage = check_projections(
                self.probe, self.shown, self.slope, self.tolerances, self.options.seed
            )
        self.probe.refuse_mutation()
        wrong = _have_verdict(findings, Verdict.WRONG)
        if self.probe.trouble and wrong:
            problems = [*problems, Cause(Kind.DOMAIN, self.probe.trouble)]
        elif self.probe.trouble:
            self._note_trouble(findings)
        if not wrong and not problems and self.known:
            rtol = self.tolerances.relative
            noisy = self.noisy or _have_verdict(findings, Verdict.UNRESOLVED)
            found = find_disagreements(
                self.subject, self.drawn, self.given, self.options.seed, rtol, noisy
            )
            problems = [*problems, *found]
        report = Report(
            call,
            tuple(self._make_part(i, f) for i, f in enumerate(findings)),
            tuple(problems),
            coverage=coverage,
            rtol=self.tolerances.relative,
            atol=self.tolerances.absolute,
            seed=self.options.seed,
            weighted=self.weighted,
            causes=tuple(ties),
        )
        if wrong and not (ties and not apart):
            return replace(report, causes=(*ties, *self.causes(report)))
        return report

    def _note_trouble(self, findings: list[Findings]) -> None:
        """Give failed calls near the point as the reason of unresolved entries."""
        for of in findings:
            for flat in (of.verdict == CODES[Verdict.UNRESOLVED]).nonzero()[0]:
                of.reasons[int(flat)] = self.probe.trouble

    def causes(self, report: Report) -> tuple[Cause, ...]:
        """Diagnose the wrong entries; if the diagnosis itself fails, the verdict stays."""
        try:
            return diagnose(self.evidence(report))
        except Exception as error:  # the user's function runs at many other values
            text = f"its diagnosis ended with {type(error).__name__}: {error!s:.200}"
            return (Cause(Kind.UNKNOWN, text),)

    def _judge_entries(self) -> list[Findings]:
        """Judge every entry alone."""
        total = sum(x.size for x in self.probe.point)
        with Bar(total, self.options.progress, "gradcheck", self.seconds > LONG) as bar:
            findings = estimate_all(
                self.probe, self.shown, self.tolerances, self.options.step, bar
            )  # fmt: skip
        refine_doubtful(self.probe, findings, self.tolerances, self.options.step)
        self.corners = judge_corners(self.probe, findings, self.tolerances)
        if not self.subject.costly:
            self.noisy = excuse_rounding(
                findings, self.probe.point, self._given_at, self.options.seed,
                lambda: unseen_slope(self.probe, measure_rounding(self.probe)),
            )  # fmt: skip
        return findings

    def _given_at(self, point: Arrays) -> Arrays:
        """Return the given gradient at another point, for the same cotangent."""
        return [g / self.scale for g in self.subject.gradient(self.drawn, point)]

    def slope(self, position: int, direction: np.ndarray) -> float:
        """Return the given derivative along a direction in one input."""
        if self.known:
            return float(np.vdot(self.shown[position], direction))
        return self.subject.given_slope(position, direction, self.weights)

    def _make_part(self, position: int, findings: Findings) -> Part:
        """Return the part of the report about one input."""
        inputs = self.subject.inputs
        shape = inputs.arrays[position].shape
        return Part(
            name=inputs.names[position],
            complex=inputs.complex[position],
            given=findings.given.reshape(shape),
            numeric=findings.numeric.reshape(shape),
            error=findings.error.reshape(shape),
            step=findings.step.reshape(shape),
            verdict=findings.verdict.reshape(shape),
            reasons=findings.reasons,
        )

    # ── for the diagnosis ──────────────────────────────────────────────────────────────────────
    def evidence(self, report: Report) -> Evidence:
        """Collect the facts for a diagnosis."""
        inputs = self.subject.inputs
        again = self.subject.takes_cotangent and self.known  # else it would take too long
        return Evidence(
            names=inputs.names,
            xs=inputs.arrays,
            given=[p.given for p in report.parts],
            numeric=[p.numeric for p in report.parts],
            error=[np.where(p.verdict < 0, np.inf, p.error) for p in report.parts],
            wrong=[p.is_(Verdict.WRONG) for p in report.parts],
            complex=inputs.complex,
            complex_outputs=self.subject.complex_outputs,
            outputs=self.outputs,
            weights=self.weights,
            others=inputs.others,
            column=partial(self.column, [p.step for p in report.parts]),
            regradient=self.subject.gradient if again else _refuse_cotangent,
            rtol=self.tolerances.relative,
            kink=[p.is_(Verdict.KINK) for p in report.parts],
            function=self.subject.call if type(self.subject).call is Subject.call else None,
            rewritten=self._rewrite_function,
        )

    def _rewrite_function(self) -> Callable[[list[object]], object] | None:
        """Return a copy of the function that does not write into arrays."""
        function = rewrite(self.subject.function)
        if function is None:
            return None
        return lambda values: function(*self.subject.inputs.fill_arguments(values))

    def column(self, steps: Arrays, position: int, index: tuple[int, ...]) -> Arrays:
        """Return numeric derivatives of all outputs with respect to one input entry.

        A narrow feature needs the step at which the entry was judged, because the usual step is too
        wide.
        """
        x = self.probe.point[position]
        flat = int(np.ravel_multi_index(index, x.shape)) if x.ndim else 0
        at, judged = float(x.flat[flat]), float(steps[position].flat[flat])
        step = usual_step(self.probe.epsilon, max(1.0, abs(at)))
        if 0 < judged < step:
            step = judged
        above = self.probe.with_entry(position, flat, at + step)
        below = self.probe.with_entry(position, flat, at - step)
        width = (at + step) - (at - step)
        return [(a - b) / width for a, b in zip(above, below, strict=True)]


def _has_wrong_alone(findings: Findings) -> bool:
    """Is an entry wrong for a reason other than a tie?"""
    (wrong,) = (findings.verdict == CODES[Verdict.WRONG]).nonzero()
    return any(not findings.reasons.get(int(flat), "").startswith(TIED) for flat in wrong)


def _have_verdict(findings: list[Findings], verdict: Verdict) -> bool:
    """Does any entry have this verdict?"""
    return any((f.verdict == CODES[verdict]).any() for f in findings)


def _refuse_cotangent(weights: Arrays) -> Arrays:
    """Raise for a gradient that accepts no other cotangent."""
    raise ValueError("this gradient takes no cotangent")
