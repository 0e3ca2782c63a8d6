"""Which arrays does a call use only as operands of recorded operations, and not in plain code?

The interpreter reports each instruction of the user's code, and a model of its stack follows. The
model knows where the arrays are: a variable shows which object it holds, and an array that comes
onto the stack otherwise has one more reference. An instruction that takes an array must record an
operation with it, or be harmless, or pass it to a user's function, which is followed too. Where the
model does not know, the answer is "not proven", for one array or for all of them.
"""

from __future__ import annotations

import dis
import gc
import sys
import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, Final, TypeVar

import numpy as np

from . import bytecode
from .bytecode import EMPTY, NULL, UNKNOWN, Slot
from .observe import MANY, is_called_by_library, is_standard, names_read_by, origin_of

Result = TypeVar("Result")
TraceFunction = Callable[[FrameType, str, Any], Any]

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
"""Code with one of these names may reach an array unseen."""
MOST: Final = 10_000
"""How many instructions are followed; each takes about 10 µs."""
NESTED: Final = 3
"""How deep containers are searched for arrays."""
WIDEST: Final = 64
"""How many items such a container may have."""


@lru_cache(MANY)
def _cannot_be_followed(code: CodeType) -> bool:
    """Tell whether code cannot be followed: it reads without names, or is not a function."""
    if not code.co_flags & FUNCTION or code.co_flags & SUSPENDED:
        return True
    names = names_read_by(code)
    seen = names.attributes | names.globals | names.modules
    return names.any or not REVEALING.isdisjoint(seen)


def _helps_library(frame: FrameType) -> bool:
    """Tell whether code of the standard library runs for this library."""
    return is_standard(frame.f_code) and is_called_by_library(frame)


