"""Python's bytecode: what a call calls and what an instruction does to the stack.

The model of the stack in `uses` asks it. Nothing is called to find out.
"""

from __future__ import annotations

import builtins
import dis
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from functools import lru_cache
from types import CodeType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from ..core.extraction import MARK
from .observe import MANY, origin_of, origin_of_module, origin_of_name

Callee = Literal["user", "library", "numpy", "harmless", "unknown", "opaque"]
"""What is called. "user": a Python function of the user. "library": of this library. "numpy": of
NumPy. "harmless": made in C, and it reads no attributes. "unknown". "opaque": it may look at
anything."""

UNKNOWN: Final = type("Unknown", (), {"__repr__": lambda self: "unknown"})()
"""Stands for an unknown object."""
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
    """Return the kind of a callable."""
    if x is UNKNOWN:
        return "unknown"
    if type(x) is CodeType:
        return _kind_of_code(x)
    if type(x) is FunctionType:
        return _kind_of_code(x.__code__)
    if type(x) is MethodType:
        return kind_of_callable(x.__func__)
    if id(x) in ALLOWED:
        return "harmless"
    if issubclass(type(x), type):
        return _kind_of_class(x)
    module = getattr(x, "__module__", None)
    if type(x) is np.ufunc or (isinstance(module, str) and _is_of_numpy(module)):
        return "numpy"
    if hasattr(type(x), "__objclass__") or type(x).__module__ == "builtins":
        return _kind_of_builtin(x)
    if origin_of_module(type(x)) == "library":
        return "numpy" if _is_of_numpy(type(x).__module__) else "library"
    return _kind_of_instance(x)


def _kind_of_code(code: CodeType) -> Callee:
    """Return the kind of a function by its code."""
    origin = origin_of(code)
    if origin == "foreign":
        return "opaque"
    if origin == "user":
        return "user"
    return "numpy" if "numpy" in code.co_filename.split("/") else "library"


def _kind_of_class(x: type) -> Callee:
    """Return the kind of a class that is called."""
    origin = origin_of_module(x)
    if origin == "library":
        return "numpy" if _is_of_numpy(x.__module__) else "library"
    bases = [kind for kind in x.__mro__ if id(kind) not in OWNERS]
    known = all(kind is object or origin_of_module(kind) in ("user", "library") for kind in bases)
    plain = type(x) is type and known and origin == "user"
    return "harmless" if plain or issubclass(x, BaseException) else "opaque"


def _kind_of_builtin(x: object) -> Callee:
    """Return the kind of a callable made in C: methods of containers, functions of numbers."""
    owner = getattr(x, "__objclass__", None)
    holder = getattr(x, "__self__", None)
    if getattr(x, "__name__", None) in FORMATTING:
        return "opaque"
    if id(owner) in OWNERS or (holder is not None and id(type(holder)) in OWNERS):
        return "harmless"
    module = getattr(owner, "__module__", None) or type(holder).__module__
    if _is_of_numpy(module) and type(holder) is not np.ndarray:
        return "numpy"
    return "harmless" if holder is math else "opaque"


def _kind_of_instance(x: object) -> Callee:
    """Return the kind of an instance of a user's class that is called."""
    for kind in type(x).__mro__:
        call = vars(kind).get("__call__")
        if call is not None:
            return _kind_of_code(call.__code__) if type(call) is FunctionType else "opaque"
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


def _is_marked(x: object) -> bool:
    """Tell whether a function or class of this library is marked: it reads no elements."""
    kind = type(x)
    if kind is not FunctionType and not issubclass(kind, type):
        return False
    ours = str(x.__module__).partition(".")[0] == "autograd_mini"
    return ours and MARK in vars(x)


def takes_operands(x: object) -> bool:
    """Tell whether a callable takes arrays as operands, and reads no elements otherwise.

    Others may read them, to know a shape or to refuse a value: `np.bincount`, `np.interp`.
    """
    if type(x) is np.ufunc:
        return getattr(np, x.__name__, None) is x
    return id(x) in DIRECT_NUMPY or _is_marked(x) or _is_marked(type(x))


def comes_to_library(entered: Sequence[tuple[str, str]]) -> bool:
    """Tell whether NumPy handed its function over to this library.

    Args:
        entered: the functions that a call began with: whose each is, and its name.
    """
    return any(name in PROTOCOLS for _, name in entered)


