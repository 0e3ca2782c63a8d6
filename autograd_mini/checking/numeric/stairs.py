"""Stairs: a function that rounds inside stays on one tread for a while; it has no slope there.

A function of few digits, as one in bfloat16, and a difference of terms that nearly cancel, as
1 + erf(x) far out, are smooth at narrow steps and have another slope there than over many treads.
Bisection tells a stair from a narrow feature that is smooth: a jump stays as high as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .estimates import Estimate
from .lines import Line, Probe

HALVINGS = 10
"""So many halvings leave a jump as high as it is, and a thousandth of what is smooth."""

COARSE = 2.0**-6
"""The height of a stair, as a share of the values, that few digits explain: bfloat16 has 2⁻⁸."""

PLACES = np.sort(2 * (np.arange(1, 33) * 0.6180339887498949 % 1) - 1)
"""Where the function is computed over many treads, in window lengths: at unequal distances."""

CERTAIN = 6.0
"""Standard deviations of a slope within which the derivative lies."""

TREADS = 4.0
"""How many treads the narrowest window has to each side; a share of a stair that is a bar."""

EXPLAINS = 0.1
"""The share of the gap between two slopes that stairs make up for, over treads, at the least."""

WIDEST = 0.5
"""The half length of the widest window, per unit."""


def find_stair(
    probe: Probe, line: Line, estimate: Estimate, given: float, small: float, moving: float
) -> tuple[float, float]:
    """Return how far a stair is that may be why a slope is not the given one, and how high.

    The height is 0 if none is seen.

    Args:
        probe: of the function.
        line: through the point.
        estimate: the slope that narrow steps have.
        given: the other one.
        small: a height that rounding explains, however small the values are.
        moving: the size of the largest output that may move along the line.
    """
    apart = abs(given - estimate.value)
    for width in _widths(line, min(estimate.step, line.unit) / 64):
        over_both = (change_at(probe, line, width) - change_at(probe, line, -width)) / (2 * width)
        moved = abs(over_both - estimate.value)
        if np.isfinite(moved) and moved <= EXPLAINS * apart:
            continue  # over treads stairs would have the given slope
        for side in (width, -width):
            place, height = bisect_jump(probe, line, estimate.value, side, EXPLAINS * apart)
            explained = height <= max(small, COARSE * moving)
            if explained and height:
                return abs(place), height
    return 0.0, 0.0


def bisect_jump(
    probe: Probe, line: Line, slope: float, end: float, steep: float
) -> tuple[float, float]:
    """Return where φ, less what a slope explains, jumps most between 0 and `end`, and how high.

    With a slope of 0 it is the nearest jump. The height is 0 where it is no jump,
    or one that is lower than `steep` times its distance.
    """
    shortest = max(2 * line.least, 2.0**-50 * abs(end))
    near, far = 0.0, end
    at_near, at_far = 0.0, change_at(probe, line, end) - slope * end
    heights = [abs(at_far - at_near)]
    while abs(far - near) > shortest:
        if not np.isfinite(heights[-1]) or heights[-1] <= steep * abs(near):
            return far, 0.0
        middle = near + 0.5 * (far - near)
        at_middle = change_at(probe, line, middle) - slope * middle
        first, second = abs(at_middle - at_near), abs(at_far - at_middle)
        if first >= second or (first and not slope):  # the end of a flat tread is the nearest jump
            far, at_far = middle, at_middle
        else:
            near, at_near = middle, at_middle
        heights.append(abs(at_far - at_near))
    jumps = len(heights) > HALVINGS and heights[-1] >= 0.5 * heights[-1 - HALVINGS]
    return far, heights[-1] if jumps and heights[-1] > steep * abs(far) else 0.0


def change_at(probe: Probe, line: Line, step: float) -> float:
    """Return how far φ changes with a step."""
    return probe.weighted_change(line.at(step)[0], probe.base)


def slope_over_treads(probe: Probe, line: Line, tread: float, height: float) -> Estimate:
    """Return the slope of polynomials through values over many treads, the most certain one.

    How far they are off the values tells the error bar, and how far polynomials of the third and
    of the fifth degree are apart.
    """
    best = Estimate(np.nan, np.inf, np.nan, rough=True)
    for width in _widths(line, TREADS * tread):
        values = np.array([change_at(probe, line, width * k) for k in PLACES])
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
    """Yield wider and wider half lengths of windows."""
    width = max(narrowest, 2.0**HALVINGS * 4 * line.least)
    while width <= WIDEST * line.unit:
        yield width
        width *= 8
    yield WIDEST * line.unit
