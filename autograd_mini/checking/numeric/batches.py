"""Many points at once, for a function that takes a further axis by its framework's own means.

It does what a sweep does: `vmap` of PyTorch or JAX evaluates with each entry of an input moved.
"""

from __future__ import annotations

import numpy as np

from ..inputs import Arrays
from .lines import Probe
from .sweep import Differences, NotSweepable

NUMBERS = 2**20
"""How many numbers of an input, or of the outputs, for all points, are held at once."""

MOST = 256
"""Points at once."""


class Batch:
    """A function at the point of a probe, called for many points at once."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        outputs = sum(y.size for y in probe.base)
        self._largest = max([outputs, *(x.size for x in probe.point)])

    def differences(self, position: int, flat: np.ndarray, steps: np.ndarray) -> Differences:
        """Move entries of one input up and down.

        Raises:
            NotSweepable: if the function must be called as it is, or gives another result then.
        """
        rounded = self._probe.subject.inputs.round_coordinates
        xs = self._probe.point[position].ravel()[flat]
        ups, downs = rounded(position, xs + steps), rounded(position, xs - steps)
        count = max(1, min(MOST, NUMBERS // self._largest) // 2)
        found = np.zeros((3, len(flat)))
        for start in range(0, len(flat), count):
            part = slice(start, start + count)
            found[:, part] = self._evaluate_moves(position, flat[part], ups[part], downs[part])
        if len(flat):
            self._compare_with_call(position, flat[-1], ups[-1], found[0, -1])
        return Differences(found[0], found[1], ups - xs, downs - xs, found[2])

    def _evaluate_moves(
        self, position: int, flat: np.ndarray, ups: np.ndarray, downs: np.ndarray
    ) -> np.ndarray:
        """Return φ above, φ below, both less φ at the point, and the size of what changed.

        The point itself is one of those evaluated, so that what does not move does not differ.
        """
        point, count = self._probe.point[position], len(flat)
        moved = np.repeat(point[None], 2 * count + 1, axis=0)
        rows = moved.reshape(len(moved), -1)
        rows[np.arange(count), flat] = ups
        rows[np.arange(count, 2 * count), flat] = downs
        outputs = self._evaluate_rows(position, moved)
        found, whole = np.zeros((3, count)), np.zeros(count)
        for g, y in zip(self._probe.weights, outputs, strict=True):
            weight, values = g.ravel(), y.reshape(len(y), -1)
            above, below, base = values[:count], values[count:-1], values[-1]
            size = np.abs(above) * np.abs(weight)
            found[0] += (above - base) @ weight
            found[1] += (below - base) @ weight
            found[2] += np.sum(size, axis=1, where=above != below)
            whole += np.sum(size, axis=1)
        found[2] = np.where(found[2] > 0, found[2], whole)
        return found

    def _evaluate_rows(self, position: int, moved: np.ndarray) -> Arrays:
        outputs = self._probe.subject.evaluate_rows(self._probe.point, position, moved)
        expected = [(len(moved), *y.shape) for y in self._probe.base]
        if outputs is None or [y.shape for y in outputs] != expected:
            raise NotSweepable
        return outputs

    def _compare_with_call(self, position: int, flat: int, value: float, above: float) -> None:
        """Compare one of the points with a call of its own.

        Raises:
            NotSweepable: if they differ by more than rounding.
        """
        probe = self._probe
        alone = probe.with_entry(position, int(flat), value)
        expected = probe.weighted_change(alone, probe.base)
        rounding = 64 * probe.epsilon * (probe.scale + probe.size(alone, alone))
        if np.isfinite(expected) and not abs(above - expected) <= rounding + 1e-6 * abs(expected):
            raise NotSweepable
