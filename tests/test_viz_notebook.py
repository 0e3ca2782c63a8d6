"""What a notebook shows: pictures in its page, with their texts, in its theme, never source."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import Browser, program

import autograd_mini as am
import viz
from viz.output.notebook import follow_page

needs_browser = pytest.mark.skipif(program() is None, reason="no Chromium on the PATH")
SVG = "{http://www.w3.org/2000/svg}"


def loss() -> am.Tensor:
    x = am.tensor(np.ones((2, 3)), name="x")
    with am.scope("layer"):
        w = am.tensor(np.eye(3), name="w", requires_grad=True)
        h = np.tanh(x @ w)
    y = h.mean()
    y.name = "loss"
    return y


SHOWN = {
    "tensor": lambda: loss(),
    "graph": lambda: am.Graph(loss()),
    "model": lambda: am.nn.MLP([2, 3, 1]),
    "drawing": lambda: viz.draw(loss(), overlay="values"),
    "frames": lambda: viz.frames(loss()),
    "animation": lambda: viz.frames(loss()).animation(seconds=1),
    "frame": lambda: viz.frames(loss())[1],
    "numbers": lambda: viz.frames(am.tensor(2.0, requires_grad=True) * 3),
}


@pytest.mark.parametrize("what", SHOWN)
def test_a_picture_stands_in_the_page_scales_and_has_its_alternative_text(what: str) -> None:
    bundle: dict[str, Any] = SHOWN[what]()._repr_mimebundle_()
    root = ElementTree.fromstring(bundle["text/html"])
    ids = {element.get("id"): element for element in root.iter()}
    labels = (root.get("aria-labelledby") or "").split()
    assert root.get("role") == "img" and len(labels) == 2
    assert all(ids[label].text for label in labels)
    assert "max-width:100%" in root.get("style", "")
    assert "prefers-color-scheme" not in bundle["text/html"]
    assert "prefers-color-scheme" in bundle["image/svg+xml"]
    assert "<svg" not in bundle["text/plain"]


def test_pages_and_animations_are_strings_that_show_themselves() -> None:
    page, animation = viz.page(loss()), viz.frames(loss()).animation()
    for text in (page, animation):
        assert isinstance(text, str) and "<svg" not in repr(text) and len(repr(text)) < 80
    shown = page._repr_mimebundle_()["text/html"]
    assert isinstance(shown, str)
    source = re.search(r'srcdoc="([^"]*)"', shown)
    assert source is not None and html.unescape(source.group(1)) == page
    assert 'title="Computation graph of loss"' in shown and "width:100%" in shown


def test_only_the_dark_rules_hang_on_the_page() -> None:
    text = "<style>a{b:c}@media (prefers-color-scheme: dark){d{e:f}g h{i:j}}k{l:m}</style>"
    found = follow_page(text)
    assert found.startswith("<style>a{b:c}:where(") and found.endswith(") g h{i:j}k{l:m}</style>")
    assert found.count(":where(") == 2
    assert follow_page("<style>a{b:c}</style><p>") == "<style>a{b:c}</style><p>"


# ── in a browser ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def browser() -> Any:
    found = Browser()
    yield found
    found.close()


MARKS = {
    "none": ("", "", False),
    "jupyter light": ("", 'data-jp-theme-light="true"', False),
    "jupyter dark": ("", 'data-jp-theme-light="false"', True),
    "code": ("", 'class="vscode-dark"', True),
    "code light contrast": ("", 'class="vscode-high-contrast vscode-high-contrast-light"', False),
    "colab": ('theme="dark"', "", True),
    "sphinx": ('data-theme="dark"', "", True),
}


@needs_browser
@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("system", ["light", "dark"])
def test_a_picture_follows_the_page_and_not_the_system(
    browser: Browser, tmp_path: Path, marks: str, system: str
) -> None:
    root, body, dark = MARKS[marks]
    shown: Any = viz.draw(loss())._repr_mimebundle_()["text/html"]
    path = tmp_path / "notebook.html"
    path.write_text(
        f'<!DOCTYPE html><html {root}><meta charset="utf-8"><body {body}>'
        f'<div style="width:120px">{shown}</div>',
        encoding="utf-8",
    )
    browser.media(prefers_color_scheme=system)
    browser.open(path)
    colour = browser.run(
        "getComputedStyle([...document.querySelectorAll('text')]"
        ".find(t => t.textContent == 'tanh')).fill"
    )
    assert colour == ("rgb(230, 237, 243)" if dark else "rgb(31, 35, 40)")
    assert browser.run("document.querySelector('svg').getBoundingClientRect().width") <= 120


@needs_browser
@pytest.mark.parametrize("system", ["light", "dark"])
@pytest.mark.parametrize("ground", ["#ffffff", "#111111"])
def test_a_page_in_a_notebook_follows_it_also_when_it_changes(
    browser: Browser, tmp_path: Path, ground: str, system: str
) -> None:
    shown: Any = viz.page(loss())._repr_mimebundle_()["text/html"]
    path = tmp_path / "notebook.html"
    path.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><body style="background:{ground}">{shown}',
        encoding="utf-8",
    )
    browser.media(prefers_color_scheme=system)
    browser.open(path)
    inside = "document.querySelector('iframe').contentDocument"
    paper = f"getComputedStyle({inside}.body).backgroundColor"
    expected = "rgb(255, 255, 255)" if ground == "#ffffff" else "rgb(27, 31, 36)"
    assert browser.run(paper) == expected
    assert browser.run(f"{inside}.querySelectorAll('.node.viz-operation').length") == 3
    browser.run(f"document.body.style.background = '{'#111' if ground == '#ffffff' else '#fff'}'")
    browser.run("new Promise(done => setTimeout(done, 100))")
    assert browser.run(paper) != expected
    assert browser.problems == []
