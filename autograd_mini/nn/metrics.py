"""Metrics: numbers for people, computed on plain arrays outside of every graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import numpy as np

from ..core.arrays import as_array
from ..core.extraction import read_value
from ..core.tensor import Tensor
from ..errors import ArgumentError, ShapeError
from .losses import LOSSES, Loss

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


def plain(x: object) -> Any:
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
