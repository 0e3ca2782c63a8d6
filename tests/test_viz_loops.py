"""A folded loop: its state on a back arrow, its weights once, its measures over the rounds."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_mini as am
import viz

SVG = "{http://www.w3.org/2000/svg}"


def recurrent(rounds: int, own_weights: bool = False) -> am.Tensor:
    weights = [am.tensor(np.eye(4) * 0.8, name="W", requires_grad=True) for _ in range(rounds)]
    h = am.tensor(np.full((2, 4), 0.5), name="h0")
    for place in range(rounds):
        with am.scope(f"step_{place}"):
            h = np.tanh(h @ weights[place if own_weights else 0])
            h.name = "h"
    loss = np.mean(h**2)
    loss.name = "loss"
    return loss


def repeated(drawing: viz.Drawing) -> Any:
    boxes = drawing.picture.boxes
    return next(box for box in boxes if re.search(r"\d (times|rounds)$", box.lines[0]))


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("view", ["operations", "backward", "tensors"])
def test_a_folded_loop_passes_its_state_on_by_a_back_arrow(direction: Any, view: Any) -> None:
    drawing = viz.draw(recurrent(20), view=view, direction=direction)
    (loop,) = drawing.picture.loops
    assert (loop.box, loop.label) == (repeated(drawing).id, "h 2×4")
    assert "1 parameter: W" in repeated(drawing).lines
    (group,) = [
        group
        for group in ElementTree.fromstring(drawing.svg).iter(f"{SVG}g")
        if "viz-loop" in group.get("class", "")
    ]
    assert group.get("data-box") == loop.box
    assert [text.text for text in group.iter(f"{SVG}text")] == [" h 2×4 "]
    assert "step, 20 times passes h 2×4 from round to round." in drawing.svg


def test_rounds_that_pass_nothing_on_have_no_back_arrow() -> None:
    x = am.tensor(np.ones((2, 4)), name="x", requires_grad=True)
    parts = []
    for place in range(10):
        with am.scope(f"head_{place}"):
            parts.append(np.tanh(x) * 2.0)
    drawing = viz.draw(np.concatenate(parts), open=0)
    assert repeated(drawing).lines[0] == "head, 10 times" and not drawing.picture.loops


def test_a_loop_of_operations_has_a_back_arrow() -> None:
    y = am.tensor(1.0, name="x", requires_grad=True)
    for _ in range(100):
        y = y * 0.999 + 0.1
    drawing = viz.draw(y, view="operations")
    (loop,) = drawing.picture.loops
    assert loop.label == "a number"
    assert ">98 rounds</text>" in viz.draw(y, view="operations", overlay="gradients").svg


def test_a_state_of_two_tensors_tells_both() -> None:
    w = am.tensor(np.eye(3), name="W", requires_grad=True)
    h = c = am.tensor(np.ones((2, 3)), name="start")
    for place in range(9):
        with am.scope(f"cell_{place}"):
            c = np.tanh(h @ w) + c * 0.5
            h = np.tanh(c)
            c.name, h.name = "c", "h"
    (loop,) = viz.draw(np.mean(h)).picture.loops
    assert sorted(loop.label.split(", ")) == ["c 2×3", "h 2×3"]


def test_gradients_over_the_rounds_are_a_curve() -> None:
    drawing = viz.draw(recurrent(200), overlay="gradients")
    box = repeated(drawing)
    assert box.lines[0] == "step, 200 times" and len(box.bars) == 24
    assert box.bars[0] < box.bars[12] < box.bars[-1] == 1.0
    first, last = re.fullmatch(r"‖∂‖ by round: (\S+) … (\S+)", box.lines[-1]).groups()  # type: ignore[union-attr]
    assert float(first.replace("−", "-")) < 1e-20 < float(last.replace("−", "-"))
    assert drawing.picture.loops


def test_the_ends_of_the_curve_are_the_norms_of_the_gradients() -> None:
    w = am.tensor(np.eye(4) * 0.8, name="W", requires_grad=True)
    states = [am.tensor(np.full((2, 4), 0.5), name="h0")]
    for place in range(9):
        with am.scope(f"step_{place}"):
            states.append(np.tanh(states[-1] @ w))
    loss = np.mean(states[-1] ** 2)
    line = repeated(viz.draw(loss, overlay="gradients", open=0)).lines[-1]
    norms = []
    for place in (1, 9):
        h = am.tensor(states[place].data, requires_grad=True)
        y = h
        for _ in range(9 - place):
            y = np.tanh(y @ am.tensor(w.data))
        np.mean(y**2).backward()
        norms.append(float(np.linalg.norm(h.grad)))  # type: ignore[arg-type]
    told = [float(x) for x in re.findall(r"[\d.]+(?:e−\d+)?", line.replace("…", " "))]
    assert told == pytest.approx(norms, rel=0.06)


def test_overlays_keep_loops_folded_and_tell_of_blocks_apart() -> None:
    for overlay in ("gradients", "values", "nonfinite", "memory", "flops", "parameters", "time"):
        shared = viz.draw(recurrent(12), overlay=overlay, open=0)
        assert repeated(shared).lines[0] == "step, 12 times"
        own = viz.draw(recurrent(12, own_weights=True), overlay=overlay, open=0)
        assert sum(box.role == "scope" for box in own.picture.boxes) == 12
    crowded = viz.draw(recurrent(60, own_weights=True), overlay="gradients")
    assert repeated(crowded).lines[0] == "step, 60 times"


def test_a_loop_is_drawn_on_a_slide_and_in_every_theme() -> None:
    options: Any
    for options in ({"fit": "16:9"}, {"theme": "dark"}, {"theme": "print"}):
        assert "viz-loop" in viz.draw(recurrent(20), **options).svg


def test_a_back_arrow_names_no_number_of_one_round() -> None:
    y = am.tensor(np.ones(3), name="t").sum()
    for _ in range(30):
        y = y * 1.1 + 1.0
    (loop,) = viz.draw(y, view="operations").picture.loops
    assert loop.label == "a number"


def test_state_that_is_taken_two_rounds_later_is_named_too() -> None:
    states: list[Any] = [am.tensor(np.ones(3), name="t"), am.tensor(np.ones(3), name="u")]
    for _ in range(30):
        states.append(np.tanh(states[-1] + states[-2]))
    (loop,) = viz.draw(states[-1]).picture.loops
    assert loop.label == "(3,), (3,)"
