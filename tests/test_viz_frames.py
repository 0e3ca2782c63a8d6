"""Frames: numbers appear as they are computed, gradients as they arrive, nothing jumps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_mini as am
import viz
from viz.backward_pass import visits


def expression():
    """Return (a·b + a)² for a = 2 and b = −3: gradients −8·(b + 1) and −8·a."""
    a = am.tensor(2.0, name="a", requires_grad=True)
    b = am.tensor(-3.0, name="b", requires_grad=True)
    c = a * b + a
    c.name = "c"
    loss = c**2
    loss.name = "L"
    return a, b, loss


def network():
    rng = np.random.default_rng(0)
    model = am.nn.MLP([2, 3, 1])
    loss = am.nn.mse(model(rng.normal(size=(8, 2))), rng.normal(size=(8, 1)))
    loss.name = "loss"
    return model, loss


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(x.itertext()) for x in root.iter("{http://www.w3.org/2000/svg}text")]


def positions(svg: str) -> list[str]:
    """Return the shapes of the boxes, without the glow."""
    still = re.sub(r'<g class="flow.*?</g>', "", svg, flags=re.S)
    return re.findall(r'<(?:polygon|ellipse) fill="#f[^>]*>', still)


def test_captions_tell_values_and_the_chain_rule_with_numbers():
    _, _, loss = expression()
    told = [frame.caption for frame in viz.frames(loss)]
    assert told[0] == "given: a = 2, b = −3"
    assert told[1] == "v₁ = a × b = 2 × (−3) = −6"
    assert told[2] == "c = v₁ + a = −6 + 2 = −4"
    assert told[3] == "L = c^2 = (−4)^2 = 16"
    assert "∂L/∂L = 1" in told[4]
    assert told[5].startswith("∂L/∂c = ∂L/∂L × ∂L/∂c = 1 × (−8) = −8")
    assert "∂L/∂a = −8 + ∂L/∂v₁ × ∂v₁/∂a = −8 + (−8) × (−3) = 16" in told[7]
    assert "∂L/∂b = ∂L/∂v₁ × ∂v₁/∂b = −8 × 2 = −16" in told[7]


def test_numbers_appear_as_they_are_computed_and_gradients_as_they_arrive():
    _, _, loss = expression()
    series = viz.frames(loss)
    assert "data −6" not in texts(series[0].svg)
    assert "data −6" in texts(series[1].svg)
    assert not any(text.startswith("grad") for text in texts(series[3].svg))
    assert "grad 1" in texts(series[4].svg)
    assert "grad −8" in texts(series[6].svg)  # what a has received so far
    assert "grad 16" in texts(series[-1].svg) and "grad −8" in texts(series[-1].svg)


def test_the_last_frame_has_the_gradients_of_backward():
    a, b, loss = expression()
    loss.backward()
    shown = texts(viz.frames(loss)[-1].svg)
    assert f"grad {a.grad:g}" in shown and f"grad −{-b.grad:g}" in shown


def test_all_frames_have_one_layout():
    _, _, loss = expression()
    series = viz.frames(loss)
    assert len({tuple(positions(frame.svg)) for frame in series}) == 1
    assert len({re.search(r'viewBox="[^"]*"', frame.svg).group() for frame in series}) == 1


def test_frames_of_one_page_share_no_ids():
    _, _, loss = expression()
    ids = [set(re.findall(r' id="([^"]*)"', frame.svg)) for frame in viz.frames(loss)]
    assert not set.intersection(*ids)


def test_contributions_add_up_to_the_gradient():
    x = am.tensor(3.0, requires_grad=True, name="x")
    loss = x * x + x
    parts = [c for visit in visits(am.Graph(loss)) for c in visit.contributions if c.operand is x]
    assert [float(part.amount) for part in parts] == [1, 3, 3]
    assert [float(part.total) for part in parts] == [1, 4, 7]


def test_gradients_of_arrays_are_told_by_their_norm():
    model, loss = network()
    loss.backward()
    weight = next(p for p in model.parameters() if p.shape == (2, 3))
    series = viz.frames(loss)
    told = "\n".join(frame.caption for frame in series)
    assert f"norm {np.linalg.norm(weight.grad):.4g}" in told
    assert f"‖grad‖ {np.linalg.norm(weight.grad):.4g}" in texts(series[-1].svg)
    assert not any("‖grad‖" in text for text in texts(series[3].svg))


@pytest.mark.parametrize("most", [4, 10, 60])
def test_there_are_no_more_frames_than_asked_for(most):
    x = am.tensor(1.0, requires_grad=True, name="x")
    y = x
    for _ in range(50):
        y = np.sin(y) * x
    series = viz.frames(y, most=most, limit=None)
    assert 2 <= len(series) <= most + 2


def test_scopes_fold_into_one_step_each():
    x = am.tensor(np.ones(3), requires_grad=True, name="x")
    y = x
    for place in range(30):
        with am.scope(f"block_{place}"):
            y = (np.tanh if place % 2 else np.sin)(y) * 2 + 1
    series = viz.frames(y.sum())
    assert len(series) <= 70
    assert any("block_7: 3 operations" in frame.caption for frame in series)


def test_a_constant_graph_has_forward_frames_only():
    y = am.tensor(2.0, name="x") * 3
    assert {frame.step.phase for frame in viz.frames(y)} == {"forward"}


def test_a_stale_graph_has_forward_frames_only():
    x = am.tensor(2.0, name="x", requires_grad=True)
    y = x * x
    x.assign(5.0)
    assert {frame.step.phase for frame in viz.frames(y)} == {"forward"}


def test_several_outputs_complex_numbers_and_empty_arrays_have_frames():
    x = am.tensor(np.arange(4.0), requires_grad=True, name="x")
    first, second = np.split(x, 2)
    assert len(viz.frames([first.sum(), second.sum()])) > 4
    z = am.tensor(1.0 + 2.0j, requires_grad=True, name="z")
    assert any("∂" in frame.caption for frame in viz.frames(np.abs(z * z)))
    empty = am.tensor(np.zeros((0, 3)), requires_grad=True, name="e")
    assert any("empty" in frame.caption for frame in viz.frames((empty * 2).sum()))


def test_nan_is_told_in_the_step_where_it_appears():
    x = am.tensor(-1.0, requires_grad=True, name="x")
    with np.errstate(all="ignore"):
        y = np.log(x) * 2
    told = [frame.caption for frame in viz.frames(y)]
    assert "NaN" not in told[0] and told[1].endswith("= NaN")


def test_hostile_names_stay_texts():
    name = '<script>alert(1)</script> ]]> \\N " & \u202e\x00'
    x = am.tensor(2.0, name=name, requires_grad=True)
    series = viz.frames(x * 2)
    for svg in (series[0].svg, series[-1].svg, series.animation()):
        root = ElementTree.fromstring(svg)
        assert not list(root.iter("script")) and "<script" not in svg


def test_an_animation_is_one_file_and_stands_still_on_request(tmp_path):
    _, _, loss = expression()
    path = tmp_path / "steps.svg"
    text = viz.frames(loss).animation(path)
    assert path.read_text(encoding="utf-8") == text
    ElementTree.fromstring(text)
    assert "@keyframes" in text and "prefers-reduced-motion: reduce" in text


def test_frames_are_saved_as_numbered_files(tmp_path):
    _, _, loss = expression()
    series = viz.frames(loss)
    paths = series.save(tmp_path / "steps")
    assert [path.name for path in paths[:2]] == ["frame_001.svg", "frame_002.svg"]
    assert len(paths) == len(series) and paths[0].read_text(encoding="utf-8") == series[0].svg


def test_frames_are_indexed_from_both_ends():
    _, _, loss = expression()
    series = viz.frames(loss)
    assert series[-1].svg == series[len(series) - 1].svg
    with pytest.raises(IndexError, match=f"frame 99 of {len(series)}"):
        series[99]


def test_wrong_arguments_are_explained(tmp_path):
    _, _, loss = expression()
    with pytest.raises(viz.PictureError, match="no graph in str"):
        viz.frames("x")
    with pytest.raises(viz.PictureError, match="most=1"):
        viz.frames(loss, most=1)
    series = viz.frames(loss)
    with pytest.raises(viz.PictureError, match="expected one of .svg, .gif, .apng, .png"):
        series.animation(tmp_path / "a.mp4")
    with pytest.raises(viz.PictureError, match="seconds=0"):
        series.animation(seconds=0)
    with pytest.raises(viz.PictureError, match="no directory"):
        series.animation(tmp_path / "missing" / "a.svg")
    (tmp_path / "file").write_text("")
    with pytest.raises(viz.PictureError, match="it is a file"):
        series.save(tmp_path / "file")


def test_a_notebook_shows_the_animation():
    _, _, loss = expression()
    bundle = viz.frames(loss)._repr_mimebundle_()
    assert "@keyframes" in bundle["image/svg+xml"] and "frames" in bundle["text/plain"]


@pytest.mark.long
def test_another_process_draws_the_same_bytes():
    program = (
        "import autograd_mini as am, numpy as np, viz, hashlib\n"
        "x = am.tensor(np.ones((3, 2)), name='x', requires_grad=True)\n"
        "a = am.tensor(2.0, name='a', requires_grad=True)\n"
        "with am.scope('s'): y = np.tanh(x @ x.T).sum()\n"
        "text = viz.page(y) + viz.page(a * a)\n"
        "text += viz.frames(y).animation() + viz.frames(a * a)[2].svg\n"
        "print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "77")
    }
    assert len(digests) == 1 and len(digests.pop()) == 65


def test_copies_of_a_parameter_show_one_gradient_a_sum_of_its_terms():
    w = am.tensor([1.0, 2.0], name="w", requires_grad=True)
    y = w
    for _ in range(8):
        y = np.tanh(y)
    loss = np.sum(y * w)
    frames = viz.frames(loss)
    copies = [b.id for b in frames.drawing.picture.boxes if b.role == "parameter"]
    assert len(copies) == 2
    shown = [
        {writing.text for writing in step.writings if writing.box in copies}
        for step in frames.steps
    ]
    shown = [found for found in shown if found]
    loss.backward()
    assert w.grad is not None
    assert len(shown) == 2
    assert all(len(found) == 1 for found in shown)
    assert shown[0].pop().endswith(", 1 of 2 terms")
    assert shown[1].pop() == f"‖grad‖ {np.linalg.norm(w.grad):.4g}, sum of 2 terms"


def test_the_gradient_of_an_output_is_that_of_all_its_users():
    x = am.tensor([1.0, 2.0, 3.0, 4.0], name="x", requires_grad=True)
    y = x * 2.0
    y.name = "y"
    frames = viz.frames([y, np.sum(y * 3.0)])
    (box,) = [b.id for b in frames.drawing.picture.boxes if b.lines[0] == "y"]
    texts = [w.text for step in frames.steps for w in step.writings if w.box == box]
    assert texts == ["‖grad‖ 2", "‖grad‖ 8"]


def test_captions_say_what_they_leave_out():
    x = am.tensor(np.arange(12.0), name="x")
    series = viz.frames(np.stack([part * 1.0 for part in np.split(x, 6)]))
    (told,) = [frame.caption for frame in series if frame.caption.startswith("split: ")]
    assert "result:2 of split = (2,), norm 6.403, from 4 to 5" in told
    assert told.endswith("… and 3 more results")
    y = am.tensor(1.0, name="y", requires_grad=True)
    series = viz.frames([y * float(i) for i in range(20)], limit=None)
    (told,) = [step.caption[1] for step in series.steps if "starts at" in step.caption[0]]
    assert told.endswith(f"; … and {20 - told.count('= 1')} more")
