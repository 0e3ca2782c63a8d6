"""Comparison: may a trace become a program, and does that still compute what its function does?

A plain array, number or counter that changes between calls would be frozen at its first value. So
a function is traced twice. Where the traces differ, the function depends on something that a trace
cannot see. All shapes must be fixed.

Checked replays are the last safety net: a program and its function compute the same call, and are
compared. The program runs on separate memory; the function runs as it is. Their results, the
tensors that they change and the random numbers that they draw must be the same. The first replay of
each program is checked, the 10th, the 100th and the 1,000th. The function's results are kept, so a
checked call is always right. Side effects in Python, as printing, happen again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Final, NoReturn, TypeVar

import numpy as np

from ..core.arrays import Array
from ..core.contexts import run_apart, run_quietly
from ..core.tensor import Tensor
from ..errors import CompileError, UnsupportedError
from .arguments import Args, Kwargs, Result, leaves_in
from .executable import Executable
from .expressions import is_view
from .guards import content_of, has_same_bits, is_identical
from .program import Instruction, Operand, Program, Value
from .trace import Tracer

Answer = TypeVar("Answer")
CURE = (
    "make it an argument of the compiled function, or a tensor from outside of it that is changed "
    "with assign; draw random numbers with am.random"
)


def compare_programs(first: Program, second: Program) -> None:
    """Check that two traces, both without dead code, are one program.

    Raises:
        CompileError: naming the line and the cure, if they differ.
    """
    comparison = Comparison(first, second)
    for a, b in zip(first.instructions, second.instructions, strict=False):
        comparison.operation(a, b)
    if len(first.instructions) != len(second.instructions):
        longer = max(first, second, key=lambda p: len(p.instructions)).instructions
        extra = longer[min(len(first.instructions), len(second.instructions))]
        _raise_difference(extra, f"{extra.primitive.name} in one of them only")
    for x, y in zip(first.outputs, second.outputs, strict=True):
        comparison.operand(None, x, y)
    if len(first.updates) != len(second.updates):
        _raise_difference(
            None, f"{len(first.updates)} and {len(second.updates)} tensors are assigned"
        )
    for (leaf, x), (other, y) in zip(first.updates, second.updates, strict=True):
        comparison.operand(None, leaf, other)
        comparison.operand(None, x, y)


class Comparison:
    """Which values of two programs are known to be the same."""

    def __init__(self, first: Program, second: Program) -> None:
        self._first, self._second = first, second
        self._same: dict[Value, Value] = dict(zip(first.inputs, second.inputs, strict=True))
        ours = {id(tensor): v for v, tensor in first.leaves.items()}
        for v, tensor in second.leaves.items():
            if id(tensor) in ours:
                self._same[ours[id(tensor)]] = v

    def operation(self, a: Instruction, b: Instruction) -> None:
        """Check that two operations are the same."""
        if a.primitive is not b.primitive or len(a.operands) != len(b.operands):
            _raise_difference(
                a, f"{a.primitive.name} in the first, {b.primitive.name} in the second"
            )
        same = self._same
        for x, y in zip(a.operands, b.operands, strict=True):
            if type(x) is not Value or same.get(x) is not y:  # half the time of a further call
                self.operand(a, x, y)
        if a.params or b.params:
            _compare_params(a, b)
        for v, w in zip(a.results, b.results, strict=True):
            if v.shape != w.shape or (v.dtype is not w.dtype and v.dtype != w.dtype):
                _raise_difference(
                    a, f"a result of shape {v.shape} in the first, {w.shape} in the second"
                )
            same[v] = w

    def operand(self, at: Instruction | None, x: Operand, y: Operand) -> None:
        """Check that an operand, output or new value is the same one in both."""
        if type(x) is not Value or type(y) is not Value:
            self._compare_captured(at, "number", x, y)
            return
        known = self._same.get(x)
        if known is None and x in self._first.constants and y in self._second.constants:
            self._compare_captured(at, "plain value", x, y)
            self._same[x] = y
        elif known is not y:
            _raise_difference(at, f"another tensor in the place of {x.name or y.name or 'one'}")

    def _compare_captured(self, at: Instruction | None, kind: str, x: Operand, y: Operand) -> None:
        """Check that two numbers, or two captured arrays, are the same."""
        a = self._first.constants.get(x, x) if isinstance(x, Value) else x
        b = self._second.constants.get(y, y) if isinstance(y, Value) else y
        if not is_identical(a, b):
            a, b = _describe_captured(a), _describe_captured(b)
            _raise_difference(at, f"the {kind} {a} in the first, {b} in the second")


def _compare_params(a: Instruction, b: Instruction) -> None:
    """Check that two operations have the same parameters."""
    for name, value in a.params.items():
        other = b.params.get(name)
        if not is_identical(value, other):
            _raise_difference(
                a, f"{a.primitive.name} with {name}={value!r:.40} in the first, {other!r:.40} now"
            )


def _describe_captured(x: object) -> str:
    """Describe a captured value."""
    data = np.asarray(x)
    if data.size == 1:
        return repr(data.item())
    return f"of shape {data.shape}, {np.ravel(data)[:3]}…"


def _raise_difference(step: Instruction | None, what: str) -> NoReturn:
    """Raise: the two traces differ at an operation.

    Raises:
        CompileError: always.
    """
    place = "in what is returned or assigned"
    if step is not None:
        place = f"in {step.primitive.name}, at {step.line}"
    raise CompileError(
        f"compile: the first two calls recorded different programs, {place}: {what}. The function "
        f"depends on something that changes between calls and that a trace cannot see; {CURE}. "
        "The second call changed nothing"
    )


# ── shapes and dtypes that follow from values ─────────────────────────────────────────────────────
# A program has fixed shapes and dtypes, so what would change them is refused.
CHOSEN: Final = frozenset({"getitem", "scatter"})
"""Operations that take an index: of booleans, the number of elements depends on the values."""
EIGENVALUES: Final = frozenset({"eig", "eigvals"})
"""Of a real matrix they are real or complex, depending on its values."""


def refuse_dynamic_shapes(program: Program) -> None:
    """Refuse a program in which the shape or dtype of a result depends on values.

    The program must still have dead code: Python may have read the shape of a result that nothing
    else needs.

    Raises:
        UnsupportedError: naming the line and the cure.
    """
    for step in program.instructions:
        name = step.operation_name
        if name not in CHOSEN and name not in EIGENVALUES:
            continue
        kinds = [_varying_kind(x, program) for x in step.operands]
        if name in CHOSEN and "b" in kinds[1:]:
            raise UnsupportedError(
                f"compile: the index of booleans at {step.line} gives a result whose shape depends "
                "on their values, which can change between calls; use np.where(mask, x, 0), or "
                "where=mask of a reduction"
            )
        if name in EIGENVALUES and kinds not in (["c"], [None]):
            raise UnsupportedError(
                f"compile: the eigenvalues at {step.line} are real or complex, depending on the "
                "values of the matrix, which can change between calls; give a.astype(complex), or "
                "use eigvalsh or eigh if the matrix is symmetric"
            )


def _varying_kind(x: Operand, program: Program) -> str | None:
    """Return the kind of an operand's dtype; None if the operand never differs between calls."""
    return x.dtype.kind if type(x) is Value and x not in program.constants else None


