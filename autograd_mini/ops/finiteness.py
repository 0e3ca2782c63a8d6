"""Refusing NaN and infinity while a program runs."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from ..core.primitive import nonlinear
from ..core.record import context, record
from ..errors import NonFiniteError


def refuse_nonfinite(*xs: Any, what: str) -> Any:
    """Return True, or raise if a number is NaN or infinite."""
    for x in xs:
        # The sum first: 1.3 µs instead of 2.2; only if it overflowed are elements looked at.
        if not math.isfinite(np.add.reduce(x, axis=None)) and not np.isfinite(x).all():
            raise NonFiniteError(f"{what} has NaN or infinity")
    return np.True_


finite: Final = nonlinear(
    refuse_nonfinite,
    "finite?",
    "True; an error if a number is NaN or infinite.  No gradient",
    name="finite",
    vjp=None,
    samples=(),
    params=("what",),
    effect=True,
)


def require_finite(what: str, *xs: Any) -> None:
    """Raise NonFiniteError if a number is NaN or infinite, also when a program is replayed."""
    (context.get()[0] or record)(finite, xs, {"what": what})
