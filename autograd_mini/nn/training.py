"""Training: `fit`, its steps and its history; `predict` and `evaluate` are in `inference`.

Everything is checked before anything changes. A step first computes loss and gradients, looks
whether they are finite, computes all new values, and then assigns them; so an error or Ctrl-C
leaves the parameters as they were after a completed step.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from ..core.contexts import run_apart, run_quietly
from ..core.tensor import Tensor
from ..core.visible import show_text
from ..errors import ArgumentError, NonFiniteError, OperandError
from ..ops.checks import require_finite
from ..ops.conversion import assign_all
from ..optim import Adam, Optimizer, Schedule, clip_grad_norm
from ..optim.optimizer import positive
from .inference import (
    Pair,
    Place,
    batches,
    call_metrics,
    measure,
    model_dtype,
    modes_kept,
    number,
    pair,
    split,
)
from .losses import Loss, Metric, Metrics, loss_of, metrics_of
from .operands import check_function, generator, whole

if TYPE_CHECKING:
    from ..core.arrays import Numbers
    from .inference import Model

MakeOptimizer = Callable[[Any], Optimizer]
Stopped = Literal["running", "completed", "early", "interrupted"]


@dataclass(slots=True, repr=False)
class History:
    """What `Module.fit` returns; `history["accuracy"]` is the list of that number by epoch.

    What is shown counts epochs from 1, here as in the errors of training. Lists and `best_epoch`,
    which is a place in them, start at 0 as everywhere in Python: epoch 1 is `rows[0]`.

    Attributes:
        rows: for each completed epoch its numbers by name: loss, the metrics, val_loss, the
            metrics on the validation data as `val_accuracy`, and lr, the last learning rate.
        stopped: why training ended: "completed" all epochs, "early" by patience, "interrupted" by
            Ctrl-C; the parameters are then those after the last completed step.
        restored: whether the parameters are those of the best epoch.
        seconds: how long it took.
        eager: why the steps were not replayed as a compiled program, or None.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    stopped: Stopped = "running"
    restored: bool = False
    seconds: float = 0.0
    eager: str | None = None

    def __getitem__(self, name: str) -> list[float]:
        if self.rows and name not in self.rows[0]:
            raise KeyError(f"{name!r}; the history has {', '.join(self.rows[0])}")
        return [row[name] for row in self.rows]

    @property
    def names(self) -> list[str]:
        """The measured losses and metrics, one row for each epoch."""
        return list(self.rows[0]) if self.rows else []

    @property
    def loss(self) -> list[float]:
        """The training loss of each epoch: the mean of its batches, each before its step."""
        return self["loss"]

    @property
    def val_loss(self) -> list[float]:
        """The loss on the validation data after each epoch; empty without validation."""
        return self["val_loss"] if "val_loss" in self.names else []

    @property
    def metrics(self) -> dict[str, list[float]]:
        """Every number but the losses and the rate, by name."""
        return {n: self[n] for n in self.names if n not in ("loss", "val_loss", "lr")}

    def monitored_value(self, epoch: int) -> float:
        """Return the number that early stopping looks at: val_loss, or loss without validation."""
        row = self.rows[epoch]
        return row.get("val_loss", row["loss"])

    @property
    def best_epoch(self) -> int | None:
        """The place in `rows`, from 0, of the lowest monitored loss; None if there is none."""
        losses = [self.monitored_value(i) for i in range(len(self.rows))]
        finite = [i for i, loss in enumerate(losses) if math.isfinite(loss)]
        return min(finite, key=losses.__getitem__, default=None)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        """Say how it ended, and the first and last of every number."""
        best = self.best_epoch
        lines = [
            f"History: {len(self)} epoch{'s' * (len(self) != 1)}, {self.stopped}, "
            f"{self.seconds:.2f} s"
            + ("" if best is None else f", best epoch {best + 1}")
            + (", restored" if self.restored else "")
        ]
        for name in self.names:
            numbers = self[name]
            shown = show_text(name, one_line=True)
            lines.append(f"  {shown:<14} {numbers[0]:.6g} → {numbers[-1]:.6g}")
        return "\n".join(lines)


