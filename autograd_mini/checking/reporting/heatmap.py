"""Heat maps of the errors of a gradient: a cell shows one entry, or the worst of a block.

The colour of a cell is |given − numeric| divided by the tolerance, in powers of ten. A mark shows
the verdict, so that colour is not the only cue. A map is SVG, and its colours are CSS classes that
the page defines for light and dark themes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np

from ..numeric.verdicts import CODES, Tolerances, Verdict
from .entries import Part

CELLS = 64
"""Largest number of cells along one side."""

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


def _cell_side(rows: int, columns: int) -> float:
    """Return the side of a cell, in pixels, for a number of rows and columns."""
    return float(min(LARGEST, np.floor(2 * min(WIDTH / columns, HEIGHT / rows)) / 2))


def map_svg(picture: Map) -> str:
    """Draw a map."""
    rows, columns = picture.scores.shape
    side = _cell_side(rows, columns)
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
