"""Functions: each sample case of a row as a NumPy function with a right gradient of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any
from zlib import crc32

import numpy as np

from autograd_mini.errors import AutogradError
from autograd_mini.primitives import PRIMITIVES, Case, Primitive, Rules
from autograd_mini.samples import operands_of, wanted

with suppress(ModuleNotFoundError):  # SciPy's functions enter the table where they are wanted
    import_module("autograd_mini.ops.special")

Arrays = list[Any]
Vjp = Callable[..., tuple[Any, ...]]

REFUSALS = (AutogradError, ArithmeticError, TypeError, ValueError, IndexError)
"""What a row raises for operands that it does not take."""

ENTRIES = 1000
"""About how many entries a large sample has."""

STAY_SMALL = ("roots",)
"""Rows whose large samples are another matter: polynomials of degree 1,000."""


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


# ── which there are ──────────────────────────────────────────────────────────────────────────
def rows() -> list[Primitive]:
    """Return the differentiable rows of the table."""
    return [p for p in PRIMITIVES.values() if p.differentiable and p.samples and not p.effect]


def drawn(
    primitive: Primitive,
    case: Case,
    name: str,
    attempts: int = 1000,
    places: tuple[int, ...] | None = None,
) -> Function | None:
    """Draw a function for a case; None if nothing is differentiated or nothing can be drawn."""
    generator = np.random.default_rng(crc32(name.encode()))
    places = wanted(primitive, case) if places is None else places
    if not places:
        return None
    try:
        operands = operands_of(primitive, case, generator, attempts)
        found = Function(name, primitive, operands, dict(case.params), places)
        return found if usable(found) else None
    except REFUSALS:
        return None


def usable(function: Function) -> bool:
    """Whether the gradient can be computed, and has what it takes to be wrong."""
    if not function.moves:
        return False
    found = function.vjp(function.drawn(0), *function.arrays)
    return all(bool(np.all(np.isfinite(c))) for c in found)


def small(primitive: Primitive) -> Iterator[Function]:
    """Make a function of each sample case that is not empty."""
    for number, case in enumerate(primitive.samples):
        found = drawn(primitive, case, f"{primitive.name}/{number}")
        if found is not None:
            yield found


def large(primitive: Primitive) -> Function | None:
    """Make a function of about 1,000 entries, None if no case can grow along its first axis."""
    for number, case in enumerate(() if primitive.name in STAY_SMALL else primitive.samples):
        places = wanted(primitive, case)
        grown = longer(case, places)
        if grown is None or primitive.kind == "general" and primitive.kink and places != (0,):
            continue
        name = f"{primitive.name}/{number}/large"
        if primitive.kink and not primitive.distinct:
            grown = stitched(primitive, case, grown, np.random.default_rng(crc32(name.encode())))
        found = drawn(primitive, grown, name, attempts=20, places=places)
        if found is not None and max(map(np.size, found.arrays)) > ENTRIES // 2:
            return found
    return None


def stitched(primitive: Primitive, case: Case, grown: Case, generator: np.random.Generator) -> Case:
    """Draw the operands of a grown case piece by piece, so that each stays away from the kink."""
    first = operands_of(primitive, case, generator)
    pairs = list(zip(case.operands, grown.operands, strict=True))
    fixed = [x if x is longer_ else None for x, longer_ in pairs]
    kept = tuple(w if x is None else y for (w, _), x, y in zip(pairs, fixed, first, strict=True))
    count = max(g[0] // w[0] for w, g in pairs if w is not g)
    pieces = [operands_of(primitive, Case(kept, case.params), generator) for _ in range(count)]
    operands = tuple(
        np.concatenate([piece[i] for piece in pieces]) if w is not g else first[i]
        for i, (w, g) in enumerate(pairs)
    )
    return Case(operands, case.params)


def longer(case: Case, places: tuple[int, ...]) -> Case | None:
    """Return a case whose first axis is long enough for 1,000 entries, as is that of its like."""
    shapes = [case.operands[i] for i in places]
    first = max(shapes, key=len, default=())
    size = int(np.prod(first))
    if not first or not size:
        return None
    count = max(1, ENTRIES // size) * first[0]
    grown = tuple(
        (count, *x[1:])
        if i in places and len(x) == len(first) and x[0] == first[0] and x[0] != 1
        else x
        for i, x in enumerate(case.operands)
    )
    return replace(case, operands=grown)


def complex_ones(primitive: Primitive) -> Iterator[Function]:
    """Make functions of complex operands, of the first case of a row that takes them."""
    found = next(small(primitive), None)
    if found is None or "dtype" in found.params:
        return
    generator = np.random.default_rng(crc32(f"{found.name}/complex".encode()))
    operands = list(found.operands)
    for i in found.places:
        parts = generator.uniform(0.2, 0.6, np.shape(operands[i]))
        operands[i] = np.asarray(operands[i] + 1j * parts)[()]
    twin = replace(found, name=f"{found.name}/complex", operands=tuple(operands))
    with suppress(*REFUSALS):
        if usable(twin):
            yield twin
