"""Show a report as HTML: a card in a notebook or a page, with a heat map of the errors.

The card uses no JavaScript and no ids, so that several fit on one page; class names start with
`amg`. It has its own background and follows the theme of Jupyter, VS Code and Colab.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np

from ..core.visible import show_text
from .report import CODES, Part, Tolerances, Verdict

if TYPE_CHECKING:
    from .report import Report

CELLS = 64
"""Largest number of cells along one side of a map."""

SLICES = 8
"""Largest number of maps of one input."""

TITLED = 400
"""Largest number of cells that show their numbers under the pointer."""

WIDTH, HEIGHT = 480.0, 256.0
"""Largest size of a map, in pixels."""

LARGEST = 20.0
"""Largest side of a cell, in pixels."""

DASHED = 10.0
"""Cells of entries that were not checked alone have a mark from this size on, in pixels."""

SEVERITY = {Verdict.RIGHT: 1, Verdict.KINK: 2, Verdict.UNRESOLVED: 3, Verdict.WRONG: 4}
"""A block shows its most severe verdict; 0 stands for entries not checked alone."""

SPAN = 100.0
"""Distance between severities; larger than any power of ten."""

STEPS = (-4.0, -2.0, 0.0, 2.0, 4.0)
"""Powers of ten, in units of the tolerance, at which the colour changes."""


@dataclass(frozen=True, slots=True)
class Map:
    """One picture of an input.

    Attributes:
        title: the part of the input that it shows, such as `w` or `w[3, :, :]`.
        scores: one number for each cell: severity · SPAN + the power of ten.
        block: the largest number of rows and columns of entries in one cell.
        shape: the shape of the entries that it shows.
        words: the text of each cell under the pointer, row by row; empty if there are too many.
    """

    title: str
    scores: np.ndarray
    block: tuple[int, int]
    shape: tuple[int, int]
    words: tuple[str, ...] = ()


def _powers(part: Part, tolerances: Tolerances) -> np.ndarray:
    """Return log10 of the difference in units of the tolerance, from −12 to 12; NaN gives 12."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(part.given), np.abs(part.numeric))
        allowed = tolerances.absolute + tolerances.relative * size
        difference = np.abs(part.given - part.numeric)
        found = np.log10(np.where(difference == 0, 0.0, difference / allowed))
    same = (part.given == part.numeric) & ~np.isfinite(part.given)
    return np.where(same, -12.0, np.nan_to_num(np.clip(found, -12, 12), nan=12.0))


def _scores(part: Part, tolerances: Tolerances) -> np.ndarray:
    """Return the score of every entry."""
    ranks = np.zeros(part.given.shape)
    for verdict, severity in SEVERITY.items():
        ranks[part.verdict == CODES[verdict]] = severity
    # A verdict may depend on the error bar, so wrong and right entries keep to their side.
    power = _powers(part, tolerances)
    wrong, right = ranks == SEVERITY[Verdict.WRONG], ranks == SEVERITY[Verdict.RIGHT]
    power = np.where(wrong, np.maximum(power, 0.0), np.where(right, np.minimum(power, 0.0), power))
    return np.where(ranks == 0, 0.0, ranks * SPAN + power)


def maps(part: Part, tolerances: Tolerances) -> tuple[list[Map], int]:
    """Return the maps of one input, and the number of slices left out."""
    if not part.given.size:
        return [], 0
    values = _scores(part, tolerances)
    words = _cell_words(part) if values.size <= TITLED else np.full(values.shape, "")
    if part.complex:
        values, words = np.moveaxis(values, -1, 0), np.moveaxis(words, -1, 0)
    plane = max(len(part.shape) - 2, 0) + part.complex
    outer = values.shape[:plane]
    rows, columns = (1, 1, *values.shape[plane:])[-2:]
    values, words = (a.reshape(-1, rows, columns) for a in (values, words))
    worst = np.argsort(-values.max(axis=(1, 2)), kind="stable")[:SLICES]
    found = []
    for i in np.sort(worst):
        index = np.unravel_index(int(i), outer) if outer else ()
        title = _slice_title(part, tuple(int(k) for k in index))
        found.append(_make_map(title, values[i], words[i]))
    return found, len(values) - len(found)


