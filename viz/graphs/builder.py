"""What the views of a graph have in common: boxes with ids, clusters made when first needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from autograd_mini.operation import Operation
from autograd_mini.tensors import Tensor

from ..picture import Arrow, Box, Cell, Cluster, Direction, Picture, Role
from ..reading import Key, has_changed, is_assignment, key, operands
from ..texts import clean, counted, shape, value_or_shape
from .outline import Outline, Part, Source
from .scopes import Branch

MOST_ARROWS: Final = 6
"""More arrows than this between the same two boxes become one that says how many."""
UNNAMED: Final[dict[str, str]] = {"input": "input", "parameter": "parameter"}


class Builder:
    """Collects one picture of an outline."""

    def __init__(self, outline: Outline, title: str, direction: Direction) -> None:
        self.outline = outline
        self.picture = Picture(clean(title, 200), direction)
        self.clusters: dict[Branch, str] = {}
        self._changed = changed_leaves(outline)
        self._shared: dict[Key, tuple[str, int]] = {}

    def box(
        self,
        role: Role,
        *lines: str,
        cells: tuple[Cell, ...] = (),
        tooltip: str = "",
        inside: Branch | None = None,
        ordered: bool = False,
    ) -> str:
        """Add a box and return its id."""
        box = Box(
            self.picture.next_id(),
            role,
            tuple(filter(None, lines)),
            cells,
            tooltip,
            self.cluster(inside) if inside else None,
            ordered=ordered,
        )
        self.picture.boxes.append(box)
        return box.id

    def cluster(self, branch: Branch) -> str | None:
        """Return the id of the cluster of a scope, made with those around it; None for the root."""
        missing = []
        while branch.parent is not None and branch not in self.clusters:
            missing.append(branch)
            branch = branch.parent
        parent = self.clusters.get(branch)
        for inner in reversed(missing):
            cluster = Cluster(f"cluster_{len(self.clusters)}", clean(inner.caption), parent)
            self.picture.clusters.append(cluster)
            parent = self.clusters[inner] = cluster.id
        return parent

    def leaf_tooltip(self, leaf: Any) -> str:
        """Tell role, shape and dtype of a leaf, and whether it changed."""
        role = "parameter" if isinstance(leaf, Tensor) and leaf.requires_grad else "input"
        dtype = leaf.dtype if isinstance(leaf, Tensor) else getattr(leaf, "dtype", "")
        text = (
            f"{role}, {dtype}, shape {np.shape(leaf._value if isinstance(leaf, Tensor) else leaf)}"
        )
        mark, copies = self.shared(leaf)
        if mark:
            text = f"{text}, one tensor, drawn {copies} times, each marked {mark!r}"
        return f"{text}, changed since the graph was recorded" if self.changed(leaf) else text

    def shared(self, leaf: Any) -> tuple[str, int]:
        """Return the mark of a leaf with several boxes, and how many; no mark for one box."""
        return self._shared.get(key(leaf), ("", 1)) if isinstance(leaf, Tensor) else ("", 1)

    def share(self, sources: Iterable[Source]) -> None:
        """Mark the leaves that have several of these boxes; different leaves in different ways."""
        copies = Counter(key(source.value) for source in dict.fromkeys(sources))
        several = [name for name, count in copies.items() if count > 1]
        for place, name in enumerate(several, start=1):
            mark = f"shared {place}" if len(several) > 1 else "shared"
            self._shared[name] = mark, copies[name]

    def changed(self, leaf: Any) -> bool:
        """Whether a leaf was assigned after an operation used it."""
        return isinstance(leaf, Tensor) and key(leaf) in self._changed

    def leaf(self, source: Source) -> str:
        """Add the box of a leaf: name, value or shape."""
        leaf = source.value
        inside = source.around(self.outline.tree.root)
        if not isinstance(leaf, Tensor):
            return self.box(
                "input", "array", shape(leaf), tooltip=self.leaf_tooltip(leaf), inside=inside
            )
        return self.box(
            source.role,
            clean(leaf.name.removeprefix(f"{inside.caption}."))
            if leaf.name
            else UNNAMED[source.role],
            value_or_shape(leaf),
            self.shared(leaf)[0],
            "changed" if self.changed(leaf) else "",
            tooltip=self.leaf_tooltip(leaf),
            inside=inside,
        )

    def earlier(self, part: Part) -> str:
        """Add the box that stands for the operations that are left out."""
        count = counted(len(part.operations), "earlier operation")
        return self.box("earlier", f"… {count}", tooltip="raise limit= to draw more of them")

    def arrow(self, tail: str, head: str, label: str = "", tooltip: str = "") -> None:
        """Add an arrow."""
        self.picture.arrows.append(Arrow(tail, head, label, tooltip))

    def finish(self) -> Picture:
        """Join what is too many arrows, and return the picture."""
        arrows = self.picture.arrows
        many = Counter((arrow.tail, arrow.head) for arrow in arrows)
        joined: set[tuple[str, str]] = set()
        kept = []
        for arrow in arrows:
            pair = arrow.tail, arrow.head
            if many[pair] <= MOST_ARROWS:
                kept.append(arrow)
            elif pair not in joined:
                joined.add(pair)
                kept.append(Arrow(*pair, f"{arrow.label} ×{many[pair]}".strip()))
        self.picture.arrows = kept
        return self.picture


def changed_leaves(outline: Outline) -> set[Key]:
    """Find the leaves that were assigned after an operation of the graph used them."""
    return {
        key(x)
        for operation in outline.graph.operations
        for x in operands(operation)
        if isinstance(x, Tensor) and has_changed(x, operation)
    }


def output_index(tensor: Tensor, operation: Operation | None) -> str:
    """Return `:1` for an output of an operation that has several."""
    several = operation is not None and operation.primitive.multiple
    return f":{tensor.index}" if several else ""


def default_title(outline: Outline) -> str:
    """Name a picture after its outputs."""
    named = (y for y in outline.graph.outputs if y.name and not is_assignment(y.op))
    names = [clean(y.name or "") for y in named][:3]
    return f"Computation graph of {', '.join(names)}" if names else "Computation graph"
