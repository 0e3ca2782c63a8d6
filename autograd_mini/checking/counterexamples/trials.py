"""Trial: check the gradient at some inputs, and decide whether a failure is certain.

Inputs are useless if the function raises an error or is not finite there. An error raised by the
gradient alone counts as a failure.

At some inputs even a right gradient may fail a check: the function has lost its digits, rounding
hides a slope, or many equal numbers form a corner. So a counterexample must pass more tests.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from ...core import reverse
from ...core.contexts import run_quietly
from ...errors import AutogradError
from ..causes import Cause, Kind
from ..check import gradcheck
from ..inputs import Arrays, Inputs, argument_names, leaf_array, write_leaf_places
from ..numeric.verdicts import KINK, Verdict
from ..reporting.report import Entry, Report
from ..subjects import Recorded, Subject, copy_arrays
from .contract import LeafPlace, cast_like
from .variations import ArgumentPattern

DECLINES = (AutogradError, np.linalg.LinAlgError, NotImplementedError, Warning)
"""Errors by which a gradient says that it does not exist at this point."""

RAISES = "the gradient raises "


INSIGNIFICANT = 1e-10
"""A difference below this share of the outputs may come from their rounding."""

NUDGE = 1e-13
"""A relative change of the inputs that must not matter for a function with enough digits."""

UNSTEADY = 1e-6
"""A relative change of the outputs, after such a nudge, that leaves no digits for slopes."""

BESIDE = 1e-3
"""Distance from a corner at which the gradient is compared."""

NEIGHBOURS = 16
"""Number of nearby points that are compared."""

Arguments = tuple[object, ...]

ArrayChange = Callable[[np.ndarray], np.ndarray]

Move = Callable[[Arguments, ArrayChange], Arguments]

Check = Callable[[Arguments], Report | None]

Outputs = Callable[[Arguments], Arrays | None]


class RuleError(Exception):
    """An error raised by a hand-written gradient; `error` holds it."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Refused(Exception):
    """Inputs are useless, because the function raises an error or is not finite there.

    Attributes:
        error: the error of the function; None if it is not finite.
    """

    def __init__(self, error: Exception | None) -> None:
        super().__init__(str(error))
        self.error = error


class GradientTrial:
    """A function and its gradient, checked at many inputs.

    Attributes:
        function: the function.
        rules: its hand-written gradient, by keyword of `gradcheck`.
        options: the other keywords that the user gave.
        seed: the seed of the cotangents.
        strict: whether a gradient that is not finite at a kink is a failure.
    """

    def __init__(
        self,
        function: Callable[..., object],
        rules: dict[str, Any],
        options: dict[str, Any],
        seed: int,
    ) -> None:
        self.function, self.rules, self.options, self.seed = function, rules, options, seed
        self.strict = False

    def report(self, inputs: Arguments) -> Report:
        """Check the gradient at these inputs.

        Raises:
            Refused: if the inputs are useless.
        """
        options = {"coverage": "full", "progress": False, **self.options}
        rules = {key: _mark_rule_errors(rule) for key, rule in self.rules.items()}
        try:
            report = gradcheck(
                self.function, *inputs, **options, **rules, seed=self.seed, raises=False
            )
        except RuleError as error:
            return self._report_error(inputs, error.error)
        except Exception as error:
            if _is_from_backward(error) and self._function_works(inputs):
                return self._report_error(inputs, error)
            raise Refused(error) from error
        if report.problems and all(cause.kind == Kind.DOMAIN for cause in report.problems):
            raise Refused(None)
        return report

    def _report_error(self, inputs: Arguments, error: Exception) -> Report:
        """Report a gradient that raises an error, unless the error says that none exists."""
        if _says_no_gradient(error):
            raise Refused(error) from error
        text = f"{RAISES}{type(error).__name__}: {error}"
        names = argument_names(self.function, len(inputs), self.options.get("names"))
        name = getattr(self.function, "__name__", None) or type(self.function).__name__
        call = f"{name}({', '.join(names)})"
        return Report(call, problems=(Cause(Kind.UNKNOWN, text),), seed=self.seed)

    def is_certain(
        self, inputs: tuple[object, ...], report: Report, taken: ArgumentPattern
    ) -> bool:
        """Is a failed check surely the gradient's mistake? `taken` says which leaves vary."""

        def move(at: Arguments, change: ArrayChange) -> tuple[object, ...]:
            pattern = taken.at(at)
            values = {p: cast_like(x, change(leaf_array(x))) for p, x in pattern.examples.items()}
            return pattern.fill_arguments(values)

        def check(at: tuple[object, ...]) -> Report | None:
            try:
                return self.report(at)
            except Refused:
                return None

        return _is_certain(inputs, report, move, check, self.outputs, self.strict)

    def _function_works(self, inputs: tuple[object, ...]) -> bool:
        """Can a recorded function be called here, so that only its gradient fails?"""
        return not self.rules and self._call_function(inputs) is not None

    def outputs(self, inputs: Arguments) -> Arrays | None:
        """Return the outputs; None if the function raises an error or is not finite."""
        found = self._call_function(inputs)
        return found if found and all(np.isfinite(y).all() for y in found) else None

    def _call_function(self, inputs: Arguments) -> Arrays | None:
        """Return the outputs; None after an error or for another framework."""
        if self.options.get("framework"):
            return None
        names = argument_names(self.function, len(inputs), None)
        kind = Subject if self.rules else Recorded
        try:
            taken = Inputs(
                inputs,
                names,
                self.options.get("argnums"),
                self.options.get("keep_dtype", False),
            )
            subject = kind(self.function, None, taken)
            return run_quietly(
                lambda: subject.outputs(copy_arrays(taken.values(taken.arrays))), all="ignore"
            )
        except Exception:
            return None

    def names(self, taken: ArgumentPattern, places: Sequence[LeafPlace]) -> list[str]:
        """Return the names of leaves, such as `x` or `p['w']`."""
        arguments = taken.fill_arguments({})
        outer = argument_names(self.function, len(arguments), self.options.get("names"))
        whole = {i: write_leaf_places(x, outer[i]) for i, x in enumerate(arguments)}
        return [whole[i][j] for i, j in places]


