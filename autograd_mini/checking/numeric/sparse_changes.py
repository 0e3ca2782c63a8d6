"""Sparse changes: the part of a value that changes when one input entry moves, for many moves.

A moved weight changes one column of a product, then one column of the next activation, and only
later everything. So a `SparseChange` holds, for each of many moves, the values at one index of some
axes (a different index for each move) and at all indices of the other axes. If this is not
possible, a change becomes dense: it holds all values for each move.

The moves are the first axis of a shape, but they are adjacent in memory. So a sum over ten classes
adds ten long rows. Otherwise it would add ten numbers at a time, and take four times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.batch_rules import one_by_one, rule_of
from ...core.primitive import PRIMITIVES

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

    @property
    def is_dense(self) -> bool:
        """Does the whole value change?"""
        return all(index is None for index in self.at)

    def _fill_axis(self, axis: int) -> SparseChange:
        """Return the change with a whole axis in it."""
        index = self.at[axis]
        if index is None:
            return self
        at = tuple(None if i == axis else a for i, a in enumerate(self.at))
        values = _empty_side_by_side(_full_shape(self, at), self.values.dtype)
        values[...] = gather_base(self.base, at)
        mesh = np.arange(len(index))
        moved = np.moveaxis(values, axis + 1, 1)
        moved[mesh, index] = np.moveaxis(self.values, axis + 1, 1)[:, 0]
        return SparseChange(values, at, self.base)

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


def _full_shape(sparse: SparseChange, at: At) -> tuple[int, ...]:
    """Return the shape of a change's values, restricted to these axes."""
    return (len(sparse.values), *_restricted_lengths(sparse.base.shape, at))


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
        for sparse in done:
            if sparse is None:
                continue
            key = id(_memory_owner(sparse.values))
            lent = self._lent.get(key)
            if lent is not None and not any(np.may_share_memory(lent, x.values) for x in live):
                self._free.setdefault(lent.shape, []).append(self._lent.pop(key))

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


def propagate(
    primitive: Primitive,
    xs: Sequence[Operand],
    params: dict[str, object],
    y: object,
    memory: ArrayPool,
) -> Any:
    """Return the change of an operation's output, or of each output.

    Args:
        primitive: the primitive of the operation.
        xs: the operands, changes or arrays.
        params: the parameters of the operation.
        y: the unchanged output, or a tuple of outputs.
        memory: provides arrays for large results.
    """
    if not primitive.multiple and _is_in_table(primitive):
        rule = RULES.get(primitive.name)
        if primitive.kind == "elementwise":
            rule = _propagate_elementwise
        base = np.asarray(y)
        sparse = rule(primitive, xs, params, base, memory) if rule is not None else None
        if sparse is not None:
            return sparse
    return _propagate_whole(primitive, xs, params, y)


def _is_in_table(primitive: Primitive) -> bool:
    """Is a primitive one of the library, whose declarations are tested?"""
    return PRIMITIVES.get(primitive.name) is primitive


def _propagate_whole(
    primitive: Primitive, xs: Sequence[Operand], params: dict[str, object], y: Any
) -> Any:
    """Apply an operation to whole values, as `vmap` does.

    A primitive of the user is called for each move. Its batch rule is not tested, and a check must
    not rely on it.
    """
    mapped = [isinstance(x, SparseChange) for x in xs]
    size = next(len(x.values) for x in xs if isinstance(x, SparseChange))
    plain = [x.whole() if isinstance(x, SparseChange) else x for x in xs]
    rule = rule_of(primitive) if _is_in_table(primitive) else one_by_one
    results = rule(primitive, size, plain, mapped, params)
    if not primitive.multiple:
        return _dense_change(results, np.asarray(y))
    return tuple(_dense_change(r, np.asarray(part)) for r, part in zip(results, y, strict=True))


def _dense_change(values: Array, base: np.ndarray) -> SparseChange:
    """Return a dense change."""
    return SparseChange(np.asarray(values), (None,) * base.ndim, base)


def _propagate_elementwise(
    primitive: Primitive,
    xs: Sequence[Operand],
    params: dict[str, object],
    y: np.ndarray,
    memory: ArrayPool,
) -> SparseChange:
    """Apply an operation to the changed part only; other operands are gathered there."""
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
    primitive: Primitive,
    xs: Sequence[Operand],
    params: dict[str, object],
    y: np.ndarray,
    memory: ArrayPool,
) -> SparseChange | None:
    """Multiply matrices, one of which changes: the product is linear in it."""
    a, b = xs
    matrices = np.ndim(_unmoved_value(a)) == np.ndim(_unmoved_value(b)) == 2
    if (
        not matrices
        or y.dtype != np.float64
        or isinstance(a, SparseChange) is isinstance(b, SparseChange)
    ):
        return None
    if isinstance(b, SparseChange):  # the transposed product
        rows = SparseChange(b.values.swapaxes(-1, -2), b.at[::-1], b.base.T)
        found = _multiply_moved(rows, np.asarray(a).T, y.T, memory)
        return SparseChange(found.values.swapaxes(-1, -2), found.at[::-1], y)
    return _multiply_moved(a, np.asarray(b), y, memory)


def _multiply_moved(
    a: SparseChange, b: np.ndarray, y: np.ndarray, memory: ArrayPool
) -> SparseChange:
    """Return a @ b if a changes in some rows, some columns or everywhere."""
    row, column = a.at
    at: At = (row, None)
    found = memory.take((*a.values.shape[:2], b.shape[1]))
    if column is None:
        np.matmul(b.T, np.moveaxis(a.values, 0, -1), out=np.moveaxis(found, 0, -1))
    else:
        np.multiply(a.change(), np.take(b.T, column, 1).T[:, None, :], out=found)
        found += gather_base(y, at)
    return SparseChange(found, at, y)


def _unmoved_value(x: Operand) -> np.ndarray:
    """Return the unchanged value."""
    return x.base if isinstance(x, SparseChange) else x


def _propagate_sum(
    primitive: Primitive,
    xs: Sequence[Operand],
    params: dict[str, object],
    y: np.ndarray,
    memory: ArrayPool,
) -> SparseChange | None:
    """Sum over axes: over a restricted axis, the difference is added to the sum."""
    (x,) = xs
    axes, keep = params.get("axis"), params.get("keepdims", False)
    if axes is None or not isinstance(x, SparseChange) or x.is_dense:
        return None
    places = {a % len(x.at) for a in (axes if isinstance(axes, tuple) else (axes,))}
    change = np.sum(x.change(), axis=tuple(a + 1 for a in sorted(places)), keepdims=bool(keep))
    at = tuple(
        None if axis in places else index
        for axis, index in enumerate(x.at)
        if keep or axis not in places
    )
    return SparseChange(gather_base(y, at) + change, at, y)


def _propagate_transpose(
    primitive: Primitive,
    xs: Sequence[Operand],
    params: dict[str, Any],
    y: np.ndarray,
    memory: ArrayPool,
) -> SparseChange | None:
    """Permute the axes."""
    (x,) = xs
    axes = params["axes"]
    values = np.transpose(x.values, (0, *(a + 1 for a in axes)))
    return SparseChange(values, tuple(x.at[a] for a in axes), y)


RULES: dict[str, Move] = {
    "matmul": _propagate_product,
    "sum": _propagate_sum,
    "transpose": _propagate_transpose,
}
"""Operations that keep changes sparse, by primitive name; elementwise ones do so too."""
