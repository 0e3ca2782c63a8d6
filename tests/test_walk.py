"""The reverse walk: what is visited, in which order, what it costs and what it leaves behind."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am
from autograd_mini.core.reverse import backward_pass


def parameter(value: Any, name: str | None = None) -> am.Tensor:
    return am.tensor(value, requires_grad=True, name=name)


def test_gradient_of_a_shared_input_is_summed() -> None:
    x = parameter([1.0, 2.0])
    (x * 3 + np.sin(x) + x).sum().backward()
    assert_allclose(x.grad, 4 + np.cos(x.data))


def test_both_edges_of_a_square_are_kept() -> None:
    x = parameter(3.0)
    y = x * x
    y.backward()
    assert x.grad == 6.0
    assert [t is x for t in y.op.inputs] == [True, True]


def test_diamond_is_visited_once() -> None:
    x = parameter(0.3)
    a = np.exp(x)
    y = (a * 2) * (a + 1)
    reached = backward_pass([y], [np.float64(1.0)], every=True)
    assert sorted(t.serial for t, _ in reached) == sorted({t.serial for t, _ in reached})
    y.backward()
    assert_allclose(x.grad, 4 * np.exp(0.6) + 2 * np.exp(0.3))


def test_deep_diamonds_do_not_take_exponential_time() -> None:
    x = y = parameter(1.0)
    for _ in range(200):
        y = (y + y) * 0.5
    y.backward()
    assert x.grad == 1.0


def test_wide_fan_out_is_summed() -> None:
    x = parameter(2.0)
    total = sum((x * float(i) for i in range(100)), am.tensor(0.0))
    total.backward()
    assert x.grad == sum(range(100))


def test_operands_that_need_no_gradient_get_none() -> None:
    x, w = am.tensor([1.0, 2.0]), parameter([3.0, 4.0])
    (x * w).sum().backward()
    assert x.grad is None
    assert_array_equal(w.grad, [1, 2])


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_missing_siblings_of_a_split_get_zeros(kept: int) -> None:
    x = parameter(np.arange(6.0))
    part = np.split(x, 3)[kept]
    gc.collect()
    (part * part).sum().backward()
    expected = np.zeros(6)
    expected[2 * kept : 2 * kept + 2] = 2 * x.data[2 * kept : 2 * kept + 2]
    assert_array_equal(x.grad, expected)


def test_outputs_of_one_operation_meet_again() -> None:
    x = parameter(np.arange(6.0).reshape(3, 2))
    a, b, c = x
    (a * b * c + a).sum().backward()
    p, q, r = x.data
    assert_array_equal(x.grad, [q * r + 1, p * r, p * q])
    assert a.op == b.op
    assert a.op.outputs[1].serial == b.serial


def test_output_of_a_split_used_twice_is_summed() -> None:
    x = parameter(np.arange(4.0))
    a, b = np.split(x, 2)
    (a * a + a * b).sum().backward()
    assert_array_equal(x.grad, [*(2 * x.data[:2] + x.data[2:]), *x.data[:2]])


def test_second_backward_adds() -> None:
    x = parameter([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    first = x.grad
    y.backward()
    assert_array_equal(x.grad, [4, 8])
    assert_array_equal(first, [2, 4])
    x.zero_grad()
    assert x.grad is None


def test_backward_of_a_leaf_gives_the_cotangent() -> None:
    x = parameter(2.0)
    x.backward()
    assert x.grad == 1.0


def test_cotangent_weights_the_outputs() -> None:
    x = parameter([1.0, 2.0, 3.0])
    (x * x).backward(np.array([1.0, 0.0, -1.0]))
    assert_array_equal(x.grad, [2, 0, -6])


def test_cotangent_may_be_a_list_or_a_tensor() -> None:
    for g in ([1, 2], am.tensor([1.0, 2.0]), (1.0, 2.0)):
        x = parameter([1.0, 1.0])
        (x * 3).backward(g)
        assert_array_equal(x.grad, [3, 6])


def test_gradients_of_two_leaves_are_separate_arrays() -> None:
    a, b = parameter(np.zeros(3)), parameter(np.zeros(3))
    g = np.ones(3)
    (a + b).backward(g)
    a.grad[0] = 9.0
    assert_array_equal(b.grad, [1, 1, 1])
    assert_array_equal(g, [1, 1, 1])


def test_retained_gradients_are_on_results() -> None:
    x = parameter([1.0, 2.0])
    y = x * 3
    z = (y * y).sum()
    z.backward(retain_grads=True)
    assert_array_equal(y.grad, 2 * y.data)
    assert z.grad == 1.0
    assert_array_equal(x.grad, 6 * y.data)


def test_results_keep_no_gradient_by_default() -> None:
    x = parameter([1.0, 2.0])
    y = x * 3
    y.sum().backward()
    assert y.grad is None


def test_every_walk_returns_each_tensor_on_the_way() -> None:
    x = parameter([1.0, 2.0])
    a, b = x * 2
    y = a * b
    reached = {(t.serial, t.index): g for t, g in backward_pass([y], [np.float64(1.0)], every=True)}
    assert reached[a.serial, a.index] == b.data
    assert reached[b.serial, b.index] == a.data
    assert_array_equal(reached[x.serial, 0], [8, 4])


def test_broadcast_operands_get_gradients_of_their_shape() -> None:
    x = parameter(np.ones((3, 4)))
    for shape in ((4,), (3, 1), (1, 4), (), (1, 1), (2, 3, 4), (2, 1, 1)):
        b = parameter(np.ones(shape))
        (x * b).sum().backward()
        assert np.shape(b.grad) == shape
        assert np.sum(b.grad) == max(12, b.size if b.size > 4 else 0, (x * b).size)


# ── stale graphs ─────────────────────────────────────────────────────────────────────────────
def test_stale_graph_is_refused_and_nothing_is_updated() -> None:
    v, w = parameter([1.0, 2.0], "v"), parameter([3.0, 4.0], "w")
    y = (v * w * v).sum()
    y.backward()
    before = v.grad.copy(), w.grad.copy()
    w.assign([0.0, 0.0])
    with pytest.raises(am.StaleGraphError, match=r"'w'.*changed after .*multiply"):
        y.backward()
    assert_array_equal(v.grad, before[0])
    assert_array_equal(w.grad, before[1])


@pytest.mark.parametrize("change", ["assign", "data", "in_place"])
def test_every_way_to_change_a_leaf_makes_its_graph_stale(change: str) -> None:
    w = parameter(2.0)
    y = w * w
    if change == "assign":
        w.assign(3.0)
    elif change == "data":
        w.data = 3.0
    else:
        with am.no_grad():
            w -= 1.0
    with pytest.raises(am.StaleGraphError):
        y.backward()
    assert w.grad is None
    (w * w).backward()
    assert w.grad == 2 * w.item()


def test_changed_data_that_needs_no_gradient_makes_the_graph_stale_too() -> None:
    x, w = am.tensor(2.0, name="x"), parameter(3.0)
    y = x * w
    x.assign(5.0)
    with pytest.raises(am.StaleGraphError, match="'x'"):
        y.backward()


def test_graph_recorded_after_the_change_is_fresh() -> None:
    w = parameter(2.0)
    for _ in range(3):
        w.zero_grad()
        (w * w).backward()
        with am.no_grad():
            w -= 0.1 * w.grad
    assert_allclose(w.item(), 2 * 0.8**3)


# ── no_grad, threads ─────────────────────────────────────────────────────────────────────────
def test_nothing_is_recorded_under_no_grad() -> None:
    w = parameter([1.0, 2.0])
    with am.no_grad():
        assert not am.is_recording()
        y = (w * 2).sum()
        parts = np.split(w, 2)
    assert am.is_recording()
    assert y.op is None
    assert not y.requires_grad
    assert all(part.op is None for part in parts)


def test_no_grad_decorates_and_nests_and_ends_after_an_error() -> None:
    @am.no_grad()
    def predict(w: am.Tensor) -> am.Tensor:
        with am.no_grad():
            pass
        return w * 2

    w = parameter(1.0)
    assert predict(w).op is None
    assert predict(w).op is None
    with pytest.raises(RuntimeError), am.no_grad():
        raise RuntimeError
    assert am.is_recording()


def test_no_grad_and_scopes_belong_to_one_thread() -> None:
    seen: dict[str, Any] = {}

    def other() -> None:
        y = parameter(1.0) * 2
        seen["recording"], seen["scope"] = am.is_recording(), y.op.scope if y.op else None

    with am.no_grad(), am.scope("main"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seen == {"recording": True, "scope": ""}


def test_threads_differentiate_side_by_side() -> None:
    def work(seed: int) -> bool:
        generator = np.random.default_rng(seed)
        w = parameter(generator.normal(size=(4, 3)))
        x = generator.normal(size=(5, 4))
        for _ in range(50):
            w.zero_grad()
            ((x @ w) ** 2).sum().backward()
            assert_allclose(w.grad, 2 * x.T @ (x @ w.data))
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


def test_threads_share_parameters_while_reading() -> None:
    w = parameter(np.arange(6.0))

    def work(scale: float) -> Any:
        return am.grad(lambda v: (v * v * scale).sum())(w.data)

    with ThreadPoolExecutor(4) as pool:
        for scale, g in zip(range(1, 20), pool.map(work, range(1, 20)), strict=True):
            assert_array_equal(g, 2 * scale * w.data)


# ── memory and time ──────────────────────────────────────────────────────────────────────────
def test_graph_is_freed_by_reference_count() -> None:
    gc.collect()
    gc.disable()
    try:
        x = parameter(np.ones(3))
        middle = np.tanh(x * 2)
        parts = np.split(middle, 3)
        y = (parts[0] * middle).sum()
        watched = [weakref.ref(t) for t in (middle, *parts, y)]
        y.backward()
        graph = am.Graph(y)
        assert graph.consumers(x)
        del middle, parts, y, graph
        assert [w() for w in watched] == [None] * len(watched)
    finally:
        gc.enable()


def test_recorded_gradient_is_freed_by_reference_count() -> None:
    gc.collect()
    gc.disable()
    try:
        x = parameter(2.0)
        g = am.grad(lambda t: np.tanh(t) * t)(x)
        h = am.grad(am.grad(lambda t: t**3))(x)
        watched = [weakref.ref(g), weakref.ref(h)]
        del g, h
        assert [w() for w in watched] == [None, None]
    finally:
        gc.enable()


CHAIN = """
import sys, gc, resource, tracemalloc
from time import process_time
import autograd_mini as am

