"""Ours: what this library's check says of a mutant or a right gradient, and whether it is so."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_mini as am
from autograd_mini.checking import Report, Verdict
from autograd_mini.checking.report import Cause

from .mutants import Mutant
from .rights import Right


def of_mutant(mutant: Mutant) -> dict[str, Any]:
    """Check a mutant, and compare what is said with what is true of it."""
    function = mutant.function
    if mutant.recorded is not None:
        call = mutant.recorded
        report = checked(call, function.arrays, order=2)
    else:
        report = checked(function.value, function.arrays, vjp=mutant.vjp)
    cause = first_cause(report)
    named = cause is not None and cause.kind in mutant.kinds
    about = cause is not None and (cause.input is None or cause.input in mutant.operands)
    condition = cause.condition if cause is not None else ""
    return {
        "caught": bool(report.count(Verdict.WRONG) or report.problems),
        "unresolved": report.count(Verdict.UNRESOLVED),
        "cause": named and about,
        "condition": not mutant.marks or any(mark in condition for mark in mutant.marks),
        "expected": "|".join(sorted(mutant.kinds)) + "".join(f" [{m}]" for m in mutant.marks[:1]),
        "said": "" if cause is None else f"{cause.kind} {cause.input or ''} [{condition}]: {cause}",
    }


def of_right(right: Right) -> dict[str, Any]:
    """Check a right gradient; tell wrong alarms from what is left open."""
    report = checked(right.value, right.arrays, vjp=right.vjp)
    worst = report.worst
    said = "; ".join(map(str, report.problems))
    if not said and worst is not None and not worst.verdict.passes:
        said = (
            f"{worst.verdict} {worst.place}: given {worst.analytic:.12g}, numeric "
            f"{worst.numeric:.12g} ± {worst.error:.1e} {worst.reason}"
        )
    return {
        "alarm": bool(report.count(Verdict.WRONG) or report.problems),
        "unresolved": bool(report.count(Verdict.UNRESOLVED)),
        "said": said,
    }


def checked(f: Any, arrays: list[Any], **given: Any) -> Report:
    """Check without an error."""
    names = [f"x{i}" for i in range(len(arrays))]
    with np.errstate(all="ignore"):
        return am.gradcheck(f, *arrays, names=names, raises=False, progress=False, **given)


def first_cause(report: Report) -> Cause | None:
    """Return the first thing that a report names."""
    return next(iter((*report.causes, *report.problems)), None)
