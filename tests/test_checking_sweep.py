"""A sweep gives what calls with single entries moved give, up to rounding."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import samples

import autograd_mini as am
from autograd_mini.checking.numeric.perturbations import PerturbedGraph, PropagationRefused
from autograd_mini.core.primitive import PRIMITIVES, Primitive
from autograd_mini.core.record import no_grad
from autograd_mini.core.tensor import Tensor, leaf

with suppress(ModuleNotFoundError):
    import_module("autograd_mini.ops.special")

GENERATOR = np.random.default_rng(2)
W1, B1 = GENERATOR.normal(size=(5, 4)), GENERATOR.normal(size=4)
W2, B2 = GENERATOR.normal(size=(4, 3)), GENERATOR.normal(size=3)
X = GENERATOR.normal(size=(6, 5))
LABELS = GENERATOR.integers(0, 3, 6)


def flat(result: Any) -> list[Any]:
    parts = result if isinstance(result, (list, tuple)) else [result]
    return [np.asarray(y.data if isinstance(y, Tensor) else y) for y in parts]


def called(f: Any, arrays: list[Any]) -> list[Any]:
    with no_grad():
        return flat(f(*(leaf(np.asarray(x)[()]) for x in arrays)))


def same_as_calls(f: Any, *arrays: Any) -> None:
    """Compare every entry moved up and down with a call."""
    arrays = tuple(np.asarray(x, float) for x in arrays)
    base = called(f, list(arrays))
    weights = [GENERATOR.uniform(0.5, 1.5, y.shape) for y in base]
    size = sum(float(np.sum(np.abs(g * y))) for g, y in zip(weights, base, strict=True))
    sweep = PerturbedGraph(f, [x[()] for x in arrays], weights)
    for position, x in enumerate(arrays):
        steps = np.full(x.size, 1e-3)
        found = sweep.differences(position, np.arange(x.size), steps)
        assert found.above.shape == found.size.shape == (x.size,)
        for i in range(x.size):
            for change, taken in ((found.above[i], found.up[i]), (found.below[i], found.down[i])):
                moved = [a.copy() for a in arrays]
                moved[position].flat[i] += taken
                after = called(f, moved)
                rows = zip(weights, after, base, strict=True)
                expected = sum(float(np.sum(g * (y - b))) for g, y, b in rows)
                assert abs(change - expected) <= 1e-11 * (size + 1)


def loss(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    return am.nn.cross_entropy(np.tanh(X @ w1 + b1) @ w2 + b2, LABELS)


FUNCTIONS = {
    "loss of a network": (loss, W1, B1, W2, B2),
    "three layers": (lambda a, b: np.tanh(np.tanh(X @ a + B1) @ a.T @ b) @ W2, W1, W1),
    "row of a left operand": (lambda a: np.sin(a) @ W2, W1),
    "truth values meet rows": (lambda a, b: (a > 0) * b + np.where(b > 0, a, a * b), W1, W1),
    "complex": (lambda a: np.abs((a * (1 + 2j)) @ (W2 * 1j)) ** 2, W1),
    "float32 operand": (lambda a: a @ W2.astype(np.float32), W1),
    "relu": (lambda w, b: np.sum(am.relu(X @ w + b) ** 2), W1, B1),
    "one weight twice": (lambda w: np.sum(np.tanh(w @ w.T) @ w), W1),
    "weight as left and right": (lambda w: np.tanh(X @ w) @ w.T, W1),
    "rows and columns meet": (lambda a, b: a * b + b / (2 + a * a), W1, B1),
    "same rows": (lambda a: np.exp(a) * a + a[::-1], W1),
    "sums along axes": (lambda a: np.sum(a * a, axis=0) * np.sum(a, axis=1, keepdims=True), W1),
    "transposed": (lambda a: np.transpose(np.sin(a)) @ a, W1),
    "stack of matrices": (lambda a: np.stack([a, a]) @ W2, W1),
    "several outputs": (lambda a: np.split(np.tanh(a), 2, axis=1), W1),
    "vector products": (lambda a, b: a @ b, W1, B1),
    "single element": (lambda a: a * 2.0 + a, np.array([[3.0]])),
    "numbers": (lambda a, b: a * np.sin(b), 2.0, 3.0),
    "empty": (lambda a: np.sin(a), np.zeros((0, 2))),
    "indexing": (lambda a: a[[0, 0, 2]] * 3, W1),
    "where": (lambda a: np.where(a > 0, np.exp(a), a), W1),
    "input as result": (lambda a: (a, a * 2), W1),
    "unused input": (lambda a, b: a * 2, B1, B2),
    "broadcast to more axes": (lambda a: a * np.ones((2, 3, 4)), B1),
    "column and matrix": (lambda a: a * W1, GENERATOR.normal(size=(5, 1))),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sweep_equals_calls(name: str) -> None:
    f, *arrays = FUNCTIONS[name]
    same_as_calls(f, *arrays)


SHAPED: dict[str, Any] = {  # each gives a matrix of 4 × 4 from such matrices
    "bias": lambda x, y, c: x @ c + c[0],
    "bias of one entry in each row": lambda x, y, c: c[:, :1] + c @ x,
    "bias that moves": lambda x, y, c: x @ c + y[1],
    "bias of two products": lambda x, y, c: (x @ c) + (c @ y),
    "bias twice": lambda x, y, c: (x @ c + c) + c[2],
    "product used twice": lambda x, y, c: (lambda z: (z + c) * z)(y @ c),
    "transposed product": lambda x, y, c: (c @ y.T).T + c,
    "residual": lambda x, y, c: np.tanh(x) + x * c,
    "rows": lambda x, y, c: x[[3, 0, 0, 1]] - y,
    "columns": lambda x, y, c: x[..., ::-1] * y[:, [2, 2, 0, 1]],
    "entries": lambda x, y, c: c + x[[0, 1, 2, 3], [3, 3, 0, 1]] * y[1:2, None, 2],
    "mask": lambda x, y, c: y * np.sum(x[c > 0]),
    "view": lambda x, y, c: np.concatenate([np.exp(x[:2]), x[2:]]) + np.sin(x),
    "reshaped": lambda x, y, c: np.reshape(x, (2, 8)).reshape(4, 4) + np.exp(x * 0.1),
    "stopped": lambda x, y, c: y * am.stop_gradient(x) + np.tanh(x),
    "softmax": lambda x, y, c: am.softmax(x + y, axis=-1) @ c,
    "sum over rows": lambda x, y, c: x - np.sum(y, axis=0),
}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(SHAPED)), st.booleans()), min_size=2, max_size=6))
def test_sweep_of_random_programs_equals_calls(parts: list[tuple[str, bool]]) -> None:
    c = np.random.default_rng(len(parts)).normal(size=(4, 4))

    def program(x: Any, y: Any) -> Any:
        for name, both in parts:
            fresh = np.tanh(SHAPED[name](x, y, c))
            x, y = fresh, (x if both else y)
        return np.sum(x, axis=1), y[0]

    same_as_calls(program, 0.3 * c.T, 0.1 * c + 0.2)


ROWS = [p for p in PRIMITIVES.values() if p.differentiable]


@pytest.mark.parametrize("primitive", ROWS, ids=lambda p: p.name)
@settings(max_examples=4)
@given(data=st.data())
def test_sweep_of_every_row_equals_calls_or_is_refused(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))

    def f(*xs: Any) -> Any:
        return sample.outputs(*(np.sin(x) * 0.01 + x for x in xs))

    try:
        with np.errstate(all="ignore"):
            same_as_calls(f, *sample.arrays)
    except PropagationRefused:
        pass


def test_function_that_looks_at_values_is_refused() -> None:
    with pytest.raises(PropagationRefused):
        PerturbedGraph(lambda x: x * 2 if x[0] > 0 else x, [B1], [np.ones(4)])


def own(of: Any, **options: Any) -> Any:
    made = am.primitive(of, **options)
    made.vjp(lambda g, y, x: g)
    return made


def test_own_operation_that_is_wrongly_called_elementwise_is_swept_as_it_is() -> None:
    def first_column_times_three(x: Any) -> Any:
        y = np.array(x)
        y[..., 0] *= 3
        return y

    for of in (lambda x: x * np.ravel(x)[0], lambda x: x * np.max(x), first_column_times_three):
        f = own(of, name="own", elementwise=True)
        same_as_calls(lambda x, f=f: f(np.sin(x)) ** 2, W1)


def test_own_operation_may_have_the_name_of_another() -> None:
    matmul = am.primitive(lambda a, b: a * b, name="matmul")
    same_as_calls(lambda a: matmul(a, a + 1), W1[:4])
    total = own(lambda x: x * 2, name="sum")
    same_as_calls(lambda a: total(np.sin(a)), W1)


def test_what_was_refused_once_stays_refused() -> None:
    draws = np.random.default_rng(0)

    def f(x: Any) -> Any:
        return np.sum(x) * float(draws.normal())

    sweep = PerturbedGraph(f, [B1], [np.ones(())])
    for _ in range(2):
        with pytest.raises(PropagationRefused, match="swept"):
            sweep.differences(0, np.arange(4), np.full(4, 1e-3))


def test_entries_that_seem_to_stand_still_are_called_too() -> None:
    outside = np.array([0.0])

    def f(x: Any) -> Any:
        outside[...] = x._value[-1]  # no graph sees this
        return np.sum(x[:-1] * outside[0])

    sweep = PerturbedGraph(f, [B1], [np.ones(())])
    with pytest.raises(PropagationRefused, match="swept 0"):
        sweep.differences(0, np.array([0, 1, 2, 3]), np.full(4, 1e-3))


def test_infinity_that_becomes_finite_is_not_swept() -> None:
    sweep = PerturbedGraph(
        lambda x: np.exp(-np.sum(np.log(x))), [np.array([0.0, 1.0])], [np.ones(())]
    )
    with pytest.raises(PropagationRefused):
        sweep.differences(0, np.arange(2), np.full(2, 1e-3))


def test_values_that_live_on_are_not_overwritten() -> None:
    a = GENERATOR.normal(size=(5, 5))

    def f(x: Any) -> Any:
        y = np.exp(x) @ a
        rows = [np.reshape(y, (5, 5))[i] * np.transpose(y + x)[i] for i in range(5)]
        return np.stack(rows) + np.sin(y) * np.cos(y), np.reshape(y * 2, (25,))

    same_as_calls(f, a)


def test_check_of_what_cannot_be_swept_goes_on_without() -> None:
    def f(x: Any) -> Any:
        return np.sum(x * 2 if float(x.data[0]) > 0 else x)

    assert am.gradcheck(f, np.arange(1.0, 60.0)).checked == 59
