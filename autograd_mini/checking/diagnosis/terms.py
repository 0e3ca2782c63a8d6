"""Terms: missing or additional terms in the gradient of an elementwise function.

Simple terms are products of the cotangent g, the input, the result y and the other inputs. If
inputs are broadcast, a term has the shape of the result, and is summed like the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..causes import Kind
from .evidence import Evidence, View, is_stretched, sum_to_shape, unsummed_gradient
from .patterns import Pattern

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
