"""Every text can be read on what lies beneath it: 4.5 to 1 at least (WCAG 2 AA), in every theme.

The texts and what lies beneath them are read from the finished SVG, so fills that a value decides,
tinted scopes inside of each other and cells of tables are all measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from compiled_steps import train_compiled

import autograd_mini as am
import viz
from viz.colours import cividis
from viz.output.dot import ink_on
from viz.pages.webpage import read_resource

LEAST = 4.5
SVG = "{http://www.w3.org/2000/svg}"
NAMED = {"black": "#000000", "white": "#ffffff", "transparent": "none"}
Colour = tuple[float, float, float]
WHITE, DARK_PAGES = "#ffffff", ("#0d1117", "#161b22", "#1b1f24")


def channels(colour: str) -> Colour:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def luminance(colour: Colour) -> float:
    """Return the relative luminance of WCAG 2."""
    linear = [
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4
        for x in (c / 255 for c in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def over(beneath: Colour, colour: str, opacity: float) -> Colour:
    """Return a colour laid over another."""
    mixed = [b + (c - b) * opacity for b, c in zip(beneath, channels(colour), strict=True)]
    return mixed[0], mixed[1], mixed[2]


def area(element: ElementTree.Element) -> tuple[float, float, float, float]:
    """Return the box around a shape: left, top, right, bottom."""
    if element.tag == f"{SVG}ellipse":
        x, y, a, b = (float(element.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
        return x - a, y - b, x + a, y + b
    numbers = element.get("points") or element.get("d") or ""
    found = [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", numbers)]
    return min(found[::2]), min(found[1::2]), max(found[::2]), max(found[1::2])


def measure(svg: str, page: str, dark: bool) -> Iterator[tuple[float, str]]:
    """Yield the contrast of each text of a picture on a page, and the text."""
    root = ElementTree.fromstring(svg)
    style = "".join(element.text or "" for element in root.iter(f"{SVG}style"))
    rules = re.findall(r'\[fill="(#\w+)"\]\{fill:(#\w+)\}', style) if dark else []
    instead = dict(rules)
    shapes: list[tuple[tuple[float, float, float, float], str, float]] = []
    for element in root.iter():
        fill = element.get("fill", "black")
        fill = NAMED.get(fill, fill)
        fill = instead.get(fill, fill)
        if element.tag in (f"{SVG}polygon", f"{SVG}path", f"{SVG}ellipse") and fill != "none":
            shapes.append((area(element), fill, float(element.get("fill-opacity", 1))))
        elif element.tag == f"{SVG}text" and (element.text or "").strip():
            inward = {"start": 8.0, "end": -8.0}.get(element.get("text-anchor", "start"), 0.0)
            x, y = float(element.attrib["x"]) + inward, float(element.attrib["y"]) - 3
            beneath = channels(page)
            for (left, top, right, bottom), colour, opacity in shapes:
                if left <= x <= right and top <= y <= bottom:
                    beneath = over(beneath, colour, opacity)
            yield contrast(channels(fill), beneath), f"{element.text!r} in {fill} on {beneath}"


def failed(x: am.Tensor) -> BaseException:
    """Return the error of a product that does not fit."""
    try:
        np.tanh(x) @ np.ones((4, 4))
    except am.AutogradError as error:
        return error
    raise AssertionError


@cache
def explained_leaf() -> am.Tensor:
    return am.tensor(2.0, name="w", requires_grad=True)


@cache
def explained_loss() -> am.Tensor:
    with am.scope("outer"), am.scope("inner"):
        return np.tanh(explained_leaf() * 3.0) ** 2.0


OWN_THEMES = {
    "own light": viz.Theme(ground="#fffdf5", parameter="#7a1f5c", data="#1b6b4a", text="#111111"),
    "own dark": viz.Theme(ground="#10162f", parameter="#8fc7ff", result="#ffb38a"),
    "own grey": viz.Theme(ground="#e9e9e9", quiet="#3a3a3a", gradient="#6b1f4f", data="#00543c"),
    "own black": viz.Theme(ground="#000000"),
}


@cache
def subjects() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Return what is drawn, with its options: every view, role and overlay."""
    rng = np.random.default_rng(0)
    model = am.nn.MLP([3, 4, 2], "tanh", seed=0)
    x = am.tensor(rng.normal(size=(8, 3)), name="x")
    loss = np.mean(model(x) ** 2)
    loss.name = "loss"
    deep = np.tanh(x)
    y = am.tensor(2.0, name="y", requires_grad=True)
    changed = y * 3.0 + am.tensor(np.nan, name="lost") * y
    w = am.tensor(np.ones(3), name="w", requires_grad=True)
    with np.errstate(invalid="ignore"):
        later = np.sum(np.log(x[0] * w) + np.log(w * 0.0 - 1.0))
    w.data = np.full(3, 2.0)
    y.data = np.array(4.0)

    def nest(depth: int) -> am.Tensor:
        with am.scope(f"scope_{depth}"):
            inner = np.exp(deep) if depth > 8 else nest(depth + 1)
            return np.tanh(inner @ am.tensor(np.ones((3, 3)), name="V", requires_grad=True))

    trained = am.nn.MLP([3, 4, 2], "tanh", seed=0)
    step = train_compiled(trained, trained, x.data)
    ramp = am.tensor(np.ones(1), name="r", requires_grad=True)
    for i in range(24):
        ramp = np.concatenate([ramp, np.ones(2 * i + 1)])
    found: dict[str, tuple[Any, dict[str, Any]]] = {
        "scalars": (changed, {}),
        "nonfinite": (later, {"overlay": "nonfinite"}),
        "nested": (nest(0), {"limit": None, "open": 9}),
        "nested backward": (np.sum(nest(0)), {"limit": None, "open": 9, "view": "backward"}),
        "folded": (np.sum(nest(0)), {"limit": 4, "view": "backward"}),
        "ramp": (ramp, {"overlay": "memory", "limit": None}),
        "step": (step, {"limit": None}),
        "folded step": (step, {"open": 0}),
        "compiled": (step, {"view": "compiled"}),
        "forward": (step, {"view": "forward"}),
        "neurons": (model, {"sample": [0.5, -1.0, 2.0]}),
        "weights": (model, {}),
        "named neurons": (
            model,
            {"inputs": ["a long name", "b", "c"], "classes": ["cat", "dog"], "legend": True}
            | {"caption": "A caption"},
        ),
        "error": (failed(x), {"legend": True}),
        "explained": (am.explain(explained_loss(), explained_leaf(), ()), {"caption": "Lit"}),
        "legend of a step": (step, {"limit": None, "legend": True, "caption": "Below"}),
        "legend of numbers": (changed, {"legend": True}),
    }
    found |= {
        view: (loss, {"view": view, "limit": None, "legend": True, "caption": "Figure 1"})
        for view in ("operations", "tensors", "backward")
    }
    overlays = ("values", "gradients", "time", "memory", "flops", "parameters")
    return found | {name: (loss, {"overlay": name, "limit": None}) for name in overlays}