EVALUATION_BATCH = 1024
"""How many validation samples are predicted at a time, at least."""
A_SCHEDULE: Final = (
    "a function of the step count, as am.optim.Cosine(0.1, steps=1000). A constant rate belongs to "
    "the optimizer: optimizer=lambda model: am.optim.SGD(model, lr=0.1)"
)


def fit(
    model: Model,
    x: Numbers,
    y: Numbers,
    *,
    epochs: int = 10,
    batch_size: int | None = 32,
    loss: str | Loss = "mse",
    optimizer: Optimizer | MakeOptimizer | None = None,
    metrics: Metrics = (),
    validation: Pair | float | None = None,
    patience: int | None = None,
    restore_best: bool = True,
    schedule: Schedule | None = None,
    clip_norm: float | None = None,
    shuffle: bool = True,
    seed: int | np.random.Generator | None = None,
    callback: Callable[[History], object] | None = None,
    compile: bool | None = None,
    verbose: bool | None = None,
) -> History:
    """Train the model on samples along the first axis; return the history of losses and metrics.

    Floating-point data are cast to the model's dtype once. Training can go on: another `fit` with
    the same optimizer continues its moments, step count and schedule.

    On Ctrl-C it returns the history of the completed epochs with `stopped == "interrupted"`; the
    parameters are those after the last completed step.

    Args:
        model: what is trained.
        x: inputs, (n, …).
        y: targets as the loss takes them, (n, …).
        epochs: how often every sample is used.
        batch_size: samples a step; None takes all at once. The last batch may be smaller.
        loss: "mse", "binary_cross_entropy", "cross_entropy", "hinge" (the two entropies take
            logits), or a function of prediction and target that returns a scalar.
        optimizer: or a function that makes one of the model, as `lambda m: SGD(m, lr=0.1)`; Adam
            with rate 0.001 by default.
        metrics: "accuracy", a function of prediction and target, a list of those, or a dict of such
            functions.
        validation: a pair (x, y), or the fraction of the samples to set aside, at random if
            `shuffle`, else the last ones.
        patience: stop after this many epochs without a lower val_loss (loss, without validation).
        restore_best: whether to go back to the best epoch's parameters when patience is given and
            training is not interrupted.
        schedule: a function of the optimizer's step count that gives the learning rate.
        clip_norm: the largest joint norm of the gradients; see `optim.clip_grad_norm`.
        shuffle: whether each epoch takes the samples in another order.
        seed: of the order and the split; None takes another each time.
        callback: called with the history after each epoch.
        compile: whether the steps are replayed as a compiled program; None does that where it can
            (`history.eager` says why not), True raises where it cannot.
        verbose: whether to show a progress bar on stderr; None shows it on a terminal.

    Raises:
        ShapeError: if x and y, or prediction and target, do not fit.
        ArgumentError: for no samples, and values outside their range.
        NonFiniteError: if x or y has NaN, or if loss or gradients become NaN or infinite; the
            parameters are then those before that step.
    """
    check_function("callback", callback, "a function of the history, called after each epoch")
    check_function("schedule", schedule, A_SCHEDULE)
    if clip_norm is not None:
        positive("clip_norm", clip_norm)
    rng = generator(seed)
    order = rng if shuffle else None
    data, held = _arrange_data(model, x, y, validation, order)
    size = len(data[0]) if batch_size is None else whole("batch_size", batch_size, 1)
    epochs = whole("epochs", epochs, 0)
    watch = Watch(model, None if patience is None else whole("patience", patience, 1), restore_best)
    parameters = tuple(model.named_parameters())
    chosen = _optimizer_of(optimizer, model, (p for _, p in parameters))
    compute = loss_of(loss)
    found = metrics_of(metrics, compute)
    trainer = Trainer(model, parameters, compute, chosen, found, schedule, clip_norm, compile)

    def run_epoch(epoch: int) -> dict[str, float]:
        model.train()
        row = trainer.epoch(data, batches(len(data[0]), size, order), epoch)
        return row | trainer.validate(held, size) | {"lr": chosen.lr}

    def train(history: History) -> None:
        with modes_kept(model), _bar(epochs, verbose) as progress:
            trainer.validate(held, size)  # what does not fit is found before anything changes
            _run_epochs(history, epochs, run_epoch, watch, callback, progress)

    return _record_history(trainer, train)


