"""A picture told in words, for readers who cannot see it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from .picture import Picture, Role
from .texts import counted

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
    "scope": "folded scope",
    "gradient_scope": "folded backward scope",
    "update_scope": "folded update scope",
    "neuron": "neuron",
}
TENSORS: Final[frozenset[Role]] = frozenset({"input", "parameter", "updated", "gradient_value"})
"""The roles of tensors, which may be drawn, counted or listed, in several boxes."""


def told(picture: Picture) -> str:
    """Describe a picture: how much there is of what, then each box with what enters it.

    A tensor is one, however often it is drawn, counted or listed.
    """
    if picture.placed:
        headings = [box.words for box in picture.boxes if box.role == "heading"]
        return f"Layers from left to right: {', '.join(headings)}."
    tensors = {tensor for box in picture.boxes for tensor in box.tensors}
    counts: Counter[Role] = Counter(role for role, _ in tensors)
    counts.update(box.role for box in picture.boxes if box.role not in TENSORS)
    amounts = [counted(counts[role], noun) for role, noun in NOUNS.items() if counts[role]]
    sentences = [f"A graph of {', '.join(amounts)}." if amounts else "An empty graph."]
    names = {box.id: box.words.rstrip() for box in picture.boxes}
    entering: dict[str, list[str]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(names[arrow.tail])
    for box in picture.boxes:
        if box.id in entering:
            sentences.append(f"{names[box.id]} takes {' and '.join(entering[box.id])}.")
    sentences += [f"{box.words}." for box in picture.boxes if box.role == "legend"]
    if len(sentences) > MOST_SENTENCES:
        rest = len(sentences) - MOST_SENTENCES
        sentences = [*sentences[:MOST_SENTENCES], f"{counted(rest, 'more box').rstrip('s')}es."]
    return " ".join(sentences)
