"""Operations and the snapshot of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as am


def neuron() -> tuple[am.Tensor, am.Tensor, am.Tensor]:
    x = am.tensor(1.0, name="x")
    w = am.tensor(0.8, name="w", requires_grad=True)
    return x, w, (w * x - 0.0) ** 2


def test_operations_are_in_order_of_creation() -> None:
    _, _, loss = neuron()
    graph = am.Graph(loss)
    assert [op.type for op in graph.operations] == ["multiply", "subtract", "power"]
    serials = [op.serial for op in graph]
    assert serials == sorted(serials)
    assert len(graph) == 3


def test_leaves_are_sorted_by_role() -> None:
    x, w, loss = neuron()
    graph = am.Graph(loss)
    assert graph.inputs == (x,)
    assert graph.parameters == (w,)
    assert graph.outputs == (loss,)
    assert [t.item() for t in graph.constants] == [0.0, 2]


def test_operation_shows_its_inputs_outputs_and_name() -> None:
    x, w, loss = neuron()
    multiply = am.Graph(loss).operations[0]
    assert multiply.inputs[0] is w
    assert multiply.inputs[1] is x
    assert multiply.name == f"multiply_{multiply.serial}"
    assert multiply.outputs[0].op == multiply
    assert multiply.primitive.symbol == "×"
    assert repr(multiply) == f"multiply_{multiply.serial}((), ())"


def test_views_of_one_operation_are_equal_and_hash_alike() -> None:
    y = am.tensor(1.0) * 2
    assert y.op == y.op
    assert len({y.op, y.op}) == 1
    assert y.op != (y + 1).op
    assert y.op != "multiply"


def test_params_are_a_copy() -> None:
    y = am.tensor([[1.0, 2.0]]).sum(axis=-1, keepdims=True)
    y.op.params["axis"] = "changed"
    assert y.op.params == {"axis": (1,), "keepdims": True}


def test_consumers_are_in_order_and_twice_for_two_edges() -> None:
    x = am.tensor(2.0, name="x")
    square = x * x
    y = square + x
    graph = am.Graph(y)
    assert [op.type for op in graph.consumers(x)] == ["multiply", "multiply", "add"]
    assert graph.consumers(square) == (y.op,)
    assert graph.consumers(y) == ()


def test_consumers_tell_the_outputs_of_one_operation_apart() -> None:
    x = am.tensor([1.0, 2.0, 3.0])
    a, b, c = x
    graph = am.Graph(a * b, np.sin(c))
    assert [op.type for op in graph.consumers(a)] == ["multiply"]
    assert [op.type for op in graph.consumers(c)] == ["sin"]
    assert [op.type for op in graph.operations].count("unstack") == 1
    assert len(graph.operations[0].outputs) == 3
    assert [t.index for t in (a, b, c)] == [0, 1, 2]


def test_constants_are_the_same_objects_at_each_call() -> None:
    _, _, loss = neuron()
    graph = am.Graph(loss)
    power = graph.operations[-1]
    assert graph.inputs_of(power)[1] is graph.inputs_of(power)[1]
    assert graph.inputs_of(power)[1].serial == 0
    assert graph.inputs_of(power)[1] in graph.constants


def test_shared_operation_is_listed_once() -> None:
    x = am.tensor(0.5)
    shared = np.tanh(x)
    graph = am.Graph(shared * 2, shared + 1)
    assert [op.type for op in graph.operations] == ["tanh", "multiply", "add"]


def test_graph_of_a_leaf_has_no_operations() -> None:
    x = am.tensor(1.0)
    graph = am.Graph(x)
    assert (len(graph), graph.inputs, graph.outputs) == (0, (x,), (x,))


def test_listing_names_every_operation_with_its_tensors() -> None:
    x, w, loss = neuron()
    text = str(am.Graph(loss))
    serials = [op.serial for op in am.Graph(loss)]
    assert "input     x: 1" in text
    assert "parameter w: 0.8" in text
    assert f"operation multiply_{serials[0]}(w, x) → multiply_{serials[0]}" in text
    assert f"operation power_{serials[2]}(subtract_{serials[1]}, 2) → power_{serials[2]}" in text
    assert text.splitlines()[-1].endswith(": 0.64")
    assert repr(am.Graph(loss)) == "Graph(3 operations, 1 input, 1 parameter, 1 output)"


def test_listing_shows_shapes_params_and_output_numbers() -> None:
    x = am.tensor(np.ones((2, 3)), name="x")
    parts = np.split(x, 2)
    text = str(am.Graph(parts[1].sum()))
    assert "split_" in text
    assert "places=(1,)" in text
    assert f"{parts[0].op.name}:1 (1, 3)" in text
    assert "axis=(0, 1), keepdims=False" in text


def test_comparisons_and_constants_are_recorded_too() -> None:
    x = am.tensor([1.0, -1.0])
    y = np.where(x > 0, x, 0.0)
    assert [op.type for op in am.Graph(y).operations] == ["greater", "where"]


def test_scopes_nest_and_name_operations() -> None:
    x = am.tensor(1.0)
    with am.scope("mlp"):
        a = x * 2
        with am.scope("dense_1"):
            b = a + 1
        c = b * 3
    d = c - 1
    assert [t.op.scope for t in (a, b, c, d)] == ["mlp", "mlp/dense_1", "mlp", ""]
    assert b.op.name == f"mlp/dense_1/add_{b.serial}"


def test_every_entry_of_a_scope_is_its_own_block() -> None:
    @am.scope("layer")
    def layer(x: Any) -> Any:
        return np.tanh(x * 2)

    x = am.tensor(1.0)
    first, second = layer(x), layer(x)
    assert first.op.scope == second.op.scope == "layer"
    assert first.op._record._scope is not second.op._record._scope
    assert layer.__name__ == "layer"


def test_scope_ends_after_an_error() -> None:
    with pytest.raises(RuntimeError), am.scope("broken"):
        raise RuntimeError
    assert (am.tensor(1.0) * 2).op.scope == ""


def test_composite_functions_have_a_scope_of_their_name() -> None:
    x = am.tensor([1.0, 2.0])
    for function in (am.softmax, am.log_softmax, am.logsumexp, np.var):
        y = function(x)
        name = function.__name__
        assert {op.scope for op in am.Graph(y).operations} == {name}


def test_gradients_are_a_graph_too() -> None:
    x = am.tensor(0.5, requires_grad=True, name="x")
    g = am.grad(lambda t: np.sin(t) * t)(x)
    types = [op.type for op in am.Graph(g).operations]
    assert {"alias", "sin", "cos", "multiply", "add"} <= set(types)
    assert am.Graph(g).parameters == (x,)


@pytest.mark.parametrize("value", [1.0, np.ones(2), None, "text"])
def test_graph_of_something_else_is_refused(value: Any) -> None:
    with pytest.raises(am.OperandError, match="Graph expects tensors"):
        am.Graph(value)
