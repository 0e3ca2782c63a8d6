"""The first estimate of every entry: one central difference each, judged all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..progress import Bar
from .batches import Batch
from .investigation import usual_step
from .lines import NOISE, Probe
from .sweep import Differences, NotSweepable, Sweep
from .verdicts import CODES, RESOLUTION, Tolerances, Verdict

WORTH_SWEEPING = 24
"""Entries from which on many are evaluated at once."""

SHARP = 1e-4
"""An error bar up to this share of an entry is not coarse."""

DOUBTFUL = -1
"""The code of an entry that is not judged yet."""


@dataclass(slots=True)
class Findings:
    """What is known of one input: flat arrays, one number an entry.

    Attributes:
        given, numeric, error, step: values.
        verdict: codes; -1 for doubtful.
        negligible: an error bar up to this is fine for every entry.
        reasons: why, where a verdict is not plain from the values.
    """

    given: np.ndarray
    numeric: np.ndarray
    error: np.ndarray
    step: np.ndarray
    verdict: np.ndarray
    negligible: float = 0.0
    reasons: dict[int, str] = field(default_factory=dict)


def moved_one_by_one(
    probe: Probe, position: int, flat: np.ndarray, steps: np.ndarray, bar: Bar
) -> Differences:
    """Evaluate with every entry moved to both sides, one call each."""
    rows = np.zeros((5, len(flat)))
    inputs = probe.subject.inputs
    xs = probe.point[position].ravel()[flat]
    ups = inputs.rounded(position, xs + steps)
    downs = inputs.rounded(position, xs - steps)
    for i, place in enumerate(flat):
        above = probe.with_entry(position, place, ups[i])
        below = probe.with_entry(position, place, downs[i])
        rows[0, i] = probe.weighted(above, probe.base)
        rows[1, i] = probe.weighted(below, probe.base)
        rows[4, i] = probe.size(above, below)
        bar.update(1)
    rows[2], rows[3] = ups - xs, downs - xs
    return Differences(*rows)


Moved = Callable[[int, np.ndarray, np.ndarray], Differences]


def mover(probe: Probe, bar: Bar) -> Moved:
    """Return the fastest way to evaluate with single entries moved."""
    inputs, subject = probe.subject.inputs, probe.subject
    count = sum(x.size for x in probe.point)
    over = getattr(subject, "over", None)
    if over is not None and count >= WORTH_SWEEPING and not any(inputs.complex):
        try:
            sweep = Sweep(over, [x[()] for x in probe.point], probe.weights)
        except NotSweepable:
            pass
        else:
            return swept(sweep, probe, bar)
    elif over is None and count >= WORTH_SWEEPING:
        return swept(Batch(probe), probe, bar)
    return lambda position, flat, steps: moved_one_by_one(probe, position, flat, steps, bar)


def swept(sweep: Sweep | Batch, probe: Probe, bar: Bar) -> Moved:
    """Return a way that sweeps, and evaluates one by one where the sweep refuses."""

    def moved(position: int, flat: np.ndarray, steps: np.ndarray) -> Differences:
        try:
            found = sweep.differences(position, flat, steps)
        except NotSweepable:
            return moved_one_by_one(probe, position, flat, steps, bar)
        bar.update(len(flat))
        return found

    return moved


def first_findings(
    probe: Probe, given: list[np.ndarray], tolerances: Tolerances, step: float | None, bar: Bar
) -> list[Findings]:
    """Estimate and judge every entry; what does not pass at once stays doubtful."""
    moved = mover(probe, bar)
    found = []
    for position, (x, g) in enumerate(zip(probe.point, given, strict=True)):
        findings = empty(g.ravel())
        flat, size = np.arange(x.size), np.abs(x.ravel())
        usual = usual_step(probe.epsilon, 1.0)
        steps = np.full(x.size, step) if step else usual * np.maximum(1.0, size)
        xs, epsilon = x.ravel(), probe.epsilon
        take(findings, moved(position, flat, steps), flat, steps, xs, epsilon, tolerances)
        doubtful = np.flatnonzero(findings.verdict == DOUBTFUL)
        far = (size[doubtful] > 10) | ((size[doubtful] < 0.1) & (size[doubtful] > 0))
        still = np.flatnonzero((findings.numeric == 0) & (findings.verdict == DOUBTFUL))
        if len(still):  # not even a wide step moves it
            wide = moved(position, still, 0.01 * np.maximum(1.0, size[still]))
            same = (wide.above == 0) & (wide.below == 0) & (findings.given[still] == 0)
            findings.verdict[still[same]] = CODES[Verdict.RIGHT]
        if step is None and np.count_nonzero(far) > 4:  # the other natural length
            flat = doubtful[far]
            near = usual * np.where(size[flat] > 1, 1.0, size[flat])
            spacing = 64 * np.spacing(size[flat])
            near = np.maximum(near, spacing)
            xs = x.ravel()[flat]
            take(findings, moved(position, flat, near), flat, near, xs, epsilon, tolerances)
        found.append(findings)
    return found


def empty(given: np.ndarray) -> Findings:
    """Return findings of which nothing is known."""
    nan = np.full(given.shape, np.nan)
    verdict = np.full(given.shape, DOUBTFUL, np.int8)
    return Findings(given, nan, np.full(given.shape, np.inf), nan.copy(), verdict)


def take(
    findings: Findings,
    moved: Differences,
    flat: np.ndarray,
    steps: np.ndarray,
    xs: np.ndarray,
    epsilon: float,
    tolerances: Tolerances,
) -> None:
    """Enter differences, where they are more certain, and judge what they make plain."""
    with np.errstate(all="ignore"):
        width = moved.up - moved.down
        numeric = (moved.above - moved.below) / width
        error = NOISE * epsilon * (moved.size + np.abs(numeric * xs)) / width
        given = findings.given[flat]
        sure = np.isfinite(numeric) & (error <= 0.1 * np.abs(numeric))
        scale = np.max(np.abs(numeric), where=sure, initial=0.0)
        share = max(1e-5, 100 * epsilon ** (2 / 3))
        findings.negligible = max(findings.negligible, float(share * scale))
        difference, size = np.abs(given - numeric), np.maximum(np.abs(given), np.abs(numeric))
        allowed = tolerances.absolute + tolerances.relative * size
        fine = error <= np.maximum(max(tolerances.absolute, findings.negligible), RESOLUTION * size)
        right = (difference <= allowed + error) & fine & np.isfinite(given)
        before = findings.error[flat]  # a coarse bar does not overrule a finer one
        apart = np.abs(numeric - findings.numeric[flat]) > allowed + before
        right &= ~(apart & (error > before) & (error > SHARP * size))
        better = right | (np.isfinite(numeric) & ~(error > findings.error[flat]))
    for values, fresh in ((findings.numeric, numeric), (findings.error, error)):
        values[flat[better]] = fresh[better]
    findings.step[flat[better]] = steps[better]
    findings.verdict[flat[right]] = CODES[Verdict.RIGHT]
