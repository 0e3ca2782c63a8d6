"""`page`: one HTML file to explore a graph in all its states: pan, zoom, fold, search, play.

All layouts are computed in advance and stored in the file, so it needs no network and no program.
Texts of the user (names, scopes) are data for the script, never markup. A content security policy
lets only the script of the page run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..drawing import (
    Drawing,
    View,
    check_labels,
    draw_picture,
    find_graph,
    finish_picture,
    make_wording,
    refuse_options_of_operations,
    refuse_unknown_options,
)
from ..graphs.builder import default_title
from ..graphs.graph_views import COLLECTORS, GraphView, outline_arguments
from ..graphs.operations import (
    Facts,
    OperationsView,
    list_facts,
    operation_facts,
    other_facts,
    part_facts,
    tensor_facts,
)
from ..graphs.outline import LIMIT_WITH_OPEN, Outline
from ..graphs.scalars import ScalarView, refuse_other_scalars, suits_scalar_view
from ..graphs.scopes import Branch, Open, Part, ScopeTree
from ..output.layout import Engine
from ..overlays import Names, add_overlays, measure_overlays
from ..picture import Box, Direction, Picture, Role
from ..reading import Key, has_values, key
from ..stepping.captions import Step, Writing, join_steps
from ..stepping.film import Film
from ..stepping.part_steps import GRADIENT_MARK, PartSteps
from ..stepping.scalar_steps import ScalarSteps
from ..texts import clean_text
from ..wording.language import ENGLISH, Wording, say, use_wording
from ..wording.messages import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autograd_mini.core.arrays import Numbers

    from ..networks.columns import Classes
    from ..networks.columns import Names as Inputs

MOST_FRAMES: Final = 60
GRADIENT: Final = "norm of the gradient"
MOST_OPERATIONS: Final = 2000
"""Graphs with more operations have no steps in their page unless they are asked for."""
MOST_STATES: Final = 60
FEWEST_STATES: Final = 3
MOST_VISITS: Final = 400_000
"""The states together visit about this many operations; each state visits its whole graph."""
Opened = frozenset[int]
"""The places of the open scopes in the list of all scopes."""
Places = dict[Branch, int]


@dataclass(frozen=True, slots=True)
class State:
    """One state of folding.

    Attributes:
        outline: its parts.
        next: scope → the number of the state that a click on it leads to.
    """

    outline: Outline
    next: dict[int, int]


def _fold_states(
    graph: Graph, limit: int | None, open: Open = None, only_loops: bool = False
) -> list[State]:
    """Return the states of a page; the first one is that of a drawing.

    Args:
        graph: the graph to draw.
        limit: about how many boxes the first state has.
        open: the scopes that are open in the first state, as in `draw`.
        only_loops: as in `Outline`, for the first state.
    """
    first = Outline(graph, limit, open=open, only_loops=only_loops)
    tree = first.tree
    places = {branch: place for place, branch in enumerate(tree.branches)}
    start = frozenset(place for branch, place in places.items() if branch.folded_ancestor() is None)
    most = min(MOST_STATES, max(FEWEST_STATES, MOST_VISITS // max(len(graph), 1)))
    found: dict[Opened, int] = {start: 0}
    for branch in sorted(tree.branches, key=lambda branch: branch.depth):
        if len(found) >= most:
            break
        found.setdefault(_open_after_click(branch, places, start, tree), len(found))
    room = None if limit is None else max(limit, LIMIT_WITH_OPEN)
    outlines = [first, *(_outline_with_open(graph, room, wanted) for wanted in list(found)[1:])]
    return [
        State(outline, _next_states(outline, here, start, found))
        for outline, here in zip(outlines, found, strict=True)
    ]


def _open_after_click(branch: Branch, places: Places, start: Opened, tree: ScopeTree) -> Opened:
    """Return the open scopes after a click on a scope in the first state."""
    if places[branch] in start:
        return frozenset(
            x for x in start if places[branch] not in _scope_and_ancestors(tree.branches[x], places)
        )
    return start | set(_scope_and_ancestors(branch, places))


def _scope_and_ancestors(branch: Branch, places: Places) -> list[int]:
    """Return a scope and those around it."""
    found = []
    around: Branch | None = branch
    while around is not None and around in places:
        found.append(places[around])
        around = around.parent
    return found


def _next_states(
    outline: Outline, here: Opened, start: Opened, found: dict[Opened, int]
) -> dict[int, int]:
    """Return, for each scope of a state, the state that a click leads to, if there is one."""
    places = {branch: place for place, branch in enumerate(outline.tree.branches)}
    leads: dict[int, int] = {}
    seen = {
        place
        for part in _shown_parts(outline)
        for place in _scope_and_ancestors(part.branch, places)
    }
    for place in sorted(seen):
        branch = outline.tree.branches[place]
        if place not in here and place in start:
            wanted = start
        elif place not in here or place in start:
            wanted = _open_after_click(branch, places, start, outline.tree)
        else:  # opened by a click: back to the one around it
            wanted = start | (set(_scope_and_ancestors(branch, places)) - {place})
        if wanted in found and wanted != here:
            leads[place] = found[wanted]
    return leads


def _shown_parts(outline: Outline) -> Iterator[Part]:
    """Yield the parts of an outline, and the first member of each part that has members."""
    for part in outline.parts:
        yield part
        yield from part.members[:1]


def _outline_with_open(graph: Graph, limit: int | None, wanted: Opened) -> Outline:
    """Return an outline in which only these scopes are open."""

    def fold(tree: ScopeTree) -> None:
        for place, branch in enumerate(tree.branches):
            if place not in wanted:
                branch.folded = True

    return Outline(graph, limit, fold)


@dataclass(slots=True)
class PageState:
    """One state of a page.

    Attributes:
        picture: the drawn picture.
        facts: the id of a box → the facts about it.
        scopes: the id of a folded scope's box, or of an open scope's cluster → the scope's place.
        next: a scope's place → the number of the state that a click on it leads to.
        steps: one for each frame, empty without frames.
    """

    picture: Picture
    facts: dict[str, Facts] = field(default_factory=dict)
    scopes: dict[str, int] = field(default_factory=dict)
    next: dict[int, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def svg(self, drawn: str) -> str:
        """Return the SVG with the windows of its frames, if it has any."""
        return Film(drawn, self.picture, self.steps).text if self.steps else drawn


def _wants_frames(graph: Graph, frames: bool | None) -> bool:
    """Return whether a page has the steps of a graph."""
    if frames is None:
        return has_values(graph) and len(graph) <= MOST_OPERATIONS
    return frames


def scalar_state(
    graph: Graph, direction: Direction, limit: int | None, title: str | None, frames: bool | None
) -> PageState:
    """Return the only state of a graph of scalars."""
    outline = Outline(graph, None if limit is None else 3 * limit, fold=False)
    view = ScalarView(outline, title or default_title(graph), direction)
    if _wants_frames(graph, frames):
        found = ScalarSteps(view)
        state = PageState(found.picture, steps=join_steps(found.steps, MOST_FRAMES))
    else:
        state = PageState(view.picture())
    gradients: dict[Key, Any] = view.gradients or {}
    for tensor in _all_tensors(graph):
        box = view.boxes.get(key(tensor))
        if box is not None:
            state.facts[box] = tensor_facts(tensor, gradients.get(key(tensor)))
    for part in view.outline.parts:
        if part.kind == "earlier":
            box = view.boxes[key(part.operations[0].outputs[0])]
            state.facts[box] = part_facts(part) + list_facts(view.builder.lists[box])
    circles = {arrow.head: arrow.tail for arrow in state.picture.arrows}
    for operation in graph.operations:
        box = view.boxes.get(key(operation.outputs[0])) if operation.outputs else None
        if box in circles and box not in view.builder.lists:
            state.facts[circles[box]] = operation_facts(operation, results=False)
    return state


def _all_tensors(graph: Graph) -> list[Tensor]:
    """Return every tensor of a graph."""
    made = [y for operation in graph.operations for y in operation.outputs]
    return [*graph.inputs, *graph.parameters, *made, *graph.outputs]


def graph_states(
    graph: Graph,
    name: GraphView,
    direction: Direction,
    limit: int | None,
    title: str | None,
    frames: bool | None,
    open: Open = None,
    overlay: Names = None,
) -> list[PageState]:
    """Return the states of a graph in one of its views, the first one with its steps.

    Views with more boxes than the operations, and overlays, have no steps.
    """
    found = []
    title = title or default_title(graph)
    graph, limit = outline_arguments(graph, name, limit)
    plain = COLLECTORS[name] is OperationsView
    measured = measure_overlays(overlay, graph)
    cache: dict[int, Facts] = {}
    for place, state in enumerate(_fold_states(graph, limit, open, bool(overlay))):
        view = COLLECTORS[name](state.outline, title, direction)
        if not place and plain and not measured and _wants_frames(graph, frames):
            shown = PartSteps(view)
            page_state = PageState(shown.picture, steps=join_steps(shown.steps, MOST_FRAMES))
        else:
            page_state = PageState(add_overlays(view.picture(), view, measured))
        _add_facts(page_state, view, state, cache)
        for step in page_state.steps:
            for writing in step.writings:
                _replace_gradient_fact(page_state.facts, writing)
        found.append(page_state)
    return found


def _replace_gradient_fact(facts: dict[str, Facts], writing: Writing) -> None:
    """Write the gradient of a box in a step over that of the step before."""
    known = [fact for fact in facts.get(writing.box, []) if fact[0] != GRADIENT]
    facts[writing.box] = [*known, (GRADIENT, writing.text.removeprefix(f"{GRADIENT_MARK} "))]


def _add_facts(
    page_state: PageState, view: OperationsView, state: State, cache: dict[int, Facts]
) -> None:
    """Add the facts about boxes, and where clicks lead; the facts of a whole scope are cached."""
    places: dict[Branch, int] = {b: place for place, b in enumerate(state.outline.tree.branches)}
    page_state.next = state.next
    for part, box in view.box_of_part.items():
        if part.kind != "scope":
            page_state.facts[box] = part_facts(part)
            continue
        if not part.members:
            place = page_state.scopes[box] = places[part.branch]
            if part.whole:
                page_state.facts[box] = part_facts(part)
            else:
                page_state.facts[box] = cache[place] = cache.get(place) or part_facts(part)
            continue
        page_state.facts[box] = part_facts(part)
        if part.members[0].kind == "scope":  # a click opens the first of them
            page_state.scopes[box] = places[part.members[0].branch]
    for branch, cluster in view.builder.clusters.items():
        if branch in places:  # those of the backward are not; a click does not open them
            page_state.scopes[cluster] = places[branch]
    page_state.facts |= other_facts(view, page_state.facts)


SILENT: Final[frozenset[Role]] = frozenset({"anchor", "dot", "heading", "legend", "scale"})
"""The roles of boxes that stand for nothing in the graph."""
WORDS_OF_SCRIPT: Final = (
    "Pause",
    "Play the steps",
    "all steps done",
    "boxes: {n}",
    "click, or Enter, to open",
    "found: {n}",
    "nothing found",
    "scope",
    "steps: {n}",
    "{place} of {n}",
    "▶ plays how they are computed",
)
"""The messages that the script of a page says."""
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
    inputs: Inputs = None,
    classes: Classes = None,
    labels: Mapping[str, str] | None = None,
    caption: str | None = None,
    legend: bool = False,
    language: str = ENGLISH,
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
        inputs: as in `draw`.
        classes: as in `draw`.
        labels: as in `draw`.
        caption: as in `draw`.
        legend: as in `draw`.
        language: as in `draw`; the buttons and keys of the page speak it too.
        engine: the layout program.

    Raises:
        PictureError: if the subject cannot be drawn.
    """
    refuse_unknown_options(view, direction, limit, engine)
    wording = make_wording(language, labels)
    with use_wording(wording):
        found = _make_states(
            subject,
            view,
            direction,
            limit,
            title,
            open,
            overlay,
            frames,
            Naming(sample, inputs, classes),
        )
        for state in found:
            state.picture = finish_picture(state.picture, caption, legend)
        check_labels(wording, found[0].picture, subject)
        return _assemble_page(found, engine, wording)


