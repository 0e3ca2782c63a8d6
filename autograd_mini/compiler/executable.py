"""An executable: a program for one signature, ready to run or to be saved as a file.

Programs that change the same tensors run one after the other, in turns. A turn belongs to tensors.
Programs with a tensor in common share a turn; turns are joined when a program needs several. A
program that only reads waits too, if another program writes. Before a process forks, running
programs come to their end. So the child has complete steps, and no lock held by a thread that it
does not have.
"""

from __future__ import annotations

import linecache
import os
import re
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, repeat
from operator import attrgetter, call, is_, setitem
from pathlib import Path
from sys import getrefcount
from types import FunctionType
from typing import Any, Final, TypeVar

import numpy as np

from ..archives import write_arrays
from ..core.arrays import Array
from ..core.contexts import serials
from ..core.tensor import RUN, SET_VALUE, Tensor
from ..errors import CompileError, UnsupportedError
from ..files import locked_folder, write_file
from .memory import plan_memory
from .program import Program, Value
from .source import ProgramSource, write_module

Answer = TypeVar("Answer")
Write = Callable[[], object]
Build = Callable[..., tuple[Callable[..., Sequence[Any]], Sequence[Write], Sequence[np.ndarray]]]
"""From the arrays that a program keeps to its step, what writes new values, and its own arrays."""
FORK_TIMEOUT: Final = 10.0
"""So many seconds a fork waits for a program to end."""
_registry: Final = threading.RLock()
"""Held while turns are joined."""
_turns: Final[dict[int, Turn]] = {}
"""The turn of each tensor, by its serial."""
_all: Final[weakref.WeakSet[Turn]] = weakref.WeakSet()
_taken_to_fork: Final[list[Turn]] = []


