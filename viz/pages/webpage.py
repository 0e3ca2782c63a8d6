"""`page`: one HTML file to explore a graph: pan, zoom, open and fold scopes, search, play, save.

All layouts are computed in advance and stored in the file, so it needs no network and no program.
Texts of the user (names, scopes) are data for the script, never markup. A content security policy
lets only the script of the page run.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from ..drawing import (
    View,
    check_labels,
    draw_picture,
    find_graph,
    finish_picture,
    make_wording,
    refuse_options_of_operations,
    refuse_unknown_options,
)
from ..errors import PictureError
from ..graphs.scalars import refuse_other_scalars, suits_scalar_view
from ..graphs.scopes import Open
from ..output.layout import Engine
from ..output.svg import HALO
from ..overlays import Names
from ..picture import Direction
from ..style import CLUSTER, DARK, DARK_PAGE, FONT_FAMILY, OUTSIDE
from ..texts import clean_text
from ..wording.language import ENGLISH, say, use_wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autograd_mini.core.arrays import Numbers

    from ..networks.columns import Classes
    from ..networks.columns import Names as Inputs
    from ..picture import Picture, Role
    from ..wording.language import Wording
    from .page_data import Data

EDITOR: Final = "vscode://file/{path}:{line}"
LINKS: Final = re.compile(r"(https?|file|[a-z][a-z0-9.+-]*)://", re.I)
LARGE: Final = 2_000_000
"""Data of more letters are compressed in the file; smaller ones can be read as they are."""
FRAME_HEIGHT: Final = 620
"""The height of a page in a notebook, in pixels."""


class Page(str):
    """The text of a page. In a notebook it shows itself; elsewhere it is a string."""

    __slots__ = ()

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        return {"text/html": frame_page(self), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return f"<Page {page_title(self)!r}: {len(self) / 1000:,.0f} kB>"


def page_title(text: str) -> str:
    """Return the title of a page."""
    from html import unescape

    found = re.search("<title>(.*?)</title>", text, re.S)
    return unescape(found.group(1)) if found else ""


def frame_page(text: str) -> str:
    """Return the element that shows a page inside another one."""
    return (
        f'<iframe srcdoc="{escape(text)}" title="{escape(page_title(text))}" '
        f'allow="clipboard-write; fullscreen" loading="lazy" style="width:100%;'
        f'height:{FRAME_HEIGHT}px;border:0"></iframe>'
    )


def page(
    subject: Numbers,
    *,
    view: View | None = None,
    direction: Direction | None = None,
    limit: int | None = 40,
    title: str | None = None,
    open: Open = None,
    overlay: Names = None,
    frames: bool | None = None,
    sample: Any = None,
    inputs: Inputs = None,
    classes: Classes = None,
    labels: Mapping[str, str] | None = None,
    caption: str | None = None,
    legend: bool = False,
    language: str = ENGLISH,
    engine: Engine = "graphviz-pure",
    source_link: str | None = EDITOR,
) -> Page:
    """Return a page that shows a subject: the text of one HTML file, which a notebook displays.

    In the page: drag to move, wheel or + and − to zoom, 0 to fit. Click folded scopes to open them,
    any number at once, and their captions to fold them. `/` searches, also in folded scopes. Point
    at a box to see the facts about it, its path to the result, and where else its tensor is; click
    to keep them. Arrow keys walk from box to box along the arrows. A slider plays the steps. Save
    copies or writes what is shown as SVG or PNG; the address holds what is open, chosen and played.
    The page works without a network.

    Args:
        subject: what `draw` takes.
        view: as in `draw`.
        direction: as in `draw`.
        limit: about how many boxes to show at first, None for all.
        title: the heading of the page.
        open: as in `draw`, for the first look.
        overlay: as in `draw`.
        frames: whether to include the steps; by default where there are values and the graph has
            no more than 2000 operations.
        sample: as in `draw`.
        inputs: as in `draw`.
        classes: as in `draw`.
        labels: as in `draw`.
        caption: as in `draw`.
        legend: as in `draw`; it explains the boxes inside of folded scopes, too.
        language: as in `draw`; the buttons and keys of the page speak it too.
        engine: the layout program.
        source_link: the address of a line of source, with `{path}` and `{line}`; None for no links.
            By default it opens Visual Studio Code. Lines are known of operations that were
            recorded in `am.debug()`.

    Raises:
        PictureError: if the subject cannot be drawn, or `source_link` is no address.
    """
    refuse_unknown_options(view, direction, limit, engine)
    _refuse_source_link(source_link)
    wording = make_wording(language, labels)
    ending = Ending(caption, legend)
    naming = Naming(sample, inputs, classes)
    with use_wording(wording):
        data, picture = _make_data(
            subject,
            view,
            direction,
            limit,
            title,
            open,
            overlay,
            frames,
            naming,
            ending,
            engine,
            wording,
        )
        check_labels(wording, picture, subject)
        return Page(_fill_template(data | {"source": source_link, "look": _look()}, language))


@dataclass(frozen=True, slots=True)
class Naming:
    """What a page says of a network: a sample, and the names of inputs and classes."""

    sample: Any = None
    inputs: Inputs = None
    classes: Classes = None


@dataclass(frozen=True, slots=True)
class Ending:
    """What stands below a picture: a caption, and whether there is a legend."""

    caption: str | None
    legend: bool

    def add_to(self, picture: Picture, inside: Iterable[Role] = ()) -> Picture:
        """Return a picture with it; `inside` are further roles for the legend."""
        return finish_picture(picture, self.caption, self.legend, inside)


def _make_data(
    subject: Numbers,
    view: View | None,
    direction: Direction | None,
    limit: int | None,
    title: str | None,
    open: Open,
    overlay: Names,
    frames: bool | None,
    naming: Naming,
    ending: Ending,
    engine: Engine,
    wording: Wording,
) -> tuple[Data, Picture]:
    """Return the data of a page and its first picture, in the wording of the block around."""
    # imported here, so that `import viz` does not load what only pages need
    from .fold_states import PageState, backward_states, scalar_state
    from .page_data import collect_words, graph_levels, level_data, state_data

    graph = None if view == "neurons" or view == "compiled" else find_graph(subject)
    of_network = (naming.sample, naming.inputs, naming.classes)
    if graph is None or view in ("neurons", "compiled") or any(x is not None for x in of_network):
        refuse_options_of_operations(view, overlay=overlay, open=open)
        picture, _ = draw_picture(
            subject, view, direction, limit, title, open, overlay, *of_network
        )
        states = [PageState(picture)]
    elif view == "scalars" or (
        view is None and not overlay and open is None and suits_scalar_view(graph)
    ):
        refuse_options_of_operations("scalars", overlay=overlay, open=open)
        refuse_other_scalars(graph)
        states = [scalar_state(graph, direction or "LR", limit, title, frames)]
    elif view == "backward":
        states = backward_states(graph, direction or "TB", limit, title, open, overlay)
    else:
        shown: Any = view or "operations"
        root, steps = graph_levels(
            graph, shown, direction or "TB", limit, title, open, overlay, frames
        )
        inside = [box.role for level in root.all_levels() for box in level.picture.boxes]
        root.picture = ending.add_to(root.picture, inside)
        return level_data(root, steps, engine) | collect_words(), root.picture
    for state in states:
        state.picture = ending.add_to(state.picture)
    return state_data(states, engine, wording) | collect_words(), states[0].picture


def _refuse_source_link(link: str | None) -> None:
    """Refuse an address that is none, or one without a place for the path."""
    if link is not None and (
        not isinstance(link, str) or not LINKS.match(link) or "{path}" not in link
    ):
        raise PictureError(
            f"source_link={link!r:.80} is not known; expected an address as "
            "'vscode://file/{path}:{line}' or 'https://host/repository/blob/main/{path}#L{line}', "
            "or None for no links"
        )


def _look() -> Data:
    """Return the colours of the pictures on a dark page, and those of an open scope."""
    return {
        "dark": DARK,
        "ground": DARK_PAGE,
        "halo": HALO,
        "outside": OUTSIDE,
        "font": FONT_FAMILY,
        "cluster": {"stroke": CLUSTER["color"], "fill": CLUSTER["fillcolor"]},
    }


def _fill_template(data: Data, language: str) -> str:
    """Return the page with its texts, style, script and data in place.

    What stands in double braces is one of these, or a message.
    """
    text = _embed_json(data)
    script = read_resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    values = {
        "title": escape(clean_text(data["title"], 200, lines=1)),
        "language": escape(language),
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'",
        "style": read_resource("page.css"),
        "script": script,
        "data": text if len(text) <= LARGE else _compress(text),
        "kind": "application/json" if len(text) <= LARGE else "application/gzip",
    }
    parts = read_resource("page.html").split("{{")
    rest = (part.partition("}}") for part in parts[1:])
    return parts[0] + "".join(
        (values[name] if name in values else escape(say(name))) + text for name, _, text in rest
    )


def _embed_json(data: Mapping[str, object]) -> str:
    """Return JSON that can stand in a page: it has no characters that could end its element."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _compress(text: str) -> str:
    """Return a text compressed by gzip, in letters; equal texts give equal letters."""
    return base64.b64encode(gzip.compress(text.encode(), 5, mtime=0)).decode()


@cache
def read_resource(name: str) -> str:
    """Return a file that comes with the package."""
    return files("viz.pages").joinpath(name).read_text(encoding="utf-8")
