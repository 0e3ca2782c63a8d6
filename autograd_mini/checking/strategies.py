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

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.tensor import Tensor, tensor
from ..core.tree import LEAVES, flatten
from ..errors import ArgumentError

if TYPE_CHECKING:
    from ..core.arrays import Array

try:
    import hypothesis
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "autograd_mini.checking.strategies and search need hypothesis; install it by "
        'pip install "autograd-mini[checking]"'
    ) from error

__all__ = [
    "LARGE",
    "Shape",
    "arrays",
    "away_from",
    "broadcastable_shapes",
    "hypothesis",
    "numbers",
    "shapes",
    "simplicity",
    "st",
]

Shape = tuple[int, ...]
Strategy = st.SearchStrategy[Any]

SIMPLE = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 0.25, -0.25, 1.5, -1.5, 0.1, -0.1)
"""Numbers that are tried often, and to which others shrink."""

WIDTH = 4.0
"""Without bounds, numbers lie between minus and plus this."""

STEPS = 1000
"""A range is divided into this many steps, so that numbers have few digits."""

BOUNDED = ("plain", "plain", "ties", "repeated")
"""Aspects of arrays with bounds; a more frequent one is listed twice."""

ANY_SIGN = (*BOUNDED, "plain", "zeros", "negative", "tiny", "tiny", "huge", "huge")
ASPECTS = (*ANY_SIGN, "positive", "positive", "fractions", "fractions")
"""All aspects of arrays."""

LARGE = 256
"""A larger array is made from a drawn seed, because hypothesis tracks every number."""


def shapes(
    min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 4
) -> st.SearchStrategy[Shape]:
    """Draw shapes, including those of 0-d and empty arrays."""
    return hnp.array_shapes(
        min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
    )


def broadcastable_shapes(
    count: int, max_dims: int = 3, min_side: int = 0, max_side: int = 3
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """Draw `count` shapes that can be broadcast together."""
    drawn = hnp.mutually_broadcastable_shapes(
        num_shapes=count, min_dims=0, max_dims=max_dims, min_side=min_side, max_side=max_side
    )
    return drawn.map(lambda found: found.input_shapes)


def numbers(low: float | None = None, high: float | None = None) -> st.SearchStrategy[float]:
    """Draw decimals between bounds, by default -4 and 4; they shrink to 0, 1, -1 and 0.5.

    Raises:
        ArgumentError: if no number lies between the bounds.
    """
    bottom = low if low is not None else min(-WIDTH, (high or 0.0) - WIDTH)
    top = high if high is not None else max(WIDTH, (low or 0.0) + WIDTH)
    if not (np.isfinite(bottom) and np.isfinite(top) and bottom <= top):
        raise ArgumentError(f"numbers: no finite number is between {bottom} and {top}")
    simple = [x for x in SIMPLE if bottom <= x <= top]
    grid = sorted(
        {_on_grid(bottom, top, i) for i in range(STEPS + 1)} - set(simple), key=simplicity
    )
    choices = [st.sampled_from(found) for found in (simple, grid) if found]
    return st.one_of(choices)


def simplicity(x: float) -> tuple[int, float]:
    """Return a sort key for numbers: the number of digits, then the size."""
    return len(repr(abs(float(x)))), abs(float(x))


usual_numbers = lru_cache(numbers)
"""`numbers`, made once: making a strategy takes longer than drawing from it."""


def _on_grid(low: float, high: float, place: int) -> float:
    """Return a number with few digits at this many thousandths of the way from low to high."""
    value = low + (high - low) * place / STEPS
    digits = max(0, 3 - int(np.floor(np.log10(high - low)))) if high > low else 0
    return float(min(max(round(value, digits), low), high))


def away_from(
    points: float | Sequence[float],
    margin: float = 0.1,
    low: float | None = None,
    high: float | None = None,
) -> st.SearchStrategy[float]:
    """Draw numbers that keep a distance from points such as kinks; for `elements=` of `arrays`.

    >>> from hypothesis import given
    >>> @given(arrays((2, 3), elements=away_from(0.0, 0.1)))
    ... def test(x):
    ...     assert np.all(np.abs(x) >= 0.1)
    >>> test()
    """
    found = np.atleast_1d(np.asarray(points, dtype=float))
    return numbers(low, high).filter(lambda x: bool(np.all(np.abs(x - found) >= margin)))


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Shape | int | st.SearchStrategy[Shape] | None = None,
    dtype: Any = np.float64,
    *,
    low: float | None = None,
    high: float | None = None,
    elements: st.SearchStrategy[object] | None = None,
    scale: float = 1.0,
    aspects: Sequence[str] | None = None,
) -> Any:
    """Draw arrays of floating-point or complex numbers.

    Args:
        draw: given by hypothesis.
        shape: a shape, or a strategy of shapes; any by default.
        dtype: of the array; float32, float64, complex64, complex128.
        low, high: bounds of the numbers, of real and imaginary part each.
        elements: a strategy of the numbers, in place of bounds.
        scale: a factor for all of them.
        aspects: what arrays can be like, of "plain", "positive", "negative", "fractions" (between 0
            and 1), "zeros" (many), "ties", "repeated" (one number), "tiny" and "huge"; by default
            all, but within bounds and of given elements "plain", "ties" and "repeated".

    Raises:
        ArgumentError: for a dtype without derivatives, an unknown aspect.
    """
    kind = np.dtype(dtype)
    if kind.kind not in "fc":
        raise ArgumentError(f"arrays: {kind} is not a floating-point or complex dtype; use float64")
    free = low is None and high is None and elements is None
    allowed = tuple(aspects) if aspects is not None else ASPECTS if free else BOUNDED
    if not allowed or not set(allowed) <= set(ASPECTS):
        raise ArgumentError(f"arrays: aspects are of {sorted(set(ASPECTS))}, got {aspects!r}")
    form = draw(shape if isinstance(shape, st.SearchStrategy) else _shape_strategy(shape))
    aspect = draw(st.sampled_from(allowed))
    element = elements if elements is not None else usual_numbers(low, high)
    real = _apply_aspect(_draw_numbers(draw, form, element, low, high), aspect)
    if kind.kind == "c":
        values = real + 1j * _apply_aspect(_draw_numbers(draw, form, element, low, high), aspect)
    else:
        values = real
    return np.asarray(values * scale if scale != 1.0 else values).astype(kind)


