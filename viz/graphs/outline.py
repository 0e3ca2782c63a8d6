"""Outline: which operations are boxes, and which are folded, joined as repeats, or left out.

The order: `open=` and `limit=` of `scopes`, repeats, what is left out. Then it finds the
leaves that the boxes need.

A part is one operation, a folded scope, or the operations that are too far from the outputs to be
shown. No path leads from a part to others and back. The number of parts is limited here, so all
later stages work on a few dozen boxes.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from autograd_mini.core.graph import Graph
from autograd_mini.core.tensor import Tensor

from ..reading import Key, is_assignment, is_number, key, operands
from .acyclic import ALONE, divide_groups
from .parts import Part, Source
from .repeats import fold_repeats
from .scopes import Branch, Open, ScopeTree, apply_open, common_branch

NEAR_PARTS: Final = 4
"""A parameter is drawn again for a user that comes more parts than this after the first one."""
MOST_LEAVES: Final = 9
"""If a part has more leaves than this, some are shown and the rest are counted."""
MOST_OF_EARLIER: Final = 3
"""The inputs of left-out operations are shown if there are at most this many."""

LIMIT_WITH_OPEN: Final = 160
"""If the caller opens scopes, the picture may have this many boxes."""
FEWEST_HIDDEN: Final = 5
"""If fewer parts than this were left out, all are drawn."""
FEWEST_TOGETHER: Final = 2
"""A box of left-out operations stands for at least this many parts."""


class Outline:
    """The parts of a graph that fit into a picture.

    Attributes:
        parts: in topological order.
        outputs: the output tensors that are shown.
        more_outputs: the output tensors that are only counted.
        changed: the results of assignments: the leaves after a training step.
    """

    def __init__(
        self,
        graph: Graph,
        limit: int | None,
        fold: bool | Callable[[ScopeTree], None] = True,
        open: Open = None,
        repeats: bool = True,
    ) -> None:
        self.graph = graph
        self.tree = ScopeTree(graph)
        outputs = [y for y in graph.outputs if not is_assignment(y.op)]
        shown = len(outputs) if limit is None else max(limit // 4, 1)
        if len(outputs) == shown + 1:
            shown += 1
        self.outputs = tuple(outputs[:shown])
        self.more_outputs = tuple(outputs[shown:])
        self.changed = tuple(y for y in graph.outputs if is_assignment(y.op))
        self._state = {key(y.op.inputs[0]) for y in self.changed if y.op is not None}
        if callable(fold):
            fold(self.tree)
        elif fold:
            self._count_leaves()
            kept = apply_open(open, self.tree)
            self.tree.fold(None if limit is None else limit - len(self.outputs), kept)
            if kept and limit is not None:
                limit = max(limit, LIMIT_WITH_OPEN)
        self._part_of: dict[int, Part] = {}
        self._users: dict[Key, list[Part]] = {}
        self.parts: list[Part] = []
        self._divide()
        if limit is not None:
            if fold is True and repeats:
                self._fold_repeats(limit)
            self._leave_out(limit)

    def part_of(self, tensor: Tensor) -> Part | None:
        """Return the part that computes a tensor, None for a leaf."""
        return self._part_of.get(tensor.serial)

    def sources(self) -> dict[tuple[Part, Key], Source]:
        """Return the boxes of the leaves, by the part and the tensor that it takes.

        A parameter has a box near each group of its users. A leaf that a part lists has no box.
        """
        sources: dict[tuple[Part, Key], Source] = {}
        latest: dict[Key, tuple[Source, int]] = {}
        for place, part in enumerate(self.parts):
            listed = set(map(key, self.listed_leaves(part)))
            for leaf in self.leaves(part):
                name = key(leaf)
                if name in listed:
                    continue
                source, first = latest.get(name, (None, 0))
                if source is None or (leaf.requires_grad and place - first > NEAR_PARTS):
                    source, first = Source(leaf, []), place
                source.consumers.append(part)
                latest[name] = source, first
                sources[part, name] = source
        return sources

    def leaves(self, part: Part) -> list[Tensor]:
        """Return the leaf tensors that a part takes, each once, in order."""
        found: dict[Key, Tensor] = {}
        for operation in part.operations:
            for x in operands(operation):
                if isinstance(x, Tensor) and x.is_leaf:
                    found.setdefault(key(x), x)
        return list(found.values())

    def users(self, leaf: Tensor) -> list[Part]:
        """Return the parts that take a leaf, in order."""
        if not self._users:
            for part in self.parts:
                for x in self.leaves(part):
                    self._users.setdefault(key(x), []).append(part)
        return self._users.get(key(leaf), [])

    def listed_leaves(self, part: Part) -> list[Tensor]:
        """Return the leaves that the box of a part lists; they have no boxes and no arrows to it.

        A box of several operations lists its parameters, and the state that the program changes.
        A box of left-out operations also lists its inputs if they are many.
        """
        if part.kind == "operation":
            return []
        leaves = self.leaves(part)
        inside = [x for x in leaves if self._is_hidden(x)]
        many = part.kind == "earlier" and len(leaves) - len(inside) > MOST_OF_EARLIER
        return leaves if many else inside

    def is_state(self, leaf: Tensor) -> bool:
        """Return whether a leaf is state: the program changes it, and it is not trained."""
        return key(leaf) in self._state and not leaf.requires_grad

    def _count_leaves(self) -> None:
        """Count each leaf in the scope where it will be drawn, so that folding counts it, too."""
        users: dict[Key, list[Branch]] = {}
        for operation in self.graph.operations:
            branch = self.tree.branch(operation)
            for x in operands(operation):
                if not isinstance(x, Tensor):
                    branch.count_boxes(not is_number(x))
                elif x.is_leaf:
                    users.setdefault(key(x), []).append(branch)
        for leaf in (*self.graph.inputs, *self.graph.parameters):
            around = users.get(key(leaf))
            hidden = self._is_hidden(leaf) and around
            (common_branch(around) if hidden and around else self.tree.root).count_boxes(1)

    def _is_hidden(self, leaf: Tensor) -> bool:
        """Return whether a box of several operations lists a leaf."""
        return leaf.requires_grad or key(leaf) in self._state

    def _divide(self) -> None:
        """Make a part for each visible operation and each folded scope.

        If the operations of a scope do not follow each other, it may have several parts.
        """
        folded: dict[Branch, Part] = {}
        boxes = {branch: branch.folded_ancestor() for branch in self.tree.branches}
        scattered = False
        for operation in self.graph.operations:
            branch = self.tree.branch(operation)
            box = boxes.get(branch)
            part = folded.get(box) if box else None
            if part is None:
                part = Part("scope", box) if box else Part("operation", branch)
                self.parts.append(part)
                if box:
                    folded[box] = part
            elif part is not self.parts[-1]:
                scattered = True
            part.operations.append(operation)
            self._part_of[operation.serial] = part
        if scattered:
            self._divide_scattered()

    def _divide_scattered(self) -> None:
        """Divide the scopes that a path leaves and enters again."""
        operations = self.graph.operations
        numbers: dict[Part, int] = {}
        for operation in operations:
            part = self._part_of[operation.serial]
            if part.kind == "scope":
                numbers.setdefault(part, len(numbers))
        single = [Part("operation", self.tree.root, [operation]) for operation in operations]
        groups = [numbers.get(self._part_of[op.serial], ALONE) for op in operations]
        parts = []
        for piece in divide_groups(self._edges(single), groups):
            held = [operations[v] for v in piece]
            one = self._part_of[held[0].serial]
            if len(held) < len(one.operations):
                one = Part("scope", one.branch, held, whole=len(one.operations))
            parts.append(one)
        self._set_parts(parts)

    def _set_parts(self, parts: list[Part]) -> None:
        """Replace all parts."""
        self.parts = parts
        for part in parts:
            for operation in part.operations:
                self._part_of[operation.serial] = part

    def _edges(self, parts: list[Part]) -> list[list[int]]:
        """Return, for each of these parts, the places of the other parts that it takes from."""
        places = {op.serial: place for place, part in enumerate(parts) for op in part.operations}
        return [
            [
                places[x.serial]
                for operation in part.operations
                for x in operands(operation)
                if isinstance(x, Tensor) and places.get(x.serial, place) != place
            ]
            for place, part in enumerate(parts)
        ]

    def _fold_repeats(self, limit: int) -> None:
        """Join alike parts that follow each other, if there are too many parts."""
        room = limit - len(self.outputs)
        crowded = len(self.parts) - room >= FEWEST_HIDDEN
        found = fold_repeats(self.parts, room, crowded=crowded)
        if len(found) == len(self.parts):
            return
        group_of = {
            member: number
            for number, part in enumerate(part for part in found if part.members)
            for member in part.members
        }
        before, joined = self.parts, {m: part for part in found for m in part.members}
        parts = []
        for piece in divide_groups(self._edges(before), [group_of.get(p, ALONE) for p in before]):
            whole = joined.get(before[piece[0]])
            if whole is not None and len(piece) == len(whole.members):
                parts.append(whole)
            else:  # as one box it would be on a cycle
                parts += [before[place] for place in piece]
        self._set_parts(parts)

    def _leave_out(self, limit: int) -> None:
        """Keep the parts nearest to the outputs, as many as fit with their leaves.

        A box that says "… 1 earlier operation" would save nothing, so a few too many are drawn.
        Operations that are left out between shown parts have a box there.
        """
        budget = limit - len(self.outputs)
        if len(self.parts) + len(self.graph.inputs) + len(self.graph.parameters) <= budget:
            return
        kept = self._nearest(budget - 1)
        if len(self.parts) - len(kept) < FEWEST_HIDDEN:
            return
        before, edges = self.parts, self._edges(self.parts)
        parts = []
        for piece in divide_groups(edges, [ALONE if part in kept else 0 for part in before]):
            if before[piece[0]] in kept or len(piece) < FEWEST_TOGETHER:
                parts += [before[place] for place in piece]
                continue
            operations = [op for place in piece for op in before[place].operations]
            operations.sort(key=lambda operation: operation.serial)
            outside = {i for place in piece for i in edges[place]}.difference(piece)
            parts.append(Part("earlier", self.tree.root, operations, follows=bool(outside)))
        self._set_parts(parts)

    def _nearest(self, budget: int) -> set[Part]:
        """Return the parts at the shortest distance from an output, later ones first."""
        heap: list[tuple[int, int]] = []
        seen: set[Part] = set()
        for y in (*self.outputs, *self.changed):
            part = self.part_of(y)
            if part is not None and part not in seen:
                seen.add(part)
                heappush(heap, (0, -part.operations[-1].serial))
        kept: set[Part] = set()
        drawn: set[Key] = set()
        while heap:
            distance, serial = heappop(heap)
            part = self._part_of[-serial]
            budget -= 1 + self._new_boxes(part, drawn)
            if budget < 0 and kept:
                break
            kept.add(part)
            for operation in part.operations:
                for x in operands(operation):
                    before = self.part_of(x) if isinstance(x, Tensor) else None
                    if before is not None and before not in seen:
                        seen.add(before)
                        heappush(heap, (distance + 1, -before.operations[-1].serial))
        return kept

    def _new_boxes(self, part: Part, drawn: set[Key]) -> int:
        """Count the leaves that a part adds to a picture."""
        count = 0
        for operation in part.operations:
            for x in operands(operation):
                if not isinstance(x, Tensor):
                    count += part.kind == "operation" and not is_number(x)
                elif x.is_leaf and key(x) not in drawn:
                    drawn.add(key(x))
                    count += part.kind == "operation" or not x.requires_grad
        return min(count, MOST_LEAVES)
