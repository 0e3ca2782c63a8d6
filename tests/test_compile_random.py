"""Random programs give the same compiled as they are, call after call, whatever changes in between.

Each program is the text of a module, made of a seed: state, a function that reads it, changes of
the state between calls, and the arguments of each call. It runs twice, in two namespaces that share
nothing: in one the function is compiled. Of every call the results, the tensors outside of the
function, and the state of the random generator must be the same. Most of the replays that are
compared here are not those that the library checks by itself.
"""

from __future__ import annotations

import collections
import linecache
import warnings
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pytest
from random_programs import State, Text, data_of, next_arguments, parts, program_of

import autograd_mini as am

FLOOR: Final = 1e-3
"""The largest one counts as at least this much: sums of 0 have errors, too."""
NOISY: Final = 30.0
"""So many times the effect of rounding all inputs a difference may be, and count as rounding."""
SETTLED: Final = 3
"""After so many calls since the last change, it is known whether a function can be compiled."""
REACHED: Final = 0.85
"""The part of all programs that must have been compiled at the end."""


def largest(x: Any) -> float:
    """Return the largest magnitude, FLOOR at least."""
    return float(np.max(np.abs(x), initial=FLOOR, where=np.isfinite(x)))


def is_same(answer: Any, right: Any, bound: float) -> bool:
    """Tell whether two results are the same, but for the order of sums."""
    x, y = data_of(answer), data_of(right)
    if x.dtype != y.dtype or x.shape != y.shape:
        return False
    if x.dtype.kind != "f":
        return bool(np.array_equal(x, y))
    finite = np.isfinite(y)
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return False
    near = np.abs(x - y)[finite] <= bound * largest(y)
    return bool(np.all(np.isfinite(x) == finite) and np.all(near))


def is_rounding(text: Text, call: int, answer: list[Any]) -> bool:
    """Tell whether results are no further off than rounding everything that is given makes them."""
    noise = np.random.default_rng(text.seed)

    def noisy(x: Any) -> Any:
        eps = np.finfo(x.dtype).eps
        return np.asarray(x * (1 + eps * noise.choice([-1.0, 1.0], x.shape)), x.dtype)

    runs = []
    for state in (text.load(), text.load(noisy), text.load(noisy), text.load(noisy)):
        for earlier in range(call + 1):
            right = state["target"](*next_arguments(state, earlier))
        runs.append([data_of(x) for x in (*parts(right), *state["leaves"]())])
    for x, exact, *others in zip(answer, *runs, strict=True):
        if is_same(x, exact, text.bound):
            continue
        x = data_of(x)
        if x.shape != exact.shape or x.dtype != exact.dtype or x.dtype.kind != "f":
            return False
        effect = max(np.max(np.abs(other - exact)) for other in others)
        if not np.max(np.abs(x - exact)) <= NOISY * effect:
            return False
    return True


def assert_same(text: Text, call: int, one: State, answer: Any, other: State, right: Any) -> None:
    """Check what a call returned and left, compiled and as it is."""
    pairs = [
        *zip(parts(answer), parts(right), strict=True),
        *zip(one["leaves"](), other["leaves"](), strict=True),
    ]
    kinds = [[isinstance(x, am.Tensor) for x in pair] for pair in pairs]
    draws = any("rng." in line for line in text.body)
    if text.target == "f" and not draws:  # else an eager array may depend on tensors, as a[draw]
        message = f"call {call}: {answer!r} has not the types of {right!r}\n{text}"
        assert all(one_is is other_is for one_is, other_is in kinds), message
    wrong = [place for place, (x, y) in enumerate(pairs) if not is_same(x, y, text.bound)]
    if wrong and not is_rounding(text, call, [x for x, _ in pairs]):
        x, y = pairs[wrong[0]]
        values = f"is\n{x!r}, and should be\n{y!r}"
        raise AssertionError(f"call {call}: value {wrong[0]} {values}\n{text}")
    states = [state["rng"].bit_generator.state for state in (one, other)]
    assert states[0] == states[1], f"call {call}: another number of draws\n{text}"


def snapshots_of(answer: Any, right: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the arrays of a result, compiled and as it is, and their numbers at this moment."""
    for x, y in zip(parts(answer), parts(right), strict=True):
        yield data_of(x), data_of(y), (data_of(x).copy(), data_of(y).copy())


def outcome_of(text: Text) -> str:
    """Call both for all calls and compare; return "compiled", or what prevented it.

    Raises:
        AssertionError: if they are not the same.
    """
    one, other = text.load(), text.load()
    compiled = am.compile(one["target"])
    quiet = 0
    results: list[tuple[Any, Any, Any]] = []
    for call, change in enumerate(text.changes):
        quiet = 0 if change else quiet + 1
        right = other["target"](*next_arguments(other, call))
        arguments = next_arguments(one, call)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                answer = compiled(*arguments)
        except (am.CompileError, am.ConversionError, am.UnsupportedError) as error:
            assert quiet <= SETTLED, f"call {call}: {error}\n{text}"
            return f"{type(error).__name__}: {error}"
        except Exception as error:
            raise AssertionError(f"call {call}: {type(error).__name__}: {error}\n{text}") from error
        assert_same(text, call, one, answer, other, right)
        results += snapshots_of(answer, right)
    for x, y, (then, was) in results:
        unchanged = np.array_equal(x, then, equal_nan=True)
        assert unchanged or not np.array_equal(y, was, equal_nan=True), f"a result changed\n{text}"
    try:
        assert compiled.program
    except am.CompileError:
        return "never compiled"
    last = compiled._last
    return (
        "compiled" if last is not None and last.guard.first_failing() is None else "not at the end"
    )


def run(seeds: range) -> None:
    """Run the programs of some seeds; most must have become programs."""
    outcomes = collections.Counter[str]()
    for seed in seeds:
        text = program_of(seed)
        try:
            outcomes[outcome_of(text)] += 1
        finally:
            linecache.cache.pop(text.file, None)
    assert outcomes["compiled"] >= REACHED * len(seeds), outcomes


@pytest.mark.parametrize("chunk", range(10))
def test_a_random_program_gives_the_same_compiled(chunk: int) -> None:
    run(range(30 * chunk, 30 * chunk + 30))


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(20))
def test_many_random_programs_give_the_same_compiled(chunk: int) -> None:
    run(range(10_000 + 250 * chunk, 10_250 + 250 * chunk))
