"""Graphs and pictures of compiled programs: phases, updated leaves, values that are absent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini.compiler.fused_ops import add_terms, declare_operation, flat, parts
from autograd_mini.compiler.graphs import graph_of
from autograd_mini.compiler.phases import phases_of
from autograd_mini.compiler.program import Instruction, Program, Value
from autograd_mini.core.absent import Absent
from autograd_mini.core.primitive import PRIMITIVES
from autograd_mini.core.record import scope

FLOAT = np.dtype("float32")


class Writer:
    """Writes a program by hand, one instruction a call."""

    def __init__(self) -> None:
        self.inputs: list[Value] = []
        self.leaves: dict[Value, am.Tensor] = {}
        self.constants: dict[Value, Any] = {}
        self.instructions: list[Instruction] = []

    def input(self, name: str, *shape: int) -> Value:
        self.inputs.append(Value(shape, FLOAT, name))
        return self.inputs[-1]

    def leaf(self, name: str, *shape: int, trained: bool = True) -> Value:
        value = Value(shape, FLOAT, name)
        self.leaves[value] = am.tensor(np.zeros(shape, FLOAT), requires_grad=trained, name=name)
        return value

    def constant(self, data: Any, name: str | None = None) -> Value:
        value = Value(np.shape(data), np.asarray(data).dtype, name)
        self.constants[value] = data
        return value

    def do(self, name: Any, *operands: Any, shape: Any = (), path: str = "", **params: Any) -> Any:
        primitive = PRIMITIVES[name] if isinstance(name, str) else name
        shapes = shape if primitive.multiple else [shape]
        results = tuple(Value(s, FLOAT) for s in shapes)
        step = Instruction(primitive, operands, params, results, path, "model.py:7")
        self.instructions.append(step)
        return results if primitive.multiple else results[0]

    def program(self, outputs: list[Any], *updates: tuple[Value, Value]) -> Program:
        return Program(
            "step",
            self.inputs,
            self.leaves,
            self.constants,
            self.instructions,
            outputs,
            list(updates),
        )


def training_step(returned: str = "loss") -> Program:
    """One layer of 2 × 3, a squared loss, its gradient, and gradient descent with momentum."""
    p = Writer()
    x, t = p.input("x", 5, 2), p.input("t", 5, 3)
    w, v = p.leaf("w", 2, 3), p.leaf("velocity", 2, 3, trained=False)
    rate = p.leaf("rate", trained=False)
    z = p.do("matmul", x, w, shape=(5, 3), path="mlp/dense_1")
    h = p.do("tanh", z, shape=(5, 3), path="mlp/dense_1")
    d = p.do("subtract", h, t, shape=(5, 3))
    loss = p.do("mean", p.do("square", d, shape=(5, 3)), axis=(0, 1), keepdims=False)
    loss.name = "loss"
    gh = p.do("multiply", 2, d, shape=(5, 3))
    slope = p.do("subtract", 1, p.do("square", h, shape=(5, 3)), shape=(5, 3))
    gz = p.do("multiply", gh, slope, shape=(5, 3))
    g = p.do("matmul", p.do("transpose", x, shape=(2, 5), axes=(1, 0)), gz, shape=(2, 3))
    norm = p.do("sum", p.do("square", g, shape=(2, 3)), axis=(0, 1), keepdims=False)
    moved = p.do("add", p.do("multiply", 0.9, v, shape=(2, 3)), g, shape=(2, 3))
    new = p.do("subtract", w, p.do("multiply", rate, moved, shape=(2, 3)), shape=(2, 3))
    outputs = {"loss": [loss], "norm": [loss, norm], "nothing": []}[returned]
    return p.program(outputs, (w, new), (v, moved))


FORWARD = ["matmul", "tanh", "subtract", "square", "mean"]
BACKWARD = ["multiply", "square", "subtract", "multiply", "transpose", "matmul"]


def in_phase(program: Program, phase: str) -> list[str]:
    return [
        step.primitive.name
        for step, found in zip(program.instructions, phases_of(program), strict=True)
        if found == phase
    ]


def roles(picture: viz.Picture, role: str) -> list[str]:
    return [box.words for box in picture.boxes if box.role == role]


# ── phases ───────────────────────────────────────────────────────────────────────────────────
def test_forward_backward_and_update_of_a_training_step_are_told_apart() -> None:
    program = training_step()
    assert in_phase(program, "forward") == FORWARD
    assert in_phase(program, "backward") == BACKWARD
    unused = ["square", "sum"]  # the norm, which nothing needs
    assert in_phase(program, "update") == [*unused, "multiply", "add", "multiply", "subtract"]


def test_an_output_made_of_gradients_does_not_make_the_backward_a_forward() -> None:
    program = training_step("norm")
    assert in_phase(program, "forward") == FORWARD
    assert in_phase(program, "backward") == BACKWARD


STEPS = ("nothing", "norm", "twice", "after")


def compiled_step(returned: str) -> Any:
    """A training step that returns its loss, or anything else."""
    am.random.seed(0)
    model = am.nn.MLP([2, 3, 1])
    optimizer = am.optim.SGD(model.parameters(), lr=0.1)

    @am.compile
    def step(x: Any) -> Any:
        for _ in range(2 if returned == "twice" else 1):
            loss = (model(x) ** 2).mean()
            loss.backward()
            norm = sum((p.grad**2).sum() for p in model.parameters())
            optimizer.step()
            optimizer.zero_grad()
        if returned == "after":
            return (model(x) ** 2).mean()
        return {"nothing": None, "norm": norm, "loss": loss, "twice": loss}[returned]

    for _ in range(3):
        step(np.ones((3, 2)))
    return step


@pytest.mark.parametrize("when", ["recorded", "program"])
@pytest.mark.parametrize("returned", STEPS)
def test_what_takes_nothing_of_a_gradient_is_forward_whatever_is_returned(
    returned: str, when: str
) -> None:
    program = getattr(compiled_step(returned), when)
    phases = phases_of(program)
    assert {"forward", "backward", "update"} == set(phases)
    for step, phase in zip(program.instructions, phases, strict=True):
        if step.scope.startswith("mlp") or step.primitive.name == "mean":
            assert phase == "forward", step
        elif step.scope:
            assert phase == {"gradient": "backward", "sgd": "update"}[step.scope], step


@pytest.mark.parametrize("when", ["recorded", "program"])
@pytest.mark.parametrize("returned", ["loss", *STEPS])
def test_the_view_of_the_forward_shows_it_and_nothing_else(returned: str, when: str) -> None:
    program = getattr(compiled_step(returned), when)
    picture = viz.draw(program, view="forward", limit=None).picture
    made = {box.role for box in picture.boxes}
    assert made == {"input", "parameter", "operation", "output"}
    forward = [
        step.primitive.symbol
        for step, phase in zip(program.instructions, phases_of(program), strict=True)
        if phase == "forward"
    ]
    assert forward.count("tanh") == roles(picture, "operation").count("tanh")
    rounds = 2 if returned in ("twice", "after") else 1
    assert roles(picture, "operation").count("tanh") == rounds
    updated = [box.words for box in picture.boxes if "after the update" in box.words]
    assert len(updated) == (4 if rounds == 2 else 0)
    ends = [box.words for box in picture.boxes if "for the gradients" in box.words]
    assert bool(ends) == (returned != "loss")


def test_a_program_that_trains_nothing_is_all_forward() -> None:
    p = Writer()
    count = p.leaf("count", trained=False)
    new = p.do("add", count, 1)
    assert phases_of(p.program([new], (count, new))) == ["forward"]


def test_running_statistics_leave_the_forward_as_it_is() -> None:
    p = Writer()
    x, w, running = p.input("x", 4, 3), p.leaf("w", 3), p.leaf("mean", 3, trained=False)
    mean = p.do("mean", x, shape=(3,), axis=(0,), keepdims=False)
    y = p.do("multiply", p.do("subtract", x, mean, shape=(4, 3)), w, shape=(4, 3))
    loss = p.do("sum", y, axis=(0, 1), keepdims=False)
    kept = p.do("multiply", 0.9, running, shape=(3,))
    later = p.do("add", kept, mean, shape=(3,))
    g = p.do("sum", y, shape=(3,), axis=(0,), keepdims=False)
    new = p.do("subtract", w, p.do("multiply", 0.1, g, shape=(3,)), shape=(3,))
    program = p.program([loss], (running, later), (w, new))
    assert in_phase(program, "forward") == ["mean", "subtract", "multiply", "sum"]
    assert in_phase(program, "backward") == ["sum"]
    assert in_phase(program, "update") == ["multiply", "add", "multiply", "subtract"]


def test_an_update_in_one_row_of_the_compilers_own_is_an_update() -> None:
    descend = declare_operation("accumulate", lambda c, a, b: c - a @ b, "gemm", "c − a·b")
    p = Writer()
    x, w = p.input("x", 5, 2), p.leaf("w", 2, 3)
    y = p.do("matmul", x, w, shape=(5, 3))
    loss = p.do("sum", y, axis=(0, 1), keepdims=False)
    across = p.do("transpose", x, shape=(2, 5), axes=(1, 0))
    new = p.do(descend, w, across, p.do("exp", y, shape=(5, 3)), shape=(2, 3))
    program = p.program([loss], (w, new))
    assert in_phase(program, "forward") == ["matmul", "sum"]
    assert in_phase(program, "backward") == ["transpose", "exp"]
    assert in_phase(program, "update") == ["accumulate"]


def test_an_update_of_several_tensors_as_one_vector_is_an_update() -> None:
    p = Writer()
    x, w, b = p.input("x", 5, 2), p.leaf("w", 2, 3), p.leaf("b", 3)
    y = p.do("add", p.do("matmul", x, w, shape=(5, 3)), b, shape=(5, 3))
    loss = p.do("sum", y, axis=(0, 1), keepdims=False)
    across = p.do("transpose", x, shape=(2, 5), axes=(1, 0))
    slope = p.do("exp", y, shape=(5, 3))
    gw = p.do("matmul", across, slope, shape=(2, 3))
    gb = p.do("sum", slope, shape=(3,), axis=(0,), keepdims=False)
    old = p.do(flat, w, b, shape=(9,))
    moved = p.do("multiply", 0.1, p.do(flat, gw, gb, shape=(9,)), shape=(9,))
    new = p.do("subtract", old, moved, shape=(9,))
    shapes = ((2, 3), (3,))
    new_w, new_b = p.do(parts, new, shape=shapes, shapes=shapes)
    program = p.program([loss], (w, new_w), (b, new_b))
    assert in_phase(program, "forward") == ["matmul", "add", "sum"]
    assert in_phase(program, "backward") == ["transpose", "exp", "matmul", "sum"]
    assert in_phase(program, "update") == ["flat", "flat", "multiply", "subtract", "parts"]


# ── graphs ───────────────────────────────────────────────────────────────────────────────────
def test_a_graph_has_the_operations_of_the_program_in_order() -> None:
    program = training_step("norm")
    graph = graph_of(program)
    names = [step.primitive.name for step in program.instructions]
    assert [op.type for op in graph] == [*names, "assign", "assign"]
    assert sorted(x.name for x in graph.inputs) == ["rate", "t", "velocity", "x"]
    assert [x.name for x in graph.parameters] == ["w"]
    assert [y.name for y in graph.outputs] == ["loss", None, "w", "velocity"]


def test_scopes_are_kept_and_phases_are_the_outermost_ones() -> None:
    graph = graph_of(training_step())
    assert {op.scope for op in graph} == {"mlp/dense_1", "", "backward", "update"}
    first, second = graph.operations[:2]
    assert first._record._scope is second._record._scope


@pytest.mark.parametrize("around", ["", "train/"])
def test_a_phase_takes_the_place_of_a_scope_that_is_its_own(around: str) -> None:
    program = training_step()
    for step, phase in zip(program.instructions, phases_of(program), strict=True):
        own = {"forward": step.scope, "backward": "gradient", "update": "sgd"}[phase]
        step.scope = f"{around}{own}".rstrip("/")
    graph = graph_of(program)
    forward = {f"{around}mlp/dense_1", around.rstrip("/")}
    assert {op.scope for op in graph} == forward | {"gradient", "sgd"}
    assert roles(viz.draw(graph, limit=None).picture, "updated") == ["← w 2×3", "← velocity 2×3"]


def test_a_scope_that_the_forward_shares_stays_inside_of_the_phase() -> None:
    program = training_step()
    for step in program.instructions:
        step.scope = "all"
    assert {op.scope for op in graph_of(program)} == {"all", "backward/all", "update/all", "update"}


def test_a_users_scope_called_backward_is_no_phase() -> None:
    x = am.tensor([1.0, 2.0], name="x")
    with scope("backward"):
        y = np.tanh(x)
    assert roles(viz.draw(y).picture, "operation") == ["tanh"]


def test_operations_know_their_lines_and_parameters() -> None:
    graph = graph_of(training_step())
    assert {op.line for op in graph if op.type != "assign"} == {"model.py:7"}
    (mean,) = [op for op in graph if op.type == "mean"]
    assert mean.params == {"axis": (0, 1), "keepdims": False}


def test_an_update_is_an_assignment_to_the_leaf() -> None:
    graph = graph_of(training_step())
    assign = graph.operations[-2]
    leaf, new = assign.inputs
    assert (leaf, leaf.name) == (graph.parameters[0], "w")
    assert new.op is not None and new.op.type == "subtract"
    assert assign in graph.consumers(leaf)
    assert assign.primitive.symbol == "←"


def test_a_listing_shows_shapes_in_place_of_values() -> None:
    text = str(graph_of(training_step()))
    assert "  input     x (5, 2): float32 (5, 2)" in text
    assert "  parameter w (2, 3): float32 (2, 3)" in text
    assert "  output    loss: float32 ()" in text


def test_no_number_can_be_taken_from_a_graph_of_a_program() -> None:
    loss, *_ = graph_of(training_step()).outputs
    assert (loss.shape, loss.dtype, loss.size, loss.ndim) == ((), FLOAT, 1, 0)
    known = "<float32 (), known when the program runs>"
    assert repr(loss).startswith(f"tensor({known}, name='loss', op=mean")
    for take in (float, np.asarray, np.tanh, lambda t: t + 1, lambda t: t.item()):
        with pytest.raises(am.ConversionError, match="holds no numbers"):
            take(loss)
    assert str(loss) == repr(loss.data) == known


def test_captured_arrays_keep_their_values() -> None:
    p = Writer()
    x = p.input("x", 2)
    half = p.constant(np.float32(0.5))
    table = p.constant(np.ones(2, FLOAT), "table")
    y = p.do("add", p.do("multiply", x, half, shape=(2,)), table, shape=(2,))
    graph = graph_of(p.program([y]))
    assert [t.data for t in graph.constants] == [np.float32(0.5)]
    named = graph.inputs[-1]
    assert (named.name, named.data.tolist()) == ("table", [1.0, 1.0])
    assert roles(viz.draw(graph).picture, "operation") == ["× 0.5", "+"]


def test_outputs_may_be_inputs_numbers_arrays_and_none() -> None:
    p = Writer()
    x = p.input("x", 2)
    outputs = graph_of(p.program([x, 3, p.constant(np.ones(2)), None, x])).outputs
    assert [y.name for y in outputs] == ["x", None, None, "x"]
    assert outputs[0] is outputs[3]
    assert outputs[1].item() == 3
    assert viz.draw(am.Graph(*outputs)).svg


def test_operations_of_several_outputs_are_one_vertex() -> None:
    p = Writer()
    first, second = p.do("split", p.input("x", 4), shape=[(2,), (2,)], places=(2,), axis=0)
    y = p.do("multiply", second, first, shape=(2,))
    graph = graph_of(p.program([y, second]))
    split = graph.operations[0]
    assert [z.shape for z in split.outputs] == [(2,), (2,)]
    assert [x.index for x in graph.operations[1].inputs] == [1, 0]
    picture = viz.draw(graph).picture
    (box,) = [b.id for b in picture.boxes if b.words == "split"]
    assert [a.label for a in picture.arrows if a.tail == box] == [":1 (2,)", ":0 (2,)", ":1"]


def test_empty_complex_and_0d_values_have_a_graph() -> None:
    p = Writer()
    z = Value((0, 3), np.dtype("complex64"), "z")
    p.inputs.append(z)
    y = p.do("sum", z, axis=(0, 1), keepdims=False)
    graph = graph_of(p.program([y]))
    assert "input     z (0, 3): complex64 (0, 3)" in str(graph)
    assert viz.draw(graph).svg


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
    assert layers == ["dense_1", "dense_2"] * calls
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
        "update 6 operations w · 1 parameter velocity · 1 state"
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
    assert set(viz.mimebundle(step)) == {"text/plain", "image/svg+xml"}


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
