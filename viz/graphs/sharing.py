"""Where each leaf is in a picture: drawn, counted in a box of several leaves, listed in a fold.

One that is in several places is one tensor, and each of its boxes says so. That is known when all
boxes are there, so the marks are written last.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ..reading import Key
from ..texts import counted


@dataclass(slots=True)
class Places:
    """The places of all leaves.

    Attributes:
        drawn: the boxes of leaves, and which leaf each is.
        counted: in how many boxes of several leaves a leaf is counted.
        listed: in how many folds it is listed.
    """

    drawn: dict[str, Key] = field(default_factory=dict)
    counted: Counter[Key] = field(default_factory=Counter)
    listed: Counter[Key] = field(default_factory=Counter)

    def marks(self) -> dict[Key, str]:
        """Return the marks of the leaves that are drawn and in a further place.

        Different leaves with several boxes have different marks.
        """
        copies = Counter(self.drawn.values())
        several = [leaf for leaf, count in copies.items() if count > 1]
        found = {leaf: "shared" for leaf in copies if self.counted[leaf] or self.listed[leaf]}
        if len(several) == 1:
            return found | {several[0]: "shared"}
        return found | {leaf: f"shared {place}" for place, leaf in enumerate(several, start=1)}

    def tell(self, leaf: Key, mark: str) -> str:
        """Write in which places a leaf with a mark is."""
        copies = sum(other == leaf for other in self.drawn.values())
        told = [f"drawn {copies} times, each marked {mark!r}"] if copies > 1 else []
        if self.counted[leaf]:
            told.append(f"counted in {counted(self.counted[leaf], 'group')} of leaves")
        if self.listed[leaf]:
            told.append(f"listed in {counted(self.listed[leaf], 'fold')}")
        return f"one tensor, {', '.join(told)}"
