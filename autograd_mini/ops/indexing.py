"""Indexing: basic, boolean and integer, with repeats, and its counterpart set_at.

The primitive `getitem` keeps the index as a parameter in which every array is replaced by `ARRAY`;
the arrays themselves are operands, so that an index computed from data is part of the graph.

What `vmap` does: NumPy puts the axes of index arrays where the first of them stands, or in front
of all if a slice stands between two of them. So the new axis does not always come out in front: a
layout says what index is asked for, and which axes of the result are then moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index as integer
from typing import Any, Final

import numpy as np

from ..core.arrays import Array, Numbers, as_array
from ..core.batch_rules import Params, insert_axes, one_by_one, repeat_for_all
from ..core.extraction import read_value
from ..core.primitive import Primitive, case, implements, linear
from ..core.record import value_of
from ..core.source_text import Written, literal, subscript
from ..core.table import table
from ..core.tensor import Tensor
from ..errors import AutogradError, IndexingError, OperandError, ShapeError
from .checks import demand


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
) -> tuple[Index, list[Array], list[bool]]:
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
    arrays: Sequence[object],
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
    primitive: Primitive, size: int, xs: Sequence[Array], mapped: Sequence[bool], params: Params
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


def fill_index(index: Index, arrays: tuple[object, ...]) -> Index:
    """Put the arrays back into an index."""
    if not arrays:
        return index
    values = iter(arrays)
    return tuple(next(values) if part is ARRAY else part for part in index)


def _scatter_forward(g: Array, *arrays: Array, shape: tuple[int, ...], index: Index) -> Array:
    """Add g into zeros at an index, once for each time that a place is named."""
    return scatter_into_zeros(
        g, shape, fill_index(index, arrays), any(a.dtype.kind != "b" for a in arrays)
    )


def scatter_into_zeros(g: Array, shape: tuple[int, ...], index: Index, repeats: bool) -> Array:
    """Put g into zeros at an index, or add it there where a place may be named twice."""
    result = np.zeros(shape, g.dtype)
    if repeats:
        np.add.at(result, index, g)
    else:
        result[index] = g
    return result


def subscripts(index: Index, arrays: Sequence[Written]) -> str:
    """Write an index as it stands between brackets; an empty one as `()`."""
    values = iter(arrays)
    return ", ".join(next(values).text if p is ARRAY else subscript(p) for p in index) or "()"


def _shows(x: Written, arrays: Sequence[Any], index: Index) -> bool:
    """Tell whether x[index] is a view of x's memory, as in NumPy.

    A NumPy integer is an index like Python's and gives a view; an array of integers copies.
    A number that a program computes may be either of the two.
    """
    taken = sum(part is not None and part is not Ellipsis for part in index)
    whole = taken == len(x.shape) and not any(isinstance(part, slice) for part in index)
    return not whole and all(a.shape == () and a.dtype.kind in "iu" for a in arrays)


def _getitem_code(x: Written, *arrays: Written, index: Index) -> str:
    """Write x[index]; copy it where a computed number may give a view or a copy."""
    text = f"{x}[{subscripts(index, arrays)}]"
    return f"{text}.copy()" if arrays and _shows(x, arrays, index) else text


def places(index: Index, arrays: Sequence[Written]) -> str:
    """Write an index as a tuple."""
    values = iter(arrays)
    parts = [next(values).text if p is ARRAY else str(literal(p)) for p in index]
    return f"({', '.join(parts)}{',' * (len(parts) == 1)})"


def _repeating(arrays: Sequence[Written]) -> bool | None:
    """Tell whether index arrays may repeat a place (all but booleans may); None if unknown."""
    if any(a.dtype is None for a in arrays):
        return None
    return any(a.dtype is not None and a.dtype.kind != "b" for a in arrays)


def _scatter_code(g: Written, *arrays: Written, shape: tuple[int, ...], index: Index) -> str | None:
    """Write the scatter as a call."""
    repeats = _repeating(arrays)
    if repeats is None:
        return None
    return f"scatter_into_zeros({g}, {shape}, {places(index, arrays)}, {repeats})"


def _scatter_into(
    out: Written, g: Written, *arrays: Written, shape: tuple[int, ...], index: Index
) -> list[str] | None:
    """Write it into an array."""
    repeats = _repeating(arrays)
    if repeats is None:
        return None
    put = f"{out}[{subscripts(index, arrays)}] = {g}"
    if repeats:
        put = f"np.add.at({out}, {places(index, arrays)}, {g})"
    return [f"{out}.fill(0)", put]


getitem: Primitive = linear(
    lambda x, *arrays, index: x[fill_index(index, arrays)],
    "[ ]",
    "The elements at an index.  ∂x: g added into zeros at that index, repeats summed",
    name="getitem",
    vjp=lambda g, y, x, *arrays, index: (
        scatter(g, *arrays, shape=x.shape, index=index),
        *(None,) * len(arrays),
    ),
    samples=(
        case((3, 4), index=(1,)),
        case((3, 4), index=(slice(None, None, -2), None, 2)),
        case((3, 4), index=(Ellipsis, slice(1, 3))),
        case((3, 4), np.array([0, 2, 0]), index=(ARRAY,)),
        case((3, 4), np.array([0, 2, 0]), np.array([1, 1, 1]), index=(ARRAY, ARRAY)),
        case((3, 4), np.array([True, False, True]), index=(ARRAY,)),
    ),
    params=("index",),
    linear_in=1,
    batch=getting,
    view=lambda x, *arrays, index: not arrays,
    code=_getitem_code,
)
scatter: Primitive = linear(
    _scatter_forward,
    "scatter",
    "Zeros with x added at an index.  ∂x: g at that index",
    name="scatter",
    vjp=lambda g, y, x, *arrays, shape, index: (
        getitem(g, *arrays, index=index),
        *(None,) * len(arrays),
    ),
    samples=(case((4,), shape=(3, 4), index=(1,)),),
    params=("shape", "index"),
    linear_in=1,
    batch=scattering,
    code=_scatter_code,
    into=_scatter_into,
)


def _set_forward(x: np.ndarray, value: Array, *arrays: object, index: Index) -> np.ndarray:
    """Copy x and write the value at an index."""
    return replace_at(x, value, fill_index(index, arrays))


def replace_at(x: Numbers, value: Numbers, index: Index) -> np.ndarray:
    """Copy x and write the value at an index without placeholders."""
    result = np.array(x)
    result[index] = value
    return result


def _set_rule(
    g: Array, y: Array, x: Array, value: Array, *arrays: object, index: Index
) -> tuple[object, ...]:
    """∂x: g outside the index  ∂value: g at the index, summed to its shape by the walk."""
    elsewhere = replace(g, g.dtype.type(0), *arrays, index=index)
    if isinstance(g, Tensor) and not isinstance(value, Tensor):  # what is recorded must be wanted
        return elsewhere, None, *(None,) * len(arrays)
    gv = getitem(g, *arrays, index=index)
    if value.ndim > gv.ndim:  # NumPy drops leading axes of length 1 when it assigns
        gv = np.reshape(gv, (1,) * (value.ndim - gv.ndim) + gv.shape)
    return elsewhere, gv, *(None,) * len(arrays)


replace: Primitive = linear(
    _set_forward,
    "[ ]←",
    "x with a value at an index.  ∂x: g elsewhere  ∂value: g at the index",
    name="set_at",
    vjp=_set_rule,
    samples=(
        case((3, 4), (4,), index=(1,)),
        case((3, 4), (), index=(slice(0, 2),)),
        case((3, 4), (2, 4), np.array([0, 2]), index=(ARRAY,)),
        case((3, 4), (1, 1, 4), index=(1,)),
    ),
    params=("index",),
    linear_in=2,
    broadcasts=True,
    batch=setting,
    code=lambda x, value, *arrays, index: f"replace_at({x}, {value}, {places(index, arrays)})",
    into=lambda out, x, value, *arrays, index: [
        f"{out}[...] = {x}",
        f"{out}[{subscripts(index, arrays)}] = {value}",
    ],
)


def split_index(index: object) -> tuple[Index, tuple[Array, ...]]:
    """Split an index into its static part and the arrays in it.

    Raises:
        IndexingError: for an index that NumPy does not know, as a float.
    """
    static: list[Any] = []
    arrays: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if part is None or part is Ellipsis or type(part) is int:
            static.append(part)
        elif isinstance(part, slice):
            static.append(slice(*(_end(part, s) for s in (part.start, part.stop, part.step))))
        else:
            if not isinstance(part, Tensor):
                try:
                    part = as_array(part)
                except OperandError as error:
                    raise IndexingError(f"not an index: {error}") from error
                if part.size == 0 and part.ndim == 1 and part.dtype.kind == "f":
                    part = part.astype(int)
            if part.dtype.kind not in "biu":
                raise IndexingError(
                    f"an index must be integers, slices or booleans, got {part.dtype} {part!r}"
                )
            if part.ndim == 0 and part.dtype.kind != "b" and not isinstance(part, Tensor):
                static.append(int(part))
            else:
                static.append(ARRAY)
                arrays.append(part)
    return tuple(static), tuple(arrays)


def _end(part: slice, value: Array) -> int | None:
    try:
        return None if value is None else integer(value)
    except AutogradError:
        raise
    except TypeError as error:
        raise IndexingError(f"the ends of a slice must be integers, got {part}") from error


@implements("getitem")
def getitem_function(x: Numbers, index: object) -> Array:
    """Return x[index]."""
    if type(index) is int:
        return getitem(x, index=(index,))
    static, arrays = split_index(index)
    return getitem(x, *arrays, index=static)


TWICE: Final = "set_at: the index names a place twice, so its value is ambiguous"


def set_at(x: Numbers, index: object, value: Numbers) -> Array:
    """Return x with `value` at `index`: the recorded form of `x[index] = value`.

    The dtype stays x's. With an index array each place may be named once.

    Raises:
        OperandError: if x's dtype would cut the value off, such as 2.7 among integers.
        ShapeError: if the value does not fit, or an index array names a place twice.

    >>> import numpy as np
    >>> set_at(np.zeros(3), 1, 5.0)
    array([0., 5., 0.])
    """
    x = x if isinstance(x, Tensor) else as_array(x)
    static, arrays = split_index(index)
    if any(a.dtype.kind != "b" for a in arrays):
        places = np.zeros(x.shape, int)
        np.add.at(places, fill_index(static, tuple(map(value_of, arrays))), 1)
        if (places > 1).any():
            raise ShapeError(TWICE)
        ones = np.ones(places[fill_index(static, tuple(map(value_of, arrays)))].shape, int)
        demand(lambda: scatter(ones, *arrays, shape=x.shape, index=static) <= 1, TWICE)
    return replace(x, fitting(value, x.dtype), *arrays, index=static)


def fitting(value: Numbers, dtype: np.dtype[np.generic]) -> Array:
    """Return a value that an array of this dtype can hold; a Python number takes the dtype.

    Raises:
        OperandError: if the dtype would cut it off.
    """
    number = isinstance(value, (bool, int, float, complex)) and not isinstance(value, np.generic)
    given = value if isinstance(value, Tensor) else as_array(value)
    kind = np.result_type(dtype, value) if number else given.dtype
    try:
        if np.can_cast(kind, dtype, "same_kind"):
            return np.array(value, dtype)[()] if number else given
    except OverflowError:  # as 300 for uint8
        pass
    raise OperandError(
        f"set_at: a value of dtype {given.dtype} does not fit a {dtype} target without loss; "
        f"convert the target with .astype({given.dtype}), or the value with .astype({dtype})"
    )


table["set_at"] = set_at
