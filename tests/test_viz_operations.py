"""The view of a graph as operations: boxes, arrows, clusters, folding, sizes."""

from __future__ import annotations

import contextlib
import json
import time

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini import nn
from viz.graphs.graph_views import graph_picture
from viz.graphs.outline import MOST_LEAVES
from viz.picture import Box, Picture


def picture(*outputs, limit=40, direction="TB"):
    return graph_picture(am.Graph(*outputs), "operations", limit, direction, None)[0]


def labels(picture: Picture, role: str) -> list[str]:
    return [box.words for box in picture.boxes if box.role == role]


def box(picture: Picture, words: str) -> Box:
    (found,) = [b for b in picture.boxes if b.words == words]
    return found


def entering(picture: Picture, words: str) -> list[str]:
    names = {b.id: b.words for b in picture.boxes}
    head = box(picture, words).id
    return [names[arrow.tail] for arrow in picture.arrows if arrow.head == head]


@pytest.fixture
def network():
    """A dense layer and a loss: data x and t, parameters W and b, one output."""
    x = am.tensor(np.ones((100, 2)), name="x")
    with am.scope("dense"):
        w = am.tensor(np.ones((2, 3)), requires_grad=True, name="W")
        b = am.tensor(np.zeros(3), requires_grad=True, name="b")
        y = np.tanh(x @ w + b)
    loss = np.mean((y - np.zeros((100, 3))) ** 2)
    loss.name = "loss"
    return loss


def test_a_title_counts_the_outputs_that_it_does_not_name():
    outputs = []
    for name in "abcde":
        outputs.append(am.tensor([1.0], name="x") * 2)
        outputs[-1].name = name
    assert picture(*outputs[:3]).title == "Computation graph of a, b, c"
    assert picture(*outputs).title == "Computation graph of a, b, c and 2 more"


def test_joined_arrows_tell_which_tensors_they_carry():
    s, t = np.split(am.tensor(np.ones(6), requires_grad=True, name="q"), 2)
    p = picture(np.stack([s, s, s, t, t, t, t]).sum())
    split = box(p, "split").id
    assert [a.label for a in p.arrows if a.tail == split] == [":0 (3,) 3 times", ":1 (3,) 4 times"]
    for count in (1, 2):
        p = picture(np.stack([s, t] * count).sum())
        split = box(p, "split").id
        assert [a.label for a in p.arrows if a.tail == split] == [":0 (3,)", ":1 (3,)"] * count


@pytest.mark.parametrize(("uses", "label"), [(1, "8 tensors"), (2, "16 operands")])
def test_joined_arrows_of_many_labels_say_how_many_there_are(uses, label):
    x = am.tensor(np.ones(3), requires_grad=True, name="x")
    with am.scope("enc"):
        made = [x[:1] * 1.0 if i % 2 else x * float(i + 1) for i in range(8)]
    for place, h in enumerate(made):
        h.name = f"h{place}"
    drawing = viz.draw(np.concatenate(made * uses).sum(), open=0)
    (arrow,) = [a for a in drawing.picture.arrows if "enc" in box_words(drawing, a.tail)]
    assert arrow.label == label
    assert "h0 (3,), h1 (1,), h2 (3,)" in arrow.tooltip


def box_words(drawing, name):
    return next(b.words for b in drawing.picture.boxes if b.id == name)


def test_roles_names_and_shapes_of_a_layer_with_its_loss(network):
    p = picture(network)
    assert labels(p, "input") == ["x 100×2", "array 100×3"]
    assert labels(p, "parameter") == ["W 2×3", "b (3,)"]
    assert labels(p, "operation") == ["@", "+", "tanh", "−", "^ 2", "mean"]
    assert labels(p, "output") == [f"loss {np.tanh(2) ** 2:.4g}"]
    assert [b.id for b in p.boxes] == [f"n{i}" for i in range(len(p.boxes))]


def test_shapes_ride_on_arrows_between_operations_only(network):
    p = picture(network)
    names = {b.id: b.words for b in p.boxes}
    riding = {(names[a.tail], names[a.head]): a.label for a in p.arrows if a.label}
    assert riding == {
        ("@", "+"): "100×3",
        ("+", "tanh"): "100×3",
        ("tanh", "−"): "100×3",
        ("−", "^ 2"): "100×3",
        ("^ 2", "mean"): "100×3",
    }


