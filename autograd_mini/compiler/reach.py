"""What the code that ran can read: everything that its names lead to, as conditions.

It starts from the global names that the code reads, the cells of its closures, the arguments and
variables that it had, and from the models and optimizers that took part. From each object it goes
on along the attributes whose names stand in the code, and into containers. So an attribute is
guarded wherever it is read: the code has no other way to an object, but through something that
hides what it holds, as an iterator. That is refused.
"""

from __future__ import annotations

import array
import contextvars
import functools
import gc
import io
import operator
import random
import re
import sys
import threading
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, Final

import numpy as np

from ..graph import Graph
from ..nn.mode import Mode
from ..nn.module import Module
from ..operation import Operation
from ..primitives import Primitive
from ..random.generator import Generator
from ..tensors import Tensor
from .guards import MISSING, Condition, Kind, content_of, is_read, read_attribute
from .identical import is_plain
from .observe import Observer, names_of, origin_of_file, origin_of_module

LARGEST: Final = 50_000
"""So many conditions are kept at most."""
WIDE: Final = 64
"""Containers of more items are compared as a whole at each call, not item by item."""
SILENT: Final = (
    *(Primitive, Graph, Operation, Generator, Enum, np.dtype, np.ufunc, io.IOBase, re.Pattern),
    *(types.CodeType, types.WrapperDescriptorType, types.MethodDescriptorType),
    *(types.ClassMethodDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType),
    *(types.MethodWrapperType, types.GenericAlias),
)
"""Objects that hold nothing that a program would not read as well."""
RANDOM: Final = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
"""Generators whose draws are not recorded."""
SPECIAL: Final = frozenset(
    {"__call__", "__getitem__", "__getattr__", "__getattribute__", "__iter__", "__len__"}
    | {"__contains__", "__bool__", "__enter__", "__exit__", "__eq__", "__init__", "__new__"}
    | {"__add__", "__radd__", "__mul__", "__rmul__", "__sub__", "__rsub__", "__matmul__"}
    | {"__rmatmul__", "__truediv__", "__rtruediv__", "__pow__", "__neg__", "__float__", "__int__"}
    | {"__index__", "__get__", "__array__", "__missing__", "__hash__"}
)
"""Methods that are called without their name being written."""
COLLECTING: Final = frozenset(
    {"parameters", "named_parameters", "modules", "named_modules", "named_tensors", "children"}
    | {"own_tensors", "zero_grad", "train", "eval", "with_parameters", "astype", "requires_grad_"}
    | {"hyperparameters"}
)
"""Methods of a module that go through all of its attributes."""
DESCRIPTORS: Final = (types.MemberDescriptorType, types.GetSetDescriptorType)
WRAPPED: Final = (property, classmethod, staticmethod, functools.cached_property)
UNGUARDED: Final = frozenset({"_frozen", "_predictor", "training"})
"""Attributes of modules that no `forward` reads, or that are looked at as what they tell."""
CACHE: Final = type(functools.lru_cache(len))


