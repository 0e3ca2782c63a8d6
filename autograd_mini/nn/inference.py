"""Using a model: `predict` and `evaluate`, in evaluation mode and without recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError, OperandError
from ..operation import no_grad, value_of
from .arguments import whole
from .data import batches, model_dtype, pair, samples
from .losses import Loss
from .metrics import Metric, Metrics, loss_of, metrics_of

if TYPE_CHECKING:
    from .module import Module


def predict(model: Module, x: Any, batch_size: int | None = None) -> Any:
    """Return the model's output for samples along the first axis, as a NumPy array.

    Nothing is recorded, Dropout passes everything on, and the modes are restored.

    Args:
        model: any module that takes one argument and returns one tensor.
        x: inputs, (n, …); floating-point ones are cast to the model's dtype.
        batch_size: how many samples at a time, for less memory; None takes all at once.
    """
    xs = samples(x, model_dtype(model), "x")
    size = max(len(xs), 1) if batch_size is None else whole("batch_size", batch_size, 1)
    with modes_kept(model), no_grad():
        model.eval()
        if size >= len(xs):
            return output_of(model, xs)
        parts = [output_of(model, xs[part]) for part in batches(len(xs), size, None)]
    return np.concatenate(parts)


def output_of(model: Module, x: Any) -> Any:
    """Call the model and return its output's array.

    Raises:
        OperandError: if it returns something else than one tensor or array.
    """
    y = value_of(model(x))
    if not isinstance(y, np.ndarray | np.generic):
        raise OperandError(
            f"{type(model).__name__} returned {type(y).__name__}; predict expects one tensor. "
            "Call the model itself, inside `with am.no_grad():`, for other outputs"
        )
    return y


def evaluate(
    model: Module,
    x: Any,
    y: Any,
    *,
    loss: str | Loss = "mse",
    metrics: Metrics = (),
    batch_size: int | None = None,
) -> dict[str, float]:
    """Return the loss and the metrics of the predictions for x against y, by name.

    Raises:
        ShapeError, ArgumentError, NonFiniteError: as `fit` does.

    >>> import numpy as np
    >>> from autograd_mini.nn import Dense
    >>> Dense(1, 1, seed=0).evaluate(np.zeros((3, 1)), np.ones((3, 1)))
    {'loss': 1.0}
    """
    compute = loss_of(loss)
    xs, ys = pair(x, y, model_dtype(model))
    return measure(model, xs, ys, compute, metrics_of(metrics, compute), batch_size)


def measure(
    model: Module,
    x: Any,
    y: Any,
    loss: Loss,
    metrics: Mapping[str, Metric],
    batch_size: int | None,
) -> dict[str, float]:
    """Evaluate on data that were checked."""
    prediction = predict(model, x, batch_size)
    with no_grad():
        values = {"loss": value_of(loss(prediction, y))}
    values |= measured(metrics, prediction, y)
    return {name: number(name, value) for name, value in values.items()}


def measured(metrics: Mapping[str, Metric], prediction: Any, target: Any) -> dict[str, Any]:
    """Call the metrics."""
    return {name: metric(prediction, target) for name, metric in metrics.items()}


def number(name: str, value: Any) -> float:
    """Return what a loss or metric returned as a float.

    Raises:
        ArgumentError: if it is no single number.
    """
    plain = value_of(value)
    if np.size(plain) != 1:
        raise ArgumentError(
            f"{name} has shape {np.shape(plain)}; expected one number, as a mean over the samples"
        )
    return float(np.asarray(plain).item())


@contextmanager
def modes_kept(model: Module) -> Iterator[None]:
    """Restore the mode of each module after the block."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
