"""A model of the stack of a frame: where watched arrays lie, and what takes them; see `uses`."""

from __future__ import annotations

import dis
import sys
from collections import Counter
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from .callables import (
    MEASURING,
    OPAQUE,
    UNKNOWN,
    comes_to_library,
    is_plain_call,
    kind_of_callable,
    takes_operands,
    visible_attribute,
    visible_item,
)
from .instructions import (
    BEFORE,
    BUILDS,
    CALLS,
    DESCRIBING,
    EMPTY,
    HARMLESS,
    MOVES,
    NULL,
    QUIET,
    RECORDED,
    SINGLE,
    Slot,
    effect_of,
    pops_of,
    steps_of,
    way_between,
)

if TYPE_CHECKING:
    from .uses import Watch


class Stack:
    """The model of the stack of a frame, and what is known of the instruction that runs in it.

    Attributes:
        entered: the functions that the instruction called: whose each is, and its name.
        delivered: ids of arrays that functions of the user's got as arguments.
        enters_user: whether it called functions of the user's.
    """

    def __init__(self, watch: Watch, frame: FrameType) -> None:
        self.frame = frame
        self._watch = watch
        self._slots: list[Slot] = []
        self._code = self._steps, self._places = steps_of(frame.f_code)
        self._place: int | None = None
        self._loaded: list[Slot] = []
        self._begun = watch.operand_counts()
        self._begin()

    def _begin(self) -> None:
        """Take note of how things are before an instruction."""
        self.entered: list[tuple[str, str]] = []
        self.delivered: set[int] = set()
        self.enters_user = False
        self.nested = Counter[int]()
        self._used = self._watch.operand_counts()
        self._held = self._watch.reference_counts()

    def see(self, frame: FrameType, event: str, argument: Any) -> Any:
        """Follow what the interpreter reports of the frame."""
        watch = self._watch
        if not watch.proven:
            sys.settrace(None)  # there is nothing to be seen any more
        try:
            if event == "exception" or watch.frames[-1] is not self:
                watch.give_up()
            elif event == "opcode" and watch.proven:
                self._go_on(self._places[frame.f_lasti])
            elif event == "return":
                self._end()
        except Exception:  # what the model does not know must not stop the user's code
            watch.give_up()
        return self.see

    def _go_on(self, place: int) -> None:
        """Carry out the instruction that has ended, and begin the next one."""
        self._watch.count()
        if self._place is None:
            if any(step.opname not in BEFORE for step in self._steps[:place]):
                self._watch.give_up()
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
            watch.give_up()
        self._give_up_slots(self._slots)
        watch.frames.pop()
        if watch.frames:
            now = watch.operand_counts()
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
        """Return what is found in a local variable; of one that is shared that is a cell."""
        code = self.frame.f_code
        if name in code.co_cellvars or name in code.co_freevars:
            return EMPTY
        return self._variable(name)

    def _variable(self, name: str) -> Slot:
        """Return what is in a variable; one of a comprehension in a class may not be seen."""
        found = self.frame.f_locals.get(name, UNKNOWN)
        if found is UNKNOWN:
            self._watch.give_up()
        return self._slot(found)

    def _global(self, name: str, own: bool) -> Any:
        """Return what is found under a global name, or one of a class's body."""
        found = self.frame.f_locals.get(name, UNKNOWN) if own else UNKNOWN
        if found is UNKNOWN:
            found = self.frame.f_globals.get(name, UNKNOWN)
        return self.frame.f_builtins.get(name, UNKNOWN) if found is UNKNOWN else found

    def _slot(self, x: Any) -> Slot:
        """Return what the model knows of an object."""
        if id(x) in self._watch.arrays:
            return Slot((id(x),))
        self._watch.proven -= self._watch.arrays_inside(x)
        return Slot(value=x)

    # ── what has ended ───────────────────────────────────────────────────────────────────────
    def _finish(self, step: dis.Instruction, place: int) -> None:
        """Carry out an instruction after which that at a place comes."""
        way = way_between(self._code, self._places[step.offset], place)
        if way is None:
            self._watch.give_up()
            return
        jumped, ended = way
        slots, name, count = self._slots, step.opname, pops_of(step)
        effect = effect_of(step, jumped, ended)
        if count is None or max(count, step.arg or 0 if name in MOVES else 0) > len(slots):
            self._give_up_slots(slots)
            self._slots = [EMPTY] * max(0, len(slots) + effect)
            self._find_new(step, False)
            return
        if name in MOVES:
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
                self._watch.give_up()

    def _pushed_slots(self, step: dis.Instruction, taken: list[Slot], count: int) -> list[Slot]:
        """Return what an instruction leaves on the stack."""
        name = step.opname
        if self._loaded:
            return self._loaded
        if name in BUILDS:
            return [Slot(tuple(key for slot in taken for key in slot.arrays), False)]
        if name in ("LOAD_ATTR", "LOAD_METHOD"):
            owned = taken[0].arrays and taken[0].alone
            value = visible_attribute(np.ndarray if owned else taken[0].value, step.argval)
            if value is OPAQUE:
                self._watch.give_up()
            found = self._slot(value)
            return [found._replace(name=step.argval), NULL][:count]
        if name == "BINARY_SUBSCR":
            return [Slot(value=visible_item(taken[0].value, taken[1].value))]
        if name == "BEFORE_WITH":
            return [Slot(name="__exit__"), EMPTY]
        if name in ("MAKE_FUNCTION", "SET_FUNCTION_ATTRIBUTE"):  # the code, or the function
            return [Slot(value=taken[-1].value)]
        return [EMPTY] * count

    def _find_new(self, step: dis.Instruction, made: bool) -> None:
        """Find arrays that an instruction has brought from somewhere else, by their references."""
        if step.opname in QUIET:
            return
        now, held = self._watch.operand_counts(), self._watch.reference_counts()
        for key, before, after in zip(now, self._held, held, strict=True):
            if after > before and now[key] == self._used[key]:
                if made and self._slots[-1].arrays == (key,):
                    continue
                single = step.opname in SINGLE and made and after == before + 1
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
        """Give up the arrays of which an instruction may read the elements."""
        name = step.opname
        if name in CALLS:
            self._judge_call(taken)
            return
        if not any(slot.arrays for slot in taken) or name in BUILDS:
            return
        alone = all(slot.alone for slot in taken)
        if (name in HARMLESS or name.endswith("NONE")) and (alone or name == "POP_TOP"):
            return
        if name == "LOAD_ATTR" and alone and step.argval in DESCRIBING:
            return
        if name in RECORDED and alone:
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
        used, before = self._watch.operand_counts(), self._used
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
        if any(called.value is function for function in MEASURING):
            return
        kind = kind_of_callable(called.value)
        if kind == "opaque" or (kind == "unknown" and not is_plain_call(self.entered, called.name)):
            self._watch.give_up()
            return
        passed = self.delivered if kind in ("user", "library") else set()
        rest = [slot for slot in given if not (slot.alone and passed.issuperset(slot.arrays))]
        direct = takes_operands(called.value) and not self.enters_user
        if direct and (kind == "library" or comes_to_library(self.entered)):
            self._judge_uses(rest)
        else:
            self._give_up_slots(rest)