length, traced = int(sys.argv[1]), sys.argv[2] == "traced"
x = am.tensor(1.0, requires_grad=True)
(x * 1.0).backward()
x.zero_grad()
gc.disable()
if traced:
    tracemalloc.start()
resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = process_time()
y = x
for _ in range(length // 2):
    y = y * 1.0
    y = y + 0.0
y.backward()
took = process_time() - start
if traced:
    peak = tracemalloc.get_traced_memory()[1]
else:
    unit = 1 if sys.platform == "darwin" else 1024
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident) * unit
assert x.grad == 1.0
del y
print(peak / length, took / length)
"""


def run_chain(length: int, how: str = "resident") -> tuple[float, float]:
    """Return bytes and seconds an operation of a chain that is built, walked and freed."""
    result = subprocess.run(
        [sys.executable, "-c", CHAIN, str(length), how], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    size, seconds = map(float, result.stdout.split())
    return size, seconds


@pytest.mark.long
def test_chain_takes_at_most_450_bytes_an_operation() -> None:
    assert run_chain(100_000, "traced")[0] <= 450


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="resource is a Unix module")
def test_chain_of_a_million_operations_has_no_recursion_and_takes_linear_time() -> None:
    size, seconds = run_chain(1_000_000)
    assert size <= 450
    assert seconds <= 8 * run_chain(100_000)[1]


def test_deep_graph_is_read_and_printed_without_recursion() -> None:
    x = y = parameter(1.0)
    for _ in range(20_000):
        y = y * 1.0
    start = perf_counter()
    assert len(am.Graph(y)) == 20_000
    assert am.grad(lambda t: t * y)(2.0).data == 1.0
    assert perf_counter() - start < 20
    assert x.grad is None


# ── random programs ──────────────────────────────────────────────────────────────────────────
STEPS: dict[str, Any] = {
    "add": lambda a, b: a + b,
    "row": lambda a, b: a * b.sum(axis=0, keepdims=True),
    "column": lambda a, b: a - b.mean(axis=1)[:, None],
    "scalar": lambda a, b: a * np.tanh(b[1, 0]),
    "matmul": lambda a, b: np.tanh(a @ b.T @ a),
    "itself": lambda a, b: a * a / (1 + b * b),
    "split": lambda a, b: np.concatenate(np.split(a, [1], axis=1)[::-1], axis=1),
    "unstack": lambda a, b: np.stack([b[0], *a][:2]),
    "gather": lambda a, b: a[[1, 1], :] + b[:, [2, 0, 2]],
    "choose": lambda a, b: np.where(np.arange(3) > 1, np.exp(a * 0.1), b),
    "softmax": lambda a, b: am.softmax(a) * b,
    "reshape": lambda a, b: np.reshape(a.T, (2, 3)) + np.sin(b),
    "spread": lambda a, b: a * np.std(b) + np.var(a, axis=0),
    "running": lambda a, b: np.cumsum(a, axis=1) * np.prod(b * 0.5, axis=0),
    "stack": lambda a, b: np.vstack([a, b])[1:3],
}


@pytest.mark.long
@settings(max_examples=60)
@example(steps=[("column", 0, 2), ("itself", 3, 0), ("add", 4, 4)], seed=166)  # cancels inside
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
        max_size=7,
    ),
    seed=st.integers(0, 1000),
)
def test_random_program_has_the_right_gradient(
    steps: list[tuple[str, int, int]], seed: int
) -> None:
    def program(*inputs: Any) -> Any:
        values = list(inputs)
        for name, i, j in steps:
            values.append(np.sin(STEPS[name](values[i % len(values)], values[j % len(values)])))
        return values[-1], values[-1] * values[len(values) // 2]

    generator = np.random.default_rng(seed)
    inputs = generator.uniform(0.2, 1.5, size=(3, 2, 3))
    assert am.gradcheck(program, *inputs).ok
    again = am.grad(lambda *xs: (program(*xs)[1] ** 2).sum(), argnums=(0, 1, 2))
    assert am.gradcheck(again, *inputs).ok
