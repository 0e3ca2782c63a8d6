"""A progress bar for long checks."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from ..core.visible import show_text

LONGEST = 60
"""Longest text next to the bar, in characters."""
LONG = 2.0
"""A check that takes longer than this many seconds shows its progress."""


def _is_watched() -> bool:
    """Is there a terminal or a notebook that can show a bar?"""
    terminal = sys.stderr is not None and not sys.stderr.closed and sys.stderr.isatty()
    return terminal or "ipykernel" in sys.modules


class Bar:
    """A tqdm bar that appears only when it is useful.

    By default it appears after two seconds, in a terminal or a notebook.
    """

    def __init__(self, total: int, shown: bool | None, what: str, likely: bool) -> None:
        """Start; `likely` says that the check may be long, otherwise tqdm is not imported."""
        self._bar: Any = None
        if shown or (shown is None and likely and _is_watched()):
            from tqdm.auto import tqdm

            delay = 0.0 if shown else LONG
            shown_as = show_text(what, one_line=True, longest=LONGEST)
            self._bar = tqdm(total=total, desc=shown_as, unit="entry", leave=False, delay=delay)

    def update(self, count: int) -> None:
        """Advance by a count."""
        if self._bar is not None:
            self._bar.update(count)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
