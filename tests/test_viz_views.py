"""The views of one graph: with tensors, forward alone, with the backward beside it, compiled."""

from __future__ import annotations

from collections import Counter
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from compiled_steps import train_compiled

import autograd_mini as am
import viz


def leaf(*shape: int, name: str, grad: bool = True) -> am.Tensor:
    values = np.random.default_rng(len(name)).normal(size=shape)
    return am.tensor(values, name=name, requires_grad=grad)


def network() -> am.Tensor:
    x, target = leaf(8, 2, name="x", grad=False), leaf(8, 1, name="target", grad=False)
    w1, b1, w2 = leaf(2, 3, name="w1"), leaf(3, name="b1"), leaf(3, 1, name="w2")
    with am.scope("hidden"):
        h = np.tanh(x @ w1 + b1)
    loss = np.mean((h @ w2 - target) ** 2)
    loss.name = "loss"
    return loss


def words(picture: viz.Picture, role: str) -> list[str]:
    return [box.words for box in picture.boxes if box.role == role]


def arrows(picture: viz.Picture, *, backward: bool = False) -> Counter[tuple[str, str]]:
    names = {box.id: box.words for box in picture.boxes}
    found = (x for x in picture.arrows if x.backward == backward)
    return Counter((names[x.tail], names[x.head]) for x in found)


# ── tensors ───────────────────────────────────────────────────────────────────────────────────
def test_each_result_has_a_box_in_the_view_of_tensors() -> None:
    loss = network()
    picture = viz.draw(loss, view="tensors").picture
    operations = [box for box in picture.boxes if box.role == "operation"]
    assert len(words(picture, "tensor")) == len(operations) - 1  # the last is the output
    assert words(picture, "tensor")[:3] == ["8×3"] * 3
    assert not any(arrow.label for arrow in picture.arrows)


def test_a_result_taken_twice_is_one_tensor() -> None:
    x = leaf(3, name="x")
    h = np.sin(x)
    h.name = "h"
    picture = viz.draw(h * h + np.cos(h), view="tensors").picture
    assert words(picture, "tensor").count("h (3,)") == 1
    assert arrows(picture)["h (3,)", "×"] == 2
    assert arrows(picture)["h (3,)", "cos"] == 1


# ── forward ───────────────────────────────────────────────────────────────────────────────────
def compiled_step() -> Any:
    net = am.nn.Sequential(am.nn.Dense(2, 3, "tanh", seed=0), am.nn.Dense(3, 1, seed=1))
    return train_compiled(net, net, np.ones((4, 2)))


def test_forward_of_a_step_has_neither_gradient_nor_update() -> None:
    step = compiled_step()
    whole = {box.role for box in viz.draw(step, limit=None).picture.boxes}
    assert {"gradient", "updated"} <= whole
    picture = viz.draw(step, view="forward", limit=None).picture
    assert {box.role for box in picture.boxes} == {"input", "parameter", "operation", "output"}


def test_forward_of_a_recorded_loss_is_all_of_it() -> None:
    loss = network()
    one, other = viz.draw(loss), viz.draw(loss, view="forward")
    assert one.dot == other.dot


# ── backward ──────────────────────────────────────────────────────────────────────────────────
def test_backward_mirrors_what_requires_a_gradient() -> None:
    loss = network()
    picture = viz.draw(loss, view="backward", limit=None).picture
    gradients = [box.lines[0] for box in picture.boxes if box.role == "gradient"]
    assert sorted(gradients) == sorted(["∂ mean", "∂ ^ 2", "∂ −", "∂ @", "∂ tanh", "∂ +", "∂ @"])
    values = {box.lines[0] for box in picture.boxes if box.role == "gradient_value"}
    assert values == {"∂loss/∂loss", "∂loss/∂w1", "∂loss/∂b1", "∂loss/∂w2"}
    flows = arrows(picture, backward=True)
    assert len(flows) == len(gradients) + 3  # one into each of them, one into each parameter's
    assert {cluster.caption for cluster in picture.clusters} == {"hidden", "∂ hidden"}


def test_each_gradient_is_tied_to_its_operation() -> None:
    picture = viz.draw(network(), view="backward", limit=None).picture
    boxes = {box.id: box for box in picture.boxes}
    tied = [(boxes[a].words, boxes[b].lines[0]) for a, b in picture.ties]
    assert len(tied) == 8
    assert all(b == f"∂ {a}" for a, b in tied if boxes[picture.ties[0][0]].role and "loss" not in a)


def test_rules_name_the_operations_they_are_made_of() -> None:
    x = leaf(3, name="x")
    picture = viz.draw(np.tanh(x) * 2.0, view="backward").picture
    (tanh,) = [box for box in picture.boxes if box.lines[0] == "∂ tanh"]
    assert tanh.lines[1] == "3 operations"
    assert "computed by multiply 2 times, subtract" in tanh.tooltip


