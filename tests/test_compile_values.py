"""Values that decide about a result: a program looks at them again, or there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import autograd_mini as am


# ── what a program looks at again ────────────────────────────────────────────────────────────────
def thrice(function: Any, *args: Any) -> Any:
    """Compile a function, and call it until its program runs."""
    compiled = am.compile(function)
    for _ in range(3):
        compiled(*args)
    return compiled


GENERATOR = am.random.Generator(0)
X = np.linspace(-1.0, 1.0, 12).reshape(4, 3)


def test_labels_are_read_at_each_call() -> None:
    f = thrice(
        am.value_and_grad(lambda z, labels: am.nn.cross_entropy(z, labels)), X, np.arange(4) % 3
    )
    labels = np.array([2, 2, 0, 1])
    for found, wanted in zip(
        f(X, labels), am.value_and_grad(lambda z: am.nn.cross_entropy(z, labels))(X), strict=True
    ):
        assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("label", [-1, 3])
@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.uint16])
def test_a_label_that_is_no_class_is_an_error_at_each_call(label: int, dtype: Any) -> None:
    f = thrice(lambda z, labels: am.nn.cross_entropy(z, labels), X, np.zeros(4, dtype))
    wrong = np.array([0, label, 0, 0]).astype(dtype)
    with pytest.raises(am.ArgumentError, match=f"have {wrong[1]}; the logits have 3 classes"):
        f(X, wrong)
    assert np.isfinite(f(X, np.array([2, 1, 0, 1], dtype)))


def test_labels_differ_from_example_to_example() -> None:
    labels = np.array([2, 0, 1, 1])
    found = am.vmap(lambda z, label: am.nn.cross_entropy(z, label))(X, labels)
    wanted = [am.nn.cross_entropy(z, int(label)) for z, label in zip(X, labels, strict=True)]
    assert_allclose(found, wanted, rtol=1e-14)


@pytest.mark.parametrize("loss", [am.nn.mse, am.nn.binary_cross_entropy, am.nn.hinge])
@pytest.mark.parametrize("dtype", [int, float])
def test_a_loss_of_float32_stays_one_in_a_program(loss: Any, dtype: Any) -> None:
    model = am.nn.Dense(3, 1, seed=0, dtype=np.float32)
    target = np.ones((4, 1), dtype)
    found = thrice(lambda x, y: loss(model(x), y), X, target)(X, target)
    wanted = loss(model(X), target)
    assert found.dtype == wanted.dtype == np.float32
    assert_allclose(found.data, wanted.data, rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "wrong", "message"),
    [
        (lambda i: np.choose(i, [X[:2, 0], X[2:, 0]]), np.array([0, -1]), "outside of the choices"),
        (lambda q: np.quantile(X, q), np.array([0.5, 1.5]), "from 0 to 1"),
        (lambda w: np.cov(X.T, aweights=w), np.array([1.0, -1, 1, 1]), "must not be negative"),
        (lambda s: GENERATOR.normal(0.0, s), np.array([-1.0, 1.0]), "negative"),
    ],
)
def test_what_decides_is_looked_at_again(function: Any, wrong: Any, message: str) -> None:
    right = {2: np.array([0, 1]).astype(wrong.dtype), 4: np.ones(4)}[wrong.size]
    compiled = thrice(lambda x: function(x), right)
    with pytest.raises(am.ArgumentError, match=message):
        compiled(wrong)


def test_where_a_program_raises_the_function_decides() -> None:
    squares = thrice(lambda a: np.linalg.lstsq(a, X[:, 0])[1], np.vander(X[:, 0], 3))
    assert squares(np.ones((4, 3))).size == 0
    put = thrice(lambda i: am.set_at(np.zeros(3), i, 1.0), np.array([0, 1]))
    with pytest.raises(am.ShapeError, match="names a place twice"):
        put(np.array([2, 2]))


def test_a_check_leaves_a_gradient_to_the_program(tmp_path: Path) -> None:
    w = am.tensor(X, requires_grad=True)
    calls = os.open(tmp_path / "calls", os.O_CREAT | os.O_WRONLY)  # a trace does not see a file

    def f(i: Any) -> Any:
        os.write(calls, b".")
        return np.choose(i, [w[0], w[1]]).sum()

    compiled = thrice(f, np.array([0, 1, 0]))
    compiled(np.array([1, 1, 0])).backward()
    assert os.fstat(calls).st_size == 3  # two recorded and one checked, none for the gradient
    assert_allclose(w.grad[:2], [[0, 0, 1], [1, 1, 0]])


# ── what cannot be a program ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: (x[x > 0] * 2).sum(), r"booleans at .*test_compile_values.py.*np.where"),
        (lambda x: x.compress([True, False, True], axis=1) * x[x[:, 0] > 0].shape[0], "booleans"),
        (lambda x: np.piecewise(x, [x > 5], [np.log, 0.0]), "index of booleans"),
        (lambda x: np.linalg.eigvals(x.T @ x), r"eigenvalues .*astype\(complex\)"),
        (lambda x: np.ravel(x, order="K"), "lie in memory"),
        (lambda x: np.reshape(x, (2, 6), order="A"), "lie in memory"),
        (lambda x: am.nn.accuracy(x, x), "a metric"),
        (lambda x: np.array2string(x), "np.array2string"),
        (lambda x: np.isclose(x, 0.0, atol=x[0, 0]), "np.isclose"),
        (lambda x: np.where(x > 0), "np.nonzero"),
    ],
)
def test_what_depends_on_values_is_an_error(function: Any, message: str) -> None:
    with pytest.raises(am.AutogradError, match=message):
        am.compile(lambda x: function(x))(X)


def test_a_constant_mask_may_be_an_index() -> None:
    mask = X[:, 0] > 0
    f = thrice(am.grad(lambda x: (x[mask] ** 2).sum()), X)
    assert_allclose(f(X + 1), 2 * (X + 1) * mask[:, None])


def test_a_mask_may_say_where_a_number_is_set() -> None:
    f = thrice(am.grad(lambda x: (am.set_at(x, x > 0, 0.0) ** 2).sum()), X)
    assert_allclose(f(-X), 2 * np.minimum(-X, 0))


def test_eigenvalues_of_complex_matrices_are_a_program() -> None:
    f = thrice(lambda x: np.linalg.eigvals(x.astype(complex)), np.eye(2))
    assert_allclose(f(np.array([[0.0, -1.0], [1.0, 0.0]])), [1j, -1j])


# ── numbers of Python ────────────────────────────────────────────────────────────────────────────
def test_a_float_may_be_assigned() -> None:
    rate = am.tensor(1.0)

    def f(x: Any) -> Any:
        rate.assign(x * 2)
        return rate + 0

    compiled = thrice(f, 1.5)
    assert compiled(4.0).item() == 8.0
    assert rate.item() == 8.0


def test_a_float_becomes_an_array_where_numpy_makes_one() -> None:
    x = np.float32([1, 2, 3])
    f = thrice(lambda x, q: (np.quantile(x, q), np.stack([q, q]), x * q), x, 0.5)
    for found, wanted in zip(
        f(x, 0.25), (np.quantile(x, 0.25), np.stack([0.25, 0.25]), x * 0.25), strict=True
    ):
        assert_allclose(found, wanted)
        assert found.dtype == wanted.dtype


def test_lists_of_numbers_are_operands() -> None:
    f = thrice(lambda x: np.isin(x, [1.0, 2.0]), np.zeros(3))
    assert f(np.array([0.0, 1.0, 2.0])).tolist() == [False, True, True]


def test_rows_of_an_array_are_views_of_a_program() -> None:
    f = thrice(lambda x: np.apply_along_axis(np.cumsum, 1, x), X)
    assert_allclose(f(X * 2), np.cumsum(X * 2, axis=1))
