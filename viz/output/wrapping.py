"""Wrapping: a long picture in several columns, with arrows that lead from one to the next.

A strip is what the layout program draws: from top to bottom, or from left to right. It is cut
between ranks where few arrows cross. Each piece is laid out by itself, with a point at its end for
each tensor that later pieces take, and a point at its beginning for each box that takes one. Then
the pieces stand side by side. An arrow between two of them leaves the earlier one at its end, runs
back in the gap after it and along the beginnings of the columns, and enters the later one.

Positions along the strip are called `along`, those across it `across`, so that the same code wraps
strips from top to bottom into columns, and strips from left to right into rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import hypot
from typing import Final

import graphviz

from ..picture import Box, Cluster, Picture, Point
from ..style import EDGE, GRAPH, NODE
from .dot import Edge, add_clusters, add_rows, box_looks, picture_edges, spacing
from .layout import Engine, find_misplaced
from .placement import POINT, Placement, Route, add_points, measure

GAP: Final = 20.0
"""Between columns, and between parts of a picture that no arrow joins, in points."""
LANE: Final = 8.0
"""Between arrows side by side that lead from column to column."""
FIRST_LANE: Final = 10.0
"""Between the end of a column and the first such arrow."""
POINT_LENGTH: Final = 10 * float(EDGE["arrowsize"])
"""The length of an arrow's point."""
CORNER: Final = 7.0
"""The radius of their corners."""
WINDOW: Final = 0.35
"""How far a cut may move from where it would make equal pieces, in lengths of a piece."""
COST_OF_CLUSTER: Final = 0.6
COST_OF_MOVE: Final = 4.0
"""What it costs to cut a scope, or to move a cut by the length of a piece, in crossing arrows."""
HUNG: Final = frozenset({"legend", "scale"})
"""The roles of boxes that stand where there is room, outside of the strips."""


@dataclass(frozen=True, slots=True)
class Exit:
    """What leaves a piece: a tensor that later pieces take, or an arrow of the backward to it.

    Attributes:
        box: where it starts.
        label: what is written beside it.
        own: the place of the edge, if its point is at this end; such an edge shares no exit.
    """

    box: str
    label: str
    own: int | None


