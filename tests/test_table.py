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
from autograd_mini.core.primitive import PRIMITIVES, Primitive
from autograd_mini.core.tensor import leaf

with suppress(ModuleNotFoundError):  # SciPy's functions enter the table where they are wanted
    import_module("autograd_mini.ops.special")


def carries_gradient(primitive: Primitive) -> bool:
    rules = primitive.vjp
    return rules is not None and (callable(rules) or any(rule is not None for rule in rules))


DIFFERENTIABLE = [p for p in PRIMITIVES.values() if carries_gradient(p)]
DISCRETE = [p for p in PRIMITIVES.values() if not carries_gradient(p) and not p.effect]

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
    assert am.gradcheck(sample.outputs, *sample.arrays, jac=False).ok


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


# ── forward mode ─────────────────────────────────────────────────────────────────────────────
def paired(gs: list[Any], ts: list[Any]) -> float:
    """Return Re Σ ḡ·t: how far a tangent moves along gradients of PyTorch's convention."""
    return float(sum(np.sum(np.conj(g) * t).real for g, t in zip(gs, ts, strict=True)))


def same_number(a: float, b: float, gs: list[Any], ts: list[Any]) -> None:
    """Compare two pairings up to the rounding of their terms."""
    size = sum(float(np.sum(np.abs(g) * np.abs(t))) for g, t in zip(gs, ts, strict=True))
    assert abs(a - b) <= 1e-10 * (size + 1)


@each
@given(data=st.data())
def test_forward_and_reverse_mode_are_transposes(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    ts = cotangents(sample.arrays, seed=1)
    y, moved = am.jvp(sample.outputs, sample.arrays, ts)
    for part, expected in zip(y, plain(sample, sample.arrays), strict=True):
        np.testing.assert_array_equal(part, expected)
    gs = cotangents(y)
    pulled = pulled_back(sample, sample.arrays, gs)
    same_number(paired(gs, moved), paired(pulled, ts), gs, moved)
    assert all(np.shape(m) == np.shape(part) for m, part in zip(moved, y, strict=True))


@each
@settings(max_examples=5)
@given(data=st.data())
def test_second_order_is_the_same_forward_and_reverse(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    gs = cotangents(plain(sample, sample.arrays))
    ts = cotangents(sample.arrays, seed=1)

    def gradient(*xs: Any) -> Any:
        return pulled_back(sample, list(xs), gs)

    found, moved = am.jvp(gradient, sample.arrays, ts)
    hs = cotangents(found, seed=2)
    _, back = am.vjp(gradient, *sample.arrays)
    same_number(paired(hs, moved), paired(back(hs), ts), hs, moved)
    _, twice = am.jvp(lambda *xs: am.jvp(sample.outputs, xs, ts)[1], sample.arrays, ts)
    same_number(paired(gs, twice), paired(list(moved), ts), gs, twice)


# ── many examples at once ────────────────────────────────────────────────────────────────────
@each
@given(data=st.data())
def test_vmap_equals_a_loop(primitive: Primitive, data: Any) -> None:
    sample = data.draw(samples(primitive))
    mapped = data.draw(st.lists(st.booleans(), min_size=len(sample.arrays)).filter(any))
    mapped = mapped[: len(sample.arrays)]
    if not any(mapped):
        mapped[0] = True
    batches = [
        np.stack([x * scale for scale in (1.0, 0.9, 0.95)]) if m else x
        for x, m in zip(sample.arrays, mapped, strict=True)
    ]
    axes = tuple(0 if m else None for m in mapped)
    found = am.vmap(sample.outputs, in_axes=axes)(*batches)
    for i in range(3):
        xs = [b[i] if m else b for b, m in zip(batches, mapped, strict=True)]
        for y, expected in zip(found, plain(sample, xs), strict=True):
            np.testing.assert_allclose(y[i], expected, rtol=1e-12, atol=1e-13)
    none = [b[:0] if m else b for b, m in zip(batches, mapped, strict=True)]
    for y, expected in zip(am.vmap(sample.outputs, axes)(*none), found, strict=True):
        assert y.shape == (0, *expected.shape[1:])


# ── complex numbers ──────────────────────────────────────────────────────────────────────────
@each
@given(data=st.data())
def test_complex_operands_have_the_right_gradient_or_are_refused(
    primitive: Primitive, data: Any
) -> None:
    sample = data.draw(samples(primitive))
    if "dtype" in sample.params:
        sample.params["dtype"] = np.dtype(complex)
    parts = [0.3 * x for x in cotangents(sample.arrays, seed=3)]
    numbers = [x + 1j * part for x, part in zip(sample.arrays, parts, strict=True)]
    try:
        expected = plain(sample, numbers)
    except (TypeError, ValueError, am.AutogradError):
        with pytest.raises((TypeError, ValueError, am.AutogradError)):
            sample.outputs(*(am.tensor(z, requires_grad=True) for z in numbers))
        return
    tensors = [am.tensor(z, requires_grad=True) for z in numbers]
    for y, e in zip(sample.outputs(*tensors), expected, strict=True):
        np.testing.assert_allclose(y.data, e, rtol=1e-12)

    def of_parts(*reals: Any) -> Any:
        half = len(reals) // 2
        zs = [a + 1j * b for a, b in zip(reals[:half], reals[half:], strict=True)]
        return [f(y) for y in sample.outputs(*zs) for f in (np.real, np.imag)]

    try:
        assert am.gradcheck(of_parts, *sample.arrays, *parts).ok
    except am.GradientError as error:  # vectors whose phase or basis is not determined
        assert primitive.name in ("eig", "eigh", "svd", "qr")
        assert "phase" in str(error) or "basis" in str(error)
        return
    except am.UnsupportedError as error:
        assert "complex" in str(error)
        return
    ts = cotangents(numbers, seed=1)
    y, moved = am.jvp(sample.outputs, numbers, ts)
    gs = cotangents(y)
    pulled = pulled_back(sample, numbers, gs)
    same_number(paired(gs, moved), paired(pulled, ts), gs, moved)


# ── rows without a gradient ──────────────────────────────────────────────────────────────────
CALLS: dict[str, tuple[Any, ...]] = {
    "stop_gradient": (np.array([0.5, -1.5]),),
    "imag": (np.array([0.5, -1.5]),),
    "truncate": (np.array([0.5, -1.5]),),
    "assign": (np.array([0.5, -1.5]), np.array([1.0, 2.0])),
    "argpartition": (np.array([0.5, -1.5, 1.0]),),
    "searchsorted": (np.array([0.5, 1.5]), np.array([1.0, 0.2])),
    "isclose": (np.array([0.5, 1.5]), np.array([0.5, 1.0])),
    "class_numbers": (np.array([0, 2, 1]),),
    "isin": (np.array([0.5, 1.5]), np.array([0.5, 1.0])),
    "digitize": (np.array([0.5, 1.5]), np.array([0.4, 1.0])),
}
PARAMS: dict[str, dict[str, Any]] = {
    "truncate": {"dtype": np.dtype(int)},
    "argpartition": {"kth": 1},
    "class_numbers": {"classes": 3},
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
