"""Numeric derivatives in extended precision, independent of the checker that is judged.

Every entry is moved by two steps to either side. Where the derivatives of the two sides differ, the
function has a kink, and every value between them is a right one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from .case import Case, Gradient

STEP = 1e-5


def draw_cotangent(value: Any) -> Any:
    """Return the weights of the result, 1 for a number."""
    if np.ndim(value) == 0:
        return 1.0
    rng = np.random.default_rng(7)
    weights = rng.normal(size=np.shape(value))
    if np.iscomplexobj(value):
        return weights + 1j * rng.normal(size=np.shape(value))
    return weights


def measure_derivatives(case: Case, inputs: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """Return the lowest and highest right gradient of each differentiated input."""
    g = draw_cotangent(case.evaluate(*inputs))
    return [_measure_input(case, g, inputs, number) for number in case.list_argnums(inputs)]


def measure_error(case: Case, gradient: Gradient, inputs: Any, bounds: Any) -> float:
    """Return the largest error of a gradient, relative to the largest entry of its input's."""
    g = draw_cotangent(case.evaluate(*inputs))
    given = case.apply_gradient(gradient, g, *inputs)
    return max(
        _measure_distance(_split_parts(x), *limits) for x, limits in zip(given, bounds, strict=True)
    )


def _measure_distance(x: Any, low: Any, high: Any) -> float:
    scale = max(np.max(np.abs(low)), np.max(np.abs(high)))
    outside = np.maximum(np.maximum(low - x, x - high), 0)
    return float(np.max(outside) / scale) if scale else float(np.max(outside))


def _measure_input(case: Case, g: Any, inputs: tuple[Any, ...], number: int) -> tuple[Any, Any]:
    parts = _split_parts(inputs[number])
    size = float(np.max(np.abs(parts))) or 1.0
    low, high = np.empty(parts.shape), np.empty(parts.shape)
    for entry in np.ndindex(parts.shape):
        step = STEP * max(abs(float(parts[entry])), 0.1 * size)
        sides = _measure_sides(_weigh_result(case, g, inputs, number, entry), step)
        low[entry], high[entry] = min(sides), max(sides)
    slack = 1e-9 * max(np.max(np.abs(low)), np.max(np.abs(high)))
    return low - slack, high + slack


def _measure_sides(line: Callable[[float], Any], step: float) -> tuple[float, ...]:
    """Return the derivative, or those of the two sides where they differ."""
    far_left, left, middle, right, far_right = (line(k * step) for k in (-2, -1, 0, 1, 2))
    after = (-3 * middle + 4 * right - far_right) / (2 * step)
    before = (3 * middle - 4 * left + far_left) / (2 * step)
    if abs(after - before) > 1e-4 * max(abs(after), abs(before)):
        return float(after), float(before)
    return (float((8 * (right - left) - (far_right - far_left)) / (12 * step)),)


def _weigh_result(case: Case, g: Any, inputs: Any, number: int, entry: Any) -> Any:
    """Return the weighted result as a function of one entry's change."""

    def line(change: float) -> Any:
        for extended in (True, False):
            moved = [_widen(x) if extended else x for x in inputs]
            parts = _split_parts(moved[number]).copy()
            parts[entry] += change
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
