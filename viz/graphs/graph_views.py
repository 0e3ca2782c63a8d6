"""The table of a graph's views (operations, tensors, forward, backward), and the view `compiled`.

The view of a compiled function draws its program twice: as recorded, and after the passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from autograd_mini.core.graph import Graph, as_graph

from ..errors import PictureError
from ..overlays import Names, add_overlays, measure_overlays
from ..picture import Cluster, Direction, Picture
from ..texts import clean_text, format_count
from .backward_view import BackwardView
from .builder import default_title
from .forward_graph import extract_forward
from .operations import OperationsView, TensorsView
from .outline import Outline
from .scopes import Open

GraphView = Literal["operations", "tensors", "forward", "backward"]
COLLECTORS: Final[dict[GraphView, type[OperationsView]]] = {
    "operations": OperationsView,
    "tensors": TensorsView,
    "forward": OperationsView,
    "backward": BackwardView,
}
"""View → the class that draws it."""
BOXES_PER_PART: Final[dict[GraphView, int]] = {"tensors": 2, "backward": 2}
"""About how many boxes a view draws for one part of the outline; 1 for the others."""
STAGES: Final = ("as recorded", "after the passes")


def graph_picture(
    graph: Graph,
    view: GraphView,
    limit: int | None,
    direction: Direction,
    title: str | None,
    open: Open = None,
    overlay: Names = None,
) -> tuple[Picture, OperationsView]:
    """Draw a graph in one of these views; return the picture and the view that drew it.

    Args:
        graph: what to draw.
        view: which one.
        limit: about how many boxes to draw at most. Scopes fold first; then the operations that
            are furthest from the outputs are left out and counted.
        direction: top to bottom or left to right.
        title: for screen readers.
        open: which scopes are open, as in `draw`.
        overlay: the measures, as in `draw`.

    Raises:
        PictureError: if the graph has nothing to show in this view.
    """
    outline = Outline(*outline_arguments(graph, view, limit), open=open, repeats=not overlay)
    collector = COLLECTORS[view](outline, title or default_title(graph), direction)
    found = measure_overlays(overlay, outline.graph)
    return add_overlays(collector.picture(), collector, found), collector


def outline_arguments(graph: Graph, view: GraphView, limit: int | None) -> tuple[Graph, int | None]:
    """Return the graph that a view shows, and its limit of parts, as `Outline` takes them."""
    if view == "forward":
        graph = extract_forward(graph)
    return graph, None if limit is None else max(limit // BOXES_PER_PART.get(view, 1), 4)


def compiled_picture(
    subject: object, limit: int | None, direction: Direction, title: str | None
) -> Picture:
    """Draw both programs of a compiled function in one picture, each in a frame.

    Args:
        subject: the compiled function.
        limit: about how many boxes to draw at most, in both together.
        direction: of each of them.
        title: for screen readers.

    Raises:
        PictureError: for a function that is not compiled or was not called.
    """
    before = as_graph(getattr(subject, "recorded", None))
    after = as_graph(getattr(subject, "program", None))
    if before is None or after is None:
        raise PictureError(
            "view='compiled' is for a function of am.compile that was called at least once; got "
            f"{type(subject).__name__} {subject!r:.60}"
        )
    share = None if limit is None else max(limit // 2, 4)
    graphs = before, after
    captions = (
        f"{when}: {format_count(len(graph), 'operation')}"
        for when, graph in zip(STAGES, graphs, strict=True)
    )
    frames = {
        caption: _with_origins(
            graph_picture(graph, "operations", share, direction, None)[0], graph.origins
        )
        for caption, graph in zip(captions, graphs, strict=True)
    }
    name = clean_text(getattr(subject, "__name__", "") or "function")
    return _combine_pictures(
        frames, title or f"{name} before and after the passes: {_describe_changes(*graphs)}"
    )


def _with_origins(picture: Picture, origins: Mapping[Any, Hashable]) -> Picture:
    """Return a picture in which equal tensors of both programs have one identity."""
    boxes = [
        replace(box, tensors=tuple((role, origins.get(name, name)) for role, name in box.tensors))
        for box in picture.boxes
    ]
    return replace(picture, boxes=boxes)


def _describe_changes(before: Graph, after: Graph) -> str:
    """Write which types of operations became fewer or more, the largest change first."""
    counts = [Counter(op.type for op in graph.operations) for graph in (before, after)]
    moved = {name: counts[1][name] - counts[0][name] for name in counts[0] | counts[1]}
    changed = sorted((name for name in moved if moved[name]), key=lambda name: -abs(moved[name]))
    return ", ".join(f"{name} {moved[name]:+d}".replace("-", "−") for name in changed) or "the same"


def _combine_pictures(frames: dict[str, Picture], title: str) -> Picture:
    """Return one picture of several, each inside a cluster with its caption."""
    first = next(iter(frames.values()))
    whole = Picture(clean_text(title, 200), first.direction, first.ranksep)
    for caption, part in frames.items():
        start, outer = len(whole.boxes), f"cluster_{len(whole.clusters)}"
        whole.clusters.append(Cluster(outer, caption))
        names = {box.id: f"n{start + place}" for place, box in enumerate(part.boxes)}
        scopes: dict[str | None, str] = {None: outer}
        for cluster in part.clusters:
            scopes[cluster.id] = f"cluster_{len(whole.clusters)}"
            whole.clusters.append(
                Cluster(scopes[cluster.id], cluster.caption, scopes[cluster.parent])
            )
        whole.boxes += [
            replace(
                box,
                id=names[box.id],
                cluster=scopes[box.cluster],
                copy_of=names[box.copy_of] if box.copy_of else None,
            )
            for box in part.boxes
        ]
        whole.arrows += [
            replace(arrow, tail=names[arrow.tail], head=names[arrow.head]) for arrow in part.arrows
        ]
        whole.ties += [(names[one], names[other]) for one, other in part.ties]
    return whole
