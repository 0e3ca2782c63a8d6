"""Ties: entries at kinks which belong together, as equal ones of a maximum.

Each of them may have any slope between those to both sides; but moved together they have one slope,
or a narrow interval of them, and the given values must add up to it. One entry gets all, or each a
share. Entries whose kinks have nothing to do with each other, as |x| + |y| at 0, are not compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ..causes import Cause, Kind
from ..inputs import Arrays
from .all_entries import RIGHT, Findings
from .lines import TINY, Line, Probe
from .refinement import SlopeRefinement, usual_step
from .verdicts import CODES, KINK, Judge, Tolerances, Verdict

PAIRED = 40
"""Up to so many entries it is looked which belong together; more are one group."""

LOOKED_AT = 400
"""Entries at kinks that are looked at."""

APART = 0.02
"""A share of the kinks that entries share if they belong together."""

MARGIN = 1e-3
"""A share of the slope; what is tied and wrong is off by far more."""

TIED = "tied: moved with others,"
"""How the reason of an entry begins that is wrong beside others."""

CORNER = "corner:"
"""How the reason of an entry begins that shows no kink when it moves alone."""

NARROWER = 10.0
"""From one step to the next that looks for a tie beside the point."""

ALIKE = 0.1
"""A share of the difference by which slopes are alike."""

SPACINGS = 100.0
"""Units in the last place of a coordinate that make a step of two digits."""

NAMED = 4
"""Entries that a cause names."""


class Place(NamedTuple):
    """One entry of one input."""

    position: int
    flat: int


class TogetherLine(Line):
    """The line along which entries of one or more inputs move at once.

    Args:
        probe: at the point.
        places: the entries.
        lengths: how far each moves at a step of 1.

    Attributes:
        finest: the narrowest step that is a step in the rounding of these coordinates.
    """

    def __init__(self, probe: Probe, places: Sequence[Place], lengths: np.ndarray) -> None:
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
    """Call entries at kinks wrong whose values do not add up, and say so."""
    places = [
        Place(position, int(flat))
        for position, of in enumerate(findings)
        for flat in at_kinks(of).nonzero()[0]
    ]
    if not 1 < len(places) <= LOOKED_AT:
        return []
    causes, ties = [], Ties(probe)
    for group in ties.groups(places):
        if any(findings[i].verdict[flat] == CODES[Verdict.WRONG] for i, flat in group):
            continue  # it is known what is wrong
        found = find_mismatch(probe, findings, tolerances, group, ties)
        if found is None:
            continue
        for position, flat in group:
            findings[position].verdict[flat] = CODES[Verdict.WRONG]
            findings[position].reasons[flat] = f"{TIED} the values do not add up"
        causes.append(cause_of(probe, group, found))
    return causes[:NAMED]


def at_kinks(findings: Findings) -> np.ndarray:
    """Tell which entries are at kinks, rightly answered or not; with the mean slope too."""
    apart = findings.gap > APART * np.abs(findings.numeric)
    mean = apart & (findings.verdict == RIGHT) & (findings.numeric != 0)
    found = mean | (findings.verdict == CODES[Verdict.KINK])
    if findings.reasons:
        found[[flat for flat, why in findings.reasons.items() if why.startswith(KINK)]] = True
        found[[flat for flat, why in findings.reasons.items() if why.startswith(CORNER)]] = False
    return found


def find_mismatch(
    probe: Probe,
    findings: Sequence[Findings],
    tolerances: Tolerances,
    group: Sequence[Place],
    ties: Ties,
) -> SlopeRefinement | None:
    """Return what was seen where tied entries move together and stay tied, or None if all is well.

    Along other directions the middle ones of sorted numbers have slopes that are none of theirs.
    """
    values = np.array([findings[i].given[flat] for i, flat in group])
    for lengths, smooth in directions(group, ties):
        size = float(np.sum(np.abs(values) * np.abs(lengths)))
        allowed = tolerances.absolute * float(np.sum(np.abs(lengths))) + max(
            tolerances.relative, MARGIN
        ) * max(size, float(np.max(np.abs(lengths))) * ties.kink(group[0]))
        judge = Judge(Tolerances(0.0, allowed), 10 * allowed)
        line = TogetherLine(probe, group, lengths)
        expected = float(values @ lengths)
        found = SlopeRefinement(probe, line, expected, judge)
        wrong = found.verdict is Verdict.WRONG and (found.estimate.sides is None or not smooth)
        if wrong and not adds_up_nearby(probe, line, expected, distance_from(found, expected)):
            return found
    return None


def distance_from(found: SlopeRefinement, expected: float) -> float:
    """Return how far a slope, or those to both sides, are from the expected one."""
    e = found.estimate
    slopes = (e.value,) if e.sides is None else e.sides
    return float(min(abs(s - expected) for s in slopes))


def adds_up_nearby(probe: Probe, line: TogetherLine, expected: float, apart: float) -> bool:
    """Whether narrower steps have the expected slope: then the tie, or corner, is not at the point.

    Args:
        probe: at the point.
        line: along which entries move together.
        expected: the sum of the given values, or of the slopes of entries.
        apart: how far the slope at a usual step is from it.
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


