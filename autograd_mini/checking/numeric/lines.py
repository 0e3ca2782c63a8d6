"""Evaluate a function along lines through a point, the basis of every numeric derivative.

A `Probe` holds the function at a point, and weights its outputs by a cotangent g. A `Line` goes
through the point, along one entry of an input or along a direction in which all entries move. It
gives differences of φ(s) = Σ g·f(x + s·v). Differences are taken for each output before they are
summed, so that large outputs that do not change cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..inputs import Arrays, problem
from ..report import Kind
from ..subjects import Subject, same_numbers

NOISE = 8.0
"""Assumed error of an evaluated function, in units of rounding."""


TINY = 1e-40
"""Smaller coordinates count as this large; otherwise the steps toward them would never end."""

WIDE = 4096
"""An output that depends on a coordinate at all changes within this many usual steps."""


@dataclass(frozen=True, slots=True)
class Level:
    """The differences of φ at one step.

    Attributes:
        step: the step s.
        up, down: the steps to both sides after rounding; down is negative.
        above, below: the change of φ on both sides.
        size: Σ |g·y| of the outputs that change, or of all if none does.
        low, high: sums over the outputs of the smaller and the larger one-sided slope.
        unit: the rounding unit of the outputs.
        flat: whether no output changed at all.
        rounding: the rounding of the coordinate, which affects even a stable function.
        stairs: see `Probe`.
    """

    step: float
    up: float
    down: float
    above: float
    below: float
    size: float
    low: float
    high: float
    unit: float
    flat: bool
    rounding: float
    stairs: float = 0.0

    @property
    def central(self) -> float:
        """The slope over both sides."""
        return (self.above - self.below) / (self.up - self.down)

    @property
    def right(self) -> float:
        """The slope to the right."""
        return self.above / self.up

    @property
    def left(self) -> float:
        """The slope to the left."""
        return self.below / self.down

    @property
    def gap(self) -> float:
        """The difference of the one-sided slopes of the outputs."""
        return self.high - self.low

    @property
    def rise(self) -> float:
        """The larger change of φ on one side."""
        return max(abs(self.above), abs(self.below))

    def noise(self, measured: float = 0.0) -> float:
        """Return the rounding error of the slope; `measured` is that of φ, if known."""
        slope = next((s for s in (self.central, self.right) if np.isfinite(s)), self.left)
        inside = NOISE * abs(slope) * self.rounding
        of_values = max(NOISE * self.unit * self.size, 4 * measured, 4 * self.stairs)
        return (of_values + inside) / (self.up - self.down)


class Probe:
    """A function at a point, weighted by a cotangent of its outputs.

    Attributes:
        subject: the function.
        point: its inputs in real coordinates.
        base, shapes: its outputs there, and their shapes.
        weights: the cotangent, one array for each output.
        epsilon: the rounding unit of the function.
        scale: Σ |g·y|.
        stairs: the height of the stairs in φ if it rounds to float32 inside; otherwise 0.
        coarse: whether a part of the function seems to round to few digits.
        trouble: the error of a failed call near the point; empty if there was none.
    """

    def __init__(
        self,
        subject: Subject,
        base: Arrays,
        weights: Arrays,
        dtype: type[np.floating] | None = None,
    ) -> None:
        """Evaluate at the point of a subject; `dtype` is np.longdouble for more digits."""
        self.subject = subject
        self.point: Arrays = [np.array(x, dtype or np.float64) for x in subject.inputs.arrays]
        self.base, self.shapes = base, [y.shape for y in base]
        self.weights = weights
        self.epsilon = subject.epsilon if dtype is None else float(np.finfo(dtype).eps)
        self.scale = self.size(base, base)
        self.stairs = 0.0
        self.coarse = False
        self.trouble = ""
        self._work = [x.copy() for x in self.point]

    @property
    def unit(self) -> float:
        """The rounding unit of φ including stairs; it determines the width of a good step."""
        return max(self.epsilon, self.stairs / self.scale if self.stairs and self.scale else 0.0)

    def evaluate(self, arrays: Arrays) -> Arrays:
        """Return the outputs at other coordinates; NaN if the call fails or shapes change.

        The failure is noted in `trouble`.
        """
        try:
            outputs = self.subject.evaluate(arrays)
        except Exception as error:  # the function may fail outside of its domain
            self.trouble = f"the function raises {type(error).__name__} near the point: {error}"
            return [np.full_like(y, np.nan) for y in self.base]
        found = [y.shape for y in outputs]
        if found != self.shapes:
            self.trouble = (
                f"the shape of the result changes near the point, from {self.shapes} to {found}"
            )
            return [np.full_like(y, np.nan) for y in self.base]
        return outputs

    def with_entry(self, position: int, flat: int, value: float | np.ndarray) -> Arrays:
        """Return the outputs with one entry set to a value."""
        work = self._work[position]
        kept = work.flat[flat]
        work.flat[flat] = value
        try:
            return self.evaluate(self._work)
        finally:
            work.flat[flat] = kept

    def evaluate_moved(
        self, places: list[np.ndarray], steps: list[np.ndarray]
    ) -> tuple[Arrays, np.ndarray]:
        """Return the outputs with some entries of each input moved, and the steps taken."""
        moved, taken = [], []
        for position, (flat, step) in enumerate(zip(places, steps, strict=True)):
            x = self.point[position].copy()
            kept = x.flat[flat]
            x.flat[flat] = self.subject.inputs.round_coordinates(position, kept + step)
            taken.append(x.flat[flat] - kept)
            moved.append(x)
        return self.evaluate(moved), np.concatenate(taken)

    def refuse_mutation(self) -> None:
        """Check that no call of the function has written into its inputs.

        Raises:
            Problem: in that case.
        """
        rows = zip(self._work, self.point, self.subject.inputs.names, strict=True)
        for work, x, name in rows:
            if not same_numbers(work, x):
                text = f"the function changed {name} in place; it must work on a copy"
                raise problem(Kind.MUTATION, text, name)

    def weighted_change(self, after: Arrays, before: Arrays) -> float:
        """Return Σ g·(after − before)."""
        total = 0.0
        for g, a, b in zip(self.weights, after, before, strict=True):
            total += float(np.vdot(g, a - b) if a.ndim else g.item() * (a.item() - b.item()))
        return total

    def size(self, above: Arrays, below: Arrays) -> float:
        """Sum the weighted sizes of the outputs that changed, or of all if none did."""
        rows = list(zip(self.weights, above, below, strict=True))
        moved = 0.0
        for g, a, b in rows:
            if a.ndim:
                moved += float(np.abs(g * a).sum(where=a != b))
            elif a.item() != b.item():
                moved += float(abs(g.item() * a.item()))
        return moved or sum(float(np.abs(g * a).sum()) for g, a, _ in rows)

    def same(self, outputs: Arrays) -> bool:
        """Are outputs equal to those at the point, to the last bit?"""
        return all(map(np.array_equal, outputs, self.base))

    @cached_property
    def spread(self) -> float:
        """The largest change of a scalar result when all entries move by half a unit; else 0.

        It shows the size of terms that cancel at the point.
        """
        if [y.size for y in self.base] != [1]:
            return 0.0
        generator, changes, trouble = np.random.default_rng(3), [0.0], self.trouble
        for _ in range(4):
            moved = [
                x + 0.5 * np.maximum(1.0, np.abs(x)) * generator.choice([-1.0, 1.0], x.shape)
                for x in self.point
            ]
            changes.append(abs(self.weighted_change(self.evaluate(moved), self.base)))
        self.trouble = trouble
        return max(filter(np.isfinite, changes))

    def moving(self, line: Line) -> float:
        """Return Σ |g·y| at the point, for the outputs that change along a line.

        A longer step may change an output that a short step does not. Its rounding is part of the
        error of the short step.
        """
        step = WIDE * self.epsilon ** (1 / 3) * line.unit
        sizes = [self.size(self.base, line.at(sign * step)[0]) for sign in (1, -1)]
        return max(sizes)

    def level(self, line: Line, step: float, moving: float = 0.0) -> Level:
        """Return the differences along a line at one step to both sides."""
        above, up = line.at(step)
        below, down = line.at(-step)
        if not up or not down:  # the step is lost in the rounding of x
            nan = np.nan
            return Level(step, step, -step, nan, nan, nan, nan, nan, self.epsilon, False, 0.0)
        low = high = 0.0
        for g, a, b, base in zip(self.weights, above, below, self.base, strict=True):
            right, left = g * (a - base) / up, g * (b - base) / down
            low += float(np.sum(np.minimum(right, left)))
            high += float(np.sum(np.maximum(right, left)))
        right = self.weighted_change(above, self.base)
        above = above if np.isfinite(right) else below
        flat = self.same(above) and self.same(below)
        return Level(
            step, up, down, right, self.weighted_change(below, self.base),
            max(moving, self.size(above, below)), low, high, self.epsilon, flat,
            self.epsilon * line.size, self.stairs,
        )  # fmt: skip


class Line:
    """A line through the point of a probe.

    Attributes:
        unit: a length over which functions usually change.
        near: the size of the coordinate itself, if it differs much from the unit.
        least: the shortest step that survives the rounding of the coordinates.
        size: the size of the moving coordinates, which determines their rounding.
        count: the number of moving coordinates.
    """

    unit: float
    near: float
    least: float
    size: float
    count: int = 1

    def at(self, step: float) -> tuple[Arrays, float]:
        """Return the outputs at a step from the point, and the step after rounding."""
        raise NotImplementedError

    def along(self, probe: Probe) -> Line:
        """Return the same line through another probe's point."""
        raise NotImplementedError

    def tangents(self) -> Arrays:
        """Return the direction in real coordinates."""
        raise NotImplementedError


