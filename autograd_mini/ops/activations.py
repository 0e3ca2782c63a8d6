"""Activations: sigmoid, softplus, relu; softmax and logsumexp, made of other primitives."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.arrays import Array, Numbers, scalar_if_0d
from ..core.primitive import elementwise, implements
from ..core.record import check_operand, scope
from ..core.table import Axis
from .conversion import convert_operand, stop_gradient
from .reductions import max, sum


def _real_only(x: Any) -> None:
    """Refuse complex numbers: the formulas below need an order."""
    if np.iscomplexobj(x):
        raise TypeError("it is defined for real numbers; write 1 / (1 + np.exp(-z)) for complex z")


def _stable_sigmoid(x: Any) -> Array:
    """Compute 1/(1 + e⁻ˣ) without overflow and with full precision in both tails."""
    _real_only(x)
    small = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), 1, small) / (1 + small)


def _stable_softplus(x: Array) -> Array:
    """Compute ln(1 + eˣ) without overflow."""
    _real_only(x)
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


sigmoid = elementwise(
    _stable_sigmoid,
    "σ",
    "Logistic sigmoid 1/(1 + e⁻ˣ).  ∂x: y·(1 − y)",
    name="sigmoid",
    vjp=(lambda g, y, x: g * (y * (1 - y)),),
)
softplus = elementwise(
    _stable_softplus,
    "softplus",
    "ln(1 + eˣ), computed without overflow.  ∂x: σ(x)",
    name="softplus",
    vjp=(lambda g, y, x: g * sigmoid(x),),
)
relu = elementwise(
    lambda x: np.maximum(x, 0),
    "relu",
    "max(x, 0).  ∂x: 1 where x > 0, 0 at 0 and below",
    name="relu",
    vjp=(lambda g, y, x: g * (x > 0),),
    kink=lambda x: x,
)


def shift(x: Numbers, axis: Axis) -> Array:
    """Return the maximum over an axis, made finite, as a constant: what makes exp safe."""
    highest = max(stop_gradient(x), axis=axis, keepdims=True)
    if highest.dtype.kind != "f":
        return highest
    largest = float(np.finfo(highest.dtype).max)
    return np.maximum(np.minimum(highest, largest), -largest)


@implements("logsumexp")
@scope("logsumexp")
def logsumexp(x: Numbers, axis: Axis = None, keepdims: bool = False) -> Any:
    """Compute ln Σ eˣ over `axis` without overflow.  ∂x: g·eˣ⁻ʸ, the softmax.

    >>> float(logsumexp([1000.0, 1000.0]).round(4))
    1000.6931
    """
    x = check_operand(x)
    x = convert_operand(x, float) if getattr(x, "dtype", np.dtype(type(x))).kind in "biu" else x
    highest = shift(x, axis)
    total = np.log(sum(np.exp(x - highest), axis=axis, keepdims=True)) + highest
    return total if keepdims else scalar_if_0d(np.squeeze(total, axis=axis))


@implements("softmax")
@scope("softmax")
def softmax(x: Numbers, axis: Axis = -1) -> Any:
    """Compute eˣ / Σ eˣ over `axis`: positive numbers that sum to 1.  ∂x: y·(g − Σ y·g).

    >>> softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    x = check_operand(x)
    weights = np.exp(x - shift(x, axis))
    return weights / sum(weights, axis=axis, keepdims=True)


@implements("log_softmax")
@scope("log_softmax")
def log_softmax(x: Numbers, axis: Axis = -1) -> Any:
    """Compute x − ln Σ eˣ over `axis`, the logarithm of the softmax.  ∂x: g − eʸ·Σ g."""
    x = check_operand(x)
    shifted = x - shift(x, axis)
    return shifted - np.log(sum(np.exp(shifted), axis=axis, keepdims=True))
