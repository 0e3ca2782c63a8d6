"""Sums and terms: patterns of wrong sums, over axes or over outputs, and of wrong terms.

The gradients of softmax, of a centred value and of a norm contain sums over an axis. If such a sum
is missing, or uses the wrong axis, then the error is a simple value times one number for each slice
along that axis. These numbers are fitted, and nothing may be left over.

A gradient also sums over all outputs. A mistake may leave some of them out.

In the gradient of an elementwise function, terms may be missing or added. Simple terms are products
of the cotangent g, the input, the result y and the other inputs. If inputs are broadcast, a term
has the shape of the result, and is summed like the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from ..report import Kind
from .evidence import (
    Evidence,
    View,
    is_stretched,
    natural_shape,
    sum_to_shape,
    unsummed_gradient,
    view_closer,
    view_wrong_entries,
)
from .patterns import Pattern

FEWEST = 2
"""Entries that a fit must explain beyond those that determine its numbers."""

NEARLY = 1e-2
"""A fit must explain the error up to this share, whatever the error bars are."""

SAMPLED = 64
"""Number of slices, and of entries in each, that are fitted first."""

Basis = tuple[str, list[np.ndarray]]
"""The text of some values, and the values."""


def reduction_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which the error comes from a sum or mean over some axes."""
    position = seen.position
    x = evidence.xs[position]
    if evidence.complex[position] or not x.ndim or x.size < FEWEST + 1:
        return None
    known = evidence.known_entries(position) | (
        evidence.error[position] <= evidence.tolerance(position)
    )
    off = np.where(known, evidence.given[position] - evidence.numeric[position], 0.0)
    if not np.all(np.isfinite(off)):
        return None
    for axes in _axes_of(x.ndim):
        for text, basis in _simple_bases(evidence, position):
            if _fits_all_slices(evidence, position, off, known, basis, axes):
                what = f"is off by {text}{_slice_text(axes, x.ndim)}"
                hint = "a sum or mean is missing, or is not the right one"
                return Pattern(Kind.TERM, f"the gradient of {{name}} {what}: {hint}", None, True)
    return None


def _axes_of(ndim: int) -> Iterator[tuple[int, ...]]:
    """Yield axes to sum over, the most axes first: they leave the fewest numbers to fit."""
    for count in range(min(ndim, 4), 0, -1):
        yield from combinations(range(ndim), count)


def _slice_text(axes: tuple[int, ...], ndim: int) -> str:
    """Name the slices along some axes."""
    if len(axes) == ndim:
        return ""
    listed = " and ".join(map(str, axes))
    return f" for each slice along {'axes' if len(axes) > 1 else 'axis'} {listed}"


def _simple_bases(evidence: Evidence, position: int) -> Iterator[Basis]:
    """Yield simple values with the shape of an input, the fewest first."""
    x = evidence.xs[position]
    ones = np.ones(x.shape)
    values = [(evidence.names[position], x)]
    outputs = zip(evidence.outputs, evidence.complex_outputs, strict=True)
    values += [("y", y) for y, is_complex in outputs if y.shape == x.shape and not is_complex]
    with np.errstate(all="ignore"):
        rows = [*values, *[(f"exp({name})", np.exp(value)) for name, value in values]]
    yield "one number", [ones]
    for name, value in rows:
        yield f"{name} times one number", [value]
    for name, value in values:
        yield f"one number plus {name} times another", [ones, value]


