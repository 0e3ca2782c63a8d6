"""Hunt: one search for a counterexample, by hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...containers import flatten
from ...errors import ArgumentError
from ...tensors import Tensor
from ..drawing import hypothesis, st
from ..inputs import plain
from ..reporting.report import Report
from .counterexample import Counterexample, counterexample
from .trials import Refused, Trial, failure
from .variations import Pattern, smaller, varied, with_simpler_numbers

ENDS = (
    hypothesis.errors.NoSuchExample,
    hypothesis.errors.Unsatisfiable,
    hypothesis.errors.Flaky,  # what was found before is kept
)
"""How hypothesis says that it found nothing, or nothing that it could find again."""

PATIENCE = 4
"""Inputs that are refused, for one that is to be checked, before a search comes to its end."""

SIMPLER = 60
"""Inputs that are tried to make what was found smaller."""

HOME = "__hypothesis_home_directory"


class Hunt:
    """A search: what is checked, and what was found so far.

    Attributes:
        trial: what is checked.
        kind: of the failure that was found first; only such are made simpler.
        found: the inputs and report of the last of them.
        found_empty: likewise the first with an empty array, the last resort.
        refused: why inputs were no use: errors, None where the function is not finite.
        checked: how many inputs, with no array empty, could be checked.
        patience: how many are refused before a search comes to its end.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.kind: str | None = None
        self.found: tuple[tuple[Any, ...], Report] | None = None
        self.found_empty: tuple[tuple[Any, ...], Report] | None = None
        self.refused: list[Exception | None] = []
        self.checked = 0
        self.patience = 0

    def run(self, taken: Pattern, shapes: str, max_examples: int) -> Counterexample | None:
        """Search, and write down what was found.

        Raises:
            ArgumentError: if nothing could be checked.
        """
        self.patience = PATIENCE * max_examples
        self.look(varied(taken, shapes), self.fails_or_is_no_use, max_examples)
        if self.found is None:
            self.found = self.found_empty
        else:
            if shapes != "fixed":
                self.make_smaller(taken)
            self.make_simpler(taken)
        if self.found is not None:
            trial = self.trial
            options = {**trial.options, **({"seed": trial.seed} if trial.seed else {})}
            return counterexample(trial.function, *self.found, trial.rules, options)
        if not self.checked and self.refused:
            raise ArgumentError(self.nothing_checked()) from self.refused[-1]
        return None

    def look(
        self,
        inputs: st.SearchStrategy[tuple[Any, ...]],
        condition: Callable[[tuple[Any, ...]], bool],
        max_examples: int,
    ) -> None:
        """Draw inputs until the condition holds, and make simpler those that fulfil it."""
        quiet = hypothesis.settings(
            max_examples=max_examples,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
            database=None,
            deadline=None,
            derandomize=False,
            print_blob=False,
            verbosity=hypothesis.Verbosity.quiet,
        )
        with no_directory(), suppress(*ENDS):
            hypothesis.find(inputs, condition, settings=quiet, random=Random(self.trial.seed))

    def make_smaller(self, taken: Pattern) -> None:
        """Look for parts of what was found that fail as well."""
        while self.found is not None:
            before = amount(self.found[0])
            condition = lambda x, before=before: amount(x) < before and self.fails_or_is_no_use(x)
            self.look(smaller(taken.at(self.found[0])), condition, SIMPLER)
            if amount(self.found[0]) == before:
                return

    def make_simpler(self, taken: Pattern) -> None:
        """Put simpler numbers in place of those that were found."""
        remaining, better = SIMPLER, True
        while better and remaining > 0 and self.found is not None:
            better = False
            for inputs in with_simpler_numbers(taken.at(self.found[0])):
                remaining -= 1
                with suppress(Refused):
                    better = self.fails(inputs)
                if better or remaining <= 0:
                    break

    def nothing_checked(self) -> str:
        """Say why nothing was checked."""
        errors = [error for error in self.refused if error is not None]
        if not errors:
            return (
                "search: the function is finite at none of the inputs that were drawn "
                f"({len(self.refused)}); give strategies of inputs inside its domain"
            )
        last = f"{type(errors[-1]).__name__}: {errors[-1]}"
        return (
            "search: the function takes none of the inputs that were drawn; the last error was "
            f'{last}. Give strategies, or shapes="fixed"'
        )

    def fails(self, inputs: tuple[Any, ...]) -> bool:
        """Whether the gradient is wrong at these inputs, in the way that was found first.

        Raises:
            Refused: if they are no use.
        """
        try:
            report = self.trial.report(inputs)
        except Refused as refused:
            self.refused.append(refused.error)
            raise
        empty = not all(x.size for x in arrays_in(inputs))
        self.checked += not empty
        kind = failure(report)
        if kind is None or kind != (self.kind or kind):
            return False
        if empty:  # a failure of its own: others are looked for first
            self.found_empty = self.found_empty or (inputs, report)
            return False
        self.kind, self.found = kind, (inputs, report)
        return True

    def fails_or_is_no_use(self, inputs: tuple[Any, ...]) -> bool:
        """Do the same, and tell hypothesis about inputs that are no use."""
        try:
            return self.fails(inputs)
        except Refused:
            if len(self.refused) > self.patience:
                return False  # as good as checked, so that a search comes to its end
            hypothesis.reject()


def arrays_in(inputs: tuple[Any, ...]) -> list[Any]:
    """Return the arrays and tensors among arguments."""
    leaves = [leaf for x in inputs for leaf in flatten(x)[0]]
    return [plain(x) for x in leaves if isinstance(x, (np.ndarray, Tensor))]


def amount(inputs: tuple[Any, ...]) -> tuple[int, int]:
    """Return how many numbers and axes arguments have."""
    arrays = arrays_in(inputs)
    return sum(x.size for x in arrays), sum(x.ndim for x in arrays)


@contextmanager
def no_directory() -> Iterator[None]:
    """Keep hypothesis from leaving a directory, with what it learns of modules, behind."""
    before = vars(hypothesis.configuration).get(HOME)
    with TemporaryDirectory() as place:
        hypothesis.configuration.set_hypothesis_home_dir(place)
        try:
            yield
        finally:
            hypothesis.configuration.set_hypothesis_home_dir(before)
