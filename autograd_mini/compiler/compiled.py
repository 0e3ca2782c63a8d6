"""compile(): a call is looked up and replayed as a NumPy program, or traced where no guard holds.

`CompiledFunction` looks a call up: is there a program for its signature, and do its guards hold? If
so, the program runs. If not, the call is traced; `pipeline` makes a program of two traces. A trace
costs more than a call. So a function that is traced again and again without a program is called as
it is, after a warning that says why: see `Patience`. A call is traced again for a new signature
(`arguments`), where a guard fails (`guards`), or where two traces differ (`comparison`; `entries`
says what differs).
"""

from __future__ import annotations

import inspect
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial, update_wrapper
from types import MethodType
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar, overload

from ..core.contexts import context
from ..core.extraction import tracing
from ..core.graph import Graph
from ..core.record import is_recording, record_nothing, warn_user
from ..core.tensor import leaf
from ..core.visible import show_text
from ..errors import CompileError, ConversionError, OperandError, UnsupportedError
from . import arguments
from .arguments import Args, Key, Kwargs
from .comparison import DUE, VARYING, Check, as_it_is
from .entries import CURE, CacheEntry, FirstTrace, is_same_program, leaves_with_gradients
from .executable import Executable, Turn, have_writers, run_in_turn, turn_of
from .graphs import ProgramOperation, graph_of
from .guards import Condition
from .pipeline import Call, compile_call, run_uncollected, trace_again, trace_first_call
from .program import Program

CACHED: Final = 32
"""How many signatures are kept; the least recently used goes first."""
WASTED: Final = 16
"""After this many useless traces there is a warning."""
THRASHING: Final = 8
"""After this many dropped signatures there is a warning."""


