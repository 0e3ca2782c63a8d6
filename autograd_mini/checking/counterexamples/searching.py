"""search: look for inputs at which a gradient is wrong, and make them simple."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Literal

from ...errors import ArgumentError, OperandError
from ..check import gradcheck
from .counterexample import Counterexample

RULES = ("vjp", "jvp", "grad", "jac")


def search(
    f: Callable[..., Any],
    *inputs: Any,
    shapes: Literal["varied", "fixed", "any"] = "varied",
    max_examples: int = 100,
    seed: int = 0,
    **options: Any,
) -> Counterexample | None:
    """Look for inputs at which a gradient is wrong, and return the simplest one, None if none.

    Inputs at which the function raises an error, is not finite or cannot be resolved are no
    counterexamples. A gradient that raises one where the function does not is. The search needs
    hypothesis: `pip install "autograd-mini[checking]"`.

    Args:
        f: the function, as `gradcheck` takes it.
        inputs: examples of its arguments, or hypothesis strategies for them, also within
            containers; `autograd_mini.checking.strategies` has many. Numbers and lengths of axes
            of examples vary, equal lengths together; integers, booleans and other values stay, and
            with them the lengths of their axes.
        shapes: "fixed" keeps the shapes of examples, "any" tries other numbers of axes as well.
        max_examples: how many inputs are tried before it is enough.
        seed: the same seed gives the same search in the same program.
        options: `vjp=`, `jvp=`, `grad=`, `jac=` and what else `gradcheck` takes; every entry is
            checked, unless `coverage` says otherwise.

    Raises:
        ArgumentError: if the function cannot be checked at any of the inputs, for an option that
            there is not.
        OperandError: if `f` is no function, or there are no inputs.
        ModuleNotFoundError: without hypothesis.

    >>> import numpy as np
    >>> found = search(np.abs, np.ones((3, 4)), vjp=lambda g, x: (g,))
    >>> found.inputs
    (array(-1.),)
    """
    known = set(inspect.signature(gradcheck).parameters) - {"f", "inputs", "raises", "seed"}
    if not set(options) <= known:
        raise ArgumentError(
            f"search: no option {', '.join(sorted(set(options) - known))}; beside its own, it "
            f"takes those of gradcheck: {', '.join(sorted(known))}"
        )
    if not callable(f) or not inputs:
        raise OperandError(f"search expects a function and then its inputs, got {f!r:.60}")
    if shapes not in ("varied", "fixed", "any") or max_examples < 1:
        raise ArgumentError(
            f'search: shapes are "varied", "fixed" or "any" and max_examples at least 1, '
            f"got {shapes!r} and {max_examples!r}"
        )
    from .hunt import Hunt  # needs hypothesis
    from .trials import Trial
    from .variations import pattern

    rules = {key: options.pop(key) for key in RULES if options.get(key) is not None}
    taken = pattern(inputs, options.get("argnums"))
    return Hunt(Trial(f, rules, options, seed)).run(taken, shapes, max_examples)
