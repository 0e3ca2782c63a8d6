"""Guards: what a function read from objects, and must find again for its program to hold.

A trace sees operations; it does not see that a layer was looked up in a list, or that a mode was
asked. So models and optimizers say which attributes they have; lists, tuples and dicts among them
are opened. A guard compares identities, in one expression: 25 ns an attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple


class Condition(NamedTuple):
    """Where something was read, and what was found there.

    Attributes:
        owner: the object.
        path: from it, as ".layers[0]".
        value: what was there; for `counts`, its length.
        counts: whether it is about the length.
    """

    owner: Any
    path: str
    value: Any
    counts: bool = False

    def text(self, owner: str, value: str) -> str:
        """Write the test, with names for owner and value."""
        if self.counts:
            return f"len({owner}{self.path}) == {value}"
        return f"{owner}{self.path} is {value}"


def conditions_of(owner: Any, attributes: Sequence[str]) -> list[Condition]:
    """Return what attributes are now, and what is in containers among them."""
    found: list[Condition] = []
    stack = [(f".{name}", getattr(owner, name)) for name in attributes if name.isidentifier()]
    opened: set[int] = set()
    while stack:
        path, value = stack.pop()
        found.append(Condition(owner, path, value))
        if isinstance(value, dict | list | tuple) and id(value) not in opened:
            opened.add(id(value))
            found.append(Condition(owner, path, len(value), counts=True))
            inner: Iterable[tuple[Any, Any]]
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            stack += [(f"{path}[{key!r}]", x) for key, x in inner if isinstance(key, int | str)]
    return found


def guard(conditions: Sequence[Condition]) -> Callable[[], bool]:
    """Make a function that tells whether everything is still what it was."""
    bound: dict[str, Any] = {}
    owners: dict[int, str] = {}
    tests: dict[tuple[str, str, bool], str] = {}
    for condition in conditions:
        owner = owners.setdefault(id(condition.owner), f"o{len(owners)}")
        key = owner, condition.path, condition.counts
        if key not in tests:
            value = f"v{len(tests)}"
            bound[owner], bound[value] = condition.owner, condition.value
            tests[key] = condition.text(owner, value)
    if not tests:
        return lambda: True
    text = " and ".join(tests.values())
    found: Callable[[], bool] = eval(f"lambda: {text}", bound)  # text and names are our own
    return found_or_false(found)


def found_or_false(holds: Callable[[], bool]) -> Callable[[], bool]:
    """Take something that is not there any more for a change."""

    def checked() -> bool:
        try:
            return holds()
        except (AttributeError, LookupError, TypeError):
            return False

    return checked


def changed(conditions: Sequence[Condition]) -> str:
    """Name what is not what it was."""
    for condition in conditions:
        if not guard([condition])():
            return f"{type(condition.owner).__name__}{condition.path}"
    return "something that it reads"
