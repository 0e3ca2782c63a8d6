"""Gradients before they are summed over broadcast axes, from the columns of the Jacobian."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .evidence import Evidence


def natural_shape(shape: tuple[int, ...], is_complex: bool) -> tuple[int, ...]:
    """Return the shape of an array whose real coordinates have this one."""
    return shape[:-1] if is_complex else shape


def is_stretched(shape: tuple[int, ...], result: tuple[int, ...]) -> bool:
    """Whether a shape is another one once it is broadcast to a result's."""
    try:
        return shape != result and np.broadcast_shapes(shape, result) == result
    except ValueError:
        return False


def sum_to_shape(full: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Sum over the axes that broadcasting from a shape adds or stretches."""
    extra = full.ndim - len(shape)
    found = full.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and found.shape[i] != 1)
    return np.asarray(found.sum(axis=axes, keepdims=True)) if axes else np.asarray(found)


def unsummed_gradient(
    evidence: Evidence, position: int, weights: Sequence[np.ndarray]
) -> np.ndarray | None:
    """Return the gradient of an input at each element of the one result, in real coordinates.

    For a result that is elementwise in inputs that are broadcast, this is what a rule computes
    before it sums. None for several results, and for inputs too large to take all their columns.
    """
    x, is_complex = evidence.xs[position], evidence.complex[position]
    if len(evidence.outputs) != 1 or x.size > evidence.most_columns:
        return None
    shape = natural_shape(evidence.outputs[0].shape, evidence.complex_outputs[0])
    found = np.zeros((*shape, 2) if is_complex else shape)
    for index in np.ndindex(x.shape):
        terms = evidence.derivatives(position, index)[0] * weights[0]
        if evidence.complex_outputs[0]:
            terms = terms.sum(axis=-1)
        if is_complex:
            found[..., index[-1]] += terms
        else:
            found += terms
    return found if np.all(np.isfinite(found)) else None
