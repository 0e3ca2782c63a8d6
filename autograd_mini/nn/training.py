"""Training: `fit`, `predict` and `evaluate`, the verbs of a model.

Everything is checked before anything changes. A step first computes loss and gradients, looks
whether they are finite, computes all new values, and then assigns them; so an error or Ctrl-C
leaves the parameters as they were after a completed step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.contexts import run_apart, run_quietly
from ..errors import ArgumentError
from ..optim.numbers import positive
from .arguments import check_function, generator, whole
from .data import Pair, batches, model_dtype, pair, split
from .history import History
from .inference import measure, modes_kept
from .losses import Loss
from .metrics import Metrics, loss_of, metrics_of
from .progress import bar
from .steps import Trainer, optimizer_of
from .stopping import Watch

if TYPE_CHECKING:
    from ..optim import Optimizer, Schedule
    from .module import Module

EVALUATION_BATCH = 1024
"""How many validation samples are predicted at a time, at least."""
A_SCHEDULE: Final = (
    "a function of the step count, as am.optim.Cosine(0.1, steps=1000). A constant rate belongs to "
    "the optimizer: optimizer=lambda model: am.optim.SGD(model, lr=0.1)"
)


def fit(
    model: Module,
    x: Any,
    y: Any,
    *,
    epochs: int = 10,
    batch_size: int | None = 32,
    loss: str | Loss = "mse",
    optimizer: Optimizer | Callable[[Module], Optimizer] | None = None,
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
    """Train the model on samples along the first axis, and return what was measured.

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
        patience: stop after so many epochs without a lower val_loss (loss, without validation).
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
    data, held = arrange_data(model, x, y, validation, order)
    size = len(data[0]) if batch_size is None else whole("batch_size", batch_size, 1)
    epochs = whole("epochs", epochs, 0)
    watch = Watch(model, None if patience is None else whole("patience", patience, 1), restore_best)
    parameters = tuple(model.named_parameters())
    optimizer = optimizer_of(optimizer, model, (p for _, p in parameters))
    compute = loss_of(loss)
    trainer = Trainer(
        model,
        parameters,
        compute,
        optimizer,
        metrics_of(metrics, compute),
        schedule,
        clip_norm,
        compile,
    )

    def validate() -> dict[str, float]:
        if held is None:
            return {}
        at_a_time = max(size, EVALUATION_BATCH)
        values = measure(model, *held, compute, trainer.metrics, at_a_time)
        return {f"val_{name}": value for name, value in values.items()}

    def run_epoch(epoch: int) -> dict[str, float]:
        model.train()
        row = trainer.epoch(data, batches(len(data[0]), size, order), epoch)
        return row | validate() | {"lr": optimizer.lr}

    def train() -> None:
        with modes_kept(model), bar(epochs, verbose) as progress:
            validate()  # what does not fit there is found before anything changes
            run(history, epochs, run_epoch, watch, callback, progress)

    history = History()
    started = time.perf_counter()
    try:
        silence = {"over": "ignore", "invalid": "ignore", "divide": "ignore"}
        run_apart(lambda: run_quietly(train, **silence))
    except KeyboardInterrupt:
        history.stopped = "interrupted"
    finally:
        trainer.forget()
    history.eager = trainer.replay.refusal if trainer.replay else None
    history.seconds = time.perf_counter() - started
    return history


def arrange_data(
    model: Module, x: Any, y: Any, validation: Any, rng: np.random.Generator | None
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
        "the fraction of the samples to set aside, as 0.2"
    )


def run(
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
