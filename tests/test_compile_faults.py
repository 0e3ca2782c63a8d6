"""Compiled functions at the borders of a trace: errors, containers, orders, numbers, memory."""

from __future__ import annotations

import runpy
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import autograd_mini as am

X = np.array([1.0, 2.0, 3.0])
TABLE = am.tensor(X)
REGULAR = np.array([[2.0, 0.5], [0.5, 1.0]])
SINGULAR = np.zeros((2, 2))
NEGATIVE = -0.5 * np.eye(2)
CALLS = 5


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    """Let a warning fail a test: a function that gives up, a replay that differs."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def compiled_for(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return a compiled function that has replayed its program for some arguments."""
    compiled = am.compile(function)
    for _ in range(CALLS):
        compiled(*arguments)
    assert compiled.program
    return compiled


def plain(x: Any) -> Any:
    """Return tensors as arrays."""
    return x.data if isinstance(x, am.Tensor) else x


# ── errors that depend on values ─────────────────────────────────────────────────────────────────
def factor(k: Any) -> Any:
    try:
        return np.linalg.cholesky(k)
    except np.linalg.LinAlgError:
        return np.linalg.cholesky(k + np.eye(2))


def inverse(k: Any) -> Any:
    try:
        return np.linalg.inv(k)
    except np.linalg.LinAlgError:
        return np.linalg.inv(k + np.eye(2))


def definite(k: Any) -> Any:
    """Only ask whether there is a factor."""
    try:
        np.linalg.cholesky(k)
    except np.linalg.LinAlgError:
        return k * 0
    return k * 2


def reciprocal(s: Any) -> Any:
    try:
        return 1 / s * X
    except ZeroDivisionError:
        return X


def divisible(s: Any) -> Any:
    """Only ask whether there is a reciprocal."""
    try:
        1 / s  # noqa: B018
    except ZeroDivisionError:
        return X * 0
    return X * s


def power_of_ten(s: Any) -> Any:
    try:
        return 10.0**s * X
    except OverflowError:
        return X


def picked(i: Any) -> Any:
    try:
        return TABLE[i] * 1.0
    except IndexError:
        return TABLE * 1.0


BRANCHES = [
    (factor, REGULAR, NEGATIVE),
    (inverse, REGULAR, SINGULAR),
    (definite, REGULAR, NEGATIVE),
    (reciprocal, 0.5, 0.0),
    (divisible, 0.5, 0.0),
    (power_of_ten, 0.5, 1000.0),
    (picked, np.array([0, 1]), np.array([0, 3])),
]


def test_a_caught_error_about_a_plain_index_does_not_depend_on_values() -> None:
    w = am.tensor(TABLE, requires_grad=True)

    def outside(x: Any) -> Any:
        try:
            return x * w[np.array([len(TABLE)])]
        except IndexError:
            return x * 2

    compiled = am.compile(outside)
    for _ in range(CALLS):
        assert_array_equal(plain(compiled(X)), X * 2)
    assert compiled.program


@pytest.mark.parametrize(("function", "fine", "failing"), BRANCHES)
def test_an_error_that_is_caught_in_a_trace_is_refused(
    function: Any, fine: Any, failing: Any
) -> None:
    compiled = am.compile(function)
    with pytest.raises(
        am.UnsupportedError, match=r"raised \w+ .*caught the error and went on.*np.where"
    ):
        compiled(failing)
    for _ in range(CALLS):
        assert_array_equal(plain(compiled(fine)), plain(function(fine)))
    assert compiled.program


@pytest.mark.parametrize("calls", [2, 3, CALLS])
@pytest.mark.parametrize(("function", "fine", "failing"), BRANCHES)
def test_an_error_that_is_caught_later_leads_to_what_the_function_gives(
    function: Any, fine: Any, failing: Any, calls: int
) -> None:
    """Also at the first replay, which is checked: the program raises, and is not wrong."""
    compiled = am.compile(function)
    for _ in range(calls):
        compiled(fine)
    program = compiled.program
    assert_array_equal(plain(compiled(failing)), plain(function(failing)))
    assert_array_equal(plain(compiled(fine)), plain(function(fine)))
    assert compiled.program is program


