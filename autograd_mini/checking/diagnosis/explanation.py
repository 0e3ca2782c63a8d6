"""Explanation: the driver of a diagnosis. It names the simplest cause of a wrong gradient.

A cause is named only if it turns the numeric gradient into the given one, at every wrong entry that
is checked, and for two cotangents if that is affordable. The first cause that fits is named. They
are tried in the order of how common they are, and how little they assume: first causes that inputs
share, then patterns of one input, then faults in the recorded formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, combinations
from math import isclose

import numpy as np

from ..report import Cause, Kind
from .alternatives import other_branch, other_function, other_levels
from .array_faults import (
    broadcast_sum_faults,
    cotangent_faults,
    derivative_faults,
    exchanged_part_faults,
    indexing_faults,
    operand_faults,
    reduction_faults,
    reshape_faults,
)
from .evidence import (
    Evidence,
    View,
    condition_of,
    is_stretched,
    natural_shape,
    sum_to_shape,
    unsummed_gradient,
    view_closer,
    view_wrong_entries,
    where_wrong,
)
from .formula import Formula, record_formula
from .loop_faults import LOOP_MAKERS, find_loop_fault, find_segment_fault, other_turn_faults
from .patterns import (
    Pattern,
    averaged_pattern,
    complex_factor_pattern,
    conjugate_pattern,
    entrywise_pattern,
    rearrangement_pattern,
)
from .reductions import (
    extra_factor_pattern,
    left_out_pattern,
    reduction_pattern,
    simple_term_pattern,
    single_entry_pattern,
    untransposed_pattern,
)
from .step_faults import (
    Fault,
    FaultTrial,
    exchanged_operand_faults,
    factor_fault,
    find_single_fault,
    fitting_factors,
    missing_derivative_faults,
    paired_factor_faults,
    replaced_factor_faults,
    value_factor_faults,
    wrong_value_faults,
)

Shared = tuple[Cause, list[int]]
"""A cause, and the inputs whose gradients it explains."""

CURVED = 2e-3
"""A gradient is nonlinear if it is off by this share; rounding to float16 stays below it."""


def unsteady_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of a gradient that changes when it is computed again."""
    first, again = evidence.first_given, evidence.given_for(evidence.weights)
    if first is None or again is None:
        return None
    found = [
        i
        for i in evidence.suspects()
        if not np.allclose(first[i], again[i], rtol=1e-6, atol=1e-12, equal_nan=True)
    ]
    if not found:
        return None
    text = f"the gradient of {_name_inputs(evidence, found)} is different when it is computed again"
    return Cause(Kind.NOT_DETERMINISTIC, text, evidence.names[found[0]]), found


def ignored_cotangent_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of a wrong gradient that ignores its cotangent."""
    first, other = evidence.first_given, evidence.other_given
    if first is None or other is None:
        return None
    found = [
        i
        for i in evidence.suspects()
        if np.any(first[i][evidence.wrong[i]])
        and np.array_equal(first[i][evidence.wrong[i]], other[i][evidence.wrong[i]])
    ]
    if not found:
        return None
    places = {where_wrong(evidence, i) for i in found}
    if len(places) > 1:  # the places differ: name one input only
        found, places = found[:1], {where_wrong(evidence, found[0])}
    name = evidence.names[found[0]] if len(found) == 1 else None
    ((condition, where),) = places
    what = f"the gradient of {_name_inputs(evidence, found)}"
    text = f"{what} is the same for any cotangent of the result{where}: it is ignored"
    return Cause(Kind.COTANGENT, text, name, condition), found


def nonlinear_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of a wrong gradient that is not linear in the cotangent."""
    gs, hs = evidence.weights, evidence.other_weights
    first, other = evidence.first_given, evidence.other_given
    both = evidence.given_for([g - 0.5 * h for g, h in zip(gs, hs, strict=True)])
    if first is None or other is None or both is None:
        return None
    off = [a - 0.5 * b - c for a, b, c in zip(first, other, both, strict=True)]
    sums = [np.abs(a) + np.abs(b) for a, b in zip(first, other, strict=True)]
    sizes = [np.max(s, where=np.isfinite(s), initial=0.0) for s in sums]
    wrong = evidence.wrong
    found = [i for i in evidence.suspects() if np.any(np.abs(off[i][wrong[i]]) > CURVED * sizes[i])]
    if not found:
        return None
    name = evidence.names[found[0]] if len(found) == 1 else None
    what = f"the gradient of {_name_inputs(evidence, found)}"
    nothing = evidence.given_for([0 * g for g in gs])
    if nothing is not None and all(
        np.all(np.abs(off[i] + 0.5 * nothing[i]) <= CURVED * sizes[i]) for i in found
    ):
        text = f"{what} is not 0 for a cotangent of 0: a term is not multiplied by the cotangent"
        return Cause(Kind.TERM, text + _constant_text(nothing, found), name), found
    text = f"{what} is not linear in the cotangent of the result: that for g − h/2 is not that "
    return Cause(Kind.COTANGENT, f"{text}for g less half of that for h", name), found