class Reach:
    """What can be read from where some code starts.

    Attributes:
        conditions: what must be found again.
        arrays: for the id of an array, or of a tensor that only holds numbers, the conditions that
            lead to it; none where something that cannot change holds it.
        within: ids of arrays to which another way leads than a variable, or an attribute that only
            the user's code reads.
        kept: every object that was met, by id.
        random: generators of random numbers that are not recorded, with their labels.
        hidden: what hides its state, with its label.
    """

    def __init__(self, observer: Observer) -> None:
        self.conditions: list[Condition] = []
        self.arrays: dict[int, list[Condition]] = {}
        self.within: set[int] = set()
        self.kept: dict[int, Any] = {}
        self.random: list[tuple[Any, str]] = []
        self.hidden: list[tuple[Any, str]] = []
        self._observer = observer
        self._stack: list[tuple[Any, str, bool]] = []
        self._classes: dict[type, list[tuple[str, Any]]] = {}
        self._ran = set(observer.codes)
        own, others, texts = set[str](), set[str](), set[str]()
        self._any_own = self._any_others = False
        for code, origin in observer.codes.values():
            names = names_of(code)
            if origin == "user":
                own |= names.attributes
                texts |= names.texts
                self._any_own |= names.any
            else:
                others |= names.attributes
                self._any_others |= names.any
        self._own, self._texts, self._all = own, texts, own | others

    # ── the way ──────────────────────────────────────────────────────────────────────────────
    def follow(self, roots: Iterable[Any]) -> Reach:
        """Go wherever the code can go, from some objects and from what the observer saw."""
        for x in roots:
            self._go(x, type(x).__name__)
        for namespace, own, others in self._observer.globals.values():
            for name in sorted(own | others):
                self._global(namespace, name, name not in own)
        for code, _ in self._observer.codes.values():
            for name in sorted(names_of(code).modules):
                self._go(sys.modules.get(name), name)
        self._open_all()
        for x in self._observer.objects.values():
            self._go(x, f"a {type(x).__name__}")
        self._open_all()
        for x in self._unmet_functions():
            self._go(x, x.__qualname__)
        self._open_all()
        return self

    @property
    def is_whole(self) -> bool:
        """Whether everything was looked at."""
        return len(self.conditions) <= LARGEST

    def _open_all(self) -> None:
        while self._stack and self.is_whole:
            self._open(*self._stack.pop())

    def _go(self, x: Any, label: str, foreign: bool = False) -> None:
        """Come to an object that something holds without a name for it."""
        if type(x) is np.ndarray:
            self.within.add(id(x))
        self._come_to(x, label, foreign)

    def _come_to(self, x: Any, label: str, foreign: bool) -> None:
        """Come to an object; it is opened once."""
        if id(x) in self.kept or is_plain(x):
            return
        self.kept[id(x)] = x
        if is_read(x):
            self.arrays.setdefault(id(x), [])
        elif type(x) is not Tensor:
            self._stack.append((x, label, foreign))

    def _note(
        self, kind: Kind, owner: Any, key: Any, value: Any, label: str, foreign: bool = False
    ) -> None:
        """Note a condition, and go on to what was found."""
        condition = Condition(kind, owner, key, value, label, foreign)
        self.conditions.append(condition)
        if kind in ("attribute", "method", "item", "cell", "call"):
            if type(value) is np.ndarray and not is_named(kind, owner, key):
                self.within.add(id(value))
            self._come_to(value, label, foreign)
            if is_read(value) and kind != "call":
                self.arrays[id(value)].append(condition)

    def _global(self, namespace: dict[str, Any], name: str, foreign: bool) -> None:
        """Come to a global name; what is not there is built in."""
        if name in namespace:
            self._note("item", namespace, name, namespace[name], name, foreign)
        elif not foreign:
            self._note("no_item", namespace, name, True, name)

    def _unmet_functions(self) -> list[Any]:
        """Find functions of the user's that ran, have closures, and were not met on the way."""
        functions = [x for x in self.kept.values() if isinstance(x, types.FunctionType)]
        codes = [code for code, _ in self._observer.codes.values()]
        known = {id(x.__code__) for x in functions} | {id(c) for f in codes for c in f.co_consts}
        return [
            x
            for code, origin in self._observer.codes.values()
            if origin == "user" and code.co_freevars and id(code) not in known
            for x in gc.get_referrers(code)
            if isinstance(x, types.FunctionType)
        ]

    def _open(self, x: Any, label: str, foreign: bool) -> None:
        """Note what an object holds."""
        if isinstance(x, SILENT):
            return
        found = next((open_ for kinds, open_ in OPENERS if isinstance(x, kinds)), None)
        if found is not None:
            found(self, x, label, foreign)
        elif isinstance(x, RANDOM):
            self.random.append((x, label))
        elif hasattr(type(x), "__next__"):
            self.hidden += [] if foreign else [(x, label)]
        if found is None or (is_made_in_python(type(x)) and not isinstance(x, type)):
            self._instance(x, foreign)

    # ── containers ───────────────────────────────────────────────────────────────────────────
    def _mapping(self, x: Mapping[Any, Any], label: str, foreign: bool) -> None:
        self._note("items", x, None, tuple(x), label, foreign)
        if len(x) > WIDE:
            self._note("items", Values(x), None, tuple(Values(x)), label, foreign)
        owner = x if type(x).__getitem__ is dict.__getitem__ else Items(x)
        for key, value in zip(tuple(x), tuple(Values(x)), strict=True):
            where = f"{label}[{key!r:.40}]"
            self._go(key, where, foreign)
            if len(x) > WIDE:
                self._go(value, where, foreign)
            else:
                self._note("item", owner, key, value, where, foreign)

    def _sequence(self, x: Any, label: str, foreign: bool) -> None:
        if len(x) > WIDE:
            self._items(x, label, foreign)
            return
        self._note("length", x, None, len(x), label, foreign)
        for place, value in enumerate(x):
            self._note("item", x, place, value, f"{label}[{place}]", foreign)

    def _items(self, x: Any, label: str, foreign: bool) -> None:
        self._note("items", x, None, tuple(x), label, foreign)
        self._parts(x, label, foreign)

    def _parts(self, x: Iterable[Any], label: str, foreign: bool) -> None:
        for value in x:
            self._go(value, f"{label}[…]", foreign)

    def _buffer(self, x: Any, label: str, foreign: bool) -> None:
        self._note("content", x, None, content_of(x), label, foreign)

    # ── functions and what stands for them ───────────────────────────────────────────────────
    def _function(self, x: types.FunctionType, label: str, foreign: bool) -> None:
        name = x.__qualname__
        self._note("attribute", x, "__code__", x.__code__, name, foreign)
        self._note("attribute", x, "__defaults__", x.__defaults__, f"defaults of {name}", foreign)
        self._note(
            "attribute", x, "__kwdefaults__", x.__kwdefaults__, f"defaults of {name}", foreign
        )
        for key in sorted(vars(x).keys() & (self._all | {"__wrapped__"})):
            self._note("item", vars(x), key, vars(x)[key], f"{name}.{key}", foreign)
        if id(x.__code__) not in self._ran:
            return
        for variable, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # nothing is in it yet
                continue
            self._note("cell", cell, None, value, f"{variable} of {name}", foreign)

    def _builtin(self, x: Any, label: str, foreign: bool) -> None:
        if not isinstance(x.__self__, types.ModuleType | type | None):
            self._go(x.__self__, label, foreign)

    def _wrapper(self, x: Any, label: str, foreign: bool) -> None:
        for name in ("__self__", "__func__", "fget", "func", "args", "keywords"):
            self._go(getattr(x, name, None), label, foreign)

    def _cache(self, x: Any, label: str, foreign: bool) -> None:
        """Follow what a cache holds: its entries are other objects when it computed them anew."""
        self._go(x.__wrapped__, label, foreign)
        found = gc.get_referents(x)
        results = next((d for d in found if type(d) is dict and d is not vars(x)), {})
        for key in tuple(results):
            self._note("item", results, key, results[key], f"a result of {label}", foreign)
            args, kwargs = call_of(key, x.cache_parameters()["typed"])
            self._go(x(*args, **kwargs), f"{label}(…)", foreign)

    def _context_variable(self, x: contextvars.ContextVar[Any], label: str, foreign: bool) -> None:
        read = functools.partial(x.get, None)
        self._note("call", read, None, read(), label, foreign)

    def _thread_local(self, x: threading.local, label: str, foreign: bool) -> None:
        self._mapping(Attributes(x), label, foreign)

    def _reference(self, x: weakref.ref[Any], label: str, foreign: bool) -> None:
        self._go(x(), label, foreign)

    def _getter(self, x: Any, label: str, foreign: bool) -> None:
        """Take over the names with which a getter was made, and look at everything again."""
        given = [name for name in x.__reduce__()[1] if type(name) is str]
        names = {part for name in given for part in name.split(".")}
        if not names <= self._own:
            self._own |= names
            self._all |= names
            self._classes.clear()
            again = [y for y in self.kept.values() if not is_read(y) and type(y) is not Tensor]
            self._stack += [(y, type(y).__name__, foreign) for y in again]

    # ── modules, classes and their instances ─────────────────────────────────────────────────
    def _module(self, x: types.ModuleType, label: str, foreign: bool) -> None:
        namespace = vars(x)
        if origin_of_namespace(namespace) not in ("user", "foreign"):
            return
        for name in sorted(namespace.keys() & self._all):
            where, other = f"{x.__name__}.{name}", foreign or name not in self._own
            self._note("item", namespace, name, namespace[name], where, other)

    def _class(self, x: type, label: str, foreign: bool) -> None:
        if origin_of_module(x) != "library" and is_made_in_python(x):
            for name, raw in self._attributes(x):
                self._class_attribute(x, name, raw, foreign)

    def _attributes(self, kind: type) -> list[tuple[str, Any]]:
        """Return what a class has under the names that are read, as it stands there."""
        found = self._classes.get(kind)
        if found is None:
            attributes: dict[str, Any] = {}
            for one in reversed(kind.__mro__):
                if one is not object:
                    attributes |= {
                        n: vars(one)[n] for n in vars(one).keys() & (self._all | SPECIAL)
                    }
            found = self._classes[kind] = sorted(attributes.items())
        return found

    def _class_attribute(self, x: type, name: str, raw: Any, foreign: bool) -> None:
        """Note what a class has under a name."""
        where, other = f"{x.__name__}.{name}", foreign or name not in self._own | SPECIAL
        inner = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
        found = attribute_of(x, name)
        if found is inner:
            self._note("attribute", x, name, inner, where, other)
        elif getattr(found, "__func__", None) is inner:
            self._note("method", x, name, inner, where, other)
        self._go(raw, where, foreign)

    def _instance(self, x: Any, foreign: bool) -> None:
        """Note the attributes of an object that the code may read."""
        kind, own = type(x), instance_attributes(x)
        library = origin_of_module(kind) == "library"
        everything = library or self._reads_all(x)
        if own is not None:
            self._own_attributes(x, own, everything, foreign)
        if everything:
            self._slots(x, foreign)
        if is_made_in_python(kind) and not library:
            self._through_class(x, own or {}, foreign)
        elif not library:
            self._told_by_class(x, foreign)

    def _reads_all(self, x: Any) -> bool:
        """Tell whether code that was not observed goes through all attributes of an object."""
        bases = [kind for kind in type(x).__mro__ if origin_of_module(kind) == "library"]
        if len(bases) == 1 and hasattr(bases[0], "named_tensors"):  # a module of the user's
            return bool(COLLECTING & self._own)
        return bool(bases)

    def _own_attributes(self, x: Any, own: dict[Any, Any], everything: bool, foreign: bool) -> None:
        """Note the attributes in an object's dict."""
        name = type(x).__name__
        wanted = vars(type(x)).get("guarded_attributes")
        certain = everything or self._any_own
        if wanted is None:
            wanted = own if certain or self._any_others else self._all
        for key in [key for key in own if key in wanted and key not in UNGUARDED]:
            other = foreign or not (certain or key in self._own)
            if isinstance(key, str) and attribute_of(x, key) is own[key]:
                self._note("attribute", x, key, own[key], f"{name}.{key}", other)
            else:
                self._note("item", own, key, own[key], f"{name}.{key}", other)
        if self._any_own and not everything:
            self._note("items", own, None, tuple(own), f"the attributes of {name}")

    def _through_class(self, x: Any, own: dict[Any, Any], foreign: bool) -> None:
        """Note what an object has from its class, and what it lacks."""
        kind = type(x)
        name = kind.__name__
        self._note("attribute", x, "__class__", kind, f"the class of a {name}", foreign)
        attributes = self._attributes(kind)
        for key, raw in attributes:
            where, other = f"{name}.{key}", foreign or key not in self._own | SPECIAL
            if key in own and not hasattr(type(raw), "__set__"):
                continue
            if isinstance(raw, DESCRIPTORS) or type(raw) is Mode:
                self._described(x, key, other)
            elif isinstance(raw, types.FunctionType) and key not in SPECIAL:
                self._note("method", x, key, raw, where, other)
            elif not isinstance(raw, WRAPPED) and attribute_of(x, key) is raw:
                self._note("attribute", x, key, raw, where, other)
            else:
                self._class_attribute(kind, key, raw, other)
        wanted = self._own if "AttributeError" in self._names_of_globals() else self._texts
        for key in sorted(wanted - own.keys() - {key for key, _ in attributes}):
            if attribute_of(x, key) is MISSING:
                self._note("absent", x, key, True, f"{name}.{key}", foreign)

    def _names_of_globals(self) -> set[str]:
        return {name for _, own, _ in self._observer.globals.values() for name in own}

    def _told_by_class(self, x: Any, foreign: bool) -> None:
        """Note what an object of a class made in C tells under the names that are read."""
        for key in sorted(self._all):
            if isinstance(getattr(type(x), key, None), DESCRIPTORS):
                self._described(x, key, foreign or key not in self._own)

    def _slots(self, x: Any, foreign: bool) -> None:
        """Note the slots of an object."""
        wanted = vars(type(x)).get("guarded_attributes")
        for kind in type(x).__mro__:
            for key, raw in tuple(vars(kind).items()):
                if isinstance(raw, types.MemberDescriptorType) and key != "__weakref__":
                    if wanted is not None and key not in wanted:
                        continue
                    self._described(x, key, foreign)

    def _described(self, x: Any, key: str, foreign: bool) -> None:
        """Note a slot, or what a class made in C tells under a name."""
        value, where = attribute_of(x, key), f"{type(x).__name__}.{key}"
        if value is MISSING:
            self._note("absent", x, key, True, where, foreign)
        elif value is attribute_of(x, key) or is_plain(value):
            self._note("attribute", x, key, value, where, foreign)