def test_backward_leaves_gradients_and_other_outputs_alone() -> None:
    w, v = leaf(3, name="w"), leaf(3, name="v", grad=False)
    y, z = w * 2.0, v * 3.0
    picture = viz.draw([y, z], view="backward").picture
    assert w.grad is None
    assert [box.lines[0] for box in picture.boxes if box.role == "gradient"] == ["∂ × 2"]


def test_a_shared_parameter_has_one_gradient() -> None:
    w = leaf(3, 3, name="w")
    h = leaf(2, 3, name="x", grad=False)
    for _ in range(6):
        h = np.tanh(h @ w)
    picture = viz.draw(h, view="backward", limit=None).picture
    assert len([b for b in picture.boxes if b.lines[:1] == ("∂output/∂w",)]) == 1
    into = [
        x for x in picture.arrows if x.backward and "∂w" in picture.boxes[int(x.head[1:])].words
    ]
    assert len(into) == 6


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("limit", [6, 12, 40, None])
def test_backward_is_drawn_at_every_size(direction: Any, limit: int | None) -> None:
    h = leaf(2, 4, name="x", grad=False)
    for i in range(9):
        with am.scope(f"block_{i}"):
            h = h + np.tanh(h @ leaf(4, 4, name=f"w{i}"))
    drawing = viz.draw(np.sum(h), view="backward", direction=direction, limit=limit)
    assert drawing.svg.startswith("<svg")
    tails = {box.id for box in drawing.picture.boxes}
    assert all({x.tail, x.head} <= tails for x in drawing.picture.arrows)


def test_backward_needs_values_and_a_gradient() -> None:
    with pytest.raises(viz.PictureError, match="requires a gradient"):
        viz.draw(am.tensor([1.0]) * 2, view="backward")
    with pytest.raises(viz.PictureError, match="compiled step shows"):
        viz.draw(compiled_step(), view="backward")


def test_no_recursion_in_the_backward_of_a_deep_graph() -> None:
    x = leaf(name="x")
    y = x
    for _ in range(3000):
        y = y + 1.0
    assert "2\N{NO-BREAK SPACE}998 rounds" in viz.draw(y, view="backward").svg


# ── before and after compile ──────────────────────────────────────────────────────────────────
def test_both_programs_of_a_compiled_function_stand_side_by_side() -> None:
    step = compiled_step()
    drawing = viz.draw(step, view="compiled")
    before, after = [c for c in drawing.picture.clusters if c.parent is None]
    sizes = len(am.Graph(*step.recorded_graph.outputs)), len(step.graph)
    assert before.caption == f"as recorded: {sizes[0]} operations"
    assert after.caption == f"after the passes: {sizes[1]} operations"
    assert len({box.id for box in drawing.picture.boxes}) == len(drawing.picture.boxes)
    assert "−" in drawing.picture.title
    assert words(drawing.picture, "output") == ["loss", "loss"]


def test_view_of_a_compiled_function_is_for_one() -> None:
    with pytest.raises(viz.PictureError, match=r"a function of am\.compile"):
        viz.draw(network(), view="compiled")


# ── neurons for a sample ──────────────────────────────────────────────────────────────────────
def test_neurons_show_their_values_for_a_sample() -> None:
    net = am.nn.Sequential(am.nn.Dense(2, 3, "tanh", seed=1), am.nn.Dense(3, 1, "sigmoid", seed=2))
    x = np.array([0.7, -1.2])
    plain, picture = viz.draw(net).picture, viz.draw(net, sample=x).picture
    assert [box.position for box in plain.boxes] == [box.position for box in picture.boxes]
    (output,) = [box for box in picture.boxes if box.role == "prediction"]
    value = net(x[None]).item()
    assert output.lines == (f"{value:.2f}",)
    assert output.tooltip.startswith(f"ŷ = {value:.4g}")
    assert [box.lines[0] for box in picture.boxes if box.role == "feature"] == ["0.7", "−1.2"]
    fills = {box.role: box.fill for box in picture.boxes}
    assert fills["bias"] is None
    assert fills["neuron"] is not None


def test_layers_of_other_libraries_take_a_sample() -> None:
    class Layer:
        def __init__(self, weight: Any, activation: Any) -> None:
            self.weight, self.bias, self.activation = weight, None, activation

    layers = [Layer(np.eye(2), "relu"), Layer(np.ones((2, 1)), None), np.tanh]
    picture = viz.draw(layers, sample=[1.5, -2]).picture
    assert [box.lines[0] for box in picture.boxes if box.role == "neuron"] == ["1.5", "0"]
    assert [box.lines[0] for box in picture.boxes if box.role == "prediction"] == ["0.91"]
    with pytest.raises(viz.PictureError, match="takes 2 values, and gets 3"):
        viz.draw(layers, sample=[1, 2, 3])
    with pytest.raises(viz.PictureError, match="cannot be applied"):
        viz.draw([Layer(np.eye(2), "mish")], sample=[1.5, -2])


@pytest.mark.parametrize("sample", [np.ones((2, 2)), [], "x", [1j, 2]])
def test_samples_that_are_no_vector_are_refused(sample: Any) -> None:
    with pytest.raises(viz.PictureError, match="one input of the network"):
        viz.draw(am.nn.Dense(2, 1, seed=0), sample=sample)


