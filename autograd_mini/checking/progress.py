"""A progress bar for checks that take long."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from ..core.visible import show_text

LONGEST = 60
"""Letters of the text beside the bar."""
LONG = 2.0
"""Seconds from which on a check shows its progress."""


def is_watched() -> bool:
    """Whether there is a terminal, or a notebook, to show a bar in."""
    terminal = sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
    return terminal or "ipykernel" in sys.modules


class Bar:
    """A bar that appears only where it is wanted: tqdm's.

    By default that is after two seconds, and in a terminal or a notebook.
    """

    def __init__(self, total: int, shown: bool | None, what: str, likely: bool) -> None:
        """Begin; `likely` says that it may take long, or tqdm is not even imported."""
        self._bar: Any = None
        if shown or (shown is None and likely and is_watched()):
            from tqdm.auto import tqdm

            delay = 0.0 if shown else LONG
            shown_as = show_text(what, one_line=True, longest=LONGEST)
            self._bar = tqdm(total=total, desc=shown_as, unit="entry", leave=False, delay=delay)

    def update(self, count: int) -> None:
        """Go on."""
        if self._bar is not None:
            self._bar.update(count)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
