"""Film: one drawing in which each thing is marked with the frames that show it.

The boxes are laid out once, with the longest texts that they will hold. What comes and goes (a
number, a glow around a box, a caption) has a window, `data-from` and `data-until`; what is not yet
computed is pale until `data-pale`. A single frame keeps what its number falls into, an animation
turns the windows into keyframes, and a page shows and hides them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from copy import deepcopy
from typing import Final
from xml.etree import ElementTree

from ..output.svg import SVG
from ..picture import Picture
from .steps import Step, Writing

Element = ElementTree.Element
SHAPES: Final = frozenset({f"{SVG}path", f"{SVG}polygon", f"{SVG}ellipse", f"{SVG}polyline"})
MARGIN: Final = 4.0
"""How far the glow reaches beyond its box, in points."""
LOOK: Final = (
    ".glow{fill:#e69f00;fill-opacity:.22;stroke:#e69f00;stroke-width:2}"
    ".glow.backward{fill:#cc79a7;stroke:#cc79a7}"
    ".flow path{stroke:#e69f00;stroke-width:2.4}.flow polygon{stroke:#e69f00;fill:#e69f00}"
    ".flow.backward path{stroke:#cc79a7}.flow.backward polygon{stroke:#cc79a7;fill:#cc79a7}"
    ".gradient-text{fill:#9c3f73}"
)
DARK_LOOK: Final = ".gradient-text{fill:#e3a3c6}"


class Film:
    """A drawing with windows.

    Attributes:
        root: the SVG, with everything of all frames in it.
        prefix: what its ids begin with.
        steps: one a frame.
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
        self.mark_texts()
        self.mark_pale(picture)
        self.add_glows()
        self.add_look()

    def mark_texts(self) -> None:
        """Put a text of each box for each time that it changes, with its window."""
        written: dict[tuple[str, str], list[tuple[int, Writing]]] = defaultdict(list)
        for place, step in enumerate(self.steps):
            for writing in step.writings:
                written[writing.box, writing.field].append((place, writing))
        for (box, field), times in written.items():
            slot = self.slot(box, field)
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
                set_window(version, start, end)
                parent.insert(at, version)
                at += 1

    def slot(self, box: str, field: str) -> tuple[Element, Element] | None:
        """Return the text of a box that shows a field, after its parent."""
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

    def mark_pale(self, picture: Picture) -> None:
        """Let what is not yet computed be pale; its arrows too."""
        since: dict[str, int] = {}
        for place, step in enumerate(self.steps):
            if step.phase == "forward":
                for box in step.boxes:
                    since.setdefault(box, place)
        for one in picture.boxes:  # an output beside its maker appears with it
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

    def add_glows(self) -> None:
        """Add the light around what each step looks at, beneath the boxes."""
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
                    set_window(flow, place, place + 1)
                    graph.insert(at, flow)
            for box in step.boxes:
                glow = Element(f"{SVG}rect", rectangle_around(self.groups[box]))
                glow.set("class", f"glow {step.phase}")
                set_window(glow, place, place + 1)
                graph.insert(at, glow)

    def add_look(self) -> None:
        """Add the rules of what glows."""
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


def set_window(element: Element, start: int, end: int | None) -> None:
    """Show an element from one frame on, until another or for good."""
    element.set("data-from", str(start))
    if end is not None:
        element.set("data-until", str(end))


def rectangle_around(group: Element) -> dict[str, str]:
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
