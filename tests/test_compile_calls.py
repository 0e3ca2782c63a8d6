"""A program computes from the numbers that it is given, not from those it was recorded with.

Each call of NumPy's functions, and each row of the table, is recorded with some numbers and then
replayed with others of the same shapes. What a trace cannot know beforehand is a clear error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from calls import CALLS
from calls.forms import Call
from numpy.testing import assert_allclose
from test_table import each

import autograd_mini as am
from autograd_mini.core.primitive import draw_operands, is_shape

REFUSED = {
    # the shape or dtype of the result depends on values
    "argwhere", "bincount", "compress", "delete", "eig", "eigvals", "extract", "flatnonzero",
    "getitem", "histogram", "histogram2d", "histogram_bin_edges", "histogramdd", "insert",
    "intersect1d", "ix_", "matrix_rank", "nonzero", "pad", "piecewise", "poly", "polydiv",
    "polymul", "real_if_close", "repeat", "roots", "setdiff1d", "setxor1d",
    "sliding_window_view", "tile", "trim_zeros",
    "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values", "where",
    # the result is plain, or integers
    "allclose", "array2string", "array_equal", "array_equiv", "array_repr", "array_str",
    "geomspace", "lexsort", "linspace", "logspace", "ravel_multi_index", "roll", "unravel_index",
    # orders in memory
    "ravel", "reshape",
}  # fmt: skip
"""What may be an error when it is recorded; anything else must become a program."""
BRANCHING = {"cond", "isclose", "lstsq", "matrix_norm", "norm", "polyfit", "unwrap", "vector_norm"}
"""Functions that branch on a number: an error if it is a float that may differ."""


def is_value(x: Any) -> bool:
    """Tell whether an argument may differ from call to call."""
    return type(x) is float or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind in "biufc")


class Given:
    """A call as a function of its arrays, nested ones too, and of its floats."""

    def __init__(self, function: Any, call: Call) -> None:
        self.function, self.call = function, call
        self.values: list[Any] = []
        self._visit((call.args, call.kwargs), self._collect)

    def _visit(self, x: Any, seen: Callable[[Any], Any]) -> Any:
        if isinstance(x, dict):
            return {k: self._visit(v, seen) for k, v in x.items()}
        if type(x) in (list, tuple) and not all(type(v) is float for v in x):
            return type(x)(self._visit(v, seen) for v in x)
        return seen(x) if is_value(x) else x

    def _collect(self, x: Any) -> Any:
        self.values.append(x)
        return x

    def __call__(self, *values: Any) -> Any:
        left = iter(values)
        args, kwargs = self._visit((self.call.args, self.call.kwargs), lambda _: next(left))
        return self.function(*args, **kwargs)

    def others(self) -> Iterator[list[Any]]:
        """Yield other values of the same shapes and dtypes: reordered, and drawn."""
        generator = np.random.default_rng(0)
        for change in (reordered, drawn):
            values = [change(x, generator) for x in self.values]
            if self.function is np.interp:  # its points must rise
                values = [np.sort(x) if np.ndim(x) else x for x in values]
            yield values


def reordered(x: Any, generator: np.random.Generator) -> Any:
    """Return the same elements in another order, and in another memory order; a smaller number."""
    if type(x) is float:
        return 0.75 * x
    if not x.ndim:
        return x if x.dtype.kind in "biu" else x.dtype.type(0.75 * x)
    return np.asfortranarray(generator.permutation(x.ravel()).reshape(x.shape))


def drawn(x: Any, generator: np.random.Generator) -> Any:
    """Return drawn numbers; integers, which may be places, are reordered."""
    if type(x) is float:
        return 0.5 * x
    if x.dtype.kind == "b":
        return np.asarray(generator.random(x.shape) < 0.5)[()]
    if x.dtype.kind in "iu":
        return reordered(x, generator)
    return np.asarray(generator.normal(size=x.shape)).astype(x.dtype)[()]


@contextmanager
def quiet() -> Iterator[None]:
    """Compute without warnings: what is drawn may lie outside of a function's domain."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def assert_same(found: Any, wanted: Any, single: bool) -> None:
    """Compare what a program returns with what it should, dtypes too; `single` is float32."""
    if isinstance(wanted, (tuple, list)):
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            assert_same(a, b, single)
    elif isinstance(wanted, (np.ndarray, np.generic)):
        assert found.dtype == wanted.dtype
        assert np.shape(found) == np.shape(wanted)
        single = single or wanted.dtype in SINGLE
        bounds = {"rtol": 1e-5, "atol": 1e-6} if single else {"rtol": 1e-9, "atol": 1e-11}
        assert_allclose(found, wanted, **bounds)
    else:
        assert found == wanted


