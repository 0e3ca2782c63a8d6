"""`draw`: from a tensor, graph or model to a drawing, which can be saved or shown in a notebook.

`draw` lists the stages: check the options, find the graph of the subject, make a `Picture`. A
`Drawing` then turns the picture into DOT, SVG and the other formats when they are asked for.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from autograd_mini.core.graph import Graph, as_graph
from autograd_mini.core.tensor import Tensor
from autograd_mini.errors import AutogradError
from autograd_mini.files import write_file

from .errors import PictureError, SlowLayoutError
from .formats import check_path
from .graphs.graph_views import COLLECTORS, GraphView, compiled_picture, graph_picture
from .graphs.operations import Facts, view_facts
from .graphs.scalars import scalar_picture, suits_scalar_view
from .graphs.scopes import Open
from .output.dot import make_digraph
from .output.layout import Engine, lay_out, missing_characters, place_in_rows
from .output.notebook import notebook_bundle
from .output.svg import finish_svg
from .output.text_formats import write_json, write_mermaid, write_model_explorer
from .overlays import Names
from .picture import BESIDE, Direction, Picture
from .style import THEMES, Theme, apply_theme

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Numbers

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


class Drawing:
    """A picture that can be saved, and that a notebook displays.

    Attributes:
        picture: the boxes, arrows and clusters.
        engine: the layout program.
        theme: "auto", "light", "dark" or "print".
    """

    def __init__(
        self,
        picture: Picture,
        engine: Engine = "graphviz-pure",
        theme: Theme = "auto",
        facts: Callable[[], dict[str, Facts]] = dict,
    ) -> None:
        self.picture = picture
        self.engine = engine
        self.theme = theme
        self._facts = facts
        self._dot: str | None = None
        self._svg: str | None = None

    @property
    def dot(self) -> str:
        """The DOT text."""
        if self._dot is None:
            self._dot = apply_theme(str(make_digraph(self.picture).source), self.theme)
        return self._dot

    @property
    def drawn(self) -> bytes:
        """The SVG file as the layout program draws it."""
        return self._draw_file("svg")

    @property
    def svg(self) -> str:
        """The SVG text, complete as a file."""
        if self._svg is None:
            self._svg = finish_svg(self.drawn, self.picture, self.dot, follows=self.theme == "auto")
        return self._svg

    @property
    def png(self) -> bytes:
        """The PNG file, on white. Warns of characters that its fonts do not have."""
        lacking = missing_characters(self.picture.texts())
        if lacking and self.engine == "graphviz-pure":
            warnings.warn(
                f"the fonts of the PNG lack {' '.join(lacking)}, drawn as empty boxes; save as "
                ".svg, which has no such limit, or use engine='dot'",
                UserWarning,
                stacklevel=2,
            )
        return self._draw_file("png")

    @property
    def pdf(self) -> bytes:
        """The PDF file, which the system's Graphviz draws.

        Raises:
            LayoutError: if there is no `dot`; the message says how to install it.
        """
        return self._draw_file("pdf", "dot")

    def _draw_file(self, kind: Literal["svg", "png", "pdf"], engine: Engine | None = None) -> bytes:
        """Return the file; if its layout takes too long, lay the boxes out in plain rows."""
        engine = engine or self.engine
        try:
            return lay_out(self.dot, kind, placed=self.picture.placed, engine=engine)
        except SlowLayoutError as error:
            warnings.warn(f"{error}; the boxes are drawn in plain rows", UserWarning, stacklevel=3)
        source = apply_theme(str(make_digraph(place_in_rows(self.picture)).source), self.theme)
        return lay_out(source, kind, placed=True, engine=engine)

    @property
    def mermaid(self) -> str:
        """The text of a Mermaid flowchart."""
        return write_mermaid(self.picture)

    @property
    def json(self) -> str:
        """The nodes, edges and scopes as JSON; `viz.output.text_formats` has the form."""
        return write_json(self.picture, self._facts())

    @property
    def model_explorer(self) -> str:
        """The JSON that Google's Model Explorer opens."""
        return write_model_explorer(self.picture, self._facts())

    def save(self, path: str | os.PathLike[str], *, format: str | None = None) -> Path:
        """Write a file in the format that its suffix or `format` names, and return its path.

        The file is written whole or not at all.

        Raises:
            PictureError: for another format, or if the directory does not exist.
            LayoutError: if the layout program is missing or fails.
            OSError: if the file cannot be written.
        """
        target, kind = check_path(path, format)
        if kind not in WRITERS:
            raise PictureError(
                f"a drawing cannot be a page; write viz.render(subject, {str(target)!r})"
            )
        write_file(target, WRITERS[kind](self))
        return target

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        return notebook_bundle(self.svg, repr(self))

    def __repr__(self) -> str:
        boxes = sum(box.role not in BESIDE for box in self.picture.boxes)
        arrows = len(self.picture.arrows)
        return f"<Drawing {self.picture.title!r}: {boxes} boxes, {arrows} arrows>"


