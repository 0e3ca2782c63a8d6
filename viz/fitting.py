"""Fit: a picture for a page or a slide, whose texts stay large enough to be read there.

`fit_picture` tries less and less detail, both directions, and wrapping into columns, until the
smallest text is at least `SMALLEST` pixels high on the page. What the caller asked for (a
direction, opened scopes, `limit=None`) stays; if texts are smaller then, a warning names the cure.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import ceil
from typing import Any, Final

import graphviz

from .errors import PictureError, SlowLayoutError
from .output.dot import box_attributes, escape_label, make_digraph, wrap_caption
from .output.layout import Engine, lift_leaves, place_in_rows
from .output.placement import HALF_LINE, PAD, Placement, add_corners, measure_placed, write_placed
from .output.wrapping import GAP, HUNG, LANE, Strip, Wrapped, find_strips
from .picture import Direction, Picture, Point
from .style import CLUSTER, EDGE, NODE, OUTSIDE

PAGES: Final[dict[str, Point]] = {
    "16:9": (1600.0, 900.0),
    "4:3": (1200.0, 900.0),
    "a4": (794.0, 1123.0),
    "a4 landscape": (1123.0, 794.0),
}
"""Name → width and height in pixels; paper has 96 of them in an inch."""
Fit = str | Sequence[float]
"""What `fit=` takes."""
SMALLEST: Final = 12.0
"""The least height of a text on the page, in pixels."""
ENOUGH: Final = 18.0
"""Larger texts than this are hardly better."""
LARGEST_SCALE: Final = 2.0
"""A small picture grows by no more than this."""
PIXELS: Final = 4 / 3
"""CSS pixels in a point."""
DETAILS: Final = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12)
"""The shares of `limit` that are tried."""
FEWEST: Final = 4
MOST_PIECES: Final = 8
MOST_LIFTS: Final = 3
"""How often a picture is laid out again, each time with other leaves above their users."""
TRIED: Final = 3
"""So many ways of cutting are laid out, those that promise most."""
COST_OF_CUT: Final = 0.5
COST_OF_CROSSING: Final = 0.25
"""What a cut, and an arrow that crosses one, cost in pixels of the text's height."""
OTHER: Final[dict[Direction, Direction]] = {"TB": "LR", "LR": "TB"}
CAPTION_SIZE: Final = 18.0
"""The height of the letters of a caption, in pixels."""
LETTER_WIDTH: Final = 0.6
LINE_HEIGHT: Final = 1.2
"""Of a letter of a caption, and of its lines, where the height of its letters is 1."""
CAPTION: Final = {"shape": "plaintext", "margin": "0", "style": "", "id": "caption"}
LARGEST_SIDE: Final = 20_000.0
CONNECTORS: Final = 40.0
"""About how much room the arrows between pieces need, at either end of a piece, in points."""
LEGEND_GAP: Final = 12.0
"""Around legends."""
STEPS: Final = 12
"""In so many steps a free place for the legends is looked for, in either direction."""


@dataclass(frozen=True, slots=True)
class Page:
    """The area for a picture, in pixels."""

    width: float
    height: float


def read_page(fit: Fit) -> Page:
    """Return the page that `fit=` names.

    Raises:
        PictureError: for anything else than a known page, or width and height in pixels.

    >>> read_page("16:9")
    Page(width=1600.0, height=900.0)
    """
    if isinstance(fit, str):
        if fit.lower() in PAGES:
            return Page(*PAGES[fit.lower()])
        raise _bad_fit_error(fit)
    sides: list[Any] = list(fit) if isinstance(fit, Sequence) else []
    known = [x for x in sides if isinstance(x, int | float) and not isinstance(x, bool)]
    if len(sides) != 2 or len(known) != 2 or not all(100 <= x <= LARGEST_SIDE for x in known):
        raise _bad_fit_error(fit)
    return Page(float(known[0]), float(known[1]))


