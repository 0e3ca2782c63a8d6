"""Using a model: its data, checked; `predict` and `evaluate`, in evaluation mode, not recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from ..core.arrays import as_array
from ..core.contexts import run_quietly
from ..core.extraction import read_value
from ..core.record import no_grad
from ..core.tensor import Tensor
from ..errors import ArgumentError, NonFiniteError, OperandError, ShapeError
from .losses import Loss, Metric, Metrics, loss_of, metrics_of
from .operands import whole

if TYPE_CHECKING:
    from ..compiler.guards import Condition
    from ..core.arrays import Numbers


Pair = tuple[np.ndarray, np.ndarray]
Place = slice | np.ndarray


def model_dtype(model: Model) -> np.dtype[np.generic] | None:
    """Return the dtype of a model's first floating-point tensor, None if it has none."""
    return next((t.dtype for _, t in model.named_tensors() if t.dtype.kind == "f"), None)


def samples(values: Numbers, dtype: np.dtype[np.generic] | None, what: str) -> np.ndarray:
    """Return values as an array with an axis of samples, floats in the model's dtype.

    Raises:
        OperandError: for anything that is not an array of numbers.
        ShapeError: for a scalar.
    """
    array = as_array(read_value(values, what) if isinstance(values, Tensor) else values)
    if not array.ndim:
        raise ShapeError(f"{what} is a scalar, {array}; expected the samples along the first axis")
    if array.dtype.kind == "f" and dtype is not None:
        return array.astype(dtype, copy=False)
    return array


def pair(x: Numbers, y: Numbers, dtype: np.dtype[np.generic] | None, what: str = "") -> Pair:
    """Return x and y, checked: as many of each, at least one, no NaN or infinity.

    Raises:
        ShapeError: if their numbers differ.
        ArgumentError: if there is none.
        NonFiniteError: if a value is NaN or infinite, also because the model's dtype is too small.
    """
    xs, ys = run_quietly(  # a value too large for float32 is found below
        lambda: (samples(x, dtype, f"{what}x"), samples(y, dtype, f"{what}y")), over="ignore"
    )
    if len(xs) != len(ys):
        raise ShapeError(
            f"{what}x has {len(xs)} samples, but {what}y has {len(ys)} (shapes {xs.shape} and "
            f"{ys.shape}); expected first axes of the same length"
        )
    if not len(xs):
        raise ArgumentError(f"{what}x and {what}y are empty; there is nothing to train on")
    for name, array in (("x", xs), ("y", ys)):
        bad = ~np.isfinite(array)
        if bad.any():
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            raise NonFiniteError(
                f"{what}{name} has {bad.sum()} values that are NaN or infinite of {bad.size}, the "
                f"first, {array[first]}, at {what}{name}{list(first)}; fill or drop those samples"
            )
    return xs, ys


def split(
    x: np.ndarray, y: np.ndarray, fraction: float, rng: np.random.Generator | None
) -> tuple[Pair, Pair]:
    """Set a fraction of the samples aside: at random, or, without a generator, the last ones.

    Raises:
        ArgumentError: if the fraction leaves nothing on one side.
    """
    held = round(fraction * len(x)) if 0 < fraction < 1 else 0
    if not 0 < held < len(x):
        raise ArgumentError(
            f"validation={fraction!r} of {len(x)} samples leaves none for training or for "
            "validation; expected a fraction between 0 and 1, or a pair (x, y)"
        )
    order = rng.permutation(len(x)) if rng else np.arange(len(x))
    train, rest = order[:-held], order[-held:]
    return (x[train], y[train]), (x[rest], y[rest])


def batches(count: int, size: int, rng: np.random.Generator | None) -> Iterator[Place]:
    """Yield the places of each batch: shuffled, or, without a generator, in order as slices."""
    if rng is None:
        yield from (slice(start, start + size) for start in range(0, count, size))
        return
    order = rng.permutation(count)
    yield from (order[start : start + size] for start in range(0, count, size))


class Model(Protocol):
    """The methods of a module that training, prediction and files use."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the model."""

    @property
    def scope_name(self) -> str:
        """The name of the scope in which it is applied."""

    def modules(self) -> Iterator[Any]:
        """Yield the model and all modules in it."""

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the path and tensor of each parameter and buffer."""

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the path and tensor of each parameter."""

    def parameters(self) -> Iterator[Tensor]:
        """Yield each parameter."""

    def train(self, mode: bool = True) -> object:
        """Set the mode of all modules."""


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
