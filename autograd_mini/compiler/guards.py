"""Guards: what a function read from outside, and must find again before its program may run.

A condition says where something was read and what was found there. One generated function
compares most of them by identity, in 5 to 25 ns each. If it finds another object, plain numbers and
texts are compared by value. Another array of the same shape and dtype is accepted: programs read
the numbers of arrays at each call. The generated text has our own names only. Names of the user's
attributes go into the syntax tree directly, so no text of the user is evaluated.
"""

from __future__ import annotations

import ast
import keyword
import struct
import threading
import types
import unicodedata
from collections.abc import Callable, Collection, Container, Sequence
from operator import is_
from typing import Any, Final, Literal

import numpy as np

from ..core.arrays import fingerprint
from ..core.tensor import Tensor

IMMUTABLE: Final = (int, float, complex, bool, str, bytes, type(None), type(...))
"""Exact types of values without parts, which never change."""


def is_plain_value(x: Any) -> bool:
    """Tell whether a value consists of numbers and texts only, and can never change."""
    kind = type(x)
    if kind in IMMUTABLE or isinstance(x, np.generic | np.dtype):
        return not isinstance(x, np.void | np.object_)  # a row of a table, which changes with it
    if kind is slice:
        return is_plain_value((x.start, x.stop, x.step))
    return kind is range or (kind in (tuple, frozenset) and all(map(is_plain_value, x)))


def is_identical(x: Any, y: Any) -> bool:
    """Tell whether two values are the same in every respect that a program could see.

    It compares types, the bits of numbers, shape, dtype and elements of arrays, and the order of
    dicts. Arguments of random draws are compared by content, all other objects by identity.

    >>> is_identical(0.0, -0.0), is_identical(float("nan"), float("nan")), is_identical(1, True)
    (False, True, False)
    """
    if x is y:
        return True
    kind = type(x)
    if kind is not type(y):
        return False
    if kind is float:
        return (x != x and y != y) or struct.pack("d", x) == struct.pack("d", y)
    if kind is complex:
        return is_identical(x.real, y.real) and is_identical(x.imag, y.imag)
    if kind in IMMUTABLE or kind is range or isinstance(x, np.dtype):
        return bool(x == y)
    if isinstance(x, np.ndarray | np.generic):
        return x.dtype == y.dtype and x.shape == y.shape and has_same_bits(x, y)
    if kind is slice:
        return is_identical((x.start, x.stop, x.step), (y.start, y.stop, y.step))
    if isinstance(x, tuple | list):
        return len(x) == len(y) and all(map(is_identical, x, y))
    if kind is dict:
        return is_identical([*x.items()], [*y.items()])
    if kind is frozenset:
        return bool(x == y) and sorted(map(_text, x)) == sorted(map(_text, y))
    compare = getattr(kind, "is_identical", None)
    return compare is not None and bool(compare(x, y))


def has_same_bits(x: Any, y: Any) -> bool:
    """Tell whether arrays of one shape and dtype hold the same bits; NaN is equal to NaN only."""
    if x.dtype.kind in "fc":
        equal = (x == y) & (np.signbit(x.real) == np.signbit(y.real))
        if x.dtype.kind == "c":
            equal &= np.signbit(x.imag) == np.signbit(y.imag)
        return bool((equal | ((x != x) & (y != y))).all())
    if x.dtype.hasobject:
        return all(map(is_identical, np.ravel(x).tolist(), np.ravel(y).tolist()))
    return bool((x == y).all())


def _text(x: object) -> str:
    return f"{type(x).__qualname__} {x!r}"


