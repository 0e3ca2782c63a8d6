"""`fit=`: pictures that fill a page, with texts that can be read there and arrows that are true."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from compiled_steps import train_compiled
from test_pictures_are_true import Program

import autograd_mini as am
import viz
from viz.fitting import PAGES, SMALLEST, read_page

SVG = "{http://www.w3.org/2000/svg}"
Box = tuple[float, float, float, float]


def numbers(text: str | None) -> np.ndarray:
    return np.array(re.findall(r"-?\d+\.?\d*", text or ""), float).reshape(-1, 2)


def groups(drawing: viz.Drawing, kind: str) -> Iterator[ElementTree.Element]:
    for group in ElementTree.fromstring(drawing.svg).iter(f"{SVG}g"):
        if kind in group.get("class", "").split():
            yield group


def boxes_of(drawing: viz.Drawing) -> dict[str, Box]:
    """Read the area of each box: left, top, right, bottom."""
    found = {}
    for group in groups(drawing, "node"):
        corners = [numbers(x.get("points") or x.get("d")) for x in group.iter()
                   if x.tag in (f"{SVG}polygon", f"{SVG}path")]  # fmt: skip
        for x in group.iter(f"{SVG}ellipse"):
            c, r = (np.array([float(x.attrib[a + b]) for b in "xy"]) for a in "cr")
            corners.append(np.stack([c - r, c + r]))
        for x in group.iter(f"{SVG}text") if not corners else ():  # an error has no border
            at, reach = (np.array([float(x.attrib[a]) for a in "xy"]), 3.5 * len(x.text or ""))
            corners.append(np.stack([at - [reach, 12], at + [reach, 4]]))
        if corners:
            points = np.concatenate(corners)
            name = (group.get("id") or "").rpartition("-")[2]
            found[name] = (*points.min(0).tolist(), *points.max(0).tolist())
    return found


def distance(point: np.ndarray, box: Box) -> float:
    low, high = np.array(box[:2]), np.array(box[2:])
    return float(np.hypot(*np.maximum(0, np.maximum(low - point, point - high))))


def check_arrows(drawing: viz.Drawing) -> None:
    """Check that each arrow is drawn once, from its tail to its head, with its point there."""
    boxes, seen = boxes_of(drawing), []
    for group in groups(drawing, "viz-arrow"):
        place = int((group.get("id") or "").rpartition("-e")[2])
        arrow = drawing.picture.arrows[place]
        seen.append(place)
        assert (group.get("data-tail"), group.get("data-head")) == (arrow.tail, arrow.head)
        line = numbers(next(group.iter(f"{SVG}path")).get("d"))
        tip = numbers(next(group.iter(f"{SVG}polygon")).get("points"))
        ends = line[[0, -1]]
        start = ends[np.argmax([min(np.hypot(*(tip - end).T)) for end in ends])]
        assert distance(start, boxes[arrow.tail]) < 4, arrow
        assert min(distance(point, boxes[arrow.head]) for point in tip) < 5, arrow
    assert sorted(seen) == list(range(len(drawing.picture.arrows)))


def check_room(drawing: viz.Drawing) -> None:
    """Check that no box lies on another one, and that all are on the page."""
    root = ElementTree.fromstring(drawing.svg)
    boxes = list(boxes_of(drawing).items())
    for i, (one, a) in enumerate(boxes):
        for other, b in boxes[:i]:
            apart = a[2] <= b[0] + 1 or b[2] <= a[0] + 1 or a[3] <= b[1] + 1 or b[3] <= a[1] + 1
            assert apart, (one, other)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for _, box in boxes:
        assert box[0] + 7.2 >= -1 and box[2] + 7.2 <= width + 1
        assert -height - 1 <= box[1] - 7.2 and box[3] - 7.2 <= 1


def smallest_text(drawing: viz.Drawing) -> float:
    """Read the height of the smallest text in pixels."""
    root = ElementTree.fromstring(drawing.svg)
    unit = float(root.attrib["width"]) / float(root.attrib["viewBox"].split()[2])
    sizes = [float(x.attrib["font-size"]) for x in root.iter(f"{SVG}text")]
    return min(sizes) * unit


def chain(length: int) -> am.Tensor:
    h = am.tensor(np.ones((4, 4)), name="x")
    for i in range(length):
        with am.scope("layer " + "abcdefghijklmnopqrstuvwxyzABCDEF"[i]):
            w = am.tensor(np.eye(4), name=f"w{i}", requires_grad=True)
            h = np.tanh(h @ w + 1.0) - h
    loss = np.mean(h)
    loss.name = "loss"
    return loss


@pytest.mark.parametrize(
    ("fit", "direction"),
    [*((page, None) for page in PAGES), ((900, 500), "TB"), ([500, 900], "LR"),
     ((1600.0, 300), "TB")],
)  # fmt: skip
def test_texts_can_be_read_on_the_page(fit: Any, direction: Any) -> None:
    drawing = viz.draw(chain(9), fit=fit, direction=direction)
    page = read_page(fit)
    root = ElementTree.fromstring(drawing.svg)
    assert (float(root.attrib["width"]), float(root.attrib["height"])) == (page.width, page.height)
    x0, y0, width, height = map(float, root.attrib["viewBox"].split())
    assert width / height == pytest.approx(page.width / page.height, rel=0.01)
    assert smallest_text(drawing) >= SMALLEST - 0.1
    check_arrows(drawing)
    check_room(drawing)


@pytest.mark.parametrize(
    ("view", "overlay"),
    [("operations", ["gradients", "time"]), ("tensors", "values"), ("backward", None)],
)
def test_views_and_overlays_become_slides(view: Any, overlay: Any) -> None:
    drawing = viz.draw(chain(4), view=view, overlay=overlay, fit="16:9")
    assert smallest_text(drawing) >= SMALLEST - 0.1
    check_arrows(drawing)
    check_room(drawing)


def test_other_subjects_become_slides() -> None:
    net = am.nn.MLP([64, 32, 10], seed=0)
    w = am.tensor(np.eye(3), name="W", requires_grad=True)
    step = train_compiled(lambda x: np.tanh(x @ w), [w], np.ones((2, 3)))
    a = am.tensor(2.0, name="a", requires_grad=True)
    total = a
    for i in range(12):
        total = total * a - float(i)
    with pytest.raises(am.ShapeError) as error:
        w @ am.tensor(np.ones((2, 2)))
    drawings = [
        viz.draw(net, fit="16:9"),
        viz.draw(step, view="compiled", fit="16:9"),
        viz.draw(step, view="forward", fit="a4"),
        viz.draw(total, fit="16:9"),
        viz.draw(error.value, fit="4:3"),
        viz.draw(am.explain(total, a), fit="16:9"),
    ]
    for drawing in drawings:
        assert smallest_text(drawing) >= SMALLEST - 0.1
    for drawing in drawings[1:]:
        check_arrows(drawing)


@pytest.mark.parametrize("seed", range(9))
def test_wrapped_pictures_are_true(seed: int) -> None:
    with np.errstate(all="ignore"):
        graph = am.Graph(*Program(seed).outputs())
    view = "backward" if seed % 3 == 0 and any(y.requires_grad for y in graph.outputs) else None
    fit = [(900, 300), (300, 900), "16:9"][seed % 3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of small texts
        drawing = viz.draw(graph, view=view or "operations", limit=40, fit=fit)
    check_arrows(drawing)
    check_room(drawing)


def test_less_is_drawn_where_there_is_less_room() -> None:
    loss = chain(9)
    counts = [len(viz.draw(loss, fit=fit).picture.boxes) for fit in ((1600, 900), (700, 400))]
    assert counts[0] > counts[1]
    assert [len(viz.draw(loss, fit=(900, 500), limit=n).picture.boxes) for n in (12, 6)] == [
        len(viz.draw(loss, limit=n).picture.boxes) for n in (12, 6)
    ]


def test_a_scope_that_goes_on_in_another_column_says_so() -> None:
    h = am.tensor(np.ones((4, 4)), name="x")
    with am.scope("tall"):
        for _ in range(16):
            h = np.tanh(h) * 2.0
    drawing = viz.draw(h, open="tall", limit=None, fit="16:9")
    told = [x.text for group in groups(drawing, "viz-scope") for x in group.iter(f"{SVG}text")]
    assert told.count("tall") == 1 and set(told) == {"tall", "tall, continued"}
    assert {group.get("data-scope") for group in groups(drawing, "viz-scope")} == {"tall"}


def test_what_the_caller_asked_for_stays_and_a_warning_names_the_cure() -> None:
    with pytest.warns(UserWarning, match=r"smallest text is [\d.]+ px .* less than 12; give a lim"):
        drawing = viz.draw(chain(30), limit=None, fit=(600, 300))
    assert len(drawing.picture.boxes) > 100
    with pytest.warns(UserWarning, match="open fewer scopes"):
        viz.draw(chain(30), open="layer *", fit=(600, 300))


def test_the_files_of_a_page_are_as_large_as_it() -> None:
    drawing = viz.draw(chain(3), fit=(900, 500))
    width, height = struct.unpack(">II", drawing.png[16:24])
    assert (width, height) == (pytest.approx(1800, abs=3), pytest.approx(1000, abs=3))
    assert 'pos="' in drawing.dot
    for theme in ("light", "dark", "print"):
        check_arrows(viz.draw(chain(3), fit=(900, 500), theme=theme))  # type: ignore[arg-type]


def test_a_page_is_drawn_the_same_each_time() -> None:
    loss = chain(5)
    assert viz.draw(loss, fit="16:9").svg == viz.draw(loss, fit="16:9").svg


@pytest.mark.parametrize(
    "fit", ["16:10", "", 900, (900,), (900, 500, 1), (900, -1), (0, 0), ("a", "b"), (True, 500),
            (float("nan"), 500), (float("inf"), 500)],
)  # fmt: skip
def test_another_page_is_refused(fit: Any) -> None:
    with pytest.raises(viz.PictureError, match=r"fit=.* expected '16:9', .* as fit=\(900, 500\)"):
        viz.draw(chain(1), fit=fit)


def test_a_web_page_fits_its_window_by_itself(tmp_path: Any) -> None:
    with pytest.raises(viz.PictureError, match="leave fit= out"):
        viz.render(chain(1), tmp_path / "page.html", fit="16:9")


def test_a_caption_stands_below_the_picture_on_its_page() -> None:
    x = am.tensor(np.ones((3, 4)), name="x")
    subjects = [np.tanh(x), am.nn.MLP([2, 3, 1]), am.tensor(2.0, requires_grad=True) * 3.0]
    for subject in subjects:
        for options in ({}, {"legend": True}, {"direction": "LR"}):
            drawing = viz.draw(subject, fit="16:9", caption="Figure 7. Below it.", **options)
            root = ElementTree.fromstring(drawing.svg)
            assert (root.get("width"), root.get("height")) == ("1600", "900")
            texts = {t.text: float(t.get("y", "nan")) for t in root.iter(f"{SVG}text")}
            below = texts.pop("Figure 7. Below it.")
            assert texts and below > max(texts.values())
            assert drawing.png.startswith(b"\x89PNG")


@pytest.mark.parametrize("sizes", [[2, 3, 1], [5, 9, 2], [1, 1]])
def test_neurons_stand_in_the_middle_of_their_page(sizes: list[int]) -> None:
    root = ElementTree.fromstring(viz.draw(am.nn.MLP(sizes), fit=(900, 500)).svg)
    left, top, width, height = map(float, root.get("viewBox", "").split())
    graph = next(g for g in root.iter(f"{SVG}g") if "graph" in g.get("class", "").split())
    moved = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", graph.get("transform", ""))
    assert moved is not None
    dx, dy = map(float, moved.groups())
    xs = [float(t.get("cx", "nan")) + dx for t in root.iter(f"{SVG}ellipse")]
    ys = [float(t.get("y", "nan")) + dy for t in root.iter(f"{SVG}text")]
    assert abs((min(xs) + max(xs)) / 2 - left - width / 2) < width / 20
    assert abs((min(ys) + max(ys)) / 2 - top - height / 2) < height / 8
