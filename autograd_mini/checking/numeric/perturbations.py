"""Evaluate a function with each entry moved, many in one pass that carries only what changes.

`PerturbedGraph` records the function once, as `vmap` does, and propagates sparse changes through
its graph, so that only the changed values are computed. All derivatives of a network's loss then
cost little more than those of its last layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.batch_rules import one_by_one, rule_of
from ...core.extraction import plain_value
from ...core.forward import Key, Values, key_of, store_outputs, vertex_of
from ...core.primitive import PRIMITIVES
from ...core.record import Record, no_grad
from ...core.reverse import vertices_between
from ...core.tensor import Tensor, leaf
from ...core.tree import flatten
from ...core.vmap import OneExample
from ...ops.indexing import fill_index
from ..inputs import Arrays

if TYPE_CHECKING:
    from ...core.arrays import Array
    from ...core.primitive import Primitive

At = tuple["np.ndarray | None", ...]
"""For each axis of a value, the index of each move; None if the whole axis changes."""


@dataclass(frozen=True, slots=True)
class SparseChange:
    """The changed part of one value.

    Attributes:
        values: the changed values, of shape (moves, *shape) with length 1 on restricted axes.
        at: the restricted axes, and their indices.
        base: the unchanged value.
    """

    values: np.ndarray
    at: At
    base: np.ndarray
    _filled: dict[int, SparseChange] = field(default_factory=dict, compare=False)

    @property
    def is_dense(self) -> bool:
        """Does the whole value change?"""
        return all(index is None for index in self.at)

    def _fill_axis(self, axis: int) -> SparseChange:
        """Return the change with a whole axis in it."""
        index = self.at[axis]
        if index is None:
            return self
        if axis in self._filled:
            return self._filled[axis]
        at = tuple(None if i == axis else a for i, a in enumerate(self.at))
        shape = (len(self.values), *_restricted_lengths(self.base.shape, at))
        values = _empty_side_by_side(shape, self.values.dtype)
        values[...] = gather_base(self.base, at)
        mesh = np.arange(len(index))
        moved = np.moveaxis(values, axis + 1, 1)
        moved[mesh, index] = np.moveaxis(self.values, axis + 1, 1)[:, 0]
        found = self._filled[axis] = SparseChange(values, at, self.base)
        return found

    def whole(self) -> np.ndarray:
        """Return all values for each move."""
        sparse = self
        for axis, index in enumerate(self.at):
            if index is not None:
                sparse = sparse._fill_axis(axis)
        return sparse.values

    def change(self) -> np.ndarray:
        """Return the differences from the unchanged value."""
        return self.values - gather_base(self.base, self.at)


def _restricted_lengths(shape: tuple[int, ...], at: At) -> Iterator[int]:
    """Yield the axis lengths of a shape; 1 for restricted axes."""
    return (n if index is None else 1 for n, index in zip(shape, at, strict=True))


def _empty_side_by_side(shape: tuple[int, ...], dtype: object = np.float64) -> np.ndarray:
    """Return an uninitialized array whose first axis is the last in memory."""
    return np.moveaxis(np.empty((*shape[1:], shape[0]), dtype), -1, 0)


def gather_base(base: np.ndarray, at: At) -> np.ndarray:
    """Return the unchanged values at the indices of a change; the base if unrestricted."""
    places = [axis for axis, index in enumerate(at) if index is not None]
    if not places:
        return base
    first = at[places[0]]
    assert first is not None
    if len(places) == 1:
        axis = places[0]
        found = np.take(np.moveaxis(base, axis, -1), first, -1)
        return np.expand_dims(np.moveaxis(found, -1, 0), axis + 1)
    count, ndim = len(first), base.ndim
    mesh = [
        np.arange(n).reshape([-1 if i == axis else 1 for i in range(-1, ndim)])
        if index is None
        else index.reshape(count, *(1,) * ndim)
        for axis, (n, index) in enumerate(zip(base.shape, at, strict=True))
    ]
    return np.asarray(base[tuple(mesh)])


# ── operations on changes ────────────────────────────────────────────────────────────────────
Operand = Any
"""A sparse change, or an array that does not change."""
Move = Callable[..., "SparseChange | None"]
"""A rule for sparse changes: takes a step, its operands, and arrays for reuse."""


class ArrayPool:
    """Arrays for reuse: allocating new ones costs more than computing in them."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[np.ndarray]] = {}
        self._lent: dict[int, np.ndarray] = {}

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return an uninitialized float64 array."""
        free = self._free.get(shape)
        found = free.pop() if free else _empty_side_by_side(shape)
        self._lent[id(_memory_owner(found))] = found
        return found

    def give_back(self, done: Iterable[SparseChange | None], live: Iterable[SparseChange]) -> None:
        """Take back lent arrays, unless a live change is a view of them."""
        used = None
        for sparse in done:
            if sparse is None:
                continue
            key = id(_memory_owner(sparse.values))
            if key in self._lent:
                if used is None:
                    used = {id(_memory_owner(x.values)) for x in live}
                if key not in used:
                    lent = self._lent.pop(key)
                    self._free.setdefault(lent.shape, []).append(lent)

    def reclaim(self) -> None:
        """Take back all lent arrays."""
        for values in self._lent.values():
            self._free.setdefault(values.shape, []).append(values)
        self._lent.clear()


def _memory_owner(values: np.ndarray) -> np.ndarray:
    """Return the array that owns the memory of a view."""
    while isinstance(values.base, np.ndarray):
        values = values.base
    return values


def _choose_rule(primitive: Primitive) -> Move | None:
    """Return the rule that keeps an operation's changes sparse; None if it has none."""
    if primitive.multiple or not _is_in_table(primitive):
        return None
    return _propagate_elementwise if primitive.kind == "elementwise" else RULES.get(primitive.name)


