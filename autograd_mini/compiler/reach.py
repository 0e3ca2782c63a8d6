"""What the code that ran can read: everything that its names lead to, as conditions.

The search starts from the global names that the code reads, the cells of its closures, its
arguments and variables, and from the models and optimizers that took part. From each object it goes
on to the attributes whose names stand in the code, and into containers. So every attribute that the
code reads is guarded. The only other way to an object is through something that hides what it
holds, as an iterator does; that is refused.
"""

from __future__ import annotations

import array
import contextvars
import ctypes
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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import Enum
from inspect import getattr_static
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ..core.graph import Graph
from ..core.primitive import Primitive
from ..core.record import Operation
from ..core.tensor import Tensor
from ..random.generator import Generator
from . import observe
from .guards import MISSING, Condition, Kind, content_of, is_plain_value, is_read
from .observe import Observer, attribute_of, names_read_by, origin_of_module

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST: Final = 50_000
"""So many conditions are kept at most."""
WIDE: Final = 64
"""Containers of more items are compared as a whole at each call, not item by item."""
SILENT: Final = (
    *(Primitive, Graph, Operation, np.dtype, np.ufunc, io.IOBase, re.Pattern),
    *(types.CodeType, types.WrapperDescriptorType, types.MethodDescriptorType),
    *(types.ClassMethodDescriptorType, types.MemberDescriptorType, types.GetSetDescriptorType),
    types.GenericAlias,
)
"""Objects that hold nothing that a program would not read as well."""
RANDOM: Final = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
"""Generators whose draws are not recorded."""
CALLED: Final = frozenset({"__call__", "forward", "rule", "coefficients"})
"""Methods of the user that this library calls."""
COLLECTING: Final = frozenset(
    {"parameters", "named_parameters", "modules", "named_modules", "named_tensors", "children"}
    | {"own_tensors", "zero_grad", "train", "eval", "with_parameters", "astype", "requires_grad_"}
    | {"hyperparameters"}
)
"""Methods of a module that go through all of its attributes."""
DESCRIPTORS: Final = (types.MemberDescriptorType, types.GetSetDescriptorType)
WRAPPED: Final = (property, classmethod, staticmethod, functools.cached_property)
UNGUARDED: Final = frozenset({"_frozen", "_predictor"})
"""Attributes of modules that no `forward` reads, or that are looked at as what they tell."""
CACHE: Final = type(functools.lru_cache(len))


