"""The progress bar of training."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ..core.visible import show_text


@contextmanager
def bar(epochs: int, verbose: bool | None) -> Iterator[Callable[[Mapping[str, float]], None]]:
    """Yield the function that shows the numbers of an epoch that is completed.

    With `verbose` None the bar is shown where stderr is a terminal.
    """
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if not (terminal if verbose is None else verbose):
        yield lambda row: None
        return
    from tqdm import tqdm  # 30 ms of import

    with tqdm(total=epochs, unit="epoch") as shown:

        def advance(row: Mapping[str, float]) -> None:
            numbers = {show_text(k, one_line=True): f"{v:.4g}" for k, v in row.items()}
            shown.set_postfix(numbers, refresh=False)
            shown.update()

        yield advance
