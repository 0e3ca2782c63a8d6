"""Measure the rounding error of a function from its own values.

A function that rounds inside may also look like stairs: constant on a tread, then a jump. Functions
of few digits, such as bfloat16, and differences of nearly equal terms, such as 1 + erf(x) far out,
have another slope at narrow steps than over many treads. Bisection distinguishes a stair from a
narrow smooth feature, because a jump keeps its height.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from ..inputs import sizes_of
from .estimates import Estimate
from .lines import NOISE, TINY, Line, Probe

if TYPE_CHECKING:
    from ...core.arrays import Array

POINTS = 5
"""Values on each side of the point; the sides are separate, because a kink is not noise."""

WIDER = 59.0
"""Ratio between scales of steps; not a power of two, which would fit the rounding."""

JUMP = 0.1
"""The smallest jump of a saw, as a share of its deviation."""

WALK = 300.0
"""From scale to scale, jumps of many entries grow by less: √WIDER, or a little more where there are
few. A smooth function grows by at least WIDER²."""

CROWD = 100
"""The sum of the jumps of at least this many entries is like a random walk."""

IRREGULAR = 0.3
"""The deviation of order 4 over that of order 2 is about 1 for a random walk, 0.12 for √x at 0."""

Sides = list[np.ndarray]


SHARES = (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1)
"""Shares of the inputs; a function that rounds to float32 changes at one of them."""

SINGLE = (1e-9, 1e-3)
"""The height of float32 stairs, as a share of the values: 6e-8, and more if terms cancel."""

HALVINGS = 10
"""After this many halvings a jump keeps its height; a smooth change has a thousandth left."""

COARSE = 2.0**-6
"""The largest height of a stair, as a share of the values or of their change over the widest
window, since large parts may cancel; bfloat16 has 2⁻⁸."""

NARROW_TREAD, WIDE_TREAD = 1e-4, 2.2e-2
"""Treads, per unit, of float32 in sums, and of bfloat16, which has 8 digits in base 2."""

PLACES = np.sort(2 * (np.arange(1, 33) * 0.6180339887498949 % 1) - 1)
"""Where the function is computed over many treads, in window lengths; unequal distances."""

CERTAIN = 6.0
"""The derivative lies within this many standard deviations of a slope."""

TREADS = 4.0
"""Treads in the narrowest window on each side; also a divisor of the error from a stair."""

EXPLAINS = 0.1
"""Over treads, stairs must explain at least this share of the gap between two slopes."""

FINEST = 1e-3
"""Within a wide step, one of many stairs must explain at least this share of the gap."""

WIDEST = 0.5
"""Half the length of the widest window, per unit."""


def measure_noise(probe: Probe, line: Line) -> float:
    """Return the standard deviation of the rounding error of φ near the point.

    At steps much too small for φ to bend, high-order differences of the values are only noise. For
    independent errors of variance ε², they have the variance ε²·(2k)!/(k!)² (Moré and Wild 2011,
    "Estimating Computational Noise"). If φ does not change at all, wider steps are tried: such a
    wide stair is noise too. But if one side stays flat, it is a kink. Wider steps also find
    functions that are smooth at the narrowest steps and rounded inside, like 1 − cos x. They look
    like a saw, which does not grow with the step like a smooth function, and does not end like a
    narrow feature.
    """
    scales = list(_values_at_scales(probe, line))
    moving = (i for i, (_, sides) in enumerate(scales) if not all(map(_is_constant, sides)))
    first = next(moving, None)
    if first is None:
        return 0.0
    if first and any(map(_is_constant, scales[-1][1])):
        return 0.0
    noise = max(float(deviation(values, order)) for values in scales[first][1] for order in (2, 3))
    if first:
        noise = max(noise, 0.3 * _stair_height(scales[first][1]))
    deviations = [(step, _usual_deviation(sides)) for step, sides in scales[first:]]
    for (_, narrow), (step, wide) in pairwise(deviations):
        saw = noise < narrow and narrow / 8 <= wide <= 8 * narrow
        if saw and _has_jumps(probe, line, POINTS * step, JUMP * narrow):
            noise = narrow
    if line.count < CROWD:
        return noise
    return max(noise, _deviation_of_walk([sides for _, sides in scales[first:]]))


def _deviation_of_walk(scales: list[Sides]) -> float:
    """Return the deviation of jumps of many entries in turn; 0 if φ does not look like them.

    Their sum is like a random walk. From the first jumps on it grows like the square root of the
    step, much less than a smooth function. Differences of higher order are as large as those of
    order 2, other than those of √x at 0.
    """
    sizes = [_usual_deviation(sides) for sides in scales]
    ends = [i for i, (a, b) in enumerate(pairwise(sizes), 1) if not a / 8 <= b <= WALK * a]
    walk = scales[: ends[0] if ends else None]
    size = sizes[len(walk) - 1]
    if len(walk) < 3 or not size > 8 * sizes[0] > 0:
        return 0.0
    shares = [deviation(v, 4) / deviation(v, 2) for sides in walk for v in sides if np.ptp(v)]
    return size if np.median(shares) > IRREGULAR else 0.0


def _has_jumps(probe: Probe, line: Line, end: float, height: float) -> bool:
    """Does φ jump by this height between neighbouring numbers up to `end`, on either side?

    A smooth feature that oscillates or ends has the deviation of a saw at some scales only.
    """
    for side in (end, -end):
        chord = _change_at(probe, line, side) / side
        if np.isfinite(chord) and _bisect_jump(probe, line, chord, side, 0.0)[1] >= height:
            return True
    return False


def _values_at_scales(probe: Probe, line: Line) -> Iterator[tuple[float, Sides]]:
    """Yield wider and wider steps with values there, until φ changes on both sides."""
    usual = probe.epsilon ** (1 / 3) * line.unit
    inside = min(5e6 * probe.epsilon * line.unit, usual / WIDER, 1e-4 * line.near)
    step, moved = max(line.least, 1e-18 * max(min(line.near, line.unit), TINY)), False
    while step <= WIDER * usual:
        sides = [_values_beside(probe, line, side * step) for side in (1, -1)]
        sides = [values for values in sides if np.all(np.isfinite(values))]
        if not sides:
            return
        yield step, sides
        if moved and step > inside:
            return
        moved = moved or not any(map(_is_constant, sides))
        step *= WIDER


def _values_beside(probe: Probe, line: Line, step: float) -> np.ndarray:
    """Return φ at a few multiples of a step, minus φ at the point."""
    outputs = [line.at(k * step)[0] for k in range(1, POINTS + 1)]
    return np.array([probe.weighted_change(moved, probe.base) for moved in outputs])


def _is_constant(values: np.ndarray) -> bool:
    """Are all values the same?"""
    return bool(np.all(values == values[0]))


def _stair_height(sides: Sides) -> float:
    """Return the smallest change between neighbouring values, which is the height of a stair.

    Rounding to multiples of it has a standard deviation of 1/√12 of it.
    """
    changes = np.abs(np.concatenate([np.diff(values) for values in sides]))
    return float(np.min(changes, where=changes > 0, initial=np.max(changes)))


def _usual_deviation(sides: Sides) -> float:
    """Return the median deviation over several orders of differences, for the calmer side."""
    return float(min(np.median([deviation(v, order) for order in (2, 3, 4)]) for v in sides))


def deviation(values: np.ndarray, order: int) -> Array:
    """Return the standard deviation of the errors of values at equal steps, for each column.

    High-order differences of the values consist only of errors.
    """
    differences = np.diff(values, order, axis=0)
    size = np.max(np.abs(differences), initial=0.0)  # squares of large numbers are infinite
    if not 0 < size < np.inf:
        return size
    return size * np.sqrt(np.mean((differences / size) ** 2, axis=0) / comb(2 * order, order))


def float32_stairs(probe: Probe, generator: np.random.Generator) -> float:
    """Return the height of the stairs of a function that rounds to float32 inside; otherwise 0.

    Such a function does not change, to the last bit, when all inputs move by 1e-10 of themselves.
    When they move further, it jumps by about the rounding unit of float32. A difference of large
    numbers, such as log(1 + exp(x)) − x, jumps by the rounding unit of x.

    Args:
        probe: the function at the point.
        generator: draws the moves of the inputs.
    """
    for share in (1e-10, *SHARES):
        changes = [
            _change_when_moved(probe, share, generator) for _ in range(1 if share < 1e-9 else 4)
        ]
        seen = [change for change in changes if change]
        if seen and (share < 1e-9 or not np.all(np.isfinite(seen))):
            return 0.0
        if seen:
            height = min(seen)
            single = SINGLE[0] < height / (probe.scale or np.inf) < SINGLE[1]
            return height if single or height <= rounding_of_inputs(probe) else 0.0
    return 0.0


def rounding_of_inputs(probe: Probe) -> float:
    """Return the rounding error of φ from numbers as large as the inputs, or 1."""
    sizes = [float(np.max(np.abs(x), initial=0.0)) for x in probe.point]
    weight = max(float(np.max(np.abs(g), initial=0.0)) for g in probe.weights)
    return 64 * probe.epsilon * max(1.0, *sizes) * weight


def _change_when_moved(probe: Probe, share: float, generator: np.random.Generator) -> float:
    """Return the change of φ when every input moves randomly by a share of itself."""
    moved = [x + share * sizes_of(x) * generator.uniform(-1, 1, x.shape) for x in probe.point]
    return abs(probe.weighted_change(probe.evaluate(moved), probe.base))


def measure_rounding(probe: Probe) -> float:
    """Return the size of the rounding error of φ: its change a few rounding units from the point.

    If that change is a slope rather than rounding, it is much smaller than the function.
    """
    generator = np.random.default_rng(1)
    return float(
        np.mean([_change_when_moved(probe, 4 * probe.epsilon, generator) for _ in range(4)])
    )


def find_stair(
    probe: Probe,
    line: Line,
    estimate: Estimate,
    given: float,
    small: float,
    moving: float,
    spread: float = 0.0,
) -> tuple[float, float]:
    """Return the distance and height of a stair that may explain a difference between slopes.

    The slope at narrow steps then differs from the given one. The height is 0 if there is no stair.

    Args:
        probe: the function at the point.
        line: a line through the point.
        estimate: the slope at narrow steps.
        given: the given slope.
        small: a height that rounding explains even for small values.
        moving: the size of the largest output that may change along the line.
        spread: the size of terms that may cancel; with it only treads of few digits count.
    """
    apart = abs(given - estimate.value)
    sides = (WIDEST * line.unit, -WIDEST * line.unit)
    rises = [abs(_change_at(probe, line, side)) for side in sides]
    lowest = NOISE * probe.epsilon * moving
    highest = max(small, COARSE * max([moving, *filter(np.isfinite, rises)]))
    highest = max(highest, min(COARSE * spread, WIDE_TREAD * line.unit * apart))
    for width in _widths(line, min(estimate.step, line.unit) / 64):
        over_both = (_change_at(probe, line, width) - _change_at(probe, line, -width)) / (2 * width)
        moved = abs(over_both - estimate.value)
        if np.isfinite(moved) and moved <= EXPLAINS * apart:
            continue  # over many treads, stairs would have the given slope
        for side in (width, -width):
            place, height = _bisect_jump(
                probe, line, estimate.value, side, EXPLAINS * apart, lowest
            )
            if lowest < height <= highest:
                return abs(place), height
    return 0.0, 0.0


def has_jump(probe: Probe, line: Line, slope: float, width: float, apart: float) -> bool:
    """Does φ jump within `width` of the point, on either side?

    The jump must explain a share of the difference `apart` between the slope over the width and the
    given one.
    """
    sides, steep = (width, -width), FINEST * apart
    return any(_bisect_jump(probe, line, slope, side, steep)[1] for side in sides)


def _bisect_jump(
    probe: Probe, line: Line, slope: float, end: float, steep: float, small: float = 0.0
) -> tuple[float, float]:
    """Return where φ, minus a slope, jumps most between 0 and `end`, and the height of the jump.

    With a slope of 0 it is the nearest jump higher than `small`. The height is 0 if there is no
    jump, or if it is lower than `steep` times its distance.
    """
    shortest = max(2 * line.least, 2.0**-50 * abs(end))
    near, far = 0.0, end
    at_near, at_far = 0.0, _change_at(probe, line, end) - slope * end
    heights = [abs(at_far - at_near)]
    while abs(far - near) > shortest:
        if not np.isfinite(heights[-1]) or heights[-1] <= steep * abs(near):
            return far, 0.0
        middle = near + 0.5 * (far - near)
        at_middle = _change_at(probe, line, middle) - slope * middle
        first, second = abs(at_middle - at_near), abs(at_far - at_middle)
        if first >= second or (
            first > small and not slope
        ):  # a flat tread ends at the nearest jump
            far, at_far = middle, at_middle
        else:
            near, at_near = middle, at_middle
        heights.append(abs(at_far - at_near))
    jumps = len(heights) > HALVINGS and heights[-1] >= 0.5 * heights[-1 - HALVINGS]
    return far, heights[-1] if jumps and heights[-1] > steep * abs(far) else 0.0


def _change_at(probe: Probe, line: Line, step: float) -> float:
    """Return the change of φ at a step."""
    return probe.weighted_change(line.at(step)[0], probe.base)


def slope_over_treads(probe: Probe, line: Line, tread: float, height: float) -> Estimate:
    """Return the slope of polynomials through values over many treads, the most certain one.

    The error bar comes from the residuals, and from the difference between polynomials of third and
    fifth degree.
    """
    best = Estimate(np.nan, np.inf, np.nan, rough=True)
    for width in _widths(line, TREADS * tread):
        values = np.array([_change_at(probe, line, width * k) for k in PLACES])
        if not np.all(np.isfinite(values)):
            break
        if not np.ptp(values):
            continue  # on one tread
        third, fifth = (np.polynomial.polynomial.polyfit(PLACES, values, n) for n in (3, 5))
        matrix = np.vander(PLACES, 6, increasing=True)
        rest = values - matrix @ fifth
        variance = np.sum(rest**2) / (len(rest) - 6) * np.linalg.inv(matrix.T @ matrix)[1, 1]
        deviation = np.sqrt(variance)
        error = 2 * abs(third[1] - fifth[1]) + max(CERTAIN * deviation, height / TREADS)
        if error / width < best.error:
            best = Estimate(fifth[1] / width, error / width, width, rough=True)
    return best


def _widths(line: Line, narrowest: float) -> Iterator[float]:
    """Yield half lengths of windows, each wider than the last."""
    width = max(narrowest, 2.0**HALVINGS * 4 * line.least)
    while width <= WIDEST * line.unit:
        yield width
        width *= 8
    yield WIDEST * line.unit
