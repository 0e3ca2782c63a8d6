"""Whether a given gradient is noise: its formula may be right and lose its digits to rounding.

(eˣ − 1)/x near 0 has a right formula for its gradient, which is off by thousands there. Such an
entry is not wrong in the way of a wrong formula: it is left open, and the reason says so.
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
"""Where the gradient is computed, in steps: not at the point, which may be on a peak, and at
unequal distances, for a saw that is met at equal ones looks smooth."""

SMOOTH = np.linalg.qr(np.vander(PLACES, 4))[0]
"""What is smooth among values at these places: polynomials up to the third degree."""

TIMES = 4.0
"""A difference up to so many standard deviations of its noise does not make an entry wrong."""

Gradient = Callable[[Arrays], Arrays]
"""The given gradient at other inputs, both in real coordinates."""


def excuse_rounding(
    findings: list[Findings],
    point: Arrays,
    gradient: Gradient,
    seed: int,
    unseen: Callable[[], float],
) -> bool:
    """Leave the wrong entries open that are within the noise of the given gradient; tell if any.

    An entry at a kink is left as it is: it is judged by the slopes to both sides.

    Args:
        findings: of each input.
        point: the inputs.
        gradient: the given one.
        seed: of the points beside it.
        unseen: returns the slope that rounding of the function hides, per unit: noise up to that
            is fine, and what differs by it is right. It is what is left of terms that cancel.
    """
    wrong = [wrong_smooth_entries(f) for f in findings]
    if not any(w.any() for w in wrong):
        return False
    spared = False
    noise = gradient_noise(point, gradient, seed, [f.step for f in findings])
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
                f"rounding inside of the gradient: it changes by ±{n[flat]:.1e} beside the point"
            )
    return spared


def gradient_noise(point: Arrays, gradient: Gradient, seed: int, steps: Arrays) -> list[np.ndarray]:
    """Return the standard deviation of the rounding errors of each entry of a gradient.

    What is smooth grows with the step, or ends; rounding makes a saw, which stays as it is. So does
    a function that swings, beyond the step of its numeric derivative: that is no rounding.
    """
    noise = [np.zeros(x.size) for x in point]
    reach = [
        np.where(np.isfinite(s), s, np.inf) / sizes_of(x).ravel()
        for s, x in zip(steps, point, strict=True)
    ]
    narrow: list[np.ndarray] | None = None
    for scale, values in zip(SCALES, gradients_beside(point, gradient, seed), strict=False):
        wide = [roughness(rows) for rows in values]
        for n, a, b, far in zip(noise, narrow or wide, wide, reach, strict=True):
            saw = (b <= 8 * a) & (a <= 8 * b) & (scale <= far)
            np.maximum(n, np.maximum(a, b), out=n, where=saw)
        narrow = wide
    return noise


def roughness(rows: np.ndarray) -> np.ndarray:
    """Return the standard deviation of what is not smooth, of each column."""
    rest = rows - SMOOTH @ (SMOOTH.T @ rows)
    size = np.max(np.abs(rest), axis=0)  # squares of large numbers are infinite
    shares = np.divide(rest, size, out=np.zeros_like(rest), where=size > 0)
    return np.asarray(size * np.sqrt(np.sum(shares**2, axis=0) / (len(rows) - SMOOTH.shape[1])))


def wrong_smooth_entries(findings: Findings) -> np.ndarray:
    """Tell which entries are wrong, and not at a kink or infinite."""
    wrong: np.ndarray = (findings.verdict == CODES[Verdict.WRONG]) & np.isfinite(findings.given)
    if findings.reasons:
        wrong[list(findings.reasons)] = False
    return wrong


def gradients_beside(point: Arrays, gradient: Gradient, seed: int) -> Iterator[list[np.ndarray]]:
    """Yield gradients, one row a point, along a line, at wider and wider scales."""
    generator = np.random.default_rng([seed, 2])
    directions = [sizes_of(x) * generator.uniform(0.5, 1.5, x.shape) for x in point]
    for scale in SCALES:
        found = []
        for k in PLACES:
            moved = [x + k * scale * d for x, d in zip(point, directions, strict=True)]
            try:
                found.append([np.ravel(g) for g in gradient(moved)])
            except Exception:  # whatever a gradient does outside of its domain
                return
        yield [np.array(rows) for rows in zip(*found, strict=True)]
