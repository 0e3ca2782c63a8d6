"""Using a model: `predict` and `evaluate`, in evaluation mode and without recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.extraction import read_value
from ..core.record import no_grad
from ..core.tensor import Tensor
from ..errors import ArgumentError, OperandError
from .data import batches, model_dtype, pair, samples
from .losses import Loss, Metric, Metrics, loss_of, metrics_of
from .operands import whole

if TYPE_CHECKING:
    from ..compiler.guards import Condition
    from ..core.arrays import Numbers
    from .ownership import Model

PREDICTOR: Final = "_predictor"
"""The attribute in which a model keeps its compiled prediction."""
WASTED: Final = 8
"""So many traces without a program, and predictions are eager."""


using: Final[ContextVar[bool]] = ContextVar("autograd_mini_using", default=False)
"""Whether models predict in this thread or task; then all are in evaluation mode."""


class Mode:
    """The attribute `training`: what was set, True at first; False while a model predicts.

    No module is changed for a prediction, so that threads may predict, and train, side by side.
    """

    def __get__(self, module: Any, kind: type | None = None) -> bool:
        if module is None:
            return True
        return not using.get() and bool(vars(module).get("training", module.starts_in_training))

    def __set__(self, module: object, training: bool) -> None:
        vars(module)["training"] = training


def predict(model: Model, x: Numbers, batch_size: int | None = None) -> np.ndarray:
    """Return the model's output for samples along the first axis, as a NumPy array.

    Nothing is recorded, Dropout passes everything on, and the modes are restored.

    Args:
        model: any module that takes one argument and returns one tensor.
        x: inputs, (n, …); floating-point ones are cast to the model's dtype.
        batch_size: how many samples at a time, for less memory; None takes all at once.
    """
    predictor = vars(model).get(PREDICTOR)
    if predictor is None or not predictor.holds():
        predictor = vars(model)[PREDICTOR] = Predictor(model)
    xs = samples(x, predictor.dtype, "x")
    size = max(len(xs), 1) if batch_size is None else whole("batch_size", batch_size, 1)
    before = using.get()
    try:  # not a `with`: no interrupt may leave models in use
        using.set(True)
        return _outputs_of(model, predictor, xs, size)
    finally:
        using.set(before)


@no_grad()
def _outputs_of(model: Model, predictor: Predictor, xs: np.ndarray, size: int) -> np.ndarray:
    """Return the outputs for samples, `size` at a time."""
    if size >= len(xs):
        return _output_of(model, predictor(xs))
    parts = batches(len(xs), size, None)
    return np.concatenate([_output_of(model, predictor(xs[part])) for part in parts])


class Predictor:
    """A model ready to predict: its compiled forward.

    Attributes:
        dtype: of the model's first floating-point tensor, None if it has none.
    """

    def __init__(self, model: Model) -> None:
        from ..compiler.compiled import CompiledFunction
        from ..compiler.guards import Guard

        self.dtype = model_dtype(model)
        self._parts = Guard(list(_conditions_on_parts(model)))
        self._model = model
        self._compiled = CompiledFunction(model, lenient=True)

    def holds(self) -> bool:
        """Tell whether the model still has the modules and tensors that it had."""
        return self._parts.check() is not None

    def __call__(self, x: object) -> object:
        """Return the model's output; compiled, if the model can be."""
        if self._compiled.wasted_traces > WASTED:
            return self._model(x)
        return self._compiled(x)


def _conditions_on_parts(model: Model) -> Iterator[Condition]:
    """Yield the conditions that all modules and tensors are where they are."""
    from ..compiler.guards import Condition

    opened: set[int] = set()
    for module in model.modules():
        stack: list[tuple[Any, Any, Any]] = [
            (vars(module), name, value)
            for name, value in vars(module).items()
            if name not in ("training", PREDICTOR)
        ]
        while stack:
            owner, key, value = stack.pop()
            if isinstance(value, dict | list | tuple):
                yield Condition("length", value, None, len(value))
                if id(value) not in opened:
                    opened.add(id(value))
                    inner = value.items() if isinstance(value, dict) else enumerate(value)
                    stack += [(value, key, part) for key, part in inner]
            elif not hasattr(value, "named_tensors") and not isinstance(value, Tensor):
                continue
            condition = Condition("item", owner, key, value)
            condition.exact = True
            yield condition


def _output_of(model: Model, y: object) -> Any:
    """Return a model's output as an array.

    Raises:
        OperandError: if it is something else than one tensor or array.
    """
    y = read_value(y, "predict") if isinstance(y, Tensor) else y
    if not isinstance(y, (np.ndarray, np.generic)):
        raise OperandError(
            f"{type(model).__name__} returned {type(y).__name__}; predict expects one tensor. "
            "Call the model itself, inside `with am.no_grad():`, for other outputs"
        )
    return y


def evaluate(
    model: Model,
    x: Numbers,
    y: Numbers,
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
    model: Model,
    x: Numbers,
    y: Numbers,
    loss: Loss,
    metrics: Mapping[str, Metric],
    batch_size: int | None,
) -> dict[str, float]:
    """Evaluate on data that were checked."""
    prediction = predict(model, x, batch_size)
    values = {"loss": no_grad()(loss)(prediction, y)}
    values |= call_metrics(metrics, prediction, y)
    return {name: number(name, value) for name, value in values.items()}


def call_metrics(
    metrics: Mapping[str, Metric], prediction: object, target: object
) -> dict[str, Numbers]:
    """Call the metrics."""
    return {name: metric(prediction, target) for name, metric in metrics.items()}


def number(name: str, value: Numbers) -> float:
    """Return the result of a loss or metric as a float.

    Raises:
        ArgumentError: if it is not a single number.
    """
    if np.size(value) != 1:
        raise ArgumentError(
            f"{name} has shape {np.shape(value)}; expected one number, as a mean over the samples"
        )
    plain = read_value(value, name) if isinstance(value, Tensor) else value
    return float(np.asarray(plain).item())


@contextmanager
def modes_kept(model: Model) -> Iterator[None]:
    """Restore the mode of each module after the block."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
