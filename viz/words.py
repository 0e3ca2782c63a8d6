"""The description of a picture in words, for readers who cannot see it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from .picture import Picture, Role
from .texts import format_count

MOST_SENTENCES: Final = 60
NOUNS: Final[dict[Role, str]] = {
    "input": "input",
    "parameter": "parameter",
    "operation": "operation",
    "gradient": "backward operation",
    "update": "update operation",
    "updated": "updated tensor",
    "gradient_value": "gradient",
    "scalar_operation": "operation",
    "scope": "fold",
    "gradient_scope": "fold of the backward",
    "update_scope": "fold of the update",
    "earlier": "box of what is left out",
    "tensor": "result",
    "output": "output",
}
TENSORS: Final[frozenset[Role]] = frozenset(
    {"input", "parameter", "updated", "gradient_value", "output"}
)
"""The roles of tensors. Several boxes may draw, count or list one tensor."""


def describe_picture(picture: Picture) -> str:
    """Describe a picture: how many boxes of each kind, then what each box takes.

    A tensor counts once, however often it is drawn, counted or listed.
    """
    if picture.placed:
        headings = [box.words for box in picture.boxes if box.role == "heading"]
        return f"Layers from left to right: {', '.join(headings)}."
    tensors = {tensor for box in picture.boxes for tensor in box.tensors}
    counts: Counter[Role] = Counter(role for role, _ in tensors)
    counts.update(box.role for box in picture.boxes if box.role not in TENSORS)
    amounts = [count_nouns(counts[role], noun) for role, noun in NOUNS.items() if counts[role]]
    sentences = [f"A graph of {', '.join(amounts)}." if amounts else "An empty graph."]
    sentences += _describe_operands(picture)
    if len(sentences) > MOST_SENTENCES:
        rest = len(sentences) - MOST_SENTENCES
        more = f"{rest} more boxes take others." if rest > 1 else "1 more box takes others."
        sentences = [*sentences[:MOST_SENTENCES], more]
    return " ".join([*sentences, *_describe_legends(picture)])


def count_nouns(count: int, noun: str) -> str:
    """Write a count with its noun; the first word of the noun becomes the plural.

    >>> count_nouns(2, "fold of the backward"), count_nouns(3, "box of what is left out")
    ('2 folds of the backward', '3 boxes of what is left out')
    """
    if noun == "backward operation" or noun == "update operation" or noun == "updated tensor":
        return format_count(count, noun)
    first, space, others = noun.partition(" ")
    found = format_count(count, first).replace("boxs", "boxes")
    return f"{found}{space}{others}"


def _describe_operands(picture: Picture) -> list[str]:
    """Return a sentence for each box with incoming arrows: what it takes, and how often."""
    names = {box.id: " ".join(box.words.split("\n")).rstrip() for box in picture.boxes}
    entering: dict[str, Counter[str]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, Counter())[arrow.tail] += arrow.count
    taken_by = {
        head: [f"{names[x]} {n} times" if n > 1 else names[x] for x, n in found.items()]
        for head, found in entering.items()
    }
    return [
        f"{names[box.id]} takes {' and '.join(taken_by[box.id])}."
        for box in picture.boxes
        if box.id in taken_by
    ]


def _describe_legends(picture: Picture) -> list[str]:
    """Return the sentences of the legends and of the colour scales."""
    found = []
    for box in picture.boxes:
        if box.role == "scale":
            what, *ends = box.lines
            between = " to " if len(box.swatches) > len(ends) else ", "
            found.append(f"Colours tell: {what}, {between.join(ends)}.")
        elif box.role == "legend":
            found.append(f"{box.words}.")
    return found
