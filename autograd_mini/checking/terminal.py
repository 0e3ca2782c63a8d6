"""The `check` command of the command line."""

from __future__ import annotations

import json
import math
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from inspect import signature
from typing import Any

from ..cli.points import (
    DTYPES,
    Point,
    describe_error,
    find_function,
    make_point,
    parse_scale,
    parse_seed,
    parse_shape,
    parse_value,
)
from ..cli.streams import print_error, standard_output
from ..errors import ArgumentError, AutogradError
from ..files import write_file
from .check import COVERAGE, gradcheck
from .counterexamples.exploration import SHAPES, VALUES
from .report import Report

DESCRIPTION = """\
Compare a gradient with numeric derivatives of its function, at random inputs or given ones.

  autograd-mini check model:loss --shape w=4,3 --shape b=3
  autograd-mini check layers.py:norm --vjp norm_vjp --shape x=8,16
  autograd-mini check fit.py:cost --jac cost_jac --file inputs.npz --value n=3

The exit code is 0 if the gradient is right, 1 if it is wrong, 3 if that could not be decided, 2 if
it could not be checked or the result could not be written, 130 after Ctrl-C. Naming a function runs
the module or file that holds it; with --json, what that prints goes to standard error."""

GRADIENTS = {
    "vjp": "(g, *inputs)",
    "grad": "(*inputs)",
    "jvp": "(*tangents, *inputs)",
    "jac": "(*inputs); True if the function returns (value, gradient)",
}
"""The options that give a gradient, and the signature of each."""

PASSED_ON = ("order", "rtol", "atol", "step", "seed", "coverage", "framework")


def read_by(reader: Callable[[str], object]) -> Callable[[str], object]:
    """Turn the errors of a reader into errors of the argument parser, with the same text."""

    def read(text: str) -> object:
        try:
            return reader(text)
        except AutogradError as error:
            raise ArgumentTypeError(str(error)) from None

    return read


def add_input_options(add: Callable[..., object]) -> None:
    """Add the arguments that give a function its inputs, by `add_argument` of their group."""
    add("--shape", dest="inputs", action="append", type=read_by(parse_shape), metavar="x=3,4",
        help="random numbers of this shape; p.w=3,4 is the item 'w' of a dict p")  # fmt: skip
    add("--value", dest="inputs", action="append", type=read_by(parse_value), metavar="n=3",
        help="a Python literal; a list of numbers is an array")  # fmt: skip
    add("--file", metavar="inputs.npz", help="arrays by name, from np.savez")
    add("--scale", type=read_by(parse_scale), default=1.0,
        help="of the random numbers, 1 by default")  # fmt: skip
    add("--dtype", choices=DTYPES, default="float64", help="of the random numbers")


