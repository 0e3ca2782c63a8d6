"""Losses: mse, binary and categorical cross-entropy from logits, hinge.

Each runs in a scope of its name and reduces by "mean", "sum" or "none". A target that is no tensor
is taken in the prediction's dtype. Shapes must match: (n, 1) against (n,) would broadcast to
(n, n) in NumPy, and the loss would be a wrong number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np

from ..arrays import as_array
from ..errors import ArgumentError, OperandError, ShapeError
from ..operation import scope, value_of
from ..ops.activations import logsumexp, relu, softplus
from ..ops.reductions import mean
from ..ops.reductions import sum as total
from ..tensors import Tensor

Loss = Callable[[Any, Any], Any]
Reduction = Literal["mean", "sum", "none"]

REDUCTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "mean": mean,
    "sum": total,
    "none": lambda x: x,
}
SUM_TOLERANCE: Final = 1e-2
"""How far from 1 a row of probabilities may sum: float16 of a thousand classes passes."""


@scope("mse")
def mse(prediction: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Compute the mean squared error (prediction − target)².

    Raises:
        ShapeError: if the shapes differ.

    >>> float(mse([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    prediction, target = matched("mse", prediction, target)
    error = prediction - target
    return reduced(error * error, reduction)


@scope("binary_cross_entropy")
def binary_cross_entropy(logits: Any, target: Any, reduction: Reduction = "mean") -> Any:
    """Compute −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) as softplus(z) − t·z, which cannot overflow.

    Args:
        logits: z, before the sigmoid.
        target: t, 0 or 1 or a probability between them, of the same shape.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes differ.
        ArgumentError: for a target outside [0, 1].

    >>> round(float(binary_cross_entropy([0.0], [1])), 6)
    0.693147
    """
    logits, target = matched("binary_cross_entropy", logits, target)
    values = value_of(target)
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        odd = values[~((values >= 0) & (values <= 1))].flat[0] if values.ndim else values
        raise ArgumentError(
            f"binary_cross_entropy: the target has {odd:g}; expected 0, 1 or a probability. Labels "
            "−1 and 1 become 0 and 1 by (y + 1) / 2"
        )
    return reduced(softplus(logits) - target * logits, reduction)


@scope("cross_entropy")
def cross_entropy(logits: Any, labels: Any, reduction: Reduction = "mean") -> Any:
    """Compute −ln softmax(z)[label] as ln Σ eᶻ − z[label], over the last axis.

    Args:
        logits: (…, classes), before the softmax.
        labels: integers from 0 of shape (…), or probabilities (one-hot rows) of shape
            (…, classes).
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes do not fit.
        ArgumentError: for a label outside 0 … classes − 1, for rows that are no probabilities.
        OperandError: for labels that are neither.

    >>> round(float(cross_entropy([[0.0, 0.0]], [1])), 6)
    0.693147
    """
    logits = logits if isinstance(logits, Tensor) else as_array(logits)
    labels = labels if isinstance(labels, Tensor) else as_array(labels)
    if not logits.ndim:
        raise ShapeError("cross_entropy: logits are a scalar; expected shape (…, classes)")
    if labels.shape == logits.shape:
        weights = probabilities(labels, logits.dtype)
        return reduced(logsumexp(logits, axis=-1) - total(weights * logits, axis=-1), reduction)
    if labels.shape != logits.shape[:-1]:
        raise ShapeError(
            f"cross_entropy: labels have shape {labels.shape} and logits {logits.shape}; expected "
            f"integer labels of shape {logits.shape[:-1]}, or probabilities of {logits.shape}"
        )
    index = class_numbers(value_of(labels), logits.shape[-1])
    if logits.ndim > 1:
        grid = np.ogrid[tuple(slice(n) for n in index.shape)]
        chosen = logits[(*grid, index)]
    else:
        chosen = logits[int(index)]
    return reduced(logsumexp(logits, axis=-1) - chosen, reduction)


@scope("hinge")
def hinge(scores: Any, labels: Any, reduction: Reduction = "mean") -> Any:
    """Compute max(0, 1 − label·score), the loss of a linear support vector machine.

    Args:
        scores: the signed distances.
        labels: −1 or 1, of the same shape.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes differ.
        ArgumentError: for other labels.

    >>> float(hinge([2.0, 0.5], [1, -1]))
    0.75
    """
    scores, labels = matched("hinge", scores, labels)
    values = np.asarray(value_of(labels))
    if not (np.abs(values) == 1).all():
        odd = values[np.abs(values) != 1].flat[0]
        raise ArgumentError(
            f"hinge: the labels have {odd:g}; expected −1 and 1. Labels 0 and 1 become those by "
            "2 * y - 1"
        )
    return reduced(relu(1 - labels * scores), reduction)


LOSSES: Final[dict[str, Loss]] = {
    "mse": mse,
    "binary_cross_entropy": binary_cross_entropy,
    "cross_entropy": cross_entropy,
    "hinge": hinge,
}


def matched(name: str, prediction: Any, target: Any) -> tuple[Any, Any]:
    """Return both as tensors or arrays of equal shape, a plain target in the prediction's dtype.

    Raises:
        ShapeError: if the shapes differ.
    """
    if not isinstance(prediction, Tensor):
        prediction = as_array(prediction)
        if prediction.dtype.kind != "f":
            prediction = prediction.astype(float)
    if not isinstance(target, Tensor):
        target = as_array(target)
        if target.dtype != prediction.dtype and target.dtype.kind in "biuf":
            target = target.astype(prediction.dtype)
    if prediction.shape == target.shape:
        return prediction, target
    cure = "give them the same shape"
    if prediction.size == target.size:
        cure = f"reshape the target: target.reshape({prediction.shape})"
    raise ShapeError(
        f"{name}: the prediction has shape {prediction.shape} and the target {target.shape}; {cure}"
    )


def class_numbers(labels: Any, classes: int) -> Any:
    """Return labels as integers that are classes.

    Raises:
        OperandError: for labels of another kind.
        ArgumentError: for a label outside 0 … classes − 1.
    """
    if labels.dtype.kind not in "iu":
        raise OperandError(
            f"cross_entropy: labels are {labels.dtype}; expected integers from 0 to {classes - 1}: "
            "labels.astype(int)"
        )
    labels = np.asarray(labels)
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        odd = labels[(labels < 0) | (labels >= classes)].flat[0]
        raise ArgumentError(
            f"cross_entropy: the labels have {odd}; the logits have {classes} classes, so expected "
            f"0 to {classes - 1}"
        )
    return labels


def probabilities(labels: Any, dtype: Any) -> Any:
    """Return rows of probabilities, plain ones in the logits' dtype.

    Raises:
        ArgumentError: for a negative one, or a row that does not sum to 1.
    """
    values = value_of(labels)
    sums = values.sum(axis=-1)
    if (values < 0).any() or not (np.abs(sums - 1) <= SUM_TOLERANCE).all():
        raise ArgumentError(
            f"cross_entropy: labels of the logits' shape {values.shape} are probabilities, but "
            f"they range from {values.min():g} to {values.max():g} and rows sum to "
            f"{np.min(sums):g} … {np.max(sums):g}; expected at least 0 and 1. Class numbers have "
            f"shape {values.shape[:-1]}"
        )
    return labels if isinstance(labels, Tensor) else labels.astype(dtype, copy=False)


def reduced(losses: Any, reduction: str) -> Any:
    """Reduce the losses of the samples.

    Raises:
        ArgumentError: for an unknown reduction, or the mean of nothing.
    """
    if reduction not in REDUCTIONS:
        raise ArgumentError(f"reduction is {reduction!r}; expected 'mean', 'sum' or 'none'")
    if reduction == "mean" and not losses.size:
        raise ArgumentError(f"the mean loss of no samples, shape {losses.shape}, is not defined")
    return REDUCTIONS[reduction](losses)
