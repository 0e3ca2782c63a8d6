"""A report as HTML: verdict, causes, a heat map an input, the worst entries."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_mini as am
from autograd_mini.checking import Report
from autograd_mini.checking.display import CELLS, SLICES, html, maps, page
from autograd_mini.checking.report import CODES, Cause, Kind, Part, Tolerances, Verdict

TOLERANCES = Tolerances(1e-6, 0.0)


def report_of(*shapes: tuple[int, ...], factor: Any = 1.0) -> Report:
    """Check sines whose gradient is off by a factor."""

    def f(*xs: Any) -> Any:
        return sum(np.sum(np.sin(x)) for x in xs)

    def grad(*xs: Any) -> Any:
        return tuple(factor * np.cos(x) for x in xs)

    rng = np.random.default_rng(0)
    xs = [rng.normal(size=shape) for shape in shapes]
    names = [f"x{i}" for i in range(len(xs))]
    return am.gradcheck(f, *xs, grad=grad, names=names, raises=False)


def part(verdicts: Any, name: str = "x", is_complex: bool = False) -> Part:
    """Make a part whose gradient is 1, and 2 where it is wrong."""
    verdict = np.asarray(verdicts, dtype=np.int8)
    numeric = np.ones(verdict.shape)
    given = np.where(verdict == CODES[Verdict.WRONG], 2.0, 1.0)
    error = np.full(verdict.shape, 1e-10)
    return Part(name, is_complex, given, numeric, error, error, verdict)


def parsed(text: str) -> ElementTree.Element:
    """Parse HTML that is well-formed XML."""
    return ElementTree.fromstring(text)


def pictures(text: str) -> list[ElementTree.Element]:
    """Return the maps of the inputs, without the swatches of the legend."""
    return [x for x in parsed(text).iter("svg") if x.get("role") == "img"]


def words(text: str) -> str:
    """Return what a reader sees."""
    root = parsed(text)
    for style in root.iter("style"):
        style.text = ""
    return " ".join("".join(root.itertext()).split())


def marked(picture: ElementTree.Element, kind: str) -> int:
    """Count the marks of a kind in a map."""
    paths = [x for x in picture.iter("path") if f"amg-on-{kind}" in x.get("class", "")]
    return sum(len(re.findall("M", x.get("d", ""))) for x in paths)


def test_a_right_report_says_ok_and_shows_one_entry():
    text = words(html(report_of((2, 3))))
    assert "✓ ok" in text
    assert "6 entries checked" in text
    assert text.count("✓ right") == 1
    assert "FAILED" not in text


def test_a_wrong_report_names_the_worst_entries_and_counts_the_others():
    shown = html(report_of((4, 5), factor=-1.0))
    text = words(shown)
    assert "✕ FAILED" in text
    assert "20 wrong" in text
    assert text.count("✕ wrong") == 8
    assert "and 12 more" in text
    assert len(pictures(shown)) == 1


def test_wrong_cells_have_a_mark_beside_their_colour():
    factor = np.where(np.arange(6).reshape(2, 3) == 4, 1.5, 1.0)
    (picture,) = pictures(html(report_of((2, 3), factor=factor)))
    assert sum(marked(picture, f"wrong{i}") for i in range(3)) == 1
    assert sum(marked(picture, f"right{i}") for i in range(3)) == 0


@pytest.mark.parametrize(
    ("verdict", "kind"), [(Verdict.KINK, "kink"), (Verdict.UNRESOLVED, "open"), (None, "none")]
)
def test_every_verdict_but_right_has_a_mark(verdict, kind):
    code = -1 if verdict is None else CODES[verdict]
    shown = html(Report("f(x)", (part([[code, 0]]),), rtol=1e-6))
    (picture,) = pictures(shown)
    assert marked(picture, kind) == 1
    assert ("not checked alone" if verdict is None else str(verdict)) in words(shown)


def test_a_cell_says_its_numbers_under_the_pointer():
    (picture,) = pictures(html(report_of((2, 3))))
    titles = [x.text or "" for x in picture.iter("title")]
    assert len(titles) == 6
    assert titles[5].startswith("x0[1, 2]: right, given ")


def test_causes_problems_and_blame_are_told_in_words():
    causes = (Cause(Kind.SIGN, "the sign of w is flipped", "w"),)
    problems = (Cause(Kind.MUTATION, "vjp changed x in place"),)
    report = replace(report_of((2,)), causes=causes, problems=problems, blame="tanh, model.py:3")
    text = words(html(report))
    for told in ("sign", "the sign of w is flipped", "vjp changed x in place", "tanh, model.py:3"):
        assert told in text


def test_a_report_without_entries_has_no_map():
    report = am.gradcheck(np.sin, np.array([np.nan]), grad=np.cos, raises=False)
    shown = html(report)
    assert pictures(shown) == []
    assert "is not finite" in words(shown)


def test_names_are_escaped():
    report = Report("<b>f</b>(x & y)", (part([0, 2], name="p['<i>']"),), rtol=1e-6)
    root = parsed(html(report))
    assert "<b>f</b>(x & y)" in "".join(root.itertext())
    assert list(root.iter("i")) == []


def test_a_number_a_row_and_a_column_are_drawn():
    for shape, cells in (((), (1, 1)), ((5,), (1, 5)), ((5, 1), (5, 1))):
        (found,), left = maps(part(np.zeros(shape)), TOLERANCES)
        assert found.scores.shape == cells
        assert left == 0
        (picture,) = pictures(html(Report("f(x)", (part(np.zeros(shape)),), rtol=1e-6)))
        assert len(list(picture.iter("title"))) == cells[0] * cells[1]


def test_an_empty_input_is_named_and_not_drawn():
    shown = html(Report("f(x, y)", (part(np.zeros((0, 3))), part([0], name="y")), rtol=1e-6))
    assert len(pictures(shown)) == 1
    assert "empty" in words(shown)


def test_one_wrong_entry_of_a_large_input_is_seen():
    verdicts = np.zeros((300, 1000))
    verdicts[217, 801] = CODES[Verdict.WRONG]
    (found,), _ = maps(part(verdicts), TOLERANCES)
    assert max(found.scores.shape) <= CELLS
    assert found.block == (5, 16)
    shown = html(Report("f(x)", (part(verdicts),), rtol=1e-6))
    (picture,) = pictures(shown)
    assert sum(marked(picture, f"wrong{i}") for i in range(3)) == 1
    assert "a cell is the worst of 5 × 16 entries" in words(shown)
    assert len(shown) < 200_000


def test_slices_of_a_stack_are_shown_the_worst_ones_among_them():
    verdicts = np.zeros((4, 5, 2, 3))
    verdicts[3, 4, 1, 2] = CODES[Verdict.WRONG]
    found, left = maps(part(verdicts), TOLERANCES)
    assert len(found) == SLICES
    assert left == 20 - SLICES
    assert found[-1].title == "x[3, 4, :, :]"
    assert "and 12 more slices" in words(html(Report("f(x)", (part(verdicts),), rtol=1e-6)))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 2, 3)])
def test_real_and_imaginary_parts_are_shown_side_by_side(shape):
    found, _ = maps(part(np.zeros((*shape, 2)), "z", is_complex=True), TOLERANCES)
    titles = [picture.title for picture in found]
    if len(shape) < 3:
        assert titles == ["z.real", "z.imag"]
    else:
        assert titles == ["z[0, :, :].real", "z[1, :, :].real", "z[0, :, :].imag",
                          "z[1, :, :].imag"]  # fmt: skip


def test_infinite_and_missing_numbers_are_drawn():
    one = part([CODES[Verdict.WRONG], CODES[Verdict.UNRESOLVED], 0, 0])
    one.given[:] = [np.nan, 1.0, np.inf, 0.0]
    one.numeric[:] = [1.0, np.nan, np.inf, 0.0]
    (picture,) = pictures(html(Report("f(x)", (one,), rtol=1e-6)))
    assert marked(picture, "wrong2") == 1
    assert marked(picture, "open") == 1


def test_many_inputs_show_those_that_fail():
    parts = [part(np.zeros(2), name=f"p{i}") for i in range(30)]
    parts[27] = part([CODES[Verdict.WRONG], 0], name="p27")
    shown = html(Report("f(p)", tuple(parts), rtol=1e-6))
    labels = [picture.get("aria-label", "") for picture in pictures(shown)]
    assert any("p27" in label for label in labels)
    assert "more inputs" in words(shown)


def test_several_reports_share_a_page():
    shown = html(report_of((2, 3)))
    assert not re.search(r'\bid="', shown)
    assert "<script" not in shown
    assert shown.count("url(#") == 0
    assert "prefers-color-scheme:dark" in shown


def test_a_page_of_its_own_is_complete():
    text = page(report_of((2,), factor=2.0))
    assert text.startswith("<!DOCTYPE html>")
    assert "<title>gradcheck of f(" in text
    assert text.rstrip().endswith("</html>")
