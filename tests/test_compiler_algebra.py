"""Passes that simplify formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pass_programs import Builder, assert_same, names

from autograd_mini.compiler.fused_ops import add_n
from autograd_mini.compiler.passes import (
    flatten_sums,
    optimize_program,
    simplify_algebra,
)
from autograd_mini.compiler.program import Operand, Program

# ── identities ───────────────────────────────────────────────────────────────────────────────────
X = np.array([[1.5, -0.0, np.nan], [0.0, np.inf, -2.0]])


def one_step(array: Any, name: str, *more: Operand, first: bool = True, **params: Any) -> Program:
    builder = Builder()
    x = builder.input(array)
    y = builder.apply(name, *((x, *more) if first else (*more, x)), **params)
    program = builder.returning(y)
    after = optimize_program(program)
    assert_same(program, after, [array])
    return after


@pytest.mark.parametrize(
    ("name", "more", "params"),
    [
        ("alias", (), {}),
        ("stop_gradient", (), {}),
        ("copy", (), {}),
        ("positive", (), {}),
        ("conjugate", (), {}),
        ("real", (), {}),
        ("cast", (), {"dtype": np.dtype(float)}),
        ("reshape", (), {"shape": (2, 3)}),
        ("transpose", (), {"axes": (0, 1)}),
        ("broadcast_to", (), {"shape": (2, 3)}),
        ("squeeze", (), {"axis": ()}),
        ("max", (), {"axis": (), "keepdims": False}),
        ("multiply", (1,), {}),
        ("multiply", (1.0,), {}),
        ("divide", (1,), {}),
        ("subtract", (0,), {}),
        ("add", (-0.0,), {}),
        ("power", (1,), {}),
    ],
)
def test_an_operation_that_changes_nothing_is_dropped(name: str, more: Any, params: Any) -> None:
    assert names(one_step(X, name, *more, **params)) == []


@pytest.mark.parametrize(
    ("array", "name", "more"),
    [
        (X, "add", (0.0,)),
        (X, "multiply", (0.0,)),
        (X, "subtract", (-0.0,)),
        (X.astype(np.complex64), "multiply", (1,)),
        (np.arange(3), "multiply", (1.0,)),
        (np.array([True, False]), "multiply", (1,)),
        (np.arange(3), "divide", (1,)),
    ],
)
def test_an_operation_that_changes_a_bit_or_the_dtype_stays(
    array: Any, name: str, more: Any
) -> None:
    assert names(one_step(array, name, *more)) == [name]


def test_a_start_of_zero_is_dropped_where_no_term_is_minus_zero() -> None:
    builder = Builder()
    x = builder.input(X)
    squared = builder.apply("multiply", x, x)
    shifted = builder.apply("relu", builder.apply("add", x, 1))
    made = [builder.apply("add", 0, y) for y in (squared, shifted, x)]
    program = builder.returning(*made)
    after = optimize_program(program)
    assert names(after) == ["multiply", "add", "relu", "add"]
    assert_same(program, after, [X])


def test_the_seed_of_a_reverse_walk_vanishes() -> None:
    builder = Builder()
    x, seed = builder.input(np.float32(3.0)), builder.constant(np.float32(1.0))
    g = builder.apply("multiply", seed, builder.apply("cos", x))
    assert names(optimize_program(builder.returning(builder.apply("multiply", g, 1)))) == ["cos"]


def test_inverses_cancel() -> None:
    builder = Builder()
    x = builder.input(np.ones((2, 3, 4), np.float32))
    twice = builder.apply("negative", builder.apply("negative", x))
    turned = builder.apply(
        "transpose", builder.apply("transpose", x, axes=(2, 0, 1)), axes=(1, 2, 0)
    )
    shaped = builder.apply("reshape", builder.apply("reshape", x, shape=(24,)), shape=(2, 3, 4))
    wide = builder.apply("cast", x, dtype=np.dtype("f8"))
    back = builder.apply("cast", wide, dtype=np.dtype("f4"))
    squeezed = builder.apply("squeeze", builder.apply("expand_dims", x, axis=(1,)), axis=(1,))
    program = optimize_program(builder.returning(twice, turned, shaped, back, squeezed))
    assert names(program) == [] and program.outputs == [x] * 5


def test_a_narrowing_cast_stays() -> None:
    builder = Builder()
    x = builder.input(np.array([0.1, 1e300]))
    narrow = builder.apply("cast", x, dtype=np.dtype("f4"))
    program = builder.returning(builder.apply("cast", narrow, dtype=np.dtype("f8")))
    assert names(optimize_program(program)) == ["cast", "cast"]
    assert_same(program, optimize_program(program), builder.inputs)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(("exponent", "name"), [(2, "square"), (0.5, "sqrt"), (-1, "reciprocal")])
def test_powers_of_arrays_have_their_own_operation(dtype: Any, exponent: Any, name: str) -> None:
    values = np.random.default_rng(0).standard_normal(1000).astype(dtype)
    assert names(one_step(values, "power", exponent)) == [name]


def test_the_square_of_a_scalar_is_a_product() -> None:
    builder = Builder()
    x = builder.input(np.float32(1.1))
    program = optimize_program(builder.returning(builder.apply("power", x, 2)))
    assert names(program) == ["multiply"]
    assert program.evaluate(builder.inputs)[0] == [np.float32(1.1) * np.float32(1.1)]


def test_a_choice_by_a_constant_is_made_now() -> None:
    builder = Builder()
    x, y = builder.input(np.ones((2, 3))), builder.input(np.zeros((1, 3)))
    yes, no = builder.constant(np.ones((2, 3), bool)), builder.constant(np.zeros((2, 3), bool))
    made = [builder.apply("where", yes, x, y), builder.apply("where", no, x, y)]
    mixed = builder.constant(np.array([True, False, True]))
    made.append(builder.apply("where", mixed, x, y))
    program = builder.returning(*made)
    assert names(simplify_algebra(program)) == ["broadcast_to", "where"]
    assert_same(program, simplify_algebra(program), builder.inputs)


def test_the_mask_of_an_untaken_branch_goes_only_if_it_is_known() -> None:
    for known in (True, False):
        builder = Builder()
        g = (builder.constant if known else builder.input)(np.float64(1.0))
        gx = builder.input(np.array([np.inf, 1.0]))
        zero = builder.apply("equal", g, 0)
        bad = builder.apply("invert", builder.apply("isfinite", gx))
        mask = builder.apply("bitwise_and", zero, bad)
        program = builder.returning(builder.apply("where", mask, 0, gx))
        assert len(optimize_program(program).instructions) == (0 if known else 5)
        assert_same(program, optimize_program(program), builder.inputs)


def test_repetition_before_an_elementwise_operation_is_dropped() -> None:
    builder = Builder()
    x, y = builder.input(np.ones((3, 1))), builder.input(np.ones((3, 4)))
    wide = builder.apply("broadcast_to", x, shape=(3, 4))
    thin = builder.apply("broadcast_to", builder.input(np.ones(4)), shape=(3, 4))
    made = [builder.apply("hypot", wide, y), builder.apply("arctan2", wide, thin)]
    program = optimize_program(builder.returning(*made))
    assert names(program) == ["hypot", "arctan2"]
    assert_same(builder.program, program, builder.inputs)


def test_arithmetic_happens_before_repetition() -> None:
    builder = Builder()
    g, x = builder.input(np.float32(2.0)), builder.input(np.ones((3, 4), np.float32))
    spread = builder.apply("broadcast_to", g, shape=(3, 4))
    scaled = builder.apply("negative", builder.apply("multiply", spread, 0.5))
    program = optimize_program(builder.returning(builder.apply("multiply", scaled, x)))
    assert [(s.primitive.name, s.results[0].shape) for s in program.instructions] == [
        ("multiply", ()),
        ("negative", ()),
        ("multiply", (3, 4)),
    ]
    assert_same(builder.program, program, builder.inputs)


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("name", ["sum", "mean"])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((), (0, 1, 2)), ((3, 1), (0, 2)), ((3, 1), (2,)), ((1,), (1, 2)), ((), (1,))],
)
def test_a_sum_of_a_repetition_is_a_product(
    name: str, shape: Any, axis: Any, keepdims: bool
) -> None:
    builder = Builder()
    x = builder.input(np.random.default_rng(0).standard_normal(shape)[()])
    wide = builder.apply("broadcast_to", x, shape=(2, 3, 4))
    program = builder.returning(builder.apply(name, wide, axis=axis, keepdims=keepdims))
    after = optimize_program(program)
    assert "sum" not in names(after) and "mean" not in names(after)
    (old,), (new,) = program.evaluate(builder.inputs)[0], after.evaluate(builder.inputs)[0]
    assert new.shape == old.shape == after.outputs[0].shape  # type: ignore[union-attr]
    np.testing.assert_allclose(new, old, rtol=1e-14)


def test_a_sum_of_a_repetition_over_no_terms_is_zero() -> None:
    builder = Builder()
    wide = builder.apply("broadcast_to", builder.input(np.float64(np.inf)), shape=(0, 2))
    program = builder.returning(builder.apply("sum", wide, axis=(0,), keepdims=False))
    assert_same(program, optimize_program(program), builder.inputs)


# ── sums ─────────────────────────────────────────────────────────────────────────────────────────
@given(places=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=40))
def test_random_sums_are_the_same(places: list[tuple[int, int]]) -> None:
    builder = Builder()
    values = [builder.input(np.float64(2**i)) for i in range(4)]
    for a, b in places:  # sums of small whole numbers are exact in any order
        values.append(builder.apply("add", values[a % len(values)], values[-1 - b % 3]))
    program = builder.returning(values[-1])
    after = optimize_program(program)
    assert_same(program, after, builder.inputs)
    uses = [x for step in after.instructions for x in step.operands]
    for step in after.instructions:
        assert step.results[0] is values[-1] or uses.count(step.results[0]) != 1


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_chain_of_sums_is_one_sum_bit_for_bit(left: bool, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    builder = Builder()
    terms = [builder.input(generator.standard_normal(shape)[()]) for _ in range(200)]
    total = terms[0]
    for x in terms[1:]:
        total = builder.apply("add", total, x) if left else builder.apply("add", x, total)
    program = flatten_sums(builder.returning(total))
    assert names(program) == ["add_n"] and len(program.instructions[0].operands) == 200
    assert_same(builder.program, program, builder.inputs)


@pytest.mark.long
def test_a_chain_of_a_hundred_thousand_terms_is_one_sum() -> None:
    builder = Builder()
    x = builder.input(np.float64(0.1))
    total = x
    for _ in range(100_000):
        total = builder.apply("add", total, x)
    program = flatten_sums(builder.returning(total))
    assert names(program) == ["add_n"] and len(program.instructions[0].operands) == 100_001
    assert_same(builder.program, program, builder.inputs)


def test_a_tree_of_sums_agrees_within_rounding() -> None:
    builder = Builder()
    layer = [builder.input(np.float32(x)) for x in np.random.default_rng(0).standard_normal(256)]
    while len(layer) > 1:
        layer = [builder.apply("add", a, b) for a, b in zip(layer[::2], layer[1::2], strict=True)]
    program = flatten_sums(builder.returning(layer[0]))
    assert names(program) == ["add_n"]
    (old,), (new,) = (
        builder.program.evaluate(builder.inputs)[0],
        program.evaluate(builder.inputs)[0],
    )
    bound = 255 * np.finfo(np.float32).eps * np.abs(builder.inputs).sum()
    assert abs(float(new) - float(old)) <= bound


def test_a_partial_sum_that_is_used_elsewhere_stays() -> None:
    builder = Builder()
    a, b, c = (builder.input(np.float64(x)) for x in (1, 2, 3))
    partial = builder.apply("add", a, b)
    doubled = builder.apply("add", partial, partial)
    program = builder.returning(partial, builder.apply("add", doubled, c))
    after = flatten_sums(program)
    assert names(after) == ["add", "add_n"] and after.instructions[1].operands == (
        partial,
        partial,
        c,
    )
    assert_same(program, after, builder.inputs)


def test_sums_of_other_shapes_dtypes_and_numbers_stay_apart() -> None:
    builder = Builder()
    a, b = builder.input(np.ones(2)), builder.input(np.float64(1))
    c = builder.input(np.ones(2, np.float32))
    made = [
        builder.apply("add", builder.apply("add", b, b), a),
        builder.apply("add", builder.apply("add", c, c), a),
        builder.apply("add", builder.apply("add", a, 1.0), a),
        builder.apply("add", a, a),
    ]
    program = builder.returning(*made)
    assert flatten_sums(program) is program


def test_large_arrays_are_added_one_by_one() -> None:
    builder = Builder()
    x = builder.input(np.ones((64, 64)))
    program = builder.returning(builder.apply("add", builder.apply("add", x, x), x))
    assert flatten_sums(program) is program


def test_sums_of_sums_join() -> None:
    builder = Builder()
    a, b, c, d = (builder.input(np.float64(x)) for x in (1, 2, 3, 4))
    inner = builder.apply(add_n, a, b, c)
    program = flatten_sums(builder.returning(builder.apply("add", d, inner)))
    assert [s.operands for s in program.instructions] == [(a, b, c, d)]
