"""Passes: a program computes the same after each of them, with as few instructions as promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pass_programs import Builder, assert_same, names

from autograd_mini.compiler.fused_ops import declare_operation
from autograd_mini.compiler.passes import (
    eliminate_common_subexpressions,
    eliminate_dead_code,
    flatten_sums,
    fold_constants,
    optimize_program,
    simplify_algebra,
)
from autograd_mini.compiler.program import Instruction, Operand, Program, Value
from autograd_mini.core.primitive import PRIMITIVES, Primitive

ALL = (
    eliminate_dead_code,
    eliminate_common_subexpressions,
    simplify_algebra,
    fold_constants,
    flatten_sums,
    optimize_program,
)


def exactly_optimised(program: Program) -> Program:
    """Run all passes that keep every bit."""
    return optimize_program(program, fusion=())


SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, np.inf, -np.inf, np.nan, 3.25, -1e-30)


SHAPES = ((), (1,), (3,), (2, 1), (2, 3), (0, 3))


UNARY = ("negative", "absolute", "square", "exp", "tanh", "relu", "sqrt", "sign", "isfinite")


UNARY += ("alias", "copy", "stop_gradient", "positive", "real")


BINARY = ("add", "subtract", "multiply", "divide", "maximum", "greater", "equal", "power")


KINDS = ("unary", "binary", "binary", "where", "shape", "cast", "mask")


@st.composite
def programs(draw: st.DrawFn) -> Builder:
    """Draw a program of elementwise operations and shapes, full of ones, zeros and repetitions."""
    builder = Builder()
    dtype = draw(st.sampled_from([np.float32, np.float64]))

    def array() -> Any:
        shape = draw(st.sampled_from(SHAPES))
        if draw(st.booleans()):
            return np.full(shape, draw(st.sampled_from(SPECIAL)), dtype)[()]
        size = int(np.prod(shape))
        drawn = draw(st.lists(st.sampled_from(SPECIAL), min_size=size, max_size=size))
        return np.array(drawn, dtype).reshape(shape)[()]

    values: list[Value] = []
    for make in (builder.input, builder.input, builder.constant, builder.constant, builder.leaf):
        values.append(make(array()))

    def one() -> Value:
        found = draw(st.sampled_from(values))
        return found

    def fitting(x: Value) -> Operand:
        if draw(st.integers(0, 3)) == 0:
            return draw(st.sampled_from([0, 1, 2, 0.0, -0.0, 1.0, 2.0, 0.5, -1]))
        return draw(st.sampled_from([y for y in values if joined(x.shape, y.shape) is not None]))

    for _ in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from(KINDS))
        x = one()
        if kind == "unary":
            name = draw(st.sampled_from(UNARY))
            if x.dtype.kind == "b" and name != "alias":
                continue
            values.append(builder.apply(name, x))
        elif kind == "binary":
            name = draw(st.sampled_from(BINARY))
            other = fitting(x)
            if x.dtype.kind == "b" or (type(other) is Value and other.dtype.kind == "b"):
                continue
            if name == "power" and (not x.shape or not all(map(is_floating, (x, other)))):
                continue  # x² of scalars may be an ulp off, negative powers of integers are errors
            pair = (other, x) if draw(st.booleans()) else (x, other)
            values.append(builder.apply(name, *pair))
        elif kind == "where":
            mask = builder.apply("greater", x, 0)
            values.append(mask)
            a = fitting(x)
            values.append(builder.apply("where", mask, x, a))
        elif kind == "mask":
            other = fitting(x)
            if x.dtype.kind == "b" and type(other) is Value and other.dtype.kind == "b":
                name = draw(st.sampled_from(["bitwise_and", "bitwise_or", "logical_and"]))
                values.append(builder.apply(name, x, other))
        elif kind == "cast":
            to = draw(st.sampled_from(["f4", "f8"]))
            values.append(builder.apply("cast", x, dtype=np.dtype(to)))
        else:
            values.append(reshaped(draw, builder, x))
    wanted = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    for old in list(builder.program.leaves):
        new = [x for x in values if x.shape == old.shape and x.dtype == old.dtype]
        builder.program.updates = [(old, draw(st.sampled_from(new)))]
    builder.returning(*wanted)
    return builder


def is_floating(x: Operand) -> bool:
    return type(x) is not Value or x.dtype.kind == "f"


def joined(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        return None


def reshaped(draw: st.DrawFn, builder: Builder, x: Value) -> Value:
    name = draw(st.sampled_from(["broadcast_to", "reshape", "transpose", "expand_dims", "squeeze"]))
    if name == "broadcast_to":
        shapes = [s for s in SHAPES if joined(x.shape, s) == s]
        return builder.apply(name, x, shape=draw(st.sampled_from([*shapes, x.shape])))
    if name == "reshape":
        return builder.apply(name, x, shape=draw(st.sampled_from([x.shape, (x.size,)])))
    if name == "transpose":
        return builder.apply(name, x, axes=tuple(draw(st.permutations(range(len(x.shape))))))
    if name == "expand_dims":
        return builder.apply(name, x, axis=(draw(st.integers(0, len(x.shape))),))
    return builder.apply(name, x, axis=tuple(i for i, n in enumerate(x.shape) if n == 1))


EXACT = (
    eliminate_dead_code,
    eliminate_common_subexpressions,
    simplify_algebra,
    fold_constants,
    exactly_optimised,
)


@pytest.mark.parametrize("optimise", EXACT, ids=lambda f: f.__name__)
@given(builder=programs())
def test_random_programs_compute_the_same_bit_for_bit(optimise: Any, builder: Builder) -> None:
    text = str(builder.program)
    after = optimise(builder.program)
    assert str(builder.program) == text
    assert_same(builder.program, after, builder.inputs)


@pytest.mark.parametrize("optimise", ALL, ids=lambda f: f.__name__)
@given(builder=programs())
def test_a_second_run_finds_nothing_that_would_grow_the_program(
    optimise: Any, builder: Builder
) -> None:
    once = optimise(builder.program)
    assert len(optimise(once).instructions) <= len(once.instructions)


def test_a_pass_with_nothing_to_do_returns_its_argument() -> None:
    builder = Builder()
    x = builder.input(np.ones(3))
    program = builder.returning(builder.apply("exp", x))
    for optimise in ALL:
        assert optimise(program) is program


# ── dead ─────────────────────────────────────────────────────────────────────────────────────────
def test_what_nothing_needs_is_dropped() -> None:
    builder = Builder()
    x, unused = builder.leaf(np.ones(3)), builder.leaf(np.ones(2))
    builder.apply("exp", builder.constant(np.ones(4)))
    builder.apply("tanh", builder.apply("exp", unused))
    program = eliminate_dead_code(builder.returning(builder.apply("negative", x)))
    assert names(program) == ["negative"]
    assert list(program.leaves) == [x] and not program.constants


def test_updates_and_their_leaves_stay() -> None:
    builder = Builder()
    old, x = builder.leaf(np.ones(3)), builder.input(np.zeros(3))
    new = builder.apply("exp", x)
    builder.program.updates.append((old, new))
    program = eliminate_dead_code(builder.returning(2.5))
    assert names(program) == ["exp"] and list(program.leaves) == [old]


def draws() -> Any:
    """An operation with an effect: it counts its calls."""
    calls = [0]

    def forward() -> Any:
        calls[0] += 1
        return np.float64(calls[0])

    if "effect" in Primitive.__slots__:
        return declare_operation("draw", forward, "?", "A count.", effect=True)

    class Drawing:
        name, effect, multiple, broadcasts, kind = "draw", True, False, False, "general"

    drawing = Drawing()
    drawing.forward = forward  # type: ignore[attr-defined]
    return drawing


def test_effects_stay_in_order_and_are_neither_merged_nor_folded() -> None:
    drawing = draws()
    builder = Builder()
    made = [Value((), np.dtype(float)) for _ in range(3)]
    builder.program.instructions += [Instruction(drawing, (), {}, (y,)) for y in made]
    after = optimize_program(builder.returning(made[0], made[2]))
    assert names(after) == ["draw"] * 3
    assert [step.results[0] for step in after.instructions] == made


# ── common ───────────────────────────────────────────────────────────────────────────────────────
def test_equal_operations_are_computed_once() -> None:
    builder = Builder()
    x, y = builder.input(np.ones((2, 3))), builder.input(np.ones((2, 3)))
    a, b = builder.apply("add", x, y), builder.apply("add", y, x)
    c = builder.apply("sum", a, axis=(0,), keepdims=False)
    d = builder.apply("sum", b, axis=(0,), keepdims=False)
    e = builder.apply("sum", b, axis=(1,), keepdims=False)
    program = eliminate_common_subexpressions(builder.returning(c, d, e))
    assert names(program) == ["add", "sum", "sum"]
    assert program.outputs[0] is program.outputs[1]


def test_numbers_of_other_types_or_signs_are_not_the_same() -> None:
    builder = Builder()
    x = builder.input(np.arange(3))
    numbers = (1, 1.0, True, 0.0, -0.0, float("nan"), float("nan"))
    made = [builder.apply("add", x, n) for n in numbers]
    assert len(eliminate_common_subexpressions(builder.returning(*made)).instructions) == 6


def test_operands_that_do_not_commute_keep_their_places() -> None:
    builder = Builder()
    x, y = builder.input(np.ones(2)), builder.input(np.zeros(2))
    made = [builder.apply(n, *p) for n in ("subtract", "maximum") for p in ((x, y), (y, x))]
    z, w = builder.input(np.ones(2, complex)), builder.input(np.ones(2, complex))
    made += [builder.apply("multiply", z, w), builder.apply("multiply", w, z)]
    program = builder.returning(*made)
    assert eliminate_common_subexpressions(program) is program


def test_parameters_are_compared_by_value() -> None:
    builder = Builder()
    x = builder.input(np.arange(6.0))
    index = (slice(1, 4, None),)
    made = [builder.apply("getitem", x, index=i) for i in (index, (slice(1, 4),), (slice(1, 5),))]
    made += [builder.apply("cast", x, dtype=np.dtype(d)) for d in ("f4", np.float32)]
    assert names(eliminate_common_subexpressions(builder.returning(*made))) == [
        "getitem",
        "getitem",
        "cast",
    ]


def test_equal_constants_are_held_once() -> None:
    builder = Builder()
    arrays = [np.ones(3), np.ones(3), np.ones(3, np.float32), np.float64(0.0), np.float64(-0.0)]
    arrays += [np.eye(2)[::-1], np.asfortranarray(np.eye(2)[::-1]), np.float64(0.0)]
    program = eliminate_common_subexpressions(builder.returning(*map(builder.constant, arrays)))
    assert len(program.constants) == 6
    assert_same(builder.program, program, [])


def test_results_of_operations_with_several_are_merged_together() -> None:
    builder = Builder()
    x = builder.input(np.array([1.5, -2.25]))
    outputs = [part for _ in range(2) for part in builder.apply("modf", x)]
    program = eliminate_common_subexpressions(builder.returning(*outputs))
    assert names(program) == ["modf"]
    assert program.outputs[:2] == program.outputs[2:]


def test_a_users_own_primitive_runs_as_often_as_it_was_called() -> None:
    builder = Builder()
    own = declare_operation("multiply", lambda x: x * 2, "own", "A user's, with a name of ours.")
    x, c = builder.input(np.ones(2)), builder.constant(np.ones(2))
    made = [builder.apply(own, v) for v in (x, x, c, c)]
    assert names(optimize_program(builder.returning(*made))) == ["multiply"] * 4


# ── folding ──────────────────────────────────────────────────────────────────────────────────────
def test_operations_of_constants_are_computed_now() -> None:
    builder = Builder()
    a, x = builder.constant(np.float32(4.0)), builder.input(np.ones(2, np.float32))
    b = builder.apply("sqrt", builder.apply("divide", 1.0, builder.apply("subtract", a, 4.0)))
    program = fold_constants(builder.returning(builder.apply("multiply", x, b)))
    assert names(program) == ["multiply"]
    assert_same(builder.program, program, builder.inputs)


def test_a_repeated_constant_is_not_held_as_a_large_one() -> None:
    builder = Builder()
    c = builder.constant(np.ones(3))
    program = builder.returning(builder.apply("broadcast_to", c, shape=(1000, 3)))
    assert fold_constants(program) is program


def test_a_failing_operation_of_constants_fails_at_the_call() -> None:
    builder = Builder()
    a, b = builder.constant(np.ones(2)), builder.constant(np.ones(3))
    y = Value((2,), np.dtype(float))
    builder.program.instructions.append(Instruction(PRIMITIVES["add"], (a, b), {}, (y,)))
    program = builder.returning(y)
    assert fold_constants(program) is program


# ── all of them ──────────────────────────────────────────────────────────────────────────────────
def test_a_leaf_may_take_the_value_of_another_one() -> None:
    builder = Builder()
    a, b = builder.leaf(np.ones(2)), builder.leaf(np.zeros(2))
    builder.program.updates = [(a, builder.apply("copy", b)), (b, builder.apply("alias", a))]
    after = optimize_program(builder.returning())
    assert after.updates == [(a, b), (b, a)] and not after.instructions
    assert_same(builder.program, after, [])


def test_a_python_number_stays_weak() -> None:
    builder = Builder()
    rate, w = builder.input(0.1), builder.input(np.ones(2, np.float32))
    program = builder.returning(builder.apply("multiply", builder.apply("multiply", w, 1), rate))
    after = optimize_program(program)
    assert names(after) == ["multiply"] and after.outputs[0].dtype == np.float32  # type: ignore[union-attr]
    assert_same(program, after, builder.inputs)


def test_further_passes_follow_the_simplifying_ones() -> None:
    builder = Builder()
    x = builder.input(np.ones(2))
    program = builder.returning(builder.apply("copy", x))
    seen: list[list[str]] = []

    def packed(found: Program) -> Program:
        seen.append(names(found))
        return found

    optimize_program(program, fusion=(packed,))
    assert seen == [[]]


@pytest.mark.parametrize("scale", [None, -1, 0.25, 1e300])
def test_the_mask_of_an_untaken_branch_goes_where_it_can_not_hold(scale: Any) -> None:
    builder = Builder()
    g = builder.input(np.array([0.0, np.inf, np.nan, 1.0], np.float32))
    gx = g
    if scale is not None:
        gx = builder.apply("multiply", builder.apply("negative", g), scale)
    zero = builder.apply("equal", g, 0)
    bad = builder.apply("invert", builder.apply("isfinite", gx))
    mask = builder.apply("bitwise_and", zero, bad)
    program = builder.returning(builder.apply("where", mask, 0, gx))
    after = optimize_program(program)
    # In float32, 1e300 is infinite, and 0 times it is NaN.
    assert len(after.instructions) == (0 if scale is None else 2 if abs(scale) <= 1 else 7)
    assert_same(program, after, builder.inputs)


def test_a_large_constant_of_one_number_becomes_that_number() -> None:
    builder = Builder()
    x = builder.input(np.ones((100, 100)))
    c = builder.constant(np.full((100, 100), 0.5))
    program = builder.returning(builder.apply("multiply", x, c))
    after = optimize_program(program)
    assert [v.shape for v in after.constants] == [()]
    assert_same(program, after, builder.inputs)


def test_adding_what_was_negated_for_it_is_a_subtraction() -> None:
    generator = np.random.default_rng(0)
    builder = Builder()
    x, y = (builder.input(generator.choice(SPECIAL, 500)) for _ in range(2))
    minus = [builder.apply("negative", builder.apply("exp", x)) for _ in range(3)]
    made = [
        builder.apply("add", y, minus[0]),
        builder.apply("add", minus[1], y),
        builder.apply("add", y, minus[2]),
        builder.apply("tanh", minus[2]),
    ]
    program = builder.returning(*made)
    after = flatten_sums(program)
    assert names(after)[-4:] == ["subtract", "subtract", "add", "tanh"]
    assert names(after).count("negative") == 1
    assert_same(program, after, builder.inputs)
