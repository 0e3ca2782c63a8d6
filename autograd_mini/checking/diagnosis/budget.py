"""A budget for the work of a diagnosis, counted in applied rules.

Counting makes the result the same on every machine. A clock would find fewer causes on a busy
machine; it is only the last limit.
"""

from __future__ import annotations

from time import perf_counter

WORK = 80_000.0
"""Rules on small arrays that may be applied for all inputs together."""

SMALL = 2_000
"""Up to this many entries, a rule costs about the same."""

SECONDS = 20.0
"""The diagnosis stops after this many seconds, whatever was counted."""


class Budget:
    """The work that is left, and the share of it that one input may use.

    Attributes:
        left: rules that may still be applied.
        least: rules that are reserved for other inputs.
    """

    def __init__(self, work: float = WORK) -> None:
        self.left = work
        self.least = 0.0
        self._stop = perf_counter() + SECONDS

    def share(self, inputs: int) -> None:
        """Give the next input its share of the work that is left.

        The first input gets more, because one mistake is often the cause of everything.
        """
        self.least = self.left * (1 - max(0.6, 1 / inputs))

    def spend(self, rules: float, entries: int = 0) -> None:
        """Count rules that are applied to arrays of a size."""
        self.left -= rules * (1 + entries / SMALL)

    @property
    def is_spent(self) -> bool:
        """Has the input used its share?"""
        return self.left <= self.least or perf_counter() > self._stop
