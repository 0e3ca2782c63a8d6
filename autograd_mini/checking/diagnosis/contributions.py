"""What comes through single outputs: a gradient sums over them; a mistake may leave some out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from ..causes import Kind
from .evidence import Evidence
from .patterns import Pattern
from .unsummed import is_stretched, natural_shape
from .views import View, view_closer, view_wrong_entries


def left_out_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which some outputs are left out of the sum, or only some are in it."""
    if seen.columns is None or seen.columns.shape[1] < 2:
        return None
    weights = flat_cotangents(evidence, seen)
    terms = np.array([seen.columns * g for g in weights])  # cotangent, entry, output
    only = only_some_pattern(evidence, seen, terms)
    if only is not None:
        return only
    for where, chosen in output_slices(evidence):
        without = seen.numeric - terms[:, :, chosen].sum(axis=2)
        if seen.matches(without):
            text = f"the gradient of {{name}} lacks what comes through {where}{{where}}"
            return Pattern(Kind.TERM, text)
        if seen.matches(seen.numeric + terms[:, :, chosen].sum(axis=2)):
            text = f"the gradient of {{name}} counts what comes through {where} twice{{where}}"
            return Pattern(Kind.TERM, text)
    return missing_term_pattern(seen, terms)


def flat_cotangents(evidence: Evidence, seen: View) -> list[np.ndarray]:
    """Return the cotangents of a view, each as one flat array for all outputs."""
    rows = (evidence.weights, evidence.other_weights)[: len(seen.given)]
    return [np.concatenate([g.ravel() for g in gs]) for gs in rows]


def untransposed_pattern(evidence: Evidence, seen: View) -> Pattern | None:
    """Return the pattern in which the Jacobian, J·g, stands for its transpose, Jᵀ·g."""
    x, position = evidence.xs[seen.position], seen.position
    size = sum(y.size for y in evidence.outputs)
    if seen.columns is None or x.size != size or not 1 < size <= evidence.most_columns:
        return None
    columns = [evidence.derivatives(position, index) for index in np.ndindex(x.shape)]
    jacobian = np.array([np.concatenate([np.ravel(c) for c in ys]) for ys in columns]).T
    everything = view_wrong_entries(evidence, position, everywhere=True)
    if everything is None:
        return None
    whole = view_closer(evidence, everything)  # right entries have to be J·g as well
    rows = [(jacobian @ g)[whole.places] for g in flat_cotangents(evidence, whole)]
    if not whole.matches(np.array(rows)):
        return None
    text = "the gradient of {name} is J·g, where Jᵀ·g is meant: the Jacobian J is not transposed"
    return Pattern(Kind.TRANSPOSED, text, None, True)


def only_some_pattern(evidence: Evidence, seen: View, terms: np.ndarray) -> Pattern | None:
    """Return the pattern in which some of the outputs stand for the sum over all."""
    broadcast = is_broadcast(evidence, seen.position)
    if is_diagonal_alone(evidence, seen, terms):
        text = "the gradient of {name} has only what comes through the result at the same index"
        return Pattern(Kind.TERM, f"{text}, the diagonal of the Jacobian{{where}}")
    for where, chosen in output_slices(evidence, single=False):
        if seen.matches(terms[:, :, chosen].sum(axis=2)):
            if broadcast:
                text = f"the gradient of {{name}} is not summed: it has {where} alone{{where}}"
                return Pattern(Kind.SUM, text)
            text = f"the gradient of {{name}} has only what comes through {where}{{where}}"
            return Pattern(Kind.TERM, text)
    counts = np.count_nonzero(terms[0], axis=1)
    if np.all(counts > 1) and is_one_term_each(seen, terms):
        text = "the gradient of {name} is not summed: each entry has one term of several{where}"
        return Pattern(Kind.SUM if broadcast else Kind.TERM, text)
    return None


def is_diagonal_alone(evidence: Evidence, seen: View, terms: np.ndarray) -> bool:
    """Whether each entry has what comes through the output of its own index, of several."""
    shape = evidence.xs[seen.position].shape
    if [y.shape for y in evidence.outputs] != [shape] or np.prod(shape) < 2:
        return False
    own = np.take_along_axis(terms, seen.places[None, :, None], axis=2)[:, :, 0]
    return seen.matches(own)


def is_broadcast(evidence: Evidence, position: int) -> bool:
    """Whether an input may be broadcast to the result: elementwise, or along axes in front."""
    if len(evidence.outputs) != 1:
        return False
    shape = natural_shape(evidence.xs[position].shape, evidence.complex[position])
    result = natural_shape(evidence.outputs[0].shape, evidence.complex_outputs[0])
    matrices = len(result) > len(shape) or (len(shape) > 1 and 1 in shape)
    return is_stretched(shape, result) or matrices


def is_one_term_each(seen: View, terms: np.ndarray) -> bool:
    """Whether each entry is one of its terms, the same one for each cotangent."""
    close = np.abs(terms - seen.given[:, :, None]) <= seen.tolerance[:, :, None]
    return bool(np.all(np.any(np.all(close & (terms != 0), axis=0), axis=1)))


def missing_term_pattern(seen: View, terms: np.ndarray) -> Pattern | None:
    """Return the pattern in which each entry lacks one term, not the same for all."""
    missing = seen.numeric - seen.given
    close = np.abs(terms - missing[:, :, None]) <= seen.tolerance[:, :, None]
    if np.all(np.any(np.all(close & (terms != 0), axis=0), axis=1)):
        return Pattern(Kind.TERM, "the gradient of {name} lacks one term of its sum{where}")
    return None


def output_slices(evidence: Evidence, single: bool = True) -> Iterator[tuple[str, np.ndarray]]:
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
