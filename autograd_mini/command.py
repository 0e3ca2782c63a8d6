"""The command line: `autograd-mini check module:function --shape x=3,4`.

A subcommand is a row of `COMMANDS`: its name, what it does in one line, its options, and what runs.
Exit codes: 0 for yes, 1 for no, 2 for a command that cannot be carried out.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

from . import __version__
from .checking.terminal import DESCRIPTION, check, check_options
from .errors import AutogradError
from .picturing import DESCRIPTION as DRAWING
from .picturing import draw, draw_options
from .visible import show_text

BAD_USAGE = 2


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand.

    Attributes:
        name: the word that calls it.
        summary: what it does, in one line.
        description: the same with examples.
        options: adds its arguments to a parser.
        run: carries it out and returns the exit code.
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


class Parser(ArgumentParser):
    """A parser whose errors show what a terminal would carry out."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and an error, and leave."""
        super().error(show_text(message))


def parser() -> ArgumentParser:
    """Make the parser of all subcommands."""
    top = Parser(
        prog="autograd-mini",
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
        )
        command.options(row)
        row.set_defaults(run=command.run, name=command.name)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: its words, by default those that the program was started with.
    """
    asked = parser().parse_args(arguments)
    try:
        return asked.run(asked)
    except AutogradError as error:
        print(f"autograd-mini {asked.name}: {error}", file=sys.stderr)
        return BAD_USAGE
    except BrokenPipeError:  # the reader has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a file that was asked for cannot be written
        print(f"autograd-mini {asked.name}: {show_text(str(error))}", file=sys.stderr)
        return BAD_USAGE