def test_an_error_that_leaves_the_function_is_the_users() -> None:
    compiled = am.compile(lambda k: np.linalg.cholesky(k) * 2)
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        compiled(NEGATIVE)
    for _ in range(CALLS):
        assert_allclose(compiled(REGULAR), np.linalg.cholesky(REGULAR) * 2)
    assert compiled.program
    with pytest.raises(np.linalg.LinAlgError, match="positive definite"):
        compiled(NEGATIVE)


def test_another_error_in_its_place_is_the_users() -> None:
    def f(k: Any) -> Any:
        try:
            return np.linalg.inv(k)
        except np.linalg.LinAlgError as error:
            raise KeyError("no inverse") from error

    compiled = am.compile(f)
    for k in (SINGULAR, *[REGULAR] * CALLS, SINGULAR):
        if k is SINGULAR:
            with pytest.raises(KeyError, match="no inverse"):
                compiled(k)
        else:
            assert_allclose(compiled(k), np.linalg.inv(k))
    assert compiled.program


def test_an_error_of_shapes_may_be_caught() -> None:
    """It comes at each call of the signature."""

    def f(x: Any) -> Any:
        try:
            return x + np.ones(5)
        except ValueError:
            return x * 2

    assert_array_equal(compiled_for(f, X)(X), X * 2)


def test_a_training_step_whose_program_raises_is_taken_by_the_function() -> None:
    w = am.tensor(np.eye(2), requires_grad=True)
    optimizer = am.optim.SGD([w], lr=0.5)

    def step(k: Any) -> Any:
        optimizer.zero_grad()
        try:
            loss = np.sum(np.linalg.inv(k) * w)
        except np.linalg.LinAlgError:
            loss = np.sum(w * 2)
        loss.backward()
        optimizer.step()
        return loss

    compiled = compiled_for(step, REGULAR)
    before = w.data.copy()
    assert compiled(SINGULAR).item() == np.sum(before * 2)
    assert_array_equal(w.data, before - 1)
    compiled(REGULAR)
    assert_allclose(w.data, before - 1 - 0.5 * np.linalg.inv(REGULAR))


@pytest.mark.parametrize("x", [np.zeros(2), np.ones(2)])
def test_an_error_state_that_raises_is_refused(x: Any) -> None:
    def f(x: Any) -> Any:
        try:
            with np.errstate(all="raise"):
                return 1 / x
        except FloatingPointError:
            return x * 0

    with pytest.raises(am.UnsupportedError, match=r"np\.errstate.*np\.isfinite"):
        am.compile(f)(x)


def test_an_error_state_around_the_call_may_raise() -> None:
    compiled = am.compile(am.value_and_grad(lambda x: np.sum(np.sqrt(x) / x)))
    with np.errstate(all="raise"):
        for _ in range(CALLS):
            assert_allclose(compiled(X)[1], -0.5 * X**-1.5)
    assert compiled.program


