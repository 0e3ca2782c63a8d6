"""Where each leaf of a picture appears: drawn, counted in a box of several, listed in a fold.

If a leaf appears in several places, each of its boxes says that it is one tensor. This is known
only when all boxes are there, so these marks are written last.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from ..reading import Key, scope_path
from ..texts import clean_text, format_count
from .outline import Outline
from .parts import Part

BOXES_OUTSIDE: Final = "boxes outside"


def describe_sharing(part: Part, outline: Outline) -> list[str]:
    """Return the line that says which other boxes take the parameters that a fold lists, if any.

    Parts of another phase always take the same tensors, so they do not count.
    """
    listed = [x for x in outline.listed_leaves(part) if x.requires_grad]
    others: dict[str, None] = {}
    shared = 0
    for leaf in listed:
        users = [
            x for x in outline.users(leaf) if x is not part and _part_phase(x) == _part_phase(part)
        ]
        others |= {
            _fold_caption(x, part) if x.kind != "operation" else BOXES_OUTSIDE: None for x in users
        }
        shared += bool(users)
    if not shared:
        return []
    folds = [name for name in others if name != BOXES_OUTSIDE]
    whom = folds if len(folds) == 1 else [format_count(len(folds), "fold")] if folds else []
    others_text = " and ".join([*whom, *([BOXES_OUTSIDE] if BOXES_OUTSIDE in others else [])])
    some = "" if shared == len(listed) else f"{shared} of {len(listed)} "
    return [f"{some}shared with {others_text}"]


def _part_phase(part: Part) -> str:
    """Return the phase of a training step that a part belongs to."""
    return part.operations[0].phase


def _fold_caption(part: Part, other: Part) -> str:
    """Return the caption of a fold, or its path if another fold has the same caption."""
    if part.kind == "earlier":
        return "what is left out"
    known = part.branch.caption
    return clean_text(known if known != other.branch.caption else scope_path(part.branch.scope))


@dataclass(slots=True)
class Places:
    """The places of all leaves.

    Attributes:
        drawn: id of the box → the leaf that it draws.
        counted: in how many boxes of several leaves a leaf is counted.
        listed: in how many folds it is listed.
    """

    drawn: dict[str, Key] = field(default_factory=dict)
    counted: Counter[Key] = field(default_factory=Counter)
    listed: Counter[Key] = field(default_factory=Counter)

    def marks(self) -> dict[Key, str]:
        """Return leaf → mark, for leaves that are drawn and appear in a further place.

        If several leaves have several boxes, their marks are numbered.
        """
        copies = Counter(self.drawn.values())
        several = [leaf for leaf, count in copies.items() if count > 1]
        found = {leaf: "shared" for leaf in copies if self.counted[leaf] or self.listed[leaf]}
        if len(several) == 1:
            return found | {several[0]: "shared"}
        return found | {leaf: f"shared {place}" for place, leaf in enumerate(several, start=1)}

    def describe_places(self, leaf: Key, mark: str) -> str:
        """Write in which places a leaf with a mark is."""
        copies = sum(other == leaf for other in self.drawn.values())
        phrases = [f"drawn {copies} times, each marked {mark!r}"] if copies > 1 else []
        if self.counted[leaf]:
            phrases.append(f"counted in {format_count(self.counted[leaf], 'group')} of leaves")
        if self.listed[leaf]:
            phrases.append(f"listed in {format_count(self.listed[leaf], 'fold')}")
        return f"one tensor, {', '.join(phrases)}"
