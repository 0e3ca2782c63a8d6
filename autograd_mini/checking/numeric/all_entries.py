"""Estimate every entry at once, then refine the doubtful ones; `estimates` has the judge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from ..inputs import Arrays, norm
from ..report import CODES, Bar, Tolerances, Verdict
from .estimates import RESOLUTION, Judge, explain_verdict
from .lines import NOISE, TINY, DirectionLine, EntryLine, Probe
from .noise import has_jump
from .perturbations import Differences, PerturbedGraph, PropagationRefused
from .refinement import UNEVEN, SlopeRefinement, usual_step

WORTH_PROPAGATING = 24
"""From this many entries on, many are evaluated at once."""

MANY = 100
"""From this many entries on, it pays to move all of them in one call."""

SAMPLE = 4
"""Entries of an input that are looked at one by one, where all were moved together."""

TREAD = 0.03
"""A step, as a share of an entry, that is wider than a tread of bfloat16."""

LOST_SHARE = 0.01
"""Slopes that miss more than this share of the change over a wide step may be those of treads."""

SIGNS = np.random.default_rng(5).choice([-1.0, 1.0], 4093) * [[1.0], [1.0]]
"""Directions in which entries take a wide step together. What cancels in the one does not in the
other: there every second sign is the opposite."""
SIGNS[1, 1::2] *= -1

SHARP = 1e-4
"""An error bar up to this share of an entry is fine enough."""

LEAPT = 1e-3
"""If the slope at a narrow step differs by more than this share, the first step jumped over a
feature."""

LIKE_A_POWER = np.log(10.0)
"""Ratios of slopes that differ by less, in logarithm, fit a power of the step."""

UNLIKE = 0.3
"""If the one-sided slopes differ by more than this share, the point may be a kink."""

EPSILON = float(np.finfo(np.float64).eps)
"""The rounding unit of float64."""

RIGHT = CODES[Verdict.RIGHT]
"""The code of a right entry."""

DOUBTFUL = -1
"""The code of an entry without a verdict yet."""

MOST_NUMBERS = 2**20
"""Largest size of an input, or of the outputs, for all points of a batch."""

MOST_POINTS = 256
"""Largest number of points in a batch."""


Mover = Callable[[int, np.ndarray, np.ndarray], Differences]

Size = TypeVar("Size", float, np.ndarray)

InputMover = Callable[[np.ndarray, np.ndarray], Differences]

ENOUGH = {Verdict.WRONG: 20, Verdict.UNRESOLVED: 40}
"""After this many such entries, the remaining doubtful ones are not refined. If many are wrong,
first estimates decide; if many are unresolved, the rest is unresolved too."""


@dataclass(slots=True)
class Findings:
    """The results for one input: flat arrays, one number for each entry.

    Attributes:
        given, numeric, error, step: the given and numeric derivatives, error bars and steps.
        verdict: codes; -1 for doubtful.
        gap: the difference of the one-sided slopes at the first step.
        gap_step: that step.
        negligible: an error bar up to this size is small enough for every entry.
        reasons: the reason, if the values do not show it.
    """

    given: np.ndarray
    numeric: np.ndarray
    error: np.ndarray
    step: np.ndarray
    verdict: np.ndarray
    gap: np.ndarray
    gap_step: np.ndarray
    negligible: float = 0.0
    reasons: dict[int, str] = field(default_factory=dict)


class Batch:
    """A function at the point of a probe, called for many points by one `vmap`."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        outputs = sum(y.size for y in probe.base)
        self._largest = max([outputs, *(x.size for x in probe.point)])

    def differences(self, position: int, flat: np.ndarray, steps: np.ndarray) -> Differences:
        """Move entries of one input up and down.

        Raises:
            PropagationRefused: if the function cannot be batched, or gives another result then.
        """
        rounded = self._probe.subject.inputs.round_coordinates
        xs = self._probe.point[position].ravel()[flat]
        ups, downs = rounded(position, xs + steps), rounded(position, xs - steps)
        count = max(1, min(MOST_POINTS, MOST_NUMBERS // self._largest) // 2)
        found = np.zeros((3, len(flat)))
        for start in range(0, len(flat), count):
            part = slice(start, start + count)
            found[:, part] = self._evaluate_moves(position, flat[part], ups[part], downs[part])
        if len(flat):
            self._compare_with_call(position, flat[-1], ups[-1], found[0, -1])
        return Differences(found[0], found[1], ups - xs, downs - xs, found[2])

    def _evaluate_moves(
        self, position: int, flat: np.ndarray, ups: np.ndarray, downs: np.ndarray
    ) -> np.ndarray:
        """Return the change of φ above and below, and the size of the changed outputs.

        The point itself is part of the batch, so that unchanged outputs are exactly equal.
        """
        point, count = self._probe.point[position], len(flat)
        moved = np.repeat(point[None], 2 * count + 1, axis=0)
        rows = moved.reshape(len(moved), -1)
        rows[np.arange(count), flat] = ups
        rows[np.arange(count, 2 * count), flat] = downs
        outputs = self._evaluate_rows(position, moved)
        found, whole = np.zeros((3, count)), np.zeros(count)
        for g, y in zip(self._probe.weights, outputs, strict=True):
            weight, values = g.ravel(), y.reshape(len(y), -1)
            above, below, base = values[:count], values[count:-1], values[-1]
            size = np.abs(above) * np.abs(weight)
            found[0] += (above - base) @ weight
            found[1] += (below - base) @ weight
            found[2] += np.sum(size, axis=1, where=above != below)
            whole += np.sum(size, axis=1)
        found[2] = np.where(found[2] > 0, found[2], whole)
        return found

    def _evaluate_rows(self, position: int, moved: np.ndarray) -> Arrays:
        outputs = self._probe.subject.evaluate_rows(self._probe.point, position, moved)
        expected = [(len(moved), *y.shape) for y in self._probe.base]
        if outputs is None or [y.shape for y in outputs] != expected:
            raise PropagationRefused
        return outputs

    def _compare_with_call(self, position: int, flat: int, value: float, above: float) -> None:
        """Compare one of the points with a normal call.

        Raises:
            PropagationRefused: if they differ by more than rounding.
        """
        probe = self._probe
        alone = probe.with_entry(position, int(flat), value)
        expected = probe.weighted_change(alone, probe.base)
        rounding = 64 * probe.epsilon * (probe.scale + probe.size(alone, alone))
        if np.isfinite(expected) and not abs(above - expected) <= rounding + 1e-6 * abs(expected):
            raise PropagationRefused


def _move_one_by_one(
    probe: Probe, position: int, flat: np.ndarray, steps: np.ndarray, bar: Bar
) -> Differences:
    """Evaluate with every entry moved to both sides, one call each."""
    rows = np.zeros((5, len(flat)))
    inputs = probe.subject.inputs
    xs = probe.point[position].ravel()[flat]
    ups = inputs.round_coordinates(position, xs + steps)
    downs = inputs.round_coordinates(position, xs - steps)
    for i, place in enumerate(flat):
        above = probe.with_entry(position, place, ups[i])
        below = probe.with_entry(position, place, downs[i])
        rows[0, i] = probe.weighted_change(above, probe.base)
        rows[1, i] = probe.weighted_change(below, probe.base)
        rows[4, i] = probe.size(above, below)
        bar.update(1)
    rows[2], rows[3] = ups - xs, downs - xs
    return Differences(*rows)


def _choose_mover(probe: Probe, bar: Bar) -> Mover:
    """Return the fastest way to evaluate with single entries moved."""
    inputs, subject = probe.subject.inputs, probe.subject
    count = sum(x.size for x in probe.point)
    function = getattr(subject, "call_with_leaves", None)
    if function is not None and count >= WORTH_PROPAGATING and not any(inputs.complex):
        try:
            together = PerturbedGraph(function, [x[()] for x in probe.point], probe.weights)
        except PropagationRefused:
            pass
        else:
            return _make_joint_mover(together, probe, bar)
    elif function is None and count >= WORTH_PROPAGATING:
        return _make_joint_mover(Batch(probe), probe, bar)
    return lambda position, flat, steps: _move_one_by_one(probe, position, flat, steps, bar)


def _make_joint_mover(together: PerturbedGraph | Batch, probe: Probe, bar: Bar) -> Mover:
    """Return a mover that moves many entries at once, or one by one if that is refused."""

    def move(position: int, flat: np.ndarray, steps: np.ndarray) -> Differences:
        try:
            found = together.differences(position, flat, steps)
        except PropagationRefused:
            return _move_one_by_one(probe, position, flat, steps, bar)
        bar.update(len(flat))
        return found

    return move


def estimate_all(
    probe: Probe, given: list[np.ndarray], tolerances: Tolerances, step: float | None, bar: Bar
) -> list[Findings]:
    """Estimate and judge every entry; entries that do not pass stay doubtful."""
    moved = _choose_mover(probe, bar)
    found = [empty_findings(g.ravel()) for g in given]
    usual = usual_step(probe.unit, 1.0)
    sizes = [np.abs(x).ravel() for x in probe.point]
    steps = [np.full(x.size, step) if step else usual * np.maximum(1.0, x) for x in sizes]
    for position, findings in enumerate(found):
        flat = np.arange(sizes[position].size)
        differences = moved(position, flat, steps[position])
        _enter_differences(
            findings, differences, flat, steps[position], probe, position, tolerances
        )
    if step is not None:
        return found
    _doubt_treads(probe, found, tolerances)
    held = _slopes_hold(probe, found, steps)
    for position, findings in enumerate(found):
        size, to_move = sizes[position], partial(moved, position)
        far = (findings.verdict == DOUBTFUL) & ((size > 10) | ((size < 0.1) & (size > 0)))
        _doubt_leaps(findings, to_move, steps[position], probe.scale if held else None)
        _confirm_zeros(findings, to_move, size)
        if np.count_nonzero(far) > 4:  # the scale of the entry itself
            (flat,) = far.nonzero()
            near = usual * np.where(size[flat] > 1, 1.0, size[flat])
            near = np.maximum(near, 64 * np.spacing(size[flat]))
            _enter_differences(
                findings, to_move(flat, near), flat, near, probe, position, tolerances
            )
    return found


def _doubt_leaps(
    findings: Findings, moved: InputMover, steps: np.ndarray, held: float | None = None
) -> None:
    """Check at much narrower steps whether the first step jumped over a feature.

    Args:
        findings: first estimates of one input.
        moved: evaluates entries of the input at given steps.
        steps: the steps of the first differences.
        held: the size of the result, if its slopes are confirmed already.
    """
    places = _sloping_entries(findings)
    if not len(places):
        return
    numeric, wide, narrow = findings.numeric[places], steps[places], UNEVEN * steps[places]
    size = np.abs(numeric)
    apart, sizes = np.zeros(len(places), bool), np.full(len(places), held or 0.0)
    parts: list[Any] = [slice(None)]
    if held is not None:
        parts.insert(0, np.random.default_rng(len(places)).permutation(len(places))[:SAMPLE])
    for some in parts:
        found = moved(places[some], narrow[some])
        width, sizes[some] = found.up - found.down, found.size
        off = np.abs((found.above - found.below) / width - numeric[some])
        allowed = LEAPT * size[some] + _largest_rounding(sizes[some] + size[some]) / width
        apart[some] = (off > allowed) & (width > 0)
        if not np.any(apart):
            break  # all slopes hold, by this sample and by moving all entries
    # a symmetric jump shows at the first steps
    uneven = findings.gap[places] > UNLIKE * size + 32 * _largest_rounding(sizes + size) / wide
    findings.verdict[places[apart | uneven]] = DOUBTFUL


def _doubt_treads(probe: Probe, found: list[Findings], tolerances: Tolerances) -> None:
    """Check at a wide step of all entries whether the first steps lay on treads of stairs.

    A part of the function that rounds to few digits, such as those of float16, is constant at the
    first steps. Where a jump explains why the slopes do not hold at the wide step, a sample of the
    entries that look right is refined with wide steps. If one of them is not right, all are
    doubtful.
    """
    if probe.epsilon > EPSILON:
        return  # its first steps are wide
    places = [(findings.verdict == RIGHT).nonzero()[0] for findings in found]
    sizes = [np.abs(x.ravel()[flat]) for x, flat in zip(probe.point, places, strict=True)]
    steps, ends = [TREAD * np.where(x, x, 1.0) for x in sizes], np.cumsum([0, *map(len, places)])
    trouble, coarse = probe.trouble, False
    for signs in SIGNS[: ends[-1]]:
        if ends[-1] > len(signs):
            signs = np.resize(signs, ends[-1])
        moves = [s * signs[a:b] for s, (a, b) in zip(steps, pairwise(ends), strict=True)]
        slopes = [f.numeric[flat] * m for f, flat, m in zip(found, places, moves, strict=True)]
        above, _ = probe.evaluate_moved(places, moves)
        below, _ = probe.evaluate_moved(places, [-m for m in moves])
        apart = abs(probe.weighted_change(above, below) / 2 - sum(map(np.sum, slopes)))
        if apart > LOST_SHARE * norm(*slopes):
            for position, (flat, move) in enumerate(zip(places, moves, strict=True)):
                expected = float(np.sum(slopes[position]))
                if _lies_on_treads(probe, position, flat, move, expected, apart):
                    probe.coarse = True
                    coarse |= _refine_sample(probe, found[position], position, flat, tolerances)
        if coarse:
            break
    probe.coarse, probe.trouble = coarse, trouble


def _lies_on_treads(
    probe: Probe, position: int, flat: np.ndarray, move: np.ndarray, expected: float, apart: float
) -> bool:
    """Does a jump explain what is lost when some entries of an input take a wide step?"""
    if not len(flat):
        return False
    direction = np.zeros(probe.point[position].shape)
    direction.flat[flat] = move
    return has_jump(probe, DirectionLine(probe, position, direction), expected, 1.0, apart)


def _refine_sample(
    probe: Probe, findings: Findings, position: int, flat: np.ndarray, tolerances: Tolerances
) -> bool:
    """Refine a few entries; if one of them is not right, all are doubtful. Return whether it is."""
    some = np.random.default_rng(len(flat)).permutation(flat)[:SAMPLE]
    verdicts = [refine_entry(probe, findings, position, int(k), tolerances) for k in some]
    doubtful = any(verdict is not Verdict.RIGHT for verdict in verdicts)
    if doubtful:
        findings.verdict[flat] = DOUBTFUL
    return doubtful


def _sloping_entries(findings: Findings) -> np.ndarray:
    """Return the entries that look right and are not 0."""
    return ((findings.verdict == RIGHT) & (findings.numeric != 0)).nonzero()[0]


def _largest_rounding(size: Size) -> Size:
    """Return the largest rounding error of differences of values of a size."""
    return 64 * NOISE * EPSILON * size


def _slopes_hold(probe: Probe, found: list[Findings], steps: list[np.ndarray]) -> bool:
    """Do many slopes of a scalar result hold at narrow steps too? All entries move at once.

    They move along two random directions that are as short as a narrow step of one entry, so that
    narrow features are not leapt over. The deviation of each entry shrinks with the square root of
    their number, and so does the allowed one. Where rounding is larger, nothing is confirmed.
    """
    if sum(len(s) for s in steps) < MANY or [y.size for y in probe.base] != [1]:
        return False
    places = [_sloping_entries(findings) for findings in found]
    count = sum(map(len, places))
    if count < MANY:
        return False
    numeric = np.concatenate([f.numeric[p] for f, p in zip(found, places, strict=True)])
    narrow = UNEVEN * np.concatenate([s[p] for s, p in zip(steps, places, strict=True)])
    ends = np.cumsum([len(p) for p in places])[:-1]
    size, generator = np.abs(numeric), np.random.default_rng(count)
    allowed = np.min(2 * LEAPT * size * narrow + _largest_rounding(probe.scale + size))
    for _ in range(2):
        lengths = generator.uniform(0.5, 1.0, count) / np.sqrt(count)
        moves = narrow * lengths * generator.choice([-1.0, 1.0], count)
        above, up = probe.evaluate_moved(places, np.split(moves, ends))
        below, down = probe.evaluate_moved(places, np.split(-moves, ends))
        width, expected = up - down, float(np.sum(numeric * (up - down)))
        off = abs(probe.weighted_change(above, below) - expected)
        if not (np.all(width != 0) and off <= 0.5 * allowed / np.sqrt(count)):
            return False
    return True


def _confirm_zeros(findings: Findings, moved: InputMover, size: np.ndarray) -> None:
    """Check at wider and narrower steps that entries of 0 hide no feature between the steps.

    An entry that no step changes is 0: a sign, a dead unit. So is one that jumps or bends only at
    the widest step, on one side. An entry that changes like the square of the step, or a higher
    power, has slope 0 too. The others stay doubtful.

    Args:
        findings: first estimates of one input.
        moved: evaluates entries of the input at given steps.
        size: the sizes of the entries.
    """
    zero = (findings.verdict == DOUBTFUL) | (findings.verdict == RIGHT)
    zero &= findings.given == 0
    (places,) = zero.nonzero()
    if not len(places):
        return
    findings.verdict[places] = DOUBTFUL
    still, falling = np.ones(len(places), bool), np.ones(len(places), bool)
    seen, before = np.zeros(len(places), int), np.full(len(places), np.inf)
    shares = np.full(len(places), np.nan)
    for number, steps in enumerate(_narrowing_steps(size[places])):
        open_ = np.flatnonzero((still | falling) & (steps > 0))
        if not len(open_):
            continue
        found = moved(places[open_], steps[open_])
        change = np.maximum(np.abs(found.above), np.abs(found.below))
        change[~np.isfinite(change)] = np.inf
        slope, rest = change / found.up, NOISE * EPSILON * found.size
        plain = (change > rest) & np.isfinite(change)  # larger than rounding
        unmoved = np.minimum(np.abs(found.above), np.abs(found.below)) == 0
        still[open_] &= unmoved if number == 0 else change == 0  # stairs would jump on both sides
        share = slope / before[open_]  # ratio to the slope before; constant for a power
        alike = ~(np.abs(np.log(share / shares[open_])) > LIKE_A_POWER)
        falling[open_] &= ~plain | ((share <= 0.1) & alike)
        seen[open_] += plain
        again = plain & (share > 0)
        shares[open_] = np.where(again, share, shares[open_])
        before[open_] = np.where(plain, slope, before[open_])
    findings.verdict[places[still | (falling & (seen > 1))]] = RIGHT


def _narrowing_steps(size: np.ndarray) -> Iterator[np.ndarray]:
    """Yield steps for entries of these sizes: wide ones first, each 30 times narrower.

    They end at 1e-9 of an entry, or at 1e-30 for an entry of 0. A step of 0 means no step.
    """
    steps = 0.01 * np.maximum(1.0, size)
    least = 1e-9 * np.where(size > 0, np.maximum(size, TINY), 1e-21)
    while np.any(steps >= least):
        yield np.where(steps >= least, steps, 0.0)
        steps = steps / 30


def empty_findings(given: np.ndarray) -> Findings:
    """Return findings without any estimates."""
    numeric, error, step, gap, gap_step = np.zeros((5, given.size))
    numeric[:] = step[:] = gap_step[:] = np.nan
    error[:] = np.inf
    verdict = np.full(given.shape, DOUBTFUL, np.int8)
    return Findings(given, numeric, error, step, verdict, gap, gap_step)


def _enter_differences(
    findings: Findings,
    moved: Differences,
    flat: np.ndarray,
    steps: np.ndarray,
    probe: Probe,
    position: int,
    tolerances: Tolerances,
) -> None:
    """Store differences if they are more certain, and judge entries that are clearly right."""
    xs, epsilon = probe.point[position].ravel()[flat], probe.epsilon
    width = moved.up - moved.down
    numeric = (moved.above - moved.below) / width
    error = (NOISE * epsilon * (moved.size + np.abs(numeric * xs)) + 4 * probe.stairs) / width
    given, finite = findings.given[flat], np.isfinite(numeric)
    sizes = np.abs(numeric)
    difference, size = np.abs(given - numeric), np.maximum(np.abs(given), sizes)
    allowed = tolerances.absolute + tolerances.relative * size
    close = (difference <= allowed + error) & np.isfinite(given) & finite
    resolution = max(RESOLUTION, tolerances.relative)
    sure = close & (error <= resolution * size)
    scale = sizes.max(where=sure, initial=0.0)
    share = max(1e-5, 100 * epsilon ** (2 / 3))
    findings.negligible = max(findings.negligible, float(share * scale))
    right = sure | (close & (error <= max(tolerances.absolute, findings.negligible)))
    before = findings.error[flat]  # a coarse error bar does not overrule a finer one
    apart = np.abs(numeric - findings.numeric[flat]) > allowed + before
    right &= ~(apart & (error > before) & (error > SHARP * size))
    better = right | (finite & ~(error > before))
    for values, fresh in ((findings.numeric, numeric), (findings.error, error)):
        values[flat[better]] = fresh[better]
    findings.step[flat[better]] = steps[better]
    findings.gap[flat] = np.abs(moved.above / moved.up - moved.below / moved.down)
    findings.gap_step[flat] = steps
    findings.verdict[flat[right]] = RIGHT


def refine_doubtful(
    probe: Probe, findings: list[Findings], tolerances: Tolerances, step: float | None
) -> None:
    """Refine doubtful entries, and store the results."""
    doubtful = [
        (_distance_from_numeric(f, int(flat)), position, int(flat))
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
            _judge_by_estimate(of, flat, tolerances, understated)
        elif counts[Verdict.UNRESOLVED] >= ENOUGH[Verdict.UNRESOLVED]:
            of.verdict[flat] = CODES[Verdict.UNRESOLVED]
            of.error[flat] = np.inf
            of.reasons[flat] = "not checked, because too many other entries are unresolved"
        else:
            first, bar = float(of.numeric[flat]), float(of.error[flat])
            verdict = refine_entry(probe, of, position, flat, tolerances, step)
            counts[verdict] += 1
            off = abs(float(of.numeric[flat]) - first) / bar if bar else 0.0
            if verdict is not Verdict.WRONG and np.isfinite(off):
                understated = max(understated, off)


def _distance_from_numeric(findings: Findings, flat: int) -> float:
    """Return the distance of given and numeric value; infinity if unknown."""
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
    """Refine one entry, and store the result."""
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


def _judge_by_estimate(
    findings: Findings, flat: int, tolerances: Tolerances, understated: float = 1.0
) -> None:
    """Judge an entry wrong if its first estimate shows that clearly; otherwise leave it open.

    First error bars ignore the noise inside the function. `understated` is the factor by which they
    were too narrow for other entries.
    """
    given, numeric = float(findings.given[flat]), float(findings.numeric[flat])
    error = 2 * understated * float(findings.error[flat])
    allowed = tolerances.allowed_difference(given, numeric) + error
    if abs(given - numeric) > 10 * allowed or not np.isfinite(given):
        findings.verdict[flat] = CODES[Verdict.WRONG]
