"""The page to look around in, opened in a real browser; without one, as structure only."""

from __future__ import annotations

import base64
import html
import json
import re
import time
from contextvars import copy_context
from functools import cache
from xml.etree import ElementTree

import numpy as np
import pytest
from browser import Browser, program

import autograd_mini as am
import viz

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1> ' \" \\ ]]>"
needs_browser = pytest.mark.skipif(program() is None, reason="no Chromium on the PATH")


def numbers():
    """Return (a·b + a)²."""
    a = am.tensor(2.0, name="a", requires_grad=True)
    b = am.tensor(-3.0, name="b", requires_grad=True)
    loss = (a * b + a) ** 2
    loss.name = "L"
    return loss


def blocks(count: int = 20):
    """Return the loss of a chain of scopes, too many to be drawn open."""
    h = am.tensor(np.ones((4, 3)), name="x")
    for place in range(count):
        with am.scope(f"block_{place}"):
            weight = am.tensor(np.eye(3), name="weight", requires_grad=True)
            with am.scope("inner"):
                h = (np.tanh if place % 2 else np.sin)(h @ weight)
            h = h + 1
    loss = h.mean()
    loss.name = "loss"
    return loss


def crossing():
    """Return a loss of scopes in scopes, with a weight in three of them and arrows across."""
    x = am.tensor(np.ones((2, 3)), name="x")
    w = am.tensor(np.eye(3) * 0.5, name="w", requires_grad=True)
    with am.scope("outer"):
        with am.scope("a"):
            first = np.tanh(x @ w)
            parts = np.split(first, 3, axis=1)
        with am.scope("b"):
            second = first @ w + x
    with am.scope("head"):
        loss = (second @ w).sum() + parts[0].sum() + (first * parts[2]).sum()
    loss.name = "loss"
    return loss


@cache
def block_page() -> str:
    return viz.page(blocks())


def data_of(page: str):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))


# ── as structure ─────────────────────────────────────────────────────────────────────────────────
def test_a_page_asks_for_nothing_from_elsewhere():
    page = viz.page(numbers())
    without_names = page.replace("http://www.w3.org/", "")
    assert "http://" not in without_names and "https://" not in without_names
    assert "default-src 'none'" in page and "script-src 'sha256-" in page
    assert "<script src" not in page and "<link" not in page and "@import" not in page


def test_the_policy_names_the_script():
    import base64
    import hashlib

    page = viz.page(numbers())
    script = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_names_cannot_leave_the_data():
    x = am.tensor(2.0, name=HOSTILE, requires_grad=True)
    with am.scope(HOSTILE[:60]):
        y = x * 3
    page = viz.page(y, title=HOSTILE)
    assert page.count("<script") == 2 and "<img" not in page
    boxes = [box for level in data_of(page)["levels"] for box in level["boxes"].values()]
    assert any("hacked" in box[0] for box in boxes)


def test_equal_programs_give_equal_pages():
    assert viz.page(numbers()) == viz.page(numbers())


def test_the_levels_hold_each_operation_once_and_each_opens_in_one_box():
    data = data_of(block_page())
    levels = data["levels"]
    assert len(levels) == 1 + 20 * 2
    opened = sorted(child for level in levels for child in level["opens"].values())
    assert opened == list(range(1, len(levels)))
    roles = [box[1] for level in levels for box in level["boxes"].values()]
    assert roles.count("operation") == 20 * 3 + 1
    for level in levels:
        assert set(level["opens"]) <= set(level["boxes"])
        assert 0 <= level["drawing"] < len(data["drawings"])


def test_arrows_into_a_scope_and_out_of_it_meet_its_ports():
    for overlay in (None, "values"):
        for view in ("operations", "tensors", "forward"):
            data = data_of(viz.page(crossing(), view=view, overlay=overlay, frames=False))
            for level in data["levels"]:
                for tail, head, *carried in level["arrows"]:
                    for box, side in ((tail, "exit"), (head, "entry")):
                        if box in level["opens"]:
                            ports = data["levels"][level["opens"][box]]["ports"][side]
                            assert carried[0] and {str(x) for x in carried[0]} <= set(ports)


def test_alike_scopes_have_one_drawing():
    h = am.tensor(np.ones((4, 3)), name="x")
    for place in range(6):
        with am.scope(f"block_{place}"):
            weight = am.tensor(np.eye(3) / (2 + place), name="weight", requires_grad=True)
            h = np.tanh(h @ weight)
    data = data_of(viz.page(h.sum(), frames=False))
    assert len(data["levels"]) == 7 and len(data["drawings"]) == 2


def numbered(count: int = 9):
    """Return a loss of scopes that differ in the numbers of their names and shapes alone."""
    total = am.tensor(np.zeros(1), name="start")
    for place in range(count):
        with am.scope(f"part_{place}"):
            weight = am.tensor(np.eye(place + 1), name=f"w{place}", requires_grad=True)
            total = total + (am.tensor(np.ones(place + 1), name="x") @ weight).sum()
    return total.sum()


