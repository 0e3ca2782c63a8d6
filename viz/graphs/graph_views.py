"""A graph's views: operations, tensors, forward, backward, and `compiled`.

The view with the backward draws the forward as the view of operations does. The box at the right of
an operation is its step in the reverse pass, and dashed arrows carry the cotangents back the way
the values came. The view of a compiled function draws its program twice: as recorded, and after the
passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from autograd_mini.core.graph import Graph, as_graph
from autograd_mini.core.record import Operation, Record, Scope, recorder
from autograd_mini.core.reverse import apply_vjp
from autograd_mini.core.tensor import Tensor, leaf
from autograd_mini.errors import AutogradError

from ..backward_pass import Ledger, find_reached, gradient_notes, passes_gradient
from ..errors import PictureError
from ..overlays import Names, add_overlays, measure_overlays
from ..picture import Arrow, Cluster, Direction, Picture
from ..reading import Key, has_values, key, operands
from ..texts import (
    clean_text,
    format_count,
    format_shape,
    list_names,
    operation_label,
    times,
)
from ..wording.language import label_of, say, say_count
from .builder import default_title, name_in_scope, part_caption, scope_caption
from .forward_part import extract_forward
from .operations import OperationsView, TensorsView, part_label
from .outline import Outline
from .scopes import Branch, Open, Part


class BackwardView(OperationsView):
    """Draws the forward as the view of operations does, then the backward from its end.

    Raises:
        PictureError: if nothing in the graph requires a gradient, or it holds no values.
    """

    def __init__(self, outline: Outline, title: str, direction: Any) -> None:
        super().__init__(outline, title, direction)
        self.mirrored: dict[Branch, Branch] = {outline.tree.root: Branch(None, None)}
        self.gradient_of_part: dict[Part, str] = {}
        self.gradient_of_leaf: dict[Key, str] = {}
        self.gradient_of_lump: dict[str, str] = {}
        ends = [y for y in outline.graph.outputs if y.requires_grad]
        self.end = _name_output(ends[0]) if len(ends) == 1 else "Σ"
        self.reached = find_reached(outline.graph)
        self.terms_of_part = Counter(
            (part, key(x))
            for part in outline.parts
            for operation in part.operations
            for position, x in enumerate(operands(operation))
            if isinstance(x, Tensor) and self._passes_gradient(operation, position)
        )
        self.terms: Counter[Key] = Counter()
        for (_, name), count in self.terms_of_part.items():
            self.terms[name] += count
        self.terms.update(key(y) for y in outline.graph.outputs if y.is_leaf and y.requires_grad)
        if not ends or not has_values(outline.graph):
            raise PictureError(
                "view='backward' needs a result that requires a gradient, with its values: pass a "
                "loss computed from am.tensor(…, requires_grad=True); a compiled step shows its "
                "backward in view='operations'"
            )

    def build(self) -> None:
        """Add the boxes and arrows of the forward, then those of the backward."""
        self.builder.notes += gradient_notes(self.outline.graph)
        super().build()
        for part in reversed(self.outline.parts):
            if any(operation.serial in self.reached for operation in part.operations):
                box = self._add_gradient(part)
                self.gradient_of_part[part] = box
                self.builder.picture.ties.append((self.box_of_part[part], box))
        for y, box in self.box_of_output:
            if y.requires_grad:
                self._add_seed(y, box)
        self._add_more_seeds()
        for part in reversed(self.outline.parts):
            if part in self.gradient_of_part:
                self._add_flows(part)

    def mirror(self, branch: Branch) -> Branch:
        """Return the scope for the gradients of a scope; make it if it is missing."""
        missing = []
        while branch not in self.mirrored:
            missing.append(branch)
            assert branch.parent is not None  # the root has one from the start
            branch = branch.parent
        found = self.mirrored[branch]
        for inner in reversed(missing):
            found = self.mirrored[inner] = Branch(Scope(f"∂ {scope_caption(inner)}", None), found)
        return found

    def _add_gradient(self, part: Part) -> str:
        """Add the box for the gradient of a part."""
        inside = self.mirror(part.around)
        if part.kind != "operation":
            passed = sum(operation.serial in self.reached for operation in part.operations)
            earlier = part.kind == "earlier"
            name = say_count("of {n} operation", passed) if earlier else part_caption(part)
            names = [self._name_of_end(x, part) for x in self._listed_ends(part)]
            box = self.builder.add_box(
                "gradient_scope",
                f"∂ {name}",
                list_names(names, "gradient") if names else "",
                tooltip=_describe_share(passed, part),
                inside=inside,
                tensors=tuple(("gradient_value", key(x)) for x in self._listed_ends(part)),
            )
            if names:
                self.builder.lists[box] = {"gradients": names}
            return box
        (operation,) = part.operations
        steps = _rule_operations(operation)
        made = [_word_of(op) for op in steps]
        if len(steps) == 1:
            words = operation_label(steps[0])
        else:
            words = format_count(len(steps), "operation") if steps else ""
        counts = ", ".join(times(word, n) for word, n in Counter(made).items())
        rules = operation.primitive.doc.partition("  ∂")[2]
        lines = (
            f"∂{rules}".replace("  ∂", "\n∂"),
            say("computed by {operations}", operations=counts) if counts else "",
        )
        tooltip = clean_text("\n".join(filter(None, lines)), 300, lines=8)
        name = clean_text(f"∂ {part_label(part)}")
        return self.builder.add_box(
            "gradient", name, clean_text(words), tooltip=tooltip, inside=inside
        )

    def _name_of_end(self, x: Tensor, part: Part) -> str:
        """Return the name of a gradient that ends in a part, and how many of its terms do."""
        terms, here = self.terms[key(x)], self.terms_of_part[part, key(x)]
        if here < terms:
            some = say_count("{here} of {n} term", terms, here=here)
        else:
            some = say_count("sum of {n} term", terms)
        name = f"∂{name_in_scope(x, part.branch)}" if x.name else ""
        return f"{name} ({some})" if name and terms > 1 else name

    def _add_seed(self, y: Tensor, box: str) -> None:
        """Add the cotangent of an output, where the reverse pass begins."""
        name = _name_output(y)
        seed = self.builder.add_box(
            "gradient_value",
            f"∂{name}/∂{name}",
            "1" if not y.ndim else say("ones {shape}", shape=format_shape(y)),
            tensors=(("gradient_value", ("seed", key(y))),),
        )
        self.builder.picture.ties.append((box, seed))
        self._add_backward_arrow(seed, self._gradient_at(y), format_shape(y))

    def _add_more_seeds(self) -> None:
        """Add one box for the cotangents of the outputs that are only counted."""
        outputs = [y for y in self.outline.more_outputs if y.requires_grad]
        if not outputs:
            return
        seed = self.builder.add_box(
            "gradient_value",
            f"… {format_count(len(outputs), 'more output')}",
            say("ones"),
            tooltip=say("the gradient of each of them by itself"),
            tensors=tuple(("gradient_value", ("seed", key(y))) for y in outputs),
        )
        self.builder.lists[seed] = {
            "holds": [clean_text(_name_output(y), lines=1) for y in outputs]
        }
        for head in dict.fromkeys(map(self._gradient_at, outputs)):
            self._add_backward_arrow(seed, head)

    def _gradient_at(self, y: Tensor) -> str:
        """Return the box at which the cotangent of an output arrives."""
        part = self.outline.part_of(y)
        if part is None:
            return self._leaf_gradient_box(y, self.outline.tree.root)
        return self.gradient_of_part[part]

    def _listed_ends(self, part: Part) -> list[Tensor]:
        """Return the listed leaves of a part that receive a gradient, each once."""
        inside = {key(x) for x in self.outline.listed_leaves(part)}
        found: dict[Key, Tensor] = {}
        for operation in part.operations:
            for position, x in enumerate(operands(operation)):
                if (
                    isinstance(x, Tensor)
                    and key(x) in inside
                    and self._passes_gradient(operation, position)
                ):
                    found.setdefault(key(x), x)
        return list(found.values())

    def _passes_gradient(self, operation: Operation, position: int) -> bool:
        """Return whether the reverse pass sends a cotangent to this operand of an operation."""
        return operation.serial in self.reached and passes_gradient(operation, position)

    def _add_flows(self, part: Part) -> None:
        """Add the arrows of the cotangents that a part passes on, one for each tensor it takes.

        A box of several gradients gets one arrow.
        """
        tail = self.gradient_of_part[part]
        seen: set[Key | str] = set()
        for operation, position, x in self.outside_operands(part):
            if (
                not isinstance(x, Tensor)
                or not self._passes_gradient(operation, position)
                or key(x) in seen
            ):
                continue
            seen.add(key(x))
            before = self.outline.part_of(x)
            if before is not None:
                terms = self.terms_of_part[part, key(x)] if part.kind == "operation" else 1
                several = say_count("sum of {n} term", terms) if terms > 1 else ""
                label = ", ".join(filter(None, (format_shape(x), several)))
                self._add_backward_arrow(tail, self.gradient_of_part[before], label)
            elif (part, key(x)) in self.sources:
                branch = self.sources[part, key(x)].around(self.outline.tree.root)
                head = self._leaf_gradient_box(x, branch)
                if head not in seen:
                    self._add_backward_arrow(tail, head)
                seen.add(head)

    def _leaf_gradient_box(self, x: Tensor, branch: Branch) -> str:
        """Return the box of a leaf's gradient, where the reverse pass ends.

        If the leaf is only counted, its gradient is only counted, too.
        """
        lump = self.box_of_leaf[key(x)]
        if lump in self.lumps:
            return self._group_gradient_box(lump, branch)
        found = self.gradient_of_leaf.get(key(x))
        if found is None:
            full = label_of(x.name) if x.name else say("parameter")
            name = name_in_scope(x, branch) or full
            if self.end == "Σ":
                told = "gradient of {what} by {name}, added into its .grad by backward()"
            else:
                told = "gradient by {name}, added into its .grad by backward()"
            of_what = say("the sum of the outputs, Σ,")
            found = self.gradient_of_leaf[key(x)] = self.builder.add_box(
                "gradient_value",
                f"∂{self.end}/∂{name}",
                format_shape(x),
                say_count("sum of {n} term", self.terms[key(x)]) if self.terms[key(x)] > 1 else "",
                tooltip=say(told, name=clean_text(full), what=of_what),
                inside=self.mirror(branch),
                tensors=(("gradient_value", key(x)),),
            )
        return found

    def _group_gradient_box(self, lump: str, branch: Branch) -> str:
        """Return the box that counts the gradients of counted leaves."""
        found = self.gradient_of_lump.get(lump)
        if found is None:
            names = self.builder.lists[lump]["holds"]
            counted_here = next(x.tensors for x in self.builder.picture.boxes if x.id == lump)
            several = sum(self.terms[name] > 1 for name in self.leaves_of_lump[lump])
            found = self.gradient_of_lump[lump] = self.builder.add_box(
                "gradient_value",
                f"… {format_count(len(names), 'more gradient')}",
                tooltip=say_count("of them {n} sum of several terms", several) if several else "",
                inside=self.mirror(branch),
                tensors=tuple(("gradient_value", name) for _, name in counted_here),
            )
            self.builder.lists[found] = {"holds": names}
        return found

    def _add_backward_arrow(self, tail: str, head: str, label: str = "") -> None:
        """Add an arrow of the backward."""
        self.builder.picture.arrows.append(Arrow(tail, head, label, backward=True))


def _name_output(y: Tensor) -> str:
    """Return the name of an output as it is drawn."""
    return clean_text(label_of(y.name)) if y.name else say("output")


def _word_of(operation: Operation) -> str:
    """Return the name of an operation in a list of names."""
    return label_of(operation.type.replace("_", " "))


def _describe_share(passed: int, part: Part) -> str:
    """Write how many operations of a part the reverse pass goes through."""
    count = len(part.operations)
    if passed == count:
        return say_count("the gradient of {n} operation", count)
    return say_count("the gradient of {passed} of {n} operation", count, passed=passed)


def _rule_operations(operation: Operation) -> list[Operation]:
    """Return the operations of a vjp rule, as recorded for a cotangent of ones."""
    vertex, ledger = operation._record, Ledger()
    seeds: list[Any] = [leaf(np.ones(y.shape, y.dtype)[()]) for y in operation.outputs]
    last = max(seed.serial for seed in seeds)
    g = seeds if type(vertex) is Record else seeds[0]
    try:
        with recorder(None), np.errstate(all="ignore"):
            apply_vjp(vertex, g, False, ledger, None, True, None)
    except AutogradError:  # a rule that cannot be recorded is still a rule
        return []
    found: dict[int, Any] = {}
    waiting = [x.amount for x in ledger.entries if isinstance(x.amount, Tensor)]
    while waiting:  # no further back than the rule itself
        made_by = waiting.pop().op
        if made_by is not None and made_by.serial > last and made_by.serial not in found:
            found[made_by.serial] = made_by
            waiting += [x for x in operands(made_by) if isinstance(x, Tensor)]
    return [found[serial] for serial in sorted(found)]


GraphView = Literal["operations", "tensors", "forward", "backward"]
COLLECTORS: Final[dict[GraphView, type[OperationsView]]] = {
    "operations": OperationsView,
    "tensors": TensorsView,
    "forward": OperationsView,
    "backward": BackwardView,
}
"""View → the class that draws it."""
BOXES_PER_PART: Final[dict[GraphView, int]] = {"tensors": 2, "backward": 2}
"""About how many boxes a view draws for one part of the outline; 1 for the others."""
STAGES: Final = ("as recorded: {n} operation", "after the passes: {n} operation")


def graph_picture(
    graph: Graph,
    view: GraphView,
    limit: int | None,
    direction: Direction,
    title: str | None,
    open: Open = None,
    overlay: Names = None,
) -> tuple[Picture, OperationsView]:
    """Draw a graph in one of these views; return the picture and the view that drew it.

    Args:
        graph: what to draw.
        view: which one.
        limit: about how many boxes to draw at most. Scopes fold first; then the operations that
            are furthest from the outputs are left out and counted.
        direction: top to bottom or left to right.
        title: for screen readers.
        open: which scopes are open, as in `draw`.
        overlay: the measures, as in `draw`.

    Raises:
        PictureError: if the graph has nothing to show in this view.
    """
    outline = Outline(*outline_arguments(graph, view, limit), open=open, only_loops=bool(overlay))
    collector = COLLECTORS[view](outline, title or default_title(graph), direction)
    found = measure_overlays(overlay, outline.graph)
    return add_overlays(collector.picture(), collector, found), collector


def outline_arguments(graph: Graph, view: GraphView, limit: int | None) -> tuple[Graph, int | None]:
    """Return the graph that a view shows, and its limit of parts, as `Outline` takes them."""
    if view == "forward":
        graph = extract_forward(graph)
    return graph, None if limit is None else max(limit // BOXES_PER_PART.get(view, 1), 4)


def compiled_picture(
    subject: object, limit: int | None, direction: Direction, title: str | None
) -> Picture:
    """Draw both programs of a compiled function in one picture, each in a frame.

    Args:
        subject: the compiled function.
        limit: about how many boxes to draw at most, in both together.
        direction: of each of them.
        title: for screen readers.

    Raises:
        PictureError: for a function that is not compiled or was not called.
    """
    before = as_graph(getattr(subject, "recorded", None))
    after = as_graph(getattr(subject, "program", None))
    if before is None or after is None:
        raise PictureError(
            "view='compiled' is for a function of am.compile that was called at least once; got "
            f"{type(subject).__name__} {subject!r:.60}"
        )
    share = None if limit is None else max(limit // 2, 4)
    graphs = before, after
    captions = (say_count(when, len(graph)) for when, graph in zip(STAGES, graphs, strict=True))
    frames = {
        caption: _with_origins(
            graph_picture(graph, "operations", share, direction, None)[0], graph.origins
        )
        for caption, graph in zip(captions, graphs, strict=True)
    }
    name = clean_text(getattr(subject, "__name__", "") or say("function"))
    said = say(
        "{name} before and after the passes: {changes}",
        name=name,
        changes=_describe_changes(*graphs),
    )
    return _combine_pictures(frames, title or said)


def _with_origins(picture: Picture, origins: Mapping[Any, Hashable]) -> Picture:
    """Return a picture in which equal tensors of both programs have one identity."""
    boxes = [
        replace(box, tensors=tuple((role, origins.get(name, name)) for role, name in box.tensors))
        for box in picture.boxes
    ]
    return replace(picture, boxes=boxes)


def _describe_changes(before: Graph, after: Graph) -> str:
    """Write which types of operations became fewer or more, the largest change first."""
    counts = [Counter(op.type for op in graph.operations) for graph in (before, after)]
    moved = {name: counts[1][name] - counts[0][name] for name in counts[0] | counts[1]}
    changed = sorted((name for name in moved if moved[name]), key=lambda name: -abs(moved[name]))
    moves = [f"{name} {moved[name]:+d}".replace("-", "−") for name in changed]
    return ", ".join(moves) or say("the same")


def _combine_pictures(frames: dict[str, Picture], title: str) -> Picture:
    """Return one picture of several, each inside a cluster with its caption."""
    first = next(iter(frames.values()))
    whole = Picture(clean_text(title, 200), first.direction, first.ranksep)
    for caption, part in frames.items():
        start, outer = len(whole.boxes), f"cluster_{len(whole.clusters)}"
        whole.clusters.append(Cluster(outer, caption))
        names = {box.id: f"n{start + place}" for place, box in enumerate(part.boxes)}
        scopes: dict[str | None, str] = {None: outer}
        for cluster in part.clusters:
            scopes[cluster.id] = f"cluster_{len(whole.clusters)}"
            whole.clusters.append(
                Cluster(scopes[cluster.id], cluster.caption, scopes[cluster.parent])
            )
        whole.boxes += [
            replace(
                box,
                id=names[box.id],
                cluster=scopes[box.cluster],
                copy_of=names[box.copy_of] if box.copy_of else None,
            )
            for box in part.boxes
        ]
        whole.arrows += [
            replace(arrow, tail=names[arrow.tail], head=names[arrow.head]) for arrow in part.arrows
        ]
        whole.ties += [(names[one], names[other]) for one, other in part.ties]
        whole.loops += [replace(loop, box=names[loop.box]) for loop in part.loops]
    return whole
