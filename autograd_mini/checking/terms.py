"""Terms: what is missing or too much in the gradient of an elementwise function."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .causes import Kind
from .evidence import Evidence
from .patterns import Pattern
from .views import View


def extra_term(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which given and right gradient differ by a multiple of a simple term."""
    residual = seen.given - seen.numeric
    for text, term in terms(evidence, seen):
        best = np.unravel_index(np.argmax(np.abs(term)), term.shape)
        if not np.isfinite(term[best]) or term[best] == 0:
            continue
        factor = float(residual[best] / term[best])
        nice = round(factor * 24) / 24
        if factor == 0 or (abs(factor - nice) > 1e-4 * abs(factor) and term.size < 4):
            continue
        if np.all(np.abs(residual - factor * term) <= 2 * seen.tolerance):
            return Pattern(Kind.TERM, sentence(factor, text))
    return None


def single_term(evidence: Evidence, seen: View) -> Pattern | None:
    """Return a pattern in which the given gradient is a multiple of one simple term alone."""
    for text, term in terms(evidence, seen):
        best = np.unravel_index(np.argmax(np.abs(term)), term.shape)
        if term.size < 3 or not np.isfinite(term[best]) or term[best] == 0:
            continue
        factor = float(seen.given[best] / term[best])
        if factor and np.all(np.abs(seen.given - factor * term) <= 1e-7 * np.abs(seen.given)):
            shown = "" if abs(factor - 1) < 1e-6 else f"{factor:.4g} · "
            what = f"just {shown}{text}{{where}}; the rest of the formula is missing"
            return Pattern(Kind.TERM, f"the gradient of {{name}} is {what}")
    return None


def sentence(factor: float, term: str) -> str:
    """Say which term is missing or too much."""
    size = abs(factor)
    shown = "" if abs(size - 1) < 1e-5 else f"{size:.4g} · "
    if factor < 0:
        return f"the gradient of {{name}} lacks a term {shown}{term}{{where}}"
    return f"the gradient of {{name}} has a term {shown}{term} too many{{where}}"


def terms(evidence: Evidence, seen: View) -> Iterator[tuple[str, np.ndarray]]:
    """Yield simple terms at the entries that were looked at, a row a cotangent."""
    position = seen.position
    shape, name = evidence.xs[position].shape, evidence.names[position]

    def at(values: np.ndarray) -> np.ndarray | None:
        try:
            return np.broadcast_to(values, shape).ravel()[seen.places]
        except ValueError:
            return None

    ones = np.ones_like(seen.given)
    yield "1", ones
    factors = [("", ones[0])]
    for label, values in [(name, evidence.xs[position]), *others(evidence, position)]:
        flat = at(values)
        if flat is not None:
            with np.errstate(all="ignore"):
                factors += [(label, flat), (f"{label}²", flat**2), (f"1/{label}", 1 / flat)]
                factors += [(f"{label}³", flat**3), (f"1/{label}²", flat**-2.0)]
                factors += [(f"√{label}", flat**0.5), (f"exp({label})", np.exp(flat))]
                factors += [(f"exp(−{label})", np.exp(-flat)), (f"log({label})", np.log(flat))]
    cotangents = [[at(g) for g in gs] for gs in (evidence.weights, evidence.other_weights)]
    for number, first in enumerate(cotangents[0]):
        if first is None:
            continue
        both = np.array([first, cotangents[1][number]][: len(seen.given)])
        g = "g" if len(evidence.weights) == 1 else f"g{number}"
        for label, flat in factors:
            yield f"{g} · {label}" if label else g, both * flat
    yield from ((label, ones * flat) for label, flat in factors[1:])


def others(evidence: Evidence, position: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the outputs and the other inputs."""
    for number, y in enumerate(evidence.outputs):
        yield "y" if len(evidence.outputs) == 1 else f"y{number}", y
    for i, x in enumerate(evidence.xs):
        if i != position:
            yield evidence.names[i], x