def test_scopes_that_differ_in_numbers_alone_have_one_drawing():
    data = data_of(viz.page(numbered(), frames=False, limit=None))
    assert len(data["levels"]) == 10 and len(data["drawings"]) == 2
    texts = [level["texts"] for level in data["levels"][1:]]
    assert not texts[0] and all(texts[1:])


def test_what_repeats_and_what_is_left_out_opens_too():
    h = am.tensor(np.ones((4, 3)), name="x")
    for place in range(200):
        h = np.sin(h) if place % 3 else h + place
    data = data_of(viz.page(h.sum(), frames=False))
    found = [box for level in data["levels"] for box in level["boxes"].values()]
    assert sum(box[1] == "operation" for box in found) == 201
    assert max(len(level["boxes"]) for level in data["levels"]) <= 125


def test_the_pieces_of_a_scope_that_is_left_and_entered_again_open_one_by_one():
    x = am.tensor(np.ones(3), name="x")
    with am.scope("s"):
        y = np.sin(x)
        inside = copy_context()
    z = np.cos(y)
    loss = inside.run(lambda: np.tanh(z) + y).sum()
    data = data_of(viz.page(loss, open=0))
    words = [box[0] for box in data["levels"][0]["boxes"].values()]
    assert [text for text in words if "of 3" in text] == [
        "s 1 of 3 operations",
        "s 2 of 3 operations",
    ]
    held = [[box[0] for box in level["boxes"].values()] for level in data["levels"][1:]]
    assert held == [["sin"], ["tanh", "+"]]


def test_ten_thousand_operations_in_scopes_are_a_small_page():
    h = am.tensor(np.ones((4, 3)), name="x")
    for i in range(100):
        with am.scope(f"layer_{i}"):
            for j in range(10):
                with am.scope(f"block_{j}"):
                    h = h @ am.tensor(np.eye(3), name="weight", requires_grad=True)
                    for _ in range(9):
                        h = np.tanh(h)
    began = time.process_time()
    page = viz.page(h.mean())
    assert len(page.encode()) < 3e6
    assert time.process_time() - began < 9  # about 3 s of a processor; machines differ
    data = data_of(page)
    boxes = [box for level in data["levels"] for box in level["boxes"].values()]
    assert sum(box[1] == "operation" for box in boxes) == 10_001


def test_an_overlay_has_one_scale_for_all_levels():
    data = data_of(viz.page(crossing(), overlay="memory", open=0))
    scales = [drawing for drawing in data["drawings"] if "memory" in drawing]
    assert len(scales) == 1


def test_the_terms_of_a_shared_gradient_are_counted_over_all_levels():
    data = data_of(viz.page(crossing()))
    texts = [
        text
        for level in data["levels"]
        for step in level.get("backward", ())
        for text in step[4].values()
    ]
    assert any("1 of 3 terms" in text for text in texts)
    assert any("sum of 3" in text for text in texts)


def test_a_link_to_the_source_is_an_address():
    for wrong in ("javascript:alert('{path}')", "https://host/file", 3):
        with pytest.raises(viz.PictureError, match="source_link="):
            viz.page(numbers(), source_link=wrong)
    assert '"source":null' in viz.page(numbers(), source_link=None)


def test_a_page_shows_itself_in_a_notebook():
    page = viz.page(numbers(), title="A & B")
    bundle = page._repr_mimebundle_()
    assert bundle["text/html"].startswith("<iframe srcdoc=")
    assert html.unescape(re.search('srcdoc="([^"]*)"', bundle["text/html"]).group(1)) == page
    assert 'title="A &amp; B"' in bundle["text/html"]
    assert bundle["text/plain"] == repr(page) and len(repr(page)) < 60
    assert isinstance(page, str)


def test_facts_tell_shape_dtype_statistics_formula_and_line():
    with am.debug():
        x = am.tensor(np.array([[3.0, 4.0]]), name="x", requires_grad=True)
        y = np.tanh(x).sum()
    data = data_of(viz.page(y))
    known = [dict(data["pairs"][number] for number in facts) for facts in data["facts"]]
    leaf = next(facts for facts in known if facts.get("value", "").startswith("1×2, norm 5"))
    assert leaf["shape"] == "1×2" and leaf["dtype"] == "float64"
    tanh = next(facts for facts in known if facts.get("operation") == "tanh")
    assert "1 − y²" in tanh["derivatives"] and "test_viz_page.py:" in tanh["recorded at"]


def test_models_compiled_steps_and_odd_arrays_have_pages():
    assert "input 2" in viz.page(am.nn.MLP([2, 3, 1]))
    x = am.tensor(np.zeros((0, 2)), requires_grad=True, name="empty")
    z = am.tensor(np.ones(4) * 1j, requires_grad=True, name="z")
    parts = np.split(np.abs(z), 2)
    assert "complex128" in viz.page([x.sum(), parts[1].sum()])
    step = am.compile(lambda x: np.tanh(x) * 2)
    step(np.ones(3))
    step(np.ones(3))
    assert "forward" not in data_of(viz.page(step))["levels"][0]


