"""How much a computed function is off by rounding, measured from its own values."""

from __future__ import annotations

from math import comb

import numpy as np

from .lines import Line, Probe

POINTS = 4
"""Values to each side of the point."""


def measured_noise(probe: Probe, line: Line) -> float:
    """Return the standard deviation of the rounding error of φ near the point.

    Values at steps much too small for φ to bend are noise after a few differences; as those of
    independent errors of variance ε² have the variance ε²·(2k)!/(k!)² (Moré and Wild 2011,
    "Estimating Computational Noise"). Where φ does not change at all, wider steps are tried: a
    stair so wide is noise too.
    """
    step = line.least
    for _ in range(4):
        values = [
            probe.weighted(line.at(k * step)[0], probe.base) if k else 0.0
            for k in range(-POINTS, POINTS + 1)
        ]
        if not np.all(np.isfinite(values)):
            return 0.0
        if len(set(values)) > 2:
            break
        step *= 1000.0
        if step > 1e-6 * line.unit:
            break
    return max(deviation(np.array(values), order) for order in (3, 4))


def deviation(values: np.ndarray, order: int) -> float:
    """Return the standard deviation of errors whose differences of this order these are."""
    differences = np.diff(values, order)
    return float(np.sqrt(np.mean(differences**2) / comb(2 * order, order)))
