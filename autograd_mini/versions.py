"""A count of changes to modules and optimizers: one look tells whether any has changed."""

from __future__ import annotations

from typing import Final


class Version:
    """How many of their attributes were set or deleted so far, in this process."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


structure: Final = Version()
