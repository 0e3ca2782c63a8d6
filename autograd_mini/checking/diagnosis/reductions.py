"""Reductions: patterns of wrong sums, over axes or over outputs.

The gradients of softmax, of a centred value and of a norm contain sums over an axis. If such a sum
is missing, or uses the wrong axis, then the error is a simple value times one number for each slice
along that axis. These numbers are fitted, and nothing may be left over.

A gradient also sums over all outputs. A mistake may leave some of them out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

import numpy as np

from ..causes import Kind
from .evidence import Evidence, View, is_stretched, natural_shape, view_closer, view_wrong_entries
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
