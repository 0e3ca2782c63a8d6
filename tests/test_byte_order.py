"""Arrays of the other byte order: the values and kinds of results are those of native arrays."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.core.primitive import PRIMITIVES, draw_operands

OTHER = ">" if sys.byteorder == "little" else "<"
DTYPES = [f"{OTHER}{kind}" for kind in ("f8", "f4", "i8", "i4", "u2", "c16", "c8")]
REAL = [dtype for dtype in DTYPES if dtype[1] == "f"]


def swapped(x: Any) -> Any:
    """Return an array in the other byte order, with the same values."""
    if not isinstance(x, np.ndarray) or not x.ndim or x.dtype.itemsize == 1:
        return x
    return x.astype(x.dtype.newbyteorder("S"))


def native(x: Any) -> Any:
    return x.astype(x.dtype.type)


def plain(results: Any) -> list[Any]:
    """Return results as arrays."""
    parts = results if isinstance(results, (tuple, list)) else [results]
    return [np.asarray(y.data if isinstance(y, am.Tensor) else y) for y in parts]


def kinds(results: Any) -> list[Any]:
    """Return what kind of results these are: class, dtype, shape."""
    parts = results if isinstance(results, (tuple, list)) else [results]
    return [(type(y), y.dtype, y.shape) for y in parts]


def values() -> Any:
    return np.array([0.5, 2.0, 3.0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_has_the_byte_order_of_the_machine(dtype):
    x = values().astype(dtype)
    for t in (am.tensor(x), am.tensor([1, 2, 3], dtype=dtype), am.tensor(x[0]), am.tensor(x[:0])):
        assert t.dtype.isnative and t.dtype.type is x.dtype.type
    np.testing.assert_array_equal(am.tensor(x).data, x)
    assert am.tensor(x).dtype is np.zeros(1, x.dtype.type).dtype  # what replays look for


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_every_operation_gives_the_values_and_dtypes_of_native_operands(name):
    row = PRIMITIVES[name]
    for case in row.samples:
        operands = draw_operands(row, case, np.random.default_rng(0))
        found, right = (
            row(
                *(am.tensor(change(x)) if isinstance(x, np.ndarray) else x for x in operands),
                **dict(case.params),
            )
            for change in (swapped, lambda x: x)
        )
        assert kinds(found) == kinds(right)
        for a, b in zip(plain(found), plain(right), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", REAL)
def test_plain_operands_and_gradients_are_native(dtype):
    x = values().astype(dtype)
    w = am.tensor(native(x), requires_grad=True)
    loss = np.sum(w * x)
    loss.backward()
    assert loss.dtype == native(x).dtype and w.grad.dtype == native(x).dtype
    np.testing.assert_array_equal(w.grad, x)
    v = am.tensor(x, requires_grad=True)
    (v * 2).backward(np.ones(3, dtype))
    assert v.grad.dtype.isnative and v.grad.tolist() == [2.0, 2.0, 2.0]


def cube(x: Any) -> Any:
    return np.sum(x**3)


TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "grad": am.grad(cube),
    "grad of a sum": am.grad(lambda x: np.sum(x)),
    "value_and_grad": am.value_and_grad(cube),
    "jacobian": am.jacobian(lambda x: x**2),
    "hvp": lambda x: am.hvp(cube)(x, x),
    "vjp": lambda x: am.vjp(np.sin, x)[1](np.ones_like(x)),
    "jvp": lambda x: am.jvp(np.sin, (x,), (x,)),
    "jvp of nothing": lambda x: am.jvp(lambda v: v, (x,), (x,)),
    "vmap": am.vmap(lambda x: x * 2.0),
    "grad of grad": am.grad(lambda x: np.sum(am.grad(cube)(x))),
    "hessian": am.hessian(cube),
}


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("dtype", REAL)
def test_transforms_give_the_values_and_dtypes_of_native_arrays(name, dtype):
    x = values().astype(dtype)
    for wrap in (np.asarray, am.tensor):
        found, right = (TRANSFORMS[name](wrap(given)) for given in (x, native(x)))
        found, right = (y if isinstance(y, tuple) else (y,) for y in (found, right))
        for a, b in zip(found, right, strict=True):
            one, other = plain(a)[0], plain(b)[0]
            assert type(a) is type(b) and one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda x: x,
    "a view": lambda x: x[::-1],
    "an element": lambda x: x[1],
    "a copy": lambda x: np.copy(x),
    "moved": lambda x: np.concatenate([np.sort(x), np.repeat(x, 2), np.roll(x, 1)]),
    "numbers": lambda x: (np.sum(x), np.max(x), np.argmax(x), np.mean(x)),
    "arithmetic": lambda x: (x + 1, x * x, x @ x),
    "parts": lambda x: tuple(np.split(x, 3)),
}
GRADIENTS = ["grad", "grad of a sum", "value_and_grad", "jacobian", "jvp", "vmap"]


@pytest.mark.parametrize("wrap", [np.asarray, am.tensor])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_call_of_a_compiled_function_gives_the_same_kind_of_result(name, dtype, wrap):
    check_calls(FUNCTIONS[name], values().astype(dtype), wrap)


@pytest.mark.parametrize("wrap", [np.asarray, am.tensor])
@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("name", GRADIENTS)
def test_every_call_of_a_compiled_gradient_gives_the_same_kind_of_result(name, dtype, wrap):
    check_calls(TRANSFORMS[name], values().astype(dtype), wrap)


def check_calls(function: Callable[[Any], Any], x: Any, wrap: Any) -> None:
    """Call a compiled function five times; compare with the first call and with native arrays."""
    compiled, seen = am.compile(function), []
    right = plain(function(wrap(native(x))))
    for _ in range(5):
        results = compiled(wrap(x))
        seen.append(kinds(results))
        for a, b in zip(plain(results), right, strict=True):
            assert a.dtype.type is b.dtype.type
            np.testing.assert_allclose(a, b, rtol=1e-6)
    assert compiled.program is not None and seen == seen[:1] * 5


def test_a_training_step_sees_the_same_numbers():
    def losses(change: Callable[[Any], Any]) -> list[float]:
        w = am.tensor(change(np.full((3, 2), 0.5)), requires_grad=True, name="w")
        optimizer = am.optim.Adam([w], lr=0.1)

        @am.compile
        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = np.mean((np.tanh(x @ w) - y) ** 2)
            loss.backward()
            optimizer.step()
            return loss

        x = np.random.default_rng(0).normal(size=(5, 3))
        found = [step(change(x), change(np.cos(x[:, :2]))) for _ in range(6)]
        assert len({(type(y), y.dtype.str) for y in found}) == 1 and w.dtype.isnative
        return [y.item() for y in found]

    np.testing.assert_allclose(losses(swapped), losses(lambda x: x), rtol=1e-12)


@pytest.mark.parametrize("compile", [None, False, True])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_fit_and_predict_give_what_they_give_for_native_arrays(compile, dtype):
    x = np.random.default_rng(0).normal(size=(16, 3)).astype(dtype)
    y, labels = np.sin(x[:, :1]), (x[:, 0] > 0).astype(int)

    def run(change: Callable[[Any], Any], target: Any, loss: str, outputs: int) -> Any:
        model = am.nn.MLP([3, 4, outputs], seed=0, dtype=dtype)
        given = {"loss": loss, "epochs": 3, "seed": 0, "verbose": False, "compile": compile}
        history = model.fit(change(x), change(target), **given)
        predicted = [model.predict(change(x)) for _ in range(5)]
        assert {p.dtype.str for p in predicted} == {np.dtype(dtype).str}
        assert all(p.dtype.isnative for p in model.parameters())
        return history.loss, np.array(predicted)

    for target, loss, outputs in ((y, "mse", 1), (labels, "cross_entropy", 2)):
        found, right = (run(f, target, loss, outputs) for f in (swapped, lambda a: a))
        np.testing.assert_array_equal(found[0], right[0])
        np.testing.assert_array_equal(found[1], right[1])


def test_weights_are_saved_and_loaded(tmp_path):
    one, other = am.nn.MLP([3, 4, 1], seed=0), am.nn.MLP([3, 4, 1], seed=1)
    np.savez(tmp_path / "w.npz", **{n: swapped(t.data) for n, t in one.named_tensors()})
    other.load(tmp_path / "w.npz")
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)
        assert b.dtype.isnative
    other.layers[0].bias.assign(swapped(np.arange(4.0)))
    other.save(tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as saved:
        assert all(saved[name].dtype.isnative for name in saved)


@pytest.mark.parametrize("dtype", REAL)
def test_models_of_a_dtype_of_the_other_order_are_native(dtype):
    for model in (am.nn.MLP([3, 2], dtype=dtype), am.nn.MLP([3, 2]).astype(dtype)):
        wanted = np.dtype(np.dtype(dtype).type)
        assert {p.dtype for p in model.parameters()} == {wanted}


@pytest.mark.parametrize("dtype", DTYPES)
def test_copies_pickles_and_files_keep_the_values(dtype):
    x = values().astype(dtype)
    t = am.tensor(x)
    for other in (copy.deepcopy(t), pickle.loads(pickle.dumps(t)), t.detach()):
        assert other.dtype == t.dtype
        np.testing.assert_array_equal(other.data, x)
    np.save(file := io.BytesIO(), t.data)
    file.seek(0)
    found = np.load(file)
    assert found.dtype == t.dtype
    np.testing.assert_array_equal(found, x)


def test_a_leaf_keeps_its_byte_order_whatever_is_assigned():
    t = am.tensor(np.zeros(3), requires_grad=True)
    for change in (
        lambda: t.assign(swapped(np.ones(3))),
        lambda: setattr(t, "data", swapped(np.ones(3, np.float32))),
        lambda: am.optim.SGD([t], lr=0.1).load_state_dict(am.optim.SGD([t], lr=0.1).state_dict()),
    ):
        change()
        assert t.dtype.isnative and t.tolist() == [1.0, 1.0, 1.0]


def test_an_operation_of_the_user_s_own_may_return_the_other_order():
    double = am.primitive(lambda x: swapped(np.asarray(x) * 2.0), name="double")
    double.vjp(lambda g, y, x: swapped(np.asarray(g) * 2.0))
    t = am.tensor(np.ones(3), requires_grad=True)
    y = double(t)
    assert y.dtype.isnative and y.tolist() == [2.0, 2.0, 2.0]
    np.sum(y).backward()
    assert t.grad.dtype.isnative and t.grad.tolist() == [2.0, 2.0, 2.0]
