"""Targets and points: functions and their arguments, as they are named on a command line.

A target is `module:function` or `file.py:function`. `x=3,4` is a shape, filled with random numbers;
`n=3` is a value; a file holds arrays by name. A dotted name is a key of a dict: `p.w=3,4` and
`p.b=4` make `p = {"w": …, "b": …}`.
"""

from __future__ import annotations

import ast
import inspect
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError

if TYPE_CHECKING:
    from ..core.arrays import Array


def find_function(text: str, beside: str = "") -> Callable[..., object]:
    """Return the function that a text names.

    Args:
        text: `package.module:function`, `path/to/file.py:function`, or `module:Class.method`; a
            name alone is looked up in the module of `beside`.
        beside: another such text.

    Raises:
        ArgumentError: if there is no such module, file or function, or the module cannot be run.
    """
    found = find_object(text, beside)
    if not callable(found):
        raise ArgumentError(f"{text} is {found!r:.60}, which cannot be called; name a function")
    return found


def find_object(text: str, beside: str = "") -> object:
    """Return whatever a text names; the arguments and errors are those of `find_function`."""
    place, colon, name = text.rpartition(":")
    if not colon:
        place = beside.rpartition(":")[0]
    place = place.removesuffix(":")  # file.py::function, as pytest writes it
    if not place or not name:
        raise ArgumentError(
            f"{text!r} names no function; write module:function or file.py:function"
        )
    module = _import_file(Path(place)) if place.endswith(".py") else _import_by_name(place)
    try:
        return reduce(getattr, name.split("."), module)
    except AttributeError:
        known = [n for n, x in vars(module).items() if callable(x) and not n.startswith("_")]
        listed = ", ".join(known[:12]) or "no function"
        raise ArgumentError(f"{place} has no {name!r}; it has {listed}") from None


def _import_by_name(name: str) -> ModuleType:
    """Import a module as a program in the working directory would."""
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise ArgumentError(
                f"there is no module {error.name!r} here or among the installed ones; "
                "write its path for a file, as path/to/file.py:function"
            ) from None
        raise _failed_import(name, error) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the module does when it is run
        raise _failed_import(name, error) from error


def _import_file(path: Path) -> ModuleType:
    """Run a file once, as a module of its name; it may import modules of its directory."""
    path = path.expanduser().resolve()
    if not path.is_file():
        raise ArgumentError(f"there is no file {path}; write module:function or file.py:function")
    other = f"{path.stem}_of_{path.parent.name}"
    for loaded in (sys.modules.get(path.stem), sys.modules.get(other)):
        if getattr(loaded, "__file__", None) == str(path):
            return loaded  # type: ignore[return-value]
    taken = path.stem in sys.modules or path.stem in sys.stdlib_module_names
    name = other if taken else path.stem
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[name] = module  # where dataclasses and pickle look for it
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever the file does when it is run
        sys.modules.pop(name, None)
        raise _failed_import(str(path), error) from error
    return module


def _failed_import(place: str, error: BaseException) -> ArgumentError:
    """Return the error that running a module raised an error, with its place."""
    if isinstance(error, SystemExit):
        return ArgumentError(
            f"running {place} ended in {describe_error(error)}, so nothing of it can be used; put "
            'what ends the program under `if __name__ == "__main__":`'
        )
    cure = "it must run without an error"
    if isinstance(error, ImportError) and "no known parent package" in str(error):
        cure = "it belongs to a package: name it with that, as package.module:function"
    return ArgumentError(f"running {place} raised {describe_error(error)}; {cure}")


