"""Text of a user's: every format of a picture can hold it, and no terminal gets to carry it out."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import autograd_mini as am
import viz
from autograd_mini.cli.command import main
from autograd_mini.core.primitive import PRIMITIVES
from autograd_mini.core.visible import HIDDEN, show_text
from viz.output.conversion import can_convert
from viz.output.layout import find_program

SVG = "{http://www.w3.org/2000/svg}"
NASTY = [
    *("", " ", "\n", "\n\n\n", "\r", "\t", "\0", "a\0b", "\x07", "\x1b[31mred\x1b[0m"),
    *("\x1b]0;title\x07", "\x7f", "\x85", "\x9b31m", "\ud800", "\udfff", "\ud83d"),
    *("\ufffe", "\u200e", "\u200f", "\u202e", "\u2066", "\u2028", "\u2029", "\u061c"),
    *("<", "&", "&amp;", "&#0;", "]]>", "<!--", "</svg>", "</script>", "<br/>", '"', "'"),
    *("node", "node\n", "graph\n", "1\n", "\\", "\\N", "\\G", "\\n", "a\\", "%", "{x}", "|"),
    *("$x$", "#", ";", "//", "/*", "end", "x" * 300, "\n" * 50, "x\n" * 100, "é", "漢字"),
    *("שלום", "🎉", "e\u0301", "\U0001fffe", "🏴\U000e0067", "\uffff", "\ufff9", "\ufeff", "`"),
]
texts = (
    st.sampled_from(NASTY) | st.text(max_size=8) | st.text('a\n\0\x1b\\"<&\u202e\ud800', max_size=6)
)
names = st.sampled_from(sorted(PRIMITIVES)) | texts


# ── subjects ─────────────────────────────────────────────────────────────────────────────────


def custom(name: str, symbol: str, doc: str) -> Any:
    """Return an operation of the user's own with these texts."""

    def function(x: Any) -> Any:
        return x * 2.0

    function.__doc__ = doc
    made = am.primitive(function, name=name, symbol=symbol)
    made.vjp(lambda g, y, x: g * 2.0)
    return made


def arrays(words: list[str]) -> Any:
    """Return a loss of arrays with these names, scopes, types and symbols."""
    one, two, three, four = words
    x = am.tensor(np.ones((2, 3)), name=one)
    w = am.tensor(np.full((3, 2), 0.5), name=two, requires_grad=True)
    with am.scope(three):
        y = custom(four, one, two)(x @ w)
        y.name = two
        with am.scope(four):
            y = np.tanh(y) * y
    loss = np.sum(y)
    loss.name = three
    return loss


def numbers(words: list[str]) -> Any:
    """Return a loss of numbers, likewise."""
    one, two, three, four = words
    x, w = am.tensor(2.0, name=one), am.tensor(0.5, name=two, requires_grad=True)
    with am.scope(three):
        y = custom(four, three, one)(x * w)
        y.name = four
        y = y * w
    y.name = three
    return y


# ── readers: each fails for what is not well formed ──────────────────────────────────────────


def read_svg(content: str) -> None:
    found = ElementTree.fromstring(content.encode())
    for element in found.iter():
        for text in (element.text, element.tail, *element.attrib.values()):
            assert not HIDDEN.search(text or "")


def read_png(content: bytes) -> None:
    assert content.startswith(b"\x89PNG\r\n\x1a\n") and content.endswith(b"IEND\xaeB`\x82")


def read_json(content: str) -> None:
    assert content.isascii()

    def visit(part: Any) -> None:
        if isinstance(part, str):
            assert not HIDDEN.search(part)
        elif isinstance(part, dict):
            list(map(visit, [*part, *part.values()]))
        elif isinstance(part, list):
            list(map(visit, part))

    visit(json.loads(content))


def read_dot(content: str) -> None:
    assert not HIDDEN.search(content)
    engines = [find_program("graphviz-pure"), *filter(None, [shutil.which("dot")])]
    for engine in engines:
        done = subprocess.run([engine, "-Tsvg"], input=content.encode(), capture_output=True)
        assert done.returncode == 0, done.stderr
        ElementTree.fromstring(done.stdout)


def read_mermaid(content: str) -> None:
    assert not HIDDEN.search(content)
    head, graph = content.split("---\nflowchart")
    title = re.fullmatch(r'---\ntitle: "((?:[\w ]|\\U[0-9a-f]{8})*)"\n', head)
    assert title is not None, head
    for label in re.findall(r'"(.*?)"', graph):
        assert re.fullmatch(r"(?:[\w ]|#\d+;|<br/>)*", label), label
    known = r"\s+(?:(?:subgraph|n\d+|linkStyle|classDef|end)\b.*)"
    for line in graph.splitlines()[1:]:
        assert re.fullmatch(known, line), line


