"""The passes that make one operation of several: products, scattering, joined updates."""

from collections import Counter

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.compiler.arguments import Result
from autograd_mini.compiler.passes import optimize_program
from autograd_mini.compiler.passes.algebra import factor_products
from autograd_mini.compiler.passes.fusion import (
    fuse_matmul,
    fuse_scatter_add,
    join_optimizer_updates,
)
from autograd_mini.compiler.pipeline import call_traced
from autograd_mini.compiler.trace import Tracer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 4))


def recorded(function, *arrays):
    """Return a function as it is recorded, without any pass."""
    tracer = Tracer()
    stand_ins = [tracer.stand_in(x, f"x{i}") for i, x in enumerate(arrays)]
    tree = call_traced(tracer, lambda: function(*stand_ins), True)
    result = Result(tree, tracer, False)
    result.forget()
    return tracer.program("f", result.outputs)


def kinds(program):
    return Counter(step.primitive.name for step in program.instructions)


def same(program, passed, inputs, rtol=1e-13):
    """Check that a pass computes the same; return the kinds of what it made."""
    for before, after in zip(program.evaluate(inputs), passed.evaluate(inputs), strict=True):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-14)
            assert np.asarray(a).dtype == np.asarray(b).dtype
    return kinds(passed)


# ── products ─────────────────────────────────────────────────────────────────────────────────────
def test_a_bias_goes_with_its_product():
    w, b = RNG.normal(size=(4, 3)), RNG.normal(size=3)
    program = recorded(lambda x, w, b: x @ w + b, X, w, b)
    assert same(program, fuse_matmul(program), [X, w, b])["affine"] == 1
    swapped = recorded(lambda x, w, b: b + x @ w, X, w, b)
    assert same(swapped, fuse_matmul(swapped), [X, w, b])["affine"] == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w, b: (x @ w) + b[:, None],  # a column
        lambda x, w, b: (x @ w) * 2 + (x @ w),  # no row
        lambda x, w, b: (lambda z: (z + b[:3], z))(x @ w),  # the product is used twice
    ],
)
def test_what_is_no_bias_stays(function):
    w, b = RNG.normal(size=(4, 3)), RNG.normal(size=6)
    program = recorded(function, X, w, b)
    assert "affine" not in same(program, fuse_matmul(program), [X, w, b])


def test_sums_become_products_with_ones():
    cases = {
        "column_sums": lambda x: x.sum(axis=0),
        "row_sums": lambda x: x.sum(axis=1, keepdims=True),
        "dot": lambda x: (x * np.tanh(x)).sum() + (x**2).mean() + x.mean(),
    }
    for kind, function in cases.items():
        program = recorded(function, X)
        assert same(program, fuse_matmul(program), [X])[kind] == (3 if kind == "dot" else 1)


@pytest.mark.parametrize(
    "x", [np.zeros((0, 3)), np.arange(6).reshape(2, 3), np.ones((2, 3), "c16")]
)
def test_sums_that_blas_does_not_take_stay(x):
    program = recorded(lambda x: (x.sum(axis=0), x.sum(), (x * x).sum()), x)
    assert same(program, fuse_matmul(program), [x])["sum"] == 3


def test_a_step_is_added_into_the_weight():
    w, b = am.tensor(RNG.normal(size=(4, 3))), am.tensor(RNG.normal(size=3))

    def step(x, g):
        w.assign(w - 0.5 * (x.T @ g))
        b.assign(b + g.sum(axis=0) * 0.25)

    g = RNG.normal(size=(6, 3))
    program = recorded(step, X, g)
    found = same(program, fuse_matmul(program), [X, g])
    assert found["accumulated"] == 2 and "matmul" not in found and "subtract" not in found


def test_a_gradient_that_is_needed_elsewhere_is_not_added_into_the_weight():
    w = am.tensor(RNG.normal(size=(4, 3)))

    def step(x, g):
        gradient = x.T @ g
        w.assign(w - 0.5 * gradient)
        return gradient * 1.5

    g = RNG.normal(size=(6, 3))
    program = recorded(step, X, g)
    assert "accumulated" not in same(program, fuse_matmul(program), [X, g])


def test_factors_that_would_have_to_be_kept_for_long_are_not():
    w = am.tensor(np.zeros((2, 2), "f4"))
    x, g = np.ones((200_000, 2), "f4"), np.ones((200_000, 2), "f4")
    program = recorded(lambda x, g: [w.assign(w - 0.5 * (x.T @ g))][1:], x, g)
    assert "accumulated" not in kinds(fuse_matmul(program))