class Reach:
    """What can be read from where some code starts.

    observe.Attributes:
        conditions: what must be found again.
        arrays: for the id of an array, or of a tensor that only holds numbers, the conditions that
            lead to it; none where something that cannot change holds it.
        within: ids of arrays that are reached in another way than by a variable or by an attribute
            that only the user's code reads.
        kept: every object that was reached, by id.
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
        self._foreign = False  # whether only foreign code reads the object that is being opened
        self._stack: list[tuple[Any, str, bool]] = []
        self._classes: dict[type, list[tuple[str, Any]]] = {}
        self._methods: set[tuple[type, str]] = set()
        self._asked_modules = set(map(id, self._modules_of_any_names()))
        self._ran = set(observer.codes)
        own, others, texts = set[str](), set[str](), set[str]()
        self._any_own = self._any_others = self._catches = self._asks_super = False
        self._compares = False
        for code, origin in observer.codes.values():
            names = names_read_by(code)
            if origin == "user":
                own |= names.attributes
                texts |= names.texts
                self._any_own |= names.any
                self._catches |= names.catches
                self._compares |= names.compares
                self._asks_super |= "super" in names.globals
            else:
                others |= names.attributes
                self._any_others |= names.any
        self._own, self._texts, self._all = own, texts, own | others

    # ── the way ──────────────────────────────────────────────────────────────────────────────
    def follow(self, roots: Iterable[object]) -> Reach:
        """Search from some objects, and from what the observer saw."""
        for x in roots:
            self._reach_unnamed(x, type(x).__name__)
        for namespace, own, others in self._observer.globals.values():
            for name in sorted(own | others):
                self._note_global(namespace, name, name not in own)
        for code, _ in self._observer.codes.values():
            names = names_read_by(code)
            for name in sorted(names.modules | (names.texts if names.any else set())):
                self._reach_unnamed(sys.modules.get(name), name)
        self._open_all()
        for x in self._observer.objects.values():
            self._reach_unnamed(x, f"a {type(x).__name__}")
        self._open_all()
        for x in self._unmet_functions():
            self._reach_unnamed(x, x.__qualname__)
        self._open_all()
        if "random" in self._names_of_globals() | self._own:
            self._reach_unnamed(np.random.mtrand._rand, "np.random")
            self._open_all()
        return self

    @property
    def is_whole(self) -> bool:
        """Whether everything was looked at."""
        return len(self.conditions) <= LARGEST

    def _modules_of_any_names(self) -> Iterator[types.ModuleType]:
        """Yield modules whose code may read any name, since it computes names."""
        for code, origin in self._observer.codes.values():
            names = names_read_by(code)
            if not names.any or origin != "user":
                continue
            for namespace, own, _ in self._observer.globals.values():
                for name in own & names.globals:
                    if isinstance(namespace.get(name), types.ModuleType):
                        yield namespace[name]
            for name in names.modules | names.texts:
                if name in sys.modules:
                    yield sys.modules[name]
            for x in self._observer.objects.values():
                if isinstance(x, types.ModuleType):
                    yield x

    def _open_all(self) -> None:
        while self._stack and self.is_whole:
            x, label, self._foreign = self._stack.pop()
            self._open(x, label)
        self._foreign = False

    def _reach_unnamed(self, x: object, label: str, foreign: bool | None = None) -> None:
        """Reach an object that something holds without a name."""
        if type(x) is np.ndarray:
            self.within.add(id(x))
        self._reach(x, label, self._foreign if foreign is None else foreign)

    def _reach(self, x: object, label: str, foreign: bool) -> None:
        """Reach an object. Each object is opened once."""
        if id(x) in self.kept or is_plain_value(x):
            return
        self.kept[id(x)] = x
        if is_read(x):
            self.arrays.setdefault(id(x), [])
            if type(x) is np.ndarray and x.dtype.hasobject:
                self._stack.append((tuple(np.ravel(x).tolist()), label, foreign))
        elif isinstance(x, np.ndarray):  # of a class of its own, as a memory map
            self.arrays.setdefault(id(x), [])
            self._add_condition("content", x, None, content_of(x), label, foreign)
        elif type(x) is not Tensor:
            self._stack.append((x, label, foreign))

    def _add_condition(
        self,
        kind: Kind,
        owner: object,
        key: object,
        value: object,
        label: str,
        foreign: bool | None = None,
    ) -> None:
        """Add a condition, and go on to the object that was found.

        Args:
            kind, owner, key, value, label: of the condition.
            foreign: whether only foreign code reads it; by default as for the object being opened.
        """
        foreign = self._foreign if foreign is None else foreign
        condition = Condition(kind, owner, key, value, label, foreign)
        self.conditions.append(condition)
        if kind in ("attribute", "method", "item", "cell", "call"):
            if type(value) is np.ndarray and not self._is_named(kind, owner):
                self.within.add(id(value))
            self._reach(value, label, foreign)
            if is_read(value) and kind != "call":
                self.arrays[id(value)].append(condition)

    def _is_named(self, kind: Kind, owner: object) -> bool:
        """Tell whether a way is a variable, or an attribute of an object with user code only."""
        if kind == "item":
            return type(owner) is dict and "__builtins__" in owner
        if type(owner) is types.SimpleNamespace:
            return kind == "attribute" and not self._compares
        if kind == "attribute":
            kinds = owner.__mro__ if isinstance(owner, type) else type(owner).__mro__
            return all(
                one is object or observe.is_base_of_modules(one) or observe.is_class_of_user(one)
                for one in kinds
            )
        return kind == "cell"

    def _note_global(self, namespace: Mapping[str, object], name: str, foreign: bool) -> None:
        """Note a global name; if it is not there, it is built in."""
        if name in namespace:
            self._add_condition("item", namespace, name, namespace[name], name, foreign)
        elif not foreign:
            self._add_condition("no_item", namespace, name, True, name)

    def _unmet_functions(self) -> list[types.FunctionType]:
        """Find the user's functions with closures that ran and were not reached."""
        functions = [x for x in self.kept.values() if isinstance(x, types.FunctionType)]
        codes = [code for code, _ in self._observer.codes.values()]
        known = {id(x.__code__) for x in functions} | {id(c) for f in codes for c in f.co_consts}
        return [
            x
            for code, origin in self._observer.codes.values()
            if origin == "user" and code.co_freevars and id(code) not in known
            for x in gc.get_referrers(code)
            if isinstance(x, types.FunctionType) and self._has_run(x)
        ]

    def _has_run(self, function: types.FunctionType) -> bool:
        """Tell whether this function ran, and not another function with the same code."""
        cells = tuple(id(observe.value_in(cell)) for cell in function.__closure__ or ())
        return cells in self._observer.outer.get(id(function.__code__), ())

    def _open(self, x: object, label: str) -> None:
        """Note what an object holds."""
        kind = type(x)  # a proxy may say that it is of another class
        if issubclass(kind, SILENT):
            return
        found = next((open_ for kinds, open_ in OPENERS if issubclass(kind, kinds)), None)
        if found is not None:
            found(self, x, label)
        elif kind is np.void:
            self._add_condition("content", x, None, content_of(x), label)
        elif issubclass(kind, random.SystemRandom):  # which has no state that could be compared
            return
        elif issubclass(kind, RANDOM):
            self.random.append((x, label))
        elif hasattr(kind, "__next__"):
            self.hidden += [] if self._foreign else [(x, label)]
        if found is None or (observe.is_made_in_python(kind) and not issubclass(kind, type)):
            self._open_instance(x)

    # ── containers ───────────────────────────────────────────────────────────────────────────
    def _open_mapping(self, x: Mapping[Any, object], label: str) -> None:
        keys, values = tuple(x), observe.MappingValues(x)
        self._add_condition("items", x, None, keys, label)
        if len(keys) > WIDE:
            self._add_condition("items", values, None, tuple(values), label)
        usual = type(x).__getitem__ is dict.__getitem__ and not hasattr(type(x), "__missing__")
        owner = x if usual else observe.MappingItems(x)
        for key, value in zip(keys, tuple(values), strict=True):
            where = f"{label}[{key!r:.40}]"
            self._reach_unnamed(key, where)
            if len(keys) > WIDE:
                self._reach_unnamed(value, where)
            else:
                self._add_condition("item", owner, key, value, where)

    def _open_sequence(self, x: Sequence[object], label: str) -> None:
        if len(x) > WIDE:
            self._open_items(x, label)
            return
        self._add_condition("length", x, None, len(x), label)
        for place, value in enumerate(x):
            self._add_condition("item", x, place, value, f"{label}[{place}]")

    def _open_items(self, x: Collection[object], label: str) -> None:
        self._add_condition("items", x, None, tuple(x), label)
        self._open_parts(x, label)

    def _open_parts(self, x: Iterable[object], label: str) -> None:
        for value in x:
            self._reach_unnamed(value, f"{label}[…]")

    def _open_content(self, x: object, label: str) -> None:
        self._add_condition("content", x, None, content_of(x), label)

    # ── functions and what stands for them ───────────────────────────────────────────────────
    def _open_function(self, x: types.FunctionType, label: str) -> None:
        name = x.__qualname__
        if observe.origin_of_file(x.__code__.co_filename) == "library":
            return
        self._add_condition("attribute", x, "__code__", x.__code__, name)
        for key in ("__defaults__", "__kwdefaults__"):
            self._add_condition("attribute", x, key, getattr(x, key), f"defaults of {name}")
        for key in sorted(vars(x).keys() & (self._all | {"__wrapped__"})):
            self._add_condition("item", vars(x), key, vars(x)[key], f"{name}.{key}")
        for key in sorted(self._asked_names() - vars(x).keys()):
            self._add_condition("no_item", vars(x), key, True, f"{name}.{key}")
        if id(x.__code__) not in self._ran:
            return
        for variable, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
            value = observe.value_in(cell)
            kind: Kind = "empty" if value is MISSING else "cell"
            found = True if value is MISSING else value
            self._add_condition(kind, cell, None, found, f"{variable} of {name}")

    def _open_builtin(self, x: Any, label: str) -> None:
        if x is getattr and not self._any_own:  # under another name
            self._any_own = True
            self._look_again()
        if not isinstance(x.__self__, types.ModuleType | type | None):
            self._reach_unnamed(x.__self__, label)

    def _open_wrapper(self, x: Callable[..., object], label: str) -> None:
        for name in ("__self__", "__func__", "fget", "func", "args", "keywords"):
            self._reach_unnamed(getattr(x, name, None), label)

    def _open_cache(self, x: Any, label: str) -> None:
        """Follow what a cache holds: its entries are other objects when it computed them anew."""
        self._reach_unnamed(x.__wrapped__, label)
        found = gc.get_referents(x)
        results = next((d for d in found if type(d) is dict and d is not vars(x)), {})
        for key in tuple(results):
            args, kwargs = observe.cached_call(key, x.cache_parameters()["typed"])
            read = observe.Cached(results, key, functools.partial(x, *args, **kwargs))
            result = read()
            self._add_condition("call", read, None, result, f"a result of {label}")
            self._reach_unnamed(result, f"{label}(…)")

    def _open_context_variable(self, x: contextvars.ContextVar[object], label: str) -> None:
        read = functools.partial(x.get, None)
        self._add_condition("call", read, None, read(), label)

    def _open_thread_local(self, x: threading.local, label: str) -> None:
        self._open_mapping(observe.Attributes(x), label)

    def _open_getter(self, x: object, label: str) -> None:
        """Take over the names with which a getter was made, and look at everything again."""
        given = [name for name in x.__reduce__()[1] if type(name) is str]
        names = {part for name in given for part in name.split(".")}
        if not names <= self._own:
            self._own |= names
            self._all |= names
            self._look_again()

    def _look_again(self) -> None:
        """Open everything again, since more names may be read."""
        self._classes.clear()
        again = [y for y in self.kept.values() if not is_read(y) and type(y) is not Tensor]
        self._stack += [(y, type(y).__name__, self._foreign) for y in again]

    def _open_generator(self, x: Generator, label: str) -> None:
        """Note the generator of NumPy that draws for ours: its draws are recorded."""
        where = f"{label}.numpy"
        self.conditions.append(Condition("attribute", x, "numpy", x.numpy, where, self._foreign))

    # ── modules, classes and their instances ─────────────────────────────────────────────────
    def _open_module(self, x: types.ModuleType, label: str) -> None:
        namespace = vars(x)
        if observe.origin_of_namespace(namespace) not in ("user", "foreign"):
            return
        certain = id(x) in self._asked_modules
        asked = self._own if "__getattr__" in namespace else self._asked_names()
        for name in sorted(asked - namespace.keys()):
            self._add_condition("no_item", namespace, name, True, f"{x.__name__}.{name}")
        for name in sorted(namespace.keys() & (namespace.keys() if certain else self._all)):
            where, other = f"{x.__name__}.{name}", self._foreign or name not in self._own
            self._add_condition("item", namespace, name, namespace[name], where, other)

    def _open_class(self, x: type, label: str) -> None:
        if origin_of_module(x) != "library" and observe.is_made_in_python(x):
            found = self._class_attributes(x)
            for name, raw in found:
                self._note_class_attribute(x, name, raw, self._foreign)
            if observe.is_made_in_python(type(x)):  # what it has from a class of classes
                self._note_class_of(x, {name: raw for name, raw in found})
            self._note_absent(x, self._asked_names() - {name for name, _ in found})

    def _class_attributes(self, kind: type) -> list[tuple[str, object]]:
        """Return the attributes of a class that may be read, without binding them."""
        found = self._classes.get(kind)
        if found is None:
            attributes: dict[str, Any] = {}
            for one in reversed(kind.__mro__):
                if one is not object:
                    attributes |= {n: x for n, x in vars(one).items() if self._may_be_read(n, x)}
            found = self._classes[kind] = sorted(attributes.items())
        return found

    def _may_be_read(self, name: str, x: object) -> bool:
        """Tell whether the code, or Python itself, may read an attribute of a class."""
        if observe.is_special(name):
            return isinstance(x, types.FunctionType) or name in self._all
        return self._any_own or name in self._all or name in CALLED

    def _is_certain(self, name: str) -> bool:
        """Tell whether the user's code, Python or this library reads a name for certain."""
        return name in self._own or name in CALLED or observe.is_special(name) or self._any_own

    def _asked_names(self) -> set[str]:
        """Return the names whose absence the code may find out, and go on."""
        return self._own if self._catches else self._texts

    def _note_class_attribute(self, x: type, name: str, raw: object, foreign: bool) -> None:
        """Note what a class has under a name."""
        where, other = f"{x.__name__}.{name}", foreign or not self._is_certain(name)
        inner = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
        found = attribute_of(x, name)
        if found is inner:
            self._add_condition("attribute", x, name, inner, where, other)
        elif getattr(found, "__func__", None) is inner:
            self._add_condition("method", x, name, inner, where, other)
        self._reach_unnamed(raw, where, foreign)

    def _open_instance(self, x: object) -> None:
        """Note the attributes of an object that the code may read."""
        kind, own = type(x), observe.instance_attributes(x)
        library = origin_of_module(kind) == "library"
        everything = library or self._reads_all(x)
        if own is not None:
            self._note_own_attributes(x, own, everything)
        if everything or self._any_own:
            self._note_slots(x)
        if library and observe.is_module_or_optimizer(kind):
            self._note_library_calls(x, own or {})
        if observe.is_made_in_python(kind) and not library:
            self._note_class_of(x, own or {})
        elif not library:
            self._note_descriptors(x)
        if library or not observe.is_made_in_python(kind):
            self._note_absent(x, self._asked_names())

    def _note_absent(self, x: object, names: set[str]) -> None:
        """Note the names under which there is nothing yet."""
        for key in sorted(names - (observe.instance_attributes(x) or {}).keys()):
            if attribute_of(x, key) is MISSING:
                self._add_condition("absent", x, key, True, f"{type(x).__name__}.{key}")

    def _note_library_calls(self, x: object, own: Mapping[object, object]) -> None:
        """Note the methods of a layer or optimizer that this library calls: a user may set them."""
        kind = type(x)
        for name in ("forward", "rule"):
            raw, where = getattr(kind, name, None), f"{kind.__name__}.{name}"
            if isinstance(raw, types.FunctionType):
                if (kind, name) not in self._methods:
                    self._methods.add((kind, name))
                    self._add_condition("attribute", kind, name, raw, where)
                if name not in own:
                    self._add_condition("no_item", own, name, True, where)

    def _reads_all(self, x: object) -> bool:
        """Tell whether unobserved code reads all attributes of an object."""
        bases = [kind for kind in type(x).__mro__ if origin_of_module(kind) == "library"]
        if len(bases) == 1 and hasattr(bases[0], "named_tensors"):  # a module of the user's
            return bool(COLLECTING & self._own)
        return bool(bases)

    def _note_own_attributes(
        self, x: object, own: Mapping[object, object], everything: bool
    ) -> None:
        """Note the attributes in an object's dict."""
        name = type(x).__name__
        wanted = vars(type(x)).get("guarded_attributes")
        certain = everything or self._any_own or type(x) is types.SimpleNamespace
        if wanted is None:
            wanted = own if certain or self._any_others else self._all
        unguarded = UNGUARDED if observe.is_module_or_optimizer(type(x)) else ()
        for key in [key for key in own if key in wanted and key not in unguarded]:
            other = self._foreign or not (certain or key in self._own)
            if key == "training" and observe.is_mode(getattr_static(type(x), key, None)):
                continue
            if isinstance(key, str) and attribute_of(x, key) is own[key]:
                self._add_condition("attribute", x, key, own[key], f"{name}.{key}", other)
            else:
                self._add_condition("item", own, key, own[key], f"{name}.{key}", other)
        if certain and not everything:
            self._add_condition("items", own, None, tuple(own), f"the attributes of {name}")

    def _note_class_of(self, x: object, own: Mapping[object, object]) -> None:
        """Note what an object has from its class, and what it lacks."""
        kind = type(x)
        name = kind.__name__
        self._add_condition("attribute", x, "__class__", kind, f"the class of a {name}")
        attributes = self._class_attributes(kind)
        for key, raw in attributes:
            where, other = f"{name}.{key}", self._foreign or not self._is_certain(key)
            if key in own and not hasattr(type(raw), "__set__"):
                continue
            if isinstance(raw, DESCRIPTORS) or observe.is_mode(raw):
                self._note_descriptor(x, key, other)
            elif isinstance(raw, types.FunctionType) and not observe.is_special(key):
                self._add_condition("method", x, key, raw, where, other)
            elif not isinstance(raw, WRAPPED) and attribute_of(x, key) is raw:
                self._add_condition("attribute", x, key, raw, where, other)
            else:
                self._note_class_attribute(kind, key, raw, other)
        for one in kind.__mro__ if self._asks_super else ():
            for key, raw in vars(one).items():
                if one is not object and self._may_be_read(key, raw):
                    where = f"{one.__name__}.{key}"
                    self._add_condition(
                        "item", vars(one), key, raw, where, not self._is_certain(key)
                    )
        for key in sorted({"forward", "rule"} & {k for k, _ in attributes} - own.keys()):
            self._add_condition("no_item", own, key, True, f"{name}.{key}")
        wanted = self._own if hasattr(kind, "__getattr__") else self._asked_names()
        self._note_absent(x, wanted - {key for key, _ in attributes})

    def _names_of_globals(self) -> set[str]:
        return {name for _, own, _ in self._observer.globals.values() for name in own}

    def _note_descriptors(self, x: object) -> None:
        """Note the attributes that a class made in C computes, if their names are read."""
        for key in sorted(self._all):
            if isinstance(getattr(type(x), key, None), DESCRIPTORS):
                self._note_descriptor(x, key, self._foreign or key not in self._own)

    def _note_slots(self, x: object) -> None:
        """Note the slots of an object."""
        wanted = vars(type(x)).get("guarded_attributes")
        for kind in type(x).__mro__:
            for key, raw in tuple(vars(kind).items()):
                if isinstance(raw, types.MemberDescriptorType) and key != "__weakref__":
                    if wanted is not None and key not in wanted:
                        continue
                    self._note_descriptor(x, key)

    def _note_descriptor(self, x: object, key: str, foreign: bool | None = None) -> None:
        """Note a slot, or an attribute that a class made in C computes."""
        value, where = attribute_of(x, key), f"{type(x).__name__}.{key}"
        if value is MISSING:
            self._add_condition("absent", x, key, True, where, foreign)
        elif value is attribute_of(x, key) or is_plain_value(value):
            self._add_condition("attribute", x, key, value, where, foreign)


