"""What a diagnosis says of common mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as am
from autograd_mini.checking import Cause, Kind
from autograd_mini.checking.report import fit_cause

GENERATOR = np.random.default_rng(4)
X = GENERATOR.normal(size=(3, 4))
B = GENERATOR.normal(size=4)
SQUARE = GENERATOR.normal(size=(3, 3))
Z = X + 1j * X[::-1]


def cause(f: Any, *inputs: Any, **kwargs: Any) -> Cause:
    """Return the first cause of a check that fails."""
    report = am.gradcheck(f, *inputs, raises=False, **kwargs)
    assert not report.ok
    first: Cause = (*report.problems, *report.causes)[0]
    assert str(first) in str(report)
    return first


def sine(change: Any) -> Cause:
    return cause(np.sin, X, vjp=lambda g, x: change(g * np.cos(x), g, x))


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (lambda c, g, x: -c, Kind.SIGN, "the sign of the gradient of x is flipped"),
        (lambda c, g, x: 2 * c, Kind.FACTOR, "2 times too large"),
        (lambda c, g, x: -2 * c, Kind.FACTOR, "has the wrong sign and is 2 times too large"),
        (lambda c, g, x: c / 5, Kind.FACTOR, "5 times too small"),
        (lambda c, g, x: c * 1e-17, Kind.ZERO, "is 0: a part is missing"),
        (lambda c, g, x: c * 1.001, Kind.FACTOR, "too large by 0.001 of it: 1.001 times"),
        (lambda c, g, x: c / 12, Kind.FACTOR, "divided by 12, maybe the number of elements of x"),
        (lambda c, g, x: c / 4, Kind.FACTOR, "the length of axis 1 of x"),
        (lambda c, g, x: 0 * c, Kind.ZERO, "is 0: a part is missing"),
        (lambda c, g, x: np.cos(x), Kind.COTANGENT, "it is ignored"),
        (lambda c, g, x: c[:, ::-1], Kind.MOVED, "reversed along axis 1"),
        (lambda c, g, x: np.roll(c, 1, 0), Kind.MOVED, "shifted by 1 along axis 0"),
        (lambda c, g, x: c + g, Kind.TERM, "a term g too many"),
        (lambda c, g, x: c - g * x, Kind.TERM, "lacks a term g · x"),
        (lambda c, g, x: c.T.reshape(3, 4), Kind.TRANSPOSED, "transposed"),
        (lambda c, g, x: c.ravel().reshape((3, 4), order="F"), Kind.TRANSPOSED, "column by column"),
        (lambda c, g, x: c * (1 + 1e-3 * np.sin(97 * x)), Kind.UNKNOWN, "no usual mistake"),
    ],
)
def test_mistake_everywhere_is_named(change: Any, kind: Kind, text: str) -> None:
    found = sine(change)
    assert (found.kind, found.input) == (kind, "x")
    assert text in found.text
    assert found.condition == ""


@pytest.mark.parametrize(
    ("where", "condition"),
    [
        (lambda x: x < 0, "x < 0"),
        (lambda x: x > 0, "x > 0"),
        (lambda x: np.abs(x) > 1, "|x| > 1"),
        (lambda x: np.arange(12).reshape(3, 4) == 6, "x[1, 2]"),
        (lambda x: np.arange(4) == 3 + 0 * x, "the last along axis 1 of x"),
        (lambda x: np.arange(3)[:, None] == 0 + 0 * x, "the first along axis 0 of x"),
        (lambda x: x == x.max(axis=0), "the largest of x along axis 0"),
        (lambda x: np.eye(3, 4) > 0, "on the diagonal of x"),
        (lambda x: np.tri(3, 4) == 0, "above the diagonal of x"),
    ],
)
@pytest.mark.parametrize(
    ("change", "kind"),
    [(lambda c: -c, Kind.SIGN), (lambda c: 0 * c, Kind.ZERO), (lambda c: 3 * c, Kind.FACTOR)],
)
def test_mistake_in_some_places_is_named_with_its_condition(
    where: Any, condition: str, change: Any, kind: Kind
) -> None:
    found = sine(lambda c, g, x: np.where(where(x), change(c), c))
    assert (found.kind, found.condition) == (kind, condition)
    assert condition in found.text
    assert "for on" not in found.text


def test_condition_of_a_complex_input_speaks_of_whole_numbers() -> None:
    def exponential(change: Any) -> Cause:
        return cause(np.exp, Z, vjp=lambda g, x: change(g * np.conj(np.exp(x)), x))

    found = exponential(lambda c, x: np.where(x == x[1, 2], 0, c))
    assert (found.kind, found.condition) == (Kind.ZERO, "x[1, 2]")
    found = exponential(lambda c, x: np.where(x.real < 0, -c, c))
    assert (found.kind, found.condition) == (Kind.SIGN, "the real part of x is negative")
    assert "is flipped where the real part of x is negative (" in found.text
    found = exponential(lambda c, x: c.real)
    assert (found.kind, found.condition) == (Kind.ZERO, "the imaginary part of x")


def test_condition_on_another_argument() -> None:
    mask = X[::-1, ::-1] > 0.3

    def masked(g: Any, x: Any, keep: Any) -> Any:
        return np.where(keep, -g * np.cos(x), g * np.cos(x)), None

    found = cause(lambda x, keep: np.sin(x), X, mask, vjp=masked)
    assert (found.kind, found.condition) == (Kind.SIGN, "keep is True")


def test_not_summed_over_a_broadcast_axis() -> None:
    def f(a: Any, b: Any) -> Any:
        return a * 2 + b

    found = cause(f, X, B, vjp=lambda g, a, b: (2 * g, g))
    assert found.kind is Kind.SUM
    assert "it is not summed over the broadcast axis 0" in found.text
    assert cause(f, X, B, vjp=lambda g, a, b: (2 * g, g[0])).kind is Kind.SUM
    found = cause(f, X, B, vjp=lambda g, a, b: (2 * g, g.mean(axis=0)))
    assert (
        "divided by 3, maybe the length of axis 0 of a or the length of axis 0 of the result"
        in found.text
    )


def test_cotangent_that_is_ignored_or_not_linear() -> None:
    found = cause(lambda a, b: a * b, X, B, vjp=lambda g, a, b: (b + 0 * a, (g * a).sum(0)))
    assert (found.kind, found.input) == (Kind.COTANGENT, "a")
    for rule in (lambda g: np.abs(g), lambda g: g**2, lambda g: np.sign(g)):
        found = cause(np.sin, X, vjp=lambda g, x, rule=rule: rule(g) * np.cos(x))
        assert found.kind is Kind.COTANGENT
        assert "not linear in the cotangent" in found.text
    for rule in (lambda g: np.abs(g), lambda g: g**2, lambda g: g * (np.abs(g) > 0.4)):
        found = cause(lambda x: (x**2).sum(), X, vjp=lambda g, x, rule=rule: rule(g) * 2 * x)
        assert found.kind is Kind.COTANGENT
    assert cause(np.negative, 0.7, vjp=lambda g, x: -1.0).kind is Kind.COTANGENT


def test_term_without_the_cotangent() -> None:
    found = cause(np.sin, X, vjp=lambda g, x: g * np.cos(x) + 3)
    assert found.kind is Kind.TERM
    assert found.text.endswith("a term is not multiplied by the cotangent, 3")
    found = cause(np.sin, X, vjp=lambda g, x: g * np.cos(x) + x)
    assert found.kind is Kind.TERM
    assert found.text.endswith("a term is not multiplied by the cotangent")


def test_diagonal_of_a_jacobian_alone() -> None:
    def softmax(x: Any) -> Any:
        return np.exp(x) / np.exp(x).sum()

    found = cause(softmax, B, vjp=lambda g, x: g * softmax(x) * (1 - softmax(x)))
    assert found.kind is Kind.TERM
    assert "the diagonal of the Jacobian" in found.text


def test_factor_that_is_a_value() -> None:
    def norm(x: Any) -> Any:
        return np.sqrt((x**2).sum())

    found = cause(norm, B, vjp=lambda g, x: g * x)
    assert found.kind is Kind.FACTOR
    assert "is multiplied by the result, " in found.text
    found = cause(lambda a, b: np.sin(a) * b, B, 0.7, vjp=lambda g, a, b: (
        g * np.cos(a), (g * np.sin(a)).sum()
    ))  # fmt: skip
    assert "is multiplied by 1/b, 1.429" in found.text
    found = cause(lambda a, b: np.sin(a) * b, B, -0.7, vjp=lambda g, a, b: (
        -g * np.cos(a) * b**2, (g * np.sin(a)).sum()
    ))  # fmt: skip
    assert "is multiplied by −b, 0.7" in found.text


def test_gradient_that_is_random() -> None:
    noise = np.random.default_rng(7)
    found = cause(np.sin, X, vjp=lambda g, x: g * np.cos(x) * noise.integers(0, 2, x.shape))
    assert found.kind is Kind.NOT_DETERMINISTIC


def test_causes_of_several_inputs() -> None:
    def f(a: Any, b: Any, c: Any) -> Any:
        return a * b + c

    def vjp(g: Any, a: Any, b: Any, c: Any) -> Any:
        return b, -g * a, 2 * g

    causes = am.gradcheck(f, X, X + 1, X, vjp=vjp, raises=False).causes
    assert [(c.kind, c.input) for c in causes] == [
        (Kind.COTANGENT, "a"),
        (Kind.SIGN, "b"),
        (Kind.FACTOR, "c"),
    ]
    assert [c.factor for c in causes] == [None, -1.0, pytest.approx(2.0)]


def test_swapped_gradients() -> None:
    found = cause(lambda a, b: a * b, X, X[::-1].copy(), vjp=lambda g, a, b: (g * a, g * b))
    assert (found.kind, found.text) == (Kind.SWAPPED, "a and b have exchanged gradients")
    found = cause(lambda a, b: a @ b, SQUARE, SQUARE.T + 1, vjp=lambda g, a, b: (a.T @ g, g @ b.T))
    assert found.kind is Kind.SWAPPED
    found = cause(lambda a, b: a + b, X, B, vjp=lambda g, a, b: (g.sum(axis=0), g))
    assert found.kind is Kind.SWAPPED


@pytest.mark.parametrize(
    "shapes", [((3, 4), (4,)), ((3, 1), (4,)), ((3, 4), ()), ((2, 1, 3), (4, 1))]
)
@pytest.mark.parametrize("unit", [1, 1j])
def test_swapped_rules_of_inputs_that_are_broadcast(shapes: Any, unit: complex) -> None:
    generator = np.random.default_rng(5)
    a, b = (generator.normal(size=s) + (unit if unit != 1 else 0) for s in shapes)

    def total(full: Any, x: Any) -> Any:
        full = full.sum(axis=tuple(range(full.ndim - x.ndim)))
        axes = tuple(i for i, n in enumerate(x.shape) if n == 1)
        return full.sum(axis=axes, keepdims=True)

    def exchanged(g: Any, a: Any, b: Any) -> Any:
        return total(g * np.conj(a), a), total(g * np.conj(b), b)

    found = cause(lambda a, b: a * b, a, b, vjp=exchanged)
    assert found.kind is Kind.SWAPPED
    assert "a and b have exchanged gradients" in found.text


def test_transposed_gradient() -> None:
    found = cause(lambda a: a @ a, SQUARE, vjp=lambda g, a: (g @ a.T + a.T @ g).T)
    assert (found.kind, found.text) == (Kind.TRANSPOSED, "the gradient of a is transposed")
    found = cause(np.sin, X, vjp=lambda g, x: (g * np.cos(x)).T)
    assert found.kind is Kind.TRANSPOSED


def test_jacobian_that_is_not_transposed() -> None:
    found = cause(lambda x: SQUARE @ x, B[:3], vjp=lambda g, x: SQUARE @ g)
    assert found.kind is Kind.TRANSPOSED
    assert "is J·g, where Jᵀ·g is meant" in found.text

    def f(x: Any) -> Any:
        return np.array([x[0] * x[1], x[1] ** 2, x[2]])

    def jacobian(x: Any) -> Any:
        return np.array([[x[1], x[0], 0], [0, 2 * x[1], 0], [0, 0, 1]])

    found = cause(f, B[:3], jac=lambda x: jacobian(x).T)
    assert found.kind is Kind.TRANSPOSED
    found = cause(f, B[:3], jac=lambda x: jacobian(x) * [[1], [0], [1]])
    assert (found.kind, found.input) == (Kind.TERM, "x")
    assert "what comes through the result" in found.text


@pytest.mark.parametrize(
    ("f", "rule", "text"),
    [
        (np.tanh, lambda g, x, y: g * (1 - y), "of x"),
        (np.tanh, lambda g, x, y: g, "is g: the derivative is missing"),
        (np.tanh, lambda g, x, y: -g * y * y, "lacks a term g"),
        (np.sinh, lambda g, x, y: g * np.cosh(x) * x, "multiplied by x by mistake"),
        (np.sin, lambda g, x, y: g * np.cos(x) * y / 2, "multiplied by 0.5 · y by mistake"),
        (np.arctan, lambda g, x, y: g / x**2, "is g · 1/x²"),
    ],
)
def test_wrong_terms_of_an_elementwise_function(f: Any, rule: Any, text: str) -> None:
    found = cause(f, X, vjp=lambda g, x: rule(g, x, f(x)))
    assert found.kind is Kind.TERM
    assert text in found.text


def test_wrong_terms_of_inputs_that_are_broadcast() -> None:
    def f(a: Any, b: Any) -> Any:
        return np.logaddexp(a, b)

    def rule(change: Any) -> Any:
        def vjp(g: Any, a: Any, b: Any) -> Any:
            y = f(a, b)
            return g * np.exp(a - y), (g * change(a, b, y)).sum(axis=0)

        return vjp

    found = cause(f, X, B, vjp=rule(lambda a, b, y: np.exp(b)))
    assert (found.kind, found.input) == (Kind.TERM, "b")
    assert "is g · exp(b)" in found.text
    found = cause(f, X, B, vjp=rule(lambda a, b, y: np.exp(b - y) + a))
    assert "has a term g · a too many" in found.text
    found = cause(f, X, B, vjp=rule(lambda a, b, y: np.exp(b - y) * y))
    assert "is multiplied by y by mistake" in found.text


def test_wrong_term_of_a_reduction() -> None:
    def norms(x: Any) -> Any:
        return np.sqrt((x**2).sum(axis=1))

    found = cause(norms, X, vjp=lambda g, x: g[:, None] * x)
    assert found.kind is Kind.TERM
    assert "a division by it is missing" in found.text


@pytest.mark.parametrize(
    ("rule", "kind", "text"),
    [
        (lambda x: 2 * x, Kind.TERM, "as if 2 stood in the place of 3 in power"),
        (lambda x: 3 * x**2 - 2 * x, Kind.TERM, "lacks a term 2 · x"),
        (lambda x: 3 * x**2 + 1, Kind.TERM, "has a term 1 too many"),
        (lambda x: -6 * x**2, Kind.FACTOR, "has the wrong sign and is 2 times too large"),
        (lambda x: 3.1 * x**2, Kind.FACTOR, "off by the factor 1.033333"),
    ],
)
def test_mistake_in_a_single_number(rule: Any, kind: Kind, text: str) -> None:
    found = cause(lambda x: x**3, 0.7, grad=rule)
    assert found.kind is kind
    assert text in found.text


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([(2,), (3,), (2, 2), (3, 4)]), st.booleans())
def test_what_has_no_usual_reason_is_not_given_one(seed: int, shape: Any, mixed: bool) -> None:
    generator = np.random.default_rng(seed)
    x, noise = generator.normal(size=shape), generator.normal(size=shape)
    matrix = generator.normal(size=(x.size, x.size))

    def vjp(g: Any, x: Any) -> Any:
        return (matrix @ g.ravel()).reshape(shape) if mixed else g * noise

    found = cause(np.tanh, x, vjp=vjp)
    assert found.kind is Kind.UNKNOWN
    assert "times the right one" in found.text


def test_cause_in_a_large_input_holds_under_a_second_cotangent() -> None:
    x = np.random.default_rng(6).normal(size=(20, 30))
    found = cause(np.sin, x, vjp=lambda g, x: -g * np.cos(x))
    assert (found.kind, found.condition) == (Kind.SIGN, "")
    found = cause(np.sin, x, vjp=lambda g, x: g * np.cos(x) - g**3 * np.cos(x))
    assert found.kind is not Kind.TERM
    found = cause(np.sin, x, vjp=lambda g, x: g * np.cos(x) + g * x)
    assert "has a term g · x too many" in found.text


def test_output_that_is_left_out() -> None:
    def f(x: Any) -> Any:
        return np.sin(x), x**2

    found = cause(f, B, vjp=lambda gs, x: gs[0] * np.cos(x))
    assert found.kind is Kind.TERM
    assert "the gradient of x lacks the path through power" in found.text
    found = cause(
        lambda z: np.cumsum(z[0]), Z, vjp=lambda g, z: np.concatenate(
            [np.cumsum(np.where(np.arange(4) == 1, 0, g)[::-1])[::-1][None], np.zeros((2, 4))]
        )
    )  # fmt: skip
    assert found.kind is Kind.TERM
    assert "lacks what comes through the result[1]" in found.text
    found = cause(
        np.cumsum, B, vjp=lambda g, x: np.cumsum(np.where(np.arange(4) == 2, 0, g)[::-1])[::-1]
    )
    assert found.kind is Kind.TERM
    assert "lacks what comes through the result[2]" in found.text


def test_conjugates() -> None:
    found = cause(np.exp, Z, vjp=lambda g, z: g * np.exp(z))
    assert found.kind is Kind.CONJUGATED
    found = cause(np.exp, Z, vjp=lambda g, z: np.conj(g * np.conj(np.exp(z))))
    assert found.kind is Kind.CONJUGATED


def test_what_is_not_finite() -> None:
    found = sine(lambda c, g, x: np.where(x == x[1, 2], np.nan, c))
    assert (found.kind, found.condition) == (Kind.NOT_FINITE, "x[1, 2]")
    zero = np.where(np.arange(12).reshape(3, 4) == 6, np.nan, 0.0)
    found = cause(np.sign, X, vjp=lambda g, x: zero)
    assert (found.kind, found.condition) == (Kind.NOT_FINITE, "x[1, 2]")
    found = cause(
        np.exp, Z, vjp=lambda g, z: np.where(z == z[0, 0], np.nan, g * np.conj(np.exp(z)))
    )
    assert (found.kind, found.condition) == (Kind.NOT_FINITE, "x[0, 0]")


def test_rounding_to_float32() -> None:
    def rounded(g: Any, x: Any) -> Any:
        return (g * np.cos(x)).astype(np.float32).astype(float)

    found = cause(np.sin, X, vjp=rounded, rtol=1e-9)
    assert found.kind is Kind.PRECISION


def test_repeated_indices() -> None:
    def overwriting(g: Any, x: Any, i: Any) -> Any:
        found = np.zeros_like(x)
        found[i] = g  # adds nothing up
        return found, None

    found = cause(lambda x, i: x[i], X, np.array([0, 0, 2]), vjp=overwriting)
    assert found.condition == "repeated indices in i"


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["sign", "factor", "zero"]))
def test_causes_are_true_at_any_point(seed: int, kind: str) -> None:
    x = np.random.default_rng(seed).normal(size=(2, 3))
    change = {"sign": -1.0, "factor": 0.7, "zero": 0.0}[kind]
    found = cause(np.tanh, x, vjp=lambda g, x: change * g * (1 - np.tanh(x) ** 2))
    assert (found.kind, found.condition) == (Kind(kind), "")


def test_right_gradient_has_no_cause() -> None:
    assert am.gradcheck(np.sin, X).causes == ()


@pytest.mark.parametrize(
    ("got", "expected", "kind"),
    [
        ((3, 4), (4,), Kind.SUM),
        ((3, 4), (3, 1), Kind.SUM),
        ((3, 4), (), Kind.SUM),
        ((4, 3), (3, 4), Kind.TRANSPOSED),
        ((2, 4, 3), (4, 3, 2), Kind.TRANSPOSED),
        ((5,), (3, 4), Kind.SHAPE),
        ((7,), (4,), Kind.SHAPE),
    ],
)
def test_shape_that_does_not_fit(got: Any, expected: Any, kind: Kind) -> None:
    found = fit_cause("vjp returned", "x", got, expected, [(5,)])
    assert found.kind is kind
    assert f"shape {got} for x; expected {expected}" in found.text
