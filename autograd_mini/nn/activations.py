"""Activations by name, and the initial weights that suit them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from ..core.primitive import Primitive
from ..errors import ArgumentError
from ..ops.activations import relu, sigmoid, softmax, softplus
from ..ops.elementary import tanh

Activation = str | Callable[[Any], Any] | None

ACTIVATIONS: Final[dict[str | None, Callable[[Any], Any] | None]] = {
    None: None,
    "linear": None,
    "tanh": tanh.call,
    "sigmoid": sigmoid.call,
    "relu": relu.call,
    "softplus": softplus.call,
    "softmax": softmax,
}
HE: Final = frozenset({"relu", "softplus"})


def function_of(activation: Activation) -> Callable[[Any], Any] | None:
    """Return the function of an activation, None for a linear one.

    Raises:
        ArgumentError: for an unknown name.
    """
    try:
        return ACTIVATIONS[activation]  # type: ignore[index]  # a function is no key: below
    except (KeyError, TypeError):
        if callable(activation):
            return activation
    known = ", ".join(str(name) for name in ACTIVATIONS if name)
    raise ArgumentError(
        f"unknown activation {activation!r}; expected one of {known}, None or a function of a "
        "tensor"
    )


def name_of(activation: Activation) -> str:
    """Return how a table writes an activation: "relu" for `am.relu` too."""
    if activation is None:
        return "linear"
    if isinstance(activation, str):
        return activation
    if isinstance(activation, Primitive):
        return activation.name
    return getattr(activation, "__name__", type(activation).__name__)


def initial_weight(
    inputs: int, outputs: int, activation: Activation, rng: np.random.Generator, dtype: Any
) -> Any:
    """Draw a weight of shape (inputs, outputs).

    For relu and softplus, by name or as `am.relu`: normal with standard deviation √(2 / inputs)
    (He et al. 2015, equation 10). For all others: uniform in ±√(6 / (inputs + outputs)) (Glorot &
    Bengio 2010, equation 16).
    The numbers are drawn in float64, so a float32 model starts from the same ones, rounded.
    """
    size = (inputs, outputs)
    if name_of(activation) in HE:
        weight = rng.normal(0.0, np.sqrt(2 / max(inputs, 1)), size)
    else:
        bound = np.sqrt(6 / max(inputs + outputs, 1))
        weight = rng.uniform(-bound, bound, size)
    return weight.astype(dtype)
