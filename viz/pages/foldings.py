"""The states in which a page can show a graph: the default, and one for each scope that is touched.

A folded scope opens together with those around it, and everything else is as it was at first; so
there are about as many states as scopes, and each of them can be laid out beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from autograd_mini.core.graph import Graph

from ..graphs.opening import Open
from ..graphs.outline import ROOM, Outline
from ..graphs.parts import Part
from ..graphs.scopes import Branch, ScopeTree

MOST_STATES: Final = 60
FEWEST_STATES: Final = 3
MOST_VISITS: Final = 400_000
"""All states together look at about so many operations; each state looks at all of its graph."""
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


def fold_states(
    graph: Graph, limit: int | None, open: Open = None, repeats: bool = True
) -> list[State]:
    """Return the states of a page, the first one being that of a drawing.

    Args:
        graph: what is drawn.
        limit: about how many boxes the first state has.
        open: the scopes that are open in it; as in `draw`.
        repeats: whether alike parts become one in it.
    """
    first = Outline(graph, limit, open=open, repeats=repeats)
    tree = first.tree
    places = {branch: place for place, branch in enumerate(tree.branches)}
    start = frozenset(place for branch, place in places.items() if branch.folded_ancestor() is None)
    most = min(MOST_STATES, max(FEWEST_STATES, MOST_VISITS // max(len(graph), 1)))
    found: dict[Opened, int] = {start: 0}
    for branch in sorted(tree.branches, key=lambda branch: branch.depth):
        if len(found) >= most:
            break
        found.setdefault(open_after_click(branch, places, start, tree), len(found))
    room = None if limit is None else max(limit, ROOM)
    outlines = [first, *(outline_with_open(graph, room, wanted) for wanted in list(found)[1:])]
    return [
        State(outline, next_states(outline, here, start, found))
        for outline, here in zip(outlines, found, strict=True)
    ]


def open_after_click(branch: Branch, places: Places, start: Opened, tree: ScopeTree) -> Opened:
    """Return what is open after a click on a scope in the first state."""
    if places[branch] in start:
        return frozenset(
            x for x in start if places[branch] not in scope_and_ancestors(tree.branches[x], places)
        )
    return start | set(scope_and_ancestors(branch, places))


def scope_and_ancestors(branch: Branch, places: Places) -> list[int]:
    """Return a scope and those around it."""
    found = []
    around: Branch | None = branch
    while around is not None and around in places:
        found.append(places[around])
        around = around.parent
    return found


def next_states(
    outline: Outline, here: Opened, start: Opened, found: dict[Opened, int]
) -> dict[int, int]:
    """Return where a click on each scope leads from a state, if there is a state for it."""
    places = {branch: place for place, branch in enumerate(outline.tree.branches)}
    leads: dict[int, int] = {}
    seen = {
        place for part in shown_parts(outline) for place in scope_and_ancestors(part.branch, places)
    }
    for place in sorted(seen):
        branch = outline.tree.branches[place]
        if place not in here and place in start:
            wanted = start
        elif place not in here or place in start:
            wanted = open_after_click(branch, places, start, outline.tree)
        else:  # opened by a click: back to the one around it
            wanted = start | (set(scope_and_ancestors(branch, places)) - {place})
        if wanted in found and wanted != here:
            leads[place] = found[wanted]
    return leads


def shown_parts(outline: Outline) -> Iterator[Part]:
    """List the parts of an outline, and the first of those that a part stands for."""
    for part in outline.parts:
        yield part
        yield from part.members[:1]


def outline_with_open(graph: Graph, limit: int | None, wanted: Opened) -> Outline:
    """Return an outline in which just these scopes are open."""

    def fold(tree: ScopeTree) -> None:
        for place, branch in enumerate(tree.branches):
            if place not in wanted:
                branch.folded = True

    return Outline(graph, limit, fold)
