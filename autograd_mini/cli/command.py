"""The command line: `autograd-mini check module:function --shape x=3,4`.

Each subcommand is a row of `COMMANDS`: name, summary, description, options, and the function that
runs it. Exit codes: 0 for yes, 1 for no, 3 for undecided, 2 for a command that cannot be run, 130
for Ctrl-C. After an error that nobody caught, Python ends with 1, which would look like "no"; so
every error is caught here.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from .. import __version__
from ..checking.terminal import DESCRIPTION, check, check_options
from ..errors import AutogradError
from .draw_command import DESCRIPTION as DRAWING
from .draw_command import draw, draw_options
from .streams import discard_output, divert_output, print_error
from .targets import describe_error

BAD_USAGE = 2
INTERRUPTED = 130
"""As in shells: 128, plus 2 for the signal."""


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand.

    Attributes:
        name: the word on the command line.
        summary: one line about it.
        description: the long help, with examples.
        options: a function that adds its arguments to a parser.
        run: a function that runs it and returns the exit code.
    """

    name: str
    summary: str
    description: str
    options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


COMMANDS = (
    Command("check", "compare a gradient with the function", DESCRIPTION, check_options, check),
    Command("draw", "draw a graph or a model into files", DRAWING, draw_options, draw),
)


class UsageError(Exception):
    """Wrong arguments; `usage` says which ones are right."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage


class Parser(ArgumentParser):
    """A parser that raises its errors, so that `main` prints all errors."""

    def error(self, message: str) -> NoReturn:
        """Raise an error.

        Raises:
            UsageError: always.
        """
        raise UsageError(message, self.format_usage())

    def _print_message(self, message: str, file: Any = None) -> None:
        print(message, end="", file=file or sys.stderr)  # argparse passes over a full disk


def _make_parser() -> ArgumentParser:
    """Make the parser of all subcommands."""
    top = Parser(
        prog="autograd-mini",
        allow_abbrev=False,
        description="Gradients that can be checked and drawn, from the command line.",
    )
    top.add_argument("--version", action="version", version=f"autograd-mini {__version__}")
    rows = top.add_subparsers(title="commands", metavar="command", required=True)
    for command in COMMANDS:
        row = rows.add_parser(
            command.name,
            help=command.summary,
            description=command.description,
            formatter_class=RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.options(row)
        row.set_defaults(run=command.run, name=command.name)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: the words of the command, by default those of the program.
    """
    is_program = arguments is None
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if "--json" in words:
            with divert_output(for_good=is_program) as output:
                return _run_command(words, output)
        if is_program and hasattr(sys.stdout, "reconfigure"):  # ± and … in a narrow encoding
            sys.stdout.reconfigure(errors="backslashreplace")
        code = _run_command(words, None)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print_error("autograd-mini: interrupted")
        return INTERRUPTED
    except AutogradError as error:
        print_error(f"autograd-mini: {error}")
    except (OSError, ValueError) as error:
        discard_output()
        if isinstance(error, BrokenPipeError) and words[:1] == ["draw"]:
            return 0  # its reader has seen enough, as `head` has; no verdict is lost
        reason = "its reader is gone" if isinstance(error, BrokenPipeError) else error
        print_error(f"autograd-mini: standard output cannot be written: {reason}")
    except Exception as error:  # a file that takes the place of a module of Python, as json.py
        print_error(f"autograd-mini: this cannot be carried out: {describe_error(error)}")
    return BAD_USAGE


def _run_command(words: Sequence[str], output: Any) -> int:
    """Run a command, and print its error if it has one.

    Args:
        words: the command and its options.
        output: the stream for JSON, None for text on standard output.

    Raises:
        OSError: if standard output cannot be written.
    """
    title = "autograd-mini"
    try:
        asked = _make_parser().parse_args(words)
        asked.output, title = output, f"autograd-mini {asked.name}"
        return asked.run(asked)
    except KeyboardInterrupt:
        raise
    except UsageError as error:
        print_error(error.usage.rstrip())
        text = str(error)
    except AutogradError as error:
        text = str(error)
    except OSError as error:
        if error.filename is None or isinstance(error, BrokenPipeError):  # standard output
            raise
        text = str(error)
    except SystemExit as end:  # after --help and --version
        return int(end.code or 0)
    except BaseException as error:  # whatever code of users does
        text = f"this cannot be carried out: {describe_error(error)}"
    print_error(f"{title}: {text}")
    if output is not None:
        print(json.dumps({"ok": None, "error": text}, indent=2), file=output)
    return BAD_USAGE
