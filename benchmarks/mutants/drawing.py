"""Drawing: which functions there are, one a sample case, and some that are large or complex."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from zlib import crc32

import numpy as np

from autograd_mini.core.primitive import PRIMITIVES, Case, Primitive, draw_operands, drawn_operands

from .functions import REFUSALS, Function

with suppress(ModuleNotFoundError):  # SciPy's functions enter the table where they are wanted
    import_module("autograd_mini.ops.special")

STAY_SMALL = ("roots",)
"""Rows whose large samples are another matter: polynomials of degree 1,000."""

ENTRIES = 1000
"""About how many entries a large sample has."""


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
    places = drawn_operands(primitive, case) if places is None else places
    if not places:
        return None
    try:
        operands = draw_operands(primitive, case, generator, attempts)
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
        places = drawn_operands(primitive, case)
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
    first = draw_operands(primitive, case, generator)
    pairs = list(zip(case.operands, grown.operands, strict=True))
    fixed = [x if x is longer_ else None for x, longer_ in pairs]
    kept = tuple(w if x is None else y for (w, _), x, y in zip(pairs, fixed, first, strict=True))
    count = max(g[0] // w[0] for w, g in pairs if w is not g)
    pieces = [draw_operands(primitive, Case(kept, case.params), generator) for _ in range(count)]
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
