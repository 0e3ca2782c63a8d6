"""Pictures for paper and slides: PDF, LaTeX, GIF and moving PNG; the same bytes on each machine."""

from __future__ import annotations

import builtins
import os
import re
import shutil
import subprocess
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import autograd_mini as am
import viz
from viz.output.tikz import write_text

PDFLATEX = shutil.which("pdflatex")
needs_latex = pytest.mark.skipif(PDFLATEX is None, reason="there is no LaTeX here")
THEMES = ("auto", "light", "dark", "print")


def loss(name: str = "x", scope: str = "layer") -> Any:
    x = am.tensor(np.arange(6.0).reshape(3, 2) / 7, name=name)
    with am.scope(scope):
        y = np.tanh(x @ am.tensor(np.ones((2, 2)), requires_grad=True, name="W"))
    return np.mean(y * 2)


def number() -> Any:
    x = am.tensor(2.0, name="x", requires_grad=True)
    return am.sigmoid(x * 3 + 1)


@pytest.fixture
def without(monkeypatch):
    """Return what makes the import of a package fail."""

    def hide(name: str) -> None:
        real = builtins.__import__

        def imported(module: str, *rest: Any) -> Any:
            if module.partition(".")[0] == name:
                raise ImportError(f"No module named {name!r}")
            return real(module, *rest)

        for module in [x for x in sys.modules if x.partition(".")[0] == name]:
            monkeypatch.delitem(sys.modules, module)
        monkeypatch.setattr(builtins, "__import__", imported)
        monkeypatch.setattr("viz.drawing.can_convert", lambda: False)

    return hide


# ── PDF and PNG ──────────────────────────────────────────────────────────────────────────────
def page_size(pdf: bytes) -> tuple[float, float]:
    found = re.search(rb"/MediaBox ?\[ ?0 0 ([\d.]+) ([\d.]+)", pdf)
    if found is None:  # in a compressed object
        parts = re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.DOTALL)
        opened = b"".join(zlib.decompressobj().decompress(x) for x in parts if x[:1] == b"x")
        found = re.search(rb"/MediaBox ?\[ ?0 0 ([\d.]+) ([\d.]+)", opened)
    assert found
    return float(found[1]), float(found[2])