def _shape_strategy(shape: Shape | int | None) -> st.SearchStrategy[Shape]:
    """Return a strategy for one shape, or for all shapes."""
    if shape is None:
        return shapes()
    return st.just((shape,) if isinstance(shape, int) else tuple(shape))


def _draw_numbers(
    draw: st.DrawFn, shape: Shape, element: Strategy, low: float | None, high: float | None
) -> np.ndarray:
    """Draw an array number by number; a large one comes from a seed."""
    size = int(np.prod(shape))
    if size <= LARGE:
        return np.array([draw(element) for _ in range(size)]).reshape(shape)
    few = np.array([draw(element) for _ in range(16)])
    generator = np.random.default_rng(draw(st.integers(0, 2**16)))
    return generator.choice(few, shape)


def _apply_aspect(x: np.ndarray, aspect: str) -> Array:
    """Change the numbers of an array so that it has an aspect."""
    if aspect in ("ties", "repeated"):
        kinds = 2 if aspect == "ties" else 1
        return x.ravel()[np.arange(x.size) % kinds].reshape(x.shape) if x.size > kinds else x
    if aspect in ("positive", "negative", "fractions"):
        size = np.where(x == 0, 1.0, np.abs(x))
        if aspect == "fractions":
            return np.round(size / (1 + size), 4)
        return size if aspect == "positive" else -size
    if aspect == "zeros":
        return np.where(np.abs(x) < 2, 0.0, x)
    return x * {"tiny": 1e-8, "huge": 1e8}.get(aspect, 1.0)


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

    def of(part: Any) -> object:
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
def _parts_of_index(draw: st.DrawFn, shape: Shape, kinds: list[int]) -> tuple[object, ...]:
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
def _part_of_index(draw: st.DrawFn, kind: int, size: int, length: int) -> object:
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