class Values:
    """The values of a mapping, as a container that is looked at anew each time."""

    def __init__(self, of: Mapping[Any, Any]) -> None:
        self._of = of

    def __len__(self) -> int:
        return len(self._of)

    def __iter__(self) -> Iterator[Any]:
        return iter(dict.values(self._of) if isinstance(self._of, dict) else self._of.values())


class Items:
    """The items of a mapping whose class does more at `[key]`."""

    def __init__(self, of: Mapping[Any, Any]) -> None:
        self._of = of

    def __getitem__(self, key: Any) -> Any:
        return dict.__getitem__(self._of, key) if isinstance(self._of, dict) else self._of[key]


class Attributes(Mapping[str, Any]):
    """The attributes that an object has for the thread that asks."""

    def __init__(self, of: Any) -> None:
        self._of = of

    def __getitem__(self, key: str) -> Any:
        return self._of.__dict__[key]

    def __len__(self) -> int:
        return len(self._of.__dict__)

    def __iter__(self) -> Iterator[str]:
        return iter(self._of.__dict__)


def is_named(kind: Kind, owner: Any, key: Any) -> bool:
    """Tell a variable, or an attribute of an object all of whose code is the user's."""
    if kind == "item":
        return type(owner) is dict and "__builtins__" in owner
    if kind == "attribute":
        kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
        return all(
            one is object or one is Module or origin_of_module(one) == "user" for one in kinds
        )
    return kind == "cell"


