"""Checks that hold for every function: repeated calls, linearity, and forward against reverse mode.

A vector–Jacobian product is linear in the cotangent. Forward and reverse mode are transposes of
each other, ⟨g, J·t⟩ = ⟨Jᵀ·g, t⟩. A gradient is the same when it is computed again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import AutogradError
from .causes import Cause, Kind
from .coordinates import coordinates, sizes_of
from .inputs import Arrays, Problem
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
    one number, every h is a multiple of g, so that of s·g must be s times that of g.
    """
    if not subject.takes_cotangent:
        return None
    generator = np.random.default_rng([seed, 1])
    if [g.size for g in weights] == [1]:
        terms, rule = (
            [(-generator.uniform(1.5, 3.0), weights)],
            "s·g gives another result than s times g",
        )
    else:
        terms = [(1.0, weights), (-0.5, subject.weights(weights, generator))]
        rule = "g − h/2 gives another result than both"

    def combine(arrays: list[Arrays]) -> Arrays:
        rows = zip(*arrays, strict=True)
        return [sum(s * a for (s, _), a in zip(terms, row, strict=True)) for row in rows]

    together = combine([g for _, g in terms])
    found = [given, *(subject.gradient(g) for _, g in terms[1:])]

    def difference(point: Arrays) -> np.ndarray:
        expected = combine([subject.gradient(g, point) for _, g in terms])
        rows = zip(expected, subject.gradient(together, point), strict=True)
        return np.concatenate([np.ravel(a - b) for a, b in rows])

    sizes = [sum(np.abs(a) for a in row) for row in zip(*found, strict=True)]
    floor = _rounding_floor(subject, weights)
    if _are_close(combine(found), subject.gradient(together), sizes, 10 * rtol, floor):
        return None
    point = subject.inputs.arrays
    if is_rounding(difference, difference(point), point, len(given)):
        return None
    return Cause(Kind.COTANGENT, f"{subject.what} is not linear in the cotangent: {rule}")


def _check_forward_mode(
    subject: Subject, weights: Arrays, given: Arrays, seed: int, rtol: float
) -> Cause | None:
    """Check that forward mode, if there is one, is the transpose of the gradient."""
    if type(subject).push_forward is Subject.push_forward:
        return None
    inputs, generator = subject.inputs, np.random.default_rng([seed, 5])
    tangents = [generator.normal(size=x.shape) for x in inputs.arrays]

    def terms(point: Arrays, given: Arrays) -> list[Any] | None:
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
