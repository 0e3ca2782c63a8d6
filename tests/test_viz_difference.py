"""The difference of two graphs: what matches is the same, and the picture shows each arrow."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd_mini as am
import viz
from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor
from viz.comparison import matching
from viz.comparison.matching import freeze
from viz.comparison.union import Union, unite_graphs
from viz.output.dot import box_attributes
from viz.reading import is_number, key, operands, scope_of, scope_path

FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
UNARY: dict[str, Callable[..., Any]] = {
    "tanh": np.tanh,
    "sin": np.sin,
    "T": np.transpose,
    "negative": np.negative,
    "half": lambda x: x * 0.5,
    "third": lambda x: x / 3,
    "flip": lambda x: np.concatenate(np.split(x, 2)[::-1]),
}
BINARY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": lambda a, b: np.tanh(a) * b,
    "matmul": lambda a, b: np.sin(a) @ b,
}
Step = tuple[str, int, int, str]
"""Operation, operands counted from the last result back, scope."""
steps = st.tuples(
    st.sampled_from([*UNARY, *BINARY]),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from(["", "", "block", "head"]),
)
programs = st.lists(steps, min_size=1, max_size=14)


def leaves(count: int = 2, seed: int = 0, named: bool = True) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    return [
        am.tensor(rng.normal(size=(2, 2)), i > 0, name=f"w{i}" if named else None)
        for i in range(count)
    ]


def run(program: list[Step], given: list[Tensor], edit: Any = None) -> Graph:
    """Record a program; `edit` is asked for each operand and may return another one."""
    made: list[Any] = list(given)
    used: set[int] = set()
    for number, (name, first, second, scope) in enumerate(program):
        arity = 1 if name in UNARY else 2
        taken = []
        for slot, back in enumerate((first, second)[:arity]):
            place = len(made) - 1 - back % len(made)
            used.add(place)
            x = made[place]
            taken.append(x if edit is None else edit(number, slot, x))
        function = (UNARY | BINARY)[name]
        if scope:
            with am.scope(scope):
                made.append(function(*taken))
        else:
            made.append(function(*taken))
    ends = [y for i, y in enumerate(made) if i not in used and i >= len(given)]
    return Graph(*ends)


def insert(kind: str, number: int, slot: int) -> Callable[[int, int, Any], Any]:
    """Return an edit that puts one operation before one operand."""

    def edit(at: int, which: int, x: Any) -> Any:
        return UNARY[kind](x) if (at, which) == (number, slot) else x

    return edit


def counts(union: Union) -> dict[str, int]:
    found = Counter(x.change for x in union.operations.values())
    return {change: found[change] for change in ("same", "changed", "new", "gone")}


def arrow_counts(union: Union) -> Counter[str]:
    found = Counter(
        union.uses[op.serial, i].change
        for op in union.graph.operations
        for i, x in enumerate(operands(op))
        if not is_number(x)
    )
    for ending in union.endings:
        found[ending.maker_change] += 1
        found["gone"] += ending.before is not None
    return found


def tell(op: Operation) -> tuple[object, ...]:
    """Return what two operations that are the same must agree in."""
    taken = operands(op)
    return (
        op.primitive,
        scope_path(scope_of(op)),
        repr(sorted(op.params.items())),
        [repr(x) if is_number(x) else (np.shape(x), x.dtype) for x in taken],
        [(y.shape, y.dtype, y.name) for y in op.outputs],
    )


def check_union(union: Union, first: Graph, second: Graph) -> None:
    """Check that a union holds exactly both graphs, and that what it calls the same is so."""
    serials = [op.serial for op in union.graph.operations]
    assert len(serials) == len(union.originals)
    for side, graph in enumerate((first, second)):
        there = {
            serial: pair[side] for serial, pair in union.originals.items() if pair[side] is not None
        }
        assert sorted(op.serial for op in there.values() if op) == [
            op.serial for op in graph.operations
        ]
    other: tuple[dict[Any, Any], dict[Any, Any]] = ({}, {})
    for op in union.graph.operations:
        before, after = union.originals[op.serial]
        change = union.operations[op.serial].change
        assert (before is None) == (change == "new")
        assert (after is None) == (change == "gone")
        if change == "same":
            assert before and after and tell(before) == tell(after)
        for side, original in enumerate((before, after)):
            if original is None:
                continue
            other[side].update(((op.serial, y.index), key(y)) for y in original.outputs)
            mine = ("same", "changed", "gone" if side == 0 else "new")
            found = [
                x
                for i, x in enumerate(operands(op))
                if union.uses[op.serial, i].change in mine and isinstance(x, Tensor)
            ]
            expected = [x for x in operands(original) if isinstance(x, Tensor)]
            assert len(found) == len(expected)
            for x in expected:
                if not x.is_leaf:
                    assert any(other[side].get(key(y)) == key(x) for y in found)
        assert all(x.serial < op.serial for x in operands(op) if isinstance(x, Tensor))
    assert serials == sorted(serials)


# ── properties ───────────────────────────────────────────────────────────────────────────────
@FEW
@given(program=programs, named=st.booleans(), again=st.booleans())
def test_a_graph_is_the_same_as_itself_and_as_its_like(program, named, again):
    first = run(program, leaves(named=named))
    second = run(program, leaves(named=named)) if again else first
    union = unite_graphs(first, second)
    n = len(first.operations)
    assert counts(union) == {"same": n, "changed": 0, "new": 0, "gone": 0}
    assert set(+arrow_counts(union)) == {"same"}
    assert {x.change for x in union.leaves.values()} <= {"same"}
    assert {x.verdict.change for x in union.endings} == {"same"}
    check_union(union, first, second)


@FEW
@given(program=programs, at=st.integers(0, 99), kind=st.sampled_from(["tanh", "sin", "half"]))
def test_one_inserted_operation_is_exactly_what_is_new(program, at, kind):
    number = at % len(program)
    slot = at % 2 if program[number][0] in BINARY else 0
    given = leaves()
    first = run(program, given)
    second = run(program, given, insert(kind, number, slot))
    inserted = UNARY[kind](given[0]).op
    assert inserted is not None
    for a, b, change, other in ((first, second, "new", "gone"), (second, first, "gone", "new")):
        union = unite_graphs(a, b, values=False)
        check_union(union, a, b)
        n = len(first.operations)
        assert counts(union) == {"same": n, "changed": 0, change: 1, other: 0}
        (found,) = [s for s, x in union.operations.items() if x.change == change]
        assert union.original(found).type == inserted.type


@FEW
@given(program=programs, at=st.integers(0, 99))
def test_an_inserted_operation_changes_the_arrow_that_it_stands_in(program, at):
    number = at % len(program)
    slot = at % 2 if program[number][0] in BINARY else 0
    given = leaves()
    first = run(program, given)

    def edit(i: int, which: int, x: Any) -> Any:
        return np.minimum(x, 1.0) if (i, which) == (number, slot) else x

    second = run(program, given, edit)
    union = unite_graphs(first, second, values=False)
    check_union(union, first, second)
    assert counts(union) == {"same": len(first.operations), "changed": 0, "new": 1, "gone": 0}
    (found,) = [s for s, x in union.operations.items() if x.change == "new"]
    assert union.original(found).type == "minimum"
    assert arrow_counts(union)["new"] == 2  # into it, and out of it
    assert arrow_counts(union)["gone"] == 1


@FEW
@given(one=programs, other=programs, named=st.booleans())
def test_the_union_of_any_two_graphs_holds_both_and_claims_nothing_false(one, other, named):
    first, second = run(one, leaves(named=named)), run(other, leaves(seed=1, named=named))
    for values in (None, True, False):
        union = unite_graphs(first, second, values=values)
        check_union(union, first, second)
        found = arrow_counts(union)
        uses = [
            sum(not is_number(x) for op in g.operations for x in operands(op)) + len(g.outputs)
            for g in (first, second)
        ]
        assert found["same"] + found["changed"] + found["gone"] == uses[0]
        assert found["same"] + found["changed"] + found["new"] == uses[1]
        if values:
            for serial, verdict in union.operations.items():
                before, after = union.originals[serial]
                if verdict.change == "same":
                    assert before and after
                    for x, y in zip(before.outputs, after.outputs, strict=True):
                        np.testing.assert_array_equal(x.data, y.data)


@FEW
@given(program=programs, seed=st.integers(0, 99))
def test_the_order_of_recording_does_not_matter(program, seed):
    """The same graph, its operations recorded in another order."""
    given = leaves()
    first = run(program, given)
    rng = np.random.default_rng(seed)
    waiting, made = list(first.operations), {key(x): x for x in given}
    while waiting:
        ready = [
            op
            for op in waiting
            if all(key(x) in made for x in operands(op) if isinstance(x, Tensor))
        ]
        op = ready[rng.integers(len(ready))]
        waiting.remove(op)
        taken = [made[key(x)] if isinstance(x, Tensor) else x for x in operands(op)]
        path = scope_path(scope_of(op))
        if path:
            with am.scope(path):
                results = op.primitive(*taken, **op.params)
        else:
            results = op.primitive(*taken, **op.params)
        results = results if isinstance(results, tuple) else (results,)
        made |= {key(x): y for x, y in zip(op.outputs, results, strict=True)}
    second = Graph(*(made[key(y)] for y in first.outputs))
    union = unite_graphs(first, second)
    check_union(union, first, second)
    assert counts(union)["same"] == len(first.operations)


@FEW
@given(one=programs, other=programs, limit=st.sampled_from([None, 6, 12]))
def test_every_box_and_arrow_of_a_picture_says_how_it_compares(one, other, limit):
    drawing = viz.difference(run(one, leaves()), run(other, leaves(seed=1)), limit=limit)
    picture = drawing.picture
    for box in picture.boxes:
        if box.role not in ("legend", "scale"):
            assert box.change, box
    assert all(arrow.change for arrow in picture.arrows)
    if limit is None:
        found = Counter(x.change for x in picture.boxes if x.role == "operation")
        assert {k: found[k] for k in drawing.operations} == drawing.operations
        arrows: Counter[str] = Counter()
        for arrow in picture.arrows:
            arrows[arrow.change] += arrow.count
        union = unite_graphs(run(one, leaves()), run(other, leaves(seed=1)))
        assert +arrows == +Counter(arrow_counts(union)) == +Counter(drawing.arrows)


@pytest.mark.parametrize("most", [4, 16])
def test_large_graphs_are_cut_and_still_claim_nothing_false(monkeypatch, most):
    monkeypatch.setattr(matching, "MOST_CELLS", most)
    rng = np.random.default_rng(0)
    for _ in range(15):
        programs = [
            [
                (str(rng.choice([*UNARY, *BINARY])), *map(int, rng.integers(0, 5, 2)), "")
                for _ in range(12)
            ]
            for _ in range(2)
        ]
        first, second = (run(p, leaves()) for p in programs)
        check_union(unite_graphs(first, second), first, second)


@given(st.lists(st.integers(0, 2), max_size=12), st.lists(st.integers(0, 2), max_size=12))
def test_the_greedy_alignment_is_a_longest_one(one, other):
    found = matching.align_greedily(one, other)
    assert all(one[i] == other[j] for i, j in found)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(found))
    best = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, x in enumerate(one):
        for j, y in enumerate(other):
            best[i + 1][j + 1] = max(best[i][j] + (x == y), best[i][j + 1], best[i + 1][j])
    assert len(found) == best[-1][-1]


def test_a_long_graph_is_compared_in_seconds():
    def chain(extra: bool) -> Any:
        x = y = am.tensor(np.ones(2), name="x")
        for i in range(6000):
            y = np.tanh(y) if i % 3 else np.sin(y)
            if extra and i in (1000, 4000):
                y = np.negative(y)
        return y + x

    found = viz.difference(chain(False), chain(True), limit=12)
    assert found.operations == {"same": 6001, "changed": 0, "new": 2, "gone": 0}


# ── what is told ─────────────────────────────────────────────────────────────────────────────
def words(drawing: Any) -> set[str]:
    return {box.words for box in drawing.picture.boxes}


def test_a_number_that_differs_is_changed_and_not_new():
    x = am.tensor(np.ones(2), name="x")
    drawing = viz.difference(np.tanh(x * 2), np.tanh(x * 3))
    assert drawing.operations == {"same": 1, "changed": 1, "new": 0, "gone": 0}
    assert "× 3 ≠ was × 2" in words(drawing)


def test_a_parameter_that_differs_is_told():
    x = am.tensor(np.ones((2, 2)), name="x")
    drawing = viz.difference(x.sum(axis=0, keepdims=True), x.sum(axis=1, keepdims=True))
    assert drawing.operations["changed"] == 1
    assert any("was Σ axis 0" in text for text in words(drawing))
    drawing = viz.difference(np.squeeze(x.sum(keepdims=True)), x.sum())
    assert any("keepdims: True → False" in text for text in words(drawing))


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), "x 2×4 ≠ was 2×3"),
        (np.ones(2), np.ones(2, np.float32), "x (2,) ≠ float64 → float32"),
        (np.ones(4), np.array([1, 1, 1, 3.0]), "x (4,) ≠ differs by 100 %"),
        (np.zeros(2), np.ones(2), "x (2,) ≠ all 0 → norm 1.414"),
        (np.ones(2), np.array([1, np.nan]), "x (2,) ≠ 1 of 2 differ, not all finite"),
        (np.array(0.5), np.array(0.25), "x 0.25 ≠ was 0.5"),
        (np.array(1.0), np.array(1 + 1e-12), "x 1 ≠ 1, differs by 1e−12"),
        (np.array([True, False]), np.array([True, True]), "x (2,) ≠ 1 of 2 differ"),
    ],
)
def test_a_leaf_says_how_it_changed(one, other, text):
    given = [am.tensor(x, name="x") for x in (one, other)]
    drawing = viz.difference(*(np.absolute(x) for x in given))
    assert text in words(drawing)
    assert not drawing.same


def test_equal_numbers_are_the_same_also_where_they_are_nan():
    given = [am.tensor(np.array([np.nan, 1.0]), name="x") for _ in range(2)]
    assert viz.difference(*(np.tanh(x) for x in given)).same


def test_numbers_between_are_compared_where_all_operations_match():
    first, second = (am.tensor(np.full(2, v), name="x") for v in (1.0, 2.0))
    drawing = viz.difference((first * 2).sum(), (second * 2).sum())
    assert drawing.operations == {"same": 0, "changed": 2, "new": 0, "gone": 0}
    assert {"× 2 ≠ differs by 100 %", "Σ ≠ 4 → 8", "output 8 ≠ was 4"} <= words(drawing)
    drawing = viz.difference((first * 2).sum(), (np.exp(second) * 2).sum())
    assert drawing.operations == {"same": 2, "changed": 0, "new": 1, "gone": 0}
    assert "only numbers of inputs and outputs are compared" in words(drawing)
    assert "x (2,) ≠ differs by 100 %" in words(drawing)


def test_a_number_that_is_not_compared_is_not_drawn():
    first, second = (am.tensor(v, name="x") for v in (1.0, 2.0))
    drawing = viz.difference(first * 2, second * 2, values=False)
    assert drawing.operations["same"] == 1
    assert {"x", "output", "numbers are not compared"} <= words(drawing)


def test_a_leaf_that_was_assigned_since_is_not_the_same():
    w = am.tensor(np.ones(2), name="w", requires_grad=True)
    before = np.tanh(w)
    w.data = np.full(2, 2.0)
    drawing = viz.difference(before, np.tanh(w))
    assert "w (2,) ≠ assigned since" in words(drawing)
    assert "tanh ≠ differs by 27 %" in words(drawing)


def test_plain_arrays_are_compared():
    x = am.tensor(np.ones(2), name="x")
    drawing = viz.difference(x * np.array([1.0, 2.0]), x * np.array([1.0, 3.0]))
    assert "array (2,) ≠ other numbers" in words(drawing)
    assert viz.difference(x * np.array([1.0, 2.0]), x * np.array([1.0, 2.0])).same


def test_swapped_operands_are_told_by_arrows_with_their_places():
    x, w = (am.tensor(np.full(2, v), name=n) for v, n in ((1.0, "x"), (2.0, "w")))
    drawing = viz.difference(x - w, w - x, values=False)
    assert drawing.operations == {"same": 1, "changed": 0, "new": 0, "gone": 0}
    names = {box.id: box.lines[0] for box in drawing.picture.boxes}
    found = {(names[a.tail], a.change, a.operand) for a in drawing.picture.arrows if a.operand}
    assert found == {
        ("x", "gone", "1st"), ("w", "gone", "2nd"), ("w", "new", "1st"), ("x", "new", "2nd")
    }  # fmt: skip
    assert drawing.arrows == {"same": 1, "changed": 0, "new": 2, "gone": 2}
    assert not drawing.same


def test_outputs_in_another_order_are_not_the_same():
    x = am.tensor(np.ones(2), name="x")
    drawing = viz.difference([x * 1, x * 2], [x * 2, x * 1], values=False)
    assert drawing.operations == {"same": 2, "changed": 0, "new": 0, "gone": 0}
    assert drawing.arrows["new"] == drawing.arrows["gone"] == 2
    assert not drawing.same


def test_an_output_that_another_operation_makes_has_both_arrows():
    x = am.tensor(np.ones(2), name="x")
    drawing = viz.difference(np.tanh(x), np.exp(np.tanh(x)))
    (output,) = [box.id for box in drawing.picture.boxes if box.role == "output"]
    arrows = Counter(a.change for a in drawing.picture.arrows if a.head == output)
    assert arrows == {"new": 1, "gone": 1}


def test_an_arrow_that_is_gone_has_the_shape_that_it_had():
    def f(width: int) -> Any:
        return np.exp(x @ am.tensor(np.ones((3, width)), name="W"))

    x = am.tensor(np.ones((2, 3)), name="x")
    drawing = viz.difference(f(4), np.tanh(f(5).op.inputs[0]))
    assert {(a.label, a.change) for a in drawing.picture.arrows if a.label} >= {
        ("2×4", "gone"), ("2×5", "new")
    }  # fmt: skip


def test_a_fold_counts_what_differs():
    def blocks(extra: bool) -> Any:
        y = am.tensor(np.ones(2), name="x")
        for i in range(3):
            with am.scope(f"block_{i}"):
                y = np.tanh(y) * 2
                y = np.exp(y) if extra and i == 1 else y
        return y

    drawing = viz.difference(blocks(False), blocks(True), open=0)
    found = {box.lines[0]: (box.change, box.lines[-1]) for box in drawing.picture.boxes}
    assert found["block_0"][0] == "same"
    assert found["block_1"] == ("changed", "+ 1 new")
    assert found["block_2"][0] == "same"


def test_multiple_results_keep_their_places():
    x = am.tensor(np.arange(4.0), name="x")

    def f(first: int) -> Any:
        parts = np.split(x, 2)
        return np.tanh(parts[first])

    drawing = viz.difference(f(0), f(1), values=False)
    assert drawing.operations == {"same": 2, "changed": 0, "new": 0, "gone": 0}
    found = {(a.label, a.change) for a in drawing.picture.arrows if a.label}
    assert found == {(":0 (2,)", "gone"), (":1 (2,)", "new")}


def test_the_graphs_that_are_compared_stay_as_they_are():
    x = am.tensor(np.ones(2), name="x", requires_grad=True)
    first, second = np.tanh(x).sum(), np.tanh(np.exp(x)).sum()
    before = [str(Graph(y)) for y in (first, second)]
    viz.difference(first, second)
    assert [str(Graph(y)) for y in (first, second)] == before
    first.backward()
    assert x.grad is not None


# ── subjects ─────────────────────────────────────────────────────────────────────────────────
def test_functions_are_called_with_the_inputs():
    def f(x: Any, w: Any) -> Any:
        return np.tanh(x @ w).sum()

    def g(x: Any, w: Any) -> Any:
        return {"loss": np.tanh(np.exp(x @ w)).sum()}

    inputs = np.ones((2, 3)), np.ones((3, 1))
    for form in (inputs, {"x": inputs[0], "w": inputs[1]}):
        drawing = viz.difference(f, g, inputs=form)
        assert drawing.operations == {"same": 3, "changed": 0, "new": 1, "gone": 0}
        assert {"x 2×3", "w 3×1"} <= words(drawing)


def test_two_models_are_compared_with_and_without_an_input():
    first, second = (am.nn.MLP([2, 3, 1], seed=seed) for seed in (0, 1))
    drawing = viz.difference(first, second)
    assert drawing.operations == {"same": 5, "changed": 0, "new": 0, "gone": 0}
    assert drawing.tensors == {"same": 4, "changed": 2, "new": 0, "gone": 0}  # biases are 0
    assert "only numbers of parameters are compared" in words(drawing)
    drawing = viz.difference(first, second, inputs=np.ones((4, 2)))
    assert drawing.operations["changed"] == 5
    assert viz.difference(first, first, inputs=np.ones((4, 2))).same
    wide = am.nn.MLP([2, 8, 1], seed=0)
    found = viz.difference(first, wide).operations
    assert found == {"same": 1, "changed": 4, "new": 0, "gone": 0}


def test_a_program_is_compared_with_what_the_passes_made_of_it():
    w = am.tensor(np.ones((2, 1)), name="w", requires_grad=True)

    @am.compile
    def f(x: Any) -> Any:
        return np.mean(np.tanh(x @ w) + np.tanh(x @ w))

    for _ in range(4):
        f(np.ones((3, 2)))
    drawing = viz.difference(f.recorded, f)
    assert drawing.operations["gone"] > 0
    assert drawing.tensors["new"] == drawing.tensors["gone"] == 0 or drawing.tensors["same"] >= 2
    assert viz.difference(f, f.program).same
    drawing = viz.difference(f.recorded, np.mean(np.tanh(am.tensor(np.ones((3, 2))) @ w)))
    assert {"output", "numbers are not compared"} <= words(drawing)


def test_each_theme_and_format_draws_it(tmp_path):
    x = am.tensor(np.ones(2), name="x")
    pair = np.tanh(x * 2).sum(), np.exp(x * 3).sum()
    for theme in ("auto", "light", "dark", "print"):
        for suffix in ("svg", "dot", "mmd", "json", "png", "tex"):
            path = tmp_path / f"{theme}.{suffix}"
            drawing = viz.difference(*pair, path, theme=theme)
            assert path.stat().st_size > 200
    svg = drawing.svg
    for change in ("same", "changed", "new", "gone"):
        assert f'data-change="{change}"' in svg
    nodes = json.loads(drawing.json)["nodes"]
    assert {n["facts"]["compared"] for n in nodes if n["role"] == "operation"} == {
        "the same", "changed", "new", "gone"
    }  # fmt: skip
    assert "+ new (thick line): 1 operation, 2 arrows" in svg
    assert {e["change"] for e in json.loads(drawing.json)["edges"]} == {"same", "new", "gone"}
    assert "==>" in drawing.mermaid
    assert re.search(r"\n  class n\d+ gone\n", drawing.mermaid)
    assert "classDef gone fill:#fcefe6,stroke:#d55e00" in drawing.mermaid
    assert repr(drawing).startswith("<Difference: operations 1 same, 1 changed, 1 new, 1 gone; ")


def test_no_meaning_hangs_on_colour_alone():
    x = am.tensor(np.ones(2), name="x")
    drawing = viz.difference(np.tanh(x * 2).sum(), np.exp(x * 3).sum(), theme="print")
    looks = {}
    for box in drawing.picture.boxes:
        if box.role == "operation":
            found = box_attributes(box, ordered=False)
            line = ("dashed" in found["style"], found["penwidth"], found.get("peripheries"))
            looks[box.change] = line, box.lines[-1][:1]
    assert len(looks) == len({line for line, _ in looks.values()}) == 4
    assert {change: mark for change, (_, mark) in looks.items() if change != "same"} == {
        "changed": "≠",
        "new": "+",
        "gone": "−",
    }


# ── errors ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("subject", "options", "text"),
    [
        ("a text", {}, "the first subject, str 'a text', has no graph; expected a tensor"),
        (3.0, {}, "the first subject, float 3.0, has no graph"),
        (np.tanh, {}, r"has to be called.*viz\.difference\(f, g, inputs=\(x, y\)\)"),
        (lambda x: 3, {"inputs": 1.0}, "returned int 3; expected tensors"),
        (lambda: 3, {"inputs": 1.0}, "does not take these inputs: .*pass a tuple"),
        (ValueError("no"), {}, "the first subject is the ValueError no; compare graphs"),
        (None, {"inputs": 1.0}, "both subjects have a graph already, so leave it out"),
        (None, {"limit": 2}, "limit=2 is too few"),
        (None, {"theme": "pink"}, "theme='pink' is not known"),
        (None, {"path": "a.html"}, r"a difference has no page; write 'a\.html' as \.svg"),
        (None, {"path": "a.gif"}, "moves"),
        (None, {"open": "nowhere"}, "no scope of the graph has this path"),
    ],
)
def test_mistakes_are_explained(subject, options, text):
    y = np.tanh(am.tensor(np.ones(2), name="x"))
    with pytest.raises(viz.PictureError, match=text):
        viz.difference(y if subject is None else subject, y, **options)


def test_parameters_of_operations_are_equal_only_if_they_are():
    alike = [1, 1.0, True, "1", None, (1,), [1], {1: 2}, slice(1), np.float32(1), np.ones(1), ...]
    for i, one in enumerate(alike):
        for j, other in enumerate(alike):
            assert (freeze(one) == freeze(other)) == (i == j)
    assert freeze(np.nan) == freeze(float("nan"))
    assert freeze(0.0) != freeze(-0.0)
    assert freeze(object()) != freeze(object())


def test_a_theme_of_ones_own_is_refused() -> None:
    x = am.tensor(np.ones(2), name="x")
    with pytest.raises(viz.PictureError, match="keeps its four colours"):
        viz.difference(np.exp(x), np.tanh(x), theme=viz.Theme())  # type: ignore[arg-type]
