"""The builder of all views: it adds boxes, arrows and clusters, and marks shared leaves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from autograd_mini.core.graph import Graph
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..picture import Arrow, Box, Cell, Cluster, Direction, Picture, Role
from ..reading import Key, is_assignment, is_number, key, operands, scope_path
from ..texts import (
    clean_text,
    format_count,
    format_shape,
    join_list,
    list_names,
    ordinal,
    times,
    value_or_shape,
)
from ..wording.language import has_label, label_of, say, say_count, say_list
from .outline import Outline
from .scopes import Branch, Part, Source

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array


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
            _fold_caption(x, part) if x.kind != "operation" else say("boxes outside"): None
            for x in users
        }
        shared += bool(users)
    if not shared:
        return []
    outside = say("boxes outside")
    folds = [name for name in others if name != outside]
    whom = folds if len(folds) == 1 else [say_count("with {n} fold", len(folds))] if folds else []
    others_text = say_list([*whom, *([outside] if outside in others else [])])
    if shared == len(listed):
        return [say("shared with {others}", others=others_text)]
    return [
        say(
            "{some} of {all} shared with {others}", some=shared, all=len(listed), others=others_text
        )
    ]


def _part_phase(part: Part) -> str:
    """Return the phase of a training step that a part belongs to."""
    return part.operations[0].phase


def _fold_caption(part: Part, other: Part) -> str:
    """Return the caption of a fold, or its path if another fold has the same caption."""
    if part.kind == "earlier":
        return say("what is left out")
    known = part.branch.caption
    if known == other.branch.caption and not has_label(known):
        return clean_text(scope_path(part.branch.scope))
    return part_caption(part)


def part_caption(part: Part) -> str:
    """Return the caption of a fold as it is drawn."""
    return scope_caption(part.branch)


def scope_caption(branch: Branch) -> str:
    """Return the caption of a scope as it is drawn: its label, or its name."""
    return clean_text(label_of(branch.path) if has_label(branch.path) else label_of(branch.caption))


@dataclass(slots=True)
class Places:
    """The places of all leaves.

    Attributes:
        drawn: id of the box → the leaf that it draws.
        counted: in how many boxes of several leaves a leaf is counted.
        listed: in how many folds it is listed.
        outside: the leaves that operations outside of the drawn scope take, too.
    """

    drawn: dict[str, Key] = field(default_factory=dict)
    counted: Counter[Key] = field(default_factory=Counter)
    listed: Counter[Key] = field(default_factory=Counter)
    outside: set[Key] = field(default_factory=set)

    def marks(self) -> dict[Key, str]:
        """Return leaf → mark, for leaves that are drawn and appear in a further place.

        If several leaves have several boxes, their marks are numbered.
        """
        copies = Counter(self.drawn.values())
        several = [leaf for leaf, count in copies.items() if count > 1]
        shared = say("shared")
        found = dict.fromkeys((x for x in copies if self._is_elsewhere(x)), shared)
        if len(several) == 1:
            return found | {several[0]: shared}
        numbered = enumerate(several, start=1)
        return found | {leaf: say("shared {number}", number=place) for place, leaf in numbered}

    def _is_elsewhere(self, leaf: Key) -> bool:
        """Return whether a leaf is in a place that is no box of it."""
        return bool(self.counted[leaf] or self.listed[leaf] or leaf in self.outside)

    def describe_places(self, leaf: Key, mark: str) -> str:
        """Write in which places a leaf with a mark is."""
        copies = sum(other == leaf for other in self.drawn.values())
        several = say_count("drawn {n} time, each marked {mark!r}", copies, mark=mark)
        phrases = [several] if copies > 1 else []
        if self.counted[leaf]:
            phrases.append(say_count("counted in {n} group of leaves", self.counted[leaf]))
        if self.listed[leaf]:
            phrases.append(say_count("listed in {n} fold", self.listed[leaf]))
        if leaf in self.outside:
            phrases.append(say("taken outside of this scope, too"))
        return say("one tensor, {places}", places=", ".join(phrases))


MOST_ARROWS: Final = 6
"""More arrows than this between two boxes become one for each label, or one for more labels."""
MOST_NAMES: Final = 3
"""A title names no more outputs than this."""
NAME_OF_UNNAMED: Final[dict[str, str]] = {"input": "input", "parameter": "parameter"}
LISTS: Final = {"input": "inputs", "parameter": "parameters", "state": "states"}
"""What a fold lists → the label of the list."""
LONGEST_PLACES: Final = 24
"""The operands that one arrow brings are listed in at most this many letters."""
NUMBER: Final = re.compile(r"\d+")
NO_LEAF: Final[Key] = (0, 0)
Tensors = tuple[tuple[Role, Hashable], ...]


class Builder:
    """Builds one picture of an outline.

    Attributes:
        picture: the boxes, arrows and clusters so far.
        notes: sentences about the whole picture, which get boxes of the legend.
    """

    def __init__(self, outline: Outline, title: str, direction: Direction) -> None:
        self.outline = outline
        self.picture = Picture(clean_text(title, 200), direction)
        self.clusters: dict[Branch, str | None] = {}
        self.lists: dict[str, dict[str, list[str]]] = {}
        self._changed = outline.changed_leaves
        self.all_changed = outline.all_changed
        self.places = Places()
        self._leaves: dict[str, tuple[Tensor, int]] = {}
        self._first: dict[Key, str] = {}
        self._again: set[int] = set()
        self.notes: list[str] = []

    def add_box(
        self,
        role: Role,
        *lines: str,
        cells: tuple[Cell, ...] = (),
        tooltip: str = "",
        inside: Branch | None = None,
        ordered: bool = False,
        copy_of: str | None = None,
        tensors: Tensors = (),
    ) -> str:
        """Add a box and return its id."""
        box = Box(
            self.picture.next_id(),
            role,
            tuple(filter(None, lines)),
            cells,
            tooltip,
            self._ensure_cluster(inside) if inside else None,
            ordered=ordered,
            copy_of=copy_of,
            tensors=tensors,
        )
        self.picture.boxes.append(box)
        return box.id

    def _ensure_cluster(self, branch: Branch) -> str | None:
        """Return the id of a scope's cluster, None for the root; add missing clusters first."""
        missing = []
        while branch.parent is not None and branch not in self.clusters:
            missing.append(branch)
            branch = branch.parent
        parent = self.clusters.get(branch)
        for inner in reversed(missing):
            cluster = Cluster(f"cluster_{len(self.clusters)}", scope_caption(inner), parent)
            self.picture.clusters.append(cluster)
            parent = self.clusters[inner] = cluster.id
        return parent

    def leaf_tooltip(self, leaf: Array, places: str = "") -> str:
        """Return the tooltip of a leaf: role, dtype, shape, its places, and whether it changed."""
        role = "parameter" if isinstance(leaf, Tensor) and leaf.requires_grad else "input"
        dtype = leaf.dtype if isinstance(leaf, Tensor) else getattr(leaf, "dtype", "")
        shape = np.shape(leaf._value if isinstance(leaf, Tensor) else leaf)
        text = say("{role}, {dtype}, shape {shape}", role=say(role), dtype=dtype, shape=shape)
        text = f"{text}, {places}" if places else text
        if not self._is_changed(leaf):
            return text
        return say("{leaf}, changed since the graph was recorded", leaf=text)

    def mark_shared(self) -> None:
        """Mark the boxes of leaves that are in several places, once all boxes are there."""
        self.places.listed = Counter(
            key(leaf) for part in self.outline.parts for leaf in self.outline.listed_leaves(part)
        )
        marks = self.places.marks()
        for place, box in enumerate(self.picture.boxes):
            mark = marks.get(self.places.drawn.get(box.id, NO_LEAF))
            if mark:
                leaf, before = self._leaves[box.id]
                places_text = self.places.describe_places(key(leaf), mark)
                self.picture.boxes[place] = replace(
                    box,
                    lines=(*box.lines[:before], mark, *box.lines[before:]),
                    tooltip=self.leaf_tooltip(leaf, places_text),
                )

    def _is_changed(self, leaf: Array) -> bool:
        """Return whether a leaf was assigned after an operation used it."""
        return isinstance(leaf, Tensor) and key(leaf) in self._changed

    def is_marked_changed(self, leaf: Tensor) -> bool:
        """Return whether the box of a leaf says "changed".

        If all parameters changed, one line of the picture says so instead.
        """
        return self._is_changed(leaf) and not (self.all_changed and leaf.requires_grad)

    def add_leaf(self, source: Source) -> str:
        """Add the box of a leaf: name, value or shape."""
        leaf = source.value
        inside = source.around(self.outline.tree.root)
        if not isinstance(leaf, Tensor):
            return self.add_box(
                "input",
                say("array"),
                format_shape(leaf),
                tooltip=self.leaf_tooltip(leaf),
                inside=inside,
                tensors=_tensor_identities([source]),
            )
        name = name_in_scope(leaf, inside) or say(NAME_OF_UNNAMED[source.role])
        known = name, value_or_shape(leaf)
        box = self.add_box(
            source.role,
            *known,
            say("changed") if self.is_marked_changed(leaf) else "",
            tooltip=self.leaf_tooltip(leaf),
            inside=inside,
            copy_of=self._first.get(key(leaf)),
            tensors=_tensor_identities([source]),
        )
        self._first.setdefault(key(leaf), box)
        self.places.drawn[box] = key(leaf)
        self._leaves[box] = leaf, len([text for text in known if text])
        return box

    def add_leaf_group(self, sources: list[Source], role: Role, inside: Branch) -> str:
        """Add the box that counts the leaves that are not drawn."""
        label = f"… {format_count(len(sources), f'more {role}')}"
        box = self.add_box(role, label, inside=inside, tensors=_tensor_identities(sources))
        self.places.counted.update(key(x.value) for x in sources if isinstance(x.value, Tensor))
        names = [_leaf_name(x.value) or say(NAME_OF_UNNAMED[role]) for x in sources]
        self.lists[box] = {"holds": names}
        return box

    def add_earlier(self, part: Part) -> str:
        """Add the box that stands for operations that are left out, with the leaves it lists."""
        count = format_count(
            len(part.operations), f"{'more' if part.follows else 'earlier'} operation"
        )
        lines, found = self.list_leaves(part)
        box = self.add_box(
            "earlier",
            f"… {count}",
            *lines,
            tooltip=say("raise limit= to draw more of them"),
            tensors=self.listed_identities(part),
        )
        self.lists[box] = found
        return box

    def add_more_outputs(self, outputs: Sequence[Tensor]) -> str:
        """Add the box that counts the outputs that are not drawn."""
        count = format_count(len(outputs), "more output")
        identities: Tensors = tuple(("output", key(y)) for y in outputs)
        box = self.add_box("output", f"… {count}", tensors=identities)
        self.lists[box] = {"holds": [_leaf_name(y) or say("output") for y in outputs]}
        return box

    def listed_identities(self, part: Part) -> Tensors:
        """Return the identities of the leaves that a part lists."""
        return _tensor_identities(Source(x, [part]) for x in self.outline.listed_leaves(part))

    def list_leaves(self, part: Part) -> tuple[list[str], dict[str, list[str]]]:
        """Return the lines about the listed leaves and the arrays of a part, and all names."""
        within = [member.branch for member in part.members]
        found: dict[str, list[str]] = {}
        for x in sorted(self.outline.listed_leaves(part), key=lambda x: not x.requires_grad):
            state = self.outline.is_state(x)
            noun = "parameter" if x.requires_grad else "state" if state else "input"
            found.setdefault(noun, []).append(name_in_scope(x, part.branch, *within))
        lines = [list_names(names, noun) for noun, names in found.items()]
        lines += describe_sharing(part, self.outline)
        arrays = _count_arrays(part)
        lines += [format_count(arrays, "array")] if arrays else []
        return lines, {LISTS[noun]: names for noun, names in found.items()}

    def add_arrow(
        self,
        tail: str,
        head: str,
        label: str = "",
        tooltip: str = "",
        *,
        again: bool = False,
        output: int = 0,
        carries: Iterable[Hashable] = (),
    ) -> None:
        """Add an arrow; `again` means that the head already takes this tensor."""
        if again:
            self._again.add(len(self.picture.arrows))
        self.picture.arrows.append(
            Arrow(tail, head, label, tooltip, output=output, carries=tuple(carries))
        )

    def carry(self, tail: str, head: str, tensors: Iterable[Hashable]) -> None:
        """Add tensors to those that the first arrow between two boxes carries."""
        for place, arrow in enumerate(self.picture.arrows):
            if (arrow.tail, arrow.head) == (tail, head):
                carries = tuple(dict.fromkeys((*arrow.carries, *tensors)))
                self.picture.arrows[place] = replace(arrow, carries=carries)
                return

    def finish(self) -> Picture:
        """Add the notes, join arrows where there are too many, and return the picture."""
        if self.all_changed:
            count = len(self.outline.graph.parameters)
            said = say_count("all {n} parameter changed since this was recorded", count)
            self.add_box("legend", said)
        for note in self.notes:
            self.add_box("legend", note)
        self.picture.arrows = _mark_operands(self.picture)
        places: dict[tuple[str, str, str], list[int]] = {}
        for place, arrow in enumerate(self.picture.arrows):
            places.setdefault((arrow.tail, arrow.head, arrow.change), []).append(place)
        found = {
            place: arrow for group in places.values() for place, arrow in self._join_arrows(group)
        }
        self.picture.arrows = [found[place] for place in sorted(found)]
        return self.picture

    def _join_arrows(self, places: list[int]) -> Iterator[tuple[int, Arrow]]:
        """Yield the arrows between two boxes, with their places.

        If there are too many arrows, equal labels share one; if there are too many labels, one
        arrow says how many there are.
        """
        arrows = self.picture.arrows
        labels = Counter(arrows[place].label for place in places)
        if len(places) <= MOST_ARROWS:
            for place in places:
                known = place in self._again and len(labels) == 1
                yield place, replace(arrows[place], label="") if known else arrows[place]
            return
        if len(labels) > MOST_ARROWS:
            noun = "tensor" if len(labels) == len(places) else "operand"
            first = arrows[places[0]]
            listed = join_list([clean_text(label, lines=1) for label in labels])
            count_text = format_count(len(places), noun)
            carries = _union(arrows[place] for place in places)
            one = replace(
                first, label=count_text, tooltip=listed, count=len(places), carries=carries
            )
            yield places[0], replace(one, operand=_operand_range(arrows[place] for place in places))
            return
        for label, count in labels.items():
            place = next(place for place in places if arrows[place].label == label)
            same = [arrows[x] for x in places if arrows[x].label == label]
            yield (
                place,
                replace(
                    arrows[place],
                    label=times(label, count).strip(),
                    count=count,
                    operand=_operand_range(same),
                    carries=_union(same),
                ),
            )


