"""Overlays: measures of a graph, laid over the view of its operations; `OVERLAYS` lists them all.

`flops` has the costs (operations, memory, parameters, time), `values` the statistics of numbers.

Each overlay measures a graph once. Then it gives a reading for each operation, folded scope and
leaf. A reading becomes a line of the box, a colour, or both; a legend explains the colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from autograd_mini.core.graph import Graph

from ..errors import PictureError
from ..graphs.operations import OperationsView
from ..picture import Picture
from .flops import Flops, Memory, Parameters, Time
from .readings import Overlay, apply_overlays
from .values import Gradients, Nonfinite, Values

OVERLAYS: Final[dict[str, type[Overlay]]] = {
    "values": Values,
    "gradients": Gradients,
    "nonfinite": Nonfinite,
    "time": Time,
    "memory": Memory,
    "flops": Flops,
    "parameters": Parameters,
}
"""Name → overlay."""


Names = str | Iterable[str] | None
"""What `overlay=` takes."""


def measure_overlays(names: Names, graph: Graph) -> list[Overlay]:
    """Measure a graph for these overlays.

    Raises:
        PictureError: for an unknown name, or a graph that has nothing to measure.
    """
    wanted = [names] if isinstance(names, str) else list(names or ())
    for name in wanted:
        if name not in OVERLAYS:
            known = ", ".join(map(repr, OVERLAYS))
            raise PictureError(f"overlay={name!r:.40} is not known; expected some of {known}")
    return [OVERLAYS[name](graph) for name in wanted]


def add_overlays(picture: Picture, view: OperationsView, found: list[Overlay]) -> Picture:
    """Return a picture with overlays: each adds a line, the first one with a scale fills boxes."""
    return apply_overlays(picture, overlay_subjects(view), found) if found else picture


def overlay_subjects(view: OperationsView) -> dict[str, object]:
    """Return what the boxes of a view stand for: parts, tensors and arrays."""
    boxes: dict[str, Any] = {box: part for part, box in view.box_of_part.items()}
    boxes |= {box: source.value for source, box in view.box_of_source.items()}
    return boxes | view.drawn_arrays()