def _is_in_table(primitive: Primitive) -> bool:
    """Is a primitive one of the library, whose declarations are tested?"""
    return PRIMITIVES.get(primitive.name) is primitive


def _propagate_whole(step: Step, xs: Sequence[Operand]) -> SparseChange | tuple[SparseChange, ...]:
    """Apply an operation to whole values, as `vmap` does.

    A primitive of the user is called for each move. Its batch rule is not tested, and a check must
    not rely on it.
    """
    mapped = [isinstance(x, SparseChange) for x in xs]
    size = next(len(x.values) for x in xs if isinstance(x, SparseChange))
    plain = [x.whole() if isinstance(x, SparseChange) else x for x in xs]
    primitive, y = step.primitive, step.y
    rule = rule_of(primitive) if _is_in_table(primitive) else one_by_one
    results = rule(primitive, size, plain, mapped, step.params)
    if not primitive.multiple:
        return _dense_change(results, np.asarray(y))
    return tuple(_dense_change(r, np.asarray(part)) for r, part in zip(results, y, strict=True))


def _dense_change(values: Array, base: np.ndarray) -> SparseChange:
    """Return a dense change."""
    return SparseChange(np.asarray(values), (None,) * base.ndim, base)


def _propagate_elementwise(step: Step, xs: Sequence[Operand], memory: ArrayPool) -> SparseChange:
    """Apply an operation to the changed part only; other operands are gathered there."""
    primitive, params, y = step.primitive, step.params, step.y
    changes = [x for x in xs if isinstance(x, SparseChange)]
    at = tuple(_common_index(changes, y.shape, axis) for axis in range(y.ndim))
    taken = []
    for x in xs:
        if isinstance(x, SparseChange):
            taken.append(_align_axes(x, at, y.ndim))
        elif np.ndim(x):
            own = at[y.ndim - np.ndim(x) :]
            kept = tuple(
                None if n == 1 else index for n, index in zip(np.shape(x), own, strict=True)
            )
            found = gather_base(np.asarray(x), kept)
            extra = y.ndim - np.ndim(x)
            if found.ndim > np.ndim(x) and extra:
                found = found.reshape(found.shape[0], *(1,) * extra, *found.shape[1:])
            taken.append(found)
        else:
            taken.append(x)
    if primitive.ufunc is None or params or y.dtype != np.float64:
        return SparseChange(np.asarray(primitive(*taken, **params)), at, y)
    out = memory.take((len(changes[0].values), *_restricted_lengths(y.shape, at)))
    return SparseChange(primitive.ufunc(*taken, out=out), at, y)


