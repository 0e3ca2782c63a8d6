"""Hard points: gradients that cancel, narrow features, any units, float32 inside, ties.

Each function has its right gradient and some that are wrong; both tables have a row for each group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograd_mini.checking.report import Kind

from .changes import simple
from .functions import Arrays, Vjp
from .mistakes import Mistake

CANCELLED = "gradients that cancel to 0"
NARROW = "features of 1e-9 to 1e-6"
UNITS = "units from 1e-30 to 1e30"
INSIDE = "float32 inside, float64 out"
TIES = "ties of a maximum"
HARD = (CANCELLED, NARROW, UNITS, INSIDE, TIES)
"""The groups, in the order of the tables."""


@dataclass(frozen=True, slots=True)
class Point:
    """A function at a hard point: `value(*arrays)` and `vjp(g, *arrays)`, with wrong ones.

    Attributes:
        wrong: by a name: the kind that a right cause has, and the wrong gradient.
    """

    group: str
    name: str
    value: Callable[..., Any]
    vjp: Vjp
    arrays: Arrays
    wrong: dict[str, tuple[Kind, Vjp]]

    @property
    def function(self) -> Any:
        """What the checkers ask a mutant's function for."""
        primitive = SimpleNamespace(multiple=False)
        return SimpleNamespace(value=self.value, arrays=self.arrays, primitive=primitive)


def mistake_of(group: str) -> Mistake:
    """Return the mistake under which wrong ones of a group are counted."""
    return Mistake(f"wrong: {group}", Kind.UNKNOWN, simple(lambda c: c), always=True)


HARD_MISTAKES = {group: mistake_of(group) for group in HARD if group != CANCELLED}
"""There is no wrong gradient worth a name where the right one is 0 but for rounding."""


