"""Which mistake, made in the function's own formula, gives the gradient that was given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from .altered import (
    broadcast_sum_faults,
    cotangent_faults,
    derivative_faults,
    indexing_faults,
    operand_faults,
    reduction_faults,
)
from .alternatives import other_function
from .branches import other_branch
from .faults import Fault, FaultTrial, find_single_fault
from .formula import Formula
from .levels import other_levels
from .loops import LOOP_MAKERS, find_loop_fault, other_turn_faults
from .mistakes import (
    exchanged_operand_faults,
    factor_fault,
    fitting_factors,
    missing_derivative_faults,
    paired_factor_faults,
    wrong_value_faults,
)
from .multiples import replaced_factor_faults, value_factor_faults
from .parts import exchanged_part_faults, reshape_faults
from .patterns import Pattern
from .segments import find_segment_fault

PLAIN_FACTORS = (0.0, -1.0)
"""Factors that are looked for first: a path that is left out, a sign."""


MAKERS = (
    missing_derivative_faults,
    reduction_faults,
    indexing_faults,
    operand_faults,
    broadcast_sum_faults,
    exchanged_operand_faults,
    exchanged_part_faults,
    reshape_faults,
)  # fmt: skip
"""What yields faults of single steps, from the usual ones on."""

COSTLY_MAKERS = (wrong_value_faults, cotangent_faults)
"""What costs more, or says less."""


def find_fault(formula: Formula, position: int) -> Pattern | None:
    """Return the pattern of one mistake in the formula that gives the gradient of an input."""
    key = "faulty", position
    if key not in formula.memo:
        formula.memo[key] = _find_fault(formula, position)
    found: Pattern | None = formula.memo[key]
    return found


def _find_fault(formula: Formula, position: int) -> Pattern | None:
    settled = formula.without_cancelled_paths()
    trial = FaultTrial(settled or formula, position)
    fault = first_confirmed(trial, chain(usual_faults(trial), costly_faults(trial)))
    pattern = None
    if fault is None:
        pattern = other_branch(trial) or other_levels(trial) or other_function(trial)
    if fault is None and pattern is None and settled is not None:
        trial = FaultTrial(formula, position)  # perhaps what cancels was differentiated in part
        fault = first_confirmed(trial, usual_faults(trial))
    if fault is None:
        return pattern
    formula.found.append(fault)
    return Pattern(fault.kind, fault.text, fault.factor)


def first_confirmed(trial: FaultTrial, groups: Iterable[Iterable[Fault]]) -> Fault | None:
    """Return the first fault that is the cause, from the simplest on."""
    for faults in groups:
        for fault in faults:
            if trial.confirms(fault):
                return fault
    return None


def usual_faults(trial: FaultTrial) -> Iterator[Iterable[Fault]]:
    """Yield groups of faults: factors, those of another input, mistakes in single rules."""
    factors = [factor_fault(trial, *found) for found in fitting_factors(trial)]
    yield [fault for fault in factors if fault.factor in PLAIN_FACTORS or is_simple(fault.factor)]
    yield trial.formula.found
    yield as_list(find_single_fault(trial, MAKERS))


def costly_faults(trial: FaultTrial) -> Iterator[Iterable[Fault]]:
    """Yield groups of faults that cost more, or assume more."""
    yield value_factor_faults(trial)
    yield as_list(find_loop_fault(trial, LOOP_MAKERS))
    yield paired_factor_faults(trial)
    yield replaced_factor_faults(trial)
    yield as_list(find_loop_fault(trial, (other_turn_faults,)))
    yield as_list(find_single_fault(trial, COSTLY_MAKERS))
    yield as_list(find_segment_fault(trial))
    yield as_list(find_single_fault(trial, (derivative_faults,)))


def as_list(fault: Fault | None) -> list[Fault]:
    """Return a list of what a search has found."""
    return [] if fault is None else [fault]


def is_simple(factor: float | None) -> bool:
    """Whether a factor or its inverse is a whole number."""
    if not factor:
        return True
    return any(
        abs(size - round(size)) < 1e-6 and size < 1e6 for size in (abs(factor), 1 / abs(factor))
    )
