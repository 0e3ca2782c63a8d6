"""Properties that every row of the primitive table has, on drawn shapes and values."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Sample, cotangents, samples

import autograd_mini as am
from autograd_mini.primitives import PRIMITIVES, Primitive
from autograd_mini.tensors import leaf

with suppress(ModuleNotFoundError):  # SciPy's functions enter the table where they are wanted
    import_module("autograd_mini.ops.special")


def carries_gradient(primitive: Primitive) -> bool:
    rules = primitive.vjp
    return rules is not None and (callable(rules) or any(rule is not None for rule in rules))


DIFFERENTIABLE = [p for p in PRIMITIVES.values() if carries_gradient(p)]
DISCRETE = [p for p in PRIMITIVES.values() if not carries_gradient(p)]

each = pytest.mark.parametrize("primitive", DIFFERENTIABLE, ids=lambda p: p.name)


def pulled_back(sample: Sample, xs: list[Any], gs: list[Any]) -> list[Any]:
    """Return the cotangents of the differentiable operands, as arrays."""
    _, back = am.vjp(lambda *ts: sample.outputs(*ts), *xs)
    return list(back(gs))


def plain(sample: Sample, xs: list[Any]) -> list[Any]:
    return [np.asarray(y) for y in sample.outputs(*xs)]


@each
def test_a_row_with_a_rule_has_samples(primitive: Primitive) -> None:
    assert primitive.samples
    for case in primitive.samples:
        assert set(case.params) == set(primitive.params)


@each
def test_a_row_has_a_rule_an_operand(primitive: Primitive) -> None:
    if isinstance(primitive.vjp, tuple):
        assert all(len(case.operands) == len(primitive.vjp) for case in primitive.samples)


@each
@given(data=st.data())
def test_gradient_equals_finite_differences(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    assert am.gradcheck(sample.outputs, *sample.arrays).ok


@each
@settings(max_examples=8)
@given(data=st.data())
def test_second_order_equals_finite_differences(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    gs = cotangents(plain(sample, sample.arrays))

    def gradient(gs: Any, *xs: Any) -> Any:
        return pulled_back(sample, list(xs), gs)

    assert am.gradcheck(gradient, gs, *sample.arrays).ok


@each
@given(data=st.data())
def test_float32_is_kept(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    if "dtype" in sample.params:
        sample.params["dtype"] = np.dtype(np.float32)
    xs = [np.float32(x) for x in sample.arrays]
    tensors = [leaf(x, requires_grad=True) for x in xs]
    outputs = sample.outputs(*tensors)
    assert [y.dtype for y in outputs] == [np.dtype(np.float32)] * len(outputs)
    gs = [np.asarray(g, np.float32)[()] for g in cotangents(outputs)]
    assert all(gx.dtype == np.float32 for gx in pulled_back(sample, xs, gs))
    recorded = pulled_back(sample, tensors, gs)
    assert all(gx.dtype == np.float32 for gx in recorded)


@each
@given(data=st.data())
def test_result_equals_the_forward_on_arrays(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    tensors = [leaf(x, requires_grad=True) for x in sample.arrays]
    for y, expected in zip(sample.results(*tensors), sample.results(*sample.arrays), strict=True):
        assert type(y) is am.Tensor
        assert y.requires_grad
        assert y.op.primitive is primitive
        assert not (type(y.data) is np.ndarray and y.data.ndim == 0)
        np.testing.assert_array_equal(y.data, expected)


@each
@given(data=st.data())
def test_nothing_is_mutated_and_no_gradient_is_shared(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    tensors = [am.tensor(x, requires_grad=True) for x in sample.arrays]
    outputs = sample.outputs(*tensors)
    gs = cotangents(outputs)
    held = [np.asarray(a) for a in (*(t.data for t in tensors), *(y.data for y in outputs), *gs)]
    before = [a.copy() for a in held]
    for y, g in zip(outputs, gs, strict=True):
        y.backward(g)
    for a, b in zip(held, before, strict=True):
        np.testing.assert_array_equal(a, b)
    gradients = [t.grad for t in tensors]
    assert all(g.shape == t.shape for g, t in zip(gradients, tensors, strict=True))
    for i, g in enumerate(gradients):
        others = [*held, *(h for j, h in enumerate(gradients) if j != i)]
        assert not any(np.shares_memory(g, a) for a in others)


@each
@given(data=st.data())
def test_zero_cotangent_gives_zero_gradient(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    gs = [np.zeros_like(y)[()] for y in plain(sample, sample.arrays)]
    for gx in pulled_back(sample, sample.arrays, gs):
        np.testing.assert_array_equal(gx, 0)


@each
@given(data=st.data())
def test_strided_inputs_and_cotangents_give_the_same(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    gs = [np.broadcast_to(np.float64(1.25), y.shape) for y in plain(sample, sample.arrays)]
    expected = pulled_back(sample, sample.arrays, [np.array(g)[()] for g in gs])

    def strided(*wide: Any) -> Any:
        return sample.outputs(*(w[..., ::2].T if w.ndim else w for w in wide))

    wide = [np.repeat(x.T, 2, axis=-1) if x.ndim else x for x in sample.arrays]
    _, back = am.vjp(strided, *wide)
    for gx, ex in zip(back(gs), expected, strict=True):
        np.testing.assert_allclose(gx[..., ::2].T if gx.ndim else gx, ex, rtol=1e-12, atol=1e-14)


@each
@given(data=st.data())
def test_gradient_is_linear_in_the_cotangent(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    gs = cotangents(plain(sample, sample.arrays))
    once = pulled_back(sample, sample.arrays, gs)
    scaled = pulled_back(sample, sample.arrays, [-3.0 * g for g in gs])
    for a, b in zip(once, scaled, strict=True):
        np.testing.assert_allclose(-3.0 * a, b, rtol=1e-12, atol=1e-14)


CALLS: dict[str, tuple[Any, ...]] = {
    "stop_gradient": (np.array([0.5, -1.5]),),
    "imag": (np.array([0.5, -1.5]),),
    "truncate": (np.array([0.5, -1.5]),),
    "assign": (np.array([0.5, -1.5]), np.array([1.0, 2.0])),
    "argpartition": (np.array([0.5, -1.5, 1.0]),),
    "searchsorted": (np.array([0.5, 1.5]), np.array([1.0, 0.2])),
    "isclose": (np.array([0.5, 1.5]), np.array([0.5, 1.0])),
    "isin": (np.array([0.5, 1.5]), np.array([0.5, 1.0])),
    "digitize": (np.array([0.5, 1.5]), np.array([0.4, 1.0])),
}
PARAMS: dict[str, dict[str, Any]] = {
    "truncate": {"dtype": np.dtype(int)},
    "argpartition": {"kth": 1},
    "running_place": {"extreme": "maximum", "latest": True, "axis": 0},
}
INTEGERS = ("bitwise", "shift", "invert", "gcd", "lcm")


@pytest.mark.parametrize("primitive", DISCRETE, ids=lambda p: p.name)
def test_a_row_without_a_rule_computes_and_stops_the_gradient(primitive: Primitive) -> None:
    if primitive.name in CALLS:
        operands = CALLS[primitive.name]
    else:
        count = len(primitive.vjp) if isinstance(primitive.vjp, tuple) else 1
        dtype = int if any(word in primitive.name for word in INTEGERS) else float
        operands = (np.array([1.5, 2.5, 3.0], dtype), np.array([2.5, 1.0, 3.0], dtype))[:count]
    params = PARAMS.get(primitive.name, {})
    tensors = [leaf(x, requires_grad=x.dtype.kind == "f") for x in operands]
    y = primitive(*tensors, **params)
    np.testing.assert_array_equal(y.data, primitive.forward(*operands, **params))
    assert not y.requires_grad
    assert y.op.primitive is primitive