def quiet(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does not warn of overflow, which belongs to these points."""

    def call(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(f(*arrays))[()]

    return call


def elementwise(
    group: str,
    name: str,
    value: Callable[[Any], Any],
    slope: Callable[[Any], Any],
    x: Any,
    factors: dict[str, tuple[Kind, float]],
) -> Point:
    """Make a point of an elementwise function, and wrong ones by factors."""

    def times(factor: float) -> Vjp:
        return quiet_vjp(lambda g, x: (factor * g * slope(x),))

    wrong = {label: (kind, times(factor)) for label, (kind, factor) in factors.items()}
    return Point(group, name, quiet(value), times(1.0), [np.asarray(x)], wrong)


def quiet_vjp(vjp: Vjp) -> Vjp:
    """Return a gradient that does not warn, of arrays."""

    def call(g: Any, *arrays: Any) -> tuple[Any, ...]:
        with np.errstate(all="ignore"):
            return tuple(np.asarray(c)[()] for c in vjp(g, *arrays))

    return call


def of_scalar(
    group: str,
    name: str,
    value: Callable[..., Any],
    gradient: Callable[..., Any],
    x: Any,
    wrong: dict[str, tuple[Kind, Callable[[Any], Any]]],
) -> Point:
    """Make a point of a function of one array that returns a number."""

    def rule(of: Callable[[Any], Any]) -> Vjp:
        return quiet_vjp(lambda g, x: (g * of(x),))

    wrongs = {label: (kind, rule(of)) for label, (kind, of) in wrong.items()}
    return Point(group, name, quiet(value), rule(gradient), [np.asarray(x)], wrongs)


ALL = {"0": (Kind.ZERO, 0.0), "sign": (Kind.SIGN, -1.0), "1 %": (Kind.FACTOR, 1.01)}
RNG = np.random.default_rng(0)
DATA, TARGETS = RNG.normal(size=(20, 4)), RNG.normal(size=20)
SOLUTION = np.linalg.lstsq(DATA, TARGETS, rcond=None)[0]
SHARES = RNG.dirichlet(np.ones(5))


def points() -> Iterator[Point]:
    """Make all of them."""
    yield from cancelled()
    yield from narrow()
    yield from in_units()
    yield from inside()
    yield from ties()


def cancelled() -> Iterator[Point]:
    """Right gradients that are 0 but for rounding."""

    def norm(x: Any, axis: int) -> Any:
        centred = x - x.mean(axis, keepdims=True)
        return np.sum(centred / np.sqrt(x.var(axis, keepdims=True) + 1e-5))

    def divergence(z: Any) -> Any:
        q = np.exp(z - np.max(z))
        return np.sum(SHARES * (np.log(SHARES) - np.log(q / np.sum(q))))

    def softmax_gap(z: Any) -> Any:
        q = np.exp(z - np.max(z))
        return q / np.sum(q) - SHARES

    def squares(w: Any) -> Any:
        return np.sum((DATA @ w - TARGETS) ** 2)

    x = RNG.normal(size=(6, 4))
    zero = np.zeros_like
    rows = {
        "sum of a layer norm": (lambda x: norm(x, 1), zero, x),
        "sum of a batch norm": (lambda x: norm(x, 0), zero, x),
        "sin² + cos²": (lambda x: np.sum(np.sin(x) ** 2 + np.cos(x) ** 2), zero, x),
        "least squares at the solution": (
            squares, lambda w: 2 * DATA.T @ (DATA @ w - TARGETS), SOLUTION,
        ),
        "divergence at its target": (divergence, softmax_gap, np.log(SHARES)),
        "sum of a softmax": (lambda z: np.sum(np.exp(z) / np.sum(np.exp(z))), zero, x[0]),
    }  # fmt: skip
    for name, (value, gradient, at) in rows.items():
        yield of_scalar(CANCELLED, name, value, gradient, at, {})


def narrow() -> Iterator[Point]:
    """Functions that change within far less than usual steps."""
    for width in (1e-9, 1e-8, 1e-7, 1e-6):

        def bell(x: Any, w: float = width) -> Any:
            return np.exp(-((x / w) ** 2))

        def slope(x: Any, w: float = width) -> Any:
            return -2 * x / w**2 * np.exp(-((x / w) ** 2))

        def odd(x: Any, w: float = width) -> Any:
            return (x - 1) * np.exp(-(((x - 1) / w) ** 2))

        at = width * np.linspace(0.2, 1.4, 7)
        yield elementwise(NARROW, f"bells of width {width:g}", bell, slope, at, ALL)
        ones = elementwise(NARROW, f"odd bells at 1, {width:g}", odd, np.ones_like, np.ones(7), ALL)
        if width > 1e-8:
            yield ones
        yield elementwise(
            NARROW, f"steep, {width:g}", lambda x, w=width: np.exp(x / w),
            lambda x, w=width: np.exp(x / w) / w, width * np.linspace(-1, 1, 6), ALL,
        )  # fmt: skip


def in_units() -> Iterator[Point]:
    """Inputs, or results, in units of any size."""
    x = np.linspace(0.3, 2.0, 6)
    for power in (-30, -20, -10, 10, 20, 30):
        u = 10.0**power
        yield elementwise(
            UNITS, f"sin(x/u), u = {u:g}", lambda x, u=u: np.sin(x / u),
            lambda x, u=u: np.cos(x / u) / u, u * x, ALL,
        )  # fmt: skip
        yield elementwise(
            UNITS, f"u·sin(x), u = {u:g}", lambda x, u=u: u * np.sin(x),
            lambda x, u=u: u * np.cos(x), x, ALL,
        )  # fmt: skip
        yield elementwise(
            UNITS, f"u·exp(−x/u), u = {u:g}", lambda x, u=u: u * np.exp(-x / u),
            lambda x, u=u: -np.exp(-x / u), u * x, ALL,
        )  # fmt: skip


def inside() -> Iterator[Point]:
    """Functions that round to float32 inside and return float64."""
    single = np.float32
    x = RNG.normal(size=8)
    w = RNG.normal(size=(8, 3))

    def layer(x: Any) -> Any:
        return float(np.sum(np.tanh(x.astype(single) @ w.astype(single)) ** 2)) / 7

    def layer_gradient(x: Any) -> Any:
        z = np.tanh(x @ w)
        return w @ (2 * z * (1 - z**2)) / 7

    rows = {
        "sum of sines": (lambda x: float(np.sum(np.sin(x.astype(single)))), np.cos),
        "mean of squares": (
            lambda x: float(np.mean((x.astype(single) * single(3) - 1) ** 2)),
            lambda x: 6 * (3 * x - 1) / x.size,
        ),
        "layer": (layer, layer_gradient),
    }
    for name, (value, gradient) in rows.items():
        flipped = {"sign": (Kind.SIGN, lambda x, of=gradient: -of(x))}
        yield of_scalar(INSIDE, name, value, gradient, x, flipped)


def ties() -> Iterator[Point]:
    """Equal entries of a maximum: one has the gradient, or each a share."""
    equal = np.array([1.0, 3.0, 3.0, 2.0, 3.0])

    def highest(x: Any) -> Any:
        return 1.0 * (x == np.max(x))

    wrong = {"all": (Kind.TIE, highest), "none": (Kind.TIE, np.zeros_like)}
    rows = {
        "first": lambda x: np.arange(x.size) == np.argmax(x),
        "shared": lambda x: highest(x) / np.sum(highest(x)),
    }
    for name, gradient in rows.items():
        yield of_scalar(TIES, f"max, {name}", np.max, gradient, equal, wrong)
    a, b = np.array([1.0, 2.0, -1.0]), np.array([1.0, 0.0, -1.0])
    both = quiet_vjp(lambda g, a, b: (g * (a >= b), g * (b >= a)))
    neither = quiet_vjp(lambda g, a, b: (g * (a > b), g * (b > a)))
    first = quiet_vjp(lambda g, a, b: (g * (a >= b), g * (b > a)))
    wrongs = {"both": (Kind.TIE, both), "neither": (Kind.TIE, neither)}
    yield Point(TIES, "maximum of two", quiet(np.maximum), first, [a, b], wrongs)
