"""Threads and processes: programs that change the same tensors take turns; forks are whole."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.core.record import value_of

TRIALS = int(os.environ.get("TRIALS", "6"))
"""Trials of each kind; the large form has 300."""
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(8, 5)), RNG.normal(size=(8, 1))
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def trainer(seed: int = 0) -> tuple[Any, Any, Callable[[], Any]]:
    model = am.nn.MLP([5, 16, 1], seed=seed)
    optimizer = am.optim.Adam(model, lr=0.01)

    def step() -> Any:
        optimizer.zero_grad()
        loss = am.nn.mse(model(X), Y)
        loss.backward()
        optimizer.step()
        return loss

    return model, optimizer, step


@contextmanager
def at_work(function: Callable[[], Any]) -> Iterator[None]:
    """Let another thread call a function again and again in the block."""
    ended = threading.Event()

    def work() -> None:
        while not ended.is_set():
            function()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def together(*functions: Callable[[], Any]) -> list[Any]:
    """Call functions at the same time, a thread each; return what they returned, or raise."""
    barrier = threading.Barrier(len(functions))

    def call(function: Callable[[], Any]) -> Any:
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(call, functions))


def repeated_results(function: Callable[[], Any], times: int) -> list[Any]:
    return [value_of(function()) for _ in range(times)]


def repeated(function: Callable[[], Any], times: int) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(times):
            function()

    return repeat


# ── tensors that several programs change ─────────────────────────────────────────────────────


def test_programs_that_change_the_same_tensors_exclude_each_other() -> None:
    a, b, c = (am.tensor(np.zeros(2000)) for _ in range(3))
    one = am.compile(lambda x: (a.assign(a + x), b.assign(b + x))[0])
    two = am.compile(lambda x: (b.assign(b + x), c.assign(c + x))[0])
    three = am.compile(lambda x: (c.assign(c + x), a.assign(a + x))[0])
    x = np.ones(2000)
    for call in (one, two, three):
        for _ in range(3):
            call(x)
    for trial in range(1, TRIALS + 1):
        together(*(repeated(lambda call=call: call(x), 50) for call in (one, two, three)))
        for tensor in (a, b, c):
            np.testing.assert_array_equal(tensor.data, 6.0 + 100 * trial)


def test_a_reader_sees_whole_steps() -> None:
    a, b = am.tensor(np.zeros(3000)), am.tensor(np.zeros(3000))
    write = am.compile(lambda x: (a.assign(a + x), b.assign(b - x))[0])
    read = am.compile(lambda x: (a + b) * x)
    x = np.ones(3000)
    for call in (write, read):
        for _ in range(3):
            call(x)
    with at_work(lambda: write(x)):
        for _ in range(50 * TRIALS):
            assert not np.any(read(x).data)


def test_another_signature_of_a_program_waits_too() -> None:
    count = am.tensor(np.zeros(()))
    add = am.compile(lambda x: count.assign(count + np.sum(x)))
    for size in (1, 2):
        for _ in range(3):
            add(np.ones(size))
    together(*(repeated(lambda n=n: add(np.ones(n)), 300) for n in (1, 2, 1, 2)))
    assert count.item() == 9 + 1800


# ── models ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("batch_size", [None, 3])
def test_eight_threads_predict_with_one_new_model(batch_size: int | None) -> None:
    expected = am.nn.MLP([5, 16, 1], seed=0).predict(X)
    for _ in range(TRIALS):
        model = am.nn.MLP([5, 16, 1], seed=0)
        predict = partial(model.predict, X, batch_size)
        results = together(*[partial(repeated_results, predict, 5)] * 8)
        for found in results:
            for y in found:
                np.testing.assert_allclose(y, expected, rtol=1e-12)
        assert all(module.training for module in model.modules())


def test_models_predict_while_they_are_trained() -> None:
    model, _, step = trainer()
    for _ in range(3):  # a program reads whole steps; a call that is traced may not
        model.predict(X)
    other, _, follow = trainer()
    compiled, known = am.compile(step), [other.predict(X)]
    for _ in range(400):
        follow()
        known.append(other.predict(X))
    found = []

    def predict() -> None:
        for _ in range(100):
            found.append(model.predict(X))

    together(repeated(compiled, 400), predict)
    for y in found:  # that of a whole step
        assert any(np.allclose(y, z, rtol=1e-9, atol=1e-12) for z in known)


@pytest.mark.parametrize("branches", [False, True])
def test_a_model_predicts_for_the_first_time_while_it_is_trained(branches: bool) -> None:
    """Traces of the two threads do not mix, not even where one is refused and put back."""

    class Model(am.nn.MLP):
        def forward(self, x: Any) -> Any:
            y = super().forward(x)
            if branches and len(x) == 3 and np.sum(y) > 1e9:
                return -y
            return y

    reference, _, follow = trainer()
    losses = [follow().item() for _ in range(300)]
    for _ in range(TRIALS):
        model = Model([5, 16, 1], seed=0)
        optimizer = am.optim.Adam(model, lr=0.01)
        found: list[float] = []

        def step(model: Any = model, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = am.nn.mse(model(X), Y)
            loss.backward()
            optimizer.step()
            return loss

        compiled = am.compile(step)
        with at_work(lambda model=model: model.predict(X[:3])):  # type: ignore[misc]
            for _ in range(300):
                found.append(compiled().item())
        np.testing.assert_allclose(found, losses, rtol=1e-7)


def test_threads_train_models_of_their_own() -> None:
    def train(seed: int) -> Any:
        model, _, step = trainer(seed)
        compiled = am.compile(step)
        return [compiled().item() for _ in range(30)], model

    expected = [train(seed)[0] for seed in range(4)]
    found = together(*(lambda seed=seed: train(seed)[0] for seed in range(4)))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_threads_that_trace_one_function_agree() -> None:
    for _ in range(TRIALS):
        w = am.tensor(np.ones(4), requires_grad=True)
        compiled = partial(am.compile(lambda x, w=w: np.sum(np.tanh(x * w))), np.ones(4))
        found = together(*[partial(repeated_results, compiled, 6)] * 4)
        np.testing.assert_allclose(found, 4 * np.tanh(1.0), rtol=1e-12)


# ── processes ────────────────────────────────────────────────────────────────────────────────


def ended_well(child: int, seconds: float = 60.0) -> bool:
    """Wait for a child; tell whether it ended with 0."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status == 0
        time.sleep(0.001)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_goes_on_with_whole_steps_while_a_thread_of_the_parent_trains() -> None:
    model, optimizer, step = trainer()
    compiled = am.compile(step)
    for _ in range(3):
        compiled()
    with at_work(compiled):
        for _ in range(TRIALS):
            child = os.fork()
            if not child:
                code = 1
                try:
                    steps = optimizer.steps
                    compiled()  # does not wait for a thread that is not here
                    model.predict(X)
                    assert optimizer.steps == steps + 1
                    code = 0
                finally:
                    os._exit(code)
            assert ended_well(child)


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_has_the_parameters_of_a_whole_step() -> None:
    a, b = am.tensor(np.zeros(50_000)), am.tensor(np.zeros(50_000))
    step = am.compile(lambda x: (a.assign(a + x), b.assign(b + x))[0])
    for _ in range(3):
        step(1.0)
    with at_work(lambda: step(1.0)):
        for _ in range(TRIALS):
            child = os.fork()
            if not child:
                whole = a.data.min() == a.data.max() == b.data.min() == b.data.max()
                os._exit(0 if whole else 1)
            assert ended_well(child)


