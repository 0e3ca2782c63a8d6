"""Convolution and correlation of two sequences.

The primitive takes the longer sequence first, and mode "full" or "valid": each is the transpose of
the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.arrays import Array
from ..core.primitive import Primitive, case, implements, multilinear
from ..errors import ArgumentError, ShapeError
from .products import conjugate_if_complex, tensor_like

if TYPE_CHECKING:
    from ..core.tensor import Tensor

OPPOSITE = {"full": "valid", "valid": "full"}


def _convolve_long(g: Array, y: Array, a: Array, v: Array, *, mode: str) -> Array:
    """∂a: the other mode of g and the reversed v."""
    if mode == "valid" and g.shape < v.shape:
        return convolve_(v[::-1], g, mode="full")
    return convolve_(g, v[::-1], mode=OPPOSITE[mode])


def _convolve_short(g: Array, y: Array, a: Array, v: Array, *, mode: str) -> Array:
    """∂v: where a and g overlap in full, the shorter one reversed."""
    if mode == "full":
        return convolve_(g, a[::-1], mode="valid")
    return convolve_(a, g[::-1], mode="valid")[::-1]


convolve_: Primitive = multilinear(
    np.convolve,
    "conv",
    "Convolution of a with the shorter v.  ∂a: g ∗ reversed v  ∂v: g ∗ reversed a",
    name="convolve",
    vjp=(_convolve_long, _convolve_short),
    samples=(
        case((5,), (3,), mode="full"),
        case((5,), (4,), mode="valid"),
        case((3,), (3,), mode="valid"),
        case((4,), (1,), mode="full"),
    ),
    params=("mode",),
)


def _sequence(name: str, x: Any) -> Any:
    """Return an operand that has one axis and some elements.

    Raises:
        ShapeError: if it has not.
    """
    x = tensor_like(x)
    if x.ndim != 1 or not x.size:
        raise ShapeError(f"{name}: expected sequences with one axis, not empty, got {x.shape}")
    return x


def middle(full: Any, long: int, short: int) -> Any:
    """Return the part of a full convolution where NumPy's mode "same" lies."""
    start = (short - 1) // 2
    return full[start : start + long]


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Tensor:
    """Sum aᵢ·vₖ₋ᵢ for each k; "same" keeps the longer length, "valid" where both overlap in full.

    ∂a: g ∗ reversed v  ∂v: g ∗ reversed a.
    """
    _check_mode("convolve", mode)
    a, v = (_sequence("convolve", np.atleast_1d(tensor_like(x))) for x in (a, v))
    if a.size < v.size:
        a, v = v, a
    if mode == "same":
        return middle(convolve_(a, v, mode="full"), a.size, v.size)
    return convolve_(a, v, mode=mode)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """Sum aₖ₊ᵢ·v̄ᵢ for each k: the convolution with the reversed v.  ∂a: g ∗ v  ∂v: g ∗ a."""
    _check_mode("correlate", mode)
    a, v = _sequence("correlate", a), conjugate_if_complex(_sequence("correlate", v))
    if a.size < v.size:
        return convolve(v, a[::-1], mode)[::-1]
    return convolve(a, v[::-1], mode)


def _check_mode(name: str, mode: str) -> None:
    """Check the name of a mode.

    Raises:
        ArgumentError: if there is none of this name.
    """
    if mode not in ("full", "same", "valid"):
        raise ArgumentError(f"{name}: mode {mode!r} is not known; expected 'full', 'same', 'valid'")
