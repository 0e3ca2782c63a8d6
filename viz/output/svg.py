"""From the layout program's SVG to the finished one, which fits any page.

It scales to its container, follows the reader's light or dark theme, and has a description for
screen readers. Its ids begin with a prefix that no other picture has, so several pictures can
stand in one page.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from xml.etree import ElementTree

from ..picture import Box, Picture, Point
from ..style import DARK, FONT_FAMILY, OUTSIDE
from ..texts import describe_picture

SVG: Final = "{http://www.w3.org/2000/svg}"
XLINK: Final = "{http://www.w3.org/1999/xlink}"
HALO: Final = "paint-order:stroke;stroke:#0d1117;stroke-width:2.4px;stroke-linejoin:round"
"""A halo around texts outside of boxes. On a dark theme they are light; a page may still be white,
and then the halo keeps them readable."""
POINT: Final = 4 / 3
"""CSS pixels in a point."""


def finish_svg(
    drawn: bytes,
    picture: Picture,
    source: str,
    *,
    follows: bool = True,
    family: str = FONT_FAMILY,
    language: str = "en",
    size: Point | None = None,
) -> str:
    """Return the finished SVG text.

    Args:
        drawn: the SVG of the layout program.
        picture: gives the title and the description.
        source: the DOT text. The prefix of ids is its digest, so equal pictures give equal files.
        follows: whether the picture turns dark on a dark page.
        family: the families of fonts of its texts.
        language: of its words, for screen readers.
        size: width and height in pixels, if the picture fills a page.
    """
    ElementTree.register_namespace("", SVG[1:-1])
    ElementTree.register_namespace("xlink", XLINK[1:-1])
    root = ElementTree.fromstring(drawn)
    prefix = f"viz-{hashlib.sha256(source.encode()).hexdigest()[:10]}"
    for element in root.iter():
        name = element.get("id")
        if name is not None:
            element.set("id", f"{prefix}-{name}")
        if element.tag == f"{SVG}text":
            element.set("font-family", family)
    _label_groups(root, picture, prefix)
    _drop_node_names(root)
    for link in list(root.iter(f"{SVG}a")):
        _add_tooltip(link, link.attrib.pop(f"{XLINK}title", ""))
    _set_size(root, size)
    root.set("id", prefix)
    root.set("role", "img")
    if language != "en":
        root.set("lang", language)
    root.set("aria-labelledby", f"{prefix}-title {prefix}-desc")
    for place, (tag, text) in enumerate(
        (("title", picture.title), ("desc", describe_picture(picture)))
    ):
        element = ElementTree.Element(f"{SVG}{tag}", {"id": f"{prefix}-{tag}"})
        element.text = text
        root.insert(place, element)
    if follows:
        style = ElementTree.Element(f"{SVG}style")
        style.text = _dark_rules(prefix, drawn.decode())
        root.insert(2, style)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def read_centres(drawn: bytes) -> dict[str, Point]:
    """Return the centre of each box of an SVG of the layout program; y grows upwards."""
    found = {}
    for group in ElementTree.fromstring(drawn).iter(f"{SVG}g"):
        if (group.get("class") or "").startswith("node"):
            text = " ".join(
                shape.get("points") or shape.get("d") or ""
                for shape in group.iter()
                if shape.tag in (f"{SVG}polygon", f"{SVG}path")
            )
            numbers = [float(x) for x in re.findall(r"-?\d+\.?\d*", text)]
            if numbers:
                xs, ys = numbers[::2], numbers[1::2]
                found[group.get("id", "")] = (min(xs) + max(xs)) / 2, -(min(ys) + max(ys)) / 2
    return found


def _label_groups(root: ElementTree.Element, picture: Picture, prefix: str) -> None:
    """Label each group with what it stands for, so that style sheets and scripts can find it.

    Boxes have the classes `viz-box` and `viz-<role>`, with `data-role`, `data-name` and
    `data-scope`; arrows `viz-arrow`; scopes `viz-scope` with `data-scope`.
    """
    paths = _scope_paths(picture)
    known: dict[str, tuple[str, dict[str, str]]] = {}
    for box in picture.boxes:
        data = {
            "data-role": box.role,
            "data-name": _first_line(box),
            "data-scope": paths[box.cluster],
            "data-change": box.change,
        }
        known[box.id] = f"viz-box viz-{box.role.replace('_', '-')}", data
    for place, arrow in enumerate(picture.arrows):
        kind = "viz-arrow viz-backward" if arrow.backward else "viz-arrow"
        known[f"e{place}"] = (
            kind,
            {
                "data-tail": arrow.tail,
                "data-head": arrow.head,
                "data-change": arrow.change,
            },
        )
    for place, loop in enumerate(picture.loops):
        known[f"loop{place}"] = "viz-loop", {"data-box": loop.box}
    for cluster in picture.clusters:
        known[cluster.id] = "viz-scope", {"data-scope": paths[cluster.id]}
    for group in root.iter(f"{SVG}g"):
        name = (group.get("id") or "").removeprefix(f"{prefix}-")
        found = known.get(name.partition("__")[0])  # "cluster_1__2" is the third piece of a scope
        if found is not None and group.get("class"):
            classes, data = found
            group.set("class", f"{group.get('class')} {classes}")
            for name, value in data.items():
                if value:
                    group.set(name, value)


def _first_line(box: Box) -> str:
    """Return the first line of a box, its name for style sheets."""
    return box.lines[0] if box.lines else box.cells[0].text if box.cells else ""


def _scope_paths(picture: Picture) -> dict[str | None, str]:
    """Return the path of each cluster, the outermost scope first."""
    paths: dict[str | None, str] = {None: ""}
    for cluster in picture.clusters:  # outer ones come first
        around = paths[cluster.parent]
        paths[cluster.id] = f"{around}/{cluster.caption}" if around else cluster.caption
    return paths


def _drop_node_names(root: ElementTree.Element) -> None:
    """Remove the titles `n0` and `n0->n1`, which browsers would show instead of our tooltips."""
    for group in root.iter(f"{SVG}g"):
        if group.get("class", "").split(" ")[0] in ("graph", "cluster", "node", "edge"):
            for title in group.findall(f"{SVG}title"):
                group.remove(title)


def _add_tooltip(link: ElementTree.Element, text: str) -> None:
    """Turn a link of the layout program into a group with a tooltip."""
    link.tag = f"{SVG}g"
    title = ElementTree.Element(f"{SVG}title")
    title.text = text
    link.insert(0, title)


def _set_size(root: ElementTree.Element, size: Point | None) -> None:
    """Set the size in pixels, and let a narrower container shrink the picture."""
    for side, length in zip(("width", "height"), size or (None, None), strict=True):
        points = re.match(r"[\d.]+", root.get(side, ""))
        if length is not None:
            root.set(side, f"{length:.0f}")
        elif points:
            root.set(side, f"{float(points.group()) * POINT:.0f}")
    root.set("style", "max-width:100%;height:auto")


def _dark_rules(prefix: str, drawn: str) -> str:
    """Return the style sheet that replaces each colour of the picture on a dark page."""
    rules = [
        f'#{prefix} [{place}="{light}"]{{{place}:{dark}}}'
        for light, dark in DARK.items()
        for place in ("fill", "stroke")
        if f'{place}="{light}"' in drawn or light == OUTSIDE  # captions come later
    ]
    rules.append(f'#{prefix} text[fill="{OUTSIDE}"]{{{HALO}}}')
    return "@media (prefers-color-scheme: dark){" + "".join(rules) + "}"
