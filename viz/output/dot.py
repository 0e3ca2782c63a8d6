"""The DOT text of a picture; every label appears exactly as it is.

Histograms and legends are tables in a label, which the layout program can draw.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from html import escape as escape_html
from textwrap import wrap
from typing import Any, Final

import graphviz

from ..colours import ENOUGH_CONTRAST, channels, contrast
from ..picture import OPERATIONS, PORTS, SCOPES, Arrow, Box, Cell, Direction, Picture, Role
from ..style import (
    BOX,
    CHANGED,
    CHANGED_ARROW,
    CHANGED_BOX,
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
from .layout import (
    End,
    Entrance,
    arrow_ends,
    cluster_entrances,
    find_sides,
    longest_paths,
    rows_of_updates,
)

LETTER_WIDTH: Final = 0.078
"""About the width of a caption's letter, in inches."""
ON_DARK: Final = "#fffffd"
ON_LIGHT: Final = "#1f2329"
ON_MIDDLE: Final = "#000002"
"""Texts on a fill that a value decides; the last one is for fills on which both others are too
faint. No theme replaces these colours."""
ON_MARK: Final = {NONFINITE: ON_NONFINITE, REACHED: ON_REACHED, ZERO: ON_ZERO}
"""Texts on a mark. A theme replaces these colours, as it replaces those of the marks."""
CLUSTER_MARGIN: Final = float(CLUSTER["margin"]) / 72
"""Between the borders of a scope and of the one around it, in inches."""
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
SWATCH_WIDTH: Final = 20
SWATCH_HEIGHT: Final = 10
"""Of the small boxes in a legend of roles."""
LONGEST_CAPTION_LINE: Final = 72
"""A caption is wrapped to this many letters."""
OPERAND_PADDING: Final = 4
OPERAND_GAP: Final = 8
"""Between the cells where operands end, in points."""
OPERAND_CELLS: Final = {"TB": ("width", "height", "colspan"), "LR": ("height", "width", "rowspan")}
MEASURE: Final = {"width": 30, "height": 26}
"""The least width and height of an operation, in points."""
MANY_USERS: Final = 4
"""Long arrows of a leaf with so many users would pull the line of the computation aside."""
PLAIN_TABLE: Final = '<table border="0" cellborder="0" cellspacing="0" cellpadding="0">'


def make_digraph(picture: Picture) -> graphviz.Digraph:
    """Return a picture as a `graphviz.Digraph`; its `source` is the DOT text."""
    graph = graphviz.Digraph(
        "picture",
        graph_attr=GRAPH | spacing(picture) | _caption_attributes(picture),
        node_attr=NODE,
        edge_attr=EDGE,
    )
    for name, look in box_looks(picture).items():
        graph.node(name, **look)
    add_clusters(graph, picture)
    _add_edges(graph, picture_edges(picture))
    for box in picture.boxes:
        if box.role in ("scale", "legend") and not picture.placed:
            graph.body.append(f"\t{{rank=sink; {box.id}}}\n")
    _add_port_ranks(graph, picture)
    add_rows(graph, picture)
    return graph


def add_rows(graph: graphviz.Digraph, picture: Picture) -> None:
    """Put the changed leaves of each scope on one rank."""
    for row in rows_of_updates(picture):
        graph.body.append(f"\t{{rank=same; {'; '.join(row)}}}\n")


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


def _caption_attributes(picture: Picture) -> dict[str, str]:
    """Return the caption as the label of the graph, below it."""
    if not picture.caption:
        return {}
    return {
        "label": escape_label("\n".join(["", *wrap_caption(picture.caption)])),
        "labelloc": "b",
        "fontsize": "13",
        "fontcolor": OUTSIDE,
    }


