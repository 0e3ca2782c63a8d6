"""search stays with the shapes and values that a gradient is meant for, unless it is asked."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from right_gradients import RIGHT, Rule
from special_mistakes import WRONG

import autograd_mini as am
from autograd_mini.checking import explore, search
from autograd_mini.checking.counterexamples.variations import (
    RANGES,
    Structure,
    contract_of,
    form_of,
)

X = np.array([0.5, 3.0, 0.2])
EXAMPLES = 100 if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else 20
"""At which a right gradient is looked at."""


@pytest.mark.parametrize(("f", "vjp", "inputs"), [r[1:] for r in RIGHT], ids=[r[0] for r in RIGHT])
def test_right_gradients_have_no_counterexample(f: Rule, vjp: Rule, inputs: Any) -> None:
    assert am.gradcheck(f, *inputs, vjp=vjp).ok
    found = explore(f, *inputs, vjp=vjp, max_examples=EXAMPLES)
    assert found.counterexample is None, str(found)
    assert found.looked_at.checked >= 0.4 * EXAMPLES  # and not because nothing was looked at


MISTAKES = [
    pytest.param(*rest, id=name, marks=[pytest.mark.slow] if i % 2 else [])  # 3 s each
    for i, (name, *rest) in enumerate(WRONG)
]


@pytest.mark.parametrize(("f", "vjp", "inputs", "asked"), MISTAKES)
def test_mistakes_at_special_inputs_are_found(
    f: Rule, vjp: Rule, inputs: Any, asked: dict[str, Any]
) -> None:
    assert am.gradcheck(f, *inputs, vjp=vjp).ok
    found = search(f, *inputs, vjp=vjp, **asked)
    assert found is not None
    assert not am.gradcheck(f, *found.inputs, vjp=vjp, raises=False).ok
    if not asked:
        assert [np.shape(x) for x in found.inputs] == [np.shape(x) for x in inputs]
    else:
        assert search(f, *inputs, vjp=vjp, max_examples=30) is None


# ── what is kept ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("x", "form"),
    [
        (np.eye(3)[[0, 2, 1]], "one-hot"),
        (np.array([[0.25, 0.75], [0.5, 0.5]]), "shares"),
        (np.array([-1.0, 0.5, 3.0]), "increasing"),
        (np.array([[2.0, 1.0], [1.0, 3.0]]), "definite"),
        (np.array([[0.0, 1.0], [1.0, -3.0]]), "symmetric"),
        (np.array([[2.0, 1j], [-1j, 3.0]]), "definite"),
        (np.ones((3, 3)), ""),
        (np.array([0.1, 0.2]), ""),
        (np.zeros((0, 2)), ""),
    ],
)
def test_forms_are_seen_and_made(x: Any, form: str) -> None:
    assert form_of(x) == form
    generator = np.random.default_rng(0)
    drawn = np.asarray(generator.normal(size=x.shape), x.dtype)
    for y in (drawn, np.zeros_like(x), np.rint(drawn)):
        adjusted = Structure(form=form).adjust(y)
        assert adjusted.shape == x.shape
        assert Structure(form=form).holds(adjusted)


@pytest.mark.parametrize("span", RANGES, ids=str)
def test_ranges_hold_what_is_moved_into_them(span: Any) -> None:
    kept = Structure(span)
    for x in (np.array([-5.0, 0.0, 0.3, 1.0, 1e9, -1e-9]), np.zeros(3)):
        assert kept.holds(kept.adjust(x))
    inside = kept.adjust(np.array([-3.0, 4.0]))
    assert np.array_equal(kept.adjust(inside), inside)


def kept(f: Any, *inputs: Any, **options: Any) -> dict[str, str]:
    return dict(explore(f, *inputs, max_examples=5, **options).looked_at.kept)


def test_the_range_is_where_the_function_is_finite() -> None:
    assert kept(np.log, X) == {"x": "positive"}
    assert kept(np.sin, X) == {}
    assert kept(lambda x: np.log(-x), -X) == {"x": "negative"}
    assert kept(np.arccosh, 1 + X) == {"x": "above 1"}
    assert kept(np.arctanh, X / 4) == {"x": "between -1 and 1"}
    assert kept(lambda p: np.log(p) + np.log1p(-p), X / 4) == {"p": "between 0 and 1"}
    assert kept(lambda x: np.sqrt(x), np.array([0.0, 2.0]), grad=None) == {"x": "positive"}


def test_labels_keep_their_values() -> None:
    signs = np.array([1.0, -1.0, -1.0])
    assert kept(lambda z, y: z * y, X, signs) == {"y": "only -1, 1"}

    def loss(z: Any, y: Any) -> Any:
        return np.sum(z[y.astype(int)])

    classes = np.array([2.0, 0.0, 2.0])
    vjp = lambda g, z, y: (g * np.bincount(y.astype(int), minlength=3), 0 * y)
    found = explore(loss, X, classes, vjp=vjp, max_examples=5)
    assert found.looked_at.kept["y"] == "only 0, 2"


def test_the_script_and_the_report_say_where_was_looked() -> None:
    vjp = lambda g, x: (g * np.where(x > 3.5, 2, 1) / x,)
    found = search(np.log, X, vjp=vjp)
    assert found is not None
    assert "inputs of the shapes given, x (3,) only" in str(found)
    assert "values like those given: x positive" in str(found)
    right = lambda g, x: (g / x,)
    varied = explore(np.log, X, vjp=right, shapes="varied", max_examples=30)
    assert "x (3,), and " in str(varied) and str(varied).startswith("no counterexample\n")
    anything = explore(np.log, X, vjp=right, values="any", max_examples=30)
    assert "values of any kind" in str(anything)
    assert anything.looked_at.refused > 0
    assert anything.to_dict()["looked_at"]["shapes"] == {"x": [3]}


def test_examples_are_the_first_that_is_checked() -> None:
    seen: list[Any] = []

    def vjp(g: Any, x: Any) -> Any:
        seen.append(x.copy())
        return (g * np.cos(x),)

    search(np.sin, X, vjp=vjp, max_examples=1)
    assert np.array_equal(seen[0], X)


def test_shapes_are_left_only_where_it_is_asked() -> None:
    shapes: set[Any] = set()

    def vjp(g: Any, x: Any, w: Any) -> Any:
        shapes.add((x.shape, w.shape))
        return g @ w.T, x.T @ g

    inputs = np.ones((2, 3)), np.ones((3, 4))
    search(np.matmul, *inputs, vjp=vjp)
    assert shapes == {((2, 3), (3, 4))}
    search(np.matmul, *inputs, vjp=vjp, shapes="varied")
    assert {(1, 3), (2, 1)} <= {x for x, _ in shapes}
    assert all(len(x) == len(w) == 2 and x[1] == w[0] and min(x + w) > 0 for x, w in shapes)


def test_numbers_that_are_not_differentiated_stay() -> None:
    seen: set[float] = set()

    def f(x: Any, y: Any) -> Any:
        seen.add(float(np.sum(y)))
        return x * y

    search(f, X, X, vjp=lambda g, x, y: (g * y, None), argnums=0, max_examples=10)
    assert seen == {float(X.sum())}


# ── what is certain ──────────────────────────────────────────────────────────────────────────
def test_a_slope_that_rounding_leaves_nothing_of_is_no_counterexample() -> None:
    x = np.arange(1.0, 13.0).reshape(3, 4)
    assert search(lambda x, w: np.tanh(x @ w), x, x.T, max_examples=40) is None


def test_a_function_that_loses_its_digits_is_not_judged() -> None:
    outputs = contract_of({}, lambda values: None)
    assert outputs.holds({})
    a = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-9]])
    vjp = lambda g, a: (lambda i: (-i.T @ g @ i.T,))(np.linalg.inv(a))
    assert search(np.linalg.inv, a, vjp=vjp, max_examples=20) is None


def test_a_gradient_among_those_beside_a_corner_is_none_either() -> None:
    def sort_vjp(g: Any, x: Any) -> Any:
        d = np.zeros_like(x)
        d[np.argsort(x, kind="stable")] = g
        return (d,)

    assert not am.gradcheck(np.sort, np.zeros(5), vjp=sort_vjp, raises=False, seed=1).ok
    assert search(np.sort, np.array([0.3, -1.0, 2.0, 0.1, 0.0]), vjp=sort_vjp, seed=1) is None
