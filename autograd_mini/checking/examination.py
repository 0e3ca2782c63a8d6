"""Examination: the driver of a check. It asks everything about one subject, in order.

At the end it looks for mistakes in small results, which a weighted sum of all results hides. Each
result has a slope along one direction. A cotangent divided by these slopes makes all results count
equally. So one more derivative along that direction shows a mistake in any result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import numpy as np

from .agreement import excuse_rounding, find_disagreements
from .causes import Cause, Kind
from .diagnosis import Evidence, diagnose
from .diagnosis.rewriting import rewrite
from .inputs import Arrays, Problem, sizes_of
from .numeric.all_entries import MANY, Findings, estimate_all, refine_doubtful
from .numeric.lines import NOISE, Probe
from .numeric.noise import SINGLE, float32_stairs, measure_rounding
from .numeric.projections import check_projections
from .numeric.refinement import unseen_slope, usual_step
from .numeric.ties import TIED, judge_corners, refuse_ties
from .numeric.verdicts import CODES, Tolerances, Verdict
from .reporting.report import LONG, Bar, Coverage, Part, Report
from .subjects import Subject

SPREAD = 1e3
"""Slopes that differ by less than this factor do not hide each other: `rtol` is far smaller."""

KNOWN = 1e-3
"""A slope with a larger relative uncertainty counts as unknown."""

SMALLEST = 1e-100
"""The smallest slope used, as a share of the largest; its inverse must not overflow."""


def telling_cotangent(probe: Probe, subject: Subject, drawn: Arrays, rtol: float) -> Arrays | None:
    """Return a cotangent that reveals a mistake in small results; None if there is none.

    Args:
        probe: the function at the point.
        subject: the function and its gradient.
        drawn: the cotangent of the first check.
        rtol: the relative tolerance.
    """
    if sum(g.size for g in drawn) < 2 or not subject.takes_cotangent:
        return None
    direction = [_direction(x) for x in probe.point]
    step = probe.epsilon ** (1 / 3)
    if not _is_spread(_outputs(probe, direction, step), probe.base):
        return None
    wide, narrow = (_slopes(probe, direction, s) for s in (step, step / 8))
    if not all(np.all(np.isfinite(s)) for s in (*wide, *narrow)):
        return None
    sizes = _sizes(probe, wide, narrow)
    weights = [g / size for g, size in zip(drawn, sizes, strict=True)]
    given = [np.vdot(g, v) for g, v in zip(subject.gradient(weights), direction, strict=True)]
    rows = list(zip(weights, wide, narrow, probe.base, strict=True))
    numeric = sum(float(np.vdot(g, n)) for g, _, n, _ in rows)
    bar = sum(float(np.vdot(np.abs(g), np.abs(w - n))) for g, w, n, _ in rows)
    bar += sum(
        float(np.vdot(np.abs(g), 8 * NOISE * probe.epsilon * np.abs(y))) for g, *_, y in rows
    ) / step  # fmt: skip
    size = sum(float(np.vdot(np.abs(g), np.abs(n))) for g, _, n, _ in rows)
    off = abs(float(sum(given)) - numeric)
    return None if off <= rtol * size + 2 * bar else weights


def _direction(x: np.ndarray) -> np.ndarray:
    """Return steps of 0.5 to 1.5 times each entry; a random generator would take longer."""
    spread = 0.5 + np.arange(1, x.size + 1) * 0.6180339887498949 % 1
    sizes = np.abs(x)
    return (sizes if sizes.all() else sizes_of(x)) * spread.reshape(x.shape)


def _outputs(probe: Probe, direction: Arrays, step: float) -> Arrays:
    return probe.evaluate([x + step * v for x, v in zip(probe.point, direction, strict=True)])


def _slopes(probe: Probe, direction: Arrays, step: float) -> Arrays:
    """Return the slope of each result along a direction."""
    above, below = (_outputs(probe, direction, s) for s in (step, -step))
    return [(a - b) / (2 * step) for a, b in zip(above, below, strict=True)]


def _is_spread(above: Arrays, base: Arrays) -> bool:
    """Do results move so differently that some hide others?"""
    least, most = np.inf, 0.0
    for a, y in zip(above, base, strict=True):
        rise = np.abs(a - y).ravel()
        rise = rise[rise > 0]
        if rise.size:
            least, most = min(least, rise.min()), max(most, rise.max())
    return bool(most > SPREAD * least)


def _sizes(probe: Probe, wide: Arrays, narrow: Arrays) -> Arrays:
    """Return the divisor of each result that makes all results count equally.

    A result with an unknown slope keeps its size, because scaling it up would only add noise.
    """
    largest = max(float(np.max(np.abs(s), initial=0.0)) for s in narrow)
    sizes = []
    for a, b, y in zip(wide, narrow, probe.base, strict=True):
        size = np.abs(b)
        known = (np.abs(a - b) <= KNOWN * size) & (size > NOISE * probe.epsilon / KNOWN * np.abs(y))
        known &= size > SMALLEST * largest
        sizes.append(np.where(known, size / largest, 1.0))
    return sizes


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
        self.given = subject.gradient(self.drawn) if self.known else self._unknown_gradient()
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

    def _unknown_gradient(self) -> Arrays:
        """Return NaN for a gradient that would take too long to compute in full."""
        return [np.full(x.shape, np.nan) for x in self.subject.inputs.arrays]

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
