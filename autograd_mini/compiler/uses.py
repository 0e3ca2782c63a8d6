"""Which arrays a call uses as operands of recorded operations only, and not by plain code as well.

The interpreter reports each instruction of the user's code. Beside it runs a model of its stack,
which knows where the arrays lie: variables tell which object they are, and what else pushes an
array leaves it with one more reference. What takes an array from the stack must record an operation
with it, or be harmless, or hand it to a function of the user's that is looked at in turn. Whatever
the model does not know makes the answer "not proven": for one array, or for all of them.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, Final, TypeVar

from .observe import MANY, is_called_by_library, is_standard, names_of, origin_of
from .stack import Stack

Result = TypeVar("Result")

SUPPORTED: Final = (3, 11) <= sys.version_info < (3, 14)
SUSPENDED: Final = 0x20 | 0x80 | 0x100 | 0x200
"""Flags of the code of generators and coroutines."""
FUNCTION: Final = 0x1
"""Flag of the code of functions; Python 3.12 does not keep apart the variables of others."""
REVEALING: Final = frozenset(
    {"format", "format_map", "dump", "dumps", "settrace", "setprofile", "_getframe", "gc", "ctypes"}
    | {"cell_contents", "__closure__", "attrgetter", "methodcaller", "f_locals", "__reduce_ex__"}
    | {"__getstate__", "__reduce__", "start_new_thread", "__getattribute__", "__array_interface__"}
    | {"pickle", "marshal", "copy_context", "__defaults__", "__kwdefaults__", "setswitchinterval"}
)
"""Code that names one of these may come to an array without that being seen."""
MOST: Final = 10_000
"""So many instructions are followed; each takes about 10 µs."""
NESTED: Final = 3
"""So deep containers are searched for arrays."""
WIDEST: Final = 64
"""So many items they may have."""


@lru_cache(MANY)
def cannot_be_followed(code: CodeType) -> bool:
    """Tell whether code cannot be followed: it names what it reads in no way, or is no function."""
    if not code.co_flags & FUNCTION or code.co_flags & SUSPENDED:
        return True
    names = names_of(code)
    seen = names.attributes | names.globals | names.modules
    return names.any or not REVEALING.isdisjoint(seen)


def helps_library(frame: FrameType) -> bool:
    """Tell the standard library's code that runs for this library, as when a line is looked up."""
    return is_standard(frame.f_code) and is_called_by_library(frame)


class Watch:
    """What is known of the arrays while a call runs.

    Attributes:
        arrays: the arrays by id.
        proven: ids of those that nothing speaks against.
        frames: the frames of the user's that run, the innermost last.
        names: the attributes in which the arrays are.
    """

    def __init__(
        self, arrays: Sequence[Any], uses: Mapping[int, int], names: Collection[str]
    ) -> None:
        self.arrays = {id(x): x for x in arrays}
        self.proven = set(self.arrays)
        self.frames: list[Stack] = []
        self.names = frozenset(names)
        self._uses = uses
        self._left = MOST

    def give_up(self) -> None:
        """Take note of something that the model does not know."""
        self.proven.clear()

    def count(self) -> None:
        """Count an instruction; give up after very many, which take too long."""
        self._left -= 1
        if not self._left:
            self.give_up()

    def operand_counts(self) -> dict[int, int]:
        """Return how often each array has been an operand."""
        return {key: self._uses.get(key, 0) for key in self.arrays}

    def reference_counts(self) -> list[int]:
        """Return how many references there are to each array."""
        return list(map(sys.getrefcount, self.arrays.values()))

    def arrays_inside(self, x: Any, depth: int = NESTED) -> set[int]:
        """Return the ids of arrays that a small container holds, as one of arguments."""
        if type(x) not in (list, tuple, dict) or not depth or len(x) > WIDEST:
            return set()
        parts = x.values() if type(x) is dict else x
        found = {id(part) for part in parts if id(part) in self.arrays}
        return found.union(*(self.arrays_inside(part, depth - 1) for part in parts))

    def see_call(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Take note of a function that begins; follow one of the user's."""
        try:
            return self._follow(frame) if event == "call" and self.proven else None
        except Exception:  # what is not known must not stop the user's code
            self.give_up()
        return None

    def _follow(self, frame: FrameType) -> Any:
        """Look at each instruction of a function of the user's that begins."""
        code = frame.f_code
        origin = origin_of(code)
        caller = self.frames[-1] if self.frames else None
        if caller is not None and frame.f_back is caller.frame:
            caller.entered.append((origin, code.co_name))
        if origin != "user" or cannot_be_followed(code):
            if origin != "library" and not helps_library(frame):
                self.give_up()
            return None
        self._look_at_arguments(frame, caller)
        stack = Stack(self, frame)
        self.frames.append(stack)
        frame.f_trace_lines = False
        frame.f_trace = stack.see  # before the next line, which looks for it in Python 3.13
        frame.f_trace_opcodes = True
        return stack.see

    def _look_at_arguments(self, frame: FrameType, caller: Stack | None) -> None:
        """Take note of the arrays that a function gets; those in `*args` are lost from sight."""
        code, values = frame.f_code, frame.f_locals
        named = code.co_argcount + code.co_kwonlyargcount
        for place, name in enumerate(code.co_varnames[: named + 2]):
            x = values.get(name)
            self.proven -= self.arrays_inside(x)
            if caller is not None and place < named and id(x) in self.arrays:
                caller.delivered.add(id(x))
        if caller is not None:
            caller.enters_user = True


def call_watching_uses(
    arrays: Sequence[Any],
    names: Collection[str],
    uses: Mapping[int, int],
    function: Callable[[], Result],
) -> tuple[Result, set[int]]:
    """Call a function; find which arrays it used only as operands of recorded operations.

    A debugger that is at work goes on, and nothing is proven then.

    Args:
        arrays: plain arrays, to which the code comes by names only: those of variables and
            attributes, not through containers.
        names: the attributes in which they are.
        uses: counts while the function runs how often each array, by its id, was an operand.
        function: what is called; it may be code of this library that calls the user's.

    Returns:
        its result, and the ids of the arrays of which it is proven.
    """
    frame = sys._getframe()
    if not SUPPORTED or not arrays or sys.gettrace() is not None:
        return function(), set()
    watch = Watch(arrays, uses, names)
    see = watch.see_call
    threads = threading.active_count()
    before, collects = frame.f_trace_opcodes, gc.isenabled()
    try:
        gc.disable()  # which would let go of references to an array just as one is made
        frame.f_trace_opcodes = True  # Python 3.12 must know it before it begins to trace
        sys.settrace(see)
        result = function()
        if sys.gettrace() is not see or threading.active_count() > threads or watch.frames:
            watch.give_up()
    finally:
        if sys.gettrace() is see:
            sys.settrace(None)
        frame.f_trace_opcodes = before
        if collects:
            gc.enable()
    return result, watch.proven
