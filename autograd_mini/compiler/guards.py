"""Guards: what a function read from objects, and must find again for its program to hold.

A trace sees operations; it does not see that a layer was looked up in a list, or that a mode was
asked. So models and optimizers say which attributes they have; lists, tuples and dicts among them
are opened. A guard compares identities, in one expression: 25 ns an attribute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ..versions import structure


class Condition(NamedTuple):
    """Where something was read, and what was found there.

    Attributes:
        owner: the object.
        path: from it, as ".layers[0]".
        value: what was there; for `counts`, its length.
        counts: whether it is about the length.
        counted: whether `versions.structure` counts its changes.
    """

    owner: Any
    path: str
    value: Any
    counts: bool = False
    counted: bool = False

    def text(self, owner: str, value: str) -> str:
        """Write the test, with names for owner and value."""
        if self.counts:
            return f"len({owner}{self.path}) == {value}"
        return f"{owner}{self.path} is {value}"


def conditions_of(owner: Any, attributes: Sequence[str]) -> list[Condition]:
    """Return what attributes are now, and what is in containers among them.

    An owner with a true `counts_changes` tells `versions.structure` when an attribute is set.
    """
    counted = getattr(type(owner), "counts_changes", False)
    found: list[Condition] = []
    stack = [(f".{name}", getattr(owner, name)) for name in attributes if name.isidentifier()]
    opened: set[int] = set()
    while stack:
        path, value = stack.pop()
        found.append(Condition(owner, path, value, counted=counted and path[1:].isidentifier()))
        if isinstance(value, dict | list | tuple) and id(value) not in opened:
            opened.add(id(value))
            inner: Iterable[tuple[Any, Any]]
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            if isinstance(value, tuple):  # it stays what it is, but for what is in its lists
                inner = [(i, x) for i, x in inner if isinstance(x, dict | list | tuple)]
            else:
                found.append(Condition(owner, path, len(value), counts=True))
            stack += [(f"{path}[{key!r}]", x) for key, x in inner if isinstance(key, int | str)]
    return found


def guard(conditions: Sequence[Condition]) -> Callable[[], bool]:
    """Make a function that tells whether everything is what it was.

    Attributes of modules are looked at only when one of any module was set since: for a small
    network that is 3 µs less a call, since what is looked at is seldom in the cache.
    """
    known = -1  # what was noted may have changed before this is made
    seldom = test([c for c in conditions if c.counted])
    always = test([c for c in conditions if not c.counted])

    def holds() -> bool:
        nonlocal known
        try:
            if structure.count != known:
                now = structure.count
                if not seldom():
                    return False
                known = now
            return always()
        except (AttributeError, LookupError, TypeError):  # something is not there any more
            return False

    return holds


def test(conditions: Sequence[Condition]) -> Callable[[], bool]:
    """Make a function that looks at all conditions."""
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
    return found


def changed(conditions: Sequence[Condition]) -> str:
    """Name what is not what it was."""
    for condition in conditions:
        if not guard([condition])():
            return f"{type(condition.owner).__name__}{condition.path}"
    return "something that it reads"