WRITERS: Final[dict[str, Callable[[Drawing], str | bytes]]] = {
    "svg": lambda drawing: drawing.svg,
    "png": lambda drawing: drawing.png,
    "pdf": lambda drawing: drawing.pdf,
    "dot": lambda drawing: drawing.dot,
    "mermaid": lambda drawing: drawing.mermaid,
    "json": lambda drawing: drawing.json,
    "model-explorer": lambda drawing: drawing.model_explorer,
}
"""Format → the content of its file."""


def draw(
    subject: object,
    *,
    view: View | None = None,
    direction: Direction | None = None,
    limit: int | None = 40,
    title: str | None = None,
    open: Open = None,
    overlay: Names = None,
    sample: Numbers | None = None,
    engine: Engine = "graphviz-pure",
    theme: Theme | None = None,
) -> Drawing:
    """Draw a computation graph or a network.

    Args:
        subject: a tensor, a sequence of tensors, a `Graph`, a model, or a compiled function (its
            program after the passes; `step.recorded` is the program before them), or an error that
            an operation on tensors raised: then the graph up to that operation. Of what
            `am.explain` returns, the graph with the first path lit.
        view: what to show; by default what suits the subject.
            "operations": one box for each operation, shapes on the arrows.
            "tensors": also one box for each result.
            "forward": a training step without its backward and update.
            "backward": next to each box of the forward, its step of the backward.
            "compiled": a compiled function before and after the passes.
            "scalars": 0-d tensors with data and grad.
            "neurons": the circles of a network of dense layers.
        direction: "TB" (default for graphs of operations) or "LR" (default for other views).
        limit: about how many boxes to draw at most, None for all.
        title: read aloud by screen readers.
        open: scopes to show open: a path as "mlp/dense_2" or "block_*", several, a depth (0 folds
            all), or a function of a path that returns True, False or None (the limit decides).
        overlay: one or several of "values" (statistics), "gradients" (norms), "nonfinite" (where
            NaN arises), "time", "memory", "flops", "parameters". Each adds a line to the boxes;
            the first one with a scale colours them.
        sample: one input of a network, a vector: its neurons show their values for it.
        engine: the layout program, "graphviz-pure" or the system's "dot".
        theme: "auto" (an SVG follows its reader's page), "light", "dark" or "print" (no colours).

    Raises:
        PictureError: if the subject cannot be drawn, or not in this view.

    >>> import autograd_mini as am
    >>> x = am.tensor([1.0, 2.0], name="x")
    >>> draw((x * x).sum())
    <Drawing 'Computation graph': 4 boxes, 4 arrows>
    """
    refuse_unknown_options(view, direction, limit, engine, theme)
    _refuse_options_of_operations(view, overlay=overlay, open=open)
    alone = view in ("compiled", "neurons") or isinstance(subject, BaseException)
    graph = None if alone else find_graph(subject)
    facts: Callable[[], dict[str, Facts]] = dict
    marked = _find_marked_drawing(subject)
    if marked is not None:
        _refuse_options_of_graphs(view, overlay=overlay, sample=sample)
        picture = marked(subject, limit, direction or "TB", title, open)
    elif view == "compiled":
        picture = compiled_picture(subject, limit, direction or "TB", title)
    elif view == "neurons" or (view is None and graph is None):
        picture = _draw_network(subject, sample, direction, limit, title)
    else:
        graph = _require_graph(graph, subject, sample)
        picture, facts = _draw_graph(graph, view, direction, limit, title, open, overlay)
    return Drawing(picture, engine, theme or "auto", facts)


