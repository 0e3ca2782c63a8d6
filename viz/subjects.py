"""What can be drawn: find the graph of a subject, and refuse unknown options."""

from __future__ import annotations

from typing import Final, Literal

from autograd_mini.core.graph import Graph, as_graph
from autograd_mini.core.tensor import Tensor

from .errors import PictureError
from .graphs.graph_views import COLLECTORS, GraphView
from .style import THEMES

View = GraphView | Literal["compiled", "scalars", "neurons"]
VIEWS: Final = (*COLLECTORS, "compiled", "scalars", "neurons")


def refuse_unknown_options(
    view: str | None,
    direction: str | None,
    limit: int | None,
    engine: str,
    theme: str | None = None,
) -> None:
    """Refuse unknown options.

    Raises:
        PictureError: names the option and what is expected.
    """
    for name, value, known in (
        ("view", view, (None, *VIEWS)),
        ("direction", direction, (None, "TB", "LR")),
        ("engine", engine, ("graphviz-pure", "dot")),
        ("theme", theme, (None, *THEMES)),
    ):
        if value not in known:
            listed = ", ".join(repr(x) for x in known if x)
            raise PictureError(f"{name}={value!r} is not known; expected one of {listed}")
    if limit is not None and (not isinstance(limit, int) or limit < 4):
        raise PictureError(f"limit={limit!r} is too few; expected a whole number from 4, or None")


def find_graph(subject: object) -> Graph | None:
    """Return the graph of a subject, None for anything else, which may be a model.

    A compiled function has the graph of its program, which holds no values.
    """
    graph = as_graph(subject)
    if graph is not None:
        return graph
    outputs = subject if isinstance(subject, list | tuple) else [subject]
    if all(isinstance(y, Tensor) for y in outputs):
        if not outputs:
            raise no_graph_error(subject)
        return Graph(*outputs)
    found = as_graph(getattr(subject, "program", None))
    found = getattr(subject, "graph", None) if found is None else found
    return found if isinstance(found, Graph) else None


def no_graph_error(subject: object) -> PictureError:
    """Return the error for a subject without a graph."""
    return PictureError(
        f"no graph in {type(subject).__name__} {subject!r:.60}; expected a tensor, a sequence "
        "of tensors, a Graph or a compiled function. For a model's graph, draw what it returns: "
        "viz.render(model(x), path)"
    )
