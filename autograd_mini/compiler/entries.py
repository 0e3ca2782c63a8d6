"""What a compiled function knows of a signature: one trace on trial, then programs that hold."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

import numpy as np

from ..notes import hooks
from ..operation import is_recording
from ..tensors import Tensor
from .comparison import digest
from .guards import Condition, conditions_of, guard
from .program import Program, Value
from .results import Result
from .trace import Tracer
from .variant import Variant

GRADIENT: Final = ".grad"
"""The path of a condition that a leaf has no gradient yet, to which one would be added."""
PLAIN: Final = (int, float, complex, str, bytes, type(None), np.ndarray, np.generic, Tensor)
"""Attributes of these types belong to what a function was compiled for."""


class Trial:
    """What the first call of a signature recorded; the second one must record the same.

    Args:
        cleared: ids of leaves that had a gradient before the call: the function forgot it.
    """

    def __init__(
        self,
        tracer: Tracer,
        recorded: Program,
        program: Program,
        result: Result,
        cleared: Collection[int],
    ) -> None:
        self.recorded = recorded
        self.program = program
        self.clears = bool(cleared)
        outside = {id(x) for x in recorded.leaves.values()}.difference(cleared)
        self.guards = [c for c in tracer.guards if c.path != GRADIENT or id(c.owner) in outside]
        self.guards.append(Condition(hooks, ".leaf_changes", tracer.hooks))
        self.guards += [
            Condition(x, "._requires_grad", x._requires_grad) for x in recorded.leaves.values()
        ]
        self.digests = {v: digest(data) for v, data in program.constants.items()}
        self.result = result
        self.holds = guard(self.guards)

    def clear(self, cleared: Collection[int]) -> None:
        """Take note that the function forgets gradients of before by itself."""
        if cleared:
            self.clears = True
            self.guards = [
                c for c in self.guards if c.path != GRADIENT or id(c.owner) not in cleared
            ]
            self.holds = guard(self.guards)


class Entry:
    """A compiled signature: the program, and how a call's values and results pass in and out.

    Attributes:
        values: takes the values from simple arguments; None for arguments that are not simple.
        holds: tells whether the guards hold.
        direct: runs the program, where its one output is the one tensor that is returned.
        recording: whether it is for calls outside of `no_grad`.
    """

    __slots__ = ("direct", "holds", "recording", "result", "values", "variant")

    def __init__(self, variant: Variant, trial: Trial, values: Callable[..., Any] | None) -> None:
        self.variant = variant
        self.result = trial.result
        self.recording = is_recording()
        self.holds = trial.holds
        self.values = values
        y = variant.program.outputs[0] if self.result.single else None
        # A gradient of before may be there to be forgotten.
        tensor = not trial.clears and variant.changes and type(y) is Value and not y.weak
        self.direct = variant.run_alone if tensor else None


def with_gradients(programs: Iterable[Program]) -> set[int]:
    """Return the ids of the leaves of programs that have a gradient at the moment."""
    return {id(x) for p in programs for x in p.leaves.values() if x.grad is not None}


def attributes_read(leaves: Sequence[Any]) -> list[Condition]:
    """Return what plain attributes objects among the arguments have, as `self` of a method.

    Models and optimizers say themselves what of them is read.
    """
    found: list[Condition] = []
    for x in leaves:
        named = getattr(x, "__dict__", None)
        if type(named) is not dict or callable(x) or inspect.ismodule(x):
            continue
        if not isinstance(x, PLAIN) and not hasattr(x, "state_dict"):
            found += conditions_of(x, [n for n, v in named.items() if isinstance(v, PLAIN)])
    return found