def test_samples_of_another_length_are_refused() -> None:
    with pytest.raises(viz.PictureError, match="takes rows of 2, not 3"):
        viz.draw(am.nn.Dense(2, 1, seed=0), sample=[1, 2, 3])
    with pytest.raises(viz.PictureError, match="for the neurons of a model"):
        viz.draw(network(), sample=[1, 2])


def test_values_that_are_not_finite_are_black() -> None:
    picture = viz.draw(am.nn.Dense(2, 1, seed=0), sample=[np.nan, 1.0]).picture
    boxes = [box for box in picture.boxes if box.role == "feature"]
    assert boxes[0].lines == ("NaN",)
    assert boxes[0].fill is not None
    assert boxes[0].fill.startswith("#000000")


@pytest.mark.parametrize("view", ["tensors", "forward", "backward"])
def test_pages_show_the_views(view: Any) -> None:
    assert f"<title>{'Computation graph'}" in viz.page(network(), view=view)


def test_a_folded_gradient_lists_the_gradients_that_end_in_it() -> None:
    w = leaf(3, 3, name="w")
    h = leaf(2, 3, name="x", grad=False)
    for i in range(3):
        with am.scope(f"cell_{i}"):
            h = np.tanh(h @ w)
    picture = viz.draw(h, view="backward", open=lambda path: path == "cell_2").picture
    folded = [box.lines for box in picture.boxes if box.role == "gradient_scope"]
    assert folded == [(f"∂ cell_{i}", "1 gradient: ∂w (1 of 3 terms)") for i in (1, 0)]
    assert "∂output/∂w 3×3 sum of 3 terms" in words(picture, "gradient_value")


def test_nothing_flows_back_where_a_rule_has_nothing() -> None:
    x = leaf(3, name="x")
    picture = viz.draw(np.where(np.tanh(x) > 0.0, x, 0.5), view="backward").picture
    assert [box.lines[0] for box in picture.boxes if box.role == "gradient"] == [
        "∂ where(x, y, 0.5)"
    ]


def test_many_arrows_of_the_backward_become_one_of_the_backward() -> None:
    w = leaf(3, name="w")
    with am.scope("many"):
        made = [w * float(i) for i in range(9)]
    picture = viz.draw(np.stack(made), view="backward", open=0).picture
    joined = [x for x in picture.arrows if x.label.endswith("9 times")]
    assert sorted(x.backward for x in joined) == [False, True]


def test_a_gradient_that_ends_in_one_fold_is_the_sum_of_all_its_terms() -> None:
    w, v = leaf(3, 3, name="w"), leaf(3, 3, name="v")
    h = leaf(2, 3, name="x", grad=False)
    with am.scope("cell"):
        h = np.tanh(h @ w) @ w + h @ v
    picture = viz.draw(h, view="backward", open=0).picture
    assert words(picture, "gradient_scope") == ["∂ cell 2 gradients: ∂w (sum of 2 terms), ∂v"]


def test_the_tooltip_of_a_folded_gradient_counts_what_the_walk_goes_through() -> None:
    w = leaf(3, name="w")
    with am.scope("cell"):
        y = w * np.exp(leaf(3, name="x", grad=False)) + np.sign(w)
    picture = viz.draw(y, view="backward", open=0).picture
    (box,) = (box for box in picture.boxes if box.role == "gradient_scope")
    assert box.tooltip == "the gradient of 2 of 4 operations"


def test_an_operand_taken_several_times_is_told_so() -> None:
    h = np.tanh(leaf(3, name="w"))
    y = np.stack([h] * 3 + [np.sin(h)]) * 2.0
    drawing = viz.draw(y, view="backward")
    labels = [arrow.label for arrow in drawing.picture.arrows if arrow.backward]
    assert "(3,), sum of 3 terms" in labels
    assert "stack takes tanh 3 times and sin." in drawing.svg
    many = viz.draw(np.stack([h] * 30)).svg
    assert "stack takes tanh 30 times." in many


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_a_shared_parameter_leaves_the_computation_running_one_way(direction: Any) -> None:
    w = leaf(4, 4, name="W")
    h = leaf(2, 4, name="x", grad=False)
    for i in range(4):
        with am.scope(f"cell_{i}"):
            h = np.tanh(h @ w + h * 0.5)
    drawing = viz.draw(h, view="backward", limit=None, direction=direction)
    centres = {}
    for group in ElementTree.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}g"):
        texts = list(group.iter("{http://www.w3.org/2000/svg}text"))
        if group.get("data-role") and texts:
            place = (group.get("id") or "").rpartition("-")[2]
            centres[place] = float(texts[0].attrib["y" if direction == "TB" else "x"])
    made = {box.id for box in drawing.picture.boxes if box.role in ("operation", "output")}
    forward = [(a.tail, a.head) for a in drawing.picture.arrows if not a.backward]
    between = [ends for ends in forward if made.issuperset(ends)]
    assert len(between) == 19
    assert all(centres[tail] < centres[head] for tail, head in between)
