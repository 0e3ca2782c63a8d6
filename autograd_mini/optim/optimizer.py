"""Optimizers: what they share, the rules SGD, Adam and AdamW, gradient clipping, and schedules.

A rule is plain NumPy, as in the table of primitives: `lr, p, g, *state` give the new parameter and
the new state. On arrays it computes, which is how `step` runs; under a recorder that traces, the
same lines run on tensors and end in `assign`, so that the update is part of the program that is
traced. All new values are computed before the first one is assigned: an error or Ctrl-C leaves
either the old step or the new one, never a mixture.

Gradients are clipped between `backward()` and `step()`. A schedule is a function of the step
number, counted from 0: set the rate before each step, `optimizer.lr = schedule(optimizer.steps)`,
or give the schedule to `Module.fit`, which does that. Any function of an integer serves as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..core.arrays import as_array
from ..core.extraction import describe, refuse_in_a_program, tracing
from ..core.record import assignment_recorder, no_grad, scope, value_of
from ..core.tensor import Tensor, leaf, tensor_or_array
from ..errors import ArgumentError, NonFiniteError, OperandError, ShapeError, WeightsError
from ..ops.checks import require_finite
from ..ops.conversion import assign_all

if TYPE_CHECKING:
    from ..core.arrays import Array

    Scalar = float | Array


def checked_rate(lr: object) -> float:
    """Return a learning rate as a float.

    Raises:
        ArgumentError: if it is not a number of at least 0.
    """
    try:
        value = as_array(lr)
    except OperandError as error:
        cure = (
            ". Give a schedule to the training, as model.fit(x, y, schedule=…), or set "
            "optimizer.lr = schedule(optimizer.steps) before each step"
        )
        raise ArgumentError(
            f"the learning rate is {lr!r:.60}; expected one number{cure if callable(lr) else ''}"
        ) from error
    if value.ndim:
        raise ArgumentError(f"the learning rate has shape {value.shape}; expected one number")
    if value.dtype.kind == "c":
        raise ArgumentError(f"the learning rate is {lr!r}; expected one real number")
    return within("the learning rate", float(value), math.inf)


def within(name: str, value: float, end: float) -> float:
    """Return a value as a float.

    Raises:
        ArgumentError: if it is not in [0, end).
    """
    try:
        inside = bool(0 <= value < end)
    except (TypeError, ValueError):  # text, None, several numbers
        inside = False
    if not inside:
        expected = "at least 0 and finite" if end == math.inf else f"in [0, {end:g})"
        raise ArgumentError(f"{name} is {value!r:.60}; expected a number {expected}")
    return float(value)


def positive(name: str, value: float, unit: str = "") -> float:
    """Return a number above 0, as it is.

    Raises:
        ArgumentError: for anything else; its text says "a number of steps" with that unit.
    """
    try:
        above = bool(value > 0)
    except (TypeError, ValueError):  # text, None, several numbers
        above = False
    if not above:
        counted = f"a number of {unit}" if unit else "a number"
        raise ArgumentError(f"{name} is {value!r:.60}; expected {counted} above 0")
    return value


class Trainable(Protocol):
    """A model: it knows its parameters."""

    def parameters(self) -> Iterable[Tensor]:
        """Return the tensors to train."""


Parameters = Trainable | Iterable[Tensor] | Tensor


class Optimizer:
    """What optimizers share; subclasses declare `slots` and write `rule`.

    A gradient of None means that the parameter is left alone. Gradients are taken as they are:
    NaN and infinity go into the parameters, unless `clip_grad_norm` or `Module.fit`, which look
    at them first, refuse.

    Attributes:
        parameters: what it trains.
        rate: the learning rate, a 0-d tensor; `lr` is its value, and can be set.
        count: how many steps were taken, a 0-d tensor; `steps` is its value.
        state: for each slot, one tensor a parameter, as `{"velocity": (…)}`.
    """

    def __init__(self, parameters: Parameters, lr: float, slots: tuple[str, ...] = ()) -> None:
        self.parameters = collect(parameters)
        self.rate = leaf(np.float64(checked_rate(lr)), name="learning_rate")
        self.count = leaf(np.int64(0), name="step_count")
        self.state = {
            slot: tuple(leaf(np.zeros_like(p.data)[()], name=slot) for p in self.parameters)
            for slot in slots
        }

    @property
    def lr(self) -> float:
        """The learning rate; setting it assigns the tensor `rate`."""
        return self.rate.item()

    @lr.setter
    def lr(self, value: float) -> None:
        self.rate.assign(np.float64(checked_rate(value)))

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return self.count.item()

    def coefficients(self, lr: Scalar, count: Scalar) -> tuple[Scalar, ...]:
        """Return the scalars that every parameter's rule needs in this step."""
        return (lr,)

    def rule(self, *operands: Any) -> tuple[Array, ...]:
        """Return the new parameter and state of `*coefficients, p, g, *state`."""
        raise NotImplementedError(f"{type(self).__name__} must define rule(lr, p, g, *state)")

    def step(self) -> None:
        """Update every parameter that has a gradient, or, if something does not fit, none.

        Raises:
            ShapeError, OperandError: if a gradient does not fit its parameter.
        """
        if assignment_recorder() is None:
            leaves, values = self._compute()
        else:
            traced = tracing.get() is not None
            with no_grad() if traced else nullcontext(), scope(type(self).__name__.lower()):
                leaves, values = self._record()
        assign_all(leaves, values)

    def _compute(self) -> tuple[list[Tensor], list[Array]]:
        array, count = np.ndarray, self.count._value + 1
        # Python floats: they leave float32 as it is, a NumPy float64 would not.
        scalars = self.coefficients(self.rate._value.item(), count.item())
        rule = partial(self.rule, *scalars)
        leaves: list[Tensor] = [self.count]
        values: list[Any] = [count]
        states = tuple(self.state.values())
        for place, p in enumerate(self.parameters):
            g = p.grad
            if g is None:
                continue
            data = p._value
            # `is` on dtypes takes 20 ns instead of 70; what it misses, gradient_of accepts.
            if type(g) is not array or g.shape != data.shape or g.dtype is not data.dtype:
                g = value_of(gradient_of(p))
            leaves.append(p)
            if states:
                own = [tensors[place] for tensors in states]
                leaves += own
                values += rule(data, g, *[t._value for t in own])
            else:
                values += rule(data, g)
        return leaves, values

    def _record(self) -> tuple[list[Tensor], list[Array]]:
        trace = tracing.get()
        if trace is not None:
            trace.depends(self)
        count = self.count + 1
        scalars: tuple[Any, ...] = self.coefficients(self.rate, count)
        leaves: list[Tensor] = [self.count]
        values: list[Any] = [count]
        for place, p in enumerate(self.parameters):
            if p.grad is not None:
                own = [tensors[place] for tensors in self.state.values()]
                leaves += [p, *own]
                fitting = [s.astype(p.dtype) for s in scalars]
                values += self.rule(*fitting, p, gradient_of(p), *own)
        return leaves, values

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return the state as arrays, by name, for `np.savez` and `load_state_dict`.

        Learning rate, step count and, for each slot, one array a parameter (`velocity.0`).
        """
        return {name: np.array(t.data) for name, t in self._named_state().items()}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from a saved state; nothing changes if it does not fit.

        Raises:
            WeightsError: if names, shapes or kinds of values are other ones.
        """
        own = self._named_state()
        if missing := [name for name in own if name not in state]:
            raise WeightsError(f"the state of {type(self).__name__} lacks {', '.join(missing)}")
        if extra := [name for name in state if name not in own]:
            raise WeightsError(f"{type(self).__name__} has no state {', '.join(extra)}")
        try:
            assign_all(list(own.values()), [as_array(state[name], copy=True) for name in own])
        except (ShapeError, OperandError) as error:
            raise WeightsError(f"the state is not one of these parameters: {error}") from error

    def _named_state(self) -> dict[str, Tensor]:
        slots = {
            f"{slot}.{place}": t
            for slot, tensors in self.state.items()
            for place, t in enumerate(tensors)
        }
        return {"learning_rate": self.rate, "step_count": self.count, **slots}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.parameters)} parameters, lr={self.lr:g})"


