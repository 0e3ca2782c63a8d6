"""Packing: regions of scalar instructions become vector operations that compute the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pass_programs import Builder

import autograd_mini as am
from autograd_mini.compiler.fused_ops import add_n, declare_operation
from autograd_mini.compiler.passes import vectorize as packing
from autograd_mini.compiler.passes.vectorize import vectorize_scalars
from autograd_mini.compiler.program import Instruction, Operand, Program, Value


class ScalarBuilder(Builder):
    """Makes a program in which Python's numbers are weak, wherever they stand."""

    def _value(self, array: Any, weak: bool = False) -> Value:
        return super()._value(array, weak or type(array) in (bool, int, float, complex))

    def element(self, x: Value, *index: int) -> Any:
        return self.apply("getitem", x, index=index)

    @property
    def inputs(self) -> list[Any]:
        return [self.arrays[x] for x in self.program.inputs]


def always_packed(program: Program) -> Program:
    """Pack whatever can be packed, whether it gains or not."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(packing, "FEWEST", 1))
        stack.enter_context(
            mock.patch.object(packing, "estimate_separate_time", lambda graph: np.inf)
        )
        return vectorize_scalars(program)


def packs(program: Program) -> list[Instruction]:
    return [step for step in program.instructions if step.primitive.name == "packed"]


def from_source(step: Instruction, operands: list[Any]) -> tuple[Any, ...]:
    """Run the written source of a packed instruction twice, as a loop of training would."""
    taken = [f"a{i}" for i in range(len(step.operands))]
    made = [f"r{i}" for i in range(len(step.results))]
    written = step.params["schedule"].write("packed", taken, made)
    assert all(len(line) <= 110 for line in written.body)
    body = "\n    ".join([*written.body, f"return [{', '.join(made)}]"])
    source = "\n".join([*written.setup, f"def f({', '.join(taken)}):", f"    {body}"])
    space: dict[str, Any] = {"np": np} | written.arrays
    with np.errstate(all="ignore"):
        exec(source, space)
        first = space["f"](*operands)
        second = space["f"](*operands)
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b, equal_nan=True)
    return tuple(first)


def from_sources(program: Program, inputs: list[Any]) -> list[Any]:
    """Evaluate a program with each packed instruction by its source."""
    values = dict(zip(program.inputs, inputs, strict=True)) | program.constants
    values |= {v: tensor._value for v, tensor in program.leaves.items()}
    with np.errstate(all="ignore"):
        for step in program.instructions:
            arrays = [values[x] if type(x) is Value else x for x in step.operands]
            if step.primitive.name == "packed":
                found = from_source(step, arrays)
            else:
                found = step.primitive.forward(*arrays, **step.params)
                found = found if step.primitive.multiple else (found,)
            values |= dict(zip(step.results, found, strict=True))
    outputs = [values[y] if type(y) is Value else y for y in program.outputs]
    return outputs + [values[new] for _, new in program.updates]


def assert_close(found: list[Any], expected: list[Any]) -> None:
    for a, b in zip(found, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.dtype.kind in "fc":
            eps = 1e3 * np.finfo(a.dtype).eps
            eps = max(eps, 1e-6 if a.dtype.char in "fF" else 1e-9)
            assert np.allclose(a, b, rtol=eps, atol=eps, equal_nan=True), (a, b)
        else:
            assert np.array_equal(a, b)


def assert_same(before: Program, after: Program, inputs: list[Any]) -> None:
    expected = [x for part in before.evaluate(inputs) for x in part]
    assert_close([x for part in after.evaluate(inputs) for x in part], expected)
    assert_close(from_sources(after, inputs), expected)


UNARY = ("negative", "absolute", "square", "relu", "alias", "positive", "stop_gradient")
BINARY = ("add", "subtract", "multiply", "maximum", "minimum", "add", "multiply")
EXACT_ONLY = ("sign", "isfinite", "logical_not"), ("greater", "equal", "less_equal", "logical_and")
INEXACT_ONLY = ("tanh", "sigmoid", "softplus", "sin"), ("divide", "power", "arctan2")
PYTHON = (bool, int, float, complex)
NUMBERS = (0, 1, 2, -1, 0.0, -0.0, 1.5, 0.25, True, 1j, 3)


class RandomProgram(Builder):
    """A program of scalars and some arrays.

    In an exact one all values are small multiples of 1/4, so that any order of a sum gives the
    same bits and comparisons are safe. An operation that NumPy refuses, or whose result is too
    large, is left out.
    """

    def __init__(self, seed: int, count: int, exact: bool) -> None:
        super().__init__()
        self.rng = np.random.default_rng(seed)
        self.exact = exact
        dtypes: list[Any] = [np.float64, np.complex128, np.int64]
        if exact:
            dtypes += [np.float32, np.float16, np.complex64, np.int32, np.uint8, np.bool]
        self.dtypes = [dtypes[i] for i in self.rng.integers(len(dtypes), size=2)]
        more = EXACT_ONLY if exact else INEXACT_ONLY
        self.unary, self.binary = UNARY + more[0], BINARY + more[1]
        self.scalars: list[Value] = []
        self.parts: list[Value] = []
        for i in range(8):
            make = (self.input, self.leaf, self.constant)[i % 3]
            self.scalars.append(make(self.some(self.dtypes[i % 2])))
        self.scalars.append(self.input(float(self.some(np.float64))))
        for dtype in self.dtypes:
            self.parts.append(self.input(self.some(dtype, 2, 3)))
            self.parts.append(self.constant(self.some(dtype, 4)))
        for _ in range(count):
            self.attempt()
        recent = self.scalars[-count // 2 :]
        chosen = [self.one(recent) for _ in range(self.rng.integers(1, 6))]
        self.program.outputs = [*chosen, self.parts[-1], 2.0, self.scalars[0]]
        updated = next(iter(self.program.leaves))
        new = [y for y in self.scalars[::-1] if y.dtype == updated.dtype and not y.weak]
        self.program.updates = [(updated, y) for y in new[:1]]

    def some(self, dtype: Any, *shape: int) -> Any:
        drawn = self.rng.integers(-2, 3, shape) if self.exact else self.rng.normal(size=shape)
        return np.asarray(abs(drawn) if dtype is np.uint8 else drawn).astype(dtype)[()]

    def one(self, values: list[Value]) -> Value:
        return values[self.rng.integers(len(values))]

    def attempt(self) -> None:
        before = len(self.program.instructions)
        try:
            y = self.step()
        except (TypeError, ValueError, OverflowError, AttributeError, ZeroDivisionError):
            return
        array = np.asarray(self.arrays[y])
        if type(self.arrays[y]) in PYTHON:  # a trace marks such results, and packs none of them
            del self.program.instructions[before:]
            return
        largest = 500 if self.exact else 1e3
        scaled = array * 4 if self.exact and array.dtype.kind in "fc" else 0
        with np.errstate(all="ignore"):
            fine = bool(np.all(np.abs(array) < largest)) and np.all(scaled == np.round(scaled))
        if fine:
            (self.parts if y.shape else self.scalars).append(y)
        else:
            del self.program.instructions[before:]

    def step(self) -> Any:
        rng, scalars, parts = self.rng, self.scalars, self.parts
        kind = rng.random()
        x = self.one(scalars[-30:] if rng.random() < 0.7 else scalars)
        alike = [y for y in scalars if y.dtype == x.dtype and not y.weak]
        if kind < 0.15:
            return self.apply(self.unary[rng.integers(len(self.unary))], x)
        if kind < 0.6:
            number = NUMBERS[rng.integers(len(NUMBERS))]
            y: Operand = number if rng.random() < 0.2 else self.one(scalars)
            pair = (x, y) if rng.random() < 0.7 else (y, x)
            return self.apply(self.binary[rng.integers(len(self.binary))], *pair)
        if kind < 0.7:
            return self.apply(add_n, *(self.one(alike) for _ in range(rng.integers(3, 9))))
        if kind < 0.75:
            return self.apply("where", self.one(scalars), x, NUMBERS[rng.integers(5)])
        if kind < 0.85:
            array = self.one(parts)
            index = [int(rng.integers(n)) for n in array.shape]
            return self.element(array, *index[: rng.integers(1, len(index) + 1)])
        if kind < 0.9:
            return self.apply("stack", *(self.one(alike) for _ in range(3)), axis=0)
        if kind < 0.95:
            return self.apply("multiply", self.one(parts), x)
        if x.dtype.kind == "c":
            raise TypeError
        kept = np.float32 if self.exact and rng.random() < 0.5 else np.float64
        return self.apply("cast", x, dtype=np.dtype(kept))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**9), st.integers(5, 150), st.booleans())
def test_random_programs_compute_the_same(seed: int, count: int, exact: bool) -> None:
    builder = RandomProgram(seed, count, exact)
    assert_same(builder.program, always_packed(builder.program), builder.inputs)


def dense(dtype: Any = np.float64, samples: int = 12, width: int = 5) -> ScalarBuilder:
    """Make a layer of scalars: tanh(b + Σ w·x) for each sample, and their sum of squares."""
    rng = np.random.default_rng(0)
    builder = ScalarBuilder()

    def scalar(make: Any) -> Any:
        return make(dtype(rng.normal()))

    weights = [[scalar(builder.leaf) for _ in range(width)] for _ in range(width)]
    biases = [scalar(builder.leaf) for _ in range(width)]
    outputs = []
    for _ in range(samples):
        xs = [scalar(builder.input) for _ in range(width)]
        for row_of_weights, bias in zip(weights, biases, strict=True):
            products = [builder.apply("multiply", *p) for p in zip(row_of_weights, xs, strict=True)]
            outputs.append(builder.apply("tanh", builder.apply(add_n, bias, *products)))
    squares = [builder.apply("square", y) for y in outputs]
    builder.program.outputs = [builder.apply(add_n, *squares)]
    return builder


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.complex128])
def test_a_layer_of_scalars_becomes_one_instruction(dtype: Any) -> None:
    builder = dense(dtype)
    after = vectorize_scalars(builder.program)
    assert [step.primitive.name for step in after.instructions] == ["packed"]
    with np.errstate(all="ignore"):
        assert_same(builder.program, after, builder.inputs)


def test_a_layer_of_scalars_is_a_matrix_product() -> None:
    (step,) = packs(vectorize_scalars(dense().program))
    kinds = [s.operation.name for s in step.params["schedule"].steps]
    assert kinds == ["product", "add", "tanh", "product"] or kinds.count("product") == 1
    assert "multiply" not in kinds


def test_rows_that_are_not_all_paired_are_not_one_matrix_product() -> None:
    rng = np.random.default_rng(0)
    builder = ScalarBuilder()
    xs = [builder.input(np.float64(rng.normal())) for _ in range(60)]
    outputs = []
    for _ in range(80):
        picked = [xs[i] for i in rng.integers(len(xs), size=8)]
        products = [builder.apply("multiply", *picked[i : i + 2]) for i in range(0, 8, 2)]
        outputs.append(builder.apply(add_n, *products))
    builder.program.outputs = list(outputs)
    after = vectorize_scalars(builder.program)
    (step,) = packs(after)
    assert [s.operation.name for s in step.params["schedule"].steps] == ["dot"]
    assert_same(builder.program, after, builder.inputs)


def test_equal_blocks_are_one_product_of_stacks() -> None:
    rng = np.random.default_rng(0)
    builder = ScalarBuilder()
    outputs = []
    for _ in range(4):
        a = [[builder.input(np.float64(rng.normal())) for _ in range(5)] for _ in range(4)]
        b = [[builder.input(np.float64(rng.normal())) for _ in range(5)] for _ in range(4)]
        for x in a:
            for y in b:
                pairs = zip(x, y, strict=True)
                outputs.append(
                    builder.apply(add_n, *(builder.apply("multiply", *p) for p in pairs))
                )
    builder.program.outputs = list(outputs)
    after = vectorize_scalars(builder.program)
    (step,) = packs(after)
    (only,) = step.params["schedule"].steps
    assert only.operation.name == "product" and only.target.shape == (4, 4, 4)
    assert_same(builder.program, after, builder.inputs)


def test_a_product_that_is_needed_elsewhere_stays() -> None:
    builder = ScalarBuilder()
    x = [builder.input(np.float64(i)) for i in range(4)]
    p, q = builder.apply("multiply", x[0], x[1]), builder.apply("multiply", x[2], x[3])
    total = builder.apply("add", p, q)
    builder.program.outputs = [total, p]
    assert_same(builder.program, always_packed(builder.program), builder.inputs)


@pytest.mark.long
def test_a_chain_stays_as_it_is() -> None:
    builder = ScalarBuilder()
    x = builder.input(np.float64(0.5))
    for _ in range(50_000):
        x = builder.apply("sin", x)
    builder.program.outputs = [x]
    assert vectorize_scalars(builder.program) is builder.program


def test_a_few_scalars_stay_as_they_are() -> None:
    builder = ScalarBuilder()
    xs = [builder.input(np.float64(i)) for i in range(50)]
    builder.program.outputs = [builder.apply("tanh", x) for x in xs]
    assert vectorize_scalars(builder.program) is builder.program


def test_an_empty_program_stays_as_it_is() -> None:
    program = Program("f", [], {}, {}, [], [1.0])
    assert vectorize_scalars(program) is program


def test_instructions_that_nothing_needs_give_no_results() -> None:
    builder = ScalarBuilder()
    xs = [builder.input(np.float64(i)) for i in range(300)]
    for x in xs:
        builder.apply("tanh", x)
    (step,) = packs(vectorize_scalars(builder.program))
    assert step.results == ()
    assert from_source(step, builder.inputs) == ()


def test_elements_of_an_array_come_in_as_the_array() -> None:
    builder = ScalarBuilder()
    x = builder.input(np.arange(400.0).reshape(100, 4))
    rows = [builder.apply("getitem", x, index=(i,)) for i in range(100)]
    scalars = [builder.element(r, j) for r in rows for j in range(4)]
    builder.program.outputs = [builder.apply("square", s) for s in scalars]
    after = vectorize_scalars(builder.program)
    (step,) = after.instructions
    assert step.operands == (x,)
    assert_same(builder.program, after, builder.inputs)


def test_scalars_for_a_later_region_go_there_in_one_array() -> None:
    builder = ScalarBuilder()
    xs = [builder.input(np.float64(i / 400)) for i in range(400)]
    first = [builder.apply("tanh", x) for x in xs]
    stacked = builder.apply("stack", *first, axis=0)
    mean = builder.apply("mean", stacked, axis=(0,), keepdims=False)
    builder.program.outputs = [builder.apply("arctan2", y, mean) for y in first]
    after = vectorize_scalars(builder.program)
    one, other = packs(after)
    assert [y.shape for y in one.results] == [(400,), (400,)]
    assert set(other.operands) == {one.results[1], mean}
    assert_same(builder.program, after, builder.inputs)


def test_effects_keep_their_order() -> None:
    seen: list[str] = []
    noted = declare_operation(
        "noted", lambda x, *, name: (seen.append(name), x)[1], "!", "Notes its name."
    )
    object.__setattr__(noted, "effect", True)
    builder = ScalarBuilder()
    xs = [builder.input(np.float64(i)) for i in range(300)]
    tanhs = [builder.apply("tanh", x) for x in xs]
    builder.apply(noted, tanhs[0], name="first")
    builder.apply(noted, xs[0], name="second")
    builder.program.outputs = [*tanhs]
    after = vectorize_scalars(builder.program)
    assert len(packs(after)) == 1
    seen.clear()
    after.evaluate(builder.inputs)
    assert seen == ["first", "second"]


def test_a_python_number_keeps_float32() -> None:
    builder = ScalarBuilder()
    weak = builder.input(1.5)
    xs = [builder.input(np.float32(i)) for i in range(300)]
    scaled = [builder.apply("multiply", x, weak) for x in xs]
    builder.program.outputs = [builder.apply("multiply", y, i / 7) for i, y in enumerate(scaled)]
    after = vectorize_scalars(builder.program)
    assert len(after.instructions) == 1
    assert after.evaluate(builder.inputs)[0][0].dtype == np.float32
    assert_same(builder.program, after, builder.inputs)


def test_updates_are_packed() -> None:
    builder = ScalarBuilder()
    leaves = [builder.leaf(np.float64(i)) for i in range(300)]
    steps = [builder.apply("multiply", x, 0.1) for x in leaves]
    news = [builder.apply("subtract", x, s) for x, s in zip(leaves, steps, strict=True)]
    builder.program.updates = list(zip(leaves, news, strict=True))
    after = vectorize_scalars(builder.program)
    assert len(after.instructions) == 1
    assert_same(builder.program, after, [])


@pytest.mark.long
def test_a_deep_graph_needs_no_recursion() -> None:
    builder = ScalarBuilder()
    xs = [builder.input(np.float64(i)) for i in range(10)]
    for _ in range(3_000):
        xs = [builder.apply("sin", x) for x in xs]
    builder.program.outputs = list(xs)
    after = vectorize_scalars(builder.program)
    assert len(after.instructions) == 1
    assert_same(builder.program, after, builder.inputs)


def test_packed_functions_run_in_threads_at_once() -> None:
    def f(x: Any) -> Any:
        rows = [[np.tanh(x[i] * x[j]) + x[j] for j in range(12)] for i in range(12)]
        return sum(sum(row) for row in rows)

    compiled = am.compile(f)
    inputs = [np.linspace(0, 1, 12) * k for k in range(8)]
    for _ in range(3):
        compiled(inputs[0])
    assert "packed" in compiled.source
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: [compiled(inputs[k % 8]) for _ in range(20)], range(16)))
    for k, values in enumerate(found):
        np.testing.assert_allclose(values, f(inputs[k % 8]), rtol=1e-12)