def _record_history(trainer: Trainer, train: Callable[[History], None]) -> History:
    """Train, and return the history; after Ctrl-C too, and no gradient is left behind."""
    history = History()
    started = time.perf_counter()
    try:
        silence = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}
        run_apart(lambda: run_quietly(lambda: train(history), **silence))
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    finally:
        trainer.forget()
    history.eager = trainer.replay.refusal if trainer.replay else None
    history.seconds = time.perf_counter() - started
    return history


def _arrange_data(
    model: Model, x: Numbers, y: Numbers, validation: object, rng: np.random.Generator | None
) -> tuple[Pair, Pair | None]:
    """Return the data for training and, if any, for validation, checked.

    Raises:
        ArgumentError: if the validation is neither a pair nor a fraction.
    """
    dtype = model_dtype(model)
    data = pair(x, y, dtype)
    if validation is None:
        return data, None
    if isinstance(validation, tuple | list) and len(validation) == 2:
        return data, pair(validation[0], validation[1], dtype, "validation ")
    if isinstance(validation, float):
        return split(*data, validation, rng)
    raise ArgumentError(
        f"validation is {type(validation).__name__} {validation!r:.60}; expected a pair (x, y), or "
        "the fraction of the samples to set aside, such as 0.2"
    )


def _run_epochs(
    history: History,
    epochs: int,
    run_epoch: Callable[[int], dict[str, float]],
    watch: Watch,
    callback: Callable[[History], object] | None,
    progress: Callable[[dict[str, float]], None],
) -> None:
    """Run epochs until all are done or patience is at its end."""
    for epoch in range(epochs):
        history.rows.append(run_epoch(epoch))
        progress(history.rows[-1])
        if callback is not None:
            callback(history)
        if watch.stops(history):
            history.stopped = "early"
            break
    else:
        history.stopped = "completed"
    watch.restore(history)