def test_an_error_state_that_ignores_is_no_matter() -> None:
    def f(x: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.tanh(x)

    assert_array_equal(compiled_for(f, X)(X), np.tanh(X))


# ── what the function is given ───────────────────────────────────────────────────────────────────
def train(p: Any, x: Any) -> Any:
    g = am.grad(lambda p: np.sum((p["w"] - x) ** 2))(p)
    for k in p:
        p[k] = p[k] - 0.1 * g[k]
    return p["w"]


def keep(history: Any, x: Any) -> Any:
    loss = np.sum(x)
    history.append(loss)
    return loss


def remember(cache: Any, x: Any) -> Any:
    cache["inner"]["z"] = x * 2
    return x


@pytest.mark.parametrize(
    ("function", "given", "kind"),
    [
        (train, {"w": X}, "dict"),
        (keep, [], "list"),
        (keep, deque([X]), "deque"),
        (remember, {"inner": OrderedDict()}, "OrderedDict"),
        (lambda h, x: (h.reverse(), x)[1], [1, 2], "list"),
        (lambda h, x: (h.pop("a"), x)[1], {"a": 0.5}, "dict"),
    ],
)
def test_a_container_that_is_given_may_not_be_written_into(
    function: Any, given: Any, kind: str
) -> None:
    compiled = am.compile(function)
    before = repr(given)
    for _ in range(3):
        with pytest.raises(am.UnsupportedError, match=f"writes into a {kind} that it was given"):
            compiled(given, X)
    assert repr(given) == before


def test_a_refused_call_changes_nothing() -> None:
    w = am.tensor(X)

    def f(h: Any) -> Any:
        w.assign(w * 2)
        h.append(1)
        return w

    with pytest.raises(am.UnsupportedError, match="list"):
        am.compile(f)([])
    assert_array_equal(w.data, X)


def test_a_container_of_its_own_may_be_written_into() -> None:
    def f(cache: Any, *more: Any, **named: Any) -> Any:
        cache = dict(cache, z=cache["a"] * 2)
        named["sum"] = sum(more)
        cache["z"] = cache["z"] + named["sum"]
        return cache["z"]

    compiled = am.compile(f)
    for _ in range(CALLS):
        assert_array_equal(compiled({"a": X}, X, X, b=X), X * 4)
    assert compiled.program


def double(x: Any) -> Any:
    x *= 2
    return x


def shift_part(x: Any) -> Any:
    y = x[1:].reshape(-1)
    y -= 1
    return np.sum(x)


@pytest.mark.parametrize("function", [double, shift_part])
def test_an_array_that_is_given_may_not_change_in_place(function: Any) -> None:
    x = X.copy()
    compiled = am.compile(function)
    for _ in range(3):
        with pytest.raises(am.UnsupportedError, match="in place.*an argument.*write"):
            compiled(x)
    assert_array_equal(x, X)


@pytest.mark.parametrize("x", [0.5, np.float64(0.5), am.tensor(X)])
def test_what_does_not_change_in_place_may_be_bound_anew(x: Any) -> None:
    assert_array_equal(plain(compiled_for(double, x)(x)), plain(x) * 2)


def test_what_the_function_has_made_may_be_bound_anew() -> None:
    def f(x: Any) -> Any:
        y = x + 1
        y *= 2
        total = np.sum(x)
        total += 1
        first, *_ = x
        first += 1
        return y + total + first

    assert_array_equal(compiled_for(f, X)(X), (X + 1) * 2 + 9)


# ── orders of keys ───────────────────────────────────────────────────────────────────────────────
def joined(d: Any) -> Any:
    return np.concatenate([d[k] for k in d])


def moved(**items: Any) -> Any:
    made = OrderedDict(items)
    made.move_to_end("a")
    return made


PAIRS = [
    (lambda d: joined(d), {"a": X, "b": -X}, {"b": -X, "a": X}),
    (lambda d: joined(d[0]), deque([{"a": X, "b": -X}]), deque([{"b": -X, "a": X}])),
    (lambda d: joined(d[0][0]), [({"a": X, "b": -X},)], [({"b": -X, "a": X},)]),
    (lambda d: joined(d), OrderedDict(a=X, b=-X), moved(a=X, b=-X)),
]


@pytest.mark.parametrize(("function", "first", "second"), PAIRS)
def test_the_order_of_given_keys_belongs_to_the_signature(
    function: Any, first: Any, second: Any
) -> None:
    compiled = am.compile(function)
    for _ in range(CALLS):
        assert_array_equal(compiled(first), function(first))
        assert_array_equal(compiled(second), function(second))
    assert compiled.program
    assert not np.array_equal(function(first), function(second))


def test_the_order_of_keywords_belongs_to_the_signature() -> None:
    compiled = am.compile(lambda **k: np.concatenate(list(k.values())))
    for _ in range(CALLS):
        assert_array_equal(compiled(a=X, b=-X), [*X, *-X])
        assert_array_equal(compiled(b=-X, a=X), [*-X, *X])
    assert compiled.program


@pytest.mark.parametrize(
    "function",
    [
        lambda x: {"b": x * 2, "a": {"d": x, "c": x + 1}},
        lambda x: moved(a=x * 2, b={"d": 1, "c": x}),
        lambda x: [moved(a=x, c=moved(z=x, a=x + 1))],
    ],
)
def test_returned_keys_stand_in_the_order_in_which_they_were_made(function: Any) -> None:
    compiled = am.compile(function)
    for _ in range(CALLS):
        assert repr(compiled(X)) == repr(function(X))
    assert compiled.program


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────
SINGLE = np.array([1.0, 2.0], np.float32)


@pytest.mark.parametrize(
    "function",
    [
        *(lambda s, x: np.abs(s) * x, lambda s, x: np.power(s, 2) * x),
        *(lambda s, x: np.negative(s) * x, lambda s, x: np.dot(s, x)),
        *(lambda s, x: np.inner(x, s), lambda s, x: np.add(s, 1.0) * x),
        *(lambda s, x: np.conj(s) * x, lambda s, x: np.round(s, 2) * x),
        *(lambda s, x: round(s, 2) * x, lambda s, x: round(s) * x),
        *(lambda s, x: np.real(s) * x, lambda s, x: s.imag * x, lambda s, x: s.conjugate() * x),
        *(lambda s, x: -s * x, lambda s, x: s * 2 * x, lambda s, x: abs(s) ** 2 * x),
        *(lambda s, x: np.multiply(s, x), lambda s, x: np.maximum(s, x)),
        lambda s, x: np.where(x > 1, s, x),
        lambda s, x: np.clip(x, s, 1.5),
    ],
)
def test_a_float_gives_the_dtypes_that_numpy_gives(function: Any) -> None:
    compiled = am.compile(function)
    for s in (0.535, -1.25, 2.675, 0.535, 1.5):
        found, wanted = compiled(s, SINGLE), function(s, SINGLE)
        assert found.dtype == wanted.dtype
        assert_array_equal(found, wanted)
    assert compiled.program


def test_a_complex_number_leaves_single_precision_alone() -> None:
    def f(c: Any, x: Any) -> Any:
        return c.conjugate() * x * c.real + (c * 2 - 1j) * x, np.exp(c) * x

    compiled = am.compile(f)
    for c in (1 + 2j, 1j, 2.5 - 1j, 0.5j, 3 + 0j):
        for found, wanted in zip(compiled(c, SINGLE), f(c, SINGLE), strict=True):
            assert found.dtype == wanted.dtype
            assert_allclose(found, wanted, rtol=1e-6)
    assert compiled.program


def test_a_number_comes_back_as_one() -> None:
    compiled = am.compile(lambda s: (s, s * 2, round(s), np.abs(s)))
    for s in (0.5, 1.75, -2.5, 1.0, 0.0):
        found = compiled(s)
        assert found == (s, s * 2, round(s), abs(s))
        assert [type(x) for x in found] == [float, float, int, np.float64]
    assert compiled.program


def test_a_derivative_with_respect_to_a_float() -> None:
    def slope(s: Any) -> Any:
        return am.grad(lambda t: np.multiply(t, t) + np.real(t) * np.dot(t, 3.0))(s)

    compiled = compiled_for(slope, 0.5)
    assert_allclose(compiled(1.5), 8 * 1.5)


def test_numpy_divides_by_zero_where_python_raises() -> None:
    def f(s: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.divide(1.0, s) * X

    compiled = am.compile(f)
    with np.errstate(divide="ignore"):
        for s in (0.0, 0.5, 0.25, 0.0, 0.5, 0.0):
            assert_array_equal(compiled(s), f(s))
    assert compiled.program


def test_plain_numbers_are_broadcast_with_tensors() -> None:
    zeros, x = np.broadcast_arrays(0.0, am.tensor([1.0, 2.0]))
    assert_array_equal(zeros, np.zeros(2))
    assert_array_equal(x.data, [1, 2])
    assert [np.shape(y) for y in np.broadcast_arrays([1, 2], am.tensor(1.0))] == [(2,), (2,)]


# ── what comes back ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("is_tensor", [False, True])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[np.array(-2)],
        lambda x: x,
        lambda x: x.T,
        lambda x: x[1:],
        lambda x: (x, {"a": x[::2]}),
    ],
)
def test_results_have_memory_of_their_own_at_each_call(function: Any, is_tensor: bool) -> None:
    x = am.tensor(np.eye(3)) if is_tensor else np.eye(3)
    compiled = am.compile(function)
    for _ in range(CALLS):
        found = compiled(x)
        parts = [found[0], found[1]["a"]] if isinstance(found, tuple) else [found]
        assert not any(np.shares_memory(plain(x), plain(part)) for part in parts)
    assert compiled.program


