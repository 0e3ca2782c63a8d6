"""Themes of the user: colours and a font, whose contrast is checked."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
import viz
from viz.colours import contrast
from viz.style import BOX
from viz.theme import FILLS, USUAL


def loss() -> am.Tensor:
    x = am.tensor(np.ones((8, 2)), name="x")
    w = am.tensor(np.zeros((2, 3)), name="w", requires_grad=True)
    return np.mean(np.tanh(x @ w) ** 2)


def test_a_theme_that_says_nothing_is_the_light_one() -> None:
    theme = viz.Theme()
    assert {name: getattr(theme, name) for name in USUAL} == USUAL


def test_a_theme_colours_roles_ground_and_texts() -> None:
    theme = viz.Theme(
        ground="#FFFDF5", data="#1b6b4a", parameter="#7a1f5c", result="#8a3b00", gradient="#5b2a86",
        line="#333333", quiet="#444444", text="#101010", box="#fff",
    )  # fmt: skip
    assert theme.ground == "#fffdf5" and theme.box == "#ffffff"
    svg = viz.draw(loss(), view="backward", theme=theme, caption="c").svg
    for colour in ("#fffdf5", "#1b6b4a", "#7a1f5c", "#8a3b00", "#5b2a86", "#444444", "#101010"):
        assert f'"{colour}"' in svg, colour
    for before in ("#009e73", "#0072b2", "#d55e00", "#9c3f73", "#1f2328", "#59636e"):
        assert f'"{before}"' not in svg, before
    assert "prefers-color-scheme" not in svg  # it is drawn as it was asked for


def test_a_theme_on_a_dark_ground_takes_the_dark_colours_for_the_rest() -> None:
    theme = viz.Theme(ground="#10162f", parameter="#8fc7ff")
    assert theme.dark and theme.text == "#e6edf3" and theme.data == "#2fc79c"
    assert contrast(theme.text, theme.colours["#e5f1f8"]) >= 4.5


def test_signs_of_weights_keep_their_colours() -> None:
    model = am.nn.MLP([2, 3, 1], seed=0)
    dot = viz.draw(model, theme=viz.Theme(parameter="#7a1f5c")).dot
    assert '"#0072b2' in dot and '"#e69f00' in dot


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"text": "#999999"}, r"text='#999999' on box='#ffffff' has a contrast of 2\.8, and 4\.5 "
         r"is needed to read it; '#\w{6}' has (4\.[5-9]|5)"),
        ({"quiet": "#8a8a8a"}, "quiet='#8a8a8a' on ground='#ffffff'"),
        ({"quiet": "#757575"}, "quiet='#757575' on (an|2|3) open scope"),
        ({"gradient": "#c77dab"}, "gradient='#c77dab'"),
        ({"data": "#7fe0c0"}, "data='#7fe0c0' on ground='#ffffff' .* 3 is needed to see it"),
        ({"ground": "#000000", "text": "#222222"}, "text='#222222'"),
        ({"parameter": "blue"}, "parameter='blue' is not a colour; expected hexadecimal digits"),
        ({"ground": 3}, "ground=3 is not a colour"),
        ({"ground": "#12345"}, "is not a colour"),
        ({"font": 'Georgia"/><script>'}, "is not a family of fonts"),
        ({"font": 3}, "is not a family of fonts"),
    ],
)  # fmt: skip
def test_a_theme_that_cannot_be_read_is_refused_with_the_cure(given: Any, match: str) -> None:
    with pytest.raises(viz.PictureError, match=match):
        viz.Theme(**given)


@pytest.mark.parametrize("field", ["text", "quiet", "gradient", "data", "parameter", "result"])
@pytest.mark.parametrize("ground", ["#ffffff", "#101820", "#f5e6c8"])
def test_the_cure_is_taken(field: str, ground: str) -> None:
    given = {"ground": ground, field: "#808080"}
    for _ in range(12):
        try:
            viz.Theme(**given)
            return
        except viz.PictureError as error:
            found = re.search(rf"theme: {field}=.*; '(#\w+)' has", str(error))
            if not found:
                raise
            assert given[field] != found[1]
            given[field] = found[1]
    raise AssertionError(given)


def test_a_font_is_asked_for_in_the_svg_and_has_room() -> None:
    theme = viz.Theme(font="Georgia, serif")
    svg = viz.draw(loss(), theme=theme).svg
    assert set(re.findall(r"<text[^>]*font-family=\"([^\"]*)\"", svg)) == {theme.family}
    assert theme.family.startswith("Georgia, serif, Helvetica")
    width = float(re.search(r'width="(\d+)"', svg)[1])  # type: ignore[index]
    usual = float(re.search(r'width="(\d+)"', viz.draw(loss()).svg)[1])  # type: ignore[index]
    assert width >= usual  # letters that the layout program does not know are taken as wide
    assert 'fontname="Courier New"' in viz.draw(loss(), theme=viz.Theme(font="Courier New")).dot


def test_labels_that_look_like_colours_stay() -> None:
    x = am.tensor(np.ones(2), name="#0072b2")
    assert "#0072b2</text>" in viz.draw(x * 2.0, theme=viz.Theme(parameter="#7a1f5c")).svg


def test_another_theme_is_refused_by_name() -> None:
    with pytest.raises(viz.PictureError, match=r"theme='pink'.*'print', or viz\.Theme"):
        viz.draw(loss(), theme="pink")  # type: ignore[arg-type]


def test_the_fills_of_a_theme_are_those_of_the_roles() -> None:
    assert set(FILLS) <= {look.get("fillcolor") for look in BOX.values()}


@pytest.mark.parametrize("kind", ["png", "svg", "dot"])
def test_every_format_takes_a_theme(kind: str, tmp_path: Any) -> None:
    path = viz.render(loss(), tmp_path / f"a.{kind}", theme=viz.Theme(ground="#10162f"))
    assert path.stat().st_size > 500
