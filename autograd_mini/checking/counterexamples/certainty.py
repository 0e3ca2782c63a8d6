"""Whether a failure that a search meets is one for certain.

Among many inputs some are hard for a right gradient too: a function that has lost its digits, a
slope that rounding leaves nothing of, many equal numbers at a corner. A check at such a point may
fail, and the gradient is right all around. What is called a counterexample holds up to more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..causes import Kind
from ..numeric.verdicts import KINK, Verdict
from ..reporting.entries import Entry
from ..reporting.report import Report

INSIGNIFICANT = 1e-10
"""A difference that is such a share of the outputs may come from their rounding."""

NUDGE = 1e-13
"""A relative change of inputs that a function with digits to spare does not show."""

UNSTEADY = 1e-6
"""A relative change of outputs, after such a nudge, that leaves no digits for a derivative."""

BESIDE = 1e-3
"""How far from a corner the gradient is looked at."""

NEIGHBOURS = 16
"""How often."""

Inputs = tuple[Any, ...]
Move = Callable[[Inputs, Callable[[Any], Any]], Inputs]
Check = Callable[[Inputs], Report | None]
Outputs = Callable[[Inputs], list[Any] | None]


def is_certain(
    inputs: Inputs, report: Report, move: Move, check: Check, outputs: Outputs, strict: bool
) -> bool:
    """Whether a failed check is the gradient's mistake.

    Args:
        inputs: where the check failed.
        report: what it said.
        move: puts other numbers in place of those that are differentiated.
        check: checks the gradient at other inputs, None if they are of no use.
        outputs: calls the function, None if it is not finite.
        strict: whether a gradient that is not finite at a corner is a mistake.
    """
    problems = {cause.kind for cause in report.problems} - {Kind.DOMAIN}
    if problems == {Kind.COTANGENT}:  # of a gradient that is 0 but for rounding, sums are not exact
        beside = check(nudge_inputs(inputs, move, BESIDE, 0))
        return beside is None or bool(beside.problems)
    ys = outputs(inputs)
    if problems or ys is None:  # the functions of other frameworks are not called here
        return True
    if not is_steady(inputs, ys, move, outputs):
        return False
    floor = INSIGNIFICANT * max(float(np.abs(y).max(initial=0.0)) for y in ys)
    wrong = report.first(report.count(Verdict.WRONG), (Verdict.WRONG,))
    wrong = tuple(e for e in wrong if not e.absolute <= floor)
    if not wrong or not all(e.reason.startswith(KINK) for e in wrong):
        return bool(wrong)
    if not all(np.isfinite(e.analytic) for e in wrong):
        return strict  # there is no gradient here, and 0/0 says so
    return not is_limit(wrong, inputs, move, check)


def nudge_inputs(inputs: Inputs, move: Move, size: float, seed: int) -> Inputs:
    """Return inputs a little beside others."""
    generator = np.random.default_rng(seed)

    def beside(x: Any) -> Any:
        scale = np.maximum(np.abs(x), 0.0 if size < BESIDE else 1.0)
        return np.asarray(x + size * scale * generator.uniform(-1, 1, x.shape), x.dtype)

    return move(inputs, beside)


def is_steady(inputs: Inputs, ys: list[Any], move: Move, outputs: Outputs) -> bool:
    """Whether a tiny change of the inputs changes the outputs little."""
    sizes = [float(np.abs(y).max(initial=0.0)) for y in ys]

    def note_size(x: Any) -> Any:
        sizes.append(float(np.abs(x).max(initial=0.0)))
        return x

    move(inputs, note_size)
    others = outputs(nudge_inputs(inputs, move, NUDGE, 0))
    if others is None or [y.shape for y in others] != [y.shape for y in ys]:
        return False
    pairs = zip(ys, others, strict=True)
    change = max(float(np.abs(a - b).max(initial=0.0)) for a, b in pairs)
    return change <= UNSTEADY * max(sizes)


def is_limit(wrong: tuple[Entry, ...], inputs: Inputs, move: Move, check: Check) -> bool:
    """Whether a gradient at a corner is among what it is beside it, and right there.

    Beside a point at which three numbers are equal there are more slopes than those to the left and
    to the right of one of them.
    """
    low = {(e.input, e.index): np.inf for e in wrong}
    high = dict.fromkeys(low, -np.inf)
    for seed in range(NEIGHBOURS):
        report = check(nudge_inputs(inputs, move, BESIDE, seed))
        if report is None:
            continue
        if not report.ok:
            return False
        for part in report.parts:
            for name, index in low:
                if name == part.name:
                    low[name, index] = min(low[name, index], part.given[index])
                    high[name, index] = max(high[name, index], part.given[index])
    for e in wrong:
        key, allowed = (e.input, e.index), 10 * BESIDE * (1 + abs(e.analytic))
        if not low[key] - allowed <= e.analytic <= high[key] + allowed:
            return False
    return True
