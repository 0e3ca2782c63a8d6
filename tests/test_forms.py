"""How operations are written: the source of every row computes what its forward computes."""

from __future__ import annotations

import builtins
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.compiler.expressions import (
    RESERVED,
    Expression,
    expression_of,
    is_view,
    takes_out,
    works_in_place,
)
from autograd_mini.compiler.fused_ops import add_n
from autograd_mini.compiler.program import Instruction, Value
from autograd_mini.core.primitive import PRIMITIVES, Case, Primitive, case, draw_operands, general
from autograd_mini.core.source_text import literal
from autograd_mini.ops.indexing import ARRAY

with suppress(ModuleNotFoundError):
    import_module("autograd_mini.ops.special")

BOUND = {name: "its forward is a user's" for name in ()}
"""Rows that are bound as objects, with the reason: none of the table."""

ONE = np.int64(1)
FLOATS = np.array([[-1.5, 0.0, 2.5], [np.nan, np.inf, -0.0]])
INTEGERS = np.array([[3, 0, 5], [1, 2, 7]])
FURTHER: dict[str, tuple[Case, ...]] = {
    "stop_gradient": (case((2, 3)), case(())),
    "truncate": (case((2, 3), dtype=np.dtype("i4")), case((), dtype=np.dtype(bool))),
    "assign": (case((2, 3), (2, 3)), case((2, 3), 0.5)),
    "running_place": tuple(
        case((3, 4), extreme=name, latest=latest, axis=1)
        for name in ("maximum", "minimum")
        for latest in (True, False)
    ),
    "argmax": (case((3, 4), axis=1, keepdims=True), case((3, 4), axis=None)),
    "argmin": (case((3, 4), axis=0), case(())),
    "nanargmax": (case((3, 4), axis=1, keepdims=True),),
    "nanargmin": (case((3, 4), axis=1),),
    "all": (case(FLOATS, axis=0, keepdims=False), case(FLOATS, axis=None, keepdims=True)),
    "any": (case(FLOATS, axis=0, keepdims=False), case(FLOATS, axis=None)),
    "count_nonzero": (case(FLOATS, axis=1, keepdims=True), case(FLOATS)),
    "argsort": (case((3, 4), axis=0, kind="stable"), case((4,))),
    "argpartition": (case((3, 4), kth=2), case((9,), kth=[1, 5], axis=0)),
    "searchsorted": (case(np.arange(5.0), (3,), side="right"), case(np.arange(5.0), 2.5)),
    "round": (case((3, 4), decimals=2), case(())),
    "around": (case((3, 4), decimals=1), case(INTEGERS, decimals=-1)),
    "isclose": (case((3, 4), (4,), rtol=0.1, atol=np.inf), case((3,), (3,), equal_nan=True)),
    "isin": (case(INTEGERS, np.array([1, 2]), invert=True),),
    "digitize": (case((3, 4), np.arange(3.0), right=True),),
    "power": tuple(case((3, 4), n) for n in (2, 0.5, -1, 3, 2.0, 0, 1, 2.5))
    + (case(2.0, (3,)), case(np.arange(4), 2), case(np.arange(1, 4), 0.5), case((), 2)),
    "getitem": (
        # NumPy shows the same memory for one NumPy integer, and copies for an array of them.
        *(
            case((3, 4), *arrays, index=(*(ARRAY,) * len(arrays), *rest))
            for arrays in ([ONE], [np.array(1)], [np.True_], [ONE, ONE], [ONE, np.array([1, 2])])
            for rest in ((), (slice(None),))[: 3 - len(arrays)]
        ),
        case((3, 4, 2), ONE, index=(0, ARRAY)),
        case((3, 4, 2), ONE, index=(Ellipsis, None, ARRAY)),
        case((3,), ONE, index=(ARRAY,)),
        case((3, 4), index=(Ellipsis, 0, 1)),
        case((3, 4), index=(2, 1)),
        case((3, 4), index=()),
        case((), index=(None,)),
    ),
    "reshape": (case((2, 6), shape=(12,)), case((4, 3), shape=(2, 2, 1, 3)), case((1,), shape=())),
    "split": (case((5, 2), places=(3, 1), axis=0), case((2, 4), places=(), axis=1)),
    "unstack": (case((3,), axis=0),),
    "einsum": (case((2, 3), inputs=("ij",), output="ji", optimize=True),),
    "sum": (case(np.arange(6, dtype=np.int8).reshape(2, 3), axis=(0,), keepdims=False),),
    "mean": (case(np.ones((2, 3), np.float16), axis=(0,), keepdims=False),),
    "real": (case(()), case(np.ones((2, 3)) + 1j)),
    "imag": (case(()), case(np.ones((2, 3)) + 1j)),
    "transpose": (case((2, 3, 4), axes=(2, 1, 0)), case((), axes=())),
    "finite": (case((3, 4), what="x"),),
    "demanded": (case(np.array([True, True]), message="something"),),
    "class_numbers": (case(np.array([0, 2, 1], np.int8), classes=3),),
    "set_at": (case((3, 4), 5.0, index=(slice(None, None, -2), None, 1)),),
}
"""Samples beside those of the derivatives' tests: rows without a gradient, and special cases."""
FURTHER["scatter"] = tuple(
    case((2, 4), array, shape=(3, 4), index=PRIMITIVES["getitem"].samples[3].params["index"])
    for array in (np.array([True, False, True]), np.array([1, 1]))
)


