"""The work that a diagnosis may do, counted in applied rules, so that every machine does the same.

A clock would let a busy machine name fewer causes. It is only the last net.
"""

from __future__ import annotations

from time import perf_counter

WORK = 80_000.0
"""Rules of operations on small arrays that are applied for all inputs, at most."""

SMALL = 2_000
"""Entries up to which a rule costs about the same."""

SECONDS = 20.0
"""Seconds after which nothing further is looked at, whatever was counted."""


class Budget:
    """What is left of the work, and what one input may take of it.

    Attributes:
        left: rules that may still be applied.
        least: what has to be left for other inputs.
    """

    def __init__(self, work: float = WORK) -> None:
        self.left = work
        self.least = 0.0
        self._stop = perf_counter() + SECONDS

    def share(self, inputs: int) -> None:
        """Let the next of some inputs take its part of what is left.

        The first takes more: often one mistake is the cause of all that is wrong.
        """
        self.least = self.left * (1 - max(0.6, 1 / inputs))

    def spend(self, rules: float, entries: int = 0) -> None:
        """Count rules that are applied to arrays of so many entries."""
        self.left -= rules * (1 + entries / SMALL)

    @property
    def is_spent(self) -> bool:
        """Whether an input has taken its part."""
        return self.left <= self.least or perf_counter() > self._stop
