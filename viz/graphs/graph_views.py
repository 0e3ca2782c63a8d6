"""The views of a graph that begin with its outline: which of them there are, and their pictures."""

from __future__ import annotations

from typing import Final, Literal

from autograd_mini.core.graph import Graph

from ..overlays import Names, add_overlays, measure_overlays
from ..picture import Direction, Picture
from .backward_view import BackwardView
from .builder import default_title
from .forward_graph import extract_forward
from .opening import Open
from .operations import OperationsView
from .outline import Outline
from .tensors_view import TensorsView

GraphView = Literal["operations", "tensors", "forward", "backward"]
COLLECTORS: Final[dict[GraphView, type[OperationsView]]] = {
    "operations": OperationsView,
    "tensors": TensorsView,
    "forward": OperationsView,
    "backward": BackwardView,
}
"""View → what collects its picture."""
SHARE: Final[dict[GraphView, int]] = {"tensors": 2, "backward": 2}
"""How many boxes a view draws for one of the outline, about; 1 unless it is here."""


def graph_picture(
    graph: Graph,
    view: GraphView,
    limit: int | None,
    direction: Direction,
    title: str | None,
    open: Open = None,
    overlay: Names = None,
) -> tuple[Picture, OperationsView]:
    """Draw a graph in one of these views; return the picture, and what collected it.

    Args:
        graph: what to draw.
        view: which one.
        limit: about how many boxes to draw at most; scopes fold, then the operations furthest
            from the outputs are left out and counted.
        direction: top to bottom or left to right.
        title: for screen readers.
        open: which scopes are open, as in `draw`.
        overlay: what is laid over it, as in `draw`.

    Raises:
        PictureError: if the graph has nothing to show in this view.
    """
    outline = Outline(*outline_arguments(graph, view, limit), open=open, repeats=not overlay)
    collector = COLLECTORS[view](outline, title or default_title(graph), direction)
    found = measure_overlays(overlay, outline.graph)
    return add_overlays(collector.picture(), collector, found), collector


def outline_arguments(graph: Graph, view: GraphView, limit: int | None) -> tuple[Graph, int | None]:
    """Return what an outline needs of a view: the graph that it shows, and how many parts."""
    if view == "forward":
        graph = extract_forward(graph)
    return graph, None if limit is None else max(limit // SHARE.get(view, 1), 4)
