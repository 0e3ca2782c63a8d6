"""explain: shares of paths add up to the derivative, and are products of local derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as am
import viz

UNARY = (np.sin, np.tanh, lambda x: x * 0.5, np.square, lambda x: x - 1.0, am.sigmoid)
BINARY = (np.add, np.multiply, np.subtract, np.maximum)
STEPS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=7
)


def build(start: Any, steps: list[tuple[int, int, int]]) -> Any:
    values = [start]
    for kind, i, j in steps:
        a, b = values[i % len(values)], values[j % len(values)]
        values.append(UNARY[kind](a) if kind < 6 else BINARY[kind - 6](a, b))
    return values[-1]


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 4))
def test_shares_of_scalars_add_up(steps: list[tuple[int, int, int]], paths: int) -> None:
    x = am.tensor(0.7, requires_grad=True, name="x")
    y = build(x, steps)
    found = am.explain(y, x, paths=paths)
    y.backward()
    expected = 0.0 if x.grad is None else float(x.grad)
    assert found.derivative == pytest.approx(expected, rel=1e-9, abs=1e-12)
    total = math.fsum(path.share for path in found.paths) + found.rest
    assert total == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert len(found.paths) <= paths
    shares = [abs(path.share) for path in found.paths]
    assert shares == sorted(shares, reverse=True)
    for path in found.paths:
        factors = [step.factor for step in path.steps]
        if all(f is not None for f in factors):
            assert path.share == pytest.approx(math.prod(factors), rel=1e-9, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(STEPS, st.integers(0, 1), st.integers(0, 2))
def test_shares_of_an_element_add_up(steps: list[tuple[int, int, int]], i: int, j: int) -> None:
    w = am.tensor([[0.3, -0.2, 0.5], [0.1, 0.9, -0.4]], requires_grad=True, name="w")
    y = np.sum(build(w, steps) @ np.ones((3, 2)))
    found = am.explain(y, w, (i, j), paths=1000)
    y.backward()
    expected = 0.0 if w.grad is None else float(w.grad[i, j])
    assert found.derivative == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found.others == 0
    assert math.fsum(p.share for p in found.paths) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_paths_are_counted_and_the_largest_is_told() -> None:
    x = y = am.tensor(1.0, requires_grad=True, name="x")
    for _ in range(30):
        y = y + 0.1 * np.sin(y)
    found = am.explain(y, x, paths=2)
    assert len(found.paths) + found.others == 2**30
    assert found.paths[0].share == 1.0
    y.backward()
    assert found.derivative == pytest.approx(float(x.grad))
    assert sum(p.share for p in found.paths) + found.rest == pytest.approx(found.derivative)
    assert f"{found.others:,} more paths" in str(found)


def test_text_names_operands_and_numbers() -> None:
    w, x = am.tensor(2.0, requires_grad=True, name="w"), am.tensor(3.0, name="x")
    loss = w * w - np.exp(x) * w
    loss.name = "loss"
    text = str(am.explain(loss, w))
    assert text.startswith("∂(loss)/∂w = -16.09 at w = 2")
    assert "multiply (by operand 2 of 2) with w = 2 gives 4, and moves 2 times as much" in text
    assert "Together: (-20.09) + 2 + 2 = -16.09" in text


def test_several_results_and_negative_indices() -> None:
    a = am.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True, name="a")
    q, r = np.linalg.qr(a)
    y = np.sum(q * r)
    found = am.explain(y, a, (-1, 0))
    y.backward()
    assert found.index == (1, 0)
    assert found.derivative == pytest.approx(a.grad[1, 0])
    assert len(found.paths) == 2


def test_no_path() -> None:
    x, z = am.tensor(1.0, requires_grad=True, name="x"), am.tensor(2.0, name="z")
    found = am.explain(x * 2, z)
    assert (found.derivative, found.paths) == (0.0, ())
    assert "No path leads" in str(found)
    assert "image/svg+xml" not in found._repr_mimebundle_()


def test_what_is_refused() -> None:
    x = am.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(am.GradientError, match="one real number"):
        am.explain(x * 2, x, 0)
    y = np.sum(x)
    for index in ((), (0, 0), 2, -3, (0.5,), None, slice(1), True, "0"):
        with pytest.raises(am.IndexingError, match="one whole number for each axis"):
            am.explain(y, x, index)
    with pytest.raises(am.OperandError, match="the tensor must be a tensor"):
        am.explain(y, 3.0)
    with pytest.raises(am.OperandError, match="the output must be a tensor"):
        am.explain(3.0, x)
    for paths in (0, True, 1.5):
        with pytest.raises(am.ArgumentError, match="paths must be"):
            am.explain(y, x, 0, paths=paths)
    with pytest.raises(am.GradientError, match="real numbers"):
        am.explain(y, am.tensor([1, 2]), 0)
    with pytest.raises(am.IndexingError, match="path 3 is not told"):
        am.explain(y, x, 0).draw(3)


@pytest.mark.parametrize("number", [0, 1])
def test_the_path_is_lit(number: int) -> None:
    q = am.tensor(2.0, requires_grad=True, name="q")
    r = q * 3
    found = am.explain(r * r, q)
    picture = found.draw(number).picture
    lit = [(a.tail, a.head, a.label) for a in picture.arrows if a.lit == "path"]
    assert lit == [("n0", "n1", "× 3"), ("n1", "n2", "× 6"), ("n2", "n3", "")]
    place = found.paths[number].steps[1].operand
    assert [a.lit for a in picture.arrows if (a.tail, a.head) == ("n1", "n2")][place] == "path"
    assert {box.id for box in picture.boxes if box.lit} == {"n0", "n1", "n2"}


def test_folded_scopes_and_shared_leaves_are_lit() -> None:
    model = am.nn.MLP([2, 3, 1])
    w = next(iter(model.parameters()))
    loss = am.nn.mse(model(np.ones((4, 2))), np.zeros((4, 1)))
    found = am.explain(loss, w, (0, 1))
    folded = found.draw(open=0).picture
    lit = {box.words.split()[0] for box in folded.boxes if box.lit}
    assert lit == {"mlp", "mse"}
    v, x = am.tensor(2.0, requires_grad=True, name="v"), am.tensor(0.3, name="x")
    a = am.sigmoid(v * x - 6)
    both = am.explain(-np.log(a) + 0.1 * v * v, v)
    for number, path in enumerate(both.paths):
        picture = both.draw(number).picture
        boxes = [box for box in picture.boxes if box.lit]
        assert len(boxes) == len(path.steps) + 1
        assert sum(arrow.lit == "path" for arrow in picture.arrows) == len(path.steps) + 1
    with pytest.raises(viz.PictureError, match="view='scalars'"):
        viz.draw(both, view="scalars")
    for options in ({"overlay": "memory"}, {"sample": [1.0]}):
        with pytest.raises(viz.PictureError, match="is not for an error or an explanation"):
            both.draw(**options)


def test_a_path_is_always_told() -> None:
    w = y = am.tensor(0.5, requires_grad=True, name="w")
    for _ in range(12):
        y = y * 0.5 + np.sin(y) * 0.5
    found = am.explain(y, w)
    assert found.paths and len(found.paths) + found.others == 2**12
    z = w
    for _ in range(12_000):
        z = np.sin(z)
    found = am.explain(z, w)
    assert (len(found.paths), found.others) == (1, 0)
    for _ in range(15_000):
        y = y * 0.5 + y * 0.5
    assert "10^4519 more paths" in str(am.explain(y, w))


def test_the_arrow_of_the_right_result_is_lit() -> None:
    x = am.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True, name="x")
    a, b = np.split(x * 1, 2)
    picture = am.explain(np.sum(a * b), x, 2).draw().picture
    (split,) = [box.id for box in picture.boxes if box.words == "split"]
    after = [arrow for arrow in picture.arrows if arrow.tail == split]
    assert [(arrow.output, arrow.lit) for arrow in after] == [(0, ""), (1, "path")]
    assert after[1].label.startswith(":1") and after[1].label.endswith("× 1")


def test_no_factor_stands_before_a_fold() -> None:
    y = w = am.tensor(0.9, requires_grad=True, name="w")
    for _ in range(60):
        y = np.tanh(y)
    picture = am.explain(y, w).draw().picture
    folds = {box.id for box in picture.boxes if "58" in box.words}
    assert folds
    assert not any(arrow.label for arrow in picture.arrows if arrow.head in folds)


def test_complex_numbers_infinity_and_what_is_not_differentiable() -> None:
    w = am.tensor(2.0, requires_grad=True, name="w")
    for f in (lambda w: np.real((w + 2j) ** 2), lambda w: np.abs(np.exp(1j * w) + w)):
        found = am.explain(f(w), w)
        assert found.derivative == pytest.approx(float(am.grad(f)(2.0)))
        assert str(found)
    m = am.tensor(0.1, requires_grad=True, name="m")
    found = am.explain(np.where(m > 0, m * 3, m), m)
    assert found.others == 0
    p = am.tensor([0.0, 1.0], requires_grad=True, name="p")
    text = str(am.explain(np.sum(np.sqrt(p) + p), p, 0))
    assert "nan" not in text
    assert text.startswith("∂(the output)/∂p[0] = inf at p[0] = 0.")


def test_the_value_is_that_of_the_derivative() -> None:
    w = am.tensor(2.0, requires_grad=True, name="w")
    found = am.explain(w * w, w)
    x = am.tensor(3.0, name="x")
    other = am.explain(w * x, w)
    w.data = 5.0
    x.data = 50.0
    assert "= 4 at w = 2" in str(found)
    assert "with x = 3 gives 6" in str(other)


def test_many_operands_are_followed_in_time() -> None:
    w = am.tensor(1.0, requires_grad=True, name="w")
    found = am.explain(np.sum(np.stack([w * float(i) for i in range(1500)])), w)
    assert found.derivative == pytest.approx(1500 * 1499 / 2)
    assert len(found.paths) + found.others == 1500


def test_a_copy_off_the_path_is_not_lit() -> None:
    class Block(am.nn.Module):
        def forward(self, a: Any) -> Any:
            return np.sin(a) * a

    x = am.tensor(0.7, requires_grad=True, name="x")
    found = am.explain(np.exp(Block()(x)) * x, x)
    for number in range(len(found.paths)):
        picture = found.draw(number, open=0).picture
        ends = {end for arrow in picture.arrows if arrow.lit for end in (arrow.tail, arrow.head)}
        assert all(box.id in ends for box in picture.boxes if box.lit)


def test_large_tensors_cost_no_more_steps_than_time() -> None:
    rng = np.random.default_rng(0)
    weights = [am.tensor(rng.normal(size=(256, 256)) / 16, requires_grad=True) for _ in range(20)]
    h = am.tensor(rng.normal(size=(128, 256)))
    for w in weights:
        h = h + np.tanh(h @ w)
    found = am.explain(np.sum(h * h), weights[0], (0, 0))
    assert len(found.paths) + found.others == 2**20
    total = sum(path.share for path in found.paths) + found.rest
    assert total == pytest.approx(found.derivative)


def test_the_middle_of_a_long_path_is_counted() -> None:
    w = am.tensor(0.5, requires_grad=True, name="w")
    x: Any = w
    for _ in range(40):
        x = np.tanh(x)
    explained = am.explain(x, w)
    (path,) = explained.paths
    factors = [step.factor for step in path.steps]
    lines = str(path).splitlines()
    assert len(factors) == 40
    assert len(lines) == 17
    assert f"… 24 more operations, together {np.prod(factors[8:-8]):.4g} times as much" in lines[8]
    assert path.product.count(" · ") == 16
    assert path.product.split(" · ")[8] == "…"
    assert str(am.explain(np.tanh(np.tanh(w)), w)).count("tanh gives") == 2


def test_an_explanation_without_paths_is_drawn() -> None:
    a, b = am.tensor(2.0, requires_grad=True, name="a"), am.tensor(3.0, name="b")
    explained = am.explain(b * 2.0, a)
    assert not explained.paths
    assert explained.draw().svg == viz.draw(explained).svg
