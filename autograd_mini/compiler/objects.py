"""What objects hold: their attributes, and parts of them as containers.

A guard reads these containers anew each time. None of the user's code runs: attributes are read
without `__getattr__` and `__getattribute__`.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .guards import MISSING, read_attribute
from .observe import INSTALLED, origin_of_file, origin_of_module


class MappingValues:
    """The values of a mapping, as a container that is read anew each time."""

    def __init__(self, of: Mapping[Any, Any]) -> None:
        self._of = of

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[object]:
        return iter(dict.values(self._of) if isinstance(self._of, dict) else self._of.values())


class MappingItems:
    """The items of a mapping whose class does more at `[key]`."""

    def __init__(self, of: Mapping[Any, Any]) -> None:
        self._of = of

    def __getitem__(self, key: object) -> Any:
        if not isinstance(self._of, dict):
            return self._of[key]
        found = dict.get(self._of, key, MISSING)  # which makes no default
        if found is MISSING:
            raise KeyError(key)
        return found


class Cached:
    """A result in a cache: it is looked up while it is there, and never computed."""

    def __init__(
        self, results: Mapping[object, object], key: object, call: Callable[[], object]
    ) -> None:
        self._results = results
        self._key = key
        self._call = call

    def __call__(self) -> Any:
        """Return the result, `MISSING` if it is no longer there."""
        return self._call() if self._key in self._results else MISSING


class Attributes(Mapping[str, Any]):
    """The attributes that an object has for the thread that asks."""

    def __init__(self, of: object) -> None:
        self._of = of

    def __getitem__(self, key: str) -> Any:
        return self._of.__dict__[key]

    def __len__(self) -> int:
        return len(self._of.__dict__)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of.__dict__)


def cached_call(key: object, typed: bool) -> tuple[tuple[object, ...], dict[str, object]]:
    """Return the arguments of the call that a cache has under a key."""
    parts = key if isinstance(key, tuple | list) else (key,)
    mark = next((place for place, x in enumerate(parts) if type(x) is object), None)
    if mark is None:
        return tuple(parts[: len(parts) // 2] if typed else parts), {}
    last = mark + 1 + 2 * ((len(parts) - 2 * mark - 1) // 3) if typed else len(parts)
    return tuple(parts[:mark]), dict(
        zip(parts[mark + 1 : last : 2], parts[mark + 2 : last : 2], strict=True)
    )


# ── attributes and classes ────────────────────────────────────────────────────────────────────────
OWN_MODULES: Final = frozenset({"builtins", "functools", "collections", "operator", "array"})
"""Modules whose classes are opened as containers."""


def is_class_of_user(kind: type) -> bool:
    """Tell whether the user wrote a class, and not an installed package."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    installed = isinstance(file, str) and file.startswith(INSTALLED)
    return origin_of_module(kind) == "user" and not installed


def value_in(cell: types.CellType) -> Any:
    """Return what a variable of a closure holds, None if there is nothing."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def is_special(name: str) -> bool:
    """Tell whether Python calls a method by itself, as `__len__`."""
    return name.startswith("__") and name.endswith("__")


def is_base_of_modules(kind: type) -> bool:
    """Tell whether a class is `nn.Module`."""
    return (kind.__module__, kind.__name__) == ("autograd_mini.nn.module", "Module")


def is_mode(x: object) -> bool:
    """Tell whether an object is the descriptor of `training`, which is not a usual attribute."""
    kind = type(x)
    return (kind.__module__, kind.__name__) == ("autograd_mini.nn.inference", "Mode")


def is_module_or_optimizer(kind: type) -> bool:
    """Tell whether a class is a module or an optimizer: this library calls its methods."""
    return hasattr(kind, "named_tensors") or hasattr(kind, "rule")


def is_made_in_python(kind: type) -> bool:
    """Tell whether a `class` statement made a class: it is on the heap, and can be changed."""
    return kind.__flags__ & (1 << 9 | 1 << 8) == 1 << 9 and kind.__module__ not in OWN_MODULES


def instance_attributes(x: object) -> dict[object, object] | None:
    """Return the dict of an object's own attributes, or None."""
    try:
        found = object.__getattribute__(x, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def attribute_of(x: object, name: str) -> Any:
    """Return an attribute, without asking a `__getattr__`; `MISSING` if there is none."""
    try:
        return read_attribute(x, name)
    except Exception:
        return MISSING


def origin_of_namespace(namespace: dict[str, object]) -> str | None:
    """Return whose module a namespace belongs to; None for one of the interpreter's."""
    name, file = str(namespace.get("__name__", "")), namespace.get("__file__")
    if name.partition(".")[0] == "autograd_mini":
        return "library"
    if isinstance(file, str):
        return origin_of_file(file)
    return "user" if name == "__main__" or namespace.get("__spec__") is None else None
