"""Variations: hypothesis strategies for arguments that are similar to examples.

Containers and dtypes stay. Numbers vary, and so do axis lengths if the user allows it; equal
lengths change together, so that `x @ w` stays valid. Inputs that are not differentiated stay
unchanged, together with their axis lengths.

A `Contract` says which properties of the numbers are kept. A hand-written gradient is right for the
inputs that its author had in mind: one-hot labels, covariances, increasing knots. NumPy also
accepts other inputs, and there the gradient may differ without a mistake. So a search keeps the
evident properties of an example (`Structure`). It also stays in the range in which the function is
finite (`RANGES`), which a few calls determine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...core.tree import LEAVES, Rebuild, flatten
from ..inputs import Arrays, argument_positions, kind_of, leaf_array
from ..strategies import Shape, arrays, broadcastable_shapes, simplicity, st

if TYPE_CHECKING:
    from ...core.arrays import Array

LeafPlace = tuple[int, int]
"""Argument number and leaf number."""

Leaves = Mapping[LeafPlace, Any]
"""Leaves of arguments by place: arrays, and numbers of NumPy and Python."""

Finite = Callable[[Leaves], Arrays | None]
"""Takes values that replace examples. Returns the outputs, or None if an output is not finite."""

PROBES = 4
"""Number of random values that are tried to see where the function is finite."""

FEWEST = 3
"""Fewer increasing numbers may be an accident."""

ROUNDING = 1e-9
"""How far shares may be from a sum of 1."""


@dataclass(frozen=True, slots=True)
class Range:
    """An open interval; it includes an end only if an example contains it."""

    name: str
    low: float = -np.inf
    high: float = np.inf

    def holds(self, x: np.ndarray, closed: Sequence[float] = ()) -> Array:
        """Which numbers lie in the interval? Numbers in `closed` count too."""
        return ((x > self.low) & (x < self.high)) | np.isin(x, closed)

    def _move_inside(self, x: np.ndarray) -> np.ndarray:
        """Map each number to a number inside the interval."""
        size = np.where(x == 0, 1.0, np.abs(x))
        if np.isfinite(self.low) and np.isfinite(self.high):
            share = np.round(size / (1 + size), 4) if self.low == 0 else x / (1 + np.abs(x))
            return np.clip(share, self.low + 1e-4, self.high - 1e-4)
        if np.isfinite(self.low):
            return self.low + size
        return self.high - size if np.isfinite(self.high) else x


ANYWHERE = Range("")
RANGES = (
    ANYWHERE,
    Range("positive", 0.0),
    Range("negative", high=0.0),
    Range("above 1", 1.0),
    Range("between -1 and 1", -1.0, 1.0),
    Range("between 0 and 1", 0.0, 1.0),
)
"""Ranges in which a function may be finite, the widest first."""


@dataclass(frozen=True, slots=True)
class Structure:
    """The properties of one example that are kept.

    Attributes:
        range: the interval of its numbers.
        ends: ends of the range that are included.
        values: the only allowed numbers; empty if all are allowed.
        form: "one-hot", "shares", "increasing", "symmetric", "definite", or "" for none.
    """

    range: Range = ANYWHERE
    ends: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    form: str = ""

    def __str__(self) -> str:
        forms = {"shares": "rows that sum to 1", "definite": "symmetric and positive definite"}
        numbers = ", ".join(f"{x:g}" for x in self.values)
        words = (
            self.range.name,
            f"only {numbers}" * bool(numbers),
            forms.get(self.form, self.form),
        )
        return ", ".join(word for word in words if word)

    def adjust(self, x: np.ndarray) -> np.ndarray:
        """Return an array similar to x that has this structure."""
        if self.holds(x):
            return x
        found = x
        if self.values:
            known = np.array(self.values)
            found = known[np.floor(np.abs(x)).astype(int) % len(known)]
        elif self.range is not ANYWHERE:
            found = np.where(self.range.holds(x, self.ends), x, self.range._move_inside(x))
        return np.asarray(self._give_form(found), x.dtype)

    def _give_form(self, x: np.ndarray) -> np.ndarray:
        """Give an array this form."""
        if self.form == "one-hot":
            return (np.arange(x.shape[-1]) == x.argmax(axis=-1)[..., None]) * 1.0
        if self.form == "shares":
            size = np.where(x == 0, 1.0, np.abs(x))
            return size / size.sum(axis=-1, keepdims=True)
        if self.form == "increasing":
            rising = np.sort(x)
            if np.all(np.diff(rising) > 0):
                return rising
            spread = np.arange(1.0, x.size + 1)
            return spread if self.range is ANYWHERE else self.range._move_inside(spread)
        if self.form in ("symmetric", "definite") and x.shape[-1] == x.shape[-2]:
            turned = np.swapaxes(x, -1, -2).conj()
            if self.form == "symmetric":
                return (x + turned) / 2
            square = x @ turned + np.eye(x.shape[-1])
            return (square + np.swapaxes(square, -1, -2).conj()) / 2
        return x

    def holds(self, x: np.ndarray) -> bool:
        """Does an array have this structure?"""
        if self.range is not ANYWHERE and not np.all(self.range.holds(x, self.ends)):
            return False
        if self.values and not np.all(np.isin(x, self.values)):
            return False
        return not self.form or x.size == 0 or self.form in _forms_of(x)


def _forms_of(x: np.ndarray) -> Iterator[str]:
    """Yield the forms that an array has, the most special first."""
    if x.ndim and x.shape[-1] > 1 and x.dtype.kind == "f" and np.all(x >= 0):
        if np.all((x == 1).sum(axis=-1) == 1) and np.all((x == 0) | (x == 1)):
            yield "one-hot"
        if np.all(np.abs(x.sum(axis=-1) - 1) <= ROUNDING):
            yield "shares"
    if x.ndim == 1 and x.dtype.kind == "f" and x.size >= FEWEST and np.all(np.diff(x) > 0):
        yield "increasing"
    if x.ndim > 1 and x.shape[-1] == x.shape[-2] > 1:
        turned = np.swapaxes(x, -1, -2).conj()
        if np.array_equal(x, turned) and np.isfinite(x).all():
            if np.all(np.linalg.eigvalsh(x) > 0):
                yield "definite"
            yield "symmetric"


def form_of(x: np.ndarray) -> str:
    """Return the most special form of an example; a constant array has none."""
    return next(_forms_of(x), "") if x.size > 1 and np.any(x != x.flat[0]) else ""


def _labels_of(x: Array) -> tuple[float, ...]:
    """Return the values of labels: zeros and ones, or signs, if both occur."""
    found = np.unique(x) if x.dtype.kind == "f" and x.ndim else np.array([])
    is_label = found.tolist() in ([0.0, 1.0], [-1.0, 1.0])
    return tuple(found.tolist()) if is_label else ()


@dataclass(frozen=True, slots=True)
class Contract:
    """The properties of all examples that are kept.

    Attributes:
        structures: the structure of each place; places without one may have any values.
        ordered: places of numbers that stay in this order, each smaller than the next.
    """

    structures: Mapping[LeafPlace, Structure]
    ordered: tuple[LeafPlace, ...] = ()

    def adjust(self, values: Leaves) -> dict[LeafPlace, object]:
        """Return values similar to these that fulfil the contract."""
        found = dict(values)
        for place, structure in self.structures.items():
            found[place] = cast_like(values[place], structure.adjust(leaf_array(values[place])))
        if self.ordered and not self._in_order(found):
            rising = sorted(float(found[place]) for place in self.ordered)
            if len(set(rising)) < len(rising):
                rising = [rising[0] + i for i in range(len(rising))]
            for place, number in zip(self.ordered, rising, strict=True):
                found[place] = cast_like(found[place], np.asarray(number))
        return found

    def holds(self, values: Mapping[LeafPlace, object]) -> bool:
        """Do values fulfil the contract?"""
        kept = all(s.holds(leaf_array(values[place])) for place, s in self.structures.items())
        return kept and self._in_order(values)

    def _in_order(self, values: Leaves) -> bool:
        """Are the ordered numbers in order?"""
        found = [float(values[place]) for place in self.ordered]
        return all(a < b for a, b in zip(found, found[1:], strict=False))


ANY_VALUES = Contract({})


def cast_like(example: np.ndarray, x: Array) -> Array:
    """Convert an array to the type of an example: Python number, NumPy number, or array."""
    if isinstance(example, np.generic):
        return x.astype(example.dtype)[()]
    return x.item() if isinstance(example, (float, complex)) else x


def contract_of(examples: Mapping[LeafPlace, object], outputs: Finite) -> Contract:
    """Determine the contract of examples.

    Args:
        examples: the example of each place.
        outputs: calls the function with some examples replaced.
    """
    usual = outputs({})
    found = {}
    for place, example in examples.items():
        x = leaf_array(example)
        if not x.size or not np.isfinite(x).all():
            continue
        structure = Structure(values=_labels_of(x), form=form_of(x))
        if usual is not None and x.dtype.kind == "f":
            call = lambda value, place=place, example=example: outputs(
                {place: cast_like(example, value)}
            )
            structure = _find_range(x, structure, call, usual)
        if structure != Structure():
            found[place] = structure
    return Contract(found, _numbers_in_order(examples))


def _find_range(
    x: np.ndarray,
    structure: Structure,
    call: Callable[[np.ndarray], Arrays | None],
    usual: list[object],
) -> Structure:
    """Add the widest range in which the function is finite to a structure."""
    whole = bool(np.all(x == np.rint(x)))
    own = replace(structure, values=tuple(np.unique(x).tolist()))
    generator = np.random.default_rng(0)
    shuffled = [generator.permutation(x.ravel()).reshape(x.shape) for _ in range(PROBES)]
    rounds = whole and _same_outputs(call(x + 0.25), usual)
    if rounds and not structure.values and not all(_same_outputs(call(y), usual) for y in shuffled):
        return own  # class numbers, which the function rounds
    scale = max(1.0, float(np.abs(x).max()))
    drawn = [-x, *(scale * generator.normal(size=x.shape) for _ in range(PROBES))]
    for span in RANGES:
        ends = tuple(e for e in (span.low, span.high) if np.any(x == e))
        if not np.all(span.holds(x, ends)):
            continue
        candidate = replace(structure, range=span, ends=ends)
        if all(call(candidate.adjust(probe)) is not None for probe in drawn):
            return candidate
    if whole and all(call(probe) is not None for probe in shuffled):
        return own
    return structure


def _same_outputs(outputs: Arrays | None, usual: Arrays) -> bool:
    """Are two lists of outputs equal?"""
    return outputs is not None and all(map(np.array_equal, outputs, usual))


def _numbers_in_order(examples: Leaves) -> tuple[LeafPlace, ...]:
    """Return the places of distinct scalars, the smallest first, if there are arrays too.

    They may be bounds, such as those of `np.clip`.
    """
    numbers = {
        place: float(x)
        for place, x in examples.items()
        if np.ndim(leaf_array(x)) == 0 and _is_real(x)
    }
    if len(numbers) == len(examples) or len(numbers) < 2 or len(set(numbers.values())) == 1:
        return ()
    if len(set(numbers.values())) < len(numbers):
        return ()
    return tuple(sorted(numbers, key=lambda place: numbers[place]))


def _is_real(x: object) -> bool:
    """Is a leaf real?"""
    return leaf_array(x).dtype.kind == "f"


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
