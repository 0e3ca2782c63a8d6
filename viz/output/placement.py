"""Placement: a picture with a position for each box, arrow and cluster, read from a layout.

The layout program says where everything stands (`measure`). What is read can be moved and joined,
and `write_placed` returns the DOT text of the result, which the program then draws as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import hypot
from typing import Final

import graphviz

from ..picture import Cluster, Picture, Point
from ..style import CLUSTER, EDGE, GRAPH, MOST_TINTS, NODE
from .dot import Edge, box_looks, escape_label, spacing
from .layout import Engine, lay_out

PAD: Final = 72 * float(GRAPH["pad"])
"""The empty border that the layout program leaves around a picture, in points."""
LETTER_WIDTH: Final = 5.2
"""About the width of a letter of an arrow's label, in points."""
HALF_LINE: Final = 6.0
"""Half the height of its line."""
GIVEN: Final = re.compile(r'^\t(\w+) \[.*?\bpos="([-\d.]+),([-\d.]+)!"', re.MULTILINE)
"""A box of a DOT text, and its position."""
POINT: Final = {"shape": "point", "width": "0.01", "height": "0.01", "style": "invis", "label": ""}
"""Attributes of a box that is not seen."""


@dataclass(frozen=True, slots=True)
class Route:
    """The course of an edge, in points; y grows upwards.

    Attributes:
        points: of its cubic curves; neighbours share a point.
        start: the tip of the arrow's point at its tail, None without one.
        end: the tip of the arrow's point at its head, None without one.
        label: the centre of its label.
        reach: half the width of the label, about.
    """

    points: tuple[Point, ...]
    start: Point | None = None
    end: Point | None = None
    label: Point | None = None
    reach: float = 0.0

    @staticmethod
    def read(pos: str, label: str = "", words: str = "") -> Route:
        """Read the attributes `pos`, `lp` and `label` of an edge.

        >>> Route.read("e,9,0 0,0 2,0 4,0 6,0").end
        (9.0, 0.0)
        """
        start = end = None
        points = []
        for part in pos.partition(";")[0].split():
            if part.startswith("s,"):
                start = _read_point(part[2:])
            elif part.startswith("e,"):
                end = _read_point(part[2:])
            else:
                points.append(_read_point(part))
        at = _read_point(label) if label else None
        return Route(tuple(points), start, end, at, LETTER_WIDTH / 2 * len(words))

    def write(self) -> dict[str, str]:
        """Return the attributes of Graphviz."""
        words = [f"s,{_write_point(self.start)}"] if self.start else []
        words += [f"e,{_write_point(self.end)}"] if self.end else []
        found = {"pos": " ".join([*words, *map(_write_point, self.points)])}
        return found | ({"lp": _write_point(self.label)} if self.label else {})

    def move(self, by: Point) -> Route:
        """Return the route, moved."""
        start, end, label = (p and add_points(p, by) for p in (self.start, self.end, self.label))
        points = tuple(add_points(p, by) for p in self.points)
        return Route(points, start, end, label, self.reach)

    def turn(self) -> Route:
        """Return the route in the other direction."""
        return Route(self.points[::-1], self.end, self.start, self.label, self.reach)


def _read_point(text: str) -> Point:
    x, y = text.rstrip("!").split(",")[:2]
    return float(x), float(y)


def _write_point(point: Point) -> str:
    return f"{point[0]:.2f},{point[1]:.2f}"


