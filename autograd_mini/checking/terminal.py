"""The check that a command line asks for."""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable
from inspect import signature
from typing import Any

from ..errors import ArgumentError, AutogradError
from ..files import write_file
from ..points import DTYPES, Point, point, shape, value
from ..targets import raised, target
from .check import COVERAGE, gradcheck
from .reporting.report import Report

DESCRIPTION = """\
Compare a gradient with numeric derivatives of its function, at random inputs or given ones.

  autograd-mini check model:loss --shape w=4,3 --shape b=3
  autograd-mini check layers.py:norm --vjp norm_vjp --shape x=8,16
  autograd-mini check fit.py:cost --jac cost_jac --file inputs.npz --value n=3

The exit code is 0 if the gradient is right, 1 if it is not, 2 if the command cannot be carried out.
Naming a function runs the module or file that holds it."""

GRADIENTS = {
    "vjp": "(g, *inputs)",
    "grad": "(*inputs)",
    "jvp": "(*tangents, *inputs)",
    "jac": "(*inputs); True if the function returns (value, gradient)",
}
"""Ways to give a gradient, and how each is called."""

PASSED_ON = ("order", "rtol", "atol", "step", "seed", "coverage", "framework")


def read_by(reader: Callable[[str], Any]) -> Callable[[str], Any]:
    """Make the errors of a reader those of the parser, with their text."""

    def read(text: str) -> Any:
        try:
            return reader(text)
        except AutogradError as error:
            raise ArgumentTypeError(str(error)) from None

    return read


def check_options(parser: ArgumentParser) -> None:
    """Add the arguments of `check`."""
    add = parser.add_argument
    add("function", help="module:function, or path/to/file.py:function")
    inputs = parser.add_argument_group("inputs, by the names of the function's parameters")
    row = inputs.add_argument
    row("--shape", dest="inputs", action="append", type=read_by(shape), metavar="x=3,4",
        help="random numbers of this shape; p.w=3,4 is the item 'w' of a dict p")  # fmt: skip
    row("--value", dest="inputs", action="append", type=read_by(value), metavar="n=3",
        help="a Python literal; a list of numbers is an array")  # fmt: skip
    row("--file", metavar="inputs.npz", help="arrays by name, from np.savez")
    row("--scale", type=float, default=1.0, help="of the random numbers, 1 by default")
    row("--dtype", choices=DTYPES, default="float64", help="of the random numbers")
    rules = parser.add_argument_group("a gradient written by hand, module:function or its name")
    for name, called in GRADIENTS.items():
        rules.add_argument(f"--{name}", metavar="FUNCTION", help=f"{name}{called}")
    checking = parser.add_argument_group("the check")
    row = checking.add_argument
    row("--order", type=int, choices=(1, 2), default=1, help="2 for the gradient's gradient, too")
    row("--seed", type=int, default=0, help="of the random inputs and cotangent")
    row("--rtol", type=float, help="relative tolerance")
    row("--atol", type=float, help="absolute tolerance")
    row("--step", type=float, help="of the first differences")
    row("--coverage", choices=COVERAGE, default="auto", help="every entry, or random projections")
    row("--framework", choices=("torch", "jax", "tensorflow"), help="whose tensors it takes")
    row("--search", action="store_true", help="look for inputs where the gradient is wrong")
    row("--examples", type=int, default=100, help="that a search tries, 100 by default")
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print the report as JSON")
    output.add_argument("--html", metavar="FILE", help="write the report as a page")


def check(asked: Namespace) -> int:
    """Carry out a check, print what was found, and return 0 if the gradient is right, else 1."""
    function = target(asked.function)
    given = gradients(asked)
    at = point(function, asked.inputs or (), asked.file, asked.seed, asked.scale, asked.dtype)
    settings = {name: getattr(asked, name) for name in PASSED_ON}
    settings |= {"names": at.names, **given}
    settings |= {"keep_dtype": asked.dtype in ("float32", "complex64")}
    if len(at.chosen) < len(at.names):
        settings["argnums"] = at.chosen
    try:
        if asked.search:
            return searched(function, at, settings, asked)
        report = gradcheck(function, *at.arguments, **settings, raises=False)
    except AutogradError as error:
        raise ArgumentError(f"{error}; the inputs are {at}") from error
    except Exception as error:  # whatever the function does with inputs that do not suit it
        text = f"{raised(error)}; the inputs are {at}: give those that the function takes"
        raise ArgumentError(text) from error
    written(report, asked)
    return 0 if report.ok else 1


def gradients(asked: Namespace) -> dict[str, Any]:
    """Return the gradient that was named, by its keyword."""
    found: dict[str, Any] = {}
    for name in GRADIENTS:
        text = getattr(asked, name)
        if text is not None:
            both = name == "jac" and text == "True"
            found[name] = True if both else target(text, beside=asked.function)
    return found


def written(report: Report, asked: Namespace) -> None:
    """Print a report, and write its page if that was asked for."""
    print(json.dumps(jsonable(report.to_dict()), indent=2) if asked.json else report)
    if asked.html is not None:
        from .reporting.display import page

        write_file(asked.html, page(report))


def searched(function: Any, at: Point, settings: dict[str, Any], asked: Namespace) -> int:
    """Search for a counterexample, print it, and return 1 if there is one."""
    from .counterexamples import search

    usual = {name: p.default for name, p in signature(gradcheck).parameters.items()}
    options = {name: x for name, x in settings.items() if name in ("seed", *GRADIENTS)}
    options |= {n: x for n, x in settings.items() if n != "names" and x != usual[n]}
    try:
        found = search(function, *at.arguments, **options, max_examples=asked.examples)
    except ModuleNotFoundError as error:
        raise ArgumentError(str(error)) from None
    if found is None:
        print("null" if asked.json else f"no counterexample among {asked.examples} examples")
        return 0
    if asked.json:
        shown = {"code": found.code, "report": jsonable(found.report.to_dict())}
        print(json.dumps(shown, indent=2))
    else:
        print(found)
    return 1


def jsonable(value: Any) -> Any:
    """Return plain Python values as JSON has them: NaN and infinity are strings there."""
    if isinstance(value, dict):
        return {str(key): jsonable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value