def _common_index(
    changes: Sequence[SparseChange], shape: tuple[int, ...], axis: int
) -> np.ndarray | None:
    """Return the index that restricts an output axis; None if the operands differ."""
    found = None
    for sparse in changes:
        own = axis - len(shape) + len(sparse.at)
        if own < 0 or sparse.base.shape[own] == 1:
            return None  # broadcast: the change reaches the whole axis
        index = sparse.at[own]
        if index is None or (found is not None and index is not found):
            return None
        found = index
    return found


def _align_axes(sparse: SparseChange, at: At, ndim: int) -> np.ndarray:
    """Return a change's values with the axes of the output, restricted only where it is."""
    extra = ndim - len(sparse.at)
    for axis, index in enumerate(sparse.at):
        if index is not None and at[axis + extra] is None:
            sparse = sparse._fill_axis(axis)
    values = sparse.values
    return values.reshape(len(values), *(1,) * extra, *values.shape[1:]) if extra else values


def _propagate_product(
    step: Step, xs: Sequence[Operand], memory: ArrayPool, bias: np.ndarray | None = None
) -> SparseChange | None:
    """Multiply matrices, one of which changes: the product is linear in it.

    `bias` is added to the product, and is then part of y.
    """
    (a, b), y = xs, step.y
    bases = [x.base if isinstance(x, SparseChange) else x for x in xs]
    both = isinstance(a, SparseChange) is isinstance(b, SparseChange)
    if both or y.dtype != np.float64 or [np.ndim(x) for x in bases] != [2, 2]:
        return None
    if isinstance(b, SparseChange):  # the transposed product
        rows = SparseChange(b.values.swapaxes(-1, -2), b.at[::-1], b.base.T)
        turned = None if bias is None else bias.T
        found = _multiply_moved(rows, np.asarray(a).T, y.T, memory, turned)
        return SparseChange(found.values.swapaxes(-1, -2), found.at[::-1], y)
    return _multiply_moved(a, np.asarray(b), y, memory, bias)


def _multiply_moved(
    a: SparseChange, b: np.ndarray, y: np.ndarray, memory: ArrayPool, bias: np.ndarray | None
) -> SparseChange:
    """Return y = a @ b, plus a bias, if a changes in some rows, some columns or everywhere."""
    row, column = a.at
    at: At = (row, None)
    found = memory.take((*a.values.shape[:2], b.shape[1]))
    if column is None:
        np.matmul(b.T, np.moveaxis(a.values, 0, -1), out=np.moveaxis(found, 0, -1))
        if bias is not None:
            found += gather_base(bias, at)
    else:
        np.multiply(a.change(), np.take(b.T, column, 1).T[:, None, :], out=found)
        found += gather_base(y, at)
    return SparseChange(found, at, y)


def _propagate_sum(step: Step, xs: Sequence[Operand], memory: ArrayPool) -> SparseChange | None:
    """Sum over axes: over a restricted axis, the difference is added to the sum."""
    (x,) = xs
    axes, keep = step.params.get("axis"), step.params.get("keepdims", False)
    if axes is None or not isinstance(x, SparseChange) or x.is_dense:
        return None
    places = {a % len(x.at) for a in (axes if isinstance(axes, tuple) else (axes,))}
    change = np.sum(x.change(), axis=tuple(a + 1 for a in sorted(places)), keepdims=bool(keep))
    at = tuple(
        None if axis in places else index
        for axis, index in enumerate(x.at)
        if keep or axis not in places
    )
    return SparseChange(gather_base(step.y, at) + change, at, step.y)


