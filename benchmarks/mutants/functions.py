"""Functions: each sample case of a row as a NumPy function with a right gradient of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from autograd_mini.core.primitive import Primitive, Rules
from autograd_mini.errors import AutogradError

Arrays = list[Any]
Vjp = Callable[..., tuple[Any, ...]]

REFUSALS = (AutogradError, ArithmeticError, TypeError, ValueError, IndexError)
"""What a row raises for operands that it does not take."""


@dataclass(frozen=True, eq=False)
class Function:
    """A row at drawn operands: `value(*arrays)` and `vjp(g, *arrays)` are plain NumPy.

    Attributes:
        name: of the row and its case.
        primitive: the row.
        operands: all of them, at the point.
        params: the static parameters.
        places: which operands are differentiated.
    """

    name: str
    primitive: Primitive
    operands: tuple[Any, ...]
    params: dict[str, Any]
    places: tuple[int, ...]

    @property
    def arrays(self) -> Arrays:
        """The differentiated operands, copied."""
        return [np.array(self.operands[i])[()] for i in self.places]

    @property
    def names(self) -> list[str]:
        """A name for each differentiated operand."""
        return [f"x{i}" for i in range(len(self.places))]

    def filled(self, arrays: Sequence[Any]) -> Arrays:
        """Return all operands, with these in place of the differentiated ones."""
        operands = list(self.operands)
        for i, x in zip(self.places, arrays, strict=True):
            operands[i] = x
        return operands

    def value(self, *arrays: Any) -> Any:
        """Compute the row: an array, or a tuple of them."""
        with np.errstate(all="ignore"):
            y = self.primitive.forward(*self.filled(arrays), **self.params)
        return tuple(map(array, y)) if self.primitive.multiple else array(y)

    def recorded(self, *tensors: Any) -> Any:
        """Compute the row of tensors, recorded."""
        return self.primitive(*self.filled(tensors), **self.params)

    def vjp(self, g: Any, *arrays: Any) -> tuple[Any, ...]:
        """Return the gradient of each differentiated operand, right."""
        found = self.cotangents(self.primitive.vjp, g, arrays)
        return tuple(fitted(c, x) for c, x in zip(found, arrays, strict=True))

    def cotangents(self, rules: Rules | None, g: Any, arrays: Sequence[Any]) -> Arrays:
        """Apply rules, or one for all, and conjugate as the walk does; nothing is summed yet."""
        multiple = self.primitive.multiple
        inner = tuple(map(np.conj, g)) if multiple else np.conj(g)
        xs = self.filled(arrays)
        y = self.value(*arrays)
        if isinstance(rules, tuple):
            with np.errstate(all="ignore"):
                found = [rules[i](inner, y, *xs, **self.params) for i in self.places]  # type: ignore[misc]
        else:
            with np.errstate(all="ignore"):
                every = rules(inner, y, *xs, **self.params)  # type: ignore[misc]
            found = [every[i] for i in self.places]
        return [np.conj(np.asarray(c)) for c in found]

    def outputs(self, *arrays: Any) -> Arrays:
        """Compute the row; return its outputs as a list."""
        y = self.value(*arrays)
        return list(y) if self.primitive.multiple else [y]

    def structured(self, gs: Arrays) -> Any:
        """Return cotangents in the structure of the result."""
        return tuple(gs) if self.primitive.multiple else gs[0]

    def drawn(self, seed: int) -> Any:
        """Draw a cotangent: of either sign, none small."""
        generator = np.random.default_rng([seed, crc32(self.name.encode())])
        return self.structured([cotangent(y, generator) for y in self.outputs(*self.arrays)])

    @property
    def moves(self) -> bool:
        """Whether there is something to check: finite, and neither side is empty."""
        found = [*self.outputs(*self.arrays), *self.arrays]
        sizes = all(np.size(x) for x in found)
        return sizes and all(bool(np.all(np.isfinite(x))) for x in found)


def array(y: Any) -> Any:
    """Return a result of the forward as NumPy's, never Python's."""
    return y if isinstance(y, (np.ndarray, np.generic)) else np.asarray(y)[()]


def cotangent(y: Any, generator: np.random.Generator) -> Any:
    """Draw a cotangent of one output."""
    g = generator.uniform(0.5, 1.5, y.shape) * generator.choice([-1.0, 1.0], y.shape)
    if y.dtype.kind == "c":
        g = g + 1j * generator.uniform(0.5, 1.5, y.shape)
    return np.asarray(g)[()]


def fitted(c: Any, x: Any) -> Any:
    """Sum a cotangent over the broadcast axes of its operand, whose dtype it takes."""
    shape = np.shape(x)
    extra = c.ndim - len(shape)
    if extra > 0:
        c = c.sum(axis=tuple(range(extra)))
    axes = tuple(i for i, n in enumerate(shape) if n == 1 and c.shape[i] != 1)
    if axes:
        c = c.sum(axis=axes, keepdims=True)
    if np.asarray(x).dtype.kind != "c":
        c = c.real
    return np.array(np.broadcast_to(c, shape), dtype=np.result_type(x))[()]
