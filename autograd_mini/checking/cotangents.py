"""Cotangents: what a wrong gradient is for other ones, which tells what it does with them."""

from __future__ import annotations

import numpy as np

from .causes import Cause, Kind
from .evidence import Evidence

Shared = tuple[Cause, list[int]]
"""A cause, and the inputs whose gradients it explains."""

CURVED = 2e-3
"""A share of a gradient by which it is not linear, beyond what rounding to float16 does."""


def unsteady(evidence: Evidence) -> Shared | None:
    """Return the cause if the gradient is another one when it is computed again."""
    first, again = evidence.given_for(evidence.weights), evidence.given_for(evidence.weights)
    if first is None or again is None:
        return None
    found = [
        i
        for i in evidence.suspects()
        if not np.allclose(first[i], again[i], rtol=1e-6, atol=1e-12, equal_nan=True)
    ]
    if not found:
        return None
    text = f"the gradient of {listed(evidence, found)} is another one when it is computed again"
    return Cause(Kind.NOT_DETERMINISTIC, text, evidence.names[found[0]]), found


def ignored(evidence: Evidence) -> Shared | None:
    """Return the cause if a wrong gradient is the same for another cotangent."""
    first, other = evidence.given_for(evidence.weights), evidence.other_given
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
    name = evidence.names[found[0]] if len(found) == 1 else None
    what = f"of {listed(evidence, found)}"
    text = f"the gradient {what} is the same for any cotangent of the result: it is ignored"
    return Cause(Kind.COTANGENT, text, name), found


def curved(evidence: Evidence) -> Shared | None:
    """Return the cause if a wrong gradient does not depend linearly on the cotangent."""
    gs, hs = evidence.weights, evidence.other_weights
    first, other = evidence.given_for(gs), evidence.other_given
    both = evidence.given_for([g - 0.5 * h for g, h in zip(gs, hs, strict=True)])
    if first is None or other is None or both is None:
        return None
    found = []
    for i in evidence.suspects():
        off = np.abs(first[i] - 0.5 * other[i] - both[i])
        size = np.max(np.abs(first[i]) + np.abs(other[i]), where=np.isfinite(off), initial=0.0)
        if np.any(off[evidence.wrong[i]] > CURVED * size):
            found.append(i)
    if not found:
        return None
    name = evidence.names[found[0]] if len(found) == 1 else None
    text = (
        f"the gradient of {listed(evidence, found)} is not linear in the cotangent of the result: "
        "that for g − h/2 is not that for g less half of that for h"
    )
    return Cause(Kind.COTANGENT, text, name), found


def conjugated(evidence: Evidence) -> Shared | None:
    """Return the cause if the derivative is conjugated: G(ḡ) is then the conjugate of the right."""
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


def listed(evidence: Evidence, positions: list[int]) -> str:
    """Write the names of some inputs."""
    names = [evidence.names[i] for i in positions]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