def _bad_fit_error(fit: object) -> PictureError:
    """Return the error for what `fit=` does not take."""
    return PictureError(
        f"fit={fit!r:.60} is not known; expected {', '.join(map(repr, PAGES))}, or width and "
        "height in pixels from 100 on, as fit=(900, 500)"
    )


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture on a page.

    Attributes:
        picture: with the detail that was chosen.
        page: where it stands.
        dot: the DOT text, with positions.
        scale: pixels on the page for one at natural size.
        text: the height of the smallest text on the page, in pixels.
        score: how good it is; larger texts and fewer cuts are better.
        corners: of the part of the page above the caption, in points.
    """

    picture: Picture
    page: Page
    dot: str
    scale: float
    text: float
    score: float
    corners: tuple[Point, Point]


def fit_picture(
    make: Callable[[int | None, Direction | None], tuple[Picture, Any]],
    page: Page,
    limit: int | None,
    direction: Direction | None,
    engine: Engine,
) -> tuple[Fitted, Any]:
    """Return the most detailed picture whose texts are large enough on a page.

    Args:
        make: draws with a limit and a direction; returns the picture and what belongs to it.
        page: where it has to fit.
        limit: about how many boxes to draw at most, None for all.
        direction: the caller's, None for the better one.
        engine: the layout program.

    Warns if the texts are smaller than `SMALLEST` even in the least detailed picture.
    """
    details: list[int | None] = [None]
    if limit is not None:
        details = list(dict.fromkeys(max(int(limit * share), FEWEST) for share in DETAILS))
    best: tuple[Fitted, Any] | None = None
    for detail in details:
        picture, more = make(detail, direction)
        now = _place_on_page(picture, page, engine), more
        if direction is None and not picture.placed and now[0].score < ENOUGH:
            picture, more = make(detail, OTHER[picture.direction])
            turned = _place_on_page(picture, page, engine), more
            now = max(now, turned, key=lambda one: (one[0].text >= SMALLEST, one[0].score))
        if best is None or now[0].text > best[0].text:
            best = now
        if now[0].text >= SMALLEST:
            return now
    assert best is not None  # there is a limit and a direction
    _warn_of_small_text(best[0], limit)
    return best


def _warn_of_small_text(found: Fitted, limit: int | None) -> None:
    """Warn that the texts are small, and say what helps."""
    cure = "open fewer scopes with open=" if found.picture.clusters else "leave direction= out"
    cure = "give a limit=" if limit is None and not found.picture.placed else cure
    warnings.warn(
        f"the smallest text is {found.text:.1f} px high on a page of {found.page.width:.0f}×"
        f"{found.page.height:.0f} px, less than {SMALLEST:.0f}; {cure}, or fit a larger page",
        UserWarning,
        stacklevel=4,
    )


def _place_on_page(picture: Picture, page: Page, engine: Engine) -> Fitted:
    """Return a picture on a page, wrapped as is best, with its caption below."""
    lines = wrap_caption(picture.caption, int(page.width / CAPTION_SIZE / LETTER_WIDTH))
    height = (len(lines) + 1) * CAPTION_SIZE * LINE_HEIGHT if lines else 0.0
    above, plain = Page(page.width, page.height - height), replace(picture, caption="")
    if picture.placed:
        found = _fit_placed(plain, above, engine)
    else:
        for _ in range(MOST_LIFTS):
            found, misplaced = _wrap_on_page(plain, above, engine)
            if not misplaced:
                break
            plain = lift_leaves(plain, misplaced)
    whole = replace(found, picture=replace(found.picture, caption=picture.caption), page=page)
    return _add_caption(whole, lines, height) if lines else whole


def _add_caption(found: Fitted, lines: Sequence[str], height: float) -> Fitted:
    """Return a fitted picture with the lines of a caption on a strip at the foot of its page."""
    (x0, y0), (x1, _) = found.corners
    points = 1 / (PIXELS * found.scale)
    look = {
        "label": escape_label("\n".join(lines)),
        "fontsize": f"{CAPTION_SIZE * points:.2f}",
        "fontcolor": OUTSIDE,
        "pos": f"{(x0 + x1) / 2:.2f},{y0 - height * points / 2:.2f}!",
        **CAPTION,
    }
    text = graphviz.Digraph(body=[])
    text.node("caption", **look)
    foot = (x0, y0 - height * points)
    dot = add_corners(found.dot, {"foot": foot}, text.body)
    return replace(found, dot=dot, text=min(found.text, CAPTION_SIZE))


def _wrap_on_page(picture: Picture, page: Page, engine: Engine) -> tuple[Fitted, frozenset[str]]:
    """Return a picture on a page, and the leaves that the layout put at the wrong side."""
    try:
        strips, whole, edges = find_strips(picture, engine)
    except SlowLayoutError as error:
        warnings.warn(f"{error}; the boxes are drawn in plain rows", UserWarning, stacklevel=5)
        return _fit_placed(place_in_rows(picture), page, engine), frozenset()
    hung = [box.id for box in picture.boxes if box.role in HUNG]
    best: Fitted | None = None
    misplaced: frozenset[str] = frozenset()
    for pieces in _choose_pieces(strips, page):
        wrapped = [strip.wrap(count) for strip, count in zip(strips, pieces, strict=True)]
        placement = _join_strips(strips, wrapped)
        _hang(placement, {name: whole.sizes[name] for name in hung}, page)
        scale = _scale_of(placement.size, page)
        text = _smallest_font(picture) * PIXELS * scale
        wrong = frozenset[str]().union(*(one.misplaced for one in wrapped))
        score = (
            min(text, ENOUGH)
            + 0.1 * max(text - ENOUGH, 0)
            - COST_OF_CUT * (sum(pieces) - len(pieces))
            - COST_OF_CROSSING * sum(one.crossing for one in wrapped)
        )
        if best is None or (text >= SMALLEST, score) > (best.text >= SMALLEST, best.score):
            low, high = _corners_of_page(placement, page, scale)
            dot = write_placed(picture, edges, placement, low, high)
            best = Fitted(picture, page, dot, scale, text, score, (low, high))
            misplaced = wrong
    assert best is not None  # one piece is always tried
    return best, misplaced


def _fit_placed(picture: Picture, page: Page, engine: Engine) -> Fitted:
    """Return a picture with its own positions on a page."""
    source = str(make_digraph(picture).source)
    placement = measure_placed(source, engine)
    scale = _scale_of(placement.size, page)
    corners = _corners_of_page(placement, page, scale)
    text = _smallest_font(picture) * PIXELS * scale
    dot = add_corners(source, dict(zip(("low", "high"), corners, strict=True)))
    return Fitted(picture, page, dot, scale, text, text, corners)


def _scale_of(size: Point, page: Page) -> float:
    """Return how large a picture may be drawn on a page."""
    width, height = (PIXELS * length for length in size)
    return min(page.width / width, page.height / height, LARGEST_SCALE)


def _smallest_font(picture: Picture) -> float:
    """Return the size of the smallest text, in points."""
    sizes = [float(CLUSTER["fontsize"])] if picture.clusters else []
    sizes += [float(EDGE["fontsize"])] if any(arrow.label for arrow in picture.arrows) else []
    for box in picture.boxes:
        if box.words:
            sizes.append(float(box_attributes(box, False).get("fontsize", NODE["fontsize"])))
    return min(sizes, default=float(NODE["fontsize"]))


def _corners_of_page(placement: Placement, page: Page, scale: float) -> tuple[Point, Point]:
    """Return the corners of the page around a placement, in points, without the empty border."""
    halves = [side / (PIXELS * scale) / 2 - PAD for side in (page.width, page.height)]
    middle = [(a + b) / 2 for a, b in zip(placement.low, placement.high, strict=True)]
    (x, y), (w, h) = middle, halves
    return (x - w, y - h), (x + w, y + h)


def _choose_pieces(strips: Sequence[Strip], page: Page) -> list[tuple[int, ...]]:
    """Return into how many pieces to cut each strip, the few ways that promise most."""
    down = strips[0].picture.direction == "TB" if strips else True
    found: dict[tuple[int, ...], float] = {}
    for strip, count in product(strips, range(1, MOST_PIECES + 1)):
        longest = strip.length / count * 1.02
        pieces = tuple(min(ceil(one.length / max(longest, 1.0)), MOST_PIECES) for one in strips)
        if pieces not in found:
            long = max(one.length / n for one, n in zip(strips, pieces, strict=True))
            broad = sum(n * (x.breadth + GAP + LANE) for x, n in zip(strips, pieces, strict=True))
            long += 2 * CONNECTORS if max(pieces) > 1 else 0
            size = (broad, long) if down else (long, broad)
            cuts = sum(pieces) - len(strips)
            found[pieces] = _scale_of(size, page) * 10 * PIXELS - COST_OF_CUT * cuts
    once = tuple(1 for _ in strips)
    best = sorted(found, key=lambda pieces: -found[pieces])[:TRIED]
    return best if once in best else [*best, once]


def _join_strips(strips: Sequence[Strip], wrapped: Sequence[Wrapped]) -> Placement:
    """Return the strips side by side."""
    whole = Placement()
    across = 0.0
    for strip, one in zip(strips, wrapped, strict=True):
        first, last, begins, _ = strip.extent(one.placement)
        whole.add(one.placement, strip.unflatten(across - first, -begins))
        across += last - first + GAP
    return whole


def _hang(placement: Placement, sizes: dict[str, Point], page: Page) -> None:
    """Add the legends where there is room: in a corner, below or at the right of everything."""
    if not sizes:
        return
    width = max(size[0] for size in sizes.values())
    height = sum(size[1] + LEGEND_GAP for size in sizes.values()) - LEGEND_GAP
    (x0, y0), (x1, y1) = placement.low, placement.high
    corners = [
        (x1 - width, y0 + height), (x0, y0 + height), (x1 - width, y1), (x0, y1),
    ]  # fmt: skip
    outside = [(x1 + GAP, y1), (x0, y0 - GAP), (x1 - width, y0 - GAP)]
    taken = _taken_areas(placement)
    free = [at for at in corners if not _meets(taken, at, width, height)]
    free += [at for at in _free_places(placement, taken, width, height) if at not in free]

    def scale(at: Point) -> float:
        tried = Placement(low=placement.low, high=placement.high)
        tried.include((at[0], at[1] - height), (at[0] + width, at[1]))
        return _scale_of(tried.size, page)

    best = max([*free, *outside], key=scale)
    x, y = best
    for name, size in sizes.items():
        placement.boxes[name] = (x + size[0] / 2, y - size[1] / 2)
        placement.sizes[name] = size
        y -= size[1] + LEGEND_GAP
    placement.include((x, best[1] - height), (x + width, best[1]))


Area = tuple[float, float, float, float]


def _taken_areas(placement: Placement) -> list[Area]:
    """Return the areas of boxes, outermost scopes and arrows: left, bottom, right, top."""
    found = []
    for name, (x, y) in placement.boxes.items():
        w, h = placement.sizes[name]
        found.append((x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    found += [(*one.low, *one.high) for one in placement.frames if one.cluster.parent is None]
    for route in placement.routes.values():
        for one, other in pairwise(route.points):
            xs, ys = sorted((one[0], other[0])), sorted((one[1], other[1]))
            found.append((xs[0], ys[0], xs[1], ys[1]))
        if route.label:
            x, y = route.label
            found.append((x - route.reach, y - HALF_LINE, x + route.reach, y + HALF_LINE))
    return found


def _meets(taken: Sequence[Area], at: Point, width: float, height: float) -> bool:
    """Return whether an area with this corner at its top left meets one that is taken."""
    left, bottom, right, top = at[0], at[1] - height, at[0] + width, at[1]
    return any(
        a < right + LEGEND_GAP
        and left - LEGEND_GAP < c
        and b < top + LEGEND_GAP
        and bottom - LEGEND_GAP < d
        for a, b, c, d in taken
    )


def _free_places(
    placement: Placement, taken: Sequence[Area], width: float, height: float
) -> list[Point]:
    """Return free places for an area inside of a placement, those lowest and leftmost first."""
    (x0, y0), (x1, y1) = placement.low, placement.high
    columns = (
        [x0 + i * (x1 - width - x0) / STEPS for i in range(STEPS + 1)] if x1 - x0 > width else []
    )
    rows = [y0 + height + i * (y1 - y0 - height) / STEPS for i in range(STEPS + 1)]
    if y1 - y0 < height:
        return []
    return [(x, y) for y in rows for x in columns if not _meets(taken, (x, y), width, height)][:1]
