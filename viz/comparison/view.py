"""The picture of a union: what is the same is grey, new green, gone red, changed blue.

Each of them has a mark and a line of its own, too: new things a thick border and "+", gone ones a
dashed border and "−", changed ones a double border and "≠".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from autograd_mini.core.tensor import Tensor

from ..graphs.builder import output_index
from ..graphs.operations import Facts, OperationsView, operation_facts, view_facts
from ..graphs.outline import Outline
from ..graphs.scopes import Open, Part
from ..picture import Box, Change, Direction, Picture
from ..reading import Key, is_assignment, is_number, key, operands
from ..style import CHANGES
from ..texts import clean_text, format_count, format_shape, operation_label, ordinal, value_or_shape
from .union import NOT_COMPARED, Ending, Union, Verdict

SIGNS: Final[dict[Change, str]] = {"same": "=", "changed": "≠", "new": "+", "gone": "−"}
WORDS: Final[dict[Change, str]] = {
    "same": "the same",
    "changed": "changed",
    "new": "new",
    "gone": "gone",
}
LINES: Final[dict[Change, str]] = {
    "same": "thin",
    "changed": "double",
    "new": "thick",
    "gone": "dashed",
}
ORDER: Final[tuple[Change, ...]] = ("same", "changed", "new", "gone")
TITLE: Final = "first → second"
"""The title of the legend, which is read aloud."""
MOST_DETAILS: Final = 3
"""A box tells so many changes; its tooltip tells all."""
LONGEST: Final = 44
"""Characters of a line about a change."""
Counts = Counter[Change]


class DifferenceView(OperationsView):
    """Draws the operations of a union, each box and arrow with how it compares."""

    def __init__(self, outline: Outline, title: str, direction: Direction, union: Union) -> None:
        super().__init__(outline, title, direction)
        self.union = union
        self.endings: list[tuple[Ending, str]] = []
        self.verdict_of_box: dict[str, Counts] = {}
        self._separate_outputs()

    def _separate_outputs(self) -> None:
        """Let the outline show one box for an output that another operation makes now."""
        shown = len(self.outline.outputs)
        drawn = [x for x in self.union.endings if not _is_assigned(x)]
        self.outline.outputs = tuple(x.tensor for x in drawn[:shown])
        self.outline.more_outputs = tuple(x.tensor for x in drawn[shown:])

    def build(self) -> None:
        """Add all boxes and arrows, and say how they compare."""
        for part in self.outline.parts:
            self._add_leaves(part)
            self.box_of_part[part] = self._add_part(part)
        drawn = [x for x in self.union.endings if not _is_assigned(x)]
        shown, more = drawn[: len(self.outline.outputs)], drawn[len(self.outline.outputs) :]
        self.endings = [(x, self._add_output(x.tensor)) for x in shown]
        self.box_of_output = [(x.tensor, box) for x, box in self.endings]
        for part in self.outline.parts:
            self._add_arrows(part)
        for ending, box in self.endings:
            self._add_ending_arrows(ending, box)
        if more:
            self._add_more_endings(more)
        self.builder.notes += self.union.notes
        self._tell_changes(more)

    # ── arrows ───────────────────────────────────────────────────────────────────────────────
    def _add_arrows(self, part: Part) -> None:
        """Add the arrows into a part, each with how its operand compares.

        A fold takes each tensor once, and a box of several leaves has one arrow; where its operands
        compare differently, the arrow is changed.
        """
        head = self.box_of_part[part]
        lumps = set(self.lumps)
        if part.kind != "operation":
            lumps |= {box for other, box in self.box_of_part.items() if other.kind == "earlier"}
        drawn = self.builder.picture.arrows
        rewired = part.kind == "operation" and self._is_rewired(part)
        seen: dict[Key | str, int] = {}
        for operation, position, x in self.outside_operands(part):
            tail, label = self._arrow_start(part, operation, position, x)
            if tail is None:
                continue
            use = self.union.uses[operation.serial, position]
            if label and isinstance(use.tensor, Tensor):  # of a changed operation, as it was
                texts = (output_index(use.tensor, use.tensor.op), use.tensor.name or "")
                label = " ".join(filter(None, (*map(clean_text, texts), format_shape(use.tensor))))
            lump = tail in lumps
            once = key(x) if isinstance(x, Tensor) and not lump else tail
            if once in seen and (lump or part.kind != "operation"):
                before = drawn[seen[once]]
                change = before.change if before.change == use.change else "changed"
                drawn[seen[once]] = replace(before, change=change)
                continue
            output = self._output_at(tail, x)
            self.builder.add_arrow(tail, head, label, again=once in seen, output=output)
            place = ordinal(use.place) if rewired else ""
            drawn[-1] = replace(drawn[-1], change=use.change, operand=place)
            seen[once] = len(drawn) - 1

    def _is_rewired(self, part: Part) -> bool:
        """Takes an operation of both graphs other operands in each, in an order that matters?"""
        (operation,) = part.operations
        taken = [self.union.uses[operation.serial, i] for i in range(len(operands(operation)))]
        changes = {use.change for use in taken}
        if "gone" not in changes or self.union.operations[operation.serial].change == "gone":
            return False
        if max(use.place for use in taken) > 1:
            return True
        boxes = self.builder.picture.boxes  # with one operand in each graph, it has no order
        place = next(i for i, x in enumerate(boxes) if x.id == self.box_of_part[part])
        boxes[place] = replace(boxes[place], ordered=False)
        return False

    def _add_ending_arrows(self, ending: Ending, box: str) -> None:
        """Add the arrow to an output, and the one from its maker in the first graph."""
        makers: list[tuple[Tensor, Change]] = [(ending.tensor, ending.maker_change)]
        if ending.before is not None:
            makers.append((ending.before, "gone"))
        for y, change in makers:
            maker = self._box_of_maker(y)
            output = self._output_at(maker, y)
            index = f":{y.index}" if y.op is not None and y.op.primitive.multiple else ""
            self.builder.add_arrow(maker, box, index, output=output)
            drawn = self.builder.picture.arrows
            drawn[-1] = replace(drawn[-1], change=change)

    def _add_more_endings(self, more: list[Ending]) -> None:
        """Add the box that counts the other outputs, and the arrows to it."""
        box = self.builder.add_more_outputs([x.tensor for x in more])
        self.verdict_of_box[box] = _count(x.verdict for x in more)
        changes: dict[str, set[Change]] = {}
        for ending in more:
            changes.setdefault(self._box_of_maker(ending.tensor), set()).add(ending.maker_change)
            if ending.before is not None:
                changes.setdefault(self._box_of_maker(ending.before), set()).add("gone")
        for maker, found in changes.items():
            self.builder.add_arrow(maker, box)
            change: Change = found.pop() if len(found) == 1 else "changed"
            drawn = self.builder.picture.arrows
            drawn[-1] = replace(drawn[-1], change=change)

    # ── boxes ────────────────────────────────────────────────────────────────────────────────
    def _tell_changes(self, more: list[Ending]) -> None:
        """Say in each box how it compares."""
        verdicts = dict(self._verdicts_of_single_boxes())
        for part, name in self.box_of_part.items():
            if part.kind != "operation":
                self.verdict_of_box[name] = self._count_part(part)
        for lump, leaves in self.leaves_of_lump.items():
            self.verdict_of_box[lump] = _count(self.union.leaves[name] for name in leaves)
        labels = {
            box: operation_label(self.union.original(part.operations[0].serial))
            for part, box in self.box_of_part.items()
            if part.kind == "operation" and not part.operations[0].outputs[0].is_leaf
        }
        hidden = self._numbers_not_compared()
        boxes = self.builder.picture.boxes
        for place, box in enumerate(boxes):
            if box.id in hidden and hidden[box.id] in box.lines[1:2]:
                box = replace(box, lines=(box.lines[0], *box.lines[2:]))
            if box.id in labels and box.role in ("operation", "gradient", "update"):
                box = replace(box, lines=(labels[box.id], *box.lines[1:]))
            if box.id in verdicts:
                boxes[place] = _tell_verdict(box, verdicts[box.id])
            elif box.id in self.verdict_of_box:
                boxes[place] = _tell_counts(box, self.verdict_of_box[box.id])

    def _verdicts_of_single_boxes(self) -> Iterator[tuple[str, Verdict]]:
        """Yield the boxes of one operation, leaf, array or output, with how it compares."""
        for part, box in self.box_of_part.items():
            if part.kind == "operation":
                yield box, self.union.operations[part.operations[0].serial]
        for source, box in self.box_of_source.items():
            yield box, self.union.leaves[key(source.value)]
        for name, box in self.arrays.items():
            if box not in self.lumps:
                change = self.union.uses[name].change
                yield box, Verdict(change, ("other numbers",) if change == "changed" else ())
            else:
                self.verdict_of_box.setdefault(box, Counter())[self.union.uses[name].change] += 1
        for ending, box in self.endings:
            yield box, ending.verdict

    def _numbers_not_compared(self) -> dict[str, str]:
        """Return box → the number in it that was not compared, which is not to be drawn."""
        if self.union.shows_numbers:
            return {}
        tensors = [(box, ending.tensor) for ending, box in self.endings]
        if NOT_COMPARED in self.union.notes:
            tensors += [(box, source.value) for source, box in self.box_of_source.items()]
        return {box: value_or_shape(x) for box, x in tensors if not x.ndim}

    def _count_part(self, part: Part) -> Counts:
        """Count how the operations and listed leaves of a fold compare."""
        found = _count(self.union.operations[x.serial] for x in part.operations)
        leaves = self.outline.listed_leaves(part)
        return found + _count(self.union.leaves[key(x)] for x in leaves)


def _is_assigned(ending: Ending) -> bool:
    """Is an output a leaf after a training step, which is drawn as an operation?"""
    return is_assignment(ending.tensor.op)


def _count(verdicts: Iterable[Verdict]) -> Counts:
    """Count how things compare."""
    return Counter(x.change for x in verdicts)


def _tell_verdict(box: Box, verdict: Verdict) -> Box:
    """Return a box of one thing that says how it compares."""
    sign, details = SIGNS[verdict.change], [clean_text(x, LONGEST, 1) for x in verdict.details]
    lines = list(box.lines)
    if verdict.change in ("new", "gone"):
        lines.append(f"{sign} {WORDS[verdict.change]}")
    elif verdict.change == "changed":
        shown = details[:MOST_DETAILS] or [WORDS["changed"]]
        lines += [f"{sign} {x}" for x in shown]
    tooltip = "\n".join([box.tooltip, f"{WORDS[verdict.change]}", *details]).strip()
    return replace(box, lines=tuple(lines), tooltip=tooltip, change=verdict.change)


def _tell_counts(box: Box, counts: Counts) -> Box:
    """Return a box of several things that says how many of them compare how."""
    found = [change for change in ORDER if counts[change]]
    if len(found) == 1 and found[0] == "same":
        return replace(box, change="same")
    if len(found) == 1 and found[0] != "changed":
        words = f"{SIGNS[found[0]]} {WORDS[found[0]]}"
        return replace(box, lines=(*box.lines, words), change=found[0])
    texts = [f"{SIGNS[x]} {counts[x]} {WORDS[x]}" for x in found if x != "same"]
    return replace(box, lines=(*box.lines, "  ".join(texts)), change="changed")


def difference_picture(
    union: Union,
    limit: int | None,
    direction: Direction,
    title: str | None,
    open: Open = None,
) -> tuple[Picture, DifferenceView]:
    """Draw a union, with a legend that counts.

    Args:
        union: of two graphs.
        limit: about how many boxes to draw at most.
        direction: top to bottom or left to right.
        title: for screen readers.
        open: which scopes are open, as in `draw`.
    """
    outline = Outline(union.graph, limit, open=open)
    view = DifferenceView(outline, title or _default_title(union), direction, union)
    picture = view.picture()
    picture.boxes.append(_legend(union, picture.next_id()))
    return picture, view


def _legend(union: Union, name: str) -> Box:
    """Return the box that explains colours and marks, and counts."""
    counts = count_operations(union), count_tensors(union), count_arrows(union)
    shown = [change for change in ORDER if any(found[change] for found in counts)]
    lines = [_describe_count(change, *(found[change] for found in counts)) for change in shown]
    return Box(name, "scale", (TITLE, *lines), swatches=tuple(CHANGES[x] for x in shown))


def count_operations(union: Union) -> dict[Change, int]:
    """Return how many operations are the same, changed, new and gone."""
    found = _count(union.operations.values())
    return {change: found[change] for change in ORDER}


def count_tensors(union: Union) -> dict[Change, int]:
    """Return how many inputs, parameters and outputs are the same, changed, new and gone."""
    ends = (x.verdict for x in union.endings if not _is_assigned(x))
    found = _count([*union.leaves.values(), *ends])
    return {change: found[change] for change in ORDER}


def count_arrows(union: Union) -> dict[Change, int]:
    """Return how many operands, and outputs of operations, are the same, changed, new and gone."""
    found: Counts = Counter()
    for operation in union.graph.operations:
        for position, x in enumerate(operands(operation)):
            if not is_number(x):
                found[union.uses[operation.serial, position].change] += 1
    for ending in union.endings:
        if not _is_assigned(ending):
            found[ending.maker_change] += 1
            found["gone"] += ending.before is not None
    return {change: found[change] for change in ORDER}


def _describe_count(change: Change, *amounts: int) -> str:
    """Write how many operations, tensors and arrows compare in one way."""
    counts = zip(amounts, ("operation", "tensor", "arrow"), strict=True)
    words = ", ".join(format_count(n, noun) for n, noun in counts if n)
    return f"{SIGNS[change]} {WORDS[change]} ({LINES[change]} line): {words}"


def _default_title(union: Union) -> str:
    """Name a picture after what differs."""
    counts = count_operations(union)
    listed = ", ".join(f"{counts[x]} {WORDS[x]}" for x in ORDER if counts[x])
    return f"Difference of two graphs: operations {listed or 'none'}"


def difference_facts(union: Union, view: DifferenceView) -> dict[str, Facts]:
    """Return the facts about each box, by id, and how it compares."""
    found = view_facts(view)
    for part, name in view.box_of_part.items():
        if part.kind == "operation":
            serial = part.operations[0].serial
            found[name] = operation_facts(union.original(serial))
    for box in view.builder.picture.boxes:
        if box.change:
            found[box.id] = [("compared", WORDS[box.change]), *found.get(box.id, [])]
    return found