def describe_error(error: BaseException) -> str:
    """Write an error with the file and line where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" ({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"
    try:
        text = str(error)
    except Exception:  # an error of the user's own, whose text raises one
        text = "(its text cannot be shown)"
    return f"{type(error).__name__}: {text}{where}"


DTYPES = ("float64", "float32", "complex128", "complex64")

LARGEST = 10**7
"""The most numbers that `--shape` draws; a check keeps several copies of them."""

DEEPEST = 32
"""The most axes of a drawn array, names in a dotted name, and nested containers in a value."""


@dataclass(frozen=True, slots=True)
class Shape:
    """An argument given by its shape."""

    name: str
    lengths: tuple[int, ...]

    def _draw_values(self, generator: np.random.Generator, scale: float, dtype: str) -> Array:
        """Draw standard normal numbers times a scale."""
        values = scale * generator.normal(size=self.lengths)
        if np.dtype(dtype).kind == "c":
            values = values + 1j * scale * generator.normal(size=self.lengths)
        return np.asarray(values).astype(dtype)[()]


@dataclass(frozen=True, slots=True)
class Value:
    """An argument given by its value."""

    name: str
    value: Any


def parse_shape(text: str) -> Shape:
    """Read `x=3,4`; `x=` is a number.

    Raises:
        ArgumentError: if it is written otherwise.
    """
    name, equals, written = text.partition("=")
    lengths = written.strip()
    if lengths.startswith("(") and lengths.endswith(")"):
        lengths = lengths[1:-1].strip()
    parts = [part.strip() for part in lengths.removesuffix(",").split(",")] if lengths else []
    if not _is_name(name) or not equals or not all(part.isdecimal() for part in parts):
        raise ArgumentError(
            f"{text!r:.80} is not a shape; write name=lengths: x=3,4, or x= for one number"
        )
    if len(parts) > DEEPEST or any(len(part) > 18 for part in parts):
        raise ArgumentError(_too_large_text(text))
    found = tuple(map(int, parts))
    if math.prod(found) > LARGEST or max(found, default=0) > LARGEST:
        raise ArgumentError(_too_large_text(text))
    return Shape(name.strip(), found)


def _too_large_text(text: str) -> str:
    """Return the message that a shape is too large."""
    return (
        f"{text!r:.80} is too large; --shape draws up to {LARGEST:,} numbers in up to {DEEPEST} "
        "axes. Check a smaller input, or give a larger one by --file"
    )


def _is_name(text: str) -> bool:
    """Return whether a text is a name or a dotted name."""
    parts = text.strip().split(".")
    return all(parts) and len(parts) <= DEEPEST


def parse_seed(text: str) -> int:
    """Read a seed: 0, 1, 2, ….

    Raises:
        ArgumentError: for anything else.
    """
    if not text.strip().isdecimal() or len(text) > 18:
        raise ArgumentError(f"{text!r:.80} is not a seed; give a whole number ≥ 0, such as 0 or 7")
    return int(text)


def parse_scale(text: str) -> float:
    """Read a finite number.

    Raises:
        ArgumentError: for anything else.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ArgumentError(f"{text!r:.80} is not a scale; give a finite number, such as 0.1 or 10")
    return found


def parse_value(text: str) -> Value:
    """Read `n=3`, `x=[0.5, 1.0]`, `mode='same'`; a list of numbers is an array.

    Raises:
        ArgumentError: if the value is not a Python literal.
    """
    name, equals, written = text.partition("=")
    try:
        if not _is_name(name) or not equals:
            raise ValueError
        found = ast.literal_eval(written.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ArgumentError(
            f"{text!r:.80} is not a value; write name=literal, as n=3, x=[0.5, 1.0] or "
            "mode=\"'same'\""
        ) from None
    if _nesting_depth(found) > DEEPEST:
        raise ArgumentError(f"{text!r:.80} is nested more than {DEEPEST} deep; give a flatter one")
    try:
        array = np.array(found) if isinstance(found, list) else None
    except (ValueError, OverflowError) as error:
        raise ArgumentError(
            f"{text!r:.80} is not an array ({error}); give rows of one length, or a tuple for a "
            "container"
        ) from None
    numeric = array is not None and array.dtype.kind in "biufc"
    return Value(name.strip(), array if numeric else found)


def _nesting_depth(value: object) -> int:
    """Return how deep lists, tuples, sets and dicts are nested."""
    level, deep = [value], 0
    while level := [x for x in level if isinstance(x, (list, tuple, set, dict))]:
        deep += 1
        parts = [x.values() if isinstance(x, dict) else x for x in level]
        level = [part for x in parts for part in x]
    return deep


def _load_arrays(path: str) -> dict[str, object]:
    """Load the arrays of a file that `np.savez` wrote, by name.

    Raises:
        ArgumentError: if there is no such file, or it is not such a file.
    """
    cure = "give an .npz file, as np.savez('inputs.npz', x=x, w=w) writes it"
    if not Path(path).is_file():
        raise ArgumentError(f"there is no file {path!r}; {cure}")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name][()] for name in arrays.files}
    except Exception as error:  # a damaged archive makes zipfile and NumPy raise nearly anything
        raise ArgumentError(f"{path!r} holds no arrays by name ({error}); {cure}") from None


