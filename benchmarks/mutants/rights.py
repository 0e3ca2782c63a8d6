"""Right gradients where a check is hard: scales, kinks, float32, values of different magnitude."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np

import autograd_mini as am

from .drawing import complex_ones, large, rows, small, usable
from .functions import REFUSALS, Arrays, Function
from .hard import HARD, points

SCALES = (1e-8, 1e-4, 1.0, 1e4, 1e8)

PLAIN = "every sample"
LARGE = "1,000 entries"
COMPLEX = "complex"
NARROW = "float32 results"
SPREAD = "magnitudes from 1e-4 to 1e4"
KINKS = "at kinks and edges"


def scaled(scale: float) -> str:
    """Name the group of operands that are multiplied by a scale."""
    return f"operands × {scale:g}"


GROUPS = (PLAIN, LARGE, COMPLEX, *map(scaled, SCALES), SPREAD, NARROW, KINKS, *HARD)
"""The groups, in the order of the table."""


@dataclass(frozen=True, slots=True)
class Right:
    """A function with a right gradient: `value(*arrays)` and `vjp(g, *arrays)`."""

    group: str
    name: str
    value: Callable[..., Any]
    vjp: Callable[..., Any]
    arrays: Arrays
    multiple: bool = False


def of(function: Function, group: str) -> Right:
    """Return a function with its gradient as they are."""
    multiple = function.primitive.multiple
    return Right(group, function.name, function.value, function.vjp, function.arrays, multiple)


def rights() -> Iterator[Right]:
    """Make every right one."""
    for primitive in rows():
        found = list(small(primitive))
        yield from (of(f, PLAIN) for f in found)
        grown = large(primitive)
        if grown is not None:
            yield of(grown, LARGE)
        yield from (of(f, COMPLEX) for f in complex_ones(primitive))
        for function in found[:2]:
            yield from at_scales(function)
            yield from narrow(function)
            yield from spread(function)
    yield from at_kinks()
    for p in points():
        yield Right(p.group, p.name, p.value, p.vjp, p.arrays)


def at_scales(function: Function) -> Iterator[Right]:
    """Multiply the operands by each scale, where the function and its gradient are finite."""
    for scale in SCALES:
        xs = [np.asarray(x * scale)[()] for x in function.arrays]
        yield from at(function, xs, scaled(scale))


def spread(function: Function) -> Iterator[Right]:
    """Multiply each entry by a scale of its own."""
    generator = np.random.default_rng(crc32(function.name.encode()))
    powers = [10 ** generator.uniform(-4, 4, np.shape(x)) for x in function.arrays]
    xs = [np.asarray(x * p)[()] for x, p in zip(function.arrays, powers, strict=True)]
    yield from at(function, xs, SPREAD)


def at(function: Function, xs: Arrays, group: str) -> Iterator[Right]:
    """Yield a function at other operands, if it can be checked there."""
    twin = replace(function, operands=tuple(function.filled(xs)))
    with suppress(*REFUSALS):
        kink = twin.primitive.kink
        with np.errstate(all="ignore"):
            smooth = kink is None or np.all(kink(*twin.operands))
        if smooth and usable(twin) and determined(twin):
            yield of(twin, group)


def determined(function: Function) -> bool:
    """Whether a change in the last place of the operands leaves the gradient what it is.

    The right gradient of an ill-conditioned function is known to few digits.
    """
    g = function.drawn(0)
    right = function.vjp(g, *function.arrays)
    near = function.vjp(g, *(np.asarray(x * (1 + 4e-16))[()] for x in function.arrays))
    return all(np.allclose(a, b, rtol=1e-7, atol=0) for a, b in zip(right, near, strict=True))


def narrow(function: Function) -> Iterator[Right]:
    """Let the forward compute in float32; its gradient stays exact."""

    def value(*arrays: Any) -> Any:
        y = function.value(*map(rounded, map(np.asarray, arrays)))
        return tuple(map(rounded, y)) if function.primitive.multiple else rounded(y)

    def vjp(g: Any, *arrays: Any) -> Any:
        wide = tuple(map(widened, g)) if function.primitive.multiple else widened(g)
        return function.vjp(wide, *arrays)

    with suppress(*REFUSALS):
        outputs = value(*function.arrays)
        parts = outputs if function.primitive.multiple else (outputs,)
        if all(np.all(np.isfinite(y)) for y in parts):
            right = of(function, NARROW)
            yield replace(right, value=value, vjp=vjp)


def rounded(y: Any) -> Any:
    """Return a result in single precision."""
    return y.astype(np.complex64 if y.dtype.kind == "c" else np.float32)[()]


def widened(g: Any) -> Any:
    """Return a cotangent in double precision."""
    return g.astype(np.complex128 if g.dtype.kind == "c" else np.float64)


# ── kinks and edges ──────────────────────────────────────────────────────────────────────────
ZERO = np.array([0.0, 1.0, -1.5])
TIE = np.array([1.0, 2.0, 2.0, -1.0])
EDGES: dict[str, tuple[Callable[..., Any], Arrays]] = {
    "relu at 0": (am.relu, [ZERO]),
    "abs at 0": (np.abs, [ZERO]),
    "max(x, 0) at 0": (lambda x: np.maximum(x, 0), [ZERO]),
    "maximum of equal": (np.maximum, [TIE, np.array([1.0, 1.0, 2.0, 3.0])]),
    "minimum of equal": (np.minimum, [TIE, np.array([1.0, 1.0, 2.0, 3.0])]),
    "max with ties": (np.max, [TIE]),
    "min with ties": (np.min, [-TIE]),
    "clip at its bounds": (lambda x: np.clip(x, -1.5, 1.0), [ZERO]),
    "sqrt at 0": (np.sqrt, [np.array([0.0, 1.0])]),
    "norm at 0": (np.linalg.norm, [np.zeros(3)]),
    "std of a constant": (np.std, [np.full(4, 1.5)]),
    "x**3 at 0 and below": (lambda x: x**3, [ZERO]),
    "x**2.0 at 0 and below": (lambda x: x**2.0, [ZERO]),
    "x**1.5 at 0": (lambda x: x**1.5, [np.array([0.0, 1.0])]),
    "where with log": (lambda x: np.where(x > 0, np.log(np.where(x > 0, x, 1)), 0), [ZERO[1:]]),
    "prod with a 0": (np.prod, [ZERO]),
    "prod with two 0": (np.prod, [np.array([0.0, 2.0, 0.0])]),
    "cumprod with a 0": (np.cumprod, [np.array([2.0, 0.0, 3.0])]),
    "sinc at 0": (np.sinc, [ZERO]),
    "hypot at 0": (np.hypot, [np.array([0.0, 3.0]), np.array([0.0, 4.0])]),
    "det of rank n − 1": (np.linalg.det, [np.array([[1.0, 2.0], [2.0, 4.0]])]),
    "repeated index": (lambda x: x[np.array([0, 1, 0])], [ZERO]),
    "the same twice": (lambda x: x * x, [ZERO]),
    "trace by equal eigenvalues": (
        lambda x: np.sum(np.linalg.eigvalsh((x + x.T) / 2)), [np.eye(3)],
    ),
    "nuclear norm of the identity": (lambda x: np.sum(np.linalg.svdvals(x)), [np.eye(3)]),
    "median of an even count": (np.median, [np.array([1.0, 4.0, 2.0, 3.0])]),
    "sort": (np.sort, [np.array([3.0, 1.0, 2.0])]),
    "softplus far out": (am.softplus, [np.array([-800.0, -30.0, 0.0, 30.0, 800.0])]),
    "sigmoid far out": (am.sigmoid, [np.array([-800.0, -30.0, 0.0, 30.0, 800.0])]),
    "large constant beside": (lambda x: 1e6 + np.sum(x * 1e-3), [ZERO]),
    "difference of squares": (lambda x: (x + 1e4) ** 2 - x**2, [ZERO]),
    "a gradient of 0": (lambda x: np.sum(x - x), [ZERO]),
}  # fmt: skip
"""Functions at points where a check is easily wrong; the values at kinks are this library's."""


def at_kinks() -> Iterator[Right]:
    """Make the right ones at kinks and edges, with the recorded gradient."""
    for name, (f, xs) in EDGES.items():
        yield edge(name, f, xs)


def edge(name: str, f: Callable[..., Any], xs: Arrays) -> Right:
    """Make a right one of a function of tensors."""

    def value(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(f(*arrays))[()]

    def vjp(g: Any, *arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return tuple(np.asarray(c) for c in am.vjp(f, *arrays)[1](g))

    return Right(KINKS, name, value, vjp, xs)
