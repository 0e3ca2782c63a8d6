"""Functions of JAX and TensorFlow are checked like ours; how a framework is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from frameworks import POINT, imported, kinds, look

import autograd_mini as am
from autograd_mini.checking.adapters import framework_of
from autograd_mini.errors import ArgumentError

pytestmark = pytest.mark.filterwarnings("ignore")  # what frameworks say of themselves


@pytest.fixture
def torch() -> Any:
    return imported("torch")


@pytest.fixture
def jax() -> Any:
    return imported("jax")


@pytest.fixture
def tf() -> Any:
    return imported("tensorflow")


# ── which framework ───────────────────────────────────────────────────────────────────────────


def test_numpy_functions_have_no_framework() -> None:
    assert framework_of(np.sin, [POINT, 2, {"a": [None, "text"]}]) is None
    assert framework_of(lambda x: x, [am.tensor(1.0)]) is None


def test_framework_of_another_name_is_refused() -> None:
    with pytest.raises(ArgumentError, match="framework must be one of"):
        am.gradcheck(np.sin, 1.0, framework="theano")


def test_framework_is_found_by_inputs_and_by_function(torch: Any) -> None:
    nested = {"a": [torch.ones(2)]}
    for f, inputs in ((print, [nested]), (torch.sin, [2.0]), (torch.nn.Linear(2, 1), [POINT])):
        found = framework_of(f, inputs)
        assert found is not None and found.title == "PyTorch"


# ── JAX ───────────────────────────────────────────────────────────────────────────────────────


def test_right_functions_of_jax_pass_in_double_precision(jax: Any) -> None:
    x = jax.numpy.asarray(POINT, np.float32)
    report = look(lambda a: jax.numpy.tanh(a) @ a.T, x, order=2)
    assert report.ok and report.rtol == 1e-6
    assert look(jax.jit(jax.numpy.sin), x).ok
    assert jax.numpy.ones(1).dtype == np.float32  # the global setting is as it was


def test_wrong_custom_derivatives_of_jax_are_found(jax: Any) -> None:
    x = jax.numpy.asarray(POINT)
    cube = jax.custom_vjp(lambda x: x**3)
    cube.defvjp(lambda x: (x**3, x), lambda x, g: (-3 * x**2 * g,))
    assert "sign" in kinds(look(cube, x))
    square = jax.custom_jvp(lambda x: x**2)
    square.defjvp(lambda p, t: (p[0] ** 2, p[0] * t[0]))
    assert "factor" in kinds(look(square, x))
    short = jax.custom_vjp(lambda x: 2 * x)
    short.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g[:1],))
    assert not look(short, x).ok


def test_gradient_of_jax_in_float32_alone_is_checked_in_float32(jax: Any) -> None:
    double = jax.custom_vjp(lambda x: 2 * x)
    double.defvjp(lambda x: (2 * x, None), lambda _, g: ((2 * g).astype(np.float32),))
    assert look(double, jax.numpy.asarray(POINT)).ok


def test_complex_gradients_of_jax_follow_our_convention(jax: Any) -> None:
    z = jax.numpy.array([1 + 2j, 0.5 - 1j])
    numbers = jax.numpy
    assert look(lambda z: z**2 * numbers.conj(z), z, order=2).ok
    assert look(lambda z: numbers.abs(z) ** 2, z).ok
    assert look(lambda x: numbers.exp(1j * x) * (2 - 1j), numbers.ones(2)).ok


def test_nested_inputs_and_outputs_of_jax(jax: Any) -> None:
    numbers = jax.numpy
    p = {"w": numbers.ones((2, 2)), "b": [numbers.array([0.5, 2.0])], "k": numbers.array([1, 0])}

    def f(p: Any, key: Any) -> Any:
        noise = jax.random.normal(key, (2,))
        return {"a": p["w"][p["k"]] @ p["b"][0] * noise, "n": (p["w"].sum(), p["k"] + 1)}

    assert look(f, p, jax.random.key(0)).ok


def test_registered_classes_of_jax_are_opened(jax: Any) -> None:
    class Line:
        def __init__(self, slope: Any, shift: Any) -> None:
            self.slope, self.shift = slope, shift

    jax.tree_util.register_pytree_with_keys(
        Line,
        lambda line: (
            [
                (jax.tree_util.GetAttrKey("slope"), line.slope),
                (jax.tree_util.GetAttrKey("shift"), line.shift),
            ],
            None,
        ),
        lambda _, leaves: Line(*leaves),
    )
    line = Line(jax.numpy.ones(2), jax.numpy.zeros(2))
    report = look(lambda line, x: line.slope * x + line.shift, line, jax.numpy.ones(2))
    assert report.ok
    assert {part.name for part in report.parts} == {"line['slope']", "line['shift']", "x"}


def test_hand_written_rules_get_arrays_of_jax(jax: Any) -> None:
    numbers, x = jax.numpy, jax.numpy.asarray(POINT)
    assert look(numbers.sin, x, vjp=lambda g, x: (g * numbers.cos(x),)).ok


# ── TensorFlow ────────────────────────────────────────────────────────────────────────────────


def test_right_functions_of_tensorflow_pass_in_double_precision(tf: Any) -> None:
    x = tf.constant(POINT, tf.float32)
    report = look(lambda a: tf.tanh(a) @ tf.transpose(a), x, order=2)
    assert report.ok and report.rtol == 1e-6
    assert look(tf.function(lambda a: a * a), x).ok


def test_wrong_custom_gradients_of_tensorflow_are_found(tf: Any) -> None:
    x = tf.constant(POINT)
    cube = tf.custom_gradient(lambda x: (x**3, lambda g: -3 * x**2 * g))
    assert "sign" in kinds(look(cube, x))
    short = tf.custom_gradient(lambda x: (2 * x, lambda g: 2 * g[:1]))
    assert kinds(look(short, x)) == ["shape"]
    assert look(lambda a: tf.stop_gradient(2 * a), x).count("wrong") == 6


def test_variables_of_tensorflow_are_moved_and_left_alone(tf: Any) -> None:
    v = tf.Variable(POINT)
    assert look(tf.function(lambda v: v * v), v, order=2).ok
    assert look(lambda v, i: tf.gather(v, i), v, np.array([0, 0, 1])).ok
    assert kinds(look(lambda v: v.assign(2 * v), v)) == ["mutation"]
    np.testing.assert_array_equal(v.numpy(), POINT)


def test_complex_gradients_of_tensorflow_follow_our_convention(tf: Any) -> None:
    z = tf.constant([1 + 2j, 0.5 - 1j])
    assert look(lambda z: z**2 * tf.math.conj(z), z, order=2).ok
    assert look(lambda z: tf.abs(z) ** 2, z).ok


def test_nested_inputs_and_outputs_of_tensorflow(tf: Any) -> None:
    p = {"w": tf.ones((2, 2)), "b": [tf.constant([0.5, 2.0])], "k": tf.constant([1, 0])}

    def f(p: Any) -> Any:
        rows = tf.gather(p["w"], p["k"])
        return {"a": tf.linalg.matvec(rows, p["b"][0]), "n": (tf.reduce_sum(rows), p["k"] + 1)}

    assert look(f, p, order=2).ok


def test_functions_that_hold_float32_variables_are_checked_in_float32(tf: Any) -> None:
    w = tf.Variable([[1.0], [2.0], [-0.5]])
    report = look(lambda x: tf.tanh(x @ w), tf.constant(POINT, tf.float32))
    assert report.ok and report.rtol > 1e-6


def test_short_floats_of_tensorflow_widen_the_bars(tf: Any) -> None:
    assert look(lambda x: tf.cast(x, tf.bfloat16) * 3, tf.constant(POINT)).rtol > 0.1


def test_hand_written_rules_get_tensors_of_tensorflow(tf: Any) -> None:
    assert look(tf.sin, tf.constant(POINT), vjp=lambda g, x: (g * tf.cos(x),)).ok


def test_batched_complex_entries_of_jax(jax: Any) -> None:
    z = jax.numpy.arange(15) * (0.1 + 0.2j)
    report = look(lambda z: z * z * jax.numpy.conj(z), z)
    assert report.ok and report.checked == 30
