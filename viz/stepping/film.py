"""Film: one drawing in which each element says in which frames it is visible.

The boxes are laid out once, with the longest texts that they will hold. An element that comes and
goes (a number, a glow around a box, a caption) has a window: the attributes `data-from` and
`data-until`. A box that is not computed yet is pale until `data-pale`. `cut_frame` keeps the
elements of one frame, `animate` turns the windows into keyframes, and a page shows and hides them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from copy import deepcopy
from textwrap import wrap
from typing import Final
from xml.etree import ElementTree

from ..output.notebook import notebook_bundle
from ..output.svg import POINT, SVG
from ..picture import Picture
from ..style import FONT_FAMILY, OUTSIDE
from ..wording.language import say, say_count
from .captions import Step, Writing

Element = ElementTree.Element
SHAPES: Final = frozenset({f"{SVG}path", f"{SVG}polygon", f"{SVG}ellipse", f"{SVG}polyline"})
MARGIN: Final = 4.0
"""How far a glow reaches beyond its box, in points."""
LOOK: Final = (
    ".glow{fill:#e69f00;fill-opacity:.22;stroke:#e69f00;stroke-width:2}"
    ".glow.backward{fill:#cc79a7;stroke:#cc79a7}"
    ".flow path{stroke:#e69f00;stroke-width:2.4}.flow polygon{stroke:#e69f00;fill:#e69f00}"
    ".flow.backward path{stroke:#cc79a7}.flow.backward polygon{stroke:#cc79a7;fill:#cc79a7}"
    ".gradient-text{fill:#9c3f73}"
)
DARK_LOOK: Final = ".gradient-text{fill:#e3a3c6}"
PALE_OPACITY: Final = 0.28
NARROWEST: Final = 420.0
"""The smallest width of a frame in points, so that a caption has room."""
SECONDS_PER_FRAME: Final = 2.0
LETTER_WIDTH: Final = 0.53
"""About the width of a letter, in font sizes."""


class Animation(str):
    """The text of an animated SVG. In a notebook it shows itself; elsewhere it is a string."""

    __slots__ = ()

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> dict[str, object]:
        return notebook_bundle(self, repr(self))

    def __repr__(self) -> str:
        return f"<Animation: an SVG of {len(self) / 1000:,.0f} kB>"


class Film:
    """A drawing whose elements have windows.

    Attributes:
        root: the SVG with the elements of all frames.
        prefix: the prefix of its ids.
        steps: one for each frame.
    """

    def __init__(self, svg: str, picture: Picture, steps: list[Step]) -> None:
        self.root = ElementTree.fromstring(svg)
        self.prefix = self.root.get("id", "")
        self.steps = steps
        self.groups = {
            element.get("id", "").removeprefix(f"{self.prefix}-"): element
            for element in self.root.iter(f"{SVG}g")
        }
        self.boxes = {box.id: box for box in picture.boxes}
        self._mark_texts()
        self._mark_pale(picture)
        self._add_glows()
        self._add_look()

    def _mark_texts(self) -> None:
        """Replace each text that changes by one text for each change, with its window."""
        written: dict[tuple[str, str], list[tuple[int, Writing]]] = defaultdict(list)
        for place, step in enumerate(self.steps):
            for writing in step.writings:
                written[writing.box, writing.field].append((place, writing))
        for (box, field), times in written.items():
            slot = self._find_text(box, field)
            if slot is None:
                continue
            parent, element = slot
            if not self.boxes[box].cells:
                element.set("class", "gradient-text")
            at = list(parent).index(element)
            parent.remove(element)
            ends = [place for place, _ in times[1:]]
            for (start, writing), end in zip(times, [*ends, None], strict=True):
                if start == end:
                    continue  # written twice in one step: the later one counts
                version = deepcopy(element)
                if version.text != writing.text:
                    version.text = writing.text
                    version.attrib.pop("textLength", None)
                    version.attrib.pop("lengthAdjust", None)
                _set_window(version, start, end)
                parent.insert(at, version)
                at += 1

    def _find_text(self, box: str, field: str) -> tuple[Element, Element] | None:
        """Return the parent and the text element of a field, None if the box has no such text."""
        texts = [
            (parent, child)
            for parent in self.groups[box].iter()
            for child in parent
            if child.tag == f"{SVG}text"
        ]
        cells = self.boxes[box].cells
        kinds = [cell.text.startswith("data ") for cell in cells]
        back = kinds[::-1].index(True) if field == "data" and True in kinds else 0
        return texts[-1 - back] if len(texts) > back else None

    def _mark_pale(self, picture: Picture) -> None:
        """Make boxes pale until they are computed, and the arrows to them, too."""
        since: dict[str, int] = {}
        for place, step in enumerate(self.steps):
            if step.phase == "forward":
                for box in step.boxes:
                    since.setdefault(box, place)
        for one in picture.boxes:  # an output appears together with its maker
            makers = [arrow.tail for arrow in picture.arrows if arrow.head == one.id]
            if one.role == "output" and one.id not in since and makers:
                since[one.id] = max(since.get(maker, 0) for maker in makers)
        for name, place in since.items():
            if place:
                self.groups[name].set("data-pale", str(place))
        for place, arrow in enumerate(picture.arrows):
            group = self.groups.get(f"e{place}")
            if group is not None and since.get(arrow.head):
                group.set("data-pale", str(since[arrow.head]))

    def _add_glows(self) -> None:
        """Add a glow around the boxes and arrows of each step, behind the boxes."""
        graph = self.groups.get("graph0", self.root)
        at = next(
            (i for i, child in enumerate(graph) if child.get("class", "").startswith("node")),
            len(graph),
        )
        for place, step in enumerate(self.steps):
            for arrow in step.arrows:
                group = self.groups.get(f"e{arrow}")
                if group is not None:
                    flow = Element(f"{SVG}g", {"class": f"flow {step.phase}"})
                    flow.extend(deepcopy(x) for x in group.iter() if x.tag in SHAPES)
                    _set_window(flow, place, place + 1)
                    graph.insert(at, flow)
            for box in step.boxes:
                glow = Element(f"{SVG}rect", _rectangle_around(self.groups[box]))
                glow.set("class", f"glow {step.phase}")
                _set_window(glow, place, place + 1)
                graph.insert(at, glow)

    def _add_look(self) -> None:
        """Add the style rules of glows."""
        rules = re.sub(r"(^|\})\.", rf"\1#{self.prefix} .", LOOK)
        dark = re.sub(r"(^|\})\.", rf"\1#{self.prefix} .", DARK_LOOK)
        style = Element(f"{SVG}style")
        style.text = f"{rules}@media (prefers-color-scheme: dark){{{dark}}}"
        groups = (i for i, child in enumerate(self.root) if child.tag == f"{SVG}g")
        self.root.insert(next(groups, len(self.root)), style)  # after the rules of the drawing

    @property
    def text(self) -> str:
        """The SVG with all windows in it."""
        return ElementTree.tostring(self.root, encoding="unicode")


def _set_window(element: Element, start: int, end: int | None) -> None:
    """Show an element from frame `start` until before frame `end`, None for the last."""
    element.set("data-from", str(start))
    if end is not None:
        element.set("data-until", str(end))


def _rectangle_around(group: Element) -> dict[str, str]:
    """Return a rectangle around the shapes of a box."""
    xs: list[float] = []
    ys: list[float] = []
    for element in group.iter():
        if element.tag == f"{SVG}ellipse":
            cx, cy, rx, ry = (float(element.get(name, "0")) for name in ("cx", "cy", "rx", "ry"))
            xs += [cx - rx, cx + rx]
            ys += [cy - ry, cy + ry]
        elif element.tag in SHAPES:
            text = element.get("points") or element.get("d") or ""
            numbers = [float(x) for x in re.findall(r"-?\d+\.?\d*", text)]
            xs += numbers[::2]
            ys += numbers[1::2]
    left, top = min(xs, default=0) - MARGIN, min(ys, default=0) - MARGIN
    size = {
        "x": left,
        "y": top,
        "width": max(xs, default=0) + MARGIN - left,
        "height": max(ys, default=0) + MARGIN - top,
        "rx": 7,
    }
    return {name: f"{value:.2f}" for name, value in size.items()}


def add_captions(film: Film) -> Element:
    """Return the SVG of a film with the captions of its steps below, all in one place."""
    root = deepcopy(film.root)
    left, top, width, height = (float(x) for x in root.get("viewBox", "0 0 1 1").split())
    room = max(width, NARROWEST)
    left -= (room - width) / 2
    size = max(12.0, min(room / 56, 18.0), room / 110)
    longest = int((room - 2 * size) / (size * LETTER_WIDTH))
    texts = [_wrap_caption(step.caption, longest) for step in film.steps]
    most = max(map(len, texts))
    total = height + size * (1.4 * most + 2.6)
    for place, (step, text) in enumerate(zip(film.steps, texts, strict=True)):
        group = Element(f"{SVG}g", {"class": "caption", "font-family": FONT_FAMILY})
        _set_window(group, place, place + 1)
        count = f"{place + 1} / {len(film.steps)}, {say(step.phase)}"
        for row, line in enumerate([count, *text]):
            look = {"font-size": f"{size * (0.85 if not row else 1):.2f}", "fill": OUTSIDE}
            if row == 1:
                look["font-weight"] = "bold"
            where = {
                "x": f"{left + size:.2f}",
                "y": f"{top + height + size * (1.4 * row + 1.4):.2f}",
            }
            ElementTree.SubElement(group, f"{SVG}text", where | look).text = line
        root.append(group)
    root.set("viewBox", f"{left:.2f} {top:.2f} {room:.2f} {total:.2f}")
    root.set("width", f"{room * POINT:.0f}")
    root.set("height", f"{total * POINT:.0f}")
    return root


def _wrap_caption(caption: tuple[str, ...], longest: int) -> list[str]:
    """Return the lines of a caption, wrapped to a width."""
    return [part for line in caption for part in wrap(line, max(longest, 20)) or [""]]


def cut_frame(captioned_film: Element, film: Film, place: int) -> str:
    """Return one frame as the text of a file."""
    root = deepcopy(captioned_film)
    for parent in list(root.iter()):
        for child in list(parent):
            if not _is_in_frame(child, place):
                parent.remove(child)
    for element in root.iter():
        for name in ("data-from", "data-until"):
            element.attrib.pop(name, None)
        pale = element.attrib.pop("data-pale", None)
        if pale is not None and place < int(pale):
            element.set("opacity", f"{PALE_OPACITY}")
    which = say("step {step} of {all}", step=place + 1, all=len(film.steps))
    _describe_step(root, film, which, film.steps[place].caption)
    text = ElementTree.tostring(root, encoding="unicode") + "\n"
    return text.replace(film.prefix, f"{film.prefix}-{place + 1}")


def _describe_step(root: Element, film: Film, which: str, caption: tuple[str, ...]) -> None:
    """Add to the description for screen readers which step it is and what happens."""
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    if title is not None:
        title.text = f"{title.text}, {which}"
    if desc is not None:
        desc.text = f"{'. '.join(caption)}. {desc.text}"


def _is_in_frame(element: Element, place: int) -> bool:
    """Return whether an element is in a frame."""
    start, end = element.get("data-from"), element.get("data-until")
    return (start is None or place >= int(start)) and (end is None or place < int(end))


def animate(film: Film, seconds: float = SECONDS_PER_FRAME) -> str:
    """Return one SVG that plays all frames again and again.

    Readers who ask for less motion see the last frame.
    """
    root = add_captions(film)
    total = len(film.steps)
    rules: dict[str, str] = {}
    for element in root.iter():
        start, end = element.attrib.pop("data-from", None), element.attrib.pop("data-until", None)
        pale = element.attrib.pop("data-pale", None)
        if start is not None:
            _append_class(element, f"w{start}-{end or total}", rules)
            last = int(end or total) >= total
            rules[f"w{start}-{end or total}"] = _window_keyframes(
                int(start), int(end or total), total
            )
            element.set("visibility", "visible" if last else "hidden")
        elif pale is not None:
            _append_class(element, f"p{pale}", rules)
            at = 100 * int(pale) / total
            rules[f"p{pale}"] = (
                f"0%{{opacity:{PALE_OPACITY}}}{at:.3f}%{{opacity:1}}100%{{opacity:1}}"
            )
    style = Element(f"{SVG}style")
    style.text = _animation_style(film.prefix, rules, seconds * total)
    groups = (i for i, child in enumerate(root) if child.tag == f"{SVG}g")
    root.insert(next(groups, len(root)), style)
    caption = tuple(line for step in film.steps for line in step.caption[:1])
    _describe_step(root, film, say_count("{n} step", total), caption)
    text = ElementTree.tostring(root, encoding="unicode") + "\n"
    return text.replace(film.prefix, f"{film.prefix}-all")


def _append_class(element: Element, name: str, rules: dict[str, str]) -> None:
    """Give an element a further class."""
    element.set("class", f"{element.get('class', '')} {name}".strip())


def _window_keyframes(start: int, end: int, total: int) -> str:
    """Return the keyframes of a window."""
    first, last = 100 * start / total, 100 * end / total
    on, off = "{visibility:visible}", "{visibility:hidden}"
    if not start:
        return f"0%{on}{last:.3f}%{off if end < total else on}100%{off if end < total else on}"
    if end >= total:
        return f"0%{off}{first:.3f}%{on}100%{on}"
    return f"0%{off}{first:.3f}%{on}{last:.3f}%{off}100%{off}"


def _animation_style(prefix: str, rules: dict[str, str], seconds: float) -> str:
    """Return the style sheet that plays the keyframes."""
    parts = [
        f"@keyframes {prefix}-{name}{{{steps}}}"
        f"#{prefix} .{name}{{animation:{prefix}-{name} {seconds:g}s step-end infinite}}"
        for name, steps in sorted(rules.items())
    ]
    still = f"@media (prefers-reduced-motion: reduce){{#{prefix} *{{animation:none!important}}}}"
    return "".join(parts) + still