def _open_by(read: Callable[[Any], object]) -> Callable[[Reach, object, str], None]:
    """Make what opens an object that holds one other object, which `read` returns."""
    return lambda reach, x, label: reach._reach_unnamed(read(x), label)


OPENERS: Final[tuple[tuple[Any, Callable[..., None]], ...]] = (
    ((dict, types.MappingProxyType), Reach._open_mapping),
    (tuple, Reach._open_parts),
    ((list, deque), Reach._open_sequence),
    ((set, frozenset), Reach._open_items),
    ((bytearray, array.array, memoryview, ctypes.Array), Reach._open_content),
    (
        (type({}.keys()), type({}.values()), type({}.items())),
        _open_by(operator.attrgetter("mapping")),
    ),
    (Enum, _open_by(lambda x: x.value)),
    (Generator, Reach._open_generator),
    (types.FunctionType, Reach._open_function),
    ((types.MethodType, functools.partial, *WRAPPED), Reach._open_wrapper),
    ((types.BuiltinFunctionType, types.MethodWrapperType), Reach._open_builtin),
    (CACHE, Reach._open_cache),
    (contextvars.ContextVar, Reach._open_context_variable),
    (threading.local, Reach._open_thread_local),
    (weakref.ref, _open_by(lambda x: x())),
    ((operator.attrgetter, operator.methodcaller), Reach._open_getter),
    (types.ModuleType, Reach._open_module),
    (type, Reach._open_class),
)
"""How each kind of object is opened."""