DUE: Final = (1, 10, 100, 1000)
"""Which replays are checked."""
CLOSE: Final = {"f": {2: 1e-2, 4: 1e-4, 8: 1e-9, 16: 1e-9}, "c": {8: 1e-4, 16: 1e-9, 32: 1e-9}}
"""How far results may differ after a pass changed the order of sums, relative to the largest."""
VARYING: Final = (ArithmeticError, np.linalg.LinAlgError, ValueError, IndexError)
"""Errors that depend on values; the function may catch them."""
NOISY: Final = 30.0
"""So many times the effect of rounding its inputs a difference may have, and counts as rounding."""
as_it_is: Final[ContextVar[bool]] = ContextVar("autograd_mini_as_it_is", default=False)
"""Whether compiled functions are called as they are, since one is being checked."""


class Check:
    """One call that is computed twice.

    Attributes:
        difference: what differs, or None.
    """

    def __init__(self, executable: Executable, result: Result, values: Sequence[object]) -> None:
        self._executable, self._result = executable, result
        self._values = list(values)
        self._leaves = list(executable.program.leaves.values())
        self._before = [(t, t._value, t._assigned, t.grad) for t in self._leaves]
        steps = [*executable.program.instructions, *executable.recorded.instructions]
        drawn = {id(g): g for s in steps if s.is_draw for g in (s.params["generator"],)}
        self._generators = list(drawn.values())
        self._states = self._generator_states()
        self.difference: str | None = None

    def run(self, function: Callable[..., Answer], args: Args, kwargs: Kwargs) -> Answer:
        """Run program and function; return the latter's result in program form."""
        result = self._result

        def call_as_it_is() -> Answer:
            as_it_is.set(True)  # for the compiled functions in it, until the context ends
            return function(*args, **kwargs)

        contents = [content_of(x) for x in _arrays_among(args, kwargs)]
        try:
            outputs, news = run_quietly(
                lambda: self._executable.run_on_scratch(self._values), all="ignore"
            )
            failure = None
        except Exception as error:
            failure = error
        drawn = self._generator_states()
        self._restore_generators(self._states)
        tree = run_apart(call_as_it_is)
        if isinstance(failure, VARYING) and not self._executable.draws:
            return result.result_of_call(tree)  # as the function is called then
        self.difference = (
            self._compare(tree, outputs, news, drawn)
            if failure is None
            else f"the program raised {type(failure).__name__}: {failure}"
        )
        if contents != [content_of(x) for x in _arrays_among(args, kwargs)]:
            self.difference = "the function writes into an array that it was given"
        if self.difference is not None and self._is_disturbed():
            self.difference = None
        return result.result_of_call(tree)

    def _is_disturbed(self) -> bool:
        """Tell whether another thread may have changed a tensor between the two calls."""
        if threading.active_count() == 1:
            return False
        program = self._executable.program
        own = {id(program.leaves[leaf]) for leaf, _ in program.updates}
        return any(
            t._value is not value or t._assigned != assigned
            for t, value, assigned, _ in self._before
            if id(t) not in own
        )

    def _compare(
        self,
        tree: object,
        outputs: Sequence[object],
        news: Sequence[object],
        drawn: list[dict[str, object]],
    ) -> str | None:
        """Describe the first difference between the function and the program, or return None."""
        found, program = self._result.outputs_of(tree), self._executable.program
        if found is None:
            return "the function returned something of another structure, or another plain value"
        for place, (x, y) in enumerate(zip(found, outputs, strict=True)):
            if not self._agree(x, y, place):
                ours, theirs = _describe_array(x), _describe_array(y)
                return f"output {place} is {ours}, and {theirs} in the program"
        changed = {
            id(program.leaves[leaf]): (new, place)
            for place, ((leaf, _), new) in enumerate(
                zip(program.updates, news, strict=True), len(outputs)
            )
        }
        for tensor, value, _, _ in self._before:
            now = tensor._value
            wanted, end = changed.get(id(tensor), (value, None))
            if now is not wanted and not self._agree(now, wanted, end):
                name = tensor.name or f"a tensor of shape {tensor.shape}"
                ours, theirs = _describe_array(now), _describe_array(wanted)
                return f"{name} becomes {ours}, and {theirs} in the program"
        if not is_identical(drawn, self._generator_states()):
            return "they draw differently"
        return None

    def _agree(self, x: object, y: object, place: int | None = None) -> bool:
        """Tell whether two results are the same up to rounding.

        Args:
            x, y: of the function, and of the program.
            place: among the outputs and new values of the program.
        """
        x, y = np.asarray(x), np.asarray(y)
        if x.shape != y.shape or x.dtype != y.dtype:
            return False
        if has_same_bits(x, y):
            return True
        if x.dtype.kind not in "fc":
            return False
        program = self._executable.program
        if program.rounded and _has_same_nonfinite(x, y):
            bound = _coarsest_bound(program, x.dtype)
            if _largest_magnitude(x - y) <= bound * _largest_magnitude(y):
                return True
        return place is not None and self._is_rounding(x, y, place)

    def _is_rounding(self, x: np.ndarray, y: np.ndarray, place: int) -> bool:
        """Tell whether rounding explains a difference: the program is sensitive, or terms cancel.

        The inputs are rounded at random. If a pass has changed the order of sums, all results are
        rounded too, but then the difference must be small relative to the largest of them.
        """
        if not _has_same_nonfinite(x, y):
            return False
        difference = _largest_magnitude(x - y)
        if difference <= NOISY * self._noise(place, throughout=False)[0]:
            return True
        program = self._executable.program
        if not program.rounded:
            return False
        noise, size = self._noise(place, throughout=True)
        bound = _coarsest_bound(program, x.dtype)
        return difference <= min(NOISY * noise, bound * size)

    def _noise(self, place: int, throughout: bool) -> tuple[float, float]:
        """Return how far rounding moves a result, and the largest number that was computed."""
        after = self._generator_states()
        try:
            exact, size = self._round_result(place, None, throughout)
            moved = [self._round_result(place, seed, throughout)[0] for seed in range(3)]
        finally:
            self._restore_generators(after)
        return max(_largest_magnitude(exact - other) for other in moved), size

    def _round_result(
        self, place: int, seed: int | None, throughout: bool
    ) -> tuple[np.ndarray, float]:
        """Return a result of the program as it was recorded, rounded at random with a seed.

        Args:
            place: among the outputs and new values.
            seed: of the rounding; None for none.
            throughout: whether to round all that is computed, or the inputs only.

        Returns:
            this, and the largest number that was computed, if all are rounded.
        """
        program = self._executable.recorded
        self._restore_generators(self._states)
        generator = None if seed is None else np.random.default_rng(seed)
        size = 0.0
        old = {id(t): value for t, value, _, _ in self._before}
        values = program.start(self._values)
        values |= {v: old.get(id(t), t._value) for v, t in program.leaves.items()}
        values = {v: _round_at_random(x, generator) for v, x in values.items()} | program.constants

        def run() -> None:
            nonlocal size
            for step in program.instructions:
                step.compute(values)
                if throughout and not is_view(step):
                    for y in step.results:
                        values[y] = _round_at_random(values[y], generator)
                        size = max(size, _largest_magnitude(values[y]))

        run_quietly(run, all="ignore")
        y = [*program.outputs, *(new for _, new in program.updates)][place]
        return np.asarray(values[y] if type(y) is Value else y), size

    # ── where they part ──────────────────────────────────────────────────────────────────────
    def locate_difference(self, trace_again: Callable[..., object]) -> str:
        """Name the first instruction that differs, and its line.

        Args:
            trace_again: calls the function with a tracer.
        """
        after = [(t, t._value, t._assigned, t.grad) for t in self._leaves]
        states = self._generator_states()
        try:
            self._restore_leaves(self._before)
            self._restore_generators(self._states)
            return self._first_difference(trace_again)
        except Exception as error:
            return f"somewhere ({type(error).__name__} while it was looked for)"
        finally:
            self._restore_leaves(after)
            self._restore_generators(states)

    def _first_difference(self, trace_again: Callable[..., object]) -> str:
        executable = self._executable
        tracer = Tracer()
        trace_again(tracer)
        tracer.release_gradients()
        self._restore_leaves(self._before)
        self._restore_generators(self._states)
        now = tracer.instructions
        recorded = executable.recorded.interpret(self._values)
        self._restore_generators(self._states)
        again = tracer.program("again", []).interpret(self._values[: len(tracer.inputs)])
        self._restore_generators(self._states)
        for a, b in zip(executable.recorded.instructions, now, strict=False):
            if a.primitive is not b.primitive:
                return f"{b.primitive.name} at {b.line}, which was {a.primitive.name}"
            for x, y in zip(a.results, b.results, strict=True):
                if not self._agree(recorded[x], again[y]):
                    return f"{b.primitive.name} at {b.line}"
        if len(now) != len(executable.recorded.instructions):
            return "the end: another number of operations"
        optimised = executable.program.interpret(self._values)
        for step in executable.program.instructions:
            for y in step.results:
                if y in recorded and not self._agree(recorded[y], optimised[y]):
                    return f"{step.primitive.name} at {step.line}, after the passes"
        return "how the program was written, or its memory planned"

    def _restore_leaves(self, state: list[tuple[Tensor, object, int, object]]) -> None:
        for tensor, value, assigned, grad in state:
            tensor._value, tensor._assigned, tensor.grad = value, assigned, grad

    def _generator_states(self) -> list[dict[str, object]]:
        return [generator.bit_generator.state for generator in self._generators]

    def _restore_generators(self, states: Sequence[Mapping[str, object]]) -> None:
        for generator, state in zip(self._generators, states, strict=True):
            generator.bit_generator.state = state