def check_options(parser: ArgumentParser) -> None:
    """Add the options of `check` to a parser."""
    add = parser.add_argument
    add("function", help="module:function, or path/to/file.py:function")
    inputs = parser.add_argument_group("inputs, by the names of the function's parameters")
    add_input_options(inputs.add_argument)
    rules = parser.add_argument_group("a gradient written by hand, module:function or its name")
    for name, called in GRADIENTS.items():
        rules.add_argument(f"--{name}", metavar="FUNCTION", help=f"{name}{called}")
    checking = parser.add_argument_group("the check")
    row = checking.add_argument
    row("--argnums", type=read_by(_read_choice), metavar="0,2",
        help="which inputs are differentiated, by position or name; the others stay")  # fmt: skip
    row("--order", type=int, choices=(1, 2), default=1, help="2 for the gradient's gradient, too")
    row("--seed", type=read_by(parse_seed), default=0, help="of the random inputs and cotangent")
    row("--rtol", type=float, help="relative tolerance")
    row("--atol", type=float, help="absolute tolerance")
    row("--step", type=float, help="of the first differences")
    row("--coverage", choices=COVERAGE, default="auto", help="every entry, or random projections")
    row("--framework", choices=("torch", "jax", "tensorflow"), help="whose tensors it takes")
    row("--search", action="store_true", help="look for inputs where the gradient is wrong")
    row("--shapes", choices=SHAPES, default="fixed",
        help="that a search tries: those given, other lengths, or other axes too")  # fmt: skip
    row("--values", choices=VALUES, default="similar",
        help="that a search tries: like those given, or any")  # fmt: skip
    row(
        "--examples",
        type=read_by(_read_count),
        default=100,
        help="that a search tries, 100 by default",
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print the report as JSON")
    output.add_argument("--html", metavar="FILE", help="write the report as a page")


def _read_choice(text: str) -> tuple[str, ...]:
    """Read positions or names of inputs, such as `0,2` or `x,w`.

    Raises:
        ArgumentError: if one of them is empty.
    """
    parts = tuple(part.strip() for part in text.removesuffix(",").split(","))
    if not all(parts):
        raise ArgumentError(f"{text!r:.80} chooses no inputs; give positions or names: 0,2")
    return parts


def _read_count(text: str) -> int:
    """Read a number of examples.

    Raises:
        ArgumentError: if the text is not a whole number of at least 1.
    """
    if not text.strip().isdecimal() or len(text) > 9 or int(text) < 1:
        raise ArgumentError(f"{text!r:.80} is not a number of examples; give 1 or more")
    return int(text)


def _exit_code(report: Report) -> int:
    """Return the exit code: 0 if the gradient is right, 3 if undecided, 1 if it is wrong."""
    return 3 if report.undecided else 0 if report.ok else 1


def check(asked: Namespace) -> int:
    """Run a check, print the report, and return the exit code."""
    standard_output()
    page_path = None if asked.html is None else _writable_path(asked.html)
    if asked.file is not None and os.path.isfile(asked.file):
        asked.file = os.path.abspath(asked.file)  # the checked file may go to another folder
    function = find_function(asked.function)
    given = _named_gradients(asked)
    at = make_point(function, asked.inputs or (), asked.file, asked.seed, asked.scale, asked.dtype)
    settings = {name: getattr(asked, name) for name in PASSED_ON}
    settings |= {"names": at.names, **given}
    settings |= {"keep_dtype": asked.dtype in ("float32", "complex64")}
    if asked.argnums is not None:
        settings["argnums"] = _chosen_positions(asked.argnums, at)
    elif len(at.chosen) < len(at.names):
        settings["argnums"] = at.chosen
    try:
        if asked.search:
            return _run_search(function, at, settings, asked, page_path)
        report = gradcheck(function, *at.arguments, **settings, raises=False)
    except AutogradError as error:
        raise ArgumentError(f"{error}; the inputs are {at}") from error
    except (Exception, SystemExit) as error:  # whatever the function does with unsuitable inputs
        text = f"{describe_error(error)}; the inputs are {at}: give those that the function takes"
        raise ArgumentError(text) from error
    write_page(page_path, report)
    _print_report(report.to_dict() if asked.json else report, asked)
    return _exit_code(report)


def _writable_path(path: str) -> str:
    """Return the absolute path of a file that can be written.

    Raises:
        ArgumentError: if it cannot be written, as far as this is known beforehand.
    """
    whole = os.path.abspath(path)
    folder = os.path.dirname(whole)
    if not path or os.path.isdir(whole):
        raise ArgumentError(f"--html {path!r} is not a file; give a file name, such as report.html")
    if not os.path.isdir(folder):
        raise ArgumentError(f"--html {path!r}: there is no folder {folder!r}; make it first")
    blocked = whole if os.path.exists(whole) else folder
    if not os.access(blocked, os.W_OK):
        raise ArgumentError(f"--html {path!r}: {blocked!r} cannot be written; choose another file")
    return whole


def _chosen_positions(parts: tuple[str, ...], at: Point) -> list[int]:
    """Return the positions of inputs that were chosen by position or name.

    Raises:
        ArgumentError: for an unknown input.
    """
    found = []
    for part in parts:
        is_position = part.isdecimal() and int(part) < len(at.names)
        if not is_position and part not in at.names:
            listed = ", ".join(f"{i} {name}" for i, name in enumerate(at.names))
            raise ArgumentError(f"--argnums {part}: there is no such input; there are {listed}")
        found.append(int(part) if is_position else at.names.index(part))
    return found


def _named_gradients(asked: Namespace) -> dict[str, object]:
    """Return the gradient that the user named, by its keyword."""
    found: dict[str, Any] = {}
    for name in GRADIENTS:
        text = getattr(asked, name)
        if text is not None:
            both = name == "jac" and text == "True"
            found[name] = True if both else find_function(text, beside=asked.function)
    return found


def _print_report(found: object, asked: Namespace) -> None:
    """Print a report, or plain values as JSON."""
    text = json.dumps(_jsonable(found), indent=2) if asked.json else found
    print(text, file=asked.output)


def write_page(path: str | None, report: Report) -> None:
    """Write the HTML page of a report, if requested."""
    if path is not None:
        from .display import page

        write_file(path, page(report))


def _run_search(
    function: Callable[..., object],
    at: Point,
    settings: dict[str, Any],
    asked: Namespace,
    page_path: str | None,
) -> int:
    """Search for a counterexample, print it, and return the exit code; 0 if there is none."""
    from .counterexamples import explore

    usual = {name: p.default for name, p in signature(gradcheck).parameters.items()}
    options = {name: x for name, x in settings.items() if name in ("seed", *GRADIENTS)}
    options |= {n: x for n, x in settings.items() if n != "names" and x != usual[n]}
    options |= {"shapes": asked.shapes, "values": asked.values, "max_examples": asked.examples}
    try:
        explored = explore(function, *at.arguments, **options)
    except ModuleNotFoundError as error:
        raise ArgumentError(str(error)) from None
    found = explored.counterexample
    if found is not None:
        write_page(page_path, found.report)
    elif page_path is not None:
        print_error("autograd-mini check: nothing was found, so no page is written")
    _print_report(explored.to_dict() if asked.json else explored, asked)
    return 0 if found is None else _exit_code(found.report)


def _jsonable(value: object) -> object:
    """Convert values for JSON: NaN and infinity become strings."""
    if isinstance(value, dict):
        return {str(key): _jsonable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
