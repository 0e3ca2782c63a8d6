"""The DOT text of a picture; every label appears exactly as it is.

Histograms and legends are tables in a label, which the layout program can draw.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from html import escape as escape_html
from typing import Any, Final

import graphviz

from ..colours import ENOUGH_CONTRAST, channels, contrast
from ..picture import OPERATIONS, PORTS, SCOPES, Arrow, Box, Cell, Cluster, Picture
from ..style import (
    BOX,
    CHANGED,
    CLUSTER,
    EDGE,
    GRAPH,
    INK,
    MOST_TINTS,
    NODE,
    NONFINITE,
    ON_NONFINITE,
    ON_REACHED,
    ON_ZERO,
    OUTSIDE,
    PURPLE,
    REACHED,
    RULE,
    VERMILION,
    ZERO,
)
from .layout import End, arrow_ends, cluster_entrances, find_sides, rows_of_updates

LETTER_WIDTH: Final = 0.078
"""About the width of a caption's letter, in inches."""
ON_DARK: Final = "#fffffd"
ON_LIGHT: Final = "#1f2329"
ON_MIDDLE: Final = "#000002"
"""Texts on a fill that a value decides; the last one is for fills on which both others are too
faint. No theme replaces these colours."""
ON_MARK: Final = {NONFINITE: ON_NONFINITE, REACHED: ON_REACHED, ZERO: ON_ZERO}
"""Texts on a mark. A theme replaces these colours, as it replaces those of the marks."""
SIDES: Final = ("head", "tail")
PORT_RANKS: Final = {"entry": "source", "exit": "sink"}
TRAINING: Final = frozenset({"update", "update_scope"})
WIDE_NODESEP: Final = "0.35"
"""More space between the boxes of a training step, where labels of long arrows stand in a row."""
THICK: Final = {"color": VERMILION, "penwidth": "4"}
"""The border of the box where a reader should look first."""
MOST_IN_CIRCLE: Final = 3
"""Texts with more letters than this are smaller in a neuron, and so are values."""
CELL_COLOUR: Final = {
    "name": INK,
    "data": INK,
    "gradient": PURPLE,
    "changed": CHANGED,
    "nonfinite": ON_NONFINITE,
}
BAR_WIDTH: Final = 5
"""The width of a bar, in points."""
BAR_HEIGHT: Final = 16
"""The height of a whole bar."""
BAR_COLOUR: Final = "#6e7781"
"""Their colour, readable on both grounds."""
SWATCH: Final = 14
PLAIN_TABLE: Final = '<table border="0" cellborder="0" cellspacing="0" cellpadding="0">'


def make_digraph(picture: Picture) -> graphviz.Digraph:
    """Return a picture as a `graphviz.Digraph`; its `source` is the DOT text."""
    graph = graphviz.Digraph(
        "picture",
        graph_attr=GRAPH | spacing(picture),
        node_attr=NODE,
        edge_attr=EDGE,
    )
    entering = Counter(arrow.head for arrow in picture.arrows)
    for box in picture.boxes:
        graph.node(box.id, **box_attributes(box, ordered=entering[box.id] > 1))
    _add_clusters(graph, picture)
    _add_arrows(graph, picture)
    _add_ties(graph, picture)
    for box in picture.boxes:
        if box.role in ("scale", "legend") and not picture.placed:
            graph.body.append(f"\t{{rank=sink; {box.id}}}\n")
    _add_port_ranks(graph, picture)
    for row in rows_of_updates(picture):
        graph.body.append(f"\t{{rank=same; {'; '.join(row)}}}\n")
    return graph


def spacing(picture: Picture) -> dict[str, str]:
    """Return the direction of the graph and the distances of boxes."""
    found = {"rankdir": picture.direction, "ranksep": f"{picture.ranksep}"}
    if any(box.role in TRAINING for box in picture.boxes):
        found["nodesep"] = WIDE_NODESEP
    return found


def _add_port_ranks(graph: graphviz.Digraph, picture: Picture) -> None:
    """Put the ports before or after all other boxes, on a rank of their own."""
    beside = {arrow.tail for arrow in find_sides(picture)}
    for role, rank in PORT_RANKS.items():
        names = [box.id for box in picture.boxes if box.role == role]
        if not names:
            continue
        graph.body.append(f"\t{{rank={rank}; {'; '.join(names)}}}\n")
        joined = {x.head if role == "entry" else x.tail for x in picture.arrows} | beside
        for box in picture.boxes:  # others could share the rank, and lines would cross them
            if box.id not in joined and box.role not in PORTS | {"legend", "scale"}:
                ends = (names[0], box.id) if role == "entry" else (box.id, names[0])
                graph.edge(*ends, style="invis", weight="0")


