"""What an optimizer is given, as a list of parameters; and their gradients, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.arrays import as_array
from ..core.extraction import describe, refuse_in_a_program
from ..core.tensor import Tensor
from ..errors import ArgumentError, OperandError, ShapeError


def collect(parameters: Any) -> tuple[Tensor, ...]:
    """Return the parameters of a model, of an iterable, or one tensor; duplicates once.

    Raises:
        OperandError: for anything that is no tensor.
        ArgumentError: for none at all, results of operations, tensors without a gradient.
    """
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    elif callable(getattr(parameters, "parameters", None)):
        parameters = parameters.parameters()
    if not isinstance(parameters, Iterable):
        raise OperandError(
            f"expected a model or an iterable of parameters, got {type(parameters).__name__}"
        )
    unique: dict[int, Tensor] = {}
    for position, p in enumerate(parameters):
        if not isinstance(p, Tensor):
            raise OperandError(
                f"parameter {position} is {type(p).__name__} {p!r:.60}; expected tensors made by "
                "am.tensor(…, requires_grad=True)"
            )
        if not p.is_leaf or not p.requires_grad:
            why = "does not require a gradient" if p.is_leaf else "is the result of an operation"
            raise ArgumentError(
                f"parameter {position}, {describe(p)}, {why}; only leaves made by "
                "am.tensor(…, requires_grad=True) can be trained"
            )
        unique[p.serial] = p
    if not unique:
        raise ArgumentError(
            "no parameters: the iterable is empty (a generator that was already used?), or the "
            "model has no tensor that requires a gradient"
        )
    return tuple(unique.values())


def gradient_of(parameter: Tensor) -> Any:
    """Return the gradient of a parameter as an array of its shape and dtype.

    Raises:
        ShapeError: if somebody put a gradient of another shape there.
        UnsupportedError: if a function is compiled that does not compute it.
    """
    given = parameter.grad
    if not isinstance(given, Tensor):
        refuse_in_a_program(
            f"the gradient of {describe(parameter)}, which was there before the call,",
            "call backward() in the compiled function, too",
        )
    g = given if isinstance(given, Tensor) else as_array(given)
    if g.shape != parameter.shape:
        raise ShapeError(
            f"the gradient of {describe(parameter)} has shape {g.shape}; expected "
            f"{parameter.shape}. Nothing was updated"
        )
    if not np.can_cast(g.dtype, parameter.dtype, "same_kind"):
        raise OperandError(
            f"the gradient of {describe(parameter)} is {g.dtype}; expected {parameter.dtype}. "
            "Nothing was updated"
        )
    return g if g.dtype == parameter.dtype else g.astype(parameter.dtype)