def wrap_caption(caption: str, letters: int = LONGEST_CAPTION_LINE) -> list[str]:
    """Return the lines of a caption as they are drawn, each of at most so many letters."""
    return [part for line in caption.split("\n") for part in wrap(line, letters) or [""] if caption]


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge of the DOT text.

    Attributes:
        tail: the id of the box where it starts.
        head: the id of the box where it ends.
        attributes: those of Graphviz.
        level: the boxes that it puts on one rank.
        is_tie: whether it is a dotted line between boxes side by side, not an arrow.
    """

    tail: str
    head: str
    attributes: dict[str, str]
    level: tuple[str, ...] = ()
    is_tie: bool = False

    @property
    def points_back(self) -> bool:
        """Return whether the arrow's point is at the tail."""
        return self.attributes.get("dir") == "back"


def picture_edges(picture: Picture) -> list[Edge]:
    """Return the edges of all arrows, in order, then those of the ties, then of the loops."""
    return [*_arrow_edges(picture), *_tie_edges(picture), *_loop_edges(picture)]


def _add_edges(graph: graphviz.Digraph, edges: Iterable[Edge]) -> None:
    """Add edges, and the ranks that they need."""
    for edge in edges:
        graph.edge(edge.tail, edge.head, **edge.attributes)
        if edge.level:
            graph.body.append(f"\t{{rank=same; {'; '.join(edge.level)}}}\n")


