"""Rows of a Jacobian that differ in size: a weighted sum of all results hides the smallest ones.

Along a random direction every result has a slope. A cotangent that is divided by these slopes lets
all results count alike, so one more derivative along that direction shows a mistake in any of them.
"""

from __future__ import annotations

import numpy as np

from .coordinates import sizes_of
from .inputs import Arrays
from .numeric.lines import NOISE, Probe
from .subjects import Subject

SPREAD = 1e3
"""Slopes of results that differ by less do not hide each other: `rtol` is far below."""

KNOWN = 1e6
"""Units of rounding of a result below which its slope is not known, and not blown up."""

SMALLEST = 1e-100
"""The least slope that is looked at, as a share of the largest: its inverse must be a number."""


def telling_cotangent(
    probe: Probe, subject: Subject, drawn: Arrays, rtol: float, seed: int
) -> Arrays | None:
    """Return a cotangent that shows a mistake in small results; None if there is none to see.

    Args:
        probe: at the point.
        subject: the function and its gradient.
        drawn: the cotangent that was used.
        rtol: the relative tolerance.
        seed: of the direction.
    """
    if sum(g.size for g in drawn) < 2 or not subject.takes_cotangent:
        return None
    generator = np.random.default_rng([seed, 5])
    direction = [sizes_of(x) * generator.uniform(0.5, 1.5, x.shape) for x in probe.point]
    step = probe.epsilon ** (1 / 3)
    rise = [np.abs(a - y) for a, y in zip(_outputs(probe, direction, step), probe.base, strict=True)]
    if not _spread(rise):
        return None
    wide, narrow = (_slopes(probe, direction, s) for s in (step, step / 8))
    if not all(np.all(np.isfinite(s)) for s in (*wide, *narrow)):
        return None
    sizes = _sizes(probe, narrow, step)
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


def _outputs(probe: Probe, direction: Arrays, step: float) -> Arrays:
    return probe.evaluate([x + step * v for x, v in zip(probe.point, direction, strict=True)])


def _slopes(probe: Probe, direction: Arrays, step: float) -> Arrays:
    """Return the slope of each result along a direction."""
    above, below = (_outputs(probe, direction, s) for s in (step, -step))
    return [(a - b) / (2 * step) for a, b in zip(above, below, strict=True)]


def _spread(rise: Arrays) -> bool:
    """Tell whether results move so differently that some hide others."""
    found = np.concatenate([r.ravel() for r in rise])
    found = found[found > 0]
    return found.size > 1 and bool(np.max(found) > SPREAD * np.min(found))


def _sizes(probe: Probe, slopes: Arrays, step: float) -> Arrays:
    """Return by what each result is divided, so that all count alike as far as they are known."""
    largest = max(float(np.max(np.abs(s), initial=0.0)) for s in slopes)
    rounding = KNOWN * probe.epsilon
    sizes = [
        np.maximum(np.abs(s), rounding * np.abs(y)) for s, y in zip(slopes, probe.base, strict=True)
    ]
    return [np.maximum(size / largest, SMALLEST) for size in sizes]
