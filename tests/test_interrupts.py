"""Ctrl-C at any moment leaves a whole step, or none: parameters, moments and counters together."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import autograd_mini as am

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
    """Raise KeyboardInterrupt from a signal, as Ctrl-C does."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
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

    def backward() -> None:
        model.zero_grad()
        loss.backward()

    for seed in range(TRIALS):
        model.zero_grad()
        repeat_until_interrupted(backward, random.Random(seed))
        found = [p.grad for p in model.parameters() if p.grad is not None]
        assert not found or len(found) < len(whole) or same(found, whole)
        model.zero_grad()
        loss.backward()
        repeat_until_interrupted(loss.backward, random.Random(seed))  # it adds
        times = [np.mean(p.grad / g) for p, g in zip(model.parameters(), whole, strict=True)]
        np.testing.assert_allclose(times, times[0], rtol=1e-9)


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
        assert same(state_of(model, optimizer), known[optimizer.steps], 1e-7)
        if history is not None and history.stopped == "interrupted":
            interrupted += 1
            assert optimizer.steps // 2 - 1 <= len(history) <= optimizer.steps / 2
    assert interrupted == TRIALS
