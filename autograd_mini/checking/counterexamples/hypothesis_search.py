"""Search for a counterexample with hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ...core.tensor import Tensor
from ...core.tree import flatten
from ...errors import ArgumentError
from ..inputs import Arrays, leaf_array
from ..reporting.report import Report
from ..strategies import hypothesis, st
from .contract import ANY_VALUES, Contract, LeafPlace, contract_of
from .counterexample import Counterexample, LookedAt, write_counterexample
from .trials import Arguments, GradientTrial, Refused, failure_kind
from .variations import ArgumentPattern, draw_smaller_parts, draw_variation, with_simpler_numbers

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
        self._try_examples()
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

    def _try_examples(self) -> None:
        """Check the gradient at the examples."""
        if not self.pattern.is_drawn:
            with suppress(Refused):
                self.fails(self.pattern.fill_arguments({}))

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
