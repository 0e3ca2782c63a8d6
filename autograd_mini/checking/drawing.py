"""Draw numbers, shapes and arrays with hypothesis.

Numbers are decimals, and simple ones come first. So hypothesis shrinks them to zeros, ones and
halves. The aspect of an array (ties, zeros, tiny, huge, negative) is drawn once for the whole
array, because twelve independent numbers would almost never all be positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

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
