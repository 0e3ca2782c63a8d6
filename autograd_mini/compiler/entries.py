"""What is cached for one signature: a `FirstTrace`, and once confirmed a `CacheEntry` a program.

A signature is the structure of the arguments, with the shapes and dtypes of the values in it and
the static arguments themselves. `FirstTrace` says why a second trace does not confirm it.

`Captures` are arrays and tensors from outside of a function, which its program reads at each call.
An array that was an operand is captured if the code can reach it from outside of the call. Any
other array was made in the call and is a constant. A captured array is an input of the program,
after the arguments: the guard finds it anew at each call. Plain NumPy code may have read captured
arrays that were not operands; so the elements of these must not change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ..core.extraction import describe
from ..core.record import hooks, is_recording
from ..core.tensor import Tensor
from ..errors import CompileError
from .arguments import FastReader, Result
from .comparison import compare_programs
from .executable import Executable
from .graphs import ProgramOperation
from .guards import (
    Captured,
    Condition,
    Guard,
    content_of,
    is_identical,
    is_plain_value,
    is_read,
    numbers_of,
)
from .observe import origin_of_module
from .program import Program, Value
from .reach import Reach
from .trace import ArrayOperand, Tracer

if TYPE_CHECKING:
    from collections.abc import Mapping


class Captures:
    """What a program reads at each call.

    Attributes:
        values: what stands for each of them in the program that was recorded first.
        sources: where each value is found: a condition, or the array or tensor itself.
    """

    def __init__(self, tracer: Tracer, program: Program, reach: Reach, fixed: Collection[int]):
        """Find what a program captures.

        Args:
            tracer: of the first call.
            program: what it noted, without dead code.
            reach: what the code can come to.
            fixed: ids of tensors that must be the same objects.

        Raises:
            CompileError: if the function writes into a captured array.
        """
        self.values: list[Value] = []
        self.sources: list[Condition | Captured] = []
        for operand in tracer.array_operands:
            if operand.value in program.constants:
                source = _find_source(operand.array, reach)
                if source is not None:
                    _refuse_written_array(operand, tracer)
                    self.values.append(operand.value)
                    self.sources.append(source)
        changed = {leaf for leaf, _ in program.updates}
        for value, tensor in program.leaves.items():
            ways = reach.arrays.get(id(tensor), [])
            stays = value in changed or id(tensor) in fixed
            if ways and not stays and _is_replaceable(ways[0]):
                self.values.append(value)
                self.sources.append(ways[0])
            else:
                for way in ways:
                    way.exact = True
        for value, found in zip(self.values, self.sources, strict=True):
            key = found.key if isinstance(found, Condition) else None
            value.name = value.name or (key if isinstance(key, str) else None)
        self._unite(reach, {id(x) for x in self.sources})

    def _unite(self, reach: Reach, chosen: set[int]) -> None:
        """Demand that all ways to a captured array lead to one array, and that elements stay.

        Plain code may have read the elements of a captured array, too. So they must not change;
        if they do, the function is traced again.
        """
        for key, conditions in reach.arrays.items():
            array = reach.kept[key]
            for condition in conditions[1:] if any(id(c) in chosen for c in conditions) else ():
                condition.same_as = conditions[0]
            if type(array) is not np.ndarray:
                continue
            for condition in conditions:
                condition.content = content_of(array)
            if not conditions:
                label = f"an array of shape {array.shape}"
                made = Condition("content", array, None, content_of(array), label)
                reach.conditions.append(made)

    def objects(self) -> list[Captured]:
        """Return the arrays and tensors that are there now."""
        return [x.read() if isinstance(x, Condition) else x for x in self.sources]

    def tensors(self) -> list[Tensor]:
        """Return the tensors among them."""
        return [x for x in self.objects() if type(x) is Tensor]

    def contents(self) -> list[bytes | int]:
        """Return what tells whether their numbers change."""
        return [content_of(numbers_of(x)) for x in self.objects()]

    def as_inputs(self, program: Program, values: Sequence[Value]) -> Program:
        """Return a program with captured values as inputs, behind those that a call gives."""
        moved = set(values)
        return replace(
            program,
            inputs=[*program.inputs, *values],
            captured=len(values),
            constants={v: x for v, x in program.constants.items() if v not in moved},
            leaves={v: x for v, x in program.leaves.items() if v not in moved},
        )

    def found_again(
        self,
        tracer: Tracer,
        program: Program,
        objects: Sequence[Captured],
        contents: Sequence[bytes | int],
    ) -> list[Value]:
        """Return the values that stand for the captured arrays in the program of the second call.

        Args:
            tracer, program: of that call.
            objects, contents: what was there when that call began.

        Raises:
            CompileError: if one is not an operand of it, or was written into.
        """
        for operand in tracer.array_operands:
            for x, content in zip(objects, contents, strict=True):
                if operand.array is x and content_of(operand.leaf._value) != content:
                    raise _written_array_error(operand)
        places = {_identity_of(x): v for v, x in program.leaves.items()}
        for operand in tracer.array_operands:
            if operand.value in program.constants:
                places.setdefault(_identity_of(operand.array), operand.value)
        values = []
        for x, value in zip(objects, self.values, strict=True):
            again = places.get(_identity_of(x))
            if again is None:
                raise CompileError(
                    f"compile: the first two calls recorded different programs: only the first "
                    f"one uses a captured {'tensor' if value.name else 'array'} of shape "
                    f"{value.shape}. Make it an argument of the compiled function"
                )
            values.append(again)
        return values


def _is_replaceable(condition: Condition) -> bool:
    """Tell whether another tensor may take the place of this one; optimizers keep their tensors."""
    return origin_of_module(type(condition.owner)) != "library"


def _identity_of(x: Captured) -> object:
    """Return a key: of an array its memory and layout, so equal views share it; else the id."""
    if type(x) is not np.ndarray:
        return id(x)
    return x.__array_interface__["data"][0], x.shape, x.strides, x.dtype


def _find_source(array: np.ndarray, reach: Reach) -> Condition | np.ndarray | None:
    """Return where an operand is found from outside; None if it was made in the call.

    A view of an array from outside is a new object at each call, on the same memory. Then the guard
    must find that very array.
    """
    if not array.dtype.isnative:  # a program has a copy, and the elements must stay
        return None
    found = reach.arrays.get(id(array))
    if found is not None:
        return found[0] if found else array
    for key, conditions in reach.arrays.items():
        other = reach.kept[key]
        if isinstance(other, np.ndarray) and np.may_share_memory(array, other):
            for condition in conditions:
                condition.exact = True
            return array
    return None


def _refuse_written_array(operand: ArrayOperand, tracer: Tracer) -> None:
    """Refuse a captured array that the function writes into.

    Raises:
        CompileError: naming the line.
    """
    uses = sum(operand.array is other.array for other in tracer.array_operands)
    if uses > 1 or not operand.is_unchanged():
        raise _written_array_error(operand)


def _written_array_error(operand: ArrayOperand) -> CompileError:
    """Return the error of a captured array that the function writes into."""
    place = f", which it uses at {operand.line}" if operand.line else ""
    return CompileError(
        f"compile: the function writes into an array of shape {operand.array.shape} from outside "
        f"of it{place}. A program would not write there; make the array in the function, as with "
        "np.zeros, or keep the numbers in a tensor and assign it"
    )


def refuse_unreached(program: Program, reach: Reach) -> None:
    """Refuse tensors that the guard cannot find.

    Raises:
        CompileError: naming one.
    """
    for tensor in program.leaves.values():
        if id(tensor) not in reach.kept:
            raise CompileError(
                f"compile: {describe(tensor)} comes from an object whose contents cannot be read, "
                "so a replaced tensor would not be noticed; keep it in an attribute, a list or "
                "a variable, or make it an argument of the compiled function. If the function puts "
                "another tensor there at each call, change the one that is there with assign"
            )


def refuse_unreached_arrays(first: Tracer, second: Tracer, reach: Reach) -> None:
    """Refuse arrays that existed before both calls and that the guard cannot find.

    Raises:
        CompileError: naming one.
    """
    before: dict[int, object] = {}  # the line of the first use
    for operand in first.array_operands:
        if id(operand.array) not in reach.arrays:
            before.setdefault(id(operand.array), operand.line)
    for operand in second.array_operands:
        if id(operand.array) in before and operand.array.flags.writeable:
            line = before[id(operand.array)]
            raise CompileError(
                f"compile: an array of shape {operand.array.shape}, used at {line}, "
                "comes from an object whose contents cannot be read, so a replaced array would "
                "not be noticed; keep it in an attribute, a list or a variable, or make it an "
                "argument of the compiled function"
            )


GRADIENT: Final = "grad"
"""The attribute in the condition that a leaf has no gradient to which another would be added."""
CURE: Final = (
    "make it an argument of the compiled function, or a tensor from outside that is changed with "
    "assign"
)


class StateBeforeCall(NamedTuple):
    """The state that a call finds.

    Attributes:
        objects: the arrays and tensors that the program captures.
        contents: what tells whether their elements change.
        draws: the states of generators whose draws are not recorded.
        found: what the conditions read.
    """

    objects: list[Captured]
    contents: list[bytes | int]
    draws: list[Mapping[str, object]]
    found: list[tuple[object, object]]


class TracedCall(NamedTuple):
    """What one call recorded.

    Attributes:
        tracer: of the call.
        result: how the function's result is made of a program's outputs.
        recorded: the program.
        program: the program without dead code.
    """

    tracer: Tracer
    result: Result
    recorded: Program
    program: Program

    def answer(self) -> Any:
        """Return what the call returns."""
        return self.result.result_of_trace(bool(self.recorded.updates))


class FirstTrace:
    """What the first call of a signature recorded; the second call must record the same.

    Args:
        recording: what the call recorded.
        roots: where the code began: the function, and the arguments.
        cleared: ids of leaves that had a gradient before the call: the function forgot it.

    Attributes:
        conditions: what the next calls must find again.
        captures: what the program reads at each call.
        refusal: why it cannot become a program, or None.
        unobserved: why it was not seen what the function reads, or None.
        changed: whether the call itself changed something that it reads.
        others_changed: whether something has changed since that only code of others reads.
    """

    def __init__(
        self, recording: TracedCall, roots: Sequence[object], cleared: Collection[int]
    ) -> None:
        tracer, result, recorded, program = recording
        self.tracer = tracer
        self.result = result
        self.clears = bool(cleared)
        self.refusal: CompileError | None = None
        self.unobserved: CompileError | None = None
        self.captures: Captures | None = None
        observer = tracer.observer
        assert observer is not None
        observer.forget_temporary(result.objects)
        self.changed = observer.has_changed()
        self.others_changed = False
        self.reach = Reach(observer).follow([*roots, *tracer.owners.values()])
        if observer.failure is not None:
            self.unobserved = CompileError(
                f"compile: what the function reads could not be observed, since {observer.failure}"
            )
        try:
            _refuse_hidden(self.reach)
            refuse_unreached(program, self.reach)
            self.captures = Captures(tracer, program, self.reach, result.tensors)
            recorded = self.captures.as_inputs(recorded, self.captures.values)
            program = self.captures.as_inputs(program, self.captures.values)
        except CompileError as error:
            self.refusal = error
        self.recorded = recorded
        self.program = program
        outside = {id(x) for x in recorded.leaves.values()}.difference(cleared)
        self.conditions = [
            *self.reach.conditions,
            *(c for c in tracer.conditions if c.key != GRADIENT or id(c.owner) in outside),
            Condition("attribute", hooks, "leaf_changes", tracer.hooks, "a hook of a leaf"),
        ]
        for x in recorded.leaves.values():
            label = f"requires_grad of {x.name or 'a tensor'}"
            self.conditions.append(
                Condition("attribute", x, "_requires_grad", x._requires_grad, label)
            )

    def clear(self, cleared: Collection[int]) -> None:
        """Note that the function clears earlier gradients by itself."""
        if cleared:
            self.clears = True
            self.conditions = [
                c for c in self.conditions if c.key != GRADIENT or id(c.owner) not in cleared
            ]

    def watchable_arrays(self, objects: Sequence[object]) -> tuple[list[np.ndarray], set[str]]:
        """Return the arrays whose uses can be watched, and the names of their attributes.

        Args:
            objects: what the program captures.
        """
        arrays = [x for x in objects if type(x) is np.ndarray]
        found = (self.reach.arrays.get(id(c.value), ()) for c in self.conditions)
        return arrays, {c.key for cs in found for c in cs if type(c.key) is str}

    def free_contents(self, proven: Collection[int], names: Collection[str]) -> None:
        """Let arrays have other elements if they were proven to be operands only.

        Args:
            proven: their ids.
            names: the attributes under which they were looked for.
        """
        reach = self.reach
        arrays = {
            key
            for key in proven
            if key in reach.arrays
            and key not in reach.within
            and all(type(c.key) is not str or c.key in names for c in reach.arrays[key])
        }
        for key in arrays:
            for condition in reach.arrays[key]:
                condition.content = None
        self.conditions = [
            c for c in self.conditions if c.kind != "content" or id(c.owner) not in arrays
        ]

    def has_new_content(self) -> bool:
        """Tell whether an array has other elements than after the call."""
        return any(c.has_new_content() for c in self.conditions)

    def has_moved(self) -> bool:
        """Tell whether something that the call reads has changed, during the call or since."""
        return self.changed or self.others_changed or self.has_new_content()

    def present_state(self) -> StateBeforeCall:
        """Return the state that a call finds."""
        assert self.captures is not None
        objects, contents = self.captures.objects(), self.captures.contents()
        draws = [_generator_state(generator) for generator, _ in self.reach.random]
        return StateBeforeCall(objects, contents, draws, self._found_now())

    def difference(self, second: TracedCall, before: StateBeforeCall) -> CompileError | None:
        """Return why another call did not record the same, or None.

        Args:
            second: what that call recorded.
            before: what was there when it began.
        """
        assert self.captures is not None
        tracer, program = second.tracer, second.program
        try:
            self._refuse_drawn(before.draws, tracer)
            refuse_unreached_arrays(self.tracer, tracer, self.reach)
            values = self.captures.found_again(tracer, program, before.objects, before.contents)
            compare_programs(self.program, self.captures.as_inputs(program, values))
            second.result.compare(self.result)
            self._refuse_replaced(before.found)
        except CompileError as error:
            return error
        return None

    def _found_now(self) -> list[tuple[object, object]]:
        """Return what each condition reads, and the elements of arrays that must keep theirs."""
        found = [(c.read(), c) for c in self.conditions]
        return [
            (x, content_of(x) if is_read(x) and c.content is not None else None) for x, c in found
        ]

    def changed_since(self, found: Sequence[tuple[object, object]]) -> Condition | None:
        """Return the first condition that reads something else than before a call, or None.

        What only foreign code reads are its own accounts: their conditions are dropped.

        Args:
            found: what the conditions read before the call.
        """
        changed = [
            condition
            for condition, before, now in zip(
                self.conditions, found, self._found_now(), strict=True
            )
            if not _is_same_finding(before, now)
        ]
        accounts = {id(c) for c in changed if c.foreign}
        self.conditions = [c for c in self.conditions if id(c) not in accounts]
        return next((c for c in changed if not c.foreign and c.key != GRADIENT), None)

    def _refuse_replaced(self, found: Sequence[tuple[object, object]]) -> None:
        """Refuse a function that puts another array or tensor in a place outside.

        Args:
            found: what the conditions read before the call.

        Raises:
            CompileError: naming one.
        """
        for condition, (before, _) in zip(self.conditions, found, strict=True):
            now = condition.read()
            if now is not before and is_read(before) and is_read(now):
                kind = "tensor" if type(now) is Tensor else "array"
                raise CompileError(
                    f"compile: the function replaces {condition.label} by another "
                    f"{kind}. The compiled program would not: keep the numbers in a tensor from "
                    "outside, which the function changes with assign, or return them"
                )

    def first_failing(self, after: bool = False, content: bool = True) -> Condition | None:
        """Return the first condition that fails, or None.

        What only code of others reads, and does not hold, are its own accounts: they are forgotten.

        Args:
            after: whether a call has ended, which may have left gradients.
            content: whether changed elements count.
        """
        kept = [c for c in self.conditions if not c.foreign or c.holds()]
        self.others_changed = len(kept) < len(self.conditions)
        self.conditions = kept
        failing = (c for c in kept if not c.holds() and not (after and c.key == GRADIENT))
        return next((c for c in failing if content or not c.has_new_content()), None)

    def release(self) -> None:
        """Drop what only the trace needs, and the program does not."""
        del self.tracer, self.reach

    def _refuse_drawn(self, before: Sequence[object], tracer: Tracer) -> None:
        """Refuse random numbers that were drawn without being recorded.

        Raises:
            CompileError: naming the generator.
        """
        for (generator, label), state in zip(self.reach.random, before, strict=True):
            if not tracer.before.has_drawn_from(generator) and not is_identical(
                state, _generator_state(generator)
            ):
                raise CompileError(
                    f"compile: the function draws from {label}, a {type(generator).__name__}, and "
                    "a program would not draw again; draw with am.random, whose generators have "
                    "NumPy's methods and numbers"
                )


class CacheEntry:
    """A compiled signature: the program, and how a call's values and results pass in and out.

    Attributes:
        guard: tells whether everything is as it was, and finds what the program captures.
        values: takes the values from simple arguments; None for arguments that are not simple.
        first: the trace that was compiled.
        direct: runs the program, if its only output is the tensor that is returned; or None.
        forgotten: the leaves whose gradient is cleared then; the guard knows that the others have
            none.
        recording: whether it serves calls outside of `no_grad`.
        replay: the program as an operation with a gradient, made when it is needed.
        tensors: returns the captured tensors; None if there are none.
        left: the number of calls until one is checked.
    """

    __slots__ = (
        *("_due", "_next", "direct", "executable", "first", "forgotten", "guard", "left"),
        *("recording", "replay", "result", "tensors", "values"),
    )

    def __init__(
        self,
        executable: Executable,
        first: FirstTrace,
        values: FastReader | None,
        due: Sequence[int],
    ) -> None:
        assert first.captures is not None
        self.left = self._next = due[0]
        self._due = (after - before for before, after in pairwise(due))
        self.executable = executable
        self.first = first
        self.result = first.result
        self.recording = is_recording()
        self.replay: ProgramOperation | None = None
        self.guard = Guard(first.conditions, first.captures.sources)
        self.values = values
        self.tensors = first.captures.tensors if first.captures.tensors() else None
        y = executable.program.outputs[0] if self.result.single else None
        # An older gradient may be there, to be dropped.
        tensor = not first.clears and executable.changes and type(y) is Value and not y.weak
        self.direct = executable.run_alone if tensor else None
        without = {id(c.owner) for c in first.conditions if c.key == GRADIENT and c.value is None}
        self.forgotten = [x for x in self.result.trained if id(x) not in without]

    @property
    def replays(self) -> int:
        """How often the program ran."""
        return self._next - self.left

    def is_due(self) -> bool:
        """Count a call; tell whether it must be checked."""
        self.left -= 1
        if self.left:
            return False
        self.left = next(self._due, 0)
        self._next += self.left
        return True


def _refuse_hidden(reach: Reach) -> None:
    """Refuse an object that cannot be guarded.

    Raises:
        CompileError: naming it.
    """
    for x, label in reach.hidden:
        raise CompileError(
            f"compile: the function reads {label}, a {type(x).__name__}, which hides what comes "
            f"next; take the value outside of the function, and {CURE}"
        )
    if not reach.is_whole:
        raise CompileError(
            f"compile: the function can reach more than {len(reach.conditions):,} objects, too "
            f"many to look at in each call; give what it needs as arguments"
        )


def _is_same_finding(before: tuple[object, object], now: tuple[object, object]) -> bool:
    """Tell whether a condition reads the same object, with the same elements."""
    (x, content), (y, other) = before, now
    if type(x) is tuple and type(y) is tuple and not is_plain_value(x):  # the items of a container
        return len(x) == len(y) and all(map(_is_same_object, x, y))
    return content == other and _is_same_object(x, y)


def _is_same_object(x: object, y: object) -> bool:
    """Tell whether two objects are the same object, or identical plain values."""
    return x is y or (is_plain_value(x) and is_identical(x, y))


def _generator_state(generator: Any) -> Mapping[str, object]:
    """Return the state of a generator of NumPy or of the module random."""
    if hasattr(generator, "getstate"):
        return generator.getstate()
    bits = getattr(generator, "_bit_generator", generator)
    return getattr(generator, "bit_generator", bits).state


def leaves_with_gradients(programs: Iterable[Program]) -> set[int]:
    """Return the ids of the leaves of programs that have a gradient at the moment."""
    return {id(x) for p in programs for x in p.leaves.values() if x.grad is not None}


def is_same_program(one: FirstTrace, other: FirstTrace) -> bool:
    """Tell whether two traces recorded the same program."""
    try:
        compare_programs(one.program, other.program)
    except (CompileError, ValueError):
        return False
    return True