def directions(group: Sequence[Place], ties: Ties) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield directions in which tied entries stay tied; True where only a smooth one tells.

    Each entry moves so that what it is compared with moves alike: 2a and b in max(2a, b) by the
    same, and −a against b in max(−a, b). Pairs as a and b in |a + b| stay so moved against each
    other.
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


def cause_of(probe: Probe, group: Sequence[Place], found: SlopeRefinement) -> Cause:
    """Write what does not add up."""
    names = probe.subject.inputs.names
    entries = [f"{names[p]}{list(indices(probe, p, flat))}" for p, flat in group[:NAMED]]
    listed = ", ".join(entries) + (" …" if len(group) > NAMED else "")
    e = found.estimate
    slope = f"{e.value:.6g}" if e.sides is None else f"{e.sides[0]:.6g} to {e.sides[1]:.6g}"
    one = names[group[0].position] if len({p for p, _ in group}) == 1 else None
    text = (
        f"{listed} are tied: moved together the function has the slope {slope}, and their values "
        f"give {found.given:.6g}; let one of them have the whole gradient, or each a share"
    )
    return Cause(Kind.TIE, text, one)


def indices(probe: Probe, position: int, flat: int) -> tuple[int, ...]:
    """Return the index of an entry."""
    return tuple(map(int, np.unravel_index(flat, probe.point[position].shape)))


class Ties:
    """Finds entries that share kinks: moved together they do something else than one by one."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.step = 8 * usual_step(probe.epsilon, 1.0)
        self._alone: dict[tuple[Place, float], float] = {}

    def change(self, places: Sequence[Place], signs: Sequence[float]) -> float:
        """Return how far φ changes when entries move, each to one side."""
        sizes = [max(1.0, abs(float(self.probe.point[i].flat[flat]))) for i, flat in places]
        line = TogetherLine(self.probe, places, np.array(sizes) * np.array(signs))
        return self.probe.weighted_change(line.at(self.step)[0], self.probe.base)

    def change_alone(self, place: Place, sign: float) -> float:
        """Return how far φ changes when one entry moves."""
        key = place, sign
        if key not in self._alone:
            self._alone[key] = self.change([place], [sign])
        return self._alone[key]

    def slope(self, place: Place) -> float:
        """Return the sum of the slopes to both sides, for one entry."""
        return (self.change_alone(place, 1.0) - self.change_alone(place, -1.0)) / self.reach(place)

    def kink(self, place: Place) -> float:
        """Return how far the slopes to both sides are apart, for one entry."""
        return (
            abs(self.change_alone(place, 1.0) + self.change_alone(place, -1.0)) / self.reach(place)
            or 1.0
        )

    def reach(self, place: Place) -> float:
        """Return how far an entry moves."""
        return self.step * max(1.0, abs(float(self.probe.point[place.position].flat[place.flat])))

    def shares_kink(self, one: Place, others: Sequence[Place]) -> bool:
        """Tell whether an entry shares a kink with any of others.

        They move as they do when a maximum of them stays tied, and the entry also against them.
        """
        kept = [math.copysign(1.0, self.slope(place)) for place in others]
        for sign in (1.0, -1.0):
            signs = [sign * s for s in kept]
            rest = self.change(others, signs)
            for own in (1.0, -1.0):
                mixed = (
                    self.change([one, *others], [own, *signs]) - self.change_alone(one, own) - rest
                )
                if abs(mixed) > APART * self.kink(one) * self.reach(one):
                    return True
        return False

    def groups(self, places: Sequence[Place]) -> list[list[Place]]:
        """Return groups of two entries and more that belong together."""
        tied = [p for p in places if self.shares_kink(p, [q for q in places if q != p])]
        if len(tied) > PAIRED:
            return [tied]
        return connected_groups(tied, lambda p, q: self.shares_kink(p, [q]))


def connected_groups(
    places: Sequence[Place], linked: Callable[[Place, Place], bool]
) -> list[list[Place]]:
    """Return the connected components that have two members and more."""
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
