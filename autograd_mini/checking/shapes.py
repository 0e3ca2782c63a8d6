"""Why the shape of a cotangent does not fit its input."""

from __future__ import annotations

from collections.abc import Sequence

from .causes import Cause, Kind

Shape = tuple[int, ...]


def fit_cause(what: str, name: str, got: Shape, expected: Shape, outputs: Sequence[Shape]) -> Cause:
    """Return the cause for a cotangent of the wrong shape.

    >>> print(fit_cause("vjp returned", "b", (3, 4), (4,), [(3, 4)]))
    vjp returned shape (3, 4) for b; expected (4,): it is not summed over the broadcast axis 0
    """
    text = f"{what} shape {got} for {name}; expected {expected}"
    axes = broadcast_axes(got, expected)
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


def broadcast_axes(got: Shape, expected: Shape) -> tuple[int, ...]:
    """Return the axes whose sum gives the expected shape, empty if none do."""
    extra = len(got) - len(expected)
    if extra < 0:
        return ()
    padded = (1,) * extra + expected
    axes = [i for i, (a, b) in enumerate(zip(got, padded, strict=True)) if a != b]
    if any(padded[i] != 1 for i in axes):
        return ()
    return tuple(sorted({*range(extra), *axes}))
