"""A variant: a function compiled for one signature, with the memory that it works in."""

from __future__ import annotations

import linecache
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from operator import attrgetter, is_
from sys import getrefcount
from typing import Any, Final

import numpy as np

from .. import errors
from ..errors import UnsupportedError
from ..tensors import Tensor, serials
from .draw_source import is_draw
from .program import Program, Value
from .saving import save
from .source import Source, written

VALUE: Final = attrgetter("_value")


class Workspace:
    """One set of buffers and states, and the step that works in them."""

    __slots__ = ("_arrays", "_holders", "_tensors", "borrowed", "states", "step")

    def __init__(
        self,
        build: Callable[..., Any],
        kept: Sequence[Any],
        states: list[Tensor],
        borrowed: list[Tensor],
    ) -> None:
        self.borrowed = [(t, t._value) for t in borrowed]
        self.states: list[tuple[Tensor, Any]] = []
        self._start(build, kept, states)
        bases = [array.base for _, array in self.states if array.base is not None]
        self._tensors = tuple(tensor for tensor, _ in self.states)
        self._arrays = (*(array for _, array in self.states), *bases)
        del bases
        self._holders = list(map(getrefcount, self._arrays))

    def _start(self, build: Callable[..., Any], kept: Sequence[Any], states: list[Tensor]) -> None:
        self.step, arrays = build(*kept)
        self.states += zip(states, arrays, strict=True)
        for tensor, array in self.states:
            tensor._value = array

    def prepare(self) -> bool:
        """Take over what was assigned from outside; tell whether the states may change in place.

        They may not if somebody else has got hold of one, whose numbers would change for them.
        """
        counts = list(map(getrefcount, self._arrays))
        # Both: an array that lost its tensor and found another holder is counted as before.
        bound = all(map(is_, map(VALUE, self._tensors), self._arrays))
        if bound and counts == self._holders and self.is_current():
            return True
        for place, (tensor, array) in enumerate(self.states):
            counts[place] += tensor._value is not array
        if counts != self._holders or not self.is_current():
            return False
        for tensor, array in self.states:
            if tensor._value is not array:
                np.copyto(array, tensor._value)
                tensor._value = array
        return True

    def is_current(self) -> bool:
        """Whether the leaves that are only read still have the arrays that were built in."""
        return not self.borrowed or all([t._value is array for t, array in self.borrowed])


class Variant:
    """A program made for one signature, ready to run.

    Pure programs run in as many threads as call them, each with a workspace of its own. A program
    that changes tensors runs in one thread at a time.
    """

    def __init__(self, recorded: Program, program: Program, name: str) -> None:
        self.recorded = recorded
        self.program = program
        self.source: Source = written(program, name)
        self.count = self.source.count
        self._reads = [program.leaves[v] for v in self.source.read]
        self._states = [program.leaves[v] for v in self.source.states]
        self._borrowed = [program.leaves[v] for v in self.source.kept if v in program.leaves]
        self._borrowed = self._borrowed[len(self._states) :]
        self._scalars = [program.leaves[v] for v in self.source.scalars]
        self._changed = [program.leaves[v] for v, _ in program.updates]
        self.changes = bool(program.updates)
        self.draws = any(map(is_draw, program.instructions))
        self._build = self._made(name)
        self._idle: list[Workspace] = []
        self._lock = threading.Lock()
        self._owner: int | None = None

    def _made(self, name: str) -> Callable[..., Any]:
        """Execute the source, which tracebacks then show."""
        self.filename = f"<compiled {name} {id(self):x}>"
        text = self.source.text
        linecache.cache[self.filename] = (len(text), None, text.splitlines(True), self.filename)
        weakref.finalize(self, linecache.cache.pop, self.filename, None).atexit = False
        namespace: dict[str, Any] = dict(self.source.bound)
        exec(compile(text, self.filename, "exec"), namespace)
        for error in vars(errors):  # a function of ours in the source raises its own copy
            if f"_{error}" in namespace or error in namespace:
                namespace[f"_{error}"] = namespace[error] = getattr(errors, error)
        build: Callable[..., Any] = namespace["build"]
        return build

    def _workspace(self) -> Workspace:
        kept = [self._kept(v) for v in self.source.kept]
        return Workspace(self._build, kept, self._states, self._borrowed)

    def _kept(self, value: Value) -> Any:
        tensor = self.program.leaves.get(value)
        return tensor._value if tensor is not None else self.program.constants[value]

    def save(self, path: str | os.PathLike[str], captured: Sequence[Any]) -> None:
        """Write the program to a Python file, with the present values beside it."""
        wanted = (*self.source.kept, *self.source.read)
        values = {v: self._kept(v) for v in wanted}
        inputs = self.source.inputs[len(self.source.inputs) - len(captured) :]
        save(self.source, values | dict(zip(inputs, captured, strict=True)), path)

    def __call__(self, values: Sequence[Any]) -> Sequence[Any]:
        """Run the program; return its outputs. Tensors that it updates have their new values."""
        if self.changes:
            return self.run_alone(values)
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = self._workspace()
        if not workspace.is_current():
            workspace = self._workspace()
        results: Sequence[Any] = workspace.step(*values, *[t._value for t in self._reads])
        self._idle.append(workspace)
        return results

    def run_alone(self, values: Sequence[Any]) -> Sequence[Any]:
        """Run while no other thread does. All in one function: a call more costs 1 µs here."""
        if self._owner == threading.get_ident():
            raise UnsupportedError(
                f"{self.program.name} calls itself while it changes tensors; call the function "
                "that is not compiled inside"
            )
        results: Sequence[Any] | None = None
        given: list[Any] | None = None
        with self._lock:
            try:
                self._owner = threading.get_ident()
                if not self._idle:
                    self._idle.append(self._workspace())
                workspace = self._idle[0]
                if not workspace.prepare():
                    workspace = self._idle[0] = self._workspace()
                given = [*values, *[t._value for t in self._reads]]
                results = workspace.step(*given)
                now = next(serials)
                for tensor in self._changed:
                    tensor._assigned = now
                if not self._scalars:
                    return results
                for tensor, value in zip(self._scalars, results[self.count :], strict=True):
                    tensor._value = value
                return results[: self.count]
            except BaseException as error:
                if given is not None and self._was_updating(error):
                    self._mark()
                    error.add_note(
                        f"{self.program.name} was interrupted while it updated tensors: some of "
                        "them have new values, others those of before the step"
                    )
                raise
            finally:
                self._owner = None

    def _mark(self) -> None:
        """Note that graphs recorded before are stale."""
        now = next(serials)
        for tensor in self._changed:
            tensor._assigned = now

    def _was_updating(self, error: BaseException) -> bool:
        """Whether an error came from the part of the step that writes into tensors, or after it.

        Ctrl-C may come when the step has returned and its results have no name yet.
        """
        trace, inside = error.__traceback__, False
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.filename:
                inside = True
                if trace.tb_lineno >= self.source.effects_from:
                    return True
            trace = trace.tb_next
        return not inside