@dataclass(slots=True, eq=False)
class Trainer:
    """The shared state of the steps of one training.

    Attributes:
        parameters: path and tensor of what the model trains.
        compiled: whether steps are replayed; None where that is possible.
        replay: who does that, made for the first step.
    """

    model: Model
    parameters: tuple[tuple[str, Tensor], ...]
    loss: Loss
    optimizer: Optimizer
    metrics: Mapping[str, Metric]
    schedule: Schedule | None
    clip_norm: float | None
    compiled: bool | None = None
    replay: Replay | None = None
    guarded_attributes = ("model", "parameters", "loss", "optimizer", "clip_norm")

    def epoch(self, data: Pair, places: Iterable[Place], epoch: int) -> dict[str, float]:
        """Take a step for each batch; return the means of loss and metrics over the samples."""
        x, y = data
        totals: dict[str, float] = {}
        for batch, place in enumerate(places):
            inputs, targets = x[place], y[place]
            row = self.step(inputs, targets, f"epoch {epoch + 1}, batch {batch + 1}")
            for name, value in row.items():
                totals[name] = totals.get(name, 0.0) + value * len(inputs)
        return {name: total / len(x) for name, total in totals.items()}

    def validate(self, held: Pair | None, size: int) -> dict[str, float]:
        """Return loss and metrics on the validation data, if there are any, by name."""
        if held is None:
            return {}
        at_a_time = max(size, EVALUATION_BATCH)
        values = measure(self.model, *held, self.loss, self.metrics, at_a_time)
        return {f"val_{name}": value for name, value in values.items()}

    def step(self, x: object, y: object, where: str) -> dict[str, float]:
        """Compute loss and gradients of a batch and update the parameters.

        Raises:
            NonFiniteError: if loss or gradients are not finite; nothing is updated then.
        """
        if self.schedule is not None:
            self.optimizer.lr = self.schedule(self.optimizer.steps)
        if self.replay is None:
            self.replay = Replay(self, self.compiled)
        loss, prediction = self.replay.step(x, y) or self.eager(x, y, where)
        row = {"loss": number("the loss", loss)}
        if self.metrics:
            plain = prediction.data if isinstance(prediction, Tensor) else prediction
            found = call_metrics(self.metrics, plain, y)
            row |= {name: number(name, metric) for name, metric in found.items()}
        return row

    def eager(self, x: object, y: object, where: str) -> tuple[Tensor, object]:
        """Take the step operation by operation; return loss and prediction."""
        self.forget()
        prediction = self.model(x)
        loss = self.scalar(self.loss(prediction, y))
        value = number("the loss", loss)
        if not math.isfinite(value):
            raise NonFiniteError(self._advice(f"the loss became {value} in {where}"))
        loss.backward()
        self.check_gradients(where)
        if self.clip_norm is not None:
            clip_grad_norm(self.optimizer.parameters, self.clip_norm)
        self.optimizer.step()
        return loss, prediction

    def forget(self) -> None:
        """Forget all gradients, also of parameters that the optimizer does not hold."""
        for _, p in self.parameters:
            p.grad = None
        self.optimizer.zero_grad()

    def scalar(self, loss: object) -> Tensor:
        """Return the result of the loss function.

        Raises:
            OperandError: if it is not a tensor.
            ArgumentError: if it is not a single number.
        """
        if not isinstance(loss, Tensor):
            raise OperandError(
                f"the loss function returned {type(loss).__name__}; expected a tensor computed "
                "from the prediction with recorded operations (np.* and am.*)"
            )
        if loss.size != 1:
            number("the loss", loss)
        return loss

    def check_gradients(self, where: str) -> None:
        """Look whether the gradients are finite.

        Raises:
            NonFiniteError: naming the parameter.
        """
        for path, p in self.parameters:
            # The sum first: 1.3 µs instead of 2.2; only if it overflowed are elements looked at.
            if p.grad is None or math.isfinite(np.add.reduce(p.grad, axis=None)):
                continue
            bad = int(np.size(p.grad) - np.isfinite(p.grad).sum())
            if bad:
                raise NonFiniteError(
                    self._advice(f"the gradient of {path} got {bad} NaN or infinite in {where}")
                )

    def _advice(self, what: str) -> str:
        return (
            f"{what}, with learning rate {self.optimizer.lr:g}; the parameters are those before "
            "that step. Lower the learning rate, limit the gradients (clip_norm=1.0), scale the "
            "inputs to about −1 … 1, or look for extreme values in the data"
        )


def _optimizer_of(
    given: Optimizer | MakeOptimizer | None,
    model: Model,
    parameters: Iterable[Tensor],
) -> Optimizer:
    """Return the optimizer: as given, as the given function makes it, or Adam.

    Raises:
        OperandError: if it is not an optimizer.
        ArgumentError: if it trains none of the model's parameters.
    """
    kind: object = given
    if isinstance(kind, type) and issubclass(kind, Optimizer):
        raise OperandError(
            f"the optimizer is the class {kind.__name__}, which has no learning rate yet; give an "
            f"instance: optimizer=am.optim.{kind.__name__}(model, lr=0.1)"
        )
    made = given
    if made is None:
        made = Adam(model)
    elif not isinstance(made, Optimizer) and callable(made):
        made = made(model)
    if not isinstance(made, Optimizer):
        raise OperandError(
            f"the optimizer is {type(made).__name__} {made!r:.60}; expected one of am.optim, as "
            "am.optim.SGD(model, lr=0.1), or a function that makes one of the model"
        )
    own = {p.serial for p in parameters}
    if not any(p.serial in own for p in made.parameters):
        raise ArgumentError(
            "the optimizer holds none of the model's parameters; make it of this model: "
            "am.optim.Adam(model)"
        )
    return made