def test_frames_can_be_left_out():
    assert data_of(viz.page(numbers()))["film"]
    assert not data_of(viz.page(numbers(), frames=False))["film"]
    assert data_of(block_page())["levels"][0]["forward"]
    assert "forward" not in data_of(viz.page(blocks(), frames=False))["levels"][0]


def test_wrong_subjects_are_explained():
    with pytest.raises(viz.PictureError, match="no graph|cannot draw"):
        viz.page(3)
    with pytest.raises(viz.PictureError, match="view='circles'"):
        viz.page(numbers(), view="circles")


# ── in a browser ─────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def browser():
    found = Browser()
    yield found
    found.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that opens a page; afterwards nothing went wrong."""

    def open_page(subject, **options):
        path = tmp_path / "page.html"
        written = subject if isinstance(subject, str) else viz.page(subject, **options)
        path.write_text(written, encoding="utf-8")
        browser.open(path)
        return browser

    browser.media(prefers_color_scheme="light")
    yield open_page
    assert browser.problems == []
    assert browser.requests == []


def box(browser: Browser, words: str) -> str:
    """Return a selector of the box or scope whose label begins with some words."""
    found = browser.run(
        "[...document.querySelectorAll('#sheet [aria-label]')]"
        f".find(g => g.getAttribute('aria-label').includes({json.dumps(words)}))?.id"
    )
    assert found, f"no {words}"
    return f"#{found}"


def text(browser: Browser, selector: str) -> str:
    return browser.run(f"document.querySelector({json.dumps(selector)}).textContent")


def focus(browser: Browser) -> str:
    """Return the name of the element that has the focus."""
    return browser.run(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.id"
    )


def set_step(browser: Browser, number: int) -> None:
    browser.run(
        f"(s => {{ s.value = {number}; s.dispatchEvent(new Event('input')) }})"
        "(document.querySelector('#step'))"
    )


@needs_browser
def test_it_opens_and_draws(opened):
    page = opened(numbers())
    assert page.run("document.querySelectorAll('#sheet .node').length") == 8
    assert page.run("document.querySelector('#sheet svg').getBoundingClientRect().width") > 200


@needs_browser
def test_a_click_opens_a_scope_in_its_place_and_another_folds_it(opened):
    page = opened(block_page())
    before = page.centre(box(page, "block_3 "))
    page.click(box(page, "block_3 "))
    scope = box(page, "scope block_3")
    assert page.run(f"document.querySelector('{scope}').getAttribute('aria-expanded')") == "true"
    after = page.centre(scope)
    assert abs(after[0] - before[0]) < 2
    assert page.run("document.querySelector('#back').disabled") is False
    page.run(f"document.querySelector('{scope}').focus()")
    page.press("Enter")
    assert page.run("document.querySelector('#back').disabled") is True
    assert box(page, "block_3 ")


@needs_browser
def test_scopes_open_inside_of_scopes_and_backspace_folds_all(opened):
    page = opened(block_page())
    page.click(box(page, "block_2 "))
    page.click(box(page, "inner "))
    assert page.run("[...document.querySelectorAll('.cluster')].length") == 2
    page.press("Backspace")
    assert page.run("[...document.querySelectorAll('.cluster')].length") == 0


@needs_browser
def test_search_marks_boxes_and_enter_goes_through_them(opened):
    page = opened(block_page())
    page.press("/")
    assert page.run("document.activeElement.id") == "search"
    page.type("block_1")
    marked = page.run("document.querySelectorAll('.halo').length")
    found = int(re.findall(r"\d+", text(page, "#found"))[0])
    assert marked == 11 and found > marked
    assert text(page, "#found") == f"found: {found}, folded: {found - marked}"
    page.press("Enter")
    page.press("Enter")
    assert text(page, "#found") == f"2 of {found}"
    assert page.run("document.querySelector('#facts').hidden") is False
    page.press("Escape")
    assert page.run("document.querySelectorAll('.halo').length") == 0


@needs_browser
def test_pointing_tells_facts_and_lights_the_way(opened):
    a = am.tensor(2.0, name="a", requires_grad=True)
    b = am.tensor(-3.0, name="b", requires_grad=True)
    page = opened([np.sin(a), np.cos(b)])
    page.hover(box(page, "parameter a"))
    told = text(page, "#facts")
    assert "float64" in told and "gradient" in told
    far = page.run(
        "[...document.querySelectorAll('.lighting .node:not(.lit)')].map(g => g.ariaLabel).join()"
    )
    assert "cos" in far and "sin" not in far
    page.mouse("Moved", 600, 60)
    assert page.run("document.querySelectorAll('.lighting, .lit').length") == 0


@needs_browser
def test_the_slider_fills_in_the_numbers(opened):
    page = opened(numbers())

    def shown():
        return page.run(
            "[...document.querySelectorAll('#sheet text')]"
            ".filter(t => getComputedStyle(t).visibility == 'visible').map(t => t.textContent)"
        )

    assert shown().count("grad −8") == 2 and "grad 16" in shown()
    set_step(page, 0)
    assert "data −6" not in shown() and "given: a = 2" in text(page, "#caption")
    set_step(page, 1)
    assert "data −6" in shown() and "v₁ = a × b = 2 × (−3) = −6" in text(page, "#caption")
    set_step(page, 6)
    assert shown().count("grad −8") == 3 and "grad 16" not in shown()
    page.press("]")
    assert "∂L/∂b" in text(page, "#caption")


@needs_browser
def test_play_steps_on_and_stops(opened):
    page = opened(numbers())
    page.click("#play")
    assert text(page, "#play") == "❚❚"
    assert page.run("document.querySelector('#step').value") == "0"
    page.press("p")
    assert text(page, "#play") == "▶"


@needs_browser
def test_everything_is_reached_by_keyboard(opened):
    page = opened(block_page())
    page.run("document.querySelector('#stage').focus()")
    page.press("Tab")
    assert focus(page).startswith("input x")
    assert page.run("document.querySelector('#facts').hidden") is False
    assert page.run("document.querySelectorAll('.halo.focused').length") == 1
    page.press("ArrowDown")
    assert focus(page).startswith("scope block_0 ")
    page.press("Enter")
    assert focus(page) == "scope block_0"
    page.press("ArrowDown")
    page.press("ArrowDown")
    assert "from" in focus(page)
    page.press("f")
    assert focus(page).startswith("scope block_0 ")
    page.press("Escape")
    assert page.run("document.querySelector('#facts').hidden") is True
    assert page.run("document.activeElement.id") == "stage"


@needs_browser
def test_keys_and_wheel_move_and_zoom(opened):
    page = opened(block_page())
    shape = "(b => [b.x, b.y, b.width])(document.querySelector('#sheet').getBoundingClientRect())"
    x, y, width = page.run(shape)
    page.run("document.querySelector('#stage').focus()")
    page.press("ArrowRight")
    assert page.run(shape)[0] < x
    page.press("+")
    assert page.run(shape)[2] > width
    page.mouse("Wheel", 300, 300, deltaX=0, deltaY=400)
    assert page.run(shape)[2] < width
    page.press("0")
    fitted = page.run("document.querySelector('#sheet svg').getBoundingClientRect().height")
    assert fitted <= page.run("document.querySelector('#stage').clientHeight")
    before = page.run(shape)
    page.mouse("Pressed", 100, 300, button="left", clickCount=1)
    page.mouse("Moved", 160, 330, button="left")
    page.mouse("Released", 160, 330, button="left", clickCount=1)
    assert page.run(shape)[:2] == pytest.approx([before[0] + 60, before[1] + 30], abs=1)


@needs_browser
def test_light_and_dark_follow_the_reader_and_can_be_switched(opened):
    page = opened(numbers())
    colour = (
        "getComputedStyle([...document.querySelectorAll('#sheet text')]"
        ".find(t => t.textContent == 'data 2')).fill"
    )
    light = page.run(colour)
    page.media(prefers_color_scheme="dark")
    dark = page.run(colour)
    assert dark != light
    page.press("t")
    assert page.run(colour) == light
    page.press("t")
    assert page.run(colour) == dark


@needs_browser
def test_hostile_names_are_shown_as_they_are_and_run_nothing(opened):
    x = am.tensor(2.0, name=HOSTILE, requires_grad=True)
    with am.scope("<b>bold</b>"):
        y = x * 3
    page = opened(y, title=HOSTILE)
    assert page.run("window.hacked === undefined")
    assert "<script>" in text(page, "h1")
    page.hover(box(page, "</script>"))
    assert page.run("document.querySelectorAll('img, #facts script, #facts b').length") == 0
    assert page.run("window.hacked === undefined")


@needs_browser
def test_hidden_characters_of_names_are_seen(opened):
    x = am.tensor(2.0, name="a\x1b\ud800\ufffe\u202eb", requires_grad=True)
    operation = am.primitive(lambda v: v * 2.0, name="\0", symbol="\x07\n")
    operation.vjp(lambda g, y, v: g * 2.0)
    with am.scope("s\u2028"):
        y = operation(x) * 3
    y.name = "\n"
    page = opened(y, title="\x9b title")
    assert text(page, "h1") == "� title"
    page.hover(box(page, "a����b"))
    set_step(page, 2)
    assert page.problems == []


@needs_browser
def test_an_animation_plays_in_a_browser(browser, tmp_path):
    path = tmp_path / "steps.svg"
    viz.frames(numbers()).animation(path, seconds=0.5)
    browser.media(prefers_reduced_motion="no-preference")
    browser.open(path)
    assert browser.run("document.getAnimations().length") > 5
    browser.media(prefers_reduced_motion="reduce")
    assert browser.run("document.getAnimations().length") == 0
    assert browser.problems == []


# ── scopes, search and links in a browser ────────────────────────────────────────────────────────
def names(browser: Browser, selector: str) -> list[str]:
    """Return the accessible names of elements."""
    found = f"[...document.querySelectorAll({json.dumps(selector)})]"
    return browser.run(f"{found}.map(g => g.getAttribute('aria-label')).filter(Boolean)")


@needs_browser
def test_any_number_of_scopes_is_open_while_player_and_gradients_stay(opened):
    page = opened(crossing(), open=0)
    steps = int(page.run("document.querySelector('#step').max"))
    assert [name[:11] for name in names(page, ".node.opens")] == ["scope outer", "scope head "]
    gradients = "[...document.querySelectorAll('.gradient-text')].map(t => t.textContent)"
    assert all("‖grad‖" in text for text in page.run(gradients))
    for words in ("scope outer ", "scope a ", "scope b ", "scope head "):
        page.run(f"document.querySelector('{box(page, words)}').focus()")
        page.press("Enter")
    assert sorted(names(page, ".cluster")) == ["scope a", "scope b", "scope head", "scope outer"]
    assert page.run("document.querySelector('#player').hidden") is False
    assert int(page.run("document.querySelector('#step').max")) > steps
    shown = page.run(gradients)
    assert len(shown) > 8 and all("‖grad‖" in text for text in shown)
    assert (
        len([text for text in shown if text.endswith(", sum of 3 terms")]) == 3
    )  # w is in three scopes
    page.press("Backspace")
    assert names(page, ".cluster") == []


@needs_browser
def test_a_step_keeps_its_place_when_a_scope_opens(opened):
    page = opened(crossing(), open=0)
    set_step(page, 1)
    assert text(page, "#caption").startswith("outer: ")
    page.run(f"document.querySelector('{box(page, 'scope outer ')}').focus()")
    page.press("Enter")
    assert page.run("document.querySelector('#step').value") == "1"
    assert text(page, "#caption").startswith("a: ")
    assert page.run("document.querySelectorAll('.glow').length") == 1
    assert page.run("document.querySelectorAll('.pale').length") > 1


@needs_browser
def test_a_drawing_that_scopes_share_is_written_with_the_texts_of_each(opened):
    page = opened(numbered(), frames=False, limit=None)
    shown = page.run("[...document.querySelectorAll('#sheet .node text')].map(t => t.textContent)")
    for place in range(9):
        assert f"w{place}" in shown and f"{place + 1}×{place + 1}" in shown


@needs_browser
def test_arrows_of_open_scopes_are_lines_without_a_gap(opened):
    page = opened(crossing())
    ends = page.run(
        """(() => {
          const point = (path, at) => {
            const p = path.getPointAtLength(at), m = path.getScreenCTM();
            return [p.x * m.a + m.e, p.y * m.d + m.f];
          };
          const ends = [];
          for (const edge of document.querySelectorAll('#sheet .edge path')) {
            ends.push(point(edge, 0), point(edge, edge.getTotalLength()));
          }
          const ports = document.querySelectorAll('#sheet .node.entry, #sheet .node.exit');
          return [...ports].map((port) => {
            const b = port.getBoundingClientRect(), x = b.x + b.width / 2, y = b.y + b.height / 2;
            return ends.filter(([p, q]) => Math.hypot(p - x, q - y) < 1.5).length;
          });
        })()"""
    )
    assert len(ends) > 6 and min(ends) >= 2


@needs_browser
def test_search_finds_what_is_folded_and_opens_it(opened):
    page = opened(crossing(), open=0)
    page.press("/")
    page.type("tanh")
    found = text(page, "#found")
    assert "folded: " in found
    assert page.run("document.querySelectorAll('.halo').length") == 1
    for _ in range(int(re.findall(r"\d+", found)[0])):
        page.press("Enter")
    assert "scope a" in names(page, ".cluster")
    assert any(name.startswith("operation tanh") for name in names(page, ".node"))
    assert "tanh" in text(page, "#facts")
    page.press("ArrowDown")
    assert focus(page).startswith("operation tanh")


@needs_browser
def test_an_address_brings_back_what_was_shown(opened, tmp_path):
    page = opened(crossing(), open=0)
    page.run(f"document.querySelector('{box(page, 'scope head ')}').focus()")
    page.press("Enter")
    page.press("ArrowDown")
    page.press("Enter")
    page.press("t")
    set_step(page, 2)
    address = page.run("location.hash")
    for part in ("open=", "theme=dark", "step=2"):
        assert part in address
    page.run("location.hash = ''")
    page.run("new Promise(done => setTimeout(done, 100))")
    assert names(page, ".cluster") == []
    page.run(f"location.hash = {json.dumps(address)}")
    page.run("new Promise(done => setTimeout(done, 100))")
    assert names(page, ".cluster") == ["scope head"]
    assert page.run("document.documentElement.dataset.theme") == "dark"
    assert page.run("document.querySelector('#step').value") == "2"
    page.run("location.hash = '#open=99.x.-1&at=nothing&step=many&theme=pink'")
    page.run("new Promise(done => setTimeout(done, 100))")
    assert page.problems == []


@needs_browser
def test_a_chosen_box_keeps_its_facts_with_a_link_to_its_line(opened):
    with am.debug():
        x = am.tensor(np.ones((2, 3)), name="x")
        y = np.tanh(x).sum()
    page = opened(y, source_link="https://host/{path}#L{line}")
    page.run(f"document.querySelector('{box(page, 'operation tanh')}').focus()")
    page.press("Enter")
    page.press("Tab")
    assert page.run("document.activeElement.href").startswith("https://host/")
    assert re.search(r"test_viz_page\.py#L\d+$", page.run("document.activeElement.href"))
    page.press("Escape")
    assert page.run("document.querySelector('#facts').hidden") is True


@needs_browser
def test_boxes_of_one_weight_light_up_together(opened):
    page = opened(crossing())
    page.hover(box(page, "parameter w"))
    assert page.run("document.querySelectorAll('.twin').length") == 2
    assert "same tensorother boxes: 2" in text(page, "#facts")
    page = opened(crossing(), open=0)
    page.run(f"document.querySelector('{box(page, 'scope outer ')}').focus()")
    page.press("Enter")
    page.run(f"document.querySelector('{box(page, 'scope a ')}').focus()")
    page.press("Enter")
    page.press("0")
    page.hover(box(page, "parameter w"))
    assert sorted(name.split()[1] for name in names(page, ".twin")) == ["b", "head"]


@needs_browser
@pytest.mark.parametrize("subject", [numbers, crossing])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_is_saved_as_svg_and_png(opened, subject, theme):
    page = opened(subject())
    if theme == "dark":
        page.press("t")
    page.run("URL.createObjectURL = (blob) => { window.saved = blob; return 'data:,x'; }")
    page.run("HTMLAnchorElement.prototype.click = function () { window.file = this.download; }")
    page.press("s")
    assert focus(page) == "copy-svg"
    page.press("ArrowDown")
    page.press("Enter")
    svg = page.run("window.saved.text()")
    root = ElementTree.fromstring(svg)
    title, desc = root[0], root[1]
    assert title.text.startswith("Computation graph") and desc.text
    assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
    assert "tabindex" not in svg and "halo focused" not in svg and "<script" not in svg
    name = "L" if subject is numbers else "loss"
    assert page.run("window.file") == f"Computation-graph-of-{name}.svg"
    page.press("ArrowDown")
    page.press("ArrowDown")
    page.press("Enter")
    page.run(
        "new Promise(done => { const wait = () => /png|cannot/.test("
        "document.querySelector('#saved').value) ? done() : setTimeout(wait, 50); wait(); })"
    )
    assert text(page, "#saved") == f"saved as Computation-graph-of-{name}.png"
    assert page.run("window.saved.type") == "image/png" and page.run("window.saved.size") > 5000
    pixel = page.run(
        "createImageBitmap(window.saved).then(b => { const c = "
        "new OffscreenCanvas(b.width, b.height).getContext('2d'); "
        "c.drawImage(b, 0, 0); return [...c.getImageData(1, 1, 1, 1).data]; })"
    )
    assert pixel == ([255, 255, 255, 255] if theme == "light" else [22, 27, 34, 255])
    page.press("Escape")
    assert focus(page) == "Copy or save the picture"
    assert all(address.startswith("data:image/svg+xml") for address in page.requests)
    page.requests.clear()


@needs_browser
def test_scopes_of_the_backward_open_with_their_gradients(opened):
    page = opened(crossing(), view="backward", open=0)
    folded = names(page, ".node.opens")
    page.run(f"document.querySelector('{box(page, 'scope outer ')}').focus()")
    page.press("Enter")
    assert focus(page) == "scope outer"
    assert names(page, ".node.opens") != folded
    assert "state=" in page.run("location.hash")
    page.press("Enter")
    assert names(page, ".node.opens") == folded
    assert page.run("location.hash") == ""


@needs_browser
@pytest.mark.parametrize("what", ["network", "compiled", "error", "tensors", "overlay", "LR"])
def test_every_kind_of_page_opens_in_a_browser(opened, what):
    if what == "network":
        page = opened(am.nn.MLP([2, 3, 1]))
    elif what == "compiled":
        step = am.compile(lambda x: np.tanh(x) * 2)
        for _ in range(3):
            step(np.ones(3))
        page = opened(step, view="compiled")
    elif what == "error":
        with pytest.raises(am.ShapeError) as caught:
            am.tensor(np.ones((3, 4)), name="x") @ am.tensor(np.ones((3, 2)), name="w")
        page = opened(caught.value)
    elif what == "LR":
        page = opened(crossing(), direction="LR")
        page.run("document.querySelector('#stage').focus()")
        page.press("Tab")
        page.press("ArrowRight")
        assert focus(page).startswith("operation @, from x 2×3")
    else:
        options = {"view": "tensors"} if what == "tensors" else {"overlay": ["time", "values"]}
        page = opened(crossing(), **options)
    assert page.run("document.querySelectorAll('#sheet .node').length") > 2
    assert (
        page.run("document.querySelectorAll('#sheet [transform*=NaN], #sheet [d*=NaN]').length")
        == 0
    )


# ── keyboard, phone and paper ────────────────────────────────────────────────────────────────────
@needs_browser
def test_each_region_is_one_stop_of_the_tab_key(opened):
    page = opened(crossing())
    page.run("document.querySelector('#search').focus()")
    stops = []
    for _ in range(3):
        page.press("Tab")
        stops.append(focus(page))
    assert stops[0] == "Zoom out" and stops[2] == "Step. Space plays."
    assert stops[1].startswith(("input", "scope", "parameter"))
    page.press(" ")
    assert text(page, "#play") == "❚❚"
    page.press(" ")
    page.run("document.querySelector('#out').focus()")
    page.press("ArrowRight")
    page.press("ArrowRight")
    assert focus(page) == "Zoom in"
    page.press("End")
    page.press("Enter")
    assert page.run("document.querySelector('#keys').hidden") is False


@needs_browser
def test_arrow_keys_walk_along_the_arrows_and_names_say_what_feeds_a_box(opened):
    page = opened(crossing())
    page.run("document.querySelector('#stage').focus()")
    page.press("Tab")
    assert focus(page) == "input x 2×3"
    page.press("ArrowDown")
    assert focus(page) == "operation @, from x 2×3 and w 3×3 shared"
    page.press("ArrowRight")
    assert focus(page).startswith("parameter w")
    page.press("ArrowLeft")
    page.press("ArrowDown")
    assert focus(page) == "operation tanh, from @"
    seen = set()
    for _ in range(40):
        seen.add(focus(page))
        page.press("ArrowDown")
    assert focus(page).startswith("output loss")
    for _ in range(40):
        page.press("ArrowUp")
    assert focus(page).startswith(("input x", "scope outer"))
    before = page.run("document.querySelector('#sheet').style.transform")
    page.press("ArrowRight", shift=True)
    assert page.run("document.querySelector('#sheet').style.transform") != before


@needs_browser
def test_a_phone_has_room_for_everything(opened):
    page = opened(crossing())
    page.size(390, 844)
    try:
        page.run("dispatchEvent(new Event('resize'))")
        assert page.run("document.scrollingElement.scrollWidth") <= 390
        for selector in ("#search", "#tools button", "#play", "#step"):
            x, width, height = page.run(
                f"(b => [b.right, b.width, b.height])(document.querySelector('{selector}')"
                ".getBoundingClientRect())"
            )
            assert x <= 390 and (selector == "#step" or min(width, height) >= 40), selector
        page.press("s")
        right = page.run("document.querySelector('#save').getBoundingClientRect().right")
        assert right <= 390
        page.press("Escape")
        page.click(box(page, "operation tanh"))
        left, right, bottom = page.run(
            "(b => [b.left, b.right, b.bottom])(document.querySelector('#facts')"
            ".getBoundingClientRect())"
        )
        assert (left, right, bottom) == (0, 390, 844)
    finally:
        page.size(1200, 800)


@needs_browser
def test_no_box_is_cut_where_a_printed_page_ends(opened):
    page = opened(block_page())
    for _ in range(8):
        page.run("document.querySelector('.node.opens').focus()")
        page.press("Enter")
    page.run("dispatchEvent(new Event('beforeprint'))")
    edges = page.run(
        "[...document.querySelectorAll('#pages svg')].map(s => s.getAttribute('viewBox')"
        ".split(' ').map(Number))"
    )
    assert len(edges) > 1
    spans = page.run(
        "(() => { const m = document.querySelector('#sheet svg').getScreenCTM().inverse();"
        "return [...document.querySelectorAll('#sheet .node')].map(g => { const b = "
        "g.getBoundingClientRect(); return [b.top, b.bottom].map(y => "
        "new DOMPoint(b.left, y).matrixTransform(m).y) }) })()"
    )
    for _, top, _, height in edges[:-1]:
        assert all(not low < top + height < high for low, high in spans)
    page.run("dispatchEvent(new Event('afterprint'))")
    assert page.run("document.querySelectorAll('#pages svg').length") == 0
    pdf = base64.b64decode(page.call("Page.printToPDF", printBackground=True)["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == len(edges)


# ── large graphs ─────────────────────────────────────────────────────────────────────────────────
@cache
def wide_page() -> str:
    """Return a page of a thousand boxes, all of them shown."""
    total = None
    for place in range(25):
        with am.scope(f"branch_{place}"):
            h = am.tensor(np.ones(3), name=f"x{place}")
            for turn in range(38):
                h = np.sin(h) if turn % 2 else h + place
        total = h if total is None else total + h
    return viz.page(total.sum(), limit=None, frames=False)


@needs_browser
def test_a_thousand_boxes_answer_at_once(opened):
    page = opened(wide_page())
    assert page.run("document.querySelectorAll('#sheet .node.viz-box').length") >= 1000
    script = """((act) => { const times = []; for (let i = 0; i < 5; i++) {
      const began = performance.now(); act(i); document.body.getBoundingClientRect();
      times.push(performance.now() - began); } return Math.min(...times); })"""
    hover = page.run(
        f"{script}(i => document.querySelectorAll('#sheet .node.viz-operation')[400 + i]"
        ".dispatchEvent(new PointerEvent('pointerover', {bubbles: true, clientX: 300})))"
    )
    search = page.run(
        f"{script}(i => {{ const s = document.querySelector('#search'); "
        "s.value = 'sin'.slice(0, 1 + i % 3); s.dispatchEvent(new Event('input')); })"
    )
    assert hover < 50 and search < 100, (hover, search)


@needs_browser
def test_the_data_of_a_large_page_are_compressed_and_opened_again(opened, monkeypatch):
    whole = viz.page(crossing(), open=0)
    monkeypatch.setattr("viz.pages.webpage.LARGE", 1000)
    small = viz.page(crossing(), open=0)
    assert 'type="application/gzip"' in small and len(small) < len(whole)
    assert small == viz.page(crossing(), open=0)
    page = opened(small)
    page.run("new Promise(done => setTimeout(done, 300))")
    assert [name[:11] for name in names(page, ".node.opens")] == ["scope outer", "scope head "]


def test_a_page_explains_the_boxes_inside_of_folded_scopes():
    data = data_of(viz.page(crossing(), open=0, legend=True, caption="Figure 1\nand more"))
    assert data["caption"] == ["Figure 1", "and more"]
    assert any("parameter, trained" in drawing for drawing in data["drawings"])
    assert "Figure 1 and more." in data["description"]
    assert "parameter" not in {box[1] for box in data["levels"][0]["boxes"].values()}


def test_a_function_of_the_library_that_is_one_operation_opens_no_level():
    x = am.tensor(np.ones((2, 3)), name="x", requires_grad=True)
    with am.scope("layer"):
        y = np.max(np.fliplr(x) * 2.0)
    data = data_of(viz.page(y, open=0, frames=False))
    assert [level["name"] for level in data["levels"]] == ["", "layer"]
    assert [box[1] for box in data["levels"][1]["boxes"].values()].count("operation") == 3


def test_a_page_that_counts_a_divided_scope_counts_its_operations_once():
    data = data_of(viz.page(crossing(), open=0, frames=False))
    words = [box[0] for box in data["levels"][0]["boxes"].values() if box[1] == "scope"]
    assert not [text for text in words if " of " in text]


def rounds(count: int = 80):
    """Return the loss of a loop of alike scopes with one weight."""
    h = am.tensor(np.ones((4, 3)), name="x")
    w = am.tensor(np.eye(3), name="w", requires_grad=True)
    for _ in range(count):
        with am.scope("step"):
            h = np.tanh(h @ w)
    return h.sum()


@needs_browser
def test_a_loop_shows_what_goes_from_round_to_round_until_it_opens(opened):
    page = opened(rounds(), caption="Figure 1: a loop")
    loops = (
        "[...document.querySelectorAll('#sheet .edge[id*=loop]')].map(g => g.textContent.trim())"
    )
    assert page.run(loops) == ["4×3"]
    below = page.run(
        """(() => {
            const bottom = (g) => g.getBoundingClientRect().bottom;
            const texts = [...document.querySelectorAll('#sheet text')];
            const caption = texts.find((t) => t.textContent.startsWith('Figure 1'));
            const boxes = [...document.querySelectorAll('#sheet .node')];
            return bottom(caption) - Math.max(...boxes.map(bottom));
        })()"""
    )
    assert below > 0
    page.run(f"document.querySelector('{box(page, 'scope step, 80 times')}').focus()")
    page.press("Enter")
    assert page.run(loops) == []


@needs_browser
def test_a_page_says_everything_in_its_language(opened):
    page = opened(crossing(), open=0, language="ru", labels={"outer": "снаружи"})
    assert text(page, "#found").startswith("узлов: ")
    assert names(page, ".node.opens")[0].startswith("область снаружи ")
    assert ", принимает: x 2×3" in names(page, ".node.opens")[0]
    page.press("/")
    page.type("tanh")
    assert re.fullmatch(r"найдено: \d+, свёрнуто: \d+", text(page, "#found"))
    for _ in range(4):
        page.press("Enter")
    page.press("Escape")
    set_step(page, 0)
    assert text(page, "#count").startswith("прямой проход, 1 / ")
    page.hover(box(page, "параметр w"))
    assert "тот же тензор" in text(page, "#facts") and "форма" in text(page, "#facts")
    known = {"loss", "grad", "tanh", "float", "Enter", "Esc", "Backspace", "Tab", "Home", "End"}
    known |= {"Shift", "SVG", "PNG", "head", "split"}
    shown = page.run(
        "[...document.querySelectorAll('body *')].filter(e => !e.closest('script, noscript'))"
        ".flatMap(e => [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data)"
        ".concat(['aria-label', 'title', 'placeholder'].map(a => e.getAttribute(a) || '')))"
    )
    found = {word for part in shown for word in re.findall("[A-Za-z]{3,}", part)}
    assert found <= known
