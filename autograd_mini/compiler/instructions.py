"""Python's instructions, as far as a model of the stack must know them; 3.11 to 3.13."""

from __future__ import annotations

import dis
from collections.abc import Callable
from functools import lru_cache
from types import CodeType
from typing import Any, Final, NamedTuple

from .callables import UNKNOWN
from .observe import MANY

DESCRIBING: Final = frozenset({"shape", "dtype", "ndim", "size", "nbytes", "itemsize"})
"""Attributes of an array that tell nothing of its elements."""
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
"""Instructions during which no other code runs, but for that of objects which go."""
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
    """Return the instructions of code; what only prepares one counts as that one."""
    steps: list[dis.Instruction] = []
    places = {}
    for step in dis.get_instructions(code):
        places[step.offset] = len(steps)
        if step.opname not in LEFT_OUT:
            steps.append(step)
    return Steps(tuple(steps), places)


def pops_of(step: dis.Instruction) -> int | None:
    """Return how many places an instruction takes, None for one that is not known."""
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
    """Tell whether an instruction jumped to another, and ended a loop; None if it cannot come."""
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
