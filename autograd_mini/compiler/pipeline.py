"""The pipeline: how two calls of a function become an executable. `compile_call` lists the stages.

The first call of a signature is only traced. The second one is traced too; if both recorded the
same, `compile_call` turns the trace into a program that runs without the function.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

from ..core.contexts import run_apart
from ..core.extraction import tracing
from ..core.record import Site, is_recording, record_nothing, recorder, variable_of
from ..errors import CompileError, ConversionError, UnsupportedError
from . import arguments
from .arguments import Args, Kwargs, Result, is_value
from .comparison import refuse_dynamic_shapes
from .entries import FirstTrace, TracedCall
from .executable import Executable
from .guards import Condition
from .memory import plan_memory
from .observe import Observer
from .passes import optimize_program
from .passes.cleanup import eliminate_dead_code
from .program import Program
from .source import write_module
from .trace import Tracer

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Call(NamedTuple, Generic[T_co]):
    """A call that is traced.

    Attributes:
        function: the user's function.
        name: of the function.
        args, kwargs: what it was called with.
        leaves: the leaves of the arguments, in order.
        keep_grads: whether the gradients of leaves are results too.
        cleared: ids of leaves that have a gradient before the call.
    """

    function: Callable[..., T_co]
    name: str
    args: Args
    kwargs: Kwargs
    leaves: list[object]
    keep_grads: bool
    cleared: Collection[int] = ()

    def roots(self) -> list[object]:
        """Return where the code begins: the function and the static arguments."""
        return [self.function, *(x for x in self.leaves if not is_value(x))]


class Outcome(NamedTuple, Generic[T_co]):
    """What the second call led to.

    Attributes:
        answer: what the call returns.
        first: the trace that waits for another call, or that was compiled.
        executable: the compiled program, or None if there is none.
        refusal: why the two calls did not record the same, or None.
        changed: a condition that the second call itself changed, or None.
        is_outdated: whether the first trace belongs to a state that is gone.
    """

    answer: T_co
    first: FirstTrace
    executable: Executable | None = None
    refusal: CompileError | None = None
    changed: Condition | None = None
    is_outdated: bool = False

    @property
    def is_confirmed(self) -> bool:
        """Whether two calls recorded the same program."""
        return self.refusal is None and self.changed is None


def compile_call(
    call: Call[T], first: FirstTrace, give_up: Callable[[Exception], None] | None = None
) -> Outcome[T]:
    """Carry out the second call of a signature, and compile it: all stages, in order.

    Args:
        call: the second call.
        first: what the first call recorded.
        give_up: is called with the error if the function cannot be compiled; the call still counts.
            None: the call is undone and the error is raised.

    Raises:
        CompileError: if the two calls did not record the same.
    """
    outcome = _trace_and_compare(call, first, give_up)  # 1. trace, 2. compare
    if not outcome.is_confirmed:
        return outcome
    recorded = outcome.first.recorded
    _name_variables(recorded)
    program = optimize_program(outcome.first.program)  # 3. passes
    plan = plan_memory(program)  # 4. memory
    source = write_module(program, plan, call.name)  # 5. source
    executable = Executable(recorded, program, source, call.name)  # 6. executable
    return outcome._replace(executable=executable)


def _trace_and_compare(
    call: Call[T], first: FirstTrace, give_up: Callable[[Exception], None] | None
) -> Outcome[T]:
    """Trace the second call, and compare it with the first one; arguments as for `compile_call`.

    The first call may change what it reads: it may build something that is needed later. Then the
    second trace takes the place of the first one, and waits for a third call.
    """
    before = first.present_state()
    moved = first.has_moved()
    tracer = Tracer(Observer() if moved else None, lines=moved)
    tracer.watched, tracer.names = first.watchable_arrays(before.objects)
    is_outdated = False
    with _undo_if_refused(tracer, cleared=give_up is None):
        second = _trace_call(call, tracer)
        refusal = first.difference(second, before)
        if refusal is not None:
            settled = first.first_failing(after=True, content=False) is None
            is_outdated = moved and settled
            if not is_outdated:
                if give_up is None:
                    raise refusal
                give_up(refusal)
        answer = second.answer()
    if refusal is not None and not is_outdated:
        return Outcome(answer, first, refusal=refusal)
    changed = first.changed_since(before.found) if refusal is None else None
    if moved:
        first = FirstTrace(second, call.roots(), call.cleared)
        refusal = refusal or first.refusal
    if refusal is None:
        first.free_contents(tracer.proven, tracer.names)
    return Outcome(answer, first, None, refusal, changed, is_outdated)


def trace_first_call(call: Call[T], strict: bool) -> tuple[T, FirstTrace]:
    """Carry out the first call of a signature; return its result, and what it recorded.

    Args:
        call: the call.
        strict: whether gradients come back if the call cannot be traced and is undone.
    """
    tracer = Tracer(Observer())
    with _undo_if_refused(tracer, cleared=strict):
        recording = _trace_call(call, tracer)
        answer = recording.answer()
    return answer, FirstTrace(recording, call.roots(), call.cleared)


# ── tracing one call ─────────────────────────────────────────────────────────────────────────────
def _trace_call(call: Call[T], tracer: Tracer) -> TracedCall:
    """Call the function with stand-ins of its arguments, while a tracer notes its operations.

    Raises:
        CompileError, UnsupportedError: if what was recorded cannot become a program.
    """
    names = arguments.argument_leaf_names(call.function, call.args, call.kwargs)
    args, kwargs = _stand_in(call.leaves, names, call.args, call.kwargs, tracer)
    before = arguments.snapshot_containers((args, kwargs))
    tree = call_traced(tracer, lambda: call.function(*args, **kwargs), is_recording())
    arguments.refuse_changed_containers(before)
    result = Result(tree, tracer, call.keep_grads)
    recorded = tracer.program(call.name, result.outputs)
    result.mark_tensors(tracer, recorded)
    program = eliminate_dead_code(recorded)
    refuse_dynamic_shapes(recorded)
    result.check_gradients(program)
    return TracedCall(tracer, result, recorded, program)


def trace_again(
    tracer: Tracer, function: Callable[..., object], args: Args, kwargs: Kwargs
) -> None:
    """Trace a function once more, to see where it differs from its program."""
    _, leaves = arguments.call_signature(args, kwargs)
    args, kwargs = _stand_in(leaves, [None] * len(leaves), args, kwargs, tracer)
    call_traced(tracer, lambda: function(*args, **kwargs), is_recording())


def _stand_in(
    leaves: list[object], names: Sequence[str | None], args: Args, kwargs: Kwargs, tracer: Tracer
) -> tuple[Args, Kwargs]:
    """Return arguments with tensors in place of the values among them."""
    pairs = zip(leaves, names, strict=True)
    bound = [tracer.stand_in(x, name) if is_value(x) else x for x, name in pairs]
    return arguments.rebuild_arguments(args, kwargs, bound)


def call_traced(tracer: Tracer, function: Callable[[], T], recording: bool) -> T:
    """Run a function while a tracer notes its operations; without `recording` as in no_grad.

    Raises:
        ConversionError, UnsupportedError: if the trace could not go on, even if the function caught
            the error.
    """

    def run() -> T:
        tracing.set(tracer)
        with recorder(tracer.record if recording else record_nothing):
            return tracer.call_observed(function)

    try:
        result = run_apart(run)
    except BaseException as error:
        tracer.release_gradients()
        if tracer.refusal is None or not isinstance(error, Exception):
            raise
        raise tracer.refusal from error  # NumPy raises its own errors in place of ours
    refusal = tracer.refusal or tracer.failure
    if refusal is not None:
        tracer.release_gradients()
        raise refusal
    return result


def run_uncollected(function: Callable[[], T]) -> T:
    """Run a function without the cyclic garbage collector.

    A trace makes many objects that stay alive, and no cycles. To search them for cycles again and
    again takes longer than the trace.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return function()
    finally:
        if collects:
            gc.enable()


@contextmanager
def _undo_if_refused(tracer: Tracer, cleared: bool) -> Iterator[None]:
    """Undo a call in the block that cannot be traced; leave no recorded gradient."""
    try:
        yield
    except (CompileError, ConversionError, UnsupportedError):
        tracer.undo(cleared=cleared)
        raise
    except BaseException:
        tracer.release_gradients()
        raise


# ── names of values ──────────────────────────────────────────────────────────────────────────────
def _name_variables(program: Program) -> None:
    """Name each value after the variable to which the user's statement assigns it.

    A statement may record several operations, as `np.std` does. The last of them gets the name if
    the others lead to it alone and it returns one array. An operation of the backward pass gets
    none: its statement may assign a tuple. Passes may take an operation apart and drop what is not
    needed, so names come before all passes.
    """
    for place, run in groupby(program.instructions, key=lambda step: step.line):
        steps = list(run)
        made = [y for step in steps for y in step.results]
        taken = {x for step in steps for x in step.values}
        ends = [y for y in made if y not in taken]
        if type(place) is not Site or ends != made[-1:] or not ends or steps[-1].in_walk:
            continue
        ends[0].name = ends[0].name or variable_of(place)
