"""Targets: functions named on a command line, as `module:function`.

Finding a function runs the module or file that contains it, and nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import ArgumentError


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


def find_object(text: str, beside: str = "") -> Any:
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