def call_of(key: Any, typed: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the call that a cache has under a key."""
    parts = key if isinstance(key, tuple | list) else (key,)
    mark = next((place for place, x in enumerate(parts) if type(x) is object), None)
    if mark is None:
        return tuple(parts[: len(parts) // 2] if typed else parts), {}
    last = mark + 1 + 2 * ((len(parts) - 2 * mark - 1) // 3) if typed else len(parts)
    return tuple(parts[:mark]), dict(
        zip(parts[mark + 1 : last : 2], parts[mark + 2 : last : 2], strict=True)
    )


def is_made_in_python(kind: type) -> bool:
    """Tell a class that a `class` statement made: it is on the heap, and can be changed."""
    return kind.__flags__ & (1 << 9 | 1 << 8) == 1 << 9 and kind.__module__ not in OWN_MODULES


OWN_MODULES: Final = frozenset({"builtins", "functools", "collections", "operator", "array"})
"""Modules whose classes are opened as the containers that they are."""


def instance_attributes(x: Any) -> dict[Any, Any] | None:
    """Return the dict of an object's own attributes, or None."""
    try:
        found = object.__getattribute__(x, "__dict__")
    except AttributeError:
        return None
    return found if type(found) is dict else None


def attribute_of(x: Any, name: str) -> Any:
    """Return an attribute, without asking a `__getattr__`; `MISSING` if there is none."""
    try:
        return read_attribute(x, name)
    except Exception:
        return MISSING


def origin_of_namespace(namespace: dict[str, Any]) -> str | None:
    """Return whose module a namespace belongs to; None for one of the interpreter's."""
    name, file = str(namespace.get("__name__", "")), namespace.get("__file__")
    if name.partition(".")[0] == "autograd_mini":
        return "library"
    if isinstance(file, str):
        return origin_of_file(file)
    return "user" if name == "__main__" or namespace.get("__spec__") is None else None


OPENERS: Final[tuple[tuple[Any, Callable[..., None]], ...]] = (
    ((dict, types.MappingProxyType), Reach._mapping),
    (tuple, Reach._parts),
    ((list, deque), Reach._sequence),
    ((set, frozenset), Reach._items),
    ((bytearray, array.array, memoryview), Reach._buffer),
    (types.FunctionType, Reach._function),
    ((types.MethodType, functools.partial, *WRAPPED), Reach._wrapper),
    (types.BuiltinFunctionType, Reach._builtin),
    (CACHE, Reach._cache),
    (contextvars.ContextVar, Reach._context_variable),
    (threading.local, Reach._thread_local),
    (weakref.ref, Reach._reference),
    ((operator.attrgetter, operator.methodcaller), Reach._getter),
    (types.ModuleType, Reach._module),
    (type, Reach._class),
)
"""How each kind of object is opened."""