@pytest.mark.parametrize(
    "function",
    [
        lambda w, s: (s, w * s),
        lambda w, s: (w * s, s * 2, 3, np.abs(s)),
    ],
)
def test_what_requires_no_gradient_comes_beside_what_does(function: Any) -> None:
    w = am.tensor([1.0, 2.0], requires_grad=True)
    compiled = am.compile(lambda s: function(w, s))
    for s in (0.5, 1.5, 2.5, 3.5, 4.5):
        found = compiled(s)
        tensor = next(x for x in found if isinstance(x, am.Tensor))
        assert_array_equal(tensor.data, [s, 2 * s])
        assert not any(x.requires_grad for x in found if x is not tensor and hasattr(x, "grad"))
        np.sum(tensor * tensor).backward()
        assert_array_equal(w.grad, [2 * s * s, 4 * s * s])
        w.grad = None
    assert compiled.program


# ── checked replays ──────────────────────────────────────────────────────────────────────────────
DRAWS = am.random.Generator(0)


def gathered(x: Any) -> Any:
    t1 = x[1] + x[-1]
    t3 = t1[[[0, 0], [0, 0]]]
    low = np.minimum(t3, t3 + 0.1) * 0.9 + 2
    return np.sum(np.tanh(t1 + DRAWS.normal(0.5, 0.1))) + np.mean(np.exp(-np.abs(low)))


