"""Patterns: how common mistakes change a right gradient: by entry, as a whole, or in its order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations, permutations
from math import isclose
from typing import TYPE_CHECKING

import numpy as np

from ..inputs import from_coordinates
from ..report import Kind
from .evidence import Evidence, View, view_closer, view_wrong_entries

if TYPE_CHECKING:
    from ...core.arrays import Array


@dataclass(frozen=True, slots=True)
class Pattern:
    """A mistake that explains the entries in view.

    Attributes:
        kind: the kind of mistake.
        text: the mistake, with {name} for the input and {where} for a condition.
        factor: the constant, if it is a factor.
        whole: whether it describes the whole input, so that no condition is needed.
        zeros: whether it is visible where the derivative is 0.
    """

    kind: Kind
    text: str
    factor: float | None = None
    whole: bool = False
    zeros: bool = False


def entrywise_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern that compares each entry with its own derivative: 0, sign, factor."""
    given, numeric = seen.given, seen.numeric
    if _is_zero(given, numeric):
        return Pattern(Kind.ZERO, "the gradient of {name} is 0{where}: a part is missing")
    if seen.matches(-numeric):
        return Pattern(Kind.SIGN, "the sign of the gradient of {name} is flipped{where}", -1.0)
    if _is_rounded(seen):
        text = "the gradient of {name} is right but for rounding to a narrower dtype{where}"
        return Pattern(Kind.PRECISION, text)
    factor = _common_factor(seen)
    if factor is None or not seen.matches(factor * numeric):
        return None
    return Pattern(Kind.FACTOR, _factor_text(evidence, seen.position, factor), factor)


def _is_zero(given: np.ndarray, numeric: np.ndarray) -> bool:
    """Is a given gradient 0 up to rounding?"""
    sizes = np.abs(given[given != 0] / numeric[given != 0])
    return bool(np.all(sizes <= 1e-12) and np.all(sizes >= 1e-18))


def _common_factor(seen: View) -> float | None:
    """Return the ratio of the entry that shows it best."""
    best = np.unravel_index(np.argmax(np.abs(seen.numeric)), seen.numeric.shape)
    if seen.numeric[best] == 0:
        return None
    return float(seen.given[best] / seen.numeric[best])


def _is_rounded(seen: View) -> bool:
    """Is the given gradient the numeric one, rounded to float32 or float16?"""
    with np.errstate(all="ignore"):
        off = np.abs(seen.given - seen.numeric) / seen.size
        spread = np.std((seen.given - seen.numeric) / seen.size)
    for dtype in (np.float32, np.float16):
        exact = np.array_equal(seen.given.astype(dtype).astype(float), seen.given)
        if exact and np.all(off <= 4 * np.finfo(dtype).eps) and (spread > 0 or off.size == 1):
            return True
    return False


def _factor_text(evidence: Evidence, position: int, factor: float) -> str:
    """Say by which factor, and where it may come from: a length, a number of elements."""
    for text, value in _single_values(evidence):
        whole = isclose(value, round(value)) or isclose(1 / value, round(1 / value))
        if isclose(factor, value, rel_tol=1e-5) and not whole:
            return f"the gradient of {{name}} is multiplied by {text}, {factor:.4g}{{where}}"
    if factor < 0:
        text = _factor_text(evidence, position, -factor)
        return text.replace("{name} is", "{name} has the wrong sign and is", 1)
    inverse = 1 / factor
    for size, verb, hint in (
        (inverse, "divided", "a mean where a sum is meant"),
        (factor, "multiplied", "a sum where a mean is meant"),
    ):
        meaning = _meaning_of(evidence, position, size)
        if meaning:
            text = f"is {verb} by {round(size)}, maybe {meaning}: {hint}"
            return f"the gradient of {{name}} {text}{{where}}"
    if abs(factor - 1) < 1e-2:
        more = "large" if factor > 1 else "small"
        times = f"{_whole_factor_text(factor)} times the right one"
        text = f"is too {more} by {abs(factor - 1):.3g} of it: {times}"
        return f"the gradient of {{name}} {text}{{where}}"
    for size, more in ((factor, "large"), (inverse, "small")):
        if size > 1 and isclose(size, round(size), rel_tol=1e-5):
            return (
                f"the gradient of {{name}} is {_whole_factor_text(size)} times too {more}{{where}}"
            )
    return f"the gradient of {{name}} is off by the factor {factor:.7g}{{where}}"


def _whole_factor_text(size: float) -> str:
    """Write a factor: whole numbers without decimals, large ones with three digits."""
    if size >= 1e6:
        return f"{size:.3g}"
    whole = round(size)
    return str(whole) if whole > 1 and isclose(size, whole, rel_tol=1e-5) else f"{size:.10g}"


def _meaning_of(evidence: Evidence, position: int, size: float) -> str:
    """Name the lengths and numbers of elements that equal a factor; empty if none do."""
    found = [
        meaning
        for number, meaning in _named_lengths(evidence, position)
        if number != 2 and isclose(size, number, rel_tol=1e-5)  # 2 is common for any shape
    ]
    return " or ".join(found[:3]) + (" or another" if len(found) > 3 else "")