@needs_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_program_can_fork_itself_while_it_is_traced() -> None:
    w = am.tensor(np.ones(2), requires_grad=True)
    ends = []

    def f(x: Any) -> Any:
        child = os.fork()
        if not child:
            os._exit(0)
        ends.append(ended_well(child))
        return w * x

    am.compile(f)(np.ones(2))
    assert ends == [True]


def square_norm(x: Any) -> Any:
    return np.sum(x**2)


compiled_at_module_level = am.compile(square_norm)


def work_in_child(connection: Any, model: Any, function: Any) -> None:
    """Train and predict in another process."""
    history = model.fit(X, Y, epochs=3, seed=0, verbose=False)
    values = [function(X) for _ in range(4)]
    connection.send((history["loss"], model.predict(X), values))


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_models_and_compiled_functions_go_to_other_processes(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    model = am.nn.MLP([5, 16, 1], seed=0)
    model.predict(X)
    for _ in range(4):
        compiled_at_module_level(X)
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe()
    child = context.Process(target=work_in_child, args=(theirs, model, compiled_at_module_level))
    child.start()
    loss, prediction, values = ours.recv()
    child.join(60)
    assert child.exitcode == 0
    history = model.fit(X, Y, epochs=3, seed=0, verbose=False)
    np.testing.assert_allclose(loss, history["loss"], rtol=1e-12)
    np.testing.assert_allclose(prediction, model.predict(X), rtol=1e-12)
    np.testing.assert_allclose(values, square_norm(X), rtol=1e-12)
    again = pickle.loads(pickle.dumps(compiled_at_module_level))
    assert again(X) == square_norm(X)
