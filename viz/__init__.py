"""Pictures of computation graphs and networks.

>>> import autograd_mini as am, viz
>>> x = am.tensor(2.0, name="x", requires_grad=True)
>>> drawing = viz.draw(x * x + 1)
>>> print(drawing)
<Drawing 'Computation graph': 5 boxes, 5 arrows>

`viz.render(y, "graph.svg")` writes a file; a drawing at the end of a notebook's cell shows itself.
"""

from __future__ import annotations

from .comparison.difference import Difference, difference
from .drawing import Drawing, draw, mimebundle
from .errors import LayoutError, PictureError
from .pages.webpage import page
from .picture import Arrow, Box, Cell, Cluster, Picture
from .rendering import render
from .stepping.series import Frame, Frames, frames
from .theme import Theme
from .wording.language import add_language, messages

__all__ = [
    "Arrow",
    "Box",
    "Cell",
    "Cluster",
    "Difference",
    "Drawing",
    "Frame",
    "Frames",
    "LayoutError",
    "Picture",
    "PictureError",
    "Theme",
    "add_language",
    "difference",
    "draw",
    "frames",
    "messages",
    "mimebundle",
    "page",
    "render",
]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