def _is_from_backward(error: Exception) -> bool:
    """Was an error raised while a recorded graph was differentiated?"""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") == reverse.__name__ for frame, _ in frames)


def _says_no_gradient(error: BaseException) -> bool:
    """Does an error say that there is no gradient here, or that recording is not possible?"""
    cause = error.__cause__
    return isinstance(error, DECLINES) or (cause is not None and _says_no_gradient(cause))


def failure_kind(report: Report) -> str | None:
    """Return which mistake a report shows; None for none, or nothing certain."""
    kinds = [cause.kind for cause in report.problems if cause.kind != Kind.DOMAIN]
    if kinds:
        error = report.problems[0].text.partition(":")[0]
        return error if error.startswith(RAISES) else f"problem: {kinds[0]}"
    return "wrong" if report.count(Verdict.WRONG) else None


def _mark_rule_errors(rule: Callable[..., object]) -> Any:
    """Make a hand-written rule raise RuleError, to tell its exceptions from the function's."""
    if not callable(rule):
        return rule

    @wraps(rule)
    def call_rule(*arguments: object, **keywords: object) -> object:
        try:
            return rule(*arguments, **keywords)
        except Exception as error:
            raise RuleError(error) from error

    return call_rule


def _is_certain(
    inputs: Arguments, report: Report, move: Move, check: Check, outputs: Outputs, strict: bool
) -> bool:
    """Is a failed check surely the gradient's mistake?

    Args:
        inputs: the inputs at which the check failed.
        report: the report of that check.
        move: replaces the differentiated numbers.
        check: checks the gradient at other inputs; returns None if they are useless.
        outputs: calls the function; returns None if it is not finite.
        strict: whether a gradient that is not finite at a corner is a mistake.
    """
    problems = {cause.kind for cause in report.problems} - {Kind.DOMAIN}
    if problems == {Kind.COTANGENT}:  # sums are not exact where rounding is all
        beside = check(_nudge_inputs(inputs, move, BESIDE, 0))
        return beside is None or bool(beside.problems)
    ys = outputs(inputs)
    if problems or ys is None:  # other frameworks are not called here
        return True
    if not _is_steady(inputs, ys, move, outputs):
        return False
    floor = INSIGNIFICANT * max(float(np.abs(y).max(initial=0.0)) for y in ys)
    wrong = report.first(report.count(Verdict.WRONG), (Verdict.WRONG,))
    wrong = tuple(e for e in wrong if not e.absolute <= floor)
    if not wrong or not all(e.reason.startswith(KINK) for e in wrong):
        return bool(wrong)
    if not all(np.isfinite(e.analytic) for e in wrong):
        return strict  # there is no gradient here, and 0/0 says so
    return not _is_limit(wrong, inputs, move, check)


def _nudge_inputs(inputs: Arguments, move: Move, size: float, seed: int) -> Arguments:
    """Return inputs close to the given ones."""
    generator = np.random.default_rng(seed)

    def beside(x: np.ndarray) -> np.ndarray:
        scale = np.maximum(np.abs(x), 0.0 if size < BESIDE else 1.0)
        return np.asarray(x + size * scale * generator.uniform(-1, 1, x.shape), x.dtype)

    return move(inputs, beside)


def _is_steady(inputs: Arguments, ys: Arrays, move: Move, outputs: Outputs) -> bool:
    """Does a tiny change of the inputs change the outputs little?"""
    sizes = [float(np.abs(y).max(initial=0.0)) for y in ys]

    def note_size(x: np.ndarray) -> np.ndarray:
        sizes.append(float(np.abs(x).max(initial=0.0)))
        return x

    move(inputs, note_size)
    others = outputs(_nudge_inputs(inputs, move, NUDGE, 0))
    if others is None or [y.shape for y in others] != [y.shape for y in ys]:
        return False
    pairs = zip(ys, others, strict=True)
    change = max(float(np.abs(a - b).max(initial=0.0)) for a, b in pairs)
    return change <= UNSTEADY * max(sizes)


def _is_limit(wrong: tuple[Entry, ...], inputs: Arguments, move: Move, check: Check) -> bool:
    """Is a gradient at a corner within the range of the gradients nearby, and is it right there?

    Near a point where three numbers are equal there are more slopes than the two one-sided ones.
    """
    low = {(e.input, e.index): np.inf for e in wrong}
    high = dict.fromkeys(low, -np.inf)
    for seed in range(NEIGHBOURS):
        report = check(_nudge_inputs(inputs, move, BESIDE, seed))
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
