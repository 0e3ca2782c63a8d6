"""Points: arguments for a function, as somebody writes them on a command line.

`x=3,4` is a shape, filled with random numbers; `n=3` is a value; a file holds arrays by name. A
dotted name is a place in a dict: `p.w=3,4` and `p.b=4` make `p = {"w": …, "b": …}`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .errors import ArgumentError

DTYPES = ("float64", "float32", "complex128", "complex64")


@dataclass(frozen=True, slots=True)
class Shape:
    """An argument of which only the shape was given."""

    name: str
    lengths: tuple[int, ...]

    def drawn(self, generator: np.random.Generator, scale: float, dtype: str) -> Any:
        """Draw standard normal numbers times a scale."""
        values = scale * generator.normal(size=self.lengths)
        if np.dtype(dtype).kind == "c":
            values = values + 1j * scale * generator.normal(size=self.lengths)
        return np.asarray(values).astype(dtype)[()]


@dataclass(frozen=True, slots=True)
class Value:
    """An argument whose value was given."""

    name: str
    value: Any


def shape(text: str) -> Shape:
    """Read `x=3,4`; `x=` is a number.

    Raises:
        ArgumentError: if it is written otherwise.
    """
    name, equals, lengths = text.partition("=")
    parts = [part.strip() for part in lengths.strip("() ").split(",") if part.strip()]
    if not name or not equals or not all(part.isdecimal() for part in parts):
        raise ArgumentError(
            f"{text!r} is no shape; write name=lengths, as x=3,4, or x= for one number"
        )
    return Shape(name.strip(), tuple(map(int, parts)))


def value(text: str) -> Value:
    """Read `n=3`, `x=[0.5, 1.0]`, `mode='same'`; a list of numbers is an array.

    Raises:
        ArgumentError: if it is no Python literal.
    """
    name, equals, written = text.partition("=")
    try:
        if not name or not equals:
            raise ValueError
        found = ast.literal_eval(written.strip())
        array = np.array(found) if isinstance(found, list) else None
    except (ValueError, SyntaxError):
        raise ArgumentError(
            f"{text!r} is no value; write name=literal, as n=3, x=[0.5, 1.0] or mode=\"'same'\""
        ) from None
    numeric = array is not None and array.dtype.kind in "biufc"
    return Value(name.strip(), array if numeric else found)


def saved(path: str) -> dict[str, Any]:
    """Read the arrays of a file that `np.savez` wrote, by name.

    Raises:
        ArgumentError: if there is no such file, or it is another one.
    """
    cure = "give an .npz file, as np.savez('inputs.npz', x=x, w=w) writes it"
    if not Path(path).is_file():
        raise ArgumentError(f"there is no file {path!r}; {cure}")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name][()] for name in arrays.files}
    except Exception as error:  # a damaged archive makes zipfile and NumPy raise nearly anything
        raise ArgumentError(f"{path!r} holds no arrays by name ({error}); {cure}") from None


def nested(named: dict[str, Any]) -> dict[str, Any]:
    """Put dotted names into dicts: `p.w` is the item "w" of `p`."""
    found: dict[str, Any] = {}
    for name, x in named.items():
        *outer, last = name.split(".")
        inside = found
        for part in outer:
            inside = inside.setdefault(part, {})
            if not isinstance(inside, dict):
                raise ArgumentError(f"{name} and {part} cannot both be given: {part} is no dict")
        inside[last] = x
    return found


@dataclass(frozen=True, slots=True)
class Point:
    """The arguments of a call.

    Attributes:
        arguments: by position.
        names: of their parameters.
        chosen: the positions of those that were given; the others are defaults.
    """

    arguments: list[Any]
    names: list[str]
    chosen: list[int]

    def __str__(self) -> str:
        rows = zip(self.names, self.arguments, strict=True)
        return ", ".join(f"{name} {described(x)}" for name, x in rows)


def described(x: Any) -> str:
    """Write what an argument is, short."""
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {described(part)}" for k, part in x.items()) + "}"
    return f"{x.dtype}{x.shape}" if isinstance(x, (np.ndarray, np.generic)) else f"{x!r:.40}"


def point(
    function: Callable[..., Any],
    given: Sequence[Shape | Value],
    file: str | None,
    seed: int,
    scale: float,
    dtype: str,
) -> Point:
    """Put the arguments of a function together from what was given of them.

    Raises:
        ArgumentError: if one is missing, or there is no such parameter.
    """
    generator = np.random.default_rng(seed)
    named = saved(file) if file is not None else {}
    parameters = positional(function)
    if parameters is not None:  # a file may hold more
        names = {p.name for p in parameters}
        named = {name: x for name, x in named.items() if name.partition(".")[0] in names}
    for one in given:
        drawn = isinstance(one, Shape)
        named[one.name] = one.drawn(generator, scale, dtype) if drawn else one.value  # type: ignore[union-attr]
    arguments = nested(named)
    title = getattr(function, "__name__", type(function).__name__)
    if parameters is None:
        if not arguments:
            raise ArgumentError(f"no inputs were given for {title}; give --shape x=3,4")
        return Point(list(arguments.values()), list(arguments), list(range(len(arguments))))
    return arranged(title, parameters, arguments)


def arranged(
    title: str, parameters: Sequence[inspect.Parameter], arguments: dict[str, Any]
) -> Point:
    """Bring arguments into the order of the parameters; defaults fill gaps."""
    names = [p.name for p in parameters]
    listed = f"parameters of {title}: {', '.join(names) or 'none'}"
    unknown = [name for name in arguments if name not in names]
    if unknown:
        raise ArgumentError(f"{title} has no parameter {', '.join(unknown)}; {listed}")
    missing = [p.name for p in parameters if p.default is p.empty and p.name not in arguments]
    if missing or not arguments:
        wanted = " ".join(f"--shape {name}=…" for name in missing or names[:1])
        raise ArgumentError(f"give {wanted}; {listed}")
    last = max(names.index(name) for name in arguments)
    used = parameters[: last + 1]
    chosen = [i for i, p in enumerate(used) if p.name in arguments]
    return Point([arguments.get(p.name, p.default) for p in used], names[: last + 1], chosen)


def positional(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return the parameters that take arguments by position, None if they are not known.

    Raises:
        ArgumentError: if another one must be given by name.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    for p in parameters:
        if p.kind is p.KEYWORD_ONLY and p.default is p.empty:
            raise ArgumentError(
                f"{p.name} can be given by keyword only; name a function that takes its "
                "arguments by position"
            )
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