Kind = (
    Literal["attribute", "method", "item", "cell", "call", "length", "items"]
    | Literal["absent", "no_item", "content", "empty"]
)
MISSING: Final = type("Missing", (), {"__repr__": lambda self: "nothing"})()
"""Stands for the absence of an object."""
PARSING: Final = threading.Lock()
"""Python 3.11 counts the depth of the trees that it makes for all threads together."""
FAILURES: Final = (AttributeError, LookupError, TypeError, ValueError, RuntimeError)
"""Errors of reading a place that no longer exists."""
TOGETHER: Final = 100
"""One function has at most this many conditions; more than 256 names would be slower."""
BRIEF: Final = 16_384
"""Up to this many bytes are compared with a copy; more have a fingerprint."""


class Condition:
    """A place that was read, and what was found there.

    Attributes:
        kind: how it is read: an attribute of the owner, the function behind a method, an item,
            what a cell holds, what a call without arguments returns; the number of items, or the
            items themselves in their order; that there is no such attribute or item; or the
            elements of an array.
        owner: the object that was read.
        key: the name of the attribute, or the key of the item.
        value: what was found.
        label: what an error calls it.
        foreign: whether only foreign code reads it, as a module that counts its own calls.
        exact: whether an array or tensor must be the very same object. If not, a program reads its
            numbers at each call, and only its type, shape and dtype must stay.
        same_as: another condition that must lead to the same array, or None.
        content: the elements that an array must have, since plain code may read them; or None.
    """

    __slots__ = ("content", "exact", "foreign", "key", "kind", "label", "owner", "same_as", "value")

    def __init__(
        self,
        kind: Kind,
        owner: object,
        key: object,
        value: object,
        label: str = "",
        foreign: bool = False,
    ) -> None:
        self.kind = kind
        self.owner: Any = owner
        self.key: Any = key
        self.value: Any = value
        self.label = label
        self.foreign = foreign
        self.exact = kind not in ("attribute", "item", "cell") or not is_read(value)
        self.same_as: Condition | None = None
        self.content: bytes | int | None = None

    @property
    def place(self) -> tuple[str, int, object]:
        """A key of the place that is read."""
        return self.kind, id(self.owner), self.key if type(self.key) is str else id(self.key)

    def read(self) -> Any:
        """Return what is there now; `MISSING` if there is nothing."""
        try:
            return READERS[self.kind](self.owner, self.key)
        except FAILURES:
            return MISSING

    def holds(self) -> bool:
        """Tell whether the place now holds what was found, or something as good."""
        return self._holds_but_for_content() and not self.has_new_content()

    def has_new_content(self) -> bool:
        """Tell whether the array that is there has other elements."""
        if self.kind == "content":
            return content_of(self.owner) != self.value
        if self.content is None:
            return False
        now = self.read()
        return is_read(now) and content_of(now) != self.content

    def _holds_but_for_content(self) -> bool:
        if self.kind == "content":
            return True
        now = self.read()
        if not self.exact:
            return self._is_alike(now)
        if self.kind == "items":
            return _holds_same_items(self.owner, self.value)
        return now is self.value or (is_plain_value(self.value) and is_identical(now, self.value))

    def _is_alike(self, now: object) -> bool:
        """Tell whether a program can read the array `now` in place of the recorded one."""
        if not _is_alike(now, self.value):
            return False
        return self.same_as is None or now is self.same_as.read()

    def __repr__(self) -> str:
        return f"Condition({self.kind} {self.label}: {self.value!r:.40})"


def is_read(x: object) -> bool:
    """Tell whether a program reads the numbers of such an object at each call."""
    return type(x) is np.ndarray or (type(x) is Tensor and not x._requires_grad)


def _is_alike(x: Any, y: Any) -> bool:
    """Tell whether a program can read one object in place of another."""
    if type(x) is not type(y) or not is_read(x):
        return False
    return bool(x.shape == y.shape and x.dtype == y.dtype)


def numbers_of(x: object) -> object:
    """Return the array that a program reads."""
    return x._value if type(x) is Tensor else x


def read_attribute(owner: object, name: str) -> Any:
    """Return an attribute without calling a `__getattribute__` of the user."""
    if isinstance(owner, type):
        return getattr(owner, name)
    return object.__getattribute__(owner, name)


