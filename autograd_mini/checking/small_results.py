"""Find mistakes in small results, which a weighted sum of all results hides.

Each result has a slope along one direction. A cotangent divided by these slopes makes all results
count equally. So one more derivative along that direction shows a mistake in any result.
"""

from __future__ import annotations

import numpy as np

from .coordinates import sizes_of
from .inputs import Arrays
from .numeric.lines import NOISE, Probe
from .subjects import Subject

SPREAD = 1e3
"""Slopes that differ by less than this factor do not hide each other: `rtol` is far smaller."""

KNOWN = 1e-3
"""A slope with a larger relative uncertainty counts as unknown."""

SMALLEST = 1e-100
"""The smallest slope used, as a share of the largest; its inverse must not overflow."""


def telling_cotangent(probe: Probe, subject: Subject, drawn: Arrays, rtol: float) -> Arrays | None:
    """Return a cotangent that reveals a mistake in small results; None if there is none.

    Args:
        probe: the function at the point.
        subject: the function and its gradient.
        drawn: the cotangent of the first check.
        rtol: the relative tolerance.
    """
    if sum(g.size for g in drawn) < 2 or not subject.takes_cotangent:
        return None
    direction = [_direction(x) for x in probe.point]
    step = probe.epsilon ** (1 / 3)
    if not _is_spread(_outputs(probe, direction, step), probe.base):
        return None
    wide, narrow = (_slopes(probe, direction, s) for s in (step, step / 8))
    if not all(np.all(np.isfinite(s)) for s in (*wide, *narrow)):
        return None
    sizes = _sizes(probe, wide, narrow)
    weights = [g / size for g, size in zip(drawn, sizes, strict=True)]
    given = [np.vdot(g, v) for g, v in zip(subject.gradient(weights), direction, strict=True)]
    rows = list(zip(weights, wide, narrow, probe.base, strict=True))
    numeric = sum(float(np.vdot(g, n)) for g, _, n, _ in rows)
    bar = sum(float(np.vdot(np.abs(g), np.abs(w - n))) for g, w, n, _ in rows)
    bar += sum(
        float(np.vdot(np.abs(g), 8 * NOISE * probe.epsilon * np.abs(y))) for g, *_, y in rows
    ) / step  # fmt: skip
    size = sum(float(np.vdot(np.abs(g), np.abs(n))) for g, _, n, _ in rows)
    off = abs(float(sum(given)) - numeric)
    return None if off <= rtol * size + 2 * bar else weights


def _direction(x: np.ndarray) -> np.ndarray:
    """Return steps of 0.5 to 1.5 times each entry; a random generator would take longer."""
    spread = 0.5 + np.arange(1, x.size + 1) * 0.6180339887498949 % 1
    sizes = np.abs(x)
    return (sizes if sizes.all() else sizes_of(x)) * spread.reshape(x.shape)


def _outputs(probe: Probe, direction: Arrays, step: float) -> Arrays:
    return probe.evaluate([x + step * v for x, v in zip(probe.point, direction, strict=True)])


def _slopes(probe: Probe, direction: Arrays, step: float) -> Arrays:
    """Return the slope of each result along a direction."""
    above, below = (_outputs(probe, direction, s) for s in (step, -step))
    return [(a - b) / (2 * step) for a, b in zip(above, below, strict=True)]


def _is_spread(above: Arrays, base: Arrays) -> bool:
    """Do results move so differently that some hide others?"""
    least, most = np.inf, 0.0
    for a, y in zip(above, base, strict=True):
        rise = np.abs(a - y).ravel()
        rise = rise[rise > 0]
        if rise.size:
            least, most = min(least, rise.min()), max(most, rise.max())
    return bool(most > SPREAD * least)


def _sizes(probe: Probe, wide: Arrays, narrow: Arrays) -> Arrays:
    """Return the divisor of each result that makes all results count equally.

    A result with an unknown slope keeps its size, because scaling it up would only add noise.
    """
    largest = max(float(np.max(np.abs(s), initial=0.0)) for s in narrow)
    sizes = []
    for a, b, y in zip(wide, narrow, probe.base, strict=True):
        size = np.abs(b)
        known = (np.abs(a - b) <= KNOWN * size) & (size > NOISE * probe.epsilon / KNOWN * np.abs(y))
        known &= size > SMALLEST * largest
        sizes.append(np.where(known, size / largest, 1.0))
    return sizes