class Watch:
    """Looks at the monitored loss after each epoch: val_loss, or loss without validation.

    Without patience it does nothing.
    """

    def __init__(self, model: Model, patience: int | None, restore_best: bool) -> None:
        self._tensors = [t for _, t in model.named_tensors()]
        self._patience = patience
        self._restore = restore_best and patience is not None
        self._lowest = math.inf
        self._waited = 0
        self._best: list[Any] | None = None

    def stops(self, history: History) -> bool:
        """Take note of the last epoch, and say whether patience is at its end."""
        if self._patience is None:
            return False
        loss = history.monitored_value(-1)
        if loss < self._lowest:
            self._lowest, self._waited = loss, 0
            # `assign` binds new arrays and never writes into old ones: references are enough.
            self._best = [t.data for t in self._tensors]
        else:
            self._waited += 1
        return self._waited >= self._patience

    def restore(self, history: History) -> None:
        """Give the model the parameters and buffers of its best epoch."""
        if self._restore and self._best is not None:
            assign_all(self._tensors, self._best)
            history.restored = True


@contextmanager
def _bar(epochs: int, verbose: bool | None) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Yield the function that shows the numbers of a finished epoch.

    With `verbose` None the bar is shown where stderr is a terminal.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if not (terminal if verbose is None else verbose):
        yield lambda row: None
        return
    from tqdm import tqdm  # 30 ms of import

    with tqdm(total=epochs, unit="epoch") as shown:

        def advance(row: Mapping[str, float]) -> None:
            numbers = {show_text(k, one_line=True): f"{v:.4g}" for k, v in row.items()}
            shown.set_postfix(numbers, refresh=False)
            shown.update()

        yield advance


WASTED: Final = 8
"""So many traces without a program, and the rest is eager."""


class Replay:
    """Takes the steps of a training by replaying their program.

    Attributes:
        refusal: why the steps are eager, or None.
    """

    guarded_attributes = ("_trainer",)

    def __init__(self, trainer: Trainer, wanted: bool | None) -> None:
        from ..compiler.compiled import CompiledFunction

        self._trainer = trainer
        self._step = CompiledFunction(self.training_step, lenient=wanted is not True)
        self.refusal: str | None = "compile=False" if wanted is False else None

    def training_step(self, x: object, y: object) -> tuple[Tensor, object]:
        """Compute loss and gradients, look whether they are finite, and update."""
        trainer = self._trainer
        trainer.forget()
        prediction = trainer.model(x)
        loss = trainer.scalar(trainer.loss(prediction, y))
        loss.backward()
        gradients = [p.grad for _, p in trainer.parameters if p.grad is not None]
        require_finite("the loss or a gradient", loss, *gradients)
        if trainer.clip_norm is not None:
            clip_grad_norm(trainer.optimizer.parameters, trainer.clip_norm)
        trainer.optimizer.step()
        return (loss, prediction) if trainer.metrics else (loss, None)

    def step(self, x: object, y: object) -> tuple[Tensor, object] | None:
        """Take a step; return loss and prediction (None without metrics).

        None: nothing has happened, and the step is to be taken eagerly. So it is after NaN or
        infinity, since the eager step says where they are.
        """
        if self.refusal is not None:
            return None
        try:
            result: tuple[Tensor, object] = self._step(x, y)
        except NonFiniteError:
            return None
        if self._step.refusal is not None:
            self.refusal = str(self._step.refusal)
        elif self._step.given_up is not None:
            self.refusal = self._step.given_up
        elif self._step.wasted_traces > WASTED:
            self.refusal = "the model or the optimizer changes at each step"
        return result
