"""Evaluate a function with each entry of an input moved, many entries in one pass.

`PerturbedGraph` records the function once, as `vmap` does, and propagates sparse changes through
its graph, so that only the changed values are computed. All derivatives of a network's loss then
cost little more than those of its last layers. `Batch` does the same for PyTorch and JAX with their
own `vmap`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.extraction import plain_value
from ...core.forward import Key, Values, key_of, store_outputs, vertex_of
from ...core.record import Record, no_grad
from ...core.reverse import vertices_between
from ...core.tensor import Tensor, leaf
from ...core.tree import flatten
from ...core.vmap import OneExample
from ..inputs import Arrays
from .lines import Probe
from .sparse_changes import ArrayPool, At, SparseChange, gather_base, propagate

ROWS = 512
"""Perturbed values in one pass, two for each entry; more of them leave the cache."""

NUMBERS = 4_000_000
"""Largest size of one value for all perturbations."""

COMPARED = 3
"""Number of entries that change, and that do not, for which the function is also called."""


MOST_NUMBERS = 2**20
"""Largest size of an input, or of the outputs, for all points of a batch."""

MOST_POINTS = 256
"""Largest number of points in a batch."""


class PropagationRefused(Exception):
    """The function must be called normally: it reads values, or its graph cannot be used."""


@dataclass(frozen=True, slots=True)
class Differences:
    """The effect of moving single entries on φ = Σ g·y; arrays, one number for each entry.

    Attributes:
        above, below: the change of φ with the entry moved up and down.
        up, down: the steps after rounding; down is negative.
        size: Σ |g·y| of the outputs that changed.
    """

    above: np.ndarray
    below: np.ndarray
    up: np.ndarray
    down: np.ndarray
    size: np.ndarray


@dataclass(frozen=True, slots=True)
class Path:
    """The operations from an input to the outputs.

    Attributes:
        vertices: the operations that depend on the input, in order.
        done: for each operation, the values that no later operation uses.
        largest: the size of the largest value on the path.
    """

    vertices: list[Any]
    done: dict[int, list[Key]]
    largest: int


class PerturbedGraph:
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
            with np.errstate(all="ignore"):
                self._example = OneExample(function, arrays)
        except Exception as error:
            raise PropagationRefused(str(error)) from error
        self._leaves = self._example.inputs
        self._outputs = self._example.outputs
        self._tried: dict[int, str] = {}
        self._memory = ArrayPool()

    def differences(self, position: int, flat: np.ndarray, steps: np.ndarray) -> Differences:
        """Move entries of one input up and down.

        Args:
            position: the position of the input.
            flat: the flat indices of the entries.
            steps: the step of each entry.

        Raises:
            NotSweepable: if an operation cannot be propagated, or the result differs from a call.
        """
        if self._tried.get(position):
            raise PropagationRefused(self._tried[position])
        x = self._arrays[position]
        xs = x.ravel()[flat]
        above, below = xs + steps, xs - steps
        rows = np.zeros((3, len(flat)))
        path, memory = self._path(position), self._memory
        count = max(1, min(ROWS, NUMBERS // path.largest) // 2)
        try:
            with np.errstate(all="ignore"):
                for start in range(0, len(flat), count):
                    part = slice(start, start + count)
                    values = np.concatenate([above[part], below[part]])
                    places = np.concatenate([flat[part], flat[part]])
                    change, size = self._propagate(position, path, places, values, memory)
                    half = len(change) // 2
                    rows[0, part], rows[1, part] = change[:half], change[half:]
                    rows[2, part] = size[:half]
                if len(flat) and position not in self._tried:
                    self._compare_with_calls(position, flat, above, rows)
        except PropagationRefused:
            raise
        except Exception as error:
            raise PropagationRefused(str(error)) from error
        return Differences(rows[0], rows[1], above - xs, below - xs, rows[2])

    def _path(self, position: int) -> Path:
        """Return the operations that depend on an input, in order."""
        outputs = [y for y in self._outputs if isinstance(y, Tensor)]
        needed = vertices_between(outputs, {self._leaves[position].serial}, every=True)[0]
        vertices = [vertex_of(needed[serial]) for serial in sorted(needed)]
        vertices = [v for v in vertices if v._primitive is not None]
        last = {key_of(x): v.serial for v in vertices for x in v._operands if type(x) is Tensor}
        kept = {key_of(y) for y in outputs}
        done: dict[int, list[Key]] = {}
        for key, serial in last.items():
            if key not in kept:
                done.setdefault(serial, []).append(key)
        return Path(vertices, done, max((x.size for x in needed.values()), default=1) or 1)

    def _propagate(
        self, position: int, path: Path, places: np.ndarray, values: np.ndarray, memory: ArrayPool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the change of φ, and the size of the changed outputs, for each move."""
        x = self._arrays[position]
        at: At = tuple(np.unravel_index(places, x.shape)) if x.ndim else ()
        start = SparseChange(values.reshape(-1, *(1,) * x.ndim), at, x)
        changes: Values = {key_of(self._leaves[position]): start}
        for vertex in path.vertices:
            taken = []
            for operand in vertex._operands:
                if type(operand) is Tensor:
                    taken.append(changes.get(key_of(operand), operand._value))
                else:
                    taken.append(operand)
            if not any(isinstance(one, SparseChange) for one in taken):
                continue
            y = vertex.arrays if type(vertex) is Record else vertex._value
            last = [changes.pop(key, None) for key in path.done.get(vertex.serial, ())]
            over = vertex._primitive.kind == "elementwise"  # may overwrite its operands
            if over:
                memory.give_back(last, changes.values())
            store_outputs(
                vertex, propagate(vertex._primitive, taken, vertex._params, y, memory), changes
            )
            if not over:
                memory.give_back(last, changes.values())
        change, size = np.zeros(len(values)), np.zeros(len(values))
        for y, g in zip(self._outputs, self._weights, strict=True):
            sparse = changes.get(key_of(y)) if isinstance(y, Tensor) else None
            if sparse is not None:
                axes = tuple(range(1, sparse.values.ndim))
                weight = gather_base(g, sparse.at)
                change += np.sum(weight * sparse.change(), axis=axes)
                size += np.sum(np.abs(weight * sparse.values), axis=axes)
        memory.reclaim()
        return change, size

    def _compare_with_calls(
        self, position: int, flat: np.ndarray, above: np.ndarray, rows: np.ndarray
    ) -> None:
        """Compare a few entries with calls of the function.

        Raises:
            NotSweepable: if they differ by more than rounding, now and from then on.
        """
        generator = np.random.default_rng(len(flat))
        moving = np.isfinite(rows[0]) & (rows[0] != 0)
        telling = generator.permutation(np.flatnonzero(moving))[:COMPARED]
        still = generator.permutation(np.flatnonzero(~moving))[
            :COMPARED
        ]  # do they really not change?
        for i in [*telling.tolist(), *still.tolist()]:
            arrays = [x.copy() for x in self._arrays]
            arrays[position].flat[flat[i]] = above[i]
            expected, size = self._call_function(arrays)
            found = float(rows[0, i])
            both = np.isnan(found) and np.isnan(expected)
            if not both and not abs(found - expected) <= 1e-12 * size:
                self._tried[position] = f"swept {found:.17g}, called {expected:.17g}"
                raise PropagationRefused(self._tried[position])
        self._tried[position] = ""

    def _call_function(self, arrays: list[np.ndarray]) -> tuple[float, float]:
        """Return the change of φ in a call of the function, and the size of its terms."""
        with no_grad():
            result = self._function(*(leaf(x[()]) for x in arrays))
        values = [plain_value(y) for y in flatten(result)[0]]
        bases = [plain_value(y) for y in self._outputs]
        rows = list(zip(self._weights, values, bases, strict=True))
        change = sum(float(np.sum(g * (y - base))) for g, y, base in rows)
        return change, sum(float(np.sum(np.abs(g * y))) for g, y, _ in rows)


