"""Readable at any size: what is opened on request, and what folds because it repeats."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_mini as am
import viz
from viz.graphs.outline import Outline


def parameter(*shape: int, name: str) -> am.Tensor:
    return am.tensor(np.full(shape, 0.1), name=name, requires_grad=True)


def residual(blocks: int = 12) -> am.Tensor:
    """Return the loss of a network of alike blocks, each of two layers and a shortcut."""
    h = am.tensor(np.ones((4, 3)), name="x")
    for place in range(1, blocks + 1):
        with am.scope(f"block_{place}"):
            with am.scope("first"):
                z = np.tanh(h @ parameter(3, 3, name=f"w{place}"))
            with am.scope("second"):
                z = z @ parameter(3, 3, name=f"v{place}")
            h = h + z
    with am.scope("head"):
        loss = np.mean((h @ parameter(3, 1, name="out")) ** 2)
    loss.name = "loss"
    return loss


def words(drawing: viz.Drawing, role: str) -> list[str]:
    return [box.words for box in drawing.picture.boxes if box.role == role]


def lines(drawing: viz.Drawing, role: str) -> list[tuple[str, ...]]:
    return [box.lines for box in drawing.picture.boxes if box.role == role]


def captions(drawing: viz.Drawing) -> set[str]:
    return {cluster.caption for cluster in drawing.picture.clusters}


# ── repeats ───────────────────────────────────────────────────────────────────────────────────
def test_alike_blocks_are_one_box() -> None:
    drawing = viz.draw(residual())
    (label,) = words(drawing, "scope")
    assert label == "block, 12 times 48 operations 24 parameters: w1, v1, w2, v2, w3, v3, …"
    names = {box.words: box.id for box in drawing.picture.boxes}
    arrows = {(arrow.tail, arrow.head) for arrow in drawing.picture.arrows}
    assert (names["x 4×3"], names[label]) in arrows
    assert len(arrows) == len(drawing.picture.arrows)


def test_few_alike_blocks_stay_as_they_are() -> None:
    found = words(viz.draw(residual(7), limit=20), "scope")
    listed = (f"2 parameters: w{i}, v{i}" for i in range(1, 8))
    assert found == [f"block_{i} 4 operations {text}" for i, text in enumerate(listed, start=1)]


def test_blocks_of_another_structure_are_not_joined() -> None:
    h = am.tensor(np.ones(3), name="x")
    for place in range(20):
        with am.scope(f"block_{place}"):
            h = np.tanh(h) + 1.0 if place != 11 else np.sin(h) * 2.0
    assert words(viz.draw(np.sum(h), limit=12), "scope") == [
        "block, 11 times 22 operations",
        "block_11 2 operations",
        "block, 8 times 16 operations",
    ]


def test_rounds_of_several_scopes_are_joined_where_there_is_no_room() -> None:
    h = am.tensor(np.ones(3), name="x")
    for place in range(30):
        with am.scope(f"attention_{place}"):
            h = np.tanh(h) * h
        with am.scope(f"mlp_{place}"):
            h = np.cos(h) - h
    assert words(viz.draw(np.sum(h)), "scope") == ["attention  mlp, 30 times 120 operations"]


def test_a_loop_shows_its_ends_and_counts_the_rounds_between() -> None:
    h = am.tensor(np.ones((2, 3)), name="h0")
    w = parameter(3, 3, name="w")
    for _ in range(50):
        h = np.tanh(h @ w)
    drawing = viz.draw(h)
    (rounds,) = words(drawing, "scope")
    assert rounds == "@  tanh\n48 rounds 96 operations 1 parameter: w shared with boxes outside"
    assert words(drawing, "operation") == ["@", "tanh"] * 2
    assert words(drawing, "earlier") == []


def test_nothing_leads_out_of_a_box_and_back() -> None:
    x = am.tensor(np.ones(3), name="x")
    h = x
    for place in range(20):
        with am.scope(f"block_{place}"):
            h = np.tanh(h)
        h = h + 1.0 if place % 5 else h
    outline = Outline(am.Graph(np.sum(h)), 10)
    order = {id(part): place for place, part in enumerate(outline.parts)}
    for part in outline.parts:
        for operation in part.operations:
            for taken in operation.inputs:
                before = outline.part_of(taken)
                assert before is None or order[id(before)] <= order[id(part)]


FUNCTIONS: Any = (np.tanh, np.sin, lambda x: x * 2.0, lambda x: x + x)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=60),
    st.integers(4, 30),
    st.sampled_from(["operations", "tensors", "backward"]),
)
def test_every_operation_is_in_one_part(
    program: list[tuple[int, int]], limit: int, view: Any
) -> None:
    h = am.tensor(np.ones(3), name="x", requires_grad=True)
    for function, place in program:
        if place:
            with am.scope(f"block_{place}"):
                h = FUNCTIONS[function](h)
        else:
            h = FUNCTIONS[function](h)
    graph = am.Graph(h)
    outline = Outline(graph, limit)
    held = [operation.serial for part in outline.parts for operation in part.operations]
    assert sorted(held) == [operation.serial for operation in graph.operations]
    for part in outline.parts:
        assert all(outline.part_of(op.outputs[0]) is part for op in part.operations)
    picture = viz.draw(h, view=view, limit=limit).picture
    ids = {box.id for box in picture.boxes}
    assert all({arrow.tail, arrow.head} <= ids for arrow in picture.arrows)


# ── open= ─────────────────────────────────────────────────────────────────────────────────────
def test_a_scope_is_opened_by_its_path() -> None:
    drawing = viz.draw(residual(), open="block_3/first")
    assert {"block_3", "first"} <= captions(drawing)
    assert lines(drawing, "scope") == [
        ("block_1", "4 operations", "2 parameters: w1, v1"),
        ("block_2", "4 operations", "2 parameters: w2, v2"),
        ("block, 9 times", "36 operations", "18 parameters: w4, v4, w5, v5, w6, v6, …"),
    ]


def test_scopes_are_opened_by_patterns_and_lists() -> None:
    loss = residual()
    assert captions(viz.draw(loss, open="block_*/second")) >= {"second", "block_1", "block_12"}
    assert captions(viz.draw(loss, open=["block_1", "block_12"])) >= {"block_1", "block_12"}


def test_a_depth_opens_all_down_to_it() -> None:
    loss = residual()
    assert captions(viz.draw(loss, open=0)) == set()
    assert captions(viz.draw(loss, open=1)) == {"head", *(f"block_{i}" for i in range(1, 13))}
    assert captions(viz.draw(loss, open=2)) >= {"first", "second"}


def test_a_function_opens_and_folds() -> None:
    drawing = viz.draw(residual(2), open=lambda path: {"head": False, "block_2": True}.get(path))
    assert ("head", "3 operations", "1 parameter: out") in lines(drawing, "scope")
    assert "block_2" in captions(drawing)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("blok_3", "there is block_3"),
        (["head", "tail"], "no scope of the graph has this path"),
        (True, "is not known"),
        (-1, "is not known"),
        ([3], "is not known"),
        (1.5, "is not known"),
    ],
)
def test_what_opens_nothing_is_a_clear_error(wanted: Any, message: str) -> None:
    with pytest.raises(viz.PictureError, match=message):
        viz.draw(residual(), open=wanted)


def test_scopes_are_opened_in_views_of_operations_only() -> None:
    x = am.tensor(2.0, name="x")
    with am.scope("square"):
        y = x * x
    assert captions(viz.draw(y, open="square")) == {"square"}
    with pytest.raises(viz.PictureError, match="open= is for views of operations"):
        viz.draw(y, view="scalars", open="square")


def test_a_scope_that_is_too_deep_to_be_opened_is_told_from_one_that_is_missing() -> None:
    y = am.tensor(np.ones(2), name="x")
    with ExitStack() as stack:
        for depth in range(10):
            stack.enter_context(am.scope(f"d{depth}"))
            y = np.tanh(y)
    assert y.op is not None
    for path in (y.op.scope, "*/d9"):
        with pytest.raises(viz.PictureError, match="too deep to be drawn open.*depth 8"):
            viz.draw(y.sum(), open=path)
    with pytest.raises(viz.PictureError, match="no scope of the graph has this path"):
        viz.draw(y.sum(), open=f"{y.op.scope}/d10")
    viz.draw(y.sum(), open="/".join(f"d{depth}" for depth in range(8)))


def test_a_graph_without_scopes_says_how_to_make_some() -> None:
    with pytest.raises(viz.PictureError, match=r"am\.scope"):
        viz.draw(np.sin(am.tensor([1.0])), open="mlp")


def test_functions_of_the_library_are_one_box_until_they_are_opened() -> None:
    y = am.softmax(am.tensor(np.ones((2, 3)), name="x"))
    assert words(viz.draw(y), "scope") == ["softmax 8 operations"]
    assert captions(viz.draw(y, open="softmax")) == {"softmax"}
    assert captions(viz.draw(y, limit=None)) == {"softmax"}


def test_pages_open_what_is_asked_for() -> None:
    page = viz.page(residual(), open="block_3")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    opened = [data["levels"][number]["name"] for number in data["open"]]
    assert "block_3" in opened and "block_4" not in opened
