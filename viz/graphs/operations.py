"""The view of a graph as operations: symbols in boxes, shapes on arrows, scopes as clusters.

`TensorsView` also draws a box for each result. Facts are everything known about a box, as labels
and texts; a page shows them on hover.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from autograd_mini.core.absent import Absent
from autograd_mini.core.contexts import Phase
from autograd_mini.core.record import Operation
from autograd_mini.core.tensor import Tensor

from ..output.layout import move_arrays_outside
from ..picture import Direction, Loop, Picture, Role
from ..reading import Key, is_assignment, is_number, key, operands, scope_of, scope_path
from ..stepping.captions import describe_statistics
from ..texts import (
    COMMUTATIVE,
    LONGEST_TOOLTIP,
    NUMBERS,
    clean_text,
    format_count,
    format_number,
    format_shape,
    join_list,
    mean_and_deviation,
    norm,
    operation_label,
    operation_tooltip,
    times,
    value_or_shape,
    with_counts,
)
from ..wording.language import label_of, say, say_count
from .builder import NAME_OF_UNNAMED, Builder, output_index, part_caption
from .outline import MOST_LEAVES, Outline
from .scopes import Part, Source

if TYPE_CHECKING:
    from autograd_mini.core.arrays import Array

Facts = list[tuple[str, str]]
LONGEST: Final = 300
LONGEST_LIST: Final = 240
LONGEST_LOOP: Final = 40
"""The most letters at the back arrow of a loop."""
MOST_RESULTS: Final = 6
"""If an operation has more results, the others are only counted."""
MOST_SYMBOLS: Final = 2000
"""The operations of a scope with more of them are counted by type, which is faster."""


def tensor_facts(tensor: Tensor, gradient: Array | None = None) -> Facts:
    """Return shape, dtype and statistics of a tensor or array, of its gradient, and of `.grad`.

    The gradient is the derivative of the drawn outputs; `.grad` is the sum that backward() made.
    """
    value = tensor._value if isinstance(tensor, Tensor) else tensor
    found = [
        ("shape", format_shape(value) or say("a number")),
        ("dtype", str(getattr(value, "dtype", ""))),
    ]
    if type(value) is not Absent:
        found.append(("value", describe_statistics(value)))
        found += [("mean", text) for text in [_mean_text(value)] if text]
    if gradient is not None:
        found.append(("gradient", describe_statistics(gradient)))
    if isinstance(tensor, Tensor) and isinstance(tensor.grad, np.ndarray | np.generic):
        found.append((".grad", describe_statistics(tensor.grad)))
    return [(label, clean_text(text, LONGEST)) for label, text in found if text]


def _mean_text(value: Array) -> str:
    """Return mean and deviation of real numbers, empty for others."""
    array = np.asarray(value)
    if array.size < 2 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        return ""
    return " ± ".join(map(format_number, mean_and_deviation(array)))


def operation_facts(operation: Operation, results: bool = True) -> Facts:
    """Return type, scope, parameters, formula and source line of an operation, and its result."""
    row = operation.primitive
    found = [("operation", operation.type)]
    path = scope_path(scope_of(operation))
    found += [("scope", path)] if path else []
    operand_texts = (
        str(x) if is_number(x) else format_shape(x) or say("a number") for x in operands(operation)
    )
    taken = " , ".join(operand_texts)
    found += [("takes", taken)] if taken else []
    params = [f"{k}={v!r}" for k, v in operation.params.items() if " at 0x" not in repr(v)]
    found += [("parameters", ", ".join(params))] if params else []
    value, _, rules = row.doc.partition("  ∂")
    found.append(("formula", value))
    found += [("derivatives", f"∂{rules}".replace("  ∂", ", ∂"))] if rules else []
    found += [("recorded at", operation.line)] if operation.line else []
    if results:
        found += _result_facts(operation.outputs)
    return [(label, clean_text(text, LONGEST)) for label, text in found]


def _result_facts(made: tuple[Tensor, ...]) -> Facts:
    """Return the facts about the result of an operation; of several results, a line for each."""
    if len(made) == 1:
        return tensor_facts(made[0])
    found = [(f"result :{y.index}", _result_text(y)) for y in made[:MOST_RESULTS]]
    rest = len(made) - len(found)
    return [*found, ("more results", f"{rest}")] if rest else found


def _result_text(y: Tensor) -> str:
    """Write statistics and dtype of a result, or its shape where there are no values."""
    value = y._value
    text = (
        format_shape(value) or say("a number")
        if type(value) is Absent
        else describe_statistics(value)
    )
    return f"{text}, {y.dtype}"


def part_facts(part: Part, labels: dict[int, str] | None = None) -> Facts:
    """Return the facts about a part: one operation, or the operations of a fold.

    Args:
        part: the part.
        labels: serial → label of operations that are known, and are added.
    """
    if part.kind == "operation":
        return operation_facts(part.operations[0])
    few = len(part.operations) <= MOST_SYMBOLS
    labels = {} if labels is None else labels
    for x in part.operations if few else ():
        if x.serial not in labels:
            labels[x.serial] = operation_label(x)
    types = Counter(labels[x.serial] if few else x.type for x in part.operations)
    type_counts = [times(name, n) for name, n in types.most_common()]
    found = [("holds", format_count(len(part.operations), "operation"))]
    if part.kind == "scope":
        found.append(("scope", scope_path(part.branch.scope)))
    found.append(("operations", join_list(type_counts, LONGEST_LIST)))
    line = next((x.line for x in part.operations if x.line), None)
    found += [("begins at", line)] if line else []
    leaves = _part_parameters(part)
    if leaves:
        size = sum(leaf.size for leaf in leaves)
        sizes = f"{format_count(len(leaves), 'tensor')}, {format_count(size, 'number')}"
        found.append(("parameters", _count_with_names(sizes, [leaf.name or "" for leaf in leaves])))
        grads = [leaf.grad for leaf in leaves if isinstance(leaf.grad, np.ndarray | np.generic)]
        grads = [g for g in grads if g.dtype.kind in NUMBERS]
        if grads:
            found.append(
                (
                    ".grad",
                    say("norm {norm}", norm=format_number(np.hypot.reduce(list(map(norm, grads))))),
                )
            )
    return [(label, clean_text(text, LONGEST)) for label, text in found]


def view_facts(view: OperationsView, labels: dict[int, str] | None = None) -> dict[str, Facts]:
    """Return the facts about each box of a view of operations, by id; `labels` as in part_facts."""
    found = {box: part_facts(part, labels) for part, box in view.box_of_part.items()}
    return found | other_facts(view, found)


def other_facts(view: OperationsView, of_parts: dict[str, Facts]) -> dict[str, Facts]:
    """Return the facts about leaves, outputs and listed leaves, parameters left out."""
    found = {box: tensor_facts(source.value) for source, box in view.box_of_source.items()}
    found |= {box: tensor_facts(y) for y, box in view.box_of_output}
    return found | {
        box: of_parts.get(box, []) + list_facts(lists) for box, lists in view.builder.lists.items()
    }


def list_facts(lists: dict[str, list[str]]) -> Facts:
    """Return the facts about the leaves that a box lists, without parameters."""
    return [
        (label, _count_with_names(format_count(len(names), "tensor"), names))
        for label, names in lists.items()
        if label != "parameters"
    ]


def _count_with_names(count: str, names: Sequence[str]) -> str:
    """Write a count and then the names, as many as fit; leaves without a name are counted."""
    known = [clean_text(name, lines=1) for name in names if name]
    rest = len(names) - len(known)
    known = with_counts(known)
    known += [say_count("{n} without a name", rest)] if known and rest else []
    return f"{count}: {join_list(known, LONGEST_LIST)}" if known else count


def _part_parameters(part: Part) -> list[Tensor]:
    """Return the trainable leaves that the operations of a part take, each once."""
    found = {
        x.serial: x
        for operation in part.operations
        for x in operands(operation)
        if isinstance(x, Tensor) and x.is_leaf and x.requires_grad
    }
    return list(found.values())


SHOWN_LEAVES: Final = 5
"""How many leaves are shown of a part that has too many."""
ROLES: Final[dict[Phase, Role]] = {
    "forward": "operation",
    "backward": "gradient",
    "update": "update",
}
"""Phase of a training step → role of an operation."""
FOLDED: Final[dict[Phase, Role]] = {
    "forward": "scope",
    "backward": "gradient_scope",
    "update": "update_scope",
}
"""Phase of a training step → role of a folded scope."""


def part_label(part: Part) -> str:
    """Return the label of one operation; that of a function which it is all of is its name."""
    return clean_text(label_of(part.name)) if part.name else operation_label(part.operations[0])


class OperationsView:
    """Draws the picture: first all boxes, then all arrows."""

    def __init__(self, outline: Outline, title: str, direction: Direction) -> None:
        self.outline = outline
        self.builder = Builder(outline, title, direction)
        self.sources = outline.sources()
        self.users = _find_users(outline)
        self.box_of_part: dict[Part, str] = {}
        self.box_of_source: dict[Source, str] = {}
        self.box_of_leaf: dict[Key, str] = {}
        self.arrays: dict[tuple[int, int], str] = {}
        self.lump_of_source: dict[Source, str] = {}
        self.lumps: set[str] = set()
        self.leaves_of_lump: dict[str, list[Key]] = {}
        self.box_of_output: list[tuple[Tensor, str]] = []
        self.results_of_fold: dict[str, dict[Key, int]] = {}
        self.ports: dict[tuple[Literal["entry", "exit"], int], str] = {}

    def picture(self) -> Picture:
        """Return the picture."""
        self.build()
        self.builder.mark_shared()
        return move_arrays_outside(self.builder.finish())

    def build(self) -> None:
        """Add all boxes and arrows."""
        for part in self.outline.parts:
            self._add_leaves(part)
            self.box_of_part[part] = self._add_part(part)
        self.box_of_output = [(y, self._add_output(y)) for y in self.outline.outputs]
        for part in self.outline.parts:
            self._add_arrows(part)
        for y, box in self.box_of_output:
            maker = self._box_of_maker(y)
            output = self._output_at(maker, y)
            index = output_index(y, y.op)
            self.builder.add_arrow(maker, box, index, output=output, carries=[key(y)])
        self._add_exits()
        if self.outline.more_outputs:
            self.add_more_outputs()

    def add_more_outputs(self) -> None:
        """Add the box that counts the outputs that are not drawn, and the arrows to it."""
        outputs = self.outline.more_outputs
        box = self.builder.add_more_outputs(outputs)
        for maker in dict.fromkeys(map(self._box_of_maker, outputs)):
            carries = [key(y) for y in outputs if self._box_of_maker(y) == maker]
            self.builder.add_arrow(maker, box, carries=carries)

    def _port(self, role: Literal["entry", "exit"], number: int) -> str:
        """Return the box of a port; add it if it is missing."""
        if (role, number) not in self.ports:
            self.ports[role, number] = self.builder.add_box(role)
        return self.ports[role, number]

    def _add_exits(self) -> None:
        """Add the ports where results leave, and the arrows to them."""
        for part in self.outline.parts:
            for operation in part.operations if self.outline.leaving else ():
                for y in operation.outputs:
                    if key(y) in self.outline.leaving:
                        maker = self.box_of_part[part]
                        port = self._port("exit", self.outline.leaving[key(y)])
                        output = self._output_at(maker, y)
                        self.builder.add_arrow(maker, port, output=output, carries=[key(y)])

    def outside_operands(self, part: Part) -> Iterator[tuple[Operation, int, object]]:
        """Yield the operands that a part takes from outside: operation, position, operand."""
        for operation in part.operations:
            for position, x in enumerate(operands(operation)):
                if not isinstance(x, Tensor):
                    if part.kind == "operation" and not is_number(x):
                        yield operation, position, x
                elif self.outline.part_of(x) is not part:
                    yield operation, position, x

    def _add_leaves(self, part: Part) -> None:
        """Add boxes for the leaves that no part before has taken; if they are many, count them."""
        fresh: dict[Source, tuple[int, int] | None] = {}
        for operation, position, x in self.outside_operands(part):
            if not isinstance(x, Tensor):
                fresh[Source(x, [part])] = operation.serial, position
                continue
            if key(x) in self.outline.entering:
                self._port("entry", self.outline.entering[key(x)])
                continue
            source = self.sources.get((part, key(x)))
            if source is not None and not self._has_box(source):
                fresh[source] = None
        sources = list(fresh)
        shown = len(sources) if len(sources) <= MOST_LEAVES else SHOWN_LEAVES
        for source in sources[:shown]:
            self._remember_box(source, fresh[source], self.builder.add_leaf(source))
        for rest in self._group_alike(sources[shown:]):
            if len(rest) == 1:
                self._remember_box(rest[0], fresh[rest[0]], self.builder.add_leaf(rest[0]))
                continue
            inside = rest[0].around(self.outline.tree.root)
            box = self.builder.add_leaf_group(rest, rest[0].role, inside)
            self.lumps.add(box)
            self.leaves_of_lump[box] = [key(x.value) for x in rest if isinstance(x.value, Tensor)]
            for source in rest:
                self._remember_box(source, fresh[source], box)

    def _group_alike(self, sources: list[Source]) -> list[list[Source]]:
        """Divide leaves into groups that one box may count: the same parts take all of them.

        So an arrow from the box of a group stands for each leaf. Parameters come first.
        """
        found: dict[Any, list[Source]] = {}
        for source in sources:
            users = self.users.get(key(source.value)) if isinstance(source.value, Tensor) else ()
            found.setdefault((source.role, users), []).append(source)
        return sorted(found.values(), key=lambda group: group[0].role != "parameter")

    def _has_box(self, source: Source) -> bool:
        """Return whether a leaf is drawn or counted already."""
        return source in self.box_of_source or source in self.lump_of_source

    def _remember_box(self, source: Source, array: tuple[int, int] | None, box: str) -> None:
        """Remember the box of a leaf; `array` is the operation and position of a plain array."""
        if array is not None:
            self.arrays[array] = box
            return
        (self.lump_of_source if box in self.lumps else self.box_of_source)[source] = box
        self.box_of_leaf.setdefault(key(source.value), box)

    def drawn_arrays(self) -> dict[str, object]:
        """Return box id → plain array, for the arrays that have a box."""
        held = {
            (operation.serial, position): x
            for part in self.box_of_part
            if part.kind == "operation"
            for operation, position, x in self.outside_operands(part)
            if not isinstance(x, Tensor)
        }
        return {box: held[name] for name, box in self.arrays.items() if box not in self.lumps}

    def _add_part(self, part: Part) -> str:
        """Add the box of a part."""
        if part.kind == "earlier":
            return self.builder.add_earlier(part)
        if part.kind == "operation":
            (operation,) = part.operations
            if is_assignment(operation):
                return self._add_changed(part, operation.outputs[0])
            return self.builder.add_box(
                ROLES[operation.phase],
                part_label(part),
                tooltip=operation_tooltip(operation),
                inside=part.around,
                ordered=operation.type not in COMMUTATIVE,
            )
        count = format_count(len(part.operations), "operation")
        if part.whole:
            count = say_count("{part} of {n} operation", part.whole, part=len(part.operations))
        lines, found = self.builder.list_leaves(part)
        box = self.builder.add_box(
            FOLDED[part.operations[0].phase],
            part_caption(part),
            count,
            *lines,
            tooltip=self._contents_tooltip(part),
            inside=part.around,
            tensors=self.builder.listed_identities(part),
        )
        self.builder.lists[box] = found
        carried = _find_carried(part)
        if carried:
            texts = [
                f"{clean_text(x.name or '')} {format_shape(x) or say('a number')}".strip()
                for x in carried
            ]
            self.builder.picture.loops.append(Loop(box, join_list(texts, LONGEST_LOOP)))
        return box

    def _add_changed(self, part: Part, leaf: Tensor) -> str:
        """Add the box of a leaf after the step: its name and shape."""
        before = leaf.op.inputs[0] if leaf.op else leaf
        unnamed = NAME_OF_UNNAMED["parameter" if before.requires_grad else "input"]
        name = clean_text(label_of(before.name) if before.name else say(unnamed))
        tooltip = say(
            "the new value of {name}, {dtype}, shape {shape}",
            name=name,
            dtype=leaf.dtype,
            shape=leaf.shape,
        )
        return self.builder.add_box(
            "updated",
            f"← {name}",
            value_or_shape(leaf),
            tooltip=tooltip,
            inside=part.around,
            tensors=(("updated", key(before)),),
        )

    def _contents_tooltip(self, part: Part) -> str:
        """Return the tooltip of a folded scope: its operations and its parameters."""
        types = Counter(operation.type for operation in part.operations)
        half = LONGEST_TOOLTIP // 2
        types_text = join_list([times(name, n) for name, n in types.items()], half)
        inside = self.outline.listed_leaves(part)
        roles = ["parameter" if x.requires_grad else "input" for x in inside]
        names = [
            clean_text(label_of(x.name) if x.name else say(NAME_OF_UNNAMED[role]))
            for x, role in zip(inside, roles, strict=True)
        ]
        leaves = [f"{n} {value_or_shape(x)}".rstrip() for n, x in zip(names, inside, strict=True)]
        return "\n".join(filter(None, (types_text, join_list(leaves, half, "\n"))))

    def _add_output(self, y: Tensor) -> str:
        """Add the box of an output: name, value or shape."""
        name = clean_text(label_of(y.name)) if y.name else say("output")
        tooltip = say("output, {dtype}, shape {shape}", dtype=y.dtype, shape=y.shape)
        return self.builder.add_box(
            "output", name, value_or_shape(y), tooltip=tooltip, tensors=(("output", key(y)),)
        )

    def _box_of_maker(self, y: Tensor) -> str:
        """Return the box that an output comes from; add one for a leaf that has none yet."""
        part = self.outline.part_of(y)
        if part is not None:
            return self.box_of_part[part]
        if key(y) not in self.box_of_leaf:
            source = Source(y, [Part("operation", self.outline.tree.root)])
            self._remember_box(source, None, self.builder.add_leaf(source))
        return self.box_of_leaf[key(y)]

    def _add_arrows(self, part: Part) -> None:
        """Add the arrows into a part, in the order of operands.

        An operation has one arrow for each operand, also from the box of left-out operations. A
        folded scope takes each tensor once. A box of several leaves has one arrow.
        """
        head = self.box_of_part[part]
        lumps = set(self.lumps)
        if part.kind != "operation":
            lumps |= {box for other, box in self.box_of_part.items() if other.kind == "earlier"}
        seen: set[Key | str] = set()
        lumped: dict[str, dict[Key, None]] = {}
        for operation, position, x in self.outside_operands(part):
            tail, label = self._arrow_start(part, operation, position, x)
            if tail is None:
                continue
            lump = tail in lumps
            once = key(x) if isinstance(x, Tensor) and not lump else tail
            if once in seen and (lump or part.kind != "operation"):
                if lump and isinstance(x, Tensor):
                    lumped.setdefault(tail, {})[key(x)] = None
                continue
            output = self._output_at(tail, x)
            held: Sequence[Key] = [key(x)] if isinstance(x, Tensor) else []
            held = self.leaves_of_lump.get(tail, held)
            again = once in seen
            self.builder.add_arrow(tail, head, label, again=again, output=output, carries=held)
            seen.add(once)
        for tail, carried in lumped.items():
            self.builder.carry(tail, head, carried)

    def _output_at(self, tail: str, x: Any) -> int:
        """Return the index of the result that an arrow carries, 0 for a leaf.

        The results of a fold are numbered in the order in which they are taken.
        """
        before = self.outline.part_of(x) if isinstance(x, Tensor) else None
        if before is None or self.box_of_part[before] != tail:
            return 0
        if before.kind == "operation":
            return int(x.index)
        known = self.results_of_fold.setdefault(tail, {})
        return known.setdefault(key(x), len(known))

    def _arrow_start(
        self, part: Part, operation: Operation, position: int, x: object
    ) -> tuple[str | None, str]:
        """Return the box where an arrow starts, and its label; None for a listed leaf."""
        if not isinstance(x, Tensor):
            return self.arrays[operation.serial, position], ""
        if key(x) in self.outline.entering:
            return self._port("entry", self.outline.entering[key(x)]), ""
        before = self.outline.part_of(x)
        if before is not None:
            named = clean_text(label_of(x.name)) if x.name else ""
            texts = (output_index(x, x.op), named, format_shape(x))
            return self.box_of_part[before], " ".join(filter(None, texts))
        source = self.sources.get((part, key(x)))
        if source is None:
            return None, ""
        return self.box_of_source.get(source) or self.lump_of_source[source], ""


class TensorsView(OperationsView):
    """Draws the operations with a box for each result, between its maker and its users."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.box_of_result: dict[Key, str] = {}

    def _arrow_start(
        self, part: Part, operation: Operation, position: int, x: Any
    ) -> tuple[str | None, str]:
        """Return the box of a result as the start; a part that takes it first adds that box."""
        before = self.outline.part_of(x) if isinstance(x, Tensor) else None
        if before is None or before.kind == "earlier":
            return super()._arrow_start(part, operation, position, x)
        return self.result(x, before), ""

    def result(self, x: Tensor, before: Part) -> str:
        """Return the box of a result: its name, if it has one, and its value or shape."""
        found = self.box_of_result.get(key(x))
        if found is None:
            tooltip = say("result, {dtype}, shape {shape}", dtype=x.dtype, shape=x.shape)
            shown = value_or_shape(x) or format_shape(x)
            found = self.box_of_result[key(x)] = self.builder.add_box(
                "tensor",
                clean_text(label_of(x.name or "")),
                shown,
                tooltip=tooltip,
                inside=before.around,
            )
            maker = self.box_of_part[before]
            output = self._output_at(maker, x)
            index = output_index(x, x.op)
            self.builder.add_arrow(maker, found, index, output=output, carries=[key(x)])
        return found


def _find_carried(part: Part) -> list[Tensor]:
    """Return what the last round of a repetition takes from the ones before it.

    It is empty where some round takes nothing from the one before it.
    """
    rounds = part.rounds()
    earlier: set[int] = set()
    for before, now in pairwise(rounds):
        made = {operation.serial for operation in before}
        earlier |= made
        taken = (x for operation in now for x in operands(operation) if isinstance(x, Tensor))
        if not any(x.serial in made for x in taken):
            return []
    last = [x for operation in (rounds or [[]])[-1] for x in operands(operation)]
    found = {key(x): x for x in last if isinstance(x, Tensor) and x.serial in earlier}
    return list(found.values())


def _find_users(outline: Outline) -> dict[Key, tuple[int, ...]]:
    """Return, for each leaf, the places of the parts that take or list it.

    A leaf that is also an output has a negative place for each output.
    """
    found: dict[Key, list[int]] = {}
    for place, part in enumerate(outline.parts):
        for leaf in outline.leaves(part):
            found.setdefault(key(leaf), []).append(place)
    for place, y in enumerate(outline.graph.outputs):
        if y.is_leaf:
            found.setdefault(key(y), []).append(-1 - place)
    return {name: tuple(places) for name, places in found.items()}