class Patience:
    """Counts the traces and programs of one compiled function.

    Attributes:
        traces: how many calls were traced.
        programs: how many programs they led to.
        given_up: why a signature is no longer traced, or None.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.traces = self.programs = 0
        self.given_up: str | None = None
        self._dropped = 0
        self._unsteady: dict[Key, int] = {}
        self._missed: Key | None = None
        self._has_fresh_arguments = False

    @property
    def wasted_traces(self) -> int:
        """How many traces led to no program."""
        return self.traces - 2 * self.programs

    def is_over(self, key: Key) -> bool:
        """Tell whether calls of a signature without a program are not traced any more."""
        again, self._missed = key == self._missed, key
        return (self._has_fresh_arguments and not again) or self._unsteady.get(key, 0) >= WASTED

    def stop_tracing(self, key: Key) -> None:
        """Trace calls of a signature no more."""
        self._unsteady[key] = WASTED

    def note_unsteady(self, key: Key, cause: str | CompileError, traces: int = 1) -> None:
        """Note that something the function reads has changed; after many traces, give up.

        Args:
            key: the signature.
            cause: what has changed, or the error that says it.
            traces: how many traces were in vain.
        """
        before = self._unsteady.get(key, 0)
        self._unsteady[key] = before + traces
        if before < WASTED <= before + traces:
            why = cause
            if isinstance(cause, str):
                why = f"{cause} changes each time; {CURE}"
            self.given_up = f"traced at each call and never compiled, since {why}"
            warn_user(f"{self._name} is {self.given_up}. From now on it runs as it is")

    def note_fresh_arguments(
        self, key: Key, call: Call[object], waiting: dict[Key, FirstTrace]
    ) -> None:
        """If each call has other static arguments, warn, and trace such calls no more.

        Args:
            key: the signature of this call.
            call: this call.
            waiting: by signature, what was traced once. It is emptied if such calls are not traced.
        """
        if self._has_fresh_arguments or self.wasted_traces < CACHED + WASTED:
            return
        self._has_fresh_arguments = True
        names = arguments.argument_leaf_names(call.function, call.args, call.kwargs)
        kinds = zip(names, key[2:], strict=False)  # after these come the orders of keys
        others = [other[2:] for other in waiting]
        waiting.clear()
        varying = ", ".join(
            dict.fromkeys(
                name
                for place, (name, kind) in enumerate(kinds)
                if any(place < len(other) and other[place] != kind for other in others)
            )
        )
        warn_user(
            f"{self._name} was traced {self.traces} times and hardly ever compiled, since "
            f"{varying or 'the structure of its arguments'} changes at each call, and each value "
            "needs another program; give numbers that change as floats or arrays. From now on it "
            "runs as it is, except for arguments that come twice in a row"
        )

    def note_dropped_signature(self) -> None:
        """Count a signature that was dropped for a new one; warn after some."""
        self._dropped += 1
        if self._dropped == THRASHING:
            warn_user(
                f"{self._name} was compiled for {CACHED + THRASHING} signatures, and each new one "
                "costs two eager calls; give it arrays of fewer shapes (a last batch of the same "
                "size), and numbers that change as floats or arrays instead of integers"
            )


ALTERNATIVES: Final = 16
"""How many programs are kept for one signature, for modes and other attributes of models."""


Values = Sequence[object]
P = ParamSpec("P")
Q = ParamSpec("Q")
Result_co = TypeVar("Result_co", covariant=True)
Owner = TypeVar("Owner")


class CompiledFunction(Generic[P, Result_co]):
    """A function that becomes a NumPy program for each signature it is called with.

    Made by `am.compile`.

    Attributes:
        function: what was compiled.
        refusal: why it cannot be compiled, if that was found and did not raise; else None.
    """

    guarded_attributes = ("function",)

    def __init__(
        self,
        function: Callable[P, Result_co],
        keep_grads: bool = False,
        lenient: bool = False,
        check: bool = False,
    ) -> None:
        """Begin without a program.

        Args:
            function: what is compiled.
            keep_grads: whether `.grad` of the leaves has the gradients after a call.
            check: whether each call is compared with the function.
            lenient: whether a function that cannot be compiled runs as it is, after a warning,
                instead of raising: so it is where the library compiles without being asked.
        """
        update_wrapper(self, function, updated=())
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self._keep_grads = keep_grads
        self._lenient = lenient
        self._checks = check
        self._due = range(1, 10**9) if check else DUE
        self.refusal: Exception | None = None
        self._patience = Patience(self.name)
        self._entries: OrderedDict[Key, list[CacheEntry]] = OrderedDict()
        self._first_traces: dict[Key, FirstTrace] = {}
        self._last: CacheEntry | None = None
        self._suspects: list[Condition] = []
        self._rewritten: str | None = None
        self._ignored: dict[Any, Any] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result_co:
        """Call the function: eagerly twice for a new signature, then as a program.

        It is called as it is inside a transform, inside another compiled function, and under
        another recorder, as that of `am.debug()`.

        Raises:
            CompileError: if the first two calls recorded different programs.
            ConversionError: if the function reads a value that can change between calls.
        """
        found = context.get()[0]
        if (found is not None and found is not record_nothing) or tracing.get() is not None:
            return self.function(*args, **kwargs)
        if self.refusal is not None or as_it_is.get():
            return self.function(*args, **kwargs)
        entry = self._last
        if entry is not None and entry.values is not None and not kwargs:
            values = entry.values(args) if entry.recording is (found is None) else None
            captured = entry.guard.check() if values is not None else None
            if values is not None and captured is not None:
                if entry.tensors is not None and have_writers(entry.tensors()):
                    return self._in_turn(entry, values, args, kwargs)
                entry.left -= 1
                if not entry.left:
                    entry.left += 1
                    return self._replay(entry, values, captured, args, kwargs)
                if entry.direct is not None:  # a training step, without the detours
                    try:
                        y = entry.direct((*values, *captured))[0]
                    except VARYING:  # which is raised again, and sorted out, below
                        if entry.executable.draws:
                            raise
                    else:
                        for x in entry.forgotten:
                            x.grad = None
                        return leaf(y)  # type: ignore[return-value]  # as the function did
                return self._run_or_call(entry, (*values, *captured), args, kwargs)
        return self._lookup(args, kwargs)

    def __reduce__(self) -> str | tuple[object, ...]:
        """Copy and pickle like the function: a copy is compiled anew."""
        found: Any = sys.modules.get(getattr(self.function, "__module__", None) or "")
        path = getattr(self.function, "__qualname__", "<")
        for part in path.split("."):
            found = getattr(found, part, None)
        if found is self:
            return path
        return CompiledFunction, (self.function, self._keep_grads, self._lenient, self._checks)

    @overload
    def __get__(self, owner: None, kind: type) -> CompiledFunction[P, Result_co]: ...
    @overload
    def __get__(
        self: CompiledFunction[Concatenate[Owner, Q], Result_co],
        owner: Owner,
        kind: type | None = None,
    ) -> Callable[Q, Result_co]: ...
    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        """Bind to an object, so that methods can be compiled."""
        return self if owner is None else MethodType(self, owner)

    @property
    def _eager(self) -> Callable[..., Result_co]:
        """The function, for arguments that a signature was made of."""
        return self.function

    # ── finding and running a program ────────────────────────────────────────────────────────
    def _lookup(self, args: Args, kwargs: Kwargs) -> Result_co:
        """Find the entry of a call's signature and replay it; trace if there is none."""
        key, leaves = arguments.call_signature(args, kwargs)
        key = (is_recording(), *key)
        if arguments.is_differentiated(leaves):
            return self._eager(*args, **kwargs)
        for entry in self._entries.get(key, ()):
            captured = entry.guard.check()
            if captured is not None:
                self._entries.move_to_end(key)
                self._last = entry
                values = arguments.argument_values(leaves)
                if entry.tensors is not None and have_writers(entry.tensors()):
                    return self._in_turn(entry, values, args, kwargs)
                return self._replay(entry, values, captured, args, kwargs)
        self._note_changes(key)
        if self._patience.is_over(key):
            return self._eager(*args, **kwargs)
        call = Call(self._eager, self.name, args, kwargs, leaves, self._keep_grads)
        try:
            return run_uncollected(lambda: self._trace_and_compile(key, call))
        except (CompileError, ConversionError, UnsupportedError) as error:
            if not self._lenient:
                raise
            self._refuse(error)
        return self._eager(*args, **kwargs)

    def _replay(
        self, entry: CacheEntry, values: Values, captured: Values, args: Args, kwargs: Kwargs
    ) -> Result_co:
        """Run a program; run the function too if this call is checked."""
        if not entry.is_due():
            return self._run_or_call(entry, [*values, *captured], args, kwargs)

        def run() -> Result_co:
            read = entry.guard.check()
            if read is None:  # another thread has changed something since
                return self._eager(*args, **kwargs)
            check = Check(entry.executable, entry.result, [*values, *read])
            answer = check.run(self._eager, args, kwargs)
            if check.difference is not None:
                place = check.locate_difference(
                    lambda tracer: trace_again(tracer, self._eager, args, kwargs)
                )
                self._fall_back(entry, f"{check.difference}. They part at {place}")
            return answer

        return entry.executable.run_in_turn(run)

    def _in_turn(self, entry: CacheEntry, values: Values, args: Args, kwargs: Kwargs) -> Result_co:
        """Read captured tensors and replay, while no other program changes them."""
        executable = entry.executable

        def turn() -> Turn:
            tensors = entry.tensors() if entry.tensors is not None else ()
            return turn_of([*executable.program.leaves.values(), *tensors], False, executable)

        def run() -> Result_co:
            captured = entry.guard.check()
            if captured is None:
                return self._lookup(args, kwargs)
            return self._replay(entry, values, captured, args, kwargs)

        return run_in_turn(turn, self.name, run)

    def _fall_back(self, entry: CacheEntry, difference: str) -> None:
        """Call the function as it is from now on, since its program differs from it."""
        for key, entries in self._entries.items():
            if entry in entries:
                entries.remove(entry)
                self._patience.stop_tracing(key)
        self._last = None
        warn_user(
            f"{self.name} and its program computed different results: {difference}. What the "
            "function computed stands, and from now on it runs as it is. It may depend on "
            "something that a trace cannot see, as a clock or a file; else this is a fault of "
            "autograd_mini"
        )

    def _run_or_call(
        self, entry: CacheEntry, values: Values, args: Args, kwargs: Kwargs
    ) -> Result_co:
        """Run a program. If it raises, call the function, which may catch the error."""
        try:
            return self._run_program(entry, values, args, kwargs)
        except VARYING as error:
            if entry.executable.draws:
                raise
            failure = error
        try:
            return entry.result.result_of_call(self._eager(*args, **kwargs))
        except Exception as error:
            if isinstance(failure, type(error)):  # the same, with more advice
                raise failure from None
            raise

    def _run_program(
        self, entry: CacheEntry, values: Values, args: Args, kwargs: Kwargs
    ) -> Result_co:
        executable, result = entry.executable, entry.result
        if result.differentiable and not executable.changes and is_recording():
            if executable.draws:  # a gradient must see the numbers that were drawn
                return self._eager(*args, **kwargs)
            if entry.replay is None:
                entry.replay = ProgramOperation(executable, result.wanted)
            return result.wrap_outputs(entry.replay.record(values))
        return result.wrap_outputs(executable(values))

    # ── tracing ──────────────────────────────────────────────────────────────────────────────
    def _note_changes(self, key: Key) -> None:
        """Note what has changed, so that no program of a key holds.

        What only foreign code reads may not matter. A change of elements may not matter either.
        """
        entries = self._entries.get(key, ())
        failing = [c for entry in entries for c in entry.guard.conditions if not c.holds()]
        self._suspects = [c for c in failing if c.foreign]
        self._rewritten = next((c.label for c in failing if c.has_new_content()), None)

    def _refuse(self, error: Exception) -> None:
        """Call the function as it is from now on; warn if it could not be guarded."""
        self.refusal = error
        self._first_traces.clear()
        if isinstance(error, CompileError):
            warn_user(f"{self.name} runs as it is, and not as a program. {error}")

    def _trace_and_compile(self, key: Key, call: Call[Result_co]) -> Result_co:
        """Trace a call: the first one of a signature, or the second one, which is compiled."""
        self._patience.traces += 1
        first = self._first_traces.pop(key, None)
        known = [entry.executable.recorded for entry in self._entries.get(key, ())]
        cleared = leaves_with_gradients([*known, first.recorded] if first else known)
        call = call._replace(cleared=cleared)
        if first is None:
            self._patience.note_fresh_arguments(key, call, self._first_traces)
            return self._trace_first(key, call)
        first.clear(cleared)
        failing = first.first_failing(content=False)
        if failing is not None:
            self._patience.note_unsteady(key, failing.label)
            return self._trace_first(key, call)
        return self._trace_second(key, call, first)

    def _trace_first(self, key: Key, call: Call[Result_co]) -> Result_co:
        """Carry out the first call of a signature, and keep what it recorded."""
        answer, first = trace_first_call(call, strict=not self._lenient)
        self._ignore_what_does_not_matter(key, first)
        if self._rewritten is not None and self._reuse_program(key, call, first):
            return answer
        self._first_traces[key] = first
        if len(self._first_traces) > CACHED:
            del self._first_traces[next(iter(self._first_traces))]
        return answer

    def _trace_second(self, key: Key, call: Call[Result_co], first: FirstTrace) -> Result_co:
        """Carry out the second call of a signature, and keep the program if it was compiled."""
        if first.unobserved is not None:
            self._refuse(first.unobserved)
            return self._eager(*call.args, **call.kwargs)
        if first.refusal is not None:
            raise CompileError(f"{first.refusal}. This call changed nothing") from first.refusal
        outcome = compile_call(call, first, self._refuse if self._lenient else None)
        if outcome.is_outdated:
            self._patience.traces -= 1
        if self.refusal is not None:
            return outcome.answer
        if outcome.changed is not None:
            self._patience.note_unsteady(key, outcome.changed.label, 2)
        elif outcome.executable is not None:
            self._add_entry(key, call, outcome.executable, outcome.first)
        else:
            assert outcome.refusal is not None
            self._first_traces[key] = outcome.first
            self._patience.note_unsteady(key, outcome.refusal)
        return outcome.answer

    # ── the programs of a signature ──────────────────────────────────────────────────────────
    def _ignore_what_does_not_matter(self, key: Key, first: FirstTrace) -> None:
        """Drop conditions of a trace that were seen to change without another program."""
        if self._suspects and self._entry_like(key, first) is not None:
            self._ignored |= {c.place: c for c in self._suspects}  # which keeps what the ids are of
        first.conditions = [
            c for c in first.conditions if not c.foreign or c.place not in self._ignored
        ]

    def _entry_like(self, key: Key, first: FirstTrace) -> CacheEntry | None:
        """Return the entry with the program that a trace recorded, or None."""
        entries = self._entries.get(key, ())
        return next((e for e in entries if is_same_program(e.first, first)), None)

    def _reuse_program(self, key: Key, call: Call[object], first: FirstTrace) -> bool:
        """Keep a program for the elements that an array has now, if they make the same program.

        One call that recorded the same is enough: two calls have recorded this program before.
        """
        known = self._entry_like(key, first)
        if (
            known is None
            or first.refusal is not None
            or first.first_failing(after=True) is not None
        ):
            return False
        if known.replays < WASTED:
            self._patience.note_unsteady(key, f"the content of {self._rewritten}")
        self._patience.programs -= 1
        self._add_entry(key, call, known.executable, first)
        self._entries[key].remove(known)
        return True

    def _add_entry(
        self, key: Key, call: Call[object], executable: Executable, first: FirstTrace
    ) -> None:
        """Keep a program. If there are too many, drop the least recently used one."""
        read = arguments.make_fast_reader(call.args, call.kwargs)
        entry = CacheEntry(executable, first, read, self._due)
        self._patience.programs += 1
        entries = self._entries.setdefault(key, [])
        if self._suspects:
            entries[:] = [e for e in entries if not is_same_program(e.first, first)]
        entries.append(entry)
        if len(entries) > ALTERNATIVES:
            del entries[0]
        self._entries.move_to_end(key)
        self._last = entry
        if len(self._entries) > CACHED:
            self._entries.popitem(last=False)
            self._patience.note_dropped_signature()
        first.release()

    # ── what it became ───────────────────────────────────────────────────────────────────────
    @property
    def _executable(self) -> Executable:
        if self._last is None:
            raise CompileError(
                f"{self.name} has not been compiled yet: that happens at the second call with "
                "arguments of the same shapes"
            )
        return self._last.executable

    @property
    def given_up(self) -> str | None:
        """Why a signature is no longer traced, or None."""
        return self._patience.given_up

    @property
    def wasted_traces(self) -> int:
        """How many calls were traced that led to no program, by now."""
        return self._patience.wasted_traces - len(self._first_traces)

    @property
    def program(self) -> Program:
        """The program of the last call's signature, after the passes."""
        return self._executable.program

    @property
    def recorded(self) -> Program:
        """The program as it was recorded, before the passes."""
        return self._executable.recorded

    @property
    def source(self) -> str:
        """The program as Python source, which needs NumPy alone."""
        return self._executable.source.text

    @property
    def memory(self) -> int:
        """The planned peak of the working memory, in bytes: buffers that calls share."""
        return self._executable.source.plan.size

    @property
    def graph(self) -> Graph:
        """The program as a graph of operations, without numbers."""
        return graph_of(self.program)

    @property
    def recorded_graph(self) -> Graph:
        """The program before the passes, as a graph."""
        return graph_of(self.recorded)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the program as a Python file that needs NumPy alone, its arrays beside it.

        `step, state = load()` in that file gives the step, and a dict of what it keeps: parameters,
        the optimizer's state, captured arrays. Random generators go on from their present state.

        Raises:
            CompileError: if it calls something that has no source, as an `am.primitive`.
        """
        executable = self._executable
        assert self._last is not None
        executable.save(path, self._last.guard.read())

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        """Show the picture in a notebook."""
        from ..display import mimebundle

        return mimebundle(self)

    def __repr__(self) -> str:
        count = len(self._entries)
        return f"<compiled {show_text(self.name)}, {count} signature{'s' * (count != 1)}>"


@overload
def compile(
    function: Callable[P, Result_co], *, keep_grads: bool = False, check: bool = False
) -> CompiledFunction[P, Result_co]: ...
@overload
def compile(
    *, keep_grads: bool = False, check: bool = False
) -> Callable[[Callable[P, Result_co]], CompiledFunction[P, Result_co]]: ...
def compile(function: Any = None, *, keep_grads: bool = False, check: bool = False) -> Any:
    """Make a function that is recorded once and then runs as an optimized NumPy program.

    It is a decorator too, with options or without: `@am.compile(keep_grads=True)`.

    The first two calls with arguments of the same structure, shapes and dtypes run eagerly while
    their operations are noted. If both recorded the same, later calls replay the program. The
    function may be a pure function, `grad(f)`, or a whole training step: `backward()`,
    `optimizer.step()` and assignments to tensors are carried out at each call, and random draws of
    `am.random` advance.

    Args:
        function: a function of arrays, tensors and floats, which may change between calls, and of
            static arguments, for each of which a program is made: integers, booleans, text, models.
        keep_grads: whether `.grad` of the leaves has the gradients after a call; by default it is
            None then.
        check: whether each call computes the program and the function, compares them, and warns
            where they differ; else the first replay of each program does, the 10th, the 100th and
            the 1,000th.

    Raises:
        CompileError: at the second call, if the function depends on something that changes and
            is not an argument: an array, a number, a counter, `rng.random()`.
        ConversionError: at the first call, if the function reads a value: `if x > 0`,
            `float(x)`.

    >>> import numpy as np, autograd_mini as am
    >>> w = am.tensor([1.0, 2.0], requires_grad=True, name="w")
    >>> optimizer = am.optim.SGD([w], lr=0.5)
    >>> @am.compile
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     loss = np.sum((w - x) ** 2)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> [step(np.array([3.0, 3.0])).item() for _ in range(4)]
    [5.0, 0.0, 0.0, 0.0]
    """
    if function is None:
        return partial(compile, keep_grads=keep_grads, check=check)
    if not callable(function):
        raise OperandError(f"am.compile takes a function, got {function!r:.60}")
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        raise OperandError(
            f"am.compile takes a function that returns what it computed, and {function!r:.60} is "
            "a generator or a coroutine; compile the function that does the work of one turn"
        )
    return CompiledFunction(function, keep_grads, check=check)
