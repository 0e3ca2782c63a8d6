"""Numeric derivatives with an error bar, from values of the function alone.

A `Probe` weights the outputs of a function by a cotangent and moves one entry of one input. The
first estimate is a central difference with the step eps^(1/3)·max(1, |x|), where truncation (h²)
and rounding (eps/h) are about equal; `refined` spends more evaluations on a doubtful entry: one
level of Richardson extrapolation at several steps, of which the most certain one counts
(Ridders 1982, "Accurate computation of F'(x) and F'(x)F''(x)").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = list[Any]
Evaluate = Callable[[Arrays], Arrays]

NOISE = 8.0
"""How many units of rounding an evaluated function is trusted to be off by."""

LADDER = (256.0, 16.0, 1.0)
"""Steps that a refined estimate tries, in units of the first step."""


@dataclass(frozen=True, slots=True)
class Slopes:
    """Derivatives of one entry at one step: both sides together, and each alone."""

    central: float
    left: float
    right: float
    noise: float
    step: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A numeric derivative.

    Attributes:
        value: the derivative.
        error: its error bar.
        step: the step that gave it.
        sides: the derivatives to the left and right where they differ, as at a kink.
        jumps: whether the function itself seems to jump here.
    """

    value: float
    error: float
    step: float
    sides: tuple[float, float] | None = None
    jumps: bool = False


class ShapeChanged(Exception):
    """The outputs have other shapes near the point than at it."""


class Probe:
    """A function at a point, weighted by a cotangent of its outputs."""

    def __init__(
        self, evaluate: Evaluate, point: Arrays, base: Arrays, weights: Arrays, epsilon: float
    ) -> None:
        """Stand at a point.

        Args:
            evaluate: from a list of inputs to a list of float64 outputs.
            point: the inputs, arrays or scalars of float64.
            base: the outputs there.
            weights: the cotangent, one array an output.
            epsilon: the rounding unit of the function, that of float64 or coarser.
        """
        self._evaluate = evaluate
        self._point = point
        self._weights = weights
        self._epsilon = epsilon
        self._base = base

    def first_step(self, x: float) -> float:
        """Return the step at which a central difference is about as exact as it can be."""
        return self._epsilon ** (1 / 3) * max(1.0, abs(x))

    def moved(self, position: int, index: tuple[int, ...], step: float) -> tuple[Arrays, float]:
        """Evaluate with one entry moved; also return the step after rounding."""
        array = np.array(self._point[position])
        before = array[index]
        array[index] = before + step
        taken = float(array[index] - before)
        outputs = self._evaluate([*self._point[:position], array[()], *self._point[position + 1 :]])
        for y, base in zip(outputs, self._base, strict=True):
            if y.shape != base.shape:
                raise ShapeChanged(f"from {base.shape} to {y.shape}")
        return outputs, taken

    def weighted(self, after: Arrays, before: Arrays) -> float:
        """Return Σ g·(after − before): differences first, so that large outputs cancel."""
        pairs = zip(self._weights, after, before, strict=True)
        return float(sum(np.sum(g * (a - b)) for g, a, b in pairs))

    def size(self, above: Arrays, below: Arrays) -> float:
        """Sum the weighted sizes of the outputs that changed, or of all if none did."""
        rows = list(zip(self._weights, above, below, strict=True))
        moved = sum(float(np.sum(np.abs(g * a), where=a != b)) for g, a, b in rows)
        return moved or sum(float(np.sum(np.abs(g * a))) for g, a, _ in rows)

    def slopes(self, position: int, index: tuple[int, ...], step: float) -> Slopes:
        """Return the difference quotients of one entry."""
        above, up = self.moved(position, index, step)
        below, down = self.moved(position, index, -step)
        if not up or not down:  # the step is lost in the rounding of x
            return Slopes(np.nan, np.nan, np.nan, np.inf, step)
        return Slopes(
            central=self.weighted(above, below) / (up - down),
            left=self.weighted(below, self._base) / down,
            right=self.weighted(above, self._base) / up,
            noise=NOISE * self._epsilon * self.size(above, below) / (up - down),
            step=step,
        )

    def first(self, position: int, index: tuple[int, ...], step: float | None) -> Estimate:
        """Estimate with one central difference."""
        x = float(np.asarray(self._point[position])[index])
        found = self.slopes(position, index, step or self.first_step(x))
        return Estimate(found.central, found.noise, found.step)

    def refined(self, position: int, index: tuple[int, ...], step: float | None) -> Estimate:
        """Estimate from several steps, with an error bar, and look for a kink or a jump."""
        x = float(np.asarray(self._point[position])[index])
        unit = step or self.first_step(x)
        steps = [unit * factor for factor in LADDER]
        if 0 < abs(x) < 1:  # next to a singularity at 0, only a step relative to x stays inside
            steps.append(self._epsilon ** (1 / 3) * abs(x))
        pairs = []
        for wide in steps:
            pairs.append([self.slopes(position, index, s) for s in (wide, wide / 2)])
        best = most_certain([extrapolated(*pair) for pair in pairs])
        sides, jumps = broken(pairs)
        return Estimate(best.value, best.error, best.step, sides, jumps)


def extrapolated(wide: Slopes, narrow: Slopes) -> Estimate:
    """Take the h² out of two central differences; what it changed bounds what remains."""
    value = (4 * narrow.central - wide.central) / 3
    error = abs(value - narrow.central) + 2 * narrow.noise
    return Estimate(value, error if np.isfinite(error) else np.inf, narrow.step)


def most_certain(estimates: Sequence[Estimate]) -> Estimate:
    """Choose the estimate with the least error bar among those that continue the narrowest one.

    A wide step that leaps over a kink or singularity can look smooth and be wrong; it is out as
    soon as it contradicts a narrower step.
    """
    best, *wider = sorted(estimates, key=lambda e: e.step)
    for e in wider:
        if not np.isfinite(best.value):
            best = e
        elif not abs(e.value - best.value) <= 4 * (e.error + best.error):
            break
        elif e.error < best.error:
            best = e
    return best


def broken(pairs: Sequence[Sequence[Slopes]]) -> tuple[tuple[float, float] | None, bool]:
    """Tell a kink or a jump from the gap between the one-sided derivatives.

    In a smooth place the gap shrinks with the step; at a kink it stays; at a jump it grows.
    """
    flat = [s for pair in pairs for s in pair if np.isfinite(s.left) and np.isfinite(s.right)]
    if len(flat) < 2:
        return None, False
    wide, narrow = max(flat, key=lambda s: s.step), min(flat, key=lambda s: s.step)
    gap, before = abs(narrow.right - narrow.left), abs(wide.right - wide.left)
    if gap <= 16 * narrow.noise:
        return None, False
    if gap * narrow.step > 0.5 * before * wide.step and gap > 4 * before:
        return None, True
    near = sorted(flat, key=lambda s: s.step)[:3]
    same = all(abs(abs(s.right - s.left) - gap) <= 0.05 * gap for s in near)
    return ((narrow.left, narrow.right) if same else None), False