@pytest.mark.parametrize("theme", THEMES)
def test_a_pdf_has_one_page_of_the_size_of_the_picture(tmp_path, theme):
    pytest.importorskip("typst")
    drawing = viz.draw(loss("x ∈ ℝ, Привет"), theme=theme)
    pdf = drawing.save(tmp_path / "g.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    box = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', drawing.svg)
    assert box
    assert page_size(pdf) == pytest.approx((float(box[1]), float(box[2])), abs=1)


def test_a_pdf_embeds_its_letters_and_has_no_date(tmp_path):
    pytest.importorskip("typst")
    pdf = viz.draw(loss()).pdf
    assert pdf == viz.draw(loss()).pdf
    assert b"/FontFile" in pdf
    assert b"CreationDate" not in pdf


@pytest.mark.parametrize(
    "subject",
    [number(), am.nn.MLP([2, 3, 1], seed=0), [loss(), number()]],
    ids=["scalars", "neurons", "several"],
)
def test_every_kind_of_picture_has_a_pdf(subject):
    pytest.importorskip("typst")
    assert viz.draw(subject).pdf.startswith(b"%PDF")


def test_a_png_with_rare_characters_is_drawn_with_the_fonts_of_the_machine(tmp_path):
    pytest.importorskip("typst")
    plain, rare = viz.draw(loss("x")), viz.draw(loss("∈"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sizes = [np.frombuffer(d.png[16:24], ">u4") for d in (plain, rare)]
    np.testing.assert_allclose(*sizes, atol=30)  # both have two pixels in a point


def test_without_typst_a_pdf_names_the_extra(tmp_path, without):
    without("typst")
    with pytest.raises(viz.LayoutError, match=r"pip install 'autograd-mini\[pictures\]'"):
        viz.render(loss(), tmp_path / "g.pdf")
    assert not (tmp_path / "g.pdf").exists()


@pytest.mark.skipif(not shutil.which("dot"), reason="there is no Graphviz here")
def test_the_graphviz_of_the_system_draws_a_pdf_where_it_is_asked_for(tmp_path, without):
    without("typst")
    path = viz.render(loss(), tmp_path / "g.pdf", engine="dot")
    assert path.read_bytes().startswith(b"%PDF")


# ── moving pictures ──────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("suffix", "kind"), [("gif", "GIF"), ("apng", "PNG"), ("PNG", "PNG")])
def test_an_animation_has_a_picture_for_each_frame(tmp_path, suffix, kind):
    pytest.importorskip("typst")
    image = pytest.importorskip("PIL.Image")
    steps = viz.frames(number())
    path = tmp_path / f"steps.{suffix}"
    assert steps.animation(path, seconds=0.5).startswith("<svg")
    with image.open(path) as found:
        assert found.format == kind
        assert found.n_frames == len(steps)
        assert found.info["loop"] == 0
        assert max(found.size) <= 1920
        seen = set()
        for place in range(len(steps)):
            found.seek(place)
            assert found.info["duration"] == 500
            picture = np.asarray(found.convert("RGB"))
            assert (picture[0, 0] >= 250).all(), "white ground"
            seen.add(picture.tobytes())
        assert len(seen) == len(steps)
    before = path.read_bytes()
    steps.animation(path, seconds=0.5)
    assert path.read_bytes() == before


def test_a_frame_that_does_not_change_is_not_lost(tmp_path):
    """Pillow joins equal frames to one that stays longer; all together last as long."""
    from viz.output.moving_images import join_frames

    pytest.importorskip("typst")
    image = pytest.importorskip("PIL.Image")
    (one,) = viz.frames(number()).save(tmp_path, format="png")[:1]
    (tmp_path / "a.gif").write_bytes(join_frames([one.read_bytes()] * 3, "gif", 1.0))
    with image.open(tmp_path / "a.gif") as found:
        total = 0
        for place in range(found.n_frames):
            found.seek(place)
            total += found.info["duration"]
    assert total == 3000


def test_large_steps_are_drawn_smaller(tmp_path):
    pytest.importorskip("typst")
    image = pytest.importorskip("PIL.Image")
    x = am.tensor(2.0, name="x", requires_grad=True)
    y = x
    for _ in range(12):
        y = np.tanh(y)
    viz.frames(y, most=4).animation(tmp_path / "a.gif")
    with image.open(tmp_path / "a.gif") as found:
        assert max(found.size) in (1919, 1920, 1921)


def test_frames_are_saved_as_png(tmp_path):
    pytest.importorskip("typst")
    steps = viz.frames(number())
    paths = steps.save(tmp_path / "steps", format="png")
    assert [x.name for x in paths] == [f"frame_{i:03}.png" for i in range(1, len(steps) + 1)]
    heads = {x.read_bytes()[:24] for x in paths}
    assert len(heads) == 1, "all are PNG files of one size"
    with pytest.raises(viz.PictureError, match="format='gif'.*'svg' or 'png'"):
        steps.save(tmp_path / "steps", format="gif")


@pytest.mark.parametrize("package", ["typst", "PIL"])
def test_without_the_extra_a_moving_picture_names_it(tmp_path, without, package):
    pytest.importorskip("typst")
    without(package)
    steps = viz.frames(number())
    with pytest.raises(viz.LayoutError, match=r"pip install 'autograd-mini\[pictures\]'"):
        steps.animation(tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.gif", "a.apng"])
def test_one_picture_does_not_move(tmp_path, name):
    with pytest.raises(viz.PictureError, match=rf"viz\.frames\(subject\)\.animation\(.*{name}"):
        viz.render(number(), tmp_path / name)


# ── LaTeX ────────────────────────────────────────────────────────────────────────────────────
def compile_latex(text: str, folder: Path, program: str = "pdflatex") -> bytes:
    (folder / "picture.tex").write_text(text, encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "picture.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-1500:]
    return (folder / "picture.pdf").read_bytes()


@pytest.mark.parametrize("suffix", ["tikz", "tex"])
def test_a_tikz_file_is_a_standalone_document(tmp_path, suffix):
    text = viz.render(loss(), tmp_path / f"g.{suffix}").read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[1].startswith(r"\documentclass")
    assert lines[-2:] == [r"\end{tikzpicture}", r"\end{document}"]
    assert text.count(r"\coordinate (n") == len(viz.draw(loss()).picture.boxes)
    assert re.search(r"% n\d+: tanh", text)
    assert r"\fontsize{14bp}" in text
    assert text == viz.draw(loss()).tikz


@pytest.mark.parametrize("subject", [loss(), number(), am.nn.MLP([2, 3, 1], seed=0)])
@pytest.mark.parametrize("theme", THEMES)
def test_a_tikz_picture_has_every_shape_and_text_of_the_svg(subject, theme):
    drawing = viz.draw(subject, theme=theme)
    svg = drawing.svg
    shapes = len(re.findall(r"<(?:path|polygon|polyline|ellipse|rect) ", svg))
    assert drawing.tikz.count(r"\path[") == shapes
    assert drawing.tikz.count(r"\node[") == len(re.findall(r"<text [^>]*>\s*[^\s<]", svg))
    colours = {x.lower() for x in re.findall(r'(?:fill|stroke)="#([0-9a-f]{6})"', svg)}
    assert {x for x in re.findall(r"\\definecolor\{viz(\w+)\}", drawing.tikz)} == colours


def test_what_means_something_to_latex_is_written_as_text():
    assert write_text(r"\input{x}") == r"\textbackslash{}input\{x\}"
    assert write_text("50 % of $x_1$ & #2") == r"50 \% of \$x\_1\$ \& \#2"
    assert write_text("a--b,,c ``d''") == (
        r"a{-}{-}b{,}{,}c \textasciigrave{}\textasciigrave{}d\textquotesingle{}\textquotesingle{}"
    )
    assert write_text("∂Σ‖x‖ ± ŷ₁²") == (
        r"\ensuremath{\partial}\ensuremath{\Sigma}\ensuremath{\Vert}x\ensuremath{\Vert} "
        r"\ensuremath{\pm} \^{y}\textsubscript{1}\textsuperscript{2}"
    )


def test_every_symbol_of_the_table_is_written_for_pdflatex():
    from autograd_mini.core.primitive import PRIMITIVES
    from viz.output.tikz import _has_command, _letters

    symbols = {c for row in PRIMITIVES.values() for c in _letters(row.symbol + row.doc)}
    assert sorted(c for c in symbols if not _has_command(c)) == []


def test_characters_that_pdflatex_lacks_are_named():
    with pytest.warns(UserWarning, match="no command for 字 漢; compile the file with lualatex"):
        text = viz.draw(loss("漢字")).tikz
    assert "漢字" in text


@needs_latex
@pytest.mark.long
@pytest.mark.parametrize("theme", ["auto", "dark"])
@pytest.mark.parametrize(
    ("subject", "view"),
    [(loss(), "backward"), (number(), "scalars"), (am.nn.MLP([2, 3, 1], seed=0), "neurons")],
)
def test_latex_compiles_a_picture_to_its_size(tmp_path, subject, view, theme):
    drawing = viz.draw(subject, view=view, theme=theme)
    box = re.search(r'viewBox="[\d.]+ [\d.]+ ([\d.]+) ([\d.]+)"', drawing.svg)
    assert box
    size = page_size(compile_latex(drawing.tikz, tmp_path))
    assert size == pytest.approx((float(box[1]), float(box[2])), abs=1)


@needs_latex
@pytest.mark.long
@pytest.mark.parametrize("name", ["a.tex", "a.tikz"])
def test_a_document_takes_a_picture_as_input(tmp_path, name):
    viz.render(loss(), tmp_path / name)
    compile_latex(
        "\\documentclass{article}\\usepackage{standalone}\\usepackage{tikz}\\begin{document}"
        f"Before. \\input{{{name}}} After.\\end{{document}}\n",
        tmp_path,
    )


@needs_latex
@pytest.mark.long
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@example("\\end{document}^^M%{$&#_~^`'\"<<>>--,,!`?`|[]()*@")
@example("漢字 שלום 🎉 e\u0301 Ǖ ﬁ ½ Привет ẞ ſ")
@given(st.text(max_size=20))
def test_latex_compiles_any_name(tmp_path_factory, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what pdfLaTeX lacks
        text = viz.draw(loss(name, name)).tikz
    compile_latex(text, tmp_path_factory.mktemp("latex"))


# ── the same bytes ───────────────────────────────────────────────────────────────────────────
PROGRAM = """
import sys, warnings
import numpy as np, autograd_mini as am, viz
warnings.simplefilter("ignore")
x = am.tensor(np.arange(6.0).reshape(3, 2) / 7, name="x ∈ ℝ")
with am.scope("layer"):
    y = np.tanh(x @ am.tensor(np.ones((2, 2)), requires_grad=True, name="Привет"))
loss = np.mean(y * 2)
for options in ({}, {"view": "backward"}, {"overlay": "values"}, {"direction": "LR"}):
    drawing = viz.draw(loss, **options)
    for text in (drawing.dot, drawing.svg, drawing.tikz, drawing.mermaid, viz.page(loss)):
        sys.stdout.buffer.write(text.encode())
plain = viz.draw(np.mean(np.tanh(am.tensor(np.ones(3), name="x"))))
sys.stdout.buffer.write(plain.png)
sys.stdout.buffer.write(viz.frames(loss).animation().encode())
"""


@pytest.mark.long
def test_the_bytes_do_not_depend_on_the_machine(tmp_path):
    """Another language, time zone, home, folder, hash seed, and no `dot` on the PATH."""
    root = Path(__file__).parents[1]
    here = {"PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"}
    machines = (
        {"LANG": "C", "PATH": "", "PYTHONHASHSEED": "1", "TZ": "UTC"},
        {
            **{"LC_ALL": "de_DE.UTF-8", "PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"},
            **{"PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "40"},
        },
    )
    found = []
    for machine in machines:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, env=here | machine
        )
        assert done.returncode == 0, done.stderr.decode()
        found.append(done.stdout)
    assert len(found[0]) > 50_000
    assert found[0] == found[1]
