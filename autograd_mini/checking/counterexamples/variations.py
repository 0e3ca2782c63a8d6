"""Variations: hypothesis strategies for arguments that are similar to examples.

Containers and dtypes stay. Numbers vary, and so do axis lengths if the user allows it; equal
lengths change together, so that `x @ w` stays valid. Inputs that are not differentiated stay
unchanged, together with their axis lengths. `contract` says which properties of the numbers are
kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.tree import LEAVES, Rebuild, flatten
from ..inputs import argument_positions, kind_of, leaf_array
from ..strategies import Shape, arrays, broadcastable_shapes, simplicity, st
from .contract import ANY_VALUES, Contract, Leaves

if TYPE_CHECKING:
    from ...core.arrays import Array

LONGEST = 5
"""Varied axis lengths go up to this; a longer axis may keep its length."""

FACTORS = (*[None] * 7, 1.0, 1.0, 0.5, -1.0, 2.0)
"""Factors for the numbers of an example; None draws new numbers instead."""


USUAL = ("plain", "plain", "ties", "repeated", "zeros", "negative", "positive", "fractions")
"""Aspects of arrays whose numbers are about as large as those of an example."""

LARGE = 4.0
"""Examples with larger numbers are varied in larger steps."""

WHOLE = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 4.0, -4.0, 10.0, -10.0)
"""Simple numbers that are tried in a counterexample."""


@dataclass(frozen=True, slots=True)
class ArgumentPattern:
    """Arguments, split into leaves.

    Attributes:
        arguments: for each argument its leaves, and the function that rebuilds it.
        examples: the leaves that vary, by place (argument, leaf).
        fixed: axis lengths that stay, because an unchanged input has them.
        whole: integer arrays, such as indices, by place.
    """

    arguments: tuple[tuple[list[Any], Rebuild], ...]
    examples: dict[tuple[int, int], Any]
    fixed: frozenset[int]
    whole: dict[tuple[int, int], Any] = field(default_factory=dict)

    def fill_arguments(self, values: Leaves, draw: st.DrawFn | None = None) -> tuple[object, ...]:
        """Rebuild the arguments with these values, and draw from strategies."""
        found = []
        for i, (leaves, rebuild) in enumerate(self.arguments):
            new = [values.get((i, j), leaf) for j, leaf in enumerate(leaves)]
            found.append(rebuild([draw(x) if draw and _is_strategy(x) else x for x in new]))
        return tuple(found)

    @property
    def is_drawn(self) -> bool:
        """Are there strategies among the arguments?"""
        return any(_is_strategy(x) for leaves, _ in self.arguments for x in leaves)

    def at(self, arguments: Sequence[object]) -> ArgumentPattern:
        """Return a pattern whose examples come from arguments drawn from this pattern."""
        parts = tuple(flatten(x) for x in arguments)
        plainly = [
            i for i, (leaves, _) in enumerate(self.arguments) if not any(map(_is_strategy, leaves))
        ]
        examples = {(i, j): parts[i][0][j] for i, j in self.examples if i in plainly}
        return ArgumentPattern(parts, examples, self.fixed, self.whole)


def _is_strategy(value: np.ndarray) -> bool:
    """Is a value a hypothesis strategy?"""
    return isinstance(value, st.SearchStrategy)


def make_pattern(
    arguments: Sequence[object], argnums: int | Sequence[int] | None
) -> ArgumentPattern:
    """Split arguments into leaves that vary and leaves that stay."""
    wanted = argument_positions(argnums, len(arguments))
    parts = tuple(flatten(x) for x in arguments)
    examples, fixed, whole = {}, set(), {}
    for i, (leaves, _) in enumerate(parts):
        for j, leaf in enumerate(leaves):
            if i in wanted and kind_of(leaf) in "fc":
                examples[i, j] = leaf
            elif isinstance(leaf, LEAVES):
                fixed.update(np.shape(leaf_array(leaf)))
                if type(leaf) is np.ndarray and leaf.dtype.kind in "iu" and leaf.size > 1:
                    whole[i, j] = leaf
    return ArgumentPattern(parts, examples, frozenset(fixed), whole)


@st.composite
def draw_variation(
    draw: st.DrawFn, taken: ArgumentPattern, shapes: str, contract: Contract = ANY_VALUES
) -> tuple[object, ...]:
    """Draw values that fulfil a contract for all leaves that vary, and rebuild the arguments."""
    given = tuple(leaf_array(x).shape for x in taken.examples.values())
    drawn = draw(_draw_shapes_like(given, taken.fixed, shapes))
    factor = draw(st.sampled_from(FACTORS))
    usual = contract is not ANY_VALUES
    values = {
        at: draw(_draw_value_like(example, () if _is_number(example) else shape, factor, usual))
        for (at, example), shape in zip(taken.examples.items(), drawn, strict=True)
    }
    values = contract.adjust(values)
    if not usual:
        values |= {
            at: draw(_draw_repeated_integers(example)) for at, example in taken.whole.items()
        }
    return taken.fill_arguments(values, draw)


@st.composite
def _draw_repeated_integers(draw: st.DrawFn, example: np.ndarray) -> np.ndarray:
    """Draw an integer array: the example, or some of its numbers several times."""
    if draw(st.booleans()):
        return example
    places = st.integers(0, example.size - 1)
    chosen = draw(st.lists(places, min_size=example.size, max_size=example.size))
    return example.ravel()[chosen].reshape(example.shape)


def _is_number(value: Array) -> bool:
    """Is a leaf a scalar rather than an array?"""
    return isinstance(value, (float, complex, np.generic))


@st.composite
def _draw_shapes_like(
    draw: st.DrawFn, given: tuple[Shape, ...], fixed: frozenset[int], shapes: str
) -> tuple[Shape, ...]:
    """Draw shapes that can replace the given ones.

    The lengths are drawn even if they are kept, so that hypothesis can simplify one case to the
    other.
    """
    if shapes == "fixed":
        return given
    if shapes == "varied":
        shortest = {n: draw(st.sampled_from(_lengths_like(n))) for n in _lengths_of(given, fixed)}
        return tuple(tuple(shortest.get(n, n) for n in shape) for shape in given)
    if shapes == "any" and _broadcast_together(given) and draw(st.booleans()):
        return draw(broadcastable_shapes(len(given)))
    keep = draw(st.sampled_from((False, False, True)))
    ones = draw(st.booleans()) if len(given) > 1 and _broadcast_together(given) else False
    lengths = {n: n for n in (0, 1, *fixed)}
    lengths[1] = draw(st.sampled_from((1, 1, 2, 3)))  # a batch of one may grow
    for n in dict.fromkeys(n for shape in given for n in shape):
        if n not in lengths:
            kept = min(n, LONGEST)
            lengths[n] = draw(st.sampled_from((1, 2, 3, kept, 2, 3, kept, 0)))
    if keep:
        return given
    found = [tuple(lengths[n] for n in shape) for shape in given]
    if ones:
        short = draw(st.integers(0, len(found) - 1))
        axes = draw(st.lists(st.booleans(), min_size=len(found[short]), max_size=len(found[short])))
        found[short] = tuple(1 if axis else n for n, axis in zip(found[short], axes, strict=True))
    return tuple(found)


def _lengths_of(given: tuple[Shape, ...], fixed: frozenset[int]) -> list[int]:
    """Return the axis lengths that may vary."""
    return list(dict.fromkeys(n for shape in given for n in shape if n > 1 and n not in fixed))


def _lengths_like(length: int) -> tuple[int, ...]:
    """Return lengths to try in place of a length."""
    kept = min(length, LONGEST)
    return (1, 2, 3, kept, 1, 2, 3, length)


def _broadcast_together(shapes: tuple[Shape, ...]) -> bool:
    """Can these shapes be broadcast together?"""
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


@st.composite
def _draw_value_like(
    draw: st.DrawFn, example: Any, shape: Shape, factor: float | None, usual: bool
) -> Any:
    """Draw a value of a shape: new numbers, or those of the example times a factor.

    With `usual`, new numbers are about as large as those of the example.
    """
    known = leaf_array(example)
    aspects, scale = (USUAL, _scale_of(known)) if usual else (None, 1.0)
    # Drawn in any case, so that hypothesis can simplify it.
    found = draw(arrays(shape, known.dtype, aspects=aspects, scale=scale))
    if factor is not None and known.size:
        found = np.asarray(_fit_to_shape(known, shape) * known.dtype.type(factor), known.dtype)
    if isinstance(example, np.generic):
        return found[()]
    return found.item() if _is_number(example) else found


def _scale_of(x: Array) -> float:
    """Return the power of ten that makes drawn numbers as large as those of an array."""
    finite = np.abs(x[np.isfinite(x)])
    largest = float(finite.max()) if finite.size else 0.0
    return 10.0 ** np.ceil(np.log10(largest / LARGE)) if largest > LARGE else 1.0


def _fit_to_shape(x: Array, shape: Shape) -> Array:
    """Cut an array to a shape, or repeat it to fill the shape."""
    front = x.reshape((1,) * max(0, len(shape) - x.ndim) + x.shape)
    front = front[(0,) * (front.ndim - len(shape))]
    for axis, length in enumerate(shape):
        front = np.take(front, np.arange(length), axis=axis, mode="wrap")
    return front


@st.composite
def draw_smaller_parts(
    draw: st.DrawFn, taken: ArgumentPattern, fewer_axes: bool
) -> tuple[object, ...]:
    """Draw parts of the arrays: shorter axes, and fewer axes if allowed."""
    shapes = [np.shape(leaf_array(x)) for x in taken.examples.values()]
    most = max(map(len, shapes), default=0)
    kept = draw(st.integers(0, most)) if fewer_axes else most
    slices = {}
    for n in dict.fromkeys(n for shape in shapes for n in shape):
        length = n if n in taken.fixed or n < 2 else draw(st.integers(1, n))
        start = draw(st.integers(0, n - length))
        slices[n] = slice(start, start + length)
    values = {}
    for at, x in taken.examples.items():
        if isinstance(x, np.ndarray):
            cut = x[tuple(slices[n] for n in x.shape)]
            dropped = max(0, x.ndim - kept)
            values[at] = cut[(0,) * dropped] if all(cut.shape[:dropped]) else cut
    return taken.fill_arguments({at: np.array(x) for at, x in values.items()})


def with_simpler_numbers(taken: ArgumentPattern) -> Iterator[tuple[object, ...]]:
    """Yield arguments with one number replaced by a simpler one, the simplest first."""
    for at, x in taken.examples.items():
        if not isinstance(x, np.ndarray):
            continue
        real = np.atleast_1d(x).view(np.finfo(x.dtype).dtype)
        for flat, number in enumerate(real.ravel().tolist()):
            for simple in _simpler_numbers(number):
                new = real.copy()
                new.flat[flat] = simple
                yield taken.fill_arguments({at: new.view(x.dtype).reshape(x.shape)})


def _simpler_numbers(x: float) -> list[float]:
    """Return simpler numbers, the simplest first."""
    if x in WHOLE:
        return list(WHOLE[: WHOLE.index(x)])
    rounded = [np.floor(x), np.ceil(x), np.floor(10 * x) / 10, np.ceil(10 * x) / 10]
    shorter = [float(y) for y in rounded if simplicity(y) < simplicity(x)]
    return list(dict.fromkeys([*WHOLE, *shorter]))
