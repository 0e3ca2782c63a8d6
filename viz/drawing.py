"""`draw`: from a tensor, graph or model to a drawing, which can be saved or shown in a notebook.

`draw` lists the stages: check the options, find the graph of the subject, make a `Picture`. A
`Drawing` then turns the picture into DOT, SVG and the other formats when they are asked for.
`VIEWS` lists the names of all views; those of operations are in `graphs/graph_views`.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from types import FunctionType
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
from .legend import add_legend
from .output.conversion import EXTRA, can_convert, convert_to_pdf, convert_to_pngs
from .output.dot import make_digraph
from .output.layout import (
    Engine,
    find_misplaced,
    find_sides,
    lay_out,
    lift_leaves,
    missing_characters,
    place_in_rows,
)
from .output.notebook import notebook_bundle
from .output.svg import finish_svg, read_centres
from .output.text_formats import write_json, write_mermaid, write_model_explorer
from .overlays import Names
from .picture import BESIDE, Direction, Picture, Role
from .reading import scope_of, scope_path
from .style import FONT_FAMILY, THEMES, ThemeName, apply_theme
from .texts import clean_text, describe_picture
from .theme import Theme
from .wording.language import ENGLISH, Wording, load_language, use_wording

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Numbers

    from .fitting import Fit, Fitted
    from .networks.columns import Classes
    from .networks.columns import Names as Inputs

LONGEST_CAPTION: Final = 1000
MOST_CAPTION_LINES: Final = 12
View = GraphView | Literal["compiled", "scalars", "neurons"]
VIEWS: Final = (*COLLECTORS, "compiled", "scalars", "neurons")


def refuse_unknown_options(
    view: str | None,
    direction: str | None,
    limit: int | None,
    engine: str,
    theme: str | Theme | None = None,
) -> None:
    """Refuse unknown options.

    Raises:
        PictureError: names the option and what is expected.
    """
    for name, value, known in (
        ("view", view, (None, *VIEWS)),
        ("direction", direction, (None, "TB", "LR")),
        ("engine", engine, ("graphviz-pure", "dot")),
        ("theme", None if isinstance(theme, Theme) else theme, (None, *THEMES)),
    ):
        if value not in known:
            listed = ", ".join(repr(x) for x in known if x)
            listed += ", or viz.Theme(…)" if name == "theme" else ""
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
        theme: "auto", "light", "dark" or "print", or a `Theme`.
    """

    def __init__(
        self,
        picture: Picture,
        engine: Engine = "graphviz-pure",
        theme: ThemeName | Theme = "auto",
        facts: Callable[[], dict[str, Facts]] = dict,
        wording: Wording | None = None,
        fitted: Fitted | None = None,
    ) -> None:
        self.picture = picture
        self.engine = engine
        self.theme = theme
        self._wording = wording or Wording()
        self._facts = facts
        self._fitted = fitted
        self._settled = False
        self._dot: str | None = None
        self._svg: str | None = None
        self._drawn: bytes | None = None

    @property
    def dot(self) -> str:
        """The DOT text."""
        if self._dot is None:
            known = self._fitted.dot if self._fitted else str(make_digraph(self.picture).source)
            self._dot = self._apply_theme(known)
        return self._dot

    def _apply_theme(self, source: str) -> str:
        """Return a DOT text in the colours of the theme, which is the library's or the user's."""
        theme = self.theme
        return theme.apply(source) if isinstance(theme, Theme) else apply_theme(source, theme)

    @property
    def drawn(self) -> bytes:
        """The SVG file as the layout program draws it."""
        if self._drawn is None:
            self._drawn = self._draw_file("svg")
        return self._drawn

    @property
    def svg(self) -> str:
        """The SVG text, complete as a file."""
        if self._svg is None:
            self._svg = self._finish_svg(follows=self.theme == "auto")
        return self._svg

    def _finish_svg(self, *, follows: bool) -> str:
        """Return the SVG text; `follows` says whether it turns dark on a dark page."""
        page = self._fitted.page if self._fitted else None
        with use_wording(self._wording):
            return finish_svg(
                self.drawn,
                self.picture,
                self.dot,
                follows=follows,
                family=self.theme.family if isinstance(self.theme, Theme) else FONT_FAMILY,
                language=self._wording.language,
                size=(page.width, page.height) if page else None,
            )

    @property
    def png(self) -> bytes:
        """The PNG file, on white.

        Characters that the layout program's fonts lack are drawn by Typst with those of the
        machine. Without Typst a warning names them.
        """
        lacking = missing_characters(self.picture.texts())
        if not lacking or self.engine != "graphviz-pure":
            return self._draw_file("png")
        if can_convert():
            return next(convert_to_pngs([self._finish_svg(follows=False)], "a PNG"))
        warnings.warn(
            f"the fonts of the PNG lack {' '.join(lacking)}, drawn as empty boxes; save as .svg, "
            f"or install what draws them: {EXTRA}",
            UserWarning,
            stacklevel=2,
        )
        return self._draw_file("png")

    @property
    def pdf(self) -> bytes:
        """The PDF file: the SVG of the theme, on the ground of its page, with its letters as text.

        `engine="dot"` lets the system's Graphviz draw it.

        Raises:
            LayoutError: if Typst is not installed; the message says how to install it.
        """
        if self.engine == "dot":
            return self._draw_file("pdf")
        svg = self._finish_svg(follows=False)
        return convert_to_pdf(svg, self.picture.title, describe_picture(self.picture))

    @property
    def tikz(self) -> str:
        """The LaTeX text of a standalone picture. Warns of characters that need LuaLaTeX."""
        from .output.tikz import write_tikz

        return write_tikz(self._finish_svg(follows=False), self.picture)

    def _draw_file(self, kind: Literal["svg", "png", "pdf"]) -> bytes:
        """Return the file; if its layout takes too long, lay the boxes out in plain rows."""
        if self._fitted:
            scale = self._fitted.scale
            return lay_out(self.dot, kind, placed=True, engine=self.engine, scale=scale)
        try:
            return self._lay_out_settled(kind)
        except SlowLayoutError as error:
            warnings.warn(f"{error}; the boxes are drawn in plain rows", UserWarning, stacklevel=3)
        source = self._apply_theme(str(make_digraph(place_in_rows(self.picture)).source))
        return lay_out(source, kind, placed=True, engine=self.engine)

    def _lay_out_settled(self, kind: Literal["svg", "png", "pdf"]) -> bytes:
        """Return the file; leaves at the wrong side of their user are lifted above it."""
        if not self._settled and self.engine == "graphviz-pure" and find_sides(self.picture):
            drawn = lay_out(self.dot, "svg", placed=False, engine=self.engine)
            misplaced = find_misplaced(self.picture, read_centres(drawn))
            self._settled = True
            if misplaced:
                lifted = lift_leaves(self.picture, misplaced)
                self._dot = self._apply_theme(str(make_digraph(lifted).source))
            elif kind == "svg":
                return drawn
        return lay_out(self.dot, kind, placed=self.picture.placed, engine=self.engine)

    @property
    def mermaid(self) -> str:
        """The text of a Mermaid flowchart."""
        return write_mermaid(self.picture)

    @property
    def json(self) -> str:
        """The nodes, edges and scopes as JSON; `viz.output.text_formats` has the form."""
        with use_wording(self._wording):
            return write_json(self.picture, self._facts())

    @property
    def model_explorer(self) -> str:
        """The JSON that Google's Model Explorer opens."""
        with use_wording(self._wording):
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
    "tikz": lambda drawing: drawing.tikz,
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
    inputs: Inputs = None,
    classes: Classes = None,
    labels: Mapping[str, str] | None = None,
    caption: str | None = None,
    legend: bool = False,
    language: str = ENGLISH,
    engine: Engine = "graphviz-pure",
    theme: ThemeName | Theme | None = None,
    fit: Fit | None = None,
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
        inputs: a name for each input of a network, beside its circle.
        classes: a name for each output of a network; of one with several heads, a list for each,
            or a mapping by the names of the heads.
        labels: names of tensors, scopes, operations or layers → what is drawn instead.
        caption: a text below the picture.
        legend: whether to explain the kinds of boxes that occur.
        language: of the words of the library: "en", "ru", or one of `viz.add_language`.
        engine: the layout program, "graphviz-pure" or the system's "dot".
        theme: "auto" (an SVG follows its reader's page), "light", "dark", "print" (no colours), or
            a `viz.Theme`.
        fit: the page that the picture fills: "16:9" (1600×900 pixels), "4:3", "a4", "a4 landscape",
            or width and height in pixels as (900, 500). Folding depth, direction and wrapping
            into columns are chosen so that no text is less than 12 pixels high on it.

    Warns if a text is smaller on the page of `fit=`, as it may be with `limit=None`.

    Raises:
        PictureError: if the subject cannot be drawn, or not in this view.

    >>> import autograd_mini as am
    >>> x = am.tensor([1.0, 2.0], name="x")
    >>> draw((x * x).sum())
    <Drawing 'Computation graph': 4 boxes, 4 arrows>
    """
    refuse_unknown_options(view, direction, limit, engine, theme)
    refuse_options_of_operations(view, overlay=overlay, open=open)
    chosen = make_wording(language, labels)
    fitted = None

    def make(
        limit: int | None, direction: Direction | None
    ) -> tuple[Picture, Callable[[], dict[str, Facts]]]:
        picture, facts = draw_picture(
            subject, view, direction, limit, title, open, overlay, sample, inputs, classes
        )
        return finish_picture(picture, caption, legend), facts

    with use_wording(chosen):
        if fit is None:
            picture, facts = make(limit, direction)
        else:
            from .fitting import fit_picture, read_page  # imported here, since few programs need it

            fitted, facts = fit_picture(make, read_page(fit), limit, direction, engine)
            picture = fitted.picture
    check_labels(chosen, picture, subject)
    return Drawing(picture, engine, theme or "auto", facts, chosen, fitted)


def draw_picture(
    subject: object,
    view: View | None,
    direction: Direction | None,
    limit: int | None,
    title: str | None,
    open: Open,
    overlay: Names,
    sample: Numbers | None,
    inputs: Inputs,
    classes: Classes,
) -> tuple[Picture, Callable[[], dict[str, Facts]]]:
    """Return the picture of a subject, and what computes the facts about its boxes.

    It speaks the wording of the block around; the arguments are those of `draw`.

    Raises:
        PictureError: if the subject cannot be drawn, or not in this view.
    """
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
        network = _draw_network(subject, sample, direction, limit, title, inputs, classes)
        refuse_options_of_operations("neurons", overlay=overlay, open=open)
        return network, dict
    else:
        graph = _require_graph(graph, subject, sample)
        picture, facts = _draw_graph(graph, view, direction, limit, title, open, overlay)
    for name, given in (("inputs", inputs), ("classes", classes)):
        if given is not None:
            raise PictureError(f"{name}= is for the neurons of a model; draw the model itself")
    return picture, facts


def make_wording(language: str, labels: Mapping[str, str] | None) -> Wording:
    """Return the wording of a drawing.

    Raises:
        PictureError: for a language that is not known, or labels that are not texts by names.
    """
    load_language(language)
    chosen = {} if labels is None else labels
    if not isinstance(chosen, Mapping) or not all(
        isinstance(text, str) for pair in chosen.items() for text in pair
    ):
        raise PictureError(
            f"labels={labels!r:.60} is not known; expected names and the texts for them, as "
            "{'x1': 'height'}"
        )
    return Wording(language, dict(chosen))


def finish_picture(
    picture: Picture, caption: str | None, legend: bool, inside: Iterable[Role] = ()
) -> Picture:
    """Return a picture with its caption, and with a legend of its roles if that is wanted.

    Args:
        picture: what is drawn.
        caption: the text below it.
        legend: whether there is a legend.
        inside: further roles that it explains, of boxes that appear in the picture later.

    Raises:
        PictureError: for another caption than a text, another legend than True or False.
    """
    if caption is not None and not isinstance(caption, str):
        raise PictureError(f"caption={caption!r:.40} is not a text; expected a text or None")
    if not isinstance(legend, bool):
        raise PictureError(f"legend={legend!r:.40} is not known; expected True or False")
    if caption:
        cleaned = clean_text(caption, LONGEST_CAPTION, MOST_CAPTION_LINES)
        picture = replace(picture, caption=cleaned)
    return add_legend(picture, inside) if legend else picture


def check_labels(chosen: Wording, picture: Picture, subject: object) -> None:
    """Refuse labels for names that the subject does not have; they may be folded away.

    Raises:
        PictureError: names the label and the nearest names.
    """
    left = [name for name in chosen.labels if name not in chosen.used]
    if not left:
        return
    graph = find_graph(subject) if not isinstance(subject, BaseException) else None
    known = _list_names(graph) if graph is not None else set()
    unknown = [name for name in left if name not in known]
    if unknown:
        drawn = {line for text in picture.texts() for line in text.split("\n")}
        near = get_close_matches(unknown[0], sorted(known or drawn), 3, 0.5)
        leaves = (*graph.inputs, *graph.parameters) if graph is not None else ()
        near = near or [x.name for x in leaves if x.name][:5]
        near = near or sorted(filter(None, known or drawn))[:5]
        raise PictureError(
            f"labels={{{unknown[0]!r:.40}: …}}: no tensor, scope, operation or layer has this "
            f"name; there is {', '.join(f'{name:.40}' for name in near) or 'none with a name'}"
        )


def _list_names(graph: Graph) -> set[str]:
    """Return the names of the tensors, scopes and operations of a graph."""
    leaves = (*graph.inputs, *graph.parameters, *graph.outputs)
    found = {x.name for x in leaves if x.name}
    for operation in graph.operations:
        found |= {operation.type, operation.primitive.symbol}
        found |= {y.name for y in operation.outputs if y.name}
        scope = scope_of(operation)
        while scope is not None:
            found |= {scope.name, scope_path(scope)}
            scope = scope.parent
    return found


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


def refuse_options_of_operations(view: View | None, **options: object) -> None:
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
    model: object,
    sample: object,
    direction: Direction | None,
    limit: int | None,
    title: str | None,
    inputs: Inputs,
    classes: Classes,
) -> Picture:
    if direction == "TB":
        raise PictureError(
            "direction='TB' is not for neurons, which run from left to right; leave it out, "
            "or draw the graph of the output: viz.render(model(x), path, direction='TB')"
        )
    if isinstance(model, Tensor | Graph):
        raise PictureError(
            "view='neurons' draws a model: a module, a list of layers, or an object with layers of "
            f"neurons; got {type(model).__name__}. Draw the model itself: viz.draw(model)"
        )
    if isinstance(model, type):
        raise PictureError(
            f"{model.__name__} is a class, which has no weights yet; draw an instance of it: "
            f"viz.draw({model.__name__}(…))"
        )
    if isinstance(model, FunctionType):
        name = model.__name__ if model.__name__.isidentifier() else "f"
        raise PictureError(
            f"{model.__name__} is a function, which has no graph until it is called; draw its "
            f"result: viz.draw({name}(x)), with a tensor x"
        )
    from .networks.columns import name_neurons, neuron_picture
    from .networks.mlp import read_network  # imported here, since it loads autograd_mini.nn

    network = name_neurons(read_network(model, sample), inputs, classes)
    return neuron_picture(network, title=title, limit=limit)


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
