"""Learning-rate schedules: functions of the step number, counted from 0.

Set the rate before each step, `optimizer.lr = schedule(optimizer.steps)`, or give the schedule to
`Module.fit`, which does that. Any function of an integer serves as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from .numbers import positive, within

Schedule = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Constant:
    """The same rate at every step."""

    rate: float

    def __post_init__(self) -> None:
        """Check the rate."""
        within("rate", self.rate, math.inf)

    def __call__(self, step: int) -> float:
        """Return the rate of a step."""
        return self.rate


@dataclass(frozen=True, slots=True)
class StepDecay:
    """Multiply the rate by `factor` after every `every` steps.

    >>> decay = StepDecay(0.1, every=10, factor=0.5)
    >>> decay(0), decay(9), decay(10)
    (0.1, 0.1, 0.05)
    """

    rate: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        """Check the numbers."""
        within("rate", self.rate, math.inf)
        within("factor", self.factor, math.inf)
        positive("every", self.every, "steps")

    def __call__(self, step: int) -> float:
        """Return the rate of a step."""
        return self.rate * self.factor ** (step // self.every)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Multiply the rate by `factor` at every step.

    >>> Exponential(1.0, 0.5)(3)
    0.125
    """

    rate: float
    factor: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        within("rate", self.rate, math.inf)
        within("factor", self.factor, math.inf)

    def __call__(self, step: int) -> float:
        """Return the rate of a step."""
        return self.rate * self.factor**step


@dataclass(frozen=True, slots=True)
class Cosine:
    """Fall from `rate` to `final` along half a cosine in `steps` steps, then stay.

    Loshchilov & Hutter 2017 (SGDR), equation 5, without restarts.

    >>> fall = Cosine(1.0, steps=100)
    >>> fall(0), fall(50), fall(100), fall(1000)
    (1.0, 0.5, 0.0, 0.0)
    """

    rate: float
    steps: int
    final: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        within("rate", self.rate, math.inf)
        within("final", self.final, math.inf)
        positive("steps", self.steps, "steps")

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
            within("then, which is no schedule,", self.then, math.inf)
        positive("steps", self.steps, "steps")

    def __call__(self, step: int) -> float:
        """Return the rate of a step."""
        after = self.then if callable(self.then) else Constant(self.then)
        if step < self.steps:
            return after(0) * (step + 1) / self.steps
        return after(step - self.steps)
