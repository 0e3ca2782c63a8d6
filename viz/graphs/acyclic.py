"""Divide groups of vertices into pieces, so that the graph of the pieces has no cycle.

If several operations become one box, a path may lead out of the box and back into it: the
operations of a scope need not follow each other, and an operation that is left out may need one
that is shown. The picture would show a cycle that the graph does not have. So such a group is
divided into pieces.

Only the groups on a cycle change. Each vertex gets a pair (round, group) that never falls along an
edge. If the group of a vertex would come too early, the vertex begins the next round of its group.
A vertex without a group comes just after the group that it needs. So the pieces of one round stand
in one order, and no edge leads back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

ALONE: Final = -1
"""The group of a vertex without a group."""
Place = tuple[int, int, int]
"""(round, group, 1 if the vertex comes after the group rather than in it)."""


def divide_groups(before: Sequence[Sequence[int]], groups: Sequence[int]) -> list[list[int]]:
    """Return the pieces of the groups in a topological order, each a list of vertices in order.

    Args:
        before: for each vertex, those with an edge to it; all of them have lower numbers.
        groups: the group of each vertex, numbered in the order of their first vertices.

    >>> divide_groups([[], [0], [1]], [0, ALONE, 0])
    [[0], [1], [2]]
    >>> divide_groups([[], [0], [0]], [0, ALONE, 0])
    [[0, 2], [1]]
    """
    labels = [v if group == ALONE else (group,) for v, group in enumerate(groups)]
    pieces = _group_by_label(labels)
    edges = _contract_edges(before, pieces)
    order = _sort_topologically(edges)
    if len(order) == len(pieces):
        return [pieces[i] for i in order]
    places: dict[int, Place] = {}
    for component in _strong_components(edges):
        if len(component) > 1:
            members = sorted(v for i in component for v in pieces[i])
            places |= _assign_rounds(members, before, groups)
    pieces = _group_by_label(
        [
            (*places[v][:2], "round") if v in places and groups[v] != ALONE else label
            for v, label in enumerate(labels)
        ]
    )
    return [pieces[i] for i in _sort_topologically(_contract_edges(before, pieces))]


def _group_by_label(labels: Sequence[object]) -> list[list[int]]:
    """Return the vertices of each label, in the order of their first ones."""
    found: dict[object, list[int]] = {}
    for v, label in enumerate(labels):
        found.setdefault(label, []).append(v)
    return list(found.values())


def _contract_edges(before: Sequence[Sequence[int]], pieces: list[list[int]]) -> list[set[int]]:
    """Return, for each piece, the other pieces with an edge to it."""
    piece_of = [0] * len(before)
    for i, piece in enumerate(pieces):
        for v in piece:
            piece_of[v] = i
    return [{piece_of[u] for v in piece for u in before[v]} - {i} for i, piece in enumerate(pieces)]


def _sort_topologically(before: list[set[int]]) -> list[int]:
    """Return a topological order, lower numbers first, without vertices on or after a cycle."""
    after: list[list[int]] = [[] for _ in before]
    for head, tails in enumerate(before):
        for tail in tails:
            after[tail].append(head)
    waiting = [len(tails) for tails in before]
    ready = [i for i, count in enumerate(waiting) if not count]
    heapify(ready)
    order = []
    while ready:
        i = heappop(ready)
        order.append(i)
        for head in after[i]:
            waiting[head] -= 1
            if not waiting[head]:
                heappush(ready, head)
    return order


def _strong_components(before: list[set[int]]) -> list[list[int]]:
    """Return the strongly connected components (Kosaraju's algorithm, without recursion)."""
    after: list[list[int]] = [[] for _ in before]
    for head, tails in enumerate(before):
        for tail in tails:
            after[tail].append(head)
    finished = [i for found in _search_depth_first(range(len(before)), after) for i in found]
    return _search_depth_first(reversed(finished), before)


def _search_depth_first(starts: Iterable[int], edges: Sequence[Iterable[int]]) -> list[list[int]]:
    """Search depth first from each unseen start; return the vertices that each search finishes."""
    seen: set[int] = set()
    found = []
    for start in starts:
        if start in seen:
            continue
        seen.add(start)
        finished: list[int] = []
        stack = [(start, iter(edges[start]))]
        while stack:
            vertex, rest = stack[-1]
            following = next((i for i in rest if i not in seen), None)
            if following is None:
                stack.pop()
                finished.append(vertex)
            else:
                seen.add(following)
                stack.append((following, iter(edges[following])))
        found.append(finished)
    return found


def _assign_rounds(
    members: list[int], before: Sequence[Sequence[int]], groups: Sequence[int]
) -> dict[int, Place]:
    """Return the smallest places of a component's vertices that never fall along an edge."""
    places: dict[int, Place] = {}
    for v in members:
        latest = max((places[u] for u in before[v] if u in places), default=(0, ALONE, 1))
        if groups[v] == ALONE:
            places[v] = (*latest[:2], 1)
        else:
            late = latest > (latest[0], groups[v], 0)
            places[v] = (latest[0] + late, groups[v], 0)
    return places
