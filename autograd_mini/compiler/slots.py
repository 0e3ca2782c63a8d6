"""Slots: the places of scalars in one flat array a dtype, and one vector operation on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .vector_operations import VectorOperation

Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Which slots of which buffer, in the shape in which they are used."""

    buffer: int
    index: Index

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in which the slots are used."""
        return self.index.shape

    def strides(self) -> tuple[int, ...] | None:
        """Return the constant distance of neighbours on each axis, or None if there is none."""
        index = self.index
        if index.size == 0:
            return None
        steps = []
        for axis, length in enumerate(index.shape):
            first = (0,) * axis
            after = (0,) * (index.ndim - axis - 1)
            steps.append(int(index[(*first, 1, *after)]) - int(index.flat[0]) if length > 1 else 0)
        expected = index.flat[0] + sum(
            np.arange(n).reshape((-1,) + (1,) * (index.ndim - axis - 1)) * step
            for axis, (n, step) in enumerate(zip(index.shape, steps, strict=True))
        )
        return tuple(steps) if np.array_equal(expected, index) else None


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One vector operation: it reads places, and writes consecutive ones."""

    operation: VectorOperation
    operands: tuple[Places, ...]
    target: Places
    extra: Index | None = None

    def run(self, buffers: list[NDArray[Any]]) -> None:
        """Compute it: what the source must do, said in the plainest way."""
        arrays = [buffers[x.buffer][x.index] for x in self.operands]
        if self.extra is not None:
            arrays.append(self.extra)
        buffers[self.target.buffer][self.target.index] = self.operation.forward(*arrays)


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """Elements of an array that comes in: at these flat places, or all of them in order."""

    target: Places
    elements: Index | None
