"""Parts: a value that is taken apart, or reshaped, and comes back in the wrong order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from ..causes import Kind
from .faults import Fault, Step
from .formula import Formula, apply_rules, place_of

MOST_PARTS = 8
"""Parts of which two may be exchanged, at most."""


def exchanged_part_faults(formula: Formula, step: Step) -> Iterator[Fault]:
    """Yield the faults in which two parts of a value get what is for the other."""
    vertex = step.vertex
    if not vertex._primitive.multiple or not isinstance(step.g, list):
        return
    for i, j in combinations(range(min(len(step.g), MOST_PARTS)), 2):
        if np.shape(step.g[i]) != np.shape(step.g[j]):
            continue

        def alter(v: Any, position: int, g: Any, gx: Any, i: int = i, j: int = j) -> Any:
            order = [j if k == i else i if k == j else k for k in range(len(g))]
            return apply_rules(v, [g[k] for k in order])[position]

        text = (
            f"the gradients of the parts {i} and {j} are exchanged (swapped), by "
            f"{vertex._primitive.name}, in the gradient of {{name}} ({place_of(formula, vertex)})"
        )
        yield Fault(Kind.SWAPPED, text, frozenset([step.edge]), alter)


def reshape_faults(formula: Formula, step: Step) -> Iterator[Fault]:
    """Yield the faults in which axes are not put back, or numbers are read in another order."""
    name = step.vertex._primitive.name
    where = f"in the gradient of {{name}} ({place_of(formula, step.vertex)})"
    edges, shape = frozenset([step.edge]), step.x.shape
    if name in ("transpose", "swapaxes", "moveaxis", "permute_dims"):
        text = f"what comes back through {name} is not transposed back, only reshaped, {where}"
        yield Fault(Kind.TRANSPOSED, text, edges, partial(reshape_in_order, shape=shape, order="C"))
    if name == "reshape" and step.x.ndim + step.vertex.ndim > 2:
        text = f"what comes back through {name} is read column by column, as if transposed, {where}"
        yield Fault(Kind.TRANSPOSED, text, edges, partial(reshape_in_order, shape=shape, order="F"))


def reshape_in_order(
    v: Any, position: int, g: Any, gx: Any, shape: tuple[int, ...], order: Any
) -> Any:
    """Put a cotangent in a shape, by rows or by columns."""
    return np.reshape(np.ravel(g, order=order), shape)