def _mark_operands(picture: Picture) -> list[Arrow]:
    """Return the arrows; each has the place of its operand if the order of operands matters."""
    ordered = {box.id for box in picture.boxes if box.ordered}
    entering: dict[str, list[Arrow]] = {}
    for arrow in picture.arrows:
        entering.setdefault(arrow.head, []).append(arrow)
    differ = {
        head
        for head, arrows in entering.items()
        if head in ordered and len({(arrow.tail, arrow.output) for arrow in arrows}) > 1
    }
    seen: Counter[str] = Counter()
    found = []
    for arrow in picture.arrows:
        seen[arrow.head] += 1
        known = arrow.operand or ordinal(seen[arrow.head])
        place = known if arrow.head in differ else ""
        found.append(replace(arrow, operand=place) if place != arrow.operand else arrow)
    return found


def _union(arrows: Iterable[Arrow]) -> tuple[Hashable, ...]:
    """Return the tensors that some arrows stand for, each once."""
    return tuple(dict.fromkeys(x for arrow in arrows for x in arrow.carries))


def _operand_range(arrows: Iterable[Arrow]) -> str:
    """Write the places of the operands that one arrow stands for."""
    places = [arrow.operand for arrow in arrows]
    numbers = [int(NUMBER.findall(place)[0]) for place in places if place]
    if len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{places[0]}–{places[-1]}"
    return join_list(places, LONGEST_PLACES) if numbers else ""


