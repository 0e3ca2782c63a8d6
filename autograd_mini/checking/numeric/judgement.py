"""Judging the entries that a first estimate left in doubt, the worst first."""

from __future__ import annotations

from collections import Counter

import numpy as np

from .first import DOUBTFUL, Findings
from .investigation import SlopeRefinement
from .lines import EntryLine, Probe
from .verdicts import CODES, Judge, Tolerances, Verdict, explain_verdict

ENOUGH = {Verdict.WRONG: 20, Verdict.UNRESOLVED: 40}
"""Entries found so, after which the remaining doubtful ones are not looked at: where many are
wrong by their first estimates, where many are unresolved not at all, for those know no better."""


def refine_doubtful(
    probe: Probe, findings: list[Findings], tolerances: Tolerances, step: float | None
) -> None:
    """Investigate doubtful entries, and enter what was found."""
    doubtful = [
        (distance_from_numeric(f, int(flat)), position, int(flat))
        for position, f in enumerate(findings)
        for flat in (f.verdict == DOUBTFUL).nonzero()[0]
    ]
    if not doubtful:
        return
    doubtful.sort(key=lambda row: (-row[0], row[1:]))
    counts: Counter[Verdict] = Counter()
    understated = 1.0
    for _, position, flat in doubtful:
        of = findings[position]
        if counts[Verdict.WRONG] >= ENOUGH[Verdict.WRONG]:
            judge_by_estimate(of, flat, tolerances, understated)
        elif counts[Verdict.UNRESOLVED] >= ENOUGH[Verdict.UNRESOLVED]:
            of.verdict[flat] = CODES[Verdict.UNRESOLVED]
            of.error[flat] = np.inf
            of.reasons[flat] = "not looked at, since too many others are unresolved"
        else:
            first, bar = float(of.numeric[flat]), float(of.error[flat])
            verdict = refine_entry(probe, of, position, flat, tolerances, step)
            counts[verdict] += 1
            off = abs(float(of.numeric[flat]) - first) / bar if bar else 0.0
            if verdict is not Verdict.WRONG and np.isfinite(off):
                understated = max(understated, off)


def distance_from_numeric(findings: Findings, flat: int) -> float:
    """Return how far a given value is from the numeric one, infinity if that is not known."""
    difference = abs(float(findings.given[flat]) - float(findings.numeric[flat]))
    return float("inf") if np.isnan(difference) else difference


def refine_entry(
    probe: Probe,
    findings: Findings,
    position: int,
    flat: int,
    tolerances: Tolerances,
    step: float | None = None,
) -> Verdict:
    """Investigate one entry, and enter what was found."""
    judge = Judge(tolerances, findings.negligible)
    given = float(findings.given[flat])
    found = SlopeRefinement(probe, EntryLine(probe, position, flat), given, judge, step)
    e = found.estimate
    findings.numeric[flat], findings.error[flat], findings.step[flat] = e.value, e.error, e.step
    findings.verdict[flat] = CODES[found.verdict]
    why = explain_verdict(given, e, found.verdict)
    if why:
        findings.reasons[flat] = why
    return found.verdict


def judge_by_estimate(
    findings: Findings, flat: int, tolerances: Tolerances, understated: float = 1.0
) -> None:
    """Call an entry wrong that is plainly so by its first estimate; others are left open.

    First error bars know nothing of the noise inside of the function; `understated` is by how much
    they were too narrow elsewhere.
    """
    given, numeric = float(findings.given[flat]), float(findings.numeric[flat])
    error = 2 * understated * float(findings.error[flat])
    allowed = tolerances.allowed_difference(given, numeric) + error
    if abs(given - numeric) > 10 * allowed or not np.isfinite(given):
        findings.verdict[flat] = CODES[Verdict.WRONG]
