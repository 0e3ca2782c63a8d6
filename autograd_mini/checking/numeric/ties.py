"""Ties and corners: equal entries, as of a maximum or a median, judged by moving them together.

Each entry at a kink may have any slope between its one-sided slopes. But moved together the entries
have one slope, or a narrow interval of slopes, and the given values must add up to it: one entry
gets everything, or each gets a share. Entries with unrelated kinks, such as |x| + |y| at 0, are not
compared.

A corner does not show in single entries: each has one slope when it moves alone, as at a median of
equal numbers. Moved together, the entries have another slope than the sum of these. So a right
choice of the gradient may differ from the slopes of single entries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ..inputs import Arrays
from ..report import CODES, JUMP, KINK, Cause, Kind, Tolerances, Verdict
from .all_entries import RIGHT, Findings
from .estimates import Judge
from .lines import NOISE, TINY, Line, Probe
from .noise import rounding_of_inputs
from .refinement import SlopeRefinement, usual_step

PAIRED = 40
"""Up to this many tied entries are grouped by a test of each pair; more form one group."""

LOOKED_AT = 400
"""With more entries at kinks, ties are not checked."""

APART = 0.02
"""Entries belong together if they share at least this share of their kinks."""

MARGIN = 1e-3
"""A tolerance, as a share of the slope; a wrong tie is off by much more."""

TIED = "tied: moved with others,"
"""Start of the reason of an entry that is wrong together with others."""

CORNER = "corner:"
"""Start of the reason of an entry without a kink when it moves alone."""

NARROWED = 16.0
"""At a step narrower by this factor, a kink keeps the difference of its slopes; a bend loses it."""

NARROWER = 10.0
"""Ratio of the steps that search for a tie near the point."""

ALIKE = 0.1
"""Slopes are equal if they differ by less than this share of the difference."""

SPACINGS = 100.0
"""A step needs this many units in the last place to have two digits."""

NAMED = 4
"""Number of entries that a cause names."""


class EntryPlace(NamedTuple):
    """One entry of one input."""

    position: int
    flat: int


class TogetherLine(Line):
    """The line along which entries of one or more inputs move together.

    Args:
        probe: the function at the point.
        places: the entries.
        lengths: the move of each entry at a step of 1.

    Attributes:
        finest: the narrowest step that survives the rounding of these coordinates.
    """

    def __init__(self, probe: Probe, places: Sequence[EntryPlace], lengths: np.ndarray) -> None:
        self.probe, self.places, self.lengths = probe, places, lengths
        self.unit = self.near = 1.0
        self.least = 1e3 * probe.epsilon
        self.size = max(abs(float(probe.point[i].flat[flat])) for i, flat in places)
        spacing = float(np.spacing(max(self.size, TINY)))
        self.finest = SPACINGS * spacing / float(np.max(np.abs(lengths)))

    def at(self, step: float) -> tuple[Arrays, float]:
        """Move the entries."""
        moved = [x.copy() for x in self.probe.point]
        for (position, flat), length in zip(self.places, self.lengths, strict=True):
            moved[position].flat[flat] += step * length
        rounded = self.probe.subject.inputs.round_coordinates
        return self.probe.evaluate([rounded(i, x) for i, x in enumerate(moved)]), step

    def along(self, probe: Probe) -> Line:
        """Move the same entries from another probe."""
        return TogetherLine(probe, self.places, self.lengths)

    def tangents(self) -> Arrays:
        """Return the lengths in the entries."""
        found = [np.zeros(x.shape) for x in self.probe.subject.inputs.arrays]
        for (position, flat), length in zip(self.places, self.lengths, strict=True):
            found[position].flat[flat] = length
        return found


def refuse_ties(probe: Probe, findings: Sequence[Findings], tolerances: Tolerances) -> list[Cause]:
    """Judge entries at kinks wrong if their values do not add up; return the causes."""
    places = [
        EntryPlace(position, int(flat))
        for position, of in enumerate(findings)
        for flat in at_kinks(of).nonzero()[0]
    ]
    if not 1 < len(places) <= LOOKED_AT:
        return []
    causes, ties = [], Ties(probe)
    places = [p for p in places if not ties.bends(p, findings[p.position])]
    if len(places) < 2:
        return []
    for group in ties.groups(places):
        if any(findings[i].verdict[flat] == CODES[Verdict.WRONG] for i, flat in group):
            continue  # already known to be wrong
        found = _find_mismatch(probe, findings, tolerances, group, ties)
        if found is None:
            continue
        for position, flat in group:
            findings[position].verdict[flat] = CODES[Verdict.WRONG]
            findings[position].reasons[flat] = f"{TIED} the values do not add up"
        causes.append(cause_of(probe, group, found))
    return causes[:NAMED]


def at_kinks(findings: Findings) -> np.ndarray:
    """Which entries are at kinks, including valid values and mean slopes?"""
    apart = findings.gap > APART * np.abs(findings.numeric)
    mean = apart & (findings.verdict == RIGHT) & (findings.numeric != 0)
    found = mean | (findings.verdict == CODES[Verdict.KINK])
    if findings.reasons:
        found[[flat for flat, why in findings.reasons.items() if why.startswith(KINK)]] = True
        found[[flat for flat, why in findings.reasons.items() if why.startswith(CORNER)]] = False
    return found


def _find_mismatch(
    probe: Probe,
    findings: Sequence[Findings],
    tolerances: Tolerances,
    group: Sequence[EntryPlace],
    ties: Ties,
) -> SlopeRefinement | None:
    """Return the refined slope that the values do not add up to; None if they do.

    Entries move so that they stay tied. Along other directions, the middle of sorted numbers has a
    slope that no entry has.
    """
    values = np.array([findings[i].given[flat] for i, flat in group])
    for lengths, smooth in _tied_directions(group, ties):
        size = float(np.sum(np.abs(values) * np.abs(lengths)))
        allowed = tolerances.absolute * float(np.sum(np.abs(lengths))) + max(
            tolerances.relative, MARGIN
        ) * max(size, float(np.max(np.abs(lengths))) * ties.kink(group[0]))
        judge = Judge(Tolerances(0.0, allowed), 10 * allowed)
        line = TogetherLine(probe, group, lengths)
        expected = float(values @ lengths)
        found = SlopeRefinement(probe, line, expected, judge)
        wrong = found.verdict is Verdict.WRONG and (found.estimate.sides is None or not smooth)
        if wrong and not adds_up_nearby(probe, line, expected, _distance_from(found, expected)):
            return found
    return None


def _distance_from(found: SlopeRefinement, expected: float) -> float:
    """Return the distance of a slope, or of the one-sided slopes, from the expected one."""
    e = found.estimate
    slopes = (e.value,) if e.sides is None else e.sides
    return float(min(abs(s - expected) for s in slopes))


def adds_up_nearby(probe: Probe, line: TogetherLine, expected: float, apart: float) -> bool:
    """Do narrower steps have the expected slope? Then the tie or corner is not at the point.

    Args:
        probe: the function at the point.
        line: the line along which the entries move together.
        expected: the sum of the given values, or of the slopes of the entries.
        apart: the distance of the slope at the usual step from it.
    """
    step = usual_step(probe.unit, line.unit)
    while step > line.finest:
        step /= NARROWER
        level = probe.level(line, step)
        noise = level.noise()
        if not noise <= ALIKE * apart:
            return False
        off = max(abs(level.right - expected), abs(level.left - expected))
        if off <= ALIKE * apart + 2 * noise:
            return True
    return False


def _tied_directions(group: Sequence[EntryPlace], ties: Ties) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield directions in which tied entries stay tied; True if only a smooth slope counts.

    Each entry moves so that the compared values move equally: 2a and b in max(2a, b), or −a against
    b in max(−a, b). Pairs such as a and b in |a + b| stay tied when they move in opposite
    directions.
    """
    slopes = np.array([ties.slope(place) for place in group])
    kinks = np.array([ties.kink(place) for place in group])
    plain = np.abs(slopes) > 0.1 * kinks
    scale = np.median(kinks)
    usual = np.where(plain, np.sign(slopes), 1.0) * scale / kinks
    yield usual, False
    for one, other in combinations(range(min(len(group), NAMED)), 2):
        for sign in (1.0, -1.0):
            pair = np.zeros(len(group))
            pair[one], pair[other] = scale / kinks[one], sign * scale / kinks[other]
            yield pair, True


