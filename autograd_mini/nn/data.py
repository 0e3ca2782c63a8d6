"""Data for training: checked, cast to the model's dtype, split, cut into batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..core.arrays import as_array
from ..core.contexts import run_quietly
from ..core.extraction import read_value
from ..core.tensor import Tensor
from ..errors import ArgumentError, NonFiniteError, ShapeError

if TYPE_CHECKING:
    from ..core.arrays import Numbers
    from .ownership import Model

Pair = tuple[np.ndarray, np.ndarray]
Place = slice | np.ndarray


def model_dtype(model: Model) -> np.dtype[np.generic] | None:
    """Return the dtype of a model's first floating-point tensor, None if it has none."""
    return next((t.dtype for _, t in model.named_tensors() if t.dtype.kind == "f"), None)


def samples(values: Numbers, dtype: np.dtype[np.generic] | None, what: str) -> np.ndarray:
    """Return values as an array with an axis of samples, floats in the model's dtype.

    Raises:
        OperandError: for anything that is no array of numbers.
        ShapeError: for a scalar.
    """
    array = as_array(read_value(values, what) if isinstance(values, Tensor) else values)
    if not array.ndim:
        raise ShapeError(f"{what} is a scalar, {array}; expected the samples along the first axis")
    if array.dtype.kind == "f" and dtype is not None:
        return array.astype(dtype, copy=False)
    return array


def pair(x: Numbers, y: Numbers, dtype: np.dtype[np.generic] | None, what: str = "") -> Pair:
    """Return x and y, checked: as many of each, at least one, no NaN or infinity.

    Raises:
        ShapeError: if their numbers differ.
        ArgumentError: if there is none.
        NonFiniteError: if a value is NaN or infinite, also because the model's dtype is too small.
    """
    xs, ys = run_quietly(  # a value too large for float32 is found below
        lambda: (samples(x, dtype, f"{what}x"), samples(y, dtype, f"{what}y")), over="ignore"
    )
    if len(xs) != len(ys):
        raise ShapeError(
            f"{what}x has {len(xs)} samples, but {what}y has {len(ys)} (shapes {xs.shape} and "
            f"{ys.shape}); expected first axes of the same length"
        )
    if not len(xs):
        raise ArgumentError(f"{what}x and {what}y are empty; there is nothing to train on")
    for name, array in (("x", xs), ("y", ys)):
        bad = ~np.isfinite(array)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            raise NonFiniteError(
                f"{what}{name} has {bad.sum()} values that are NaN or infinite of {bad.size}, the "
                f"first, {array[first]}, at {what}{name}{list(first)}; fill or drop those samples"
            )
    return xs, ys


def split(
    x: np.ndarray, y: np.ndarray, fraction: float, rng: np.random.Generator | None
) -> tuple[Pair, Pair]:
    """Set a fraction of the samples aside: at random, or, without a generator, the last ones.

    Raises:
        ArgumentError: if the fraction leaves nothing on one side.
    """
    held = round(fraction * len(x)) if 0 < fraction < 1 else 0
    if not 0 < held < len(x):
        raise ArgumentError(
            f"validation={fraction!r} of {len(x)} samples leaves none for training or for "
            "validation; expected a fraction between 0 and 1, or a pair (x, y)"
        )
    order = rng.permutation(len(x)) if rng else np.arange(len(x))
    train, rest = order[:-held], order[-held:]
    return (x[train], y[train]), (x[rest], y[rest])


def batches(count: int, size: int, rng: np.random.Generator | None) -> Iterator[Place]:
    """Yield the places of each batch: shuffled, or, without a generator, in order as slices."""
    if rng is None:
        yield from (slice(start, start + size) for start in range(0, count, size))
        return
    order = rng.permutation(count)
    yield from (order[start : start + size] for start in range(0, count, size))