@dataclass(frozen=True, slots=True)
class Piece:
    """A laid out piece of a strip.

    Attributes:
        placement: its boxes, edges and clusters; its corners enclose them.
        exits: where arrows leave it.
        entries: place of an edge → where it comes in.
        names: exit → the name of the edge that leads to it.
        misplaced: leaves at the wrong side of their user.
    """

    placement: Placement
    exits: dict[Exit, Point]
    entries: dict[int, Point]
    names: dict[Exit, str]
    misplaced: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A layout of a strip.

    Attributes:
        placement: where everything stands.
        crossing: how many arrows lead from piece to piece.
        misplaced: leaves at the wrong side of their user.
    """

    placement: Placement
    crossing: int
    misplaced: frozenset[str]


class Strip:
    """A part of a picture that arrows join, and its layouts in one piece and in several."""

    def __init__(
        self,
        picture: Picture,
        edges: Sequence[Edge],
        members: set[str],
        whole: Placement,
        engine: Engine,
    ) -> None:
        self.picture = picture
        self.edges = edges
        self.looks = box_looks(picture)
        self.members = members
        self.engine = engine
        self.places = [place for place, edge in enumerate(edges) if edge.tail in members]
        clusters = {box.cluster for box in picture.boxes if box.id in members}
        self.whole = whole.select(
            members, _with_outer_clusters(picture, clusters), {f"{p}" for p in self.places}
        )
        self.along = {name: self.flatten(at)[1] for name, at in self.whole.boxes.items()}
        found = find_misplaced(picture, self.whole.boxes)
        self._in_one_piece = Wrapped(self.whole, 0, found)
        self._wrapped: dict[int, Wrapped] = {1: self._in_one_piece}

    def flatten(self, point: Point) -> Point:
        """Return how far across and how far along the strip a point is."""
        x, y = point
        return (x, -y) if self.picture.direction == "TB" else (-y, x)

    def unflatten(self, across: float, along: float) -> Point:
        """Return the point with these positions across and along the strip."""
        return (across, -along) if self.picture.direction == "TB" else (along, -across)

    def extent(self, placement: Placement) -> tuple[float, float, float, float]:
        """Return the first and last position across, then the first and last along."""
        one, other = self.flatten(placement.low), self.flatten(placement.high)
        return (
            min(one[0], other[0]),
            max(one[0], other[0]),
            min(one[1], other[1]),
            max(one[1], other[1]),
        )

    @property
    def length(self) -> float:
        """How long it is in one piece."""
        _, _, begins, ends = self.extent(self.whole)
        return ends - begins

    @property
    def breadth(self) -> float:
        """How broad it is in one piece."""
        first, last, _, _ = self.extent(self.whole)
        return last - first

    def wrap(self, pieces: int) -> Wrapped:
        """Return its layout in at most so many pieces."""
        if pieces not in self._wrapped:
            bands = self._divide(pieces)
            several = len(bands) > 1
            self._wrapped[pieces] = self._lay_out(bands) if several else self._in_one_piece
        return self._wrapped[pieces]

    def _divide(self, pieces: int) -> list[set[str]]:
        """Return the boxes of each piece, cut where few arrows and scopes are."""
        ranks = sorted({round(at, 1) for at in self.along.values()})
        spans = [
            sorted((self.flatten(x.low)[1], self.flatten(x.high)[1])) for x in self.whole.frames
        ]
        arrows = [
            (sorted(self.along[end] for end in (edge.tail, edge.head)), self._first_end(edge))
            for edge in (self.edges[place] for place in self.places)
            if not edge.is_tie
        ]
        length = (ranks[-1] - ranks[0]) / pieces
        cuts: list[float] = []
        for number in range(1, pieces):
            target = ranks[0] + number * length
            found = []
            for one, following in pairwise(ranks):
                cut = (one + following) / 2
                away = abs(cut - target) / length
                if away <= WINDOW and (not cuts or cut > cuts[-1]):
                    crossing = len({name for (low, high), name in arrows if low < cut < high})
                    inside = sum(low < cut < high for low, high in spans)
                    cost = crossing + COST_OF_CLUSTER * inside + COST_OF_MOVE * away
                    found.append((cost, cut))
            cuts += [min(found)[1]] if found else []
        bands: list[set[str]] = [set() for _ in range(len(cuts) + 1)]
        for name, at in self.along.items():
            bands[sum(at > cut for cut in cuts)].add(name)
        return bands

    def _first_end(self, edge: Edge) -> str:
        """Return the end of an edge that comes first along the strip."""
        return min(edge.tail, edge.head, key=lambda name: self.along[name])

    def _lay_out(self, bands: list[set[str]]) -> Wrapped:
        """Return the pieces side by side."""
        number = {name: n for n, band in enumerate(bands) for name in band}
        exits: dict[int, Exit] = {}
        for place in self.places:
            edge = self.edges[place]
            if number[edge.tail] != number[edge.head] and not edge.is_tie:
                first = self._first_end(edge)
                pointed = first == (edge.tail if edge.points_back else edge.head)
                label = edge.attributes.get("label", "")
                exits[place] = Exit(first, label, place if pointed else None)
        pieces = [self._lay_out_piece(n, band, number, exits) for n, band in enumerate(bands)]
        misplaced = frozenset[str]().union(*(piece.misplaced for piece in pieces))
        return Wrapped(self._join_pieces(pieces, number, exits), len(exits), misplaced)

    def _lay_out_piece(
        self, n: int, band: set[str], number: dict[str, int], exits: dict[int, Exit]
    ) -> Piece:
        """Lay out one piece, with points where arrows leave it and come in."""
        entries = {
            place: f"in_{place}"
            for place, one in exits.items()
            if number[one.box] != n and self._last_end(place, one) in band
        }
        leaving = dict.fromkeys(one for one in exits.values() if one.box in band)
        names = {one: f"out_{n}_{i}" for i, one in enumerate(leaving)}
        graph = graphviz.Digraph(
            "picture", graph_attr=GRAPH | spacing(self.picture), node_attr=NODE, edge_attr=EDGE
        )
        for name in entries.values():
            graph.node(name, **POINT)
        for box in self.picture.boxes:
            if box.id in band:
                graph.node(box.id, **self.looks[box.id])
        for name in names.values():
            graph.node(name, **POINT)
        part = self._picture_of_piece(n, band, number, entries)
        add_clusters(graph, part)
        self._add_edges(graph, band, exits, names, entries)
        self._hold_ends(graph, band, list(names.values()), list(entries.values()))
        found = measure(graph, part.clusters, self.engine)
        points = {*names.values(), *entries.values()}
        clusters = {cluster.id for cluster in part.clusters}
        misplaced = find_misplaced(self.picture, found.boxes)
        own = found.select(band | points, clusters, set(found.routes))
        ranks = sorted(round(self.along[name], 1) for name in band)
        for one, name in names.items():
            if round(self.along[one.box], 1) == ranks[-1]:
                self._straighten(own, name, one.box, 1)
        for place, name in entries.items():
            last = self._last_end(place, exits[place])
            if round(self.along[last], 1) == ranks[0]:
                self._straighten(own, name, last, -1)
        return Piece(
            own,
            {one: own.boxes.pop(name) for one, name in names.items()},
            {place: own.boxes.pop(name) for place, name in entries.items()},
            names,
            misplaced,
        )

    def _straighten(self, own: Placement, name: str, box: str, side: int) -> None:
        """Let an arrow at an end of a piece run straight to the middle of a box, if it is alone.

        Args:
            own: the piece.
            name: of the arrow, and of its point at the end of the piece.
            box: where the arrow starts or ends, next to that point.
            side: 1 if the box is at the end of the piece, −1 if it is at the beginning.
        """
        at, along = self.flatten(own.boxes[box])
        half = own.sizes[box][1 if self.picture.direction == "TB" else 0] / 2
        route = own.routes[name]
        touches = route.points[0 if side > 0 else -1]
        tip = (route.start if side > 0 else route.end) or touches
        across, limit = self.flatten(tip)
        near = [
            x
            for other, x in own.routes.items()
            if other != name
            and any(
                abs(self.flatten(p)[1] - (along + side * half)) < 8
                and abs(self.flatten(p)[0] - at) < own.sizes[box][0] / 2
                for p in (x.points[0], x.points[-1])
            )
        ]
        if near or abs(limit - (along + side * half)) > 3:
            return
        end = self.flatten(own.boxes[name])[1]
        border = along + side * half
        start = self.unflatten(at, border)
        pointed = (route.start if side > 0 else route.end) is not None
        begin = self.unflatten(at, border + side * POINT_LENGTH) if pointed else start
        line = (begin, *straight_curve(begin, self.unflatten(at, end)))
        label = route.label and add_points(route.label, self.unflatten(at - across, 0.0))
        own.boxes[name] = line[-1]
        own.routes[name] = (
            Route(line, start if pointed else None, None, label, route.reach)
            if side > 0
            else Route(line[::-1], None, start if pointed else None, label, route.reach)
        )

    def _last_end(self, place: int, one: Exit) -> str:
        """Return the end of a cut edge that comes last along the strip."""
        edge = self.edges[place]
        return edge.head if edge.tail == one.box else edge.tail

    def _picture_of_piece(
        self, n: int, band: set[str], number: dict[str, int], entries: dict[int, str]
    ) -> Picture:
        """Return the picture of a piece, in which a scope that began earlier says so."""
        boxes = [box for box in self.picture.boxes if box.id in band]
        kept = _with_outer_clusters(self.picture, {box.cluster for box in boxes})
        first: dict[str | None, int] = {}
        for box in self.picture.boxes:
            for name in (
                _with_outer_clusters(self.picture, {box.cluster}) if box.id in number else ()
            ):
                first[name] = min(first.get(name, n), number[box.id])
        named = {cluster.id: f"{cluster.id}__{n}" for cluster in self.picture.clusters}
        clusters = [
            Cluster(
                named[one.id],
                one.caption if first[one.id] == n else f"{one.caption}, continued",
                named[one.parent] if one.parent else None,
            )
            for one in self.picture.clusters
            if one.id in kept
        ]
        boxes = [replace(x, cluster=named[x.cluster] if x.cluster else None) for x in boxes]
        arrows = []
        for place, arrow in enumerate(self.picture.arrows):
            if place in entries:
                last = arrow.head if arrow.head in band else arrow.tail
                arrows.append(replace(arrow, tail=entries[place], head=last))
            elif arrow.tail in band and arrow.head in band:
                arrows.append(arrow)
        boxes += [Box(name, "anchor") for name in entries.values()]
        return replace(self.picture, boxes=boxes, arrows=arrows, clusters=clusters, ties=[])

    def _add_edges(
        self,
        graph: graphviz.Digraph,
        band: set[str],
        exits: dict[int, Exit],
        names: dict[Exit, str],
        entries: dict[int, str],
    ) -> None:
        """Add the edges of a piece, and halves of those that lead to other pieces."""
        drawn: set[Exit] = set()
        for place in self.places:
            edge, one = self.edges[place], exits.get(place)
            if one is None:
                if edge.tail in band and edge.head in band:
                    graph.edge(edge.tail, edge.head, **edge.attributes | {"comment": f"{place}"})
                    if edge.level:
                        graph.body.append(f"\t{{rank=same; {'; '.join(edge.level)}}}\n")
                continue
            if one in names and one not in drawn:
                drawn.add(one)
                look = _attributes_at(edge, one.box, "tail")
                look |= {"dir": "none" if one.own is None else "back"}
                look |= {"label": one.label} if one.label else {}
                graph.edge(one.box, names[one], **look, comment=names[one])
            if place in entries:
                last = self._last_end(place, one)
                look = _attributes_at(edge, last, "head")
                look |= {} if one.own is None else {"dir": "none"}
                graph.edge(entries[place], last, **look, comment=entries[place])

    def _hold_ends(
        self, graph: graphviz.Digraph, band: set[str], leaving: list[str], entering: list[str]
    ) -> None:
        """Keep the points at the end and at the beginning of a piece."""
        at = sorted(round(self.along[name], 1) for name in band)
        look = {"style": "invis", "weight": "0"}
        for row, rank in ((leaving, at[-1]), (entering, at[0])):
            if row:
                graph.body.append(f"\t{{rank=same; {'; '.join(row)}}}\n")
                for name in sorted(x for x in band if round(self.along[x], 1) == rank):
                    ends = (name, row[0]) if row is leaving else (row[0], name)
                    graph.edge(*ends, **look)

    def _join_pieces(
        self, pieces: list[Piece], number: dict[str, int], exits: dict[int, Exit]
    ) -> Placement:
        """Return the pieces side by side, and the arrows between them."""
        whole = Placement()
        moved: list[Point] = []
        gutters: list[float] = []
        ends: list[float] = []
        across = 0.0
        for piece in pieces:
            first, last, begins, ends_at = self.extent(piece.placement)
            by = self.unflatten(across - first, -begins)
            moved.append(by)
            whole.add(piece.placement, by)
            gutters.append(across + last - first + GAP / 2)
            ends.append(ends_at - begins)
            across += last - first + GAP + LANE * max(len(piece.exits) - 1, 0)
        lanes = Lanes()
        courses: dict[Exit, tuple[float, float, float]] = {}
        for n, piece in enumerate(pieces):
            at = {one: self.flatten(add_points(p, moved[n])) for one, p in piece.exits.items()}
            lane = -1
            for i, one in enumerate(sorted(at, key=lambda one: at[one][0])):
                outer = LANE * (len(at) - 1 - i)  # the last exit turns first, so none is crossed
                heads = [place for place, x in exits.items() if x == one]
                furthest = max(self._entry(place, pieces, moved, number, one)[0] for place in heads)
                lane = lanes.take(gutters[n] + outer, furthest, lane + 1)
                courses[one] = (
                    ends[n] + FIRST_LANE + outer,
                    gutters[n] + outer,
                    -FIRST_LANE - LANE * lane,
                )
        labelled: set[Exit] = set()
        for place, one in exits.items():
            n = number[one.box]
            start = self.flatten(add_points(pieces[n].exits[one], moved[n]))
            end = self._entry(place, pieces, moved, number, one)
            beyond, gutter, before = courses[one]
            turns = [(start[0], beyond), (gutter, beyond), (gutter, before), (end[0], before)]
            line = [self.unflatten(*point) for point in turns]
            for point in line:
                whole.include(point)
            out, into = whole.routes[pieces[n].names[one]], whole.routes[f"in_{place}"]
            between = round_corners([out.points[-1], *line, into.points[0]])
            points = (*out.points, *between, *into.points[1:])
            route = Route(
                points, out.start, into.end, None if one in labelled else out.label, out.reach
            )
            labelled.add(one)
            whole.routes[f"{place}"] = route if self.edges[place].tail == one.box else route.turn()
        return whole

    def _entry(
        self, place: int, pieces: list[Piece], moved: list[Point], number: dict[str, int], one: Exit
    ) -> Point:
        """Return where a cut edge comes into its last piece, across and along."""
        n = number[self._last_end(place, one)]
        return self.flatten(add_points(pieces[n].entries[place], moved[n]))


class Lanes:
    """Lanes along the beginnings of the pieces; arrows side by side take different ones."""

    def __init__(self) -> None:
        self._taken: list[list[tuple[float, float]]] = []

    def take(self, one: float, other: float, lowest: int) -> int:
        """Return the first lane from `lowest` on that is free between two positions, and take it.

        >>> lanes = Lanes()
        >>> lanes.take(0, 5, 0), lanes.take(4, 9, 0), lanes.take(6, 9, 0)
        (0, 1, 0)
        """
        low, high = min(one, other), max(one, other)
        lane = lowest
        while lane < len(self._taken) and any(
            low < end and start < high for start, end in self._taken[lane]
        ):
            lane += 1
        self._taken += [[] for _ in range(lane + 1 - len(self._taken))]
        self._taken[lane].append((low, high))
        return lane


def round_corners(points: Sequence[Point]) -> list[Point]:
    """Return the cubic curves of a line with round corners, without its first point.

    >>> round_corners([(0, 0), (9, 0)])
    [(3.0, 0.0), (6.0, 0.0), (9.0, 0.0)]
    """
    found: list[Point] = []
    at = points[0]
    for corner, following in pairwise(points[1:]):
        reach = min(CORNER, _distance(at, corner), _distance(corner, following) / 2)
        before, after = _toward(corner, at, reach), _toward(corner, following, reach)
        found += straight_curve(at, before)
        found += [_between(before, corner, 0.55), _between(after, corner, 0.55), after]
        at = after
    return found + straight_curve(at, points[-1])


def straight_curve(one: Point, other: Point) -> list[Point]:
    """Return the curve of a straight line, without its first point."""
    return [_between(one, other, 1 / 3), _between(one, other, 2 / 3), _between(one, other, 1.0)]


def _between(one: Point, other: Point, share: float) -> Point:
    return one[0] + share * (other[0] - one[0]), one[1] + share * (other[1] - one[1])


def _distance(one: Point, other: Point) -> float:
    return hypot(one[0] - other[0], one[1] - other[1])


def _toward(one: Point, other: Point, length: float) -> Point:
    """Return the point at a distance from the first one on the way to the other."""
    whole = _distance(one, other)
    return _between(one, other, length / whole) if whole else one


def _attributes_at(edge: Edge, box: str, end: str) -> dict[str, str]:
    """Return the attributes of half an edge, whose tail or head is this box."""
    port = edge.attributes.get("tailport" if edge.tail == box else "headport")
    found = {f"{end}port": port} if port else {}
    return found | {k: v for k, v in edge.attributes.items() if k == "weight"}


def _with_outer_clusters(picture: Picture, names: set[str | None]) -> set[str]:
    """Return the ids of clusters together with those around them."""
    parents = {cluster.id: cluster.parent for cluster in picture.clusters}
    found = set()
    for name in names:
        while name is not None and name not in found:
            found.add(name)
            name = parents[name]
    return found


def find_strips(picture: Picture, engine: Engine) -> tuple[list[Strip], Placement, list[Edge]]:
    """Return the strips of a picture, its layout in one piece, and its edges.

    Boxes are in one strip if arrows, ties or a scope join them.
    """
    edges = picture_edges(picture)
    graph = graphviz.Digraph(
        "picture", graph_attr=GRAPH | spacing(picture), node_attr=NODE, edge_attr=EDGE
    )
    for name, look in box_looks(picture).items():
        graph.node(name, **look)
    add_clusters(graph, picture)
    for place, edge in enumerate(edges):
        graph.edge(edge.tail, edge.head, **edge.attributes | {"comment": f"{place}"})
        if edge.level:
            graph.body.append(f"\t{{rank=same; {'; '.join(edge.level)}}}\n")
    add_rows(graph, picture)
    whole = measure(graph, picture.clusters, engine)
    strips = [
        Strip(picture, edges, members, whole, engine) for members in _find_members(picture, edges)
    ]
    return strips, whole, edges


def _find_members(picture: Picture, edges: Sequence[Edge]) -> list[set[str]]:
    """Return the boxes of each strip, in the order of their first ones."""
    parents = {cluster.id: cluster.parent for cluster in picture.clusters}
    group: dict[str, set[str]] = {}
    pairs = [(edge.tail, edge.head) for edge in edges]
    for box in picture.boxes:
        if box.role not in HUNG:
            group[box.id] = {box.id}
            outer = box.cluster
            while outer is not None:
                pairs.append((box.id, outer))
                group.setdefault(outer, {outer})
                outer = parents[outer]
    for one, other in pairs:
        small, large = sorted((group[one], group[other]), key=len)
        if small is not large:
            large |= small
            for name in small:
                group[name] = large
    boxes = [box.id for box in picture.boxes if box.role not in HUNG]
    different = {id(group[name]): group[name] for name in boxes}
    return [members - parents.keys() for members in different.values()]