def _single_values(evidence: Evidence) -> Iterator[tuple[str, float]]:
    """Yield simple multiples of values that are a single number: a result, an input."""
    rows = [("the result", y) for y in evidence.outputs if y.size == 1]
    pairs = zip(evidence.names, evidence.xs, strict=True)
    rows += [(name, x) for name, x in pairs if x.size == 1]
    for name, value in rows:
        x = value.item()
        if 1e-9 < abs(x) < 1e9:
            multiples = (
                (name, x),
                (f"1/{name}", 1 / x),
                (f"2 · {name}", 2 * x),
                (f"{name}/2", x / 2),
            )
            yield from multiples
            yield from ((f"−{text}", -number) for text, number in multiples)
            yield f"the square of {name}", x**2


def _named_lengths(evidence: Evidence, position: int) -> Iterator[tuple[int, str]]:
    """Yield axis lengths and numbers of elements, with a description."""
    rows = list(zip(evidence.names, evidence.xs, evidence.complex, strict=True))
    rows.insert(0, rows.pop(position))
    rows += [("the result", y, False) for y in evidence.outputs]
    for name, x, is_complex in rows:
        shape = x.shape[:-1] if is_complex else x.shape
        for axis, length in enumerate(shape):
            if length > 1:
                where = f"axis {axis} of {name}" if len(shape) > 1 else name
                yield length, f"the length of {where}"
        count = int(np.prod(shape))
        if len(shape) > 1 and count > 1:
            yield count, f"the number of elements of {name}"


def conjugate_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return the pattern of a gradient that is the complex conjugate of the right one."""
    position = seen.position
    if not evidence.complex[position]:
        return None
    given, numeric = evidence.given[position], evidence.numeric[position]
    sign, tolerance = np.array([1.0, -1.0]), evidence.tolerance(position)
    text = "the gradient of {name} is the complex conjugate of the right one"
    if np.all(np.abs(given - numeric * sign) <= tolerance):
        return Pattern(Kind.CONJUGATED, text, None, True)
    return None


def complex_factor_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return the pattern of a complex gradient with a factor that is not real."""
    position = seen.position
    if not evidence.complex[position]:
        return None
    wrong = np.any(evidence.wrong[position], axis=-1)
    exact = np.all(evidence.error[position] <= evidence.tolerance(position), axis=-1)
    chosen = wrong & exact & np.all(np.isfinite(evidence.numeric[position]), axis=-1)
    given = from_coordinates(evidence.given[position], True)[chosen]
    numeric = from_coordinates(evidence.numeric[position], True)[chosen]
    if given.size < 2:
        return None
    best = np.argmax(np.abs(numeric))
    factor = given[best] / numeric[best] if numeric[best] else 0.0
    slack = np.max(evidence.tolerance(position), axis=-1)[chosen] + 1e-9 * np.abs(numeric)
    if not factor or not np.all(np.abs(given - factor * numeric) <= 2 * slack * (1 + abs(factor))):
        return None
    text = f"the gradient of {{name}} is multiplied by {_complex_factor_text(factor)}{{where}}"
    return Pattern(Kind.FACTOR, text)


def _complex_factor_text(z: complex) -> str:
    """Write a complex factor."""
    if abs(z.real) > 1e-5 * abs(z):
        return f"{z.real:.4g} {'+' if z.imag >= 0 else '−'} {abs(z.imag):.4g}i"
    sign = "−" if z.imag < 0 else ""
    return f"{sign}i" if isclose(abs(z.imag), 1, rel_tol=1e-5) else f"{sign}{abs(z.imag):.4g}i"


MOST_SHIFTED = 32
"""Larger shifts are not tried."""

MOST_AXES = 4
"""With more axes, not all orders are tried."""

SAMPLED = 64
"""Number of entries that are compared first."""

Move = tuple[Pattern, Callable[[np.ndarray], np.ndarray]]
"""A rearrangement: its pattern, and the function on arrays."""


def rearrangement_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which the right numbers are in wrong places."""
    shape, is_complex = evidence.xs[seen.position].shape, evidence.complex[seen.position]
    return next(_moves_that_explain(evidence, seen, _rearrangements(shape, is_complex)), (None,))[0]


def averaged_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which entries are sums or means of the right ones.

    It must hold for a second cotangent, and most entries must be nonzero. With a single nonzero
    entry, the others would copy it, which need not be a sum.
    """
    position, numeric = seen.position, evidence.numeric[seen.position]
    if evidence.complex[position] or 2 * np.count_nonzero(numeric) <= numeric.size:
        return None
    whole = view_wrong_entries(evidence, position, everywhere=True)
    if whole is None or len(whole.places) != evidence.xs[position].size:
        return None
    shape, close = evidence.xs[position].shape, view_closer(evidence, whole)
    for pattern, move in _moves_that_explain(evidence, seen, _averages(shape)):
        if len(close.places) < len(whole.places):
            return pattern
        rows = np.array([np.ravel(move(np.reshape(row, shape))) for row in close.numeric])
        if close.matches(rows):
            return pattern
    return None