def shifted_variance(x: Any) -> Any:
    return am.grad(lambda b: np.var(x + b))(np.float64(0.3))


CHECKED = [
    (am.grad(gathered), (3, 4), np.float64, 1.0),
    (lambda x: (np.sum(np.tanh(x) * x) + np.sum(x)).astype(np.float64), (50, 40), np.float32, 1.0),
    (
        am.value_and_grad(lambda x: (np.sum(x * x * 0.3 + x) - np.sum(x * x)).astype(np.float64)),
        *((30, 20), np.float32, 1.0),
    ),
    (am.grad(lambda x: np.sum((x - np.mean(x)) ** 2) / x.size), (40,), np.float64, 1e-5),
    (am.grad(lambda x: np.std(x) + np.sum(x - np.mean(x))), (40,), np.float64, 1e-2),
    (shifted_variance, (40,), np.float64, 1e3),
]


@pytest.mark.parametrize(("function", "shape", "dtype", "spread"), CHECKED)
def test_a_check_takes_rounding_for_what_it_is(
    function: Any, shape: Any, dtype: Any, spread: float
) -> None:
    numbers = np.random.default_rng(0)
    compiled = am.compile(function, check=True)
    for _ in range(100):
        x = numbers.normal(1.0, spread, shape).astype(dtype)
        compiled(x)  # a warning would raise
    assert compiled.program


