"""Labels say what was written: constants, axes, accumulated gradients, outputs that are leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini import nn
from viz.texts import format_constant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.99999, "0.99999"),
        (2.00001, "2.00001"),
        (1 / 3, "≈0.333333"),
        (-2 / 3, "≈−0.666667"),
        (1 + 1e-9, "1.000000001"),
        (0.1 + 0.2, "≈0.3"),
        (np.float32(0.1), "0.1"),
        (16777217, "16777217"),
        (1234567.0, "1234567"),
        (1e-300, "1e−300"),
        (-0.0, "0"),
        (np.inf, "inf"),
        (True, "True"),
    ],
)
def test_a_constant_is_never_written_as_another_number(value: Any, text: str) -> None:
    assert format_constant(value) == text


def test_a_constant_that_is_cut_is_whole_in_the_tooltip() -> None:
    w = am.tensor(np.ones(3), name="w", requires_grad=True)
    (box,) = [x for x in viz.draw(w * (1 / 3)).picture.boxes if x.role == "operation"]
    assert box.lines == ("× ≈0.333333",)
    assert "0.3333333333333333" in box.tooltip


def test_only_a_reversal_of_axes_is_called_t() -> None:
    w = am.tensor(np.ones((2, 3, 4)), name="w", requires_grad=True)
    for made, label in (
        (np.transpose(w, (2, 0, 1)), "axes 2, 0, 1"),
        (np.transpose(w, (1, 0, 2)), "axes 1, 0, 2"),
        (np.swapaxes(w, 0, 1), "swapaxes"),
        (w.T, "T"),
        (w[0].T, "T"),
    ):
        told = [x.words for x in viz.draw(made).picture.boxes if x.role == "operation"]
        assert told[-1] == label


def test_frames_and_overlay_say_what_grad_holds_where_it_is_another_number() -> None:
    w = am.tensor(np.ones(2), name="w", requires_grad=True)
    loss = (w * w).sum()
    loss.backward()
    once = viz.frames(loss).drawing.picture.boxes[0].lines[-1]
    assert once == "‖grad‖ 2.828, sum of 2 terms"
    loss.backward()
    frames = viz.frames(loss)
    assert frames.drawing.picture.boxes[0].lines[-1] == "‖grad‖ 2.828, sum of 2 terms; .grad 5.657"
    written = [x.text for step in frames.steps for x in step.writings if x.box == "n0"]
    assert written[-1].endswith("; .grad 5.657")
    shown = viz.draw(loss, overlay="gradients").picture.boxes[0].lines[-1]
    assert shown == "‖∂‖ 2.8; .grad 5.7"


def test_a_leaf_that_is_an_output_is_drawn_as_one_in_the_view_of_numbers() -> None:
    w = am.tensor(2.0, name="w", requires_grad=True)
    t = am.tensor(3.0, name="t")
    y = w * w
    y.name = "y"
    picture = viz.draw([y, t, w]).picture
    outputs = [box.cells[0].text for box in picture.boxes if box.role == "output"]
    assert outputs == ["y", "t", "w"]
    assert viz.frames(am.Graph(y, t, w)).steps


def test_what_gradients_miss_is_told_as_the_picture_calls_it() -> None:
    w, u = (am.tensor(np.ones(2), name=name, requires_grad=True) for name in "wu")
    y = (w * u).sum()
    u.data = np.zeros(2)
    with pytest.raises(viz.PictureError, match="u changed .*, and × needs its former value"):
        viz.draw(y, overlay="gradients")


def test_the_legend_of_a_sample_speaks_of_all_that_has_its_colours() -> None:
    model = nn.Sequential(nn.Dense(1, 1, seed=0, bias=False))
    next(iter(model.parameters())).data = np.array([[2.0]])
    words = [x.words for x in viz.draw(model, sample=[-1.0]).picture.boxes if x.role == "legend"]
    assert words == ["positive", "negative"]
    words = [x.words for x in viz.draw(model).picture.boxes if x.role == "legend"]
    assert words == ["positive weight"]


def test_logsumexp_is_one_box() -> None:
    x = am.tensor(np.ones((2, 3)), name="x", requires_grad=True)
    picture = viz.draw(am.logsumexp(x, axis=-1).sum()).picture
    assert [box.lines[0] for box in picture.boxes if box.role == "scope"] == ["logsumexp"]
    assert len([box for box in picture.boxes if box.role == "operation"]) == 1
