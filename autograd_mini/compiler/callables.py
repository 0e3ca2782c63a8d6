"""What a call calls, as far as that can be told without calling it."""

from __future__ import annotations

import builtins
import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from types import CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Final, Literal

import numpy as np

from ..core.extraction import MARK
from .observe import origin_of, origin_of_module, origin_of_name

Callee = Literal["user", "library", "numpy", "harmless", "unknown", "opaque"]
"""A Python function of the user's; something of this library's; a function of NumPy's; something
made in C that does not look at attributes; what is not known; what may look at anything."""

UNKNOWN: Final = type("Unknown", (), {"__repr__": lambda self: "unknown"})()
"""Stands for an object of which nothing is known."""
BUILT_IN: Final = frozenset(
    {"abs", "all", "any", "bool", "callable", "complex", "dict", "divmod", "enumerate", "float"}
    | {"frozenset", "hasattr", "id", "int", "isinstance", "issubclass", "iter", "len"}
    | {"list", "max", "min", "next", "object", "pow", "print", "range", "repr", "reversed", "round"}
    | {"set", "slice", "sorted", "str", "sum", "super", "tuple", "type", "zip"}
)
CONTAINERS: Final = (list, dict, tuple, set, frozenset, deque, OrderedDict, str, int, float)
OWNERS: Final = frozenset(id(kind) for kind in CONTAINERS)
FORMATTING: Final = frozenset({"format", "format_map", "__format__"})
ALLOWED: Final = frozenset(id(vars(builtins)[name]) for name in BUILT_IN)


def kind_of_callable(x: Any) -> Callee:
    """Tell what is called."""
    if x is UNKNOWN:
        return "unknown"
    if type(x) is CodeType:
        return kind_of_code(x)
    if type(x) is FunctionType:
        return kind_of_code(x.__code__)
    if type(x) is MethodType:
        return kind_of_callable(x.__func__)
    if id(x) in ALLOWED:
        return "harmless"
    if issubclass(type(x), type):
        return kind_of_class(x)
    module = getattr(x, "__module__", None)
    if type(x) is np.ufunc or (isinstance(module, str) and is_of_numpy(module)):
        return "numpy"
    if hasattr(type(x), "__objclass__") or type(x).__module__ == "builtins":
        return kind_of_builtin(x)
    if origin_of_module(type(x)) == "library":
        return "numpy" if is_of_numpy(type(x).__module__) else "library"
    return kind_of_instance(x)


def kind_of_code(code: CodeType) -> Callee:
    """Tell whose function it is."""
    origin = origin_of(code)
    if origin == "foreign":
        return "opaque"
    if origin == "user":
        return "user"
    return "numpy" if "numpy" in code.co_filename.split("/") else "library"


def kind_of_class(x: type) -> Callee:
    """Tell what it is to make an instance."""
    origin = origin_of_module(x)
    if origin == "library":
        return "numpy" if is_of_numpy(x.__module__) else "library"
    bases = [kind for kind in x.__mro__ if id(kind) not in OWNERS]
    known = all(kind is object or origin_of_module(kind) in ("user", "library") for kind in bases)
    plain = type(x) is type and known and origin == "user"
    return "harmless" if plain or issubclass(x, BaseException) else "opaque"


def kind_of_builtin(x: Any) -> Callee:
    """Tell about what is made in C: methods of containers, and functions of numbers."""
    owner = getattr(x, "__objclass__", None)
    holder = getattr(x, "__self__", None)
    if getattr(x, "__name__", None) in FORMATTING:
        return "opaque"
    if id(owner) in OWNERS or (holder is not None and id(type(holder)) in OWNERS):
        return "harmless"
    module = getattr(owner, "__module__", None) or type(holder).__module__
    if is_of_numpy(module) and type(holder) is not np.ndarray:
        return "numpy"
    return "harmless" if holder is math else "opaque"


def kind_of_instance(x: Any) -> Callee:
    """Tell what it is to call an instance of a class of the user's."""
    for kind in type(x).__mro__:
        call = vars(kind).get("__call__")
        if call is not None:
            return kind_of_code(call.__code__) if type(call) is FunctionType else "opaque"
    return "opaque"


