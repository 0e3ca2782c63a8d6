"""Search for a counterexample with hypothesis, and decide whether a failure is certain.

A `GradientTrial` checks the gradient at some inputs. Inputs are useless if the function raises an
error or is not finite there. An error raised by the gradient alone counts as a failure.

At some inputs even a right gradient may fail a check: the function has lost its digits, rounding
hides a slope, or many equal numbers form a corner. So a counterexample must pass more tests.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...core import reverse
from ...core.contexts import run_quietly
from ...core.tensor import Tensor
from ...core.tree import flatten
from ...errors import ArgumentError, AutogradError
from ..check import gradcheck
from ..inputs import Arrays, Inputs, argument_names, leaf_array, write_leaf_places
from ..report import KINK, Cause, Entry, Kind, Report, Verdict
from ..strategies import hypothesis, st
from ..subjects import Recorded, Subject, copy_arrays
from .counterexample import Counterexample, LookedAt, write_counterexample
from .variations import (
    ANY_VALUES,
    ArgumentPattern,
    Contract,
    LeafPlace,
    cast_like,
    contract_of,
    draw_smaller_parts,
    draw_variation,
    with_simpler_numbers,
)

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
            recorded = not self.rules and _is_from_backward(error)
            if recorded and self._call_function(inputs) is not None:  # only its gradient fails
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


ENDS = (
    hypothesis.errors.NoSuchExample,
    hypothesis.errors.Unsatisfiable,
    hypothesis.errors.Flaky,  # an earlier result is kept
)
"""Errors by which hypothesis says that it found nothing, or nothing reproducible."""

PATIENCE = 4
"""A search ends after this many useless inputs for each input to check."""

ROUND = 15
"""Inputs that hypothesis draws in one run. It varies its earlier draws, and a new run starts from
others."""

SIMPLER = 60
"""Number of attempts to simplify a counterexample."""

HOME = "__hypothesis_home_directory"


class HypothesisSearch:
    """The state of a search: the function to check, and the results so far.

    Attributes:
        trial: the function and gradient to check.
        kind: the kind of the first failure; only this kind is simplified.
        found: the inputs and report of the latest failure of this kind.
        found_empty: the same for the first failure with an empty array, as a last resort.
        refused: why inputs were useless: an error, or None if the function was not finite.
        checked: how many inputs without empty arrays were checked.
        patience: how many inputs may be refused before the search ends.
        pattern: the examples.
        contract: the properties of the examples that are kept.
        shapes: the shapes of all inputs that were checked.
    """

    def __init__(self, trial: GradientTrial, pattern: ArgumentPattern) -> None:
        self.trial = trial
        self.kind: str | None = None
        self.found: tuple[tuple[Any, ...], Report] | None = None
        self.found_empty: tuple[tuple[Any, ...], Report] | None = None
        self.refused: list[Exception | None] = []
        self.checked = 0
        self.patience = 0
        self.pattern = pattern
        self.contract: Contract = ANY_VALUES
        self.shapes: set[tuple[tuple[int, ...], ...]] = set()

    def run(self, shapes: str, values: str, max_examples: int) -> Counterexample | None:
        """Search, and return the simplest counterexample.

        The examples come first, then inputs of similar shapes and values, then everything else that
        the user allowed.

        Raises:
            ArgumentError: if nothing could be checked.
        """
        self.patience = PATIENCE * max_examples
        self.contract = contract_of(self.pattern.examples, self.outputs)
        wider = (shapes, values) != ("fixed", "similar")
        count = -(-max_examples // 2) if wider else max_examples
        if not self.pattern.is_drawn:
            with suppress(Refused):
                self.fails(self.pattern.fill_arguments({}))
        self._look_in_rounds("fixed", count)
        if wider and (self.found is None or values == "any"):
            self.contract = ANY_VALUES if values == "any" else self.contract
            self.trial.strict = values == "any"
        if wider and self.found is None:
            self._look_in_rounds(shapes, count)
        if self.found is None:
            self.found = self.found_empty
        else:
            if shapes != "fixed":
                self._make_smaller(fewer_axes=shapes == "any")
            self._make_simpler()
        if self.found is not None:
            trial = self.trial
            options = {**trial.options, **({"seed": trial.seed} if trial.seed else {})}
            looked_at = self.looked_at(values)
            return write_counterexample(
                trial.function, *self.found, trial.rules, options, looked_at
            )
        if not self.checked and self.refused:
            raise ArgumentError(self._nothing_checked()) from self.refused[-1]
        return None

    def outputs(self, values: Mapping[LeafPlace, object]) -> Arrays | None:
        """Return the outputs with these values in place of examples; None if not finite."""
        if self.pattern.is_drawn:
            return None
        return self.trial.outputs(self.pattern.fill_arguments({**self.pattern.examples, **values}))

    def looked_at(self, values: str) -> LookedAt:
        """Describe which inputs were checked."""
        places = self.pattern.examples
        names = dict(zip(places, self.trial.names(self.pattern, list(places)), strict=True))
        given = {names[place]: np.shape(leaf_array(x)) for place, x in places.items()}
        kept = {names[place]: str(s) for place, s in self.contract.structures.items()}
        order = tuple(names[place] for place in self.contract.ordered)
        others = len(self.shapes - {tuple(given.values())})
        return LookedAt(
            self.checked, len(self.refused), given, others, kept, order, values == "any"
        )

    def _look_in_rounds(self, shapes: str, max_examples: int) -> None:
        """Draw inputs of these shapes until one fails, and simplify it."""
        inputs = draw_variation(self.pattern, shapes, self.contract)
        for begun in range(0, max_examples, ROUND):
            count = min(ROUND, max_examples - begun)
            self._draw_until(inputs, self._fails_or_is_no_use, count, self.trial.seed + begun)
            if self.found is not None:
                return

    def _draw_until(
        self,
        inputs: st.SearchStrategy[tuple[object, ...]],
        condition: Callable[[tuple[object, ...]], bool],
        max_examples: int,
        seed: int,
    ) -> None:
        """Draw inputs until the condition holds, and let hypothesis simplify them."""
        quiet = hypothesis.settings(
            max_examples=max_examples,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
            database=None,
            deadline=None,
            derandomize=False,
            print_blob=False,
            verbosity=hypothesis.Verbosity.quiet,
        )
        with _leave_no_directory(), suppress(*ENDS):
            hypothesis.find(inputs, condition, settings=quiet, random=Random(seed))

    def _make_smaller(self, *, fewer_axes: bool) -> None:
        """Look for smaller parts of the inputs that fail too."""
        while self.found is not None:
            before = _count_numbers(self.found[0])
            condition = lambda x, before=before: (
                _count_numbers(x) < before and self._fails_or_is_no_use(x)
            )
            parts = draw_smaller_parts(self.pattern.at(self.found[0]), fewer_axes)
            self._draw_until(parts, condition, SIMPLER, self.trial.seed)
            if _count_numbers(self.found[0]) == before:
                return

    def _make_simpler(self) -> None:
        """Replace numbers by simpler ones, as long as the check still fails."""
        remaining, better = SIMPLER, True
        while better and remaining > 0 and self.found is not None:
            better = False
            for inputs in with_simpler_numbers(self.pattern.at(self.found[0])):
                remaining -= 1
                with suppress(Refused):
                    better = self.fails(inputs)
                if better or remaining <= 0:
                    break

    def _nothing_checked(self) -> str:
        """Explain why no input could be checked."""
        errors = [error for error in self.refused if error is not None]
        if not errors:
            return (
                "search: the function is finite at none of the inputs that were drawn "
                f"({len(self.refused)}); give strategies of inputs inside its domain"
            )
        last = f"{type(errors[-1]).__name__}: {errors[-1]}"
        return (
            "search: the function takes none of the inputs that were drawn; the last error was "
            f"{last}. Give inputs that it takes, or strategies of them"
        )

    def fails(self, inputs: Arguments) -> bool:
        """Is the gradient wrong at these inputs, in the same way as the first failure?

        Raises:
            Refused: if the inputs are useless.
        """
        at = self.pattern.at(inputs).examples
        if not self.contract.holds(at):
            return False
        try:
            report = self.trial.report(inputs)
        except Refused as refused:
            self.refused.append(refused.error)
            raise
        empty = not all(x.size for x in _arrays_in(inputs))
        self.checked += not empty
        self.shapes.add(tuple(np.shape(leaf_array(x)) for x in at.values()))
        kind = failure_kind(report)
        if kind is None or kind != (self.kind or kind):
            return False
        if not empty and not self.trial.is_certain(inputs, report, self.pattern):
            return False
        if empty:  # a special case: look for others first
            self.found_empty = self.found_empty or (inputs, report)
            return False
        self.kind, self.found = kind, (inputs, report)
        return True

    def _fails_or_is_no_use(self, inputs: tuple[object, ...]) -> bool:
        """Do the same as `fails`, and tell hypothesis to reject useless inputs."""
        try:
            return self.fails(inputs)
        except Refused:
            if len(self.refused) > self.patience:
                return False  # counts as checked, so that the search ends
            hypothesis.reject()


def _arrays_in(inputs: tuple[object, ...]) -> Arrays:
    """Return the arrays and tensors among the arguments."""
    leaves = [leaf for x in inputs for leaf in flatten(x)[0]]
    return [leaf_array(x) for x in leaves if isinstance(x, (np.ndarray, Tensor))]


def _count_numbers(inputs: Arguments) -> tuple[int, int]:
    """Return the number of entries and of axes in the arguments."""
    arrays = _arrays_in(inputs)
    return sum(x.size for x in arrays), sum(x.ndim for x in arrays)


@contextmanager
def _leave_no_directory() -> Iterator[None]:
    """Keep hypothesis from leaving its cache directory behind."""
    before = vars(hypothesis.configuration).get(HOME)
    with TemporaryDirectory() as place:
        hypothesis.configuration.set_hypothesis_home_dir(place)
        try:
            yield
        finally:
            hypothesis.configuration.set_hypothesis_home_dir(before)
