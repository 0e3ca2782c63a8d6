"""Is the given gradient dominated by rounding, although its formula is right?

An example is the gradient of (eˣ − 1)/x near 0: its formula is right, but its value there is off by
thousands. Such an entry is not wrong like a wrong formula. It is left open, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..coordinates import sizes_of
from ..inputs import Arrays
from .all_entries import Findings
from .noise import WIDER
from .verdicts import CODES, Verdict

SCALES = tuple(4 * np.finfo(np.float64).eps * WIDER**k for k in range(8))
"""Steps, as shares of the inputs, from a few units of rounding to about 2e-3."""

PLACES = 8 * np.sort(np.arange(1, 11) * 0.6180339887498949 % 1) - 4
"""Where the gradient is computed, in steps. The point itself may be on a peak. Unequal distances
show a saw that looks smooth at equal ones."""

SMOOTH = np.linalg.qr(np.vander(PLACES, 4))[0]
"""The smooth part of values at these places: polynomials up to the third degree."""

TIMES = 4.0
"""A difference up to this many standard deviations of its noise does not make an entry wrong."""

Gradient = Callable[[Arrays], Arrays]
"""The given gradient at other inputs, both in real coordinates."""


def excuse_rounding(
    findings: list[Findings],
    point: Arrays,
    gradient: Gradient,
    seed: int,
    unseen: Callable[[], float],
) -> bool:
    """Leave wrong entries open that are within the noise of the gradient; return if there are any.

    An entry at a kink is not changed, because it is judged by its one-sided slopes.

    Args:
        findings: the findings of each input.
        point: the inputs.
        gradient: the given gradient.
        seed: the seed of the nearby points.
        unseen: returns the slope per unit that rounding of the function hides. Noise up to this
            slope comes from terms that cancel, so such entries are right.
    """
    wrong = [_wrong_smooth_entries(f) for f in findings]
    if not any(w.any() for w in wrong):
        return False
    spared = False
    noise = _gradient_noise(point, gradient, seed, [f.step for f in findings])
    hidden = unseen()
    for f, w, n in zip(findings, wrong, noise, strict=True):
        with np.errstate(invalid="ignore"):
            open_ = w & (np.abs(f.given - f.numeric) <= TIMES * n)
        f.verdict[open_] = CODES[Verdict.UNRESOLVED]
        spared |= bool(np.any(open_))
        fine = open_ & (TIMES * n <= hidden)
        f.verdict[fine] = CODES[Verdict.RIGHT]
        open_ &= ~fine
        for flat in np.flatnonzero(open_):
            f.reasons[int(flat)] = (
                f"rounding inside the gradient: it changes by ±{n[flat]:.1e} near the point"
            )
    return spared


def _gradient_noise(
    point: Arrays, gradient: Gradient, seed: int, steps: Arrays
) -> list[np.ndarray]:
    """Return the standard deviation of the rounding error of each entry of a gradient.

    Smooth parts grow with the step or end. Rounding makes a saw, which does not change with the
    step. An oscillating function looks the same beyond the step of its numeric derivative, and is
    not counted.
    """
    noise = [np.zeros(x.size) for x in point]
    reach = [
        np.where(np.isfinite(s), s, np.inf) / sizes_of(x).ravel()
        for s, x in zip(steps, point, strict=True)
    ]
    narrow: list[np.ndarray] | None = None
    for scale, values in zip(SCALES, _gradients_beside(point, gradient, seed), strict=False):
        wide = [_roughness(rows) for rows in values]
        for n, a, b, far in zip(noise, narrow or wide, wide, reach, strict=True):
            saw = (b <= 8 * a) & (a <= 8 * b) & (scale <= far)
            np.maximum(n, np.maximum(a, b), out=n, where=saw)
        narrow = wide
    return noise


def _roughness(rows: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the part that is not smooth, for each column."""
    rest = rows - SMOOTH @ (SMOOTH.T @ rows)
    size = np.max(np.abs(rest), axis=0)  # squares of large numbers are infinite
    shares = np.divide(rest, size, out=np.zeros_like(rest), where=size > 0)
    return np.asarray(size * np.sqrt(np.sum(shares**2, axis=0) / (len(rows) - SMOOTH.shape[1])))


def _wrong_smooth_entries(findings: Findings) -> np.ndarray:
    """Which entries are wrong, finite, and not at a kink?"""
    wrong: np.ndarray = (findings.verdict == CODES[Verdict.WRONG]) & np.isfinite(findings.given)
    if findings.reasons:
        wrong[list(findings.reasons)] = False
    return wrong


def _gradients_beside(point: Arrays, gradient: Gradient, seed: int) -> Iterator[list[np.ndarray]]:
    """Yield gradients along a line, one row for each point, at wider and wider scales."""
    generator = np.random.default_rng([seed, 2])
    directions = [sizes_of(x) * generator.uniform(0.5, 1.5, x.shape) for x in point]
    for scale in SCALES:
        found = []
        for k in PLACES:
            moved = [x + k * scale * d for x, d in zip(point, directions, strict=True)]
            try:
                found.append([np.ravel(g) for g in gradient(moved)])
            except Exception:  # the gradient may fail outside of its domain
                return
        yield [np.array(rows) for rows in zip(*found, strict=True)]