def _constant_text(nothing: list[np.ndarray], found: list[int]) -> str:
    """Write the number that is added to each entry, if it is the same for all."""
    values = np.concatenate([nothing[i].ravel() for i in found])
    return f", {values[0]:.4g}" if np.ptp(values) <= 1e-9 * abs(values[0]) else ""


def conjugated_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of a derivative that is conjugated.

    Then G(ḡ) is the conjugate of the right gradient.
    """
    suspects = evidence.suspects()
    if not all(evidence.complex[i] for i in suspects):
        return None
    sign = np.array([1.0, -1.0])
    pairs = zip(evidence.weights, evidence.complex_outputs, strict=True)
    found = evidence.given_for([g * sign if is_complex else g for g, is_complex in pairs])
    if found is None:
        return None
    for i in suspects:
        if not np.all(np.abs(found[i] * sign - evidence.numeric[i]) <= evidence.tolerance(i)):
            return None
    name = evidence.names[suspects[0]]
    text = f"the derivative by {name} is not conjugated: g · f′ is given, g · conj(f′) is right"
    return Cause(Kind.CONJUGATED, text, name), suspects


def _name_inputs(evidence: Evidence, positions: list[int]) -> str:
    """Write the names of some inputs."""
    names = [evidence.names[i] for i in positions]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def exchanged_cause(evidence: Evidence) -> Shared | None:
    """Return the cause of two inputs with exchanged gradients."""
    for i, j in combinations(evidence.suspects(), 2):
        if evidence.complex[i] != evidence.complex[j]:
            continue
        first, second = evidence.names[i], evidence.names[j]
        if evidence.xs[i].shape != evidence.xs[j].shape:
            if _have_exchanged_rules(evidence, i, j):
                text = f"{first} and {second} have exchanged gradients, before they are summed"
                return Cause(Kind.SWAPPED, text, first), [i, j]
            continue
        for sign in (1, -1):
            if _has_gradient_of(evidence, i, j, sign) and _has_gradient_of(evidence, j, i, sign):
                how = "" if sign > 0 else ", and their signs are flipped"
                text = f"{first} and {second} have exchanged gradients{how}"
                return Cause(Kind.SWAPPED, text, first), [i, j]
    return None


def _has_gradient_of(evidence: Evidence, i: int, j: int, sign: int) -> bool:
    """Is the given gradient of one input the numeric gradient of another?"""
    if not np.all(np.isfinite(evidence.error[j])):
        return False
    return evidence.explains(i, sign * evidence.numeric[j], evidence.slack(j))


def _have_exchanged_rules(evidence: Evidence, i: int, j: int) -> bool:
    """Does each of two inputs that are broadcast together have the rule of the other?"""
    if len(evidence.outputs) != 1:
        return False
    result = natural_shape(evidence.outputs[0].shape, evidence.complex_outputs[0])
    shapes = [natural_shape(evidence.xs[k].shape, evidence.complex[k]) for k in (i, j)]
    if not all(shape == result or is_stretched(shape, result) for shape in shapes):
        return False
    fulls = [
        evidence.numeric[k] if shape == result else unsummed_gradient(evidence, k, evidence.weights)
        for k, shape in zip((i, j), shapes, strict=True)
    ]
    return all(
        full is not None and _sums_to_given(full, evidence.given[k], evidence.rtol)
        for k, full in zip((j, i), fulls, strict=True)
    )


def _sums_to_given(full: np.ndarray, given: np.ndarray, rtol: float) -> bool:
    """Is a sum over broadcast axes the given gradient?"""
    slack = 10 * rtol * sum_to_shape(np.abs(full), given.shape)
    difference = np.abs(sum_to_shape(full, given.shape) - given)
    return bool(np.all(difference <= slack + np.max(slack, initial=0.0)))


MOST = 3
"""Largest number of causes in a report."""


Check = Callable[[Evidence, View], Pattern | None]

CHECKS: tuple[Check, ...] = (
    conjugate_pattern,
    entrywise_pattern,
    rearrangement_pattern,
    untransposed_pattern,
    left_out_pattern,
    simple_term_pattern,
    averaged_pattern,
    extra_factor_pattern,
    complex_factor_pattern,
    reduction_pattern,
)
"""Patterns of one input, the simplest first."""

BY_VALUES = (left_out_pattern, simple_term_pattern, extra_factor_pattern)
"""These patterns are about values. They must say where they hold, or hold for right entries too."""

PLAIN_FACTORS = (0.0, -1.0)
"""Factors that are tried first: a missing path, and a flipped sign."""

MAKERS = (
    missing_derivative_faults,
    reduction_faults,
    indexing_faults,
    operand_faults,
    broadcast_sum_faults,
    exchanged_operand_faults,
    exchanged_part_faults,
    reshape_faults,
)
"""Generators of faults at single steps, the most common first."""

COSTLY_MAKERS = (wrong_value_faults, cotangent_faults)
"""Generators of faults that cost more or say less."""


def diagnose(evidence: Evidence) -> tuple[Cause, ...]:
    """Return the causes, the most useful first: one for each input, and at most three in all."""
    found: list[Cause] = []
    suspects = evidence.suspects()
    with np.errstate(all="ignore"):
        for check in (
            unsteady_cause,
            ignored_cotangent_cause,
            nonlinear_cause,
            exchanged_cause,
            conjugated_cause,
        ):
            shared = check(evidence)
            if shared is not None:
                found.append(shared[0])
                suspects = [i for i in suspects if i not in shared[1]]
                break
        formula = record_formula(evidence) if suspects else None
        own = []
        for done, i in enumerate(suspects):
            if formula is not None:
                formula.budget.share(len(suspects) - done)
            cause = _diagnose_input(evidence, i, formula)
            own += [] if cause is None else [cause]
    found += sorted(own, key=lambda cause: cause.kind is Kind.UNKNOWN)
    return tuple(found[:MOST])


def _diagnose_input(evidence: Evidence, position: int, formula: Formula | None) -> Cause | None:
    """Return the cause of the wrong gradient of one input."""
    given, wrong = evidence.given[position], evidence.wrong[position]
    if not np.all(np.isfinite(given[wrong])):
        infinite = wrong & ~np.isfinite(given)
        what = "NaN" if np.any(np.isnan(given[infinite])) else "infinite"
        smooth = not np.any(infinite & evidence.kink[position]) if evidence.kink else True
        there = "; the function is smooth there" if smooth else ", at a corner of the function"
        text = f"the gradient of {{name}} is {what}{{where}}{there}"
        return _make_cause(evidence, position, Pattern(Kind.NOT_FINITE, text))
    seen = view_wrong_entries(evidence, position)
    if seen is None:
        pattern = _pattern_within_bars(evidence, position)
        return None if pattern is None else _make_cause(evidence, position, pattern)
    pattern = _find_pattern(evidence, seen, formula) or _near_factor_pattern(seen)
    if pattern is None:
        pattern = Pattern(Kind.UNKNOWN, f"no usual mistake explains {_ratio_text(seen)}")
    return _make_cause(evidence, position, pattern)


def _pattern_within_bars(evidence: Evidence, position: int) -> Pattern | None:
    """Return a zero gradient or a flipped sign, which even wide error bars can show."""
    wrong = evidence.wrong[position]
    arrays = (evidence.given, evidence.numeric, evidence.error)
    given, numeric, error = (values[position][wrong] for values in arrays)
    if not np.all(2 * error < np.abs(numeric)):
        return None
    if np.all(given == 0):
        return Pattern(Kind.ZERO, "the gradient of {name} is 0{where}: a part is missing")
    if given.size > 1 and np.all(np.abs(given + numeric) <= error):
        text = "the sign of the gradient of {name} is flipped{where}, within the error bars"
        return Pattern(Kind.SIGN, text, -1.0)
    return None


def _near_factor_pattern(seen: View) -> Pattern | None:
    """Return a factor that is known only as well as wide error bars allow."""
    found = seen.given / seen.numeric
    low, high = np.min(found), np.max(found)
    if not np.isfinite(low + high) or found.size < 2 or high - low > 1e-3 * abs(low):
        return None
    if abs(low + 1) < 1e-3:
        text = "the sign of the gradient of {name} is flipped{where}, within the error bars"
        return Pattern(Kind.SIGN, text, -1.0)
    if abs(low - 1) < 2e-3:  # indistinguishable from right
        return None
    text = f"the gradient of {{name}} is about {low:.4g} times the right one{{where}}"
    return Pattern(Kind.FACTOR, text, float(low))


def _ratio_text(seen: View) -> str:
    """Say how far off a gradient is that nothing explains."""
    found = (seen.given / seen.numeric)[np.isfinite(seen.given / seen.numeric)]
    text = "the gradient of {name}{where}"
    if not found.size:
        return text
    low, high = np.min(found), np.max(found)
    if max(abs(low - 1), abs(high - 1)) < 1e-2:
        return f"{text}; it is off by {np.max(np.abs(found - 1)):.1e} of the right one, or less"
    return f"{text}; it is between {low:.4g} and {high:.4g} times the right one"


def _find_pattern(evidence: Evidence, seen: View, formula: Formula | None) -> Pattern | None:
    """Return the first pattern that explains all entries in view."""
    near = view_closer(evidence, seen)
    for check in CHECKS:
        if check is left_out_pattern and formula is not None and not formula.is_elementwise:
            fault = find_fault(formula, seen.position)
            if fault is not None:
                return fault
        pattern = check(evidence, near)
        if pattern is None:
            continue
        if formula is not None and (
            check is reduction_pattern or _is_vague(evidence, seen, pattern)
        ):
            fault = find_fault(formula, seen.position)
            if fault is not None:
                return fault
        if len(seen.places) == 1 and pattern.factor is not None and not _is_plain(pattern.factor):
            return single_entry_pattern(evidence, near) or pattern
        if check in BY_VALUES and not _holds_elsewhere(evidence, check, pattern, seen.position):
            continue
        if len(near.places) == len(seen.places) or check in (
            left_out_pattern,
            untransposed_pattern,
        ):
            return pattern
        again = check(evidence, seen)
        if again is not None and again.kind is pattern.kind:
            return again
    if formula is not None and formula.is_elementwise:  # simple terms describe it better
        return find_fault(formula, seen.position)
    return None


def _holds_elsewhere(evidence: Evidence, check: Check, pattern: Pattern, position: int) -> bool:
    """Does a pattern also give the right entries, if no condition separates them?"""
    condition = condition_of(evidence, position, pattern.zeros)
    if not condition.endswith("entries"):
        return True
    whole = view_wrong_entries(evidence, position, everywhere=True)
    again = None if whole is None else check(evidence, view_closer(evidence, whole))
    return again is not None and again.text == pattern.text


def _is_vague(evidence: Evidence, seen: View, pattern: Pattern) -> bool:
    """Is a pattern only a meaningless factor, or a condition that says nothing?"""
    factor = pattern.factor
    if not pattern.whole:
        condition = condition_of(evidence, seen.position, pattern.zeros)
        if condition.endswith("entries"):
            return True
    large = factor is not None and not 1e-6 < abs(factor) < 1e6
    return large or "off by the factor" in pattern.text


def _is_plain(factor: float) -> bool:
    """Is a factor or its inverse a small whole number?"""
    sizes = abs(factor), abs(1 / factor)
    return any(isclose(size, round(size), rel_tol=1e-5) for size in sizes if 0.9 < size < 10)


def _make_cause(evidence: Evidence, position: int, pattern: Pattern) -> Cause:
    """Write a pattern with the name of its input and its condition."""
    name = evidence.names[position]
    condition, where = ("", "") if pattern.whole else where_wrong(evidence, position, pattern.zeros)
    text = pattern.text.format(name=name, where=where)
    return Cause(pattern.kind, text, name, condition, pattern.factor)


def find_fault(formula: Formula, position: int) -> Pattern | None:
    """Return the pattern of one mistake in the formula that gives the given gradient."""
    key = "faulty", position
    if key not in formula.memo:
        formula.memo[key] = _find_fault(formula, position)
    found: Pattern | None = formula.memo[key]
    return found


def _find_fault(formula: Formula, position: int) -> Pattern | None:
    settled = formula.without_cancelled_paths()
    trial = FaultTrial(settled or formula, position)
    fault = _first_confirmed(trial, chain(_usual_faults(trial), _costly_faults(trial)))
    pattern = None
    if fault is None:
        pattern = other_branch(trial) or other_levels(trial) or other_function(trial)
    if fault is None and pattern is None and settled is not None:
        trial = FaultTrial(formula, position)  # paths that cancel may be differentiated in part
        fault = _first_confirmed(trial, _usual_faults(trial))
    if fault is None:
        return pattern
    formula.found.append(fault)
    return Pattern(fault.kind, fault.text, fault.factor)


def _first_confirmed(trial: FaultTrial, groups: Iterable[Iterable[Fault]]) -> Fault | None:
    """Return the first fault that is confirmed."""
    for faults in groups:
        for fault in faults:
            if trial.confirms(fault):
                return fault
    return None


def _usual_faults(trial: FaultTrial) -> Iterator[Iterable[Fault]]:
    """Yield groups of faults: factors, those of another input, mistakes in single rules."""
    factors = [factor_fault(trial, *found) for found in fitting_factors(trial)]
    yield [fault for fault in factors if fault.factor in PLAIN_FACTORS or _is_simple(fault.factor)]
    yield trial.formula.found
    yield _as_list(find_single_fault(trial, MAKERS))


def _costly_faults(trial: FaultTrial) -> Iterator[Iterable[Fault]]:
    """Yield groups of faults that cost more or assume more."""
    trial.drop_wide_steps()
    yield value_factor_faults(trial)
    yield _as_list(find_loop_fault(trial, LOOP_MAKERS))
    yield paired_factor_faults(trial)
    yield replaced_factor_faults(trial)
    yield _as_list(find_loop_fault(trial, (other_turn_faults,)))
    yield _as_list(find_single_fault(trial, COSTLY_MAKERS))
    yield _as_list(find_segment_fault(trial))
    yield _as_list(find_single_fault(trial, (derivative_faults,)))


def _as_list(fault: Fault | None) -> list[Fault]:
    """Return a list with a fault, or an empty list for None."""
    return [] if fault is None else [fault]


def _is_simple(factor: float | None) -> bool:
    """Is a factor or its inverse a whole number?"""
    if not factor:
        return True
    return any(
        abs(size - round(size)) < 1e-6 and size < 1e6 for size in (abs(factor), 1 / abs(factor))
    )
