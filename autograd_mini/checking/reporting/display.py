"""Show a report as HTML: as a card in a notebook, or as a separate page.

The card uses no JavaScript and no ids, so that several fit on one page; class names start with
`amg`. It has its own background and follows the theme of Jupyter, VS Code and Colab.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Final

import numpy as np

from ...core.visible import show_text
from ..numeric.verdicts import Tolerances, Verdict
from .entries import Part
from .heatmap import Map, map_svg, maps, mark_path

if TYPE_CHECKING:
    from .report import Report

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
