"""search and explore: look for inputs at which a gradient is wrong, and simplify them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ...core.visible import show_text
from ...errors import ArgumentError, OperandError
from ..check import gradcheck
from .counterexample import Counterexample, LookedAt

RULES = ("vjp", "jvp", "grad", "jac")
SHAPES = ("fixed", "varied", "any")
VALUES = ("similar", "any")


@dataclass(frozen=True)
class Exploration:
    """The result of a search, and which inputs it checked.

    Attributes:
        counterexample: the simplest inputs at which the gradient is wrong; None if none were found.
        looked_at: which inputs were checked.
    """

    counterexample: Counterexample | None
    looked_at: LookedAt

    def __str__(self) -> str:
        """Write the counterexample, or that there is none, and the checked inputs."""
        if self.counterexample is not None:
            return str(self.counterexample)
        return show_text(f"no counterexample\n{self.looked_at}")

    def to_dict(self) -> dict[str, object]:
        """Return plain Python values; `code` and `report` are None without a counterexample."""
        found = self.counterexample
        return {
            "code": None if found is None else found.code,
            "report": None if found is None else found.report.to_dict(),
            "looked_at": self.looked_at.to_dict(),
        }


def search(
    f: Callable[..., object],
    *inputs: object,
    shapes: Literal["fixed", "varied", "any"] = "fixed",
    values: Literal["similar", "any"] = "similar",
    max_examples: int = 100,
    seed: int = 0,
    **options: Any,
) -> Counterexample | None:
    """Look for inputs at which a gradient is wrong; return the simplest ones, or None.

    The given inputs are checked first. Then come inputs of the same shapes with similar values,
    because the function is assumed to be meant for those. A few calls determine where the function
    is finite. Inputs do not count as counterexamples if the function raises an error there, is not
    finite or cannot be resolved; neither do kinks at which the gradient is not finite. It does
    count if the gradient raises an error and the function does not. The search needs hypothesis:
    `pip install "autograd-mini[checking]"`. `explore` also says which inputs were checked.

    Args:
        f: the function, as for `gradcheck`.
        inputs: examples of its arguments, or hypothesis strategies for them, also inside
            containers; `autograd_mini.checking.strategies` has many. Floating-point and complex
            numbers of examples vary. Integers, booleans, other values and inputs outside of
            `argnums` stay, together with the lengths of their axes.
        shapes: "fixed" keeps the shapes of examples. "varied" also tries other axis lengths from
            1 on; equal lengths change together. "any" also tries empty axes, broadcasting with
            axes of length 1, and other numbers of axes.
        values: "similar" keeps the evident properties of each example: a range outside of which
            the function is not finite, labels, one-hot rows, rows that sum to 1, increasing
            numbers, symmetric and positive definite matrices; and the order of scalars next to
            arrays. "any" keeps nothing, tries tiny and huge numbers and repeated integers of an
            integer array, and counts NaN at a kink as a mistake.
        max_examples: how many inputs are tried at most.
        seed: the same seed gives the same search in the same program.
        options: `vjp=`, `jvp=`, `grad=`, `jac=` and the other options of `gradcheck`. Every entry
            is checked, unless `coverage` says otherwise.

    Raises:
        ArgumentError: for an unknown option, or if the function cannot be checked at any input.
        OperandError: if `f` is not a function, or there are no inputs.
        ModuleNotFoundError: without hypothesis.

    >>> import numpy as np
    >>> found = search(np.abs, np.ones(2), vjp=lambda g, x: (g,))
    >>> found.inputs
    (array([ 0., -1.]),)
    """
    options |= {"max_examples": max_examples, "seed": seed}
    return explore(f, *inputs, shapes=shapes, values=values, **options).counterexample


def explore(
    f: Callable[..., object],
    *inputs: object,
    shapes: Literal["fixed", "varied", "any"] = "fixed",
    values: Literal["similar", "any"] = "similar",
    max_examples: int = 100,
    seed: int = 0,
    **options: Any,
) -> Exploration:
    """Do the same as `search`, and also return which inputs were checked.

    Args:
        f: the function; this and all other arguments are those of `search`.
        inputs: examples or strategies.
        shapes: "fixed", "varied" or "any".
        values: "similar" or "any".
        max_examples: how many inputs are tried at most.
        seed: the seed of the search.
        options: options of `gradcheck`.

    Raises:
        ArgumentError: as `search`.
        OperandError: as `search`.
        ModuleNotFoundError: as `search`.

    >>> import numpy as np
    >>> print(explore(np.log, np.array([0.5, 3.0]), vjp=lambda g, x: (g / x,), max_examples=20))
    no counterexample
    looked at 21 inputs of the shapes given, x (2,) only
    values like those given: x positive
    """
    known = set(inspect.signature(gradcheck).parameters) - {"f", "inputs", "raises", "seed"}
    if not set(options) <= known:
        raise ArgumentError(
            f"search: unknown option {', '.join(sorted(set(options) - known))}; besides its own, "
            f"it takes the options of gradcheck: {', '.join(sorted(known))}"
        )
    if not callable(f) or not inputs:
        raise OperandError(f"search expects a function and then its inputs, got {f!r:.60}")
    if shapes not in SHAPES or values not in VALUES or max_examples < 1:
        raise ArgumentError(
            'search: shapes must be "fixed", "varied" or "any", values "similar" or "any", and '
            f"max_examples at least 1; got {shapes!r}, {values!r} and {max_examples!r}"
        )
    from .hypothesis_search import (
        GradientTrial,
        HypothesisSearch,  # needs hypothesis
    )
    from .variations import make_pattern

    rules = {key: options.pop(key) for key in RULES if options.get(key) is not None}
    run = HypothesisSearch(
        GradientTrial(f, rules, options, seed), make_pattern(inputs, options.get("argnums"))
    )
    found = run.run(shapes, values, max_examples)
    return Exploration(found, run.looked_at(values))
