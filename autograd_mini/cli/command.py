"""The command line: `autograd-mini check module:function --shape x=3,4`.

Each subcommand is a row of `COMMANDS`: name, summary, description, options, and the function that
runs it. Exit codes: 0 for yes, 1 for no, 3 for undecided, 2 for a command that cannot be run, 130
for Ctrl-C. After an error that nobody caught, Python ends with 1, which would look like "no"; so
every error is caught here.
"""

from __future__ import annotations

import inspect
import json
import sys
from argparse import (
    ArgumentParser,
    ArgumentTypeError,
    Namespace,
    RawDescriptionHelpFormatter,
)
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, NoReturn

import numpy as np

from .. import __version__
from ..checking.terminal import DESCRIPTION, add_input_options, check, check_options, read_by
from ..core.tensor import Tensor, tensor
from ..core.visible import show_text
from ..display import import_viz
from ..errors import ArgumentError, AutogradError
from .points import (
    describe_error,
    find_object,
    make_point,
    parse_seed,
    positional_parameters,
)
from .streams import discard_output, divert_output, print_error

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

DRAWING = """\
Draw a tensor, function, model or compiled step of a module or file.

  autograd-mini draw model.py:loss -o loss.svg
  autograd-mini draw layers.py:norm --shape x=8,16 -o norm.png -o norm.html
  autograd-mini draw train.py:model -o model.json --format model-explorer

A function is called with the inputs that are given; so is a model, which without them is drawn as
its neurons. The exit code is 0, or 2 if the picture cannot be drawn."""

OPTIONS = (
    *("view", "direction", "limit", "open", "overlay", "theme", "title", "caption", "legend"),
    *("language", "classes", "labels", "engine", "fit"),
)


def draw_options(parser: ArgumentParser) -> None:
    """Add the arguments of `draw`."""
    add = parser.add_argument
    add("subject", help="module:name, or path/to/file.py:name")
    add("-o", "--output", dest="outputs", action="append", metavar="FILE",
        help="what to write; several may be given, NAME.svg by default")  # fmt: skip
    add("--format", help="where the suffix of the file does not say it")
    inputs = parser.add_argument_group("inputs of a function, by the names of its parameters")
    row = inputs.add_argument
    add_input_options(row)
    row("--seed", type=read_by(parse_seed), default=0, help="of the random numbers")
    picture = parser.add_argument_group("the picture")
    row = picture.add_argument
    row("--view", help="operations, tensors, forward, backward, compiled, scalars or neurons")
    row("--sample", metavar="x.npy", help="an input of a network, whose neurons show their values")
    row("--direction", help="TB or LR")
    row("--limit", type=_parse_limit, default=40, help="about how many boxes; all for no limit")
    row("--open", action="append", metavar="SCOPE",
        help="a scope to show open, as mlp/dense_2 or block_*; or a depth")  # fmt: skip
    row("--overlay", action="append", metavar="NAME",
        help="values, gradients, nonfinite, time, memory, flops or parameters")  # fmt: skip
    row("--theme", help="auto, light, dark or print")
    row("--fit", type=read_by(_parse_page), metavar="PAGE",
        help="a page to fill with texts that can be read: 16:9, 4:3, a4 or 900x500")  # fmt: skip
    row("--title", help="read aloud by screen readers")
    row("--caption", help="a text below the picture")
    row("--legend", action="store_true", help="explain the kinds of boxes")
    row("--language", default="en", help="of the words: en or ru")
    row("--label", dest="labels", action="append", type=_parse_label, metavar="NAME=TEXT",
        help="what to draw in place of a name; several may be given")  # fmt: skip
    row(
        "--inputs",
        dest="input_names",
        type=_parse_names,
        metavar="A,B",
        help="names of a network's inputs",
    )
    row("--classes", type=_parse_names, metavar="A,B", help="names of a network's outputs")
    row("--engine", default="graphviz-pure", help="the layout program, graphviz-pure or dot")


def _parse_limit(text: str) -> int | None:
    """Read a number of boxes, or `all`."""
    return None if text == "all" else int(text)


def _parse_label(text: str) -> tuple[str, str]:
    """Read the label of a name, `x1=height`."""
    name, equals, label = text.partition("=")
    if not name or not equals:
        raise ArgumentTypeError(f"{text!r} is not a label; expected NAME=TEXT, as x1=height")
    return name, label


def _parse_names(text: str) -> list[str]:
    """Read names with commas between them."""
    return [name.strip() for name in text.split(",")]


def _parse_page(text: str) -> str | tuple[float, float]:
    """Read the name of a page, or its width and height in pixels."""
    width, times, height = text.partition("x")
    return (float(width), float(height)) if times else text


def draw(asked: Namespace) -> int:
    """Draw the subject into each output file, print the names of the files, and return 0."""
    viz = import_viz()
    outputs = asked.outputs or [f"{asked.subject.rpartition(':')[2]}.svg"]
    for path in outputs:
        viz.formats.check_path(path, asked.format)
    options = {name: getattr(asked, name) for name in OPTIONS}
    options["inputs"] = asked.input_names
    options["labels"] = dict(asked.labels) if asked.labels else None
    if asked.open and len(asked.open) == 1 and asked.open[0].isdigit():
        options["open"] = int(asked.open[0])
    if asked.sample:
        options["sample"] = _load_vector(asked.sample)
    subject = _load_subject(asked)
    for path in outputs:
        written = viz.render(subject, path, format=asked.format, **options)
        if not str(path).startswith("/dev/"):  # a picture on standard output is alone there
            print(show_text(str(written), one_line=True))
    return 0


def _load_vector(path: str) -> np.ndarray:
    """Load the array of a file.

    Raises:
        ArgumentError: if the file holds no array.
    """
    try:
        return np.load(path)
    except Exception as error:  # a damaged file makes NumPy raise nearly anything
        raise ArgumentError(
            f"--sample {path}: {error}; expected a file from np.save, of one vector"
        ) from error


def _load_subject(asked: Namespace) -> object:
    """Return the object to draw: the one that was named, or its result for the inputs.

    Raises:
        ArgumentError: if there is no such object, or calling it raises an error.
    """
    thing = find_object(asked.subject)
    given = bool(asked.inputs or asked.file)
    if not given and not inspect.isroutine(thing):
        return thing
    if not callable(thing):
        raise ArgumentError(f"{asked.subject} is a {type(thing).__name__}, which takes no inputs")
    arguments: list[Any] = []
    if given or positional_parameters(thing):
        at = make_point(thing, asked.inputs or (), asked.file, asked.seed, asked.scale, asked.dtype)
        arguments = [_make_tensors(x, n) for x, n in zip(at.arguments, at.names, strict=True)]
    try:
        return thing(*arguments)
    except AutogradError as error:
        raise ArgumentError(f"{asked.subject}: {error}") from error
    except Exception as error:  # whatever the function does with inputs that do not suit it
        text = f"{asked.subject} raised {describe_error(error)}; give inputs that it takes"
        raise ArgumentError(text) from error


def _make_tensors(x: object, name: str) -> object:
    """Turn floating-point numbers into a tensor with this name, also in dicts; keep integers."""
    if isinstance(x, dict):
        return {key: _make_tensors(part, f"{name}.{key}") for key, part in x.items()}
    if isinstance(x, Tensor) or not isinstance(x, (np.ndarray, np.generic, float, complex)):
        return x
    return tensor(x, name=name) if np.asarray(x).dtype.kind in "fc" else x


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

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
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


def _run_command(words: Sequence[str], output: IO[str] | None) -> int:
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
