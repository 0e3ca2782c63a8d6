"""Indexing with a further axis: what vmap does with x[index], its transpose, and am.set_at.

NumPy puts the axes of index arrays where the first of them stands, or in front of all if a slice
stands between two of them. So the new axis does not always come out in front: a layout says what
index is asked for, and which axes of the result are then moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.batch_rules import Params, insert_axes, one_by_one, repeat_for_all
from ..core.extraction import read_value
from ..core.tensor import Tensor
from ..errors import ShapeError

if TYPE_CHECKING:
    from ..core.arrays import Array


class _Array:
    """A placeholder in an index for an array operand."""

    def __repr__(self) -> str:
        return "ARRAY"


ARRAY = _Array()
Index = tuple[Any, ...]


@dataclass(frozen=True)
class Layout:
    """An index with a further axis.

    Attributes:
        index: its static part.
        arrays: the index arrays.
        found: axes of what it gives that must move.
        wanted: where they go, so that the new axis is in front.
        ndim: the number of axes of one example's result.
    """

    index: Index
    arrays: tuple[Any, ...]
    found: tuple[int, ...]
    wanted: tuple[int, ...]
    ndim: int

    def _to_front(self, y: Any) -> Any:
        """Transpose the indexed result so that the batch axis comes first."""
        return y if self.found == self.wanted else np.moveaxis(y, self.found, self.wanted)

    def _from_front(self, y: np.ndarray) -> np.ndarray:
        """Bring results with the new axis in front into the order that the index takes."""
        return y if self.found == self.wanted else np.moveaxis(y, self.wanted, self.found)


def _known_booleans(mask: Tensor) -> Any:
    """Return the values of booleans that determine a shape; ask the trace first."""
    return read_value(mask, "an index of booleans") if isinstance(mask, Tensor) else mask


def _as_integers(
    index: Index, arrays: Sequence[Any], mapped: Sequence[bool]
) -> tuple[Index, list[Any], list[bool]]:
    """Return an index with the places that hold instead of booleans.

    Raises:
        ShapeError: for booleans that differ between examples.
    """
    parts: list[Any] = []
    found: list[Any] = []
    own: list[bool] = []
    given = iter(zip(arrays, mapped, strict=True))
    for part in index:
        if part is not ARRAY:
            parts.append(part)
            continue
        array, is_mapped = next(given)
        if array.dtype.kind == "b" and is_mapped:
            raise ShapeError(
                "vmap: a boolean index that differs between examples gives results of different "
                "shapes; use np.where(mask, x, 0), or a reduction with where=mask"
            )
        places = np.nonzero(_known_booleans(array)) if array.dtype.kind == "b" else (array,)
        parts.extend([ARRAY] * len(places))
        found.extend(places)
        own.extend([is_mapped] * len(places))
    return tuple(parts), found, own


def _layout(
    size: int,
    index: Index,
    arrays: Sequence[Any],
    mapped: Sequence[bool],
    ndim: int,
    *,
    inner: bool,
) -> Layout:
    """Find the index that does for all examples what the given index does for one.

    Args:
        size: the length of the new axis.
        index: the static part of the index.
        arrays: its arrays; those that are mapped have the new axis in front.
        mapped: whether they have it.
        ndim: the number of axes of what is indexed, for one example.
        inner: whether what is indexed has the new axis, too.
    """
    index, arrays, mapped = _as_integers(index, arrays, mapped)
    depth = max((np.ndim(a) - m for a, m in zip(arrays, mapped, strict=True)), default=0)
    joined = depth > 0 or any(mapped)  # then integers count as arrays
    places = [i for i, p in enumerate(index) if joined and (p is ARRAY or type(p) is int)]
    taken = sum(1 for p in index if p is not None and p is not Ellipsis)
    lengths = [
        ndim - taken if p is Ellipsis else int(p is None or isinstance(p, slice)) for p in index
    ]
    apart = bool(places) and places[-1] - places[0] >= len(places)
    before = 0 if apart or not places else sum(lengths[: places[0]])
    rest = sum(lengths) + (0 if Ellipsis in index else ndim - taken)
    if not any(mapped):
        full = (slice(None), *index)
        return Layout(full, tuple(arrays), (depth if apart else 0,), (0,), rest + depth)
    arrays = [insert_axes(a, depth) if m else a for a, m in zip(arrays, mapped, strict=True)]
    if not inner:
        return Layout(index, tuple(arrays), (before,), (0,), rest + depth)
    examples = np.arange(size).reshape(-1, *(1,) * depth)
    block = tuple(range(1, depth + 1))
    moved = tuple(i + before for i in block)
    return Layout((ARRAY, *index), (examples, *arrays), block, moved, rest + depth)


def single(arrays: Sequence[Any], mapped: Sequence[bool]) -> bool:
    """Tell whether an array is a single boolean, which adds an axis."""
    return any(a.dtype.kind == "b" and np.ndim(a) == m for a, m in zip(arrays, mapped, strict=True))


def getting(
    primitive: Any, size: int, xs: Sequence[Any], mapped: Sequence[bool], params: Params
) -> Array:
    """Take from each example its elements."""
    x, *arrays = xs
    if single(arrays, mapped[1:]):
        return one_by_one(primitive, size, xs, mapped, params)
    ndim = np.ndim(x) - mapped[0]
    plan = _layout(size, params["index"], arrays, mapped[1:], ndim, inner=mapped[0])
    return plan._to_front(primitive(x, *plan.arrays, index=plan.index))


def scattering(
    primitive: Any, size: int, xs: Sequence[Any], mapped: Sequence[bool], params: Params
) -> Array:
    """Add into zeros of each example its elements."""
    g, *arrays = xs
    if single(arrays, mapped[1:]):
        return one_by_one(primitive, size, xs, mapped, params)
    shape = params["shape"]
    plan = _layout(size, params["index"], arrays, mapped[1:], len(shape), inner=True)
    g = plan._from_front(g if mapped[0] else repeat_for_all(g, size))
    return primitive(g, *plan.arrays, shape=(size, *shape), index=plan.index)


def setting(
    primitive: Any, size: int, xs: Sequence[Any], mapped: Sequence[bool], params: Params
) -> Array:
    """Put into each example its value."""
    x, value, *arrays = xs
    x = x if mapped[0] else repeat_for_all(x, size)
    ndim = np.ndim(value) - mapped[1]
    booleans = params["index"] == (ARRAY,) and arrays[0].dtype.kind == "b"
    if booleans and not ndim:  # one number at all places: no shape depends on them
        missing = x.ndim - 1 - (arrays[0].ndim - mapped[2])
        mask = np.reshape(arrays[0], arrays[0].shape + (1,) * missing)
        return np.where(mask, insert_axes(value, x.ndim - 1) if mapped[1] else value, x)
    if single(arrays, mapped[2:]):
        return one_by_one(primitive, size, xs, mapped, params)
    plan = _layout(size, params["index"], arrays, mapped[2:], x.ndim - 1, inner=True)
    front = np.shape(value)[: mapped[1]]
    own = np.shape(value)[mapped[1] :][max(ndim - plan.ndim, 0) :]  # NumPy drops leading 1s
    value = np.reshape(value, (*(front or (1,)), *(1,) * (plan.ndim - len(own)), *own))
    return primitive(x, plan._from_front(value), *plan.arrays, index=plan.index)