class ArrayWatch:
    """The watched arrays while a call runs.

    Attributes:
        arrays: the arrays by id.
        proven: ids of those that were operands only, as far as is known.
        frames: the running frames of the user, the innermost last.
        names: the attributes in which the arrays are.
    """

    def __init__(
        self, arrays: Sequence[np.ndarray], uses: Mapping[int, int], names: Collection[str]
    ) -> None:
        self.arrays = {id(x): x for x in arrays}
        self.proven = set(self.arrays)
        self.frames: list[Stack] = []
        self.names = frozenset(names)
        self._uses = uses
        self._left = MOST

    def _give_up(self) -> None:
        """Give up all arrays: the model does not know what happened."""
        self.proven.clear()

    def count(self) -> None:
        """Count an instruction; give up after very many, which take too long."""
        self._left -= 1
        if not self._left:
            self._give_up()

    def _operand_counts(self) -> dict[int, int]:
        """Return how often each array has been an operand."""
        return {key: self._uses.get(key, 0) for key in self.arrays}

    def _reference_counts(self) -> list[int]:
        """Return how many references there are to each array."""
        return list(map(sys.getrefcount, self.arrays.values()))

    def _arrays_inside(self, x: Any, depth: int = NESTED) -> set[int]:
        """Return the ids of watched arrays in a small container."""
        if type(x) not in (list, tuple, dict) or not depth or len(x) > WIDEST:
            return set()
        parts = x.values() if type(x) is dict else x
        found = {id(part) for part in parts if id(part) in self.arrays}
        return found.union(*(self._arrays_inside(part, depth - 1) for part in parts))

    def see_call(self, frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        """Note a function that begins; follow it if it is the user's."""
        try:
            return self._follow(frame) if event == "call" and self.proven else None
        except Exception:  # what is not known must not stop the user's code
            self._give_up()
        return None

    def _follow(self, frame: FrameType) -> TraceFunction | None:
        """Follow each instruction of a user's function that begins."""
        code = frame.f_code
        origin = origin_of(code)
        caller = self.frames[-1] if self.frames else None
        if caller is not None and frame.f_back is caller.frame:
            caller.entered.append((origin, code.co_name))
        if origin != "user" or _cannot_be_followed(code):
            if origin != "library" and not _helps_library(frame):
                self._give_up()
            return None
        self._look_at_arguments(frame, caller)
        stack = Stack(self, frame)
        self.frames.append(stack)
        frame.f_trace_lines = False
        frame.f_trace = stack.see  # before the next line, which looks for it in Python 3.13
        frame.f_trace_opcodes = True
        return stack.see

    def _look_at_arguments(self, frame: FrameType, caller: Stack | None) -> None:
        """Note the arrays that a function gets; those in `*args` cannot be followed."""
        code, values = frame.f_code, frame.f_locals
        named = code.co_argcount + code.co_kwonlyargcount
        for place, name in enumerate(code.co_varnames[: named + 2]):
            x = values.get(name)
            self.proven -= self._arrays_inside(x)
            if caller is not None and place < named and id(x) in self.arrays:
                caller.delivered.add(id(x))
        if caller is not None:
            caller.enters_user = True


def call_watching_uses(
    arrays: Sequence[np.ndarray],
    names: Collection[str],
    uses: Mapping[int, int],
    function: Callable[[], Result],
) -> tuple[Result, set[int]]:
    """Call a function; find which arrays it used only as operands of recorded operations.

    If a debugger runs, it goes on, and nothing is proven.

    Args:
        arrays: plain arrays that the code reaches by variables and attributes only, not through
            containers.
        names: the attributes that hold them.
        uses: how often each array was an operand, by its id; counted while the function runs.
        function: is called; it may be code of this library that calls the user's.

    Returns:
        its result, and the ids of the arrays that are proven.
    """
    frame = sys._getframe()
    if not SUPPORTED or not arrays or sys.gettrace() is not None:
        return function(), set()
    watch = ArrayWatch(arrays, uses, names)
    see = watch.see_call
    threads = threading.active_count()
    before, collects = frame.f_trace_opcodes, gc.isenabled()
    try:
        gc.disable()  # which would let go of references to an array just as one is made
        frame.f_trace_opcodes = True  # Python 3.12 must know it before it begins to trace
        sys.settrace(see)
        result = function()
        if sys.gettrace() is not see or threading.active_count() > threads or watch.frames:
            watch._give_up()
    finally:
        if sys.gettrace() is see:
            sys.settrace(None)
        frame.f_trace_opcodes = before
        if collects:
            gc.enable()
    return result, watch.proven


# ── the model of a frame's stack ──────────────────────────────────────────────────────────────────
# The model knows where on the stack the watched arrays are, and which instructions take them.
class Stack:
    """The model of a frame's stack, and of the instruction that runs in the frame.

    Attributes:
        entered: the functions that the instruction called: whose each is, and its name.
        delivered: ids of arrays that functions of the user's got as arguments.
        enters_user: whether it called functions of the user's.
    """

    def __init__(self, watch: ArrayWatch, frame: FrameType) -> None:
        self.frame = frame
        self._watch = watch
        self._slots: list[Slot] = []
        self._code = self._steps, self._places = bytecode.steps_of(frame.f_code)
        self._place: int | None = None
        self._loaded: list[Slot] = []
        self._begun = watch._operand_counts()
        self._begin()

    def _begin(self) -> None:
        """Note the state before an instruction."""
        self.entered: list[tuple[str, str]] = []
        self.delivered: set[int] = set()
        self.enters_user = False
        self.nested = Counter[int]()
        self._used = self._watch._operand_counts()
        self._held = self._watch._reference_counts()

    def see(self, frame: FrameType, event: str, argument: object) -> TraceFunction:
        """Follow what the interpreter reports of the frame."""
        watch = self._watch
        if not watch.proven:
            sys.settrace(None)  # there is nothing to be seen any more
        try:
            if event == "exception" or watch.frames[-1] is not self:
                watch._give_up()
            elif event == "opcode" and watch.proven:
                self._go_on(self._places[frame.f_lasti])
            elif event == "return":
                self._end()
        except Exception:  # what the model does not know must not stop the user's code
            watch._give_up()
        return self.see

    def _go_on(self, place: int) -> None:
        """Carry out the instruction that has ended, and begin the next one."""
        self._watch.count()
        if self._place is None:
            if any(step.opname not in bytecode.BEFORE for step in self._steps[:place]):
                self._watch._give_up()
        elif place == self._place:  # it was prepared before
            return
        else:
            self._finish(self._steps[self._place], place)
        self._place = place
        self._loaded = self._load(self._steps[place])
        self._begin()

    def _end(self) -> None:
        """Leave the frame: it must return, and no array."""
        watch = self._watch
        step = self._steps[self._place] if self._place is not None else None
        if step is None or not step.opname.startswith("RETURN"):
            watch._give_up()
        self._give_up_slots(self._slots)
        watch.frames.pop()
        if watch.frames:
            now = watch._operand_counts()
            watch.frames[-1].nested.update({k: now[k] - n for k, n in self._begun.items()})

    # ── what is loaded ───────────────────────────────────────────────────────────────────────
    def _load(self, step: dis.Instruction) -> list[Slot]:
        """Return what an instruction will load, if that is a variable or a constant."""
        name, key = step.opname, step.argval
        if name == "LOAD_CONST":
            return [Slot(value=key)]
        if name == "LOAD_FAST_LOAD_FAST":
            return [self._local(part) for part in key]
        if name == "STORE_FAST_LOAD_FAST":
            return [self._slots[-1] if key[0] == key[1] else self._local(key[1])]
        if name == "LOAD_DEREF":
            return [self._variable(key)]
        if name == "LOAD_FAST_AND_CLEAR" and key not in self.frame.f_locals:
            return [EMPTY]
        if name.startswith("LOAD_FAST"):
            return [self._local(key)]
        if name in ("LOAD_GLOBAL", "LOAD_NAME"):
            slot = self._slot(self._global(key, name == "LOAD_NAME"))
            if name == "LOAD_NAME" or not (step.arg or 0) & 1:
                return [slot]
            return [slot, NULL] if sys.version_info >= (3, 13) else [NULL, slot]
        return [NULL] if name == "PUSH_NULL" else []

    def _local(self, name: str) -> Slot:
        """Return what a local variable holds; a variable shared with a closure holds a cell."""
        code = self.frame.f_code
        if name in code.co_cellvars or name in code.co_freevars:
            return EMPTY
        return self._variable(name)

    def _variable(self, name: str) -> Slot:
        """Return what a variable holds; it may be invisible in a comprehension in a class."""
        found = self.frame.f_locals.get(name, UNKNOWN)
        if found is UNKNOWN:
            self._watch._give_up()
        return self._slot(found)

    def _global(self, name: str, own: bool) -> object:
        """Return what a global name stands for, or a name in the body of a class."""
        found = self.frame.f_locals.get(name, UNKNOWN) if own else UNKNOWN
        if found is UNKNOWN:
            found = self.frame.f_globals.get(name, UNKNOWN)
        return self.frame.f_builtins.get(name, UNKNOWN) if found is UNKNOWN else found

    def _slot(self, x: object) -> Slot:
        """Return what the model knows of an object."""
        if id(x) in self._watch.arrays:
            return Slot((id(x),))
        self._watch.proven -= self._watch._arrays_inside(x)
        return Slot(value=x)

    # ── what has ended ───────────────────────────────────────────────────────────────────────
    def _finish(self, step: dis.Instruction, place: int) -> None:
        """Carry out an instruction after which that at a place comes."""
        way = bytecode.way_between(self._code, self._places[step.offset], place)
        if way is None:
            self._watch._give_up()
            return
        jumped, ended = way
        slots, name, count = self._slots, step.opname, bytecode.pops_of(step)
        effect = bytecode.effect_of(step, jumped, ended)
        if count is None or max(count, step.arg or 0 if name in bytecode.MOVES else 0) > len(slots):
            self._give_up_slots(slots)
            self._slots = [EMPTY] * max(0, len(slots) + effect)
            self._find_new(step, False)
            return
        if name in bytecode.MOVES:
            other = -(step.arg or 0)
            if name == "COPY":
                slots.append(slots[other])
            else:
                slots[other], slots[-1] = slots[-1], slots[other]
            return
        taken = slots[len(slots) - count :]
        del slots[len(slots) - count :]
        self._judge_operands(step, taken)
        made = self._pushed_slots(step, taken, count + effect)
        slots.extend(made)
        self._find_new(step, bool(made))
        if "ATTR" in name and step.argval in self._watch.names:
            first = slots[-len(made)] if made else NULL
            if first.value is UNKNOWN and not first.arrays:
                self._watch._give_up()

    def _pushed_slots(self, step: dis.Instruction, taken: list[Slot], count: int) -> list[Slot]:
        """Return what an instruction leaves on the stack."""
        name = step.opname
        if self._loaded:
            return self._loaded
        if name in bytecode.BUILDS:
            return [Slot(tuple(key for slot in taken for key in slot.arrays), False)]
        if name in ("LOAD_ATTR", "LOAD_METHOD"):
            owned = taken[0].arrays and taken[0].alone
            value = bytecode.visible_attribute(np.ndarray if owned else taken[0].value, step.argval)
            if value is bytecode.OPAQUE:
                self._watch._give_up()
            found = self._slot(value)
            return [found._replace(name=step.argval), NULL][:count]
        if name == "BINARY_SUBSCR":
            return [Slot(value=bytecode.visible_item(taken[0].value, taken[1].value))]
        if name == "BEFORE_WITH":
            return [Slot(name="__exit__"), EMPTY]
        if name in ("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"):  # the code, or the function
            return [Slot(value=taken[-1].value)]
        return [EMPTY] * count

    def _find_new(self, step: dis.Instruction, made: bool) -> None:
        """Find arrays that an instruction has brought from somewhere else, by their references."""
        if step.opname in bytecode.QUIET:
            return
        now, held = self._watch._operand_counts(), self._watch._reference_counts()
        for key, before, after in zip(now, self._held, held, strict=True):
            if after > before and now[key] == self._used[key]:
                if made and self._slots[-1].arrays == (key,):
                    continue
                single = step.opname in bytecode.SINGLE and made and after == before + 1
                if single and not self._slots[-1].arrays and self._slots[-1] is not NULL:
                    self._slots[-1] = Slot((key,))
                else:
                    self._watch.proven.discard(key)

    # ── what takes an array ──────────────────────────────────────────────────────────────────
    def _give_up_slots(self, slots: list[Slot]) -> None:
        """Give up the arrays in some places of the stack."""
        for slot in slots:
            self._watch.proven.difference_update(slot.arrays)

    def _judge_operands(self, step: dis.Instruction, taken: list[Slot]) -> None:
        """Give up the arrays whose elements an instruction may read."""
        name = step.opname
        if name in bytecode.CALLS:
            self._judge_call(taken)
            return
        if not any(slot.arrays for slot in taken) or name in bytecode.BUILDS:
            return
        alone = all(slot.alone for slot in taken)
        if (name in bytecode.HARMLESS or name.endswith("NONE")) and (alone or name == "POP_TOP"):
            return
        if name == "LOAD_ATTR" and alone and step.argval in bytecode.DESCRIBING:
            return
        if name in bytecode.RECORDED and alone:
            first, second = taken
            in_place = name == "BINARY_OP" and step.argrepr.endswith("=")
            masks = (x for x in second.arrays if self._watch.arrays[x].dtype.kind == "b")
            if in_place or name == "BINARY_SUBSCR":
                self._give_up_slots([first])
            if name == "BINARY_SUBSCR" and any(masks):
                self._give_up_slots([second])
            self._judge_uses(taken)
            return
        self._give_up_slots(taken)

    def _judge_uses(self, slots: list[Slot]) -> None:
        """Give up arrays that are not as often operands as they are in some places."""
        used, before = self._watch._operand_counts(), self._used
        count = Counter(key for slot in slots for key in slot.arrays)
        self._watch.proven -= {
            key for key, n in count.items() if used[key] - before[key] - self.nested[key] < n
        }

    def _judge_call(self, taken: list[Slot]) -> None:
        """Give up arrays, or all, if a call may read elements."""
        first, second, *given = taken
        if first is NULL:
            called = second
        else:
            called, given = first, given if second is NULL else [second, *given]
        self._give_up_slots([called])
        if any(called.value is function for function in bytecode.MEASURING):
            return
        kind = bytecode.kind_of_callable(called.value)
        if kind == "opaque" or (
            kind == "unknown" and not bytecode.is_plain_call(self.entered, called.name)
        ):
            self._watch._give_up()
            return
        passed = self.delivered if kind in ("user", "library") else set()
        rest = [slot for slot in given if not (slot.alone and passed.issuperset(slot.arrays))]
        direct = bytecode.takes_operands(called.value) and not self.enters_user
        if direct and (kind == "library" or bytecode.comes_to_library(self.entered)):
            self._judge_uses(rest)
        else:
            self._give_up_slots(rest)
