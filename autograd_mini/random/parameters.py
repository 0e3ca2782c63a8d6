"""Parameters of distributions: what tensors, arrays and counts among them must be."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.extraction import plain_value
from ..core.tensor import Tensor
from ..errors import ArgumentError, ShapeError
from ..ops.demands import demand
from .draws import shape_of


def tensorial(*parameters: Any) -> bool:
    """Whether a tensor is among some parameters."""
    return any(isinstance(x, Tensor) for x in parameters)


def drawn_shape(name: str, size: Any, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the shape of a draw: the size, or that to which the parameters broadcast.

    Raises:
        ShapeError: if they do not broadcast to it.
    """
    try:
        common = np.broadcast_shapes(*shapes)
        shape = common if size is None else shape_of(size)
        if np.broadcast_shapes(shape, common) == shape:
            return shape
    except ValueError:
        pass
    raise ShapeError(
        f"random.{name}: size {size} for parameters of shapes {', '.join(map(str, shapes))}; "
        "expected shapes that broadcast to the size, or to each other without one"
    )


def non_negative(method: str, name: str, x: Any) -> None:
    """Raise ArgumentError for negative numbers, as NumPy does."""
    value = plain_value(x)
    if np.any(np.less(value, 0)):
        raise ArgumentError(
            f"random.{method}: {name} is {np.min(value)} somewhere; expected at least 0"
        )
    demand(lambda: x >= 0, f"random.{method}: {name} is negative somewhere; expected at least 0")


def count_of(x: Any) -> int | None:
    """Return an integer in whatever form, or None for anything else."""
    if isinstance(x, Tensor) and (x.ndim or x.dtype.kind not in "iu"):
        return None
    try:
        return operator.index(x)
    except TypeError:
        return None


def length(x: Any, axis: int) -> int:
    """Return how long an axis is; raise ShapeError if there is none."""
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(
            f"random: shape {x.shape} has no axis {axis}; expected an integer, or an array with "
            "that axis"
        )
    return int(x.shape[axis])


def check_probabilities(p: Any, count: int) -> None:
    """Raise ArgumentError for what are no probabilities of `count` things, as NumPy does."""
    given, p = p, plain_value(p)
    if p.shape != (count,):
        raise ShapeError(f"random.choice: p has shape {p.shape}; expected ({count},)")
    tolerance = np.sqrt(np.finfo(p.dtype).eps) if p.dtype.kind == "f" else 0.0
    total = float(np.sum(p, dtype=np.float64))
    if np.any(p < 0) or not abs(total - 1) <= max(tolerance, 1.5e-8):
        raise ArgumentError(
            f"random.choice: p has the sum {total:.6g} and the least {np.min(p, initial=1):.6g}; "
            "expected probabilities, at least 0, of sum 1 (p / p.sum())"
        )
    allowed = max(tolerance, 1.5e-8)
    demand(
        lambda: (given >= 0) & (np.abs(np.sum(given, dtype=np.float64) - 1) <= allowed),
        "random.choice: p are no probabilities, at least 0, of sum 1 (p / p.sum())",
    )
