"""State: save everything that the objects of a layer hold, and restore it at any time.

A check changes parameters in place, in the arrays of the layer, so that every name, view and cache
of them follows. Before each call of `forward` the whole state is restored: running statistics,
caches, counters and random generators. `widen` replaces narrow arrays by double precision.
"""

from __future__ import annotations

import pickle
import random
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

PLAIN = (str, bytes, int, float, complex, type(None), type, ModuleType, np.generic, np.dtype)
"""Values that cannot change, and values that belong to the program rather than the layer."""
CONTAINERS = (list, dict, set, deque, bytearray)
SEQUENCES = (list, tuple, deque, set, frozenset)
WALKED = {"builtins", "collections", "functools", "random", "types"}
"""Standard modules whose objects may be part of a layer; objects of others are tools."""
FUNCTIONS = (MethodType, BuiltinFunctionType, FunctionType)
EMPTY = object()


WIDE = {"e": np.float64, "f": np.float64, "F": np.complex128}
"""The wide dtype for each narrow one, by dtype character."""


@dataclass(frozen=True, slots=True)
class StatePlace:
    """Where a value is held: an attribute of an object, or an item of a container.

    Attributes:
        path: the path from the layer, as written in Python.
        owner: the object, list, dict or tuple.
        key: the attribute name, the key or the index.
        value: the value that was found there.
    """

    path: str
    owner: Any
    key: Any
    value: Any

    def read(self) -> Any:
        """Return the current value; None if there is none."""
        try:
            if isinstance(self.owner, (dict, list, tuple)):
                return self.owner[self.key]
            return getattr(self.owner, self.key)
        except (AttributeError, IndexError, KeyError):
            return None

    def write(self, value: object) -> None:
        """Replace the value."""
        if isinstance(self.owner, (dict, list)):
            self.owner[self.key] = value
        else:
            object.__setattr__(self.owner, self.key, value)


def attributes(owner: object) -> dict[str, object]:
    """Return the attributes that an object holds, including those in `__slots__`."""
    found = dict(getattr(owner, "__dict__", {}))
    for name in _slots_of(type(owner)):
        if (value := getattr(owner, name, EMPTY)) is not EMPTY:
            found[name] = value
    return found


def _slots_of(cls: type) -> list[str]:
    """Return the names of the attributes that instances of a class keep in slots."""
    names: list[str] = []
    for base in cls.__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            names.append(f"_{base.__name__.lstrip('_')}{name}" if private else name)
    return [n for n in names if n not in ("__dict__", "__weakref__")]


def children(owner: object, path: str) -> Iterator[StatePlace]:
    """Yield the places directly inside an object."""
    if isinstance(owner, dict):
        for key, value in owner.items():
            yield StatePlace(f"{path}[{key!r}]", owner, key, value)
    elif isinstance(owner, (*SEQUENCES, np.ndarray)):
        for i, value in enumerate(owner.flat if isinstance(owner, np.ndarray) else owner):
            yield StatePlace(f"{path}[{i}]", owner, i, value)
    elif isinstance(owner, partial):
        for name in ("func", "args", "keywords"):
            yield StatePlace(f"{path}.{name}", owner, name, getattr(owner, name))
    elif isinstance(owner, (MethodType, BuiltinFunctionType)):
        yield StatePlace(path, owner, "__self__", owner.__self__)
    elif isinstance(owner, FunctionType):
        for name in ("__closure__", "__defaults__", "__kwdefaults__"):
            held = getattr(owner, name) or ()
            for value in held.values() if isinstance(held, dict) else held:
                yield StatePlace(f"{path}.{name}", owner, name, value)
    elif isinstance(owner, CellType) and (value := _cell_value(owner)) is not EMPTY:
        yield StatePlace(path, owner, "cell_contents", value)
    if not isinstance(owner, (*FUNCTIONS, CellType, np.ndarray)):
        for name, value in attributes(owner).items():
            yield StatePlace(f"{path}.{name}" if path else name, owner, name, value)


def _cell_value(cell: CellType) -> object:
    """Return the value of a closure variable."""
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return EMPTY


