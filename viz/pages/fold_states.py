"""The pages that are no levels: one picture, or a few states of folding that replace each other.

Numbers and networks have one picture. The view with the backward has a state for each scope that is
opened or folded, since its two halves stand next to each other; its scopes open one at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..graphs.builder import default_title
from ..graphs.graph_views import COLLECTORS, outline_arguments
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
from ..graphs.scalars import ScalarView
from ..graphs.scopes import Branch, Open, Part, ScopeTree
from ..overlays import Names, add_overlays, measure_overlays
from ..picture import Direction, Picture
from ..reading import Key, has_values, key
from ..stepping.captions import Step, join_steps
from ..stepping.film import Film
from ..stepping.scalar_steps import ScalarSteps

MOST_FRAMES: Final = 60
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
    """One picture of a page that has no levels, or one state of its folding.

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


def wants_frames(graph: Graph, frames: bool | None) -> bool:
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
    if wants_frames(graph, frames):
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


def backward_states(
    graph: Graph,
    direction: Direction,
    limit: int | None,
    title: str | None,
    open: Open = None,
    overlay: Names = None,
) -> list[PageState]:
    """Return the states of a graph with its backward."""
    found = []
    title = title or default_title(graph)
    graph, limit = outline_arguments(graph, "backward", limit)
    measured = measure_overlays(overlay, graph)
    cache: dict[int, Facts] = {}
    for state in _fold_states(graph, limit, open, bool(overlay)):
        view = COLLECTORS["backward"](state.outline, title, direction)
        page_state = PageState(add_overlays(view.picture(), view, measured))
        _add_facts(page_state, view, state, cache)
        found.append(page_state)
    return found


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
    for branch, cluster in view.builder.clusters.items():  # no click opens those of the backward
        if branch in places and cluster is not None:
            page_state.scopes[cluster] = places[branch]
    page_state.facts |= other_facts(view, page_state.facts)
