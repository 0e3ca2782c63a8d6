"""Hypothesis strategies for tests of gradients.

They draw shapes, arrays, tensors, nested parameters, cotangents, indices and matrices. They shrink
to simple cases: few and short axes, zeros, ones and halves.

>>> from hypothesis import given
>>> @given(arrays(shapes()), indices((2, 3)))
... def test(x, index):
...     assert np.isfinite(x).all() and np.ones((2, 3))[index].ndim <= 4
>>> test()
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..core.tensor import Tensor, tensor
from ..core.tree import LEAVES, flatten
from ..errors import ArgumentError
from .drawing import LARGE, Shape, arrays, away_from, broadcastable_shapes, numbers, shapes, st

__all__ = [
    "arrays",
    "away_from",
    "broadcastable_shapes",
    "cotangents",
    "indices",
    "numbers",
    "parameters",
    "positive_definite",
    "shapes",
    "tensors",
    "well_conditioned",
]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


def tensors(
    shape: Any = None, dtype: Any = np.float64, **options: Any
) -> st.SearchStrategy[Tensor]:
    """Draw tensors that require a gradient; the arguments are those of `arrays`."""
    return arrays(shape, dtype, **options).map(lambda x: tensor(x, requires_grad=True))


@st.composite
def parameters(draw: st.DrawFn, /, tree: object, dtype: object = np.float64, **options: Any) -> Any:
    """Draw nested dicts, lists and tuples of arrays.

    Args:
        draw: given by hypothesis.
        tree: the containers, with a shape or a strategy in place of each array; a tuple of whole
            numbers is a shape.
        dtype: of the arrays of given shape.
        options: those of `arrays`.

    >>> from hypothesis import given
    >>> @given(parameters({"w": (3, 4), "b": (4,)}))
    ... def test(p):
    ...     assert (np.ones(3) @ p["w"] + p["b"]).shape == (4,)
    >>> test()
    """

    def of(part: Any) -> Any:
        if isinstance(part, st.SearchStrategy):
            return draw(part)
        if _is_shape(part):
            return draw(arrays(part, dtype, **options))
        if isinstance(part, Mapping):
            return {key: of(x) for key, x in part.items()}
        if isinstance(part, (list, tuple)):
            return type(part)(map(of, part))
        raise ArgumentError(f"parameters: {part!r:.60} is not a shape, container or strategy")

    return of(tree)


def _is_shape(part: object) -> bool:
    """Is a value a shape, that is, a tuple of whole numbers? It may be empty."""
    return isinstance(part, tuple) and all(isinstance(n, (int, np.integer)) for n in part)


@st.composite
def cotangents(draw: st.DrawFn, like: object) -> Any:
    """Draw cotangents with the structure, shapes and dtypes of a result; no number is near 0.

    Args:
        draw: given by hypothesis.
        like: the result, an array, tensor, number or container of them.
    """
    thousandths = st.integers(500, 1500) | st.integers(-1500, -500)
    sizes = st.sampled_from([1.0, -1.0, 0.5, -0.5, 1.5, -1.5]) | thousandths.map(lambda i: i / 1000)
    leaves, rebuild = flatten(like)
    found = []
    for leaf in leaves:
        if not isinstance(leaf, LEAVES):
            raise ArgumentError(f"cotangents: {leaf!r:.60} is not an array or a number")
        y = np.asarray(leaf._value if isinstance(leaf, Tensor) else leaf)
        kind = y.dtype if y.dtype.kind in "fc" else np.dtype(np.float64)
        found.append(draw(arrays(y.shape, kind, elements=sizes, aspects=("plain",))))
    return rebuild(found)


def indices(shape: Shape) -> st.SearchStrategy[Any]:
    """Draw indices for an array of a shape.

    They are numbers (also negative), slices, `None` and `...`; integer arrays with repeated
    numbers; boolean masks of the whole array or of its first axes; and tuples of these.
    """
    axes = tuple(shape)
    drawn = st.lists(st.sampled_from(range(4)), max_size=len(axes) + 1)
    return drawn.flatmap(lambda kinds: _parts_of_index(axes, kinds)) | _masks(axes)


@st.composite
def _masks(draw: st.DrawFn, shape: Shape) -> np.ndarray:
    """Draw a boolean mask of a whole array."""
    size = int(np.prod(shape))
    if size > LARGE:
        return np.random.default_rng(draw(st.integers(0, 2**16))).random(shape) < 0.5
    chosen = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    return np.array(chosen, bool).reshape(shape)


@st.composite
def _parts_of_index(draw: st.DrawFn, shape: Shape, kinds: list[int]) -> Any:
    """Draw an index, part by part: 0 a slice, 1 numbers, 2 a mask, 3 no axis."""
    remaining = list(shape)
    length = draw(st.integers(1, 4))
    found: list[Any] = []
    for kind in kinds:
        if kind == 3:
            free = not any(part is Ellipsis for part in found)
            found.append(draw(st.sampled_from([None, Ellipsis] if free else [None])))
            if found[-1] is Ellipsis:  # what follows counts from the last axis
                remaining = remaining[
                    max(0, len(remaining) - _count_axes_after(kinds, len(found))) :
                ]
        elif remaining:
            size = remaining.pop(0)
            found.append(draw(_part_of_index(kind, size, length)))
    if len(found) == 1 and draw(st.booleans()):
        return found[0]
    return tuple(found)


def _count_axes_after(kinds: list[int], place: int) -> int:
    """Count the axes that the index parts from a place on use."""
    return sum(kind != 3 for kind in kinds[place:])


@st.composite
def _part_of_index(draw: st.DrawFn, kind: int, size: int, length: int) -> Any:
    """Draw an index of one axis: a slice or number, an array of `length` numbers, a mask."""
    if kind == 0 or size == 0:
        ends = st.none() | st.integers(-size, size)
        steps = st.sampled_from([None, 1, 2, -1])
        slices = st.builds(slice, ends, ends, steps)
        return draw(slices | st.integers(-size, size - 1) if size else slices)
    if kind == 1:
        numbers_of = st.integers(-size, size - 1)
        return np.array(draw(st.lists(numbers_of, min_size=length, max_size=length)))
    # NumPy broadcasts masks and integer arrays in one index together: they need equal lengths.
    count = length if length <= size else 1
    mask = np.zeros(size, bool)
    places = st.sampled_from(range(size))
    mask[draw(st.lists(places, min_size=count, max_size=count, unique=True))] = True
    return mask


def well_conditioned(size: int, dtype: Any = np.float64) -> st.SearchStrategy[Any]:
    """Draw invertible (size, size) matrices with a condition number of at most 9 (in norm ∞).

    The diagonal is between 1 and 2 and of either sign, the rest of a row at most a half of it
    together. They shrink to the unit matrix.
    """
    signs = st.sampled_from([1.0, -1.0])
    return st.builds(
        _dominant_matrix,
        *_diagonal_parts(size, dtype),
        st.lists(signs, min_size=size, max_size=size),
    )


def positive_definite(size: int, dtype: Any = np.float64) -> st.SearchStrategy[Any]:
    """Draw symmetric, or Hermitian, (size, size) matrices with eigenvalues between ½ and 2½.

    They shrink to the unit matrix.
    """
    return st.builds(_symmetric_matrix, *_diagonal_parts(size, dtype))


def _diagonal_parts(
    size: int, dtype: str
) -> tuple[st.SearchStrategy[object], st.SearchStrategy[object]]:
    """Return strategies for the off-diagonal entries, up to 1, and for the size of the diagonal."""
    beside = arrays((size, size), dtype, low=-1.0, high=1.0, aspects=("plain",))
    return beside, arrays(size, low=1.0, high=2.0, aspects=("plain",))


def _beside_diagonal(x: np.ndarray) -> np.ndarray:
    """Scale a square array so that each row without its diagonal sums to less than a half."""
    size = max(1, len(x) - 1)
    widest = np.sqrt(2) if x.dtype.kind == "c" else 1.0
    share = 2.0 ** -np.ceil(np.log2(2 * size * widest))  # a power of two adds no digits
    return (x - np.diag(np.diag(x))) * x.dtype.type(share)


def _dominant_matrix(x: np.ndarray, diagonal: np.ndarray, signs: list[float]) -> np.ndarray:
    """Return a matrix whose diagonal is larger than the rest of each row."""
    return (_beside_diagonal(x) + np.diag(diagonal * signs)).astype(x.dtype)


def _symmetric_matrix(x: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Return a Hermitian matrix whose diagonal is larger than the rest of each row."""
    lower = np.tril(_beside_diagonal(x))
    return (lower + lower.conj().T + np.diag(diagonal)).astype(x.dtype)
