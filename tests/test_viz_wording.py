"""The words of pictures: languages, labels, captions, legends, and names of neurons."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini.cli.command import main
from viz.legend import MEANINGS
from viz.networks.columns import NAME_GAP
from viz.picture import BESIDE, PORTS
from viz.wording import language as languages
from viz.wording.messages import COUNTED, MESSAGES
from viz.wording.russian import MESSAGES as RUSSIAN
from viz.wording.russian import choose_form

SOURCES = Path(viz.__file__).parent
LATIN = re.compile(r"[A-Za-z]{3,}")
CODE = frozenset(
    {
        *("NaN", "Inf", "float", "tanh", "mean", "grad", "data", "mse", "matmul", "add", "exp"),
        *("limit", "backward", "multiply", "power", "sigmoid", "cos", "block", "Enter", "Tab"),
        *("Backspace", "JavaScript", "Esc"),
    }
)
"""Latin words that a Russian text may have: names of code, and of keys."""


def loss(**names: str) -> am.Tensor:
    x = am.tensor(np.ones((8, 2)), name=names.get("x", "x1"))
    w = am.tensor(np.full((2, 3), 0.5), name="w", requires_grad=True)
    with am.scope("layer"):
        h = np.tanh(x @ w)
    made = np.mean(h * h)
    made.name = "loss"
    return made


def words(picture: viz.Picture, *roles: str) -> list[str]:
    return [box.words for box in picture.boxes if box.role in roles]


def said_messages() -> Iterator[str]:
    """Yield the messages that the code says by their text."""
    places = {"say": 0, "say_count": 0, "format_count": 1, "list_names": 1}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func.id if isinstance(node, ast.Call) and hasattr(node.func, "id") else ""
            if name not in places or len(node.args) <= places[name]:
                continue
            given = node.args[places[name]]
            chosen = [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]
            for one in chosen:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one.value if places[name] == 0 else f"{{n}} {one.value}"


def values_of(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_message_that_the_code_says_is_in_the_catalogue() -> None:
    assert sorted(set(said_messages()) - set(MESSAGES)) == []


def test_every_message_is_used_somewhere() -> None:
    texts = {
        node.value
        for path in SOURCES.rglob("*.py")
        if path.parent.name != "wording"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    texts |= {f"{{n}} {text}" for text in texts} | {f"{text} {{size}}" for text in texts}
    page = (SOURCES / "pages" / "page.html").read_text(encoding="utf-8")
    texts |= set(re.findall(r"\{\{(.*?)\}\}", page)) | {" and "}
    made = {
        f"{{n}} {more}{noun}"
        for more in ("more ", "earlier ")
        for noun in ("input", "parameter", "operation")
    } | {"{name} after the backward"}
    assert sorted(set(MESSAGES) - texts - made) == []


def test_russian_says_every_message_with_its_values() -> None:
    assert sorted(MESSAGES) == sorted(RUSSIAN)
    for key, text in RUSSIAN.items():
        forms = text.split("|") if key in COUNTED else [text]
        assert len(forms) == (3 if key in COUNTED else 1), key
        assert all(values_of(form) == values_of(key) for form in forms), key


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 операция"), (3, "3 операции"), (5, "5 операций"), (11, "11 операций"),
     (21, "21 операция"), (112, "112 операций"), (1000, "1\N{NO-BREAK SPACE}000 операций")],
)  # fmt: skip
def test_russian_counts_take_the_right_form(count: int, text: str) -> None:
    viz.messages("ru")
    with languages.use_wording(languages.Wording("ru")):
        assert languages.say_count("{n} operation", count) == text


def test_the_forms_of_russian_counts_repeat() -> None:
    assert [choose_form(n) for n in (0, 101, 104, 1111)] == [2, 0, 1, 2]


@pytest.mark.parametrize(
    "options",
    [{}, {"view": "tensors"}, {"view": "backward"}, {"open": 0}, {"overlay": "values"},
     {"overlay": ["gradients", "memory"]}, {"view": "backward", "open": 0}, {"limit": 4}],
)  # fmt: skip
def test_a_russian_picture_has_no_english_words(options: dict[str, Any]) -> None:
    drawing = viz.draw(loss(), language="ru", legend=True, **options)
    svg = re.sub(r"<style>.*?</style>", "", drawing.svg)
    shown = re.findall(r">([^<]+)</(?:text|desc)>", svg)
    names = {"loss", "layer", *CODE}
    left = [
        word
        for text in shown
        for word in LATIN.findall(text)
        if word not in names and word not in ("KiB", "MiB")
    ]
    assert left == []
    assert 'lang="ru"' in drawing.svg


def test_russian_frames_and_pages_speak_russian() -> None:
    frames = viz.frames(loss(), language="ru")
    assert frames[0].caption == "дано: 1 вход и 1 параметр"
    assert "прямой проход" in frames[0].svg and "шаг 1 из" in frames[0].svg
    x = am.tensor(2.0, name="x", requires_grad=True)
    told = "\n".join(frame.caption for frame in viz.frames(x * 3.0, language="ru"))
    assert "обратный проход начинается с конца" in told and "given" not in told
    page = viz.page(loss(), language="ru")
    assert '<html lang="ru">' in page and "Клавиши" in page and "{{" not in page
    assert not set(re.findall(r">([^<{}]+)</(?:dt|dd|button)>", page)) & set(RUSSIAN)


def test_each_drawing_keeps_its_language() -> None:
    russian, english = viz.draw(loss(), language="ru"), viz.draw(loss())
    assert "Граф: " in russian.svg and "A graph of " in english.svg
    assert "Граф: " in json.loads(russian.json)["description"]
    assert languages.wording.get().language == "en"


@pytest.fixture
def added() -> Iterator[None]:
    """Forget the languages that a test adds, and those that others added."""
    before = dict(languages._languages)
    for code in before.keys() - {"en", "ru"}:
        del languages._languages[code]
    yield
    languages._languages.clear()
    languages._languages.update(before)


@pytest.mark.usefixtures("added")
def test_a_language_is_added_whole_or_in_part() -> None:
    german = viz.messages() | {
        "output": "Ausgabe",
        "{n} operation": "{n} Operation|{n} Operationen",
    }
    viz.add_language("de", german)
    y = am.tensor(np.ones(2), name="x") * 2.0
    assert words(viz.draw(y, language="de").picture, "output") == ["Ausgabe (2,)"]
    viz.add_language("nl", {"output": "uitvoer"}, partial=True)
    picture = viz.draw([y, y], language="nl", title="t").picture
    assert words(picture, "output") == ["uitvoer (2,)"] * 2
    assert "A graph of 1 input" in viz.draw(y, language="nl").svg  # the rest is English
    assert viz.messages("nl")["input"] == "input"


@pytest.mark.usefixtures("added")
def test_a_language_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "de.json"
    path.write_text(json.dumps({"output": "Ausgabe"}), encoding="utf-8")
    viz.add_language("de", path, partial=True)
    assert viz.messages("de")["output"] == "Ausgabe"
    path.write_text("no json", encoding="utf-8")
    with pytest.raises(viz.PictureError, match=r"de\.json.*cannot be read.*expected JSON"):
        viz.add_language("de", path)
    with pytest.raises(viz.PictureError, match="cannot be read"):
        viz.add_language("de", tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("code", "messages", "match"),
    [
        ("de", {"output": "Ausgabe"}, r"of \d+ messages are missing, 'array', .*partial=True"),
        ("de", {"outptu": "Ausgabe"}, r"'outptu' not among .* did you mean 'output'\?"),
        ("de", {"norm {norm}": "Norm"}, r"'Norm' stands for 'norm \{norm\}' .*braces: \{norm\}"),
        ("de", {"output": "Ausgabe {x}"}, "braces: none"),
        ("de", {"output": "Ausgabe {"}, "Ausgabe"),
        ("de", {"{n} operation": "{n} a|{n} b|{n} c"}, "3 forms; give plural="),
        ("de", {"output": 3}, "expected English messages and their translations"),
        ("de", 7, "expected English messages and their translations"),
        ("", {}, "the code of a language is a short text"),
        (3, {}, "the code of a language is a short text"),
    ],
)
@pytest.mark.usefixtures("added")
def test_a_wrong_language_is_refused_by_name(code: Any, messages: Any, match: str) -> None:
    with pytest.raises(viz.PictureError, match=match):
        viz.add_language(code, messages)
    assert "de" not in languages._languages


def test_an_unknown_language_is_refused() -> None:
    for draw in (viz.draw, viz.frames, viz.page):
        with pytest.raises(viz.PictureError, match=r"language='zz'.*'en'.*'ru'.*add_language"):
            draw(loss(), language="zz")


def test_labels_rename_tensors_scopes_and_operations() -> None:
    labels = {"x1": "рост", "w": "веса", "layer": "слой", "tanh": "тангенс", "loss": "потеря"}
    drawing = viz.draw(loss(), labels=labels, view="backward")
    assert words(drawing.picture, "input", "parameter", "output") == [
        "рост 8×2",
        "веса 2×3",
        "потеря 0.58",
    ]
    assert "тангенс" in words(drawing.picture, "operation")
    assert [c.caption for c in drawing.picture.clusters] == ["слой", "∂ слой"]
    assert "∂потеря/∂веса" in drawing.svg
    folded = viz.draw(loss(), labels=labels, open=0).picture
    assert words(folded, "scope") == ["слой 2 operations 1 parameter: веса"]
    assert viz.draw(loss(), labels={"layer": "a"}, open="layer").picture.clusters[0].caption == "a"


def test_labels_reach_every_view_and_the_frames() -> None:
    a = am.tensor(2.0, name="a", requires_grad=True)
    assert "вес" in viz.draw(a * 3.0, labels={"a": "вес"}).svg
    frames = viz.frames(a * 3.0, labels={"a": "вес"})
    assert frames[0].caption == "given: вес = 2"
    assert json.dumps("рост")[1:-1] in viz.page(loss(), labels={"x1": "рост"})
    assert "рост" in viz.draw(loss(), labels={"x1": "рост"}).mermaid
    model = am.nn.MLP([2, 3, 1], seed=0)
    picture = viz.draw(model, labels={"x₁": "h", "tanh": "th", "ŷ": "p"}).picture
    assert words(picture, "feature", "prediction") == ["h", "x₂", "p"]
    assert "hidden 3 · th" in words(picture, "heading")


def test_a_label_of_what_is_folded_away_is_no_error() -> None:
    assert viz.draw(loss(), labels={"w": "W"}, limit=4)
    h = am.tensor(np.ones(2), name="x")
    for i in range(60):
        h = np.sin(h) * am.tensor(0.5, name=f"a{i}", requires_grad=True)
    viz.draw(h, labels={"a0": "first"}, limit=6)


@pytest.mark.parametrize(
    ("labels", "match"),
    [
        ({"x2": "a"}, r"labels=\{'x2': …\}: no tensor.*there is x1"),
        ({"x1": 3}, "expected names and the texts for them"),
        (["x1"], "expected names and the texts for them"),
    ],
)
def test_wrong_labels_are_refused(labels: Any, match: str) -> None:
    for draw in (viz.draw, viz.frames, viz.page):
        with pytest.raises(viz.PictureError, match=match):
            draw(loss(), labels=labels)


def test_a_caption_stands_below_the_picture_and_is_read_aloud() -> None:
    drawing = viz.draw(loss(), caption="Figure 1: the loss & <its> parts")
    assert "Figure 1: the loss &amp; &lt;its&gt; parts</text>" in drawing.svg
    assert "Figure 1: the loss &amp; &lt;its&gt; parts.</desc>" in drawing.svg
    assert json.loads(drawing.json)["caption"] == "Figure 1: the loss & <its> parts"
    boxes = [float(y) for y in re.findall(r'<text[^>]* y="(-?[\d.]+)"', drawing.svg)]
    (below,) = re.findall(r'y="(-?[\d.]+)"[^>]*>Figure', drawing.svg)
    assert float(below) == max(boxes)
    long = viz.draw(loss(), caption="word " * 40).svg
    assert long.count("word word") >= 3  # it is wrapped
    assert "Figure 2" in viz.draw(am.nn.MLP([2, 1], seed=0), caption="Figure 2").svg
    assert "Figure 3" in viz.frames(loss(), caption="Figure 3")[0].svg
    assert "Figure 4" in viz.page(loss(), caption="Figure 4")


def test_a_caption_or_legend_of_another_type_is_refused() -> None:
    with pytest.raises(viz.PictureError, match="caption=3 is not a text"):
        viz.draw(loss(), caption=3)  # type: ignore[arg-type]
    with pytest.raises(viz.PictureError, match="legend='yes' is not known"):
        viz.draw(loss(), legend="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize("view", ["operations", "tensors", "backward"])
def test_a_legend_explains_the_roles_that_are_there_and_no_others(view: Any) -> None:
    picture = viz.draw(loss(), view=view, legend=True).picture
    (legend,) = [box for box in picture.boxes if box.looks]
    present = {box.role for box in picture.boxes} - BESIDE
    assert legend.lines == tuple(text for role, text in MEANINGS.items() if role in present)
    assert not any(box.looks for box in viz.draw(loss(), view=view).picture.boxes)


def test_a_legend_has_a_line_for_each_word_and_is_no_box_of_the_graph() -> None:
    a = am.tensor(2.0, name="a", requires_grad=True)
    for subject in (a * 3.0, am.nn.MLP([2, 3, 1], seed=0), loss()):
        plain, explained = viz.draw(subject), viz.draw(subject, legend=True)
        assert repr(plain) == repr(explained)
        (legend,) = [box for box in explained.picture.boxes if box.looks]
        assert len(set(legend.lines)) == len(legend.lines) >= 3
        assert all(line in explained.svg for line in legend.lines)
    described = re.search(r"<desc[^>]*>([^<]*)", viz.draw(loss(), legend=True).svg)
    assert described and "parameter, trained" not in described[1]


def test_every_role_of_a_box_has_a_meaning() -> None:
    roles = set(viz.style.BOX) - BESIDE - PORTS - {"dot", "error"}
    assert roles == set(MEANINGS)


def test_inputs_and_classes_stand_beside_the_circles() -> None:
    model = am.nn.MLP([2, 3, 2], seed=0)
    picture = viz.draw(model, inputs=["рост человека", "вес"], classes=["кошка", "собака"]).picture
    assert words(picture, "input_name") == ["рост человека", "вес"]
    assert words(picture, "class_name") == ["кошка", "собака"]
    assert words(picture, "feature") == ["x₁", "x₂"]
    where = {box.words: box for box in picture.boxes if box.position}
    left, circle = where["рост человека"], where["x₁"]
    assert left.position and circle.position and left.position[1] == circle.position[1]
    assert left.position[0] + left.width / 2 == pytest.approx(circle.position[0] - NAME_GAP)
    right, end = where["собака"], where["ŷ₂"]
    assert right.position and end.position
    assert right.position[0] - right.width / 2 == pytest.approx(end.position[0] + NAME_GAP)


def test_short_names_of_inputs_stand_in_the_circles() -> None:
    picture = viz.draw(am.nn.MLP([2, 3, 1], seed=0), inputs=["рост", "вес"]).picture
    assert words(picture, "feature") == ["рост", "вес"] and not words(picture, "input_name")
    sampled = viz.draw(am.nn.MLP([2, 3, 1], seed=0), inputs=["рост", "вес"], sample=[1.0, 2.0])
    assert "рост = 1" in sampled.svg


def test_names_in_layers_too_wide_to_draw_stand_at_their_own_circles() -> None:
    model = am.nn.MLP([40, 2], seed=0)
    names = [f"feature number {i}" for i in range(40)]
    picture = viz.draw(model, inputs=names).picture
    assert words(picture, "input_name")[-1] == "feature number 39"
    told = re.search(r"<desc[^>]*>([^<]*)", viz.draw(model, inputs=names).svg)
    assert told and "Inputs: feature number 0, " in told[1]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"inputs": ["a"]}, r"inputs=\['a'\]: the network has 2 inputs; expected a list of 2"),
        ({"classes": ["a", "b", "c"]}, "the network has 2 outputs"),
        ({"classes": {"kind": ["a", "b"]}}, "classes= names the head 'kind'"),
        ({"inputs": 3}, "the network has 2 inputs"),
        ({"inputs": [1, 2]}, "expected a list of 2 texts"),
    ],
)
def test_names_that_do_not_fit_are_refused(options: dict[str, Any], match: str) -> None:
    model = am.nn.MLP([2, 3, 2], seed=0)
    for draw in (viz.draw, viz.page):
        with pytest.raises(viz.PictureError, match=match):
            draw(model, **options)
    with pytest.raises(viz.PictureError, match="is for the neurons of a model"):
        viz.draw(loss(), **options)


def test_the_command_line_has_the_same_options(tmp_path: Path) -> None:
    source = tmp_path / "net.py"
    source.write_text(
        "import numpy as np, autograd_mini as am\n"
        "model = am.nn.MLP([2, 3, 2], seed=0)\n"
        'loss = np.sum(am.tensor(np.ones(3), name="x1") * 2.0)\n'
    )
    picture = tmp_path / "a.svg"
    words = ["--language", "ru", "--legend", "--caption", "Рис. 1"]
    command = ["draw", f"{source}:loss", "-o", str(picture), *words, "--label", "x1=рост"]
    assert main(command) == 0
    svg = picture.read_text(encoding="utf-8")
    assert all(text in svg for text in ("рост", "Рис. 1", "данные"))
    names = ["--inputs", "рост человека,вес", "--classes", "кошка, собака"]
    assert main(["draw", f"{source}:model", "-o", str(picture), *names]) == 0
    svg = picture.read_text(encoding="utf-8")
    assert all(text in svg for text in ("рост человека", "кошка", "собака"))
    assert main([*command[:-1], "no label"]) == 2


def test_neurons_of_a_graph_point_to_the_model() -> None:
    with pytest.raises(viz.PictureError, match=r"view='neurons' draws a model.*viz\.draw\(model\)"):
        viz.draw(loss(), view="neurons")


@pytest.mark.parametrize("plural", [lambda n: "x", lambda n: 1 / 0, lambda n: -1, lambda n: True])
def test_a_plural_that_chooses_no_form_is_refused(plural: Any) -> None:
    with pytest.raises(viz.PictureError, match=r"plural\(0\)"):
        viz.add_language("xq", {}, partial=True, plural=plural)


def test_english_is_not_replaced() -> None:
    with pytest.raises(viz.PictureError, match="choose another code"):
        viz.add_language("en", {"output": "ZZZ"}, partial=True)
