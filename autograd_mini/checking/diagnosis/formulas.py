"""Which mistake, made in the function's own formula, gives the gradient that was given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

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
    trial = Trial(settled or formula, position)
    fault = in_trial(trial, chain(usual(trial), later(trial)))
    pattern = None
    if fault is None:
        pattern = other_branch(trial) or other_levels(trial) or other_function(trial)
    if fault is None and pattern is None and settled is not None:
        trial = Trial(formula, position)  # perhaps what cancels was differentiated in part
        fault = in_trial(trial, usual(trial))
    if fault is None:
        return pattern
    formula.found.append(fault)
    return Pattern(fault.kind, fault.text, fault.factor)


def in_trial(trial: Trial, groups: Iterable[Iterable[Fault]]) -> Fault | None:
    """Return the first fault that is the cause, from the simplest on."""
    for faults in groups:
        for fault in faults:
            if trial.confirmed(fault):
                return fault
    return None


def usual(trial: Trial) -> Iterator[Iterable[Fault]]:
    """Yield groups of faults: factors, those of another input, mistakes in single rules."""
    factors = [multiplied(trial, *found) for found in scaled(trial)]
    yield [fault for fault in factors if fault.factor in PLAIN or is_simple(fault.factor)]
    yield trial.formula.found
    yield found_by(search(trial, MAKERS))


def later(trial: Trial) -> Iterator[Iterable[Fault]]:
    """Yield groups of faults that cost more, or assume more."""
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
