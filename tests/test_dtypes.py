"""The dtype of a result is NumPy's or SciPy's, for every function and dtype; a gradient's its own.

The calls are those of `tests/calls`, with their floating-point arrays in each dtype.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from calls import CALLS
from calls.forms import Call

import autograd_mini as am

special = pytest.importorskip("scipy.special")

FLOATS = (np.float16, np.float32, np.float64, np.complex64, np.complex128)
DTYPES = (*FLOATS, np.int8, np.int32, np.int64, np.uint8, np.uint64, np.bool_)
FILES = {np.save, np.savetxt, np.savez, np.savez_compressed}
EXCEPTIONS: dict[str, str] = {
    "clip": "complex numbers have no order",
    "interp": "a complex period",
    "intersect1d": "assume_unique of numbers that are not",
    "quantile": "a boolean as the quantile",
    "nanquantile": "a boolean as the quantile",
}
"""Functions that refuse, in some dtype, what NumPy computes: an error, no other dtype."""


def visited(value: Any, change: Callable[[Any], Any]) -> Any:
    """Change each floating-point array in nested arguments."""
    if isinstance(value, list | tuple):
        return type(value)(visited(v, change) for v in value)
    if isinstance(value, dict):
        return {k: visited(v, change) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc":
        return change(value)
    return value


def in_dtype(call: Call, dtype: Any) -> tuple[Any, Any]:
    """Return the arguments of a call with its arrays in a dtype."""

    def converted(x: Any) -> Any:
        kind = np.dtype(dtype).kind
        part = x if kind == "c" else np.real(x) if kind == "f" else np.rint(3 * np.abs(x))
        return part.astype(dtype)[()]  # small numbers, as some are counts

    return visited(call.args, converted), visited(call.kwargs, converted)


def dtypes_of(y: Any) -> Any:
    """Return the dtypes in a nested result."""
    if isinstance(y, list | tuple):
        return [dtypes_of(part) for part in y]
    return getattr(y, "dtype", type(y))


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


FUNCTIONS = [pytest.param(f, id=f.__name__) for f in CALLS if f not in FILES]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gives_the_dtype_of_numpy(function: Any) -> None:
    for call in CALLS[function]:
        for dtype in DTYPES:
            args, kwargs = in_dtype(call, dtype)
            try:
                expected = dtypes_of(function(*args, **kwargs))
            except Exception:
                continue
            try:
                found = dtypes_of(function(*visited_all(args), **kwargs))
            except am.AutogradError:
                assert function.__name__ in EXCEPTIONS, (call, dtype)
                continue
            if function is np.power and dtype is np.bool_:
                continue  # an operator, `flags ** 2`, has another dtype in NumPy than np.power
            assert found == expected, (call, dtype)


def visited_all(args: Any) -> Any:
    """Return arguments with every array as a tensor, of any dtype that was converted."""
    if isinstance(args, list | tuple):
        return type(args)(visited_all(x) for x in args)
    return am.tensor(args) if isinstance(args, np.ndarray | np.generic) else args


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_gradient_has_the_dtype_of_its_input(function: Any) -> None:
    for call in CALLS[function][:3]:
        for dtype in FLOATS:
            args, kwargs = in_dtype(call, dtype)
            leaves: list[am.Tensor] = []

            def tracked(x: Any, leaves: list[am.Tensor] = leaves) -> Any:
                leaves.append(am.tensor(x, requires_grad=True))
                return leaves[-1]

            try:
                y = function(*visited(args, tracked), **kwargs)
            except Exception:
                continue
            for part in y if isinstance(y, list | tuple) else [y]:
                if isinstance(part, am.Tensor) and part.requires_grad:
                    try:
                        part.backward(np.ones(part.shape, part.dtype))
                    except am.AutogradError:
                        continue
            for x in leaves:
                assert x.grad is None or x.grad.dtype == x.dtype, (call, dtype)


# ── SciPy's functions, with each kind of order ───────────────────────────────────────────────
ONE = "jv yv iv ive kv kve jn yn kn hyp0f1 polygamma gammainc gammaincc zeta xlogy xlog1py rel_entr"
ORDERS = dict.fromkeys([*ONE.split(), "kl_div", "beta", "betaln"], 1)
ORDERS |= {"hyp1f1": 2, "betainc": 2, "hyp2f1": 3}
BELOW_ONE = {"logit", "erfinv", "ndtri", "hyp2f1", "erfcinv", "betainc"}


@pytest.mark.parametrize("order", [2, 2.0, np.int64(2), np.float32(2), np.float64(2)], ids=repr)
@pytest.mark.parametrize("name", [n for n in am.special.__all__ if n != "multigammaln"])
def test_a_special_function_gives_the_dtype_of_scipy(name: str, order: Any) -> None:
    ours, theirs = getattr(am.special, name), getattr(special, name)
    count = ORDERS.get(name, 0)
    for dtype in DTYPES:
        for shape in ((), (3,)):
            x = np.full(shape, 0.5 if name in BELOW_ONE else 2.0).astype(dtype)[()]
            try:
                expected = dtypes_of(theirs(*[order] * count, x))
            except TypeError:
                continue
            found = ours(*[order] * count, am.tensor(x))
            assert dtypes_of(found) == expected, dtype
            if isinstance(theirs, np.ufunc):
                assert dtypes_of(theirs(*[order] * count, am.tensor(x))) == expected, dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_multigammaln_is_float64_as_in_scipy(dtype: Any) -> None:
    if np.dtype(dtype).kind in "cb":
        pytest.skip("SciPy does not compute it")
    for x in (np.full(3, 4).astype(dtype), dtype(4)):
        expected = special.multigammaln(x, 3)
        found = am.special.multigammaln(am.tensor(x), 3)
        assert found.dtype == expected.dtype
        np.testing.assert_allclose(found.data, expected, rtol=1e-3 if x.itemsize == 2 else 1e-6)


def test_polygamma_is_float64_and_its_gradient_is_not() -> None:
    x = am.tensor(np.array([0.5, 2.0], np.float32), requires_grad=True)
    y = am.special.polygamma(1, x)
    assert y.dtype == special.polygamma(1, x.data).dtype == np.float64
    np.testing.assert_array_equal(y.data, special.polygamma(1, x.data))
    y.sum().backward()
    assert x.grad.dtype == np.float32
    np.testing.assert_allclose(x.grad, special.polygamma(2, x.data), rtol=1e-6)


@pytest.mark.parametrize("weights", [np.float16, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.complex64])
def test_cov_with_weights_is_numpy_to_the_last_digits(dtype: Any, weights: Any) -> None:
    x = (np.random.default_rng(0).normal(size=(3, 5)) * 3).astype(dtype)
    w = (np.arange(1, 6) / (1 if weights is np.int32 else 3)).astype(weights)
    for forms in ({"aweights": w}, {"aweights": w, "fweights": [1, 2, 1, 3, 1]}):
        for ddof in (None, 0, 2):
            expected = np.cov(x, ddof=ddof, **forms)
            found = np.cov(am.tensor(x), ddof=ddof, **forms)
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found.data, expected, rtol=1e-12)
