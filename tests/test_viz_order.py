"""The order of operands can be read off every picture, wherever the layout puts the boxes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from compiled_steps import train_compiled

import autograd_mini as am
import viz
from viz.output.layout import arrow_ends

SVG = "{http://www.w3.org/2000/svg}"
DIRECTIONS: Any = pytest.mark.parametrize("direction", ["TB", "LR"])


def tips(svg: str) -> dict[int, tuple[float, float]]:
    """Read where the arrows end: the corner of their head that is furthest from their line."""
    found = {}
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        place = re.search(r"-e(\d+)$", group.get("id") or "")
        line, head = next(group.iter(f"{SVG}path"), None), next(group.iter(f"{SVG}polygon"), None)
        if place and line is not None and head is not None:
            ends_of_line = [points(line.get("d"))[0], points(line.get("d"))[-1]]
            far = [
                min(np.hypot(*(p - q)) for q in ends_of_line) for p in points(head.get("points"))
            ]
            x, y = points(head.get("points"))[int(np.argmax(far))]
            found[int(place[1])] = float(x), float(y)
    return found


def points(text: str | None) -> np.ndarray:
    return np.array(re.findall(r"-?[\d.]+", text or ""), float).reshape(-1, 2)


def reversed_pairs(drawing: viz.Drawing) -> Iterator[tuple[str, str]]:
    """Yield what is drawn against its order and does not say which operand it is."""
    picture, known, marks = drawing.picture, tips(drawing.svg), arrow_ends(drawing.picture)
    across = 0 if picture.direction == "TB" else 1
    entering: dict[str, list[int]] = {}
    for place, arrow in enumerate(picture.arrows):
        if arrow.operand and not marks[place].mark:
            entering.setdefault(arrow.head, []).append(place)
    for places in entering.values():
        for one, other in zip(places, places[1:], strict=False):
            if known[one][across] > known[other][across] + 0.5:
                yield picture.arrows[one].tail, picture.arrows[other].tail


def leaf(name: str, *shape: int) -> am.Tensor:
    return am.tensor(np.ones(shape), name=name, requires_grad=True)


@DIRECTIONS
@pytest.mark.parametrize("scope", [False, True])
def test_a_leaf_beside_its_operation_is_on_the_side_of_its_place(
    direction: Any, scope: bool
) -> None:
    x, v, w = leaf("x", 4, 3), leaf("v", 3, 2), leaf("w", 4, 2)

    def compute() -> Any:
        h = np.tanh(x) @ v
        return w / np.tanh(np.tanh(h) - w * 2.0)

    if scope:
        with am.scope("inside"):
            y = compute()
    else:
        y = compute()
    drawing = viz.draw(y, direction=direction, limit=None)
    assert not list(reversed_pairs(drawing))
    told = [arrow.operand for arrow in drawing.picture.arrows]
    assert told.count("1st") == told.count("2nd") == 3


@DIRECTIONS
def test_the_update_of_a_weight_is_drawn_as_it_is_computed(direction: Any) -> None:
    w = leaf("W", 3, 3)
    step = train_compiled(lambda x: np.tanh(x @ w), [w], np.ones((2, 3)))
    assert not list(reversed_pairs(viz.draw(step, direction=direction)))


@DIRECTIONS
@pytest.mark.parametrize("view", ["operations", "tensors", "backward"])
def test_results_that_cross_end_in_order(direction: Any, view: Any) -> None:
    a, b = leaf("a", 3), leaf("b", 3)
    s, t = np.tanh(a), np.sin(b)
    y = (t - s) / (s - t) + np.where(np.array([True, False, True]), t * s, s)
    assert not list(reversed_pairs(viz.draw(y, view=view, direction=direction)))


def test_operands_of_a_graph_of_numbers_end_in_order() -> None:
    a, b = am.tensor(3.0, name="a", requires_grad=True), am.tensor(2.0, name="b")
    drawing = viz.draw((b - np.tanh(a)) / b)
    assert not list(reversed_pairs(drawing))
    assert sum(arrow.operand == "2nd" for arrow in drawing.picture.arrows) == 2


def test_many_operands_say_which_they_are_in_every_format() -> None:
    a, b = leaf("a", 3), leaf("b", 3)
    y = np.concatenate([np.tanh(b), a, np.sin(b), np.exp(a), np.cos(b)])
    drawing = viz.draw(y)
    assert "3rd: (3,)" in drawing.svg
    assert " 2nd " in drawing.dot
    assert "5th#58; #40;3#44;#41;" in drawing.mermaid
    assert [edge["operand"] for edge in json.loads(drawing.json)["edges"]].count("4th") == 1


def test_one_arrow_for_many_operands_says_which_they_are() -> None:
    x = leaf("x", 12)
    parts = np.split(x, 12)
    y = np.concatenate([*parts, np.tanh(x)])
    told = {arrow.operand for arrow in viz.draw(y).picture.arrows}
    assert "1st–12th" in told and "13th" in told


def test_no_order_is_told_where_it_does_not_matter() -> None:
    a, b = leaf("a", 3), leaf("b", 3)
    t = np.tanh(a)
    drawing = viz.draw(np.maximum(np.sin(b), t) + t * np.cos(a) + (t - t))
    assert not any(arrow.operand for arrow in drawing.picture.arrows)


def test_an_arrow_into_a_scope_comes_in_from_above() -> None:
    x, w = leaf("x", 3), leaf("w", 3)
    with am.scope("inside"):
        y = np.tanh(x) + w
    assert "headport=n " in viz.draw(y + x).dot


def test_a_leaf_that_is_neither_first_nor_last_does_not_stand_beside_its_operation() -> None:
    x, w, b = leaf("x", 3), leaf("w", 3), leaf("b", 3)
    y = np.where(np.tanh(x) > 0.5, w, b)
    z = np.concatenate([np.tanh(x), w, b])
    for made in (y, z):
        picture = viz.draw(made).picture
        found = {
            a.operand: e.port for a, e in zip(picture.arrows, arrow_ends(picture), strict=True)
        }
        assert [found["1st"], found["2nd"], found["3rd"]] == ["in0:n", "in1:n", "in2:n"]
