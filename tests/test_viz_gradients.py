"""What pictures say of gradients where hooks are registered, or a leaf was assigned since."""

from __future__ import annotations

import json

import numpy as np
import pytest

import autograd_mini as am
import viz

HOOKS = "gradients before hooks: 1 hook not called"
STALE = "gradients are not known: a changed since this was recorded"


def legends(picture):
    return [box.words for box in picture.boxes if box.role == "legend"]


def hooked(size, where):
    """Return a result with a hook that fails on a leaf, on the way or at the end."""
    x = am.tensor(np.full(size, 2.0)[()], name="x", requires_grad=True)
    y = x * 3
    z = (y + 1).sum() if size else y + 1

    def refuse(g):
        raise AssertionError("a hook was called")

    {"leaf": x, "way": y, "end": z}[where].register_hook(refuse)
    return z


@pytest.mark.parametrize("where", ["leaf", "way", "end"])
@pytest.mark.parametrize("size", [(), (2,)])
def test_no_picture_calls_a_hook_and_each_says_so(size, where):
    z = hooked(size, where)
    assert legends(viz.frames(z).drawing.picture) == [HOOKS]
    assert HOOKS in viz.page(z)
    assert legends(viz.draw(z, view="backward").picture) == [HOOKS]
    assert legends(viz.draw(z, overlay="gradients").picture) == [HOOKS]
    assert legends(viz.draw(z, overlay="nonfinite").picture) == [HOOKS]
    if not size:
        assert legends(viz.draw(z).picture) == [HOOKS]
        assert HOOKS in json.loads(viz.draw(z).json)["description"]


def test_the_gradient_is_the_same_in_each_picture_of_hooks():
    x = am.tensor(2.0, name="x", requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: g * 10)
    z = y + 1
    assert "x data 2 grad 3" in [box.words for box in viz.draw(z).picture.boxes]
    assert viz.frames(z)[-1].caption.startswith("∂L/∂x = ∂L/∂v₁ × ∂v₁/∂x = 1 × 3 = 3")
    assert "x 2 ‖∂‖ 3" in [box.words for box in viz.draw(z, overlay="gradients").picture.boxes]
    z.backward()
    assert "x data 2 grad 3, .grad 30" in [box.words for box in viz.draw(z).picture.boxes]


def test_a_hook_that_is_removed_or_off_the_way_is_not_told():
    x = am.tensor(2.0, name="x", requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: None).remove()
    (x * 5).register_hook(lambda g: None)
    assert legends(viz.draw(y + 1).picture) == []


def test_the_gradients_of_numbers_are_those_of_backward():
    a = am.tensor(2.0, name="a", requires_grad=True)
    b = am.tensor(np.float32(3.0), name="b", requires_grad=True)
    y = a * b + np.sin(a) * a
    for outputs in ([y], [y, a], [y, y * a], [a, a]):
        a.zero_grad()
        b.zero_grad()
        sum(outputs[1:], outputs[0]).backward()
        shown = [box.cells for box in viz.draw(outputs, view="scalars").picture.boxes]
        grads = {cells[0].text: cells[-1].text for cells in shown if len(cells) == 3}
        assert grads["a"] == f"grad {viz.texts.format_number(a.grad)}"
        if "b" in grads:
            assert grads["b"] == f"grad {viz.texts.format_number(b.grad)}"


def test_the_seed_of_a_complex_number_is_one():
    z = am.tensor(2.0 + 1.0j, name="z", requires_grad=True)
    shown = [box.words for box in viz.draw(z * z, view="scalars").picture.boxes]
    assert shown == ["z data 2+1j grad 4−2j", "×", "data 3+4j grad 1+0j"]


@pytest.mark.parametrize("size", [(), (2,)])
def test_gradients_are_not_told_once_a_leaf_was_assigned(size):
    a = am.tensor(np.full(size, 2.0)[()], name="a", requires_grad=True)
    b = am.tensor(np.full(size, 5.0)[()], name="b", requires_grad=True)
    y = (a * 3) * b + 1
    y = y.sum() if size else y
    a.assign(np.full(size, 10.0)[()])
    series = viz.frames(y)
    assert {step.phase for step in series.steps} == {"forward"}
    assert legends(series.drawing.picture)[-1] == STALE
    assert legends(viz.draw(y, view="backward").picture)[-1] == STALE
    assert legends(viz.draw(y, overlay="nonfinite").picture)[-1] == STALE
    page = viz.page(y)
    assert STALE in page and '"end":"every value"' in page
    with pytest.raises(viz.PictureError, match="gradients are not known: a changed"):
        viz.draw(y, overlay="gradients")
    if not size:
        assert legends(viz.draw(y).picture)[-1] == STALE


def test_a_page_with_all_gradients_says_so():
    a = am.tensor(2.0, name="a", requires_grad=True)
    assert '"end":"every value and every gradient"' in viz.page(a * 3)


def test_a_caption_computes_with_recorded_numbers_only():
    a = am.tensor(2.0, name="a", requires_grad=True)
    y = a * 3 + 1
    a.assign(10.0)
    told = [frame.caption for frame in viz.frames(y)]
    assert told == [
        "given: a = 10 (changed since)",
        "v₁ = a × 3 = 6, a changed since",
        "L = v₁ + 1 = 6 + 1 = 7",
    ]
