"""Formats and themes, with names that try to break them; the command that draws."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import autograd_mini as am
import viz
from autograd_mini.cli.command import main
from viz.formats import FORMATS
from viz.networks.mlp import DenseLayer, Network
from viz.output.layout import box_extent, find_program, place_in_rows
from viz.output.text_formats import encode_label
from viz.style import THEMES, apply_theme

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'`\\",
    "a\\",
    "]]> --> ---",
    "line\nbreak\r\nand\ttab",
    "x" * 10_000,
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd",
    "\ud800 \x00\x07\x1b",
    '%%{init: {"securityLevel": "loose"}}%%',
    'end; click n0 call alert() "',
    "&amp; &#60; #60; #quot;",
    '="#0072b2" bgcolor=transparent dir=none',
)
NODE = re.compile(
    r'  (n\d+)(\[\[|\(\(|\[)"(?:[^\W_]| |#\d+;|<br/>)*"(\]\]|\)\)|\]):::[a-z_]+', re.UNICODE
)
EDGE = re.compile(r'  n\d+ (?:-->|---)(?:\|"(?:[^\W_]| |#\d+;)*"\|)? n\d+')
SCRIPT = """
import numpy as np, autograd_mini as am

W = am.tensor(np.ones((3, 2)), True, "W")
number = 3

def loss(x, n=2):
    return np.mean(np.tanh(n * x @ W))

def constant():
    return np.mean(W * W)