def nest_names(named: dict[str, object]) -> dict[str, object]:
    """Put dotted names into dicts: `p.w` is the item "w" of `p`."""
    found: dict[str, Any] = {}
    for name, x in named.items():
        *outer, last = name.split(".")
        inside = found
        for part in outer:
            inside = inside.setdefault(part, {})
            if not isinstance(inside, dict):
                raise ArgumentError(f"{name} and {part} cannot both be given: {part} is not a dict")
        inside[last] = x
    return found


@dataclass(frozen=True, slots=True)
class Point:
    """The arguments of a call.

    Attributes:
        arguments: the values, by position.
        names: the names of their parameters.
        chosen: the positions of the given arguments; the others are defaults.
    """

    arguments: list[Any]
    names: list[str]
    chosen: list[int]

    def __str__(self) -> str:
        rows = zip(self.names, self.arguments, strict=True)
        return ", ".join(f"{name} {_describe_argument(x)}" for name, x in rows)


def _describe_argument(x: np.ndarray) -> str:
    """Describe an argument in few words."""
    if isinstance(x, dict):
        return "{" + ", ".join(f"{k!r}: {_describe_argument(part)}" for k, part in x.items()) + "}"
    return f"{x.dtype}{x.shape}" if isinstance(x, (np.ndarray, np.generic)) else f"{x!r:.40}"


def make_point(
    function: Callable[..., object],
    given: Sequence[Shape | Value],
    file: str | None,
    seed: int,
    scale: float,
    dtype: str,
) -> Point:
    """Make the arguments of a function from the given shapes, values and file.

    Raises:
        ArgumentError: if an argument is missing, or there is no such parameter.
    """
    generator = np.random.default_rng(seed)
    named = _load_arrays(file) if file is not None else {}
    parameters = positional_parameters(function)
    if parameters is not None:  # a file may hold more
        names = {p.name for p in parameters}
        named = {name: x for name, x in named.items() if name.partition(".")[0] in names}
    twice = sorted({one.name for one in given if [x.name for x in given].count(one.name) > 1})
    if twice:
        raise ArgumentError(f"{', '.join(twice)} is given more than once; give each input once")
    for one in given:
        drawn = isinstance(one, Shape)
        named[one.name] = one._draw_values(generator, scale, dtype) if drawn else one.value  # type: ignore[union-attr]
    arguments = nest_names(named)
    title = getattr(function, "__name__", type(function).__name__)
    if parameters is None:
        if not arguments:
            raise ArgumentError(f"no inputs were given for {title}; give --shape x=3,4")
        return Point(list(arguments.values()), list(arguments), list(range(len(arguments))))
    return _order_arguments(title, parameters, arguments)


def _order_arguments(
    title: str, parameters: Sequence[inspect.Parameter], arguments: dict[str, object]
) -> Point:
    """Put arguments into the order of the parameters; defaults fill the gaps."""
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


def positional_parameters(function: Callable[..., object]) -> list[inspect.Parameter] | None:
    """Return the parameters that take arguments by position, None if they are not known.

    Raises:
        ArgumentError: if another parameter must be given by keyword.
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
