"""Ctrl-C at any moment leaves a whole step, or none: parameters, moments and counters together."""

from __future__ import annotations

import contextlib
import dis
import gc
import inspect
import math
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optree  # noqa: F401  # an interrupt of the first import would leave half of it
import pytest

import autograd_mini as am

HERE = os.path.dirname(am.__file__)
pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no interval timers here"),
    # The interrupt may come while Python frees an object, where it can only be reported.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
TRIALS = int(os.environ.get("INTERRUPTS", "12"))
"""Interrupts of each kind; the large form has 300."""
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 5)), RNG.normal(size=(8, 1))
OPTIMIZERS = {
    "sgd": lambda model: am.optim.SGD(model, lr=0.1),
    "momentum": lambda model: am.optim.SGD(model, lr=0.1, momentum=0.9),
    "nesterov": lambda model: am.optim.SGD(model, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda model: am.optim.Adam(model, lr=0.01),
    "adamw": lambda model: am.optim.AdamW(model, lr=0.01),
}


@contextmanager
def alarm_after(seconds: float) -> Iterator[None]:
    """Raise KeyboardInterrupt from a signal, as Ctrl-C does; each second again, if it is lost."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def repeat_until_interrupted(function: Callable[[], Any], generator: random.Random) -> None:
    """Call a function again and again, and interrupt it at a random moment."""
    with pytest.raises(KeyboardInterrupt), alarm_after(generator.uniform(2e-4, 3e-3)):
        while True:
            function()


def state_of(model: Any, optimizer: Any) -> list[Any]:
    return [p.data.copy() for p in model.parameters()] + [
        np.copy(x) for x in optimizer.state_dict().values()
    ]


def same(one: list[Any], other: list[Any], atol: float = 1e-13) -> bool:
    return all(np.allclose(a, b, rtol=1e-9, atol=atol) for a, b in zip(one, other, strict=True))


def trainer(name: str) -> tuple[Any, Any, Callable[[], Any]]:
    model = am.nn.MLP([5, 7, 7, 1], seed=0)
    optimizer = OPTIMIZERS[name](model)

    def step() -> Any:
        optimizer.zero_grad()
        loss = am.nn.mse(model(X), Y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "eager"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_interrupted_step_is_whole_or_not_there(name: str, compiled: bool) -> None:
    model, optimizer, step = trainer(name)
    call = am.compile(step) if compiled else step
    for _ in range(4):
        call()
    generator = random.Random(0)
    other, theirs, follow = trainer(name)
    if compiled:
        follow = am.compile(follow)  # nearly the same rounding
    atol = 1e-7 if compiled else 1e-13
    for _ in range(TRIALS):
        repeat_until_interrupted(call, generator)
        while theirs.steps < optimizer.steps:
            follow()
        assert same(state_of(model, optimizer), state_of(other, theirs), atol)
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            q.assign(p.data)  # rounding must not grow
        theirs.load_state_dict(optimizer.state_dict())
    call()
    follow()
    assert same(state_of(model, optimizer), state_of(other, theirs), atol)


def test_an_interrupted_backward_leaves_all_gradients_or_none() -> None:
    model, _, _ = trainer("sgd")
    loss = am.nn.mse(model(X), Y)
    loss.backward()
    whole = [p.grad.copy() for p in model.parameters()]

    clearing = [True]

    def backward() -> None:
        clearing[0] = True
        model.zero_grad()
        clearing[0] = False
        loss.backward()

    for seed in range(TRIALS):
        repeat_until_interrupted(backward, random.Random(seed))
        found = [p.grad for p in model.parameters() if p.grad is not None]
        if not clearing[0]:
            assert not found or (len(found) == len(whole) and same(found, whole))
        model.zero_grad()
        loss.backward()
        repeat_until_interrupted(loss.backward, random.Random(seed))  # it adds
        times = [np.mean(p.grad / g) for p, g in zip(model.parameters(), whole, strict=True)]
        np.testing.assert_allclose(times, times[0], rtol=1e-9)


@am.primitive
def wrong(x: Any) -> Any:
    return np.sin(x)


@wrong.vjp
def wrong_vjp(g: Any, y: Any, x: Any) -> Any:
    return g * x


def fit() -> None:
    model = am.nn.MLP([5, 4, 1], seed=0)
    if model.fit(X, Y, epochs=50, verbose=False, seed=0).stopped == "interrupted":
        raise KeyboardInterrupt


NOT_COMPILED: dict[str, Callable[[], Any]] = {
    "backward": lambda: am.grad(lambda x: np.sum(np.log(x)))(np.ones(3)),
    "forward": lambda: am.jvp(np.log, (np.ones(3),), (np.ones(3),)),
    "vmap": lambda: am.vmap(np.log)(np.zeros((0, 3))),
    "fit": fit,
    "gradcheck": lambda: am.gradcheck(np.sinc, np.linspace(0.1, 0.9, 40), raises=False),
    "blame": lambda: am.gradcheck(wrong, np.ones(4), raises=False),
}


SLOW_CALLS = {"fit", "blame"}


@pytest.mark.parametrize("name", NOT_COMPILED)
def test_an_interrupt_leaves_nothing_in_the_context(name: str) -> None:
    function = NOT_COMPILED[name]
    function()
    generator = random.Random(0)
    before = surroundings()
    for _ in range(TRIALS):
        repeat_until_interrupted(function, generator)
        assert surroundings() == before


def test_an_interrupt_in_a_traced_call_leaves_plain_gradients() -> None:
    generator = random.Random(0)
    for _ in range(TRIALS):
        model, _, step = trainer("sgd")

        def trace(step: Any = step) -> None:
            am.compile(step)()

        repeat_until_interrupted(trace, generator)
        assert all(type(p.grad) in (np.ndarray, type(None)) for p in model.parameters())
        compiled = am.compile(step)
        for _ in range(3):
            compiled()
        assert all(p.grad is None for p in model.parameters())
        assert compiled.program


@pytest.mark.parametrize("compile", [None, False], ids=["compiled", "eager"])
def test_fit_returns_after_a_whole_step_and_says_how_far_it_came(compile: bool | None) -> None:
    generator = random.Random(0)
    options: dict[str, Any] = {"batch_size": 4, "shuffle": False, "verbose": False, "seed": 0}
    for _ in range(2):  # the first time also imports
        model = am.nn.MLP([5, 40, 40, 1], seed=0)
        optimizer = am.optim.Adam(model, lr=0.01)
        started = time.perf_counter()
        model.fit(X, Y, epochs=30, optimizer=optimizer, compile=compile, **options)
        seconds = time.perf_counter() - started
    reference = am.nn.MLP([5, 40, 40, 1], seed=0)
    theirs = am.optim.Adam(reference, lr=0.01)
    known = {0: state_of(reference, theirs)}

    def remember(history: Any) -> None:
        known[theirs.steps] = state_of(reference, theirs)

    for half in range(60):  # two batches an epoch
        part = slice(0, 4) if half % 2 == 0 else slice(4, 8)
        reference.fit(
            X[part],
            Y[part],
            epochs=1,
            optimizer=theirs,
            compile=False,
            callback=remember,
            **options,
        )
    interrupted = 0
    for _ in range(10 * TRIALS):  # some may come too late
        if interrupted == TRIALS:
            break
        model = am.nn.MLP([5, 40, 40, 1], seed=0)
        optimizer = am.optim.Adam(model, lr=0.01)
        try:
            with alarm_after(generator.uniform(0.05, 0.9) * seconds):
                history = model.fit(
                    X, Y, epochs=30, optimizer=optimizer, compile=compile, **options
                )
        except KeyboardInterrupt:  # before the first step, or after the last one
            history = None
        if history is not None and history.stopped != "interrupted":  # the machine has sped up
            seconds *= 0.9
        assert same(state_of(model, optimizer), known[optimizer.steps], 1e-7)
        if history is not None and history.stopped == "interrupted":
            interrupted += 1
            assert optimizer.steps // 2 - 1 <= len(history) <= optimizer.steps / 2
    assert interrupted == TRIALS


# ── at each moment ───────────────────────────────────────────────────────────────────────────


class Interrupter:
    """Raise KeyboardInterrupt at the n-th moment at which Python lets signals in.

    That is where a function begins, after a call of a function in C, and at the end of a loop's
    body. A timer finds the moments that are long; this finds the short ones, too.
    """

    def __init__(self, moment: float) -> None:
        self.moment = moment
        self.passed = 0
        self.last: dict[Any, int] = {}

    def __enter__(self) -> Interrupter:
        self.before = sys.gettrace()
        sys.settrace(self.enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.before)

    def enter(self, frame: Any, event: str, arg: Any) -> Any:
        self.last.pop(frame.f_back, None)  # what was called there was no function in C
        file = frame.f_code.co_filename
        if not file.startswith(HERE) and file != contextlib.__file__:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        if not frame.f_code.co_flags & inspect.CO_GENERATOR:
            self.count(frame)
        return self.look

    def look(self, frame: Any, event: str, arg: Any) -> Any:
        if event == "opcode":
            code, now = frame.f_code, frame.f_lasti
            before = self.last.pop(frame, None)
            name = dis.opname[code.co_code[now]]
            if before is not None and handler_at(code, before) == handler_at(code, now):
                self.count(frame)
            if name == "JUMP_BACKWARD":
                self.count(frame)
            elif name.startswith("CALL"):
                self.last[frame] = now
        return self.look

    def count(self, frame: Any) -> None:
        self.passed += 1
        if self.passed == self.moment:
            sys.settrace(self.before)
            raise KeyboardInterrupt(f"{frame.f_code.co_filename}:{frame.f_lineno}")


@cache
def handler_at(code: Any, place: int) -> int | None:
    """Return where an exception at an instruction is handled, if in this function."""
    entries: Any = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    return next((x.target for x in entries if x.start <= place < x.end), None)


def moments_of(function: Callable[[], Any], count: int = 5 * TRIALS) -> list[int]:
    """Count the moments at which a call can be interrupted, and choose some."""
    with Interrupter(math.inf) as interrupter:
        function()
    chosen = range(1, interrupter.passed + 1)
    return random.Random(0).sample(chosen, min(len(chosen), count))


def interrupted_at(moment: int, function: Callable[[], Any]) -> str:
    """Call a function, and interrupt it at a moment; return in which line."""
    try:
        with Interrupter(moment):
            function()
    except KeyboardInterrupt as interrupt:
        return str(interrupt)
    return "nowhere"


def surroundings() -> list[Any]:
    """Return what a call may change while it runs, but not leave changed."""
    set_by_us = [v.name for v in copy_context() if v.name.startswith("autograd_mini")]
    values = [copy_context()[v] for v in copy_context() if v.name in set_by_us]
    return [np.geterr(), gc.isenabled(), sys.getprofile(), am.is_recording(), set_by_us, values]


def test_no_block_of_numpys_is_left_open_by_an_interrupt() -> None:
    """`with np.errstate` can be left as it is when an interrupt comes; `run_quietly` cannot.

    A check as a whole runs in `run_quietly`, so blocks inside of it may be NumPy's.
    """
    package = Path(am.__file__).parent
    within = (package / "core" / "contexts.py", package / "checking")
    found = [
        path.name
        for path in package.rglob("*.py")
        if not any(path == w or w in path.parents for w in within)
        and re.search(r"^\s+with .*errstate\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert not found


@pytest.mark.parametrize("name", NOT_COMPILED)
def test_an_interrupt_at_any_moment_leaves_nothing_in_the_context(name: str) -> None:
    function = NOT_COMPILED[name]
    for _ in range(2):
        with suppress(KeyboardInterrupt):
            function()
    before = surroundings()
    for moment in moments_of(function, TRIALS if name in SLOW_CALLS else 5 * TRIALS):
        where = interrupted_at(moment, function)
        assert surroundings() == before, where


@pytest.mark.parametrize("calls", range(5))
@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_step_interrupted_at_any_moment_is_whole_or_not_there(name: str, calls: int) -> None:
    """`calls` of 0 to 3 are made before by a compiled step; 4 stands for an eager one."""
    model, optimizer, step = trainer(name)
    other, _, follow = trainer(name)
    step()
    follow()
    start = state_of(model, optimizer)
    saved = optimizer.state_dict()

    def prepare() -> Callable[[], Any]:
        """Return a step that has been called so often, and the model as it was."""
        call = step if calls == 4 else am.compile(step)
        for _ in range(calls % 4):
            call()
        for p, q in zip(model.parameters(), other.parameters(), strict=True):
            p.assign(q.data)
            p.zero_grad()
        optimizer.load_state_dict(saved)
        return call

    before = surroundings()
    moments = moments_of(prepare())
    after = state_of(model, optimizer)
    for moment in moments:
        call = prepare()
        where = interrupted_at(moment, call)
        assert surroundings() == before, where
        expected = start if optimizer.steps == 1 else after
        assert same(state_of(model, optimizer), expected, 1e-7), where
        grads = [p.grad for p in model.parameters()]
        assert {type(g) for g in grads} <= {np.ndarray, type(None)}, where
        if calls == 3:
            assert all(g is None for g in grads), where