def _find_marked_drawing(subject: object) -> Callable[..., Picture] | None:
    """Return what draws an error, or the path of an explanation; None for other subjects.

    Both are imported here, since few programs need them.
    """
    if isinstance(subject, BaseException):
        from .failure import failure_picture

        return failure_picture
    module = sys.modules.get("autograd_mini.explanation")  # without it there is no explanation
    if module is None or not isinstance(subject, module.Explanation):
        return None
    from .explained_path import path_picture

    return path_picture


def _refuse_options_of_graphs(view: View | None, **options: object) -> None:
    """Refuse another view, and measures, of an error or an explanation."""
    if view not in (None, "operations"):
        raise PictureError(
            f"an error or an explanation is drawn as operations, not in view={view!r}"
        )
    for name, given in options.items():
        if given is not None and not (isinstance(given, (list, tuple, str)) and not given):
            raise PictureError(f"{name}= is not for an error or an explanation; leave it out")


def _refuse_options_of_operations(view: View | None, **options: object) -> None:
    """Refuse options that only views of operations have, if another view is asked for."""
    for name, given in options.items():
        if given not in (None, [], ()) and view in ("compiled", "scalars", "neurons"):
            raise PictureError(f"{name}= is for views of operations, not for view={view!r}")


def _require_graph(graph: Graph | None, subject: object, sample: object) -> Graph:
    """Return the graph; refuse a subject without one, and a sample, which only models take."""
    if sample is not None:
        raise PictureError("sample= is for the neurons of a model; draw the model itself")
    if graph is None:
        raise no_graph_error(subject)
    return graph


def _draw_network(
    model: object, sample: object, direction: Direction | None, limit: int | None, title: str | None
) -> Picture:
    if direction == "TB":
        raise PictureError(
            "direction='TB' is not for neurons, which run from left to right; leave it out, "
            "or draw the graph of the output: viz.render(model(x), path, direction='TB')"
        )
    from .networks.mlp import (
        neuron_picture,
        read_network,  # imported here, since it loads autograd_mini.nn
    )

    return neuron_picture(read_network(model, sample), title=title, limit=limit)


def _draw_graph(
    graph: Graph,
    view: Any,
    direction: Direction | None,
    limit: int | None,
    title: str | None,
    open: Open,
    overlay: Names,
) -> tuple[Picture, Callable[[], dict[str, Facts]]]:
    """Return the picture of a graph, and what computes the facts about its boxes."""
    plain = not overlay and open is None
    if view == "scalars" or (view is None and plain and suits_scalar_view(graph)):
        picture = scalar_picture(graph, limit=limit, direction=direction or "LR", title=title)
        return picture, dict
    picture, collector = graph_picture(
        graph, view or "operations", limit, direction or "TB", title, open, overlay
    )
    return picture, lambda: view_facts(collector)


def mimebundle(subject: object) -> dict[str, Any]:
    """Return picture and text, as a notebook shows a tensor, graph, model or compiled function.

    A leaf has no graph, so it has only its text, as has everything that cannot be drawn.
    """
    text = repr(subject)
    if isinstance(subject, Tensor) and subject.is_leaf:
        return {"text/plain": text}
    try:
        return notebook_bundle(draw(subject).svg, text)
    except AutogradError:
        return {"text/plain": text}