def _add_arrows(graph: graphviz.Digraph, picture: Picture) -> None:
    """Add the arrows; a leaf at the side of its operation goes on the same rank."""
    boxes = {box.id: box for box in picture.boxes}
    entering: dict[str, list[Arrow]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(arrow)
    sides = find_sides(picture)
    finishes = arrow_ends(picture)
    for place, arrow in enumerate(picture.arrows):
        style = _arrow_attributes(arrow, finishes[place].mark) | {"id": f"e{place}"}
        if arrow.backward:
            style |= {"style": "dashed", "color": PURPLE}
            if boxes[arrow.head].role == "gradient_value":
                if arrow is entering[arrow.head][0]:
                    _add_arrow_on_rank(graph, arrow, style, forwards=picture.direction == "TB")
                else:  # on one rank with all of its terms, it would pull them into a row
                    graph.edge(arrow.tail, arrow.head, constraint="false", **style)
            else:  # drawn backwards, it keeps the ranks of the forward
                graph.edge(arrow.head, arrow.tail, dir="back", weight="2", **style)
            continue
        side = sides.get(arrow)
        if side is not None:
            inside = boxes[arrow.tail].cluster == boxes[arrow.head].cluster is not None
            turned = picture.direction == "LR" and inside
            forwards = (side == "left") != turned
            look = _end_attributes(finishes[place], *SIDES[:: 1 if forwards else -1])
            shown = style if arrow.lit else {"id": style["id"]}
            _add_arrow_on_rank(graph, arrow, shown | look, forwards=forwards)
            continue
        tail = boxes[arrow.tail]
        if tail.role in OPERATIONS | SCOPES or tail.role == "earlier":
            style["weight"] = "3"  # keeps the line of the computation straight
        end = finishes[place]
        head = boxes[arrow.head]
        if head.role == "exit":
            style["dir"] = "none"  # it goes on outside of the scope
        if not end.port and head.role in OPERATIONS and tail.cluster != head.cluster:
            # without a point it may arrive from behind a leaf at the side of its head
            end = End("n" if picture.direction == "TB" else "w")
        style |= _end_attributes(end, *SIDES)
        graph.edge(arrow.tail, arrow.head, **style)


def _end_attributes(end: End, head: str, tail: str) -> dict[str, str]:
    """Return where an arrow ends and starts; for a backward edge, `head` and `tail` are swapped."""
    known = ((f"{head}port", end.port), (f"{tail}port", end.start))
    return {name: port for name, port in known if port}


def _add_ties(graph: graphviz.Digraph, picture: Picture) -> None:
    """Add dotted lines between boxes side by side; each starts at the last leaf of its row."""
    after = {
        arrow.head: arrow.tail for arrow, side in find_sides(picture).items() if side == "right"
    }
    for one, other in picture.ties:
        ends = (after.get(one, one), other) if picture.direction == "TB" else (other, one)
        graph.edge(*ends, style="dotted", dir="none", color=OUTSIDE, weight="0")
        graph.body.append(f"\t{{rank=same; {one}; {other}}}\n")


def _add_arrow_on_rank(
    graph: graphviz.Digraph, arrow: Arrow, style: dict[str, str], *, forwards: bool
) -> None:
    """Add an arrow between boxes on one rank.

    The layout program puts the tail of such an edge left of its head. If ranks run from left to
    right it puts the tail above, or below inside of a scope. For the other side, the edge is drawn
    backwards.
    """
    if forwards:
        graph.edge(arrow.tail, arrow.head, **style)
    else:
        graph.edge(arrow.head, arrow.tail, dir="back", **style)
    graph.body.append(f"\t{{rank=same; {arrow.tail}; {arrow.head}}}\n")


def _arrow_attributes(arrow: Arrow, mark: str = "") -> dict[str, str]:
    """Return the Graphviz attributes of an arrow; `mark` is the place of its operand."""
    label = ": ".join(filter(None, (mark, arrow.label)))
    style = {"label": escape_label(f" {label} ")} if label else {}
    if arrow.tooltip:
        style["tooltip"] = escape_label(arrow.tooltip)
    if arrow.colour:
        style |= {"color": arrow.colour, "penwidth": f"{arrow.width:.2f}", "dir": "none"}
    if arrow.lit:
        line, text = (VERMILION, CHANGED) if arrow.lit == "failed" else (PURPLE, PURPLE)
        style |= {"color": line, "fontcolor": text, "penwidth": "2"}
    return style


def box_attributes(box: Box, ordered: bool) -> dict[str, str]:
    """Return the Graphviz attributes of a box; `ordered` keeps its operands from left to right."""
    found = dict(BOX[box.role])
    if box.cells:
        found |= {"margin": "0.05,0.02", "label": _table_label(box.cells)}
    elif box.swatches:
        found["label"] = _legend_label(box)
    elif box.bars:
        found |= {"margin": "0.08,0.03", "label": _histogram_label(box)}
    else:
        found["label"] = escape_label("\n".join(box.lines))
    if ordered and (box.role in OPERATIONS or box.role == "scalar_operation"):
        found["ordering"] = "in"
    if box.fill is not None:
        found |= {"fillcolor": box.fill, "fontcolor": ink_on(box.fill)}
    if box.first:
        found |= THICK
    if box.lit:
        found |= {"color": PURPLE, "penwidth": "2.5"}
    if found["shape"] == "circle" and (box.fill or len(box.words) > MOST_IN_CIRCLE):
        found["fontsize"] = "9"
    if box.tooltip:
        found["tooltip"] = escape_label(box.tooltip)
    if box.position is not None:
        found["pos"] = "{:.2f},{:.2f}!".format(*box.position)
    found |= {"class": box.role, "id": box.id}
    return found


def ink_on(fill: str) -> str:
    """Return a colour for text that is readable on a fill; the page behind it is white."""
    opacity = int(fill[7:] or "ff", 16) / 255
    if opacity > 0.5 and fill[:7] in ON_MARK:
        return ON_MARK[fill[:7]]
    ground = "#" + "".join(
        f"{round(opacity * x + (1 - opacity) * 255):02x}" for x in channels(fill)
    )
    best = max((ON_DARK, ON_LIGHT), key=lambda ink: contrast(ink, ground))
    return best if contrast(best, ground) >= ENOUGH_CONTRAST else _ink_on_middle(ground)


def _ink_on_middle(ground: str) -> str:
    """Return a colour for text on a medium fill: white or black, whichever has more contrast."""
    return max((ON_DARK, ON_MIDDLE), key=lambda ink: contrast(ink, ground))


def escape_label(label: str) -> str:
    """Quote a label, so that DOT takes nothing in it for an escape sequence, an entity or HTML.

    >>> print(escape_label("a\\\\N & <b>"))
    a\\\\N &amp; <b>
    """
    if label.endswith("\n"):  # graphviz takes "node\n" for a name that needs no quotation marks
        label += " "
    return graphviz.escape(label.replace("&", "&amp;"))


def _table_label(cells: tuple[Cell, ...]) -> str:
    """Return the label of a box with several fields."""
    parts = []
    for cell in cells:
        lines = (_table_line(line, cell) for line in cell.text.split("\n"))
        fill = f' bgcolor="{NONFINITE}"' if cell.kind == "nonfinite" else ""
        parts.append(f"<td{fill}>{'<br/>'.join(lines)}</td>")
    row = "<vr/>".join(parts)
    return (
        f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="4" color="{RULE}">'
        f"<tr>{row}</tr></table>>"
    )


def _table_line(line: str, cell: Cell) -> str:
    """Return a line of a field in its colour.

    DOT would replace `\\N` by the name of the node, even if it is escaped, so it is cut in two.
    """
    line = line.replace("\t", " ") or " "  # a label in HTML has no empty text
    words = [escape_html(part) for part in re.split(r"(?<=\\)(?=[NGTHEL])", line)]
    if cell.kind == "name":
        words = [f"<b>{word}</b>" for word in words]
    return "".join(f'<font color="{CELL_COLOUR[cell.kind]}">{word}</font>' for word in words)


def _add_clusters(graph: graphviz.Digraph, picture: Picture) -> None:
    """Add the scopes as nested subgraphs, which list their boxes by id."""
    subgraphs: dict[str, Any] = {}
    entered = cluster_entrances(picture) if picture.direction == "TB" else {}
    boxes = {box.id: box for box in picture.boxes}
    depths: dict[str | None, int] = {None: 0}
    for cluster in picture.clusters:
        depths[cluster.id] = depths[cluster.parent] + 1
        attributes = CLUSTER | {"label": escape_label(cluster.caption), "id": cluster.id}
        if depths[cluster.id] > MOST_TINTS:
            attributes["fillcolor"] = "transparent"
        inside = graphviz.Digraph(name=cluster.id, graph_attr=attributes)
        if cluster.id in entered:
            _add_spacer(inside, cluster, [boxes[name] for name in entered[cluster.id]])
        subgraphs[cluster.id] = inside
    for box in picture.boxes:
        if box.cluster is not None:
            subgraphs[box.cluster].node(box.id)
    for cluster in reversed(picture.clusters):  # inner ones are complete before outer ones
        outer = graph if cluster.parent is None else subgraphs[cluster.parent]
        outer.subgraph(subgraphs[cluster.id])


def _add_spacer(inside: graphviz.Digraph, cluster: Cluster, heads: list[Box]) -> None:
    """Keep arrows into a scope off its caption, by an invisible box left of the arrows' heads.

    The box is tied to each head, or the layout program would put it between them.
    """
    caption = LETTER_WIDTH * _longest_line(cluster.caption)
    width = caption - LETTER_WIDTH / 2 * max(map(_longest_line, heads[0].lines), default=0)
    if width > 0:
        name = f"spacer_{cluster.id}"
        inside.node(name, label="", style="invis", width=f"{width:.2f}", height="0.1")
        for head in heads:
            inside.edge(name, head.id, style="invis")
        tied = "; ".join([name, *(head.id for head in heads)])
        inside.body.append(f"\t{{rank=same; {tied}}}\n")


def _longest_line(label: str) -> int:
    """Count the letters of the longest line."""
    return max(map(len, label.split("\n")))


def _histogram_label(box: Box) -> str:
    """Return a label with a histogram beneath its lines."""
    cells = "".join(f'<td valign="bottom">{_bar(height)}</td>' for height in box.bars)
    graphic = (
        f'<table border="0" cellborder="0" cellspacing="1" cellpadding="0"><tr>{cells}</tr></table>'
    )
    lines = "".join(f"<tr><td>{_escape_cell(line)}</td></tr>" for line in box.lines)
    return f"<{PLAIN_TABLE}{lines}<tr><td>{graphic}</td></tr></table>>"


def _bar(height: float) -> str:
    """Return one bar: an empty cell above a filled one."""
    filled = max(1, round(BAR_HEIGHT * height)) if height else 0
    size = f'fixedsize="true" width="{BAR_WIDTH}"'
    rows = ""
    if filled < BAR_HEIGHT:
        rows += f'<tr><td {size} height="{BAR_HEIGHT - filled}"></td></tr>'
    if filled:
        rows += f'<tr><td {size} height="{filled}" bgcolor="{BAR_COLOUR}"></td></tr>'
    return f"{PLAIN_TABLE}{rows}</table>"


def _legend_label(box: Box) -> str:
    """Return the label of a legend.

    A scale has its colours in a row between its ends; a few marks have a line each.
    """
    title, *words = map(_escape_cell, box.lines)
    if len(box.swatches) > len(words):
        row = "".join(map(_swatch, box.swatches))
        ends = f"<td>{words[0]}  </td>{row}<td>  {words[-1]}</td>"
        count = len(box.swatches) + 2
        return f'<{PLAIN_TABLE}<tr><td colspan="{count}">{title}</td></tr><tr>{ends}</tr></table>>'
    rows = "".join(
        f'<tr>{_swatch(colour)}<td align="left">  {word}</td></tr>'
        for colour, word in zip(box.swatches, words, strict=False)
    )
    return f"<{PLAIN_TABLE}{rows}</table>>"


def _swatch(colour: str) -> str:
    """Return a cell of one colour."""
    return f'<td fixedsize="true" width="{SWATCH}" height="{SWATCH}" bgcolor="{colour}"></td>'


def _escape_cell(line: str) -> str:
    """Return a line as text of a table; an empty one keeps its height."""
    return escape(line).replace("\\", "&#92;") or " "
