"""A count of changes to modules, so that one look tells whether any of them has changed."""

from __future__ import annotations

from typing import Final


class Version:
    """How many attributes of modules were set or deleted so far, in this process."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


structure: Final = Version()
