"""`page`: one HTML file to explore a graph: pan, zoom, fold, search, and play its steps.

All layouts are computed in advance and stored in the file, so it needs no network and no program.
Texts of the user (names, scopes) are data for the script, never markup. A content security policy
lets only the script of the page run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from ..drawing import Drawing, draw
from ..graphs.facts import Facts
from ..graphs.scalars import suits_scalar_view
from ..graphs.scopes import Open
from ..output.layout import Engine
from ..overlays import Names
from ..picture import Box, Direction, Role
from ..stepping.part_steps import GRADIENT_MARK
from ..subjects import View, find_graph, refuse_unknown_options
from ..texts import clean_text
from .page_states import PageState, graph_states, scalar_state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autograd_mini.core.arrays import Numbers

SILENT: Final[frozenset[Role]] = frozenset({"anchor", "dot", "heading", "legend", "scale"})
"""The roles of boxes that stand for nothing in the graph."""
MOST_LAYOUTS: Final = 4
"""At most this many layouts run at the same time."""


def page(
    subject: Numbers,
    *,
    view: View | None = None,
    direction: Direction | None = None,
    limit: int | None = 40,
    title: str | None = None,
    open: Open = None,
    overlay: Names = None,
    frames: bool | None = None,
    sample: Any = None,
    engine: Engine = "graphviz-pure",
) -> str:
    """Return a page that shows a subject, as the text of one HTML file.

    In the page: drag or arrow keys to move, wheel or + and − to zoom, 0 to fit. Click a folded
    scope to open it, and its caption to fold it. `/` to search. Point at a box, or Tab to it, to
    see the facts about it and its path to the result. A slider plays the steps. The page works
    without a network.

    Args:
        subject: what `draw` takes.
        view: as in `draw`.
        direction: as in `draw`.
        limit: about how many boxes to show at first, None for all.
        title: the heading of the page.
        open: as in `draw`, for the first look.
        overlay: as in `draw`.
        frames: whether to include the steps; by default where there are values and the graph has
            no more than 2000 operations.
        sample: as in `draw`.
        engine: the layout program.

    Raises:
        PictureError: if the subject cannot be drawn.
    """
    refuse_unknown_options(view, direction, limit, engine)
    graph = None if view == "neurons" or view == "compiled" else find_graph(subject)
    if graph is None or view == "neurons" or view == "compiled" or sample is not None:
        picture = draw(
            subject,
            view=view,
            direction=direction,
            limit=limit,
            title=title,
            open=open,
            overlay=overlay,
            sample=sample,
        ).picture
        found = [PageState(picture)]
    elif view == "scalars" or (
        view is None and not overlay and open is None and suits_scalar_view(graph)
    ):
        draw(graph, view="scalars", limit=limit)  # says what is wrong with other graphs
        found = [scalar_state(graph, direction or "LR", limit, title, frames)]
    else:
        shown = view or "operations"
        found = graph_states(graph, shown, direction or "TB", limit, title, frames, open, overlay)
    return _assemble_page(found, engine)


def _assemble_page(found: list[PageState], engine: Engine) -> str:
    """Return the text of the file with these states."""
    drawings = [Drawing(state.picture, engine) for state in found]
    with ThreadPoolExecutor(min(MOST_LAYOUTS, os.cpu_count() or 1)) as pool:
        drawn = list(pool.map(lambda drawing: drawing.svg, drawings))
    table: dict[tuple[tuple[str, str], ...], int] = {}
    states = [
        _state_data(state, state.svg(svg), table) for state, svg in zip(found, drawn, strict=True)
    ]
    steps = [{"phase": x.phase, "caption": x.caption} for x in found[0].steps]
    known_gradients = any(step.phase == "backward" for step in found[0].steps)
    end = "every value and every gradient" if known_gradients else "every value"
    data = {"states": states, "facts": list(table), "steps": steps, "end": end}
    return _fill_template(found[0].picture.title, data)


def _state_data(
    state: PageState, svg: str, table: dict[tuple[tuple[str, str], ...], int]
) -> dict[str, object]:
    """Return the data of a state for the script; equal facts are in the table only once."""
    captions = {cluster.id: cluster.caption for cluster in state.picture.clusters}
    boxes = {}
    for box in state.picture.boxes:
        if box.role in SILENT:
            continue
        facts = tuple(state.facts.get(box.id) or _tooltip_facts(box.tooltip))
        number = table.setdefault(facts, len(table))
        boxes[box.id] = [_box_name(box), box.role, number]
    return {
        "svg": svg,
        "boxes": boxes,
        "arrows": [[arrow.tail, arrow.head] for arrow in state.picture.arrows],
        "scopes": state.scopes,
        "captions": captions,
        "next": state.next,
    }


def _box_name(box: Box) -> str:
    """Return the name of a box in the page: its label without the gradient, which comes later."""
    if box.cells and box.cells[0].kind == "name":
        return clean_text(box.cells[0].text, 120, lines=1)
    words = " ".join(line for line in box.lines if not line.startswith(GRADIENT_MARK)) or box.words
    return clean_text(words, 120, lines=1)


def _tooltip_facts(tooltip: str) -> Facts:
    """Return a tooltip as facts without labels."""
    return [("", line) for line in tooltip.split("\n") if line]


def _fill_template(title: str, data: dict[str, object]) -> str:
    """Return the page with its texts, style, script and data in place."""
    script = read_resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    values = {
        "title": escape(clean_text(title, 200, lines=1)),
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        "style": read_resource("page.css"),
        "script": script,
        "data": _embed_json(data),
    }
    parts = read_resource("page.html").split("{{")
    rest = (part.partition("}}") for part in parts[1:])
    return parts[0] + "".join(values[name] + text for name, _, text in rest)


def _embed_json(data: Mapping[str, object]) -> str:
    """Return JSON that can stand in a page: it has no characters that could end its element."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def read_resource(name: str) -> str:
    """Return a file that comes with the package."""
    return files("viz.pages").joinpath(name).read_text(encoding="utf-8")