def add_points(one: Point, other: Point) -> Point:
    """Return the sum of two points."""
    return one[0] + other[0], one[1] + other[1]


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle of a cluster, and the centre of its caption."""

    cluster: Cluster
    low: Point
    high: Point
    label: Point | None


@dataclass(slots=True)
class Placement:
    """Boxes, edges and clusters with positions, in points; y grows upwards.

    Attributes:
        boxes: id → centre.
        sizes: id → width and height.
        routes: name of the edge → its course.
        frames: the clusters, outer ones first.
        low: the corner at the bottom left of all.
        high: the corner at the top right.
    """

    boxes: dict[str, Point] = field(default_factory=dict)
    sizes: dict[str, Point] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    low: Point = (0.0, 0.0)
    high: Point = (0.0, 0.0)

    @property
    def size(self) -> Point:
        """Width and height, with the empty border."""
        return (
            self.high[0] - self.low[0] + 2 * PAD,
            self.high[1] - self.low[1] + 2 * PAD,
        )

    def add(self, other: Placement, by: Point = (0.0, 0.0)) -> None:
        """Add what another one holds, moved."""
        self.boxes |= {name: add_points(at, by) for name, at in other.boxes.items()}
        self.sizes |= other.sizes
        self.routes |= {name: route.move(by) for name, route in other.routes.items()}
        self.frames += [
            Frame(
                one.cluster,
                add_points(one.low, by),
                add_points(one.high, by),
                one.label and add_points(one.label, by),
            )
            for one in other.frames
        ]
        self.include(add_points(other.low, by), add_points(other.high, by))

    def include(self, low: Point, high: Point | None = None) -> None:
        """Make the corners enclose an area, or a point."""
        high = high or low
        if self.low == self.high == (0.0, 0.0):
            self.low, self.high = low, high
        else:
            self.low = min(self.low[0], low[0]), min(self.low[1], low[1])
            self.high = max(self.high[0], high[0]), max(self.high[1], high[1])

    def select(self, boxes: set[str], clusters: set[str], routes: set[str]) -> Placement:
        """Return a part of it, with its own corners."""
        found = Placement(
            {name: at for name, at in self.boxes.items() if name in boxes},
            {name: size for name, size in self.sizes.items() if name in boxes},
            {name: route for name, route in self.routes.items() if name in routes},
            [one for one in self.frames if one.cluster.id in clusters],
        )
        for name, (x, y) in found.boxes.items():
            width, height = found.sizes[name]
            found.include((x - width / 2, y - height / 2), (x + width / 2, y + height / 2))
        for one in found.frames:
            found.include(one.low, one.high)
        for route in found.routes.values():
            for point in route.points:
                found.include(point)
            if route.label:
                x, y = route.label
                found.include((x - route.reach, y - HALF_LINE), (x + route.reach, y + HALF_LINE))
        return found


def measure(graph: graphviz.Digraph, clusters: Sequence[Cluster], engine: Engine) -> Placement:
    """Lay out a graph and return where everything stands; an edge is called by its `comment`.

    Raises:
        LayoutError: if the program is missing or fails.
        SlowLayoutError: if it takes too long.
    """
    read = json.loads(lay_out(str(graph.source), "json0", placed=False, engine=engine))
    known = {cluster.id: cluster for cluster in clusters}
    found = Placement()
    frames = {}
    for one in read.get("objects", ()):
        name = one["name"]
        if "nodes" not in one and "pos" in one:
            found.boxes[name] = _read_point(one["pos"])
            found.sizes[name] = 72 * float(one["width"]), 72 * float(one["height"])
        elif name in known and "bb" in one:
            x0, y0, x1, y1 = map(float, one["bb"].split(","))
            label = _read_point(one["lp"]) if "lp" in one else None
            frames[name] = Frame(known[name], (x0, y0), (x1, y1), label)
    found.frames = [frames[cluster.id] for cluster in clusters if cluster.id in frames]
    names = {one["_gvid"]: one["name"] for one in read.get("objects", ())}
    for one in read.get("edges", ()):
        if "comment" in one and "pos" in one:
            route = Route.read(one["pos"], one.get("lp", ""), one.get("label", ""))
            ends = [names[one[end]] for end in ("tail", "head")]
            away = [
                _distance_to_box(route.points[0], found.boxes[end], found.sizes[end])
                for end in ends
            ]
            # some edges on one rank are told from head to tail
            found.routes[one["comment"]] = route if away[0] <= away[1] else route.turn()
    x0, y0, x1, y1 = map(float, read["bb"].split(","))
    found.low, found.high = (x0, y0), (x1, y1)
    return found


def _distance_to_box(point: Point, centre: Point, size: Point) -> float:
    """Return how far a point is from a box, 0 inside."""
    aside = (abs(a - b) - c / 2 for a, b, c in zip(point, centre, size, strict=True))
    return hypot(*(max(x, 0.0) for x in aside))


def write_placed(
    picture: Picture, edges: Sequence[Edge], placement: Placement, low: Point, high: Point
) -> str:
    """Return the DOT text of a placement, whose page has these corners."""
    graph = graphviz.Digraph(
        "picture", graph_attr=GRAPH | spacing(picture), node_attr=NODE, edge_attr=EDGE
    )
    for name, look in box_looks(picture).items():
        graph.node(name, **look, pos=f"{_write_point(placement.boxes[name])}!")
    subgraphs: dict[str | None, graphviz.Digraph] = {}
    depths: dict[str | None, int] = {None: 0}
    for one in placement.frames:
        cluster = one.cluster
        depths[cluster.id] = depths[cluster.parent] + 1
        attributes = CLUSTER | {"label": escape_label(cluster.caption), "id": cluster.id}
        attributes["bb"] = f"{_write_point(one.low)},{_write_point(one.high)}"
        if one.label:
            attributes["lp"] = _write_point(one.label)
        if depths[cluster.id] > MOST_TINTS:
            attributes["fillcolor"] = "transparent"
        subgraphs[cluster.id] = graphviz.Digraph(name=cluster.id, graph_attr=attributes)
    for one in reversed(placement.frames):  # inner ones are complete before outer ones
        outer = subgraphs.get(one.cluster.parent, graph)
        outer.subgraph(subgraphs[one.cluster.id])
    for place, edge in enumerate(edges):
        route = placement.routes.get(f"{place}")
        if route is not None:
            known = edge.attributes | route.write()
            if route.label is None:  # another edge on the same course has it
                known.pop("label", None)
            graph.edge(edge.tail, edge.head, **known)
    for name, (x, y) in (("corner_low", low), ("corner_high", high)):
        graph.node(name, **POINT, pos=f"{x:.2f},{y:.2f}!")
    return str(graph.source)


def measure_placed(source: str, engine: Engine) -> Placement:
    """Return the corners of a DOT text whose boxes have positions, in its own coordinates.

    The layout program moves everything, so that the corner at the bottom left is the origin.
    """
    read = json.loads(lay_out(source, "json0", placed=True, engine=engine))
    x0, y0, x1, y1 = map(float, read["bb"].split(","))
    given = {name: (float(x), float(y)) for name, x, y in GIVEN.findall(source)}
    for one in read.get("objects", ()):
        if one["name"] in given and "pos" in one:
            x, y = map(float, one["pos"].split(","))
            left, down = x - given[one["name"]][0], y - given[one["name"]][1]
            return Placement(low=(x0 - left, y0 - down), high=(x1 - left, y1 - down))
    return Placement(low=(x0, y0), high=(x1, y1))


def add_corners(source: str, corners: Mapping[str, Point], others: Sequence[str] = ()) -> str:
    """Return the DOT text of a placed picture with corners by name, and other lines."""
    words = "".join(
        f'\tcorner_{name} [shape=point width=0.01 height=0.01 style=invis label="" '
        f'pos="{_write_point(at)}!"]\n'
        for name, at in corners.items()
    )
    head, _, _ = source.rstrip().rpartition("}")
    return f"{head}{words}{''.join(others)}}}\n"
