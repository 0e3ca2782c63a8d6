"""Losses (mse, cross-entropies from logits, hinge), and metrics: numbers for people.

Each loss runs in a scope of its name and reduces by "mean", "sum" or "none". A target without a
gradient is taken in the prediction's dtype. Shapes must match: (n, 1) against (n,) would broadcast
to (n, n) in NumPy, and the loss would be a wrong number. Metrics are computed on plain arrays,
outside of every graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from ..core.arrays import as_array
from ..core.extraction import read_value, reads_no_elements
from ..core.record import scope, value_of
from ..core.tensor import Tensor, tensor_or_array
from ..errors import ArgumentError, ShapeError
from ..ops.activations import logsumexp, relu, softplus
from ..ops.reductions import mean
from ..ops.reductions import sum as total
from .operands import (
    check_classes,
    check_labels,
    class_numbers,
    match_target,
    probabilities,
    refuse_probabilities,
)

if TYPE_CHECKING:
    from ..core.arrays import Array, Numbers

Loss = Callable[[Any, Any], Any]
Reduction = Literal["mean", "sum", "none"]

REDUCTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "mean": mean,
    "sum": total,
    "none": lambda x: x,
}


@reads_no_elements
@scope("mse")
def mse(prediction: Numbers, target: Numbers, reduction: Reduction = "mean") -> Any:
    """Compute the mean squared error (prediction − target)².

    Raises:
        ShapeError: if the shapes differ.

    >>> float(mse([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    prediction, target = match_target("mse", prediction, target)
    error = prediction - target
    return _reduce_losses(error * error, reduction)


@scope("binary_cross_entropy")
def binary_cross_entropy(logits: Numbers, target: Numbers, reduction: Reduction = "mean") -> Any:
    """Compute −t·ln σ(z) − (1 − t)·ln(1 − σ(z)) as softplus(z) − t·z, which cannot overflow.

    Args:
        logits: z, before the sigmoid.
        target: t, 0 or 1 or a probability between them, of the same shape.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes differ.
        ArgumentError: for a target outside [0, 1], for the output of a sigmoid as logits. A
            program looks for neither when it is replayed.

    >>> round(float(binary_cross_entropy([0.0], [1])), 6)
    0.693147
    """
    logits, target = match_target("binary_cross_entropy", logits, target)
    refuse_probabilities("binary_cross_entropy", logits)
    values = value_of(target)
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        odd = values[~((values >= 0) & (values <= 1))].flat[0] if values.ndim else values
        raise ArgumentError(
            f"binary_cross_entropy: the target has {odd:g}; expected 0, 1 or a probability. Labels "
            "−1 and 1 become 0 and 1 by (y + 1) / 2"
        )
    return _reduce_losses(softplus(logits) - target * logits, reduction)


@scope("cross_entropy")
def cross_entropy(logits: Numbers, labels: Numbers, reduction: Reduction = "mean") -> Any:
    """Compute −ln softmax(z)[label] as ln Σ eᶻ − z[label], over the last axis.

    Args:
        logits: (…, classes), before the softmax.
        labels: integers from 0 of shape (…), or probabilities (one-hot rows) of shape
            (…, classes).
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes do not fit.
        ArgumentError: for a label outside 0 … classes − 1, also when a program is replayed; for
            rows that are not probabilities, for a single class, for the output of a softmax as
            logits.
        OperandError: for labels that are neither.

    >>> round(float(cross_entropy([[0.0, 0.0]], [1])), 6)
    0.693147
    """
    logits = tensor_or_array(logits)
    labels = tensor_or_array(labels)
    check_classes(logits)
    refuse_probabilities("cross_entropy", logits)
    if labels.shape == logits.shape:
        weights = probabilities(labels, logits.dtype)
        return _reduce_losses(
            logsumexp(logits, axis=-1) - total(weights * logits, axis=-1), reduction
        )
    check_labels(labels, logits)
    index = class_numbers(labels, logits.shape[-1])
    grid = np.ogrid[tuple(slice(n) for n in index.shape)]
    chosen = logits[(*grid, index)]
    return _reduce_losses(logsumexp(logits, axis=-1) - chosen, reduction)


@scope("hinge")
def hinge(scores: Numbers, labels: Numbers, reduction: Reduction = "mean") -> Any:
    """Compute max(0, 1 − label·score), the loss of a linear support vector machine.

    Args:
        scores: the signed distances.
        labels: −1 or 1, of the same shape.
        reduction: "mean", "sum" or "none".

    Raises:
        ShapeError: if the shapes differ.
        ArgumentError: for other labels; a program does not look at them when it is replayed.

    >>> float(hinge([2.0, 0.5], [1, -1]))
    0.75
    """
    scores, labels = match_target("hinge", scores, labels)
    values = np.asarray(value_of(labels))
    if not (np.abs(values) == 1).all():
        odd = values[np.abs(values) != 1].flat[0]
        raise ArgumentError(
            f"hinge: the labels have {odd:g}; expected −1 and 1. Labels 0 and 1 become those by "
            "2 * y - 1"
        )
    return _reduce_losses(relu(1 - labels * scores), reduction)


LOSSES: Final[dict[str, Loss]] = {
    "mse": mse,
    "binary_cross_entropy": binary_cross_entropy,
    "cross_entropy": cross_entropy,
    "hinge": hinge,
}


def _reduce_losses(losses: Array, reduction: str) -> Array:
    """Reduce the losses of the samples.

    Raises:
        ArgumentError: for an unknown reduction, or the mean of nothing.
    """
    if reduction not in REDUCTIONS:
        raise ArgumentError(f"reduction is {reduction!r}; expected 'mean', 'sum' or 'none'")
    if reduction == "mean" and not losses.size:
        raise ArgumentError(f"the mean loss of no samples, shape {losses.shape}, is not defined")
    return REDUCTIONS[reduction](losses)


Metric = Callable[[Any, Any], Any]
Metrics = Mapping[str, Metric] | Iterable[str | Metric] | Metric

KINDS: Final = (
    "'accuracy', a function of prediction and target, a list of those, or a dict of such functions"
)


def accuracy(prediction: object, target: object, threshold: float = 0.0) -> float:
    """Return the share of right predictions.

    Args:
        prediction: (…, classes), of which the largest counts; or one score per sample, of which
            those above `threshold` are positive.
        target: class numbers (…) or one-hot rows; for scores labels of their shape, where those
            above 0 are positive (so 0 and 1, or −1 and 1).
        threshold: 0 for logits and hinge scores, 0.5 for probabilities.

    Raises:
        ShapeError: if the shapes do not fit.

    >>> accuracy([[0.1, 0.9], [0.8, 0.2]], [1, 1])
    0.5
    >>> accuracy([2.0, -1.0], [1, 0])
    1.0
    """
    values, labels = plain(prediction), plain(target)
    classes = values.shape[-1] if values.ndim else 1
    if values.shape == labels.shape:
        if classes > 1 and values.ndim > 1:
            return float(np.mean(values.argmax(-1) == labels.argmax(-1)))
        return float(np.mean((values > threshold) == (labels > 0)))
    if values.shape[:-1] == labels.shape and classes > 1:
        return float(np.mean(values.argmax(-1) == labels))
    raise ShapeError(
        f"accuracy: the prediction has shape {values.shape} and the target {labels.shape}; "
        "expected equal shapes, or predictions (…, classes) and class numbers (…)"
    )


def plain(x: object) -> np.ndarray:
    """Return an array, of a tensor its value; a trace, which would keep the number, refuses."""
    return read_value(x, "a metric") if isinstance(x, Tensor) else as_array(x)


def loss_of(loss: str | Loss) -> Loss:
    """Return a loss by its name, or the function that was given.

    Raises:
        ArgumentError: for an unknown name.
    """
    found = LOSSES.get(loss) if isinstance(loss, str) else loss
    if not callable(found):
        raise ArgumentError(
            f"unknown loss {loss!r}; expected one of {', '.join(LOSSES)} or a function of "
            "prediction and target"
        )
    return found


def metrics_of(metrics: Metrics, loss: Loss) -> dict[str, Metric]:
    """Return metrics by name: a dict as it is, functions by their names, "accuracy".

    One function or name may stand alone.

    What "accuracy" of one score per sample means follows from the loss: logits of
    binary_cross_entropy and scores of hinge are positive above 0; what mse compares with 0 and 1
    is positive above ½.

    Raises:
        ArgumentError: for an unknown name, or if it does not follow.
    """
    if isinstance(metrics, Mapping):
        for name, metric in metrics.items():
            if not callable(metric):
                raise ArgumentError(
                    f"the metric {name!r} is {metric!r:.60}; expected a function of prediction "
                    "and target"
                )
        return dict(metrics)
    if isinstance(metrics, str) or callable(metrics):
        metrics = (metrics,)
    if not isinstance(metrics, Iterable):
        raise ArgumentError(f"metrics is {metrics!r:.60}; expected {KINDS}")
    found: dict[str, Metric] = {}
    for metric in metrics:
        if callable(metric):
            found[getattr(metric, "__name__", type(metric).__name__)] = metric
        elif metric == "accuracy":
            found["accuracy"] = _accuracy_for(loss)
        else:
            raise ArgumentError(f"unknown metric {metric!r}; expected {KINDS}")
    return found


def _accuracy_for(loss: Loss) -> Metric:
    """Return the accuracy whose threshold suits a loss."""

    def check_suited(prediction: np.ndarray, target: np.ndarray) -> float:
        values, labels = plain(prediction), plain(target)
        if values.shape != labels.shape or (values.ndim > 1 and values.shape[-1] > 1):
            return accuracy(values, labels)
        if loss in (LOSSES["binary_cross_entropy"], LOSSES["hinge"]) or (labels < 0).any():
            return accuracy(values, labels)
        if loss is LOSSES["mse"]:
            return accuracy(values, labels, 0.5)
        raise ArgumentError(
            "accuracy: whether predictions of one score a sample are logits or probabilities does "
            "not follow from a loss of your own; give metrics={'accuracy': lambda prediction, "
            "target: am.nn.accuracy(prediction, target, threshold)}"
        )

    return check_suited