def cause_of(probe: Probe, group: Sequence[EntryPlace], found: SlopeRefinement) -> Cause:
    """Describe values that do not add up."""
    names = probe.subject.inputs.names
    indices = [np.unravel_index(flat, probe.point[p].shape) for p, flat in group[:NAMED]]
    entries = [
        f"{names[p]}{list(map(int, at))}" for (p, _), at in zip(group, indices, strict=False)
    ]
    listed = ", ".join(entries) + (" …" if len(group) > NAMED else "")
    e = found.estimate
    slope = f"{e.value:.6g}" if e.sides is None else f"{e.sides[0]:.6g} to {e.sides[1]:.6g}"
    one = names[group[0].position] if len({p for p, _ in group}) == 1 else None
    text = (
        f"{listed} are tied: moved together the function has the slope {slope}, and their values "
        f"give {found.given:.6g}; let one of them have the whole gradient, or each a share"
    )
    return Cause(Kind.TIE, text, one)


class Ties:
    """Finds entries that share kinks: moved together they act differently than one by one."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.step = 8 * usual_step(probe.epsilon, 1.0)
        self._alone: dict[tuple[EntryPlace, float], float] = {}

    def change(self, places: Sequence[EntryPlace], signs: Sequence[float]) -> float:
        """Return the change of φ when entries move, each to one side."""
        sizes = [max(1.0, abs(float(self.probe.point[i].flat[flat]))) for i, flat in places]
        line = TogetherLine(self.probe, places, np.array(sizes) * np.array(signs))
        return self.probe.weighted_change(line.at(self.step)[0], self.probe.base)

    def _change_alone(self, place: EntryPlace, sign: float) -> float:
        """Return the change of φ when one entry moves."""
        key = place, sign
        if key not in self._alone:
            self._alone[key] = self.change([place], [sign])
        return self._alone[key]

    def slope(self, place: EntryPlace) -> float:
        """Return the sum of the one-sided slopes of an entry."""
        return (self._change_alone(place, 1.0) - self._change_alone(place, -1.0)) / self.reach(
            place
        )

    def kink(self, place: EntryPlace) -> float:
        """Return the difference of the one-sided slopes of an entry."""
        return (
            abs(self._change_alone(place, 1.0) + self._change_alone(place, -1.0))
            / self.reach(place)
            or 1.0
        )

    def bends(self, place: EntryPlace, findings: Findings) -> bool:
        """Does the difference of one-sided slopes vanish with the step, so that it is no kink?"""
        line = TogetherLine(self.probe, [place], np.ones(1))
        narrow = float(findings.gap_step[place.flat]) / NARROWED
        if not narrow >= line.finest:
            return False
        sides = [line.at(side * narrow)[0] for side in (1.0, -1.0)]
        changes = [self.probe.weighted_change(side, self.probe.base) for side in sides]
        return abs(sum(changes)) / narrow <= 2 * findings.gap[place.flat] / NARROWED

    def reach(self, place: EntryPlace) -> float:
        """Return the move of an entry."""
        return self.step * max(1.0, abs(float(self.probe.point[place.position].flat[place.flat])))

    def _shares_kink(self, one: EntryPlace, others: Sequence[EntryPlace]) -> bool:
        """Does an entry share a kink with any of the others?

        The others move so that a maximum of them stays tied; the entry moves with them and against
        them.
        """
        kept = [math.copysign(1.0, self.slope(place)) for place in others]
        for sign in (1.0, -1.0):
            signs = [sign * s for s in kept]
            rest = self.change(others, signs)
            for own in (1.0, -1.0):
                mixed = (
                    self.change([one, *others], [own, *signs]) - self._change_alone(one, own) - rest
                )
                if abs(mixed) > APART * self.kink(one) * self.reach(one):
                    return True
        return False

    def groups(self, places: Sequence[EntryPlace]) -> list[list[EntryPlace]]:
        """Return groups of two or more entries that belong together."""
        tied = [p for p in places if self._shares_kink(p, [q for q in places if q != p])]
        if len(tied) > PAIRED:
            return [tied]
        return _connected_groups(tied, lambda p, q: self._shares_kink(p, [q]))


def _connected_groups(
    places: Sequence[EntryPlace], linked: Callable[[EntryPlace, EntryPlace], bool]
) -> list[list[EntryPlace]]:
    """Return the connected components with two or more members."""
    left, found = list(places), []
    while left:
        group, fresh = [], [left.pop(0)]
        while fresh:
            place = fresh.pop()
            group.append(place)
            near = [other for other in left if linked(place, other)]
            left = [other for other in left if other not in near]
            fresh += near
        if len(group) > 1:
            found.append(sorted(group))
    return found


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
    """Yield groups of entries of one input that have equal values and known slopes."""
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