def _tensor_identities(sources: Iterable[Source]) -> Tensors:
    """Return the identity of each leaf; that of a plain array is the object's id."""
    return tuple(
        (x.role, key(x.value) if isinstance(x.value, Tensor) else ("array", id(x.value)))
        for x in sources
    )


def _leaf_name(leaf: Tensor) -> str:
    """Return the name of a leaf, empty if it has none."""
    return (
        clean_text(label_of(leaf.name or ""), lines=1) if isinstance(leaf, Tensor) else say("array")
    )


def name_in_scope(leaf: Tensor, *around: Branch) -> str:
    """Return the name of a leaf without the names of these scopes at its beginning."""
    name = leaf.name or ""
    if has_label(name):
        return clean_text(label_of(name))
    for branch in around:
        name = name.removeprefix(f"{branch.caption}.")
    return clean_text(label_of(name))


def _count_arrays(part: Part) -> int:
    """Count the plain arrays that the operations of a part take."""
    return sum(
        not isinstance(x, Tensor) and not is_number(x)
        for operation in part.operations
        for x in operands(operation)
    )


def output_index(tensor: Tensor, operation: Operation | None) -> str:
    """Return `:1` for an output of an operation that has several."""
    several = operation is not None and operation.primitive.multiple
    return f":{tensor.index}" if several else ""


def default_title(graph: Graph) -> str:
    """Name a picture after its outputs, the first few of them."""
    named = (y for y in graph.outputs if y.name and not is_assignment(y.op))
    names = [clean_text(label_of(y.name or "")) for y in named]
    if not names:
        return say("Computation graph")
    rest = len(names) - MOST_NAMES
    listed = ", ".join(names[:MOST_NAMES])
    if rest > 0:
        listed = say("{names} and {rest} more", names=listed, rest=rest)
    return say("Computation graph of {names}", names=listed)