def _moves_that_explain(evidence: Evidence, seen: View, tried: Iterator[Move]) -> Iterator[Move]:
    """Yield moves that turn the numeric gradient into the given one: at a few entries, then all."""
    position = seen.position
    given, numeric = evidence.given[position], evidence.numeric[position]
    if given.ndim == 0 or not np.all(np.isfinite(numeric + evidence.error[position])):
        return
    slack = evidence.slack(position)
    chosen = np.linspace(0, len(seen.places), SAMPLED, endpoint=False).astype(int)
    some = np.unravel_index(seen.places[chosen], given.shape)
    wanted, most = given[some], np.max(slack) * max(given.shape)
    for pattern, move in tried:
        candidate = move(numeric)
        if np.any(np.abs(wanted - candidate[some]) > most):
            continue
        if evidence.explains(position, candidate, move(slack)):  # error bars move with the numbers
            yield pattern, move


def _rearrangements(shape: tuple[int, ...], is_complex: bool) -> Iterator[Move]:
    """Yield rearrangements, the simplest first; real and imaginary parts stay together."""
    last = len(shape) - is_complex
    if last <= MOST_AXES:
        yield from _axis_orders(shape, last)
    if last > 1 and not is_complex:
        how = "written column by column, where rows are meant"
        yield _whole_pattern(Kind.TRANSPOSED, how), lambda x: x.ravel().reshape(x.shape, order="F")
    for axis in range(last):
        along = f" along axis {axis}" if last > 1 else ""
        yield _whole_pattern(Kind.MOVED, f"reversed{along}"), partial(np.flip, axis=axis)
        for shift in _shifts(shape[axis]):
            pattern = _whole_pattern(Kind.MOVED, f"shifted by {shift}{along}")
            yield pattern, partial(np.roll, shift=shift, axis=axis)
    if last <= MOST_AXES:
        yield from _reversals(shape, last)


def _whole_pattern(kind: Kind, how: str) -> Pattern:
    """Return a pattern that describes the whole gradient."""
    return Pattern(kind, f"the gradient of {{name}} is {how}", None, True)


def _axis_orders(shape: tuple[int, ...], last: int) -> Iterator[Move]:
    """Yield other orders of the axes; the numbers are read by rows if the shape differs."""
    tail = tuple(range(last, len(shape)))
    for axes in permutations(range(last)):
        if axes == tuple(range(last)):
            continue
        how = "transposed" if last == 2 else f"transposed, its axes are {axes}"
        if tuple(shape[i] for i in axes) != shape[:last]:
            how += ", and read row by row"
        yield _whole_pattern(Kind.TRANSPOSED, how), partial(_reorder_axes, axes=(*axes, *tail))


def _reorder_axes(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Put axes in another order, and keep the shape."""
    return x.transpose(axes).reshape(x.shape)


def _shifts(length: int) -> Iterator[int]:
    """Yield possible shifts along an axis, the smallest first."""
    for n in range(1, min(length // 2, MOST_SHIFTED) + 1):
        yield n
        if 2 * n < length:
            yield -n


def _averages(shape: tuple[int, ...]) -> Iterator[Move]:
    """Yield moves that replace entries by sums or means along an axis, or in groups."""
    for axis, length in enumerate(shape):
        for size in range(length, 1, -1):
            if length % size:
                continue
            group = f" in groups of {size}" if size < length else ""
            for verb, reduce in (("summed", np.sum), ("averaged", np.mean)):
                how = f"{verb} over axis {axis} by mistake{group}, and each entry has the result"
                move = partial(_average_groups, axis=axis, size=size, reduce=reduce)
                yield _whole_pattern(Kind.SUM, how), move


def _average_groups(
    x: np.ndarray, axis: int, size: int, reduce: Callable[..., Array]
) -> np.ndarray:
    """Sum or average groups of neighbours along an axis, and give the result to each."""
    parts = x.reshape(*x.shape[:axis], -1, size, *x.shape[axis + 1 :])
    whole = reduce(parts, axis=axis + 1, keepdims=True)
    return np.asarray(np.broadcast_to(whole, parts.shape).reshape(x.shape))


def _reversals(shape: tuple[int, ...], last: int) -> Iterator[Move]:
    """Yield reversals along several axes, and quarter turns of squares."""
    for count in range(2, last + 1):
        for axes in combinations(range(last), count):
            how = f"reversed along the axes {' and '.join(map(str, axes))}"
            yield _whole_pattern(Kind.MOVED, how), partial(np.flip, axis=axes)
    if last > 1 and shape[last - 2] == shape[last - 1]:
        for quarters, way in ((1, ""), (-1, " the other way round")):
            how = f"turned by a quarter, as by rot90{way}"
            turn = partial(np.rot90, k=quarters, axes=(last - 2, last - 1))
            yield _whole_pattern(Kind.MOVED, how), turn
