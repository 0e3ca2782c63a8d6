"""A sweep: a recorded function with each entry of an input moved, many at once.

The function is recorded once, as `vmap` does, and its graph is walked with regions: only what
moves is computed. So all derivatives of a network's loss cost little more than those of its last
layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..containers import flatten
from ..forward import Values, deliver, key_of, vertex_of
from ..operation import Record, no_grad
from ..reverse import dependents
from ..tensors import Tensor, leaf
from ..vectorization import Example
from .regions import At, Region, gathered, moved

ROWS = 128
"""Perturbed values at once, two an entry: what they make should stay in the cache."""

NUMBERS = 4_000_000
"""How many numbers of one value, for all perturbations, are held at once."""


class NotSweepable(Exception):
    """The function must be called as it is: it looks at values, or cannot be walked."""


@dataclass(frozen=True, slots=True)
class Differences:
    """What moving single entries does to φ = Σ g·y; arrays, one number an entry.

    Attributes:
        above, below: φ with the entry moved up and down, less φ at the point.
        up, down: how far it was moved, after rounding; down is negative.
        size: Σ |g·y| of the outputs that changed.
    """

    above: np.ndarray
    below: np.ndarray
    up: np.ndarray
    down: np.ndarray
    size: np.ndarray


class Sweep:
    """A recorded function at a point, weighted by a cotangent.

    Raises:
        NotSweepable: if it cannot be recorded for many points at once.
    """

    def __init__(
        self, function: Callable[..., Any], arrays: list[Any], weights: list[np.ndarray]
    ) -> None:
        self._function, self._weights = function, weights
        self._arrays = [np.asarray(x) for x in arrays]
        try:
            self._example = Example(function, arrays)
        except Exception as error:
            raise NotSweepable(str(error)) from error
        self._leaves = self._example.inputs
        self._outputs = self._example.outputs
        self._tried: set[int] = set()

    def differences(self, position: int, flat: np.ndarray, steps: np.ndarray) -> Differences:
        """Move entries of one input up and down.

        Args:
            position: which input.
            flat: flat places of the entries.
            steps: how far.

        Raises:
            NotSweepable: if an operation cannot be swept, or the result is not that of a call.
        """
        x = self._arrays[position]
        xs = x.ravel()[flat]
        above, below = xs + steps, xs - steps
        rows = np.zeros((3, len(flat)))
        vertices, largest = self._vertices(position)
        count = max(1, min(ROWS, NUMBERS // largest) // 2)
        try:
            for start in range(0, len(flat), count):
                part = slice(start, start + count)
                values = np.concatenate([above[part], below[part]])
                places = np.concatenate([flat[part], flat[part]])
                change, size = self._walk(position, vertices, places, values)
                half = len(change) // 2
                rows[0, part], rows[1, part] = change[:half], change[half:]
                rows[2, part] = size[:half]
            if len(flat) and position not in self._tried:
                self._try(position, flat, above, rows)
        except NotSweepable:
            raise
        except Exception as error:
            raise NotSweepable(str(error)) from error
        return Differences(rows[0], rows[1], above - xs, below - xs, rows[2])

    def _vertices(self, position: int) -> tuple[list[Any], int]:
        """Return what depends on an input, in order, and the size of the largest value."""
        outputs = [y for y in self._outputs if isinstance(y, Tensor)]
        needed = dependents(outputs, {self._leaves[position].serial}, every=True)[0]
        largest = max((x.size for x in needed.values()), default=1)
        vertices = [vertex_of(needed[serial]) for serial in sorted(needed)]
        return [v for v in vertices if v._primitive is not None], max(largest, 1)

    def _walk(
        self, position: int, vertices: list[Any], places: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the change of φ, and the size of what changed, for each perturbation."""
        x = self._arrays[position]
        at: At = tuple(np.unravel_index(places, x.shape)) if x.ndim else ()
        start = Region(values.reshape(-1, *(1,) * x.ndim), at, x)
        regions: Values = {key_of(self._leaves[position]): start}
        for vertex in vertices:
            taken = []
            for operand in vertex._operands:
                if type(operand) is Tensor:
                    taken.append(regions.get(key_of(operand), operand._value))
                else:
                    taken.append(operand)
            if not any(isinstance(one, Region) for one in taken):
                continue
            y = vertex.arrays if type(vertex) is Record else vertex._value
            deliver(vertex, moved(vertex._primitive, taken, vertex._params, y), regions)
        change, size = np.zeros(len(values)), np.zeros(len(values))
        for y, g in zip(self._outputs, self._weights, strict=True):
            region = regions.get(key_of(y)) if isinstance(y, Tensor) else None
            if region is not None:
                axes = tuple(range(1, region.values.ndim))
                weight = gathered(g, region.at)
                change += np.sum(weight * region.change(), axis=axes)
                size += np.sum(np.abs(weight * region.values), axis=axes)
        return change, size

    def _try(self, position: int, flat: np.ndarray, above: np.ndarray, rows: np.ndarray) -> None:
        """Compare one entry with a call of the function.

        Raises:
            NotSweepable: if they differ by more than rounding.
        """
        self._tried.add(position)
        i = len(flat) // 2
        arrays = [x.copy() for x in self._arrays]
        arrays[position].flat[flat[i]] = above[i]
        with no_grad():
            result = self._function(*(leaf(x[()]) for x in arrays))
        outputs = [np.asarray(y._value if isinstance(y, Tensor) else y) for y in flatten(result)[0]]
        bases = [np.asarray(y._value if isinstance(y, Tensor) else y) for y in self._outputs]
        pairs = list(zip(self._weights, outputs, bases, strict=True))
        expected = sum(float(np.sum(g * (y - base))) for g, y, base in pairs)
        size = sum(float(np.sum(np.abs(g * y))) for g, y, _ in pairs)
        found = float(rows[0, i])
        if not abs(found - expected) <= 1e-12 * size and not np.isnan(found) & np.isnan(expected):
            raise NotSweepable(f"swept {found:.17g}, called {expected:.17g}")
