"""Overlays: what is measured is what they say, and nothing of the graph changes."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_mini as am
import viz
from viz.colours import cividis, scale_of
from viz.output.dot import box_attributes
from viz.overlays import OVERLAYS
from viz.overlays.flops import Memory, count_flops, result_bytes


def parameter(*shape: int, name: str) -> am.Tensor:
    values = np.random.default_rng(len(name)).normal(size=shape)
    return am.tensor(values, name=name, requires_grad=True)


def chain(layers: int = 3) -> tuple[am.Tensor, list[am.Tensor]]:
    """Return the loss of a few layers, each in a scope, and their weights."""
    h = am.tensor(np.ones((5, 4)), name="x")
    weights = [parameter(4, 4, name=f"w{i}") for i in range(layers)]
    for i, w in enumerate(weights):
        with am.scope(f"layer_{i}"):
            h = np.tanh(h @ w)
    loss = np.mean(h**2)
    loss.name = "loss"
    return loss, weights


def boxes(drawing: viz.Drawing, role: str) -> dict[str, viz.Box]:
    return {box.lines[0]: box for box in drawing.picture.boxes if box.role == role}


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("theme", ["auto", "dark", "print"])
def test_every_overlay_is_drawn_in_every_theme(name: str, theme: Any) -> None:
    loss, _ = chain()
    assert viz.draw(loss, overlay=name, theme=theme).svg.startswith("<svg")


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlays_are_drawn_of_empty_arrays_and_single_numbers(name: str) -> None:
    x = am.tensor(np.ones((0, 3)), name="x", requires_grad=True)
    y = am.tensor(2.0, name="y", requires_grad=True)
    assert viz.draw(np.sum(np.tanh(x)) + y * y, overlay=name).svg.startswith("<svg")


def test_gradient_norms_are_those_of_backward() -> None:
    loss, weights = chain()
    drawing = viz.draw(loss, overlay="gradients", limit=None)
    assert all(w.grad is None for w in weights)
    loss.backward()
    found = boxes(drawing, "parameter")
    for w in weights:
        assert w.grad is not None
        size = float(f"{np.linalg.norm(w.grad):.2g}")
        assert found[w.name or ""].lines[-1] == f"‖∂‖ {size:.4g}"
    assert "norm of the gradient" in boxes(drawing, "scale")


def test_vanishing_gradients_have_the_dark_end_of_the_scale() -> None:
    h = am.tensor(np.ones((5, 4)), name="x")
    for i in range(6):
        with am.scope(f"layer_{i}"):
            h = np.tanh(h @ am.tensor(np.full((4, 4), 1e-2), name=f"w{i}", requires_grad=True))
    drawing = viz.draw(np.mean(h), overlay="gradients", limit=18)
    fills = [box.fill for box in drawing.picture.boxes if box.role == "scope"]
    assert len(fills) == 6  # what is measured is not joined
    assert fills[0] == cividis(0.0)
    assert fills == sorted(fills, key=lambda fill: int(fill[1:3], 16))


def test_origin_of_nan_is_black_and_what_it_reaches_is_grey() -> None:
    x = am.tensor([1.0, -1.0], name="x")
    with np.errstate(invalid="ignore"):
        y = np.sum(np.log(x) * 2.0 + np.exp(x))
    drawing = viz.draw(y, overlay="nonfinite")
    found = boxes(drawing, "operation")
    assert found["ln"].lines == ("ln", "NaN")
    assert found["ln"].fill == "#000000"
    assert found["× 2"].fill == found["+"].fill == found["Σ"].fill == "#c8c8c8"
    assert found["exp"].fill is None
    assert "where NaN or infinity arises" in drawing.svg


def test_origin_of_an_infinite_gradient() -> None:
    x = am.tensor([1.0, 0.0], name="x", requires_grad=True)
    drawing = viz.draw(np.sum(np.sqrt(x) * 2.0), overlay="nonfinite")
    assert boxes(drawing, "operation")["√"].lines == ("√", "gradient: Inf begins here")
    assert boxes(drawing, "parameter")["x"].lines[-1] == "∂ Inf"
    assert boxes(drawing, "operation")["× 2"].fill is None


def test_a_gradient_is_told_beside_an_infinite_value() -> None:
    q = am.tensor(np.zeros((2, 2)), name="q", requires_grad=True)
    masked = np.where(np.tri(2, dtype=bool), q * 2.0, -np.inf)
    with np.errstate(all="ignore"):
        y = am.softmax(masked, axis=-1).sum() + np.sqrt((q * q).sum())
    drawing = viz.draw(y, overlay="nonfinite")
    found = boxes(drawing, "operation")
    assert found["where(x, y, −inf)"].lines[1:] == ("Inf",)
    assert found["where(x, y, −inf)"].fill == "#000000"
    assert found["√"].lines == ("√", "gradient: Inf begins here")
    assert found["√"].first and found["√"].fill == "#000000"
    assert boxes(drawing, "parameter")["q"].lines[-1] == "∂ NaN"
    y.backward()
    assert q.grad is not None and np.isnan(q.grad).any()


def test_an_infinite_constant_is_an_origin() -> None:
    w = am.tensor(np.ones(2), name="w", requires_grad=True)
    number = boxes(viz.draw((w * np.inf).sum(), overlay="nonfinite"), "operation")
    assert number["× inf"].fill == "#000000"
    assert number["Σ"].fill == "#c8c8c8"
    by_array = (w * np.array([1.0, np.inf])).sum()
    drawing = viz.draw(by_array, overlay="nonfinite")
    assert boxes(drawing, "input")["array"].lines[-1] == "Inf"
    assert boxes(drawing, "input")["array"].fill == "#000000"
    with am.scope("inside"):
        hidden = w * np.array([1.0, np.inf]) + 1.0
    folded = boxes(viz.draw(hidden.sum(), overlay="nonfinite", open=0), "scope")["inside"]
    assert folded.fill == "#000000"
    bounded = viz.draw(np.maximum(w, -np.inf).sum(), overlay="nonfinite")
    assert not any(box.fill for box in bounded.picture.boxes)


def test_a_parameter_that_a_fold_lists_is_an_origin_in_it() -> None:
    w = am.tensor(np.array([1.0, np.nan]), name="w", requires_grad=True)
    with am.scope("inside"):
        y = w * 2.0 + 1.0
    drawing = viz.draw(y.sum(), overlay="nonfinite", open=0)
    assert boxes(drawing, "scope")["inside"].fill == "#000000"


def test_zero_and_infinite_gradients_have_looks_outside_of_the_scale() -> None:
    w = am.tensor(np.zeros(3), name="w", requires_grad=True)
    v = am.tensor(np.ones(3), name="v", requires_grad=True)
    y = (am.relu(w - 1.0) * 5.0).sum() + (v * 1e-3).sum() + np.sqrt(w).sum() * 1e-9
    drawing = viz.draw(y, overlay="gradients")
    found = {box.lines[0]: box for box in drawing.picture.boxes}
    assert found["w"].lines[-1] == "‖∂‖ inf"
    assert found["w"].fill == "#000000"
    assert found["− 1"].lines[-1] == "‖∂‖ 0"
    assert found["− 1"].fill not in (cividis(0.0), "#000000", None)
    legend = found["outside of the scale"]
    assert legend.lines[1:] == ("0", "NaN or infinity")
    assert legend.swatches == (found["− 1"].fill, found["w"].fill)


def test_a_gradient_of_zero_alone_has_no_scale() -> None:
    w = am.tensor(np.zeros(3), name="w", requires_grad=True)
    drawing = viz.draw(w.sum() * 0.0, overlay="gradients")
    found = {box.lines[0]: box for box in drawing.picture.boxes}
    assert found["outside of the scale"].lines[1:] == ("0",)


def test_a_finite_graph_has_no_mark_and_no_legend() -> None:
    loss, _ = chain()
    assert viz.draw(loss, overlay="nonfinite").dot == viz.draw(loss, limit=None).dot


def test_times_add_up() -> None:
    loss, _ = chain()
    drawing = viz.draw(loss, overlay="time")
    shares = [
        int(box.lines[-1].rpartition(", ")[2].rstrip("%"))
        for box in drawing.picture.boxes
        if box.role == "operation"
    ]
    assert 90 <= sum(shares) <= 110


def test_timing_draws_no_random_numbers() -> None:
    rng = am.random.Generator(0)
    x = am.tensor(np.ones(3), name="x", requires_grad=True)
    y = np.sum(rng.normal(x, 1.0))
    viz.draw(y, overlay="time")
    again = am.random.Generator(0)
    again.normal(x, 1.0)
    assert np.array_equal(rng.normal(size=3).data, again.normal(size=3).data)


def test_memory_counts_what_is_allocated() -> None:
    x = am.tensor(np.ones((128, 8)), name="x")
    y = np.exp(x).T
    graph = am.Graph(y)
    overlay = Memory(graph)
    sizes = {op.type: overlay.read_part(part) for op, part in zip(graph, parts(graph), strict=True)}
    assert sizes["exp"].text == "8 KiB"
    assert sizes["transpose"].text == "0 B"


@pytest.mark.parametrize(
    ("f", "size"),
    [
        (np.ravel, 0),
        (lambda x: np.ravel(x.T), 96),
        (lambda x: np.reshape(x, (2, 6)), 0),
        (lambda x: np.reshape(x.T, (2, 6)), 96),
        (lambda x: np.ravel(x[:, 1:]), 72),
        (lambda x: x[:, 1:], 0),
        (lambda x: x[[0, 2]], 64),
        (lambda x: np.split(x, 2, axis=1)[1], 0),
        (np.real, 0),
        (np.exp, 96),
    ],
)
def test_memory_is_that_of_the_results_that_there_are(f: Any, size: int) -> None:
    y = f(am.tensor(np.arange(12.0).reshape(3, 4), name="x"))
    own = 0 if np.shares_memory(y.data, y.op.inputs[0].data) else y.data.nbytes
    assert result_bytes(y.op) == size == own


def test_memory_of_a_program_is_what_its_instructions_take() -> None:
    f = am.compile(lambda x: np.tanh(np.ravel(np.exp(x))))
    for _ in range(2):
        f(np.ones((3, 4)))
    sizes = {op.type: result_bytes(op) for op in f.recorded_graph.operations}
    assert sizes["reshape"] == 96  # a program joins axes by a copy, whatever their layout is


def parts(graph: am.Graph) -> list[Any]:
    return [viz.graphs.outline.Part("operation", None, [op]) for op in graph]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("f", "count"),
    [
        (lambda x, y: x @ y, 2 * 3 * 4 * 5),
        (lambda x, y: np.einsum("ij,jk->ik", x, y), 2 * 3 * 4 * 5),
        (lambda x, y: np.tanh(x), 12),
        (lambda x, y: x.T, 0),
        (lambda x, y: np.sum(x, axis=0), 12),
        (lambda x, y: np.concatenate([x, x]), 0),
        (lambda x, y: np.linalg.inv(x @ x.T), 2 * 27),
        (lambda x, y: np.linalg.solve(x @ x.T, x), 18 + 2 * 12 * 3),
        (lambda x, y: np.fft.fft(x), 5 * 12 * 2),
    ],
)
def test_floating_point_operations(f: Any, count: float) -> None:
    x, y = am.tensor(np.eye(3, 4)), am.tensor(np.ones((4, 5)))
    assert count_flops(f(x, y).op) == pytest.approx(count)


def test_unknown_floating_point_operations_are_told() -> None:
    @am.primitive(symbol="mine")
    def mine(x: Any) -> Any:
        return x + 1

    drawing = viz.draw(mine(am.tensor([1.0], name="x")), overlay="flops")
    assert boxes(drawing, "operation")["mine"].lines[-1] == "? flop"


def test_parameters_are_counted_once() -> None:
    w = parameter(4, 4, name="w")
    h = am.tensor(np.ones((2, 4)), name="x")
    for i in range(3):
        with am.scope(f"step_{i}"):
            h = np.tanh(h @ w)
    found = boxes(viz.draw(h, overlay="parameters", open=0), "scope")
    assert {box.lines[-1] for box in found.values()} == {"16 numbers, shared"}
    with am.scope("head"):
        y = h @ w @ parameter(4, 3, name="v")
    some = boxes(viz.draw(y, overlay="parameters", open=0), "scope")["head"]
    assert some.lines[-1] == "28 numbers, 16 of them shared"


def test_values_have_statistics_and_a_histogram() -> None:
    x = am.tensor(np.arange(24.0), name="x")
    found = boxes(viz.draw(x * 2.0, overlay="values"), "operation")["× 2"]
    assert found.lines[-1] == "mean 23 ± 14"
    assert found.bars == (1.0,) * 12
    assert "from 0 to 46" in found.tooltip


@pytest.mark.parametrize(
    ("f", "lines"),
    [
        (
            lambda x: np.split(x, [1, 3])[1],
            (":0 mean 0.5 ± 0.5", ":1 mean 3.5 ± 1.1", ":2 mean 6.5 ± 0.5"),
        ),
        (lambda x: np.modf(x / 2)[1], (":0 mean 0.25 ± 0.25", ":1 mean 1.5 ± 1.1")),
        (lambda x: np.linalg.slogdet(x[:2] * 2)[1], (":0 value −1", ":1 value 2.079")),
        (
            lambda x: np.unstack(np.ravel(x))[5],
            (":0 value 0", ":1 value 1", ":2 value 2", ":3 value 3", "… and 4 more"),
        ),
    ],
)
def test_all_results_of_an_operation_are_told(f: Any, lines: tuple[str, ...]) -> None:
    x = am.tensor(np.arange(8.0).reshape(4, 2), name="x")
    drawing = viz.draw(np.sum(f(x)), overlay="values")
    (box,) = (box for box in drawing.picture.boxes if any(":0" in line for line in box.lines))
    assert box.lines[1:] == lines
    assert not box.bars  # of which result would they be?
    assert f":{7 if len(lines) == 5 else len(lines) - 1} " in box.tooltip


def test_a_fold_tells_what_leaves_it() -> None:
    x = am.tensor(np.arange(4.0), name="x", requires_grad=True)
    with am.scope("fold"):
        a, b = np.tanh(x), np.exp(x)
        b.name = "grown"
        np.sin(b)  # it is in no graph
    drawing = viz.draw(np.sum(a * 2.0) + np.sum(b), overlay=["values", "gradients"], open=0)
    (fold,) = boxes(drawing, "scope").values()
    assert fold.lines[-3:] == ("tanh mean 0.68 ± 0.4", "grown mean 7.8 ± 7.5", "‖∂‖ 4.5")
    with am.scope("fold"):
        y = np.exp(np.tanh(x))
    (fold,) = boxes(viz.draw(np.sum(y), overlay="values", open=0), "scope").values()
    assert fold.lines[-1] == "mean 2.1 ± 0.68"


@pytest.mark.parametrize(
    ("old", "new", "leaf", "result"),
    [
        (1.0, np.nan, "NaN now", "×"),
        (np.nan, 1.0, "changed", "NaN, origin not known"),
        (np.nan, np.inf, "Inf now", "NaN, origin not known"),
    ],
)
def test_no_origin_is_told_of_what_was_assigned_since(
    old: float, new: float, leaf: str, result: str
) -> None:
    w = am.tensor(np.full(3, old), name="w", requires_grad=True)
    y = np.sum(am.tensor(np.ones(3), name="x") * w)
    w.data = np.full(3, new)
    drawing = viz.draw(y, overlay="nonfinite")
    for box, last in (
        (boxes(drawing, "parameter")["w"], leaf),
        (boxes(drawing, "operation")["×"], result),
    ):
        assert (box.lines[-1], box.fill) == (last, None)
    notes = [box.words for box in drawing.picture.boxes if box.role == "legend"]
    assert "w changed since this was recorded: its former value is not known" in notes
    assert "where NaN or infinity arises" not in drawing.svg


def test_values_of_what_was_assigned_since_are_those_of_now() -> None:
    w = am.tensor(np.arange(3.0), name="w", requires_grad=True)
    y = np.sum(w * 2.0)
    w.data = np.full(3, 7.0)
    found = boxes(viz.draw(y, overlay="values"), "parameter")["w"]
    assert found.lines[-2:] == ("changed", "now mean 7 ± 0")


def test_several_overlays_go_together() -> None:
    loss, _ = chain()
    drawing = viz.draw(loss, overlay=["memory", "flops"], open=2)
    box = boxes(drawing, "operation")["@"]
    assert box.lines == ("@", "160 B", "160 flop")
    assert list(boxes(drawing, "scale")) == ["memory of the results"]


def test_sizes_of_compiled_programs() -> None:
    @am.compile
    def f(x: Any) -> Any:
        return np.sum(np.tanh(x @ np.ones((3, 2))))

    for _ in range(2):
        f(np.ones((4, 3)))
    assert "48 flop" in viz.draw(f, overlay="flops", limit=None).svg
    for name in ("time", "values", "gradients", "nonfinite"):
        with pytest.raises(viz.PictureError, match="compiled program"):
            viz.draw(f, overlay=name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"overlay": "heat"}, "expected some of 'values', 'gradients'"),
        ({"overlay": ["time", "heat"]}, "'heat' is not known"),
        ({"overlay": "time", "view": "neurons"}, "for views of operations"),
    ],
)
def test_overlays_that_there_are_not_are_clear_errors(options: Any, message: str) -> None:
    with pytest.raises(viz.PictureError, match=message):
        viz.draw(chain()[0], **options)


def test_gradients_need_a_gradient() -> None:
    with pytest.raises(viz.PictureError, match="requires a gradient"):
        viz.draw(np.sin(am.tensor([1.0])), overlay="gradients")


def test_pages_have_overlays() -> None:
    assert "norm of the gradient" in viz.page(chain()[0], overlay="gradients")


def test_a_scale_of_one_value_has_one_colour() -> None:
    scale = scale_of([2.0], "log")
    assert scale is not None
    assert scale.colour(2.0) == cividis(1.0)
    assert scale.colour(0.0) == cividis(0.0)
    assert scale_of([], "linear") is None
    assert scale_of([float("inf")], "log") is None


@pytest.mark.parametrize("view", ["operations", "tensors", "backward"])
@pytest.mark.parametrize("overlay", ["values", ["gradients", "nonfinite"]])
def test_hostile_names_stay_texts(view: Any, overlay: Any) -> None:
    names = ["\\N \\G", "<script>alert(1)</script>", "]]> \"&' --", "{|}", "\\", "x" * 10_000]
    y = am.tensor(np.linspace(-1.0, 1.0, 40), name="x", requires_grad=True)
    for name in names:
        with am.scope(name):
            y = np.tanh(y * am.tensor(np.linspace(0.1, 1.0, 40), name=name, requires_grad=True))
            y.name = name
    root = ElementTree.fromstring(viz.draw(y, view=view, overlay=overlay, limit=None).svg)
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert all(name in texts for name in names[:-1])
    assert not any(
        element.tag.endswith(("script", "image", "foreignObject")) for element in root.iter()
    )


def test_the_first_origin_has_a_thick_border_and_marks_change_on_a_dark_page() -> None:
    x = am.tensor([1.0, -1.0], name="x")
    with np.errstate(invalid="ignore"):
        y = np.sum(np.log(x) + np.sqrt(x))
    drawing = viz.draw(y, overlay="nonfinite")
    (first,) = [box for box in drawing.picture.boxes if box.first]
    assert first.lines == ("ln", "NaN")
    look = box_attributes(first, ordered=False)
    assert (look["color"], look["penwidth"], look["fontcolor"]) == ("#d55e00", "4", "#fffffe")
    assert '[fill="#000000"]{fill:#ffffff}' in drawing.svg
    assert '[fill="#fffffe"]{fill:#000001}' in drawing.svg
    dark = viz.draw(y, overlay="nonfinite", theme="dark").dot
    assert 'fillcolor="#ffffff" fontcolor="#000001"' in dark


def test_an_infinite_gradient_arises_first_nearest_to_the_output() -> None:
    x = am.tensor([1.0, 0.0], name="x", requires_grad=True)
    y = np.sum(np.sqrt(x)) + np.sum(np.cbrt(x))
    found = [box.lines[0] for box in viz.draw(y, overlay="nonfinite").picture.boxes if box.first]
    assert found == ["cbrt"]


def test_the_box_of_what_is_left_out_is_filled_beneath_its_text() -> None:
    y = am.tensor([1.0, 2.0], name="x")
    for function in (np.tanh, np.sin, np.cos, np.exp, np.negative, np.abs, np.cbrt, np.arctan):
        y = function(y)
    drawing = viz.draw(y, overlay="memory", limit=4)
    (earlier,) = boxes(drawing, "earlier").values()
    assert earlier.fill is not None
    assert "filled" in box_attributes(earlier, ordered=False)["style"].split(",")