def _propagate_transpose(step: Step, xs: Sequence[Operand], memory: ArrayPool) -> SparseChange:
    """Permute the axes."""
    (x,) = xs
    axes = step.params["axes"]
    values = np.transpose(x.values, (0, *(a + 1 for a in axes)))
    return SparseChange(values, tuple(x.at[a] for a in axes), step.y)


def _propagate_getitem(step: Step, xs: Sequence[Operand], memory: ArrayPool) -> SparseChange | None:
    """Take elements by an index that does not change, for all moves side by side."""
    x, *arrays = xs
    if any(isinstance(array, SparseChange) for array in arrays):
        return None
    values = np.moveaxis(x.whole(), 0, -1)
    found = values[(*fill_index(step.params["index"], tuple(arrays)), slice(None))]
    return _dense_change(np.moveaxis(found, -1, 0), step.y)


RULES: dict[str, Move] = {
    "getitem": _propagate_getitem,
    "matmul": _propagate_product,
    "stop_gradient": lambda step, xs, memory: xs[0],
    "sum": _propagate_sum,
    "transpose": _propagate_transpose,
}
"""Operations with rules of their own, by primitive name. Most keep changes sparse, as elementwise
operations do."""


ROWS = 512
"""Perturbed values in one pass, two for each entry; more of them leave the cache."""

NUMBERS = 4_000_000
"""Largest size of one value for all perturbations."""