def collect(parameters: Any) -> tuple[Tensor, ...]:
    """Return the parameters of a model, of an iterable, or one tensor; duplicates once.

    Raises:
        OperandError: for anything that is not a tensor.
        ArgumentError: if there are none; for results of operations, for tensors without gradient.
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


def gradient_of(parameter: Tensor) -> Array:
    """Return the gradient of a parameter as an array of its shape and dtype.

    Raises:
        ShapeError: if its gradient was set to an array of another shape.
        UnsupportedError: if a function is compiled that does not compute it.
    """
    given = parameter.grad
    if not isinstance(given, Tensor):
        refuse_in_a_program(
            f"the gradient of {describe(parameter)}, which was there before the call,",
            "call backward() in the compiled function, too",
        )
    g = tensor_or_array(given)
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


class SGD(Optimizer):
    """Gradient descent: p ← p − lr·g, with momentum (Polyak 1964) or Nesterov's.

    v ← momentum·v + g and p ← p − lr·v; Nesterov's looks ahead: p ← p − lr·(g + momentum·v).

    Args:
        parameters: a model, an iterable of tensors, or a tensor.
        lr: the learning rate.
        momentum: in [0, 1); 0 keeps no velocity.
        nesterov: whether to look ahead; needs momentum.
        weight_decay: adds weight_decay·p to each gradient.

    Raises:
        ArgumentError: for values outside their range, or no parameters.
    """

    def __init__(
        self,
        parameters: Parameters,
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.momentum = within("momentum", momentum, 1.0)
        self.weight_decay = within("weight_decay", weight_decay, math.inf)
        self.nesterov = nesterov
        if nesterov and not momentum:
            raise ArgumentError("nesterov=True needs momentum, such as momentum=0.9")
        super().__init__(parameters, lr, ("velocity",) if momentum else ())

    def rule(self, lr: Scalar, p: Array, g: Array, *state: Array) -> tuple[Array, ...]:
        """Return p − lr·g, or p and the velocity."""
        if self.weight_decay:
            g = g + self.weight_decay * p
        if not state:
            return (p - lr * g,)
        velocity = self.momentum * state[0] + g
        ahead = g + self.momentum * velocity if self.nesterov else velocity
        return p - lr * ahead, velocity


class Adam(Optimizer):
    """Steps scaled by running moments of the gradient (Kingma & Ba 2015, algorithm 1).

    m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², p ← p − lr·m̂ / (√v̂ + eps), where m̂ and v̂ are
    m / (1 − β₁ᵗ) and v / (1 − β₂ᵗ) after t steps of this optimizer.

    Args:
        parameters: a model, an iterable of tensors, or a tensor.
        lr: the learning rate.
        betas: how much of each moment is kept, both in [0, 1).
        eps: added to the root, so that a gradient of 0 divides nothing by 0.
        weight_decay: adds weight_decay·p to each gradient, 0 by default (in AdamW:
            lr·weight_decay·p is taken off each parameter instead, 0.01 by default).

    Raises:
        ArgumentError: for values outside their range, or no parameters.
    """

    decoupled = False
    usual_decay = 0.0

    def __init__(
        self,
        parameters: Parameters,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | None = None,
    ) -> None:
        decay = self.usual_decay if weight_decay is None else weight_decay
        try:
            first, second = betas
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                f"betas is {betas!r:.60}; expected two numbers in [0, 1), such as (0.9, 0.999)"
            ) from error
        self.betas = within("betas[0]", first, 1.0), within("betas[1]", second, 1.0)
        self.eps = within("eps", eps, math.inf)
        self.weight_decay = within("weight_decay", decay, math.inf)
        super().__init__(parameters, lr, ("mean", "square"))

    def coefficients(self, lr: Scalar, count: Scalar) -> tuple[Scalar, ...]:
        """Return lr, lr / (1 − β₁ᵗ) and √(1 − β₂ᵗ)."""
        first, second = self.betas
        return lr, lr / (1 - first**count), (1 - second**count) ** 0.5

    def rule(
        self, lr: Scalar, size: Scalar, root: Scalar, p: Array, g: Array, mean: Array, square: Array
    ) -> tuple[Array, ...]:
        """Return the new p, mean and square."""
        first, second = self.betas
        if self.weight_decay and self.decoupled:
            p = p - (lr * self.weight_decay) * p
        elif self.weight_decay:
            g = g + self.weight_decay * p
        mean = first * mean + (1 - first) * g
        square = second * square + (1 - second) * (g * g)
        return p - size * mean / (np.sqrt(square) / root + self.eps), mean, square


class AdamW(Adam):
    """Adam whose weight decay bypasses the moments (Loshchilov & Hutter 2019); 0.01 by default."""

    decoupled = True
    usual_decay = 0.01


def clip_grad_norm(parameters: Parameters, max_norm: float) -> float:
    """Scale all gradients together so that their joint Euclidean norm is at most `max_norm`.

    Pascanu, Mikolov & Bengio 2013, section 3.2: the direction stays.

    Args:
        parameters: a model, an iterable of tensors, or a tensor; those without gradient count 0.
        max_norm: the largest norm allowed, above 0.

    Returns:
        the norm before clipping.

    Raises:
        NonFiniteError: if a gradient has NaN or infinity; nothing changes then.

    >>> import numpy as np, autograd_mini as am
    >>> w = am.tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = np.array([3.0, 4.0])
    >>> clip_grad_norm(w, 1.0), w.grad
    (5.0, array([0.6, 0.8]))
    """
    positive("max_norm", max_norm)
    found = gradients(parameters)
    if any(isinstance(g, Tensor) for _, g in found):
        return _clipped_in_a_trace(found, float(max_norm))
    norms = [_norm_of(g) for _, g in found]
    for (p, g), norm in zip(found, norms, strict=True):
        if not math.isfinite(norm):
            bad = int(np.size(g) - np.isfinite(g).sum())
            raise NonFiniteError(
                f"the gradient of {describe(p)} has {bad} values that are NaN or infinite of "
                f"{np.size(g)}; nothing was clipped. Lower the learning rate, and check the data"
            )
    total = math.hypot(*norms)
    if total > max_norm:
        scale = float(max_norm) / total
        for p, g in found:
            p.grad = g * scale
    return total


def _clipped_in_a_trace(found: list[tuple[Tensor, Array]], max_norm: float) -> Any:
    """Do the same with recorded operations; the norm returned is a tensor."""
    require_finite("a gradient", *(g for _, g in found))
    squares = [np.sum(np.abs(g).astype(np.float64) ** 2) for _, g in found]
    total = np.sqrt(sum(squares[1:], squares[0]))
    scale = np.where(total > max_norm, max_norm / np.where(total > 0, total, 1.0), 1.0)
    for p, g in found:
        p.grad = g * scale.astype(g.dtype)
    return total


def clip_grad_value(parameters: Parameters, max_value: float) -> None:
    """Limit every element of the gradients to [−max_value, max_value]; NaN stays NaN.

    >>> import numpy as np, autograd_mini as am
    >>> w = am.tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = np.array([3.0, -4.0])
    >>> clip_grad_value(w, 3.5)
    >>> w.grad
    array([ 3. , -3.5])
    """
    positive("max_value", max_value)
    for p, g in gradients(parameters):
        p.grad = np.clip(g, -float(max_value), float(max_value))


def _norm_of(g: Array) -> float:
    """Return the Euclidean norm in float64; dividing first keeps the squares from overflowing."""
    values = np.asarray(g, np.float64)
    largest = float(np.max(np.abs(values), initial=0.0))
    if not 1e100 < largest < math.inf:
        return float(np.linalg.norm(values))
    return largest * float(np.linalg.norm(values / largest))


def gradients(parameters: Parameters) -> list[tuple[Tensor, Array]]:
    """Return the parameters that have a gradient, with it."""
    return [(p, gradient_of(p)) for p in collect(parameters) if p.grad is not None]


Schedule = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class _Checked:
    """A schedule whose numbers of steps are above 0, and all others at least 0."""

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in (field.name for field in fields(self)):
            if name in ("every", "steps"):
                positive(name, getattr(self, name), "steps")
            else:
                within(name, getattr(self, name), math.inf)


@dataclass(frozen=True, slots=True)
class Constant(_Checked):
    """The same rate at every step."""

    rate: float

    def __call__(self, step: int) -> float:
        """Return the rate of a step."""
        return self.rate


@dataclass(frozen=True, slots=True)
class StepDecay(_Checked):
    """Multiply the rate by `factor` after every `every` steps.

    >>> decay = StepDecay(0.1, every=10, factor=0.5)
    >>> decay(0), decay(9), decay(10)
    (0.1, 0.1, 0.05)
    """

    rate: float
    every: int
    factor: float = 0.1

    def __call__(self, step: int) -> float:
        """Return the rate of a step."""
        return self.rate * self.factor ** (step // self.every)


@dataclass(frozen=True, slots=True)
class Exponential(_Checked):
    """Multiply the rate by `factor` at every step.

    >>> Exponential(1.0, 0.5)(3)
    0.125
    """

    rate: float
    factor: float

    def __call__(self, step: int) -> float:
        """Return the rate of a step."""
        return self.rate * self.factor**step


@dataclass(frozen=True, slots=True)
class Cosine(_Checked):
    """Fall from `rate` to `final` along half a cosine in `steps` steps, then stay.

    Loshchilov & Hutter 2017 (SGDR), equation 5, without restarts.

    >>> fall = Cosine(1.0, steps=100)
    >>> fall(0), fall(50), fall(100), fall(1000)
    (1.0, 0.5, 0.0, 0.0)
    """

    rate: float
    steps: int
    final: float = 0.0

    def __call__(self, step: int) -> float:
        """Return the rate of a step."""
        done = min(step / self.steps, 1.0)
        return self.final + (self.rate - self.final) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True, slots=True)
class Warmup:
    """Rise linearly for `steps` steps to the value of another schedule (or a number).

    The other schedule starts when the rise is over.

    >>> rise = Warmup(Cosine(1.0, steps=100), steps=4)
    >>> [rise(i) for i in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """

    then: Schedule | float
    steps: int

    def __post_init__(self) -> None:
        """Check the schedule and the length."""
        if not callable(self.then):
            within("then, which is not a schedule,", self.then, math.inf)
        positive("steps", self.steps, "steps")

    def __call__(self, step: int) -> float:
        """Return the rate of a step."""
        after = self.then if callable(self.then) else Constant(self.then)
        if step < self.steps:
            return after(0) * (step + 1) / self.steps
        return after(step - self.steps)