def _has_no_attribute(owner: object, name: str) -> object:
    """Return True if there is no such attribute, else `MISSING`."""
    try:
        read_attribute(owner, name)
    except AttributeError:
        return True
    return MISSING


def _is_empty(cell: types.CellType) -> bool:
    """Tell whether a variable of a closure has no value yet."""
    try:
        _ = cell.cell_contents
    except ValueError:
        return True
    return False


def content_of(array: Any, key: object = None) -> bytes | int:
    """Return the bytes of an array or buffer, or a fingerprint, to compare its elements."""
    data = array
    if isinstance(array, np.generic):
        data = np.asarray(array)
    elif not isinstance(array, np.ndarray):
        data = np.asarray(array._value if type(array) is Tensor else memoryview(array).cast("B"))
    data = data.view(np.ndarray)
    return data.tobytes() if data.nbytes <= BRIEF else fingerprint(data)


def _holds_same_items(container: Collection[object], items: Sequence[object]) -> bool:
    """Tell whether a container holds the same objects in the same order; for dicts, the keys."""
    return len(container) == len(items) and all(
        x is y or (is_plain_value(y) and is_identical(x, y))
        for x, y in zip(container, items, strict=True)
    )


READERS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "attribute": read_attribute,
    "method": lambda owner, name: read_attribute(owner, name).__func__,
    "item": lambda owner, key: owner[key],
    "empty": lambda owner, key: _is_empty(owner),
    "cell": lambda owner, key: owner.cell_contents,
    "call": lambda owner, key: owner(),
    "length": lambda owner, key: len(owner),
    "items": lambda owner, key: tuple(owner),
    "absent": _has_no_attribute,
    "no_item": lambda owner, key: True if key not in owner else MISSING,
    "content": content_of,
}


Captured = np.ndarray | Tensor
"""What a program reads the numbers of at each call."""