class LayerState:
    """A snapshot of everything that is reachable from an object.

    Attributes:
        places: the place of every value, those near the object first.
        parents: the first place of each object, by the id of the object.
        reached: the ids of all objects found.
        saved: the numbers of each array, by the id of the array.
        path: the name of the object; empty if it needs none.
        draws: whether `restore` also restores the global generators, which takes longest.
    """

    def __init__(self, root: object, path: str = "") -> None:
        self.path = path
        self.saved: dict[int, np.ndarray] = {}
        self.places: list[StatePlace] = []
        self.parents: dict[int, StatePlace] = {}
        self.draws = True
        self._generators = GlobalGenerators()
        self._back: list[Callable[[], None]] = []
        self.reached = {id(root)}
        self._alive: list[Any] = [root]  # keeps ids from being reused
        self._walk(root, path)

    def _walk(self, root: object, path: str) -> None:
        waiting, seen = deque([(root, path)]), self.reached
        while waiting:
            owner, at = waiting.popleft()
            if isinstance(owner, np.ndarray):
                self.saved[id(owner)] = saved = owner.copy()
                self._back.append(_make_array_restorer(owner, saved))
            elif (back := _make_restorer(owner)) is not None:
                self._back.append(back)
            if not _has_children(owner):
                continue
            for place in children(owner, at):
                self.places.append(place)
                value = place.value
                if id(value) in seen or not _is_state(value):
                    continue
                seen.add(id(value))
                self._alive.append(value)
                self.parents[id(value)] = place
                waiting.append((value, place.path))

    def restore(self) -> None:
        """Restore everything: the same objects in their places, with their old contents."""
        if self.draws:
            self._generators.restore()
        for back in self._back:
            back()

    def has_drawn(self) -> bool:
        """Were numbers drawn from the global generators since they were restored?"""
        return self._generators._have_moved()


class GlobalGenerators:
    """The saved states of NumPy's and Python's global generators."""

    def __init__(self) -> None:
        self.numpy, self.python = np.random.get_state(legacy=False), random.getstate()

    def restore(self) -> None:
        """Let both generators draw the same numbers again."""
        np.random.set_state(self.numpy)
        random.setstate(self.python)

    def _have_moved(self) -> bool:
        """Would either generator now draw other numbers?"""
        now = np.random.get_state(legacy=False)
        same = pickle.dumps(now) == pickle.dumps(self.numpy)
        return not same or random.getstate() != self.python


def _is_state(value: object) -> bool:
    """Can a value change, and is it part of the layer rather than a tool?"""
    if isinstance(value, PLAIN):
        return False
    module = type(value).__module__.partition(".")[0]
    return module in WALKED or module not in sys.stdlib_module_names


def _has_children(owner: object) -> bool:
    """May an object contain other objects?"""
    if isinstance(owner, np.ndarray):
        return owner.dtype == object
    return not isinstance(owner, (np.random.Generator, np.random.RandomState, bytearray))


def _make_restorer(owner: object) -> Callable[[], None] | None:
    """Return a function that restores an object; None if nothing can change."""
    if isinstance(owner, np.random.Generator):
        return _make_generator_restorer(owner)
    if isinstance(owner, np.random.RandomState):
        state = owner.get_state(legacy=False)
        return lambda: owner.set_state(state)
    if isinstance(owner, random.Random):
        drawn = owner.getstate()
        return lambda: owner.setstate(drawn)
    if isinstance(owner, CellType):
        return _make_cell_restorer(owner)
    if isinstance(owner, FUNCTIONS):
        return None
    attributes_back = _make_attributes_restorer(owner)
    if not isinstance(owner, CONTAINERS):
        return attributes_back
    items_back = _make_container_restorer(owner)
    if attributes_back is None:
        return items_back

    def back() -> None:
        attributes_back()
        items_back()

    return back


def _make_array_restorer(array: np.ndarray, saved: np.ndarray) -> Callable[[], None]:
    """Return a function that restores the numbers of an array, if it is writable."""

    def back() -> None:
        if array.shape != saved.shape:  # reshaped in place
            array.shape = saved.shape
        if array.flags.writeable:
            np.copyto(array, saved)

    return back


