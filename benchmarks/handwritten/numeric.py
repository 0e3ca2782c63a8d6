"""Numeric derivatives in extended precision, independent of the checker that is judged.

Every entry is moved by two steps to either side. Where the derivatives of the two sides differ, the
function has a kink, and every value between them is a right one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Case, Gradient

STEP = 1e-5
Bound = tuple[Any, float, float]  # entries that move together, the lowest and highest derivative


def draw_cotangent(value: Any) -> Any:
    """Return the weights of the result, 1 for a number."""
    if np.ndim(value) == 0:
        return 1.0
    rng = np.random.default_rng(7)
    weights = rng.normal(size=np.shape(value))
    if np.iscomplexobj(value):
        return weights + 1j * rng.normal(size=np.shape(value))
    return weights


def measure_derivatives(case: Case, inputs: tuple[Any, ...]) -> list[list[Bound]]:
    """Return, for each differentiated input, what the derivative along some directions can be.

    The directions are those of the entries. Entries that are equal are also moved together, so that
    a tie does not hide a gradient that counts both sides.
    """
    g = draw_cotangent(case.evaluate(*inputs))
    return [_measure_input(case, g, inputs, number) for number in case.list_argnums(inputs)]


def measure_error(case: Case, gradient: Gradient, inputs: Any, bounds: list[list[Bound]]) -> float:
    """Return the largest error of a gradient, relative to the largest derivative by its input."""
    g = draw_cotangent(case.evaluate(*inputs))
    given = case.apply_gradient(gradient, g, *inputs)
    return max(_measure_distance(x, rows) for x, rows in zip(given, bounds, strict=True))


def _measure_distance(x: Any, rows: list[Bound]) -> float:
    parts = _split_parts(x)
    scale = max(max(abs(low), abs(high)) for _, low, high in rows) or 1.0
    values = [(float(np.sum(parts[place])), low, high) for place, low, high in rows]
    outside = [max(low - value, value - high, 0.0) for value, low, high in values]
    return float("inf") if not np.all(np.isfinite(parts)) else max(outside) / scale


def _measure_input(case: Case, g: Any, inputs: tuple[Any, ...], number: int) -> list[Bound]:
    parts = _split_parts(inputs[number])
    size = float(np.max(np.abs(parts))) or 1.0
    places: list[Any] = list(np.ndindex(parts.shape))
    values, counts = np.unique(parts, return_counts=True)
    places += [parts == value for value in values[counts > 1]]
    rows = []
    for place in places:
        step = STEP * max(float(np.max(np.abs(parts[place]))), 0.1 * size)
        sides = _measure_sides(_weigh_result(case, g, inputs, number, place), step)
        rows.append((place, min(sides), max(sides)))
    slack = 1e-9 * max(max(abs(low), abs(high)) for _, low, high in rows)
    return [(place, low - slack, high + slack) for place, low, high in rows]


def _measure_sides(line: Callable[[float], Any], step: float) -> tuple[float, ...]:
    """Return the derivative, or those of the two sides where they differ."""
    far_left, left, middle, right, far_right = (line(k * step) for k in (-2, -1, 0, 1, 2))
    after = (-3 * middle + 4 * right - far_right) / (2 * step)
    before = (3 * middle - 4 * left + far_left) / (2 * step)
    if abs(after - before) > 1e-4 * max(abs(after), abs(before)):
        return float(after), float(before)
    return (float((8 * (right - left) - (far_right - far_left)) / (12 * step)),)


def _weigh_result(case: Case, g: Any, inputs: Any, number: int, place: Any) -> Any:
    """Return the weighted result as a function of a change at one place."""

    def line(change: float) -> Any:
        for extended in (True, False):
            moved = [_widen(x) if extended else x for x in inputs]
            parts = _split_parts(moved[number]).copy()
            parts[place] += change
            moved[number] = _join_parts(parts, moved[number])
            try:
                value = case.evaluate(*moved)
                break
            except TypeError:  # numpy.linalg has no extended precision
                if not extended:
                    raise
        return np.sum(np.real(np.conj(g) * value))

    return line


def _widen(x: Any) -> Any:
    kind = np.asarray(x).dtype.kind
    if kind not in "fc":
        return x
    return np.asarray(x).astype(np.longdouble if kind == "f" else np.clongdouble)


def _split_parts(x: Any) -> Any:
    """Return the real and imaginary parts along a last axis, or a real array as it is."""
    x = np.asarray(x)
    return np.stack([x.real, x.imag], axis=-1) if np.iscomplexobj(x) else x


def _join_parts(parts: Any, like: Any) -> Any:
    return parts[..., 0] + 1j * parts[..., 1] if np.iscomplexobj(like) else parts
