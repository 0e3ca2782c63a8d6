"""What a page knows of each state in which it can show a graph: the drawing, and the facts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..graphs.builder import default_title
from ..graphs.facts import Facts, list_facts, operation_facts, other_facts, part_facts, tensor_facts
from ..graphs.graph_views import COLLECTORS, GraphView, outline_arguments
from ..graphs.opening import Open
from ..graphs.operations import OperationsView
from ..graphs.outline import Outline
from ..graphs.scalars import ScalarView
from ..graphs.scopes import Branch
from ..overlays import Names, add_overlays, measure_overlays
from ..picture import Direction, Picture
from ..reading import Key, has_values, key
from ..stepping.film import Film
from ..stepping.part_steps import MARK, PartSteps
from ..stepping.scalar_steps import ScalarSteps
from ..stepping.steps import Step, Writing, join_steps
from .foldings import State, fold_states

MOST_FRAMES: Final = 60
GRADIENT: Final = "norm of the gradient"
MOST_OPERATIONS: Final = 2000
"""Graphs with more operations have no steps in their page unless they are asked for."""


@dataclass(slots=True)
class PageState:
    """One state of a page.

    Attributes:
        picture: what is drawn.
        facts: the id of a box → what is known of it.
        scopes: the id of a folded scope's box, or of an open one's cluster → the scope's place.
        next: a scope's place → the number of the state that a click on it leads to.
        steps: one a frame, empty where there are none.
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
    """Whether a page has the steps of a graph."""
    if frames is None:
        return has_values(graph) and len(graph) <= MOST_OPERATIONS
    return frames


def scalar_state(
    graph: Graph, direction: Direction, limit: int | None, title: str | None, frames: bool | None
) -> PageState:
    """Return the one state of a graph of numbers."""
    outline = Outline(graph, None if limit is None else 3 * limit, fold=False)
    view = ScalarView(outline, title or default_title(graph), direction)
    if wants_frames(graph, frames):
        found = ScalarSteps(view)
        state = PageState(found.picture, steps=join_steps(found.steps, MOST_FRAMES))
    else:
        state = PageState(view.picture())
    gradients: dict[Key, Any] = view.gradients or {}
    for tensor in all_tensors(graph):
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


def all_tensors(graph: Graph) -> list[Tensor]:
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

    What has boxes beside the operations, or overlays, has no steps.
    """
    found = []
    title = title or default_title(graph)
    graph, limit = outline_arguments(graph, name, limit)
    plain = COLLECTORS[name] is OperationsView
    measured = measure_overlays(overlay, graph)
    cache: dict[int, Facts] = {}
    for place, state in enumerate(fold_states(graph, limit, open, not overlay)):
        view = COLLECTORS[name](state.outline, title, direction)
        if not place and plain and not measured and wants_frames(graph, frames):
            shown = PartSteps(view)
            page_state = PageState(shown.picture, steps=join_steps(shown.steps, MOST_FRAMES))
        else:
            page_state = PageState(add_overlays(view.picture(), view, measured))
        add_facts(page_state, view, state, cache)
        for step in page_state.steps:
            for writing in step.writings:
                replace_gradient_fact(page_state.facts, writing)
        found.append(page_state)
    return found


def replace_gradient_fact(facts: dict[str, Facts], writing: Writing) -> None:
    """Add the gradient of a box in a step, in place of the one of the step before."""
    known = [fact for fact in facts.get(writing.box, []) if fact[0] != GRADIENT]
    facts[writing.box] = [*known, (GRADIENT, writing.text.removeprefix(f"{MARK} "))]


def add_facts(
    page_state: PageState, view: OperationsView, state: State, cache: dict[int, Facts]
) -> None:
    """Add the facts of the boxes, and where the scopes lead; a whole scope's facts are cached."""
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
        if branch in places:  # those beside the graph are not opened on their own
            page_state.scopes[cluster] = places[branch]
    page_state.facts |= other_facts(view, page_state.facts)
