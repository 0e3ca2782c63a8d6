"""Structures of arguments: match a gradient with the containers and dataclasses of its argument.

Names decide: the keys of a dict, the fields of a dataclass. In lists and tuples the position
decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from ..core.tree import LEAVES, Rebuild, flatten
from .causes import Kind, Problem, problem

NAMESPACE = "autograd_mini.checking"
ABSENT = object()


class Fields:
    """A dataclass, seen as a container of its fields.

    Attributes:
        template: the dataclass; a copy of it keeps everything that is not replaced.
        names: the names of the fields.
        values: the values of the fields; nested dataclasses are opened too.
    """

    def __init__(self, template: Any) -> None:
        self.template = template
        self.names = [f.name for f in fields(template) if hasattr(template, f.name)]
        self.values = [_open_dataclasses(getattr(template, n)) for n in self.names]

    def _with_values(self, values: tuple[object, ...]) -> Any:
        """Return a copy of the dataclass with other values."""
        made = copy(self.template)
        for name, value in zip(self.names, values, strict=True):
            object.__setattr__(made, name, value)  # works for frozen dataclasses too
        return made


@cache
def _tree_library() -> Any:
    """Return optree, with `Fields` registered in our own namespace."""
    import optree

    trees: Any = optree
    trees.register_pytree_node(
        Fields,
        lambda record: (record.values, record, record.names),
        lambda record, values: record._with_values(values),
        path_entry_type=optree.GetAttrEntry,
        namespace=NAMESPACE,
    )
    return trees


def _is_record(value: object) -> bool:
    """Is a value an instance of a dataclass?"""
    return is_dataclass(value) and not isinstance(value, (type, *LEAVES))


def _open_dataclasses(argument: object) -> Any:
    """Replace dataclasses in an argument by containers."""
    if isinstance(argument, LEAVES):
        return argument
    if _is_record(argument):
        return Fields(argument)
    if any(map(_is_record, flatten(argument)[0])):
        return _tree_library().tree_map(_open_dataclasses, argument)
    return argument


def take_apart(argument: object) -> tuple[list[object], Rebuild]:
    """Return the leaves of an argument, and the function that rebuilds it from other leaves."""
    leaves, rebuild = flatten(argument)
    if not any(map(_is_record, leaves)):
        return leaves, rebuild
    trees = _tree_library()
    leaves, structure = trees.tree_flatten(_open_dataclasses(argument), namespace=NAMESPACE)
    return leaves, lambda new: trees.tree_unflatten(structure, new)


def _accessors(argument: object) -> list[Any]:
    """Return the path to each leaf."""
    found: list[Any] = _tree_library().tree_accessors(
        _open_dataclasses(argument), namespace=NAMESPACE
    )
    return found


def write_leaf_places(argument: object, name: str) -> list[str]:
    """Write the place of each leaf of an argument as Python code."""
    if isinstance(argument, LEAVES):
        return [name]
    return [way.codify(name) for way in _accessors(argument)]


# ── a gradient ───────────────────────────────────────────────────────────────────────────────
def match_gradient(
    argument: object, given: object, name: str, checked: list[int], what: str
) -> list[object]:
    """Return the gradient of each differentiated leaf.

    Args:
        argument: a container.
        given: its gradient, another container.
        name: the name of the argument.
        checked: which leaves are differentiated; the others may be left out.
        what: the name of the gradient in messages.

    Raises:
        Problem: if a leaf has no gradient, or a gradient has no leaf.
    """
    ways = _accessors(argument)
    found = [_follow_accessor(given, way) for way in ways]
    count = sum(1 for _ in _leaves_of(given))
    named = sum(1 for x in found if x is not ABSENT)
    if any(found[i] is ABSENT for i in checked) or named < count:
        raise _describe_mismatch(argument, given, name, what)
    return [found[i] for i in checked]


def _follow_accessor(given: object, way: Any) -> Any:
    """Return the value at the path of a leaf; `ABSENT` if there is none."""
    for step in way:
        key = step.entry
        if isinstance(given, Mapping):
            given = given.get(key, ABSENT)
        elif isinstance(given, (list, tuple)) and isinstance(key, int):
            given = given[key] if key < len(given) else ABSENT
        elif isinstance(key, str) and hasattr(given, key) and not isinstance(given, LEAVES):
            given = getattr(given, key)
        else:
            return ABSENT
    return given


def _leaves_of(given: Any) -> Any:
    """Yield the leaves of a gradient; None counts as a leaf."""
    if isinstance(given, Mapping):
        inside = list(given.values())
    elif isinstance(given, (list, tuple)):
        inside = list(given)
    elif _is_record(given):
        inside = [getattr(given, f.name) for f in fields(given)]
    else:
        yield given
        return
    for value in inside:
        yield from _leaves_of(value)


def _describe_mismatch(argument: object, given: object, name: str, what: str) -> Problem:
    """Return the problem of a gradient with other names or another length."""
    text = (
        f"{what} returned {_outline(given)} for {name}; expected its own structure, "
        f"{_outline(argument)}"
    )
    return problem(Kind.SHAPE, text, name)


def _outline(value: Any) -> str:
    """Describe a container by its names or its length."""
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(map(repr, value)) or 'nothing'}"
    if _is_record(value):
        names = ", ".join(f.name for f in fields(value))
        return f"{type(value).__name__}({names})"
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return f"{type(value).__name__}({', '.join(value._fields)})"
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{value!r:.60}"