result = constant()
model = am.nn.MLP([2, 3, 1], seed=0)
"""


def graph(name="x", scope="layer"):
    x = am.tensor(np.ones((3, 2)), name=name)
    with am.scope(scope):
        y = np.tanh(x @ am.tensor(np.ones((2, 2)), requires_grad=True, name="W"))
    return np.mean(y)


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"program_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(SCRIPT)
    yield f"{name}.py"
    sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "start"), [("g.mmd", "---\ntitle"), ("g.json", "{"), ("g.html", "<!doctype html>")]
)
def test_a_suffix_names_a_text_format(tmp_path, name, start):
    text = viz.render(graph(), tmp_path / name).read_text(encoding="utf-8")
    assert text.lower().startswith(start)


def test_format_stands_above_the_suffix(tmp_path):
    path = viz.render(graph(), tmp_path / "graph.json", format="model-explorer")
    assert list(json.loads(path.read_text())) == ["label", "graphs"]
    with pytest.raises(viz.PictureError, match="format='jpeg' is not known"):
        viz.render(graph(), path, format="jpeg")
    with pytest.raises(viz.PictureError, match=r"write viz\.render"):
        viz.draw(graph()).save(tmp_path / "g.html")


def test_a_missing_graphviz_names_the_cure(tmp_path, monkeypatch):
    find_program.cache_clear()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(viz.LayoutError, match="apt install graphviz"):
        viz.render(graph(), tmp_path / "g.pdf", engine="dot")
    find_program.cache_clear()


def test_json_holds_nodes_edges_and_scopes():
    drawing = viz.draw(graph())
    found = json.loads(drawing.json)
    ids = {node["id"] for node in found["nodes"]}
    assert found["version"] == 2
    assert {"input", "parameter", "operation", "output"} == {n["role"] for n in found["nodes"]}
    assert all({edge["tail"], edge["head"]} <= ids for edge in found["edges"])
    assert [scope["caption"] for scope in found["scopes"]] == ["layer"]
    assert found["nodes"][0]["label"] == "x\n3×2"
    assert found["nodes"][0]["facts"]["dtype"] == "float64"
    facts = [n["facts"] for n in found["nodes"] if n["role"] == "operation"]
    assert all({"operation", "formula", "shape", "dtype"} <= set(fact) for fact in facts)


def test_model_explorer_has_facts_as_attributes():
    nodes = json.loads(viz.draw(graph()).model_explorer)["graphs"][0]["nodes"]
    assert {"x 3x2", "tanh"} <= {node["label"] for node in nodes}
    keys = {attribute["key"] for node in nodes for attribute in node["attrs"]}
    assert {"role", "shape", "dtype", "operation", "formula"} <= keys


@pytest.mark.parametrize("view", ["operations", "tensors"])
def test_model_explorer_tells_the_results_of_a_fold_apart(view):
    x = am.tensor(np.ones(4), name="x")
    with am.scope("fold"):
        a, b = np.tanh(x), np.exp(x)
        c, d = np.split(b, 2)
    drawing = viz.draw([a * 2.0, a + b, np.stack([c, d]) * 2.0, d], view=view, open=0)
    nodes = json.loads(drawing.model_explorer)["graphs"][0]["nodes"]
    (fold,) = [n["id"] for n in nodes if n["label"].startswith("fold")]
    edges = [(n["label"], e) for n in nodes for e in n["incomingEdges"]]
    taken = [e["sourceNodeOutputId"] for _, e in edges if e["sourceNodeId"] == fold]
    assert set(taken) == {"0", "1", "2", "3"}
    assert len(taken) == (5 if view == "tensors" else 6)  # of two users each has an arrow


@pytest.mark.parametrize("view", ["operations", "tensors", "backward"])
def test_model_explorer_tells_the_results_of_an_operation_apart(view):
    x = am.tensor(np.ones(4), requires_grad=True, name="x")
    first, second = np.split(x, 2)
    drawing = viz.draw([(first * second).sum(), second], view=view, limit=None)
    nodes = json.loads(drawing.model_explorer)["graphs"][0]["nodes"]
    (split,) = [n["id"] for n in nodes if n["label"] == "split"]
    found = [
        edge["sourceNodeOutputId"]
        for node in nodes
        for edge in node["incomingEdges"]
        if edge["sourceNodeId"] == split
    ]
    assert sorted(found) == ["0", "1", "1"]


def test_model_explorer_finds_every_source_of_an_edge():
    x = am.tensor(np.ones(2), name="x")
    with am.scope("a"):
        y = np.sin(x)
    with am.scope("a"):
        y = np.cos(y * x)
    (found,) = json.loads(viz.draw(y).model_explorer)["graphs"]
    ids = {node["id"] for node in found["nodes"]}
    edges = [edge for node in found["nodes"] for edge in node["incomingEdges"]]
    assert len(edges) == len(viz.draw(y).picture.arrows)
    assert all(edge["sourceNodeId"] in ids for edge in edges)
    assert {node["namespace"] for node in found["nodes"]} == {"", "a", "a (2)"}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_a_text_format(name):
    drawing = viz.draw(graph(name, scope=name), title=name)
    ElementTree.fromstring(drawing.svg)
    assert json.loads(drawing.json)["title"] == drawing.picture.title
    json.loads(drawing.model_explorer)
    drawing.json.encode("ascii")
    body = drawing.mermaid.encode().decode().split("\n")
    assert body[0] == body[2] == "---"
    assert re.fullmatch(r'title: "(?:[^\W_]| |\\U[0-9a-f]{8})*"', body[1])
    known = re.compile(r'  (end|subgraph cluster_\d+\["[^"]*"\]|classDef .*)|flowchart TB|')
    assert all(any(x.fullmatch(line) for x in (known, NODE, EDGE)) for line in body[3:])


def test_neurons_have_every_format():
    network = Network((DenseLayer(np.array([[1.0], [-1.0]]), np.ones(1), "tanh"),))
    drawing = viz.draw(network)
    assert "linkStyle 0 stroke:#" in drawing.mermaid
    assert json.loads(drawing.json)["nodes"][0]["position"] is not None
    assert "style=dashed" in viz.draw(network, theme="print").dot


def test_letters_of_every_script_stay_as_they_are():
    assert encode_label("вес σ 重み") == "вес σ 重み"


def test_themes_draw_the_same_graph_in_other_colours():
    found = {theme: viz.draw(graph(), theme=theme) for theme in THEMES}
    assert "prefers-color-scheme" in found["auto"].svg
    assert all("prefers-color-scheme" not in found[x].svg for x in ("light", "dark", "print"))
    for drawing in found.values():
        assert [box.id for box in drawing.picture.boxes] == [f"n{i}" for i in range(6)]
    colours = set(re.findall(r'(?:fill|stroke)="(#\w{6})"', found["print"].svg))
    assert all(len({c[1:3], c[3:5], c[5:7]}) == 1 for c in colours)
    with pytest.raises(viz.PictureError, match="expected one of 'auto', 'light', 'dark'"):
        viz.draw(graph(), theme="blue")


@pytest.mark.parametrize("theme", ["dark", "print"])
def test_a_theme_changes_no_label(theme):
    name = 'a="#0072b2" #ffffff'
    drawn = viz.draw(graph(name), theme=theme)
    assert name in [t.text for t in ElementTree.fromstring(drawn.svg).iter() if t.text]
    assert 'label="#0072b2"' in apply_theme('n0 [label="#0072b2" color="#0072b2"]', theme)


def test_the_command_draws_into_several_files(script, tmp_path, capsys):
    assert main(["draw", f"{script}:loss", "--shape", "x=4,3", "-o", "a.svg", "-o", "a.json"]) == 0
    assert capsys.readouterr().out == "a.svg\na.json\n"
    assert "x\n4×3" in [n["label"] for n in json.loads((tmp_path / "a.json").read_text())["nodes"]]


def test_the_command_draws_a_tensor_and_a_function_without_inputs(script, tmp_path, capsys):
    assert main(["draw", f"{script}:result", "--title", "Mine", "--theme", "print"]) == 0
    assert "<title" in (tmp_path / "result.svg").read_text()
    assert main(["draw", f"{script}:constant", "--limit", "all", "-o", "c.mmd"]) == 0
    capsys.readouterr()


def test_the_command_has_views_overlays_scopes_and_samples(script, tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.array([0.5, -1.0]))
    base = ["draw", f"{script}:loss", "--shape", "x=4,3", "-o", "a.json"]
    assert main([*base, "--view", "tensors", "--overlay", "values", "--overlay", "memory"]) == 0
    roles = {node["role"] for node in json.loads((tmp_path / "a.json").read_text())["nodes"]}
    assert {"tensor", "scale"} <= roles
    assert main([*base, "--open", "0"]) == 0
    assert main(["draw", f"{script}:model", "--sample", "x.npy", "-o", "n.svg"]) == 0
    assert ">0.5<" in (tmp_path / "n.svg").read_text()
    capsys.readouterr()
    assert main([*base, "--open", "absent"]) == 2
    assert "no scope of the graph has this path" in capsys.readouterr().err
    assert main(["draw", f"{script}:model", "--sample", "absent.npy", "-o", "n.svg"]) == 2
    assert "a file from np.save" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        (["loss"], "--shape x="),
        (["loss", "--shape", "x=4,4"], "matmul"),
        (["number"], "cannot draw int 3"),
        (["number", "--shape", "x=2"], "takes no inputs"),
        (["absent"], "it has"),
        (["result", "-o", "a.bmp"], "names no format"),
        (["result", "-o", "absent/a.svg"], "mkdir"),
        (["result", "--theme", "blue"], "expected one of 'auto'"),
    ],
)
def test_the_command_names_the_cure(script, capsys, words, cure):
    assert main(["draw", f"{script}:{words[0]}", *words[1:]]) == 2
    assert cure in capsys.readouterr().err


def test_the_package_is_a_command(script, tmp_path):
    command = [sys.executable, "-m", "viz", f"{script}:result", "-o", "r.dot"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "r.dot\n"


@pytest.mark.long
def test_equal_programs_are_equal_files_in_every_format(script, tmp_path):
    found = []
    for seed in ("1", "2"):
        names = [f"{seed}{s[0]}" for n, s in FORMATS.items() if s and n not in ("pdf", "html")]
        words = [x for name in names for x in ("-o", name)]
        command = [sys.executable, "-m", "viz", f"{script}:result", *words, "--theme", "dark"]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        found.append([(tmp_path / name).read_bytes() for name in names])
    assert found[0] == found[1]


def test_a_layout_that_takes_too_long_is_made_simpler(monkeypatch):
    real, seen = subprocess.run, []

    def slow(command, **options):
        seen.append(command)
        if "-Gsplines=line" not in command or (len(seen) > 2 and "-n2" not in command):
            raise subprocess.TimeoutExpired(command, options["timeout"])
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", slow)
    with pytest.warns(UserWarning, match="a simpler one is drawn, of 6 arrows; draw less"):
        assert viz.draw(graph()).svg.startswith("<svg")
    with pytest.warns(UserWarning, match="more than 50 s for 6 arrows.*drawn in plain rows"):
        assert viz.draw(graph()).svg.startswith("<svg")


@pytest.mark.parametrize("direction", ["TB", "LR"])
@pytest.mark.parametrize("view", ["operations", "backward"])
def test_plain_rows_go_with_the_arrows_and_nothing_overlaps(direction, view):
    h = am.tensor(np.ones((2, 3)), name="x", requires_grad=True)
    for place in range(6):
        h = np.tanh(h) + h * am.tensor(np.ones(3), name=f"w{place}", requires_grad=True)
    picture = place_in_rows(viz.draw(h, view=view, direction=direction, limit=None).picture)
    boxes = {box.id: box for box in picture.boxes}
    for arrow in picture.arrows:
        tail, head = (boxes[x].position for x in (arrow.tail, arrow.head))
        tail, head = (head, tail) if arrow.backward else (tail, head)
        assert tail[1] > head[1] if direction == "TB" else tail[0] < head[0]
    for one, two in itertools.combinations(picture.boxes, 2):
        apart = [abs(a - b) for a, b in zip(one.position, two.position, strict=True)]
        sizes = [(a + b) / 2 for a, b in zip(box_extent(one), box_extent(two), strict=True)]
        assert any(a >= b for a, b in zip(apart, sizes, strict=True))