@dataclass(frozen=True, slots=True)
class Naming:
    """What a page says of a network: a sample, and the names of inputs and classes."""

    sample: Any = None
    inputs: Inputs = None
    classes: Classes = None


def _make_states(
    subject: Numbers,
    view: View | None,
    direction: Direction | None,
    limit: int | None,
    title: str | None,
    open: Open,
    overlay: Names,
    frames: bool | None,
    naming: Naming,
) -> list[PageState]:
    """Return the states of a page, in the wording of the block around."""
    graph = None if view == "neurons" or view == "compiled" else find_graph(subject)
    of_network = (naming.sample, naming.inputs, naming.classes)
    if graph is None or view in ("neurons", "compiled") or any(x is not None for x in of_network):
        refuse_options_of_operations(view, overlay=overlay, open=open)
        picture, _ = draw_picture(
            subject, view, direction, limit, title, open, overlay, *of_network
        )
        return [PageState(picture)]
    if view == "scalars" or (
        view is None and not overlay and open is None and suits_scalar_view(graph)
    ):
        refuse_options_of_operations("scalars", overlay=overlay, open=open)
        refuse_other_scalars(graph)
        return [scalar_state(graph, direction or "LR", limit, title, frames)]
    shown: Any = view or "operations"
    return graph_states(graph, shown, direction or "TB", limit, title, frames, open, overlay)


