"""Files and notebooks: formats, escaping, determinism, themes, errors."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_mini as am
import viz
from viz.output.layout import find_program, missing_characters

SVG = "{http://www.w3.org/2000/svg}"
PROGRAM = """
import numpy as np, autograd_mini as am, viz, sys
from viz.networks.mlp import DenseLayer, Network
for _ in range(int(sys.argv[1])):
    am.tensor(0.0)
x = am.tensor(np.ones((4, 2)), name="x")
with am.scope("dense"):
    y = am.softmax(x @ am.tensor(np.ones((2, 3)), True, "W"))
a = am.tensor(2.0, True, "a")
network = Network((DenseLayer(np.eye(3), np.ones(3), "tanh"),))
for subject in (np.mean(y), a * a + 1, network):
    drawing = viz.draw(subject)
    print(drawing.svg, drawing.dot, drawing.png.hex())
"""


@pytest.fixture
def graph():
    x = am.tensor(np.ones((3, 2)), name="x")
    with am.scope("layer"):
        y = np.tanh(x @ am.tensor(np.ones((2, 2)), requires_grad=True, name="W"))
    return np.mean(y)


def texts(svg: str) -> list[str]:
    return [t.text or "" for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_suffix_names_the_format(graph, tmp_path):
    for name, start in (
        ("g.svg", b"<svg "),
        ("g.png", b"\x89PNG\r\n\x1a\n"),
        ("g.dot", b"digraph "),
        ("g.gv", b"digraph "),
        ("G.SVG", b"<svg "),
    ):
        path = viz.render(graph, tmp_path / name)
        assert path == tmp_path / name
        assert path.read_bytes().startswith(start)
    assert viz.render(graph, str(tmp_path / "text.svg")).exists()


@pytest.mark.parametrize("name", ["g.jpeg", "g", "g.tiff", ".svg"])
def test_another_suffix_is_a_clear_error(graph, tmp_path, name):
    with pytest.raises(viz.PictureError, match=r"expected one of \.svg, \.png, \.dot, \.gv, \.pdf"):
        viz.render(graph, tmp_path / name)


@pytest.mark.parametrize("path", [None, 3, b"g.svg"])
def test_what_is_no_path_is_a_clear_error(graph, path):
    with pytest.raises(viz.PictureError, match="expected the path of a file"):
        viz.render(graph, path)


def test_a_missing_directory_is_a_clear_error(graph, tmp_path):
    with pytest.raises(viz.PictureError, match="no directory.*mkdir"):
        viz.render(graph, tmp_path / "absent" / "g.svg")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": "cubist"}, "expected one of 'operations', 'tensors', 'forward'"),
        ({"direction": "up"}, "expected one of 'TB', 'LR'"),
        ({"engine": "magic"}, "expected one of 'graphviz-pure', 'dot'"),
        ({"limit": 0}, "from 4, or None"),
    ],
)
def test_unknown_options_are_clear_errors(graph, options, message):
    with pytest.raises(viz.PictureError, match=re.escape(message)):
        viz.draw(graph, **options)


def test_a_model_has_no_operations_before_it_is_called():
    with pytest.raises(viz.PictureError, match=r"viz\.render\(model\(x\), path\)"):
        viz.draw(object(), view="operations")


def test_no_tensors_no_graph():
    with pytest.raises(viz.PictureError, match="expected a tensor"):
        viz.draw([])


def test_the_svg_scales_and_tells_itself_in_words(graph):
    root = ElementTree.fromstring(viz.draw(graph, title="A <small> graph").svg)
    assert root.get("role") == "img"
    assert root.get("viewBox")
    assert "max-width:100%" in root.get("style", "")
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and title.text == "A <small> graph"
    assert description is not None and description.text is not None
    assert "1 input, 1 parameter, 3 operations" in description.text
    assert "@ takes x 3×2 and W 2×2." in description.text
    assert root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"


def test_the_svg_follows_a_dark_theme(graph):
    svg = viz.draw(graph).svg
    assert "prefers-color-scheme: dark" in svg
    assert "#0072b2" in svg and "#009e73" in svg and "#d55e00" in svg


def test_ids_of_different_pictures_do_not_clash(graph):
    def ids(subject):
        root = ElementTree.fromstring(viz.draw(subject).svg)
        return [e.get("id") for e in root.iter() if e.get("id")]

    one, other = ids(graph), ids(graph * 2)
    assert len(set(one)) == len(one)
    assert not set(one) & set(other)


HOSTILE = [
    "<script>alert(1)</script>",
    "quotes \" and ' and `",
    "back\\slash \\N \\G \\l",
    "ends in a backslash\\",
    "&amp; &lt; & &#65;",
    "<b>html</b>",
    "<",
    "Привет, мир",
    "🎉 emoji 漢字",
    "]]> --> <!--",
    "שלום",
    "} -> n1; {",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_drawn_as_it_is(name):
    x = am.tensor(np.ones(2), name=name)
    with am.scope(name):
        y = x * am.tensor(np.ones(2), requires_grad=True)
    svg = viz.draw(np.sum(y)).svg
    assert texts(svg).count(name) == 2  # the box and the cluster
    a = am.tensor(2.0, requires_grad=True, name=name)
    assert name in "".join(texts(viz.draw(a * a).svg))
    assert "<script" not in svg


def test_lines_of_a_name_are_lines_of_the_label():
    x = am.tensor(np.ones(2), name="two\nlines")
    drawn = texts(viz.draw(x * 2).svg)
    assert "two" in drawn and "lines" in drawn


@pytest.mark.parametrize("name", ["a\x00b", "a\x1bb", "a\ud800b", "a\ufffeb", "a\u202eb"])
def test_characters_that_xml_forbids_are_replaced(name):
    x = am.tensor(np.ones(2), name=name)
    assert "a\N{REPLACEMENT CHARACTER}b" in texts(viz.draw(x * 2).svg)


def test_a_very_long_name_is_cut():
    x = am.tensor(np.ones(2), name="x" * 10_000)
    svg = viz.draw(x * 2).svg
    assert max(map(len, texts(svg))) <= 32


def test_a_png_warns_of_characters_that_its_fonts_lack(tmp_path, monkeypatch):
    monkeypatch.setattr("viz.drawing.can_convert", lambda: False)
    x = am.tensor(np.ones(2), name="x ∈ 😀")
    with pytest.warns(UserWarning, match=r"∈ 😀.*pip install .autograd-mini\[pictures\]"):
        viz.render(x * 2, tmp_path / "g.png")
    viz.render(am.tensor(np.ones(2), name="Привет σΣ×²") * 2, tmp_path / "fine.png")


def test_every_symbol_of_the_table_can_be_drawn_in_a_png():
    from autograd_mini.core.primitive import PRIMITIVES

    assert missing_characters([row.symbol for row in PRIMITIVES.values()]) == []


@pytest.mark.long
def test_the_same_program_gives_the_same_bytes_in_another_process():
    def run(seed: str, leaves: str) -> bytes:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, leaves],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        )
        return done.stdout

    assert run("1", "0") == run("2", "7")


def test_a_notebook_shows_tensors_graphs_and_drawings(graph):
    for subject in (graph, am.Graph(graph), viz.draw(graph)):
        bundle = subject._repr_mimebundle_()
        ElementTree.fromstring(bundle["image/svg+xml"])
        assert bundle["text/plain"] == repr(subject)
    assert viz.draw(graph)._repr_svg_() == viz.draw(graph).svg
    assert list(am.tensor([1.0])._repr_mimebundle_()) == ["text/plain"]


def test_the_core_does_not_import_viz():
    code = "import sys, autograd_mini; assert not {'viz', 'graphviz'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_missing_system_graphviz_is_a_clear_error(graph, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    find_program.cache_clear()
    with pytest.raises(viz.LayoutError, match="engine='dot' needs Graphviz"):
        viz.draw(graph, engine="dot").svg  # noqa: B018  # it is laid out
    assert "<svg" in viz.draw(graph).svg  # found without a PATH
    find_program.cache_clear()


def test_the_program_is_found_in_the_files_of_its_distribution(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    find_program.cache_clear()
    assert Path(find_program("graphviz-pure")).is_file()
    find_program.cache_clear()


def test_a_layout_that_fails_is_a_clear_error():
    from viz.output.layout import lay_out

    with pytest.raises(viz.LayoutError, match="failed"):
        lay_out("digraph {", "svg", placed=False, engine="graphviz-pure")


def places(drawing) -> dict[str, list[tuple[float, float]]]:
    """Return where the first line of each label is drawn, by its words."""
    found: dict[str, list[tuple[float, float]]] = {}
    for element in ElementTree.fromstring(drawing.svg).iter(f"{SVG}text"):
        place = float(element.get("x", 0)), float(element.get("y", 0))
        found.setdefault((element.text or "").strip(), []).append(place)
    return found


@pytest.mark.parametrize("target", [np.ones((9, 1)), am.tensor(np.ones((9, 1)), name="t")])
def test_arrows_into_a_scope_end_right_of_its_caption(target):
    z = np.exp(am.tensor(np.ones((9, 1)), requires_grad=True, name="z"))
    at = places(viz.draw(am.nn.binary_cross_entropy(z, target)))
    ((caption, _),) = at["binary_cross_entropy"]  # its middle
    half = len("binary_cross_entropy") / 2 * 5.6 / 2
    assert min(at["softplus"][0][0], at["×"][0][0]) > caption + half


def test_an_array_does_not_stand_between_two_branches():
    z = np.exp(am.tensor(np.ones((9, 1)), requires_grad=True, name="z"))
    at = places(viz.draw(am.nn.binary_cross_entropy(z, np.ones((9, 1)))))
    assert at["array"][0][1] < at["softplus"][0][1] - 20
    at = places(viz.draw(z * np.ones((9, 1))))
    assert abs(at["array"][0][1] - at["×"][0][1]) < 20


def test_the_target_of_a_loss_stands_beside_its_operation():
    z = np.exp(am.tensor(np.ones((9, 1)), requires_grad=True, name="z"))
    target = am.tensor(np.ones((9, 1)), name="target")
    with am.scope("loss"):
        y, reverse = np.tanh(z - target), np.tanh(target - z)
    at = places(viz.draw(y))
    assert abs(at["target"][0][1] - at["−"][0][1]) < 20
    assert at["target"][0][0] > at["−"][0][0]  # the right operand is at the right
    at = places(viz.draw(reverse))
    assert at["target"][0][1] < at["−"][0][1] - 20


def test_left_to_right_is_wider_than_top_down(graph):
    def size(direction):
        root = ElementTree.fromstring(viz.draw(graph, direction=direction).svg)
        return [float(root.get(side, 0)) for side in ("width", "height")]

    assert size("LR")[0] > size("TB")[0]
    assert size("LR")[1] < size("TB")[1]
