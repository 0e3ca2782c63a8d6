"""logsumexp and the softmaxes as SciPy spells them: over all axes unless one is named."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.arrays import normal
from ...core.contexts import run_quietly
from ...core.record import operand, scope
from ...core.table import Axis
from .. import activations
from ..activations import shift
from ..conversion import stop_gradient
from ..selection import where

MOST = 80.0
"""Where a weight is 0, larger exponents are cut: e⁸⁰ is finite in float32 too."""


def logsumexp(
    a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """Compute ln Σ b·eᵃ over `axis`.  ∂a: b·eᵃ⁻ʸ  ∂b: eᵃ⁻ʸ.

    With `return_sign` the result is the pair of ln |Σ b·eᵃ| and the sign of the sum; without it a
    negative sum is NaN.

    >>> logsumexp([1000.0, 1000.0]).round(4)
    np.float64(1000.6931)
    """
    if not np.ndim(a) and axis in ((0,), (-1,)):  # SciPy gives numbers an axis
        axis = 0
    if b is None and not return_sign:
        return activations.logsumexp(a, axis=axis, keepdims=keepdims)
    return weighted_logsumexp(
        operand(a), axis, 1 if b is None else operand(b), keepdims, return_sign
    )


@scope("logsumexp")
def weighted_logsumexp(a: Any, axis: Axis, b: Any, keepdims: bool, return_sign: bool) -> Any:
    """Compute ln Σ b·eᵃ, shifted by the largest a whose weight is not 0."""
    nothing = np.equal(b, 0)
    highest = shift(where(nothing, -np.inf, stop_gradient(a)), axis)
    above = a - highest
    terms = b * np.exp(where(nothing, np.minimum(above, MOST), above))
    total = np.sum(terms, axis=axis, keepdims=True)
    size = np.abs(total) if return_sign else total
    y = run_quietly(lambda: np.log(size) + highest)
    results = (y, np.sign(total)) if return_sign else (y,)
    if not keepdims:
        results = tuple(normal(np.squeeze(x, axis=axis)) for x in results)
    return results if return_sign else results[0]


def softmax(x: Any, axis: Axis = None) -> Any:
    """Compute eˣ / Σ eˣ over `axis`, by default all elements.  ∂x: y·(g − Σ y·g)."""
    return activations.softmax(x, axis=axis)


def log_softmax(x: Any, axis: Axis = None) -> Any:
    """Compute x − ln Σ eˣ over `axis`, by default all elements.  ∂x: g − eʸ·Σ g."""
    return activations.log_softmax(x, axis=axis)
