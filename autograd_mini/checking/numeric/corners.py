"""Corners that single entries do not show, such as a median of equal numbers.

Each entry has one slope there when it moves alone. Moved together, the entries have another slope
than the sum of these. So a right choice of the gradient may differ from the slopes of single
entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..causes import Cause
from .all_entries import Findings
from .lines import NOISE, Probe
from .noise import rounding_of_inputs
from .refinement import SlopeRefinement, usual_step
from .ties import (
    CORNER,
    LOOKED_AT,
    MARGIN,
    TIED,
    EntryPlace,
    TogetherLine,
    adds_up_nearby,
    at_kinks,
    cause_of,
)
from .verdicts import CODES, JUMP, Judge, Tolerances, Verdict

RANKED = 40
"""Up to this many equal entries are put into different orders near the point."""

BESIDE = 1e-3
"""The distance between entries in such an order."""

SMALLEST_SHARE = 1e-9
"""Slopes of all entries together may be off by this share of the function."""


def judge_corners(
    probe: Probe, findings: Sequence[Findings], tolerances: Tolerances
) -> list[Cause]:
    """Judge equal entries at a corner by moving them together; return the causes found."""
    groups = list(_equal_entries(probe, findings))
    places = [place for group in groups for place in group]
    if not 1 < len(places) <= LOOKED_AT or _adds_up(probe, findings, places):
        return []
    causes = []
    for group in groups:
        if _adds_up(probe, findings, group) or _adds_up_nearby(probe, findings, group):
            continue
        found = _refine_together(probe, findings, group, tolerances)
        if found.verdict is Verdict.WRONG:
            causes.append(cause_of(probe, group, found))
            why = f"{TIED} the values do not add up"
            _enter(findings, group, [Verdict.WRONG] * len(group), why)
        else:
            why = f"{CORNER} moved together, entries have another slope than one by one"
            _enter(findings, group, _verdicts_beside(probe, findings, group), why)
    return causes


def _equal_entries(probe: Probe, findings: Sequence[Findings]) -> Iterator[list[EntryPlace]]:
    """Yield groups of equal entries of an input that each have a known slope."""
    for position, (x, of) in enumerate(zip(probe.point, findings, strict=True)):
        values = x.ravel()
        if len(set(values.tolist())) == len(values):
            continue
        usable = np.isfinite(of.numeric) & np.isfinite(of.given) & ~at_kinks(of)
        usable &= of.verdict.ravel() != CODES[Verdict.UNRESOLVED]
        usable[[flat for flat, why in of.reasons.items() if why.startswith(JUMP)]] = False
        _, groups, counts = np.unique(values, return_inverse=True, return_counts=True)
        for number in np.flatnonzero(counts > 1):
            flat = np.flatnonzero((groups.ravel() == number) & usable)
            if len(flat) > 1:
                yield [EntryPlace(position, int(place)) for place in flat]


def _adds_up(probe: Probe, findings: Sequence[Findings], places: Sequence[EntryPlace]) -> bool:
    """Is the slope along a direction the sum of the slopes of the entries?"""
    lengths = np.random.default_rng(3).uniform(-1, 1, len(places))
    numeric = np.array([findings[i].numeric[flat] for i, flat in places])
    errors = np.array([findings[i].error[flat] for i, flat in places])
    expected = float(numeric @ lengths)
    allowed = float(errors @ np.abs(lengths) + MARGIN * np.abs(numeric) @ np.abs(lengths))
    line = TogetherLine(probe, places, lengths)
    usual = usual_step(probe.unit, line.unit)
    before = np.inf
    for step in (8 * usual, usual):
        level = probe.level(line, step)
        off = max(abs(level.right - expected), abs(level.left - expected))
        rounding = NOISE * level.noise() + rounding_of_inputs(probe) / step
        if not off > allowed + rounding or off < 0.5 * before < np.inf:
            return True
        before = off
    return False


def _adds_up_nearby(
    probe: Probe, findings: Sequence[Findings], places: Sequence[EntryPlace]
) -> bool:
    """Is that so at narrower steps? Then there is no corner at the point."""
    lengths = np.random.default_rng(3).uniform(-1, 1, len(places))
    numeric = np.array([findings[i].numeric[flat] for i, flat in places])
    expected = float(numeric @ lengths)
    line = TogetherLine(probe, places, lengths)
    level = probe.level(line, usual_step(probe.unit, line.unit))
    apart = max(abs(level.right - expected), abs(level.left - expected))
    return adds_up_nearby(probe, line, expected, apart)


def _refine_together(
    probe: Probe, findings: Sequence[Findings], group: Sequence[EntryPlace], tolerances: Tolerances
) -> SlopeRefinement:
    """Refine the slope of equal entries that move together."""
    values = np.array([findings[i].given[flat] for i, flat in group])
    size = max(float(np.sum(np.abs(values))), SMALLEST_SHARE * probe.scale)
    allowed = tolerances.absolute * len(group) + max(tolerances.relative, MARGIN) * size
    line = TogetherLine(probe, group, np.ones(len(group)))
    return SlopeRefinement(
        probe, line, float(np.sum(values)), Judge(Tolerances(0.0, allowed), 10 * allowed)
    )


def _verdicts_beside(
    probe: Probe, findings: Sequence[Findings], group: Sequence[EntryPlace]
) -> list[Verdict]:
    """Judge values by the slopes near the corner, where the entries are ordered."""
    right = [findings[i].verdict[flat] == CODES[Verdict.RIGHT] for i, flat in group]
    if all(right):
        return [Verdict.RIGHT] * len(group)
    if len(group) > RANKED:
        return [Verdict.RIGHT if good else Verdict.UNRESOLVED for good in right]
    slopes = _slopes_beside(probe, group)
    low, high = np.min(slopes, axis=0), np.max(slopes, axis=0)
    margin = 1e-3 * np.maximum(np.abs(low), np.abs(high))
    values = np.array([findings[i].given[flat] for i, flat in group])
    within = (low - margin <= values) & (values <= high + margin)
    return [Verdict.KINK if inside else Verdict.UNRESOLVED for inside in within]


def _slopes_beside(probe: Probe, group: Sequence[EntryPlace]) -> np.ndarray:
    """Return the slopes of the entries, one row for each order."""
    count = len(group)
    size = max(1.0, abs(float(probe.point[group[0].position].flat[group[0].flat])))
    step = BESIDE * size / (8 * count)
    rows = []
    for turn in range(count):
        ranks = np.roll(np.arange(count), turn) / count - 0.5
        moved = [x.copy() for x in probe.point]
        for (position, flat), rank in zip(group, ranks, strict=True):
            moved[position].flat[flat] += BESIDE * size * rank
        row = []
        for position, flat in group:
            kept = moved[position].flat[flat]
            sides = []
            for side in (step, -step):
                moved[position].flat[flat] = kept + side
                sides.append(probe.evaluate(moved))
            moved[position].flat[flat] = kept
            row.append(probe.weighted_change(*sides) / (2 * step))
        rows.append(row)
    return np.array(rows)


def _enter(
    findings: Sequence[Findings], group: Sequence[EntryPlace], verdicts: Sequence[Verdict], why: str
) -> None:
    """Store verdicts, and the reason of those that are not right."""
    for (position, flat), verdict in zip(group, verdicts, strict=True):
        of = findings[position]
        of.verdict[flat] = CODES[verdict]
        if verdict is not Verdict.RIGHT:
            of.reasons[flat] = why