def _assemble_page(found: list[PageState], engine: Engine, wording: Wording) -> str:
    """Return the text of the file with these states."""
    drawings = [Drawing(state.picture, engine, wording=wording) for state in found]
    with ThreadPoolExecutor(min(MOST_LAYOUTS, os.cpu_count() or 1)) as pool:
        drawn = list(pool.map(lambda drawing: drawing.svg, drawings))
    table: dict[tuple[tuple[str, str], ...], int] = {}
    states = [
        _state_data(state, state.svg(svg), table) for state, svg in zip(found, drawn, strict=True)
    ]
    steps = [{"phase": x.phase, "caption": x.caption} for x in found[0].steps]
    known_gradients = any(step.phase == "backward" for step in found[0].steps)
    end = say("every value and every gradient") if known_gradients else say("every value")
    data = {
        "states": states,
        "facts": [[(_fact_label(label), text) for label, text in facts] for facts in table],
        "steps": [step | {"phase_words": say(str(step["phase"]))} for step in steps],
        "end": end,
        "words": {message: say(message, n="{n}", place="{place}") for message in WORDS_OF_SCRIPT},
        "rule": say("rule of {operation}: {rule}", operation="\0", rule="").partition("\0")[0],
    }
    return _fill_template(found[0].picture.title, data, wording.language)


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


def _fact_label(label: str) -> str:
    """Return the label of a fact in the language of the page."""
    return say(label) if label in MESSAGES else label


def _fill_template(title: str, data: dict[str, object], language: str) -> str:
    """Return the page with its texts, style, script and data in place.

    What stands in double braces is one of these, or a message.
    """
    script = read_resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    values = {
        "title": escape(clean_text(title, 200, lines=1)),
        "language": escape(language),
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        "style": read_resource("page.css"),
        "script": script,
        "data": _embed_json(data),
    }
    parts = read_resource("page.html").split("{{")
    rest = (part.partition("}}") for part in parts[1:])
    return parts[0] + "".join(
        (values[name] if name in values else escape(say(name))) + text for name, _, text in rest
    )


def _embed_json(data: Mapping[str, object]) -> str:
    """Return JSON that can stand in a page: it has no characters that could end its element."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@cache
def read_resource(name: str) -> str:
    """Return a file that comes with the package."""
    return files("viz.pages").joinpath(name).read_text(encoding="utf-8")