def _arrays_among(args: Args, kwargs: Kwargs) -> list[object]:
    """Return the arrays among nested arguments."""
    return [x for x in leaves_in((args, kwargs)) if type(x) is np.ndarray]


def _round_at_random(x: Array, generator: np.random.Generator | None) -> Array:
    """Change numbers by about their last bit; without a generator, return them as they are."""
    data = np.asarray(x)
    if generator is None or data.dtype.kind not in "fc":
        return x
    step = np.finfo(data.dtype).eps * generator.uniform(-1, 1, data.shape)
    return (data * (1 + step)).astype(data.dtype)[()]


def _coarsest_bound(program: Program, dtype: np.dtype[np.generic]) -> float:
    """Return how far results may differ relative to the largest, by the narrowest dtype in use."""
    made = (y.dtype for step in program.instructions for y in step.results)
    read = (x.dtype for x in (*program.inputs, *program.leaves, *program.constants))
    return max(CLOSE.get(x.kind, {}).get(x.itemsize, 1e-9) for x in {dtype, *made, *read})


def _has_same_nonfinite(x: np.ndarray, y: np.ndarray) -> bool:
    """Tell whether NaN and infinity stand at the same places, with the same signs."""
    finite = np.isfinite(x)
    return bool(np.array_equal(finite, np.isfinite(y))) and has_same_bits(x[~finite], y[~finite])


def _largest_magnitude(x: Array) -> float:
    """Return the largest magnitude of finite elements, 0 if there are none."""
    magnitudes = np.abs(x)[np.isfinite(x)] if np.ndim(x) else np.abs(x)
    return float(np.max(magnitudes, initial=0.0, where=np.isfinite(magnitudes)))


def _describe_array(x: object) -> str:
    """Describe an array in a few characters."""
    data = np.asarray(x)
    if data.size == 1:
        return f"{data.item()!r}"
    first = ", ".join(f"{v:.6g}" for v in np.ravel(data)[:3].tolist())
    return f"{data.dtype} {data.shape} [{first}, …]"
