"""The subcommand `draw`: `autograd-mini draw model.py:loss -o loss.svg`.

`viz` is imported only when a picture is drawn, so that other commands start faster.
"""

from __future__ import annotations

import inspect
from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

from ..checking.terminal import add_input_options, read_by
from ..core.tensor import Tensor, tensor
from ..core.visible import show_text
from ..display import import_viz
from ..errors import ArgumentError, AutogradError
from .points import (
    make_point,
    parse_seed,
    positional_parameters,
)
from .targets import describe_error, find_object

DESCRIPTION = """\
Draw a tensor, function, model or compiled step of a module or file.

  autograd-mini draw model.py:loss -o loss.svg
  autograd-mini draw layers.py:norm --shape x=8,16 -o norm.png -o norm.html
  autograd-mini draw train.py:model -o model.json --format model-explorer

A function is called with the inputs that are given; so is a model, which without them is drawn as
its neurons. The exit code is 0, or 2 if the picture cannot be drawn."""

OPTIONS = ("view", "direction", "limit", "open", "overlay", "theme", "title", "engine")


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
    row("--title", help="read aloud by screen readers")
    row("--engine", default="graphviz-pure", help="the layout program, graphviz-pure or dot")


def _parse_limit(text: str) -> int | None:
    """Read a number of boxes, or `all`."""
    return None if text == "all" else int(text)


def draw(asked: Namespace) -> int:
    """Draw the subject into each output file, print the names of the files, and return 0."""
    viz = import_viz()
    outputs = asked.outputs or [f"{asked.subject.rpartition(':')[2]}.svg"]
    for path in outputs:
        viz.formats.check_path(path, asked.format)
    options = {name: getattr(asked, name) for name in OPTIONS}
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


def _load_subject(asked: Namespace) -> Any:
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


def _make_tensors(x: np.ndarray, name: str) -> Any:
    """Turn floating-point numbers into a tensor with this name, also in dicts; keep integers."""
    if isinstance(x, dict):
        return {key: _make_tensors(part, f"{name}.{key}") for key, part in x.items()}
    if isinstance(x, Tensor) or not isinstance(x, (np.ndarray, np.generic, float, complex)):
        return x
    return tensor(x, name=name) if np.asarray(x).dtype.kind in "fc" else x