def cases_of(primitive: Primitive) -> list[Case]:
    """Return samples of a row; for one without, arrays and a number that it takes."""
    found = [*primitive.samples, *FURTHER.get(primitive.name, ())]
    if found:
        return found
    count = len(primitive.vjp) if isinstance(primitive.vjp, tuple) else 1
    for array in (FLOATS, INTEGERS):
        with suppress(TypeError), np.errstate(all="ignore"):
            primitive.forward(*[array] * count)
            return [Case((array,) * count), Case((array, *(array[0, 2],) * (count - 1)))]
    raise AssertionError(f"no sample for {primitive}")


def instruction(primitive: Primitive, operands: tuple[Any, ...], params: Any) -> Instruction:
    """Make an instruction of sample operands."""
    with np.errstate(all="ignore"):
        result = primitive.forward(*operands, **params)
    results = result if primitive.multiple else (result,)
    return Instruction(
        primitive,
        tuple(value_of(x) if isinstance(x, (np.ndarray, np.generic)) else x for x in operands),
        dict(params),
        tuple(value_of(y) for y in results),
    )


def value_of(x: Any) -> Value:
    return Value(np.shape(x), np.result_type(x))


def importing(name: str, *args: Any, **kwargs: Any) -> Any:
    assert name.partition(".")[0] in ("numpy", "scipy", "math", "operator"), name
    return builtins.__import__(name, *args, **kwargs)


def namespace_of(form: Expression) -> dict[str, Any]:
    """Run the definitions where this package is not to be had."""
    namespace: dict[str, Any] = {"__builtins__": {**vars(builtins), "__import__": importing}}
    exec("\n".join(["import numpy as np", *form.definitions]), namespace)
    return namespace | form.objects


def run(form: Expression, operands: dict[str, Any], text: str) -> Any:
    with np.errstate(all="ignore"):
        return eval(text, namespace_of(form) | operands)


def written(form: Expression, operands: dict[str, Any], result: Any, name: str = "r") -> Any:
    with np.errstate(all="ignore"):
        exec("\n".join(form.into(name)), namespace_of(form) | operands | {name: result})
    return result


def same(found: Any, expected: Any) -> None:
    """Assert equal bits, and a NumPy scalar where there are no axes."""
    expected = expected[()] if isinstance(expected, np.ndarray) else expected
    assert isinstance(found, np.ndarray) == isinstance(expected, np.ndarray)
    assert np.shape(found) == np.shape(expected)
    assert np.result_type(found) == np.result_type(expected)
    assert np.asarray(found).tobytes() == np.asarray(expected).tobytes()


def check(primitive: Primitive, operands: tuple[Any, ...], params: Any) -> Expression:
    """Check a form of given operands in all the ways in which it can be used."""
    step = instruction(primitive, operands, params)
    names = [f"x{i}" if type(x) is Value else str(literal(x)) for i, x in enumerate(step.operands)]
    given = {n: x for n, x in zip(names, operands, strict=True) if n.isidentifier()}
    form = expression_of(step, names)
    assert not form.objects or primitive.name in BOUND
    with np.errstate(all="ignore"):
        expected = primitive.forward(*operands, **params)
    found = run(form, given, form.expression)
    parts = [*zip(found, expected, strict=True)] if primitive.multiple else [(found, expected)]
    for y, wanted in parts:
        same(y, wanted)
        for i, x in enumerate(given.values()):
            if np.shape(y) and np.shape(x) and np.size(y):
                assert np.shares_memory(y, x) == (is_view(step) and i == 0)
    assert takes_out(step) == bool(form.into("r"))
    assert works_in_place(step) == form.in_place
    if takes_out(step):
        check_writing(form, given, expected)
    return form