def _make_generator_restorer(generator: np.random.Generator) -> Callable[[], None]:
    """Return a function that lets a generator draw the same numbers again."""
    bits = generator.bit_generator
    state = bits.state

    def back() -> None:
        bits.state = state

    return back


def _make_cell_restorer(cell: CellType) -> Callable[[], None]:
    """Return a function that restores a closure variable."""
    saved = _cell_value(cell)

    def back() -> None:
        if saved is EMPTY:
            if _cell_value(cell) is not EMPTY:
                del cell.cell_contents
        elif _cell_value(cell) is not saved:
            cell.cell_contents = saved

    return back


def _make_container_restorer(owner: Any) -> Callable[[], None]:
    """Return a function that restores the items of a container, in order."""
    saved = owner.copy()
    is_dict = isinstance(owner, dict)
    items = list(saved.items()) if is_dict else list(saved)

    def back() -> None:
        now = list(owner.items()) if is_dict else list(owner)
        if not _same_items(now, items):
            owner.clear()
            (owner.update if isinstance(owner, (dict, set)) else owner.extend)(saved)

    return back


def _same_items(now: list[Any], items: list[Any]) -> bool:
    """Do two lists hold the same objects, or pairs of the same objects?"""
    if len(now) != len(items):
        return False
    for a, b in zip(now, items, strict=True):
        pairs = isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b) == 2
        if not (a is b or (pairs and a[0] is b[0] and a[1] is b[1])):
            return False
    return True


def _make_attributes_restorer(owner: object) -> Callable[[], None] | None:
    """Return a function that restores the attributes of an object; None without any."""
    slots = _slots_of(type(owner))
    bound = getattr(owner, "__dict__", None)
    if not isinstance(bound, dict):
        bound = None
    if bound is None and not slots:
        return None
    dictionary = None if bound is None else _make_container_restorer(bound)
    saved = {name: getattr(owner, name, EMPTY) for name in slots}

    def back() -> None:
        if dictionary is not None:
            dictionary()
        for name, value in saved.items():
            if getattr(owner, name, EMPTY) is value:
                continue
            if value is EMPTY:
                object.__delattr__(owner, name)
            else:
                object.__setattr__(owner, name, value)

    return back


def widen(state: LayerState) -> None:
    """Replace narrow arrays and numbers by copies in double precision, in every place.

    An array stays narrow if it shares memory with another one, or if a place cannot be written.
    `state.restore` puts the narrow arrays back.
    """
    groups: dict[int, list[StatePlace]] = {}
    arrays: dict[int, np.ndarray] = {}
    for place in state.places:
        if isinstance(place.value, np.ndarray):
            arrays[id(place.value)] = place.value
        if is_narrow(place.value):
            groups.setdefault(id(place.value), []).append(place)
    for places in groups.values():
        value = places[0].value
        if all(map(_can_be_written, places)) and _stands_alone(value, arrays):
            wide = widen_value(value)
            for place in places:
                place.write(wide)


def is_narrow(value: object) -> bool:
    """Is a value in less than double precision?"""
    return isinstance(value, (np.ndarray, np.generic)) and value.dtype.char in WIDE


def widen_value(value: np.ndarray | np.generic) -> np.ndarray | np.generic:
    """Convert an array or number to double precision."""
    return value.astype(WIDE[value.dtype.char]) if is_narrow(value) else value


def _can_be_written(place: StatePlace) -> bool:
    """Can the value in a place be replaced?"""
    if isinstance(place.owner, (dict, list)):
        return True
    usual = isinstance(place.key, str) and not isinstance(place.owner, FUNCTIONS)
    return usual and hasattr(place.owner, place.key)


def _stands_alone(value: np.ndarray, arrays: dict[int, np.ndarray]) -> bool:
    """Does no other array share this memory?"""
    if not isinstance(value, np.ndarray):
        return True
    return not any(np.may_share_memory(value, a) for i, a in arrays.items() if i != id(value))
