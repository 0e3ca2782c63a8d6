"""compile(): a function is recorded twice, compared, and then replayed as a NumPy program."""

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
from ..core.record import evaluate, is_recording
from ..core.sites import warn_user
from ..core.tensor import leaf
from ..core.visible import show_text
from ..errors import CompileError, ConversionError, OperandError, UnsupportedError
from .arguments import (
    Key,
    argument_names,
    argument_values,
    is_differentiated,
    is_value,
    make_fast_reader,
    rebuild_arguments,
    refuse_changed_containers,
    signature_of,
    snapshot_containers,
)
from .check import DUE, VARYING, Check, as_it_is
from .comparison import refuse_dynamic_shapes
from .differentiation import Replay
from .entries import CURE, CacheEntry, FirstTrace, is_same_program, leaves_with_gradients
from .executable import Executable
from .graphs import graph_of
from .guards import Condition
from .locks import Turn, have_writers, run_in_turn, turn_of
from .observe import Observer
from .passes import optimize_program
from .passes.cleanup import eliminate_dead_code
from .program import Program
from .results import Result
from .trace import Tracer
from .tracing import call_traced, run_uncollected, undo_if_refused
from .variables import name_variables

CACHED: Final = 32
"""How many signatures are kept; the least recently used goes first."""
ALTERNATIVES: Final = 16
"""How many programs are kept for one signature, for modes and other attributes of models."""
WASTED: Final = 16
"""After so many traces in vain there is a warning."""
THRASHING: Final = 8
"""After so many signatures have been dropped there is a warning."""


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
        given_up: why a signature is no longer traced, or None.
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
                instead of raising; nobody has asked to compile it.
        """
        update_wrapper(self, function, updated=())
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self._keep_grads = keep_grads
        self._lenient = lenient
        self._checks = check
        self._due = range(1, 10**9) if check else DUE
        self.refusal: Exception | None = None
        self.given_up: str | None = None
        self._entries: OrderedDict[Key, list[CacheEntry]] = OrderedDict()
        self._trials: dict[Key, FirstTrace] = {}
        self._last: CacheEntry | None = None
        self._dropped = self._traces = self._programs = 0
        self._unsteady: dict[Key, int] = {}
        self._missed: Key | None = None
        self._fresh = False
        self._suspects: list[Condition] = []
        self._rewritten: str | None = None
        self._ignored: dict[Any, Any] = {}

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Result_co:
        """Call the function: eagerly twice for a new signature, then as a program.

        Inside of a transform, of another compiled function or under a recorder of its own it is
        called as it is.

        Raises:
            CompileError: if the two first calls recorded different programs.
            ConversionError: if the function looks at a value that may differ from call to call.
        """
        found = context.get()[0]
        if (found is not None and found is not evaluate) or tracing.get() is not None:
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

    def __reduce__(self) -> Any:
        """Copy and pickle as what it compiles does: programs are made anew."""
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

    def _lookup(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Find the entry of a call's signature, or trace."""
        key, leaves = signature_of(args, kwargs)
        key = (is_recording(), *key)
        if is_differentiated(leaves):
            return self.function(*args, **kwargs)
        for entry in self._entries.get(key, ()):
            captured = entry.guard.check()
            if captured is not None:
                self._entries.move_to_end(key)
                self._last = entry
                values = argument_values(leaves)
                if entry.tensors is not None and have_writers(entry.tensors()):
                    return self._in_turn(entry, values, args, kwargs)
                return self._replay(entry, values, captured, args, kwargs)
        self._note_changes(key)
        again, self._missed = key == self._missed, key
        if (self._fresh and not again) or self._unsteady.get(key, 0) >= WASTED:
            return self.function(*args, **kwargs)
        return self._trace_or_call(key, leaves, args, kwargs)

    def _replay(
        self,
        entry: CacheEntry,
        values: Sequence[Any],
        captured: Sequence[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Run a program, and the function as well if this call is to be checked."""
        if not entry.is_due():
            return self._run_or_call(entry, [*values, *captured], args, kwargs)

        def run() -> Any:
            read = entry.guard.check()
            if read is None:  # another thread has changed something since
                return self.function(*args, **kwargs)
            check = Check(entry, [*values, *read])
            answer = check.run(self.function, args, kwargs)
            if check.difference is not None:
                place = check.locate_difference(
                    lambda tracer: self._trace_again(tracer, args, kwargs)
                )
                self._fall_back(entry, f"{check.difference}. They part at {place}")
            return answer

        return entry.executable.run_in_turn(run)

    def _in_turn(
        self,
        entry: CacheEntry,
        values: Sequence[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Read captured tensors, and replay, while no program changes one of them."""
        variant = entry.executable

        def turn() -> Turn:
            tensors = entry.tensors() if entry.tensors is not None else ()
            return turn_of([*variant.program.leaves.values(), *tensors], False, variant)

        def run() -> Any:
            captured = entry.guard.check()
            if captured is None:
                return self._lookup(args, kwargs)
            return self._replay(entry, values, captured, args, kwargs)

        return run_in_turn(turn, self.name, run)

    def _trace_again(self, tracer: Tracer, args: Any, kwargs: Any) -> None:
        """Call the function while a tracer looks on, to see where it parts from its program."""
        _, leaves = signature_of(args, kwargs)
        bound = [tracer.stand_in(x, None) if is_value(x) else x for x in leaves]
        own_args, own_kwargs = rebuild_arguments(args, kwargs, bound)
        call_traced(tracer, lambda: self.function(*own_args, **own_kwargs), is_recording())

    def _fall_back(self, entry: CacheEntry, difference: str) -> None:
        """Run the function as it is from now on, where a program was not the same."""
        for key, entries in self._entries.items():
            if entry in entries:
                entries.remove(entry)
                self._unsteady[key] = WASTED
        self._last = None
        warn_user(
            f"{self.name} and its program computed different results: {difference}. What the "
            "function computed stands, and from now on it runs as it is. It may depend on "
            "something that a trace cannot see, as a clock or a file; else this is a fault of "
            "autograd_mini"
        )

    def _run_or_call(self, entry: CacheEntry, values: Sequence[Any], args: Any, kwargs: Any) -> Any:
        """Run a program; where it raises, call the function, which may catch the error."""
        try:
            return self._run_program(entry, values, args, kwargs)
        except VARYING as error:
            if entry.executable.draws:
                raise
            failure = error
        try:
            return entry.result.result_of_call(self.function(*args, **kwargs))
        except Exception as error:
            if isinstance(failure, type(error)):  # the same, with more advice
                raise failure from None
            raise

    def _run_program(self, entry: CacheEntry, values: Sequence[Any], args: Any, kwargs: Any) -> Any:
        variant, result = entry.executable, entry.result
        if result.differentiable and not variant.changes and is_recording():
            if variant.draws:  # a gradient must see the numbers that were drawn
                return self.function(*args, **kwargs)
            if entry.replay is None:
                entry.replay = Replay(variant, result.wanted)
            return result.wrap_outputs(entry.replay.record(values))
        return result.wrap_outputs(variant(values))

    def _trace_or_call(
        self, key: Key, leaves: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Trace a call; if that cannot be and nobody has asked for it, call the function."""
        try:
            return run_uncollected(lambda: self._trace_and_compile(key, leaves, args, kwargs))
        except (CompileError, ConversionError, UnsupportedError) as error:
            if not self._lenient:
                raise
            self._refuse(error)
        return self.function(*args, **kwargs)

    def _note_changes(self, key: Key) -> None:
        """Note what has changed, so that no program of a key holds.

        What only others' code reads may not matter. The elements of arrays may be all.
        """
        entries = self._entries.get(key, ())
        failing = [c for entry in entries for c in entry.guard.conditions if not c.holds()]
        self._suspects = [c for c in failing if c.foreign]
        self._rewritten = next((c.label for c in failing if c.has_new_content()), None)

    def _refuse(self, error: Exception) -> None:
        """Note that the function runs as it is from now on; warn, if it could not be guarded."""
        self.refusal = error
        self._trials.clear()
        if isinstance(error, CompileError):
            warn_user(f"{self.name} runs as it is, and not as a program. {error}")

    def _trace_and_compile(
        self, key: Key, leaves: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call the function eagerly and note what it does; compile it at the second call."""
        self._traces += 1
        trial = self._trials.pop(key, None)
        cleared = leaves_with_gradients(x.recorded for x in self._known_programs(key, trial))
        if trial is None:
            self._warn_of_fresh_arguments(key, args, kwargs)
            return self._trace_first(key, leaves, args, kwargs, cleared)
        trial.clear(cleared)
        failing = trial.first_failing_but_content()
        if failing is not None:
            self._note_unsteady(key, failing.label)
            return self._trace_first(key, leaves, args, kwargs, cleared)
        return self._confirm_and_compile(trial, key, leaves, args, kwargs, cleared)

    def _trace_first(
        self,
        key: Key,
        leaves: list[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        cleared: set[int],
    ) -> Any:
        """Carry out the first call of a signature, and keep what it recorded on trial."""
        tracer = Tracer(Observer())
        with undo_if_refused(tracer, cleared=not self._lenient):
            tree, result, recorded, program = self._trace(tracer, key, leaves, args, kwargs)
            answer = result.result_of_trace(tree, bool(recorded.updates))
        del tree
        roots = [self.function, *(x for x in leaves if not is_value(x))]
        trial = FirstTrace(tracer, recorded, program, result, roots, cleared)
        self._ignore_what_does_not_matter(key, trial)
        if self._rewritten is not None and self._reuse_program(
            key, trial, make_fast_reader(args, kwargs)
        ):
            return answer
        self._trials[key] = trial
        if len(self._trials) > CACHED:
            del self._trials[next(iter(self._trials))]
        return answer

    def _ignore_what_does_not_matter(self, key: Key, trial: FirstTrace) -> None:
        """Forget conditions of which it is seen that a change makes no other program."""
        if self._suspects and any(
            is_same_program(e.trial, trial) for e in self._entries.get(key, ())
        ):
            self._ignored |= {c.place: c for c in self._suspects}  # which keeps what the ids are of
        trial.conditions = [
            c for c in trial.conditions if not c.foreign or c.place not in self._ignored
        ]

    def _reuse_program(self, key: Key, trial: FirstTrace, values: Any) -> bool:
        """Let a program go on with the elements that an array has now, if they make the same one.

        A call that recorded the same is enough: the program is one that two calls have recorded.
        """
        known = next(
            (e for e in self._entries.get(key, ()) if is_same_program(e.trial, trial)), None
        )
        if (
            known is None
            or trial.refusal is not None
            or trial.first_failing(after=True) is not None
        ):
            return False
        if known.replays < WASTED:
            self._note_unsteady(key, f"the content of {self._rewritten}")
        self._programs -= 1
        self._add_entry(key, CacheEntry(known.executable, trial, values, self._due))
        self._entries[key].remove(known)
        trial.release()
        return True

    def _confirm_and_compile(
        self,
        trial: FirstTrace,
        key: Key,
        leaves: list[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        cleared: set[int],
    ) -> Any:
        """Carry out the second call, which must record the same; compile what both recorded.

        If the first call changed what it reads, as one that builds something when it is needed,
        another second call is waited for.
        """
        if trial.unobserved is not None:
            self._refuse(trial.unobserved)
            return self.function(*args, **kwargs)
        if trial.refusal is not None:
            raise CompileError(f"{trial.refusal}. This call changed nothing") from trial.refusal
        before = trial.present_state()
        moved = trial.changed or trial.others_changed or trial.has_new_content()
        tracer = Tracer(Observer() if moved else None, lines=moved)
        tracer.watched, tracer.names = trial.watched(before.objects)
        with undo_if_refused(tracer, cleared=not self._lenient):
            tree, result, recorded, program = self._trace(tracer, key, leaves, args, kwargs)
            refusal = trial.difference(tracer, program, result, before)
            if refusal is not None:
                settled = trial.first_failing_but_content(after=True) is None
                if moved and settled:
                    self._traces -= 1  # what was recorded first was of another state
                elif self._lenient:  # the call was carried out
                    self._refuse(refusal)
                else:
                    raise refusal
            answer = result.result_of_trace(tree, bool(recorded.updates))
        del tree
        if self.refusal is not None:
            return answer
        failing = trial.changed_since(before.found) if refusal is None else None
        if moved:
            roots = [self.function, *(x for x in leaves if not is_value(x))]
            trial = FirstTrace(tracer, recorded, program, result, roots, cleared)
            refusal = refusal or trial.refusal
        if refusal is None:
            trial.free_contents(tracer.proven, tracer.names)
        if failing is not None:
            self._note_unsteady(key, failing.label, 2)
        elif refusal is None:
            name_variables(trial.recorded)
            variant = Executable(trial.recorded, optimize_program(trial.program), self.name)
            self._add_entry(
                key, CacheEntry(variant, trial, make_fast_reader(args, kwargs), self._due)
            )
            trial.release()
        else:
            self._trials[key] = trial
            self._note_unsteady(key, refusal)
        return answer

    def _trace(
        self,
        tracer: Tracer,
        key: Key,
        leaves: list[Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> tuple[Any, Result, Program, Program]:
        """Call the function while a tracer looks on.

        Returns:
            what it returned, how that is made of a program's outputs, the program, and that without
            dead code.
        """
        names = argument_names(self.function, args, kwargs)
        bound = [
            tracer.stand_in(x, name) if is_value(x) else x
            for x, name in zip(leaves, names, strict=True)
        ]
        own_args, own_kwargs = rebuild_arguments(args, kwargs, bound)
        before = snapshot_containers((own_args, own_kwargs))
        tree = call_traced(tracer, lambda: self.function(*own_args, **own_kwargs), is_recording())
        refuse_changed_containers(before)
        result = Result(tree, tracer, self._keep_grads)
        recorded = tracer.program(self.name, result.outputs)
        result.mark_tensors(tracer, recorded)
        program = eliminate_dead_code(recorded)
        refuse_dynamic_shapes(recorded)
        result.check_gradients(program)
        return tree, result, recorded, program

    def _note_unsteady(self, key: Key, cause: str | CompileError, traces: int = 1) -> None:
        """Note that something that is read was another one; after many traces, warn and give up."""
        before = self._unsteady.get(key, 0)
        self._unsteady[key] = before + traces
        if before < WASTED <= before + traces:
            why = cause
            if isinstance(cause, str):
                why = f"{cause} is another one each time; {CURE}"
            self.given_up = f"traced at each call and never compiled, since {why}"
            warn_user(f"{self.name} is {self.given_up}. From now on it runs as it is")

    def _warn_of_fresh_arguments(
        self, key: Key, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Warn if each call has a static argument of its own, and stop to trace such calls."""
        if self._fresh or self._traces - 2 * self._programs < CACHED + WASTED:
            return
        self._fresh = True
        names = argument_names(self.function, args, kwargs)
        places = [
            place
            for place, kind in enumerate(key[2:])
            if any(place + 2 < len(other) and other[place + 2] != kind for other in self._trials)
        ]
        varying = ", ".join(dict.fromkeys(names[place] for place in places if place < len(names)))
        self._trials.clear()
        warn_user(
            f"{self.name} was traced {self._traces} times and hardly ever compiled, since "
            f"{varying or 'the structure of its arguments'} is another one at each call, and each "
            "one would make another program; give numbers that change as floats or arrays. From "
            "now on it runs as it is, but for arguments that come twice in a row"
        )

    def _known_programs(self, key: Key, trial: FirstTrace | None) -> list[FirstTrace | Executable]:
        """Return what was recorded for a signature."""
        found: list[FirstTrace | Executable] = [
            entry.executable for entry in self._entries.get(key, ())
        ]
        return [*found, trial] if trial is not None else found

    def _add_entry(self, key: Key, entry: CacheEntry) -> None:
        """Keep an entry; drop the one that was not used for longest if there are too many."""
        self._programs += 1
        entries = self._entries.setdefault(key, [])
        if self._suspects:
            entries[:] = [e for e in entries if not is_same_program(e.trial, entry.trial)]
        entries.append(entry)
        if len(entries) > ALTERNATIVES:
            del entries[0]
        self._entries.move_to_end(key)
        self._last = entry
        if len(self._entries) <= CACHED:
            return
        self._entries.popitem(last=False)
        self._dropped += 1
        if self._dropped == THRASHING:
            warn_user(
                f"{self.name} was compiled for {CACHED + THRASHING} signatures, and each new one "
                "costs two eager calls; give it arrays of fewer shapes (a last batch of the same "
                "size), and numbers that change as floats or arrays instead of integers"
            )

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
    def wasted_traces(self) -> int:
        """How many calls were traced that led to no program, by now."""
        return self._traces - 2 * self._programs - len(self._trials)

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
        variant = self._executable
        assert self._last is not None
        variant.save(path, self._last.guard.read())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
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
    their operations are noted; if both recorded the same, later calls replay the program. It may
    be a pure function, `grad(f)`, or a whole training step: `backward()`, `optimizer.step()` and
    assignments to tensors are carried out at each call, random draws of `am.random` advance.

    Args:
        function: of arrays, tensors, floats (these may differ from call to call), and of static
            arguments, each of which makes a program of its own: integers, booleans, text, models.
        keep_grads: whether `.grad` of the leaves has the gradients after a call; by default it is
            None then.
        check: whether each call computes the program and the function, compares them, and warns
            where they differ; else the first replay of each program does, the 10th, the 100th and
            the 1,000th.

    Raises:
        CompileError: at the second call, if the function depends on something that changes and is
            no argument: an array, a number, a counter, `rng.random()`.
        ConversionError: at the first call, if the function looks at a value: `if x > 0`,
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
