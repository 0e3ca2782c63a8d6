"""Causes: explain a wrong gradient to the person who will fix it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ..core.visible import show_text

Shape = tuple[int, ...]


class Kind(StrEnum):
    """What kind of mistake explains a wrong gradient."""

    SIGN = "sign"
    """The sign is flipped."""
    FACTOR = "factor"
    """Every entry is off by one constant factor."""
    ZERO = "zero"
    """The gradient is 0 where the derivative is not: a part is missing."""
    TERM = "term"
    """A term is missing or extra, or there is a factor that is not constant."""
    TRANSPOSED = "transposed"
    """The axes are in another order."""
    MOVED = "moved"
    """The entries are reversed or shifted along an axis."""
    SUM = "sum"
    """Not summed over a broadcast axis, or averaged instead."""
    SWAPPED = "swapped"
    """The gradients of two inputs are exchanged."""
    COTANGENT = "cotangent"
    """The cotangent of the result is ignored, or does not enter linearly."""
    CONJUGATED = "conjugated"
    """The complex conjugate of the gradient."""
    MUTATION = "mutation"
    """An argument is changed in place."""
    NOT_DETERMINISTIC = "not deterministic"
    """A second call gives a different result."""
    SHAPE = "shape"
    """The number or shape of the cotangents does not fit the inputs."""
    DTYPE = "dtype"
    """The dtype of a cotangent does not fit its input."""
    NOT_FINITE = "not finite"
    """NaN or infinity where the function is smooth."""
    PRECISION = "precision"
    """Right but for rounding to a narrower dtype."""
    FORWARD = "forward mode"
    """Forward and reverse mode disagree."""
    SECOND_ORDER = "second order"
    """Right at first order, wrong when differentiated again."""
    TIE = "tie"
    """The values of tied entries, such as equal entries of a maximum, do not add up."""
    DOMAIN = "domain"
    """The point cannot be checked: the function or an input is not finite there."""
    UNKNOWN = "unknown"
    """No pattern was found."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a gradient is wrong.

    Attributes:
        kind: of the mistake.
        text: the cause, in one sentence.
        input: the name of the input, None for all or for the function itself.
        condition: where it holds, such as `x < 0` or `x[3]`; empty for everywhere.
        factor: the constant, for a factor.
    """

    kind: Kind
    text: str
    input: str | None = None
    condition: str = ""
    factor: float | None = None

    def __str__(self) -> str:
        return show_text(self.text)

    def to_dict(self) -> dict[str, object]:
        """Return the cause as plain Python values."""
        return {
            "kind": str(self.kind),
            "text": self.text,
            "input": self.input,
            "condition": self.condition,
            "factor": self.factor,
        }


class Problem(Exception):
    """The function or gradient as a whole cannot pass; the check ends with this cause."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.text)
        self.cause = cause


def problem(kind: Kind, text: str, name: str | None = None) -> Problem:
    """Make a problem from its kind and text; `name` is the name of the input."""
    return Problem(Cause(kind, text, name))


def fit_cause(what: str, name: str, got: Shape, expected: Shape, outputs: Sequence[Shape]) -> Cause:
    """Explain a cotangent of the wrong shape.

    >>> print(fit_cause("vjp returned", "b", (3, 4), (4,), [(3, 4)]))
    vjp returned shape (3, 4) for b; expected (4,): it is not summed over the broadcast axis 0
    """
    text = f"{what} shape {got} for {name}; expected {expected}"
    axes = _broadcast_axes(got, expected)
    if axes:
        plural = "axes" if len(axes) > 1 else "axis"
        listed = ", ".join(map(str, axes))
        return Cause(
            Kind.SUM, f"{text}: it is not summed over the broadcast {plural} {listed}", name
        )
    if len(got) == len(expected) and sorted(got) == sorted(expected):
        how = "transposed" if got == expected[::-1] else "has its axes in another order"
        return Cause(Kind.TRANSPOSED, f"{text}: it is {how}".replace("is has", "has"), name)
    if got in outputs:
        return Cause(Kind.SHAPE, f"{text}: it has the shape of a result", name)
    return Cause(Kind.SHAPE, text, name)


def _broadcast_axes(got: Shape, expected: Shape) -> tuple[int, ...]:
    """Return the axes to sum over to get the expected shape; empty if there are none."""
    extra = len(got) - len(expected)
    if extra < 0:
        return ()
    padded = (1,) * extra + expected
    axes = [i for i, (a, b) in enumerate(zip(got, padded, strict=True)) if a != b]
    if any(padded[i] != 1 for i in axes):
        return ()
    return tuple(sorted({*range(extra), *axes}))
