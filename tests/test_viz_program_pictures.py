"""Pictures of compiled programs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from drawn_programs import FLOAT, Writer, roles, training_step

import autograd_mini as am
import viz
from autograd_mini.compiler.fused_ops import add_terms, declare_operation
from autograd_mini.compiler.graphs import graph_of, phases_of
from autograd_mini.compiler.program import Value
from autograd_mini.core.absent import Absent


# ── several models, several updates ──────────────────────────────────────────────────────────
def adversaries(view: str) -> Any:
    """Return a compiled step that trains two models of one name in turn."""
    one = am.nn.MLP([2, 4, 2], "tanh", seed=0)
    other = am.nn.MLP([2, 4, 1], "tanh", seed=1)
    optimizers = [am.optim.SGD(list(model.parameters()), lr=0.1) for model in (one, other)]

    @am.compile
    def step(z: Any, x: Any) -> Any:
        optimizers[1].zero_grad()
        real, false = other(x), other(am.stop_gradient(one(z)))
        judged = np.mean((real - 1.0) ** 2) + np.mean(false**2)
        judged.backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        made = np.mean((other(one(z)) - 1.0) ** 2)
        made.backward()
        optimizers[0].step()
        return judged, made

    for _ in range(3):
        step(np.ones((8, 2)), np.ones((8, 2)))
    return step.recorded if view == "recorded" else step.program


@pytest.mark.parametrize(("view", "calls"), [("recorded", 5), ("program", 4)])
def test_each_entry_of_a_scope_is_a_box_of_its_own(view: str, calls: int) -> None:
    picture = viz.draw(adversaries(view)).picture
    layers = [b.lines[0] for b in picture.boxes if b.role == "scope"]
    single = [b for b in picture.boxes if b.words == "x @ W + b"]  # dense_2 of the program
    assert layers == (["dense_1", "dense_2"] if view == "recorded" else ["dense_1"]) * calls
    assert len(single) == (0 if view == "recorded" else calls)
    assert [c.caption for c in picture.clusters].count("mlp") == calls
    ends = {(a.tail, a.head) for a in picture.arrows}
    assert not any((head, tail) in ends for tail, head in ends)


def test_a_loss_after_an_update_is_a_forward_again() -> None:
    program = adversaries("recorded")
    phases = phases_of(program)
    told = [phase for place, phase in enumerate(phases) if not place or phase != phases[place - 1]]
    assert told == ["forward", "backward", "update"] * 2
    for step, phase in zip(program.instructions, phases, strict=True):
        expected = {"gradient": "backward", "sgd": "update"}.get(step.scope, "forward")
        assert phase == expected, step


def test_two_updates_of_one_model_have_two_backwards() -> None:
    w = am.tensor([1.0, 2.0], requires_grad=True, name="w")
    optimizer = am.optim.SGD([w], lr=0.5)

    @am.compile
    def step(x: Any) -> Any:
        losses = []
        for _ in range(2):
            optimizer.zero_grad()
            losses.append(np.sum((w * x - 1.0) ** 2))
            losses[-1].backward()
            optimizer.step()
        return losses

    for _ in range(3):
        step(np.array([3.0, 4.0]))
    program = step.recorded
    for instruction, phase in zip(program.instructions, phases_of(program), strict=True):
        expected = {"gradient": "backward", "sgd": "update"}.get(instruction.scope, "forward")
        assert phase == expected, instruction
    captions = [c.caption for c in viz.draw(program, limit=None).picture.clusters]
    assert (captions.count("gradient"), captions.count("sgd")) == (2, 2)


# ── pictures ─────────────────────────────────────────────────────────────────────────────────
def test_phases_have_roles_of_their_own() -> None:
    picture = viz.draw(training_step(), limit=None).picture
    assert roles(picture, "operation") == ["@", "tanh", "−", "x²", "mean"]
    assert roles(picture, "gradient") == ["× 2", "x²", "1 − x", "×", "T", "@"]
    assert roles(picture, "update") == ["× 0.9", "+", "×", "−"]
    assert roles(picture, "updated") == ["← w 2×3", "← velocity 2×3"]
    assert roles(picture, "output") == ["loss"]
    assert [c.caption for c in picture.clusters] == ["mlp", "dense_1", "backward", "update"]
    assert picture.title == "Computation graph of loss"


def test_an_updated_leaf_takes_its_new_value_alone() -> None:
    picture = viz.draw(training_step(), limit=None).picture
    names = {b.id: b.words for b in picture.boxes}
    arrows = [(names[a.tail], names[a.head], a.label) for a in picture.arrows]
    assert [a for a in arrows if a[1].startswith("←")] == [
        ("−", "← w 2×3", "2×3"),
        ("+", "← velocity 2×3", "2×3"),
    ]
    assert ("← w 2×3" in {tail for tail, *_ in arrows}) is False


def test_updated_leaves_stand_in_one_row() -> None:
    drawing = viz.draw(training_step(), limit=None)
    row = [b.id for b in drawing.picture.boxes if b.role == "updated"]
    assert f"{{rank=same; {'; '.join(row)}}}" in drawing.dot


def test_the_svg_tells_the_phases_by_border_and_in_words() -> None:
    root = ElementTree.fromstring(viz.draw(training_step(), limit=None).svg)
    svg = "{http://www.w3.org/2000/svg}"
    classes = [g.get("class", "").split()[-1] for g in root.iter(f"{svg}g") if g.get("class")]
    assert (classes.count("viz-gradient"), classes.count("viz-updated")) == (6, 2)
    dashed = [e for e in root.iter() if e.get("stroke-dasharray")]
    assert len(dashed) == 6
    described = next(root.iter(f"{svg}desc")).text or ""
    assert "6 backward operations, 4 update operations, 2 updated tensors" in described


def test_phases_fold_like_scopes_and_keep_their_looks() -> None:
    picture = viz.draw(training_step(), limit=8).picture
    assert roles(picture, "gradient_scope") == ["backward 6 operations"]
    assert roles(picture, "update_scope") == [
        "update 6 operations 1 parameter: w 1 state: velocity"
    ]
    assert roles(picture, "gradient") == roles(picture, "updated") == []
    assert roles(picture, "input") == ["x 5×2", "t 5×3", "rate"]  # the velocity is inside


def test_the_picture_of_a_program_is_the_same_each_time() -> None:
    assert viz.draw(training_step()).svg == viz.draw(training_step()).svg


def test_what_has_a_graph_is_drawn_as_it() -> None:
    program = training_step()
    step = SimpleNamespace(graph=graph_of(program))
    assert viz.draw(step).svg == viz.draw(program).svg == viz.draw(step.graph).svg
    assert viz.draw(SimpleNamespace(program=program)).svg == viz.draw(program).svg
    assert set(viz.mimebundle(step)) == {"text/plain", "text/html", "image/svg+xml"}


def test_a_compiled_step_is_drawn_before_and_after_its_passes() -> None:
    w = am.tensor([1.0, 2.0], requires_grad=True, name="w")
    optimizer = am.optim.SGD([w], lr=0.5)

    @am.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = np.sum((w - x) ** 2)
        loss.backward()
        optimizer.step()
        return loss

    with pytest.raises(am.AutogradError):
        viz.draw(step)
    for _ in range(2):
        step(np.array([3.0, 3.0]))
    for subject in (step, step.recorded):
        picture = viz.draw(subject, limit=None).picture
        assert {"← w (2,)"} <= set(roles(picture, "updated"))
        assert roles(picture, "gradient")


def test_both_programs_of_a_compiled_function_have_the_same_tensors() -> None:
    model = am.nn.MLP([2, 3, 1], seed=0)
    predict = am.compile(lambda x: (model(x) ** 2).mean())
    for _ in range(3):
        predict(np.ones((4, 2)))
    assert "A graph of 1 input, 4 parameters," in viz.draw(predict, view="compiled").svg


def test_what_has_no_graph_yet_shows_its_text_alone() -> None:
    class Step:
        @property
        def graph(self) -> am.Graph:
            raise am.ArgumentError("not compiled yet")

    assert set(viz.mimebundle(Step())) == {"text/plain"}
    with pytest.raises(am.ArgumentError, match="not compiled yet"):
        viz.draw(Step())


def test_a_program_of_scalars_is_drawn_as_operations() -> None:
    p = Writer()
    graph = graph_of(p.program([p.do("tanh", p.input("x"))]))
    assert roles(viz.draw(graph).picture, "input") == ["x"]
    with pytest.raises(viz.PictureError, match="holds none"):
        viz.draw(graph, view="scalars")


def test_rows_of_the_compilers_own_show_their_symbols() -> None:
    p = Writer()
    x = p.input("x", 2)
    total = declare_operation("added_up", add_terms, "Σ", "The sum of its operands.")
    picture = viz.draw(p.program([p.do(total, x, x, x, shape=(2,))])).picture
    assert roles(picture, "operation") == ["Σ"]
    assert len(picture.arrows) == 4


@pytest.mark.long
def test_a_program_of_30_000_instructions_is_drawn() -> None:
    p = Writer()
    w = p.leaf("w", 2)
    y: Value = w
    for i in range(30_000):
        y = p.do("tanh", y, shape=(2,), path=f"block_{i // 1000}")
    program = p.program([y], (w, p.do("multiply", 0.5, y, shape=(2,))))
    picture = viz.draw(program).picture
    assert len(picture.boxes) < 50


def test_thousands_of_nested_scopes_have_a_graph() -> None:
    p = Writer()
    y = p.do("tanh", p.input("x", 2), shape=(2,), path="/".join(["deeper"] * 3000))
    graph = graph_of(p.program([y]))
    assert len(viz.draw(graph).picture.clusters) <= 8


def test_an_absent_value_has_the_size_of_its_array() -> None:
    value = Absent((100, 2), FLOAT)
    assert (value.ndim, value.size, value.itemsize, value.nbytes) == (2, 200, 4, 800)
    assert np.shape(value) == (100, 2)


@pytest.mark.parametrize("returned", ["loss", "nothing"])
@pytest.mark.parametrize("user", [lambda x: np.gradient(x), am.scope("gradient")(np.exp)])
def test_a_users_scope_called_gradient_is_no_reverse_walk(user: Any, returned: str) -> None:
    w = am.tensor(np.ones(5), name="w", requires_grad=True)
    optimizer = am.optim.SGD([w], lr=0.1)

    @am.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = np.sum(user(x * w) ** 2)
        loss.backward()
        optimizer.step()
        return loss if returned == "loss" else None

    for _ in range(2):
        step(np.linspace(0.5, 1.0, 5))
    for graph in (step.recorded_graph, step.graph):
        forward = [op for op in graph.operations if op.phase == "forward"]
        assert {"concatenate", "exp"} & {op.type for op in forward if op.scope == "gradient"}
        assert not any("backward" in op.scope for op in forward)
    drawn = [box.words for box in viz.draw(step, view="forward", limit=None).picture.boxes]
    assert {"concat", "exp"} & set(drawn)


def scaled(z: Any) -> Any:
    return np.cos(z) + 3.0


def test_a_value_has_the_name_of_the_variable_to_which_it_is_assigned_and_no_other() -> None:
    # fmt: off
    # ruff: noqa: E702  # several statements on a line are what this is about
    @am.compile
    def f(x: Any) -> Any:
        a = np.tanh(x); b = a * 2.0
        c = np.exp(b); np.sinh(c)
        d = scaled(np.sin(c)); e = -d
        k = lambda t: np.cosh(t)  # noqa: E731
        both = [np.sqrt(c), np.square(k(e))]
        g: Any = both[0] + both[1]
        g += 1.0
        h = (
            g
            .reshape((1, 3))
            .cumsum(axis=1)
        )
        several = np.meshgrid(x[0] * 1.5, h[0])
        spread = np.std(h) if True else 0.0
        return several[1] * np.arctan(spread)
    # fmt: on

    for _ in range(2):
        f(np.linspace(0.1, 1.0, 3))
    named = {op.type: op.outputs[0].name for op in f.recorded_graph.operations}
    assert (named["tanh"], named["exp"], named["negative"]) == ("a", "c", "e")
    assert named["cumsum"] == "h"
    for inner in ("sin", "cos", "cosh", "sqrt", "square", "reshape", "sinh", "arctan"):
        assert named.get(inner) is None, inner
    names = [y.name for op in f.recorded_graph.operations for y in op.outputs]
    assert names.count("g") == 2  # each sum is what g was then
    assert not {"k", "d", "both", "several", "spread"} & set(names)
    labels = [arrow.label for arrow in viz.draw(f.recorded, limit=None).picture.arrows]
    assert "a (3,)" in labels


def test_the_forward_tells_who_takes_what_is_not_returned_and_what_comes_after() -> None:
    w = am.tensor(np.ones(3), name="w", requires_grad=True)
    mean = am.tensor(np.zeros(3), name="mean")
    optimizer = am.optim.SGD([w], lr=0.1)

    @am.compile
    def step(x: Any) -> Any:
        optimizer.zero_grad()
        wide = np.tanh(x * w)
        np.sum(np.exp(wide)).backward()
        gradient = w.grad
        optimizer.step()
        mean.data = wide * 0.5
        return np.sum(np.cosh(w)), np.sum(np.sinh(w * x) + gradient)

    for _ in range(2):
        step(np.ones(3))
    drawn = viz.draw(step.recorded, view="forward", limit=None).picture
    found = {role: roles(drawn, role) for role in ("parameter", "input", "output")}
    assert found["parameter"] == ["w (3,)", "w after the update (3,)"]
    assert found["input"] == ["x (3,)"]
    assert "for the update (3,)" in found["output"]  # it is added to a gradient


@pytest.mark.parametrize("when", ["recorded", "program"])
@pytest.mark.parametrize("optimizer", [am.optim.SGD, am.optim.Adam])
def test_a_weight_after_each_update_is_a_parameter_with_its_name(when: str, optimizer: Any) -> None:
    first = am.tensor(np.ones((3, 3)), name="A", requires_grad=True)
    second = am.tensor(np.ones((3, 3)), name="B", requires_grad=True)
    trained = optimizer([first, second], lr=0.1)

    @am.compile
    def step(x: Any) -> Any:
        for _ in range(3):
            trained.zero_grad()
            loss = np.mean(np.tanh(np.tanh(x @ first) @ second))
            loss.backward()
            trained.step()
        return loss

    for _ in range(3):
        step(np.ones((5, 3)))
    picture = viz.draw(getattr(step, when), view="forward", limit=None).picture
    drawn = {box.lines[0] for box in picture.boxes if box.role == "parameter"}
    later = ("", " after the update", " after the 2nd update")
    assert drawn == {f"{name}{ending}" for name in "AB" for ending in later}
    outputs = [box.lines[0] for box in picture.boxes if box.role == "output"]
    assert len(outputs) == len(set(outputs)) > 2


def test_an_update_is_counted_also_where_no_forward_takes_the_one_before() -> None:
    first = am.tensor(np.ones((3, 3)), name="A", requires_grad=True)
    second = am.tensor(np.ones((3, 3)), name="B", requires_grad=True)
    trained = am.optim.SGD([first, second], lr=0.1)

    @am.compile
    def step(x: Any) -> Any:
        for _ in range(3):
            trained.zero_grad()
            loss = np.mean(np.tanh(x @ first) @ second)  # its gradient takes only the last result
            loss.backward()
            trained.step()
        return loss

    step(np.ones((5, 3)))
    step(np.ones((5, 3)))
    picture = viz.draw(step, view="forward", limit=None).picture
    drawn = {box.lines[0] for box in picture.boxes if box.role == "parameter"}
    assert {x for x in drawn if x.startswith("B")} == {"B after the 2nd update"}