def test_operands_keep_their_order():
    a, b = am.tensor([1.0, 2.0], name="a"), am.tensor([3.0, 4.0], name="b")
    assert entering(picture(b - a), "−") == ["b (2,)", "a (2,)"]


def test_a_tensor_taken_twice_has_two_arrows():
    x = am.tensor([1.0, 2.0], name="x")
    assert entering(picture(x * x), "×") == ["x (2,)", "x (2,)"]


@pytest.mark.parametrize(
    ("function", "label"),
    [
        (lambda x: x * 2, "× 2"),
        (lambda x: 2 * x, "× 2"),
        (lambda x: x / 2, "÷ 2"),
        (lambda x: 2 / x, "2 ÷ x"),
        (lambda x: -1.5 - x, "−1.5 − x"),
        (lambda x: x**2, "^ 2"),
        (lambda x: np.maximum(x, 0), "max(x, 0)"),
        (lambda x: np.sum(x, axis=0), "Σ axis 0"),
        (lambda x: np.sum(x), "Σ"),
        (lambda x: x[0, 1:], "[0, 1:]"),
        (lambda x: x[np.array([0, 1])], "[i]"),
        (lambda x: x // 2, "// 2"),
    ],
)
def test_numbers_and_axes_are_written_into_the_label(function, label):
    x = am.tensor(np.ones((2, 3)), name="x")
    assert label in labels(picture(function(x)), "operation")


def test_an_operation_with_several_outputs_is_one_box_and_arrows_tell_the_index():
    x = am.tensor(np.ones((4, 2)), name="x")
    first, second = np.split(x, 2)
    p = picture(first @ second.T, second)
    assert labels(p, "operation").count("split axis 0") == 1
    split = box(p, "split axis 0").id
    assert [a.label for a in p.arrows if a.tail == split] == [":1 2×2", ":0 2×2", ":1"]


def test_each_entry_of_a_scope_is_a_cluster_of_its_own_and_they_nest():
    x = am.tensor([1.0, 2.0], name="x")
    for _ in range(2):
        with am.scope("outer"), am.scope("inner"):
            x = np.exp(x)
    p = picture(x)
    assert [(c.caption, c.parent) for c in p.clusters] == [
        ("outer", None),
        ("inner", "cluster_0"),
        ("outer", None),
        ("inner", "cluster_2"),
    ]
    assert [b.cluster for b in p.boxes if b.role == "operation"] == ["cluster_1", "cluster_3"]


def test_a_parameter_is_drawn_in_its_scope_and_data_outside(network):
    p = picture(network)
    assert box(p, "W 2×3").cluster == "cluster_0"
    assert box(p, "x 100×2").cluster is None


def test_a_parameter_in_the_scope_that_its_name_begins_with_is_drawn_without_it():
    x = am.tensor(np.ones(2), name="x")
    w = am.tensor(np.ones(2), requires_grad=True, name="dense_1.weight")
    with am.scope("dense_1"):
        y = x * w
    assert labels(picture(y), "parameter") == ["weight (2,)"]
    assert labels(picture(x * w), "parameter") == ["dense_1.weight (2,)"]


def test_a_shared_parameter_is_drawn_again_where_it_is_far():
    w = am.tensor(np.ones(2), requires_grad=True, name="w")
    near = w * np.exp(w)
    assert labels(picture(near), "parameter") == ["w (2,)"]
    y = near
    for _ in range(8):
        y = np.tanh(y)
    assert labels(picture(y * w), "parameter") == ["w (2,) shared"] * 2


def blocks(count):
    x = am.tensor(np.ones((2, 2)), name="x")
    for i in range(count):
        with am.scope(f"block_{i}"):
            w = am.tensor(np.ones((2, 2)), requires_grad=True, name="w")
            with am.scope("inner"):
                y = np.tanh(x @ w)
            x = x + y * 2
    return np.sum(x)


def test_scopes_fold_deepest_first_and_namesakes_together():
    p = picture(blocks(8))
    assert labels(p, "scope") == ["inner 2 operations 1 parameter: w"] * 8
    p = picture(blocks(16))
    assert labels(p, "scope") == ["block, 16 times 64 operations 16 parameters: w 16 times"]
    assert labels(p, "parameter") == []
    assert (
        "matmul 16 times, tanh 16 times, multiply 16 times, add 16 times"
        in box(p, labels(p, "scope")[0]).tooltip
    )
    assert "w 2×2" in box(p, labels(p, "scope")[0]).tooltip


def test_without_a_limit_nothing_folds():
    p = picture(blocks(12), limit=None)
    assert labels(p, "scope") == []
    assert len(labels(p, "operation")) == 12 * 4 + 1


UNLIKE = (
    np.tanh,
    np.sin,
    np.cos,
    np.arctan,
    np.sinh,
    np.exp,
    np.negative,
    np.abs,
    np.cbrt,
    np.sign,
)


def without_repeats(y, count):
    """Apply functions in the order of the ruler sequence, in which nothing follows its like."""
    for place in range(1, count + 1):
        y = UNLIKE[(place & -place).bit_length() - 1](y)
    return y


def test_what_does_not_fit_is_counted():
    x = am.tensor([1.0, 2.0], name="x")
    y = x
    y = without_repeats(y, 1000)
    p = picture(y)
    assert len(p.boxes) <= 42
    (earlier,) = labels(p, "earlier")
    assert earlier == f"… {1000 - len(labels(p, 'operation'))} earlier operations"
    assert entering(p, earlier) == ["x (2,)"]


def test_many_leaves_of_one_operation_are_counted():
    p = picture(np.stack([am.tensor([1.0], name=f"x{i}") for i in range(100)]))
    assert labels(p, "input")[-1] == "… 95 more inputs"
    assert len(p.boxes) <= MOST_LEAVES + 2


def test_the_same_operand_a_thousand_times_is_one_arrow():
    x = am.tensor([1.0], name="x")
    p = picture(np.stack([x] * 1000))
    assert [a.label for a in p.arrows if a.label] == ["1\N{NO-BREAK SPACE}000 times"]


def test_many_outputs_are_bounded():
    x = am.tensor([1.0], requires_grad=True, name="x")
    p = picture(*[x * float(i) for i in range(2000)])
    assert len(p.boxes) < 50


def test_a_leaf_can_be_the_output():
    x = am.tensor([1.0, 2.0], name="x")
    p = picture(x)
    assert [b.role for b in p.boxes] == ["output", "input"]
    assert len(p.arrows) == 1
    viz.draw(am.Graph(x, x * 2)).svg  # noqa: B018  # it is laid out


@pytest.mark.long
def test_a_chain_of_100_000_operations_is_drawn_in_seconds():
    y = am.tensor(1.0, requires_grad=True, name="x")
    for _ in range(100_000):
        y = y * 1.0
    start = time.perf_counter()
    drawing = viz.draw(y)
    assert "99\N{NO-BREAK SPACE}998 rounds" in drawing.svg
    assert time.perf_counter() - start < 10  # 0.6 s on a quiet machine


def test_thousands_of_nested_scopes_are_drawn():
    y = am.tensor([1.0], name="x")
    with contextlib.ExitStack() as stack:
        for _ in range(3000):
            stack.enter_context(am.scope("deeper"))
            y = y * 2.0 / 2.0
    drawing = viz.draw(y)
    assert len(drawing.picture.clusters) <= 8
    assert "deeper" in drawing.svg


def test_a_changed_leaf_is_marked():
    w = am.tensor([1.0, 2.0], requires_grad=True, name="w")
    y = w * w
    assert "w (2,)" in labels(picture(y), "parameter")
    w.assign([3.0, 4.0])
    assert "w (2,) changed" in labels(picture(y), "parameter")


def test_a_vector_does_not_look_like_a_number():
    v, s = am.tensor(np.ones(5), name="v"), am.tensor(5.0, name="s")
    p = picture(v * s)
    assert labels(p, "input") == ["v (5,)", "s 5"]
    assert labels(p, "output") == ["output (5,)"]
    assert "shape (5,)" in box(p, "v (5,)").tooltip
    assert "shape ()" in box(p, "s 5").tooltip
    assert "shape (5,)" in box(p, "output (5,)").tooltip


@pytest.mark.parametrize("length", [38, 39, 42])
def test_a_few_operations_too_many_are_drawn(length):
    y = am.tensor([1.0, 2.0], name="x")
    for _ in range(length):
        y = np.tanh(y)
    p = picture(y)
    assert labels(p, "earlier") == []
    assert len(labels(p, "operation")) == length


def test_an_operation_of_two_operands_has_two_arrows_also_from_what_is_left_out():
    y = am.tensor([1.0, 2.0], name="x")
    y = without_repeats(y, 50)
    p = picture(without_repeats(np.exp(y) * y, 37))
    (earlier,) = labels(p, "earlier")
    assert entering(p, "×") == [earlier] * 2


def test_copies_of_a_shared_parameter_are_marked():
    first, second = (am.nn.Dense(3, 3, "tanh", seed=0, name=name) for name in ("one", "two"))
    x = am.tensor(np.ones((2, 3)), name="x")
    once = first(first(first(x)))
    p = picture(once)
    weights = [b for b in p.boxes if b.role == "parameter" and "3×3" in b.words]
    assert [b.lines for b in weights] == [
        ("one.weight", "3×3", "shared 1"),  # for the first two calls
        ("weight", "3×3", "shared 1"),
    ]
    assert "one tensor, drawn 2 times, each marked 'shared 1'" in weights[0].tooltip
    marks = {b.lines[-1] for b in picture(second(second(second(once)))).boxes}
    assert {f"shared {i}" for i in (1, 2, 3, 4)} <= marks
    assert not {"shared 5", "shared"} & marks


def recurrent(steps=8):
    """A recurrent network of one cell, entered `steps` times, with plain arrays as inputs."""
    shapes = {"W": (3, 4), "U": (4, 4), "b": (4,)}
    w, u, b = (am.tensor(np.full(s, 0.1), name=n, requires_grad=True) for n, s in shapes.items())
    h = am.tensor(np.zeros((2, 4)), name="h0")
    for t in range(steps):
        with am.scope(f"cell_{t}"):
            h = np.tanh(np.ones((2, 3)) @ w + h @ u + b)
    return np.mean(h)


def test_a_folded_box_lists_its_parameters_and_counts_its_arrays():
    p = graph_picture(am.Graph(recurrent()), "operations", 40, "TB", None, open="cell_7")[0]
    cells = [b.lines for b in p.boxes if b.role == "scope"]
    shared = "shared with 6 folds and boxes outside"
    listed = ("5 operations", "3 parameters: W, U, b", shared, "1 array")
    assert cells == [(f"cell_{i}", *listed) for i in range(7)]
    assert labels(p, "parameter") == ["W 3×4 shared", "U 4×4 shared", "b (4,) shared"]
    assert box(p, "b (4,) shared").tooltip.endswith("one tensor, listed in 7 folds")


def pair(shared):
    """Return the distance of two networks, of one and the same or of two alike."""
    one = nn.MLP([4, 5, 3], activation="tanh", seed=0)
    other = one if shared else nn.MLP([4, 5, 3], activation="tanh", seed=1)
    with am.scope("left"):
        u = one(am.tensor(np.ones((2, 4)), name="a"))
    with am.scope("right"):
        v = other(am.tensor(np.ones((2, 4)), name="b"))
    return ((u - v) ** 2).sum()


def test_folds_say_with_whom_they_share_their_parameters():
    found = {
        shared: [x.lines for x in viz.draw(pair(shared), open=0).picture.boxes if x.role == "scope"]
        for shared in (True, False)
    }
    assert [lines[3:] for lines in found[True]] == [("shared with right",), ("shared with left",)]
    assert [lines[3:] for lines in found[False]] == [(), ()]


def test_a_part_of_the_parameters_of_a_fold_is_shared():
    w, v = (am.tensor(np.ones((2, 2)), name=name, requires_grad=True) for name in "wv")
    with am.scope("a"):
        h = np.tanh(w @ v)
    with am.scope("b"):
        h = np.tanh(h @ v)
    folds = [x.lines[3:] for x in viz.draw(h, open=0).picture.boxes if x.role == "scope"]
    assert folds == [("1 of 2 shared with b",), ("shared with a",)]


def test_tensors_of_one_name_in_a_fold_are_counted():
    one, other = nn.MLP([4, 5, 3], seed=0), nn.MLP([4, 5, 3], seed=1)
    x = am.tensor(np.ones((2, 4)), name="x")
    with am.scope("pair"):
        y = one(x) + other(x)
    drawing = viz.draw(y.sum(), open=0)
    (fold,) = [x for x in drawing.picture.boxes if x.role == "scope"]
    assert fold.lines[2] == "8 parameters: dense_1.weight 2 times, …"
    facts = next(n["facts"] for n in json.loads(drawing.json)["nodes"] if n["id"] == fold.id)
    assert "dense_2.bias 2 times" in facts["parameters"]


def test_what_is_left_out_between_what_is_shown_has_a_box_there():
    x = am.tensor([1.0, 2.0], name="x")
    first = without_repeats(x, 40)
    y = without_repeats(np.exp(first), 60) * first
    p = picture(y, limit=8)
    boxes = labels(p, "earlier")
    ends = {(a.tail, a.head) for a in p.arrows}
    assert not any((head, tail) in ends for tail, head in ends)
    assert sum(int(text.split()[1]) for text in boxes) + len(labels(p, "operation")) == 102


def test_outputs_that_are_not_drawn_are_counted():
    x = am.tensor([1.0], requires_grad=True, name="x")
    p = picture(*[x * float(i) for i in range(2000)])
    assert labels(p, "output")[-1] == "… 1\N{NO-BREAK SPACE}990 more outputs"
    assert entering(p, labels(p, "output")[-1])


def test_a_leaf_that_is_only_counted_keeps_its_arrows():
    leaves = [am.tensor([1.0], name=f"x{i}", requires_grad=i % 2 > 0) for i in range(20)]
    y = np.stack(leaves)
    p = picture(y * leaves[-1], limit=None)
    assert "… 7 more parameters" in labels(p, "parameter")
    assert labels(p, "input")[-1] == "… 7 more inputs"
    assert entering(p, "×") == ["stack", "x19 (1,)"]
    p = picture(y * np.stack(leaves[::-1]), limit=None)
    assert "… 8 more parameters" in labels(p, "parameter")
    assert len(labels(p, "parameter") + labels(p, "input")) == 7


def test_where_all_parameters_changed_the_picture_says_it_once():
    model = am.nn.MLP([2, 3, 1], "tanh", seed=0)
    optimizer = am.optim.SGD(list(model.parameters()), lr=0.1)
    loss = np.mean(model(np.ones((4, 2))) ** 2)
    loss.backward()
    optimizer.step()
    p = picture(loss)
    assert not [text for text in labels(p, "parameter") if "changed" in text]
    assert labels(p, "legend") == ["all 4 parameters changed since this was recorded"]
    assert labels(picture(np.mean(model(np.ones((4, 2))))), "legend") == []
    x = am.tensor(np.ones((4, 2)), name="x")
    loss = np.mean(model(x) ** 2)
    x.assign(np.zeros((4, 2)))
    for weight in model.parameters():
        weight.assign(weight.data * 2)
    p = picture(loss)
    assert labels(p, "input") == ["x 4×2 changed"]
    assert len(labels(p, "legend")) == 1


def test_the_description_counts_copies_once():
    w = am.tensor(np.ones(2), requires_grad=True, name="w")
    y = w * 1.5
    for _ in range(8):
        y = np.tanh(y)
    drawing = viz.draw(y * w)
    assert labels(drawing.picture, "parameter") == ["w (2,) shared"] * 2
    assert "A graph of 1 parameter, 10 operations, 1 output." in drawing.svg
    ps = [am.tensor(np.ones(2), requires_grad=True, name=f"p{i}") for i in range(14)]
    y = (np.stack(ps).sum(0) * ps[13]).sum()
    for view, told in (
        ("operations", "14 parameters, 4"),
        ("backward", "15 gradients"),
    ):  # one is the seed
        drawing = viz.draw(y, view=view, limit=None)
        names = {b.id: b.words for b in drawing.picture.boxes}
        assert told in drawing.svg and "14 parameters" in drawing.svg
        ends = {(names[a.tail], names[a.head]) for a in drawing.picture.arrows}
        assert ("p13 (2,)", "×") in ends
    with am.scope("s"):
        z = np.stack(ps).sum(0) * w
    for view, told in (("operations", "15 parameters"), ("backward", "16 gradients")):
        assert told in viz.draw((z * w).sum(), view=view, open=0).svg
    many = viz.draw(np.stack([am.tensor([1.0], name=f"x{i}") for i in range(100)]))
    assert "A graph of 100 inputs, 1 operation, 1 output." in many.svg


def test_the_description_counts_what_is_drawn() -> None:
    y = am.tensor(np.ones(3), name="x", requires_grad=True)
    for i in range(90):
        with am.scope("fold") if i < 3 else contextlib.nullcontext():
            y = np.tanh(y) if i % 2 else np.exp(np.sin(y))
    outputs = [y * float(i) for i in range(14)]
    svg = viz.draw(outputs, limit=24).svg
    assert "A graph of 1 parameter, 10 operations, 4 folds, 14 outputs." in svg
    backward = viz.draw(outputs[0], view="backward", limit=12).svg
    seed_and_end = "2 gradients, 3 folds, 3 folds of the backward, 1 output."
    assert f"3 operations, 3 backward operations, {seed_and_end}" in backward
    measured = viz.draw(outputs[0], overlay="memory", limit=12).svg
    assert "3 operations, 3 folds, 1 output." in measured
    for place in np.random.default_rng(0).integers(0, 3, 60):  # nothing in it repeats for long
        y = (np.sin, np.cos, np.tanh)[place](y)
    assert "1 box of what is left out, 1 output." in viz.draw(y, overlay="memory", limit=12).svg
    assert "Colours tell: memory of the results, 0 B to 3.02 KiB." in measured


def test_what_is_too_much_to_describe_is_counted() -> None:
    y = am.tensor(np.ones(3), name="x")
    for _ in range(59):  # and the box of the output
        y = np.tanh(y)
    assert "1 more box takes others." in viz.draw(y, limit=None).svg
    assert "2 more boxes take others." in viz.draw(np.tanh(y), limit=None).svg


def test_lists_that_are_cut_say_how_many_more_there_are() -> None:
    total = am.tensor(np.ones(3), name="x")
    with am.scope("fold"):
        for i in range(60):
            w = am.tensor(np.ones(3), name=f"parameter_{i}", requires_grad=True)
            total = total * w if i % 2 else np.maximum(total, w)
    drawing = viz.draw(np.sum(total), open=0)
    (fold,) = (box for box in drawing.picture.boxes if box.role == "scope")
    shown = fold.tooltip.count("parameter_")
    assert 0 < shown < 60
    assert fold.tooltip.endswith(f"… and {60 - shown} more")
    (facts,) = (x["facts"] for x in json.loads(drawing.json)["nodes"] if x["role"] == "scope")
    shown = facts["parameters"].count("parameter_")
    assert facts["parameters"].endswith(f", … and {60 - shown} more")
    names = [am.tensor(1.0, name=f"a_rather_long_name_{i}") for i in range(40)]
    nodes = json.loads(viz.draw(np.stack(names)).json)["nodes"]
    (facts,) = (x["facts"] for x in nodes if "more inputs" in x["label"])
    shown = facts["holds"].count("a_rather_long_name_")
    assert facts["holds"].endswith(f", … and {35 - shown} more")


def test_each_result_of_an_operation_has_its_facts() -> None:
    parts = np.split(am.tensor(np.arange(18.0), name="x"), 9)
    (facts,) = (
        x["facts"]
        for x in json.loads(viz.draw(parts[0] + parts[8]).json)["nodes"]
        if x["label"].startswith("split")
    )
    assert facts["result :1"] == "(2,), norm 3.606, from 2 to 3, float64"
    assert facts["more results"] == "3"


@pytest.mark.parametrize("name", ["transpose", "getitem", "draw", "reshape", "matmul", "where"])
def test_an_operation_of_a_user_may_have_the_name_of_one_of_ours(name: str) -> None:
    twice = am.primitive(lambda x: 2 * x, name=name, symbol="twice")
    twice.vjp(lambda g, y, x: 2 * g)
    drawing = viz.draw(twice(am.tensor([1.0, 2.0], requires_grad=True, name="x")))
    assert "twice" in drawing.svg
