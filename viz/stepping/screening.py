"""From a film to single frames, and to one file that moves."""

from __future__ import annotations

from copy import deepcopy
from textwrap import wrap
from typing import Final
from xml.etree import ElementTree

from ..output.svg import POINT, SVG
from ..style import FONT_FAMILY, OUTSIDE
from .film import Element, Film, set_window

PALE: Final = 0.28
NARROWEST: Final = 420.0
"""A frame is at least as wide as this, so that a caption has room, in points."""
SECONDS: Final = 2.0
LETTER: Final = 0.53
"""About the width of a letter, in font sizes."""


def add_captions(film: Film) -> Element:
    """Return a film with the captions of its steps beneath it, all in the same place."""
    root = deepcopy(film.root)
    left, top, width, height = (float(x) for x in root.get("viewBox", "0 0 1 1").split())
    room = max(width, NARROWEST)
    left -= (room - width) / 2
    size = max(12.0, min(room / 56, 18.0), room / 110)
    longest = int((room - 2 * size) / (size * LETTER))
    texts = [wrap_caption(step.caption, longest) for step in film.steps]
    most = max(map(len, texts))
    total = height + size * (1.4 * most + 2.6)
    for place, (step, text) in enumerate(zip(film.steps, texts, strict=True)):
        group = Element(f"{SVG}g", {"class": "caption", "font-family": FONT_FAMILY})
        set_window(group, place, place + 1)
        count = f"{place + 1} / {len(film.steps)} · {step.phase}"
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


def wrap_caption(caption: tuple[str, ...], longest: int) -> list[str]:
    """Return the lines of a caption, none longer than fits."""
    return [part for line in caption for part in wrap(line, max(longest, 20)) or [""]]


def cut_frame(captioned_film: Element, film: Film, place: int) -> str:
    """Return one frame as the text of a file."""
    root = deepcopy(captioned_film)
    for parent in list(root.iter()):
        for child in list(parent):
            if not is_in_frame(child, place):
                parent.remove(child)
    for element in root.iter():
        for name in ("data-from", "data-until"):
            element.attrib.pop(name, None)
        pale = element.attrib.pop("data-pale", None)
        if pale is not None and place < int(pale):
            element.set("opacity", f"{PALE}")
    describe_step(root, film, f"step {place + 1} of {len(film.steps)}", film.steps[place].caption)
    text = ElementTree.tostring(root, encoding="unicode") + "\n"
    return text.replace(film.prefix, f"{film.prefix}-{place + 1}")


def describe_step(root: Element, film: Film, which: str, caption: tuple[str, ...]) -> None:
    """Tell a screen reader which step it is, and what happens."""
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    if title is not None:
        title.text = f"{title.text}, {which}"
    if desc is not None:
        desc.text = f"{'. '.join(caption)}. {desc.text}"


def is_in_frame(element: Element, place: int) -> bool:
    """Whether an element is in a frame."""
    start, end = element.get("data-from"), element.get("data-until")
    return (start is None or place >= int(start)) and (end is None or place < int(end))


def animate(film: Film, seconds: float = SECONDS) -> str:
    """Return one SVG that plays all frames, again and again.

    Readers who ask for less motion see the last frame.
    """
    root = add_captions(film)
    total = len(film.steps)
    rules: dict[str, str] = {}
    for element in root.iter():
        start, end = element.attrib.pop("data-from", None), element.attrib.pop("data-until", None)
        pale = element.attrib.pop("data-pale", None)
        if start is not None:
            append_class(element, f"w{start}-{end or total}", rules)
            last = int(end or total) >= total
            rules[f"w{start}-{end or total}"] = window_keyframes(
                int(start), int(end or total), total
            )
            element.set("visibility", "visible" if last else "hidden")
        elif pale is not None:
            append_class(element, f"p{pale}", rules)
            at = 100 * int(pale) / total
            rules[f"p{pale}"] = f"0%{{opacity:{PALE}}}{at:.3f}%{{opacity:1}}100%{{opacity:1}}"
    style = Element(f"{SVG}style")
    style.text = animation_style(film.prefix, rules, seconds * total)
    groups = (i for i, child in enumerate(root) if child.tag == f"{SVG}g")
    root.insert(next(groups, len(root)), style)
    caption = tuple(line for step in film.steps for line in step.caption[:1])
    describe_step(root, film, f"{total} steps", caption)
    text = ElementTree.tostring(root, encoding="unicode") + "\n"
    return text.replace(film.prefix, f"{film.prefix}-all")


def append_class(element: Element, name: str, rules: dict[str, str]) -> None:
    """Give an element a further class."""
    element.set("class", f"{element.get('class', '')} {name}".strip())


def window_keyframes(start: int, end: int, total: int) -> str:
    """Return the keyframes of a window."""
    first, last = 100 * start / total, 100 * end / total
    on, off = "{visibility:visible}", "{visibility:hidden}"
    if not start:
        return f"0%{on}{last:.3f}%{off if end < total else on}100%{off if end < total else on}"
    if end >= total:
        return f"0%{off}{first:.3f}%{on}100%{on}"
    return f"0%{off}{first:.3f}%{on}{last:.3f}%{off}100%{off}"


def animation_style(prefix: str, rules: dict[str, str], seconds: float) -> str:
    """Return the style sheet of an animation."""
    parts = [
        f"@keyframes {prefix}-{name}{{{steps}}}"
        f"#{prefix} .{name}{{animation:{prefix}-{name} {seconds:g}s step-end infinite}}"
        for name, steps in sorted(rules.items())
    ]
    still = f"@media (prefers-reduced-motion: reduce){{#{prefix} *{{animation:none!important}}}}"
    return "".join(parts) + still
