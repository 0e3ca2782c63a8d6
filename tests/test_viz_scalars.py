"""The view of scalar graphs: name, data and grad of every tensor."""

from __future__ import annotations

import numpy as np
import pytest

import autograd_mini as am
import viz


@pytest.fixture
def expression():
    a = am.tensor(2.0, requires_grad=True, name="a")
    b = am.tensor(-3.0, requires_grad=True, name="b")
    c = am.tensor(10.0, name="c")
    e = a * b
    e.name = "e"
    y = e + c
    y.name = "y"
    return a, y


def words(drawing, role):
    return [box.words for box in drawing.picture.boxes if box.role == role]


def test_every_tensor_is_one_box_with_name_data_and_grad(expression):
    drawing = viz.draw(expression[1])
    assert drawing.picture.direction == "LR"
    assert words(drawing, "parameter") == ["a data 2 grad −3", "b data −3 grad 2"]
    assert words(drawing, "input") == ["c data 10"]
    assert words(drawing, "tensor") == ["e data −6 grad 1"]
    assert words(drawing, "output") == ["y data 4 grad 1"]
    assert words(drawing, "scalar_operation") == ["×", "+"]
    assert len(drawing.picture.arrows) == 6


def test_drawing_leaves_grad_as_it_was(expression):
    a, y = expression
    viz.draw(y)
    assert a.grad is None


def test_gradients_of_a_shared_tensor_are_summed_and_both_arrows_drawn():
    x = am.tensor(3.0, requires_grad=True, name="x")
    drawing = viz.draw(x * x)
    assert words(drawing, "parameter") == ["x data 3 grad 6"]
    circle = next(b.id for b in drawing.picture.boxes if b.role == "scalar_operation")
    assert [a.head for a in drawing.picture.arrows].count(circle) == 2


def test_a_stale_graph_is_drawn_without_grad_and_names_what_changed(expression):
    a, y = expression
    a.assign(5.0)
    drawing = viz.draw(y)
    assert words(drawing, "parameter") == ["a data 5 changed", "b data −3"]
    assert "changed" in drawing.svg


@pytest.mark.parametrize(
    ("held", "told"),
    [(np.array([1.0, 2.0]), "(2,)"), (np.zeros((2, 3)), "2×3"), (np.array("a"), "<U1")],
)
def test_a_grad_of_another_shape_is_shown_as_what_it_is(held, told):
    w = am.tensor(2.0, requires_grad=True, name="w")
    w.grad = held
    drawing = viz.draw(w * 3)
    assert words(drawing, "parameter") == [f"w data 2 grad 3, .grad {told}"]
    assert drawing.json and viz.page(w * 3) and viz.frames(w * 3)
    with am.scope("s"):
        y = w * np.ones(2)
    assert viz.draw(y, open=0).json and viz.page(y)


def test_nan_and_infinity_stand_out():
    x = am.tensor(np.nan, requires_grad=True, name="x")
    drawing = viz.draw(x * np.inf)
    kinds = {cell.kind for box in drawing.picture.boxes for cell in box.cells}
    assert "nonfinite" in kinds
    assert 'fill="#000000"' in drawing.svg


def test_a_tensor_that_the_gradient_does_not_reach_has_grad_0():
    x = am.tensor(2.0, requires_grad=True, name="x")
    z = am.tensor(3.0, requires_grad=True, name="z")
    drawing = viz.draw(am.stop_gradient(x) * z)
    assert words(drawing, "parameter") == ["x data 2 grad 0", "z data 3 grad 2"]


def test_the_view_is_chosen_by_shape_and_size():
    scalar = am.tensor(1.0, name="x")
    assert words(viz.draw(scalar * 2), "scalar_operation")
    assert words(viz.draw(am.tensor([1.0]) * 2), "operation")
    long = scalar
    for _ in range(61):
        long = long * 2
    assert words(viz.draw(long), "operation")
    assert words(viz.draw(scalar * 2, view="operations"), "operation")
    assert len(viz.draw(long, view="scalars").picture.boxes) == 2 * 61 + 1
    for _ in range(1000):
        long = long * 1 if (long.serial // 7) % 3 else long + 1
    assert words(viz.draw(long, view="scalars"), "earlier")


def test_the_scalar_view_of_arrays_is_a_clear_error():
    with pytest.raises(viz.PictureError, match="0-d tensors.*view='operations'"):
        viz.draw(am.tensor([1.0, 2.0]) * 2, view="scalars")


def test_several_outputs_are_each_marked():
    x = am.tensor(2.0, requires_grad=True, name="x")
    drawing = viz.draw([x * 2, x + 1])
    assert words(drawing, "output") == ["data 4 grad 1", "data 3 grad 1"]


def test_a_gradient_says_where_grad_holds_another_number():
    w = am.tensor(3.0, name="w", requires_grad=True)
    y = 2 * w
    y.backward()
    assert words(viz.draw(y), "parameter") == ["w data 3 grad 2"]
    (2 * w).backward()
    assert words(viz.draw(y), "parameter") == ["w data 3 grad 2, .grad 4"]


def test_what_is_left_out_lists_its_parameters_and_has_arrows_from_the_others():
    x = am.tensor(0.5, name="x")
    y = x
    weights = [am.tensor(0.1, name=f"w{i}", requires_grad=True) for i in range(41)]
    for w in weights:
        y = np.tanh(y * w + x)
    drawing = viz.draw(y + weights[0], view="scalars", limit=4)
    (earlier,) = words(drawing, "earlier")
    assert earlier.endswith("w5, … 1 of 40 shared with boxes outside")
    ids = {box.words.split()[0]: box.id for box in drawing.picture.boxes}
    assert (ids["x"], ids["…"]) in {(a.tail, a.head) for a in drawing.picture.arrows}
