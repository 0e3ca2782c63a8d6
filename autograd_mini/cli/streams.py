"""Standard output and error of a command.

A program that reads the output of a command expects the result there and nothing else. So
`divert_output` sends everything else that is printed to standard error, even what code writes
straight to the file descriptor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import IO, TextIO

from ..core.visible import show_text
from ..errors import ArgumentError


def standard_output() -> TextIO:
    """Return the stream of standard output.

    Raises:
        ArgumentError: if the command was started without one.
    """
    if sys.stdout is None:
        raise ArgumentError("standard output is closed, so nothing can be printed; open it")
    return sys.stdout


@contextmanager
def divert_output(*, for_good: bool) -> Iterator[IO[str]]:
    """Send all printed text to standard error, and yield a stream to standard output.

    Args:
        for_good: whether to keep it so until the process ends, so that code that runs at the end
            cannot print after the result.
    """
    out = standard_output()
    descriptor = _descriptor_of(out)
    if descriptor is None:  # a stream in memory, as tests have
        with redirect_stdout(sys.stderr):
            yield out
        return
    out.flush()
    kept = os.dup(descriptor)
    other = _descriptor_of(sys.stderr)
    os.dup2(os.open(os.devnull, os.O_WRONLY) if other is None else other, descriptor)
    try:
        with (
            open(os.dup(kept), "w", encoding=out.encoding, errors="backslashreplace") as own,
            redirect_stdout(sys.stderr),
        ):
            yield own
    finally:
        if not for_good:
            out.flush()
            os.dup2(kept, descriptor)
        os.close(kept)


def discard_output() -> None:
    """Discard what is left for standard output, after it could not be written.

    Without this, the interpreter fails when it ends, and returns another exit code.
    """
    descriptor = _descriptor_of(sys.stdout)
    if descriptor is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def print_error(text: str) -> None:
    """Print a line on standard error, where there is one."""
    if sys.stderr is not None:  # print would take standard output for None
        with suppress(OSError, ValueError):
            print(show_text(text), file=sys.stderr, flush=True)


def _descriptor_of(stream: IO[str] | None) -> int | None:
    """Return the file descriptor of a stream, None if it has none or is closed."""
    try:
        return None if stream is None else int(stream.fileno())
    except (AttributeError, OSError, ValueError):
        return None
