"""A graph's views: operations, tensors, forward, backward, and `compiled`; and its forward part.

The view of a compiled function draws its program twice: as recorded, and after the passes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from autograd_mini.core.absent import Absent
from autograd_mini.core.contexts import Phase, serials
from autograd_mini.core.graph import Graph, as_graph
from autograd_mini.core.record import Operation, Record, lines
from autograd_mini.core.tensor import Tensor, leaf
from autograd_mini.ops.conversion import set_leaf

from ..errors import PictureError
from ..overlays import Names, add_overlays, measure_overlays
from ..picture import Cluster, Direction, Picture
from ..reading import Key, is_assignment, key, scope_of
from ..texts import clean_text, format_count, ordinal
from .backward_view import BackwardView
from .builder import default_title
from .operations import OperationsView, TensorsView
from .outline import Outline
from .scopes import Open

USED_FOR: Final[dict[Phase, str]] = {"backward": "the gradients", "update": "the update"}
"""Phase → the words for a result that this phase uses and the function does not return."""
JOINING: Final = "flat"
DIVIDING: Final = "parts"
"""The operations that join flat tensors into one row, and divide it again."""
Leaves = frozenset[Key]
NO_LEAVES: Final[Leaves] = frozenset()


def extract_forward(graph: Graph) -> Graph:
    """Return the forward of a graph; without a training step that is the whole graph.

    Outputs that are computed from gradients are left out.
    """
    if all(_is_forward(operation) for operation in graph.operations):
        return graph
    return ForwardMaker(graph).build()


def _is_forward(operation: Operation) -> bool:
    """Return whether an operation belongs to the forward."""
    return operation.primitive is not set_leaf and operation.phase == "forward"


class ForwardMaker:
    """Copies the vertices of the forward; what they take from other phases becomes leaves."""

    def __init__(self, whole: Graph) -> None:
        self.whole = whole
        self.vertices: dict[int, Any] = {}
        self.whole_of: dict[int, int] = {}
        self.leaves: dict[Key, Tensor] = {}
        self.ends: dict[int, Any] = {}
        self.users = _phases_of_users(whole)
        self.updated = _updated_leaves(whole)

    def build(self) -> Graph:
        """Return the graph."""
        for operation in filter(_is_forward, self.whole.operations):
            self._copy_vertex(operation._record)
        kept = [self._copy_tensor(y) for y in self.whole.outputs if self._is_kept(y)]
        for y in kept:
            self.ends.pop(y.serial, None)
        return Graph(*kept, *_number_equal_names(list(map(self._make_output, self.ends.values()))))

    def _is_kept(self, y: Tensor) -> bool:
        """Return whether an output of the whole graph is an output of the forward."""
        return y.is_leaf or y.serial in self.vertices

    def _copy_vertex(self, vertex: Any) -> None:
        """Copy a vertex of the forward; it is an end until another vertex takes its result."""
        made: Any = Record() if type(vertex) is Record else Tensor()
        for name in ("_primitive", "_params", "_scope", "_requires_grad"):
            setattr(made, name, getattr(vertex, name))
        made._operands = tuple(map(self._copy_operand, vertex._operands))
        made.serial = next(serials)
        if type(vertex) is Record:
            made.arrays = vertex.arrays
        else:
            made._value, made.name, made.grad = vertex._value, vertex.name, None
        if vertex.serial in lines:
            lines.attach(made, lines[vertex.serial])
        self.vertices[vertex.serial] = self.ends[made.serial] = made
        self.whole_of[made.serial] = vertex.serial

    def _copy_operand(self, x: object) -> Any:
        """Return the copy of an operand; the vertex that made it is no longer an end."""
        if type(x) is not Tensor or not x.serial:
            return x
        found = self._copy_tensor(x)
        self.ends.pop(found.serial, None)
        return found

    def _copy_tensor(self, x: Tensor) -> Tensor:
        """Return the copy of a tensor of the whole graph."""
        if x.is_leaf:
            return x
        vertex = self.vertices.get(x.serial)
        if vertex is None:
            return self._make_leaf(x)
        if type(vertex) is not Record:
            return vertex
        found = vertex.output(x.index)
        found.name = x.name
        return found

    def _make_leaf(self, x: Tensor) -> Tensor:
        """Return the leaf for a tensor that another phase makes; its name says which phase."""
        name = x.serial, x.index
        if name not in self.leaves:
            old, count = self.updated.get(name, (None, 0))
            value = x._value
            assert x.op is not None  # leaves of the whole stay as they are
            before, when = x.name or "", f"the {x.op.phase}"
            if old is not None:
                before = old.name or ""
                when = "the update" if count == 1 else f"the {ordinal(count)} update"
            self.leaves[name] = leaf(
                Absent(value.shape, value.dtype),
                requires_grad=old is not None and old.requires_grad,
                name=f"{before} after {when}".strip(),
            )
        return self.leaves[name]

    def _make_output(self, vertex: Any) -> Tensor:
        """Return a result that only other phases take; its name says which."""
        found: Tensor = vertex.output(0) if type(vertex) is Record else vertex
        users = self.users.get(self.whole_of[vertex.serial], set())
        what = [words for phase, words in USED_FOR.items() if phase in users]
        found.name = f"{found.name or ''} for {' and '.join(what)}".strip() if what else found.name
        return found


def _number_equal_names(ends: list[Tensor]) -> list[Tensor]:
    """Number the ends that have equal names."""
    names = Counter(y.name for y in ends)
    seen: Counter[str] = Counter()
    for y in ends:
        if y.name and names[y.name] > 1:
            seen[y.name] += 1
            y.name = f"{y.name}, {seen[y.name]}"
    return ends


def _phases_of_users(graph: Graph) -> dict[int, set[Phase]]:
    """Return, for each operation, the phases whose operations take its results."""
    found: dict[int, set[Phase]] = {}
    for operation in graph.operations:
        phase: Phase = "update" if operation.primitive is set_leaf else operation.phase
        for x in operation.inputs:
            if x.serial and not x.is_leaf:
                found.setdefault(x.serial, set()).add(phase)
    return found


def _updated_leaves(graph: Graph) -> dict[Key, tuple[Tensor, int]]:
    """Return, for each new value of a leaf, that leaf and the number of the update.

    An optimizer opens a scope for each step; so the updates of one leaf have different scopes.
    """
    updates = [x for x in graph.operations if x.phase == "update" and not is_assignment(x)]
    possible = _find_possible_leaves(updates)
    makers = {operation.outputs[0].serial: operation for operation in updates}
    found: dict[Key, tuple[Tensor, int]] = {}
    for operation in graph.operations:
        if is_assignment(operation):
            leaf, new = operation.inputs
            ancestors = _find_ancestors(new, makers)
            versions = sorted(x for x in ancestors if key(leaf) in possible.get(x, NO_LEAVES))
            scopes = [scope_of(makers[serial]) for serial, _ in versions]
            steps = list(dict.fromkeys(map(id, scopes)))  # the scopes live as long as this list
            found[key(new)] = leaf, max(len(steps), 1)
            for x, scope in zip(versions, scopes, strict=True):
                found[x] = leaf, steps.index(id(scope)) + 1
    return found


def _find_possible_leaves(updates: list[Operation]) -> dict[Key, Leaves]:
    """Return, for each result of an update, the leaves of its shape that it was computed from."""
    found: dict[Key, Leaves] = {}
    rows: dict[Key, list[Leaves]] = {}
    for operation in updates:
        known = [
            frozenset([key(x)]) if x.is_leaf else found.get(key(x), NO_LEAVES)
            for x in operation.inputs
        ]
        joined = [rows[key(x)] for x in operation.inputs if key(x) in rows]
        for y in operation.outputs:
            if operation.type == JOINING:
                rows[key(y)] = known
            elif operation.type == DIVIDING and joined:
                found[key(y)] = joined[0][y.index]
            elif joined:
                rows[key(y)] = [NO_LEAVES.union(*parts) for parts in zip(*joined, strict=True)]
            else:
                alike = zip(operation.inputs, known, strict=True)
                found[key(y)] = NO_LEAVES.union(*(one for x, one in alike if x.shape == y.shape))
    return found


def _find_ancestors(new: Tensor, makers: dict[int, Operation]) -> set[Key]:
    """Return the tensors that a new value was computed from, by operations of updates only."""
    found: set[Key] = set()
    waiting = [new]
    while waiting:
        x = waiting.pop()
        if key(x) not in found:
            found.add(key(x))
            waiting += makers[x.serial].inputs if x.serial in makers else ()
    return found


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
STAGES: Final = ("as recorded", "after the passes")


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
    outline = Outline(*outline_arguments(graph, view, limit), open=open, repeats=not overlay)
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
    captions = (
        f"{when}: {format_count(len(graph), 'operation')}"
        for when, graph in zip(STAGES, graphs, strict=True)
    )
    frames = {
        caption: _with_origins(
            graph_picture(graph, "operations", share, direction, None)[0], graph.origins
        )
        for caption, graph in zip(captions, graphs, strict=True)
    }
    name = clean_text(getattr(subject, "__name__", "") or "function")
    return _combine_pictures(
        frames, title or f"{name} before and after the passes: {_describe_changes(*graphs)}"
    )


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
    return ", ".join(f"{name} {moved[name]:+d}".replace("-", "−") for name in changed) or "the same"


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
    return whole
