"""Conditions: what tells the wrong entries of an input from the right ones.

A condition is named only if it fits: all wrong entries fulfil it, and no right one whose
derivative is not 0 (there a mistake could not be seen).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .evidence import Evidence

Condition = tuple[str, np.ndarray]
"""How it is written, and where it holds."""


def condition_of(evidence: Evidence, position: int) -> str:
    """Return what the wrong entries of an input have in common, empty if all are wrong."""
    wrong = evidence.wrong[position]
    numeric = evidence.numeric[position]
    with np.errstate(invalid="ignore"):
        scale = np.nanmax(np.abs(numeric), initial=0.0)
        telling = evidence.known(position) & (np.abs(numeric) > 1e-9 * scale)
    right = telling & ~wrong
    if not np.any(right):
        return ""
    count = int(np.count_nonzero(wrong))
    if count == 1:
        return written(evidence, position, np.argwhere(wrong)[0])
    for text, holds in conditions(evidence, position):
        if np.all(holds[wrong]) and not np.any(holds[right]):
            return text
    return f"{count} of {wrong.size} entries"


def written(evidence: Evidence, position: int, index: Any) -> str:
    """Write an entry of an input."""
    name, places = evidence.names[position], [int(i) for i in index]
    part = ""
    if evidence.complex[position]:
        *places, last = places
        part = (".real", ".imag")[last]
    return f"{name}[{', '.join(map(str, places))}]{part}" if places else name + part


def conditions(evidence: Evidence, position: int) -> Iterator[Condition]:
    """Yield conditions, the simplest first."""
    name, x = evidence.names[position], evidence.xs[position]
    yield from signs(name, x)
    if evidence.complex[position]:
        real, imaginary = np.zeros(x.shape, bool), np.zeros(x.shape, bool)
        real[..., 0], imaginary[..., 1] = True, True
        yield f"the real part of {name}", real
        yield f"the imaginary part of {name}", imaginary
        yield f"the real part of {name} is negative", np.broadcast_to(x[..., :1] < 0, x.shape)
    yield from indexed(evidence, x.shape)
    yield from places(name, x.shape)
    for other, values in partners(evidence, position):
        yield from signs(other, values)
    yield from extremes(name, x)
    yield from thresholds(name, x, evidence.wrong[position])


def signs(name: str, x: np.ndarray) -> Iterator[Condition]:
    """Yield conditions on the sign and size of values."""
    yield f"{name} < 0", x < 0
    yield f"{name} > 0", x > 0
    yield f"{name} == 0", x == 0
    yield f"{name} <= 0", x <= 0
    yield f"{name} >= 0", x >= 0
    yield f"{name} is not 0", x != 0
    yield f"|{name}| > 1", np.abs(x) > 1
    yield f"|{name}| < 1", np.abs(x) < 1


def partners(evidence: Evidence, position: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield other values of the shape of an input, or that broadcast to it."""
    shape = evidence.xs[position].shape
    rows = [
        (n, x)
        for i, (n, x) in enumerate(zip(evidence.names, evidence.xs, strict=True))
        if i != position
    ]
    rows += [("the result", y) for y in evidence.outputs]
    rows += [("the cotangent", g) for g in evidence.weights]
    rows += [(n, np.asarray(v)) for n, v in evidence.others if np.asarray(v).dtype.kind in "biuf"]
    for name, values in rows:
        if values.ndim and np.ndim(values) <= len(shape):
            try:
                yield name, np.broadcast_to(values, shape)
            except ValueError:
                continue


def places(name: str, shape: tuple[int, ...]) -> Iterator[Condition]:
    """Yield conditions on where entries are: rows, ends of axes, the diagonal, triangles."""
    for axis, length in enumerate(shape):
        if length < 2:
            continue
        where = np.arange(length).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        along = f"along axis {axis} of {name}" if len(shape) > 1 else f"of {name}"
        yield f"the first {along}", np.broadcast_to(where == 0, shape)
        yield f"the last {along}", np.broadcast_to(where == length - 1, shape)
        if length > 2:
            yield f"all but the first {along}", np.broadcast_to(where > 0, shape)
            yield f"all but the last {along}", np.broadcast_to(where < length - 1, shape)
            ends = (where == 0) | (where == length - 1)
            yield f"the ends {along}", np.broadcast_to(ends, shape)
            yield f"between the ends {along}", np.broadcast_to(~ends, shape)
        if length > 3:
            yield f"every second {along}", np.broadcast_to(where % 2 == 0, shape)
            yield f"every second {along}, from the next", np.broadcast_to(where % 2 == 1, shape)
        for k in range(1, min(length - 1, 64)):
            yield f"index {k} {along}", np.broadcast_to(where == k, shape)
    if len(shape) > 1:
        i, j = np.ogrid[: shape[-2], : shape[-1]]
        for text, holds in (
            ("on the diagonal", i == j), ("off the diagonal", i != j),
            ("above the diagonal", i < j), ("below the diagonal", i > j),
            ("on or above the diagonal", i <= j), ("on or below the diagonal", i >= j),
        ):  # fmt: skip
            yield f"{text} of {name}", np.broadcast_to(holds, shape)


def extremes(name: str, x: np.ndarray) -> Iterator[Condition]:
    """Yield where values are the largest, the smallest, or equal to another."""
    if not x.size:
        return
    for axis in (None, *range(x.ndim if x.ndim > 1 else 0)):
        along = "" if axis is None else f" along axis {axis}"
        yield f"the largest of {name}{along}", x == np.max(x, axis=axis, keepdims=True)
        yield f"the smallest of {name}{along}", x == np.min(x, axis=axis, keepdims=True)
    values, counts = np.unique(x, return_counts=True)
    yield f"values that occur more than once in {name}", np.isin(x, values[counts > 1])


def indexed(evidence: Evidence, shape: tuple[int, ...]) -> Iterator[Condition]:
    """Yield where integers among the other arguments point: once, repeatedly, never."""
    for name, value in evidence.others:
        indices = np.asarray(value)
        if indices.dtype.kind not in "iu" or not indices.ndim:
            continue
        for axis, length in enumerate(shape):
            if np.any(indices >= length) or np.any(indices < -length):
                continue
            counts = np.bincount(indices.ravel() % length, minlength=length)
            row = counts.reshape([-1 if i == axis else 1 for i in range(len(shape))])
            yield f"repeated indices in {name}", np.broadcast_to(row > 1, shape)
            yield f"indices in {name}", np.broadcast_to(row > 0, shape)
            yield f"what {name} leaves out", np.broadcast_to(row == 0, shape)


def thresholds(name: str, x: np.ndarray, wrong: np.ndarray) -> Iterator[Condition]:
    """Yield the bounds of the wrong values."""
    if np.count_nonzero(wrong) < 4:
        return
    low, high = float(np.min(x[wrong])), float(np.max(x[wrong]))
    yield f"{name} >= {low:.4g}", x >= low
    yield f"{name} <= {high:.4g}", x <= high
    yield f"{low:.4g} <= {name} <= {high:.4g}", (x >= low) & (x <= high)