class EntryLine(Line):
    """The line along which one entry of one input moves."""

    def __init__(self, probe: Probe, position: int, flat: int) -> None:
        self.probe, self.position, self.flat = probe, position, flat
        self.x = x = probe.point[position].flat[flat]
        self.size = size = abs(float(x))
        self.unit = max(1.0, size)
        self.near = max(size, TINY) if 0 < size < 0.1 else 1.0
        kept = probe.subject.inputs.dtype(position)
        dtype = kept if kept.itemsize < 8 else x.dtype
        self.least = 16 * float(np.spacing(dtype.type(max(size, float(np.finfo(dtype).tiny)))))

    def at(self, step: float) -> tuple[Arrays, float]:
        """Move the entry."""
        value = self.probe.subject.inputs.round_coordinates(self.position, self.x + step)
        taken = float(value - self.x)
        return self.probe.with_entry(self.position, self.flat, value), taken

    def along(self, probe: Probe) -> Line:
        """Move the same entry of another probe."""
        return EntryLine(probe, self.position, self.flat)

    def tangents(self) -> Arrays:
        """Return 1 in the entry."""
        found = [np.zeros(x.shape) for x in self.probe.subject.inputs.arrays]
        found[self.position].flat[self.flat] = 1.0
        return found


class DirectionLine(Line):
    """The line along which all entries of an input, or some of them, move at once."""

    def __init__(self, probe: Probe, position: int, direction: np.ndarray) -> None:
        self.probe, self.position, self.direction = probe, position, direction
        self.unit = self.near = self.size = 1.0
        self.count = int(np.count_nonzero(direction))
        self.least = 1e3 * probe.epsilon

    def at(self, step: float) -> tuple[Arrays, float]:
        """Move along the direction."""
        point = self.probe.point
        moved = point[self.position] + step * self.direction
        moved = self.probe.subject.inputs.round_coordinates(self.position, moved)
        position = self.position
        return self.probe.evaluate([*point[:position], moved, *point[position + 1 :]]), step

    def along(self, probe: Probe) -> Line:
        """Move along the same direction from another probe."""
        return DirectionLine(probe, self.position, self.direction)

    def tangents(self) -> Arrays:
        """Return the direction."""
        found = [np.zeros(x.shape) for x in self.probe.subject.inputs.arrays]
        found[self.position] = self.direction
        return found


def long_double_probe(probe: Probe, noise: float = 0.0) -> Probe | None:
    """Return a probe that computes in long double; None if the function cannot.

    Args:
        probe: the usual probe.
        noise: an error allowed for its outputs, in addition to a share of them.
    """
    wide, inputs = np.finfo(np.longdouble), probe.subject.inputs
    if wide.eps > 1e-18 or any(inputs.dtype(i).itemsize < 8 for i in range(len(inputs.arrays))):
        return None
    point = [x.astype(np.longdouble) for x in inputs.arrays]
    try:
        base = probe.subject.evaluate(point)
    except Exception:  # the function may not support long double
        return None
    if [y.shape for y in base] != [y.shape for y in probe.base]:
        return None
    for y, before in zip(base, probe.base, strict=True):
        near = noise + 1e-6 * (np.abs(before) + np.max(np.abs(before), initial=0.0))
        if y.dtype != np.longdouble or not np.all(np.abs(y - before) <= near):
            return None
    return Probe(probe.subject, base, probe.weights, np.longdouble)