SINGLE = (np.float16, np.float32, np.complex64)


def outcome(function: Any, values: list[Any]) -> Any:
    """Return what a function gives, or the error that it raises."""
    with quiet():
        try:
            return function(*values)
        except Exception as error:
            return error


def assert_replayed(function: Any, plain: Any, given: Given, name: str) -> None:
    """Record a function with a call's own values, and replay it with others."""
    compiled = am.compile(function)
    with quiet():
        try:
            compiled(*given.values), compiled(*given.values)
        except am.AutogradError:
            assert name in REFUSED or (name in BRANCHING and float in map(type, given.values))
            return
    single = any(np.asarray(x).dtype in SINGLE for x in given.values)
    for values in given.others():
        found, wanted = outcome(compiled, values), outcome(plain, values)
        if isinstance(wanted, Exception) or isinstance(found, Exception):
            assert isinstance(found, Exception) and isinstance(wanted, Exception), (found, wanted)
            continue
        assert_same(found, wanted, single)


FUNCTIONS = [pytest.param(f, calls, id=f.__name__) for f, calls in CALLS.items()]


@pytest.mark.parametrize(("function", "calls"), FUNCTIONS)
def test_a_program_of_a_call_computes_from_what_it_is_given(function: Any, calls: Any) -> None:
    for call in calls:
        given = Given(function, call)
        if given.values:
            assert_replayed(given, given, given, function.__name__)


def numbers(x: Any) -> list[Any]:
    """Return the real tensors in a result that have a gradient, a complex one as two."""
    if isinstance(x, (list, tuple)):
        return [part for v in x for part in numbers(v)]
    if not isinstance(x, am.Tensor) or x.dtype.kind not in "fc" or not x.requires_grad:
        return []
    return [x.real, x.imag] if x.dtype.kind == "c" else [x]


def weighted(function: Any) -> Any:
    """Make one number of a function's results, in which every element counts differently."""

    def scalar(*values: Any) -> Any:
        total = 0.0
        for i, part in enumerate(numbers(function(*values))):
            weights = np.cos(np.arange(part.size) + i).reshape(part.shape)
            total = total + (part * weights.astype(part.dtype)).sum()
        return total

    return scalar


def assert_gradient_replayed(given: Given, name: str) -> None:
    """Compare the compiled gradient of a call with the eager one, of other values."""
    floating = (type(x) is float or x.dtype.kind in "fc" for x in given.values)
    places = tuple(i for i, wanted in enumerate(floating) if wanted)
    if not places:
        return
    gradient = am.grad(weighted(given), argnums=places)
    if not isinstance(outcome(gradient, given.values), Exception):
        assert_replayed(gradient, gradient, given, name)


@pytest.mark.parametrize(("function", "calls"), FUNCTIONS)
def test_a_program_of_a_gradient_computes_from_what_it_is_given(function: Any, calls: Any) -> None:
    for call in calls[::EVERY]:
        assert_gradient_replayed(Given(function, call), function.__name__)


EVERY = 3
"""One form in so many has its gradient compiled; all of them take 20 s."""


@each
def test_a_program_of_a_row_computes_from_what_it_is_given(primitive: Any) -> None:
    generator = np.random.default_rng(0)
    for case in primitive.samples:
        first, second = (draw_operands(primitive, case, generator) for _ in range(2))
        function = lambda *xs, params=case.params: primitive(*xs, **params)
        given = Given(function, Call(*(np.asarray(x)[()] for x in first)))
        others = [np.asarray(x)[()] for x in second]
        given.others = lambda others=others: iter([others])  # type: ignore[method-assign]
        assert_replayed(given, given, given, primitive.name)
        assert_gradient_replayed(given, primitive.name)
        assert any(map(is_shape, case.operands))
