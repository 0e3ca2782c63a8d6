"""The picture that a command line asks for: `autograd-mini draw model.py:loss -o loss.svg`.

`viz` is imported when a picture is drawn, so that the other commands start without it.
"""

from __future__ import annotations

import inspect
from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

from ..checking.terminal import read_by
from ..core.tensor import Tensor, tensor
from ..core.visible import show_text
from ..display import import_viz
from ..errors import ArgumentError, AutogradError
from .points import DTYPES, point, positional, scale, seed, shape, value
from .targets import named, raised

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
    row("--shape", dest="inputs", action="append", type=read_by(shape), metavar="x=3,4",
        help="random numbers of this shape")  # fmt: skip
    row("--value", dest="inputs", action="append", type=read_by(value), metavar="n=3",
        help="a Python literal; a list of numbers is an array")  # fmt: skip
    row("--file", metavar="inputs.npz", help="arrays by name, from np.savez")
    row("--scale", type=read_by(scale), default=1.0, help="of the random numbers, 1 by default")
    row("--seed", type=read_by(seed), default=0, help="of the random numbers")
    row("--dtype", choices=DTYPES, default="float64", help="of the random numbers")
    picture = parser.add_argument_group("the picture")
    row = picture.add_argument
    row("--view", help="operations, tensors, forward, backward, compiled, scalars or neurons")
    row("--sample", metavar="x.npy", help="an input of a network, whose neurons show their values")
    row("--direction", help="TB or LR")
    row("--limit", type=limit, default=40, help="about how many boxes; all for no limit")
    row("--open", action="append", metavar="SCOPE",
        help="a scope to show open, as mlp/dense_2 or block_*; or a depth")  # fmt: skip
    row("--overlay", action="append", metavar="NAME",
        help="values, gradients, nonfinite, time, memory, flops or parameters")  # fmt: skip
    row("--theme", help="auto, light, dark or print")
    row("--title", help="read aloud by screen readers")
    row("--engine", default="graphviz-pure", help="the layout program, graphviz-pure or dot")


def limit(text: str) -> int | None:
    """Read a number of boxes, or `all`."""
    return None if text == "all" else int(text)


def draw(asked: Namespace) -> int:
    """Draw what was asked for into its files, print their names, and return 0."""
    viz = import_viz()
    outputs = asked.outputs or [f"{asked.subject.rpartition(':')[2]}.svg"]
    for path in outputs:
        viz.formats.checked(path, asked.format)
    options = {name: getattr(asked, name) for name in OPTIONS}
    if asked.open and len(asked.open) == 1 and asked.open[0].isdigit():
        options["open"] = int(asked.open[0])
    if asked.sample:
        options["sample"] = vector(asked.sample)
    subject = subject_of(asked)
    for path in outputs:
        written = viz.render(subject, path, format=asked.format, **options)
        if not str(path).startswith("/dev/"):  # a picture on standard output is alone there
            print(show_text(str(written), one_line=True))
    return 0


def vector(path: str) -> Any:
    """Return the array of a file.

    Raises:
        ArgumentError: if it holds none.
    """
    try:
        return np.load(path)
    except Exception as error:  # a damaged file makes NumPy raise nearly anything
        raise ArgumentError(
            f"--sample {path}: {error}; expected a file from np.save, of one vector"
        ) from error


def subject_of(asked: Namespace) -> Any:
    """Return what is drawn: the thing that was named, or what it returns for the inputs.

    Raises:
        ArgumentError: if there is no such thing, or it raises an error.
    """
    thing = named(asked.subject)
    given = bool(asked.inputs or asked.file)
    if not given and not inspect.isroutine(thing):
        return thing
    if not callable(thing):
        raise ArgumentError(f"{asked.subject} is a {type(thing).__name__}, which takes no inputs")
    arguments: list[Any] = []
    if given or positional(thing):
        at = point(thing, asked.inputs or (), asked.file, asked.seed, asked.scale, asked.dtype)
        arguments = [recorded(x, n) for x, n in zip(at.arguments, at.names, strict=True)]
    try:
        return thing(*arguments)
    except AutogradError as error:
        raise ArgumentError(f"{asked.subject}: {error}") from error
    except Exception as error:  # whatever the function does with inputs that do not suit it
        text = f"{asked.subject} raised {raised(error)}; give inputs that it takes"
        raise ArgumentError(text) from error


def recorded(x: Any, name: str) -> Any:
    """Return numbers as a tensor of that name, in dicts too; whole numbers stay as they are."""
    if isinstance(x, dict):
        return {key: recorded(part, f"{name}.{key}") for key, part in x.items()}
    if isinstance(x, Tensor) or not isinstance(x, (np.ndarray, np.generic, float, complex)):
        return x
    return tensor(x, name=name) if np.asarray(x).dtype.kind in "fc" else x