@pytest.mark.parametrize("theme", ["auto", "light", "dark", "print"])
@pytest.mark.parametrize("open", [0, 3])
def test_texts_of_a_difference_can_be_read(theme: Any, open: int) -> None:
    def nest(depth: int, other: bool) -> Any:
        with am.scope(f"scope_{depth}"):
            y = nest(depth + 1, other) if depth < 3 else am.tensor(np.ones((2, 2)), name="x")
            y = np.tanh(y @ am.tensor(np.full((2, 2), 1.0 + other), name=f"V{depth}"))
            return np.exp(y * 3) if other else np.sin(y * 2)

    svg = viz.difference(nest(0, False), nest(0, True), theme=theme, open=open, limit=None).svg
    pages = [(WHITE, False)] + ([(page, True) for page in DARK_PAGES] if theme == "auto" else [])
    measured = [found for page, dark in pages for found in measure(svg, page, dark)]
    assert len(measured) > 8
    assert [text for ratio, text in measured if ratio < LEAST] == []


@pytest.mark.parametrize("theme", ["auto", "light", "dark", "print", *OWN_THEMES])
@pytest.mark.parametrize("name", subjects())
def test_texts_can_be_read_on_what_lies_beneath_them(name: str, theme: Any) -> None:
    subject, options = subjects()[name]
    svg = viz.draw(subject, theme=OWN_THEMES.get(theme, theme), **options).svg
    pages = {"auto": [(WHITE, False), *((page, True) for page in DARK_PAGES)]}
    measured = [
        found
        for page, dark in pages.get(theme, [(WHITE, False)])
        for found in measure(svg, page, dark)
    ]
    assert measured
    assert [told for ratio, told in measured if ratio < LEAST] == []


@pytest.mark.parametrize("name", ["scalars", "operations", "nested"])
def test_texts_of_every_frame_can_be_read(name: str) -> None:
    """Texts that glow are measured without the glow; it lies around a box, not beneath a text."""
    subject, _ = subjects()[name]
    for frame in viz.frames(subject, legend=True, caption="Below", most=12):
        root = ElementTree.fromstring(frame.svg)
        for group in root.iter(f"{SVG}g"):
            for child in list(group):
                if "glow" in child.get("class", ""):
                    group.remove(child)
        svg = ElementTree.tostring(root, encoding="unicode")
        pages = [(WHITE, False), *((page, True) for page in DARK_PAGES)]
        measured = [found for page, dark in pages for found in measure(svg, page, dark)]
        assert measured
        assert [told for ratio, told in measured if ratio < LEAST] == []


def test_texts_outside_of_boxes_have_a_halo_where_a_reader_of_a_white_page_prefers_dark() -> None:
    svg = viz.draw(subjects()["operations"][0]).svg
    fill = re.search(r'\[fill="(#\w+)"\]\{paint-order:stroke;stroke:(#\w+);', svg)
    assert fill
    instead = re.search(rf'\[fill="{fill[1]}"\]{{fill:(#\w+)}}', svg)
    assert instead and contrast(channels(instead[1]), channels(fill[2])) >= LEAST


def test_texts_can_be_read_on_every_colour_of_a_scale() -> None:
    fills = [cividis(i / 500) for i in range(501)]
    assert [x for x in fills if contrast(channels(ink_on(x)), channels(x)) < LEAST] == []
    greys = [f"#{i:02x}{i:02x}{i:02x}" for i in range(256)]
    assert [x for x in greys if contrast(channels(ink_on(x)), channels(x)) < LEAST] == []


@pytest.mark.parametrize("dark", [False, True])
def test_texts_of_a_page_can_be_read(dark: bool) -> None:
    rules = read_resource("page.css").split(":root.dark")[1 if dark else 0]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", rules.partition("}")[0]))
    for ground, texts in (
        ("paper", ("ink", "quiet", "accent", "forward", "backward")),
        ("pale", ("ink",)),
    ):
        for text in texts:
            assert contrast(channels(colours[text]), channels(colours[ground])) >= LEAST, text
