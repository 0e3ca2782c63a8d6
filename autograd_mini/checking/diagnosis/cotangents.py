"""Causes that several inputs share, found with other cotangents and by comparing inputs."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..causes import Cause, Kind
from .conditions import where_wrong
from .evidence import Evidence, is_stretched, natural_shape, sum_to_shape, unsummed_gradient

Shared = tuple[Cause, list[int]]
"""A cause, and the inputs whose gradients it explains."""

CURVED = 2e-3
"""A gradient is nonlinear if it is off by this share; rounding to float16 stays below it."""


def unsteady_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of a gradient that changes when it is computed again."""
    first, again = evidence.first_given, evidence.given_for(evidence.weights)
    if first is None or again is None:
        return None
    found = [
        i
        for i in evidence.suspects()
        if not np.allclose(first[i], again[i], rtol=1e-6, atol=1e-12, equal_nan=True)
    ]
    if not found:
        return None
    text = f"the gradient of {_name_inputs(evidence, found)} is different when it is computed again"
    return Cause(Kind.NOT_DETERMINISTIC, text, evidence.names[found[0]]), found


def ignored_cotangent_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of a wrong gradient that ignores its cotangent."""
    first, other = evidence.first_given, evidence.other_given
    if first is None or other is None:
        return None
    found = [
        i
        for i in evidence.suspects()
        if np.any(first[i][evidence.wrong[i]])
        and np.array_equal(first[i][evidence.wrong[i]], other[i][evidence.wrong[i]])
    ]
    if not found:
        return None
    places = {where_wrong(evidence, i) for i in found}
    if len(places) > 1:  # the places differ: name one input only
        found, places = found[:1], {where_wrong(evidence, found[0])}
    name = evidence.names[found[0]] if len(found) == 1 else None
    ((condition, where),) = places
    what = f"the gradient of {_name_inputs(evidence, found)}"
    text = f"{what} is the same for any cotangent of the result{where}: it is ignored"
    return Cause(Kind.COTANGENT, text, name, condition), found


def nonlinear_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of a wrong gradient that is not linear in the cotangent."""
    gs, hs = evidence.weights, evidence.other_weights
    first, other = evidence.first_given, evidence.other_given
    both = evidence.given_for([g - 0.5 * h for g, h in zip(gs, hs, strict=True)])
    if first is None or other is None or both is None:
        return None
    off = [a - 0.5 * b - c for a, b, c in zip(first, other, both, strict=True)]
    sizes = [_largest_finite(np.abs(a) + np.abs(b)) for a, b in zip(first, other, strict=True)]
    wrong = evidence.wrong
    found = [i for i in evidence.suspects() if np.any(np.abs(off[i][wrong[i]]) > CURVED * sizes[i])]
    if not found:
        return None
    name = evidence.names[found[0]] if len(found) == 1 else None
    what = f"the gradient of {_name_inputs(evidence, found)}"
    nothing = evidence.given_for([0 * g for g in gs])
    if nothing is not None and all(
        np.all(np.abs(off[i] + 0.5 * nothing[i]) <= CURVED * sizes[i]) for i in found
    ):
        text = f"{what} is not 0 for a cotangent of 0: a term is not multiplied by the cotangent"
        return Cause(Kind.TERM, text + _constant_text(nothing, found), name), found
    text = f"{what} is not linear in the cotangent of the result: that for g − h/2 is not that "
    return Cause(Kind.COTANGENT, f"{text}for g less half of that for h", name), found


def _constant_text(nothing: list[np.ndarray], found: list[int]) -> str:
    """Write the number that is added to each entry, if it is the same for all."""
    values = np.concatenate([nothing[i].ravel() for i in found])
    return f", {values[0]:.4g}" if np.ptp(values) <= 1e-9 * abs(values[0]) else ""


def _largest_finite(values: np.ndarray) -> float:
    """Return the largest finite value; 0 if there is none."""
    return float(np.max(values, where=np.isfinite(values), initial=0.0))


def conjugated_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of a derivative that is conjugated.

    Then G(ḡ) is the conjugate of the right gradient.
    """
    suspects = evidence.suspects()
    if not all(evidence.complex[i] for i in suspects):
        return None
    sign = np.array([1.0, -1.0])
    pairs = zip(evidence.weights, evidence.complex_outputs, strict=True)
    found = evidence.given_for([g * sign if is_complex else g for g, is_complex in pairs])
    if found is None:
        return None
    for i in suspects:
        if not np.all(np.abs(found[i] * sign - evidence.numeric[i]) <= evidence.tolerance(i)):
            return None
    name = evidence.names[suspects[0]]
    text = f"the derivative by {name} is not conjugated: g · f′ is given, g · conj(f′) is right"
    return Cause(Kind.CONJUGATED, text, name), suspects


def _name_inputs(evidence: Evidence, positions: list[int]) -> str:
    """Write the names of some inputs."""
    names = [evidence.names[i] for i in positions]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def exchanged_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of two inputs with exchanged gradients."""
    for i, j in combinations(evidence.suspects(), 2):
        if evidence.complex[i] != evidence.complex[j]:
            continue
        first, second = evidence.names[i], evidence.names[j]
        if evidence.xs[i].shape != evidence.xs[j].shape:
            if _have_exchanged_rules(evidence, i, j):
                text = f"{first} and {second} have exchanged gradients, before they are summed"
                return Cause(Kind.SWAPPED, text, first), [i, j]
            continue
        for sign in (1, -1):
            if _has_gradient_of(evidence, i, j, sign) and _has_gradient_of(evidence, j, i, sign):
                how = "" if sign > 0 else ", and their signs are flipped"
                text = f"{first} and {second} have exchanged gradients{how}"
                return Cause(Kind.SWAPPED, text, first), [i, j]
    return None


def _has_gradient_of(evidence: Evidence, i: int, j: int, sign: int) -> bool:
    """Is the given gradient of one input the numeric gradient of another?"""
    if not np.all(np.isfinite(evidence.error[j])):
        return False
    return evidence.explains(i, sign * evidence.numeric[j], evidence.slack(j))


def _have_exchanged_rules(evidence: Evidence, i: int, j: int) -> bool:
    """Does each of two inputs that are broadcast together have the rule of the other?"""
    if len(evidence.outputs) != 1:
        return False
    result = natural_shape(evidence.outputs[0].shape, evidence.complex_outputs[0])
    shapes = [natural_shape(evidence.xs[k].shape, evidence.complex[k]) for k in (i, j)]
    if not all(shape == result or is_stretched(shape, result) for shape in shapes):
        return False
    fulls = [
        evidence.numeric[k] if shape == result else unsummed_gradient(evidence, k, evidence.weights)
        for k, shape in zip((i, j), shapes, strict=True)
    ]
    return all(
        full is not None and _sums_to_given(full, evidence.given[k], evidence.rtol)
        for k, full in zip((j, i), fulls, strict=True)
    )


def _sums_to_given(full: np.ndarray, given: np.ndarray, rtol: float) -> bool:
    """Is a sum over broadcast axes the given gradient?"""
    slack = 10 * rtol * sum_to_shape(np.abs(full), given.shape)
    difference = np.abs(sum_to_shape(full, given.shape) - given)
    return bool(np.all(difference <= slack + np.max(slack, initial=0.0)))
