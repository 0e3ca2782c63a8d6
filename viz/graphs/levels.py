"""Levels: a graph as a tree of small pictures, one for each scope, as a page shows it.

A level draws the operations of one scope, with the scopes inside it folded. Arrows that cross its
border end in ports. A page puts the picture of a scope in place of its folded box and joins the
arrows at the ports, so any number of scopes can be open at once, and the rest stays where it is.

What repeats, and what is too much for one level, becomes a level of its own. So every operation can
be reached, and no level has more than about a hundred boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from autograd_mini.core.record import Operation, Scope
from autograd_mini.core.tensor import Tensor

from ..picture import BESIDE, Picture
from ..reading import Key, key, operands
from ..wording.language import say
from .operations import OperationsView
from .outline import Outline
from .scopes import Branch, Part

ROOM: Final = 60
"""If a level below the first has more parts than this, what repeats in it is joined."""
MOST_PARTS: Final = 120
"""If a level has more parts than this, they are divided into boxes of consecutive parts."""
FEWEST_IN_BOX: Final = 40
"""Such a box holds at least this many parts, unless it is the last."""


class LevelOutline(Outline):
    """The parts of one scope, or of one box of several parts.

    Attributes:
        members: a box of several parts that is no scope → these parts.
    """

    def __init__(
        self,
        whole: Outline,
        around: Branch,
        operations: Sequence[Operation],
        entering: dict[Key, int],
        leaving: dict[Key, int],
        uses: Mapping[Key, list[Operation]],
    ) -> None:
        self.graph = whole.graph
        self.operations = operations
        self.tree = whole.tree
        self.entering = entering
        self.leaving = leaving
        self.outputs = ()
        self.more_outputs = ()
        self.changed = ()
        self.changed_leaves = whole.changed_leaves
        self.all_changed = whole.all_changed
        self._state = whole._state
        self._around = around
        self._uses = uses
        self._part_of = {}
        self._users = {}
        self._outside: dict[Key, list[Part]] = {}
        self._leaves: dict[Part, list[Tensor]] = {}
        self.parts = []
        self.members: dict[Part, list[Part]] = {}

    def divide_scope(self, sizes: Mapping[Branch, int]) -> None:
        """Make a part for each operation of the scope and for each scope inside it.

        Args:
            sizes: how many operations each scope of the graph has.
        """
        self._divide()
        for part in self.parts:
            size = sizes.get(part.branch, 0) if part.kind == "scope" else 0
            part.whole = size if len(part.operations) < size else 0

    def set_members(self, parts: Iterable[Part]) -> None:
        """Draw these parts."""
        self._set_parts(list(parts))

    def join_repeats(self, room: int, opened: set[Branch], only_loops: bool) -> None:
        """Join alike parts, as `Outline` does; those that are open at first stay as they are."""
        before = self.parts
        self._fold_repeats(room, only_loops)
        joined = [part for part in self.parts if part.members]
        if any(member.branch in opened for part in joined for member in part.members):
            self._set_parts(before)

    def unfold_single_operations(self, opened: set[Branch]) -> None:
        """Make a fold of one operation that operation, unless it is open at first, or a piece."""
        self._set_parts(
            [
                part
                if part.whole or (part.branch in opened and not part.branch.is_function)
                else self._unfold_single(part)
                for part in self.parts
            ]
        )

    def leave_out(self, limit: int) -> None:
        """Replace the parts that are too many by boxes of them."""
        before = self.parts
        self._leave_out(limit)
        for part in self.parts:
            if part.kind == "earlier":
                inside = {operation.serial for operation in part.operations}
                self.members[part] = [x for x in before if x.operations[0].serial in inside]

    def divide_in_boxes(self) -> None:
        """Put consecutive parts into one box where there are too many of them."""
        if len(self.parts) <= MOST_PARTS:
            return
        size = max(FEWEST_IN_BOX, ceil(len(self.parts) / FEWEST_IN_BOX))
        slices = [self.parts[at : at + size] for at in range(0, len(self.parts), size)]
        found = []
        for place, members in enumerate(slices, start=1):
            name = say("part {place} of {all}", place=place, all=len(slices))
            branch = Branch(Scope(name, None), members[0].around)
            held = [operation for part in members for operation in part.operations]
            found.append(Part("scope", branch, held, members))
        self._set_parts(found)

    def users(self, leaf: Tensor) -> list[Part]:
        """Return the parts that take a leaf, and a part for each phase outside that takes it."""
        name = key(leaf)
        if name not in self._outside:
            outside: dict[str, Part] = {}
            for operation in self._uses.get(name, ()):
                if operation.serial not in self._part_of and operation.phase not in outside:
                    outside[operation.phase] = Part("operation", self.tree.root, [operation])
            self._outside[name] = list(outside.values())
        return super().users(leaf) + self._outside[name]

    def leaves(self, part: Part) -> list[Tensor]:
        """Return the leaf tensors that a part takes, each once, in order."""
        if part not in self._leaves:
            self._leaves[part] = super().leaves(part)
        return self._leaves[part]

    def taken_outside(self) -> set[Key]:
        """Return the leaves of the level that operations outside of it take, too."""
        found = set()
        for part in self.parts:
            for leaf in self.leaves(part):
                uses = self._uses.get(key(leaf), ())
                if any(operation.serial not in self._part_of for operation in uses):
                    found.add(key(leaf))
        return found

    def _folds(self) -> Mapping[Branch, Branch | None]:
        """Return, for each scope of the operations, the scope just inside this one around it."""
        found: dict[Branch, Branch | None] = {}
        for branch in {self.tree.branch(operation) for operation in self.operations}:
            inner: Branch | None = None
            outer: Branch | None = branch
            while outer is not None and outer is not self._around:
                inner, outer = outer, outer.parent
            found[branch] = inner
        return found


@dataclass(slots=True, eq=False)
class Level:
    """One level and the levels inside it.

    Attributes:
        outline: its parts.
        view: draws them.
        picture: what is drawn.
        part: what it shows, None for the whole graph.
        box: the id of its folded box in the level around it.
        children: id of a box → the level that it opens to.
        open: whether it is open at first.
    """

    outline: LevelOutline
    view: OperationsView
    picture: Picture
    part: Part | None = None
    box: str = ""
    children: dict[str, Level] = field(default_factory=dict)
    open: bool = True

    def all_levels(self) -> Iterator[Level]:
        """Yield this level and all inside it, outer ones first."""
        yield self
        for child in self.children.values():
            yield from child.all_levels()

    def backward_order(self) -> Iterator[Operation]:
        """Yield the operations as the steps of the backward go through them."""
        boxes = self.view.box_of_part
        for part in reversed(self.outline.parts):
            child = self.children.get(boxes[part])
            yield from child.backward_order() if child else reversed(part.operations)


def build_levels(
    first: Outline,
    make_view: Callable[[LevelOutline], OperationsView],
    limit: int | None,
    only_loops: bool,
    notes: Sequence[str] = (),
) -> Level:
    """Return the level of a whole graph, with all levels inside it.

    Args:
        first: the outline of the drawing; scopes that are open in it are open at first.
        make_view: returns the view of a level.
        limit: about how many boxes the first level has.
        only_loops: as in `Outline`.
        notes: sentences about the whole graph, for the first level.
    """
    return _LevelBuilder(first, make_view, limit, only_loops, notes).root()


class _LevelBuilder:
    """Builds the tree of levels from the outside to the inside."""

    def __init__(
        self,
        first: Outline,
        make_view: Callable[[LevelOutline], OperationsView],
        limit: int | None,
        only_loops: bool,
        notes: Sequence[str],
    ) -> None:
        self.first = first
        self.notes = notes
        self.make_view = make_view
        self.limit = limit
        self.only_loops = only_loops
        branches = first.tree.branches
        self.opened = {x for x in branches if x.folded_ancestor() is None}
        self.sizes = {branch: branch.size for branch in branches}
        self.uses: dict[Key, list[Operation]] = {}
        for operation in first.graph.operations:
            for x in operands(operation):
                if isinstance(x, Tensor) and x.is_leaf:
                    self.uses.setdefault(key(x), []).append(operation)

    def root(self) -> Level:
        """Return the level of the whole graph."""
        first = self.first
        outline = self._outline(first.tree.root, first.graph.operations, {}, {})
        outline.outputs, outline.more_outputs = first.outputs, first.more_outputs
        outline.changed = first.changed
        outline.divide_scope(self.sizes)
        if self.limit is not None:
            outline.join_repeats(self.limit, self.opened, self.only_loops)
            outline.leave_out(self.limit)
        return self._finish(outline, None)

    def _outline(
        self,
        around: Branch,
        operations: Sequence[Operation],
        entering: dict[Key, int],
        leaving: dict[Key, int],
    ) -> LevelOutline:
        return LevelOutline(self.first, around, operations, entering, leaving, self.uses)

    def _inside(self, part: Part, members: list[Part], level: Level, box: str) -> Level:
        """Return the level of a part."""
        arrows = level.picture.arrows
        entering = number_ports(arrow.carries for arrow in arrows if arrow.head == box)
        leaving = number_ports(arrow.carries for arrow in arrows if arrow.tail == box)
        around = part.around if members else part.branch
        outline = self._outline(around, part.operations, entering, leaving)
        if members:
            outline.set_members(members)
        else:
            outline.divide_scope(self.sizes)
            if self.limit is not None and len(outline.parts) > ROOM:
                outline.join_repeats(ROOM, self.opened, self.only_loops)
        if self.limit is not None:
            outline.divide_in_boxes()
        found = self._finish(outline, part)
        found.box = box
        found.open = part.branch in self.opened and not members
        return found

    def _finish(self, outline: LevelOutline, part: Part | None) -> Level:
        """Return a level with the levels inside it."""
        outline.unfold_single_operations(self.opened)
        view = self.make_view(outline)
        for around in (outline._around, *(x.around for x in outline.parts)):
            view.builder.clusters[around] = None
        view.builder.places.outside = outline.taken_outside()
        view.builder.notes += self.notes if part is None else ()
        picture = view.picture()
        if part is not None:
            picture.boxes = [box for box in picture.boxes if box.role not in BESIDE]
        level = Level(outline, view, picture, part)
        for one in outline.parts:
            members = outline.members.get(one) or one.members
            if one.kind != "operation":
                box = view.box_of_part[one]
                level.children[box] = self._inside(one, members, level, box)
        return level


def number_ports(groups: Iterable[tuple[object, ...]]) -> dict[Key, int]:
    """Return the port of each tensor; the tensors that one arrow carries share a port.

    >>> number_ports([((1, 0),), ((2, 0), (3, 0)), ((1, 0),), ((3, 0), (4, 0))])
    {(1, 0): 0, (2, 0): 1, (3, 0): 1, (4, 0): 1}
    """
    found: dict[object, int] = {}
    count = 0
    for group in groups:
        known = {found[x] for x in group if x in found}
        number = min(known, default=count)
        count += number == count
        for tensor, port in found.items():
            if port in known:
                found[tensor] = number
        found |= dict.fromkeys(group, number)
    return found  # type: ignore[return-value]  # arrows carry keys, and a picture does not know them
