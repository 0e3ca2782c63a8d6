"""Exchanges: gradients of two inputs, each given for the other."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..causes import Cause, Kind
from .cotangents import Shared
from .evidence import Evidence
from .unsummed import is_stretched, natural_shape, sum_to_shape, unsummed_gradient


def exchanged_cause(evidence: Evidence) -> Shared | None:
    """Return the cause if two inputs have exchanged gradients."""
    for i, j in combinations(evidence.suspects(), 2):
        if evidence.complex[i] != evidence.complex[j]:
            continue
        first, second = evidence.names[i], evidence.names[j]
        if evidence.xs[i].shape != evidence.xs[j].shape:
            if have_exchanged_rules(evidence, i, j):
                text = f"{first} and {second} have exchanged gradients, before they are summed"
                return Cause(Kind.SWAPPED, text, first), [i, j]
            continue
        for sign in (1, -1):
            if has_gradient_of(evidence, i, j, sign) and has_gradient_of(evidence, j, i, sign):
                how = "" if sign > 0 else ", and their signs are flipped"
                text = f"{first} and {second} have exchanged gradients{how}"
                return Cause(Kind.SWAPPED, text, first), [i, j]
    return None


def has_gradient_of(evidence: Evidence, i: int, j: int, sign: int) -> bool:
    """Whether the gradient that was given for one input is that of another."""
    if not np.all(np.isfinite(evidence.error[j])):
        return False
    return evidence.explains(i, sign * evidence.numeric[j], evidence.slack(j))


def have_exchanged_rules(evidence: Evidence, i: int, j: int) -> bool:
    """Whether each of two inputs that are broadcast together has the rule of the other."""
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
        full is not None and sums_to_given(full, evidence.given[k], evidence.rtol)
        for k, full in zip((j, i), fulls, strict=True)
    )


def sums_to_given(full: np.ndarray, given: np.ndarray, rtol: float) -> bool:
    """Whether a sum over broadcast axes is the gradient that was given."""
    slack = 10 * rtol * sum_to_shape(np.abs(full), given.shape)
    difference = np.abs(sum_to_shape(full, given.shape) - given)
    return bool(np.all(difference <= slack + np.max(slack, initial=0.0)))