COMPARED = 3
"""Number of entries that change, and that do not, for which the function is also called."""


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
class Step:
    """One operation on the way from an input to the outputs, with all that is known beforehand.

    Attributes:
        vertex: the recorded operation.
        operands: the key and the unchanged value of each operand; the key of a constant is None.
        y: its unchanged output, or a tuple of outputs.
        rule: its rule for sparse changes, if it has one.
        done: the keys of changes that no later operation uses.
        overwrites: whether it may write into the memory of its operands.
    """

    vertex: Any
    operands: list[tuple[Key | None, Any]]
    y: Any
    rule: Move | None
    done: list[Key]
    overwrites: bool

    @property
    def primitive(self) -> Primitive:
        """The primitive of the operation."""
        return self.vertex._primitive

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the operation."""
        return self.vertex._params

    def propagate(
        self, xs: list[Operand], memory: ArrayPool
    ) -> SparseChange | tuple[SparseChange, ...]:
        """Return the change of the output, or of each output, from operands of which some change.

        Large results are put into arrays of `memory`.
        """
        found = None if self.rule is None else self.rule(self, xs, memory)
        return _propagate_whole(self, xs) if found is None else found


def _join_biases(steps: list[Step], start: int) -> list[Step]:
    """Let a product add the unchanged bias that follows it: that saves a pass over its result.

    Args:
        steps: the operations on a path, in order.
        start: the serial of the input.
    """
    moving = {start, *(step.vertex.serial for step in steps)}
    joined: list[Step] = []
    for step in steps:
        before = joined[-1] if joined else None
        bias = None if before is None else _find_bias(before, step, moving)
        if before is None or bias is None:
            joined.append(step)
            continue
        rule = partial(_propagate_product, bias=np.broadcast_to(bias, step.y.shape))
        done = [*before.done, *(key for key in step.done if key[0] != before.vertex.serial)]
        joined[-1] = Step(step.vertex, before.operands, step.y, rule, done, False)
    return joined


def _find_bias(product: Step, step: Step, moving: set[int]) -> np.ndarray | None:
    """Return the unchanged array that an operation adds to a matrix product used only there."""
    if product.rule is not _propagate_product or step.vertex._primitive is not PRIMITIVES["add"]:
        return None
    key = product.vertex.serial, 0
    others = [x for k, x in step.operands if k != key]
    if key not in step.done or len(others) != 1 or step.y.shape != product.y.shape:
        return None
    moved = sum(k is not None and k[0] in moving for k, _ in [*product.operands, *step.operands])
    matrices = all(np.ndim(x) == 2 for _, x in product.operands)
    usual = product.y.dtype == step.y.dtype == np.float64
    return np.asarray(others[0]) if moved == 2 and matrices and usual else None


Path = tuple[list[Step], int]
"""The operations from an input to the outputs, in order, and the size of the largest value."""


class PerturbedGraph:
    """A recorded function at a point, weighted by a cotangent.

    Raises:
        PropagationRefused: if it cannot be recorded for many points at once.
    """

    def __init__(
        self, function: Callable[..., object], arrays: Arrays, weights: list[np.ndarray]
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
        self._paths: dict[int, Path] = {}
        self._memory = ArrayPool()

    def differences(self, position: int, flat: np.ndarray, steps: np.ndarray) -> Differences:
        """Move entries of one input up and down.

        Args:
            position: the position of the input.
            flat: the flat indices of the entries.
            steps: the step of each entry.

        Raises:
            PropagationRefused: if an operation has no rule, or the result differs from a call.
        """
        if self._tried.get(position):
            raise PropagationRefused(self._tried[position])
        x = self._arrays[position]
        xs = x.ravel()[flat]
        above, below = xs + steps, xs - steps
        rows = np.zeros((3, len(flat)))
        path = self._paths.get(position)
        if path is None:
            path = self._paths[position] = self._path(position)
        steps_on_path, largest = path
        count = max(1, min(ROWS, NUMBERS // largest) // 2)
        try:
            with np.errstate(all="ignore"):
                for start in range(0, len(flat), count):
                    part = slice(start, start + count)
                    values = np.concatenate([above[part], below[part]])
                    places = np.concatenate([flat[part], flat[part]])
                    change, size = self._propagate(position, steps_on_path, places, values)
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
        steps = []
        for v in vertices:
            operands: list[tuple[Key | None, Any]] = [
                (key_of(x), x._value) if type(x) is Tensor else (None, x) for x in v._operands
            ]
            multiple = v._primitive.multiple
            y = v.arrays if type(v) is Record else v._value if multiple else np.asarray(v._value)
            rule, over = _choose_rule(v._primitive), v._primitive.kind == "elementwise"
            steps.append(Step(v, operands, y, rule, done.get(v.serial, []), over))
        steps = _join_biases(steps, self._leaves[position].serial)
        return steps, max((x.size for x in needed.values()), default=1) or 1

    def _propagate(
        self, position: int, steps: list[Step], places: np.ndarray, values: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the change of φ, and the size of the changed outputs, for each move."""
        x, memory = self._arrays[position], self._memory
        at: At = tuple(np.unravel_index(places, x.shape)) if x.ndim else ()
        start = SparseChange(values.reshape(-1, *(1,) * x.ndim), at, x)
        changes: Values = {key_of(self._leaves[position]): start}
        for step in steps:
            taken = [changes.get(key, x) if key else x for key, x in step.operands]
            if not any(type(x) is SparseChange for x in taken):
                continue
            last = [changes.pop(key, None) for key in step.done]
            if step.overwrites:
                memory.give_back(last, changes.values())
            store_outputs(step.vertex, step.propagate(taken, memory), changes)
            if not step.overwrites:
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
            PropagationRefused: if they differ by more than rounding, now and from then on.
        """
        generator = np.random.default_rng(len(flat))
        moving = np.isfinite(rows[0]) & (rows[0] != 0)
        telling = generator.permutation(np.flatnonzero(moving))[:COMPARED]
        still = generator.permutation(np.flatnonzero(~moving))[:COMPARED]  # are they constant?
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
