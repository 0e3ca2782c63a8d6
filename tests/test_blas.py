"""Products through NumPy's BLAS mean what NumPy's own products mean, whatever the arrays."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from gc import collect
from typing import Any
from weakref import ref

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.compiler import fused_ops as blas
from autograd_mini.compiler.fused_ops import gemm, prepare_product

FACTORS = (0.0, 1.0, -1.0, 0.5, -2.25)
DTYPES = ("f4", "f8")


@pytest.fixture(params=["blas", "numpy"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with the library, and as if there was none."""
    if request.param == "numpy":
        monkeypatch.setattr(blas, "find_blas", lambda: None)
    elif blas.find_blas() is None:
        pytest.skip("NumPy's BLAS cannot be called here")
    return request.param


@st.composite
def laid_out(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Draw an array of small whole numbers, whose products are exact, in some layout."""
    order = tuple(draw(st.permutations(range(len(shape)))))
    steps = [draw(st.sampled_from((1, 1, 1, 2, -1))) for _ in shape]
    extra = [draw(st.integers(0, 2)) for _ in shape]
    stored = [shape[i] * abs(steps[i]) + extra[i] for i in order]
    values = np.random.default_rng(draw(st.integers(0, 2**16))).integers(-4, 5, stored)
    whole = np.transpose(values.astype(dtype), np.argsort(order).astype(int))
    window = whole[(*(slice(n * abs(s)) for n, s in zip(shape, steps, strict=True)), ...)]
    view = window[(*(slice(None, None, s) for s in steps), ...)]
    assert view.shape == shape
    return view


@st.composite
def problems(draw: st.DrawFn, dtypes: tuple[str, ...] = DTYPES) -> tuple[Any, ...]:
    rows, inner, columns = (draw(st.integers(0, 5)) for _ in range(3))
    left = draw(st.sampled_from([(rows, inner), (rows, inner), (inner,)]))
    right = draw(st.sampled_from([(inner, columns), (inner, columns), (inner,)]))
    assume(inner > 0 or len(left) == len(right) == 2)
    dtype = st.sampled_from(dtypes)
    a, b = draw(laid_out(left, draw(dtype))), draw(laid_out(right, draw(dtype)))
    out = draw(laid_out(np.shape(a @ b), np.result_type(a, b).str))
    return a, b, out


def expected(a: Any, b: Any, out: Any, alpha: float, beta: float) -> Any:
    return alpha * (a @ b).astype("f8") + (beta * out.astype("f8") if beta else 0)


@pytest.mark.long
@settings(max_examples=400)
@given(problem=problems(), alpha=st.sampled_from(FACTORS), beta=st.sampled_from(FACTORS))
def test_products_of_every_layout_are_right(problem: Any, alpha: float, beta: float) -> None:
    a, b, out = problem
    wanted = expected(a, b, out, alpha, beta)
    a_before, b_before = a.copy(), b.copy()
    gemm(a, b, out, alpha, beta)
    assert np.array_equal(out, wanted)
    assert np.array_equal(a, a_before) and np.array_equal(b, b_before)


@given(problem=problems(("f4", "f8", "i8", "c8", "f2")), beta=st.sampled_from((0.0, 1.0)))
def test_products_of_mixed_dtypes_are_right(problem: Any, beta: float) -> None:
    a, b, out = problem
    wanted = a @ b + (out if beta else 0)
    gemm(a, b, out, beta=beta)
    assert np.array_equal(out, wanted)


@given(problem=problems(), beta=st.sampled_from(FACTORS))
def test_a_prepared_product_takes_alpha_at_each_call(problem: Any, beta: float) -> None:
    a, b, out = problem
    factor = np.empty((), out.dtype)
    run = prepare_product(a, b, out, factor, beta)
    for alpha in (1.0, -0.5, 0.0, np.float64(2.0)):
        wanted = expected(a, b, out, alpha, beta)
        factor[...] = alpha
        run()
        assert np.array_equal(out, wanted)


def test_a_prepared_product_reads_what_the_arrays_hold_when_it_is_called(either: str) -> None:
    a, b, out = np.ones((3, 4), "f4"), np.ones((4, 2), "f4"), np.zeros((3, 2), "f4")
    run = prepare_product(a, b, out, -0.5, 1.0)
    run()
    a *= 2
    run()
    assert np.array_equal(out, np.full((3, 2), -6))


@pytest.mark.parametrize("dtype", DTYPES)
def test_large_products_agree_with_numpy(dtype: str) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 130)).astype(dtype), rng.normal(size=(130, 170)).astype(dtype)
    out = rng.normal(size=(300, 170)).astype(dtype)
    wanted = out - 0.25 * (a @ b)
    gemm(a, b, out, -0.25, 1.0)
    assert out.dtype == dtype
    assert np.allclose(out, wanted, rtol=0, atol=1e-3 if dtype == "f4" else 1e-12)


def test_out_is_not_read_when_beta_is_zero(either: str) -> None:
    for rows, columns in ((2, 3), (1, 3), (2, 1), (1, 1)):
        out = np.full((rows, columns), np.nan, "f4")
        gemm(np.ones((rows, 4), "f4"), np.ones((4, columns), "f4"), out)
        assert np.array_equal(out, np.full((rows, columns), 4))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_factor_of_zero_does_not_hide_infinity(either: str) -> None:
    a, b, out = np.full((2, 2), np.inf), np.ones((2, 2)), np.zeros((2, 2))
    prepare_product(a, b, out, 0.0, 1.0)()
    assert np.isnan(out).all()
    out[:] = 0
    gemm(a, b, out, 0.0, 1.0)
    assert np.isnan(out).all()


def test_no_inner_axis_leaves_beta_times_out(either: str) -> None:
    out = np.full((2, 3), 4.0)
    gemm(np.ones((2, 0)), np.ones((0, 3)), out, 1.0, 0.5)
    assert np.array_equal(out, np.full((2, 3), 2.0))


def test_out_may_overlap_with_an_operand(either: str) -> None:
    whole = np.arange(12.0).reshape(4, 3)
    a, b, out = whole[:3], np.arange(9.0).reshape(3, 3), whole[1:]
    wanted = 2 * (a @ b) + out
    gemm(a, b, out, 2.0, 1.0)
    assert np.array_equal(out, wanted)
    gemm(b, b, b)
    assert np.array_equal(b, np.arange(9.0).reshape(3, 3) @ np.arange(9.0).reshape(3, 3))


def test_broadcast_and_unaligned_operands_are_taken(either: str) -> None:
    wide = np.broadcast_to(np.arange(3, dtype="f4"), (2, 3))
    memory = np.zeros(37, "u1")
    odd = memory[1:].view("f4").reshape(3, 3)
    odd[:] = np.eye(3)
    out = np.empty((2, 3), "f4")
    gemm(wide, odd, out, 3.0)
    assert np.array_equal(out, 3 * wide)


def test_stacks_of_matrices_are_taken(either: str) -> None:
    a, b = np.arange(12.0).reshape(2, 2, 3), np.arange(6.0).reshape(3, 2)
    out = np.ones((2, 2, 2))
    wanted = -(a @ b) + out
    gemm(a, b, out, -1.0, 1.0)
    assert np.array_equal(out, wanted)


def test_integers_stay_integers(either: str) -> None:
    a, out = np.arange(4).reshape(2, 2), np.ones((2, 2), int)
    wanted = a @ a + out
    gemm(a, a, out, beta=1.0)
    assert np.array_equal(out, wanted)
    with pytest.raises(am.OperandError, match="float64 numbers do not go into an int64 out"):
        gemm(a, a, out, 0.5)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((2, 3), (4, 5), (2, 5)), r"\(2, 3\) and \(4, 5\) cannot be multiplied"),
        (((), (3,), ()), "cannot be multiplied"),
        (((2, 2, 3), (3, 3, 2), (2, 2, 2)), "cannot be multiplied"),
        (((2, 3), (3, 5), (5, 2)), r"out has shape \(5, 2\)"),
        (((3,), (3, 5), (1, 5)), r"out has shape \(1, 5\)"),
    ],
)
def test_shapes_that_do_not_fit_are_errors(shapes: Any, message: str) -> None:
    with pytest.raises(am.ShapeError, match=message):
        prepare_product(*(np.zeros(shape) for shape in shapes))


def test_what_is_no_array_or_cannot_be_written_is_an_error() -> None:
    with pytest.raises(am.OperandError, match="b is a list; give a NumPy array"):
        prepare_product(np.eye(2), [[1.0]], np.eye(2))
    frozen = np.eye(2)
    frozen.flags.writeable = False
    with pytest.raises(am.ArgumentError, match="read-only"):
        prepare_product(np.eye(2), np.eye(2), frozen)


@pytest.mark.long
def test_a_prepared_product_keeps_its_arrays_alive(either: str) -> None:
    a, b, out = np.ones((3, 3), "f4"), np.ones((3, 3), "f4"), np.zeros((3, 3), "f4")
    watched = ref(a)
    run = prepare_product(a, b, out)
    del a, b
    collect()
    assert watched() is not None
    run()
    assert np.array_equal(out, np.full((3, 3), 3))
    del run
    collect()
    assert watched() is None


@pytest.mark.parametrize("size", [8, 70])
def test_prepared_products_run_in_several_threads(size: int, either: str) -> None:
    def work(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        a, b = rng.integers(-3, 4, (2, size, size)).astype("f4")
        out, scaled = np.zeros((2, size, size), "f4")
        factor = np.full((), seed, "f4")
        run, run_scaled = (
            prepare_product(a, b, out, 1.0, 1.0),
            prepare_product(a, b, scaled, factor),
        )
        for _ in range(20):
            run()
            run_scaled()
        return np.array_equal(out, 20 * (a @ b)) and np.array_equal(scaled, seed * (a @ b))

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(work, range(1, 7)))


@pytest.mark.long
def test_numpys_own_library_is_found_whatever_else_is_loaded() -> None:
    if blas.find_blas() is None:
        pytest.skip("NumPy's BLAS cannot be called here")
    program = (
        "import scipy.linalg\n"
        "from autograd_mini.compiler import fused_ops as blas\n"
        "from threadpoolctl import threadpool_info\n"
        "assert blas.find_blas() is not None\n"
        "files = [p['filepath'] for p in threadpool_info() if p['user_api'] == 'blas']\n"
        "assert set(list(blas.blas_files())[1:]) <= set(files)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_files_that_are_no_library_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "blas_files", lambda: iter([__file__, "no/such/file"]))
    assert blas.find_blas.__wrapped__() is None


def test_a_library_that_computes_something_else_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(*arguments: Any) -> None:
        pass

    monkeypatch.setattr(blas, "find_routine", lambda opened, name: nothing)
    assert blas.find_blas.__wrapped__() is None


def test_without_a_library_numpy_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blas, "find_blas", lambda: None)
    a, out = np.arange(6.0).reshape(2, 3), np.ones((2, 2))
    prepare_product(a, a.T, out, 2.0, -1.0)()
    assert np.array_equal(out, 2 * (a @ a.T) - 1)


def test_matrices_that_blas_can_read_are_recognised() -> None:
    x = np.zeros((6, 8), "f4")
    assert blas.matrix_layout(x) == (b"N", 8)
    assert blas.matrix_layout(x.T) == (b"T", 8)
    assert blas.matrix_layout(x[::2, :5]) == (b"N", 16)
    assert blas.matrix_layout(x[:, :1]) == (b"N", 8)
    assert blas.matrix_layout(x[:1]) == (b"N", 8)
    for other in (x[:, ::2], x[::-1], x[:, ::-1], np.broadcast_to(x[0], (3, 8))):
        assert blas.matrix_layout(other) is None
    assert blas.can_use_blas(x, x.T, np.zeros((6, 6), "f4"))
    assert not blas.can_use_blas(x, x.T, np.zeros((6, 6)))