class Turn:
    """Who may change some tensors now.

    Attributes:
        lock: held by the thread whose turn it is. Taken by `with`, it is never left held.
        busy: whether a program runs, or was interrupted.
        writers: how many programs there are that change one of the tensors.
        before: the turns that were joined into this one; programs may still run in them.
        joined: the turn to which this one was joined, or None.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.busy = False
        self.writers = 0
        self.before: tuple[Turn, ...] = ()
        self.joined: Turn | None = None
        _all.add(self)

    def current(self) -> Turn:
        """Return the turn that this one was joined to, or itself."""
        turn = self
        while turn.joined is not None:
            turn = turn.joined
        return turn

    def is_open(self) -> bool:
        """Tell whether the turn was not joined to another; wait for the turns before it."""
        for other in self.before:
            with other.lock:
                pass
        self.before = ()
        return self.joined is None

    def refuse_again(self, name: str) -> None:
        """Refuse a program that calls itself, or another one that changes the same tensors.

        Raises:
            UnsupportedError: if it is this thread's turn already.
        """
        if _is_held_here(self.lock):
            raise UnsupportedError(
                f"{name} is called by a program that changes the same tensors; call the function "
                "that is not compiled inside"
            )


def run_in_turn(find: Callable[[], Turn], name: str, function: Callable[[], Answer]) -> Answer:
    """Call a function while no program may change the tensors of a turn.

    Args:
        find: returns the present turn.
        name: of the program that asks.
        function: is called.
    """
    while True:
        turn = find()
        if turn.busy:
            turn.refuse_again(name)
        with turn.lock:
            if turn.is_open():
                return function()


def have_writers(tensors: Iterable[Tensor]) -> bool:
    """Tell whether a program changes one of these tensors."""
    return any(x.serial in _turns and _turns[x.serial].current().writers for x in tensors)


def _is_held_here(lock: Any) -> bool:
    """Tell whether this thread holds a lock."""
    return bool(lock._is_owned())  # as threading.Condition asks


def turn_of(tensors: Iterable[Tensor], writes: bool, program: object) -> Turn:
    """Return the turn for a program that reads or writes some tensors."""
    tensors = list(tensors)
    with _registry:
        known = (_turns[x.serial].current() for x in tensors if x.serial in _turns)
        found = list(dict.fromkeys(known))
        turn = found[0] if len(found) == 1 else _join_turns(found)
        for x in tensors:
            if x.serial not in _turns:
                weakref.finalize(x, _turns.pop, x.serial, None).atexit = False
            _turns[x.serial] = turn
        if writes:
            turn.writers += 1
            weakref.finalize(program, _forget_writer, turn).atexit = False
    return turn


def _join_turns(turns: list[Turn]) -> Turn:
    """Return a new turn in place of several."""
    turn = Turn()
    turn.before = tuple(dict.fromkeys(x for one in turns for x in (one, *one.before)))
    turn.writers = sum(one.writers for one in turns)
    for one in turns:
        one.joined = turn
    return turn


def _forget_writer(turn: Turn) -> None:
    with _registry:
        turn.current().writers -= 1


def _before_fork() -> None:
    """Wait until no program runs but those of this thread."""
    _registry.acquire()
    turns = [turn for turn in _all if turn.joined is None]
    for turn in dict.fromkeys([*turns, *(x for one in turns for x in one.before)]):
        if not _is_held_here(turn.lock) and turn.lock.acquire(timeout=FORK_TIMEOUT):
            _taken_to_fork.append(turn)


def _after_fork() -> None:
    while _taken_to_fork:
        _taken_to_fork.pop().lock.release()
    _registry.release()


def _after_fork_in_child() -> None:
    for turn in _all:
        if not _is_held_here(turn.lock):  # by a thread that the child does not have
            turn.lock = threading.RLock()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork_in_child
    )


ARRAYS: Final = 'pathlib.Path(__file__).resolve().with_suffix(".py.{digest}.npz")'
LOAD: Final = '''

def {expect}(name, value, shape, dtype):
    """Return an argument as the program takes it; others need a program of their own."""
    array = np.asarray(value)
    if array.shape != shape or not np.can_cast(array.dtype, dtype):
        raise ValueError(
            f"{{name}} is {{array.dtype}} of shape {{array.shape}}; this program was compiled for "
            f"{{dtype}} of shape {{shape}}. Save one for each"
        )
    return array.astype(dtype, copy=False)[()]


def load(path={arrays}):
    """Return the step, with the values saved beside this file, and a dict of all that it keeps.

    The step changes the arrays in the dict, and puts new numbers into it.
    """
    with np.load(path) as saved:
        {state} = {{name: saved[name] for name in saved}}
    {run}, commit, changed = build({build})
    {state}.update(zip({states}, changed))

    def step({inputs}):
{checks}        {results} = {run}({arguments})
        for write in commit:
            write()
{updates}        return {result}

    return step, {state}
'''


def save_program(
    source: ProgramSource, values: Mapping[Value, object], path: str | os.PathLike[str]
) -> None:
    """Write a program to a Python file, and the arrays that it needs to an .npz file next to it.

    If the call does not come to its end, both files are still those of the call before.

    Raises:
        CompileError: if it calls something without source, as an operation that the user declared.
        OSError: if it cannot be written.
    """
    if Path(path).suffix != ".py":
        raise CompileError(
            f"a program is saved as a Python file, such as step.py; got {Path(path).name!r}"
        )
    target = Path(os.path.realpath(path))  # where the program looks for its arrays
    arrays = {source.names[v]: np.asarray(data) for v, data in values.items()}
    arrays |= {name: x for name, x in source.bound.items() if isinstance(x, np.ndarray)}
    digest = _digest_of(arrays)
    text = _saved_text(source, ARRAYS.format(digest=digest))
    beside = target.with_suffix(f".py.{digest}.npz")
    with locked_folder(target.parent):
        try:
            write_file(beside, lambda file: write_arrays(file, arrays), part_of=target)
            write_file(path, text)
        finally:
            _remove_unnamed(target)


def _digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """Return twelve digits that differ for other arrays or names."""
    from hashlib import sha256

    found = sha256()
    for name, array in arrays.items():
        found.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        found.update(array.tobytes())
    return found.hexdigest()[:12]


def _remove_unnamed(target: Path) -> None:
    """Remove the arrays that a program does not name: of earlier ones, or of a save that failed."""
    with suppress(OSError):
        text = target.read_bytes() if target.exists() else b""
        wanted = re.compile(re.escape(target.stem) + r"(\.py\.[0-9a-f]{12}\.npz)")
        for found in filter(None, map(wanted.fullmatch, os.listdir(target.parent))):
            if found[1].encode() not in text:
                target.with_name(found[0]).unlink(missing_ok=True)


def _saved_text(source: ProgramSource, arrays: str) -> str:
    """Return the text of a saved program: its source, what it names, and what loads it."""
    bound = source.bound.items()
    read = [f'    {name} = _saved["{name}"]' for name, x in bound if isinstance(x, np.ndarray)]
    if read:
        read.insert(0, f"with np.load({arrays}) as _saved:")
    others = [(name, x) for name, x in bound if not isinstance(x, np.ndarray)]
    made = [f"{name} = {_write_generator(name, x)}" for name, x in others]
    docstring, _, rest = source.text.partition("\n")
    before, _, after = rest.partition("\n\n\ndef build(")
    text = "\n".join([docstring, "", "import pathlib", before, *read, *made])
    return f"{text}\n\n\ndef build({after.rstrip()}\n{_write_loader(source, arrays)}"


def _write_generator(name: str, value: object) -> str:
    """Write an expression for a random generator in its present state.

    Raises:
        CompileError: for any other object.
    """
    if isinstance(value, np.random.Generator):
        bits = value.bit_generator
        state = repr(bits.state)
        if "array" not in state:
            kind = type(bits).__name__
            return f"np.random.Generator(np.random.{kind}())\n{name}.bit_generator.state = {state}"
    raise CompileError(
        f"the program cannot be saved: it calls {name}, {value!r:.80}, which has no source; "
        "write it with NumPy's functions, or run the program from where it was compiled"
    )


def _write_loader(source: ProgramSource, arrays: str) -> str:
    """Write the function that puts the saved values in place."""
    names, program = source.names, source.program
    given = len(program.inputs) - program.captured
    inputs = [names[x] for x in program.inputs[:given]]
    run, state, results, expect = (
        _free_name(name, inputs) for name in ("run", "state", "results", "expect")
    )
    checks = [
        f'        {names[x]} = {expect}("{names[x]}", {names[x]}, {x.shape}, "{x.dtype}")\n'
        for x in program.inputs[:given]
        if not x.weak
    ]
    others = [*program.inputs[given:], *source.read]
    arguments = inputs + [f'{state}["{names[x]}"]' for x in others]
    count = len(program.outputs)
    changed = [(x, "") for x in source.scalars] + [(x, "[...]") for x in source.fresh]
    updates = [
        f'        {state}["{names[x]}"]{whole} = {results}[{place}]\n'
        for place, (x, whole) in enumerate(changed, count)
    ]
    return LOAD.format(
        arrays=arrays,
        run=run,
        state=state,
        results=results,
        build=", ".join(f'{state}["{names[x]}"]' for x in source.kept),
        states=[names[x] for x in source.states],
        inputs=", ".join(inputs),
        expect=expect,
        checks="".join(checks),
        arguments=", ".join(arguments),
        updates="".join(updates),
        result=f"{results}[0]" if count == 1 else f"{results}[:{count}]",
    )


def _free_name(name: str, taken: Iterable[str]) -> str:
    """Return a name, with underscores behind it if an argument of the program has it."""
    while name in taken:
        name += "_"
    return name


VALUE: Final = attrgetter("_value")


class Buffers:
    """One set of buffers and states, and the step that uses them.

    Attributes:
        step: computes; it changes nothing but its buffers.
        commit: writes what was computed into the states.
        states: the tensors that change, and the arrays that the program owns for them.
        borrowed: the tensors that are only read, with the arrays that were built in.
    """

    __slots__ = ("_arrays", "_holders", "_tensors", "borrowed", "commit", "states", "step")

    def __init__(
        self,
        build: Build,
        kept: Sequence[object],
        states: list[Tensor],
        borrowed: list[Tensor],
    ) -> None:
        self.borrowed = [(t, t._value) for t in borrowed]
        self.states = self._start(build, kept, states)
        bases = [array.base for _, array in self.states if array.base is not None]
        self._tensors = tuple(tensor for tensor, _ in self.states)
        self._arrays = (*(array for _, array in self.states), *bases)
        del bases
        self._holders = list(map(getrefcount, self._arrays))

    def _start(
        self, build: Build, kept: Sequence[object], states: list[Tensor]
    ) -> list[tuple[Tensor, Any]]:
        """Make the buffers, and let the tensors have the arrays that the program owns for them."""
        self.step, self.commit, arrays = build(*kept)
        RUN(map(SET_VALUE, states, arrays))
        return list(zip(states, arrays, strict=True))

    def prepare(self) -> bool:
        """Take over what was assigned from outside; tell whether the states may change in place.

        They may not if other code holds one of the arrays: its numbers would change there too.
        """
        counts = list(map(getrefcount, self._arrays))
        # Both: an array that lost its tensor and found another holder is counted as before.
        bound = all(map(is_, map(VALUE, self._tensors), self._arrays))
        if bound and counts == self._holders and self._is_current():
            return True
        for place, (tensor, array) in enumerate(self.states):
            counts[place] += tensor._value is not array
        if counts != self._holders or not self._is_current():
            return False
        for tensor, array in self.states:
            if tensor._value is not array:
                np.copyto(array, tensor._value)
                tensor._value = array
        return True

    def _is_current(self) -> bool:
        """Whether the leaves that are only read still have the arrays that were built in."""
        return not self.borrowed or all([t._value is array for t, array in self.borrowed])


class Executable:
    """A program for one signature, ready to run.

    A pure program runs in as many threads as call it; each has its own buffers. A program that
    changes tensors waits for its turn: programs with the same tensors run one after the other.
    """

    def __init__(
        self, recorded: Program, program: Program, source: ProgramSource, name: str
    ) -> None:
        """Execute the source.

        Args:
            recorded: the program as it was recorded.
            program: the program after the passes.
            source: the program, written out.
            name: of the function.
        """
        self.recorded = recorded
        self.program = program
        self.name = name
        self.changes = bool(program.updates)
        self.draws = any(step.is_draw for step in program.instructions)
        self._changed = [program.leaves[v] for v, _ in program.updates]
        self._turn = turn_of(program.leaves.values(), self.changes, self)
        self._idle: list[Buffers] = []
        self._load(source)

    def _load(self, source: ProgramSource) -> None:
        """Execute a source, and note what it reads and changes."""
        leaves = self.program.leaves
        self.source = source
        self.count = len(self.program.outputs)
        self._reads = [leaves[v] for v in source.read]
        self._states = [leaves[v] for v in source.states]
        self._borrowed = [leaves[v] for v in source.kept if v in leaves][len(self._states) :]
        self._fresh = [source.states.index(v) for v in source.fresh]
        self._build = self._execute_source()
        self._bind = _make_bind(self._changed, [leaves[v] for v in source.scalars])
        self._middle = self.count + len(source.scalars)

    def _execute_source(self) -> Build:
        """Execute the source, which tracebacks then show."""
        filename = f"<compiled {ascii(self.name)[1:-1]} {id(self):x}>"
        text = self.source.text
        linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
        weakref.finalize(self, linecache.cache.pop, filename, None).atexit = False
        namespace: dict[str, Any] = dict(self.source.bound)
        exec(compile(text, filename, "exec"), namespace)
        own_errors = vars(sys.modules[CompileError.__module__])
        for error in own_errors:  # a function of ours in the source raises its own copy
            if f"_{error}" in namespace or error in namespace:
                namespace[f"_{error}"] = namespace[error] = own_errors[error]
        build: Build = namespace["build"]
        return build

    def _make_buffers(self) -> Buffers:
        kept = [self._kept_array(v) for v in self.source.kept]
        made = Buffers(self._build, kept, self._states, self._borrowed)
        if all(map(_is_written_in_c, made.commit)):
            return made
        # BLAS cannot take a product. Python would add it, and an interrupt could come between.
        plan = plan_memory(self.program, in_place=False)
        self._load(write_module(self.program, plan, self.name))
        return self._make_buffers()

    def _kept_array(self, value: Value) -> Array:
        tensor = self.program.leaves.get(value)
        return tensor._value if tensor is not None else self.program.constants[value]

    def save(self, path: str | os.PathLike[str], captured: Sequence[object]) -> None:
        """Write the program to a Python file, with the present values beside it."""
        wanted = (*self.source.kept, *self.source.read)
        values = {v: self._kept_array(v) for v in wanted}
        inputs = self.program.inputs[len(self.program.inputs) - len(captured) :]
        save_program(self.source, values | dict(zip(inputs, captured, strict=True)), path)

    def __call__(self, values: Sequence[object]) -> Sequence[object]:
        """Run the program; return its outputs. Tensors that it updates have their new values."""
        if self.changes:
            return self.run_alone(values)[: self.count]
        if not self._turn.current().writers:
            return self._run(values)
        return self.run_in_turn(lambda: self._run(values))

    def run_in_turn(self, function: Callable[[], Answer]) -> Answer:
        """Call a function while no other program may change these tensors."""
        return run_in_turn(lambda: self._turn.current(), self.name, function)

    def run_on_scratch(self, values: Sequence[object]) -> tuple[Sequence[object], list[object]]:
        """Run on separate memory; return the outputs and the new values of changed tensors."""
        step, commit, arrays = self._build(*[self._kept_array(v) for v in self.source.kept])
        results = step(*values, *[t._value for t in self._reads])
        for write in commit:
            write()
        count, source = self.count, self.source
        news = dict(zip(source.states, arrays, strict=True))
        news |= zip([*source.scalars, *source.fresh], results[count:], strict=True)
        return results[:count], [news[leaf] for leaf, _ in self.program.updates]

    def _run(self, values: Sequence[object]) -> Sequence[object]:
        """Run a program that changes nothing."""
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = self._make_buffers()
        if not workspace._is_current():
            workspace = self._make_buffers()
        results: Sequence[Any] = workspace.step(*values, *[t._value for t in self._reads])
        self._idle.append(workspace)
        return results

    def run_alone(self, values: Sequence[object]) -> Sequence[object]:
        """Run while no other program has these tensors: compute, then write all new values.

        It is one function, since each further call would cost 0.1 µs.
        """
        while True:
            turn = self._turn
            if turn.joined is not None:
                turn = self._turn = turn.current()
            if turn.busy:
                turn.refuse_again(self.name)
            with turn.lock:
                if turn.joined is not None or (turn.before and not turn.is_open()):
                    continue
                turn.busy = True
                if not self._idle:
                    self._idle.append(self._make_buffers())
                workspace = self._idle[0]
                if not workspace.prepare():
                    workspace = self._idle[0] = self._make_buffers()
                results = workspace.step(*values, *[t._value for t in self._reads])
                writes: Iterator[Any] = map(call, workspace.commit)
                if self._fresh:
                    writes = chain(writes, self._copy_into_states(workspace, results))
                self._bind(next(serials), results[self.count : self._middle], writes)
                turn.busy = False
                return results

    def _copy_into_states(self, workspace: Buffers, results: Sequence[object]) -> Iterator[object]:
        """Return an iterator that copies new values into the states, in C."""
        arrays = [workspace.states[place][1] for place in self._fresh]
        return map(setitem, arrays, repeat(...), results[self._middle :])


Bind = Callable[[int, Sequence[Any], Iterator[Any]], None]


def _make_bind(changed: Sequence[Tensor], scalars: Sequence[Tensor]) -> Bind:
    """Make a function that changes tensors, and notes that they changed.

    An interrupt can come where a function begins, after a call, and where Python jumps back. So
    consecutive assignments and one call at the end are done together or not at all.

    Args:
        changed: all tensors that change. To note it too early is safe: older graphs are refused.
        scalars: those of them that get a new array.

    Returns:
        a function of the time, the values of the scalars, and an iterator that writes the others.
    """
    names = {id(x): f"t{place}" for place, x in enumerate(changed)}
    lines = [f"    {names[id(x)]}._assigned = now" for x in changed]
    if scalars:
        lines.append(f"    {''.join(f'{names[id(x)]}._value, ' for x in scalars)} = values")
    namespace: dict[str, Any] = {"run": RUN} | {names[id(x)]: x for x in changed}
    exec("\n".join(["def bind(now, values, writes):", *lines, "    run(writes)"]), namespace)
    bind: Bind = namespace["bind"]
    return bind


def _is_written_in_c(function: Callable[..., object]) -> bool:
    """Tell whether a call of a function runs no Python code."""
    return type(function) is partial and not isinstance(function.func, FunctionType)