ENTRIES: Final = frozenset({"__call__", "__array_ufunc__", "__array_function__", "__exit__"})
"""Special methods with which a call that is not known may begin."""
MEASURING: Final = (len, isinstance, np.shape, np.ndim, np.size)
"""Functions that look at no elements of an array."""
PROTOCOLS: Final = frozenset({"__array_ufunc__", "__array_function__"})
"""Methods through which NumPy's functions come to this library."""
JOINING: Final = (np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack)
PRODUCTS: Final = (np.dot, np.inner, np.outer, np.tensordot, np.vdot, np.einsum, np.cross)
DIRECT: Final = frozenset(map(id, (np.where, np.clip, np.select, np.linalg.solve, np.append)))
DIRECT_NUMPY: Final = DIRECT.union(map(id, (*JOINING, *PRODUCTS)))
"""Functions of NumPy's which this library records without looking at the elements itself."""


def is_marked(x: Any) -> bool:
    """Tell a function or class of this library that says that it looks at no elements."""
    kind = type(x)
    if kind is not FunctionType and not issubclass(kind, type):
        return False
    ours = str(x.__module__).partition(".")[0] == "autograd_mini"
    return ours and MARK in vars(x)


def takes_operands(x: Any) -> bool:
    """Tell whether what is called takes arrays as operands, and looks at no elements besides.

    Others may, to know a shape or to refuse a value, as `np.bincount` and `np.interp`.
    """
    if type(x) is np.ufunc:
        return getattr(np, x.__name__, None) is x
    return id(x) in DIRECT_NUMPY or is_marked(x) or is_marked(type(x))


def comes_to_library(entered: Sequence[tuple[str, str]]) -> bool:
    """Tell whether NumPy handed its function over to this library.

    Args:
        entered: the functions that a call began with: whose each is, and its name.
    """
    return any(name in PROTOCOLS for _, name in entered)


def is_plain_call(entered: Sequence[tuple[str, str]], name: str | None) -> bool:
    """Tell whether what was called, if it is not known, is just a function of Python's.

    Args:
        entered: as above.
        name: the attribute from which it was read, if it was one.
    """
    if not entered or entered[0][0] == "foreign":
        return False
    first = entered[0][1]
    if name is not None and name != "NULL":
        return first in (name, "__call__")
    return first in ENTRIES or not first.startswith("__")


def is_of_numpy(module: str) -> bool:
    """Tell the modules of NumPy and SciPy."""
    return module.partition(".")[0] != "autograd_mini" and origin_of_name(module) == "library"


def visible_attribute(owner: Any, name: str) -> Any:
    """Return an attribute that can be told without running code, else `UNKNOWN`.

    Of methods it is the function.
    """
    if owner is UNKNOWN:
        return UNKNOWN
    if issubclass(type(owner), ModuleType):
        return vars(owner).get(name, UNKNOWN)
    kinds = owner.__mro__ if issubclass(type(owner), type) else type(owner).__mro__
    raw = next((vars(kind)[name] for kind in kinds if name in vars(kind)), UNKNOWN)
    if isinstance(raw, property) and type(raw.fget) is not FunctionType:
        return OPAQUE
    get: Any = type(owner).__getattribute__
    if type(get) is FunctionType and not issubclass(type(owner), type):
        return UNKNOWN
    if type(raw) is MemberDescriptorType and not issubclass(type(owner), type):
        return visible_slot(raw, owner)
    if hasattr(type(raw), "__set__"):
        return UNKNOWN
    if not issubclass(type(owner), type):
        try:
            own = object.__getattribute__(owner, "__dict__")
        except AttributeError:
            own = {}
        if type(own) is dict and name in own:
            return own[name]
    if isinstance(raw, staticmethod | classmethod):
        return raw.__func__
    called = type(raw) is FunctionType or hasattr(raw, "__objclass__") or raw is UNKNOWN
    return raw if called or not hasattr(type(raw), "__get__") else UNKNOWN


def visible_slot(slot: MemberDescriptorType, owner: Any) -> Any:
    """Return what is in a slot of an object, else `UNKNOWN`."""
    try:
        return slot.__get__(owner)
    except AttributeError:
        return UNKNOWN


def visible_item(owner: Any, key: Any) -> Any:
    """Return an item of a sequence, else `UNKNOWN`; an array is seen by its references."""
    if type(owner) in (list, tuple) and type(key) is int and -len(owner) <= key < len(owner):
        return UNKNOWN if type(owner[key]) is np.ndarray else owner[key]
    return UNKNOWN


OPAQUE: Final = type("Opaque", (), {"__repr__": lambda self: "opaque"})()
"""Stands for what is read by something made in C, which may look at anything."""