def _slice_title(part: Part, index: tuple[int, ...]) -> str:
    """Write which slice of an input a map shows."""
    name, outer = part.name, list(map(str, index))
    if part.complex:
        name += (".real", ".imag")[index[0]]
        outer = outer[1:]
    if not outer:
        return name
    base, suffix = (part.name, name[len(part.name) :])
    return f"{base}[{', '.join([*outer, ':', ':'])}]{suffix}"


def _make_map(title: str, values: np.ndarray, words: np.ndarray) -> Map:
    """Make one map from a matrix of scores; a large one is divided into blocks."""
    rows, columns = values.shape
    block = (-(-rows // CELLS), -(-columns // CELLS))
    if block == (1, 1):
        said = tuple(words.ravel().tolist()) if words.any() else ()
        return Map(title, values, block, values.shape, said)
    edges = [np.arange(0, n, size) for n, size in zip(values.shape, block, strict=True)]
    coarse = np.maximum.reduceat(np.maximum.reduceat(values, edges[0], 0), edges[1], 1)
    return Map(title, coarse, block, (rows, columns))


def _cell_words(part: Part) -> np.ndarray:
    """Write the text under the pointer for every entry."""
    names = list(Verdict)
    found = np.empty(part.given.shape, dtype=object)
    for flat in range(part.given.size):
        code = int(part.verdict.flat[flat])
        if code < 0:
            found.flat[flat] = "not checked alone"
            continue
        entry = part.entry(flat)
        found.flat[flat] = (
            f"{entry.place}: {names[code]}, given {entry.analytic:.6g}, "
            f"numeric {entry.numeric:.6g} ± {entry.error:.1e}"
        )
    return found


# ── SVG ───────────────────────────────────────────────────────────────────────────────────────


def _cell_class(score: float) -> str:
    """Return the CSS class of a cell: its verdict, and how far it is from the tolerance."""
    severity = int((score + SPAN / 2) // SPAN)
    if severity == 0:
        return "none"
    power = score - severity * SPAN
    if severity == SEVERITY[Verdict.RIGHT]:
        return f"right{sum(power > s for s in STEPS[:2])}"
    if severity == SEVERITY[Verdict.WRONG]:
        return f"wrong{sum(power > s for s in STEPS[3:])}"
    return "kink" if severity == SEVERITY[Verdict.KINK] else "open"


def map_svg(picture: Map) -> str:
    """Draw a map."""
    rows, columns = picture.scores.shape
    side = float(min(LARGEST, np.floor(2 * min(WIDTH / columns, HEIGHT / rows)) / 2))
    width, height = columns * side, rows * side
    label = f"errors of {picture.title}, {rows} × {columns} cells"
    return (
        f'<svg class="amg-map" width="{width + 2:g}" height="{height + 2:g}" '
        f'viewBox="-1 -1 {width + 2:g} {height + 2:g}" role="img" aria-label="{escape(label)}">'
        + "".join(_cell_paths(picture, side))
        + f'<rect class="amg-frame" width="{width:g}" height="{height:g}"/></svg>'
    )


def _cell_paths(picture: Map, side: float) -> Iterator[str]:
    """Draw the cells, then the marks; all of one kind share a path."""
    squares: dict[str, list[str]] = {}
    marks: dict[str, list[str]] = {}
    gap = 0.5 if side > 6 else 0.0
    for (i, j), score in np.ndenumerate(picture.scores):
        kind = _cell_class(float(score))
        x, y, s = j * side + gap, i * side + gap, side - 2 * gap
        squares.setdefault(kind, []).append(f"M{x:g} {y:g}h{s:g}v{s:g}h-{s:g}z")
        stroke = mark_path(kind.rstrip("0123456789"), j * side, i * side, side)
        if stroke:
            marks.setdefault(kind, []).append(stroke)
    for kind, paths in sorted(squares.items()):
        yield f'<path class="amg-{kind}" d="{"".join(paths)}"/>'
    for kind, paths in sorted(marks.items()):
        yield f'<path class="amg-mark amg-on-{kind}" d="{"".join(paths)}"/>'
    for k, words in enumerate(picture.words):
        i, j = divmod(k, picture.scores.shape[1])
        yield (
            f'<rect class="amg-touch" x="{j * side:g}" y="{i * side:g}" width="{side:g}" '
            f'height="{side:g}"><title>{escape(words)}</title></rect>'
        )


def mark_path(kind: str, x: float, y: float, side: float) -> str:
    """Draw the mark of a verdict in a cell: cross, roof, ring or dash."""
    a, b, c = (round(share * side, 2) for share in (0.28, 0.44, 0.5))
    if kind == "wrong":
        return f"M{x + a:g} {y + a:g}l{b:g} {b:g}m0-{b:g}l-{b:g} {b:g}"
    if kind == "kink":
        half = round(b / 2, 2)
        return f"M{x + a:g} {y + a + b:g}l{half:g}-{b:g}l{half:g} {b:g}"
    if kind == "open":
        r = round(b / 2, 2)
        return f"M{x + a:g} {y + c:g}a{r:g} {r:g} 0 1 0 {b:g} 0a{r:g} {r:g} 0 1 0-{b:g} 0"
    if kind == "none" and side >= DASHED:
        return f"M{x + a:g} {y + c:g}h{b:g}"
    return ""


PICTURED = 12
"""Largest number of inputs with maps."""

ROWS = 8
"""Largest number of entries in the table."""

MARKS = {Verdict.RIGHT: "✓", Verdict.KINK: "∧", Verdict.WRONG: "✕", Verdict.UNRESOLVED: "○"}

LIGHT = {
    "back": "#ffffff", "ink": "#1f2328", "soft": "#57606a", "rule": "#d0d7de", "pale": "#f3f4f6",
    "good": "#00694c", "bad": "#b03a00", "right0": "#e6f2f9", "right1": "#b5daf0",
    "right2": "#6fb8de", "wrong0": "#f6b48a", "wrong1": "#e2712b", "wrong2": "#b03a00",
    "kink": "#ecd9e5", "open": "#fbe7a8", "none": "#ffffff", "dark": "#1f2328", "light": "#ffffff",
}  # fmt: skip
DARK = {
    "back": "#22272e", "ink": "#e6edf3", "soft": "#adbac7", "rule": "#444c56", "pale": "#2d333b",
    "good": "#2fc79c", "bad": "#ff9d63", "right0": "#173a50", "right1": "#245f84",
    "right2": "#3487b8", "wrong0": "#8a4a20", "wrong1": "#d9691f", "wrong2": "#ffa36b",
    "kink": "#6d4a60", "open": "#75621a", "none": "#22272e", "dark": "#e6edf3", "light": "#1f2328",
}  # fmt: skip

RULES = """\
.amg{background:var(--back);color:var(--ink);border:1px solid var(--rule);border-radius:6px;
padding:12px 16px;font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
max-width:960px;margin:4px 0;text-align:left;overflow-x:auto}
.amg code{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
background:none;color:inherit;padding:0}
.amg-head{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline;font-size:15px}
.amg-head b{font-weight:600}.amg-soft{color:var(--soft);font-size:13px}
.amg-state{font-weight:700}.amg-ok{color:var(--good)}.amg-failed{color:var(--bad)}.amg-undecided{color:var(--ink)}
.amg ul{margin:8px 0 0;padding:0;list-style:none}.amg li{margin:3px 0}
.amg-kind{display:inline-block;border:1px solid var(--bad);color:var(--bad);border-radius:9px;
padding:0 8px;margin-right:8px;font-size:12px;font-weight:600}
.amg-blame{margin-top:6px}.amg-maps{display:flex;flex-wrap:wrap;gap:14px 24px;margin-top:12px;
align-items:flex-start}.amg-maps figure{margin:0}.amg-maps figcaption{margin:0 0 3px;font-size:13px}
.amg-map{display:block;max-width:none;background:none}
.amg-frame{fill:none;stroke:var(--rule)}.amg-touch{fill:transparent}
.amg-mark{fill:none;stroke:var(--dark);stroke-width:1.3}.amg-on-none{stroke:var(--rule)}
.amg-on-wrong2{stroke:var(--light)}
.amg-legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin-top:8px;align-items:center}
.amg-legend span{display:inline-flex;align-items:center;gap:5px}
.amg table{border-collapse:collapse;margin-top:12px;font-size:13px;background:none;color:inherit;
font-variant-numeric:tabular-nums}
.amg th,.amg td{padding:2px 14px 2px 0;text-align:right;border:0;background:none;color:inherit;
white-space:nowrap}.amg th{color:var(--soft);font-weight:400;border-bottom:1px solid var(--rule)}
.amg .amg-text{text-align:left}.amg tr{background:none}
"""


def _style_sheet() -> str:
    """Write the style sheet of a card. It is always the same, so many cards can share a page."""
    filled = "".join(
        f".amg-{kind}{{fill:var(--{kind})}}"
        for kind in LIGHT
        if kind.startswith(("right", "wrong", "kink", "open", "none"))
    )
    light, dark = (
        "".join(f"--{name}:{colour};" for name, colour in theme.items()) for theme in (LIGHT, DARK)
    )
    forced_light = '[data-jp-theme-light="true"] .amg,.vscode-light .amg,[theme="light"] .amg'
    forced_dark = '[data-jp-theme-light="false"] .amg,.vscode-dark .amg,[theme="dark"] .amg'
    return (
        f"<style>.amg{{{light}}}@media(prefers-color-scheme:dark){{.amg{{{dark}}}}}"
        f"{forced_light}{{{light}}}{forced_dark}{{{dark}}}{RULES}{filled}</style>"
    )


def html(report: Report) -> str:
    """Write a report as an HTML card."""
    body = [_heading_html(report), _reasons_html(report), _maps_html(report), _table_html(report)]
    return f'<div class="amg">{_style_sheet()}{show_text("".join(body))}</div>'


def page(report: Report) -> str:
    """Write a report as a complete HTML page."""
    title = escape(show_text(f"gradcheck of {report.function}", one_line=True))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title></head><body>{html(report)}</body></html>\n"
    )


STATES: Final = {
    "ok": ("✓ ok", "ok"),
    "FAILED": ("✕ FAILED", "failed"),
    "UNDECIDED": ("? UNDECIDED", "undecided"),
}
"""The words for each state, and its CSS class."""


def _heading_html(report: Report) -> str:
    """Write the function, the verdict and the counts."""
    state, name = STATES[report.state]
    order = "" if report.order == 1 else f", order {report.order}"
    parts = [f"{report.checked:,} {'entry' if report.checked == 1 else 'entries'} checked"]
    for verdict in (Verdict.WRONG, Verdict.UNRESOLVED, Verdict.KINK):
        if report.count(verdict):
            parts.append(f"{report.count(verdict):,} {verdict}")
    if report.rtol is not None:
        parts.append(
            f"rtol {report.rtol:.2g}" + (f", atol {report.atol:.2g}" if report.atol else "")
        )
    return (
        f'<div class="amg-head"><span class="amg-state amg-{name}">{state}</span>'
        f"<span>gradcheck of <code><b>{escape(report.function)}</b></code>{order}</span>"
        f'<span class="amg-soft">{" · ".join(parts)}</span></div>'
    )


def _reasons_html(report: Report) -> str:
    """Write problems and causes, the faulty operation, and the coverage."""
    rows = "".join(
        f'<li><span class="amg-kind">{escape(str(cause.kind))}</span>{escape(cause.text)}</li>'
        for cause in (*report.problems, *report.causes)
    )
    found = f"<ul>{rows}</ul>" if rows else ""
    if report.blame is not None:
        found += f'<div class="amg-blame">{escape(str(report.blame))}</div>'
    if report.coverage is not None:
        found += f'<div class="amg-soft">{escape(str(report.coverage))}</div>'
    return found


# ── maps ──────────────────────────────────────────────────────────────────────────────────────


def _maps_html(report: Report) -> str:
    """Draw the maps of the inputs; if there are many, those with failures first."""
    if not any(part.given.size for part in report.parts):
        return ""
    tolerances = Tolerances(report.rtol or 0.0, report.atol or 0.0)
    failing = [p for p in report.parts if p.is_(Verdict.WRONG).any()]
    others = [p for p in report.parts if not p.is_(Verdict.WRONG).any()]
    shown = (failing + others)[:PICTURED] if len(report.parts) > PICTURED else list(report.parts)
    figures, kinds = [], set()
    for part in shown:
        found, left = maps(part, tolerances)
        figures += [_figure_html(part, picture) for picture in found]
        kinds |= {int(code) for code in np.unique(part.verdict)}
        if not found:
            words = f"{_caption_html(part.name, part.shape)}, empty"
            figures.append(f"<figure><figcaption>{words}</figcaption></figure>")
        if left:
            figures.append(f'<figure class="amg-soft">and {left} more slices of '
                           f"{_caption_html(part.name, part.shape)}</figure>")  # fmt: skip
    if len(report.parts) > len(shown):
        count = len(report.parts) - len(shown)
        figures.append(f'<figure class="amg-soft">and {count} more inputs</figure>')
    return f'<div class="amg-maps">{"".join(figures)}</div>{_legend_html(kinds)}'


def _caption_html(name: str, shape: tuple[int, ...]) -> str:
    """Write the name and shape of an input, or of a slice of it."""
    size = " × ".join(map(str, shape)) or "a number"
    return f'<code>{escape(name)}</code> <span class="amg-soft">{size}</span>'


def _figure_html(part: Part, picture: Map) -> str:
    """Write one map under its name."""
    blocks = ""
    if picture.block != (1, 1):
        rows, columns = picture.block
        size = f"{rows} × {columns}" if rows > 1 and columns > 1 else f"{rows * columns}"
        blocks = f' <span class="amg-soft">· a cell is the worst of {size} entries</span>'
    head = f"{_caption_html(picture.title, part.shape[-2:])}{blocks}"
    return f"<figure><figcaption>{head}</figcaption>{map_svg(picture)}</figure>"


def _legend_html(codes: set[int]) -> str:
    """Explain the colours and marks on the maps."""
    names = list(Verdict)
    present = {names[code] for code in codes if code >= 0}
    rows = []
    if Verdict.RIGHT in present:
        rows.append(f"{_swatches_svg('right')} right: ≤ 10⁻⁴, ≤ 10⁻², ≤ 1 × tolerance")
    if Verdict.WRONG in present:
        rows.append(f"{_swatches_svg('wrong')} wrong: ≤ 10², ≤ 10⁴, > 10⁴ × tolerance")
    for verdict, kind in ((Verdict.KINK, "kink"), (Verdict.UNRESOLVED, "open")):
        if verdict in present:
            rows.append(f"{_swatch_svg(kind)} {verdict}")
    if -1 in codes:
        rows.append(f"{_swatch_svg('none')} not checked alone")
    spans = "".join(f"<span>{row}</span>" for row in rows)
    return f'<div class="amg-legend amg-soft">{spans}</div>'


def _swatches_svg(kind: str) -> str:
    """Draw the three shades of a verdict."""
    return "".join(_swatch_svg(f"{kind}{i}") for i in range(3))


def _swatch_svg(kind: str) -> str:
    """Draw a cell of the legend."""
    stroke = mark_path(kind.rstrip("0123456789"), 0, 0, 14)
    return (
        '<svg class="amg-map" width="16" height="16" viewBox="-1 -1 16 16" aria-hidden="true">'
        f'<path class="amg-{kind}" d="M0 0h14v14h-14z"/>'
        f'<path class="amg-mark amg-on-{kind}" d="{stroke}"/>'
        '<rect class="amg-frame" width="14" height="14"/></svg>'
    )


# ── the worst entries ─────────────────────────────────────────────────────────────────────────


def _table_html(report: Report) -> str:
    """Write the worst entries, and how many more there are."""
    remarkable = tuple(v for v in Verdict if v is not Verdict.RIGHT)
    shown = report.first(ROWS, remarkable) or report.first(1)
    if not shown:
        return ""
    reasoned = any(entry.reason for entry in shown)
    head = ["verdict", "entry", "given", "numeric", "±", "relative", *(["why"] if reasoned else [])]
    rows = []
    for entry in shown:
        _, *cells = entry.row()
        row = [f"{MARKS[entry.verdict]} {entry.verdict}", *cells]
        rows.append(row if reasoned else row[:-1])
    count = sum(map(report.count, remarkable)) - len(shown)
    notes = [f"and {count:,} more"] if count > 0 else []
    if report.weighted:
        notes.append(f"values are weighted by a random cotangent of the result, seed {report.seed}")
    end = f'<div class="amg-soft">{"; ".join(notes)}</div>' if notes else ""
    body = "".join(f"<tr>{''.join(_cells_of(row, 'td'))}</tr>" for row in rows)
    return f"<table><tr>{''.join(_cells_of(head, 'th'))}</tr>{body}</table>{end}"


def _cells_of(row: list[str], tag: str) -> Iterator[str]:
    """Write the cells of a row: words left-aligned, numbers right-aligned."""
    for i, text in enumerate(row):
        words = ' class="amg-text"' if i in (0, 1, 6) else ""
        inside = f"<code>{escape(text)}</code>" if i == 1 and tag == "td" else escape(text)
        yield f"<{tag}{words}>{inside}</{tag}>"