def _arrow_edges(picture: Picture) -> Iterator[Edge]:
    """Yield the edges of the arrows; a leaf at the side of its operation goes on its rank."""
    boxes = {box.id: box for box in picture.boxes}
    entering: dict[str, list[Arrow]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(arrow)
    sides = find_sides(picture)
    finishes = arrow_ends(picture)
    depths = longest_paths(picture)
    leaving = Counter(arrow.tail for arrow in picture.arrows)
    seen: set[tuple[str, str]] = set()
    for place, arrow in enumerate(picture.arrows):
        style = _arrow_attributes(arrow, finishes[place].mark) | {"id": f"e{place}"}
        if arrow.backward:
            style |= {"style": "dashed", "color": PURPLE}
            if boxes[arrow.head].role == "gradient_value":
                if arrow is entering[arrow.head][0]:
                    yield _edge_on_rank(arrow, style, forwards=picture.direction == "TB")
                else:  # on one rank with all of its terms, it would pull them into a row
                    yield Edge(arrow.tail, arrow.head, {"constraint": "false"} | style)
            else:  # drawn backwards, it keeps the ranks of the forward
                yield Edge(arrow.head, arrow.tail, {"dir": "back", "weight": "2"} | style)
            continue
        side = sides.get(arrow)
        if side is not None:
            inside = boxes[arrow.tail].cluster == boxes[arrow.head].cluster is not None
            turned = picture.direction == "LR" and inside
            forwards = (side == "left") != turned
            look = _end_attributes(finishes[place], *SIDES[:: 1 if forwards else -1])
            is_marked = arrow.lit or arrow.change or finishes[place].mark
            shown = style if is_marked else {"id": style["id"]}
            yield _edge_on_rank(arrow, shown | look, forwards=forwards)
            continue
        tail = boxes[arrow.tail]
        weight = _arrow_weight(
            arrow, tail, depths, leaving, first=(arrow.tail, arrow.head) not in seen
        )
        seen.add((arrow.tail, arrow.head))
        if weight:
            style["weight"] = weight
        end = finishes[place]
        head = boxes[arrow.head]
        if head.role == "exit":
            style["dir"] = "none"  # it goes on outside of the scope
        both = arrow.change in ("new", "gone")  # at one point, the two would hide each other
        if not (end.port or both) and head.role in OPERATIONS and tail.cluster != head.cluster:
            # without a point it may arrive from behind a leaf at the side of its head
            end = End("n" if picture.direction == "TB" else "w")
        yield Edge(arrow.tail, arrow.head, style | _end_attributes(end, *SIDES))


def _arrow_weight(
    arrow: Arrow, tail: Box, depths: dict[str, int], leaving: Counter[str], *, first: bool
) -> str:
    """Return the weight of an arrow, which keeps the line of the computation straight.

    The line goes from box to box by the first arrow between them; arrows that pass by boxes bend.
    """
    near = depths[arrow.head] - depths[arrow.tail] <= 1
    if tail.role in OPERATIONS | SCOPES or tail.role == "earlier":
        return "3" if near and first else ""
    return "" if near or leaving[arrow.tail] < MANY_USERS else "0"


def _end_attributes(end: End, head: str, tail: str) -> dict[str, str]:
    """Return where an arrow ends and starts; for a backward edge, `head` and `tail` are swapped."""
    known = ((f"{head}port", end.port), (f"{tail}port", end.start))
    return {name: port for name, port in known if port}


def _tie_edges(picture: Picture) -> Iterator[Edge]:
    """Yield dotted lines between boxes side by side; each starts at the last leaf of its row."""
    after = {
        arrow.head: arrow.tail for arrow, side in find_sides(picture).items() if side == "right"
    }
    look = {"style": "dotted", "dir": "none", "color": OUTSIDE, "weight": "0"}
    for one, other in picture.ties:
        ends = (after.get(one, one), other) if picture.direction == "TB" else (other, one)
        yield Edge(*ends, look, (one, other), is_tie=True)


def _loop_edges(picture: Picture) -> Iterator[Edge]:
    """Yield the back arrows of boxes that stand for several rounds."""
    for place, loop in enumerate(picture.loops):
        tooltip = f"from each round to the next one: {loop.label}"
        look = {
            "id": f"loop{place}",
            "dir": "back",  # Graphviz draws a loop downwards; this arrow goes back up
            "label": escape_label(f" {loop.label} "),
            "tooltip": escape_label(tooltip),
        }
        yield Edge(loop.box, loop.box, look)


def _edge_on_rank(arrow: Arrow, style: dict[str, str], *, forwards: bool) -> Edge:
    """Return the edge of an arrow between boxes on one rank.

    The layout program puts the tail of such an edge left of its head. If ranks run from left to
    right it puts the tail above, or below inside of a scope. For the other side, the edge is drawn
    backwards.
    """
    level = arrow.tail, arrow.head
    if forwards:
        return Edge(arrow.tail, arrow.head, style, level)
    return Edge(arrow.head, arrow.tail, {"dir": "back"} | style, level)


def _arrow_attributes(arrow: Arrow, mark: str = "") -> dict[str, str]:
    """Return the Graphviz attributes of an arrow; `mark` is the place of its operand."""
    label = ": ".join(filter(None, (mark, arrow.label)))
    style = {"label": escape_label(f" {label} ")} if label else {}
    if arrow.tooltip:
        style["tooltip"] = escape_label(arrow.tooltip)
    if arrow.colour:
        style |= {"color": arrow.colour, "penwidth": f"{arrow.width:.2f}", "dir": "none"}
    if arrow.change:
        style |= CHANGED_ARROW[arrow.change]
    if arrow.lit:
        line, text = (VERMILION, CHANGED) if arrow.lit == "failed" else (PURPLE, PURPLE)
        style |= {"color": line, "fontcolor": text, "penwidth": "2"}
    return style


def box_looks(picture: Picture) -> dict[str, dict[str, str]]:
    """Return the Graphviz attributes of each box."""
    entering = Counter(arrow.head for arrow in picture.arrows)
    ends = zip(picture.arrows, arrow_ends(picture), strict=True)
    cells = Counter(arrow.head for arrow, end in ends if ":" in end.port)
    return {
        box.id: box_attributes(
            box, entering[box.id] > 1, cells=cells[box.id], direction=picture.direction
        )
        for box in picture.boxes
    }


def box_attributes(
    box: Box, ordered: bool, cells: int = 0, direction: Direction = "TB"
) -> dict[str, str]:
    """Return the Graphviz attributes of a box.

    Args:
        box: the box.
        ordered: whether its operands are kept from left to right.
        cells: how many operands end in cells of its label, in their order.
        direction: that of the picture, which says at which side.
    """
    found = dict(BOX[box.role])
    if box.cells:
        found |= {"margin": "0.05,0.02", "label": _table_label(box.cells)}
    elif box.swatches:
        found["label"] = _legend_label(box)
    elif box.looks:
        found["label"] = _roles_label(box)
    elif box.bars:
        found |= {"margin": "0.08,0.03", "label": _histogram_label(box)}
    elif cells:
        found |= {"margin": "0", "label": _operand_label(box, cells, direction)}
    else:
        found["label"] = escape_label("\n".join(box.lines))
    if box.width:
        end = "\\r" if box.role == "input_name" else "\\l"
        found["label"] += end
        found |= {"width": f"{box.width / 72:.2f}", "fixedsize": "true", "shape": "none"}
        found["margin"] = "0"
    if ordered and (box.role in OPERATIONS or box.role == "scalar_operation"):
        found["ordering"] = "in"
    if box.fill is not None:
        found |= {"fillcolor": box.fill, "fontcolor": ink_on(box.fill)}
    if box.first:
        found |= THICK
    if box.change:
        found |= CHANGED_BOX[box.change]
        found["style"] = _solid_or_dashed(found.get("style", "filled"), box.change == "gone")
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


def _solid_or_dashed(style: str, dashed: bool) -> str:
    """Return the style of a box with a dashed border, or with a solid one."""
    kept = [word for word in style.split(",") if word != "dashed"]
    return ",".join([*kept, "dashed"] if dashed else kept)


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


def add_clusters(graph: graphviz.Digraph, picture: Picture) -> None:
    """Add the scopes as nested subgraphs, which list their boxes by id."""
    subgraphs: dict[str, Any] = {}
    entered = cluster_entrances(picture) if picture.direction == "TB" else {}
    boxes = {box.id: box for box in picture.boxes}
    backward = _backward_clusters(picture)
    depths: dict[str | None, int] = {None: 0}
    for cluster in picture.clusters:
        depths[cluster.id] = depths[cluster.parent] + 1
        attributes = CLUSTER | {"label": escape_label(cluster.caption), "id": cluster.id}
        if depths[cluster.id] > MOST_TINTS:
            attributes["fillcolor"] = "transparent"
        if cluster.id in backward:  # its arrows leave it at the left
            attributes["labeljust"] = "r"
        inside = graphviz.Digraph(name=cluster.id, graph_attr=attributes)
        if cluster.id in entered:
            _add_spacer(inside, cluster.id, entered[cluster.id], boxes)
        subgraphs[cluster.id] = inside
    for box in picture.boxes:
        if box.cluster is not None:
            subgraphs[box.cluster].node(box.id)
    for cluster in reversed(picture.clusters):  # inner ones are complete before outer ones
        outer = graph if cluster.parent is None else subgraphs[cluster.parent]
        outer.subgraph(subgraphs[cluster.id])


def _backward_clusters(picture: Picture) -> set[str]:
    """Return the clusters that stand beside those of the forward, for their gradients."""
    parents = {cluster.id: cluster.parent for cluster in picture.clusters}
    ends = {name for arrow in picture.arrows if arrow.backward for name in (arrow.tail, arrow.head)}
    found = set()
    for box in picture.boxes:
        name = box.cluster if box.id in ends else None
        while name is not None:
            found.add(name)
            name = parents[name]
    return found


def _add_spacer(
    inside: graphviz.Digraph, cluster: str, entrance: Entrance, boxes: dict[str, Box]
) -> None:
    """Keep arrows into a scope off its caption, by an invisible box left of the arrows' heads.

    The captions of scopes around it count, too. The box is tied to each head, or the layout
    program would put it between them.
    """
    captions = (
        LETTER_WIDTH * _longest_line(one.caption) - depth * CLUSTER_MARGIN
        for depth, one in enumerate(entrance.crossed)
    )
    first = boxes[entrance.heads[0]]
    width = max(captions, default=0.0)
    width -= LETTER_WIDTH / 2 * max(map(_longest_line, first.lines), default=0)
    if width > 0:
        name = f"spacer_{cluster}"
        inside.node(name, label="", style="invis", width=f"{width:.2f}", height="0.1")
        for head in entrance.heads:
            inside.edge(name, head, style="invis")
        tied = "; ".join([name, *entrance.heads])
        inside.body.append(f"\t{{rank=same; {tied}}}\n")


def _longest_line(label: str) -> int:
    """Count the letters of the longest line."""
    return max(map(len, label.split("\n")))


def _operand_label(box: Box, count: int, direction: Direction) -> str:
    """Return a label with a cell for each operand, at the side where the arrows come in.

    The cells reach the border, since they are together as long as the smallest box.
    """
    text = "<br/>".join(map(_escape_cell, _single_lines(box)))
    along, thin, span = OPERAND_CELLS[direction]
    between = f'<td {along}="{OPERAND_GAP}" {thin}="1"></td>'
    length = (MEASURE[along] - OPERAND_GAP * (count - 1)) // count
    cells = [f'<td port="in{place}" {along}="{length}" {thin}="1"></td>' for place in range(count)]
    row = [cell for pair in zip(cells, [between] * count, strict=True) for cell in pair][:-1]
    least = f'{thin}="{MEASURE[thin] - 1}"'
    words = f'<td {span}="{len(row)}" {least} cellpadding="{OPERAND_PADDING}">{text}</td>'
    rows = ["".join(row), words] if direction == "TB" else [row[0] + words, *row[1:]]
    return f"<{PLAIN_TABLE}{''.join(f'<tr>{row}</tr>' for row in rows)}</table>>"


def _histogram_label(box: Box) -> str:
    """Return a label with a histogram beneath its lines."""
    cells = "".join(f'<td valign="bottom">{_bar(height)}</td>' for height in box.bars)
    graphic = (
        f'<table border="0" cellborder="0" cellspacing="1" cellpadding="0"><tr>{cells}</tr></table>'
    )
    lines = "".join(f"<tr><td>{_escape_cell(line)}</td></tr>" for line in _single_lines(box))
    return f"<{PLAIN_TABLE}{lines}<tr><td>{graphic}</td></tr></table>>"


def _single_lines(box: Box) -> list[str]:
    """Return the lines of a box; a caption may have several in one."""
    return "\n".join(box.lines).split("\n")


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


def _roles_label(box: Box) -> str:
    """Return the label of a legend of roles: a small box of each look, and its words."""
    rows = "".join(
        f'<tr><td>{_small_box(role)}</td><td align="left">  {_escape_cell(words)}</td></tr>'
        for role, words in zip(box.looks, box.lines, strict=True)
    )
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="2">{rows}</table>>'


def _small_box(role: Role) -> str:
    """Return a small box with the look of a role: its colours, border and corners."""
    look = BOX[role]
    style = look.get("style", "")
    round_shape = look["shape"] in ("circle", "ellipse") or "rounded" in style
    styles = [
        name for name, is_so in (("rounded", round_shape), ("dashed", "dashed" in style)) if is_so
    ]
    width = max(1, round(float(look.get("penwidth", "1"))))
    colour, fill = look["color"], look["fillcolor"]
    shaped = f' style="{",".join(styles)}"' if styles else ""
    wide = SWATCH_HEIGHT if look["shape"] == "circle" else SWATCH_WIDTH
    size = f'width="{wide}" height="{SWATCH_HEIGHT}" fixedsize="true"'
    inner = (
        f'<table border="{width}" cellborder="0" cellspacing="0" cellpadding="0" '
        f'color="{colour}" bgcolor="{fill}"{shaped}><tr><td {size}></td></tr></table>'
    )
    if look.get("peripheries") == "2":
        return (
            f'<table border="1" cellborder="0" cellspacing="0" cellpadding="2" color="{colour}">'
            f"<tr><td>{inner}</td></tr></table>"
        )
    if look["shape"] == "box3d":
        return (
            f'<table border="1" sides="tr" cellborder="0" cellspacing="0" cellpadding="2" '
            f'color="{colour}"><tr><td>{inner}</td></tr></table>'
        )
    return inner


def _swatch(colour: str) -> str:
    """Return a cell of one colour."""
    return f'<td fixedsize="true" width="{SWATCH}" height="{SWATCH}" bgcolor="{colour}"></td>'


def _escape_cell(line: str) -> str:
    """Return a line as text of a table; an empty one keeps its height."""
    return escape(line).replace("\\", "&#92;") or " "