# ── factors ──────────────────────────────────────────────────────────────────────────────────────
def test_powers_of_two_are_multiplied_at_once():
    third = np.float64(1 / 3)
    program = recorded(lambda x: (lambda y: y + y)(2 * (x * third)) * 0.5, X)
    found = factor_products(program)
    assert same(program, found, [X], rtol=0) == {"multiply": 1}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x * 3.0) * 0.7,  # no power of two
        lambda x: (lambda y: (y * 2.0, y))(x * 3.0),  # used twice
        lambda x: x.astype(int) * 2 * 3,  # no floats
        lambda x: (x * 2.0) * x,
    ],
)
def test_other_factors_stay(function):
    program = recorded(function, X)
    assert len(factor_products(program).instructions) == len(program.instructions)


# ── scattering ───────────────────────────────────────────────────────────────────────────────────
def test_what_is_scattered_is_added_in_place():
    def f(x, places):
        return am.grad(lambda x: (x**2).sum() + x[places].sum())(x)

    for places in (np.array([0, 2]), np.array([1, 1, 1]), np.array([[0], [2]])):
        program = optimize_program(recorded(f, X, places), ())
        found = same(program, fuse_scatter_add(program), [X, places])
        assert found["added_at"] == 1 and "scatter" not in found


def test_class_numbers_pick_one_element_a_row():
    labels = np.array([0, 3, 1, 1, 2, 0])

    def f(x, labels):
        return am.value_and_grad(lambda x: am.nn.cross_entropy(x, labels))(x)

    program = optimize_program(recorded(f, X, labels), ())
    found = same(program, fuse_scatter_add(program), [X, labels])
    assert found["picked"] == 1 and found["added_at"] == 1 and "getitem" not in found
    with pytest.raises(am.ArgumentError, match="classes"):
        fuse_scatter_add(program).evaluate([X, labels - 1])


# ── updates ──────────────────────────────────────────────────────────────────────────────────────
RULES = {
    "sgd": lambda ps: am.optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: am.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adamw": lambda ps: am.optim.AdamW(ps, lr=0.1),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_updates_of_one_rule_are_done_together(rule):
    tensors = [am.tensor(RNG.normal(size=s), requires_grad=True) for s in [(4, 3), (3,), (3, 2)]]
    optimizer = rule(tensors)

    def step(x):
        a, b, c = tensors
        optimizer.zero_grad()
        (np.tanh(x @ a + b) @ c).sum().backward()
        optimizer.step()

    program = optimize_program(recorded(step, X), ())
    together = join_optimizer_updates(program)
    found = same(program, together, [X], rtol=0)
    slots = 1 + len(optimizer.state)
    assert found["parts"] == slots and found["flat"] == slots + 1
    assert len(together.instructions) < len(program.instructions)


def test_updates_that_differ_stay_apart():
    a, b, large = am.tensor(np.ones(3)), am.tensor(np.ones(4)), am.tensor(np.ones(20_000))

    def step(x):
        a.assign(a - 0.5 * x[:3])
        b.assign(b - 0.25 * x)
        large.assign(large * 0.5)

    program = recorded(step, np.arange(4.0))
    assert "flat" not in same(program, join_optimizer_updates(program), [np.arange(4.0)], rtol=0)


def test_a_new_value_that_is_read_in_between_is_not_delayed():
    a, b = am.tensor(np.ones(3)), am.tensor(np.ones(4))

    def step(x):
        a.assign(a - 0.5 * a)
        scaled = x * a.sum()
        b.assign(b - 0.5 * b)
        return scaled

    program = recorded(step, np.arange(4.0))
    same(program, join_optimizer_updates(program), [np.arange(4.0)], rtol=0)


def test_tensors_of_two_dtypes_are_not_joined():
    a, b = am.tensor(np.ones(3)), am.tensor(np.ones(4), dtype="f4")

    def step(x):
        a.assign(a - a * 0.5)
        b.assign(b - b * 0.5)

    program = recorded(step, np.arange(4.0))
    assert "flat" not in same(program, join_optimizer_updates(program), [np.arange(4.0)], rtol=0)


# ── operations of the user's own ─────────────────────────────────────────────────────────────────
def test_a_users_operation_is_not_taken_for_one_of_ours():
    def named(name, function):
        made = am.primitive(name=name)(function)
        made.vjp(lambda g, y, *xs: tuple(g for _ in xs))
        return made

    add, matmul = named("add", lambda x, y: x - y), named("matmul", lambda x, y: x * 0 + 1.0)
    total, multiply = named("sum", lambda x: x.max()), named("multiply", lambda x, y: x + y)
    square, scatter = named("square", lambda x: x * 3), named("scatter", lambda x: x - 1)

    def f(x):
        y = matmul(x, x) + x[0]
        return add(y, scatter(x)), total(square(x)), multiply(2.0, multiply(3.0, x)), add(x, x)

    compiled = am.compile(f)
    for _ in range(4):
        for a, b in zip(compiled(X), f(X), strict=True):
            np.testing.assert_array_equal(a, b)
