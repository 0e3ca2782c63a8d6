"""Which mistake, made in the function's own formula, gives the gradient that was given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .altered import (
    derived,
    gathered,
    reductions,
    summed_otherwise,
    turned,
    turned_operands,
)
from .alternatives import other_function
from .branches import other_branch
from .faults import Fault, Trial, search
from .formula import Formula
from .levels import other_levels
from .loops import USUAL, looped, other_turns
from .mistakes import (
    elsewhere,
    exchanged_operands,
    forgotten,
    multiplied,
    paired,
    scaled,
)
from .multiples import by_values, other_factors
from .parts import exchanged_parts, read_otherwise
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
    exchanged_parts,
    read_otherwise,
)  # fmt: skip
"""What yields faults of single steps, from the usual ones on."""

LATER = (elsewhere, turned)
"""What costs more, or says less."""


def faulty(formula: Formula, position: int) -> Pattern | None:
    """Return the pattern of one mistake in the formula that gives the gradient of an input."""
    key = "faulty", position
    if key not in formula.memo:
        formula.memo[key] = _faulty(formula, position)
    found: Pattern | None = formula.memo[key]
    return found


def _faulty(formula: Formula, position: int) -> Pattern | None:
    settled = formula.settled()
    for form in (formula,) if settled is None else (settled, formula):
        trial = Trial(form, position)
        fault = in_trial(trial)
        if fault is not None:
            formula.found.append(fault)
            return Pattern(fault.kind, fault.text, fault.factor)
        pattern = other_branch(trial) or other_levels(trial) or other_function(trial)
        if pattern is not None:
            return pattern
    return None


def in_trial(trial: Trial) -> Fault | None:
    """Return the first fault that is the cause, from the simplest on."""
    for faults in candidates(trial):
        for fault in faults:
            if trial.confirmed(fault):
                return fault
    return None


def candidates(trial: Trial) -> Iterator[Iterable[Fault]]:
    """Yield groups of faults that may be the cause: those of another input, then the usual ones."""
    factors = [multiplied(trial, *found) for found in scaled(trial)]
    yield [fault for fault in factors if fault.factor in PLAIN or is_simple(fault.factor)]
    yield trial.formula.found
    yield found_by(search(trial, MAKERS))
    yield by_values(trial)
    yield found_by(looped(trial, USUAL))
    yield paired(trial)
    yield other_factors(trial)
    yield found_by(looped(trial, (other_turns,)))
    yield found_by(search(trial, LATER))
    yield found_by(in_segments(trial))
    yield found_by(search(trial, (derived,)))


def found_by(fault: Fault | None) -> list[Fault]:
    """Return a list of what a search has found."""
    return [] if fault is None else [fault]


def is_simple(factor: float | None) -> bool:
    """Whether a factor or its inverse is a whole number."""
    if not factor:
        return True
    return any(
        abs(size - round(size)) < 1e-6 and size < 1e6 for size in (abs(factor), 1 / abs(factor))
    )