class Guard:
    """Conditions, and the generated function that looks at all of them at once.

    Attributes:
        conditions: all of them.
        sources: where a program finds the arrays that it reads: conditions, which are among the
            others, or arrays and tensors themselves.
    """

    def __init__(
        self, conditions: Sequence[Condition], sources: Sequence[Condition | Captured] = ()
    ) -> None:
        self.conditions = list(conditions)
        self.sources = list(sources)
        self._bound: dict[str, Any] = {
            "absent": _has_no_attribute,
            "empty": _is_empty,
            "content": content_of,
            "same": _holds_same_items,
            "read": read_attribute,
            "identical": is_identical,
            "is_": is_,
            "ndarray": np.ndarray,
            "Tensor": Tensor,
        }
        self._names: dict[int, str] = {}
        self._attributes: dict[str, str] = {}
        self._functions: list[str] = []
        self._test = self._compile_test()

    def check(self) -> tuple[object, ...] | None:
        """Return the arrays that a program reads if all conditions hold, else None."""
        try:
            found = self._test()
        except FAILURES:
            found = None
        return self._check_by_value() if found is None else found

    def _check_by_value(self) -> tuple[object, ...] | None:
        """Check each condition by value; note equal objects, so that they are known next time."""
        if self.first_failing() is not None:
            return None
        for place, condition in enumerate(self.conditions):
            if condition.kind in ("attribute", "item", "cell") and is_plain_value(condition.value):
                condition.value = self._bound[f"v{place}"] = condition.read()
        return self.read()

    def read(self) -> tuple[object, ...]:
        """Return the arrays that a program reads."""
        return tuple(numbers_of(x) for x in self.objects())

    def objects(self) -> list[Captured]:
        """Return the arrays and tensors that a program reads."""
        return [x.read() if isinstance(x, Condition) else x for x in self.sources]

    def first_failing(self) -> Condition | None:
        """Return the first condition that does not hold."""
        return next((c for c in self.conditions if not c.holds()), None)

    # ── the generated function ───────────────────────────────────────────────────────────────
    def _compile_test(self) -> Callable[[], tuple[object, ...] | None]:
        """Write all conditions as one function."""
        names = {id(x): f"a{place}" for place, x in enumerate(self.sources)}
        places = {id(c): place for place, c in enumerate(self.conditions)}
        lines, results = [], []
        for place, x in enumerate(self.sources):
            text, found = f"a{place}", x
            if isinstance(x, Condition):
                lines.append(f"{text} = {self._write_read(x, places[id(x)])}")
                found = x.value
            else:
                self._bound[text] = x
            results.append(f"{text}._value, " if type(found) is Tensor else f"{text}, ")
        tests: list[str] = []  # of what the program reads
        others: list[str] = []
        whole = _find_whole_lists(self.conditions, names)
        unpacked = {id(item) for items in whole.values() for item in items}
        for place, condition in enumerate(self.conditions):
            if id(condition) in unpacked:
                continue
            if id(condition) in whole:
                items = [self._write_found(x, places[id(x)]) for x in whole[id(condition)]]
                others.append(
                    self._write_same_items(place, self._bind_object(condition.owner), items)
                )
                continue
            source = names.get(id(condition))
            text = source or self._write_read(condition, place)
            chosen = tests if source or condition.same_as else others
            if condition.same_as is not None:
                chosen.append(f"{text} is {names[id(condition.same_as)]}")
                continue
            chosen.append(self._write_test(condition, place, text))
            if condition.content is not None:
                self._bound[f"c{place}"] = condition.content
                chosen.append(f"content({text}) == c{place}")
        parts = [others[i : i + TOGETHER] for i in range(0, len(others), TOGETHER)]
        calls = [f"test_{i}()" for i in range(1, len(parts))]
        tests = [*parts[0], *calls, *tests] if parts else tests
        if tests:
            lines.append(f"if not ({' and '.join(tests)}): return None")
        lines.append(f"return ({''.join(results)})")
        functions = [*self._functions, "def test():", *(f"    {line}" for line in lines)]
        for i, part in enumerate(parts[1:], 1):
            functions += [f"def test_{i}():", f"    return {' and '.join(part)}"]
        with PARSING:
            tree = ast.parse("\n".join(functions))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in self._attributes:
                node.attr = self._attributes[node.attr]
        exec(compile(tree, "<guard>", "exec"), self._bound)  # text and names are our own
        made: Callable[[], tuple[Any, ...] | None] = self._bound["test"]
        return made

    def _bind_object(self, owner: object) -> str:
        """Return the name of an object in the generated function."""
        name = self._names.setdefault(id(owner), f"o{len(self._names)}")
        self._bound[name] = owner
        return name

    def _write_read(self, condition: Condition, place: int) -> str:
        """Write the expression that reads a place."""
        owner, kind = self._bind_object(condition.owner), condition.kind
        if kind == "item" and type(condition.owner) in (list, tuple) and type(condition.key) is int:
            return f"{owner}[{condition.key}]"
        self._bound[f"k{place}"] = condition.key
        if kind in ("attribute", "method"):
            text = f"read({owner}, k{place})"
            if _can_be_read_with_dot(condition):
                self._attributes[f"attribute_{place}"] = condition.key
                text = f"{owner}.attribute_{place}"
            return f"{text}.__func__" if kind == "method" else text
        return {
            "item": f"{owner}[k{place}]",
            "cell": f"{owner}.cell_contents",
            "call": f"{owner}()",
            "length": f"len({owner})",
            "items": owner,
            "absent": f"absent({owner}, k{place})",
            "no_item": f"k{place} not in {owner}",
            "content": f"content({owner})",
            "empty": f"empty({owner})",
        }[kind]

    def _write_test(self, condition: Condition, place: int, text: str) -> str:
        """Write the test of one condition."""
        kind, found = condition.kind, condition.value
        if not condition.exact:
            return self._write_alike(condition, place, text)
        value = self._write_found(condition, place)
        if kind == "items":  # by identity; others that are equal are found by value
            if found and type(condition.owner) in (list, tuple):
                return self._write_same_items(place, text, list(map(self._bind_object, found)))
            value = f"v{place}"
            self._bound[value] = found
            return f"len({text}) == {len(found)} and all(map(is_, {text}, {value}))"
        if kind in ("no_item", "empty"):
            return text
        if kind in ("length", "content"):
            return f"{text} == {value}"
        if kind == "call":
            return f"identical({text}, {value})"
        return f"{text} is {value}"

    def _write_found(self, condition: Condition, place: int) -> str:
        """Write what was found; under its own name if an equal object may replace it later."""
        found = condition.value
        if found is None or found is True or found is False:
            return repr(found)
        if not is_plain_value(found):
            return self._bind_object(found)
        self._bound[f"v{place}"] = found
        return f"v{place}"

    def _write_same_items(self, place: int, text: str, items: Sequence[str]) -> str:
        """Write functions that compare the items of a list, 5 ns each; return their calls."""
        calls = [f"len({text}) == {len(items)}"]
        for first in range(0, len(items), TOGETHER):
            part = items[first : first + TOGETHER]
            names = [f"x{i}" for i in range(len(part))]
            tests = [f"{name} is {item}" for name, item in zip(names, part, strict=True)]
            piece = text if len(part) == len(items) else f"{text}[{first}:{first + len(part)}]"
            self._functions += [
                f"def same_{place}_{first}():",
                f"    {''.join(f'{name}, ' for name in names)} = {piece}",
                f"    return {' and '.join(tests)}",
            ]
            calls.append(f"same_{place}_{first}()")
        return " and ".join(calls[len(calls) == 2 :])  # to unpack all is to count

    def _write_alike(self, condition: Condition, place: int, text: str) -> str:
        """Write the test that a program can read the array or tensor that is there."""
        x = condition.value
        self._bound |= {f"s{place}": x.shape, f"d{place}": x.dtype}
        first, then = (text, text) if text.isidentifier() else (f"(x := {text})", "x")
        test = f"type({first}) is {type(x).__name__}"
        if type(x) is Tensor:
            test += f" and not {then}._requires_grad"
            then = f"{then}._value"
        kind = f"({then}.dtype is d{place} or {then}.dtype == d{place})"
        return f"{test} and {then}.shape == s{place} and {kind}"


