"""Graphs and pictures of compiled programs: phases, updated leaves, values that are absent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn_programs import FLOAT, Writer, roles, training_step

import autograd_mini as am
import viz
from autograd_mini.compiler.fused_ops import declare_operation, flat, parts
from autograd_mini.compiler.graphs import graph_of, phases_of
from autograd_mini.compiler.program import Program, Value
from autograd_mini.core.record import scope

FORWARD = ["matmul", "tanh", "subtract", "square", "mean"]


BACKWARD = ["multiply", "square", "subtract", "multiply", "transpose", "matmul"]


def in_phase(program: Program, phase: str) -> list[str]:
    return [
        step.primitive.name
        for step, found in zip(program.instructions, phases_of(program), strict=True)
        if found == phase
    ]


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