def is_plain_call(entered: Sequence[tuple[str, str]], name: str | None) -> bool:
    """Tell whether an unknown callable was a plain Python function.

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


def _is_of_numpy(module: str) -> bool:
    """Tell whether a module belongs to NumPy or SciPy."""
    return module.partition(".")[0] != "autograd_mini" and origin_of_name(module) == "library"


def visible_attribute(owner: Any, name: str) -> object:
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
        return _visible_slot(raw, owner)
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


def _visible_slot(slot: MemberDescriptorType, owner: object) -> object:
    """Return what a slot of an object holds, else `UNKNOWN`."""
    try:
        return slot.__get__(owner)
    except AttributeError:
        return UNKNOWN


def visible_item(owner: Any, key: object) -> object:
    """Return an item of a sequence, else `UNKNOWN`; an array is seen by its references."""
    if type(owner) in (list, tuple) and type(key) is int and -len(owner) <= key < len(owner):
        return UNKNOWN if type(owner[key]) is np.ndarray else owner[key]
    return UNKNOWN


OPAQUE: Final = type("Opaque", (), {"__repr__": lambda self: "opaque"})()
"""Stands for an attribute that code made in C computes: it may look at anything."""


# ── what an instruction does to the stack ─────────────────────────────────────────────────────────
# Instructions of Python 3.11 to 3.13.
DESCRIBING: Final = frozenset({"shape", "dtype", "ndim", "size", "nbytes", "itemsize"})
"""Attributes of an array that do not depend on its elements."""
NOTHING: Final = (
    *("NOP", "RESUME", "PUSH_NULL", "PRECALL", "KW_NAMES", "RETURN_CONST", "COPY", "SWAP"),
    *("LOAD_CONST", "LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_AND_CLEAR", "LOAD_FAST_LOAD_FAST"),
    *("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLOSURE", "JUMP_FORWARD", "JUMP_BACKWARD"),
    *("JUMP_BACKWARD_NO_INTERRUPT", "LOAD_ASSERTION_ERROR", "IMPORT_FROM"),
)
ONE: Final = (
    *("POP_TOP", "UNARY_NEGATIVE", "UNARY_NOT", "UNARY_INVERT", "UNARY_POSITIVE", "TO_BOOL"),
    *("STORE_FAST", "STORE_DEREF", "STORE_GLOBAL", "STORE_NAME", "LOAD_ATTR", "LOAD_METHOD"),
    *("GET_ITER", "FOR_ITER", "RETURN_VALUE", "UNPACK_SEQUENCE", "CALL_INTRINSIC_1", "BEFORE_WITH"),
    *("LIST_APPEND", "LIST_EXTEND", "SET_ADD", "SET_UPDATE", "DICT_UPDATE", "DICT_MERGE"),
    *("FORMAT_SIMPLE", "CONVERT_VALUE", "STORE_FAST_LOAD_FAST", "LIST_TO_TUPLE"),
    *("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"),
)
TWO: Final = (
    *("BINARY_OP", "COMPARE_OP", "IS_OP", "CONTAINS_OP", "BINARY_SUBSCR", "STORE_ATTR"),
    *("IMPORT_NAME", "STORE_FAST_STORE_FAST", "DELETE_SUBSCR", "MAP_ADD", "SET_FUNCTION_ATTRIBUTE"),
)
POPS: Final[dict[str, Callable[[int], int]]] = {
    **dict.fromkeys(NOTHING, lambda n: 0),
    **dict.fromkeys(ONE, lambda n: 1),
    **dict.fromkeys(TWO, lambda n: 2),
    **dict.fromkeys(("STORE_SUBSCR", "BINARY_SLICE", "LOAD_SUPER_ATTR"), lambda n: 3),
    **dict.fromkeys(("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET", "BUILD_STRING"), lambda n: n),
    "BUILD_SLICE": lambda n: n,
    "BUILD_MAP": lambda n: 2 * n,
    "BUILD_CONST_KEY_MAP": lambda n: n + 1,
    "STORE_SLICE": lambda n: 4,
    "CALL": lambda n: n + 2,
    "CALL_KW": lambda n: n + 3,
    "CALL_FUNCTION_EX": lambda n: 3 + (n & 1),
    "FORMAT_VALUE": lambda n: 1 + (n & 4 == 4),
    "MAKE_FUNCTION": lambda n: 1 + (n & 15).bit_count(),
}
"""How many places each instruction takes from the stack; `SWAP` and `COPY` are followed apart."""
QUIET: Final = frozenset(NOTHING) - {"IMPORT_FROM"} | {
    "POP_TOP",
    "STORE_FAST",
    "STORE_DEREF",
    "STORE_FAST_LOAD_FAST",
}
"""Instructions during which no other code runs, except when an object is deleted."""
HARMLESS: Final = QUIET | {"STORE_FAST_STORE_FAST", "IS_OP"}
"""Instructions that may take an array."""
SINGLE: Final = frozenset(
    {"LOAD_ATTR", "BINARY_SUBSCR", "CALL", "CALL_KW", "CALL_FUNCTION_EX", "FOR_ITER", "IMPORT_FROM"}
    | {"LOAD_SUPER_ATTR"}
)
"""Instructions that may push an array from somewhere else."""
RECORDED: Final = frozenset({"BINARY_OP", "COMPARE_OP", "BINARY_SUBSCR"})
CALLS: Final = frozenset({"CALL", "CALL_KW", "CALL_FUNCTION_EX"})
BUILDS: Final = frozenset({"BUILD_TUPLE", "BUILD_LIST", "BUILD_MAP", "BUILD_CONST_KEY_MAP"})
BEFORE: Final = frozenset({"COPY_FREE_VARS", "MAKE_CELL", "RESUME"})
MOVES: Final = frozenset({"SWAP", "COPY"})
JUMPS: Final = frozenset({*dis.hasjrel, *dis.hasjabs})
"""Numbers of the instructions that may jump."""
ALWAYS: Final = frozenset({"JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"})
LEFT_OUT: Final = frozenset({"CACHE", "EXTENDED_ARG"})


class Slot(NamedTuple):
    """What the model knows of a place of the stack.

    Attributes:
        arrays: ids of the watched arrays that it holds.
        alone: whether it is the array, and no container of it.
        value: the object, or `UNKNOWN`.
        name: the attribute from which it was read.
    """

    arrays: tuple[int, ...] = ()
    alone: bool = True
    value: Any = UNKNOWN
    name: str | None = None


EMPTY: Final = Slot()
NULL: Final = Slot(name="NULL")


class Steps(NamedTuple):
    """The instructions of a piece of code, and the place among them of each offset."""

    steps: tuple[dis.Instruction, ...]
    places: dict[int, int]


@lru_cache(MANY)
def steps_of(code: CodeType) -> Steps:
    """Return the instructions of code; one that only prepares the next counts as part of it."""
    steps: list[dis.Instruction] = []
    places = {}
    for step in dis.get_instructions(code):
        places[step.offset] = len(steps)
        if step.opname not in LEFT_OUT:
            steps.append(step)
    return Steps(tuple(steps), places)


def pops_of(step: dis.Instruction) -> int | None:
    """Return how many places an instruction takes from the stack, None if that is not known."""
    if step.opname.startswith("POP_JUMP"):
        return 1
    count = POPS.get(step.opname)
    return None if count is None else count(step.arg or 0)


def effect_of(step: dis.Instruction, jumped: bool, ended: bool) -> int:
    """Return by how much an instruction makes the stack higher.

    Args:
        jumped: whether it jumped.
        ended: whether a loop ended with it, and the iterator is gone.
    """
    if step.opname == "PRECALL":
        return 0
    if step.opname in CALLS:
        return 1 - POPS[step.opname](step.arg or 0)
    if step.opname == "FOR_ITER":
        return -1 if ended else 1
    return dis.stack_effect(step.opcode, step.arg, jump=jumped)


def way_between(code: Steps, place: int, then: int) -> tuple[bool, bool] | None:
    """Tell whether an instruction jumped to another one, and ended a loop; None if impossible."""
    step = code.steps[place]
    if step.opcode not in JUMPS:
        return (False, False) if then == place + 1 else None
    target = code.places[step.argval]
    if step.opname == "FOR_ITER" and then != place + 1:
        cleared = code.steps[target].opname == "END_FOR"
        ended = then > target if cleared else then == target
        return (True, ended) if target <= then <= target + 2 else None
    if then == target:
        return True, False
    return (False, False) if then == place + 1 and step.opname not in ALWAYS else None
