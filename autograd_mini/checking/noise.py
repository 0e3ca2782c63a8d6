"""How much a computed function is off by rounding, measured from its own values."""

from __future__ import annotations

from math import comb

import numpy as np

from .lines import Line, Probe

POINTS = 5
"""Values to each side of the point, which are taken apart: a kink or a jump is no noise."""


def measured_noise(probe: Probe, line: Line) -> float:
    """Return the standard deviation of the rounding error of φ near the point.

    Values at steps much too small for φ to bend are noise after a few differences; as those of
    independent errors of variance ε² have the variance ε²·(2k)!/(k!)² (Moré and Wild 2011,
    "Estimating Computational Noise"). Where φ does not change at all, wider steps are tried: a
    stair so wide is noise too.
    """
    step, sides = line.least, []
    widest = 64 * probe.epsilon ** (1 / 3) * line.unit
    while step <= widest:
        sides = [
            np.array([probe.weighted(line.at(k * step)[0], probe.base) for k in side])
            for side in (range(1, POINTS + 1), range(-1, -POINTS - 1, -1))
        ]
        sides = [values for values in sides if np.all(np.isfinite(values))]
        if not sides or max(len(set(values)) for values in sides) > 1:
            break
        step *= 64.0
    return max((deviation(values, order) for values in sides for order in (2, 3)), default=0.0)


def deviation(values: np.ndarray, order: int) -> float:
    """Return the standard deviation of errors whose differences of this order these are."""
    differences = np.diff(values, order)
    return float(np.sqrt(np.mean(differences**2) / comb(2 * order, order)))