def _fits_all_slices(
    evidence: Evidence,
    position: int,
    off: np.ndarray,
    known: np.ndarray,
    basis: list[np.ndarray],
    axes: tuple[int, ...],
) -> bool:
    """Is the error in each slice a combination of values? Tested for a few, then for all."""
    wrong = evidence.wrong[position]
    arrays = (off, known, wrong & known, evidence.tolerance(position), *basis)
    off, known, telling, slack, *values = (_split_slices(a, axes) for a in arrays)
    rows = np.flatnonzero(np.any(telling, axis=1))
    counts = telling[rows].sum(axis=1) - len(basis)
    if np.sum(np.maximum(counts, 0)) < FEWEST or np.any(counts < 0):  # too few entries for the fit
        return False
    thin = (rows[:: 1 + len(rows) // SAMPLED], slice(None, None, 1 + off.shape[1] // SAMPLED))
    for at in (thin, (rows, slice(None))):
        part = [a[at] for a in (off, known, telling, slack, *values)]
        if not _fits_slices(part[0], part[1], part[2], part[3], part[4:]):
            return False
    return True


def _split_slices(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return one row for each slice along some axes."""
    kept = [i for i in range(values.ndim) if i not in axes]
    length = int(np.prod([values.shape[i] for i in axes]))
    return values.transpose(*kept, *axes).reshape(-1, length)


def _fits_slices(
    off: np.ndarray,
    known: np.ndarray,
    telling: np.ndarray,
    slack: np.ndarray,
    values: list[np.ndarray],
) -> bool:
    """Is each row of the error a combination of rows of values, where it is known?"""
    wanted = np.where(known, off, 0.0)
    basis = np.stack([np.where(known, value, 0.0) for value in values], axis=-1)
    if not np.all(np.isfinite(basis)):
        return False
    found = _nearest_combination(basis, wanted)
    if found is None:
        return False
    left = np.abs(wanted - found)
    small = left[telling] <= NEARLY * np.abs(wanted[telling])
    return bool(np.all(small) and np.all(left[known] <= slack[known]))


def _nearest_combination(values: np.ndarray, wanted: np.ndarray) -> np.ndarray | None:
    """Return the combination of values nearest to the target in each slice.

    Returns None if the values are 0, or nearly multiples of each other.
    """
    size = np.linalg.norm(values, axis=1, keepdims=True)
    if not np.all(size > 0):
        return None
    orthogonal, triangle = np.linalg.qr(values / size)
    if np.any(np.abs(np.diagonal(triangle, axis1=-2, axis2=-1)) < 1e-3):
        return None
    along = np.einsum("slk,sl->sk", orthogonal, wanted)
    return np.asarray(np.einsum("slk,sk->sl", orthogonal, along))


def left_out_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which some outputs are left out of the sum, or counted alone."""
    if seen.columns is None or seen.columns.shape[1] < 2:
        return None
    weights = _flat_cotangents(evidence, seen)
    terms = np.array([seen.columns * g for g in weights])  # cotangent, entry, output
    only = _only_some_pattern(evidence, seen, terms)
    if only is not None:
        return only
    for where, chosen in _output_slices(evidence):
        without = seen.numeric - terms[:, :, chosen].sum(axis=2)
        if seen.matches(without):
            text = f"the gradient of {{name}} lacks what comes through {where}{{where}}"
            return Pattern(Kind.TERM, text)
        if seen.matches(seen.numeric + terms[:, :, chosen].sum(axis=2)):
            text = f"the gradient of {{name}} counts what comes through {where} twice{{where}}"
            return Pattern(Kind.TERM, text)
    return _missing_term_pattern(seen, terms)


def _flat_cotangents(evidence: Evidence, seen: View) -> list[np.ndarray]:
    """Return the cotangents of a view, each as one flat array for all outputs."""
    rows = (evidence.weights, evidence.other_weights)[: len(seen.given)]
    return [np.concatenate([g.ravel() for g in gs]) for gs in rows]


def untransposed_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return the pattern in which the Jacobian, J·g, replaces its transpose, Jᵀ·g."""
    x, position = evidence.xs[seen.position], seen.position
    size = sum(y.size for y in evidence.outputs)
    if seen.columns is None or x.size != size or not 1 < size <= evidence.most_columns:
        return None
    columns = [evidence.derivatives(position, index) for index in np.ndindex(x.shape)]
    jacobian = np.array([np.concatenate([np.ravel(c) for c in ys]) for ys in columns]).T
    everything = view_wrong_entries(evidence, position, everywhere=True)
    if everything is None:
        return None
    whole = view_closer(evidence, everything)  # right entries must be J·g too
    rows = [(jacobian @ g)[whole.places] for g in _flat_cotangents(evidence, whole)]
    if not whole.matches(np.array(rows)):
        return None
    text = "the gradient of {name} is J·g, where Jᵀ·g is meant: the Jacobian J is not transposed"
    return Pattern(Kind.TRANSPOSED, text, None, True)


def _only_some_pattern(evidence: Evidence, seen: View, terms: np.ndarray) -> Pattern | None:
    """Return the pattern in which some outputs replace the sum over all."""
    broadcast = _is_broadcast(evidence, seen.position)
    if _is_diagonal_alone(evidence, seen, terms):
        text = "the gradient of {name} has only what comes through the result at the same index"
        return Pattern(Kind.TERM, f"{text}, the diagonal of the Jacobian{{where}}")
    for where, chosen in _output_slices(evidence, single=False):
        if seen.matches(terms[:, :, chosen].sum(axis=2)):
            if broadcast:
                text = f"the gradient of {{name}} is not summed: it has {where} alone{{where}}"
                return Pattern(Kind.SUM, text)
            text = f"the gradient of {{name}} has only what comes through {where}{{where}}"
            return Pattern(Kind.TERM, text)
    counts = np.count_nonzero(terms[0], axis=1)
    if np.all(counts > 1) and _is_one_term_each(seen, terms):
        text = "the gradient of {name} is not summed: each entry has one term of several{where}"
        return Pattern(Kind.SUM if broadcast else Kind.TERM, text)
    return None


def _is_diagonal_alone(evidence: Evidence, seen: View, terms: np.ndarray) -> bool:
    """Does each entry have only the contribution of the output with the same index?"""
    shape = evidence.xs[seen.position].shape
    if [y.shape for y in evidence.outputs] != [shape] or np.prod(shape) < 2:
        return False
    own = np.take_along_axis(terms, seen.places[None, :, None], axis=2)[:, :, 0]
    return seen.matches(own)


def _is_broadcast(evidence: Evidence, position: int) -> bool:
    """May an input be broadcast to the result, elementwise or along axes in front?"""
    if len(evidence.outputs) != 1:
        return False
    shape = natural_shape(evidence.xs[position].shape, evidence.complex[position])
    result = natural_shape(evidence.outputs[0].shape, evidence.complex_outputs[0])
    matrices = len(result) > len(shape) or (len(shape) > 1 and 1 in shape)
    return is_stretched(shape, result) or matrices


def _is_one_term_each(seen: View, terms: np.ndarray) -> bool:
    """Is each entry one of its terms, the same term for each cotangent?"""
    close = np.abs(terms - seen.given[:, :, None]) <= seen.tolerance[:, :, None]
    return bool(np.all(np.any(np.all(close & (terms != 0), axis=0), axis=1)))


def _missing_term_pattern(seen: View, terms: np.ndarray) -> Pattern | None:
    """Return the pattern in which each entry lacks one term, which may differ."""
    missing = seen.numeric - seen.given
    close = np.abs(terms - missing[:, :, None]) <= seen.tolerance[:, :, None]
    if np.all(np.any(np.all(close & (terms != 0), axis=0), axis=1)):
        return Pattern(Kind.TERM, "the gradient of {name} lacks one term of its sum{where}")
    return None


def _output_slices(evidence: Evidence, single: bool = True) -> Iterator[tuple[str, np.ndarray]]:
    """Yield parts of the outputs: whole results, slices along an axis, single elements."""
    sizes = [y.size for y in evidence.outputs]
    starts = np.cumsum([0, *sizes])
    rows = zip(evidence.outputs, evidence.complex_outputs, starts, strict=False)
    for number, (y, is_complex, start) in enumerate(rows):
        name = "the result" if len(sizes) == 1 else f"result {number}"
        flat = np.arange(start, start + y.size).reshape(y.shape)
        shape = natural_shape(y.shape, is_complex)
        if len(sizes) > 1 and y.size:
            yield name, flat.ravel()
        for axis in range(len(shape) if len(shape) > 1 else 0):
            for k in range(min(shape[axis], 16)):
                yield f"index {k} along axis {axis} of {name}", flat.take(k, axis).ravel()
        if single or len(shape) == 1:
            for index in islice(np.ndindex(shape), 64):
                place = f"[{', '.join(map(str, index))}]" if index else ""
                yield f"{name}{place}", flat[index].reshape(-1)


NICE = (1.0, 2.0, 0.5, 3.0, 1 / 3, 4.0, 0.25)
"""Coefficients that are accepted even if few entries show them."""

MOST_SUMMED = 100_000
"""Terms are not summed over larger results."""

Named = tuple[str, np.ndarray]
"""The text of a value, and the value."""


@dataclass(frozen=True, slots=True)
class TermFrame:
    """Where a term is computed: the shape for broadcasting, and the entries that are kept.

    Attributes:
        shape: the shape of the result, or of a larger input.
        own: the shape of the input.
        places: the flat indices of the entries in view.
    """

    shape: tuple[int, ...]
    own: tuple[int, ...]
    places: np.ndarray

    def at(self, values: np.ndarray) -> np.ndarray | None:
        """Broadcast values; keep only the entries in view, unless they have to be summed."""
        try:
            whole = np.broadcast_to(values, self.shape)
        except ValueError:
            return None
        return whole if self.sums else whole.ravel()[self.places]

    def _pick_entries(self, values: np.ndarray) -> np.ndarray:
        """Return the values of the entries in view, summed if necessary."""
        return sum_to_shape(values, self.own).ravel()[self.places] if self.sums else values

    @property
    def sums(self) -> bool:
        """Is the input broadcast?"""
        return self.shape != self.own


def simple_term_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which a simple term is the gradient, is missing, or is too much.

    If both fit, the shorter one is named.
    """
    single, extra = _single_term(evidence, seen), _extra_term(evidence, seen)
    if single is not None and (extra is None or len(single[1]) <= len(extra[1])):
        factor, text = single
        what = f"the gradient of {{name}} is {_product_text(factor, text)}{{where}}"
        return Pattern(Kind.TERM, what + _missing_part_text(seen, text, factor), zeros=True)
    return None if extra is None else Pattern(Kind.TERM, _term_sentence(*extra), zeros=True)


def _extra_term(evidence: Evidence, seen: View) -> tuple[float, str] | None:
    """Return the multiple of a term by which the given and the right gradient differ."""
    residual = seen.given - seen.numeric
    for text, term in _simple_terms(evidence, seen):
        factor = _coefficient(residual, term)
        if factor and np.all(np.abs(residual - factor * term) <= 2 * seen.tolerance):
            return factor, text
    return None


def _single_term(evidence: Evidence, seen: View) -> tuple[float, str] | None:
    """Return the multiple of a term that equals the given gradient."""
    for text, term in _simple_terms(evidence, seen):
        factor = _coefficient(seen.given, term)
        if factor and np.all(np.abs(seen.given - factor * term) <= 1e-7 * np.abs(seen.given)):
            return factor, text
    return None


def _missing_part_text(seen: View, text: str, factor: float) -> str:
    """Say what is missing in a gradient that is a single term."""
    columns = seen.columns
    if columns is not None and np.all(np.count_nonzero(columns, axis=1) > 1):
        return ": what comes through the other entries of the result is missing, a sum"
    if text == "g" and factor == 1:
        return ": the derivative is missing, not applied"
    return ", and the right one is not"


def single_entry_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern for a single entry: any number is a factor, so a simple term says more."""
    size = np.abs(seen.numeric)
    slack = 8 * evidence.error[seen.position].ravel()[seen.places] + 1e-9 * size
    if seen.places.size > 1 or np.any(slack > 1e-7 * size):
        return None
    residual = seen.given - seen.numeric
    for text, term in _simple_terms(evidence, seen):
        for wanted, exact in ((seen.given, 1e-9 * np.abs(seen.given)), (residual, slack)):
            factor = _coefficient(wanted, term)
            nice = float(np.copysign(min(NICE, key=lambda n: abs(n - abs(factor))), factor))
            if factor and np.all(np.abs(wanted - nice * term) <= exact):
                if wanted is residual:
                    return Pattern(Kind.TERM, _term_sentence(nice, text))
                return Pattern(
                    Kind.TERM, f"the gradient of {{name}} is {_product_text(nice, text)}"
                )
    return None


def extra_factor_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which the given gradient is the right one times a simple value."""
    for frame, _, others in _term_frames(evidence, seen):
        fulls = list(seen.numeric)
        if frame.sums:
            rows = [evidence.weights, evidence.other_weights][: len(seen.given)]
            found = [unsummed_gradient(evidence, seen.position, weights) for weights in rows]
            if any(full is None or full.shape != frame.shape for full in found):
                return None
            fulls = [full for full in found if full is not None]
        for text, value in simple_factors(others):
            with np.errstate(all="ignore"):
                prediction = np.array([frame._pick_entries(full * value) for full in fulls])
            factor = _coefficient(seen.given, prediction)
            if factor and seen.matches(factor * prediction):
                what = f"multiplied by {_coefficient_text(factor)}{text}"
                return Pattern(Kind.TERM, f"the gradient of {{name}} is {what} by mistake{{where}}")
    return None


def _coefficient(wanted: np.ndarray, term: np.ndarray) -> float:
    """Return the coefficient of a term in a target; 0 if it is unlikely."""
    if not np.all(np.isfinite(term)):
        return 0.0
    best = np.unravel_index(np.argmax(np.abs(term)), term.shape)
    if term[best] == 0:
        return 0.0
    factor = float(wanted[best] / term[best])
    nice = min(NICE, key=lambda number: abs(number - abs(factor)))
    # a second cotangent adds nothing for an elementwise rule: only entries count
    likely = term.shape[-1] >= 3 or abs(abs(factor) - nice) <= 1e-4 * nice
    return factor if likely and np.isfinite(factor) else 0.0


def _coefficient_text(factor: float) -> str:
    """Write a coefficient before a term."""
    if abs(abs(factor) - 1) < 1e-5:
        return "−" if factor < 0 else ""
    return f"{factor:.4g} · ".replace("-", "−")


def _product_text(factor: float, term: str) -> str:
    """Write a coefficient and its term; only the number if the term is 1."""
    return (
        f"{factor:.4g}".replace("-", "−") if term == "1" else f"{_coefficient_text(factor)}{term}"
    )


def _term_sentence(factor: float, term: str) -> str:
    """Say which term is missing or too much."""
    written = _product_text(abs(factor), term)
    if factor < 0:
        return f"the gradient of {{name}} lacks a term {written}{{where}}"
    return f"the gradient of {{name}} has a term {written} too many{{where}}"


def _simple_terms(evidence: Evidence, seen: View) -> Iterator[Named]:
    """Yield simple terms at the entries in view, one row for each cotangent."""
    ones = np.ones_like(seen.given)
    yield "1", ones
    for frame, (g, rows), values in _term_frames(evidence, seen):
        for label, value in simple_factors(values, alone=True):
            with np.errstate(all="ignore"):
                term = np.array([frame._pick_entries(row * value) for row in rows])
            yield " · ".join(part for part in (g, label) if part) or "1", term
    for frame, _, values in _term_frames(evidence, seen):
        for label, value in simple_factors(values):
            yield label, ones * frame._pick_entries(value)


def _term_frames(
    evidence: Evidence, seen: View
) -> Iterator[tuple[TermFrame, tuple[str, list[np.ndarray]], list[Named]]]:
    """Yield, for each result, a frame, its cotangents, and the values that fit."""
    position, own = seen.position, evidence.xs[seen.position].shape
    several = len(evidence.outputs) > 1
    for number, y in enumerate(evidence.outputs):
        frame = TermFrame(y.shape if is_stretched(own, y.shape) else own, own, seen.places)
        if frame.sums and y.size > MOST_SUMMED:
            continue
        expand = axes_to_expand(y.shape, frame.shape)
        named = [(evidence.names[position], evidence.xs[position])]
        named += [(f"y{number}" if several else "y", y.reshape(expand))]
        named += [(n, x) for i, (n, x) in enumerate(zip(evidence.names, evidence.xs, strict=True))
                  if i != position]  # fmt: skip
        both = [evidence.weights[number], evidence.other_weights[number]][: len(seen.given)]
        rows = [row for g in both if (row := frame.at(g.reshape(expand))) is not None]
        values = [(n, v) for n, x in named if (v := frame.at(x)) is not None]
        if len(rows) == len(both):
            g = f"g{number}" if several else "g"
            unseen = len(rows) == 1 and np.all(rows[0] == 1)  # the gradient has no cotangent
            yield frame, ("" if unseen else g, rows), values


def axes_to_expand(result: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a result with axes of length 1 in place of reduced axes."""
    if len(result) >= len(shape):
        return result
    for kept in combinations(range(len(shape)), len(result)):
        if tuple(shape[i] for i in kept) == result:
            return tuple(n if i in kept else 1 for i, n in enumerate(shape))
    return result


def simple_factors(values: list[Named], alone: bool = False) -> Iterator[Named]:
    """Yield simple products, quotients and functions of values; if `alone`, first the number 1."""
    if alone:
        yield "", np.ones(())
    with np.errstate(all="ignore"):
        for label, x in values:
            yield label, x
            yield f"{label}²", x**2
            yield f"1/{label}", 1 / x
        for (first, a), (second, b) in combinations(values[:4], 2):
            yield f"{first} · {second}", a * b
            yield f"{first}/{second}", a / b
            yield f"{second}/{first}", b / a
        for label, x in values:
            yield from _unusual_factors(label, x)


def _unusual_factors(label: str, x: np.ndarray) -> Iterator[Named]:
    """Yield functions of one value that formulas sometimes contain."""
    yield f"{label}³", x**3
    yield f"1/{label}²", 1 / x**2
    yield f"√{label}", x**0.5
    yield f"1/√{label}", x**-0.5
    yield f"exp({label})", np.exp(x)
    yield f"exp(−{label})", np.exp(-x)
    yield f"log({label})", np.log(x)
    s, t = 1 / (1 + np.exp(-x)), np.tanh(x)
    slope = f"σ({label}) · (1 − σ({label}))"
    yield f"{slope}, the derivative of a sigmoid σ,", s * (1 - s)
    yield f"1/({slope}), with the derivative of a sigmoid σ,", 1 / (s * (1 - s))
    yield f"(1 − tanh({label})²)", 1 - t**2
    yield f"{label} · (1 − {label})", x * (1 - x)
    yield f"σ({label})", s
    yield f"σ(−{label})", 1 - s
    sums = [(f"1 − {label}", 1 - x), (f"1 + {label}", 1 + x)]
    for text, other in (*sums, (f"1 − {label}²", 1 - x**2), (f"1 + {label}²", 1 + x**2)):
        yield f"({text})", other
        yield f"1/({text})", 1 / other
        yield f"√({text})", other**0.5
        yield f"1/√({text})", other**-0.5