class Batch:
    """A function at the point of a probe, called for many points at once."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        outputs = sum(y.size for y in probe.base)
        self._largest = max([outputs, *(x.size for x in probe.point)])

    def differences(self, position: int, flat: np.ndarray, steps: np.ndarray) -> Differences:
        """Move entries of one input up and down.

        Raises:
            NotSweepable: if the function cannot be batched, or gives another result then.
        """
        rounded = self._probe.subject.inputs.round_coordinates
        xs = self._probe.point[position].ravel()[flat]
        ups, downs = rounded(position, xs + steps), rounded(position, xs - steps)
        count = max(1, min(MOST_POINTS, MOST_NUMBERS // self._largest) // 2)
        found = np.zeros((3, len(flat)))
        for start in range(0, len(flat), count):
            part = slice(start, start + count)
            found[:, part] = self._evaluate_moves(position, flat[part], ups[part], downs[part])
        if len(flat):
            self._compare_with_call(position, flat[-1], ups[-1], found[0, -1])
        return Differences(found[0], found[1], ups - xs, downs - xs, found[2])

    def _evaluate_moves(
        self, position: int, flat: np.ndarray, ups: np.ndarray, downs: np.ndarray
    ) -> np.ndarray:
        """Return the change of φ above and below, and the size of the changed outputs.

        The point itself is part of the batch, so that unchanged outputs are exactly equal.
        """
        point, count = self._probe.point[position], len(flat)
        moved = np.repeat(point[None], 2 * count + 1, axis=0)
        rows = moved.reshape(len(moved), -1)
        rows[np.arange(count), flat] = ups
        rows[np.arange(count, 2 * count), flat] = downs
        outputs = self._evaluate_rows(position, moved)
        found, whole = np.zeros((3, count)), np.zeros(count)
        for g, y in zip(self._probe.weights, outputs, strict=True):
            weight, values = g.ravel(), y.reshape(len(y), -1)
            above, below, base = values[:count], values[count:-1], values[-1]
            size = np.abs(above) * np.abs(weight)
            found[0] += (above - base) @ weight
            found[1] += (below - base) @ weight
            found[2] += np.sum(size, axis=1, where=above != below)
            whole += np.sum(size, axis=1)
        found[2] = np.where(found[2] > 0, found[2], whole)
        return found

    def _evaluate_rows(self, position: int, moved: np.ndarray) -> Arrays:
        outputs = self._probe.subject.evaluate_rows(self._probe.point, position, moved)
        expected = [(len(moved), *y.shape) for y in self._probe.base]
        if outputs is None or [y.shape for y in outputs] != expected:
            raise PropagationRefused
        return outputs

    def _compare_with_call(self, position: int, flat: int, value: float, above: float) -> None:
        """Compare one of the points with a normal call.

        Raises:
            NotSweepable: if they differ by more than rounding.
        """
        probe = self._probe
        alone = probe.with_entry(position, int(flat), value)
        expected = probe.weighted_change(alone, probe.base)
        rounding = 64 * probe.epsilon * (probe.scale + probe.size(alone, alone))
        if np.isfinite(expected) and not abs(above - expected) <= rounding + 1e-6 * abs(expected):
            raise PropagationRefused