def _find_whole_lists(
    conditions: Sequence[Condition], sources: Container[int]
) -> dict[int, list[Condition]]:
    """Find lists and tuples whose items must all be the same, by the id of the length condition.

    Args:
        conditions: of a guard.
        sources: ids of the conditions that lead to arrays which a program reads.
    """
    items: dict[int, dict[Any, Condition]] = {}
    for c in conditions:
        as_it_is = c.exact and c.content is None and c.same_as is None and id(c) not in sources
        if c.kind == "item" and type(c.owner) in (list, tuple) and as_it_is:
            items.setdefault(id(c.owner), {})[c.key] = c
    lengths = (c for c in conditions if c.kind == "length" and id(c.owner) in items)
    found = {id(c): (c.value, items[id(c.owner)]) for c in lengths}
    return {
        key: [known[i] for i in range(length)]
        for key, (length, known) in found.items()
        if len(known) == length and all(i in known for i in range(length))
    }


def _can_be_read_with_dot(condition: Condition) -> bool:
    """Tell whether an attribute can be read with a dot, without calling the user's code."""
    name, owner = condition.key, condition.owner
    if not name.isidentifier() or keyword.iskeyword(name):
        return False
    if unicodedata.normalize("NFKC", name) != name or name.startswith("attribute_"):
        return False
    kind = type(owner)
    get: Any = kind.__getattribute__
    return isinstance(owner, type) or get is object.__getattribute__
