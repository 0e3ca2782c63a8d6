"""Which mistake, made in the function's own formula, gives the gradient that was given."""

from __future__ import annotations

from ..causes import Kind
from .altered import (
    derived,
    gathered,
    reductions,
    summed_otherwise,
    turned,
    turned_operands,
)
from .alternatives import other_function
from .faults import Fault, Trial, search
from .formula import Formula
from .loops import looped
from .mistakes import (
    by_values,
    elsewhere,
    exchanged_operands,
    forgotten,
    multiplied,
    paired,
    scaled,
)
from .patterns import Pattern
from .segments import in_segments

PLAIN = (0.0, -1.0)
"""Factors that are looked for first: a path that is left out, a sign."""


MAKERS = (
    forgotten,
    reductions,
    gathered,
    turned_operands,
    summed_otherwise,
    exchanged_operands,
    by_values,
    elsewhere,
    turned,
)  # fmt: skip
"""What yields faults, from the usual ones on."""


def faulty(formula: Formula, position: int) -> Pattern | None:
    """Return the pattern of one mistake in the formula that gives the gradient of an input."""
    trial = Trial(formula, position)
    fault = in_trial(trial)
    if fault is not None:
        return Pattern(fault.kind, fault.text, fault.factor)
    text = other_function(trial)
    return None if text is None else Pattern(Kind.TERM, text)


def in_trial(trial: Trial) -> Fault | None:
    """Return the first fault that is the cause, from the simplest on."""
    factors = [multiplied(trial, *found) for found in scaled(trial)]
    plain = [fault for fault in factors if fault.factor in PLAIN or is_simple(fault.factor)]
    for fault in plain:
        if trial.confirmed(fault):
            return fault
    found = search(trial, MAKERS)
    if found is not None:
        return found
    for fault in paired(trial):
        if trial.confirmed(fault):
            return fault
    return in_segments(trial) or search(trial, (derived,)) or looped(trial)


def is_simple(factor: float | None) -> bool:
    """Whether a factor or its inverse is a whole number."""
    if not factor:
        return True
    return any(
        abs(size - round(size)) < 1e-6 and size < 1e6 for size in (abs(factor), 1 / abs(factor))
    )