def check_writing(form: Expression, given: dict[str, Any], expected: Any) -> None:
    """Check that the result can be written into an array, and over an operand."""
    expected = np.asarray(expected)
    full = np.full(expected.nbytes, 0x5A, np.uint8).view(expected.dtype).reshape(expected.shape)
    same(written(form, given, full), expected)
    for name, x in given.items():
        fits = np.shape(x) == expected.shape and np.result_type(x) == expected.dtype
        if form.in_place and fits and type(x) is np.ndarray:
            same(written(form, given, x.copy(), name), expected)


def narrowed(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return operands in float32 instead of float64."""
    return tuple(
        x.astype(np.float32) if getattr(x, "dtype", None) == np.float64 else x for x in operands
    )


ROWS = [p for p in PRIMITIVES.values() if p.name != "draw"]  # which tests/test_random.py writes
every = pytest.mark.parametrize("primitive", ROWS, ids=lambda p: p.name)


@every
def test_source_computes_the_same_bits_as_the_forward(primitive: Primitive) -> None:
    for sample in cases_of(primitive):
        operands = draw_operands(primitive, sample, np.random.default_rng(0))
        check(primitive, operands, sample.params)


@every
def test_source_computes_the_same_bits_in_float32(primitive: Primitive) -> None:
    for sample in cases_of(primitive):
        operands = draw_operands(primitive, sample, np.random.default_rng(1))
        check(primitive, narrowed(operands), sample.params)


@every
def test_source_computes_the_same_bits_for_complex_numbers(primitive: Primitive) -> None:
    for sample in cases_of(primitive):
        operands = draw_operands(primitive, sample, np.random.default_rng(2))
        operands = tuple(
            x * (1 + 0.5j) if getattr(x, "dtype", None) == np.float64 else x for x in operands
        )
        with np.errstate(all="ignore"):
            try:
                primitive.forward(*operands, **sample.params)
            except (TypeError, ValueError, np.exceptions.ComplexWarning, am.AutogradError):
                continue
        check(primitive, operands, sample.params)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.bool])
@every
def test_source_computes_the_same_bits_for_integers(primitive: Primitive, dtype: Any) -> None:
    for sample in cases_of(primitive):
        operands = draw_operands(primitive, sample, np.random.default_rng(2))
        operands = tuple(
            np.abs(np.nan_to_num(x, posinf=9.0, neginf=-9.0) * 3).astype(dtype)
            if getattr(x, "dtype", None) == np.float64
            else x
            for x in operands
        )
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                primitive.forward(*operands, **sample.params)
            except (TypeError, ValueError, IndexError, am.AutogradError, np.linalg.LinAlgError):
                continue
            check(primitive, operands, sample.params)


@pytest.mark.parametrize(
    "primitive",
    [p for p in PRIMITIVES.values() if p.kind == "elementwise" and p.samples and not p.params],
    ids=lambda p: p.name,
)
def test_source_computes_the_same_bits_for_numbers(primitive: Primitive) -> None:
    sample = next(iter(primitive.samples))
    operands = draw_operands(primitive, sample, np.random.default_rng(3))
    numbers = tuple(x if type(x) in (int, float) else np.ravel(x)[0] for x in operands)
    check(primitive, numbers, {})
    check(primitive, narrowed(numbers), {})


@every
def test_names_of_definitions_cannot_be_those_of_variables(primitive: Primitive) -> None:
    for sample in cases_of(primitive)[:1]:
        operands = draw_operands(primitive, sample, np.random.default_rng(0))
        form = check(primitive, operands, sample.params)
        code = compile(form.expression, "", "eval")
        used = set(code.co_names) & set(namespace_of(form))
        builtin = {n for n in code.co_names if hasattr(builtins, n) and f".{n}" not in form[0]}
        assert all(n.startswith("_") or n in RESERVED for n in used | builtin)


def test_two_rows_never_define_one_name_differently() -> None:
    known: dict[str, str] = {}
    for primitive in ROWS:
        sample = cases_of(primitive)[0]
        operands = draw_operands(primitive, sample, np.random.default_rng(0))
        for text in check(primitive, operands, sample.params).definitions:
            name = text.split("(")[0].split(" =")[0]
            assert known.setdefault(name, text) == text


def expression(primitive: Primitive, *operands: Any, **params: Any) -> str:
    return check(primitive, operands, params).expression


def test_forms_read_as_a_numpy_user_writes() -> None:
    x = np.ones((2, 3))
    rows = PRIMITIVES
    assert expression(rows["add"], x, x) == "np.add(x0, x1)"
    assert expression(rows["multiply"], x, 2.0) == "np.multiply(x0, 2.0)"
    assert expression(rows["multiply"], x[0, 0], -2.0) == "x0 * (-2.0)"
    assert expression(rows["negative"], x[0, 0]) == "-x0"
    assert expression(rows["relu"], x) == "np.maximum(x0, 0)"
    assert expression(rows["reshape"], x, shape=(2, 1, 3)) == "x0.reshape((2, 1, 3))"
    assert expression(rows["transpose"], x, axes=(1, 0)) == "x0.T"
    assert expression(rows["getitem"], x, index=(slice(None), None, 1)) == "x0[:, None, 1]"
    assert expression(rows["cast"], x, dtype=np.dtype("f4")) == "x0.astype(np.float32)"
    assert expression(rows["sum"], x, axis=(0,), keepdims=True) == (
        "np.add.reduce(x0, axis=(0,), keepdims=True)"
    )
    assert expression(rows["mean"], x, axis=(0, 1), keepdims=False) == (
        "np.add.reduce(x0, axis=(0, 1), keepdims=False) / 6"
    )
    assert expression(rows["concatenate"], x, x, axis=0) == "np.concatenate((x0, x1), axis=0)"
    assert expression(rows["sigmoid"], x) == "_stable_sigmoid(x0)"
    assert expression(rows["det"], x[:, :2]) == "np.linalg.det(x0)[()]"


def test_the_source_of_a_definition_has_no_annotations_and_one_line_of_documentation() -> None:
    form = check(PRIMITIVES["bessel"], (np.ones(3),), {"order": 2})
    text = "\n".join(form.definitions)
    assert "def _bessel_forward(x, *, order):" in text
    assert "DLMF" not in text and "Any" not in text


@pytest.mark.parametrize("count", [2, 3, 5, 40])
@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_a_sum_of_many_terms_is_written_into_an_array(count: int, shape: tuple[int, ...]) -> None:
    terms = tuple(np.random.default_rng(0).normal(size=(count, *shape)).astype(np.float32))
    form = check(add_n, terms, {})
    assert len(form.into("r")) == (count - 1 if shape else 0)


@pytest.mark.long
def test_a_sum_of_a_hundred_thousand_terms_is_written_without_recursion() -> None:
    step = Instruction(add_n, (Value((), np.dtype(float)),) * 100_000, {}, (value_of(1.0),))
    form = expression_of(step, ["x"] * 100_000)
    assert run(form, {"x": np.float64(1)}, form.expression) == 100_000


def test_custom_operations_are_bound_under_names_of_their_own() -> None:
    def made() -> Any:
        return am.primitive(lambda x: x**3, name="x³ of x")

    one, two = made(), made()
    steps = [instruction(c.row, (np.ones(3),), {}) for c in (one, two)]
    forms = [expression_of(s, ["a"]) for s in steps]
    names = [next(iter(f.objects)) for f in forms]
    assert forms[0].expression == f"{names[0]}(a)"
    assert names[0] != names[1]
    assert expression_of(steps[0], ["a"]) == forms[0]
    assert all(name.isidentifier() and name.startswith("_") for name in names)


def test_a_parameter_without_a_literal_is_bound() -> None:
    generator = np.random.default_rng(0)
    row = general(
        np.asarray, "", "", name="drawn", vjp=None, samples=(), params=("a",), listed=False
    )
    step = Instruction(row, (), {"a": generator}, (Value((), np.dtype(float)),))
    form = expression_of(step, [])
    [name] = form.objects
    assert form.expression == f"np.asarray(a={name})[()]"
    assert form.objects[name] is generator and name.startswith("_a")


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -1.5, np.inf, -np.inf, np.nan, complex(-0.0, np.nan), "a'b", ..., b"x",
        slice(1, None, -2), (1,), (), [1, (2.0, None)], {"a": np.tanh}, range(3), np.float32(0.1),
        np.int8(3), np.bool(True), np.complex64(1j), np.dtype("f4"), np.dtype(">i2"), np.float64,
        np.add, np.add.reduce, np.linalg.det, np.arange(3, dtype=np.int8), np.zeros((0, 2)), abs,
    ],
)  # fmt: skip
def test_a_literal_makes_an_equal_value(value: Any) -> None:
    made = eval(str(literal(value)), {"np": np})
    assert type(made) is type(value)
    assert repr(made) == repr(value)


@pytest.mark.parametrize(
    "value", [object(), np.arange(100), lambda x: x, (1, object()), {1: set()}]
)
def test_what_has_no_literal_is_said_to_have_none(value: Any) -> None:
    assert literal(value) is None