def test_a_check_finds_a_small_difference(tmp_path: Any) -> None:
    """One that is larger than rounding, in a function that cancels."""
    file = (tmp_path / "factor").open("w+b", buffering=0)

    def f(x: Any) -> Any:
        file.seek(0)
        y = x * (1 + len(file.read()) * 1e-7)
        return np.sum(y * y * 0.5 + y) - np.sum(x)

    compiled = am.compile(f, check=True)
    for _ in range(3):
        compiled(X)
    file.write(b".")
    with pytest.warns(RuntimeWarning, match="computed different results"):
        found = compiled(X)
    assert found == f(X)
    file.close()


def test_a_generator_that_is_made_and_seeded_in_the_function_draws_the_same():
    z = np.zeros(3)
    compiled = am.compile(lambda x: x + np.random.RandomState(0).randn(3))
    for _ in range(5):
        np.testing.assert_array_equal(compiled(z), np.random.RandomState(0).randn(3))
    assert compiled.program


# ── a saved program ──────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((1, 3)), r"x is float64 of shape \(1, 3\).*for float64 of shape \(4, 3\)"),
        (np.ones(3), "shape"),
        (1.0, "shape"),
        (np.ones((4, 3), complex), "x is complex128"),
    ],
)
def test_a_saved_program_takes_what_it_was_compiled_for(tmp_path, x, message):
    compiled = am.compile(lambda x, scale: np.sum(x) * scale)
    for _ in range(3):
        compiled(np.ones((4, 3)), 2.0)
    compiled.save(tmp_path / "f.py")
    run, _ = runpy.run_path(str(tmp_path / "f.py"))["load"]()
    for given in (np.ones((4, 3)), np.ones((4, 3), np.float32), np.ones((4, 3), int).tolist()):
        assert run(given, 2.0) == 24.0
    with pytest.raises(ValueError, match=message):
        run(x, 2.0)


# ── what a refused call leaves, and what it says ─────────────────────────────────────────────────
def test_a_refused_step_leaves_no_gradient():
    w = am.tensor(np.ones(3), requires_grad=True)

    def step(x):
        loss = np.sum((w * x) ** 2)
        loss.backward()
        if loss.item() > 1e9:
            return loss
        return w.grad

    with pytest.raises(am.ConversionError):
        am.compile(step)(X)
    assert w.grad is None
    w.grad = np.ones(3)
    with pytest.raises(am.AutogradError):
        am.compile(step)(X)
    np.testing.assert_array_equal(w.grad, np.ones(3))


class Filling(am.nn.Module):
    """Fills an array of its own, element by element."""

    def __init__(self):
        self.k = 2.0

    def forward(self, x):
        z = np.zeros(x.shape)
        for i in range(x.shape[0]):
            z[i, 0] = x[i, 0] * self.k
        return z


def test_an_array_that_is_filled_with_elements_is_refused_with_the_line():
    model = Filling()
    with pytest.raises(am.ConversionError, match=r"test_compile_faults.py:\d+"):
        am.compile(model)(np.ones((2, 3)))
    np.testing.assert_array_equal(model.predict(np.ones((2, 3))), [[2, 0, 0], [2, 0, 0]])


@pytest.mark.parametrize("show", [str, repr, "{}".format, "{:.2f}".format, lambda y: f"loss {y}"])
def test_a_text_of_a_value_is_not_returned(show):
    with pytest.raises(am.UnsupportedError, match="make the text outside"):
        am.compile(lambda x: (np.sum(x), show(np.sum(x))))(X)


def test_a_text_of_a_value_may_be_printed(capsys):
    def f(x):
        print(f"sum {np.sum(x)}")
        return np.sum(x), "done"

    compiled = am.compile(f)
    for _ in range(5):
        assert compiled(X) == (np.sum(X), "done")
    assert compiled.program and capsys.readouterr().out.count("sum") == 3
