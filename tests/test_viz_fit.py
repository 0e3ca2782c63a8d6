"""In a real browser: text stays inside of its box, and off other text, whatever the fonts are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser, program

import autograd_mini as am
import viz

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium on the PATH")

MEASURE = """
(() => {
  const outside = [];
  document.querySelector('svg').removeAttribute('style');  // at its natural size
  for (const group of document.querySelectorAll('svg g.node')) {
    const shapes = [...group.querySelectorAll('polygon, ellipse, path, polyline')];
    const texts = [...group.querySelectorAll('text')];
    if (!shapes.length || group.classList.contains('scale')) continue;
    const boxes = shapes.map(s => s.getBBox());
    const left = Math.min(...boxes.map(b => b.x)), top = Math.min(...boxes.map(b => b.y));
    const right = Math.max(...boxes.map(b => b.x + b.width));
    const bottom = Math.max(...boxes.map(b => b.y + b.height));
    for (const text of texts) {
      const b = text.getBBox();
      const over = Math.max(left - b.x, b.x + b.width - right, top - b.y - 2,
                            b.y + b.height - bottom - 2);
      if (over > 0.5) outside.push([text.textContent, over]);
    }
  }
  return outside;
})()
"""
"""How far each text reaches out of the shapes of its node, in points; heights have 2 to spare."""

NAMES = [
    "x", "W", "iiiiiiiiiillllll", "WWWWWWWWWWMMMMMM", "a_long_name_with_underscores", "weight" * 10,
    "Привет, мир", "ёжик в тумане", "σ(Wx) + b", "Σ × ² √ ∂", "中文名字", "日本語のラベル",
    "한국어", "emoji 😀 🎉", "مرحبا", "שלום", "ÀÉÎÕÜ ñ ß", "fi ffl", "1.234e−05", "<script>",
    '"quoted" & more',
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = Browser()
    yield found
    found.close()


def outside(browser: Browser, path: Path, drawing: Any) -> list[Any]:
    """Return the texts of a drawing that reach out of their boxes."""
    path.write_text(drawing.svg, encoding="utf-8")
    browser.open(path)
    return list(browser.run(MEASURE))


@pytest.mark.parametrize("theme", ["auto", "print"])
def test_names_fit_their_boxes(browser: Browser, tmp_path: Path, theme: Any) -> None:
    leaves = [am.tensor(np.ones((2, 3)), name=name, requires_grad=i % 2 == 0)
              for i, name in enumerate(NAMES)]  # fmt: skip
    total = leaves[0]
    for leaf in leaves[1:]:
        with am.scope(leaf.name or ""):
            total = total + leaf
    total.name = NAMES[5]
    drawing = viz.draw(total, limit=None, theme=theme)
    assert outside(browser, tmp_path / "names.svg", drawing) == []


def test_cells_of_scalars_fit(browser: Browser, tmp_path: Path) -> None:
    total = am.tensor(0.0, name="start", requires_grad=True)
    for i, name in enumerate(NAMES):
        total = total * am.tensor(10.0 ** (i - 9) / 3, name=name, requires_grad=True) + 1.0
    total.backward()
    drawing = viz.draw(total, view="scalars", limit=None)
    assert outside(browser, tmp_path / "scalars.svg", drawing) == []


@pytest.mark.parametrize("view", ["operations", "tensors", "backward"])
@pytest.mark.parametrize("overlay", [None, ["values", "gradients", "time"]])
def test_operations_and_overlays_fit(
    browser: Browser, tmp_path: Path, view: Any, overlay: Any
) -> None:
    h = am.tensor(np.random.default_rng(0).normal(size=(16, 8)), name="features of the sample")
    for i in range(2):
        with am.scope(f"dense_{i}"):
            w = am.tensor(np.eye(8) * 1e-3, name=f"dense_{i}.weight", requires_grad=True)
            h = np.maximum(np.clip(h @ w, -1234.5678, 1e9), 0.0)
    loss = np.mean(np.power(am.softmax(h), 2.0), axis=(0, 1))
    drawing = viz.draw(loss, view=view, overlay=overlay)
    assert outside(browser, tmp_path / "operations.svg", drawing) == []


def test_neurons_and_their_values_fit(browser: Browser, tmp_path: Path) -> None:
    net = am.nn.Sequential(
        am.nn.Dense(6, 20, "relu", seed=0), am.nn.Dense(20, 3, "softmax", seed=1)
    )
    sample = [-1234.5, 0.00012, 99.5, -0.25, 1e6, -7.0]
    assert outside(browser, tmp_path / "n.svg", viz.draw(net, sample=sample)) == []
    assert outside(browser, tmp_path / "plain.svg", viz.draw(net)) == []


def test_captions_of_scopes_stay_inside(browser: Browser, tmp_path: Path) -> None:
    x = am.tensor(np.ones(3), name="x")
    for name in NAMES:
        with am.scope(name):
            x = np.tanh(x) * 2.0
    path = tmp_path / "scopes.svg"
    path.write_text(viz.draw(x, limit=None).svg, encoding="utf-8")
    browser.open(path)
    found = browser.run("""
      [...document.querySelectorAll('svg g.cluster')].filter(g => {
        const a = g.querySelector('path, polygon').getBBox(), b = g.querySelector('text').getBBox();
        return b.x < a.x - 0.5 || b.x + b.width > a.x + a.width + 0.5;
      }).map(g => g.textContent)
    """)
    assert found == []


def test_labels_of_arrows_stay_off_boxes(browser: Browser, tmp_path: Path) -> None:
    h = am.tensor(np.ones((128, 1000)), name="x")
    for i in range(4):
        w = am.tensor(np.ones((1000, 1000)), name=f"w{i}", requires_grad=True)
        h = np.tanh(h @ w)
        h.name = f"hidden state number {i}"
    path = tmp_path / "labels.svg"
    path.write_text(viz.draw(h).svg, encoding="utf-8")
    browser.open(path)
    found = browser.run("""
      (() => {
        const nodes = [...document.querySelectorAll('svg g.node')].map(g => g.getBBox());
        return [...document.querySelectorAll('svg g.edge text')].filter(t => {
          const b = t.getBBox();
          return nodes.some(a => b.x + 1 < a.x + a.width && a.x + 1 < b.x + b.width &&
                                 b.y + 2 < a.y + a.height && a.y + 2 < b.y + b.height);
        }).map(t => t.textContent);
      })()
    """)
    assert found == []


def test_style_sheets_find_boxes_by_role_name_and_scope(browser: Browser, tmp_path: Path) -> None:
    x = am.tensor(np.ones((2, 3)), name="x")
    with am.scope("mlp"), am.scope('dense "1"'):
        w = am.tensor(np.ones((3, 2)), name="W", requires_grad=True)
        y = np.tanh(x @ w)
    path = tmp_path / "hooks.svg"
    path.write_text(viz.draw(y).svg, encoding="utf-8")
    browser.open(path)
    for selector, count in (
        (".viz-box", 5),
        (".viz-parameter", 1),
        ('[data-name="W"]', 1),
        (".viz-operation[data-scope='mlp/dense \"1\"']", 2),
        (".viz-scope", 2),
        (".viz-arrow", 4),
        ('.viz-box[data-role="output"]', 1),
    ):
        found = browser.run(f"document.querySelectorAll({json.dumps(selector)}).length")
        assert found == count, selector


HOSTILE = (
    "</text><script>window.hacked=1</script><image href='http://localhost:1/x' onload='hacked=1'/>"
    " ]]> \" ' \\N & \u202e javascript:alert(1)"
)


@pytest.mark.parametrize("inline", [False, True])
def test_hostile_names_run_nothing_and_ask_for_nothing(
    browser: Browser, tmp_path: Path, inline: bool
) -> None:
    w = am.tensor(np.linspace(0.0, 1.0, 20), name=HOSTILE, requires_grad=True)
    with am.scope(HOSTILE):
        loss = np.mean(np.tanh(w * 2.0))
    loss.name = HOSTILE
    drawings = [
        viz.draw(loss, title=HOSTILE, overlay=["values", "gradients"], limit=None),
        viz.draw(loss, view="backward", open=HOSTILE),
        viz.draw(am.tensor(0.5, name=HOSTILE) * 2.0, view="scalars"),
    ]
    steps = viz.frames(loss).animation()
    for place, text in enumerate([*(drawing.svg for drawing in drawings), steps]):
        path = tmp_path / f"hostile_{place}.{'html' if inline else 'svg'}"
        path.write_text(f"<!doctype html><body>{text}" if inline else text, encoding="utf-8")
        browser.open(path)
        found = browser.run("""[
            document.querySelectorAll('script, image, foreignObject, iframe').length,
            [...document.querySelectorAll('*')].filter(
              e => [...e.attributes].some(a => a.name.startsWith('on'))).length,
            typeof window.hacked,
            document.querySelectorAll('svg').length,
        ]""")
        assert found == [0, 0, "undefined", 1]
        assert browser.requests == []
        assert browser.problems == []


def test_pictures_on_one_page_do_not_clash(browser: Browser, tmp_path: Path) -> None:
    x = am.tensor(np.ones((2, 3)), name="x", requires_grad=True)
    pictures = [viz.draw(np.tanh(x)), viz.draw(np.tanh(x)), viz.draw(np.exp(x) + 1.0)]
    texts = [picture._repr_mimebundle_()["image/svg+xml"] for picture in pictures]
    path = tmp_path / "notebook.html"
    path.write_text("<!doctype html><body>" + "".join(f"<div>{t}</div>" for t in texts))
    browser.open(path)
    ids = browser.run("[...document.querySelectorAll('svg')].map(s => s.id)")
    assert ids[0] == ids[1] != ids[2]  # equal pictures are equal
    for theme, ink in (("light", "rgb(31, 35, 40)"), ("dark", "rgb(230, 237, 243)")):
        browser.media(prefers_color_scheme=theme)
        colours = browser.run("""
          [...document.querySelectorAll('svg .viz-operation text')].map(
            t => getComputedStyle(t).fill)
        """)
        assert set(colours) == {ink}
    browser.media(prefers_color_scheme="light")
