"""Scopes and recorders: reusable, nestable, local to a thread or task, and honest decorators."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import autograd_mini as am
from autograd_mini.core.record import context, recorder


def parameter(value: Any = 1.0) -> am.Tensor:
    return am.tensor(value, requires_grad=True, name="w")


def outside() -> bool:
    return context.get() == (None, None)


def test_one_no_grad_object_is_used_again_and_nested() -> None:
    quiet, w = am.no_grad(), parameter()
    for _ in range(2):
        with quiet:
            with quiet:
                assert (w * 2).op is None
            assert (w * 2).op is None
        assert (w * 2).requires_grad
    assert outside()


def test_one_scope_object_is_used_again_and_nested() -> None:
    block, w = am.scope("block"), parameter()
    with block:
        first = w * 2
        with block:
            inner = w * 2
        after = w * 2
    with block:
        second = w * 2
    assert [t.op.scope for t in (first, inner, after, second)] == [
        "block", "block/block", "block", "block",
    ]  # fmt: skip
    assert first._scope is after._scope
    assert first._scope is not second._scope
    assert outside()


def test_scopes_and_no_grad_interleave_and_end_after_an_error() -> None:
    block, quiet, w = am.scope("block"), am.no_grad(), parameter()
    with pytest.raises(ValueError, match="stop"), block, quiet, block, quiet:
        raise ValueError("stop")
    assert outside()
    with quiet, block, recorder(None):
        assert (w * 2).op.scope == "block"
    assert outside()


def test_one_object_is_shared_by_threads() -> None:
    block, quiet, w = am.scope("block"), am.no_grad(), parameter()
    inside, leave = threading.Barrier(2), threading.Event()
    found: list[Any] = []

    def other() -> None:
        with block, quiet:
            inside.wait(5)
            leave.wait(5)
            found.append((w * 2).op)
        found.append((w * 2).op.scope)

    thread = threading.Thread(target=other)
    with block, quiet:
        thread.start()
        inside.wait(5)
    assert (w * 2).op.scope == ""
    leave.set()
    thread.join()
    assert found == [None, ""]
    assert outside()


def test_one_object_is_shared_by_tasks() -> None:
    block, w = am.scope("block"), parameter()

    async def task(name: str) -> list[str]:
        seen = []
        with am.scope(name), block:
            await asyncio.sleep(0)
            seen.append((w * 2).op.scope)
        await asyncio.sleep(0)
        seen.append((w * 2).op.scope)
        return seen

    async def main() -> list[list[str]]:
        return await asyncio.gather(task("a"), task("b"))

    assert asyncio.run(main()) == [["a/block", ""], ["b/block", ""]]


@pytest.mark.parametrize("decorator", [am.no_grad(), am.scope("block")])
def test_decorated_functions_recurse_and_keep_their_name(decorator: Any) -> None:
    w = parameter()

    @decorator
    def power(n: int) -> Any:
        """Multiply."""
        return w if n == 0 else power(n - 1) * w

    y = power(2)
    assert (power.__name__, power.__doc__) == ("power", "Multiply.")
    if y.op is not None:
        assert y.op.scope == "block"
        assert y.op.inputs[0].op.scope == "block/block"
    assert outside()


def test_a_decorated_coroutine_function_is_covered_while_it_runs() -> None:
    w = parameter()

    @am.no_grad()
    async def evaluate() -> Any:
        await asyncio.sleep(0)
        return (w * 2).op

    @am.scope("block")
    async def run() -> Any:
        await asyncio.sleep(0)
        return (w * 2).op.scope

    async def main() -> tuple[Any, ...]:
        coroutine = evaluate()
        before = (w * 2).requires_grad
        return before, await coroutine, await run(), (w * 2).op.scope

    assert asyncio.run(main()) == (True, None, "block", "")


@pytest.mark.parametrize("decorator", [am.no_grad(), am.scope("block"), recorder(None)])
def test_a_generator_function_cannot_be_decorated(decorator: Any) -> None:
    def batches() -> Iterator[int]:
        yield 1

    async def stream() -> AsyncIterator[int]:
        yield 1

    class Batches:
        def __call__(self) -> Iterator[int]:
            yield 1

    for function in (batches, stream, functools.partial(batches), Batches()):
        with pytest.raises(am.UnsupportedError, match=r"generator.*with"):
            decorator(function)


def test_a_decorator_that_was_not_given_its_argument_says_so() -> None:
    with pytest.raises(am.OperandError, match=r'scope\("name"\)'):

        @am.scope  # type: ignore[arg-type]
        def function() -> None: ...

    with pytest.raises(am.OperandError, match="function"):
        am.no_grad()(3)  # type: ignore[type-var]
