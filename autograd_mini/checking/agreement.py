"""Checks that hold for every gradient: repeated calls, linearity, forward mode, and its rounding.

A vector–Jacobian product is linear in the cotangent. Forward and reverse mode are transposes of
each other, ⟨g, J·t⟩ = ⟨Jᵀ·g, t⟩. A gradient is the same when it is computed again.

A gradient may be dominated by rounding, although its formula is right. An example is that of
(eˣ − 1)/x near 0: its value there is off by thousands. Such an entry is not wrong like a wrong
formula. It is left open, with the reason.

A weighted sum of all results hides mistakes in small results. Each result has a slope along one
direction. A cotangent divided by these slopes makes all results count equally. So one more
derivative along that direction shows a mistake in any result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..errors import AutogradError
from .inputs import Arrays, Problem, coordinates, sizes_of
from .numeric.all_entries import Findings
from .numeric.lines import NOISE, Probe
from .numeric.noise import WIDER
from .report import CODES, Cause, Kind, Verdict
from .subjects import Subject, copy_arrays, same_bytes

BESIDE = 6
"""Points near the given one at which a difference is computed again."""

FEW_DIGITS = 1e-3
"""A share of the inputs that is wider than the rounding steps of float16 and bfloat16."""

Check = Callable[[Subject, Arrays, Arrays, int, float], Cause | None]
"""Compares a gradient, for a cotangent, with another call: see `_check_repeatable`."""

TIMES = 4.0
"""A difference up to this many standard deviations of its rounding is ignored."""


def find_disagreements(
    subject: Subject, weights: Arrays, given: Arrays, seed: int, rtol: float, noisy: bool = False
) -> list[Cause]:
    """Return what disagrees; an empty list if nothing can be compared.

    A gradient that is noisy from rounding can only be compared with itself.
    """
    checks: tuple[Check, ...] = (
        (_check_repeatable,) if noisy else (_check_repeatable, _check_linear, _check_forward_mode)
    )
    for check in checks:
        try:
            cause = check(subject, weights, given, seed, rtol)
        except Problem as problem:
            cause = problem.cause
        if cause is not None:
            return [cause]
    return []


def _are_close(a: Arrays, b: Arrays, sizes: Arrays, rtol: float, floor: float) -> bool:
    """Do gradients agree up to a share of the size of their terms, where both are finite?"""
    for x, y, size in zip(a, b, sizes, strict=True):
        known = np.isfinite(x) & np.isfinite(y)
        with np.errstate(invalid="ignore"):
            scale = np.max(np.abs(size), where=known, initial=0.0)
            if not np.all(np.abs(x - y)[known] <= rtol * scale + floor):
                return False
    return True


def is_rounding(
    difference: Callable[[Arrays], np.ndarray], found: np.ndarray, point: Arrays, seed: int
) -> bool:
    """Is a difference that should be 0 at every point only rounding?

    The difference is computed again at nearby points: a few rounding units away, and a thousandth
    away for functions of few digits. If it changes as much as it is large, it is rounding. It may
    be large compared with a gradient whose terms cancel.
    """
    generator = np.random.default_rng([seed, 4])
    for unit in (4 * np.finfo(np.float64).eps, FEW_DIGITS):
        others = []
        for _ in range(BESIDE):
            shifts = [unit * sizes_of(x) * generator.uniform(-2, 2, x.shape) for x in point]
            moved = [x + shift for x, shift in zip(point, shifts, strict=True)]
            others.append(difference(moved))
        values = np.array([found, *others])
        size = np.max(np.abs(values), initial=0.0) or 1.0  # squares of large numbers are infinite
        spread = size * float(np.max(np.std(values / size, axis=0), initial=0.0))
        if np.all(np.abs(found) <= TIMES * spread):
            return True
    return False


def _check_repeatable(
    subject: Subject, weights: Arrays, given: Arrays, seed: int, rtol: float
) -> Cause | None:
    """Check that the gradient is the same when it is computed again."""
    again = subject.gradient(weights)
    if all(map(same_bytes, given, again)):
        return None
    if _are_close(given, again, given, 1e-3 * rtol + 1e-9, _rounding_floor(subject, weights)):
        return None
    text = f"{subject.what} gives another result when called again; fix its state or random numbers"
    return Cause(Kind.NOT_DETERMINISTIC, text)


def _rounding_floor(subject: Subject, weights: Arrays) -> float:
    """Return a difference that rounding explains: a share of the size of the outputs."""
    outputs = [np.abs(coordinates(y)) for y in subject.results]
    size = sum(float(np.sum(np.abs(g) * y)) for g, y in zip(weights, outputs, strict=True))
    return 64 * subject.epsilon * size


def _check_linear(
    subject: Subject, weights: Arrays, given: Arrays, seed: int, rtol: float
) -> Cause | None:
    """Check that the gradient is linear in the cotangent g.

    That of g − h/2 must be that of g minus half that of another cotangent h. Where the result is
    one number, every h is a multiple of g, so that of s·g must be s times that of g: for a negative
    s, and for a small one, since a rule may cut off small numbers.
    """
    if not subject.takes_cotangent:
        return None
    generator = np.random.default_rng([seed, 1])
    if [g.size for g in weights] == [1]:
        large, small = -generator.uniform(1.5, 3.0), generator.uniform(0.02, 0.2)
        sums, rule = (
            [[(large, weights)], [(small, weights)]],
            "s·g gives another result than s times g",
        )
    else:
        sums = [[(1.0, weights), (-0.5, subject.weights(weights, generator))]]
        rule = "g − h/2 gives another result than both"
    if all(_keeps_sum(subject, terms, weights, given, rtol) for terms in sums):
        return None
    return Cause(Kind.COTANGENT, f"{subject.what} is not linear in the cotangent: {rule}")


def _keeps_sum(
    subject: Subject,
    terms: list[tuple[float, Arrays]],
    weights: Arrays,
    given: Arrays,
    rtol: float,
) -> bool:
    """Is the gradient for a sum of factors times cotangents the sum of theirs, up to rounding?"""

    def combine(arrays: list[Arrays]) -> Arrays:
        rows = zip(*arrays, strict=True)
        return [sum(s * a for (s, _), a in zip(terms, row, strict=True)) for row in rows]

    together = combine([g for _, g in terms])
    found = [given, *(subject.gradient(g) for _, g in terms[1:])]
    sizes = [sum(np.abs(a) for a in row) for row in zip(*found, strict=True)]
    floor = _rounding_floor(subject, weights)
    if _are_close(combine(found), subject.gradient(together), sizes, 10 * rtol, floor):
        return True

    def difference(point: Arrays) -> np.ndarray:
        expected = combine([subject.gradient(g, point) for _, g in terms])
        rows = zip(expected, subject.gradient(together, point), strict=True)
        return np.concatenate([np.ravel(a - b) for a, b in rows])

    point = subject.inputs.arrays
    return is_rounding(difference, difference(point), point, len(given))


def _check_forward_mode(
    subject: Subject, weights: Arrays, given: Arrays, seed: int, rtol: float
) -> Cause | None:
    """Check that forward mode, if there is one, is the transpose of the gradient."""
    if type(subject).push_forward is Subject.push_forward:
        return None
    inputs, generator = subject.inputs, np.random.default_rng([seed, 5])
    tangents = [generator.normal(size=x.shape) for x in inputs.arrays]

    def terms(point: Arrays, given: Arrays) -> Arrays | None:
        moved = subject.push_forward(copy_arrays(inputs.values(point)), inputs.values(tangents))
        if moved is None:
            return None
        rows = zip(weights, moved, subject.complex_outputs, strict=True)
        forward = [g * coordinates(t if c else np.real(t)) for g, t, c in rows if t is not None]
        return [*forward, *[-x * t for x, t in zip(given, tangents, strict=True)]]

    try:
        found = terms(inputs.arrays, given)
    except AutogradError:  # no forward rule: nothing to compare
        return None
    if found is None:
        return None
    difference = abs(_sum_terms(found))
    size = sum(float(np.sum(np.abs(term))) for term in found)
    if not np.isfinite(difference) or difference <= 10 * rtol * size:
        return None

    def again(point: Arrays) -> np.ndarray:
        return np.array(_sum_terms(terms(point, subject.gradient(weights, point)) or []))

    if is_rounding(again, np.array(_sum_terms(found)), inputs.arrays, len(given)):
        return None
    text = (
        f"forward and reverse mode disagree: Σ g·J·t and Σ gᵀJ·t differ by {difference:.2g} "
        f"of {size:.2g}"
    )
    return Cause(Kind.FORWARD, text)


def _sum_terms(terms: Arrays) -> float:
    """Sum all terms."""
    return sum(float(np.sum(term)) for term in terms)


SCALES = tuple(4 * np.finfo(np.float64).eps * WIDER**k for k in range(8))
"""Steps, as shares of the inputs, from a few units of rounding to about 2e-3."""

PLACES = 8 * np.sort(np.arange(1, 11) * 0.6180339887498949 % 1) - 4
"""Where the gradient is computed, in steps. The point itself may be on a peak. Unequal distances
show a saw that looks smooth at equal ones."""

SMOOTH = np.linalg.qr(np.vander(PLACES, 4))[0]
"""The smooth part of values at these places: polynomials up to the third degree."""

ROUNDING_TIMES = 4.0
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
            open_ = w & (np.abs(f.given - f.numeric) <= ROUNDING_TIMES * n)
        f.verdict[open_] = CODES[Verdict.UNRESOLVED]
        spared |= bool(np.any(open_))
        fine = open_ & (ROUNDING_TIMES * n <= hidden)
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
