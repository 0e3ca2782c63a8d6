"""Random numbers that a graph can see: their stream, their record, gradients, copies and errors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini.core.contexts import recorder
from autograd_mini.core.extraction import tracing
from autograd_mini.core.record import record
from autograd_mini.random import FILLS, Generator
from autograd_mini.random.generator import Frozen, draw, write_draw

TABLE = np.arange(12.0).reshape(3, 4)
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("random", {}),
    ("random", {"size": (2, 3), "dtype": np.float32}),
    ("standard_normal", {"size": 4}),
    ("standard_normal", {"size": (0, 2), "dtype": "f4"}),
    ("standard_exponential", {"size": 3, "method": "inv"}),
    ("uniform", {"low": -1, "high": np.arange(3.0), "size": (2, 3)}),
    ("normal", {"loc": np.ones((2, 1)), "scale": np.float32(2)}),
    ("normal", {"size": ()}),
    ("laplace", {"loc": 1.0, "scale": 2.0, "size": 5}),
    ("gumbel", {"size": [2, 2]}),
    ("logistic", {"scale": [1.0, 2.0]}),
    ("lognormal", {"mean": 0.5, "sigma": 0.1}),
    ("exponential", {"scale": 3, "size": np.int64(2)}),
    ("integers", {"low": 5}),
    ("integers", {"low": 5, "dtype": np.int32}),
    ("integers", {"low": [0, 10], "high": [5, 12], "endpoint": True, "size": (3, 2)}),
    ("binomial", {"n": 5, "p": np.array([0.2, 0.9])}),
    ("poisson", {"lam": np.ones((0, 3))}),
    ("permutation", {"x": 7}),
    ("permutation", {"x": np.arange(6.0)}),
    ("permutation", {"x": TABLE, "axis": 1}),
    ("choice", {"a": 5}),
    ("choice", {"a": 5, "size": 4, "replace": False, "shuffle": False}),
    ("choice", {"a": 3, "size": (2, 2), "p": [0.2, 0.3, 0.5]}),
    ("choice", {"a": TABLE, "size": (2, 2), "axis": 1}),
    ("choice", {"a": [1.5, 2.5, 3.5], "size": 2, "replace": False, "p": np.array([0.2, 0.3, 0.5])}),
]


def one(**params: Any) -> tuple[Generator, np.random.Generator]:
    return Generator(1), np.random.default_rng(1)


def only_draw(y: am.Tensor) -> Any:
    (found,) = (op for op in am.Graph(y).operations if op.type == "draw")
    return found


# ── the stream ───────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("method", "arguments"), CALLS)
def test_numbers_dtype_and_state_are_those_of_numpy(method: str, arguments: dict[str, Any]) -> None:
    ours, theirs = Generator(1), np.random.default_rng(1)
    y = getattr(ours, method)(**arguments)
    expected = np.asarray(getattr(theirs, method)(**arguments))
    assert type(y) is am.Tensor
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(y.data, expected)
    assert ours.bit_generator.state == theirs.bit_generator.state


def test_module_functions_draw_from_the_seeded_default() -> None:
    am.random.seed(3)
    first, second = am.random.normal(size=3), am.random.random()
    theirs = np.random.default_rng(3)
    np.testing.assert_array_equal(first.data, theirs.normal(size=3))
    assert second.data == theirs.random()
    am.random.seed(3)
    np.testing.assert_array_equal(am.random.normal(size=3).data, first.data)


def test_a_shared_generator_goes_on_where_the_other_is() -> None:
    theirs = np.random.default_rng(0)
    ours = Generator(theirs)
    a, b, c = ours.random(), Generator(ours).random(), theirs.random()
    assert [float(a), float(b), c] == list(np.random.default_rng(0).random(3))
    assert ours == Generator(theirs) and hash(ours) == hash(Generator(ours))
    assert ours != Generator(0) and ours != theirs


def test_copies_go_on_by_themselves_from_the_same_state() -> None:
    ours = Generator(0)
    ours.random()
    apart = [copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))]
    shared = copy.copy(ours)
    expected = ours.random().data
    assert [g.random().data for g in apart] == [expected] * 2
    assert shared == ours and apart[0] != ours


# ── the record ───────────────────────────────────────────────────────────────────────────────
def test_a_draw_is_one_operation_without_operands() -> None:
    theirs = np.random.default_rng(0)
    y = Generator(theirs).normal(2, np.float32(0.5), size=[2, 3])
    (operation,) = am.Graph(y).operations
    assert operation.primitive is draw and draw.effect and not operation.inputs
    assert operation.params["generator"] is theirs
    assert operation.params["method"] == "normal"
    assert operation.params["arguments"] == (("loc", 2), ("scale", 0.5), ("size", (2, 3)))
    assert not y.requires_grad
    assert "draw_" in str(am.Graph(y)) and "(, " not in str(am.Graph(y))


def test_arguments_are_hashable_and_equal_by_content() -> None:
    def arguments(mean: Any) -> Any:
        return Generator(0).normal(mean, 1.0).op.params["arguments"]  # type: ignore[union-attr]

    mean = np.array([0.0, np.nan])
    first = arguments(mean)
    assert first == arguments(mean.copy()) and hash(first) == hash(arguments(mean))
    assert first != arguments(mean[:1]) and first != arguments(mean.astype("f4"))
    mean[0] = 5
    assert first[0][1].array[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        first[0][1].array[0] = 1


def test_a_recorded_draw_draws_once() -> None:
    ours, theirs = one()
    with am.debug():
        ours.random(3)
    theirs.random(3)
    assert ours.bit_generator.state == theirs.bit_generator.state


def test_a_recorder_sees_draws_and_can_draw_again_in_order() -> None:
    noted: list[dict[str, Any]] = []

    def note(primitive: Any, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
        if primitive is draw:
            assert operands == ()
            noted.append(params)
        return record(primitive, operands, params)

    ours = Generator(0)
    with recorder(note):
        ours.random(2) + ours.integers(3)
    again = [draw.forward(**params) for params in noted]
    theirs = np.random.default_rng(0)
    theirs.random(2), theirs.integers(3)
    np.testing.assert_array_equal(again[0], theirs.random(2))
    assert again[1] == theirs.integers(3)


def test_a_draw_under_no_grad_is_a_leaf() -> None:
    with am.no_grad():
        y = Generator(0).random(3)
    assert type(y) is am.Tensor and y.is_leaf


def test_a_draw_can_be_copied_and_used_as_a_plain_value() -> None:
    y = Generator(0).random(2)
    assert np.array_equal(copy.deepcopy(y).data, y.data)
    assert np.array_equal(np.asarray(y), np.random.default_rng(0).random(2))


def test_numbers_are_the_same_for_all_examples_of_vmap() -> None:
    ours, theirs = one()
    y = am.vmap(lambda x: x + ours.normal(size=2))(np.zeros((3, 2)))
    np.testing.assert_array_equal(y, np.broadcast_to(theirs.normal(size=2), (3, 2)))
    scaled = am.vmap(lambda s: ours.normal(scale=s))(np.array([1.0, 2.0]))
    assert scaled[1] == 2 * scaled[0]


# ── gradients ────────────────────────────────────────────────────────────────────────────────
LOCATED = ["normal", "laplace", "gumbel", "logistic"]


@pytest.mark.parametrize("method", [*LOCATED, "uniform", "lognormal", "exponential"])
def test_tensor_parameters_are_reparametrised(method: str) -> None:
    parameters = [np.array([0.5, 1.5, 1.9]), np.array([[2.0], [3.0]])]
    parameters = parameters[1:] if method == "exponential" else parameters

    def sample(*given: Any) -> Any:
        return getattr(Generator(7), method)(*given)

    expected = getattr(np.random.default_rng(7), method)(*parameters)
    found = sample(*map(am.tensor, parameters))
    np.testing.assert_allclose(found.data, expected, rtol=1e-12)
    assert only_draw(found).params["arguments"][-1] == ("size", expected.shape)
    assert am.gradcheck(sample, *parameters).ok


def test_float32_parameters_give_float32_and_one_draw_a_size() -> None:
    mean = am.tensor(np.zeros(3, "f4"), requires_grad=True)
    y = Generator(0).normal(mean, 2.0, size=(4, 3))
    assert y.dtype == np.float32 and y.shape == (4, 3)
    np.testing.assert_allclose(y.data, np.random.default_rng(0).normal(0, 2, (4, 3)), rtol=1e-6)
    y.sum().backward()
    np.testing.assert_array_equal(mean.grad, [4, 4, 4])
    assert Generator(0).normal(am.tensor(0)).dtype == np.float64


def test_permutation_and_choice_carry_the_gradient_of_their_elements() -> None:
    assert am.gradcheck(lambda x: Generator(0).permutation(x, axis=1), TABLE).ok
    assert am.gradcheck(lambda x: Generator(0).choice(x, 5), TABLE).ok
    weights = am.tensor([0.2, 0.3, 0.5])
    found = Generator(5).choice(3, 8, p=weights)
    np.testing.assert_array_equal(found.data, np.random.default_rng(5).choice(3, 8, p=weights.data))
    assert any(x is weights for op in am.Graph(found) for x in op.inputs)
    assert Generator(5).choice(3, 2, p=weights, replace=False).size == 2


# ── errors ───────────────────────────────────────────────────────────────────────────────────
PARAMETER = am.tensor([1.0, 2.0, 3.0], requires_grad=True)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda g: g.normal(scale=-1.0), am.ArgumentError, r"normal\(loc=0.0, scale=-1.0\): scale"),
        (lambda g: g.normal(PARAMETER, -PARAMETER), am.ArgumentError, "scale is -3.0 somewhere"),
        (lambda g: g.uniform(PARAMETER, 0.0), am.ArgumentError, "high - low is -3.0"),
        (lambda g: g.normal(PARAMETER, size=2), am.ShapeError, r"size 2 for .* shapes \(3,\)"),
        (lambda g: g.normal(PARAMETER, np.ones(2)), am.ShapeError, "broadcast"),
        (lambda g: g.normal(PARAMETER * 1j), am.OperandError, "complex"),
        (lambda g: g.normal("a"), am.OperandError, "not an array of numbers"),
        (lambda g: g.normal(size=-1), am.ArgumentError, "negative dimensions"),
        (lambda g: g.normal(size=1.5), am.OperandError, "size is 1.5; expected an integer"),
        (lambda g: g.random(dtype=int), am.OperandError, "Unsupported dtype"),
        (lambda g: g.random(dtype="real"), am.OperandError, "dtype is 'real'"),
        (lambda g: g.integers(5, 5), am.ArgumentError, "low >= high"),
        (lambda g: g.poisson(PARAMETER), am.ConversionError, "lam of random.poisson would lose"),
        (lambda g: g.permutation(2.5), am.ShapeError, "no axis 0"),
        (lambda g: g.choice(TABLE, axis=2), am.ShapeError, "no axis 2"),
        (lambda g: g.choice(3, p=PARAMETER), am.ArgumentError, "p has the sum 6"),
        (lambda g: g.choice(4, p=PARAMETER), am.ShapeError, r"expected \(4,\)"),
        (lambda g: g.shuffle, AttributeError, "use permutation"),
        (lambda g: g.beta, AttributeError, "generator.numpy.beta"),
        (lambda g: g.nothing, AttributeError, "a Generator has no 'nothing'$"),
        (lambda g: am.random.shuffle, AttributeError, "am.random has no 'shuffle'"),
        (lambda g: am.random.seed(-1), am.ArgumentError, "seed is -1"),
        (lambda g: am.random.seed(g), am.ArgumentError, r"use am.random.Generator\(generator\)"),
        (lambda g: Generator("a"), am.ArgumentError, "seed is 'a'; expected an integer"),
    ],
)
def test_errors_say_what_was_wrong_and_expected(call: Any, error: type, match: str) -> None:
    with pytest.raises(error, match=match):
        call(Generator(0))


def test_seeding_in_a_program_that_runs_again_is_refused() -> None:
    class Program:
        effects = True

        def note_refusal(self, error: Exception) -> Exception:
            return error

    theirs = np.random.default_rng(0)
    token = tracing.set(Program())  # type: ignore[arg-type]  # only asked for its effects
    try:
        for seeding in (lambda: am.random.seed(0), lambda: Generator(0)):
            with pytest.raises(am.UnsupportedError, match="do it outside"):
                seeding()
        assert Generator(theirs).numpy is theirs
    finally:
        tracing.reset(token)


# ── as text and picture ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("method", "arguments"), CALLS)
def test_the_written_draw_computes_the_same(method: str, arguments: dict[str, Any]) -> None:
    operation = only_draw(getattr(Generator(2), method)(**arguments))
    params = operation.params
    text = write_draw("rng", params["method"], params["arguments"])
    assert text is not None
    rng = np.random.default_rng(2)
    found = eval(text, {"np": np, "rng": rng})
    again = draw.forward(**{**params, "generator": np.random.default_rng(2)})
    np.testing.assert_array_equal(found, again, strict=True)


@pytest.mark.parametrize("method", sorted(FILLS))
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_standard_draw_fills_an_array_with_the_same_numbers(method: str, dtype: str) -> None:
    y = getattr(Generator(2), method)((2, 3), dtype=dtype)
    out = np.empty((2, 3), dtype)
    text = write_draw("rng", method, y.op.params["arguments"], out="out")
    eval(str(text), {"np": np, "rng": np.random.default_rng(2), "out": out})
    np.testing.assert_array_equal(out, y.data)


def test_a_draw_is_a_box_with_its_distribution() -> None:
    y = Generator(0).standard_normal(3) * am.tensor(np.ones(3), name="scale")
    svg = viz.draw(y).svg if hasattr(viz.draw(y), "svg") else str(viz.draw(y))
    assert "~ standard normal" in svg


def test_frozen_arguments_are_read_as_arrays() -> None:
    frozen = Frozen([1.0, 2.0])
    np.testing.assert_array_equal(np.asarray(frozen), [1.0, 2.0])
    assert len(frozen) == 2 and repr(frozen) == "array([1., 2.])"


# ── Dropout draws through it ─────────────────────────────────────────────────────────────────
def test_dropout_leaves_its_draw_in_the_graph() -> None:
    layer, theirs = am.nn.Dropout(0.5, seed=1), np.random.default_rng(1)
    x = am.tensor(np.ones((4, 5), "f4"), requires_grad=True)
    y = layer(x)
    assert only_draw(y).params["generator"] is layer.rng
    expected = np.where(theirs.random((4, 5)) >= 0.5, np.float32(2), np.float32(0))
    np.testing.assert_array_equal(y.data, expected, strict=True)


def test_layers_take_either_kind_of_generator() -> None:
    theirs = np.random.default_rng(0)
    assert am.nn.Dropout(0.5, seed=Generator(theirs)).rng is theirs
    a, b = (am.nn.MLP([2, 3, 1], seed=g(0)) for g in (Generator, np.random.default_rng))
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_model_copied_or_pickled_draws_as_the_first_one_would() -> None:
    layer = am.nn.Sequential(am.nn.Dropout(0.5, seed=1))
    layer(np.ones(5))
    others = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    expected = layer(np.ones(5)).data
    for other in others:
        np.testing.assert_array_equal(other(np.ones(5)).data, expected)


# ── compiled functions draw again ────────────────────────────────────────────────────────────
def test_a_compiled_function_goes_on_in_the_stream_and_keeps_unused_draws() -> None:
    ours, theirs = Generator(0), np.random.default_rng(0)

    @am.compile
    def f(x: Any) -> Any:
        ours.random(2)
        return x * ours.normal(size=3), ours.integers(10), ours.random((2, 2), np.float32)

    for _ in range(5):
        found = f(np.ones(3))
        theirs.random(2)
        expected = (theirs.normal(size=3), theirs.integers(10), theirs.random((2, 2), np.float32))
        for y, e in zip(found, expected, strict=True):
            np.testing.assert_array_equal(np.asarray(y), e, strict=True)


def test_the_default_generator_of_a_compiled_function_can_be_seeded_again() -> None:
    mean = am.tensor(np.zeros(3, "f4"), requires_grad=True)
    compiled = am.compile(lambda scale: am.random.normal(mean, scale, size=(4, 3)).sum())
    for _ in range(4):
        am.random.seed(1)
        y = compiled(am.tensor(2.0))
        am.random.seed(1)
        expected = am.random.normal(mean, am.tensor(2.0), size=(4, 3)).sum()
        np.testing.assert_allclose(y.data, expected.data, rtol=1e-6)


def test_a_compiled_function_refuses_a_generator_of_its_own() -> None:
    compiled = am.compile(lambda x: x * Generator(0).random())
    with pytest.raises(am.UnsupportedError, match="a generator made with a seed"):
        compiled(np.ones(2))


def test_compiled_dropout_draws_as_eager_and_follows_another_generator() -> None:
    layers = [am.nn.Dropout(0.5, seed=1) for _ in range(2)]
    compiled = am.compile(lambda x: layers[0](x))
    for call in range(8):
        if call == 4:
            for layer in layers:
                layer.rng = np.random.default_rng(9)
        y = compiled(am.tensor(np.ones(20)))
        np.testing.assert_array_equal(y.data, layers[1](am.tensor(np.ones(20))).data)