class Page(HTMLParser):
    """Collects the data of a page, and its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "script"
        if self.inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.scripts[-1] += data


def read_page(content: str) -> None:
    content.encode()
    assert not HIDDEN.search(content)
    page = Page()
    page.feed(content)
    page.close()
    assert len(page.scripts) == 2  # the data, and the one script of the page
    (data,) = (script for script in page.scripts if script.lstrip().startswith("{"))
    read_json(data)
    for drawing in json.loads(data)["drawings"]:
        read_svg(drawing)


def read_frames(subject: Any) -> None:
    frames = viz.frames(subject)
    read_svg(frames.animation())
    read_svg(frames[-1].svg)
    for frame in frames:
        assert not HIDDEN.search(frame.caption)


def check_drawing(drawing: viz.Drawing) -> None:
    """Read a drawing in all formats but the PNG, whose letters depend on fonts."""
    read_svg(drawing.svg)
    read_json(drawing.json)
    read_json(drawing.model_explorer)
    read_mermaid(drawing.mermaid)


FEW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
VIEWS = ("operations", "tensors", "forward", "backward")


@pytest.mark.long
@FEW
@example(words=["\n", "\n", "\n", "\n"], view="operations")
@example(words=["draw", "getitem", "power", "draw"], view="backward")
@example(words=["a\ud800", "\ufffe", "\x1b[0m", "\0"], view="tensors")
@given(words=st.lists(names, min_size=4, max_size=4), view=st.sampled_from(VIEWS))
def test_any_names_can_be_drawn_in_every_view_of_operations(words, view):
    loss = arrays(words)
    check_drawing(viz.draw(loss, view=view, title=words[0]))
    check_drawing(viz.draw(loss, view=view, overlay=["values", "gradients"], open=0))


@FEW
@example(words=["\n", "\n", "\n", "\n"])
@example(words=["", "", "", ""])
@example(words=["data 1", "grad", " ", "data "])
@given(words=st.lists(names, min_size=4, max_size=4))
def test_any_names_can_be_drawn_as_numbers(words):
    check_drawing(viz.draw(numbers(words), view="scalars", title=words[3]))


@pytest.mark.long
@FEW
@example(words=["\n", "\n", "\n", "\n"], subject=numbers)
@example(words=["data 1", "grad", " ", "data "], subject=numbers)
@given(words=st.lists(names, min_size=4, max_size=4), subject=st.sampled_from([arrays, numbers]))
def test_any_names_make_pages_and_frames_that_are_well_formed(words, subject):
    loss = subject(words)
    read_page(viz.page(loss, title=words[1]))
    read_frames(loss)


@pytest.mark.long
@FEW
@example(words=["\n", "\n", "\n", "\n"], subject=numbers)
@given(words=st.lists(names, min_size=4, max_size=4), subject=st.sampled_from([arrays, numbers]))
def test_dot_and_png_of_any_names_are_read_by_the_layout_programs(words, subject):
    drawing = viz.draw(subject(words))
    read_dot(drawing.dot)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the fonts lack
        read_png(drawing.png)
    if can_convert():
        assert drawing.pdf.startswith(b"%PDF")


@pytest.mark.long
@FEW
@given(words=st.lists(names, min_size=4, max_size=4))
def test_a_compiled_program_of_any_names_can_be_drawn(words):
    x, w = np.ones((2, 3)), am.tensor(np.ones((3, 2)), name=words[0], requires_grad=True)

    def step(x: Any) -> Any:
        with am.scope(words[1]):
            y = np.tanh(x @ w)
        y.name = words[2]
        return np.sum(y)

    step.__name__ = words[3].replace("\0", "")
    f = am.compile(step)
    for _ in range(3):
        f(x)
    check_drawing(viz.draw(f, title=words[3]))
    check_drawing(viz.draw(f, view="compiled"))
    read_page(viz.page(f))


@pytest.mark.long
@FEW
@given(words=st.lists(texts, min_size=3, max_size=3))
def test_a_network_of_any_names_can_be_drawn(words):
    model = am.nn.MLP([3, 2, 1], seed=0)
    model.name = words[0]
    model.input_names = words
    for sample in (None, [0.1, 0.2, 0.3]):
        check_drawing(viz.draw(model, sample=sample, title=words[1]))
    check_drawing(viz.draw(model(np.ones((2, 3)))))
    read_page(viz.page(model, title=words[2]))


@FEW
@example(words=["", "\t", "node"])
@example(words=["node\n", "edge\n", "graph\n"])
@given(words=st.lists(texts, min_size=3, max_size=3))
def test_a_picture_that_a_user_makes_is_well_formed(words):
    one, two, three = words
    picture = viz.Picture(one, boxes=[], arrows=[], clusters=[viz.Cluster("cluster_0", two)])
    picture.boxes.append(viz.Box("n0", "input", (three or "x", one), tooltip=two))
    picture.boxes.append(
        viz.Box("n1", "tensor", cells=(viz.Cell(two, "name"),), cluster="cluster_0")
    )
    picture.arrows.append(viz.Arrow("n0", "n1", three, one))
    check_drawing(viz.Drawing(picture))


def test_a_very_long_symbol_is_cut():
    loss = arrays(["s" * 100_000, "n" * 100_000, "c" * 100_000, "t" * 100_000])
    drawing = viz.draw(loss)
    assert max(map(len, drawing.picture.texts())) < 80
    assert len(drawing.svg) < 20_000


def test_hidden_characters_of_a_symbol_are_seen():
    loss = custom("\x1b[1mbold", "\x1b[1mS", "d\x07oc")(am.tensor(np.ones(2), name="x"))
    drawing = viz.draw(loss)
    assert any(box.lines[:1] == ("�[1mS",) for box in drawing.picture.boxes)
    assert "\x1b" not in drawing.svg + drawing.dot + drawing.mermaid


# ── terminals ────────────────────────────────────────────────────────────────────────────────

RED = "\x1b[31m\u202e\ud800\x9b\x07"


def safe(text: str) -> None:
    """Assert that a text may be printed, and shows its escape sequences."""
    text.encode()
    assert not HIDDEN.search(text), ascii(text)
    assert "\\x1b" in text, ascii(text)


def error_of(call: Callable[[], Any]) -> Exception:
    with pytest.raises(am.AutogradError) as caught:
        call()
    return caught.value


def test_every_hidden_character_is_shown_and_no_other():
    for code in (*range(0x3000), *range(0xD7F0, 0x10000), *range(0x1FFF0, 0x20010)):
        shown = show_text(chr(code))
        assert shown == (ascii(chr(code))[1:-1] if HIDDEN.match(chr(code)) else chr(code))
    assert show_text("\t\n") == "\t\n" and show_text("\t\n", one_line=True) == "\\t\\n"


@given(text=texts)
def test_a_text_that_is_shown_can_be_printed(text):
    shown = show_text(text, one_line=True)
    shown.encode()
    assert shown == show_text(shown, one_line=True) and len(shown.splitlines()) <= 1


def test_errors_show_escape_sequences():
    w = am.tensor(np.ones(2), requires_grad=True, name=RED)
    y = custom(RED, RED, RED)(w)
    with am.scope(RED):
        z = np.tanh(w)
    model = am.nn.Module()
    model.table = {RED: am.tensor(np.ones(2), requires_grad=True)}
    for call in (
        lambda: y.backward(),
        lambda: z.backward(),
        lambda: float(w),
        lambda: w.assign(np.ones(3)),
        lambda: am.primitive(lambda x: x, name=RED)(1.0, a=w),
        lambda: am.grad(lambda x: np.sum(am.primitive(lambda v: v, name=RED)(x)))(np.ones(2)),
        lambda: model.load(__file__ + RED),
        lambda: viz.draw(w, view=RED),
    ):
        error = error_of(call)
        text = str(error)
        text.encode()
        assert not HIDDEN.search(text) and not any(map(HIDDEN.search, map(str, error.args)))


def test_files_of_other_weights_show_escape_sequences(tmp_path):
    class Table(am.nn.Module):
        def __init__(self, names: list[str], shape: tuple[int, ...]) -> None:
            self.table = {n: am.tensor(np.ones(shape), requires_grad=True) for n in names}

    Table([RED, "a"], (2,)).save(tmp_path / "weights.npz")
    for other in (Table(["b"], (2,)), Table([RED, "a"], (3,))):
        safe(str(error_of(lambda other=other: other.load(tmp_path / "weights.npz"))))
    long = Table(["n" * 10_000], (2,))
    assert len(str(error_of(lambda: long.load(tmp_path / "weights.npz")))) < 1000


def test_notes_of_errors_show_escape_sequences():
    def broken(g: Any, y: Any, x: Any) -> Any:
        raise KeyError("nothing")

    made = am.primitive(lambda x: x * 2, name=RED)
    made.vjp(broken)
    with pytest.raises(KeyError) as caught, am.scope(RED):
        am.grad(lambda x: np.sum(made(x)))(np.ones(2))
    safe("\n".join(caught.value.__notes__))

    @am.primitive(name=RED)
    def failing(x: Any) -> Any:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError) as caught:
        failing(am.tensor(1.0))
    safe("\n".join(caught.value.__notes__))


def test_listings_and_tables_show_escape_sequences():
    w = am.tensor(np.ones(2), requires_grad=True, name=RED)
    with am.scope(RED):
        y = custom(RED, RED, RED)(w)
    model = am.nn.Module()
    model.table = {RED: am.tensor(np.ones(2), requires_grad=True)}
    model.choice = RED
    for text in (
        str(am.Graph(y)),
        repr(y),
        repr(y.op),
        repr(w),
        str(model),
        repr(custom(RED, "", "")),
    ):
        safe(text)
    assert len(str(am.Graph(y)).splitlines()) == 4


def test_a_listing_has_one_line_for_a_name_of_several():
    y = am.tensor(1.0, name="a\nb") * 2
    assert "  input     a\\nb: 1" in str(am.Graph(y)).splitlines()


def test_the_numbers_of_training_show_escape_sequences(capsys):
    def metric(predicted: Any, target: Any) -> Any:
        return np.mean(predicted)

    metric.__name__ = RED
    model = am.nn.MLP([2, 1], seed=0)
    x, y = np.ones((4, 2)), np.ones((4, 1))
    history = model.fit(x, y, loss="mse", epochs=2, metrics=[metric], verbose=True)
    safe(repr(history))
    shown = capsys.readouterr().err
    assert "\\x1b[31m" in shown and RED not in shown


def reports() -> list[Any]:
    def function(**inputs: Any) -> Any:
        return sum(np.sum(x**2) for x in inputs.values())

    def wrong(p: dict[str, Any]) -> Any:
        return {name: 3 * x for name, x in p.items()}

    def cost(p: dict[str, Any]) -> Any:
        return sum(np.sum(x**2) for x in p.values())

    cost.__name__ = f"cost{RED}"
    return [
        am.gradcheck(cost, {RED: np.ones(2)}, raises=False),
        am.gradcheck(cost, {RED: np.ones(2), "b": np.ones(2)}, grad=wrong, raises=False),
    ]


def test_reports_show_escape_sequences():
    from autograd_mini.checking.display import page

    for report in reports():
        safe(str(report))
        safe(report._repr_html_())
        safe(page(report))
        assert json.dumps(report.to_dict()).isascii()
        for cause in (*report.problems, *report.causes):
            assert not HIDDEN.search(str(cause))
    safe(str(am.GradcheckError(reports()[1])))


@pytest.mark.long
def test_a_counterexample_shows_escape_sequences():
    from autograd_mini import checking

    def cost(p: dict[str, Any]) -> Any:
        return sum(np.sum(x**2) for x in p.values())

    found = checking.search(
        cost, {RED: np.ones(2)}, grad=lambda p: {k: 3 * x for k, x in p.items()}
    )
    assert found is not None
    str(found).encode()
    assert not HIDDEN.search(str(found))


def test_the_command_line_shows_escape_sequences(tmp_path, capsys):
    folder = tmp_path / "a\x1b[31mb"
    folder.mkdir()
    (folder / "rules.py").write_text(
        "import numpy as np, autograd_mini as am\n"
        f"def fails(x):\n    raise ValueError({RED!r})\n"
        f"named = am.tensor(np.ones(2), name={RED!r}) * 2\n"
    )
    for words in (
        ["check", f"{folder}/rules.py:fails", "--shape", "x=3"],
        ["check", f"{folder}/rules.py:absent\x1b[31m"],
        ["check", f"{folder}/rules.py:fails", "--shape", "x\x1b[31m=3"],
        ["check", f"{folder}/rules.py:fails", "--bad\x1b[31m"],
        ["draw", f"{folder}/rules.py:named", "-o", f"{folder}/x.svg"],
        ["draw", f"{folder}/rules.py:named", "-o", f"{folder}/absent/x.svg"],
        ["draw", f"{folder}/rules.py:named", "-o", f"{folder}/x.\x1b[31m"],
        ["draw", f"{folder}/rules.py:named", "-o", str(folder), "--format", "svg"],
    ):
        try:
            main(words)
        except SystemExit as stop:
            assert stop.code == 2
        found = capsys.readouterr()
        safe(found.out + found.err)


def test_a_progress_bar_of_a_check_shows_escape_sequences(capsys):
    from autograd_mini.checking.report import Bar

    with Bar(2, True, f"f{RED}", True) as bar:
        bar.update(1)
    safe(capsys.readouterr().err.replace("\r", ""))


def test_a_file_of_a_hidden_name_is_written(tmp_path):
    path = Path(tmp_path, "\x1b[31m\n.svg")
    viz.render(am.tensor(1.0) * 2, path)
    assert path.is_file()
